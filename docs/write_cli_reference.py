"""Write docs/cli.md from the commands' own help.

Run as ``python -m docs.write_cli_reference``, which `make docs` does.  A test compares
the file with the help, so the two cannot drift apart.
"""

from __future__ import annotations

import pathlib

from click.testing import CliRunner

from tfcompress.cli.main import COMMANDS, cli

PATH = pathlib.Path(__file__).parent / "cli.md"
HEADER = """\
# Command line

Written by `make docs` from the commands' own `--help`; do not edit.

Results go to stdout, logs and progress to stderr. Exit codes: 0 done, 1 failed (one
line; `--debug` shows the traceback), 2 wrong usage, 3 a check failed (parity, budget),
4 no device, 130 interrupted.
"""


def render() -> str:
    """Return the whole page."""
    sections = [_section("tfcompress", [])]
    sections += [_section(f"tfcompress {name}", [name]) for name in COMMANDS]
    return HEADER + "".join(sections)


def _section(title: str, arguments: list[str]) -> str:
    runner = CliRunner(env={"COLUMNS": "80"})
    result = runner.invoke(cli, [*arguments, "--help"], prog_name="tfcompress")
    return f"\n## {title}\n\n```text\n{result.output.rstrip()}\n```\n"


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
