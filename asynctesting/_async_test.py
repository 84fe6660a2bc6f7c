"""``@async_test``: one method of a plain test case is a coroutine.

This module says ``__unittest``, where ``bridge.py`` must not: the frame of the wrapper is the first
one of a traceback, and unittest leaves it out.
"""

from __future__ import annotations

import functools
import inspect
import unittest
from collections.abc import Callable
from typing import Any, TypeVar

from . import _bridge_owners
from ._bridge import Bridge
from ._lint import ASYNC_TEST_MARK
from .errors import BridgeError, SilentPassError

__unittest = True

_F = TypeVar("_F", bound=Callable[..., Any])


def async_test(method: _F) -> _F:
    """Make a coroutine function a method that unittest can call, in a plain ``TestCase``.

    The test's loop runs it, the one of ``get_async_result()``; so it may stand above ``setUp`` and
    ``tearDown``, too. Inside of a coroutine on that loop it stays what it was: ``await
    super().setUp()``. Other decorators may stand above and below it. With ``AsyncResultMixin`` on
    the class, the settings of the class hold; without, the decorator ``@timeout`` and the
    environment.

    Raises:
        BridgeError: If the method is called on a case that awaits by itself, such as
            ``AsyncTestCase``, or on something else than a ``TestCase``.
        SilentPassError: If *method* is a generator function.
        TypeError: If it is another plain function.

    Example:
        >>> class GreetingTests(unittest.TestCase):
        ...     @async_test
        ...     async def test_sleep(self):
        ...         self.assertEqual(await asyncio.sleep(0, "hello"), "hello")
        >>> unittest.TextTestRunner().run(GreetingTests("test_sleep")).wasSuccessful()
        True
    """
    _check_method(method)

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        owner = args[0] if args else None
        bridge = _bridge_of(owner, method)
        if bridge.is_running:
            return method(*args, **kwargs)
        awaitable = method(*args, **kwargs)
        if not inspect.isawaitable(awaitable):
            raise TypeError(
                f"{_name(method)}() returned {awaitable!r}, which can't be awaited. @async_test "
                "stands above 'async def', or above a decorator that leaves it one"
            )
        try:
            _bridge_owners.check_awaitable(awaitable)
            return bridge.call(awaitable)
        except BaseException as error:
            _bridge_owners.close_unawaited(awaitable)
            raise _bridge_owners.without_plumbing(error)

    # It is none any more, whatever the marks say that wraps() has copied.
    for mark in ("_is_coroutine_marker", "_is_coroutine"):
        call.__dict__.pop(mark, None)
    setattr(call, ASYNC_TEST_MARK, True)
    return call  # type: ignore[return-value]


def _check_method(method: Any) -> None:
    name = _name(method)
    if isinstance(method, (classmethod, staticmethod)):
        raise TypeError(f"write @{type(method).__name__} above @async_test on {name}()")
    if inspect.isasyncgenfunction(method) or inspect.isgeneratorfunction(method):
        raise SilentPassError(
            f"{name}() has a 'yield' in it, so calling it runs nothing. Remove the yield; to await "
            "something, write 'await'"
        )
    if inspect.isfunction(method) and not (
        inspect.iscoroutinefunction(method) or hasattr(method, "__wrapped__")
    ):
        raise TypeError(f"{name}() is no coroutine function: write 'async def', or no @async_test")


def _bridge_of(owner: object, method: object) -> Bridge:
    cls = owner if isinstance(owner, type) else type(owner)
    if not issubclass(cls, unittest.TestCase):
        name = _name(method)
        raise BridgeError(
            f"@async_test is for the methods of a TestCase, and {name}() is none. Leave it out, "
            f"and call asynctesting.get_async_result({name}())"
        )
    if issubclass(cls, unittest.IsolatedAsyncioTestCase):
        raise BridgeError(
            f"{cls.__qualname__} awaits by itself, on another loop than @async_test: just write "
            f"'async def {_name(method)}' there, without the decorator"
        )
    if isinstance(owner, unittest.TestCase):
        return _bridge_owners.bridge_of_test(owner)
    return _bridge_owners.bridge_of_class(cls)


def _name(method: object) -> str:
    return str(getattr(method, "__name__", method))
