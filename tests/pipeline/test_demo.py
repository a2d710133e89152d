"""Tests of the demo's workflow; `make demo` runs it."""

from __future__ import annotations

from tests.cli.data_sets import images
from tfcompress import cost, data, trace
from tfcompress.pipeline import demo_workflow
from tfcompress.pipeline.demo import build_network


def test_it_does_the_whole_method_within_the_promised_limits():
    stages = {stage.kind: stage.config for stage in demo_workflow(seed=3).stages}

    assert list(stages) == [
        "original", "slim", "distill", "quantize", "convert", "verify", "benchmark",
        "report",
    ]  # fmt: skip
    assert stages["quantize"].max_drop < stages["verify"].max_drop
    assert stages["slim"].macs == 0.5
    assert stages["convert"].recipe == "int8"
    assert stages["verify"].max_drop_from_original == 0.01
    assert {stages[kind].seed for kind in ("original", "slim", "distill")} == {3}
    assert demo_workflow().data.source == "fashion-mnist-small"  # no download


def test_the_network_is_of_a_size_where_slimming_is_not_trivial():
    x, y = images(size=28, channels=1, classes=10)
    dataset = data.Dataset.from_arrays(
        train=(x, y), test=(x, y), class_names=tuple("abcdefghij")
    )
    model = build_network(dataset)

    assert 90_000 <= model.count_params() <= 300_000
    assert cost(model).macs > 5_000_000
    assert len(trace(model).groups) == 4
