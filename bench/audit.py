"""What does the audit of a test cost, on a small heap and beside two million old objects?

Trivial tests of AsyncTestCase are run in fresh processes, with the audit at its default levels and
without it, one after the other in turn; the cost of the audit is the difference of the medians.
Beside it stand the standard case, which has none of it, and what pyleak and blockbuster ask for a
part of it.

    python bench/audit.py                  # both heaps
    python bench/audit.py --tests 500      # fewer tests of each
    python bench/audit.py --old 5000000    # more old objects
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
import unittest
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from _measure import (
    EXTRA,
    ROOT,
    MeasureError,
    OneLineParser,
    Verdict,
    installed,
    machine,
    progress,
    run_fresh,
    table,
    whole_number,
)

QUESTION = (__doc__ or "").partition("\n")[0]
SMALL_HEAP_US = 60
LARGE_HEAP_US = 100
STOCK_FRACTION = 8
OLD_OBJECTS = 2_000_000
BLOCK = 50

TITLES = {
    "ours": "AsyncTestCase, audited",
    "off": "AsyncTestCase, leaks = 'off'",
    "stock": "IsolatedAsyncioTestCase",
    "pyleak": "IsolatedAsyncioTestCase, pyleak's no_task_leaks",
    "blockbuster": "IsolatedAsyncioTestCase, blockbuster",
}
NEEDS = {"pyleak": "pyleak", "blockbuster": "blockbuster"}


# In the child ----------------------------------------------------------------------------------


def make_case(key: str) -> type[unittest.TestCase]:
    """Return a class with one trivial async test, as the contender would have it written."""
    if key in ("ours", "off"):
        sys.path.insert(0, str(ROOT))
        from asynctesting import AsyncTestCase

        class Ours(AsyncTestCase):
            leaks = "default" if key == "ours" else "off"

            async def test_it(self) -> None:
                await asyncio.sleep(0)
                self.assertEqual(1 + 1, 2)

        return Ours
    around = _around(key)

    class Stock(unittest.IsolatedAsyncioTestCase):
        async def test_it(self) -> None:
            await around(self._body)

        async def _body(self) -> None:
            await asyncio.sleep(0)
            self.assertEqual(1 + 1, 2)

    return Stock


def _around(key: str) -> Callable[..., Any]:
    async def plain(body: Callable[[], Any]) -> None:
        await body()

    async def with_pyleak(body: Callable[[], Any]) -> None:
        from pyleak import no_task_leaks

        async with no_task_leaks(action="raise"):
            await body()

    async def with_blockbuster(body: Callable[[], Any]) -> None:
        from blockbuster import blockbuster_ctx

        with blockbuster_ctx():
            await body()

    return {"pyleak": with_pyleak, "blockbuster": with_blockbuster}.get(key, plain)


def time_tests(keys: Sequence[str], tests: int, old: int) -> dict[str, list[float]]:
    """Run the tests of the contenders in turn; return the seconds that each test took."""
    heap = [[] for _ in range(old)]  # type: ignore[var-annotated]
    gc.collect()
    cases = {key: make_case(key) for key in keys}
    result = unittest.TestResult()
    spent: dict[str, list[float]] = {key: [] for key in keys}
    for first in range(0, tests, BLOCK):
        # In blocks, since one contender leaves the processor's caches cold for the next; there and
        # back, since a machine that warms up or slows down favours nobody.
        for key in keys if first // BLOCK % 2 == 0 else reversed(keys):
            for _ in range(min(BLOCK, tests - first)):
                test = cases[key]("test_it")
                began = time.perf_counter()
                test.run(result)
                spent[key].append(time.perf_counter() - began)
    if not result.wasSuccessful() or result.testsRun != tests * len(keys):
        raise MeasureError(f"a test failed: {[*result.failures, *result.errors][:1]}")
    del heap
    return spent


# In the parent ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Microseconds a test by contender: medians, and means that hold what comes now and then."""

    old: int
    medians: dict[str, float]
    means: dict[str, float]

    @property
    def audit_us(self) -> float:
        """What the audit adds."""
        return self.medians["ours"] - self.medians["off"]


def measure(keys: Sequence[str], tests: int, old: int) -> Measured:
    """Time *keys* in a fresh process with *old* objects in it.

    Raises:
        MeasureError: If the process failed.
    """
    progress(f"{old:,} old objects")
    argv = [sys.executable, str(ROOT / "bench" / "audit.py"), "--child", ",".join(keys)]
    _, printed = run_fresh([*argv, "--tests", str(tests), "--old", str(old)], cwd=ROOT)
    spent = json.loads(printed.strip().splitlines()[-1])
    return Measured(
        old,
        {key: median(each) * 1e6 for key, each in spent.items()},
        {key: sum(each) / len(each) * 1e6 for key, each in spent.items()},
    )


def verdicts(small: Measured, large: Measured) -> list[Verdict]:
    """Hold what is promised against what was measured."""
    ratio = small.medians["stock"] / small.medians["ours"]
    return [
        Verdict(
            f"the audit adds at most {SMALL_HEAP_US} µs to a test on a small heap",
            small.audit_us <= SMALL_HEAP_US,
            f"{small.audit_us:.1f} µs",
        ),
        Verdict(
            f"at most {LARGE_HEAP_US} µs beside {large.old:,} old objects",
            large.audit_us <= LARGE_HEAP_US,
            f"{large.audit_us:.1f} µs",
        ),
        Verdict(
            f"stock with none of it costs at least {STOCK_FRACTION} times as much",
            ratio >= STOCK_FRACTION,
            f"{ratio:.1f} times",
        ),
    ]


def as_text(small: Measured, large: Measured) -> str:
    """Write the table, then one line for each promise."""
    rows = [["", "µs/test", "mean", f"beside {large.old:,}", "mean"]]
    for key in small.medians:
        figures = [
            f"{value:,.1f}"
            for each in (small, large)
            for value in (each.medians[key], each.means[key])
        ]
        rows.append([TITLES[key], *figures])
    return "\n".join([QUESTION, machine(), "", table(rows), "", *map(str, verdicts(small, large))])


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the question; the exit code says whether it could be answered."""
    parser = OneLineParser(prog="audit", description=QUESTION)
    parser.add_argument("--tests", type=whole_number(1), default=1000, metavar="N")
    parser.add_argument("--old", type=whole_number(0), default=OLD_OBJECTS, metavar="N")
    parser.add_argument("--child", metavar="KEYS", help="time these contenders in this process")
    options = parser.parse_args(argv)
    try:
        if options.child:
            keys = options.child.split(",")
            print(json.dumps(time_tests(keys, options.tests, options.old)))
            return 0
        keys = [key for key in TITLES if key not in NEEDS or installed(NEEDS[key])]
        for key in TITLES.keys() - keys:
            print(f"audit: {key} is left out: it is not installed. {EXTRA}", file=sys.stderr)
        small, large = (measure(keys, options.tests, old) for old in (0, options.old))
    except MeasureError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 1
    print(as_text(small, large))
    return 0


if __name__ == "__main__":
    sys.exit(main())
