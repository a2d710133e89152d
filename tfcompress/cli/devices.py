"""``tfcompress devices``: which phones can be measured on?"""

from __future__ import annotations

import click

from tfcompress.cli import options, state


@click.command(cls=state.WorkCommand)
@click.option(
    "--adb",
    default="adb",
    show_default=True,
    metavar="PROGRAM",
    help="The adb program, if it is not on PATH.",
)
@options.json_option
@options.debug_option
def devices(adb: str, as_json: bool) -> None:
    """List the Android devices that adb sees.

    Shows serial, model, Android version, chip, ABI and state: `device` is ready, as is
    `emulated`, whose times are no phone's; for any other a line says what to do.  Exit
    code 4 if there is none.

    \b
    Example:
        tfcompress devices
        tfcompress devices --json
    """
    from android_bench import transport
    from tfcompress.cli import tables

    found = [device.to_dict() for device in transport.describe_devices(adb=adb)]
    if not found:
        raise transport.no_device()
    if as_json:
        state.emit_json({"devices": found})
    else:
        tables.devices(found)
    for device in found:
        if device["problem"]:
            click.echo(device["problem"], err=True)
