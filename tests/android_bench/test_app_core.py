"""The Android app's logic, which is plain Java: its own JUnit tests run here, too."""

import json
import re
import subprocess

import pytest

from android_bench.host_child import is_settled
from tests.android_bench import java

pytestmark = java.needs_javac
MODULES = ("modelfile", "core")


@pytest.fixture(scope="session")
def classes(tmp_path_factory):
    """Compile both modules; return their folders of classes."""
    folder, compiled = tmp_path_factory.mktemp("java"), []
    for module in MODULES:
        files = java.sources(module, "main")
        compiled.append(java.compile_java(files, folder / module, *compiled))
    return compiled


@java.needs_junit
@pytest.mark.parametrize("module", MODULES)
def test_the_modules_own_tests_pass(module, classes, tmp_path):
    """Every JUnit class of the module is run, and none fails."""
    files = java.sources(module, "test")
    tests = java.compile_java(files, tmp_path / "tests", *classes, *java.JARS)
    package = next(tests.rglob("*Test.class")).parent.relative_to(tests)
    names = [".".join([*package.parts, f.stem]) for f in files if f.stem[-4:] == "Test"]
    done = java.run_java(
        "org.junit.runner.JUnitCore",
        *names,
        classes=[tests, *classes, *java.JARS, java.RESOURCES],
    )
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"OK \((\d+) tests\)", done.stdout)[1]) >= 2 * len(names)


def test_core_knows_nothing_of_android():
    """What runs here is what runs on the phone: no import outside the JDK and us."""
    for module in MODULES:
        for file in java.sources(module, "main"):
            imports = re.findall(
                r"^import (?:static )?([\w.]+);", file.read_text(), re.M
            )
            foreign = [
                i for i in imports if not i.startswith(("java.", "org.tfcompress."))
            ]
            assert not foreign, file.name


def test_the_fixture_is_the_examples_model():
    """The example ships the very file that the tests read."""
    example = java.APP / "example" / "src" / "main" / "assets" / "model.tflite"
    assert example.read_bytes() == (java.RESOURCES / "model.tflite").read_bytes()


def test_java_reads_what_python_reads():
    """The note expected by the Java tests is what `tflite.inspect` finds today."""
    from tfcompress import tflite

    expected = json.loads((java.RESOURCES / "expected.json").read_text("utf-8"))
    found = tflite.inspect(java.RESOURCES / "model.tflite")
    assert expected["note"] == found.metadata
    assert found.inputs[0].name == "picture"
    assert found.inputs[0].dtype == "int8"


def test_java_and_python_settle_alike(classes, tmp_path):
    """The app stops by the rule of the host's backend."""
    series = [
        [5, 5, 4, 4],
        [4] * 4,
        [99, 4, 4.05, 4, 4],
        [4],
        [1, 2, 3],
        [2, 2, 2, 2.041],
    ]
    program = tmp_path / "Settled.java"
    program.write_text(
        "public final class Settled { public static void main(String[] series) {"
        "for (String one : series) {"
        'double[] samples = java.util.Arrays.stream(one.split(","))'
        ".mapToDouble(Double::parseDouble).toArray();"
        "System.out.println(org.tfcompress.benchmark.core.Settling.isSettled(samples));"
        "}}}"
    )
    texts = [",".join(map(str, samples)) for samples in series]
    done = subprocess.run(
        ["java", "-cp", java.class_path(*classes), str(program), *texts],
        capture_output=True,
        text=True,
        timeout=800,
    )
    expected = [str(is_settled(samples)).lower() for samples in series]
    assert done.stdout.split() == expected, done.stderr
