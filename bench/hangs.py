"""How long after its limit does a hanging test end, explained?

Ten ways to hang run in processes of their own, one after the other: small ones, and ones that hold
so many more objects, through which the search for whoever could end the wait has to go; each also
in development mode. The figure is the time from the limit to the end of the test, its cleanups and
its audit included; where the hang is told without waiting for the limit, from the test's start.
Time in which the test's thread was ready and others had the processor is not in it, where Linux
tells of that; the last line has the figure with it.

    python bench/hangs.py                     # 300,000 objects more
    python bench/hangs.py --objects 2000000
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _measure import MeasureError, OneLineParser, Verdict, machine, table, whole_number

from asynctesting import AsyncTestCase, DeadlockError, TimeLimitError

QUESTION = (__doc__ or "").partition("\n")[0]
PROMISE = 1.0
LIMIT = 0.3
gate = threading.Event()
#: Held by a module, as what an application has loaded is.
ballast: list[dict[str, Any]] = []


async def move(source: asyncio.Lock, target: asyncio.Lock) -> None:
    """Take two locks."""
    async with source:
        await asyncio.sleep(0)
        async with target:
            pass


async def beat() -> None:
    """Go on for ever."""
    while True:
        await asyncio.sleep(0.02)


class Hangs(AsyncTestCase):
    """Ten tests that do not end by themselves."""

    timeout = LIMIT

    async def asyncTearDown(self) -> None:
        """Wait for the test, in one case."""
        if self._testMethodName == "test_a_teardown":
            await asyncio.Event().wait()

    async def test_two_locks(self) -> None:
        """Each holds what the other one needs."""
        a, b = asyncio.Lock(), asyncio.Lock()
        await asyncio.gather(move(a, b), move(b, a))

    async def test_a_lost_notify(self) -> None:
        """It came before the wait did."""
        ready = asyncio.Condition()
        async with ready:
            ready.notify_all()
            await ready.wait()

    async def test_a_future_nobody_holds(self) -> None:
        """Something else goes on meanwhile."""
        heart = asyncio.create_task(beat())
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            heart.cancel()

    async def test_a_queue_miscounted(self) -> None:
        """Nobody calls task_done()."""
        jobs: asyncio.Queue[int] = asyncio.Queue()
        jobs.put_nowait(1)
        await jobs.get()
        await jobs.join()

    async def test_a_swallowed_cancellation(self) -> None:
        """By an except clause that means well."""
        while True:
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                pass

    async def test_a_blocked_loop(self) -> None:
        """By synchronous code."""
        time.sleep(60)

    async def test_a_process(self) -> None:
        """It sleeps."""
        program = "import time; time.sleep(600)"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
        try:
            await process.wait()
        finally:
            process.kill()
            await process.wait()

    async def test_an_executor_job(self) -> None:
        """It waits for what comes after the test."""
        await asyncio.to_thread(gate.wait)

    async def test_a_server(self) -> None:
        """Nobody closes it."""
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        try:
            await server.serve_forever()
        finally:
            server.close()

    async def test_a_teardown(self) -> None:
        """It waits for the test."""


class Timing(unittest.TestResult):
    """Keeps the first failure of a test."""

    error: Any = None

    def addError(self, test: Any, err: Any) -> None:
        """Keep it."""
        self.error = self.error or err[1]

    addFailure = addError


def queued() -> float:
    """Return for how many seconds this thread has been ready while others ran."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def seconds_late(name: str) -> tuple[float, float]:
    """Run one of the tests; return how late it ended, and what of that others had."""
    result = Timing()
    began, before = time.monotonic(), queued()
    Hangs(name).run(result)
    took, lost = time.monotonic() - began, queued() - before
    if not isinstance(result.error, DeadlockError | TimeLimitError):
        raise MeasureError(f"{name} ended with {result.error!r}: it was to hang")
    gate.set() if "job" in name else None
    return took if isinstance(result.error, DeadlockError) else took - LIMIT, lost


def names() -> list[str]:
    """Return the names of the tests, as they stand above."""
    return [name for name in vars(Hangs) if name.startswith("test_")]


def measure_here(objects: int) -> dict[str, tuple[float, float]]:
    """Return how late each test was, in this process."""
    # Tracked by the collector, which dictionaries of numbers are not.
    ballast.extend({"number": number, "self": ballast} for number in range(objects))
    gc.collect()
    return {name: seconds_late(name) for name in names()}


def measure(objects: int, *options: str) -> dict[str, tuple[float, float]]:
    """Return the same of a fresh process."""
    command = [sys.executable, *options, __file__, "--here", "--objects", str(objects)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if ended.returncode != 0:
        raise MeasureError(f"{' '.join(command)} failed: {ended.stderr[-500:]}")
    found: dict[str, tuple[float, float]] = json.loads(ended.stdout)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the question."""
    parser = OneLineParser(prog="hangs", description=QUESTION)
    parser.add_argument("--objects", type=whole_number(0), metavar="N", default=300_000)
    parser.add_argument("--here", action="store_true", help="measure in this process, for JSON")
    options = parser.parse_args(argv)
    if options.here:
        print(json.dumps(measure_here(options.objects)))
        return 0
    many = f"+{options.objects:,}"
    columns = {
        "s late": (0,),
        "-X dev": (0, "-X", "dev"),
        many: (options.objects,),
        f"{many} -X dev": (options.objects, "-X", "dev"),
    }
    measured = {title: measure(*arguments) for title, arguments in columns.items()}
    rows = [["a test that waits for", *columns]]
    for name in names():
        words = name.removeprefix("test_").replace("_", " ")
        figures = (late - lost for late, lost in (found[name] for found in measured.values()))
        rows.append([words, *(f"{figure:.2f}" for figure in figures)])
    late, lost, worst, where = max(
        (
            (late - lost, lost, name, title)
            for title, found in measured.items()
            for name, (late, lost) in found.items()
        )
    )
    print("\n".join([QUESTION, machine(), "", table(rows, words=1), ""]))
    evidence = f"{late:.2f} s late: {worst} ({where}), after others had {lost:.2f} s"
    promise = f"each ends within its limit and {PROMISE:g} s"
    print(Verdict(promise, late <= PROMISE, evidence))
    return 0


if __name__ == "__main__":
    sys.exit(main())
