"""What spans rules and files: rounds, names that other files import, names with two meanings."""

from __future__ import annotations

import ast
import tempfile
import textwrap
import unittest
from collections.abc import Mapping
from pathlib import Path

from asynctesting.migrate._engine import Options, migrate, python_files
from asynctesting.migrate._model import Outcome, Sort
from tests.migrate import RULES, RuleTestCase


class NameTests(RuleTestCase):
    def test_a_name_that_something_else_keeps(self) -> None:
        """What stays on asynctest keeps its name for it, and unittest gets another."""
        after, findings = self.migrated(
            """
            import asynctest as unittest

            @unittest.skipIf(x, "later")
            class Goes(unittest.TestCase):
                async def test_it(self):
                    unittest.CoroutineMock()

            class Stays(unittest.TestCase):
                timeout = "long"

                async def test_it(self):
                    pass
            """
        )
        self.assertEqual([item.topic for item in findings], ["settings"])
        lines = after.splitlines()
        self.assertIn("import asynctest as unittest", lines)
        self.assertIn("import unittest as unittest_", lines)
        self.assertNotIn("import unittest", lines)
        self.assertIn('@unittest_.skipIf(x, "later")', lines)
        self.assertIn("class Goes(AsyncTestCase):", lines)
        self.assertIn("class Stays(unittest.TestCase):", lines)

    def test_rules_make_work_for_each_other(self) -> None:
        """A case of asynctest that runs loops is native after one run of the command."""
        self.assertRewrites(
            """
            import asynctest

            class Tests(asynctest.TestCase):
                def setUp(self):
                    self.loop.run_until_complete(f())

                def test_it(self):
                    self.loop.run_until_complete(f())
            """,
            """
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                async def asyncSetUp(self):
                    await f()

                async def test_it(self):
                    await f()
            """,
        )


class FileTests(unittest.TestCase):
    def migrated(self, files: Mapping[str, str]) -> dict[str, Outcome]:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name, text in files.items():
            (folder / name).write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        outcomes = migrate(list(python_files([str(folder)])), Options(RULES))
        for outcome in outcomes:
            ast.parse(outcome.after)
        return {Path(outcome.path).name: outcome for outcome in outcomes}

    def test_a_name_that_another_file_imports(self) -> None:
        """It goes on meaning what it meant, or tests there would no longer be awaited."""
        for line in (
            "from base import unittest",
            "from base import *",
            "import base\nunittest = base.unittest\nclass Other(base.unittest.TestCase): pass",
        ):
            with self.subTest(line=line):
                outcomes = self.migrated(
                    {
                        "base.py": """
                            import asynctest as unittest

                            class Base(unittest.TestCase):
                                async def setUp(self):
                                    pass
                            """,
                        "test_it.py": f"{line}\n\nclass Tests(unittest.TestCase):\n"
                        "    async def test_it(self):\n        pass\n",
                    }
                )
                base = outcomes["base.py"]
                self.assertIn("import asynctest as unittest\n", base.after)
                self.assertNotIn("\nimport unittest\n", base.after)
                self.assertIn("re-export", [item.topic for item in base.findings])
                self.assertFalse(outcomes["test_it.py"].changed)

    def test_a_conftest_that_gives_to_all(self) -> None:
        """What it has chosen for every test below it keeps these as they are, and no others."""
        test = "import pytest\n\n@pytest.mark.asyncio\nasync def test_it():\n    pass\n"
        for topic, text in (
            ("event-loop", "def event_loop(): yield new()\n"),
            ("autouse", "@pytest.fixture(autouse=True)\ndef always(): pass\n"),
        ):
            with self.subTest(topic=topic):
                outcomes = self.migrated({"conftest.py": text, "test_it.py": test})
                self.assertFalse(outcomes["test_it.py"].changed)
                (finding,) = outcomes["test_it.py"].findings
                self.assertEqual((finding.line, finding.topic), (1, topic))
                outcomes = self.migrated({"helpers.py": text, "test_it.py": test})
                self.assertTrue(outcomes["test_it.py"].changed)

    def test_a_test_that_another_file_calls(self) -> None:
        """It stays one that can be called."""
        outcomes = self.migrated(
            {
                "test_it.py": """
                    import asyncio
                    import unittest

                    class Tests(unittest.TestCase):
                        def test_it(self):
                            asyncio.run(f())
                    """,
                "run.py": "from test_it import Tests\nTests('test_it').test_it()\n",
            }
        )
        self.assertFalse(outcomes["test_it.py"].changed)
        self.assertEqual([item.topic for item in outcomes["test_it.py"].findings], ["called"])

    def test_a_context_variable_of_another_file(self) -> None:
        """It is known there, too."""
        outcomes = self.migrated(
            {
                "app.py": "from contextvars import ContextVar\nuser = ContextVar('user')\n",
                "test_it.py": """
                    import asyncio
                    import unittest
                    import app
                    from app import user

                    class Tests(unittest.TestCase):
                        def test_it(self):
                            asyncio.run(f())
                            user.get()
                    """,
            }
        )
        findings = outcomes["test_it.py"].findings
        self.assertEqual([item.topic for item in findings], ["context-variables"])

    def test_a_helper_that_waits_for_a_mock(self) -> None:
        """It would return at once, so it is listed even in a file that names no framework."""
        files = {
            "helper.py": "async def sent(mock):\n    await mock.awaited.wait()\n",
            "test_it.py": """
                import asynctest
                from helper import sent

                class Tests(asynctest.TestCase):
                    async def test_it(self):
                        await sent(asynctest.CoroutineMock())
                """,
        }
        for outcomes in (
            self.migrated(files),
            self.migrated({**files, "test_it.py": "from asynctesting import AsyncTestCase\n"}),
        ):
            (finding,) = outcomes["helper.py"].findings
            self.assertEqual((finding.line, finding.topic, finding.sort), (2, "awaited", Sort.LEFT))
        own = {**files, "helper.py": files["helper.py"] + "def make(x):\n    x.awaited = Event()\n"}
        self.assertEqual(self.migrated(own)["helper.py"].findings, ())


if __name__ == "__main__":
    unittest.main()
