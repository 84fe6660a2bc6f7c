"""The cut sweep: every place at which an answer can break off, and what a client makes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from aiohttp import web

from asynctesting import AsyncTestCase, VirtualClockMixin
from asynctesting.network import MemoryNetwork, cut_sweep
from tests.test_network import Reader, Writer

ANSWER = b"the answer"


class SweepTests(VirtualClockMixin, AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.net = await self.enterAsyncContext(MemoryNetwork())
        self.host = self.net.host("answer.test")

        async def answer(reader: Reader, writer: Writer) -> None:
            writer.write(ANSWER)
            writer.close()

        await asyncio.start_server(answer, "answer.test", 80)

    async def ask(self) -> bytes:
        reader, writer = await asyncio.open_connection("answer.test", 80)
        try:
            return await reader.readexactly(len(ANSWER))
        finally:
            writer.close()

    async def test_an_aiohttp_client_never_takes_half_an_answer_for_a_whole(self) -> None:
        """One run a byte: an error that aiohttp documents, and the right result at the end."""

        async def handler(request: web.Request) -> web.Response:
            return web.json_response({"price": 3}, headers={"X-Request": "17"})

        async def ask() -> Any:
            async with aiohttp.ClientSession() as session:
                async with session.get("http://shop.test/") as response:
                    return await response.json()

        runner = web.ServerRunner(web.Server(handler))  # type: ignore[arg-type]
        await runner.setup()
        self.addAsyncCleanup(runner.cleanup)
        assert runner.server is not None
        await self.net.listen(runner.server, "shop.test", 80)

        sweep = await cut_sweep(
            self.net.host("shop.test"),
            ask,
            errors=(aiohttp.ClientPayloadError, aiohttp.ClientOSError),
        )

        self.assertGreater(sweep.size, 150)
        self.assertEqual(sweep.outcomes["right"], 1)
        self.assertEqual(sweep.outcomes["ClientPayloadError"], len('{"price": 3}'))
        self.assertEqual(sweep.outcomes.total(), sweep.size + 1)

    async def test_the_link_is_perfect_afterwards(self) -> None:
        """So the test can go on."""
        await cut_sweep(self.host, self.ask, errors=(OSError, EOFError))

        self.assertIsNone(self.host.current_link)
        self.assertEqual(await self.ask(), ANSWER)

    async def test_a_wrong_result_is_named_with_its_byte(self) -> None:
        """A client that takes what it gets is caught at the first byte that is missing."""

        async def careless() -> bytes:
            reader, writer = await asyncio.open_connection("answer.test", 80)
            found = b""
            try:
                while data := await reader.read(100):
                    found += data
            except ConnectionError:
                pass
            writer.close()
            return found

        with self.assertRaisesRegex(
            AssertionError,
            r"of 'answer.test' cut after 0 bytes, it returned b'', and not b'the answer'\. "
            r".*host\.link\(cut_after=0\)",
        ):
            await cut_sweep(self.host, careless, errors=OSError)

    async def test_an_undocumented_error_is_named(self) -> None:
        """It is the cause, too."""
        with self.assertRaisesRegex(AssertionError, "it raised ConnectionResetError") as caught:
            await cut_sweep(self.host, self.ask, errors=EOFError)

        self.assertIsInstance(caught.exception.__cause__, ConnectionResetError)

    async def test_a_hang_is_named(self) -> None:
        """After its limit, in the loop's time."""

        async def patient() -> bytes:
            try:
                return await self.ask()
            except ConnectionError:
                await asyncio.sleep(1e6)
                raise

        for errors in (OSError, EOFError):
            with self.assertRaisesRegex(AssertionError, "it hung for 60 s"):
                await cut_sweep(self.host, patient, errors=errors)

    async def test_what_is_left_behind_is_named(self) -> None:
        """A task that the error path forgets."""
        forgotten: list[asyncio.Task[None]] = []

        async def forgetful() -> bytes:
            try:
                return await self.ask()
            except ConnectionError:
                task = asyncio.create_task(asyncio.sleep(3600), name="forgotten")
                forgotten.append(task)
                raise

        with self.assertRaisesRegex(AssertionError, "cut after 0 bytes, it left behind forgotten"):
            await cut_sweep(self.host, forgetful, errors=OSError)
        forgotten[0].cancel()


if __name__ == "__main__":
    import unittest

    unittest.main()
