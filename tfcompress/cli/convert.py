"""``tfcompress convert``: a Keras model to a .tflite file."""

from __future__ import annotations

from typing import Any

import click

from tfcompress.cli import options, state
from tfcompress.tflite.recipes import RECIPES


@click.command(cls=state.WorkCommand)
@options.model_argument
@options.output_option
@click.option(
    "--recipe",
    type=click.Choice(RECIPES),
    help="How weights and activations are stored.  [default: float32, or what "
    "`quantize` trained for]",
)
@options.data_options(required=False)
@options.calibration_option
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
    "--equalize",
    is_flag=True,
    default=None,
    help="Equalise the ranges of neighbouring layers' channels first.",
)
@click.option(
    "--correct-bias",
    is_flag=True,
    default=None,
    help="Take the mean error of rounded weights out of the biases.",
)
@click.option(
    "--precision",
    type=options.PATH,
    help="A precision for some layers: JSON such as that of `sensitivity`.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0),
    help="Keep the worst layers in float until the file loses no more than this, on "
    "held-out data.",
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

    int8 and int16x8 need --data for calibration, but not for a model that `quantize`
    trained: that one has its recipe and its scales.  Preprocessing and class names
    go into the file's metadata.  Exit code 3 if --max-drop cannot be met.

    \b
    Example:
        tfcompress convert slim.keras --recipe int8 --data fashion-mnist -o slim.tflite
        tfcompress convert slim.keras --recipe int8 --data fashion-mnist \\
            --equalize --correct-bias --precision map.json -o slim.tflite
    """
    from tfcompress.cli import running

    return running.single("convert", given)
