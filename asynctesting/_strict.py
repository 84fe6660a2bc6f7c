"""No silent pass for plain ``unittest.TestCase`` either, in the runs of our own runner.

A coroutine test in a plain ``TestCase`` is called, its coroutine dropped, and it passes with two
warnings. Our own runner owns the process, so it may close that hole for every class that leaves
unittest's calls of its methods as they are.
"""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Callable
from typing import Any

from ._case import AsyncTestCase
from ._lint import problems_of
from .errors import AsyncTestingError, SilentPassError

__unittest = True


def make_strict() -> None:
    """Have plain test cases fail where unittest would drop a coroutine or a generator."""
    case: Any = unittest.TestCase
    case._callSetUp = _call_set_up
    case._callTearDown = _call_tear_down
    case._callTestMethod = _calling_test(case._callTestMethod)
    case._callCleanup = _call_cleanup


def stand_ins(cls: type[unittest.TestCase]) -> dict[str, unittest.TestCase]:
    """Return a failing test for each test of *cls* that would never run, by the test's name.

    A class fixture that would never run concerns all of its tests; the name is then ``""``.
    """
    if issubclass(cls, AsyncTestCase):
        return {}  # its own checks say it, when the class is made or when the test runs
    problems = problems_of(cls, own_settings=False)
    found = {}
    for name, problem in problems.items():
        if name in ("setUpClass", "tearDownClass"):
            return {"": _failing(cls, "test", problem)}
        if name.startswith(unittest.TestLoader.testMethodPrefix):
            found[name] = _failing(cls, name, problem)
    return found


def _failing(cls: type, name: str, problem: AsyncTestingError) -> unittest.TestCase:
    def fail(self: unittest.TestCase) -> None:
        raise problem

    stand_in = type(cls.__name__, (unittest.TestCase,), {name: fail})
    stand_in.__module__, stand_in.__qualname__ = cls.__module__, cls.__qualname__
    case: unittest.TestCase = stand_in(name)
    return case


def _call_set_up(self: Any) -> None:
    _refuse(self, "setUp", self.setUp())


def _call_tear_down(self: Any) -> None:
    _refuse(self, "tearDown", self.tearDown())


def _call_cleanup(
    self: unittest.TestCase, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> None:
    _refuse(self, f"the cleanup {function!r}", function(*args, **kwargs))


def _calling_test(original: Callable[..., None]) -> Callable[..., None]:
    def _call_test_method(self: unittest.TestCase, method: Callable[[], Any]) -> None:
        results: list[Any] = []

        def call() -> Any:
            results.append(method())
            _refuse(self, self._testMethodName, results[0])
            return results[0]

        original(self, call)

    return _call_test_method


def _refuse(case: unittest.TestCase, name: str, result: Any) -> None:
    if result is None or not (
        inspect.isawaitable(result) or inspect.isasyncgen(result) or inspect.isgenerator(result)
    ):
        return
    if inspect.iscoroutine(result):
        result.close()
    raise SilentPassError(
        f"{type(case).__qualname__}: {name} returned a {type(result).__name__}, which "
        "unittest.TestCase never awaits, so nothing of it has run. Derive the class from "
        "asynctesting.AsyncTestCase"
    )
