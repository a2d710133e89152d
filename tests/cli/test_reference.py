"""The command line reference is what the commands say."""

from __future__ import annotations

from docs import write_cli_reference


def test_the_page_is_up_to_date():
    page = write_cli_reference.PATH.read_text("utf-8")

    assert page == write_cli_reference.render(), "run `make docs`"
