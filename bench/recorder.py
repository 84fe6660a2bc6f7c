"""What does the flight recorder add to a step of a task?

Each contender runs the same steps on our loop, once as it is in a test and once without the
recorder (the stock ``call_soon()``, or a virtual loop by itself), rounds interleaved. The figure
is the difference of the medians of CPU time per step.

    python bench/recorder.py                  # 20 rounds of 3,000 steps
    python bench/recorder.py --rounds 50
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from statistics import median
from typing import Any

from _measure import OneLineParser, Verdict, machine, table, whole_number

from asynctesting import VirtualEventLoop
from asynctesting._loop import LazyEventLoop
from asynctesting._virtual_loop import VirtualLoopOfTest

QUESTION = (__doc__ or "").partition("\n")[0]
PROMISE_US = 2.0
STEPS = 3000


class Unrecorded(LazyEventLoop):
    """Our loop without the recorder."""

    call_soon = asyncio.BaseEventLoop.call_soon  # type: ignore[assignment]


async def give_way(steps: int) -> None:
    """Take steps that wait for nothing."""
    for _ in range(steps):
        await asyncio.sleep(0)


async def dive(depth: int, steps: int) -> None:
    """Take the same, below as many frames."""
    if depth:
        await dive(depth - 1, steps)
    else:
        await give_way(steps)


async def wait(steps: int) -> None:
    """Wait for a future each time."""
    loop = asyncio.get_running_loop()
    for _ in range(steps):
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future


async def sleep(steps: int) -> None:
    """Sleep a second of virtual time each time."""
    for _ in range(steps):
        await asyncio.sleep(1)


async def hand_over(steps: int) -> None:
    """Make a task for every third step, and wait for it."""
    for _ in range(steps // 3):
        await asyncio.create_task(asyncio.sleep(0))


Work = Callable[[int], Coroutine[Any, Any, None]]
CONTENDERS: dict[str, tuple[Work, type[LazyEventLoop], type[LazyEventLoop]]] = {
    "a bare yield": (give_way, Unrecorded, LazyEventLoop),
    "a future": (wait, Unrecorded, LazyEventLoop),
    "a task of its own": (hand_over, Unrecorded, LazyEventLoop),
    "a virtual second": (sleep, VirtualEventLoop, VirtualLoopOfTest),
    "a yield, 6 frames deep": (lambda steps: dive(3, steps), Unrecorded, LazyEventLoop),
    "a yield, 12 frames deep": (lambda steps: dive(9, steps), Unrecorded, LazyEventLoop),
}


def time_us(work: Work, loop_class: type[LazyEventLoop]) -> float:
    """Return CPU microseconds per step."""
    with asyncio.Runner(loop_factory=loop_class) as runner:
        runner.get_loop()
        began = time.process_time()
        runner.run(work(STEPS))
        return (time.process_time() - began) / STEPS * 1e6


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the question."""
    parser = OneLineParser(prog="recorder", description=QUESTION)
    parser.add_argument("--rounds", type=whole_number(1), metavar="N", default=20)
    options = parser.parse_args(argv)
    rows = [["a step that waits for", "µs without", "µs with", "added µs", "with ÷ without"]]
    added: dict[str, float] = {}
    measured: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.rounds):
        for name, (work, *loops) in CONTENDERS.items():
            for number, loop_class in enumerate(loops):
                measured.setdefault((name, number), []).append(time_us(work, loop_class))
    for name in CONTENDERS:
        without, recorded = (median(measured[name, number]) for number in (0, 1))
        added[name] = recorded - without
        figures = without, recorded, added[name], recorded / without
        rows.append([name, *(f"{figure:.2f}" for figure in figures)])
    worst = max(added, key=added.__getitem__)
    evidence = f"{added[worst]:.2f} µs for {worst}"
    promise = f"the recorder adds at most {PROMISE_US:g} µs to a step"
    print("\n".join([QUESTION, machine(), "", table(rows, words=1), ""]))
    print(Verdict(promise, added[worst] <= PROMISE_US, evidence))
    return 0


if __name__ == "__main__":
    sys.exit(main())
