"""Tests of exit codes and of what errors turn into."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from android_bench import errors as bench_errors
from tfcompress import errors
from tfcompress.cli import main, state


@pytest.fixture
def failing(monkeypatch):
    """Return a function that makes `inspect` raise an error."""

    def install(error: BaseException) -> None:
        @click.command(cls=state.WorkCommand)
        @click.option("--debug", is_flag=True)
        def inspect(debug):
            click.get_current_context().ensure_object(state.State).debug = debug
            raise error

        monkeypatch.setattr("tfcompress.cli.inspect.inspect", inspect)

    return install


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ModelError("A thing. Received: x. Do y."), 1),
        (errors.OutputError("A thing. Received: x. Do y."), 1),
        (errors.BudgetError("A thing. Received: x. Do y."), 3),
        (errors.ParityError("A thing. Received: x. Do y."), 3),
        (bench_errors.RunnerError("A thing. Received: x. Do y."), 1),
        (bench_errors.DeviceError("A thing. Received: x. Do y."), 1),
        (bench_errors.NoDeviceError("A thing. Received: x. Do y."), 4),
    ],
)
def test_an_error_is_one_line(failing, capsys, error, code):
    failing(error)

    assert main.run(["inspect"]) == code

    captured = capsys.readouterr()
    assert captured.err == "Error: A thing. Received: x. Do y.\n"
    assert captured.out == ""


def test_debug_shows_the_traceback(failing, capsys):
    failing(errors.ModelError("A thing.\nReceived: x."))

    assert main.run(["inspect", "--debug"]) == 1

    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("Error: A thing. Received: x.\n")


def test_an_unexpected_error_is_one_line_too(failing, capsys):
    failing(ZeroDivisionError("division\nby zero"))

    assert main.run(["inspect"]) == 1

    err = capsys.readouterr().err
    assert err.startswith("Unexpected error: ZeroDivisionError: division by zero.")
    assert "--debug" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [["inspect"], ["nothing"], ["inspect", "m.keras", "--wrong"]]
)
def test_wrong_usage_is_2(capsys, arguments):
    assert main.run(arguments) == 2
    assert "Usage:" in capsys.readouterr().err


def test_an_interruption_says_how_to_resume(failing, capsys):
    failing(KeyboardInterrupt())

    assert main.run(["inspect"]) == 130
    assert capsys.readouterr().err.strip() == "Interrupted."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Run the same command again to resume."),
        (["--force"], "Run the same command again without --force to resume."),
    ],
)
def test_an_interrupted_run_says_how_to_resume(monkeypatch, capsys, arguments, said):
    """With --force the same command would start over."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tfcompress.pipeline.read_workflow", lambda _: None)
    monkeypatch.setattr("tfcompress.pipeline.run_workflow", interrupted)

    assert main.run(["run", "w.toml", "-o", "runs/x", *arguments]) == 130
    assert said in capsys.readouterr().err


def test_what_libraries_print_goes_to_stderr(monkeypatch, capsys):
    """`--json` gives one object on stdout, whatever a library prints."""

    @click.command(cls=state.WorkCommand)
    def inspect():
        print("Saved artifact at ...")  # noqa: T201 -- as the converter does
        state.emit_json({"macs": 3})

    monkeypatch.setattr("tfcompress.cli.inspect.inspect", inspect)

    assert main.run(["inspect"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"macs": 3}
    assert "Saved artifact" in captured.err


def test_another_backend_is_refused_before_keras_loads(monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "jax")

    assert main.run(["inspect", "m.keras"]) == 1
    assert "KERAS_BACKEND=jax" in capsys.readouterr().err


def test_a_backend_in_keras_json_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')

    assert main.run(["inspect", "m.keras"]) == 1
    assert "KERAS_BACKEND=torch" in capsys.readouterr().err


def test_a_broken_pipe_is_quiet():
    """`tfcompress --help | head -1` must not print a traceback."""
    command = f"{sys.executable} -m tfcompress.cli --help | head -1"
    result = subprocess.run(
        command, shell=True, check=True, capture_output=True, text=True
    )

    assert result.stderr == ""
    assert result.stdout.startswith("Usage: tfcompress")
