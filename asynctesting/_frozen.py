"""freezegun, opened once and moved by a test's clock.

Opening a freeze costs milliseconds that grow with the number of loaded modules, so one is kept
open for a class, and each test only sets its own start. Nothing is done when virtual time jumps:
freezegun asks its factory for the time, and ours computes it from the clock at that moment, from
whole nanoseconds, so no rounding adds up.

This is the one module that imports freezegun. What it corrects there, and why:

* freezegun also freezes ``time.monotonic`` and ``time.perf_counter``, and answers them with
  seconds since 1970. Under our own clock they are its reading, otherwise they stay real.
* Within five frames of a module on its ignore list, ``threading`` among them, it answers with
  real time, so ``time.time()`` in ``asyncio.to_thread()`` would not be frozen while
  ``datetime.now()`` is. Its look at the stack is switched off while we are open.
* A module that is first imported inside a freeze keeps the fake it imports by name. The modules of
  the standard library for which that means a wait without end are imported before.
* It leaves a name ``time.clock`` behind.
"""

from __future__ import annotations

# Before any freeze: see above.
import concurrent.futures.thread
import datetime as dt
import multiprocessing.connection
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import freezegun
import freezegun.api

from . import _patched_time
from ._seconds import check_number

__unittest = True

_LOADED_FIRST = (concurrent.futures.thread, multiprocessing.connection, queue, threading)
_MONOTONIC = ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
# These read the real time by names of their own, and must go on to do so.
_IGNORED = sorted(_patched_time.SPARED)

_real_datetime = freezegun.api.real_datetime

When = str | dt.datetime | dt.date


class WallClock(freezegun.api.FrozenDateTimeFactory):
    """The wall clock of a test: it stands still, follows the test's clock, or ticks.

    Tests get it as ``self.wall_clock``. What freezegun's factories offer works on it.
    """

    _follow_ns: Callable[[], int] | None = None
    _origin_ns = 0
    #: What it follows where no clock of a test is there.
    alone_ns: Callable[[], int] | None = None

    def __call__(self) -> dt.datetime:
        """Return the time now: UTC, without a time zone."""
        if self._follow_ns is None:
            return self.time_to_freeze
        elapsed_ns = self._follow_ns() - self._origin_ns
        try:
            return self.time_to_freeze + dt.timedelta(microseconds=elapsed_ns // 1000)
        except OverflowError:
            raise OverflowError(
                f"the wall clock was at {self.time_to_freeze} and has gone {elapsed_ns / 1e9:g} s "
                "with its clock, and dates end with the year 9999. Begin at an earlier frozen_time"
            ) from None

    def __repr__(self) -> str:
        state = "goes" if self._follow_ns else "stands still"
        return f"<WallClock {self().isoformat(' ')} {state}>"

    def tick(self, delta: dt.timedelta | float = 1) -> dt.datetime:
        """Set the wall clock forward, as an operator or a time server does; no other clock moves.

        Args:
            delta: Seconds, or a ``timedelta``; a negative one sets it back.

        Raises:
            ValueError: If *delta* is not finite, or leads out of the years 1 to 9999.
            TypeError: If it is no number.
        """
        if not isinstance(delta, dt.timedelta):
            check_number(delta, "tick()")
        try:
            span = delta if isinstance(delta, dt.timedelta) else dt.timedelta(seconds=delta)
            self.time_to_freeze += span
        except (ValueError, OverflowError):
            raise ValueError(
                f"tick() can't set the wall clock forward by {delta!r}: it shows "
                f"{self.time_to_freeze}, and dates begin with the year 1 and end with 9999"
            ) from None
        return self()

    def move_to(self, target_datetime: Any) -> None:
        """Set the wall clock to *target_datetime*; from there it goes on as before."""
        self.begin(parse(target_datetime), self._follow_ns)

    def look_who_leads(self) -> None:
        """Follow the clock that now answers ``time.monotonic()``, from the present reading on."""
        patch = _patched_time.innermost()
        follow_ns = self.alone_ns if patch is None else patch.peek_ns
        if follow_ns != self._follow_ns:
            self.begin(self(), follow_ns)

    def begin(self, start: dt.datetime, follow_ns: Callable[[], int] | None) -> None:
        """Read *start* now, and go on from there.

        Args:
            start: A naive datetime in UTC.
            follow_ns: Returns a clock's reading in nanoseconds, which the wall clock follows;
                ``None`` has it stand still.
        """
        self.time_to_freeze = start
        self._follow_ns = follow_ns
        self._origin_ns = follow_ns() if follow_ns else 0


def parse(when: When) -> dt.datetime:
    """Return *when* as freezegun would take it: a naive datetime in UTC.

    Raises:
        ValueError: If *when* is a text that is no date.
        TypeError: If it is neither a text nor a date.
    """
    if not isinstance(when, (str, freezegun.api.real_date)):
        raise TypeError(
            f"a frozen time must be a text such as '2026-01-01 09:00', a datetime or a date; got "
            f"{when!r}"
        )
    try:
        found: dt.datetime = freezegun.api._parse_time_to_freeze(when)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{when!r} is no date that a clock could show ({error}); write it as '2026-01-01 09:00'"
        ) from None
    return found


def check_offset(tz_offset: Any) -> None:
    """Refuse a local time zone that nobody lives in.

    Raises:
        ValueError: If it is a day or more away from UTC.
        TypeError: If it is neither a number of hours nor a ``timedelta``.
    """
    if isinstance(tz_offset, dt.timedelta):
        hours = tz_offset / dt.timedelta(hours=1)
    elif isinstance(tz_offset, (int, float)) and not isinstance(tz_offset, bool):
        hours = tz_offset
    else:
        raise TypeError(
            f"a time zone must be hours east of UTC, such as 5.5, or a timedelta; got {tz_offset!r}"
        )
    if not -24 < hours < 24:
        raise ValueError(
            f"a time zone must be less than a day away from UTC, got {tz_offset!r}: it is given in "
            "hours, such as 5.5, or as a timedelta"
        )


class Freeze:
    """One freeze of the whole process, with our corrections, and its wall clock.

    Args:
        tz_offset: The local time zone, as hours east of UTC or a ``timedelta``.
    """

    def __init__(self, tz_offset: float | dt.timedelta = 0) -> None:
        if not isinstance(tz_offset, dt.timedelta):
            tz_offset = dt.timedelta(hours=tz_offset)
        self._freezer: Any = freezegun.freeze_time(
            _real_datetime(2000, 1, 1), tz_offset=tz_offset, ignore=_IGNORED
        )
        self._limit = 0
        self._had_clock = False

    def start(self) -> WallClock:
        """Freeze; return the wall clock that everybody reads now."""
        outermost = not freezegun.api.freeze_factories
        monotonic = {name: getattr(time, name) for name in _MONOTONIC}
        self._had_clock = hasattr(time, "clock")
        self._limit = freezegun.api.call_stack_inspection_limit
        factory: Any = self._freezer.start()
        freezegun.api.call_stack_inspection_limit = 0
        if outermost:
            self._give_back(monotonic)
        factory.__class__ = WallClock
        wall: WallClock = factory
        self._look_who_leads = wall.look_who_leads
        _patched_time.listeners.append(self._look_who_leads)
        return wall

    def _give_back(self, monotonic: dict[str, Any]) -> None:
        """Undo what freezegun did to the monotonic family."""
        for name, function in monotonic.items():
            setattr(time, name, function)
        for module, attribute, real in self._freezer.undo_changes:
            if getattr(real, "__name__", "") in _MONOTONIC:
                setattr(module, attribute, real)

    def stop(self) -> None:
        """Thaw."""
        _patched_time.listeners.remove(self._look_who_leads)
        self._freezer.stop()
        freezegun.api.call_stack_inspection_limit = self._limit
        if not freezegun.api.freeze_factories:
            if not self._had_clock and hasattr(time, "clock"):
                del time.clock
            _reassert()


def _reassert() -> None:
    patch = _patched_time.innermost()
    if patch is not None:
        patch.reassert()


def _keep_our_patches() -> None:
    """Have a freeze of the user's own leave our monotonic clock alone, inside and afterwards."""
    kind: Any = freezegun.api._freeze_time
    original_start, original_stop = kind.start, kind.stop

    def start(self: Any) -> Any:
        factory = original_start(self)
        _reassert()
        return factory

    def stop(self: Any) -> None:
        original_stop(self)
        _reassert()

    kind.start, kind.stop = start, stop


_keep_our_patches()
