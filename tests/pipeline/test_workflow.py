"""Tests of reading workflows: defaults, wiring of stages, and every refusal."""

from __future__ import annotations

import json
import textwrap

import pytest

from tfcompress import errors
from tfcompress.pipeline import parse_workflow, read_workflow

MODEL = {"path": "model.keras"}
DATA = {"source": "fashion-mnist-small"}


def workflow(*stages, **content):
    return parse_workflow({"model": MODEL, "data": DATA, "stage": [*stages], **content})


def refused(content) -> str:
    with pytest.raises(errors.ConfigError) as caught:
        parse_workflow(content)
    message = str(caught.value)
    assert "Received: " in message
    assert "\n" not in message
    return message


def test_a_file_is_read_and_its_paths_start_there(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(
        textwrap.dedent("""
            seed = 3
            [model]
            path = "net.keras"
            [data]
            source = "photos"
            limit = 100
            [[stage]]
            kind = "prune"
            macs = 0.5
        """)
    )
    (tmp_path / "photos").mkdir()

    found = read_workflow(path)

    assert found.name == "small"
    assert found.model.path == str(tmp_path / "net.keras")
    assert found.data.source == str(tmp_path / "photos")
    assert found.data.seed == 3
    assert found.stages[1].config.macs == 0.5
    assert found.stages[1].config.seed == 3


def test_a_name_of_a_data_set_is_no_path():
    assert workflow().data.source == "fashion-mnist-small"


def test_every_default_is_filled_in():
    """What is saved with the run says everything that decides it."""
    resolved = workflow({"kind": "prune", "macs": 0.5}).to_dict()

    assert json.loads(json.dumps(resolved)) == resolved
    assert resolved["stages"][1]["round_to"] == 8
    assert resolved["stages"][1]["criterion"] == "l1_norm"


def test_a_stage_reads_the_newest_fitting_result():
    found = workflow(
        {"kind": "prune", "macs": 0.5},
        {"kind": "convert", "recipe": "int8"},
        {"kind": "distill"},
        {"kind": "verify"},
        {"kind": "convert", "name": "second"},
        {"kind": "benchmark"},
    )

    inputs = {stage.name: dict(stage.inputs) for stage in found.stages}
    assert inputs == {
        "original": {},
        "prune": {"model": "original"},
        "convert": {"model": "prune"},
        "distill": {"model": "prune", "teacher": "original"},
        "verify": {"file": "convert", "reference": "prune"},
        "second": {"model": "distill"},
        "benchmark": {"file": "second"},
    }


def test_verify_compares_a_named_file_with_the_model_it_came_from():
    found = workflow(
        {"kind": "convert", "name": "plain"},
        {"kind": "prune", "macs": 0.5},
        {"kind": "convert", "name": "small"},
        {"kind": "verify", "input": "plain"},
    )

    assert found.stages[-1].inputs == {"file": "plain", "reference": "original"}


def test_a_stage_may_name_what_it_reads():
    found = workflow(
        {"kind": "prune", "macs": 0.7, "name": "light"},
        {"kind": "prune", "macs": 0.3, "name": "heavy", "input": "original"},
        {"kind": "distill", "teacher": "light"},
    )

    assert found.stages[2].inputs == {"model": "original"}
    assert found.stages[3].inputs == {"model": "heavy", "teacher": "light"}


def test_stages_as_tables_of_their_kind_keep_the_order_of_the_file():
    content = {"model": MODEL, "convert": {}, "benchmark": {}}

    assert [s.name for s in parse_workflow(content).stages] == [
        "original",
        "convert",
        "benchmark",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"model": MODEL, "stages": []}, "Did you mean 'stage'?"),
        ({"model": MODEL, "convrt": {}}, "Did you mean 'convert'?"),
        ({"model": {"pth": "x"}}, "Did you mean 'path'?"),
        ({"model": MODEL, "data": {"source": "x", "lmit": 3}}, "Did you mean 'limit'?"),
        ({"model": MODEL, "prune": {"mac": 0.5}}, "Did you mean 'macs'?"),
        ({"model": MODEL, "prune": {"macs": 0.5, "imput": "x"}}, "mean 'input'?"),
        (
            {"model": MODEL, "stage": [{"kind": "slimm"}]},
            "Did you mean 'slim'?",
        ),
        (
            {"model": MODEL, "convert": {"input": "orginal"}},
            "Did you mean 'original'?",
        ),
        ({"model": MODEL, "prune": {"macs": "half"}}, "must be float"),
        ({"model": MODEL, "prune": {"macs": 0.5, "criterion": "l3"}}, "one of"),
        ({"model": MODEL, "prune": {}}, "how much stays"),
        ({"model": MODEL, "convert": {"recipe": "int4"}}, "recipe"),
        ({"model": MODEL, "benchmark": {}}, "Put a `convert` stage before it"),
        ({"model": MODEL, "convert": {"recipe": "int8"}}, "needs data"),
        ({"model": MODEL, "slim": {}}, "needs data"),
        ({"model": MODEL, "data": {}}, "source"),
        ({"convert": {}}, "[model]"),
        ({"model": {}}, "`path` or by `builder`"),
        ({"model": {"path": "a", "builder": "b:c"}}, "`path` or by `builder`"),
        ({"model": MODEL, "stage": {"kind": "convert"}}, "[[stage]]"),
        ({"model": MODEL, "stage": [{"name": "x"}]}, "kind"),
        (
            {"model": MODEL, "stage": [{"kind": "convert"}], "benchmark": {}},
            "in two ways",
        ),
        (
            {"model": MODEL, "stage": [{"kind": "convert"}, {"kind": "convert"}]},
            "its own `name`",
        ),
        ({"model": MODEL, "convert": {"name": "../up"}}, "its own `name`"),
        ({"model": MODEL, "convert": {"name": "run"}}, "its own `name`"),
        ({"model": MODEL, "seed": "one"}, "seed='one'"),
    ],
)
def test_what_is_wrong_is_named(content, expected):
    assert expected in refused(content)


def test_a_file_that_is_no_toml(tmp_path):
    path = tmp_path / "w.toml"
    path.write_text("[model\npath=")

    with pytest.raises(errors.ConfigError, match="not valid TOML"):
        read_workflow(path)


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(errors.ConfigError, match="cannot be read"):
        read_workflow(tmp_path / "w.toml")
