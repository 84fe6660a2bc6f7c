"""The codemod's benchmarks answer, and refuse a wrong argument in one line."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from asynctesting.migrate.record import Entry, Recorder
from tests.support import ROOT

with mock.patch.object(sys, "path", [str(ROOT / "bench"), *sys.path]):
    import _measure
    import audit_suites
    import migrate_speed
    import migrate_suites


class SpeedTests(unittest.TestCase):
    def test_the_question_is_answered(self) -> None:
        """With one verdict, from files of every style."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "bench" / "migrate_speed.py"), "--lines", "2000"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

        self.assertEqual(done.stderr, "")
        self.assertRegex(done.stdout, r"(?m)^not measured: 100,000 lines take at most a minute")
        self.assertIn("5 files rewritten of 6", done.stdout)

    def test_what_a_run_can_tell(self) -> None:
        """A long run breaks the promise where its own work fills two cores, not where it waited."""
        for wall, cpu, load, held in (
            (30, 50, 9.0, True),
            (95, 50, 9.0, None),
            (95, 50, 1.0, False),
            (95, 130, 9.0, False),
        ):
            with self.subTest(wall=wall, cpu=cpu, load=load):
                spent = _measure.Spent(cpu, wall, 0)
                with mock.patch("os.getloadavg", return_value=(load, 0, 0)):
                    self.assertIs(migrate_speed.is_held(spent, 100_000, 2), held)
        self.assertIsNone(migrate_speed.is_held(spent, 2_000, 2))
        self.assertIsNone(migrate_speed.is_held(spent, 100_000, 1))

    def test_a_wrong_argument_is_one_line(self) -> None:
        """And exit code 2."""
        for name in ("migrate_speed.py", "migrate_suites.py", "audit_suites.py"):
            done = subprocess.run(
                [sys.executable, str(ROOT / "bench" / name), "--lines", "few"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1))

    def test_the_files_are_as_long_as_was_asked(self) -> None:
        """At least, and not by more than one file."""
        with tempfile.TemporaryDirectory() as name:
            files, lines = migrate_speed.write_project(Path(name), 900)

            self.assertEqual(len(list(Path(name).glob("*.py"))), files)
        self.assertTrue(900 <= lines < 900 + migrate_speed.LINES_A_FILE)


class SuitesTests(unittest.TestCase):
    def test_verdicts(self) -> None:
        """A test that passes without having run breaks a promise, and so does a lost one."""
        suite = migrate_suites.SUITES[0]
        with tempfile.TemporaryDirectory() as name:
            records = [Path(name, "before"), Path(name, "after")]
            for path, finished in zip(records, (True, False), strict=True):
                recorder = Recorder()
                recorder.entries = [
                    Entry("t.py", "A.test", kind="coroutine", finished=finished, started=True)
                ]
                recorder.write(str(path), [])
            moved = migrate_suites._compare(suite, records, ["a.py:1: left alone [loop] x"], 3)

        self.assertEqual((moved.green_before, moved.green_after, moved.unawaited), (1, 1, 1))
        self.assertEqual((moved.left, moved.looked), (1, 0))
        held = [verdict.held for verdict in migrate_suites.verdicts([moved])]
        self.assertEqual(held, [True, False, None])

    def test_a_suite_is_named_once(self) -> None:
        """Name and version tell suites apart, and each names what it is written on."""
        folders = [suite.folder for suite in migrate_suites.SUITES]

        self.assertEqual(len(folders), len(set(folders)))
        self.assertGreaterEqual(len({suite.style for suite in migrate_suites.SUITES}), 6)


class AuditedSuitesTests(unittest.TestCase):
    def test_a_row_counts_what_the_ledger_has_got(self) -> None:
        """By kind; a suite that leaves nothing writes no ledger."""
        stock = audit_suites.count("Ran 9 tests in 0.1s\n\nFAILED (failures=1, skipped=2)\n")
        with tempfile.TemporaryDirectory() as name:
            ledger = Path(name, "leaks.toml")
            nothing = audit_suites.read_ledger(ledger)
            ledger.write_text("".join(
                f'[[leak]]\ntest = "t"\nkind = "{kind}"\nname = "n"\nreason = "r"\n'
                for kind in ("timers", "tasks", "timers")
            ))  # fmt: skip
            found = audit_suites.read_ledger(ledger)
        row = audit_suites.Audited(audit_suites.SUITES[1], stock, stock, found).row()

        self.assertEqual(row[1:], ["adopted", "9", "6", "6", "3", "tasks 1, timers 2"])
        self.assertEqual(nothing, ())

    def test_a_run_without_an_end_is_no_figure(self) -> None:
        """Its last line says why."""
        with self.assertRaisesRegex(audit_suites.MeasureError, "no tests ran: ImportError: tea"):
            audit_suites.count("Traceback\nImportError: tea\n")


if __name__ == "__main__":
    unittest.main()
