"""``tfcompress latency``: measure what pruned networks are made of."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import click

from tfcompress.cli import options, state


@click.command(cls=state.WorkCommand)
@options.model_argument
@options.directory_option
@click.option(
    "--recipe",
    type=click.Choice(["float32", "float16", "int8"]),
    default="float32",
    show_default=True,
    help="How the files will be quantized.",
)
@click.option(
    "--num-threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Threads of the runtime.",
)
@click.option(
    "--device",
    default="host",
    show_default=True,
    metavar="WHERE",
    help="A device's serial number, or `host`: this computer.",
)
@click.option(
    "--delegate",
    type=click.Choice(["cpu", "gpu"]),
    default="cpu",
    show_default=True,
    help="What computes on the device; the host has the CPU.",
)
@options.runner_options
@click.option(
    "--num-networks",
    type=click.IntRange(0),
    default=16,
    show_default=True,
    help="Random pruned networks to fit the prediction to; 0: add operators up.",
)
@click.option(
    "--allow-uncovered",
    is_flag=True,
    help="Accept layers whose operators are not known; only whole networks have them.",
)
@options.loading_options
@options.seed_option
@options.json_option
@options.debug_option
def latency(
    model: pathlib.Path,
    output: pathlib.Path,
    *,
    recipe: str,
    num_threads: int,
    num_networks: int,
    allow_uncovered: bool,
    device: str,
    delegate: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Measure the operators that pruning MODEL can leave.

    Times them in small files of one operator each, on this computer or on a device.

    The table, OUTPUT/table.json, predicts the latency of any plan in a fraction of a
    millisecond: `tfcompress.latency.budget` makes a limit of it for a search.  The
    same command goes on after an interruption; with another model it extends the
    table.  Figures of a computer say little about a phone.

    \b
    Example:
        tfcompress latency model.keras --recipe int8 -o runs/latency
        tfcompress latency model.keras --recipe int8 --device R58M12ABCDE -o runs/phone
    """
    state.load_tensorflow()
    from tfcompress import graph, pipeline
    from tfcompress import latency as tables
    from tfcompress.latency.building import TABLE

    state.resumable()
    seed = given.pop("seed")
    names = ("runner", "runner_file", "library", "apk")
    runner = options.given(**{name: given.pop(name) for name in names})
    measure = _device(device, delegate, num_threads, runner)
    settings, _ = options.split({"model": model, **given})
    source = pipeline.ModelSource.from_dict(settings)
    layer_graph = graph.trace(source.load(model))
    table = tables.build_table(
        layer_graph,
        device,
        recipe=recipe,
        num_threads=num_threads,
        delegate=delegate,
        num_networks=num_networks,
        measure=measure,
        conditions=None if measure is None else measure.conditions(recipe),
        run_dir=output,
        seed=seed,
        allow_uncovered=allow_uncovered,
        report=_report,
    )
    record = {
        "table": str(output / TABLE),
        "where": table.conditions.where,
        "operators": table.num_points,
        "predicted_ms": tables.predict(layer_graph, None, table),
        "uncovered": tables.predictor(layer_graph, table).uncovered,
    }
    if as_json:
        state.emit_json(record)
    else:
        state.emit(_summary(record))


def _device(
    device: str, delegate: str, num_threads: int, runner: Mapping[str, Any]
) -> Any:
    """Return how to measure on a device; None for the host."""
    if device == "host":
        return None
    from android_bench import choosing
    from tfcompress import errors
    from tfcompress import latency as tables

    if device in (choosing.AUTO, choosing.ALL):
        raise errors.ConfigError(
            f"A latency table is of one device. Received: --device {device}; expected "
            "a serial number or 'host'. Look at `tfcompress devices`."
        )
    return tables.on_device(
        device, delegate=delegate, num_threads=num_threads, **runner
    )


def _report(what: str, done: int, total: int) -> None:
    click.echo(f"{what}: {done} of {total}", err=True)


_PLACES = {
    "device": "this device",
    "emulated": "an emulated device (not a phone)",
    "software_gpu": "a GPU driver in software (not a phone)",
    "host": "this computer (not a phone)",
}


def _summary(record: dict[str, Any]) -> str:
    lines = [
        f"{record['operators']} operators measured on {_PLACES[record['where']]}",
        f"predicted for the whole model: {record['predicted_ms']:.3f} ms",
    ]
    if record["uncovered"]:
        names = ", ".join(f"{k} ({v})" for k, v in record["uncovered"].items())
        lines.append(f"not in the table, so not in the sum: {names}")
    return "\n".join([*lines, f"wrote {record['table']}"])
