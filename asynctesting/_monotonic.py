"""A monotonic clock without a loop: moved by hand or read from a script, for any code."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from . import _patched_time
from ._patched_time import TimePatch
from ._region import Region, check_by_name, check_switch
from ._seconds import NS, Seconds, check_number, duration_ns
from ._virtual_loop import VirtualEventLoop
from .errors import ClockScriptError

__unittest = True


class MonotonicClock:
    """A monotonic clock that stands still until it is moved, or that reads from a script.

    It drives no event loop: timers go on in real time. It is what ``time.monotonic()`` answers in
    a :class:`MonotonicClockMixin` class or a :func:`monotonic_clock` region.

    Args:
        start: The first reading, in seconds: 0 or more. The default is the real clock, rounded up
            to a whole second.

    Raises:
        ValueError: If *start* is negative, not finite or beyond what clocks can hold (292 years).

    Example:
        >>> clock = MonotonicClock(start=10)
        >>> clock.advance(3600)
        >>> clock.time(), clock.elapsed
        (3610.0, 3600.0)
    """

    def __init__(self, *, start: Seconds | None = None) -> None:
        if start is None:
            self._now_ns = -(-_patched_time.real_ns() // NS) * NS
        else:
            self._now_ns = duration_ns(start, "MonotonicClock(start=...)")
        self._start_ns = self._now_ns
        self._script: deque[int] | None = None
        self._script_length = 0

    def __repr__(self) -> str:
        script = "" if self._script is None else f" script={len(self._script)} readings left"
        now = self._now_ns / NS
        return f"<MonotonicClock now={now:.3f}s elapsed={self.elapsed:.3f}s{script}>"

    def time(self) -> float:
        """Return the reading, in seconds; it takes nothing from a script."""
        return self._now_ns / NS

    def time_ns(self) -> int:
        """Return the reading, in nanoseconds; it takes nothing from a script."""
        return self._now_ns

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return (self._now_ns - self._start_ns) / NS

    def advance(self, seconds: Seconds) -> None:
        """Move the clock forward.

        Args:
            seconds: How far, in seconds or as a ``timedelta``: 0 or more.

        Raises:
            ValueError: If *seconds* is negative, not finite or beyond what clocks can hold.
            TypeError: If *seconds* is no number.
            RuntimeError: While a script is read: two can't move one clock.
        """
        if self._script:
            raise RuntimeError(
                f"advance() was called while {len(self._script)} readings of a script are left, "
                "and both would move the clock. Put the hour into the script, or call advance() "
                "after its last reading"
            )
        self._script = None
        self._now_ns += duration_ns(seconds, "advance()")

    def script(self, readings: Iterable[float]) -> None:
        """Have successive calls of the code under test read *readings*, one each.

        The calls of ``time.monotonic()`` and ``time.monotonic_ns()`` count together, in all
        threads. The reads of event loops, runners and the interpreter's own threads take nothing.

        Args:
            readings: Seconds, none smaller than the one before.

        Raises:
            ValueError: If there are none, one is not finite, or they run backwards.
        """
        if not hasattr(readings, "__iter__"):
            raise TypeError(
                f"script() needs a list of readings, such as [0.0, 3600.0], got {readings!r}"
            )
        script = deque(_reading_ns(reading) for reading in readings)
        if not script:
            raise ValueError("script() needs at least one reading, such as script([0.0, 3600.0])")
        for before, after in itertools.pairwise(script):
            if after < before:
                raise ValueError(
                    f"script() got {before / NS!r} and then {after / NS!r}: a monotonic clock "
                    "never runs backwards"
                )
        self._script = script
        self._script_length = len(script)

    def _read_ns(self) -> int:
        if self._script is not None:
            try:
                self._now_ns = self._script.popleft()
            except IndexError:
                raise ClockScriptError(
                    f"the code under test read the monotonic clock once more than the script has "
                    f"readings: all {self._script_length} are used up, the last one was "
                    f"{self._now_ns / NS!r}. Add a reading, or go on by hand with clock.advance()"
                ) from None
        return self._now_ns


def _reading_ns(reading: float) -> int:
    check_number(reading, "script()")
    return duration_ns(reading, "script()")


class MonotonicRegion(Region):
    def __init__(self, start: Seconds | None, perf_counter: bool) -> None:
        super().__init__()
        check_switch(perf_counter, "perf_counter")
        self._start = start
        self._perf_counter = perf_counter
        MonotonicClock(start=start)  # a bad value is said where it is written

    def begin(self) -> tuple[MonotonicClock, Callable[[], None]]:
        if isinstance(asyncio._get_running_loop(), VirtualEventLoop):
            raise RuntimeError(
                "monotonic_clock() was entered while a loop on a virtual clock runs, and "
                "time.monotonic() can't obey two clocks. Move the virtual one: await "
                "self.clock.advance(seconds)"
            )
        clock = MonotonicClock(start=self._start)
        patch = TimePatch(clock._read_ns, peek_ns=clock.time_ns, perf_counter=self._perf_counter)
        patch.start()
        return clock, patch.stop

    def run_case(self, case: Any, run: Callable[[], Any]) -> Any:
        """Run a whole test, set-up and teardown included, on a clock of its own."""
        with self as case._asynctesting_clock:
            try:
                return run()
            finally:
                case._asynctesting_past_clock = case._asynctesting_clock
                case._asynctesting_clock = None


def monotonic_clock(
    *positional: Any, start: Seconds | None = None, perf_counter: bool = False
) -> AbstractContextManager[MonotonicClock] | Any:
    """Return a region in which ``time.monotonic()`` reads a clock that is moved by hand.

    It is a context manager that gives the :class:`MonotonicClock`, and a decorator for a test,
    which finds the clock as ``self.clock``.

    Args:
        start: The first reading, in seconds; see :class:`MonotonicClock`.
        perf_counter: Whether ``time.perf_counter()`` reads it, too.

    Example:
        >>> import time
        >>> with monotonic_clock(start=0) as clock:
        ...     clock.advance(3600)
        ...     time.monotonic()
        3600.0
    """
    check_by_name(positional, "monotonic_clock")
    return MonotonicRegion(start, perf_counter)
