"""``tfcompress distill``: train a small model to answer like a large one."""

from __future__ import annotations

from typing import Any

import click

from tfcompress.cli import method_options, options, state


@click.command(cls=state.WorkCommand)
@options.model_argument
@options.output_option
@options.data_options(required=True)
@method_options.teacher_options(required=True)
@method_options.training_options
@options.loading_options
@options.seed_option
@options.common_options
def distill(**given: Any) -> int:
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
    return running.single("distill", given)
