"""A run's records as JSON, Markdown and one self-contained HTML page.

`build` reads the JSON records of a run directory and nothing else; `write` makes
`report.json`, `report.md` and `report.html`; `compare` puts several runs into one
table; `figures` draws plots for a README.  No TensorFlow is needed, and matplotlib
only by `figures`::

    from tfcompress import report

    page = report.write(report.build("runs/demo"), "runs/demo")["html"]
"""

from tfcompress.report import figures
from tfcompress.report.building import Report, build
from tfcompress.report.rendering import to_html, to_markdown
from tfcompress.report.tables import Table, compare
from tfcompress.report.writing import write

__all__ = [
    "Report",
    "Table",
    "build",
    "compare",
    "figures",
    "to_html",
    "to_markdown",
    "write",
]
