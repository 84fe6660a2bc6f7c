"""Scopes wider than a class, narrower than the run: modules and packages."""

from __future__ import annotations

import asyncio
import itertools
import re
import unittest
from unittest import mock

from asynctesting import (
    AsyncTestCase,
    ScopeError,
    _registry,
    addModuleAsyncCleanup,
    addSessionAsyncCleanup,
    async_fixture,
    enterModuleAsyncContext,
)
from tests.project import PYTEST, Project
from tests.support import Outcome, OutcomeAssertions, run_case

UNITTEST = ("unittest",)

SHARED = """
    import asyncio
    from asynctesting import AsyncTestCase, async_fixture
    from events import note

    @async_fixture(scope="module")
    async def server():
        note("server up")
        yield asyncio.get_running_loop()
        note("server down")
"""

TWO_CLASSES = """
    import asyncio
    from asynctesting import AsyncTestCase
    from events import note
    from shared import server as _server

    class ATests(AsyncTestCase):
        server = _server

        async def test_it(self):
            assert asyncio.get_running_loop() is self.server
            note("{name} A")

    class BTests(AsyncTestCase):
        server = _server

        async def test_it(self):
            assert asyncio.get_running_loop() is self.server
            note("{name} B")

    def tearDownModule():
        note("{name} tearDownModule")
"""


class ModuleTests(OutcomeAssertions):
    def test_a_fixture_shared_by_the_classes_of_a_module(self) -> None:
        """Two modules share a helper's fixture: each has its own value, one for its classes."""
        project = Project(
            self,
            {
                "shared.py": SHARED,
                "test_1.py": TWO_CLASSES.format(name="1"),
                "test_2.py": TWO_CLASSES.format(name="2"),
            },
        )
        for runner in (UNITTEST, ("asynctesting",), PYTEST):
            with self.subTest(runner=runner[0]):
                ran = project.run(*runner)

                self.assertEqual(ran.status, 0, ran.printed)
                words = [word for word in ran.events if "tearDown" not in word]
                self.assertEqual(
                    words,
                    [
                        *("server up", "1 A", "1 B", "server down"),
                        *("server up", "2 A", "2 B", "server down"),
                    ],
                )
                self.assertEqual(len(ran.events), 10)

    def test_set_up_module(self) -> None:
        """The functions for modules work in the synchronous setUpModule(), and in async code."""
        project = Project(
            self,
            {
                "test_it.py": """
                    import asyncio, contextlib, contextvars
                    import asynctesting
                    from asynctesting import AsyncTestCase
                    from events import note

                    number = contextvars.ContextVar("number")

                    @contextlib.asynccontextmanager
                    async def resource(name):
                        note(f"{name} up")
                        yield asyncio.current_task()
                        note(f"{name} down")

                    async def clean(name):
                        number.set(4)
                        note(name)

                    async def set_number():
                        number.set(3)

                    def setUpModule():
                        global task
                        asynctesting.addModuleAsyncCleanup(clean, "cleanup")
                        task = asynctesting.enterModuleAsyncContext(resource("module"))

                    class ATests(AsyncTestCase):
                        loop_scope = "module"

                        @classmethod
                        async def asyncSetUpClass(cls):
                            entered = await asynctesting.enterModuleAsyncContext(resource("class"))
                            assert entered is task
                            assert asyncio.current_task() is not task

                        async def test_it(self):
                            assert task.get_loop() is asyncio.get_running_loop()
                            asynctesting.addModuleAsyncCleanup(clean, "of a test")
                            note("test")

                    class BTests(AsyncTestCase):
                        loop_scope = "module"

                        async def test_it(self):
                            note("test")
                """
            },
        )
        for runner in (UNITTEST, PYTEST):
            with self.subTest(runner=runner[0]):
                ran = project.run(*runner)

                self.assertEqual(ran.status, 0, ran.printed)
                self.assertEqual(
                    ran.events,
                    [
                        *("module up", "class up", "test", "test"),
                        *("of a test", "class down", "module down", "cleanup"),
                    ],
                )

    def test_failures_are_counted_as_those_of_their_twins(self) -> None:
        """A failing cleanup of a module is one error, and the tests have passed."""
        ours = """
            from asynctesting import AsyncTestCase, addModuleAsyncCleanup

            async def fail():
                raise LookupError("late")

            def setUpModule():
                addModuleAsyncCleanup(fail)

            class Tests(AsyncTestCase):
                async def test_it(self): ...
        """
        twin = """
            import unittest

            def fail():
                raise LookupError("late")

            def setUpModule():
                unittest.addModuleCleanup(fail)

            class Tests(unittest.TestCase):
                def test_it(self): ...
        """
        mine = Project(self, {"test_it.py": ours}).run(*UNITTEST)
        stock = Project(self, {"test_it.py": twin}).run(*UNITTEST)

        for ran in (mine, stock):
            self.assertEqual(ran.status, 1, ran.printed)
            self.assertIn("ERROR: tearDownModule (test_it)", ran.printed)
            self.assertIn("LookupError: late", ran.printed)
            self.assertIn("FAILED (errors=1)", ran.printed)

        under_pytest = Project(self, {"test_it.py": ours}).run(*PYTEST)

        self.assertEqual(under_pytest.status, 1, under_pytest.printed)
        self.assertIn("1 passed, 1 error", under_pytest.printed)
        self.assertIn("LookupError: late", under_pytest.printed)

    def test_several_failures_of_a_module_are_all_told(self) -> None:
        """unittest tells the first failing cleanup of a module only; ours come as one group."""
        project = Project(
            self,
            {
                "test_it.py": """
                    from asynctesting import AsyncTestCase, async_fixture

                    def failing(word):
                        @async_fixture(scope="module")
                        async def fixture():
                            yield
                            raise LookupError(word)
                        return fixture

                    class Tests(AsyncTestCase):
                        one = failing("first")
                        two = failing("second")

                        async def test_it(self): ...
                """
            },
        )
        for runner in (UNITTEST, PYTEST):
            ran = project.run(*runner)

            self.assertEqual(ran.status, 1, ran.printed)
            self.assertIn("LookupError: first", ran.printed)
            self.assertIn("LookupError: second", ran.printed)

    def test_async_set_up_module(self) -> None:
        """unittest would not await it, and the tests would pass without what it sets up."""
        bases = {
            "AsyncTestCase": "enterModuleAsyncContext",
            "AsyncResultMixin, unittest.TestCase": "asynctesting.get_async_result",
        }
        each = list(itertools.product(("setUpModule", "tearDownModule"), bases.items()))
        project = Project(
            self,
            {
                f"test_{number}.py": f"""
                    import unittest
                    from asynctesting import AsyncResultMixin, AsyncTestCase

                    class Tests({base}):
                        def test_it(self): ...

                    async def {name}(): ...
                """
                for number, (name, (base, _)) in enumerate(each)
            },
        )
        for runner in (["unittest"], PYTEST):
            ran = project.run(*runner, strict=False)

            self.assertNotEqual(ran.status, 0)
            for number, (name, (base, advice)) in enumerate(each):
                with self.subTest(name, base=base, runner=runner[0]):
                    self.assertRegex(
                        ran.printed,
                        rf"SilentPassError: test_{number}\.{name} is a coroutine function"
                        rf"(?s:(?!SilentPassError).)*in setUpModule\(\) call {re.escape(advice)}\(",
                    )

    def test_a_failing_set_up_fails_each_class_that_asks(self) -> None:
        """A fixture of the module is tried once; whoever needs it is told why it is not there."""
        project = Project(
            self,
            {
                "test_it.py": """
                    from asynctesting import AsyncTestCase, async_fixture
                    from events import note

                    @async_fixture(scope="module")
                    async def broken():
                        note("tried")
                        raise LookupError("no server")

                    class ATests(AsyncTestCase):
                        broken = broken
                        async def test_it(self): ...

                    class BTests(AsyncTestCase):
                        broken = broken
                        async def test_it(self): ...

                    class CTests(AsyncTestCase):
                        async def test_it(self):
                            note("C")
                """
            },
        )
        for runner, errors in ((UNITTEST, "errors=2"), (PYTEST, "1 passed, 2 errors")):
            ran = project.run(*runner)

            self.assertEqual(ran.events, ["tried", "C"], ran.printed)
            self.assertIn(errors, ran.printed)

    def test_a_module_begins_anew_when_the_run_comes_back_to_it(self) -> None:
        """A, B, A: the module's fixture is made three times."""
        files = {"shared.py": SHARED}
        for name in "12":
            files[f"test_{name}.py"] = TWO_CLASSES.format(name=name)
        project = Project(self, files)

        ran = project.run(
            "unittest", "test_1.ATests.test_it", "test_2.ATests.test_it", "test_1.BTests.test_it"
        )

        words = [word for word in ran.events if "tearDown" not in word]
        self.assertEqual(
            words,
            [
                *("server up", "1 A", "server down", "server up", "2 A", "server down"),
                *("server up", "1 B", "server down"),
            ],
            ran.printed,
        )

    def test_a_class_with_a_narrower_loop(self) -> None:
        """On a loop that ends earlier nothing can be entered for the module."""

        async def nothing() -> None: ...

        class Case(AsyncTestCase):
            loop_scope = "class"

            async def test_it(self) -> None:
                addModuleAsyncCleanup(nothing)

        outcome = run_case(Case)
        outcome.stopTestRun()

        self.assertFailsWith(outcome, ScopeError, "Give the class loop_scope = 'module'")

    def test_a_test_with_a_loop_of_its_own(self) -> None:
        """It ends before the module does; the message says which setting is missing."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                await enterModuleAsyncContext(asyncio.timeout(5))

        self.assertFailsWith(
            run_case(Case),
            ScopeError,
            "on the event loop of a single test",
            "Give the class loop_scope = 'module'",
        )

    def test_a_cleanup_that_is_no_function(self) -> None:
        """A coroutine in its place is closed, and refused at once."""

        class Case(AsyncTestCase):
            loop_scope = "session"

            async def test_class(self) -> None:
                self.addClassAsyncCleanup(asyncio.sleep(0))  # type: ignore[arg-type]

            async def test_module(self) -> None:
                addModuleAsyncCleanup(asyncio.sleep(0))  # type: ignore[arg-type]

            async def test_session(self) -> None:
                addSessionAsyncCleanup(asyncio.sleep(0))  # type: ignore[arg-type]

        for kind in ("class", "module", "session"):
            outcome = run_case(Case, f"test_{kind}")
            outcome.stopTestRun()
            self.assertFailsWith(
                outcome, TypeError, f"add{kind.title()}AsyncCleanup() needs a function"
            )

    def test_a_synchronous_fixture_that_asks_its_scope_to_await(self) -> None:
        """Its scope is busy calling it; the message says what to do instead."""

        class Case(AsyncTestCase):
            @async_fixture(scope="module")
            def busy(cls) -> object:
                return enterModuleAsyncContext(asyncio.TaskGroup())

            async def test_it(self) -> None: ...

        outcome = run_case(Case)
        outcome.stopTestRun()

        self.assertFailsWith(outcome, ScopeError, "Make that one async, and await there")

    def test_two_loops_in_one_module(self) -> None:
        """Classes that make their loops in different ways share no scope, and so no loop."""
        loops = []

        class A(AsyncTestCase):
            loop_scope = "module"

            async def test_it(self) -> None:
                loops.append(asyncio.get_running_loop())

        class B(A):
            loop_factory = asyncio.SelectorEventLoop

        outcome = Outcome()
        loader = unittest.defaultTestLoader
        with mock.patch.object(_registry, "enders", []):
            suite = unittest.TestSuite([loader.loadTestsFromTestCase(case) for case in (A, B)])
            suite.run(outcome)

        self.assertEqual(outcome.raised, [], outcome.report)
        self.assertIsNot(loops[0], loops[1])
        self.assertTrue(loops[0].is_closed())
        self.assertTrue(loops[1].is_closed())


class PackageTests(OutcomeAssertions):
    def test_the_modules_of_a_package_share(self) -> None:
        """A package has one value; a package inside of it has another, and so has its neighbour."""
        source = """
            from asynctesting import AsyncTestCase
            from events import note
            from shared import server as _server

            class Tests(AsyncTestCase):
                server = _server

                async def test_it(self):
                    note(__name__)
        """
        project = Project(
            self,
            {
                "shared.py": SHARED.replace('"module"', '"package"'),
                "test_one/__init__.py": "",
                "test_one/test_a.py": source,
                "test_one/test_b.py": source,
                "test_two/__init__.py": "",
                "test_two/test_c.py": source,
                "test_two/test_sub/__init__.py": "",
                "test_two/test_sub/test_d.py": source,
            },
        )
        for runner in (UNITTEST, PYTEST):
            with self.subTest(runner=runner[0]):
                ran = project.run(*runner)

                self.assertEqual(ran.status, 0, ran.printed)
                groups = " ".join(ran.events).split("server up")[1:]
                self.assertEqual(
                    [sorted(group.split()[:-2]) for group in groups],
                    [
                        ["test_one.test_a", "test_one.test_b"],
                        ["test_two.test_c"],
                        ["test_two.test_sub.test_d"],
                    ],
                    ran.printed,
                )

    def test_a_failing_teardown_of_a_package_is_told(self) -> None:
        """unittest has no hook for it; it is told when the next class begins, or at the end."""
        source = """
            from asynctesting import AsyncTestCase, async_fixture

            class Tests(AsyncTestCase):
                @async_fixture(scope="package")
                async def broken(cls):
                    yield
                    raise LookupError(__name__)

                async def test_it(self): ...
        """
        project = Project(
            self,
            {
                "test_one/__init__.py": "",
                "test_one/test_a.py": source,
                "test_two/__init__.py": "",
                "test_two/test_b.py": source,
            },
        )

        ran = project.run(*UNITTEST)

        self.assertEqual(ran.status, 1, ran.printed)
        self.assertIn("ERROR: tearDownPackage (test_one)", ran.printed)
        self.assertIn("ERROR: tearDownPackage (test_two)", ran.printed)
        self.assertIn("FAILED (errors=2)", ran.printed)

        self.assertIn("2 passed, 2 errors", project.run(*PYTEST).printed)

    def test_a_failing_teardown_of_a_package_with_packages_inside(self) -> None:
        """It ends when the inner one begins, and is told for all that."""
        source = """
            from asynctesting import AsyncTestCase, async_fixture

            class Tests(AsyncTestCase):
                @async_fixture(scope="package")
                async def broken(cls):
                    yield
                    raise LookupError(__name__)

                async def test_it(self): ...
        """
        project = Project(
            self,
            {
                "test_one/__init__.py": "",
                "test_one/test_a.py": source,
                "test_one/test_sub/__init__.py": "",
                "test_one/test_sub/test_b.py": source.replace("raise", "note = "),
            },
        )

        ran = project.run(*UNITTEST)
        self.assertIn("ERROR: tearDownPackage (test_one)", ran.printed)
        self.assertIn("FAILED (errors=1)", ran.printed)

        ran = project.run(*PYTEST)
        self.assertEqual(ran.status, 1, ran.printed)
        self.assertIn("2 passed, 1 error", ran.printed)
        self.assertIn("LookupError: test_one.test_a", ran.printed)


if __name__ == "__main__":
    unittest.main()
