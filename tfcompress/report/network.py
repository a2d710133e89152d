"""What happened to the network: channels kept, surgery, scales, training curves."""

from __future__ import annotations

import dataclasses

from tfcompress.report.reading import Reader
from tfcompress.report.records import Run, Stage


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupChannels:
    """The channels of one group over the whole run."""

    group: str
    layers: tuple[str, ...]
    before: int
    after: int

    @property
    def kept(self) -> float:
        """The share of channels that is left."""
        return self.after / self.before if self.before else 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fold:
    """Constants of removed channels that went into the layer that reads them.

    The numbers count channels: folded exactly, folded exactly only away from padded
    borders, and lost because there was no place for them.
    """

    layer: str
    into: str
    exact: int
    interior: int
    lost: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surgery:
    """What one stage's cut did beside removing channels."""

    stage: str
    pinned: tuple[tuple[str, str], ...]  # (layer, reason)
    unknown: tuple[tuple[str, str], ...]  # (layer without a channel rule, its class)
    folds: tuple[Fold, ...]
    notes: tuple[str, ...]

    @property
    def pinned_by_reason(self) -> dict[str, list[str]]:
        """The layers that were kept whole, under each reason."""
        found: dict[str, list[str]] = {}
        for layer, reason in self.pinned:
            found.setdefault(reason or "no reason recorded", []).append(layer)
        return found

    @property
    def fold_sentence(self) -> str:
        """What became of the constants, in numbers of channels."""
        parts = {
            "folded exactly": sum(fold.exact for fold in self.folds),
            "folded exactly away from padded borders": sum(
                fold.interior for fold in self.folds
            ),
            "lost": sum(fold.lost for fold in self.folds),
        }
        return ", ".join(f"{number} {how}" for how, number in parts.items() if number)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Histogram:
    """The distribution of the BatchNorm scales after one epoch."""

    label: str
    edges: tuple[float, ...]
    counts: tuple[float, ...]
    near_zero: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """One quantity over the epochs of one stage, on training and held-out data."""

    stage: str
    name: str
    train: tuple[float | None, ...]
    validation: tuple[float | None, ...]


def channels(run: Run) -> list[GroupChannels]:
    """Return the channels per group, before the first cut and after the last."""
    first: dict[str, GroupChannels] = {}
    for stage in run.stages:
        own = stage.record.items("channels")
        for reader in own or stage.record.inside("surgery").items("channels"):
            name = reader.text("group", "name") or "unnamed"
            before, after = reader.count("before"), reader.count("after")
            if after > before:
                reader.refuse("after", after, f"at most before={before}")
            first[name] = GroupChannels(
                group=name,
                layers=tuple(reader.texts("layers")),
                before=first[name].before if name in first else before,
                after=after,
            )
    return list(first.values())


def surgeries(run: Run) -> list[Surgery]:
    """Return the notes of every cut that says more than how many channels it took."""
    notes = [_surgery(stage) for stage in run.stages]
    return [note for note in notes if note]


def histograms(stage: Stage) -> list[Histogram]:
    """Return the scale histograms of one stage's training, in order."""
    found = []
    for index, reader in enumerate(stage.record.items("scales")):
        edges, counts = reader.numbers("edges"), reader.numbers("counts")
        if len(edges) != len(counts) + 1 or None in edges or None in counts:
            reader.refuse(
                "edges", reader.values.get("edges"), "finite, one longer than counts"
            )
        epoch, lap = reader.number("epoch"), reader.number("pass")
        label = f"epoch {index if epoch is None else int(epoch)}"
        found.append(
            Histogram(
                label=label if lap is None else f"pass {int(lap)}, {label}",
                edges=tuple(edge for edge in edges if edge is not None),
                counts=tuple(count for count in counts if count is not None),
                near_zero=reader.number("near_zero"),
            )
        )
    return found


def curves(stage: Stage) -> list[Curve]:
    """Return the training curves of one stage, in the order of its history.

    Learning rates are no result, and a constant says nothing: both are left out.
    """
    history = stage.record.inside("history")
    names = dict.fromkeys(name.removeprefix("val_") for name in history.values)
    found = []
    for name in names:
        if name in ("learning_rate", "lr"):
            continue
        train = tuple(history.numbers(name))
        held_out = tuple(history.numbers(f"val_{name}"))
        if len([v for v in (*train, *held_out) if v is not None]) >= 2:
            found.append(
                Curve(stage=stage.name, name=name, train=train, validation=held_out)
            )
    return found


def _surgery(stage: Stage) -> Surgery | None:
    reader = stage.record.inside("surgery")
    if not reader.values:
        return None
    return Surgery(
        stage=stage.name,
        pinned=_texts_by_name(reader.inside("pinned")),
        unknown=_texts_by_name(reader.inside("unknown")),
        folds=tuple(_fold(item) for item in reader.items("folded")),
        notes=tuple(reader.texts("notes")),
    )


def _texts_by_name(reader: Reader) -> tuple[tuple[str, str], ...]:
    return tuple((name, reader.text(name) or "") for name in reader.values)


def _fold(reader: Reader) -> Fold:
    return Fold(
        layer=reader.text("layer") or "unnamed",
        into=(reader.text("into") or "").replace("_", " "),
        exact=reader.count("exact"),
        interior=reader.count("interior"),
        lost=reader.count("lost"),
    )
