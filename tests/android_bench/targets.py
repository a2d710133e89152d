"""A transport and a backend without a device, for the tests of measuring."""

from __future__ import annotations

import collections
import threading

from android_bench.backends import Answer
from android_bench.errors import BenchmarkError, RunnerError
from android_bench.parsed import Parsed, Taken, TensorFile
from android_bench.transport import ShellResult

Call = collections.namedtuple("Call", "transport request count")


class FakeTransport:
    """Answers shell commands from a table; keeps what was asked."""

    folder = "/data/local/tmp/tfcompress"

    def __init__(self, *, serial="phone-1", where="device", props=None, says=None):
        self.serial = serial
        self.where = where
        self.props = props or {}
        self.says = says or {}
        self.files = {}
        self.pushed = []
        self.calls = []
        self.settings = []
        self.removed = []
        self.cancelled = threading.Event()

    def push(self, source, name, *, executable=False):
        self.pushed.append((source, name, executable))
        return f"{self.folder}/{name}"

    def pull(self, remote, target):
        name = remote.rpartition("/")[2]
        if name not in self.files:
            raise RunnerError(f"There is no such file. Received: {remote}. Look.")
        target.write_bytes(self.files[name])

    def shell(self, argv, **settings):
        self.calls.append(list(argv))
        self.settings.append(settings)
        for word, answer in self.says.items():
            if any(word in part for part in argv):
                return answer(argv) if callable(answer) else answer
        return said()

    def getprop(self, name):
        return self.props.get(name, "")

    def remove(self, remote):
        self.removed.append(remote)

    def cancel(self):
        self.cancelled.set()


def said(stdout="", stderr="", exit_code=0):
    return ShellResult(exit_code=exit_code, stdout=stdout, stderr=stderr)


class FakeBackend:
    """Gives latencies of a function, and the outputs that it is told to."""

    name = "fake"
    delegates = ("cpu", "gpu")

    def __init__(self, latency, *, outputs=None, taken=None, software=False):
        self.latency = latency
        self.given = outputs or {}
        self.taken = taken or Taken(applied="full", delegated_ops=9, total_ops=9)
        self.software = software
        self.requests = []

    @property
    def writes_outputs(self):
        return bool(self.given)

    def measure(self, transport, request):
        self.requests.append(request)
        value = self.latency(Call(transport, request, len(self.requests)))
        if isinstance(value, BenchmarkError):
            raise value
        gpu = request.delegate == "gpu"
        outputs = {"y.bin": self.given[request.delegate]} if self.given else {}
        tensor = TensorFile(name="y", dtype="float32", shape=(1, 4), file="y.bin")
        return Answer(
            parsed=Parsed(
                num_runs=3,
                samples_ms=(value, value, value),
                mean_ms=value,
                p50_ms=value,
                stable=True,
                init_ms=1.0,
                first_ms=2.0,
                peak_memory_bytes=1000,
                taken=self.taken if gpu else Taken(applied="none"),
                gpu="SwiftShader" if self.software and gpu else None,
                software_gpu=self.software and gpu,
                outputs=(tensor,),
                version="2.3.0",
            ),
            argv=("runner", "--model", request.model.name),
            outputs=outputs,
        )
