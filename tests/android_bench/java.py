"""Compile and run the plain Java of the Android app with the system's compiler."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest

APP = pathlib.Path(__file__).parents[2] / "android_bench" / "app"
RESOURCES = APP / "modelfile" / "src" / "test" / "resources"
JARS = [
    pathlib.Path("/usr/share/java", name) for name in ("junit4.jar", "hamcrest.jar")
]

needs_javac = pytest.mark.skipif(
    shutil.which("javac") is None,
    reason="javac is absent: apt-get install default-jdk-headless",
)
needs_junit = pytest.mark.skipif(
    not all(jar.exists() for jar in JARS),
    reason="JUnit is absent: apt-get install junit4",
)


def sources(module: str, kind: str) -> list[pathlib.Path]:
    """Return a module's .java files; `kind` is ``main`` or ``test``."""
    return sorted((APP / module / "src" / kind / "java").rglob("*.java"))


def class_path(*parts: pathlib.Path) -> str:
    return os.pathsep.join(map(str, parts))


def compile_java(files, target: pathlib.Path, *classes: pathlib.Path) -> pathlib.Path:
    """Compile as the Gradle files do, and let no warning pass."""
    target.mkdir()
    command = [
        "javac",
        "-Xlint:all",
        "-Werror",
        "--release",
        "11",
        "-encoding",
        "utf-8",
    ]
    command += [
        "-cp",
        class_path(target, *classes),
        "-d",
        str(target),
        *map(str, files),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    return target


def run_java(main: str, *arguments: str, classes, timeout=800):
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", class_path(*classes), main]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=timeout
    )
