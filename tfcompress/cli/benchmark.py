"""``tfcompress benchmark``: how fast is a .tflite file, on a phone or here?"""

from __future__ import annotations

import pathlib
from typing import Any

import click

from tfcompress.cli import options, state

_RUNNERS = ("auto", "native", "classic", "litert", "litert-benchmark", "app")


class ListType(click.ParamType):  # type: ignore[type-arg] # generic in new stubs only
    """Values with commas between them, such as ``1,4`` or ``cpu,gpu``."""

    def __init__(self, item: click.ParamType, name: str) -> None:  # type: ignore[type-arg] # the same
        self.item = item
        self.name = name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return a tuple of the converted values."""
        if not isinstance(value, str):
            return value
        return tuple(self.item.convert(part, param, ctx) for part in value.split(","))


@click.command(cls=state.WorkCommand)
@click.argument("files", type=options.PATH, nargs=-1, required=True)
@click.option(
    "--device",
    "--serial",
    "devices",
    multiple=True,
    default=("auto",),
    metavar="WHERE",
    help="A device's serial number, `all` of them, `host` (this computer) or `auto`: "
    "the attached device, else the host. May be repeated.  [default: auto]",
)
@click.option(
    "--delegate",
    "delegates",
    multiple=True,
    type=ListType(click.Choice(["cpu", "gpu", "nnapi"]), "delegates"),
    default=("cpu",),
    metavar="NAMES",
    help="What computes: cpu, gpu, nnapi, or several with commas.  [default: cpu]",
)
@click.option(
    "--threads",
    "--num-threads",
    "threads",
    multiple=True,
    type=ListType(click.IntRange(1), "numbers"),
    default=("1",),
    metavar="NUMBERS",
    help="Threads of the runtime, several with commas.  [default: 1]",
)
@click.option(
    "--runner",
    type=click.Choice(_RUNNERS),
    default="auto",
    show_default=True,
    help="What measures: our native runner, an official tool, or the Android app.",
)
@click.option("--app", "app", is_flag=True, help="The same as --runner app.")
@click.option("--fp16/--fp32", default=None, help="Precision of the GPU's floats.")
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Measure all variants so often, each time in another random order.",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Stop a measurement that has not settled after so long.",
)
@click.option(
    "--cool-down",
    type=click.FloatRange(0),
    help="Seconds to pause before each measurement.  [default: 2 on a device]",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Compare each file with the first one, round by round, with a 95% interval.",
)
@click.option("--runner-file", type=options.PATH, help="Program of the runner.")
@click.option("--library", type=options.PATH, help="LiteRT's libLiteRt.so for it.")
@click.option(
    "--accelerator", type=options.PATH, help="Library of the GPU accelerator."
)
@click.option("--apk", type=options.PATH, help="The Android app, to install first.")
@options.seed_option
@click.option(
    "-o", "--output", type=options.PATH, help="Write the records here (JSON), to share."
)
@options.common_options
def benchmark(
    files: tuple[pathlib.Path, ...],
    output: pathlib.Path | None,
    as_json: bool,
    force: bool,
    **settings: Any,
) -> None:
    """Measure how fast FILES (.tflite) run on devices or here.

    On Android devices over adb, or on this computer. All files are measured in turn, in
    several rounds of random order; each time warms up and runs until the median is
    stable. A GPU's figure counts only if its delegate took the graph and its output
    agrees with the CPU's. Figures of a computer say little about a phone: every record
    says where it was measured.

    \b
    Example:
        tfcompress benchmark float.tflite int8.tflite --threads 1,4 --compare
        tfcompress benchmark int8.tflite --device all --delegate cpu,gpu -o phone.json
    """
    from tfcompress import files as writing
    from tfcompress.cli import benchmark_tables, measuring

    if output is not None:
        writing.refuse_same(output, files)
        writing.refuse_existing(output, force=force)
    result = measuring.measure(files, **_flat(settings))
    if output is not None:
        writing.write_json(output, result.record)
    if as_json:
        state.emit_json(result.record)
    else:
        benchmark_tables.show(result)
    if result.interrupted:
        raise click.Abort
    if result.failures:
        click.get_current_context().exit(1)


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Put repeated lists together: ``--threads 1,2 --threads 4``."""
    for name in ("delegates", "threads"):
        settings[name] = tuple(
            item
            for part in settings[name]
            for item in (part if isinstance(part, tuple) else (part,))
        )
    if settings.pop("app"):
        settings["runner"] = "app"
    return settings
