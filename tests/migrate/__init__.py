"""What the tests of a rule need: a text before, the text after, and what is said about it.

Every text that a rule gives back is parsed, and given to the rule once more: a second run must
change nothing, and list the same as left alone.
"""

from __future__ import annotations

import ast
import textwrap
import unittest

from asynctesting.migrate._engine import migrate_text
from asynctesting.migrate._model import Finding, Sort

RULES = ("asynctest", "aiounittest", "tornado", "aiohttp", "pytest-asyncio", "loop")


class RuleTestCase(unittest.TestCase):
    """A case for the tests of one rule, which it names as ``rule``."""

    rule = ""
    bridge = False
    maxDiff = None

    def migrated(self, before: str) -> tuple[str, tuple[Finding, ...]]:
        """Return what becomes of *before*, after a look at a second run."""
        return self.migrated_by(*((self.rule,) if self.rule else RULES), before=before)

    def migrated_by(self, *rules: str, before: str) -> tuple[str, tuple[Finding, ...]]:
        """Return what these rules make of *before*, after a look at a second run."""
        before = textwrap.dedent(before).lstrip("\n")
        after, findings = migrate_text(before, rules, bridge=self.bridge)
        ast.parse(after)
        again, said = migrate_text(after, rules, bridge=self.bridge)
        self.assertEqual(again, after, "a second run changes something")
        left = tuple(item for item in findings if item.sort is Sort.LEFT)
        self.assertEqual(said, left, "a second run says something else")
        return after, findings

    def assertRewrites(self, before: str, after: str, *looks: str) -> None:
        """Fail unless *before* becomes *after*, with nothing left alone.

        Args:
            before: The text; common indentation does not count.
            after: What it has to become.
            looks: Headings of what a person is asked to look at, in the order of lines.
        """
        text, findings = self.migrated(before)
        self.assertEqual(text, textwrap.dedent(after).lstrip("\n"))
        self.assertEqual([item for item in findings if item.sort is Sort.LEFT], [])
        self.assertEqual([item.topic for item in findings], list(looks))

    def assertLeaves(self, before: str, *left: tuple[int, str]) -> tuple[Finding, ...]:
        """Fail unless *before* stays as it is, with these lines and headings listed."""
        text, findings = self.migrated(before)
        self.assertEqual(text, textwrap.dedent(before).lstrip("\n"))
        self.assertEqual([(item.line, item.topic) for item in findings], list(left))
        return findings
