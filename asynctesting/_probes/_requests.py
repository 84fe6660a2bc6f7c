"""Probes of requests and answers: what was sent is what was meant, and the other way round."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from ._base import Stage, check, probe, same

__unittest = True

URL = "http://probe.test/"


async def hello(request: web.Request) -> web.StreamResponse:
    """Say hello."""
    return web.Response(text="hello")


@probe
async def headers_and_bytes_on_the_wire(stage: Stage) -> None:
    """The request is bytes that a server without aiohttp can read, and its answer is parsed."""
    received = await stage.serve_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    session = await stage.session()
    async with session.get(f"{URL}a?b=c", headers={"X-Own": "1"}) as response:
        same(await response.text(), "hi")
    lines = received[0].split(b"\r\n")
    same(lines[0], b"GET /a?b=c HTTP/1.1")
    check(b"Host: probe.test" in lines and b"X-Own: 1" in lines, f"headers: {lines}")


@probe
async def an_invalid_header_is_rejected(stage: Stage) -> None:
    """By the client's own serializer, before anything is sent."""
    await stage.serve(hello)
    session = await stage.session()
    try:
        await session.get(URL, headers={"X-Bad": "a\r\nb"})
    except (ValueError, aiohttp.ClientError):
        return
    raise AssertionError("a header with a line break was sent")


@probe
async def no_foreign_headers(stage: Stage) -> None:
    """The handler sees what the client sends by itself, and nothing of ours."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.extend(request.headers)
        return web.Response()

    await stage.serve(handler)
    session = await stage.session()
    async with session.get(URL):
        pass
    same(sorted(seen), ["Accept", "Accept-Encoding", "Host", "User-Agent"])


@probe
async def paths_and_queries_arrive_as_written(stage: Stage) -> None:
    """Quoting and repeated keys included."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response([request.path, request.query.getall("k")])

    await stage.serve(handler)
    session = await stage.session()
    async with session.get(f"{URL}a%20b/c", params=[("k", "1"), ("k", "x y")]) as response:
        same(await response.json(), ["/a b/c", ["1", "x y"]])


@probe
async def json_there_and_back(stage: Stage) -> None:
    """With status and content type."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({"got": await request.json()}, status=201)

    await stage.serve(handler)
    session = await stage.session()
    async with session.post(URL, json={"a": [1, None]}) as response:
        same((response.status, await response.json()), (201, {"got": {"a": [1, None]}}))


@probe
async def cookies_reach_the_jar(stage: Stage) -> None:
    """And come back with the next request."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.Response(text=request.cookies.get("seen", "never"))
        response.set_cookie("seen", "once")
        return response

    await stage.serve(handler)
    session = await stage.session()
    answers = []
    for _ in range(2):
        async with session.get(URL) as response:
            answers.append(await response.text())
    same(answers, ["never", "once"])


@probe
async def compression_is_decoded(stage: Stage) -> None:
    """The client says what it takes, the server compresses, the client reads plain text."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.Response(text="long " * 1000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    await stage.serve(handler)
    session = await stage.session()
    async with session.get(URL) as response:
        same(response.headers["Content-Encoding"], "gzip")
        same(await response.text(), "long " * 1000)


@probe
async def multipart_is_parsed(stage: Stage) -> None:
    """Fields and files, by the server's own reader."""

    async def handler(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        upload = form["file"]
        assert isinstance(upload, web.FileField)
        return web.json_response([form["field"], upload.filename, upload.file.read().decode()])

    await stage.serve(handler)
    session = await stage.session()
    data = aiohttp.FormData({"field": "value"})
    data.add_field("file", b"content", filename="f.txt")
    async with session.post(URL, data=data) as response:
        same(await response.json(), ["value", "f.txt", "content"])


@probe
async def a_streamed_upload_is_consumed(stage: Stage) -> None:
    """From an asynchronous generator, in chunks, while it is being made."""

    async def handler(request: web.Request) -> web.StreamResponse:
        check("chunked" in request.headers["Transfer-Encoding"], "it is not chunked")
        return web.Response(body=await request.read())

    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one ", b"two ", b"three"):
            yield part
            await asyncio.sleep(0)

    await stage.serve(handler)
    session = await stage.session()
    async with session.post(URL, data=parts()) as response:
        same(await response.read(), b"one two three")


@probe
async def an_upload_of_5_mb_arrives(stage: Stage) -> None:
    """Whole, through flow control."""
    size = 5_000_000

    async def handler(request: web.Request) -> web.StreamResponse:
        count = 0
        async for chunk in request.content.iter_any():
            count += len(chunk)
        return web.Response(text=str(count))

    await stage.serve(handler)
    session = await stage.session()
    async with session.post(URL, data=io.BytesIO(bytes(size))) as response:
        same(await response.text(), str(size))


@probe
async def a_reader_that_waits_holds_the_writer(stage: Stage) -> None:
    """Back-pressure goes through: a server can't write a long body to nobody."""
    written = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                await response.write(bytes(64 * 1024))
                written += 1
        return response

    await stage.serve(handler)
    session = await stage.session()
    async with session.get(URL) as response:
        for _ in range(200):
            await asyncio.sleep(0)
        check(0 < written < 200, f"{written} of 1000 chunks were written")
        response.close()


@probe
async def a_stream_is_read_while_it_is_written(stage: Stage) -> None:
    """Each chunk is there before the next one is made."""
    more = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in (b"first", b"second"):
            await response.write(part)
            await more.wait()
            more.clear()
        return response

    await stage.serve(handler)
    session = await stage.session()
    async with session.get(URL) as response:
        for part in (b"first", b"second"):
            same(await response.content.readany(), part)
            more.set()
        same(await response.read(), b"")


@probe
async def a_redirect_to_another_host_drops_the_password(stage: Stage) -> None:
    """As the client's own rules want it."""

    async def here(request: web.Request) -> web.StreamResponse:
        check("Authorization" in request.headers, "the first host got no password")
        raise web.HTTPFound("http://other.test/there")

    async def there(request: web.Request) -> web.StreamResponse:
        return web.json_response([request.host, request.path, request.headers.get("Authorization")])

    await stage.serve(here)
    await stage.serve(there, "other.test")
    session = await stage.session()
    secret = {"Authorization": "Basic bWU6c2VjcmV0"}
    async with session.get(URL, headers=secret) as response:
        same(await response.json(), ["other.test", "/there", None])
        same([r.status for r in response.history], [302])


@probe
async def a_307_keeps_method_and_body(stage: Stage) -> None:
    """Where a 302 makes a GET of it."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            raise web.HTTPTemporaryRedirect("/again")
        return web.json_response([request.method, await request.text()])

    await stage.serve(handler)
    session = await stage.session()
    async with session.post(URL, data="body") as response:
        same(await response.json(), ["POST", "body"])


@probe
async def a_websocket_talks_compressed(stage: Stage) -> None:
    """Text and bytes, with the extension negotiated."""

    async def handler(request: web.Request) -> web.StreamResponse:
        server = web.WebSocketResponse()
        await server.prepare(request)
        check(server.compress, "no compression was negotiated")
        async for message in server:
            if message.type is aiohttp.WSMsgType.TEXT:
                await server.send_str(message.data.upper())
            else:
                await server.send_bytes(message.data[::-1])
        return server

    await stage.serve(handler)
    session = await stage.session()
    async with session.ws_connect(URL, compress=15) as client:
        await client.send_str("hello " * 1000)
        same(await client.receive_str(), "HELLO " * 1000)
        await client.send_bytes(b"abc")
        same(await client.receive_bytes(), b"cba")


@probe
async def a_websocket_is_closed_with_its_code(stage: Stage) -> None:
    """From the server's side."""

    async def handler(request: web.Request) -> web.StreamResponse:
        server = web.WebSocketResponse()
        await server.prepare(request)
        await server.close(code=4000, message=b"enough")
        return server

    await stage.serve(handler)
    session = await stage.session()
    async with session.ws_connect(URL) as client:
        message = await client.receive()
        same((message.type, client.close_code), (aiohttp.WSMsgType.CLOSE, 4000))


@probe
async def the_test_client_works_unmodified(stage: Stage) -> None:
    """Server and client of ``aiohttp.test_utils``, in memory."""
    app = web.Application()
    app.router.add_get("/", hello)
    async with TestClient(TestServer(app)) as client:
        async with client.get("/") as response:
            same(await response.text(), "hello")
        same(len(stage.network.connections), 1)
