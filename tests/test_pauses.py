"""Time at pdb's prompt: in fresh processes, with a real pdb that somebody keeps waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

from .support import ROOT

# Long against the timeouts and limits in the scripts, short for whoever runs the suite.
PAUSE = 0.3


def run_with_pause(body: str, *, head: str = "") -> str:
    """Run a test that stops at a breakpoint, say "continue" after a while; return the output."""
    source = (
        "import asyncio, unittest\nfrom asynctesting import *\n"
        + textwrap.dedent(head)
        + "class Case(AsyncTestCase):\n"
        + textwrap.indent(textwrap.dedent(body), "    ")
        + "unittest.main()\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.py")
        script.write_text(source)
        process = subprocess.Popen(
            [sys.executable, "-u", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdin is not None and process.stdout is not None
        shown = ""
        while not shown.endswith("(Pdb) "):
            character = process.stdout.read(1)
            if not character:
                break
            shown += character
        time.sleep(PAUSE)
        rest, _ = process.communicate("continue\n", timeout=60)
        return shown + rest


class PauseTests(unittest.TestCase):
    def test_a_timeout_stands_still(self) -> None:
        """asyncio.timeout() does not see the time at the prompt, and fires in time afterwards."""
        shown = run_with_pause("""
            async def test_it(self):
                with self.assertRaises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        breakpoint()
                        await asyncio.sleep(0.01)
                        print("went on")
                        await asyncio.sleep(5)
        """)

        self.assertIn("went on", shown)
        self.assertIn("\nOK", shown)

    def test_pdb_that_is_imported_by_hand(self) -> None:
        """pdb.set_trace() is seen as breakpoint() is."""
        shown = run_with_pause("""
            async def test_it(self):
                import pdb
                async with asyncio.timeout(0.1):
                    pdb.set_trace()
                    await asyncio.sleep(0.01)
        """)

        self.assertIn("\nOK", shown)

    def test_the_limit_is_lengthened(self) -> None:
        """A test that stopped within its limit has all of the rest afterwards."""
        shown = run_with_pause("""
            timeout = 0.35
            async def test_it(self):
                breakpoint()
                await asyncio.sleep(0.07)
        """)

        self.assertIn("\nOK", shown)

    def test_a_limit_that_passes_at_the_prompt_is_off(self) -> None:
        """When the limit runs out at the prompt, it is off for this test, and says so."""
        shown = run_with_pause("""
            timeout = 0.1
            async def test_it(self):
                breakpoint()
                await asyncio.sleep(0.15)
        """)

        self.assertIn("the limit of test_it is off, because a debugger (pdb) is active", shown)
        self.assertIn("\nOK", shown)

    def test_a_virtual_clock_in_real_mode(self) -> None:
        """A virtual clock that runs with real time stands still at the prompt, too."""
        shown = run_with_pause(
            """
            clock: VirtualClock
            @virtual_clock(mode="real")
            async def test_it(self):
                breakpoint()
                self.assertLess(self.clock.elapsed, 0.25)
            """
        )

        self.assertIn("\nOK", shown)

    def test_pdb_is_not_imported_for_it(self) -> None:
        """A run without a debugger loads none."""
        code = (
            "import sys, unittest, asynctesting\n"
            "class Case(asynctesting.AsyncTestCase):\n"
            "    async def test_it(self): pass\n"
            "Case('test_it').run()\n"
            "print('pdb' in sys.modules)"
        )

        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

        self.assertEqual(shown.stdout.strip(), "False", shown.stderr)
