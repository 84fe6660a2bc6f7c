"""For test code that is not async: await something, and get its result.

``AsyncResultMixin`` gives a plain ``unittest.TestCase`` one event loop a test, ``async_test`` turns
one of its methods into a coroutine, and the function ``get_async_result`` works anywhere else.
Invariant: a traceback that passes through here holds one frame of ours between two of the user's.

There is no ``__unittest`` in this module: where an assertion fails, unittest cuts the traceback at
the first frame of a module that has it, and with it the line of the coroutine that failed.
"""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from . import _bridge_owners, _settings
from ._async_test import async_test
from ._bridge_owners import without_plumbing
from ._kinds import check_levels
from ._lint import check_loop_factory, refuse_async_module_hooks
from .errors import BridgeError, SettingError, SilentPassError

__all__ = ["AsyncResultMixin", "async_test", "get_async_result"]

_T = TypeVar("_T")
if TYPE_CHECKING:
    _Base = unittest.TestCase
else:
    _Base = object


def get_async_result(awaitable: Awaitable[_T], *, timeout: float | None = None) -> _T:
    """Await *awaitable* from synchronous code, on a fresh event loop that ends with the call.

    For ``setUpModule``, for module level, for helpers. In a test, prefer the method of
    :class:`AsyncResultMixin`: its loop outlives the call. Context variables are carried both ways.

    Args:
        awaitable: A coroutine, or anything else that can be awaited.
        timeout: The limit of this call in real seconds; ``None`` for the default of 60.
            ``ASYNCTESTING_TIMEOUT`` can only shorten it.

    Raises:
        BridgeError: Inside of a running event loop.
        LeakError: If the call left something behind, such as a pending task. The level can be set
            by ``ASYNCTESTING_LEAKS``.
        TimeLimitError: If the limit ran out; the message names the line.
        TypeError: If *awaitable* is none.

    Example:
        >>> get_async_result(asyncio.sleep(0, "done"))
        'done'
    """
    __tracebackhide__ = True
    try:
        _bridge_owners.check_awaitable(awaitable)
        return _bridge_owners.call_alone(awaitable, _check_timeout(timeout))
    except BaseException as error:
        _bridge_owners.close_unawaited(awaitable)
        raise without_plumbing(error)


class AsyncResultMixin(_Base):
    """Gives a plain ``TestCase`` one event loop a test, for :meth:`get_async_result`.

    Stands to the left of the case: ``class OldTests(AsyncResultMixin, unittest.TestCase)``. The
    loop is made at the first call and closed after the last cleanup. So queues, locks and sessions
    live across calls, and background tasks go on in the next one. What is left at the end fails
    the test, as it does in ``AsyncTestCase``.

    Attributes:
        timeout: The limit of each test in real seconds for all that it awaits, the closing of the
            loop included; synchronous code does not count. The decorator ``@timeout`` and
            ``ASYNCTESTING_TIMEOUT`` go before it.
        leaks: What happens when something is left behind: ``"default"``, ``"error"``, ``"warn"``
            or ``"off"``, or one of these for each kind. ``ASYNCTESTING_LEAKS`` goes before it.
        loop_factory: What makes the loop: a class or a function without arguments. ``None`` for
            our own.
        loop_debug: Debug mode of the loop: ``True``, ``False``, or ``None`` to follow the
            interpreter.
        ambient_loop: Whether ``asyncio.get_event_loop()`` answers with the test's loop in its
            synchronous code, from set-up on. What was current before is put back afterwards.

    Raises:
        BridgeError: When a subclass is made that awaits by itself, or has the mixin on the right.
        SettingError: When a subclass is made with a setting that can't be meant.
        SilentPassError: When a subclass is made with an ``async def`` method that unittest would
            call and not await.

    Example:
        >>> class QueueTests(AsyncResultMixin, unittest.TestCase):
        ...     def setUp(self):
        ...         self.queue = asyncio.Queue()
        ...     def test_order(self):
        ...         self.get_async_result(self.queue.put("hello"))
        ...         self.assertEqual(self.get_async_result(self.queue.get()), "hello")
        >>> unittest.TextTestRunner().run(QueueTests("test_order")).wasSuccessful()
        True
    """

    timeout: ClassVar[float | None] = _settings.DEFAULT_TIMEOUT
    leaks: ClassVar[str | Mapping[str, str]] = "default"
    loop_factory: ClassVar[Any] = None
    loop_debug: ClassVar[bool | None] = None
    ambient_loop: ClassVar[bool] = False

    _asynctesting_bridged = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _settings.current()  # a bad setting in the environment is said at once
        _check_settings(cls)
        if issubclass(cls, unittest.TestCase):
            _check_bases(cls)
            _check_methods(cls)

    @classmethod
    def setUpClass(cls) -> None:
        """Prepare what all tests of the class share; to be overridden."""
        super().setUpClass()
        refuse_async_module_hooks(cls.__module__, "asynctesting.get_async_result(...)")

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test, collecting its outcome in *result*."""
        with _bridge_owners.running(self):
            return super().run(result)

    def debug(self) -> None:
        """Run the test without collecting its outcome; its first error is raised.

        There is no limit but the ``timeout`` of a call. After an error the loop stays open, so that
        ``doCleanups()`` can still be called; it closes the loop.
        """
        with _bridge_owners.running(self, keep=True):
            super().debug()

    def get_async_result(self, awaitable: Awaitable[_T], *, timeout: float | None = None) -> _T:
        """Await *awaitable* on the test's loop, and return its result.

        To be called in ``setUp``, the test, ``tearDown`` and cleanups, from synchronous code. All
        calls of a test run in one task, so what one of them enters, another may leave. Context
        variables are carried both ways.

        Args:
            awaitable: A coroutine, a future of the test's loop, or anything else that can be
                awaited.
            timeout: A limit for this call in real seconds. The limit of the test holds as well.

        Raises:
            BridgeError: Inside of a running event loop, from another thread, or outside of a
                running test.
            TimeLimitError: If a limit ran out; the message names the line.
            TypeError: If *awaitable* is none.
        """
        __tracebackhide__ = True
        try:
            _bridge_owners.check_awaitable(awaitable)
            bridge = _bridge_owners.bridge_of_test(self)
            return bridge.call(awaitable, _check_timeout(timeout))
        except BaseException as error:
            _bridge_owners.close_unawaited(awaitable)
            _bridge_owners.add_class_loop_note(error, type(self))
            raise without_plumbing(error)

    @classmethod
    def get_class_async_result(
        cls, awaitable: Awaitable[_T], *, timeout: float | None = None
    ) -> _T:
        """Await *awaitable* on the loop of the class, and return its result.

        The twin of :meth:`get_async_result` for ``setUpClass``, ``tearDownClass`` and class
        cleanups; a test uses it for what ``setUpClass`` has opened. The loop is closed after the
        last class cleanup, and stands still between calls. What is wrong there is reported as an
        error of the class.

        Args:
            awaitable: A coroutine, a future of the class's loop, or anything else that can be
                awaited.
            timeout: A limit for this call in real seconds. The limit of the class holds as well,
                anew for each call.

        Raises:
            BridgeError: Inside of a running event loop, or from another thread.
            TimeLimitError: If a limit ran out; the message names the line.
            TypeError: If *awaitable* is none.
        """
        __tracebackhide__ = True
        try:
            _bridge_owners.check_awaitable(awaitable)
            return _bridge_owners.bridge_of_class(cls).call(awaitable, _check_timeout(timeout))
        except BaseException as error:
            _bridge_owners.close_unawaited(awaitable)
            raise without_plumbing(error)


# What can be seen when a class is made ---------------------------------------------------------


def _check_timeout(timeout: float | None) -> float | None:
    return None if timeout is None else _settings.check_timeout(timeout, "timeout")


def _check_settings(cls: Any) -> None:
    name = cls.__qualname__
    _settings.check_timeout(cls.timeout, f"{name}.timeout")
    check_levels(cls.leaks, f"{name}.leaks")
    check_loop_factory(cls.loop_factory, f"{name}.loop_factory")
    if not isinstance(cls.ambient_loop, bool):
        raise SettingError(f"{name}.ambient_loop must be True or False; got {cls.ambient_loop!r}")


def _check_bases(cls: type) -> None:
    if issubclass(cls, unittest.IsolatedAsyncioTestCase):
        raise BridgeError(
            f"{cls.__qualname__} awaits by itself, so it needs no AsyncResultMixin, whose loop "
            "would be another one: just write 'async def' tests and 'await'"
        )
    if cls.__mro__.index(AsyncResultMixin) > cls.__mro__.index(unittest.TestCase):
        raise BridgeError(
            f"AsyncResultMixin must stand to the left of the test case: "
            f"class {cls.__name__}(AsyncResultMixin, ...)"
        )


_CALLED = ("setUp", "tearDown", "setUpClass", "tearDownClass", "runTest")
_HOW_TESTS_ARE_CALLED = ("__call__", "_callSetUp", "_callTestMethod", "_callTearDown")


def _check_methods(cls: type) -> None:
    if (
        any(
            getattr(cls, name, None) is not getattr(unittest.TestCase, name, None)
            for name in (*_HOW_TESTS_ARE_CALLED, "__getattribute__")
        )
        or getattr(super(AsyncResultMixin, cls), "run", None) is not unittest.TestCase.run
    ):
        return  # a base that calls tests in its own way may well await them
    prefix = unittest.TestLoader.testMethodPrefix
    for name in dir(cls):
        if name in _CALLED or name.startswith(prefix):
            method = inspect.getattr_static(cls, name)
            problem = _problem_with(getattr(method, "__func__", method), name)
            if problem:
                raise SilentPassError(f"{cls.__qualname__}.{name} {problem}")


def _problem_with(method: Callable[..., Any], name: str) -> str | None:
    if inspect.iscoroutinefunction(method):
        return (
            "is a coroutine function, which unittest calls and never awaits. Put @async_test above "
            "it, or derive the class from AsyncTestCase"
        )
    if inspect.isasyncgenfunction(method) or inspect.isgeneratorfunction(method):
        return "has a 'yield' in it, so calling it runs nothing. Remove the yield"
    return None
