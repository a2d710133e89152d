"""Plots as files."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from tfcompress import errors
from tfcompress.report import figures

CURVES = {
    "bn_scale": {0.7: [0.91, 0.915, 0.912], 0.5: [0.90, 0.905, 0.9], 0.3: [0.88, 0.87]},
    "random": {0.7: [0.90, 0.89], 0.5: [0.87, 0.88], 0.3: [0.80, 0.84]},
}


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_figure_is_written_and_repeats_byte_for_byte(tmp_path, suffix):
    """The same content gives the same file, so that commits stay quiet."""
    one, two = (
        figures.accuracy_against_cost(CURVES, tmp_path / f"{n}{suffix}", baseline=0.92)
        for n in ("one", "two")
    )
    assert one.read_bytes() == two.read_bytes()
    assert len(one.read_bytes()) > 5_000


def test_the_curves_are_drawn_in_their_colours(tmp_path):
    """A PNG holds pixels of the first two colours of the palette."""
    path = figures.accuracy_against_cost(CURVES, tmp_path / "plot.png")
    pixels = np.asarray(PIL.Image.open(path).convert("RGB")).reshape(-1, 3)
    for color in figures.COLORS[:2]:
        wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        assert (pixels == wanted).all(axis=1).sum() > 100


def test_grouped_bars_are_drawn(tmp_path):
    """A bar that one group lacks is left out."""
    groups = {"50 %": {"folded": [0.8, 0.82], "lost": [0.5]}, "70 %": {"folded": [0.6]}}
    path = figures.bars(groups, tmp_path / "bars.svg", baseline=0.9, title="Cut")
    assert "<svg" in path.read_text("utf-8")


def test_a_spread_is_mean_and_range():
    """Worked out by hand."""
    assert figures.Spread.of([0.5, 0.75, 0.25]) == figures.Spread(0.5, 0.25, 0.75)


@pytest.mark.parametrize("values", [[], [0.5, float("nan")]])
def test_a_point_without_finite_values_is_refused(tmp_path, values):
    """No gap is drawn as if it were a result."""
    with pytest.raises(ValueError, match="at least one finite value"):
        figures.accuracy_against_cost({"a": {0.5: values}}, tmp_path / "x.svg")


@pytest.mark.parametrize("curves", [{}, {"a": {}}])
def test_nothing_to_draw_is_refused(tmp_path, curves):
    """An empty plot is a mistake of the caller."""
    with pytest.raises(ValueError, match="nothing to draw"):
        figures.accuracy_against_cost(curves, tmp_path / "x.svg")


def test_an_unknown_suffix_is_refused(tmp_path):
    """The two that a README can show are named."""
    with pytest.raises(ValueError, match=r"\.svg or \.png\. Received: .*x\.bmp"):
        figures.accuracy_against_cost(CURVES, tmp_path / "x.bmp")


def test_a_figure_that_cannot_be_written_is_one_error(tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.OutputError, match="refused"):
        figures.accuracy_against_cost(CURVES, tmp_path / "file" / "x.svg")


def test_a_report_needs_neither_tensorflow_nor_matplotlib():
    """They are not imported by building and rendering one."""
    code = (
        "import sys; from tfcompress import report; "
        f"report.to_html(report.build({str(_fixture())!r})); "
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'numpy'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _fixture():
    from tests.report import runs

    return runs.FASHION
