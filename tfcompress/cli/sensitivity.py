"""``tfcompress sensitivity``: which layers lose most by quantization."""

from __future__ import annotations

from typing import Any

import click

from tfcompress.cli import options, state


@click.command(cls=state.WorkCommand)
@options.model_argument
@click.option(
    "-o",
    "--output",
    type=options.PATH,
    help="Write the ranking, or the precision map, here (JSON).",
)
@options.data_options(required=True)
@options.integer_recipe_option("What each layer is quantized to.")
@click.option(
    "--max-drop",
    type=click.FloatRange(0),
    help="Raise the worst layers until the converted file loses no more than this.",
)
@click.option(
    "--size",
    "size_bytes",
    type=float,
    metavar="BYTES",
    help="Most bytes of the weights, or a fraction of their float32 size.",
)
@click.option(
    "--higher",
    type=click.Choice(["float32", "int8"]),
    help="Precision of the raised layers.  [default: float32; int8 for int8_w4]",
)
@click.option(
    "--rank-by",
    type=click.Choice(["snr_db", "kl", "drop"]),
    help="What makes a layer the worst: noise in the outputs, divergence of the "
    "classes, loss of the metric.  [default: snr_db]",
)
@click.option(
    "--examples",
    type=click.IntRange(1),
    help="Held-out examples that the ranking looks at.  [default: 1000]",
)
@options.calibration_option
@options.loading_options
@options.common_options
def sensitivity(**given: Any) -> int:
    """Rank the layers of MODEL by what quantizing each alone loses.

    With --max-drop or --size, also choose a precision for each layer: the worst ones
    go up until the converted file, run on a held-out part of the training data, meets
    the limits.  `convert --precision` takes the map.  Exit code 3 if they cannot be
    met; the message says what is reachable.

    \b
    Example:
        tfcompress sensitivity model.keras --data fashion-mnist
        tfcompress sensitivity model.keras --data photos/ --max-drop 0.01 -o map.json
    """
    from tfcompress.cli import running

    return running.single("sensitivity", given)
