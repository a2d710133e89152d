"""A precision for each layer: the worst ones go up until it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.quantize.unequal_nets import labelled, mobile
from tfcompress import errors, quantize
from tfcompress.channels import Budget
from tfcompress.quantize.sensitivity import LayerSensitivity, Sensitivity

ORDER = ["dw1", "pw0", "stem", "head", "dw0", "pw1"]  # made up: the worst first
WEIGHTS = {"stem": 324, "dw0": 108, "pw0": 192, "dw1": 144, "pw1": 384, "head": 240}


@pytest.fixture(scope="module")
def net():
    model = mobile()
    return model, labelled(model)


@pytest.fixture
def found():
    layers = [
        LayerSensitivity(
            layer=name, weights=WEIGHTS[name], snr_db=10.0 + k, kl=0.1, value=1, drop=0
        )
        for k, name in enumerate(ORDER)
    ]
    return Sensitivity(
        precision="int8", metric="accuracy", value=1, num_examples=9, layers=(*layers,)
    )


class Judge:
    """Loses 0.1 for each layer in int8; counts its calls."""

    def __init__(self, low="int8"):
        self.low = low
        self.calls = 0

    def __call__(self, precision):
        self.calls += 1
        return 1 - 0.1 * sum(value == self.low for value in precision.values())


def choose(net, found, **settings):
    model, dataset = net
    judge = settings.pop("judge", Judge())
    return quantize.mixed(model, dataset, found=found, judge=judge, **settings)


def test_the_fewest_layers_go_up(net, found):
    """A drop of at most 0.35 allows three layers in int8: three go up."""
    judge = Judge()

    chosen = choose(net, found, max_drop=0.35, judge=judge)

    assert chosen.raised == ("stem", "pw0", "dw1")  # in the network's order
    assert chosen.drop == pytest.approx(0.3)
    assert chosen.size_bytes == 4 * (324 + 192 + 144) + 108 + 384 + 240
    assert judge.calls == 5  # none, all, then 3, 1 and 2


def test_nothing_goes_up_where_all_is_well(net, found):
    judge = Judge()

    chosen = choose(net, found, max_drop=0.7, judge=judge)

    assert chosen.raised == ()
    assert judge.calls == 1


def test_it_is_a_mapping_and_json(net, found):
    chosen = choose(net, found, max_drop=0.55)

    assert isinstance(chosen, Mapping)
    assert dict(chosen) == {**dict.fromkeys(WEIGHTS, "int8"), "dw1": "float32"}
    content = json.loads(json.dumps(chosen.to_dict()))
    assert content["precision"] == dict(chosen)
    assert [row["raised"] for row in content["tried"]] == sorted(
        row["raised"] for row in content["tried"]
    )


def test_the_budget_alone_raises_as_many_as_fit(net, found):
    """1392 bytes in int8; dw1 and pw0 cost 3 · 336 more, stem would cost 972."""
    chosen = choose(net, found, budget=Budget(size_bytes=2400))

    assert chosen.raised == ("pw0", "dw1")
    assert chosen.size_bytes == 1392 + 3 * (144 + 192)


def test_what_cannot_be_reached_is_refused_with_what_can(net, found):
    with pytest.raises(errors.BudgetError, match=r"the least reached is 0\.4") as seen:
        choose(net, found, max_drop=0.1, budget=Budget(size_bytes=2400))

    assert "within 2400 bytes" in str(seen.value)
    assert "2 of 6 layers in float32" in str(seen.value)


def test_a_budget_that_nothing_fits_in(net, found):
    with pytest.raises(errors.BudgetError, match="they take 1392"):
        choose(net, found, max_drop=0.1, budget=Budget(size_bytes=1000))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "a budget of size_bytes"),
        ({"max_drop": -0.1}, "max_drop=-0.1"),
        ({"max_drop": 0.1, "recipe": "float16"}, "recipe='float16'"),
        ({"max_drop": 0.1, "higher": "int8"}, "higher='int8'"),
        ({"max_drop": 0.1, "higher": "int8_w4"}, "higher='int8_w4'"),
        ({"max_drop": 0.1, "budget": Budget(macs=0.5)}, "size_bytes alone"),
        ({"max_drop": 0.1, "rank_by": "name"}, "rank_by='name'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(net, found, settings, message):
    with pytest.raises(errors.ConfigError, match=message):
        choose(net, found, **settings)


def test_four_bits_go_up_to_eight(net, found):
    judge = Judge(low="int8_w4")

    chosen = choose(net, found, max_drop=0.55, recipe="int8_w4", judge=judge)

    assert chosen["dw1"] == "int8"
    assert chosen["stem"] == "int8_w4"


def test_the_simulation_judges_by_itself(net):
    """4-bit weights change some answers; with enough layers in 8 bits none but few."""
    model, dataset = net

    chosen = quantize.mixed(
        model, dataset, max_drop=0.05, recipe="int8_w4", num_examples=32
    )

    assert chosen.drop <= 0.05
    assert 0 < len(chosen.raised) < 6
    none = chosen.tried[0]
    assert none["raised"] == 0
    assert none["drop"] > 0.05
