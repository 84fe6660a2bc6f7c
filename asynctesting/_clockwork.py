"""What a virtual clock decides: which timer, which waiter and which instant comes next.

Nothing here knows an event loop. A driver (in practice the loop of ``_virtual_loop.py``) tells the
clockwork when nobody can run, and runs what it hands out. So every rule about time can be tested
with a driver of ten lines. What a test calls, :class:`~asynctesting.VirtualClock` adds to it.

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
from typing import Any, Protocol, cast

from ._modes import Hold, Mode, Region, to_mode
from ._pauses import running_ns
from ._seconds import COARSE_NS, HORIZON_NS, NS, Seconds, duration_ns, not_a_time, roundest
from ._timers import TimerLike, TimerQueue

__unittest = True


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
        clock: Clockwork,
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


class Clockwork:
    """The state of a clock, and its next move, for the driver that obeys it."""

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
        self._holds: list[Hold] = []
        self._background: dict[object, object] = {}
        self._background_timers: dict[int, object] = {}
        self._regions: list[Region] = []
        self._base_mode = to_mode(mode)
        self._mode = Mode.AUTO
        # Real minus virtual nanoseconds while the clock runs with real time.
        self._real_offset_ns = 0
        # A timer may be due already, so the loop has to look before it turns again.
        self._overdue = False
        # Nothing but timers can decide what comes next: the loop may take the first one itself.
        self._only_timers = False
        self._driver: Driver | None = None
        self._thread = threading.get_ident()
        self._change_mode(self._base_mode)

    def _read_ns(self) -> int:
        if self._mode is Mode.REAL:
            return self._real_ns() - self._real_offset_ns
        return self._now_ns

    def _set_now_ns(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._now = now_ns / NS

    # Timers -------------------------------------------------------------------------------------

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

    def _pending_timers(self) -> list[Any]:
        """Return the timers of the loop that are neither due nor cancelled."""
        return [timer for _, timer in self._timers.items()]

    def _is_background(self, thing: object) -> bool:
        return bool(self._background) and identity(thing) in self._background

    def _note_background_timer(self, timer: object) -> None:
        timers = self._background_timers
        if len(timers) > 1000:
            for key, old in list(timers.items()):
                if not cast(TimerLike, old)._scheduled:
                    del timers[key]
        timers[id(timer)] = timer

    def _begin_test(self) -> None:
        """Have :attr:`elapsed` count from here."""
        self._start_ns = self._read_ns()

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
        self._see_whether_only_timers()
        return Idle.WOKEN

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

    def _change_mode(self, mode: Mode) -> None:
        self._set_now_ns(self._read_ns())
        self._mode = mode
        self._see_whether_only_timers()
        if mode is Mode.REAL:
            self._real_offset_ns = self._real_ns() - self._now_ns
            self._overdue = True

    def _see_whether_only_timers(self) -> None:
        others = self._settlers or self._targets or self._holds
        self._only_timers = self._mode is Mode.AUTO and not others

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


def identity(thing: object) -> object:
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
