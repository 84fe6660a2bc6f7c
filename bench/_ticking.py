"""Contenders of ``timers.py``, and the process that times one of them.

    python _ticking.py CONTENDER JOB COUNT     prints what a timer or a round trip costs

Invariant: the floor of a contender does the same steps with sleeps of no length on a loop
that has never heard of virtual time. Peers on asyncio share one; trio has its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

Main = Callable[[], Coroutine[Any, Any, None]]

ECHO_DELAY = 30
# The patience of the echo's client: longer than the handler sleeps, so it must never end.
ECHO_LIMIT = 60


@dataclass(frozen=True)
class Contender:
    """Who is timed: its name, what must be installed, and what it is too slow for.

    Attributes:
        most: The largest number of tasks to try; beyond it a run takes minutes.
        floor: The contender that does the same without a virtual clock.
    """

    key: str
    title: str
    needs: tuple[str, ...] = ()
    most: int = 1_000_000
    floor: str = "floor"

    @property
    def is_peer(self) -> bool:
        """Tell whether it is somebody else's virtual clock."""
        return self.key not in ("ours", "ours-in-test", "floor", "trio-floor")


CONTENDERS = {
    contender.key: contender
    for contender in (
        Contender("floor", "a bare selector loop, sleep(0)"),
        Contender("ours", "VirtualEventLoop", ("asynctesting",)),
        Contender("ours-in-test", "the same in a test, recorded and guarded", ("asynctesting",)),
        Contender("solipsism", "async-solipsism", ("async_solipsism",)),
        Contender("aiotools", "aiotools VirtualClock", ("aiotools", "typing_extensions")),
        Contender("looptime", "looptime", ("looptime",), most=100_000),
        Contender("trio-floor", "trio, real clock, sleep(0)", ("trio",), floor="trio-floor"),
        Contender("trio", "trio MockClock", ("trio",), most=100_000, floor="trio-floor"),
    )
}


class Job:
    """What is done and timed, on asyncio and on trio: many sleepers, one sleeper, an echo.

    Args:
        count: How many sleeps or round trips.
        real: Whether sleeps have no length, as for a floor.
    """

    def __init__(self, count: int, *, real: bool) -> None:
        self.count = count
        self.real = real
        self.spent = 0.0

    async def tasks(self) -> None:
        """Let *count* tasks sleep until as many instants."""

        async def sleeper(seconds: float) -> None:
            await asyncio.sleep(seconds)

        began = time.process_time()
        # No two deadlines are equal: that is the dearest case, one jump a task.
        await asyncio.gather(*[sleeper(self._length(number)) for number in range(self.count)])
        self.spent = time.process_time() - began

    async def ties(self) -> None:
        """Let *count* tasks sleep until one instant."""
        began = time.process_time()
        await asyncio.gather(*[asyncio.sleep(self._length(0)) for _ in range(self.count)])
        self.spent = time.process_time() - began

    async def sequence(self) -> None:
        """Let one task sleep *count* times."""
        began = time.process_time()
        for _ in range(self.count):
            await asyncio.sleep(self._length(0))
        self.spent = time.process_time() - began

    async def echo(self) -> None:
        """Send *count* lines over loopback to a handler that sleeps before it answers."""
        delay = 0 if self.real else ECHO_DELAY

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                await asyncio.sleep(delay)
                writer.write(line)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        began = time.process_time()
        for _ in range(self.count):
            async with asyncio.timeout(ECHO_LIMIT):
                writer.write(b"hello\n")
                await reader.readline()
        self.spent = time.process_time() - began
        writer.close()
        await writer.wait_closed()
        server.close()

    async def trio_tasks(self) -> None:
        """Do what :meth:`tasks` does."""
        import trio

        began = time.process_time()
        async with trio.open_nursery() as nursery:
            for number in range(self.count):
                nursery.start_soon(trio.sleep, self._length(number))
        self.spent = time.process_time() - began

    async def trio_ties(self) -> None:
        """Do what :meth:`ties` does."""
        import trio

        began = time.process_time()
        async with trio.open_nursery() as nursery:
            for _ in range(self.count):
                nursery.start_soon(trio.sleep, self._length(0))
        self.spent = time.process_time() - began

    async def trio_sequence(self) -> None:
        """Do what :meth:`sequence` does."""
        import trio

        began = time.process_time()
        for _ in range(self.count):
            await trio.sleep(self._length(0))
        self.spent = time.process_time() - began

    async def trio_echo(self) -> None:
        """Do what :meth:`echo` does."""
        import trio

        delay = 0 if self.real else ECHO_DELAY

        async def serve(stream: trio.SocketStream) -> None:
            async for chunk in stream:
                await trio.sleep(delay)
                await stream.send_all(chunk)

        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, serve, 0)
            stream = await trio.open_tcp_stream(*listeners[0].socket.getsockname()[:2])
            began = time.process_time()
            for _ in range(self.count):
                with trio.fail_after(ECHO_LIMIT):
                    await stream.send_all(b"hello\n")
                    await stream.receive_some(100)
            self.spent = time.process_time() - began
            await stream.aclose()
            nursery.cancel_scope.cancel()

    def _length(self, number: int) -> float:
        # Milliseconds apart, since one peer takes what is closer for one instant.
        return 0 if self.real else 1 + number / 500


def play(key: str, name: str, count: int) -> float:
    """Do a job with a contender; return CPU seconds."""
    job = Job(count, real=CONTENDERS[key].floor == key)
    if key.startswith("trio"):
        import trio
        import trio.testing

        clock = None if job.real else trio.testing.MockClock(autojump_threshold=0)
        trio.run(getattr(job, f"trio_{name}"), clock=clock)
    elif key == "ours-in-test":
        _play_in_test(getattr(job, name))
    else:
        factory, region = _loop_of(key)
        main = getattr(job, name)

        async def inside() -> None:
            with region():
                await main()

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(inside())
    return job.spent


def _play_in_test(main: Main) -> None:
    """Do what a user does: write a test."""
    import unittest

    from asynctesting import AsyncTestCase, VirtualClockMixin

    class Measured(VirtualClockMixin, AsyncTestCase):
        timeout = 3600

        async def test_it(self) -> None:
            await main()

    result = unittest.TestResult()
    Measured("test_it").run(result)
    if not result.wasSuccessful():
        raise RuntimeError(result.errors + result.failures)


def _loop_of(key: str) -> tuple[Callable[[], Any], Callable[[], AbstractContextManager[Any]]]:
    """Return what makes a contender's loop, and the region in which its time is virtual."""
    if key == "ours":
        from asynctesting import VirtualEventLoop

        return VirtualEventLoop, nullcontext
    if key == "solipsism":
        import async_solipsism

        return async_solipsism.EventLoop, nullcontext
    if key == "looptime":
        import looptime

        loop_class = looptime.make_event_loop_class(asyncio.SelectorEventLoop)
        return lambda: loop_class(start=0), nullcontext
    if key == "aiotools":
        from aiotools import VirtualClock

        return asyncio.SelectorEventLoop, VirtualClock().patch_loop
    return asyncio.SelectorEventLoop, nullcontext


def main(argv: list[str]) -> None:
    """Do one job, and print its figures as JSON."""
    key, name, count = argv
    try:
        spent = play(key, name, int(count))
    except Exception as error:
        # A peer that can't do a job is a result, too.
        print(json.dumps({"failed": type(error).__name__}))
        return
    print(json.dumps({"us": spent / int(count) * 1e6}))


if __name__ == "__main__":
    main(sys.argv[1:])
