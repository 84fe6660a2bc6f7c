"""Tracebacks begin and end in the user's code, whatever was raised and wherever."""

from __future__ import annotations

import asyncio
import traceback
import unittest
from typing import Any

from asynctesting import AsyncTestCase
from tests.support import OutcomeAssertions, run_case, spin


class CustomError(AssertionError):
    """unittest cuts its own frames from the end for a test's ``failureException`` only."""


def frames_of(error: BaseException) -> list[str]:
    """Return the names of the functions in the traceback that a runner would print."""
    # As TestResult does it: leading frames of modules that say __unittest are left out.
    tb = error.__traceback__
    while tb is not None and "__unittest" in tb.tb_frame.f_globals:
        tb = tb.tb_next
    return [frame.name for frame in traceback.extract_tb(tb)]


class TracebackTests(OutcomeAssertions):
    def check_frames(self, case: Any, *names: str) -> None:
        """Check which functions the printed traceback shows, and that none is ours."""
        outcome = run_case(case)

        (error,) = outcome.raised
        self.assertEqual(frames_of(error), list(names), outcome.report)
        self.assertNotIn("asynctesting/_", outcome.report)

    def test_a_failed_assertion(self) -> None:
        """The test's line, and nothing before or after it."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                await asyncio.sleep(0)
                self.assertEqual(1, 2)

        outcome = run_case(Case)

        self.assertRegex(
            outcome.report,
            r"^Traceback \(most recent call last\):\n  File .*test_tracebacks.py\", line \d+, in "
            r"test_it\n    self.assertEqual\(1, 2\)\n(?: +[~^]+\n)?AssertionError: 1 != 2\n",
        )

    def test_a_failed_assertion_of_a_subclass(self) -> None:
        """Where failureException is a class of the user's own, unittest's frames are cut, too."""

        class Case(AsyncTestCase):
            failureException = CustomError

            async def test_it(self) -> None:
                await asyncio.sleep(0)
                self.assertEqual(1, 2)

        self.check_frames(Case, "test_it")

    def test_a_failed_assertion_in_a_helper(self) -> None:
        """The helper is the user's code, too."""

        class Case(AsyncTestCase):
            failureException = CustomError

            async def test_it(self) -> None:
                await self.helper()

            async def helper(self) -> None:
                self.assertTrue(False)

        self.check_frames(Case, "test_it", "helper")

    def test_each_phase(self) -> None:
        """Hooks and cleanups, sync and async."""

        class Failing(AsyncTestCase):
            failureException = CustomError

            async def test_it(self) -> None: ...

        class SetUp(Failing):
            def setUp(self) -> None:
                self.fail("here")

        class AsyncSetUp(Failing):
            async def asyncSetUp(self) -> None:
                self.fail("here")

        class AsyncTearDown(Failing):
            async def asyncTearDown(self) -> None:
                self.fail("here")

        class TearDown(Failing):
            def tearDown(self) -> None:
                self.fail("here")

        class Cleanup(Failing):
            async def test_it(self) -> None:
                self.addAsyncCleanup(self.clean_up)

            async def clean_up(self) -> None:
                self.fail("here")

        class SyncTest(Failing):
            def test_it(self) -> None:  # type: ignore[override]
                self.fail("here")

        for case, name in (
            (SetUp, "setUp"),
            (AsyncSetUp, "asyncSetUp"),
            (AsyncTearDown, "asyncTearDown"),
            (TearDown, "tearDown"),
            (Cleanup, "clean_up"),
            (SyncTest, "test_it"),
        ):
            with self.subTest(case.__name__):
                self.check_frames(case, name)

    def test_an_error_deep_in_a_library(self) -> None:
        """Its frames stay: they are where it happened."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                await asyncio.wait_for(self.broken(), 10)

            async def broken(self) -> None:
                raise ValueError("here")

        outcome = run_case(Case)

        (error,) = outcome.raised
        self.assertEqual(frames_of(error)[0], "test_it")
        self.assertEqual(frames_of(error)[-1], "broken")

    def test_an_error_in_a_task(self) -> None:
        """The awaiting line and the raising line."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                await asyncio.create_task(self.broken())

            async def broken(self) -> None:
                await spin()
                raise ValueError("here")

        self.check_frames(Case, "test_it", "broken")

    def test_a_leak_points_to_the_test(self) -> None:
        """It was found when the test was over, so the test's definition is the line to show."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(asyncio.sleep(60), name="forgotten")

        self.check_frames(Case, "test_it")

    def test_a_wrongly_written_test_shows_no_frames_of_ours(self) -> None:
        """Nothing of it has run; the message names it."""

        class Case(AsyncTestCase):
            def test_it(self) -> Any:
                return (number for number in ())

        self.check_frames(Case)

    def test_tracebacks_hold_no_plumbing_and_no_cycle(self) -> None:
        """The exception of a failed test is freed with its result."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.fail("here")

        outcome = run_case(Case)

        error = outcome.raised[0]
        found = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        self.assertNotIn("_live", found)
        self.assertIsNone(error.__context__)

    def test_a_stock_case_shows_its_plumbing(self) -> None:
        """The difference is real: there the test's line comes after those of asyncio."""

        class Case(unittest.IsolatedAsyncioTestCase):
            async def test_it(self) -> None:
                self.assertEqual(1, 2)

        (error,) = run_case(Case).raised
        self.assertIn("run_until_complete", frames_of(error))
