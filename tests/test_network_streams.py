"""Transports in memory keep to the contract: what happens on a socket happens on them.

Each scenario of :class:`ContractTests` runs twice, on real sockets and in memory, and writes down
what the protocols were told. The two logs must be the same.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import tracemalloc
import unittest
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

from asynctesting import AsyncTestCase, VirtualClockMixin
from asynctesting._network import MemoryNetwork, MemoryTransport
from tests.support import spin

Log = list[Any]
Scenario = Callable[["Pair"], Awaitable[None]]

KIB = 1024


class Talker(asyncio.Protocol):
    """A protocol that writes down what it is told; *keep_open* is what it says to an EOF."""

    transport: asyncio.Transport

    def __init__(self, name: str, log: Log, keep_open: bool = False) -> None:
        self.name, self.log, self.keep_open = name, log, keep_open
        self.received = bytearray()
        self.lost = asyncio.get_running_loop().create_future()
        self.made = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.log.append((self.name, "made"))
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self.received:
            self.log.append((self.name, "data"))
        self.received += data

    def eof_received(self) -> bool:
        self.log.append((self.name, "eof", bytes(self.received[:20])))
        return self.keep_open

    def pause_writing(self) -> None:
        self.log.append((self.name, "pause"))

    def resume_writing(self) -> None:
        self.log.append((self.name, "resume"))

    def connection_lost(self, error: Exception | None) -> None:
        self.log.append((self.name, "lost", type(error).__name__))
        self.lost.set_result(None)


class Pair:
    """A client and a server that are connected, and what both were told."""

    client: Any
    server: Any

    def __init__(self) -> None:
        self.log: Log = []

    def note(self, *what: Any) -> None:
        self.log.append(what)

    def of(self, name: str) -> Log:
        """Return what one end was told: the order between two ends is the kernel's."""
        return [entry for entry in self.log if entry[0] in (name, "test")]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)


async def play(scenario: Scenario, keep_open: bool, kind: type[Talker] = Talker) -> Pair:
    """Run a scenario on a fresh pair; return it."""
    loop = asyncio.get_running_loop()
    pair = Pair()
    made = []

    def accept() -> Talker:
        made.append(kind("server", pair.log, keep_open))
        return made[0]

    server = await loop.create_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, pair.client = await loop.create_connection(
        lambda: kind("client", pair.log, keep_open), "127.0.0.1", port
    )
    await pair.until(lambda: bool(made) and made[0].made.done())
    pair.server = made[0]
    try:
        await scenario(pair)
    finally:
        for end in (pair.client, pair.server):
            if not end.lost.done():
                end.transport.abort()
            async with asyncio.timeout(10):
                await end.lost
        server.close()
        await server.wait_closed()
    return pair


class ContractTests(unittest.TestCase):
    def compare(self, scenario: Scenario, keep_open: bool = False, **options: Any) -> Pair:
        """Run *scenario* on sockets and in memory; compare what each end was told."""

        async def in_memory() -> Pair:
            async with MemoryNetwork():
                pair = await play(scenario, keep_open, **options)
                assert isinstance(pair.client.transport, MemoryTransport)
                return pair

        real = asyncio.run(asyncio.wait_for(play(scenario, keep_open, **options), 30))
        ours = asyncio.run(asyncio.wait_for(in_memory(), 30))
        for end in ("client", "server"):
            self.assertEqual(ours.of(end), real.of(end), end)
        return ours

    def test_close_delivers_what_was_written(self) -> None:
        """The peer gets the data, then the end, and both are lost without an error."""

        async def scenario(pair: Pair) -> None:
            pair.client.transport.write(b"hello")
            pair.client.transport.close()
            pair.note("test", pair.client.transport.is_closing())
            await pair.server.lost

        pair = self.compare(scenario)

        self.assertEqual(pair.server.received, b"hello")
        self.assertIn(("server", "eof", b"hello"), pair.log)

    def test_half_closing_leaves_the_other_direction(self) -> None:
        """After ``write_eof()`` the peer can still answer, if it keeps the connection open."""

        async def scenario(pair: Pair) -> None:
            pair.client.transport.write(b"question")
            pair.client.transport.write_eof()
            await pair.until(lambda: ("server", "eof", b"question") in pair.log)
            try:
                pair.client.transport.write(b"more")
            except RuntimeError as error:
                pair.note("test", str(error))
            pair.server.transport.write(b"answer")
            pair.server.transport.close()
            await pair.until(lambda: ("client", "eof", b"answer") in pair.log)

        pair = self.compare(scenario, keep_open=True)

        self.assertEqual(pair.client.received, b"answer")

    def test_an_end_that_is_not_kept_open_closes_the_connection(self) -> None:
        """``eof_received()`` that returns nothing means close."""

        async def scenario(pair: Pair) -> None:
            pair.client.transport.write_eof()
            await pair.server.lost
            await pair.client.lost

        self.compare(scenario)

    def test_abort_drops_what_is_not_sent(self) -> None:
        """The end is lost at once, without an error."""

        async def scenario(pair: Pair) -> None:
            pair.server.transport.pause_reading()
            pair.client.transport.write(b"x" * 20_000 * KIB)
            pair.note("test", pair.client.transport.get_write_buffer_size() > 0)
            pair.client.transport.abort()
            await pair.client.lost
            pair.note("test", pair.client.transport.get_write_buffer_size())

        self.compare(scenario)

    def test_a_slow_reader_pauses_the_writer(self) -> None:
        """Once at the high water mark, and once back at the low one; nothing gets lost."""
        size = 20_000 * KIB

        async def scenario(pair: Pair) -> None:
            pair.server.transport.pause_reading()
            pair.note("test", pair.server.transport.is_reading())
            pair.client.transport.write(b"x" * size)
            pair.client.transport.write(b"y")
            pair.note("test", pair.client.transport.get_write_buffer_limits())
            pair.server.transport.resume_reading()
            await pair.until(lambda: len(pair.server.received) == size + 1)
            await pair.until(lambda: ("client", "resume") in pair.log)
            pair.note("test", bytes(pair.server.received[-2:]))

        self.compare(scenario)

    def test_closing_waits_for_the_backlog(self) -> None:
        """Everything arrives although the writer closed long before."""
        size = 20_000 * KIB

        async def scenario(pair: Pair) -> None:
            pair.client.transport.write(b"x" * size)
            pair.client.transport.close()
            pair.note("test", pair.client.transport.is_closing())
            await pair.server.lost
            pair.note("test", len(pair.server.received))

        self.compare(scenario)

    def test_writing_to_who_is_gone_is_a_lost_connection(self) -> None:
        """The write itself is harmless; what follows is the end, with an error."""

        async def scenario(pair: Pair) -> None:
            pair.server.transport.abort()
            await pair.until(lambda: ("client", "eof", b"") in pair.log)
            pair.client.transport.write(b"anybody")
            await asyncio.sleep(0.01)
            pair.client.transport.write(b"there?")
            await pair.client.lost
            lost = next(e for e in pair.log if e[:2] == ("client", "lost"))
            pair.log.remove(lost)
            # The kernel says EPIPE or ECONNRESET, as it happens.
            pair.note("test", lost[2] in ("BrokenPipeError", "ConnectionResetError"))

        pair = self.compare(scenario, keep_open=True)

        self.assertIn(("test", True), pair.log)

    def test_closing_with_unread_data_resets_the_peer(self) -> None:
        """Who throws bytes away tells the sender, as the kernel does."""

        async def scenario(pair: Pair) -> None:
            pair.server.transport.pause_reading()
            pair.client.transport.write(b"unread")
            await asyncio.sleep(0.01)
            pair.server.transport.abort()
            await pair.client.lost

        pair = self.compare(scenario)

        self.assertIn(("client", "lost", "ConnectionResetError"), pair.log)

    def test_wrong_arguments_are_refused_alike(self) -> None:
        """By the same kinds of errors, with the same words."""

        async def scenario(pair: Pair) -> None:
            wrong: list[Callable[[], Any]] = [
                lambda: pair.client.transport.write("text"),
                lambda: pair.client.transport.set_write_buffer_limits(high=1, low=2),
                lambda: pair.client.transport.set_write_buffer_limits(high=-1),
            ]
            for call in wrong:
                try:
                    call()
                except (TypeError, ValueError) as error:
                    pair.note("test", type(error).__name__, str(error)[:40])
            pair.client.transport.write(b"")
            pair.client.transport.writelines([b"a", bytearray(b"b"), memoryview(b"c")])
            pair.client.transport.close()
            await pair.server.lost

        pair = self.compare(scenario)

        self.assertEqual(pair.server.received, b"abc")

    def test_an_error_of_the_protocol_ends_the_connection(self) -> None:
        """The loop's handler is told, the connection lost with that error."""

        class Fails(Talker):
            def data_received(self, data: bytes) -> None:
                raise KeyError("mine")

        async def scenario(pair: Pair) -> None:
            told: list[Any] = []
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda loop, context: told.append(context))
            pair.client.transport.write(b"x")
            await pair.server.lost
            pair.note("test", told[0]["message"], repr(told[0]["exception"]))

        self.compare(scenario, kind=Fails)

    def test_what_is_written_can_change_afterwards(self) -> None:
        """A buffer belongs to the caller again once ``write()`` has returned."""

        async def scenario(pair: Pair) -> None:
            buffer = bytearray(b"first")
            pair.client.transport.write(buffer)
            buffer[:] = b"other"
            pair.client.transport.close()
            await pair.server.lost

        pair = self.compare(scenario)

        self.assertEqual(pair.server.received, b"first")

    def test_many_writes_to_a_lost_connection_are_logged(self) -> None:
        """As asyncio does it: in silence at first, then with a warning each."""

        async def scenario(pair: Pair) -> None:
            pair.client.transport.abort()
            await pair.client.lost
            with unittest.TestCase().assertLogs("asyncio", logging.WARNING) as logs:
                for _ in range(7):
                    pair.client.transport.write(b"x")
            pair.note("test", [record.getMessage() for record in logs.records])

        self.compare(scenario)


class BufferedTests(AsyncTestCase):
    async def test_a_buffered_protocol_gets_its_own_buffer_filled(self) -> None:
        """In parts, if it is smaller than what has arrived."""
        received = bytearray()

        class Buffered(asyncio.BufferedProtocol):
            def __init__(self) -> None:
                self.buffer = bytearray(10)

            def get_buffer(self, sizehint: int) -> bytearray:
                return self.buffer

            def buffer_updated(self, count: int) -> None:
                received.extend(self.buffer[:count])

        net = await self.enterAsyncContext(MemoryNetwork())
        await net.listen(Buffered, "sink.test", 80)
        _, writer = await asyncio.open_connection("sink.test", 80)
        writer.write(bytes(range(37)))
        writer.write(b"and more")
        await spin(10)

        self.assertEqual(received, bytes(range(37)) + b"and more")
        writer.close()

    async def test_a_buffer_without_room_is_an_error(self) -> None:
        """It would wait for ever."""
        told: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

        class Empty(asyncio.BufferedProtocol):
            def get_buffer(self, sizehint: int) -> bytearray:
                return bytearray()

        net = await self.enterAsyncContext(MemoryNetwork())
        await net.listen(Empty, "sink.test", 80)
        reader, writer = await asyncio.open_connection("sink.test", 80)
        writer.write(b"x")

        with self.assertRaises(ConnectionResetError):
            await reader.read()
        self.assertIn("empty buffer", str(told[0]["exception"]))
        writer.close()


class SizeTests(VirtualClockMixin, AsyncTestCase):
    async def test_100_mb_pass_within_20(self) -> None:
        """Flow control keeps the writer from running ahead of a reader that takes its time."""
        chunk, count = bytes(256 * KIB), 400
        net = await self.enterAsyncContext(MemoryNetwork())

        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(count):
                writer.write(chunk)
                await writer.drain()
            writer.close()

        net.host("source.test")
        await asyncio.start_server(pour, "source.test", 80)
        reader, writer = await asyncio.open_connection("source.test", 80)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before, _ = tracemalloc.get_traced_memory()

        size = 0
        while data := await reader.read(64 * KIB):
            size += len(data)
            await asyncio.sleep(0.001)

        _, peak = tracemalloc.get_traced_memory()
        self.assertEqual(size, count * len(chunk))
        self.assertLess(peak - before, 20_000_000)
        writer.close()

    async def test_1000_connections_at_once(self) -> None:
        """Each gets its own answer, and all are gone afterwards."""
        net = await self.enterAsyncContext(MemoryNetwork())
        everybody_is_here = asyncio.Barrier(1000)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line = await reader.readline()
            await everybody_is_here.wait()
            writer.write(line)
            writer.close()

        async def ask(number: int) -> bytes:
            reader, writer = await asyncio.open_connection("busy.test", 80)
            writer.write(b"%d\n" % number)
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

        net.host("busy.test")
        await asyncio.start_server(serve, "busy.test", 80)

        answers = await asyncio.gather(*(ask(number) for number in range(1000)))

        self.assertEqual(answers, [b"%d\n" % number for number in range(1000)])
        await spin(10)
        self.assertEqual(net.connections, [])


class FlatTests(AsyncTestCase):
    # In debug mode a cancelled timer keeps the stack that made it until the loop tidies up.
    loop_debug = False

    async def test_requests_leave_nothing_behind(self) -> None:
        """After thousands of them, kept alive or not, there are no more objects than before."""
        net = await self.enterAsyncContext(MemoryNetwork())

        async def answer(request: web.BaseRequest) -> web.Response:
            return web.Response(body=bytes(2000))

        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        self.addAsyncCleanup(runner.cleanup)
        assert runner.server is not None
        await net.listen(runner.server, "flat.test", 80)

        async def objects_after(count: int) -> int:
            for number in range(count):
                headers = {"Connection": "close"} if number % 2 else {}
                async with session.get("http://flat.test/", headers=headers) as response:
                    await response.read()
            await spin(10)
            # What the recorder keeps are tuples in tuples, and a collection lets go of those whose
            # parts an earlier one has let go of.
            for _ in range(4):
                gc.collect()
            return len(gc.get_objects())

        async with aiohttp.ClientSession() as session:
            counts = [await objects_after(500) for _ in range(4)]

        # What is made once, or goes away later, is not in every round.
        grown = min(after - before for before, after in itertools.pairwise(counts))
        self.assertLess(grown, 250, "half an object for each request")


if __name__ == "__main__":
    unittest.main()
