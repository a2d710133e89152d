"""Tests of putting the app on a device."""

import pytest

from android_bench.app_install import PACKAGE, ensure_installed
from android_bench.errors import DeviceError, RunnerError
from tests.android_bench.fake_phone import FakePhone, Result


def test_the_app_is_installed_once(tmp_path):
    """The same build is not installed again, another one is; its file does not stay."""
    apk = tmp_path / "app.apk"
    apk.write_bytes(b"first build")
    phone = FakePhone()
    assert ensure_installed(phone, apk)
    assert not ensure_installed(phone, apk)
    assert not ensure_installed(phone)
    apk.write_bytes(b"second build")
    assert ensure_installed(phone, apk)
    assert list(phone.files) == ["/data/app/base.apk"]
    assert len(phone.words("pm", "install", "-r", "-t")) == 2


def test_a_phone_without_the_app_says_how_to_get_it():
    with pytest.raises(RunnerError, match=f"{PACKAGE} is not among .* of PHONE1"):
        ensure_installed(FakePhone())


def test_a_build_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(RunnerError, match="The app's file cannot be read"):
        ensure_installed(FakePhone(), tmp_path / "none.apk")


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("Failure [INSTALL_FAILED_UPDATE_INCOMPATIBLE: x]", "adb uninstall"),
        ("Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE]", "Make space"),
        ("Failure [INSTALL_FAILED_NO_MATCHING_ABIS: res=-113]", "arm64-v8a"),
        ("Failure [INSTALL_FAILED_OLDER_SDK]", "Android 8"),
        ("Failure [INSTALL_FAILED_USER_RESTRICTED]", "developer options"),
        ("", "adb -s PHONE1 install"),
    ],
)
def test_a_refused_app_is_a_device_error_with_a_hint(tmp_path, said, hint):
    apk = tmp_path / "app.apk"
    apk.write_bytes(b"build")
    phone = FakePhone()
    phone.answers["pm install"] = Result(1 if said else 0, said)
    with pytest.raises(DeviceError, match=hint):
        ensure_installed(phone, apk)
    assert not phone.files  # the pushed file is gone
