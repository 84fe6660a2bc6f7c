"""The command that repeats a failure: typed as it is printed, it runs that test, and it alone."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Mapping
from pathlib import Path

from asynctesting import _settings
from asynctesting._repeat import repeat_command
from tests.support import ROOT

SUITE = """
import asyncio
from asynctesting import AsyncTestCase, parametrize


async def hang():
    await asyncio.get_running_loop().create_future()


class OneByOne(AsyncTestCase):
    async def test_plain(self):
        await hang()

    async def test_sub(self):
        for number in (1, 2):
            with self.subTest(number=number):
                if number == 2:
                    await hang()

    @parametrize("word", ["tea", "two words; echo"])
    async def test_param(self, word):
        if " " in word:
            await hang()

    async def test_sound(self): ...


class ByClass(AsyncTestCase):
    @classmethod
    async def asyncSetUpClass(cls):
        await hang()

    async def test_first(self): ...


if __name__ == "__main__":
    import unittest

    unittest.main()
"""
#: A part of the name of each that hangs.
HANGING = ("test_plain", "test_sub", "test_param", "ByClass")


class SubprocessTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "shop tests").mkdir()
        for path in (self.folder / "test_it.py", self.folder / "shop tests" / "test_spaced.py"):
            path.write_text(SUITE)

    def run_line(self, line: str) -> subprocess.CompletedProcess[str]:
        """Give *line* to a shell whose python is ours."""
        bin_ = self.folder / "bin"
        if not bin_.exists():
            bin_.mkdir()
            python = bin_ / "python"
            python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
            python.chmod(0o755)
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith((_settings.PREFIX, "PYTEST"))
        }
        path = f"{bin_}{os.pathsep}{kept.get('PATH', '')}"
        return subprocess.run(
            line,
            shell=True,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**kept, "PATH": path, "PYTHONPATH": str(ROOT)},
        )

    def commands(self, line: str) -> list[str]:
        """Return the commands that the run of *line* prints, each once."""
        ended = self.run_line(line)
        printed = re.findall(r"Repeat it: (.*)$", ended.stdout + ended.stderr, re.MULTILINE)
        self.assertTrue(printed, ended.stdout + ended.stderr)
        return list(dict.fromkeys(printed))

    def counted(self, command: str) -> str:
        """Return what a runner says of one test, or of a class whose set-up has failed."""
        if "pytest" in command:
            return "collected 1 item\n"
        return "Ran 0 tests " if "ByClass" in command else "Ran 1 test "

    def check(self, line: str) -> None:
        """Run *line*; each command that it prints says itself and nothing else, of one test."""
        commands = self.commands(line)
        for name in HANGING:
            self.assertEqual(len([c for c in commands if name in c]), 1, commands)
        self.assertEqual(len(commands), len(HANGING))
        for command in commands:
            with self.subTest(command=command):
                again = self.run_line(command)
                text = again.stdout + again.stderr
                self.assertNotEqual(again.returncode, 0)
                self.assertIn("DeadlockError: nothing can wake", text)
                self.assertIn(f"Repeat it: {command}", text)
                self.assertRegex(text, self.counted(command))

    def test_unittest(self) -> None:
        """By the name of the test, that of a parametrized one, and that of a class."""
        self.check("python -m unittest test_it")

    def test_a_script(self) -> None:
        """Which is started the same way again."""
        self.check("python test_it.py")

    def test_our_own_command(self) -> None:
        """With what one typed in front, where that is in the environment."""
        self.check("ASYNCTESTING_TIMEOUT=30 python -m asynctesting test_it")

    @unittest.skipUnless(importlib.util.find_spec("pytest"), "pytest is not installed")
    def test_pytest(self) -> None:
        """By the node, whose file may have a space in its name."""
        self.check("python -m pytest 'shop tests/test_spaced.py'")


class CommandTests(unittest.TestCase):
    def command(self, test: str, **environment: str) -> str:
        variables: Mapping[str, str] = environment
        return repeat_command(test, variables)

    def test_a_class_under_pytest(self) -> None:
        """Its fixture runs in the course of its first test; the node is that of the class."""
        node = "tests/test_shop.py::Shop::test_price (setup)"
        self.assertEqual(
            self.command("tests.test_shop.Shop", PYTEST_CURRENT_TEST=node),
            "python -m pytest tests/test_shop.py::Shop",
        )

    def test_another_test_than_pytests(self) -> None:
        """A suite that a test runs by itself is not pytest's."""
        node = "tests/test_shop.py::Shop::test_price (call)"
        self.assertEqual(
            self.command("inner.Inner.test_it", PYTEST_CURRENT_TEST=node),
            "python -m unittest inner.Inner.test_it",
        )

    def test_what_a_function_has_made_can_not_be_named(self) -> None:
        """Rather nothing than a command that finds no test."""
        self.assertEqual(self.command("tests.test_x.f.<locals>.Case.test_it"), "")
