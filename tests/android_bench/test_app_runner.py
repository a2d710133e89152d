import dataclasses
import json
import pathlib
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from android_bench import app_record, app_runner
from android_bench.app_install import PACKAGE
from android_bench.app_runner import STORAGE, run_app
from android_bench.errors import BenchmarkError, ParseError, RunnerError
from tests.android_bench.fake_phone import (
    Result,
    record,
    run_record,
)


def test_a_run_comes_back_as_the_native_runners_answer(phone, request_):
    """The content holds the run under the file's own name; the rest is beside it."""
    answer = run_app(phone, request_)
    run = json.loads(answer.content)
    assert run == run_record(model="my model, v2.tflite")
    assert answer.about["device"]["soc"] == "X1"
    assert "runs" not in answer.about
    assert answer.agreement["error"] == 0.01
    assert answer.outputs == ()


def test_the_app_gets_every_option_as_text(phone, request_):
    """The model has a name without commas and spaces, and everybody may read it."""
    run_app(phone, request_)
    model = phone.options.pop("models")
    assert model.startswith(f"{phone.folder}/")
    assert not set(model) & set(", '\"")
    assert phone.files[model] == request_.model.read_bytes()
    assert phone.words("chmod") == [["chmod", "a+rX", phone.folder, model]]
    assert phone.options.pop("output").endswith(".json")
    assert phone.options == {
        "delegate": "gpu",
        "threads": "2",
        "precision": "fp16",
        "warmup_runs": "5",
        "min_runs": "20",
        "max_seconds": "2.5",
    }


def test_the_app_knows_every_option_that_is_sent(phone, request_, tmp_path):
    """What the host sends is what Options.java reads."""
    java = pathlib.Path(app_runner.__file__).parent / "app" / "core" / "src" / "main"
    text = next(java.rglob("Options.java")).read_text("utf-8")
    known = re.findall(r'"(\w+)"', text.split("Arrays.asList(")[1].split(")")[0])
    run_app(phone, request_, output_folder=tmp_path / "out")
    assert "output_folder" in phone.options
    assert set(phone.options) <= set(known)


def test_each_start_has_its_own_record_and_waits_long_enough(phone, request_):
    """An old record is never taken for a new one."""
    names = set()
    for _ in range(2):
        run_app(phone, request_)
        names.add(phone.options["output"])
    assert len(names) == 2
    ((argv, timeout_s), *_) = [call for call in phone.calls if "wait" in call[0]]
    assert int(argv[-1]) == int(request_.timeout_s)
    assert timeout_s > request_.timeout_s


def test_outputs_are_pulled_on_request(phone, request_, tmp_path):
    """They come in the model's order, under names that cannot leave the folder."""
    files = [{"file": "output_0.bin"}, {"file": "../evil"}, {"file": "output_1.bin"}]
    phone.record = record(run_record(outputs=files))
    phone.outputs = {"output_0.bin": b"\0", "output_1.bin": b"\1"}
    answer = run_app(phone, request_, output_folder=tmp_path / "out")
    assert [file.read_bytes() for file in answer.outputs] == [b"\0", b"\1"]
    (removed,) = phone.words("rm")
    assert f"{STORAGE}/{phone.options['output_folder']}" in removed


@pytest.mark.parametrize(
    ("waits", "log", "reason"),
    [
        (4, "", "no record after 130 s"),
        (3, "", "the app has ended."),
        (
            3,
            "x\nsignal 11 (SIGSEGV), code 1\ny",
            r"ended \(signal 11 \(SIGSEGV\), code",
        ),
        (
            3,
            "java.lang.OutOfMemoryError: y",
            r"ended \(java.lang.OutOfMemoryError: y\)",
        ),
        (77, "", "ended with code 77"),
    ],
)
def test_an_app_that_leaves_no_record_is_an_error(phone, request_, waits, log, reason):
    """The file, the delegate and what happened are named; the app is stopped."""
    phone.waits = waits
    phone.answers["logcat"] = Result(stdout=log)
    with pytest.raises(RunnerError, match=reason) as error:
        run_app(phone, request_)
    assert "my model, v2.tflite" in str(error.value)
    assert "on the gpu" in str(error.value)
    assert phone.words("am", "force-stop") == [["am", "force-stop", PACKAGE]]
    assert phone.words("rm")


def test_a_folder_that_the_shell_may_not_read_is_named(phone, request_):
    """Some devices close the apps' folders to adb: waiting longer would not help."""
    phone.waits = 4
    phone.answers["ls"] = Result(1, "", "Permission denied")
    with pytest.raises(RunnerError, match=f"may not read {STORAGE}"):
        run_app(phone, request_)


@pytest.mark.parametrize(
    "said",
    [
        Result(1, "", "Error type 3"),
        Result(
            0, "Error: Activity class {x} does not exist."
        ),  # old devices end with 0
        Result(255, "", "Permission Denial"),
    ],
)
def test_an_app_that_cannot_be_started_is_an_error(phone, request_, said):
    phone.answers["am start"] = said
    with pytest.raises(RunnerError, match=r"cannot be started\. Received: ") as error:
        run_app(phone, request_)
    assert (said.stdout or said.stderr).split()[0] in str(error.value)
    assert phone.words("am", "force-stop")


def test_what_the_app_says_is_the_reason(phone, request_):
    """An error of the run, or of the whole record, is passed on in one line."""
    for said in (
        record(run_record(error="The GPU took no operator. Received: 0 of 4.")),
        record(error="An option cannot be used."),
    ):
        phone.record = said
        reason = said["error"] or said["runs"][0]["error"]
        with pytest.raises(RunnerError) as error:
            run_app(phone, request_)
        assert reason in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1]",
        b'{"schema": 1}',
        json.dumps(record()).encode(),
        json.dumps(record(run_record(), run_record())).encode(),
        json.dumps(record(run_record(), finished=False)).encode(),
        json.dumps(record(run_record(), schema=2)).encode(),
        json.dumps(record(3)).encode(),
    ],
)
def test_another_record_is_refused(phone, request_, content):
    phone.record = content
    with pytest.raises(ParseError, match="The app's record cannot be read"):
        run_app(phone, request_)


@given(st.data())
def test_a_cut_record_is_never_read(data):
    """Whatever is missing at the end, no number comes out."""
    content = json.dumps(record(run_record())).encode()
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(BenchmarkError):
        app_record.read(content[:cut], model=pathlib.Path("a.tflite"))


def test_a_delegate_that_the_app_lacks_is_refused_at_once(phone, request_):
    request_ = dataclasses.replace(request_, delegate="nnapi")
    with pytest.raises(RunnerError, match="delegate='nnapi'; it has cpu and gpu"):
        run_app(phone, request_)
    assert not phone.calls


def test_a_missing_model_is_refused_by_name(phone, request_):
    request_ = dataclasses.replace(request_, model=pathlib.Path("gone.tflite"))
    with pytest.raises(RunnerError, match=r"Received: gone\.tflite"):
        run_app(phone, request_)


@pytest.mark.parametrize(
    ("alive", "content", "code"),
    [
        (True, '{"finished": true}', 0),
        (False, '{"finished": true}', 0),  # it ended after it had written
        (False, '{"finished": false}', 3),
        (False, None, 3),
        (True, '{"finished": false}', 4),
        (True, None, 4),
    ],
)
def test_waiting_on_the_device(tmp_path, alive, content, code):
    """The script that waits there tells a record, a dead app and a slow one apart."""
    pidof = tmp_path / "pidof"
    pidof.write_text(f"#!/bin/sh\nexit {0 if alive else 1}\n")
    pidof.chmod(0o755)
    target = tmp_path / "record.json"
    if content is not None:
        target.write_text(content)
    done = subprocess.run(
        ["sh", "-c", app_runner._WAIT, "wait", str(target), "0"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        timeout=60,
    )
    assert done.returncode == code
