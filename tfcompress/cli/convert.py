"""``tfcompress convert``: a Keras model to a .tflite file."""

from __future__ import annotations

from typing import Any

import click

from tfcompress.cli import options, state

RECIPES = ("float32", "float16", "dynamic_int8", "int8", "int16x8")


@click.command(cls=state.WorkCommand)
@options.model_argument
@options.output_option
@click.option(
    "--recipe",
    type=click.Choice(RECIPES),
    help="How weights and activations are stored.  [default: float32]",
)
@options.data_options(required=False)
@click.option(
    "--calibration-examples",
    type=click.IntRange(1),
    help="Training examples that set the int8 ranges.  [default: 500]",
)
@click.option(
    "--inputs",
    type=click.Choice(["float", "int8"]),
    help="Type at the file's inputs and outputs.  [default: float]",
)
@click.option(
    "--allow-float-ops",
    is_flag=True,
    default=None,
    help="Accept operators that int8 cannot express; they are listed.",
)
@click.option(
    "--sparse",
    is_flag=True,
    default=None,
    help="Store the zeros of a pruned model as zeros: smaller, not faster.",
)
@options.loading_options
@options.seed_option
@options.common_options
def convert(**given: Any) -> int:
    """Write MODEL as a .tflite file, quantized by a recipe.

    int8 and int16x8 need --data for calibration.  Preprocessing and class names go
    into the file's metadata.

    \b
    Example:
        tfcompress convert slim.keras --recipe int8 --data fashion-mnist -o slim.tflite
    """
    from tfcompress.cli import running

    return running.single("convert", given)
