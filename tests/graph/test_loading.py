"""Tests of loading a model file: each thing that goes wrong has its sentence."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net
from tfcompress import errors
from tfcompress.graph.loading import load_model, with_input_shape
from tfcompress.graph.model_checks import check_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a path with a good file."""
    path = tmp_path_factory.mktemp("saved") / "good.keras"
    model = conv_bn_net()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save(path)
    return path


def refused(path, **options) -> str:
    """Return the one line that refuses `path`."""
    with pytest.raises(errors.ModelError) as caught:
        load_model(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "Received: " in message
    return message


def test_a_saved_model_comes_back_compiled(saved):
    model = load_model(saved)

    assert model.name == "conv_bn_net"
    assert model.loss == "sparse_categorical_crossentropy"


def test_a_model_object_is_only_checked():
    model = conv_bn_net()

    assert load_model(model) is model


def test_missing_file(tmp_path):
    assert "no such model file" in refused(tmp_path / "none.keras")


@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
def test_truncated_file(saved, tmp_path, part):
    content = saved.read_bytes()
    path = tmp_path / "cut.keras"
    path.write_bytes(content[: int(len(content) * part)])

    assert "truncated" in refused(path)


@pytest.mark.parametrize("name", ["text.keras", "text.h5", "empty.keras"])
def test_a_file_of_another_kind(tmp_path, name):
    path = tmp_path / name
    path.write_text("" if name.startswith("empty") else "hello")

    assert "not a Keras model file" in refused(path)


def test_a_zip_that_is_no_model(tmp_path):
    path = tmp_path / "other.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")

    assert "not a Keras model" in refused(path)


def test_an_archive_without_weights_is_damaged(saved, tmp_path):
    path = tmp_path / "bare.keras"
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w") as new:
        for name in ("config.json", "metadata.json"):
            new.writestr(name, old.read(name))

    assert "damaged" in refused(path)


def test_a_damaged_weight_is_not_loaded(saved, tmp_path):
    path = tmp_path / "flipped.keras"
    content = bytearray(saved.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = b"\x55" * 64
    path.write_bytes(bytes(content))

    assert "damaged" in refused(path)


def test_a_folder_is_no_file(tmp_path):
    assert "SavedModel" in refused(tmp_path)


def test_unreadable_file(saved, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "open", refuse)

    assert "cannot be read" in refused(saved)


def test_a_wrong_name_is_explained(saved, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(saved.read_bytes())

    assert "must be named .keras" in refused(path)


@pytest.mark.filterwarnings("ignore")  # Keras warns of the legacy format
def test_legacy_h5_loads(tmp_path):
    model = conv_bn_net()
    model.save(tmp_path / "old.h5")

    loaded = load_model(tmp_path / "old.h5")

    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


@pytest.mark.filterwarnings("ignore")
def test_h5_without_a_model_says_how_to_migrate(tmp_path):
    path = tmp_path / "only.weights.h5"
    conv_bn_net().save_weights(path)

    message = refused(path)

    assert f"tfcompress import {path} -o model.keras" in message
    assert "--architecture" in message


@pytest.mark.filterwarnings("ignore")
def test_truncated_h5_says_how_to_migrate(tmp_path):
    conv_bn_net().save(tmp_path / "old.h5")
    content = (tmp_path / "old.h5").read_bytes()
    (tmp_path / "old.h5").write_bytes(content[: len(content) // 2])

    assert "cannot load this legacy HDF5" in refused(tmp_path / "old.h5")


def lambda_model() -> keras.Model:
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs))


def test_a_lambda_is_not_run_unless_allowed(tmp_path):
    path = tmp_path / "code.keras"
    lambda_model().save(path)

    message = refused(path)

    assert "allow_lambda=True" in message
    assert "--allow-lambda" in message
    assert load_model(path, allow_lambda=True).built


@pytest.mark.slow
def test_a_custom_layer_needs_its_import(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_layers_of_test_loading.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('mine')\n"
        "class Twice(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return 2 * x\n"
    )
    make = (
        "import keras, my_layers_of_test_loading as m\n"
        "keras.Sequential([keras.Input((4,)), m.Twice()]).save('custom.keras')"
    )
    subprocess.run([sys.executable, "-c", make], check=True, capture_output=True)

    message = refused("custom.keras")

    assert "Twice" in message
    assert "--import" in message
    assert load_model("custom.keras", imports=["my_layers_of_test_loading"]).built


def test_an_import_that_fails():
    message = refused("x.keras", imports=["no_such_package_of_layers"])

    assert "no_such_package_of_layers" in message


@pytest.mark.filterwarnings("ignore")  # Keras warns of it, too
def test_an_unbuilt_model_needs_a_shape(tmp_path):
    path = tmp_path / "unbuilt.keras"
    keras.Sequential([keras.layers.Dense(3)]).save(path)

    assert "--input-shape" in refused(path)
    assert load_model(path, input_shape=(4,)).output_shape == (None, 3)


def flexible_model() -> keras.Model:
    inputs = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(4, 3)(inputs)
    outputs = keras.layers.GlobalAveragePooling2D()(x * 2)
    return keras.Model(inputs, outputs, name="flexible")


def test_flexible_sizes_can_be_fixed(rng):
    model = flexible_model()
    model.compile("adam", "mse")

    fixed = with_input_shape(model, (9, 8, 3))

    images = rng.normal(size=(2, 9, 8, 3)).astype("float32")
    assert fixed.input_shape == (None, 9, 8, 3)
    assert fixed.name == "flexible"
    assert fixed.loss == "mse"
    np.testing.assert_allclose(fixed(images), model(images), rtol=1e-6)


def test_a_shape_that_fits_leaves_the_model_alone():
    model = conv_bn_net()

    assert with_input_shape(model, (12, 12, 3)) is model


@pytest.mark.parametrize("shape", [(12, 12, 1), (12, 3), {"other": (12, 12, 3)}])
def test_a_shape_that_cannot_be(shape):
    assert "cannot take this input shape" in refused(conv_bn_net(), input_shape=shape)


@pytest.mark.slow
def test_keras_2_files_and_models(tmp_path):
    """Made in a child process: tf_keras must not get into this one."""
    make = (
        "import tf_keras as k, sys\n"
        "x = k.Input((8, 8, 3)); y = k.layers.DepthwiseConv2D(3)(x)\n"
        "m = k.Model(x, y); m.save('old.keras'); m.save('old.h5')\n"
        "from tfcompress.graph.model_checks import check_model\n"
        "try: check_model(m)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", make],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert "ModelError This is a Keras 2 model" in result.stdout
    assert "written by Keras 2" in refused(tmp_path / "old.keras")
    assert "cannot load this legacy HDF5" in refused(tmp_path / "old.h5")


def test_something_that_is_no_model():
    with pytest.raises(errors.ModelError, match=r"not a Keras model.*builtins\.int"):
        check_model(3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(tmp_path, bad):
    model = conv_bn_net()
    bias = model.get_layer("predictions").bias
    bias.assign([0.0, bad, 0.0, bad, 0.0])
    model.save(tmp_path / "nan.keras")

    message = refused(tmp_path / "nan.keras")

    assert "2 of 5" in message
    assert "predictions/bias" in message


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")

    with pytest.raises(errors.ModelError, match="KERAS_BACKEND=jax"):
        check_model(conv_bn_net())


def test_a_model_nested_in_two_models_stays_one():
    """Each of the two reads it at a new input shape, and so with the same weights."""
    shared = keras.Sequential([keras.layers.Conv2D(3, 1)], name="shared")
    image = keras.Input((None, None, 3))
    parents = [keras.Model(image, shared(image) * scale) for scale in (1, 2)]
    outputs = keras.layers.Add()([parent(image) for parent in parents])
    model = keras.Model(image, outputs)

    fixed = with_input_shape(model, (4, 4, 3))

    images = np.ones((1, 4, 4, 3), "float32")
    assert len(fixed.weights) == len(model.weights)
    np.testing.assert_allclose(fixed(images), model(images), rtol=1e-6)
