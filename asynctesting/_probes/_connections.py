"""Probes of how connections are made, kept and shared."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

import aiohttp
from aiohttp import web

from ._base import NotApplicable, Stage, check, probe, same
from ._requests import URL, hello

__unittest = True


@probe
async def a_connection_is_kept_alive(stage: Stage) -> None:
    """Two requests one after the other share one, two at once do not."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.001)
        return web.Response()

    async def get() -> None:
        async with session.get(URL) as response:
            await response.read()

    await stage.serve(handler)
    session = await stage.session()
    for _ in range(2):
        await get()
    same([c.number for c in stage.network.connections], [1])
    await asyncio.gather(get(), get())
    same([c.number for c in stage.network.connections], [1, 2])


@probe
async def the_pool_has_its_limit(stage: Stage) -> None:
    """No more requests are under way at once than the connector allows."""
    now = most = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return web.Response()

    async def get() -> None:
        async with session.get(URL):
            pass

    await stage.serve(handler)
    session = await stage.session(connector=aiohttp.TCPConnector(limit=3))
    await asyncio.gather(*(get() for _ in range(10)))
    same(most, 3)


@probe
async def traces_tell_of_names_and_connections(stage: Stage) -> None:
    """Those of DNS, too, since the name is really looked up."""
    told: list[str] = []
    config = aiohttp.TraceConfig()
    events = (
        *("on_request_start", "on_dns_resolvehost_start", "on_dns_resolvehost_end"),
        *("on_connection_create_start", "on_connection_create_end", "on_request_end"),
    )
    for name in events:

        async def note(*args: Any, name: str = name) -> None:
            told.append(name)

        getattr(config, name).append(note)
    await stage.serve(hello)
    session = await stage.session(trace_configs=[config])
    async with session.get(URL) as response:
        await response.read()
    same(sorted(told), sorted(events))


@probe
async def the_handler_sees_https(stage: Stage) -> None:
    """Although TLS is left out."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text=f"{request.scheme} {request.url}")

    await stage.serve(handler, port=443, tls=True)
    session = await stage.session()
    async with session.get("https://probe.test/") as response:
        same(await response.text(), "https https://probe.test/")


@probe
async def a_bad_certificate_is_refused(stage: Stage) -> None:
    """With real TLS, and as aiohttp's own kind of error; a good one is accepted."""
    if importlib.util.find_spec("trustme") is None:
        raise NotApplicable("trustme is not installed")
    await stage.serve(hello, port=443, tls=True)
    host = stage.network.host("probe.test").tls("real")
    session = await stage.session()
    async with session.get("https://probe.test/") as response:
        same(await response.text(), "hello")
    host.tls("wrong-host").reset_connections()
    session = await stage.session()
    try:
        await session.get("https://probe.test/")
    except aiohttp.ClientConnectorCertificateError:
        return
    raise AssertionError("a certificate for another host was accepted")


@probe
async def a_proxy_gets_the_whole_url(stage: Stage) -> None:
    """The client connects to the proxy, and asks it in the absolute form."""
    received = await stage.serve_bytes(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy", "proxy.test", 3128
    )
    session = await stage.session()
    async with session.get("http://far.test/x", proxy="http://proxy.test:3128") as response:
        same(await response.text(), "proxy")
    check(received[0].startswith(b"GET http://far.test/x HTTP/1.1\r\n"), repr(received[0]))


@probe
async def a_session_from_before_is_served(stage: Stage) -> None:
    """One that was made before there was a network; what it keeps is closed with the network."""
    network = stage.network
    network.shut_down()
    session = await stage.session()
    async with network:
        await stage.serve(hello)
        async with session.get(URL) as response:
            same(await response.text(), "hello")
        same(len(network.connections), 1)
    same(network.connections, [])


@probe
async def an_address_needs_no_name(stage: Stage) -> None:
    """Of either family."""
    for address, url in (
        ("203.0.113.7", "http://203.0.113.7/"),
        ("2001:db8::7", "http://[2001:db8::7]/"),
    ):
        await stage.serve(hello, address)
        session = await stage.session()
        async with session.get(url) as response:
            same(await response.text(), "hello")


@probe
async def client_middlewares_run(stage: Stage) -> None:
    """Around a request that really goes out."""
    parameters = aiohttp.ClientSession.__init__.__kwdefaults__ or {}
    if "middlewares" not in parameters:
        raise NotApplicable("this aiohttp has none")

    async def sign(request: Any, handler: Any) -> Any:
        request.headers["X-Signed"] = "yes"
        return await handler(request)

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text=request.headers.get("X-Signed", "no"))

    await stage.serve(handler)
    session = await stage.session(middlewares=(sign,))
    async with session.get(URL) as response:
        same(await response.text(), "yes")
