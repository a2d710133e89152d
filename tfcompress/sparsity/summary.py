"""Watch the sparsity of a model grow while it trains."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from typing import Any

import keras
import numpy as np

from tfcompress.sparsity import fit_watcher, pruned_model, schedules
from tfcompress.training.event_files import EventFile
from tfcompress.training.following import follow_optimizer

Logs = MutableMapping[str, Any]


class PruningSummary(keras.callbacks.Callback):
    """Record the sparsity of each pruned kernel after every epoch.

    Each epoch adds ``sparsity`` to the logs, the fraction of zeros among all pruned
    weights. With `log_dir`, TensorBoard shows the sparsity of each kernel, of all, and
    the one that the schedule asks for. `fit` prunes without this callback, too.

    Args:
        log_dir: Folder for TensorBoard event files.

    Attributes:
        records: One dict per epoch: ``epoch`` (from 1), ``step``, ``target``,
            ``sparsity``, and ``kernels``, the sparsity by ``layer/variable``.

    Raises:
        ModelError: When training starts, if the model is not being pruned, its
            schedule is lost, or other weights were loaded over its zeros.
    """

    log_name = "sparsity"

    def __init__(self, *, log_dir: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []
        self._events = None if log_dir is None else EventFile(log_dir)

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002 - Keras passes it
        """Check that training can begin; the zeros follow the optimizer."""
        fit_watcher.check_ready(pruned_model.state_of(self.model), self.model)
        follow_optimizer(self.model)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Record, and add the sparsity to the logs."""
        record = self._measure(epoch + 1)
        self.records.append(record)
        if logs is not None:
            logs[self.log_name] = record["sparsity"]
        self._write(record)

    def get_state(self) -> dict[str, Any]:
        """Return the records, for a training that is resumed."""
        return {"records": self.records}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take the records of a training that is resumed."""
        self.records = [dict(record) for record in state["records"]]

    def _measure(self, epoch: int) -> dict[str, Any]:
        state = pruned_model.state_of(self.model)
        step = int(state.step.numpy())
        pairs = list(zip(state.kernels, state.variables_pruned, strict=True))
        zeros = {
            f"{kernel.layer}/{kernel.variable}": kernel.size
            - int(np.count_nonzero(variable.numpy()))
            for kernel, variable in pairs
        }
        sizes = [kernel.size for kernel, _ in pairs]
        fixed = isinstance(state.schedule, schedules.FixedMasks)
        target = None if fixed else float(state.schedule(max(0, step - 1))[1])
        return {
            "epoch": epoch,
            "step": step,
            "target": target,
            "sparsity": sum(zeros.values()) / sum(sizes),
            "kernels": {
                name: count / size
                for (name, count), size in zip(zeros.items(), sizes, strict=True)
            },
        }

    def _write(self, record: Mapping[str, Any]) -> None:
        if self._events is None:
            return
        step = record["step"]
        self._events.scalar("sparsity", record["sparsity"], step)
        if record["target"] is not None:
            self._events.scalar("sparsity/target", record["target"], step)
        for name, value in record["kernels"].items():
            self._events.scalar(f"sparsity/{name}", value, step)
        self._events.flush()
