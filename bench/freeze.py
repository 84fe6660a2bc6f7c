"""What does a test with frozen and virtual time cost over one without, and under its peers?

Each contender runs classes of two sizes in a fresh process, with 200 modules loaded and
with 2,000; rounds are interleaved. The cost of a test is the slope between the sizes, so
what a class pays once, as our freeze does, stands in a column of its own. CPU time;
medians over rounds.

    python bench/freeze.py                     # every contender that is installed
    python bench/freeze.py --contender both --contender freezegun
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from _freezing import CONTENDERS, Contender
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

QUESTION = (__doc__ or "").partition("\n")[0]
HERE = Path(__file__).resolve().parent
MODULES = (200, 2000)
SIZES = (20, 120)
SECONDS = 0.3
ROUNDS = 5
LIMITS_US = {"frozen": 50.0, "both": 100.0}
GROWTH = 1.5


@dataclass
class Runs:
    """Everything measured of one contender: for each number of modules, one entry a round."""

    contender: Contender
    test_us: dict[int, list[float]] = field(default_factory=dict)
    class_ms: dict[int, list[float]] = field(default_factory=dict)
    loaded: dict[int, int] = field(default_factory=dict)

    def add(self, modules: int, figures: dict[str, float]) -> None:
        """Note what one process has found out."""
        self.test_us.setdefault(modules, []).append(figures["test_us"])
        self.class_ms.setdefault(modules, []).append(figures["class_ms"])
        self.loaded[modules] = int(figures["loaded"])

    def cost_us(self, modules: int) -> float:
        """Give the median cost of one further test, in microseconds.

        Example:
            >>> runs = Runs(CONTENDERS["both"], {200: [70.0, 90.0, 80.0]})
            >>> runs.cost_us(200)
            80.0
        """
        return median(self.test_us[modules])


Measured = dict[str, Runs]


def measure(contenders: Sequence[Contender], modules: Sequence[int], rounds: int) -> Measured:
    """Time every contender with every number of modules, one round after the other."""
    measured = {contender.key: Runs(contender) for contender in contenders}
    jobs = [(contender.key, count) for contender in contenders for count in modules]
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        # There and back: a machine that warms up or slows down favours nobody.
        for key, count in jobs if number % 2 == 0 else reversed(jobs):
            arguments = [key, *map(str, (count, *SIZES, SECONDS))]
            _, printed = run_fresh([sys.executable, "_freezing.py", *arguments], cwd=HERE)
            measured[key].add(count, json.loads(printed.splitlines()[-1]))
    return measured


def loaded_at_most(measured: Measured, modules: int) -> int:
    """Say how many modules there really were: the contenders bring some hundreds themselves."""
    return max(runs.loaded[modules] for runs in measured.values())


def cost_table(measured: Measured, modules: Sequence[int]) -> str:
    """Lay out one row a contender: what a test costs, what that is over real time, and a class."""
    heads = [f"{head} {count:,}" for count in modules for head in ("µs/test", "over", "ms/class")]
    rows = [["contender", "", *heads]]
    for key, runs in measured.items():
        row = [key, runs.contender.title]
        for count in modules:
            over = _over(measured, key, count)
            row += [
                f"{runs.cost_us(count):,.1f}",
                "" if over is None else f"{over:+,.1f}",
                f"{median(runs.class_ms[count]):,.2f}",
            ]
        rows.append(row)
    return table(rows, words=2)


def verdicts(measured: Measured, modules: Sequence[int]) -> list[Verdict]:
    """Hold each promise against what was measured."""
    return [
        _cheap(measured, modules, "frozen", "frozen time adds"),
        _cheap(measured, modules, "both", "frozen and virtual time together add"),
        _flat(measured, modules),
        _below_freezegun(measured, modules),
    ]


def _cheap(measured: Measured, modules: Sequence[int], key: str, what: str) -> Verdict:
    """Judge what *key* adds to a test."""
    limit = LIMITS_US[key]
    promise = f"{what} at most {limit:g} µs to a test"
    added = [_over(measured, key, count) for count in modules]
    known = [over for over in added if over is not None]
    if not known:
        return Verdict(promise, None, f"needs plain and {key}")
    return Verdict(promise, max(known) <= limit, _listed(modules, known, "+,.1f"))


def _flat(measured: Measured, modules: Sequence[int]) -> Verdict:
    """Judge whether the number of modules matters to a test."""
    promise = f"ten times the modules cost a test at most {GROWTH:g} times as much"
    if "both" not in measured:
        return Verdict(promise, None, "needs both")
    costs = [measured["both"].cost_us(count) for count in modules]
    return Verdict(promise, costs[-1] <= GROWTH * costs[0], _listed(modules, costs, ",.1f"))


def _below_freezegun(measured: Measured, modules: Sequence[int]) -> Verdict:
    """Judge what is left of the price of a freeze for each test."""
    promise = "a test costs less than with freezegun on each test"
    if not {"both", "freezegun"} <= measured.keys():
        return Verdict(promise, None, "needs both and freezegun")
    ratios = [
        measured["freezegun"].cost_us(count) / measured["both"].cost_us(count) for count in modules
    ]
    evidence = ", ".join(
        f"1/{ratio:.1f} with {count:,} modules"
        for count, ratio in zip(modules, ratios, strict=True)
    )
    return Verdict(promise, min(ratios) > 1, evidence)


def _over(measured: Measured, key: str, modules: int) -> float | None:
    """Subtract what a test on real time costs; None for that test itself."""
    if key == "plain" or not {"plain", key} <= measured.keys():
        return None
    return measured[key].cost_us(modules) - measured["plain"].cost_us(modules)


def _listed(modules: Sequence[int], figures: Sequence[float], form: str) -> str:
    pairs = zip(modules, figures, strict=True)
    return ", ".join(f"{figure:{form}} µs with {count:,} modules" for count, figure in pairs)


def as_json(measured: Measured, modules: Sequence[int], missing: Sequence[str]) -> str:
    """Write down every measurement."""
    answer = {
        "question": QUESTION,
        "machine": machine(),
        "contenders": {
            key: {"test_us": runs.test_us, "class_ms": runs.class_ms}
            for key, runs in measured.items()
        },
        "verdicts": [asdict(verdict) for verdict in verdicts(measured, modules)],
        "missing": list(missing),
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


def as_text(measured: Measured, modules: Sequence[int], rounds: int) -> str:
    """Write the table, then one line for each promise."""
    small, large = SIZES
    loaded = " and ".join(f"{loaded_at_most(measured, count):,}" for count in modules)
    heading = (
        f"{machine()}\nCPU time, medians over rounds: {rounds}; classes of {small} and {large} "
        f"tests, with up to {loaded} modules loaded"
    )
    lines = [QUESTION, heading, "", cost_table(measured, modules), ""]
    return "\n".join([*lines, *map(str, verdicts(measured, modules))])


def parse(argv: Sequence[str] | None) -> Namespace:
    """Read the command line."""
    parser = OneLineParser(prog="freeze", description=QUESTION)
    parser.add_argument("--rounds", type=whole_number(1), default=ROUNDS, metavar="N")
    parser.add_argument(
        "--modules", type=whole_number(1), action="append", metavar="N", help="(repeatable)"
    )
    parser.add_argument(
        "--contender", action="append", choices=[*CONTENDERS], help="time this one (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the question; the exit code says whether it could be answered."""
    options = parse(argv)
    modules = tuple(sorted(set(options.modules or MODULES)))
    present, missing = [], []
    for key in dict.fromkeys(options.contender or CONTENDERS):
        absent = [module for module in CONTENDERS[key].needs if not installed(module)]
        if absent:
            missing.append(key)
            message = f"{key} is left out: no {' or '.join(absent)} here. {EXTRA}"
            print(f"freeze: {message}", file=sys.stderr)
        else:
            present.append(CONTENDERS[key])
    if not present:
        print("freeze: nobody is left to time", file=sys.stderr)
        return 1
    try:
        measured = measure(present, modules, options.rounds)
    except MeasureError as error:
        print(f"freeze: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(as_json(measured, modules, missing))
    else:
        print(as_text(measured, modules, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
