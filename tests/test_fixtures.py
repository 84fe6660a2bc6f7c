"""Fixtures: how they are made and put away, who gets them, and what is wrong with their graph."""

from __future__ import annotations

import asyncio
import contextlib
import io
import unittest
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import mock

import anyio

from asynctesting import AsyncTestCase, FixtureError, SettingError, async_fixture
from asynctesting._fixtures import AsyncFixture
from tests.support import Outcome, OutcomeAssertions, run_all, run_case, run_python

Log = list[str]


def run_class(case: type[unittest.TestCase]) -> Outcome:
    """Run all tests of a class, and end the run."""
    outcome: Outcome = run_all(case)
    outcome.stopTestRun()
    return outcome


class FixtureAssertions(OutcomeAssertions):
    def assertAllPassed(self, outcome: Outcome, number: int = 1) -> None:
        self.assertEqual(outcome.raised, [], outcome.report)
        self.assertEqual(outcome.testsRun, number)


# Made at module level, as a helper module would share them.
@async_fixture(scope="class")
async def greeting() -> str:
    return "hello"


@async_fixture(scope="class", autouse=False)
async def audience() -> str:
    return "world"


@async_fixture
async def sentence(greeting: str, audience: str, mark: str = "!") -> str:
    return f"{greeting} {audience}{mark}"


class KindTests(FixtureAssertions):
    def value_of(self, fixture: AsyncFixture[Any], log: Log, during: Log) -> Any:
        """Run a test with *fixture* in it, and return the value that the test saw."""
        values = []

        class Case(AsyncTestCase):
            thing = fixture

            async def test_it(self) -> None:
                values.append(self.thing)
                during.extend(log)

        self.assertAllPassed(run_class(Case))
        return values[0]

    def test_every_kind_of_function(self) -> None:
        """Whatever can make a value can be a fixture, and what stands after the yield is run."""
        log: Log = []

        async def generator() -> AsyncIterator[str]:
            log.append("up")
            yield "value"
            log.append("down")

        def sync_generator() -> Iterator[str]:
            log.append("up")
            yield "value"
            log.append("down")

        async def coroutine() -> str:
            log.append("up")
            return "value"

        def plain() -> str:
            log.append("up")
            return "value"

        class Manager:
            async def __aenter__(self) -> str:
                log.append("up")
                return "value"

            async def __aexit__(self, *details: object) -> None:
                log.append("down")

        cases = {
            generator: ["up", "down"],
            sync_generator: ["up", "down"],
            coroutine: ["up"],
            plain: ["up"],
            contextlib.asynccontextmanager(generator): ["up", "down"],
            contextlib.contextmanager(sync_generator): ["up", "down"],
            Manager: ["up", "down"],
        }
        for function, expected in cases.items():
            for scope in ("test", "class", "session"):
                with self.subTest(function=function, scope=scope):
                    log.clear()
                    during: Log = []

                    value = self.value_of(async_fixture(function, scope=scope), log, during)

                    self.assertEqual(value, "value")
                    self.assertEqual(during, ["up"])
                    self.assertEqual(log, expected)

    def test_what_is_no_async_context_manager_is_left_alone(self) -> None:
        """An open file and a mock, which can be entered, are values as they are."""
        file = io.StringIO()
        double = mock.MagicMock()

        self.assertIs(self.value_of(async_fixture(lambda: file), [], []), file)
        self.assertIs(self.value_of(async_fixture(lambda: double), [], []), double)
        self.assertFalse(file.closed)
        double.__aenter__.assert_not_called()

    def test_a_synchronous_test_gets_them_too(self) -> None:
        """A plain test finds the value, made on its loop before it began."""

        class Case(AsyncTestCase):
            @async_fixture
            async def number(self) -> AsyncIterator[int]:
                await asyncio.sleep(0)
                yield 3

            def setUp(self) -> None:
                self.seen = self.number

            def test_it(self) -> None:
                self.assertEqual((self.seen, self.number), (3, 3))

        self.assertAllPassed(run_case(Case))


class SharingTests(FixtureAssertions):
    def test_a_wide_fixture_is_made_once(self) -> None:
        """One value for the class, one for each test; put away in reverse."""
        log: Log = []

        class Case(AsyncTestCase):
            @async_fixture
            async def row(self, table: str) -> AsyncIterator[str]:
                log.append(f"{self._testMethodName} inserts into {table}")
                yield "row"
                log.append("deletes")

            @async_fixture(scope="class")
            async def table(cls, database: str) -> AsyncIterator[str]:
                log.append(f"create table in {database} for {cls.__name__}")
                yield "table"
                log.append("drop table")

            @async_fixture(scope="class")
            async def database(cls) -> AsyncIterator[str]:
                log.append("connect")
                yield "database"
                log.append("disconnect")

            async def test_1(self) -> None:
                log.append(self.row + self.table + self.database)

            async def test_2(self) -> None:
                log.append("two")

        self.assertAllPassed(run_class(Case), 2)
        self.assertEqual(
            log,
            [
                "connect",
                "create table in database for Case",
                "test_1 inserts into table",
                "rowtabledatabase",
                "deletes",
                "test_2 inserts into table",
                "two",
                "deletes",
                "drop table",
                "disconnect",
            ],
        )

    def test_values_are_there_for_the_hooks(self) -> None:
        """asyncSetUpClass finds them on the class, asyncSetUp on the test."""

        class Case(AsyncTestCase):
            @async_fixture(scope="class")
            async def number(cls) -> int:
                return 3

            @async_fixture
            async def own(self) -> int:
                return 4

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                assert cls.number == 3

            async def asyncSetUp(self) -> None:
                self.assertEqual((self.number, self.own), (3, 4))

            async def test_it(self) -> None: ...

            async def asyncTearDown(self) -> None:
                self.assertEqual((self.number, self.own), (3, 4))

            @classmethod
            async def asyncTearDownClass(cls) -> None:
                assert cls.number == 3

        self.assertAllPassed(run_class(Case))

    def test_one_from_outside_of_the_class(self) -> None:
        """A class names what it uses; what that asks for is found where it was written."""

        class Case(AsyncTestCase):
            sentence = sentence
            greeting = greeting

            async def test_it(self) -> None:
                self.assertEqual(self.sentence, "hello world!")

        self.assertAllPassed(run_class(Case))

    def test_a_class_overrides_what_another_fixture_asks_for(self) -> None:
        """The name decides, and the class is asked first; the base keeps its own."""

        class Case(AsyncTestCase):
            sentence = sentence
            expected = "hello world!"

            async def test_it(self) -> None:
                self.assertEqual(self.sentence, self.expected)

        class Loud(Case):
            expected = "HELLO world!"

            @async_fixture(scope="class")
            async def greeting(cls) -> str:
                return "HELLO"

        self.assertAllPassed(run_class(Case))
        self.assertAllPassed(run_class(Loud))

    def test_an_override_can_ask_for_what_it_overrides(self) -> None:
        """Its own name as a parameter means that of the base."""

        class Case(AsyncTestCase):
            @async_fixture
            async def number(self) -> int:
                return 1

            async def test_it(self) -> None:
                self.assertIn(self.number, (1, 11))

        class Ten(Case):
            @async_fixture
            async def number(self, number: int) -> int:  # type: ignore[override]
                return number + 10

        self.assertAllPassed(run_class(Case))
        self.assertAllPassed(run_class(Ten))

    def test_what_is_not_used_by_all_is_asked_for_by_name(self) -> None:
        """With autouse=False, a fixture is made for the tests that have it as a parameter."""
        log: Log = []

        class Case(AsyncTestCase):
            @async_fixture(autouse=False)
            async def costly(self) -> AsyncIterator[str]:
                log.append("up")
                yield "costly"
                log.append("down")

            @async_fixture(scope="class", autouse=False)
            async def server(cls) -> AsyncIterator[str]:
                log.append("server up")
                yield "server"
                log.append("server down")

            async def test_1_without(self) -> None:
                log.append("without")
                with self.assertRaises(AttributeError):
                    self.costly

            async def test_2_with(self, costly: str, server: str) -> None:
                log.append(f"{costly} {server}")

            def test_3_plain(self, server: str) -> None:
                log.append(server)

        self.assertAllPassed(run_class(Case), 3)
        self.assertEqual(
            log,
            ["without", "server up", "up", "costly server", "down", "server", "server down"],
        )

    def test_a_value_is_gone_after_its_test(self) -> None:
        """Nothing of it stays on the instance, which unittest keeps."""

        class Case(AsyncTestCase):
            @async_fixture
            async def number(self) -> int:
                return 3

            async def test_it(self) -> None: ...

        test = Case("test_it")
        self.assertPassed(run_case(test))

        self.assertFalse(hasattr(test, "number"))
        self.assertPassed(run_case(test))

    def test_an_attribute_is_the_value_of_its_own_class(self) -> None:
        """Where a subclass overrides what a fixture gets, attribute and parameter agree."""
        seen: list[tuple[str, str]] = []

        class Base(AsyncTestCase):
            @async_fixture(scope="session")
            async def url(cls) -> str:
                return "one"

            @async_fixture(scope="session")
            async def db(cls, url: str) -> str:
                return f"db {url}"

            async def test_it(self, db: str) -> None:
                seen.append((db, self.db))

        class Other(Base):
            @async_fixture(scope="session")
            async def url(cls) -> str:
                return "two"

        suite = unittest.TestSuite([Base("test_it"), Other("test_it")])
        outcome = Outcome()
        suite.run(outcome)
        outcome.stopTestRun()

        self.assertAllPassed(outcome, 2)
        self.assertEqual(seen, [("db one", "db one"), ("db two", "db two")])

    def test_two_names_are_one_fixture(self) -> None:
        """What two classes call differently is made once for both."""
        made: list[int] = []

        @async_fixture(scope="session")
        async def server() -> int:
            made.append(1)
            return len(made)

        class First(AsyncTestCase):
            database = server

            async def test_it(self) -> None:
                self.assertEqual(self.database, 1)

        class Second(AsyncTestCase):
            db = server

            async def test_it(self) -> None:
                self.assertEqual(self.db, 1)

        outcome = Outcome()
        unittest.TestSuite([First("test_it"), Second("test_it")]).run(outcome)
        outcome.stopTestRun()

        self.assertAllPassed(outcome, 2)


class TeardownTests(FixtureAssertions):
    def test_every_failure_is_told_and_none_hides_another(self) -> None:
        """A test, its teardown and three fixtures fail: five reports, and all of them ran."""

        class Case(AsyncTestCase):
            @async_fixture
            async def first(self) -> AsyncIterator[None]:
                yield
                raise LookupError("first")

            @async_fixture
            async def second(self, first: None) -> AsyncIterator[None]:
                yield
                raise LookupError("second")

            @async_fixture(scope="class")
            async def wide(cls) -> AsyncIterator[None]:
                yield
                raise LookupError("wide")

            async def test_it(self) -> None:
                raise LookupError("test")

            async def asyncTearDown(self) -> None:
                raise LookupError("teardown")

        outcome = run_class(Case)

        self.assertEqual(
            [str(error) for error in outcome.raised],
            ["test", "teardown", "second", "first", "wide"],
        )

    def test_a_failing_set_up_puts_away_what_was_made(self) -> None:
        """The fixture that fails has no value; those before it are put away; no test runs."""
        log: Log = []

        class Case(AsyncTestCase):
            @async_fixture(scope="class")
            async def first(cls) -> AsyncIterator[None]:
                yield
                log.append("first down")

            @async_fixture(scope="class")
            async def second(cls, first: None) -> AsyncIterator[None]:
                raise LookupError("second")
                yield

            async def test_it(self) -> None:
                log.append("never")

        outcome = run_class(Case)

        self.assertEqual([str(error) for error in outcome.raised], ["second"])
        self.assertEqual(log, ["first down"])

    def test_a_test_that_runs_into_its_limit(self) -> None:
        """The fixtures are put away all the same."""
        log: Log = []

        class Case(AsyncTestCase):
            timeout = 0.2

            @async_fixture
            async def thing(self) -> AsyncIterator[None]:
                yield
                await asyncio.sleep(0)
                log.append("down")

            async def test_it(self) -> None:
                await asyncio.sleep(30)

        self.assertEqual(len(run_case(Case).raised), 1)
        self.assertEqual(log, ["down"])

    def test_ctrl_c(self) -> None:
        """Fixtures of every scope are put away before the interrupt goes on."""
        process = run_python(
            """
            import asyncio, os, signal, unittest
            from asynctesting import AsyncTestCase, async_fixture

            def note(scope):
                @async_fixture(scope=scope)
                async def fixture():
                    yield
                    print(scope)
                return fixture

            class Case(AsyncTestCase):
                a = note("test")
                b = note("class")
                c = note("module")
                d = note("package")
                e = note("session")

                async def test_it(self):
                    os.kill(os.getpid(), signal.SIGINT)
                    await asyncio.sleep(5)

            try:
                unittest.main()
            except KeyboardInterrupt:
                print("interrupted")
            """
        )

        self.assertEqual(
            process.stdout.split(),
            ["test", "class", "module", "package", "session", "interrupted"],
            process.stderr,
        )

    def test_held_groups_and_timeouts_govern_the_test(self) -> None:
        """A TaskGroup, a timeout and a cancel scope inside of fixtures do what they say."""

        class Case(AsyncTestCase):
            @async_fixture
            async def limit(self) -> AsyncIterator[None]:
                async with asyncio.timeout(0.02):
                    yield

            async def test_it(self) -> None:
                await asyncio.Event().wait()

        self.assertFailsWith(run_case(Case), TimeoutError)

        class Crash(AsyncTestCase):
            @async_fixture
            async def group(self) -> AsyncIterator[asyncio.TaskGroup]:
                async with asyncio.TaskGroup() as group:
                    yield group

            async def fail(self) -> None:
                raise LookupError("child")

            async def test_it(self) -> None:
                self.group.create_task(self.fail())
                await asyncio.Event().wait()

        self.assertFailsWith(run_case(Crash), ExceptionGroup, "unhandled errors in a TaskGroup")

        class Cancelled(AsyncTestCase):
            @async_fixture
            async def scope(self) -> AsyncIterator[anyio.CancelScope]:
                with anyio.move_on_after(0.02) as scope:
                    yield scope

            async def test_it(self) -> None:
                await anyio.sleep_forever()

        self.assertFailsWith(run_case(Cancelled), asyncio.CancelledError, "nothing has said why")

    def test_they_are_left_in_the_task_that_entered_them(self) -> None:
        """For every scope, one task both sets a fixture up and puts it away."""
        for scope in ("test", "class", "module", "package", "session"):
            with self.subTest(scope=scope):
                tasks: list[Any] = []

                async def record(tasks: list[Any] = tasks) -> AsyncIterator[None]:
                    with anyio.CancelScope():
                        tasks.append(asyncio.current_task())
                        yield
                        tasks.append(asyncio.current_task())

                class Case(AsyncTestCase):
                    recorded = async_fixture(record, scope=scope)

                    async def test_it(self) -> None: ...

                outcome = run_class(Case)

                self.assertAllPassed(outcome)
                self.assertEqual(len(tasks), 2)
                self.assertIs(tasks[0], tasks[1])

    def test_a_crash_below_a_wide_fixture_fails_its_scope_once(self) -> None:
        """For each wide scope, the group's own exception is told, once, where it is left."""
        for scope in ("class", "module", "package", "session"):
            with self.subTest(scope=scope):

                class Case(AsyncTestCase):
                    @async_fixture(scope=scope)
                    async def crash(cls) -> AsyncIterator[asyncio.Event]:
                        async with asyncio.TaskGroup() as group:
                            crash = asyncio.Event()
                            group.create_task(cls.serve(crash))
                            yield crash

                    @staticmethod
                    async def serve(crash: asyncio.Event) -> None:
                        await crash.wait()
                        raise LookupError("server")

                    async def test_1(self) -> None:
                        self.crash.set()
                        await asyncio.Event().wait()

                    async def test_2(self) -> None:
                        raise AssertionError("never")

                outcome = run_class(Case)

                self.assertEqual([type(e) for e in outcome.raised], [ExceptionGroup])
                self.assertEqual(len(outcome.skipped), 2)


class MistakeTests(OutcomeAssertions):
    """What is wrong with a plan is said when the class is made."""

    def test_a_circle(self) -> None:
        """The path is drawn until it closes."""
        with self.assertRaises(FixtureError) as caught:

            class Case(AsyncTestCase):
                @async_fixture
                async def hen(self, egg: str) -> str:
                    return ""

                @async_fixture
                async def egg(self, hen: str) -> str:
                    return ""

        text = str(caught.exception)
        self.assertIn("ask for each other in a circle", text)
        self.assertRegex(text, r"(?s)\n  hen .*test_fixtures.py.*\n    -> egg .*\n      -> hen ")

    def test_one_that_asks_for_itself(self) -> None:
        """Where there is none that it overrides, the message does not propose its own name."""
        with self.assertRaises(FixtureError) as caught:

            class Case(AsyncTestCase):
                @async_fixture
                async def store(self, store: object) -> None: ...

        self.assertRegex(
            str(caught.exception),
            r"Case: a fixture asks for itself, and overrides none\n\n  store .*\n    -> store ",
        )

    def test_a_decorator_of_a_class_method(self) -> None:
        """Above it would hide the fixture, and below it is no function; leave it out."""
        for kind in (classmethod, staticmethod):
            with self.subTest(kind=kind):
                with self.assertRaisesRegex(
                    FixtureError, rf"db would never run: @{kind.__name__} stands above"
                ):

                    class Above(AsyncTestCase):
                        db = kind(async_fixture(scope="class")(lambda: 1))

                with self.assertRaisesRegex(FixtureError, f"Leave @{kind.__name__} out"):
                    async_fixture(kind(lambda: 1), scope="class")  # type: ignore[arg-type]

    def test_a_name_that_has_another_meaning(self) -> None:
        """A test's, a hook's, or that of something that the case needs."""
        for name, message in (
            ("test_db", "test_db is a fixture with the name of a test, which would never run"),
            ("setUp", "in the place of TestCase.setUp"),
            ("asyncSetUp", "in the place of IsolatedAsyncioTestCase.asyncSetUp"),
            ("loop", "in the place of AsyncTestCase.loop"),
            ("id", "in the place of TestCase.id"),
        ):
            with self.subTest(name=name), self.assertRaisesRegex(FixtureError, message):
                type("Case", (AsyncTestCase,), {name: async_fixture(lambda: 1)})

    def test_a_class_of_another_kind(self) -> None:
        """A plain TestCase would never set it up."""
        for base in (unittest.TestCase, unittest.IsolatedAsyncioTestCase):
            with self.subTest(base=base), self.assertRaises((FixtureError, RuntimeError)) as caught:
                type("Case", (base,), {"db": async_fixture(lambda: 1)})

            error = caught.exception
            self.assertIn("derive from AsyncTestCase", str(error.__cause__ or error))

    def test_an_unknown_name_in_a_class_without_fixtures(self) -> None:
        """Somebody else may fill the parameter, so it is said when the test is called."""

        class Case(AsyncTestCase):
            async def database(self) -> None: ...

            async def test_it(self, databse: str) -> None: ...

            async def test_function(self, database: str) -> None: ...

            async def test_error_of_its_own(self) -> None:
                (lambda x: x)()  # type: ignore[call-arg]

        self.assertFailsWith(
            run_case(Case), FixtureError, "Case.test_it asks for 'databse', and the class has no"
        )
        self.assertFailsWith(
            run_case(Case, "test_function"), FixtureError, "write @async_fixture above it"
        )
        self.assertFailsWith(run_case(Case, "test_error_of_its_own"), TypeError, "missing 1")

    def test_a_decorator_without_its_keyword(self) -> None:
        """A scope in the place of the function, pytest's word, and a first parameter."""
        with self.assertRaisesRegex(FixtureError, r"Write async_fixture\(scope='class'\)"):
            async_fixture("class")  # type: ignore[call-overload]
        with self.assertRaisesRegex(SettingError, "pytest's 'function' is 'test' here"):
            async_fixture(scope="function")
        with self.assertRaisesRegex(FixtureError, "is called 'self' or 'cls'"):
            type("Case", (AsyncTestCase,), {"db": async_fixture(lambda this: 1)})

    def test_a_coroutine_as_the_value(self) -> None:
        """Nobody would await it."""

        class Case(AsyncTestCase):
            @async_fixture
            async def thing(self) -> Any:
                return asyncio.sleep(0)

            async def test_it(self) -> None: ...

        self.assertFailsWith(run_case(Case), FixtureError, "Write 'return await ...'")

    def test_one_without_a_yield_shows_the_way_to_it(self) -> None:
        """From the test that asks, over the fixtures in between, with the lines."""
        for scope in ("test", "class", "session"):
            with self.subTest(scope=scope):

                class Case(AsyncTestCase):
                    @async_fixture(scope=scope, autouse=False)
                    async def database(cls) -> AsyncIterator[None]:
                        return
                        yield

                    @async_fixture(autouse=False)
                    async def shop(self, database: None) -> None: ...

                    async def test_it(self, shop: None) -> None: ...

                (error,) = run_class(Case).raised
                self.assertIsInstance(error, FixtureError)
                self.assertRegex(
                    str(error),
                    r"ended without a yield(?s:.*)\n  test_it\n    -> shop \(scope 'test', .*"
                    rf"test_fixtures.py:\d+.*\n      -> database \(scope '{scope}', ",
                )

    def test_a_second_yield_below_a_finally(self) -> None:
        """What the finally raises does not hide it."""

        async def twice() -> AsyncIterator[None]:
            try:
                yield
                yield
            finally:
                raise ValueError("in the finally")

        def twice_in_sync() -> Iterator[None]:
            try:
                yield
                yield
            finally:
                raise ValueError("in the finally")

        for function in (twice, twice_in_sync):
            with self.subTest(function=function):

                class Case(AsyncTestCase):
                    thing = async_fixture(function)

                    async def test_it(self) -> None: ...

                (error,) = run_class(Case).raised
                self.assertIsInstance(error, FixtureError)
                self.assertRegex(str(error), r"yields twice(?s:.*)\n  thing \(scope 'test', ")
                self.assertIsInstance(error.__cause__, ValueError)

    def test_an_unknown_name(self) -> None:
        """The nearest name is suggested."""
        with self.assertRaisesRegex(
            FixtureError, r"(?s)no fixture is called 'databse'. Did you mean 'database'\?.*shop"
        ):

            class Case(AsyncTestCase):
                @async_fixture
                async def database(self) -> str:
                    return ""

                @async_fixture
                async def shop(self, databse: str) -> str:
                    return ""

    def test_a_wide_one_that_asks_for_a_narrow_one(self) -> None:
        """It would outlive what it was made from."""
        with self.assertRaisesRegex(
            FixtureError, r"(?s)scope 'session' outlives the one of scope 'test'.*pool.*-> row"
        ):

            class Case(AsyncTestCase):
                @async_fixture
                async def row(self) -> str:
                    return ""

                @async_fixture(scope="session")
                async def pool(cls, row: str) -> str:
                    return ""

    def test_a_test_that_asks_for_what_is_not_there(self) -> None:
        """It would fail when it is called; now the class says so."""
        with self.assertRaisesRegex(FixtureError, "test_it asks for 'nothing'"):

            class Case(AsyncTestCase):
                @async_fixture
                async def row(self) -> str:
                    return ""

                async def test_it(self, nothing: str) -> None: ...

    def test_arguments_of_other_decorators_are_theirs(self) -> None:
        """What mock.patch() passes is no name of a fixture; both can be had at once."""

        class Case(AsyncTestCase):
            @async_fixture(autouse=False)
            async def row(self) -> str:
                return "row"

            @mock.patch("os.getcwd", return_value="here")
            async def test_it(self, getcwd: mock.Mock, row: str) -> None:
                self.assertEqual((getcwd(), row), ("here", "row"))

        outcome = run_class(Case)

        self.assertEqual((outcome.raised, outcome.testsRun), ([], 1))

    def test_a_loop_scope_that_is_too_narrow(self) -> None:
        """The error names the fixture that needs a wider one."""
        with self.assertRaisesRegex(SettingError, "'class', but the fixture 'pool' needs"):

            class Case(AsyncTestCase):
                loop_scope = "class"

                @async_fixture(scope="session")
                async def pool(cls) -> str:
                    return ""

    def test_an_unknown_scope(self) -> None:
        """It is refused where it is written."""
        with self.assertRaisesRegex(SettingError, "got 'function'"):
            async_fixture(scope="function")

    def test_self_in_a_wide_fixture(self) -> None:
        """There is no test yet; the message says what the parameter is to be called."""
        with self.assertRaisesRegex(FixtureError, "Call its first parameter 'cls'"):

            @async_fixture(scope="class")
            async def wrong(self: Any) -> None: ...

    def test_no_function(self) -> None:
        """A value is no fixture."""
        with self.assertRaisesRegex(FixtureError, "got 'text'"):
            async_fixture("text")  # type: ignore[arg-type]

    def test_a_parameter_without_a_name(self) -> None:
        """A fixture is given by its name, so what takes it by its position is refused at once."""
        with self.assertRaisesRegex(FixtureError, "b takes 'a' by its position only.*the '/'"):

            @async_fixture
            async def b(self: Any, a: int, /) -> None: ...

        with self.assertRaisesRegex(FixtureError, r"Case\.test_it takes 'a' by its position only"):

            class Case(AsyncTestCase):
                @async_fixture
                async def a(self) -> int:
                    return 1

                async def test_it(self, a: int, /) -> None: ...

        async_fixture(lambda self, /: 1)
        async_fixture(lambda a=1, /: a)


class YieldTests(FixtureAssertions):
    def test_a_generator_that_never_yields(self) -> None:
        """The set-up fails, and says what a generator must do."""

        class Case(AsyncTestCase):
            @async_fixture
            async def nothing(self) -> AsyncIterator[None]:
                if self is None:
                    yield

            async def test_it(self) -> None: ...

        self.assertFailsWith(run_case(Case), FixtureError, "ended without a yield")

    def test_a_generator_that_yields_twice(self) -> None:
        """The teardown fails with the line of the second yield, and the generator is closed."""
        closed: Log = []

        class Case(AsyncTestCase):
            @async_fixture
            async def twice(self) -> AsyncIterator[int]:
                try:
                    yield 1
                    yield 2
                finally:
                    closed.append("closed")

            async def test_it(self) -> None: ...

        self.assertFailsWith(run_case(Case), FixtureError, "yields twice", "yield 2")
        self.assertEqual(closed, ["closed"])

    def test_synchronous_generators_too(self) -> None:
        """They get the same two messages."""

        class Case(AsyncTestCase):
            @async_fixture(scope="class")
            def twice(cls) -> Iterator[int]:
                yield 1
                yield 2

            async def test_it(self) -> None: ...

        self.assertIn("yield 2", str(run_class(Case).raised[0]))

        class Never(AsyncTestCase):
            @async_fixture
            def nothing(self) -> Iterator[None]:
                if self is None:
                    yield

            async def test_it(self) -> None: ...

        self.assertFailsWith(run_case(Never), FixtureError, "ended without a yield")


class AccessTests(unittest.TestCase):
    def test_before_it_is_set_up(self) -> None:
        """A value that is not there is an AttributeError that says when it will be."""

        class Case(AsyncTestCase):
            @async_fixture
            async def number(self) -> int:
                return 3

            async def test_it(self) -> None: ...

        test = Case("test_it")

        self.assertFalse(hasattr(test, "number"))
        with self.assertRaisesRegex(FixtureError, "there from the set-up to the end of its scope"):
            test.number
        self.assertIsInstance(Case.number, AsyncFixture)
        self.assertRegex(repr(Case.number), r"<AsyncFixture Case.number scope='test'>")


if __name__ == "__main__":
    unittest.main()
