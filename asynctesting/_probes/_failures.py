"""Probes of what goes wrong: each time the client raises what it raises in the field."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import web

from ._base import Stage, check, probe, same
from ._requests import URL

__unittest = True

# Far above what anything here takes, and little enough to wait for.
_SHORT = 0.05


@probe
async def the_total_time_limit_strikes(stage: Stage) -> None:
    """While the handler does not answer."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return web.Response()

    await stage.serve(handler)
    session = await stage.session(timeout=aiohttp.ClientTimeout(total=_SHORT))
    try:
        await session.get(URL)
    except asyncio.TimeoutError:  # noqa: UP041 - aiohttp's own is a subclass of it
        return
    raise AssertionError("no time limit struck")


@probe
async def the_read_time_limit_strikes(stage: Stage) -> None:
    """In the middle of a body."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"some")
        await asyncio.sleep(3600)
        return response

    await stage.serve(handler)
    session = await stage.session(timeout=aiohttp.ClientTimeout(sock_read=_SHORT))
    async with session.get(URL) as response:
        try:
            await response.read()
        except aiohttp.ServerTimeoutError:
            return
    raise AssertionError("no time limit struck")


@probe
async def a_refused_port_is_a_connector_error(stage: Stage) -> None:
    """With the system's errno."""
    stage.network.host("probe.test")
    session = await stage.session()
    try:
        await session.get(URL)
    except aiohttp.ClientConnectorError as error:
        check(isinstance(error.os_error, ConnectionRefusedError), repr(error.os_error))
        same((error.host, error.port), ("probe.test", 80))
        return
    raise AssertionError("a connection was made")


@probe
async def an_unknown_name_is_a_dns_error(stage: Stage) -> None:
    """The most precise kind that the installed aiohttp has; the attempt is recorded."""
    expected = getattr(aiohttp, "ClientConnectorDNSError", aiohttp.ClientConnectorError)
    session = await stage.session()
    try:
        await session.get("http://nobody.test/")
    except expected:
        same([each.host for each in stage.network.undeclared], ["nobody.test"])
        return
    raise AssertionError("the name was found")


@probe
async def a_reset_in_the_body_is_a_payload_error(stage: Stage) -> None:
    """After what came through."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"
    await stage.serve_bytes(answer, then="reset")
    session = await stage.session()
    async with session.get(URL) as response:
        same(await response.content.readany(), b"some")
        try:
            await response.read()
        except (aiohttp.ClientPayloadError, aiohttp.ClientOSError):
            return
    raise AssertionError("half a body was taken for a whole one")


@probe
async def a_disconnect_before_the_answer_is_its_own_error(stage: Stage) -> None:
    """``ServerDisconnectedError``, from an aiohttp server whose handler closes the connection."""

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    await stage.serve(handler)
    session = await stage.session()
    try:
        await session.post(URL)
    except aiohttp.ServerDisconnectedError:
        return
    raise AssertionError("there was an answer")


@probe
async def a_malformed_status_line_is_a_response_error(stage: Stage) -> None:
    """Found by the client's own parser."""
    await stage.serve_bytes(b"HTTP/1.1 two hundred\r\n\r\n")
    session = await stage.session()
    try:
        await session.get(URL)
    except aiohttp.ClientResponseError:
        return
    raise AssertionError("it was taken for an answer")
