"""The scope of the whole run: who ends it, what is told then, and who has one of their own."""

from __future__ import annotations

import asyncio
import os
import threading
import unittest
from collections.abc import AsyncIterator
from typing import Any

from asynctesting import (
    AsyncTestCase,
    ScopeError,
    addSessionAsyncCleanup,
    async_fixture,
)
from tests.project import PYTEST, Project
from tests.support import Outcome, OutcomeAssertions, run_case, run_python

FILES = {
    "shared.py": """
        from asynctesting import async_fixture
        from events import note

        @async_fixture(scope="session")
        async def server():
            note("server up")
            yield object()
            note("server down")
    """,
    "test_1.py": """
        from asynctesting import AsyncTestCase
        from events import note
        from shared import server as _server

        class Tests(AsyncTestCase):
            server = _server

            async def test_it(self):
                note("1")
    """,
    "test_2.py": """
        from asynctesting import AsyncTestCase
        from events import note
        from shared import server as _server

        class Tests(AsyncTestCase):
            server = _server

            async def test_it(self):
                note("2")

        class NarrowTests(AsyncTestCase):
            async def test_it(self):
                note("narrow")
    """,
}


class RunTests(OutcomeAssertions):
    def test_one_value_for_the_run(self) -> None:
        """It is made for the first class that asks, and put away after the last test of the run."""
        project = Project(self, FILES)
        for runner in (("unittest",), ("asynctesting",), PYTEST):
            with self.subTest(runner=runner[0]):
                ran = project.run(*runner)

                self.assertEqual(ran.status, 0, ran.printed)
                self.assertEqual(ran.events[0], "server up")
                self.assertEqual(ran.events[-1], "server down")
                self.assertEqual(sorted(ran.events[1:-1]), ["1", "2", "narrow"])
                self.assertNotIn("LateTeardownWarning", ran.printed)

    def test_a_failing_teardown_is_counted(self) -> None:
        """It is one more error of the run, before the summary is printed."""
        project = Project(
            self,
            {
                "test_it.py": """
                    from asynctesting import AsyncTestCase, async_fixture

                    class Tests(AsyncTestCase):
                        @async_fixture(scope="session")
                        async def server(cls):
                            yield
                            raise LookupError("late")

                        async def test_it(self): ...
                """
            },
        )
        ran = project.run("unittest")

        self.assertEqual(ran.status, 1)
        self.assertIn("ERROR: tearDownSession (asynctesting)", ran.printed)
        self.assertIn("LookupError: late", ran.printed)
        self.assertIn("FAILED (errors=1)", ran.printed)

        ran = project.run(*PYTEST)

        self.assertEqual(ran.status, 1)
        self.assertIn("1 passed, 1 error", ran.printed)

    def test_a_run_in_which_no_test_starts(self) -> None:
        """A class that is skipped or fails in its set-up has opened the session all the same."""
        for error in ("unittest.SkipTest", "LookupError"):
            with self.subTest(error=error):
                project = Project(
                    self,
                    {
                        "test_it.py": f"""
                            import unittest
                            from asynctesting import AsyncTestCase, async_fixture
                            from events import note

                            class Tests(AsyncTestCase):
                                @async_fixture(scope="session")
                                async def server(cls):
                                    yield
                                    raise ValueError("late")

                                @classmethod
                                async def asyncSetUpClass(cls):
                                    raise {error}("no test today")

                                async def test_it(self): ...
                        """
                    },
                )

                ran = project.run("unittest")

                self.assertIn("ERROR: tearDownSession (asynctesting)", ran.printed)
                self.assertIn("ValueError: late", ran.printed)
                self.assertNotIn("LateTeardownWarning", ran.printed)
                self.assertNotEqual(ran.status, 0)  # 5, "no tests ran", since Python 3.12
                errors = 1 if "Skip" in error else 2
                self.assertRegex(ran.printed, rf"FAILED \(errors={errors}")

                ran = project.run(*PYTEST)
                self.assertIn("ValueError: late", ran.printed)
                self.assertEqual(ran.status, 1)

    def test_what_the_session_leaves_is_told(self) -> None:
        """A task that nobody ends is an error of the run, by name."""

        class Case(AsyncTestCase):
            @async_fixture(scope="session")
            async def server(cls) -> asyncio.Task[Any]:
                return asyncio.create_task(asyncio.Event().wait(), name="forgotten")

            async def test_it(self) -> None: ...

        outcome = run_case(Case)
        self.assertEqual(outcome.raised, [])
        outcome.stopTestRun()

        (error,) = outcome.raised
        self.assertIn("'forgotten' waits at", str(error))
        self.assertIn("session", str(error))
        self.assertEqual(
            [str(test) for test, _ in outcome.errors], ["tearDownSession (asynctesting)"]
        )

    def test_functions_of_the_session(self) -> None:
        """setUpModule() can enter something for the whole run, and so can a class hook."""
        project = Project(
            self,
            {
                "test_it.py": """
                    import contextlib
                    import asynctesting
                    from asynctesting import AsyncTestCase
                    from events import note

                    @contextlib.asynccontextmanager
                    async def resource(name):
                        note(f"{name} up")
                        yield name
                        note(f"{name} down")

                    async def clean():
                        note("cleanup")

                    def setUpModule():
                        asynctesting.addSessionAsyncCleanup(clean)
                        assert asynctesting.enterSessionAsyncContext(resource("first")) == "first"

                    def tearDownModule():
                        note("tearDownModule")

                    class Tests(AsyncTestCase):
                        loop_scope = "session"

                        @classmethod
                        async def asyncSetUpClass(cls):
                            await asynctesting.enterSessionAsyncContext(resource("second"))

                        async def test_it(self):
                            note("test")
                """
            },
        )
        for runner in (("unittest",), PYTEST):
            ran = project.run(*runner)

            self.assertEqual(ran.status, 0, ran.printed)
            self.assertEqual(
                ran.events,
                [
                    *("first up", "second up", "test", "tearDownModule"),
                    *("second down", "first down", "cleanup"),
                ],
            )

    def test_a_class_with_a_narrower_loop(self) -> None:
        """On the loop of a module nothing can be entered for the session."""

        async def nothing() -> None: ...

        class Case(AsyncTestCase):
            loop_scope = "module"

            async def test_it(self) -> None:
                addSessionAsyncCleanup(nothing)

        outcome = run_case(Case)
        outcome.stopTestRun()

        self.assertFailsWith(outcome, ScopeError, "Give the class loop_scope = 'session'")

    def test_two_runs_in_one_process(self) -> None:
        """Each has a session of its own."""
        log: list[str] = []

        class Case(AsyncTestCase):
            @async_fixture(scope="session")
            async def server(cls) -> AsyncIterator[None]:
                log.append("up")
                yield
                log.append("down")

            async def test_it(self) -> None:
                log.append("test")

        for _ in range(2):
            outcome = run_case(Case)
            outcome.stopTestRun()
            self.assertPassed(outcome)

        self.assertEqual(log, ["up", "test", "down"] * 2)

    def test_the_result_gets_its_method_back(self) -> None:
        """After the run the result is as it was, and its own stopTestRun() was called."""
        called = []

        class Result(Outcome):
            def stopTestRun(self) -> None:
                called.append("stopped")

        class Case(AsyncTestCase):
            loop_scope = "session"

            async def test_it(self) -> None: ...

        result = Result()
        Case("test_it").run(result)
        self.assertIn("stopTestRun", vars(result))
        result.stopTestRun()

        self.assertEqual(called, ["stopped"])
        self.assertNotIn("stopTestRun", vars(result))


class WorkerTests(OutcomeAssertions):
    def test_each_thread_has_its_own(self) -> None:
        """Two threads that run one class share nothing, and each ends what it opened."""
        log: list[tuple[int, str]] = []

        class Case(AsyncTestCase):
            @async_fixture(scope="session")
            async def server(cls) -> AsyncIterator[int]:
                log.append((threading.get_ident(), "up"))
                yield threading.get_ident()
                log.append((threading.get_ident(), "down"))

            async def test_it(self) -> None:
                self.assertEqual(self.server, threading.get_ident())
                barrier.wait(10)

        barrier = threading.Barrier(2)
        outcomes = [Outcome(), Outcome()]

        def work(outcome: Outcome) -> None:
            Case("test_it").run(outcome)
            outcome.stopTestRun()

        threads = [threading.Thread(target=work, args=(outcome,)) for outcome in outcomes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        for outcome in outcomes:
            self.assertPassed(outcome)
        for thread in threads:
            words = [word for ident, word in log if ident == thread.ident]
            self.assertEqual(words, ["up", "down"])

    @unittest.skipUnless(hasattr(os, "fork"), "needs os.fork")
    def test_a_forked_child_ends_nothing_of_its_parent(self) -> None:
        """What is open belongs to the parent; the child's exit leaves it alone."""
        process = run_python(
            """
            import asyncio, atexit, os, unittest, warnings
            from asynctesting import AsyncTestCase, async_fixture

            warnings.simplefilter("ignore", DeprecationWarning)  # of forking, with a thread

            class Case(AsyncTestCase):
                @async_fixture(scope="session")
                async def server(cls):
                    async def serve(reader, writer):
                        writer.write(b"tea\\n")
                        writer.close()
                    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
                        yield server.sockets[0].getsockname()[1]
                        print("down", flush=True)

                def test_1_fork(self):
                    if not os.fork():
                        atexit._run_exitfuncs()
                        os._exit(0)
                    os.wait()

                async def test_2_still_served(self):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.server)
                    self.assertEqual(await reader.readline(), b"tea\\n")
                    writer.close()
                    await writer.wait_closed()

            unittest.main()
            """
        )

        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(process.stdout.split(), ["down"], process.stderr)


if __name__ == "__main__":
    unittest.main()
