import logging
import os

import pytest

from tfcompress.tflite import captured_output

LOG = logging.getLogger("tests.captured")


def test_descriptors_and_prints_go_to_the_log(capfd, caplog):
    """What C code writes to 1 and 2 is logged, and the terminal sees nothing."""
    with caplog.at_level(logging.DEBUG), captured_output.logged(LOG):
        os.write(1, b"from C\n\n")
        os.write(2, b"warning from C\n")
        os.system("echo from a child")
    os.write(1, b"afterwards\n")
    assert caplog.messages == ["from C", "warning from C", "from a child"]
    out, err = capfd.readouterr()
    assert (out, err) == ("afterwards\n", "")


def test_descriptors_come_back_after_an_error(capfd, caplog):
    """An exception passes through, its output is logged."""

    def fail():
        with captured_output.logged(LOG):
            os.write(1, b"before\n")
            raise ValueError("inside")

    with caplog.at_level(logging.DEBUG), pytest.raises(ValueError, match="inside"):
        fail()
    os.write(1, b"back\n")
    assert caplog.messages == ["before"]
    assert capfd.readouterr().out == "back\n"
