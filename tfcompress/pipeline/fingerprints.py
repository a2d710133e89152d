"""Names of contents: whether a stage has to run again is a question of these.

A stage's key is made of its settings and of what it reads; a change of either gives
another key, and only the stages that depend on it get one.
"""

from __future__ import annotations

import json
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any

from tfcompress import files

VERSION = "1"  # a change of what stages do to their inputs: old results are not reused


def file_fingerprint(path: pathlib.Path) -> str:
    """Return a name of a file's content.

    Of a .keras file the names and contents of the parts count, not the time of day
    that the archive and its metadata carry: training again to the same weights gives
    the same name.
    """
    if not zipfile.is_zipfile(path):
        return files.fingerprint(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        names = sorted(set(archive.namelist()) - {"metadata.json"})
        return files.fingerprint(*(p for n in names for p in (n, archive.read(n))))


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
