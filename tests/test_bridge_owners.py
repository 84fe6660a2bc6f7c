"""The end of a bridge: that of a test, of a class, of one call."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import pickle
import tempfile
import textwrap
import threading
import unittest
import warnings
import weakref
from pathlib import Path
from typing import Any

from asynctesting import (
    AsyncResultMixin,
    LeakError,
    LeakWarning,
    TimeLimitError,
    get_async_result,
)
from tests.bridging import Legacy, Settled, echo, echo_later, forget, run_in, user
from tests.support import (
    Outcome,
    limits_by_hand,
    pass_time,
    run_all,
    run_case,
    run_python,
    settings,
)


class EndTests(Settled):
    def test_what_is_left_fails_the_test(self) -> None:
        """By name, as it does in AsyncTestCase."""

        class Tests(Legacy):
            def test_it(case) -> None:
                case.task = case.get_async_result(forget())

        self.assertFailsWith(run_case(Tests), LeakError, "left behind", "'forgotten'")

    def test_levels(self) -> None:
        """The class says warn or off; the environment goes before it."""

        class Tests(Legacy):
            leaks = "warn"

            def test_it(case) -> None:
                case.task = case.get_async_result(forget())

        with self.assertWarnsRegex(LeakWarning, "forgotten"):
            self.assertPassed(run_case(Tests))
        self.assertPassed(run_case(Tests, environment={"ASYNCTESTING_LEAKS": "off"}))
        outcome = run_case(Tests, environment={"ASYNCTESTING_LEAKS": "error"})
        self.assertFailsWith(outcome, LeakError)

    def test_what_a_cleanup_ends_is_not_left(self) -> None:
        """Whenever the cleanup was registered."""

        class Tests(Legacy):
            def setUp(case) -> None:
                case.addCleanup(lambda: case.task.cancel())

            def test_it(case) -> None:
                case.task = case.get_async_result(forget())

        self.assertPassed(run_case(Tests))

    def test_what_a_failed_test_leaves_is_a_note(self) -> None:
        """Its own failure is the only one."""

        class Tests(Legacy):
            def test_it(case) -> None:
                case.task = case.get_async_result(forget())
                case.fail("mine")

            @unittest.expectedFailure
            def test_expected(case) -> None:
                case.test_it()

        self.assertFailsWith(run_case(Tests), AssertionError, "mine")
        outcome = run_case(Tests, "test_expected")
        self.assertEqual(outcome.calls, ["startTest", "addExpectedFailure", "stopTest"])

    def test_a_lost_exception_is_found(self) -> None:
        """A task that failed while nobody looked."""

        async def fail_in_background() -> None:
            async def fail() -> None:
                raise LookupError("lost")

            self.task = asyncio.create_task(fail(), name="background")
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        class Tests(Legacy):
            def test_it(case) -> None:
                case.get_async_result(fail_in_background())

        self.assertFailsWith(run_case(Tests), LeakError, "'background': LookupError: lost")

    def test_a_coroutine_that_nobody_awaits_is_found(self) -> None:
        """In synchronous code between two calls, too."""

        class Tests(Legacy):
            def test_it(case) -> None:
                case.get_async_result(echo(1))
                echo(2)

        self.assertFailsWith(run_case(Tests), LeakError, "'echo' was never awaited")

    def test_several_problems_are_several_failures(self) -> None:
        """A task that swallows its cancellation, and a job that never ends: both are named."""
        release = threading.Event()
        self.addCleanup(release.set)

        class Tests(Legacy):
            def test_it(case) -> None:
                async def stubborn() -> None:
                    while True:
                        with contextlib.suppress(asyncio.CancelledError):
                            await asyncio.sleep(60)

                async def start() -> None:
                    case.task = asyncio.create_task(stubborn(), name="stubborn")
                    case.job = asyncio.get_running_loop().run_in_executor(None, release.wait)
                    await asyncio.sleep(0)

                case.get_async_result(start())

        outcome = run_case(Tests, environment={"ASYNCTESTING_TIMEOUT": "0.3"})
        self.assertEqual([type(e) for e in outcome.raised], [TimeLimitError, TimeLimitError])
        self.assertIn("'stubborn'", outcome.report)
        self.assertIn("executor jobs", outcome.report)

    def test_cleanups_called_by_the_test_end_the_loop(self) -> None:
        """The next call has a fresh one."""

        class Tests(Legacy):
            def test_it(case) -> None:
                async def loop() -> list[asyncio.AbstractEventLoop]:
                    return [asyncio.get_running_loop()]

                (first,) = case.get_async_result(loop())
                case.doCleanups()
                (second,) = case.get_async_result(loop())
                case.assertTrue(first.is_closed())
                case.assertIsNot(first, second)

        self.assertPassed(run_case(Tests))

    def test_the_case_can_be_run_again_copied_and_pickled(self) -> None:
        """Nothing of a run stays on it."""
        case = Again("test_it")
        before = dict(vars(case))

        self.assertPassed(run_case(case))
        self.assertEqual(vars(case), before)
        self.assertPassed(run_case(case))
        self.assertPassed(run_case(copy.deepcopy(case)))
        self.assertPassed(run_case(pickle.loads(pickle.dumps(case))))

    def test_nothing_is_left_for_the_collector(self) -> None:
        """Bridge and loop of a test are gone when it is over."""
        left: list[Any] = []

        class Tests(Legacy):
            def test_it(case) -> None:
                async def note() -> None:
                    await asyncio.sleep(0.001)
                    left.append(weakref.ref(asyncio.get_running_loop()))

                case.get_async_result(note())
                left.append(weakref.ref(vars(case)["_asynctesting_bridge"]))

        gc.disable()
        self.addCleanup(gc.enable)
        self.assertPassed(run_case(Tests))

        self.assertEqual([ref() for ref in left], [None, None])


class Again(AsyncResultMixin, unittest.TestCase):
    """At module level, so that it can be pickled."""

    def test_it(self) -> None:
        """Any test that has used its loop."""
        self.assertEqual(self.get_async_result(echo_later(1)), 1)


class DebugTests(Settled):
    def test_debug_closes_the_loop(self) -> None:
        """Without an error, all is as after run()."""
        loops: list[asyncio.AbstractEventLoop] = []

        class Tests(Legacy):
            def test_it(case) -> None:
                async def note() -> None:
                    loops.append(asyncio.get_running_loop())

                case.get_async_result(note())

        Tests("test_it").debug()

        self.assertTrue(loops[0].is_closed())

    def test_debug_raises_what_was_left(self) -> None:
        """There is no result to tell it to."""

        class Tests(Legacy):
            def test_it(case) -> None:
                case.task = case.get_async_result(forget())

        with self.assertRaises(LeakError):
            Tests("test_it").debug()

    def test_after_an_error_cleanups_can_still_be_called(self) -> None:
        """The loop waits for them, and they close it."""
        calls: list[int] = []

        class Tests(Legacy):
            def test_it(case) -> None:
                case.addCleanup(lambda: calls.append(case.get_async_result(echo(1))))
                case.get_async_result(echo(0))
                raise LookupError

        case = Tests("test_it")
        with self.assertRaises(LookupError):
            case.debug()
        case.doCleanups()

        self.assertEqual(calls, [1])
        self.assertEqual([name for name in vars(case) if "asynctesting" in name], [])

    def test_a_case_that_is_dropped_after_an_error_closes_its_loop(self) -> None:
        """No ResourceWarning, in somebody else's test."""

        class Tests(Legacy):
            def test_it(case) -> None:
                case.get_async_result(echo_later(0))
                raise LookupError

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()  # what earlier tests have left is not ours
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with contextlib.suppress(LookupError):
                Tests("test_it").debug()
            gc.collect()
        self.assertEqual([str(w.message) for w in caught], [])


class ClassTests(Settled):
    def test_one_loop_for_set_up_tests_and_teardown_of_a_class(self) -> None:
        """Closed after the last class cleanup; the loops of the tests are others."""
        loops: list[asyncio.AbstractEventLoop] = []
        test_loops: list[asyncio.AbstractEventLoop] = []

        async def note(seen: list[asyncio.AbstractEventLoop]) -> None:
            seen.append(asyncio.get_running_loop())

        class Tests(Legacy):
            @classmethod
            def setUpClass(cls) -> None:
                cls.addClassCleanup(lambda: cls.get_class_async_result(note(loops)))
                cls.get_class_async_result(note(loops))

            def test_it(case) -> None:
                case.get_class_async_result(note(loops))
                case.get_async_result(note(test_loops))

            @classmethod
            def tearDownClass(cls) -> None:
                cls.get_class_async_result(note(loops))

        outcome = run_all(Tests)
        self.assertTrue(outcome.wasSuccessful(), outcome.report)
        self.assertEqual((len(loops), len(set(loops))), (4, 1))
        self.assertTrue(loops[0].is_closed())
        self.assertNotIn(test_loops[0], loops)

    def test_each_class_has_its_own(self) -> None:
        """A class that inherits setUpClass runs it on a loop of its own, and can come again."""
        loops: list[asyncio.AbstractEventLoop] = []

        class Base(Legacy):
            @classmethod
            def setUpClass(cls) -> None:
                async def note() -> None:
                    loops.append(asyncio.get_running_loop())

                cls.get_class_async_result(note())

            def test_it(case) -> None: ...

        class Derived(Base):
            pass

        suite = unittest.TestSuite([Base("test_it"), Derived("test_it"), Base("test_it")])
        outcome = Outcome()
        suite.run(outcome)
        self.assertTrue(outcome.wasSuccessful(), outcome.report)
        self.assertEqual(len(set(loops)), 3)
        self.assertTrue(all(loop.is_closed() for loop in loops))

    def test_what_is_left_is_an_error_of_the_class(self) -> None:
        """Counted where a failing tearDownClass is."""

        class Tests(Legacy):
            @classmethod
            def setUpClass(cls) -> None:
                cls.task = cls.get_class_async_result(forget())

            def test_it(case) -> None: ...

        outcome = run_all(Tests)
        ((where, text),) = outcome.errors
        self.assertIn("tearDownClass", str(where))
        self.assertIn("left behind or hidden by the class", text)
        self.assertIn("'forgotten'", text)

    def test_levels(self) -> None:
        """As for a test."""

        class Tests(Legacy):
            leaks = "off"

            @classmethod
            def setUpClass(cls) -> None:
                cls.task = cls.get_class_async_result(forget())

            def test_it(case) -> None: ...

        self.assertTrue(run_all(Tests).wasSuccessful())
        Tests.leaks = "warn"
        with self.assertWarnsRegex(LeakWarning, "forgotten"):
            self.assertTrue(run_all(Tests).wasSuccessful())

    def test_a_failing_set_up_fails_the_class_and_closes_its_loop(self) -> None:
        """One error, no test run, nothing left."""

        async def fail() -> None:
            raise LookupError("no database")

        class Tests(Legacy):
            @classmethod
            def setUpClass(cls) -> None:
                cls.get_class_async_result(fail())

            def test_it(case) -> None: ...

        outcome = run_all(Tests)
        self.assertEqual((outcome.testsRun, len(outcome.errors)), (0, 1))
        self.assertIn("LookupError: no database", outcome.report)
        self.assertEqual([name for name in vars(Tests) if name.endswith("_bridge")], [])

    def test_each_call_has_the_limit_of_the_class(self) -> None:
        """A long class does not run out of it."""

        async def take(seconds: float) -> None:
            pass_time(seconds)
            await asyncio.sleep(0.001)

        class Tests(Legacy):
            timeout = 30

            @classmethod
            def setUpClass(cls) -> None:
                for _ in range(4):
                    cls.get_class_async_result(take(20))

            def test_it(case) -> None:
                with case.assertRaises(TimeLimitError):
                    case.get_class_async_result(take(40))
                case.get_class_async_result(take(20))

        with limits_by_hand():
            outcome = run_all(Tests)
        self.assertTrue(outcome.wasSuccessful(), outcome.report)

    def test_context_variables_of_the_class_reach_its_tests(self) -> None:
        """And end with it."""

        async def log_in() -> None:
            user.set("class")

        class Tests(Legacy):
            @classmethod
            def setUpClass(cls) -> None:
                cls.get_class_async_result(log_in())

            def test_it(case) -> None:
                async def who() -> str:
                    return user.get()

                case.assertEqual(case.get_async_result(who()), "class")

        outcome = run_all(Tests)
        self.assertTrue(outcome.wasSuccessful(), outcome.report)
        self.assertIsNone(user.get(None))

    def test_a_test_that_leaks_is_told_although_the_class_has_a_loop(self) -> None:
        """Each looks after its own; a loop of the class that a test makes hides nothing."""

        class Tests(Legacy):
            def test_it(case) -> None:
                case.get_async_result(echo(1))
                case.get_class_async_result(echo(1))
                echo(2)

        outcome = run_all(Tests)
        self.assertFailsWith(outcome, LeakError, "'echo' was never awaited")

    def test_a_runner_without_class_cleanups(self) -> None:
        """The loop is closed at exit, with a warning that names the class."""
        process = run_python("""
            import asyncio, unittest, warnings
            from asynctesting import AsyncResultMixin

            class Tests(AsyncResultMixin, unittest.TestCase):
                def test_it(self):
                    self.get_class_async_result(asyncio.sleep(0.001))

            warnings.simplefilter("default")
            result = unittest.TestResult()
            Tests("test_it").run(result)
            assert result.wasSuccessful(), result.errors
        """)
        self.assertRunsClean(process)
        self.assertIn("LeakWarning: the event loop of the class __main__.Tests", process.stderr)
        self.assertNotIn("ResourceWarning", process.stderr)


class FunctionTests(Settled):
    def test_a_fresh_loop_for_each_call(self) -> None:
        """Closed when it returns."""

        async def loop() -> list[asyncio.AbstractEventLoop]:
            await asyncio.sleep(0.001)
            return [asyncio.get_running_loop()]

        (first,), (second,) = get_async_result(loop()), get_async_result(loop())

        self.assertIsNot(first, second)
        self.assertTrue(first.is_closed() and second.is_closed())

    def test_context_variables_stay(self) -> None:
        """In setUpModule() that is what it is for."""

        async def log_in() -> None:
            user.set("module")

        def call() -> str:
            get_async_result(log_in())
            return user.get()

        self.assertEqual(call(), "module")

    def test_what_it_leaves_is_an_error(self) -> None:
        """With the advice that fits; a failed call has its own error."""

        async def fail() -> None:
            self.task = await forget()
            raise LookupError

        with self.assertRaisesRegex(
            LeakError, r"hidden by get_async_result\(forget\(\)\)"
        ) as caught:
            self.task = get_async_result(forget())
        self.assertIn("AsyncResultMixin", str(caught.exception))
        with self.assertRaises(LookupError):
            get_async_result(fail())

    def test_limits(self) -> None:
        """Its own argument, the environment; the sooner of the two."""
        with self.assertRaises(TimeLimitError) as caught:
            get_async_result(asyncio.sleep(5), timeout=0.02)
        self.assertIn("timeout=0.02 of get_async_result(sleep()).", caught.exception.__notes__[0])
        with settings({"ASYNCTESTING_TIMEOUT": "0.02"}):
            for timeout_ in (None, 60):
                with self.assertRaises(TimeLimitError):
                    get_async_result(asyncio.sleep(5), timeout=timeout_)
        with settings({"ASYNCTESTING_TIMEOUT": "none"}):
            self.assertEqual(get_async_result(echo_later(1)), 1)

    def test_in_set_up_module(self) -> None:
        """In a real module, run by unittest."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "test_pool.py").write_text(
                textwrap.dedent("""
                    import asyncio, unittest
                    from asynctesting import get_async_result

                    async def connect():
                        await asyncio.sleep(0)
                        return "pool"

                    AT_IMPORT = get_async_result(connect())

                    def setUpModule():
                        global pool
                        pool = get_async_result(connect())

                    class Tests(unittest.TestCase):
                        def test_it(self):
                            self.assertEqual((pool, AT_IMPORT), ("pool", "pool"))
                """)
            )
            process = run_in(folder, "-m", "unittest", "test_pool")
        self.assertEqual(process.returncode, 0, process.stderr)


if __name__ == "__main__":
    unittest.main()
