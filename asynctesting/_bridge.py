"""A bridge: one loop, one task and one context for calls from synchronous code.

It is a scope whose phases are those calls. Between two of them the loop stands still.
Invariants: the thread's current loop and the policy stay untouched unless ``ambient_loop`` asks for
it; a limit counts only while something is awaited; every call is a step of the same task, be it one
that needed a turn of the loop or not.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from asyncio.log import logger
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, replace
from types import CoroutineType, FrameType
from typing import Any, TypeVar

from . import _internals, _settings
from ._allow import allowed_by
from ._case import _TIMEOUT
from ._contexts import Exchange
from ._kinds import DEFAULT, Policy
from ._leaks import Collector
from ._loop import LazyEventLoop
from ._phases import Loop
from ._repeat import repeat_command
from ._report import Place, definition
from ._scopes import Scope
from ._watchdog import Interruption, State, Watch
from .errors import BridgeError, TimeLimitError

__unittest = True

_T = TypeVar("_T")

#: What a class with the mixin says of itself: its ``timeout`` and its like are our settings.
SETTINGS_MARK = "_asynctesting_bridged"


@dataclass(frozen=True)
class Options:
    """How a bridge behaves; these defaults hold where no mixin gives others."""

    limit: float | None = _settings.DEFAULT_TIMEOUT
    leaks: Any = "default"
    factory: Callable[[], Loop] | None = None
    debug: bool | None = None
    ambient: bool = False
    policy: Policy = DEFAULT

    @classmethod
    def of(cls, case: type | None, method: object = None) -> Options:
        """Read the options of a class, and of its test that runs.

        A class without the mixin may mean anything by ``timeout`` and its like.
        """
        options = cls()
        if hasattr(case, SETTINGS_MARK):
            names = ("timeout", "leaks", "loop_factory", "loop_debug", "ambient_loop")
            # Looked up on the class, where a plain function is not bound as a method.
            options = cls(*(getattr(case, name) for name in names))
        settings = _settings.current()
        limit = settings.timeout
        if isinstance(limit, _settings.Unset):
            limit = getattr(method, _TIMEOUT, options.limit)
        allowed = allowed_by(case, method)
        return replace(options, limit=limit, policy=_settings.leak_policy(options.leaks, allowed))


class _BridgeScope(Scope):
    """A scope that shows its loop only where that is wanted, and knows from where it was called."""

    phase = "test"
    ambient = False
    # Whose limit it is: the one of a call, if not of the whole.
    limited = ""

    def run(
        self,
        awaitable: Awaitable[Any],
        *,
        context: Context | None = None,
        keep: Callable[[], bool] | None = None,
    ) -> Any:
        """Await *awaitable* in the owner task, without turns of the loop as long as it is quiet."""
        owner, parking = self._owner, self._parking
        if (
            type(awaitable) is CoroutineType
            and type(self._loop) is LazyEventLoop
            and self._loop.is_quiet
            and context is self._context
            and owner is not None
            and parking is not None
            and not (owner.done() or parking.done() or owner.cancelling())
        ):
            # Nothing else could run in between, so a turn of the loop would change nothing. Many
            # a call ends with these steps, and costs a third then.
            try:
                waits_for = self._take_first_steps(self._loop, owner, awaitable)
            except StopIteration as end:
                return end.value
            awaitable = _Started(awaitable, waits_for)
        return super().run(awaitable, context=context, keep=keep)

    def _take_first_steps(
        self, loop: LazyEventLoop, owner: asyncio.Task[Any], coroutine: CoroutineType[Any, Any, Any]
    ) -> Any:
        """Run *coroutine* until it waits for something; return that, as a task is told it."""
        watch, run, send = self.watch, self._context.run, coroutine.send
        waits_for = None
        entered = _internals.enter_task(loop, owner)
        try:
            self._running = watch.interruptible = True
            waits_for = run(send, None)
            while waits_for is None and loop.is_quiet:  # asyncio.sleep(0), and nobody else's turn
                waits_for = run(send, None)
        except Interruption as interruption:
            watch.answered()
            raise self._describe_limit().with_traceback(interruption.__traceback__) from None
        finally:
            self._running = watch.interruptible = False
            _internals.leave_task(loop, owner, entered)
        return waits_for

    def _make_current(self, loop: Loop, *, keep_policy: bool) -> _internals.CurrentLoop | None:
        return _internals.CurrentLoop(loop, keep_policy=False) if self.ambient else None

    def _describe_limit(self) -> TimeLimitError:
        if self.phase != "closing":
            self.phase = _phase_on_stack()
        name, self.name = self.name, self.limited or self.name
        try:
            return super()._describe_limit()
        finally:
            self.name = name


class _Started:
    """A coroutine that has taken its first steps; awaiting this goes on with it."""

    def __init__(self, coroutine: CoroutineType[Any, Any, Any], waits_for: Any) -> None:
        self.cr_await = coroutine  # the name by which a report finds where it waits
        self._first = [waits_for]

    def __await__(self) -> _Started:
        return self

    def __iter__(self) -> _Started:
        return self

    def __next__(self) -> Any:
        return self._first.pop() if self._first else self.cr_await.send(None)

    def send(self, value: Any) -> Any:
        return self.cr_await.send(value)

    def throw(self, *error: Any) -> Any:
        return self.cr_await.throw(*error)

    def close(self) -> None:
        self.cr_await.close()


class Bridge:
    """One loop, made for calls from synchronous code.

    Args:
        name: Whose it is, in short.
        title: Whose it is, where it has to be found.
        options: How it behaves.
        each: Whether the limit is one for each call, and not one for all of them together. What
            happens between two calls is somebody else's, then.
        advice: What to do about something left behind, if not what a test is told.
        subject: The test method, if there is one.
        test: The test's ``id()``, if there is one.
    """

    def __init__(
        self,
        name: str,
        title: str,
        options: Options,
        *,
        each: bool = False,
        advice: str | None = None,
        subject: object = None,
        test: str = "",
    ) -> None:
        self.name = name
        self.title = title
        #: What the ledger of known leaks calls it.
        self.test_id = title
        self.thread = threading.get_ident()
        self._options = options
        self._each = each
        # The function and not the bound method: a circle through the case would leave it to the
        # collector whose end comes first, ours or that of the loop.
        self._subject = getattr(subject, "__func__", subject)
        self._advice = () if advice is None else (advice,)
        # What is left of the limit, and how often it ran out.
        self._left = options.limit
        self._expired = 0
        self._exchange = Exchange()
        self._collector = (
            None
            if options.policy.is_off
            else Collector(options.policy, windowed=subject is not None)
        )
        self._scope = _BridgeScope(
            name,
            self._exchange.inner,
            factory=options.factory,
            debug=options.debug,
            collector=self._collector,
        )
        if test:
            self._scope.repeat = functools.partial(repeat_command, test)
        self._watch = Watch(name, options.limit, self._scope)
        self._scope.ambient = options.ambient
        self._scope.open()
        self._look_away()

    @property
    def place(self) -> Place | None:
        """The line of the test, where what is found at its end is told."""
        return None if self._subject is None else definition(self._subject)

    def __repr__(self) -> str:
        return f"<Bridge {self._scope!r}>"

    @property
    def is_running(self) -> bool:
        """Whether the caller is a coroutine that this bridge awaits."""
        return self._scope.has_loop and asyncio._get_running_loop() is self._scope.get_loop()

    def call(self, awaitable: Awaitable[_T], timeout: float | None = None) -> _T:
        """Await *awaitable* and return its result.

        Raises:
            BridgeError: If it is a future of another loop.
            TimeLimitError: If *timeout*, or what is left of the limit, ran out.
        """
        scope, exchange = self._scope, self._exchange
        if type(awaitable) is not CoroutineType:
            _check_loop_of(awaitable, scope.get_loop())
        since = Watch._now()
        watch = self._watch_call(awaitable, timeout)
        self._look_here()
        exchange.take_in()
        try:
            result: _T = scope.run(awaitable, context=exchange.inner)
        except asyncio.CancelledError as error:
            if scope.cancelled_by_holder:
                error.add_note(
                    "The task in which these calls run was cancelled. If something that an earlier "
                    "one has entered did that, such as a TaskGroup or a timeout, leaving it says "
                    "why."
                )
            raise
        except TimeLimitError as error:
            if scope.limited and scope.limit_advice not in str(error):
                error.add_note(f"Its limit is the timeout={watch.limit:g} of {scope.limited}.")
            raise
        finally:
            exchange.hand_back()
            self._look_away()
            self._count(watch, since)
        return result

    # What lies between two calls is synchronous code: its time does not count, and for a bridge
    # that outlives a test, what it forgets to await is a test's business.

    def _look_here(self) -> None:
        if self._each and self._collector is not None:
            self._collector.begin()

    def _look_away(self) -> None:
        if self._each and self._collector is not None:
            self._collector.end()

    def _watch_call(self, awaitable: object, timeout: float | None) -> Watch:
        if timeout is None or (self._left is not None and self._left <= timeout):
            return self._watch_all()
        scope = self._scope
        text = call_text(awaitable)
        scope.limited = text if text == self.name else f"{text} in {self.name}"
        scope.limit_advice = "It was interrupted there. timeout=... in the call gives it longer."
        scope.watch = watch = Watch(scope.limited, timeout, scope)
        watch.arm()
        return watch

    def _watch_all(self) -> Watch:
        scope, watch = self._scope, self._watch
        if scope.limited:
            scope.limited, scope.limit_advice = "", _BridgeScope.limit_advice
        if watch.state is not State.WATCHING:
            # It has expired, perhaps between two calls, where nobody would have answered it.
            self._watch = watch = Watch(self.name, self._options.limit, scope)
            watch.expired = self._expired
        scope.watch = watch
        watch.resume(self._left)
        return watch

    def _count(self, watch: Watch, since: float) -> None:
        if watch is not self._watch:
            watch.disarm()
        elif watch.expired > self._expired:
            # As in every other test: what is left of it gets a little time beyond its limit.
            watch.disarm()
            if not self._each:
                self._expired, self._left = watch.expired, watch.grace
            return
        else:
            watch.pause()
        if not (self._each or self._left is None):
            self._left = max(0.0, self._left - (Watch._now() - since))

    def close(self, *, failed: bool = False, undo: bool = True) -> list[BaseException]:
        """End the loop, and return what is wrong with what was left there.

        Args:
            failed: Whether the test has failed already; what it left is a note then.
            undo: Whether the caller's context variables become again what they were before.
        """
        scope, collector = self._scope, self._collector
        if scope.closed:
            return []
        self._look_here()
        self._watch_all()
        problems = scope.close()
        if undo:
            self._exchange.undo()
        if collector is None or not collector.has_findings:
            return problems
        verdict = collector.tell(self.title, self.test_id, *self._advice)
        if failed or problems:
            verdict.log()
        else:
            problems += verdict.problems(self.place)
        return problems

    def forget_window(self) -> None:
        """Tell no more what is left of the test from what was there before."""
        if self._collector is not None:
            self._collector.forget_window()

    def drop(self) -> None:
        """End the loop where nobody asks any more; what is wrong is logged."""
        for problem in self.close(failed=True):
            logger.error("at the end of %s: %s", self.title, problem)

    def __del__(self) -> None:
        # After a debug() that failed, it may be that nobody calls doCleanups().
        if "_scope" in self.__dict__ and self.thread == threading.get_ident():
            self.drop()


# Texts and checks ------------------------------------------------------------------------------


def call_text(awaitable: object) -> str:
    """Write the call as a reader finds it in the source, more or less."""
    return f"get_async_result({awaited_text(awaitable)})"


def awaited_text(awaitable: object) -> str:
    """Write what is awaited as a reader finds it in the source, more or less."""
    name = getattr(awaitable, "__name__", None)
    return f"{name}()" if name else f"<{type(awaitable).__name__}>"


def _check_loop_of(awaitable: object, loop: Loop) -> None:
    if not asyncio.isfuture(awaitable) or awaitable.done() or awaitable.get_loop() is loop:
        return
    raise BridgeError(
        f"{awaitable!r} belongs to another event loop, where nobody runs it. asyncio.gather(), "
        "ensure_future() and Future() take the loop that is current when they are called: call "
        "them in a coroutine and hand that over, or set ambient_loop = True on the class"
    )


_PHASES = {
    **dict.fromkeys(("setUp", "setUpClass", "setUpModule"), "set-up"),
    **dict.fromkeys(("tearDown", "tearDownClass", "tearDownModule"), "teardown"),
    **dict.fromkeys(("doCleanups", "doClassCleanups", "doModuleCleanups"), "cleanup"),
}


def _phase_on_stack() -> str:
    """Tell from the names of the callers which part of a test is under way."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        phase = _PHASES.get(frame.f_code.co_name)
        if phase is not None:
            return phase
        frame = frame.f_back
    return "test"
