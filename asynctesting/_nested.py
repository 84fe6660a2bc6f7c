"""Scopes that share a loop: what is common to them, and the test inside of a wider one.

A scope inside of another borrows its loop, begins with a copy of its context, and has an owner task
of its own.

Invariants: a scope ends and reports what it left on the loop, and nothing else; what a wide scope
holds (a connection in the pool of its client) belongs to the wide scope, whoever opened it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any

from . import _internals
from ._audit.loop import Open, find_open, signal_finding, timer_finding, timers_of
from ._audit.things import fd_of
from ._executor import DaemonExecutor
from ._held import held_by
from ._loop import LazyEventLoop
from ._phases import Loop, abandoned
from ._scopes import CANCEL_BUDGET, Scope, settled
from ._watchdog import Watch

if TYPE_CHECKING:
    from ._wide import WideScope

__unittest = True

# Which scope a task, a timer or a transport comes from. A plain object stands for the scope, which
# a context must not keep alive.
_mark: ContextVar[object | None] = ContextVar("asynctesting_scope", default=None)


class NestedScope(Scope):
    """What inner and wide scopes have in common: perhaps a parent, whose loop they borrow."""

    parent: WideScope | None = None
    _handler_before: Any = None
    _guard_before: Any = None
    # What has the process read the loop's clock, where that is a virtual one.
    _patch: Any = None
    # Tasks of no known origin are ours if they were not there before.
    _tasks_before: Collection[asyncio.Task[Any]] = ()
    # The loop's executor when a test began on it, if one had been made.
    _executor_before: tuple[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._mark = object()

    def _enter_parent(self, parent: WideScope | None) -> None:
        self.parent = parent
        if parent is not None:
            self._context = parent.copy_context()
        self._context.run(_mark.set, self._mark)

    def lineage(self) -> Iterator[WideScope]:
        """Yield the scopes around this one, the nearest first."""
        parent = self.parent
        while parent is not None:
            yield parent
            parent = parent.parent

    def _take_loop(self) -> None:
        """Be the one who speaks for the loop: it is current here, and tells its errors us."""
        loop = self.get_loop()
        self._current = self._make_current(loop, keep_policy=self._factory is None)
        self._handler_before = loop.get_exception_handler()
        loop.set_exception_handler(self._on_loop_exception)
        if isinstance(loop, LazyEventLoop):
            self._guard_before, loop.guard = loop.guard, self
            self.recorded_since = loop._real_time()
        *_, root = (self, *self.lineage())
        patch = getattr(root._factory, "patch", None)
        if patch is not None:
            self._patch = patch(loop)
            self._patch.start()

    def _give_loop_back(self) -> None:
        loop = self._loop
        if self._current is None:
            return
        self._current.restore()
        self._current = None
        self._stop_patch()
        if loop is not None and not loop.is_closed():
            loop.set_exception_handler(self._handler_before)
            if isinstance(loop, LazyEventLoop):
                loop.guard = self._guard_before
        self._handler_before = self._guard_before = None

    def _stop_patch(self) -> None:
        if self._patch is not None:
            self._patch.stop()
            self._patch = None

    # Closing ------------------------------------------------------------------------------------

    def _close_loop(self, loop: Loop | None, problems: list[BaseException]) -> None:
        if self.parent is None:
            super()._close_loop(loop, problems)
            self._stop_patch()
            return
        self._owner = self._parking = self._job = None
        self._tasks_before = ()
        self._executor_before = None
        self._give_loop_back()
        self._loop = None

    def _wind_down(self, loop: Loop, problems: list[BaseException]) -> None:
        if self.parent is None:
            super()._wind_down(loop, problems)
            return
        self._end_owner(loop)
        tasks = [task for task in _internals.tasks_of(loop) if self._made(task)]
        open_here = self._open_here(loop)
        pending = [task for task in tasks if not task.done()]
        if open_here or pending:
            self._turn(loop, settled(loop, pending), CANCEL_BUDGET)
            open_here = self._open_here(loop)
        pending = [task for task in tasks if not task.done()]
        timers = [timer for timer in timers_of(loop) if self._left(timer)]
        if pending or open_here or timers:
            held = self._held_around([*pending, *(found.thing for found in open_here), *timers])
            pending = [task for task in pending if id(task) not in held]
            open_here = [found for found in open_here if id(found.thing) not in held]
            timers = [timer for timer in timers if id(timer) not in held]
        self._end_leftovers(loop, tasks, pending, open_here, timers, problems)

    def _end_leftovers(
        self,
        loop: Loop,
        tasks: list[asyncio.Task[Any]],
        pending: list[asyncio.Task[Any]],
        open_here: list[Open],
        timers: list[asyncio.TimerHandle],
        problems: list[BaseException],
    ) -> None:
        collector = self.collector
        if collector is not None:
            if pending:
                collector.note_pending(pending)
            collector.note_unretrieved(task for task in tasks if _internals.is_unretrieved(task))
            for found in open_here:
                collector.add(found.finding, *found.keys)
            collector.note_clock(loop)
        for found in open_here:
            found.end()
        if pending:
            self._cancel_tasks(loop, pending, problems)
        for timer in timers:
            # That of a task's sleep went with the task.
            if not timer.cancelled():
                if collector is not None:
                    # The loop lives on, and would call it in the middle of another test.
                    collector.add(timer_finding(timer, level="error"))
                timer.cancel()
        self._end_signal_handlers(loop)
        self._end_own_executor(loop, problems)
        if open_here:
            # A transport that was aborted just now frees its socket in the next turn.
            self._turn(loop, asyncio.sleep(0), CANCEL_BUDGET)

    def _end_own_executor(self, loop: Loop, problems: list[BaseException]) -> None:
        """Wait for the jobs of an executor that the test has made the loop's, as its end would."""
        executor, before = getattr(loop, "_default_executor", None), self._executor_before
        if before is None or executor in before or isinstance(executor, DaemonExecutor):
            return
        loop.set_default_executor(before[0] or DaemonExecutor())
        if not self._turn(loop, _shut_down(loop, executor), None):
            problems.append(self._describe_jobs(["a job of the test's own executor"], own=False))

    def _end_signal_handlers(self, loop: Loop) -> None:
        for number, handle in _internals.signal_handlers_of(loop).items():
            context = _internals.context_of_handle(handle)
            if context is not None and context.get(_mark) is self._mark:
                if self.collector is not None:
                    self.collector.add(signal_finding(number, handle))
                loop.remove_signal_handler(number)

    def _made(self, task: asyncio.Task[Any]) -> bool:
        if task in abandoned or task in self._tasks_before:
            return False
        context = _internals.context_of_task(task)
        mark = None if context is None else context.get(_mark)
        return mark is None or mark is self._mark

    def _left(self, timer: asyncio.TimerHandle) -> bool:
        context = _internals.context_of_handle(timer)
        return context is not None and context.get(_mark) is self._mark

    def _open_here(self, loop: Loop) -> list[Open]:
        if not isinstance(loop, LazyEventLoop) or not loop.has_open:
            return []
        return [found for found in find_open(loop) if self._opened(found)]

    def _opened(self, found: Open) -> bool:
        return found.context is not None and found.context.get(_mark) is self._mark

    def _held_around(self, things: list[Any]) -> set[int]:
        """Return which of *things* a scope around holds; it answers for them at its own end."""
        held: set[int] = set()
        for scope in self.lineage():
            found = held_by(scope.holdings(), things, (Scope,))
            scope.adopt(thing for thing in things if id(thing) in found)
            held |= found
        return held


class InnerScope(NestedScope):
    """A test's scope on the loop of a wider one."""

    # How the loop was set when the test began, which is how the next one finds it.
    _loop_before: tuple[Any, ...] = ()
    #: What a wider scope was cancelled by while this test ran: then the test is not to blame.
    cut_short: str | None = None
    _shared_loop: Loop | None = None

    def open(self) -> None:
        """Wait: the scopes around open in the test's set-up, where their failures are counted."""

    def attach(self, parent: WideScope) -> None:
        """Begin inside of *parent*: the limit counts, findings are collected, the loop is current.

        Raises:
            unittest.SkipTest: If something has cancelled *parent*; that is reported at its end.
        """
        parent.skip_if_cancelled()
        self._enter_parent(parent)
        limit = self.watch.limit
        self.watch = Watch(self.name, limit, self)
        if self.collector is not None:
            self.collector.shared_loop = True
            self.collector.is_held = self._answered_for_around
            self.collector.begin()
        loop = self._loop = self._shared_loop = parent.get_loop()
        self._executor_before = (getattr(loop, "_default_executor", None),)
        self._take_loop()
        self._loop_before = _settings_of(loop)
        self._tasks_before = set(_internals.tasks_of(loop))
        for scope in self.lineage():
            scope.inner = self
        if self.clock is not None:
            self.clock._begin_test()
        self.watch.arm()

    @property
    def clock(self) -> Any:
        """The virtual clock of the loop, if it has one."""
        return getattr(self._loop, "clock", None)

    @property
    def context(self) -> Context:
        """The context of the test."""
        return self._context

    def _answered_for_around(self, things: list[Any]) -> set[int]:
        """Return which of *things* are not the test's to answer for, although it has made them."""
        around = self._held_around(things)
        loop = self._shared_loop
        # What the test has left on the loop is told of and ended by now.
        watched = find_open(loop) if isinstance(loop, LazyEventLoop) else []
        own = [getattr(loop, name, None) for name in ("_ssock", "_csock")]
        left = [loop, *own, *(found.thing for found in watched)]
        around |= set(map(id, left))
        fds = {key for thing in left for key in fd_of(thing)}
        for thing in things:
            if (
                thing is loop
                or (isinstance(thing, asyncio.Task) and not self._made(thing))
                or (fds and fds.intersection(fd_of(thing)))
            ):
                around.add(id(thing))
        return around

    def cut(self, scope: WideScope) -> None:
        """End the phase that runs, because *scope* around it was cancelled."""
        self.cut_short = why_cut(scope)
        if self._owner is not None and not self._owner.done():
            self._owner.cancel()

    def forget_cut(self) -> None:
        """Let the phases that follow, the teardown, run undisturbed."""
        self._missed = False
        self._forget_own_cancellations()

    def close(self) -> list[BaseException]:
        """End what the test left, and give the loop back."""
        if self.parent is None:
            self.closed = True  # never attached
            return []
        for scope in self.lineage():
            scope.inner = None
        loop = self._loop
        try:
            return super().close()
        finally:
            if (
                loop is not None
                and not loop.is_closed()
                and self._loop_before != _settings_of(loop)
            ):
                _set_again(loop, *self._loop_before)


async def _shut_down(loop: Loop, executor: Any) -> None:
    await loop.run_in_executor(None, executor.shutdown)


def _settings_of(loop: Any) -> tuple[Any, ...]:
    return loop.get_debug(), loop.get_task_factory(), getattr(loop, "slow_callback_duration", None)


def _set_again(loop: Any, debug: bool, task_factory: Any, slow_callback_duration: Any) -> None:
    loop.set_debug(debug)
    loop.set_task_factory(task_factory)
    if slow_callback_duration is not None:
        loop.slow_callback_duration = slow_callback_duration


def why_cut(scope: WideScope) -> str:
    return (
        f"{scope.name} was cancelled by something that it had entered, such as a TaskGroup with a "
        "failed task; the error is reported where that is left"
    )
