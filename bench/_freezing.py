"""The contenders of ``freeze.py``, and the process in which one of them is timed.

    python _freezing.py CONTENDER MODULES SMALL LARGE SECONDS

loads that many modules, runs classes of SMALL and of LARGE tests by turns for so many
seconds, and prints what one further test and what a class cost. Invariant: all contenders
run the same body, which fails if the wall clock does not read what its contender promises.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import sys
import time
import types
import unittest
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

FROZEN_YEAR = 2031
FROZEN = f"{FROZEN_YEAR}-01-01 09:00"
NAMES_A_MODULE = 20
LEAST_TURNS = 3


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to give a test its time: mixins of ours, or somebody's decorator on each test."""

    key: str
    title: str
    needs: tuple[str, ...] = ("asynctesting",)
    mixins: tuple[str, ...] = ()
    decorate: Callable[[], Callable[[Any], Any]] | None = None

    @property
    def is_frozen(self) -> bool:
        """Whether the wall clock of its tests stands at :data:`FROZEN`."""
        return self.decorate is not None or "FrozenTimeMixin" in self.mixins


def _freezegun() -> Callable[[Any], Any]:
    import freezegun

    # Without real_asyncio no timer of the loop would fire, and no test with one could end.
    return freezegun.freeze_time(FROZEN, real_asyncio=True)


def _time_machine() -> Callable[[Any], Any]:
    import time_machine

    when = datetime.datetime(FROZEN_YEAR, 1, 1, 9, tzinfo=datetime.UTC)
    return time_machine.travel(when, tick=False)


CONTENDERS = {
    contender.key: contender
    for contender in (
        Contender(key="plain", title="AsyncTestCase, real time"),
        Contender(key="virtual", title="VirtualClockMixin", mixins=("VirtualClockMixin",)),
        Contender(
            key="frozen",
            title="FrozenTimeMixin",
            needs=("asynctesting", "freezegun"),
            mixins=("FrozenTimeMixin",),
        ),
        Contender(
            key="both",
            title="VirtualClockMixin, FrozenTimeMixin",
            needs=("asynctesting", "freezegun"),
            mixins=("VirtualClockMixin", "FrozenTimeMixin"),
        ),
        Contender(
            key="freezegun",
            title="freezegun on each test, real loop",
            needs=("asynctesting", "freezegun"),
            decorate=_freezegun,
        ),
        Contender(
            key="time-machine",
            title="time-machine on each test, real loop",
            needs=("asynctesting", "time_machine"),
            decorate=_time_machine,
        ),
    )
}


def make_class(contender: Contender, tests: int) -> type[unittest.TestCase]:
    """Write a class of *tests* tests that are all the same."""
    import asynctesting

    year = FROZEN_YEAR if contender.is_frozen else datetime.date.today().year

    async def body(self: unittest.TestCase) -> None:
        await asyncio.sleep(0)
        self.assertEqual(datetime.datetime.now().year, year)

    decorate = contender.decorate() if contender.decorate else lambda function: function
    bases = (
        *(getattr(asynctesting, name) for name in contender.mixins),
        asynctesting.AsyncTestCase,
    )
    names = {f"test_{number:04}": decorate(body) for number in range(tests)}
    return type("TestTime", bases, {"frozen_time": FROZEN, **names})


def load_modules(count: int) -> int:
    """Have *count* modules loaded; return how many there are, which may have been more before."""
    for number in range(count - len(sys.modules)):
        module = types.ModuleType(f"loaded_{number}")
        vars(module).update({f"name_{n}": n for n in range(NAMES_A_MODULE)})
        sys.modules[module.__name__] = module
    return len(sys.modules)


def time_class(made: type[unittest.TestCase]) -> float:
    """Run the tests of a class; return the seconds of CPU time."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(made)
    count = suite.countTestCases()
    result = unittest.TestResult()
    began = time.process_time()
    suite.run(result)
    spent = time.process_time() - began
    if not result.wasSuccessful() or result.testsRun != count:
        raise SystemExit("".join(text for _, text in result.errors + result.failures)[-2000:])
    return spent


def main(argv: list[str]) -> None:
    """Time one contender and print what came out, as JSON."""
    contender, (modules, small, large) = CONTENDERS[argv[0]], map(int, argv[1:4])
    classes = {tests: make_class(contender, tests) for tests in (small, large)}
    time_class(classes[small])  # the first use of anything is paid here
    loaded = load_modules(modules)
    time_class(classes[small])
    turns: list[dict[int, float]] = []
    while len(turns) < LEAST_TURNS or sum(sum(turn.values()) for turn in turns) < float(argv[4]):
        turns.append({tests: time_class(made) for tests, made in classes.items()})
    spent = {tests: median(turn[tests] for turn in turns) for tests in classes}
    test = (spent[large] - spent[small]) / (large - small)
    print(
        json.dumps(
            {
                "loaded": loaded,
                "test_us": test * 1e6,
                "class_ms": (spent[small] - small * test) * 1e3,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
