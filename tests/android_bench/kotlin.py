"""Compile the apps' Kotlin against declarations of what they call, and run it.

Android's and LiteRT's own libraries come with an Android SDK only.  The files in
`app_stubs` declare the part of them that the apps use, with a runtime that copies its
input: names, types and the order of calls are checked here, figures are not.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest

from tests.android_bench import java

STUBS = pathlib.Path(__file__).parent / "app_stubs"


def home() -> pathlib.Path | None:
    """Return the compiler's folder: KOTLIN_HOME, or that of `kotlinc` on the PATH."""
    named = os.environ.get("KOTLIN_HOME")
    found = shutil.which("kotlinc")
    if named:
        return pathlib.Path(named)
    return pathlib.Path(found).resolve().parents[1] if found else None


needs_kotlin = pytest.mark.skipif(
    home() is None,
    reason="kotlinc is absent: npm install kotlin-compiler@2.3.20 and set KOTLIN_HOME "
    "to its folder",
)


def compile_kotlin(target: pathlib.Path, *classes: pathlib.Path) -> pathlib.Path:
    """Compile both apps and the stubs; no warning passes."""
    files = [*STUBS.glob("*.kt")]
    for module in ("app", "example"):
        files += (java.APP / module / "src" / "main" / "kotlin").rglob("*.kt")
    command = [str(home() / "bin" / "kotlinc"), "-Werror", "-jvm-target", "11"]
    command += ["-cp", java.class_path(*classes), "-d", str(target)]
    done = subprocess.run(
        [*command, *map(str, sorted(files))],
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    return target


def runtime() -> pathlib.Path:
    return home() / "lib" / "kotlin-stdlib.jar"
