"""The verdict: what was gained, in one sentence, and whether parity passed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from tfcompress.report import formats
from tfcompress.report.files_made import TfliteFile
from tfcompress.report.parity import Parity
from tfcompress.report.summary import Quantity

ParityState = Literal["passed", "failed", "not checked"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """The first thing that a reader sees."""

    gained: str
    parity: ParityState
    parity_sentence: str


def judge(
    summary: Sequence[Quantity],
    parity: Sequence[Parity],
    result: TfliteFile | None,
) -> Verdict:
    """Put the summary into one sentence and the parity checks into another."""
    rows = {row.key: row for row in summary}
    recipe = result.recipe if result else None
    parts = [_size(rows.get("file_bytes"), recipe), _cost(rows), _score(rows)]
    said = [part for part in parts if part]
    gained = _join(said) if said else "nothing was measured before and after"
    state, sentence = _parity(parity)
    return Verdict(
        gained=f"{gained[0].upper()}{gained[1:]}.",
        parity=state,
        parity_sentence=sentence,
    )


def _size(row: Quantity | None, recipe: str | None) -> str | None:
    if row is None or row.after is None:
        return None
    name = f"the {recipe} file" if recipe else "the .tflite file"
    if row.before is None:
        return f"{name} takes {row.after_text}"
    if row.change_text == "same":
        return f"{name} is as large as the float original ({row.after_text})"
    return (
        f"{name} is {row.change_text} than the float original "
        f"({row.after_text} instead of {row.before_text})"
    )


def _cost(rows: dict[str, Quantity]) -> str | None:
    row = rows.get("macs")
    if row is None or row.share is None:
        return None
    if row.change_text == "same":
        return "needs as many MACs"
    return f"needs {formats.percent(row.share, 0)} of the MACs"


def _score(rows: dict[str, Quantity]) -> str | None:
    row = rows.get("score")
    if row is None or row.after is None:
        return None
    reached = f"reaches {row.after_text} {row.label}"
    if row.before is None:
        return reached
    return f"{reached}, {row.change_text} from the original"


def _parity(parity: Sequence[Parity]) -> tuple[ParityState, str]:
    if not parity:
        return "not checked", "Parity was not checked: no file was verified."
    failed = [check for check in parity if check.failed]
    shown = failed[0] if failed else parity[-1]
    agrees = ""
    if shown.agreement is not None and shown.num_examples:
        agrees = (
            f": the file gives the Keras model's class on "
            f"{formats.percent(shown.agreement, 2)} of "
            f"{shown.num_examples:,} {shown.split} examples"
        )
    if not failed:
        return "passed", f"Parity passed{agrees}."
    if shown.passed:
        return "failed", f"Parity passed{agrees}. Another limit broke: {shown.broken}."
    why = f" ({'; '.join(shown.reasons)})" if shown.reasons else ""
    return "failed", f"Parity failed{agrees}{why}."


def _join(parts: Sequence[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
