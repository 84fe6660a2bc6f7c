"""Datagrams: in memory as on real sockets, and what a host and a link do to them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
import unittest
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvloop

from asynctesting import (
    AsyncTestCase,
    HTTPNetwork,
    LeakError,
    MemoryNetwork,
    VirtualClockMixin,
    VirtualEventLoop,
)
from tests.support import OutcomeAssertions, run_case


class Told(asyncio.DatagramProtocol):
    """Notes what it is told, and answers by what it was told, backwards."""

    def __init__(self, *, answers: bool = False) -> None:
        self.answers = answers
        self.log: list[Any] = []
        self.news = asyncio.Event()
        self.transport: Any = None

    def note(self, *what: Any) -> None:
        self.log.append(what)
        self.news.set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.note("made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.note("datagram", data)
        if self.answers:
            self.transport.sendto(data[::-1], addr)

    def error_received(self, exc: Exception) -> None:
        self.note("error", type(exc).__name__)

    def connection_lost(self, exc: Exception | None) -> None:
        self.note("lost", exc)

    async def until(self, count: int) -> list[Any]:
        while len(self.log) < count:
            self.news.clear()
            await self.news.wait()
        return self.log


async def open_at(**where: Any) -> tuple[Any, Told]:
    loop = asyncio.get_running_loop()
    answers = where.pop("answers", False)
    return await loop.create_datagram_endpoint(lambda: Told(answers=answers), **where)


def place_of(transport: Any) -> Any:
    return transport.get_extra_info("sockname")


async def talk(log: dict[str, Any]) -> None:
    """Let a client and a server talk, and note what both were told."""
    server, taker = await open_at(local_addr=("127.0.0.1", 0), answers=True)
    client, told = await open_at(remote_addr=place_of(server))
    client.sendto(b"tea")
    client.sendto(bytearray(b"pot"), place_of(server))
    log["server"] = list(await taker.until(3))
    log["client"] = list(await told.until(3))
    log["peer"] = client.get_extra_info("peername") == place_of(server)
    free, free_told = await open_at(local_addr=("127.0.0.1", 0))
    free.sendto(b"cup", place_of(server))
    log["free"] = list(await free_told.until(2))
    # Who has a peer takes datagrams of nobody else.
    free.sendto(b"from a stranger", place_of(client))
    free.sendto(b"end", place_of(server))
    await free_told.until(3)
    log["stranger"] = len(told.log)
    for wrong in ((b"x", ("127.0.0.1", 1)), ("text",)):
        with contextlib.suppress(TypeError, ValueError):
            client.sendto(*wrong)
            log["wrong"] = wrong
    log["made"] = [client.is_closing(), client.get_protocol() is told]
    server.close()
    await taker.until(len(taker.log) + 1)
    client.sendto(b"too late")
    log["refused"] = (await told.until(4))[3]
    for transport, protocol in ((client, told), (free, free_told)):
        transport.abort()
        transport.abort()
        await protocol.until(len(protocol.log) + 1)
    log["end"] = [taker.log[-1], told.log[-1], free_told.log[-1], client.is_closing()]


async def talk_in_memory(log: dict[str, Any]) -> None:
    async with MemoryNetwork():
        await talk(log)


class ContractTests(unittest.TestCase):
    maxDiff = None

    def test_it_is_as_on_real_sockets(self) -> None:
        """On asyncio's loop, on ours, and on uvloop's."""
        real: dict[str, Any] = {}
        asyncio.run(talk(real))
        self.assertEqual(real["client"], [("made",), ("datagram", b"aet"), ("datagram", b"top")])
        self.assertEqual(real["refused"], ("error", "ConnectionRefusedError"))

        makers: list[Callable[[], asyncio.AbstractEventLoop]] = [
            *(asyncio.new_event_loop, VirtualEventLoop, uvloop.new_event_loop)
        ]
        for make in makers:
            with self.subTest(make.__name__), asyncio.Runner(loop_factory=make) as runner:
                log: dict[str, Any] = {}
                runner.run(talk_in_memory(log))
                self.assertEqual(log, real)


class MemoryTests(VirtualClockMixin, AsyncTestCase, OutcomeAssertions):
    async def asyncSetUp(self) -> None:
        self.net = await self.enterAsyncContext(MemoryNetwork())
        self.stats = self.net.host("stats.test")

    @contextlib.asynccontextmanager
    async def talking(self) -> AsyncIterator[tuple[Any, Told, Told]]:
        """Yield a client's transport, and both protocols."""
        server, taker = await open_at(local_addr=("stats.test", 8125), answers=True)
        client, told = await open_at(remote_addr=("stats.test", 8125))
        yield client, told, taker
        client.close()
        server.close()

    async def test_names_and_addresses(self) -> None:
        """A client has the address of clients, and the server that of its host."""
        async with self.talking() as (client, told, taker):
            client.sendto(b"a:1|c")
            await told.until(2)

            self.assertEqual(client.get_extra_info("peername"), (self.stats.addresses[0], 8125))
            self.assertEqual(place_of(client)[0], "192.0.2.1")
            self.assertEqual(taker.log[1], ("datagram", b"a:1|c"))
            self.assertEqual(client.get_extra_info("socket").type, socket.SOCK_DGRAM)
            self.assertRegex(
                repr(client), r"<MemoryDatagrams 192\.0\.2\.1:\d+ -> 192\.0\.2\.\d+:8125 open>"
            )
        self.assertEqual(self.net.endpoints, [])

    async def test_a_link_takes_its_time(self) -> None:
        """Latency there and back, and the rate for each byte."""
        self.stats.link(latency=0.25, rate=8)
        async with self.talking() as (client, told, _):
            client.sendto(b"1234")
            client.sendto(b"5678")
            await told.until(3)

            # The answers queue behind each other on their way back: 0.5 + 0.5 + 0.5 s of rate.
            self.assertEqual(self.clock.elapsed, 0.25 + 0.25 + 1.5)

    async def test_a_host_that_hangs_or_refuses(self) -> None:
        """The one loses datagrams in silence, the other says that nobody takes them."""
        async with self.talking() as (client, told, taker):
            self.stats.hang()
            client.sendto(b"lost")
            await asyncio.sleep(1)
            self.assertEqual((len(told.log), len(taker.log)), (1, 1))

            self.stats.up().refuse()
            client.sendto(b"refused")
            await asyncio.sleep(1)
            self.assertEqual(told.log[1:], [("error", "ConnectionRefusedError")])

            self.stats.up()
            client.sendto(b"taken")
            await taker.until(2)
            await told.until(3)

    async def test_a_name_that_has_vanished(self) -> None:
        """As for connections."""
        self.stats.dns_error()

        with self.assertRaises(socket.gaierror):
            await open_at(remote_addr=("stats.test", 8125))

    async def test_what_nobody_declared(self) -> None:
        """A name is an error; to an address it is sent, and recorded with its line."""
        with self.assertRaises(socket.gaierror):
            await open_at(remote_addr=("nobody.test", 53))
        transport, told = await open_at(local_addr=("127.0.0.1", 0))
        transport.sendto(b"x", ("10.0.0.1", 53))  # to a stranger
        transport.close()
        await told.until(2)

        name, address = self.net.undeclared
        self.assertEqual((name.how, name.host), ("name looked up", "nobody.test"))
        self.assertEqual((address.how, address.host, address.port), ("datagram", "10.0.0.1", 53))
        self.assertIn("# to a stranger", str(address))

    async def test_what_was_declared_to_be_real(self) -> None:
        """It has an endpoint of the loop's own; one in memory can't reach it, and is told so."""
        with socket.socket(type=socket.SOCK_DGRAM) as taker:
            taker.bind(("127.0.0.1", 0))
            taker.settimeout(30)
            place = taker.getsockname()
            self.net.pass_through("127.0.0.1", port=place[1])

            real, _ = await open_at(remote_addr=place)
            real.sendto(b"for real")
            data = await asyncio.to_thread(taker.recv, 100)
            real.close()

            self.assertEqual(data, b"for real")
            memory, told = await open_at(local_addr=("stats.test", 0))
            memory.sendto(b"x", place)
            self.assertEqual((await told.until(2))[1], ("error", "OSError"))
            memory.close()
        self.assertEqual(self.net.undeclared, [])

    async def test_a_place_that_is_taken(self) -> None:
        """And one that can be no place."""
        async with self.talking():
            with self.assertRaisesRegex(OSError, "address already in use"):
                await open_at(local_addr=("stats.test", 8125))
        with self.assertRaisesRegex(ValueError, "unexpected address family"):
            await open_at()
        with self.assertRaisesRegex(TypeError, "2-tuple is expected"):
            await open_at(local_addr="stats.test")

    async def test_sending_without_knowing_where(self) -> None:
        """Or too much at once."""
        transport, told = await open_at(family=socket.AF_INET)

        with self.assertRaisesRegex(ValueError, "has to be told where to send"):
            transport.sendto(b"x")
        transport.sendto(bytes(65508), ("stats.test", 1))
        self.assertEqual((await told.until(2))[1], ("error", "OSError"))
        transport.close()

    async def test_a_protocol_that_raises(self) -> None:
        """The loop's exception handler is told, and the endpoint is closed."""
        contexts: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: contexts.append(context))
        server, taker = await open_at(local_addr=("stats.test", 1))
        taker.note = None  # type: ignore[assignment, method-assign]
        client, _ = await open_at(remote_addr=("stats.test", 1))

        client.sendto(b"x")
        await asyncio.sleep(1)

        self.assertTrue(server.is_closing())
        self.assertIn("protocol.datagram_received() call failed", contexts[0]["message"])
        taker.note = lambda *what: None  # type: ignore[method-assign]
        client.close()
        loop.set_exception_handler(None)

    async def test_unix_sockets_are_real(self) -> None:
        """They are files, and a process has them to itself."""
        with (
            tempfile.TemporaryDirectory() as folder,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            path = f"{folder}/log"
            transport, told = await open_at(local_addr=path, family=socket.AF_UNIX)
            sender.sendto(b"x", path)
            self.assertEqual((await told.until(2))[1], ("datagram", b"x"))
            transport.close()

    def test_one_that_is_left_open(self) -> None:
        """It is found by the checks of the case, and closed by the network."""
        told: list[Told] = []

        class Leaving(AsyncTestCase):
            async def test_it(self) -> None:
                self.net = self.network()
                _, protocol = await open_at(local_addr=("127.0.0.1", 9))
                told.append(protocol)

        class LeavingWide(AsyncTestCase):
            async def test_it(self) -> None:
                net = HTTPNetwork().enter()
                self.addAsyncCleanup(asyncio.sleep, 0)
                await open_at(local_addr=("127.0.0.1", 9))
                self.net = net

        self.assertTrue(run_case(Leaving).wasSuccessful())
        self.assertEqual(told[0].log, [("made",), ("lost", None)])
        self.assertFailsWith(run_case(LeavingWide), LeakError, "MemoryDatagrams")


if __name__ == "__main__":
    unittest.main()
