"""``tfcompress quantize``: train a model with the rounding of an integer recipe."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from tfcompress.cli import method_options, options, state


@click.command(cls=state.WorkCommand)
@options.model_argument
@options.output_option
@options.data_options(required=True)
@click.option(
    "--recipe",
    type=click.Choice(["int8", "int8_w4", "int16x8"]),
    help="How weights and activations are stored in the end.  [default: int8]",
)
@click.option(
    "--skip",
    multiple=True,
    metavar="LAYER",
    help="Leave this layer in floating point. May be repeated.",
)
@click.option(
    "--teacher", type=options.PATH, help="A model to learn from, such as MODEL itself."
)
@method_options.training_options
@options.loading_options
@options.seed_option
@options.common_options
def quantize(teacher: pathlib.Path | None, **given: Any) -> int:
    """Train MODEL to be rounded: quantization-aware training.

    A short training with the file's rounding in the model.  `convert` writes the
    result as a file of integers with the scales that were trained; it needs no
    calibration data then.

    \b
    Example:
        tfcompress quantize slim.keras --data fashion-mnist --epochs 3 -o q.keras
        tfcompress convert q.keras -o q.tflite
    """
    from tfcompress.cli import running

    state.resumable()
    given["teacher"] = str(teacher) if teacher else None
    return running.single("quantize", given)
