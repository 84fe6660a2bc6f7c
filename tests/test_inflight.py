"""What holds the clock where little is known; where all is known, see test_clock_probes."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

from asynctesting._inflight import _lookups, _threads
from asynctesting._syscalls import Rest, rest_of_thread
from asynctesting._virtual_loop import VirtualEventLoop
from asynctesting.errors import GraceWarning
from tests.support import OutcomeAssertions, run_python
from tests.test_clock_probes import ProbeCase, clock_of_loop, outside_server

REAL = 0.02


class GuessTests(ProbeCase):
    """Where the machine tells nothing, there is a short wait, and no warning."""

    def setUp(self) -> None:
        unknown = mock.patch.object(
            _threads, "rest_of_thread", lambda native_id: (Rest.UNKNOWN, -1)
        )
        unknown.start()
        self.addCleanup(unknown.stop)

    def test_a_thread_has_its_grace(self) -> None:
        """In which it calls back, and a timeout does not overtake it."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            event = asyncio.Event()
            clock_of_loop().grace = 5.0
            timer = threading.Timer(REAL, loop.call_soon_threadsafe, [event.set])
            timer.start()
            async with asyncio.timeout(10):
                await event.wait()
            timer.join()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_each_call_renews_it(self) -> None:
        """A thread that calls every now and then is not at rest."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            clock_of_loop().grace = 0.5
            done = asyncio.Event()

            def work() -> None:
                for _ in range(20):
                    time.sleep(REAL * 2)
                    loop.call_soon_threadsafe(lambda: None)
                loop.call_soon_threadsafe(done.set)

            thread = threading.Thread(target=work)
            thread.start()
            async with asyncio.timeout(10):
                await done.wait()
            thread.join()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_when_it_is_over_time_goes_on_in_silence(self) -> None:
        """The thread counts as background from then on."""

        async def main() -> None:
            clock_of_loop().grace = REAL
            stop = threading.Event()
            thread = threading.Thread(target=stop.wait)
            thread.start()
            await asyncio.sleep(36)
            with self.collecting_waits() as waits:
                for _ in range(99):
                    await asyncio.sleep(36)
            self.assertEqual(waits, [])
            stop.set()
            thread.join()

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.play(main())
        self.assertEqual(self.clock.elapsed, 3600)


class BackgroundTests(ProbeCase):
    def test_an_outside_connection_can_be_background(self) -> None:
        """By its writer, its transport or its socket; then it owes nothing."""

        async def main(address: tuple[str, int]) -> None:
            for pick in (
                lambda writer: writer,
                lambda writer: writer.transport,
                lambda writer: writer.get_extra_info("socket"),
            ):
                _, writer = await asyncio.open_connection(*address)
                clock_of_loop().background(pick(writer))
                writer.write(b"hello\n")
                await asyncio.sleep(60)
                writer.close()
                await writer.wait_closed()

        with outside_server(1000) as address:
            self.play(main(address))
        self.assertEqual(self.clock.elapsed, 180)

    def test_a_job_can_be_background(self) -> None:
        """By its future."""

        async def main() -> None:
            stop = threading.Event()
            job = asyncio.get_running_loop().run_in_executor(None, stop.wait, 20)
            clock_of_loop().background(job)
            await asyncio.sleep(60)
            stop.set()
            await job

        self.play(main())
        self.assertEqual(self.clock.elapsed, 60)

    def test_a_job_whose_future_was_cancelled_holds_nothing(self) -> None:
        """Nobody waits for it any more."""

        async def main() -> None:
            stop = threading.Event()
            ended: list[bool] = []

            def job() -> None:
                ended.append(stop.wait(20))

            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, job).cancel()
            running = loop.run_in_executor(None, job)
            await asyncio.sleep(0)
            running.cancel()
            await asyncio.sleep(60)
            self.assertEqual(ended, [])
            stop.set()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 60)


class PatienceTests(ProbeCase):
    def test_a_connection_that_is_never_made(self) -> None:
        """The clock waits for it, then says so, then the timeout fires."""

        async def main() -> None:
            clock_of_loop().patience = REAL
            with self.assertWarnsRegex(GraceWarning, "which can't be written to"):
                with self.assertRaises(TimeoutError):
                    async with asyncio.timeout(60):
                        await asyncio.open_connection(*full)

        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            full = server.getsockname()
            fillers = [socket.socket() for _ in range(8)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full)
            time.sleep(REAL)
            self.play(main())
            for filler in fillers:
                filler.close()
        self.assertEqual(self.clock.elapsed, 60)

    def test_each_thread_has_its_own(self) -> None:
        """A row of them may take longer, all together, than one of them may."""

        async def main() -> None:
            clock_of_loop().patience = 0.15
            loop = asyncio.get_running_loop()
            for _ in range(50):
                event = asyncio.Event()

                def work(event: asyncio.Event = event) -> None:
                    time.sleep(0.004)
                    loop.call_soon_threadsafe(event.set)

                threading.Thread(target=work).start()
                async with asyncio.timeout(0.001):
                    await event.wait()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_a_warning_is_given_once_for_each_state(self) -> None:
        """Not at every jump."""

        async def main() -> None:
            clock_of_loop().patience = REAL
            stop = threading.Event()
            thread = threading.Thread(target=lambda: stop.wait(20))
            thread.start()
            for _ in range(10):
                await asyncio.sleep(1)
            stop.set()
            thread.join()

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.play(main())
        self.assertEqual([w.category for w in caught], [GraceWarning])


@unittest.skipUnless(sys.platform == "linux", "elsewhere the kernel does not tell")
class SharedFileTests(ProbeCase):
    """Pipes and socket pairs whose other end is with a child process or with a thread."""

    async def line_from(self, read_end: int, limit: float = 0.001) -> bytes:
        """Return the next line from a pipe, watched by the loop for a virtual moment only."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
        )
        try:
            async with asyncio.timeout(limit):
                return await reader.readline()
        finally:
            transport.close()

    def test_a_child_that_writes_to_a_pipe_holds_the_clock(self) -> None:
        """Even if it is a child of the child that is at work meanwhile."""

        async def main() -> None:
            read_end, write_end = os.pipe()
            # As its output: a shell may know no descriptor of two digits by its number.
            child = subprocess.Popen(["sh", "-c", f"sleep {REAL}; echo tea"], stdout=write_end)
            os.close(write_end)
            try:
                self.assertEqual(await self.line_from(read_end), b"tea\n")
            finally:
                child.wait()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_a_child_with_the_other_half_of_a_pair_holds_the_clock(self) -> None:
        """Which of its sockets that is, nobody can tell; any will do."""

        async def main() -> None:
            ours, theirs = socket.socketpair()
            code = f"import os, time; time.sleep({REAL}); os.write({theirs.fileno()}, b'tea\\n')"
            with theirs:
                child = subprocess.Popen(
                    [sys.executable, "-S", "-c", code], pass_fds=[theirs.fileno()]
                )
            reader, writer = await asyncio.open_connection(sock=ours)
            try:
                async with asyncio.timeout(0.001):
                    self.assertEqual(await reader.readline(), b"tea\n")
            finally:
                writer.close()
                child.wait()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_the_loops_own_pipe_costs_nothing(self) -> None:
        """With nothing else to watch, a jump is not preceded by a look at what is outside."""

        async def main() -> None:
            server = await asyncio.start_server(print, "127.0.0.1", 0)
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualEventLoop)
            self.assertTrue(loop._outside.is_quiet())
            server.close()

        self.play(main())

    def test_a_child_at_rest_does_not_hold_the_clock(self) -> None:
        """It has the pipe, but waits for what the test writes to it; then it answers."""

        async def main() -> None:
            read_end, write_end = os.pipe()
            with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=write_end) as child:
                os.close(write_end)
                assert child.stdin is not None
                line = asyncio.create_task(self.line_from(read_end, 3601))
                await asyncio.sleep(3600)
                self.assertFalse(line.done())
                child.stdin.write(b"tea\n")
                child.stdin.flush()
                self.assertEqual(await line, b"tea\n")
                child.stdin.close()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 3600)

    def test_a_child_that_never_writes_is_reported(self) -> None:
        """After the clock's patience; one that was declared background is not waited for."""

        async def main(*, background: bool) -> None:
            clock_of_loop().patience = REAL
            read_end, write_end = os.pipe()
            with subprocess.Popen(["sleep", "60"], pass_fds=[write_end]) as child:
                os.close(write_end)
                if background:
                    clock_of_loop().background(child)
                try:
                    with self.assertRaises(TimeoutError):
                        await self.line_from(read_end, 5)
                finally:
                    child.kill()

        with self.assertWarnsRegex(GraceWarning, r"child process \d+, which may write to a pipe"):
            self.play(main(background=False))
        self.assertEqual(self.clock.elapsed, 5)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.play(main(background=True))
        self.assertEqual(self.clock.elapsed, 5)

    def test_a_thread_that_reads_a_pipe_of_ours_rests(self) -> None:
        """As those of an idle multiprocessing.Pool do, which nobody but the test can wake."""

        async def main() -> None:
            read_end, write_end = os.pipe()
            thread = threading.Thread(target=os.read, args=(read_end, 1))
            thread.start()
            await asyncio.sleep(3600)
            os.write(write_end, b"x")
            await asyncio.to_thread(thread.join)
            os.close(read_end)
            os.close(write_end)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.play(main())
        self.assertEqual(self.clock.elapsed, 3600)


@unittest.skipUnless(sys.platform == "linux", "elsewhere the kernel does not tell")
class ElderTests(ProbeCase):
    """Threads that are older than the loop: at rest when it began, they work for the test."""

    def test_a_pool_that_was_there_before_holds_the_clock_by_its_jobs(self) -> None:
        """Its worker waited for a job when the loop was made."""

        async def main() -> None:
            async with asyncio.timeout(0.001):
                await asyncio.wrap_future(pool.submit(time.sleep, REAL))

        with ThreadPoolExecutor(1) as pool:
            pool.submit(int).result()
            wait_until(lambda: at_rest(next(iter(pool._threads))))
            self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_a_thread_that_was_at_work_before_does_not_hold_it(self) -> None:
        """It belongs to a runner or a plugin, and may never rest."""
        stop = threading.Event()
        elder = threading.Thread(target=stop.wait, args=(60,))
        elder.start()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                self.play(asyncio.sleep(3600))
        finally:
            stop.set()
            elder.join()
        self.assertEqual(self.clock.elapsed, 3600)


class LookupTests(ProbeCase, OutcomeAssertions):
    """Name look-ups by aiodns, whose thread is not one of Python's."""

    @unittest.skipUnless(importlib.util.find_spec("aiodns"), "aiodns is not installed")
    def test_a_look_up_of_aiodns_holds_the_clock(self) -> None:
        """Each of them, on a resolver that has been at rest for an hour, too."""
        # In a process of its own: pycares leaves a thread behind. The name server's thread is
        # older than the loop, and so holds nothing itself.
        process = run_python(
            """
            import asyncio, socket, threading, time
            import aiodns
            from asynctesting import VirtualEventLoop

            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind(("127.0.0.1", 0))

            def serve():
                for _ in range(2):
                    question, client = server.recvfrom(512)
                    time.sleep(0.04)
                    end = question.index(0, 12) + 5
                    head = bytes.fromhex("8180 0001 0001 0000 0000")
                    found = bytes.fromhex("c00c 0001 0001 0000003c 0004 0a010203")
                    server.sendto(question[:2] + head + question[12:end] + found, client)

            thread = threading.Thread(target=serve)
            thread.start()

            async def main():
                host, port = server.getsockname()
                resolver = aiodns.DNSResolver(nameservers=[f"{host}:{port}"], timeout=5, tries=1)
                for name in ("one.test", "two.test"):
                    async with asyncio.timeout(1):
                        found = await resolver.getaddrinfo(name, family=socket.AF_INET)
                    assert found.nodes[0].addr[0] == b"10.1.2.3"
                    await asyncio.sleep(3600)
                await resolver.close()
                print("elapsed:", asyncio.get_running_loop().clock.elapsed)

            with asyncio.Runner(loop_factory=VirtualEventLoop) as runner:
                runner.run(main())
            thread.join()
            server.close()
            """
        )

        self.assertRunsClean(process, "elapsed: 7200.0")

    def test_a_resolver_like_that_of_aiodns(self) -> None:
        """What it returns, and what becomes of it, is its own affair; the clock only waits."""

        class Resolver:
            @_told_as("query")
            def query(self, host: str) -> asyncio.Future[str]:
                loop = asyncio.get_running_loop()
                future = loop.create_future()

                def answer() -> None:
                    time.sleep(REAL)
                    with contextlib.suppress(RuntimeError):  # the one that was given up
                        loop.call_soon_threadsafe(_resolve, future, host)

                _thread.start_new_thread(answer, ())  # threading knows nothing of it
                return future

            @_told_as("query_dns")
            def query_dns(self, host: str) -> str:
                return host.upper()

        async def main() -> None:
            resolver = Resolver()
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualEventLoop)
            async with asyncio.timeout(1):
                self.assertEqual(await resolver.query("tea.test"), "tea.test")
            self.assertEqual(resolver.query_dns("tea.test"), "TEA.TEST")
            given_up = resolver.query("late.test")
            [hold] = loop._outside.holds()
            self.assertEqual(hold.what, "look-up query('late.test') of aiodns")
            self.assertIn(hold.what, loop._outside.can_wake())
            given_up.cancel()
            await asyncio.sleep(0)
            self.assertEqual(loop._outside.holds(), [])
            beside = loop.clock.background(resolver.query("beside.test"))
            self.assertEqual(loop._outside.holds(), [])
            await beside

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)


def _told_as(name: str) -> Callable[[Any], Any]:
    return lambda method: _lookups._told(method, name)


def _resolve(future: asyncio.Future[str], host: str) -> None:
    if not future.done():
        future.set_result(host)


class AlarmTests(ProbeCase):
    """Alarms for handlers that the loop does not know."""

    def ring(self, seconds: float, limit: float) -> bool:
        """Order an alarm for a handler by signal.signal(), and tell whether it beat a timeout."""
        rung: list[bool] = []

        async def main() -> None:
            loop, event = asyncio.get_running_loop(), asyncio.Event()

            def handle(*_: object) -> None:
                rung.append(True)
                loop.call_soon_threadsafe(event.set)

            before = signal.signal(signal.SIGALRM, handle)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(limit):
                        await event.wait()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)

        self.play(main())
        return bool(rung)

    def test_an_alarm_that_is_near_holds_the_clock(self) -> None:
        """It rings within the clock's patience, so somebody waits for it."""
        self.assertTrue(self.ring(REAL, 0.001))
        self.assertEqual(self.clock.elapsed, 0)

    def test_an_alarm_that_is_far_away_does_not(self) -> None:
        """Some runners guard each test by one."""
        self.assertFalse(self.ring(600, 3600))
        self.assertEqual(self.clock.elapsed, 3600)


def at_rest(thread: threading.Thread) -> bool:
    """Tell whether a thread waits for a lock without a limit."""
    return rest_of_thread(thread.native_id)[0] is Rest.PARKED


def wait_until(condition: Callable[[], Any]) -> None:
    """Look again and again, in real time, until *condition* holds."""
    while not condition():
        time.sleep(0.001)


if __name__ == "__main__":
    unittest.main()
