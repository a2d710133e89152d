"""Tests of TFMOT run on Keras 3 models: same training, weights back, int8 file."""

from __future__ import annotations

import importlib

import keras
import numpy as np
import pytest

from tests.models import randomise
from tfcompress import data, errors, interop, tflite, training
from tfcompress.interop import annotating, exporting, legacy, legacy_training, wrappers

CONFIG = training.TrainConfig(
    epochs=2, batch_size=32, optimizer="sgd", learning_rate=0.05, weight_decay=5e-3
)


@pytest.fixture(scope="module")
def dataset():
    """Return 96 small pictures of three easy classes, with augmentation."""
    rng = np.random.default_rng(0)
    y = np.arange(96) % 3
    x = rng.normal(size=(96, 8, 8, 1)) + y[:, None, None, None]
    return data.Dataset.from_arrays(
        train=(x.astype("float32"), y),
        test=(x[:30].astype("float32"), y[:30]),
        task="classification",
        augmentation=data.Augmentation(flip=True, crop=1),
    )


def network(*, seed: int = 0) -> keras.Model:
    """Build what TFMOT knows, with a nested model, an operator, a separable layer."""
    keras.utils.set_random_seed(seed)
    kit = keras.layers
    inputs = keras.Input((8, 8, 1), name="picture")
    x = kit.Conv2D(4, 3, padding="same", use_bias=False, name="first")(inputs)
    x = kit.ReLU()(kit.BatchNormalization()(x))
    y = kit.BatchNormalization()(kit.Conv2D(4, 3, padding="same")(x))
    x = kit.ReLU()(x + y)
    x = kit.SeparableConv2D(6, 3, name="separable")(x)
    x = kit.Activation("relu6")(kit.BatchNormalization()(x))
    inner_input = keras.Input(x.shape[1:])
    inner = kit.Conv2D(6, 1, activation="relu", name="inside")(inner_input)
    x = keras.Model(inner_input, inner)(x)
    outputs = kit.Dense(3, name="scores")(kit.GlobalAveragePooling2D()(x))
    return randomise(keras.Model(inputs, outputs))


@pytest.mark.slow
def test_keras_2_trains_as_keras_3_does(dataset):
    """Same batches, rates, momentum and decay: the same weights, up to rounding."""
    model = network()
    task = data.Task.for_model(model, dataset)
    twin = interop.to_keras2(model)
    ours = exporting.copied(model)

    theirs = legacy_training.fit(twin, dataset, config=CONFIG, task=task)
    result = training.train(ours, dataset, config=CONFIG, task=task)

    assert theirs["loss"] == pytest.approx(result.history["loss"], rel=1e-5)
    back = exporting.copied(model)
    exporting.carry_back(back, {x.name: wrappers.bare(x) for x in twin.layers})
    for a, b in zip(back.weights, ours.weights, strict=True):
        # Keras 2 averages the unbiased variance of a batch, n / (n - 1) of ours.
        rtol = 3e-4 if "moving_variance" in a.path else 0
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-5, rtol=rtol)
    moved = network().get_weights()[0]
    assert np.max(np.abs(back.get_weights()[0] - moved)) > 1e-3


@pytest.mark.slow
def test_quantization_aware_training(dataset, tmp_path):
    model = network()
    before = [weight.copy() for weight in model.get_weights()]

    result = interop.tfmot_quantize(
        model, dataset, config=CONFIG, path=tmp_path / "aware.tflite"
    )

    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert result.outside == {}
    assert len(result.history["loss"]) == 2
    assert (tmp_path / "aware.tflite").read_bytes() == result.content
    assert tflite.inspect(result.content).float_operators == ()
    run = tflite.Runner(result.content)
    assert (run.input_names, run.output_names) == (["picture"], ["scores"])
    x = np.random.default_rng(1).normal(size=(64, 8, 8, 1)).astype("float32")
    aware = np.asarray(result.legacy_model(x, training=False))
    plain = np.asarray(result.model(x, training=False))
    step = np.min(np.diff(np.unique(run(x))))  # of the output's 256 levels
    assert np.max(np.abs(run(x) - aware)) < 1.5 * step  # rounded the other way, at most
    assert np.mean(np.abs(run(x) - aware) < 0.5 * step) > 0.8
    assert 10 < snr_db(run(x), plain) < 60  # 8 bits apart
    moved = {
        variable.path: float(np.max(np.abs(variable.numpy() - then)))
        for variable, then in zip(result.model.weights, before, strict=True)
        if not variable.path.endswith("bias")  # before a norm, it has no gradient
    }
    assert min(moved.values()) > 0  # every weight came back, the separable layer's too
    assert type(result.model.layers[-2]) is type(model.layers[-2])


def snr_db(found, wanted) -> float:
    noise = np.sum((found - wanted) ** 2) + 1e-20
    return float(10 * np.log10(np.sum(wanted**2) / noise))


@pytest.mark.slow
def test_a_function_may_fit_the_wrapped_model():
    seen = []

    def fit(wrapped):
        seen.append([type(layer).__name__ for layer in wrapped.layers])

    result = interop.tfmot_quantize(network(), fit)

    assert seen[0].count("QuantizeWrapperV2") > 10
    assert result.history == {}
    for a, b in zip(result.model.get_weights(), network().get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_pruning(dataset):
    model = network()

    def schedule(tfmot):
        return tfmot.sparsity.keras.PolynomialDecay(0.0, 0.75, 0, 4, frequency=1)

    result = interop.tfmot_prune(model, dataset, schedule=schedule, config=CONFIG)

    kernels = {
        variable.path: float(np.mean(variable.numpy() == 0))
        for variable in result.model.trainable_variables
        if len(variable.shape) > 1
    }
    assert kernels["first/kernel"] == pytest.approx(0.75, abs=0.03)
    assert kernels["inside/kernel"] == pytest.approx(0.75, abs=0.03)
    assert kernels["scores/kernel"] == pytest.approx(0.75, abs=0.06)
    assert kernels["separable/depthwise_kernel"] == 0  # TFMOT prunes the pointwise one
    chosen = interop.tfmot_prune(
        model, lambda _: None, schedule=schedule, layers=["inside"]
    )
    assert "scores" in chosen.outside
    assert "inside" not in chosen.outside


@pytest.mark.slow
def test_layers_that_tfmot_does_not_know(dataset):
    kit = keras.layers
    inputs = keras.Input((8, 8, 1))
    x = kit.Conv2D(4, 3, activation="relu")(kit.Rescaling(2.0, name="scaled")(inputs))
    x = kit.BatchNormalization(name="alone")(kit.MaxPooling2D()(x))
    model = keras.Model(inputs, kit.Dense(3)(kit.Flatten()(x)))

    with pytest.raises(errors.ModelError) as caught:
        interop.tfmot_quantize(model, dataset, config=CONFIG)
    result = interop.tfmot_quantize(
        model, dataset, config=CONFIG, skip_unsupported=True
    )

    message = str(caught.value)
    assert "\n" not in message
    assert "scaled (the class Rescaling" in message
    assert "skip_unsupported=True" in message
    assert set(result.outside) == {"scaled", "alone"}
    assert tflite.Runner(result.content)(np.ones((2, 8, 8, 1), "float32")).shape == (
        2,
        3,
    )


@pytest.mark.parametrize(
    ("activation", "taken"), [("relu", True), ("softmax", True), ("elu", False)]
)
def test_activations_that_tfmot_quantizes(activation, taken):
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(3, activation=activation, name="dense")(inputs)
    twin = interop.to_keras2(keras.Model(inputs, outputs))

    assert ("dense" not in annotating.outside(twin)) is taken


def test_wrong_arguments(dataset):
    with pytest.raises(TypeError, match=r"nothing to train with.*int"):
        interop.tfmot_quantize(network(), 3)
    with pytest.raises(ValueError, match=r"own settings.*config"):
        interop.tfmot_quantize(network(), lambda _: None, config=CONFIG)
    with pytest.raises(TypeError, match=r"no schedule of TFMOT.*0\.5"):
        interop.tfmot_prune(network(), dataset, schedule=0.5)
    with pytest.raises(errors.ModelError, match=r"not in the model.*'nowhere'"):
        interop.tfmot_prune(
            network(),
            dataset,
            schedule=lambda t: t.sparsity.keras.ConstantSparsity(0.5, 0),
            layers=["nowhere"],
        )
    twin = interop.to_keras2(network())
    with pytest.raises(errors.ModelError, match=r"interop\.from_keras2"):
        interop.tfmot_quantize(twin, dataset)


def test_without_tfmot(dataset, monkeypatch):
    def missing(name, *arguments):
        if name.startswith("tensorflow_model_optimization"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *arguments)

    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", missing)

    with pytest.raises(errors.ModelError, match="pip install 'tensorflow-model-opt"):
        interop.tfmot_prune(network(), dataset, schedule=lambda _: None)
    assert legacy.tf_keras().__version__.startswith("2.")
