"""The stand-ins for ``time.monotonic`` and its kin, apart from any test case."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
import types
import unittest

from asynctesting._patched_time import TimePatch, innermost, real_ns

real_monotonic = time.monotonic


def module_with(name: str, **names: object) -> types.ModuleType:
    """Make a module as an import would, and put it where imports put it."""
    module = types.ModuleType(name)
    vars(module).update(names)
    sys.modules[name] = module
    return module


class TimePatchTests(unittest.TestCase):
    def open(self, seconds: float, **options: bool) -> TimePatch:
        patch = TimePatch(lambda: round(seconds * 1e9), **options)
        patch.start()
        self.addCleanup(lambda: patch.stop() if patch is innermost() else None)
        return patch

    def test_the_monotonic_family_reads_the_source(self) -> None:
        """time.monotonic and time.monotonic_ns answer what the source says."""
        self.open(12.5)

        self.assertEqual(time.monotonic(), 12.5)
        self.assertEqual(time.monotonic_ns(), 12_500_000_000)

    def test_perf_counter_stays_real(self) -> None:
        """perf_counter is left alone, since unittest times tests with it."""
        before = time.perf_counter

        self.open(12.5)

        self.assertIs(time.perf_counter, before)

    def test_perf_counter_on_request(self) -> None:
        """On request perf_counter and perf_counter_ns read the source, too."""
        self.open(12.5, perf_counter=True)

        self.assertEqual(time.perf_counter(), 12.5)
        self.assertEqual(time.perf_counter_ns(), 12_500_000_000)

    def test_everything_is_put_back(self) -> None:
        """After the patch the real functions are there again."""
        before = (time.monotonic, time.monotonic_ns, time.perf_counter, time.perf_counter_ns)

        self.open(1, perf_counter=True).stop()

        after = (time.monotonic, time.monotonic_ns, time.perf_counter, time.perf_counter_ns)
        self.assertEqual(after, before)

    def test_patches_nest(self) -> None:
        """The innermost patch answers, and the outer one again after it."""
        self.open(1)
        inner = self.open(2)

        self.assertEqual(time.monotonic(), 2)
        inner.stop()
        self.assertEqual(time.monotonic(), 1)

    def test_an_outer_patch_may_end_first(self) -> None:
        """Patches that end in another order leave the right one in force."""
        outer = self.open(1)
        self.open(2)

        outer.stop()

        self.assertEqual(time.monotonic(), 2)

    def test_a_name_that_was_imported_before(self) -> None:
        """A module that did 'from time import monotonic' before is served and put back."""
        module = module_with("imported_before", clock=real_monotonic)
        self.addCleanup(sys.modules.pop, "imported_before")
        patch = self.open(7)

        self.assertEqual(module.clock(), 7)
        patch.stop()
        self.assertIs(module.clock, real_monotonic)

    def test_a_name_that_is_imported_meanwhile(self) -> None:
        """A stand-in that a module has kept reads the real clock once the patch is closed."""
        patch = self.open(7)
        kept = time.monotonic

        patch.stop()

        self.assertAlmostEqual(kept(), real_monotonic(), delta=5)

    def test_somebody_elses_patch_is_not_undone(self) -> None:
        """A function that somebody put in place meanwhile stays there."""
        before = time.monotonic
        self.addCleanup(setattr, time, "monotonic", before)
        patch = self.open(7)

        def mine() -> float:
            return 3.0

        time.monotonic = mine
        patch.stop()

        self.assertIs(time.monotonic, mine)

    def test_the_waits_of_the_interpreter_stay_real(self) -> None:
        """queue.get(timeout) and Event.wait(timeout) end under a clock that stands still."""
        self.open(7)

        with self.assertRaises(queue.Empty):
            queue.Queue[int]().get(timeout=0.001)
        self.assertFalse(threading.Event().wait(0.001))

    def test_real_loops_stay_real(self) -> None:
        """A real event loop sleeps in real time under a clock that stands still."""
        self.open(7)

        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            self.assertEqual(runner.run(asyncio.sleep(0.001, "done")), "done")

    def test_other_threads_read_it_too(self) -> None:
        """A thread of the code under test reads the patched clock."""
        self.open(7)
        readings: list[float] = []

        thread = threading.Thread(target=lambda: readings.append(time.monotonic()))
        thread.start()
        thread.join()

        self.assertEqual(readings, [7])

    def test_the_real_clock_is_at_hand(self) -> None:
        """Our own parts read real time whatever is patched."""
        before = real_ns()

        self.open(7)

        self.assertGreaterEqual(real_ns(), before)
