"""Write a report: `report.json`, `report.md` and `report.html`, each atomically."""

from __future__ import annotations

import pathlib

from tfcompress import files
from tfcompress.report.building import Report
from tfcompress.report.rendering import to_html, to_markdown


def write(report: Report, run_dir: files.PathLike) -> dict[str, pathlib.Path]:
    """Write the report's three files into a folder, over older ones.

    All three are made before the first is written, so that an error leaves the old
    files; each is renamed into place, so that a reader never sees half of one.

    Args:
        report: What `build` returned.
        run_dir: The folder to write into; it is made if it is missing.

    Returns:
        The path of each file, under ``"json"``, ``"md"`` and ``"html"``.

    Raises:
        OutputError: If a file cannot be written.
    """
    folder = pathlib.Path(run_dir)
    paths = {kind: folder / f"report.{kind}" for kind in ("json", "md", "html")}
    content, markdown, html = report.to_dict(), to_markdown(report), to_html(report)
    files.write_json(paths["json"], content)
    files.write_text(paths["md"], markdown)
    files.write_text(paths["html"], html)
    return paths
