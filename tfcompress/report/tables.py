"""Tables of words: files of a run side by side, runs side by side, stages, latency."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from tfcompress.report import formats
from tfcompress.report.building import Report
from tfcompress.report.files_made import TfliteFile
from tfcompress.report.latencies import Latency
from tfcompress.report.parity import Parity
from tfcompress.report.searches import Search


@dataclasses.dataclass(frozen=True)
class Table:
    r"""Columns and rows of text; the first column names the row.

    Example:
        >>> print(Table(("run", "MACs"), (("a|b", "12 M"),)).to_markdown())
        | run | MACs |
        |:---|---:|
        | a\|b | 12 M |
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_markdown(self) -> str:
        """Return the table in Markdown, with every cell escaped."""
        rule = "|".join([":---", *["---:"] * (len(self.columns) - 1)])
        lines = [_line(self.columns), f"|{rule}|", *map(_line, self.rows)]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain JSON values."""
        return {"columns": list(self.columns), "rows": [list(r) for r in self.rows]}


def compare(reports: Sequence[Report]) -> Table:
    """Put several runs side by side, such as recipes, budgets or methods.

    The first row is what the first run started from.

    Args:
        reports: What `build` returned, one or more.

    Returns:
        One row per run; `Table.to_markdown` writes it for a README.

    Raises:
        ValueError: If there is no report.
    """
    if not reports:
        raise ValueError("`compare` needs a report. Received: reports=[]")
    first = {row.key: row.before_text for row in reports[0].summary}
    original = ("original", *(first.get(key, formats.NOTHING) for key in _KEYS), "")
    rows = [original]
    for report in reports:
        cells = {row.key: row.after_text for row in report.summary}
        values = (cells.get(key, formats.NOTHING) for key in _KEYS)
        rows.append((report.name, *values, report.verdict.parity))
    labels = {row.key: row.label for report in reports for row in report.summary}
    named = tuple(labels.get(key, name) for key, name in _KEYS.items())
    return _without_empty(Table(("run", *named, "parity"), tuple(rows)))


def files_table(report: Report) -> Table:
    """Put the `.tflite` files of one run side by side, the original's first."""
    metric = next((row.label for row in report.summary if row.key == "score"), "score")
    rows = []
    if report.original_file and report.original_file.file_bytes is not None:
        before = next((r for r in report.summary if r.key == "score"), None)
        score = before.before_text if before else formats.NOTHING
        rows.append(_file_row(report.original_file, "original, ", score, None))
    for file in report.files:
        check = _check_of(report, file)
        value = check.tflite.value if check and check.tflite else None
        fraction = check.fraction if check else True
        rows.append(_file_row(file, "", formats.score(value, fraction=fraction), check))
    columns = ("file", metric, "top-1 agreement", "SNR", "size", "gzip", "parity")
    return _without_empty(Table(columns, tuple(rows)))


def latency_table(report: Report) -> Table:
    """List every benchmark result with where it was measured."""
    before = [report.original_file] if report.original_file else []
    rows = []
    for file in (*before, *report.files):
        name = "original, float32" if file in before else file.recipe or file.stage
        rows += [(name, *_latency_cells(item)) for item in file.latencies]
    columns = (
        "file",
        "where",
        "threads",
        "median",
        "p90",
        "p95",
        "init",
        "peak memory",
    )
    return _without_empty(Table((*columns, "runs"), tuple(rows)))


def latency_sentence(report: Report) -> str:
    """Say where the latencies come from, and that a host is no phone."""
    places = {item.where for file in report.files for item in file.latencies}
    if places == {"device"}:
        return "Measured on the device named in each record."
    if places <= {"host"}:
        return (
            "Measured on the computer that ran this, not on a phone: compare the rows "
            "with each other, and measure the file on your device before you promise "
            "anything."
        )
    return (
        "The second column says what each row was measured on; host, emulated and "
        "software results say nothing about a phone."
    )


def search_table(search: Search) -> Table:
    """Put the plan that was found beside those of the baselines."""
    rows = []
    for method in search.methods:
        share = search.share(method)
        left = "" if share is None else f" ({formats.percent(share)})"
        costs = {
            name: formats.count(getattr(method, name)) + left * (name == search.cost)
            for name in ("macs", "params")
        }
        rows.append(
            (
                method.name,
                formats.score(method.metric, fraction=search.fraction),
                *costs.values(),
                formats.score(method.reward, fraction=False),
                formats.plain(method.evaluations),
            )
        )
    name = search.metric.replace("_", " ")
    columns = ("plan", f"{name} (held-out)", "MACs", "parameters", "reward", "tried")
    return _without_empty(Table(columns, tuple(rows)))


def stages_table(report: Report) -> Table:
    """List the stages with what each left."""
    rows = []
    for note in report.stages:
        step = next(s for s in report.steps if s.stage == note.name and not s.inner)
        rows.append(
            (
                note.name,
                formats.count(step.macs),
                formats.count(step.params),
                formats.plain(note.seed),
                formats.seconds(note.seconds),
            )
        )
    return _without_empty(
        Table(("stage", "MACs", "parameters", "seed", "time"), tuple(rows))
    )


def file_name(path: str | None) -> str:
    """Return the last part of a path, which is all that a reader needs."""
    return pathlib.PurePath(path).name if path else "the file"


def escape(text: str) -> str:
    r"""Write text so that Markdown shows it as it is, on one line.

    Example:
        >>> escape("a|b <i>_x_")
        'a\\|b &lt;i&gt;\\_x\\_'
    """
    text = " ".join(text.split()).replace("&", "&amp;")
    text = text.replace("<", "&lt;").replace(">", "&gt;").replace("\\", "\\\\")
    for mark in "|`*_[]#":
        text = text.replace(mark, f"\\{mark}")
    return text


_KEYS = {
    "score": "score",
    "worst_class": "worst class recall",
    "macs": "MACs",
    "params": "parameters",
    "file_bytes": ".tflite file",
    "gzip_bytes": ".tflite file, gzip",
    "latency_ms": "latency",
}


def _file_row(
    file: TfliteFile, prefix: str, score: str, check: Parity | None
) -> tuple[str, ...]:
    snr = check.snr_db if check else None
    passed = "" if check is None else ("passed" if check.passed else "failed")
    return (
        f"{prefix}{file.recipe or file.stage}",
        score,
        formats.percent(check.agreement if check else None, 2),
        formats.NOTHING if snr is None else f"{snr:.1f} dB",
        formats.size(file.file_bytes),
        formats.size(file.gzip_bytes),
        passed,
    )


def _latency_cells(item: Latency) -> tuple[str, ...]:
    delegate = "" if item.delegate in (None, "cpu", "xnnpack") else f", {item.delegate}"
    why = "; ".join(item.not_counted)
    return (
        item.where.replace("_", " ") + delegate,
        formats.plain(item.num_threads),
        formats.milliseconds(item.p50_ms),
        formats.milliseconds(item.p90_ms),
        formats.milliseconds(item.p95_ms),
        formats.milliseconds(item.init_ms),
        formats.size(item.peak_memory_bytes),
        formats.plain(item.num_runs)
        + ", not settled" * (item.stable is False)
        + (f", does not count: {why}" if why else ""),
    )


def _check_of(report: Report, file: TfliteFile) -> Parity | None:
    return next((p for p in report.parity if p.of in (None, file.stage)), None)


def _without_empty(table: Table) -> Table:
    """Drop the columns in which no row has anything to say."""
    kept = [
        index
        for index in range(len(table.columns))
        if index == 0
        or any(row[index] not in ("", formats.NOTHING) for row in table.rows)
    ]
    return Table(
        tuple(table.columns[i] for i in kept),
        tuple(tuple(row[i] for i in kept) for row in table.rows),
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(escape(cell) for cell in cells)} |"
