"""``AsyncTestCase`` from outside: order, classification, awaitables, subtests, instances."""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import contextvars
import copy
import functools
import gc
import pickle
import types
import unittest
import warnings
from typing import Any
from unittest import mock

from asynctesting import AsyncTestCase, SilentPassError
from asynctesting._loop import _UnbornLoop
from tests.support import Outcome, OutcomeAssertions, run_all, run_case, run_python, spin

PHASES = ("setUp", "asyncSetUp", "test_it", "asyncTearDown", "tearDown", "cleanup", "async cleanup")
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def recording(base: type, failing: dict[str, BaseException] | None = None) -> Any:
    """Make a case that notes each phase in ``case.log``, and raises in those of *failing*."""
    log: list[str] = []

    def step(phase: str) -> None:
        log.append(phase)
        if failing and phase in failing:
            raise failing[phase]

    class Recording(base):  # type: ignore[misc]
        def setUp(self) -> None:
            self.addCleanup(step, "cleanup")
            self.addAsyncCleanup(self.clean_up)
            step("setUp")

        async def asyncSetUp(self) -> None:
            step("asyncSetUp")

        async def test_it(self) -> None:
            step("test_it")

        async def asyncTearDown(self) -> None:
            step("asyncTearDown")

        def tearDown(self) -> None:
            step("tearDown")

        async def clean_up(self) -> None:
            step("async cleanup")

    Recording.log = log
    return Recording


class OrderTests(OutcomeAssertions):
    def test_all_hooks_run_in_the_stock_order(self) -> None:
        """Set-up, test and teardown nest, and cleanups run last in, first out, sync and async."""
        log = []

        class Case(AsyncTestCase):
            def setUp(self) -> None:
                self.addCleanup(log.append, "cleanup 1")
                log.append("setUp")

            async def asyncSetUp(self) -> None:
                self.addAsyncCleanup(self.note, "cleanup 2")
                log.append("asyncSetUp")

            async def test_it(self) -> None:
                self.addCleanup(log.append, "cleanup 3")
                self.addAsyncCleanup(self.note, "cleanup 4")
                log.append("test")

            async def asyncTearDown(self) -> None:
                log.append("asyncTearDown")

            def tearDown(self) -> None:
                log.append("tearDown")

            async def note(self, text: str) -> None:
                log.append(text)

        outcome = run_case(Case)

        self.assertPassed(outcome)
        self.assertEqual(
            log,
            [
                "setUp",
                "asyncSetUp",
                "test",
                "asyncTearDown",
                "tearDown",
                "cleanup 4",
                "cleanup 3",
                "cleanup 2",
                "cleanup 1",
            ],
        )
        self.assertEqual(outcome.calls, ["startTest", "addSuccess", "stopTest"])

    def test_a_failed_set_up_runs_cleanups_only(self) -> None:
        """Neither the test nor a teardown follows a set-up that failed."""
        for phase, ran in (("setUp", ["setUp"]), ("asyncSetUp", ["setUp", "asyncSetUp"])):
            with self.subTest(phase):
                case = recording(AsyncTestCase, {phase: ValueError("broken")})

                outcome = run_case(case)

                self.assertFailsWith(outcome, ValueError, "broken")
                self.assertEqual(case.log, [*ran, "async cleanup", "cleanup"])

    def test_tear_down_runs_although_async_tear_down_fails(self) -> None:
        """Stock leaves tearDown() out then; here both run, and both failures are told."""
        errors = {"asyncTearDown": ValueError("first"), "tearDown": ValueError("second")}
        case = recording(AsyncTestCase, errors)

        outcome = run_case(case)

        self.assertEqual([str(error) for error in outcome.raised], ["first", "second"])
        self.assertEqual(
            case.log,
            [*PHASES[:5], "async cleanup", "cleanup"],
        )

    def test_every_failing_part_is_reported(self) -> None:
        """A failing test hides no failing teardown or cleanup, nor the other way round."""
        phases = ("test_it", "asyncTearDown", "tearDown", "async cleanup", "cleanup")
        case = recording(AsyncTestCase, {phase: ValueError(phase) for phase in phases})

        outcome = run_case(case)

        self.assertEqual([str(error) for error in outcome.raised], list(phases))

    def test_a_cleanup_added_by_a_cleanup_runs(self) -> None:
        """Cleanups run until none is left."""
        log = []

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.addAsyncCleanup(self.first)

            async def first(self) -> None:
                self.addCleanup(log.append, "second")
                log.append("first")

        self.assertPassed(run_case(Case))
        self.assertEqual(log, ["first", "second"])

    def test_do_cleanups_in_the_test_runs_those_so_far(self) -> None:
        """A sync test may call doCleanups() in its middle, as the stock docs allow."""
        log = []

        class Case(AsyncTestCase):
            def test_it(self) -> None:
                self.addCleanup(log.append, "early")
                self.doCleanups()
                log.append("rest of the test")
                self.addCleanup(log.append, "late")

        self.assertPassed(run_case(Case))
        self.assertEqual(log, ["early", "rest of the test", "late"])

    def test_do_cleanups_in_the_test_refuses_async_cleanups(self) -> None:
        """They can't be awaited in the middle of a phase; stock hangs there for ever."""

        class Case(AsyncTestCase):
            def test_it(self) -> None:
                self.addAsyncCleanup(asyncio.sleep, 0)
                self.doCleanups()

            async def test_async(self) -> None:
                self.test_it()

        for name in ("test_it", "test_async"):
            with self.subTest(name):
                self.assertFailsWith(
                    run_case(Case, name), RuntimeError, "doCleanups() was called inside the test"
                )

    def test_hooks_of_mixins_and_bases_run(self) -> None:
        """Hooks are found by inheritance, on either side of the case in the bases."""
        log = []

        class Mixin:
            async def asyncSetUp(self) -> None:
                await super().asyncSetUp()  # type: ignore[misc]
                log.append("mixin set-up")

            def tearDown(self) -> None:
                log.append("mixin teardown")
                super().tearDown()  # type: ignore[misc]

        class Base(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                log.append("base set-up")

            async def asyncTearDown(self) -> None:
                log.append("base teardown")

        class Case(Mixin, Base):
            async def test_it(self) -> None:
                log.append("test")

        self.assertPassed(run_case(Case))
        self.assertEqual(
            log, ["base set-up", "mixin set-up", "test", "base teardown", "mixin teardown"]
        )

    def test_a_hook_on_the_instance_runs(self) -> None:
        """pytest and some decorators put hooks on the instance."""
        log = []

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                log.append("test")

        async def set_up() -> None:
            log.append("asyncSetUp")

        case = Case("test_it")
        case.asyncSetUp = set_up  # type: ignore[method-assign]

        self.assertPassed(run_case(case))
        self.assertEqual(log, ["asyncSetUp", "test"])

    def test_class_fixtures_run_once(self) -> None:
        """setUpClass, tearDownClass and class cleanups are the suite's business, as ever."""
        log = []

        class Case(AsyncTestCase):
            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                cls.addClassCleanup(log.append, "class cleanup")
                log.append("setUpClass")

            @classmethod
            def tearDownClass(cls) -> None:
                log.append("tearDownClass")

            async def test_1(self) -> None:
                log.append("test 1")

            def test_2(self) -> None:
                log.append("test 2")

        suite = unittest.TestSuite(
            [unittest.defaultTestLoader.loadTestsFromTestCase(Case), _Boundary("test_it")]
        )
        suite.run(Outcome())

        self.assertEqual(log, ["setUpClass", "test 1", "test 2", "tearDownClass", "class cleanup"])

    def test_success_is_reported_after_the_loop_is_closed(self) -> None:
        """What closing the loop finds can still fail the test."""
        loops: list[Any] = []
        closed: list[bool] = []

        class Watching(Outcome):
            def addSuccess(self, test: unittest.TestCase) -> None:
                closed.append(loops[0].is_closed())

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                loops.append(asyncio.get_running_loop())

        Case("test_it").run(Watching())

        self.assertEqual(closed, [True])


class _Boundary(unittest.TestCase):
    """Stands behind a class in a suite, so that the suite takes that class down."""

    def runTest(self) -> None: ...

    test_it = runTest
    del runTest


class ClassificationTests(OutcomeAssertions):
    """Whatever a phase raises counts as it counts with the standard library's own case."""

    KINDS = (
        ValueError("broken"),
        AssertionError("wrong"),
        unittest.SkipTest("not here"),
        SystemExit(3),
        asyncio.CancelledError("cancelled"),
        BaseExceptionGroup("several", [ValueError("broken"), SystemExit(3)]),
    )

    def test_each_exception_in_each_phase_counts_as_stock(self) -> None:
        """Errors, failures, skips and expected failures are told apart by unittest's own rules."""
        for phase in PHASES:
            for error in self.KINDS:
                for expecting in (False, True):
                    with self.subTest(phase=phase, error=error, expecting=expecting):
                        self.check(phase, error, expecting)

    def check(self, phase: str, error: BaseException, expecting: bool) -> None:
        stock = recording(unittest.IsolatedAsyncioTestCase, {phase: error})
        ours = recording(AsyncTestCase, {phase: error})
        if expecting:
            stock.test_it = unittest.expectedFailure(stock.test_it)
            ours.test_it = unittest.expectedFailure(ours.test_it)

        there, here = run_case(stock), run_case(ours)

        self.assertEqual(here.calls, there.calls)
        self.assertEqual([type(e) for e in here.raised], [type(e) for e in there.raised])
        log = [step for step in ours.log if step != "tearDown" or phase != "asyncTearDown"]
        self.assertEqual(log, stock.log)

    def test_skips_by_decorator_on_test_and_class(self) -> None:
        """A decorated test is skipped without any of its hooks."""

        class Case(AsyncTestCase):
            def setUp(self) -> None:
                raise ValueError("must not run")

            @unittest.skip("by decorator")
            async def test_it(self) -> None:
                raise ValueError("must not run")

        class Other(AsyncTestCase):
            async def test_it(self) -> None:
                raise ValueError("must not run")

        self.assertSkipped(run_case(Case), "by decorator")
        self.assertSkipped(run_case(unittest.skip("as a whole")(Other)), "as a whole")

    def test_skip_test_method_skips(self) -> None:
        """self.skipTest() works in set-up and test."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.skipTest("no network")

        self.assertSkipped(run_case(Case), "no network")

    def test_expected_failure_that_passes_is_an_unexpected_success(self) -> None:
        """As with any test case."""

        class Case(AsyncTestCase):
            @unittest.expectedFailure
            async def test_it(self) -> None: ...

        outcome = run_case(Case)

        self.assertEqual(outcome.calls, ["startTest", "addUnexpectedSuccess", "stopTest"])

    def test_a_test_that_lets_a_cancellation_out_is_an_error(self) -> None:
        """A CancelledError means that the test did not get to its end."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                task = asyncio.create_task(asyncio.sleep(60))
                task.cancel()
                await task

        self.assertFailsWith(run_case(Case), asyncio.CancelledError)

    def test_a_test_that_cancels_itself_is_an_error(self) -> None:
        """Nothing entered before has asked for it, so nothing else explains it."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(0)

        outcome = run_case(Case)

        self.assertFailsWith(outcome, asyncio.CancelledError)

    def test_fail_fast_stops_after_a_failing_async_test(self) -> None:
        """The result's failfast sees our failures as any other."""

        class Case(AsyncTestCase):
            async def test_1(self) -> None:
                self.fail("first")

            async def test_2(self) -> None: ...

        outcome = Outcome()
        outcome.failfast = True
        unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(outcome)

        self.assertEqual(outcome.testsRun, 1)


class OneTaskTests(OutcomeAssertions):
    def test_all_async_phases_share_one_task_and_one_loop(self) -> None:
        """Set-up, test, teardown and cleanups run in a task that bears the test's name."""
        tasks = []
        loops = []

        async def note() -> None:
            tasks.append(asyncio.current_task())
            loops.append(asyncio.get_running_loop())

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                await note()

            async def test_it(self) -> None:
                await note()
                self.addAsyncCleanup(note)

            async def asyncTearDown(self) -> None:
                await note()

        self.assertPassed(run_case(Case))
        self.assertEqual(len(tasks), 4)
        self.assertEqual(len(set(tasks)), 1)
        self.assertEqual(len(set(loops)), 1)
        self.assertEqual(tasks[0].get_name(), "test_it")

    def test_each_test_has_a_loop_of_its_own(self) -> None:
        """Isolation is not given up to be fast."""
        loops = []

        class Case(AsyncTestCase):
            async def test_1(self) -> None:
                loops.append(asyncio.get_running_loop())

            test_2 = test_3 = test_1

        outcome = run_all(Case)

        self.assertEqual(outcome.testsRun, 3)
        self.assertEqual(len(set(loops)), 3)
        self.assertTrue(all(loop.is_closed() for loop in loops))

    def test_sync_phases_run_outside_of_the_loop(self) -> None:
        """No loop runs in setUp() and tearDown(), but the test's own is the current one."""
        found = []

        class Case(AsyncTestCase):
            def note(self) -> None:
                found.append(asyncio._get_running_loop())
                found.append(asyncio.get_event_loop() is self.loop)

            def setUp(self) -> None:
                self.addCleanup(self.note)
                self.note()

            async def test_it(self) -> None: ...

            def tearDown(self) -> None:
                self.note()

        self.assertPassed(run_case(Case))
        self.assertEqual(found, [None, True] * 3)

    def test_a_context_variable_set_in_one_phase_is_seen_in_the_next(self) -> None:
        """Sync and async phases share one context, in both directions."""
        seen = []

        class Case(AsyncTestCase):
            def step(self, text: str) -> None:
                seen.append(variable.get())
                variable.set(text)

            def setUp(self) -> None:
                self.addCleanup(self.step, "cleanup")
                self.step("setUp")

            async def asyncSetUp(self) -> None:
                self.step("asyncSetUp")

            async def test_it(self) -> None:
                self.step("test")

            async def asyncTearDown(self) -> None:
                self.step("asyncTearDown")

            def tearDown(self) -> None:
                self.step("tearDown")

        self.assertPassed(run_case(Case))
        self.assertEqual(
            seen, ["unset", "setUp", "asyncSetUp", "test", "asyncTearDown", "tearDown"]
        )
        self.assertEqual(variable.get(), "unset")

    def test_the_context_is_a_copy_of_the_one_in_which_the_test_runs(self) -> None:
        """What a runner or a class fixture sets before the run is seen; what comes back is not."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.assertEqual(variable.get(), "by the runner")
                variable.set("by the test")

        case = Case("test_it")
        self.addCleanup(variable.reset, variable.set("by the runner"))

        self.assertPassed(run_case(case))
        self.assertEqual(variable.get(), "by the runner")


class SyncTestTests(OutcomeAssertions):
    def test_a_sync_test_makes_no_loop(self) -> None:
        """It costs what a test of a plain TestCase costs: no loop is born, no selector made."""

        class Case(AsyncTestCase):
            def setUp(self) -> None: ...

            def test_it(self) -> None:
                self.assertTrue(True)

            def tearDown(self) -> None: ...

        with (
            mock.patch.object(_UnbornLoop, "_be_born", autospec=True) as birth,
            mock.patch("asyncio.new_event_loop") as stock,
        ):
            outcome = run_case(Case)

        self.assertPassed(outcome)
        birth.assert_not_called()
        stock.assert_not_called()

    def test_an_async_test_without_input_opens_no_selector(self) -> None:
        """Selector and self-pipe come with the first wait that they are needed for."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                await asyncio.gather(*(spin() for _ in range(10)))

        with mock.patch("selectors.DefaultSelector") as selector:
            outcome = run_case(Case)

        self.assertPassed(outcome)
        selector.assert_not_called()

    def test_get_event_loop_in_a_sync_test_gives_the_tests_own_loop(self) -> None:
        """Old code that asks for a loop outside of it gets one that works, and is closed later."""
        loops = []

        class Case(AsyncTestCase):
            def setUp(self) -> None:
                loops.append(asyncio.get_event_loop())

            def test_it(self) -> None:
                loop = asyncio.get_event_loop()
                loops.append(loop)
                loops.append(self.loop)
                self.assertEqual(loop.run_until_complete(asyncio.sleep(0, "works")), "works")
                future = loop.create_future()
                loop.call_soon(future.set_result, "also")
                self.assertEqual(loop.run_until_complete(future), "also")

        self.assertPassed(run_case(Case))
        self.assertEqual(len(set(map(id, loops))), 1)
        self.assertTrue(loops[0].is_closed())

    def test_a_sync_test_may_await_in_hooks_and_cleanups(self) -> None:
        """A sync test between async hooks runs outside of the loop, as in the stock case."""
        log = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.queue: asyncio.Queue[str] = asyncio.Queue()
                await self.queue.put("from set-up")

            def test_it(self) -> None:
                log.append(self.queue.get_nowait())
                self.addAsyncCleanup(self.queue.put, "from cleanup")

            async def asyncTearDown(self) -> None:
                log.append(self.queue.qsize())

        self.assertPassed(run_case(Case))
        self.assertEqual(log, ["from set-up", 0])

    def test_asyncio_run_in_a_sync_test_leaves_the_next_test_alone(self) -> None:
        """asyncio.run() sets the thread's current loop to None; the next test finds its own."""

        class Case(AsyncTestCase):
            def test_1(self) -> None:
                asyncio.run(asyncio.sleep(0))

            def test_2(self) -> None:
                self.assertIs(asyncio.get_event_loop(), self.loop)

            async def test_3(self) -> None:
                self.assertIs(asyncio.get_running_loop(), self.loop)

        outcome = run_all(Case)

        self.assertEqual((outcome.testsRun, outcome.raised), (3, []), outcome.report)


class AwaitableTests(OutcomeAssertions):
    """Whatever a test or a cleanup returns is awaited if it can be."""

    def check_awaited(self, make: Any) -> None:
        """Check that the result of *make(case, ran)* is awaited, which must append to *ran*."""
        ran: list[str] = []

        class Case(AsyncTestCase):
            def test_it(self) -> Any:
                return make(self, ran)

        self.assertPassed(run_case(Case))
        self.assertEqual(ran, ["awaited"])

    def test_a_coroutine_from_a_sync_wrapper_is_awaited(self) -> None:
        """A decorator that forgets to await is the usual case."""
        ran = []

        def decorator(function: Any) -> Any:
            @functools.wraps(function)
            def wrapper(*args: Any) -> Any:
                return function(*args)

            return wrapper

        class Case(AsyncTestCase):
            @decorator
            async def test_it(self) -> None:
                await asyncio.sleep(0)
                ran.append("awaited")

        self.assertPassed(run_case(Case))
        self.assertEqual(ran, ["awaited"])

    def test_a_failure_behind_a_sync_wrapper_fails_the_test(self) -> None:
        """Stock gives a DeprecationWarning and passes."""

        async def body(case: AsyncTestCase) -> None:
            case.fail("seen")

        class Case(AsyncTestCase):
            test_it = functools.wraps(body)(lambda self: body(self))

        self.assertFailsWith(run_case(Case), AssertionError, "seen")

    def test_partials_are_awaited(self) -> None:
        """functools.partial and partialmethod hide a coroutine function from inspect."""

        class Case(AsyncTestCase):
            ran: list[str]

            async def body(self, text: str) -> None:
                await asyncio.sleep(0)
                self.ran.append(text)

            test_it = functools.partialmethod(body, "awaited")

        async def body(ran: list[str]) -> None:
            ran.append("awaited")

        Case.ran = []

        self.assertPassed(run_case(Case))
        self.assertEqual(Case.ran, ["awaited"])
        self.check_awaited(lambda case, ran: functools.partial(body, ran)())

    def test_a_future_is_awaited(self) -> None:
        """Also one that is done later only."""

        def make(case: AsyncTestCase, ran: list[str]) -> Any:
            future = case.loop.create_future()
            case.loop.call_later(0.001, lambda: (ran.append("awaited"), future.set_result(None)))
            return future

        self.check_awaited(make)

    def test_a_task_is_awaited(self) -> None:
        """Its exception is the test's."""

        async def body(case: AsyncTestCase) -> None:
            case.fail("seen")

        class Case(AsyncTestCase):
            def test_it(self) -> Any:
                return self.loop.create_task(body(self))

        self.assertFailsWith(run_case(Case), AssertionError, "seen")

    def test_an_object_with_dunder_await_is_awaited(self) -> None:
        """Anything that 'await' takes."""

        class Custom:
            def __init__(self, ran: list[str]) -> None:
                self.ran = ran

            def __await__(self) -> Any:
                yield from asyncio.sleep(0).__await__()
                self.ran.append("awaited")

        self.check_awaited(lambda case, ran: Custom(ran))

    def test_a_compiled_coroutine_is_awaited(self) -> None:
        """Cython's coroutines are of their own type, and abc.Coroutine by registration."""

        class Compiled:
            def __init__(self, inner: Any) -> None:
                self.inner = inner

            def __await__(self) -> Any:
                return self

            def __iter__(self) -> Any:
                return self

            def __next__(self) -> Any:
                return self.send(None)

            def send(self, value: Any) -> Any:
                return self.inner.send(value)

            def throw(self, *error: Any) -> Any:
                return self.inner.throw(*error)

            def close(self) -> None:
                self.inner.close()

        async def body(ran: list[str]) -> None:
            await asyncio.sleep(0)
            ran.append("awaited")

        collections.abc.Coroutine.register(Compiled)
        self.check_awaited(lambda case, ran: Compiled(body(ran)))

    def test_a_generator_based_coroutine_is_awaited(self) -> None:
        """types.coroutine() marks generators that can be awaited."""

        class Case(AsyncTestCase):
            ran: list[str]

            @types.coroutine
            def test_it(self) -> Any:
                yield from asyncio.sleep(0).__await__()
                self.ran.append("awaited")

        Case.ran = []

        self.assertPassed(run_case(Case))
        self.assertEqual(Case.ran, ["awaited"])

    def test_an_awaitable_that_an_async_test_returns_is_awaited(self) -> None:
        """An async decorator around a sync one returns a coroutine from a coroutine."""
        ran = []

        async def body() -> None:
            ran.append("awaited")

        class Case(AsyncTestCase):
            async def test_it(self) -> Any:
                return body()

        self.assertPassed(run_case(Case))
        self.assertEqual(ran, ["awaited"])

    def test_any_other_returned_value_is_a_deprecation_warning(self) -> None:
        """As in the standard library."""

        class Case(AsyncTestCase):
            async def test_it(self) -> int:
                return 17

        with self.assertWarnsRegex(DeprecationWarning, "return a value that is not None"):
            self.assertPassed(run_case(Case))

    def test_cleanups_that_return_awaitables_are_awaited(self) -> None:
        """A lambda or a partial is no coroutine function, yet returns a coroutine."""
        ran = []
        double = mock.AsyncMock()

        async def body(text: str) -> None:
            await asyncio.sleep(0)
            ran.append(text)

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.addCleanup(lambda: body("lambda"))
                self.addAsyncCleanup(lambda: body("async lambda"))
                self.addCleanup(functools.partial(body, "partial"))
                self.addCleanup(double)
                self.addCleanup(body, text="keyword")

        self.assertPassed(run_case(Case))
        self.assertEqual(ran, ["keyword", "partial", "async lambda", "lambda"])
        double.assert_awaited_once_with()


class SubTestTests(OutcomeAssertions):
    def test_gathered_subtests_keep_their_parameters_apart(self) -> None:
        """Each task has a subtest of its own; stock nests them into each other."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                await asyncio.gather(*(self.check(name) for name in "abc"))

            async def check(self, name: str) -> None:
                with self.subTest(name=name):
                    await asyncio.sleep(0)
                    with self.subTest(inner=name * 2):
                        await asyncio.sleep(0)
                        self.assertEqual(name, "b")

        outcome = run_case(Case)

        failing = [str(subtest).rpartition(" ")[2] for subtest, _ in outcome.failures]
        descriptions = [subtest._subDescription() for subtest, _ in outcome.failures]
        self.assertEqual(len(failing), 2)
        self.assertEqual(sorted(descriptions), ["(inner='aa', name='a')", "(inner='cc', name='c')"])

    def test_the_test_goes_on_after_a_failing_subtest(self) -> None:
        """As ever; and the loop is still fine."""
        reached = []

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                for number in range(3):
                    with self.subTest(number=number):
                        await asyncio.sleep(0)
                        self.assertEqual(number, 1)
                reached.append("end")

        outcome = run_case(Case)

        self.assertEqual(len(outcome.failures), 2)
        self.assertEqual(reached, ["end"])
        self.assertNotIn("addSuccess", outcome.calls)

    def test_skip_in_a_subtest_skips_only_that(self) -> None:
        """The parameters stand in the result."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                with self.subTest(part=1):
                    self.skipTest("not here")
                with self.subTest(part=2):
                    await asyncio.sleep(0)

        outcome = run_case(Case)

        self.assertEqual([reason for _, reason in outcome.skipped], ["not here"])
        self.assertEqual(outcome.raised, [])

    def test_sync_and_async_phases_see_one_subtest(self) -> None:
        """A subtest in setUp() ends there, and none is left over for the test."""

        class Case(AsyncTestCase):
            def setUp(self) -> None:
                with self.subTest("in set-up"):
                    pass

            async def test_it(self) -> None:
                with self.subTest("in the test"):
                    self.fail("seen")

        outcome = run_case(Case)

        self.assertEqual(
            [subtest._subDescription() for subtest, _ in outcome.failures], ["[in the test]"]
        )


class InstanceTests(OutcomeAssertions):
    def test_an_instance_runs_more_than_once(self) -> None:
        """Reruns and repeats need no new instance; each run has a fresh loop."""
        loops = []

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                loops.append(asyncio.get_running_loop())
                self.addCleanup(loops.append, None)

        case = Case("test_it")
        for _ in range(3):
            self.assertPassed(run_case(case))

        self.assertEqual(len(loops), 6)
        self.assertEqual(len({loop for loop in loops if loop}), 3)

    def test_an_instance_runs_again_after_a_failure(self) -> None:
        """Nothing of the failed run is left in the next one."""
        attempts = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                await self.enterAsyncContext(asyncio.TaskGroup())

            async def test_it(self) -> None:
                attempts.append(1)
                self.assertEqual(len(attempts), 2)

        case = Case("test_it")

        self.assertFailsWith(run_case(case), AssertionError)
        self.assertPassed(run_case(case))

    def test_instances_pickle(self) -> None:
        """Process pools of parallel runners send instances, before and after a run."""
        case = Picklable("test_it")

        again = pickle.loads(pickle.dumps(case))
        self.assertPassed(run_case(again))
        later = pickle.loads(pickle.dumps(again))

        self.assertEqual(later.id(), case.id())
        self.assertPassed(run_case(later))

    def test_instances_copy(self) -> None:
        """copy() and deepcopy() give cases that run, also before the original does."""
        for make_copy in (copy.copy, copy.deepcopy):
            with self.subTest(make_copy.__name__):
                case = Picklable("test_it")
                self.assertPassed(run_case(make_copy(case)))
                self.assertPassed(run_case(case))
                self.assertPassed(run_case(make_copy(case)))

    def test_equality_and_hash_are_unittests(self) -> None:
        """Runners keep cases in sets and compare them."""
        one, other = Picklable("test_it"), Picklable("test_it")

        run_case(one)

        self.assertEqual(one, other)
        self.assertEqual(len({one, other}), 1)

    def test_a_case_without_a_test_can_be_used_for_its_assertions(self) -> None:
        """unittest allows TestCase() without any test method, for interactive use."""
        AsyncTestCase().assertEqual(1, 1)

    def test_loop_outside_of_a_run_is_a_clear_error(self) -> None:
        """There is no loop before and after the test."""
        case = Picklable("test_it")

        with self.assertRaisesRegex(RuntimeError, "test_it.* is not running.*fresh one"):
            _ = case.loop
        run_case(case)
        with self.assertRaisesRegex(RuntimeError, "is not running"):
            _ = case.loop

    def test_a_class_may_keep_an_object_of_its_own_under_the_name_loop(self) -> None:
        """Many old suites set self.loop; asyncio's own answer is not changed by that."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.loop = "mine"

            async def test_it(self) -> None:
                self.assertEqual(self.loop, "mine")

        case = Case("test_it")

        self.assertPassed(run_case(case))
        with self.assertRaises(RuntimeError):
            _ = case.loop


class Picklable(AsyncTestCase):
    """At module level, where pickle can find it; run by tests here, and harmless when collected."""

    async def asyncSetUp(self) -> None:
        self.value = await asyncio.sleep(0, "set up")

    async def test_it(self) -> None:
        self.assertEqual(self.value, "set up")
        del self.value


class DebugTests(OutcomeAssertions):
    def test_debug_runs_everything_and_closes_the_loop(self) -> None:
        """debug() is run() without a result."""
        case = recording(AsyncTestCase)
        loops = []
        test = case("test_it")

        test.addCleanup(lambda: loops.append(test.loop))
        test.debug()

        self.assertEqual(case.log, [*PHASES[:5], "async cleanup", "cleanup"])
        self.assertTrue(loops[0].is_closed())

    def test_debug_raises_the_first_error_as_it_is(self) -> None:
        """So that a debugger can look at it in its place."""
        for phase in PHASES:
            with self.subTest(phase):
                error = ValueError(phase)
                test = recording(AsyncTestCase, {phase: error})("test_it")

                with self.assertRaises(ValueError) as caught:
                    test.debug()

                self.assertIs(caught.exception, error)
                with contextlib.suppress(ValueError):
                    test.doCleanups()

    def test_do_cleanups_after_a_failed_debug_closes_the_loop(self) -> None:
        """debug() leaves the cleanups to the caller then, and the loop open for them."""
        loops = []
        case = recording(AsyncTestCase, {"test_it": ValueError("broken")})
        test = case("test_it")
        with self.assertRaises(ValueError):
            test.debug()
        loops.append(test.loop)
        self.assertFalse(loops[0].is_closed())

        self.assertTrue(test.doCleanups())

        self.assertEqual(case.log[-2:], ["async cleanup", "cleanup"])
        self.assertTrue(loops[0].is_closed())

    def test_debug_again_after_a_failed_one(self) -> None:
        """The second run of the instance is not disturbed by the first."""
        attempts = []

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                attempts.append(1)
                self.assertEqual(len(attempts), 2)

        test = Case("test_it")
        with self.assertNoWarnings():
            try:
                test.debug()
            except AssertionError:
                pass
            test.debug()

        self.assertEqual(len(attempts), 2)

    def test_a_failed_debug_without_cleanups_leaves_nothing_open(self) -> None:
        """The loop is closed with its case, and no ResourceWarning tells of it."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                await asyncio.sleep(0.001)
                self.fail("broken")

        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            test = Case("test_it")
            try:
                test.debug()
            except AssertionError:
                pass
            del test
            gc.collect()

    def test_a_skip_in_debug_is_raised(self) -> None:
        """As with a plain TestCase."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.skipTest("not here")

        test = Case("test_it")
        with self.assertRaises(unittest.SkipTest):
            test.debug()
        test.doCleanups()

    def test_a_leak_in_debug_is_raised(self) -> None:
        """debug() is as strict as run()."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(asyncio.sleep(60), name="forgotten")

        with self.assertRaisesRegex(AssertionError, "forgotten"):
            Case("test_it").debug()


class MemoryTests(OutcomeAssertions):
    def test_a_passing_test_leaves_no_garbage(self) -> None:
        """Reference counts free all that a test made; nothing waits for the collector."""

        class Plain(AsyncTestCase):
            async def test_it(self) -> None:
                await asyncio.sleep(0)

        class WithTimer(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                await self.enterAsyncContext(asyncio.timeout(60))

            async def test_it(self) -> None:
                await asyncio.sleep(0.0001)

            async def asyncTearDown(self) -> None: ...

        class WithThread(AsyncTestCase):
            async def test_it(self) -> None:
                await asyncio.to_thread(lambda: None)

        class Sync(AsyncTestCase):
            def test_it(self) -> None: ...

        for case in (Plain, WithTimer, WithThread, Sync):
            with self.subTest(case.__name__):
                case("test_it").run(unittest.TestResult())  # imports and caches
                gc.collect()
                gc.disable()
                self.addCleanup(gc.enable)

                case("test_it").run(unittest.TestResult())

                self.assertEqual(gc.collect(), 0)

    def test_memory_stays_flat(self) -> None:
        """A few hundred tests leave as many objects behind as none."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.addAsyncCleanup(asyncio.sleep, 0)

            async def test_it(self) -> None:
                await asyncio.sleep(0)

        def run_many() -> None:
            result = unittest.TestResult()
            for _ in range(200):
                Case("test_it").run(result)
            self.assertEqual((result.errors, result.failures), ([], []))

        run_many()
        gc.collect()
        before = len(gc.get_objects())

        run_many()

        gc.collect()
        self.assertLess(len(gc.get_objects()) - before, 50)


class AdoptionTests(OutcomeAssertions):
    def test_aiohttps_case_runs_on_ours(self) -> None:
        """AioHTTPTestCase, adopted, serves over loopback sockets and leaves nothing behind."""
        process = run_python("""
            import unittest
            import aiohttp.test_utils  # made before the adoption, so it must be given a new base
            from asynctesting import AsyncTestCase, _adopt
            _adopt.adopt()
            from aiohttp import web

            class Tests(aiohttp.test_utils.AioHTTPTestCase):
                async def get_application(self):
                    async def hello(request):
                        return web.Response(text="hello")
                    app = web.Application()
                    app.router.add_get("/", hello)
                    return app

                async def test_hello(self):
                    async with self.client.request("GET", "/") as response:
                        self.assertEqual(await response.text(), "hello")

            assert issubclass(Tests, AsyncTestCase), Tests.__mro__
            unittest.main()
        """)

        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("Ran 1 test", process.stderr)


class HookTests(OutcomeAssertions):
    def test_a_sync_async_set_up_is_a_clear_error(self) -> None:
        """A plain 'def asyncSetUp' that returns nothing can't be awaited."""

        class Case(AsyncTestCase):
            def asyncSetUp(self) -> None:  # type: ignore[override]
                pass

            async def test_it(self) -> None: ...

        self.assertFailsWith(
            run_case(Case),
            SilentPassError,
            "Case.asyncSetUp returned None",
            "'async def asyncSetUp",
        )

    def test_a_set_up_that_returns_a_coroutine_is_an_error(self) -> None:
        """A decorator may hide at class creation that setUp() is async."""

        async def body() -> None: ...

        class Case(AsyncTestCase):
            def setUp(self) -> Any:
                return body()

            async def test_it(self) -> None: ...

        self.assertFailsWith(
            run_case(Case), SilentPassError, "setUp() returned an awaitable", "async def asyncSetUp"
        )

    def test_a_test_that_returns_a_generator_is_an_error(self) -> None:
        """Seen at class creation where it is written there, and here when it runs."""

        def steps() -> Any:
            yield 1

        async def async_steps() -> Any:
            yield 1

        for make in (steps, async_steps):
            with self.subTest(make.__name__):

                class Case(AsyncTestCase):
                    def test_it(self, make: Any = make) -> Any:
                        return make()

                self.assertFailsWith(
                    run_case(Case), SilentPassError, "test_it() returned a generator"
                )

    def test_enter_async_context_refuses_other_objects(self) -> None:
        """The message is that of the async with statement."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                await self.enterAsyncContext(object())  # type: ignore[arg-type]

        self.assertFailsWith(
            run_case(Case), TypeError, "does not support the asynchronous context manager protocol"
        )
