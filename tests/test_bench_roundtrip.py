"""The benchmark of HTTP round trips answers in full; see ``tests/test_bench.py``.

No figure is judged here, either.
"""

from __future__ import annotations

import json
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

BENCH = Path(__file__).resolve().parent.parent / "bench"

with mock.patch.object(sys, "path", [str(BENCH), *sys.path]):
    import _measure
    import _roundtrips
    import http_roundtrip

QUICK = ("--rounds", "1", "--divide", "500")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark as its user does."""
    return subprocess.run(
        [sys.executable, str(BENCH / "http_roundtrip.py"), *QUICK, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**_measure.os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
        timeout=300,
    )


class RoundTripTests(unittest.TestCase):
    def test_the_answer_is_complete(self) -> None:
        """Both tables, and a verdict on each promise, measured or not."""
        contenders = ("ours, application", "TestClient", "ours, streams", "loopback streams")
        run = bench(*(word for name in contenders for word in ("--contender", name)))

        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertTrue(run.stdout.startswith(http_roundtrip.QUESTION))
        for name in (*contenders, *_roundtrips.JOBS):
            self.assertIn(name, run.stdout)
        verdicts = run.stdout.strip().splitlines()[-len(http_roundtrip.PROMISES) :]
        self.assertEqual(sum(line.startswith("not measured") for line in verdicts), 2)

    def test_the_measurements_can_be_had(self) -> None:
        """All of them, as JSON."""
        run = bench("--json", "--contender", "ours, stub", "--contender", "TestClient on ours")

        answer = json.loads(run.stdout)["contenders"]
        self.assertEqual(set(answer), {"ours, stub", "TestClient on ours"})
        for name, figures in answer.items():
            self.assertEqual(figures["failed"], {})
            self.assertEqual(set(figures["us"]), set(http_roundtrip.jobs_of(name)))

    def test_a_contender_that_fails_is_named(self) -> None:
        """With its last line, and the promise about it is not measured."""
        runs = {name: http_roundtrip.Runs() for name in ("ours, stub", "aioresponses")}
        runs["ours, stub"].us["sequential"] = [100.0, 120.0]
        runs["aioresponses"].failed["sequential"] = "TypeError: no such argument"

        verdicts = {v.promise: v for v in http_roundtrip.verdicts(runs)}

        found = verdicts["sequential: ours, stub ahead of aioresponses by 1.8 or more"]
        self.assertIsNone(found.held)
        self.assertIn("no such argument", found.evidence)

    def test_a_promise_is_a_ratio_of_medians(self) -> None:
        """Kept from its bound on."""
        runs = {name: http_roundtrip.Runs() for name in ("ours, streams", "loopback streams")}
        runs["ours, streams"].us["line"] = [10.0, 20.0, 30.0]
        runs["loopback streams"].us["line"] = [20.0]

        found = {v.promise: v.held for v in http_roundtrip.verdicts(runs)}

        self.assertTrue(found["line: ours, streams ahead of loopback streams by 1 or more"])


if __name__ == "__main__":
    unittest.main()
