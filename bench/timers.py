"""How many timers a second does a virtual clock fire, and what is that beside bare steps?

Every contender lets many tasks sleep, lets one task sleep many times, and answers lines
over loopback after thirty virtual seconds, each in a fresh process, rounds interleaved.
The floor does the same steps with sleep(0) on a loop without a virtual clock. CPU time;
medians over rounds.

    python bench/timers.py                     # every contender that is installed
    python bench/timers.py --count 1000 --count 10000 --contender ours --contender floor
    python bench/timers.py --all               # also what takes minutes
"""

from __future__ import annotations

import json
import math
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from _measure import (
    EXTRA,
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
from _ticking import CONTENDERS, Contender

QUESTION = (__doc__ or "").partition("\n")[0]
HERE = Path(__file__).resolve().parent
COUNTS = (1_000, 10_000, 100_000, 1_000_000)
SEQUENCE = 100_000
ECHO = 2_000
ROUNDS = 3
# A run this short says little by itself; it is repeated more often.
SHORT, REPEATS = 10_000, 5
LIMITS = {"tasks": 2.2, "ties": 2.2, "sequence": 2.5, "echo": 1.2}
TITLES = {
    "tasks": "tasks, each until its own instant",
    "ties": "tasks, all until one instant",
    "sequence": "sleeps of one task",
    "echo": "guarded round trips",
}


@dataclass(frozen=True)
class Measure:
    """What is done, and how often."""

    job: str
    count: int

    def __str__(self) -> str:
        return f"{self.job} {self.count:,}"

    def share(self, contender: Contender, everything: bool) -> int:
        """Return how often a contender does it: a slow one does a tenth, or nothing."""
        if everything or self.count <= contender.most:
            return self.count
        return 0 if self.job in ("tasks", "ties") else contender.most


@dataclass
class Runs:
    """Everything measured of one contender: microseconds per step, or why there are none."""

    contender: Contender
    us: dict[Measure, list[float]] = field(default_factory=dict)
    failed: dict[Measure, str] = field(default_factory=dict)

    def cost_us(self, measure: Measure) -> float | None:
        """Give the median cost of one step.

        Example:
            >>> runs = Runs(CONTENDERS["ours"], {Measure("echo", 10): [3.0, 1.0, 2.0]})
            >>> runs.cost_us(Measure("echo", 10)), runs.cost_us(Measure("echo", 20))
            (2.0, None)
        """
        return median(self.us[measure]) if measure in self.us else None


Measured = dict[str, Runs]


def take(
    contenders: Sequence[Contender], measures: Sequence[Measure], options: Namespace
) -> Measured:
    """Time every contender with every measure, one round after the other."""
    measured = {contender.key: Runs(contender) for contender in contenders}
    for number in range(options.rounds * options.repeats):
        for measure in measures:
            if number >= options.rounds and measure.count > SHORT:
                continue
            progress(f"round {number + 1}: {measure}")
            # There and back: a machine that warms up or slows down favours nobody.
            for contender in contenders if number % 2 == 0 else reversed(contenders):
                _time(measured[contender.key], measure, options.all)
    return measured


def _time(runs: Runs, measure: Measure, everything: bool) -> None:
    count = measure.share(runs.contender, everything)
    if not count or measure in runs.failed:
        return
    arguments = [runs.contender.key, measure.job, str(count)]
    _, printed = run_fresh([sys.executable, "_ticking.py", *arguments], cwd=HERE)
    figures = json.loads(printed.splitlines()[-1])
    if "us" in figures:
        runs.us.setdefault(measure, []).append(figures["us"])
    else:
        runs.failed[measure] = figures["failed"]


def cost_tables(measured: Measured, measures: Sequence[Measure]) -> Iterator[str]:
    """Lay out one table a job: microseconds per step, and how many times the floor that is."""
    for job, title in TITLES.items():
        columns = [measure for measure in measures if measure.job == job]
        if not columns:
            continue
        rows = [["contender", title]]
        for measure in columns:
            rows[0] += [f"µs, {measure.count:,}", "/s", "× floor"]
        for runs in measured.values():
            row = [runs.contender.key, runs.contender.title]
            for measure in columns:
                row += _cells(measured, runs, measure)
            rows.append(row)
        yield table(rows, words=2)


def _cells(measured: Measured, runs: Runs, measure: Measure) -> list[str]:
    cost = runs.cost_us(measure)
    if cost is None:
        return [runs.failed.get(measure, "-"), "", ""]
    ratio = _ratio(measured, runs.contender.key, measure)
    return [f"{cost:,.2f}", f"{1e6 / cost:,.0f}", "-" if ratio is None else f"{ratio:.2f}"]


def _ratio(measured: Measured, key: str, measure: Measure) -> float | None:
    floor = measured.get(CONTENDERS[key].floor)
    cost, base = measured[key].cost_us(measure), floor and floor.cost_us(measure)
    return cost / base if cost and base else None


def verdicts(measured: Measured, measures: Sequence[Measure]) -> list[Verdict]:
    """Hold each promise against what was measured."""
    found = [_below_floor(measured, measures, job) for job in TITLES]
    found += [_ahead(measured, measures, job) for job in ("tasks", "ties", "sequence")]
    return [*found, _growth(measured, measures)]


def _below_floor(measured: Measured, measures: Sequence[Measure], job: str) -> Verdict:
    promise = f"{TITLES[job]} cost at most {LIMITS[job]:g} times the floor"
    ratios = {
        measure: ratio
        for measure in measures
        if measure.job == job
        and "ours" in measured
        and (ratio := _ratio(measured, "ours", measure)) is not None
    }
    if not ratios:
        return Verdict(promise, None, "needs ours and floor")
    evidence = ", ".join(f"{ratio:.2f} for {measure.count:,}" for measure, ratio in ratios.items())
    return Verdict(promise, max(ratios.values()) <= LIMITS[job], evidence)


def _ahead(measured: Measured, measures: Sequence[Measure], job: str) -> Verdict:
    """Judge whether nobody else's timers are cheaper, at any size."""
    promise = f"{TITLES[job]}: ahead of every peer at every size"
    pairs = [
        (cost / ours, f"{key} at {measure}")
        for key, runs in measured.items()
        for measure in measures
        if runs.contender.is_peer
        and measure.job == job
        and "ours" in measured
        and (cost := runs.cost_us(measure)) is not None
        and (ours := measured["ours"].cost_us(measure)) is not None
    ]
    if not pairs:
        return Verdict(promise, None, "needs ours and a peer")
    ratio, who = min(pairs)
    return Verdict(promise, ratio > 1, f"the nearest is {who}, at {ratio:.2f} times our cost")


def _growth(measured: Measured, measures: Sequence[Measure]) -> Verdict:
    """Judge whether a timer's price grows no faster than the floor's and a logarithm."""
    promise = "the cost grows like n log n at worst"
    sizes = [measure for measure in measures if measure.job == "tasks"]
    if len(sizes) < 2 or not {"ours", "floor"} <= measured.keys():
        return Verdict(promise, None, "needs ours, floor, and two sizes")
    small, large = sizes[0], sizes[-1]
    ratios = [_ratio(measured, "ours", measure) for measure in (small, large)]
    if ratios[0] is None or ratios[1] is None:
        return Verdict(promise, None, "needs ours, floor, and two sizes")
    bound = math.log(large.count) / math.log(small.count)
    growth = ratios[1] / ratios[0]
    evidence = f"× {growth:.2f} beyond the floor from {small.count:,} to {large.count:,}"
    return Verdict(promise, growth <= bound, evidence)


def as_json(measured: Measured, measures: Sequence[Measure], missing: Sequence[str]) -> str:
    """Write down every measurement."""
    answer = {
        "question": QUESTION,
        "machine": machine(),
        "contenders": {
            key: {
                "us": {str(measure): costs for measure, costs in runs.us.items()},
                "failed": {str(measure): why for measure, why in runs.failed.items()},
            }
            for key, runs in measured.items()
        },
        "verdicts": [asdict(verdict) for verdict in verdicts(measured, measures)],
        "missing": list(missing),
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


def as_text(measured: Measured, measures: Sequence[Measure], options: Namespace) -> str:
    """Write the tables, what was left out, and one line for each promise."""
    heading = f"{machine()}\nCPU time, medians over rounds: {options.rounds} and more"
    lines = [QUESTION, heading, ""]
    for text in cost_tables(measured, measures):
        lines += [text, ""]
    slow = [
        f"{runs.contender.key} above {runs.contender.most:,}"
        for runs in measured.values()
        if not options.all and any(measure.count > runs.contender.most for measure in measures)
    ]
    if slow:
        lines += [f"Left out, since it takes minutes (--all): {', '.join(slow)}", ""]
    return "\n".join([*lines, *map(str, verdicts(measured, measures))])


def parse(argv: Sequence[str] | None) -> Namespace:
    """Read the command line."""
    parser = OneLineParser(prog="timers", description=QUESTION)
    parser.add_argument("--rounds", type=whole_number(1), default=ROUNDS, metavar="N")
    parser.add_argument(
        "--repeats",
        type=whole_number(1),
        default=REPEATS,
        metavar="N",
        help=f"runs of up to {SHORT:,} steps in each round",
    )
    parser.add_argument(
        "--count", type=whole_number(2), action="append", metavar="N", help="tasks (repeatable)"
    )
    parser.add_argument("--sequence", type=whole_number(2), default=SEQUENCE, metavar="N")
    parser.add_argument("--echo", type=whole_number(2), default=ECHO, metavar="N")
    parser.add_argument(
        "--contender", action="append", choices=[*CONTENDERS], help="time this one (repeatable)"
    )
    parser.add_argument("--all", action="store_true", help="spare nobody the largest sizes")
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the question; the exit code says whether it could be answered."""
    options = parse(argv)
    counts = sorted(set(options.count or COUNTS))
    measures = [Measure(job, count) for job in ("tasks", "ties") for count in counts]
    measures += [Measure("sequence", options.sequence), Measure("echo", options.echo)]
    present, missing = [], []
    for key in dict.fromkeys(options.contender or CONTENDERS):
        absent = [module for module in CONTENDERS[key].needs if not installed(module)]
        if absent:
            missing.append(key)
            message = f"{key} is left out: no {' or '.join(absent)} here. {EXTRA}"
            print(f"timers: {message}", file=sys.stderr)
        else:
            present.append(CONTENDERS[key])
    if not present:
        print("timers: nobody is left to time", file=sys.stderr)
        return 1
    try:
        measured = take(present, measures, options)
    except MeasureError as error:
        print(f"timers: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(as_json(measured, measures, missing))
    else:
        print(as_text(measured, measures, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
