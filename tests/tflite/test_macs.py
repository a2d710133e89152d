import pytest

from tfcompress.tflite import macs


@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "expected"),
    [
        # 4 * 4 * 8 outputs, each 3 * 3 * 2
        ("CONV_2D", [(1, 8, 8, 2), (8, 3, 3, 2)], [(1, 4, 4, 8)], 128 * 18),
        # two groups: the kernel has half the input's channels
        ("CONV_2D", [(1, 4, 4, 4), (8, 1, 1, 2)], [(1, 4, 4, 8)], 128 * 2),
        ("DEPTHWISE_CONV_2D", [(1, 4, 4, 6), (1, 3, 3, 6)], [(1, 4, 4, 6)], 96 * 9),
        ("FULLY_CONNECTED", [(1, 7), (5, 7)], [(1, 5)], 35),
        ("TRANSPOSE_CONV", [(4,), (6, 2, 2, 3), (1, 4, 4, 3)], [(1, 8, 8, 6)], 48 * 24),
        ("CONV_3D", [(1, 4, 4, 4, 2), (2, 2, 2, 2, 3)], [(1, 3, 3, 3, 3)], 81 * 16),
        (
            "CONV_3D_TRANSPOSE",
            [(5,), (2, 2, 2, 3, 2), (1, 3, 3, 3, 2)],
            [(1, 6, 6, 6, 3)],
            54 * 24,
        ),
        ("BATCH_MATMUL", [(1, 2, 3, 4), (1, 2, 4, 5)], [(1, 2, 3, 5)], 30 * 4),
        ("ADD", [(1, 8), (1, 8)], [(1, 8)], 0),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", [(1, 8)], [(1, 8)], None),
        ("CUSTOM:mine", [(1, 8)], [(1, 8)], None),
    ],
)
def test_count(name, inputs, outputs, expected):
    """Worked out by hand: kernel times output."""
    assert macs.count(name, inputs, outputs) == expected


def test_a_transposed_left_side_is_read_from_the_option():
    """BATCH_MATMUL with adj_x contracts over the last but one axis."""
    shapes = [(1, 4, 3), (1, 4, 5)]
    assert macs.count("BATCH_MATMUL", shapes, [(1, 3, 5)], flag=1) == 15 * 4
