"""The benchmarks answer in full: every row, finite figures, and one line for a wrong argument.

No figure is judged here. How fast we are is for a quiet machine and ``make bench`` to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import doctest
import io
import json
import math
import subprocess
import sys
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

BENCH = Path(__file__).resolve().parent.parent / "bench"

with mock.patch.object(sys, "path", [str(BENCH), *sys.path]):
    import _measure
    import _suites
    import bridge
    import imports
    import overhead
    import recorder

TINY = ("--n-small", "5", "--n-large", "20", "--rounds", "1")
THREE = ("--contender", "sync", "--contender", "stock", "--contender", "ours")


def bench(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a benchmark as its user does."""
    return subprocess.run(
        [sys.executable, str(BENCH / script), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**_measure.os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
        timeout=300,
    )


def complaint(module: object, *arguments: str) -> tuple[int, str]:
    """Call a benchmark's ``main()`` with *arguments* and return exit code and stderr."""
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr):
        try:
            code = module.main(arguments)
        except SystemExit as end:
            code = end.code
    return code, stderr.getvalue()


def measured(**costs_us: float) -> overhead.Measured:
    """Make up runs: a second of start-up, then so many microseconds and one KiB a test."""
    small, large = overhead.TRIVIAL.sizes
    runs = {}
    for name, cost in costs_us.items():
        contender = _suites.CONTENDERS[name.replace("_", "-")]
        runs[contender.key] = overhead.Runs(contender)
        for size in (small, large):
            seconds = 1 + size * cost / 1e6
            runs[contender.key].spent[size] = [_measure.Spent(seconds, seconds, 9000 + size)]
    return runs


@unittest.skipUnless(hasattr(_measure.os, "wait4"), "the benchmarks need os.wait4")
class OverheadScriptTests(unittest.TestCase):
    def test_the_table_has_a_row_for_each_contender(self) -> None:
        """Each contender asked for gets its row, and each promise its line."""
        answer = bench("overhead.py", *TINY, *THREE)

        self.assertEqual((answer.stderr, answer.returncode), ("", 0))
        first_words = [line.split()[0] for line in answer.stdout.splitlines() if line]
        self.assertEqual(first_words[3:7], ["contender", "sync", "stock", "ours"])
        self.assertIn("a trivial test costs at most 1/8 of stock", answer.stdout)
        self.assertIn("not measured: a trivial test costs less than under every", answer.stdout)

    def test_json_holds_every_measurement(self) -> None:
        """One finite slope a round and contender, by CPU and by the clock on the wall."""
        answer = bench("overhead.py", *TINY, *THREE, "--json")

        self.assertEqual((answer.stderr, answer.returncode), ("", 0))
        contenders = json.loads(answer.stdout)["contenders"]
        self.assertEqual([*contenders], ["sync", "stock", "ours"])
        for key, figures in contenders.items():
            with self.subTest(contender=key):
                (stretch,) = figures["stretches"]
                slopes = stretch["cpu_us"] + stretch["wall_us"]
                self.assertEqual(len(slopes), 2)
                self.assertTrue(all(map(math.isfinite, slopes)), slopes)
                self.assertGreater(min(figures["peak_kib"].values()), 0)

    def test_tasks(self) -> None:
        """Tests with fifty tasks run and pass, under stock and under us."""
        answer = bench("overhead.py", "--tasks", *TINY)

        self.assertEqual((answer.stderr, answer.returncode), ("", 0))
        self.assertRegex(answer.stdout, r"(?m)^stock .*\n^ours ")
        self.assertIn("a test with fifty tasks costs at most 1/15 of stock", answer.stdout)

    def test_linear(self) -> None:
        """The table of sizes shows a cost per stretch and a peak per size."""
        answer = bench("overhead.py", "--linear", *TINY)

        self.assertEqual((answer.stderr, answer.returncode), ("", 0))
        self.assertRegex(answer.stdout, r"µs 5-20 +MiB 5 +MiB 20 +KiB/test")
        self.assertIn("memory is flat", answer.stdout)
        self.assertIn("cost is linear", answer.stdout)


@unittest.skipUnless(hasattr(_measure.os, "wait4"), "the benchmarks need os.wait4")
class ImportsScriptTests(unittest.TestCase):
    def test_the_table_has_its_rows_and_the_modules_their_names(self) -> None:
        """Baseline and subject stand in the table; what the import loads is named below."""
        answer = bench("imports.py", "--rounds", "1", "--subject", "asynctesting")

        self.assertEqual((answer.stderr, answer.returncode), ("", 0))
        self.assertRegex(answer.stdout, r"(?m)^unittest, asyncio .*\n^asynctesting ")
        self.assertRegex(answer.stdout, r"loaded by asynctesting, ours: asynctesting, ")
        self.assertIn("import asynctesting adds at most 10 ms", answer.stdout)

    def test_nothing_from_a_third_party_is_loaded(self) -> None:
        """The import stays within the standard library, whatever else is installed."""
        strangers = imports.by_origin(imports.new_modules())["third party"]

        self.assertEqual(strangers, [])


@unittest.skipUnless(hasattr(_measure.os, "wait4"), "the benchmarks need os.wait4")
class BridgeScriptTests(unittest.TestCase):
    def test_each_contender_has_its_row(self) -> None:
        """Those that need a peer are named when it is missing; the promises have their lines."""
        answer = bench("bridge.py", "--calls", "3", "--rounds", "1")

        self.assertEqual(answer.returncode, 0, answer.stderr)
        rows = [line.split()[0] for line in answer.stdout.splitlines() if line]
        missing = [] if _measure.installed("aiounittest") else ["aiounittest"]
        for key in bridge.CONTENDERS:
            where = answer.stderr if key in missing else rows
            self.assertTrue(any(key in word for word in (where, *rows)), key)
        self.assertIn("get_async_result() costs at most 1/10 of asyncio.run()", answer.stdout)

    def test_json_holds_every_measurement(self) -> None:
        """One figure a round."""
        chosen = ("--contender", "run", "--contender", "ours")
        answer = bench("bridge.py", "--calls", "3", "--rounds", "2", "--json", *chosen)

        self.assertEqual((answer.stderr, answer.returncode), ("", 0))
        contenders = json.loads(answer.stdout)["contenders"]
        self.assertEqual([*contenders], ["run", "ours"])
        self.assertEqual([len(c["cpu_us"]) for c in contenders.values()], [2, 2])

    def test_a_promise_needs_both_sides(self) -> None:
        """Ten times is kept, nine times is not, and alone there is nothing to judge."""

        def timings(**cost: float) -> bridge.Measured:
            return {k: bridge.Timings(bridge.CONTENDERS[k], [v], [v]) for k, v in cost.items()}

        for cost, held in [((10e-6, 1e-6), True), ((9e-6, 1e-6), False)]:
            run, ours = cost
            self.assertIs(bridge.verdicts(timings(run=run, ours=ours))[0].held, held)
        self.assertIsNone(bridge.verdicts(timings(ours=1e-6))[0].held)


@unittest.skipUnless(hasattr(_measure.os, "wait4"), "the benchmarks need os.wait4")
class FixturesScriptTests(unittest.TestCase):
    def test_the_table_has_its_rows_and_the_promises_their_lines(self) -> None:
        """Both scopes stand in the table, and a promise without a peer is not measured."""
        three = [f"--contender={key}" for key in ("stock-test", "ours-test", "ours-class")]
        answer = bench("fixtures.py", "--tests", "3", "--rounds", "1", *three)

        self.assertEqual(answer.stderr, "")
        self.assertRegex(answer.stdout, r"(?m)^stock +test .*\n^ours +test .*\n^ours +class ")
        self.assertIn("not measured: a server for each class costs less", answer.stdout)

    def test_json_holds_every_measurement(self) -> None:
        """One entry a round and contender."""
        answer = bench("fixtures.py", "--tests=2", "--rounds=2", "--contender=ours-class", "--json")

        self.assertEqual((answer.stderr, answer.returncode), ("", 0))
        self.assertEqual(len(json.loads(answer.stdout)["contenders"]["ours-class"]), 2)


class ArgumentTests(unittest.TestCase):
    def test_a_wrong_argument_gets_one_line_and_exit_code_2(self) -> None:
        """The line names the program, the argument and what it needs."""
        wrong = {
            ("--rounds", "0"): "argument --rounds: needs a whole number >= 1, got '0'",
            ("--n-small", "many"): "argument --n-small: needs a whole number >= 1, got 'many'",
            ("--n-large", "20"): "--n-small must be below --n-large, got 200 and 20",
            ("--contender", "nose"): "argument --contender: invalid choice: 'nose'",
            ("--tasks", "--linear"): "argument --linear: not allowed with argument --tasks",
            ("--tasks", "--contender", "sync"): "--tasks needs async tests",
            ("--fast",): "unrecognized arguments: --fast",
        }
        for arguments, message in wrong.items():
            with self.subTest(arguments=arguments):
                code, stderr = complaint(overhead, *arguments)
                self.assertEqual(code, 2)
                self.assertTrue(stderr.startswith(f"overhead: {message}"), stderr)
                self.assertEqual(stderr.count("\n"), 1)

    def test_imports_too(self) -> None:
        """The other script answers in the same way."""
        code, stderr = complaint(imports, "--rounds", "-1")

        self.assertEqual(code, 2)
        self.assertEqual(
            stderr, "imports: argument --rounds: needs a whole number >= 1, got '-1'\n"
        )

    def test_sizes_between_are_kept_where_they_fit(self) -> None:
        """A shorter linear run keeps the default sizes that lie within it."""
        mode, _ = overhead.parse(["--linear", "--n-large", "3000"])

        self.assertEqual(mode.sizes, (200, 2200, 3000))


class MissingPeerTests(unittest.TestCase):
    def test_a_missing_peer_is_named_with_its_extra(self) -> None:
        """The line says who is left out and what installs it; the others go on."""
        timed = mock.Mock(return_value=measured(sync=20))

        with (
            mock.patch.object(overhead, "installed", lambda module: module != "anyio"),
            mock.patch.object(overhead, "measure", timed),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            code, stderr = complaint(
                overhead, "--json", "--contender", "sync", "--contender", "anyio"
            )

        self.assertEqual(
            stderr,
            "overhead: anyio is left out: no anyio here. pip install asynctesting[bench]\n",
        )
        self.assertEqual(code, 0)
        ((contenders, _), _) = timed.call_args
        self.assertEqual([contender.key for contender in contenders], ["sync"])

    def test_nobody_left(self) -> None:
        """If all who were asked for are missing, there is no answer."""
        with mock.patch.object(overhead, "installed", return_value=False):
            code, stderr = complaint(overhead, "--contender", "ours")

        self.assertEqual(code, 1)
        self.assertTrue(stderr.endswith("overhead: nobody is left to time\n"), stderr)


class CalculationTests(unittest.TestCase):
    def test_a_slope_leaves_start_up_out(self) -> None:
        """What both suites pay alike, a second here, is not in the cost of a test."""
        runs = measured(stock=1200)["stock"]

        self.assertAlmostEqual(runs.cost_us(), 1200)
        self.assertEqual(runs.kib_per_test(), 1)

    def test_promises_are_kept(self) -> None:
        """More than eight times cheaper than stock and below the cheapest peer: both kept."""
        costs = measured(stock=1200, ours=90, anyio=900, pytest_asyncio=800)

        self.assertEqual(
            [str(verdict) for verdict in overhead.verdicts(costs, overhead.TRIVIAL)],
            [
                "kept: a trivial test costs at most 1/8 of stock (1/13.3)",
                "kept: a trivial test costs less than under every peer "
                "(90.0 µs; the cheapest of 2, pytest-asyncio: 800.0 µs)",
            ],
        )

    def test_promises_are_broken(self) -> None:
        """A cost above the promised fraction is called by its name."""
        costs = measured(stock=1200, ours=180, anyio=100)

        held = [verdict.held for verdict in overhead.verdicts(costs, overhead.TRIVIAL)]

        self.assertEqual(held, [False, False])

    def test_a_negative_slope_proves_nothing(self) -> None:
        """Noise can make a tiny run look faster than nothing; no ratio is made of it."""
        costs = measured(stock=1200, ours=-5)

        verdict, _ = overhead.verdicts(costs, overhead.TRIVIAL)

        self.assertIsNone(verdict.held)

    def test_a_busy_machine_is_told(self) -> None:
        """Where children waited for the processor, the figures come with a caution."""
        costs = measured(stock=1200)
        self.assertEqual(overhead.caution(costs), "")

        costs["stock"].spent[200] = [_measure.Spent(1, 5, 9200)]

        self.assertEqual(
            overhead.caution(costs), "The machine was busy (wall 1.9 times CPU): run this again."
        )

    def test_memory_is_compared_with_a_synchronous_suite(self) -> None:
        """The limit is on what an async test keeps beyond what any test keeps."""
        costs = measured(sync=20, ours=90)
        costs["ours"].spent[2200] = [_measure.Spent(1, 1, 9200 + 3 * 2000)]

        verdict = overhead.verdicts(costs, replace(overhead.LINEAR, sizes=(200, 2200)))[0]

        self.assertFalse(verdict.held)
        self.assertIn("sync 1.00 KiB/test, ours 3.00 KiB/test", verdict.evidence)


class HangsScriptTests(unittest.TestCase):
    def test_each_of_the_ten_hangs_and_ends(self) -> None:
        """In one process there is a finite figure for each, and the ballast is held."""
        answer = bench("hangs.py", "--here", "--objects", "10")

        self.assertEqual(answer.returncode, 0, answer.stderr)
        found = json.loads(answer.stdout)
        self.assertEqual(len(found), 10)
        for name, (late, lost) in found.items():
            self.assertTrue(math.isfinite(late) and lost >= 0, name)


class RecorderScriptTests(unittest.TestCase):
    def test_the_contenders_differ_in_the_recorder_alone(self) -> None:
        """Each loop takes the steps; only the second one remembers them."""
        steps = 60
        for name, (work, *loops) in recorder.CONTENDERS.items():
            remembered = []
            for loop_class in loops:
                with asyncio.Runner(loop_factory=loop_class, debug=False) as r:
                    r.run(work(steps))
                    remembered.append(len(r.get_loop().steps()))  # type: ignore[attr-defined]
            self.assertEqual(remembered[0], 0, name)
            self.assertGreaterEqual(remembered[1], steps, name)

    def test_the_table_has_a_row_for_each_and_the_verdict(self) -> None:
        """The worst of them decides."""
        times = {False: 1.0, True: 4.0}
        output = io.StringIO()

        def time_us(work: object, loop_class: type) -> float:
            return times["Test" in loop_class.__name__]

        with mock.patch.object(recorder, "time_us", time_us), contextlib.redirect_stdout(output):
            recorder.main(["--rounds", "2"])
        for name in recorder.CONTENDERS:
            self.assertIn(f"\n{name} ", output.getvalue())
        self.assertIn("BROKEN: the recorder adds at most 2 µs", output.getvalue())
        self.assertIn("(3.00 µs for a virtual second)", output.getvalue())


@unittest.skipUnless(hasattr(_measure.os, "wait4"), "the benchmarks need os.wait4")
class MeasureTests(unittest.TestCase):
    def test_a_failed_child_shows_its_last_lines(self) -> None:
        """The error carries the exit code and the cause."""
        command = [sys.executable, "-c", "raise SystemExit('no tea')"]

        with self.assertRaisesRegex(_measure.MeasureError, r"exit code 1: \n  no tea"):
            _measure.run_fresh(command, cwd=BENCH)

    def test_the_parent_is_not_in_the_childs_peak(self) -> None:
        """A child's peak is its own, however much memory the benchmark holds."""
        ballast = b"x" * (200 << 20)

        spent, _ = _measure.run_fresh([sys.executable, "-c", "pass"], cwd=BENCH)

        self.assertEqual(len(ballast), 200 << 20)
        self.assertLess(spent.peak_kib, 100 << 10)


def load_tests(
    loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: str | None
) -> unittest.TestSuite:
    """Add the examples in the docstrings."""
    for module in (_measure, overhead, imports, bridge):
        tests.addTests(doctest.DocTestSuite(module))
    return tests
