"""``tfcompress distill``: train a small model to answer like a large one."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from tfcompress.cli import method_options, options, state


@click.command(cls=state.WorkCommand)
@options.model_argument
@options.output_option
@click.option(
    "--teacher", required=True, type=options.PATH, help="The model to learn from."
)
@options.data_options(required=True)
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    help="Softens the teacher's answers.  [default: 4.0]",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1),
    help="Weight of the teacher's answers against the labels'.",
)
@method_options.training_options
@options.loading_options
@options.seed_option
@options.common_options
def distill(teacher: pathlib.Path, **given: Any) -> int:
    """Train MODEL, the student, on the answers of a teacher, too.

    The usual way to recover the accuracy of a pruned model: the original is the
    teacher.

    \b
    Example:
        tfcompress distill slim.keras --teacher model.keras --data fashion-mnist \\
            --epochs 5 -o distilled.keras
    """
    from tfcompress.cli import running

    state.resumable()
    given["teacher"] = str(teacher)
    return running.single("distill", given)
