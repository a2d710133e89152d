"""What every transport does, on this computer and over the real adb."""

from __future__ import annotations

import threading
import time

import pytest

from android_bench.errors import BenchmarkError, RunnerError
from android_bench.transport import processes
from tests.fakes.leftovers import wait_until_gone

SCRIPT = "#!/bin/sh\n"


@pytest.fixture
def script(tmp_path):
    """Return a function that writes a shell script to push."""

    def write(text: str):
        path = tmp_path / "script.sh"
        path.write_text(SCRIPT + text)
        return path

    return write


def test_exit_code_and_both_outputs(transport):
    result = transport.shell(["sh", "-c", "echo out; echo err >&2; exit 3"])

    assert result.exit_code == 3
    assert result.stdout == "out\n"
    assert result.stderr == "err\n"


@pytest.mark.parametrize("text", ["", "no end", "\n\nlines\n\n", "é ∏ \t $HOME 'x'"])
def test_output_arrives_unchanged(transport, text):
    assert transport.shell(["printf", "%s", text]).stdout == text


def test_much_output_arrives_whole(transport):
    result = transport.shell(["seq", "1", "30000"])

    assert result.stdout.split() == [str(n) for n in range(1, 30001)]


@pytest.mark.parametrize("word", ["a b", "$(id)", "`id`", "'", '"', "*", "\\", "a;b&c"])
def test_words_are_not_interpreted(transport, word):
    assert transport.shell(["echo", word]).stdout == f"{word}\n"


def test_environment(transport):
    result = transport.shell(["sh", "-c", "echo $A-$B"], env={"A": "1 2", "B": "$A"})

    assert result.stdout == "1 2-$A\n"


def test_programs_run_in_the_folder(transport):
    transport.shell(["touch", "here"])

    assert transport.shell(["ls", f"{transport.folder}/here"]).exit_code == 0


def test_standard_input_is_empty(transport):
    """A program that asks a question gets no answer, and does not wait for one."""
    assert transport.shell(["cat"], timeout_s=20).stdout == ""


def test_a_missing_program_is_127(transport):
    result = transport.shell(["./no-such-program"])

    assert result.exit_code == 127
    assert "no-such-program" in result.stderr


def test_a_crash_is_128_and_its_signal(transport):
    assert transport.shell(["sh", "-c", "kill -SEGV $$"]).exit_code == 139


def test_a_pushed_program_runs(transport, script):
    remote = transport.push(script("echo ran $1"), "run.sh", executable=True)

    assert remote == f"{transport.folder}/run.sh"
    assert transport.shell([remote, "x"]).stdout == "ran x\n"


def test_a_file_is_not_executable_unless_asked(transport, script):
    remote = transport.push(script("echo ran"), "run.sh")

    assert transport.shell(["test", "-x", remote]).exit_code == 1


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_001])
def test_bytes_survive_both_ways(transport, tmp_path, rng, size):
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(rng.bytes(size))
    remote = transport.push(source, "inputs/0.bin")

    transport.pull(remote, back)

    assert back.read_bytes() == source.read_bytes()


def test_an_equal_file_is_not_pushed_again(transport, script):
    """Its inode stays; a changed one of the same size is replaced."""
    remote = transport.push(script("echo 1"), "run.sh", executable=True)
    first = transport.shell(["ls", "-i", remote]).stdout

    transport.push(script("echo 1"), "run.sh", executable=True)
    assert transport.shell(["ls", "-i", remote]).stdout == first

    transport.push(script("echo 2"), "run.sh", executable=True)
    assert transport.shell(["ls", "-i", remote]).stdout != first
    assert transport.shell([remote]).stdout == "2\n"


def test_a_skipped_file_becomes_executable(transport, script):
    transport.push(script("echo 1"), "run.sh")
    remote = transport.push(script("echo 1"), "run.sh", executable=True)

    assert transport.shell([remote]).stdout == "1\n"


def test_a_push_leaves_nothing_beside_the_file(transport, script):
    transport.push(script("echo 1"), "run.sh")

    assert transport.shell(["ls", "-A"]).stdout == "run.sh\n"


def test_a_source_that_is_not_there(transport, tmp_path):
    with pytest.raises(BenchmarkError, match=r"cannot be read.*gone\.tflite"):
        transport.push(tmp_path / "gone.tflite", "m.tflite")


@pytest.mark.parametrize(
    "name", ["../up", "/abs", "a b", "", "a/../b", ".hidden", "$x"]
)
def test_odd_names_are_refused(transport, script, name):
    with pytest.raises(ValueError, match="under this name"):
        transport.push(script(""), name)


def test_a_missing_result_keeps_the_old_file(transport, tmp_path):
    target = tmp_path / "out" / "result.json"
    target.parent.mkdir()
    target.write_text("old")

    with pytest.raises(RunnerError, match=r"result\.json") as caught:
        transport.pull(f"{transport.folder}/result.json", target)

    assert "\n" not in str(caught.value)
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


def test_remove(transport, script):
    remote = transport.push(script(""), "a/run.sh")

    transport.remove(remote)
    assert transport.shell(["ls", "a"]).stdout == ""
    transport.remove(f"{transport.folder}/a")
    transport.remove(f"{transport.folder}/a")  # what is gone is gone
    assert transport.shell(["ls"]).stdout == ""


def test_only_what_is_inside_is_removed(transport):
    for path in ("/", transport.folder, f"{transport.folder}/../x", "/etc/passwd"):
        with pytest.raises(ValueError, match="working folder"):
            transport.remove(path)


def test_a_program_that_does_not_end_is_killed_with_its_children(transport, script):
    remote = transport.push(
        script("sleep 5011.5 & sleep 5011.5; sleep 5011.5"), "run.sh", executable=True
    )
    started = time.monotonic()

    with pytest.raises(RunnerError, match=r"was stopped.*1 s") as caught:
        transport.shell([remote], timeout_s=1)

    assert time.monotonic() - started < 15
    assert "\n" not in str(caught.value)
    assert not wait_until_gone("sleep 5011.5")


def test_a_program_that_ignores_signals_is_killed(transport, script):
    remote = transport.push(
        script("trap '' HUP TERM INT PIPE; while :; do sleep 0.51; done"),
        "stubborn-5012.sh",
        executable=True,
    )

    with pytest.raises(RunnerError):
        transport.shell([remote], timeout_s=1)

    assert not wait_until_gone("stubborn-5012.sh")


def test_cancel_from_another_thread(transport):
    timer = threading.Timer(1.0, transport.cancel)
    timer.start()
    started = time.monotonic()

    with pytest.raises(RunnerError, match="cancelled"):
        transport.shell(["sleep", "5013.5"])

    timer.join()
    assert time.monotonic() - started < 15
    assert not wait_until_gone("sleep 5013.5")
    assert transport.shell(["echo", "again"]).stdout == "again\n"


def test_cancel_without_anything_running(transport):
    transport.cancel()

    assert transport.shell(["true"]).exit_code == 0


def test_endless_output_is_stopped(transport, monkeypatch):
    monkeypatch.setattr(processes, "MAX_OUTPUT_BYTES", 2 << 20)
    with pytest.raises(RunnerError, match="more than 2 MB of output"):
        transport.shell(["yes", "5014"])

    assert not wait_until_gone("yes 5014")


def test_an_unknown_property_is_empty(transport):
    assert transport.getprop("ro.no.such.property") == ""


def test_no_program_is_refused(transport):
    with pytest.raises(ValueError, match="no program"):
        transport.shell([])


def test_a_variable_needs_a_name(transport):
    with pytest.raises(ValueError, match="A=B"):
        transport.shell(["true"], env={"A=B": "1"})
