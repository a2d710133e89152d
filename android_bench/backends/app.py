"""Our Android app on a device: what an app's users get, on the CPU or the GPU."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from collections.abc import Sequence

from android_bench import app_runner, parse
from android_bench.backends.base import Answer, RunRequest
from android_bench.transport import Transport


@dataclasses.dataclass(frozen=True, kw_only=True)
class AppBackend:
    """The app of `android_bench/app`; see `app_runner`.

    Args:
        apk: Its build, which is installed if the device has another one or none;
            None: the one that is installed.
        storage: The app's external files folder on the device.
    """

    apk: pathlib.Path | None = None
    storage: str = app_runner.STORAGE
    name = "app"
    delegates: Sequence[str] = app_runner.DELEGATES
    writes_outputs = True
    pins = False  # the shell may not move another user's process

    def measure(self, transport: Transport, request: RunRequest) -> Answer:
        """Measure once; see `app_runner.run_app`."""
        with tempfile.TemporaryDirectory() as folder:
            answer = app_runner.run_app(
                transport,
                request,
                apk=self.apk,
                output_folder=pathlib.Path(folder) if request.write_outputs else None,
                storage=self.storage,
            )
            outputs = {file.name: file.read_bytes() for file in answer.outputs}
        problem = (answer.agreement or {}).get("problem")
        return Answer(
            parsed=parse.read_native(answer.content),
            argv=answer.argv,
            outputs=outputs,
            notes=(f"in the app, {problem}",) if problem else (),
        )
