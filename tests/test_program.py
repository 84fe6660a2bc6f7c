"""The command line: our options, unittest's own, and one clear line for each wrong argument."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
import unittest

from tests.project import STRICT, ProjectTestCase
from tests.support import ROOT

TESTS = """
    import asyncio
    import unittest
    from asynctesting import AsyncTestCase

    class AlphaTests(AsyncTestCase):
        async def test_one(self): await asyncio.sleep(0)
        async def test_two(self): pass
        def test_three(self): pass

    class BetaTests(unittest.TestCase):
        def test_four(self): pass
        def test_five(self): pass

    class GammaTests(AsyncTestCase):
        async def test_six(self): pass
        async def test_seven(self): pass
"""

HANGING = """
    import time
    from asynctesting import AsyncTestCase

    class Tests(AsyncTestCase):
        async def test_hang(self):
            time.sleep(50)  # blocks
"""

LEAKING = """
    import asyncio
    from asynctesting import AsyncTestCase

    class Tests(AsyncTestCase):
        async def test_leak(self):
            self.task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
            await asyncio.sleep(0)
"""


def order(output: str) -> list[str]:
    """Return the tests of a verbose run, as ``Class.test``, in the order in which they ran."""
    return re.findall(r"^test_\w+ \(\w+\.(\w+\.\w+)\)", output, re.MULTILINE)


class RunTests(ProjectTestCase):
    def test_it_takes_what_unittest_takes(self) -> None:
        """Names of modules, classes and tests, discovery, and unittest's options."""
        self.write({"test_a.py": TESTS})
        for arguments, count in (
            (["test_a"], 7),
            (["test_a.AlphaTests"], 3),
            (["test_a.AlphaTests.test_one", "test_a.BetaTests"], 3),
            (["test_a.py"], 7),
            ([], 7),
            (["-k", "test_s"], 2),
            (["discover"], 7),
            (["discover", "-s", ".", "-p", "test_*.py", "-q", "-f", "-b"], 7),
        ):
            with self.subTest(arguments=arguments):
                process = self.run_ours(*arguments)

                self.assertEndsWith(process, 0)
                self.assertIn(f"Ran {count} test", process.stderr)

    def test_a_failure_is_status_one(self) -> None:
        """As with unittest."""
        self.write({"test_a.py": "import unittest\nclass T(unittest.TestCase):\n"
                    "    def test_it(self): self.fail()"})  # fmt: skip

        self.assertEndsWith(self.run_ours("test_a"), 1)

    def test_no_test_has_a_status_of_its_own(self) -> None:
        """5 from Python 3.12 on, where unittest has it, too."""
        self.write({"test_a.py": ""})

        self.assertEndsWith(self.run_ours("test_a"), 5 if sys.version_info >= (3, 12) else 0)

    def test_a_name_that_is_no_test_is_an_error(self) -> None:
        """Shown as unittest shows it, with the reason; a broken module needs its traceback."""
        process = self.run_ours("nonsense")

        self.assertEndsWith(process, 1)
        self.assertIn("No module named 'nonsense'", process.stderr)

    def test_a_package_is_searched(self) -> None:
        """``python -m unittest package`` runs nothing and says OK; here its modules are found."""
        self.write(
            {
                "suite/__init__.py": "",
                "suite/test_a.py": TESTS,
                "suite/deep/__init__.py": "",
                "suite/deep/test_b.py": TESTS,
            }
        )

        whole, part = self.run_ours("suite"), self.run_ours("suite.deep")

        for process, count in ((whole, 14), (part, 7)):
            self.assertEndsWith(process, 0)
            self.assertIn(f"Ran {count} tests", process.stderr)

    def test_a_package_with_tests_of_its_own_is_left_as_it_is(self) -> None:
        """What it gathers itself, by imports or ``load_tests``, is what it wants to run."""
        self.write(
            {
                "suite/__init__.py": "from suite.test_a import AlphaTests",
                "suite/test_a.py": TESTS,
            }
        )

        self.assertIn("Ran 3 tests", self.run_ours("suite").stderr)

    def test_help_names_every_option(self) -> None:
        """On the standard output, with status 0, wherever it stands."""
        for arguments in (["--help"], ["-h"], ["--adopt", "tests", "-h"]):
            with self.subTest(arguments=arguments):
                process = self.run_ours(*arguments)

                self.assertEndsWith(process, 0)
                self.assertEqual(process.stderr, "")
                for option in (
                    "--adopt",
                    "--timeout",
                    "--leaks",
                    "--shuffle [SEED]",
                    "--durations",
                ):
                    self.assertIn(option, process.stdout)
                self.assertIn("python -m unittest", process.stdout)


class WrongArgumentTests(ProjectTestCase):
    """Exactly one line, on the standard error, and status 2."""

    def assertRefused(self, text: str, *arguments: str, **environment: str) -> None:
        with self.subTest(arguments=arguments, environment=environment):
            process = self.run_ours(*arguments, environment=environment)
            self.assertEndsWith(process, 2)
            self.assertEqual(process.stdout, "")
            self.assertEqual(process.stderr, f"python -m asynctesting: {text} (see --help)\n")

    def test_limits(self) -> None:
        """A number of seconds, or ``none``."""
        rule = "must be a number of real seconds above zero, or None for no limit; got"
        for value in ("soon", "0", "-1", "nan"):
            self.assertRefused(f"--timeout {rule} {value!r}", f"--timeout={value}")
        self.assertRefused("argument --timeout: expected one argument", "--timeout")

    def test_levels_of_leaks(self) -> None:
        """One word for all, or one of them for some kinds."""
        rule = "must be 'default', 'error', 'warn' or 'off'"
        self.assertRefused(
            f"--leaks {rule}, or one of these for each kind of leak, as in {{'tasks': 'warn'}}; "
            "got 'maybe'",
            "--leaks",
            "maybe",
        )
        self.assertRefused(f"--leaks['tasks'] {rule}; got 'fatal'", "--leaks=tasks=fatal")
        self.assertRefused("argument --leaks: expected one argument", "--leaks")

    def test_seeds(self) -> None:
        """Whole numbers, as they are printed."""
        rule = "--shuffle must be a whole number of at least 0; got"
        for value in ("abc", "", "1.5"):
            self.assertRefused(f"{rule} {value!r}", f"--shuffle={value}")
        self.assertRefused(f"{rule} '-3'", "--shuffle", "-3")

    def test_durations(self) -> None:
        """The same words on every Python."""
        self.assertRefused(
            "--durations must be a whole number of at least 0; got 'x'", "--durations", "x"
        )
        self.assertRefused("argument --durations: expected one argument", "--durations")

    def test_a_flag_with_a_value(self) -> None:
        """``--adopt`` takes none."""
        self.assertRefused("argument --adopt: ignored explicit argument 'yes'", "--adopt=yes")

    def test_unknown_options(self) -> None:
        """Ours are not abbreviated, so that a new one breaks no call."""
        for option in ("--nonsense", "--shuf", "-z"):
            self.assertRefused(f"unrecognized arguments: {option}", option)

    def test_options_of_unittest(self) -> None:
        """Its own complaints are as short, with no page of usage above."""
        self.assertRefused("argument -k: expected one argument", "-k")
        self.assertRefused("argument --locals: ignored explicit argument '3'", "--locals=3")
        self.assertRefused("unrecognized arguments: --nonsense", "discover", "--nonsense")
        self.assertRefused("unrecognized arguments: d", "discover", "a", "b", "c", "d")

    def test_a_folder_that_is_not_there(self) -> None:
        """unittest itself answers that with a traceback."""
        self.assertRefused(
            "Start directory is not importable: 'nowhere'", "discover", "-s", "nowhere"
        )
        self.assertRefused("Start directory is not importable: 'nowhere'", "discover", "nowhere")

    def test_the_environment(self) -> None:
        """A wrong variable is as wrong as a wrong argument."""
        self.assertRefused(
            "ASYNCTESTING_TIMEOUT must be a number of real seconds above zero, or None for no "
            "limit; got 'soon'",
            ASYNCTESTING_TIMEOUT="soon",
        )
        self.assertRefused(
            "ASYNCTESTING_LEAKS must be 'default', 'error', 'warn' or 'off', or one of these for "
            "each kind of leak, as in {'tasks': 'warn'}; got ''",
            ASYNCTESTING_LEAKS="",
        )
        self.assertRefused(
            "ASYNCTESTING_NONSENSE='1' in the environment is no setting of asynctesting; there are "
            "ASYNCTESTING_TIMEOUT, ASYNCTESTING_LEAKS, ASYNCTESTING_LEDGER and "
            "ASYNCTESTING_REPORT",
            "--adopt",
            ASYNCTESTING_NONSENSE="1",
        )

    def test_a_broken_test_module_is_no_wrong_argument(self) -> None:
        """An error inside the project keeps its traceback."""
        self.write({"test_a.py": "import nonsense"})

        for arguments in (["discover"], ["test_a"]):
            process = self.run_ours(*arguments)
            self.assertEndsWith(process, 1)
            self.assertIn("ModuleNotFoundError: No module named 'nonsense'", process.stderr)


class SettingsTests(ProjectTestCase):
    def test_a_limit(self) -> None:
        """It reaches every test of the run."""
        self.write({"test_a.py": HANGING})

        process = self.run_ours("--timeout", "0.1", "test_a")

        self.assertEndsWith(process, 1)
        self.assertIn("took longer than its limit of 0.1 s", process.stderr)
        self.assertIn("time.sleep(50)  # blocks", process.stderr)

    def test_the_command_line_goes_before_the_environment(self) -> None:
        """A wrong variable that is overridden does no harm."""
        self.write({"test_a.py": HANGING})

        process = self.run_ours(
            "--timeout=0.1", "test_a", environment={"ASYNCTESTING_TIMEOUT": "wrong"}
        )

        self.assertEndsWith(process, 1)
        self.assertIn("its limit of 0.1 s", process.stderr)

    def test_worker_processes_inherit_it(self) -> None:
        """The command line writes the environment, for runners that start others."""
        self.write(
            {
                "test_a.py": """
                    import os, unittest

                    class Tests(unittest.TestCase):
                        def test_it(self):
                            names = ("ASYNCTESTING_TIMEOUT", "ASYNCTESTING_LEAKS")
                            self.assertEqual([os.environ[n] for n in names], ["7", "warn"])
                """
            }
        )

        self.assertEndsWith(self.run_ours("--timeout", "7", "--leaks", "warn", "test_a"), 0)

    def test_leaks(self) -> None:
        """An error by default; a warning or nothing on request."""
        self.write({"test_a.py": LEAKING})
        error = self.run_ours("test_a")
        off = self.run_ours("--leaks=off", "test_a")
        warn = self.python(
            "-m", "asynctesting", "--leaks", "warn", "test_a", options=["-W", "always"]
        )

        self.assertEndsWith(error, 1)
        self.assertIn("LeakError: 1 thing was left behind or hidden by test_leak", error.stderr)
        self.assertEndsWith(off, 0)
        self.assertNotIn("forgotten", off.stderr)
        self.assertEndsWith(warn, 0)
        self.assertIn("LeakWarning", warn.stderr)
        self.assertIn("task 'forgotten' waits at", warn.stderr)


class ShuffleTests(ProjectTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.write({"test_a.py": TESTS, "test_b.py": TESTS})

    def seed(self, process: subprocess.CompletedProcess[str]) -> str:
        self.assertEndsWith(process, 0)
        [seed] = re.findall(
            r"^shuffled; repeat this order with --shuffle=(\d+)$", process.stderr, re.MULTILINE
        )
        return str(seed)

    def test_the_printed_seed_repeats_the_order(self) -> None:
        """It stands above the first test and below the last line, where one looks."""
        first = self.run_ours("--shuffle", "-v")
        seed = self.seed(first)
        again = self.run_ours("-v", f"--shuffle={seed}")
        apart = self.run_ours("--shuffle", seed, "discover", "-v")

        self.assertEqual(first.stderr.splitlines()[-1], f"this order: --shuffle={seed}")
        self.assertEqual(len(order(first.stderr)), 14)
        self.assertEqual(order(first.stderr), order(again.stderr))
        self.assertEqual(order(first.stderr), order(apart.stderr))

    def test_another_seed_is_another_order(self) -> None:
        """Fourteen tests in two modules have some millions of orders."""
        orders = {
            tuple(order(self.run_ours("-v", f"--shuffle={seed}").stderr)) for seed in (1, 2, 3)
        }

        self.assertEqual(len(orders), 3)

    def test_classes_stay_together(self) -> None:
        """So their fixtures run once, as in the ordinary order; and modules do as well."""
        output = self.run_ours("-v", "--shuffle=4").stderr
        names = re.findall(r"^test_\w+ \((\w+\.\w+)\.\w+\)", output, re.MULTILINE)
        changes = 1 + sum(a != b for a, b in itertools.pairwise(names))
        modules = [name.partition(".")[0] for name in names]

        self.assertEqual((len(names), changes), (14, 6))
        self.assertEqual(1 + sum(a != b for a, b in itertools.pairwise(modules)), 2)

    def test_it_does_not_eat_a_name(self) -> None:
        """What follows is a seed only where it is a number."""
        by_module = self.run_ours("--shuffle", "test_a")
        by_option = self.run_ours("--shuffle", "-q", "test_a")
        with_seed = self.run_ours("--shuffle", "77", "test_a")

        for process in (by_module, by_option, with_seed):
            self.seed(process)
            self.assertIn("Ran 7 tests", process.stderr)
        self.assertEqual(self.seed(with_seed), "77")

    def test_a_failing_run_says_its_order_too(self) -> None:
        """That is the run for which it counts."""
        self.write({"test_a.py": LEAKING})

        process = self.run_ours("--shuffle=5", "test_a")

        self.assertEndsWith(process, 1)
        self.assertEqual(process.stderr.splitlines()[-1], "this order: --shuffle=5")

    def test_class_fixtures_run_once(self) -> None:
        """A random order of single tests would set a class up again and again."""
        self.write(
            {
                "test_a.py": """
                    import unittest

                    class Counted(unittest.TestCase):
                        @classmethod
                        def setUpClass(cls): print("set up", cls.__name__)
                        def test_1(self): pass
                        def test_2(self): pass
                        def test_3(self): pass

                    class A(Counted): pass
                    class B(Counted): pass
                """
            }
        )

        output = self.run_ours("--shuffle", "test_a").stdout

        self.assertEqual(sorted(output.splitlines()), ["set up A", "set up B", "set up Counted"])


class DurationsTests(ProjectTestCase):
    SLOW = """
        import time
        from asynctesting import AsyncTestCase

        class Tests(AsyncTestCase):
            async def test_slow(self): time.sleep(0.03)
            async def test_slower(self): time.sleep(0.06)
            async def test_quick(self): pass
    """

    def durations(self, *arguments: str) -> list[str]:
        process = self.run_ours(*arguments)
        self.assertEndsWith(process, 0)
        self.assertIn("Slowest test durations", process.stderr)
        return re.findall(r"^\d+\.\d{3}s +(test_\w+) \(", process.stderr, re.MULTILINE)

    def test_the_slowest_ones_are_shown(self) -> None:
        """On every Python, 3.11 included, which has no such option."""
        self.write({"test_a.py": self.SLOW})

        self.assertEqual(self.durations("--durations", "2", "test_a"), ["test_slower", "test_slow"])

    def test_zero_shows_all(self) -> None:
        """With ``-v`` those below a millisecond, too."""
        self.write({"test_a.py": self.SLOW})

        found = self.durations("-v", "--durations=0", "test_a")

        self.assertEqual(found, ["test_slower", "test_slow", "test_quick"])


class StrictTests(ProjectTestCase):
    def test_a_coroutine_test_in_a_plain_case_fails(self) -> None:
        """Under ``python -m unittest`` it passes, with a warning."""
        self.write(
            {
                "test_a.py": """
                    import unittest

                    class Tests(unittest.TestCase):
                        async def test_it(self): self.fail("never reached")
                """
            }
        )

        process = self.run_ours("test_a")

        self.assertEndsWith(process, 1)
        self.assertIn(
            "SilentPassError: Tests: test_it returned a coroutine, which unittest.TestCase never "
            "awaits, so nothing of it has run. Derive the class from asynctesting.AsyncTestCase",
            process.stderr,
        )
        self.assertNotIn("RuntimeWarning", process.stderr)


@unittest.skipIf(sys.platform == "win32", "needs signals that can be sent to a process")
class InterruptTests(ProjectTestCase):
    def test_ctrl_c_keeps_what_has_run(self) -> None:
        """The summary is printed, it says that tests are missing, and the status is a shell's."""
        self.write(
            {
                "test_a.py": """
                    import asyncio, pathlib, unittest
                    from asynctesting import AsyncTestCase

                    class Tests(AsyncTestCase):
                        async def asyncTearDown(self):
                            print("torn down", self._testMethodName)

                        async def test_1(self): pass

                        async def test_2(self):
                            pathlib.Path("waiting").touch()
                            await asyncio.sleep(50)

                        async def test_3(self): print("never reached")
                """
            }
        )
        command = [sys.executable, *STRICT, "-m", "asynctesting", "-v", "test_a"]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process:
            try:
                end = time.monotonic() + self.deadline
                while not (self.folder / "waiting").exists() and time.monotonic() < end:
                    time.sleep(0.01)
                process.send_signal(signal.SIGINT)
                output, report = process.communicate(timeout=self.deadline)
            finally:
                process.kill()

        self.assertEqual(process.returncode, 130, output + report)
        self.assertEqual(output.split("\n")[:-1], ["torn down test_1", "torn down test_2"])
        self.assertIn("test_1 (test_a.Tests.test_1) ... ok", report)
        self.assertRegex(report, r"Ran 2 tests in")
        self.assertEqual(report.splitlines()[-1], "interrupted: not all tests have run")


if __name__ == "__main__":
    unittest.main()
