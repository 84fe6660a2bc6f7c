"""ASGI applications on a wire: lifespan and state, streams, disconnects, websockets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import unittest
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from asynctesting import AsyncTestCase, VirtualClockMixin
from asynctesting.asgi import LifespanError, lifespan
from asynctesting.http import Server
from tests.support import run_case

try:
    import httpx
    import websockets
    from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
    from starlette.responses import StreamingResponse
except ImportError:
    FastAPI = None  # type: ignore[assignment,misc]


def complete(phase: str) -> dict[str, str]:
    return {"type": f"lifespan.{phase}.complete"}


class Bare:
    """An application that is a list of messages, without a framework."""

    def __init__(self, *messages: dict[str, Any], before: Any = None) -> None:
        self.messages = messages
        self.before = before
        self.scopes: list[Any] = []
        self.received: list[Any] = []
        self.errors: list[BaseException] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "lifespan":
            raise AssertionError("there is no lifespan here")
        try:
            if self.before is not None:
                await self.before(self, receive, send)
            for message in self.messages:
                await send(message)
        except OSError as error:
            self.errors.append(error)
            raise


START: dict[str, Any] = {"type": "http.response.start", "status": 200}


def body(data: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


class BridgeTests(AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.net = self.network()

    async def serve(self, app: Any, **options: Any) -> aiohttp.ClientSession:
        self.server: Server = await self.net.serve_asgi(app, "https://api.test", **options)
        return self.server.client()

    async def test_the_scope(self) -> None:
        """As the specification has it, with the scheme that the client meant."""
        app = Bare(START, body(b"tea"))
        client = await self.serve(app)

        async with client.put("/caf%C3%A9%2F?q=a%20b", headers={"X-Y": "z"}) as response:
            self.assertEqual(await response.read(), b"tea")

        _, scope = app.scopes
        self.assertEqual(scope["type"], "http")
        self.assertEqual(scope["asgi"]["version"], "3.0")
        self.assertEqual((scope["http_version"], scope["method"]), ("1.1", "PUT"))
        self.assertEqual(scope["scheme"], "https")
        self.assertEqual(scope["path"], "/café/")
        self.assertEqual((scope["raw_path"], scope["query_string"]), (b"/caf%C3%A9%2F", b"q=a%20b"))
        self.assertIn((b"x-y", b"z"), scope["headers"])
        self.assertIn((b"host", b"api.test"), scope["headers"])
        self.assertEqual((scope["root_path"], scope["server"][1]), ("", 443))
        self.assertNotIn("state", scope)

    async def test_status_and_headers(self) -> None:
        """Several headers of one name stay several."""
        start = {
            **START,
            "status": 418,
            "headers": [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-pot", b"\xe9")],
        }
        client = await self.serve(Bare(start, body(b"")))

        async with client.get("/") as response:
            self.assertEqual(response.status, 418)
            self.assertEqual(response.headers.getall("Set-Cookie"), ["a=1", "b=2"])
            self.assertEqual(set(response.cookies), {"a", "b"})

    async def test_head(self) -> None:
        """It has the headers of a GET, and no body."""
        start = {**START, "headers": [(b"content-length", b"5")]}
        client = await self.serve(Bare(start, body(b"12345")))

        async with client.head("/") as response:
            self.assertEqual(response.headers["Content-Length"], "5")
            self.assertEqual(await response.read(), b"")
        async with client.get("/") as response:
            self.assertEqual(await response.read(), b"12345")

    async def test_the_body_arrives_in_parts(self) -> None:
        """The application reads an upload while it is sent."""
        sizes: list[int] = []

        async def read(app: Bare, receive: Any, send: Any) -> None:
            more = True
            while more:
                message = await receive()
                sizes.append(len(message["body"]))
                more = message["more_body"]

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(5):
                yield b"x" * 100_000

        client = await self.serve(Bare(START, body(b""), before=read))
        async with client.post("/", data=chunks()) as response:
            self.assertEqual(response.status, 200)

        self.assertEqual(sum(sizes), 500_000)
        self.assertGreater(len(sizes), 1)

    async def test_the_first_chunk_comes_before_the_last_is_made(self) -> None:
        """Where other in-process transports wait for the end."""
        go_on = asyncio.Event()

        async def talk(app: Bare, receive: Any, send: Any) -> None:
            await send(START)
            await send(body(b"first", more=True))
            await go_on.wait()

        client = await self.serve(Bare(body(b"last"), before=talk))
        async with client.get("/") as response:
            self.assertEqual(await response.content.readany(), b"first")
            go_on.set()
            self.assertEqual(await response.read(), b"last")

    async def test_a_client_that_leaves(self) -> None:
        """The application hears of it, and may not send any more."""
        heard = asyncio.Event()

        async def listen(app: Bare, receive: Any, send: Any) -> None:
            await send(START)
            await send(body(b"first", more=True))
            app.received += [await receive(), await receive()]
            heard.set()

        app = Bare(body(b"too late"), before=listen)
        client = await self.serve(app)
        async with client.get("/") as response:
            await response.content.readany()
            response.close()
            await heard.wait()

        self.assertEqual(app.received[1]["type"], "http.disconnect")
        await asyncio.sleep(0)
        self.assertIsInstance(app.errors[0], OSError)

    async def test_an_exception(self) -> None:
        """A 500, which the verdict tells unless the test asks for it."""

        async def crash(app: Bare, receive: Any, send: Any) -> None:
            raise ZeroDivisionError("no tea left")

        client = await self.serve(Bare(before=crash))
        with self.assertLogs("aiohttp.server"):
            async with client.get("/") as response:
                self.assertEqual(response.status, 500)

        self.server.assert_raised(ZeroDivisionError, "no tea")

    async def test_an_exception_in_the_middle(self) -> None:
        """The response breaks, as it would behind any server."""

        async def crash(app: Bare, receive: Any, send: Any) -> None:
            await send(START)
            await send(body(b"first", more=True))
            raise ZeroDivisionError

        client = await self.serve(Bare(before=crash))
        with self.assertLogs("aiohttp.server"), self.assertRaises(aiohttp.ClientError):
            async with client.get("/") as response:
                await response.read()

        self.server.assert_raised(ZeroDivisionError)

    async def test_applications_that_break_the_rules(self) -> None:
        """The exception says which."""
        for messages, text in (
            ((), "returned without a response"),
            ((START, START), "started its response twice"),
            ((body(b""),), "a body before 'http.response.start'"),
            ((START, body(b""), body(b"")), "a body after the last one"),
            ((START, body(b"", more=True)), "in the middle of its response"),
            (({"type": "http.nonsense"},), "'http.nonsense', which HTTP has no use for"),
        ):
            with self.subTest(text):
                url = f"http://{abs(hash(text))}.test"
                server = await self.net.serve_asgi(Bare(*messages), url)
                with self.assertLogs("aiohttp.server"), contextlib.suppress(aiohttp.ClientError):
                    async with server.client().post("/") as response:
                        await response.read()
                server.assert_raised(RuntimeError, text)

    async def test_what_is_no_application(self) -> None:
        """aiohttp's go another way, and other things none."""
        with self.assertRaisesRegex(TypeError, r"serve\(app, url\)"):
            self.net.serve_asgi(aiohttp.web.Application(), "http://a.test")  # type: ignore
        with self.assertRaisesRegex(TypeError, "called with scope, receive and send"):
            self.net.serve_asgi(None, "http://a.test")  # type: ignore


class LifespanTests(unittest.IsolatedAsyncioTestCase):
    async def test_startup_and_shutdown(self) -> None:
        """In one task, with state on the way."""
        seen: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(await receive())
            scope["state"]["n"] = 1
            await send(complete("startup"))
            seen.append(await receive())
            await send(complete("shutdown"))
            seen.append("ended")

        async with lifespan(app) as state:
            self.assertEqual(state, {"n": 1})
            self.assertEqual(seen, [{"type": "lifespan.startup"}])

        self.assertEqual(seen[1:], [{"type": "lifespan.shutdown"}, "ended"])

    async def test_an_application_of_aiohttp(self) -> None:
        """The same, for its startup and cleanup."""
        seen: list[str] = []

        async def context(app: aiohttp.web.Application) -> AsyncIterator[None]:
            seen.append("opened")
            yield
            seen.append("closed")

        app = aiohttp.web.Application()
        app.cleanup_ctx.append(context)

        async with lifespan(app) as same:
            self.assertIs(same, app)
            self.assertEqual(seen, ["opened"])
        self.assertEqual(seen, ["opened", "closed"])

    async def test_failing_phases(self) -> None:
        """With the application's own words."""
        for phase in ("startup", "shutdown"):

            async def app(scope: Any, receive: Any, send: Any, phase: str = phase) -> None:
                while True:
                    message = await receive()
                    current = message["type"].partition(".")[2]
                    if current == phase:
                        await send({"type": f"lifespan.{phase}.failed", "message": "no database"})
                        return
                    await send(complete(current))

            with (
                self.subTest(phase),
                self.assertRaisesRegex(LifespanError, f"the {phase} of .* has failed: no database"),
            ):
                async with lifespan(app):
                    pass

    async def test_an_exception_in_the_startup(self) -> None:
        """It is a bug of the application, and raised as it is."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            raise ConnectionError("no database")

        with self.assertRaisesRegex(ConnectionError, "no database"):
            async with lifespan(app):
                pass  # pragma: no cover

    async def test_no_lifespan(self) -> None:
        """Applications that refuse the scope, or return, go without."""

        async def refuses(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"

        async def returns(scope: Any, receive: Any, send: Any) -> None: ...

        for app in (refuses, returns):
            async with lifespan(app) as state:
                self.assertEqual(state, {})

    async def test_nonsense(self) -> None:
        """A message that nobody asked for."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start"})
            await receive()

        with self.assertRaisesRegex(LifespanError, "where 'lifespan.startup.complete' is due"):
            async with lifespan(app):
                pass  # pragma: no cover


@unittest.skipIf(FastAPI is None, "fastapi, httpx and websockets are not installed")
class FrameworkTests(VirtualClockMixin, AsyncTestCase):
    """FastAPI on Starlette, and the clients that are not aiohttp's."""

    async def asyncSetUp(self) -> None:
        self.seen: list[str] = []
        self.net = self.network()
        self.api: Server = await self.net.serve_asgi(self.make_app(), "http://api.test")
        self.client = self.api.client()

    def make_app(self) -> Any:
        @contextlib.asynccontextmanager
        async def life(app: Any) -> AsyncIterator[dict[str, str]]:
            self.seen.append("startup")
            yield {"greeting": "hello"}
            self.seen.append("shutdown")

        app = FastAPI(lifespan=life)

        @app.get("/greet/{name}")
        async def greet(name: str, request: Request) -> dict[str, str]:  # type: ignore[valid-type]
            return {"say": f"{request.state.greeting} {name}"}

        @app.get("/crash")
        async def crash() -> None:
            raise ZeroDivisionError("no tea left")

        @app.get("/ticks")
        async def ticks() -> Any:
            async def tick() -> AsyncIterator[str]:
                try:
                    while True:
                        yield "tick"
                        await asyncio.sleep(60)
                finally:
                    self.seen.append("left")

            return StreamingResponse(tick())

        @app.websocket("/echo")
        async def echo(socket: WebSocket) -> None:  # type: ignore[valid-type]
            await socket.accept(subprotocol="v1", headers=[(b"x-room", b"tea")])
            try:
                while True:
                    await socket.send_text(f"you said {await socket.receive_text()}")
            except WebSocketDisconnect as end:
                self.seen.append(f"code {end.code}")

        @app.websocket("/closed")
        async def closed(socket: WebSocket) -> None:  # type: ignore[valid-type]
            await socket.close()

        @app.websocket("/bye")
        async def bye(socket: WebSocket) -> None:  # type: ignore[valid-type]
            await socket.accept()
            await socket.send_bytes(b"bye")
            await socket.close(4001, "enough")

        return app

    async def test_state_of_the_lifespan(self) -> None:
        """Requests have it, and the shutdown runs when the network is left."""
        async with self.client.get("/greet/ada") as response:
            self.assertEqual(await response.json(), {"say": "hello ada"})
        self.assertEqual(self.seen, ["startup"])

        await self.net.leave()

        self.assertEqual(self.seen, ["startup", "shutdown"])

    async def test_httpx(self) -> None:
        """On the same wire, and on the test's own loop."""
        async with httpx.AsyncClient() as client:
            response = await client.get("http://api.test/greet/bob")

        self.assertEqual(response.json(), {"say": "hello bob"})

    async def test_a_time_out_of_httpx(self) -> None:
        """It strikes, as on a real network, and on a virtual clock at once."""
        slow = self.net.host("http://slow.test")
        slow.get("/").respond().delay(30)

        async with httpx.AsyncClient(timeout=5) as client:
            with self.assertRaises(httpx.ReadTimeout):
                await client.get("http://slow.test/")
        self.assertEqual(self.clock.elapsed, 5)

    async def test_an_endless_stream(self) -> None:
        """Chunk by chunk, and the application stops when its client leaves."""
        async with self.client.get("/ticks") as response:
            for _ in range(3):
                self.assertEqual(await response.content.readany(), b"tick")
            self.assertEqual(self.clock.elapsed, 120)
            response.close()
        await asyncio.sleep(61)
        gc.collect()  # Starlette leaves the closing of a generator to the collector
        await asyncio.sleep(1)

        self.assertEqual(self.seen, ["startup", "left"])

    async def test_websockets(self) -> None:
        """With a subprotocol, headers, and the code of the end."""
        async with self.client.ws_connect("/echo", protocols=["v1"]) as ws:
            await ws.send_str("tea")
            self.assertEqual(await ws.receive_str(), "you said tea")
            self.assertEqual(ws.protocol, "v1")
            await ws.close(code=4000)
        await asyncio.sleep(0.1)

        self.assertEqual(self.seen, ["startup", "code 4000"])

    async def test_the_websockets_library(self) -> None:
        """Another client."""
        async with websockets.connect("ws://api.test/echo") as ws:
            await ws.send("tea")
            self.assertEqual(await ws.recv(), "you said tea")

    async def test_a_websocket_that_is_refused(self) -> None:
        """As a 403 of the handshake."""
        with self.assertRaises(aiohttp.WSServerHandshakeError) as caught:
            await self.client.ws_connect("/closed")
        self.assertEqual(caught.exception.status, 403)

    async def test_a_websocket_that_the_application_closes(self) -> None:
        """With its code and reason."""
        async with self.client.ws_connect("/bye") as ws:
            self.assertEqual(await ws.receive_bytes(), b"bye")
            message = await ws.receive()
        self.assertEqual((message.data, message.extra), (4001, "enough"))

    async def test_exceptions(self) -> None:
        """Starlette answers with a 500 and raises again; both are kept."""
        with self.assertLogs("aiohttp.server"):
            async with self.client.get("/crash") as response:
                self.assertEqual(response.status, 500)
        self.api.assert_raised(ZeroDivisionError)

    async def test_mixed_with_aiohttp(self) -> None:
        """One service of each kind, talking to each other."""

        async def ask(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
            async with aiohttp.ClientSession() as session:
                async with session.get("http://api.test/greet/shop") as response:
                    return aiohttp.web.json_response(await response.json())

        app = aiohttp.web.Application()
        app.router.add_get("/", ask)
        shop = await self.net.serve(app, "http://shop.test")

        async with shop.client().get("/") as response:
            self.assertEqual(await response.json(), {"say": "hello shop"})
        self.net.calls.assert_has_calls([("GET", "/"), ("GET", "/greet/shop")])


@unittest.skipIf(FastAPI is None, "fastapi is not installed")
class FailingLifespanTests(unittest.TestCase):
    def test_a_failing_startup(self) -> None:
        """It is told with the reason, and nothing leaks."""

        class Failing(AsyncTestCase):
            async def test_it(self) -> None:
                @contextlib.asynccontextmanager
                async def life(app: Any) -> AsyncIterator[None]:
                    raise ConnectionError("no database")
                    yield

                net = self.network()
                await net.serve_asgi(FastAPI(lifespan=life), "http://api.test")

        outcome = run_case(Failing)

        self.assertIn("no database", outcome.report)
        self.assertIn("to be served at http://api.test", outcome.report)
        self.assertEqual(len(outcome.raised), 1, outcome.report)


if __name__ == "__main__":
    unittest.main()
