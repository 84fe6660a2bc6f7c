"""aiohttp's own test case, unmodified, on a network in memory, and files sent over it."""

from __future__ import annotations

import asyncio
import tempfile
import unittest
from typing import Any

from aiohttp import web
from aiohttp.test_utils import AioHTTPTestCase

from asynctesting import AsyncTestCase, HTTPNetwork, MemoryNetwork


async def greet(request: web.Request) -> web.Response:
    return web.Response(text=f"hello from {request.url.host}")


async def send_this_file(request: web.Request) -> web.FileResponse:
    return web.FileResponse(__file__)


class AppCase(AioHTTPTestCase):
    """What a suite of aiohttp's users has: one application, one server, one client."""

    net: HTTPNetwork

    async def get_application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", greet)
        app.router.add_get("/file", send_this_file)
        return app

    async def check(self) -> None:
        async with self.client.get("/") as response:
            self.assertEqual(await response.text(), "hello from 127.0.0.1")
        async with self.client.get("/file") as response:
            self.assertIn("aiohttp's own test case", await response.text())
        self.assertEqual(len(self.net.wire.servers), 1)
        (connection,) = self.net.wire.connections
        self.assertEqual(connection.target, f"127.0.0.1:{self.server.port}")


class StockAppTests(AppCase):
    async def asyncSetUp(self) -> None:
        self.net = await self.enterAsyncContext(HTTPNetwork())
        await super().asyncSetUp()

    async def test_a_stock_case_on_a_stock_loop(self) -> None:
        """The network is entered in front of it; no line of it is another."""
        await self.check()


class AppTests(AsyncTestCase, AppCase):
    async def asyncSetUp(self) -> None:
        self.net = self.network()
        await super().asyncSetUp()

    async def test_a_case_of_both_kinds(self) -> None:
        """The two classes get along, and nothing is left behind."""
        await self.check()


class SendfileTests(AsyncTestCase):
    async def send(self, content: bytes, *how: Any) -> tuple[bytes, int]:
        """Return what arrived, and what ``loop.sendfile()`` returned."""
        sent: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with tempfile.TemporaryFile() as file:
                file.write(content)
                file.flush()
                loop = asyncio.get_running_loop()
                sent.set_result(await loop.sendfile(writer.transport, file, *how))
            writer.close()
            await writer.wait_closed()

        async with MemoryNetwork() as net:
            net.host("files.test")
            async with await asyncio.start_server(serve, "files.test", 80):
                reader, writer = await asyncio.open_connection("files.test", 80)
                received = await reader.read()
                writer.close()
                await writer.wait_closed()
        return received, await sent

    async def test_a_whole_file(self) -> None:
        """It is larger than what the far end takes in at once."""
        content = bytes(range(256)) * 4096

        self.assertEqual(await self.send(content), (content, len(content)))

    async def test_a_part_of_it(self) -> None:
        """From an offset on, and no more than a count; there may be less."""
        self.assertEqual(await self.send(b"0123456789", 2, 5), (b"23456", 5))
        self.assertEqual(await self.send(b"0123456789", 7, 5), (b"789", 3))
        self.assertEqual(await self.send(b"0123456789", 7), (b"789", 3))
        self.assertEqual(await self.send(b"", 0), (b"", 0))

    async def test_a_transport_that_is_closing(self) -> None:
        """It is refused as asyncio refuses it."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            await writer.wait_closed()

        async with MemoryNetwork() as net:
            net.host("files.test")
            async with await asyncio.start_server(serve, "files.test", 80):
                _, writer = await asyncio.open_connection("files.test", 80)
                writer.close()
                with tempfile.TemporaryFile() as file:
                    loop = asyncio.get_running_loop()
                    with self.assertRaisesRegex(RuntimeError, "Transport is closing"):
                        await loop.sendfile(writer.transport, file)
                await writer.wait_closed()


if __name__ == "__main__":
    unittest.main()
