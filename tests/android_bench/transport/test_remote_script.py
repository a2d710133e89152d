"""The shell text around a command, run by each shell that is here."""

from __future__ import annotations

import shutil
import signal
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from android_bench.transport import remote_script
from android_bench.transport.protocol import command_line
from tests.fakes.leftovers import wait_until_gone

SHELLS = [name for name in ("mksh", "dash", "bash", "sh") if shutil.which(name)]
TOKEN = "tfc0123456789abcdef"


def start(shell, script, folder):
    text = remote_script.wrap(script, token=TOKEN, folder=str(folder))
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [shell, "-c", text],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )


def run(shell, script, folder):
    """Return exit code, stdout and stderr, with stdin held open as adb holds it."""
    process = start(shell, script, folder)
    process.wait(20)
    stdout, stderr = process.communicate()
    assert remote_script.process_id(stdout, TOKEN) == process.pid
    return *remote_script.unwrap(stdout, TOKEN), stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_it_ends_by_itself_again_and_again(shell, tmp_path):
    """The watcher's end may race with its start: mksh loses a TERM just then."""
    for _ in range(30):
        assert run(shell, "true", tmp_path) == (0, "", b"")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo out; echo err >&2; exit 3", (3, "out\n", b"err\n")),
        ("printf 'no end'", (0, "no end", b"")),
        ("false", (1, "", b"")),
        ("cat", (0, "", b"")),
        ("kill -SEGV $(sh -c 'echo $PPID')", (139, "", None)),
    ],
)
def test_exit_code_and_outputs(shell, script, expected, tmp_path):
    code, out, err = run(shell, script, tmp_path)

    assert (code, out) == expected[:2]
    assert expected[2] in (None, err)


@pytest.mark.parametrize("shell", SHELLS)
def test_it_runs_in_the_folder_and_makes_it(shell, tmp_path):
    folder = tmp_path / "a b" / "c"

    assert run(shell, "pwd", folder)[1] == f"{folder}\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_end_of_input_kills_it_and_its_children(shell, tmp_path):
    process = start(shell, "sleep 8001.5 & sleep 8001.5", tmp_path)
    assert process.stdout.readline().startswith(TOKEN.encode())

    stdout, _ = process.communicate(timeout=20)  # closes its input

    assert process.returncode == -signal.SIGKILL
    assert remote_script.unwrap(stdout, TOKEN) is None
    assert not wait_until_gone("sleep 8001.5")


@given(st.binary(), st.binary(max_size=40))
def test_output_without_the_last_line_has_no_end(head, tail):
    """Whatever is cut off or added, an exit code is not made up."""
    whole = TOKEN.encode() + b" 17\n" + head + b"\n" + TOKEN.encode() + b" 3\n"

    assert remote_script.unwrap(whole, TOKEN)[0] == 3
    assert remote_script.unwrap(whole[: -len(TOKEN) - 3], TOKEN) is None
    if tail.strip():
        assert remote_script.unwrap(whole + b"x" + tail, TOKEN) is None
    assert remote_script.unwrap(head + tail, TOKEN) is None
    assert remote_script.process_id(head + tail, TOKEN) is None


words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(words, min_size=1, max_size=5))
def test_any_word_survives_the_quoting(arguments):
    """A shell hands the program the words that it was given."""
    text = command_line(["printf", "%s\\0", *arguments])
    done = subprocess.run(["sh", "-c", text], capture_output=True, check=True)

    assert done.stdout.decode().split("\0")[:-1] == arguments
