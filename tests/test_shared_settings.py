"""Tests for whose limit and whose level of leaks rule a scope that several classes share."""

from __future__ import annotations

import asyncio
import itertools
import unittest
from collections.abc import AsyncIterator, Mapping
from typing import Any

from asynctesting import AsyncTestCase, SettingError, TimeLimitError, async_fixture
from asynctesting.errors import LeakError
from tests.support import Outcome, OutcomeAssertions, limits_by_hand, pass_time, run_classes

SHARED = ("module", "package", "session")


async def take(seconds: float) -> None:
    """Let *seconds* pass for limits."""
    pass_time(seconds)
    await asyncio.sleep(0.001)


class OrderTests(OutcomeAssertions):
    """What one class has chosen for itself decides nothing for the others."""

    def setUp(self) -> None:
        self.enterContext(limits_by_hand())

    def run_in_both_orders(
        self, fixture: Any, *, environment: Mapping[str, str] | None = None, **attributes: Any
    ) -> list[Outcome]:
        """Run a strange and a plain class that share *fixture*, in both orders."""
        cases = []
        for name, body in (("Strange", attributes), ("Plain", {})):

            async def test_it(self: Any) -> None: ...

            cases.append(
                type(name, (AsyncTestCase,), {"shared": fixture, "test_it": test_it, **body})
            )
        orders = itertools.permutations(cases)
        return [run_classes(*order, environment=environment) for order in orders]

    def test_the_limit_of_a_class(self) -> None:
        """A shared fixture may take longer than the tests of the class that comes first."""
        for scope in SHARED:
            with self.subTest(scope=scope):

                async def slow() -> AsyncIterator[None]:
                    await take(40)
                    yield
                    await take(40)

                fixture = async_fixture(slow, scope=scope)
                for outcome in self.run_in_both_orders(fixture, timeout=20):
                    self.assertEqual(outcome.raised, [], outcome.report)

    def test_the_leak_level_of_a_class(self) -> None:
        """A leak of the module is told, whether the class that says "off" comes first or last."""
        for scope in SHARED:
            with self.subTest(scope=scope):
                held: list[Any] = []  # or the collector would end the task, at any moment

                async def leaky(held: list[Any] = held) -> None:
                    held.append(asyncio.create_task(asyncio.Event().wait(), name="forgotten"))

                fixture = async_fixture(leaky, scope=scope)
                for outcome in self.run_in_both_orders(fixture, leaks="off"):
                    (error,) = outcome.raised
                    self.assertIsInstance(error, LeakError)
                    self.assertIn("'forgotten'", str(error))

    def test_the_environment(self) -> None:
        """It holds for all, so it holds for what is shared."""

        async def slow() -> None:
            while True:
                await take(10)

        fixture = async_fixture(slow, scope="module", timeout=60)
        environment = {"ASYNCTESTING_TIMEOUT": "30", "ASYNCTESTING_LEAKS": "off"}
        for outcome in self.run_in_both_orders(fixture, environment=environment, timeout=60):
            self.assertEqual([type(e) for e in outcome.raised], [TimeLimitError] * 2)
            self.assertIn("longer than its limit of 30 s", str(outcome.raised[0]))


class FixtureLimitTests(OutcomeAssertions):
    """A fixture may have a limit of its own, for its set-up and again for its teardown."""

    def setUp(self) -> None:
        self.enterContext(limits_by_hand())

    def test_set_up_and_teardown(self) -> None:
        """Each of them is cut short where it hangs, and the message says how to give it longer."""
        for scope, hangs in itertools.product(("class", *SHARED), ("set-up", "teardown")):
            with self.subTest(scope=scope, hangs=hangs):

                async def hang(phase: str, hangs: str = hangs) -> None:
                    while phase == hangs:
                        pass_time(10)
                        await asyncio.sleep(0.001)

                class Case(AsyncTestCase):
                    @async_fixture(scope=scope, timeout=30)
                    async def server(cls, hang: Any = hang) -> AsyncIterator[None]:
                        await hang("set-up")
                        yield
                        await hang("teardown")

                    async def test_it(self) -> None: ...

                (error,) = run_classes(Case).raised
                self.assertIsInstance(error, TimeLimitError)
                self.assertIn("took longer than its limit of 30 s", str(error))
                self.assertIn("longer with @async_fixture(timeout=seconds)", str(error))
                self.assertIn("await asyncio.sleep(0.001)", str(error))

    def test_one_that_can_not_finish_in_time(self) -> None:
        """That is seen at once, and the same advice is given."""

        class Case(AsyncTestCase):
            @async_fixture(scope="module", timeout=20)
            async def server(cls) -> None:
                await asyncio.sleep(30)

            async def test_it(self) -> None: ...

        (error,) = run_classes(Case).raised
        self.assertIn("its limit of 20 s runs out before that", str(error))
        self.assertIn("longer with @async_fixture(timeout=seconds)", error.__notes__[0])

    def test_it_may_be_longer_than_that_of_the_class(self) -> None:
        """Also than that of the class to which it belongs; and each cleanup counts alone."""

        class Case(AsyncTestCase):
            timeout = 20

            @async_fixture(scope="class", timeout=None)
            async def slow(cls) -> AsyncIterator[None]:
                await take(30)
                yield
                await take(30)

            async def test_it(self) -> None: ...

        outcome = run_classes(Case)

        self.assertEqual(outcome.raised, [], outcome.report)

    def test_what_can_not_be_meant(self) -> None:
        """A fixture of a test shares the test's limit; nought seconds are no limit."""
        with self.assertRaisesRegex(SettingError, "shares the limit of its test"):
            async_fixture(timeout=5)
        with self.assertRaisesRegex(SettingError, r"async_fixture\(timeout=...\) must be a number"):
            async_fixture(scope="class", timeout=0)


if __name__ == "__main__":
    unittest.main()
