"""How sparse the layers became, and which ones were left as they were."""

from __future__ import annotations

import dataclasses

from tfcompress.report import formats
from tfcompress.report.reading import Reader
from tfcompress.report.records import Run, Stage


@dataclasses.dataclass(frozen=True, kw_only=True)
class KernelZeros:
    """The zeros of one kernel."""

    name: str
    size: int
    zeros: int

    @property
    def sparsity(self) -> float:
        """The fraction of zeros."""
        return self.zeros / self.size if self.size else 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sparsity:
    """What one stage set to zero, and what it did not and why."""

    stage: str
    pattern: str
    teacher: bool
    kernels: tuple[KernelZeros, ...]
    skipped: tuple[tuple[str, str], ...]  # (layer, reason)

    @property
    def skipped_by_reason(self) -> dict[str, list[str]]:
        """The layers that were left out, under each reason."""
        found: dict[str, list[str]] = {}
        for layer, reason in self.skipped:
            found.setdefault(reason or "no reason recorded", []).append(layer)
        return found

    @property
    def summary(self) -> str:
        """What was set to zero, in a sentence or two."""
        zeros = sum(kernel.zeros for kernel in self.kernels)
        size = sum(kernel.size for kernel in self.kernels)
        share = formats.percent(zeros / size if size else 0.0)
        many = f"{len(self.kernels)} kernel{'s' if len(self.kernels) != 1 else ''}"
        taught = ", with a teacher" if self.teacher else ""
        return (
            f"{zeros:,} of {size:,} weights in {many} are zero ({share}; pattern "
            f"{self.pattern or 'unstructured'}{taught}). Zeros make the file compress "
            "better; whether it runs faster, only a measurement can say."
        )


def sparsities(run: Run) -> list[Sparsity]:
    """Return what each stage of a run that prunes single weights set to zero."""
    found = [_sparsity(stage) for stage in run.stages]
    return [item for item in found if item]


def _sparsity(stage: Stage) -> Sparsity | None:
    reader = stage.details.inside("sparsity")
    if not reader.values:
        return None
    skipped = reader.inside("skipped")
    return Sparsity(
        stage=stage.name,
        pattern=reader.text("pattern") or "",
        teacher=bool(reader.flag("teacher")),
        kernels=tuple(_kernel(item) for item in reader.items("kernels")),
        skipped=tuple((name, skipped.text(name) or "") for name in skipped.values),
    )


def _kernel(reader: Reader) -> KernelZeros:
    layer = reader.text("layer") or "unnamed"
    variable = reader.text("variable") or "kernel"
    size, zeros = reader.count("size"), reader.count("zeros")
    if zeros > size:
        reader.refuse("zeros", zeros, f"at most size={size}")
    name = layer if variable == "kernel" else f"{layer}/{variable}"
    return KernelZeros(name=name, size=size, zeros=zeros)
