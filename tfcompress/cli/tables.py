"""Show records as tables on stdout."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tfcompress.cli import state
from tfcompress.cli.wording import number, outcome, searched

Record = Mapping[str, Any]


def keras_model(record: Record) -> None:
    """Show cost per layer, channel groups, and what is fixed and why."""
    cost = record["cost"]
    _console().print(
        f"{record['name']}: {number(cost['macs'])} MACs, {number(cost['params'])} "
        f"params, {number(cost['size_bytes'])} bytes as float32",
        highlight=False,
    )
    rows = [
        (name, f"{layer['macs']:,}", f"{layer['params']:,}")
        for name, layer in record["layers"].items()
        if layer["macs"] or layer["params"]
    ]
    table("Cost per layer", ("layer", "MACs", "params"), rows)
    groups = [
        (group["name"], str(group["size"]), ", ".join(group["layers"]))
        for group in record["groups"]
    ]
    table("Channels that can be removed", ("group", "channels", "layers"), groups)
    pinned = list(record["pinned"].items())
    table("Layers whose channels are fixed", ("layer", "reason"), pinned)
    if record["unknown"]:
        table("Not counted", ("layer",), [(name,) for name in record["unknown"]])


def tflite_file(record: Record) -> None:
    """Show what a .tflite file holds."""
    facts = [
        (key.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
        for key, value in record.items()
        if isinstance(value, int | float | str)
    ]
    table("File", ("what", "value"), facts)
    for key in ("operator_counts", "tensor_types"):
        counts = [(name, f"{count:,}") for name, count in record[key].items()]
        table(key.replace("_", " ").capitalize(), ("name", "count"), counts)
    for key in ("inputs", "outputs"):
        tensors = [(t["name"], t["dtype"], str(t["shape"])) for t in record[key]]
        table(key.capitalize(), ("name", "type", "shape"), tensors)
    _gpu(record["gpu"])


def _gpu(record: Record) -> None:
    """Show what each GPU delegate takes, what blocks it and how to change that."""
    rows = [
        (found["version"], f"{found['taken']} of {found['total']}", str(found["parts"]))
        for found in record["delegates"].values()
    ]
    table("On a GPU, predicted", ("delegate", "operators", "parts"), rows)
    for name, found in record["delegates"].items():
        for op in found["blockers"]:
            why = op["reason"] or op["wrong"]
            hint = f"; {op['hint']}" if op["hint"] else ""
            place = name.replace("_", " ")
            state.emit(f"{place}: {op['name']} ({op['output']}): {why}{hint}")
    for note in record["notes"]:
        state.emit(f"note: {note}")


def devices(found: Sequence[Record]) -> None:
    """Show what is connected."""
    columns = ("serial", "model", "Android", "SoC", "ABI", "state")
    rows = [[str(device[name.lower()]) for name in columns] for device in found]
    table("Devices", columns, rows)


def imported(record: Record) -> None:
    """Show what was read, what was written, and how far both models are apart."""
    error = record["relative_error"]
    rows = [
        ("source", record["source"]),
        ("layers", number(record["layers"])),
        ("params", number(record["params"])),
        ("relative difference", "not compared" if error is None else f"{error:.1e}"),
    ]
    rows += [(f"{kind} taken off", str(n)) for kind, n in record["wrappers"].items()]
    table(f"Imported {record['name']}", ("what", "value"), rows)
    written = pathlib.Path(record["output"])
    state.emit(f"wrote {written} and {written.with_suffix('.json').name}")


def stage(record: Record, *written: pathlib.Path) -> None:
    """Show what one stage came to, before and after if it made a model."""
    if "before" in record:
        _before_after(record)
    parity = record["details"].get("parity")
    if parity:
        table("Parity", ("what", "value"), _parity_rows(parity))
    if not parity and "before" not in record and outcome(record):
        state.emit(outcome(record))
    if "sensitivity" in record["details"]:
        _sensitivity(record["details"])
    _improved(record["details"])
    if "search" in record["details"]:
        _searched(record["details"]["search"])
    if written:
        names = [str(path) for path in written]
        own = f"{record['name']}.json"
        if own not in [path.name for path in written]:  # it is a record alone
            names.append(own)
        *first, last = names
        state.emit(f"wrote {', '.join(first)} and {last}" if first else f"wrote {last}")


def run(result: Any) -> None:
    """Show the stages of a run and where the report is."""
    rows = []
    for record in result.records:
        figures = record.get("evaluation") or {}
        cost = (record.get("model") or {}).get("cost") or {}
        cells = (
            number(cost["macs"]) if cost else "",
            number(cost["params"]) if cost else "",
            _figure(figures.get("validation")),
            _figure(figures.get("test") or _tflite_figure(record)),
        )
        if any(cells):
            rows.append((record["name"], *cells))
    columns = ("stage", "MACs", "params", "validation", "test")
    table(f"{result.directory}", columns, rows)
    report = result.directory / "report.html"
    if report.exists():
        state.emit(f"report: {report}")


def _before_after(record: Record) -> None:
    before, after = record["before"], record
    rows = []
    for key in ("macs", "params"):
        old, new = before["cost"][key], after["model"]["cost"][key]
        rows.append((key, f"{old:,}", f"{new:,}", f"{new / old:.1%}"))
    for split in ("validation", "test"):
        old = before["evaluation"].get(split)
        new = after["evaluation"].get(split)
        if old and new:
            change = f"{new['value'] - old['value']:+.4f}"
            label = f"{new['metric']} ({split})"
            rows.append((label, _figure(old), _figure(new), change))
    table(record["name"], ("", "before", "after", ""), rows)


def _sensitivity(details: Record) -> None:
    """Show the layers, the most sensitive first, and what was chosen for each."""
    chosen = details.get("mixed")
    rows = [
        (
            layer["layer"],
            f"{layer['snr_db']:.1f}",
            "" if layer["kl"] is None else f"{layer['kl']:.2e}",
            f"{layer['drop']:+.4f}",
            *([chosen["precision"][layer["layer"]]] if chosen else []),
        )
        for layer in details["sensitivity"]["layers"]
    ]
    columns = ["layer", "SNR dB", "KL nats", "drop", *(["chosen"] if chosen else [])]
    precision = details["sensitivity"]["precision"]
    table(f"Each layer alone in {precision}", columns, rows)
    if chosen:
        state.emit(
            f"{len(chosen['raised'])} of {len(rows)} layers raised, held-out "
            f"{chosen['metric']} {chosen['value']:.4f} (drop {chosen['drop']:+.4f}), "
            f"{number(chosen['size_bytes'])} bytes of weights"
        )


def _improved(details: Record) -> None:
    """Say what was done to the model before it was converted."""
    done = details.get("conversion", {}).get("improvements", {})
    if "equalization" in done:
        groups = done["equalization"]["groups"]
        skipped = done["equalization"]["skipped"]
        state.emit(
            f"equalised {sum(group['channels'] for group in groups)} channels in "
            f"{len(groups)} groups; left as they are: {len(skipped)} layers"
        )
    if "bias_correction" in done:
        shifts = done["bias_correction"]["shifts"]
        state.emit(f"corrected the biases of {len(shifts)} layers")


def _searched(search: Record) -> None:
    """Show what was found beside the baselines."""
    plans = [*search.get("baselines", ()), {"method": "amc", **search["best"]}]
    rows = [
        (
            plan["method"],
            _figure({"value": plan["metric"]}),
            number(plan["macs"]),
            number(plan["params"]),
            f"{plan['reward']:.4f}",
        )
        for plan in plans
    ]
    columns = ("plan", search["metric"], "MACs", "params", "reward")
    table("Before any training, on the held-out examples", columns, rows)
    state.emit(searched(search))
    for note in search.get("notes", ()):
        state.emit(f"note: {note}")


def _parity_rows(parity: Record) -> list[tuple[str, str]]:
    rows = []
    for key, value in parity.items():
        if isinstance(value, Mapping) and "value" in value:
            rows.append((f"{key} {value.get('metric', '')}", _figure(value)))
        elif isinstance(value, bool | int | float | str):
            shown = f"{value:.4f}" if isinstance(value, float) else str(value)
            rows.append((key.replace("_", " "), shown))
    return rows


def _tflite_figure(record: Record) -> Record | None:
    found: Record | None = record["details"].get("parity", {}).get("tflite")
    return found


def _figure(evaluation: Record | None) -> str:
    if not evaluation or evaluation.get("value") is None:
        return ""
    return f"{evaluation['value']:.4f}"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Show rows under a title; nothing if there are none."""
    rows = list(rows)
    if not rows:
        return
    shown = Table(show_edge=False, pad_edge=False)
    for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
        shown.add_column(column, justify="right" if _numbers(cells) else "left")
    for row in rows:
        shown.add_row(*row)
    console = _console()
    console.print(f"\n{title}", style="bold", highlight=False)
    console.print(shown)


def _numbers(cells: Iterable[str]) -> bool:
    """Whether a column holds figures, which are read from the right."""
    return all(not cell or cell[0].isdigit() or cell[0] in "+-" for cell in cells)


def _console() -> Console:
    context = click.get_current_context()
    return Console(file=context.ensure_object(state.State).stdout, markup=False)
