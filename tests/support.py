"""What the tests of a test framework need: a small case, run from outside, and its outcome.

A thermometer can't take its own temperature. So a test here defines a case, has :func:`run_case`
run it as any runner would, and looks at what the result was told. Nothing in this file knows how
the case works inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from asynctesting import _executor, _settings, _stuck, _syscalls, _watchdog

ROOT = Path(__file__).resolve().parent.parent

_E = TypeVar("_E", bound=BaseException)


class Outcome(unittest.TestResult):
    """What a run came to: a ``TestResult`` that also keeps the exceptions themselves.

    Attributes:
        raised: The exception of each error and failure, in order, those of subtests included.
        calls: The names of the methods that the case called on the result, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.raised: list[BaseException] = []
        self.calls: list[str] = []

    @property
    def report(self) -> str:
        """The texts of all errors and failures, as a runner prints them."""
        return "\n".join(text for _, text in [*self.errors, *self.failures])

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.calls.append("startTest")

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        self.calls.append("stopTest")

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self.calls.append("addSuccess")

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self.calls.append("addError")
        self.raised.append(err[1])

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self.calls.append("addFailure")
        self.raised.append(err[1])

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.raised.append(err[1])

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        self.calls.append("addSkip")

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self.calls.append("addExpectedFailure")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        self.calls.append("addUnexpectedSuccess")


def run_case(
    case: type[unittest.TestCase] | unittest.TestCase,
    name: str = "test_it",
    *,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Run one test as a runner would, and return its outcome.

    Args:
        case: A class, or an instance to run (once more).
        name: The test's method, where *case* is a class.
        environment: The ``ASYNCTESTING_...`` settings of this run. Those of the suite's own run
            are set aside, so that a test means the same however the suite is started.
    """
    outcome = Outcome()
    with settings(environment or {}):
        test = case(name) if isinstance(case, type) else case
        test.run(outcome)
    return outcome


def run_all(case: type[unittest.TestCase], *, environment: Mapping[str, str] | None = None) -> Any:
    """Run all tests of a class in one suite, class fixtures included; return the outcome."""
    outcome = Outcome()
    with settings(environment or {}):
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(outcome)
    return outcome


def run_classes(
    *cases: type[unittest.TestCase], environment: Mapping[str, str] | None = None
) -> Outcome:
    """Run the tests of *cases* in one run, and end it as runners do; return the outcome."""
    outcome = Outcome()
    loader = unittest.defaultTestLoader
    with settings(environment or {}):
        outcome.startTestRun()
        unittest.TestSuite([loader.loadTestsFromTestCase(case) for case in cases]).run(outcome)
        outcome.stopTestRun()
    return outcome


@contextlib.contextmanager
def settings(environment: Mapping[str, str]) -> Iterator[None]:
    """Have *environment* give our settings, and nothing else give any."""
    rest = {k: v for k, v in os.environ.items() if not k.startswith(_settings.PREFIX)}
    before = _settings._current
    with mock.patch.dict(os.environ, {**rest, **environment}, clear=True):
        _settings.forget()
        try:
            yield
        finally:
            _settings._current = before


def run_python(
    source: str,
    *options: str,
    environment: Mapping[str, str] | None = None,
    deadline: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run *source* as a script in a fresh process, strictly, and return how that ended.

    Args:
        source: The script; it is dedented.
        options: Arguments for the script.
        environment: Variables beside those of this process, ours left out.
        deadline: Real seconds after which the process is killed and the test fails. It guards
            against a hang and is far above what a script needs.
    """
    rest = {k: v for k, v in os.environ.items() if not k.startswith(_settings.PREFIX)}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        script.write_text(textwrap.dedent(source))
        command = [sys.executable, "-X", "dev", "-W", "error", str(script), *options]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=deadline,
            cwd=ROOT,
            env={**rest, "PYTHONPATH": str(ROOT), **(environment or {})},
        )


@contextlib.contextmanager
def alone_in_process() -> Iterator[None]:
    """Have whatever threads there are count for nothing in a verdict.

    A suite in one process has threads of earlier tests in it, those of C libraries included, and a
    loop rightly gives no verdict as long as they might call it.
    """
    threads = threading.enumerate()
    natives = _syscalls.native_threads()

    def native_threads() -> set[int]:
        return _syscalls.native_threads() - natives

    _executor.LEFT_BEHIND.update(threads)
    try:
        with mock.patch.object(_stuck, "native_threads", native_threads):
            yield
    finally:
        for thread in threads:
            _executor.LEFT_BEHIND.discard(thread)


@contextlib.contextmanager
def limits_by_hand() -> Iterator[None]:
    """Have limits also count the seconds that :func:`pass_time` lets pass.

    So a test of a limit need not wait for it, and the limit can be far longer than a busy machine
    may take for the steps before it.
    """
    global _passed
    before, _passed = _passed, 0.0
    try:
        with (
            mock.patch.object(_watchdog.Watch, "_now", staticmethod(_time_for_limits)),
            mock.patch.object(_watchdog._Patrol, "_now", staticmethod(_time_for_limits)),
        ):
            yield
    finally:
        _passed = before


def pass_time(seconds: float) -> None:
    """Let real seconds pass for limits alone, at once; inside :func:`limits_by_hand`.

    When it returns, the watchdog has looked: a loop whose limit is over was asked to report itself.
    """
    global _passed
    assert _watchdog.Watch._now is _time_for_limits, "pass_time() outside of limits_by_hand()"
    patrol = _watchdog._patrol
    _passed += seconds
    with patrol._bell:
        patrol.next_look = -math.inf
    patrol.look_earlier()
    while patrol.next_look <= _time_for_limits():
        time.sleep(0.0001)


_passed = 0.0


def _time_for_limits(now: Callable[[], float] = time.monotonic) -> float:
    return now() + _passed


async def spin(turns: int = 5) -> None:
    """Let the loop turn a few times: enough for whatever is ready to run to its next wait."""
    for _ in range(turns):
        await asyncio.sleep(0)


class OutcomeAssertions(unittest.TestCase):
    """Assertions about the outcome of one test; a base without tests of its own."""

    def assertPassed(self, outcome: unittest.TestResult) -> None:
        """Assert that exactly one test ran, and that nothing at all was said against it."""
        told = [*outcome.errors, *outcome.failures, *outcome.skipped]
        told += [*outcome.expectedFailures, *outcome.unexpectedSuccesses]
        if told:
            self.fail("the test did not simply pass:\n" + "\n".join(str(t[-1]) for t in told))
        self.assertEqual(outcome.testsRun, 1)

    def assertFailsWith(self, outcome: Outcome, kind: type[_E], *texts: str) -> _E:
        """Assert that one thing went wrong: a *kind* with all *texts* in its message.

        An ``AssertionError`` must have been counted as a failure, anything else as an error.

        Returns:
            The exception, for a closer look.
        """
        count = len(outcome.raised)
        self.assertEqual(count, 1, f"expected one error or failure, got {count}:\n{outcome.report}")
        error = outcome.raised[0]
        self.assertIsInstance(error, kind, outcome.report)
        failures = 1 if isinstance(error, AssertionError) else 0
        self.assertEqual(len(outcome.failures), failures, outcome.report)
        self.assertNotIn("addSuccess", outcome.calls)
        message = "\n".join([str(error), *getattr(error, "__notes__", [])])
        for text in texts:
            self.assertIn(text, message)
        assert isinstance(error, kind)
        return error

    def assertSkipped(self, outcome: Outcome, reason: str) -> None:
        """Assert that the test was skipped for *reason*, and nothing else happened."""
        self.assertEqual([text for _, text in outcome.skipped], [reason])
        self.assertEqual(outcome.raised, [], outcome.report)
        self.assertNotIn("addSuccess", outcome.calls)

    @contextlib.contextmanager
    def assertNoWarnings(self) -> Iterator[None]:
        """Assert that no warning is given inside, nor by what is garbage at the end."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
            gc.collect()
        self.assertEqual([str(warning.message) for warning in caught], [])

    def assertRunsClean(self, process: subprocess.CompletedProcess[str], *texts: str) -> None:
        """Assert that a script ended with status 0 and printed all *texts*."""
        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        for text in texts:
            self.assertIn(text, process.stdout)
