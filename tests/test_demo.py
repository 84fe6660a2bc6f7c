"""What ``make demo`` shows: the example shop's suite, and a published suite that is adopted."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path

from tests.tally import read_closing_lines

ROOT = Path(__file__).resolve().parent.parent
SHOP = ROOT / "docs" / "examples" / "shop"
COMPARE = ROOT / "docs" / "examples" / "adopt" / "compare.py"


def run(arguments: Sequence[str | Path], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in *cwd*, where our package need not be installed."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )


@unittest.skipUnless(
    all(importlib.util.find_spec(name) for name in ("aiosqlite", "fastapi", "trustme")),
    "needs the 'demo' extra",
)
class ShopTests(unittest.TestCase):
    def test_the_shops_suite_is_green(self) -> None:
        """All of it passes, in development mode and with warnings as errors."""
        process = run(["-X", "dev", "-W", "error", "-m", "unittest"], cwd=SHOP)

        counts = read_closing_lines(process.stderr)
        assert counts is not None, process.stderr
        self.assertEqual((counts.failed, counts.skipped), (0, 0), process.stderr)
        self.assertGreaterEqual(counts.passed, 20)

    def test_the_shops_suite_says_nothing_but_its_verdict(self) -> None:
        """No warning, log line or traceback stands between the dots and the verdict."""
        # Not in development mode, where asyncio tells of each step that a busy machine holds up.
        process = run(["-W", "default", "-m", "unittest"], cwd=SHOP)

        self.assertEqual(process.stdout, "")
        self.assertRegex(process.stderr, r"\A\.+\n-+\nRan \d+ tests in [\d.]+s\n\nOK\n\Z")


class CompareTests(unittest.TestCase):
    def refusal(self, *arguments: str) -> str:
        """Return what compare.py says when it has nothing to compare: one line, and status 2."""
        process = run([COMPARE, *arguments])

        self.assertEqual((process.returncode, process.stdout), (2, ""), process.stderr)
        self.assertEqual(len(process.stderr.splitlines()), 1, process.stderr)
        return process.stderr.strip()

    @unittest.skipUnless(importlib.util.find_spec("aiosqlite"), "needs the 'demo' extra")
    def test_a_published_suite_has_the_same_outcomes_adopted(self) -> None:
        """aiosqlite's own tests, on unittest's class and on ours."""
        process = run([COMPARE, "--rounds", "1"])

        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        rows = [line.split() for line in process.stdout.splitlines()]
        stock = next(row for row in rows if row[:3] == ["python", "-m", "unittest"])
        ours = next(row for row in rows if row[:4] == ["python", "-m", "asynctesting", "--adopt"])
        self.assertEqual(stock[3:8], ours[4:9])
        self.assertGreater(int(stock[3]), 0)
        self.assertEqual(rows[-1], ["Same", "outcomes."])

    def test_an_unknown_module_is_refused_in_one_line(self) -> None:
        """The line names the part of the name that is missing."""
        self.assertEqual(
            self.refusal("nosuch.tests"),
            "compare.py: no module named 'nosuch' is installed here",
        )
        self.assertEqual(
            self.refusal("json.nosuch"),
            "compare.py: no module named 'json.nosuch' is installed here",
        )

    def test_a_module_without_tests_is_refused_in_one_line(self) -> None:
        """There would be nothing to compare."""
        self.assertEqual(
            self.refusal("json.decoder", "--rounds", "1"),
            "compare.py: json.decoder holds no unittest tests",
        )

    def test_a_package_stands_for_its_test_modules(self) -> None:
        """Without a name in ``__init__``, the modules below that are called test* are run."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        case = "import unittest\nclass T(unittest.IsolatedAsyncioTestCase):\n"
        files = {
            "__init__.py": "",
            "helpers.py": "raise Exception('never imported')\n",
            "test_one.py": f"{case}    async def test_a(self): pass\n",
            "deep/__init__.py": "",
            "deep/test_two.py": f"{case}    def test_b(self): pass\n",
        }
        (folder / "suite" / "deep").mkdir(parents=True)
        for name, text in files.items():
            (folder / "suite" / name).write_text(text)

        process = run([COMPARE, "suite", "--rounds", "1"], cwd=folder)

        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)
        self.assertRegex(process.stdout, r"python -m unittest +2 +2 +0 +0 +0 ")


if __name__ == "__main__":
    unittest.main()
