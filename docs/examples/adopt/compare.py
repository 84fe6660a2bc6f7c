"""Run an installed unittest suite as it is and adopted, and show both side by side.

    python compare.py                          aiosqlite's own tests, which its package brings along
    python compare.py yourpackage.tests        any other suite that can be imported here

The suite stays as it is. The runs alternate, each in a process of its own, and times are medians:

    python -m unittest SUITE                   on unittest.IsolatedAsyncioTestCase
    python -m asynctesting --adopt SUITE       on asynctesting.AsyncTestCase

The exit status is 0 if both ended with the same outcomes, however many tests failed.
"""

from __future__ import annotations

import argparse
import importlib.util
import pkgutil
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

# Its neighbour, aiosqlite.tests.perf, is a benchmark that spends two seconds on each statement.
DEFAULT_SUITE = "aiosqlite.tests.smoke"
STOCK = ["-m", "unittest"]
OURS = ["-m", "asynctesting", "--adopt"]
COLUMNS = ["tests", "passed", "failed", "errors", "skipped"]


class NoSuite(Exception):
    """There is nothing to compare; the message says why."""


@dataclass(frozen=True)
class Run:
    """One run of a suite, in seconds: by unittest's clock, and of the process as a whole."""

    outcomes: dict[str, int]
    in_tests: float
    in_process: float
    output: str

    @property
    def troubles(self) -> list[str]:
        """The heading of each failure and error."""
        return re.findall(r"^(?:FAIL|ERROR): .*$", self.output, re.MULTILINE)


def find_suite(name: str) -> list[str]:
    """Return the test modules that *name* stands for, which may be a module or a package.

    A package stands for the modules below it that are called ``test*``, as in unittest's own
    discovery. If there is none, it stands for itself: for what its ``__init__`` imports.

    Raises:
        NoSuite: If there is no such module, or it does not import.
    """
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        raise NoSuite(f"no module named {error.name!r} is installed here") from None
    except Exception as error:
        raise NoSuite(f"{name} can't be imported: {error}") from None
    if spec is None:
        raise NoSuite(f"no module named {name!r} is installed here")
    folders = spec.submodule_search_locations
    if folders is None:
        return [name]
    below = pkgutil.walk_packages(folders, f"{name}.", onerror=lambda _: None)
    modules = [module.name for module in below if not module.ispkg]
    return [module for module in modules if module.rpartition(".")[2].startswith("test")] or [name]


def run(arguments: Sequence[str], suite: Sequence[str]) -> Run:
    """Run *suite* in a process of its own and read unittest's closing lines."""
    begin = time.perf_counter()
    process = subprocess.run(
        [sys.executable, *arguments, *suite],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    in_process = time.perf_counter() - begin
    closing = re.findall(
        r"^Ran (\d+) tests? in ([\d.]+)s\s+^(OK|FAILED|NO TESTS RAN)\b(.*)$",
        process.stdout,
        re.MULTILINE,
    )
    if not closing:
        last = (process.stdout.strip().splitlines() or ["it printed nothing"])[-1]
        raise NoSuite(f"python {' '.join([*arguments, *suite])} did not finish: {last}")
    tests, in_tests, _, notes = closing[-1]
    count = {name: int(number) for name, number in re.findall(r"([a-z ]*[a-z])=(\d+)", notes)}
    failed = count.get("failures", 0) + count.get("unexpected successes", 0)
    errors, skipped = count.get("errors", 0), count.get("skipped", 0)
    passed = int(tests) - failed - errors - skipped
    numbers = [int(tests), passed, failed, errors, skipped]
    return Run(
        dict(zip(COLUMNS, numbers, strict=True)), float(in_tests), in_process, process.stdout
    )


def show(stock: list[Run], ours: list[Run]) -> None:
    """Print the table; outcomes are those of the last run."""
    width = len("python -m asynctesting --adopt") + 2
    print(f"{'':{width}}", *(f"{name:>8}" for name in [*COLUMNS, "in tests", "process"]))
    for arguments, runs in [(STOCK, stock), (OURS, ours)]:
        title = " ".join(["python", *arguments])
        counts = [f"{number:>8}" for number in runs[-1].outcomes.values()]
        times = [f"{seconds:>6.3f} s" for seconds in (_in_tests(runs), _process(runs))]
        print(f"{title:{width}}", *counts, *times)
    blank = " " * (9 * len(COLUMNS) - 1)
    ratios = [_ratio(_in_tests(stock), _in_tests(ours)), _ratio(_process(stock), _process(ours))]
    print(f"{'stock / adopted':{width}}", blank, *(f"{ratio:>8}" for ratio in ratios))


def _in_tests(runs: list[Run]) -> float:
    return statistics.median(run.in_tests for run in runs)


def _process(runs: list[Run]) -> float:
    return statistics.median(run.in_process for run in runs)


def _ratio(stock: float, ours: float) -> str:
    return f"{stock / ours:.2f}x" if ours else "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare what the command line names."""
    parser = argparse.ArgumentParser(
        prog="compare.py", description="Run an installed unittest suite as it is and adopted."
    )
    parser.add_argument("suite", nargs="?", default=DEFAULT_SUITE, help="a module or a package")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (default: 3)")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds needs a number of 1 or more, got {options.rounds}")

    # Names mean the same here as in the runs, where `python -m` looks in this folder first.
    sys.path.insert(0, "")
    stock: list[Run] = []
    ours: list[Run] = []
    try:
        suite = find_suite(options.suite)
        for _ in range(options.rounds):
            stock.append(run(STOCK, suite))
            if not stock[-1].outcomes["tests"]:
                raise NoSuite(f"{options.suite} holds no unittest tests")
            ours.append(run(OURS, suite))
    except NoSuite as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2

    python = ".".join(map(str, sys.version_info[:3]))
    print(f"{options.suite} on Python {python}, medians of {options.rounds} alternating runs\n")
    show(stock, ours)
    if ours[-1].outcomes == stock[-1].outcomes:
        print("\nSame outcomes.")
        return 0
    print("\nThe outcomes differ. Only as it is:")
    _list(set(stock[-1].troubles) - set(ours[-1].troubles))
    print("Only adopted:")
    _list(set(ours[-1].troubles) - set(stock[-1].troubles))
    return 1


def _list(troubles: set[str]) -> None:
    for trouble in sorted(troubles) or ["(none)"]:
        print(f"  {trouble}")


if __name__ == "__main__":
    sys.exit(main())
