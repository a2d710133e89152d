"""What can go wrong in a benchmark.

The tree::

    BenchmarkError         a benchmark that could not be run, or read
      + DeviceError        the device: unauthorised, gone, full, of another ABI
      |   + NoDeviceError  none is attached, or not the one that was asked for
      + RunnerError        the runner crashed, hung, or refused the file
      |   + StoppedError   this side ended it: too slow, cancelled, too much output
      + ParseError         the runner's output is torn, contradicts itself or is unknown
      + DownloadError      a runner could not be fetched, or is not the one expected
"""

from __future__ import annotations


class BenchmarkError(Exception):
    """A benchmark that could not be run, or whose output could not be read."""


class DeviceError(BenchmarkError):
    """A device that cannot be used: unauthorised, gone, full, or of another ABI."""


class NoDeviceError(DeviceError):
    """No device is attached, or not the one that was asked for."""


class RunnerError(BenchmarkError):
    """A runner that crashed, hung, or could not run the file."""


class StoppedError(RunnerError):
    """A program that this side ended; `why` says what for, in a few words."""

    def __init__(self, message: str, *, why: str) -> None:
        super().__init__(message)
        self.why = why


class ParseError(BenchmarkError):
    """Output that is torn, contradicts itself, or is of an unknown format."""


class DownloadError(BenchmarkError):
    """A runner that could not be fetched, or is not the expected one."""
