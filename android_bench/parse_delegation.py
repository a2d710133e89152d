"""What a delegate took of the graph, and on which adapter, from a runner's log.

The sentences, from the oldest to the newest, where N + M is the graph::

    Next operations are not supported by GPU delegate:
    First N operations will run on the GPU, and the remaining M on the CPU.

    Following operations are not supported by GPU delegate:
    N operations will run on the GPU, and the remaining M operations will run on the
    CPU.
    No operations will run on the GPU, and all M operations will run on the CPU.

A delegate that takes everything says none of them: then `benchmark_model` says that the
graph is completely executed by it, and the accelerator that its API is initialised.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from android_bench import lines as reading
from android_bench.errors import ParseError
from android_bench.parsed import Taken

_PARTITION_KEY = r"(?:will run|remaining \d+) on the (?:GPU|CPU)|ions will run on"
_PARTITION = re.compile(
    r"(?:First )?(?P<taken>\d+) operations will run on the GPU, and the remaining "
    r"(?P<left>\d+)(?: operations will run)? on the CPU\."
    r"|No operations will run on the GPU, and all (?P<all>\d+) operations will run on "
    r"the CPU\."
)
_HEADING = re.compile(
    r"(?:Next|Following) operations are not supported by GPU delegate"
)
_REFUSED = re.compile(r"[A-Z][A-Z0-9_]*(?: \S+)?:(?: .*)?")
_EXPLICIT = re.compile(
    r"Explicitly applied (?P<full>\w+) delegate, and the model graph will be "
    r"completely executed by the delegate\."
    r"|Explicitly applied (?P<partial>\w+) delegate, and the model graph will be "
    r"partially executed by the delegate w/ (?P<kernels>\d+) delegate kernels\."
    r"|Though (?P<none>\w+) delegate is explicitly applied, the model graph will "
    r"not be executed by the delegate\."
    r"|Failed to apply (?P<failed>\w+) delegate\."
)
_EXPLICIT_KEY = (
    r"xplicitly applied|executed by the delegate|Failed to apply \w+ delegate"
)
_OWN_TAG = re.compile(r"^.{0,40}[VDIWEF][ /](?:tflite|litert) *(?:\( *\d+\))?: ?")
_STARTED = re.compile(r"Initializ(?:ing|ed) \S+-based API")
_ADAPTER = re.compile(r"Selected adapter: (?P<name>[^,]+),.*adapterType=(?P<type>.*)")
_SOFTWARE = re.compile(r"SwiftShader|llvmpipe|lavapipe|softpipe", re.IGNORECASE)


def read_taken(text: str) -> Taken:
    """Return what the delegate took.

    Args:
        text: Both output streams, whole.

    Raises:
        ParseError: If a sentence is torn, or two of them disagree.
    """
    lines = reading.whole_lines(text)
    raw = text.replace("\r\n", "\n").split("\n")[:-1]
    partition = reading.same(
        reading.figures(lines, _PARTITION_KEY, _PARTITION), "the partition"
    )
    explicit = reading.same(
        [
            match
            for match in reading.figures(lines, _EXPLICIT_KEY, _EXPLICIT)
            if "XNNPACK" not in match.groups()
        ],
        "the delegate",
    )
    said = _said(explicit)
    if partition is None:
        started = any(_STARTED.search(line) for line in lines)
        if any(_HEADING.search(line) for line in lines):
            raise reading.torn("Following operations are not supported ...")
        return Taken(applied=said or ("full" if started else "unknown"))
    taken = _of(partition, _refused(raw, lines))
    if said and said != taken.applied:
        raise ParseError(
            f"The log says two things of the delegate. Received: {said} and "
            f"{taken.applied}. Keep the output of one run apart from another's."
        )
    return taken


def read_adapter(text: str) -> tuple[str | None, bool]:
    """Return the GPU adapter's name, and whether it computes on the CPU.

    Example:
        >>> read_adapter("Selected adapter: Mali-G78, arch=x, adapterType=Integrated")
        ('Mali-G78', False)
    """
    found = _ADAPTER.search(text)
    if found is None:
        return None, bool(re.search(r"GL_RENDERER.*(?:llvmpipe|softpipe)", text))
    software = "CPU" in found["type"] or bool(_SOFTWARE.search(found["name"]))
    return found["name"].strip(), software


def _said(explicit: re.Match[str] | None) -> str:
    if explicit is None:
        return ""
    for word in ("full", "partial"):
        if explicit[word]:
            return word
    return "none"


def _of(partition: re.Match[str], refused: tuple[str, ...]) -> Taken:
    if partition["all"]:
        return Taken(
            applied="none",
            delegated_ops=0,
            total_ops=int(partition["all"]),
            refused_ops=refused,
        )
    taken, left = int(partition["taken"]), int(partition["left"])
    applied = "none" if taken == 0 else "partial" if left else "full"
    return Taken(
        applied=applied,
        delegated_ops=taken,
        total_ops=taken + left,
        refused_ops=refused,
    )


def _refused(raw: Sequence[str], lines: Sequence[str]) -> tuple[str, ...]:
    """Return the operators between the heading and the partition.

    The heading, they and the partition are one message: between them are only lines
    that another logger began, or the partition's first digits may be torn off.
    """
    refused: list[str] = []
    inside = False
    for whole, line in zip(raw, lines, strict=True):
        given = _OWN_TAG.sub("", whole)
        if _HEADING.search(line):
            inside = True
        elif _PARTITION.fullmatch(line):
            inside = False
        elif inside and _REFUSED.fullmatch(line) and not reading.is_logged(given):
            refused.append(line)
        elif inside and line and not reading.is_logged(given):
            raise reading.torn(given)
    return tuple(dict.fromkeys(refused))
