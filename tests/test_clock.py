"""The clock by itself: no event loop in sight but for one class at the end."""

from __future__ import annotations

import math
import threading
import time
import unittest
import unittest.mock
from datetime import timedelta
from typing import Any

from hypothesis import given, settings

from asynctesting._clock import Idle, Mode, VirtualClock
from asynctesting._timers import _all
from asynctesting.errors import LivelockError
from tests.clock_model import Model, Program, ToyLoop, play_on_toy, programs


def fire(clock: VirtualClock) -> Idle:
    """Run everything that the clock lets run, without any loop."""
    while True:
        for timer in clock._take_due() if clock._overdue else ():
            timer.run()  # type: ignore[attr-defined]
        due: list[Any] = []
        outcome = clock._on_idle(due.extend)
        for timer in due:
            timer.run()
        if outcome is not Idle.WOKEN:
            return outcome


class ReadingTests(unittest.TestCase):
    def test_it_starts_on_a_whole_second_of_real_time(self) -> None:
        """So that code which takes 0 for "long ago" works, and deadlines are not rounded."""
        before = time.monotonic()
        clock = VirtualClock()
        after = time.monotonic()

        self.assertEqual(clock.time() % 1, 0)
        self.assertLessEqual(before, clock.time())
        self.assertLess(clock.time(), after + 1)
        self.assertEqual(clock.elapsed, 0)

    def test_the_start_can_be_chosen(self) -> None:
        """In seconds or as a timedelta."""
        self.assertEqual(VirtualClock(start=0).time(), 0.0)
        self.assertEqual(VirtualClock(start=1.7e9).time(), 1.7e9)
        self.assertEqual(VirtualClock(start=timedelta(hours=1)).time_ns(), 3600 * 10**9)

    def test_a_patched_monotonic_does_not_reach_it(self) -> None:
        """What was real when the module was read stays real."""
        with unittest.mock.patch("time.monotonic_ns", return_value=5):
            self.assertGreater(VirtualClock().time_ns(), 5)

    def test_elapsed_has_no_rounding_error(self) -> None:
        """A tenth of a second is 0.1, however late the clock was started."""
        clock = VirtualClock(start=100_000)

        clock.stall(0.1)

        self.assertEqual(clock.elapsed, 0.1)

    def test_a_thousand_tenths_are_a_hundred(self) -> None:
        """Sums are made of whole nanoseconds."""
        clock = VirtualClock(start=0)
        for _ in range(1000):
            clock.stall(0.1)

        self.assertEqual(clock.time(), 100.0)

    def test_real_time_does_not_move_it(self) -> None:
        """A breakpoint or a long computation costs nothing."""
        clock = VirtualClock()
        before = clock.time()

        time.sleep(0.002)

        self.assertEqual(clock.time(), before)

    def test_other_threads_may_read_it(self) -> None:
        """Reading is safe; only what moves it belongs to one thread."""
        clock = VirtualClock(start=7)
        readings: list[float] = []
        thread = threading.Thread(target=lambda: readings.append(clock.time()))
        thread.start()
        thread.join()

        self.assertEqual(readings, [7.0])


class ReprTests(unittest.TestCase):
    def test_it_tells_what_it_is_doing(self) -> None:
        """Mode, reading, how far it came, and what it waits for."""
        clock = VirtualClock(start=30, mode="manual")
        clock.call_at(35, print)
        clock.stall(1)

        self.assertEqual(
            repr(clock),
            "<VirtualClock manual now=31.000s elapsed=1.000s timers=1 next=+4.000s>",
        )

    def test_it_tells_who_holds_it(self) -> None:
        """The reason of each hold() that is open."""
        clock = VirtualClock(start=0)
        with clock.hold("a scanner"):
            self.assertIn("held_by='a scanner'", repr(clock))
        self.assertNotIn("held_by", repr(clock))

    def test_a_timer_tells_its_state(self) -> None:
        """Waiting, cancelled or done."""
        clock = VirtualClock(start=0)
        timer = clock.call_at(1, list)
        self.assertIn("waiting when=1.000s", repr(timer))
        fire(clock)
        self.assertIn("done", repr(timer))
        timer.cancel()
        self.assertIn("cancelled", repr(timer))


class TimerTests(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = VirtualClock(start=100)
        self.log: list[Any] = []

    def note(self, what: object) -> None:
        self.log.append((what, self.clock.time()))

    def test_each_fires_at_its_own_deadline(self) -> None:
        """A jump lands on the deadline, not near it."""
        for when in (103.25, 101, 102.5):
            self.clock.call_at(when, self.note, when)

        self.assertIs(fire(self.clock), Idle.EMPTY)
        self.assertEqual(self.log, [(101, 101.0), (102.5, 102.5), (103.25, 103.25)])

    def test_equal_deadlines_fire_in_the_order_of_setting(self) -> None:
        """First in, first out: virtual time makes ties the normal case."""
        for number in range(50):
            self.clock.call_at(105, self.note, number)

        fire(self.clock)

        self.assertEqual([number for number, _ in self.log], list(range(50)))

    def test_a_deadline_in_the_past_is_due_at_once(self) -> None:
        """It fires without time passing, and time does not run backwards for it."""
        self.clock.call_at(50, self.note, "late")

        fire(self.clock)

        self.assertEqual(self.log, [("late", 100.0)])

    def test_an_infinite_deadline_never_comes(self) -> None:
        """Nor does one that no clock can hold; both wait for nothing."""
        self.clock.call_at(math.inf, self.note, "never")
        self.clock.call_at(1e300, self.note, "never")

        self.assertIs(fire(self.clock), Idle.EMPTY)
        self.assertEqual(self.log, [])

    def test_a_cancelled_timer_does_not_fire(self) -> None:
        """And the clock does not go to its deadline."""
        timer = self.clock.call_at(105, self.note, "no")
        timer.cancel()
        timer.cancel()

        fire(self.clock)

        self.assertTrue(timer.cancelled())
        self.assertEqual(timer.when(), 105.0)
        self.assertEqual((self.log, self.clock.time()), ([], 100.0))

    def test_many_cancelled_timers_are_swept_out(self) -> None:
        """Memory follows the timers that are alive, and their order stays."""
        keep = [self.clock.call_at(200 + n % 3, self.note, n) for n in range(10)]
        for _ in range(1000):
            self.clock.call_at(150, self.note, "no").cancel()

        stored = sum(map(len, map(_all, self.clock._timers._timers.values())))

        self.assertLess(stored, 100)
        self.assertEqual(len(self.clock._timers), len(keep))
        fire(self.clock)
        self.assertEqual([n for n, _ in self.log], [0, 3, 6, 9, 1, 4, 7, 2, 5, 8])

    def test_ten_years_then_a_tenth_of_a_second(self) -> None:
        """Where floats have lost the nanoseconds, deadlines still meet those set as delays."""
        years = 10 * 365 * 86400
        self.clock.call_at(100 + years, self.note, "years")
        fire(self.clock)

        when = self.clock.time() + 0.1
        self.assertEqual(self.clock._deadline_ns(when), self.clock._after_ns(0.1))

    def test_a_callback_is_needed(self) -> None:
        """The result of a call is no callback."""
        with self.assertRaisesRegex(TypeError, "needs a callback, got None, .* not its result"):
            self.clock.call_at(1, None)  # type: ignore[arg-type]

    def test_a_deadline_is_a_number(self) -> None:
        """NaN can't be ordered, and text is no time."""
        with self.assertRaisesRegex(ValueError, "needs a number of seconds, got nan"):
            self.clock.call_at(math.nan, print)
        with self.assertRaisesRegex((TypeError, ValueError), "soon"):
            self.clock.call_at("soon", print)  # type: ignore[arg-type]


class RegionTests(unittest.TestCase):
    def test_regions_change_the_mode_and_not_the_reading(self) -> None:
        """Entering and leaving is continuous, nested regions included."""
        clock = VirtualClock(start=10)
        with clock.manual():
            self.assertIs(clock.mode, Mode.MANUAL)
            with clock.auto():
                self.assertIs(clock.mode, Mode.AUTO)
            self.assertIs(clock.mode, Mode.MANUAL)
            self.assertEqual(clock.time_ns(), 10 * 10**9)
        self.assertIs(clock.mode, Mode.AUTO)

    def test_real_goes_on_from_where_it_was(self) -> None:
        """In a real region it runs; afterwards it stands where it came to."""
        clock = VirtualClock(start=10)
        with clock.real():
            first = clock.time()
            time.sleep(0.002)
            second = clock.time()
        third = clock.time()

        self.assertGreaterEqual(first, 10)
        self.assertLess(first, 10.5)
        self.assertGreaterEqual(second - first, 0.002)
        self.assertGreaterEqual(third, second)
        self.assertEqual(clock.time(), third)

    def test_timers_survive_both_ways(self) -> None:
        """One made outside fires inside, and the other way round."""
        clock = VirtualClock(start=0)
        log: list[str] = []
        with clock.manual():
            clock.call_at(5, log.append, "made inside")
            self.assertIs(fire(clock), Idle.STOPPED)
        fire(clock)
        self.assertEqual((log, clock.time()), (["made inside"], 5.0))

    def test_the_latest_region_rules_in_any_order_of_leaving(self) -> None:
        """Regions of two tasks may overlap."""
        clock = VirtualClock(start=0)
        first, second = clock.manual(), clock.auto()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        self.assertIs(clock.mode, Mode.AUTO)
        second.__exit__(None, None, None)
        self.assertIs(clock.mode, Mode.AUTO)

    def test_a_region_is_entered_once(self) -> None:
        """The same object twice is a mistake."""
        clock = VirtualClock(start=0)
        region = clock.manual()
        with region, self.assertRaisesRegex(RuntimeError, "is open already"):
            region.__enter__()

    def test_a_hold_stops_the_jumps(self) -> None:
        """What is due still fires."""
        clock = VirtualClock(start=0)
        log: list[str] = []
        clock.call_at(0, log.append, "due")
        clock.call_at(1, log.append, "later")
        with clock.hold():
            self.assertIs(fire(clock), Idle.HELD)
            self.assertEqual(log, ["due"])
        fire(clock)
        self.assertEqual(log, ["due", "later"])

    def test_an_unknown_mode_is_refused(self) -> None:
        """The possible ones are named."""
        with self.assertRaisesRegex(ValueError, "'auto', 'manual' or 'real', got 'fast'"):
            VirtualClock(mode="fast")


class StallTests(unittest.TestCase):
    def test_late_timers_fire_in_the_order_of_their_deadlines(self) -> None:
        """After a stall everything that has become due fires, and time stays where it is."""
        clock = VirtualClock(start=0, mode="manual")
        log: list[Any] = []
        for when in (3, 1, 2, 9):
            clock.call_at(when, lambda when=when: log.append((when, clock.time())))

        clock.stall(5)
        self.assertEqual(log, [])
        fire(clock)

        self.assertEqual(log, [(1, 5.0), (2, 5.0), (3, 5.0)])

    def test_it_moves_a_real_clock_too(self) -> None:
        """The clock goes on from the later reading."""
        clock = VirtualClock(start=0)
        with clock.real():
            clock.stall(100)
            self.assertGreaterEqual(clock.time(), 100)
        self.assertLess(clock.time(), 101)


class BadInputTests(unittest.TestCase):
    def test_what_can_be_no_time_at_all(self) -> None:
        """Each mistake gets the advice that fits it, and advance_to() says who it is."""
        clock = VirtualClock(start=0)
        for call, kind, text in (
            (lambda: clock.call_at(None, print), TypeError, "got None"),
            (lambda: clock.call_at(timedelta(1), print), TypeError, r"total_seconds\(\)"),
            (lambda: clock.hold(5), TypeError, r"hold\(\) takes a reason .*, got 5"),
            (lambda: clock.advance_to(math.nan).send(None), ValueError, r"^advance_to\(\).* nan"),
            (lambda: clock.advance_until_idle(max_timers=1.5).send(None), ValueError, "got 1.5"),
        ):
            with self.subTest(text=text), self.assertRaisesRegex(kind, text):
                call()

    def test_spans_of_time_are_finite_and_not_negative(self) -> None:
        """The message quotes the value and says what to do."""
        clock = VirtualClock(start=0)
        for bad in (-1, -1e-12, math.nan, math.inf, -math.inf, timedelta(-1)):
            with self.subTest(bad=bad):
                with self.assertRaisesRegex(ValueError, r"finite seconds >= 0, got .*start="):
                    clock.stall(bad)
                with self.assertRaises(ValueError):
                    VirtualClock(start=bad)
        self.assertEqual(clock.time_ns(), 0)

    def test_eternities_are_refused(self) -> None:
        """What the interpreter's own clocks can't hold is said before it is stored."""
        clock = VirtualClock(start=0)
        for huge in (1e10, 1e300, timedelta(days=999999999)):
            with self.subTest(huge=huge), self.assertRaisesRegex(ValueError, "292 years"):
                clock.stall(huge)
        clock.stall(9e9)
        with self.assertRaisesRegex(ValueError, "292 years"):
            clock.stall(9e9)

    def test_numbers_are_needed(self) -> None:
        """Text, None and truth values are none."""
        for bad in ("5", None, True, [1]):
            with self.subTest(bad=bad), self.assertRaisesRegex(TypeError, "needs a number"):
                VirtualClock(start=0).stall(bad)  # type: ignore[arg-type]

    def test_another_thread_may_not_move_it(self) -> None:
        """The error names the thread and the way round."""
        clock = VirtualClock(start=0)
        errors: list[str] = []

        def act() -> None:
            for action in (
                lambda: clock.stall(1),
                lambda: clock.call_at(1, print),
                lambda: clock.manual().__enter__(),
                lambda: clock.hold().__enter__(),
            ):
                try:
                    action()
                except RuntimeError as error:
                    errors.append(str(error))

        thread = threading.Thread(target=act, name="meddler")
        thread.start()
        thread.join()

        self.assertEqual(len(errors), 4)
        for error in errors:
            self.assertIn("in thread 'meddler'", error)
            self.assertIn("call_soon_threadsafe", error)

    def test_a_clock_without_its_loop_can_not_be_awaited(self) -> None:
        """The error says where to await it."""
        clock = VirtualClock(start=0)
        for awaitable in (
            clock.advance(1),
            clock.advance_to(1),
            clock.advance_to_next(),
            clock.advance_until_idle(),
            clock.settle(),
        ):
            with self.assertRaisesRegex(RuntimeError, "no loop has the clock yet. Await it in"):
                awaitable.send(None)

    def test_two_loops_can_not_share_a_clock(self) -> None:
        """They could not agree on one time."""
        clock = VirtualClock(start=0)
        ToyLoop(clock)
        with self.assertRaisesRegex(RuntimeError, "already has a loop.*Make a clock for each"):
            ToyLoop(clock)

    def test_only_what_could_hold_it_can_be_background(self) -> None:
        """A number or a class is a mistake; what is given is handed back."""
        clock = VirtualClock(start=0)
        for bad in (5, "server", threading.Thread, None):
            with self.subTest(bad=bad), self.assertRaisesRegex(TypeError, "never holds the clock"):
                clock.background(bad)
        thread = threading.Thread()
        self.assertIs(clock.background(thread), thread)
        self.assertTrue(clock._is_background(thread))
        self.assertFalse(clock._is_background(threading.Thread()))


class AdvanceTests(unittest.TestCase):
    """The methods that are awaited, driven by a toy that knows nothing of asyncio."""

    def setUp(self) -> None:
        self.clock = VirtualClock(start=0, mode="manual")
        self.loop = ToyLoop(self.clock)
        self.log: list[Any] = []

    def note(self, what: object) -> None:
        self.log.append((what, self.clock.time()))

    def play(self, *tasks: Any) -> Idle:
        for task in tasks:
            self.loop.spawn(task)
        return self.loop.run()

    async def sleeper(self, *spans: float) -> None:
        for span in spans:
            await self.loop.sleep(span)
            self.note(span)

    async def advance(self, *spans: float) -> None:
        for span in spans:
            await self.clock.advance(span)
            self.note(f"+{span}")

    def test_a_timer_at_the_end_fires(self) -> None:
        """The end is inclusive, and the timer's task has run before advance() returns."""
        self.play(self.sleeper(5), self.advance(5))

        self.assertEqual(self.log, [(5, 5.0), ("+5", 5.0)])

    def test_timers_set_on_the_way_fire_too(self) -> None:
        """Each at its own time, and none that lies beyond."""
        self.play(self.sleeper(1, 1, 1, 1), self.advance(3.5))

        self.assertEqual(self.log, [(1, 1.0), (1, 2.0), (1, 3.0), ("+3.5", 3.5)])

    def test_several_advances_compose_like_sleeps(self) -> None:
        """Each returns at its own target."""
        self.play(self.advance(3), self.advance(2), self.advance(2, 2))

        self.assertEqual(self.log, [("+2", 2.0), ("+2", 2.0), ("+3", 3.0), ("+2", 4.0)])

    def test_an_advance_inside_of_an_advance_is_one_more_sleep(self) -> None:
        """What a first one wakes may begin a second one, which goes on by itself."""
        self.play(self.advance(2), self._nested())

        self.assertEqual(self.log, [(1, 1.0), ("+2", 2.0), ("+5", 6.0)])

    async def _nested(self) -> None:
        await self.sleeper(1)
        await self.advance(5)

    def test_nothing_is_added_by_cutting_the_way_in_pieces(self) -> None:
        """A thousand tenths are a hundred seconds."""
        self.play(self.advance(*[0.1] * 1000))

        self.assertEqual(self.clock.time(), 100.0)

    def test_zero_runs_what_is_due_now(self) -> None:
        """And no more."""
        self.clock.call_at(0, self.note, "due")
        self.clock.call_at(1, self.note, "later")

        self.play(self.advance(0))

        self.assertEqual(self.log, [("due", 0.0), ("+0", 0.0)])

    def test_advance_to_takes_a_reading(self) -> None:
        """A point in time in place of a span."""

        async def act() -> None:
            await self.clock.advance_to(7.5)
            self.note("there")

        self.play(act())

        self.assertEqual(self.log, [("there", 7.5)])

    def test_advance_to_the_past_is_refused(self) -> None:
        """The message has the reading in it, and the way to go on by a span."""
        self.clock.stall(10)
        for bad in (9.0, -1, math.inf, math.nan):
            with self.subTest(bad=bad), self.assertRaises(ValueError):
                self.clock.advance_to(bad).send(None)
        with self.assertRaisesRegex(ValueError, r"got 9.0: the clock reads 10.0 and never"):
            self.clock.advance_to(9.0).send(None)

    def test_advance_to_next_stops_at_one_deadline(self) -> None:
        """It tells how far it went."""

        async def act() -> None:
            self.note(await self.clock.advance_to_next())
            self.note(await self.clock.advance_to_next())

        self.play(self.sleeper(2.5, 4), act())

        self.assertEqual(self.log, [(2.5, 2.5), (2.5, 2.5), (4, 6.5), (4.0, 6.5)])

    def test_advance_to_next_needs_a_timer(self) -> None:
        """Without one there is nowhere to go."""

        async def act() -> None:
            with self.assertRaisesRegex(RuntimeError, "found no timer"):
                await self.clock.advance_to_next()
            self.note("told")

        self.play(act())

        self.assertEqual(self.log, [("told", 0.0)])

    def test_advance_until_idle_empties_the_clock(self) -> None:
        """Timers that are set on the way included."""

        async def act() -> None:
            self.note(await self.clock.advance_until_idle())

        self.play(self.sleeper(1, 2, 3), act())

        self.assertEqual(self.log, [(1, 1.0), (2, 3.0), (3, 6.0), (6.0, 6.0)])

    def test_advance_until_idle_has_bounds(self) -> None:
        """A heartbeat never ends; the error says what to do with its task."""

        async def heartbeat() -> None:
            while True:
                await self.loop.sleep(10)

        async def act(**bounds: Any) -> None:
            with self.assertRaisesRegex(LivelockError, "heartbeat.*clock.background"):
                await self.clock.advance_until_idle(**bounds)
            self.note(bounds)

        beat = heartbeat()
        self.play(beat, act(limit=60))
        self.play(act(max_timers=3))
        beat.close()

        self.assertEqual([when for _, when in self.log], [60.0, 90.0])

    def test_advance_until_idle_refuses_bad_bounds(self) -> None:
        """No stop at all, or a negative way."""
        with self.assertRaisesRegex(ValueError, "max_timers >= 1, got 0"):
            self.clock.advance_until_idle(max_timers=0).send(None)
        with self.assertRaisesRegex(ValueError, "advance_until_idle"):
            self.clock.advance_until_idle(-1).send(None)

    def test_settlers_wake_one_by_one_before_any_jump(self) -> None:
        """What one sets off is over before the next one wakes."""

        async def settler(name: str) -> None:
            await self.clock.settle()
            self.note(name)
            await self.loop.sleep(0)
            self.note(f"{name}, a step later")

        with self.clock.auto():
            self.play(self.sleeper(1), settler("one"), settler("two"))

        self.assertEqual(
            [what for what, _ in self.log],
            ["one", "one, a step later", "two", "two, a step later", 1],
        )

    def test_a_real_region_can_not_be_hurried(self) -> None:
        """The error says how to get the clock back into one's hand."""
        with self.clock.real():
            for awaitable in (
                self.clock.advance(1),
                self.clock.advance_to(1e6),
                self.clock.advance_to_next(),
                self.clock.advance_until_idle(),
            ):
                with self.assertRaisesRegex(RuntimeError, "real\\(\\) region.*nest a manual"):
                    awaitable.send(None)

    def test_a_hold_delays_an_advance(self) -> None:
        """Time goes on when the hold is left."""
        hold = self.clock.hold()
        hold.__enter__()
        self.assertIs(self.play(self.advance(1)), Idle.HELD)
        self.assertEqual(self.log, [])
        hold.__exit__(None, None, None)
        self.loop.run()
        self.assertEqual(self.log, [("+1", 1.0)])

    def test_bad_spans_are_refused_before_anything_moves(self) -> None:
        """As for stall()."""
        for bad in (-1, math.nan, math.inf, 1e300):
            with self.subTest(bad=bad), self.assertRaises(ValueError):
                self.clock.advance(bad).send(None)
        with self.assertRaises(TypeError):
            self.clock.advance("5").send(None)  # type: ignore[arg-type]
        self.assertEqual(self.clock.time_ns(), 0)


class ModelTests(unittest.TestCase):
    @settings(max_examples=400, deadline=None, derandomize=True, database=None)
    @given(programs())
    def test_random_programs_do_what_the_model_says(self, program: Program) -> None:
        """Sleeps, advances, stalls, settling, cancelling and regions, in any mixture."""
        self.assertEqual(play_on_toy(program), Model.play(program))


if __name__ == "__main__":
    unittest.main()
