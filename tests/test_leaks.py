"""What a test leaves behind or hides fails that test, by name and line."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import textwrap
import threading
import unittest
import warnings
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

from asynctesting import AsyncTestCase, LeakError, LeakWarning, _leaks
from asynctesting._audit import hooks, window
from asynctesting._leaks import Collector
from tests.support import OutcomeAssertions, run_case, spin


async def fail_with(error: BaseException) -> None:
    raise error


async def nothing() -> None:
    pass


class TaskTests(OutcomeAssertions):
    def test_a_forgotten_task_fails_its_test(self) -> None:
        """The message says how many things, which test, and where the task waits."""

        class Forgetful(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(self.poll(), name="forgotten")
                await spin()

            async def poll(self) -> None:
                await asyncio.Event().wait()  # polls for ever

        outcome = run_case(Forgetful)

        error = self.assertFailsWith(outcome, LeakError)
        [finding] = error.findings
        self.assertRegex(
            finding,
            r"^task 'forgotten' waits at  \S+test_leaks\.py:\d+   "
            r"await asyncio\.Event\(\)\.wait\(\)  # polls for ever\n"
            r"     was made at  \S+test_leaks\.py:\d+   self\.task = asyncio\.create_task",
        )
        test = str(Forgetful("test_it"))
        self.assertEqual(
            str(error),
            f"1 thing was left behind or hidden by {test}.\n\n"
            + textwrap.indent(finding, "  ")
            + "\n\nThey were found after the test's cleanups. Await, cancel or close each of them "
            "in the test\nor its teardown.\nWhat is meant to live on can be allowed:\n"
            '    @allow_leaks(tasks="forgotten")\n'
            'leaks = "warn" on the class only warns of them, "off" says nothing.',
        )
        self.assertEqual(error.kinds, ("tasks",))

    def test_a_task_ended_in_time_is_no_leak(self) -> None:
        """In the test, in its teardown or in a cleanup; all of that is before the audit."""

        class Tidy(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.one = asyncio.create_task(asyncio.sleep(60))
                self.two = asyncio.create_task(asyncio.sleep(60))
                self.addAsyncCleanup(self.end, self.two)

            async def end(self, task: asyncio.Task[None]) -> None:
                task.cancel()
                await asyncio.wait([task])

            async def asyncTearDown(self) -> None:
                await self.end(self.one)

            async def test_it(self) -> None:
                await spin()

        self.assertPassed(run_case(Tidy))

    def test_a_task_about_to_end_gets_a_few_turns(self) -> None:
        """A cancelled task needs one to notice; that is no bug of the test."""

        class Cancelling(AsyncTestCase):
            async def test_it(self) -> None:
                task = asyncio.create_task(asyncio.sleep(60))
                await spin(1)
                task.cancel()

        self.assertPassed(run_case(Cancelling))

    def test_the_leaked_task_is_cancelled(self) -> None:
        """Its ``finally`` runs, on the loop of the test that started it."""
        ends: list[str] = []

        class Forgetful(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(self.work())
                await spin()

            async def work(self) -> None:
                try:
                    await asyncio.sleep(60)
                finally:
                    ends.append("cleaned up")

        self.assertFailsWith(run_case(Forgetful), LeakError)
        self.assertEqual(ends, ["cleaned up"])

    def test_many_findings_are_one_failure(self) -> None:
        """Their number stands in the first line, and the evidence beside it."""

        class Untidy(AsyncTestCase):
            async def test_it(self) -> None:
                self.tasks = [
                    asyncio.create_task(asyncio.Event().wait(), name="a"),
                    asyncio.create_task(fail_with(KeyError("b")), name="b"),
                ]
                nothing()
                await spin()

        error = self.assertFailsWith(run_case(Untidy), LeakError, "3 things were left behind")

        self.assertEqual(len(error.findings), 3)


class LostExceptionTests(OutcomeAssertions):
    def test_an_exception_that_nobody_saw_fails_the_test(self) -> None:
        """It is the cause of the failure, so its own traceback is shown."""
        lost = LookupError("no such row")

        class Hiding(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(fail_with(lost), name="writer")
                await spin()

        error = self.assertFailsWith(run_case(Hiding), LeakError)

        self.assertIs(error.__cause__, lost)
        self.assertRegex(
            error.findings[0],
            r"^Task exception was never retrieved: task 'writer': LookupError: no such row  at  "
            r"\S+test_leaks\.py:\d+   raise error$",
        )

    def test_a_task_that_nobody_holds_is_found_as_well(self) -> None:
        """Then asyncio tells the loop, in place of a line in a log that nobody reads."""

        class Hiding(AsyncTestCase):
            async def test_it(self) -> None:
                asyncio.ensure_future(fail_with(LookupError("no such row")))
                await spin()

        error = self.assertFailsWith(run_case(Hiding), LeakError, "no such row")

        self.assertIsInstance(error.__cause__, LookupError)

    def test_several_are_a_group(self) -> None:
        """No traceback hides another."""

        class Hiding(AsyncTestCase):
            async def test_it(self) -> None:
                self.tasks = [
                    asyncio.create_task(fail_with(error)) for error in (KeyError("a"), OSError("b"))
                ]
                await spin()

        error = self.assertFailsWith(run_case(Hiding), LeakError)

        cause = error.__cause__
        assert isinstance(cause, BaseExceptionGroup)
        self.assertEqual(cause.message, "hidden exceptions")
        self.assertEqual({type(e) for e in cause.exceptions}, {KeyError, OSError})

    def test_one_that_somebody_looked_at_is_none(self) -> None:
        """``task.exception()`` is enough."""

        class Looking(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(fail_with(KeyError("a")))
                await asyncio.wait([self.task])
                self.assertIsInstance(self.task.exception(), KeyError)

        self.assertPassed(run_case(Looking))

    def test_a_callback_that_fails(self) -> None:
        """The loop would only have logged it."""

        class Calling(AsyncTestCase):
            async def test_it(self) -> None:
                asyncio.get_running_loop().call_soon(self.ring)
                await spin()

            def ring(self) -> None:
                raise ZeroDivisionError("in a callback")

        error = self.assertFailsWith(run_case(Calling), LeakError, "ZeroDivisionError: in a callba")

        self.assertIsInstance(error.__cause__, ZeroDivisionError)

    def test_a_failing_cleanup_of_a_leaked_task(self) -> None:
        """What it raises when it is cancelled belongs to the same test."""

        class Forgetful(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(self.work(), name="worker")
                await spin()

            async def work(self) -> None:
                try:
                    await asyncio.sleep(60)
                finally:
                    raise OSError("can't close")

        error = self.assertFailsWith(run_case(Forgetful), LeakError)

        self.assertEqual(len(error.findings), 2)
        self.assertIn("unhandled exception while the test's loop was closed", error.findings[1])
        self.assertIn("task 'worker': OSError: can't close", error.findings[1])


class UnawaitedTests(OutcomeAssertions):
    def test_a_missing_await_fails_the_test(self) -> None:
        """The line is the one that made the coroutine."""

        class Missing(AsyncTestCase):
            async def test_it(self) -> None:
                nothing()  # no await

        error = self.assertFailsWith(run_case(Missing), LeakError)

        self.assertRegex(
            error.findings[0],
            r"^coroutine 'nothing' was never awaited; made at  \S+test_leaks\.py:\d+   "
            r"nothing\(\)  # no await$",
        )

    def test_one_in_a_synchronous_test(self) -> None:
        """Such a test has no loop, and is watched all the same."""

        class Missing(AsyncTestCase):
            def test_it(self) -> None:
                nothing()

        self.assertFailsWith(run_case(Missing), LeakError, "coroutine 'nothing' was never")

    def test_the_call_of_a_mock(self) -> None:
        """The mock's own line says nothing; which mock it was does."""

        class Mocking(AsyncTestCase):
            async def test_it(self) -> None:
                send = mock.AsyncMock(name="send")
                send("hello")

        error = self.assertFailsWith(run_case(Mocking), LeakError)

        self.assertRegex(
            error.findings[0],
            r"^call of <AsyncMock name='send' id='\d+'> with \('hello'\) was never awaited; "
            r"called at  \S+test_leaks\.py:\d+   send\(\"hello\"\)$",
        )

    def test_a_test_that_looks_at_the_warning_itself(self) -> None:
        """``assertWarns`` gets it; that is what the test is about."""

        class Looking(AsyncTestCase):
            async def test_it(self) -> None:
                with self.assertWarnsRegex(RuntimeWarning, "was never awaited"):
                    nothing()
                    gc.collect()

        self.assertPassed(run_case(Looking))

    def test_a_test_that_asked_for_silence(self) -> None:
        """A filter that ignores the warning is an answer to the question."""

        class Silent(AsyncTestCase):
            async def test_it(self) -> None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)
                    nothing()

        self.assertPassed(run_case(Silent))

    def test_a_closed_coroutine_is_none(self) -> None:
        """Who closes it knows that it will not run."""

        class Closing(AsyncTestCase):
            async def test_it(self) -> None:
                nothing().close()

        self.assertPassed(run_case(Closing))

    def test_outside_of_a_test_the_interpreter_warns_as_ever(self) -> None:
        """The hook stays in the process, and asks which test is running."""
        run_case(type("Any", (AsyncTestCase,), {"test_it": lambda self: None}))

        with self.assertWarnsRegex(RuntimeWarning, "coroutine 'nothing' was never awaited"):
            nothing()
            gc.collect()


@unittest.skipIf(sys.platform == "win32", "another loop is used there, and not checked")
class TransportTests(OutcomeAssertions):
    def test_a_server_that_still_listens(self) -> None:
        """Its address says which one; it is closed, so the next test can have the port."""
        addresses: list[Any] = []

        class Serving(AsyncTestCase):
            async def test_it(self) -> None:
                loop = asyncio.get_running_loop()
                self.server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
                addresses.append(self.server.sockets[0].getsockname())

        error = self.assertFailsWith(run_case(Serving), LeakError)

        host, port = addresses[0]
        self.assertEqual(error.findings, (f"server still listens on  {host}:{port}",))
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind((host, port))

    def test_a_connection_left_open(self) -> None:
        """Transport and protocol say whose it is."""
        ends = list(socket.socketpair())  # one end stays open beyond the test

        class Connecting(AsyncTestCase):
            async def test_it(self) -> None:
                left = ends.pop(0)
                loop = asyncio.get_running_loop()
                self.transport, _ = await loop.create_connection(asyncio.Protocol, sock=left)

        outcome = run_case(Connecting)
        ends[0].settimeout(10)
        rest = ends[0].recv(1)
        ends[0].close()

        error = self.assertFailsWith(outcome, LeakError)
        self.assertEqual(
            error.findings,
            ("transport is still open: SelectorSocketTransport of Protocol",),
        )
        self.assertEqual(rest, b"", "the connection was not closed after the report")

    def test_a_connection_closed_in_time_is_none(self) -> None:
        """``close()`` needs a turn of the loop to take effect; it gets it."""

        class Connecting(AsyncTestCase):
            async def test_it(self) -> None:
                left, right = socket.socketpair()
                self.addCleanup(right.close)
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_connection(asyncio.Protocol, sock=left)
                transport.close()

        self.assertPassed(run_case(Connecting))

    def test_a_reader_of_the_users_own_is_no_transport(self) -> None:
        """A descriptor that is watched by hand goes with the loop, and is worth a warning."""

        class Watching(AsyncTestCase):
            async def test_it(self) -> None:
                left, right = socket.socketpair()
                self.addCleanup(left.close)
                self.addCleanup(right.close)
                asyncio.get_running_loop().add_reader(left, print)

        with self.assertWarnsRegex(LeakWarning, r"descriptor \d+ is still watched for  print\(\)"):
            self.assertPassed(run_case(Watching))


class ClockTests(OutcomeAssertions):
    def test_a_patch_of_the_clock_that_runs_dry(self) -> None:
        """It would have ended the whole run with a ``StopIteration`` out of the loop."""

        class Patching(AsyncTestCase):
            async def test_it(self) -> None:
                with mock.patch("time.monotonic", side_effect=[1.0]):
                    await asyncio.sleep(0.001)

        outcome = run_case(Patching)

        error = self.assertFailsWith(outcome, LeakError)
        self.assertEqual(
            error.findings,
            (
                "time.monotonic() is patched and raised StopIteration inside the event loop, which "
                "reads it too; patch the name in the module under test instead",
            ),
        )
        self.assertIsInstance(error.__cause__, StopIteration)


class samples:  # noqa: N801 - in a class, so that no runner takes them for tests of its own
    class Forgetful(AsyncTestCase):
        """Leaves a task behind, with the level of leaks that a test chooses."""

        async def test_it(self) -> None:
            self.task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
            await spin()

        async def test_failing(self) -> None:
            await self.test_it()
            self.hidden = asyncio.create_task(fail_with(KeyError("hidden")))
            nothing()
            await spin()
            self.fail("for a reason of its own")

        @unittest.expectedFailure
        async def test_expected(self) -> None:
            await self.test_failing()


class LevelTests(OutcomeAssertions):
    def test_an_error_is_the_default(self) -> None:
        """And it is a failure of the test, not an error of the framework."""
        outcome = run_case(samples.Forgetful)

        self.assertFailsWith(outcome, LeakError)
        self.assertEqual(outcome.calls, ["startTest", "addFailure", "stopTest"])

    def test_a_warning_names_the_test(self) -> None:
        """For a suite on its way: nothing fails, and nothing is lost."""

        class Warned(samples.Forgetful):
            leaks = "warn"

        with self.assertWarns(LeakWarning) as caught:
            outcome = run_case(Warned)

        self.assertPassed(outcome)
        self.assertTrue(
            str(caught.warning).startswith(f"{Warned('test_it')}: task 'forgotten' waits at"),
            caught.warning,
        )

    def test_off_is_silence(self) -> None:
        """The task is cancelled all the same."""

        class Careless(samples.Forgetful):
            leaks = "off"

        self.assertPassed(run_case(Careless))

    def test_the_environment_goes_before_the_class(self) -> None:
        """Whoever starts the run decides."""
        self.assertPassed(run_case(samples.Forgetful, environment={"ASYNCTESTING_LEAKS": "off"}))

        class Careless(samples.Forgetful):
            leaks = "off"

        outcome = run_case(Careless, environment={"ASYNCTESTING_LEAKS": "error"})
        self.assertFailsWith(outcome, LeakError)

    def test_a_test_that_failed_keeps_its_own_failure(self) -> None:
        """What it left behind is a note beneath that, however the runner writes it."""
        outcome = run_case(samples.Forgetful, "test_failing")

        error = self.assertFailsWith(outcome, AssertionError, "for a reason of its own")
        [note] = error.__notes__
        self.assertTrue(outcome.report.rstrip().endswith(note), outcome.report)
        head, *lines = note.splitlines()
        self.assertEqual(head, "The test has also left behind or hidden:")
        self.assertIn("task 'forgotten' waits at", lines[0])
        self.assertIn("Task exception was never retrieved", lines[2])
        self.assertIn("KeyError: 'hidden'", lines[2])
        self.assertIn("coroutine 'nothing' was never awaited", lines[3])

    def test_an_expected_failure_stays_one(self) -> None:
        """It has failed as expected; a leak does not make it another thing."""
        with self.assertLogs("asyncio", "WARNING"):
            outcome = run_case(samples.Forgetful, "test_expected")

        self.assertEqual(outcome.calls, ["startTest", "addExpectedFailure", "stopTest"])

    def test_debug_raises_it(self) -> None:
        """Where no result collects outcomes, the leak is an exception like any other."""
        with self.assertRaisesRegex(LeakError, "'forgotten' waits at"):
            samples.Forgetful("test_it").debug()


class WindowTests(OutcomeAssertions):
    """Findings belong to the test during which they come up, in their thread."""

    def test_garbage_of_before_is_nobodys(self) -> None:
        """What the look at everything collects before a test was made by earlier ones."""

        async def forgotten() -> None: ...

        class Case(AsyncTestCase):
            async def test_it(self) -> None: ...

        cycle: list[Any] = [forgotten()]
        cycle.append(cycle)
        del cycle
        with (
            mock.patch.multiple(window._care, _turns=0, _next=0.0),
            self.assertWarns(RuntimeWarning),
        ):
            outcome = run_case(Case)

        self.assertPassed(outcome)

    def test_a_test_inside_a_test_keeps_its_own(self) -> None:
        """The inner one's findings are not told twice."""
        inner_outcomes: list[Any] = []

        class Outer(AsyncTestCase):
            def test_it(self) -> None:
                inner_outcomes.append(run_case(samples.Forgetful))
                nothing()

        error = self.assertFailsWith(run_case(Outer), LeakError)

        self.assertEqual(len(error.findings), 1)
        self.assertIn("'nothing'", error.findings[0])
        self.assertFailsWith(inner_outcomes[0], LeakError, "'forgotten'")

    def test_threads_have_windows_of_their_own(self) -> None:
        """Runners that run tests in threads get each finding at the right test."""
        outcomes: dict[str, Any] = {}
        together = threading.Barrier(2, timeout=10)

        class Clean(AsyncTestCase):
            def test_it(self) -> None:
                together.wait()
                together.wait()

        class Missing(AsyncTestCase):
            def test_it(self) -> None:
                together.wait()
                nothing()
                together.wait()

        def run(case: type[AsyncTestCase]) -> None:
            outcome = unittest.TestResult()
            case("test_it").run(outcome)
            outcomes[case.__name__] = outcome

        threads = [threading.Thread(target=run, args=(case,)) for case in (Clean, Missing)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        self.assertTrue(outcomes["Clean"].wasSuccessful(), outcomes["Clean"].failures)
        self.assertEqual(len(outcomes["Missing"].failures), 1)

    def test_origin_tracking_is_left_as_it_was(self) -> None:
        """A few frames are enough for the line, and debug mode's ten stay ten."""
        before = sys.get_coroutine_origin_tracking_depth()
        try:
            for depth, during in ((0, _leaks._origin_depth()), (10, 10)):
                sys.set_coroutine_origin_tracking_depth(depth)
                collector = Collector()
                collector.begin()
                seen = sys.get_coroutine_origin_tracking_depth()
                collector.end()

                self.assertEqual((seen, sys.get_coroutine_origin_tracking_depth()), (during, depth))
        finally:
            sys.set_coroutine_origin_tracking_depth(before)

    def test_the_origin_of_a_mocks_call_lies_deeper(self) -> None:
        """One frame is enough where no mock is loaded; each layer of mocks adds some.

        So does aiohttp, whose requests are made a frame below the line that asks for them.
        """
        for loaded, depth in (
            ((), 1),
            (("aiohttp",), 3),
            (("unittest.mock",), 3),
            (("unittest.mock", "asynctesting.mocks"), 5),
        ):
            with mock.patch.dict(sys.modules, dict.fromkeys(loaded, mock)):
                for name in {"unittest.mock", "asynctesting.mocks", "aiohttp"} - {*loaded}:
                    sys.modules.pop(name, None)
                self.assertEqual(_leaks._origin_depth(), depth)

    def test_a_loop_of_asyncio_shows_what_it_watches(self) -> None:
        """Nobody has to wait there for a reader, or end a generator, to hear of it."""
        left, right = socket.socketpair()
        self.addCleanup(left.close)
        self.addCleanup(right.close)

        class Foreign(AsyncTestCase):
            loop_factory = asyncio.SelectorEventLoop
            leaks = "error"

            async def test_it(self) -> None:
                asyncio.get_running_loop().add_reader(left, spin)
                self.numbers = numbers()
                await anext(self.numbers)

        async def numbers() -> AsyncIterator[int]:
            yield 1
            yield 2

        error = self.assertFailsWith(run_case(Foreign), LeakError)
        self.assertEqual(sorted(error.kinds), ["generators", "readers"])

    def test_a_loop_that_hides_things_is_said_once(self) -> None:
        """Unless nobody wants to know of them; what it shows is checked as ever."""

        class Closed(asyncio.SelectorEventLoop):
            def __getattribute__(self, name: str) -> Any:
                # As uvloop, whose parts are not Python's; the class itself still finds them.
                asks = sys._getframe(1).f_globals["__name__"]
                hidden = ("_scheduled", "_asyncgens", "_selector")
                if name in hidden and asks.startswith("asynctesting."):
                    raise AttributeError(name)
                return super().__getattribute__(name)

        class Foreign(AsyncTestCase):
            loop_factory = Closed

            async def test_it(self) -> None: ...

        class Quiet(Foreign):
            leaks = "off"

        told: list[str] = []
        with mock.patch.object(hooks, "_not_checked", set()):
            for case in (Quiet, Foreign, Foreign):
                with warnings.catch_warnings(record=True) as given:
                    warnings.simplefilter("always")
                    self.assertPassed(run_case(case))
                told += [str(each.message) for each in given]

        [text] = told
        self.assertRegex(text, "^readers, timers, generators are not checked on .*Closed, wh")

    def test_ending_twice_changes_nothing(self) -> None:
        """And no window of another test is taken away."""
        outer, inner = Collector(), Collector()
        outer.begin()
        inner.begin()
        inner.end()
        inner.end()
        current = hooks.here()
        outer.end()

        self.assertIs(current, outer)
        self.assertFalse(outer.has_findings)


class LikelyLeakTests(OutcomeAssertions):
    """What does no harm to another test, and may well be meant."""

    def test_an_async_generator_left_in_the_middle(self) -> None:
        """It is closed with the loop, as ``asyncio.run()`` does."""
        ends: list[str] = []

        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                ends.append("closed")

        class Iterating(AsyncTestCase):
            async def test_it(self) -> None:
                self.numbers = numbers()
                await anext(self.numbers)

        with self.assertWarnsRegex(LeakWarning, "async generator '.*numbers' was begun and not"):
            self.assertPassed(run_case(Iterating))
        self.assertEqual(ends, ["closed"])

    def test_a_timer_that_has_not_fired(self) -> None:
        """It goes with the loop."""

        class Timing(AsyncTestCase):
            async def test_it(self) -> None:
                asyncio.get_running_loop().call_later(60, print)

        with self.assertWarnsRegex(LeakWarning, r"timer would still call print\(\)"):
            self.assertPassed(run_case(Timing))


if __name__ == "__main__":
    unittest.main()
