"""The contenders, and the suites of trivial tests that they are timed on.

Every contender runs the same body: one ``await asyncio.sleep(0)`` and one assertion,
or in a suite with tasks, fifty tasks and two hundred awaits. Invariant: two suites of
one contender differ in their number of tests and in nothing else, so that start-up
and imports cancel out when one is subtracted from the other.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from _measure import MeasureError, Spent, run_fresh

TESTS_A_CLASS = 20
TESTS_A_MODULE = 100
TASKS_A_TEST = 50

_UNITTEST = ("-m", "unittest")
_PYTEST = ("-m", "pytest", "-q", "-c", "pytest.ini", "-p", "no:cacheprovider", "-p")

_ASYNC_BODY = """\
        value = 2
        await asyncio.sleep(0)
"""
_TASKS_BODY = f"""\
        tasks = [asyncio.create_task(count_to(3)) for _ in range({TASKS_A_TEST})]
        value = 0
        for task in tasks:
            value += await task
        value -= {3 * TASKS_A_TEST - 2}
"""
_TASKS_HELPER = """
async def count_to(number):
    for _ in range(number):
        await asyncio.sleep(0)
    return number
"""
_HOOKS = """\
    async def asyncSetUp(self):
        await asyncio.sleep(0)

    async def asyncTearDown(self):
        await asyncio.sleep(0)

"""


class Body(Enum):
    """What a test does before its assertion."""

    SYNC = "        value = 2\n"
    ASYNC = _ASYNC_BODY
    TASKS = _TASKS_BODY


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Somebody who can run a test: how its suite is written and how it is run.

    ``rival`` is the contender of the standard library that does the same work.
    """

    key: str
    title: str
    needs: tuple[str, ...] = ()
    base: str = ""
    preamble: str = ""
    body: Body = Body.ASYNC
    hooks: bool = False
    plugin: str = ""
    settings: str = ""
    rival: str = "stock"

    @property
    def is_peer(self) -> bool:
        """True for those whom we promise to undercut."""
        return bool(self.plugin)

    def command(self) -> list[str]:
        """Say how a user would run the whole suite, with no other plugin loaded."""
        return [sys.executable, *((*_PYTEST, self.plugin) if self.plugin else _UNITTEST)]


_OURS = "from asynctesting import AsyncTestCase"
_BACKEND = """\
@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"

pytestmark = pytest.mark.anyio"""

CONTENDERS = {
    contender.key: contender
    for contender in (
        Contender(
            key="sync",
            title="TestCase, synchronous test",
            base="unittest.TestCase",
            body=Body.SYNC,
        ),
        Contender(
            key="stock",
            title="IsolatedAsyncioTestCase",
            base="unittest.IsolatedAsyncioTestCase",
        ),
        Contender(
            key="ours",
            title="AsyncTestCase",
            needs=("asynctesting",),
            base="AsyncTestCase",
            preamble=_OURS,
        ),
        Contender(
            key="ours-sync",
            title="AsyncTestCase, synchronous test",
            needs=("asynctesting",),
            base="AsyncTestCase",
            preamble=_OURS,
            body=Body.SYNC,
        ),
        Contender(
            key="stock-hooks",
            title="IsolatedAsyncioTestCase, set-up and teardown",
            base="unittest.IsolatedAsyncioTestCase",
            hooks=True,
            rival="stock-hooks",
        ),
        Contender(
            key="ours-hooks",
            title="AsyncTestCase, set-up and teardown",
            needs=("asynctesting",),
            base="AsyncTestCase",
            preamble=_OURS,
            hooks=True,
            rival="stock-hooks",
        ),
        Contender(
            key="pytest-asyncio",
            title="pytest-asyncio, loop per test",
            needs=("pytest", "pytest_asyncio"),
            plugin="pytest_asyncio.plugin",
            settings="asyncio_mode = auto\n",
        ),
        Contender(
            key="pytest-asyncio-session",
            title="pytest-asyncio, one loop",
            needs=("pytest", "pytest_asyncio"),
            plugin="pytest_asyncio.plugin",
            settings="asyncio_mode = auto\nasyncio_default_test_loop_scope = session\n",
        ),
        Contender(
            key="anyio",
            title="anyio's pytest plugin, runner per test",
            needs=("pytest", "anyio"),
            plugin="anyio.pytest_plugin",
            preamble=_BACKEND,
        ),
    )
}


class Suite:
    """A generated suite on disk: some number of tests for one contender."""

    def __init__(self, contender: Contender, tests: int, parent: Path, *, tasks: bool) -> None:
        """Write the suite into a new folder under *parent*."""
        self.contender = contender
        self.tests = tests
        self.folder = parent / f"{contender.key}-{tests}"
        self.folder.mkdir()
        body = Body.TASKS if tasks else contender.body
        (self.folder / "pytest.ini").write_text("[pytest]\n" + contender.settings)
        for first in range(0, tests, TESTS_A_MODULE):
            numbers = range(first, min(first + TESTS_A_MODULE, tests))
            source = "".join(_module(contender, body, numbers))
            (self.folder / f"test_{first:06}.py").write_text(source)

    def __repr__(self) -> str:
        return f"<Suite {self.contender.key} tests={self.tests}>"

    def warm(self) -> None:
        """Have the bytecode written, which costs as many microseconds a test as some runners."""
        if self.contender.plugin:
            # pytest compiles its own: collecting is what writes it.
            command = [*self.contender.command(), "--collect-only", "-qq"]
        else:
            command = [sys.executable, "-m", "compileall", "-q", "."]
        run_fresh(command, cwd=self.folder)

    def run(self) -> Spent:
        """Run the suite in a fresh process.

        Raises:
            MeasureError: If a test failed, or fewer tests ran than were written.
        """
        spent, printed = run_fresh(self.contender.command(), cwd=self.folder)
        ran = re.search(r"^Ran (\d+) tests?|(\d+) passed", printed, re.MULTILINE)
        counted = int(ran[1] or ran[2]) if ran else 0
        if counted != self.tests:
            raise MeasureError(f"{self.contender.key} ran {counted} tests out of {self.tests}")
        return spent


def _module(contender: Contender, body: Body, numbers: range) -> Iterator[str]:
    """Write one module: its imports, then a class for every twenty tests."""
    framework = "pytest" if contender.plugin else "unittest"
    yield f"import asyncio\nimport {framework}\n{contender.preamble}\n"
    if body is Body.TASKS:
        yield _TASKS_HELPER
    for number in numbers:
        if number % TESTS_A_CLASS == 0:
            bases = f"({contender.base})" if contender.base else ""
            yield f"\n\nclass TestNumber{number}{bases}:\n"
            yield _HOOKS if contender.hooks else ""
        yield _method(contender, body, number)


def _method(contender: Contender, body: Body, number: int) -> str:
    """Write one test, in the dialect of the contender's framework."""
    prefix = "" if body is Body.SYNC else "async "
    check = "assert value == 2" if contender.plugin else "self.assertEqual(value, 2)"
    return f"    {prefix}def test_{number:06}(self):\n{body.value}        {check}\n\n"
