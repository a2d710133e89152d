"""Tests of ``tfcompress import``."""

from __future__ import annotations

import pytest

from tests.interop import networks

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras 2 warns of the legacy format


@pytest.fixture
def old(tmp_path):
    """Return a file that Keras 3 cannot load: Keras 2's depthwise layer has groups."""
    path = tmp_path / "old.h5"
    networks.randomise(networks.convolutions()).save(path)
    return path


def test_a_file_that_keras_3_cannot_load(tfcompress, refused, old, tmp_path):
    assert f"tfcompress import {old} -o" in refused("inspect", old)

    answer = tfcompress("import", old, "-o", tmp_path / "new.keras")

    assert answer.code == 0, answer
    assert "new.keras and new.json" in answer.out
    inspected = tfcompress("inspect", tmp_path / "new.keras", "--json")
    assert inspected.code == 0
    assert inspected.record["unknown"] == []


def test_the_record_as_json(tfcompress, old, tmp_path):
    answer = tfcompress("import", old, "-o", tmp_path / "new.keras", "--json")

    assert answer.record["relative_error"] < 1e-5
    assert answer.record["output"] == str(tmp_path / "new.keras")


def test_what_is_refused(refused, old, model_file, tmp_path):
    new = tmp_path / "new.keras"
    assert "load_model" in refused("import", model_file, "-o", new)
    assert "no such model file" in refused("import", tmp_path / "none.h5", "-o", new)
    assert "Name it new.keras" in refused("import", old, "-o", tmp_path / "new.h5")
    named = old.with_suffix(".keras")
    named.write_bytes(old.read_bytes())
    assert "made of" in refused("import", named, "-o", named, "--force")
    new.write_text("")
    assert "--force" in refused("import", old, "-o", new)
