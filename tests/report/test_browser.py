"""The page in a real browser: it draws, it fits a phone, it has a dark theme."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import PIL.Image
import pytest

from tests.report import runs
from tfcompress import report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)

pytestmark = pytest.mark.slow


@pytest.fixture
def browse(tmp_path):
    """Return a function that runs the browser on a page, with a profile of its own."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser is installed (looked for {', '.join(BROWSERS)})")

    def run(page, *options):
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        done = subprocess.run(
            [browser, *FLAGS, profile, *options, page.as_uri()],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def page(tmp_path):
    """Return the page of the fixture run."""
    return report.write(report.build(runs.FASHION), tmp_path / "page")["html"]


def screenshot(browse, page, *options, size):
    """Return the pixels of the top of the page."""
    target = page.with_suffix(".png")
    browse(page, f"--screenshot={target}", f"--window-size={size}", *options)
    return np.asarray(PIL.Image.open(target).convert("RGB")).astype(int)


def share_near(pixels, color):
    """Return the share of pixels within a few steps of a colour."""
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return (abs(pixels - wanted).max(axis=2) <= 6).mean()


@pytest.mark.parametrize(
    ("size", "theme", "ground", "accent"),
    [
        ("1280,2400", (), "#ffffff", "#1f6feb"),
        ("390,2400", (), "#ffffff", "#1f6feb"),
        (
            "1280,2400",
            ("--blink-settings=preferredColorScheme=0",),
            "#171e26",
            "#6ea8fe",
        ),
    ],
    ids=["desktop", "phone", "dark"],
)
def test_the_page_is_drawn(browse, page, size, theme, ground, accent):
    """Cards, text and bars are there in the theme's colours, from top to bottom."""
    pixels = screenshot(browse, page, *theme, size=size)
    width, height = map(int, size.split(","))
    assert pixels.shape == (height, width, 3)
    assert share_near(pixels, ground) > 0.4
    assert share_near(pixels, accent) > 0.004
    for part in np.array_split(pixels, 6):  # no part of it is blank
        assert len(np.unique(part.reshape(-1, 3), axis=0)) > 30


@pytest.mark.parametrize("width", [320, 390, 768])
@pytest.mark.parametrize(
    ("fixture", "change"),
    [
        (runs.FASHION, runs.name_everything),
        (runs.SEARCH, runs.name_the_search),
    ],
    ids=["everything", "search"],
)
def test_the_page_does_not_scroll_sideways(browse, tmp_path, width, fixture, change):
    """Not even with long and hostile names: wide tables scroll by themselves."""
    run = runs.copy(tmp_path, of=fixture)
    change(run, runs.HOSTILE + "very_long_layer_name/" * 12)
    text = report.to_html(report.build(run))
    framed = tmp_path / "framed.html"  # our own script measures; the page has none
    framed.write_text(
        re.sub(r"<meta http-equiv[^>]*>", "", text).replace(
            "</body>",
            "<script>document.title = 'width ' + document.documentElement.scrollWidth"
            "</script></body>",
        ),
        encoding="utf-8",
    )
    outer = tmp_path / "outer.html"
    outer.write_text(
        f"<iframe id=f src=framed.html width={width} height=900 frameborder=0></iframe>"
        "<script>f.onload = () => document.title = f.contentDocument.title</script>",
        encoding="utf-8",
    )
    dom = browse(outer, "--allow-file-access-from-files", "--dump-dom")
    assert f"<title>width {width}</title>" in dom, dom[:300]


def test_the_policy_of_the_page_stops_scripts(browse, tmp_path, page):
    """Even a script that got into the page would not run."""
    text = page.read_text("utf-8").replace(
        "</body>", "<script>document.title = 'ran'</script></body>"
    )
    path = tmp_path / "injected.html"
    path.write_text(text, encoding="utf-8")
    assert "<title>fashion: compression report</title>" in browse(path, "--dump-dom")
