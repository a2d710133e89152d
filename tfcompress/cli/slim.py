"""``tfcompress slim``: Network Slimming, the whole method."""

from __future__ import annotations

from typing import Any

import click

from tfcompress.cli import method_options, options, state


@click.command(cls=state.WorkCommand)
@options.model_argument
@options.output_option
@options.data_options(required=True)
@method_options.budget_options
@method_options.slim_options
@method_options.training_options
@options.loading_options
@options.seed_option
@options.common_options
def slim(**given: Any) -> int:
    """Slim MODEL: push BatchNorm scales to zero, cut, fine-tune.

    Network Slimming: channels whose scale has become small are removed until the
    budget is met, what they contributed as a constant is folded into the next layer,
    and the smaller network is fine-tuned.  Decisions use a held-out part of the
    training data.

    \b
    Example:
        tfcompress slim model.keras --data fashion-mnist --macs 0.5 -o slim.keras
        tfcompress slim model.keras --data photos/ --macs 0.4 --passes 2 -o slim.keras
    """
    from tfcompress.cli import running

    state.resumable()
    return running.single("slim", given)
