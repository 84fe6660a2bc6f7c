"""Scopes that share a loop: a class, module, package or session, and the tests inside of it.

A wide scope is a :class:`~asynctesting._scopes.Scope` like that of a test, with an owner task and a
context of its own, that is used now and again: for its set-up, for its teardown, and between the
two it is parked. A scope inside of it borrows the loop, begins with a copy of its context, and has
an owner task of its own.

Invariants: what a scope enters it leaves in the same task; an inner scope ends and reports what it
left on the loop, and nothing else; what a wide scope holds (a connection in the pool of its client)
belongs to the wide scope, whoever opened it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import unittest
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextvars import Context, ContextVar, copy_context
from typing import Any

from . import _internals
from ._held import held_by
from ._leaks import Collector, Open, find_open
from ._loop import LazyEventLoop, new_event_loop
from ._report import Place
from ._scopes import CANCEL_BUDGET, Loop, Scope, _abandoned, _check_loop, _settled
from ._watchdog import Watch
from .errors import ScopeCancelledError, ScopeError

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
            self._turn(loop, _settled(loop, pending), CANCEL_BUDGET)
            open_here = self._open_here(loop)
        pending = [task for task in tasks if not task.done()]
        timers = [timer for timer in _timers_of(loop) if self._left(timer)]
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
            collector.left += [found.text for found in open_here]
            collector.note_clock(loop)
        for found in open_here:
            found.end()
        if pending:
            self._cancel_tasks(loop, pending, problems)
        for timer in timers:
            # That of a task's sleep went with the task.
            if not timer.cancelled():
                if collector is not None:
                    collector.left.append(_describe_timer(timer))
                timer.cancel()
        if open_here:
            # A transport that was aborted just now frees its socket in the next turn.
            self._turn(loop, asyncio.sleep(0), CANCEL_BUDGET)

    def _made(self, task: asyncio.Task[Any]) -> bool:
        if task in _abandoned or task in self._tasks_before:
            return False
        context = _internals.context_of_task(task)
        mark = None if context is None else context.get(_mark)
        return mark is None or mark is self._mark

    def _left(self, timer: asyncio.TimerHandle) -> bool:
        context = _internals.context_of_handle(timer)
        if context is None or context.get(_mark) is not self._mark:
            return False
        # asyncio's own (the end of a TLS connection, a sleep) do no harm to a later test.
        module = getattr(_internals.callback_of(timer), "__module__", None) or ""
        return not module.startswith(("asyncio", "_asyncio"))

    def _open_here(self, loop: Loop) -> list[Open]:
        if not isinstance(loop, LazyEventLoop) or not loop.watched_files:
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

    #: What a wider scope was cancelled by while this test ran: then the test is not to blame.
    cut_short: str | None = None

    def open(self) -> None:
        """Wait: the scopes around open in the test's set-up, where their failures are counted."""

    def attach(self, parent: WideScope) -> None:
        """Begin inside of *parent*: the limit counts, findings are collected, the loop is current.

        Raises:
            unittest.SkipTest: If something has cancelled *parent*; that is reported at its end.
        """
        for scope in (parent, *parent.lineage()):
            if scope.cancelled is not None:
                raise unittest.SkipTest(_why_cut(scope))
        self._enter_parent(parent)
        limit = self.watch.limit
        self.watch = Watch(self.name, limit, self)
        if self.collector is not None:
            self.collector.begin()
        loop = self._loop = parent.get_loop()
        self._take_loop()
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

    def cut(self, scope: WideScope) -> None:
        """End the phase that runs, because *scope* around it was cancelled."""
        self.cut_short = _why_cut(scope)
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
        return super().close()


class WideScope(NestedScope):
    """The scope of a class, a module, a package or the session.

    Args:
        kind: ``"class"``, ``"module"``, ``"package"`` or ``"session"``.
        name: What it is called in messages and in the result of the run.
        parent: The next wider scope on the same loop; ``None`` for the one that owns the loop.
        limit: Real seconds for each hook, fixture and cleanup; ``None`` for no limit.
        leaks: ``"error"``, ``"warn"`` or ``"off"``.
    """

    #: The test that runs inside at the moment.
    inner: InnerScope | None = None
    #: What something that was entered here has cancelled the scope with.
    cancelled: asyncio.CancelledError | None = None
    #: Whether the set-up of the class was tried, how it failed, and whether asyncTearDownClass() is
    #: due.
    begun = False
    failure: Exception | None = None
    owes_teardown = False
    _calling = False

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        parent: WideScope | None = None,
        factory: Callable[[], Loop] | None = None,
        debug: bool | None = None,
        limit: float | None = None,
        leaks: str = "error",
    ) -> None:
        super().__init__(
            f"{kind} {name}" if name else kind,
            copy_context(),
            factory=factory,
            debug=debug,
            collector=None if leaks == "off" else Collector(),
        )
        self.kind = kind
        self.where = name
        self.leaks = leaks
        self.values: dict[Any, Any] = {}
        self.failures: dict[Any, BaseException] = {}
        self.cleanups: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        self._limit = limit
        self._guests: deque[tuple[Awaitable[Any], asyncio.Future[Any]]] = deque()
        self._adopted: weakref.WeakSet[Any] = weakref.WeakSet()
        self.entered: list[Any] = []
        #: Returns what else belongs to it: the attributes of its class.
        self.look_at: Callable[[], Iterable[object]] = tuple
        self._enter_parent(parent)

    @property
    def in_use(self) -> bool:
        """Whether something of it is running at this moment."""
        return self.depth > 0 or self.inner is not None

    def copy_context(self) -> Context:
        """Return a copy of the context of all phases so far."""
        return self._context.copy()

    def get_loop(self) -> Loop:
        """Return the loop, the parent's or one that is made now."""
        if self._loop is None:
            if self.closed:
                raise RuntimeError(f"{self.name} is over, and so is its event loop")
            if self.parent is not None:
                self._loop = self.parent.get_loop()
            else:
                loop = self._factory() if self._factory is not None else new_event_loop()
                _check_loop(loop, self._factory)
                self._prepare(loop)
                self._loop = loop
        return self._loop

    # Phases -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def activity(self, phase: str) -> Iterator[None]:
        """Be at work: within a limit, collecting findings, with the loop as the current one."""
        before, self.phase = self.phase, phase
        if self.depth:
            try:
                yield
            finally:
                self.phase = before
            return
        if self.closed:
            raise ScopeError(f"{self.name} is over")
        self.watch = watch = Watch(self.name, self._limit, self)
        self._take_loop()
        if self.collector is not None:
            self.collector.begin()
        self.depth += 1
        watch.arm()
        try:
            yield
        finally:
            self.depth -= 1
            self.phase = before
            watch.disarm()
            if not self.closed:
                if self.collector is not None:
                    self.collector.end()
                self._give_loop_back()

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a synchronous *function* in the scope's context.

        Raises:
            ScopeError: From inside of such a call; a context can't be entered twice.
        """
        if self._calling:
            raise ScopeError(
                f"{self.name} is busy with the synchronous fixture or cleanup that asks it to "
                "await something. Make that one async, and await there"
            )
        self._calling = True
        try:
            return super().call(function, *args, **kwargs)
        finally:
            self._calling = False

    def perform(
        self, phase: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        """Call *function* in the scope's context, and await what it returns in the owner task.

        Raises:
            ScopeCancelledError: If the phase was cancelled. unittest lets a ``CancelledError`` of a
                class fixture end the whole run.
        """
        with self.activity(phase):
            try:
                result = self.call(function, *args, **kwargs)
                return self.run(result) if inspect.isawaitable(result) else result
            except asyncio.CancelledError as error:
                if self.cancelled_by_holder:
                    self.cancelled = self.cancelled or error
                raise ScopeCancelledError(f"{self.name} was cancelled in its {phase}") from error

    async def _park(self, loop: Loop) -> None:
        await self._serve_guests()
        await super()._park(loop)
        await self._serve_guests()

    def _on_parked_cancellation(self, error: asyncio.CancelledError) -> None:
        # Whatever was entered here gets it at its exit, and says why; see leave().
        if self.cancelled is None and self.cancelled_by_holder:
            self.cancelled = error
            if self.inner is not None:
                self.inner.cut(self)

    async def _serve_guests(self) -> None:
        while self._guests:
            awaitable, answer = self._guests.popleft()
            try:
                result = await awaitable
            except BaseException as error:
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(result)

    async def host(self, awaitable: Awaitable[Any]) -> Any:
        """Await *awaitable* in the owner task on behalf of another task of the same loop."""
        loop = self.get_loop()
        if asyncio._get_running_loop() is not loop:
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise ScopeError(f"{self.name} lives on another event loop than the one that runs here")
        if self.in_owner_task():
            return await awaitable
        answer = loop.create_future()
        self._guests.append((awaitable, answer))
        self._wake_owner(loop)
        return await answer

    # What is entered, and left in reverse -------------------------------------------------------

    async def enter(self, cm: Any, add_cleanup: Callable[..., Any]) -> Any:
        """Enter the async context manager *cm* in the owner task, to be left there."""
        cls = type(cm)
        try:
            enter, exit = cls.__aenter__, cls.__aexit__
        except AttributeError:
            raise TypeError(
                f"'{cls.__module__}.{cls.__qualname__}' object does not support the asynchronous "
                "context manager protocol"
            ) from None
        result = await self.host(enter(cm))
        self.entered.append(cm)
        add_cleanup(self.leave, functools.partial(exit, cm))
        return result

    async def leave(self, exit: Callable[..., Any]) -> None:
        """Call *exit* with what has cancelled the scope, if anything has."""
        cancelled = self.cancelled
        details: tuple[Any, ...] = (None, None, None)
        if cancelled is not None:
            details = (type(cancelled), cancelled, cancelled.__traceback__)
        try:
            result = exit(*details)
            if inspect.isawaitable(result):
                await result
        except asyncio.CancelledError:
            if cancelled is None:
                raise
            # Not this one's business: the next outer one gets it.
        except BaseException:
            self.cancelled = None  # it has said what happened
            raise

    def run_cleanups(self) -> list[BaseException]:
        """Run the cleanups, the last one first, and return what failed."""
        problems: list[BaseException] = []
        while self.cleanups:
            function, args, kwargs = self.cleanups.pop()
            try:
                self.perform("cleanup", function, *args, **kwargs)
            except BaseException as error:  # Ctrl-C, too: the others still run
                problems.append(error)
        return problems

    def finish(self) -> list[BaseException]:
        """Clean up, end and audit; return what was wrong."""
        if self.closed:
            return []
        with self.activity("cleanup"):
            problems = self.run_cleanups()
            if self.cancelled is not None:
                problems.append(_unexplained(self))
            problems += self.close()
        collector = self.collector
        if collector is not None and collector.has_findings:
            if problems:
                collector.log(self.name)
            elif self.leaks == "warn":
                collector.warn(self.name)
            else:
                problems.append(collector.verdict(self.name))
        return problems

    def close(self) -> list[BaseException]:
        """End the owner and what was left; the one that owns the loop closes it."""
        self._loop = self._loop or (self.parent.get_loop() if self.parent else None)
        problems = super().close()
        self.values.clear()
        self.failures.clear()
        self.entered.clear()
        return problems

    # What belongs to it -------------------------------------------------------------------------

    def holdings(self) -> Iterable[object]:
        """Return what it has made: where the search for the owner of a thing begins."""
        return [self.values, self.entered, self.cleanups, *self.look_at()]

    def adopt(self, things: Iterable[object]) -> None:
        """Answer for *things* that a test made and that are held here."""
        for thing in things:
            with contextlib.suppress(TypeError):
                self._adopted.add(thing)

    def _made(self, task: asyncio.Task[Any]) -> bool:
        return task in self._adopted or super()._made(task)

    def _opened(self, found: Open) -> bool:
        return found.thing in self._adopted or super()._opened(found)


def _why_cut(scope: WideScope) -> str:
    return (
        f"{scope.name} was cancelled by something that it had entered, such as a TaskGroup with a "
        "failed task; the error is reported where that is left"
    )


def _unexplained(scope: WideScope) -> ScopeCancelledError:
    error = ScopeCancelledError(
        f"{scope.name} was cancelled between two tests, and nothing that it had entered has "
        "said why"
    )
    error.__cause__ = scope.cancelled
    scope.cancelled = None
    return error


def _timers_of(loop: Loop) -> list[asyncio.TimerHandle]:
    clock = getattr(loop, "clock", None)
    return _internals.timers_of(loop) if clock is None else clock._pending_timers()


def _describe_timer(timer: asyncio.TimerHandle) -> str:
    callback = _internals.callback_of(timer)
    while isinstance(callback, functools.partial):
        callback = callback.func
    name = getattr(callback, "__qualname__", repr(callback))
    code = getattr(callback, "__code__", None)
    place = f" at  {Place(code.co_filename, code.co_firstlineno, name)}" if code else ""
    return f"timer would still call {name}(){place}"
