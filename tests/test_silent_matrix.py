"""The matrix of silent failures: twelve defects that others let pass, twelve failures here.

Each row is one defective test, beside an innocent one that stays green. ``test_silent_pass.py`` has
the variants of each; this file is the list that a user compares runners by.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest import mock

from asynctesting import AsyncTestCase, LeakError, SilentPassError, async_fixture
from tests.support import OutcomeAssertions, run_all


async def fail() -> None:
    raise ValueError("boom")


def wrapped(test: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate as many do, with a function that is no coroutine function."""

    @functools.wraps(test)
    def wrapper(*args: Any) -> Any:
        return test(*args)

    del wrapper.__wrapped__
    return wrapper


class Rows:
    """In here they are no tests of this module."""

    class Innocent(AsyncTestCase):
        """What stands beside each defect."""

        async def test_z_next(self) -> None:
            await asyncio.sleep(0)

    class Unawaited(Innocent):
        async def test_it(self) -> None:
            asyncio.sleep(0)

    class BackgroundTask(Innocent):
        async def test_it(self) -> None:
            self.task = asyncio.create_task(fail())
            await asyncio.sleep(0)

    class Callback(Innocent):
        async def test_it(self) -> None:
            self.loop.call_soon(lambda: 1 / 0)
            await asyncio.sleep(0)

    class Pending(Innocent):
        async def test_it(self) -> None:
            self.task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")

    class OpenServer(Innocent):
        async def test_it(self) -> None:
            self.server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)

    class Wrapped(Innocent):
        @wrapped
        async def test_it(self) -> None:
            self.fail("it was run")

    class UnawaitedMock(Innocent):
        async def test_it(self) -> None:
            send = mock.AsyncMock()
            send("hello")
            send.assert_called_once()

    class CrashInGroup(Innocent):
        async def asyncSetUp(self) -> None:
            if self._testMethodName == "test_it":
                group = await self.enterAsyncContext(asyncio.TaskGroup())
                group.create_task(fail())

        async def test_it(self) -> None:
            await asyncio.Event().wait()

    class TimeoutAroundYield(Innocent):
        @async_fixture(autouse=False)
        async def limited(self) -> AsyncIterator[None]:
            async with asyncio.timeout(0.001):
                yield

        async def test_it(self, limited: None) -> None:
            await asyncio.Event().wait()

    class ShortListOfReadings(Innocent):
        async def test_it(self) -> None:
            with mock.patch("time.monotonic", side_effect=[1.0]):
                await asyncio.sleep(0)
                await asyncio.sleep(0.001)


def make_async_generator() -> None:
    class Case(AsyncTestCase):
        async def test_it(self) -> AsyncIterator[None]:
            yield


def make_async_set_up() -> None:
    class Case(AsyncTestCase):
        async def setUp(self) -> None: ...  # type: ignore[override]


#: The defect, and how it fails: the kind of error, and a part of its text.
RUN = {
    "a coroutine is never awaited": (Rows.Unawaited, LeakError, "was never awaited"),
    "a background task raises": (Rows.BackgroundTask, LeakError, "ValueError: boom"),
    "a callback raises": (Rows.Callback, LeakError, "ZeroDivisionError"),
    "a task is left pending": (Rows.Pending, LeakError, "'forgotten'"),
    "a server is left open": (Rows.OpenServer, LeakError, "still listens"),
    "an async test is wrapped": (Rows.Wrapped, AssertionError, "it was run"),
    "an AsyncMock is called and not awaited": (Rows.UnawaitedMock, LeakError, "with ('hello')"),
    "a child of a TaskGroup crashes": (Rows.CrashInGroup, ExceptionGroup, "unhandled errors"),
    "a timeout around a fixture's yield": (Rows.TimeoutAroundYield, TimeoutError, ""),
    "time.monotonic() is a short list": (Rows.ShortListOfReadings, LeakError, "time.monotonic()"),
}
MADE = {
    "a test is an async generator": make_async_generator,
    "setUp() is a coroutine function": make_async_set_up,
}


class MatrixTests(OutcomeAssertions):
    def test_it_has_twelve_rows(self) -> None:
        """As the comparison in the documentation has."""
        self.assertEqual(len(RUN) + len(MADE), 12)

    def test_each_defect_fails_once_and_alone(self) -> None:
        """One failure, which says what is wrong; the next test of the class passes."""
        for defect, (case, kind, text) in RUN.items():
            with self.subTest(defect):
                outcome = run_all(case)

                self.assertEqual(outcome.testsRun, 2)
                (error,) = outcome.raised
                self.assertIsInstance(error, kind, outcome.report)
                self.assertIn(text, outcome.report)
                ((failed, _),) = outcome.errors + outcome.failures
                self.assertTrue(failed.id().endswith("test_it"), failed)

    def test_what_never_would_run_can_not_be_made(self) -> None:
        """The class statement itself fails, so no runner can overlook it."""
        for defect, make in MADE.items():
            with self.subTest(defect), self.assertRaises(SilentPassError):
                make()
