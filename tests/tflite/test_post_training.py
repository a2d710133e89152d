"""What equalisation and bias correction are worth in the converted file."""

from __future__ import annotations

import numpy as np
import pytest

from tests.quantize import unequal_nets as nets
from tfcompress import errors, tflite
from tfcompress.tflite.signal_quality import snr_db


@pytest.fixture(scope="module")
def unequal():
    """Return a network of depthwise blocks with channel ranges over three decades."""
    return nets.mobile(spread=3)


def judged(model, **options):
    """Convert; return the SNR in dB, the share of equal answers and the file."""
    made = tflite.convert(model, "int8", calibration=[nets.images(128)], **options)
    runner, images = tflite.Runner(made.content), nets.images(64, seed=5)
    got = np.concatenate([runner(images[i : i + 1]) for i in range(len(images))])
    wanted = np.asarray(model(images))
    same = np.mean(got.argmax(-1) == wanted.argmax(-1))
    return snr_db(wanted, got), same, made


def test_equalisation_rescues_one_scale_per_tensor(unequal):
    """Nagel et al., table 1: MobileNet v2 falls to chance per tensor, and recovers."""
    before, wrong, _ = judged(unequal, per_channel=False)
    after, right, made = judged(unequal, per_channel=False, equalize=True)

    assert before < 10
    assert wrong < 0.7
    assert after > 25
    assert right > 0.9
    found = made.improvements["equalization"]
    assert found["spread_before"]["dw0"] > 20 > 2 > found["spread_after"]["dw0"]
    assert found["skipped"] == {"head": "they are an output of the model"}


def test_bias_correction_helps_where_weights_are_coarse():
    """4-bit weights, one scale per tensor: the mean error is what hurts most."""
    model = nets.mobile()
    coarse = dict.fromkeys(("stem", "dw0", "pw0", "dw1", "pw1", "head"), "int8_w4")

    before, _, _ = judged(model, precision=coarse)
    after, _, made = judged(model, precision=coarse, correct_bias=True)

    assert after > before + 3
    assert set(made.improvements["bias_correction"]["shifts"]) == set(coarse)
    assert made.improvements["bias_correction"]["num_examples"] == 128


def test_both_together_are_reported_and_the_model_is_not_changed(unequal):
    before = [weight.copy() for weight in unequal.get_weights()]

    _, _, made = judged(unequal, equalize=True, correct_bias=True)

    assert set(made.improvements) == {"equalization", "bias_correction"}
    assert made.to_dict()["improvements"].keys() == made.improvements.keys()
    assert made.float_operators == ()
    for one, other in zip(unequal.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"equalize": True}, "equalize with recipe='float16'"),
        ({"correct_bias": True}, "correct_bias with recipe='float16'"),
        ({"precision": {"stem": "int8"}}, "precision with recipe='float16'"),
        ({"per_channel": False}, "per_channel=False with recipe='float16'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(unequal, options, message):
    with pytest.raises(errors.ConfigError, match=message):
        tflite.convert(unequal, "float16", **options)


def test_without_data_nothing_is_corrected(unequal):
    with pytest.raises(errors.DataError, match="needs calibration data"):
        tflite.convert(unequal, "int8", correct_bias=True)


def test_data_that_can_be_read_once_are_refused(unequal):
    once = iter([nets.images(8)])

    with pytest.raises(errors.DataError, match="a function that returns them anew"):
        tflite.convert(unequal, "int8", correct_bias=True, calibration=once)


def test_a_generator_function_is_read_twice(unequal):
    calls = []

    def batches():
        calls.append(1)
        yield nets.images(16)

    made = tflite.convert(unequal, "int8", correct_bias=True, calibration=batches)

    assert len(calls) == 2
    assert made.calibration_examples == 16
