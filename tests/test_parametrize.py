"""One test for several values: what is generated, what it is called, and what is refused."""

from __future__ import annotations

import asyncio
import doctest
import sys
import types
import unittest
from collections.abc import AsyncIterator
from typing import Any

from asynctesting import (
    AsyncTestCase,
    FixtureError,
    SettingError,
    SilentPassError,
    TimeLimitError,
    _parametrize,
    async_fixture,
    parametrize,
    timeout,
)
from tests.project import PYTEST, Project
from tests.support import OutcomeAssertions, run_all, run_case, run_classes


def names_of(case: type[unittest.TestCase]) -> list[str]:
    """Return what discovery finds."""
    return list(unittest.defaultTestLoader.getTestCaseNames(case))


class TestsTests(OutcomeAssertions):
    def test_each_value_is_a_test(self) -> None:
        """The values come as arguments, and each test is counted and named by itself."""
        seen: list[tuple[str, int]] = []

        class Case(AsyncTestCase):
            @parametrize("name, number", [("tea", 1), ("pot", 2)])
            async def test_buy(self, name: str, number: int) -> None:
                await asyncio.sleep(0)
                seen.append((name, number))

        outcome = run_all(Case)

        self.assertEqual(outcome.raised, [])
        self.assertEqual(names_of(Case), ["test_buy__pot_2", "test_buy__tea_1"])
        self.assertEqual(sorted(seen), [("pot", 2), ("tea", 1)])

    def test_a_fixture_that_is_not_there(self) -> None:
        """It is said as for any other test; a TypeError of the test's own stays what it is."""

        class Case(AsyncTestCase):
            @parametrize("number", [1])
            async def test_async(self, number: int, database: object) -> None: ...

            @parametrize("number", [1])
            def test_sync(self, number: int, database: object) -> None: ...

            @parametrize("number", [1])
            async def test_own(self, number: Any) -> None:
                number + "tea"

        class Stock(unittest.IsolatedAsyncioTestCase):
            @parametrize("number", [1])
            async def test_it(self, number: int, database: object) -> None: ...

        for name in ("test_async__1", "test_sync__1"):
            self.assertFailsWith(
                run_case(Case, name),
                FixtureError,
                f"{name} asks for 'database', and the class has no fixture of that name",
            )
        self.assertFailsWith(run_case(Case, "test_own__1"), TypeError, "unsupported operand")
        self.assertFailsWith(run_case(Stock, "test_it__1"), TypeError, "'database'")

    def test_a_plain_test_case(self) -> None:
        """It needs nothing of ours, and the failing one is told by its own name."""

        class Case(unittest.TestCase):
            @parametrize("number", [1, 2])
            def test_number(self, number: int) -> None:
                self.assertEqual(number, 1)

        outcome = run_all(Case)

        self.assertEqual([test._testMethodName for test, _ in outcome.failures], ["test_number__2"])
        self.assertNotIn("asynctesting/_parametrize.py", outcome.failures[0][1])

    def test_names_are_made_of_the_values(self) -> None:
        """Words and numbers are shown; what has no short name is counted; a mapping decides."""

        class Case(unittest.TestCase):
            @parametrize("x", ["a b", -1, 2.5, None, True, "", "a-b"])
            def test_a(self, x: object) -> None: ...

            @parametrize("x", [object(), [1]])
            def test_b(self, x: object) -> None: ...

            @parametrize("x", {"empty cart": [], "full": [1]})
            def test_c(self, x: object) -> None: ...

        self.assertEqual(
            names_of(Case),
            sorted(
                [
                    *("test_a__a_b_0", "test_a__minus_1", "test_a__2_5", "test_a__None"),
                    *("test_a__True", "test_a__5", "test_a__a_b_6"),
                    *("test_b__0", "test_b__1", "test_c__empty_cart", "test_c__full"),
                ]
            ),
        )

    def test_several_are_combined(self) -> None:
        """Two decorators make a test of each pair, the upper one first in the name."""

        class Case(unittest.TestCase):
            @parametrize("a", [1, 2])
            @parametrize("b", ["x", "y"])
            def test_it(self, a: int, b: str) -> None: ...

        self.assertEqual(
            names_of(Case),
            ["test_it__1_x", "test_it__1_y", "test_it__2_x", "test_it__2_y"],
        )

    def test_it_goes_with_fixtures(self) -> None:
        """A parameter that no value fills is the name of a fixture."""

        class Case(AsyncTestCase):
            @async_fixture(scope="class", autouse=False)
            async def base(cls) -> int:
                return 10

            @parametrize("number", [1, 2])
            async def test_sum(self, number: int, base: int) -> None:
                self.assertIn(number + base, (11, 12))

        outcome = run_all(Case)

        self.assertEqual((outcome.raised, outcome.testsRun), ([], 2))

    def test_it_goes_with_other_decorators(self) -> None:
        """A limit and an expected failure hold for each test, written above or below."""

        class Case(AsyncTestCase):
            @timeout(0.1)
            @parametrize("x", [1])
            async def test_above(self, x: int) -> None:
                await asyncio.sleep(30)

            @parametrize("x", [1])
            @timeout(0.1)
            async def test_below(self, x: int) -> None:
                await asyncio.sleep(30)

            @unittest.expectedFailure
            @parametrize("x", [1])
            async def test_expected(self, x: int) -> None:
                self.fail()

            @unittest.skip("later")
            @parametrize("x", [1])
            async def test_skipped(self, x: int) -> None:
                self.fail()

        self.assertFailsWith(run_case(Case, "test_above__1"), TimeLimitError)
        self.assertFailsWith(run_case(Case, "test_below__1"), TimeLimitError)
        self.assertEqual(len(run_case(Case, "test_expected__1").expectedFailures), 1)
        self.assertSkipped(run_case(Case, "test_skipped"), "later")

    def test_subclasses_inherit_the_tests(self) -> None:
        """They are methods like others, and can be overridden one by one."""

        class Case(unittest.TestCase):
            @parametrize("x", [1, 2])
            def test_it(self, x: int) -> None: ...

        class Derived(Case):
            def test_it__2(self) -> None:
                self.fail("overridden")

        self.assertEqual(names_of(Derived), names_of(Case))
        self.assertEqual(len(run_all(Derived).failures), 1)

    def test_a_subclass_overrides_the_test(self) -> None:
        """What it writes under the test's own name, once or for other values, replaces them all."""
        for base in (unittest.TestCase, AsyncTestCase):
            with self.subTest(base=base):

                class Case(base):  # type: ignore[misc, valid-type]
                    @parametrize("x", [1, 2])
                    def test_it(self, x: int) -> None: ...

                    @parametrize("x", [1])
                    def test_other(self, x: int) -> None: ...

                class Once(Case):
                    def test_it(self) -> None: ...

                class Otherwise(Case):
                    @parametrize("x", [2, 3])
                    def test_it(self, x: int) -> None: ...

                class Below(Otherwise):
                    def test_it(self) -> None: ...

                self.assertEqual(names_of(Once), ["test_it", "test_other__1"])
                self.assertEqual(names_of(Otherwise), ["test_it__2", "test_it__3", "test_other__1"])
                self.assertEqual(names_of(Below), ["test_it", "test_other__1"])
                self.assertEqual(len(names_of(Case)), 3)
                self.assertEqual(run_all(Below).testsRun, 2)

    def test_a_mixin_and_a_class_that_looks_at_its_subclasses(self) -> None:
        """Tests of a mixin can be overridden, too; an __init_subclass__ of the user's is called."""
        seen: list[str] = []

        class Mixin:
            def __init_subclass__(cls, word: str = "", **kwargs: Any) -> None:
                super().__init_subclass__(**kwargs)
                seen.append(word)

            @parametrize("x", [1, 2])
            def test_it(self, x: int) -> None: ...

        class Case(Mixin, unittest.TestCase, word="here"):
            def test_it(self) -> None: ...  # type: ignore[override]

        self.assertEqual(names_of(Case), ["test_it"])
        self.assertEqual(seen, ["here"])

    def test_runners_find_and_select_them(self) -> None:
        """-k, and the name on the command line, pick one of them; pytest does the same."""
        project = Project(
            self,
            {
                "test_it.py": """
                    from asynctesting import AsyncTestCase, async_fixture, parametrize
                    from events import note

                    class PayTests(AsyncTestCase):
                        @parametrize("status", [200, 503])
                        async def test_pay(self, status):
                            note(str(status))

                    @parametrize("backend", ["sqlite", "memory"])
                    class StoreTests(AsyncTestCase):
                        @async_fixture(scope="class")
                        async def store(cls):
                            yield cls.backend

                        async def test_store(self):
                            note(self.store)
                """
            },
        )
        everything = ["200", "503", "memory", "sqlite"]
        selections: list[tuple[tuple[str, ...], list[str]]] = [
            (("unittest",), everything),
            ((*PYTEST,), everything),
            (("unittest", "-k", "503"), ["503"]),
            ((*PYTEST, "-k", "503"), ["503"]),
            (("unittest", "test_it.PayTests.test_pay__503"), ["503"]),
            (("unittest", "test_it.StoreTests__memory"), ["memory"]),
            ((*PYTEST, "test_it.py::StoreTests__memory"), ["memory"]),
            (("unittest", "-k", "StoreTests"), ["memory", "sqlite"]),
        ]
        for command, expected in selections:
            with self.subTest(command=command):
                ran = project.run(*command)

                self.assertEqual(ran.status, 0, ran.printed)
                self.assertEqual(sorted(ran.events), expected, ran.printed)


class ClassTests(OutcomeAssertions):
    def test_each_value_is_a_class(self) -> None:
        """A class-wide fixture is made for each, with the value as an attribute of the class."""
        log: list[str] = []

        @parametrize("backend", ["sqlite", "memory"])
        class Case(AsyncTestCase):
            backend: str

            @async_fixture(scope="class")
            async def store(cls) -> AsyncIterator[str]:
                log.append(f"open {cls.backend}")
                yield cls.backend
                log.append(f"close {cls.backend}")

            async def test_it(self) -> None:
                log.append(self.store)

        parametrized: Any = Case
        for cls in parametrized.classes:
            self.assertPassed(run_all(cls))

        self.assertEqual(
            [cls.__name__ for cls in parametrized.classes], ["Case__sqlite", "Case__memory"]
        )
        self.assertEqual(
            log,
            ["open sqlite", "sqlite", "close sqlite", "open memory", "memory", "close memory"],
        )

    def test_the_module_has_them(self) -> None:
        """Discovery and pickling find the generated classes; the base does not run by itself."""
        module = types.ModuleType("made_up_tests")
        sys.modules[module.__name__] = module
        self.addCleanup(sys.modules.pop, module.__name__)
        source = """
import unittest
from asynctesting import parametrize

@parametrize("x", [1, 2])
class Tests(unittest.TestCase):
    def test_it(self):
        self.assertIn(self.x, (1, 2))
"""
        exec(source, vars(module))

        suite = unittest.defaultTestLoader.loadTestsFromModule(module)

        self.assertEqual(suite.countTestCases(), 2)
        self.assertEqual(repr(module.Tests), "<Tests for 1, 2>")

    def test_fixtures_of_every_scope_read_the_value(self) -> None:
        """A wide one that is written in the class is made for each value, not once for all."""
        for scope in ("test", "class", "module", "package", "session"):
            with self.subTest(scope=scope):
                log: list[str] = []

                @parametrize("backend", ["sqlite", "memory"])
                class Case(AsyncTestCase):
                    backend: str

                    @async_fixture(scope=scope, autouse=False)
                    async def store(cls, log: Any = log) -> AsyncIterator[str]:
                        log.append(cls.backend)
                        yield cls.backend

                    @async_fixture
                    async def client(self, store: str) -> str:
                        return f"client of {store}"

                    async def test_it(self) -> None:
                        self.assertEqual(self.client, f"client of {self.backend}")

                parametrized: Any = Case
                outcome = run_classes(*parametrized.classes)

                self.assertEqual(outcome.raised, [], outcome.report)
                self.assertEqual(log, ["sqlite", "memory"])

    def test_a_shared_fixture_is_shared_by_the_classes(self) -> None:
        """One that was written outside does not depend on the value."""
        log: list[str] = []

        async def make() -> None:
            log.append("made")

        fixture = async_fixture(make, scope="session")

        @parametrize("x", [1, 2])
        class Case(AsyncTestCase):
            shared = fixture

            async def test_it(self) -> None: ...

        parametrized: Any = Case
        self.assertEqual(run_classes(*parametrized.classes).raised, [])

        self.assertEqual(log, ["made"])

    def test_the_class_can_speak_of_itself(self) -> None:
        """Its name gives its attributes, and isinstance() takes it for a class."""

        @parametrize("x", [1, 2])
        class Case(unittest.TestCase):
            count = 0

            @staticmethod
            def helper() -> str:
                return "help"

            def test_it(self) -> None:
                Case.count += 1
                self.assertEqual(Case.helper(), "help")
                self.assertIsInstance(self, Case)
                self.assertTrue(issubclass(type(self), Case))
                self.assertNotIsInstance(object(), Case)

        parametrized: Any = Case
        self.assertEqual(run_classes(*parametrized.classes).raised, [])

        self.assertEqual(Case.count, 2)
        with self.assertRaisesRegex(AttributeError, "no attribute 'missing'"):
            parametrized.missing

    def test_its_name_on_the_command_line(self) -> None:
        """It stands for all of the generated classes."""
        project = Project(
            self,
            {
                "test_it.py": """
                    import unittest
                    from asynctesting import parametrize
                    from events import note

                    @parametrize("backend", ["sqlite", "memory"])
                    class StoreTests(unittest.TestCase):
                        def test_store(self):
                            note(self.backend)
                """
            },
        )

        ran = project.run("unittest", "test_it.StoreTests")

        self.assertEqual(sorted(ran.events), ["memory", "sqlite"], ran.printed)

    def test_it_can_be_a_base(self) -> None:
        """A class may derive from what was written, whatever stands for it now."""

        @parametrize("x", [1])
        class Case(unittest.TestCase):
            def test_it(self) -> None: ...

        class Derived(Case):
            x = 3

        self.assertEqual(names_of(Derived), ["test_it"])


class MistakeTests(unittest.TestCase):
    def test_what_does_not_fit(self) -> None:
        """Each mistake is said where it is written, with the value."""
        wrong: list[tuple[str, Any, str]] = [
            ("a, b", [(1, 2), (3,)], r"needs 2 values for each test, got \(3,\)"),
            ("a, b", [1, 2], "needs 2 values for each test, got 1$"),
            ("a, b", ["xy"], "needs 2 values for each test, got 'xy'"),
            ("a", 5, "needs a list of values, or a mapping of names to values; got 5"),
            ("a", "sqlite", "needs a list of values, .*; got 'sqlite'"),
            ("a", [], "has no values"),
            ("not a name", [1], "'not a name' is no name of a parameter"),
        ]
        for names, values, message in wrong:
            with self.subTest(names=names), self.assertRaisesRegex(SettingError, message):
                parametrize(names, values)

    def test_a_name_that_the_test_does_not_take(self) -> None:
        """It is said when the test is decorated, and not by a TypeError of each of them."""
        with self.assertRaisesRegex(SettingError, "has no parameter 'b'"):

            @parametrize("b", [1])
            def test_it(self: object, a: int) -> None: ...

        with self.assertRaisesRegex(SettingError, "has no parameter 'self'"):

            @parametrize("self", [1])
            def test_self(self: object) -> None: ...

    def test_what_is_no_test(self) -> None:
        """A hook or a helper of which methods are made that nobody calls would pass in silence."""
        for name in ("setUp", "helper"):

            def method(self: object, x: int) -> None: ...

            with (
                self.subTest(name=name),
                self.assertRaises((SettingError, RuntimeError)) as caught,
            ):
                type("Case", (unittest.TestCase,), {name: parametrize("x", [1])(method)})

            error = caught.exception  # Python 3.11 wraps it
            self.assertRegex(
                str(error.__cause__ or error), rf"Case\.{name} is no test, so @parametrize would"
            )

    def test_a_fixture(self) -> None:
        """It reads the value of a parametrized class; the message says so."""
        with self.assertRaisesRegex(
            SettingError, r"above the fixture .*store.*, such as cls\.kind"
        ):

            @parametrize("kind", ["sqlite"])
            @async_fixture
            async def store(self: object) -> None: ...

    def test_a_name_that_is_given_twice(self) -> None:
        """One list of values would hide the other."""
        with self.assertRaisesRegex(SettingError, "gives 'x' its values twice"):

            @parametrize("x", [1, 2])
            @parametrize("x", [3, 4])
            def test_it(self: object, x: int) -> None: ...

        with self.assertRaisesRegex(SettingError, "gives 'x' its values twice"):
            parametrize("x, x", [(1, 2)])

    def test_a_class_of_another_kind(self) -> None:
        """Nobody would run the classes that are made of a mixin."""
        with self.assertRaisesRegex(SettingError, "Mixin is no TestCase, so @parametrize would"):

            @parametrize("x", [1, 2])
            class Mixin:
                def test_it(self) -> None: ...

    def test_a_class_that_has_a_method_of_that_name(self) -> None:
        """A value in the place of a test or a hook would have it never run."""
        for name in ("test_it", "setUpClass", "loop"):
            with (
                self.subTest(name=name),
                self.assertRaisesRegex(SettingError, rf"Case\.{name} is something to call or a"),
            ):

                @parametrize(name, [1, 2])
                class Case(AsyncTestCase):
                    def test_it(self) -> None: ...

    def test_a_name_that_is_taken(self) -> None:
        """A generated test never takes the place of a written one."""
        with self.assertRaises((SettingError, RuntimeError)) as caught:

            class Case(unittest.TestCase):
                @parametrize("x", [1])
                def test_it(self, x: int) -> None: ...

                def test_it__1(self) -> None: ...

        error = caught.exception
        text = str(error.__cause__ or error)
        self.assertIn("has a 'test_it__1' already", text)

    def test_a_decorator_that_calls_it(self) -> None:
        """The message says where @parametrize belongs."""

        @parametrize("x", [1, 2])
        def test_it(self: object, x: int) -> None: ...

        with self.assertRaisesRegex(TypeError, "not one test but 2. Write @parametrize above"):
            test_it(self)

    def test_a_generator(self) -> None:
        """It would never run."""
        with self.assertRaisesRegex(SilentPassError, "a test with a 'yield' in it"):

            @parametrize("x", [1])
            async def test_it(self: object, x: int) -> AsyncIterator[int]:
                yield x


def load_tests(
    loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: str | None
) -> unittest.TestSuite:
    """Add the examples in the docstrings."""
    tests.addTests(doctest.DocTestSuite(_parametrize))
    return tests


if __name__ == "__main__":
    unittest.main()
