"""``@async_test``: a coroutine function as a method of a plain test case."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import unittest
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

from asynctesting import (
    AsyncTestCase,
    BridgeError,
    LeakError,
    SilentPassError,
    TimeLimitError,
    async_test,
    get_async_result,
    timeout,
)
from tests.bridging import Legacy, Settled, echo, echo_later, forget
from tests.support import Outcome, run_all, run_case


class DecoratorTests(Settled):
    def test_on_a_plain_case(self) -> None:
        """One method is a coroutine; nothing else of the class has changed."""

        class Tests(unittest.TestCase):
            @async_test
            async def test_it(case) -> None:
                case.assertEqual(await echo_later(1), 1)

            @async_test
            async def test_failing(case) -> None:
                """Its docstring."""
                case.assertEqual(await echo_later(1), 2)

        self.assertPassed(run_case(Tests))
        self.assertFailsWith(run_case(Tests, "test_failing"), AssertionError, "1 != 2")
        self.assertEqual(Tests("test_failing").shortDescription(), "Its docstring.")
        self.assertFalse(inspect.iscoroutinefunction(Tests.test_it))

    def test_what_it_leaves_on_a_plain_case(self) -> None:
        """Told after the cleanups, as with the mixin."""

        class Tests(unittest.TestCase):
            timeout = "means something else here"

            @async_test
            async def test_leaky(case) -> None:
                case.task = await forget()

            @async_test
            async def test_clean(case) -> None:
                case.task = await forget()
                case.addCleanup(case.task.cancel)

        self.assertFailsWith(run_case(Tests, "test_leaky"), LeakError, "'forgotten'")
        self.assertPassed(run_case(Tests, "test_clean"))
        case = Tests("test_clean")
        case.debug()

    def test_on_the_loop_of_the_mixin(self) -> None:
        """Set-up's queue is the test's queue."""

        class Tests(Legacy):
            @async_test
            async def setUp(case) -> None:
                case.queue: asyncio.Queue[int] = asyncio.Queue()
                case.task = asyncio.create_task(case.queue.put(1))

            @async_test
            async def test_it(case) -> None:
                case.assertEqual(await case.queue.get(), 1)

            def test_sync(case) -> None:
                case.assertEqual(case.get_async_result(case.queue.get()), 1)

            @async_test
            async def tearDown(case) -> None:
                await case.task

        outcome = run_all(Tests)
        self.assertTrue(outcome.wasSuccessful(), outcome.report)
        self.assertEqual(outcome.testsRun, 2)

    def test_super_is_awaited(self) -> None:
        """Inside of a coroutine on the same loop it stays a coroutine function."""
        calls: list[str] = []

        class Base(Legacy):
            @async_test
            async def setUp(case) -> None:
                await asyncio.sleep(0)
                calls.append("base")

        class Derived(Base):
            @async_test
            async def setUp(case) -> None:
                await super().setUp()
                calls.append("derived")

            def test_it(case) -> None: ...

        self.assertPassed(run_case(Derived))
        self.assertEqual(calls, ["base", "derived"])

    def test_class_methods(self) -> None:
        """On the loop of the class."""
        loops: list[asyncio.AbstractEventLoop] = []

        class Tests(unittest.TestCase):
            @classmethod
            @async_test
            async def setUpClass(cls) -> None:
                loops.append(asyncio.get_running_loop())

            def test_it(case) -> None: ...

            @classmethod
            @async_test
            async def tearDownClass(cls) -> None:
                loops.append(asyncio.get_running_loop())

        self.assertTrue(run_all(Tests).wasSuccessful())
        self.assertEqual((len(loops), len(set(loops))), (2, 1))

    def test_beside_patches_in_any_order(self) -> None:
        """mock.patch sees a coroutine function below and a plain one above."""

        class Tests(unittest.TestCase):
            @mock.patch("os.getcwd", return_value="outer")
            @async_test
            @mock.patch("os.getpid", return_value="inner")
            async def test_it(case, getpid: Any, getcwd: Any) -> None:
                await asyncio.sleep(0.001)
                case.assertEqual((os.getpid(), os.getcwd()), ("inner", "outer"))
                getpid.assert_called_once_with()
                getcwd.assert_called_once_with()

            @async_test
            @mock.patch.dict(os.environ, {"TEA": "yes"})
            async def test_dict(case) -> None:
                await asyncio.sleep(0.001)
                case.assertEqual(os.environ["TEA"], "yes")

            @mock.patch("os.getpid", new=lambda: "patched")
            @async_test
            async def test_outer(case) -> None:
                await asyncio.sleep(0.001)
                case.assertEqual(os.getpid(), "patched")

        outcome = run_all(Tests)
        self.assertTrue(outcome.wasSuccessful(), outcome.report)
        self.assertNotEqual(os.getpid(), "inner")

    def test_skips_and_expected_failures_in_any_order(self) -> None:
        """They are counted as on any other test."""

        class Tests(unittest.TestCase):
            @unittest.skip("above")
            @async_test
            async def test_skip_above(case) -> None: ...

            @async_test
            @unittest.skip("below")
            async def test_skip_below(case) -> None: ...

            @async_test
            async def test_skip_inside(case) -> None:
                case.skipTest("inside")

            @unittest.expectedFailure
            @async_test
            async def test_fails_above(case) -> None:
                case.fail()

            @async_test
            @unittest.expectedFailure
            async def test_fails_below(case) -> None:
                case.fail()

        outcome = run_all(Tests)
        self.assertEqual(
            sorted(reason for _, reason in outcome.skipped), ["above", "below", "inside"]
        )
        self.assertEqual(len(outcome.expectedFailures), 2)
        self.assertEqual(outcome.raised, [], outcome.report)

    def test_subtests(self) -> None:
        """Each failing one is told."""

        class Tests(unittest.TestCase):
            @async_test
            async def test_it(case) -> None:
                for number in range(3):
                    with case.subTest(number=number):
                        case.assertEqual(await echo_later(number), 1)

        self.assertEqual(len(run_case(Tests).raised), 2)

    def test_limits(self) -> None:
        """The decorator may stand above or below."""

        class Tests(unittest.TestCase):
            @timeout(0.05)
            @async_test
            async def test_above(case) -> None:
                await asyncio.sleep(9)

            @async_test
            @timeout(0.05)
            async def test_below(case) -> None:
                await asyncio.sleep(9)

        for name in ("test_above", "test_below"):
            self.assertFailsWith(run_case(Tests, name), TimeLimitError)

    def test_a_marked_coroutine_function(self) -> None:
        """What a decorator has marked as a coroutine function is none any more."""

        async def inner(case: Any) -> None:
            await asyncio.sleep(0)

        @functools.wraps(inner)
        def marked(case: Any) -> Any:
            return inner(case)

        if hasattr(inspect, "markcoroutinefunction"):
            inspect.markcoroutinefunction(marked)
        method = async_test(marked)

        self.assertFalse(inspect.iscoroutinefunction(method))
        self.assertPassed(run_case(type("Tests", (unittest.TestCase,), {"test_it": method})))

    def test_arguments(self) -> None:
        """A helper with parameters and a result can be decorated, too."""

        class Tests(Legacy):
            @async_test
            async def fetch(case, a: int, *, b: int) -> int:
                return await echo(a + b)

            def test_it(case) -> None:
                case.assertEqual(case.fetch(1, b=2), 3)

        self.assertPassed(run_case(Tests))

    def test_what_it_refuses(self) -> None:
        """At once, where that can be seen."""

        def plain(case: Any) -> None: ...

        async def generator(case: Any) -> AsyncIterator[int]:
            yield 1

        async def test_it(case: Any) -> None: ...

        with self.assertRaisesRegex(TypeError, "write 'async def'"):
            async_test(plain)
        with self.assertRaisesRegex(SilentPassError, "yield"):
            async_test(generator)
        with self.assertRaisesRegex(TypeError, "@classmethod above @async_test"):
            async_test(classmethod(test_it))  # type: ignore[type-var]
        with self.assertRaisesRegex(BridgeError, "methods of a TestCase"):
            async_test(test_it)("no case")
        with self.assertRaisesRegex(BridgeError, "methods of a TestCase"):
            async_test(test_it)()

        @functools.wraps(test_it)
        def lost(case: Any) -> None:  # a decorator that drops the coroutine
            test_it(case).close()

        case = type("Tests", (unittest.TestCase,), {"test_it": async_test(lost)})
        self.assertFailsWith(run_case(case), TypeError, "returned None, which can't be awaited")

    def test_on_a_case_that_awaits_by_itself(self) -> None:
        """AsyncTestCase says so when the class is made, the stock case when the test runs."""

        async def test_it(case: Any) -> None: ...

        with self.assertRaisesRegex(BridgeError, "just write 'async def test_it'"):
            type("Tests", (AsyncTestCase,), {"test_it": async_test(test_it)})
        case = type("Tests", (unittest.IsolatedAsyncioTestCase,), {"test_it": async_test(test_it)})
        self.assertFailsWith(run_case(case), BridgeError, "just write 'async def test_it'")

    def test_inside_of_a_running_loop(self) -> None:
        """It fails, where a coroutine that nobody awaits would have passed."""

        class Tests(unittest.TestCase):
            @async_test
            async def test_it(case) -> None: ...

        async def run() -> Outcome:
            return run_case(Tests)

        self.assertFailsWith(get_async_result(run()), BridgeError, "running event loop")


if __name__ == "__main__":
    unittest.main()
