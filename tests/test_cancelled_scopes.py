"""Tests for what happens to a scope that something which it has entered has cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import unittest
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio

from asynctesting import AsyncTestCase, async_fixture
from asynctesting._cancellers import entered_by
from asynctesting.errors import ScopeCancelledError
from tests.support import Outcome, OutcomeAssertions, run_classes

SCOPES = ("test", "class", "module", "package", "session")
WIDE = SCOPES[1:]


async def _fail() -> None:
    raise LookupError("the server crashed")


async def group() -> AsyncIterator[Callable[[], object]]:
    """A TaskGroup, and what makes a child of it crash."""
    async with asyncio.TaskGroup() as group:
        yield lambda: group.create_task(_fail())


async def limit() -> AsyncIterator[Callable[[], object]]:
    """A timeout, and what makes it expire."""
    async with asyncio.timeout(None) as limit:
        yield lambda: limit.reschedule(0)


async def cancel_scope() -> AsyncIterator[Callable[[], object]]:
    """A cancel scope of anyio, and what cancels it."""
    with anyio.CancelScope() as scope:
        yield scope.cancel


HOLDERS: dict[Any, tuple[type[BaseException], str]] = {
    group: (ExceptionGroup, "unhandled errors in a TaskGroup"),
    limit: (TimeoutError, ""),
    cancel_scope: (ScopeCancelledError, "was cancelled by anyio's CancelScope"),
}


class Log(list[str]):
    """What has happened, and fixtures that write into it."""

    def fixture(self, word: str, scope: str) -> Any:
        """Return one whose teardown stands bare behind its yield, and awaits."""

        async def innocent() -> AsyncIterator[str]:
            yield word
            await asyncio.sleep(0)
            self.append(word)

        return async_fixture(innocent, scope=scope)


class HolderTests(OutcomeAssertions):
    """For each scope, and each thing that can cancel it."""

    def run_with(self, holder: Any, scope: str) -> tuple[Outcome, Log]:
        """Run a class whose first test sets off *holder*, between two innocent fixtures."""
        log = Log()

        class Case(AsyncTestCase):
            outer = log.fixture("outer", scope)
            set_off = async_fixture(holder, scope=scope)
            inner = log.fixture("inner", scope)

            async def test_1(self) -> None:
                self.set_off()
                await asyncio.Event().wait()

            async def test_2(self) -> None:
                log.append("never")

        case: type[unittest.TestCase] = Case
        if scope == "test":
            del Case.test_2
        return run_classes(case), log

    def test_it_says_so_once(self) -> None:
        """The test that runs is cut short, the next ones are skipped, and the cause is told."""
        for holder, (kind, message) in HOLDERS.items():
            for scope in WIDE:
                with self.subTest(holder=holder.__name__, scope=scope):
                    outcome, _ = self.run_with(holder, scope)

                    (error,) = outcome.raised
                    self.assertIsInstance(error, kind, outcome.report)
                    self.assertIn(message, str(error))
                    self.assertEqual(len(outcome.skipped), 2)

    def test_what_stands_behind_a_bare_yield_runs(self) -> None:
        """Fixtures that have cancelled nothing are put away as ever, inside and outside of it."""
        for holder in (group, limit):
            for scope in SCOPES:
                with self.subTest(holder=holder.__name__, scope=scope):
                    outcome, log = self.run_with(holder, scope)

                    self.assertEqual(log, ["inner", "outer"], outcome.report)
                    self.assertEqual(len(outcome.raised), 1)

    def test_what_lies_around_a_cancel_scope_is_undisturbed(self) -> None:
        """What is inside of it can't await, by its own rule; what is outside has never heard."""
        for scope in SCOPES:
            with self.subTest(scope=scope):
                outcome, log = self.run_with(cancel_scope, scope)

                self.assertEqual(log, ["outer"], outcome.report)

    def test_an_outer_fixture_may_use_groups_and_limits_in_its_teardown(self) -> None:
        """The owner's count of cancellations is zero again when the cause has been left."""
        counts: list[int] = []

        class Case(AsyncTestCase):
            @async_fixture(scope="class")
            async def outer(cls) -> AsyncIterator[None]:
                yield
                task = asyncio.current_task()
                assert task is not None
                counts.append(task.cancelling())
                async with asyncio.timeout(5), asyncio.TaskGroup() as group:
                    group.create_task(asyncio.sleep(0))
                counts.append(task.cancelling())

            set_off = async_fixture(cancel_scope, scope="class")

            async def test_1(self) -> None:
                self.set_off()
                await asyncio.Event().wait()

        outcome = run_classes(Case)

        self.assertEqual(counts, [0, 0], outcome.report)

    def test_one_that_gets_the_group_as_a_parameter_is_innocent(self) -> None:
        """To know a TaskGroup is not to have entered it."""
        log: list[str] = []

        class Case(AsyncTestCase):
            @async_fixture(scope="class")
            async def group(cls) -> AsyncIterator[asyncio.TaskGroup]:
                async with asyncio.TaskGroup() as group:
                    yield group

            @async_fixture(scope="class")
            async def worker(cls, group: asyncio.TaskGroup) -> AsyncIterator[None]:
                task = group.create_task(asyncio.sleep(60))
                yield
                log.append("worker down")
                task.cancel()

            async def test_1(self) -> None:
                self.group.create_task(_fail())
                await asyncio.Event().wait()

        outcome = run_classes(Case)

        self.assertEqual(log, ["worker down"])
        (error,) = outcome.raised
        self.assertIsInstance(error, ExceptionGroup)

    def test_a_fixture_that_holds_it_by_a_helper(self) -> None:
        """It is found in exit stacks, in context managers of the user's, and in objects."""

        @contextlib.asynccontextmanager
        async def helper() -> AsyncIterator[asyncio.Timeout]:
            async with asyncio.timeout(None) as limit:
                yield limit

        class Helper:
            async def __aenter__(self) -> asyncio.Timeout:
                self.limit = asyncio.timeout(None)
                return await self.limit.__aenter__()

            async def __aexit__(self, *details: Any) -> None:
                await self.limit.__aexit__(*details)

        class Stack(contextlib.AsyncExitStack):
            async def __aenter__(self) -> Any:
                await super().__aenter__()
                return await self.enter_async_context(asyncio.timeout(None))

        for make in (helper, Helper, Stack):
            with self.subTest(make=make):
                log = Log()

                class Case(AsyncTestCase):
                    outer = log.fixture("outer", "class")

                    @async_fixture(scope="class")
                    async def limit(cls, make: Any = make) -> AsyncIterator[Any]:
                        async with make() as limit:
                            yield limit

                    inner = log.fixture("inner", "class")

                    async def test_1(self) -> None:
                        self.limit.reschedule(0)
                        await asyncio.Event().wait()

                outcome = run_classes(Case)

                self.assertEqual(log, ["inner", "outer"])
                (error,) = outcome.raised
                self.assertIsInstance(error, TimeoutError, outcome.report)

    def test_an_innocent_teardown_that_fails_as_well(self) -> None:
        """Its own failure is reported beside the timeout's, and takes nothing from it."""

        class Case(AsyncTestCase):
            set_off = async_fixture(limit, scope="class")

            @async_fixture(scope="class")
            async def inner(cls) -> AsyncIterator[None]:
                yield
                raise ValueError("inner")

            async def test_1(self) -> None:
                self.set_off()
                await asyncio.Event().wait()

        outcome = run_classes(Case)

        self.assertEqual([type(e) for e in outcome.raised], [ValueError, TimeoutError])

    def test_a_crash_while_an_inner_fixture_is_put_away(self) -> None:
        """The cleanup that it interrupts is no failure of its own."""

        class Case(AsyncTestCase):
            set_off = async_fixture(group, scope="class")

            @async_fixture(scope="class")
            async def inner(cls, set_off: Any) -> AsyncIterator[None]:
                yield
                set_off()
                await asyncio.Event().wait()

            async def test_1(self) -> None: ...

        outcome = run_classes(Case)

        (error,) = outcome.raised
        self.assertIsInstance(error, ExceptionGroup, outcome.report)

    def test_a_crash_in_the_class_teardown(self) -> None:
        """The same for asyncTearDownClass()."""

        class Case(AsyncTestCase):
            set_off = async_fixture(group, scope="class")

            @classmethod
            async def asyncTearDownClass(cls) -> None:
                cls.set_off()
                await asyncio.Event().wait()

            async def test_1(self) -> None: ...

        outcome = run_classes(Case)

        (error,) = outcome.raised
        self.assertIsInstance(error, ExceptionGroup, outcome.report)

    def test_a_bare_cancel(self) -> None:
        """Where nobody is to blame, everything is put away as ever, and the class says so."""
        log = Log()

        class Case(AsyncTestCase):
            inner = log.fixture("inner", "class")

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.owner = asyncio.current_task()

            async def test_1(self) -> None:
                self.owner.cancel()
                await asyncio.Event().wait()

        outcome = run_classes(Case)

        (error,) = outcome.raised
        self.assertIsInstance(error, ScopeCancelledError)
        self.assertIn("class Case was cancelled by something, and nothing that it", str(error))
        self.assertEqual(log, ["inner"])

    def test_a_class_inside_of_a_cancelled_module_is_not_set_up(self) -> None:
        """What it needs is gone; its tests are skipped, and no fixture of its own is made."""
        made: list[str] = []
        shared = async_fixture(group, scope="module")

        class First(AsyncTestCase):
            set_off = shared

            async def test_1(self) -> None:
                self.set_off()
                await asyncio.Event().wait()

        class Second(AsyncTestCase):
            set_off = shared

            @async_fixture(scope="class")
            async def own(cls) -> None:
                made.append("own")

            async def test_2(self) -> None: ...

        outcome = run_classes(First, Second)

        self.assertEqual(made, [])
        (error,) = outcome.raised
        self.assertIsInstance(error, ExceptionGroup, outcome.report)
        self.assertIn("was cancelled by something that it had entered", str(outcome.skipped[-1]))


class EnteredTests(unittest.TestCase):
    def test_what_a_generator_is_inside_of(self) -> None:
        """Only what it has entered, not what it knows; innermost things too."""
        first, second, known = (contextlib.nullcontext() for _ in range(3))

        def fixture(parameter: object) -> Iterator[None]:
            with first, second:
                yield

        generator = fixture(known)
        next(generator)

        self.assertEqual([id(x) for x in entered_by(generator)], [id(first), id(second)])
        generator.close()


if __name__ == "__main__":
    unittest.main()
