"""async_cm, async_iter and async_gen: typed, reusable, and their closing is checked."""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

from asynctesting import (
    AsyncTestCase,
    LeakError,
    VirtualClockMixin,
    async_cm,
    async_gen,
    async_iter,
)
from tests.support import OutcomeAssertions, run_case, spin


async def collect(items: AsyncIterable[Any]) -> list[Any]:
    return [item async for item in items]


class ContextTests(AsyncTestCase):
    async def test_it_gives_its_value_each_time(self) -> None:
        """And knows how often, and with which exceptions it was left."""
        file = async_cm("lines")
        error = KeyError("lost")

        async with file as first, file as second:
            self.assertEqual((first, second), ("lines", "lines"))
        with self.assertRaises(KeyError):
            async with file:
                raise error

        self.assertEqual((file.entered, file.exited), (3, 3))
        self.assertEqual(file.exceptions, [None, None, error])
        self.assertIsInstance(file, AbstractAsyncContextManager)
        file.assert_left()

    async def test_errors_on_the_way_in_and_out(self) -> None:
        """A context that could not be entered is not to be left."""
        refused = async_cm(enter_error=ConnectionError("refused"))
        cut = async_cm(exit_error=ConnectionError("cut"))

        with self.assertRaisesRegex(ConnectionError, "refused"):
            async with refused:
                self.fail("entered")
        with self.assertRaisesRegex(ConnectionError, "cut"):
            async with cut:
                pass

        self.assertEqual((refused.entered, cut.entered, cut.exited), (0, 1, 1))

    async def test_suppress(self) -> None:
        """The block's exception ends there."""
        quiet = async_cm(suppress=True)

        async with quiet:
            raise KeyError

        self.assertIsInstance(quiet.exceptions[0], KeyError)

    async def test_await_only_where_it_is_meant(self) -> None:
        """Awaiting what can only be entered is a bug of the code under test."""
        self.assertEqual(await async_cm(1, awaitable=True), 1)
        with self.assertRaisesRegex(TypeError, "entered with 'async with'"):
            await async_cm(1)
        with self.assertRaises(ConnectionError):
            await async_cm(enter_error=ConnectionError, awaitable=True)


class AssertLeftTests(unittest.TestCase):
    def test_assert_left(self) -> None:
        """Never entered, or entered and not left."""
        file = async_cm("lines")
        with self.assertRaisesRegex(AssertionError, "never entered"):
            file.assert_left()
        asyncio.run(file.__aenter__())
        with self.assertRaisesRegex(AssertionError, "<async_cm of 'lines' entered=1 exited=0>"):
            file.assert_left()


class IterationTests(AsyncTestCase):
    async def test_each_iteration_begins_anew(self) -> None:
        """Also while another one goes on."""
        items = async_iter(range(2))

        pairs = [(a, b) async for a in items for b in await collect(items)]

        self.assertEqual(pairs, [(0, 0), (0, 1), (1, 0), (1, 1)])
        self.assertEqual((items.begun, items.taken), (3, 6))

    async def test_raise_at(self) -> None:
        """In place of an item, or after the last; then the iteration is over."""
        for make in (async_iter, async_gen):
            for position, before in ((0, []), (1, ["a"]), (2, ["a", "b"])):
                seen = []
                items = make("ab", raise_at={position: ConnectionResetError("cut")})
                steps = aiter(items)
                with self.assertRaisesRegex(ConnectionResetError, "cut"):
                    while True:
                        seen.append(await anext(steps))
                self.assertEqual(seen, before)
                if make is async_iter:
                    with self.assertRaises(StopAsyncIteration):
                        await anext(steps)

    def test_a_position_that_is_never_reached(self) -> None:
        """Would be an exception that the test believes to have tested."""
        for position in (-1, 3):
            with self.assertRaisesRegex(ValueError, f"position {position}, and there are 2 items"):
                async_iter("ab", raise_at={position: KeyError})
        for make in (async_iter, async_gen):
            with self.assertRaisesRegex(TypeError, "exceptions by position"):
                make("ab", raise_at=KeyError)  # type: ignore[arg-type]
            with self.assertRaisesRegex(TypeError, "needs items, such as a list, got 5"):
                make(5)  # type: ignore[arg-type]


class GeneratorTests(AsyncTestCase):
    async def test_it_is_an_async_generator(self) -> None:
        """It can be sent to, thrown into and closed, and used again after each."""
        rows = async_gen(["a", "b"])
        self.assertIsInstance(rows, AsyncGenerator)

        self.assertEqual(await collect(rows), ["a", "b"])
        self.assertEqual(await anext(rows), "a")
        self.assertEqual(await rows.asend("hello"), "b")
        await rows.aclose()
        self.assertEqual(await anext(rows), "a")
        with self.assertRaisesRegex(KeyError, "x"):
            await rows.athrow(KeyError("x"))

        self.assertEqual(await collect(rows), ["a", "b"])
        self.assertIn("hello", rows.sent)
        self.assertIsInstance(rows.thrown[0], KeyError)
        rows.assert_closed()

    async def test_closing(self) -> None:
        """Begun and left half-way is open; ``aclosing`` closes it."""
        rows = async_gen(["a", "b"])
        async for _ in rows:
            break

        self.assertTrue(rows.is_open)
        with self.assertRaisesRegex(AssertionError, "taken=1 open> was begun, and neither"):
            rows.assert_closed()
        async with aclosing(rows):
            pass
        rows.assert_closed()


class DebtTests(OutcomeAssertions):
    """What a test begins, and does not end, fails it."""

    def test_entered_and_not_left(self) -> None:
        """With the line that entered it."""

        class Wrong(AsyncTestCase):
            async def test_it(self) -> None:
                await async_cm("pool").__aenter__()  # here

        error = self.assertFailsWith(run_case(Wrong), LeakError)

        self.assertRegex(
            error.findings[0],
            r"^async_cm of 'pool' was entered and never left; entered at  \S+test_doubles\.py:\d+ "
            r".*# here$",
        )

    def test_begun_and_not_closed(self) -> None:
        """With the line that began it."""

        class Wrong(AsyncTestCase):
            async def test_it(self) -> None:
                async for _ in async_gen([1, 2]):  # here
                    break

        error = self.assertFailsWith(run_case(Wrong), LeakError)

        self.assertRegex(
            error.findings[0], r"neither read to its end nor closed .*begun at  \S+:\d+ .*# here$"
        )

    def test_ended_in_time(self) -> None:
        """By the test, by its clean-ups, by a task's cancellation."""

        class Right(AsyncTestCase):
            async def test_it(self) -> None:
                await self.enterAsyncContext(async_cm())
                rows = async_gen([1, 2])
                await anext(rows)
                self.addAsyncCleanup(rows.aclose)
                task = asyncio.create_task(self.hold(async_cm()))
                await spin()
                task.cancel()

            async def hold(self, thing: async_cm[None]) -> None:
                async with thing:
                    await asyncio.Event().wait()

        self.assertPassed(run_case(Right))


class PaceTests(VirtualClockMixin, AsyncTestCase):
    async def test_delays_are_on_the_clock(self) -> None:
        """One for entering, one for each step, the last one included."""
        async with async_cm(delay=1):
            pass
        await collect(async_iter("ab", delay=10))
        await collect(async_gen("ab", delay=100))

        self.assertEqual(self.clock.elapsed, 1 + 3 * 10 + 3 * 100)

    async def test_a_checkpoint_lets_others_run(self) -> None:
        """At each step."""
        seen: list[str] = []

        async def other() -> None:
            for _ in range(3):
                seen.append("other")
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        async for item in async_iter("ab", checkpoint=True):
            seen.append(item)
        await task

        self.assertEqual(seen, ["other", "a", "other", "b", "other"])


if __name__ == "__main__":
    unittest.main()
