"""A phone as `app_runner` sees it: a transport that answers am, pm and the like."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib

from android_bench.app_install import PACKAGE
from android_bench.app_runner import COMPONENT, STORAGE
from android_bench.errors import RunnerError


@dataclasses.dataclass(frozen=True)
class Result:
    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""


def run_record(**changes):
    """One run as the app writes it."""
    return {
        "schema": 1,
        "runner": "tfcompress-app",
        "library_version": "LiteRT 2.3.0",
        "model": "0123.tflite",
        "delegate_asked": "gpu",
        "precision": "fp16",
        "delegate_applied": "partial",
        "delegated_ops": 7,
        "total_ops": 9,
        "refused_ops": ["TOPK_V2: no"],
        "init_ms": 30.5,
        "first_ms": 9,
        "samples_ms": [2, 3.5, 3],
        "stable": True,
        "peak_memory_bytes": 90000000,
        "op_profile": [],
        "inputs": [],
        "outputs": [{"name": "y", "type": "int8", "shape": [1, 3]}],
        "agreement": {"agrees": True, "difference": 0.01, "tolerance": 0.05},
        "error": None,
    } | changes


def record(*runs, **changes):
    """A finished record."""
    return {
        "schema": 1,
        "runner": "tfcompress-app",
        "app_version": "0.1.0",
        "device": {"model": "Make Model", "soc": "X1"},
        "runs": list(runs),
        "running": None,
        "finished": True,
        "error": None,
    } | changes


class FakePhone:
    """Keeps files by their path; `am` writes the record that a test gave it.

    Args:
        record: What the app leaves behind; bytes as they are, None: nothing.
        waits: Exit code of waiting: 0 there, 3 the app is gone, 4 too late.
    """

    serial, where = "PHONE1", "device"
    folder = "/data/local/tmp/tfcompress"

    def __init__(self, record=None, *, waits=0):
        self.files = {}
        self.calls = []
        self.record, self.waits = record, waits
        self.answers = {}  # first words of a command -> Result
        self.options = {}

    def install(self, content):
        self.files["/data/app/base.apk"] = content

    def push(self, source, name, *, executable=False):
        del executable
        remote = f"{self.folder}/{name}"
        self.files[remote] = pathlib.Path(source).read_bytes()
        return remote

    def pull(self, remote, target):
        if remote not in self.files:
            raise RunnerError(f"There is no such file. Received: {remote}.")
        pathlib.Path(target).write_bytes(self.files[remote])

    def remove(self, remote):
        self.files.pop(remote, None)

    def getprop(self, name):
        del name
        return ""

    def cancel(self):
        raise NotImplementedError

    def shell(self, argv, *, env=None, timeout_s=60.0):
        del env
        self.calls.append((list(argv), timeout_s))
        text = " ".join(argv)
        for start, answer in self.answers.items():
            if text.startswith(start):
                return answer
        known = {
            "pm": self._pm,
            "sha256sum": self._hash,
            "am": self._am,
            "sh": self._wait,
        }
        return known.get(argv[0], lambda _: Result())(list(argv))

    def words(self, *start):
        """Return the calls that start with these words."""
        return [argv for argv, _ in self.calls if argv[: len(start)] == list(start)]

    def _pm(self, argv):
        if argv[1] == "path":
            found = "/data/app/base.apk" in self.files
            return Result(0 if found else 1, "package:/data/app/base.apk\n" * found)
        self.install(self.files[argv[-1]])
        return Result(stdout="Success\n")

    def _hash(self, argv):
        return Result(stdout=f"{hashlib.sha256(self.files[argv[1]]).hexdigest()}  x\n")

    def _am(self, argv):
        if argv[1] != "start":
            assert argv[1:] == ["force-stop", PACKAGE]
            return Result()
        assert argv[: argv.index("--es")] == [
            "am",
            "start",
            "-S",
            "-W",
            "-n",
            COMPONENT,
        ]
        words = argv[argv.index("--es") :]
        self.options = dict(zip(words[1::3], words[2::3], strict=True))
        content = self.record
        if content is not None and not isinstance(content, bytes):
            content = json.dumps(content).encode()
        if content is not None:
            self.files[f"{STORAGE}/{self.options['output']}"] = content
        return Result(stdout="Starting: Intent { ... }\nStatus: ok\n")

    def _wait(self, argv):
        assert argv[-2] == f"{STORAGE}/{self.options['output']}"
        return Result(self.waits)
