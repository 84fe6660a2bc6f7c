"""Who waits for whom, told from what asyncio leaves to see."""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import Coroutine
from typing import Any

import anyio

from asynctesting._waits import WaitGraph, frames_of
from tests.support import spin


class WaitCase(unittest.TestCase):
    """Starts tasks, lets them come to rest, and draws them."""

    def draw(self, *starts: Coroutine[Any, Any, Any] | Any, names: str = "abcdefgh") -> WaitGraph:
        async def main() -> WaitGraph:
            tasks = [
                asyncio.create_task(start, name=name)
                for start, name in zip(starts, names, strict=False)
            ]
            await spin()
            graph = WaitGraph(tasks)
            graph.text = "\n".join(graph.lines())  # type: ignore[attr-defined]
            graph.told = [str(wait) for wait in graph.waits.values()]  # type: ignore[attr-defined]
            for task in asyncio.all_tasks() - {asyncio.current_task()}:  # type: ignore[arg-type]
                task.cancel()
            await spin()
            return graph

        return asyncio.run(main())

    def assertTold(self, graph: WaitGraph, *texts: str) -> None:
        self.assertEqual(graph.told, list(texts))  # type: ignore[attr-defined]


class NameTests(WaitCase):
    def test_a_package_that_waits_is_told_by_the_line_that_calls_it(self) -> None:
        """One's own line can be changed, that of an installed package can't."""

        async def own() -> None:
            await anyio.Event().wait()

        (wait,) = self.draw(own()).waits.values()
        self.assertTrue(str(wait.place).endswith("   await anyio.Event().wait()"), wait.place)

    def test_a_lock_has_the_name_of_its_variable(self) -> None:
        """A local one of the code that awaits it."""

        async def take(turnstile: asyncio.Lock) -> None:
            async with turnstile:
                await asyncio.sleep(60)

        lock = asyncio.Lock()
        graph = self.draw(take(lock), take(lock))

        self.assertTold(
            graph,
            "'a' waits for sleep(60)",
            "'b' waits for Lock 'turnstile', held by 'a'",
        )

    def test_an_attribute_is_found_on_the_object(self) -> None:
        """As ``self.queue``, whatever ``self`` is."""

        class Worker:
            def __init__(self) -> None:
                self.queue: asyncio.Queue[int] = asyncio.Queue()

            async def run(self) -> None:
                await self.queue.get()

        self.assertTold(self.draw(Worker().run()), "'a' waits for Queue 'self.queue'")

    def test_an_item_is_found_in_its_container(self) -> None:
        """With its key or number."""

        async def one(events: dict[str, asyncio.Event]) -> None:
            await events["ready"].wait()

        self.assertTold(
            self.draw(one({"ready": asyncio.Event()})), "'a' waits for Event 'events['ready']'"
        )

    def test_a_global_is_found_too(self) -> None:
        """Where the function names it."""

        async def wait() -> None:
            await GATE.wait()

        global GATE
        GATE = asyncio.Event()

        self.assertTold(self.draw(wait()), "'a' waits for Event 'GATE'")

    def test_every_primitive_of_asyncio_is_known(self) -> None:
        """By the method in which the task is."""

        async def conditional(condition: asyncio.Condition) -> None:
            async with condition:
                await condition.wait()

        async def semaphore(slots: asyncio.Semaphore) -> None:
            await slots.acquire()

        async def barrier(start: asyncio.Barrier) -> None:
            await start.wait()

        async def future(reply: asyncio.Future[None]) -> None:
            await reply

        async def full(box: asyncio.Queue[int]) -> None:
            await box.put(1)
            await box.put(2)

        async def main() -> None:
            reply: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            await future(reply)

        self.assertTold(
            self.draw(
                conditional(asyncio.Condition()),
                semaphore(asyncio.Semaphore(0)),
                barrier(asyncio.Barrier(2)),
                main(),
                full(asyncio.Queue(1)),
            ),
            "'a' waits for Condition 'condition'",
            "'b' waits for Semaphore 'slots'",
            "'c' waits for Barrier 'start', to which 1 of 2 have come",
            "'d' waits for a future 'reply'",
            "'e' waits for Queue 'box'",
        )


class TaskTests(WaitCase):
    """What a task waits for is another task."""

    async def sleeper(self) -> None:
        await asyncio.sleep(60)

    def test_a_task_that_is_awaited(self) -> None:
        """It stands below the one that waits."""

        async def main() -> None:
            await asyncio.create_task(self.sleeper(), name="child")

        async def both() -> WaitGraph:
            task = asyncio.create_task(main(), name="parent")
            await spin()
            graph = WaitGraph([task, *(asyncio.all_tasks() - {task, asyncio.current_task()})])  # type: ignore[arg-type]
            lines = graph.lines()
            self.assertEqual(lines[0], "'parent' waits for task 'child'")
            self.assertTrue(lines[2].startswith("└─ 'child' waits for sleep(60)"), lines)
            task.cancel()
            await spin()
            return graph

        asyncio.run(both())

    def test_groups_of_tasks(self) -> None:
        """A task group, gather(), wait(), and a shield."""

        async def group() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.sleeper(), name="one")
                tasks.create_task(self.sleeper(), name="two")

        async def gather() -> None:
            await asyncio.gather(self.sleeper())

        async def wait() -> None:
            await asyncio.wait([asyncio.create_task(self.sleeper())])

        async def shield() -> None:
            await asyncio.shield(asyncio.create_task(self.sleeper(), name="inner"))

        graph = self.draw(group(), gather(), wait(), shield())

        self.assertEqual(
            graph.told[:3],  # type: ignore[attr-defined]
            [
                "'a' waits for TaskGroup with 2 tasks",
                "'b' waits for gather() of 1 task",
                "'c' waits for wait() on 1 task",
            ],
        )
        self.assertIn("'d' waits for", graph.told[3])  # type: ignore[attr-defined]

    def test_a_task_that_could_run(self) -> None:
        """It waits for its turn, and for nobody."""

        async def main() -> None:
            task = asyncio.create_task(self.sleeper(), name="new")
            self.assertEqual(str(WaitGraph([task]).waits[task]), "'new' waits for its next turn")
            task.cancel()

        asyncio.run(main())


class GraphTests(WaitCase):
    def test_a_circle_is_found_and_starred(self) -> None:
        """In the order in which its tasks wait for each other."""

        async def take(first: asyncio.Lock, second: asyncio.Lock) -> None:
            async with first:
                await asyncio.sleep(0)
                async with second:
                    self.fail("both")

        one, two, three = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
        graph = self.draw(take(one, two), take(two, three), take(three, one))

        self.assertEqual([task.get_name() for task in graph.cycle], ["a", "b", "c"])
        self.assertEqual(graph.text.count("*'"), 3)  # type: ignore[attr-defined]
        self.assertEqual(graph.text.count("held by"), 3)  # type: ignore[attr-defined]

    def test_who_waits_for_a_lock_does_not_hold_it(self) -> None:
        """Though the end of its block is on its stack already."""

        async def take(lock: asyncio.Lock) -> None:
            async with lock:
                await asyncio.sleep(60)

        lock = asyncio.Lock()
        graph = self.draw(take(lock), take(lock), take(lock))

        self.assertTold(
            graph,
            "'a' waits for sleep(60)",
            "'b' waits for Lock 'lock', held by 'a'",
            "'c' waits for Lock 'lock', held by 'a'",
        )
        self.assertEqual(graph.cycle, [])

    def test_a_condition_is_not_held_by_who_waits_in_it(self) -> None:
        """Its wait() lets go of the lock, and nobody is to blame."""

        async def wait(condition: asyncio.Condition) -> None:
            async with condition:
                await condition.wait_for(lambda: False)

        condition = asyncio.Condition()
        graph = self.draw(wait(condition), wait(condition))

        self.assertTold(graph, *(f"'{n}' waits for Condition 'condition'" for n in "ab"))
        self.assertEqual(graph.cycle, [])

    def test_a_lock_that_is_taken_twice_is_held_by_the_one_who_waits(self) -> None:
        """Locks of asyncio know no owner, so this is a circle of one."""

        async def twice(lock: asyncio.Lock) -> None:
            async with lock, lock:
                self.fail("both")

        graph = self.draw(twice(asyncio.Lock()))

        self.assertTold(graph, "'a' waits for Lock 'lock', held by itself")
        self.assertEqual([task.get_name() for task in graph.cycle], ["a"])

    def test_of_many_holders_the_first_are_named(self) -> None:
        """A semaphore may have a thousand."""

        async def take(limit: asyncio.Semaphore) -> None:
            async with limit:
                await asyncio.sleep(60)

        limit = asyncio.Semaphore(7)
        graph = self.draw(*(take(limit) for _ in range(8)))

        told = graph.told[-1]  # type: ignore[attr-defined]
        self.assertEqual(
            told, "'h' waits for Semaphore 'limit', held by 'a', 'b', 'c', 'd', 'e' and 2 more"
        )

    def test_a_barrier_says_how_many_have_come(self) -> None:
        """One is missing."""
        barrier = asyncio.Barrier(3)
        graph = self.draw(barrier.wait(), barrier.wait())

        told = [f"'{n}' waits for Barrier, to which 2 of 3 have come" for n in "ab"]
        self.assertTold(graph, *told)

    def test_no_circle_no_star(self) -> None:
        """A chain is none."""
        graph = self.draw(asyncio.sleep(60), asyncio.sleep(60))
        self.assertEqual(graph.cycle, [])
        self.assertNotIn("*", graph.text)  # type: ignore[attr-defined]

    def test_equal_waits_are_folded(self) -> None:
        """Many workers at one line are one line; the first task stands for itself."""

        async def worker() -> None:
            await asyncio.sleep(60)

        graph = self.draw(
            *(worker() for _ in range(6)),
            names=[f"w{n}" for n in range(6)],  # type: ignore[arg-type]
        )

        text = graph.text  # type: ignore[attr-defined]
        self.assertIn("(and 4 more there)", text)
        self.assertLess(len(text.splitlines()), 10)

    def test_long_trees_are_cut(self) -> None:
        """The last line says how much is missing."""

        async def chain(depth: int) -> None:
            if depth:
                await asyncio.create_task(chain(depth - 1))
            else:
                await asyncio.sleep(60)

        async def main() -> None:
            top = asyncio.create_task(chain(50))
            await spin(60)
            graph = WaitGraph([top, *(asyncio.all_tasks() - {top, asyncio.current_task()})])  # type: ignore[arg-type]
            lines = graph.lines(limit=20)
            self.assertEqual(len(lines), 21)
            self.assertRegex(lines[-1], r"\.\.\. and \d+ lines more")
            top.cancel()
            await spin(60)

        asyncio.run(main())

    def test_frames_go_down_to_the_innermost(self) -> None:
        """Through coroutines, generators and async generators."""

        async def ticks() -> Any:
            await asyncio.sleep(60)
            yield 1

        async def main() -> None:
            async for _ in ticks():
                pass

        async def look() -> None:
            task = asyncio.create_task(main())
            await spin()
            names = [frame.f_code.co_name for frame in frames_of(task.get_coro())]
            self.assertEqual(names, ["main", "ticks", "sleep"])
            task.cancel()
            await spin()

        asyncio.run(look())


if __name__ == "__main__":
    unittest.main()
