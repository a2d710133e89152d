"""``tfcompress run``: the stages of a workflow file, resumable."""

from __future__ import annotations

import pathlib

import click

from tfcompress.cli import options, state


@click.command(cls=state.WorkCommand)
@click.argument("workflow", type=options.PATH)
@options.directory_option
@options.common_options
def run(
    workflow: pathlib.Path, output: pathlib.Path, as_json: bool, force: bool
) -> int:
    """Run the stages of WORKFLOW (TOML) into a run directory.

    The same command again resumes an interrupted run, and after a change of the
    workflow re-runs only the stages that depend on it.  --force starts over.

    \b
    Example:
        tfcompress run workflow.toml -o runs/first
    """
    state.load_tensorflow()
    from tfcompress import pipeline
    from tfcompress.cli import running

    return running.run(
        pipeline.read_workflow(workflow),
        output,
        force=force,
        as_json=as_json,
        command=f"tfcompress run {workflow} -o {output}",
    )
