"""Compiling the runner on demand."""

import pathlib
import shutil
import subprocess
import threading

import pytest

from android_bench.errors import RunnerError
from android_bench.native import build, build_runner

SOURCES = sorted(pathlib.Path(build.__file__).parent.glob("*.c"))

# A compiler that writes a program which ends with exit code 2, slowly enough to race.
WRITES = """
while test "$1" != -o; do shift; done
printf '#!/bin/sh\\nexit 2\\n' > "$2"; sleep 0.2; chmod +x "$2"
"""


def compiler_that(folder, script, version="1"):
    """Return the path of a compiler that does what the shell script says."""
    path = folder / "fakecc"
    answer = f'test "$1" = --version && echo {version} && exit'
    path.write_text(f"#!/bin/sh\n{answer}\n{script}\n", "utf-8")
    path.chmod(0o755)
    return path


def test_it_is_compiled_once(tmp_path):
    """The second call returns the same program without the compiler writing it."""
    fake, cache = compiler_that(tmp_path, WRITES), tmp_path / "cache"
    first = build_runner(cache=cache, compiler=fake)
    written = first.stat().st_mtime_ns
    assert build_runner(cache=cache, compiler=fake) == first
    assert first.stat().st_mtime_ns == written
    assert list(cache.iterdir()) == [first]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler; install gcc")
def test_the_sources_compile_without_a_warning(tmp_path):
    """With all warnings as errors, as C11 that is pedantic."""
    command = ["cc", *build.FLAGS, "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command += [*map(str, SOURCES), "-o", str(tmp_path / "runner"), *build.LIBRARIES]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()


def test_another_version_of_the_compiler_makes_another_program(tmp_path):
    """The name depends on what the compiler says its version is."""
    cache = tmp_path / "cache"
    made = {
        build_runner(cache=cache, compiler=compiler_that(tmp_path, WRITES, version))
        for version in ("1", "2", "1")
    }
    assert len(made) == 2


def test_a_changed_source_makes_another_program(tmp_path):
    """The name depends on each byte of the sources."""
    source = tmp_path / "a.c"
    source.write_text("int main(void) { return 0; }", "utf-8")
    first = build._fingerprint("cc", [source])
    assert build._fingerprint("cc", [source]) == first
    source.write_text("int main(void) { return 1; }", "utf-8")
    assert build._fingerprint("cc", [source]) != first


def test_a_failed_compilation_leaves_nothing(tmp_path):
    """The compiler's error is in the message; the cache has no half program."""
    script = (
        'echo "x.c:1: error: no luck" >&2; '
        'while test "$1" != -o; do shift; done; echo half > "$2"; exit 1'
    )
    cache = tmp_path / "cache"
    with pytest.raises(RunnerError, match=r"(?s)no luck.*compiler=PATH"):
        build_runner(cache=cache, compiler=compiler_that(tmp_path, script))
    assert list(cache.iterdir()) == []


def test_two_builds_at_once_agree(tmp_path):
    """Both find a whole program, whoever was first."""
    fake, built = compiler_that(tmp_path, WRITES), []
    arguments = {"cache": tmp_path / "cache", "compiler": fake}
    threads = [
        threading.Thread(target=lambda: built.append(build_runner(**arguments)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 4
    assert len(set(built)) == 1
    assert subprocess.run([built[0]], check=False).returncode == 2
    assert list((tmp_path / "cache").iterdir()) == built[:1]


def test_no_compiler_is_one_line(tmp_path):
    """It names what was looked for and what to install."""
    with pytest.raises(RunnerError, match=r"no-such-cc.*Install a C compiler.*gcc"):
        build_runner(cache=tmp_path, compiler="no-such-cc")


def test_a_phone_needs_the_ndk(tmp_path, monkeypatch):
    """Without it the line says so; with it, its compiler is found by the folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ANDROID_NDK_HOME", raising=False)
    with pytest.raises(RunnerError, match="ANDROID_NDK_HOME"):
        build_runner("arm64-v8a", cache=tmp_path)
    place = tmp_path / "ndk/toolchains/llvm/prebuilt/linux-x86_64/bin"
    place.mkdir(parents=True)
    clang = place / "aarch64-linux-android24-clang"
    clang.touch()
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path / "ndk"))
    assert build._find_compiler("arm64-v8a", None) == str(clang)


def test_an_unknown_target_is_refused(tmp_path):
    """The message lists the known ones."""
    with pytest.raises(ValueError, match=r"'vax'.*host, linux-arm64, arm64-v8a"):
        build_runner("vax", cache=tmp_path)


def test_the_cache_follows_the_user_s_setting(tmp_path, monkeypatch):
    """XDG_CACHE_HOME is where programs go, else the home folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert build._default_cache() == tmp_path / "tfcompress" / "runners"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert build._default_cache() == tmp_path / ".cache" / "tfcompress" / "runners"
