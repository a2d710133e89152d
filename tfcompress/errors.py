"""Every exception the toolkit raises on purpose.

The tree::

    TfCompressError
      + ModelError               a model that cannot be loaded, traced or trained
      + PlanError                a pruning plan does not fit the model
      + BudgetError              no plan meets the requested budget
      + DataError                a data set is missing, broken or does not fit
      + TrainingError            training cannot start or has diverged
      + ConversionError          TFLite conversion failed
      + TfliteFileError          a .tflite file is malformed or cannot run
      + ParityError              two models disagree beyond the tolerance
      + ConfigError              a setting is unknown or out of range
      + OutputError              a result cannot be written
      |   + LockedError             another process owns the run directory
      + BenchmarkError           a benchmark could not be run or read

A message has three parts: what is wrong (with the layer or file named), what was
received and expected, and what to do.  A wrong argument of a Python call is a plain
``ValueError`` or ``TypeError``, not one of these.
"""

from __future__ import annotations


class TfCompressError(Exception):
    """Base class, so that callers and the CLI can catch every toolkit error."""


class ModelError(TfCompressError):
    """A model that cannot be loaded, traced or trained."""


class PlanError(TfCompressError):
    """A pruning plan that does not fit the model it is applied to."""


class BudgetError(TfCompressError):
    """No plan meets the requested budget."""


class DataError(TfCompressError):
    """A data set that is missing, broken, or does not fit the model."""


class TrainingError(TfCompressError):
    """Training cannot start, or its loss or weights are no longer finite."""


class ConversionError(TfCompressError):
    """TFLite conversion failed."""


class TfliteFileError(TfCompressError):
    """A .tflite file that is malformed or cannot run here."""


class ParityError(TfCompressError):
    """Two models disagree by more than the allowed tolerance."""


class ConfigError(TfCompressError):
    """A setting is unknown, of the wrong type, or out of its range."""


class OutputError(TfCompressError):
    """A result cannot be written."""


class LockedError(OutputError):
    """Another process owns the run directory."""


class BenchmarkError(TfCompressError):
    """A benchmark that could not be run, or whose output could not be read."""
