"""A phone that runs the app, for the tests of driving it."""

from __future__ import annotations

import pytest

from tests.android_bench.fake_phone import FakePhone, app_request, record, run_record


@pytest.fixture
def request_(tmp_path):
    return app_request(tmp_path)


@pytest.fixture
def phone():
    phone = FakePhone(record(run_record()))
    phone.install(b"the app")
    return phone
