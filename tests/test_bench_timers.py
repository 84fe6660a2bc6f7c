"""The benchmark of the clock answers in full; see ``tests/test_bench.py``.

No figure is judged here, either.
"""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

BENCH = Path(__file__).resolve().parent.parent / "bench"

with mock.patch.object(sys, "path", [str(BENCH), *sys.path]):
    import _measure
    import _ticking
    import timers

QUICK = ("--rounds=1", "--repeats=1", "--count=20", "--count=40", "--sequence=30", "--echo=5")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark as its user does."""
    return subprocess.run(
        [sys.executable, str(BENCH / "timers.py"), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**_measure.os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
        timeout=300,
    )


class TimersTests(unittest.TestCase):
    def test_the_answer_is_complete(self) -> None:
        """A table for each job, and a verdict on each promise."""
        run = bench(*QUICK, "--contender", "floor", "--contender", "ours")

        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertTrue(run.stdout.startswith(timers.QUESTION))
        for title in timers.TITLES.values():
            self.assertIn(title, run.stdout)
        self.assertIn("not measured: sleeps of one task: ahead of every peer", run.stdout)

    def test_the_measurements_can_be_had(self) -> None:
        """All of them, as JSON."""
        run = bench(*QUICK, "--json", "--contender", "floor", "--contender", "ours")

        answer = json.loads(run.stdout)
        self.assertEqual(
            set(answer["contenders"]["ours"]["us"]),
            {
                "tasks 20",
                "tasks 40",
                "ties 20",
                "ties 40",
                "sequence 30",
                "echo 5",
            },
        )
        self.assertEqual(answer["contenders"]["ours"]["failed"], {})

    def test_a_missing_peer_is_named(self) -> None:
        """With what would bring it."""
        with (
            mock.patch.object(timers, "installed", lambda module: False),
            mock.patch.object(sys, "stderr") as stderr,
        ):
            self.assertEqual(timers.main(["--contender", "looptime"]), 1)
        printed = "".join(call.args[0] for call in stderr.write.call_args_list)
        self.assertIn("looptime is left out: no looptime here. pip install", printed)
        self.assertIn("nobody is left to time", printed)

    def test_slow_peers_are_spared(self) -> None:
        """What takes minutes is left out, or done less often, unless asked for."""
        slow = _ticking.CONTENDERS["looptime"]
        self.assertEqual(timers.Measure("tasks", 1_000_000).share(slow, False), 0)
        self.assertEqual(timers.Measure("sequence", 1_000_000).share(slow, False), 100_000)
        self.assertEqual(timers.Measure("tasks", 1_000_000).share(slow, True), 1_000_000)

    def test_a_peer_that_fails_is_shown(self) -> None:
        """By the name of its error, in place of a figure."""
        measure = timers.Measure("echo", 5)
        measured = {
            "floor": timers.Runs(_ticking.CONTENDERS["floor"], {measure: [2.0]}),
            "ours": timers.Runs(_ticking.CONTENDERS["ours"], {measure: [5.0]}),
            "aiotools": timers.Runs(_ticking.CONTENDERS["aiotools"], {}, {measure: "TimeoutError"}),
        }
        self.assertIn("TimeoutError", "\n".join(timers.cost_tables(measured, [measure])))
        verdict = timers.verdicts(measured, [measure])[3]
        self.assertEqual((verdict.held, verdict.evidence), (False, "2.50 for 5"))

    def test_the_examples_run(self) -> None:
        """Those in the docstrings."""
        for module in (timers, _ticking):
            self.assertEqual(doctest.testmod(module).failed, 0)


if __name__ == "__main__":
    unittest.main()
