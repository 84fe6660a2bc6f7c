"""The benchmarks of the clocks answer in full; see ``tests/test_bench.py``.

No figure is judged here, either.
"""

from __future__ import annotations

import contextlib
import datetime
import doctest
import io
import json
import logging
import math
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

BENCH = Path(__file__).resolve().parent.parent / "bench"

with mock.patch.object(sys, "path", [str(BENCH), *sys.path]):
    import _freezing
    import _measure
    import freeze

QUICK = ("--rounds", "1", "--modules", "300")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark as its user does."""
    return subprocess.run(
        [sys.executable, str(BENCH / "freeze.py"), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**_measure.os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
        timeout=300,
    )


def complaint(*arguments: str) -> tuple[int, str]:
    """Call ``main()`` with *arguments* and return exit code and stderr."""
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr):
        try:
            code = freeze.main(arguments)
        except SystemExit as end:
            code = end.code
    return code, stderr.getvalue()


def measured(**costs_us: float) -> freeze.Measured:
    """Make up runs with so many microseconds a test, with few modules and with many."""
    return {
        key: freeze.Runs(
            _freezing.CONTENDERS[key],
            {count: [cost] for count in freeze.MODULES},
            {count: [0.0] for count in freeze.MODULES},
        )
        for key, cost in costs_us.items()
    }


@unittest.skipUnless(hasattr(_measure.os, "wait4"), "the benchmarks need os.wait4")
class FreezeScriptTests(unittest.TestCase):
    def test_the_table_has_a_row_for_each_contender(self) -> None:
        """Each contender asked for gets its row, and each promise its line."""
        answer = bench(*QUICK, "--contender", "plain", "--contender", "both")

        self.assertEqual((answer.stderr, answer.returncode), ("", 0))
        self.assertEqual(answer.stdout.splitlines()[0], freeze.QUESTION)
        self.assertRegex(answer.stdout, r"(?m)^contender .*µs/test 300")
        self.assertRegex(answer.stdout, r"(?m)^plain .*\n^both ")
        self.assertIn("frozen and virtual time together add at most 100 µs", answer.stdout)
        self.assertIn("not measured: a test costs less than with freezegun", answer.stdout)

    def test_json_holds_every_measurement(self) -> None:
        """One finite figure a round, contender and number of modules."""
        answer = bench(*QUICK, "--contender", "frozen", "--contender", "freezegun", "--json")

        self.assertEqual((answer.stderr, answer.returncode), ("", 0))
        contenders = json.loads(answer.stdout)["contenders"]
        self.assertEqual([*contenders], ["frozen", "freezegun"])
        for key, figures in contenders.items():
            with self.subTest(contender=key):
                (test_us,), (class_ms,) = figures["test_us"]["300"], figures["class_ms"]["300"]
                self.assertTrue(math.isfinite(test_us) and math.isfinite(class_ms))


class ContenderTests(unittest.TestCase):
    def test_all_of_them_do_what_they_are_timed_for(self) -> None:
        """Inside, the wall clock is frozen where it should be; afterwards, it is real."""
        # In debug mode a freeze of the monotonic clock makes asyncio report steps of 60 years.
        self.enterContext(mock.patch.object(logging.getLogger("asyncio"), "disabled", True))
        for contender in _freezing.CONTENDERS.values():
            with self.subTest(contender=contender.key):
                if not all(map(_measure.installed, contender.needs)):
                    self.skipTest(f"{contender.needs} are not all installed")

                self.assertGreater(_freezing.time_class(_freezing.make_class(contender, 2)), 0)

                self.assertNotEqual(datetime.date.today().year, _freezing.FROZEN_YEAR)

    def test_a_contender_that_does_not_freeze_is_not_timed(self) -> None:
        """The body looks at the clock, so a broken freeze ends the benchmark with the cause."""
        liar = _freezing.Contender(key="liar", title="", decorate=lambda: lambda function: function)

        with self.assertRaisesRegex(SystemExit, str(_freezing.FROZEN_YEAR)):
            _freezing.time_class(_freezing.make_class(liar, 1))

    def test_modules_are_loaded_up_to_the_number(self) -> None:
        """What is loaded already counts; what is more than the number stays."""
        with mock.patch.dict(sys.modules):
            before = len(sys.modules)

            self.assertEqual(_freezing.load_modules(before + 3), before + 3)
            self.assertEqual(_freezing.load_modules(1), before + 3)


class CalculationTests(unittest.TestCase):
    def test_promises_are_kept(self) -> None:
        """All figures below their bounds."""
        costs = measured(plain=50, frozen=55, both=110, freezegun=2500)

        self.assertEqual(
            [str(verdict) for verdict in freeze.verdicts(costs, freeze.MODULES)],
            [
                "kept: frozen time adds at most 50 µs to a test "
                "(+5.0 µs with 200 modules, +5.0 µs with 2,000 modules)",
                "kept: frozen and virtual time together add at most 100 µs to a test "
                "(+60.0 µs with 200 modules, +60.0 µs with 2,000 modules)",
                "kept: ten times the modules cost a test at most 1.5 times as much "
                "(110.0 µs with 200 modules, 110.0 µs with 2,000 modules)",
                "kept: a test costs less than with freezegun on each test "
                "(1/22.7 with 200 modules, 1/22.7 with 2,000 modules)",
            ],
        )

    def test_promises_are_broken(self) -> None:
        """A figure above its bound is called by its name."""
        costs = measured(plain=50, frozen=101, both=200, freezegun=150)
        costs["both"].test_us[2000] = [400]

        held = [verdict.held for verdict in freeze.verdicts(costs, freeze.MODULES)]

        self.assertEqual(held, [False, False, False, False])

    def test_what_is_missing_is_not_judged(self) -> None:
        """Without a baseline nothing is said."""
        held = [verdict.held for verdict in freeze.verdicts(measured(plain=50), freeze.MODULES)]

        self.assertEqual(held, [None, None, None, None])


class ArgumentTests(unittest.TestCase):
    def test_a_wrong_argument_gets_one_line_and_exit_code_2(self) -> None:
        """The line names the program, the argument and what it needs."""
        wrong = {
            ("--rounds", "0"): "argument --rounds: needs a whole number >= 1, got '0'",
            ("--modules", "many"): "argument --modules: needs a whole number >= 1, got 'many'",
            ("--contender", "nose"): "argument --contender: invalid choice: 'nose'",
        }
        for arguments, message in wrong.items():
            with self.subTest(arguments=arguments):
                code, stderr = complaint(*arguments)
                self.assertEqual(code, 2)
                self.assertTrue(stderr.startswith(f"freeze: {message}"), stderr)
                self.assertEqual(stderr.count("\n"), 1)

    def test_a_missing_peer_is_named_with_its_extra(self) -> None:
        """The line says who is left out and what installs it; nobody left is no answer."""
        with mock.patch.object(freeze, "installed", return_value=False):
            code, stderr = complaint("--contender", "time-machine")

        self.assertEqual(code, 1)
        self.assertEqual(
            stderr,
            "freeze: time-machine is left out: no asynctesting or time_machine here. "
            "pip install asynctesting[bench]\nfreeze: nobody is left to time\n",
        )


def load_tests(
    loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: str | None
) -> unittest.TestSuite:
    """Add the examples in the docstrings."""
    tests.addTests(doctest.DocTestSuite(freeze))
    return tests
