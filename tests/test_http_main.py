"""``python -m asynctesting.http``: the self-check for users."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import unittest
from unittest import mock

import aiohttp

from asynctesting._probes import ProbeResult
from asynctesting.http import __main__ as command
from tests.support import ROOT


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command in this process; return its exit code and what it wrote."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = command.main(arguments)
        except SystemExit as end:
            code = int(str(end.code))
    return code, out.getvalue(), err.getvalue()


class SelfCheckTests(unittest.TestCase):
    def test_it_runs_as_a_module(self) -> None:
        """A table, a count and a zero, with nothing on stderr."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "asynctesting.http", "--selfcheck"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
        )

        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn(f"aiohttp {aiohttp.__version__}, 33 probes", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^\d+ ok(, \d n/a)? in \d+\.\d s$")

    def test_a_red_probe(self) -> None:
        """It is in the table, and the exit code is 1."""
        results = [
            ProbeResult(1, "one", "ok", "", 0.1),
            ProbeResult(2, "two", "failed", "it broke", 0.1),
        ]
        with mock.patch.object(command, "run_probes", return_value=results):
            code, out, err = run("--selfcheck", "--loop", "virtual")

        self.assertEqual(code, 1)
        self.assertRegex(out, r"two +failed +it broke")
        self.assertIn("does not get along", err)

    def test_mistakes(self) -> None:
        """Each is an exit code of 2 and a sentence."""
        for arguments, text in (
            ([], "there is nothing to do; write --selfcheck"),
            (["--self"], "unrecognized arguments: --self"),
            (["--selfcheck", "--loop", "trio"], "invalid choice: 'trio'"),
            (["--selfcheck", "3.14"], "unrecognized arguments: 3.14"),
        ):
            with self.subTest(arguments):
                code, out, err = run(*arguments)
                self.assertEqual((code, out), (2, ""))
                self.assertIn(text, err)

    def test_uvloop_that_is_not_there(self) -> None:
        """The message says how to get it."""
        with mock.patch.dict(sys.modules, {"uvloop": None}):
            code, _, err = run("--selfcheck", "--loop", "uvloop")

        self.assertEqual(code, 2)
        self.assertIn("--loop uvloop needs uvloop: pip install uvloop", err)


if __name__ == "__main__":
    unittest.main()
