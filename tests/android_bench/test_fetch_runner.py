"""Tests of fetching a runner from a server on this computer."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import socket
import threading

import pytest

from android_bench import __main__ as command
from android_bench import fetch_runner
from android_bench.errors import DownloadError

PROGRAM = b"\x7fELF" + bytes(range(256)) * 20
SHA256 = hashlib.sha256(PROGRAM).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the program, cuts it, or has nothing; a proxy gets whole URLs."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if "missing" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        if "unannounced" not in self.path:
            self.send_header("Content-Length", str(len(PROGRAM)))
        self.end_headers()
        cut = "truncated" in self.path
        self.wfile.write(PROGRAM[: len(PROGRAM) // 2] if cut else PROGRAM)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """Start a server; proxies of the environment are not asked."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(
            target=running.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_program_is_fetched(server, tmp_path):
    """Whole, executable, with its record beside it and nothing else."""
    target = tmp_path / "cache" / "benchmark_model"
    found = fetch_runner.fetch(f"{server.url}/x", target)
    assert target.read_bytes() == PROGRAM
    assert os.access(target, os.X_OK)
    assert (found.sha256, found.size_bytes, found.pinned) == (
        SHA256,
        len(PROGRAM),
        False,
    )
    note = json.loads((tmp_path / "cache" / "benchmark_model.json").read_text())
    assert (note["url"], note["sha256"]) == (f"{server.url}/x", SHA256)
    assert len(list(target.parent.iterdir())) == 2


def test_a_pinned_program(server, tmp_path):
    """The same fingerprint in capitals is the same."""
    found = fetch_runner.fetch(f"{server.url}/x", tmp_path / "p", sha256=SHA256.upper())
    assert found.pinned


@pytest.mark.parametrize(
    ("path", "settings", "message"),
    [
        ("truncated", {}, "2562 of 5124 bytes|IncompleteRead"),
        ("missing", {}, "404 Not Found.*Check the version"),
        ("x", {"sha256": "0" * 64}, f"SHA-256 {SHA256}, expected 0000"),
    ],
)
def test_what_is_not_the_program_is_not_kept(server, tmp_path, path, settings, message):
    """Cut, missing, another one: the old file stays, no half one is left."""
    target = tmp_path / "benchmark_model"
    target.write_bytes(b"old")
    with pytest.raises(DownloadError, match=message):
        fetch_runner.fetch(f"{server.url}/{path}", target, **settings)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_server_that_does_not_say_the_size(server, tmp_path):
    """Is believed."""
    found = fetch_runner.fetch(f"{server.url}/unannounced", tmp_path / "p")
    assert found.size_bytes == len(PROGRAM)


def test_a_proxy_is_honoured(server, tmp_path, monkeypatch):
    """The request for another host goes to the proxy."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    fetch_runner.fetch("http://tools.example/runner", tmp_path / "p")
    assert server.asked == ["http://tools.example/runner"]


def test_offline_is_one_line(tmp_path, monkeypatch):
    """With the way out: a proxy, or a file."""
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
        with pytest.raises(DownloadError, match=r"refused.*HTTPS_PROXY.*--runner-file"):
            fetch_runner.fetch(url, tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_fingerprint_is_refused_before(tmp_path):
    """It cannot be one: nothing is asked."""
    with pytest.raises(ValueError, match="sha256='abc'"):
        fetch_runner.fetch("http://127.0.0.1:1/x", tmp_path / "p", sha256="abc")


@pytest.mark.parametrize(
    ("runner", "platform", "end"),
    [
        ("classic", "android-arm64", "nightly/latest/android_aarch64_benchmark_model"),
        ("classic", "linux-x86_64", "nightly/latest/linux_x86-64_benchmark_model"),
        ("litert", "android-arm64", "binaries/latest/android_arm64/benchmark_model"),
        ("litert", "linux-arm64", "binaries/latest/linux_arm64/benchmark_model"),
    ],
)
def test_the_public_places(runner, platform, end):
    """Of both programs."""
    url = fetch_runner.runner_url(runner, platform)
    assert url.startswith("https://storage.googleapis.com/")
    assert url.endswith(end)


def test_an_unknown_program():
    """Its name and the known ones."""
    with pytest.raises(ValueError, match=r"native for android-arm64.*classic, litert"):
        fetch_runner.runner_url("native", "android-arm64")


def test_the_command(server, tmp_path, capsys):
    """Says where from, where to, and the fingerprint to pin."""
    target = tmp_path / "p"
    words = ["fetch-runner", "litert", "--base-url", server.url, "-o", str(target)]
    assert command.main([*words, "--yes"]) == 0
    printed = capsys.readouterr()
    assert f"from {server.url}/latest/android_arm64/benchmark_model" in printed.err
    assert f"--sha256 {SHA256}" in printed.out
    assert command.main([*words, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == SHA256


def test_without_consent_nothing_is_fetched(server, tmp_path, monkeypatch, capsys):
    """The answer no, and no answer at all."""
    words = ["fetch-runner", "litert", "--base-url", server.url]
    words += ["-o", str(tmp_path / "p")]
    monkeypatch.setattr(
        "click.confirm", lambda *_, **__: (_ for _ in ()).throw(command.click.Abort)
    )
    assert command.main(words) == 130
    assert "nothing was downloaded" in capsys.readouterr().err
    assert server.asked == []


def test_a_failure_is_one_line(server, tmp_path, capsys):
    """And exit code 1; wrong usage is 2."""
    words = ["fetch-runner", "litert", "--base-url", f"{server.url}/missing", "--yes"]
    assert command.main([*words, "-o", str(tmp_path / "p")]) == 1
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: The program cannot be fetched")
    assert command.main(["fetch-runner", "nothing"]) == 2
