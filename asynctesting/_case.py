"""AsyncTestCase: unittest's own async case, in one task, on a nearly free loop, within a limit.

It keeps the order of calls and the classification of results of ``TestCase.run()``, which it never
replaces: everything happens in the hooks that unittest calls for each phase. The scope of a test
(:mod:`asynctesting._scopes`) stands in the slot where the stock case keeps its runner.

Invariants: user code runs only inside a phase, and each phase inside unittest's own accounting of
outcomes; the scope is closed after the last cleanup and before success is reported, so whatever is
found then is part of the test's result.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import unittest
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    nullcontext,
)
from contextvars import ContextVar, copy_context
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from . import _settings
from ._failures import Failure
from ._fixture_plan import missing_in_call
from ._kinds import DEFAULT
from ._leaks import Collector, Verdict, add_to_report, note_passed
from ._lint import problems_of
from ._nested import InnerScope
from ._own_fixtures import OwnFixtures
from ._repeat import repeat_command
from ._report import Place, definition, raise_at
from ._results import failures_noted
from ._returned import (
    context_methods,
    is_awaitable,
    refuse_awaiting_inside,
    refuse_generator,
    refuse_unawaited,
)
from ._scopes import Scope
from .errors import NetworkVerdictError, SilentPassError

if TYPE_CHECKING:
    from .http import HTTPNetwork

__unittest = True

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[..., Any] | type)
_Stock = unittest.IsolatedAsyncioTestCase

# Where a test method keeps what its decorators ask for.
_TIMEOUT = "__asynctesting_timeout__"
_REGION = "__asynctesting_region__"

# Which subtest runs, beside the case it belongs to: gathered subtests are tasks, and each task has
# its own view of a context variable, where an attribute of the case is shared by all.
_subtest: ContextVar[tuple[object, Any] | None] = ContextVar("asynctesting_subtest", default=None)


class _Hooks(NamedTuple):
    """Which of the empty hooks of the stock case somebody has overridden."""

    set_up: bool
    async_set_up: bool
    async_tear_down: bool
    tear_down: bool

    @classmethod
    def of(cls, case: type[unittest.IsolatedAsyncioTestCase], own: dict[str, Any]) -> _Hooks:
        """Look at a class and at the instance's own attributes, where pytest puts some."""
        return _HOOKS[
            case.setUp is not _Stock.setUp or "setUp" in own,
            case.asyncSetUp is not _Stock.asyncSetUp or "asyncSetUp" in own,
            case.asyncTearDown is not _Stock.asyncTearDown or "asyncTearDown" in own,
            case.tearDown is not _Stock.tearDown or "tearDown" in own,
        ]


_HOOKS = {facts: _Hooks(*facts) for facts in itertools.product((False, True), repeat=4)}


class AsyncTestCase(OwnFixtures, _Stock):
    """A drop-in ``IsolatedAsyncioTestCase``: one task a test, a fresh loop for next to nothing.

    ``asyncSetUp``, the test, ``asyncTearDown`` and async cleanups run in one task and one context,
    so that a ``TaskGroup`` or an ``asyncio.timeout`` entered in set-up governs the test. A test
    that hangs ends at its limit with the line where it waits. A test that would pass without
    having run, or that leaves tasks, servers or lost exceptions behind, fails.

    Attributes:
        timeout: The limit of each test in real seconds, for set-up, test, teardown, cleanups and
            the closing of the loop together; above zero, or ``None`` for no limit. The decorator
            :func:`timeout` and ``ASYNCTESTING_TIMEOUT`` go before it.
        loop_factory: What makes the loop: a class or a function without arguments. ``None`` for
            our own.
        loop_debug: Debug mode of the loop: ``True``, ``False``, or ``None`` to follow the
            interpreter (``-X dev``, ``PYTHONASYNCIODEBUG``).
        loop_scope: How long the event loop lives: ``"test"`` (each test has its own), ``"class"``,
            ``"module"``, ``"package"`` or ``"session"``. Left out, it is as wide as the async class
            hooks and the fixtures of the class need it.
        leaks: What happens when a test leaves something behind or hides a failure: ``"default"``
            (certain bugs fail it, likely ones are warnings), ``"error"``, ``"warn"`` or ``"off"``,
            or one of these for each kind, as in ``{"tasks": "warn"}``. ``ASYNCTESTING_LEAKS`` goes
            before it.
        allowed_leaks: What each test may leave behind, by kind, as in ``{"tasks": "poll-*"}``; so
            does the decorator :func:`allow_leaks`.

    Raises:
        SilentPassError: When a subclass is made with a method that would never run.
        SettingError: When a subclass is made with a setting that can't be meant.

    Example:
        >>> class GreetingTests(AsyncTestCase):
        ...     timeout = 5
        ...     async def asyncSetUp(self):
        ...         self.queue = asyncio.Queue()
        ...     async def test_order(self):
        ...         await self.queue.put("hello")
        ...         self.assertEqual(await self.queue.get(), "hello")
        >>> unittest.TextTestRunner().run(GreetingTests("test_order")).wasSuccessful()
        True
    """

    timeout: ClassVar[float | None] = _settings.DEFAULT_TIMEOUT
    loop_factory: ClassVar[Any] = None
    loop_debug: ClassVar[bool | None] = None
    leaks: ClassVar[str | Mapping[str, str]] = "default"
    allowed_leaks: ClassVar[Mapping[str, Any]] = {}

    # State of one run: its hooks, the cancellation that something entered earlier has to answer
    # for, whether it cut the set-up short, and an object that the class has set as its loop.
    _asynctesting_hooks = _HOOKS[False, False, False, False]
    _asynctesting_cancelled: BaseException | None = None
    _asynctesting_set_up_cut = False
    # What it has failed with, until it is known what else there is to say of it.
    _asynctesting_raised: BaseException | None = None
    _asynctesting_loop: Any = None
    # What the report page of a failure will say, where pages are wanted.
    _asynctesting_failure: Failure | None = None

    if TYPE_CHECKING:
        _cleanups: list[Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _settings.current()  # a bad setting in the environment is said at once
        for problem in problems_of(cls).values():
            raise problem
        cls._asynctesting_make_plan()

    def __init__(self, methodName: str = "runTest") -> None:
        # Not the stock case's __init__(): it copies the context here, when tests are loaded. The
        # one that counts is the context in which the test runs.
        super(_Stock, self).__init__(methodName)

    # One test -----------------------------------------------------------------------------------

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test, collecting its outcome in *result*."""
        region = getattr(getattr(self, self._testMethodName, None), _REGION, None)
        if region is not None and self._asynctesting_clock is None:
            found: unittest.TestResult | None
            found = region.run_case(self, functools.partial(self.run, result))
            return found
        self._setupAsyncioRunner()
        try:
            # Not the stock case's run(), which is these lines with its own runner.
            return super(_Stock, self).run(result)
        finally:
            self._tearDownAsyncioRunner()

    def debug(self) -> None:
        """Run the test without collecting its outcome; its first error is raised.

        There is no limit. After an error the loop stays open, so that ``doCleanups()`` can still
        be called; it closes the loop.
        """
        region = getattr(getattr(self, self._testMethodName, None), _REGION, None)
        if region is not None and self._asynctesting_clock is None:
            region.run_case(self, self.debug)
            return
        self._setupAsyncioRunner(limited=False)
        try:
            super(_Stock, self).debug()
        except BaseException:
            # Nobody knows when doCleanups() will come, and other tests may run before.
            collector = self._asynctesting_scope().collector
            if collector is not None:
                collector.forget_window()
            raise
        self._asynctesting_close()
        self._tearDownAsyncioRunner()

    @property
    def loop(self) -> Any:
        """The event loop of the running test.

        A class may set another object under this name; the test's own loop stays what it is.

        Raises:
            RuntimeError: If no test is running.
        """
        if self._asynctesting_loop is not None:
            return self._asynctesting_loop
        if self._asyncioRunner is None:
            raise RuntimeError(
                f"{self} is not running, so it has no event loop; each test gets a fresh one"
            )
        return self._asyncioRunner.get_loop()

    @loop.setter
    def loop(self, value: Any) -> None:
        self._asynctesting_loop = value

    def _setupAsyncioRunner(self, *, limited: bool = True) -> None:
        settings = _settings.current()
        own = self.__dict__
        if own.get("_asyncioRunner") is not None:
            self._tearDownAsyncioRunner()  # debug() has failed before and left it open
        own.pop("_asynctesting_cancelled", None)
        own.pop("_asynctesting_witnesses", None)
        own.pop("_asynctesting_failure", None)
        own.pop("_asynctesting_set_up_cut", None)
        self._asynctesting_hooks = _Hooks.of(type(self), own)
        self._asyncioTestContext = context = copy_context()
        factory, debug = self._asynctesting_loop_options()
        plan = self._asynctesting_plan
        kind = Scope if plan is None or not plan.is_wide else InnerScope
        self._asyncioRunner = scope = kind(
            self._testMethodName,
            context,
            factory=factory,
            debug=debug,
            limit=self._asynctesting_limit(settings) if limited else None,
            collector=self._asynctesting_collector(),
        )
        scope.repeat = self._asynctesting_repeat
        if settings.report is not None:
            self._asynctesting_failure = Failure(settings.report, self.id())
        scope.open()

    def _asynctesting_repeat(self) -> str:
        return repeat_command(self.id())

    def _asynctesting_loop_options(self) -> tuple[Any, bool | None]:
        # Looked up on the class, where a plain function is not bound as a method.
        return self.__dict__.get("loop_factory") or type(self).loop_factory, self.loop_debug

    def _asynctesting_limit(self, settings: _settings.Settings) -> float | None:
        if not isinstance(settings.timeout, _settings.Unset):
            return settings.timeout
        method = getattr(self, self._testMethodName, None)
        limit: float | None = getattr(method, _TIMEOUT, self.timeout)
        return limit

    def _asynctesting_collector(self) -> Collector | None:
        policy = self._asynctesting_leak_policy(getattr(self, self._testMethodName, None))
        if policy is not DEFAULT and policy.is_off:
            return None
        return Collector(policy, windowed=True)

    def _tearDownAsyncioRunner(self) -> None:
        scope, self._asyncioRunner = self._asyncioRunner, None
        self._asyncioTestContext = None
        self._asynctesting_loop = None
        own = self.__dict__
        for name in own.pop("_asynctesting_values", ()):
            own.pop(name, None)
        if scope is None:
            return
        if not isinstance(scope, Scope):
            scope.close()
            return
        for problem in scope.close():
            raise problem

    def __del__(self) -> None:
        # The stock case closes its runner here, too, after debug() has failed.
        scope = self.__dict__.get("_asyncioRunner")
        if scope is not None:
            scope.close()

    # Phases -------------------------------------------------------------------------------------

    def _callSetUp(self) -> None:
        scope = self._asyncioRunner
        if type(scope) is not Scope or not scope.has_loop:
            self._asynctesting_begin()
            scope = self._asynctesting_scope()
            if type(scope) is not InnerScope and self._asynctesting_is_async():
                scope.get_loop()  # so that setUp() finds it as the current one
        if self._asynctesting_plan is not None:
            self._asynctesting_do("set-up", self._asynctesting_set_up_fixtures)
        hooks = self._asynctesting_hooks
        if hooks.set_up or hooks.async_set_up:
            self._asynctesting_do("set-up", self._asynctesting_set_up)

    def _asynctesting_set_up(self, scope: Scope) -> None:
        refuse_unawaited(scope.call(self.setUp), "setUp", "asyncSetUp")
        if self._asynctesting_hooks.async_set_up:
            self._callAsync(self.asyncSetUp)

    def _callTestMethod(self, method: Callable[[], Any]) -> None:
        if self._asynctesting_cancelled is not None:
            return  # what was entered in set-up has cancelled the test; its exit says why
        arguments = self.__dict__.get("_asynctesting_arguments")
        if arguments:
            method = functools.partial(method, **arguments)
        result = self._asynctesting_do("test", self._asynctesting_test, method)
        if result is not None:
            refuse_generator(result, self._testMethodName)
            warnings.warn(
                f"It is deprecated to return a value that is not None from a test case ({method})",
                DeprecationWarning,
                stacklevel=4,
            )

    def _asynctesting_test(self, scope: Scope, method: Callable[[], Any]) -> Any:
        try:
            result = scope.call(method)
        except TypeError as error:
            problem = missing_in_call(error, type(self), method)
            if problem is None:
                raise
            raise problem from None
        while result is not None and is_awaitable(result):
            result = scope.run(result, keep=self._asynctesting_expects_more)
        return result

    def _callTearDown(self) -> None:
        if self._asynctesting_set_up_cut:
            return  # as after any other failure of the set-up
        if self._asynctesting_hooks.async_tear_down:
            with self._asynctesting_part():
                self._asynctesting_do("teardown", self._asynctesting_async_tear_down)
        # Stock leaves tearDown() out when asyncTearDown() fails; here each has its own part.
        if self._asynctesting_hooks.tear_down:
            self._asynctesting_do("teardown", self._asynctesting_tear_down)

    def _asynctesting_async_tear_down(self, scope: Scope) -> None:
        self._callAsync(self.asyncTearDown)

    def _asynctesting_tear_down(self, scope: Scope) -> None:
        refuse_unawaited(scope.call(self.tearDown), "tearDown", "asyncTearDown")

    def _callCleanup(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        self._asynctesting_do("cleanup", self._asynctesting_clean_up, function, args, kwargs)

    def _asynctesting_clean_up(
        self,
        scope: Scope,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        result = self._callMaybeAsync(function, *args, **kwargs)
        if result is not None:
            refuse_generator(result, getattr(function, "__name__", repr(function)))

    def _asynctesting_do(self, phase: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call *function* as one phase of the test."""
        scope = self._asynctesting_scope()
        before, scope.phase = scope.phase, phase
        scope.depth += 1
        try:
            return function(scope, *args)
        except asyncio.CancelledError as error:
            if isinstance(scope, InnerScope) and scope.cut_short is not None:
                scope.forget_cut()
                raise unittest.SkipTest(scope.cut_short) from None
            if not scope.cancelled_by_holder or self._outcome is None:
                raise
            if self._outcome.expecting_failure:
                raise
            # A TaskGroup, a timeout or a cancel scope entered earlier has cancelled this phase. It
            # gets the exception at its exit, and says what happened; see _asynctesting_leave().
            self._asynctesting_cancelled = self._asynctesting_cancelled or error
            self._asynctesting_set_up_cut |= phase == "set-up"
            return None
        except Exception as error:
            self._asynctesting_raised = error
            if self._asynctesting_failure is not None:
                self._asynctesting_failure.note(error)
            for witness in self.__dict__.get("_asynctesting_witnesses", ()):
                witness(error)
            raise
        except KeyboardInterrupt as interrupt:
            scope.depth -= 1
            try:
                self._asynctesting_finish_interrupted(phase, interrupt)
            finally:
                scope.depth += 1
            raise
        finally:
            scope.depth -= 1
            scope.phase = before

    def _callAsync(self, func: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
        result = self._asynctesting_scope().call(func, *args, **kwargs)
        if not is_awaitable(result):
            name = getattr(func, "__name__", repr(func))
            raise SilentPassError(
                f"{type(self).__qualname__}.{name} returned {result!r}, which can't be awaited. "
                f"Write 'async def {name}(self)'"
            )
        return self._asynctesting_scope().run(result)

    def _callMaybeAsync(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        # The result decides, not the function: a lambda or a partial may return a coroutine.
        scope = self._asynctesting_scope()
        if scope.depth > 1:  # doCleanups() inside a phase, where the context is entered already
            return refuse_awaiting_inside(func(*args, **kwargs), func)
        result = scope.call(func, *args, **kwargs)
        return scope.run(result) if is_awaitable(result) else result

    def _asynctesting_finish_interrupted(self, phase: str, interrupt: KeyboardInterrupt) -> None:
        """Run what a test that was interrupted by Ctrl-C still owes: teardown and cleanups."""
        if self._outcome is None or self._asyncioRunner is None or self._asyncioRunner.depth:
            return
        with failures_noted(self._outcome.result, interrupt):
            if phase == "test":
                with self._outcome.testPartExecutor(self):
                    self._callTearDown()
            self.doCleanups()

    def _asynctesting_expects_more(self) -> bool:
        """Tell, at the end of the test method, whether another async phase may follow."""
        return bool(
            self._cleanups
            or self._asynctesting_hooks.async_tear_down
            or self._asynctesting_hooks.tear_down
        )

    def _asynctesting_is_async(self) -> bool:
        method = getattr(self, self._testMethodName, None)
        return (
            self._asynctesting_hooks.async_set_up
            or self._asynctesting_hooks.async_tear_down
            or inspect.iscoroutinefunction(method)
        )

    def _asynctesting_scope(self) -> Scope:
        runner = self._asyncioRunner
        if type(runner) is Scope or isinstance(runner, Scope):
            return runner
        if runner is None:
            raise RuntimeError(f"{self} is not running")
        # A subclass has put a runner of its own into the slot, as many suites do to choose a loop.
        self._asyncioRunner = scope = Scope(
            self._testMethodName,
            self._asyncioTestContext or copy_context(),
            factory=runner.get_loop,
            close_loop=runner.close,
        )
        scope.open()
        return scope

    # Cleanups -----------------------------------------------------------------------------------

    def enterContext(self, cm: AbstractContextManager[_T]) -> _T:
        """Enter *cm*, and leave it after the test.

        Called from the test's own task, it is left in that task, too; so a cancel scope of anyio
        can be entered in ``asyncSetUp`` and govern the test.
        """
        scope = self._asyncioRunner
        if not (isinstance(scope, Scope) and scope.in_owner_task()):
            return super().enterContext(cm)
        enter, exit = context_methods(cm, "__enter__", "__exit__", "context manager")
        result: _T = enter(cm)
        self.addAsyncCleanup(self._asynctesting_leave, exit, cm)
        return result

    async def enterAsyncContext(self, cm: AbstractAsyncContextManager[_T]) -> _T:
        """Enter *cm* in the test's task, and leave it there after the test.

        Where *cm* has cancelled the test (a ``TaskGroup`` with a failed child, an
        ``asyncio.timeout``), it gets the cancellation at its exit, and so can say why.

        Raises:
            TypeError: If *cm* is no asynchronous context manager.
        """
        enter, exit = context_methods(cm, "__aenter__", "__aexit__", "asynchronous context manager")
        result: _T = await enter(cm)
        self.addAsyncCleanup(self._asynctesting_leave, exit, cm)
        self._asynctesting_heed(cm)
        return result

    def _asynctesting_heed(self, cm: object) -> None:
        """Let *cm* say something on a failure of the test, if it is one that does."""
        # Looked up on the type: a mock has any attribute.
        witness = getattr(type(cm), "_asynctesting_witness", None)
        if witness is not None:
            witnesses = self.__dict__.setdefault("_asynctesting_witnesses", [])
            witnesses.append(functools.partial(witness, cm))

    def network(self, **options: Any) -> HTTPNetwork:
        """Enter an :class:`HTTPNetwork` for the rest of the test, which judges it at its end.

        Args:
            options: What :class:`HTTPNetwork` takes: *tls*, *transport*, *strict*.

        Raises:
            RuntimeError: Where no event loop runs, as in ``setUp()``: call it in ``asyncSetUp()``
                or in the test.
        """
        # The one face that the case knows, by name and at its first use: it imports aiohttp.
        http = import_module(".http", __package__)
        net: HTTPNetwork = http.HTTPNetwork(**options)
        net.enter()
        self.addAsyncCleanup(self._asynctesting_leave, http.HTTPNetwork.__aexit__, net)
        self._asynctesting_heed(net)
        return net

    async def _asynctesting_leave(self, exit: Callable[..., Any], cm: Any) -> None:
        cancelled = self._asynctesting_cancelled
        details: tuple[Any, ...] = (None, None, None)
        if cancelled is not None:
            details = (type(cancelled), cancelled, cancelled.__traceback__)
        try:
            result = exit(cm, *details)
            if is_awaitable(result):
                await result
        except asyncio.CancelledError:
            if cancelled is None:
                raise
            # Not this one's business: the next outer one gets it.
        except NetworkVerdictError as verdict:
            self._asynctesting_cancelled = None
            raise_at(verdict.with_traceback(None), self._asynctesting_definition())
        except BaseException:
            self._asynctesting_cancelled = None  # it has said what happened
            raise

    def doCleanups(self) -> Any:
        """Run all cleanups; the last call of a test also closes its loop and audits it."""
        success = super().doCleanups()
        scope = self._asyncioRunner
        if not isinstance(scope, Scope) or scope.depth:
            return success  # called by the test itself
        self._asynctesting_close()
        return success if self._outcome is None else bool(self._outcome.success)

    def _asynctesting_close(self) -> None:
        scope = self._asynctesting_scope()
        raised, self._asynctesting_raised = self._asynctesting_raised, None
        failure, outcome = self._asynctesting_failure, self._outcome
        if failure is not None:
            failure.look(scope)
        problems = scope.close()
        cancelled = self._asynctesting_cancelled
        if cancelled is not None and (outcome is None or outcome.success):
            cancelled.add_note(
                "The test's task was cancelled by something that was entered before, such as a "
                "cancel scope, and nothing has said why."
            )
            problems.insert(0, cancelled)
        for problem in problems:
            if failure is not None:
                failure.note(problem)
            with self._asynctesting_part():
                if problem.__traceback__ is None and isinstance(problem, AssertionError):
                    raise_at(problem, self._asynctesting_definition())
                raise problem
        if scope.collector is not None and scope.collector.has_findings:
            self._asynctesting_judge_leaks(scope.collector, raised)
        elif outcome is not None and outcome.success:
            note_passed(self.id())
        failed = outcome is not None and not (outcome.success or outcome.expectedFailure)
        if failure is not None and failed:
            failure.write(outcome.result)

    def _asynctesting_judge_leaks(self, collector: Collector, raised: BaseException | None) -> None:
        outcome = self._outcome
        passed = outcome is None or bool(outcome.success and not outcome.expectedFailure)
        verdict = collector.tell(str(self), self.id(), passed=passed)
        if not passed:
            self._asynctesting_note_leaks(verdict, raised)
            return
        note_passed(self.id())
        place = self._asynctesting_definition()
        with self._asynctesting_part():
            verdict.warn(place)
        error = verdict.error()
        if error is not None:
            with self._asynctesting_part():
                if self._asynctesting_failure is not None:
                    self._asynctesting_failure.note(error)
                raise_at(error, place)

    def _asynctesting_note_leaks(self, verdict: Verdict, raised: BaseException | None) -> None:
        """Put what a test has left that has failed already beneath its failure."""
        note = verdict.note(raised)
        if not note:
            return
        if raised is None or not add_to_report(self._outcome.result, self, note):
            verdict.log()
        if raised is not None:
            raised.add_note(note)  # for a runner that writes its report later, as pytest does

    def _asynctesting_definition(self) -> Place:
        return definition(getattr(self, self._testMethodName, None))

    def _asynctesting_part(self) -> AbstractContextManager[Any]:
        """Return unittest's accounting for one more part of the test, or none in ``debug()``."""
        if self._outcome is None:
            return nullcontext()
        part: AbstractContextManager[Any] = self._outcome.testPartExecutor(self)
        return part

    # Instances ----------------------------------------------------------------------------------

    @property
    def _subtest(self) -> Any:
        current = _subtest.get()
        return current[1] if current is not None and current[0] is self else None

    @_subtest.setter
    def _subtest(self, value: Any) -> None:
        if value is not None or _subtest.get() is not None:
            _subtest.set(None if value is None else (self, value))

    def __getstate__(self) -> dict[str, Any]:
        of_one_run = ("_asyncioRunner", "_asyncioTestContext")
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in of_one_run and not name.startswith("_asynctesting_")
        }


def timeout(seconds: float | None) -> Callable[[_F], _F]:
    """Give a test, or each test of a class, a limit of its own.

    Args:
        seconds: Real seconds for set-up, test, teardown, cleanups and the closing of the loop
            together; above zero, or ``None`` for no limit.

    Raises:
        SettingError: If *seconds* is neither.

    Example:
        >>> class SlowTests(AsyncTestCase):
        ...     @timeout(300)
        ...     async def test_import(self): ...
    """
    limit = _settings.check_timeout(seconds, "@timeout(seconds)")

    def decorate(decorated: _F) -> _F:
        if isinstance(decorated, type):
            decorated.timeout = limit  # type: ignore[attr-defined]
        else:
            setattr(decorated, _TIMEOUT, limit)
        return decorated

    return decorate
