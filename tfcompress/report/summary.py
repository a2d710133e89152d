"""Before and after: what the run gained, in one table and one sentence.

"Before" is the `original` record; its size and latency are those of its plain float32
`.tflite` file, so that files are compared with files.  "After" is the last model of the
run and the last `.tflite` file that was converted.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from tfcompress.report import formats
from tfcompress.report.files_made import (
    TfliteFile,
    belongs_to,
    original_file,
    tflite_files,
)
from tfcompress.report.parity import read_parity
from tfcompress.report.records import Run, Score, Stage

Unit = Literal["fraction", "value", "count", "bytes", "ms"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quantity:
    """One row of the summary: the same thing measured before and after."""

    key: str
    label: str
    unit: Unit
    before: float | None
    after: float | None
    higher_is_better: bool = False
    note: str = ""  # what exactly was measured

    @property
    def before_text(self) -> str:
        """The value before, with its unit."""
        return self._text(self.before)

    @property
    def after_text(self) -> str:
        """The value after, with its unit."""
        return self._text(self.after)

    @property
    def change_text(self) -> str:
        """The change: points of a score, a factor of everything else."""
        if self.before is None or self.after is None:
            return formats.NOTHING
        if self.unit in ("fraction", "value"):
            delta = self.after - self.before
            return formats.difference(delta, fraction=self.unit == "fraction")
        text = formats.factor(self.before, self.after)
        if self.unit == "ms":
            text = text.replace("smaller", "faster").replace("larger", "slower")
        return text

    @property
    def share(self) -> float | None:
        """What is left of the value before, where that makes sense."""
        if self.unit in ("fraction", "value") or not self.before or self.after is None:
            return None
        return self.after / self.before

    @property
    def trend(self) -> Literal["better", "worse", "same", "unknown"]:
        """Whether the change is a gain."""
        if self.before is None or self.after is None:
            return "unknown"
        margin = 0.0005 if self.unit == "fraction" else 0.005 * abs(self.before)
        delta = self.after - self.before
        if abs(delta) <= margin:
            return "same"
        return "better" if (delta > 0) == self.higher_is_better else "worse"

    def _text(self, value: float | None) -> str:
        if self.unit in ("fraction", "value"):
            return formats.score(value, fraction=self.unit == "fraction")
        writers = {
            "count": formats.count,
            "bytes": formats.size,
            "ms": formats.milliseconds,
        }
        return writers[self.unit](value)


def summarise(run: Run) -> list[Quantity]:
    """Return the rows of the summary; a row with neither value is left out."""
    original = next(iter(run.find("original")), None)
    rows = [
        *_scores(run, original),
        *_costs(run, original),
        *_file_rows(original_file(original), result_file(run)),
    ]
    return [row for row in rows if row.before is not None or row.after is not None]


def result_file(run: Run) -> TfliteFile | None:
    """Return the run's result: the last file that was verified, else the last one."""
    made = tflite_files(run)
    for stage in reversed(run.stages):
        convert = belongs_to(run, stage) if read_parity(stage) else None
        for file in made:
            if convert is not None and file.stage == convert.name:
                return file
    return made[-1] if made else None


def _final_score(run: Run) -> tuple[Score | None, str, str]:
    """Return the score of the result, the part of the data, and what was scored.

    The `.tflite` file counts if it was verified, else the last Keras model evaluated.
    """
    later = [stage for stage in run.stages if stage.kind != "original"]
    for split in ("test", "validation"):
        for stage in reversed(later):
            parity = read_parity(stage)
            if parity and parity.tflite and parity.split == split:
                return parity.tflite, split, ".tflite"
            score: Score | None = getattr(stage, split)
            if score is not None:
                is_file = stage.kind == "convert"
                return score, split, ".tflite" if is_file else "Keras model"
    return None, "test", ""


def _scores(run: Run, original: Stage | None) -> list[Quantity]:
    after, split, scored = _final_score(run)
    before: Score | None = getattr(original, split, None)
    if after is None and original is not None:
        before = original.test or original.validation
        split = "test" if original.test else "validation"
    rows = [_score_row("score", split, before, after, scored)]
    named = (after or before or Score(metric="", value=None)).outputs
    for name in named if len(named) > 1 else ():
        old = before.outputs.get(name) if before else None
        new = after.outputs.get(name) if after else None
        rows.append(_score_row(f"score:{name}", f"{name}, {split}", old, new))
    rows.append(_worst_row(split, before, after))
    return [row for row in rows if row]


def _score_row(
    key: str, part: str, before: Score | None, after: Score | None, scored: str = ""
) -> Quantity | None:
    either = after or before
    if either is None:
        return None
    if before is not None and before.metric != either.metric:
        before = None  # not comparable
    first = before.value if before else None
    last = after.value if after else None
    fraction = formats.is_fraction(either.metric, first, last)
    return Quantity(
        key=key,
        label=f"{either.metric.replace('_', ' ')} ({part})",
        unit="fraction" if fraction else "value",
        before=first,
        after=last,
        higher_is_better=either.higher_is_better,
        note=", ".join(filter(None, [scored, _examples(either)])),
    )


def _examples(score: Score) -> str:
    return f"{score.num_examples:,} examples" if score.num_examples else ""


def _worst_row(
    split: str, before: Score | None, after: Score | None
) -> Quantity | None:
    first = before.worst_recall if before else None
    last = after.worst_recall if after else None
    if first is None and last is None:
        return None
    return Quantity(
        key="worst_class",
        label=f"worst class recall ({split})",
        unit="fraction",
        before=first,
        after=last,
        higher_is_better=True,
        note=_classes(before, after),
    )


def _classes(before: Score | None, after: Score | None) -> str:
    names = [score.worst_class for score in (before, after) if score]
    kept = [name for name in names if name]
    return " \N{RIGHTWARDS ARROW} ".join(dict.fromkeys(kept))


def _costs(run: Run, original: Stage | None) -> list[Quantity]:
    later = [s for s in run.stages if s.kind != "original" and s.macs is not None]
    last = later[-1] if later else None
    return [
        Quantity(
            key=key,
            label=label,
            unit="count",
            before=getattr(original, key, None),
            after=getattr(last, key, None),
            note=note,
        )
        for key, label, note in (
            ("macs", "MACs", "multiply-accumulates for one input"),
            ("params", "parameters", ""),
        )
    ]


def _file_rows(before: TfliteFile | None, after: TfliteFile | None) -> list[Quantity]:
    recipes = [file.recipe for file in (before, after) if file and file.recipe]
    named = " \N{RIGHTWARDS ARROW} ".join(dict.fromkeys(recipes))
    sizes = [
        Quantity(
            key=key,
            label=label,
            unit="bytes",
            before=getattr(before, key, None),
            after=getattr(after, key, None),
            note=note,
        )
        for key, label, note in (
            ("file_bytes", ".tflite file", named),
            ("gzip_bytes", ".tflite file, gzip", "as in an app's download"),
        )
    ]
    return [*sizes, _latency_row(before, after)]


def _latency_row(before: TfliteFile | None, after: TfliteFile | None) -> Quantity:
    """Compare only what was measured at the same place with as many threads."""
    new = after.latency if after else None
    old = before.latency if before else None
    if before is not None and new is not None:
        old = before.latency_like(new)
    shown = new or old
    return Quantity(
        key="latency_ms",
        label=shown.label if shown else "latency",
        unit="ms",
        before=old.p50_ms if old else None,
        after=new.p50_ms if new else None,
        note=shown.note if shown else "",
    )
