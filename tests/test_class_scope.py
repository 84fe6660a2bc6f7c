"""The scope of a class: one loop for its tests, its async hooks, and what a test leaves on it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import datetime
import gc
import importlib.util
import signal
import threading
import time
import unittest
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio

from asynctesting import (
    AsyncTestCase,
    LeakError,
    LeakWarning,
    ScopeError,
    SettingError,
    SilentPassError,
    TimeLimitError,
    async_fixture,
)
from asynctesting.clocks import FrozenTimeMixin, VirtualClockMixin, virtual_clock
from tests.support import (
    Outcome,
    OutcomeAssertions,
    limits_by_hand,
    pass_time,
    run_all,
    run_case,
    run_classes,
    run_python,
)

Log = list[str]


def counts(outcome: unittest.TestResult) -> dict[str, int]:
    """Return what a runner would print of an outcome."""
    return {
        "run": outcome.testsRun,
        "errors": len(outcome.errors),
        "failures": len(outcome.failures),
        "skipped": len(outcome.skipped),
    }


def told(outcome: unittest.TestResult) -> list[str]:
    """Return the names under which errors, failures and skips were reported."""
    return [str(test) for test, _ in [*outcome.errors, *outcome.failures, *outcome.skipped]]


class OrderTests(OutcomeAssertions):
    def test_hooks_and_cleanups_run_in_the_order_of_their_twins(self) -> None:
        """Around the tests stand the class hooks, the synchronous ones outside in the set-up."""
        log: Log = []

        class Case(AsyncTestCase):
            @classmethod
            def setUpClass(cls) -> None:
                log.append("setUpClass")
                super().setUpClass()

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                log.append("asyncSetUpClass")
                cls.addClassCleanup(log.append, "first cleanup")
                cls.addClassAsyncCleanup(cls.note, "second cleanup, async")
                cls.addClassCleanup(log.append, "third cleanup")

            @classmethod
            async def note(cls, text: str) -> None:
                log.append(text)

            async def test_one(self) -> None:
                log.append("one")

            def test_two(self) -> None:
                log.append("two")

            @classmethod
            async def asyncTearDownClass(cls) -> None:
                log.append("asyncTearDownClass")

            @classmethod
            def tearDownClass(cls) -> None:
                super().tearDownClass()
                log.append("tearDownClass")

        outcome = run_all(Case)

        self.assertEqual(counts(outcome), {"run": 2, "errors": 0, "failures": 0, "skipped": 0})
        self.assertEqual(
            log,
            [
                "setUpClass",
                "asyncSetUpClass",
                "one",
                "two",
                "asyncTearDownClass",
                "tearDownClass",
                "third cleanup",
                "second cleanup, async",
                "first cleanup",
            ],
        )

    def test_tests_and_hooks_share_one_loop_which_is_closed_at_the_end(self) -> None:
        """The loop of asyncSetUpClass is the loop of every test, and nobody's afterwards."""
        loops: list[Any] = []

        class Case(AsyncTestCase):
            loop_scope = "class"

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                loops.append(asyncio.get_running_loop())

            def setUp(self) -> None:
                loops.append(self.loop)

            async def test_one(self) -> None:
                loops.append(asyncio.get_running_loop())

            async def test_two(self) -> None:
                loops.append(asyncio.get_running_loop())

        self.assertPassedAll(run_all(Case), 2)
        self.assertEqual(len(loops), 5)
        self.assertEqual(len(set(map(id, loops))), 1)
        self.assertTrue(loops[0].is_closed())

    def test_a_class_is_set_up_again_when_the_run_comes_back_to_it(self) -> None:
        """A, B, A: three set-ups, three teardowns, each complete before the next one begins."""
        log: Log = []

        class Base(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                log.append(f"{cls.__name__} up")

            @classmethod
            async def asyncTearDownClass(cls) -> None:
                log.append(f"{cls.__name__} down")

            async def test_it(self) -> None:
                log.append(type(self).__name__)

            test_again = test_it

        class A(Base):
            pass

        class B(Base):
            pass

        outcome = Outcome()
        suite = unittest.TestSuite([A("test_it"), B("test_it"), A("test_again")])

        suite.run(outcome)

        self.assertPassedAll(outcome, 3)
        expected = [f"{name} up,{name},{name} down" for name in "ABA"]
        self.assertEqual(",".join(log), ",".join(expected))

    def test_hooks_are_inherited_and_mixed_in(self) -> None:
        """A mixin's hook runs through super(), each once for every class that inherits it."""
        log: Log = []

        class Mixin:
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                await super().asyncSetUpClass()  # type: ignore[misc]
                log.append(f"mixin of {cls.__name__}")

        class Base(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                await super().asyncSetUpClass()
                log.append(f"base of {cls.__name__}")

            async def test_it(self) -> None:
                log.append("test")

        class Mixed(Mixin, Base):
            pass

        self.assertPassedAll(run_classes(Base, Mixed), 2)
        self.assertEqual(log, ["base of Base", "test", "base of Mixed", "mixin of Mixed", "test"])

    def test_set_up_class_without_super(self) -> None:
        """The first test then opens the class; its teardown follows the synchronous one."""
        log: Log = []

        class Case(AsyncTestCase):
            @classmethod
            def setUpClass(cls) -> None:
                log.append("setUpClass")

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                log.append("asyncSetUpClass")

            async def test_one(self) -> None:
                log.append("one")

            async def test_two(self) -> None:
                log.append("two")

            @classmethod
            async def asyncTearDownClass(cls) -> None:
                log.append("asyncTearDownClass")

            @classmethod
            def tearDownClass(cls) -> None:
                log.append("tearDownClass")

        self.assertPassedAll(run_all(Case), 2)
        self.assertEqual(
            log,
            ["setUpClass", "asyncSetUpClass", "one", "two", "tearDownClass", "asyncTearDownClass"],
        )

    def test_a_runner_without_class_fixtures(self) -> None:
        """Tests that are called one by one open the class; it ends when the run does."""
        log: Log = []

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                log.append("up")

            @classmethod
            async def asyncTearDownClass(cls) -> None:
                log.append("down")

            async def test_one(self) -> None:
                log.append("one")

            async def test_two(self) -> None:
                log.append("two")

        outcome = Outcome()
        Case("test_one").run(outcome)
        Case("test_two").run(outcome)
        self.assertEqual(log, ["up", "one", "two"])

        outcome.stopTestRun()

        self.assertEqual(log, ["up", "one", "two", "down"])
        self.assertPassedAll(outcome, 2)

    def test_another_class_ends_one_that_nobody_else_ends(self) -> None:
        """Opened by its first test, a class is over when another one begins."""
        log: Log = []

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                log.append(f"{cls.__name__} up")

            @classmethod
            async def asyncTearDownClass(cls) -> None:
                log.append(f"{cls.__name__} down")
                raise LookupError("late")

            async def test_it(self) -> None:
                log.append("test")

        class Other(Case):
            pass

        outcome = Outcome()
        Case("test_it").run(outcome)
        Other("test_it").run(outcome)
        self.assertEqual(log, ["Case up", "test", "Case down", "Other up", "test"])
        outcome.stopTestRun()

        self.assertEqual([type(error) for error in outcome.raised], [LookupError, LookupError])
        self.assertIn("tearDownClass", told(outcome)[0])
        self.assertIn("Case", told(outcome)[0])

    def test_nothing_is_opened_for_a_skipped_class(self) -> None:
        """A class that is skipped as a whole is not set up."""

        @unittest.skip("not today")
        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                raise AssertionError("never")

            async def test_it(self) -> None: ...

        outcome = run_all(Case)

        self.assertEqual(len(outcome.skipped), 1)
        self.assertEqual(outcome.raised, [])

    def assertPassedAll(self, outcome: Outcome, number: int) -> None:
        self.assertEqual(outcome.raised, [], outcome.report)
        self.assertEqual(outcome.testsRun, number)

    def test_nothing_is_opened_for_a_class_of_skipped_tests(self) -> None:
        """Neither hooks nor fixtures, whether the class or each of its tests is skipped."""
        log: Log = []

        class Case(AsyncTestCase):
            @async_fixture(scope="class")
            async def server(cls) -> None:
                log.append("server")

            @async_fixture(scope="module")
            async def database(cls) -> None:
                log.append("database")

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                log.append("asyncSetUpClass")

            @unittest.skip("today")
            async def test_1(self) -> None: ...

            @unittest.skipIf(True, "today")
            def test_2(self) -> None: ...

        outcome = run_all(Case)

        self.assertEqual(len(outcome.skipped), 2)
        self.assertEqual(log, [])

        class More(Case):
            async def test_3(self) -> None:
                log.append("test")

        self.assertEqual(run_classes(More).raised, [])
        self.assertEqual(log, ["database", "server", "asyncSetUpClass", "test"])


class FailureTests(OutcomeAssertions):
    """Each failure of an async hook is told as that of its synchronous twin."""

    def assertToldAlike(self, ours: type[unittest.TestCase], twin: type[unittest.TestCase]) -> None:
        ours.__qualname__ = twin.__qualname__ = "Case"
        mine, stock = run_all(ours), run_all(twin)
        self.assertEqual(counts(mine), counts(stock), mine.report)
        self.assertEqual(told(mine), told(stock))
        self.assertEqual(
            [(type(error), str(error)) for error in mine.raised],
            [(type(error), str(error)) for error in stock.raised],
        )

    def test_a_failing_set_up(self) -> None:
        """No test runs, one error is counted, cleanups run, the teardown does not."""
        cleaned: Log = []

        class Ours(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.addClassCleanup(cleaned.append, "ours")
                raise LookupError("broken")

            @classmethod
            async def asyncTearDownClass(cls) -> None:
                cleaned.append("never")

            async def test_one(self) -> None: ...
            async def test_two(self) -> None: ...

        class Twin(unittest.TestCase):
            @classmethod
            def setUpClass(cls) -> None:
                cls.addClassCleanup(cleaned.append, "twin")
                raise LookupError("broken")

            def test_one(self) -> None: ...
            def test_two(self) -> None: ...

        self.assertToldAlike(Ours, Twin)
        self.assertEqual(cleaned, ["ours", "twin"])

    def test_a_skipping_set_up(self) -> None:
        """SkipTest in asyncSetUpClass skips the class."""

        class Ours(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                raise unittest.SkipTest("no server")

            async def test_one(self) -> None: ...

        class Twin(unittest.TestCase):
            @classmethod
            def setUpClass(cls) -> None:
                raise unittest.SkipTest("no server")

            def test_one(self) -> None: ...

        self.assertToldAlike(Ours, Twin)

    def test_failing_teardown_and_cleanups(self) -> None:
        """Each of them is reported, and all of them run."""

        class Ours(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.addClassAsyncCleanup(cls.fail_to, "first")
                cls.addClassAsyncCleanup(cls.fail_to, "second")

            @classmethod
            async def asyncTearDownClass(cls) -> None:
                raise LookupError("teardown")

            @classmethod
            async def fail_to(cls, what: str) -> None:
                raise LookupError(what)

            async def test_one(self) -> None: ...

        class Twin(unittest.TestCase):
            @classmethod
            def setUpClass(cls) -> None:
                cls.addClassCleanup(cls.fail_to, "first")
                cls.addClassCleanup(cls.fail_to, "second")

            @classmethod
            def tearDownClass(cls) -> None:
                raise LookupError("teardown")

            @classmethod
            def fail_to(cls, what: str) -> None:
                raise LookupError(what)

            def test_one(self) -> None: ...

        self.assertToldAlike(Ours, Twin)

    def test_an_assertion_in_a_hook_is_told_like_its_twin(self) -> None:
        """A failed assertion of a class hook counts as an error, as stock counts it."""

        class Ours(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                raise AssertionError("wrong")

            async def test_one(self) -> None: ...

        class Twin(unittest.TestCase):
            @classmethod
            def setUpClass(cls) -> None:
                raise AssertionError("wrong")

            def test_one(self) -> None: ...

        self.assertToldAlike(Ours, Twin)

    def test_a_set_up_that_fails_lazily_fails_each_test(self) -> None:
        """Where no runner sets the class up, each of its tests tells what went wrong."""

        class Case(AsyncTestCase):
            attempts = 0

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.attempts += 1
                raise LookupError("broken")

            async def test_one(self) -> None: ...
            async def test_two(self) -> None: ...

        outcome = Outcome()
        Case("test_one").run(outcome)
        Case("test_two").run(outcome)
        outcome.stopTestRun()

        self.assertEqual([str(error) for error in outcome.raised], ["broken", "broken"])
        self.assertEqual(Case.attempts, 1)

    def test_a_cancelled_hook_does_not_end_the_run(self) -> None:
        """unittest catches no CancelledError of a class fixture; here it is one error."""

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                raise asyncio.CancelledError

            async def test_one(self) -> None: ...

        outcome = run_all(Case)

        self.assertEqual(counts(outcome), {"run": 0, "errors": 1, "failures": 0, "skipped": 0})
        self.assertIn("was cancelled", outcome.report)

    def test_a_hook_that_hangs(self) -> None:
        """The limit of the class holds for its hooks, and the report names the line."""

        class Case(AsyncTestCase):
            timeout = 20

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                while True:
                    pass_time(5)
                    await asyncio.sleep(0.01)

            async def test_one(self) -> None: ...

        with limits_by_hand():
            outcome = run_all(Case)

        (error,) = outcome.raised
        self.assertIsInstance(error, TimeLimitError)
        self.assertIn("class ", str(error))
        self.assertIn("await asyncio.sleep(0.01)", str(error))

    def test_the_limit_does_not_count_between_the_tests(self) -> None:
        """A class may take longer than its limit, as long as no hook and no test does."""

        class Case(AsyncTestCase):
            timeout = 20
            loop_scope = "class"

            async def test_1(self) -> None:
                pass_time(15)
                await asyncio.sleep(0.001)

            test_2 = test_1

        with limits_by_hand():
            outcome = run_all(Case)

        self.assertEqual(outcome.raised, [], outcome.report)

    def test_what_the_hooks_leave_behind_fails_the_class(self) -> None:
        """A task of asyncSetUpClass that nobody ends is reported once, at the end of the class."""

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")

            async def test_one(self) -> None: ...
            async def test_two(self) -> None: ...

        outcome = run_all(Case)

        (error,) = outcome.raised
        self.assertIsInstance(error, LeakError)
        self.assertIn("'forgotten' waits at", str(error))
        self.assertIn("They were found when the class was over", str(error))
        self.assertIn("tearDownClass", told(outcome)[0])


class IsolationTests(OutcomeAssertions):
    """On a shared loop each test still starts clean, and answers for what it leaves."""

    def blamed(self, case: type[unittest.TestCase]) -> dict[str, str]:
        outcome = run_all(case)
        return {str(test).split()[0]: text for test, text in [*outcome.errors, *outcome.failures]}

    def test_a_task_that_is_left(self) -> None:
        """It is cancelled, and the test that started it fails."""
        seen: list[set[str]] = []

        class Case(AsyncTestCase):
            loop_scope = "class"

            async def test_1(self) -> None:
                self.task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
                await asyncio.sleep(0)

            async def test_2(self) -> None:
                seen.append({task.get_name() for task in asyncio.all_tasks()})

        blamed = self.blamed(Case)

        self.assertEqual(list(blamed), ["test_1"])
        self.assertIn("'forgotten'", blamed["test_1"])
        self.assertNotIn("forgotten", seen[0])

    def test_a_timer_that_is_left(self) -> None:
        """It is cancelled before it can reach another test."""
        fired: list[str] = []

        class Case(AsyncTestCase):
            loop_scope = "class"

            async def test_1(self) -> None:
                asyncio.get_running_loop().call_later(0.01, lambda: fired.append("late"))

            async def test_2(self) -> None:
                await asyncio.sleep(0.03)

        blamed = self.blamed(Case)

        self.assertEqual(list(blamed), ["test_1"])
        self.assertIn("timer would still call", blamed["test_1"])
        self.assertEqual(fired, [])

    def test_a_generator_that_is_left(self) -> None:
        """The test is told of it, and the class, on whose loop it still is, is not."""

        async def numbers() -> AsyncIterator[int]:
            yield 1

        class Case(AsyncTestCase):
            loop_scope = "class"
            leaks = "error"

            async def test_1(self) -> None:
                self.numbers = numbers()
                await anext(self.numbers)

            async def test_2(self) -> None: ...

        blamed = self.blamed(Case)

        self.assertEqual(list(blamed), ["test_1"])
        self.assertIn("async generator", blamed["test_1"])

    def test_an_executor_of_the_tests_own(self) -> None:
        """Its jobs are waited for, as on a loop of the test's own, and the next test has not it."""
        ended: list[str] = []
        found: list[str] = []

        def job(name: str) -> None:
            time.sleep(0.01)
            ended.append(name)

        class Case(AsyncTestCase):
            loop_scope = "class"
            leaks = "error"

            async def test_1(self) -> None:
                loop = asyncio.get_running_loop()
                loop.set_default_executor(ThreadPoolExecutor(1, "own"))
                self.job = loop.run_in_executor(None, job, "first")

            async def test_2(self) -> None:
                found.extend(ended)
                found.append(await asyncio.to_thread(lambda: threading.current_thread().name))

        for factory in (None, asyncio.SelectorEventLoop):
            with self.subTest(factory=factory):
                ended.clear()
                found.clear()
                Case.loop_factory = factory

                outcome = run_all(Case)

                self.assertEqual(outcome.raised, [], outcome.report)
                self.assertEqual(found, ["first", "asyncio_0"])

    def test_a_server_that_is_left(self) -> None:
        """A server and its connections are closed, and reported by address."""

        class Case(AsyncTestCase):
            loop_scope = "class"

            async def test_1(self) -> None:
                self.server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)

            async def test_2(self) -> None: ...

        blamed = self.blamed(Case)

        self.assertEqual(list(blamed), ["test_1"])
        self.assertIn("server still listens on  127.0.0.1:", blamed["test_1"])

    def test_a_lost_exception(self) -> None:
        """A task that failed unseen fails the test that started it."""

        class Case(AsyncTestCase):
            loop_scope = "class"

            async def test_1(self) -> None:
                async def fail() -> None:
                    raise LookupError("unseen")

                self.task = asyncio.create_task(fail())
                await asyncio.sleep(0)

            async def test_2(self) -> None: ...

        self.assertIn("LookupError: unseen", self.blamed(Case)["test_1"])

    def test_what_the_class_has_opened_lives_on(self) -> None:
        """Tasks, timers and servers of asyncSetUpClass are nobody's leftovers."""

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.inbox: asyncio.Queue[tuple[int, asyncio.Future[int]]] = asyncio.Queue()
                task = asyncio.create_task(cls.serve())
                cls.addClassAsyncCleanup(cls.stop, task)

            @classmethod
            async def serve(cls) -> None:
                while True:
                    number, answer = await cls.inbox.get()
                    answer.set_result(2 * number)

            @classmethod
            async def stop(cls, task: asyncio.Task[None]) -> None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

            async def ask(self, number: int) -> int:
                answer = asyncio.get_running_loop().create_future()
                self.inbox.put_nowait((number, answer))
                return await answer

            async def test_1(self) -> None:
                self.assertEqual(await self.ask(1), 2)

            async def test_2(self) -> None:
                self.assertEqual(await self.ask(2), 4)

        outcome = run_all(Case)

        self.assertEqual(outcome.raised, [], outcome.report)

    def test_a_connection_in_a_pool_of_the_class_belongs_to_the_class(self) -> None:
        """A test opened it, but the client of the class holds it and will close it."""
        used: list[int] = []

        class Pool:
            def __init__(self) -> None:
                self.idle: list[Any] = []

            async def ask(self, port: int, text: bytes) -> bytes:
                if not self.idle:
                    self.idle.append(await asyncio.open_connection("127.0.0.1", port))
                reader, writer = self.idle.pop()
                used.append(id(writer))
                writer.write(text)
                answer: bytes = await reader.readline()
                self.idle.append((reader, writer))
                return answer

            async def close(self) -> None:
                for _, writer in self.idle:
                    writer.close()
                    await writer.wait_closed()

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.server = await asyncio.start_server(cls.echo, "127.0.0.1", 0)
                cls.port = cls.server.sockets[0].getsockname()[1]
                cls.pool = Pool()
                cls.addClassAsyncCleanup(cls.shut)

            @classmethod
            async def shut(cls) -> None:
                await cls.pool.close()
                cls.server.close()
                await asyncio.sleep(0.01)

            @staticmethod
            async def echo(reader: Any, writer: Any) -> None:
                while line := await reader.readline():
                    writer.write(line)
                writer.close()

            async def test_1(self) -> None:
                self.assertEqual(await self.pool.ask(self.port, b"1\n"), b"1\n")

            async def test_2(self) -> None:
                self.assertEqual(await self.pool.ask(self.port, b"2\n"), b"2\n")

        outcome = run_all(Case)

        self.assertEqual(outcome.raised, [], outcome.report)
        self.assertEqual(len(set(used)), 1)

    def test_a_client_and_a_server_of_aiohttp(self) -> None:
        """A session that a class shares keeps its connections from test to test."""
        from aiohttp import ClientSession, web
        from aiohttp.test_utils import TestServer

        peers: list[Any] = []

        async def answer(request: web.Request) -> web.Response:
            peers.append(request.transport.get_extra_info("peername"))
            return web.Response(text="tea")

        class Case(AsyncTestCase):
            @async_fixture(scope="class")
            async def server(cls) -> AsyncIterator[TestServer]:
                app = web.Application()
                app.router.add_get("/", answer)
                async with TestServer(app) as server:
                    yield server

            @async_fixture(scope="class")
            async def client(cls, server: TestServer) -> AsyncIterator[ClientSession]:
                async with ClientSession(server.make_url("/")) as client:
                    yield client

            async def test_1(self) -> None:
                async with self.client.get("/") as response:
                    self.assertEqual(await response.text(), "tea")

            test_2 = test_3 = test_1

        outcome = run_all(Case)

        self.assertEqual(outcome.raised, [], outcome.report)
        self.assertEqual((len(peers), len(set(peers))), (3, 1))

    @unittest.skipUnless(importlib.util.find_spec("uvloop"), "needs uvloop")
    def test_a_loop_of_another_make(self) -> None:
        """On uvloop, tasks are found and ended; timers and transports are its own business."""
        import uvloop

        class Case(AsyncTestCase):
            loop_scope = "class"
            loop_factory = uvloop.new_event_loop

            async def test_1(self) -> None:
                self.assertIsInstance(asyncio.get_running_loop(), uvloop.Loop)
                self.task = asyncio.create_task(asyncio.sleep(60), name="forgotten")
                await asyncio.sleep(0)

            async def test_2(self) -> None:
                self.assertNotIn("forgotten", {t.get_name() for t in asyncio.all_tasks()})

        self.assertEqual(list(self.blamed(Case)), ["test_1"])

    def test_a_task_that_waits_for_something_of_the_class_is_still_the_tests(self) -> None:
        """To wait in a queue of the class does not make a task part of the class."""

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.queue: asyncio.Queue[int] = asyncio.Queue()

            async def test_1(self) -> None:
                self.task = asyncio.create_task(self.queue.get(), name="waiter")
                await asyncio.sleep(0)

            async def test_2(self) -> None: ...

        self.assertEqual(list(self.blamed(Case)), ["test_1"])

    def test_context_variables_reach_the_tests_and_not_their_neighbours(self) -> None:
        """What the class sets, each test sees; what a test sets, nobody else does."""
        number = contextvars.ContextVar("number", default=0)
        seen: list[int] = []

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                number.set(1)

            async def test_1(self) -> None:
                seen.append(number.get())
                number.set(2)

            async def test_2(self) -> None:
                seen.append(number.get())

            def test_3(self) -> None:
                seen.append(number.get())

            @classmethod
            async def asyncTearDownClass(cls) -> None:
                seen.append(number.get())

        run_all(Case)

        self.assertEqual(seen, [1, 1, 1, 1])
        self.assertEqual(number.get(), 0)

    def test_a_handler_that_a_test_sets_is_gone_in_the_next(self) -> None:
        """The exception handler of the loop is ours again when the test ends."""

        class Case(AsyncTestCase):
            loop_scope = "class"

            async def test_1(self) -> None:
                asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)

            async def test_2(self) -> None:
                def fail() -> None:
                    raise LookupError("in a callback")

                asyncio.get_running_loop().call_soon(fail)
                await asyncio.sleep(0)

        self.assertEqual(list(self.blamed(Case)), ["test_2"])

    def test_how_a_test_sets_the_loop_is_gone_in_the_next(self) -> None:
        """Debug mode, what is slow and what makes tasks are again as the class has set them."""
        seen: list[tuple[Any, ...]] = []

        def make_task(loop: Any, coroutine: Any, **kwargs: Any) -> asyncio.Task[Any]:
            return asyncio.Task(coroutine, loop=loop, **kwargs)

        class Case(AsyncTestCase):
            loop_scope = "class"

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                asyncio.get_running_loop().set_task_factory(make_task)

            async def test_1(self) -> None:
                self.look()
                self.loop.set_debug(not self.loop.get_debug())
                self.loop.set_task_factory(None)
                self.loop.slow_callback_duration = 7  # type: ignore[attr-defined]

            async def test_2(self) -> None:
                self.look()

            def look(self) -> None:
                loop: Any = self.loop
                seen.append(
                    (loop.get_debug(), loop.get_task_factory(), loop.slow_callback_duration)
                )

        outcome = run_classes(Case)

        self.assertEqual((outcome.errors, outcome.failures), ([], []))
        self.assertEqual(seen[1], seen[0])
        self.assertIs(seen[0][1], make_task)

    @unittest.skipUnless(hasattr(signal, "SIGUSR1"), "signals of POSIX")
    def test_a_signal_handler_that_a_test_adds(self) -> None:
        """It is told of the test and taken away; that of the class goes on."""
        seen: list[Any] = []

        class Case(AsyncTestCase):
            loop_scope = "class"

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                loop = asyncio.get_running_loop()
                loop.add_signal_handler(signal.SIGUSR2, seen.append, "of the class")
                cls.addClassCleanup(loop.remove_signal_handler, signal.SIGUSR2)

            async def test_1(self) -> None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)

            async def test_2(self) -> None:
                seen.append(signal.getsignal(signal.SIGUSR1))
                signal.raise_signal(signal.SIGUSR2)
                while len(seen) < 2:
                    await asyncio.sleep(0)

        with self.assertWarnsRegex(LeakWarning, r"^test_1 .*still calls print\(\) for SIGUSR1"):
            outcome = run_classes(Case)

        self.assertEqual((outcome.errors, outcome.failures), ([], []))
        self.assertEqual(seen, [signal.SIG_DFL, "of the class"])

    def test_a_limit_in_a_test_leaves_the_class_alone(self) -> None:
        """A test that runs into its limit fails alone; the loop serves the next one."""

        class Case(AsyncTestCase):
            loop_scope = "class"
            timeout = 20

            async def test_1(self) -> None:
                while True:
                    pass_time(5)
                    await asyncio.sleep(0.01)

            async def test_2(self) -> None:
                await asyncio.sleep(0)

        with limits_by_hand():
            blamed = self.blamed(Case)

        self.assertEqual(list(blamed), ["test_1"])
        self.assertIn("TimeLimitError: ", blamed["test_1"])

    def test_the_current_loop_is_as_before(self) -> None:
        """Between and after the tests, the thread's current loop is what it was."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self.addCleanup(asyncio.set_event_loop, None)
        self.addCleanup(loop.close)

        class Case(AsyncTestCase):
            loop_scope = "class"

            async def test_1(self) -> None: ...

        run_all(Case)

        self.assertIs(asyncio.get_event_loop_policy().get_event_loop(), loop)

    def test_an_instance_can_run_again(self) -> None:
        """A test of a wide class leaves nothing on its instance."""

        class Case(AsyncTestCase):
            loop_scope = "class"

            async def test_it(self) -> None: ...

        test = Case("test_it")
        left = []
        for _ in range(2):
            outcome = run_case(test)
            outcome.stopTestRun()
            self.assertPassed(outcome)
            left.append(dict(vars(test)))
        self.assertEqual(left[0], left[1])
        self.assertIsNone(test._asyncioRunner)

    def test_debug(self) -> None:
        """debug() opens the class and raises what goes wrong."""

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.value = 1

            async def test_it(self) -> None:
                self.assertEqual(self.value, 2)

        suite = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
        with self.assertRaisesRegex(AssertionError, "1 != 2"):
            suite.debug()
        Case.doClassCleanups()


class ThreadTests(OutcomeAssertions):
    """A class whose scope was opened in a thread that has ended is ended all the same."""

    def setUp(self) -> None:
        self.log: list[str] = []
        log = self.log

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                log.append("up")

            @classmethod
            async def asyncTearDownClass(cls) -> None:
                await asyncio.sleep(0.001)
                log.append("down")

            async def test_it(self) -> None:
                await asyncio.sleep(0.001)
                log.append("test")

        self.case = Case
        self.outcome = Outcome()
        thread = threading.Thread(target=Case("test_it").run, args=[self.outcome])
        thread.start()
        thread.join()
        self.assertEqual(log, ["up", "test"])

    def test_by_the_end_of_the_class(self) -> None:
        """By its cleanups, in the main thread."""
        with self.assertNoWarnings():
            self.case.doClassCleanups()

        self.assertEqual(self.log[2:], ["down"])
        self.assertEqual(self.case.tearDown_exceptions, [])  # type: ignore[attr-defined]

    def test_by_the_end_of_the_run(self) -> None:
        """Where the runner knows no class fixtures."""
        with self.assertNoWarnings():
            self.outcome.stopTestRun()

        self.assertEqual(self.log[2:], ["down"])
        self.assertPassed(self.outcome)


class OneTaskTests(OutcomeAssertions):
    """What the class enters is left in the same task, and governs what runs inside of it."""

    def test_a_cancel_scope_of_the_class(self) -> None:
        """anyio insists that a scope is left in the task that entered it."""

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.scope = anyio.CancelScope()
                cls.enter = cls.scope.__enter__()
                cls.addClassAsyncCleanup(cls.leave)

            @classmethod
            async def leave(cls) -> None:
                cls.scope.__exit__(None, None, None)

            async def test_1(self) -> None:
                await anyio.sleep(0)

            async def test_2(self) -> None:
                await anyio.sleep(0)

        outcome = run_all(Case)

        self.assertEqual(outcome.raised, [], outcome.report)

    def test_a_task_group_of_the_class(self) -> None:
        """Tests start tasks in the group of their class; it waits for them at the end."""
        done: Log = []

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.go = asyncio.Event()
                cls.addClassAsyncCleanup(cls.release)
                cls.group = await cls.enterClassAsyncContext(asyncio.TaskGroup())
                cls.addClassAsyncCleanup(cls.release)

            @classmethod
            async def release(cls) -> None:
                cls.go.set()

            async def work(self, name: str) -> None:
                await self.go.wait()
                done.append(name)

            async def test_1(self) -> None:
                self.group.create_task(self.work("one"))

            async def test_2(self) -> None:
                self.group.create_task(self.work("two"))

        outcome = run_all(Case)

        self.assertEqual(outcome.raised, [], outcome.report)
        self.assertEqual(done, ["one", "two"])

    def test_a_crash_in_a_group_of_the_class_fails_the_class_once(self) -> None:
        """The test that runs is cut short, the others are skipped, the class tells the cause."""

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                group = await cls.enterClassAsyncContext(asyncio.TaskGroup())
                cls.crash = asyncio.Event()
                group.create_task(cls.serve())

            @classmethod
            async def serve(cls) -> None:
                await cls.crash.wait()
                raise LookupError("the server crashed")

            async def test_1(self) -> None:
                self.crash.set()
                await asyncio.Event().wait()

            async def test_2(self) -> None:
                raise AssertionError("never")

            def test_3(self) -> None:
                raise AssertionError("never")

        outcome = run_all(Case)

        (error,) = outcome.raised
        assert isinstance(error, ExceptionGroup)
        self.assertEqual(str(error.exceptions[0]), "the server crashed")
        self.assertIn("tearDownClass", told(outcome)[0])
        self.assertEqual(len(outcome.skipped), 3)
        self.assertIn("was cancelled by something that it had entered", outcome.skipped[0][1])

    def test_a_crash_in_the_set_up_fails_the_class_once(self) -> None:
        """The group says why asyncSetUpClass was cancelled; nothing else is reported."""

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                group = await cls.enterClassAsyncContext(asyncio.TaskGroup())
                group.create_task(cls.fail())
                await asyncio.Event().wait()

            @classmethod
            async def fail(cls) -> None:
                raise LookupError("at once")

            async def test_1(self) -> None: ...

        outcome = run_all(Case)

        (error,) = outcome.raised
        assert isinstance(error, ExceptionGroup)
        self.assertEqual(str(error.exceptions[0]), "at once")
        self.assertEqual(outcome.testsRun, 0)

    def test_a_timeout_around_the_class(self) -> None:
        """It ends the test that runs when it fires, and is told once, by the class."""

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                await cls.enterClassAsyncContext(asyncio.timeout(0.05))

            async def test_1(self) -> None:
                await asyncio.Event().wait()

            async def test_2(self) -> None:
                raise AssertionError("never")

        outcome = run_all(Case)

        (error,) = outcome.raised
        self.assertIsInstance(error, TimeoutError)
        self.assertEqual(len(outcome.skipped), 2)

    def test_a_test_may_enter_something_for_the_whole_class(self) -> None:
        """Called in a test, enterClassAsyncContext() enters in the task of the class."""
        tasks: list[Any] = []

        @contextlib.asynccontextmanager
        async def resource() -> Any:
            tasks.append(asyncio.current_task())
            yield "resource"
            tasks.append(asyncio.current_task())

        class Case(AsyncTestCase):
            loop_scope = "class"

            async def test_1(self) -> None:
                entered = await self.enterClassAsyncContext(resource())
                self.assertEqual(entered, "resource")
                self.assertEqual(len(tasks), 1)

            async def test_2(self) -> None:
                self.assertEqual(len(tasks), 1)

        outcome = run_all(Case)

        self.assertEqual(outcome.raised, [], outcome.report)
        self.assertEqual(len(tasks), 2)
        self.assertIs(tasks[0], tasks[1])
        tasks.clear()
        gc.collect()


class ClockTests(OutcomeAssertions):
    """The clock mixins on a loop that tests share."""

    def test_tests_share_a_virtual_clock(self) -> None:
        """It goes on from test to test, and each counts its own time; fixtures sleep on it, too."""
        seen: list[Any] = []

        class Case(VirtualClockMixin, FrozenTimeMixin, AsyncTestCase):
            frozen_time = "2026-01-01 09:00"

            @async_fixture(scope="class")
            async def catalogue(cls) -> AsyncIterator[str]:
                await asyncio.sleep(1000)
                seen.append(time.monotonic() - asyncio.get_running_loop().time())
                yield "catalogue"
                await asyncio.sleep(1000)

            async def test_1(self) -> None:
                await asyncio.sleep(3600)
                self.assertEqual(self.clock.elapsed, 3600.0)
                self.assertEqual(datetime.datetime.now().hour, 10)
                seen.append(time.monotonic())

            async def test_2(self) -> None:
                self.assertEqual(self.clock.elapsed, 0.0)
                self.assertEqual(datetime.datetime.now().hour, 9)
                await asyncio.sleep(10)
                self.assertEqual(self.clock.elapsed, 10.0)
                seen.append(time.monotonic())

        before = time.monotonic()
        outcome = run_all(Case)

        self.assertEqual(outcome.raised, [], outcome.report)
        self.assertLess(time.monotonic() - before, 600)
        self.assertEqual(seen[0], 0)
        self.assertEqual(seen[2] - seen[1], 10.0)

    def test_a_runner_without_class_fixtures(self) -> None:
        """The first test opens the class, and already has its clock."""

        class Case(VirtualClockMixin, FrozenTimeMixin, AsyncTestCase):
            frozen_time = "2026-01-01 09:00"
            loop_scope = "class"

            async def test_it(self) -> None:
                await asyncio.sleep(3600)
                self.assertEqual(self.clock.elapsed, 3600.0)
                self.assertEqual(datetime.datetime.now().hour, 10)

        before = time.monotonic()
        test = Case("test_it")
        outcome = run_case(test)
        outcome.stopTestRun()

        self.assertPassed(outcome)
        self.assertEqual(test.clock.elapsed, 3600.0)
        self.assertLess(time.monotonic() - before, 600)

    def test_a_virtual_timer_that_is_left(self) -> None:
        """It is found on the clock, cancelled and reported."""
        fired: list[str] = []

        class Case(VirtualClockMixin, AsyncTestCase):
            loop_scope = "class"

            async def test_1(self) -> None:
                asyncio.get_running_loop().call_later(60, lambda: fired.append("late"))

            async def test_2(self) -> None:
                await asyncio.sleep(600)

        outcome = run_all(Case)

        (error,) = outcome.raised
        self.assertIn("timer would still call", str(error))
        self.assertEqual(fired, [])

    def test_a_region_around_a_test(self) -> None:
        """One test can't have another clock than the loop that it runs on."""
        with self.assertRaisesRegex(SettingError, "test_it is decorated with a clock of its own"):

            class Case(AsyncTestCase):
                loop_scope = "class"

                @virtual_clock()
                async def test_it(self) -> None: ...


class SettingTests(unittest.TestCase):
    def test_an_unknown_loop_scope(self) -> None:
        """It is refused when the class is made."""
        with self.assertRaisesRegex(SettingError, "loop_scope must be .* got 'function'"):

            class Case(AsyncTestCase):
                loop_scope = "function"

    def test_a_loop_scope_that_is_too_narrow(self) -> None:
        """The error names what needs a wider one."""
        with self.assertRaisesRegex(SettingError, r"'test', but asyncSetUpClass\(\) needs"):

            class Case(AsyncTestCase):
                loop_scope = "test"

                @classmethod
                async def asyncSetUpClass(cls) -> None: ...

    def test_a_subclass_widens_what_nobody_declared(self) -> None:
        """A worked-out loop scope is no declaration: a subclass may need a wider one."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None: ...

        class Wide(Case):
            @classmethod
            async def asyncSetUpClass(cls) -> None: ...

        class Widest(Wide):
            loop_scope = "session"

        self.assertEqual(
            [Case.loop_scope, Wide.loop_scope, Widest.loop_scope], ["test", "class", "session"]
        )

    def test_a_hook_that_is_no_classmethod(self) -> None:
        """It would be called without the class; the message says what is missing."""
        with self.assertRaisesRegex(SilentPassError, "Write @classmethod above"):

            class Case(AsyncTestCase):
                async def asyncSetUpClass(cls) -> None: ...

    def test_async_set_up_class_under_the_stock_name(self) -> None:
        """unittest would never await it; the message gives the name that is awaited."""
        with self.assertRaisesRegex(SilentPassError, r"async def asyncSetUpClass\(cls\)"):

            class Case(AsyncTestCase):
                @classmethod
                async def setUpClass(cls) -> None: ...  # type: ignore[override]

    def test_what_the_class_leaves_has_a_traceback(self) -> None:
        """nose2 takes an error without one for a text, and aborts its run."""

        class Case(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.task = asyncio.create_task(asyncio.sleep(60))

            async def test_it(self) -> None: ...

        seen: list[Any] = []

        class Result(unittest.TestResult):
            def addError(self, test: Any, err: Any) -> None:
                seen.append(err)

        unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(Result())

        self.assertEqual([kind for kind, _, _ in seen], [LeakError])
        self.assertIsNotNone(seen[0][2])

    def test_a_hook_or_a_cleanup_that_leaves_something_to_await(self) -> None:
        """Nobody would await what it returns, or iterate it, and the class would pass."""

        async def first() -> None: ...

        async def late() -> AsyncIterator[int]:
            yield 1

        class SetUp(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> Any:
                return first()

            async def test_it(self) -> None: ...

        class TearDown(AsyncTestCase):
            @classmethod
            async def asyncTearDownClass(cls) -> Any:
                return first()

            async def test_it(self) -> None: ...

        class Cleanup(AsyncTestCase):
            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.addClassAsyncCleanup(late)  # type: ignore[arg-type]

            async def test_it(self) -> None: ...

        for case, message in (
            (SetUp, r"SetUp.asyncSetUpClass\(\) returned <coroutine .*, which nobody awaits"),
            (TearDown, r"TearDown.asyncTearDownClass\(\) returned <coroutine "),
            (Cleanup, r"late\(\) returned a generator, so nothing of it has run"),
        ):
            with self.subTest(case.__name__):
                outcome = run_classes(case)

                self.assertEqual(len(outcome.errors), 1, outcome.errors)
                self.assertRegex(outcome.errors[0][1], f"SilentPassError: .*{message}")

    def test_class_contexts_need_a_class_scope(self) -> None:
        """Where each test has a loop of its own, nothing async can be entered for the class."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                await self.enterClassAsyncContext(asyncio.timeout(1))

        (error,) = run_case(Case).raised

        self.assertIsInstance(error, ScopeError)
        self.assertIn("Say loop_scope = 'class'", str(error))


class ProcessTests(OutcomeAssertions):
    def test_ctrl_c_in_a_test_still_tears_the_class_down(self) -> None:
        """unittest leaves class fixtures alone then; the end of the run does not."""
        process = run_python(
            """
            import asyncio, os, signal, unittest
            from asynctesting import AsyncTestCase

            class Case(AsyncTestCase):
                @classmethod
                async def asyncSetUpClass(cls):
                    print("up")

                @classmethod
                async def asyncTearDownClass(cls):
                    print("down")

                async def test_it(self):
                    os.kill(os.getpid(), signal.SIGINT)
                    await asyncio.sleep(5)

            try:
                unittest.main()
            except KeyboardInterrupt:
                print("interrupted")
            """
        )

        self.assertEqual(process.stdout.split(), ["up", "down", "interrupted"], process.stderr)

    def test_a_run_that_nobody_ends_is_ended_at_exit(self) -> None:
        """With a result that is never told of the end, the teardown comes late, and is named."""
        process = run_python(
            """
            import unittest
            from asynctesting import AsyncTestCase

            class Case(AsyncTestCase):
                loop_scope = "session"

                @classmethod
                async def asyncTearDownClass(cls):
                    print("down")

                async def test_it(self):
                    print("test")

            Case("test_it").run(unittest.TestResult())
            print("end")
            """
        )

        self.assertEqual(process.stdout.split(), ["test", "end", "down"], process.stderr)
        self.assertIn("LateTeardownWarning: torn down only when the process ended", process.stderr)
        self.assertIn("class Case", process.stderr)


if __name__ == "__main__":
    unittest.main()
