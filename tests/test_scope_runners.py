"""Scopes and fixtures under every runner: the same tests, and nothing left open by any of them.

What must hold whatever the runner makes of order, processes and threads: each test ran once; in
each worker, whatever went up before a test came down after it, in reverse; the runner was content.
"""

from __future__ import annotations

import importlib.util
import re
import unittest
from typing import Any

from tests.project import PYTEST, PYTEST_AND_PEERS, Project, Ran

SHARED = """
    import asyncio
    from asynctesting import AsyncTestCase, async_fixture
    from events import note

    @async_fixture(scope="session")
    async def session():
        note("+session")
        yield asyncio.get_running_loop()
        note("-session")

    @async_fixture(scope="module")
    async def module(session):
        note("+module")
        yield session
        note("-module")
"""

MODULE = """
    import asyncio
    import unittest
    from asynctesting import AsyncTestCase, async_fixture
    from events import note
    from shared import module as _module

    class Base(AsyncTestCase):
        module = _module

        @async_fixture(scope="class")
        async def server(cls, module):
            note("+class")
            async with asyncio.TaskGroup() as group:
                queue = asyncio.Queue()
                worker = group.create_task(cls.serve(queue))
                yield queue
                worker.cancel()
            note("-class")

        @staticmethod
        async def serve(queue):
            while True:
                (await queue.get()).set_result(42)

        @async_fixture
        async def answer(self, server):
            note("+test")
            answer = asyncio.get_running_loop().create_future()
            server.put_nowait(answer)
            yield answer
            note("-test")

        @classmethod
        async def asyncSetUpClass(cls):
            note("+hook")

        @classmethod
        async def asyncTearDownClass(cls):
            note("-hook")

    class ATests(Base):
        async def test_async(self):
            self.assertIs(asyncio.get_running_loop(), self.module)
            self.assertEqual(await self.answer, 42)
            note(self.id())

        def test_sync(self):
            note(self.id())

    class BTests(Base):
        async def test_again(self):
            self.assertEqual(await self.answer, 42)
            note(self.id())

    class PlainTests(unittest.TestCase):
        def test_plain(self):
            note(self.id())

    del Base
"""

FILES = {"shared.py": SHARED, "test_1.py": MODULE, "test_2.py": MODULE}
TESTS = sorted(
    f"test_{number}.{name}"
    for number in (1, 2)
    for name in (
        "ATests.test_async",
        "ATests.test_sync",
        "BTests.test_again",
        "PlainTests.test_plain",
    )
)

# A runner that has never heard of class or module fixtures: it calls each test, and puts back what
# the test has put on itself.
NO_FIXTURES = """
    import sys
    import unittest

    def flatten(suite):
        for test in suite:
            if isinstance(test, unittest.TestSuite):
                yield from flatten(test)
            else:
                yield test

    class Suite(unittest.TestSuite):
        def run(self, result, debug=False):
            for test in flatten(unittest.defaultTestLoader.discover(".")):
                before = dict(vars(test))
                test(result)
                vars(test).clear()
                vars(test).update(before)
            return result

    result = unittest.TextTestRunner().run(Suite())
    sys.exit(not result.wasSuccessful())
"""

# Threads that share a result and have no run of their own: classes are dealt out to them.
CONCURRENT = """
    import sys
    import unittest
    import testtools

    class Group(unittest.TestSuite):
        __hash__ = object.__hash__

    def classes(suite):
        found = {}
        for test in testtools.iterate_tests(suite):
            found.setdefault(type(test), Group()).addTest(test)
        return list(found.values())

    suite = unittest.defaultTestLoader.discover(".")
    concurrent = testtools.ConcurrentTestSuite(suite, classes)
    result = testtools.TextTestResult(sys.stderr)
    result.startTestRun()
    concurrent.run(result)
    result.stopTestRun()
    sys.exit(not result.wasSuccessful())
"""


# Class fixtures that fail and skip, in the names of unittest; and the same in our names.
SYNCHRONOUS = """
    import contextlib
    import unittest

    def fail(where):
        raise LookupError(where)

    @contextlib.contextmanager
    def context():
        yield
        fail("exit")

    class Two(unittest.TestCase):
        def test_1(self): ...
        def test_2(self): ...

    class SetUpFails(Two):
        @classmethod
        def setUpClass(cls):
            cls.addClassCleanup(fail, "cleanup after set-up")
            fail("set-up")

    class SetUpSkips(Two):
        @classmethod
        def setUpClass(cls):
            raise unittest.SkipTest("today")

    class TearDownFails(Two):
        @classmethod
        def tearDownClass(cls):
            fail("teardown")

    class CleanupsFail(Two):
        @classmethod
        def setUpClass(cls):
            cls.addClassCleanup(fail, "first")
            cls.addClassCleanup(fail, "second")

    class EverythingFails(CleanupsFail):
        @classmethod
        def tearDownClass(cls):
            fail("teardown")

    class ContextFails(Two):
        @classmethod
        def setUpClass(cls):
            manager = context()
            manager.__enter__()
            cls.addClassCleanup(manager.__exit__, None, None, None)

    class Expected(Two):
        @unittest.expectedFailure
        def test_3(self):
            self.fail()

    @unittest.skip("today")
    class Skipped(SetUpFails): ...

    del Two
"""
ASYNCHRONOUS = (
    SYNCHRONOUS.replace("unittest.TestCase", "AsyncTestCase")
    .replace("import contextlib", "import contextlib\n    from asynctesting import AsyncTestCase")
    .replace("    def fail", "    async def fail")
    .replace("def setUpClass", "async def asyncSetUpClass")
    .replace("def tearDownClass", "async def asyncTearDownClass")
    .replace("def test_", "async def test_")
    .replace("addClassCleanup", "addClassAsyncCleanup")
    .replace(
        "@contextlib.contextmanager\n    def", "@contextlib.asynccontextmanager\n    async def"
    )
    .replace("manager.__enter__()", "await manager.__aenter__()")
    .replace("manager.__exit__", "manager.__aexit__")
    .replace(' fail("', ' await fail("')
)

# What of a test and of its class fails one after the other.
SEVERAL_FAILURES = """
    import unittest

    import pytest

    from asynctesting import AsyncResultMixin, AsyncTestCase, async_fixture


    class FixtureTests(AsyncTestCase):
        @async_fixture(scope="class")
        async def wide(cls):
            yield
            raise ValueError("2 class down")

        @async_fixture
        async def own(self, wide):
            yield
            raise ValueError("1 own down")

        async def test_own(self):
            self.fail("0 the test")


    class OutcomeTests(AsyncTestCase):
        async def fail_later(self, text):
            raise ValueError(text)

        async def test_skip(self):
            self.addAsyncCleanup(self.fail_later, "3 after a skip")
            self.skipTest("no reason")

        @unittest.expectedFailure
        async def test_expected(self):
            self.addAsyncCleanup(self.fail_later, "4 as expected, and more")
            self.fail("expected")

        @pytest.mark.xfail
        async def test_marked(self):
            self.addAsyncCleanup(self.fail_later, "7 marked")
            self.fail("7 marked")


    class BridgeTests(AsyncResultMixin, unittest.TestCase):
        async def fail_later(self):
            raise ValueError("5 call")

        def test_it(self):
            self.addCleanup(lambda: self.get_async_result(self.fail_later()))
            self.fail("6 first")
"""


def needs(module: str) -> Any:
    """Skip a test where a runner is not installed."""
    return unittest.skipUnless(importlib.util.find_spec(module), f"needs {module}")


class RunnerTests(unittest.TestCase):
    maxDiff = None

    def assertAllRight(
        self,
        *command: str,
        strict: bool = True,
        late: bool = False,
        elsewhere: bool = False,
        **files: str,
    ) -> Ran:
        """Assert that a runner runs each test once and that every worker ends what it began.

        Args:
            command: The runner.
            strict: Whether the interpreter takes warnings as errors; not every runner bears that.
            late: Whether scopes may end as late as with the process.
            elsewhere: Whether another thread may end them.
            files: Further files, by name without suffix.
        """
        more = {f"{name}.py": source for name, source in files.items()}
        ran = Project(self, {**FILES, **more}).run(*command, strict=strict)
        self.assertEqual(ran.status, 0, ran.printed)
        self.assertEqual(sorted(e for e in ran.events if e[0] not in "+-"), TESTS, ran.printed)
        for worker, words in ran.by_worker.items():
            if not elsewhere:
                self.assertNested(worker, words)
        for word in filter(lambda word: word[0] == "+", ran.events):
            self.assertEqual(ran.events.count(word), ran.events.count("-" + word[1:]), word)
        if not late:
            self.assertNotIn("LateTeardownWarning", ran.printed)
        return ran

    def assertNested(self, worker: str, words: list[str]) -> None:
        """Assert that what goes up comes down in reverse, and that tests find it up."""
        standing: list[str] = []
        for word in words:
            if word[0] == "+":
                standing.append(word[1:])
            elif word[0] == "-":
                self.assertEqual(standing.pop(), word[1:], (worker, words))
            elif "Plain" not in word:
                wanted = ["session", "module", "class", "hook", "test"]
                self.assertEqual(standing, wanted, (worker, words))
        self.assertEqual(standing, [], (worker, words))

    def test_unittest(self) -> None:
        """The runner of the standard library."""
        ran = self.assertAllRight("unittest")

        self.assertEqual(ran.events.count("+session"), 1)
        self.assertEqual(ran.events.count("+module"), 2)
        self.assertEqual(ran.events.count("+class"), 4)

    def test_unittest_with_catch_and_buffer(self) -> None:
        """Its options -c, -b and -f change nothing."""
        self.assertAllRight("unittest", "-c", "-b", "-f")

    def test_asynctesting(self) -> None:
        """Our own runner, in a random order."""
        ran = self.assertAllRight("asynctesting", "--shuffle", "7")

        self.assertEqual(ran.events.count("+session"), 1)

    def test_pytest(self) -> None:
        """pytest with our plugin, which needs no configuration."""
        ran = self.assertAllRight(*PYTEST)

        self.assertEqual(ran.events.count("+session"), 1)
        self.assertEqual(ran.events.count("+module"), 2)

    def test_pytest_without_our_plugin(self) -> None:
        """Switched off, the session ends with the process, and says so."""
        off = "no:asynctesting"
        plain = [off if option == "asynctesting.pytest_plugin" else option for option in PYTEST]
        ran = self.assertAllRight(*plain, "-p", off, late=True)

        self.assertIn("LateTeardownWarning", ran.printed)

    @needs("xdist")
    def test_xdist(self) -> None:
        """pytest-xdist: every worker process has a session of its own."""
        for distribution in ("load", "loadscope"):
            with self.subTest(distribution=distribution):
                self.assertAllRight(*PYTEST, "-n", "2", "--dist", distribution)

    @needs("nose2")
    def test_nose2(self) -> None:
        """nose2 runs class and module fixtures as unittest does."""
        self.assertAllRight("nose2", strict=False)

    @needs("unittest_parallel")
    def test_unittest_parallel(self) -> None:
        """Processes and threads, at each level; that of tests calls no class fixture."""
        for level in ("module", "class", "test"):
            for threads in ([], ["--thread"]):
                with self.subTest(level=level, threads=bool(threads)):
                    command = ["-j", "2", "--level", level, *threads]
                    self.assertAllRight("unittest_parallel", *command, strict=False)

    @needs("stestr")
    def test_stestr(self) -> None:
        """stestr: worker processes that stream their results."""
        config = "[DEFAULT]\ntest_path=.\ntop_dir=.\n"
        project = Project(self, FILES)
        (project.folder / ".stestr.conf").write_text(config)
        self.assertEqual(project.run("stestr", "init", strict=False).status, 0)

        ran = project.run("stestr", "run", "--concurrency", "2", strict=False)

        self.assertEqual(ran.status, 0, ran.printed)
        self.assertEqual(sorted(e for e in ran.events if e[0] not in "+-"), TESTS, ran.printed)
        for worker, words in ran.by_worker.items():
            self.assertNested(worker, words)

    @needs("testtools")
    def test_threads_that_share_a_result(self) -> None:
        """testtools deals classes out to threads; the end of the run comes in the main thread."""
        self.assertAllRight("run_them", strict=False, elsewhere=True, run_them=CONCURRENT)

    def test_failures_count_as_those_of_their_twins(self) -> None:
        """Each runner makes the same of what fails and skips in ours and in unittest's own."""
        runners = [["unittest"], PYTEST]
        if importlib.util.find_spec("nose2"):
            runners.append(["nose2"])
        for runner in runners:
            with self.subTest(runner=runner[0]):
                counts = []
                for source in (SYNCHRONOUS, ASYNCHRONOUS):
                    strict = runner[0] != "nose2"
                    ran = Project(self, {"test_it.py": source}).run(*runner, strict=strict)
                    last = ran.printed.strip().rpartition("\n")[2]
                    counts.append(sorted(re.findall(r"\d+ [a-z]+|[a-z ]+=\d+", last)))
                    self.assertIn("cleanup after set-up", ran.printed)

                self.assertEqual(counts[1], counts[0])
                self.assertGreater(len(counts[0]), 2, counts)

    def test_pytest_shows_all_that_has_failed_in_a_test(self) -> None:
        """None of it is lost, and none of it stands in the place of what its class has raised."""
        project = Project(self, {"test_it.py": SEVERAL_FAILURES})

        ran = project.run(*PYTEST, "-q")

        for number, text in enumerate(
            ("the test", "own down", "class down", "after a skip", "as expected, and more", "call")
        ):
            with self.subTest(text):
                self.assertIn(f"Error: {number} {text}", ran.printed)
        self.assertIn("This has failed as well:", ran.printed)
        self.assertIn("::test_own - AssertionError: 0 the test", ran.printed)
        self.assertNotIn("7 marked", ran.printed)
        self.assertRegex(ran.printed, r"\n4 failed, 1 xfailed, 1 error in ")

    @needs("pytest_asyncio")
    def test_pytest_asyncio(self) -> None:
        """Another plugin for asyncio leaves our tests alone, in both of its modes."""
        loop = ["-o", "asyncio_default_fixture_loop_scope=function"]
        for mode in ("strict", "auto"):
            with self.subTest(mode=mode):
                self.assertAllRight(*PYTEST_AND_PEERS, *loop, "-o", f"asyncio_mode={mode}")

    def test_a_runner_without_class_fixtures(self) -> None:
        """Whatever it never calls, the tests start, and the end of the run ends."""
        self.assertAllRight("run_them", run_them=NO_FIXTURES)


if __name__ == "__main__":
    unittest.main()
