"""The flight recorder: what a loop remembers of the steps of its tasks, and what that costs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import time
import unittest
import weakref
from collections.abc import Callable, Coroutine
from typing import Any
from unittest import mock

from asynctesting import AsyncTestCase, DeadlockError, VirtualEventLoop, _recorder
from asynctesting._loop import LazyEventLoop
from asynctesting._recorder import GAVE_WAY, MADE, STEPS, Step, made_at
from asynctesting._virtual_loop import VirtualLoopOfTest
from tests.support import alone_in_process, run_all, run_case, settings, spin


class RecorderCase(unittest.TestCase):
    def record(
        self,
        main: Callable[[], Coroutine[Any, Any, Any]],
        loop: type[LazyEventLoop] = LazyEventLoop,
        **settings: bool,
    ) -> list[Step]:
        """Run *main* as a task named so on a fresh loop, and return the steps."""
        with asyncio.Runner(loop_factory=loop, **settings) as runner:
            runner.get_loop()

            async def body() -> None:
                task = asyncio.current_task()
                assert task is not None
                task.set_name("main")
                await main()

            runner.run(body())
            steps = runner.get_loop().steps()  # type: ignore[attr-defined]
        self.assertEqual([s.number for s in steps], sorted({s.number for s in steps}))
        return steps

    def of(self, steps: list[Step], name: str) -> list[Step]:
        """Return the steps of one task, whatever it was called when it was made."""
        ids = {step.task for step in steps if step.name == name}
        return [step for step in steps if step.task in ids]

    def source(self, step: Step, level: int = 0) -> str:
        """Return the text of the line of one frame of a step."""
        import linecache

        code, line = step.lines()[level]
        return linecache.getline(code.co_filename, line).strip()


class StepTests(RecorderCase):
    def test_a_wait_is_noted_when_it_ends(self) -> None:
        """With what was waited for, the line, and who has ended it."""
        future: asyncio.Future[None]

        async def main() -> None:
            nonlocal future
            future = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(waiter(), name="waiter")
            await spin(1)
            future.set_result(None)
            await task

        async def waiter() -> None:
            await future

        steps = self.record(main)
        made, woken = self.of(steps, "waiter")
        main_id = self.of(steps, "main")[0].task
        self.assertEqual((made.waited, made.waker), (MADE, main_id))
        self.assertEqual((woken.waited, woken.waker), (id(future), main_id))
        self.assertEqual(self.source(woken), "await future")
        self.assertIn("create_task(waiter()", self.source(made))

    def test_who_awaits_a_task_is_woken_by_the_tasks_own_number(self) -> None:
        """So a picture can draw the arrow from the one to the other."""

        async def main() -> None:
            await asyncio.create_task(asyncio.sleep(0), name="inner")

        steps = self.record(main)
        last = self.of(steps, "main")[-1]
        inner = self.of(steps, "inner")[0].task
        self.assertEqual(last.waited, inner)
        self.assertEqual(last.waker, inner)

    def test_a_timer_wakes_without_a_task(self) -> None:
        """On real and on virtual time, where the reading of the clock is noted, too."""

        async def main() -> None:
            await asyncio.sleep(0.001)

        for loop, virtual in ((LazyEventLoop, False), (VirtualLoopOfTest, True)):
            with self.subTest(loop=loop.__name__):
                step = self.of(self.record(main, loop), "main")[-1]
                self.assertIsNone(step.waker)
                self.assertEqual([code.co_name for code, _ in step.lines()][-1], "sleep")
                self.assertIs(step.virtual is not None, virtual)

    def test_a_virtual_loop_without_a_test_notes_nothing(self) -> None:
        """Each step would cost a third more, and nobody would read of it."""
        steps = self.record(lambda: asyncio.sleep(1), VirtualEventLoop, debug=False)

        self.assertEqual(steps, [])

    def test_the_reading_of_a_virtual_clock(self) -> None:
        """It stands beside the real one, which hardly moves."""
        started = 0.0

        async def main() -> None:
            nonlocal started
            started = asyncio.get_running_loop().time()
            await asyncio.sleep(3600)

        step = self.of(self.record(main, VirtualLoopOfTest), "main")[-1]
        self.assertEqual(step.virtual, started + 3600)
        self.assertLess(abs(step.real - time.monotonic()), 60)

    def test_to_give_way_is_no_wait(self) -> None:
        """A bare yield is told from the first step by who runs."""

        async def main() -> None:
            await asyncio.sleep(0)

        steps = self.of(self.record(main), "main")
        self.assertEqual([step.waited for step in steps], [MADE, GAVE_WAY])
        self.assertEqual(self.source(steps[1]), "await asyncio.sleep(0)")

    def test_a_wait_is_told_from_the_users_innermost_line_on(self) -> None:
        """What has led to that is not kept; what it calls of the library says what is awaited."""

        async def dive(depth: int) -> None:
            if depth:
                await dive(depth - 1)
            else:
                await asyncio.Queue[int]().join()
                await asyncio.wait_for(asyncio.sleep(0), 5)

        async def main() -> None:
            await dive(50)

        step = self.of(self.record(main), "main")[-1]
        self.assertEqual(step.lines()[0][0].co_name, "dive")
        self.assertEqual(self.source(step), "await asyncio.wait_for(asyncio.sleep(0), 5)")
        self.assertIn(step.lines()[1][0].co_name, ("wait_for", "__aexit__"))

    def test_a_wait_below_several_methods_of_the_library(self) -> None:
        """They are told outermost first, each by its code."""

        async def main() -> None:
            lock = asyncio.Lock()
            await lock.acquire()
            asyncio.get_running_loop().call_soon(lock.release)
            async with lock:
                pass

        step = self.of(self.record(main), "main")[-1]
        names = [code.co_name for code, _ in step.lines()]
        self.assertEqual(names, ["main", "__aenter__", "acquire"])
        self.assertEqual(self.source(step), "async with lock:")

    def test_the_line_is_right_wherever_the_task_goes(self) -> None:
        """Deeper, back, out of what has raised, and into what it has been in before."""

        async def leaf() -> None:
            await asyncio.sleep(0)  # leaf

        async def branch(again: bool) -> None:
            await asyncio.sleep(0)  # branch
            await leaf()
            await asyncio.sleep(0)  # branch, later
            if again:
                await branch(False)
            raise LookupError

        async def main() -> None:
            await leaf()
            for again in (True, False):
                with contextlib.suppress(LookupError):
                    await branch(again)
                await asyncio.sleep(0)  # main

        steps = self.of(self.record(main), "main")[1:]
        found = [self.source(step).partition("# ")[2] for step in steps]
        branch_ = ["branch", "leaf", "branch, later"]
        self.assertEqual(found, ["leaf", *branch_, *branch_, "main", *branch_, "main"])

    def test_how_deep_a_task_waits_costs_nothing(self) -> None:
        """Only those frames are looked at that it has entered or left since it last waited."""
        looked_at: list[str] = []

        class Counting(dict[str, bool]):
            def __getitem__(self, file: str) -> bool:
                looked_at.append(file)
                return plumbing[file]

        plumbing = _recorder._is_plumbing
        counts: list[int] = []

        async def dive(depth: int) -> None:
            if depth:
                await dive(depth - 1)
                return
            for _ in range(3):
                await asyncio.sleep(0)
                counts.append(len(looked_at))
                looked_at.clear()

        with mock.patch.object(_recorder, "_is_plumbing", Counting()):
            self.record(lambda: dive(50))
        self.assertGreater(counts[0], 50)
        self.assertEqual(counts[1:], [1, 1])

    def test_what_is_no_coroutine_of_pythons_is_noted_without_a_line(self) -> None:
        """An object does for a task, too, and a coroutine may be closed under its task."""

        class Steps(Coroutine[Any, Any, None]):
            left = 3

            def send(self, value: Any) -> None:
                self.left -= 1
                if not self.left:
                    raise StopIteration

            def throw(self, *error: Any) -> None: ...

            def __await__(self) -> Any: ...

        async def main() -> None:
            await asyncio.create_task(Steps(), name="another")
            closed = asyncio.create_task(asyncio.Event().wait(), name="closed")
            await spin(1)
            coroutine: Any = closed.get_coro()
            coroutine.close()
            closed.cancel()
            with self.assertRaises(RuntimeError):
                await closed

        steps = self.record(main)
        waits = [s for n in ("another", "closed") for s in self.of(steps, n) if s.waited != MADE]
        self.assertEqual([step.lines() for step in waits], [[]] * len(waits))
        self.assertGreaterEqual(len(waits), 2)

    @unittest.skipIf(sys.version_info < (3, 12), "there are no eager tasks before 3.12")
    def test_an_eager_task_is_noted_from_its_second_step_on(self) -> None:
        """The first one ran before anybody was told, so nobody knows what line has made it."""

        async def eager() -> None:
            await asyncio.sleep(0)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            task = asyncio.Task(eager(), loop=loop, name="eager", eager_start=True)  # type: ignore[call-arg]
            await task
            self.assertIsNone(made_at(task))

        (step,) = self.of(self.record(main, debug=False), "eager")
        self.assertEqual(self.source(step), "await asyncio.sleep(0)")

    def test_a_cancelled_wait_ends_by_the_one_who_cancels(self) -> None:
        """And cancel() itself, called by the loop, is no step."""

        async def main() -> None:
            task = asyncio.create_task(asyncio.Event().wait(), name="waiter")
            await spin(1)
            asyncio.get_running_loop().call_soon(task.cancel)
            await asyncio.wait([task])

        steps = self.of(self.record(main), "waiter")
        self.assertEqual((len(steps), steps[0].waited), (2, MADE))

    def test_debug_mode_records_the_same(self) -> None:
        """And asyncio's own note of who called shows no frame of ours."""

        async def main() -> None:
            handle = asyncio.get_running_loop().call_soon(print)
            handle.cancel()
            trace = handle._source_traceback  # type: ignore[attr-defined]
            self.assertEqual(trace[-1].name, "main")
            await asyncio.sleep(0)

        steps = self.of(self.record(main, debug=True), "main")
        self.assertEqual([step.waited for step in steps], [MADE, GAVE_WAY])

    def test_the_ring_forgets_the_oldest(self) -> None:
        """So a long test costs no more memory than a short one."""

        async def main() -> None:
            for _ in range(STEPS):
                await asyncio.sleep(0)

        steps = self.record(main)
        self.assertEqual(len(steps), STEPS)
        self.assertNotIn(MADE, [step.waited for step in self.of(steps, "main")])

    def test_nothing_is_kept_alive(self) -> None:
        """A task, its result and the locals of its frames are gone when the test lets them go."""

        class Thing: ...

        died: list[bool] = []

        async def work(thing: Thing) -> Thing:
            await asyncio.sleep(0)
            return thing

        async def main() -> None:
            thing = Thing()
            gone = weakref.ref(thing)
            task = asyncio.create_task(work(thing))
            del thing
            await task
            there = weakref.ref(task)
            del task
            await spin(1)  # the handle that has woken us has it, too
            gc.collect()
            died.extend([gone() is None, there() is None])

        self.record(main)
        self.assertEqual(died, [True, True])

    def test_a_task_keeps_no_locals_of_what_has_ended(self) -> None:
        """Though it may have been the innermost that was seen."""

        class Thing: ...

        died: list[bool] = []

        async def use() -> weakref.ref[Thing]:
            thing = Thing()
            await asyncio.sleep(0)
            return weakref.ref(thing)

        async def main() -> None:
            gone = await use()
            died.append(gone() is None)

        self.record(main)
        self.assertEqual(died, [True])


class SharedLoopTests(unittest.TestCase):
    def test_a_test_on_a_shared_loop_is_told_its_own_steps(self) -> None:
        """Those of the tests before it would only be in the way."""

        class Case(AsyncTestCase):
            loop_scope = "class"

            async def test_1(self) -> None:
                await asyncio.create_task(asyncio.sleep(0), name="of the first test")

            async def test_2(self) -> None:
                await asyncio.create_task(asyncio.sleep(0), name="of the second test")
                await asyncio.get_running_loop().create_future()

        with settings({}), alone_in_process():
            result = run_all(Case)
        (error,) = result.raised
        self.assertIsInstance(error, DeadlockError)
        self.assertIn("'of the second test'", str(error))
        self.assertNotIn("of the first test", str(error))


class MadeAtTests(RecorderCase):
    def made(self, *, debug: bool = False, loop: Any = LazyEventLoop) -> dict[str, str]:
        """Make tasks in every way there is; return the line of each by its name."""
        found: dict[str, str] = {}

        async def main() -> None:
            nap = asyncio.sleep
            plain = asyncio.create_task(nap(0), name="plain")
            ensured = asyncio.ensure_future(nap(0))
            ensured.set_name("ensured")
            own = asyncio.get_running_loop().create_task(nap(0), name="own")
            async with asyncio.TaskGroup() as group:
                grouped = group.create_task(nap(0), name="grouped")
            gathering = asyncio.gather(nap(0))  # gathered
            (gathered,) = asyncio.all_tasks() - {asyncio.current_task(), plain, ensured, own}  # type: ignore[arg-type]
            gathered.set_name("gathered")
            for task in (plain, ensured, own, grouped, gathered):
                place = made_at(task)
                found[task.get_name()] = "?" if place is None else str(place).partition("   ")[2]
            await gathering

        with asyncio.Runner(loop_factory=loop, debug=debug) as runner:
            runner.run(main())
        return found

    def test_the_line_of_every_way_to_make_a_task(self) -> None:
        """Even where its coroutine is of the standard library and has no line of the user's."""
        for debug in (False, True):
            with self.subTest(debug=debug):
                self.assertEqual(
                    self.made(debug=debug),
                    {
                        "plain": 'plain = asyncio.create_task(nap(0), name="plain")',
                        "ensured": "ensured = asyncio.ensure_future(nap(0))",
                        "own": 'own = asyncio.get_running_loop().create_task(nap(0), name="own")',
                        "grouped": 'grouped = group.create_task(nap(0), name="grouped")',
                        "gathered": "gathering = asyncio.gather(nap(0))  # gathered",
                    },
                )

    def test_on_another_loop_it_is_not_known(self) -> None:
        """Unless its debug mode has noted it."""
        stock = asyncio.SelectorEventLoop
        self.assertEqual(set(self.made(loop=stock).values()), {"?"})
        self.assertEqual(self.made(loop=stock), dict.fromkeys(self.made(), "?"))
        self.assertEqual(self.made(loop=stock, debug=True), self.made())

    def test_in_a_case(self) -> None:
        """Whatever its clock."""
        places: list[Any] = []

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                task = asyncio.create_task(asyncio.sleep(0))
                places.append(made_at(task))
                await task

        self.assertEqual(run_case(Case).report, "")
        self.assertEqual(places[0].function.rpartition(".")[2], "test_it")
