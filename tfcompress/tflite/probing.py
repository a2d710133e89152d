"""Try a .tflite file in a child process, so that a native crash is only an error.

A file can be well-formed and still make the native interpreter abort: an operator with
an impossible option, a reshape that does not add up.  Run as a module, this file is
the child: it loads the file, fills the inputs with zeros and runs it once.
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from tfcompress import errors

TIMEOUT_S = 120.0
_MEMORY_FACTOR = 64  # address space of the child, in file sizes
_MEMORY_FLOOR = 8 << 30


def probe(
    source: str | os.PathLike[str] | bytes,
    *,
    name: str = "",
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Run a .tflite file once, with zeros, in a child process.

    Args:
        source: The file, or its bytes.
        name: What to call it in a message; the path if empty.
        timeout_s: How long it may take.

    Raises:
        TfliteFileError: If it is damaged, cannot be loaded, crashes, or hangs.
    """
    from tfcompress.tflite import parsing

    content, known_as = parsing.read_content(source)
    name = name or known_as
    parsing.parse(content, name=name)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "probed.tflite")
        path.write_bytes(content)
        command = [sys.executable, "-m", "tfcompress.tflite.probing", str(path)]
        problem = child_problem(command, timeout_s)
    if problem:
        raise errors.TfliteFileError(
            f"This .tflite file cannot run. Received: {name} ({problem}). "
            "It is damaged or needs another runtime: convert it again."
        )


def child_problem(command: Sequence[str], timeout_s: float) -> str:
    """Run a child process; return what went wrong in one line, or an empty string."""
    try:
        done = subprocess.run(
            list(command), capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer after {timeout_s:g} s"
    if done.returncode == 0:
        return ""
    if done.returncode < 0:
        return f"the runtime crashed with {signal.Signals(-done.returncode).name}"
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return " ".join(lines[-1].split())[:300] if lines else "the runtime failed"


def _limit_memory(size_bytes: int) -> None:
    """Let a file that asks for absurd tensors fail instead of filling the machine."""
    try:
        import resource  # not on every system
    except ImportError:
        return
    limit = max(_MEMORY_FLOOR, _MEMORY_FACTOR * size_bytes)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _main(path: str) -> int:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    _limit_memory(pathlib.Path(path).stat().st_size)
    try:
        interpreter = Interpreter(model_path=path, num_threads=1)
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            zeros = np.zeros(detail["shape"], detail["dtype"])
            interpreter.set_tensor(detail["index"], zeros)
        interpreter.invoke()
        for detail in interpreter.get_output_details():
            interpreter.get_tensor(detail["index"])
    except (RuntimeError, ValueError, MemoryError) as error:
        sys.stderr.write("\n" + " ".join(str(error).split()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    code = _main(sys.argv[1])
    sys.stderr.flush()
    os._exit(code)  # a damaged file may crash its own clean-up
