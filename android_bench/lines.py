"""The lines of a tool's output, with what other programs print between them.

A wrong number is worse than an error, so these rules hold in all readers:

1. A last line without its line feed is torn and left out.
2. What a logger puts before a message is taken off; the rest must match as a whole.
3. A line that has a reader's key word without matching is torn: an error.
4. So is a line that holds nothing but (the end of) a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from android_bench.errors import ParseError

NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?"

_LOGCAT = (
    r"(?:\d\d-\d\d \d\d:\d\d:\d\d\.\d+ +\d+ +\d+ [VDIWEF] [^:]*?: ?"  # threadtime
    r"|[VDIWEF]/[^(:]*\( *\d+\): ?"  # brief
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.\d]* [A-Z]+ [\w.]+: )"  # Python's logging
)
_LEVEL = r"(?:INFO|WARN|WARNING|ERROR|VERBOSE|DEBUG): "
_SOURCE = r"\[[\w./+-]+:\d+\] "
_PREFIX = re.compile(f"(?:{_LOGCAT})?(?:{_LEVEL})?(?:{_SOURCE})?")
_LOGGED = re.compile(f"(?:{_LOGCAT}|{_LEVEL}|{_SOURCE}|[IWEF]\\d{{4}} )")
# The tail of a figure that was cut by another program's line.
_FRAGMENT = re.compile(
    r"(?:[0-9.]+(?:[eE][+-]?[0-9]*)?|[eE][+-]?[0-9]+|[+-][0-9]+)\s*"
    r"(?:ms|\(?all same\)|\((?:\d+ runs)?\))?[\s.]*"
)


def whole_lines(text: str) -> list[str]:
    r"""Return the lines without their loggers' prefixes.

    Raises:
        ParseError: If a line is only a piece of a number.

    Example:
        >>> whole_lines("INFO: [a.h:94] Model initialization: 45.32 ms\ncut he")
        ['Model initialization: 45.32 ms']
    """
    *whole, _ = text.replace("\r\n", "\n").split("\n")
    lines = []
    for line in whole:
        stripped = bare(line)
        if _FRAGMENT.fullmatch(line.strip()):
            raise torn(line)
        lines.append(stripped)
    return lines


def bare(line: str) -> str:
    """Take off what a logger puts before a message, and spaces after it."""
    found = _PREFIX.match(line)
    return line[found.end() if found else 0 :].rstrip()


def is_logged(line: str) -> bool:
    """Whether a line begins as a logger's does."""
    return bool(_LOGGED.match(line))


def figures(
    lines: Iterable[str], key: str, pattern: re.Pattern[str]
) -> list[re.Match[str]]:
    """Return the matches of the lines that have a key word.

    Args:
        lines: As `whole_lines` returns them.
        key: A regular expression: such a line is one of ours.
        pattern: What the whole line has to be.

    Raises:
        ParseError: If a line has the key word, but is not whole.
    """
    found = []
    for line in lines:
        if not re.search(key, line):
            continue
        match = pattern.fullmatch(line)
        if match is None:
            raise torn(line)
        found.append(match)
    return found


def same(matches: Iterable[re.Match[str]], what: str) -> re.Match[str] | None:
    """Return the one match; the same line may come twice, by stdout and by logcat.

    Raises:
        ParseError: If two of them differ: the output is of two runs.
    """
    distinct = {match.group(0): match for match in matches}
    if len(distinct) > 1:
        raise ParseError(
            f"The output has two different lines of {what}. Received: "
            f"{' | '.join(distinct)}. Keep the output of one run apart from another's."
        )
    return next(iter(distinct.values()), None)


def resolution(number: str) -> float:
    """Return half a unit of the last digit that is printed.

    Example:
        >>> resolution("1.01e+03"), resolution("26"), resolution("1.5")
        (5.0, 0.5, 0.05)
    """
    mantissa, _, exponent = number.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return 0.5 * 10.0 ** (int(exponent or 0) - decimals)


def torn(line: str) -> ParseError:
    """Return the error for a line that another program has cut."""
    return ParseError(
        f"A line of the runner's output is torn. Received: {line.strip()[:120]!r}. "
        "Measure again, with stdout and the log kept apart."
    )
