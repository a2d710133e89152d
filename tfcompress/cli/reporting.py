"""Write a run's report for `tfcompress report`; no TensorFlow."""

from __future__ import annotations

import pathlib

from tfcompress import files, report
from tfcompress.cli import state


def write(
    run: pathlib.Path, output: pathlib.Path | None, *, as_json: bool, force: bool
) -> None:
    """Build the report of `run` and write it, beside the records or elsewhere.

    In the run's own directory the report is always written anew, as a run does; another
    folder's files are overwritten only with `force`.
    """
    built = report.build(run)
    if output is not None and output.resolve() != run.resolve():
        for name in ("report.json", "report.md", "report.html"):
            files.refuse_existing(output / name, force=force)
    written = report.write(built, output or run)
    if as_json:
        state.emit_json(built.to_dict())
    else:
        for path in written.values():
            state.emit(str(path))
