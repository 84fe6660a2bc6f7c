"""What can be seen to be wrong when a test class is made: methods that would never run.

unittest calls ``setUp`` and its kin without awaiting them, and a test with a ``yield`` in it
returns a generator that nobody iterates. Stock, such a test passes. Here each case has a message
that names the method and the right spelling.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from ._allow import check_class_attribute
from ._kinds import check_levels
from ._settings import check_loop_debug, check_timeout
from .errors import AsyncTestingError, BridgeError, SettingError, SilentPassError

__unittest = True

_SYNC_HOOKS = {
    "setUp": "asyncSetUp",
    "tearDown": "asyncTearDown",
    "setUpClass": "asyncSetUpClass",
    "tearDownClass": "asyncTearDownClass",
    "run": None,
    "debug": None,
    "doCleanups": None,
    "doClassCleanups": None,
    "id": None,
    "shortDescription": None,
    "countTestCases": None,
}
_ASYNC_CLASS_HOOKS = ("asyncSetUpClass", "asyncTearDownClass")
_ASYNC_HOOKS = ("asyncSetUp", "asyncTearDown", *_ASYNC_CLASS_HOOKS)
_PREFIX = "test"
_YIELDS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR

#: The attribute by which ``@async_test`` marks what it has made.
ASYNC_TEST_MARK = "__asynctesting_async_test__"


def problems_of(cls: type, *, own_settings: bool = True) -> dict[str, AsyncTestingError]:
    """Return what is wrong with the methods and settings of *cls*, by name.

    Args:
        cls: A test class, looked at with all of its bases.
        own_settings: Whether ``timeout`` and ``leaks`` on the class are our settings. In an
            adopted suite these names may mean something else.
    """
    found: dict[str, AsyncTestingError] = {}
    for name, attribute in _attributes(cls):
        if name in _ASYNC_CLASS_HOOKS and not own_settings:
            continue  # no hook of ours there, whatever it is
        problem = _problem_with(cls, name, attribute, own_settings)
        if problem is not None:
            found[name] = SilentPassError(f"{cls.__qualname__}.{name}: {problem}")
        elif getattr(_function_in(attribute), ASYNC_TEST_MARK, False) and hasattr(
            cls, "asyncSetUp"
        ):
            found[name] = BridgeError(
                f"{cls.__qualname__}.{name}: {cls.__name__} awaits by itself, on another loop than "
                f"@async_test: just write 'async def {name}', without the decorator"
            )
    if own_settings:
        checks = (
            ("timeout", check_timeout),
            ("leaks", check_levels),
            ("allowed_leaks", check_class_attribute),
            ("loop_debug", check_loop_debug),
        )
        for name, check in (*checks, ("loop_factory", check_loop_factory)):
            try:
                check(getattr(cls, name), f"{cls.__qualname__}.{name}")
            except AsyncTestingError as error:
                found[name] = error
    return found


def _attributes(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield what a test of *cls* would find under each name that matters, as it is written."""
    seen: set[str] = set()
    for base in cls.__mro__:
        if base.__module__.startswith("unittest.") or base is object:
            continue
        for name, attribute in vars(base).items():
            if name not in seen:
                seen.add(name)
                if name in _SYNC_HOOKS or name.startswith((_PREFIX, "async")):
                    yield name, attribute


def _problem_with(cls: type, name: str, attribute: Any, class_hooks: bool) -> str | None:
    if (
        type(attribute) is FunctionType
        and name.startswith(_PREFIX)
        and not attribute.__code__.co_flags & _YIELDS
    ):
        return None  # nearly every test there is: not worth three questions to inspect
    function = _function_in(attribute)
    yields = is_generator(function)
    is_coroutine = inspect.iscoroutinefunction(function)
    if name in _SYNC_HOOKS:
        if not (is_coroutine or yields):
            return None
        return _problem_with_sync_hook(name, class_hooks)
    if name in _ASYNC_HOOKS:
        return _problem_with_async_hook(name, attribute, yields)
    if name.startswith(_PREFIX):
        if not yields:
            return None
        return (
            "is a test with a 'yield' in it, so calling it makes a generator and runs nothing. "
            "Remove the yield; to await something, write 'await'"
        )
    right = next((hook for hook in _ASYNC_HOOKS if hook.lower() == name.lower()), None)
    if right is not None and (is_coroutine or yields):
        return f"is never called. Did you mean {right}?"
    return None


def _problem_with_async_hook(name: str, attribute: Any, yields: bool) -> str | None:
    of_class = "Class" if name in _ASYNC_CLASS_HOOKS else ""
    if yields:
        enter = "cls.enterClassAsyncContext()" if of_class else "self.enterAsyncContext()"
        return (
            "has a 'yield' in it, so calling it runs nothing. Move what stands after the yield "
            f"into asyncTearDown{of_class}, or write an async context manager and enter it with "
            f"{enter}"
        )
    if of_class and not isinstance(attribute, classmethod):
        return f"is called on the class. Write @classmethod above 'async def {name}(cls)'"
    return None


def _problem_with_sync_hook(name: str, class_hooks: bool) -> str:
    right = _SYNC_HOOKS[name]
    owner = "self"
    if right in _ASYNC_CLASS_HOOKS:
        right, owner = (right, "cls") if class_hooks else (None, "")
    advice = (
        f"Write 'async def {right}({owner})', which is awaited"
        if right
        else "Write it as a plain method; open async resources in asyncSetUp"
    )
    return (
        f"is a coroutine or generator function, but unittest calls {name}() without awaiting it. "
        f"{advice}"
    )


def _function_in(attribute: Any) -> Any:
    while True:
        if isinstance(attribute, (staticmethod, classmethod)):
            attribute = attribute.__func__
        elif isinstance(attribute, (functools.partial, functools.partialmethod)):
            attribute = attribute.func
        else:
            return attribute


def is_generator(function: Any) -> bool:
    """Tell whether calling *function* makes a generator, and runs nothing."""
    if inspect.isasyncgenfunction(function):
        return True
    code = getattr(function, "__code__", None)
    # types.coroutine() marks a generator function whose generators can be awaited.
    return inspect.isgeneratorfunction(function) and not (
        code is not None and code.co_flags & inspect.CO_ITERABLE_COROUTINE
    )


def check_loop_factory(factory: Any, source: str) -> None:
    """Refuse what can't make a loop.

    Raises:
        SettingError: If *factory* can't be called, or needs arguments.
    """
    if factory is None:
        return
    if not callable(factory):
        raise SettingError(
            f"{source} must be a class or a function without arguments that returns an event "
            f"loop; got {factory!r}"
        )
    if isinstance(factory, FunctionType):
        required = [
            parameter.name
            for parameter in inspect.signature(factory).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        if required:
            raise SettingError(
                f"{source} is called without arguments, but {factory.__qualname__}() needs "
                f"{', '.join(required)}; it is no method, so leave 'self' out"
            )


def refuse_async_module_hooks(module: str, advice: str) -> None:
    """Refuse an ``async def setUpModule()``; to be called when a class of *module* is set up.

    Not when the class is made, since the hooks may be written below it.

    Args:
        module: The name of the module.
        advice: What to call in ``setUpModule()`` instead of awaiting.
    """
    for name in ("setUpModule", "tearDownModule"):
        if inspect.iscoroutinefunction(getattr(sys.modules.get(module), name, None)):
            raise SilentPassError(
                f"{module}.{name} is a coroutine function, which unittest calls and never awaits. "
                f"Write 'def {name}()', and in setUpModule() call {advice}"
            )
