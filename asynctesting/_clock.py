"""The clock of a test: virtual time, in whole nanoseconds, in the hand of whoever drives it.

What happens next is decided in :mod:`asynctesting._clockwork`; here is what a test reads, awaits
and enters. Each method checks what it is given, and says what to do where that can't be meant.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from ._clockwork import Clockwork, Idle, Timer, identity
from ._modes import Hold, Mode, Region
from ._seconds import NS, Seconds, check_horizon, check_limit, check_number, duration_ns
from .errors import LivelockError

__all__ = ["Idle", "Mode", "VirtualClock"]

__unittest = True

_T = TypeVar("_T")


class _Limit:
    """A limit that may be set on a clock, and is checked there, where the line is that sets it."""

    def __init__(self, default: float, *, lowest: float = 0) -> None:
        self._default = default
        self._lowest = lowest

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, clock: object, owner: type) -> Any:
        return vars(clock).get(self._name, self._default) if clock is not None else self._default

    def __set__(self, clock: object, value: Any) -> None:
        check_limit(value, f"clock.{self._name}", self._lowest)
        vars(clock)[self._name] = value


class VirtualClock(Clockwork):
    """A clock that moves only when nobody can go on without it, or when the test says so.

    In the mode ``"auto"``, the default, time jumps to the next deadline when every task waits and
    nothing real is under way. In ``"manual"`` only :meth:`advance` and its kin move it. In
    ``"real"`` it runs as real time does. :meth:`auto`, :meth:`manual` and :meth:`real` change the
    mode for a region; the reading goes on where it was, and timers survive both ways.

    Methods that let time pass are awaited, in a task of the loop that obeys the clock. The others
    may be called from anywhere in the loop's thread. Only :meth:`time` and its kin are safe in
    other threads.

    Args:
        start: The first reading, in seconds: 0 or more. The default is the real monotonic clock,
            rounded up to a whole second: code that takes 0 for "long ago" goes on working, and
            readings taken before the test lie in the past.
        mode: ``"auto"``, ``"manual"`` or ``"real"``.

    Raises:
        ValueError: If *start* is negative, not finite or beyond what clocks can hold (292 years),
            or if there is no such *mode*.

    Example:
        >>> clock = VirtualClock(start=0)
        >>> clock.stall(1.5)
        >>> clock.time(), clock.elapsed
        (1.5, 1.5)
        >>> clock
        <VirtualClock auto now=1.500s elapsed=1.500s timers=0>
    """

    #: How many times the loop may turn at one instant of virtual time, without ever having to
    #: wait, before that counts as a :exc:`LivelockError`. Set it on a clock, or for all here.
    max_turns = _Limit(100_000, lowest=1)
    #: Real seconds for which the clock stands still where it can't be known whether something
    #: real is under way: a connection on which a greeting may come, a thread in a wait of its own.
    grace = _Limit(0.05)
    #: Real seconds after which work that may never end (an answer from a server outside, a thread
    #: that computes) no longer holds the clock. When it runs out, that is said by a warning.
    patience = _Limit(2.0)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {' '.join(self.describe())}>"

    def describe(self) -> list[str]:
        """Say in a few words each what the clock reads, waits for and is held by."""
        now_ns = self._read_ns()
        words = [
            self._mode.value,
            f"now={now_ns / NS:.3f}s",
            f"elapsed={(now_ns - self._start_ns) / NS:.3f}s",
            f"timers={len(self._timers)}",
        ]
        next_ns = self._timers.peek()
        if next_ns is not None:
            words.append(f"next={(next_ns - now_ns) / NS:+.3f}s")
        words += [f"held_by={hold.reason!r}" for hold in self._holds]
        return words

    # Reading ------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the reading, in seconds; it agrees with ``loop.time()`` to the last bit."""
        return self._read_ns() / NS if self._mode is Mode.REAL else self._now

    def time_ns(self) -> int:
        """Return the reading, in nanoseconds; this one is exact."""
        return self._read_ns()

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made, from whole nanoseconds, so that 0.1 s is 0.1.

        Where tests share a loop, and so its clock, seconds since the test began.
        """
        return (self._read_ns() - self._start_ns) / NS

    @property
    def mode(self) -> Mode:
        """What moves the clock now."""
        return self._mode

    # Timers -------------------------------------------------------------------------------------

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Any:
        """Have *callback* called once the clock reads *when*.

        Args:
            when: Seconds on this clock. A point in the past is due at once; an infinite one, or
                one beyond what clocks can hold, never comes.
            callback: Called with *args*.

        Returns:
            A timer with ``cancel()``, ``cancelled()`` and ``when()``: the loop's own
            ``TimerHandle``, or one like it as long as no loop drives the clock.

        Raises:
            TypeError: If *callback* can't be called, or *when* is no number.
            ValueError: If *when* is NaN.
        """
        if not callable(callback):
            raise TypeError(
                f"call_at() needs a callback, got {callback!r}, which can't be called: "
                "pass a function and its arguments, not its result"
            )
        self._check_thread("call_at()")
        if self._driver is not None:
            return self._driver.call_at(when, callback, *args)
        deadline_ns = self._deadline_ns(when)
        timer = Timer(self, float(when), callback, args)
        self._push(deadline_ns, timer)
        return timer

    # Letting time pass --------------------------------------------------------------------------

    async def advance(self, seconds: Seconds) -> None:
        """Move the clock forward, running every timer that falls due on the way.

        Each timer fires at its own instant, and everything it sets off is over before the next
        one, timers that are set on the way included. A timer that is due exactly at the end
        fires, too. Several tasks may advance at once: like sleeps, each returns at its own target.

        Args:
            seconds: How far to go, in virtual seconds or as a ``timedelta``: 0 or more. Zero runs
                what is due now.

        Raises:
            ValueError: If *seconds* is negative, not finite or beyond what clocks can hold.
            TypeError: If *seconds* is no number.
            RuntimeError: In a ``real()`` region, in another thread, or without a running loop
                that obeys the clock.

        Example:
            >>> async def reminder(clock):
            ...     clock.call_at(clock.time() + 30, print, "tea is ready")
            ...     await clock.advance(60)
        """
        self._check_movable("advance()")
        await self._reach(self._now_ns + duration_ns(seconds, "advance()"), "advance()")

    async def advance_to(self, when: float) -> None:
        """Move the clock forward until it reads *when*, as :meth:`advance` does.

        Args:
            when: Seconds on this clock, now or later.

        Raises:
            ValueError: If *when* lies in the past, is not finite or beyond what clocks can hold.
            TypeError: If *when* is no number.
            RuntimeError: As for :meth:`advance`.
        """
        self._check_movable("advance_to()")
        check_number(when, "advance_to()")
        target_ns = self._deadline_ns(when) if math.isfinite(when) else -1
        if target_ns < self._now_ns:
            raise ValueError(
                f"advance_to() needs a finite time that has not passed, got {when!r}: the clock "
                f"reads {self._now!r} and never runs backwards. To go on by a number of seconds, "
                "write advance(seconds)"
            )
        check_horizon(target_ns, when, "advance_to()")
        await self._reach(target_ns, "advance_to()")

    async def advance_to_next(self) -> float:
        """Move the clock to the next deadline, run what is due there, and return.

        Returns:
            How far the clock went, in seconds.

        Raises:
            RuntimeError: If no timer is waiting, and as for :meth:`advance`.
        """
        self._check_movable("advance_to_next()")
        before_ns = self._now_ns
        await self.settle()
        deadline_ns = self._timers.peek()
        if deadline_ns is None:
            raise RuntimeError(
                "advance_to_next() found no timer: nobody sleeps and no timeout is running, so "
                "there is no next deadline. Start what you want to watch before this call"
            )
        await self._reach(deadline_ns, "advance_to_next()")
        return (self._now_ns - before_ns) / NS

    async def advance_until_idle(
        self, limit: Seconds = timedelta(days=366), *, max_timers: int = 100_000
    ) -> float:
        """Move the clock from deadline to deadline until no timer is left.

        Timers of tasks that were given to :meth:`background` fire when their time comes, but are
        not waited for.

        Args:
            limit: How far to go at most, in virtual seconds or as a ``timedelta``.
            max_timers: How many instants to stop at, at most; 1 or more.

        Returns:
            How far the clock went, in seconds.

        Raises:
            LivelockError: If timers are still waiting at the limit: something starts them again
                and again.
            ValueError: If *limit* is negative, not finite or beyond what clocks can hold, or
                *max_timers* is below 1.
            TypeError: If *limit* is no number.
            RuntimeError: As for :meth:`advance`.
        """
        self._check_movable("advance_until_idle()")
        if not hasattr(max_timers, "__index__") or max_timers < 1:
            raise ValueError(
                f"advance_until_idle() needs a whole number max_timers >= 1, got {max_timers!r}: "
                "it is how many deadlines it may stop at"
            )
        before_ns = self._now_ns
        end_ns = before_ns + duration_ns(limit, "advance_until_idle(limit)")
        for stops in itertools.count():
            await self.settle()
            deadline_ns = self._next_foreground_ns()
            if deadline_ns is None:
                return (self._now_ns - before_ns) / NS
            if deadline_ns > end_ns or stops == max_timers:
                raise LivelockError(
                    f"advance_until_idle() went {(self._now_ns - before_ns) / NS:g} s and stopped "
                    f"at {stops} deadlines, and timers are still waiting; the next is due in "
                    f"{(deadline_ns - self._now_ns) / NS:g} s. Something sets them again and "
                    "again, such as a heartbeat: give its task to clock.background(task), or go "
                    "a certain way with advance(seconds)"
                )
            await self._reach(deadline_ns, "advance_until_idle()")
        raise AssertionError("unreachable")

    def _next_foreground_ns(self) -> int | None:
        if not self._background_timers:
            return self._timers.peek()
        for deadline_ns, timer in self._timers.items():
            if id(timer) not in self._background_timers:
                return deadline_ns
        return None

    async def settle(self) -> None:
        """Wait until nobody can go on without time passing.

        That is when every task waits, the sockets are quiet and no real work is under way. No
        virtual time passes. Several tasks that settle return one after the other.

        Raises:
            RuntimeError: In another thread, or without a running loop that obeys the clock.
        """
        waiter = self._waiter("settle()")
        self._settlers.append(waiter)
        self._only_timers = False
        await waiter

    def stall(self, seconds: Seconds) -> None:
        """Move the clock and run nothing, as if the whole process had been suspended.

        Timers that have become late all fire afterwards, in the order of their deadlines.

        Args:
            seconds: How long the process stood still, in virtual seconds or as a ``timedelta``: 0
                or more.

        Raises:
            ValueError: If *seconds* is negative, not finite or beyond what clocks can hold.
            TypeError: If *seconds* is no number.
            RuntimeError: In another thread than the loop's.
        """
        self._check_thread("stall()")
        span_ns = duration_ns(seconds, "stall()")
        check_horizon(self._read_ns() + span_ns, seconds, "stall()")
        if self._mode is Mode.REAL:
            self._real_offset_ns -= span_ns
        self._set_now_ns(self._now_ns + span_ns)
        self._overdue = True

    async def _reach(self, target_ns: int, what: str) -> None:
        check_horizon(target_ns, (target_ns - self._now_ns) / NS, what)
        waiter = self._waiter(what)
        heapq.heappush(self._targets, (target_ns, next(self._sequence), waiter))
        self._only_timers = False
        await waiter

    def _waiter(self, what: str) -> Any:
        self._check_thread(what)
        if self._driver is None or not self._driver.is_running():
            raise RuntimeError(
                f"{what} needs the loop that obeys this clock, and "
                + ("no loop has the clock yet" if self._driver is None else "it does not run here")
                + ". Await it in a test of a VirtualClockMixin case, or in a task of "
                "VirtualEventLoop(clock)"
            )
        return self._driver.create_future()

    # Regions ------------------------------------------------------------------------------------

    def auto(self) -> Region:
        """Return a context manager in which time jumps when nobody can go on without it."""
        return Region(self, Mode.AUTO)

    def manual(self) -> Region:
        """Return a context manager in which only :meth:`advance` and its kin move the clock."""
        return Region(self, Mode.MANUAL)

    def real(self) -> Region:
        """Return a context manager in which the clock runs with real time, from where it is."""
        return Region(self, Mode.REAL)

    def hold(self, reason: Any = "hold()") -> Hold:
        """Return a context manager in which time does not jump.

        For real work that the loop can't see, such as a device or a process of another test
        tool. Timers that are due already still fire.

        Args:
            reason: What the clock waits for, for reports.

        Example:
            >>> clock = VirtualClock(start=0)
            >>> with clock.hold("the scanner warms up"):
            ...     clock
            <VirtualClock auto now=0.000s elapsed=0.000s timers=0 held_by='the scanner warms up'>
        """
        if not isinstance(reason, str):  # a number of seconds, as in sleep()
            raise TypeError(
                f"hold() takes a reason for reports, got {reason!r}: no time is set for it, it "
                "lasts until it is left. Write 'with clock.hold():' around what is under way"
            )
        return Hold(self, reason)

    def background(self, thing: _T) -> _T:
        """Have the clock no longer wait for *thing*.

        Args:
            thing: A thread, a subprocess (or anything else with a ``pid``), the future of an
                executor job, a connection (its socket, transport or writer), or a task. Timers
                that a background task sets from now on fire in time, but
                :meth:`advance_until_idle` does not wait for them.

        Returns:
            *thing* itself, so that the call can stand around an expression.

        Raises:
            TypeError: If *thing* is nothing that could hold the clock.
        """
        kinds = ("pid", "native_id", "add_done_callback", "fileno", "get_extra_info")
        if isinstance(thing, type) or not any(hasattr(thing, name) for name in kinds):
            raise TypeError(
                f"background() needs a thread, a process, an executor job, a socket or a task, "
                f"got {thing!r}, which never holds the clock"
            )
        self._background[identity(thing)] = thing
        return thing
