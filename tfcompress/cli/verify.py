"""``tfcompress verify``: is the file as good as the model?"""

from __future__ import annotations

from typing import Any

import click

from tfcompress.cli import options, state


@click.command(cls=state.WorkCommand)
@options.model_argument
@click.argument("file", type=options.PATH)
@click.option("-o", "--output", type=options.PATH, help="Write the record here (JSON).")
@options.data_options(required=True)
@click.option(
    "--max-drop",
    type=click.FloatRange(0),
    help="Fail if the metric is worse by more than this, such as 0.01.",
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 1),
    help="Fail if fewer examples get the same top answer.",
)
@click.option(
    "--split",
    type=click.Choice(["test", "validation"]),
    help="The examples to use, all of them.  [default: test]",
)
@options.loading_options
@options.common_options
def verify(**given: Any) -> int:
    """Compare FILE, a .tflite file, with MODEL that it came from.

    Exit code 3 if a limit is broken; a failing int8 file is shown with the layers
    that lose most.

    \b
    Example:
        tfcompress verify slim.keras slim.tflite --data fashion-mnist --max-drop 0.01
    """
    from tfcompress.cli import running

    return running.single("verify", given)
