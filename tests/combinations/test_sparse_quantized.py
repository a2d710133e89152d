"""Zeros, integers and a teacher together: the methods meet in one model."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net, randomise
from tfcompress import distill, errors, quantize, sparsity, tflite, training

INNER = ("conv1", "conv2")


@pytest.fixture(scope="module")
def net():
    """A network of three convolutions; the inner ones are pruned by default."""
    return randomise(conv_bn_net(widths=(8, 16, 16)))


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 12, 12, 3)).astype("float32")
    return x, rng.integers(0, 5, 64)


def fitted(model, batch, epochs=3):
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(keras.optimizers.Adam(1e-2), loss)
    model.fit(*batch, batch_size=8, epochs=epochs, verbose=0)


def zeros(model):
    """Return the fraction of zeros of each pruned kernel, by layer."""
    return {row.layer: row.sparsity for row in sparsity.report(model).kernels}


def with_zeros(model, every=2):
    """Return a copy in which all but `every`-th weights of inner kernels are zero."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for name in INNER:
        kernel = copy.get_layer(name).kernel
        value = np.asarray(kernel).copy()
        value.reshape(-1)[np.arange(value.size) % every != every - 1] = 0
        kernel.assign(value)
    return copy


def inner_zeros(model):
    """Return where the inner kernels are zero, wrapped or not."""
    found = {}
    for variable in model.trainable_variables:
        layer = variable.path.split("/")[-2]
        if layer in INNER and variable.name == "kernel":
            found[layer] = np.asarray(variable) == 0
    assert set(found) == set(INNER)
    return found


def trained(model, batch, recipe="int8", **settings):
    """Return a quantization-aware model that has seen its data."""
    model, _ = quantize.quantize_aware(model, recipe, **settings)
    quantize.calibrate(model, [batch[0]])
    return model


@pytest.mark.slow
def test_quantization_aware_training_keeps_the_zeros(net, batch):
    """Prune, then train for integers: the same weights are zero afterwards."""
    model, _ = quantize.quantize_aware(with_zeros(net))
    held = sparsity.keep_zeros(model)
    quantize.calibrate(held, [batch[0]])
    before = [np.asarray(weight).copy() for weight in held.trainable_variables]
    fitted(held, batch)
    for zero in inner_zeros(sparsity.strip(held)).values():
        np.testing.assert_array_equal(zero.reshape(-1), np.arange(zero.size) % 2 == 0)
    moved = [
        np.abs(np.asarray(weight) - old).max()
        for weight, old in zip(held.trainable_variables, before, strict=True)
    ]
    assert max(moved) > 1e-3


@pytest.mark.slow
def test_pruning_quantization_and_a_teacher_in_one_fit(net, batch):
    """The student is pruned and rounded while it learns from the float model."""
    model, _ = quantize.quantize_aware(net)
    quantize.calibrate(model, [batch[0]])
    schedule = sparsity.polynomial_decay(final_sparsity=0.75, end_step=16, frequency=4)
    student = sparsity.prune_low_magnitude(model, schedule)
    fitted(distill.Distiller(student, net), batch)
    plain = sparsity.strip(student)
    assert quantize.is_quantized(plain)
    shares = [share for share in zeros(plain).values() if share]
    assert shares
    assert all(abs(share - 0.75) < 0.02 for share in shares)
    file = tflite.convert(plain)
    assert file.recipe == "int8"
    assert file.float_operators == ()
    wanted = np.asarray(plain(batch[0]))
    given = tflite.Runner(file.content)(batch[0])
    given = np.asarray(given[0] if isinstance(given, list | tuple) else given)
    error = np.mean((given - wanted) ** 2)
    assert 10 * np.log10(np.mean(wanted**2) / error) > 30


@pytest.mark.slow
def test_the_fused_twin_trains_the_same_student(net, batch):
    """Accelerated training holds zeros and ranges, too."""
    model, _ = quantize.quantize_aware(with_zeros(net))
    held = sparsity.keep_zeros(model)
    quantize.calibrate(held, [batch[0]])
    fitted(training.accelerate(held), batch)
    for zero in inner_zeros(held).values():
        np.testing.assert_array_equal(zero.reshape(-1), np.arange(zero.size) % 2 == 0)


def test_a_model_that_is_being_pruned_is_not_quantized_as_it_is(net):
    """Its masks would be lost."""
    pruned = sparsity.prune_low_magnitude(net, sparsity.constant(0.5))
    with pytest.raises(errors.ModelError, match=r"strip\(model\).*keep_zeros"):
        quantize.quantize_aware(pruned)


@pytest.mark.parametrize(
    ("recipe", "precision"), [("int8_w4", None), ("int8", {"conv1": "int8_w4"})]
)
def test_weights_of_4_bits_are_not_stored_sparsely(net, batch, recipe, precision):
    """TensorFlow's converter ends the process at such a file."""
    model = trained(with_zeros(net), batch, recipe, precision=precision)
    with pytest.raises(errors.ConfigError, match=r"4 bits .*sparse=True with"):
        tflite.convert(model, sparse=True)


@pytest.mark.slow
@pytest.mark.parametrize("inputs", ["float", "int8"])
@pytest.mark.parametrize("recipe", ["int8", "int16x8"])
@pytest.mark.parametrize("skipped", [*INNER, "conv0"])
def test_a_layer_in_float_is_stored_sparsely(net, batch, recipe, inputs, skipped):
    """What makes its weights dense again is in float because the layer is."""
    model = trained(with_zeros(net, every=5), batch, recipe, skip=[skipped])
    file = tflite.convert(model, sparse=True, inputs=inputs)
    assert file.sparse.tensors >= 2
    assert file.float_operators == ()
    kept = [file.inspection.operators[index].name for index in file.kept_float]
    assert sorted(kept) == ["CONV_2D", "DENSIFY"][: 1 + (skipped in INNER)]
    wanted = np.asarray(model(batch[0]))
    given = tflite.Runner(file.content)(batch[0])
    error = np.mean((given - wanted) ** 2)
    assert 10 * np.log10(np.mean(wanted**2) / error) > 30
