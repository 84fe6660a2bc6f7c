"""Limits and hangs: every test ends, says where it was, and lets the next one run.

A coroutine that hangs lets its limit pass by hand, so nothing waits for it. Only code that blocks
has to be caught in the act: its limit is a tenth of a second. So the suite never waits for the
minutes that stand in the code.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import sys
import threading
import time
import unittest
from typing import Any
from unittest import mock

import uvloop

import asynctesting
from asynctesting import (
    AsyncTestCase,
    SettingError,
    TimeLimitError,
    _reach,
    _watchdog,
    timeout,
)
from asynctesting._loop import LazyEventLoop
from tests.support import (
    OutcomeAssertions,
    limits_by_hand,
    pass_time,
    run_all,
    run_case,
    run_python,
    spin,
)

#: Of tests that hang, and of tests that block.
LIMIT, SHORT = 20.0, 0.1


async def hang() -> None:
    pass_time(LIMIT)
    await asyncio.sleep(60)


def block() -> None:
    time.sleep(60)


class WatchedTests(OutcomeAssertions):
    """The base of tests in which the watchdog has to step in."""

    def setUp(self) -> None:
        # A loop may find out before its limit that it waits in vain. Here it must not look.
        blind = mock.patch.object(LazyEventLoop, "_about_to_wait", lambda _, t: t, create=True)
        self.enterContext(blind)
        self.enterContext(limits_by_hand())


class HurriedTests(WatchedTests):
    """The base of tests in which code blocks or swallows: the watchdog is less patient with it."""

    def setUp(self) -> None:
        super().setUp()
        # Debug mode tells of each callback that takes long, and these all do.
        self.enterContext(mock.patch.object(logging.getLogger("asyncio"), "disabled", True))
        self.enterContext(mock.patch.object(_watchdog, "ANSWER_TIME", 0.05))
        self.enterContext(mock.patch.object(_watchdog.Watch, "grace", 0.2))


class SourceTests(WatchedTests):
    """Class attribute < decorator < environment."""

    def check_limit(self, case: Any, limit: float, **options: Any) -> None:
        """Check that a hanging test of *case* ends at *limit*."""
        error = self.assertFailsWith(run_case(case, **options), TimeLimitError)
        self.assertEqual(error.limit, limit)

    def test_the_default_is_a_minute(self) -> None:
        """Long enough for an honest test, short enough for a build."""
        self.assertEqual(AsyncTestCase.timeout, 60.0)

    def test_class_attribute(self) -> None:
        """It holds for subclasses, too, and may be an integer."""

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                await hang()

        class Derived(Case): ...

        self.check_limit(Case, LIMIT)
        self.check_limit(Derived, LIMIT)

    def test_decorator_on_a_test(self) -> None:
        """It goes before the attribute of the class."""

        class Case(AsyncTestCase):
            timeout = 50  # hides the decorator's name from the rest of the class body

            @asynctesting.timeout(LIMIT)
            async def test_it(self) -> None:
                await hang()

        self.check_limit(Case, LIMIT)

    def test_decorator_on_a_class(self) -> None:
        """It is the attribute, written otherwise."""

        @timeout(LIMIT)
        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                await hang()

        self.assertEqual(Case.timeout, LIMIT)
        self.check_limit(Case, LIMIT)

    def test_decorator_below_another_decorator(self) -> None:
        """functools.wraps carries the limit along."""

        class Case(AsyncTestCase):
            @mock.patch("time.tzname", ("here",))
            @timeout(LIMIT)
            async def test_it(self) -> None:
                await hang()

        self.check_limit(Case, LIMIT)

    def test_environment(self) -> None:
        """It goes before the decorator, so that one run can be hurried or left alone."""

        class Case(AsyncTestCase):
            @timeout(50)
            async def test_it(self) -> None:
                await hang()

        self.check_limit(Case, LIMIT, environment={"ASYNCTESTING_TIMEOUT": str(LIMIT)})

    def test_none_is_no_limit(self) -> None:
        """On the class, on the test, and in the environment."""

        class Case(AsyncTestCase):
            timeout: float | None = None

            async def test_it(self) -> None:
                await self.take_long()

            async def take_long(self) -> None:
                pass_time(24 * 3600)
                await asyncio.sleep(0.01)

        class Decorated(Case):
            timeout = LIMIT

            @asynctesting.timeout(None)
            async def test_it(self) -> None:
                await self.take_long()

        class Short(Case):
            timeout = LIMIT

        self.assertPassed(run_case(Case))
        self.assertPassed(run_case(Decorated))
        self.assertPassed(run_case(Short, environment={"ASYNCTESTING_TIMEOUT": "none"}))
        self.assertFailsWith(run_case(Short), TimeLimitError)

    def test_a_limit_that_is_not_reached_changes_nothing(self) -> None:
        """Also when the test waits for a while."""

        class Case(AsyncTestCase):
            timeout = 30

            async def test_it(self) -> None:
                await asyncio.sleep(0.01)

        self.assertPassed(run_case(Case))

    def test_values_that_cannot_be_meant(self) -> None:
        """The decorator says what it takes, at once."""
        for value in (0, -1, float("nan"), float("inf"), "5", True, [5]):
            with self.subTest(value=value):
                with self.assertRaisesRegex(SettingError, "real seconds above zero, or None"):
                    timeout(value)  # type: ignore[arg-type]
                with self.assertRaisesRegex(SettingError, r"Case\.timeout must be"):
                    type("Case", (AsyncTestCase,), {"timeout": value})

    def test_the_decorator_without_its_argument(self) -> None:
        """@timeout in place of @timeout(5) is told, not taken for a limit."""
        with self.assertRaisesRegex(SettingError, "got <function"):
            timeout(hang)  # type: ignore[arg-type]


class HangTests(WatchedTests):
    """The loop turns, so it can say itself where each task waits."""

    def test_the_message_names_task_file_and_line(self) -> None:
        """Verdict first, then the line, then what to do."""

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                await self.answer()

            async def answer(self) -> None:
                pass_time(LIMIT)
                await asyncio.Event().wait()

        # The process of the whole suite holds far more to search through than a user's.
        self.enterContext(mock.patch.object(_reach, "BUDGET", 60.0))
        error = self.assertFailsWith(
            run_case(Case),
            TimeLimitError,
            "test_it took longer than its limit of 20 s; it was waiting in the test phase for "
            "Event.\nNobody can end that any more: ",
            "'test_it' waits for Event\n",
            "test_limits.py:",
            "await asyncio.Event().wait()",
            "timeout(seconds)",
        )
        self.assertEqual((error.phase, len(error.waiting)), ("test", 1))

    def test_other_tasks_are_named_after_the_tests_own(self) -> None:
        """Whom a test waits for is often the reason."""

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                worker = asyncio.create_task(self.work(), name="worker")
                await worker

            async def work(self) -> None:
                await hang()

        error = self.assertFailsWith(run_case(Case), TimeLimitError)

        self.assertEqual(len(error.waiting), 2)
        self.assertIn("'test_it'", error.waiting[0])
        self.assertEqual(
            error.waiting, ("'test_it' waits for task 'worker'", "'worker' waits for sleep(60)")
        )
        self.assertIn("await asyncio.sleep(60)", str(error))

    def test_each_phase(self) -> None:
        """The limit covers set-up, teardown and cleanups, and the message says which it was."""

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_set_up(self) -> None: ...

            test_teardown = test_set_up

            async def test_cleanup(self) -> None:
                self.addAsyncCleanup(hang)

            async def asyncSetUp(self) -> None:
                if "set_up" in self.id():
                    await hang()

            async def asyncTearDown(self) -> None:
                if "teardown" in self.id():
                    await hang()

        for name, phase in (
            ("test_set_up", "set-up"),
            ("test_teardown", "teardown"),
            ("test_cleanup", "cleanup"),
        ):
            with self.subTest(phase):
                error = self.assertFailsWith(
                    run_case(Case, name), TimeLimitError, f"in the {phase} phase", "sleep(60)"
                )
                self.assertEqual(error.phase, phase)

    def test_finally_blocks_teardown_and_cleanups_run(self) -> None:
        """The test is cancelled where it waits; what follows has a grace period."""
        log = []

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                self.addAsyncCleanup(self.note, "cleanup")
                try:
                    await hang()
                finally:
                    await self.note("finally")

            async def asyncTearDown(self) -> None:
                await self.note("asyncTearDown")

            def tearDown(self) -> None:
                log.append("tearDown")

            async def note(self, text: str) -> None:
                await asyncio.sleep(0.001)
                log.append(text)

        self.assertFailsWith(run_case(Case), TimeLimitError)
        self.assertEqual(log, ["finally", "asyncTearDown", "tearDown", "cleanup"])

    def test_the_traceback_leads_to_the_line(self) -> None:
        """It ends where the test was cancelled, in the user's code."""

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                await hang()

        outcome = run_case(Case)

        self.assertFailsWith(outcome, TimeLimitError)
        self.assertRegex(outcome.report, r"in test_it\n +await hang\(\)")
        self.assertNotIn("_scopes.py", outcome.report)

    def test_the_next_test_runs(self) -> None:
        """Each test has a limit of its own."""

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_1(self) -> None:
                await hang()

            async def test_2(self) -> None: ...

        outcome = run_all(Case)

        self.assertEqual(outcome.testsRun, 2)
        self.assertEqual([test.id().rpartition(".")[2] for test, _ in outcome.failures], ["test_1"])

    def test_a_test_with_its_own_timeout_is_not_disturbed(self) -> None:
        """asyncio.timeout() inside the limit raises TimeoutError, as ever."""

        class Case(AsyncTestCase):
            timeout = 30

            async def test_it(self) -> None:
                with self.assertRaises(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await asyncio.sleep(60)

        self.assertPassed(run_case(Case))

    def test_an_expected_failure_may_be_a_hang(self) -> None:
        """The limit is a failure of the test like any other."""

        class Case(AsyncTestCase):
            timeout = LIMIT

            @unittest.expectedFailure
            async def test_it(self) -> None:
                await hang()

        outcome = run_case(Case)

        self.assertEqual(outcome.calls[1:-1], ["addExpectedFailure"])

    def test_hangs_on_other_loops(self) -> None:
        """The stock loop and uvloop report themselves, too."""
        for factory in (asyncio.SelectorEventLoop, uvloop.new_event_loop):
            with self.subTest(factory=factory):

                class Case(AsyncTestCase):
                    timeout = LIMIT
                    loop_factory = factory

                    async def test_it(self) -> None:
                        await hang()

                self.assertFailsWith(
                    run_case(Case), TimeLimitError, "it was waiting in the test phase", "'test_it'"
                )


class BlockTests(HurriedTests):
    """Synchronous code blocks the loop; the watchdog names its line and interrupts it."""

    def check_blocked(
        self, case: Any, phase: str, *texts: str, line: str = "time.sleep(60)"
    ) -> Any:
        began = time.monotonic()

        error = self.assertFailsWith(run_case(case), TimeLimitError, line, *texts)

        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(error.phase, phase)
        self.assertIn("test_limits.py:", error.waiting[-1])
        return error

    def test_in_a_coroutine(self) -> None:
        """time.sleep() in place of asyncio.sleep() is the classic."""

        class Case(AsyncTestCase):
            timeout = SHORT

            async def test_it(self) -> None:
                time.sleep(60)

        self.check_blocked(
            Case, "test", "synchronous code in task 'test_it' blocked the loop in the test phase."
        )

    def test_in_a_sync_test(self) -> None:
        """Even a test without a loop has a limit."""

        class Case(AsyncTestCase):
            timeout = SHORT

            def test_it(self) -> None:
                block()

        error = self.check_blocked(Case, "test", "synchronous code blocked it")
        self.assertIn("block()", error.waiting[-2])

    def test_in_sync_hooks_and_cleanups(self) -> None:
        """setUp(), tearDown() and a plain cleanup."""

        class SetUp(AsyncTestCase):
            timeout = SHORT

            def setUp(self) -> None:
                time.sleep(60)

            async def test_it(self) -> None: ...

        class TearDown(AsyncTestCase):
            timeout = SHORT

            async def test_it(self) -> None: ...

            def tearDown(self) -> None:
                time.sleep(60)

        class Cleanup(AsyncTestCase):
            timeout = SHORT

            async def test_it(self) -> None:
                self.addCleanup(time.sleep, 60)
                self.addCleanup(block)

        for case, phase in ((SetUp, "set-up"), (TearDown, "teardown")):
            with self.subTest(phase):
                self.check_blocked(case, phase)
        with self.subTest("cleanup"):
            outcome = run_case(Cleanup)
            self.assertEqual([type(e) for e in outcome.raised], [TimeLimitError] * 2)
            self.assertIn("time.sleep(60)", str(outcome.raised[0]))

    def test_in_a_callback(self) -> None:
        """A callback belongs to no task; the test is cancelled where it waits."""

        class Case(AsyncTestCase):
            timeout = SHORT

            async def test_it(self) -> None:
                self.loop.call_soon(block)
                await hang()

        self.check_blocked(Case, "test", "synchronous code blocked it")

    def test_in_another_task(self) -> None:
        """That task's name is told, not the test's."""

        async def culprit() -> None:
            block()

        class Case(AsyncTestCase):
            timeout = SHORT

            async def test_it(self) -> None:
                task = asyncio.create_task(culprit(), name="culprit")
                await asyncio.wait([task])

        self.check_blocked(Case, "test", "synchronous code in task 'culprit' blocked the loop")

    def test_in_pure_python(self) -> None:
        """A loop that never ends has no call that a signal could break off."""

        class Case(AsyncTestCase):
            timeout = SHORT

            async def test_it(self) -> None:
                count = 0
                while True:
                    count += 1

        self.check_blocked(Case, "test", line="")

    def test_on_a_lock(self) -> None:
        """A deadlock of threads: the main thread waits for ever for a lock."""
        lock = threading.Lock()
        lock.acquire()

        class Case(AsyncTestCase):
            timeout = SHORT

            async def test_it(self) -> None:
                lock.acquire()

        self.check_blocked(Case, "test", line="lock.acquire()")

    def test_on_other_loops(self) -> None:
        """A loop that hands exceptions of any kind to its handler hands us ours."""
        for factory in (asyncio.SelectorEventLoop, uvloop.new_event_loop):
            with self.subTest(factory=factory):

                class Case(AsyncTestCase):
                    timeout = SHORT
                    loop_factory = factory

                    async def test_it(self) -> None:
                        time.sleep(60)

                    async def test_callback(self) -> None:
                        self.loop.call_soon(block)
                        await hang()

                self.check_blocked(Case, "test")
                outcome = run_case(Case, "test_callback")
                self.assertFailsWith(outcome, TimeLimitError, "time.sleep(60)")

    def test_the_rest_of_the_test_and_the_next_one_run(self) -> None:
        """Teardown and cleanups come after the interruption, and then another test."""
        log = []

        class Case(AsyncTestCase):
            timeout = SHORT

            async def test_1(self) -> None:
                self.addCleanup(log.append, "cleanup")
                time.sleep(60)

            async def asyncTearDown(self) -> None:
                log.append("teardown")

            async def test_2(self) -> None: ...

        outcome = run_all(Case)

        self.assertEqual(outcome.testsRun, 2)
        self.assertEqual(len(outcome.failures), 1, outcome.report)
        self.assertEqual(log, ["teardown", "cleanup", "teardown"])

    def test_swallowed_by_a_bare_except(self) -> None:
        """The code goes on, and the limit is told when it returns."""

        class Case(AsyncTestCase):
            timeout = SHORT

            def test_sync(self) -> None:
                self.swallow()

            async def test_async(self) -> None:
                self.swallow()

            def swallow(self) -> None:
                try:
                    time.sleep(60)
                except:  # noqa: E722
                    pass

        for name in ("test_sync", "test_async"):
            with self.subTest(name):
                self.assertFailsWith(run_case(Case, name), TimeLimitError, "time.sleep(60)")

    def test_in_a_worker_thread(self) -> None:
        """Where no signal reaches, Python code is interrupted between two of its steps."""
        outcomes = []

        class Case(AsyncTestCase):
            timeout = SHORT

            async def test_async(self) -> None:
                await hang()

            async def test_blocked(self) -> None:
                while True:
                    time.sleep(0.001)

            def test_sync(self) -> None:
                while True:
                    time.sleep(0.001)

        for name in ("test_async", "test_blocked", "test_sync"):
            with self.subTest(name):
                thread = threading.Thread(target=lambda n=name: outcomes.append(run_case(Case, n)))
                thread.start()
                thread.join(20)
                self.assertFalse(thread.is_alive())
                self.assertFailsWith(outcomes.pop(), TimeLimitError, "sleep(")


class StubbornTests(HurriedTests):
    """What answers a cancellation with more waiting is named, and left behind."""

    def test_a_test_that_swallows_its_cancellation(self) -> None:
        """It does not hang the run, and its teardown still runs."""
        log = []

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                while True:
                    try:
                        await hang()
                    except asyncio.CancelledError:
                        pass

            async def asyncTearDown(self) -> None:
                log.append("teardown")

        self.assertFailsWith(
            run_case(Case),
            TimeLimitError,
            "test_it took longer than its limit of 20 s and swallows its cancellation: it was "
            "cancelled in the test phase, did not end within 0.2 s, waits for "
            "sleep(60) now, and was left behind.",
            "'test_it' waits for sleep(60)",
        )
        self.assertEqual(log, ["teardown"])

    def test_a_test_that_swallows_it_once_and_ends(self) -> None:
        """Returning normally does not make it a pass."""

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                with contextlib.suppress(asyncio.CancelledError):
                    await hang()

        outcome = run_case(Case)

        error = self.assertFailsWith(outcome, TimeLimitError, "asyncio.sleep(60)")
        self.assertNotIn("swallows", str(error))

    def test_another_failure_on_the_way_out_is_the_cause(self) -> None:
        """The limit is the verdict; what the finally block raised stands beside it."""

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                try:
                    await hang()
                finally:
                    raise ValueError("in finally")

        error = self.assertFailsWith(run_case(Case), TimeLimitError)
        self.assertEqual(str(error.__cause__), "in finally")

    def test_a_background_task_that_swallows_its_cancellation(self) -> None:
        """The test itself had passed; stock says "ok" and hangs for ever."""

        async def stubborn() -> None:
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass

        class Case(AsyncTestCase):
            timeout = 0.2

            async def test_it(self) -> None:
                self.task = asyncio.create_task(stubborn(), name="stubborn")
                await spin()

        error = self.assertFailsWith(
            run_case(Case),
            TimeLimitError,
            "test_it left tasks behind that swallow their cancellation",
            "'stubborn' waits at",
        )
        self.assertEqual(error.phase, "closing")

    def test_an_executor_job_that_never_ends(self) -> None:
        """It is named with its line; its thread is left behind."""
        release = threading.Event()
        self.addCleanup(release.set)

        def job() -> None:
            release.wait(30)

        class Case(AsyncTestCase):
            timeout = 0.2

            async def test_forgotten(self) -> None:
                self.future = self.loop.run_in_executor(None, job)

            async def test_awaited(self) -> None:
                await asyncio.to_thread(job)

            def test_sync(self) -> None:
                self.future = asyncio.get_event_loop().run_in_executor(None, job)

        for name in ("test_forgotten", "test_sync"):
            with self.subTest(name):
                error = self.assertFailsWith(
                    run_case(Case, name),
                    TimeLimitError,
                    "left executor jobs behind that do not end",
                    "job at",
                    "release.wait(30)",
                )
                self.assertEqual(error.phase, "closing")
        with self.subTest("test_awaited"):
            outcome = run_case(Case, "test_awaited")
            self.assertEqual([type(e) for e in outcome.raised], [TimeLimitError] * 2)
            self.assertIn("await asyncio.to_thread(job)", str(outcome.raised[0]))
            self.assertIn("left executor jobs behind", str(outcome.raised[1]))

    def test_an_executor_job_that_ends_in_time_is_awaited(self) -> None:
        """As in the stock case, closing waits for jobs under way."""
        log = []

        def job() -> None:
            time.sleep(0.02)
            log.append("done")

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.future = self.loop.run_in_executor(None, job)

        self.assertPassed(run_case(Case))
        self.assertEqual(log, ["done"])

    def test_a_teardown_that_hangs_after_the_test_has(self) -> None:
        """Both are told, and the second got the grace period only."""

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                self.addAsyncCleanup(hang)
                await hang()

            async def asyncTearDown(self) -> None:
                await hang()

        outcome = run_case(Case)

        self.assertEqual([type(e) for e in outcome.raised], [TimeLimitError] * 3, outcome.report)
        self.assertEqual([e.phase for e in outcome.raised], ["test", "teardown", "cleanup"])
        self.assertIn("took longer than the time that was left", str(outcome.raised[1]))


class ProcessTests(OutcomeAssertions):
    """What only a process of its own can show."""

    def test_the_process_ends_although_a_job_does_not(self) -> None:
        """The threads of the default executor are daemons; the interpreter does not join them."""
        process = run_python("""
            import asyncio, threading, time, unittest
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                timeout = 0.1
                async def test_it(self):
                    self.future = self.loop.run_in_executor(None, threading.Event().wait)

            began = time.monotonic()
            program = unittest.main(exit=False)
            print("failures:", len(program.result.failures), time.monotonic() - began < 20)
        """)

        self.assertRunsClean(process, "failures: 1 True")

    def test_the_last_resort_ends_the_process(self) -> None:
        """Code in C that reacts to no signal would hang the run for ever."""
        process = run_python("""
            import signal, time, unittest
            from asynctesting import AsyncTestCase, _watchdog
            _watchdog.PATIENCE = 0.2

            class Tests(AsyncTestCase):
                timeout = 0.1
                def test_it(self):
                    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGURG})
                    time.sleep(600)

            unittest.main()
        """)

        self.assertEqual(process.returncode, _watchdog.EXIT_STATUS, process.stderr)
        self.assertIn("test_it is stuck and can't be interrupted", process.stderr)
        self.assertIn("time.sleep(600)", process.stderr)

    def test_the_main_thread_after_a_worker_thread(self) -> None:
        """The first test of the run was in another thread, which may install no signal handler."""
        process = run_python("""
            import threading, time, unittest
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                timeout = 0.1
                def test_it(self):
                    pass
                def test_blocked(self):
                    time.sleep(600)

            result = unittest.TestResult()
            thread = threading.Thread(target=Tests("test_it").run, args=[result])
            thread.start()
            thread.join()
            Tests("test_blocked").run(result)
            print("failures:", len(result.failures))
        """)

        self.assertRunsClean(process, "failures: 1")

    def test_a_forked_child_has_a_watchdog_of_its_own(self) -> None:
        """Threads do not survive a fork; the limit does."""
        process = run_python("""
            import asyncio, os, unittest, warnings
            from asynctesting import AsyncTestCase
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: fork with threads

            class Tests(AsyncTestCase):
                timeout = 0.1
                async def test_it(self):
                    await asyncio.sleep(60)

            def run():
                result = unittest.TestResult()
                Tests("test_it").run(result)
                return len(result.failures)

            assert run() == 1
            pid = os.fork()
            if pid == 0:
                os._exit(run())
            print("child:", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """)

        self.assertRunsClean(process, "child: 1")


class DebuggerTests(HurriedTests):
    """Time spent at a breakpoint is not the test's fault."""

    def test_a_debugger_on_the_stack_switches_the_limit_off(self) -> None:
        """It says so, once, on stderr."""
        stopped: dict[str, Any] = {"__name__": "pdb", "pass_time": pass_time}
        exec("def interaction(): pass_time(50)", stopped)

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                stopped["interaction"]()
                pass_time(50)
                await asyncio.sleep(0.001)

        with contextlib.redirect_stderr(io.StringIO()) as output:
            outcome = run_case(Case)

        self.assertPassed(outcome)
        self.assertEqual(
            output.getvalue().strip(),
            "asynctesting: the limit of test_it is off, because a debugger (pdb) is active",
        )

    @unittest.skipIf(sys.version_info < (3, 12), "sys.monitoring came with Python 3.12")
    def test_a_tool_in_the_debuggers_slot_switches_the_limit_off(self) -> None:
        """New debuggers use sys.monitoring and need no frame on the stack."""
        monitoring = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        if monitoring.get_tool(monitoring.DEBUGGER_ID) is not None:
            self.skipTest("a debugger is active")
        monitoring.use_tool_id(monitoring.DEBUGGER_ID, "stand-in")
        self.addCleanup(monitoring.free_tool_id, monitoring.DEBUGGER_ID)

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                pass_time(50)
                await asyncio.sleep(0.001)

        with contextlib.redirect_stderr(io.StringIO()) as output:
            outcome = run_case(Case)

        self.assertPassed(outcome)
        self.assertIn("a debugger (stand-in) is active", output.getvalue())

    def test_a_trace_function_alone_is_no_debugger(self) -> None:
        """Coverage tools trace, too."""

        class Case(AsyncTestCase):
            timeout = LIMIT

            async def test_it(self) -> None:
                await hang()

        before = sys.gettrace()
        self.addCleanup(sys.settrace, before)
        sys.settrace(lambda *args: None)

        outcome = run_case(Case)
        sys.settrace(before)

        self.assertFailsWith(outcome, TimeLimitError)
