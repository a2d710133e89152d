"""Tests of `tfcompress.slimming.settings`."""

from __future__ import annotations

import json

import pytest

from tfcompress import errors
from tfcompress.channels import Budget
from tfcompress.slimming import SlimConfig


def test_it_survives_json():
    """Tuples come back as tuples."""
    config = SlimConfig(macs=0.4, exclude=("stem",), proximal=True, passes=3)
    assert SlimConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_half_of_the_macs_go_if_no_budget_is_given():
    """Any other limit replaces that default."""
    assert SlimConfig().budget() == Budget(macs=0.5)
    assert SlimConfig(params=0.3).budget() == Budget(params=0.3)


def test_sparse_training_has_a_length_and_a_rate_of_its_own():
    """Everything else is that of fine-tuning; it is never stopped early."""
    config = SlimConfig(
        epochs=3, learning_rate=0.01, sparse_epochs=7, sparse_learning_rate=0.1,
        early_stopping=2, batch_size=64,
    )  # fmt: skip
    sparse, tuning = config.sparse_training(), config.fine_tuning()
    assert (sparse.epochs, sparse.learning_rate, sparse.early_stopping) == (7, 0.1, 0)
    assert (tuning.epochs, tuning.learning_rate, tuning.early_stopping) == (3, 0.01, 2)
    assert sparse.batch_size == tuning.batch_size == 64


@pytest.mark.parametrize(
    "wrong",
    [
        {"strength": 0.0}, {"sparse_learning_rate": 0.0}, {"sparse_epochs": -1},
        {"max_drop": -0.1}, {"round_to": 0}, {"min_channels": 0}, {"passes": 0},
        {"scope": "model"}, {"arm": "tune"}, {"macs": 0.0}, {"epochs": 0},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(wrong):
    """The message names the setting."""
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))):
        SlimConfig(**wrong)


def test_an_unknown_setting_suggests_the_nearest():
    """As in a workflow file."""
    with pytest.raises(errors.ConfigError, match="Did you mean 'sparse_epochs'"):
        SlimConfig.from_dict({"sparse_epoch": 3})
