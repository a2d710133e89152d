"""How much each layer loses when it alone is quantized, as a stage recorded it.

``details.sensitivity`` of a stage of that name, or ``details.mixed``, of a conversion
or such a stage that chose a precision for each layer.
"""

from __future__ import annotations

import dataclasses

from tfcompress.report import formats
from tfcompress.report.reading import Reader
from tfcompress.report.records import Run, Stage


@dataclasses.dataclass(frozen=True, kw_only=True)
class SensitiveLayer:
    """One layer.

    Attributes:
        layer: Its name.
        snr_db: The outputs' power over that of their change, with it alone quantized.
        kl: Divergence of the class probabilities, in nats.
        drop: Loss of the metric.
        precision: What was chosen for it; None where nothing was chosen.
        raised: Whether that is more than the others got.
    """

    layer: str
    snr_db: float
    kl: float | None
    drop: float | None
    precision: str | None
    raised: bool

    @property
    def change(self) -> float:
        """Change of the outputs as a share of their size: the length of its bar."""
        return float(10 ** (-self.snr_db / 20))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerStudy:
    """The layers of one stage, the most sensitive first.

    Attributes:
        stage: Name of the stage.
        precision: What each layer was quantized to.
        num_examples: Held-out examples that were looked at.
        layers: The layers.
        choice: What the chosen precisions came to, in a sentence; empty without any.
    """

    stage: str
    precision: str
    num_examples: int | None
    layers: tuple[SensitiveLayer, ...]
    choice: str

    @property
    def widest(self) -> float:
        """The length of the longest bar."""
        return max((layer.change for layer in self.layers), default=0.0)


def layer_studies(run: Run) -> list[LayerStudy]:
    """Return what the stages of a run found out about the layers."""
    found = (_study(stage) for stage in run.stages)
    return [study for study in found if study is not None]


def _study(stage: Stage) -> LayerStudy | None:
    mixed = stage.details.inside("mixed")
    reader = mixed.inside("sensitivity")
    if not reader.values:
        reader = stage.details.inside("sensitivity")
    if not reader.values:
        return None
    chosen = mixed.inside("precision")
    examples = reader.number("num_examples")
    raised = set(mixed.texts("raised"))
    return LayerStudy(
        stage=stage.name,
        precision=reader.text("precision") or "",
        num_examples=None if examples is None else int(examples),
        layers=tuple(_layer(item, chosen, raised) for item in reader.items("layers")),
        choice=_sentence(mixed, len(raised)) if mixed.values else "",
    )


def _layer(reader: Reader, chosen: Reader, raised: set[str]) -> SensitiveLayer:
    name = reader.text("layer") or "unnamed"
    snr = reader.number("snr_db")
    return SensitiveLayer(
        layer=name,
        snr_db=200.0 if snr is None else snr,
        kl=reader.number("kl"),
        drop=reader.number("drop"),
        precision=chosen.text(name) if name in chosen.values else None,
        raised=name in raised,
    )


def _sentence(mixed: Reader, raised: int) -> str:
    metric = (mixed.text("metric") or "metric").replace("_", " ")
    drop, size = mixed.number("drop"), mixed.number("size_bytes")
    layers = "1 layer keeps" if raised == 1 else f"{raised} layers keep"
    parts = [f"{layers} a higher precision"]
    if drop is not None:
        change = formats.difference(-drop, fraction=False)
        parts.append(f"{metric} on held-out data {change}")
    if size is not None:
        parts.append(f"{size:,.0f} bytes of weights")
    return "; ".join(parts) + "."
