"""The event loop that obeys a virtual clock, on real sockets, threads and processes.

The base loop never sees a timer: ``call_at()`` and ``call_later()`` hand them to the clock. So the
base loop asks its selector for a wait without end exactly when nothing is ready, and that question
is where time is made: see :meth:`VirtualEventLoop._idle`.

The order there is the promise. Input that has arrived comes first, or a reply in the socket would
lose a race against its own timeout. Then timers that are due already, since they cost no time.
Then whatever goes on outside (:mod:`asynctesting._inflight`) is waited for in real time, while
the clock stands still. Only then the clock makes its next move.

Private names of asyncio used here: ``_ready``, ``_stopping``, ``_process_events``, ``_run_once``,
``_timer_handle_cancelled``, and ``_run`` and ``_scheduled`` of a handle. They are the same from
3.11 to 3.14; :func:`virtual_loop_works` tries them once.
"""

from __future__ import annotations

import asyncio
import functools
import math
import selectors
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple, cast

from . import _inflight, _pauses, _stuck
from ._clock import Idle, Mode, VirtualClock
from ._idle_selector import IdleSelector
from ._loop import LazyEventLoop
from ._recorder import RecordingLoop, new_ring
from ._seconds import COARSE_NS, HORIZON_NS, NS
from ._virtual_timer import WAKE_SLEEPER, QuickHandle, VirtualTimer

__unittest = True

_Ts = TypeVarTuple("_Ts")

_LONG = 3600.0
_TURNS_UNSEEN = 1000


class VirtualEventLoop(LazyEventLoop):
    """A selector event loop whose time is a :class:`VirtualClock`.

    Sockets, threads, processes and signals are real, and time stands still while they are at
    work. ``asyncio.sleep()``, ``asyncio.timeout()``, ``call_later()`` and whatever is built on them
    obey the clock.

    Args:
        clock: The clock to obey; the loop makes one if there is none.

    Raises:
        RuntimeError: If *clock* has a loop already.
        TypeError: If *clock* is no ``VirtualClock``.

    Example:
        >>> with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
        ...     runner.run(asyncio.sleep(3600, "an hour later"))
        ...     runner.get_loop().clock.elapsed
        'an hour later'
        3600.0
    """

    _selector: IdleSelector
    _stopping: bool

    def __init__(self, clock: VirtualClock | None = None) -> None:
        if not isinstance(clock, VirtualClock | None):
            raise TypeError(
                f"VirtualEventLoop needs a VirtualClock, got {clock!r}: build VirtualClock(), or "
                "leave it out, and the loop makes one"
            )
        _pauses.install()
        self._ring = new_ring()
        self.clock: VirtualClock = VirtualClock() if clock is None else clock
        clock = self.clock
        self._outside = _inflight.Outside(self, clock)
        self._sockets = self._outside.sockets
        # How often the loop has turned since time last moved, and the reading then.
        self._turns = 0
        self._turned_at_ns = -1
        # After how many turns to compare with the clock's own limit, which may change meanwhile.
        self._max_turns = min(clock.max_turns, _TURNS_UNSEEN)
        # To wake a sleeper takes no context, and a copy of one for each sleep is not for nothing.
        self._sleep_context = Context()
        asyncio.SelectorEventLoop.__init__(self, IdleSelector(self))
        try:
            clock._bind(self)
        except RuntimeError:
            self.close()
            raise
        # Slow callbacks are measured with time(), which would never see a slow one here and
        # would take a stall() for one.
        self.slow_callback_duration = math.inf

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]} clock={self.clock!r}>"

    def close(self) -> None:
        """Close the loop; its clock is free for another one."""
        if not self.is_closed() and not self.is_running():
            self.clock._unbind(self)
        super().close()

    def run_forever(self) -> None:
        """Run until ``stop()`` is called."""
        self.clock._adopt_thread()
        super().run_forever()

    def open_selector(self) -> selectors.BaseSelector:
        """Make the real selector and the self-pipe, unless they are there."""
        if self._csock is None:
            selector = self._selector
            if selector.real is None:
                selector.open()
            # Past LazyEventLoop, which puts it off.
            super(LazyEventLoop, self)._make_self_pipe()  # type: ignore[misc]
            self._sockets.disregard(self._ssock.fileno())
        return self._selector

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Have *callback* called at the loop's next turn."""
        if self._debug or self._closed:
            return super().call_soon(callback, *args, context=context)
        handle = QuickHandle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    # Timers -------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the reading of the clock, in seconds."""
        clock = self.clock
        return clock.time() if clock._overdue else clock._now

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Have *callback* called after *delay* virtual seconds."""
        if delay is None:
            raise TypeError("call_later() needs a delay in seconds, got None")
        clock = self.clock
        if clock._overdue or self._debug or self._closed or clock._background:
            return self._set_timer(
                clock._after_ns(delay), clock._now + delay, callback, args, context
            )
        # The same for a loop that is in a hurry. Not call_at(time() + delay): that sum has
        # rounding errors, this one has none.
        try:
            deadline_ns = clock._now_ns + round(delay * 1e9)
        except (OverflowError, TypeError, ValueError):
            deadline_ns = clock._after_ns(delay)
        if callback is WAKE_SLEEPER and context is None:
            context = self._sleep_context
        timer = VirtualTimer(clock._now + delay, callback, args, self, context)
        if clock._now_ns < deadline_ns < HORIZON_NS:
            clock._timers.push(deadline_ns, timer)
        else:
            clock._push(deadline_ns, timer)
        return timer

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Have *callback* called once the clock reads *when*."""
        if when is None:
            raise TypeError("call_at() needs a time in seconds, got None")
        clock = self.clock
        if (
            clock._overdue
            or self._debug
            or self._closed
            or clock._background
            or clock._now_ns >= COARSE_NS
        ):
            return self._set_timer(clock._deadline_ns(when), when, callback, args, context)
        try:
            # What _deadline_ns() does where no care is needed.
            deadline_ns = clock._now_ns + round((when - clock._now) * 1e9)
        except (OverflowError, TypeError, ValueError):
            deadline_ns = clock._deadline_ns(when)
        timer = VirtualTimer(when, callback, args, self, context)
        if clock._now_ns < deadline_ns < HORIZON_NS:
            clock._timers.push(deadline_ns, timer)
        else:
            clock._push(deadline_ns, timer)
        return timer

    def _set_timer(
        self,
        deadline_ns: int,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> asyncio.TimerHandle:
        self._check_closed()
        if self._debug:
            self._check_thread()
            self._check_callback(callback, "call_at")
        timer = VirtualTimer(when, callback, args, self, context)
        self.clock._push(deadline_ns, timer)
        if self.clock._is_background(asyncio.current_task(self)):
            self.clock._note_background_timer(timer)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.clock._timers.note_cancelled(handle)  # type: ignore[arg-type]

    # One turn of the loop -----------------------------------------------------------------------

    def _run_once(self) -> None:
        """Take a turn: the stock one, less the timers and four calls.

        Where asyncio no longer calls it so, or in debug mode, the stock one does the same by way
        of :meth:`IdleSelector.select`.
        """
        if self._debug:
            super()._run_once()  # type: ignore[misc]
            return
        ready = self._ready
        events = self._selector.select(0) if ready or self._stopping else self._idle()
        if events:
            self._process_events(events)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()
        handle = None  # an exception in it would keep it alive

    def _turn_with_due_timers(self) -> list[Any]:
        # As the stock loop has it: first the input, then the timers.
        self._process_events(self._poll())
        self._ready.extend(self.clock._take_due())
        return []

    def _idle(self) -> list[Any]:
        """Find something to run, for a loop that has nothing: input, a timer, or a later time."""
        clock = self.clock
        if clock._overdue:
            self._turn_with_due_timers()
            if self._ready:
                return []
        real = self._selector.real
        if real is not None:
            # Input that has arrived beats time that has not passed yet.
            events = real.look()
            if events:
                self._turns = 0
                if self._sockets.external:
                    self._sockets.input(events)
                return events
        outside = self._outside
        if not outside.is_quiet():
            wait = outside.wait()
            if wait is not None:
                return self._wait_really(wait)
            # Whoever was at work may have called us and gone to rest before we looked at it.
            events = self._poll()
            if events:
                return events
        if self._ready:
            return []
        if clock._only_timers:
            # What the clock's _on_idle() would do, at a fraction of the price.
            first = clock._timers.take_first()
            if first is not None:
                clock._now_ns, due, alike = first
                clock._now = clock._now_ns / NS
                self._turns = 0
                if not (alike and due[0]._callback is WAKE_SLEEPER):
                    self._ready.extend(due)
                    return []
                # Nothing but sleepers, whose tasks are woken without a detour: one turn of the
                # loop less for each jump, in the same order.
                for timer in cast("list[VirtualTimer]", due):
                    if not timer._cancelled:
                        future, result = timer._args
                        if not future.cancelled():
                            future.set_result(result)
                return []
        outcome = clock._on_idle(self._ready.extend)
        if outcome is Idle.WOKEN:
            if clock._now_ns != self._turned_at_ns:
                self._turned_at_ns = clock._now_ns
                self._turns = 0
            else:
                self._turns += 1  # a task that settles again and again never lets time pass
                if self._turns > self._max_turns:
                    self._check_livelock()
            return []
        if outcome is Idle.TICKING:
            return self._wait_ticking(clock._real_delay())
        return self._wait_in_vain(outcome)

    def _poll(self) -> list[Any]:
        real = self._selector.real
        events = [] if real is None else real.look()
        if events:
            self._note_input(events)
        return events

    def _note_input(self, events: list[Any]) -> None:
        self._turns = 0
        self._sockets.input(events)

    def _wait_really(self, seconds: float | None) -> list[Any]:
        """Wait for input in real time; the clock stands still."""
        self.open_selector()
        # A callback that came from another thread before the pipe was there rang no bell.
        real = self._selector.real
        assert real is not None
        if seconds is not None:
            seconds = min(seconds, _LONG)  # the kernel knows no infinite number
        events = real.select(0 if self._ready else seconds)
        if events:
            self._note_input(events)
        self._turns = 0
        return events

    def _wait_ticking(self, delay: float | None) -> list[Any]:
        if delay is None:
            return self._wait_in_vain(Idle.EMPTY)
        # Rounded up as the stock selectors do, or the loop would turn until the timer is due.
        return self._wait_really(math.ceil(delay * 1e3) * 1e-3)

    def _wait_in_vain(self, outcome: Idle) -> list[Any]:
        """Wait, for a loop that nothing of its own will wake, or say that nothing will."""
        if outcome is Idle.STOPPED:
            self.fail_stuck(_stuck.stopped_clock(self, self.clock))
            return []
        # On a clock that is held, too: whatever goes on unseen, a file, a thread or a signal has to
        # bring it here.
        hang = _stuck.find_deadlock(self, self._outside, self.clock)
        if hang is None:
            # A thread that comes to rest, or ends, without having called us rings no bell.
            threads = _stuck.has_foreign_threads()
            return self._wait_really(_stuck.LOOK_AGAIN if threads else None)
        # A thread that has been let go may not have got its turn yet: then it rests no longer
        # when we look again.
        for _ in range(_stuck.LOOKS if _stuck.has_foreign_threads() else 0):
            events = self._wait_really(_stuck.LOOK_AGAIN)
            if events or self._ready or _stuck.find_deadlock(self, self._outside, None) is None:
                return events
        held = outcome is Idle.HELD
        self.fail_stuck(_stuck.stopped_clock(self, self.clock) if held else hang())
        return []

    def _check_livelock(self) -> None:
        limit = self.clock.max_turns
        if self._turns <= limit:
            self._max_turns = min(limit, self._turns + _TURNS_UNSEEN)
            return
        self._max_turns = min(limit, _TURNS_UNSEEN)
        if self.clock.mode is not Mode.REAL:
            self.fail_stuck(_stuck.livelock(self, self.clock, self._turns))
        self._turns = 0

    def call_soon_threadsafe(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Have *callback* called in the loop's thread; the one method for other threads."""
        self._outside.threads.calls += 1
        return super().call_soon_threadsafe(callback, *args, context=context)

    # Real work that holds the clock -------------------------------------------------------------

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Have *func* called in another thread; time stands still until it returns."""
        future = super().run_in_executor(executor, func, *args)
        self._outside.jobs.began(future, func)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait for the default executor to end; time stands still meanwhile."""
        with self._outside.counting("shutdown of the default executor"):
            await super().shutdown_default_executor(*args, **kwargs)

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        """Start a process; time stands still until it ends."""
        with self._outside.counting("start of a subprocess"):
            made = await super().subprocess_exec(*args, **kwargs)
        self._outside.processes.began(made[0])
        return made

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> Any:
        """Start a shell command; time stands still until it ends."""
        with self._outside.counting("start of a subprocess"):
            made = await super().subprocess_shell(*args, **kwargs)
        self._outside.processes.began(made[0])
        return made


class VirtualLoopOfTest(VirtualEventLoop):
    """The loop of a test: it remembers its last steps, which costs a third of a sleep more."""

    # A class of its own: every step comes through here, and a detour would be felt.
    call_soon = RecordingLoop.call_soon


def loop_for_test(clock: VirtualClock) -> VirtualEventLoop:
    """Return a loop that obeys *clock*, and remembers its last steps."""
    return VirtualLoopOfTest(clock)


@functools.cache
def virtual_loop_works() -> bool:
    """Tell whether this interpreter has what :class:`VirtualEventLoop` overrides, by trying it."""
    try:
        loop = VirtualEventLoop()
        try:
            order: list[str] = []
            loop.call_later(2, order.append, "two")
            loop.call_later(1, order.append, "one").cancel()
            loop.run_until_complete(asyncio.sleep(3))
            return order == ["two"] and loop.clock.elapsed == 3 and not loop.clock._timers
        finally:
            loop.close()
    except Exception:
        return False
