"""The clock of a test: virtual time, in whole nanoseconds, in the hand of whoever drives it.

Nothing here knows an event loop. The clock keeps the deadlines and decides what comes next; a
driver (in practice the loop of ``_virtual_loop.py``) tells it when nobody can run, and runs what
the clock hands out. So every rule about time can be tested with a driver of ten lines.

What is always true:

* the reading never goes backwards, and entering or leaving a region does not change it;
* a jump lands exactly on a deadline or on the target of an ``advance()``, whichever is earlier,
  and timers go before targets of the same instant;
* timers of one instant fire in the order in which they were set;
* whatever can happen without time passing happens before time passes.

Inside, time is an integer. Seconds are floats only at the door: a thousand times 0.1 s must be
100 s, and timers must not be ordered by rounding errors.
"""

from __future__ import annotations

import enum
import heapq
import itertools
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, Protocol, TypeVar, cast

from ._pauses import running_ns
from ._seconds import (
    COARSE_NS,
    HORIZON_NS,
    NS,
    Seconds,
    check_horizon,
    check_number,
    duration_ns,
    not_a_time,
    roundest,
)
from ._timers import TimerLike, TimerQueue
from .errors import LivelockError

__unittest = True

_T = TypeVar("_T")


class Mode(enum.Enum):
    """What moves a clock."""

    #: Time jumps to the next deadline as soon as nobody can run without it.
    AUTO = "auto"
    #: Only ``advance()`` and its kin move it.
    MANUAL = "manual"
    #: It runs as fast as real time does.
    REAL = "real"


class Idle(enum.Enum):
    """What a clock has done, or can't do, for a driver that has nothing left to run."""

    #: Something can run now: due timers were handed out, or somebody's wait has ended.
    WOKEN = "woken"
    #: A ``hold()`` is open; only something real can go on.
    HELD = "held"
    #: Timers are waiting, but the clock is manual and nobody is advancing it.
    STOPPED = "stopped"
    #: Time passes by itself; see :meth:`VirtualClock._real_delay`.
    TICKING = "ticking"
    #: There is no timer, or none that could ever fire.
    EMPTY = "empty"


class Waiter(Protocol):
    """A one-shot promise of the driver, such as an ``asyncio.Future``."""

    def done(self) -> bool: ...

    def set_result(self, result: None, /) -> None: ...

    def __await__(self) -> Iterator[Any]: ...


class Driver(Protocol):
    """What the clock asks of the loop that obeys it; any asyncio event loop has it."""

    def is_running(self) -> bool: ...

    def create_future(self) -> Any: ...

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Any: ...


class Timer:
    """A callback at a point in time, on a clock that no loop drives.

    Under a loop :meth:`VirtualClock.call_at` returns an ``asyncio.TimerHandle`` in its place.
    """

    __slots__ = ("_args", "_callback", "_cancelled", "_clock", "_scheduled", "_when")

    def __init__(
        self,
        clock: VirtualClock,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
    ) -> None:
        self._clock = clock
        self._when = when
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._scheduled = False

    def __repr__(self) -> str:
        state = "cancelled" if self._cancelled else "waiting" if self._scheduled else "done"
        return f"<Timer {state} when={self._when:.3f}s {self._callback!r}>"

    def when(self) -> float:
        """Return the deadline, in seconds on the clock."""
        return self._when

    def cancel(self) -> None:
        """Have the callback not called; without effect once it was."""
        if not self._cancelled:
            self._cancelled = True
            self._clock._timers.note_cancelled(self)

    def cancelled(self) -> bool:
        """Tell whether :meth:`cancel` was called."""
        return self._cancelled

    def run(self) -> None:
        """Call the callback, unless the timer was cancelled."""
        if not self._cancelled:
            self._callback(*self._args)


class VirtualClock:
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
    max_turns = 100_000
    #: Real seconds for which the clock stands still where it can't be known whether something
    #: real is under way: a connection on which a greeting may come, a thread in a wait of its own.
    grace = 0.05
    #: Real seconds after which work that may never end (an answer from a server outside, a thread
    #: that computes) no longer holds the clock. When it runs out, that is said by a warning.
    patience = 2.0

    # Not time.monotonic_ns(), which tests patch; and time in a debugger is no time.
    _real_ns: Callable[[], int] = staticmethod(running_ns)

    def __init__(self, *, start: Seconds | None = None, mode: str | Mode = Mode.AUTO) -> None:
        if start is None:
            self._now_ns = -(-self._real_ns() // NS) * NS
        else:
            self._now_ns = duration_ns(start, "VirtualClock(start=...)")
        self._start_ns = self._now_ns
        self._now = self._now_ns / NS
        self._timers = TimerQueue()
        self._sequence = itertools.count()
        # Heap of (ns, sequence, waiter): whoever waits for the clock to reach a point.
        self._targets: list[tuple[int, int, Waiter]] = []
        self._settlers: deque[Waiter] = deque()
        self._holds: list[_Hold] = []
        self._background: dict[object, object] = {}
        self._background_timers: dict[int, object] = {}
        self._regions: list[_Region] = []
        self._base_mode = _mode(mode)
        self._mode = Mode.AUTO
        # Real minus virtual nanoseconds while the clock runs with real time.
        self._real_offset_ns = 0
        # A timer may be due already, so the loop has to look before it turns again.
        self._overdue = False
        # Nothing but timers can decide what comes next; see _jump().
        self._only_timers = False
        self._driver: Driver | None = None
        self._thread = threading.get_ident()
        self._change_mode(self._base_mode)

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

    def _pending_timers(self) -> list[Any]:
        """Return the timers of the loop that are neither due nor cancelled."""
        return [timer for _, timer in self._timers.items()]

    def _begin_test(self) -> None:
        """Have :attr:`elapsed` count from here."""
        self._start_ns = self._read_ns()

    @property
    def mode(self) -> Mode:
        """What moves the clock now."""
        return self._mode

    def _read_ns(self) -> int:
        if self._mode is Mode.REAL:
            return self._real_ns() - self._real_offset_ns
        return self._now_ns

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
        timer = Timer(self, float(when), callback, args)
        self._push(self._deadline_ns(when), timer)
        return timer

    def _push(self, deadline_ns: int, timer: TimerLike) -> None:
        if deadline_ns >= HORIZON_NS:
            return  # never; a timer that can't fire must not keep anybody waiting for it
        if deadline_ns <= self._now_ns:
            self._overdue = True
        self._timers.push(deadline_ns, timer)

    def _deadline_ns(self, when: float) -> int:
        """Return *when* in nanoseconds, as exactly as it was meant.

        Most deadlines are ``clock.time() + delay``. Taking the reading off again restores the
        delay, which is a short number, whereas the sum may have lost its last digits.
        """
        self._set_now_ns(self._read_ns())
        try:
            delay = when - self._now_ns / NS
            delay_ns = round(delay * NS)
        except OverflowError:
            return HORIZON_NS if when > 0 else 0
        except (TypeError, ValueError):
            raise not_a_time(when, "a timer", ValueError if when != when else TypeError)
        if self._now_ns >= COARSE_NS:
            delay_ns = roundest(delay_ns, math.ceil(math.ulp(when) * NS))
        return self._now_ns + delay_ns

    def _after_ns(self, delay: float) -> int:
        """Return the deadline *delay* seconds from now, in nanoseconds."""
        self._set_now_ns(self._read_ns())
        try:
            # By a float: a string times a billion would fill the memory.
            return self._now_ns + round(delay * 1e9)
        except OverflowError:
            return HORIZON_NS if delay > 0 else 0
        except (TypeError, ValueError):
            raise not_a_time(delay, "a timer", ValueError if delay != delay else TypeError)

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
        target_ns = self._deadline_ns(when)
        if target_ns < self._now_ns or not math.isfinite(when):
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
        if max_timers < 1:
            raise ValueError(
                f"advance_until_idle() needs max_timers >= 1, got {max_timers!r}: it is how many "
                "deadlines it may stop at"
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

    def auto(self) -> _Region:
        """Return a context manager in which time jumps when nobody can go on without it."""
        return _Region(self, Mode.AUTO)

    def manual(self) -> _Region:
        """Return a context manager in which only :meth:`advance` and its kin move the clock."""
        return _Region(self, Mode.MANUAL)

    def real(self) -> _Region:
        """Return a context manager in which the clock runs with real time, from where it is."""
        return _Region(self, Mode.REAL)

    def hold(self, reason: str = "hold()") -> _Hold:
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
        return _Hold(self, reason)

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
        self._background[_identity(thing)] = thing
        return thing

    def _is_background(self, thing: object) -> bool:
        return bool(self._background) and _identity(thing) in self._background

    def _note_background_timer(self, timer: object) -> None:
        timers = self._background_timers
        if len(timers) > 1000:
            for key, old in list(timers.items()):
                if not cast(TimerLike, old)._scheduled:
                    del timers[key]
        timers[id(timer)] = timer

    # For the driver -----------------------------------------------------------------------------

    def _bind(self, driver: Driver) -> None:
        """Obey *driver* from now on; timers set so far become its own.

        Raises:
            RuntimeError: If the clock has another driver.
        """
        if self._driver is not None and self._driver is not driver:
            raise RuntimeError(
                f"{self!r} already has a loop, {self._driver!r}: two loops can't agree on one "
                "time. Make a clock for each loop"
            )
        self._driver = driver
        self._thread = threading.get_ident()
        early, self._timers = list(self._timers.items()), TimerQueue()
        for _, timer in early:
            driver.call_at(cast(Timer, timer).when(), cast(Timer, timer).run)

    def _adopt_thread(self) -> None:
        """Belong to the thread that calls this: the one in which the loop runs."""
        self._thread = threading.get_ident()

    def _unbind(self, driver: Driver) -> None:
        """Be free for another driver; timers that are left are dropped, as loops do at closing."""
        if self._driver is driver:
            self._driver = None
            self._timers = TimerQueue()
            self._targets.clear()
            self._settlers.clear()
            self._background_timers.clear()

    def _take_due(self) -> list[TimerLike]:
        """Return the timers that are due now, in order; no time passes."""
        if self._mode is Mode.REAL:
            self._set_now_ns(self._read_ns())
        else:
            self._overdue = False
        return self._timers.pop_until(self._now_ns)

    def _on_idle(self, ready: Callable[[list[Any]], None]) -> Idle:
        """Do the next thing in order, for a driver that has nothing to run.

        The driver has seen to it that no timer is due (:meth:`_take_due`) and that nothing real
        is under way.

        Args:
            ready: Takes the timers that a jump has made due.
        """
        if self._settlers and self._wake_settler():
            return Idle.WOKEN
        target_ns = None
        if self._targets:
            target_ns = self._next_target_ns()
            if target_ns is not None and target_ns <= self._now_ns:
                return self._wake_target()
        if self._mode is Mode.REAL:
            return Idle.TICKING
        if self._holds:
            return Idle.HELD
        timers = self._timers
        deadline_ns = timers.peek()
        if target_ns is not None and (deadline_ns is None or target_ns < deadline_ns):
            self._set_now_ns(target_ns)
            return self._wake_target()
        if deadline_ns is None:
            return Idle.EMPTY
        if self._mode is Mode.MANUAL and target_ns is None:
            return Idle.STOPPED
        self._set_now_ns(deadline_ns)
        ready(timers.pop())
        self._only_timers = self._mode is Mode.AUTO and not self._targets
        return Idle.WOKEN

    def _jump(self) -> tuple[list[TimerLike], bool] | None:
        """Go to the next deadline and return what is due there; ``None`` if there is none.

        What :meth:`_on_idle` does when ``_only_timers`` is true, at a fraction of the price.

        Returns:
            The timers, and whether all that are not cancelled have one callback.
        """
        first = self._timers.take_first()
        if first is None:
            return None
        self._now_ns, timers, alike = first
        self._now = self._now_ns / NS
        return timers, alike

    def _real_delay(self) -> float | None:
        """Return the real seconds until the next timer or target of a clock in real mode."""
        points = (self._timers.peek(), self._next_target_ns())
        nearest_ns = min((ns for ns in points if ns is not None), default=None)
        return None if nearest_ns is None else max(0, nearest_ns - self._read_ns()) / NS

    def _wake_settler(self) -> bool:
        while self._settlers:
            waiter = self._settlers.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return True
        return False

    def _next_target_ns(self) -> int | None:
        targets = self._targets
        while targets and targets[0][2].done():  # its task was cancelled
            heapq.heappop(targets)
        return targets[0][0] if targets else None

    def _wake_target(self) -> Idle:
        heapq.heappop(self._targets)[2].set_result(None)
        return Idle.WOKEN

    def _set_now_ns(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._now = now_ns / NS

    def _change_mode(self, mode: Mode) -> None:
        self._set_now_ns(self._read_ns())
        self._mode = mode
        self._only_timers = False
        if mode is Mode.REAL:
            self._real_offset_ns = self._real_ns() - self._now_ns
            self._overdue = True

    def _follow_regions(self) -> None:
        mode = self._regions[-1].mode if self._regions else self._base_mode
        if mode is not self._mode:
            self._change_mode(mode)

    # Checks -------------------------------------------------------------------------------------

    def _check_thread(self, what: str) -> None:
        if threading.get_ident() != self._thread:
            raise RuntimeError(
                f"{what} was called in thread {threading.current_thread().name!r}, but the clock "
                "belongs to the thread of its loop. Call it there: from this thread, "
                "loop.call_soon_threadsafe(...) or asyncio.run_coroutine_threadsafe(...)"
            )

    def _check_movable(self, what: str) -> None:
        if self._mode is Mode.REAL:
            raise RuntimeError(
                f"{what} was called in a real() region, where the clock runs with real time and "
                "nobody can hurry it. Leave the region first, or nest a manual() region in it"
            )


class _Region:
    """A stretch of code in which something else moves the clock; the latest one entered rules.

    Regions of several tasks may overlap in any order.
    """

    def __init__(self, clock: VirtualClock, mode: Mode) -> None:
        self._clock = clock
        self.mode = mode

    def __enter__(self) -> VirtualClock:
        self._clock._check_thread(f"{self.mode.value}()")
        if self in self._clock._regions:
            raise RuntimeError(
                f"this {self.mode.value}() region is open already: a region is entered once. "
                f"Call clock.{self.mode.value}() for each 'with'"
            )
        self._clock._regions.append(self)
        self._clock._follow_regions()
        return self._clock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        self._clock._regions.remove(self)
        self._clock._follow_regions()
        return False


class _Hold:
    """A stretch of code in which time does not jump."""

    def __init__(self, clock: VirtualClock, reason: str) -> None:
        self._clock = clock
        self.reason = reason

    def __enter__(self) -> VirtualClock:
        self._clock._check_thread("hold()")
        self._clock._holds.append(self)
        self._clock._only_timers = False
        return self._clock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        self._clock._holds.remove(self)
        return False


def _mode(mode: str | Mode) -> Mode:
    try:
        return Mode(mode)
    except ValueError:
        raise ValueError(
            f"mode must be 'auto', 'manual' or 'real', got {mode!r}: it says what moves the clock"
        )


def _identity(thing: object) -> object:
    # A process is known by several objects (transport, Process, Popen); its number is one. So is
    # a connection, by its socket, its transport and its stream.
    get_pid = getattr(thing, "get_pid", None)
    pid = get_pid() if callable(get_pid) else getattr(thing, "pid", None)
    if isinstance(pid, int):
        return ("pid", pid)
    get_extra_info = getattr(thing, "get_extra_info", None)
    if callable(get_extra_info):
        thing = get_extra_info("socket") or thing
    fileno = getattr(thing, "fileno", None)
    return ("fd", fileno()) if callable(fileno) else id(thing)
