"""The README's quick starts and figures are what the code and the results say."""

from __future__ import annotations

import pathlib
import re
import shlex
import subprocess
import sys

import keras
import pytest

from benchmarks import readme
from tfcompress import data, training
from tfcompress.pipeline import demo

README = pathlib.Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with `model.keras`, trained a little."""
    folder = tmp_path_factory.mktemp("readme")
    keras.utils.set_random_seed(0)
    dataset = data.load("fashion-mnist-small")
    model = demo.build_network(dataset)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    training.train(
        model, dataset, config=training.TrainConfig(epochs=3, learning_rate=2e-3)
    )
    model.save(folder / "model.keras")
    return folder


def test_figures_are_those_of_the_committed_results():
    """`python -m benchmarks.readme` would change nothing."""
    text = README.read_text("utf-8")
    assert readme.filled(text) == text


def test_python_quick_start_is_short():
    quick = blocks("python")[0].strip().splitlines()
    assert len([line for line in quick if line.strip()]) <= 24


@pytest.mark.slow
def test_python_quick_start_runs(folder):
    """Both blocks run as they stand, one after the other."""
    (folder / "quick.py").write_text("\n".join(blocks("python")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "quick.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "passed: True" in done.stdout
    float_bytes = 4 * keras.models.load_model(folder / "model.keras").count_params()
    assert (folder / "small.tflite").stat().st_size < float_bytes / 4


@pytest.mark.slow
def test_command_line_quick_start_runs(folder):
    """Every command of the block ends with 0."""
    (folder / "small.tflite").unlink(missing_ok=True)
    commands = [block for block in blocks("console") if block.startswith("tfcompress")]
    for line in "".join(commands).splitlines():
        words = shlex.split(line)
        assert words[0] == "tfcompress"
        done = subprocess.run(
            [sys.executable, "-m", "tfcompress.cli", *words[1:]],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr[-2000:]}"
