import numpy as np
import pytest

from tfcompress.data import OutputTask
from tfcompress.tflite.agreement import Agreement


def share(output, reference, other):
    agreement = Agreement(output)
    agreement.add(np.array(reference), np.array(other))
    return agreement.share


def test_classes_per_example():
    """The top class counts, not its score."""
    output = OutputTask(kind="classification")
    assert share(output, [[1, 2, 3], [3, 2, 1]], [[0, 0, 9], [0, 1, 0]]) == 0.5


def test_classes_per_pixel():
    """A segmentation agrees pixel by pixel."""
    output = OutputTask(kind="segmentation", num_classes=2)
    mask = np.zeros((1, 2, 2, 2))
    mask[..., 1] = 1
    other = mask.copy()
    other[0, 0, 0] = [1, 0]
    assert share(output, mask, other) == 0.75


def test_labels_per_side_of_the_threshold():
    """Each label of a multi-label output is a yes or a no."""
    output = OutputTask(kind="multilabel", num_classes=2)
    assert share(output, [[0.4, 0.9]], [[0.1, 0.2]]) == 0.5
    logits = OutputTask(kind="multilabel", num_classes=2, from_logits=True)
    assert share(logits, [[0.4, -0.9]], [[0.1, -0.2]]) == 1.0


def test_one_sigmoid_output_has_two_classes():
    """A single unit is no argmax."""
    output = OutputTask(kind="classification", num_classes=2)
    assert share(output, [[0.4], [0.6]], [[0.6], [0.7]]) == 0.5


def test_numbers_have_no_top_answer():
    """A regression agrees on nothing."""
    assert share(OutputTask(kind="regression"), [[1.0]], [[1.0]]) is None


def test_batches_add_up():
    """Three equal answers of four, whatever the batches."""
    agreement = Agreement(OutputTask(kind="classification"))
    agreement.add(np.eye(3), np.eye(3))
    agreement.add(np.eye(3)[:1], np.eye(3)[1:2])
    assert agreement.share == pytest.approx(0.75)
