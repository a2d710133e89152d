"""Tests of `tfcompress.amc.evaluation`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.slimming.fakes import corners, small_net
from tfcompress import data, errors
from tfcompress.amc import evaluation
from tfcompress.amc.evaluation import HeldOut

L = keras.layers


def identity_net(classes=3, **settings):
    """Build a model that returns its input."""
    x = keras.Input((classes,))
    return keras.Model(x, L.Activation("linear")(x), **settings)


def vectors(y, classes=3, **settings):
    """Return one-hot examples whose labels are `y`, held out whole."""
    x = np.eye(classes, dtype="float32")[np.arange(len(y)) % classes]
    part = (x, np.asarray(y))
    settings = {"task": "classification", **settings}
    return data.Dataset.from_arrays(part, validation=part, test=part, **settings)


def test_accuracy_is_that_of_the_task():
    """The compiled count agrees with the streaming counters."""
    dataset, model = corners(), small_net(8)
    task = data.Task.for_model(model, dataset)
    expected = data.evaluate_model(model, dataset, split="validation", task=task)
    held_out = HeldOut(dataset, task)
    assert held_out(model) == pytest.approx(expected.value)
    assert held_out.num_examples == dataset.sizes["validation"]
    assert held_out.higher_is_better


def test_accuracy_by_hand():
    """Four of six rows of the identity carry the label of their place."""
    dataset = vectors([0, 1, 2, 0, 2, 1])
    assert HeldOut(dataset, dataset.task)(identity_net()) == pytest.approx(4 / 6)


def test_weights_of_examples_count():
    """Rows 0 and 2 are right; they weigh 1 + 3 of 8."""
    x = np.eye(3, dtype="float32")
    part = (x, np.array([0, 2, 2]), np.array([1.0, 4.0, 3.0]))
    dataset = data.Dataset.from_arrays(
        part, validation=part, test=part, task="classification"
    )
    assert HeldOut(dataset, dataset.task)(identity_net()) == pytest.approx(4 / 8)


def test_the_ignored_class_does_not_count():
    """Without the two rows of class 2, two of four are right."""
    dataset = vectors([0, 0, 2, 0, 2, 2])
    task = data.Task.single("classification", num_classes=3, ignore_class=2)
    assert HeldOut(dataset, task)(identity_net()) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("logits", "right"), [(True, 3), (False, 2)])
def test_one_sigmoid_unit_is_compared_with_its_threshold(logits, right):
    """0.3 is class 1 as a logit and class 0 as a probability."""
    x = np.array([[-1.0], [0.3], [0.7]], np.float32)
    part = (x, np.array([0, 1, 1]))
    dataset = data.Dataset.from_arrays(
        part, validation=part, test=part, task="classification"
    )
    task = data.Task.single("classification", num_classes=2, from_logits=logits)
    assert HeldOut(dataset, task)(identity_net(1)) == pytest.approx(right / 3)


def test_only_the_held_out_part_decides():
    """Labels of the other parts may be what they like."""
    good, bad = np.arange(6) % 3, (np.arange(6) + 1) % 3
    x = np.eye(3, dtype="float32")[good]
    dataset = data.Dataset.from_arrays(
        (x, bad), validation=(x, good), test=(x, bad), task="classification"
    )
    assert HeldOut(dataset, dataset.task)(identity_net()) == 1.0


def test_new_weights_are_judged_without_tracing_again():
    """A search assigns hundreds of plans to one model."""
    dataset, model = corners(), small_net(8)
    held_out = HeldOut(dataset, data.Task.for_model(model, dataset), batch_size=7)
    head = model.get_layer("head")
    values = []
    for label in (0, 1):
        bias = 9.0 * np.eye(4)[label]
        head.set_weights([head.kernel.numpy() * 0, bias])
        values.append(held_out(model))
    _, compiled = held_out._compiled[id(model)]
    assert compiled.experimental_get_tracing_count() == 1
    assert values == pytest.approx([8 / 29, 7 / 29])  # how many are of each corner


def test_many_models_are_judged_and_few_are_kept():
    """Each has its own compiled pass; memory does not grow with their number."""
    dataset = vectors([0, 1, 2])
    held_out = HeldOut(dataset, dataset.task)
    values = [held_out(identity_net()) for _ in range(evaluation.MODELS + 2)]
    assert values == [1.0] * len(values)
    assert len(held_out._compiled) == evaluation.MODELS


def test_beyond_the_memory_setting_examples_are_streamed():
    """The metric is the same."""
    dataset, model = corners(), small_net(8)
    task = data.Task.for_model(model, dataset)
    kept, streamed = HeldOut(dataset, task), HeldOut(dataset, task, max_memory_mb=0)
    assert kept.in_memory
    assert not streamed.in_memory
    assert streamed(model) == kept(model)


def test_other_tasks_are_judged_by_their_own_metric():
    """An error of numbers: mean of |x - y|, lower is better."""
    x = np.array([[1.0], [2.0], [4.0]], np.float32)
    part = (x, np.array([[1.0], [1.0], [1.0]], np.float32))
    dataset = data.Dataset.from_arrays(part, validation=part, task="regression")
    held_out = HeldOut(dataset, dataset.task)
    assert held_out(identity_net(1)) == pytest.approx(4 / 3)
    assert not held_out.higher_is_better


def test_a_sample_takes_every_class_in_proportion():
    """12 of 24 examples: 4 of each class."""
    dataset = vectors(list(range(3)) * 8)
    held_out = HeldOut(dataset, dataset.task, num_examples=12)
    labels = np.concatenate([batch[1] for batch in held_out._batches])
    assert np.bincount(labels).tolist() == [4, 4, 4]


def test_a_small_data_set_is_noted_where_nobody_asked_for_more():
    """The default of 3,000 images is for data sets that have them."""
    dataset = corners()
    held_out = HeldOut(dataset, dataset.task)
    assert held_out.notes == ("29 held-out examples decide, all that there are",)
    assert HeldOut(dataset, dataset.task, num_examples=29).notes == ()


def test_a_data_set_smaller_than_what_is_asked_for_is_refused():
    """One line: what was asked for, what is there, what to change."""
    dataset = corners()
    with pytest.raises(errors.DataError) as refused:
        HeldOut(dataset, dataset.task, num_examples=30)
    message = str(refused.value)
    assert "evaluation_examples=30" in message
    assert "holds out 29 of its 288" in message
    assert "`validation_fraction`" in message
    assert "\n" not in message


def test_labels_of_another_form_are_refused_before_anything_is_compiled():
    """A class for the whole example, where the model has one per position."""
    dataset = vectors([0, 1, 2])
    x = keras.Input((3,))
    per_position = keras.Model(x, L.Dense(4)(L.Reshape((3, 1))(x)))
    with pytest.raises(errors.DataError, match=r"class number for each of \(3,\)"):
        HeldOut(dataset, dataset.task)(per_position)


def test_predictions_that_are_not_finite_are_refused():
    """They would count as class 0."""
    dataset, model = corners(), small_net(8)
    head = model.get_layer("head")
    head.set_weights([head.kernel.numpy() * np.nan, head.bias.numpy()])
    held_out = HeldOut(dataset, data.Task.for_model(model, dataset))
    with pytest.raises(errors.ModelError, match="not finite"):
        held_out(model)


def test_examples_without_weight_are_refused():
    """There would be nothing to divide by."""
    part = (np.eye(3, dtype="float32"), np.arange(3), np.zeros(3))
    dataset = data.Dataset.from_arrays(
        part, validation=part, test=part, task="classification"
    )
    with pytest.raises(errors.DataError, match="Nothing counts"):
        HeldOut(dataset, dataset.task)(identity_net())


def test_a_metric_that_is_no_number_is_refused(monkeypatch):
    """A reward of NaN would poison the agent."""
    part = (np.ones((3, 1), np.float32), np.ones((3, 1), np.float32))
    dataset = data.Dataset.from_arrays(part, validation=part, task="regression")
    held_out = HeldOut(dataset, dataset.task)
    nothing = data.Evaluation(
        metric="mae", value=float("nan"), higher_is_better=False, num_examples=3
    )
    monkeypatch.setattr(data.Task, "evaluate", lambda *_: nothing)
    with pytest.raises(errors.ModelError, match="mae=nan"):
        held_out(identity_net(1))
