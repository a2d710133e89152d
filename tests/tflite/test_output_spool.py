import numpy as np
import pytest

from tfcompress.tflite.output_spool import OutputSpool


def test_batches_come_back_in_order(rng):
    """Arrays of any shape and type, several per batch."""
    batches = [
        [rng.random((3, 2), dtype=np.float32), np.arange(4)],
        [rng.random((1, 2), dtype=np.float32), np.arange(1)],
    ]
    with OutputSpool() as spool:
        for batch in batches:
            spool.put(batch)
        for _ in range(2):  # and again after another rewind
            spool.rewind()
            for batch in batches:
                for wanted, given in zip(batch, spool.get(), strict=True):
                    np.testing.assert_array_equal(given, wanted)
                    assert given.dtype == wanted.dtype


def test_there_is_no_batch_after_the_last():
    """A second pass that is longer than the first is a mistake."""
    with OutputSpool() as spool:
        spool.put([np.zeros(1)])
        spool.rewind()
        spool.get()
        with pytest.raises(IndexError):
            spool.get()
