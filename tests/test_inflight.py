"""What holds the clock where little is known; where all is known, see test_clock_probes."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import unittest
import warnings
from unittest import mock

from asynctesting._inflight import _threads
from asynctesting._syscalls import Rest
from asynctesting.errors import GraceWarning
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
            before = time.perf_counter()
            for _ in range(100):
                await asyncio.sleep(36)
            self.assertLess(time.perf_counter() - before, REAL * 50)
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
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, stop.wait, 20).cancel()
            running = loop.run_in_executor(None, stop.wait, 20)
            await asyncio.sleep(0)
            running.cancel()
            before = time.perf_counter()
            await asyncio.sleep(60)
            self.assertLess(time.perf_counter() - before, 1)
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


if __name__ == "__main__":
    unittest.main()
