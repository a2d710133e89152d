"""The three files of a report, and that the page is safe, whole and offline."""

from __future__ import annotations

import html.parser
import json
import re

import pytest

from tests.report import runs
from tfcompress import errors, report

VOID = {"meta", "img", "br", "link", "input", "hr"}
ELEMENTS = {
    "a",
    "b",
    "body",
    "caption",
    "circle",
    "code",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "html",
    "li",
    "line",
    "main",
    "meta",
    "nav",
    "p",
    "path",
    "pre",
    "rect",
    "section",
    "span",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "text",
    "th",
    "thead",
    "title",
    "tr",
    "tspan",
    "ul",
}


class Page(html.parser.HTMLParser):
    """Elements, attributes and open tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.unclosed: list[str] = []
        self.ids: list[str] = []
        self.charts: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        values = dict(attrs)
        if "id" in values:
            self.ids.append(values["id"])
        if values.get("role") == "img":
            self.charts.append(values.get("aria-label"))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.unclosed.pop() == tag


@pytest.fixture(scope="module")
def fashion():
    """Return the report of the fixture run."""
    return report.build(runs.FASHION)


def test_markdown_is_as_agreed(fashion, golden):
    """The whole text, for a reader to judge in the diff."""
    golden("report/fashion.md", report.to_markdown(fashion))


def test_json_is_as_agreed(fashion, golden):
    """Every number of the report, for programs."""
    content = json.dumps(fashion.to_dict(), indent=1, ensure_ascii=False)
    golden("report/fashion.json", content + "\n")


def test_the_page_asks_the_network_for_nothing(fashion):
    """No address, no script, no import; a policy forbids all loading."""
    text = report.to_html(fashion)
    page = Page(text)
    assert "://" not in text
    assert not re.search(r"url\(|@import|<script|<link|<iframe", text)
    loading = {"src", "srcset", "action", "data", "poster", "xlink:href"}
    assert not [pair for pair in page.attributes if pair[0] in loading]
    links = [value for name, value in page.attributes if name == "href"]
    assert all(link.startswith("#") for link in links)
    assert "default-src 'none'" in dict(page.attributes)["content"] or any(
        "default-src 'none'" in value for _, value in page.attributes
    )


def test_the_page_is_well_formed_and_its_links_lead_somewhere(fashion):
    """Every element is closed, every id is there once, every chart has a text."""
    page = Page(report.to_html(fashion))
    assert page.unclosed == []
    assert len(page.ids) == len(set(page.ids))
    links = {value[1:] for name, value in page.attributes if name == "href"}
    assert links == set(page.ids)
    assert len(page.charts) > 20
    assert all(page.charts)
    assert set(page.tags) <= ELEMENTS


def test_every_section_of_a_whole_run_is_on_the_page(fashion):
    """A whole run fills them all and misses nothing."""
    page = Page(report.to_html(fashion))
    expected = "summary steps channels scales training parity files surgery reproduce"
    assert page.ids == expected.split()
    assert fashion.missing == ()


def test_hostile_names_stay_text(tmp_path):
    """No name out of a record becomes an element, an attribute or a style."""
    run = runs.copy(tmp_path)
    runs.name_everything(run, runs.HOSTILE)
    text = report.to_html(report.build(run))
    page = Page(text)
    assert page.unclosed == []
    assert set(page.tags) <= ELEMENTS
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert text.count("<style") == text.count("</style") == 1
    assert text.count("&lt;img src=x onerror") > 25


def test_hostile_names_do_not_break_the_markdown(tmp_path):
    """Rows keep their cells, and no HTML comes through outside the code block."""
    run = runs.copy(tmp_path)
    runs.name_everything(run, runs.HOSTILE + "\n# heading ``` | |")
    text = report.to_markdown(report.build(run))
    fenced = re.search(r"^(`{4,})\n.*?^\1$", text, re.MULTILINE | re.DOTALL)
    assert fenced is not None
    outside = text.replace(fenced.group(), "")
    assert "<img" not in outside
    assert "\n# heading" not in outside
    for table in re.findall(r"(?:^\|.*\|\n)+", outside, re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1, table


def test_a_bare_run_has_no_empty_sections(tmp_path):
    """One convert record: its score, its file, and what is missing."""
    (tmp_path / "convert.json").write_text(
        (runs.FASHION / "convert.json").read_text("utf-8"), encoding="utf-8"
    )
    built = report.build(tmp_path)
    page = Page(report.to_html(built))
    assert page.ids == ["summary", "steps", "files", "reproduce", "missing"]
    assert "\n## Parity" not in report.to_markdown(built)


def test_colours_are_readable_in_both_themes():
    """Text has a contrast of at least 4.5 : 1 on every ground that it stands on."""
    css = (
        runs.FASHION.parents[3] / "tfcompress/report/templates/report.css"
    ).read_text()
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    for theme in (light, dark):
        colors = dict(re.findall(r"--([\w-]+): (#\w{6})", theme))
        pairs = [
            *((ink, ground) for ink in ("ink", "soft") for ground in ("page", "card")),
            *((ink, "card") for ink in ("accent", "second", "good", "bad", "warn")),
            *((name, f"{name}-bg") for name in ("good", "bad", "warn")),
        ]
        for ink, ground in pairs:
            assert contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)


def contrast(one: str, other: str) -> float:
    """Return the contrast of WCAG 2.2 between two colours."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(color: str) -> float:
    """Return the relative luminance of an sRGB colour."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_write_makes_three_files(tmp_path, fashion):
    """Their paths are returned; the JSON holds the report."""
    paths = report.write(fashion, tmp_path / "new")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
    ]
    assert json.loads(paths["json"].read_text("utf-8")) == fashion.to_dict()
    assert paths["html"].read_text("utf-8") == report.to_html(fashion)
    assert paths["md"].read_text("utf-8") == report.to_markdown(fashion)


def test_a_report_in_its_run_directory_is_no_record_of_it(tmp_path):
    """Building again gives the same report."""
    run = runs.copy(tmp_path)
    first = report.build(run)
    report.write(first, run)
    assert report.build(run) == first


def test_a_refused_write_leaves_the_old_files(tmp_path, fashion, monkeypatch):
    """A full disk while writing is one error; the older report is whole."""
    old = {k: p.read_bytes() for k, p in report.write(fashion, tmp_path).items()}

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(errors.OutputError, match=r"refused.*report\.json.*No space"):
        report.write(fashion, tmp_path)
    assert {k: (tmp_path / f"report.{k}").read_bytes() for k in old} == old
    assert len(list(tmp_path.iterdir())) == 3  # nothing half-written stays


def test_runs_stand_side_by_side(tmp_path, fashion):
    """The first row is the original; what a run did not measure is a dash."""
    other = runs.copy(tmp_path, "lean")
    runs.edit(other / "run.json", lambda record: record.update(name="lean"))
    (other / "benchmark.json").unlink()
    table = report.compare([fashion, report.build(other)])
    assert [row[0] for row in table.rows] == ["original", "fashion", "lean"]
    assert table.columns[0] == "run"
    assert table.columns[-1] == "parity"
    place = table.columns.index("host latency (median)")
    assert [row[place] for row in table.rows] == ["0.391 ms", "0.104 ms", "\N{EN DASH}"]
    assert len(table.to_markdown().splitlines()) == 5
    assert json.loads(json.dumps(table.to_dict()))["columns"][0] == "run"


def test_comparing_nothing_is_refused():
    """An empty list is a mistake of the caller."""
    with pytest.raises(ValueError, match=r"needs a report. Received: reports=\[\]"):
        report.compare([])
