"""The bridge from synchronous test code to coroutines: its loop, its limits, its refusals."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import inspect
import pickle
import tempfile
import threading
import time
import unittest
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import asynctesting
from asynctesting import (
    AsyncResultMixin,
    AsyncTestCase,
    BridgeError,
    DeadlockError,
    LeakWarning,
    SettingError,
    SilentPassError,
    TimeLimitError,
    _watchdog,
    async_test,
    get_async_result,
)
from tests.bridging import Legacy, Settled, echo, echo_later, run_in, running, user
from tests.project import WITHOUT_PEERS
from tests.support import (
    alone_in_process,
    limits_by_hand,
    pass_time,
    run_all,
    run_case,
    run_python,
)


class ResultTests(Settled):
    def test_the_result_of_a_coroutine(self) -> None:
        """The value that it returns, whether or not the loop had to turn for it."""

        class Tests(Legacy):
            def test_it(case) -> None:
                case.assertEqual(case.get_async_result(echo("at once")), "at once")
                case.assertEqual(case.get_async_result(echo_later("later")), "later")
                case.assertIsNone(case.get_async_result(asyncio.sleep(0)))

        self.assertPassed(run_case(Tests))

    def test_anything_that_can_be_awaited(self) -> None:
        """A future of the test's loop, a task, a custom awaitable, a gather inside."""

        class Custom:
            def __await__(self) -> Iterator[Any]:
                return echo("custom").__await__()

        async def make_future() -> list[asyncio.Future[str]]:
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_result, "future")
            return [future]

        async def both() -> list[str]:
            return await asyncio.gather(echo("one"), echo_later("two"))

        class Tests(Legacy):
            def test_it(case) -> None:
                (future,) = case.get_async_result(make_future())
                case.assertEqual(case.get_async_result(future), "future")
                case.assertEqual(case.get_async_result(future), "future")
                case.assertEqual(case.get_async_result(Custom()), "custom")
                case.assertEqual(case.get_async_result(both()), ["one", "two"])
                double = mock.AsyncMock(return_value="mock")
                case.assertEqual(case.get_async_result(double(1)), "mock")

        self.assertPassed(run_case(Tests))

    def test_an_exception_comes_out_as_it_is(self) -> None:
        """And assertRaises() sees it; a cancelled one, too."""

        async def fail(error: BaseException) -> None:
            await asyncio.sleep(0)
            raise error

        class Tests(Legacy):
            def test_it(case) -> None:
                for error in (LookupError("x"), asyncio.CancelledError(), SystemExit(3)):
                    with case.assertRaises(type(error)) as caught:
                        case.get_async_result(fail(error))
                    case.assertIs(caught.exception, error)
                case.assertEqual(case.get_async_result(echo(1)), 1)

        self.assertPassed(run_case(Tests))

    def test_one_loop_for_all_parts_of_a_test(self) -> None:
        """Set-up, test, teardown, and cleanups that were registered before the first use."""
        loops: list[asyncio.AbstractEventLoop] = []

        async def note() -> None:
            loops.append(asyncio.get_running_loop())

        class Tests(Legacy):
            def setUp(case) -> None:  # no super().setUp(), as in many a legacy class
                case.addCleanup(lambda: case.get_async_result(note()))
                case.get_async_result(note())

            def test_it(case) -> None:
                case.get_async_result(note())

            def tearDown(case) -> None:
                case.get_async_result(note())
                case.addCleanup(lambda: case.get_async_result(note()))

        self.assertPassed(run_case(Tests))
        self.assertEqual(len(loops), 5)
        self.assertEqual(len(set(loops)), 1)
        self.assertTrue(loops[0].is_closed())

    def test_a_fresh_loop_for_each_test(self) -> None:
        """What one test does to its loop, the next one does not see."""
        loops: list[asyncio.AbstractEventLoop] = []

        class Tests(Legacy):
            def _test(case) -> None:
                async def note() -> None:
                    loops.append(asyncio.get_running_loop())

                case.get_async_result(note())

            test_one = test_two = _test

        self.assertTrue(run_all(Tests).wasSuccessful())
        self.assertEqual(len(set(loops)), 2)

    def test_primitives_live_across_calls(self) -> None:
        """A queue that has blocked once is bound to its loop, which is still the same."""

        class Tests(Legacy):
            def setUp(case) -> None:
                case.queue: asyncio.Queue[int] = asyncio.Queue(1)

            def test_it(case) -> None:
                async def fill() -> None:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(case.queue.put(1))
                        group.create_task(case.queue.put(2))
                        case.first = await case.queue.get()

                case.get_async_result(fill())
                case.assertEqual([case.first, case.get_async_result(case.queue.get())], [1, 2])

        self.assertPassed(run_case(Tests))

    def test_background_tasks_go_on_in_the_next_call(self) -> None:
        """Between two calls they stand still, and are neither lost nor cancelled."""

        class Tests(Legacy):
            def test_it(case) -> None:
                steps: list[int] = []

                async def work() -> None:
                    for number in range(3):
                        steps.append(number)
                        await asyncio.sleep(0.001)

                async def start() -> list[asyncio.Task[None]]:
                    return [asyncio.create_task(work())]

                (task,) = case.get_async_result(start())
                case.assertFalse(task.done())
                case.get_async_result(task)
                case.assertEqual(steps, [0, 1, 2])

        self.assertPassed(run_case(Tests))

    def test_all_calls_run_in_one_task(self) -> None:
        """So a TaskGroup or a timeout that is entered in one is left in another."""

        class Tests(Legacy):
            def test_it(case) -> None:
                stack = contextlib.AsyncExitStack()
                done: list[str] = []

                async def enter_timeout(stack: contextlib.AsyncExitStack) -> None:
                    await stack.enter_async_context(asyncio.timeout(30))

                async def child() -> None:
                    await asyncio.sleep(0.001)
                    done.append("child")

                group = case.get_async_result(stack.enter_async_context(asyncio.TaskGroup()))
                case.get_async_result(enter_timeout(stack))
                group.create_task(child())
                case.get_async_result(stack.aclose())
                case.assertEqual(done, ["child"])

        self.assertPassed(run_case(Tests))

    def test_a_group_whose_child_fails_says_so_in_the_next_call(self) -> None:
        """The next call is cancelled, with a hint; leaving the group tells the reason."""

        class Tests(Legacy):
            def test_it(case) -> None:
                stack = contextlib.AsyncExitStack()

                async def child() -> None:
                    raise LookupError

                group = case.get_async_result(stack.enter_async_context(asyncio.TaskGroup()))
                group.create_task(child())
                with case.assertRaises(asyncio.CancelledError) as caught:
                    case.get_async_result(asyncio.sleep(1))
                case.assertIn("entered", caught.exception.__notes__[0])
                with case.assertRaises(ExceptionGroup):
                    case.get_async_result(stack.aclose())

        self.assertPassed(run_case(Tests))

    def test_async_generators_are_finished(self) -> None:
        """One that was left half-way is closed with the loop; that it was left is a warning."""
        closed: list[bool] = []

        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
                yield 2
            finally:
                await asyncio.sleep(0)
                closed.append(True)

        class Tests(Legacy):
            def test_it(case) -> None:
                async def first() -> int:
                    case.numbers = numbers()
                    return await anext(case.numbers)

                case.assertEqual(case.get_async_result(first()), 1)

        with self.assertWarnsRegex(LeakWarning, r"async generator '.*numbers' was begun"):
            self.assertPassed(run_case(Tests))
        self.assertEqual(closed, [True])

    def test_a_test_that_awaits_nothing_makes_no_loop(self) -> None:
        """The mixin is free until it is used."""

        class Tests(Legacy):
            def test_it(case) -> None:
                case.assertEqual([name for name in vars(case) if "bridge" in name], [])

        with mock.patch("asynctesting._bridge.Bridge.__init__", side_effect=AssertionError):
            self.assertPassed(run_case(Tests))

    def test_threads_and_input_work(self) -> None:
        """The loop is a whole one: executor jobs, servers and sockets."""

        async def talk() -> bytes:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(await reader.readline())
                writer.close()
                await writer.wait_closed()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            async with server:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(b"hello\n")
                answer = await reader.read()
                writer.close()
                await writer.wait_closed()
            return answer

        class Tests(Legacy):
            def test_it(case) -> None:
                case.assertEqual(case.get_async_result(asyncio.to_thread(len, "four")), 4)
                case.assertEqual(case.get_async_result(talk()), b"hello\n")
                case.assertEqual(case.get_async_result(echo(1)), 1)

        self.assertPassed(run_case(Tests))

    def test_steps_without_a_turn_of_the_loop_are_steps_all_the_same(self) -> None:
        """There, too, the loop runs, the task is the same, and a cancellation is delivered."""

        async def look() -> tuple[Any, ...]:
            loop = asyncio.get_running_loop()
            seen = loop.is_running(), asyncio.current_task(), running()
            await asyncio.sleep(0)
            return seen, (loop.is_running(), asyncio.current_task(), running())

        async def cancel_myself() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

        async def gather_in_it() -> list[int]:
            return await asyncio.gather(echo(1), echo(2))

        class Tests(Legacy):
            def test_it(case) -> None:
                case.get_async_result(echo(0))
                first, second = case.get_async_result(look())
                case.assertEqual(first, second)
                third, _ = case.get_async_result(look())
                case.assertEqual(first, third)
                case.assertIsNone(asyncio._get_running_loop())
                with case.assertRaises(asyncio.CancelledError):
                    case.get_async_result(cancel_myself())
                case.assertEqual(case.get_async_result(gather_in_it()), [1, 2])
                with case.assertRaises(TimeoutError):
                    case.get_async_result(asyncio.wait_for(asyncio.sleep(9), 0.001))

        self.assertPassed(run_case(Tests))


class ContextTests(Settled):
    def test_context_variables_are_carried_both_ways(self) -> None:
        """Set-up's value is seen by the coroutine, the coroutine's by the test."""

        async def log_in(name: str) -> str:
            before = user.get("nobody")
            await asyncio.sleep(0.001)
            user.set(name)
            return before

        class Tests(Legacy):
            def setUp(case) -> None:
                user.set("set-up")

            def test_it(case) -> None:
                case.assertEqual(case.get_async_result(log_in("coroutine")), "set-up")
                case.assertEqual(user.get(), "coroutine")
                user.set("test")
                case.assertEqual(case.get_async_result(log_in("again")), "test")

        self.assertPassed(run_case(Tests))

    def test_a_coroutines_value_does_not_reach_the_next_test(self) -> None:
        """What the bridge has carried into the thread's context, it takes back at the end."""

        async def log_in() -> None:
            user.set("somebody")

        class Tests(Legacy):
            def test_one(case) -> None:
                case.get_async_result(log_in())
                case.assertEqual(user.get(), "somebody")

            def test_two(case) -> None:
                case.assertEqual(user.get("nobody"), "nobody")

        self.assertTrue(run_all(Tests).wasSuccessful())


class CurrentLoopTests(Settled):
    def test_the_current_loop_and_the_policy_stay_untouched(self) -> None:
        """Neither is made, set or replaced; asked in a process where nobody has."""
        process = run_python("""
            import asyncio, unittest
            from asyncio import events
            from asynctesting import AsyncResultMixin, get_async_result

            class Tests(AsyncResultMixin, unittest.TestCase):
                def test_it(self):
                    self.get_async_result(asyncio.sleep(0.001))
                    assert events._event_loop_policy is None

            class AmbientTests(AsyncResultMixin, unittest.TestCase):
                ambient_loop = True
                def test_it(self):
                    async def loop(): return asyncio.get_running_loop()
                    assert self.get_async_result(loop()) is asyncio.get_event_loop()

            for case in (Tests, AmbientTests):
                result = case("test_it").run(unittest.TestResult())
                result = unittest.TestResult()
                case("test_it").run(result)
                assert result.wasSuccessful(), result.errors
                assert events._event_loop_policy is None
            get_async_result(asyncio.sleep(0))
            assert events._event_loop_policy is None
        """)
        self.assertRunsClean(process)

    def test_a_loop_that_was_current_stays_so(self) -> None:
        """A suite with a loop of its own keeps it."""
        own = asyncio.new_event_loop()
        self.addCleanup(own.close)
        asyncio.set_event_loop(own)
        self.addCleanup(asyncio.set_event_loop, None)

        class Tests(Legacy):
            def test_it(case) -> None:
                case.get_async_result(echo(1))
                case.assertIs(asyncio.get_event_loop(), own)

        class Ambient(Tests):
            ambient_loop = True

            def test_it(case) -> None:
                case.assertIsNot(asyncio.get_event_loop(), own)

        self.assertPassed(run_case(Tests))
        self.assertPassed(run_case(Ambient))
        self.assertIs(asyncio.get_event_loop(), own)

    def test_an_ambient_loop_is_current_from_set_up_to_cleanups(self) -> None:
        """For code that asks for the loop synchronously, and for gather() outside."""

        class Tests(Legacy):
            ambient_loop = True

            def setUp(case) -> None:
                case.future = asyncio.get_event_loop().create_future()
                case.addCleanup(asyncio.get_event_loop)

            def test_it(case) -> None:
                asyncio.get_event_loop().call_soon(case.future.set_result, 1)
                case.assertEqual(case.get_async_result(case.future), 1)
                both = asyncio.gather(echo(1), echo(2))
                case.assertEqual(case.get_async_result(both), [1, 2])
                loop = asyncio.get_event_loop()
                case.assertEqual(loop.run_until_complete(echo_later(3)), 3)

        self.assertPassed(run_case(Tests))

    def test_a_skipped_test_leaves_no_ambient_loop(self) -> None:
        """Skipped by its decorator, it never reaches its cleanups."""

        @unittest.skip("not today")
        class Tests(Legacy):
            ambient_loop = True

            def test_it(case) -> None: ...

        case = Tests("test_it")
        self.assertSkipped(run_case(case), "not today")
        self.assertEqual(case._cleanups, [])
        pickle.dumps(vars(case))

    def test_a_loop_factory(self) -> None:
        """A class or a plain function, as on AsyncTestCase."""

        class Loop(asyncio.SelectorEventLoop):
            pass

        class Tests(Legacy):
            loop_factory = Loop
            loop_debug = True

            def test_it(case) -> None:
                async def loop() -> asyncio.AbstractEventLoop:
                    return asyncio.get_running_loop()

                found = case.get_async_result(loop())
                case.assertIs(type(found), Loop)
                case.assertTrue(found.get_debug())
                case.assertEqual(case.get_async_result(echo_later(1)), 1)

        self.assertPassed(run_case(Tests))


class TracebackTests(Settled):
    def text(self, case: type[unittest.TestCase]) -> str:
        """Return what a runner prints for the one error of a case."""
        outcome = run_case(case)
        self.assertEqual(len(outcome.raised), 1, outcome.report)
        return outcome.report

    def test_a_failed_assertion_shows_its_line_in_the_coroutine(self) -> None:
        """With one frame of ours between the test and the coroutine."""

        class Tests(Legacy):
            def test_it(case) -> None:
                async def check() -> None:
                    await asyncio.sleep(0.001)
                    case.assertEqual(1, 2)

                case.get_async_result(check())

        text = self.text(Tests)

        self.assertIn("case.assertEqual(1, 2)", text)
        self.assertEqual(text.count("asynctesting"), 1, text)

    def test_a_decorated_test_shows_none_of_our_frames(self) -> None:
        """It begins and ends in the user's code."""

        class Tests(Legacy):
            @async_test
            async def test_it(case) -> None:
                await asyncio.sleep(0.001)
                case.assertEqual(1, 2)

        text = self.text(Tests)

        self.assertIn("case.assertEqual(1, 2)", text)
        self.assertNotIn("asynctesting", text)


class MisuseTests(Settled):
    def refused(self, kind: type[BaseException], call: Callable[[Any], Any], *texts: str) -> None:
        """Assert that *call*, given a running case, raises a *kind* that says *texts*."""

        class Tests(Legacy):
            def test_it(case) -> None:
                call(case)

        self.assertFailsWith(run_case(Tests), kind, *texts)

    def test_inside_of_a_running_loop(self) -> None:
        """The message says what to write, and no coroutine is left unawaited."""

        async def inside(case: Any, call: Callable[..., Any]) -> None:
            call(echo(1))

        for name in ("get_async_result", "get_class_async_result"):
            with self.subTest(name):
                self.refused(
                    BridgeError,
                    lambda case, name=name: case.get_async_result(
                        inside(case, getattr(case, name))
                    ),
                    "running event loop",
                    "Write 'await echo()'",
                )
        self.refused(
            BridgeError,
            lambda case: case.get_async_result(inside(case, get_async_result)),
            "await echo()",
        )

    def test_what_can_not_be_awaited(self) -> None:
        """The value is quoted; the usual slips have a hint."""

        async def numbers() -> AsyncIterator[int]:
            yield 1

        for value, hint in [
            (None, "got None"),
            (echo, "Call it: echo(...)"),
            (numbers(), "async for"),
            (asyncio.Lock(), "async with"),
            ([], "got []"),
        ]:
            with self.subTest(repr(value)):
                self.refused(TypeError, lambda case, v=value: case.get_async_result(v), hint)

    def test_a_future_of_another_loop(self) -> None:
        """gather() outside of a coroutine makes one."""
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        future = loop.create_future()

        self.refused(BridgeError, lambda case: case.get_async_result(future), "ambient_loop = True")

        future.set_result("done")

        class Tests(Legacy):
            def test_it(case) -> None:  # a finished one does no harm
                case.assertEqual(case.get_async_result(future), "done")

        self.assertPassed(run_case(Tests))

    def test_another_thread(self) -> None:
        """Refused, whether or not the test has a loop already; the function is the way out."""

        class Tests(Legacy):
            def in_thread(case, call: Callable[..., Any]) -> Any:
                results: list[Any] = []

                def target() -> None:
                    try:
                        results.append(call(echo("from a thread")))
                    except BridgeError as error:
                        results.append(error)

                thread = threading.Thread(target=target, name="worker")
                thread.start()
                thread.join()
                return results[0]

            def test_it(case) -> None:
                for _ in range(2):
                    error = case.in_thread(case.get_async_result)
                    case.assertIsInstance(error, BridgeError)
                    case.assertIn("another thread than 'worker'", str(error))
                    case.get_async_result(echo(1))
                case.get_class_async_result(echo(1))
                case.assertIsInstance(case.in_thread(case.get_class_async_result), BridgeError)
                case.assertEqual(case.in_thread(get_async_result), "from a thread")

        outcome = run_all(Tests)
        self.assertTrue(outcome.wasSuccessful(), outcome.report)

    def test_another_thread_that_comes_first(self) -> None:
        """The loop of a class, and that of a plain test, belong to the thread that runs them."""
        refused: list[str] = []

        def in_thread(call: Callable[..., Any]) -> None:
            def target() -> None:
                with self.assertRaisesRegex(BridgeError, "another thread than 'guest'"):
                    call()
                refused.append(call.__name__)

            thread = threading.Thread(target=target, name="guest")
            thread.start()
            thread.join()

        class Tests(Legacy):
            @classmethod
            def ask(cls) -> None:
                cls.get_class_async_result(echo(1))

            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                cls.addClassCleanup(in_thread, cls.ask)
                in_thread(cls.ask)

            @classmethod
            def tearDownClass(cls) -> None:
                in_thread(cls.ask)
                super().tearDownClass()

            def test_it(case) -> None:
                in_thread(case.ask)

        class Plain(unittest.TestCase):
            @async_test
            async def ask(self) -> None: ...

            @classmethod
            @async_test
            async def ask_class(cls) -> None: ...

            def test_it(self) -> None:
                in_thread(self.ask)
                in_thread(self.ask_class)
                self.ask()
                self.ask_class()

        for case in (Tests, Plain):
            outcome = run_all(case)
            self.assertTrue(outcome.wasSuccessful(), outcome.report)
        self.assertEqual(refused, ["ask"] * 5 + ["ask_class"])

    def test_outside_of_a_running_test(self) -> None:
        """Nobody would close its loop."""

        class Tests(Legacy):
            def test_it(case) -> None: ...

        with self.assertRaisesRegex(BridgeError, "is not running.*function asynctesting"):
            Tests("test_it").get_async_result(echo(1))

    def test_a_bad_timeout(self) -> None:
        """The coroutine is closed."""
        for value in (0, -1, float("nan"), "1"):
            with self.subTest(value):
                self.refused(
                    SettingError,
                    lambda case, v=value: case.get_async_result(echo(1), timeout=v),
                    "timeout must be",
                )

    def test_bad_settings(self) -> None:
        """Said when the class is made."""
        for name, value in [
            ("timeout", "soon"),
            ("leaks", "maybe"),
            ("ambient_loop", "yes"),
            ("loop_factory", 3),
        ]:
            with self.subTest(name), self.assertRaisesRegex(SettingError, f"Tests.{name} must be"):
                type("Tests", (Legacy,), {name: value})

    def test_the_mixin_on_a_case_that_awaits_by_itself(self) -> None:
        """Two loops in one test would be a riddle."""
        for base in (AsyncTestCase, unittest.IsolatedAsyncioTestCase):
            for bases in ((AsyncResultMixin, base), (base, AsyncResultMixin)):
                with self.subTest(bases), self.assertRaisesRegex(BridgeError, "'async def'"):
                    type("Tests", bases, {})

    def test_the_mixin_on_the_right(self) -> None:
        """There its run() would never be called."""
        with self.assertRaisesRegex(BridgeError, r"to the left.*Tests\(AsyncResultMixin, \.\.\.\)"):
            type("Tests", (unittest.TestCase, AsyncResultMixin), {})

    def test_an_async_method_that_nobody_awaits(self) -> None:
        """Stock, it passes without having run."""

        async def method(case: Any) -> None: ...

        async def generator(case: Any) -> AsyncIterator[int]:
            yield 1

        for name in ("test_it", "setUp", "tearDown"):
            with self.subTest(name), self.assertRaisesRegex(SilentPassError, "@async_test above"):
                type("Tests", (Legacy,), {name: method})
        with self.assertRaisesRegex(SilentPassError, "@async_test above"):
            type("Tests", (Legacy,), {"setUpClass": classmethod(method)})
        with self.assertRaisesRegex(SilentPassError, "Remove the yield"):
            type("Tests", (Legacy,), {"test_it": generator})

    def test_a_base_that_awaits_tests_in_its_own_way(self) -> None:
        """It is trusted."""

        class Own(unittest.TestCase):
            def _callTestMethod(case, method: Callable[[], Any]) -> None:
                result = method()
                if inspect.isawaitable(result):
                    asyncio.run(result)  # type: ignore[arg-type]

        class Tests(AsyncResultMixin, Own):
            async def test_it(case) -> None:
                await asyncio.sleep(0)

        self.assertPassed(run_case(Tests))


async def take(seconds: float) -> None:
    """Let *seconds* pass for limits."""
    pass_time(seconds)
    await asyncio.sleep(0.001)


class LimitTests(Settled):
    def setUp(self) -> None:
        super().setUp()
        self.enterContext(limits_by_hand())

    def test_a_hang_names_its_line(self) -> None:
        """The timeout of the call ends it; the coroutine's finally runs, and so does tearDown."""
        log: list[str] = []

        async def hang() -> None:
            try:
                pass_time(20)
                # A thread may call at any time, so this is no deadlock.
                await asyncio.to_thread(time.sleep, 0.01)
            finally:
                log.append("finally")

        class Tests(Legacy):
            def test_it(case) -> None:
                case.get_async_result(hang(), timeout=20)

            def tearDown(case) -> None:
                log.append(case.get_async_result(echo("tearDown")))

        error = self.assertFailsWith(
            run_case(Tests),
            TimeLimitError,
            "get_async_result(hang()) in test_it took longer than its limit of 20 s",
            "await asyncio.to_thread(time.sleep, 0.01)",
            "timeout=...",
        )
        self.assertEqual(error.limit, 20)
        self.assertEqual(log, ["finally", "tearDown"])

    def test_the_limit_of_the_test_spans_its_calls(self) -> None:
        """What the first has used up, the second does not have."""

        class Tests(Legacy):
            timeout = 30

            def setUp(case) -> None:
                case.get_async_result(take(20))

            def test_it(case) -> None:
                case.get_async_result(take(5))
                with case.assertRaises(TimeLimitError):
                    case.get_async_result(take(5))

        self.assertPassed(run_case(Tests))

    def test_synchronous_code_does_not_count(self) -> None:
        """Nor is it interrupted, however long it takes."""

        class Tests(Legacy):
            timeout = 30

            def test_it(case) -> None:
                case.get_async_result(echo(1))
                pass_time(50)
                case.get_async_result(take(10))
                pass_time(50)
                case.get_async_result(take(10))

        self.assertPassed(run_case(Tests))

    def test_what_follows_an_expiry_gets_a_little_time(self) -> None:
        """A teardown can still await what it has to."""
        done: list[int] = []

        class Tests(Legacy):
            timeout = 0.1

            def test_it(case) -> None:
                case.get_async_result(asyncio.sleep(5))

            def tearDown(case) -> None:
                done.append(case.get_async_result(echo_later(1)))

        self.assertFailsWith(run_case(Tests), TimeLimitError)
        self.assertEqual(done, [1])

    def test_an_expiry_can_be_asserted(self) -> None:
        """The test goes on as if nothing had happened."""

        class Tests(Legacy):
            def test_it(case) -> None:
                for _ in range(3):
                    with case.assertRaises(TimeLimitError):
                        case.get_async_result(asyncio.sleep(5), timeout=0.02)
                case.assertEqual(case.get_async_result(echo_later(1)), 1)

        self.assertPassed(run_case(Tests))

    def test_the_decorator_and_the_environment(self) -> None:
        """Class attribute < decorator < environment."""

        class Tests(Legacy):
            timeout = 0.01

            @asynctesting.timeout(30)
            def test_it(case) -> None:
                case.get_async_result(asyncio.sleep(0.05))

        self.assertPassed(run_case(Tests))
        outcome = run_case(Tests, environment={"ASYNCTESTING_TIMEOUT": "0.01"})
        self.assertFailsWith(outcome, TimeLimitError)

    def test_the_longer_of_two_limits_changes_nothing(self) -> None:
        """A call can't outlive its test."""

        class Tests(Legacy):
            timeout = 30

            def test_it(case) -> None:
                case.get_async_result(take(40), timeout=60)

        error = self.assertFailsWith(run_case(Tests), TimeLimitError)
        self.assertEqual(error.limit, 30)

    def test_code_that_blocks_the_loop(self) -> None:
        """It is interrupted, and the report names its line; also in the steps without a loop."""

        async def block(wait: float) -> None:
            await asyncio.sleep(wait)
            pass_time(20)
            time.sleep(5)

        # Long enough for the few steps from there to here.
        self.enterContext(mock.patch.object(_watchdog, "ANSWER_TIME", 0.1))
        for wait in (0, 0.001):
            with self.subTest(wait):

                class Tests(Legacy):
                    loop_debug = False  # or the log says how long a step took

                    def test_it(case, wait: float = wait) -> None:
                        case.get_async_result(echo(1))
                        case.get_async_result(block(wait), timeout=20)

                error = self.assertFailsWith(run_case(Tests), TimeLimitError, "time.sleep(5)")
                self.assertEqual(error.phase, "test")

    def test_the_phase_is_named(self) -> None:
        """The error knows in which part of the test it was raised."""
        for method, phase in [("setUp", "set-up"), ("tearDown", "teardown")]:

            def wait(case: Any) -> None:
                case.get_async_result(take(20), timeout=20)

            # The name in the code is what stands on the stack.
            wait.__code__ = wait.__code__.replace(co_name=method)
            case = type("Tests", (Legacy,), {"test_it": lambda case: None, method: wait})
            error = self.assertFailsWith(run_case(case), TimeLimitError)
            self.assertEqual(error.phase, phase)

    def test_nobody_can_wake_it(self) -> None:
        """That is seen at once."""

        class Tests(Legacy):
            def test_it(case) -> None:
                case.get_async_result(asyncio.Event().wait())

        with alone_in_process():
            self.assertFailsWith(run_case(Tests), DeadlockError)

    def test_who_waits_for_the_loop_of_the_class_is_told(self) -> None:
        """It stands still while the test's loop turns."""

        class Tests(Legacy):
            @classmethod
            def setUpClass(cls) -> None:
                cls.event = cls.get_class_async_result(echo(asyncio.Event()))

            def test_it(case) -> None:
                case.get_async_result(case.event.wait())

        with alone_in_process():
            outcome = run_all(Tests)
        self.assertFailsWith(outcome, DeadlockError, "get_class_async_result")


class InterruptTests(Settled):
    def test_ctrl_c_ends_the_coroutine_and_the_run(self) -> None:
        """Its finally blocks run, the loop is closed, and nobody complains."""
        for wait in ("await asyncio.sleep(30)", "time.sleep(30)"):
            with self.subTest(wait):
                process = run_python(f"""
                    import asyncio, os, signal, threading, time, unittest
                    from asynctesting import AsyncResultMixin

                    async def hang():
                        try:
                            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
                            {wait}
                        finally:
                            print("finally")

                    class Tests(AsyncResultMixin, unittest.TestCase):
                        loop_debug = False  # or it says how long a step took
                        def test_it(self):
                            self.get_async_result(asyncio.sleep(0))
                            self.get_async_result(hang())

                    case = Tests("test_it")
                    try:
                        case.run(unittest.TestResult())
                    except KeyboardInterrupt:
                        print("interrupted", [n for n in vars(case) if "asynctesting" in n])
                """)
                self.assertRunsClean(process, "finally\n", "interrupted []\n")
                self.assertEqual(process.stderr, "")


_LEGACY_SUITE = """
import asyncio, unittest
from asynctesting import AsyncResultMixin, async_test, get_async_result

def setUpModule():
    assert get_async_result(asyncio.sleep(0, "module")) == "module"


class BridgeTests(AsyncResultMixin, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.queue = cls.get_class_async_result(asyncio.sleep(0, asyncio.Queue()))

    def setUp(self):
        self.lock = asyncio.Lock()
        self.get_async_result(self.lock.acquire())

    def test_queue(self):
        self.get_class_async_result(self.queue.put(1))
        self.assertEqual(self.get_class_async_result(self.queue.get()), 1)

    @async_test
    async def test_decorated(self):
        await asyncio.sleep(0.001)
        self.assertTrue(self.lock.locked())

    def tearDown(self):
        self.lock.release()
        self.get_async_result(self.lock.acquire())


class PlainTests(unittest.TestCase):
    @async_test
    async def test_decorated(self):
        await asyncio.sleep(0.001)


class LeakyTests(AsyncResultMixin, unittest.TestCase):
    def test_leaky(self):
        async def leave(): self.task = asyncio.create_task(asyncio.sleep(60), name="forgotten")
        self.get_async_result(leave())
"""


class RunnerTests(Settled):
    def setUp(self) -> None:
        super().setUp()
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        Path(self.folder, "test_legacy.py").write_text(_LEGACY_SUITE)

    def test_unittest(self) -> None:
        """Three pass, and the leaky one is told."""
        process = run_in(self.folder, "-m", "unittest", "test_legacy")
        self.assertIn("Ran 4 tests", process.stderr)
        self.assertIn("FAILED (failures=1)", process.stderr)
        self.assertIn("task 'forgotten'", process.stderr)

    @unittest.skipUnless(importlib.util.find_spec("pytest"), "pytest is not installed")
    def test_pytest(self) -> None:
        """Without pytest-asyncio, and where it is installed in both of its modes; with --pdb."""
        plugins = [tuple(WITHOUT_PEERS)]
        if importlib.util.find_spec("pytest_asyncio"):
            loop = ("-o", "asyncio_default_fixture_loop_scope=function")
            plugins += [(*loop, "-o", f"asyncio_mode={mode}") for mode in ("strict", "auto")]
        command = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
        for options in plugins:
            with self.subTest(options=options):
                process = run_in(self.folder, *command, *options)
                self.assertIn("1 failed, 3 passed", process.stdout, process.stderr)
                self.assertIn("task 'forgotten'", process.stdout)
                self.assertNotIn("warning", process.stdout)

    @unittest.skipUnless(importlib.util.find_spec("pytest"), "pytest is not installed")
    def test_pytest_with_a_debugger(self) -> None:
        """--pdb postpones tearDown(); the test's loop waits for it."""
        command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", *WITHOUT_PEERS, "--pdb")
        process = run_in(self.folder, *command, "-k", "not leaky")

        self.assertIn("3 passed", process.stdout, process.stdout + process.stderr)
        self.assertNotIn("warning", process.stdout)


if __name__ == "__main__":
    unittest.main()
