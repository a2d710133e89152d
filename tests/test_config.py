"""Tests of `tfcompress.config`."""

from __future__ import annotations

import dataclasses
import json
from typing import Literal

import pytest

from tfcompress import config, errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(config.Config):
    """A config with a field of each kind."""

    epochs: int = 3
    learning_rate: float = 0.1
    optimizer: Literal["adam", "sgd"] = "adam"
    exclude: tuple[str, ...] = ()
    budget: float | None = None

    def __post_init__(self) -> None:
        config.require(self.epochs > 0, "epochs", self.epochs, "positive")


def test_config_survives_json():
    """Property 8: dict, JSON and back."""
    one = Settings(epochs=5, exclude=("stem",), budget=0.5)
    again = Settings.from_dict(json.loads(json.dumps(one.to_dict())))
    assert again == one


def test_unknown_key_suggests_the_nearest():
    with pytest.raises(errors.ConfigError, match="Did you mean 'learning_rate'"):
        Settings.from_dict({"learnign_rate": 0.1})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": "5"}, r"epochs='5' \(str\); it must be int"),
        ({"epochs": 2.5}, r"epochs=2.5 \(float\); it must be int"),
        ({"epochs": True}, r"epochs=True \(bool\); it must be int"),
        ({"optimizer": "adamm"}, "optimizer='adamm'"),
        ({"exclude": "stem"}, r"exclude='stem' \(str\)"),
        ({"epochs": 0}, "epochs=0; it must be positive"),
    ],
)
def test_wrong_types_and_ranges_are_named(values, message):
    with pytest.raises(errors.ConfigError, match=message):
        Settings.from_dict(values)


def test_an_int_is_a_float_and_none_is_allowed_where_hinted():
    assert Settings.from_dict({"learning_rate": 1, "budget": None}).learning_rate == 1


def test_toml_errors_name_the_line(tmp_path):
    path = tmp_path / "workflow.toml"
    with pytest.raises(errors.ConfigError, match=r"cannot be read.*Check the path"):
        config.read_toml(path)
    path.write_text("a = 1\nb = = 2\n")
    with pytest.raises(errors.ConfigError, match="line 2"):
        config.read_toml(path)
    path.write_text('a = 1\n[b]\nc = "d"\n')
    assert config.read_toml(path) == {"a": 1, "b": {"c": "d"}}
