"""`TrainConfig` refuses what makes no sense."""

from __future__ import annotations

import pytest

from tfcompress import errors, training


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"steps_per_execution": 0},
        {"learning_rate": 0.0},
        {"weight_decay": -1.0},
        {"early_stopping": -1},
        {"momentum": 1.0},
        {"warmup_fraction": 1.0},
        {"milestones": (0.7, 0.5)},
        {"milestones": (0.5, 1.5)},
        {"milestone_factor": 0.0},
        {"optimizer": "adagrad"},
        {"schedule": "linear"},
        {"mixed_precision": "float8"},
        {"seed": -1},
    ],
)
def test_refuses(wrong):
    """The message names the setting."""
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))):
        training.TrainConfig(**wrong)


def test_survives_json():
    """To a dict and back."""
    config = training.TrainConfig(epochs=3, milestones=(0.3, 0.6), optimizer="sgd")
    assert training.TrainConfig.from_dict(config.to_dict()) == config


def test_suggests_the_nearest_name():
    """A typo in a workflow is pointed out."""
    with pytest.raises(errors.ConfigError, match="Did you mean 'learning_rate'"):
        training.TrainConfig.from_dict({"learning_rat": 0.1})
