"""The result of a run: how it tells us that the run is over, and how it is told what went wrong.

unittest says when a class and a module are over, and nothing of the run. But each runner has a
result and calls ``stopTestRun()`` on it, before the errors are printed and counted; the result of a
run gets that one method replaced. pytest has no such result, and a plugin of ours instead.
"""

from __future__ import annotations

import contextlib
import sys
import unittest
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

from . import _internals

__unittest = True

#: What it is to be called in the result, and what it was.
Problem = tuple[str, BaseException]

_OnEnd = Callable[[Any], None]


def target_of(result: Any) -> Any:
    """Follow results that pass everything on, as those of the threads of testtools do."""
    for _ in range(10):  # a mock would pass on for ever
        target = getattr(result, "decorated", None) or getattr(result, "result", None)
        passes_on = callable(getattr(target, "addError", None)) and hasattr(target, "stopTestRun")
        if not passes_on:
            break
        result = target
    return result


def result_of_callers() -> Any:
    """Return the result of the suite or the test that unittest runs in this thread, if any does."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") in ("unittest.suite", "unittest.case"):
            result = frame.f_locals.get("result")
            if callable(getattr(result, "addError", None)):
                return result
        frame = frame.f_back
    return None


# Its end ---------------------------------------------------------------------------------------


def hook(result: Any, on_end: _OnEnd) -> bool:
    """Have *on_end* called with *result* when its run is over; tell whether that can be."""
    original = getattr(result, "stopTestRun", None)
    if not callable(original):
        return _hook_nose2(result, on_end)  # pytest's has none, either
    if getattr(original, "__asynctesting__", False):
        return True

    def stop_test_run() -> Any:
        on_end(result)
        if getattr(result, "__dict__", {}).get("stopTestRun") is stop_test_run:
            del result.stopTestRun
        return original()

    stop_test_run.__asynctesting__ = True  # type: ignore[attr-defined]
    try:
        result.stopTestRun = stop_test_run
    except AttributeError:  # it has slots
        return False
    return True


class _Nose2Plugin:
    """Listens for the end of the run in nose2, whose result is not told of it."""

    def __init__(self, result: Any, on_end: _OnEnd) -> None:
        self._result = result
        self._on_end = on_end

    def stopTestRun(self, event: Any) -> None:
        self._on_end(self._result)


def _hook_nose2(result: Any, on_end: _OnEnd) -> bool:
    hooks: Any = getattr(getattr(result, "session", None), "hooks", None)
    if not callable(getattr(hooks, "register", None)) or not hasattr(hooks, "setTestOutcome"):
        return False
    if not getattr(result, "_asynctesting_is_hooked", False):
        result._asynctesting_is_hooked = True
        hooks.register("stopTestRun", _Nose2Plugin(result, on_end))
    return True


# What it is told -------------------------------------------------------------------------------


def tell(result: Any, problems: Iterable[Problem]) -> None:
    """Add *problems* to *result*, as unittest adds those of class and module fixtures."""
    with failures_noted(result, sys.exc_info()[1]):
        for title, problem in problems:
            holder = _internals.error_holder(title)
            if isinstance(problem, unittest.SkipTest):
                result.addSkip(holder, str(problem))
            else:
                result.addError(holder, (type(problem), problem, problem.__traceback__))


@contextlib.contextmanager
def failures_noted(result: Any, interrupt: BaseException | None) -> Iterator[None]:
    """Note failures with a Ctrl-C that is on its way out: unittest prints no list of them then."""
    result = target_of(result)
    before = _failures_of(result)
    try:
        yield
    finally:
        if isinstance(interrupt, KeyboardInterrupt):
            for failure in _failures_of(result):
                if all(failure is not known for known in before):
                    title, text = failure
                    # That it comes after the interruption goes without saying.
                    text = text.rpartition(_CONTEXT)[2].strip()
                    interrupt.add_note(f"\nERROR after the interruption: {title}\n{text}")


_CONTEXT = "During handling of the above exception, another exception occurred:\n"


def _failures_of(result: Any) -> list[tuple[Any, str]]:
    return [*getattr(result, "errors", ()), *getattr(result, "failures", ())]
