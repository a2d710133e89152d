"""Tests of the package as a whole."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import tfcompress


def test_importing_the_package_loads_no_tensorflow():
    """Names load on first use; `tfcompress --help` must answer at once."""
    code = (
        "import sys, tfcompress; "
        "sys.exit(bool({'keras', 'tensorflow'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", sorted(tfcompress.__all__))
def test_every_public_name_loads(name):
    assert getattr(tfcompress, name) is not None
    assert name in dir(tfcompress)


@pytest.mark.parametrize("name", ["trace", "data", "pipeline"])
def test_another_keras_backend_is_refused_in_one_line(name):
    """Before Keras tries to import what may not be installed."""
    code = f"import tfcompress; tfcompress.{name}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "tfcompress needs Keras' TensorFlow backend" in done.stderr
    assert "KERAS_BACKEND=jax" in done.stderr
    assert "ModuleNotFoundError" not in done.stderr


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'prunes'"):
        _ = tfcompress.prunes
