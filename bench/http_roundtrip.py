"""What does an HTTP round trip cost in memory, beside loopback and beside a mock?

Each contender asks the same small answer, one request after the other and a hundred at once, is
entered, asked once and left, and reads a stream, all in one plain loop that runs already; bare
asyncio streams do it without HTTP. A whole test is one of unittest's, in the case class that a user
of that contender has: ``AsyncTestCase`` for ours, audit included, ``IsolatedAsyncioTestCase`` for
TestClient and aioresponses, which makes a loop for each test and has it debug. TestClient in our
class, and on our network, tell what comes from where. Client and server share a process, whose CPU
time is taken; processes are fresh, rounds interleaved, figures medians over rounds.

    python bench/http_roundtrip.py                    # every contender that works here
    python bench/http_roundtrip.py --rounds 9 --contender "ours, stub" --contender aioresponses
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
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
from _roundtrip_tests import CASES
from _roundtrips import CONTENDERS, HTTP, HTTP_JOBS, STREAM_JOBS, STREAMS, WHOLE_TEST

QUESTION = (__doc__ or "").partition("\n")[0]
HERE = Path(__file__).resolve().parent
COUNTS = {
    "sequential": 1500,
    "100 at once": 2000,
    "entered and left": 250,
    WHOLE_TEST: 250,
    "1 MiB stream": 60,
    "line": 5000,
    "1 MiB": 60,
}
ROUNDS = 5
EVERYBODY = list(dict.fromkeys([*CONTENDERS, *CASES]))
#: Job, who has to be ahead, of whom, and by how much the other's cost is at least a multiple.
PROMISES = (
    ("sequential", "ours, application", "TestClient", 1.2),
    ("100 at once", "ours, application", "TestClient", 1.2),
    ("sequential", "ours, stub", "aioresponses", 1.8),
    ("100 at once", "ours, stub", "aioresponses", 1.8),
    (WHOLE_TEST, "ours, application", "TestClient", 1 / 0.65),
    # Stricter than what was promised, of a test: the same without any case class.
    ("entered and left", "ours, application", "TestClient", 1 / 0.65),
    ("1 MiB stream", "ours, application", "TestClient", 1.0),
    ("line", "ours, streams", "loopback streams", 1.0),
    ("1 MiB", "ours, streams", "loopback streams", 1.0),
)


@dataclass
class Runs:
    """Everything measured of one contender: microseconds by job, or why there are none."""

    us: dict[str, list[float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def cost(self, job: str) -> float | None:
        """Return the median cost of a job in microseconds of CPU time."""
        return median(self.us[job]) if self.us.get(job) and job not in self.failed else None


def jobs_of(contender: str) -> Sequence[str]:
    """Return the jobs that a contender can do."""
    jobs = [] if contender not in CONTENDERS else HTTP_JOBS if contender in HTTP else STREAM_JOBS
    return [*jobs, *([WHOLE_TEST] if contender in CASES else [])]


def measure(contender: str, job: str, count: int) -> float:
    """Have a fresh process do a job; return microseconds for one.

    Raises:
        MeasureError: If it fails.
    """
    command = [sys.executable, "-W", "ignore", str(HERE / "_roundtrips.py")]
    _, printed = run_fresh([*command, contender, job, str(count)], cwd=HERE)
    return float(printed.split()[-1]) * 1e6


def measure_all(options: Namespace, runs: dict[str, Runs]) -> None:
    """Do all rounds, there and back, so that what the machine does besides strikes everybody."""
    names = list(runs)
    for turn in range(options.rounds):
        progress(f"round {turn + 1} of {options.rounds}")
        for name in names if turn % 2 == 0 else names[::-1]:
            for job in jobs_of(name):
                if job in runs[name].failed:
                    continue
                count = max(100 if job == "100 at once" else 2, COUNTS[job] // options.divide)
                try:
                    runs[name].us.setdefault(job, []).append(measure(name, job, count))
                except MeasureError as error:
                    runs[name].failed[job] = str(error).strip().splitlines()[-1].strip()


def verdicts(runs: dict[str, Runs]) -> list[Verdict]:
    """Hold the figures against what is promised."""
    found = []
    for job, ours, theirs, least in PROMISES:
        promise = f"{job}: {ours} ahead of {theirs} by {least:.2g} or more"
        mine = runs[ours].cost(job) if ours in runs else None
        other = runs[theirs].cost(job) if theirs in runs else None
        if mine is None or other is None:
            why = runs[theirs].failed.get(job, "not run") if theirs in runs else "not run"
            found.append(Verdict(promise, None, why))
        else:
            ratio = other / mine
            found.append(Verdict(promise, ratio >= least, f"{ratio:.2f} times"))
    return found


def print_tables(runs: dict[str, Runs]) -> None:
    """Print one table for HTTP and one for bare streams, in microseconds of CPU time."""
    for title, contenders, jobs in (
        ("HTTP, CPU µs for one", dict.fromkeys([*HTTP, *CASES]), [*HTTP_JOBS, WHOLE_TEST]),
        ("asyncio streams, there and back, CPU µs for one", STREAMS, STREAM_JOBS),
    ):
        rows = [[title, *jobs]]
        for name in contenders:
            if name in runs:
                costs = [runs[name].cost(job) for job in jobs]
                rows.append([name, *("-" if c is None else f"{c:,.0f}" for c in costs)])
        if len(rows) > 1:
            print("\n" + table(rows))
    for name, run in runs.items():
        for job, why in run.failed.items():
            print(f"\n{name}, {job}: {why}")


def parse(arguments: Sequence[str] | None) -> Namespace:
    """Read the command line."""
    parser = OneLineParser(description=QUESTION, prog="http_roundtrip.py")
    parser.add_argument(
        "--rounds", type=whole_number(1), default=ROUNDS, help="default: %(default)s"
    )
    parser.add_argument("--divide", type=whole_number(1), default=1, help="do so much less")
    parser.add_argument("--contender", action="append", choices=EVERYBODY)
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print tables, and hold them against the promises."""
    options = parse(arguments)
    wanted = options.contender or EVERYBODY
    absent = [name for name in wanted if name == "aioresponses" and not installed(name)]
    runs = {name: Runs() for name in wanted if name not in absent}
    measure_all(options, runs)
    if not any(run.us for run in runs.values()):
        print("nothing could be measured", file=sys.stderr)
        return 1
    if options.json:
        answer = {name: {"us": run.us, "failed": run.failed} for name, run in runs.items()}
        print(json.dumps({"question": QUESTION, "contenders": answer}, indent=1))
        return 0
    print(QUESTION)
    print(f"{machine()}, aiohttp {importlib.metadata.version('aiohttp')}")
    print_tables(runs)
    for name in absent:
        print(f"\n{name} is not installed: {EXTRA}")
    print()
    for verdict in verdicts(runs):
        print(verdict)
    return 0


if __name__ == "__main__":
    sys.exit(main())
