"""No silent pass: each way in which an async test passes without having tested, made to fail.

The first classes go through what stock and its peers let pass; the last ones hold the other side:
what is all right must not be reported.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import socket
import time
import types
import unittest
import warnings
from typing import Any
from unittest import mock

from asynctesting import AsyncTestCase, LeakError, LeakWarning, SilentPassError
from tests.support import OutcomeAssertions, run_all, run_case, spin


async def crash() -> None:
    raise ValueError("boom")


async def work() -> None:
    await asyncio.sleep(0)


class ClassCreationTests(unittest.TestCase):
    """Methods that would never run are errors where the class is made."""

    def check_refused(self, name: str, method: Any, *texts: str) -> None:
        """Check that a class with *method* can't be made, and that the error says why."""
        with self.assertRaises(SilentPassError) as caught:
            type("Checkout", (AsyncTestCase,), {name: method})

        message = str(caught.exception)
        self.assertIn(f"Checkout.{name}", message)
        for text in texts:
            self.assertIn(text, message)

    def test_an_async_generator_test(self) -> None:
        """A leftover yield turns a test into a generator."""

        async def method(self: Any) -> Any:
            yield

        self.check_refused("test_it", method, "is a test with a 'yield' in it", "write 'await'")

    def test_a_generator_test(self) -> None:
        """The style of old tornado and asynctest suites: yield in place of await."""

        def method(self: Any) -> Any:
            yield work()

        self.check_refused("test_it", method, "is a test with a 'yield' in it", "write 'await'")

    def test_generator_tests_in_disguise(self) -> None:
        """Behind a static method, a partial or functools.wraps, as far as it shows."""

        async def method(*args: Any) -> Any:
            yield

        partial = functools.partialmethod(method, 1)
        for disguised in (staticmethod(method), classmethod(method), partial):
            with self.subTest(disguised=disguised):
                self.check_refused("test_it", disguised, "'yield'")

    def test_async_versions_of_each_sync_hook(self) -> None:
        """unittest calls them and drops the coroutine."""

        async def method(self: Any) -> None: ...

        self.check_refused("setUp", method, "without awaiting it", "'async def asyncSetUp(self)'")
        self.check_refused("tearDown", method, "'async def asyncTearDown(self)'")
        for name, right in (
            ("setUpClass", "asyncSetUpClass"),
            ("tearDownClass", "asyncTearDownClass"),
        ):
            self.check_refused(name, classmethod(method), f"'async def {right}(cls)'")
        for name in ("run", "doCleanups"):
            self.check_refused(name, method, "Write it as a plain method")

    def test_generator_hooks(self) -> None:
        """A fixture in pytest's style, under a hook's name."""

        def sync(self: Any) -> Any:
            yield

        async def asynchronous(self: Any) -> Any:
            yield

        self.check_refused("setUp", sync, "coroutine or generator function")
        self.check_refused("asyncSetUp", sync, "has a 'yield' in it")
        self.check_refused("asyncSetUp", asynchronous, "enterAsyncContext()", "asyncTearDown")
        self.check_refused("asyncTearDown", asynchronous, "has a 'yield' in it")

    def test_a_misspelt_async_hook(self) -> None:
        """asyncSetup is never called by anybody."""

        async def method(self: Any) -> None: ...

        self.check_refused("asyncSetup", method, "never called", "Did you mean asyncSetUp?")
        self.check_refused("asyncTeardown", method, "Did you mean asyncTearDown?")

    def test_what_a_mixin_brings(self) -> None:
        """The class is checked with all of its bases."""

        class Mixin:
            async def setUp(self) -> None: ...

        with self.assertRaisesRegex(SilentPassError, r"Checkout\.setUp"):
            type("Checkout", (Mixin, AsyncTestCase), {})

    def test_an_override_that_mends_it(self) -> None:
        """What is hidden by the class's own method never runs, and does no harm."""

        class Mixin:
            async def setUp(self) -> None: ...

        class Case(Mixin, AsyncTestCase):
            def setUp(self) -> None: ...  # type: ignore[override]

        self.assertTrue(inspect.isclass(Case))

    def test_what_is_all_right(self) -> None:
        """Helpers may be generators, and a coroutine may be made by types.coroutine()."""

        class Case(AsyncTestCase):
            async def async_steps(self) -> Any:
                yield 1

            def helper(self) -> Any:
                yield 1

            async def asynchronous(self) -> None: ...

            @types.coroutine
            def test_old_style(self) -> Any:
                yield

            testdata = (1, 2)
            test_class = dict

        self.assertTrue(inspect.isclass(Case))


class RunTimeTests(OutcomeAssertions):
    """What does not show when the class is made is an error when the test runs."""

    def test_a_cleanup_with_a_yield(self) -> None:
        """Calling it runs nothing, so it has cleaned up nothing."""

        async def clean_up() -> Any:
            yield

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.addAsyncCleanup(clean_up)  # type: ignore[arg-type]

        self.assertFailsWith(run_case(Case), SilentPassError, "clean_up() returned a generator")

    def test_a_tear_down_that_returns_a_coroutine(self) -> None:
        """A decorator hides that it is async."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None: ...

            def tearDown(self) -> Any:
                return work()

        self.assertFailsWith(run_case(Case), SilentPassError, "async def asyncTearDown")

    def test_a_sync_test_that_drops_a_coroutine(self) -> None:
        """Also where no loop was ever made."""

        class Case(AsyncTestCase):
            def test_it(self) -> None:
                work()

        self.assertFailsWith(run_case(Case), LeakError, "coroutine 'work' was never awaited")


class NeverAwaitedTests(OutcomeAssertions):
    def test_a_coroutine_never_awaited(self) -> None:
        """The line that made it is named."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                work()

        error = self.assertFailsWith(
            run_case(Case), LeakError, "'work' was never awaited", "test_silent_pass.py:", "work()"
        )
        self.assertEqual(len(error.findings), 1)

    def test_in_each_phase(self) -> None:
        """Set-up, teardown and cleanups are no better place for it."""

        def drop() -> None:
            work()

        async def drop_async() -> None:
            work()

        class Case(AsyncTestCase):
            def setUp(self) -> None:
                drop()

            async def asyncSetUp(self) -> None:
                await drop_async()
                self.addCleanup(drop)
                self.addAsyncCleanup(drop_async)

            async def test_it(self) -> None: ...

            async def asyncTearDown(self) -> None:
                await drop_async()

            def tearDown(self) -> None:
                drop()

        error = self.assertFailsWith(run_case(Case), LeakError, "6 things were left behind")
        self.assertEqual(len(error.findings), 6)

    def test_a_call_of_an_async_mock_never_awaited(self) -> None:
        """assert_called_once() is content with a call whose coroutine was dropped."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                send = mock.AsyncMock(name="send")
                send("mail")
                send.assert_called_once()

        self.assertFailsWith(run_case(Case), LeakError, "send", "was never awaited")

    def test_an_async_method_used_as_a_condition(self) -> None:
        """A coroutine is always true."""

        class Case(AsyncTestCase):
            async def ready(self) -> bool:
                return False

            async def test_it(self) -> None:
                self.assertTrue(self.ready())

        self.assertFailsWith(run_case(Case), LeakError, "ready' was never awaited")

    def test_is_told_in_the_test_that_did_it(self) -> None:
        """The neighbours pass."""

        class Case(AsyncTestCase):
            async def test_1(self) -> None: ...

            async def test_2(self) -> None:
                work()

            async def test_3(self) -> None: ...

        outcome = run_all(Case)

        self.assertEqual(outcome.testsRun, 3)
        self.assertEqual([test.id().rpartition(".")[2] for test, _ in outcome.failures], ["test_2"])

    def test_a_test_that_looks_at_the_warning_itself(self) -> None:
        """assertWarns() has dealt with it."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                with self.assertWarnsRegex(RuntimeWarning, "never awaited"):
                    work()

            async def test_filter(self) -> None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", RuntimeWarning)
                    work()

        self.assertPassed(run_case(Case))
        self.assertPassed(run_case(Case, "test_filter"))


class HiddenFailureTests(OutcomeAssertions):
    def test_a_background_task_that_raises(self) -> None:
        """Whether somebody holds the task or not; the exception is the cause."""

        class Case(AsyncTestCase):
            async def test_held(self) -> None:
                self.task = asyncio.create_task(crash(), name="background")
                await spin()

            async def test_dropped(self) -> None:
                asyncio.create_task(crash(), name="background")
                await spin()

            async def test_at_the_end(self) -> None:
                self.task = asyncio.create_task(crash(), name="background")

        for name in ("test_held", "test_dropped", "test_at_the_end"):
            with self.subTest(name):
                error = self.assertFailsWith(
                    run_case(Case, name), LeakError, "never retrieved", "'background'", "boom"
                )
                self.assertEqual(len(error.findings), 1)
                self.assertIsInstance(error.__cause__, ValueError)

    def test_two_background_tasks_that_raise(self) -> None:
        """The causes come as a group."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.tasks = [asyncio.create_task(crash()) for _ in range(2)]
                await spin()

        error = self.assertFailsWith(run_case(Case), LeakError, "2 things were")

        self.assertIsInstance(error.__cause__, BaseExceptionGroup)

    def test_a_callback_that_raises(self) -> None:
        """call_soon(), call_later() and done callbacks end in the loop's exception handler."""

        def fail(*args: Any) -> None:
            raise ValueError("boom")

        class Case(AsyncTestCase):
            async def test_soon(self) -> None:
                self.loop.call_soon(fail)
                await spin()

            async def test_later(self) -> None:
                self.loop.call_later(0.0001, fail)
                await asyncio.sleep(0.001)

            async def test_done(self) -> None:
                task = asyncio.create_task(work())
                task.add_done_callback(fail)
                await task
                await spin()

            def test_sync(self) -> None:
                asyncio.get_event_loop().call_soon(fail)
                asyncio.get_event_loop().run_until_complete(spin())

        for name in ("test_soon", "test_later", "test_done", "test_sync"):
            with self.subTest(name):
                error = self.assertFailsWith(
                    run_case(Case, name), LeakError, "Exception in callback", "boom"
                )
                self.assertIsInstance(error.__cause__, ValueError)

    def test_a_future_whose_exception_nobody_looks_at(self) -> None:
        """It tells when it is destroyed."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.loop.create_future().set_exception(ValueError("boom"))

        self.assertFailsWith(run_case(Case), LeakError, "never retrieved", "boom")

    def test_a_task_that_fails_while_it_is_cancelled_at_the_end(self) -> None:
        """Its finally block raises when nobody listens any more."""

        async def background() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                raise ValueError("in finally")

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(background(), name="background")
                await spin()

        error = self.assertFailsWith(run_case(Case), LeakError, "in finally", "'background'")
        self.assertEqual(len(error.findings), 2)

    def test_a_gathered_failure_beside_the_first(self) -> None:
        """gather() raises the first; the second task runs on, and its failure is a warning."""

        async def later() -> None:
            await spin()
            raise ValueError("second")

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                with self.assertRaises(ValueError):
                    await asyncio.gather(crash(), later())

        # asyncio marks the second as retrieved, since gather() has a callback on it.
        with self.assertWarnsRegex(LeakWarning, "has dropped the exception of 'Task-.*second"):
            outcome = run_case(Case)

        self.assertPassed(outcome)

    def test_a_patched_time_monotonic_that_runs_dry(self) -> None:
        """The loop reads it, too. Stock aborts the whole run; here the test fails."""

        class Case(AsyncTestCase):
            async def test_1(self) -> None:
                with mock.patch("time.monotonic", side_effect=[1.0, 2.0]):
                    for _ in range(5):
                        await asyncio.sleep(0)

            async def test_2(self) -> None:
                await asyncio.sleep(0.001)

        outcome = run_all(Case)

        self.assertEqual(outcome.testsRun, 2)
        self.assertEqual(len(outcome.raised), 1, outcome.report)
        self.assertIsInstance(outcome.raised[0], LeakError)
        self.assertIn("time.monotonic() is patched and raised", str(outcome.raised[0]))
        self.assertIn("patch the name in the module under test", str(outcome.raised[0]))
        self.assertGreater(time.monotonic(), 0)


class LeftBehindTests(OutcomeAssertions):
    def test_a_pending_task(self) -> None:
        """It is named, with the line at which it waits."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(self.poll(), name="poll-stock")

            async def poll(self) -> None:
                while True:
                    await asyncio.sleep(60)

        self.assertFailsWith(
            run_case(Case),
            LeakError,
            "1 thing was left behind or hidden by test_it",
            "task 'poll-stock' waits at",
            "await asyncio.sleep(60)",
        )

    def test_a_pending_task_of_set_up(self) -> None:
        """Whoever starts a task in set-up ends it in teardown."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.task = asyncio.create_task(asyncio.sleep(60), name="refresher")

            async def test_it(self) -> None: ...

        self.assertFailsWith(run_case(Case), LeakError, "'refresher'")

    def test_a_task_started_by_a_sync_test(self) -> None:
        """On the loop that it found current."""

        class Case(AsyncTestCase):
            def test_it(self) -> None:
                self.task = asyncio.get_event_loop().create_task(work_for_ever(), name="lost")

        self.assertFailsWith(run_case(Case), LeakError, "'lost'")

    def test_the_left_behind_task_is_ended(self) -> None:
        """Its finally blocks run before the loop is closed."""
        log = []

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(self.background())
                await spin()

            async def background(self) -> None:
                try:
                    await asyncio.sleep(60)
                finally:
                    await asyncio.sleep(0)
                    log.append("ended")

        self.assertFailsWith(run_case(Case), LeakError)
        self.assertEqual(log, ["ended"])

    def test_a_server_left_open(self) -> None:
        """Its address is named, and the next test can have its port."""
        ports = []

        async def serve(reader: Any, writer: Any) -> None:
            writer.close()

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.server = await asyncio.start_server(serve, "127.0.0.1", 0)
                ports.append(self.server.sockets[0].getsockname()[1])

        with self.assertNoWarnings():
            outcome = run_case(Case)

        self.assertFailsWith(outcome, LeakError, "server still listens on  127.0.0.1:")
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex(("127.0.0.1", ports[0])), 0)

    def test_a_connection_left_open(self) -> None:
        """Both ends are in the same loop here: one connection, and so one finding."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
                address = server.sockets[0].getsockname()
                _reader, self.writer = await asyncio.open_connection(*address)
                await asyncio.sleep(0.001)
                server.close()

            async def serve(self, reader: Any, writer: Any) -> None:
                self.other = writer

        with self.assertNoWarnings():
            outcome = run_case(Case)

        error = self.assertFailsWith(outcome, LeakError, "transport is still open")
        self.assertEqual(len(error.findings), 1, error)

    def test_a_datagram_endpoint_left_open(self) -> None:
        """It reads from its socket until it is closed."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.endpoint = await self.loop.create_datagram_endpoint(
                    asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
                )

        with self.assertNoWarnings():
            outcome = run_case(Case)

        self.assertFailsWith(outcome, LeakError, "DatagramTransport of DatagramProtocol")

    def test_a_failing_test_is_told_of_its_own_failure_only(self) -> None:
        """What it left behind is a note; a broken test often can't clean up."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(asyncio.sleep(60))
                self.other = asyncio.create_task(crash())
                await spin()
                self.fail("the reason")

        outcome = run_case(Case)

        error = self.assertFailsWith(outcome, AssertionError, "the reason")
        for text in (outcome.report, *error.__notes__):
            self.assertIn("The test has also left behind or hidden:\n  task 'Task-", text)
            self.assertIn("ValueError: boom", text)


async def work_for_ever() -> None:
    await asyncio.sleep(60)


class LevelTests(OutcomeAssertions):
    class Leaky(AsyncTestCase):
        async def test_it(self) -> None:
            self.task = asyncio.create_task(asyncio.sleep(60), name="poll")

    def test_warn(self) -> None:
        """The test passes, with a warning that names what was left."""

        class Case(self.Leaky):  # type: ignore[name-defined]
            leaks = "warn"

        with self.assertWarnsRegex(LeakWarning, "'poll' waits at"):
            self.assertPassed(run_case(Case))

    def test_off(self) -> None:
        """Nothing is said, but the task is ended all the same."""

        class Case(self.Leaky):  # type: ignore[name-defined]
            leaks = "off"

        case = Case("test_it")

        self.assertPassed(run_case(case))
        self.assertTrue(case.task.cancelled())

    def test_the_environment_goes_before_the_class(self) -> None:
        """A whole run can be adopted first and made clean later."""
        outcome = run_case(self.Leaky, environment={"ASYNCTESTING_LEAKS": "off"})

        self.assertPassed(outcome)

    def test_an_expected_failure_with_a_leak(self) -> None:
        """A test that stopped half-way could not clean up; its failure was expected."""

        class Case(AsyncTestCase):
            @unittest.expectedFailure
            async def test_it(self) -> None:
                self.task = asyncio.create_task(asyncio.sleep(60), name="poll")
                self.fail("as expected")

        outcome = run_case(Case)

        self.assertEqual(outcome.calls[1:-1], ["addExpectedFailure"])


class NoFalseAlarmTests(OutcomeAssertions):
    """What a careful test does is never reported."""

    def test_a_task_that_was_cancelled_and_not_awaited(self) -> None:
        """It gets the few turns that it needs to end."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                task = asyncio.create_task(asyncio.sleep(60))
                await spin()
                task.cancel()

        self.assertPassed(run_case(Case))

    def test_a_task_that_is_about_to_end(self) -> None:
        """A few turns are not a leak."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(spin(10))

        self.assertPassed(run_case(Case))

    def test_exceptions_that_somebody_looked_at(self) -> None:
        """By await, by exception(), by gather or by a task group."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                task = asyncio.create_task(crash())
                await asyncio.wait([task])
                self.assertIsInstance(task.exception(), ValueError)
                with self.assertRaises(ValueError):
                    await crash()
                await asyncio.gather(crash(), return_exceptions=True)
                with self.assertRaises(ExceptionGroup):
                    async with asyncio.TaskGroup() as group:
                        group.create_task(crash())

        self.assertPassed(run_case(Case))

    def test_connections_closed_in_time_or_just_now(self) -> None:
        """close() without wait_closed() is common, and frees the socket in the next turns."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                async def serve(reader: Any, writer: Any) -> None:
                    writer.write(await reader.readline())
                    await writer.drain()
                    writer.close()

                server = await asyncio.start_server(serve, "127.0.0.1", 0)
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(b"hello\n")
                self.assertEqual(await reader.readline(), b"hello\n")
                writer.close()
                server.close()

        with self.assertNoWarnings():
            self.assertPassed(run_case(Case))

    def test_an_unfinished_async_generator(self) -> None:
        """The loop finishes it when it is closed, as asyncio promises; a warning is enough."""
        log = []

        async def numbers() -> Any:
            try:
                yield 1
                yield 2
            finally:
                log.append("closed")

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.generator = numbers()
                self.assertEqual(await anext(self.generator), 1)

        with self.assertWarnsRegex(LeakWarning, r"async generator '.*numbers' was begun and not"):
            self.assertPassed(run_case(Case))
        self.assertEqual(log, ["closed"])

    def test_an_own_exception_handler(self) -> None:
        """A test that sets one has taken over."""
        contexts = []

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.loop.set_exception_handler(lambda loop, context: contexts.append(context))
                self.loop.call_soon(lambda: 1 / 0)
                await spin()

        self.assertPassed(run_case(Case))
        self.assertEqual(len(contexts), 1)
