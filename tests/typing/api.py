"""User code that must type-check under ``mypy --strict``, and never runs.

A comment that silences an error is a promise as well: strict mypy complains of one that silences
nothing, so each of them stands where a mistake must be seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import unittest
from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type
from unittest.mock import call

import aiohttp
from aiohttp import web
from yarl import URL

import asynctesting
from asynctesting import (
    AsyncTestCase,
    AsyncTestingError,
    HTTPNetwork,
    LeakError,
    LeakWarning,
    MemoryNetwork,
    NotCheckedWarning,
    SettingError,
    SilentPassError,
    TimeLimitError,
    timeout,
)
from asynctesting.aioresponses import CallbackResult, RequestCall, aioresponses
from asynctesting.http import Call, Server, Stub, partial
from asynctesting.mocks import AsyncMock, MagicMock
from asynctesting.network import Connection, CutSweep, MemoryHost, cut_sweep


@contextlib.asynccontextmanager
async def database() -> AsyncIterator[dict[str, int]]:
    yield {}


@contextlib.contextmanager
def folder() -> Iterator[str]:
    yield "folder"


def make_loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


async def close(name: str, *, hard: bool = False) -> None: ...


class StoreTests(AsyncTestCase):
    """Everything that a drop-in must let one write."""

    timeout = 5
    leaks = {"tasks": "warn"}
    allowed_leaks = {"tasks": "poll-*"}
    loop_debug = True
    loop_factory = asyncio.SelectorEventLoop

    rows: dict[str, int]

    def setUp(self) -> None:
        self.path = self.enterContext(folder())
        assert_type(self.path, str)

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.rows = await self.enterAsyncContext(database())
        assert_type(await self.enterAsyncContext(database()), dict[str, int])
        self.addAsyncCleanup(close, "store", hard=True)
        self.addAsyncCleanup(close, 1)  # type: ignore[arg-type]
        self.addCleanup(print, "done")

    async def test_rows(self) -> None:
        self.assertEqual(self.rows, {})
        with self.subTest(row=1):
            await asyncio.sleep(0)
        self.loop.call_soon(print, "hello")

    def test_sync(self) -> None:
        self.assertEqual(self.id(), "test_sync")

    async def asyncTearDown(self) -> None:
        await super().asyncTearDown()


class FactoryTests(AsyncTestCase):
    timeout = None
    loop_factory = staticmethod(make_loop)

    # The bare name would be the class attribute above.
    @asynctesting.timeout(0.5)
    async def test_quick(self) -> int | None:
        return None

    @asynctesting.timeout(None)
    def test_slow(self) -> None: ...


@timeout(30)
class SlowTests(StoreTests):
    async def test_more(self) -> None:
        await self.test_rows()


class WrongTests(AsyncTestCase):
    timeout = "5"  # type: ignore[assignment]
    leaks = 3  # type: ignore[assignment]


async def bare(self: Any) -> None: ...


# The decorator gives back what it was given.
assert_type(timeout(1)(SlowTests), type[SlowTests])
assert_type(timeout(1)(make_loop)(), asyncio.AbstractEventLoop)
timeout("5")  # type: ignore[arg-type]
timeout()  # type: ignore[call-arg]


def run(result: unittest.TestResult) -> None:
    case: unittest.IsolatedAsyncioTestCase = StoreTests("test_rows")
    assert_type(case.run(result), unittest.TestResult | None)
    case.debug()


def judge(error: AsyncTestingError) -> str:
    if isinstance(error, TimeLimitError):
        assert_type(error.limit, float | None)
        assert_type(error.phase, str)
        assert_type(error.waiting, tuple[str, ...])
    if isinstance(error, LeakError):
        assert_type(error.findings, tuple[str, ...])
    if isinstance(error, SilentPassError | SettingError | LeakWarning | NotCheckedWarning):
        return str(error)
    return asynctesting.__version__


def raise_them() -> None:
    raise TimeLimitError("too long", limit=5, phase="test", waiting=["one"])


def raise_wrongly() -> None:
    raise TimeLimitError("too long", 5)  # type: ignore[call-arg]


async def doubles() -> None:
    file = asynctesting.async_cm(["line"])
    async with file as lines:
        assert_type(lines, list[str])
    assert_type(file.exceptions, list[BaseException | None])
    async for chunk in asynctesting.async_iter([b"a"], raise_at={1: ConnectionResetError}):
        assert_type(chunk, bytes)
    rows = asynctesting.async_gen([1, 2], delay=0.5)
    async for row in rows:
        assert_type(row, int)
    async with contextlib.aclosing(rows) as closing:
        assert_type(await anext(closing), int)
    asynctesting.async_iter([1], raise_at={"1": KeyError})  # type: ignore[dict-item]
    asynctesting.async_iter(1)  # type: ignore[arg-type]


async def mocking() -> None:
    store = asynctesting.autospec(StoreTests, instance=True, checkpoint=True, timeout=5)
    store.test_rows.return_value = None
    asynctesting.autospec(StoreTests, True)  # type: ignore[call-arg]
    send = AsyncMock(return_value=1, checkpoint=True, delay=0.5)
    await send("tea")
    send.assert_awaited_once_with("tea")
    send.assert_has_awaits([call("tea")], any_order=True)
    await send.wait_awaited(2)
    MagicMock().assert_all_awaited()
    AsyncMock(delay="1")  # type: ignore[arg-type]


async def use_a_network(case: AsyncTestCase) -> None:
    net = case.network()
    assert_type(net, HTTPNetwork)
    async with HTTPNetwork(tls="real", transport="loopback", strict=False) as other:
        assert_type(other, HTTPNetwork)
    host = net.host("https://a.test")
    stub = host.get("/", params={"a": 1}, json=partial({"b": 2})).respond(json=1).times(2)
    assert_type(stub, Stub)
    assert_type(stub.call, Call)
    exchange = await host.next_request(timeout=1)
    exchange.respond(503)
    server = await net.serve(web.Application(), "http://b.test")
    assert_type(server, Server)
    assert_type(server.assert_raised(ValueError), ValueError)
    net.host(1)  # type: ignore[arg-type]
    HTTPNetwork(tls="none")  # type: ignore[arg-type]


async def use_a_memory_network() -> None:
    with MemoryNetwork(tls="real", transport="loopback") as net:
        host = net.host("a.test", addresses=["192.0.2.7"]).link(latency=0.1).tls("expired")
        assert_type(host, MemoryHost)
        await net.listen(asyncio.Protocol, "a.test", 80)
        net.pass_through("b.test", port=80)
        assert_type(net.connections, list[Connection])
        assert_type(await cut_sweep(host, responses, errors=OSError), CutSweep)
    net.host(1)  # type: ignore[arg-type]
    host.tls("none")  # type: ignore[arg-type]


async def responses() -> None:
    response = await asynctesting.http_response(404, json={}, url="http://shop.test/")
    assert_type(response, aiohttp.ClientResponse)
    with asynctesting.mock_client_session("shop.payments") as session:
        session.get.respond(503).respond(json=1)
    await asynctesting.http_response("404")  # type: ignore[arg-type]


async def leaving() -> None:
    with aioresponses(passthrough=["http://127.0.0.1"], strict=True) as m:
        m.get("http://shop.test/", payload={"a": 1}, repeat=3)
        m.post(re.compile("http://.*"), exception=ConnectionResetError)
        m.add("http://shop.test/", "PUT", callback=lambda url, **kwargs: CallbackResult(status=201))
        m.assert_called_once_with("http://shop.test/", json=1)
        assert_type(m.requests["GET", URL("http://shop.test/")][0], RequestCall)
        m.get(1)  # type: ignore[arg-type]


@aioresponses()
def decorated(m: aioresponses) -> int:
    return 1


assert_type(decorated(aioresponses()), int)
