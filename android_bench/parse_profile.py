"""The table of times per operator, which several tools print alike.

Columns: node type, start, first, average ms, percent, cumulative percent, KB, times
called, name; separated by tabs, by spaces, or in CSV by commas.  Types and names hold
commas and spaces themselves, so the numbers in the middle are what a row is known by.
The line ``Number of nodes executed`` after the table says whether all rows are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from android_bench import lines as reading
from android_bench.errors import ParseError
from android_bench.parsed import OpTime

_N = rf"-?(?:{reading.NUMBER})"
_GAP = r"(?:\s*,\s*|\s+)"
_ROW = re.compile(
    rf"\s*(?P<type>\S.*?){_GAP}(?:{_N}){_GAP}(?:{_N}){_GAP}(?P<avg>{_N}){_GAP}"
    rf"(?:{_N})%{_GAP}(?:{_N})%{_GAP}(?:{_N}){_GAP}(?P<calls>\d+){_GAP}(?P<name>\S.*)"
)
_HEAD = re.compile(r"\s*\[?node type\]?[\s,].*name\]?\s*", re.IGNORECASE)
_RUN_ORDER = re.compile(r"=+ Run Order =+")
_SECTION = re.compile(r"=+ .+ =+|\s*Number of nodes executed:.*")
_REGULAR = "Operator-wise Profiling Info for Regular Benchmark Runs"
_EXECUTED = re.compile(r"Number of nodes executed: (\d+)")


def read_ops(text: str) -> tuple[OpTime, ...]:
    """Return the operators in the order of execution; empty without a table.

    Args:
        text: Output of a runner.

    Raises:
        ParseError: If the table is cut or torn.
    """
    lines = reading.whole_lines(text)
    start = _table_start(lines)
    if start is None:
        return ()
    given = text.replace("\r\n", "\n").split("\n")
    rows = _rows(zip(given[start:], lines[start:], strict=False))
    expected = _executed(lines, start)
    if expected != len(rows):
        raise ParseError(
            f"The table of operators is not whole. Received: {len(rows)} rows, "
            f"expected {'a count' if expected is None else expected}. Measure again."
        )
    return tuple(
        OpTime(
            name=row["name"].strip(),
            type=row["type"].strip(),
            avg_ms=float(row["avg"]),
            calls=int(row["calls"]),
        )
        for row in rows
    )


def _table_start(lines: Sequence[str]) -> int | None:
    """Return the line after the heading of the measured runs' table."""
    after = 0
    for index, line in enumerate(lines):
        if line.startswith(_REGULAR):
            after = index
    for index in range(after, len(lines)):
        if _RUN_ORDER.fullmatch(lines[index].strip()):
            return index + 1
    return None


def _rows(lines: Iterable[tuple[str, str]]) -> list[re.Match[str]]:
    """Return the rows up to the next heading; between them only loggers may print."""
    rows = []
    for given, line in lines:
        row = _ROW.fullmatch(line)
        if _SECTION.fullmatch(line):
            break
        if row:
            rows.append(row)
        elif (
            line.strip() and not _HEAD.fullmatch(line) and not reading.is_logged(given)
        ):
            raise reading.torn(given)
    return rows


def _executed(lines: Sequence[str], start: int) -> int | None:
    for line in lines[start:]:
        found = _EXECUTED.fullmatch(line.strip())
        if found:
            return int(found[1])
    return None
