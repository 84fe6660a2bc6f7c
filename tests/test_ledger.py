"""The ledger of known leaks: read, obeyed, counted down and written."""

from __future__ import annotations

import asyncio
import datetime
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from asynctesting import AsyncTestCase, SettingError, _settings
from asynctesting._kinds import Finding
from asynctesting._ledger import Entry, Ledger
from tests.support import run_case

KNOWN = '[[leak]]\ntest = "m.T.test_a"\nkind = "tasks"\nname = "poll-*"\nreason = "#12"\n'
POLL = Finding("tasks", "poll-7", "task 'poll-7' waits")


class LedgerTestCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "leaks.toml")

    def ledger(self, text: str, today: str = "2026-06-01") -> Ledger:
        self.path.write_text(text, encoding="utf-8")
        ledger = Ledger.read(self.path)
        ledger.today = datetime.date.fromisoformat(today)
        return ledger


class KnowingTests(LedgerTestCase):
    def test_what_stands_there_is_known(self) -> None:
        """By test, kind and name; anything else is new."""
        ledger = self.ledger(KNOWN)

        self.assertTrue(ledger.knows("m.T.test_a", POLL))
        self.assertFalse(ledger.knows("m.T.test_b", POLL))
        self.assertFalse(ledger.knows("m.T.test_a", Finding("tasks", "push-1", "")))
        self.assertFalse(ledger.knows("m.T.test_a", Finding("jobs", "poll-7", "")))

    def test_after_its_date_it_is_no_longer_tolerated(self) -> None:
        """The day itself still is; the message can say what the entry was."""
        text = KNOWN + "until = 2026-06-30\n"

        self.assertTrue(self.ledger(text, "2026-06-30").knows("m.T.test_a", POLL))
        late = self.ledger(text, "2026-07-01")
        self.assertFalse(late.knows("m.T.test_a", POLL))
        self.assertEqual(getattr(late.overdue("m.T.test_a", POLL), "reason", None), "#12")

    def test_what_is_gone_has_to_be_struck(self) -> None:
        """Once its test has run to the end; not if it has not run, or is flaky by admission."""
        ledger = self.ledger(KNOWN)
        self.assertEqual(ledger.complaint(), "")
        ledger.note_passed("m.T.test_a")
        self.assertIn("m.T.test_a: tasks 'poll-*' (#12)", ledger.complaint())

        for text in (KNOWN, KNOWN + "sometimes = true\n"):
            ledger = self.ledger(text)
            if text == KNOWN:
                ledger.knows("m.T.test_a", POLL)
            ledger.note_passed("m.T.test_a")
            self.assertEqual(ledger.gone(), [])


class WritingTests(LedgerTestCase):
    def test_a_run_that_writes_fails_for_nothing_and_strikes_what_is_gone(self) -> None:
        """Reasons of what is still there are kept; numbers in new names become stars."""
        ledger = self.ledger(KNOWN + KNOWN.replace("test_a", "test_gone"))
        ledger.writing = True
        self.assertTrue(ledger.knows("m.T.test_a", POLL))
        self.assertTrue(ledger.knows("m.T.test_b", Finding("servers", '127.0.0.1:8080 "x"', "")))
        for test in ("m.T.test_a", "m.T.test_b", "m.T.test_gone"):
            ledger.note_passed(test)

        self.assertEqual(ledger.write(), 2)
        again = Ledger.read(self.path)

        self.assertEqual(
            again.entries,
            [
                Entry("m.T.test_a", "tasks", "poll-*", "#12"),
                Entry("m.T.test_b", "servers", '*.*.*.*:* "x"', "to be mended"),
            ],
        )

    def test_names_that_tempfile_makes_up(self) -> None:
        """They are other ones in the next run."""
        ledger = self.ledger("")
        ledger.writing = True

        ledger.knows("m.T.test_a", Finding("files", "/tmp/tmpab_x4k2q.sock", ""))
        ledger.write()

        found = Finding("files", "/tmp/tmpzz9yyxxq.sock", "")
        self.assertTrue(Ledger.read(self.path).knows("m.T.test_a", found))

    def test_what_a_failed_test_has_left(self) -> None:
        """It was cut short: what is missing then is not gone, and what is left is not known."""

        class Tests(AsyncTestCase):
            async def test_a(self) -> None:
                self.task = asyncio.create_task(asyncio.sleep(60), name="push")
                self.fail("cut short")

        ledger = self.ledger(KNOWN.replace("m.T.test_a", Tests("test_a").id()))
        ledger.writing = True
        with mock.patch.object(_settings, "ledger", lambda: ledger):
            outcome = run_case(Tests, "test_a")
        ledger.write()

        self.assertIn("task 'push'", outcome.failures[0][1])
        self.assertEqual([entry.name for entry in Ledger.read(self.path).entries], ["poll-*"])


class ReadingTests(LedgerTestCase):
    def test_what_can_not_be_meant(self) -> None:
        """The number of the entry and its test are named."""
        for text, message in (
            ("[[leak]", "leaks.toml"),
            ("[leaks]\n", "has .* tables and nothing else"),
            (KNOWN.replace("tasks", "task"), r"leak 1 \(m.T.test_a\): 'task' is no kind of leak"),
            (KNOWN.replace('reason = "#12"', ""), "needs a text for 'reason'"),
            (KNOWN + 'until = "soon"\n', "until must be a date, such as 2027-01-31; got 'soon'"),
            (KNOWN + "sometimes = 1\n", "sometimes must be true or false; got 1"),
            (KNOWN + "who = 1\n", "has an unknown key: who"),
        ):
            with self.subTest(text=text), self.assertRaisesRegex(SettingError, message):
                self.ledger(text)

    def test_one_that_is_named_and_missing(self) -> None:
        """A misspelt path would excuse nothing, in silence."""
        with self.assertRaisesRegex(SettingError, "is not there"):
            Ledger.read(self.path)


if __name__ == "__main__":
    unittest.main()
