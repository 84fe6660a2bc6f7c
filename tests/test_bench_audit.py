"""The benchmark of the audit answers in full; see ``tests/test_bench.py``.

No figure is judged here, either.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

BENCH = Path(__file__).resolve().parent.parent / "bench"

with mock.patch.object(sys, "path", [str(BENCH), *sys.path]):
    import _measure
    import audit


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark as its user does."""
    return subprocess.run(
        [sys.executable, str(BENCH / "audit.py"), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**_measure.os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
        timeout=300,
    )


def measured(old: int = 0, **medians: float) -> audit.Measured:
    """Make up medians, and means that are a microsecond above them."""
    return audit.Measured(old, medians, {key: value + 1 for key, value in medians.items()})


class AuditTests(unittest.TestCase):
    def test_the_answer_is_complete(self) -> None:
        """The question, a row for each contender that is there, and three verdicts."""
        ran = bench("--tests", "3", "--old", "10")

        self.assertEqual(ran.returncode, 0, ran.stderr)
        lines = ran.stdout.splitlines()
        self.assertEqual(lines[0], audit.QUESTION)
        rows = [title for title in audit.TITLES.values() if f"\n{title} " in ran.stdout]
        there = [key for key in audit.TITLES if f"{key} is left out" not in ran.stderr]
        self.assertEqual(rows, [audit.TITLES[key] for key in there])
        self.assertEqual(sum(line.startswith(("kept", "BROKEN")) for line in lines), 3, ran.stdout)

    def test_a_child_times_each_test(self) -> None:
        """So many figures for each contender, and none of a test that has not run."""
        ran = bench("--child", "stock,ours,off", "--tests", "60", "--old", "5")

        self.assertEqual(ran.returncode, 0, ran.stderr)
        spent = json.loads(ran.stdout)
        self.assertEqual({key: len(each) for key, each in spent.items()},
                         dict.fromkeys(("stock", "ours", "off"), 60))  # fmt: skip
        self.assertTrue(all(second > 0 for each in spent.values() for second in each))

    def test_the_contenders_are_what_they_are_called(self) -> None:
        """Ours differ in the audit alone, and the others have none."""
        self.assertEqual(audit.make_case("ours").leaks, "default")
        self.assertEqual(audit.make_case("off").leaks, "off")
        for key in ("stock", "pyleak", "blockbuster"):
            with self.subTest(key=key):
                self.assertEqual(audit.make_case(key).__mro__[1], unittest.IsolatedAsyncioTestCase)

    def test_a_test_that_fails_is_not_timed(self) -> None:
        """A figure of a test that did something else would be one of something else."""

        class Failing(unittest.TestCase):
            def test_it(self) -> None:
                self.fail("no tea")

        with (
            mock.patch.object(audit, "make_case", lambda key: Failing),
            self.assertRaisesRegex(_measure.MeasureError, "no tea"),
        ):
            audit.time_tests(["stock"], 2, 0)

    def test_each_promise_is_held_against_its_figure(self) -> None:
        """At its bound it is kept, and beyond it is not."""
        kept = audit.verdicts(
            measured(stock=800, ours=100, off=40), measured(1000, stock=900, ours=140, off=40)
        )
        broken = audit.verdicts(
            measured(stock=799, ours=100, off=39.9), measured(1000, stock=900, ours=140, off=39.9)
        )

        self.assertEqual([verdict.held for verdict in kept], [True] * 3)
        self.assertEqual([verdict.held for verdict in broken], [False] * 3)
        self.assertIn("1,000 old objects", kept[1].promise)

    def test_what_can_not_be_meant_is_one_line(self) -> None:
        """So is a child that fails."""
        for arguments, code, text in (
            (("--tests", "0"), 2, "--tests"),
            (("--child", "tea", "--tests", "1"), 1, "audit: "),
        ):
            with self.subTest(arguments=arguments):
                stderr = io.StringIO()
                with (
                    contextlib.redirect_stderr(stderr),
                    mock.patch.object(
                        audit, "make_case", side_effect=_measure.MeasureError("no such contender")
                    ),
                ):
                    try:
                        ended = audit.main(arguments)
                    except SystemExit as end:
                        ended = end.code
                self.assertEqual(ended, code)
                self.assertIn(text, stderr.getvalue())
                self.assertEqual(len(stderr.getvalue().splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
