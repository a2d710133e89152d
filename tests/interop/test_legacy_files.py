"""Tests of Keras 2 files: each kind that loads, each thing that goes wrong."""

from __future__ import annotations

import importlib
import shutil
import zipfile

import numpy as np
import pytest
import tf_keras
from tf_keras import layers

from tests.interop import networks
from tests.models import conv_bn_net
from tfcompress import errors, interop

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns of legacy formats

KINDS = ("old.h5", "old.keras", "saved_model")


def network():
    def build(x):
        x = layers.BatchNormalization()(networks.conv(x, activation="relu"))
        return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))

    return networks.randomise(networks.of((6, 6, 3), build))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return the model, and a folder with its files."""
    folder, model = tmp_path_factory.mktemp("old"), network()
    model.compile("adam", "mse")
    model.save(folder / "old.h5")
    model.save(folder / "old.keras")
    model.save(folder / "saved_model", save_format="tf")
    model.save_weights(folder / "weights.h5")
    model.save_weights(folder / "new.weights.h5")
    shutil.copytree(folder / "saved_model", folder / "no_metadata")
    (folder / "no_metadata" / "keras_metadata.pb").unlink()
    return model, folder


def same(new, old) -> bool:
    x = networks.inputs_of(old)
    found, wanted = networks.outputs_of(new, x), networks.outputs_of(old, x)
    return networks.relative_error(found, wanted) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_its_architecture(saved, kind):
    model, folder = saved

    assert same(interop.from_keras2(folder / kind), model)
    assert same(interop.from_keras2(str(folder / kind)), model)


@pytest.mark.parametrize("kind", ["weights.h5", "new.weights.h5", "no_metadata"])
@pytest.mark.parametrize("keras_3", [False, True])
def test_weights_with_a_given_architecture(saved, kind, keras_3):
    model, folder = saved
    other = networks.randomise(network(), seed=9)
    architecture = interop.from_keras2(other) if keras_3 else other
    before = [weight.copy() for weight in architecture.get_weights()]

    new = interop.from_keras2(folder / kind, architecture=architecture)

    assert same(new, model)
    for now, then in zip(architecture.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def refused(path, **settings) -> str:
    with pytest.raises(errors.ModelError) as caught:
        interop.from_keras2(path, **settings)
    message = str(caught.value)
    assert "\n" not in message
    assert "Received: " in message
    return message


def test_missing_file(tmp_path):
    assert "no such model file" in refused(tmp_path / "none.h5")
    assert "no such model file" in refused(
        tmp_path / "none.h5", architecture=conv_bn_net()
    )


@pytest.mark.parametrize("name", ["keras3.keras", "keras3.h5"])
def test_a_file_of_keras_3(tmp_path, name):
    conv_bn_net().save(tmp_path / name)

    message = refused(tmp_path / name)

    assert "written by Keras 3" in message
    assert "load_model" in message


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("part", [0.2, 0.7])
def test_a_truncated_file(saved, tmp_path, kind, part):
    content = (saved[1] / kind).read_bytes()
    path = tmp_path / kind
    path.write_bytes(content[: int(len(content) * part)])

    assert "truncated" in refused(path)


@pytest.mark.parametrize("name", ["text.h5", "text.keras", "empty.h5"])
def test_a_file_of_another_kind(tmp_path, name):
    (tmp_path / name).write_text("" if "empty" in name else "hello")

    assert "not a Keras model file" in refused(tmp_path / name)


def test_a_zip_or_folder_that_is_no_model(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("a.txt", "hello")

    assert "not a Keras model" in refused(tmp_path / "other.keras")
    assert "no SavedModel" in refused(tmp_path)


def test_weights_without_an_architecture(saved):
    for kind in ("weights.h5", "no_metadata"):
        assert "architecture=model" in refused(saved[1] / kind)


def test_weights_that_do_not_fit(saved):
    for kind in ("weights.h5", "no_metadata"):
        message = refused(saved[1] / kind, architecture=conv_bn_net())
        assert "do not fit the architecture" in message


def test_an_unknown_layer_is_named(tmp_path):
    class Mystery(layers.Layer):
        def call(self, x):
            return x

    model = networks.of((4,), lambda x: Mystery()(x))
    for name in ("old.h5", "old.keras"):
        model.save(tmp_path / name)
        message = refused(tmp_path / name)
        assert "'Mystery'" in message
        assert "custom_objects=" in message


@pytest.mark.parametrize("name", ["old.h5", "old.keras"])
def test_a_lambda_is_not_run_unless_allowed(tmp_path, name):
    model = networks.of((2,), layers.Lambda(lambda x: x * 2))
    model.save(tmp_path / name)

    assert "allow_lambda=True" in refused(tmp_path / name)
    new = interop.from_keras2(tmp_path / name, allow_lambda=True)
    np.testing.assert_allclose(new(np.ones((1, 2))), [[2.0, 2.0]])


def test_without_keras_2(saved, monkeypatch):
    def missing(name, *arguments):
        if name in ("tf_keras", "tensorflow_model_optimization"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *arguments)

    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", missing)

    message = refused(saved[1] / "old.h5")

    assert "import tf_keras" in message
    assert "pip install" in message


def test_the_keras_2_model_is_not_needed_alive(saved):
    """The import holds copies: it answers alike when the original is gone."""
    model = tf_keras.models.clone_model(saved[0])
    model.set_weights(saved[0].get_weights())
    new = interop.from_keras2(model)
    for weight in model.weights:
        weight.assign(weight * 0)

    assert same(new, saved[0])
