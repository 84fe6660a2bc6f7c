"""Seconds at the door, whole nanoseconds inside: the conversion, and what is refused on the way.

Every number of seconds that a user hands to a clock comes through here, so each mistake (a NaN, a
negative span, an eternity) is told in the same words. Invariant: what comes out is an exact
integer below :data:`HORIZON_NS`.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

__unittest = True

NS = 1_000_000_000
#: What the interpreter's own clocks can hold, some 292 years. A later deadline means "never".
HORIZON_NS = 2**63 - 1
# From here on (97 days) a float no longer tells one nanosecond from the next.
COARSE_NS = 2**23 * NS

Seconds = float | timedelta

_ARROW = (
    "a clock never runs backwards, and has to arrive. Where it begins is another matter: "
    "start=..., or clock_start on a class"
)


def duration_ns(seconds: Seconds, what: str, why: str = _ARROW) -> int:
    """Return a span of time in nanoseconds.

    Args:
        seconds: The span: 0 or more.
        what: Who asks for it, for messages.
        why: Why it can be no other span, for messages.

    Raises:
        ValueError: If it is negative, not finite or beyond the horizon.
        TypeError: If it is no number.

    Example:
        >>> duration_ns(0.1, "advance()"), duration_ns(timedelta(hours=1), "advance()")
        (100000000, 3600000000000)
    """
    if isinstance(seconds, timedelta):
        seconds_ns = seconds // timedelta(microseconds=1) * 1000
        is_negative = seconds_ns < 0
    else:
        check_number(seconds, what)
        is_negative = seconds < 0
        # A whole number may be too large for a float; then it lies beyond the horizon anyhow.
        if not isinstance(seconds, int) and not math.isfinite(seconds):
            raise bad_duration(seconds, what, why)
        # Beyond the horizon a float may not even fit into an integer of nanoseconds.
        seconds_ns = round(seconds * NS) if seconds < HORIZON_NS // NS else HORIZON_NS
    if is_negative:
        raise bad_duration(seconds, what, why)
    check_horizon(seconds_ns, seconds, what)
    return seconds_ns


def bad_duration(seconds: object, what: str, why: str = _ARROW) -> ValueError:
    """Return the error for a span that is negative or not finite."""
    return ValueError(f"{what} needs finite seconds >= 0, got {seconds!r}: {why}")


def check_number(value: object, what: str) -> None:
    """Refuse what is no number, and what can't be added to one.

    Raises:
        TypeError: If *value* is none, is a truth value, or is a ``Decimal``, which event loops
            refuse as well.
    """
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise not_a_time(value, what, TypeError)
    try:
        value + 0.0  # type: ignore[operator]
    except TypeError:
        raise not_a_time(value, what, TypeError) from None
    except OverflowError:
        pass  # a whole number, and too large a one for a float


def check_limit(value: Any, what: str, lowest: float) -> None:
    """Refuse what can't be a limit; an infinite one is none, and may be meant.

    Raises:
        ValueError: If *value* is below *lowest*, or NaN.
        TypeError: If it is no number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} must be a number, got {value!r}")
    if not value >= lowest:
        raise ValueError(f"{what} must be {lowest:g} or more, got {value!r}")


def not_a_time(value: object, what: str, kind: type[Exception]) -> Exception:
    """Return the error for a value that names no point in time."""
    if isinstance(value, timedelta):
        advice = "write its total_seconds()"
    elif value is None or isinstance(value, bool):
        advice = "write a float, such as 0.5"
    elif value != value:
        advice = "look where it comes from; a calculation went wrong there"
    else:
        advice = "write a float, such as 0.5, or convert it with float()"
    return kind(
        f"{what} needs a number of seconds, got {value!r}, which names no point in time: {advice}"
    )


def check_horizon(reading_ns: int, value: object, what: str) -> None:
    """Refuse a reading that no clock could show.

    Raises:
        ValueError: If *reading_ns* lies beyond the horizon.
    """
    if reading_ns >= HORIZON_NS:
        raise ValueError(
            f"{what} can't go as far as {value!r} seconds: the clocks of the interpreter end after "
            "292 years. If 'for ever' is meant, wait for an event that nobody sets"
        )


def roundest(value_ns: int, tolerance_ns: int) -> int:
    """Return the number with the most trailing zeros that is at most the tolerance away.

    Example:
        >>> roundest(5_000_000_001, 2), roundest(5_000_000_001, 0)
        (5000000000, 5000000001)
    """
    step, best = 1, value_ns
    while step <= NS:
        candidate = (value_ns + step // 2) // step * step
        if abs(candidate - value_ns) <= tolerance_ns:
            best = candidate
        step *= 10
    return best
