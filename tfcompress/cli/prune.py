"""``tfcompress prune``: one cut, by a criterion or a saved plan."""

from __future__ import annotations

from typing import Any

import click

from tfcompress.cli import method_options, options, state

CRITERIA = (
    "bn_scale",
    "l1_norm",
    "l2_norm",
    "geometric_median",
    "consumer_l1",
    "taylor",
    "random",
)


@click.command(cls=state.WorkCommand)
@options.model_argument
@options.output_option
@options.data_options(required=False)
@click.option(
    "--criterion",
    type=click.Choice([*CRITERIA, "l1", "l2"]),
    help="How channels are ranked; taylor needs --data.  [default: l1_norm]",
)
@click.option(
    "--plan", type=options.PATH, help="Cut by this saved plan instead of a criterion."
)
@click.option(
    "--reconstruct",
    is_flag=True,
    default=None,
    help="Refit by least squares what reads the removed channels; needs --data.",
)
@click.option(
    "--reextract",
    is_flag=True,
    default=None,
    help="With --reconstruct: layer by layer, each on what the cut network gives it.",
)
@method_options.budget_options
@options.loading_options
@options.seed_option
@options.common_options
def prune(**given: Any) -> int:
    """Remove channels of MODEL at once, without training.

    The result usually needs `distill` or a fine-tuning stage; --reconstruct leaves
    less to repair.  Works for models without BatchNorm too.

    \b
    Example:
        tfcompress prune model.keras --criterion l1_norm --macs 0.7 -o pruned.keras
        tfcompress prune model.keras --plan plan.json -o pruned.keras \\
            --data fashion-mnist --reconstruct
    """
    from tfcompress.cli import running

    return running.single("prune", given)
