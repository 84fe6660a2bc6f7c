"""When a loop can't get anywhere: what is found out then, and the error that says it.

Called at a moment when the loop is about to wait without end, or turns without end. Nothing here
decides when that is, or how the error reaches the test: the loop does.
"""

from __future__ import annotations

import functools
import signal
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ._executor import LEFT_BEHIND, DaemonExecutor
from ._explain import explain, graph_of, timeline_of
from ._inflight import Outside, Sockets, Threads
from ._internals import CHILD_WATCHERS
from ._report import seconds
from ._syscalls import native_threads
from .errors import ClockStoppedError, DeadlockError, LivelockError, StuckError, TimeLimitError

if TYPE_CHECKING:
    from ._clock import VirtualClock
    from ._loop import LazyEventLoop
    from ._waits import WaitGraph

__unittest = True

_E = TypeVar("_E", StuckError, DeadlockError, ClockStoppedError, LivelockError, TimeLimitError)

#: Tells of a hang. That takes milliseconds, and where threads go to rest and wake again all the
#: time, most hangs are none when one looks again: so nothing is told before that.
Told = Callable[[], Exception]

#: After how many real seconds to look again at threads that end without a sound.
LOOK_AGAIN = 0.05
#: How often such threads are looked at again before they count as resting.
LOOKS = 10


def can_wake(loop: LazyEventLoop) -> bool:
    """Tell whether anything outside could still wake a loop on real time that is about to wait.

    A false "nothing can" is far worse than a limit that has to run out. So whatever is not proved
    to rest counts: any signal handler, any job, any thread, those of C and of other tools included.
    """
    return bool(
        loop.watched_files
        or _may_be_signalled(loop)
        or _has_running_job(loop)
        or _has_unknown_threads()
        or _threads().can_go_on()
    )


def has_foreign_threads() -> bool:
    """Tell whether there are threads that may begin or end without a sound."""
    return bool(_threads().foreign())


def _threads(clock: VirtualClock | None = None, sockets: Sockets | None = None) -> Threads:
    # No thread is too old to call us: one of the application, which was imported before us, may
    # well do so.
    others = weakref.WeakSet([threading.current_thread(), *LEFT_BEHIND])
    return Threads(clock, sockets, others)


def _may_be_signalled(loop: LazyEventLoop) -> bool:
    if getattr(loop, "_signal_handlers", None):
        return True
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    return any(callable(handler) and not _is_known_handler(handler) for handler in handlers)


def _is_known_handler(handler: Any) -> bool:
    """Tell whether a handler is the interpreter's, asyncio's or unittest's for Ctrl-C, or ours."""
    function = getattr(handler, "func", handler)  # asyncio.Runner installs a partial
    module = getattr(function, "__module__", None) or type(function).__module__
    return function is signal.default_int_handler or str(module).startswith(
        ("unittest.", "asyncio.runners", "asynctesting.")
    )


def _has_running_job(loop: LazyEventLoop) -> bool:
    executor = getattr(loop, "_default_executor", None)
    return isinstance(executor, DaemonExecutor) and not executor.is_idle()


def _has_unknown_threads() -> bool:
    """Tell whether there are threads that Python has not started, or that wait for a process."""
    known = threading.enumerate()
    if any(thread.name.startswith(CHILD_WATCHERS) for thread in known):
        return True
    ours = {t.native_id for t in known if not isinstance(t, threading._DummyThread)}
    return not native_threads() <= ours


def find_hopeless_wait(loop: LazyEventLoop, timeout: float | None) -> Told | None:
    """Return what tells, if a wait in real time will not end, or not before the test's limit.

    Args:
        loop: A loop on real time that is about to wait.
        timeout: Seconds until its next timer, or ``None`` if there is none.
    """
    if timeout is None:
        return find_deadlock(loop, None, None)
    if can_wake(loop):
        return None
    graph = graph_of(loop, loop.main_task)
    if not graph.waits:
        return None
    guard = loop.guard
    name = "this test" if guard is None else guard.name
    limit = "" if guard is None or guard.limit is None else f" of {seconds(guard.limit)}"
    verdict = (
        f"{name} can't finish in time: nothing can happen before the next timer, in "
        f"{_ahead_in(timeout)}, and its limit{limit} runs out before that."
    )
    advice = (
        "Give it longer with @asynctesting.timeout(seconds), or let it sleep on a virtual clock, "
        "which takes no\ntime: VirtualClockMixin."
    )
    return functools.partial(_told, TimeLimitError, loop, graph, verdict, advice)


def find_deadlock(
    loop: LazyEventLoop, outside: Outside | None, clock: VirtualClock | None
) -> Told | None:
    """Return what tells, if nothing can wake *loop* any more."""
    if outside is None:
        if can_wake(loop):
            return None
    elif (
        outside.can_wake()
        or _may_be_signalled(loop)
        or _has_unknown_threads()
        # A thread that is older than the loop holds no clock, but may well call the loop back.
        or _threads(clock, outside.sockets).can_go_on()
    ):
        return None
    graph = graph_of(loop, loop.main_task)
    if not graph.waits:
        return None  # nobody waits: the loop was started for something else
    verdict = (
        "nothing can wake this test any more: no step is ready, no timer is set, no input is "
        "awaited, and no thread or process is at work."
    )
    if len(graph.cycle) == 1:
        verdict += f"\n{graph.cycle[0].get_name()!r} waits for what it holds itself."
        advice = (
            "A lock of asyncio can't be taken twice: have one method take it, and another one, "
            "which expects\nit to be held, do the work."
        )
    elif graph.cycle:
        names = " -> ".join(repr(t.get_name()) for t in [*graph.cycle, graph.cycle[0]])
        verdict += f"\nThey wait for each other: {names}"
        advice = "Take locks in the same order everywhere."
        if not any(graph.waits[task].held for task in graph.cycle):
            advice = "None of them can end before the others do: let one end by itself."
    else:
        advice = "Whoever should set the event, release the lock or send the reply has ended."
    cycle = [task.get_name() for task in graph.cycle]
    return functools.partial(_told, DeadlockError, loop, graph, verdict, advice, cycle=cycle)


def stopped_clock(loop: LazyEventLoop, clock: VirtualClock) -> ClockStoppedError:
    """Return the error for a wait on a clock that nobody moves."""
    graph = graph_of(loop, loop.main_task)
    next_ns = clock._timers.peek()
    ahead = "" if next_ns is None else f" The next timer is due in {_ahead(clock, next_ns)}."
    if clock._holds:
        verdict = (
            f"the clock is held ({clock._holds[-1].reason}), everybody waits, and nothing outside "
            f"can end that: no input is awaited, no thread or process is at work.{ahead}"
        )
        advice = "Inside of 'with clock.hold():' no time passes: leave it before what sleeps."
        return _told(ClockStoppedError, loop, graph, verdict, advice)
    verdict = f"the clock is manual, everybody waits for it, and nobody moves it.{ahead}"
    advice = (
        "Start what sleeps as a task and move the clock with 'await clock.advance(seconds)', or "
        "let time jump by itself: 'with clock.auto():'."
    )
    return _told(ClockStoppedError, loop, graph, verdict, advice)


def livelock(loop: LazyEventLoop, clock: VirtualClock, turns: int) -> LivelockError:
    """Return the error for a loop that turns without end at one instant."""
    graph = graph_of(loop, loop.main_task)
    verdict = (
        f"the loop has turned {turns:,} times without any time passing: something is always "
        "ready, so the clock never moves."
    )
    running = [task for task, wait in graph.waits.items() if wait.what == "its next turn"]
    if running:
        names = ", ".join(repr(task.get_name()) for task in running[:5])
        verdict += f"\nReady again and again: {names}"
    advice = (
        "Wait for an event in place of a loop around sleep(0). If so many steps are meant, raise "
        "clock.max_turns."
    )
    return _told(LivelockError, loop, graph, verdict, advice)


def _ahead_in(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.3g} s"


def _ahead(clock: VirtualClock, deadline_ns: int) -> str:
    return f"{(deadline_ns - clock.time_ns()) / 1e9:g} s"


def _told(
    kind: type[_E], loop: LazyEventLoop, graph: WaitGraph, verdict: str, advice: str, **facts: Any
) -> _E:
    """Return an error of *kind* that tells all there is to tell about the hang."""
    guard, main = loop.guard, loop.main_task
    timeline = timeline_of(loop, graph, guard, "" if main is None else main.get_name())
    first = next(iter(graph.waits.values()), None)
    text = explain(
        verdict,
        place=None if first is None else first.place,
        waiting=graph.lines(),
        timeline=timeline,
        command="" if guard is None else guard.repeat_command(),
        advice=advice,
    )
    error = kind(text, waiting=[str(wait) for wait in graph.waits.values()], **facts)
    error._timeline = timeline
    return error
