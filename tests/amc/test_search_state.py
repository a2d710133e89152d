"""Tests of `tfcompress.amc.search_state`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tfcompress.amc.search_state import Journal, StateFile

ARRAYS = {
    "agent": {"actor/parameters": np.arange(5, dtype=np.float32), "baseline": -0.1},
    "replay": {"next": 7, "random": np.array([2**63, 1], np.uint64)},
}


def saved(directory, identity="this"):
    state = StateFile(directory, identity=identity)
    state.save(ARRAYS, {"history": Journal([{"episode": 1, "reward": -0.25}])})
    return state


def test_arrays_numbers_and_records_come_back(tmp_path):
    """Bit for bit: a generator's words need all 64 bits."""
    loaded = saved(tmp_path).load()
    assert loaded.records == {"history": [{"episode": 1, "reward": -0.25}]}
    assert set(loaded.arrays) == {"agent", "replay"}
    for part, values in ARRAYS.items():
        for name, value in values.items():
            np.testing.assert_array_equal(loaded.arrays[part][name], value)
            assert loaded.arrays[part][name].dtype == np.asarray(value).dtype


def test_a_state_of_another_search_is_left_aside(tmp_path, caplog):
    """The log says so; the file is overwritten by the next save only."""
    saved(tmp_path)
    assert StateFile(tmp_path, identity="other").load() is None
    assert "of another search; starting over" in caplog.text
    assert StateFile(tmp_path, identity="this").load() is not None


@pytest.mark.parametrize("rest", [0, 100, -10])
def test_half_a_file_is_not_trusted(tmp_path, caplog, rest):
    """Nothing, the beginning, or all but the end of it."""
    state = saved(tmp_path)
    state.path.write_bytes(state.path.read_bytes()[:rest])
    assert state.load() is None
    assert "cannot be read" in caplog.text


def test_without_a_directory_nothing_is_kept():
    """`save` is free then."""
    assert saved(None).load() is None


def test_without_a_file_there_is_no_state(tmp_path, caplog):
    """And nothing to warn of."""
    assert StateFile(tmp_path, identity="this").load() is None
    assert not caplog.text


def test_a_journal_encodes_each_record_once(monkeypatch):
    """So that saving does not get slower with every episode."""
    journal = Journal({"episode": i} for i in range(3))
    monkeypatch.setattr(json, "dumps", None)
    text = journal.text()
    assert json.loads(text) == [{"episode": 0}, {"episode": 1}, {"episode": 2}]


def test_a_journal_refuses_what_json_has_no_words_for():
    """Nobody else could read the file."""
    journal = Journal()
    with pytest.raises(ValueError, match="JSON"):
        journal.append({"reward": float("nan")})
    assert len(journal) == 0
