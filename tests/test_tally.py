"""The line that ends a run: the runner's counts, its exit status, and no run without tests."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import unittest
from pathlib import Path

from tests import tally
from tests.tally import Tally, read_closing_lines

HERE = Path(__file__).resolve().parent


def unittest_output(ran: int, verdict: str) -> str:
    """Return what unittest prints at the end."""
    return f"...s.\n{'-' * 70}\nRan {ran} tests in 0.123s\n\n{verdict}\n"


class UnittestTests(unittest.TestCase):
    def test_all_is_well(self) -> None:
        """Without notes, every test that ran has passed."""
        self.assertEqual(read_closing_lines(unittest_output(7, "OK")), Tally(7, 0, 0))

    def test_one_test(self) -> None:
        """The singular is read as well."""
        self.assertEqual(read_closing_lines("Ran 1 test in 0.001s\n\nOK\n"), Tally(1, 0, 0))

    def test_every_note_is_counted(self) -> None:
        """An expected failure has passed; an error and an unexpected success have failed."""
        verdict = (
            "FAILED (failures=1, errors=2, skipped=3, expected failures=4, unexpected successes=5)"
        )

        self.assertEqual(read_closing_lines(unittest_output(20, verdict)), Tally(9, 8, 3))

    def test_the_last_run_counts(self) -> None:
        """Tests that run small suites print closing lines too, before those of the outer run."""
        inner = unittest_output(1, "FAILED (failures=1)")

        counts = read_closing_lines(inner + unittest_output(5, "OK (skipped=1)"))

        self.assertEqual(counts, Tally(4, 0, 1))

    def test_words_after_the_verdict_are_no_counts(self) -> None:
        """Only the line of the verdict is read, not what is printed after it."""
        output = unittest_output(5, "OK") + "bye: errors=3\n"

        self.assertEqual(read_closing_lines(output), Tally(5, 0, 0))

    def test_a_class_skipped_as_a_whole_takes_nothing_away(self) -> None:
        """It counts as one skip and no test; there are never fewer than no passes."""
        self.assertEqual(read_closing_lines(unittest_output(0, "OK (skipped=1)")), Tally(0, 0, 1))

    def test_colours_do_not_hide_the_counts(self) -> None:
        """Python 3.14 colours its verdict."""
        output = unittest_output(5, "\x1b[1m\x1b[31mFAILED\x1b[0m (\x1b[31mfailures=2\x1b[0m)")

        self.assertEqual(read_closing_lines(output), Tally(3, 2, 0))


class PytestTests(unittest.TestCase):
    def test_its_last_line_is_read(self) -> None:
        """Warnings and subtests are no tests, and an expected failure has passed."""
        closing = (
            "==== 1 failed, 5 passed, 2 skipped, 3 deselected, 1 xfailed, 4 warnings, 1 error,"
            " 6 subtests passed in 0.12s ===="
        )

        self.assertEqual(read_closing_lines(f"....\n{closing}\n"), Tally(6, 2, 2))

    def test_its_quiet_form_is_read(self) -> None:
        """With ``-q`` the line stands without a frame."""
        self.assertEqual(read_closing_lines("..\n2 passed in 0.01s\n"), Tally(2, 0, 0))

    def test_other_words_are_not(self) -> None:
        """A program that is no test runner has no counts."""
        self.assertIsNone(read_closing_lines("done in 3s\n"))


class RunTests(unittest.TestCase):
    def tally(self, source: str) -> tuple[list[str], int]:
        """Run *source* through the script; return its lines, streams together, and its status."""
        process = subprocess.run(
            [sys.executable, HERE / "tally.py", "-c", source],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return process.stdout.splitlines(), process.returncode

    def run_suite(self, body: str, arguments: str = "") -> tuple[list[str], int]:
        """Run a test case with this *body* through the script."""
        return self.tally(
            f"import unittest\nclass T(unittest.TestCase):\n    {body}\n"
            f"unittest.main(argv=['t', {arguments}])"
        )

    def test_output_and_status_are_the_commands_own(self) -> None:
        """A passing run: what it prints, then the line, and status 0."""
        lines, status = self.run_suite("def test_it(self): print('hello from the test')")

        self.assertIn("hello from the test", lines)
        self.assertEqual(lines[-1], "1 passed, 0 failed, 0 skipped")
        self.assertEqual(status, 0)

    def test_a_failure_is_counted_and_keeps_its_status(self) -> None:
        """A failing run: status 1, as unittest has it."""
        lines, status = self.run_suite("def test_it(self): self.fail()")

        self.assertEqual(lines[-1], "0 passed, 1 failed, 0 skipped")
        self.assertEqual(status, 1)

    def test_a_run_without_tests_has_failed(self) -> None:
        """Python 3.11 calls it OK, later ones do not, and neither do we."""
        lines, status = self.run_suite("pass")

        self.assertEqual(lines[-1], "0 passed, 1 failed, 0 skipped")
        self.assertTrue(any(line.startswith("No test ran") for line in lines))
        self.assertNotEqual(status, 0)

    def test_skipped_tests_are_tests(self) -> None:
        """A run whose tests were all skipped is no failure."""
        lines, status = self.run_suite("def test_it(self): self.skipTest('not here')")

        self.assertEqual(lines[-1], "0 passed, 0 failed, 1 skipped")
        self.assertEqual(status, 0)

    def test_a_bad_end_after_good_tests_is_a_failure(self) -> None:
        """A process that breaks while it shuts down does not count as all passed."""
        lines, status = self.tally(
            "import os, sys, unittest\n"
            "print('Ran 3 tests in 0.1s\\n\\nOK', flush=True)\n"
            "os._exit(9)"
        )

        self.assertEqual(lines[-1], "3 passed, 1 failed, 0 skipped")
        self.assertEqual(status, 9)

    @unittest.skipIf(sys.platform == "win32", "needs signals that end a process")
    def test_a_process_that_was_killed_has_a_shells_status(self) -> None:
        """128 and the number of the signal, as a shell reports it."""
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as shown:
            with contextlib.redirect_stderr(io.StringIO()):
                source = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
                counts, status = tally.run([sys.executable, "-c", source])
            shown.detach()

        self.assertEqual((str(counts), status), ("0 passed, 1 failed, 0 skipped", 137))


if __name__ == "__main__":
    unittest.main()
