"""The parity check: does the `.tflite` file agree with the Keras model?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tfcompress.report import formats
from tfcompress.report.reading import Reader
from tfcompress.report.records import Score, Stage

AT_LEAST, AT_MOST = "\N{GREATER-THAN OR EQUAL TO}", "\N{LESS-THAN OR EQUAL TO}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerError:
    """How much quantization disturbs one layer; a low SNR is bad."""

    layer: str
    snr_db: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
    """The comparison of one `.tflite` file with its Keras model."""

    stage: str
    of: str | None  # the `convert` stage of the file; None where there is no doubt
    passed: bool
    split: str
    keras: Score | None
    tflite: Score | None
    drop: float | None  # in the metric's unit; positive: the file is worse
    max_drop: float | None
    agreement: float | None  # share of examples with the same top-1 class
    min_agreement: float | None
    snr_db: float | None
    num_examples: int | None
    per_class_drop: Mapping[str, float] = dataclasses.field(default_factory=dict)
    worst_layers: tuple[LayerError, ...] = ()
    reasons: tuple[str, ...] = ()
    drop_from_original: float | None = None
    max_drop_from_original: float | None = None
    broken: str | None = None  # the stage failed; why

    @property
    def failed(self) -> bool:
        """Whether the stage failed, by parity or by another limit."""
        return not self.passed or self.broken is not None

    @property
    def why(self) -> list[str]:
        """Every reason of a failure, each once."""
        found = list(self.reasons)
        if self.broken is not None and self.broken not in "; ".join(found):
            found.append(self.broken)
        return found

    @property
    def fraction(self) -> bool:
        """Whether the metric reads in percent."""
        either = self.tflite or self.keras
        values = [score.value for score in (self.keras, self.tflite) if score]
        return either is not None and formats.is_fraction(either.metric, *values)

    @property
    def class_changes(self) -> list[tuple[str, float]]:
        """Change of each class's recall, the greatest loss first."""
        changes = [(name, -drop) for name, drop in self.per_class_drop.items()]
        return sorted(changes, key=lambda item: item[1])

    @property
    def widest_change(self) -> float:
        """The length of the longest bar: at least one point, so that noise is small."""
        return max([0.01, *(abs(drop) for drop in self.per_class_drop.values())])

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """The table: what, measured, required."""
        either = self.tflite or self.keras
        metric = either.metric.replace("_", " ") if either else "metric"
        snr = formats.NOTHING if self.snr_db is None else f"{self.snr_db:.1f} dB"
        examples = f"{self.num_examples:,} ({self.split})" if self.num_examples else ""
        agreement = formats.percent(self.agreement, 2)
        least = self.min_agreement
        rows = [
            (f"{metric}, Keras model", self._value(self.keras), ""),
            (f"{metric}, .tflite", self._value(self.tflite), ""),
            ("change", self._change(self.drop), self._most(self.max_drop)),
            (
                "change from the original",
                self._change(self.drop_from_original),
                self._most(self.max_drop_from_original),
            ),
            (
                "top-1 agreement",
                agreement,
                f"{AT_LEAST} {formats.percent(least, 2)}" if least else "",
            ),
            ("signal to noise of the outputs", snr, ""),
            ("examples compared", examples or formats.NOTHING, ""),
        ]
        return [row for row in rows if row[1] != formats.NOTHING or row[2]]

    def _value(self, score: Score | None) -> str:
        return formats.score(score.value if score else None, fraction=self.fraction)

    def _change(self, drop: float | None) -> str:
        change = None if drop is None else self._sign * drop
        return formats.difference(change, fraction=self.fraction)

    def _most(self, limit: float | None) -> str:
        if limit is None:
            return ""
        sign = AT_LEAST if self._sign < 0 else AT_MOST
        return f"{sign} {self._change(limit)}"

    @property
    def _sign(self) -> int:
        """The direction in which a drop moves the metric."""
        either = self.tflite or self.keras
        return -1 if either is None or either.higher_is_better else 1


def read_parity(stage: Stage, *, of: str | None = None) -> Parity | None:
    """Read the parity report of a `verify` stage; ``None`` if it made none."""
    reader = stage.details.inside("parity")
    if not reader.values:
        return None
    passed = reader.flag("passed")
    if passed is None:
        reader.refuse("passed", None, "true or false")
    examples = reader.number("num_examples")
    keras, tflite = _score(reader, "keras"), _score(reader, "tflite")
    settings = Reader(stage.record.file, stage.config, "config")
    layers = reader.items("worst_layers")
    return Parity(
        stage=stage.name,
        of=of,
        passed=passed,
        split=reader.text("split") or "test",
        keras=keras,
        tflite=tflite,
        drop=_drop(reader.number("drop"), keras, tflite),
        max_drop=reader.number("max_drop"),
        agreement=reader.number("top1_agreement"),
        min_agreement=reader.number("min_agreement"),
        snr_db=reader.number("snr_db"),
        num_examples=None if examples is None else int(examples),
        per_class_drop=_by_name(reader.inside("per_class_drop")),
        worst_layers=tuple(_layer(item) for item in layers),
        reasons=tuple(reader.texts("reasons")),
        drop_from_original=stage.details.number("drop_from_original"),
        max_drop_from_original=settings.number("max_drop_from_original"),
        broken=_broken(stage),
    )


def _score(reader: Reader, name: str) -> Score | None:
    """Read one model's score: an evaluation, or a bare number beside `metric`."""
    value = reader.values.get(name)
    if not isinstance(value, int | float):
        return Score.read(reader.inside(name))
    metric = reader.text("metric") or "metric"
    up = reader.flag("higher_is_better")
    return Score(
        metric=metric,
        value=reader.number(name),
        higher_is_better=True if up is None else up,
    )


def _drop(
    drop: float | None, keras: Score | None, tflite: Score | None
) -> float | None:
    if drop is not None or keras is None or tflite is None:
        return drop
    if keras.value is None or tflite.value is None:
        return None
    worse = keras.value - tflite.value
    return worse if keras.higher_is_better else -worse


def _broken(stage: Stage) -> str | None:
    if stage.record.flag("passed") is not False:
        return None
    return stage.record.text("verdict") or "a limit was broken"


def _by_name(reader: Reader) -> dict[str, float]:
    values = {name: reader.number(name) for name in reader.values}
    return {name: float(value) for name, value in values.items() if value is not None}


def _layer(reader: Reader) -> LayerError:
    return LayerError(
        layer=reader.text("layer", "name", "tensor") or "unnamed",
        snr_db=reader.number("snr_db"),
    )
