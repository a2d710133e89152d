"""Fill the README's tables from the committed results.

    python -m benchmarks.readme

Everything between ``<!-- results: NAME -->`` and ``<!-- end -->`` is written by this
module; a test compares.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import amc_figures, quantization_figures, sparsity_figures
from benchmarks.slimming_figures import table
from tfcompress import files

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"


def filled(text: str) -> str:
    """Return the README's text with every table written anew."""

    def section(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"<!-- results: {name} -->\n{SECTIONS[name]()}\n<!-- end -->"

    pattern = r"<!-- results: (\w+) -->\n.*?<!-- end -->"
    return re.sub(pattern, section, text, flags=re.DOTALL)


def demo() -> str:
    """Write what the demo ends with."""
    record = files.read_json(RESULTS / "demo.json")
    lines = ["| `make demo` | original | compressed |", "|---|---|---|"]
    for row in record["summary"]:
        before, after = (shown(row[key], row["unit"]) for key in ("before", "after"))
        lines.append(f"| {row['label']} | {before} | {after} |")
    parity = record["parity"]
    agreement = f"{parity['top1_agreement']:.2%} of {parity['num_examples']:,}"
    text = (
        f"The file answers as the Keras model does on {agreement} test images, output "
        f"signal-to-noise {parity['snr_db']:.1f} dB; {record['minutes']:.1f} minutes "
        "on two cores."
    )
    return "\n".join([*lines, "", text])


def shown(value: float, unit: str) -> str:
    """Write a number with its unit.

    Example:
        >>> shown(0.8928, "fraction"), shown(11064768, "count"), shown(64808, "bytes")
        ('89.28 %', '11.06 M', '64.8 kB')
    """
    if unit == "fraction":
        return f"{value:.2%}".replace("%", " %")
    if unit == "count":
        return f"{value / 1e6:.2f} M" if value >= 1e6 else f"{value / 1e3:.1f} k"
    return f"{value / 1e3:.1f} kB" if unit == "bytes" else f"{value:.3f} {unit}"


def slimming() -> str:
    """Write both studies' tables and the figure."""
    parts = ["![Accuracy over removed MACs](docs/figures/slimming.svg)", ""]
    for name in ("fashion_mnist", "cifar10"):
        record = files.read_json(RESULTS / f"slimming_{name}.json")
        parts += [table(record), "", f"`{record['command']}`", ""]
    return "\n".join(parts).rstrip()


def amc() -> str:
    """Write the table of all networks that were searched, and the figures."""
    records = amc_figures.records().values()
    commands = ", ".join(f"`{record['command']}`" for record in records)
    return "\n".join(
        [
            "![Best held-out accuracy over judged plans](docs/figures/amc.svg)",
            "",
            "![Kept part of every channel group](docs/figures/amc_ratios.svg)",
            "",
            amc_figures.table(),
            "",
            commands,
        ]
    )


def quantization() -> str:
    """Write the tables of all networks that were quantized."""
    found = quantization_figures.records().values()
    commands = ", ".join(f"`{record['command']}`" for record in found)
    return "\n\n".join([quantization_figures.table(), commands])


def parity() -> str:
    """Write how alike files, their models and the runtime's kernels answer."""
    record = files.read_json(RESULTS / "quantize_parity.json")
    return "\n".join(
        [quantization_figures.parity_table(record), "", f"`{record['command']}`"]
    )


def sparsity() -> str:
    """Write the table of all networks that were pruned."""
    record = files.read_json(RESULTS / "sparsity.json")
    return "\n".join([sparsity_figures.table(record), "", f"`{record['command']}`"])


def latency() -> str:
    """Write how well tables predict plans that they have not seen."""
    record = files.read_json(RESULTS / "latency.json")
    names = "milliseconds | median error | 90 % within | ranks | ranks again"
    lines = [f"| host latency | {names} | spread | converted | sum |"]
    lines.append("|---" * 9 + "|")
    for name, part in record["parts"].items():
        held, times = part["held_out"], part["held_out"]["measured_ms"]
        lines.append(
            f"| {name.replace('_', ' ')} | {min(times):.2f} to {max(times):.2f} | "
            f"{held['median_error']:.1%} | {held['p90_error']:.1%} | "
            f"{held['rank_correlation']:.3f} | {held['repeat_rank_correlation']:.3f} | "
            f"{held['repeat_spread']:.1%} | {part['converted']['median_error']:.1%} | "
            f"{part['without_correction']['median_error']:.1%} |"
        )
    return "\n".join([*lines, "", f"`{record['command']}`"])


def amc_latency() -> str:
    """Write what searching against milliseconds gives, beside MACs."""
    record = files.read_json(RESULTS / "amc_latency.json")
    names = "MACs | predicted ms | measured ms | cut | fine-tuned"
    lines = [f"| {record['network']}, {record['recipe']}, host | {names} |"]
    lines.append("|---|---|---|---|---|---|")
    for name, row in record["rows"].items():
        measured = record["measured_ms"][name]["median"]
        lines.append(
            f"| `{name}` | {row['macs_fraction']:.1%} | {row['predicted_ms']:.3f} | "
            f"{measured:.3f} | {row['cut']['test']:.1%} | "
            f"{row['fine_tuned']['test']:.1%} |"
        )
    return "\n".join([*lines, "", f"`{record['command']}`"])


def speed() -> str:
    """Write every ratio with its bound."""
    lines = ["| measured | ratio | bound |", "|---|---|---|"]
    commands = []
    for name, read in SPEED.items():
        record = files.read_json(RESULTS / f"{name}.json")
        commands.append(f"`{record['command']}`")
        lines += [
            f"| {label} | {ratio:.{3 if ratio >= 0.1 else 4}f} | ≤ {bound:g} |"
            for label, ratio, bound in read(record)
        ]
    return "\n".join([*lines, "", f"`make bench`, that is {', '.join(commands)}."])


Rows = Iterator[tuple[str, float, float]]


def _graph_rows(record: dict[str, Any]) -> Rows:
    for label, row in record["ratios"].items():
        yield label, row["ratio"], row["bound"]


def _network_rows(record: dict[str, Any]) -> Rows:
    for network, rows in record["networks"].items():
        for label, row in rows.items():
            if "bound" in row:
                yield f"{network}: {label}", row["ratio"], row["bound"]


def _training_rows(record: dict[str, Any]) -> Rows:
    for network, rows in record["networks"].items():
        ours = rows["ours"]
        for clock, label in (("wall", ""), ("cpu", ", CPU time")):
            for base, name in (("", "plain Keras 3"), ("_to_tf_keras", "tf_keras")):
                row = ours[clock + base]
                yield (
                    f"{network}: training step / {name}{label}",
                    row["ratio"],
                    row["bound"],
                )
        row = rows["ours, bfloat16"]["wall"]
        label = f"{network}: training step in bfloat16 / plain Keras 3"
        yield label, row["ratio"], row["bound"]


def _slimming_rows(record: dict[str, Any]) -> Rows:
    for step in record["steps"]:
        for kind in ("subgradient", "proximal"):
            label = f"{step['network']}: step with L1 on scales ({kind}) / without"
            yield label, step[kind]["ratio"], record["step_bound"]


def _rival_rows(record: dict[str, Any]) -> Rows:
    """Ours by what it is compared with; between processes by CPU time alone."""
    for network, found in record["networks"].items():
        for label, (title, clocks) in RIVALS.items():
            for clock in clocks if label in found["ratios"] else ():
                row = found["ratios"][label][clock]
                suffix = ", CPU time" if clock == "cpu" else ""
                yield f"{network}: {title}{suffix}", row["ratio"], row["bound"]


RIVALS = {
    "pruning to plain": ("pruning step / without", ("wall", "cpu")),
    "pruning to tfmot": ("pruning step / TFMOT's", ("wall", "cpu")),
    "ours to our plain step": ("QAT step / without", ("wall", "cpu")),
    "ours to tfmot": ("QAT step / TFMOT's", ("cpu",)),
    "ours frozen to tfmot": ("QAT step, all frozen / TFMOT's", ("cpu",)),
}

SPEED: dict[str, Callable[[dict[str, Any]], Rows]] = {
    "graph_speed": _graph_rows,
    "training_speed": _training_rows,
    "distill_speed": _network_rows,
    "slimming_speed": _slimming_rows,
    "sparsity_speed": _rival_rows,
    "quantize_speed": _rival_rows,
    "amc_speed": _network_rows,
}


def families() -> str:
    """Write how far pruned models are from masked ones."""
    record = files.read_json(RESULTS / "families.json")
    members = record["members"]
    worst = max(members, key=lambda name: members[name]["relative_error"])
    exact = sum(member["costs_exact"] for member in members.values())
    return (
        f"Pruned at random at 25, 50 and 75 %, {len(members)} members of "
        "`keras.applications` compute what their masked originals do: largest relative "
        f"error {members[worst]['relative_error']:.1e} ({worst}). Predicted MACs and "
        f"parameters were exact for {exact} of {len(members)}. `{record['command']}`"
    )


SECTIONS: dict[str, Callable[[], str]] = {
    "demo": demo,
    "slimming": slimming,
    "amc": amc,
    "latency": latency,
    "amc_latency": amc_latency,
    "quantization": quantization,
    "parity": parity,
    "sparsity": sparsity,
    "speed": speed,
    "families": families,
}


def main() -> None:
    """Rewrite the README in place."""
    files.write_text(README, filled(README.read_text("utf-8")))


if __name__ == "__main__":
    main()
