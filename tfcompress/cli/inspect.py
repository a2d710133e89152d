"""``tfcompress inspect``: what is in a model file and what could be removed."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from tfcompress.cli import options, state


@click.command(cls=state.WorkCommand)
@options.model_argument
@options.loading_options
@options.json_option
@options.debug_option
def inspect(model: pathlib.Path, as_json: bool, **loading: Any) -> None:
    """Show what MODEL costs and which channels could be removed.

    MODEL is a .keras file (channel groups, what is fixed and why, MACs and
    parameters) or a .tflite file (operators, tensor types, scales, sizes, and what
    the GPU delegates take of it; needs no TensorFlow).

    \b
    Example:
        tfcompress inspect model.keras
        tfcompress inspect model.tflite --json
    """
    from tfcompress.cli import tables

    if model.suffix == ".tflite":
        from tfcompress import tflite

        record = tflite.inspect(model).to_dict()
        record["gpu"] = tflite.gpu_compatibility(model).to_dict()
        show = tables.tflite_file
    else:
        state.load_tensorflow()
        from tfcompress import pipeline

        settings, _ = options.split({"model": model, **loading})
        record = pipeline.describe_model(pipeline.ModelSource.from_dict(settings))
        show = tables.keras_model
    if as_json:
        state.emit_json(record)
    else:
        show(record)
