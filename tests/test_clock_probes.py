"""Questions that a virtual clock on real input and output has to answer right, all of them.

Sockets, processes, threads and signals are real here, and real waits are some milliseconds. The
letters are those of the survey of other tools that the clock was designed after; no other tool
that was looked at passes them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any
from unittest import mock

import aiohttp
from aiohttp import web

from asynctesting import frozen_time, virtual_clock
from asynctesting._clock import VirtualClock
from asynctesting._virtual_loop import VirtualEventLoop
from asynctesting.errors import DeadlockError, GraceWarning
from tests.support import alone_in_process

#: A real span that the clock must not overtake: long beside a turn of the loop.
REAL = 0.03


def clock_of_loop() -> VirtualClock:
    """Return the clock of the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualEventLoop)
    return loop.clock


class ProbeCase(unittest.TestCase):
    """Runs a coroutine on a virtual loop and keeps its clock."""

    clock: VirtualClock

    def play(self, main: Coroutine[Any, Any, Any], **options: Any) -> Any:
        """Run *main* on a fresh loop and return its result."""
        self.clock = VirtualClock(**options)
        self.clock.patience = 60.0  # a busy machine may need long to start a process
        with asyncio.Runner(loop_factory=lambda: VirtualEventLoop(self.clock)) as runner:
            return runner.run(main)

    @contextlib.contextmanager
    def collecting_waits(self) -> Iterator[list[float | None]]:
        """Collect for how long the loop means to wait, each time that it waits in real time."""
        waits: list[float | None] = []
        really = VirtualEventLoop._wait_really

        def wait(loop: VirtualEventLoop, seconds: float | None) -> list[Any]:
            waits.append(seconds)
            return really(loop, seconds)

        with mock.patch.object(VirtualEventLoop, "_wait_really", wait):
            yield waits


class SleepProbes(ProbeCase):
    def test_a_an_hour_is_exact_and_at_once(self) -> None:
        """a: sleep(3600) takes 3600 s, sleep(200000) is no longer than a timer can be."""
        self.play(asyncio.sleep(3600))
        self.assertEqual(self.clock.elapsed, 3600.0)
        self.play(asyncio.sleep(200_000))
        self.assertEqual(self.clock.elapsed, 200_000.0)

    def test_a3_ten_years_then_a_tenth(self) -> None:
        """a3: at a late reading short sleeps still end."""

        async def main() -> None:
            await asyncio.sleep(315_360_000)
            await asyncio.sleep(0.1)
            async with asyncio.timeout(0.3):
                await asyncio.sleep(0.1)

        self.play(main())
        self.assertEqual(self.clock.time_ns() % 10**9, 200_000_000)

    def test_a4_short_sleeps_add_up(self) -> None:
        """a4: ten times 100 ns is a microsecond, which the stock clock can't tell from nothing."""

        async def main() -> None:
            for _ in range(10):
                await asyncio.sleep(1e-7)

        self.play(main())
        self.assertEqual(self.clock.elapsed, 1e-6)

    def test_b_a_thousand_tenths(self) -> None:
        """b: 1000 times sleep(0.1) is 100 s, to the last bit."""

        async def main() -> None:
            for _ in range(1000):
                await asyncio.sleep(0.1)

        self.play(main(), start=0)
        self.assertEqual(self.clock.time(), 100.0)

    def test_c_timeouts_fire_at_their_time_and_not_before(self) -> None:
        """c: timeout(5), wait_for(5), and a timeout that is not needed."""

        async def main() -> None:
            clock = clock_of_loop()
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(5):
                    await asyncio.sleep(100)
            self.assertEqual(clock.elapsed, 5)
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 5)
            self.assertEqual(clock.elapsed, 10)
            async with asyncio.timeout(9):
                await asyncio.sleep(1)
            self.assertEqual(clock.elapsed, 11)

        self.play(main())

    def test_h_sleeps_interleave(self) -> None:
        """h: tasks wake in the order of their times."""
        log: list[tuple[str, float]] = []

        async def ticker(name: str, period: float, count: int) -> None:
            for _ in range(count):
                await asyncio.sleep(period)
                log.append((name, clock_of_loop().elapsed))

        async def main() -> None:
            await asyncio.gather(ticker("two", 2, 3), ticker("three", 3, 2))

        self.play(main())
        self.assertEqual(log, [("two", 2), ("three", 3), ("two", 4), ("three", 6), ("two", 6)])

    def test_i_everything_that_reads_the_loop_agrees(self) -> None:
        """i: loop.time() and the clock are one; a time.monotonic() patch can read its integers."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            for _ in range(5):
                await asyncio.sleep(random.random())
                self.assertEqual(loop.time(), clock_of_loop().time())
                self.assertEqual(clock_of_loop().time_ns() / 10**9, loop.time())

        self.play(main())

    def test_i2_the_monotonic_clock_agrees(self) -> None:
        """i: time.monotonic() and its nanoseconds are the loop's time, in other threads, too."""
        with virtual_clock() as clock:

            async def main() -> None:
                loop = asyncio.get_running_loop()

                def read() -> float:
                    return time.monotonic()

                for seconds in (0.1, 3600, 1e-7):
                    await asyncio.sleep(seconds)
                    self.assertEqual(time.monotonic(), loop.time())
                    self.assertEqual(time.monotonic_ns(), clock.time_ns())
                    self.assertEqual(await asyncio.to_thread(read), loop.time())

            asyncio.run(main())
            self.assertEqual(clock.elapsed, 3600.1000001)

    def test_j_the_wall_clock_moves(self) -> None:
        """j: datetime.now() and time.time() go with the loop, jump by jump."""
        with virtual_clock(), frozen_time("2026-01-01 09:00"):

            async def main() -> None:
                for hour in range(10, 14):
                    await asyncio.sleep(3600)
                    self.assertEqual(str(datetime.datetime.now()), f"2026-01-01 {hour}:00:00")
                    self.assertEqual(time.time(), 1767258000 + 3600 * (hour - 9))

            asyncio.run(main())

    def test_k_a_computation_moves_nothing(self) -> None:
        """k: what blocks the loop costs no virtual time, and no timeout fires for it."""

        async def main() -> None:
            async with asyncio.timeout(0.001):
                time.sleep(REAL)
                await asyncio.sleep(0.0005)

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0.0005)

    def test_l_equal_deadlines_are_first_in_first_out(self) -> None:
        """l: call_at() with one deadline, call_later() with one delay, and tasks that sleep."""
        log: list[int] = []

        async def sleeper(number: int) -> None:
            await asyncio.sleep(5)
            log.append(number)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            for number in range(20):
                loop.call_at(loop.time() + 5, log.append, number)
            for number in range(20, 40):
                loop.call_later(5, log.append, number)
            await asyncio.gather(*map(sleeper, range(40, 60)))

        self.play(main())
        self.assertEqual(log, list(range(60)))

    def test_m_a_cancellation_reaches_a_sleeper_in_time(self) -> None:
        """m: cancelled at +7, and the clock does not go on to the end of the sleep."""

        async def main() -> None:
            task = asyncio.create_task(asyncio.sleep(1000))
            asyncio.get_running_loop().call_later(7, task.cancel)
            with self.assertRaises(asyncio.CancelledError):
                await task

        self.play(main())
        self.assertEqual(self.clock.elapsed, 7)

    def test_s_a_late_clock_goes_on(self) -> None:
        """s: at a reading of 1.7e9 seconds, where floats are coarse."""

        async def main() -> None:
            await asyncio.sleep(1.001)
            for _ in range(3):
                async with asyncio.timeout(1):
                    await asyncio.sleep(0.5)

        self.play(main(), start=1_700_000_000)
        self.assertEqual(self.clock.elapsed, 2.501)

    def test_t_a_timer_that_sets_itself_again(self) -> None:
        """t: ticks at 1, 2, ... 10."""
        ticks: list[float] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()

            def tick() -> None:
                ticks.append(clock_of_loop().elapsed)
                loop.call_later(1, tick)

            loop.call_later(1, tick)
            await asyncio.sleep(10)

        self.play(main())
        self.assertEqual(ticks, [float(n) for n in range(1, 11)])


class WorkProbes(ProbeCase):
    """Real work holds the clock, at no virtual cost."""

    def test_d_an_executor_job_beats_a_sleep(self) -> None:
        """d: the job ends first although the sleep could be over at once."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            job = loop.run_in_executor(None, time.sleep, REAL)
            nap = asyncio.ensure_future(asyncio.sleep(10))
            done, _ = await asyncio.wait([job, nap], return_when=asyncio.FIRST_COMPLETED)
            self.assertEqual(done, {job})
            self.assertEqual(clock_of_loop().elapsed, 0)
            nap.cancel()

        self.play(main())

    def test_d2_a_thread_inside_of_a_timeout(self) -> None:
        """d2: to_thread() inside of timeout(5), also a hundred times in a row."""

        async def main() -> None:
            async with asyncio.timeout(5):
                await asyncio.to_thread(time.sleep, REAL)
            for number in range(100):
                async with asyncio.timeout(0.001):
                    self.assertEqual(await asyncio.to_thread(abs, -number), number)

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_d3_jobs_of_a_pool_of_ones_own(self) -> None:
        """d: run_in_executor() and wrap_future() on another pool."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(1) as pool:
                async with asyncio.timeout(5):
                    await loop.run_in_executor(pool, time.sleep, REAL)
                async with asyncio.timeout(5):
                    await asyncio.wrap_future(pool.submit(time.sleep, REAL))

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    @unittest.skipUnless(sys.platform == "linux", "elsewhere the kernel does not tell")
    def test_d5_jobs_of_a_pool_of_processes(self) -> None:
        """d: its thread does nothing but listen to them, longer than the clock's grace."""

        async def main() -> None:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                for _ in range(2):
                    async with asyncio.timeout(5):
                        await asyncio.wrap_future(pool.submit(time.sleep, 4 * self.clock.grace))

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_d4_the_shutdown_of_the_executor(self) -> None:
        """d: a job that is left behind is waited for, not given up after 300 virtual seconds."""
        ended: list[bool] = []

        def job() -> None:
            time.sleep(REAL)
            ended.append(True)

        async def main() -> None:
            asyncio.get_running_loop().run_in_executor(None, job).cancel()
            asyncio.get_running_loop().run_in_executor(None, job)
            await asyncio.get_running_loop().shutdown_default_executor()

        self.play(main())
        self.assertEqual((ended[-1], self.clock.elapsed), (True, 0))

    def test_d5_a_name_is_looked_up(self) -> None:
        """d: getaddrinfo() is a job, too."""

        async def main() -> None:
            async with asyncio.timeout(0.001):
                await asyncio.get_running_loop().getaddrinfo("localhost", 80)

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_d6_a_job_that_waits_for_the_test_does_not_hold_the_clock(self) -> None:
        """d: it waits for an event that is set ten virtual seconds later."""

        async def main() -> None:
            event = threading.Event()
            job = asyncio.create_task(asyncio.to_thread(event.wait))
            await asyncio.sleep(10)
            event.set()
            await job

        self.play(main())
        self.assertEqual(self.clock.elapsed, 10)

    def test_d7_a_thread_that_waits_for_our_server_does_not_hold_the_clock(self) -> None:
        """d: a synchronous client in a thread, a server here that answers after 30 s."""

        def client(address: Any) -> bytes:
            with socket.create_connection(address) as sock:
                sock.sendall(b"hello\n")
                return sock.recv(100)

        async def main() -> None:
            async with echo_server(30) as address:
                self.assertEqual(await asyncio.to_thread(client, address), b"hello\n")

        self.play(main())
        self.assertEqual(self.clock.elapsed, 30)

    def test_f_a_subprocess_beats_a_timeout(self) -> None:
        """f: a process that needs real time, inside of a short timeout."""

        async def main() -> None:
            async with asyncio.timeout(0.5):
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-S",
                    "-c",
                    f"import time; time.sleep({REAL}); print('done')",
                    stdout=asyncio.subprocess.PIPE,
                )
                output, _ = await process.communicate()
            self.assertEqual(output.strip(), b"done")
            async with asyncio.timeout(0.5):
                shell = await asyncio.create_subprocess_shell(f"sleep {REAL}; exit 3")
                self.assertEqual(await shell.wait(), 3)

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_f2_a_process_that_reads_does_not_hold_the_clock(self) -> None:
        """f: it does nothing but wait for what the test writes to it later."""

        async def main() -> None:
            process = await asyncio.create_subprocess_exec(
                "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            await asyncio.sleep(60)
            output, _ = await process.communicate(b"hello")
            self.assertEqual(output, b"hello")

        self.play(main())
        self.assertEqual(self.clock.elapsed, 60)

    def test_f3_a_background_process_does_not_hold_the_clock(self) -> None:
        """f: a server that the test has started runs beside it."""

        async def main() -> None:
            process = await asyncio.create_subprocess_exec("sleep", "20")
            try:
                clock_of_loop().background(process)
                await asyncio.sleep(60)
            finally:
                process.kill()
                await process.wait()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 60)

    def test_n_a_thread_beats_a_timeout(self) -> None:
        """n: a thread that calls back later, with a timer and without one."""

        async def main(limit: float | None) -> None:
            loop = asyncio.get_running_loop()
            future = loop.create_future()

            def work() -> None:
                time.sleep(REAL)
                loop.call_soon_threadsafe(future.set_result, "called")

            thread = threading.Thread(target=work)
            thread.start()
            async with asyncio.timeout(limit):
                self.assertEqual(await future, "called")
            thread.join()

        self.play(main(10))
        self.assertEqual(self.clock.elapsed, 0)
        self.play(main(None))
        self.assertEqual(self.clock.elapsed, 0)

    def test_n3_a_timer_thread_beats_a_timeout(self) -> None:
        """n: threading.Timer waits for a lock with a limit, which is not the same as resting."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            event = asyncio.Event()
            timer = threading.Timer(REAL, loop.call_soon_threadsafe, [event.set])
            timer.start()
            async with asyncio.timeout(10):
                await event.wait()
            timer.join()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 0)

    def test_n4_a_thread_at_rest_does_not_hold_the_clock(self) -> None:
        """n: it waits for a queue that nobody fills, or was declared to be background."""

        async def main(rest: Callable[[], Any], *, background: bool) -> None:
            thread = threading.Thread(target=rest, daemon=True)
            thread.start()
            if background:
                clock_of_loop().background(thread)
            await asyncio.sleep(3600)
            self.assertTrue(thread.is_alive())

        stop = threading.Event()
        self.addCleanup(stop.set)
        with warnings.catch_warnings():
            warnings.simplefilter("error", GraceWarning)
            self.play(main(stop.wait, background=False))
            self.play(main(lambda: stop.wait(20), background=True))

    def test_o_a_signal_beats_a_timeout(self) -> None:
        """o: one that an interval timer sends, and one that a process sends."""

        async def main(send: Callable[[], Any]) -> None:
            loop = asyncio.get_running_loop()
            event = asyncio.Event()
            loop.add_signal_handler(signal.SIGALRM, event.set)
            sent = send()
            async with asyncio.timeout(10):
                await event.wait()
            loop.remove_signal_handler(signal.SIGALRM)
            if isinstance(sent, subprocess.Popen):
                sent.wait()

        self.play(main(lambda: signal.setitimer(signal.ITIMER_REAL, REAL)))
        self.assertEqual(self.clock.elapsed, 0)
        self.play(main(lambda: os.kill(os.getpid(), signal.SIGALRM)))
        self.assertEqual(self.clock.elapsed, 0)
        command = ["sh", "-c", f"sleep {REAL}; kill -ALRM {os.getpid()}"]
        self.play(main(lambda: subprocess.Popen(command)))
        self.assertEqual(self.clock.elapsed, 0)

    def test_o2_a_signal_handler_that_nobody_calls_does_not_hold_the_clock(self) -> None:
        """o: servers install them, and tests of servers sleep."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, print)
            for _ in range(100):
                await asyncio.sleep(60)
            loop.remove_signal_handler(signal.SIGTERM)

        self.play(main())
        self.assertEqual(self.clock.elapsed, 6000)


@contextlib.asynccontextmanager
async def echo_server(delay: float) -> AsyncIterator[Any]:
    """Serve lines on the running loop, each answered after *delay* virtual seconds."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            await asyncio.sleep(delay)
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


@contextlib.contextmanager
def outside_server(delay: float, greeting: bytes = b"") -> Iterator[Any]:
    """Serve lines in another process, each answered after *delay* real seconds."""
    script = f"""
import socket, threading, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
def serve(connection):
    connection.sendall({greeting!r})
    while data := connection.recv(1000):
        time.sleep({delay})
        for piece in data.splitlines(True):
            connection.sendall(piece)
while True:
    connection, _ = server.accept()
    threading.Thread(target=serve, args=[connection], daemon=True).start()
"""
    process = subprocess.Popen([sys.executable, "-S", "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield ("127.0.0.1", int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class SocketProbes(ProbeCase):
    def test_e_a_client_waits_for_a_slow_handler(self) -> None:
        """e: aiohttp, both ends here: 30 s in the handler, 60 s for the client."""

        async def main() -> None:
            async with self.web_server() as url, aiohttp.ClientSession() as session:
                limit = aiohttp.ClientTimeout(total=60)
                async with session.get(url, timeout=limit) as response:
                    self.assertEqual(await response.text(), "tea")

        self.play(main())
        self.assertEqual(self.clock.elapsed, 30)

    def test_e2_a_client_gives_up_at_its_time(self) -> None:
        """e2: ten seconds are ten seconds."""

        async def main() -> None:
            async with self.web_server() as url, aiohttp.ClientSession() as session:
                limit = aiohttp.ClientTimeout(total=10)
                with self.assertRaises(TimeoutError):
                    await session.get(url, timeout=limit)
                self.assertEqual(clock_of_loop().elapsed, 10)

        self.play(main())

    def test_e3_a_client_that_looks_the_name_up(self) -> None:
        """e: by name, so that every request goes through the executor."""

        async def main() -> None:
            async with self.web_server() as url, aiohttp.ClientSession() as session:
                limit = aiohttp.ClientTimeout(total=60)
                for _ in range(20):
                    url = url.replace("127.0.0.1", "localhost")
                    async with session.get(url, timeout=limit) as response:
                        self.assertEqual(response.status, 200)

        self.play(main())
        self.assertEqual(self.clock.elapsed, 600)

    @contextlib.asynccontextmanager
    async def web_server(self) -> AsyncIterator[str]:
        async def handler(request: web.Request) -> web.Response:
            await asyncio.sleep(30)
            return web.Response(text="tea")

        app = web.Application()
        app.router.add_get("/", handler)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
        finally:
            await runner.cleanup()

    def test_e4_five_hundred_guarded_round_trips(self) -> None:
        """e: not one timeout fires falsely."""

        async def main() -> None:
            async with echo_server(30) as address:
                reader, writer = await asyncio.open_connection(*address)
                for _ in range(500):
                    async with asyncio.timeout(30.5):
                        writer.write(b"hello\n")
                        await reader.readline()
                writer.close()
                await writer.wait_closed()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 15_000)

    def test_e5_much_data_between_two_ends_here(self) -> None:
        """e: some megabytes, through a buffer that is full most of the time, cost no time."""
        size = 8 * 2**20

        async def main() -> None:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await asyncio.sleep(30)
                writer.write(bytes(size))
                await writer.drain()
                writer.close()

            async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                async with asyncio.timeout(30.001):
                    self.assertEqual(len(await reader.read(-1)), size)
                writer.close()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 30)

    def test_e6_a_reader_that_sleeps_does_not_hold_the_clock(self) -> None:
        """e: the writer is blocked by it, and both ends are here."""

        async def main() -> None:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await asyncio.sleep(30)
                self.assertEqual(len(await reader.read(-1)), 8 * 2**20)
                writer.close()

            async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(bytes(8 * 2**20))
                await writer.drain()
                writer.write_eof()
                self.assertEqual(await reader.read(), b"")
                writer.close()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 30)

    def test_e7_unix_sockets_and_datagrams(self) -> None:
        """e: the same with both ends of another kind here."""

        class Echo(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, address: Any) -> None:
                loop = asyncio.get_running_loop()
                loop.call_later(30, self.transport.sendto, data, address)

        class Client(asyncio.DatagramProtocol):
            def __init__(self) -> None:
                self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

            def datagram_received(self, data: bytes, address: Any) -> None:
                self.answer.set_result(data)

        async def main() -> None:
            loop = asyncio.get_running_loop()
            left, right = socket.socketpair()
            reader, writer = await asyncio.open_connection(sock=left)
            _, other = await asyncio.open_connection(sock=right)
            loop.call_later(30, other.write, b"hello\n")
            async with asyncio.timeout(31):
                self.assertEqual(await reader.readline(), b"hello\n")
            writer.close()
            other.close()
            server, _ = await loop.create_datagram_endpoint(Echo, ("127.0.0.1", 0))
            transport, client = await loop.create_datagram_endpoint(
                Client, remote_addr=server.get_extra_info("sockname")
            )
            transport.sendto(b"hello")
            async with asyncio.timeout(31):
                self.assertEqual(await client.answer, b"hello")
            transport.close()
            server.close()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 60)

    def test_p_an_outside_server_beats_a_timeout(self) -> None:
        """p: it needs real time to answer; the guard is far shorter in virtual time."""

        async def main(address: Any, greeting: bytes) -> None:
            async with asyncio.timeout(0.001):
                reader, writer = await asyncio.open_connection(*address)
                self.assertEqual(await reader.readexactly(len(greeting)), greeting)
            for _ in range(3):
                async with asyncio.timeout(0.001):
                    writer.write(b"hello\n")
                    self.assertEqual(await reader.readline(), b"hello\n")
            writer.close()
            await writer.wait_closed()

        for delay, greeting in ((0, b""), (0.001, b""), (REAL, b""), (REAL, b"220 ready\n")):
            with self.subTest(delay=delay, greeting=greeting):
                with outside_server(delay, greeting) as address:
                    self.play(main(address, greeting))
                self.assertEqual(self.clock.elapsed, 0)

    def test_p2_an_outside_server_that_never_answers_is_reported(self) -> None:
        """p: patience ends, time goes on, and a warning says why the timeout may be false."""

        async def main(address: Any) -> None:
            clock_of_loop().patience = REAL
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"hello\n")
            with self.assertWarnsRegex(GraceWarning, "tcp connection to .*, which owes an answer"):
                with self.assertRaises(TimeoutError):
                    async with asyncio.timeout(60):
                        await reader.readline()
            writer.close()

        with outside_server(1000) as address:
            self.play(main(address))
        self.assertEqual(self.clock.elapsed, 60)

    def test_q_an_idle_server_does_not_hold_the_clock(self) -> None:
        """q: nor many of them."""

        async def main() -> None:
            servers = [await asyncio.start_server(print, "127.0.0.1", 0) for _ in range(5)]
            for _ in range(100):
                await asyncio.sleep(36)
            for server in servers:
                server.close()

        self.play(main())
        self.assertEqual(self.clock.elapsed, 3600)

    def test_r_an_idle_connection_does_not_hold_the_clock(self) -> None:
        """r: with the other end here, and with the other end outside."""

        async def main(address: Any) -> None:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"hello\n")
            await reader.readline()
            with self.collecting_waits() as waits:
                for _ in range(100):
                    await asyncio.sleep(36)
            # A short look or two, until the other end has gone to rest; not one for each sleep.
            self.assertLess(len(waits), 50)
            writer.close()
            await writer.wait_closed()

        async def main_here() -> None:
            async with echo_server(0) as address:
                await main(address)

        self.play(main_here())
        self.assertEqual(self.clock.elapsed, 3600)
        with outside_server(0) as address:
            self.play(main(address))
        self.assertEqual(self.clock.elapsed, 3600)


class DeadlockProbes(ProbeCase):
    def setUp(self) -> None:
        self.enterContext(alone_in_process())

    def test_g_a_deadlock_is_told_at_once_with_the_line(self) -> None:
        """g: and the test's finally blocks have run."""
        cleaned: list[bool] = []

        async def main() -> None:
            try:
                await asyncio.Event().wait()  # the line that is told
            finally:
                cleaned.append(True)

        with self.collecting_waits() as waits, self.assertRaises(DeadlockError) as caught:
            self.play(main())

        self.assertEqual(waits, [])
        self.assertIn(
            "await asyncio.Event().wait()  # the line that is told", str(caught.exception)
        )
        self.assertEqual(cleaned, [True])


if __name__ == "__main__":
    unittest.main()
