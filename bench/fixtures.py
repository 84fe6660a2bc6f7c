"""What does a costly server cost a class of a thousand tests: made for each of them, or once?

Every test asks the server one question over a connection of its own. The server takes five
milliseconds to start, which is little for one with a schema to load. Each contender runs in fresh
processes, rounds interleaved; medians over rounds, from the start of the process to its end.

    python bench/fixtures.py
    python bench/fixtures.py --tests 200 --rounds 1
"""

from __future__ import annotations

import json
import re
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

_SERVER = """
import asyncio
import contextlib
import time


@contextlib.asynccontextmanager
async def costly_server():
    time.sleep(0.005)

    async def answer(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"tea\\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer
"""

_ON_UNITTEST = """
    async def test_{number:04}(self):
        self.assertEqual(await ask(self.port), b"tea\\n")
"""

_ON_PYTEST = """
    async def test_{number:04}(self, port):
        assert await ask(port) == b"tea\\n"
"""


@dataclass(frozen=True)
class Contender:
    """One framework with one scope for the server.

    Attributes:
        key: Its name on the command line.
        scope: ``"test"`` or ``"class"``.
        head: The source before the first test.
        plugin: The pytest plugin that runs it; ``""`` for unittest.
        needs: What must be installed.
    """

    key: str
    scope: str
    head: str
    plugin: str = ""
    needs: str = "asynctesting"

    def command(self) -> list[str]:
        """Return what runs the suite in the current folder."""
        if self.plugin:
            options = ["-p", self.plugin, "-p", "no:cacheprovider", "-q"]
            return [sys.executable, "-m", "pytest", *options, "test_it.py"]
        return [sys.executable, "-m", "unittest", "-q", "test_it"]


def _ours(scope: str) -> str:
    owner = "self" if scope == "test" else "cls"
    return f"""
from asynctesting import AsyncTestCase, async_fixture

class Tests(AsyncTestCase):
    @async_fixture(scope="{scope}")
    async def port({owner}):
        async with costly_server() as port:
            yield port
"""


def _pytest_asyncio(scope: str) -> str:
    loop = "function" if scope == "test" else "class"
    return f"""
import pytest, pytest_asyncio

@pytest.mark.asyncio(loop_scope="{loop}")
class TestIt:
    @pytest_asyncio.fixture(scope="{loop}", loop_scope="{loop}")
    async def port(self):
        async with costly_server() as port:
            yield port
"""


def _anyio(scope: str) -> str:
    loop = "function" if scope == "test" else "class"
    return f"""
import pytest

@pytest.fixture(scope="{loop}")
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
class TestIt:
    @pytest.fixture(scope="{loop}")
    async def port(self):
        async with costly_server() as port:
            yield port
"""


_STOCK = """
import unittest

class Tests(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.port = await self.enterAsyncContext(costly_server())
"""

CONTENDERS = {
    contender.key: contender
    for contender in (
        Contender("stock-test", "test", _STOCK),
        Contender("ours-test", "test", _ours("test")),
        Contender(
            "pytest-asyncio-test", "test", _pytest_asyncio("test"), "pytest_asyncio.plugin",
            "pytest_asyncio",
        ),
        Contender("anyio-test", "test", _anyio("test"), "anyio.pytest_plugin", "anyio"),
        Contender("ours-class", "class", _ours("class")),
        Contender(
            "pytest-asyncio-class", "class", _pytest_asyncio("class"), "pytest_asyncio.plugin",
            "pytest_asyncio",
        ),
        Contender("anyio-class", "class", _anyio("class"), "anyio.pytest_plugin", "anyio"),
    )
}  # fmt: skip


@dataclass
class Runs:
    """What each round of one contender used."""

    contender: Contender
    spent: list[Spent] = field(default_factory=list)

    def seconds(self, clock: str = "wall") -> float:
        """Return the median over rounds."""
        return median(getattr(spent, clock) for spent in self.spent)


Measured = dict[str, Runs]


def write(contender: Contender, tests: int, folder: Path) -> None:
    """Write the suite of *contender* into *folder*."""
    method = _ON_PYTEST if contender.plugin else _ON_UNITTEST
    methods = "".join(method.format(number=number) for number in range(tests))
    (folder / "test_it.py").write_text(_SERVER + contender.head + methods)
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
        if contender.plugin == "pytest_asyncio.plugin"
        else "[pytest]\n"
    )


def run(contender: Contender, tests: int, folder: Path) -> Spent:
    """Run the suite in a fresh process.

    Raises:
        MeasureError: If a test failed, or fewer tests ran than were written.
    """
    spent, printed = run_fresh(contender.command(), cwd=folder)
    ran = re.search(r"^Ran (\d+) tests?|(\d+) passed", printed, re.MULTILINE)
    counted = int(ran[1] or ran[2]) if ran else 0
    if counted != tests:
        raise MeasureError(f"{contender.key} ran {counted} tests out of {tests}")
    return spent


def measure(contenders: Sequence[Contender], tests: int, rounds: int) -> Measured:
    """Time every contender, one round after the other."""
    measured = {contender.key: Runs(contender) for contender in contenders}
    with tempfile.TemporaryDirectory() as parent:
        for contender in contenders:
            folder = Path(parent, contender.key)
            folder.mkdir()
            write(contender, tests, folder)
        for number in range(1, rounds + 1):
            for key, runs in measured.items():
                progress(f"round {number} of {rounds}: {key}")
                runs.spent.append(run(runs.contender, tests, Path(parent, key)))
    return measured


def verdicts(measured: Measured) -> list[Verdict]:
    """Hold the figures against what is promised."""
    found = []
    for scope in ("class", "test"):
        ours = measured.get(f"ours-{scope}")
        peers = [
            runs
            for key, runs in measured.items()
            if runs.contender.scope == scope and not key.startswith("ours")
        ]
        promise = f"a server for each {scope} costs less than under every peer"
        if ours is None or not peers:
            found.append(Verdict(promise, None, "needs us and at least one peer"))
            continue
        best = min(peers, key=Runs.seconds)
        evidence = (
            f"{ours.seconds():.2f} s; the cheapest of {len(peers)}, {best.contender.key}: "
            f"{best.seconds():.2f} s"
        )
        found.append(Verdict(promise, ours.seconds() < best.seconds(), evidence))
    return found


def report(measured: Measured, options: Namespace) -> str:
    """Lay the figures out as a table, the promises below it."""
    rows = [["contender", "server for each", "s", "CPU s", "ms/test"]]
    for key, runs in measured.items():
        seconds = runs.seconds()
        rows.append(
            [
                key.rpartition("-")[0],
                runs.contender.scope,
                f"{seconds:.2f}",
                f"{runs.seconds('cpu'):.2f}",
                f"{seconds / options.tests * 1e3:.2f}",
            ]
        )
    lines = [
        QUESTION,
        machine(),
        f"medians over rounds: {options.rounds}; {options.tests:,} tests in one class",
        "",
        table(rows, words=2),
        "",
        *map(str, verdicts(measured)),
    ]
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> Namespace:
    """Read the command line."""
    parser = OneLineParser(prog="fixtures", description=QUESTION)
    parser.add_argument("--tests", type=whole_number(1), default=1000)
    parser.add_argument("--rounds", type=whole_number(1), default=3)
    parser.add_argument("--contender", action="append", choices=[*CONTENDERS])
    parser.add_argument("--json", action="store_true", help="print every measurement instead")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer the question; return 0 if every promise that was measured is kept."""
    options = parse(arguments)
    contenders = []
    for key in options.contender or CONTENDERS:
        contender = CONTENDERS[key]
        if installed(contender.needs) and (not contender.plugin or installed("pytest")):
            contenders.append(contender)
        else:
            print(
                f"fixtures: {key} is left out: no {contender.needs} here. {EXTRA}", file=sys.stderr
            )
    if not contenders:
        print("fixtures: nobody is left to time", file=sys.stderr)
        return 1
    try:
        measured = measure(contenders, options.tests, options.rounds)
    except MeasureError as error:
        print(f"fixtures: {error}", file=sys.stderr)
        return 1
    if options.json:
        figures = {key: [asdict(spent) for spent in runs.spent] for key, runs in measured.items()}
        print(json.dumps({"tests": options.tests, "contenders": figures}))
    else:
        print(report(measured, options))
    return int(any(verdict.held is False for verdict in verdicts(measured)))


if __name__ == "__main__":
    sys.exit(main())
