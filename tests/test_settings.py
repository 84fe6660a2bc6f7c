"""Settings: which values can be meant, how text is read, and who is asked first."""

from __future__ import annotations

import math
import os
import unittest
from unittest import mock

import asynctesting
from asynctesting import AsyncTestCase, SettingError, _settings, timeout
from asynctesting._kinds import check_levels
from asynctesting._settings import UNSET, Settings, check_timeout, parse_timeout, read
from tests.support import OutcomeAssertions, run_case, settings


class CheckTests(unittest.TestCase):
    def test_seconds_above_zero_are_a_limit(self) -> None:
        """Whole numbers and fractions are taken, as floats."""
        for value in (1, 0.25, 86_400):
            with self.subTest(value=value):
                limit = check_timeout(value, "timeout")

                self.assertEqual(limit, value)
                self.assertIsInstance(limit, float)

    def test_none_is_no_limit(self) -> None:
        """``None`` is a value that somebody chose."""
        self.assertIsNone(check_timeout(None, "timeout"))

    def test_what_cannot_be_a_limit_is_quoted(self) -> None:
        """Zero, negatives, infinities, truth values and text are refused, each as it was given."""
        for value in (0, -1, 0.0, math.inf, -math.inf, math.nan, True, False, "5", [5]):
            with self.subTest(value=value), self.assertRaises(SettingError) as caught:
                check_timeout(value, "Tests.timeout")

            self.assertEqual(
                str(caught.exception),
                "Tests.timeout must be a number of real seconds above zero, or None for no limit; "
                f"got {value!r}",
            )


class ParseTests(unittest.TestCase):
    def test_numbers_are_read(self) -> None:
        """Text from a command line or the environment becomes seconds."""
        self.assertEqual(parse_timeout("2.5", "--timeout"), 2.5)
        self.assertEqual(parse_timeout(" 10 ", "--timeout"), 10.0)

    def test_none_is_written_in_any_case(self) -> None:
        """``none`` and Python's own ``None`` both switch the limit off."""
        for text in ("none", "None", " NONE "):
            self.assertIsNone(parse_timeout(text, "--timeout"))

    def test_other_text_is_quoted_as_it_was_typed(self) -> None:
        """``0`` is shown as ``'0'``, not as the number that it was read as."""
        for text in ("soon", "", "0", "-3", "nan", "inf", "1e999", "5s"):
            with self.subTest(text=text), self.assertRaises(SettingError) as caught:
                parse_timeout(text, "--timeout")

            self.assertTrue(str(caught.exception).endswith(f"got {text!r}"), caught.exception)
            self.assertIsNone(caught.exception.__cause__)


class EnvironmentTests(unittest.TestCase):
    def test_an_environment_without_ours_sets_nothing(self) -> None:
        """Other variables are nobody's business here."""
        self.assertEqual(read({"PATH": "bin", "TESTING_TIMEOUT": "x"}), Settings(UNSET, UNSET))

    def test_both_settings_are_read(self) -> None:
        """Each variable sets its own field."""
        found = read({"ASYNCTESTING_TIMEOUT": "5", "ASYNCTESTING_LEAKS": "warn"})

        self.assertEqual(found, Settings(timeout=5.0, leaks=check_levels("warn", "leaks")))

    def test_no_limit_is_a_choice(self) -> None:
        """``none`` differs from a variable that is not there."""
        found = read({"ASYNCTESTING_TIMEOUT": "none"})

        self.assertIsNone(found.timeout)
        self.assertIs(found.leaks, UNSET)

    def test_bad_values_name_their_variable(self) -> None:
        """The message begins with the name, so that one finds where it is set."""
        for name, text in (
            ("ASYNCTESTING_TIMEOUT", "soon"),
            ("ASYNCTESTING_TIMEOUT", ""),
            ("ASYNCTESTING_LEAKS", "ignore"),
            ("ASYNCTESTING_LEAKS", ""),
        ):
            with self.subTest(name=name, text=text):
                with self.assertRaisesRegex(SettingError, f"^{name} must be .* got {text!r}$"):
                    read({name: text})

    def test_an_unknown_name_is_an_error(self) -> None:
        """A misspelt variable would otherwise do nothing, in silence."""
        with self.assertRaises(SettingError) as caught:
            read({"ASYNCTESTING_TIME_OUT": "5"})

        self.assertEqual(
            str(caught.exception),
            "ASYNCTESTING_TIME_OUT='5' in the environment is no setting of asynctesting; there are "
            "ASYNCTESTING_TIMEOUT, ASYNCTESTING_LEAKS, ASYNCTESTING_LEDGER and "
            "ASYNCTESTING_REPORT",
        )

    def test_the_environment_is_read_once(self) -> None:
        """A test that changes the environment does not change its own run."""
        with settings({"ASYNCTESTING_TIMEOUT": "5"}):
            before = _settings.current()
            with mock.patch.dict(os.environ, {"ASYNCTESTING_TIMEOUT": "7"}):
                again = _settings.current()
                _settings.forget()
                anew = _settings.current()

        self.assertIs(again, before)
        self.assertEqual(before.timeout, 5.0)
        self.assertEqual(anew.timeout, 7.0)

    def test_an_unset_value_says_so(self) -> None:
        """In a repr, ``unset`` can't be taken for a value."""
        self.assertEqual(
            repr(Settings()),
            "Settings(timeout=unset, leaks=unset, report=None, ledger=None)",
        )


class samples:  # noqa: N801 - in a class, so that no runner takes them for tests of its own
    class Observed(AsyncTestCase):
        """Notes the limit that each of its tests has."""

        timeout = 20
        seen: float | None

        def test_plain(self) -> None:
            type(self).seen = self._asyncioRunner.watch.limit

        @asynctesting.timeout(30)  # the bare name is the class attribute above
        def test_decorated(self) -> None:
            type(self).seen = self._asyncioRunner.watch.limit

        @asynctesting.timeout(None)
        def test_unlimited(self) -> None:
            type(self).seen = self._asyncioRunner.watch.limit


class PrecedenceTests(OutcomeAssertions):
    """Class attribute, then decorator, then environment: the later one wins."""

    def limit(self, name: str, **environment: str) -> float | None:
        self.assertPassed(run_case(samples.Observed, name, environment=environment))
        return samples.Observed.seen

    def test_the_class_attribute_is_the_weakest(self) -> None:
        """Where nobody else says anything, it holds."""
        self.assertEqual(self.limit("test_plain"), 20)

    def test_the_decorator_beats_the_class(self) -> None:
        """It is nearer to the test; ``None`` counts as well."""
        self.assertEqual(self.limit("test_decorated"), 30)
        self.assertIsNone(self.limit("test_unlimited"))

    def test_the_environment_beats_the_decorator(self) -> None:
        """Whoever starts the run has the last word, in both directions."""
        self.assertEqual(self.limit("test_decorated", ASYNCTESTING_TIMEOUT="40"), 40)
        self.assertEqual(self.limit("test_unlimited", ASYNCTESTING_TIMEOUT="40"), 40)
        self.assertIsNone(self.limit("test_decorated", ASYNCTESTING_TIMEOUT="none"))

    def test_the_default_is_a_minute(self) -> None:
        """A class that says nothing has a limit all the same."""
        self.assertEqual(AsyncTestCase.timeout, 60.0)

    def test_a_bad_environment_is_said_when_a_class_is_made(self) -> None:
        """So it is an error under every runner, before any test has run."""
        with settings({"ASYNCTESTING_LEAKS": "loud"}):
            with self.assertRaisesRegex(SettingError, "^ASYNCTESTING_LEAKS must be"):

                class Tests(AsyncTestCase):
                    pass

    def test_the_decorator_checks_its_argument(self) -> None:
        """A limit that can't be meant is refused where it is written."""
        for value in (0, -1, "5", True):
            with self.subTest(value=value):
                with self.assertRaisesRegex(SettingError, r"^@timeout\(seconds\) must be"):
                    timeout(value)  # type: ignore[arg-type]

    def test_the_decorator_takes_a_class(self) -> None:
        """It then sets the class's own limit, and returns the class."""

        @timeout(3)
        class Tests(AsyncTestCase):
            pass

        self.assertEqual(Tests.timeout, 3.0)


if __name__ == "__main__":
    unittest.main()
