"""What is entered in one phase and governs the next: task groups, timeouts, cancel scopes.

All phases run in one task, so such a holder may be entered in set-up and left in a cleanup. Where
it cancels the test, it gets that cancellation back at its exit, and its own error is the one that
the result is told, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import unittest
from typing import Any

import anyio

from asynctesting import AsyncTestCase
from tests.support import OutcomeAssertions, run_case, spin

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def crash() -> None:
    raise ValueError("boom")


class GroupTests(OutcomeAssertions):
    """``asyncio.TaskGroup`` through ``enterAsyncContext``."""

    def check_one_crash(self, case: Any) -> None:
        """Check that the run tells one error: the group's, with the child's inside."""
        error = self.assertFailsWith(run_case(case), ExceptionGroup)
        self.assertEqual([str(inner) for inner in error.exceptions], ["boom"])

    def test_children_live_through_the_test_and_are_awaited(self) -> None:
        """The group is left after the test, and waits for its children then."""
        log = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.group = await self.enterAsyncContext(asyncio.TaskGroup())
                self.group.create_task(self.child())

            async def child(self) -> None:
                await asyncio.sleep(0.001)
                log.append("child")

            async def test_it(self) -> None:
                log.append("test")

        self.assertPassed(run_case(Case))
        self.assertEqual(log, ["test", "child"])

    def test_a_child_that_crashes_while_the_test_waits(self) -> None:
        """The test is cancelled where it waits; its finally blocks and the teardown run."""
        log = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.group = await self.enterAsyncContext(asyncio.TaskGroup())

            async def test_it(self) -> None:
                self.group.create_task(crash())
                try:
                    await asyncio.sleep(30)
                    log.append("not reached")
                finally:
                    log.append("finally")

            async def asyncTearDown(self) -> None:
                await asyncio.sleep(0)
                log.append("teardown")

            def tearDown(self) -> None:
                log.append("sync teardown")

        self.check_one_crash(Case)
        self.assertEqual(log, ["finally", "teardown", "sync teardown"])

    def test_a_child_that_crashes_in_set_up(self) -> None:
        """The rest of the set-up, the test and the teardown are left out, as after any error."""
        log = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                group = await self.enterAsyncContext(asyncio.TaskGroup())
                group.create_task(crash())
                await asyncio.sleep(30)
                log.append("rest of set-up")

            async def test_it(self) -> None:
                log.append("test")

            async def asyncTearDown(self) -> None:
                log.append("teardown")

        self.check_one_crash(Case)
        self.assertEqual(log, [])

    def test_a_child_that_crashes_between_set_up_and_test(self) -> None:
        """The cancellation reaches the test at its first await."""
        log = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                group = await self.enterAsyncContext(asyncio.TaskGroup())
                group.create_task(crash())

            async def test_it(self) -> None:
                log.append("begun")
                await asyncio.sleep(30)
                log.append("not reached")

        self.check_one_crash(Case)
        self.assertEqual(log, ["begun"])

    def test_a_child_that_crashes_while_the_test_does_not_await(self) -> None:
        """Noticed only when the group is left."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                group = await self.enterAsyncContext(asyncio.TaskGroup())
                group.create_task(crash())

            async def test_it(self) -> None: ...

        class Sync(Case):
            def test_it(self) -> None: ...  # type: ignore[override]

        for case in (Case, Sync):
            with self.subTest(case.__name__):
                self.check_one_crash(case)

    def test_a_child_that_crashes_in_the_teardown(self) -> None:
        """The teardown is cancelled, the cleanups run, and the group says why."""
        log = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.group = await self.enterAsyncContext(asyncio.TaskGroup())
                self.addCleanup(log.append, "cleanup")

            async def test_it(self) -> None: ...

            async def asyncTearDown(self) -> None:
                self.group.create_task(crash())
                await asyncio.sleep(30)
                log.append("not reached")

        self.check_one_crash(Case)
        self.assertEqual(log, ["cleanup"])

    def test_a_child_that_crashes_in_a_later_cleanup(self) -> None:
        """A cleanup that runs before the group is left is cancelled by it."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.group = await self.enterAsyncContext(asyncio.TaskGroup())

            async def test_it(self) -> None:
                self.addAsyncCleanup(asyncio.sleep, 30)
                self.addCleanup(lambda: self.group.create_task(crash()) and None)

        self.check_one_crash(Case)

    def test_a_group_entered_in_the_test(self) -> None:
        """enterAsyncContext() works in the test itself, too."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                group = await self.enterAsyncContext(asyncio.TaskGroup())
                group.create_task(crash())
                await asyncio.sleep(30)

        self.check_one_crash(Case)

    def test_a_failing_test_beside_a_healthy_group(self) -> None:
        """The test's own failure is told alone."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                await self.enterAsyncContext(asyncio.TaskGroup())

            async def test_it(self) -> None:
                self.fail("on its own")

        self.assertFailsWith(run_case(Case), AssertionError, "on its own")

    def test_a_test_that_fails_and_a_child_that_crashes(self) -> None:
        """Both are told; neither hides the other."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.group = await self.enterAsyncContext(asyncio.TaskGroup())

            async def test_it(self) -> None:
                self.group.create_task(crash())
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    self.fail("instead")

        outcome = run_case(Case)

        self.assertEqual([type(e) for e in outcome.raised], [AssertionError, ExceptionGroup])

    def test_nested_groups(self) -> None:
        """The one whose child crashed says so; the outer one is left in peace."""

        class Case(AsyncTestCase):
            crash_in: str

            async def asyncSetUp(self) -> None:
                self.groups = {
                    "outer": await self.enterAsyncContext(asyncio.TaskGroup()),
                    "inner": await self.enterAsyncContext(asyncio.TaskGroup()),
                }

            async def test_it(self) -> None:
                self.groups[self.crash_in].create_task(crash())
                await asyncio.sleep(30)

        for crash_in in ("outer", "inner"):
            with self.subTest(crash_in):
                self.check_one_crash(type("Case", (Case,), {"crash_in": crash_in}))

    def test_a_group_in_an_exit_stack(self) -> None:
        """The stack of contextlib hands the cancellation on to what it holds."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                stack = await self.enterAsyncContext(contextlib.AsyncExitStack())
                self.group = await stack.enter_async_context(asyncio.TaskGroup())

            async def test_it(self) -> None:
                self.group.create_task(crash())
                await asyncio.sleep(30)

        self.check_one_crash(Case)

    def test_a_group_in_an_async_context_manager_of_the_users(self) -> None:
        """As fixtures are mostly written."""

        @contextlib.asynccontextmanager
        async def service() -> Any:
            async with asyncio.TaskGroup() as group:
                yield group

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.group = await self.enterAsyncContext(service())

            async def test_it(self) -> None:
                self.group.create_task(crash())
                await asyncio.sleep(30)

        self.check_one_crash(Case)

    def test_an_expected_failure_by_a_crash(self) -> None:
        """The test did not do what it should, so it is no success of any kind."""

        class Case(AsyncTestCase):
            @unittest.expectedFailure
            async def test_it(self) -> None:
                group = await self.enterAsyncContext(asyncio.TaskGroup())
                group.create_task(crash())
                await asyncio.sleep(30)

        outcome = run_case(Case)

        self.assertNotIn("addUnexpectedSuccess", outcome.calls)
        self.assertNotIn("addSuccess", outcome.calls)

    def test_a_cancellation_that_the_test_answers_itself(self) -> None:
        """A group inside the test is the test's own affair."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                with self.assertRaises(ExceptionGroup):
                    async with asyncio.TaskGroup() as group:
                        group.create_task(crash())
                        await asyncio.sleep(30)
                await spin()

        self.assertPassed(run_case(Case))


class TimeoutTests(OutcomeAssertions):
    """``asyncio.timeout`` entered in set-up."""

    def test_it_fires_in_the_test(self) -> None:
        """Stock enters it in a task of its own, where it never fires."""
        log = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                await self.enterAsyncContext(asyncio.timeout(0.01))

            async def test_it(self) -> None:
                try:
                    await asyncio.sleep(30)
                finally:
                    log.append("finally")

            async def asyncTearDown(self) -> None:
                await asyncio.sleep(0)
                log.append("teardown")

        self.assertFailsWith(run_case(Case), TimeoutError)
        self.assertEqual(log, ["finally", "teardown"])

    def test_it_does_not_fire_in_time(self) -> None:
        """Nothing is left of it afterwards."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.limit = await self.enterAsyncContext(asyncio.timeout(30))

            async def test_it(self) -> None:
                await asyncio.sleep(0)
                self.limit.reschedule(self.loop.time() + 60)

        self.assertPassed(run_case(Case))

    def test_it_fires_in_set_up(self) -> None:
        """The error is told once, and the test does not run."""
        log = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                await self.enterAsyncContext(asyncio.timeout(0.001))
                await asyncio.sleep(30)

            async def test_it(self) -> None:
                log.append("test")

        self.assertFailsWith(run_case(Case), TimeoutError)
        self.assertEqual(log, [])

    def test_nested_timeouts(self) -> None:
        """The first to run out is the one that is told."""
        for outer, inner in ((0.005, 30), (30, 0.005)):
            with self.subTest(outer=outer, inner=inner):

                class Case(AsyncTestCase):
                    limits = (outer, inner)

                    async def asyncSetUp(self) -> None:
                        for limit in self.limits:
                            await self.enterAsyncContext(asyncio.timeout(limit))

                    async def test_it(self) -> None:
                        await asyncio.sleep(30)

                self.assertFailsWith(run_case(Case), TimeoutError)

    def test_a_timeout_around_a_group(self) -> None:
        """The group's children are cancelled, and the timeout says why."""
        log = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                await self.enterAsyncContext(asyncio.timeout(0.005))
                group = await self.enterAsyncContext(asyncio.TaskGroup())
                group.create_task(self.child())

            async def child(self) -> None:
                try:
                    await asyncio.sleep(30)
                finally:
                    log.append("child ended")

            async def test_it(self) -> None:
                await asyncio.sleep(30)

        self.assertFailsWith(run_case(Case), TimeoutError)
        self.assertEqual(log, ["child ended"])


class CancelScopeTests(OutcomeAssertions):
    """``anyio.CancelScope`` is a sync context manager, bound to its task."""

    def test_a_scope_entered_in_set_up_is_left_in_its_task(self) -> None:
        """anyio refuses to leave it anywhere else."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.scope = self.enterContext(anyio.CancelScope())

            async def test_it(self) -> None:
                await anyio.sleep(0)

        self.assertPassed(run_case(Case))

    def test_a_scope_that_is_cancelled_ends_the_test(self) -> None:
        """Nobody says why, so that the test could pass: a note tells what has happened."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.scope = self.enterContext(anyio.CancelScope())

            async def test_it(self) -> None:
                self.scope.cancel()
                await anyio.sleep(30)

        self.assertFailsWith(
            run_case(Case), asyncio.CancelledError, "was cancelled by something that was entered"
        )

    def test_a_scope_that_is_cancelled_between_phases(self) -> None:
        """The test is ended at its first await, and its shielded part is left in peace."""
        log = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.scope = self.enterContext(anyio.CancelScope())
                self.scope.cancel()

            async def test_it(self) -> None:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.001)
                    log.append("shielded")
                await anyio.sleep(30)
                log.append("not reached")

        self.assertFailsWith(run_case(Case), asyncio.CancelledError)
        self.assertEqual(log, ["shielded"])

    def test_fail_after_in_set_up(self) -> None:
        """It fires in the test, as TimeoutError."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.enterContext(anyio.fail_after(0.01))

            async def test_it(self) -> None:
                await anyio.sleep(30)

        self.assertFailsWith(run_case(Case), TimeoutError)

    def test_a_task_group_of_anyio(self) -> None:
        """As with asyncio's: one error, the group's."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.group = await self.enterAsyncContext(anyio.create_task_group())

            async def test_it(self) -> None:
                self.group.start_soon(crash)
                await anyio.sleep(30)

        error = self.assertFailsWith(run_case(Case), ExceptionGroup)
        self.assertEqual([str(inner) for inner in error.exceptions], ["boom"])

    def test_a_healthy_task_group_of_anyio(self) -> None:
        """Cancelled in the teardown, as its users do."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.group = await self.enterAsyncContext(anyio.create_task_group())
                self.group.start_soon(anyio.sleep_forever)

            async def test_it(self) -> None:
                await anyio.sleep(0)

            async def asyncTearDown(self) -> None:
                self.group.cancel_scope.cancel()

        self.assertPassed(run_case(Case))


class SyncContextTests(OutcomeAssertions):
    def test_enter_context_in_sync_and_async_phases(self) -> None:
        """Each is left after the test, last in, first out, whatever phase has entered it."""
        log = []

        @contextlib.contextmanager
        def noting(name: str) -> Any:
            log.append(f"enter {name}")
            yield name
            log.append(f"exit {name}")

        class Case(AsyncTestCase):
            def setUp(self) -> None:
                self.assertEqual(self.enterContext(noting("sync")), "sync")

            async def asyncSetUp(self) -> None:
                self.assertEqual(self.enterContext(noting("async")), "async")

            async def test_it(self) -> None:
                log.append("test")

        self.assertPassed(run_case(Case))
        self.assertEqual(log, ["enter sync", "enter async", "test", "exit async", "exit sync"])

    def test_enter_context_refuses_other_objects(self) -> None:
        """Also in the test's task, where it takes another way."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.enterContext(contextlib.AsyncExitStack())  # type: ignore[arg-type]

        self.assertFailsWith(
            run_case(Case), TypeError, "does not support the context manager protocol"
        )

    def test_a_context_manager_that_resets_a_variable(self) -> None:
        """One context for all phases: a token of set-up is valid in the cleanup."""

        @contextlib.contextmanager
        def setting(value: str) -> Any:
            token = variable.set(value)
            yield
            variable.reset(token)

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.enterContext(setting("in the test"))

            async def test_it(self) -> None:
                self.assertEqual(variable.get(), "in the test")
                self.addCleanup(lambda: self.assertEqual(variable.get(), "in the test"))

        self.assertPassed(run_case(Case))
        self.assertEqual(variable.get(), "unset")


class BetweenPhasesTests(OutcomeAssertions):
    """A cancellation that arrives while no phase runs is not lost."""

    def test_it_reaches_the_test(self) -> None:
        """Asked for in the last moment of set-up."""
        log = []

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                task = asyncio.current_task()
                assert task is not None
                self.loop.call_soon(task.cancel)

            async def test_it(self) -> None:
                log.append("begun")
                await asyncio.sleep(30)
                log.append("not reached")

            async def asyncTearDown(self) -> None:
                log.append("teardown")

        self.assertFailsWith(run_case(Case), asyncio.CancelledError)
        self.assertEqual(log, ["begun", "teardown"])

    def test_it_reaches_the_teardown(self) -> None:
        """Asked for in the last moment of the test; the cleanups run all the same."""
        log = []

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.addCleanup(log.append, "cleanup")
                task = asyncio.current_task()
                assert task is not None
                self.loop.call_soon(task.cancel)

            async def asyncTearDown(self) -> None:
                log.append("begun")
                await asyncio.sleep(30)
                log.append("not reached")

        self.assertFailsWith(run_case(Case), asyncio.CancelledError)
        self.assertEqual(log, ["begun", "cleanup"])

    def test_one_that_was_taken_back_reaches_nobody(self) -> None:
        """uncancel() by whoever asked for it."""

        class Case(AsyncTestCase):
            async def asyncSetUp(self) -> None:
                task = asyncio.current_task()
                assert task is not None
                self.loop.call_soon(task.cancel)
                self.loop.call_soon(task.uncancel)

            async def test_it(self) -> None:
                await asyncio.sleep(0)

        self.assertPassed(run_case(Case))

    def test_a_caught_cancellation_counts_no_longer(self) -> None:
        """A test that cancels itself, catches it and takes it back goes on as before."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    task.uncancel()
                self.assertEqual(task.cancelling(), 0)

            async def asyncTearDown(self) -> None:
                await asyncio.sleep(0)

        self.assertPassed(run_case(Case))
