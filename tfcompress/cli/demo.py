"""``tfcompress demo``: the whole path on real data, from training to the report."""

from __future__ import annotations

import pathlib

import click

from tfcompress.cli import options, state


@click.command(cls=state.WorkCommand)
@options.directory_option
@options.seed_option
@options.common_options
def demo(output: pathlib.Path, seed: int, as_json: bool, force: bool) -> int:
    """Train a network on real data and compress it, to the report.

    Trains the original, slims it to half its multiply-accumulates, recovers its
    accuracy by distillation from the original, converts it to int8, checks the file
    against the model, measures both on this computer and writes a report.  Takes a
    few minutes on two cores and needs no download.

    \b
    Example:
        tfcompress demo -o runs/demo
    """
    state.load_tensorflow()
    from tfcompress import pipeline
    from tfcompress.cli import running

    workflow = pipeline.demo_workflow(seed=seed)
    command = f"tfcompress demo -o {output} --seed {seed}"
    return running.run(workflow, output, force=force, as_json=as_json, command=command)
