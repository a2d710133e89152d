"""The files of a test device: /data/local/tmp, and Android's programs on its PATH."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Mapping

STORAGE = "/data/local/tmp"

_GETPROP = """\
#!/bin/sh
while IFS='=' read -r name value; do
  [ "$name" = "$1" ] && exec printf '%s\\n' "$value"
done < '{file}'
echo
"""
_MISSING = """\
#!/bin/sh
echo "sh: {name}: inaccessible or not found" >&2
exit 127
"""


class System:
    """A device's files, below one folder; commands really run here.

    Args:
        folder: Where they are; ``tmp`` in it is the device's /data/local/tmp.
        props: Android's properties.
        tools: Further programs, as shell text by name, such as ``dumpsys``.
        missing: Names of programs that the device lacks.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        props: Mapping[str, str],
        tools: Mapping[str, str],
        missing: tuple[str, ...],
    ) -> None:
        self.storage = folder / "tmp"
        self._bin = folder / "bin"
        for path in (self.storage, self._bin):
            path.mkdir(parents=True, exist_ok=True)
        values = folder / "props"
        values.write_text("".join(f"{key}={value}\n" for key, value in props.items()))
        self._install("getprop", _GETPROP.format(file=values))
        for name, text in tools.items():
            self._install(name, text)
        for name in missing:
            self._install(name, _MISSING.format(name=name))

    @property
    def env(self) -> dict[str, str]:
        """The environment of its commands."""
        return {
            "PATH": f"{self._bin}:/usr/bin:/bin",
            "HOME": str(self.storage),
            "TMPDIR": str(self.storage),
            "LANG": "C",
        }

    def locate(self, path: str) -> pathlib.Path:
        """Return the file here that is a path of the device."""
        if path == STORAGE or path.startswith(STORAGE + "/"):
            return self.storage / path.removeprefix(STORAGE).lstrip("/")
        return self.storage.parent / "root" / path.lstrip("/")

    def command(self, text: str) -> str:
        """Return a command with the device's paths changed into those here."""
        return text.replace(STORAGE, str(self.storage))

    def _install(self, name: str, text: str) -> None:
        path = self._bin / name
        path.write_text(text)
        path.chmod(0o755)


def android_shell() -> str:
    """Return mksh, which is Android's shell, where it is installed; else /bin/sh."""
    return shutil.which("mksh") or os.path.realpath("/bin/sh")
