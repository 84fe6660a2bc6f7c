"""What does one more trivial async test cost, under us and under everybody else?

Suites of a few hundred and of a few thousand tests are run in fresh processes, rounds
interleaved between contenders. The cost of a test is the slope between the two, so
start-up and imports cancel out. Medians over rounds of CPU time; wall time beside it.

    python bench/overhead.py                  # every contender that is installed
    python bench/overhead.py --tasks          # tests of fifty tasks and two hundred awaits
    python bench/overhead.py --linear         # does a test cost more in a suite of 20,000?
"""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from statistics import median

from _measure import (
    EXTRA,
    MeasureError,
    OneLineParser,
    Spent,
    Verdict,
    installed,
    machine,
    progress,
    table,
    whole_number,
)
from _suites import CONTENDERS, Body, Contender, Suite

QUESTION = (__doc__ or "").partition("\n")[0]
TRIVIAL_FRACTION = 8
TASKS_FRACTION = 15
FLAT_KIB = 1.0
LINEAR_GROWTH = 1.25
BUSY = 1.15


@dataclass(frozen=True)
class Mode:
    """A way to ask the question: whom, on what tests, in suites of what sizes, how often."""

    name: str
    tests: str
    sizes: tuple[int, ...]
    rounds: int
    contenders: tuple[str, ...]


TRIVIAL = Mode("trivial", "trivial tests", (200, 2200), 5, tuple(CONTENDERS))
TASKS = Mode("tasks", "tests of 50 tasks and 200 awaits", (20, 120), 5, ("stock", "ours"))
LINEAR = Mode("linear", "trivial tests", (200, 2200, 10_000, 20_000), 3, ("sync", "stock", "ours"))


@dataclass
class Runs:
    """Everything measured of one contender: for each size, one entry a round."""

    contender: Contender
    spent: dict[int, list[Spent]] = field(default_factory=dict)

    def slopes_us(self, small: int, large: int, *, clock: str = "cpu") -> list[float]:
        """Work out microseconds per test between two sizes, one figure a round.

        What is subtracted is the median small run. Subtracting each round's own would let one
        slow start-up pass for a suite that costs nothing.

        Example:
            >>> runs = Runs(CONTENDERS["sync"])
            >>> runs.spent = {10: [Spent(1.0, 1.5, 0)], 110: [Spent(2.0, 2.5, 0)]}
            >>> runs.slopes_us(10, 110)
            [10000.0]
        """
        start_up = median(getattr(spent, clock) for spent in self.spent[small])
        return [
            (getattr(spent, clock) - start_up) / (large - small) * 1e6
            for spent in self.spent[large]
        ]

    def cost_us(self) -> float:
        """Give the figure that promises are about: median CPU time per test, whole range."""
        return median(self.slopes_us(min(self.spent), max(self.spent)))

    def peak_kib(self, size: int) -> float:
        """Give the median peak of resident memory for a suite of *size* tests."""
        return median(spent.peak_kib for spent in self.spent[size])

    def kib_per_test(self) -> float:
        """Say how much the peak grows for each further test, over the whole range."""
        small, large = min(self.spent), max(self.spent)
        return (self.peak_kib(large) - self.peak_kib(small)) / (large - small)


Measured = dict[str, Runs]


def measure(contenders: Sequence[Contender], mode: Mode) -> Measured:
    """Time every contender on every size, one round after the other."""
    measured = {contender.key: Runs(contender) for contender in contenders}
    with tempfile.TemporaryDirectory(prefix="asynctesting-bench-") as folder:
        suites = [
            Suite(contender, size, Path(folder), tasks=mode.name == "tasks")
            for contender in contenders
            for size in mode.sizes
        ]
        for suite in suites:
            suite.warm()
        for number in range(mode.rounds):
            progress(f"round {number + 1} of {mode.rounds}")
            # There and back: a machine that warms up or slows down favours nobody.
            for suite in suites if number % 2 == 0 else reversed(suites):
                runs = measured[suite.contender.key]
                runs.spent.setdefault(suite.tests, []).append(suite.run())
    return measured


def cost_table(measured: Measured, mode: Mode) -> str:
    """Lay out one row a contender: microseconds per test and what they compare to."""
    rows = [["contender", "", "µs/test", "min", "max", "wall", "× sync", "stock ÷ it"]]
    for key, runs in measured.items():
        cpu = runs.slopes_us(mode.sizes[0], mode.sizes[-1])
        wall = runs.slopes_us(mode.sizes[0], mode.sizes[-1], clock="wall")
        figures = [f"{value:,.1f}" for value in (median(cpu), min(cpu), max(cpu), median(wall))]
        against = _ratio(measured, key, "sync"), _ratio(measured, runs.contender.rival, key)
        rows.append([key, runs.contender.title, *figures, *map(_times, against)])
    return table(rows, words=2)


def linear_table(measured: Measured, mode: Mode) -> str:
    """Lay out one row a contender: microseconds per test by stretch, and peaks of memory."""
    stretches = list(pairwise(mode.sizes))
    heads = [f"µs {small:,}-{large:,}" for small, large in stretches]
    rows = [["contender", "", *heads, *(f"MiB {size:,}" for size in mode.sizes), "KiB/test"]]
    for key, runs in measured.items():
        costs = [f"{median(runs.slopes_us(*stretch)):,.1f}" for stretch in stretches]
        peaks = [f"{runs.peak_kib(size) / 1024:.1f}" for size in mode.sizes]
        rows.append([key, runs.contender.title, *costs, *peaks, f"{runs.kib_per_test():.2f}"])
    return table(rows, words=2)


def verdicts(measured: Measured, mode: Mode) -> list[Verdict]:
    """Hold each promise that this mode can test against what was measured."""
    if mode.name == "tasks":
        return [_fraction(measured, "a test with fifty tasks", "ours", TASKS_FRACTION)]
    if mode.name == "linear":
        return [_flat_memory(measured), _flat_time(measured, mode)]
    return [
        _fraction(measured, "a trivial test", "ours", TRIVIAL_FRACTION),
        _below_peers(measured),
    ]


def _fraction(measured: Measured, what: str, key: str, fraction: int) -> Verdict:
    """Judge whether *key* costs at most one *fraction*-th of its rival."""
    promise = f"{what} costs at most 1/{fraction} of stock"
    ratio = _ratio(measured, CONTENDERS[key].rival, key)
    if ratio is None:
        return Verdict(promise, None, "needs a positive slope for stock and for us")
    return Verdict(promise, ratio >= fraction, f"1/{ratio:.1f}")


def _below_peers(measured: Measured) -> Verdict:
    """Judge whether a test costs less here than under the cheapest peer measured."""
    promise = "a trivial test costs less than under every peer"
    peers = {key: runs.cost_us() for key, runs in measured.items() if runs.contender.is_peer}
    if "ours" not in measured or not peers:
        return Verdict(promise, None, "needs us and at least one peer")
    best = min(peers, key=peers.__getitem__)
    ours = measured["ours"].cost_us()
    evidence = f"{ours:,.1f} µs; the cheapest of {len(peers)}, {best}: {peers[best]:,.1f} µs"
    return Verdict(promise, ours < peers[best], evidence)


def _flat_memory(measured: Measured) -> Verdict:
    """Judge whether an async test leaves behind little more than a synchronous one."""
    promise = f"memory is flat: at most {FLAT_KIB:g} KiB per test above a synchronous suite"
    if not {"sync", "ours"} <= measured.keys():
        return Verdict(promise, None, "needs sync and ours")
    growth = {key: measured[key].kib_per_test() for key in measured}
    evidence = ", ".join(f"{key} {kib:.2f} KiB/test" for key, kib in growth.items())
    return Verdict(promise, growth["ours"] - growth["sync"] <= FLAT_KIB, evidence)


def _flat_time(measured: Measured, mode: Mode) -> Verdict:
    """Judge whether the last stretch costs as much per test as the first one."""
    promise = f"cost is linear: the last test costs at most {LINEAR_GROWTH:g} times the first"
    if "ours" not in measured:
        return Verdict(promise, None, "needs ours")
    first = median(measured["ours"].slopes_us(*mode.sizes[:2]))
    last = median(measured["ours"].slopes_us(*mode.sizes[-2:]))
    evidence = f"{first:,.1f} µs, then {last:,.1f} µs"
    return Verdict(promise, last <= LINEAR_GROWTH * first if first > 0 else None, evidence)


def _ratio(measured: Measured, dividend: str, divisor: str) -> float | None:
    """Divide two costs; None if one is missing or so small that noise made it negative."""
    if not {dividend, divisor} <= measured.keys():
        return None
    above, below = measured[dividend].cost_us(), measured[divisor].cost_us()
    return above / below if above > 0 and below > 0 else None


def _times(ratio: float | None) -> str:
    """Write a ratio for the table."""
    return "-" if ratio is None else f"{ratio:.1f}"


def caution(measured: Measured) -> str:
    """Warn where the children had to share the processor, which makes their CPU time dearer too."""
    every = [
        spent for runs in measured.values() for spents in runs.spent.values() for spent in spents
    ]
    wait = sum(spent.wall for spent in every) / sum(spent.cpu for spent in every)
    return (
        f"The machine was busy (wall {wait:.1f} times CPU): run this again." if wait > BUSY else ""
    )


def as_json(measured: Measured, mode: Mode, missing: Sequence[str]) -> str:
    """Write every single measurement, for those who want to draw their own conclusions."""
    contenders = {
        key: {
            "title": runs.contender.title,
            "us_per_test": runs.cost_us(),
            "stretches": [
                {
                    "from": small,
                    "to": large,
                    "cpu_us": runs.slopes_us(small, large),
                    "wall_us": runs.slopes_us(small, large, clock="wall"),
                }
                for small, large in pairwise(mode.sizes)
            ],
            "peak_kib": {size: runs.peak_kib(size) for size in mode.sizes},
            "kib_per_test": runs.kib_per_test(),
        }
        for key, runs in measured.items()
    }
    answer = {
        "machine": machine(),
        **asdict(mode),
        "contenders": contenders,
        "verdicts": [asdict(verdict) for verdict in verdicts(measured, mode)],
        "caution": caution(measured),
        "missing": list(missing),
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


def as_text(measured: Measured, mode: Mode) -> str:
    """Write the table, then one line for each promise."""
    sizes = " / ".join(f"{size:,}" for size in mode.sizes)
    heading = (
        f"{machine()}\nCPU time, medians over rounds: {mode.rounds}; suites of {sizes} {mode.tests}"
    )
    body = linear_table(measured, mode) if mode.name == "linear" else cost_table(measured, mode)
    lines = [
        QUESTION,
        heading,
        "",
        body,
        "",
        *map(str, verdicts(measured, mode)),
        caution(measured),
    ]
    return "\n".join(lines).rstrip()


def parse(argv: Sequence[str] | None) -> tuple[Mode, Namespace]:
    """Read the command line into the mode that is asked for."""
    parser = OneLineParser(prog="overhead", description=QUESTION)
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--tasks", action="store_true", help="fifty tasks in each test")
    modes.add_argument("--linear", action="store_true", help="four sizes, and peaks of memory")
    parser.add_argument("--n-small", type=whole_number(1), metavar="N", help="smallest suite")
    parser.add_argument("--n-large", type=whole_number(2), metavar="N", help="largest suite")
    parser.add_argument("--rounds", type=whole_number(1), metavar="N", help="runs of each suite")
    parser.add_argument(
        "--contender", action="append", choices=[*CONTENDERS], help="time this one (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    options = parser.parse_args(argv)
    default = TASKS if options.tasks else LINEAR if options.linear else TRIVIAL
    small, large = options.n_small or default.sizes[0], options.n_large or default.sizes[-1]
    if small >= large:
        parser.error(f"--n-small must be below --n-large, got {small} and {large}")
    if options.tasks:
        for key in options.contender or ():
            if CONTENDERS[key].body is Body.SYNC:
                parser.error(f"--tasks needs async tests, and those of {key!r} are synchronous")
    # Sizes in between are kept where they still are in between.
    between = tuple(size for size in default.sizes[1:-1] if small < size < large)
    contenders = tuple(dict.fromkeys(options.contender or default.contenders))
    rounds = options.rounds or default.rounds
    sizes = (small, *between, large)
    return replace(default, sizes=sizes, rounds=rounds, contenders=contenders), options


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the question; the exit code says whether it could be answered."""
    mode, options = parse(argv)
    present, missing = [], []
    for contender in map(CONTENDERS.__getitem__, mode.contenders):
        absent = [module for module in contender.needs if not installed(module)]
        if absent:
            missing.append(contender.key)
            message = f"{contender.key} is left out: no {' or '.join(absent)} here. {EXTRA}"
            print(f"overhead: {message}", file=sys.stderr)
        else:
            present.append(contender)
    if not present:
        print("overhead: nobody is left to time", file=sys.stderr)
        return 1
    try:
        measured = measure(present, mode)
    except MeasureError as error:
        print(f"overhead: {error}", file=sys.stderr)
        return 1
    print(as_json(measured, mode, missing) if options.json else as_text(measured, mode))
    return 0


if __name__ == "__main__":
    sys.exit(main())
