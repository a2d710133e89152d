"""Names of contents: whether a stage has to run again is a question of these.

A stage's key is made of its settings and of what it reads; a change of either gives
another key, and only the stages that depend on it get one.
"""

from __future__ import annotations

import json
import pathlib
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from tfcompress import files

_ADDRESS = re.compile(rb'"shared_object_id": \d+')  # where an object lay in memory
VERSION = "1"  # a change of what stages do to their inputs: old results are not reused


def file_fingerprint(path: pathlib.Path) -> str:
    """Return a name of a file's content.

    Of a .keras file the structure and the weights count, not what differs every time
    that it is saved: training again to the same weights gives the same name.
    """
    if not zipfile.is_zipfile(path):
        return files.fingerprint(path.read_bytes())
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in sorted(archive.namelist())}
    except (zipfile.BadZipFile, zlib.error, EOFError):  # loading it will say so
        return files.fingerprint(path.read_bytes())
    parts.pop("metadata.json", None)  # the time of day
    if "config.json" in parts:
        parts["config.json"] = _ADDRESS.sub(b"", parts["config.json"])
    return files.fingerprint(*(piece for part in parts.items() for piece in part))


def stage_key(
    *,
    kind: str,
    config: Mapping[str, Any],
    inputs: Mapping[str, str],
    data: str | None,
) -> str:
    """Return the key of a stage's result.

    Args:
        kind: What is done.
        config: With which settings.
        inputs: Fingerprints of the files it reads, by role.
        data: Fingerprint of the data set, if it reads one.

    Example:
        >>> len(stage_key(kind="slim", config={}, inputs={"model": "a"}, data="b"))
        16
    """
    content = {
        "version": VERSION,
        "kind": kind,
        "config": config,
        "inputs": dict(inputs),
        "data": data,
    }
    return files.fingerprint(json.dumps(content, sort_keys=True, default=str))
