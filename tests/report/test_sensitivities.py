"""What each layer loses, in the report."""

from __future__ import annotations

import pytest

from tests.report import runs
from tfcompress import report

STUDY = {
    "precision": "int8",
    "metric": "accuracy",
    "value": 0.9,
    "num_examples": 100,
    "layers": [
        {"layer": "conv1", "weights": 9, "snr_db": 20.0, "kl": 0.1, "drop": 0.02},
        {"layer": "conv2", "weights": 99, "snr_db": 40.0, "kl": None, "drop": 0.0},
    ],
}
MIXED = {
    "precision": {"conv1": "float32", "conv2": "int8"},
    "raised": ["conv1"],
    "metric": "accuracy",
    "drop": 0.01,
    "size_bytes": 1234,
    "sensitivity": STUDY,
}


@pytest.fixture
def built(tmp_path):
    """Return a function that reports on a run whose conversion has details."""

    def build(details):
        run = runs.copy(tmp_path)
        runs.edit(
            run / "convert.json", lambda record: record["details"].update(details)
        )
        return report.build(run)

    return build


def test_a_run_without_a_study_has_no_section(built):
    found = built({})

    assert found.layer_studies == ()
    assert "loses by quantization" not in report.to_html(found)


def test_the_bars_are_as_long_as_the_outputs_change(built):
    """20 dB is a tenth of the outputs, 40 dB a hundredth."""
    (study,) = built({"sensitivity": STUDY}).layer_studies

    assert [layer.change for layer in study.layers] == pytest.approx([0.1, 0.01])
    assert study.widest == pytest.approx(0.1)
    assert study.choice == ""


def test_what_was_chosen_is_shown(built):
    found = built({"mixed": MIXED})

    (study,) = found.layer_studies
    assert [layer.precision for layer in study.layers] == ["float32", "int8"]
    assert study.choice == (
        "1 layer keeps a higher precision; accuracy on held-out data −0.01; "
        "1,234 bytes of weights."
    )
    page, text = report.to_html(found), report.to_markdown(found)
    assert "What each layer loses by quantization" in page
    assert 'aria-label="10.00 %"' in page
    assert "| conv1 | 20.0 dB | float32 |" in text
    assert found.to_dict()["layer_studies"][0]["stage"] == "convert"


def test_names_cannot_break_the_page(built):
    study = {**STUDY, "layers": [{**STUDY["layers"][0], "layer": runs.HOSTILE}]}

    page = report.to_html(built({"sensitivity": study}))

    assert runs.HOSTILE not in page
