"""Tests that Keras 2 and TFMOT leave the process and its children as they were."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tfcompress.interop import legacy

# Everything in one fresh process, because what happens at import happens once.
SCRIPT = """
import os, subprocess, sys
import keras, numpy as np

def child():
    code = "import os; print(os.environ.get('TF_USE_LEGACY_KERAS'))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True,
                          text=True, check=True).stdout.strip()

def fit(model):
    keras.utils.set_random_seed(0)
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    model.fit(x, x[:, :1], verbose=0, epochs=2)
    return model.get_weights()

def build():
    keras.utils.set_random_seed(1)
    layers = [keras.Input((4,)), keras.layers.Dense(3, activation="relu"),
              keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    return keras.Sequential(layers)

environment = dict(os.environ)
names = set(keras.saving.get_custom_objects())
floatx, form = keras.config.floatx(), keras.config.image_data_format()
weights = fit(build())
from tfcompress import interop
from tfcompress.interop import legacy
interop.from_keras2, interop.tfmot_quantize  # the names alone import neither
assert not {"tf_keras", "tensorflow_model_optimization"} & set(sys.modules)

model = build()
result = interop.tfmot_prune(
    model,
    lambda wrapped: (
        wrapped.compile("sgd", "mse"),
        wrapped.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0,
                    callbacks=[legacy.tfmot().sparsity.keras.UpdatePruningStep()]),
    ),
    schedule=lambda tfmot: tfmot.sparsity.keras.ConstantSparsity(0.5, 0, frequency=1),
)
interop.from_keras2(result.legacy_model)

import tensorflow as tf
assert tf.keras.Model is keras.Model, tf.keras.Model
assert tf.keras.__version__ == keras.__version__
assert dict(os.environ) == environment
assert child() == "None", child()
new = set(keras.saving.get_custom_objects()) - names
assert all(name.startswith("tfcompress>") for name in new), new
assert (floatx, form) == (keras.config.floatx(), keras.config.image_data_format())
for a, b in zip(weights, fit(build()), strict=True):
    np.testing.assert_array_equal(a, b)
again = build()
again.save(sys.argv[1])
loaded = keras.saving.load_model(sys.argv[1])
assert type(loaded) is keras.Sequential
for a, b in zip(again.get_weights(), loaded.get_weights(), strict=True):
    np.testing.assert_array_equal(a, b)
converter = tf.lite.TFLiteConverter.from_keras_model(loaded)
assert converter.convert()
print("untouched")
"""


@pytest.mark.slow
def test_a_process_that_used_tfmot_goes_on_with_keras_3(tmp_path):
    """tf.keras, the environment, children, fit, saving, loading, converting."""
    environment = {k: v for k, v in os.environ.items() if k != legacy.VARIABLE}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "model.keras")],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.splitlines()[-1] == "untouched"


@pytest.mark.parametrize("before", [None, "0", "1"])
def test_the_variable_gets_its_old_value_back(monkeypatch, before):
    """Also if the import fails."""
    monkeypatch.delenv(legacy.VARIABLE, raising=False)
    if before is not None:
        monkeypatch.setenv(legacy.VARIABLE, before)

    def fail():
        with legacy.untouched():
            os.environ[legacy.VARIABLE] = "1"  # as TFMOT does
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert os.environ.get(legacy.VARIABLE) == before
