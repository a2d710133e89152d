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


def test_a_file_that_is_no_plan_is_named(tfcompress, refused, model_file, tmp_path):
    """The record lies beside the plan and is easily taken for it."""
    tfcompress("prune", model_file, "-o", tmp_path / "a.keras", "--macs", "0.5")
    record = tmp_path / "a.json"

    arguments = ["-o", tmp_path / "b.keras", "--plan", record]
    assert f"The file is {record}" in refused("prune", model_file, *arguments)


def test_a_budget_that_cannot_be_met_is_a_failed_check(refused, model_file, tmp_path):
    message = refused(
        "prune", model_file, "-o", tmp_path / "s.keras", "--macs", "0.01", code=3
    )

    assert "macs" in message.lower()
    assert not (tmp_path / "s.keras").exists()


def test_no_budget(refused, model_file, tmp_path):
    message = refused("prune", model_file, "-o", tmp_path / "s.keras")

    assert "such as `--macs 0.5`" in message


@pytest.mark.parametrize(
    "options", [["--macs", "0.5"], ["--criterion", "random"], ["--round-to", "4"]]
)
def test_a_plan_and_what_would_make_one_exclude_each_other(
    refused, model_file, tmp_path, options
):
    """The option would do nothing."""
    path = tmp_path / "s.keras"
    message = refused("prune", model_file, "-o", path, "--plan", "p.json", *options)

    assert "unset beside `plan`" in message


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


def test_the_model_itself_is_not_overwritten(refused, model_file, tmp_path):
    """Not with --force either: its figures are needed beside those of the result."""
    path = tmp_path / "net.keras"
    path.write_bytes(model_file.read_bytes())

    message = refused("prune", path, "-o", path, "--macs", "0.6", "--force")

    assert "overwrite what it is made of" in message
    assert path.read_bytes() == model_file.read_bytes()


def test_the_plan_is_not_overwritten_by_the_record(refused, tmp_path):
    """`s.json` is where the record of `s.keras` goes."""
    plan, path = tmp_path / "s.json", tmp_path / "s.keras"
    plan.write_text("{}")
    model = tmp_path / "net.keras"
    model.write_bytes(b"")

    message = refused("prune", model, "-o", path, "--plan", plan, "--force")

    assert f"Received: {plan}" in message
    assert plan.read_text() == "{}"


def test_an_output_of_another_kind(refused, model_file, tmp_path):
    message = refused("prune", model_file, "-o", tmp_path / "s.h5", "--macs", "0.6")

    assert "s.keras" in message


def test_an_image_size_has_no_name(tfcompress, model_file, tmp_path):
    arguments = ["-o", tmp_path / "s.keras", "--data", DATA, "--image-size", "a=12,12"]
    answer = tfcompress("prune", model_file, *arguments)

    assert answer.code == 2
    assert "'a=12,12' is not like 224,224" in answer.err


def test_a_data_option_without_data_is_wrong_usage(tfcompress, model_file, tmp_path):
    answer = tfcompress(
        "prune", model_file, "-o", tmp_path / "s.keras", "--macs", "0.6", "--limit", "3"
    )

    assert answer.code == 2
    assert "--limit needs --data" in answer.err
