"""Entry point of the command line: the group, and what errors turn into.

Exit codes: 0 done, 1 failed (one line; `--debug` shows the traceback), 2 wrong usage,
3 a check failed (parity, budget), 4 no device, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

import tfcompress
from tfcompress import errors
from tfcompress.cli import state

DONE, FAILED, USAGE, CHECK_FAILED, NO_DEVICE, INTERRUPTED = 0, 1, 2, 3, 4, 130

# In the order of a model's path, which is the order of `--help`.
COMMANDS = (
    "demo",
    "import",
    "inspect",
    "slim",
    "amc",
    "prune",
    "sparsify",
    "distill",
    "sensitivity",
    "quantize",
    "convert",
    "verify",
    "devices",
    "benchmark",
    "latency",
    "report",
    "run",
)


_FILES = {"import": "import_model"}  # where a command's name is a word of Python


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's
        """Return the commands in the order of a model's path."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's
        """Import the file of one command."""
        if cmd_name not in COMMANDS:
            return None
        name = _FILES.get(cmd_name, cmd_name)
        module = importlib.import_module(f"tfcompress.cli.{name}")
        command: click.Command = getattr(module, name)
        return command


@click.group(cls=LazyGroup, context_settings=state.HELP)
@click.version_option(tfcompress.__version__, prog_name="tfcompress")
def cli() -> None:
    """Make trained Keras 3 models small and fast enough for phones.

    \b
    Example:
        tfcompress demo -o runs/demo
        tfcompress slim model.keras --data images/ --macs 0.5 -o slim.keras
        tfcompress convert slim.keras --recipe int8 --data images/ -o slim.tflite
        tfcompress verify slim.keras slim.tflite --data images/ --max-drop 0.01
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Example:
        >>> run(["--version"])
        tfcompress, version ...
        0
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow loads
    current = state.State()
    try:
        code = cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="tfcompress",
            standalone_mode=False,
            obj=current,
        )
    except BaseException as error:
        if current.debug:
            traceback.print_exc()
        return _report(error, current)
    return int(code or DONE)


def _report(error: BaseException, current: state.State) -> int:
    """Say in one line what went wrong and return the exit code."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return _fail(f"Interrupted.{current.resume}", INTERRUPTED)
    if isinstance(error, errors.TfCompressError):
        return _fail(f"Error: {_one_line(error)}", _code(error))
    if isinstance(error, SystemExit):
        raise error
    if type(error).__module__.startswith("android_bench"):
        code = NO_DEVICE if type(error).__name__ == "NoDeviceError" else FAILED
        return _fail(f"Error: {_one_line(error)}", code)
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains at its end
        return FAILED
    return _fail(
        f"Unexpected error: {type(error).__name__}: {_one_line(error)}. Run again with "
        "`--debug` to see where, and please report it.",
        FAILED,
    )


def _code(error: errors.TfCompressError) -> int:
    checks = (errors.BudgetError, errors.ParityError)
    return CHECK_FAILED if isinstance(error, checks) else FAILED


def _fail(message: str, code: int) -> int:
    click.echo(message, err=True)
    return code


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
