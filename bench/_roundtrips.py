"""One contender does one job in a fresh process, and prints what it cost.

    python bench/_roundtrips.py CONTENDER JOB COUNT

A contender is how a test reaches an HTTP server; a job is what is done over it. What is measured
is the CPU time of the process, in which both client and server run, from after a warm-up on.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

MIB = 1024 * 1024
LONG = bytes(MIB)
AT_ONCE = 100
HOST = "http://shop.test"
ANSWER = {"price": 3, "currency": "EUR"}


def make_app() -> Any:
    """Return the application that every contender asks: a small answer, and a long stream."""
    from aiohttp import web

    async def price(request: web.Request) -> web.Response:
        return web.json_response(ANSWER)

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(16):
            await response.write(bytes(MIB // 16))
        return response

    app = web.Application()
    app.router.add_get("/price", price)
    app.router.add_get("/stream", stream)
    return app


# Contenders: how to reach it. Each yields a session and the URL to put before paths. ------------


@contextlib.asynccontextmanager
async def app_in_memory() -> AsyncIterator[tuple[Any, str]]:
    """Our network serves the application, and a plain session asks it."""
    from asynctesting.http import HTTPNetwork

    async with HTTPNetwork() as net:
        await net.serve(make_app(), HOST)
        yield net.client(), HOST


@contextlib.asynccontextmanager
async def network_alone() -> AsyncIterator[tuple[Any, str]]:
    """The network without our log and verdict: aiohttp's own runner, site and session."""
    import aiohttp
    from aiohttp import web

    from asynctesting._network import MemoryNetwork

    async with MemoryNetwork() as network:
        network.host("shop.test")
        runner = web.AppRunner(make_app())
        await runner.setup()
        await web.TCPSite(runner, "shop.test", 80).start()
        async with aiohttp.ClientSession() as session:
            yield session, HOST
        await runner.cleanup()


@contextlib.asynccontextmanager
async def stubs_in_memory() -> AsyncIterator[tuple[Any, str]]:
    """Our network answers by a stub."""
    from asynctesting.http import HTTPNetwork

    async with HTTPNetwork() as net:
        host = net.host(HOST)
        host.get("/price").respond(json=ANSWER).repeat().optional()
        host.get("/stream").respond(body=LONG).repeat().optional()
        yield net.client(), HOST


@contextlib.asynccontextmanager
async def test_client() -> AsyncIterator[tuple[Any, str]]:
    """aiohttp's own test client and server, over loopback."""
    from aiohttp.test_utils import TestClient, TestServer

    async with TestClient(TestServer(make_app())) as client:
        yield client, ""


@contextlib.asynccontextmanager
async def test_client_in_memory() -> AsyncIterator[tuple[Any, str]]:
    """The same two, unmodified, on our network."""
    from asynctesting._network import MemoryNetwork

    async with MemoryNetwork(), test_client() as reached:
        yield reached


@contextlib.asynccontextmanager
async def aioresponses_mock() -> AsyncIterator[tuple[Any, str]]:
    """The mock that most suites use: no server, and no client below the session either."""
    import aiohttp
    from aioresponses import aioresponses

    with aioresponses() as mock:
        mock.get(f"{HOST}/price", payload=ANSWER, repeat=True)
        mock.get(f"{HOST}/stream", body=LONG, repeat=True)
        async with aiohttp.ClientSession() as session:
            yield session, HOST


# Jobs: what is done. Each returns how often it was done. ----------------------------------------


async def get(session: Any, url: str) -> None:
    """Get the small answer, whole."""
    async with session.get(url) as response:
        if await response.json() != ANSWER:
            raise SystemExit("a wrong answer")


async def sequential(reach: Any, count: int) -> float:
    """Ask one request after the other; return CPU seconds for one."""
    async with reach() as (session, base):
        for _ in range(20):
            await get(session, f"{base}/price")
        begin = time.process_time()
        for _ in range(count):
            await get(session, f"{base}/price")
        return (time.process_time() - begin) / count


async def at_once(reach: Any, count: int) -> float:
    """Ask requests of which a hundred are under way; return CPU seconds for one."""
    async with reach() as (session, base):
        await asyncio.gather(*(get(session, f"{base}/price") for _ in range(AT_ONCE)))
        begin = time.process_time()
        for _ in range(count // AT_ONCE):
            await asyncio.gather(*(get(session, f"{base}/price") for _ in range(AT_ONCE)))
        return (time.process_time() - begin) / (count // AT_ONCE * AT_ONCE)


async def entered_and_left(reach: Any, count: int) -> float:
    """Set up, ask once and tear down, again and again in one loop; return CPU seconds for it."""
    begin = 0.0
    for number in range(-10, count):
        if number == 0:
            begin = time.process_time()
        async with reach() as (session, base):
            await get(session, f"{base}/price")
    return (time.process_time() - begin) / count


async def stream(reach: Any, count: int) -> float:
    """Read a mebibyte in chunks; return CPU seconds for one."""
    async with reach() as (session, base):
        begin = 0.0
        for number in range(-2, count):
            if number == 0:
                begin = time.process_time()
            size = 0
            async with session.get(f"{base}/stream") as response:
                async for chunk in response.content.iter_any():
                    size += len(chunk)
            if size != MIB:
                raise SystemExit("a short stream")
        return (time.process_time() - begin) / count


# Bare streams: the network alone. ---------------------------------------------------------------


@contextlib.asynccontextmanager
async def streams() -> AsyncIterator[tuple[Any, Any]]:
    """Connect to a server that sends back what comes, over loopback."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield reader, writer
    writer.close()
    await writer.wait_closed()
    server.close()


@contextlib.asynccontextmanager
async def streams_in_memory() -> AsyncIterator[tuple[Any, Any]]:
    """The same, in memory."""
    from asynctesting._network import MemoryNetwork

    async with MemoryNetwork(), streams() as both:
        yield both


async def lines(reach: Any, count: int) -> float:
    """Send lines there and back; return CPU seconds for one."""
    async with reach() as (reader, writer):
        begin = 0.0
        for number in range(-50, count):
            if number == 0:
                begin = time.process_time()
            writer.write(b"a line of no great length\n")
            await reader.readline()
        return (time.process_time() - begin) / count


async def bulk(reach: Any, count: int) -> float:
    """Send mebibytes there and back; return CPU seconds for one."""
    data = bytes(MIB)
    async with reach() as (reader, writer):
        begin = 0.0
        for number in range(-2, count):
            if number == 0:
                begin = time.process_time()
            writer.write(data)
            await reader.readexactly(MIB)
        return (time.process_time() - begin) / count


Reach = Callable[[], contextlib.AbstractAsyncContextManager[tuple[Any, Any]]]

HTTP: dict[str, Reach] = {
    "ours, application": app_in_memory,
    "ours, stub": stubs_in_memory,
    "network alone": network_alone,
    "TestClient": test_client,
    "TestClient on ours": test_client_in_memory,
    "aioresponses": aioresponses_mock,
}
STREAMS: dict[str, Reach] = {"ours, streams": streams_in_memory, "loopback streams": streams}
CONTENDERS: dict[str, Reach] = {**HTTP, **STREAMS}

Job = Callable[[Any, int], Awaitable[float]]
HTTP_JOBS: dict[str, Job] = {
    "sequential": sequential,
    "100 at once": at_once,
    "entered and left": entered_and_left,
    "1 MiB stream": stream,
}
#: The one job that is not done in a loop that runs already; see ``_roundtrip_tests.py``.
WHOLE_TEST = "whole test"
STREAM_JOBS: dict[str, Job] = {"line": lines, "1 MiB": bulk}
JOBS: dict[str, Job] = {**HTTP_JOBS, **STREAM_JOBS}


if __name__ == "__main__":
    _, contender, job, number = sys.argv
    if job == WHOLE_TEST:
        from _roundtrip_tests import run_whole_tests

        print(run_whole_tests(contender, int(number)))
    else:
        print(asyncio.run(JOBS[job](CONTENDERS[contender], int(number))))  # type: ignore[arg-type]
