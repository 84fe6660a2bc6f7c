"""Whose bridge: that of a running test, of a class, or of one call.

The bridge of a test or of a class is made at its first use and hooks itself in below all cleanups,
where unittest ends it like any other cleanup: after the last one that may still need its loop,
inside the accounting of outcomes.
Invariant: nothing of a bridge stays on a case whose test is over, so that the case can be pickled
and run again.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import inspect
import sys
import threading
import unittest
import warnings
import weakref
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from types import CoroutineType, FrameType
from typing import Any, NoReturn, TypeVar

from . import _settings
from ._bridge import SETTINGS_MARK, Bridge, Options, awaited_text, call_text
from ._report import Place, raise_at
from .errors import BridgeError, LeakWarning, StuckError, TimeLimitError

__unittest = True

_T = TypeVar("_T")

# Where a case or a class keeps its bridge, and the thread in which a test runs.
_SLOT = "_asynctesting_bridge"
_THREAD = "_asynctesting_thread"


# The bridge of a test --------------------------------------------------------------------------


def bridge_of_test(case: unittest.TestCase, *, limited: bool | None = None) -> Bridge:
    """Return the bridge of a running test, made now if this is its first use.

    Args:
        case: The test.
        limited: Whether it has a limit; ``None`` for all but ``debug()``.

    Raises:
        BridgeError: If the test is not running, or runs in another thread.
    """
    own = case.__dict__
    bridge: Bridge | None = own.get(_SLOT)
    if bridge is not None:
        _check_thread(bridge.thread, bridge.title)
        return bridge
    if hasattr(case, SETTINGS_MARK):
        if _THREAD not in own:
            raise BridgeError(
                f"{case} is not running, so it has no event loop. Call get_async_result() in "
                "setUp(), the test, tearDown() or a cleanup. Elsewhere, in a pytest fixture say, "
                "use the function asynctesting.get_async_result(), which has a loop of its own"
            )
        _check_thread(own[_THREAD], str(case))
    else:
        _check_thread(_thread_that_runs(case), str(case))
    method = getattr(case, case._testMethodName, None)
    options = Options.of(type(case), method)
    if not (getattr(case, "_outcome", None) is not None if limited is None else limited):
        options = replace(options, limit=None)
    # The function, not the method: that would hold the case, which holds the bridge, and both would
    # wait for the collector, which has no order in which to close things.
    subject = getattr(method, "__func__", method)
    own[_SLOT] = bridge = Bridge(
        case._testMethodName, str(case), options, subject=subject, test=case.id()
    )
    bridge.test_id = case.id()
    # Ended after all cleanups, since some are older than the loop and may need it: by run() in
    # doCleanups(), where it can still be told whether the test has failed, and by debug(), which
    # does not call that, in the last cleanup.
    own["doCleanups"] = functools.partial(_do_cleanups, weakref.ref(case))
    _cleanups(case).insert(0, (_end_debugged_test, (weakref.ref(case),), {}))
    return bridge


def _cleanups(case: Any) -> list[Any]:
    """Return the cleanups of a case or a class; the last one is called first."""
    name = "_class_cleanups" if isinstance(case, type) else "_cleanups"
    found: list[Any] = getattr(case, name)
    return found


def _do_cleanups(case_ref: Callable[[], Any]) -> Any:
    """Stand in the place of ``doCleanups()`` while a test has a bridge."""
    case = case_ref()
    success = type(case).doCleanups(case)
    outcome = case._outcome
    if outcome is not None and _tear_down_is_to_come(case):
        # Nobody knows when that will be, and other tests may run before.
        case.__dict__[_SLOT].forget_window()
    if outcome is None or _tear_down_is_to_come(case):
        return success
    bridge = _take_bridge(case)
    if bridge is not None:
        for problem in bridge.close(failed=bool(outcome.expectedFailure or not outcome.success)):
            with outcome.testPartExecutor(case):
                _raise(problem, bridge.place)
    return outcome.success


def _end_debugged_test(case_ref: Callable[[], Any]) -> None:
    case = case_ref()
    if case is None or getattr(case, "_outcome", None) is not None:
        return
    bridge = _take_bridge(case)
    if bridge is not None:
        _raise_each(bridge.close(), _cleanups(case), bridge.place)


def _take_bridge(case: unittest.TestCase) -> Bridge | None:
    """Take what belongs to a bridge off the case, and return the bridge."""
    own, cleanups = case.__dict__, _cleanups(case)
    own.pop("doCleanups", None)
    cleanups[:] = [cleanup for cleanup in cleanups if cleanup[0] is not _end_debugged_test]
    bridge: Bridge | None = own.pop(_SLOT, None)
    return bridge


def _tear_down_is_to_come(case: unittest.TestCase) -> bool:
    # `pytest --pdb` puts a lambda there, and calls the real one when the debugger is done. The
    # bridge waits for that, and ends together with the case.
    return getattr(case.__dict__.get("tearDown"), "__module__", "") == "_pytest.unittest"


def _raise_each(
    problems: list[BaseException], cleanups: list[Any], place: Place | None = None
) -> None:
    """Raise the first problem here, and each further one in a cleanup of its own."""
    cleanups += [(_raise, (problem, place), {}) for problem in reversed(problems[1:])]
    if problems:
        _raise(problems[0], place)


def _raise(problem: BaseException, place: Place | None) -> NoReturn:
    if place is not None and problem.__traceback__ is None and isinstance(problem, AssertionError):
        raise_at(problem, place)
    raise problem


@contextlib.contextmanager
def running(case: unittest.TestCase, *, keep: bool = False) -> Iterator[None]:
    """Mark *case* as running in this thread.

    Args:
        case: A case with the mixin.
        keep: Whether a bridge that is still open stays so, for cleanups that are called later.
    """
    own = case.__dict__
    own[_THREAD] = threading.get_ident()
    try:
        if getattr(type(case), "ambient_loop", False):
            bridge_of_test(case, limited=not keep)  # so that setUp() finds a current loop
        yield
    finally:
        del own[_THREAD]
        if not keep and not _tear_down_is_to_come(case):
            bridge = _take_bridge(case)
            if bridge is not None:  # skipped by its decorator, or ended by Ctrl-C
                bridge.drop()


# The bridge of a class -------------------------------------------------------------------------


_CLASS_ADVICE = (
    "They were found after the class cleanups. Await, cancel or close each of them in\n"
    "tearDownClass or in a class cleanup, with get_class_async_result(), on whose loop they live.\n"
    'leaks = "warn" on the class only warns of them, "off" says nothing.'
)
_open_classes: list[type[unittest.TestCase]] = []


def bridge_of_class(cls: type[unittest.TestCase]) -> Bridge:
    """Return the bridge of a class, made now if this is its first use.

    Raises:
        BridgeError: If another thread has made it.
    """
    bridge: Bridge | None = cls.__dict__.get(_SLOT)
    if bridge is None:
        title = f"the class {cls.__module__}.{cls.__qualname__}"
        _check_thread(_thread_that_runs(cls), title)
        bridge = Bridge(cls.__name__, title, Options.of(cls), each=True, advice=_CLASS_ADVICE)
        setattr(cls, _SLOT, bridge)
        _cleanups(cls).insert(0, (_end_class, (cls,), {}))
        if not _open_classes:
            atexit.register(_end_late_classes)
        _open_classes.append(cls)
    _check_thread(bridge.thread, bridge.title)
    return bridge


def _end_class(cls: type[unittest.TestCase]) -> None:
    bridge: Bridge | None = cls.__dict__.get(_SLOT)
    if bridge is None:
        return
    _check_thread(bridge.thread, bridge.title)
    delattr(cls, _SLOT)
    _open_classes.remove(cls)
    _raise_each(bridge.close(), _cleanups(cls))


def _end_late_classes() -> None:
    while _open_classes:
        cls = _open_classes.pop()
        bridge: Bridge = cls.__dict__[_SLOT]
        try:
            warnings.warn(
                f"the event loop of {bridge.title} is closed as late as at exit: nobody has called "
                "its doClassCleanups()",
                LeakWarning,
                stacklevel=2,
            )
        finally:
            if bridge.thread == threading.get_ident():
                bridge.drop()


def add_class_loop_note(error: BaseException, cls: type) -> None:
    """Tell who waits in vain that the class's loop stands still meanwhile, if there is one."""
    if _SLOT in cls.__dict__ and isinstance(error, (StuckError, TimeLimitError)):
        error.add_note(
            "What was made with get_class_async_result() lives on the loop of the class, which "
            "stands still here:\nit answers only within get_class_async_result()."
        )


# A bridge for one call -------------------------------------------------------------------------


_CALL_ADVICE = (
    "They were found when the call was over, and ended with its loop. Await, cancel or close each\n"
    "of them in the coroutine. What is to live on needs the loop of a test or of a class: see\n"
    "AsyncResultMixin."
)


def call_alone(awaitable: Awaitable[_T], timeout: float | None) -> _T:
    """Await *awaitable* on a loop that lives as long as this call."""
    options = Options.of(None)
    if timeout is not None and isinstance(_settings.current().timeout, _settings.Unset):
        options = replace(options, limit=None)  # the default gives way to a wish
    text = call_text(awaitable)
    bridge = Bridge(text, text, options, advice=_CALL_ADVICE)
    try:
        result = bridge.call(awaitable, timeout)
    except BaseException:
        bridge.drop()
        raise
    problems = bridge.close(undo=False)
    if len(problems) > 1:
        raise BaseExceptionGroup(f"several problems at the end of {bridge.name}", problems)
    _raise_each(problems, [])
    return result


# What every call does -----------------------------------------------------------------------


def check_awaitable(awaitable: object) -> None:
    """Refuse what can't be awaited, and what can't be awaited here.

    Raises:
        BridgeError: Inside of a running event loop.
        TypeError: If it is no awaitable.
    """
    if asyncio._get_running_loop() is not None:
        raise BridgeError(
            f"{call_text(awaitable)} was called inside of a running event loop, which would stand "
            f"still while it waits. Write 'await {awaited_text(awaitable)}' instead"
        )
    if type(awaitable) is CoroutineType or inspect.isawaitable(awaitable):
        return
    hint = ""
    if inspect.iscoroutinefunction(awaitable):
        hint = f". Call it: {getattr(awaitable, '__name__', 'it')}(...)"
    elif inspect.isasyncgen(awaitable):
        hint = ". Iterate it in a coroutine, with 'async for'"
    elif hasattr(awaitable, "__aenter__"):
        hint = ". Enter it in a coroutine, with 'async with'"
    raise TypeError(
        f"get_async_result() needs something that can be awaited, got {awaitable!r}{hint}"
    )


def close_unawaited(awaitable: object) -> None:
    """Close a coroutine that was refused, so that nobody says it was never awaited."""
    if inspect.iscoroutine(awaitable) and inspect.getcoroutinestate(awaitable) == "CORO_CREATED":
        awaitable.close()


def without_plumbing(error: BaseException) -> BaseException:
    """Cut the frames of this package off the front of an error's traceback."""
    traceback = error.__traceback__
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__"))
        if not module.startswith("asynctesting."):
            break
        traceback = traceback.tb_next
    return error.with_traceback(traceback)


_OF_TESTS = {function.__code__ for function in (unittest.TestCase.run, unittest.TestCase.debug)}
_OF_CLASSES = {"setUpClass", "tearDownClass", "doClassCleanups"}


def _thread_that_runs(owner: unittest.TestCase | type[unittest.TestCase]) -> int:
    """Return the thread in which unittest runs a test, or a class; this one if nobody knows.

    It is asked once for each bridge, since the thread that comes first may be a guest.
    """
    me = threading.get_ident()
    if not _is_run_below(sys._getframe(), owner):
        for thread, frame in sys._current_frames().items():
            if thread != me and _is_run_below(frame, owner):
                return thread
    return me


def _is_run_below(
    frame: FrameType | None, owner: unittest.TestCase | type[unittest.TestCase]
) -> bool:
    while frame is not None:
        code = frame.f_code
        if code in _OF_TESTS:
            case = frame.f_locals.get("self")
            if case is owner or (isinstance(owner, type) and isinstance(case, owner)):
                return True
        elif code.co_name in _OF_CLASSES and isinstance(owner, type):
            cls = frame.f_locals.get("cls")
            if isinstance(cls, type) and issubclass(cls, owner):
                return True
        frame = frame.f_back
    return False


def _check_thread(home: int, name: str) -> None:
    if home != threading.get_ident():
        raise BridgeError(
            f"the event loop of {name} belongs to another thread than "
            f"{threading.current_thread().name!r}, which can't await anything there. Use the "
            "function asynctesting.get_async_result(), which has a loop of its own"
        )
