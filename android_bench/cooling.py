"""Wait before a measurement: a pause, longer while Android says that it throttles."""

from __future__ import annotations

import threading

from android_bench import device_state
from android_bench.devices import DeviceState
from android_bench.transport import Transport

_STEP_S = 5.0


def cool_down(
    transport: Transport,
    before: DeviceState | None,
    *,
    pause_s: float,
    most_s: float,
    stop: threading.Event,
) -> bool:
    """Pause; on while the device says that it is hotter than at the start.

    Args:
        transport: The device.
        before: Its state at the start; None, or one without a thermal status: only
            the pause is made.
        pause_s: Seconds to wait whatever the device says.
        most_s: Seconds to wait beyond them, at most.
        stop: Set from another thread to end soon.

    Returns:
        Whether it is as cool as at the start, as far as is known.

    Raises:
        DeviceError: If the device is gone.
    """
    stop.wait(pause_s)
    if before is None or before.thermal_status is None or before.throttling:
        return True
    waited = 0.0
    while device_state.state(transport).throttling:
        if waited >= most_s or stop.is_set():
            return False
        stop.wait(_STEP_S)
        waited += _STEP_S
    return True
