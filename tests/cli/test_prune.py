"""Tests of ``tfcompress prune``, and with it of what all writing commands share."""

from __future__ import annotations

import json

import keras
import pytest

from tests.cli.conftest import DATA


def test_it_meets_the_budget_and_writes_a_record(tfcompress, model_file, tmp_path):
    output = tmp_path / "small.keras"

    answer = tfcompress("prune", model_file, "-o", output, "--macs", "0.6", "--json")

    assert answer.code == 0, answer.err
    record = answer.record
    macs = record["model"]["cost"]["macs"]
    assert macs <= 0.6 * record["before"]["cost"]["macs"]
    assert record == json.loads((tmp_path / "small.json").read_text())
    model = keras.saving.load_model(output)
    kept = {row["group"]: row["after"] for row in record["channels"]}
    assert model.get_layer("conv0").filters == kept["conv0"]
    assert (tmp_path / "small.plan.json").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "small.json",
        "small.keras",
        "small.log",
        "small.plan.json",
    ]


def test_the_table_shows_before_and_after(tfcompress, model_file, tmp_path):
    answer = tfcompress(
        "prune", model_file, "-o", tmp_path / "s.keras", "--macs", "0.6", "--data", DATA
    )

    assert answer.code == 0, answer.err
    for text in ("before", "after", "macs", "accuracy (validation)", "accuracy (test)"):
        assert text in answer.out


@pytest.mark.parametrize("criterion", ["l1", "bn_scale", "random"])
def test_criteria(tfcompress, model_file, tmp_path, criterion):
    arguments = ["-o", tmp_path / "s.keras", "--macs", "0.6", "--json"]
    answer = tfcompress("prune", model_file, *arguments, "--criterion", criterion)

    expected = {"l1": "l1_norm"}.get(criterion, criterion)
    assert answer.record["config"]["criterion"] == expected


def test_a_model_without_norms_can_be_pruned(tfcompress, without_norms, tmp_path):
    answer = tfcompress(
        "prune", without_norms, "-o", tmp_path / "s.keras", "--macs", "0.6"
    )

    assert answer.code == 0, answer.err


def test_a_saved_plan_cuts_again_the_same(tfcompress, model_file, tmp_path):
    tfcompress("prune", model_file, "-o", tmp_path / "a.keras", "--macs", "0.5")
    plan = tmp_path / "a.plan.json"
    answer = tfcompress(
        "prune", model_file, "-o", tmp_path / "b.keras", "--plan", plan, "--json"
    )

    first = json.loads((tmp_path / "a.json").read_text())
    assert answer.record["channels"] == first["channels"]


def test_a_plan_of_another_model_is_refused(
    tfcompress, refused, model_file, without_norms, tmp_path
):
    tfcompress("prune", model_file, "-o", tmp_path / "a.keras", "--macs", "0.5")
    plan = tmp_path / "a.plan.json"

    message = refused(
        "prune", without_norms, "-o", tmp_path / "b.keras", "--plan", plan
    )
    assert "conv_bn_net" in message


def test_a_budget_that_cannot_be_met_is_a_failed_check(refused, model_file, tmp_path):
    message = refused(
        "prune", model_file, "-o", tmp_path / "s.keras", "--macs", "0.01", code=3
    )

    assert "macs" in message.lower()
    assert not (tmp_path / "s.keras").exists()


def test_no_budget(refused, model_file, tmp_path):
    assert "macs" in refused("prune", model_file, "-o", tmp_path / "s.keras")


def test_taylor_needs_data(refused, model_file, tmp_path):
    arguments = ["-o", tmp_path / "s.keras", "--macs", "0.6", "--criterion", "taylor"]

    assert "--data" in refused("prune", model_file, *arguments)


@pytest.mark.parametrize("name", ["s.keras", "s.json"])
def test_an_output_that_exists_is_not_overwritten(
    tfcompress, refused, model_file, tmp_path, name
):
    (tmp_path / name).write_text("mine")
    arguments = ["prune", model_file, "-o", tmp_path / "s.keras", "--macs", "0.6"]

    assert "--force" in refused(*arguments)
    assert (tmp_path / name).read_text() == "mine"
    assert tfcompress(*arguments, "--force").code == 0
    assert (tmp_path / name).read_bytes() != b"mine"


def test_an_output_of_another_kind(refused, model_file, tmp_path):
    message = refused("prune", model_file, "-o", tmp_path / "s.h5", "--macs", "0.6")

    assert "s.keras" in message


def test_a_data_option_without_data_is_wrong_usage(tfcompress, model_file, tmp_path):
    answer = tfcompress(
        "prune", model_file, "-o", tmp_path / "s.keras", "--macs", "0.6", "--limit", "3"
    )

    assert answer.code == 2
    assert "--limit needs --data" in answer.err
