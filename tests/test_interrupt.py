"""Ctrl-C cancels the test, runs its teardown and cleanups, closes its loop, and stops the run."""

from __future__ import annotations

import asyncio
import sys
import unittest
from typing import Any

from asynctesting import AsyncTestCase
from tests.support import Outcome, OutcomeAssertions, run_case, run_python

# Real signals, in a process of its own. `press(*seconds)` presses Ctrl-C after these real seconds;
# a process that was started in the background would ignore it, so the handler is set.
PRELUDE = """
import asyncio, os, signal, sys, threading, time, unittest
from asynctesting import AsyncTestCase
signal.signal(signal.SIGINT, signal.default_int_handler)

def press(*seconds):
    for delay in seconds:
        timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
        timer.daemon = True
        timer.start()

def say(text):
    print(text, flush=True)
"""
EPILOG = """
try:
    unittest.main(exit=False)
except KeyboardInterrupt:
    say("interrupted")
else:
    say("went on")
"""


class InProcessTests(OutcomeAssertions):
    """KeyboardInterrupt raised by the code itself, in each phase."""

    def interrupt(self, case: Any) -> Outcome:
        """Run *case* and check that KeyboardInterrupt comes out."""
        outcome = Outcome()
        with self.assertRaises(KeyboardInterrupt):
            case("test_it").run(outcome)
        return outcome

    def make_case(self, interrupted: str) -> Any:
        log: list[str] = []

        def step(phase: str) -> None:
            log.append(phase)
            if phase == interrupted:
                raise KeyboardInterrupt

        class Case(AsyncTestCase):
            def setUp(self) -> None:
                log.clear()
                Case.own_loop = self.loop
                self.addCleanup(step, "cleanup")
                self.addAsyncCleanup(self.clean_up)
                step("setUp")

            async def asyncSetUp(self) -> None:
                step("asyncSetUp")

            async def test_it(self) -> None:
                step("test")

            async def asyncTearDown(self) -> None:
                step("asyncTearDown")

            def tearDown(self) -> None:
                step("tearDown")

            async def clean_up(self) -> None:
                await asyncio.sleep(0)
                step("async cleanup")

        Case.log = log
        return Case

    def test_each_phase(self) -> None:
        """What the test still owes is done, the loop is closed, and no success is reported."""
        cleanups = ["async cleanup", "cleanup"]
        teardown = ["asyncTearDown", "tearDown"]
        for phase, expected in (
            ("setUp", ["setUp", *cleanups]),
            ("asyncSetUp", ["setUp", "asyncSetUp", *cleanups]),
            ("test", ["setUp", "asyncSetUp", "test", *teardown, *cleanups]),
            ("tearDown", ["setUp", "asyncSetUp", "test", *teardown, *cleanups]),
            ("async cleanup", ["setUp", "asyncSetUp", "test", *teardown, *cleanups]),
        ):
            with self.subTest(phase):
                case = self.make_case(phase)

                outcome = self.interrupt(case)

                self.assertEqual(case.log, expected)
                self.assertTrue(case.own_loop.is_closed())
                self.assertNotIn("addSuccess", outcome.calls)

    def test_in_a_callback(self) -> None:
        """As a real Ctrl-C while the loop turns: the test is cancelled where it waits."""
        log = []

        def interrupt() -> None:
            raise KeyboardInterrupt

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.loop.call_soon(interrupt)
                try:
                    await asyncio.sleep(30)
                finally:
                    await asyncio.sleep(0)
                    log.append("finally")

            async def asyncTearDown(self) -> None:
                log.append("teardown")

        self.interrupt(Case)
        self.assertEqual(log, ["finally", "teardown"])

    def test_in_another_task(self) -> None:
        """It ends the test, not only that task."""
        log = []

        async def other() -> None:
            raise KeyboardInterrupt

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                task = asyncio.create_task(other())
                try:
                    await asyncio.sleep(30)
                finally:
                    task.cancel()
                    log.append("finally")

        self.interrupt(Case)
        self.assertEqual(log, ["finally"])

    def test_a_test_that_swallows_its_cancellation(self) -> None:
        """It is left behind; Ctrl-C always ends the run."""

        class Case(AsyncTestCase):
            timeout = 5

            async def test_it(self) -> None:
                self.loop.call_soon(self.interrupt)
                while True:
                    try:
                        await asyncio.sleep(0.01)
                    except asyncio.CancelledError:
                        self.loop.call_soon(self.interrupt)

            def interrupt(self) -> None:
                raise KeyboardInterrupt

        self.interrupt(Case)

    def test_a_failing_teardown_does_not_hide_it(self) -> None:
        """Both are there: the failure in the result, the interruption on its way out."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                raise KeyboardInterrupt

            async def asyncTearDown(self) -> None:
                self.fail("in teardown")

        outcome = self.interrupt(Case)

        self.assertFailsWith(outcome, AssertionError, "in teardown")

    def test_the_instance_runs_again(self) -> None:
        """Nothing of the interrupted run is left."""
        attempts = []

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                attempts.append(1)
                if len(attempts) == 1:
                    raise KeyboardInterrupt

        case = Case("test_it")
        with self.assertRaises(KeyboardInterrupt):
            case.run(Outcome())

        self.assertPassed(run_case(case))

    def test_in_debug(self) -> None:
        """debug() raises it as any other error."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                raise KeyboardInterrupt

        case = Case("test_it")
        with self.assertRaises(KeyboardInterrupt):
            case.debug()
        case.doCleanups()


@unittest.skipIf(sys.platform == "win32", "SIGINT can't be sent to a process of one's own there")
class SignalTests(OutcomeAssertions):
    """A real Ctrl-C, in a process of its own."""

    def press(self, source: str, *options: str, expected: list[str]) -> Any:
        """Run *source* between prelude and epilog, and check what it says."""
        process = run_python(PRELUDE + source + EPILOG, *options)

        self.assertEqual(process.stdout.split("\n")[:-1], expected, process.stderr)
        return process

    def test_while_the_test_waits(self) -> None:
        """finally, teardown and cleanups run; the next test does not."""
        process = self.press(
            """
class Tests(AsyncTestCase):
    async def test_1(self):
        self.addAsyncCleanup(self.note, "cleanup")
        press(0.1)
        try:
            await asyncio.sleep(30)
        finally:
            await self.note("finally")

    async def asyncTearDown(self):
        await self.note("teardown")

    async def test_2(self):
        say("must not run")

    async def note(self, text):
        await asyncio.sleep(0.001)
        say(text)
""",
            expected=["finally", "teardown", "cleanup", "interrupted"],
        )
        self.assertNotIn("Warning", process.stderr)

    def test_what_fails_after_it_is_printed(self) -> None:
        """unittest prints no list of failures then, so they travel with the interruption."""
        process = run_python(
            PRELUDE
            + """
from asynctesting import async_fixture

class Tests(AsyncTestCase):
    @async_fixture(scope="module")
    async def of_the_module(cls):
        yield
        raise LookupError("in the module")

    @async_fixture(scope="class")
    async def of_the_class(cls):
        yield
        raise LookupError("in the class")

    async def test_1(self):
        self.addAsyncCleanup(self.fail_late)
        press(0.1)
        await asyncio.sleep(30)

    async def fail_late(self):
        raise LookupError("in the cleanup")

    async def asyncTearDown(self):
        self.fail("in the teardown")

unittest.main()
"""
        )

        for where in ("teardown", "cleanup", "class", "module"):
            self.assertEqual(process.stderr.count(f"Error: in the {where}"), 1, process.stderr)
        self.assertIn("ERROR after the interruption: tearDownModule (__main__)", process.stderr)
        self.assertIn("ERROR after the interruption: test_1 (__main__.Tests", process.stderr)
        self.assertNotIn("LateTeardownWarning", process.stderr)

    def test_in_the_set_up_of_a_class(self) -> None:
        """What lies around the class ends with the run, and what fails there is printed."""
        process = self.press(
            """
from asynctesting import async_fixture

class Tests(AsyncTestCase):
    @async_fixture(scope="module")
    async def of_the_module(cls):
        yield
        say("module down")
        raise LookupError("in the module")

    @async_fixture(scope="class")
    async def of_the_class(cls):
        press(0.1)
        await asyncio.sleep(30)

    async def test_1(self):
        say("must not run")
""",
            expected=["module down", "interrupted"],
        )
        self.assertNotIn("LateTeardownWarning", process.stderr)

    def test_while_code_blocks(self) -> None:
        """In a coroutine and in a sync test."""
        for kind in ("async def", "def"):
            with self.subTest(kind):
                self.press(
                    f"""
class Tests(AsyncTestCase):
    {kind} test_1(self):
        self.addCleanup(say, "cleanup")
        press(0.1)
        time.sleep(30)

    def tearDown(self):
        say("teardown")
""",
                    expected=["teardown", "cleanup", "interrupted"],
                )

    def test_a_second_one_gives_up(self) -> None:
        """A teardown that hangs is ended by the next Ctrl-C; cleanups are still tried."""
        self.press(
            """
class Tests(AsyncTestCase):
    async def test_1(self):
        self.addCleanup(say, "cleanup")
        press(0.1)
        await asyncio.sleep(30)

    async def asyncTearDown(self):
        say("teardown")
        press(0.1)
        await asyncio.sleep(30)
        say("not reached")
""",
            expected=["teardown", "cleanup", "interrupted"],
        )

    def test_with_catchbreak(self) -> None:
        """python -m unittest -c: the first lets the test end, the second one ends it."""
        self.press(
            """
class Tests(AsyncTestCase):
    async def test_1(self):
        press(0.1, 0.3)
        try:
            await asyncio.sleep(30)
        finally:
            say("finally")

    async def test_2(self):
        say("must not run")
""",
            "-c",
            expected=["finally", "interrupted"],
        )
