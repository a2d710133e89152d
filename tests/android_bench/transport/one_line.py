"""Check that what goes wrong is one clear line."""

from __future__ import annotations

import pytest

from android_bench.errors import BenchmarkError


def fails(error, call, *arguments, **settings) -> str:
    """Return the message of a call that fails, which is one line of three parts."""
    with pytest.raises(BenchmarkError) as caught:
        call(*arguments, **settings)
    assert type(caught.value) is error, caught.value
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert ". Received: " in message
    assert message.endswith(".")
    return message
