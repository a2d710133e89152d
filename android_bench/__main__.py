"""``python -m android_bench``: fetch an official runner.  Benchmarks: `tfcompress`."""

from __future__ import annotations

import json
import pathlib
import sys

import click

from android_bench import fetch_runner
from android_bench.errors import BenchmarkError

FAILED, INTERRUPTED = 1, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Tools for benchmarks of .tflite files on devices.

    \b
    Example:
        android_bench fetch-runner classic --platform android-arm64
    """


@cli.command("fetch-runner")
@click.argument("runner", type=click.Choice(fetch_runner.RUNNERS))
@click.option(
    "--platform",
    type=click.Choice(fetch_runner.PLATFORMS),
    default="android-arm64",
    show_default=True,
    help="What it shall run on.",
)
@click.option(
    "--version",
    default="latest",
    show_default=True,
    help="Version of the program, such as 2.3.0 for litert.",
)
@click.option("--sha256", help="Refuse the file if its SHA-256 is another.")
@click.option("--base-url", help="Take it from a mirror of the public place.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=pathlib.Path),
    help="File to write.  [default: in the cache, where `tfcompress benchmark` looks]",
)
@click.option("--yes", is_flag=True, help="Do not ask before downloading.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def fetch_runner_command(
    *,
    runner: str,
    platform: str,
    version: str,
    sha256: str | None,
    base_url: str | None,
    output: pathlib.Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Download an official benchmark_model, the RUNNER called classic or litert.

    Shows where it comes from, asks, and shows the SHA-256 of what came.  A proxy is
    taken from HTTPS_PROXY.

    \b
    Example:
        android_bench fetch-runner litert --platform android-arm64 --yes
    """
    url = fetch_runner.runner_url(runner, platform, version=version, base=base_url)
    target = output or fetch_runner.default_path(runner, platform)
    click.echo(f"from {url}\nto   {target}", err=True)
    if not yes:
        click.confirm("Download this program?", abort=True, err=True)
    found = fetch_runner.fetch(url, target, sha256=sha256)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
        return
    click.echo(f"wrote {found.path} ({found.size_bytes:,} bytes)")
    click.echo(f"SHA-256 {found.sha256}")
    if not found.pinned:
        click.echo(f"Next time, pin it: --sha256 {found.sha256}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 failed, 2 usage."""
    try:
        return int(cli.main(args=arguments, standalone_mode=False) or 0)
    except click.Abort:
        click.echo("Stopped; nothing was downloaded.", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (BenchmarkError, ValueError, OSError) as error:
        click.echo(f"Error: {' '.join(str(error).split())}", err=True)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
