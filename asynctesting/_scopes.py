"""A scope: one loop, one task and one context, in which the phases of a test run.

The loop is made at its first use and wound down at the end: what is left on it is found, told and
ended, within the limit. What happens in between is that of :mod:`asynctesting._phases`.

Invariant: whatever happens, :meth:`Scope.close` leaves the loop closed and the thread's current
loop as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from . import _internals
from ._audit.loop import (
    find_open,
    generator_findings,
    job_findings,
    reader_findings,
    signal_findings,
    timer_finding,
    timers_of,
)
from ._audit.things import SESSION, is_of_aiohttp
from ._executor import DaemonExecutor
from ._leaks import Collector
from ._loop import LazyEventLoop, lazy_loop_works
from ._loop_makers import maker_here
from ._phases import Loop, Phases, abandon, abandoned
from ._report import describe_tasks, indent
from ._watchdog import Interruption, Watch
from .errors import TimeLimitError

__unittest = True

#: How many turns of the loop a task that is about to end gets before it counts as left behind.
GRACE_TURNS = 20
#: How many real seconds tasks that were cancelled at the end get, within the test's limit.
CANCEL_BUDGET = 5.0
#: How many real seconds an executor job that is about to end gets before it counts as left behind.
JOB_GRACE = 0.1


class Scope(Phases):
    """Runs phases in one task on one loop; stands where the stock case has its ``Runner``.

    Args:
        name: The name of the owner task, and of the test in messages.
        context: The context of every phase.
        factory: Makes the loop; ``None`` for ours, which is made at its first use.
        debug: Debug mode of the loop; ``None`` follows the interpreter.
        limit: Real seconds for everything, or ``None``.
        collector: Takes findings, or ``None`` where nobody wants them.
        close_loop: Closes the loop where somebody else than the scope owns it.
    """

    closed = False
    _current: _internals.CurrentLoop | None = None
    _executor: DaemonExecutor | None = None

    def __init__(
        self,
        name: str,
        context: Context,
        *,
        factory: Callable[[], Loop] | None = None,
        debug: bool | None = None,
        limit: float | None = None,
        collector: Collector | None = None,
        close_loop: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.watch = Watch(name, limit, self)
        self.collector = collector
        self._context = context
        # In a region of virtual time, its loops.
        self._factory = factory or maker_here()
        self._debug = debug
        self._close_with = close_loop

    def __repr__(self) -> str:
        state = "closed" if self.closed else self.phase
        return f"<Scope {self.name!r} {state} loop={self._loop!r}>"

    # Opening ------------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin: the limit counts, findings are collected, a loop is current."""
        if self.collector is not None:
            self.collector.begin()
        if self._factory is None and lazy_loop_works():
            self._loop = LazyEventLoop.unborn(self._prepare)
            self._current = self._make_current(self._loop, keep_policy=True)
        self.watch.arm()

    def get_loop(self) -> Loop:
        """Return the loop, made now if it was not needed before.

        Raises:
            RuntimeError: If the scope is closed.
            TypeError: If the loop factory returns something else than a usable loop.
        """
        if self._loop is None:
            if self.closed:
                raise RuntimeError(f"{self.name} is over, and so is its event loop")
            loop = self._factory() if self._factory is not None else asyncio.new_event_loop()
            check_loop(loop, self._factory)
            self._loop = loop
            self._current = self._make_current(loop, keep_policy=self._factory is None)
            self._prepare(loop)
        return self._loop

    def _make_current(self, loop: Loop, *, keep_policy: bool) -> _internals.CurrentLoop | None:
        return _internals.CurrentLoop(loop, keep_policy=keep_policy)

    def _prepare(self, loop: Loop) -> None:
        if self._debug is not None:
            loop.set_debug(self._debug)
        loop.set_exception_handler(self._on_loop_exception)
        if isinstance(loop, LazyEventLoop):
            loop.guard = self
        if not isinstance(loop, LazyEventLoop):
            # Ours makes one at need; another loop gets one whose jobs can be left behind.
            self._executor = DaemonExecutor()
            loop.set_default_executor(self._executor)

    def _on_loop_exception(self, loop: Loop, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), Interruption):
            self._expire()
        elif self.collector is None or not self.collector.is_open:
            loop.default_exception_handler(context)
        else:
            self.collector.on_loop_exception(loop, context)

    # Closing ------------------------------------------------------------------------------------

    def close(self) -> list[BaseException]:
        """End the owner, wind the loop down, close it; return what was wrong.

        A second call does nothing. The limit covers it: a task that swallows its cancellation, or
        an executor job that never ends, is named and left behind.
        """
        if self.closed:
            return []
        self.phase = "closing"
        problems: list[BaseException] = []
        loop = self._loop
        try:
            if loop is not None and _is_born(loop) and not loop.is_closed():
                self._wind_down(loop, problems)
        except BaseException as error:
            problems.append(error)
        finally:
            self.closed = True
            self._close_loop(loop, problems)
            loop = None  # gone before the audit looks at what is left
            self.watch.disarm()
            if self.collector is not None:
                self.collector.end()
        return problems

    def _close_loop(self, loop: Loop | None, problems: list[BaseException]) -> None:
        self._owner = self._parking = self._job = None
        try:
            if self._close_with is not None:
                self._close_with()
            elif loop is not None and _is_born(loop):
                loop.close()
        except Exception as error:
            problems.append(error)
        finally:
            if self._current is not None:
                self._current.restore()
                self._current = None
            self._loop = None

    def _end_owner(self, loop: Loop) -> None:
        owner = self._owner
        self._ended = True
        # The collector may have closed the coroutine of one that nobody has closed.
        if owner is not None and not owner.done() and _internals.is_alive(owner):
            self._done = self._given_up = False
            self._wake_owner(loop)
            loop.run_forever()
        # A task that is done and that nobody holds is gone afterwards, the owner included.
        self._owner = None

    def _wind_down(self, loop: Loop, problems: list[BaseException]) -> None:
        self._end_owner(loop)
        tasks = _internals.tasks_of(loop)
        if isinstance(loop, LazyEventLoop) and not tasks and loop.is_clean:
            return
        pending = [task for task in tasks if not task.done() and task not in abandoned]
        pending = self._audit(loop, tasks, pending)
        if pending:
            self._cancel_tasks(loop, pending, problems)
        if getattr(loop, "has_asyncgens", True):
            self._turn(loop, loop.shutdown_asyncgens(), CANCEL_BUDGET)
        self._end_executor(loop, problems)
        if getattr(loop, "has_callbacks", False):
            # A transport that was closed or aborted just now frees its socket in the next turn.
            self._turn(loop, settled(loop, []), CANCEL_BUDGET)

    def _audit(
        self,
        loop: Loop,
        tasks: list[asyncio.Task[Any]],
        pending: list[asyncio.Task[Any]],
    ) -> list[asyncio.Task[Any]]:
        collector = self.collector
        if collector is None:
            return pending
        has_open = isinstance(loop, LazyEventLoop) and loop.has_open
        if pending or has_open or getattr(loop, "has_callbacks", False):
            self._turn(loop, settled(loop, pending), CANCEL_BUDGET)
            pending = [task for task in pending if not task.done()]
        if pending:
            collector.note_pending(pending)
        lost = [task for task in tasks if _internals.is_unretrieved(task)]
        # What the watchdog has raised in another task is told by the limit's own error.
        collector.note_unretrieved(
            t for t in lost if not isinstance(_internals.mark_retrieved(t), Interruption)
        )
        if isinstance(loop, LazyEventLoop) and has_open:
            for found in find_open(loop):
                collector.add(found.finding, *found.keys)
                found.end()
        elif not isinstance(loop, LazyEventLoop):
            for finding in reader_findings(loop):
                collector.add(finding)
            collector.note_hidden(loop)
        for timer in timers_of(loop):
            keys = (SESSION,) if is_of_aiohttp(_internals.callback_of(timer)) else ()
            collector.add(timer_finding(timer), *keys)
        for finding in (*generator_findings(loop), *signal_findings(loop)):
            collector.add(finding)
        collector.note_clock(loop)
        return pending

    def _cancel_tasks(
        self, loop: Loop, pending: list[asyncio.Task[Any]], problems: list[BaseException]
    ) -> None:
        circular = []
        for task in pending:
            try:
                task.cancel()
            except RecursionError:  # tasks that await each other hand it on without end
                circular.append(task)
        ending = [task for task in pending if task not in circular]
        if ending and not self._turn(loop, _all_done(ending), CANCEL_BUDGET):
            stubborn = [task for task in ending if not task.done()]
            problems.append(self._describe_stubborn(stubborn))
        if circular and not self._circle_told:
            problems.append(self._describe_stubborn(circular))
        for task in pending:
            if not task.done():
                abandon(task)
        for task in pending:
            if task.done() and not task.cancelled() and task.exception() is not None:
                loop.call_exception_handler(
                    {
                        "message": "unhandled exception while the test's loop was closed",
                        "exception": task.exception(),
                        "task": task,
                    }
                )

    def _describe_stubborn(self, tasks: list[asyncio.Task[Any]]) -> TimeLimitError:
        waiting = describe_tasks(tasks)
        return TimeLimitError(
            f"{self.name} left tasks behind that swallow their cancellation:\n\n"
            f"{indent(waiting)}\n\n"
            "They were cancelled when the test's loop was closed, went on waiting, and were "
            "abandoned.\nRe-raise CancelledError in them, or end them in the teardown.",
            limit=self.watch.limit,
            phase="closing",
            waiting=waiting,
        )

    def _end_executor(self, loop: Loop, problems: list[BaseException]) -> None:
        executor = getattr(loop, "_default_executor", None) or self._executor
        if executor is None:
            return
        if not isinstance(executor, DaemonExecutor):
            if not self._turn(loop, loop.shutdown_default_executor(), None):
                problems.append(
                    self._describe_jobs(["a job of the test's own executor"], own=False)
                )
            return
        executor.shutdown(wait=False)
        if executor.is_idle():
            return
        undone = list(job_findings(executor)) if self.collector is not None else []
        since = Watch._now()
        is_idle = self._turn(loop, _idle(loop, executor), None) or executor.is_idle()
        if self.collector is not None and Watch._now() - since > JOB_GRACE:
            for finding in undone:
                self.collector.add(finding)
        if not is_idle:
            jobs = [
                f"{name} at  {place}" if place else name for name, place in executor.running_jobs()
            ]
            problems.append(self._describe_jobs(jobs, own=True))
            executor.leave_behind()

    def _describe_jobs(self, jobs: list[str], *, own: bool) -> TimeLimitError:
        fate = "Their threads are daemons and were left behind."
        if not own:
            fate = "The process will wait for its threads at exit."
        return TimeLimitError(
            f"{self.name} left executor jobs behind that do not end:\n\n{indent(jobs)}\n\n"
            f"The loop was closed without them. {fate}\n"
            "Have such a job watch a threading.Event that the teardown sets.",
            limit=self.watch.limit,
            phase="closing",
            waiting=jobs,
        )

    def _turn(self, loop: Loop, work: Coroutine[Any, Any, Any], budget: float | None) -> bool:
        """Run *work* to its end, or until the limit or *budget* runs out; tell which."""
        self._winding_down = self._running = True
        self._given_up = False
        if budget is not None:
            self.watch.shorten(budget)
        task = asyncio.Task(work, loop=loop, context=self._context)  # as for the owner
        task.add_done_callback(lambda _: loop.stop())
        try:
            self.watch.interruptible = True
            while not (task.done() or self._given_up):
                try:
                    loop.run_forever()
                except Interruption:
                    self.watch.interruptible = False
                    self._expire()
                    self.watch.interruptible = True
        finally:
            self.watch.interruptible = False
            self._winding_down = self._running = False
            if budget is not None:
                self.watch.lengthen()
        if task.done():
            task.result()
            return True
        task.cancel()
        abandon(task)
        return False


# Small pieces ----------------------------------------------------------------------------------


def check_loop(loop: object, factory: object) -> None:
    if not isinstance(loop, asyncio.AbstractEventLoop):
        raise TypeError(
            f"loop_factory must return an event loop; {factory!r} returned {loop!r}. Give a class "
            "or a function without arguments, such as asyncio.SelectorEventLoop or "
            "uvloop.new_event_loop"
        )
    if loop.is_closed() or loop.is_running():
        state = "closed" if loop.is_closed() else "already running"
        raise TypeError(
            f"loop_factory must return a fresh event loop; {factory!r} returned one that is {state}"
        )


def _is_born(loop: Loop) -> bool:
    return not isinstance(loop, LazyEventLoop) or loop.is_born


async def settled(loop: Loop, tasks: list[asyncio.Task[Any]]) -> None:
    """Give *tasks* and closing transports their turns to end, and no longer than they need."""
    for _ in range(GRACE_TURNS):
        await asyncio.sleep(0)
        busy = getattr(loop, "has_open", False) or getattr(loop, "has_callbacks", False)
        if not busy and all(task.done() for task in tasks):
            break


async def _all_done(tasks: list[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks)


async def _idle(loop: Loop, executor: DaemonExecutor) -> None:
    idle = loop.create_future()

    def tell() -> None:
        if not idle.done():
            idle.set_result(None)

    def tell_from_thread() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell)

    executor.when_idle(tell_from_thread)
    await idle
