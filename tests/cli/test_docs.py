"""The guide's commands, options, workflows and links exist."""

from __future__ import annotations

import pathlib
import re
import shlex
import tomllib

import click
import pytest

from tfcompress.cli.main import COMMANDS, cli

DOCS = pathlib.Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def blocks(page: pathlib.Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def commands() -> list[str]:
    """Return every ``$ tfcompress ...`` line of the guide."""
    texts = [block for page in PAGES for block in blocks(page, "console")]
    joined = "\n".join(texts).replace("\\\n", " ")
    return re.findall(r"^\$ (tfcompress .+)$", joined, re.MULTILINE)


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_guide_parses(line):
    _, name, *arguments = shlex.split(line)
    command = cli.get_command(click.Context(cli), name)

    assert command is not None
    command.make_context(name, arguments, parent=click.Context(cli))


def test_the_guide_shows_every_command():
    text = "".join(page.read_text("utf-8") for page in PAGES)

    assert [name for name in COMMANDS if f"tfcompress {name}" not in text] == []


def test_the_workflow_of_the_guide_is_one():
    from tfcompress.pipeline import parse_workflow

    (example,) = blocks(DOCS / "workflows.md", "toml")
    workflow = parse_workflow(tomllib.loads(example))

    assert [stage.kind for stage in workflow.stages][:2] == ["original", "slim"]


def test_settings_named_in_the_guide_exist():
    """The table of stages lists real settings, and every kind."""
    import dataclasses

    from tfcompress.pipeline.stages import KINDS

    rows = re.findall(
        r"^\| `(\w+)` \|.*?\|.*?\| ?(.*?) ?\|$",
        (DOCS / "workflows.md").read_text("utf-8"),
        re.MULTILINE,
    )
    assert [kind for kind, _ in rows] == list(KINDS)
    for kind, settings in rows:
        known = {field.name for field in dataclasses.fields(KINDS[kind].config)}
        known |= set(KINDS[kind].roles.values())
        assert set(re.findall(r"`(\w+)`", settings)) <= known, kind


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_messages_of_the_troubleshooting_page_are_said_somewhere():
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    source = "".join(
        path.read_text("utf-8") for path in (DOCS.parent / "tfcompress").rglob("*.py")
    )
    said = re.sub(r'"\s*\n\s*f?"', "", source)  # strings over several lines

    messages = re.findall(r"^\| \*(.+?)\*", page, re.MULTILINE)
    fragments = [f.strip() for m in messages for f in m.split("...") if f.strip()]

    assert len(fragments) >= 10
    assert [fragment for fragment in fragments if fragment not in said] == []
