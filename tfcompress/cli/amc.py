"""``tfcompress amc``: an agent searches for the plan, layer by layer."""

from __future__ import annotations

from typing import Any

import click

from tfcompress.cli import method_options, options, state


@click.command(cls=state.WorkCommand)
@options.model_argument
@click.option(
    "-o", "--output", required=True, type=options.PATH, help="Plan to write (JSON)."
)
@click.option(
    "--save-model",
    type=options.PATH,
    help="Write the cut model here too, with the weights that the plan was judged by.",
)
@options.data_options(required=True)
@method_options.search_options
@options.loading_options
@options.seed_option
@options.common_options
def amc(**given: Any) -> int:
    """Search how much of each layer of MODEL to keep: AMC.

    AutoML for Model Compression: an agent learns to decide layer by layer within the
    budget.  What reads the removed channels is refitted by least squares; the accuracy
    on a held-out part of the training data, before any training, is the reward.
    `prune` applies the plan later; fine-tune or `distill` the result.  After an
    interruption the same command goes on.

    \b
    Example:
        tfcompress amc model.keras --data fashion-mnist --macs 0.5 -o plan.json
        tfcompress amc model.keras --data photos/ --reward params -o plan.json \\
            --save-model small.keras
        tfcompress amc model.keras --data photos/ -o plan.json --milliseconds 4 \\
            --latency-table runs/latency/table.json
    """
    from tfcompress.cli import running

    state.resumable()
    return running.single("amc", given)
