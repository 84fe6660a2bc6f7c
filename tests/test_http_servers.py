"""Applications served in the network: their lives, their exceptions, their logs."""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from asynctesting import AsyncTestCase, HTTPNetwork, VirtualClockMixin
from asynctesting.http import Server


def make_app(seen: list[str] | None = None) -> web.Application:
    """Make an application that says what it goes through."""
    seen = [] if seen is None else seen

    async def context(app: web.Application) -> AsyncIterator[None]:
        seen.append("context opened")
        yield
        seen.append("context closed")

    async def startup(app: web.Application) -> None:
        seen.append("startup")

    async def shutdown(app: web.Application) -> None:
        seen.append("shutdown")

    async def hello(request: web.Request) -> web.StreamResponse:
        return web.json_response({"host": request.host, "scheme": request.scheme})

    async def crash(request: web.Request) -> web.StreamResponse:
        raise ZeroDivisionError("no tea left")

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async def refuse(request: web.Request) -> web.StreamResponse:
        raise web.HTTPConflict(text="taken")

    async def upload(request: web.Request) -> web.StreamResponse:
        return web.Response(text=str(len(await request.read())))

    async def echo(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.cleanup_ctx.append(context)
    app.on_startup.append(startup)
    app.on_shutdown.append(shutdown)
    app.router.add_get("/", hello)
    app.router.add_get("/crash", crash)
    app.router.add_get("/slow", slow)
    app.router.add_get("/refuse", refuse)
    app.router.add_post("/", upload)
    app.router.add_get("/ws", echo)
    return app


class ServerCase(AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.net = self.network()
        self.seen: list[str] = []
        self.shop: Server = await self.net.serve(make_app(self.seen), "https://shop.test")
        self.client = self.shop.client()

    async def status(self, path: str) -> int:
        async with self.client.get(path) as response:
            return response.status


class ServingTests(ServerCase):
    async def test_requests_reach_it(self) -> None:
        """Under the name and the scheme that it is served at."""
        async with self.client.get("/") as response:
            found = await response.json()

        self.assertEqual(found, {"host": "shop.test", "scheme": "https"})

    async def test_its_whole_life_is_led(self) -> None:
        """Startup, cleanup contexts and shutdown, in aiohttp's order."""
        self.assertEqual(self.seen, ["context opened", "startup"])

        await self.net.leave()

        self.assertEqual(self.seen, ["context opened", "startup", "shutdown", "context closed"])

    async def test_it_is_logged(self) -> None:
        """Each request, and what was answered."""
        async with self.client.post("/?a=1", data=b"tea") as response:
            self.assertEqual(await response.text(), "3")
        self.assertEqual(await self.status("/refuse"), 409)

        first, second = self.shop.calls
        self.assertEqual(repr(first), "<Call POST https://shop.test/?a=1 -> 200>")
        self.assertEqual((first.body, first.status), (b"tea", 200))
        self.assertEqual(second.status, 409)
        self.assertEqual([*self.net.calls], [first, second])
        self.shop.calls.assert_has_calls([("POST", "/"), ("GET", "/refuse")])

    async def test_websockets(self) -> None:
        """As on any server."""
        async with self.client.ws_connect("/ws") as ws:
            await ws.send_str("tea")
            self.assertEqual(await ws.receive_str(), "tea")

    async def test_close(self) -> None:
        """Before the network is left; nobody listens then."""
        await self.shop.close()

        self.assertEqual(self.seen[-1], "context closed")
        with self.assertRaises(aiohttp.ClientConnectorError):
            await self.client.get("/")

    async def test_a_handler_without_a_client(self) -> None:
        """aiohttp has it go on; it ends with the server, while what it uses is still there."""
        seen: list[str] = []
        app = make_app(seen)

        async def hang(request: web.Request) -> web.StreamResponse:
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0)
                seen.append("handler ended")
            return web.Response()

        app.router.add_get("/hang", hang)
        async with self.net.serve(app, "http://brief.test") as server:
            task = asyncio.create_task(server.client().get("/hang"))
            await server.wait_calls(1)
            task.cancel()
            await asyncio.wait([task])
            await asyncio.sleep(0.001)
            self.assertEqual(seen, ["context opened", "startup"])

        self.assertEqual(seen[2:], ["handler ended", "shutdown", "context closed"])
        self.assertEqual(self.net.findings(), [])

    async def test_for_a_stretch(self) -> None:
        """With ``async with`` it ends before the network does; it is awaited once."""
        seen: list[str] = []
        async with self.net.serve(make_app(seen), "http://brief.test") as server:
            async with server.client().get("/") as response:
                self.assertEqual(response.status, 200)
        self.assertEqual(seen[-1], "context closed")

        serving = self.net.serve(make_app(), "http://once.test")
        self.assertEqual(repr(serving), "<Serving http://once.test: await it>")
        await serving
        with self.assertRaisesRegex(RuntimeError, "has been awaited before"):
            await serving

    async def test_applications_talk_to_each_other(self) -> None:
        """Two in one network; the cleanup of one may still use the other."""
        farewell: list[int] = []

        async def say_goodbye(app: web.Application) -> None:
            async with aiohttp.ClientSession() as session:
                async with session.get("https://shop.test/") as response:
                    farewell.append(response.status)

        second = web.Application()
        second.on_cleanup.append(say_goodbye)
        await self.net.serve(second, "http://second.test:8080")

        await self.net.leave()

        self.assertEqual(farewell, [200])

    async def test_a_runner(self) -> None:
        """Served as it is configured."""
        runner = web.AppRunner(make_app(), access_log=None)
        server = await self.net.serve(runner, "http://runner.test")

        async with server.client().get("/") as response:
            self.assertEqual(response.status, 200)

    async def test_trouble(self) -> None:
        """A server under test can be refused and restarted like any host."""
        self.shop.refuse()
        with self.assertRaises(aiohttp.ClientConnectorError):
            await self.client.get("/")
        self.shop.up()
        self.assertEqual(await self.status("/"), 200)

    async def test_a_protocol(self) -> None:
        """Without HTTP."""

        class Greeter(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                transport.write(b"hello")
                transport.close()

        await self.net.serve_protocol(Greeter, "greeter.test", 7000)
        reader, writer = await asyncio.open_connection("greeter.test", 7000)

        self.assertEqual(await reader.read(), b"hello")
        writer.close()


class ExceptionTests(ServerCase):
    async def test_asserted(self) -> None:
        """A 500 that the test expects is told by its exception, which is no finding then."""
        with self.assertLogs("aiohttp.server"):
            self.assertEqual(await self.status("/crash"), 500)

        error = self.shop.assert_raised(ZeroDivisionError, "no tea")

        self.assertEqual(self.shop.exceptions, [error])
        self.assertIs(self.shop.calls[0].exception, error)

    async def test_asserted_in_vain(self) -> None:
        """The message says what was raised."""
        with self.assertLogs("aiohttp.server"):
            await self.status("/crash")

        with self.assertRaisesRegex(
            AssertionError, r"to raise KeyError; raised: ZeroDivisionError\('no tea left'\)"
        ):
            self.shop.assert_raised(KeyError)
        self.shop.assert_raised(ZeroDivisionError)

    async def test_raised_in_the_client(self) -> None:
        """In place of a 500, the test gets the exception itself."""
        server = await self.net.serve(make_app(), "http://raising.test", raise_app_exceptions=True)

        with self.assertRaises(ZeroDivisionError) as caught:
            async with server.client().get("/crash"):
                pass
        self.assertEqual(str(caught.exception), "no tea left")


class StartupTests(AsyncTestCase):
    async def test_a_failing_startup(self) -> None:
        """It is raised with a note, what was opened is closed, and the name is free again."""
        seen: list[str] = []
        app = make_app(seen)

        async def fail(app: web.Application) -> None:
            raise ConnectionError("no database")

        app.on_startup.append(fail)
        net = self.network()

        with self.assertRaisesRegex(ConnectionError, "no database") as caught:
            await net.serve(app, "http://shop.test")

        self.assertIn("to be served at http://shop.test", caught.exception.__notes__[0])
        self.assertEqual(seen, ["context opened", "startup", "context closed"])
        await net.serve(make_app(), "http://shop.test")

    async def test_what_can_not_be_served(self) -> None:
        """An ASGI application goes another way; anything else none."""
        net = self.network()

        async def asgi(scope: Any, receive: Any, send: Any) -> None: ...

        with self.assertRaisesRegex(TypeError, r"serve_asgi\(app, url\)"):
            net.serve(asgi, "http://a.test")  # type: ignore[arg-type, unused-coroutine]
        with self.assertRaisesRegex(TypeError, "serve\\(\\) needs an aiohttp.web.Application"):
            net.serve(None, "http://a.test")  # type: ignore[arg-type, unused-coroutine]
        with self.assertRaisesRegex(ValueError, "a host has no path"):
            net.serve(make_app(), "http://a.test/x")  # type: ignore[unused-coroutine]
        with self.assertRaisesRegex(TypeError, "needs a class or a function"):
            await net.serve_protocol(None, "a.test", 1)  # type: ignore[arg-type]

    async def test_a_runner_that_is_set_up(self) -> None:
        """It is too late to serve it here."""
        net = self.network()
        runner = web.AppRunner(make_app())
        await runner.setup()
        self.addAsyncCleanup(runner.cleanup)

        with self.assertRaisesRegex(RuntimeError, "is set up already"):
            await net.serve(runner, "http://a.test")


class VirtualTests(VirtualClockMixin, ServerCase):
    async def test_slow_handlers(self) -> None:
        """200 of 30 s each take exactly 6,000 s, one after another, and no time-out strikes."""
        for _ in range(200):
            self.assertEqual(await self.status("/slow"), 200)

        self.assertEqual(self.clock.elapsed, 6000.0)

    async def test_connecting_takes_its_time_once(self) -> None:
        """aiohttp connects a socket first, and makes a connection of it afterwards."""
        self.shop.link(connect=3)

        self.assertEqual(await self.status("/"), 200)

        self.assertEqual(self.clock.elapsed, 3.0)


class HabitTests(AsyncTestCase):
    """What aiohttp's users know from its pytest fixtures."""

    transport: Any = "memory"

    async def asyncSetUp(self) -> None:
        self.net = self.network(transport=self.transport)

    async def test_aiohttp_client(self) -> None:
        """For an application."""
        client = await self.net.aiohttp_client(make_app())

        async with client.get("/") as response:
            self.assertEqual(response.status, 200)
        self.assertIsInstance(client, TestClient)

    async def test_aiohttp_server(self) -> None:
        """And a client for that."""
        server = await self.net.aiohttp_server(make_app())
        client = await self.net.aiohttp_client(server)

        async with client.get("/") as response:
            self.assertEqual(response.status, 200)
        self.assertIsInstance(server, TestServer)

    async def test_a_free_port(self) -> None:
        """At which a server can be started."""
        port = self.net.free_tcp_port()

        server = await self.net.aiohttp_server(make_app(), port=port)

        self.assertEqual(server.port, port)

    async def test_stubs_and_servers(self) -> None:
        """The same for both transports."""
        prices = self.net.host("http://prices.test")
        prices.get("/tea").respond(json=3)
        shop = await self.net.serve(make_app(), "http://shop.test")

        async with shop.client().get("/") as response:
            self.assertEqual(response.status, 200)
        async with self.net.client().get("http://prices.test/tea") as response:
            self.assertEqual(await response.json(), 3)

    async def test_a_host_that_is_asked_at_once(self) -> None:
        """It is declared by a plain call, and there from then on."""
        client = self.net.client()
        self.net.host("http://prices.test").get("/tea").respond(json=3)

        async with client.get("http://prices.test/tea") as response:
            self.assertEqual(await response.json(), 3)


class LoopbackHabitTests(HabitTests):
    """The same over real sockets, by one argument."""

    transport = "loopback"


class PassThroughTests(AsyncTestCase):
    async def asyncSetUp(self) -> None:
        # Before the network is there: a real server, and a name for it in the real DNS.
        runner = web.AppRunner(make_app(), access_log=None)
        await runner.setup()
        self.addAsyncCleanup(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port: int = runner.addresses[0][1]
        loop = asyncio.get_running_loop()
        look_up = loop.getaddrinfo

        async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
            return await look_up("127.0.0.1" if host == "real.test" else host, port, **options)

        loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign, assignment]
        self.net = self.network()

    async def test_a_stub_that_passes_on(self) -> None:
        """What it fits goes to the real server, the rest is answered here."""
        host = self.net.host(f"http://real.test:{self.port}")
        real = host.get("/").pass_through()
        upload = host.post("/").pass_through()
        host.get("/stubbed").respond(text="stub")
        client = host.client()

        async with client.get("/") as response:
            self.assertEqual((await response.json())["host"], f"real.test:{self.port}")
        async with client.post("/", data=b"tea") as response:
            self.assertEqual(await response.text(), "3")
        async with client.get("/stubbed") as response:
            self.assertEqual(await response.text(), "stub")
        real.assert_called_once()
        self.assertEqual(upload.call.body, b"tea")

    async def test_a_host_that_is_let_through(self) -> None:
        """The whole of it."""
        self.net.pass_through("real.test", port=self.port)

        async with self.net.client().get(f"http://real.test:{self.port}/") as response:
            self.assertEqual(response.status, 200)


class UnmodifiedTests(AsyncTestCase):
    async def test_the_network_in_front_of_a_test_client(self) -> None:
        """A suite that has its TestClient keeps it, and runs in memory."""
        net = HTTPNetwork().enter()
        try:
            async with TestClient(TestServer(make_app())) as client:
                async with client.get("/") as response:
                    self.assertEqual(response.status, 200)
        finally:
            await net.leave()


if __name__ == "__main__":
    unittest.main()
