"""What a class shares between its tests: async class hooks, class fixtures, and the wider scopes.

Everything stands in the hooks that unittest already calls for a class. ``setUpClass`` opens the
scopes, ``tearDownClass`` runs the async counterpart, ``doClassCleanups`` ends the scope of the
class; pytest calls the same three. Where a runner, or a class that forgets ``super()``, leaves out
the first, the first test opens the scopes.

Invariants: nothing is opened for a class whose tests are all skipped; a failure is raised from the
hook whose synchronous twin would have raised it; a class without any of this has no plan, and pays
nothing.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import unittest
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from . import _allow, _registry, _settings
from ._fixture_plan import FixturePlan, Node, plan_of
from ._fixtures import AsyncFixture
from ._kinds import Policy
from ._lint import refuse_async_module_hooks
from ._living import Leaving, Living
from ._registry import LEVELS
from ._returned import refuse_left_over
from ._wide import WideScope
from .errors import ScopeCancelledError, ScopeError, SettingError

__unittest = True

_T = TypeVar("_T")

#: The mark of a test that is decorated with a clock region.
REGION = "__asynctesting_region__"

if TYPE_CHECKING:
    _Base = unittest.TestCase
else:
    _Base = object


@dataclass(frozen=True, slots=True)
class Plan:
    """What is settled about the scopes of a class when it is made."""

    loop_scope: str
    async_set_up: bool
    async_tear_down: bool
    fixtures: FixturePlan | None

    @property
    def is_wide(self) -> bool:
        """Whether the tests of the class share a loop."""
        return self.loop_scope != "test"


def make_plan(cls: Any) -> Plan | None:
    """Return the plan of a test class, or ``None`` if each of its tests stands alone.

    Raises:
        SettingError: If ``loop_scope`` is none, or narrower than what the class has needs.
        FixtureError: If the fixtures can't be set up.
    """
    declared = check_loop_scope(cls)
    async_set_up = _is_overridden(cls, "asyncSetUpClass")
    async_tear_down = _is_overridden(cls, "asyncTearDownClass")
    fixtures = plan_of(cls)
    reasons = []
    if async_set_up:
        reasons.append((1, "asyncSetUpClass()"))
    if async_tear_down:
        reasons.append((1, "asyncTearDownClass()"))
    widest = fixtures.widest() if fixtures is not None else None
    if widest is not None:
        reasons.append((widest.level, f"the fixture {widest.name!r}"))
    level, reason = max(reasons, key=lambda pair: pair[0], default=(0, ""))
    if declared is None:
        loop_scope = LEVELS[level]
    elif LEVELS.index(declared) < level:
        raise SettingError(
            f"{cls.__qualname__}.loop_scope is {declared!r}, but {reason} needs an event loop "
            f"that lives as long as the {LEVELS[level]}. Say loop_scope = {LEVELS[level]!r}, or "
            "leave it out: then it is as wide as it must be"
        )
    else:
        loop_scope = declared
    if loop_scope != "test":
        _refuse_regions(cls, loop_scope)
    if loop_scope == "test" and fixtures is None:
        return None
    return Plan(loop_scope, async_set_up, async_tear_down, fixtures)


def _refuse_regions(cls: type, loop_scope: str) -> None:
    for name in dir(cls):
        if name.startswith("test") and hasattr(getattr(cls, name), REGION):
            raise SettingError(
                f"{cls.__qualname__}.{name} is decorated with a clock of its own, and with "
                f"loop_scope {loop_scope!r} it runs on a loop that is there before. Give the class "
                "VirtualClockMixin, whose clock the tests then share"
            )


def check_loop_scope(cls: type) -> str | None:
    """Return the loop scope that somebody has written down for *cls*, or ``None``."""
    for base in cls.__mro__:
        own = vars(base)
        # What we have worked out for a base is no wish of its author.
        if "loop_scope" in own and not own.get("_asynctesting_worked_out"):
            value = own["loop_scope"]
            if base.__module__ == "asynctesting._class_hooks":
                return None
            if value not in LEVELS:
                raise SettingError(
                    f"{cls.__qualname__}.loop_scope must be 'test', 'class', 'module', 'package' "
                    f"or 'session'; got {value!r}"
                )
            return str(value)
    return None


def _is_overridden(cls: type, name: str) -> bool:
    hook = getattr(cls, name)
    return getattr(hook, "__func__", hook) is not getattr(ClassHooks, name).__func__


class ClassHooks(_Base):
    """The class-level half of :class:`~asynctesting.AsyncTestCase`."""

    loop_scope: ClassVar[str] = "test"

    if TYPE_CHECKING:
        tearDown_exceptions: ClassVar[list[Any]]

    _asynctesting_plan: ClassVar[Plan | None] = None
    _asynctesting_worked_out: ClassVar[bool] = False

    @classmethod
    def _asynctesting_make_plan(cls) -> None:
        cls._asynctesting_plan = plan = make_plan(cls)
        if plan is not None and "loop_scope" not in vars(cls):
            cls.loop_scope = plan.loop_scope
            cls._asynctesting_worked_out = True
        else:
            cls._asynctesting_worked_out = False

    # For users to override or call --------------------------------------------------------------

    @classmethod
    async def asyncSetUpClass(cls) -> None:
        """Prepare what all tests of the class share; called once, before the first of them.

        It runs on the loop on which the tests run, in the owner task of the class; context
        variables that are set here are seen by the tests.
        """

    @classmethod
    async def asyncTearDownClass(cls) -> None:
        """Put away what :meth:`asyncSetUpClass` prepared; called if that succeeded."""

    @classmethod
    def addClassAsyncCleanup(
        cls, func: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any
    ) -> None:
        """Have ``func(*args, **kwargs)`` awaited after ``tearDownClass``, the last one first.

        Raises:
            ScopeError: If the class has no loop of its own (``loop_scope`` is ``"test"``).
            TypeError: If *func* can't be called.
        """
        _check_cleanup("addClassAsyncCleanup", func)
        scope = cls._asynctesting_scope_of_class("addClassAsyncCleanup")
        scope.cleanups.append((func, args, kwargs))

    @classmethod
    async def enterClassAsyncContext(cls, cm: AbstractAsyncContextManager[_T]) -> _T:
        """Enter *cm* in the owner task of the class, and leave it there after the last test.

        Raises:
            ScopeError: If the class has no loop of its own (``loop_scope`` is ``"test"``).
            TypeError: If *cm* is no asynchronous context manager.
        """
        scope = cls._asynctesting_scope_of_class("enterClassAsyncContext")
        result: _T = await scope.enter(cm, cls.addClassAsyncCleanup)
        return result

    # Called by unittest and pytest --------------------------------------------------------------

    @classmethod
    def setUpClass(cls) -> None:
        """Open the scopes of the class and run :meth:`asyncSetUpClass`."""
        super().setUpClass()
        refuse_async_module_hooks(
            cls.__module__, "enterModuleAsyncContext(...) or addModuleAsyncCleanup(...)"
        )
        _registry.leave_outside_of(cls)
        plan = cls._asynctesting_plan
        if plan is not None and plan.is_wide and cls._asynctesting_has_work():
            cls._asynctesting_open_class(plan)

    @classmethod
    def tearDownClass(cls) -> None:
        """Run :meth:`asyncTearDownClass`."""
        scope = cls._asynctesting_open_scope()
        try:
            if scope is not None:
                cls._asynctesting_tear_down_class(scope)
        finally:
            super().tearDownClass()

    @classmethod
    def addClassCleanup(cls, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Have ``function(*args, **kwargs)`` called after ``tearDownClass``, the last one first.

        Once the scope of the class is open, async and synchronous cleanups stand on its stack.
        """
        scope = cls._asynctesting_open_scope()
        if scope is None:
            super().addClassCleanup(function, *args, **kwargs)
        else:
            scope.cleanups.append((function, args, kwargs))

    @classmethod
    def doClassCleanups(cls) -> None:
        """Run all class cleanups, and end the scope of the class.

        It also runs :meth:`asyncTearDownClass` where a ``tearDownClass`` without ``super()`` has
        left that out.
        """
        problems = cls._asynctesting_end_scope()
        super().doClassCleanups()  # what was added before the scope was open
        if problems:
            infos = [(type(error), error, error.__traceback__) for error in problems]
            for kind, error, _ in infos:
                if not issubclass(kind, Exception):
                    raise error
            cls.tearDown_exceptions = [*infos, *cls.tearDown_exceptions]

    # Opening and ending ------------------------------------------------------------------------

    @classmethod
    def _asynctesting_has_work(cls) -> bool:
        """Tell whether any test is there that is not skipped by its decorator."""
        for name in unittest.defaultTestLoader.getTestCaseNames(cls) or ["runTest"]:
            if not getattr(getattr(cls, name, None), "__unittest_skip__", False):
                return True
        return False  # should one run all the same, it opens the class itself

    @classmethod
    def _asynctesting_leak_policy(cls, method: object) -> Policy:
        """Return what leaks are for a test of this class, or for the class itself."""
        case: Any = cls
        allowed = _allow.allowed_by(cls, method)
        if case.allowed_leaks:
            allowed += (_allow.check_class_attribute(case.allowed_leaks, "allowed_leaks"),)
        return _settings.leak_policy(case.leaks, allowed)

    @classmethod
    def _asynctesting_options(cls) -> _registry.Options:
        settings = _settings.current()
        limit: Any = settings.timeout
        case: Any = cls
        share_clock = getattr(cls, "_asynctesting_shared_clock", None)
        return _registry.Options(
            case.loop_factory if share_clock is None else share_clock(),
            case.loop_debug,
            case.timeout if isinstance(limit, _settings.Unset) else limit,
            cls._asynctesting_leak_policy(None),
        )

    @classmethod
    def _asynctesting_open_scope(cls) -> WideScope | None:
        plan = cls._asynctesting_plan
        if plan is None or not plan.is_wide:
            return None
        return _registry.find(cls, plan.loop_scope, cls._asynctesting_options())

    @classmethod
    def _asynctesting_scope_of_class(cls, asked: str) -> WideScope:
        plan = cls._asynctesting_plan
        if plan is None or not plan.is_wide:
            raise ScopeError(
                f"{cls.__qualname__}.{asked}() needs an event loop that lives as long as the "
                f"class, and each test of {cls.__qualname__} has its own. Say loop_scope = 'class'"
            )
        return cls._asynctesting_enter_scope(plan)

    @classmethod
    def _asynctesting_enter_scope(cls, plan: Plan) -> WideScope:
        scope = _registry.enter(
            cls, plan.loop_scope, cls._asynctesting_options(), cls._asynctesting_end_class
        )
        scope.look_at = vars(cls).values
        return scope

    @classmethod
    def _asynctesting_open_class(cls, plan: Plan) -> WideScope:
        """Return the scope of the class, set up now unless it was before.

        Raises:
            BaseException: What the set-up raised, each time that it is asked for.
        """
        scope = cls._asynctesting_enter_scope(plan)
        if not scope.begun:
            scope.begun = True
            try:
                cls._asynctesting_set_up_class(scope, plan)
            except Exception as error:
                if scope.cancelled is not None:
                    error = cls._asynctesting_explain(error)
                scope.failure = error
            except BaseException:
                cls._asynctesting_end_class()
                raise
        if scope.failure is not None:
            raise scope.failure
        return scope

    @classmethod
    def _asynctesting_set_up_class(cls, scope: WideScope, plan: Plan) -> None:
        scope.skip_if_cancelled()
        if plan.fixtures is not None:
            for node in plan.fixtures.wide:
                cls._asynctesting_obtain(scope, node)
        if plan.async_set_up:
            result = scope.perform("set-up", cls.asyncSetUpClass)
            refuse_left_over(result, f"{cls.__qualname__}.asyncSetUpClass")
        scope.owes_teardown = plan.async_tear_down

    @classmethod
    def _asynctesting_explain(cls, error: Exception) -> Exception:
        """Have what has cancelled the set-up say why, and return that."""
        reasons: list[Any] = cls._asynctesting_end_scope()
        if len(reasons) > 1:
            return ExceptionGroup("asyncSetUpClass was cancelled", reasons)
        first: Exception = reasons[0] if reasons else error
        return first

    @classmethod
    def _asynctesting_tear_down_class(cls, scope: WideScope) -> None:
        if scope.owes_teardown:
            scope.owes_teardown = False
            try:
                result = scope.perform("teardown", cls.asyncTearDownClass)
                refuse_left_over(result, f"{cls.__qualname__}.asyncTearDownClass")
            except ScopeCancelledError:
                if scope.cancelled is None:
                    raise
                # Told where that is left which has cancelled it.

    @classmethod
    def _asynctesting_end_scope(cls, scope: WideScope | None = None) -> list[BaseException]:
        """End the scope of the class, that of this thread if it is open; return what was wrong."""
        scope = scope or cls._asynctesting_open_scope()
        if scope is None:
            return []
        problems: list[BaseException] = []
        try:
            cls._asynctesting_tear_down_class(scope)
        except BaseException as error:
            problems.append(error)
        finally:
            problems += scope.finish()
            _registry.forget(scope)
        return problems

    @classmethod
    def _asynctesting_end_class(cls, scope: WideScope | None = None) -> list[BaseException]:
        """End the class where no runner did; return what was wrong."""
        problems = cls._asynctesting_end_scope(scope)
        if cls._class_cleanups:  # type: ignore[attr-defined]
            super().doClassCleanups()
            problems += [info[1] for info in cls.tearDown_exceptions]
            cls.tearDown_exceptions = []
        return problems

    # Fixtures -----------------------------------------------------------------------------------

    @classmethod
    def _asynctesting_obtain(cls, scope: WideScope, node: Node) -> Any:
        """Return the value of a wide fixture, made now in its scope unless it was before."""
        kind = node.fixture.scope
        home = next(s for s in (scope, *scope.lineage()) if s.kind == kind)
        if node in home.values:
            return home.values[node]
        if node in home.failures:
            raise home.failures[node]
        values = {name: cls._asynctesting_obtain(scope, needed) for name, needed in node.needs}
        fixture = node.fixture
        living = Living(fixture, node.owner or cls, values, cls._asynctesting_path_to(node))
        home.entered.append(living)
        asked = _settings.current().timeout  # by the environment, before all that stands in code
        limit = fixture.timeout if isinstance(asked, _settings.Unset) else asked
        try:
            with home.limited(limit):
                value = home.perform("set-up", living.start)
        except Exception as error:
            home.failures[node] = error
            raise
        home.values[node] = value
        if living.must_be_left:
            home.cleanups.append((Leaving(home, living, limit), (), {}))
        return value

    @classmethod
    def _asynctesting_path_to(cls, node: Node) -> Callable[[], str]:
        plan = cls._asynctesting_plan
        assert plan is not None and plan.fixtures is not None
        return functools.partial(plan.fixtures.draw_path_to, node)

    @classmethod
    def _asynctesting_obtain_around(cls, scope: WideScope, node: Node) -> None:
        """Make the wide fixtures that a test's own *node* needs, or *node* itself if it is wide."""
        if node.level:
            cls._asynctesting_obtain(scope, node)
        else:
            for _, needed in node.needs:
                cls._asynctesting_obtain_around(scope, needed)

    @classmethod
    def _asynctesting_value_of(cls, fixture: AsyncFixture[Any]) -> list[Any]:
        """Return the value of a wide fixture in a list, or an empty list."""
        plan = cls._asynctesting_plan
        node = plan.fixtures.nodes.get(fixture) if plan is not None and plan.fixtures else None
        scope = cls._asynctesting_open_scope()
        while scope is not None and node is not None:
            # Of this class: with another url of its own, a base's db is another db.
            if node in scope.values:
                return [scope.values[node]]
            scope = scope.parent
        return []


# For modules and the run -----------------------------------------------------------------------


def addModuleAsyncCleanup(
    func: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any
) -> None:
    """Have ``func(*args, **kwargs)`` awaited after the last test of the module.

    Call it in ``setUpModule()``, or in the async hooks, fixtures and tests of a class whose
    ``loop_scope`` is ``"module"`` or wider.

    Raises:
        ScopeError: If the class that calls it has no module scope around it.
        TypeError: If *func* can't be called.
    """
    _check_cleanup("addModuleAsyncCleanup", func)
    _scope_called("module", "addModuleAsyncCleanup").cleanups.append((func, args, kwargs))


def enterModuleAsyncContext(cm: AbstractAsyncContextManager[_T]) -> Any:
    """Enter *cm* in the owner task of the module, and leave it there after the last test.

    In ``setUpModule()`` it returns what *cm* yields. In a coroutine, await what it returns.

    Raises:
        ScopeError: If the class that calls it has no module scope around it.
        TypeError: If *cm* is no asynchronous context manager.
    """
    return _enter(_scope_called("module", "enterModuleAsyncContext"), cm)


def addSessionAsyncCleanup(
    func: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any
) -> None:
    """Have ``func(*args, **kwargs)`` awaited after the last test of the run.

    Call it in ``setUpModule()``, or in the async hooks, fixtures and tests of a class whose
    ``loop_scope`` is ``"session"``.

    Raises:
        ScopeError: If the class that calls it has no session scope around it.
        TypeError: If *func* can't be called.
    """
    _check_cleanup("addSessionAsyncCleanup", func)
    _scope_called("session", "addSessionAsyncCleanup").cleanups.append((func, args, kwargs))


def enterSessionAsyncContext(cm: AbstractAsyncContextManager[_T]) -> Any:
    """Enter *cm* in the owner task of the session, and leave it there after the run.

    In ``setUpModule()`` it returns what *cm* yields. In a coroutine, await what it returns.

    Raises:
        ScopeError: If the class that calls it has no session scope around it.
        TypeError: If *cm* is no asynchronous context manager.
    """
    return _enter(_scope_called("session", "enterSessionAsyncContext"), cm)


def _scope_called(kind: str, asked: str) -> WideScope:
    running = _registry.running_scope()
    if running is None and asyncio._get_running_loop() is not None:
        raise ScopeError(
            f"{asked}() was called on the event loop of a single test, which ends before the "
            f"{kind} does. Give the class loop_scope = {kind!r}"
        )
    if running is None:
        return _registry.open_alone(kind, _calling_module() if kind == "module" else "")
    for scope in (running, *running.lineage()):
        if scope.kind == kind:
            return scope
    raise ScopeError(
        f"{asked}() was called on the event loop of {running.name}, which ends before the {kind} "
        f"does. Give the class loop_scope = {kind!r}"
    )


def _check_cleanup(asked: str, func: object) -> None:
    if callable(func):
        return
    if inspect.iscoroutine(func):
        func.close()
    raise TypeError(
        f"{asked}() needs a function, which it calls at the end; got {func!r}. Write the function "
        "and its arguments one after the other, and no parentheses"
    )


def _calling_module() -> str:
    """Return the module whose ``setUpModule()`` runs, or else the one that calls us."""
    frame = inspect.currentframe()
    caller = None
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if frame.f_code.co_name == "setUpModule":
            return str(module)
        if caller is None and module != __name__:
            caller = str(module)
        frame = frame.f_back
    return caller or "__main__"


def _enter(scope: WideScope, cm: Any) -> Any:
    def add_cleanup(function: Callable[..., Any], *args: Any) -> None:
        scope.cleanups.append((function, args, {}))

    entering = scope.enter(cm, add_cleanup)
    if asyncio._get_running_loop() is not None:
        return entering
    try:
        return scope.perform("set-up", lambda: entering)
    finally:
        entering.close()  # where it could not be awaited; else it is done
