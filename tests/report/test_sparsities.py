"""Tests of the report's section on sparsity."""

from __future__ import annotations

import pytest

from tests.report import runs
from tfcompress import errors, report

FOUND = {
    "pattern": "2:4",
    "teacher": True,
    "kernels": [
        {"layer": "conv1", "variable": "kernel", "size": 200, "zeros": 100},
        {"layer": "lstm", "variable": "cell/kernel", "size": 100, "zeros": 80},
    ],
    "skipped": {"conv0": "it is a first layer", "head": "it is a last layer"},
}


def run_with(tmp_path, found):
    run = runs.copy(tmp_path)
    runs.edit(
        run / "slim.json", lambda record: record["details"].update(sparsity=found)
    )
    return run


def test_layers_and_reasons_are_shown(tmp_path):
    """180 of 300 weights are 60 %."""
    built = report.build(run_with(tmp_path, FOUND))
    (sparse,) = built.sparsities
    assert [(k.name, k.sparsity) for k in sparse.kernels] == [
        ("conv1", 0.5),
        ("lstm/cell/kernel", 0.8),
    ]
    assert "180 of 300 weights in 2 kernels are zero (60.0 %" in sparse.summary
    assert "pattern 2:4, with a teacher" in sparse.summary
    report.write(built, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert 'id="sparsity"' in page
    assert "80.0 % zero" in page
    text = (tmp_path / "report.md").read_text()
    assert "| conv1 | 200 | 50.0 % |" in text
    assert "- not pruned: conv0: it is a first layer" in text


def test_no_more_zeros_than_weights(tmp_path):
    broken = {**FOUND, "kernels": [{"layer": "a", "size": 1, "zeros": 2}]}
    with pytest.raises(errors.DataError, match="at most size=1"):
        report.build(run_with(tmp_path, broken))


def test_names_cannot_break_the_page(tmp_path):
    hostile = {
        "kernels": [{"layer": runs.HOSTILE, "size": 2, "zeros": 1}],
        "skipped": {runs.HOSTILE: runs.HOSTILE},
    }
    report.write(report.build(run_with(tmp_path, hostile)), tmp_path)
    assert "<img src=x" not in (tmp_path / "report.html").read_text()
