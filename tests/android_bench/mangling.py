"""What happens to a tool's output on its way: cut, torn by other logs, CRLF."""

from __future__ import annotations

from hypothesis import strategies as st

LOGCAT = (
    "11-22 11:09:12.123  1234  5678 I tflite  : Replacing 3 node(s) with delegate",
    "11-22 11:09:12.124   901   955 W ActivityManager: Slow operation: 68ms so far",
    "I/Adreno  ( 4711): QUALCOMM build                   : 1a2b3c4, 5d6e7f8",
    "D/hw-ProcessState( 4711): Binder ioctl to enable oneway spam detection failed",
    "WARNING: linker: unused DT entry: type 0x6ffffef5 arg 0x1234",
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
)


@st.composite
def mangled(draw, text):
    """Return the text after one to three accidents."""
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(
            st.sampled_from(("cut", "between", "torn", "glued", "crlf", "lost"))
        )
        at = draw(st.integers(0, len(text)))
        line = draw(st.sampled_from(LOGCAT))
        if kind == "cut":
            text = text[:at]
        elif kind == "between":
            at = text.rfind("\n", 0, at) + 1
            text = f"{text[:at]}{line}\n{text[at:]}"
        elif kind == "torn":
            text = f"{text[:at]}\n{line}\n{text[at:]}"
        elif kind == "glued":
            text = f"{text[:at]}{line}\n{text[at:]}"
        elif kind == "crlf":
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        else:
            start = text.rfind("\n", 0, at) + 1
            text = text[:start] + text[text.find("\n", start) + 1 :]
    return text
