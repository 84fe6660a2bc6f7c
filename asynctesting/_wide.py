"""The scope of a class, a module, a package or the session.

Like that of a test it has an owner task and a context of its own, which are used now and again: for
its set-up, for its teardown, and for what a test asks it to enter. Between these it is parked.

Invariants: what it enters it leaves in the same task, in reverse, whatever happened in between;
what has cancelled it is told once, by the one that was entered and did it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import unittest
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextvars import Context, copy_context
from typing import Any

from ._audit.loop import Open
from ._cancellers import OwnerTask, describe, is_held
from ._kinds import DEFAULT, Policy
from ._leaks import Collector
from ._loop import new_event_loop
from ._nested import InnerScope, NestedScope, why_cut
from ._phases import Loop
from ._returned import refuse_left_over
from ._scopes import check_loop
from ._settings import UNSET, Unset
from ._watchdog import Watch
from .errors import ScopeCancelledError, ScopeError, TimeLimitError

__unittest = True


_ADVICE = (
    "It was interrupted there; what is left of teardown and cleanups still runs.\n"
    "Give a fixture longer with @async_fixture(timeout=seconds), and everything in the class by\n"
    "its attribute timeout or ASYNCTESTING_TIMEOUT; None switches the limit off."
)
_ADVICE_FOR_ALL = (
    "It was interrupted there; what is left of teardown and cleanups still runs.\n"
    "Give a fixture longer with @async_fixture(timeout=seconds), and everything by\n"
    "ASYNCTESTING_TIMEOUT; None switches the limit off. The timeout of a class holds for what is\n"
    "its own, and this may be another's."
)


class WideScope(NestedScope):
    """The scope of a class, a module, a package or the session.

    Args:
        kind: ``"class"``, ``"module"``, ``"package"`` or ``"session"``.
        name: What it is called in messages and in the result of the run.
        parent: The next wider scope on the same loop; ``None`` for the one that owns the loop.
        limit: Real seconds for each hook, fixture and cleanup; ``None`` for no limit.
        policy: What each kind of leak means here.
    """

    #: The test that runs inside at the moment.
    inner: InnerScope | None = None
    #: What something that was entered here has cancelled the scope with, until it is left.
    cancelled: asyncio.CancelledError | None = None
    #: The same of what was left and has not said why.
    unexplained: ScopeCancelledError | None = None
    owner_type = OwnerTask
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
        policy: Policy = DEFAULT,
    ) -> None:
        super().__init__(
            f"{kind} {name}" if name else kind,
            copy_context(),
            factory=factory,
            debug=debug,
            collector=None if policy.is_off else Collector(policy),
        )
        self.kind = kind
        self.where = name
        self.values: dict[Any, Any] = {}
        self.failures: dict[Any, BaseException] = {}
        self.cleanups: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        self._limit = limit
        self.limit_advice = _ADVICE if kind == "class" else _ADVICE_FOR_ALL
        self._guests: deque[tuple[Awaitable[Any], asyncio.Future[Any]]] = deque()
        self._adopted: weakref.WeakSet[Any] = weakref.WeakSet()
        self.entered: list[Any] = []
        #: Returns what else belongs to it: the attributes of its class.
        self.look_at: Callable[[], Iterable[object]] = tuple
        self._enter_parent(parent)

    def skip_if_cancelled(self) -> None:
        """Refuse to be built upon, where something has cancelled this scope or one around it.

        Raises:
            unittest.SkipTest: It is no failure; that is reported once, at the scope's end.
        """
        for scope in (self, *self.lineage()):
            if scope.cancelled is not None:
                raise unittest.SkipTest(why_cut(scope))

    @property
    def test_id(self) -> str:
        """What the ledger of known leaks calls it."""
        return f"{self.kind} {self.where}".strip()

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
                check_loop(loop, self._factory)
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

    @contextlib.contextmanager
    def limited(self, limit: float | None | Unset) -> Iterator[None]:
        """Have *limit* hold for what is performed inside, unless it is unset."""
        before = self._limit
        if not isinstance(limit, Unset):
            self._limit = limit
        try:
            yield
        finally:
            self._limit = before

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

    def on_stuck(self, error: Exception) -> None:
        """Cancel the phase that can't get anywhere, and say who has which limit here."""
        if isinstance(error, TimeLimitError):
            error.add_note(self.limit_advice.partition("\n")[2])
        super().on_stuck(error)

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
        add_cleanup(self.leave, functools.partial(exit, cm), [cm])
        return result

    async def leave(
        self, exit: Callable[..., Any], entered: Sequence[object], *, bare: bool = False
    ) -> None:
        """Call *exit* with what has cancelled the scope, if that is its business.

        Args:
            exit: Takes what ``__exit__()`` does.
            entered: What is left by it.
            bare: Whether it is told of a cancellation only if something in *entered* is the cause.
        """
        cancelled, cancellers = self.cancelled, self.cancellers
        guilty = is_held(entered, cancellers) or not (cancellers or bare)
        details: tuple[Any, ...] = (None, None, None)
        if cancelled is not None and (guilty or not bare):
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
            if guilty:
                self.cancelled = None  # it has said what happened
            raise
        finally:
            self._forget_cancellers(entered)

    def _forget_cancellers(self, left: Sequence[object]) -> None:
        before = self.cancellers
        if not isinstance(self._owner, OwnerTask) or not before:
            return
        self._owner.cancellers = [one for one in before if not is_held(left, [one])]
        if not self._owner.cancellers:
            # What lies around it is undisturbed, whether it has said something or not.
            self._give_up_explaining(before)
            self._forget_own_cancellations()

    def _give_up_explaining(self, cancellers: Sequence[object]) -> None:
        if self.cancelled is not None:
            self.unexplained = ScopeCancelledError(
                f"{self.name} was cancelled by {describe(cancellers)}, and nothing that it had "
                "entered has said why"
            )
            self.unexplained.__cause__ = self.cancelled
            self.cancelled = None

    def run_cleanups(self) -> list[BaseException]:
        """Run the cleanups, the last one first, and return what failed."""
        problems: list[BaseException] = []
        while self.cleanups:
            function, args, kwargs = self.cleanups.pop()
            try:
                with self.limited(getattr(function, "limit", UNSET)):
                    result = self.perform("cleanup", function, *args, **kwargs)
                    refuse_left_over(result, getattr(function, "__qualname__", repr(function)))
            except BaseException as error:  # Ctrl-C, too: the others still run
                # What has cut a cleanup short is told where that is left, or at the end.
                if not isinstance(error, ScopeCancelledError) or self.cancelled is None:
                    problems.append(error)
        self._give_up_explaining(self.cancellers)
        return problems + ([self.unexplained] if self.unexplained else [])

    def finish(self) -> list[BaseException]:
        """Clean up, end and audit; return what was wrong."""
        if self.closed:
            return []
        problems = self.run_cleanups()
        with self.activity("cleanup"):
            problems += self.close()
        collector = self.collector
        if collector is not None and collector.has_findings:
            verdict = collector.tell(self.name, self.test_id, *self._leak_advice())
            if problems:
                verdict.log()
            else:
                problems += verdict.problems()
        for problem in problems:
            _give_traceback(problem)
        return problems

    def _leak_advice(self) -> tuple[str, str]:
        return (
            f"They were found when the {self.kind} was over. Await, cancel or close each of them "
            f"where the {self.kind} is\ntorn down: behind the yield of the fixture that made it, "
            "or in a cleanup.",
            'leaks = "warn" on the class only warns of them, "off" says nothing.'
            if self.kind == "class"
            else "ASYNCTESTING_LEAKS=warn only warns of them; no class decides that for others.",
        )

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


def _give_traceback(error: BaseException) -> None:
    # nose2 takes one without for a text, and ends its run with an internal error.
    if error.__traceback__ is None:
        with contextlib.suppress(type(error)):
            raise error
