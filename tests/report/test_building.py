"""What a report says of a run's records."""

from __future__ import annotations

import json

import pytest

import android_bench
from android_bench import records
from tests.report import runs
from tfcompress import errors, report


@pytest.fixture
def run(tmp_path):
    """Return a copy of the fixture run."""
    return runs.copy(tmp_path)


def rows(built):
    """Return the summary by key."""
    return {row.key: row for row in built.summary}


def test_the_summary_compares_the_original_with_the_last_file(run):
    """Figures of the original record and of the converted, verified file."""
    found = rows(report.build(run))
    assert (found["score"].before, found["score"].after) == (0.9148, 0.9119)
    assert found["score"].change_text == "\N{MINUS SIGN}0.29 points"
    assert (found["macs"].before, found["macs"].after) == (8452608, 3651104)
    assert (found["params"].before, found["params"].after) == (151306, 54722)
    assert (found["file_bytes"].before, found["file_bytes"].after) == (612480, 70144)
    assert found["file_bytes"].change_text == "8.7\N{MULTIPLICATION SIGN} smaller"
    assert (found["gzip_bytes"].before, found["gzip_bytes"].after) == (561012, 56388)
    assert found["score"].note == ".tflite, 10,000 examples"
    assert found["worst_class"].note == "Shirt"


def test_a_host_latency_is_never_called_a_devices(run):
    """The label and the note say where it was measured."""
    row = rows(report.build(run))["latency_ms"]
    assert (row.before, row.after) == (0.3912, 0.1043)
    assert row.label == "host latency (median)"
    assert row.note == "1 thread, not a phone"
    assert "device" not in report.to_markdown(report.build(run)).replace(
        "on your device", ""
    )


def test_a_record_of_android_bench_is_read_whole(run):
    """What the benchmark package writes is what the report reads."""
    measured = android_bench.BenchmarkRun(
        where="host",
        backend="litert_python",
        model="convert.tflite",
        model_sha256="00",
        size_bytes=70144,
        device=records.Device(name="host", cpu="a cpu", cores=2, system="Linux"),
        conditions=records.Conditions(
            num_threads=3,
            warmup_runs=1,
            min_runs=5,
            max_seconds=1.0,
            delegate="xnnpack",
            runtime="ai_edge_litert 2.3.0",
        ),
        latency=records.Latency.of([1.0, 2.0, 3.0, 4.0, 5.0]),
        num_runs=5,
        stable=False,
        init_ms=7.0,
        first_ms=8.0,
        peak_memory_bytes=61_000_000,
        model_memory_bytes=2_000_000,
        started="2026-03-01T10:00:00+00:00",
    )
    plain = measured.to_dict()
    runs.edit(run / "benchmark.json", lambda r: r["details"].update(benchmark=[plain]))
    table = report.to_markdown(report.build(run))
    row = "| int8 | host | 3 | 3.00 ms | 4.60 ms | 4.80 ms | 7.00 ms | 61.0 MB | 5, not"
    assert row in table


@pytest.mark.parametrize(
    ("where", "label"),
    [
        ("software_gpu", "software gpu latency (median)"),
        ("emulated", "emulated latency (median)"),
        ("emulator", "emulated latency (median)"),  # the first schema's word
        (None, "unknown place latency (median)"),
        ("device", "device latency (median)"),
    ],
)
def test_each_place_of_a_latency_is_named(run, where, label):
    """A latency carries the place of its record; none is guessed."""

    def move(record):
        for item in record["details"]["benchmark"]:
            item["where"] = where

    runs.edit(run / "benchmark.json", move)
    row = rows(report.build(run))["latency_ms"]
    assert row.label == label
    assert row.before is None  # the original's was measured on the host


def test_a_latency_that_does_not_count_is_not_the_files(run):
    """It stays in the table, with the reason, and is no row of the summary."""
    reason = "the GPU delegate took nothing of the graph"

    def refuse(record):
        for item in record["details"]["benchmark"]:
            item["not_counted"] = [reason]

    runs.edit(run / "benchmark.json", refuse)
    built = report.build(run)
    row = rows(built).get("latency_ms")
    assert row is None or row.after is None
    assert f"does not count: {reason}" in report.to_markdown(built)


def test_latencies_with_other_threads_are_not_compared(run):
    """A four-thread time says nothing against the original's one-thread time."""

    def threads(record):
        record["details"]["benchmark"] = record["details"]["benchmark"][:1]
        record["details"]["benchmark"][0]["conditions"]["num_threads"] = 4

    runs.edit(run / "benchmark.json", threads)
    row = rows(report.build(run))["latency_ms"]
    assert row.before is None
    assert row.after == 0.1043


def test_what_a_gpu_takes_is_marked_as_predicted(run):
    """Each delegate in a line, with what blocks it and the change to make."""
    blocker = {"name": "WHERE", "reason": "no size", "wrong": "", "hint": "use a mask"}
    found = {"taken": 8, "total": 9, "blockers": [blocker, blocker]}

    def predict(record):
        gpu = {"delegates": {"ml_drift": found}}
        record["details"]["inspection"]["gpu"] = gpu

    runs.edit(run / "convert.json", predict)
    built = report.build(run)
    line = "ml drift takes 8 of 9 operators; WHERE: no size (use a mask)"
    assert built.files[0].gpu == (line,)
    assert "On a GPU, predicted: ml drift takes 8 of 9" in report.to_markdown(built)
    assert f"{line} (predicted)" in report.to_html(built)


def test_the_verdict_says_what_was_gained_and_that_parity_passed(run):
    """One sentence each, with the figures."""
    verdict = report.build(run).verdict
    assert verdict.parity == "passed"
    assert verdict.gained == (
        "The int8 file is 8.7\N{MULTIPLICATION SIGN} smaller than the float original "
        "(70.1 kB instead of 612 kB), needs 43 % of the MACs and reaches 91.19 % "
        "accuracy (test), \N{MINUS SIGN}0.29 points from the original."
    )
    assert "99.31 % of 10,000 test examples" in verdict.parity_sentence


def test_a_failed_parity_check_fails_the_verdict_and_names_layers(run):
    """The reasons and the worst layers are shown."""
    runs.fail_parity(run)
    built = report.build(run)
    assert built.verdict.parity == "failed"
    assert "0.7100 is below 0.98" in built.verdict.parity_sentence
    text = report.to_markdown(built)
    assert "| res2\\_conv1 | 3.1 dB |" in text
    assert text.count("top-1 agreement 0.7100 is below 0.98") == 2  # verdict, section


def test_another_broken_limit_fails_the_verdict_although_parity_passed(run):
    """A file that agrees with its model may still be too far from the original."""

    def change(record):
        record["config"]["max_drop_from_original"] = 0.001
        record["details"]["drop_from_original"] = 0.0029
        record.update(
            passed=False, verdict="the file is 0.0029 worse than the original"
        )

    runs.edit(run / "verify.json", change)
    built = report.build(run)
    assert built.verdict.parity == "failed"
    assert "Another limit broke: the file is 0.0029 worse" in (
        built.verdict.parity_sentence
    )
    expected = (
        "change from the original",
        "\N{MINUS SIGN}0.29 points",
        "\N{GREATER-THAN OR EQUAL TO} \N{MINUS SIGN}0.10 points",
    )
    assert expected in built.parity[0].rows


def test_a_metric_that_falls_when_better_is_not_shown_in_percent(run):
    """A regression's error: a larger value is worse, and no sign is turned round."""

    def change(record):
        parts = [record["evaluation"], record["details"].get("parity") or {}]
        for part in parts:
            for name in ("test", "validation", "keras", "tflite"):
                if isinstance(part.get(name), dict):
                    part["drop"] = 0.25
                    value = 12.5 if name == "tflite" else 12.25
                    part[name] = {
                        "metric": "mean_absolute_error",
                        "value": value,
                        "higher_is_better": False,
                        "num_examples": 100,
                    }

    for stage in ("original", "slim", "distill", "verify"):
        runs.edit(run / f"{stage}.json", change)
    built = report.build(run)
    row = rows(built)["score"]
    assert (row.before_text, row.after_text, row.change_text) == (
        "12.25",
        "12.5",
        "+0.25",
    )
    assert row.trend == "worse"
    assert built.parity[0].drop == 0.25
    change_row = built.parity[0].rows[2]
    assert change_row == ("change", "+0.25", "\N{LESS-THAN OR EQUAL TO} +0.01")


def test_channels_over_two_cuts_count_from_the_first_width(run):
    """What a later stage cuts again is compared with the original's width."""
    again = {"group": "conv1", "layers": ["conv1"], "before": 12, "after": 8}
    runs.edit(run / "distill.json", lambda record: record.update(channels=[again]))
    group = next(g for g in report.build(run).channels if g.group == "conv1")
    assert (group.before, group.after, group.kept) == (16, 8, 0.5)


def test_the_steps_tell_the_loss_of_the_cut_and_its_recovery(run):
    """Steps inside a stage come before the stage's own result."""
    built = report.build(run)
    told = [(step.name, step.validation, step.test) for step in built.steps]
    assert told[:4] == [
        ("original", 0.9203, 0.9148),
        ("scales regularised", 0.9178, None),
        ("after the cut", 0.8413, None),
        ("slim", 0.9142, None),
    ]


def test_the_passes_of_a_slimming_are_numbered(run):
    """A pass that was taken back is named as such; the last kept one ends the stage."""

    def change(record):
        first = record["details"]["passes"][0]
        second = {**first, "pass": 2, "cut": 0.7, "retrained": 0.8, "kept": False}
        record["details"]["passes"] = [first, second]

    runs.edit(run / "slim.json", change)
    inner = [s for s in report.build(run).steps if s.inner]
    assert [(step.name, step.validation) for step in inner] == [
        ("pass 1, scales regularised", 0.9178),
        ("pass 1, after the cut", 0.8413),
        ("pass 2, scales regularised (pass not kept)", 0.9178),
        ("pass 2, after the cut (pass not kept)", 0.7),
        ("pass 2, retrained (pass not kept)", 0.8),
    ]


def test_every_output_of_a_model_with_several_has_its_row(run):
    """The mean first, then each output by name."""

    def change(record):
        own = record["evaluation"]["test"]
        if own is not None:
            own["outputs"] = {
                "kind": {"metric": "accuracy", "value": 0.9, "num_examples": 10},
                "age": {
                    "metric": "mean_absolute_error",
                    "value": 3.5,
                    "higher_is_better": False,
                    "num_examples": 10,
                },
            }

    (run / "verify.json").unlink()
    runs.edit(run / "original.json", change)
    runs.edit(run / "distill.json", change)
    found = rows(report.build(run))
    assert found["score:kind"].before_text == "90.00 %"
    assert found["score:age"].label == "mean absolute error (age, test)"
    assert found["score:age"].after_text == "3.5"


def test_two_files_of_one_run_keep_their_own_checks_and_latencies(run):
    """A check belongs to the file among its inputs."""
    other = json.loads((run / "convert.json").read_text("utf-8"))
    other.update(stage="convert", name="half", outputs={"file": "half.tflite"})
    other["details"]["conversion"].update(recipe="float16", path="half.tflite")
    (run / "half.json").write_text(json.dumps(other), encoding="utf-8")
    runs.edit(run / "run.json", lambda r: r["stages"].insert(4, "half"))
    built = report.build(run)
    assert [file.recipe for file in built.files] == ["int8", "float16"]
    assert [len(file.latencies) for file in built.files] == [2, 0]
    assert built.parity[0].of == "convert"
    assert rows(built)["file_bytes"].note == "float32 \N{RIGHTWARDS ARROW} int8"
    assert built.verdict.gained.startswith("The int8 file")  # the verified one
    assert "| float16 | \N{EN DASH} |" in report.to_markdown(built)


def test_missing_records_are_named_and_the_rest_is_shown(run):
    """Only what was measured is shown; the report says what is not there."""
    for name in ("verify", "benchmark", "distill"):
        (run / f"{name}.json").unlink()
    built = report.build(run)
    assert "Stage distill has no record: it has not run." in built.missing
    assert "No parity check is recorded." in built.missing
    assert "No latency of the file is recorded." in built.missing
    assert built.verdict.parity == "not checked"
    assert rows(built)["score"].label == "accuracy (validation)"


def test_an_unfinished_stage_is_named(run):
    """A record whose status is not `done` counts as missing."""
    runs.edit(run / "distill.json", lambda r: r.update(status="running"))
    built = report.build(run)
    assert "Stage distill has not ended." in built.missing
    assert "distill" not in [stage.name for stage in built.stages]


def test_stage_records_alone_make_a_report(run):
    """Without run.json they are taken in the order of their start."""
    (run / "run.json").unlink()
    (run / "other.json").write_text('{"plan": {}}', encoding="utf-8")  # not a stage
    for second, name in enumerate(
        ["original", "slim", "distill", "convert", "verify", "benchmark"]
    ):
        started = f"2026-03-01T10:00:0{second}+00:00"
        runs.edit(
            run / f"{name}.json", lambda r, started=started: r.update(started=started)
        )
    built = report.build(run)
    assert [stage.name for stage in built.stages][:3] == ["original", "slim", "distill"]
    assert built.name == run.name
    assert "run.json is not there: no command, workflow or environment." in (
        built.missing
    )


def test_numbers_that_are_not_finite_are_read_as_missing(run):
    """A diverged loss leaves gaps, and the JSON report stays valid JSON."""

    def change(record):
        record["history"]["loss"][2] = float("nan")
        record["evaluation"]["validation"]["value"] = float("inf")

    runs.edit(run / "distill.json", change)
    built = report.build(run)
    curve = next(c for c in built.curves if (c.stage, c.name) == ("distill", "loss"))
    assert curve.train[2] is None
    json.dumps(built.to_dict(), allow_nan=False)
    report.to_html(built)


def test_the_report_survives_json(run):
    """What `to_dict` gives is plain JSON."""
    content = report.build(run).to_dict()
    assert json.loads(json.dumps(content)) == content


def malform(key, value):
    """Return a change that puts a wrong value under a dotted key."""

    def change(record):
        *path, last = key.split(".")
        for part in path:
            record = record[part]
        record[last] = value

    return change


@pytest.mark.parametrize(
    ("file", "key", "value", "said"),
    [
        ("slim", "evaluation.validation", "good", r"evaluation\.validation='good'"),
        ("slim", "model.cost", [1], r"model\.cost=\[1\]; it must be an object"),
        ("slim", "history", [0.1], r"history=\[0\.1\]; it must be an object"),
        ("slim", "history.loss", ["a", "b"], r"history\.loss\[0\]='a'.* a number"),
        ("slim", "channels", {"a": 1}, r"channels=\{'a': 1\}; it must be a list"),
        (
            "slim",
            "channels",
            [{"group": "a", "before": 4, "after": 5}],
            r"channels\[0\]\.after=5; it must be at most before=4",
        ),
        (
            "slim",
            "channels",
            [{"group": "a", "before": 4}],
            r"channels\[0\]\.after=None; it must be a whole number",
        ),
        (
            "slim",
            "scales",
            [{"epoch": 0, "edges": [0, 1], "counts": [1, 2]}],
            r"scales\[0\]\.edges=\[0, 1\]; it must be finite, one longer than counts",
        ),
        ("slim", "surgery", {"folded": [3]}, r"surgery\.folded\[0\]=3"),
        ("verify", "details.parity.passed", None, r"parity\.passed=None; .*true or fa"),
        ("verify", "details.parity.tflite.worst_class", 7, r"worst_class=7; .*a class"),
        ("benchmark", "details.benchmark", {"p50": 1}, r"details\.benchmark=\{'p50'"),
        ("run", "stages", "slim", r"run\.json with stages='slim'; it must be a list"),
    ],
)
def test_a_malformed_record_is_one_clear_error(run, file, key, value, said):
    """File, key and value are named, and what to do."""
    runs.edit(run / f"{file}.json", malform(key, value))
    with pytest.raises(errors.DataError, match=said) as caught:
        report.build(run)
    message = str(caught.value)
    assert f"{file}.json" in message
    assert "Run the stage that wrote it again" in message
    assert "\n" not in message


def test_a_record_that_is_not_json_is_named(run):
    """Half a file, as a full disk leaves it elsewhere."""
    (run / "slim.json").write_text('{"schema": 1, "sta', encoding="utf-8")
    with pytest.raises(errors.DataError, match=r"cannot be read as JSON.*slim\.json"):
        report.build(run)


def test_a_record_of_another_version_is_refused(run):
    """The schema number decides."""
    runs.edit(run / "slim.json", lambda record: record.update(schema=7))
    with pytest.raises(errors.DataError, match=r"slim\.json with schema=7; this one"):
        report.build(run)


def test_a_folder_without_records_is_refused(tmp_path):
    """The message says how to make a run."""
    with pytest.raises(errors.DataError, match=r"no finished stage.*tfcompress run"):
        report.build(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    """It is named."""
    with pytest.raises(errors.DataError, match=r"no such run directory.*nowhere"):
        report.build(tmp_path / "nowhere")
