"""Findings to text: the line of the user's code, folded lists, short paths."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import threading
import types
import unittest
import weakref
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import asynctesting
from asynctesting import _report
from asynctesting._report import Place

HERE = str(Path(__file__).resolve())


def line_of(text: str) -> int:
    """Return the number of the one line in this file that ends with the comment *text*."""
    lines = Path(HERE).read_text(encoding="utf-8").splitlines()
    [number] = [n for n, line in enumerate(lines, 1) if line.endswith(f"# {text}")]
    return number


async def inner(gate: asyncio.Event) -> None:
    await gate.wait()  # inner line


async def outer(gate: asyncio.Event) -> None:
    await inner(gate)


@types.coroutine
def by_generator(future: asyncio.Future[None]) -> Generator[Any, None, None]:
    yield from future  # generator line


async def endless(gate: asyncio.Event) -> AsyncIterator[None]:
    await gate.wait()  # async generator line
    yield


async def consume(gate: asyncio.Event) -> None:
    async for _ in endless(gate):
        pass


@contextlib.asynccontextmanager
async def waiting(*coroutines: Any) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Start tasks, let them come to their wait, and cancel them at the end."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    for _ in range(3):
        await asyncio.sleep(0)
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class PlaceTests(unittest.TestCase):
    def test_it_shows_the_source(self) -> None:
        """File, line and what stands there, with the path as one would type it here."""
        number = line_of("inner line")

        text = str(Place(HERE, number, "inner"))

        self.assertEqual(
            text, f"{_report.short_path(HERE)}:{number}   await gate.wait()  # inner line"
        )

    def test_without_source_it_names_the_function(self) -> None:
        """Code from ``exec`` or a C extension has no line to show."""
        self.assertEqual(str(Place("<made up>", 3, "f")), "<made up>:3 in f")

    def test_paths_below_the_current_folder_are_short(self) -> None:
        """What lies elsewhere keeps its full path, which is shorter than dots."""
        inside = os.path.join(os.getcwd(), "suite", "test_x.py")
        outside = os.path.join(os.path.dirname(os.getcwd()), "elsewhere.py")

        self.assertEqual(_report.short_path(inside), os.path.join("suite", "test_x.py"))
        self.assertEqual(_report.short_path(outside), outside)


class PlumbingTests(unittest.TestCase):
    def test_library_and_ours_are_plumbing(self) -> None:
        """Nobody looks for their bug there."""
        for file in (asyncio.tasks.__file__, unittest.__file__, asynctesting.__file__):
            self.assertTrue(_report.is_plumbing(file), file)
        self.assertTrue(_report.is_plumbing("<frozen importlib._bootstrap>"))

    def test_tests_and_installed_packages_are_not(self) -> None:
        """A line in an installed package may well be where a test waits."""
        library = os.path.dirname(os.__file__)
        installed = os.path.join(library, "site-packages", "aiohttp", "client.py")

        self.assertFalse(_report.is_plumbing(HERE))
        self.assertFalse(_report.is_plumbing(installed))
        self.assertFalse(_report.is_plumbing("<string>"))


class InnermostTests(unittest.TestCase):
    def place(self, *files: str) -> str:
        code = compile("", "", "exec")
        found = _report.innermost_user_place((code.replace(co_filename=f), 1) for f in files)
        return "" if found is None else os.path.basename(found.file)

    def test_what_is_installed_gives_way_to_what_is_not(self) -> None:
        """The line that one would change is where one's own code calls a package."""
        installed = os.path.join(os.sep, "venv", "site-packages", "aiohttp", "client.py")
        library = asyncio.tasks.__file__

        self.assertEqual(self.place("test.py", "own.py", installed, library), "own.py")
        self.assertEqual(self.place(installed, "own.py", installed), "own.py")
        self.assertEqual(self.place(installed, library), "client.py")
        self.assertEqual(self.place(library), "")


class WaitingPlaceTests(unittest.IsolatedAsyncioTestCase):
    """Run on the stock case: what is under test here is what ours reports with."""

    async def test_the_innermost_line_of_the_user(self) -> None:
        """Below it stand asyncio's own frames, which say less."""
        async with waiting(outer(asyncio.Event())) as [task]:
            place = _report.waiting_place(task)

        self.assertEqual(place, Place(HERE, line_of("inner line"), "inner"))

    async def test_generators_are_walked(self) -> None:
        """A coroutine made of a generator, and an async generator, are followed inside."""
        future = asyncio.get_running_loop().create_future()
        gate = asyncio.Event()

        async with waiting(by_generator(future), consume(gate)) as [old, new]:
            places = [_report.waiting_place(old), _report.waiting_place(new)]

        expected = [line_of("generator line"), line_of("async generator line")]
        self.assertEqual([place.line for place in places if place], expected)

    async def test_a_task_in_library_code_alone_has_no_place(self) -> None:
        """Then the name of its coroutine is all there is to tell."""
        async with waiting(asyncio.sleep(60)) as [task]:
            task.set_name("nap")

            self.assertIsNone(_report.waiting_place(task))
            self.assertEqual(_report.describe_tasks([task]), ["'nap' waits at  sleep()"])

    async def test_no_frame_is_kept(self) -> None:
        """A report that kept frames would keep their locals alive, and leak itself."""

        class Big:
            pass

        async def hold(gate: asyncio.Event) -> None:
            big = Big()
            alive.append(weakref.ref(big))
            await gate.wait()

        alive: list[weakref.ref[Big]] = []
        gate = asyncio.Event()
        async with waiting(hold(gate)) as [task]:
            place = _report.waiting_place(task)
            described = _report.describe_tasks([task])
            gate.set()
            await task
        gc.collect()

        self.assertIsNotNone(place)
        self.assertEqual(len(described), 1)
        self.assertIsNone(alive[0]())


class DescribeTasksTests(unittest.IsolatedAsyncioTestCase):
    async def test_names_are_aligned(self) -> None:
        """One line a task, in the order given, the places below each other."""
        gate = asyncio.Event()
        async with waiting(outer(gate), consume(gate)) as tasks:
            tasks[0].set_name("a")
            tasks[1].set_name("longer")
            lines = _report.describe_tasks(tasks)

        file = _report.short_path(HERE)
        first = f"{file}:{line_of('inner line')}   await gate.wait()  # inner line"
        second = f"{file}:{line_of('async generator line')}   await gate.wait()"
        self.assertEqual(
            lines,
            [
                f"'a'      waits at  {first}",
                f"'longer' waits at  {second}  # async generator line",
            ],
        )

    async def test_equal_tasks_are_folded(self) -> None:
        """A thousand workers at one line are one line."""
        gate = asyncio.Event()
        async with waiting(*[inner(gate) for _ in range(4)]) as tasks:
            tasks[0].set_name("worker")
            [line] = _report.describe_tasks(tasks)

        self.assertTrue(line.startswith("'worker' waits at"), line)
        self.assertTrue(line.endswith("   (and 3 more there)"), line)

    async def test_what_is_left_out_is_counted(self) -> None:
        """The list has an end, and says how much it hides."""
        gate = asyncio.Event()
        async with waiting(outer(gate), consume(gate), inner(gate), inner(gate)) as tasks:
            lines = _report.describe_tasks(tasks, limit=1)

        self.assertEqual(len(lines), 2)
        self.assertEqual(lines[1], "... and 3 more tasks")

    async def test_no_task_is_no_line(self) -> None:
        """An empty list needs no words."""
        self.assertEqual(_report.describe_tasks([]), [])


class ThreadTests(unittest.TestCase):
    def test_the_line_of_another_thread(self) -> None:
        """It is where the user's code waits, not the lock in the library below."""
        gate, there = threading.Event(), threading.Event()

        def work() -> None:
            there.set()
            gate.wait()  # thread line

        thread = threading.Thread(target=work)
        thread.start()
        try:
            there.wait(10)
            place = None
            while place is None or place.line != line_of("thread line"):
                place = _report.thread_place(thread.ident or 0)
        finally:
            gate.set()
            thread.join()

        self.assertEqual((place.file, place.function.rpartition(".")[2]), (HERE, "work"))

    def test_a_thread_that_is_gone_has_none(self) -> None:
        """Its number says nothing any more."""
        self.assertIsNone(_report.thread_place(-1))
        self.assertEqual(_report.user_stack(-1), [])

    def test_the_stack_shows_the_callers(self) -> None:
        """Outermost first, and no more than asked for; the library below is left out."""
        gate, there = threading.Event(), threading.Event()

        def call() -> None:
            called()  # calling line

        def called() -> None:
            there.set()
            gate.wait()  # called line

        thread = threading.Thread(target=call)
        thread.start()
        expected = [line_of("calling line"), line_of("called line")]
        lines: list[int] = []
        try:
            there.wait(10)
            while lines != expected and thread.is_alive():
                lines = [place.line for place in _report.user_stack(thread.ident or 0, 2)]
        finally:
            gate.set()
            thread.join()

        self.assertEqual(lines, expected)

    def test_stack_lines_end_with_the_frame(self) -> None:
        """Outermost first, as tracebacks have it."""
        lines = _report.stack_lines(sys._getframe())

        self.assertIs(lines[-1][0], sys._getframe().f_code)
        self.assertEqual(_report.stack_lines(None), [])


class WordsTests(unittest.TestCase):
    def test_lines_are_indented(self) -> None:
        """Two spaces, unless told otherwise."""
        self.assertEqual(_report.indent(["a", "b"]), "  a\n  b")
        self.assertEqual(_report.indent(["a"], by="> "), "> a")

    def test_seconds_are_written_as_people_do(self) -> None:
        """No zeros that nobody needs."""
        self.assertEqual(
            [_report.seconds(value) for value in (60.0, 0.25, 1.5)], ["60 s", "0.25 s", "1.5 s"]
        )


if __name__ == "__main__":
    unittest.main()
