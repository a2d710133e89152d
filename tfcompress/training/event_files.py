"""Write TensorBoard event files without TensorBoard being installed.

TensorFlow can write any summary; only the functions that name the plugin and lay out
its tensor (`tf.summary.scalar`, `tf.summary.histogram`) live in TensorBoard.  The two
layouts that we need are short.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Array = npt.NDArray[Any]


class EventFile:
    """An event file in a folder that TensorBoard reads.

    Args:
        log_dir: The folder; it is made with the first write.
    """

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        self._writer = tf.summary.create_file_writer(os.fspath(log_dir))

    def scalar(self, name: str, value: float, step: int) -> None:
        """Write one number."""
        self._write("scalars", name, np.float32(value), step)

    def histogram(self, name: str, values: Array, edges: Array, step: int) -> None:
        """Write a histogram of `values`; those beyond the last edge count as it."""
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        bars = np.stack([edges[:-1], edges[1:], counts], axis=1)
        self._write("histograms", name, bars.astype(np.float64), step)

    def flush(self) -> None:
        """Write what is buffered to the disk."""
        self._writer.flush()

    def _write(self, plugin: str, name: str, tensor: Any, step: int) -> None:
        metadata = tf.compat.v1.SummaryMetadata(
            plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin)
        )
        with self._writer.as_default():
            tf.summary.write(name, tensor, step=step, metadata=metadata)
