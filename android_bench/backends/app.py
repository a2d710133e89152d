"""The Android app as a backend: what users get, which differs from a shell's figure."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from typing import cast

from android_bench import app_runner, parse
from android_bench.backends.base import Answer, RunRequest
from android_bench.transport import Transport


@dataclasses.dataclass(frozen=True, kw_only=True)
class AppBackend:
    """Measures inside the app, through `android_bench.app_runner`.

    Args:
        apk: The app's build, to install; None: the app that is installed.
    """

    apk: pathlib.Path | None = None
    name = "app"
    delegates = app_runner.DELEGATES
    writes_outputs = True

    def measure(self, transport: Transport, request: RunRequest) -> Answer:
        """Measure once."""
        asked = dataclasses.replace(request, fp16=bool(request.fp16))
        with tempfile.TemporaryDirectory() as folder:
            answer = app_runner.run_app(
                transport,
                cast("app_runner.Request", asked),  # whose fp16 is set now
                apk=self.apk,
                output_folder=pathlib.Path(folder) if request.write_outputs else None,
                timeout_s=request.timeout_s,
            )
            outputs = {path.name: path.read_bytes() for path in answer.outputs}
        return Answer(
            parsed=parse.read_native(answer.content),
            argv=("am", "start", "-n", app_runner.COMPONENT),
            outputs=outputs,
        )
