"""Tests of files that are imported: the record, the comparison, what is refused."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from tf_keras import layers

from tests.interop import networks
from tfcompress import errors, interop
from tfcompress.interop import file_import

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras 2 warns of the legacy format


@pytest.fixture
def old(tmp_path):
    """Return a Keras 2 model and its file."""
    model = networks.randomise(networks.shared_layers())
    model.save(tmp_path / "old.h5")
    model.save_weights(tmp_path / "weights.h5")
    return model, tmp_path / "old.h5"


def test_a_file_its_record_and_their_difference(old, tmp_path):
    model, path = old

    record = interop.import_file(path, tmp_path / "new.keras")

    assert record == json.loads((tmp_path / "new.json").read_text("utf-8"))
    assert record["relative_error"] < 1e-5
    assert record["params"] == model.count_params() == 3 * 3 * 3 * 3 + 3
    assert record["wrappers"] == {}
    new = keras.saving.load_model(tmp_path / "new.keras")
    x = networks.inputs_of(model)
    found = networks.outputs_of(new, x)
    assert networks.relative_error(found, networks.outputs_of(model, x)) < 1e-5


def test_weights_with_an_architecture_file(old, tmp_path):
    model, _ = old
    other = networks.randomise(networks.shared_layers(), seed=5)
    interop.from_keras2(other).save(tmp_path / "net.keras")

    record = interop.import_file(
        tmp_path / "weights.h5",
        tmp_path / "new.keras",
        architecture=tmp_path / "net.keras",
    )

    assert record["relative_error"] is None
    new = keras.saving.load_model(tmp_path / "new.keras")
    x = networks.inputs_of(model)
    found = networks.outputs_of(new, x)
    assert networks.relative_error(found, networks.outputs_of(model, x)) < 1e-5


def test_output_that_exists_or_has_another_name(old, tmp_path):
    _, path = old
    with pytest.raises(errors.OutputError, match=r"writes a \.keras file"):
        interop.import_file(path, tmp_path / "new.h5")
    (tmp_path / "new.json").write_text("{}")
    with pytest.raises(errors.OutputError, match="exists already"):
        interop.import_file(path, tmp_path / "new.keras")
    assert interop.import_file(path, tmp_path / "new.keras", force=True)["params"]


def test_a_model_that_answers_differently_is_refused(tmp_path, monkeypatch):
    """The Keras 3 class of a custom layer that computes something else."""

    class Twice(layers.Layer):
        def call(self, x):
            return 2 * x

    class Thrice(keras.layers.Layer):
        def call(self, x):
            return 3 * x

    networks.of((4,), lambda x: Twice()(x)).save(tmp_path / "old.h5")
    monkeypatch.setattr(file_import, "registered", lambda _: {"Twice": Thrice})
    monkeypatch.setattr(
        file_import.legacy_files, "placeholders", lambda _: {"Twice": Twice}
    )

    with pytest.raises(errors.ModelError, match=r"answers differently.*5\.0e-01"):
        interop.import_file(tmp_path / "old.h5", tmp_path / "new.keras")
    assert not (tmp_path / "new.keras").exists()


def test_modules_that_register_layers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_layers_of_test_file_import.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('mine')\n"
        "class Halved(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return x / 2\n"
    )

    class Halved(layers.Layer):
        def call(self, x):
            return x / 2

    networks.of((4,), lambda x: Halved()(x)).save(tmp_path / "old.h5")

    for name in ("new.keras", "again.keras"):  # the second finds it imported
        record = interop.import_file(
            "old.h5", name, imports=["my_layers_of_test_file_import"]
        )
        assert record["relative_error"] < 1e-6

    new = keras.saving.load_model("new.keras")
    np.testing.assert_allclose(new(np.ones((1, 4))), np.full((1, 4), 0.5))
