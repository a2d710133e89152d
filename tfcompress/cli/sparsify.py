"""``tfcompress sparsify``: zeros among single weights, while training."""

from __future__ import annotations

from typing import Any

import click

from tfcompress.cli import method_options, options, state


@click.command(cls=state.WorkCommand)
@options.model_argument
@options.output_option
@options.data_options(required=True)
@method_options.sparsify_options
@method_options.teacher_options()
@method_options.training_options
@options.loading_options
@options.seed_option
@options.common_options
def sparsify(**given: Any) -> int:
    """Set most single weights of MODEL to zero while it is trained.

    Magnitude pruning: the smallest weights become zero, a few at first and then more,
    and the others make up for them.  The model keeps its shape: its file compresses
    better, it does not run faster by itself.  After an interruption the same command
    goes on.

    \b
    Example:
        tfcompress sparsify model.keras --data fashion-mnist --sparsity 0.8 \\
            --epochs 10 -o sparse.keras
        tfcompress sparsify model.keras --data photos/ --pattern 2:4 \\
            --teacher model.keras -o sparse.keras
    """
    from tfcompress.cli import running

    state.resumable()
    return running.single("sparsify", given)
