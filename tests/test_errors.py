"""Errors: what kind each one is, what it carries, and that its docstring helps at midnight."""

from __future__ import annotations

import inspect
import pickle
import unittest
import warnings

from asynctesting import errors
from asynctesting.errors import (
    AsyncTestingError,
    LeakError,
    LeakWarning,
    NotCheckedWarning,
    SettingError,
    SilentPassError,
    TimeLimitError,
)

ALL = [getattr(errors, name) for name in errors.__all__]


class KindTests(unittest.TestCase):
    def test_one_except_means_them_all(self) -> None:
        """Each is an ``AsyncTestingError``, the warnings included."""
        for kind in ALL:
            with self.subTest(kind=kind.__name__):
                self.assertTrue(issubclass(kind, AsyncTestingError))

    def test_what_judges_a_test_is_a_failure(self) -> None:
        """unittest and pytest count an ``AssertionError`` as a failure of the test."""
        for kind in (LeakError, TimeLimitError):
            self.assertTrue(issubclass(kind, AssertionError), kind)

    def test_what_says_that_code_is_written_wrongly_is_an_error(self) -> None:
        """A class that would never run is a ``TypeError``, a bad value a ``ValueError``."""
        self.assertTrue(issubclass(SilentPassError, TypeError))
        self.assertTrue(issubclass(SettingError, ValueError))
        for kind in (SilentPassError, SettingError):
            self.assertFalse(issubclass(kind, AssertionError), kind)

    def test_warnings_can_be_filtered(self) -> None:
        """Each warning belongs to a standard category, so ``-W error`` and filters reach it."""
        self.assertTrue(issubclass(LeakWarning, UserWarning))
        self.assertTrue(issubclass(NotCheckedWarning, RuntimeWarning))
        for kind in (LeakWarning, NotCheckedWarning):
            with self.assertWarns(kind):
                warnings.warn("text", kind, stacklevel=1)

    def test_all_of_them_are_exported(self) -> None:
        """No exception of the module is missing in its ``__all__``."""
        made_here = [
            name
            for name, value in vars(errors).items()
            if inspect.isclass(value) and value.__module__ == errors.__name__
        ]
        self.assertEqual(sorted(made_here), sorted(errors.__all__))


class EvidenceTests(unittest.TestCase):
    def test_a_limit_keeps_what_it_knows(self) -> None:
        """Limit, phase and the waiting lines can be read by code, not only by people."""
        error = TimeLimitError("too long", limit=2.5, phase="teardown", waiting=["a", "b"])

        self.assertEqual(str(error), "too long")
        self.assertEqual((error.limit, error.phase, error.waiting), (2.5, "teardown", ("a", "b")))

    def test_a_limit_can_be_made_from_a_message_alone(self) -> None:
        """The defaults say that nothing is known."""
        error = TimeLimitError("too long")

        self.assertEqual((error.limit, error.phase, error.waiting), (None, "test", ()))

    def test_a_leak_keeps_its_findings(self) -> None:
        """One text per finding, in a tuple that nobody changes by accident."""
        findings = ["task 'a' waits", "server still listens"]
        error = LeakError("2 things", findings)
        findings.clear()

        self.assertEqual(error.findings, ("task 'a' waits", "server still listens"))
        self.assertEqual(LeakError("nothing").findings, ())

    def test_errors_cross_process_borders(self) -> None:
        """Parallel runners pickle them; the message and the evidence arrive."""
        limit = TimeLimitError("too long", limit=2.5, phase="cleanup", waiting=["a"])
        leak = LeakError("left", ["b"])

        limit_there, leak_there = pickle.loads(pickle.dumps((limit, leak)))

        self.assertEqual(str(limit_there), "too long")
        self.assertEqual(
            (limit_there.limit, limit_there.phase, limit_there.waiting), (2.5, "cleanup", ("a",))
        )
        self.assertEqual((str(leak_there), leak_there.findings), ("left", ("b",)))


class DocstringTests(unittest.TestCase):
    """Each docstring says when it is raised, what usually causes it, and what to do."""

    HELP = {
        SilentPassError: ("Raised when", "usual cause", "right spelling"),
        SettingError: ("Raised when", "environment", "which ones"),
        TimeLimitError: ("limit covers", "usual cause", "@timeout(seconds)"),
        LeakError: ("Raised after", "usual cause", 'leaks = "warn"'),
        LeakWarning: ("LeakError", "warning", 'leaks = "warn"'),
        NotCheckedWarning: ("could not be checked", "lacks", "run all the"),
        AsyncTestingError: ("common base", "except", "all"),
    }

    def test_each_says_when_why_and_what_now(self) -> None:
        """The three beats of a helpful docstring are all there."""
        for kind, beats in self.HELP.items():
            text = " ".join(inspect.cleandoc(kind.__doc__ or "").split())
            for beat in beats:
                with self.subTest(kind=kind.__name__, beat=beat):
                    self.assertIn(beat, text)

    def test_none_is_content_with_its_first_line(self) -> None:
        """A sentence, an empty line, and then what helps; but for those that say it elsewhere."""
        for kind in ALL:
            if kind in (AsyncTestingError, LeakWarning):
                continue
            with self.subTest(kind=kind.__name__):
                self.assertIn("__doc__", vars(kind))
                first, _, rest = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")
                self.assertTrue(first.endswith("."), first)
                self.assertGreater(len(rest.split()), 15, rest)

    def test_attributes_are_described(self) -> None:
        """What an error carries stands in its docstring."""
        for kind, names in (
            (TimeLimitError, ("limit:", "phase:", "waiting:")),
            (LeakError, ("findings:",)),
        ):
            for name in names:
                self.assertIn(name, kind.__doc__ or "")


if __name__ == "__main__":
    unittest.main()
