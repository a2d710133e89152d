import dataclasses
import gc
import os

import keras
import numpy as np
import psutil
import pytest

from tfcompress import data, errors
from tfcompress.data import Dataset, Preprocessing


def labelled(n=60, classes=3):
    """Return images that carry their own number, and their labels."""
    x = np.zeros((n, 2, 2, 1), np.uint8)
    x[:, 0, 0, 0] = np.arange(n)
    return x, np.arange(n) % classes


def numbers(stream):
    """Return the numbers of the images in a stream."""
    return np.concatenate([np.asarray(x)[:, 0, 0, 0] for x, *_ in stream]).tolist()


@pytest.fixture
def dataset():
    return Dataset.from_arrays(labelled(), test=labelled(9))


def test_parts_are_disjoint_and_validation_comes_out_of_training(dataset):
    assert dataset.sizes == {"train": 54, "validation": 6, "test": 9}
    train, held = numbers(dataset.train(8)), numbers(dataset.validation(8))
    assert sorted(train + held) == list(range(60))
    y = np.concatenate([y for _, y in dataset.validation(8)])
    assert np.bincount(y).tolist() == [2, 2, 2]
    assert numbers(dataset.test(4)) == list(range(9))


def test_stream_types(dataset):
    x, y = next(iter(dataset.train(8)))
    assert (x.dtype, y.dtype) == ("float32", "int32")
    assert dataset.input_shapes == ((2, 2, 1),)
    assert dataset.task.num_classes == 3


def test_an_epoch_visits_each_example_once_with_a_last_small_batch(dataset):
    sizes = [len(y) for _, y in dataset.train(16)]
    assert sizes == [16, 16, 16, 6]
    assert len(set(numbers(dataset.train(16)))) == 54


def test_order_is_a_function_of_seed_and_epoch_whatever_the_batch_size(dataset):
    again = Dataset.from_arrays(labelled(), test=labelled(9))
    first = numbers(dataset.train(8, seed=1, epoch=3))
    numbers(dataset.train(8, seed=1, epoch=4))
    assert first == numbers(again.train(5, seed=1, epoch=3))
    assert first != numbers(dataset.train(8, seed=1, epoch=4))
    assert first != numbers(dataset.train(8, seed=2, epoch=3))


def test_index_names_the_example_in_every_epoch(dataset):
    seen = {}
    for epoch in (0, 1):
        for index, (x, _) in dataset.indexed(7, epoch=epoch):
            for i, number in zip(index.numpy(), x.numpy()[:, 0, 0, 0], strict=True):
                assert seen.setdefault(int(i), number) == number
    assert sorted(seen) == list(range(54))


def test_calibration_is_stratified_training_data(dataset):
    batches = list(dataset.calibration(9, batch_size=4))
    assert [len(x) for x in batches] == [4, 4, 1]
    found = numbers((x,) for x in batches)
    assert set(found) <= set(numbers(dataset.train(8)))
    assert np.bincount([int(n) % 3 for n in found]).tolist() == [3, 3, 3]


def test_limited_is_stratified(dataset):
    small = dataset.limited(6)
    assert small.sizes == {"train": 6, "validation": 6, "test": 9}
    y = np.concatenate([y for _, y in small.train(8)])
    assert np.bincount(y).tolist() == [2, 2, 2]
    with pytest.raises(errors.ConfigError, match="limit=0"):
        dataset.limited(0)


def test_preprocessing_reaches_every_stream():
    halved = Dataset.from_arrays(
        labelled(), test=labelled(9), preprocessing=Preprocessing(scale=0.5)
    )
    everything = numbers(halved.train(8)) + numbers(halved.validation(8))
    assert sorted(everything) == [i / 2 for i in range(60)]
    assert max(numbers(halved.test(8))) == 4.0
    assert all(n * 2 % 1 == 0 for n in numbers((x,) for x in halved.calibration(9)))


def test_sample_weights_reach_training_and_evaluation():
    x, y = labelled()
    w = np.linspace(0, 1, 60)
    found = Dataset.from_arrays((x, y, w), test=(x, y, w))
    for batch, _, weight in found.train(8):
        np.testing.assert_allclose(weight, batch.numpy()[:, 0, 0, 0] / 59, rtol=1e-6)
    assert len(next(iter(found.test(4)))) == 3


def test_class_weights_multiply_sample_weights_in_training_only():
    x, y = labelled()
    found = Dataset.from_arrays(
        (x, y, np.full(60, 2.0)), test=(x, y), class_weights={1: 3.0}
    )
    for _, labels, weight in found.train(8):
        expected = np.where(labels.numpy() == 1, 6.0, 2.0)
        np.testing.assert_allclose(weight, expected)
    assert len(next(iter(found.test(4)))) == 2


def test_balanced_class_weights():
    """Classes of 27 and 9: the mean, 18, over each count."""
    x = np.zeros((40, 2), np.float32)
    y = np.repeat([0, 1], [30, 10])
    found = Dataset.from_arrays((x, y), test=(x, y), class_weights="balanced")
    assert found.class_weights == pytest.approx({0: 18 / 27, 1: 2.0})


@pytest.mark.parametrize("weights", [{7: 1.0}, {0: -1.0}, "equal"])
def test_class_weights_that_do_not_fit(weights):
    with pytest.raises(errors.DataError, match="class weights do not fit"):
        Dataset.from_arrays(labelled(), class_weights=weights)


def test_class_weights_need_classes():
    x = np.zeros((20, 2), np.float32)
    with pytest.raises(errors.DataError, match="one output with classes"):
        Dataset.from_arrays((x, x[:, 0] + 0.5), class_weights={0: 1.0})


def test_several_inputs_and_outputs():
    x = {"image": labelled()[0], "age": np.arange(60.0)}
    y = {"kind": np.arange(60) % 3, "size": np.arange(60) + 0.5}
    found = Dataset.from_arrays((x, y), test=(x, y))
    assert {k: v.kind for k, v in found.task.outputs.items()} == {
        "kind": "classification",
        "size": "regression",
    }
    batch, labels = next(iter(found.train(4)))
    assert {k: v.shape[1:] for k, v in batch.items()} == {"image": (2, 2, 1), "age": ()}
    np.testing.assert_allclose(labels["size"], batch["age"] + 0.5)
    as_tuples = Dataset.from_arrays((tuple(x.values()), tuple(y.values())))
    assert isinstance(next(iter(as_tuples.train(4)))[1], tuple)


def test_one_hot_labels_become_numbers():
    x, y = labelled()
    found = Dataset.from_arrays((x, np.eye(3)[y]), test=(x, np.eye(3)[y]))
    assert found.task.primary.one_hot
    assert found.task.num_classes == 3
    batch, labels = next(iter(found.test(60)))
    np.testing.assert_array_equal(labels, batch.numpy()[:, 0, 0, 0] % 3)


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (np.arange(60)[:, None] % 4, "classification"),
        (np.arange(60) / 7, "regression"),
        (np.arange(120).reshape(60, 2) % 3 % 2, "multilabel"),
        (np.arange(240).reshape(60, 2, 2) % 5, "segmentation"),
        (np.arange(240).reshape(60, 2, 2, 1) % 5, "segmentation"),
    ],
)  # fmt: skip
def test_the_labels_tell_the_task(y, kind):
    assert Dataset.from_arrays((labelled()[0], y)).task.kind == kind


def test_masks_are_resized_with_their_images():
    x, _ = labelled()
    masks = np.zeros((60, 2, 2), np.uint8)
    masks[:, 1, 1] = 7
    made = Dataset.from_arrays((x, masks), test=(x, masks))
    found = data.load(made, image_size=4)
    image, mask = next(iter(found.test(4)))
    assert image.shape == (4, 4, 4, 1)
    assert mask.shape == (4, 4, 4)
    assert set(np.unique(mask)) == {0, 7}


def test_unlabelled_pixels_get_no_class_and_break_no_weights():
    x, _ = labelled()
    masks = np.tile(np.array([[0, 1], [1, 255]], np.uint8), (60, 1, 1))
    task = data.Task.single("segmentation", ignore_class=255)
    found = Dataset.from_arrays((x, masks), task=task, class_weights={1: 2.0})
    assert found.task.num_classes == 2
    _, _, weight = next(iter(found.train(4)))
    assert weight.numpy()[0].tolist() == [[1.0, 2.0], [2.0, 1.0]]


def test_fingerprint_follows_the_content():
    def fingerprint(change=None, **settings):
        x, y = labelled()
        if change:
            change(x, y)
        return Dataset.from_arrays((x, y), test=(x, y), **settings).fingerprint

    def pixel(x, _):
        x[5, 1, 1, 0] = 1

    def label(_, y):
        y[5] = 0

    found = [
        fingerprint(),
        fingerprint(pixel),
        fingerprint(label),
        fingerprint(preprocessing=Preprocessing(scale=0.5)),
        fingerprint(seed=1),
        fingerprint(class_weights={0: 2.0}),
    ]
    assert len(set(found)) == len(found)
    assert fingerprint() == found[0]


def test_record_is_json(dataset):
    import json

    found = json.loads(json.dumps(dataset.to_dict()))
    assert found["sizes"] == {"train": 54, "validation": 6, "test": 9}
    assert found["task"]["kind"] == "classification"


def test_a_keras_model_trains_on_it(dataset):
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    task = data.Task.for_model(model, dataset)
    model.compile("sgd", task.loss(), metrics=task.metrics())
    history = model.fit(
        dataset.train(8), validation_data=dataset.validation(8), verbose=0
    ).history
    assert np.isfinite(history["val_loss"]).all()
    assert "val_accuracy" in history


@pytest.mark.slow
def test_memory_stays_flat_over_epochs():
    """Twenty epochs of a 60 MB data set must not hold a second copy of it."""
    x = np.zeros((20_000, 32, 32, 3), np.uint8)
    made = Dataset.from_arrays(
        (x, np.arange(20_000) % 10), test=(x[:100], np.arange(100))
    )
    del x
    process = psutil.Process(os.getpid())

    def epochs(count):
        for epoch in range(count):
            for _ in made.train(500, epoch=epoch):
                pass
        gc.collect()
        return process.memory_info().rss

    before = epochs(2)
    assert epochs(6) - before < 40e6


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (labelled(0), "part is empty"),
        ((labelled()[0], np.arange(59)), "differ in length.*60, 59"),
        ((labelled()[0],), r"not \(x, y\)"),
        (np.zeros(3), r"not \(x, y\).*ndarray"),
        ((np.array(["a"] * 60), np.arange(60)), "not numbers"),
        ((labelled()[0], np.array([object()] * 60)), "not numbers"),
        ((np.full((60, 2), np.nan), np.arange(60)), "NaN.*120 such values"),
        ((np.full((60, 2), np.inf), np.arange(60)), "NaN or infinities"),
        ((labelled()[0], np.full(60, np.nan)), "NaN or infinities"),
        ((labelled()[0][:1], np.arange(1)), "No test part can be held out"),
    ],
)
def test_broken_arrays(train, message):
    with pytest.raises(errors.DataError, match=message):
        Dataset.from_arrays(train)


@pytest.mark.parametrize(
    ("y", "settings", "message"),
    [
        (np.arange(60) / 7, {"task": "classification"}, "do not fit the task"),
        (np.arange(60) - 5, {}, "do not fit the task"),
        (np.arange(60), {"task": "multilabel"}, "do not fit the task"),
        (np.arange(60), {"class_names": ["a", "b"]}, "not fit the classes.*60 classes"),
        (np.eye(60), {"class_names": ["a", "b"]}, "do not fit the classes"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit(y, settings, message):
    with pytest.raises(errors.DataError, match=message):
        Dataset.from_arrays((labelled()[0], y), **settings)


def test_unknown_task():
    with pytest.raises(errors.ConfigError, match="task='clasification'"):
        Dataset.from_arrays(labelled(), task="clasification")


def test_parts_with_different_outputs():
    x, y = labelled()
    with pytest.raises(errors.DataError, match="different outputs"):
        Dataset.from_arrays((x, {"a": y, "b": y}), test=(x, {"a": y, "c": y}))


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_held_out_fraction(fraction):
    with pytest.raises(errors.DataError, match="No validation part"):
        Dataset.from_arrays(labelled(), test=labelled(), validation_fraction=fraction)


def test_dataset_is_frozen(dataset):
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.name = "other"
