"""Links, faults of hosts, TLS, and the guard: what goes wrong on purpose, and exactly so."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import socket
import ssl
import threading
import unittest
import urllib.request
from typing import Any
from unittest import mock

import aiohttp
import httpx
import uvloop
import websockets
from aiohttp import web
from aiohttp.resolver import AsyncResolver

from asynctesting import AsyncTestCase, VirtualClockMixin
from asynctesting._network import MemoryHost, MemoryNetwork, _resolver, _tls
from tests.support import run_python, spin
from tests.test_network import Reader, Writer, ask, echo


class VirtualCase(VirtualClockMixin, AsyncTestCase):
    """A base: a network on a virtual clock, and a host that sends everything back."""

    async def asyncSetUp(self) -> None:
        self.net = await self.enterAsyncContext(MemoryNetwork())
        self.host = self.net.host("echo.test")
        await asyncio.start_server(echo, "echo.test", 7)


class LinkTests(VirtualCase):
    async def test_latency_is_exact_in_both_directions(self) -> None:
        """0.2 s there and 0.2 s back are 0.4 s, on a connection that is there and on a new one."""
        self.host.link(latency=0.2)
        reader, writer = await asyncio.open_connection("echo.test", 7)
        self.assertEqual(self.clock.elapsed, 0.0)

        for rounds in (1, 2, 3):
            writer.write(b"ping")
            self.assertEqual(await reader.readexactly(4), b"ping")
            self.assertEqual(self.clock.elapsed, round(0.4 * rounds, 9))
        writer.close()

    async def test_a_rate_takes_its_time(self) -> None:
        """1,000 bytes at 500 a second are 2 s each way, and trickle in."""
        self.host.link(rate=500, segment=100)
        reader, writer = await asyncio.open_connection("echo.test", 7)
        writer.write(bytes(1000))

        first = await reader.read(65536)
        self.assertEqual((len(first), self.clock.elapsed), (100, 0.4))
        await reader.readexactly(900)
        self.assertEqual(self.clock.elapsed, 2.2)
        writer.close()

    async def test_a_rate_without_segments_sends_packets(self) -> None:
        """So a long answer does not come all at its end."""
        self.host.link(rate=1460)
        reader, writer = await asyncio.open_connection("echo.test", 7)
        writer.write(bytes(2920))

        self.assertEqual(len(await reader.read(65536)), 1460)
        self.assertEqual(self.clock.elapsed, 2.0)
        writer.close()

    async def test_segments_are_what_the_reader_gets_at_once(self) -> None:
        """Whatever the writer wrote in one piece."""
        pieces = []

        class Sink(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                pieces.append(data)

        await self.net.listen(Sink, "sink.test", 80)
        self.net.host("sink.test").link(segment=3)
        _, writer = await asyncio.open_connection("sink.test", 80)
        writer.write(b"abcdefgh")
        await self.clock.settle()

        self.assertEqual(pieces, [b"abc", b"def", b"gh"])
        writer.close()

    async def test_connecting_can_take_time(self) -> None:
        """And a client's time limit can strike meanwhile."""
        self.host.link(connect=3)
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(1):
                await ask("echo.test", 7)
        self.assertEqual(self.clock.elapsed, 1.0)

        self.assertEqual(await ask("echo.test", 7), b"ping")
        self.assertEqual(self.clock.elapsed, 4.0)

    async def test_a_cut_lets_exactly_so_many_bytes_through(self) -> None:
        """Then the client sees a reset, and the server, too; the client's bytes don't count."""
        self.host.link(cut_after=6)
        reader, writer = await asyncio.open_connection("echo.test", 7)
        writer.write(b"ping")
        self.assertEqual(await reader.readexactly(4), b"ping")

        writer.write(b"pong")
        self.assertEqual(await reader.readexactly(2), b"po")
        with self.assertRaises(ConnectionResetError):
            await reader.read()
        await spin(10)
        self.assertEqual(self.net.connections, [])
        writer.close()

    async def test_a_cut_after_the_whole_answer_is_none(self) -> None:
        """The next byte would be cut, and there is none."""
        self.host.link(cut_after=4)

        self.assertEqual(await ask("echo.test", 7), b"ping")

    async def test_a_stall_keeps_the_connection_open(self) -> None:
        """After so many bytes nothing comes, not even the end, until the link is mended."""
        self.host.link(stall_after=2)
        reader, writer = await asyncio.open_connection("echo.test", 7)
        writer.write(b"ping")
        writer.write_eof()

        self.assertEqual(await reader.readexactly(2), b"pi")
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(3600):
                await reader.read()

        self.host.link()
        self.assertEqual(await reader.read(), b"ng")
        writer.close()

    async def test_a_new_link_keeps_the_order(self) -> None:
        """What is under way arrives first, although the way is short now."""
        self.host.link(latency=5)
        reader, writer = await asyncio.open_connection("echo.test", 7)
        writer.write(b"slow,")
        await asyncio.sleep(1)
        self.host.link()
        writer.write(b"quick")

        self.assertEqual(await reader.readexactly(10), b"slow,quick")
        self.assertEqual(self.clock.elapsed, 5.0)
        writer.close()

    async def test_a_link_with_latency_has_a_window(self) -> None:
        """Who writes without end is paused by a reader who does not read."""
        self.host.link(latency=1)
        reader, writer = await asyncio.open_connection("echo.test", 7)
        writer.transport.pause_reading()
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(3600):
                for _ in range(100_000):
                    writer.write(bytes(65536))
                    await writer.drain()
        self.assertGreater(writer.transport.get_write_buffer_size(), 0)
        writer.transport.abort()
        del reader

    async def test_wrong_links_are_refused(self) -> None:
        """With what is needed, and what was given."""
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("latency needs finite seconds >= 0, got -1", {"latency": -1}),
            ("connect needs finite seconds >= 0, got inf", {"connect": float("inf")}),
            ("rate needs bytes per second > 0, got 0", {"rate": 0}),
            ("segment needs a number of bytes >= 1, got 0", {"segment": 0}),
            ("cut_after needs a number of bytes >= 0, got -1", {"cut_after": -1}),
        ]
        for text, options in wrong:
            with self.assertRaisesRegex(ValueError, text):
                self.host.link(**options)


class HostFaultTests(VirtualCase):
    async def test_a_host_can_refuse_and_be_up_again(self) -> None:
        """Open connections stay."""
        reader, writer = await asyncio.open_connection("echo.test", 7)
        self.host.refuse()
        with self.assertRaises(ConnectionRefusedError):
            await ask("echo.test", 7)
        writer.write(b"still here")
        self.assertEqual(await reader.readexactly(10), b"still here")
        writer.close()

        self.host.up()
        self.assertEqual(await ask("echo.test", 7), b"ping")

    async def test_a_host_that_hangs_is_given_up_after_127_seconds(self) -> None:
        """As on Linux, if the client has no limit of its own."""
        self.host.hang()

        with self.assertRaises(TimeoutError) as caught:
            await ask("echo.test", 7)

        self.assertEqual(caught.exception.errno, errno.ETIMEDOUT)
        self.assertEqual(self.clock.elapsed, 127.0)

    async def test_a_host_can_vanish_from_dns(self) -> None:
        """With the error code of choice; it is declared, so nothing is recorded."""
        self.host.dns_error(socket.EAI_AGAIN)

        with self.assertRaises(socket.gaierror) as caught:
            await ask("echo.test", 7)

        self.assertEqual(caught.exception.errno, socket.EAI_AGAIN)
        self.assertEqual(self.net.undeclared, [])
        self.assertIn("not in DNS", repr(self.host))

    async def test_a_restart_resets_connections_and_takes_its_time(self) -> None:
        """Meanwhile it refuses; then it is up without anybody's doing."""
        reader, _ = await asyncio.open_connection("echo.test", 7)
        self.host.restart(downtime=30)

        with self.assertRaises(ConnectionResetError):
            await reader.read()
        with self.assertRaises(ConnectionRefusedError):
            await ask("echo.test", 7)
        await asyncio.sleep(30)
        self.assertEqual(await ask("echo.test", 7), b"ping")

    async def test_a_wrong_downtime_is_refused(self) -> None:
        """It is a number of seconds."""
        for wrong in (-1, float("inf")):
            with self.assertRaisesRegex(ValueError, "downtime needs finite seconds >= 0"):
                self.host.restart(wrong)

    async def test_happy_eyeballs_leave_an_address_that_hangs(self) -> None:
        """After their delay, exactly."""
        dual = self.net.host("dual.test", addresses=["203.0.113.1", "2001:db8::1:1"])
        await asyncio.start_server(echo, "dual.test", 7)
        dual.hang(address="203.0.113.1")

        _, writer = await asyncio.open_connection("dual.test", 7, happy_eyeballs_delay=0.25)

        self.assertEqual(writer.get_extra_info("peername")[0], "2001:db8::1:1")
        self.assertEqual(self.clock.elapsed, 0.25)
        writer.close()

    async def test_aiohttp_sees_each_fault_as_its_own_error(self) -> None:
        """Because the errors are raised where the system raises them."""
        cases: list[tuple[Any, type[Exception], float]] = [
            (MemoryHost.refuse, aiohttp.ClientConnectorError, 0.0),
            (MemoryHost.dns_error, aiohttp.ClientConnectorError, 0.0),
            (MemoryHost.hang, aiohttp.ServerTimeoutError, 5.0),
        ]
        limit = aiohttp.ClientTimeout(sock_connect=5)
        for fault, expected, seconds in cases:
            fault(self.host.up())
            before = self.clock.elapsed
            async with aiohttp.ClientSession(timeout=limit) as session:
                with self.subTest(fault.__name__), self.assertRaises(expected):
                    await session.get("http://echo.test:7/")
            self.assertEqual(self.clock.elapsed - before, seconds)


class VirtualTimeTests(VirtualClockMixin, AsyncTestCase):
    async def test_200_slow_handlers_take_exactly_as_long_as_they_say(self) -> None:
        """6,000 s, and not one of the clients' limits of 60 s strikes."""

        async def slow(request: web.Request) -> web.Response:
            await asyncio.sleep(30)
            return web.Response(text="done")

        net = await self.enterAsyncContext(MemoryNetwork())
        app = web.Application()
        app.router.add_get("/", slow)
        runner = web.AppRunner(app)
        await runner.setup()
        self.addAsyncCleanup(runner.cleanup)
        net.host("slow.test")
        await web.TCPSite(runner, "slow.test", 80).start()
        limit = aiohttp.ClientTimeout(total=60)

        async with aiohttp.ClientSession(timeout=limit) as session:
            for _ in range(200):
                async with session.get("http://slow.test/") as response:
                    self.assertEqual(await response.text(), "done")

        self.assertEqual(self.clock.elapsed, 6000.0)


async def say_scheme(request: web.Request) -> web.Response:
    return web.Response(text=request.scheme)


class TLSTests(AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.net = await self.enterAsyncContext(MemoryNetwork())
        self.runner = web.ServerRunner(web.Server(say_scheme))
        await self.runner.setup()
        self.addAsyncCleanup(self.runner.cleanup)
        self.host = self.net.host("shop.test")
        await self.net.listen(self.factory, "shop.test", 443, tls=True)

    def factory(self) -> asyncio.BaseProtocol:
        assert self.runner.server is not None
        return self.runner.server()

    async def get(self, url: str = "https://shop.test/") -> str:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return await response.text()

    async def test_stripped_tls_keeps_the_scheme(self) -> None:
        """No handshake and no certificate, and the handler sees https all the same."""
        with mock.patch.object(_tls, "server_context", side_effect=AssertionError):
            self.assertEqual(await self.get(), "https")

    async def test_real_tls_is_a_handshake_that_succeeds(self) -> None:
        """With a certificate for the host, which the client is made to trust."""
        self.host.tls("real")

        self.assertEqual(await self.get(), "https")
        _, writer = await asyncio.open_connection("shop.test", 443, ssl=True)
        names = writer.get_extra_info("peercert")["subjectAltName"]
        self.assertIn(("DNS", "shop.test"), names)
        self.assertIsInstance(writer.get_extra_info("ssl_object"), ssl.SSLObject)
        writer.close()
        await writer.wait_closed()

    async def test_wrong_certificates_are_refused(self) -> None:
        """Each for its own reason, as aiohttp's own kind of error."""
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        reasons: dict[Any, str] = {
            "expired": "has expired",
            "wrong-host": "Hostname mismatch",
            "untrusted": "unable to get local issuer",
        }
        for mode, reason in reasons.items():
            with self.subTest(mode):
                self.host.tls(mode)
                with self.assertRaisesRegex(aiohttp.ClientConnectorCertificateError, reason):
                    await self.get()

    async def test_plain_http_to_a_tls_port_fails(self) -> None:
        """Both sides must agree that TLS is left out; one that sends HTTP does not."""
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        with self.assertRaises(aiohttp.ClientError):
            await self.get("http://shop.test:443/")

    async def test_tls_to_a_plain_port_fails(self) -> None:
        """As it does on a socket."""
        await self.net.listen(self.factory, "shop.test", 80)

        with self.assertRaises(aiohttp.ClientError):
            await self.get("https://shop.test:80/")

    async def test_a_server_s_own_certificate_is_used(self) -> None:
        """With ``tls="real"``, and nobody is made to trust it."""
        own = _tls.server_context(("own.test",), "untrusted")
        self.net.host("own.test").tls("real")
        await self.net.listen(self.factory, "own.test", 443, ssl=own)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

        with self.assertRaisesRegex(aiohttp.ClientConnectorCertificateError, "local issuer"):
            await self.get("https://own.test/")

    async def test_httpx_does_tls_on_its_own(self) -> None:
        """Above the connection, so that nothing is left out; it has to trust the authority."""
        trusting = self.net.trust(ssl.create_default_context())

        async with httpx.AsyncClient(verify=trusting) as client:
            for _ in range(2):
                response = await client.get("https://shop.test/")
                self.assertEqual(response.text, "https")
            self.assertEqual(len(self.net.connections), 1, "it is kept alive")

    async def test_start_tls_upgrades_a_connection(self) -> None:
        """In the middle of a conversation, on both ends, on uvloop's loop, too."""

        async def serve(reader: Reader, writer: Writer) -> None:
            await reader.readline()
            writer.write(b"go ahead\n")
            await writer.start_tls(_tls.server_context(("mail.test",), "real"))
            writer.write(await reader.readline())
            writer.close()

        async def main() -> bytes:
            async with MemoryNetwork() as net:
                net.host("mail.test")
                await asyncio.start_server(serve, "mail.test", 25)
                reader, writer = await asyncio.open_connection("mail.test", 25)
                writer.write(b"STARTTLS\n")
                await reader.readline()
                context = net.trust(ssl.create_default_context())
                await writer.start_tls(context, server_hostname="mail.test")
                writer.write(b"secret\n")
                answer = await reader.readline()
                writer.close()
                await writer.wait_closed()
                return answer

        for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
            with self.subTest(factory.__name__):
                answer = await asyncio.to_thread(_run_on, factory, main)
                self.assertEqual(answer, b"secret\n")

    async def test_without_trustme_the_error_says_what_to_install(self) -> None:
        """Where a certificate is needed, and not before."""
        for name in ("_authority", "_server_context"):
            fresh = functools.cache(getattr(_tls, name).__wrapped__)
            self.enterContext(mock.patch.object(_tls, name, fresh))
        with mock.patch.dict("sys.modules", {"trustme": None}):
            self.assertEqual(await self.get(), "https")
            self.host.tls("real")
            with self.assertRaisesRegex(ImportError, r"pip install 'asynctesting\[tls\]'"):
                await self.get()

    async def test_a_wrong_mode_is_refused(self) -> None:
        """With the choices."""
        with self.assertRaisesRegex(ValueError, "one of strip, real, expired.*got 'none'"):
            self.host.tls("none")  # type: ignore[arg-type]


def _run_on(factory: Any, main: Any) -> Any:
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


_DISCARD = [("127.0.0.1", 9)]


class GuardTests(AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.net = await self.enterAsyncContext(MemoryNetwork())
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.port = self.listener.getsockname()[1]

    def connect(self) -> None:
        socket.create_connection(("127.0.0.1", self.port)).close()

    async def test_a_blocking_client_is_recorded(self) -> None:
        """It gets through; the record has the line."""
        self.connect()

        (record,) = self.net.undeclared
        self.assertEqual((record.how, record.port), ("real connection", self.port))
        self.assertIn("socket.create_connection((", str(record))

    async def test_another_thread_is_recorded_by_its_name(self) -> None:
        """With a loop of its own or without."""

        async def theirs() -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            await writer.wait_closed()

        for target in (self.connect, lambda: asyncio.run(theirs())):
            thread = threading.Thread(target=target, name="their-thread")
            thread.start()
            thread.join()

        self.assertEqual([u.thread for u in self.net.undeclared], ["their-thread"] * 2)
        self.assertIn("(thread 'their-thread')", str(self.net.undeclared[0]))

    async def test_what_is_declared_is_not_recorded(self) -> None:
        """Neither a blocking client's connection nor one of the loop's own."""
        self.net.pass_through("localhost", port=self.port)
        self.connect()
        _, writer = await asyncio.open_connection("localhost", self.port, family=socket.AF_INET)
        writer.close()
        await writer.wait_closed()

        self.assertEqual(self.net.undeclared, [])
        with self.assertRaises(ConnectionRefusedError):
            await ask("127.0.0.1", 1)

    async def test_a_lookup_that_goes_past_the_network_is_recorded(self) -> None:
        """A blocking client's, which gets no further where there is no such name."""

        def careless() -> None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen("http://nowhere.invalid/", timeout=5)

        self.net.host("nowhere.invalid")
        await asyncio.to_thread(careless)

        (record,) = self.net.undeclared
        self.assertEqual((record.how, record.host), ("real lookup", "nowhere.invalid"))
        self.assertEqual(record.port, 80)

    async def test_a_mock_that_outlives_a_network_doubles_nothing(self) -> None:
        """It puts back what it has found, which was the guard's; the next network sees through."""
        with mock.patch("socket.getaddrinfo", side_effect=OSError):
            self.net.shut_down()
        async with MemoryNetwork() as net:
            with self.assertRaises(OSError):
                socket.getaddrinfo("nowhere.invalid", 80)

            self.assertEqual([record.host for record in net.undeclared], ["nowhere.invalid"])

    async def test_what_a_declared_name_stands_for_is_not_recorded(self) -> None:
        """A blocking client asks for the name, and connects to an address."""

        def answer(host: str, *rest: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self.port))]

        self.net.shut_down()
        with mock.patch("socket.getaddrinfo", answer):
            async with MemoryNetwork() as net:
                net.pass_through("db.internal")
                socket.create_connection(("db.internal", self.port)).close()
                self.assertEqual(net.undeclared, [])
                socket.create_connection(("other.internal", self.port)).close()
                self.assertEqual([each.host for each in net.undeclared], ["other.internal"])
            self.assertIs(socket.getaddrinfo, answer)

    async def test_real_datagrams_are_recorded(self) -> None:
        """Of sockets that somebody has made, which no network in memory can see through."""
        loop = asyncio.get_running_loop()
        for is_connected in (True, False):
            sock = socket.socket(type=socket.SOCK_DGRAM)
            sock.setblocking(False)
            if is_connected:
                sock.connect(("127.0.0.1", 9))
            transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock)
            transport.sendto(b"x", None if is_connected else ("127.0.0.1", 9))
            transport.abort()
        await asyncio.sleep(0)

        self.assertEqual([(each.host, each.port) for each in self.net.undeclared], _DISCARD * 2)

    async def test_a_mock_of_the_lookup_outlives_the_network(self) -> None:
        """What somebody else has put in place is not ours to take away."""
        with mock.patch("socket.getaddrinfo") as theirs:
            self.net.shut_down()
            self.assertIs(socket.getaddrinfo, theirs)

    async def test_it_watches_only_while_there_is_a_network(self) -> None:
        """The class of all sockets is left as it was."""
        self.assertIn("connect", vars(socket.socket))
        with mock.patch.object(self.net, "undeclared", []):
            self.net.shut_down()
            self.connect()
            self.assertEqual(self.net.undeclared, [])
        self.assertNotIn("connect", vars(socket.socket))

    async def test_names_are_looked_up_for_real_where_that_is_declared(self) -> None:
        """What the system answers may then be connected to."""
        loop = asyncio.get_running_loop()
        self.net.pass_through("real.example")
        answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self.port))]

        async def answered(*args: Any, **kwargs: Any) -> Any:
            return answer

        with mock.patch.object(self.net.methods, "original", return_value=answered):
            infos = await loop.getaddrinfo("real.example", self.port)
        self.assertEqual(infos, answer)
        self.connect()
        self.assertEqual(self.net.undeclared, [])


class LoopbackTests(AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.net = await self.enterAsyncContext(MemoryNetwork(transport="loopback"))
        self.host = self.net.host("echo.test")

    async def test_names_and_ports_are_virtual_and_bytes_real(self) -> None:
        """Streams, and clients that read and write the socket themselves."""
        server = await asyncio.start_server(echo, "echo.test", 7)
        self.assertEqual(server.sockets[0].getsockname()[1], 7)
        self.assertEqual(await ask("echo.test", 7), b"ping")

        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, ("echo.test", 7))
            await loop.sock_sendall(sock, b"raw")
            self.assertEqual(await loop.sock_recv(sock, 10), b"raw")
        self.assertEqual(self.net.undeclared, [])
        server.close()

    async def test_hosts_refuse_there_too(self) -> None:
        """What is about connecting works; what needs the bytes says so."""
        await asyncio.start_server(echo, "echo.test", 7)
        self.host.refuse()
        with self.assertRaises(ConnectionRefusedError):
            await ask("echo.test", 7)
        with self.assertRaisesRegex(RuntimeError, 'a link needs the bytes in memory: .*"memory"'):
            self.host.link(latency=1)
        with self.assertRaisesRegex(RuntimeError, "needs the bytes in memory"):
            self.host.tls("expired")

    async def test_tls_is_real(self) -> None:
        """With a certificate that clients are made to trust."""
        runner = web.ServerRunner(web.Server(say_scheme))
        await runner.setup()
        self.addAsyncCleanup(runner.cleanup)
        assert runner.server is not None
        await self.net.listen(runner.server, "shop.test", 443, tls=True)

        async with aiohttp.ClientSession() as session:
            async with session.get("https://shop.test/") as response:
                self.assertEqual(await response.text(), "https")

    async def test_a_socket_bound_by_hand_is_used(self) -> None:
        """Its address is both the virtual and the real one."""
        sock = socket.create_server(("127.0.0.1", 0))
        server = await asyncio.start_server(echo, sock=sock)

        self.assertEqual(await ask("127.0.0.1", sock.getsockname()[1]), b"ping")
        server.close()


class ClientTests(AsyncTestCase):
    async def test_websockets_talk(self) -> None:
        """Server and client of the websockets package, unmodified."""
        net = await self.enterAsyncContext(MemoryNetwork())
        net.host("chat.test")

        async def repeat(connection: websockets.ServerConnection) -> None:
            async for message in connection:
                await connection.send(message)

        async with websockets.serve(repeat, "chat.test", 80):
            async with websockets.connect("ws://chat.test/") as connection:
                for message in ("hello", "x" * 200_000):
                    await connection.send(message)
                    self.assertEqual(await connection.recv(), message)
        self.assertEqual(net.undeclared, [])

    async def test_a_blocking_client_can_t_see_hosts_of_the_network(self) -> None:
        """It asks the system; that is what the guard is for."""
        await self.enterAsyncContext(MemoryNetwork())

        with self.assertRaises(OSError):
            urllib.request.urlopen("http://nowhere.invalid/", timeout=5)

    async def test_the_resolver_of_aiodns_asks_the_network(self) -> None:
        """Where it is installed; on a loop without a network it asks whom it always asked."""
        asked = []

        async def real(self: Any, host: str, port: int = 0, *args: Any) -> list[Any]:
            asked.append(host)
            return []

        self.enterContext(mock.patch.object(AsyncResolver, "resolve", real))
        self.enterContext(mock.patch.object(_resolver, "_is_needed", lambda: True))
        resolver: Any = AsyncResolver.__new__(AsyncResolver)
        async with MemoryNetwork() as net:
            net.host("shop.test")
            (found,) = await resolver.resolve("shop.test", 80, socket.AF_INET)
            self.assertEqual((found["hostname"], found["host"]), ("shop.test", "192.0.2.2"))
            with self.assertRaises(OSError):
                await resolver.resolve("nobody.test", 80)
            await asyncio.to_thread(asyncio.run, resolver.resolve("elsewhere.test"))

        self.assertEqual(asked, ["elsewhere.test"])
        self.assertIs(AsyncResolver.resolve, real)

    def test_aiohttp_is_not_imported_without_need(self) -> None:
        """Plain streams cost no more than they are, where aiodns is not installed."""
        process = run_python(
            """
            import asyncio, importlib.util, sys
            found = importlib.util.find_spec
            importlib.util.find_spec = lambda name: None if name == "aiodns" else found(name)
            from asynctesting._network import MemoryNetwork

            async def main():
                async with MemoryNetwork():
                    pass

            asyncio.run(main())
            assert not {"aiohttp", "trustme", "httpx"} & set(sys.modules)
            print("light")
            """
        )
        self.assertEqual((process.stdout, process.stderr), ("light\n", ""))


if __name__ == "__main__":
    unittest.main()
