"""Each metric against numbers worked out by hand."""

import numpy as np
import pytest

from tfcompress import errors
from tfcompress.data import OutputTask, Task


def evaluate(task, y, prediction, *weight, batch=2):
    """Stream the examples in small batches; the "model" returns what is given."""
    prediction = np.asarray(prediction, np.float32)
    parts = [np.asarray(y), *map(np.asarray, weight)]
    batches = [
        (prediction[i : i + batch], *(part[i : i + batch] for part in parts))
        for i in range(0, len(prediction), batch)
    ]
    return task.evaluate(lambda x: x, batches)


ONE_HOT = np.eye(3)


def test_accuracy_and_worst_class():
    """Truth 0 0 0 1 1 2, claimed 0 0 1 1 0 2: 4 of 6; recalls 2/3, 1/2, 1."""
    task = Task.single("classification", num_classes=3, class_names=("a", "b", "c"))
    found = evaluate(task, [0, 0, 0, 1, 1, 2], ONE_HOT[[0, 0, 1, 1, 0, 2]])
    assert found.value == pytest.approx(4 / 6)
    assert found.per_class == pytest.approx({"a": 2 / 3, "b": 0.5, "c": 1.0})
    assert found.worst_class == ("b", 0.5)
    assert found.details["mean_recall"] == pytest.approx((2 / 3 + 0.5 + 1) / 3)
    assert (found.num_examples, found.metric, found.higher_is_better) == (
        6, "accuracy", True,
    )  # fmt: skip


def test_batch_size_changes_nothing(rng):
    task = Task.single("classification", num_classes=3)
    y, prediction = rng.integers(0, 3, 20), rng.normal(size=(20, 3))
    assert evaluate(task, y, prediction, batch=3) == evaluate(
        task, y, prediction, batch=20
    )


def test_sample_weights_count():
    """Right with weight 3, wrong with weight 1: 3 of 4."""
    task = Task.single("classification", num_classes=3)
    found = evaluate(task, [0, 1], ONE_HOT[[0, 0]], [3.0, 1.0])
    assert found.value == 0.75


def test_classes_without_examples_have_no_recall():
    task = Task.single("classification", num_classes=3)
    assert evaluate(task, [0, 0], ONE_HOT[[0, 1]]).per_class == {"0": 0.5}


@pytest.mark.parametrize(
    ("from_logits", "scores"),
    [(False, [0.2, 0.8, 0.4]), (True, [-1.0, 2.0, -0.1])],
)
def test_two_classes_from_one_unit(from_logits, scores):
    """Claimed 0 1 0 against 0 1 1: 2 of 3."""
    task = Task.single("classification", num_classes=2, from_logits=from_logits)
    found = evaluate(task, [0, 1, 1], np.array(scores)[:, None])
    assert found.value == pytest.approx(2 / 3)


def test_top5():
    """The truth is 5th best, then 6th best."""
    task = Task.single("classification", num_classes=7, metric="top5_accuracy")
    scores = [[7, 6, 5, 4, 3, 2, 1]] * 2
    assert evaluate(task, [4, 5], scores).value == 0.5


def test_f1_of_classes():
    """Class 0: tp 1, fp 0, fn 1 -> 2/3; class 1: tp 1, fp 1, fn 0 -> 2/3."""
    task = Task.single("classification", num_classes=2, metric="f1")
    found = evaluate(task, [0, 0, 1], np.eye(2)[[0, 1, 1]])
    assert found.value == pytest.approx(2 / 3)


def test_multilabel():
    """Label 0: tp 1, fn 1 (F1 2/3); label 1: tp 1, fp 1 (F1 2/3); 4 of 6 right."""
    task = Task.single("multilabel", num_classes=2, class_names=("cat", "dog"))
    found = evaluate(
        task, [[1, 1], [1, 0], [0, 0]], [[0.9, 0.8], [0.1, 0.7], [0.2, 0.3]]
    )
    assert found.metric == "f1"
    assert found.value == pytest.approx(2 / 3)
    assert found.details["accuracy"] == pytest.approx(4 / 6)
    assert found.details["exact_match"] == pytest.approx(2 / 3)
    assert found.worst_class == ("cat", 0.5)


def test_regression():
    """Errors 1, -1, 4: mae 2, mse 6; y = 0, 2, 4 has variance 8/3, r2 = 1 - 6/(8/3)."""
    task = Task.single("regression")
    found = evaluate(task, [0.0, 2.0, 4.0], [[1.0], [1.0], [8.0]])
    assert (found.metric, found.value, found.higher_is_better) == ("mae", 2.0, False)
    assert found.details["mse"] == pytest.approx(6)
    assert found.details["rmse"] == pytest.approx(6**0.5)
    assert found.details["r2"] == pytest.approx(1 - 6 * 3 / 8)
    assert found.per_class is None
    assert found.worst_class is None


def test_regression_weights():
    task = Task.single("regression")
    assert evaluate(task, [0.0, 0.0], [[1.0], [5.0]], [3.0, 1.0]).value == 2.0


MASK = np.array([[[0, 0], [1, 1]]])
CLAIMED = np.array([[[0, 1], [1, 1]]])


def test_mean_iou():
    """Class 0: 1 of 2 united; class 1: 2 of 3 united; mean 7/12; 3 of 4 pixels."""
    task = Task.single("segmentation", num_classes=2)
    found = evaluate(task, MASK, np.eye(2)[CLAIMED])
    assert found.metric == "mean_iou"
    assert found.value == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found.details["iou"] == pytest.approx({"0": 1 / 2, "1": 2 / 3})
    assert found.details["accuracy"] == 0.75
    assert found.worst_class == ("0", 0.5)
    assert found.num_examples == 1


def test_mean_iou_ignores_unlabelled_pixels():
    """Without the wrong pixel all is right."""
    task = Task.single("segmentation", num_classes=2, ignore_class=255)
    mask = MASK.copy()
    mask[0, 0, 1] = 255
    assert evaluate(task, mask, np.eye(2)[CLAIMED]).value == 1.0


def test_mean_iou_of_one_unit():
    task = Task.single("segmentation", num_classes=2)
    found = evaluate(task, MASK, CLAIMED[..., None] * 0.8)
    assert found.value == pytest.approx(7 / 12)


def test_image_weights_reach_every_pixel():
    """The right image weighs 3, the wrong one 1."""
    task = Task.single("segmentation", num_classes=2, metric="accuracy")
    masks = np.zeros((2, 2, 2), int)
    claimed = np.eye(2)[np.stack([masks[0], masks[0] + 1])]
    assert evaluate(task, masks, claimed, [3.0, 1.0]).value == 0.75


def two_outputs(second_metric):
    kind = "classification" if second_metric == "accuracy" else "regression"
    return Task(
        outputs={
            "kind": OutputTask(kind="classification", num_classes=3),
            "size": OutputTask(kind=kind, num_classes=3),
        }
    )


def test_several_outputs_with_one_metric_give_the_mean():
    x = np.zeros((2, 1))
    y = {"kind": np.array([0, 1]), "size": np.array([2, 2])}
    predict = lambda _: [ONE_HOT[[0, 1]], ONE_HOT[[2, 0]]]  # noqa: E731
    found = two_outputs("accuracy").evaluate(predict, [(x, y)])
    assert found.value == 0.75
    assert {k: v.value for k, v in found.outputs.items()} == {"kind": 1.0, "size": 0.5}


def test_several_outputs_with_different_metrics_give_the_first():
    y = {"kind": np.array([0, 1]), "size": np.array([2.0, 2.0])}
    predict = lambda _: {"size": np.ones((2, 1)), "kind": ONE_HOT[[0, 0]]}  # noqa: E731
    found = two_outputs("mae").evaluate(predict, [(np.zeros((2, 1)), y)])
    assert (found.metric, found.value) == ("accuracy", 0.5)
    assert found.outputs["size"].value == 1.0


def test_record_survives_json():
    import json

    from tfcompress.data import Evaluation

    y = {"kind": np.array([0, 1]), "size": np.array([2.0, 2.0])}
    predict = lambda _: [ONE_HOT[[0, 1]], np.ones((2, 1))]  # noqa: E731
    found = two_outputs("mae").evaluate(predict, [(np.zeros((2, 1)), y)])
    assert Evaluation.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_drop_follows_the_direction():
    good, bad = (
        evaluate(Task.single("regression"), [0.0], [[error]]) for error in (1.0, 3.0)
    )
    assert bad.drop_from(good) == 2.0
    assert good.drop_from(bad) == -2.0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predictions_must_be_finite(value):
    task = Task.single("classification", num_classes=3)
    with pytest.raises(errors.ModelError, match=r"not finite.*1 of 3 values"):
        evaluate(task, [0], [[value, 0, 0]])


def test_nothing_to_evaluate():
    task = Task.single("classification", num_classes=3)
    with pytest.raises(errors.DataError, match="nothing to evaluate"):
        task.evaluate(lambda x: x, [])


@pytest.mark.parametrize(
    ("task", "y", "prediction"),
    [
        (Task.single("classification", num_classes=3), [0], ONE_HOT[[0]]),
        (Task.single("multilabel", num_classes=2), [[1, 0]], [[1, 0]]),
        (Task.single("regression"), [1.0], [[1.0]]),
    ],
)
def test_weights_of_zero_count_nothing(task, y, prediction):
    with pytest.raises(errors.DataError, match="Nothing counts"):
        evaluate(task, y, prediction, [0.0])
