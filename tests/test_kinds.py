"""Kinds of leaks, their levels, and what is allowed: plain decisions, and the case that obeys."""

from __future__ import annotations

import asyncio
import unittest
import warnings
from typing import Any

from asynctesting import AsyncTestCase, LeakError, LeakWarning, SettingError, allow_leaks
from asynctesting._kinds import DEFAULT, KINDS, Finding, check_levels, merge, parse_levels
from tests.support import OutcomeAssertions, run_case, spin


class LevelTests(unittest.TestCase):
    def test_a_word_is_for_all_that_are_on(self) -> None:
        """What is looked for on request only stays off."""
        levels = check_levels("error", "leaks")

        self.assertEqual(levels["timers"], "error")
        self.assertEqual(levels["environ"], "off")

    def test_text_is_read_from_left_to_right(self) -> None:
        """A word first, and exceptions from it after that."""
        levels = parse_levels("warn, tasks=error,environ=warn", "--leaks")

        self.assertEqual((levels["tasks"], levels["sockets"]), ("error", "warn"))
        self.assertEqual(levels["environ"], "warn")

    def test_what_can_not_be_meant(self) -> None:
        """The message says what there is."""
        for value, text in (
            ({"task": "warn"}, "'task' is no kind of leak; there are .*tasks"),
            ({"tasks": "fatal"}, r"leaks\['tasks'\] must be 'default', .*got 'fatal'"),
            ("fatal", "must be 'default', .*got 'fatal'"),
            (None, "must be 'default', .*got None"),
        ):
            with self.subTest(value=value), self.assertRaisesRegex(SettingError, text):
                check_levels(value, "leaks")

    def test_the_last_word_counts(self) -> None:
        """For each kind by itself."""
        policy = merge([{"tasks": "warn", "timers": "off"}, {"tasks": "error"}])

        self.assertEqual((policy.level("tasks"), policy.level("timers")), ("error", "off"))
        self.assertEqual(policy.level("sockets"), KINDS["sockets"].level)

    def test_a_finding_may_be_worse_than_its_kind(self) -> None:
        """Unless somebody has said what the kind is."""
        finding = Finding("timers", "ring", "a timer", level="error")

        self.assertEqual(DEFAULT.judge(finding), "error")
        self.assertEqual(merge([{"timers": "off"}]).judge(finding), "off")


class samples:  # noqa: N801 - in a class, so that no runner takes them for tests of its own
    class Polling(AsyncTestCase):
        async def test_it(self) -> None:
            self.task = asyncio.create_task(asyncio.Event().wait(), name="poll-1")
            await spin()

        @allow_leaks(tasks="poll-*")
        async def test_allowed(self) -> None:
            await self.test_it()

        @allow_leaks(tasks="push-*", servers=True)
        async def test_another_name(self) -> None:
            await self.test_it()


class AllowTests(OutcomeAssertions):
    def test_on_a_test(self) -> None:
        """By a pattern of the name, and for that kind alone."""
        self.assertPassed(run_case(samples.Polling, "test_allowed"))
        self.assertFailsWith(run_case(samples.Polling, "test_another_name"), LeakError)

    def test_on_a_class(self) -> None:
        """By the decorator or the attribute, inherited by the classes below."""

        @allow_leaks(tasks=("a", "poll-?"))
        class Decorated(samples.Polling): ...

        class Inherited(Decorated): ...

        class Written(samples.Polling):
            allowed_leaks = {"tasks": "poll-*"}

        for case in (Decorated, Inherited, Written):
            with self.subTest(case=case.__name__):
                self.assertPassed(run_case(case))

    def test_the_message_shows_the_line(self) -> None:
        """To be copied as it is."""
        error = self.assertFailsWith(run_case(samples.Polling), LeakError)

        self.assertIn('\n    @allow_leaks(tasks="poll-1")\n', str(error))

    def test_an_allowed_coroutine_where_warnings_are_errors(self) -> None:
        """The interpreter's own warning, raised where nobody gets it, is no finding in its turn."""

        class Allowing(AsyncTestCase):
            @allow_leaks(coroutines="spin")
            async def test_it(self) -> None:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    spin()

        self.assertPassed(run_case(Allowing))

    def test_what_can_not_be_meant(self) -> None:
        """Said where it is written."""
        cases: list[tuple[dict[str, Any], str]] = [
            ({"task": "a"}, "@allow_leaks: 'task' is no kind of leak"),
            ({"tasks": ""}, "tasks takes a name, a pattern"),
            ({"tasks": 3}, "tasks takes a name, a pattern"),
            ({}, "needs to know what is allowed"),
        ]
        for kinds, text in cases:
            with self.subTest(kinds=kinds), self.assertRaisesRegex(SettingError, text):
                allow_leaks(**kinds)
        with self.assertRaisesRegex(SettingError, "Case.allowed_leaks must say by kind"):
            type("Case", (AsyncTestCase,), {"allowed_leaks": "tasks"})

    def test_levels_by_kind(self) -> None:
        """On the class, and before it in the environment."""

        class Warned(samples.Polling):
            leaks = {"tasks": "warn"}

        with self.assertWarnsRegex(LeakWarning, "task 'poll-1' waits at"):
            self.assertPassed(run_case(Warned))
        outcome = run_case(Warned, environment={"ASYNCTESTING_LEAKS": "tasks=error"})
        self.assertFailsWith(outcome, LeakError)
        outcome = run_case(samples.Polling, environment={"ASYNCTESTING_LEAKS": "tasks=off"})
        self.assertPassed(outcome)


if __name__ == "__main__":
    unittest.main()
