"""``tfcompress import``: a Keras 2 or TFMOT file to a Keras 3 file."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from tfcompress.cli import options, state


@click.command("import", cls=state.WorkCommand)
@options.model_argument
@options.output_option
@click.option(
    "--architecture",
    type=options.PATH,
    help="A .keras file with the network, if MODEL holds weights only.",
)
@click.option(
    "--import",
    "imports",
    multiple=True,
    metavar="MODULE",
    help="Import a module first: the Keras 3 layers that it registers stand for the "
    "Keras 2 layers of the same names. May be repeated.",
)
@click.option(
    "--allow-lambda",
    is_flag=True,
    help="Run the Python code in the file's Lambda layers. Only if you trust it.",
)
@options.common_options
def import_model(
    model: pathlib.Path, output: pathlib.Path, as_json: bool, **settings: Any
) -> None:
    """Write the Keras 3 model of MODEL, a file of Keras 2.

    MODEL is a .h5 file, a .keras file or a SavedModel folder that Keras 2 wrote.
    Wrappers of TensorFlow Model Optimization (pruning, quantization-aware training,
    clustering) are taken off. Both models are run on random inputs and compared; the
    record lies beside the output as .json.

    \b
    Example:
        tfcompress import old.h5 -o model.keras
        tfcompress import weights.h5 --architecture net.keras -o model.keras
    """
    state.load_tensorflow()
    from tfcompress import interop
    from tfcompress.cli import tables

    record = interop.import_file(model, output, **settings)
    if as_json:
        state.emit_json(record)
    else:
        tables.imported(record)
