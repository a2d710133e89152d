"""What the parts of one command line know of each other, and how results are printed.

Results go to stdout; logs, progress and everything that libraries print go to stderr,
so that `--json` gives exactly one object.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from typing import IO, Any

import click

from tfcompress import backend

HELP = {"help_option_names": ["-h", "--help"]}


@dataclasses.dataclass
class State:
    """The state of one run of the command line."""

    debug: bool = False  # show the traceback of an error
    resume: str = ""  # what to do after an interruption, if the command keeps its work
    stdout: IO[str] | None = None  # the real one, while stdout is redirected


class WorkCommand(click.Command):
    """A command whose libraries may print: what they print goes to stderr."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings.setdefault("context_settings", HELP)
        super().__init__(*arguments, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command with Python's stdout redirected to stderr."""
        current = ctx.ensure_object(State)
        current.stdout = sys.stdout
        backend.require_tensorflow()
        with contextlib.redirect_stdout(sys.stderr), _warnings_only():
            return super().invoke(ctx)


def load_tensorflow() -> None:
    """Import TensorFlow without the lines that it prints before it can be told not to.

    Its C++ part writes to the file descriptor until its log is set up, whatever
    TF_CPP_MIN_LOG_LEVEL says, and again when it looks for a GPU.
    """
    with _muted_descriptor(2):
        import tensorflow as tf

        tf.config.list_logical_devices()


def emit(text: str) -> None:
    """Print a result on the real stdout."""
    click.echo(text, file=click.get_current_context().ensure_object(State).stdout)


def emit_json(record: Mapping[str, Any]) -> None:
    """Print one JSON object on the real stdout."""
    emit(json.dumps(record, indent=2))


def resumable(how: str = "") -> None:
    """Note that this command may be run again after an interruption.

    Args:
        how: What to do otherwise then, such as " without --force".
    """
    current = click.get_current_context().ensure_object(State)
    current.resume = f" Run the same command again{how} to resume."


@contextlib.contextmanager
def _warnings_only() -> Iterator[None]:
    """Show warnings of the toolkit as plain lines, and nothing below them."""
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    own = [logging.getLogger(name) for name in ("tfcompress", "android_bench")]
    for logger in own:
        logger.addHandler(handler)
        logger.propagate = False  # TensorFlow's import puts a handler at the root
    try:
        yield
    finally:
        for logger in own:
            logger.removeHandler(handler)
            logger.propagate = True


@contextlib.contextmanager
def _muted_descriptor(descriptor: int) -> Iterator[None]:
    """Send what is written to a file descriptor nowhere."""
    try:
        kept = os.dup(descriptor)
    except OSError:  # it is closed
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
