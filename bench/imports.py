"""What does ``import asynctesting`` add to ``import unittest, asyncio``?

Every subject is imported in a fresh process, after unittest and asyncio; rounds are
interleaved, and the cost is the median over rounds less that of a process which
imports those two alone. Peers stand beside it, to give the figure a scale.

    python bench/imports.py
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

from _measure import (
    EXTRA,
    ROOT,
    MeasureError,
    OneLineParser,
    Spent,
    Verdict,
    installed,
    machine,
    progress,
    run_fresh,
    table,
    whole_number,
)

QUESTION = (__doc__ or "").partition("\n")[0]
BASELINE = "unittest, asyncio"
SUBJECTS = ("asynctesting", "pytest", "pytest_asyncio", "anyio", "aiohttp")
LIMIT_MS = 10.0

_LIST_NEW_MODULES = """
import unittest, asyncio, json, sys
before = set(sys.modules)
import asynctesting
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@dataclass
class Timings:
    """What one import line cost, one entry a round."""

    statement: str
    spent: list[Spent] = field(default_factory=list)

    def added_ms(self, baseline: Timings, *, clock: str = "cpu") -> list[float]:
        """Subtract the median of the baseline from each round's time; milliseconds.

        Example:
            >>> base = Timings("import a", [Spent(0.25, 0.25, 9000)])
            >>> Timings("import a, b", [Spent(0.5, 0.5, 9500)]).added_ms(base)
            [250.0]
        """
        start_up = median(getattr(spent, clock) for spent in baseline.spent)
        return [(getattr(spent, clock) - start_up) * 1e3 for spent in self.spent]

    def total_ms(self) -> float:
        """Give the median cost of the whole process, interpreter included."""
        return median(spent.cpu for spent in self.spent) * 1e3


Measured = dict[str, Timings]


def measure(subjects: Sequence[str], rounds: int) -> Measured:
    """Time the baseline and every subject, one round after the other."""
    measured = {BASELINE: Timings(f"import {BASELINE}")}
    measured |= {name: Timings(f"import {BASELINE}, {name}") for name in subjects}
    # The first round pays for bytecode and for a cold disk, and is not counted.
    for number in range(rounds + 1):
        progress(f"round {number} of {rounds}")
        for timings in measured.values():
            spent, _ = run_fresh([sys.executable, "-c", timings.statement], cwd=ROOT)
            if number > 0:
                timings.spent.append(spent)
    return measured


def new_modules() -> list[str]:
    """Name what ``import asynctesting`` loads that unittest and asyncio had not."""
    _, printed = run_fresh([sys.executable, "-c", _LIST_NEW_MODULES], cwd=ROOT)
    names: list[str] = json.loads(printed)
    return names


def by_origin(names: Sequence[str]) -> dict[str, list[str]]:
    """Sort module names into ours, the standard library's and everybody else's.

    Example:
        >>> by_origin(["asynctesting._case", "inspect", "yarl"])
        {'ours': ['asynctesting._case'], 'standard library': ['inspect'], 'third party': ['yarl']}
    """
    origins: dict[str, list[str]] = {"ours": [], "standard library": [], "third party": []}
    for name in names:
        top = name.partition(".")[0]
        if top == "asynctesting":
            origins["ours"].append(name)
        # sysconfig keeps its data in a module whose name is made from the platform's.
        elif top in sys.stdlib_module_names or top.startswith("_sysconfigdata"):
            origins["standard library"].append(name)
        else:
            origins["third party"].append(name)
    return origins


def verdicts(measured: Measured, modules: Sequence[str]) -> list[Verdict]:
    """Hold the two promises about the import against what was measured."""
    cheap = f"import asynctesting adds at most {LIMIT_MS:g} ms"
    alone = "import asynctesting loads nothing from a third party"
    if "asynctesting" not in measured:
        return [Verdict(promise, None, "asynctesting is not here") for promise in (cheap, alone)]
    added = median(measured["asynctesting"].added_ms(measured[BASELINE]))
    strangers = by_origin(modules)["third party"]
    return [
        Verdict(cheap, added <= LIMIT_MS, f"{added:.1f} ms"),
        Verdict(alone, not strangers, ", ".join(strangers) or "none loaded"),
    ]


def as_text(measured: Measured, modules: Sequence[str], rounds: int) -> str:
    """Write the table, the list of modules, and one line for each promise."""
    rows = [["import", "added ms", "min", "max", "wall", "whole process"]]
    for name, timings in measured.items():
        cpu = timings.added_ms(measured[BASELINE])
        wall = median(timings.added_ms(measured[BASELINE], clock="wall"))
        figures = [median(cpu), min(cpu), max(cpu), wall, timings.total_ms()]
        rows.append([name, *(f"{value:.1f}" for value in figures)])
    heading = f"{machine()}\nCPU time of a fresh process, medians over rounds: {rounds}"
    lines = [QUESTION, heading, "", table(rows), ""]
    for origin, names in by_origin(modules).items():
        lines.append(f"loaded by asynctesting, {origin}: {', '.join(names) or 'nothing'}")
    return "\n".join([*lines, "", *map(str, verdicts(measured, modules))])


def as_json(measured: Measured, modules: Sequence[str], missing: Sequence[str]) -> str:
    """Write every single measurement."""
    baseline = measured[BASELINE]
    answer = {
        "machine": machine(),
        "added_ms": {name: timings.added_ms(baseline) for name, timings in measured.items()},
        "total_ms": {name: timings.total_ms() for name, timings in measured.items()},
        "modules": by_origin(modules),
        "verdicts": [asdict(verdict) for verdict in verdicts(measured, modules)],
        "missing": list(missing),
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


def parse(argv: Sequence[str] | None) -> Namespace:
    """Read the command line."""
    parser = OneLineParser(prog="imports", description=QUESTION)
    parser.add_argument("--rounds", type=whole_number(1), default=15, metavar="N")
    parser.add_argument(
        "--subject", action="append", choices=SUBJECTS, help="time this one (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the question; the exit code says whether it could be answered."""
    options = parse(argv)
    asked = dict.fromkeys(options.subject or SUBJECTS)
    present = [name for name in asked if installed(name)]
    missing = [name for name in asked if name not in present]
    for name in missing:
        print(f"imports: {name} is left out: it is not installed. {EXTRA}", file=sys.stderr)
    try:
        measured = measure(present, options.rounds)
        modules = new_modules() if "asynctesting" in present else []
    except MeasureError as error:
        print(f"imports: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(as_json(measured, modules, missing))
    else:
        print(as_text(measured, modules, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
