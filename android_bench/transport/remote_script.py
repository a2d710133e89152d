"""The shell text around a command on a device: its exit code, and its end at any rate.

The text does three things that adb alone does not:

1. It prints a token with the shell's process id before, and with the exit code after.
   Where the second is missing, the command did not end by itself, whatever adb's own
   exit code is (1 both for a lost device and for a program that returned 1).
2. It watches its standard input, which adb holds open as long as this side lives.  At
   its end (cable pulled, adb killed, computer crashed) it kills its process group.
   adbd alone sends a hang-up to the shell and leaves the shell's children running.
3. It runs in the working folder, and gives the command an empty standard input.

The watcher is ended with KILL: a TERM that reaches mksh's child right after its fork
is lost.  adbd makes the shell the leader of a new session: its id is the group's.
Written for mksh with toybox (Android 7 and later); tested with dash, too.
"""

from __future__ import annotations

import re
import shlex

_TEXT = """\
exec 3<&0
echo {token} $$
( read -r line <&3; kill -s KILL -- -$$ ) </dev/null >/dev/null 2>&1 &
watcher=$!
( mkdir -p {folder} && cd {folder} && {{ {script}
}} ) 3<&- </dev/null
code=$?
exec 2>/dev/null
kill -s KILL $watcher
echo
echo {token} $code"""


def wrap(script: str, *, token: str, folder: str) -> str:
    """Return the text to hand to ``adb shell``."""
    return _TEXT.format(script=script, token=token, folder=shlex.quote(folder))


def kill_group(pid: int) -> str:
    """Return a script that kills what a wrapped script left, if anything."""
    return f"kill -s KILL -- -{pid} 2>/dev/null"


def process_id(stdout: bytes, token: str) -> int | None:
    r"""Return the id that a wrapped script printed first, None before it has.

    Example:
        >>> process_id(b"t0k 17\nhello", "t0k")
        17
    """
    found = re.search(rb"(?m)^%b (\d+)\r?\n" % token.encode(), stdout)
    return int(found[1]) if found else None


def unwrap(stdout: bytes, token: str) -> tuple[int, str] | None:
    r"""Return exit code and output of a wrapped script, None if it did not end.

    Example:
        >>> unwrap(b"t0k 17\nhello\nt0k 3\n", "t0k")
        (3, 'hello')
    """
    mark = token.encode()
    first = re.search(rb"(?m)^%b \d+\r?\n" % mark, stdout)
    last = re.search(rb"\r?\n%b (\d+)\s*\Z" % mark, stdout)
    if first is None or last is None:
        return None
    return int(last[1]), stdout[first.end() : last.start()].decode("utf-8", "replace")
