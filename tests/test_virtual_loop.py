"""The loop that obeys a virtual clock; what real work does to it stands in test_clock_probes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
import unittest
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from unittest import mock

from hypothesis import given, settings

from asynctesting import _virtual_timer
from asynctesting._clock import VirtualClock
from asynctesting._virtual_loop import VirtualEventLoop, virtual_loop_works
from asynctesting.errors import (
    ClockStoppedError,
    DeadlockError,
    GraceWarning,
    LivelockError,
)
from tests.clock_model import Model, Program, play_on_loop, programs
from tests.support import alone_in_process


@contextlib.contextmanager
def virtual_loop(**options: Any) -> Iterator[VirtualEventLoop]:
    """Make a loop with a clock that starts at zero, and close it."""
    loop = VirtualEventLoop(VirtualClock(**{"start": 0, **options}))
    try:
        yield loop
    finally:
        loop.close()


class LoopCase(unittest.TestCase):
    clock: VirtualClock

    def play(self, main: Coroutine[Any, Any, Any], **options: Any) -> Any:
        """Run *main* on a fresh loop and return its result."""
        self.clock = VirtualClock(**{"start": 0, **options})
        with asyncio.Runner(loop_factory=lambda: VirtualEventLoop(self.clock)) as runner:
            return runner.run(main)


class ModelTests(unittest.TestCase):
    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(programs())
    def test_random_programs_do_what_the_model_says(self, program: Program) -> None:
        """With tasks and futures of asyncio, as with the toy of test_clock."""
        self.assertEqual(play_on_loop(program, debug=False), Model.play(program))

    @settings(max_examples=50, deadline=None, derandomize=True, database=None)
    @given(programs())
    def test_and_so_they_do_in_debug_mode(self, program: Program) -> None:
        """There the loop turns as asyncio has it, and not in its own way."""
        self.assertEqual(play_on_loop(program, debug=True), Model.play(program))


class LoopTests(LoopCase):
    def test_it_works_here(self) -> None:
        """Whatever private names of asyncio it needs are there."""
        self.assertTrue(virtual_loop_works())

    def test_it_opens_no_file_for_timers_alone(self) -> None:
        """The selector and the self-pipe are for sockets and threads."""
        with virtual_loop() as loop:
            loop.run_until_complete(asyncio.sleep(3600))
            self.assertIsNone(loop._selector.real)
            self.assertEqual(dict(loop.watched_files), {})

    def test_the_base_loop_sees_no_timer(self) -> None:
        """So it asks for a wait without end exactly when nothing is ready."""
        with virtual_loop() as loop:
            loop.call_later(5, print)
            loop.call_at(5, print)
            self.assertEqual(loop._scheduled, [])
            self.assertEqual(len(loop.clock._timers), 2)

    def test_a_turn_is_what_it_is_in_asyncio(self) -> None:
        """What is ready runs, but not what that makes ready; stop() lets the turn end."""
        for debug in (False, True):
            with self.subTest(debug=debug), virtual_loop() as loop:
                loop.set_debug(debug)
                seen: list[Any] = []
                said = seen.append
                loop.set_exception_handler(lambda _, context, said=said: said(context["message"]))
                loop.call_soon(loop.call_soon, seen.append, "next turn")
                loop.call_soon(seen.append, "cancelled").cancel()
                loop.call_soon(loop.stop)
                loop.call_soon(int, "x")
                loop.call_soon(seen.append, "same turn")
                loop.run_forever()

                self.assertRegex(seen.pop(0), "^Exception in callback int")
                self.assertEqual(seen, ["same turn"])
                loop.call_soon(loop.stop)
                loop.run_forever()
                self.assertEqual(seen, ["same turn", "next turn"])

    def test_a_loop_that_was_stopped_before_it_ran_turns_once(self) -> None:
        """Time does not pass for it."""
        with virtual_loop() as loop:
            loop.call_later(5, print)
            loop.stop()
            loop.run_forever()

            self.assertEqual(loop.clock.elapsed, 0)

    def test_a_callback_is_let_go_after_its_turn(self) -> None:
        """The turn keeps no handle, whose callback may hold a whole test."""

        class Thing:
            pass

        with virtual_loop() as loop:
            loop.set_debug(False)
            thing = Thing()
            gone = weakref.ref(thing)
            loop.call_soon(loop.stop)
            loop.call_soon(lambda thing: None, thing)
            del thing
            loop.run_forever()

            self.assertIsNone(gone())

    def test_it_makes_a_clock_if_it_gets_none(self) -> None:
        """Which starts at real time."""
        loop = VirtualEventLoop()
        self.assertAlmostEqual(loop.time(), time.monotonic(), delta=2)
        loop.close()

    def test_a_clock_is_free_once_its_loop_is_closed(self) -> None:
        """The next loop goes on where the last one stopped; its timers are gone."""
        clock = VirtualClock(start=0)
        first = VirtualEventLoop(clock)
        with self.assertRaisesRegex(RuntimeError, "already has a loop"):
            VirtualEventLoop(clock)
        first.call_later(5, print)
        first.run_until_complete(asyncio.sleep(1))
        first.close()

        second = VirtualEventLoop(clock)
        second.run_until_complete(asyncio.sleep(1))
        second.close()

        self.assertEqual((clock.elapsed, len(clock._timers)), (2, 0))

    def test_timers_from_before_the_loop_become_its_own(self) -> None:
        """A clock may be used while there is no loop yet."""
        clock = VirtualClock(start=0)
        log: list[str] = []
        clock.call_at(5, log.append, "early")
        with contextlib.closing(VirtualEventLoop(clock)) as loop:
            loop.run_until_complete(asyncio.sleep(10))
        self.assertEqual(log, ["early"])

    def test_the_repr_shows_the_clock(self) -> None:
        """A line in a report that says what it is doing."""
        with virtual_loop() as loop:
            self.assertIn("clock=<VirtualClock auto now=0.000s", repr(loop))

    def test_it_may_run_in_another_thread(self) -> None:
        """The clock belongs to the thread in which its loop runs."""
        with virtual_loop() as loop:

            async def main() -> None:
                await loop.clock.advance(5)

            thread = threading.Thread(target=loop.run_until_complete, args=[main()])
            thread.start()
            thread.join()
            self.assertEqual(loop.clock.elapsed, 5)

    def test_another_running_loop_can_not_await_the_clock(self) -> None:
        """Its futures would never be done."""
        with virtual_loop() as loop:
            with self.assertRaisesRegex(RuntimeError, "it does not run here"):
                asyncio.run(loop.clock.advance(1))

    def test_advance_from_another_thread_is_refused(self) -> None:
        """The error names the way round."""

        async def main() -> None:
            with self.assertRaisesRegex(RuntimeError, "belongs to the thread of its loop"):
                await asyncio.to_thread(asyncio.run, self.clock.advance(1))

        self.play(main())


class TimerTests(LoopCase):
    def test_arguments_and_contexts_arrive(self) -> None:
        """As with any loop."""
        log: list[Any] = []
        with virtual_loop() as loop:
            handle = loop.call_later(5, lambda *args: log.append(args), 1, 2)
            self.assertEqual(handle.when(), 5.0)
            self.assertIsInstance(handle, asyncio.TimerHandle)
            loop.run_until_complete(asyncio.sleep(5))
        self.assertEqual(log, [(1, 2)])

    def test_a_cancelled_timer_does_not_fire_and_is_not_waited_for(self) -> None:
        """In debug mode, too, where a handle keeps what it was."""
        for debug in (False, True):
            with self.subTest(debug=debug), virtual_loop() as loop:
                loop.set_debug(debug)
                handle = loop.call_later(5, self.fail)
                handle.cancel()
                handle.cancel()
                loop.run_until_complete(asyncio.sleep(1))
                self.assertTrue(handle.cancelled())
                self.assertEqual((loop.clock.elapsed, len(loop.clock._timers)), (1, 0))

    def test_handles_of_debug_mode_know_where_they_were_made(self) -> None:
        """The short cut for speed is taken outside of debug mode only."""
        with virtual_loop() as loop:
            loop.set_debug(True)
            self.assertIn("created at", repr(loop.call_later(5, print)))
            with self.assertRaises(TypeError):
                loop.call_later(5, asyncio.sleep, 1)

    def test_stock_handles_do_as_well(self) -> None:
        """On an interpreter with other slots the inherited initialiser is used."""
        with mock.patch.object(_virtual_timer, "_CAN_INLINE", False):
            self.play(asyncio.wait_for(asyncio.sleep(5), 10))
        self.assertEqual(self.clock.elapsed, 5)

    def test_a_timer_in_the_past_does_not_wait_for_an_idle_loop(self) -> None:
        """It fires in the next turn, as with the stock loop, however busy the loop is."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            fired: list[str] = []
            loop.call_later(0, fired.append, "now")
            loop.call_later(-1, fired.append, "earlier")
            loop.call_at(loop.time() - 2, fired.append, "earliest")
            while len(fired) < 3:
                await asyncio.sleep(0)
            self.assertEqual(fired, ["earliest", "earlier", "now"])

        self.play(main())

    def test_bad_times_are_refused(self) -> None:
        """Nothing is stored for them."""
        with virtual_loop() as loop:
            for set_timer in (loop.call_later, loop.call_at):
                with self.assertRaises(TypeError):
                    set_timer(None, print)  # type: ignore[arg-type]
                with self.assertRaisesRegex(ValueError, "got nan"):
                    set_timer(math.nan, print)
                with self.assertRaises((TypeError, ValueError)):
                    set_timer("soon", print)  # type: ignore[arg-type]
            self.assertEqual(len(loop.clock._timers), 0)
        with self.assertRaisesRegex(RuntimeError, "closed"):
            loop.call_later(1, print)
        with self.assertRaisesRegex(RuntimeError, "closed"):
            loop.call_at(1, print)

    def test_infinity_is_for_ever(self) -> None:
        """A task that sleeps for ever does not keep another one from its time."""

        async def main() -> None:
            forever = asyncio.create_task(asyncio.sleep(math.inf))
            async with asyncio.timeout(1e300):
                await asyncio.sleep(5)
            forever.cancel()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 5)

    def test_debug_mode_does_not_take_a_stall_for_a_slow_callback(self) -> None:
        """Nor does it warn of what no clock of ours has measured."""

        async def main() -> None:
            self.clock.stall(3600)

        with self.assertNoLogs("asyncio", logging.WARNING):
            self.clock = VirtualClock()
            with asyncio.Runner(
                loop_factory=lambda: VirtualEventLoop(self.clock), debug=True
            ) as runner:
                runner.run(main())


class AdvanceTests(LoopCase):
    def test_a_test_drives_a_manual_clock(self) -> None:
        """Each timer fires at its own time, and what it sets off is over at the end."""
        log: list[float] = []

        async def poller() -> None:
            while True:
                await asyncio.sleep(60)
                log.append(self.clock.elapsed)

        async def main() -> None:
            task = asyncio.create_task(poller())
            await self.clock.advance(59)
            self.assertEqual(log, [])
            await self.clock.advance(1)
            self.assertEqual(log, [60])
            await self.clock.advance(150)
            self.assertEqual(log, [60, 120, 180])
            self.assertEqual(self.clock.elapsed, 210)
            task.cancel()

        self.play(main(), mode="manual")

    def test_a_bare_sleep_on_a_manual_clock_is_told_at_once(self) -> None:
        """With the line, and what to do."""

        async def main() -> None:
            await asyncio.sleep(3600)  # nobody advances

        with self.assertRaises(ClockStoppedError) as caught:
            self.play(main(), mode="manual")

        text = str(caught.exception)
        self.assertIn("The next timer is due in 3600 s.", text)
        self.assertIn("await asyncio.sleep(3600)  # nobody advances", text)
        self.assertIn("await clock.advance(seconds)", text)
        self.assertEqual(len(caught.exception.waiting), 1)

    def test_a_cancelled_advance_stops_moving_the_clock(self) -> None:
        """The clock stays where it was then."""

        async def main() -> None:
            task = asyncio.create_task(self.clock.advance(100))
            asyncio.get_running_loop().call_later(7, task.cancel)
            await asyncio.wait([task])
            self.assertEqual(self.clock.elapsed, 7)
            await self.clock.advance(1)
            self.assertEqual(self.clock.elapsed, 8)

        self.play(main(), mode="manual")

    def test_real_work_holds_an_advance(self) -> None:
        """A job that is under way ends before time moves."""

        async def main() -> None:
            job = asyncio.create_task(asyncio.to_thread(time.sleep, 0.02))
            await asyncio.sleep(0)
            await self.clock.advance(5)
            self.assertTrue(job.done())

        self.play(main(), mode="manual")

    def test_settle_waits_for_real_work(self) -> None:
        """No virtual time passes."""

        async def main() -> None:
            job = asyncio.create_task(asyncio.to_thread(time.sleep, 0.02))
            await asyncio.sleep(0)
            await self.clock.settle()
            self.assertTrue(job.done())

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_background_tasks_do_not_keep_it_going(self) -> None:
        """Their timers fire in time, but advance_until_idle() does not wait for them."""
        beats: list[float] = []

        async def heartbeat() -> None:
            while True:
                await asyncio.sleep(1)
                beats.append(self.clock.elapsed)

        async def main() -> None:
            beat = self.clock.background(asyncio.create_task(heartbeat()))
            work = asyncio.create_task(asyncio.sleep(3.5))
            self.assertEqual(await self.clock.advance_until_idle(), 3.5)
            self.assertTrue(work.done())
            beat.cancel()

        self.play(main(), mode="manual")
        self.assertEqual(beats, [1, 2, 3])

    def test_many_background_timers_leave_no_memory(self) -> None:
        """What has fired is forgotten."""

        async def heartbeat() -> None:
            for _ in range(5000):
                await asyncio.sleep(1)

        async def main() -> None:
            await self.clock.background(asyncio.create_task(heartbeat()))

        self.play(main())
        self.assertLess(len(self.clock._background_timers), 1100)

    def test_an_hour_of_ticks_one_instant_at_a_time(self) -> None:
        """advance_to_next() stops at each, from where the test looks around."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            for when in (2, 3, 5):
                loop.call_later(when, print)
            with mock.patch("builtins.print"):
                moved = [await self.clock.advance_to_next() for _ in range(3)]
            self.assertEqual(moved, [2, 1, 2])

        self.play(main(), mode="manual")


class RealRegionTests(LoopCase):
    def test_sleeps_take_real_time(self) -> None:
        """And the reading goes on from there, both ways."""

        async def main() -> None:
            await asyncio.sleep(1000)
            before = time.perf_counter()
            with self.clock.real():
                await asyncio.sleep(0.02)
            self.assertGreaterEqual(time.perf_counter() - before, 0.019)
            self.assertGreaterEqual(self.clock.elapsed, 1000.02)
            await asyncio.sleep(1000)

        self.play(main())
        self.assertLess(self.clock.elapsed, 2001)

    def test_timers_survive_both_ways(self) -> None:
        """One made before fires inside, one made inside does not fire at the exit."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            log: list[str] = []
            loop.call_later(0.01, log.append, "made before")
            with self.clock.real():
                loop.call_later(1000, log.append, "made inside")
                await asyncio.sleep(0.02)
                self.assertEqual(log, ["made before"])
            await asyncio.sleep(0)
            self.assertEqual(log, ["made before"])
            await asyncio.sleep(1000)
            self.assertEqual(log, ["made before", "made inside"])

        self.play(main())

    def test_timers_fire_while_the_loop_is_busy(self) -> None:
        """As on any real loop, and turning is no livelock while time passes."""

        async def main() -> None:
            self.clock.max_turns = 50
            fired: list[bool] = []
            with self.clock.real():
                asyncio.get_running_loop().call_later(0.005, fired.append, True)
                while not fired:
                    await asyncio.sleep(0)

        self.play(main())


class StuckTests(LoopCase):
    def setUp(self) -> None:
        self.enterContext(alone_in_process())

    def test_a_livelock_is_told(self) -> None:
        """A loop around sleep(0) that waits for time to pass."""

        async def main() -> None:
            while asyncio.get_running_loop().time() < 5:
                await asyncio.sleep(0)  # spins

        with self.assertRaises(LivelockError) as caught, self.turns(1000):
            self.play(main())

        self.assertIn("turned 1,001 times without any time passing", str(caught.exception))
        self.assertIn("# spins", str(caught.exception))

    @contextlib.contextmanager
    def turns(self, number: int) -> Iterator[None]:
        with mock.patch.object(VirtualClock, "max_turns", number):
            yield

    def test_settling_for_ever_is_a_livelock(self) -> None:
        """The loop idles in between, but no time passes."""

        async def main() -> None:
            while True:
                await self.clock.settle()

        with self.assertRaises(LivelockError), self.turns(1000):
            self.play(main())

    def test_many_steps_are_no_livelock_as_long_as_time_passes(self) -> None:
        """Each jump begins a new count, and so does input from outside."""

        async def main() -> None:
            for _ in range(10):
                for _ in range(500):
                    await asyncio.sleep(0)
                await asyncio.sleep(1)
            for _ in range(10):
                for _ in range(500):
                    await asyncio.sleep(0)
                await asyncio.to_thread(time.sleep, 0.002)

        with self.turns(1000):
            self.play(main())

    def test_the_bound_can_be_raised(self) -> None:
        """On the clock of one test."""

        async def main() -> None:
            self.clock.max_turns = 5000
            for _ in range(3000):
                await asyncio.sleep(0)

        with self.turns(1000):
            self.play(main())

    def test_a_deadlock_shows_who_waits_for_whom(self) -> None:
        """The classic one, with the names that the code gives to its locks."""

        async def move(source: asyncio.Lock, target: asyncio.Lock) -> None:
            async with source:
                await asyncio.sleep(0.01)
                async with target:
                    self.fail("moved")

        async def main() -> None:
            one, two = asyncio.Lock(), asyncio.Lock()
            async with asyncio.TaskGroup() as group:
                group.create_task(move(one, two), name="there")
                group.create_task(move(two, one), name="back")

        with self.assertRaises(DeadlockError) as caught:
            self.play(main())

        error = caught.exception
        self.assertEqual(set(error.cycle), {"there", "back"})
        self.assertEqual(len(error.waiting), 3)
        self.assertIn("*'there' waits for Lock 'target', held by 'back'", str(error))
        self.assertIn("*'back' waits for Lock 'target', held by 'there'", str(error))
        self.assertIn("waits for TaskGroup with 2 tasks", str(error))
        self.assertIn("elapsed=0.010s", str(error))

    def test_finally_blocks_run_and_may_await(self) -> None:
        """They can even sleep; then the error is raised."""
        log: list[float] = []

        async def main() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.sleep(5)
                log.append(self.clock.elapsed)

        with self.assertRaises(DeadlockError):
            self.play(main())
        self.assertEqual(log, [5])

    def test_a_swallowed_cancellation_does_not_save_a_deadlock(self) -> None:
        """The error is raised at the end, or where nothing helps at once."""

        async def swallow_once() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()

        async def swallow_always() -> None:
            while True:
                await swallow_once()

        with self.assertRaises(DeadlockError):
            self.play(swallow_once())
        with virtual_loop() as loop:
            task = loop.create_task(swallow_always())
            with self.assertRaises(DeadlockError):
                loop.run_until_complete(task)
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            task.get_coro().close()  # type: ignore[union-attr]

    def test_a_hold_that_nothing_can_end_is_told(self) -> None:
        """What sleeps inside would sleep for ever; a device would need a file or a thread."""

        async def main() -> None:
            with self.clock.hold("the scanner warms up"):
                await asyncio.sleep(5)

        with alone_in_process():
            text = r"is held \(the scanner warms up\)(?s:.*)next timer is due in 5 s"
            with self.assertRaisesRegex(ClockStoppedError, text):
                self.play(main())

    def test_a_limit_of_turns_may_be_lowered_on_the_way(self) -> None:
        """The loop compares now and then; it does not go on to the limit that it began with."""
        turns = 0

        async def main() -> None:
            nonlocal turns
            self.clock.max_turns = 50
            while True:
                turns += 1
                await asyncio.sleep(0)

        with self.assertRaises(LivelockError):
            self.play(main())
        self.assertLess(turns, 2000)

    def test_a_hold_waits_for_a_thread(self) -> None:
        """Which is what it is for; the clock stands still meanwhile."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            with self.clock.hold():
                done = asyncio.Event()
                threading.Timer(0.02, loop.call_soon_threadsafe, [done.set]).start()
                async with asyncio.timeout(1):
                    await done.wait()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_a_listening_server_may_still_be_called(self) -> None:
        """So waiting for it is no deadlock; a thread that calls it ends the wait."""

        async def main() -> None:
            connected = asyncio.Event()
            async with await asyncio.start_server(
                lambda reader, writer: (connected.set(), writer.close()), "127.0.0.1", 0
            ) as server:
                address = server.sockets[0].getsockname()
                loop = asyncio.get_running_loop()

                async def connect() -> None:
                    _, writer = await asyncio.open_connection(*address)
                    writer.close()

                threading.Timer(
                    0.02, lambda: asyncio.run_coroutine_threadsafe(connect(), loop)
                ).start()
                await connected.wait()

        self.play(main())

    def test_patience_that_runs_out_reaches_the_test(self) -> None:
        """Where warnings are errors, the test is cancelled and its finally blocks run."""
        cleaned: list[bool] = []

        async def main() -> None:
            self.clock.patience = 0.02
            stop = threading.Event()
            thread = threading.Thread(target=lambda: stop.wait(20))
            thread.start()
            try:
                await asyncio.sleep(10)
            finally:
                cleaned.append(True)
                stop.set()
                thread.join()

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with self.assertRaisesRegex(GraceWarning, "thread 'Thread-.*, which is at work"):
                self.play(main())
        self.assertEqual(cleaned, [True])

    def test_a_verdict_can_go_elsewhere(self) -> None:
        """A case takes it and cancels what it knows; the loop only says it."""
        told: list[Exception] = []
        with virtual_loop() as loop:
            future = loop.create_future()

            async def main() -> None:
                await future

            class Case:
                name = "a case"
                due_at = float("inf")
                limit = None
                recorded_since = 0.0

                def __init__(self) -> None:
                    self.main_task = loop.create_task(main())
                    self.main_task.add_done_callback(lambda _: loop.stop())

                def repeat_command(self) -> str:
                    return "make test"

                def on_stuck(self, error: Exception) -> None:
                    told.append(error)
                    future.set_result(None)

            loop.guard = Case()
            loop.run_forever()
        self.assertIsInstance(told[0], DeadlockError)
        self.assertIn("\nRepeat it: make test\n", str(told[0]))

    def test_callbacks_from_threads_are_not_lost_on_the_brink(self) -> None:
        """Time and again a thread calls just when the loop has nothing left to do."""

        async def main(call: Callable[[Callable[[], None]], None]) -> None:
            loop = asyncio.get_running_loop()
            for _ in range(300):
                future = loop.create_future()
                call(lambda future=future: loop.call_soon_threadsafe(future.set_result, None))
                async with asyncio.timeout(0.001):
                    await future

        def call(function: Callable[[], None]) -> None:
            threading.Thread(target=function).start()

        self.play(main(call))
        self.assertEqual(self.clock.elapsed, 0)


if __name__ == "__main__":
    unittest.main()
