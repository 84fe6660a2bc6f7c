"""The clock mixins and regions: from outside, on small cases, plain ``TestCase`` included."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import datetime as dt
import functools
import pickle
import queue
import re
import subprocess
import sys
import threading
import time
import unittest
import warnings
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any
from unittest import mock

import freezegun
from aiohttp import ClientSession, ClientTimeout, CookieJar, test_utils, web
from yarl import URL

from asynctesting import (
    AsyncResultMixin,
    AsyncTestCase,
    ClockScriptError,
    FrozenTimeMixin,
    LeakError,
    MonotonicClock,
    MonotonicClockMixin,
    SettingError,
    TimeLimitError,
    VirtualClock,
    VirtualClockMixin,
    VirtualEventLoop,
    frozen_time,
    monotonic_clock,
    timeout,
    virtual_clock,
)

from .support import OutcomeAssertions, run_all, run_case

NEW_YEAR = dt.datetime(2026, 1, 1)


class VirtualClockMixinTests(OutcomeAssertions):
    def test_an_hour_takes_no_time(self) -> None:
        """The loop, time.monotonic and time.monotonic_ns move together, to the nanosecond."""

        class Case(VirtualClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                before = (time.monotonic_ns(), monotonic(), asyncio.get_running_loop().time())
                await asyncio.sleep(3600)
                after = (time.monotonic_ns(), monotonic(), asyncio.get_running_loop().time())
                self.assertEqual(after[0] - before[0], 3600 * 10**9)
                self.assertEqual(after[1] - before[1], 3600.0)
                self.assertEqual(after[2], after[1])
                self.assertEqual(self.clock.elapsed, 3600.0)

        self.assertPassed(run_case(Case))

    def test_set_up_and_teardown_share_the_clock(self) -> None:
        """One clock serves asyncSetUp, the test, teardown and cleanups."""
        readings: list[float] = []

        class Case(VirtualClockMixin, AsyncTestCase):
            async def asyncSetUp(self) -> None:
                self.addAsyncCleanup(self.note)
                await self.note()

            async def note(self) -> None:
                await asyncio.sleep(10)
                readings.append(self.clock.elapsed)

            test_it = asyncTearDown = note

        self.assertPassed(run_case(Case))
        self.assertEqual(readings, [10, 20, 30, 40])

    def test_each_test_has_a_clock_of_its_own(self) -> None:
        """A test begins at zero elapsed seconds, whatever ran before."""

        class Case(VirtualClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                self.assertEqual(self.clock.elapsed, 0)
                await asyncio.sleep(5)

        case = Case("test_it")

        self.assertPassed(run_case(case))
        self.assertPassed(run_case(case))

    def test_start_and_mode_are_settable(self) -> None:
        """clock_start and clock_mode reach the clock; a manual one moves by advance() only."""

        class Case(VirtualClockMixin, AsyncTestCase):
            clock_start = 100
            clock_mode = "manual"

            async def test_it(self) -> None:
                self.assertEqual(time.monotonic(), 100.0)
                task = asyncio.create_task(asyncio.sleep(5))
                await self.clock.advance(5)
                self.assertTrue(task.done())

        self.assertPassed(run_case(Case))

    def test_perf_counter_on_request(self) -> None:
        """patch_perf_counter has time.perf_counter read the clock as well."""

        class Case(VirtualClockMixin, AsyncTestCase):
            patch_perf_counter = True
            clock_start = 100

            async def test_it(self) -> None:
                self.assertEqual(time.perf_counter(), 100.0)

        self.assertPassed(run_case(Case))

    def test_a_synchronous_test_can_stall_the_clock(self) -> None:
        """A synchronous test of such a class has a clock, and no loop."""

        class Case(VirtualClockMixin, AsyncTestCase):
            def test_it(self) -> None:
                before = time.monotonic()
                self.clock.stall(5)
                self.assertEqual(time.monotonic() - before, 5.0)

        self.assertPassed(run_case(Case))

    def test_real_work_holds_the_clock(self) -> None:
        """A thread and a process beat a timeout of virtual seconds, at no virtual cost."""

        class Case(VirtualClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                async with asyncio.timeout(0.001):
                    await asyncio.to_thread(time.sleep, 0.02)
                    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
                    await process.wait()
                self.assertEqual(self.clock.elapsed, 0)

        self.assertPassed(run_case(Case))

    def test_a_thread_that_was_there_before(self) -> None:
        """It holds no clock by itself, but its call back is waited for, and hold() is heeded."""
        calls: queue.Queue[Any] = queue.Queue()

        def serve() -> None:
            for loop, future in iter(calls.get, None):
                time.sleep(0.02)
                loop.call_soon_threadsafe(future.set_result, "done")

        class Case(VirtualClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                self.assertEqual(await self.ask(), "done")
                with self.clock.hold():
                    async with asyncio.timeout(1):
                        self.assertEqual(await self.ask(), "done")
                self.assertEqual(self.clock.elapsed, 0)

            async def ask(self) -> str:
                answer: asyncio.Future[str] = self.loop.create_future()
                calls.put((self.loop, answer))
                return await answer

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            self.assertPassed(run_case(Case))
        finally:
            calls.put(None)
            thread.join()

    def test_aiohttp_obeys(self) -> None:
        """aiohttp's own timeout of ten virtual seconds ends a request to a slow handler."""

        class Case(VirtualClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                async def slow(request: web.Request) -> web.Response:
                    await asyncio.sleep(30)
                    return web.Response()

                app = web.Application()
                app.router.add_get("/", slow)
                server = await self.enterAsyncContext(test_utils.TestServer(app))
                session = await self.enterAsyncContext(
                    ClientSession(timeout=ClientTimeout(total=10))
                )
                with self.assertRaises(TimeoutError):
                    await session.get(server.make_url("/"))
                self.assertEqual(self.clock.elapsed, 10.0)

        self.assertPassed(run_case(Case))

    def test_the_limit_stays_real(self) -> None:
        """A virtual year is no reason for a limit of real seconds, and a block is one."""

        class Case(VirtualClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                await asyncio.sleep(365 * 24 * 3600)
                time.sleep(30)

            test_it = timeout(0.1)(test_it)

        self.assertFailsWith(run_case(Case), TimeLimitError, "time.sleep(30)")

    def test_leaks_are_found_on_this_loop_too(self) -> None:
        """A task that sleeps for a virtual hour is pending at the end, and named."""

        class Case(VirtualClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(asyncio.sleep(3600), name="forgotten")

        self.assertFailsWith(run_case(Case), LeakError, "'forgotten'")

    def test_the_real_clock_is_back_after_the_test(self) -> None:
        """Also after a failure nothing of the patch is left."""
        before = time.monotonic

        class Case(VirtualClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                self.fail("meant")

        run_case(Case)

        self.assertIs(time.monotonic, before)

    def test_instances_pickle_copy_and_run_again(self) -> None:
        """A case that has run can still be pickled and copied."""
        case = PickledTests("test_it")
        self.assertPassed(run_case(case))

        self.assertPassed(run_case(pickle.loads(pickle.dumps(case))))
        self.assertPassed(run_case(copy.deepcopy(case)))

    def test_debug_works(self) -> None:
        """debug() runs on a clock, too."""
        PickledTests("test_it").debug()

    def test_a_loop_factory_beside_it_is_an_error(self) -> None:
        """No other loop can be told the time, so the class is refused when it is made."""
        with self.assertRaisesRegex(SettingError, "brings its own loop"):

            class Case(VirtualClockMixin, AsyncTestCase):
                loop_factory = asyncio.SelectorEventLoop

    def test_bad_values_are_errors_of_the_class(self) -> None:
        """A start or a mode that can't be meant is refused when the class is made."""
        for name, value, text in [
            ("clock_start", -1, "-1"),
            ("clock_start", float("nan"), "nan"),
            ("clock_start", "now", "'now'"),
            ("clock_mode", "fast", "'auto', 'manual' or 'real'"),
            ("patch_perf_counter", "no", "True or False, got 'no'"),
            ("clock", 5, "Case.clock is 5, which hides the clock"),
        ]:
            with self.subTest(name=name, value=value):
                with self.assertRaisesRegex(SettingError, text):
                    type("Case", (VirtualClockMixin, AsyncTestCase), {name: value})

    def test_a_property_may_stand_for_the_clock(self) -> None:
        """It can ask the mixin; anything else hides the clock, on the other mixins, too."""

        class Case(VirtualClockMixin, AsyncTestCase):
            clock_start = 0

            @property
            def clock(self) -> VirtualClock:
                return super().clock

            async def test_it(self) -> None:
                self.assertEqual(self.clock.time(), 0)

        self.assertPassed(run_case(Case))
        for mixin, name in ((MonotonicClockMixin, "clock"), (FrozenTimeMixin, "wall_clock")):
            with self.subTest(mixin=mixin):
                text = f"Case.{name} is None, which hides the clock that {mixin.__name__}"
                with self.assertRaisesRegex(SettingError, text):
                    type("Case", (mixin, unittest.TestCase), {name: None})

    def test_limits_are_checked_where_they_are_set(self) -> None:
        """A bad one would be met in the middle of a wait."""
        clock = VirtualClock()
        for name, value, kind in (
            ("grace", -1, ValueError),
            ("grace", "long", TypeError),
            ("patience", float("nan"), ValueError),
            ("patience", None, TypeError),
            ("max_turns", 0, ValueError),
        ):
            with self.subTest(name=name, value=value):
                with self.assertRaisesRegex(kind, f"clock.{name} must be .*{value!r}"):
                    setattr(clock, name, value)
        clock.patience = float("inf")
        self.assertEqual((clock.patience, VirtualClock.patience), (float("inf"), 2.0))

    def test_a_loop_needs_a_clock_of_its_kind(self) -> None:
        """A class or a number in its place is refused before anything is made."""
        for thing in (5, VirtualClock, MonotonicClock()):
            with self.subTest(thing=thing):
                with self.assertRaisesRegex(TypeError, "needs a VirtualClock, got"):
                    VirtualEventLoop(thing)  # type: ignore[arg-type]

    def test_two_clocks_are_an_error(self) -> None:
        """time.monotonic can't obey two clocks."""
        with self.assertRaisesRegex(SettingError, "two clocks"):

            class Case(VirtualClockMixin, MonotonicClockMixin, AsyncTestCase):
                pass

    def test_a_case_without_a_loop_of_ours_is_an_error(self) -> None:
        """A plain TestCase has no loop to move, and the stock async one would go on for real."""
        for base in (unittest.TestCase, unittest.IsolatedAsyncioTestCase):
            with self.subTest(base=base), self.assertRaisesRegex(SettingError, "Monotonic"):
                type("Case", (VirtualClockMixin, base), {})

    def test_a_mixin_behind_the_case_is_an_error(self) -> None:
        """unittest would never call it, and the test would run on real time."""
        for mixin in (VirtualClockMixin, MonotonicClockMixin, FrozenTimeMixin):
            with self.subTest(mixin=mixin):
                text = rf"class Case\({mixin.__name__}, \.\.\.\)"
                with self.assertRaisesRegex(SettingError, text):
                    type("Case", (AsyncTestCase, mixin), {})

    def test_a_second_loop_is_refused_and_closed(self) -> None:
        """Two loops can't agree on one time; the one that was refused leaves nothing open."""
        clock = VirtualClock()
        loop = VirtualEventLoop(clock)
        self.addCleanup(loop.close)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with self.assertRaisesRegex(RuntimeError, "two loops"):
                VirtualEventLoop(clock)

    def test_the_clock_of_no_test(self) -> None:
        """A case that has not run says that it has no clock."""
        with self.assertRaisesRegex(RuntimeError, "is not running, so it has no clock"):
            PickledTests("test_it").clock


class PickledTests(VirtualClockMixin, AsyncTestCase):
    async def test_it(self) -> None:
        await asyncio.sleep(1)


def load_tests(loader: Any, tests: Any, pattern: Any) -> unittest.TestSuite:
    """Leave out the small case above; it is run by the tests."""
    suite = unittest.TestSuite()
    for kind in list(globals().values()):
        if isinstance(kind, type) and issubclass(kind, OutcomeAssertions):
            suite.addTests(loader.loadTestsFromTestCase(kind))
    return suite


class VirtualClockRegionTests(OutcomeAssertions):
    def test_it_decorates_one_test(self) -> None:
        """A decorated test has a virtual clock in a class that has none."""

        class Case(AsyncTestCase):
            clock: VirtualClock

            @virtual_clock(start=5)
            async def test_it(self) -> None:
                await asyncio.sleep(3600)
                self.assertEqual(self.clock.elapsed, 3600)
                self.assertEqual(time.monotonic(), 3605.0)

        self.assertPassed(run_case(Case))

    def test_its_neighbours_keep_the_real_loop(self) -> None:
        """The mark is the test's own."""

        class Case(AsyncTestCase):
            @virtual_clock()
            async def test_virtual(self) -> None:
                self.assertIsInstance(self.loop, VirtualEventLoop)

            async def test_it(self) -> None:
                self.assertNotIsInstance(self.loop, VirtualEventLoop)

        case = Case("test_it")
        self.assertPassed(run_case(Case, "test_virtual"))
        self.assertPassed(run_case(case))

    def test_it_survives_other_decorators(self) -> None:
        """mock.patch around the decorated test keeps the mark."""

        class Case(AsyncTestCase):
            @mock.patch("os.getpid", return_value=1)
            @virtual_clock()
            async def test_it(self, getpid: mock.Mock) -> None:
                await asyncio.sleep(3600)

        self.assertPassed(run_case(Case))

    def test_it_is_a_region_of_synchronous_code(self) -> None:
        """As a context manager it gives a clock for a loop of one's own."""
        with virtual_clock(start=0) as clock:
            with asyncio.Runner(loop_factory=functools.partial(VirtualEventLoop, clock)) as runner:
                runner.run(asyncio.sleep(60))
            self.assertEqual(time.monotonic(), 60.0)

    def test_asyncio_run_obeys_it(self) -> None:
        """As does a runner without a factory; afterwards both are on real time again."""
        before = asyncio.new_event_loop, asyncio.events.new_event_loop
        with virtual_clock(start=0) as clock:
            asyncio.run(asyncio.sleep(60))
            with asyncio.Runner() as runner:
                runner.run(asyncio.sleep(60))
            self.assertEqual(clock.time(), 120.0)
            self.assertEqual(time.monotonic(), 120.0)
        self.assertEqual((asyncio.new_event_loop, asyncio.events.new_event_loop), before)

    def test_the_bridge_and_the_stock_case_obey_it(self) -> None:
        """Whoever makes a loop there gets one on the clock of the region."""

        class Stock(unittest.IsolatedAsyncioTestCase):
            async def test_it(self) -> None:
                await asyncio.sleep(3600)

        class Bridged(AsyncResultMixin, unittest.TestCase):
            clock: VirtualClock

            @virtual_clock(start=0)
            def test_it(self) -> None:
                self.get_async_result(asyncio.sleep(3600))
                self.assertEqual(self.clock.time(), 3600.0)

        with virtual_clock() as clock:
            self.assertPassed(run_case(Stock))
        self.assertEqual(clock.elapsed, 3600.0)
        self.assertPassed(run_case(Bridged))

    def test_two_loops_at_once_are_refused(self) -> None:
        """One after the other is what asyncio.run() does; two can't agree on one time."""
        with virtual_clock():
            with contextlib.closing(asyncio.new_event_loop()):
                with self.assertRaisesRegex(RuntimeError, "two loops can't agree"):
                    with asyncio.Runner() as runner:
                        runner.get_loop()

    def test_other_threads_make_loops_of_their_own(self) -> None:
        """Those that have nothing to do with the region stay on real time; regions nest."""
        with virtual_clock() as outer, ThreadPoolExecutor(1) as pool:
            other = pool.submit(asyncio.new_event_loop).result()
            other.close()
            self.assertNotIsInstance(other, VirtualEventLoop)
            with virtual_clock() as inner:
                asyncio.run(asyncio.sleep(5))
            asyncio.run(asyncio.sleep(7))
        self.assertEqual((outer.elapsed, inner.elapsed), (7, 5))

    def test_regions_may_end_in_any_order(self) -> None:
        """Those of several threads do; whatever the order, the stock loops are back at the end."""
        before = asyncio.new_event_loop, asyncio.events.new_event_loop, time.monotonic
        with ThreadPoolExecutor(1) as pool:
            region = virtual_clock()
            pool.submit(region.__enter__).result()
            with virtual_clock() as clock:
                pool.submit(region.__exit__, None, None, None).result()
                asyncio.run(asyncio.sleep(5))
            self.assertEqual(clock.elapsed, 5)
        self.assertEqual(
            (asyncio.new_event_loop, asyncio.events.new_event_loop, time.monotonic), before
        )
        asyncio.run(self.check_loop_is_stock())

    def test_regions_of_one_thread_may_overlap(self) -> None:
        """The latest one that is still open makes the loops."""
        first, second = virtual_clock(), virtual_clock()
        clocks = [first.__enter__(), second.__enter__()]

        first.__exit__(None, None, None)
        asyncio.run(asyncio.sleep(5))
        second.__exit__(None, None, None)

        self.assertEqual([clock.elapsed for clock in clocks], [0, 5])
        asyncio.run(self.check_loop_is_stock())

    async def check_loop_is_stock(self) -> None:
        self.assertNotIsInstance(asyncio.get_running_loop(), VirtualEventLoop)

    def test_a_patch_of_somebody_else_is_left_in_place(self) -> None:
        """What replaces new_event_loop() meanwhile stays, and still works afterwards."""
        with virtual_clock():
            ours = asyncio.new_event_loop
            patch = mock.patch("asyncio.new_event_loop", lambda: ours())
            patch.start()

        with contextlib.closing(asyncio.new_event_loop()) as loop:
            self.assertNotIsInstance(loop, VirtualEventLoop)

        # A patch that ends later puts back what it has found: our stand-in.
        patch.stop()
        self.addCleanup(setattr, asyncio, "new_event_loop", asyncio.events.new_event_loop)
        with virtual_clock(), ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.new_event_loop).result().close()
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            self.assertNotIsInstance(loop, VirtualEventLoop)

    def test_inside_a_virtual_loop_it_changes_the_mode(self) -> None:
        """In a test that has a clock it is a region of that clock."""

        class Case(VirtualClockMixin, AsyncTestCase):
            clock_mode = "real"

            async def test_it(self) -> None:
                with virtual_clock() as clock:
                    self.assertIs(clock, self.clock)
                    await asyncio.sleep(3600)
                self.assertLess(self.clock.elapsed, 3700)

        self.assertPassed(run_case(Case))

    def test_a_running_real_loop_refuses(self) -> None:
        """A loop that runs can't be given another clock; the error says what to do."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                with virtual_clock():
                    pass

        error = self.assertFailsWith(run_case(Case), RuntimeError, "VirtualClockMixin")
        self.assertIn("@virtual_clock()", str(error))

    def test_a_class_is_refused(self) -> None:
        """A region on a class names the mixin."""
        for region in (monotonic_clock(), virtual_clock(), frozen_time("2026-01-01")):
            with self.subTest(region=region), self.assertRaisesRegex(TypeError, "mixin"):
                region(unittest.TestCase)

    def test_where_nobody_gives_it_a_loop_it_says_so(self) -> None:
        """Decorated code that runs on a real loop would take real time; it raises instead."""

        @virtual_clock()
        async def main() -> None:
            await asyncio.sleep(3600)

        with self.assertRaisesRegex(RuntimeError, "only an AsyncTestCase"):
            asyncio.run(main())

    def test_bad_values_are_said_where_they_are_written(self) -> None:
        """The decorator itself raises, not the test."""
        with self.assertRaises(ValueError):
            virtual_clock(start=-1)
        with self.assertRaises(ValueError):
            virtual_clock(mode="fast")
        with self.assertRaises(ValueError):
            monotonic_clock(start=float("inf"))
        with self.assertRaisesRegex(TypeError, "write @virtual_clock"):
            virtual_clock(self.test_bad_values_are_said_where_they_are_written)
        with self.assertRaisesRegex(TypeError, r"got 5: .* monotonic_clock\(start=...\)"):
            monotonic_clock(5)
        with self.assertRaisesRegex(TypeError, "tick must be True or False, got 'no'"):
            frozen_time("2026-01-01", tick="no")  # type: ignore[arg-type]

    def test_what_nobody_has_entered_can_not_be_left(self) -> None:
        """By hand, as some do in tearDown()."""
        for region in (virtual_clock(), VirtualClock().manual(), VirtualClock().hold()):
            with self.subTest(region=region):
                with self.assertRaisesRegex(RuntimeError, "is left, but nobody has entered it"):
                    region.__exit__(None, None, None)


class DecoratedTests(OutcomeAssertions):
    def test_a_decorated_test_finds_its_clock(self) -> None:
        """A test under @monotonic_clock() moves self.clock; it is gone afterwards."""

        class Case(unittest.TestCase):
            clock: MonotonicClock

            @monotonic_clock(start=0)
            def test_it(self) -> None:
                self.clock.advance(5)
                self.assertEqual(time.monotonic(), 5.0)

        case = Case("test_it")

        self.assertPassed(run_case(case))
        self.assertFalse(hasattr(case, "clock"))

    def test_a_decorated_test_finds_its_wall_clock(self) -> None:
        """A test under @frozen_time() moves self.wall_clock."""

        class Case(AsyncTestCase):
            wall_clock: Any

            @frozen_time("2026-01-01")
            async def test_it(self) -> None:
                self.wall_clock.tick(86400)
                self.assertEqual(dt.date.today().day, 2)

        self.assertPassed(run_case(Case))

    def test_the_decorator_goes_before_the_mixin(self) -> None:
        """A test's own start and mode rule in a class that has others."""

        class Case(VirtualClockMixin, AsyncTestCase):
            clock_start = 5

            @virtual_clock(start=100, mode="manual")
            async def test_it(self) -> None:
                self.assertEqual((time.monotonic(), self.clock.mode.value), (100.0, "manual"))

        self.assertPassed(run_case(Case))

    def test_a_synchronous_test_of_a_plain_case(self) -> None:
        """@virtual_clock() on it gives it a clock, though it has no loop."""

        class Case(unittest.TestCase):
            clock: VirtualClock

            @virtual_clock(start=0)
            def test_it(self) -> None:
                self.clock.stall(7)
                self.assertEqual(time.monotonic(), 7.0)

        self.assertPassed(run_case(Case))

    def test_two_clocks_at_once_are_refused(self) -> None:
        """A monotonic clock inside of a virtual loop would disagree with it."""

        class Case(VirtualClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                with monotonic_clock():
                    pass

        self.assertFailsWith(run_case(Case), RuntimeError, "can't obey two clocks")


class MonotonicClockTests(OutcomeAssertions):
    def test_a_plain_test_case(self) -> None:
        """A legacy TestCase moves time.monotonic by hand."""

        class Case(MonotonicClockMixin, unittest.TestCase):
            def test_it(self) -> None:
                before = time.monotonic()
                self.clock.advance(3600)
                self.assertEqual(time.monotonic() - before, 3600.0)
                self.assertEqual(self.clock.elapsed, 3600.0)

        self.assertPassed(run_case(Case))

    def test_a_script_is_read_by_the_code_under_test_alone(self) -> None:
        """The loop's own reads eat nothing of a script."""

        class Case(MonotonicClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                self.clock.script([0.0, 3600.0])
                before = time.monotonic()
                async with asyncio.timeout(5):
                    await asyncio.sleep(0.001)
                self.assertEqual(time.monotonic() - before, 3600.0)

        self.assertPassed(run_case(Case))

    def test_an_exhausted_script_is_a_clear_error(self) -> None:
        """One reading too many fails the test, with the numbers, and the run goes on."""

        class Case(MonotonicClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                self.clock.script([0.0, 3600.0])
                for _ in range(3):
                    time.monotonic()

        self.assertFailsWith(run_case(Case), ClockScriptError, "all 2 are used up", "3600.0")

    def test_looking_at_the_clock_takes_nothing(self) -> None:
        """clock.time() and the repr leave the script alone."""
        clock = MonotonicClock(start=1)
        clock.script([2, 3])

        self.assertEqual(clock.time(), 1)
        self.assertEqual(
            repr(clock), "<MonotonicClock now=1.000s elapsed=0.000s script=2 readings left>"
        )

    def test_advance_takes_over_after_the_script(self) -> None:
        """While readings are left advance() refuses; after the last one it goes on from there."""
        clock = MonotonicClock(start=0)
        clock.script([5.0])
        with self.assertRaisesRegex(RuntimeError, "1 readings of a script are left"):
            clock.advance(1)
        self.assertEqual(clock._read_ns(), 5_000_000_000)

        clock.advance(1)

        self.assertEqual(clock.time(), 6.0)

    def test_bad_input(self) -> None:
        """What can't be meant is refused, with the value."""
        clock = MonotonicClock(start=0)
        for call, kind, text in [
            (lambda: clock.advance(-1), ValueError, "-1"),
            (lambda: clock.advance(float("nan")), ValueError, "nan"),
            (lambda: clock.script([]), ValueError, "at least one"),
            (lambda: clock.script([2, 1]), ValueError, "never runs backwards"),
            (lambda: clock.script([float("inf")]), ValueError, "inf"),
            (lambda: clock.script([-1]), ValueError, "-1"),
            (lambda: clock.advance(10**400), ValueError, "292 years"),
            (lambda: clock.script(["now"]), TypeError, "'now'"),  # type: ignore[list-item]
            (lambda: clock.script(5), TypeError, "list of readings"),  # type: ignore[arg-type]
            (lambda: MonotonicClock(start=-1), ValueError, "-1"),
        ]:
            with self.subTest(text=text), self.assertRaisesRegex(kind, text):
                call()

    def test_a_region(self) -> None:
        """monotonic_clock() is a context manager and a decorator, for coroutines, too."""

        @monotonic_clock(start=9)
        async def reading() -> float:
            return time.monotonic()

        with monotonic_clock(start=3) as clock:
            clock.advance(1)
            self.assertEqual(time.monotonic(), 4.0)
        self.assertEqual(asyncio.run(reading()), 9.0)


class FrozenTimeTests(OutcomeAssertions):
    def test_a_plain_test_case(self) -> None:
        """datetime and time.time are frozen in a legacy TestCase, and real afterwards."""

        class Case(FrozenTimeMixin, unittest.TestCase):
            frozen_time = "2026-01-01"

            def test_it(self) -> None:
                self.assertEqual(dt.datetime.now(), NEW_YEAR)
                self.assertEqual(time.time(), 1767225600.0)

        self.assertPassed(run_all(Case))
        self.assertNotEqual(dt.datetime.now(), NEW_YEAR)

    def test_it_follows_the_virtual_clock(self) -> None:
        """The wall clock moves with the virtual one, whatever the order of the mixins."""

        class Case(VirtualClockMixin, FrozenTimeMixin, AsyncTestCase):
            frozen_time = NEW_YEAR

            async def test_it(self) -> None:
                await asyncio.sleep(3600)
                self.assertEqual(dt.datetime.now(), dt.datetime(2026, 1, 1, 1))

        class Other(FrozenTimeMixin, VirtualClockMixin, AsyncTestCase):
            frozen_time = NEW_YEAR
            test_it = Case.test_it

        self.assertPassed(run_all(Case))
        self.assertPassed(run_all(Other))

    def test_it_follows_the_monotonic_clock(self) -> None:
        """Beside MonotonicClockMixin it moves with that clock."""

        class Case(MonotonicClockMixin, FrozenTimeMixin, unittest.TestCase):
            frozen_time = "2026-01-01"

            def test_it(self) -> None:
                self.clock.advance(86400)
                self.assertEqual(dt.date.today(), dt.date(2026, 1, 2))

        self.assertPassed(run_all(Case))

    def test_no_rounding_adds_up(self) -> None:
        """A thousand jumps of a third of a second are 333.333 s on the wall, too."""

        class Case(VirtualClockMixin, FrozenTimeMixin, AsyncTestCase):
            frozen_time = "2026-01-01"

            async def test_it(self) -> None:
                for _ in range(1000):
                    await asyncio.sleep(1 / 3)
                passed = dt.datetime.now() - NEW_YEAR
                self.assertAlmostEqual(passed.total_seconds(), self.clock.elapsed, delta=1e-6)

        self.assertPassed(run_all(Case))

    def test_each_test_begins_at_the_start(self) -> None:
        """What one test moved, the next one does not see."""
        seen: list[dt.datetime] = []

        class Case(FrozenTimeMixin, unittest.TestCase):
            frozen_time = "2026-01-01"

            def test_a(self) -> None:
                seen.append(dt.datetime.now())
                self.wall_clock.tick(60)
                self.wall_clock.move_to("2030-01-01")
                self.assertEqual(dt.date.today().year, 2030)

            test_b = test_a

        run_all(Case)

        self.assertEqual(seen, [NEW_YEAR, NEW_YEAR])

    def test_worker_threads_agree(self) -> None:
        """time.time() and datetime.now() are the same in asyncio.to_thread()."""

        class Case(VirtualClockMixin, FrozenTimeMixin, AsyncTestCase):
            frozen_time = "2026-01-01"

            async def test_it(self) -> None:
                self.assertEqual(await asyncio.to_thread(time.time), 1767225600.0)
                self.assertEqual(await asyncio.to_thread(dt.datetime.now), NEW_YEAR)

        self.assertPassed(run_all(Case))

    def test_monotonic_stays_real_without_a_clock(self) -> None:
        """A frozen wall clock alone freezes neither loop nor time.monotonic nor perf_counter."""
        before = (time.monotonic, time.perf_counter)

        class Case(FrozenTimeMixin, AsyncTestCase):
            frozen_time = "2026-01-01"

            async def test_it(self) -> None:
                self.assertEqual((time.monotonic, time.perf_counter), before)
                async with asyncio.timeout(5):
                    await asyncio.sleep(0.001)
                self.assertNotEqual(monotonic(), 1767225600.0)

        self.assertPassed(run_all(Case))

    def test_it_ticks_on_request(self) -> None:
        """frozen_tick has the wall clock go on with real time."""

        class Case(FrozenTimeMixin, unittest.TestCase):
            frozen_time = "2026-01-01"
            frozen_tick = True

            def test_it(self) -> None:
                before = dt.datetime.now()
                time.sleep(0.002)
                self.assertGreater(dt.datetime.now(), before)
                self.assertLess(dt.datetime.now() - NEW_YEAR, dt.timedelta(minutes=5))

        self.assertPassed(run_all(Case))

    def test_a_time_zone_offset(self) -> None:
        """frozen_tz_offset is the local zone; the seconds since 1970 stay what they are."""

        class Case(FrozenTimeMixin, unittest.TestCase):
            frozen_time = "2026-01-01 12:00"
            frozen_tz_offset = 2

            def test_it(self) -> None:
                self.assertEqual(dt.datetime.now().hour, 14)
                self.assertEqual(time.time(), 1767268800.0)

        self.assertPassed(run_all(Case))

    def test_one_freeze_serves_a_class(self) -> None:
        """freezegun is opened once for the class, and closed after it."""
        starts = mock.Mock()

        class Case(FrozenTimeMixin, unittest.TestCase):
            frozen_time = "2026-01-01"

            def test_a(self) -> None:
                self.assertEqual(len(freezegun.api.freeze_factories), 1)
                starts(id(freezegun.api.freeze_factories[0]))

            test_b = test_c = test_a

        run_all(Case)

        self.assertEqual(starts.call_count, 3)
        self.assertEqual(len({call.args for call in starts.call_args_list}), 1)
        self.assertEqual(freezegun.api.freeze_factories, [])

    def test_without_class_fixtures(self) -> None:
        """A setUpClass() without super() costs a freeze a test, and changes nothing else."""

        class Case(FrozenTimeMixin, unittest.TestCase):
            frozen_time = "2026-01-01"

            @classmethod
            def setUpClass(cls) -> None:
                pass

            def test_it(self) -> None:
                self.assertEqual(dt.datetime.now(), NEW_YEAR)

        self.assertPassed(run_all(Case))
        self.assertPassed(run_case(Case))
        self.assertEqual(freezegun.api.freeze_factories, [])

    def test_a_freeze_of_the_users_own_inside(self) -> None:
        """freezegun nests inside, and leaves the virtual monotonic clock alone."""

        class Case(VirtualClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                before = time.monotonic()
                with freezegun.freeze_time("2031-01-01"):
                    self.assertEqual(time.monotonic(), before)
                    self.assertEqual(dt.date.today().year, 2031)
                    await asyncio.sleep(5)
                    self.assertEqual(time.monotonic() - before, 5.0)
                await asyncio.sleep(5)
                self.assertEqual(time.monotonic() - before, 10.0)

        self.assertPassed(run_case(Case))

    def test_a_region(self) -> None:
        """frozen_time() is a context manager and a decorator; it follows the clock around it."""

        @frozen_time("2026-01-01")
        async def today() -> dt.date:
            return dt.date.today()

        self.assertEqual(asyncio.run(today()), NEW_YEAR.date())
        with monotonic_clock() as clock, frozen_time("2026-01-01"):
            clock.advance(86400)
            self.assertEqual(dt.date.today().day, 2)

    def test_cookies_expire(self) -> None:
        """A cookie of aiohttp's jar is gone when the wall clock has passed its end."""

        class Case(VirtualClockMixin, FrozenTimeMixin, AsyncTestCase):
            frozen_time = "2026-01-01"

            async def test_it(self) -> None:
                url = URL("http://shop.test/")
                jar = CookieJar()
                cookie = "id=1; Expires=Thu, 01 Jan 2026 01:00:00 GMT"
                jar.update_cookies_from_headers([cookie], url)
                self.assertTrue(jar.filter_cookies(url))
                await asyncio.sleep(3601)
                self.assertFalse(jar.filter_cookies(url))

        self.assertPassed(run_all(Case))

    def test_nothing_is_left_behind(self) -> None:
        """After a class the names of the time module are those from before."""
        names = set(vars(time))
        functions = {name: vars(time)[name] for name in ("time", "time_ns", "monotonic")}

        class Case(FrozenTimeMixin, unittest.TestCase):
            frozen_time = "2026-01-01"

            def test_it(self) -> None:
                pass

        run_all(Case)

        self.assertEqual(set(vars(time)), names)
        self.assertEqual({name: vars(time)[name] for name in functions}, functions)
        self.assertEqual(freezegun.api.call_stack_inspection_limit, 5)

    def test_bad_values_are_errors_of_the_class(self) -> None:
        """A frozen_time that is no date is refused when the class is made."""
        for value in ("tomorrow-ish", 5, "2026-13-45"):
            with self.subTest(value=value), self.assertRaisesRegex(SettingError, repr(value)):
                type("Case", (FrozenTimeMixin, unittest.TestCase), {"frozen_time": value})

    def test_a_time_zone_that_is_none_is_an_error_of_the_class(self) -> None:
        """An offset is hours or a timedelta, and less than a day."""
        for offset in ("+2", None, True, 24, float("nan"), dt.timedelta(days=-1)):
            names = {"frozen_time": "2026-01-01", "frozen_tz_offset": offset}
            with self.subTest(offset=offset):
                with self.assertRaisesRegex(SettingError, re.escape(repr(offset))):
                    type("Case", (FrozenTimeMixin, unittest.TestCase), names)
                with self.assertRaises((TypeError, ValueError)):
                    frozen_time("2026-01-01", tz_offset=offset)  # type: ignore[arg-type]

    def test_a_missing_date_is_said(self) -> None:
        """A class without frozen_time fails with what to write."""

        with self.assertRaisesRegex(SettingError, "frozen_time = '2026-01-01 09:00'"):

            class Case(FrozenTimeMixin, unittest.TestCase):
                def test_it(self) -> None:
                    pass

    def test_a_base_without_tests_may_leave_the_date_to_others(self) -> None:
        """It is asked for where the tests are; added to a class later, when the class is set up."""

        class Base(FrozenTimeMixin, unittest.TestCase):
            pass

        Base.test_it = lambda self: None  # type: ignore[attr-defined]
        self.assertIn("frozen_time = '2026-01-01 09:00'", run_all(Base).report)
        with self.assertRaisesRegex(SettingError, "Case.frozen_time is not set"):
            type("Case", (Base,), {})

    def test_a_clock_that_is_opened_inside_of_the_freeze_leads_it(self) -> None:
        """From its own reading on; when it ends the wall clock stands still where it is."""
        with frozen_time("2026-01-01") as wall:
            wall.tick(5)
            with monotonic_clock() as clock:
                clock.advance(60)
                with virtual_clock() as inner:
                    inner.stall(3600)
                    self.assertEqual(str(dt.datetime.now()), "2026-01-01 01:01:05")
                clock.advance(60)
            self.assertEqual(str(dt.datetime.now()), "2026-01-01 01:02:05")
            self.assertIn("stands still", repr(wall))

    def test_dates_beyond_the_last_year(self) -> None:
        """The message says how it came to that."""
        with virtual_clock() as clock, frozen_time("9999-12-31 23:00") as wall:
            with self.assertRaisesRegex(
                ValueError, "forward by 7200: it shows 9999-12-31 23:00:00"
            ):
                wall.tick(7200)
            clock.stall(7200)
            with self.assertRaisesRegex(OverflowError, "has gone 7200 s .* earlier frozen_time"):
                dt.datetime.now()

    def test_bad_ticks(self) -> None:
        """What can't be meant is refused, with the value, and the wall clock stays."""
        with frozen_time("2026-01-01") as wall:
            for delta, kind in (
                (float("nan"), ValueError),
                (float("inf"), ValueError),
                (1e18, ValueError),
                (dt.timedelta.min, ValueError),
                ("x", TypeError),
                (None, TypeError),
                (True, TypeError),
            ):
                with self.subTest(delta=delta):
                    with self.assertRaisesRegex(kind, rf"tick\(\).*{re.escape(repr(delta))}"):
                        wall.tick(delta)  # type: ignore[arg-type]
            self.assertEqual(str(dt.datetime.now()), "2026-01-01 00:00:00")

    def test_the_wall_clock_of_no_test(self) -> None:
        """Outside of a test the wall clock says that it is not frozen."""

        class Case(FrozenTimeMixin, unittest.TestCase):
            frozen_time = "2026-01-01"

            def test_it(self) -> None:
                pass

        with self.assertRaisesRegex(RuntimeError, "not frozen"):
            Case("test_it").wall_clock

    def test_the_repr_says_what_it_does(self) -> None:
        """The wall clock shows its reading and whether it goes."""
        with frozen_time("2026-01-01") as wall:
            self.assertEqual(repr(wall), "<WallClock 2026-01-01 00:00:00 stands still>")


class ImportTests(unittest.TestCase):
    def test_freezegun_imported_in_a_region_takes_no_harm(self) -> None:
        """It takes our stand-in for the real clock, which outside of a region it is."""
        code = (
            "import time; from asynctesting import monotonic_clock\n"
            "real = time.monotonic\n"
            "with monotonic_clock(start=5): import freezegun\n"
            "with freezegun.freeze_time('2026-01-01'): pass\n"
            "print(abs(time.monotonic() - real()) < 5)"
        )

        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

        self.assertEqual(shown.stdout.split(), ["True"], shown.stderr)

    def test_freezegun_is_loaded_when_a_frozen_class_is_made(self) -> None:
        """The mixins for the monotonic clock need no freezegun."""
        code = (
            "import sys, asynctesting, asynctesting.clocks; "
            "print('freezegun' in sys.modules, 'aiohttp' in sys.modules)"
        )

        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

        self.assertEqual(shown.stdout.split(), ["False", "False"], shown.stderr)
