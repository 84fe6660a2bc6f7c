"""What does it cost to await something from synchronous test code?

Each contender awaits the same coroutine, one ``asyncio.sleep(0)`` and an answer, again and again
within one running test. Processes are fresh, rounds interleaved between contenders; inside, the
first calls are not counted. The cost of a call is CPU time, the median over rounds; wall time
beside it.

    python bench/bridge.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
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

QUESTION = (__doc__ or "").partition("\n")[0]
TIMES_CHEAPER = 10

_CHILD = """
import asyncio, json, sys, time, unittest
import asynctesting
{setup}

async def answer():
    await asyncio.sleep(0)
    return 42

class Tests({base}):
    def test_it(self):
        calls = {calls}
        def spend(count):
            for _ in range(count):
                if {call} != 42:
                    raise SystemExit("wrong answer")
        spend(calls // 10 + 1)
        cpu, wall = time.process_time(), time.perf_counter()
        spend(calls)
        spent = time.process_time() - cpu, time.perf_counter() - wall
        print(json.dumps([seconds / calls for seconds in spent]))
    {method}

result = unittest.TestResult()
Tests("test_it").run(result)
for _, text in result.errors + result.failures:
    raise SystemExit(text)
"""

_PLAIN = "unittest.TestCase"
_MIXIN = "asynctesting.AsyncResultMixin, unittest.TestCase"


@dataclass(frozen=True)
class Contender:
    """A way from synchronous code to a coroutine's result.

    Attributes:
        key: Its name on the command line.
        title: What it is.
        call: The expression that is timed.
        base: The bases of the test class.
        setup: Statements of the module.
        method: A statement in the class.
        needs: A module that has to be installed.
    """

    key: str
    title: str
    call: str
    base: str = _PLAIN
    setup: str = ""
    method: str = ""
    needs: str = "asynctesting"

    def script(self, calls: int) -> str:
        """Write the program that times *calls* calls and prints seconds per call."""
        return _CHILD.format(
            setup=self.setup, base=self.base, method=self.method, call=self.call, calls=calls
        )


_ALL = (
    Contender("run", "asyncio.run(answer())", "asyncio.run(answer())"),
    Contender(
        "runner",
        "asyncio.Runner, kept",
        "runner.run(answer())",
        setup="runner = asyncio.Runner()",
    ),
    Contender(
        "aiounittest",
        "aiounittest.async_test(answer)()",
        # It is decorated anew for each call: what it returns can be called once (1.5).
        "aiounittest.async_test(answer)()",
        setup="import aiounittest",
        needs="aiounittest",
    ),
    Contender("ours", "self.get_async_result(answer())", "self.get_async_result(answer())", _MIXIN),
    Contender(
        "decorated",
        "@async_test",
        "self.answer()",
        _MIXIN,
        method="@asynctesting.async_test\n    async def answer(self): return await answer()",
    ),
    Contender(
        "class",
        "cls.get_class_async_result(answer())",
        "self.get_class_async_result(answer())",
        _MIXIN,
    ),
    Contender(
        "function",
        "asynctesting.get_async_result(answer())",
        "asynctesting.get_async_result(answer())",
    ),
)
CONTENDERS = {contender.key: contender for contender in _ALL}


@dataclass
class Timings:
    """What a call of one contender cost, one entry a round; seconds."""

    contender: Contender
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def cost_us(self) -> float:
        """Give the median CPU time of a call, in microseconds.

        Example:
            >>> Timings(CONTENDERS["run"], cpu=[3e-06, 1e-06, 2e-06]).cost_us()
            2.0
        """
        return round(median(self.cpu) * 1e6, 3)


Measured = dict[str, Timings]


def measure(contenders: Sequence[Contender], calls: int, rounds: int) -> Measured:
    """Time every contender, one round after the other."""
    measured = {contender.key: Timings(contender) for contender in contenders}
    with tempfile.TemporaryDirectory(prefix="asynctesting-bench-") as folder:
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            # There and back: a machine that warms up or slows down favours nobody.
            for contender in contenders if number % 2 == 0 else reversed(contenders):
                script = Path(folder, f"bench_{contender.key}.py")
                script.write_text(contender.script(calls), encoding="utf-8")
                _, printed = run_fresh(
                    [sys.executable, "-W", "ignore", str(script)], cwd=script.parent
                )
                cpu, wall = json.loads(printed.splitlines()[-1])
                measured[contender.key].cpu.append(cpu)
                measured[contender.key].wall.append(wall)
    return measured


def verdicts(measured: Measured) -> list[Verdict]:
    """Hold the promises about a call against what was measured."""
    promise = f"get_async_result() costs at most 1/{TIMES_CHEAPER} of asyncio.run()"
    answers = [_cheaper(measured, promise, "run", TIMES_CHEAPER)]
    if "aiounittest" in measured:
        promise = "get_async_result() costs less than aiounittest's async_test"
        answers.append(_cheaper(measured, promise, "aiounittest", 1))
    return answers


def _cheaper(measured: Measured, promise: str, rival: str, times: int) -> Verdict:
    """Judge whether our call costs at most one of *times* parts of the rival's."""
    if not {"ours", rival} <= measured.keys():
        return Verdict(promise, None, f"needs ours and {rival}")
    ratio = measured[rival].cost_us() / measured["ours"].cost_us()
    return Verdict(promise, ratio >= times, f"1/{ratio:.1f}")


def as_text(measured: Measured, calls: int, rounds: int) -> str:
    """Write the table, and one line for each promise."""
    rows = [["contender", "", "µs/call", "min", "max", "wall", "run ÷ it"]]
    for key, timings in measured.items():
        values = (timings.cost_us() / 1e6, min(timings.cpu), max(timings.cpu), median(timings.wall))
        ratio = "-"
        if "run" in measured:
            ratio = f"{measured['run'].cost_us() / timings.cost_us():.1f}"
        figures = [f"{value * 1e6:,.1f}" for value in values]
        rows.append([key, timings.contender.title, *figures, ratio])
    heading = f"{machine()}\nCPU time, medians over rounds: {rounds}; {calls:,} calls a round"
    lines = [QUESTION, heading, "", table(rows, words=2), "", *map(str, verdicts(measured))]
    return "\n".join(lines)


def as_json(measured: Measured, missing: Sequence[str]) -> str:
    """Write every single measurement."""
    answer = {
        "machine": machine(),
        "contenders": {
            key: {
                "title": timings.contender.title,
                "us_per_call": timings.cost_us(),
                "cpu_us": [value * 1e6 for value in timings.cpu],
                "wall_us": [value * 1e6 for value in timings.wall],
            }
            for key, timings in measured.items()
        },
        "verdicts": [asdict(verdict) for verdict in verdicts(measured)],
        "missing": list(missing),
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


def parse(argv: Sequence[str] | None) -> Namespace:
    """Read the command line."""
    parser = OneLineParser(prog="bridge", description=QUESTION)
    parser.add_argument("--calls", type=whole_number(1), default=2000, metavar="N")
    parser.add_argument("--rounds", type=whole_number(1), default=9, metavar="N")
    parser.add_argument(
        "--contender", action="append", choices=[*CONTENDERS], help="time this one (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the question; the exit code says whether it could be answered."""
    options = parse(argv)
    asked = [CONTENDERS[key] for key in dict.fromkeys(options.contender or CONTENDERS)]
    present = [contender for contender in asked if installed(contender.needs)]
    missing = [contender.key for contender in asked if contender not in present]
    for key in missing:
        message = f"{key} is left out: no {CONTENDERS[key].needs} here. {EXTRA}"
        print(f"bridge: {message}", file=sys.stderr)
    if not present:
        print("bridge: nobody is left to time", file=sys.stderr)
        return 1
    try:
        measured = measure(present, options.calls, options.rounds)
    except MeasureError as error:
        print(f"bridge: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(as_json(measured, missing))
    else:
        print(as_text(measured, options.calls, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
