"""The loop of a test: nothing is made before it is needed, and no wake-up is lost when it is."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import threading
import time
import unittest
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest import mock

from asynctesting import _internals, _loop
from asynctesting._executor import DaemonExecutor
from asynctesting._loop import LazyEventLoop
from tests.support import OutcomeAssertions, run_python

#: Real seconds after which something that waits is called stuck.
DEADLINE = 10.0


@contextlib.contextmanager
def lazy_loop() -> Iterator[LazyEventLoop]:
    loop = LazyEventLoop()
    try:
        yield loop
    finally:
        loop.close()


def is_open(loop: LazyEventLoop) -> bool:
    """Tell whether the loop has a real selector and a self-pipe."""
    return loop._csock is not None and isinstance(loop._selector, type(selectors.DefaultSelector()))


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@unittest.skipIf(sys.platform == "win32", "the stock loop is used there")
class LoopTestCase(OutcomeAssertions):
    def run_in(self, loop: asyncio.AbstractEventLoop, coroutine: Any) -> Any:
        """Run to the end, or fail at the deadline."""

        async def limited() -> Any:
            async with asyncio.timeout(DEADLINE):
                return await coroutine

        return loop.run_until_complete(limited())


class LazinessTests(LoopTestCase):
    @unittest.skipUnless(os.path.isdir("/proc/self/fd"), "counts open files in /proc")
    def test_a_loop_opens_no_file_until_it_must(self) -> None:
        """Tasks, futures and yields need neither selector nor pipe."""

        async def work() -> list[int]:
            async def one(n: int) -> int:
                await asyncio.sleep(0)
                return n

            return await asyncio.gather(one(1), one(2))

        before = open_files()
        with lazy_loop() as loop:
            made = open_files()
            result = loop.run_until_complete(work())
            used = open_files()

        self.assertEqual((made, used, open_files()), (before, before, before))
        self.assertEqual(result, [1, 2])

    def test_a_wait_that_blocks_opens_it(self) -> None:
        """Once the loop waits, another thread must be able to wake it."""
        with lazy_loop() as loop:
            self.assertFalse(is_open(loop))
            loop.run_until_complete(asyncio.sleep(0.001))
            self.assertTrue(is_open(loop))

    def test_a_poll_opens_nothing(self) -> None:
        """A loop with something ready looks for input without waiting; there can be none."""
        with lazy_loop() as loop:
            self.assertEqual(loop._selector.select(0), [])
            self.assertEqual(loop._selector.select(-1), [])
            self.assertFalse(is_open(loop))

    def test_a_file_to_watch_opens_it(self) -> None:
        """The descriptor goes to the real selector; the self-pipe is there first."""
        ours, theirs = socket.socketpair()
        with lazy_loop() as loop, ours, theirs:
            ours.setblocking(False)
            loop.add_reader(ours, lambda: None)
            watched = list(loop.watched_files)
            loop.remove_reader(ours)

            self.assertTrue(is_open(loop))
            self.assertEqual(watched, [ours.fileno()])
            self.assertEqual(list(loop.watched_files), [])

    def test_nothing_is_watched_at_first(self) -> None:
        """And what was never registered can't be taken back, as with a real selector."""
        with lazy_loop() as loop:
            self.assertEqual(dict(loop.watched_files), {})
            self.assertFalse(loop.remove_reader(0))
            for method in (loop._selector.unregister, loop._selector.get_key):
                with self.assertRaises(KeyError):
                    method(0)
            self.assertFalse(is_open(loop))

    def test_opening_twice_is_opening_once(self) -> None:
        """The second call answers the same selector."""
        with lazy_loop() as loop:
            self.assertIs(loop.open_selector(), loop.open_selector())

    def test_a_failure_to_open_leaves_the_stand_in(self) -> None:
        """With no file descriptor left, the error goes up and the loop can still be closed."""
        with lazy_loop() as loop:
            with mock.patch("socket.socketpair", side_effect=OSError(24, "Too many open files")):
                with self.assertRaisesRegex(OSError, "Too many open files"):
                    loop.open_selector()
            self.assertFalse(is_open(loop))
            loop.open_selector()
            self.assertTrue(is_open(loop))

    @unittest.skipUnless(os.path.isdir("/proc/self/fd"), "counts open files in /proc")
    def test_close_frees_what_was_opened(self) -> None:
        """Selector and pipe go, and a second close does nothing."""
        before = open_files()
        loop = LazyEventLoop()
        loop.open_selector()
        loop.close()
        loop.close()

        self.assertEqual(open_files(), before)
        self.assertTrue(loop.is_closed())


class UnbornTests(LoopTestCase):
    def unborn(self) -> tuple[LazyEventLoop, list[LazyEventLoop]]:
        born: list[LazyEventLoop] = []
        return LazyEventLoop.unborn(born.append), born

    def test_it_is_born_at_the_first_touch(self) -> None:
        """Whoever asks it for anything gets a working loop; and is told once."""
        loop, born = self.unborn()
        before = (loop.is_born, list(born))
        loop.call_soon(lambda: None)
        loop.call_soon(lambda: None)
        after = loop.is_born
        loop.close()

        self.assertEqual(before, (False, []))
        self.assertTrue(after)
        self.assertEqual(born, [loop])

    def test_it_works_as_one_that_was_made_in_the_ordinary_way(self) -> None:
        """Its state comes from a plan; nothing may be missing in it."""
        loop, _ = self.unborn()
        with lazy_loop() as ordinary:
            expected = {
                name: type(value)
                for name, value in vars(ordinary).items()
                if name not in ("_selector", "_on_birth")
            }
            for name, kind in expected.items():
                with self.subTest(name=name):
                    self.assertIs(type(getattr(loop, name)), kind)
                    if expected[name] not in (bool, int, float, type(None)):
                        self.assertIsNot(getattr(loop, name), getattr(ordinary, name))
        self.run_in(loop, asyncio.sleep(0.001))
        loop.close()

    def test_loops_share_no_container(self) -> None:
        """What one test puts into its loop is not in the next one's."""
        first, _ = self.unborn()
        second, _ = self.unborn()
        for name, value in vars(first).items():
            if hasattr(value, "append") or hasattr(value, "add") or hasattr(value, "keys"):
                self.assertIsNot(value, vars(second).get(name), name)
        self.assertIsNot(first._asyncgens, second._asyncgens)
        for loop in (first, second):
            loop.close()

    def test_one_that_nobody_touches_needs_no_close(self) -> None:
        """It has opened nothing, so it leaves no ``ResourceWarning``."""
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            loop, born = self.unborn()
            del loop
            gc.collect()

        self.assertEqual((given, born), ([], []))

    def test_one_that_was_used_and_not_closed_says_so(self) -> None:
        """As every loop does."""
        with self.assertWarnsRegex(ResourceWarning, "unclosed event loop"):
            loop, born = self.unborn()
            loop.call_soon(print)
            del loop, born
            gc.collect()

    def test_looking_for_protocols_does_not_wake_it(self) -> None:
        """``copy``, ``pickle`` and reprs look for dunder names."""
        loop, born = self.unborn()

        self.assertFalse(hasattr(loop, "__deepcopy__"))
        self.assertEqual(born, [])

    def test_a_missing_attribute_is_a_missing_attribute(self) -> None:
        """Born or not, the message is the usual one."""
        loop, _ = self.unborn()
        for _attempt in range(2):
            with self.assertRaisesRegex(
                AttributeError, "^'LazyEventLoop' object has no attribute 'nonsense'$"
            ):
                loop.nonsense  # type: ignore[attr-defined]
        loop.close()

    def test_an_unknown_kind_of_state_is_made_in_the_ordinary_way(self) -> None:
        """The fallback: an interpreter whose loops hold something that can't be repeated."""
        plan = _loop._BirthPlan(None, [])
        with mock.patch.object(_loop, "_birth_plan", lambda: plan):
            loop, born = self.unborn()
            result = self.run_in(loop, asyncio.sleep(0, "done"))
            loop.close()

        self.assertEqual((result, born), ("done", [loop]))

    def test_the_plan_refuses_what_it_does_not_know(self) -> None:
        """An object in the state could belong to one loop only."""
        with lazy_loop() as loop:
            self.assertIsNotNone(_loop._BirthPlan.of(loop).constants)
            loop.strange = object()  # type: ignore[attr-defined]
            self.assertIsNone(_loop._BirthPlan.of(loop).constants)

    def test_async_generators_are_noticed(self) -> None:
        """The closing of a loop asks for them, and needs no weak set to answer "none"."""

        async def numbers() -> AsyncIterator[int]:
            yield 1
            yield 2

        async def start() -> AsyncIterator[int]:
            generator = numbers()
            await anext(generator)
            return generator

        loop, _ = self.unborn()
        before = loop.has_asyncgens
        generator = self.run_in(loop, start())
        during = loop.has_asyncgens
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

        self.assertEqual((before, during), (False, True))
        del generator


class WakeUpTests(LoopTestCase):
    def test_a_thread_wakes_a_waiting_loop(self) -> None:
        """``call_soon_threadsafe`` while the loop waits without an end."""
        with lazy_loop() as loop:
            waited = loop.create_future()

            def call() -> None:
                while not is_open(loop):  # it opens right before it waits
                    pass
                loop.call_soon_threadsafe(waited.set_result, "woken")

            threading.Thread(target=call).start()

            self.assertEqual(self.run_in(loop, waited), "woken")

    def test_no_wake_up_is_lost_on_the_brink(self) -> None:
        """Many loops, each woken by a thread that races it to its very first wait."""
        for _ in range(300):
            with lazy_loop() as loop:
                waited = loop.create_future()
                thread = threading.Thread(
                    target=loop.call_soon_threadsafe,
                    args=(waited.set_result, "woken"),
                )
                loop.call_soon(thread.start)
                # A lost wake-up would wait for ever; the timer turns it into a failure.
                stuck = loop.call_later(DEADLINE, waited.cancel)
                self.assertEqual(loop.run_until_complete(waited), "woken")
                stuck.cancel()
                thread.join()

    def test_a_callback_from_before_the_pipe_is_not_overslept(self) -> None:
        """It rang no bell, so the first wait must look for it after the pipe is there."""
        with lazy_loop() as loop:
            loop.call_soon_threadsafe(lambda: None)
            before = time.monotonic()
            loop._selector.select(DEADLINE)

            self.assertLess(time.monotonic() - before, DEADLINE / 2)

    def test_executor_jobs_wake_it(self) -> None:
        """The first thing that a loop ever does may be a job in a thread."""

        async def main() -> int:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, pow, 2, 5)

        with lazy_loop() as loop:
            self.assertEqual(self.run_in(loop, main()), 32)
            self.assertIsInstance(loop._default_executor, DaemonExecutor)
            loop._default_executor.shutdown()

    def test_an_executor_of_the_users_is_used(self) -> None:
        """As the default, or for one call."""

        async def main() -> tuple[str, str]:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(mine)
            return (
                await loop.run_in_executor(None, name_of_thread),
                await loop.run_in_executor(other, name_of_thread),
            )

        mine, other = DaemonExecutor(), DaemonExecutor()
        with lazy_loop() as loop:
            names = self.run_in(loop, main())
            used = loop._default_executor
        for pool in (mine, other):
            pool.shutdown()

        self.assertIs(used, mine)
        self.assertEqual(names, ("asyncio_0", "asyncio_0"))
        self.assertEqual([len(mine._workers), len(other._workers)], [1, 1])

    def test_names_are_resolved(self) -> None:
        """``getaddrinfo`` runs in the default executor."""
        with lazy_loop() as loop:
            found = self.run_in(loop, loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))
            loop._default_executor.shutdown()

        self.assertEqual(found[0][4], ("127.0.0.1", 80))

    def test_a_signal_reaches_its_handler(self) -> None:
        """Also when it is the first thing that ever happens, while the loop waits."""

        async def main(ring: Callable[[], None]) -> str:
            loop = asyncio.get_running_loop()
            heard = loop.create_future()
            loop.add_signal_handler(signal.SIGUSR1, heard.set_result, "heard")
            ring()
            try:
                return str(await heard)
            finally:
                loop.remove_signal_handler(signal.SIGUSR1)

        def ring_at_once() -> None:
            os.kill(os.getpid(), signal.SIGUSR1)

        def ring_later() -> None:
            timer = threading.Timer(0.01, ring_at_once)
            timer.start()
            self.addCleanup(timer.join)

        for ring in (ring_at_once, ring_later):
            with self.subTest(ring=ring.__name__), lazy_loop() as loop:
                self.assertEqual(self.run_in(loop, main(ring)), "heard")

    def test_a_subprocess_is_awaited(self) -> None:
        """Its pipes are read and its end is noticed, on a fresh loop."""

        async def main() -> tuple[bytes, int | None]:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "print('hello')", stdout=asyncio.subprocess.PIPE
            )
            output, _ = await process.communicate()
            return output.strip(), process.returncode

        asyncio.set_event_loop(None)
        with lazy_loop() as loop:
            current = _internals.CurrentLoop(loop, keep_policy=True)
            try:
                result = self.run_in(loop, main())
            finally:
                current.restore()

        self.assertEqual(result, (b"hello", 0))

    def test_streams_over_loopback(self) -> None:
        """Real sockets, a server and a client on one loop."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async def main() -> bytes:
            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            async with server:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(b"hello\n")
                reply = await reader.read()
                writer.close()
                await writer.wait_closed()
            return reply

        with lazy_loop() as loop:
            self.assertEqual(self.run_in(loop, main()), b"HELLO\n")
            executor = loop._default_executor
            if executor is not None:
                executor.shutdown()


def name_of_thread() -> str:
    return threading.current_thread().name


class TimeTests(LoopTestCase):
    def test_it_is_real_time(self) -> None:
        """The same clock as the stock loop's."""
        with lazy_loop() as loop:
            before = time.monotonic()
            now = loop.time()

            self.assertTrue(before <= now <= time.monotonic())

    def test_timers_fire_in_order(self) -> None:
        """The first one after the first wait opens what it needs."""
        fired: list[str] = []
        with lazy_loop() as loop:
            loop.call_later(0.002, fired.append, "second")
            loop.call_later(0.001, fired.append, "first")
            loop.call_later(0.003, loop.stop)
            loop.run_forever()

        self.assertEqual(fired, ["first", "second"])

    def test_a_patch_with_too_few_readings_does_not_end_the_run(self) -> None:
        """The loop reads the clock, too, and eats them; the first error is kept for the report."""
        with lazy_loop() as loop:
            with mock.patch("time.monotonic", side_effect=[1.0]):
                first = loop.time()
                later = [loop.time(), loop.time()]
            error = loop.clock_error
            result = self.run_in(loop, asyncio.sleep(0, "done"))

        self.assertEqual(first, 1.0)
        self.assertTrue(all(reading > 1.0 for reading in later))
        self.assertIsInstance(error, StopIteration)
        self.assertEqual(result, "done")

    def test_a_working_patch_is_followed(self) -> None:
        """As on the stock loop: who patches ``time.monotonic`` moves the loop."""
        with lazy_loop() as loop:
            with mock.patch("time.monotonic", return_value=5.0):
                self.assertEqual(loop.time(), 5.0)
            self.assertIsNone(loop.clock_error)


class NewLoopTests(LoopTestCase):
    def test_it_is_ours_where_ours_works(self) -> None:
        """The fallback is tested with the private names, in ``test_internals``."""
        loop = _loop.new_event_loop()
        loop.close()

        self.assertIsInstance(loop, LazyEventLoop)

    def test_debug_mode_follows_the_interpreter(self) -> None:
        """``-X dev`` and ``PYTHONASYNCIODEBUG`` switch it on, for loops not yet born as well."""
        script = """
            import sys
            from asynctesting._loop import LazyEventLoop

            unborn = LazyEventLoop.unborn(lambda loop: None)
            loops = [unborn, LazyEventLoop()]
            print([loop.get_debug() for loop in loops])
            for loop in loops:
                loop.close()
            """

        with_dev = run_python(script)

        self.assertRunsClean(with_dev, "[True, True]")

    def test_debug_mode_is_off_otherwise(self) -> None:
        """It would cost a test ten to forty times as much."""
        source = (
            "from asynctesting._loop import LazyEventLoop\n"
            "loops = [LazyEventLoop.unborn(lambda loop: None), LazyEventLoop()]\n"
            "print([loop.get_debug() for loop in loops])\n"
            "for loop in loops: loop.close()\n"
        )
        script = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {source!r}])"
        plain = run_python(script, environment={"PYTHONDEVMODE": "", "PYTHONASYNCIODEBUG": ""})
        asked = run_python(script, environment={"PYTHONDEVMODE": "", "PYTHONASYNCIODEBUG": "1"})

        self.assertRunsClean(plain, "[False, False]")
        self.assertRunsClean(asked, "[True, True]")


class FootprintTests(LoopTestCase):
    def test_a_used_loop_is_freed_without_the_collector(self) -> None:
        """Thousands of tests must not wait for a full collection to give their loops back."""
        freed: list[int] = []

        class Marked(LazyEventLoop):
            def __del__(self, _warn: Any = warnings.warn) -> None:
                freed.append(1)
                super().__del__(_warn)

        gc.collect()
        gc.disable()
        try:
            loop = Marked()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            del loop
        finally:
            gc.enable()

        self.assertEqual(freed, [1])


if __name__ == "__main__":
    unittest.main()
