"""The thread pool that can be left behind: daemons, named jobs, and word when it is idle."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import gc
import threading
import time
import unittest
import weakref
from collections.abc import Iterator
from typing import Any
from unittest import mock

from asynctesting._executor import DaemonExecutor, _name
from tests.support import OutcomeAssertions, run_python

#: Real seconds after which a thread that gives no sign is called stuck.
DEADLINE = 10.0


class PoolTestCase(OutcomeAssertions):
    def setUp(self) -> None:
        self.pool = DaemonExecutor()
        self.gate = threading.Event()
        self.addCleanup(self.pool.shutdown)
        self.addCleanup(self.gate.set)

    def wait_here(self) -> str:
        """Be a job that runs until the gate opens."""
        self.gate.wait(DEADLINE)
        return "done"

    def busy(self, jobs: int = 1) -> list[concurrent.futures.Future[str]]:
        """Submit jobs and wait until they run."""
        futures = [self.pool.submit(self.wait_here) for _ in range(jobs)]
        end = time.monotonic() + DEADLINE
        while sum(future.running() for future in futures) < jobs:
            self.assertLess(time.monotonic(), end, "the jobs do not run")
        return futures


class SubmitTests(PoolTestCase):
    def test_results_and_exceptions_arrive(self) -> None:
        """A job ends in its future, whatever way it ends."""
        product = self.pool.submit(pow, 2, 5)
        failed = self.pool.submit(int, "x")
        ended = self.pool.submit(exec, "raise SystemExit(3)")

        self.assertEqual(product.result(DEADLINE), 32)
        self.assertIsInstance(failed.exception(DEADLINE), ValueError)
        self.assertIsInstance(ended.exception(DEADLINE), SystemExit)

    def test_keywords_are_handed_on(self) -> None:
        """Even one called ``fn``, which is the name of a parameter here."""
        future = self.pool.submit(dict, fn=1, self=2)

        self.assertEqual(future.result(DEADLINE), {"fn": 1, "self": 2})

    def test_an_unused_pool_starts_no_thread(self) -> None:
        """Most tests never use one."""
        before = threading.active_count()
        pool = DaemonExecutor()
        pool.shutdown()

        self.assertEqual(threading.active_count(), before)

    def test_threads_are_daemons_with_the_stock_names(self) -> None:
        """``asyncio_0`` onwards, so that logs look as ever."""
        self.busy(2)
        names = {t.name for t in self.pool._workers}

        self.assertEqual(names, {"asyncio_0", "asyncio_1"})
        self.assertTrue(all(thread.daemon for thread in self.pool._workers))

    def test_an_idle_thread_is_used_again(self) -> None:
        """One job after the other needs one thread."""
        for _ in range(5):
            self.pool.submit(int).result(DEADLINE)
            while not self.pool.is_idle():
                pass

        self.assertEqual(len(self.pool._workers), 1)

    def test_the_number_of_threads_has_a_bound(self) -> None:
        """The stock one; what is more waits in line."""
        with mock.patch("os.cpu_count", return_value=None):
            pool = DaemonExecutor()
        futures = [pool.submit(self.gate.wait, DEADLINE) for _ in range(12)]
        self.gate.set()
        concurrent.futures.wait(futures, DEADLINE)
        pool.shutdown()

        self.assertEqual(len(pool._workers), 5)
        self.assertEqual([future.result() for future in futures], [True] * 12)

    def test_a_job_cancelled_in_line_does_not_run(self) -> None:
        """And the pool goes on."""
        self.pool._max_workers = 1
        [running] = self.busy()
        ran: list[int] = []
        waiting = self.pool.submit(ran.append, 1)
        last = self.pool.submit(ran.append, 2)

        self.assertTrue(waiting.cancel())
        self.gate.set()
        last.result(DEADLINE)

        self.assertEqual(running.result(), "done")
        self.assertEqual(ran, [2])

    def test_a_thread_that_does_not_start_leaves_no_trace(self) -> None:
        """The error goes to who submitted, and the pool is as it was."""
        with mock.patch("threading.Thread.start", side_effect=RuntimeError("no more threads")):
            with self.assertRaisesRegex(RuntimeError, "no more threads"):
                self.pool.submit(int)

        self.assertTrue(self.pool.is_idle())
        self.assertEqual(self.pool.submit(int).result(DEADLINE), 0)

    def test_results_are_not_kept_alive(self) -> None:
        """A thread that waits for its next job holds nothing of the last one."""

        class Big:
            pass

        future = self.pool.submit(Big)
        alive = weakref.ref(future.result(DEADLINE))
        while not self.pool.is_idle():
            pass
        del future
        gc.collect()

        self.assertIsNone(alive())

    def test_event_loops_accept_it(self) -> None:
        """``set_default_executor()`` takes a ``ThreadPoolExecutor`` only."""
        self.assertIsInstance(self.pool, concurrent.futures.ThreadPoolExecutor)


class ShutdownTests(PoolTestCase):
    def test_no_job_is_taken_afterwards(self) -> None:
        """The words are those of the stock pool."""
        self.pool.shutdown()

        with self.assertRaisesRegex(RuntimeError, "^cannot schedule new futures after shutdown$"):
            self.pool.submit(int)

    def test_it_waits_for_jobs_under_way(self) -> None:
        """And for its threads to end."""
        [future] = self.busy()
        threading.Timer(0.01, self.gate.set).start()

        self.pool.shutdown(wait=True)

        self.assertTrue(future.done())
        self.assertFalse(any(thread.is_alive() for thread in self.pool._workers))

    def test_it_need_not_wait(self) -> None:
        """The threads end when their jobs do."""
        [future] = self.busy()

        self.pool.shutdown(wait=False)
        during = future.done()
        self.gate.set()

        self.assertFalse(during)
        self.assertEqual(future.result(DEADLINE), "done")

    def test_jobs_in_line_can_be_dropped(self) -> None:
        """They are cancelled; the one that runs is not."""
        self.pool._max_workers = 1
        [running] = self.busy()
        waiting = self.pool.submit(int)

        self.pool.shutdown(wait=False, cancel_futures=True)
        self.gate.set()

        self.assertTrue(waiting.cancelled())
        self.assertEqual(running.result(DEADLINE), "done")

    def test_a_second_shutdown_still_ends_the_threads(self) -> None:
        """First without waiting, then for good: no thread waits for ever."""
        self.busy(2)
        self.pool.shutdown(wait=False)
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.gate.set()
        for thread in self.pool._workers:
            thread.join(DEADLINE)

        self.assertEqual([thread.is_alive() for thread in self.pool._workers], [False, False])

    def test_a_process_ends_although_a_job_does_not(self) -> None:
        """The stock pool would wait for it at exit, for ever."""
        process = run_python(
            """
            import threading
            from asynctesting._executor import DaemonExecutor

            started = threading.Event()

            def for_ever():
                started.set()
                threading.Event().wait()

            pool = DaemonExecutor()
            pool.submit(for_ever)
            started.wait()
            pool.shutdown(wait=False)
            print("main is over")
            """
        )

        self.assertRunsClean(process, "main is over")


class IdleTests(PoolTestCase):
    def test_idle_at_once(self) -> None:
        """Where nothing is under way, the answer comes in the same call."""
        told: list[str] = []

        self.pool.when_idle(lambda: told.append("idle"))

        self.assertEqual(told, ["idle"])
        self.assertTrue(self.pool.is_idle())

    def test_idle_after_the_last_job(self) -> None:
        """Not after the first of two."""
        told = threading.Event()
        self.busy(2)

        self.pool.when_idle(told.set)
        early = told.is_set() or self.pool.is_idle()
        self.gate.set()

        self.assertFalse(early)
        self.assertTrue(told.wait(DEADLINE))
        self.assertTrue(self.pool.is_idle())

    def test_dropped_jobs_count_as_done(self) -> None:
        """What will never run is nothing to wait for."""
        told = threading.Event()
        self.pool._max_workers = 1
        self.busy()
        self.pool.submit(int)
        self.pool.when_idle(told.set)

        self.pool.shutdown(wait=False, cancel_futures=True)
        self.gate.set()

        self.assertTrue(told.wait(DEADLINE))


class NameTests(PoolTestCase):
    def test_running_jobs_are_named_with_their_line(self) -> None:
        """A job that never ends is found by what it is, and where it stands."""
        self.busy()

        names_and_places: list[tuple[str, Any]] = []
        end = time.monotonic() + DEADLINE
        while not names_and_places and time.monotonic() < end:
            found = self.pool.running_jobs()
            # The thread is on its way to its wait for an instant.
            if found and found[0][1] is not None and "gate.wait" in str(found[0][1]):
                names_and_places = found

        [(name, place)] = names_and_places
        self.assertEqual(name, "tests.test_executor.PoolTestCase.wait_here")
        self.assertEqual(place.function, "PoolTestCase.wait_here")

    def test_no_job_is_no_name(self) -> None:
        """A pool at rest lists nothing."""
        self.pool.submit(int).result(DEADLINE)
        while not self.pool.is_idle():
            pass

        self.assertEqual(self.pool.running_jobs(), [])

    def test_wrappers_are_looked_through(self) -> None:
        """``asyncio.to_thread()`` submits ``partial(context.run, function)``."""
        context = contextvars.copy_context()
        wrapped = functools.partial(context.run, outside)

        self.assertEqual(_name(wrapped, ()), "tests.test_executor.outside")
        self.assertEqual(_name(context.run, (outside,)), "tests.test_executor.outside")
        self.assertEqual(_name(functools.partial(outside), ()), "tests.test_executor.outside")

    def test_callables_of_any_kind_have_a_name(self) -> None:
        """An instance that can be called is shown by its repr."""

        class Job:
            def __call__(self) -> None: ...

            def __repr__(self) -> str:
                return "<a job>"

        self.assertIn("<a job>", _name(Job(), ()))
        self.assertEqual(_name(len, ()), "builtins.len")

    def test_to_thread_is_named_on_a_loop(self) -> None:
        """The same from the front door."""

        async def main() -> list[str]:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(self.pool)
            work = asyncio.create_task(asyncio.to_thread(self.wait_here))
            while not (names := [name for name, _ in self.pool.running_jobs()]):
                await asyncio.sleep(0.001)
            self.gate.set()
            await work
            return names

        with stock_loop() as loop:
            names = loop.run_until_complete(main())

        self.assertEqual(names, ["tests.test_executor.PoolTestCase.wait_here"])


def outside() -> None: ...


@contextlib.contextmanager
def stock_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.SelectorEventLoop()
    try:
        yield loop
    finally:
        loop.close()


if __name__ == "__main__":
    unittest.main()
