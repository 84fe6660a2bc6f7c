"""Tests that each leave something behind or hide a failure, and an innocent one after each.

Not a part of the suite: :mod:`tests.test_corpus` runs it under the runners that people use. Each
test is named after its case, and says by a decorator which kind of finding it has to fail with.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar
from unittest import mock

from asynctesting import AsyncTestCase, timeout

_F = TypeVar("_F", bound=Callable[..., Any])

#: The kind of finding that each test has to fail with; ``"limit"`` stands for a TimeLimitError.
EXPECTED: dict[str, str] = {}
#: What outlives a test on purpose, as a module's global would.
KEPT: list[Any] = []


def leaves(kind: str) -> Callable[[_F], _F]:
    """Say what a test leaves behind."""

    def decorate(test: _F) -> _F:
        EXPECTED[test.__name__] = kind
        return test

    return decorate


async def nothing() -> None: ...


async def fail(error: BaseException) -> None:
    raise error


async def spin(turns: int = 5) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def numbers() -> AsyncIterator[int]:
    yield 1
    yield 2


class Cycle:
    """Holds something in a cycle, where only the collector finds it."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        self.me = self


class Failing:
    def __del__(self) -> None:
        raise ZeroDivisionError("in a destructor")


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


class LeakingTests(AsyncTestCase):
    """One test a case; what they hold on to is let go when the module is over."""

    @classmethod
    def tearDownClass(cls) -> None:
        for thing in KEPT:
            for end in ("kill", "set", "close"):
                with contextlib.suppress(Exception):
                    getattr(thing, end)()
        KEPT.clear()

    # Tasks ---------------------------------------------------------------------------------------

    @leaves("tasks")
    async def test_task_held(self) -> None:
        self.task = asyncio.create_task(asyncio.sleep(60))
        await spin()

    @leaves("tasks")
    async def test_task_that_nobody_holds(self) -> None:
        asyncio.ensure_future(asyncio.sleep(60))

    @leaves("tasks")
    async def test_tasks_by_the_hundred(self) -> None:
        self.tasks = [asyncio.create_task(asyncio.sleep(60)) for _ in range(100)]

    @leaves("limit")
    @timeout(0.5)
    async def test_task_that_swallows_its_cancellation(self) -> None:
        async def stubborn() -> None:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()

        self.task = asyncio.create_task(stubborn())
        await spin()

    # Exceptions ----------------------------------------------------------------------------------

    @leaves("exceptions")
    async def test_exception_of_a_task_that_is_held(self) -> None:
        self.task = asyncio.create_task(fail(KeyError("lost")))
        await spin()

    @leaves("exceptions")
    async def test_exception_of_a_task_that_is_gone(self) -> None:
        asyncio.ensure_future(fail(KeyError("lost")))
        await spin()

    @leaves("exceptions")
    async def test_exception_of_a_task_in_a_cycle(self) -> None:
        Cycle(asyncio.create_task(fail(KeyError("lost"))))
        await spin()

    @leaves("exceptions")
    async def test_exception_of_a_future_that_is_held(self) -> None:
        self.future = asyncio.get_running_loop().create_future()
        self.future.set_exception(KeyError("lost"))

    @leaves("exceptions")
    async def test_exception_of_a_future_that_is_gone(self) -> None:
        asyncio.get_running_loop().create_future().set_exception(KeyError("lost"))

    @leaves("gather")
    async def test_gather_drops_the_second_exception(self) -> None:
        with self.assertRaises(KeyError):
            await asyncio.gather(fail(KeyError("first")), fail(OSError("second")))

    @leaves("callbacks")
    async def test_callback_that_fails(self) -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await spin()

    @leaves("callbacks")
    async def test_done_callback_that_fails(self) -> None:
        task = asyncio.create_task(nothing())
        task.add_done_callback(lambda _: 1 / 0)
        await task
        await spin()

    @leaves("callbacks")
    async def test_protocol_that_fails(self) -> None:
        class Protocol(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                raise ZeroDivisionError("in a protocol")

        left, right = socket.socketpair()
        transport, _ = await asyncio.get_running_loop().create_connection(Protocol, sock=left)
        right.send(b"x")
        while not transport.is_closing():
            await asyncio.sleep(0)
        right.close()

    @leaves("unraisable")
    async def test_destructor_that_fails(self) -> None:
        Failing()

    @leaves("unraisable")
    async def test_destructor_in_a_cycle_that_fails(self) -> None:
        Cycle(Failing())

    @leaves("unraisable")
    async def test_weakref_callback_that_fails(self) -> None:
        thing = Cycle(None)
        self.ref = weakref.ref(thing, lambda _: 1 / 0)

    @leaves("thread_exceptions")
    async def test_thread_that_fails(self) -> None:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()

    @leaves("blocking")
    async def test_loop_that_is_blocked(self) -> None:
        time.sleep(0.2)  # the watchdog has to get its turn meanwhile, on a busy machine, too

    @leaves("clock")
    async def test_clock_patched_with_a_short_list(self) -> None:
        with mock.patch("time.monotonic", side_effect=[1.0]):
            await asyncio.sleep(0.001)

    # Coroutines and generators -------------------------------------------------------------------

    @leaves("coroutines")
    async def test_coroutine_never_awaited(self) -> None:
        nothing()

    @leaves("coroutines")
    def test_coroutine_in_a_synchronous_test(self) -> None:
        nothing()

    @leaves("coroutines")
    async def test_coroutine_held_by_the_test(self) -> None:
        self.coroutine = nothing()

    @leaves("coroutines")
    async def test_coroutine_held_by_a_module(self) -> None:
        KEPT.append(nothing())

    @leaves("coroutines")
    async def test_coroutine_in_a_cycle(self) -> None:
        Cycle(nothing())

    @leaves("coroutines")
    async def test_mock_never_awaited(self) -> None:
        send = mock.AsyncMock(name="send")
        send("hello")
        send.assert_called_once()

    @leaves("coroutines")
    async def test_mock_call_that_is_held(self) -> None:
        self.call = mock.AsyncMock(name="send")("hello")

    @leaves("generators")
    async def test_generator_left_in_the_middle(self) -> None:
        self.numbers = numbers()
        await anext(self.numbers)

    # Connections ---------------------------------------------------------------------------------

    @leaves("sockets")
    async def test_socket_that_is_gone(self) -> None:
        socket.socket()

    @leaves("sockets")
    async def test_socket_held(self) -> None:
        self.socket = socket.socket()

    @leaves("sockets")
    async def test_socket_in_a_cycle(self) -> None:
        Cycle(socket.socket())

    @leaves("transports")
    async def test_connection_left_open(self) -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        _, self.writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        server.close()
        await spin()

    @leaves("transports")
    async def test_connection_that_does_not_read(self) -> None:
        left, right = socket.socketpair()
        self.addCleanup(right.close)
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_connection(asyncio.Protocol, sock=left)
        self.transport.pause_reading()
        await spin()

    @leaves("transports")
    async def test_datagram_endpoint_left_open(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))

    @leaves("servers")
    async def test_server_that_listens(self) -> None:
        self.server = await asyncio.start_server(answer, "127.0.0.1", 0)

    @leaves("servers")
    async def test_server_that_nobody_holds(self) -> None:
        await asyncio.start_server(answer, "127.0.0.1", 0)

    @leaves("sessions")
    async def test_session_that_is_gone(self) -> None:
        import aiohttp

        aiohttp.ClientSession()

    @leaves("sessions")
    async def test_session_held(self) -> None:
        import aiohttp

        self.session = aiohttp.ClientSession()

    @leaves("sessions")
    async def test_session_with_a_connection(self) -> None:
        import aiohttp
        from aiohttp import web
        from aiohttp.test_utils import TestServer

        async def hello(request: web.Request) -> web.Response:
            return web.Response(text="hello")

        app = web.Application()
        app.router.add_get("/", hello)
        async with TestServer(app) as server:
            self.session = aiohttp.ClientSession()
            async with self.session.get(server.make_url("/")) as response:
                await response.text()

    # The loop ------------------------------------------------------------------------------------

    @leaves("timers")
    async def test_timer_that_is_set(self) -> None:
        asyncio.get_running_loop().call_later(60, KEPT.clear)

    @leaves("readers")
    async def test_file_that_is_watched_for_reading(self) -> None:
        left, right = socket.socketpair()
        self.addCleanup(left.close)
        self.addCleanup(right.close)
        asyncio.get_running_loop().add_reader(left, KEPT.clear)

    @leaves("readers")
    async def test_file_that_is_watched_for_writing(self) -> None:
        left, right = socket.socketpair()
        self.addCleanup(left.close)
        self.addCleanup(right.close)
        asyncio.get_running_loop().add_writer(left, int)
        await asyncio.sleep(0)

    @leaves("jobs")
    async def test_job_that_runs(self) -> None:
        self.job = asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.5)

    @leaves("signals")
    async def test_signal_handler_of_the_loop(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, KEPT.clear)

    # The process ---------------------------------------------------------------------------------

    @leaves("threads")
    async def test_thread_that_runs(self) -> None:
        go_on = threading.Event()
        KEPT.append(go_on)
        threading.Thread(target=go_on.wait, daemon=True).start()

    @leaves("threads")
    async def test_thread_pool_that_is_not_shut_down(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self.pool = ThreadPoolExecutor(1)
        await asyncio.get_running_loop().run_in_executor(self.pool, time.monotonic)

    @leaves("processes")
    async def test_process_of_asyncio_that_runs(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "input()", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    @leaves("processes")
    async def test_process_that_runs(self) -> None:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        KEPT.extend([process, process.stdin])

    @leaves("files")
    async def test_descriptor_left_open(self) -> None:
        KEPT.append(os.fdopen(os.dup(2), "w"))

    @leaves("files")
    async def test_file_that_is_gone(self) -> None:
        open(os.devnull)  # noqa: SIM115 - that is the leak

    @leaves("resources")
    async def test_folder_that_is_gone(self) -> None:
        tempfile.TemporaryDirectory()

    @leaves("resources")
    async def test_library_that_warns_of_a_resource(self) -> None:
        warnings.warn("the pool was not closed", ResourceWarning, stacklevel=1)

    @leaves("signals")
    async def test_signal_handler(self) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: None)

    @leaves("loops")
    async def test_loop_that_is_not_closed(self) -> None:
        self.other = asyncio.new_event_loop()

    @leaves("loops")
    async def test_loop_that_is_gone(self) -> None:
        asyncio.new_event_loop()

    # On request ----------------------------------------------------------------------------------

    @leaves("environ")
    async def test_environment_that_is_changed(self) -> None:
        os.environ["LEFT_BY_A_TEST"] = "yes"

    @leaves("modules")
    async def test_module_that_is_replaced(self) -> None:
        sys.modules["left_by_a_test"] = sys

    @leaves("logging")
    async def test_logger_that_is_changed(self) -> None:
        logging.getLogger("left_by_a_test").setLevel(logging.DEBUG)


def _add_neighbours() -> None:
    """Put an innocent test right behind each one that leaks."""

    async def innocent(self: AsyncTestCase) -> None:
        await asyncio.sleep(0)

    for name in list(EXPECTED):
        setattr(LeakingTests, f"{name}_zz_neighbour", innocent)


_add_neighbours()

if __name__ == "__main__":
    unittest.main()
