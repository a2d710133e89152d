"""Numbers as text, the same way in every output."""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
NOTHING = "\N{EN DASH}"  # shown where a value was not measured
_FRACTION_METRICS = ("accuracy", "iou", "recall", "precision", "auc", "f1", "agreement")


def is_fraction(metric: str, *values: float | None) -> bool:
    """Return whether `metric` is a share in [0, 1] that reads best in percent.

    Example:
        >>> is_fraction("mean_iou", 0.61), is_fraction("mean_squared_error", 0.61)
        (True, False)
    """
    known = any(name in metric.lower() for name in _FRACTION_METRICS)
    return known and all(v is None or 0 <= v <= 1 for v in values)


def score(value: float | None, *, fraction: bool) -> str:
    """Write a metric.

    Example:
        >>> score(0.90125, fraction=True), score(12.34567, fraction=False)
        ('90.12 %', '12.35')
    """
    if value is None:
        return NOTHING
    return f"{100 * value:.2f} %" if fraction else _minus(f"{value:.4g}")


def difference(value: float | None, *, fraction: bool) -> str:
    """Write a change of a metric, with its sign; points are percentage points.

    Example:
        >>> difference(-0.0042, fraction=True)
        '\N{MINUS SIGN}0.42 points'
    """
    if value is None:
        return NOTHING
    text = f"{100 * value:+.2f} points" if fraction else f"{value:+.4g}"
    zeros = ("+0.00 points", "-0.00 points")
    return "±0.00 points" if text in zeros else _minus(text)


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share in [0, 1].

    Example:
        >>> percent(0.4812)
        '48.1 %'
    """
    return NOTHING if value is None else _minus(f"{100 * value:.{digits}f} %")


def count(value: float | None) -> str:
    """Write a number of things, short.

    Example:
        >>> count(940), count(12_345), count(300_774_272)
        ('940', '12.3 k', '301 M')
    """
    return _scaled(value, 1000, ("", " k", " M", " G", " T"))


def size(value: float | None) -> str:
    """Write a number of bytes; 1 kB is 1,000 bytes.

    Example:
        >>> size(512), size(101_992), size(14_000_000)
        ('512 B', '102 kB', '14.0 MB')
    """
    return _scaled(value, 1000, (" B", " kB", " MB", " GB", " TB"))


def milliseconds(value: float | None) -> str:
    """Write a latency.

    Example:
        >>> milliseconds(0.4213), milliseconds(12.345), milliseconds(0.00421)
        ('0.421 ms', '12.3 ms', '0.00421 ms')
    """
    return NOTHING if value is None else f"{_significant(value)} ms"


def seconds(value: float | None) -> str:
    """Write a duration.

    Example:
        >>> seconds(3.21), seconds(131), seconds(7260)
        ('3.2 s', '2 min 11 s', '2 h 1 min')
    """
    if value is None:
        return NOTHING
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def factor(before: float | None, after: float | None) -> str:
    """Write how many times smaller `after` is than `before`, or larger.

    Example:
        >>> factor(960, 102), factor(10, 11), factor(10, 10)
        ('9.4\N{MULTIPLICATION SIGN} smaller',
         '1.1\N{MULTIPLICATION SIGN} larger', 'same')
    """
    if not before or not after:
        return NOTHING
    if abs(before - after) < 0.005 * before:
        return "same"
    smaller = before > after
    ratio = before / after if smaller else after / before
    digits = _significant(ratio, 2 if ratio >= 1.05 else 3)
    return f"{digits}{TIMES} {'smaller' if smaller else 'larger'}"


def plain(value: object) -> str:
    """Write any JSON value in one line.

    Example:
        >>> plain(True), plain([1, 2]), plain({"macs": 0.5}), plain(None)
        ('yes', '1, 2', 'macs: 0.5', '\N{EN DASH}')
    """
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    return str(value)


def shape(value: object) -> str:
    """Write a tensor's shape.

    Example:
        >>> shape([1, 28, 28, 1])
        '[1, 28, 28, 1]'
    """
    if not isinstance(value, list | tuple):
        return ""
    return f"[{', '.join(str(size) for size in value)}]"


def _scaled(value: float | None, base: int, units: tuple[str, ...]) -> str:
    if value is None:
        return NOTHING
    amount, index = float(value), 0
    while abs(amount) >= base - 0.5 and index < len(units) - 1:
        amount, index = amount / base, index + 1
    text = f"{amount:g}" if index == 0 else _significant(amount)
    return _minus(f"{text}{units[index]}")


def _significant(value: float, digits: int = 3) -> str:
    """Write `digits` significant digits without an exponent, keeping zeros."""
    if value == 0:
        return "0"
    text = f"{value:#.{digits}g}"
    if "e" in text:
        return f"{value:,.0f}"
    return text.rstrip(".")


def _minus(text: str) -> str:
    return text.replace("-", MINUS)
