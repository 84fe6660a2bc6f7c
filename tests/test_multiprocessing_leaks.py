"""What multiprocessing opens for itself is nobody's leak, and a process hides its own pipes."""

from __future__ import annotations

import sys
import textwrap
import unittest

from tests.support import run_python

# The first one takes the lowest free descriptor, so that all of them are looked at.
SOUND = """
    import multiprocessing
    import os
    import unittest
    from multiprocessing import shared_memory
    from asynctesting import AsyncTestCase

    class Sound(AsyncTestCase):
        def tearDown(self):
            type(self).kept = os.open(os.devnull, os.O_RDONLY)

        async def test_shared_memory(self):
            memory = shared_memory.SharedMemory(create=True, size=8)
            memory.close()
            memory.unlink()

        async def test_fork_server(self):
            process = multiprocessing.get_context("forkserver").Process(target=print)
            process.start()
            process.join()
            process.close()
"""
LEAVING = """
    import multiprocessing
    import time
    import unittest
    from asynctesting import AsyncTestCase

    class Leaving(AsyncTestCase):
        async def test_two(self):
            spawn = multiprocessing.get_context("spawn")
            type(self).kept = [spawn.Process(target=time.sleep, args=(60,)) for _ in range(2)]
            for process in self.kept:
                process.start()

        @classmethod
        def tearDownClass(cls):
            for process in cls.kept:
                process.terminate()
"""

MAIN = """
if __name__ == "__main__":
    unittest.main(warnings="always")
"""


@unittest.skipUnless(sys.platform == "linux", "descriptors are told apart by their names there")
class MultiprocessingTests(unittest.TestCase):
    def test_its_own_helpers_are_no_finding(self) -> None:
        """The resource tracker and the fork server live until the run ends."""
        for name in ("shared_memory", "fork_server"):
            with self.subTest(name):
                printed = self.run_module(SOUND, f"Sound.test_{name}")

                self.assertEqual(printed.count("LeakWarning"), 1, printed)
                self.assertIn("is still open: /dev/null", printed)

    def test_a_process_and_its_pipes_are_one_finding(self) -> None:
        """And two processes are two."""
        printed = self.run_module(LEAVING, "Leaving.test_two")

        self.assertEqual(printed.count("LeakWarning"), 2, printed)
        self.assertRegex(printed, r"(?s)\(SpawnProcess-1\).*\(SpawnProcess-2\)")

    def run_module(self, source: str, test: str) -> str:
        # "always" shows each warning, where an error would hide the second one.
        done = run_python(textwrap.dedent(source) + MAIN, test)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr


if __name__ == "__main__":
    unittest.main()
