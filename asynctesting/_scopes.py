"""A scope: one loop, one task and one context, in which the phases of a test run.

The phases of a unittest test (set-up, test, teardown, each cleanup) are separate synchronous calls
by ``TestCase.run()``. Here they are steps of **one task**, the owner: between two phases it is
parked on a future while the loop stands still, and the next phase wakes it. So whatever a phase
enters (a ``TaskGroup``, an ``asyncio.timeout``, a cancel scope) governs the next ones and is left
in the task that entered it.

Invariants: a phase's exception is handed over beside the loop, never through it, so tracebacks
hold no plumbing and ``KeyboardInterrupt`` finds the owner in order; a cancellation that reaches the
owner while it is parked is delivered to the next phase; whatever happens, :meth:`Scope.close`
leaves the loop closed and the thread's current loop as it was.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from types import TracebackType
from typing import Any

from . import _internals
from ._executor import DaemonExecutor
from ._leaks import Collector, open_transports
from ._loop import LazyEventLoop, lazy_loop_works
from ._report import describe_tasks, indent, seconds
from ._watchdog import Interruption, State, Watch
from .errors import TimeLimitError

__unittest = True

Loop = asyncio.AbstractEventLoop

#: How many turns of the loop a task that is about to end gets before it counts as left behind.
GRACE_TURNS = 20
#: How many real seconds tasks that were cancelled at the end get, within the test's limit.
CANCEL_BUDGET = 5.0
# What anyio, too, knows its own cancellations by (is_anyio_cancellation() in its asyncio backend).
_BY_ANYIO = "Cancelled via cancel scope "
# How often the owner is asked to end after something broke the loop itself.
_ESCAPES = 3


class Scope:
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

    # What most scopes never change stands on the class: a scope is made for every test.
    phase = "set-up"
    depth = 0
    closed = False
    limit_advice = (
        "It was interrupted there; what is left of teardown and cleanups still runs.\n"
        "Give it longer with @asynctesting.timeout(seconds), the class attribute timeout or\n"
        "ASYNCTESTING_TIMEOUT; None switches the limit off."
    )
    _loop: Loop | None = None
    _current: _internals.CurrentLoop | None = None
    _executor: DaemonExecutor | None = None
    _owner: asyncio.Task[None] | None = None
    _parking: asyncio.Future[None] | None = None
    _job: Awaitable[Any] | None = None
    _keep: Callable[[], bool] | None = None
    _result: Any = None
    _error: BaseException | None = None
    _limit_error: TimeLimitError | None = None
    _stuck_error: Exception | None = None
    # The phase is over; the scope is; a cancellation arrived between two phases; the owner or the
    # winding-down was left behind; the loop turns for us; it turns for the last time.
    _done = _ended = _missed = _given_up = _running = _winding_down = False

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
        self._factory = factory
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
            _check_loop(loop, self._factory)
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
        elif self.closed or self.collector is None:
            loop.default_exception_handler(context)
        else:
            self.collector.on_loop_exception(loop, context)

    # Phases -------------------------------------------------------------------------------------

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a synchronous *function* in the scope's context, outside of the loop.

        Raises:
            TimeLimitError: If the limit ran out inside.
        """
        watch = self.watch
        try:
            watch.interruptible = True
            result = self._context.run(function, *args, **kwargs)
        except Interruption as interruption:
            watch.interruptible = False
            watch.answered()
            raise self._describe_limit().with_traceback(_without_ours(interruption)) from None
        finally:
            watch.interruptible = False
        if (
            watch.state is not State.WATCHING and watch.answered()
        ):  # the function swallowed the interruption
            raise self._describe_limit()
        return result

    def run(
        self,
        awaitable: Awaitable[Any],
        *,
        context: Context | None = None,
        keep: Callable[[], bool] | None = None,
    ) -> Any:
        """Await *awaitable* in the owner task and return its result.

        Args:
            awaitable: Anything that can be awaited.
            context: Another context than the scope's; then a task of its own runs it.
            keep: Asked after the phase whether there may be another; if not, the owner ends with
                this phase and need not be woken for that.

        Raises:
            RuntimeError: Inside of a running loop.
            TimeLimitError: If the limit ran out.
        """
        if asyncio._get_running_loop() is not None:
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise RuntimeError(
                f"{self.name} can't run inside of a running event loop: it has a loop of its own. "
                "Run the test from synchronous code"
            )
        loop = self.get_loop()
        if loop.is_closed():
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise RuntimeError(
                f"the event loop of {self.name} was closed before the test was over. The loop is "
                "not the test's to close: it is closed after the cleanups"
            )
        if context is not None and context is not self._context:
            awaitable = loop.create_task(_awaiting(awaitable), context=context)
        self._job = awaitable
        self._keep = keep
        self._done = self._given_up = False
        self._wake_owner(loop)
        escaped = self._drive(loop)
        return self._conclude(escaped)

    def _wake_owner(self, loop: Loop) -> None:
        if self._owner is None or self._owner.done():
            # Not loop.create_task(): the owner is ours, whatever task factory the test may set.
            self._owner = asyncio.Task(
                self._live(loop), loop=loop, name=self.name, context=self._context
            )
        elif self._parking is not None and not self._parking.done():
            self._parking.set_result(None)

    async def _live(self, loop: Loop) -> None:
        """Be the owner: run one phase after the other until the scope ends."""
        while True:
            job, self._job = self._job, None
            if job is None:
                if self._ended:
                    loop.stop()
                    return
                await self._park(loop)
                continue
            if self._missed:
                self._deliver_missed_cancellation()
            try:
                self._result = await job
            except GeneratorExit:
                raise
            except BaseException as error:
                self._error = _from_user_code(error)
            job = None
            self._done = True
            loop.stop()
            if self._keep is not None and not self._keep():
                return

    async def _park(self, loop: Loop) -> None:
        self._parking = loop.create_future()
        try:
            await self._parking
        except asyncio.CancelledError as error:
            self._on_parked_cancellation(error)

    def _on_parked_cancellation(self, error: asyncio.CancelledError) -> None:
        # A request that was already taken back leaves the task's count at zero. anyio asks
        # again by itself at each turn, less where it is shielded, so we must not.
        self._missed = bool(_cancelling(self._owner)) and not str(error).startswith(_BY_ANYIO)

    def _deliver_missed_cancellation(self) -> None:
        # The count of requests stays as it was; the next await raises.
        self._missed = False
        if self._owner is not None:
            self._owner.uncancel()
            self._owner.cancel()

    def _drive(self, loop: Loop) -> BaseException | None:
        """Let the loop turn until the phase is over; return what broke it, if anything did."""
        watch = self.watch
        first: BaseException | None = None
        escapes = 0
        self._running = True
        try:
            watch.interruptible = True
            while not self._is_over():
                try:
                    loop.run_forever()
                    if self._is_over():
                        break
                    escaped: BaseException = RuntimeError(
                        "the event loop was stopped before the phase was over: something called "
                        "loop.stop()"
                    )
                except BaseException as error:
                    escaped = error
                if isinstance(escaped, Interruption):
                    # Not again while we deal with this one.
                    watch.interruptible = False
                    self._expire()
                    watch.interruptible = True
                    continue
                # KeyboardInterrupt, an exit in another task, or an error of the loop itself: the
                # owner is cancelled, so that its finally blocks run, and then the error goes on.
                if first is None:
                    first = escaped
                    self._note_where(escaped)
                escapes += 1
                if escapes > _ESCAPES or self._owner is None:
                    break
                self._owner.cancel()
        finally:
            watch.interruptible = False
            self._running = False
        if first is not None and not self._done:
            self._abandon_owner()
        return first

    def _note_where(self, escaped: BaseException) -> None:
        waiting = self._describe_waiting()
        if waiting:
            escaped.add_note(f"{self.name} was interrupted:\n{indent(waiting)}")

    def _is_over(self) -> bool:
        return self._done or self._given_up

    def _conclude(self, escaped: BaseException | None) -> Any:
        result, self._result = self._result, None
        error, self._error = self._error, None
        self._keep = None
        limit_error: Exception | None = self._limit_error or self._stuck_error
        self._limit_error = self._stuck_error = None
        if limit_error is None and self.watch.state is not State.WATCHING and self.watch.answered():
            limit_error = self._describe_limit()
        try:
            if limit_error is not None:
                self._forget_own_cancellations()
                if isinstance(error, (asyncio.CancelledError, Interruption)):
                    raise limit_error.with_traceback(_without_ours(error)) from None
                raise limit_error from error
            if escaped is not None:
                self._forget_own_cancellations()
                raise escaped
            if error is not None:
                raise error
        finally:
            # An exception that refers to this frame and back would wait for the collector.
            del error, escaped, limit_error
        return result

    def _forget_own_cancellations(self) -> None:
        while _cancelling(self._owner):
            self._owner.uncancel()  # type: ignore[union-attr]

    @property
    def has_loop(self) -> bool:
        """Whether a loop is there, be it one that waits for its first use."""
        return self._loop is not None

    def in_owner_task(self) -> bool:
        """Tell whether the caller runs in the task of the phases."""
        running = asyncio._get_running_loop()
        return running is not None and asyncio.current_task(running) is self._owner

    @property
    def cancelled_by_holder(self) -> bool:
        """Whether something entered in an earlier phase has asked the owner to stop."""
        return bool(_cancelling(self._owner))

    # The limit ----------------------------------------------------------------------------------

    def ask_for_report(self) -> bool:
        """Have the loop tell where it waits; called by the watchdog's thread."""
        loop = self._loop
        if not self._running or loop is None:
            return False
        try:
            loop.call_soon_threadsafe(self._expire)
        except RuntimeError:  # closed in the meantime
            return False
        return True

    def running_task(self) -> str | None:
        """Name the task whose step is being executed; called by the watchdog's thread."""
        if not self._running or self._loop is None:
            return None
        task = asyncio.current_task(self._loop)
        return None if task is None else task.get_name()

    def _expire(self) -> None:
        """Cancel the phase whose limit ran out; the second time, give it up."""
        if self._done and not self._winding_down:
            return  # the phase ended while the question was under way; _conclude() will say it
        if not self.watch.answered():
            return
        loop, owner = self._loop, self._owner
        if loop is None:
            return
        if self._winding_down:
            self._given_up = True
            loop.stop()
        elif owner is None:
            return
        elif self._limit_error is None:
            self._limit_error = self._describe_limit()
            owner.cancel()
        else:
            self._give_up_owner(loop)

    @property
    def main_task(self) -> asyncio.Task[None] | None:
        """The task of the phases."""
        return self._owner

    @property
    def due_at(self) -> float:
        """When the limit runs out; a debugger moves that."""
        return self.watch.due

    @property
    def limit(self) -> float | None:
        """The limit, in real seconds."""
        return self.watch.limit

    def on_stuck(self, error: Exception) -> None:
        """Cancel the phase that can't get anywhere, for the loop that has found that out.

        Where that has no effect, the second call gives the phase up.
        """
        loop, owner = self._loop, self._owner
        if isinstance(error, TimeLimitError):
            error.limit, error.phase = self.limit, self.phase
        if loop is not None and self._winding_down:
            self._given_up = True
            loop.stop()
        elif self._stuck_error is None and owner is not None and not self._done:
            self._stuck_error = error
            owner.cancel()
        else:
            self._abandon_owner()
            self._given_up = True
            if loop is not None:
                loop.stop()

    def _give_up_owner(self, loop: Loop) -> None:
        error = self._limit_error
        if error is not None:
            waiting = describe_tasks([self._owner] if self._owner else [])
            self._limit_error = TimeLimitError(
                f"{error}\n\nIt was cancelled there and did not end within "
                f"{seconds(self.watch.granted)}: it swallows its cancellation, and was left "
                f"behind:\n\n{indent(waiting)}",
                limit=error.limit,
                phase=error.phase,
                waiting=error.waiting,
            )
        self._abandon_owner()
        self._given_up = True
        loop.stop()

    def _abandon_owner(self) -> None:
        if self._owner is not None:
            _abandon(self._owner)
            self._owner = self._parking = None

    def _describe_limit(self) -> TimeLimitError:
        limit = self.watch.limit
        first = self.watch.expired <= 1
        blocked, self.watch.blocked = self.watch.blocked, None
        waiting = self._describe_waiting()
        if blocked is not None:
            task, stack = blocked
            waiting = [str(place) for place in stack] or ["(no line of your code)"]
            who = (
                f"synchronous code in task {task!r} blocked the loop"
                if task
                else ("synchronous code blocked it")
            )
            verdict = f"{who} in the {self.phase} phase:"
        else:
            verdict = f"it was waiting in the {self.phase} phase:"
        head = (
            f"{self.name} took longer than its limit of {seconds(limit or 0)}"
            if first
            else f"{self.name} took longer than the time that was left after its limit"
        )
        return TimeLimitError(
            f"{head}; {verdict}\n\n{indent(waiting)}\n\n{self.limit_advice}",
            limit=limit,
            phase=self.phase,
            waiting=waiting,
        )

    def _describe_waiting(self) -> list[str]:
        if self._loop is None or not self._running:
            return []
        owner = self._owner
        tasks = [task for task in _internals.tasks_of(self._loop) if not task.done()]
        others = sorted((task for task in tasks if task is not owner), key=asyncio.Task.get_name)
        return describe_tasks([owner, *others] if owner else others)

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
        if owner is not None and not owner.done():
            self._done = self._given_up = False
            self._wake_owner(loop)
            loop.run_forever()
        # A task that is done and that nobody holds is gone afterwards, the owner included.
        self._owner = None

    def _wind_down(self, loop: Loop, problems: list[BaseException]) -> None:
        self._end_owner(loop)
        tasks = _internals.tasks_of(loop)
        if (
            tasks
            or getattr(loop, "has_callbacks", False)
            or getattr(loop, "watched_files", None)
            or getattr(loop, "clock_error", None)
        ):
            pending = [task for task in tasks if not task.done() and task not in _abandoned]
            pending = self._audit(loop, tasks, pending)
            if pending:
                self._cancel_tasks(loop, pending, problems)
        if getattr(loop, "has_asyncgens", True):
            self._turn(loop, loop.shutdown_asyncgens(), CANCEL_BUDGET)
        self._end_executor(loop, problems)
        if getattr(loop, "has_callbacks", False):
            # A transport that was closed or aborted just now frees its socket in the next turn.
            self._turn(loop, _settled(loop, []), CANCEL_BUDGET)

    def _audit(
        self,
        loop: Loop,
        tasks: list[asyncio.Task[Any]],
        pending: list[asyncio.Task[Any]],
    ) -> list[asyncio.Task[Any]]:
        collector = self.collector
        if collector is None:
            return pending
        watched = isinstance(loop, LazyEventLoop) and loop.watched_files
        if pending or watched or getattr(loop, "has_callbacks", False):
            self._turn(loop, _settled(loop, pending), CANCEL_BUDGET)
            pending = [task for task in pending if not task.done()]
        if pending:
            collector.note_pending(pending)
        lost = [task for task in tasks if _internals.is_unretrieved(task)]
        # What the watchdog has raised in another task is told by the limit's own error.
        collector.note_unretrieved(
            t for t in lost if not isinstance(_internals.mark_retrieved(t), Interruption)
        )
        if isinstance(loop, LazyEventLoop) and watched:
            for text, end in open_transports(loop):
                collector.left.append(text)
                end()
        collector.note_clock(loop)
        return pending

    def _cancel_tasks(
        self, loop: Loop, pending: list[asyncio.Task[Any]], problems: list[BaseException]
    ) -> None:
        for task in pending:
            task.cancel()
        if not self._turn(loop, _all_done(pending), CANCEL_BUDGET):
            stubborn = [task for task in pending if not task.done()]
            problems.append(self._describe_stubborn(stubborn))
            for task in stubborn:
                _abandon(task)
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
        if not self._turn(loop, _idle(loop, executor), None):
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
        _abandon(task)
        return False


# Small pieces ----------------------------------------------------------------------------------


def _check_loop(loop: object, factory: object) -> None:
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


def _cancelling(task: asyncio.Task[Any] | None) -> int:
    return 0 if task is None or task.done() else task.cancelling()


async def _awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def _settled(loop: Loop, tasks: list[asyncio.Task[Any]]) -> None:
    """Give *tasks* and closing transports their turns to end, and no longer than they need."""
    for _ in range(GRACE_TURNS):
        await asyncio.sleep(0)
        busy = getattr(loop, "watched_files", None) or getattr(loop, "has_callbacks", False)
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


# A task that swallowed its cancellation may swallow the end of its coroutine as well.
_abandoned: list[asyncio.Task[Any]] = []


def _abandon(task: asyncio.Task[Any]) -> None:
    _internals.silence_pending(task)
    _internals.keep_for_ever(task)
    _abandoned.append(task)


def _from_user_code(error: BaseException) -> BaseException:
    """Drop the owner's own frame from the front of a traceback, and ours from its end.

    unittest cuts its frames from the end only where the exception is exactly ``AssertionError``;
    a subclass keeps them (the ``is`` test in ``unittest/result.py``).
    """
    traceback = error.__traceback__
    if traceback is not None and traceback.tb_next is not None:
        error.__traceback__ = traceback.tb_next
    if isinstance(error, AssertionError):
        _cut_tail(error.__traceback__)
    return error


def _without_ours(error: BaseException) -> TracebackType | None:
    _cut_tail(error.__traceback__)
    return error.__traceback__


def _cut_tail(traceback: TracebackType | None) -> None:
    """Cut the trailing frames of modules that say ``__unittest``, if any other frame is left."""
    last_user = None
    while traceback is not None:
        if "__unittest" not in traceback.tb_frame.f_globals:
            last_user = traceback
        traceback = traceback.tb_next
    if last_user is not None:
        last_user.tb_next = None
