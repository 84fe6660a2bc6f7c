"""Time at pdb's prompt: in fresh processes, with a real pdb that somebody keeps waiting.

Nobody really waits: before anything else, the scripts put a clock in place of the monotonic one
that goes on by hand, too, and what is typed at the prompt is that a minute goes by.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from .support import ROOT

CLOCK = """
import time

passed = 0
def monotonic(real=time.monotonic): return real() + passed
def monotonic_ns(real=time.monotonic_ns): return real() + passed * 10**9
time.monotonic, time.monotonic_ns = monotonic, monotonic_ns

import asyncio, math, unittest
from asynctesting import *
from asynctesting._watchdog import _patrol

def pass_time(seconds):
    global passed
    passed += seconds
    with _patrol._bell:
        _patrol.next_look = -math.inf
    _patrol.look_earlier()
    while _patrol.next_look <= monotonic():
        time.sleep(0.0001)
"""


def run_with_pause(body: str, *, pause: int = 60) -> str:
    """Run a test that stops at a breakpoint, say "continue" after *pause* seconds.

    Returns:
        What the process has written.
    """
    source = (
        CLOCK
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
        rest, _ = process.communicate(f"!pass_time({pause})\ncontinue\n", timeout=60)
        return shown + rest


class PauseTests(unittest.TestCase):
    def test_a_timeout_stands_still(self) -> None:
        """asyncio.timeout() does not see the time at the prompt, and fires in time afterwards."""
        shown = run_with_pause("""
            async def test_it(self):
                with self.assertRaises(TimeoutError):
                    async with asyncio.timeout(20):
                        breakpoint()
                        await asyncio.sleep(0.01)
                        print("went on")
                        pass_time(20)
                        await asyncio.sleep(60)
        """)

        self.assertIn("went on", shown)
        self.assertIn("\nOK", shown)

    def test_pdb_that_is_imported_by_hand(self) -> None:
        """pdb.set_trace() is seen as breakpoint() is."""
        shown = run_with_pause("""
            async def test_it(self):
                import pdb
                async with asyncio.timeout(20):
                    pdb.set_trace()
                    await asyncio.sleep(0.01)
        """)

        self.assertIn("\nOK", shown)

    def test_the_limit_is_lengthened(self) -> None:
        """A test that stopped within its limit has all of the rest afterwards."""
        body = """
            timeout = 100
            async def test_it(self):
                breakpoint()
                pass_time(60)
                await asyncio.sleep(0.01)
                {more}
        """
        shown = run_with_pause(body.format(more=""))
        too_long = run_with_pause(body.format(more="pass_time(60); await asyncio.sleep(0.01)"))

        self.assertIn("\nOK", shown)
        self.assertIn("TimeLimitError: test_it took longer than its limit of 100 s", too_long)

    def test_a_limit_that_passes_at_the_prompt_is_off(self) -> None:
        """When the limit runs out at the prompt, it is off for this test, and says so."""
        shown = run_with_pause("""
            timeout = 20
            async def test_it(self):
                breakpoint()
                pass_time(60)
                await asyncio.sleep(0.01)
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
                self.assertLess(self.clock.elapsed, 30)
                pass_time(60)
                self.assertGreater(self.clock.elapsed, 30)
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
