"""The scope of a test: which loop it is on, what works on it, and what is left when it is over."""

from __future__ import annotations

import asyncio
import contextvars
import os
import random
import signal
import socket
import sys
import threading
import time
import unittest
import warnings
from typing import Any
from unittest import mock

import uvloop

from asynctesting import AsyncTestCase, SettingError
from asynctesting._audit import hooks
from asynctesting._loop import LazyEventLoop, _UnbornLoop
from asynctesting._scopes import Scope
from tests.support import OutcomeAssertions, run_all, run_case, run_python, spin


def make_stock_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop()


class FactoryTests(OutcomeAssertions):
    def check_factory(self, factory: Any, kind: type) -> None:
        """Check that a class with *factory* runs on a fresh loop of *kind*, and closes it."""
        loops = []

        class Case(AsyncTestCase):
            loop_factory = factory

            def setUp(self) -> None:
                loops.append(asyncio.get_event_loop())

            async def test_it(self) -> None:
                loops.append(asyncio.get_running_loop())
                loops.append(self.loop)
                await asyncio.sleep(0.0001)
                self.assertEqual(await asyncio.to_thread(int, "7"), 7)

        for _ in range(2):
            with self.assertNoWarnings():
                self.assertPassed(run_case(Case))

        self.assertEqual({type(loop) for loop in loops}, {kind})
        self.assertEqual(len(set(map(id, loops[:3]))), 1)
        self.assertIsNot(loops[0], loops[3])
        self.assertTrue(all(loop.is_closed() for loop in loops))

    def test_factories_of_every_kind(self) -> None:
        """A function is not bound as a method; a class, a lambda and a partial are as good."""
        stock = asyncio.SelectorEventLoop
        for factory in (
            make_stock_loop,
            staticmethod(make_stock_loop),
            lambda: asyncio.SelectorEventLoop(),
            asyncio.SelectorEventLoop,
        ):
            with self.subTest(factory=factory):
                self.check_factory(factory, stock)
        with self.subTest("a function without a loop of its own kind"):
            self.check_factory(None, LazyEventLoop)

    def test_uvloop(self) -> None:
        """Its factory function and its class. That it hides things is said once in a run."""
        with mock.patch.object(hooks, "_not_checked", {"readers, timers, generators"}):
            self.check_factory(uvloop.new_event_loop, uvloop.Loop)
            self.check_factory(uvloop.Loop, uvloop.Loop)

    def test_on_an_instance(self) -> None:
        """A factory may be set on the instance, before the run."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.assertIs(type(asyncio.get_running_loop()), asyncio.SelectorEventLoop)

        case = Case("test_it")
        case.loop_factory = make_stock_loop

        self.assertPassed(run_case(case))

    def test_a_factory_that_needs_arguments(self) -> None:
        """A method in disguise is refused when the class is made."""
        with self.assertRaisesRegex(SettingError, "needs self; it is no method, so leave 'self'"):

            class Case(AsyncTestCase):
                def loop_factory(self) -> Any:  # type: ignore[override]
                    return asyncio.new_event_loop()

    def test_a_factory_that_is_none(self) -> None:
        """A loop in place of what makes one, a policy's name, a number."""
        loop = asyncio.SelectorEventLoop()
        self.addCleanup(loop.close)
        for factory in (loop, "uvloop", 3):
            with self.subTest(factory=factory):
                with self.assertRaisesRegex(
                    SettingError, "Case.loop_factory must be a class or a function"
                ):
                    type("Case", (AsyncTestCase,), {"loop_factory": factory})

    def test_a_factory_that_returns_no_fresh_loop(self) -> None:
        """Each wrong thing is told as what it is."""
        closed = asyncio.SelectorEventLoop()
        closed.close()
        for factory, text in (
            (lambda: None, "must return an event loop"),
            (lambda: 17, "returned 17"),
            (lambda: closed, "returned one that is closed"),
        ):
            with self.subTest(text):

                class Case(AsyncTestCase):
                    loop_factory = factory

                    async def test_it(self) -> None: ...

                self.assertFailsWith(run_case(Case), TypeError, "loop_factory", text)

    def test_a_factory_that_raises(self) -> None:
        """It is that test's error, and the run goes on."""

        class Case(AsyncTestCase):
            loop_factory = lambda: 1 / 0  # noqa: E731

            async def test_1(self) -> None: ...

            async def test_2(self) -> None: ...

        outcome = run_all(Case)

        self.assertEqual([type(error) for error in outcome.raised], [ZeroDivisionError] * 2)

    def test_a_loop_that_fails_to_close(self) -> None:
        """Stock lets that escape from run() and ends the whole run; here it is an error."""

        class Unclosable(asyncio.SelectorEventLoop):
            def close(self) -> None:
                super().close()
                raise OSError("can't close")

        class Case(AsyncTestCase):
            loop_factory = Unclosable

            async def test_it(self) -> None: ...

        self.assertFailsWith(run_case(Case), OSError, "can't close")

    def test_debug_mode(self) -> None:
        """loop_debug, or else what the interpreter says."""
        for value, expected in ((True, True), (False, False), (None, sys.flags.dev_mode)):
            for factory in (None, asyncio.SelectorEventLoop):
                with self.subTest(value=value, factory=factory):
                    seen = []

                    class Case(AsyncTestCase):
                        loop_debug = value
                        loop_factory = factory

                        async def test_it(self, seen: Any = seen) -> None:
                            seen.append(asyncio.get_running_loop().get_debug())

                    self.assertPassed(run_case(Case))
                    self.assertEqual(seen, [expected])

    def test_a_policy_of_the_users(self) -> None:
        """A policy in force is no reason for another loop than ours, and it stays in force."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            before = asyncio.get_event_loop_policy()
            policy = uvloop.EventLoopPolicy()
            asyncio.set_event_loop_policy(policy)
            self.addCleanup(asyncio.set_event_loop_policy, before)

            class Case(AsyncTestCase):
                async def test_it(self) -> None: ...

            self.assertPassed(run_case(Case))
            self.assertIs(asyncio.get_event_loop_policy(), policy)


class RunnerOverrideTests(OutcomeAssertions):
    """Suites in the wild put a runner of their own into the stock case's slot."""

    def test_a_stock_runner_in_the_slot(self) -> None:
        """Its loop is used, and it is closed by its own close()."""
        runners: list[asyncio.Runner] = []
        tasks = set()

        class Case(AsyncTestCase):
            def _setupAsyncioRunner(self) -> None:  # type: ignore[override]
                runner = asyncio.Runner(debug=True, loop_factory=make_stock_loop)
                self._asyncioRunner = runner
                runners.append(runner)

            async def asyncSetUp(self) -> None:
                tasks.add(asyncio.current_task())

            async def test_it(self) -> None:
                tasks.add(asyncio.current_task())
                self.assertIs(asyncio.get_running_loop(), runners[0].get_loop())
                self.assertTrue(asyncio.get_running_loop().get_debug())

            async def asyncTearDown(self) -> None:
                tasks.add(asyncio.current_task())

        with self.assertNoWarnings():
            outcome = run_case(Case)

        self.assertPassed(outcome)
        self.assertEqual(len(tasks), 1)
        with self.assertRaisesRegex(RuntimeError, "closed"):
            runners[0].get_loop()

    def test_calling_super_and_then_the_loop(self) -> None:
        """As synapse and others do, to adjust the loop that the stock case would make."""
        loops = []

        class Case(AsyncTestCase):
            def _setupAsyncioRunner(self) -> None:  # type: ignore[override]
                super()._setupAsyncioRunner()
                loop = self._asyncioRunner.get_loop()
                loop.set_debug(False)
                loops.append(loop)

            def _tearDownAsyncioRunner(self) -> None:
                loops.append(self._asyncioRunner)
                super()._tearDownAsyncioRunner()

            async def test_it(self) -> None:
                self.assertIs(asyncio.get_running_loop(), loops[0])
                self.assertFalse(loops[0].get_debug())

        self.assertPassed(run_case(Case))
        self.assertEqual(len(loops), 2)
        self.assertTrue(loops[0].is_closed())

    def test_calling_the_runner_directly(self) -> None:
        """runner.run() in a sync hook is a phase, too."""
        log = []

        async def work() -> None:
            await asyncio.sleep(0)
            log.append(asyncio.get_running_loop())

        class Case(AsyncTestCase):
            def setUp(self) -> None:
                log.append(self._asyncioRunner.get_loop())

            async def test_it(self) -> None:
                await work()

        self.assertPassed(run_case(Case))
        self.assertIs(log[0], log[1])


class CurrentLoopTests(OutcomeAssertions):
    """The thread's current loop is after a test what it was before."""

    class Case(AsyncTestCase):
        async def test_it(self) -> None:
            await asyncio.sleep(0)

        def test_sync(self) -> None:
            asyncio.get_event_loop()

    class OnStock(Case):
        loop_factory = asyncio.SelectorEventLoop

    def run_all(self) -> None:
        for case in (self.Case, self.OnStock):
            self.assertPassed(run_case(case))
        self.assertPassed(run_case(self.Case, "test_sync"))

    def in_thread(self, function: Any) -> Any:
        """Call *function* in a fresh thread, where nobody has set a loop yet."""
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(function()))
        thread.start()
        thread.join(30)
        self.assertTrue(results, "the thread has failed")
        return results[0]

    def test_one_that_was_set(self) -> None:
        """It is current again, and still open."""

        def check() -> bool:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            try:
                self.run_all()
                return asyncio.get_event_loop() is loop and not loop.is_closed()
            finally:
                asyncio.set_event_loop(None)
                loop.close()

        self.assertTrue(self.in_thread(check))

    def test_none_that_was_set(self) -> None:
        """asyncio.run() leaves None behind; then get_event_loop() raises, as before."""

        def check() -> bool:
            asyncio.set_event_loop(None)
            self.run_all()
            try:
                asyncio.get_event_loop()
            except RuntimeError:
                return True
            return False

        self.assertTrue(self.in_thread(check))

    def test_never_set_in_the_main_thread(self) -> None:
        """get_event_loop() makes one there as long as nobody has set any."""
        process = run_python("""
            import asyncio, unittest, warnings
            from asynctesting import AsyncTestCase

            class Case(AsyncTestCase):
                async def test_it(self): pass

            class OnStock(Case):
                loop_factory = asyncio.SelectorEventLoop

            result = unittest.TestResult()
            Case("test_it").run(result)
            OnStock("test_it").run(result)
            assert result.wasSuccessful(), result
            warnings.simplefilter("ignore", DeprecationWarning)
            loop = asyncio.get_event_loop()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            print("made one")
        """)

        self.assertRunsClean(process, "made one")

    def test_no_policy_is_left_with_a_factory(self) -> None:
        """As the stock case of 3.13 with its loop_factory."""
        process = run_python("""
            import asyncio, unittest
            from asynctesting import AsyncTestCase

            class Case(AsyncTestCase):
                loop_factory = asyncio.SelectorEventLoop
                async def test_it(self): pass

            result = unittest.TestResult()
            Case("test_it").run(result)
            assert result.wasSuccessful(), result
            print("policy:", asyncio.events._event_loop_policy)
        """)

        self.assertRunsClean(process, "policy: None")


class OutsideTests(OutcomeAssertions):
    """Threads, signals, processes and sockets: what only the selector and the self-pipe can tell.

    Each is the first of its kind in a test of its own, where the loop has neither of the two yet.
    """

    def check(self, body: Any) -> None:
        """Run the coroutine function *body(case)* as a test on our loop."""

        class Case(AsyncTestCase):
            timeout = 20

            async def test_it(self) -> None:
                await body(self)

        with self.assertNoWarnings():
            outcome = run_case(Case)
        self.assertPassed(outcome)

    def test_call_soon_threadsafe_wakes_a_waiting_loop(self) -> None:
        """The loop is already waiting when the thread calls."""

        async def body(case: Any) -> None:
            future = case.loop.create_future()

            def work() -> None:
                time.sleep(0.01)
                case.loop.call_soon_threadsafe(future.set_result, "woken")

            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            case.assertEqual(await future, "woken")
            thread.join()

        self.check(body)

    def test_call_soon_threadsafe_races_the_first_wait(self) -> None:
        """Whichever comes first, the wake-up is not lost: on many fresh loops, in many timings."""
        jobs: list[Any] = []
        bell = threading.Condition()

        def work() -> None:
            while True:
                with bell:
                    bell.wait_for(lambda: jobs)
                    job = jobs.pop()
                if job is None:
                    return
                loop, future, pause = job
                for _ in range(pause):
                    pass
                loop.call_soon_threadsafe(future.set_result, None)

        class Case(AsyncTestCase):
            timeout = 20

            async def test_it(self) -> None:
                future = self.loop.create_future()
                with bell:
                    jobs.append((self.loop, future, random.randrange(300)))
                    bell.notify()
                await future

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            for _ in range(300):
                self.assertPassed(run_case(Case))
        finally:
            with bell:
                jobs.append(None)
                bell.notify()
            thread.join()

    def test_thousands_of_wake_ups(self) -> None:
        """One test, one thread, ping-pong."""

        async def body(case: Any) -> None:
            rounds = 2000
            turns: list[int] = []
            bell = threading.Semaphore(0)
            futures: list[Any] = []

            def work() -> None:
                for number in range(rounds):
                    bell.acquire()
                    case.loop.call_soon_threadsafe(futures.pop().set_result, number)

            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            for _ in range(rounds):
                future = case.loop.create_future()
                futures.append(future)
                bell.release()
                turns.append(await future)
            thread.join()
            case.assertEqual(turns, list(range(rounds)))

        self.check(body)

    def test_executor_jobs_and_threads(self) -> None:
        """run_in_executor() and to_thread(), alone and many at once."""

        async def body(case: Any) -> None:
            case.assertEqual(await case.loop.run_in_executor(None, int, "1"), 1)
            case.assertEqual(await asyncio.to_thread(int, "2"), 2)
            jobs = [asyncio.to_thread(pow, n, 2) for n in range(50)]
            case.assertEqual(await asyncio.gather(*jobs), [n * n for n in range(50)])

        self.check(body)

    def test_to_thread_carries_the_context(self) -> None:
        """As asyncio promises."""
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

        async def body(case: Any) -> None:
            variable.set("seen")
            case.assertEqual(await asyncio.to_thread(variable.get), "seen")

        self.check(body)

    def test_run_coroutine_threadsafe(self) -> None:
        """A thread waits for a coroutine on the test's loop."""

        async def body(case: Any) -> None:
            async def answer() -> str:
                await asyncio.sleep(0.001)
                return "answer"

            def ask() -> str:
                return asyncio.run_coroutine_threadsafe(answer(), case.loop).result(10)

            case.assertEqual(await asyncio.to_thread(ask), "answer")

        self.check(body)

    def test_subprocesses(self) -> None:
        """create_subprocess_exec(), its pipes and its exit status."""

        async def body(case: Any) -> None:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-c", "print(input().upper()); raise SystemExit(3)"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            output, _ = await process.communicate(b"hello\n")
            case.assertEqual(output.strip(), b"HELLO")
            case.assertEqual(process.returncode, 3)

        self.check(body)

    @unittest.skipIf(sys.platform == "win32", "loops there take no signal handlers")
    def test_signal_handlers(self) -> None:
        """Also when the loop is already waiting, and after the handler was removed."""

        async def body(case: Any) -> None:
            for pause in (0, 0.01):
                future = case.loop.create_future()
                case.loop.add_signal_handler(signal.SIGUSR1, future.set_result, "handled")
                if pause:
                    timer = threading.Timer(pause, os.kill, (os.getpid(), signal.SIGUSR1))
                    timer.start()
                else:
                    os.kill(os.getpid(), signal.SIGUSR1)
                case.assertEqual(await future, "handled")
                case.loop.remove_signal_handler(signal.SIGUSR1)
                if pause:
                    timer.join()

        self.check(body)

    def test_name_resolution(self) -> None:
        """getaddrinfo() runs in the executor."""

        async def body(case: Any) -> None:
            found = await case.loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
            case.assertEqual(found[0][4], ("127.0.0.1", 80))

        self.check(body)

    def test_streams_over_loopback(self) -> None:
        """A server and a client in one test."""

        async def body(case: Any) -> None:
            async def serve(reader: Any, writer: Any) -> None:
                writer.write((await reader.readline()).upper())
                await writer.drain()
                writer.close()
                await writer.wait_closed()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            async with server:
                address = server.sockets[0].getsockname()
                reader, writer = await asyncio.open_connection(*address)
                writer.write(b"hello\n")
                case.assertEqual(await reader.read(), b"HELLO\n")
                writer.close()
                await writer.wait_closed()

        self.check(body)

    def test_readers_and_writers_on_plain_sockets(self) -> None:
        """add_reader(), sock_sendall() and sock_recv()."""

        async def body(case: Any) -> None:
            left, right = socket.socketpair()
            with left, right:
                left.setblocking(False)
                right.setblocking(False)
                readable = asyncio.Event()
                case.loop.add_reader(right, readable.set)
                await case.loop.sock_sendall(left, b"ping")
                await readable.wait()
                case.loop.remove_reader(right)
                case.assertEqual(await case.loop.sock_recv(right, 10), b"ping")

        self.check(body)

    def test_timers_are_exact_to_the_clocks_resolution(self) -> None:
        """A sleep never ends early, on the stand-in for the selector either."""

        async def body(case: Any) -> None:
            for _ in range(3):
                began = time.monotonic()
                await asyncio.sleep(0.005)
                case.assertGreaterEqual(time.monotonic() - began, 0.0049)

        self.check(body)


class ScopeTests(unittest.TestCase):
    """The scope itself, without a case."""

    def open(self, **options: Any) -> Scope:
        scope = Scope("test_it", contextvars.copy_context(), **options)
        scope.open()
        self.addCleanup(scope.close)
        return scope

    def test_runs_share_a_task(self) -> None:
        """run() after run(), in the owner."""
        scope = self.open()

        async def task() -> Any:
            return asyncio.current_task()

        first, second = scope.run(task()), scope.run(task())

        self.assertIs(first, second)
        self.assertEqual(first.get_name(), "test_it")

    def test_another_context_gets_a_task_of_its_own(self) -> None:
        """As with asyncio.Runner.run(context=...)."""
        scope = self.open()

        async def task() -> Any:
            return asyncio.current_task()

        first = scope.run(task())
        other = scope.run(task(), context=contextvars.copy_context())

        self.assertIsNot(first, other)

    def test_run_inside_a_running_loop(self) -> None:
        """A clear error in place of asyncio's about nested loops; the coroutine is closed."""
        scope = self.open()

        async def inner() -> None: ...

        async def outer() -> None:
            scope.run(inner())

        with self.assertRaisesRegex(RuntimeError, "can't run inside of a running event loop"):
            asyncio.run(outer())

    def test_stopping_the_loop(self) -> None:
        """loop.stop() in a test ends the phase with an error that says so."""
        scope = self.open()

        async def stopper() -> None:
            asyncio.get_running_loop().stop()
            await asyncio.sleep(30)

        with self.assertRaisesRegex(RuntimeError, "something called loop.stop"):
            scope.run(stopper())
        self.assertEqual(scope.run(asyncio.sleep(0, "still works")), "still works")

    def test_closing_the_loop(self) -> None:
        """A test that closes its loop in sync code finds an error, and no crash."""

        class Case(AsyncTestCase):
            def test_it(self) -> None:
                self.loop.close()

            async def asyncTearDown(self) -> None: ...

        outcome = run_case(Case)

        self.assertEqual([type(error) for error in outcome.raised], [RuntimeError])
        self.assertIn("test_it was closed before the test was over", str(outcome.raised[0]))

    def test_close_twice(self) -> None:
        """The second call does nothing."""
        scope = self.open()
        loop = scope.get_loop()
        scope.run(asyncio.sleep(0))

        self.assertEqual(scope.close(), [])
        self.assertEqual(scope.close(), [])

        self.assertTrue(loop.is_closed())
        with self.assertRaisesRegex(RuntimeError, "test_it is over"):
            scope.get_loop()

    def test_a_scope_that_nobody_used(self) -> None:
        """It makes nothing, and closes nothing."""
        with mock.patch.object(_UnbornLoop, "_be_born", autospec=True) as birth:
            self.assertEqual(self.open().close(), [])

        birth.assert_not_called()

    def test_repr(self) -> None:
        """It says what it is doing."""
        scope = self.open()

        self.assertRegex(repr(scope), r"<Scope 'test_it' set-up loop=")
        scope.close()
        self.assertIn("closed", repr(scope))

    def test_the_owner_may_have_a_task_factory_beside_it(self) -> None:
        """A test's own task factory makes the test's tasks, not ours."""
        made = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                def factory(loop: Any, coro: Any, **options: Any) -> Any:
                    made.append(coro)
                    return asyncio.Task(coro, loop=loop, **options)

                self.loop.set_task_factory(factory)

            async def test_it(self) -> None:
                await asyncio.create_task(spin())

            async def asyncTearDown(self) -> None: ...

        outcome = run_case(Case)

        self.assertEqual(outcome.raised, [], outcome.report)
        self.assertEqual(len(made), 1)

    @unittest.skipIf(sys.version_info < (3, 12), "eager tasks came with Python 3.12")
    def test_eager_tasks(self) -> None:
        """asyncio.eager_task_factory may be set, and forgotten eager tasks are found."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.loop.set_task_factory(asyncio.eager_task_factory)

            async def test_it(self) -> None:
                await asyncio.create_task(spin())

            async def test_forgotten(self) -> None:
                self.task = asyncio.create_task(asyncio.sleep(60), name="forgotten")

        self.assertEqual(run_case(Case).raised, [])
        self.assertIn("'forgotten'", run_case(Case, "test_forgotten").report)
