"""``tfcompress report``: what a run did, as JSON, Markdown and one HTML page."""

from __future__ import annotations

import pathlib

import click

from tfcompress.cli import options, state


@click.command(cls=state.WorkCommand)
@click.argument("run", type=options.PATH)
@click.option(
    "-o",
    "--output",
    type=options.PATH,
    help="Folder for report.json, .md and .html.  [default: the run's]",
)
@options.common_options
def report(
    run: pathlib.Path, output: pathlib.Path | None, as_json: bool, force: bool
) -> None:
    """Write the report of RUN, a run directory.

    It is made of the records in the directory and of nothing else: report.json,
    report.md, and report.html, one page that opens without a network.

    \b
    Example:
        tfcompress report runs/demo
        tfcompress report runs/demo -o /tmp/page --json
    """
    from tfcompress.cli import reporting

    reporting.write(run, output, as_json=as_json, force=force)
