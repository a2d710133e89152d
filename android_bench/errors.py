"""What can go wrong in a benchmark, in one class that callers can catch."""

from __future__ import annotations


class BenchmarkError(Exception):
    """A benchmark that could not be run, or whose output could not be read."""
