"""Which waits nobody can end any more, told by what refers to what."""

from __future__ import annotations

import asyncio
import threading
import unittest
import weakref
from collections.abc import Callable
from typing import Any
from unittest import mock

from asynctesting import VirtualEventLoop, _reach
from asynctesting._loop import LazyEventLoop
from asynctesting._reach import beyond_reach
from tests.support import run_python, spin

HELD: list[Any] = []


class ReachTests(unittest.TestCase):
    def setUp(self) -> None:
        # The process of the whole suite holds far more than a user's.
        self.enterContext(mock.patch.object(_reach, "BUDGET", 60.0))

    def stuck(self, start: Callable[[], Any], loop: type[Any] = LazyEventLoop) -> set[str]:
        """Have *start* make tasks; return the names of those that nobody can wake."""
        found: set[str] = set()

        def look(running: Any) -> None:
            tasks = asyncio.all_tasks(running)
            found.update(task.get_name() for task in beyond_reach(running, tasks))
            for task in tasks:
                task.cancel()
            running.call_soon(running.stop)

        with asyncio.Runner(loop_factory=loop) as runner:
            running = runner.get_loop()
            running.call_soon(start)

            async def settle() -> None:
                await spin()

            running.run_until_complete(settle())
            look(running)
            running.run_forever()
        HELD.clear()
        return found

    def task(self, coroutine: Any, name: str) -> None:
        asyncio.get_running_loop().create_task(coroutine, name=name)

    def test_a_future_that_nobody_holds(self) -> None:
        """Beside a task that goes on for ever, on real and on virtual time."""

        async def wait() -> None:
            await asyncio.get_running_loop().create_future()

        async def beat() -> None:
            while True:
                await asyncio.sleep(1)

        def start() -> None:
            self.task(wait(), "waits")
            self.task(beat(), "beats")

        for loop in (LazyEventLoop, VirtualEventLoop):
            with self.subTest(loop=loop.__name__):
                self.assertEqual(self.stuck(start, loop), {"waits"})

    def test_what_waits_for_such_a_task_is_stuck_too(self) -> None:
        """By its end, by gather(), in a group; and not what waits for one that goes on."""

        async def wait() -> None:
            await asyncio.get_running_loop().create_future()

        async def outer() -> None:
            await asyncio.gather(wait(), asyncio.sleep(0))

        async def fine() -> None:
            await asyncio.create_task(asyncio.sleep(60), name="sleeps")

        def start() -> None:
            self.task(outer(), "outer")
            self.task(fine(), "fine")

        found = self.stuck(start)
        self.assertIn("outer", found)
        self.assertFalse({"fine", "sleeps"} & found)

    def test_a_future_that_somebody_holds(self) -> None:
        """A module, also weakly, a timer, the loop, a task that runs, a thread."""
        gate = threading.Event()

        async def wait(future: asyncio.Future[None]) -> None:
            await future

        async def hold(future: asyncio.Future[None]) -> None:
            await asyncio.sleep(60)
            future.set_result(None)

        def work(future: asyncio.Future[None]) -> None:
            gate.wait()
            del future

        def start() -> None:
            loop = asyncio.get_running_loop()
            for holder in ("module", "weak", "timer", "loop", "task", "thread"):
                future: asyncio.Future[None] = loop.create_future()
                self.task(wait(future), holder)
                if holder == "module":
                    HELD.append([{"deep": (future,)}])
                elif holder == "weak":
                    HELD.append(weakref.WeakSet([future]))
                elif holder == "loop":
                    loop.replies = [future]  # type: ignore[attr-defined]
                elif holder == "timer":
                    loop.call_later(60, future.set_result, None)
                elif holder == "task":
                    self.task(hold(future), "holds")
                else:
                    thread = threading.Thread(target=work, args=(future,))
                    thread.start()
                    self.addCleanup(thread.join)
                    self.addCleanup(gate.set)

        self.assertEqual(self.stuck(start), set())

    def test_nothing_is_claimed_of_what_can_not_be_seen(self) -> None:
        """Where the time for the search runs out, and where a proxy stands for something."""

        async def wait() -> None:
            await asyncio.get_running_loop().create_future()

        def start() -> None:
            self.task(wait(), "waits")

        def start_by_proxy() -> None:
            HELD.append(weakref.proxy(self))
            start()

        with mock.patch.object(_reach, "BUDGET", -1.0):
            self.assertEqual(self.stuck(start), set())
        self.assertEqual(self.stuck(start_by_proxy), set())
        self.assertEqual(self.stuck(start), {"waits"})

    def test_what_makes_an_answer_a_likely_one(self) -> None:
        """An extension, by its name; a thread beside this one."""
        program = (
            "import asyncio, threading\n"
            "from asynctesting._reach import doubts\n"
            "assert doubts() == '', doubts()\n"
            "gate = threading.Event()\n"
            "thread = threading.Thread(target=gate.wait)\n"
            "thread.start()\n"
            "assert doubts() == 'of other threads only the variables are seen', doubts()\n"
            "gate.set()\n"
            "thread.join()\n"
            "import uvloop\n"
            "assert doubts() == 'uvloop.loop may hide some from the search', doubts()\n"
        )
        done = run_python(program)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_timeout_is_an_end(self) -> None:
        """It cancels the task, which is in the hands of its timer."""

        async def wait() -> None:
            async with asyncio.timeout(60):
                await asyncio.get_running_loop().create_future()

        self.assertEqual(self.stuck(lambda: self.task(wait(), "waits")), set())
