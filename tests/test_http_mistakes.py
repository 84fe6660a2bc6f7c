"""What can't be meant is refused where it is written, and the message says what to write."""

from __future__ import annotations

import asyncio
import re
import unittest
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from asynctesting import HTTPNetwork
from tests.test_http_network import NetworkCase


class MistakeTests(NetworkCase):
    """Each is said at once, with what to write instead."""

    def refuses(self, method: Callable[..., Any], *cases: tuple[dict[str, Any], str]) -> None:
        for arguments, message in cases:
            with (
                self.subTest(**arguments),
                self.assertRaisesRegex((TypeError, ValueError), re.escape(message)),
            ):
                method(**arguments)

    async def test_urls(self) -> None:
        """A host is a scheme and a name, and a port at most."""
        for url, message in (
            ("api.test", "Write 'http://api.test' or 'https://api.test'"),
            ("ftp://api.test", "whose scheme is 'ftp'"),
            ("https://api.test/v1", "a host has no path. Write 'https://api.test'"),
            ("https://api.test?x=1", "a host has no path"),
            ("http://", "names no host"),
            ("http://a:99999", "is no URL"),
            ("http://a:0", "no client can connect to port 0"),
            ("http://a b", "needs the name of a host"),
            ("http://me:secret@a", "a URL with a user in it"),
            ("/v1", "Write 'http://name/v1'"),
        ):
            with self.subTest(url=url), self.assertRaisesRegex(ValueError, re.escape(message)):
                self.net.host(url)
        with self.assertRaisesRegex(TypeError, "needs a URL"):
            self.net.host(7)  # type: ignore[arg-type]

    async def test_one_name_twice(self) -> None:
        """The message has the line of the first; another port is another host."""
        with self.assertRaisesRegex(
            ValueError, r"api\.test port 443 is taken already \(at .*test_http_network\.py"
        ):
            self.net.host("https://api.test")
        self.net.host("http://api.test")
        self.net.host("https://api.test:8443")

    async def test_responses(self) -> None:
        """Two bodies, a wrong status, a wrong type."""
        stub = self.api.get("/").optional()
        with self.assertRaisesRegex(TypeError, "json= and body= each give one"):
            stub.respond(json=1, body=b"1")
        with self.assertRaisesRegex(TypeError, "Write text='1'"):
            stub.respond(body="1")  # type: ignore[arg-type]
        with self.assertRaisesRegex(ValueError, "a stub responds with 200 to 599"):
            stub.respond(99)
        with self.assertRaisesRegex(TypeError, "a status is a number"):
            stub.respond("200")  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, "For a body write json={'a': 1}"):
            stub.respond({"a": 1})  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, "can't be sent"):
            stub.respond(json=object())
        with self.assertRaisesRegex(TypeError, "a header's value is a string"):
            stub.respond(headers={"X": 1})  # type: ignore[dict-item]
        with self.assertRaisesRegex(ValueError, "a header has one line"):
            stub.respond(headers={"X": "a\r\nb"})
        with self.assertRaisesRegex(TypeError, "stream= needs chunks"):
            stub.respond(stream="abc")
        with self.assertRaisesRegex(TypeError, "text= needs a str"):
            stub.respond(text=b"abc")  # type: ignore[arg-type]
        self.refuses(
            stub.respond,
            ({"headers": 5}, "headers= needs a mapping or pairs"),
            ({"headers": {"a b": "c"}}, "'a b' is no name of a header"),
            ({"stream": [None]}, "a chunk of stream= is bytes or a string, got None"),
            ({"reason": 5}, "reason= needs a phrase"),
            ({"reason": "a\nb"}, "has to be one line"),
            ({"status": 204, "json": 1}, "status 204 has no body"),
            ({"status": 304, "stream": ["a"]}, "status 304 has no body"),
            (
                {"text": "tea", "headers": {"Content-Length": "5"}},
                "announce a Content-Length of 5, and the body has 3 bytes",
            ),
            ({"headers": {"Transfer-Encoding": "chunked"}}, "is the server's own"),
        )

    async def test_requests(self) -> None:
        """What no request can look like, or could never be compared."""
        self.refuses(
            partial(self.api.post, "/"),
            ({"params": 5}, "a mapping such as {'q': 'tea'} or pairs, got 5"),
            ({"params": [1]}, "or pairs, got [1]"),
            ({"headers": ["a"]}, "headers= needs a mapping"),
            ({"json": {1}}, "can't be in JSON"),
            ({"data": {"a": None}}, "a form has only strings and files"),
            ({"content": 5}, "content= needs a str, bytes or a compiled pattern"),
            ({"match": lambda: True}, "is called with 1 argument; "),
        )
        self.assertEqual(self.api.stubs, [])

    async def test_functions(self) -> None:
        """What will be called is looked at before it is too late."""
        stub = self.api.get("/").optional()
        for method in (stub.respond_with, stub.side_effect):
            with self.assertRaisesRegex(TypeError, r"called with 1 argument; .* takes \(\)"):
                method(lambda: None)
        task = asyncio.ensure_future(self.client.get("/by-hand"))
        self.api._by_hand = True
        exchange = await self.api.next_request()
        with self.assertRaisesRegex(TypeError, "async def handler"):
            exchange.respond_with(lambda: None)  # type: ignore[arg-type]
        exchange.respond()
        await task

    async def test_links(self) -> None:
        """A link that is refused leaves the one before."""
        self.refuses(
            self.api.link,
            ({"latency": "1"}, "latency needs a number of seconds"),
            ({"rate": "fast"}, "rate needs bytes per second, got 'fast'"),
            ({"rate": 0}, "rate needs bytes per second > 0"),
            ({"segment": 1.5}, "segment needs a whole number of bytes"),
            ({"cut_after": True}, "cut_after needs a whole number of bytes"),
            ({"stall_after": -1}, "stall_after needs a number of bytes >= 0"),
        )
        self.refuses(self.api.restart, ({"downtime": "x"}, "downtime needs a number of seconds"))

    async def test_counts_to_wait_for(self) -> None:
        """They are whole, and above zero."""
        for count in (0, -1, "1", True, 1.5):
            with (
                self.subTest(count=count),
                self.assertRaisesRegex((TypeError, ValueError), "needs a whole number above zero"),
            ):
                await self.api.wait_calls(count)  # type: ignore[arg-type]

    async def test_protocols(self) -> None:
        """Those of a server beside HTTP, and the subprotocols of a websocket."""
        serve = self.net.serve_protocol
        for host, port, message in (
            ("a.test", "http", "needs a port, a number up to 65535"),
            ("a.test", True, "needs a port"),
            ("a.test", 70000, "needs a port"),
            ("http://a.test", 80, "needs the name of a host"),
            (None, 80, "needs the name of a host"),
        ):
            with (
                self.subTest(host=host, port=port),
                self.assertRaisesRegex((TypeError, ValueError), message),
            ):
                await serve(asyncio.Protocol, host, port)  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, "a class or a function that makes a protocol"):
            await serve(asyncio.Protocol(), "a.test", 80)  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, "needs a list of subprotocols"):
            self.api.websocket("/", protocols="chat").optional()
        server: Any = await serve(asyncio.Protocol, "a.test", 0)
        self.assertGreater(server.sockets[0].getsockname()[1], 0)

    async def test_who_is_let_through(self) -> None:
        """Names, addresses and paths, and a port apart."""
        for hosts, port, message in (
            ((), None, "needs to be told whom"),
            (("",), None, "got ''"),
            ((None,), None, "got None"),
            (("http://a.test",), None, "For one port of a host write port="),
            (("a.test",), "80", "port= needs a number"),
            (("a.test",), -1, "port= needs a number"),
        ):
            with (
                self.subTest(hosts=hosts, port=port),
                self.assertRaisesRegex((TypeError, ValueError), message),
            ):
                self.net.pass_through(*hosts, port=port)  # type: ignore[arg-type]

    async def test_a_test_client_whose_application_does_not_start(self) -> None:
        """Its session is not left open, for there is none yet."""

        async def fail(app: web.Application) -> None:
            raise ConnectionError("no database")

        app = web.Application()
        app.on_startup.append(fail)

        with self.assertRaisesRegex(ConnectionError, "no database"):
            await self.net.aiohttp_client(app)

    async def test_asgi_applications(self) -> None:
        """They take three arguments, and give a coroutine."""

        async def two(scope: Any, receive: Any) -> None: ...

        def plain(scope: Any, receive: Any, send: Any) -> None: ...

        for app, message in (
            (two, r"called with scope, receive and send; .* takes \(scope"),
            (web.Application, "called with scope, receive and send; <class"),
            (plain, "returned None; an ASGI application is an 'async def app"),
        ):
            with self.subTest(app=app), self.assertRaisesRegex(TypeError, message):
                await self.net.serve_asgi(app, "http://asgi.test")  # type: ignore[arg-type]

    async def test_verbs_in_the_wrong_order(self) -> None:
        """``times`` and its like speak of an answer."""
        stub = self.api.get("/").optional()
        for verb in ("times", "repeat", "delay"):
            arguments = () if verb == "repeat" else (1,)
            with self.assertRaisesRegex(TypeError, rf"Write respond\(\.\.\.\)\.{verb}"):
                getattr(stub, verb)(*arguments)

    async def test_counts_and_delays(self) -> None:
        """None, less than one, and after for ever."""
        stub = self.api.get("/").respond().optional()
        with self.assertRaisesRegex(ValueError, "write no stub"):
            stub.times(0)
        with self.assertRaisesRegex(ValueError, "finite seconds >= 0, got -1: an answer comes"):
            stub.delay(-1)
        stub.repeat()
        with self.assertRaisesRegex(TypeError, "would never be given"):
            stub.respond(500)

    async def test_a_stream_that_serves_once(self) -> None:
        """An iterator can't be repeated."""
        with self.assertRaisesRegex(TypeError, "serves one call only"):
            self.api.get("/").optional().respond(stream=iter([b"a"])).times(2)

    async def test_faults(self) -> None:
        """Unknown ones, negative bytes, and answers that can't break."""
        stub = self.api.get("/").respond().optional()
        with self.assertRaisesRegex(ValueError, "there are reset, close, half-close"):
            stub.fault("explode")
        with self.assertRaisesRegex(ValueError, "0 or more"):
            stub.fault("reset", after=-1)
        with self.assertRaisesRegex(TypeError, "a number of bytes"):
            stub.fault("reset", after=1.5)  # type: ignore[arg-type]
        with self.assertRaisesRegex(ValueError, "the body has 0 bytes"):
            stub.fault("truncate")
        with self.assertRaisesRegex(TypeError, "whose bytes are known"):
            self.api.get("/").optional().respond(stream=[b"a"]).fault("reset")

    async def test_side_effects(self) -> None:
        """What can't be one."""
        stub = self.api.get("/").optional()
        with self.assertRaisesRegex(TypeError, r"write respond\(\) instead"):
            stub.side_effect(503)
        with self.assertRaisesRegex(TypeError, "For a body write reply"):
            stub.side_effect([{"a": 1}])
        with self.assertRaisesRegex(TypeError, "needs an exception, a function"):
            stub.side_effect("oops")
        with self.assertRaisesRegex(TypeError, r"write respond\("):
            stub.respond_with(web.Response())  # type: ignore[arg-type]

    async def test_a_client_with_a_bad_base(self) -> None:
        """A path in place of a URL."""
        with self.assertRaisesRegex(ValueError, "which has no scheme. Write 'http://name/v1'"):
            self.net.client("/v1")

    async def test_a_network_is_entered_once(self) -> None:
        """And with ``async with``."""
        with self.assertRaisesRegex(RuntimeError, "entered already"):
            self.net.enter()
        with self.assertRaisesRegex(TypeError, "async with"), HTTPNetwork():
            pass

    async def test_before_and_after(self) -> None:
        """What is asked of a network that is not there."""
        net = HTTPNetwork()
        with self.assertRaisesRegex(RuntimeError, "needs a network that is entered"):
            net.host("http://a.test")
        with self.assertRaisesRegex(RuntimeError, "needs a network that is entered"):
            net.client()

    async def test_after_its_end(self) -> None:
        """A stub that comes too late is told so."""
        await self.client.close()
        await self.net.leave()
        with self.assertRaisesRegex(RuntimeError, "the network has been left"):
            self.api.get("/")
        with self.assertRaisesRegex(RuntimeError, "the network has been left"):
            self.net.host("http://late.test")
        with self.assertRaisesRegex(RuntimeError, "the network has been left"):
            await self.api.next_request()


if __name__ == "__main__":
    unittest.main()
