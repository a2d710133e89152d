"""`distill.distill`: one call."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net
from tests.training.networks import blob_arrays, blobs, copy_of, flat
from tfcompress import data, distill, errors, training
from tfcompress.distill import method


def config(**settings):
    return distill.DistillConfig(
        **{"epochs": 3, "batch_size": 32, "learning_rate": 0.01, **settings}
    )


@pytest.fixture(scope="module")
def teacher():
    model = conv_bn_net((8, 8, 3), widths=(8, 8), classes=4)
    training.train(model, blobs(320), config=training.TrainConfig(epochs=3))
    return model


def student_net():
    return conv_bn_net((8, 8, 3), widths=(4, 4), classes=4, seed=1)


@pytest.mark.slow
def test_cached_and_live_agree(teacher, tmp_path):
    """Both train the student in place to the same weights, and report alike."""
    results = []
    for source in ("auto", "live"):
        student = student_net()
        result = distill.distill(
            student,
            teacher,
            blobs(320),
            config=config(soft_targets=source),
            state_dir=tmp_path / source,
        )
        results.append(flat(student))
    assert (tmp_path / "auto" / "soft_targets" / "store.json").exists()
    assert not (tmp_path / "live" / "soft_targets").exists()
    np.testing.assert_allclose(results[0], results[1], atol=1e-3)
    assert (
        result.history["distillation_loss"][-1] < result.history["distillation_loss"][0]
    )
    assert "val_accuracy" in result.history


@pytest.mark.slow
def test_goes_on_after_an_interruption(teacher, tmp_path):
    """With hints too, whose adapters are kept in the state."""

    class KilledError(Exception):
        pass

    def die(progress):
        if progress.epoch == 1:
            raise KilledError

    settings = config(hints=(("relu1", "relu1"),))
    whole = student_net()
    distill.distill(whole, teacher, blobs(), config=settings)
    arguments = {"config": settings, "state_dir": tmp_path}
    with pytest.raises(KilledError):
        distill.distill(student_net(), teacher, blobs(), progress=die, **arguments)
    resumed = student_net()
    distill.distill(resumed, teacher, blobs(), **arguments)
    np.testing.assert_array_equal(flat(resumed), flat(whole))


@pytest.mark.parametrize("source", ["cached", "live"])
def test_another_teacher_starts_over(tmp_path, source):
    """Its weights decide, and so do its activations."""

    def run(activation, bias):
        keras.utils.set_random_seed(0)
        image, size = keras.Input((8, 8, 3)), keras.layers.Flatten()
        hidden = keras.layers.Dense(4, activation)
        teacher = keras.Sequential([image, size, hidden, keras.layers.Dense(4)])
        teacher.layers[-1].bias.assign(bias)
        student = keras.Sequential([image, size, keras.layers.Dense(4)])
        distill.distill(
            student,
            teacher,
            blobs(),
            config=config(epochs=1, soft_targets=source),
            state_dir=tmp_path,
        )
        return flat(student)

    first = run("relu", [3.0, 0, 0, 0])
    np.testing.assert_array_equal(run("relu", [3.0, 0, 0, 0]), first)
    assert np.abs(run("relu", [0, 0, 0, 3.0]) - first).max() > 1e-4
    before = run("relu", [3.0, 0, 0, 0])
    assert np.abs(run("tanh", [3.0, 0, 0, 0]) - before).max() > 1e-6


def test_augmentation_needs_the_live_teacher(teacher):
    """`auto` takes it; `cached` is refused with the way out."""
    flips = data.Augmentation(flip=True)
    dataset = blobs(augmentation=flips)
    with pytest.raises(errors.ConfigError, match="soft_targets='live'"):
        distill.distill(
            student_net(), teacher, dataset, config=config(soft_targets="cached")
        )
    assert method._caches(config(), dataset) is False
    assert method._caches(config(), blobs()) is True


def test_data_that_change_are_an_error(teacher, tmp_path, monkeypatch):
    """One sentence instead of TensorFlow's page."""
    x, y = blob_arrays()
    other = data.Dataset.from_arrays(train=(x + 1, y))
    store = distill.cache_soft_targets(teacher, blobs(), path=tmp_path)
    monkeypatch.setattr(
        method.soft_targets, "cache_soft_targets", lambda *_, **__: store
    )
    with pytest.raises(
        errors.DataError, match=r"^An example has no soft target\. .*\.$"
    ):
        distill.distill(student_net(), teacher, other, config=config())


@pytest.mark.slow
def test_one_sigmoid_unit_for_two_classes():
    """A classification with one unit compares Bernoulli distributions."""
    x, y = blob_arrays(160, classes=2)
    student = conv_bn_net((8, 8, 3), widths=(4, 4), classes=1, logits=True)
    teacher = copy_of(student)
    dataset = data.Dataset.from_arrays(train=(x, y))
    result = distill.distill(student, teacher, dataset, config=config())
    assert np.isfinite(result.history["loss"]).all()
    assert method._kind("classification", 1) == "sigmoid"


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": 0.0}, {"alpha": -0.1}, {"soft_targets": "dead"}, {"epochs": 0}],
)
def test_refuses_settings_out_of_range(wrong):
    """The message names the setting."""
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))):
        config(**wrong)


def test_settings_survive_json():
    """Hints too."""
    settings = config(hints=(("a", "b"),))
    again = distill.DistillConfig.from_dict(settings.to_dict())
    assert [distill.hints.as_hint(h) for h in again.hints] == [
        distill.Hint(student="a", teacher="b")
    ]
