"""What can go wrong in a benchmark, in one tree that callers can catch.

```
BenchmarkError
├── DeviceError   the device: none, unauthorised, gone, no space, another ABI
├── RunnerError   the program on it: crashed, ran out of time, left no result
└── ParseError    output in a form that is not known
```
"""

from __future__ import annotations


class BenchmarkError(Exception):
    """A benchmark that could not be run, or whose output could not be read."""


class DeviceError(BenchmarkError):
    """No device, one that refuses or is gone, has no space, or has another ABI."""


class RunnerError(BenchmarkError):
    """A program that crashed, did not end in time, or left no result."""


class ParseError(BenchmarkError):
    """Output of a tool in a form that is not known."""
