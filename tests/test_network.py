"""The network in memory: who can be reached, by whom, and what is left when it goes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
import unittest
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import uvloop

from asynctesting import AsyncTestCase, LeakError, VirtualEventLoop
from asynctesting._network import MemoryNetwork, MemorySocket, network_of
from tests.support import OutcomeAssertions, run_case, spin

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter

METHODS = ("getaddrinfo", "getnameinfo", "sock_connect", "create_connection", "create_server")


async def echo(reader: Reader, writer: Writer) -> None:
    """Send back whatever comes, until nothing more does or nobody is there any more."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def ask(host: str, port: int, data: bytes = b"ping", **options: Any) -> bytes:
    """Send *data*, say that this was all, and return what comes back."""
    reader, writer = await asyncio.open_connection(host, port, **options)
    writer.write(data)
    if writer.can_write_eof():
        writer.write_eof()
        answer = await reader.read()
    else:
        answer = await reader.readexactly(len(data))
    writer.close()
    await writer.wait_closed()
    return answer


class NetworkCase(AsyncTestCase):
    """A base: each test has a network."""

    async def asyncSetUp(self) -> None:
        self.net = await self.enterAsyncContext(MemoryNetwork())


class EnteringTests(OutcomeAssertions):
    def run_on(self, main: Callable[[], Awaitable[None]], factory: Any) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())  # type: ignore[arg-type]

    def test_it_works_on_every_loop(self) -> None:
        """On the stock loop, on ours and on uvloop's: names, ports and streams."""

        async def main() -> None:
            async with MemoryNetwork() as net:
                net.host("echo.test")
                server = await asyncio.start_server(echo, "echo.test", 7)
                self.assertEqual(await ask("echo.test", 7), b"ping")
                server.close()
                await server.wait_closed()

        for factory in (asyncio.new_event_loop, VirtualEventLoop, uvloop.new_event_loop):
            with self.subTest(factory=factory.__name__):
                self.run_on(main, factory)

    def test_the_loop_gets_its_methods_back(self) -> None:
        """Afterwards nothing on it tells that there was a network."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            before = set(vars(loop))
            with MemoryNetwork() as net:
                self.assertIs(network_of(loop), net)
                for name in METHODS:
                    self.assertIn(name, vars(loop))
            self.assertEqual(set(vars(loop)), before)
            self.assertIsNone(network_of(loop))
            self.assertNotIn("connect", vars(socket.socket))

        for factory in (asyncio.new_event_loop, VirtualEventLoop, uvloop.new_event_loop):
            with self.subTest(factory=factory.__name__):
                self.run_on(main, factory)

    def test_a_method_that_was_replaced_before_is_put_back(self) -> None:
        """Somebody else's replacement is not ours to take away."""

        async def main() -> None:
            loop = asyncio.get_running_loop()

            async def theirs(*args: Any, **kwargs: Any) -> Any:
                raise AssertionError("not to be called")

            loop.getaddrinfo = theirs  # type: ignore[method-assign]
            async with MemoryNetwork():
                await loop.getaddrinfo("localhost", 80)
            self.assertIs(loop.getaddrinfo, theirs)

        asyncio.run(main())

    def test_there_is_one_network_a_loop(self) -> None:
        """A second one is refused, with what to do; after the first it is welcome."""

        async def main() -> None:
            async with MemoryNetwork():
                with self.assertRaisesRegex(RuntimeError, "has a MemoryNetwork already.*use that"):
                    MemoryNetwork().__enter__()
            async with MemoryNetwork():
                pass

        asyncio.run(main())

    def test_two_loops_have_two_networks(self) -> None:
        """Another thread's loop has a network of its own, or none."""
        answers: list[bytes] = []

        async def main(name: bytes, barrier: threading.Barrier) -> None:
            async def greet(reader: Reader, writer: Writer) -> None:
                writer.write(name)
                writer.close()

            async with MemoryNetwork() as net:
                net.host("greeter.test")
                await asyncio.start_server(greet, "greeter.test", 80)
                barrier.wait(30)
                answers.append(await ask("greeter.test", 80, b""))
                barrier.wait(30)

        barrier = threading.Barrier(2)
        other = threading.Thread(target=lambda: asyncio.run(main(b"theirs", barrier)))
        other.start()
        asyncio.run(main(b"ours", barrier))
        other.join()

        self.assertEqual(sorted(answers), [b"ours", b"theirs"])

    def test_it_needs_a_running_loop(self) -> None:
        """Outside of a coroutine there is nothing to install it on."""
        with self.assertRaisesRegex(RuntimeError, "entered where its loop runs"):
            MemoryNetwork().__enter__()

    def test_arguments_are_checked(self) -> None:
        """At once, and with the choices."""
        with self.assertRaisesRegex(ValueError, "tls is one of strip, real.*'none'"):
            MemoryNetwork(tls="none")  # type: ignore[arg-type]
        with self.assertRaisesRegex(ValueError, "'memory' or 'loopback', got 'disk'"):
            MemoryNetwork(transport="disk")  # type: ignore[arg-type]


class LeavingTests(AsyncTestCase):
    async def test_every_connection_is_aborted_and_every_server_closed(self) -> None:
        """Both ends hear of it before the block is left, and nobody can connect any more."""
        ended = []

        async def serve(reader: Reader, writer: Writer) -> None:
            ended.append(await reader.read())

        async with MemoryNetwork() as net:
            server = await asyncio.start_server(serve, "localhost", 80)
            reader, writer = await asyncio.open_connection("localhost", 80)
            await spin()
            self.assertEqual(len(net.connections), 1)

        self.assertEqual(await reader.read(), b"")
        self.assertEqual(ended, [b""])
        self.assertEqual(net.connections, [])
        self.assertFalse(server.is_serving())
        self.assertTrue(writer.is_closing())

    async def test_an_error_in_the_block_is_not_hidden(self) -> None:
        """It leaves the block as it is."""
        with self.assertRaisesRegex(KeyError, "mine"):
            async with MemoryNetwork():
                await asyncio.start_server(echo, "localhost", 80)
                raise KeyError("mine")

    async def test_writes_after_it_are_lost_and_harmless(self) -> None:
        """Whoever kept a connection finds it closed."""
        async with MemoryNetwork():
            await asyncio.start_server(echo, "localhost", 80)
            _, writer = await asyncio.open_connection("localhost", 80)

        writer.write(b"too late")
        with self.assertRaises(ConnectionError):
            await writer.drain()


class LeakTests(OutcomeAssertions):
    def test_what_a_test_leaves_on_a_shared_network_is_named(self) -> None:
        """A class's network lives on; a connection that one test opened does not."""

        class Wide(AsyncTestCase):
            loop_scope = "class"

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.net = await cls.enterClassAsyncContext(MemoryNetwork())
                await asyncio.start_server(echo, "localhost", 80)

            async def test_it(self) -> None:
                _, self.writer = await asyncio.open_connection("localhost", 80)

            async def test_tidy(self) -> None:
                await ask("localhost", 80)

        outcome = unittest.TestResult()
        suite = unittest.TestSuite([Wide("test_it"), Wide("test_tidy")])
        suite.run(outcome)

        self.assertEqual(len(outcome.failures), 1, outcome.failures)
        test, text = outcome.failures[0]
        self.assertIn("test_it", str(test))
        self.assertIn("LeakError", text)
        self.assertIn("MemoryTransport of StreamReaderProtocol to 127.0.0.1:80", text)

    def test_a_network_that_is_never_left_is_named_by_what_is_open(self) -> None:
        """Its server still listens when the test is over."""

        class Forgetful(AsyncTestCase):
            async def test_it(self) -> None:
                self.net = MemoryNetwork().__enter__()
                await asyncio.start_server(echo, "localhost", 80)

        outcome = run_case(Forgetful)

        self.assertFailsWith(outcome, LeakError, "server still listens on  127.0.0.1:80")


class NameTests(NetworkCase):
    async def look_up(self, host: Any, port: Any = 80, **options: Any) -> list[str]:
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, **options)
        return [info[4][0] for info in infos]

    async def test_a_host_has_an_address_that_is_routed_nowhere(self) -> None:
        """Each has its own, in a range that is kept for examples."""
        a, b = self.net.host("a.test"), self.net.host("b.test")

        self.assertEqual(await self.look_up("a.test"), ["192.0.2.2"])
        self.assertEqual(await self.look_up("b.test"), ["192.0.2.3"])
        self.assertEqual((a.addresses, b.addresses), (("192.0.2.2",), ("192.0.2.3",)))

    async def test_addresses_can_be_chosen_in_both_families(self) -> None:
        """The answer has those of the family that was asked for, in the order given."""
        self.net.host("dual.test", addresses=["2001:db8::7", "203.0.113.7", "203.0.113.8"])

        self.assertEqual(
            await self.look_up("dual.test"), ["2001:db8::7", "203.0.113.7", "203.0.113.8"]
        )
        self.assertEqual(
            await self.look_up("dual.test", family=socket.AF_INET), ["203.0.113.7", "203.0.113.8"]
        )
        self.assertEqual(await self.look_up("dual.test", family=socket.AF_INET6), ["2001:db8::7"])

    async def test_a_family_without_an_address_is_an_error(self) -> None:
        """As it is with a real name."""
        self.net.host("old.test")

        with self.assertRaises(socket.gaierror):
            await self.look_up("old.test", family=socket.AF_INET6)

    async def test_the_answer_has_the_form_of_the_real_one(self) -> None:
        """Each element is what the standard library's function gives for an address."""
        loop = asyncio.get_running_loop()
        for address in ("127.0.0.1", "::1"):
            ours = await loop.getaddrinfo(address, "http", type=socket.SOCK_STREAM)
            theirs = socket.getaddrinfo(address, 80, type=socket.SOCK_STREAM)
            self.assertEqual(ours, theirs)

    async def test_names_are_found_however_they_are_spelt(self) -> None:
        """Case and a last dot do not count, and bytes are names, too."""
        self.net.host("Shop.Test")

        for name in ("shop.test", "SHOP.TEST.", b"shop.test"):
            self.assertEqual(await self.look_up(name), ["192.0.2.2"])

    async def test_an_unknown_name_is_an_error_and_is_recorded(self) -> None:
        """The error is the system's, with a note for the reader; the record names the line."""
        with self.assertRaises(socket.gaierror) as caught:
            await self.look_up("nobody.test", 443)

        self.assertEqual(caught.exception.errno, socket.EAI_NONAME)
        self.assertIn("network.host('nobody.test')", caught.exception.__notes__[0])
        (record,) = self.net.undeclared
        self.assertEqual(
            (record.how, record.host, record.port), ("name looked up", "nobody.test", 443)
        )
        self.assertIn("test_network.py", str(record))
        self.assertIn("await loop.getaddrinfo(host, port", str(record))

    async def test_addresses_have_names(self) -> None:
        """The other direction: ``getnameinfo()``."""
        loop = asyncio.get_running_loop()
        self.net.host("shop.test")

        self.assertEqual(await loop.getnameinfo(("192.0.2.2", 80)), ("shop.test", "http"))
        flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        self.assertEqual(await loop.getnameinfo(("192.0.2.2", 80), flags), ("192.0.2.2", "80"))

    async def test_who_can_not_be_served(self) -> None:
        """Names, ports and functions that can't be are told where they are given."""
        for name in ("", "a b", "http://a.test", "a.test/x"):
            with self.subTest(name=name), self.assertRaisesRegex(ValueError, "needs a name such"):
                self.net.host(name)
        with self.assertRaisesRegex(TypeError, "needs a name such"):
            self.net.host(None)  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, r"write \['10\.0\.0\.1'\]"):
            self.net.host("a.test", addresses="10.0.0.1")
        for arguments, message in (
            ((asyncio.Protocol, "a.test", -1), "needs a port"),
            ((asyncio.Protocol, "a.test", "80"), "needs a port"),
            ((None, "a.test", 80), "a function that makes a protocol"),
        ):
            with (
                self.subTest(arguments=arguments),
                self.assertRaisesRegex((TypeError, ValueError), message),
            ):
                await self.net.listen(*arguments)  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, "ssl= needs an ssl.SSLContext"):
            await self.net.listen(asyncio.Protocol, "a.test", 1, ssl=True)  # type: ignore[arg-type]
        with self.assertRaisesRegex(OverflowError, "port must be 0-65535"):
            await asyncio.start_server(asyncio.Protocol, "127.0.0.1", 70000)  # type: ignore[arg-type]

    async def test_a_host_is_declared_once(self) -> None:
        """The same name is the same host; what contradicts it is an error."""
        shop = self.net.host("shop.test", addresses=["203.0.113.1"])

        self.assertIs(self.net.host("SHOP.test"), shop)
        with self.assertRaisesRegex(ValueError, "declared already, with 203.0.113.1"):
            self.net.host("shop.test", addresses=["203.0.113.2"])
        with self.assertRaisesRegex(ValueError, "203.0.113.1 belongs to host 'shop.test'"):
            self.net.host("other.test", addresses=["203.0.113.1"])
        with self.assertRaisesRegex(ValueError, "'shop' is no IP address"):
            self.net.host("third.test", addresses=["shop"])
        with self.assertRaisesRegex(ValueError, "at least one; for none, call dns_error"):
            self.net.host("fourth.test", addresses=[])
        with self.assertRaisesRegex(ValueError, "needs a name"):
            self.net.host("")


class ListeningTests(NetworkCase):
    async def test_any_port_can_be_had(self) -> None:
        """Port 80 needs no rights, and the same one serves many hosts."""
        for name in ("a.test", "b.test"):
            self.net.host(name)
            await asyncio.start_server(echo, name, 80)
        await asyncio.start_server(echo, "127.0.0.1", 80)

        for name in ("a.test", "b.test", "127.0.0.1"):
            self.assertEqual(await ask(name, 80), b"ping")

    async def test_port_0_is_a_free_one_that_can_be_read(self) -> None:
        """From ``server.sockets``, as with a real server."""
        first = await asyncio.start_server(echo, "127.0.0.1", 0)
        second = await asyncio.start_server(echo, "127.0.0.1", 0)

        ports = {server.sockets[0].getsockname()[1] for server in (first, second)}
        self.assertEqual(len(ports), 2)
        for port in ports:
            self.assertEqual(await ask("localhost", port), b"ping")

    async def test_this_machine_has_many_names(self) -> None:
        """A server on the wildcard is reached by each of them."""
        await asyncio.start_server(echo, None, 80)

        for name in ("localhost", "127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "app.localhost"):
            self.assertEqual(await ask(name, 80), b"ping", name)

    async def test_a_port_that_is_taken_is_an_error(self) -> None:
        """And free again when the server has closed."""
        server = await asyncio.start_server(echo, "127.0.0.1", 80)

        with self.assertRaises(OSError) as caught:
            await asyncio.start_server(echo, "127.0.0.1", 80)
        self.assertEqual(caught.exception.errno, errno.EADDRINUSE)
        server.close()
        await asyncio.start_server(echo, "127.0.0.1", 80)

    async def test_a_foreign_address_cannot_be_listened_at(self) -> None:
        """Unless it is declared; an unknown name has no address at all."""
        with self.assertRaises(OSError) as caught:
            await asyncio.start_server(echo, "203.0.113.9", 80)
        self.assertEqual(caught.exception.errno, errno.EADDRNOTAVAIL)
        with self.assertRaises(socket.gaierror):
            await asyncio.start_server(echo, "nobody.test", 80)

        self.net.host("203.0.113.9")
        await asyncio.start_server(echo, "203.0.113.9", 80)
        self.assertEqual(await ask("203.0.113.9", 80), b"ping")

    async def test_listen_declares_the_host(self) -> None:
        """One call for both, with any protocol."""
        received = []

        class Sink(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                received.append(data)

        await self.net.listen(Sink, "sink.test", 514)
        _, writer = await asyncio.open_connection("sink.test", 514)
        writer.write(b"log")
        await spin()

        self.assertEqual(received, [b"log"])
        self.assertEqual([host.name for host in self.net.hosts], ["sink.test"])
        writer.close()

    async def test_a_socket_that_was_bound_by_hand_keeps_its_name(self) -> None:
        """As aiohttp's test server does it; clients come in memory, and nobody from outside."""
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]

        server = await asyncio.start_server(echo, sock=sock)

        self.assertEqual(await ask("127.0.0.1", port), b"ping")
        self.assertEqual(server.sockets[0].getsockname()[1], port)
        server.close()
        self.assertEqual(sock.fileno(), -1)

    async def test_a_server_can_wait_with_serving(self) -> None:
        """Until ``start_serving()`` connections are refused."""
        server = await asyncio.start_server(echo, "127.0.0.1", 80, start_serving=False)

        with self.assertRaises(ConnectionRefusedError):
            await ask("127.0.0.1", 80)
        await server.start_serving()
        self.assertEqual(await ask("127.0.0.1", 80), b"ping")

    async def test_serve_forever_ends_with_its_task(self) -> None:
        """It closes the server, and raises the cancellation."""
        server = await asyncio.start_server(echo, "127.0.0.1", 80)
        task = asyncio.create_task(server.serve_forever())
        await spin()
        with self.assertRaisesRegex(RuntimeError, "already being awaited"):
            await server.serve_forever()

        task.cancel()

        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertFalse(server.is_serving())
        with self.assertRaisesRegex(RuntimeError, "is closed"):
            await server.serve_forever()

    async def test_a_factory_that_fails_is_reported_and_closes_the_connection(self) -> None:
        """The client sees the end, the loop's handler the error."""
        told: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context))

        def factory() -> asyncio.Protocol:
            raise KeyError("no protocol today")

        await self.net.listen(factory, "broken.test", 80)
        reader, writer = await asyncio.open_connection("broken.test", 80)

        self.assertEqual(await reader.read(), b"")
        self.assertIn("incoming connection", told[0]["message"])
        self.assertIsInstance(told[0]["exception"], KeyError)
        writer.close()

    async def test_unix_sockets_are_paths_without_files(self) -> None:
        """A path nobody listens at is an error, and one nobody ever did is recorded."""
        path = "/nowhere/at/all.sock"
        server = await asyncio.start_unix_server(echo, path)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"ping")

        self.assertEqual(await reader.readexactly(4), b"ping")
        writer.close()
        server.close()
        with self.assertRaises(ConnectionRefusedError):
            await asyncio.open_unix_connection(path)
        self.assertEqual(self.net.undeclared, [])
        with self.assertRaises(FileNotFoundError):
            await asyncio.open_unix_connection("/nowhere/other.sock")
        self.assertEqual([u.host for u in self.net.undeclared], ["/nowhere/other.sock"])


class ConnectingTests(NetworkCase):
    async def test_both_ends_know_their_names(self) -> None:
        """Peer and own address of one end are those of the other, reversed."""
        names: list[Any] = []

        async def serve(reader: Reader, writer: Writer) -> None:
            names.append([writer.get_extra_info(n) for n in ("peername", "sockname")])
            writer.close()

        self.net.host("shop.test")
        await asyncio.start_server(serve, "shop.test", 80)
        reader, writer = await asyncio.open_connection("shop.test", 80)
        await reader.read()

        own, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        self.assertEqual(peer, ("192.0.2.2", 80))
        self.assertEqual(own[0], "192.0.2.1")
        self.assertEqual(names, [[own, peer]])
        writer.close()

    async def test_the_stand_in_for_the_socket_is_good_enough(self) -> None:
        """Names, family, options, and a descriptor for those who poll an idle connection."""
        await asyncio.start_server(echo, "127.0.0.1", 80)
        reader, writer = await asyncio.open_connection("127.0.0.1", 80)
        self.addCleanup(writer.close)
        sock = writer.get_extra_info("socket")

        self.assertIsInstance(sock, MemorySocket)
        self.assertEqual(sock.family, socket.AF_INET)
        self.assertEqual(sock.type, socket.SOCK_STREAM)
        self.assertEqual(sock.getpeername(), ("127.0.0.1", 80))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.assertEqual(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), 1)
        number = sock.fileno()
        self.assertGreater(number, 0)

        writer.write(b"x")
        writer.transport.pause_reading()
        await spin()
        self.assertEqual(sock.fileno(), -1, "there is something to read now")
        writer.transport.resume_reading()
        self.assertEqual(await reader.read(1), b"x")
        writer.close()
        await writer.wait_closed()
        with self.assertRaises(OSError):
            socket.socket(fileno=number).close()

    async def test_nobody_listening_is_connection_refused(self) -> None:
        """The errno is the system's; a port that nobody ever listened at is recorded."""
        self.net.host("shop.test")
        with self.assertRaises(ConnectionRefusedError) as caught:
            await ask("shop.test", 81)
        self.assertEqual(caught.exception.errno, errno.ECONNREFUSED)
        self.assertEqual(self.net.undeclared, [], "the host is declared")

        with self.assertRaises(ConnectionRefusedError) as caught:
            await ask("127.0.0.1", 5432)
        (record,) = self.net.undeclared
        self.assertEqual((record.how, record.host, record.port), ("connection", "127.0.0.1", 5432))
        self.assertIn("pass_through('127.0.0.1', port=5432)", caught.exception.__notes__[0])

    async def test_a_server_that_has_closed_is_no_stranger(self) -> None:
        """Connecting to it is refused, and not recorded, whatever this machine is called."""
        server = await asyncio.start_server(echo, "127.0.0.1", 80)
        server.close()

        for name in ("127.0.0.1", "localhost", "::1"):
            with self.assertRaises(OSError):
                await ask(name, 80)

        self.assertEqual(self.net.undeclared, [])

    async def test_one_attempt_at_localhost_is_recorded_once(self) -> None:
        """Although both of its addresses were tried."""
        with self.assertRaisesRegex(OSError, "Multiple exceptions"):
            await ask("localhost", 5432)

        self.assertEqual([u.host for u in self.net.undeclared], ["127.0.0.1"])

    async def test_the_next_address_is_tried(self) -> None:
        """Of several addresses the first that answers is taken."""
        dual = self.net.host("dual.test", addresses=["203.0.113.1", "203.0.113.2"])
        await asyncio.start_server(echo, "dual.test", 80)
        dual.refuse(address="203.0.113.1")

        _, writer = await asyncio.open_connection("dual.test", 80)

        self.assertEqual(writer.get_extra_info("peername"), ("203.0.113.2", 80))
        writer.close()

    async def test_all_addresses_can_fail(self) -> None:
        """The error is what asyncio makes of several, as one or as a group."""
        dual = self.net.host("dual.test", addresses=["203.0.113.1", "203.0.113.2"]).refuse()
        loop = asyncio.get_running_loop()
        with self.assertRaisesRegex(OSError, "Multiple exceptions: .*113.1.*113.2"):
            await ask("dual.test", 80)
        if hasattr(asyncio, "TaskGroup") and "all_errors" in _stock_options():
            with self.assertRaises(ExceptionGroup) as caught:
                await loop.create_connection(asyncio.Protocol, "dual.test", 80, all_errors=True)
            self.assertEqual(len(caught.exception.exceptions), 2)
        with self.assertRaisesRegex(ValueError, "no address of 'dual.test'"):
            dual.refuse(address="203.0.113.3")

    async def test_a_socket_made_by_hand_connects(self) -> None:
        """``sock_connect()`` and then ``create_connection(sock=...)``: how aiohttp does it."""
        await asyncio.start_server(echo, "127.0.0.1", 80)
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setblocking(False)

        await loop.sock_connect(sock, ("127.0.0.1", 80))
        reader, writer = await asyncio.open_connection(sock=sock)

        writer.write(b"ping")
        self.assertEqual(await reader.readexactly(4), b"ping")
        self.assertEqual(sock.fileno(), -1, "the real one is not needed any more")
        writer.close()

    async def test_wrong_arguments_are_asyncios_errors(self) -> None:
        """Those that the stock method raises."""
        loop = asyncio.get_running_loop()
        protocol = asyncio.Protocol
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("no sock specified", {}),
            (
                "server_hostname is only meaningful",
                {"host": "a", "port": 1, "server_hostname": "a"},
            ),
            ("ssl_handshake_timeout is only", {"host": "a", "port": 1, "ssl_handshake_timeout": 1}),
        ]
        self.net.host("a")
        for text, options in wrong:
            with self.assertRaisesRegex(ValueError, text):
                await loop.create_connection(protocol, **options)
        with self.assertRaisesRegex(ValueError, "Neither host/port nor sock"):
            await loop.create_server(protocol)

    async def test_the_server_does_not_run_in_the_clients_context(self) -> None:
        """Context variables of a client are none of the server's business."""
        who: ContextVar[str] = ContextVar("who", default="nobody")
        seen = []

        async def serve(reader: Reader, writer: Writer) -> None:
            seen.append(who.get())
            writer.close()

        who.set("the server")
        await asyncio.start_server(serve, "127.0.0.1", 80)
        who.set("the client")
        await ask("127.0.0.1", 80, b"")

        self.assertEqual(seen, ["the server"])

    async def test_a_connection_says_where_it_comes_from(self) -> None:
        """The verdict of a test needs the line, the reader the target."""
        self.net.host("shop.test")
        await asyncio.start_server(echo, "shop.test", 80)
        _, writer = await asyncio.open_connection("shop.test", 80)

        (connection,) = self.net.connections
        self.assertIs(writer.get_extra_info("asynctesting.connection"), connection)
        self.assertIn("asyncio.open_connection(", str(connection.place))
        self.assertEqual(repr(connection), "<Connection 1 192.0.2.1:49152 -> shop.test:80 open>")
        writer.close()
        await spin(10)
        self.assertEqual(self.net.connections, [])
        self.assertTrue(connection.is_closed)

    async def test_a_client_that_is_cancelled_leaves_nothing(self) -> None:
        """The half-made connection is aborted."""
        await asyncio.start_server(echo, "127.0.0.1", 80)
        task = asyncio.create_task(asyncio.open_connection("127.0.0.1", 80))
        await asyncio.sleep(0)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        await spin(10)

        self.assertEqual(self.net.connections, [])


def _stock_options() -> set[str]:
    import inspect

    return set(inspect.signature(asyncio.BaseEventLoop.create_connection).parameters)


if __name__ == "__main__":
    unittest.main()
