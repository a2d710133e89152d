"""Tests of the names of contents."""

from __future__ import annotations

import time

from tests.models import conv_bn_net, randomise
from tfcompress.pipeline.fingerprints import file_fingerprint, stage_key


def saved(path, seed=0):
    randomise(conv_bn_net(), seed).save(path)
    return file_fingerprint(path)


def test_saving_the_same_model_again_gives_the_same_name(tmp_path):
    first = saved(tmp_path / "a.keras")
    time.sleep(1.1)  # the archive carries seconds

    assert saved(tmp_path / "b.keras") == first
    assert (tmp_path / "a.keras").read_bytes() != (tmp_path / "b.keras").read_bytes()


def test_other_weights_give_another_name(tmp_path):
    assert saved(tmp_path / "a.keras") != saved(tmp_path / "b.keras", seed=1)


def test_other_files_are_named_by_their_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")

    assert file_fingerprint(tmp_path / "a") != file_fingerprint(tmp_path / "b")


def test_a_key_depends_on_each_of_its_parts():
    base = {"kind": "k", "config": {"a": 1}, "inputs": {"model": "x"}, "data": "d"}
    changes = [
        {"kind": "l"},
        {"config": {"a": 2}},
        {"inputs": {"model": "y"}},
        {"inputs": {"teacher": "x"}},
        {"data": None},
    ]

    keys = {stage_key(**{**base, **change}) for change in [{}, *changes]}

    assert len(keys) == 6
    assert stage_key(**base) == stage_key(**base)
