"""Tests of `--help`: quick, complete, and without TensorFlow."""

from __future__ import annotations

import re
import resource
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from tfcompress.cli.main import COMMANDS, cli

HEAVY = "{'keras', 'tensorflow', 'numpy', 'rich', 'matplotlib', 'ai_edge_litert'}"
FULL_HELP = f"""
import sys
from click.testing import CliRunner
from tfcompress.cli.main import COMMANDS, cli
for command in ['', *COMMANDS]:
    result = CliRunner().invoke(cli, [*command.split(), '--help'])
    assert result.exit_code == 0, command
loaded = {HEAVY} & sys.modules.keys()
sys.exit(f'help imports {{loaded}}' if loaded else 0)
"""


def test_help_imports_nothing_heavy():
    """Loading TensorFlow takes seconds; no `--help` may wait for it."""
    subprocess.run([sys.executable, "-c", FULL_HELP], check=True)


def test_help_answers_at_once():
    """Processor time of the quickest of five, so that a busy machine does not fail."""
    command = [sys.executable, "-m", "tfcompress.cli", "--help"]

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) <= 0.4


def test_commands_are_listed_in_the_order_of_the_path():
    output = CliRunner().invoke(cli, ["--help"]).output
    listed = re.findall(r"^  (\w+)  +\S", output.split("Commands:")[1], re.MULTILINE)

    assert listed == list(COMMANDS)
    assert "..." not in output.split("Commands:")[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name):
    """Help without an example is half a help."""
    result = CliRunner().invoke(cli, [name, "--help"])

    assert result.exit_code == 0
    assert "Example:" in result.output
    assert f"tfcompress {name}" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_of_the_example_exist(name):
    command = cli.get_command(click.Context(cli), name)
    known = {option for param in command.params for option in param.opts}
    example = command.help.split("Example:")[1]

    assert set(re.findall(r"(?<!\w)--?[a-z][a-z-]*", example)) <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name):
    command = cli.get_command(click.Context(cli), name)

    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, param.name


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_as_reviewed(name, golden):
    """A change of any help text is seen in review: `make golden` rewrites it."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli, [*name.split(), "--help"])

    golden(f"cli/{name or 'tfcompress'}.txt", result.output)
