"""Tests of `PruningSummary` and `sparsity.report`."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

from tests.sparsity.nets import dense_net, numbers, quick_schedule
from tfcompress import errors, sparsity
from tfcompress.sparsity.pruned_model import state_of


def fitted(callback, epochs=2, **settings):
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
    model.compile("sgd", "mse", **settings)
    x, y = numbers()
    history = model.fit(
        x, y, batch_size=8, epochs=epochs, verbose=0, callbacks=[callback]
    )
    return model, history.history


def test_the_sparsity_of_each_kernel_is_recorded_after_every_epoch():
    """4 steps an epoch: the masks of step 2 (62 %), then of step 6 (80 %)."""
    summary = sparsity.PruningSummary()
    _, history = fitted(summary)
    assert history["sparsity"] == [0.62, 0.8]
    first, second = summary.records
    assert (first["epoch"], first["step"], second["step"]) == (1, 4, 8)
    assert first["kernels"] == {"b/kernel": 0.62, "c/kernel": 0.62}
    assert second["target"] == pytest.approx(0.8)


def test_tensorboard_gets_all_of_it(tmp_path):
    fitted(sparsity.PruningSummary(log_dir=tmp_path), epochs=1)
    found = {}
    for path in tmp_path.glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found[value.tag] = float(tf.make_ndarray(value.tensor))
    assert set(found) == {
        "sparsity",
        "sparsity/target",
        "sparsity/b/kernel",
        "sparsity/c/kernel",
    }
    assert found["sparsity"] == pytest.approx(0.62)


def test_its_records_survive_a_resumed_training():
    summary, again = sparsity.PruningSummary(), sparsity.PruningSummary()
    fitted(summary, epochs=1)
    again.set_state(json.loads(json.dumps(summary.get_state())))
    assert again.records == summary.records


def test_it_refuses_a_plain_model():
    model = dense_net()
    model.compile("sgd", "mse")
    with pytest.raises(errors.ModelError, match="not being pruned"):
        model.fit(*numbers(), verbose=0, callbacks=[sparsity.PruningSummary()])


def test_the_report_says_what_is_pruned_and_what_is_not():
    model = sparsity.prune_low_magnitude(dense_net(), quick_schedule(), pattern="1x2")
    state_of(model).update(0.5)
    report = sparsity.report(model)
    assert (report.sparsity, report.pattern, report.last_step) == (0.5, "1x2", 6)
    assert [k.goal for k in report.kernels] == [0.8, 0.8]
    assert str(report).splitlines() == [
        "b/kernel: 50 of 100 zero (50.0%)",
        "c/kernel: 50 of 100 zero (50.0%)",
        "a: not pruned, it is a first layer",
        "d: not pruned, it is a last layer",
        "together: 50.0% zero",
    ]
    assert json.loads(json.dumps(report.to_dict()))["kernels"][0]["sparsity"] == 0.5


def test_the_report_of_a_plain_model_counts_all_kernels():
    report = sparsity.report(dense_net())
    assert [k.layer for k in report.kernels] == ["a", "b", "c", "d"]
    assert (report.sparsity, report.skipped) == (0, {})
