"""How long does the codemod take for 100,000 lines of tests?

Makes a project of test files in all the styles that it knows, and times the command on it,
from a fresh process to the last file written. The promise is a minute on two cores. Where others
had the cores meanwhile, a longer time says nothing, unless the CPU seconds alone fill two minutes.

    python bench/migrate_speed.py
    python bench/migrate_speed.py --lines 20000
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from _measure import (
    MeasureError,
    OneLineParser,
    Spent,
    Verdict,
    machine,
    progress,
    run_fresh,
    table,
    whole_number,
)

QUESTION = (__doc__ or "").partition("\n")[0]
PROMISED_LINES = 100_000
PROMISED_SECONDS = 60

STYLES = {
    "asynctest": ("import asynctest\n\n\nclass Tests(asynctest.TestCase):\n"
                  "    async def setUp(self):\n        self.db = asynctest.CoroutineMock()\n\n",
                  "    async def test_{n}(self):\n        value = await self.db({n})\n"
                  "        await self.assertAsyncRaises(OSError, self.db(value))\n\n"),
    "loop": ("import asyncio\nimport unittest\n\n\nclass Tests(unittest.TestCase):\n"
             "    def setUp(self):\n        self.loop = asyncio.new_event_loop()\n\n"
             "    def tearDown(self):\n        self.loop.close()\n\n",
             "    def test_{n}(self):\n        async def go():\n"
             "            self.assertEqual(await f({n}), {n})\n\n"
             "        self.loop.run_until_complete(go())\n\n"),
    "tornado": ("from tornado.testing import AsyncTestCase, gen_test\n\n\n"
                "class Tests(AsyncTestCase):\n",
                "    @gen_test\n    def test_{n}(self):\n        value = yield f({n})\n"
                "        self.assertEqual(value, {n})\n\n"),
    "pytest-asyncio": ("import pytest\n\n\n",
                       "@pytest.mark.asyncio\nasync def test_{n}():\n    value = await f({n})\n"
                       "    assert value == {n}\n\n\n"),
    "sync": ("import unittest\n\n\nclass Tests(unittest.TestCase):\n",
             "    def test_{n}(self):\n        value = f({n})\n"
             "        self.assertEqual(value, {n})\n\n"),
}  # fmt: skip
LINES_A_FILE = 400


def write_project(folder: Path, lines: int) -> tuple[int, int]:
    """Write files of all styles with so many lines together; return files and lines."""
    written = files = 0
    while written < lines:
        style = list(STYLES)[files % len(STYLES)]
        head, test = STYLES[style]
        count = (LINES_A_FILE - head.count("\n")) // test.count("\n")
        text = head + "".join(test.replace("{n}", str(number)) for number in range(count))
        path = folder / f"test_{style.replace('-', '_')}_{files}.py"
        path.write_text(text, encoding="utf-8")
        written += text.count("\n")
        files += 1
    return files, written


def is_held(spent: Spent, lines: int, cores: int) -> bool | None:
    """Tell whether the promise was kept, or ``None`` where this run can't tell.

    Args:
        spent: What the command has used, its worker processes included.
        lines: How many lines it had.
        cores: How many cores the machine has.
    """
    if lines < PROMISED_LINES or cores < 2:
        return None
    if spent.wall <= PROMISED_SECONDS:
        return cores == 2 or spent.cpu <= 2 * PROMISED_SECONDS or None
    if spent.cpu > 2 * PROMISED_SECONDS:
        return False
    # It had less than the two cores, or did not use them: only a free machine can tell.
    return None if os.getloadavg()[0] > cores + 1 else False


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the question."""
    parser = OneLineParser(description=QUESTION)
    parser.add_argument(
        "--lines", type=whole_number(1), default=PROMISED_LINES, help="how many lines"
    )
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="asynctesting-bench-") as name:
        folder = Path(name)
        files, lines = write_project(folder, options.lines)
        progress(f"rewriting {files} files")
        try:
            spent, printed = run_fresh(
                [sys.executable, "-m", "asynctesting", "migrate", str(folder)], cwd=folder
            )
        except MeasureError as error:
            print(f"migrate_speed.py: {error}", file=sys.stderr)
            return 1
    progress("")
    print(QUESTION, machine(), "", sep="\n")
    print(table([
        ["files", "lines", "seconds", "CPU seconds", "lines a second"],
        [f"{files:,}", f"{lines:,}", f"{spent.wall:.1f}", f"{spent.cpu:.1f}",
         f"{lines / spent.wall:,.0f}"],
    ], words=0))  # fmt: skip
    print(printed.strip().splitlines()[-1] if printed.strip() else "", end="\n\n")
    verdict = Verdict(
        f"{PROMISED_LINES:,} lines take at most a minute on two cores",
        is_held(spent, lines, os.cpu_count() or 1),
        f"{spent.wall:.1f} s and {spent.cpu:.1f} CPU seconds for {lines:,} lines",
    )
    print(verdict)
    return 0 if verdict.held is not False else 1


if __name__ == "__main__":
    sys.exit(main())
