"""A blocked loop is found with its line; a busy machine, a busy test and a busy thread are not."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from asynctesting import (
    AsyncTestCase,
    DeadlockError,
    LeakError,
    LeakWarning,
    TimeLimitError,
    VirtualClockMixin,
    allow_leaks,
    timeout,
)
from asynctesting._audit import blocking, hooks
from tests.support import Outcome, OutcomeAssertions, alone_in_process, run_case, run_python

#: How long the tests here block. Far above what is found for certain, for the machine is busy.
LONG = 0.06
ERROR = {"ASYNCTESTING_LEAKS": "blocking=error"}


class _Quiet(AsyncTestCase):
    """Debug mode would log each step that takes long."""

    loop_debug = False


def run(body: Callable[[AsyncTestCase], Any], **attributes: Any) -> Outcome:
    """Run *body* as the only test of a class, with a blocked loop as an error."""
    case = type("BlockingTests", (_Quiet,), {**attributes, "test_it": body})
    return run_case(case, environment=ERROR)


@contextlib.contextmanager
def busy_machine(hogs: int = 4) -> Iterator[None]:
    """Have more processes than processors ask for all there is."""
    command = [sys.executable, "-S", "-c", "print(flush=True)\nwhile True: pass"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(hogs)]
    try:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in running:
            process.kill()
            process.communicate()


def compute(seconds: float) -> None:
    """Be busy for some real seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@unittest.skipUnless(sys.platform == "linux", "only Linux tells whether a thread sleeps")
class FoundTests(OutcomeAssertions):
    def check(self, body: Callable[[AsyncTestCase], Any], line: str, **attributes: Any) -> str:
        error = self.assertFailsWith(run(body, **attributes), LeakError, line)
        self.assertEqual(error.kinds, ("blocking",))
        [text] = error.findings
        self.assertRegex(text, r"^the loop was blocked for at least \d+ ms by  tests/test_blocking")
        return text

    def test_sleep(self) -> None:
        async def test_it(self: AsyncTestCase) -> None:
            await asyncio.sleep(0)
            time.sleep(LONG)

        self.check(test_it, "time.sleep(LONG)")

    def test_lock(self) -> None:
        async def test_it(self: AsyncTestCase) -> None:
            threading.Event().wait(LONG)

        self.check(test_it, "threading.Event().wait(LONG)")

    def test_process(self) -> None:
        async def test_it(self: AsyncTestCase) -> None:
            subprocess.run(["sleep", str(LONG)])

        self.check(test_it, 'subprocess.run(["sleep", str(LONG)])')

    def test_socket(self) -> None:
        async def test_it(self: AsyncTestCase) -> None:
            left, right = socket.socketpair()
            with left, right:
                left.settimeout(LONG)
                with contextlib.suppress(TimeoutError):
                    left.recv(1)

        self.check(test_it, "left.recv(1)")

    def test_in_a_task_and_in_a_callback(self) -> None:
        async def in_task(self: AsyncTestCase) -> None:
            async def work() -> None:
                time.sleep(LONG)

            await asyncio.create_task(work())

        async def in_callback(self: AsyncTestCase) -> None:
            asyncio.get_running_loop().call_soon(time.sleep, 0)
            asyncio.get_running_loop().call_soon(lambda: time.sleep(LONG))
            await asyncio.sleep(0.001)

        self.check(in_task, "time.sleep(LONG)")
        self.check(in_callback, "lambda: time.sleep(LONG)")

    def test_in_set_up(self) -> None:
        async def asyncSetUp(self: AsyncTestCase) -> None:
            time.sleep(LONG)

        async def test_it(self: AsyncTestCase) -> None: ...

        self.check(test_it, "time.sleep(LONG)", asyncSetUp=asyncSetUp)

    def test_one_line_is_one_finding(self) -> None:
        async def test_it(self: AsyncTestCase) -> None:
            for _ in range(2):
                time.sleep(LONG)
                await asyncio.sleep(0)

        self.check(test_it, "time.sleep(LONG)")

    def test_without_a_limit(self) -> None:
        """It needs none, though the same thread watches over that."""

        async def test_it(self: AsyncTestCase) -> None:
            time.sleep(LONG)

        self.check(test_it, "time.sleep(LONG)", timeout=None)

    def test_on_a_virtual_clock(self) -> None:
        class VirtualTests(VirtualClockMixin, AsyncTestCase):
            async def test_it(self) -> None:
                await asyncio.sleep(3600)
                time.sleep(LONG)

        outcome = run_case(VirtualTests, environment=ERROR)

        self.assertFailsWith(outcome, LeakError, "time.sleep(LONG)")

    def test_on_the_stock_loop(self) -> None:
        async def test_it(self: AsyncTestCase) -> None:
            await asyncio.sleep(0.001)
            time.sleep(LONG)

        self.check(test_it, "time.sleep(LONG)", loop_factory=asyncio.SelectorEventLoop)

    @unittest.skipUnless(importlib.util.find_spec("uvloop"), "needs uvloop")
    def test_on_uvloop(self) -> None:
        import uvloop

        async def test_it(self: AsyncTestCase) -> None:
            await asyncio.sleep(0.001)
            time.sleep(LONG)

        self.check(test_it, "time.sleep(LONG)", loop_factory=uvloop.new_event_loop)

    def test_in_another_thread(self) -> None:
        """A runner may have its tests in threads of its own."""
        outcomes: list[Outcome] = []

        async def test_it(self: AsyncTestCase) -> None:
            time.sleep(LONG)

        thread = threading.Thread(target=lambda: outcomes.append(run(test_it)))
        thread.start()
        thread.join()

        self.assertFailsWith(outcomes[0], LeakError, "time.sleep(LONG)")


@unittest.skipUnless(sys.platform == "linux", "only Linux tells whether a thread sleeps")
class NotFoundTests(OutcomeAssertions):
    def check(self, body: Callable[[AsyncTestCase], Any], **attributes: Any) -> None:
        with busy_machine():
            for _ in range(3):
                self.assertPassed(run(body, **attributes))

    def test_what_waits_as_it_should(self) -> None:
        async def test_it(self: AsyncTestCase) -> None:
            await asyncio.sleep(LONG)
            await asyncio.to_thread(time.sleep, LONG)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONG):
                    await asyncio.Event().wait()

        self.check(test_it)

    @unittest.skipUnless(importlib.util.find_spec("uvloop"), "needs uvloop")
    def test_what_waits_on_uvloop(self) -> None:
        import uvloop

        async def test_it(self: AsyncTestCase) -> None:
            await asyncio.sleep(LONG)

        self.check(test_it, loop_factory=uvloop.new_event_loop)

    def test_what_computes(self) -> None:
        """It blocks the loop, too, but so does any step that a busy machine lets wait."""

        async def test_it(self: AsyncTestCase) -> None:
            compute(LONG)

        self.check(test_it)

    def test_a_thread_that_holds_the_interpreter(self) -> None:
        """Whoever waits for it sleeps, but wakes every few milliseconds."""

        async def test_it(self: AsyncTestCase) -> None:
            thread = threading.Thread(target=compute, args=(2 * LONG,))
            thread.start()
            compute(LONG)
            await asyncio.to_thread(thread.join)

        self.check(test_it)

    def test_what_starts_a_process_or_a_thread(self) -> None:
        """Both wait until the new one has begun, which a busy machine delays."""

        async def test_it(self: AsyncTestCase) -> None:
            process = await asyncio.create_subprocess_exec("true")
            await process.wait()
            other = subprocess.Popen(["true"])
            await asyncio.to_thread(other.wait)
            thread = threading.Thread(target=str)
            thread.start()
            await asyncio.to_thread(thread.join)

        self.check(test_it)

    def test_a_synchronous_test(self) -> None:
        def test_it(self: AsyncTestCase) -> None:
            time.sleep(LONG)

        self.assertPassed(run(test_it))

    def test_a_reader_that_is_slow(self) -> None:
        """Whoever prints waits for it, and it may be a busy neighbour."""

        async def test_it(self: AsyncTestCase) -> None:
            end, start = os.pipe()
            reader = threading.Timer(LONG, os.read, (end, 1 << 20))
            reader.start()
            os.write(start, bytes(100_000))
            os.close(start)
            await asyncio.to_thread(reader.join)
            os.close(end)

        self.assertPassed(run(test_it))


@unittest.skipUnless(sys.platform == "linux", "only Linux tells whether a thread sleeps")
class LevelTests(OutcomeAssertions):
    class BlockingTests(_Quiet):
        async def test_it(self) -> None:
            time.sleep(LONG)

        @allow_leaks(blocking="*.test_allowed")
        async def test_allowed(self) -> None:
            time.sleep(LONG)

        @timeout(0.3)
        async def test_beyond_the_limit(self) -> None:
            time.sleep(60)

        async def test_hangs(self) -> None:
            self.task = asyncio.create_task(asyncio.Event().wait(), name="waits-in-vain")
            await self.task

    def test_it_can_be_a_warning(self) -> None:
        environment = {"ASYNCTESTING_LEAKS": "blocking=warn"}
        with self.assertWarnsRegex(LeakWarning, r"blocked for at least .*time\.sleep\(LONG\)"):
            outcome = run_case(self.BlockingTests, environment=environment)

        self.assertPassed(outcome)

    def test_it_can_be_allowed_and_is_off_by_default(self) -> None:
        self.assertPassed(run_case(self.BlockingTests, "test_allowed", environment=ERROR))
        self.assertPassed(run_case(self.BlockingTests))

    def test_a_limit_that_names_the_line_is_not_told_twice(self) -> None:
        outcome = run_case(self.BlockingTests, "test_beyond_the_limit", environment=ERROR)

        error = self.assertFailsWith(outcome, TimeLimitError, "time.sleep(60)")
        self.assertNotIn("left behind or hidden", "\n".join(getattr(error, "__notes__", [])))

    def test_a_deadlock_that_names_the_task_is_not_told_twice(self) -> None:
        with alone_in_process():
            outcome = run_case(self.BlockingTests, "test_hangs")

        error = self.assertFailsWith(outcome, DeadlockError, "waits-in-vain")
        self.assertNotIn("left behind or hidden", "\n".join(getattr(error, "__notes__", [])))


@unittest.skipUnless(sys.platform == "linux", "only Linux tells whether a thread sleeps")
class WatchedThreadTests(unittest.TestCase):
    def test_no_descriptor_is_opened_while_a_test_runs(self) -> None:
        blocking.look_out()
        watched = blocking._watched[threading.get_ident()]
        listener = mock.Mock(spec_set=hooks.Listener)

        with mock.patch("os.open") as opens, mock.patch("builtins.open") as opens_too:
            for _ in range(3):
                blocking._look_at(threading.get_ident(), watched, listener)

        self.assertEqual((opens.mock_calls, opens_too.mock_calls), ([], []))

    def test_a_thread_that_has_ended_is_forgotten(self) -> None:
        known: list[int] = []

        def begin() -> None:
            blocking.look_out()
            known.append(threading.get_ident())

        thread = threading.Thread(target=begin)
        thread.start()
        thread.join()
        [ended] = known
        watched = blocking._watched[ended]
        deadline = time.monotonic() + 10
        while ended in blocking._watched and time.monotonic() < deadline:
            # The kernel lets it go a moment after Python has.
            blocking._look_at(ended, watched, mock.Mock(spec_set=hooks.Listener))

        self.assertNotIn(ended, blocking._watched)

    def test_files_that_somebody_has_closed_are_not_closed_again(self) -> None:
        watched = blocking._Watched()
        number = watched._status
        os.close(number)
        other = os.open(os.devnull, os.O_RDONLY)
        if other != number:
            os.dup2(other, number)
            os.close(other)
        watched.close()
        os.fstat(number)  # still the other one's
        os.close(number)

    def test_where_the_system_does_not_tell(self) -> None:
        """It is said, once."""
        process = run_python(
            """
            import unittest, warnings
            from unittest import mock
            from asynctesting import AsyncTestCase, NotCheckedWarning
            from asynctesting._audit import blocking

            class Tests(AsyncTestCase):
                leaks = {"blocking": "warn"}
                async def test_one(self): ...
                async def test_two(self): ...

            with (
                mock.patch.object(blocking._Watched, "_open", side_effect=OSError),
                warnings.catch_warnings(record=True) as caught,
            ):
                warnings.simplefilter("always")
                suite = unittest.defaultTestLoader.loadTestsFromTestCase(Tests)
                assert suite.run(unittest.TestResult()).wasSuccessful()
            [warning] = caught
            assert warning.category is NotCheckedWarning
            print(warning.message)
            """
        )

        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("blocking are not checked: this system does not tell", process.stdout)


if __name__ == "__main__":
    unittest.main()
