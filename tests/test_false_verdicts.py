"""Sound tests that wait for something outside: none of them may be called stuck.

Each waits for longer than a loop looks at what could wake it, and the loop looks in shorter steps
than usual. A false verdict is far worse than none, so every way into a waiting loop that users have
found stands here.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

from asynctesting import AsyncTestCase, VirtualClockMixin, _stuck

from .support import OutcomeAssertions, run_case, run_python

# Ten looks of the loop, and the moment after which the waking comes.
LOOK_AGAIN = 0.001
MOMENT = 0.02
FORK = multiprocessing.get_context("spawn")


def set_later(event: Any) -> None:
    time.sleep(MOMENT)
    event.set()


class Woken:
    """A test that waits for a future; what completes it is up to ``start``."""

    timeout = 30

    # Has its argument called in a moment; returns what cleans up.
    start: Callable[[Callable[[], None]], Callable[[], object]]

    async def test_it(self) -> None:
        loop = asyncio.get_running_loop()
        if clock := getattr(loop, "clock", None):
            clock.patience = 60.0  # a busy machine may need long to start a process
        future = loop.create_future()
        clean_up = self.start(lambda: loop.call_soon_threadsafe(future.set_result, "woken"))
        try:
            await future
        finally:
            clean_up()


class FalseVerdictTests(OutcomeAssertions):
    def setUp(self) -> None:
        self.enterContext(mock.patch.object(_stuck, "LOOK_AGAIN", LOOK_AGAIN))
        self.assertLess(LOOK_AGAIN * _stuck.LOOKS, MOMENT)

    def assertWoken(self, start: Callable[[Any, Callable[[], None]], Any]) -> None:
        """Assert that the test is woken, and not called stuck, on real and on virtual time."""
        for bases in ((Woken, AsyncTestCase), (VirtualClockMixin, Woken, AsyncTestCase)):
            with self.subTest(bases=bases):
                self.assertPassed(run_case(type("Case", bases, {"start": start})))

    def test_a_thread(self) -> None:
        """A thread of the test's own calls the loop."""

        def start(case: object, wake: Callable[[], None]) -> Callable[[], object]:
            thread = threading.Timer(MOMENT, wake)
            thread.start()
            return thread.join

        self.assertWoken(start)

    @unittest.skipUnless(hasattr(signal, "setitimer"), "needs interval timers")
    def test_a_thread_that_rests_between_jobs(self) -> None:
        """As a database's does: each look finds it about to wake, and nothing is told in vain."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                loop, jobs = asyncio.get_running_loop(), queue.SimpleQueue[Any]()

                def work() -> None:
                    while (future := jobs.get()) is not None:
                        loop.call_soon_threadsafe(future.set_result, "done")

                worker = threading.Thread(target=work)
                worker.start()
                for _ in range(200):
                    jobs.put(future := loop.create_future())
                    await future
                jobs.put(None)
                worker.join()

        with (
            mock.patch.object(_stuck, "LOOK_AGAIN", 0.05),  # a busy machine lets a thread wait
            mock.patch.object(_stuck, "explain", wraps=_stuck.explain) as explain,
        ):
            for bases in ((Case,), (VirtualClockMixin, Case)):
                self.assertPassed(run_case(type("Case", bases, {})))

        self.assertEqual(explain.call_count, 0)

    def test_an_interval_timer(self) -> None:
        """A handler that was set by signal.signal() is called by setitimer()."""

        def start(case: object, wake: Callable[[], None]) -> Callable[[], object]:
            before = signal.signal(signal.SIGALRM, lambda *_: wake())
            signal.setitimer(signal.ITIMER_REAL, MOMENT)
            return lambda: signal.signal(signal.SIGALRM, before)

        self.assertWoken(start)

    @unittest.skipUnless(hasattr(signal, "SIGUSR1"), "needs signals between processes")
    def test_a_signal_of_another_process(self) -> None:
        """A handler that was set by signal.signal() is called by a child's kill()."""

        def start(case: object, wake: Callable[[], None]) -> Callable[[], object]:
            before = signal.signal(signal.SIGUSR1, lambda *_: wake())
            code = (
                f"import os, time; time.sleep({MOMENT}); os.kill({os.getpid()}, {signal.SIGUSR1})"
            )
            child = subprocess.Popen([sys.executable, "-c", code])

            def clean_up() -> None:
                child.wait()
                signal.signal(signal.SIGUSR1, before)

            return clean_up

        self.assertWoken(start)

    def test_a_lock_that_is_shared_with_a_process(self) -> None:
        """A thread waits for an event that a child process sets."""

        def start(case: object, wake: Callable[[], None]) -> Callable[[], object]:
            event = FORK.Event()
            child = FORK.Process(target=set_later, args=(event,))
            child.start()

            def wait() -> None:
                event.wait()
                wake()

            thread = threading.Thread(target=wait)
            thread.start()
            return lambda: (thread.join(), child.join())

        self.assertWoken(start)

    @unittest.skipUnless(sys.platform == "linux", "needs pthread_create() at hand")
    def test_a_thread_of_c(self) -> None:
        """A thread that Python has not started calls the loop."""
        libc = ctypes.CDLL(None)
        kind = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)

        def start(case: object, wake: Callable[[], None]) -> Callable[[], object]:
            def run(_: object) -> None:
                libc.usleep(round(MOMENT * 1e6))
                wake()

            callback = kind(run)
            number = ctypes.c_ulong()
            libc.pthread_create(ctypes.byref(number), None, callback, None)
            return lambda: libc.pthread_join(number, None) or callback

        self.assertWoken(start)

    def test_a_job_that_waits_for_a_process(self) -> None:
        """A job in the loop's executor waits where no system call shows that it will end."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                event = FORK.Event()
                child = FORK.Process(target=set_later, args=(event,))
                child.start()
                await asyncio.to_thread(event.wait)
                child.join()

        self.assertPassed(run_case(Case))

    def test_a_thread_that_is_older_than_we_are(self) -> None:
        """A worker of the application, imported before us, calls the loop."""
        ended = run_python(
            f"""
            import queue, threading, time

            jobs = queue.Queue()

            def work():
                while True:
                    job = jobs.get()
                    time.sleep({MOMENT})
                    job()

            threading.Thread(target=work, daemon=True).start()

            import asyncio, unittest
            from asynctesting import _stuck, AsyncTestCase

            _stuck.LOOK_AGAIN = {LOOK_AGAIN}

            class Case(AsyncTestCase):
                timeout = 30
                async def test_it(self):
                    loop = asyncio.get_running_loop()
                    future = loop.create_future()
                    jobs.put(lambda: loop.call_soon_threadsafe(future.set_result, "woken"))
                    await asyncio.wait_for(future, 60)

            unittest.main()
            """
        )

        self.assertEqual(ended.returncode, 0, ended.stderr)
