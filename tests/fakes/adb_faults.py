"""What can be made to go wrong on a test device."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class Faults:
    """Faults of a `FakeDevice`; they may be changed while it runs.

    Args:
        unauthorised: Ask for a key and never accept one.
        space_bytes: Fail a push of more than this, as a full device does.
        vanish_in_push: Drop the connection, for good, after so many bytes of a push.
        vanish_in_pull: The same for a pull.
        vanish_on_output: Drop it when a command has printed this.
        silent: Accept services and answer nothing.
        silent_in_push: Answer nothing to a push.
        damage: Flip a bit of each chunk of a push.
        garbage: Send this instead of a command's output, and end.
        missing: Programs that the device lacks, such as sha256sum.
    """

    unauthorised: bool = False
    space_bytes: int | None = None
    vanish_in_push: int = 0
    vanish_in_pull: int = 0
    vanish_on_output: bytes = b""
    silent: bool = False
    silent_in_push: bool = False
    damage: bool = False
    garbage: bytes = b""
    missing: tuple[str, ...] = ()

    def damaged(self, data: bytes) -> bytes:
        """Return the bytes as they reach the storage."""
        return bytes([data[0] ^ 1]) + data[1:] if self.damage and data else data
