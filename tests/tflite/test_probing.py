import subprocess

import numpy as np
import pytest

from tests.tflite.editing import edited
from tfcompress import errors, tflite
from tfcompress.tflite import probing


def test_a_good_file_passes(converted, tmp_path):
    """By path and by content."""
    path = tmp_path / "net.tflite"
    path.write_bytes(converted("int8").content)
    probing.probe(path)
    tflite.Runner(path, trusted=False)


def test_what_the_runtime_refuses_is_one_line(converted):
    """The child's last line is in the message."""

    def change(model):
        for code in model.operatorCodes:
            code.version = 99

    broken = edited(converted("float32").content, change)
    with pytest.raises(errors.TfliteFileError, match=r"cannot run.*my\.tflite") as e:
        probing.probe(broken, name="my.tflite")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (subprocess.CompletedProcess([], -11, b"", b""), "crashed with SIGSEGV"),
        (subprocess.CompletedProcess([], -6, b"", b"x"), "crashed with SIGABRT"),
        (subprocess.CompletedProcess([], 1, b"", b"a\nlast line\n"), "last line"),
        (subprocess.CompletedProcess([], 1, b"", b""), "the runtime failed"),
        (subprocess.TimeoutExpired([], 2), "no answer after 2 s"),
    ],
)
def test_each_end_of_the_child_is_an_error(converted, monkeypatch, outcome, message):
    """A crash, a refusal and a hang each have their line."""

    def run(*_, **__):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(errors.TfliteFileError, match=message):
        probing.probe(converted("float32").content, timeout_s=2)


@pytest.mark.slow
def test_absurd_tensors_do_not_fill_the_machine(converted):
    """A file that asks for terabytes is refused."""

    def change(model):
        graph = model.subgraphs[0]
        for tensor in graph.tensors:
            if len(tensor.shape) == 4 and model.buffers[tensor.buffer].data is None:
                tensor.shape = [1, 60_000, 60_000, int(tensor.shape[3])]

    broken = edited(converted("float32").content, change)
    with pytest.raises(errors.TfliteFileError, match="cannot run"):
        probing.probe(broken)


@pytest.mark.slow
def test_damaged_files_never_take_this_process_down(converted):
    """Byte flips and cuts of a real file: an error in a line, or an answer."""
    content = converted("int8").content
    rng = np.random.default_rng(1)
    messages = []
    for i in range(60):
        broken = bytearray(content)
        for at in rng.integers(0, len(content), 1 + i % 6):
            broken[at] ^= int(rng.integers(1, 256))
        if i % 5 == 0:
            broken = broken[: rng.integers(8, len(content))]
        try:
            tflite.Runner(bytes(broken), trusted=False)(np.zeros((1, 12, 12, 3)))
        except (errors.TfliteFileError, errors.DataError) as error:
            messages.append(str(error))
    assert 10 < len(messages) < 60
    assert not [message for message in messages if "\n" in message]
