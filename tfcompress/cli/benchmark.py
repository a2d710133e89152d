"""``tfcompress benchmark``: how fast is a .tflite file on this computer?"""

from __future__ import annotations

import pathlib

import click

from tfcompress.cli import options, state


@click.command(cls=state.WorkCommand)
@click.argument("files", type=options.PATH, nargs=-1, required=True)
@click.option(
    "-o", "--output", type=options.PATH, help="Write the records here (JSON)."
)
@click.option(
    "--num-threads",
    type=click.IntRange(1),
    multiple=True,
    default=(1,),
    show_default=True,
    help="Threads of the runtime. May be repeated.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Stop a measurement that has not settled after so long.",
)
@options.common_options
def benchmark(
    files: tuple[pathlib.Path, ...],
    output: pathlib.Path | None,
    num_threads: tuple[int, ...],
    max_seconds: float,
    as_json: bool,
    force: bool,
) -> None:
    """Measure how fast FILES (.tflite) run on this computer.

    Warms up, runs until the median is stable, and reports median, p90, p95, start-up
    time and memory.  Figures of a computer say little about a phone; the record is
    marked `host`.

    \b
    Example:
        tfcompress benchmark float.tflite int8.tflite --num-threads 2
    """
    from tfcompress import files as writing
    from tfcompress.cli import measuring, tables

    if output is not None:
        writing.refuse_existing(output, force=force)
    runs = measuring.measure(files, threads=num_threads, max_seconds=max_seconds)
    record = {"benchmark": runs}
    if output is not None:
        writing.write_json(output, record)
    if as_json:
        state.emit_json(record)
    else:
        tables.benchmarks(runs)
