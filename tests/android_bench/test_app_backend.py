"""Tests of the app as a runner of a session."""

import dataclasses

from android_bench.app_runner import run_app
from android_bench.backends import AppBackend
from android_bench.session import Session, Target
from android_bench.variants import SessionConfig
from tests.android_bench.fake_phone import FakePhone, record, run_record


def test_the_app_is_a_backend_like_the_others(phone, request_):
    """Figures, delegation and outputs reach the session as those of any runner."""
    files = [{"name": "y", "type": "int8", "shape": [1, 3], "file": "output_0.bin"}]
    phone.record = record(run_record(outputs=files))
    phone.outputs = {"output_0.bin": b"abc"}
    request_ = dataclasses.replace(request_, write_outputs=True)
    answer = AppBackend().measure(phone, request_)
    assert answer.parsed.samples_ms == (2, 3.5, 3)
    assert answer.parsed.taken.delegated_ops == 7
    assert answer.parsed.taken.refused_ops == ("TOPK_V2: no",)
    assert answer.outputs == {"output_0.bin": b"abc"}
    assert answer.argv[:2] == ("am", "start")
    assert answer.notes == ()


def test_a_gpu_that_answers_otherwise_does_not_count(phone, request_):
    """The app's own comparison, after the time was taken, is a note of the answer."""
    agreement = {
        "reference": "cpu",
        "error": None,
        "tolerance": 0.02,
        "problem": "NaN!",
    }
    phone.record = record(run_record(agreement=agreement))
    answer = AppBackend().measure(phone, request_)
    assert answer.notes == ("in the app, NaN!",)


def test_the_default_precision_is_the_devices(phone, request_):
    run_app(phone, dataclasses.replace(request_, fp16=None))
    assert phone.options["precision"] == "default"


def test_a_session_measures_with_the_app(request_):
    """Two files, both delegates, outputs compared, and no core is claimed."""
    phone = FakePhone()
    phone.install(b"the app")
    files = [{"name": "y", "type": "int8", "shape": [1, 3], "file": "output_0.bin"}]
    phone.record = record(
        run_record(
            outputs=files, delegate_applied="full", delegated_ops=9, refused_ops=[]
        )
    )
    phone.outputs = {"output_0.bin": bytes([1, 2, 3])}
    config = SessionConfig(
        models=(request_.model,), delegates=("cpu", "gpu"), rounds=2, cool_down_s=0.0
    )
    result = Session(Target(transport=phone, backend=AppBackend()), config).run()
    assert not result.failures
    cpu, gpu = result.records
    assert cpu.backend == gpu.backend == "app"
    assert cpu.num_runs == 6
    assert gpu.counts
    assert gpu.delegation.applied == "full"
    assert gpu.agreement.problem == ""
    assert cpu.conditions.pinned_cores == ()
    assert not phone.words("taskset")
