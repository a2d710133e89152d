"""The losses against numbers worked out by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfcompress.distill import losses

TEACHER, STUDENT = np.array([[2.0, -1.0, 0.5]]), np.array([[0.3, 0.1, -0.7]])


def test_known_value():
    """T = 2: q_t = (0.583, 0.130, 0.287) and so on; T² KL = 0.5558."""
    found = losses.soft_cross_entropy(TEACHER, STUDENT, temperature=2.0)
    assert found.shape == (1,)
    assert float(found[0]) == pytest.approx(0.5558, abs=5e-5)


def test_two_classes_by_hand():
    """q_t = (1/2, 1/2), q_s = (3/4, 1/4): KL = ln(2/3)/2 + ln(2)/2 = ln(4/3)/2."""
    student = np.array([[np.log(3.0), 0.0]])
    found = losses.soft_cross_entropy(np.zeros((1, 2)), student, temperature=1.0)
    assert float(found[0]) == pytest.approx(0.5 * np.log(4 / 3), rel=1e-5)
    softer = losses.soft_cross_entropy(np.zeros((1, 2)), 2 * student, temperature=2.0)
    assert float(softer[0]) == pytest.approx(4 * 0.5 * np.log(4 / 3), rel=1e-5)


def test_the_gradient_does_not_depend_on_the_temperature():
    """For a high T it is (z_s - z_t) / classes for centred logits: Hinton's limit."""
    import tensorflow as tf

    teacher = TEACHER - TEACHER.mean()
    student = tf.constant(STUDENT - STUDENT.mean(), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(student)
        loss = losses.soft_cross_entropy(teacher, student, temperature=1000.0)
    gradient = np.asarray(tape.gradient(loss, student))
    np.testing.assert_allclose(gradient, (student - teacher) / 3, rtol=1e-2)


def test_logits_are_free_up_to_a_constant():
    """log p serves as well as the logits."""
    shifted = np.log(np.exp(TEACHER) / np.exp(TEACHER).sum())
    one = losses.soft_cross_entropy(TEACHER, STUDENT, temperature=3.0)
    other = losses.soft_cross_entropy(shifted, STUDENT, temperature=3.0)
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_perfect_student_loses_nothing():
    """Also where the teacher is all but certain."""
    sure = np.array([[200.0, -200.0, 0.0]])
    for divergence in losses.DIVERGENCES.values():
        assert float(divergence(sure, sure, temperature=1.0)[0]) == 0.0


def test_labels_by_hand():
    """Two labels: KL(1/2 || s(2)) = 0.4338 and 0, halved by the mean; T = 2 times 4."""
    teacher, student = np.array([[0.0, 1.0]]), np.array([[4.0, 1.0]])
    found = losses.soft_binary_cross_entropy(teacher, student, temperature=2.0)
    expected = -np.log(2) - 0.5 * (
        np.log(1 / (1 + np.exp(-2))) + np.log(1 / (1 + np.exp(2)))
    )
    assert expected == pytest.approx(0.4338, abs=5e-5)
    assert float(found[0]) == pytest.approx(4 * expected / 2, rel=1e-5)


def test_numbers_by_hand():
    """((1 - 3)² + 0²) / 2 = 2, whatever the temperature."""
    found = losses.squared_difference([[3.0, 1.0]], [[1.0, 1.0]], temperature=7.0)
    assert float(found[0]) == 2.0


def test_mixture():
    """A quarter of 4 and three quarters of 8."""
    assert losses.distillation_loss(4.0, 8.0, alpha=0.75) == 7.0


def test_attention_by_hand():
    """Energies 3 : 4 against 1 : 0: (0.6 - 1)² + 0.8² = 0.8."""
    teacher = np.sqrt([3.0, 4.0]).reshape(1, 1, 2, 1)
    student = np.array([1.0, 0.0]).reshape(1, 2, 1, 1)
    found = losses.attention_difference(teacher, student)
    assert float(found[0]) == pytest.approx(0.8, rel=1e-5)


def test_per_pixel():
    """A segmentation map gives one number per pixel."""
    maps = np.zeros((2, 3, 4, 5))
    found = losses.soft_cross_entropy(maps, maps, temperature=2.0)
    assert found.shape == (2, 3, 4)


def test_keras_loss_weighs_examples():
    """Sample weights count as in any Keras loss, and the settings survive saving."""
    loss = losses.SoftTargetLoss("softmax", temperature=2.0)
    teacher, student = np.repeat(TEACHER, 2, 0), np.repeat(STUDENT, 2, 0)
    weighted = loss(teacher, student, sample_weight=np.array([1.0, 0.0]))
    assert float(weighted) == pytest.approx(0.5558 / 2, abs=5e-5)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert float(copy(teacher, student)) == float(loss(teacher, student))
    feature = losses.FeatureLoss(attention=True)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(feature)
    )
    assert again.attention is True


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"kind": "tanh"}, "kind='tanh'"), ({"temperature": 0.0}, "temperature=0.0")],
)
def test_refuses(settings, message):
    """The message names the argument."""
    with pytest.raises(ValueError, match=message):
        losses.SoftTargetLoss(**settings)


def test_logits_of_probabilities_make_them_again():
    """Zero and one stay finite; what does not add up to 1 are logits already."""
    p = np.array([[0.0, 0.25, 0.75], [1.0, 0.0, 0.0]], "float32")
    found = losses.logits_of(p, "softmax")
    np.testing.assert_allclose(keras.ops.softmax(found), p, atol=1e-6)
    np.testing.assert_allclose(
        keras.ops.sigmoid(losses.logits_of(p, "sigmoid")), p, atol=1e-6
    )
    for values, kind in ((p * 2, "sigmoid"), (p * 0.5, "softmax"), (p, "linear")):
        np.testing.assert_array_equal(losses.logits_of(values, kind), values)
