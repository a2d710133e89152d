"""A report as Markdown and as one self-contained HTML page.

The page holds its style and its charts; it asks the network for nothing, and a content
security policy in it forbids browsers to try.
"""

from __future__ import annotations

import json
from typing import Any

import jinja2

from tfcompress.report import charts, formats, search_charts, tables, training_charts
from tfcompress.report.building import Report


def to_html(report: Report) -> str:
    """Return the whole page."""
    return (
        _environment(autoescape=True)
        .get_template("report.html")
        .render(
            _context(report),
            charts=charts,
            search_charts=search_charts,
            training_charts=training_charts,
        )
    )


def to_markdown(report: Report) -> str:
    """Return the report as Markdown for a pull request or a README."""
    return (
        _environment(autoescape=False)
        .get_template("report.md")
        .render(_context(report))
    )


def _environment(*, autoescape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tfcompress.report"),
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "plain": formats.plain,
        "points": lambda value: formats.difference(value, fraction=True),
        "percent": formats.percent,
        "decibels": lambda value: (
            formats.NOTHING if value is None else f"{value:.1f} dB"
        ),
        "file_name": tables.file_name,
        "json": lambda value: json.dumps(value, indent=2, default=str),
        "text": lambda value: tables.escape(formats.plain(value)),
        "fence": _fence,
    }
    return environment


def _context(report: Report) -> dict[str, Any]:
    scored = [s for s in report.steps if s.validation is not None or s.test is not None]
    metric = scored[0].metric.replace("_", " ") if scored else ""
    return {
        "report": report,
        "sections": _sections(report, metric if scored else None),
        "scored_steps": scored,
        "metric": metric,
        "fraction": formats.is_fraction(metric, *(_values(scored))),
        "score": formats.score,
        "before_total": sum(group.before for group in report.channels),
        "kept_total": sum(group.after for group in report.channels),
        "files_table": tables.files_table(report),
        "search_table": tables.search_table,
        "latency_table": tables.latency_table(report),
        "latency_sentence": tables.latency_sentence(report),
        "stages_table": tables.stages_table(report),
        "data_pairs": _data_pairs(report),
    }


def _values(steps: list[Any]) -> list[float]:
    return [v for s in steps for v in (s.validation, s.test) if v is not None]


def _sections(report: Report, metric: str | None) -> list[tuple[str, str]]:
    listed = [
        ("steps", metric.capitalize() if metric else "", metric),
        ("search", "Search", report.searches),
        ("channels", "Channels", report.channels),
        ("sparsity", "Sparsity", report.sparsities),
        ("scales", "Scales", report.scales),
        ("training", "Training", report.curves),
        ("parity", "Parity", report.parity),
        ("layers", "Layers", report.layer_studies),
        ("files", "Files", report.files),
        ("surgery", "Surgery", report.surgery),
        ("reproduce", "Repeat it", True),
        ("missing", "Not in this report", report.missing),
    ]
    return [(anchor, title) for anchor, title, there in listed if there]


def _data_pairs(report: Report) -> dict[str, Any]:
    data = report.data
    pairs = {
        "name": data.name,
        "task": data.task,
        "examples": dict(data.sizes),
        "classes": list(data.class_names),
        "preprocessing": dict(data.preprocessing),
        "fingerprint": data.fingerprint,
    }
    return {name: value for name, value in pairs.items() if value}


def _fence(text: str) -> str:
    """Put text into a Markdown code block that its own backticks cannot close."""
    longest = max((len(run) for run in _runs_of(text, "`")), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _runs_of(text: str, mark: str) -> list[str]:
    spaced = "".join(c if c == mark else " " for c in text)
    return spaced.split()
