"""Compile the runner with the system's compiler, once for each change of it.

The program is kept in a cache under a name made of its sources, the command and the
compiler's version, and is renamed into place, so that two processes may build at once.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

from android_bench.errors import RunnerError

FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2")
LIBRARIES = ("-ldl", "-lm")
TARGETS = {
    "host": ("cc", "gcc", "clang"),
    "linux-arm64": ("aarch64-linux-gnu-gcc",),
    "arm64-v8a": ("aarch64-linux-android24-clang",),
}
INSTALL = {
    "host": "Install a C compiler, such as Debian's `gcc`",
    "linux-arm64": "Install a cross compiler, such as Debian's `gcc-aarch64-linux-gnu`",
    "arm64-v8a": (
        "Install Android's NDK and set ANDROID_NDK_HOME to its folder; a phone runs no "
        "program of another compiler"
    ),
}
_NDK_COMPILERS = "toolchains/llvm/prebuilt/*/bin/aarch64-linux-android24-clang"
_TIMEOUT_S = 120.0

PathLike = str | os.PathLike[str]


def build_runner(
    target: str = "host",
    *,
    compiler: PathLike | None = None,
    cache: PathLike | None = None,
) -> pathlib.Path:
    """Compile the runner, or return the one that was compiled before.

    Args:
        target: One of `TARGETS`: this computer, a Linux board, an Android phone.
        compiler: A C compiler for it; found on the path, or in Android's NDK, if not
            given.
        cache: A folder for the programs; the user's cache folder if not given.

    Returns:
        The program.

    Raises:
        RunnerError: If there is no compiler, or it fails.
        ValueError: If the target is unknown.
    """
    if target not in TARGETS:
        raise ValueError(
            f"Unknown target of the runner. Received: target={target!r}; it must be "
            f"one of {', '.join(TARGETS)}."
        )
    program = _find_compiler(target, compiler)
    folder = pathlib.Path(cache) if cache is not None else _default_cache()
    sources = sorted(pathlib.Path(__file__).parent.glob("*.[ch]"))
    built = folder / f"runner-{target}-{_fingerprint(program, sources)}"
    if not built.exists():
        _compile(program, sources, built)
    return built


def _find_compiler(target: str, compiler: PathLike | None) -> str:
    names = (os.fspath(compiler),) if compiler is not None else TARGETS[target]
    found = [path for name in names if (path := shutil.which(name))]
    ndk = os.environ.get("ANDROID_NDK_HOME")
    if target == "arm64-v8a" and ndk and compiler is None:
        found += sorted(map(str, pathlib.Path(ndk).glob(_NDK_COMPILERS)))
    if not found:
        raise RunnerError(
            f"No C compiler for {target} was found. Received: {', '.join(names)}, none "
            f"of which is a program here. {INSTALL[target]}, or pass compiler=PATH."
        )
    return found[0]


def _default_cache() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "tfcompress" / "runners"


def _fingerprint(compiler: str, sources: Sequence[pathlib.Path]) -> str:
    digest = hashlib.sha256()
    for part in (compiler, _version(compiler), *FLAGS, *LIBRARIES):
        digest.update(part.encode() + b"\0")
    for source in sources:
        content = source.read_bytes()
        digest.update(f"{source.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _version(compiler: str) -> str:
    return _run([compiler, "--version"])


def _compile(
    compiler: str, sources: Sequence[pathlib.Path], built: pathlib.Path
) -> None:
    built.parent.mkdir(parents=True, exist_ok=True)
    code = [str(source) for source in sources if source.suffix == ".c"]
    with tempfile.TemporaryDirectory(dir=built.parent) as folder:
        made = pathlib.Path(folder, "runner")
        _run([compiler, *FLAGS, *code, "-o", str(made), *LIBRARIES])
        os.replace(made, built)


def _run(command: Sequence[str]) -> str:
    """Run the compiler; return what it printed."""
    try:
        done = subprocess.run(
            command, capture_output=True, check=True, timeout=_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = next((line for line in lines if "error" in line.lower()), "")
        reason = reason or (lines[-1] if lines else f"exit code {error.returncode}")
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    else:
        return done.stdout.decode("utf-8", "replace")
    raise RunnerError(
        f"The runner could not be compiled. Received: {' '.join(reason.split())[:300]} "
        f"from {command[0]}. Install a working C compiler, or pass compiler=PATH."
    )
