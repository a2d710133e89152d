"""``tfcompress quantize``: train a model with the rounding of an integer recipe."""

from __future__ import annotations

from typing import Any

import click

from tfcompress.cli import method_options, options, state


@click.command(cls=state.WorkCommand)
@options.model_argument
@options.output_option
@options.data_options(required=True)
@options.integer_recipe_option("How weights and activations are stored in the end.")
@click.option(
    "--skip",
    multiple=True,
    metavar="LAYER",
    help="Leave this layer in floating point. May be repeated.",
)
@method_options.teacher_options()
@method_options.training_options
@options.loading_options
@options.seed_option
@options.common_options
def quantize(**given: Any) -> int:
    """Train MODEL to be rounded: quantization-aware training.

    A short training with the file's rounding in the model.  `convert` writes the
    result as a file of integers with the scales that were trained; it needs no
    calibration data then.  A teacher, such as MODEL itself, makes up for more.

    \b
    Example:
        tfcompress quantize slim.keras --data fashion-mnist --epochs 3 -o q.keras
        tfcompress convert q.keras -o q.tflite
    """
    from tfcompress.cli import running

    state.resumable()
    return running.single("quantize", given)
