"""Fitting a quantization-aware model: plainly, accelerated, distilled, frozen."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests import models
from tests.training.networks import blob_arrays, blobs, crossentropy, depthwise_net
from tfcompress import distill, errors, quantize, training
from tfcompress.quantize.activation_ranges import range_layers

X, Y = blob_arrays(160)


def compiled(per_channel=True, **settings):
    qat_model, _ = quantize.quantize_aware(depthwise_net(), per_channel=per_channel)
    qat_model.compile(keras.optimizers.SGD(0.01), crossentropy(), **settings)
    return qat_model


def statistics(model, kind):
    """Return copies of the moving statistics, or of the ranges."""
    names = {"norm": ("moving_mean", "moving_variance"), "ranges": ("ranges",)}[kind]
    found = [v for v in model.non_trainable_weights if v.name in names]
    return [np.array(keras.ops.convert_to_numpy(value)) for value in found]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_fit_learns_weights_and_ranges_and_the_file_survives(tmp_path):
    """Saved and loaded, it answers alike and goes on training."""
    qat_model = compiled()
    before = qat_model.get_layer(index=2).get_weights()[0].copy()
    callbacks = [
        keras.callbacks.EarlyStopping("loss", patience=2),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras"),
    ]
    qat_model.fit(X, Y, batch_size=40, epochs=2, verbose=0, callbacks=callbacks)
    assert all(any(layer.range()) for layer in range_layers(qat_model))
    assert not np.array_equal(before, qat_model.get_layer(index=2).get_weights()[0])
    again = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_array_equal(again(X), qat_model(X))
    again.fit(X, Y, batch_size=40, verbose=0)
    assert int(again.optimizer.iterations) == 12


@pytest.mark.parametrize(
    "per_channel", [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_the_accelerated_twin_trains_the_same(per_channel):
    """The twin shares layers and ranges; two steps differ by float sums alone."""
    plain, model = compiled(per_channel), compiled(per_channel)
    twin = training.accelerate(model)
    for one in (plain, twin):
        one.fit(X[:80], Y[:80], batch_size=40, shuffle=False, verbose=0)
    for a, b in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("steps", "per_channel"),
    [
        (4, True),
        pytest.param(1, True, marks=pytest.mark.slow),
        pytest.param(4, False, marks=pytest.mark.slow),
    ],
)
def test_freezing_holds_at_the_step_within_an_execution(steps, per_channel):
    """Frozen at step 3, eight steps leave what three leave."""
    three = compiled(per_channel)
    three.fit(X[:60], Y[:60], batch_size=20, shuffle=False, verbose=0)
    eight = compiled(per_channel, steps_per_execution=steps)
    stops = [quantize.FreezeBatchNorm(3), quantize.FreezeRanges(3)]
    eight.fit(X, Y, batch_size=20, shuffle=False, verbose=0, callbacks=stops)
    assert int(eight.optimizer.iterations) == 8
    for kind in ("norm", "ranges"):
        for a, b in zip(statistics(three, kind), statistics(eight, kind), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_each_callback_freezes_its_own():
    """Statistics alone, or ranges alone; also in a model that was fitted before."""
    for callback, still, moves in (
        (quantize.FreezeBatchNorm(4), "norm", "ranges"),
        (quantize.FreezeRanges(4), "ranges", "norm"),
    ):
        model = compiled()
        model.fit(X, Y, batch_size=40, verbose=0)  # steps 0 to 3, compiled without
        frozen, other = statistics(model, still), statistics(model, moves)
        model.fit(X, Y, batch_size=40, verbose=0, callbacks=[callback])
        assert same(statistics(model, still), frozen)
        assert not same(statistics(model, moves), other)


@pytest.mark.slow
def test_a_frozen_norm_uses_the_moving_statistics():
    """Then training and inference compute the same, if ranges are frozen too."""
    model, answers = compiled(), []

    def compare(*_, **__):
        answers.append((model(X[:8], training=True), model(X[:8])))

    model.fit(X, Y, batch_size=40, verbose=0)
    stops = [quantize.FreezeBatchNorm(0), quantize.FreezeRanges(0)]
    stops.append(keras.callbacks.LambdaCallback(on_train_batch_end=compare))
    model.fit(X[:40], Y[:40], batch_size=40, verbose=0, callbacks=stops)
    for learning, inference in answers:
        np.testing.assert_allclose(learning, inference, rtol=1e-4, atol=1e-4)
    assert len(answers) == 1


def test_freezing_from_the_first_step_leaves_unset_ranges_unset():
    """Nothing is rounded then, rather than to zero."""
    model = compiled()
    model.fit(X, Y, batch_size=40, verbose=0, callbacks=[quantize.FreezeRanges(0)])
    assert not any(any(layer.range()) for layer in range_layers(model))
    assert np.abs(np.asarray(model(X))).max() > 0


def test_negative_steps_are_refused():
    """With the setting's name."""
    with pytest.raises(errors.ConfigError, match="at_step=-1"):
        quantize.FreezeRanges(-1)


def test_a_quantized_student_learns_from_a_float_teacher():
    """Logits are those before the softmax; the student is the plain QAT model."""
    keras.utils.set_random_seed(0)
    teacher = models.conv_bn_net((8, 8, 3), (4, 4), classes=4)
    student, _ = quantize.quantize_aware(teacher)
    distiller = distill.Distiller(student, teacher, temperature=3.0)
    distiller.compile("adam", crossentropy(from_logits=False))
    stops = [quantize.FreezeBatchNorm(2), quantize.FreezeRanges(3)]
    distiller.fit(X, Y, batch_size=40, verbose=0, callbacks=stops)
    assert distiller.student is student
    assert all(any(layer.range()) for layer in range_layers(student))
    probabilities = np.asarray(student(X))
    np.testing.assert_allclose(probabilities.sum(-1), 1.0, atol=1e-5)


def config(**settings):
    return quantize.QuantizeConfig(epochs=2, batch_size=40, **settings)


def test_the_method_trains_a_copy_with_ranges_set_from_data():
    """The original stays; statistics and ranges freeze at their fractions."""
    model, dataset = depthwise_net(), blobs(160)
    before = model.get_weights()
    seen = []
    result = quantize.train_quantized(
        model, dataset, config=config(), progress=seen.append
    )
    assert same(before, model.get_weights())
    assert result.report.fully_quantized
    assert result.training.epochs_run == 2
    assert seen[-1].fraction == 1.0
    assert quantize.recipe_of(result.model) == "int8"


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path):
    """As after a kill: the second call takes up the first one's state."""

    class StoppedError(Exception):
        pass

    def stop(progress):
        if progress.epoch == 1:
            raise StoppedError

    whole = quantize.train_quantized(depthwise_net(), blobs(160), config=config())
    with pytest.raises(StoppedError):
        quantize.train_quantized(
            depthwise_net(),
            blobs(160),
            config=config(),
            state_dir=tmp_path,
            progress=stop,
        )
    steps = []
    resumed = quantize.train_quantized(
        depthwise_net(),
        blobs(160),
        config=config(),
        state_dir=tmp_path,
        progress=steps.append,
    )
    assert {step.epoch for step in steps} == {1}
    for a, b in zip(
        whole.model.get_weights(), resumed.model.get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recipe": "int3"}, "recipe='int3'.*int8_w4"),
        ({"freeze_ranges": 1.5}, "freeze_ranges=1.5"),
        ({"calibration_batches": 0}, "calibration_batches=0"),
        ({"range_momentum": 1.0}, "range_momentum=1.0"),
    ],
)
def test_settings_are_checked(settings, message):
    """By name."""
    with pytest.raises(errors.ConfigError, match=message):
        quantize.QuantizeConfig(**settings)


def test_settings_survive_a_dict():
    """With the map of layers."""
    made = quantize.QuantizeConfig(precision={"conv": "int8_w4"}, skip=("head",))
    assert quantize.QuantizeConfig.from_dict(made.to_dict()) == made


def test_calibration_needs_a_model_and_data():
    """One line each."""
    with pytest.raises(errors.ModelError, match="no ranges to set"):
        quantize.calibrate(depthwise_net(), [X])
    with pytest.raises(errors.DataError, match="0 batches"):
        quantize.calibrate(compiled(), [])


def test_calibration_averages_the_batches_extremes():
    """Inputs in [-1, 2] and [-3, 4]: the input's range becomes [-2, 3]."""
    model, _ = quantize.quantize_aware(depthwise_net())
    small, large = np.zeros((2, 8, 8, 3), "f4"), np.zeros((2, 8, 8, 3), "f4")
    small[0, 0, 0, :2] = -1, 2
    large[0, 0, 0, :2] = -3, 4
    statistics_before = statistics(model, "norm")
    assert quantize.calibrate(model, [small, large]) == 2
    assert range_layers(model)[0].range() == pytest.approx((-2.0, 3.0))
    assert same(statistics(model, "norm"), statistics_before)
