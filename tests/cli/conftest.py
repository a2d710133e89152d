"""Models on disk and a way to call the command line as a user does."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import keras
import pytest

from android_bench import choosing
from android_bench.errors import RunnerError
from android_bench.native import build_runner
from tests.models import conv_bn_net, randomise
from tfcompress.cli import main

DATA = "tests.cli.data_sets:fitting"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        return json.loads(self.out)


@pytest.fixture
def tfcompress(capsys):
    """Return a function that runs the command line and returns an `Answer`."""

    def call(*arguments) -> Answer:
        capsys.readouterr()
        code = main.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture
def refused(tfcompress):
    """Return a function that runs a command that has to fail with one line."""

    def call(*arguments, code=1) -> str:
        answer = tfcompress(*arguments)
        assert answer.code == code, answer
        assert answer.out == ""
        lines = answer.err.splitlines()
        assert len(lines) == 1, answer.err
        assert lines[0].startswith("Error: ")
        return lines[0]

    return call


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    """Return the path of a small conv-BN network."""
    path = tmp_path_factory.mktemp("models") / "net.keras"
    randomise(conv_bn_net(widths=(16, 16, 24))).save(path)
    return path


@pytest.fixture(scope="session")
def without_norms(tmp_path_factory):
    """Return the path of a network without BatchNormalization."""
    path = tmp_path_factory.mktemp("models") / "plain.keras"
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((12, 12, 3), name="image")
    for index in range(2):
        x = keras.layers.Conv2D(16, 3, activation="relu", name=f"conv{index}")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(5, activation="softmax", name="predictions")(x)
    keras.Model(inputs, outputs, name="plain").save(path)
    return path


@pytest.fixture(scope="session")
def parts():
    """Return the options that name our runner and LiteRT's library for this ABI."""
    try:
        runner = build_runner()
    except RunnerError as error:
        pytest.skip(str(error))
    library = choosing._package_folder() / "libLiteRt.so"
    return ("--runner-file", runner, "--library", library)


@pytest.fixture(scope="session")
def tflite_file(model_file, tmp_path_factory):
    """Return the path of the network as a float32 .tflite file."""
    from tfcompress import tflite

    path = tmp_path_factory.mktemp("files") / "net.tflite"
    tflite.convert(keras.saving.load_model(model_file), path=path)
    return path
