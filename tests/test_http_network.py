"""The network of a test: stubs, their answers and faults, the log, requests answered by hand."""

from __future__ import annotations

import asyncio
import gc
import io
import re
import unittest
import weakref
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web

from asynctesting import AsyncTestCase, HTTPNetwork, VirtualClockMixin
from asynctesting.http import Call, Exchange, partial, reply
from tests.support import run_python

try:
    import trustme
except ImportError:
    trustme = None
try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]


class NetworkCase(AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.net = self.network()
        self.api = self.net.host("https://api.test")
        self.client = self.net.client("https://api.test", timeout=aiohttp.ClientTimeout(60))

    async def get(self, path: str = "/", **options: Any) -> tuple[int, str]:
        async with self.client.get(path, **options) as response:
            return response.status, await response.text()


class AnswerTests(NetworkCase):
    async def test_bodies(self) -> None:
        """JSON, text, bytes, nothing; each with the type that belongs to it."""
        self.api.get("/json").respond(json={"tea": "thé"})
        self.api.get("/text").respond(text="thé")
        self.api.get("/bytes").respond(201, body=b"\x00", headers={"Content-Type": "image/png"})
        self.api.get("/nothing").respond(204)

        async with self.client.get("/json") as response:
            self.assertEqual(await response.json(), {"tea": "thé"})
        async with self.client.get("/text") as response:
            self.assertEqual(await response.text(), "thé")
            self.assertEqual(response.content_type, "text/plain")
        async with self.client.get("/bytes") as response:
            self.assertEqual((response.status, await response.read()), (201, b"\x00"))
            self.assertEqual(response.content_type, "image/png")
        async with self.client.get("/nothing") as response:
            self.assertEqual((response.status, await response.read()), (204, b""))

    async def test_status_reason_and_headers(self) -> None:
        """As they stand on the wire."""
        self.api.get("/").respond(418, reason="Short and stout", headers={"X-Pot": "tea"})

        async with self.client.get("/") as response:
            self.assertEqual((response.status, response.reason), (418, "Short and stout"))
            self.assertEqual(response.headers["x-pot"], "tea")

    async def test_a_header_that_is_repeated(self) -> None:
        """Pairs say it; a mapping has each name once."""
        self.api.get("/").respond(headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])

        async with self.client.get("/") as response:
            self.assertEqual(response.headers.getall("Set-Cookie"), ["a=1", "b=2"])

    async def test_a_stub_without_an_answer_says_200(self) -> None:
        """Often it is enough that there is one."""
        self.api.post("/")

        async with self.client.post("/") as response:
            self.assertEqual(response.status, 200)

    async def test_a_host_has_all_verbs(self) -> None:
        """And ``request`` for any other, or for all."""
        for verb in ("get", "post", "put", "patch", "delete", "options"):
            getattr(self.api, verb)("/").respond(text=verb)
            async with self.client.request(verb, "/") as response:
                self.assertEqual(await response.text(), verb)
        self.api.head("/").respond(headers={"X-Verb": "head"})
        async with self.client.head("/") as response:
            self.assertEqual(response.headers["X-Verb"], "head")
        self.api.request("PURGE", "/").respond(text="purge")
        async with self.client.request("PURGE", "/") as response:
            self.assertEqual(await response.text(), "purge")

    async def test_cookies_and_redirects_are_the_clients_own(self) -> None:
        """Nothing of the client is replaced, so it does all that it does."""
        other = self.net.host("http://other.test")
        self.api.post("/login").respond(
            307, headers={"Location": "http://other.test/in", "Set-Cookie": "a=1; Path=/"}
        )
        landed = other.post("/in", json={"name": "ada"}).respond()
        self.api.get("/", headers={"Cookie": "a=1"}).respond()

        async with self.client.post(
            "/login", json={"name": "ada"}, headers={"Authorization": "x"}
        ) as response:
            self.assertEqual(str(response.url), "http://other.test/in")
        self.assertEqual((await self.get())[0], 200)
        self.assertNotIn("Authorization", landed.call.headers)

    async def test_streams(self) -> None:
        """Chunks of a list, of a generator, and of a function that makes one."""

        async def count() -> AsyncIterator[bytes]:
            for number in range(3):
                yield str(number).encode()

        self.api.get("/list").respond(stream=["a", b"b"]).times(2)
        self.api.get("/once").respond(stream=count())
        self.api.get("/ever").respond(stream=count).repeat()

        for path, expected in [
            *([("/list", "ab")] * 2),
            ("/once", "012"),
            *([("/ever", "012")] * 2),
        ]:
            self.assertEqual(await self.get(path), (200, expected))

    async def test_a_stream_flows_while_it_is_made(self) -> None:
        """The client has a chunk before the next one is made."""
        said = asyncio.Event()

        async def talk() -> AsyncIterator[str]:
            yield "question"
            await said.wait()
            yield "answer"

        self.api.get("/").respond(stream=talk)

        async with self.client.get("/") as response:
            self.assertEqual(await response.content.readany(), b"question")
            said.set()
            self.assertEqual(await response.content.read(), b"answer")

    async def test_a_handler_of_aiohttp(self) -> None:
        """With the request as aiohttp gives it, and what the path template found."""

        async def handler(request: web.Request) -> web.StreamResponse:
            body = await request.json()
            return web.json_response({"id": request.match_info["id"], **body})

        stub = self.api.put("/items/{id}").respond_with(handler)

        async with self.client.put("/items/7", json={"n": 1}) as response:
            self.assertEqual(await response.json(), {"id": "7", "n": 1})
        self.assertEqual(stub.call.json(), {"n": 1})
        self.assertEqual(stub.call.match_info, {"id": "7"})

    async def test_a_handler_that_reads_a_stream(self) -> None:
        """An upload flows into it, and nobody keeps what it has read."""

        async def swallow(request: web.Request) -> web.StreamResponse:
            size = 0
            async for chunk in request.content.iter_any():
                size += len(chunk)
            return web.Response(text=str(size))

        stub = self.api.post("/").respond_with(swallow)

        async with self.client.post("/", data=io.BytesIO(b"x" * 3_000_000)) as response:
            self.assertEqual(await response.text(), "3000000")
        with self.assertRaisesRegex(RuntimeError, "its handler has read it as a stream"):
            stub.call.body

    async def test_a_large_body_is_kept(self) -> None:
        """A plain answer reads the whole request, however large."""
        stub = self.api.post("/").respond()

        async with self.client.post("/", data=io.BytesIO(b"x" * 3_000_000)) as response:
            self.assertEqual(response.status, 200)
        self.assertEqual(len(stub.call.body), 3_000_000)

    async def test_http_exceptions_of_a_handler_are_answers(self) -> None:
        """As in an application."""

        async def handler(request: web.Request) -> web.StreamResponse:
            raise web.HTTPNotFound(text="no such tea")

        self.api.get("/").respond_with(handler)

        self.assertEqual(await self.get(), (404, "no such tea"))

    async def test_expect_100_continue(self) -> None:
        """Clients that ask before they send are told to go on."""
        stub = self.api.post("/").respond(201)

        async with self.client.post("/", data=b"x", expect100=True) as response:
            self.assertEqual(response.status, 201)
        self.assertEqual(stub.call.body, b"x")


class SequenceTests(NetworkCase):
    async def statuses(self, count: int, path: str = "/") -> list[int]:
        return [(await self.get(path))[0] for _ in range(count)]

    async def test_answers_follow_each_other(self) -> None:
        """Each as often as it says."""
        stub = self.api.get("/").respond(500).respond(503).times(2).respond(200).repeat()

        self.assertEqual(await self.statuses(6), [500, 503, 503, 200, 200, 200])
        self.assertEqual(stub.call_count, 6)

    async def test_stubs_follow_each_other(self) -> None:
        """The first that fits and is not used up answers."""
        first = self.api.get("/").respond(503).times(2)
        second = self.api.get("/").respond(200)

        self.assertEqual(await self.statuses(3), [503, 503, 200])
        self.assertEqual((first.call_count, second.call_count), (2, 1))

    async def test_side_effect_iterable(self) -> None:
        """A status, a reply, an exception: one for each call."""
        self.api.post("/").side_effect([503, reply(200, text="at last")])

        found = []
        for _ in range(2):
            async with self.client.post("/") as response:
                found.append((response.status, await response.text()))
        self.assertEqual(found, [(503, ""), (200, "at last")])

    async def test_side_effect_function(self) -> None:
        """It gets the call, and may be async."""

        def double(call: Call) -> Any:
            return reply(json=call.json() * 2)

        async def slow(call: Call) -> int:
            await asyncio.sleep(0)
            return 202

        self.api.post("/double").side_effect(double).repeat()
        self.api.post("/slow").side_effect(slow)

        async with self.client.post("/double", json=4) as response:
            self.assertEqual(await response.json(), 8)
        async with self.client.post("/slow") as response:
            self.assertEqual(response.status, 202)

    async def test_matching_decides_which_stub(self) -> None:
        """Two stubs of one path, apart by their bodies."""
        tea = self.api.post("/order", json=partial({"sku": "tea"})).respond(201).repeat()
        milk = self.api.post("/order", json=partial({"sku": "milk"})).respond(409)

        for sku, status in (("tea", 201), ("milk", 409), ("tea", 201)):
            async with self.client.post("/order", json={"sku": sku, "n": 1}) as response:
                self.assertEqual(response.status, status)
        self.assertEqual((tea.call_count, milk.call_count), (2, 1))


class FaultTests(VirtualClockMixin, NetworkCase):
    async def fails(self, path: str = "/", method: str = "POST") -> Exception:
        with self.assertRaises((aiohttp.ClientError, TimeoutError)) as caught:
            async with self.client.request(method, path) as response:
                await response.read()
        return caught.exception

    async def test_reset_before_a_byte(self) -> None:
        """The connection breaks in place of an answer."""
        self.api.post("/").respond().fault("reset")

        self.assertIsInstance(await self.fails(), aiohttp.ClientOSError)

    async def test_reset_in_the_body(self) -> None:
        """What was sent before arrives, then the connection breaks."""
        self.api.post("/").respond(body=b"x" * 1000).fault("reset", after=600)

        self.assertIsInstance(await self.fails(), aiohttp.ClientPayloadError)

    async def test_close(self) -> None:
        """An orderly end, too early."""
        self.api.post("/").respond().fault("close")

        self.assertIsInstance(await self.fails(), aiohttp.ServerDisconnectedError)

    async def test_truncate(self) -> None:
        """Fewer bytes than were announced."""
        self.api.post("/").respond(body=b"x" * 10).fault("truncate", after=3)

        error = await self.fails()
        self.assertIsInstance(error, aiohttp.ClientPayloadError)
        self.assertIn("not completed", str(error))

    async def test_malformed(self) -> None:
        """A status line that is none."""
        self.api.post("/").respond().fault("malformed")

        self.assertIsInstance(await self.fails(), aiohttp.ClientResponseError)

    async def test_half_close(self) -> None:
        """The server says no more, and leaves its other half open."""
        self.api.post("/").respond(body=b"x" * 10).fault("half-close", after=20)

        self.assertIsInstance(await self.fails(), aiohttp.ServerDisconnectedError)

    async def test_an_exception(self) -> None:
        """The client's connection is lost with it, and the client makes of it what it does."""
        chosen = aiohttp.ClientConnectionError("the cable is gone")
        self.api.post("/").side_effect(chosen)
        self.api.post("/reset").side_effect(ConnectionResetError)

        self.assertIs(await self.fails(), chosen)
        self.assertIsInstance(await self.fails("/reset"), aiohttp.ClientOSError)

    async def test_a_timeout_error_is_the_clients_own(self) -> None:
        """No answer comes, until the client has waited long enough."""
        self.api.post("/").side_effect(TimeoutError)

        self.assertIsInstance(await self.fails(), TimeoutError)
        self.assertAlmostEqual(self.clock.elapsed, 60, delta=1)

    async def test_delay(self) -> None:
        """In seconds of the loop's clock, exactly."""
        call = self.api.get("/").respond().delay(30)

        await self.get()

        self.assertEqual(self.clock.elapsed, 30)
        self.assertEqual(call.call.started, self.clock.time() - 30)
        self.assertEqual(call.call.finished, self.clock.time())

    async def test_a_delay_that_the_client_does_not_wait_for(self) -> None:
        """Its time-out strikes, and the handler is not left behind."""
        stub = self.api.post("/").respond().delay(3600)

        self.assertIsInstance(await self.fails(), TimeoutError)
        self.assertIsNone(stub.call.finished)

    async def test_trouble_of_a_whole_host(self) -> None:
        """Refused, unknown to DNS, never answering, and up again."""
        connect = aiohttp.ClientTimeout(connect=5)
        self.client = self.net.client("https://api.test", timeout=connect)

        self.api.refuse()
        self.assertIsInstance(await self.fails(), aiohttp.ClientConnectorError)
        self.api.dns_error()
        self.client = self.net.client("https://api.test", timeout=connect)
        self.assertIsInstance(await self.fails(), aiohttp.ClientConnectorDNSError)
        self.api.up().hang()
        self.assertIsInstance(await self.fails(), aiohttp.ConnectionTimeoutError)
        self.api.up().get("/").respond()
        self.assertEqual((await self.get())[0], 200)

    async def test_a_slow_way(self) -> None:
        """A latency of 0.2 s in either direction."""
        self.api.link(latency=0.2).get("/").respond()

        await self.get()

        self.assertAlmostEqual(self.clock.elapsed, 0.4)

    async def test_retries_for_an_hour(self) -> None:
        """In no time, and each of them is seen."""
        stub = self.api.get("/").respond(503).times(60).respond(200)

        while (await self.get())[0] != 200:
            await asyncio.sleep(60)

        self.assertEqual(self.clock.elapsed, 3600)
        self.assertEqual(
            [call.started - self.api.calls[0].started for call in stub.calls],
            [60.0 * number for number in range(61)],
        )


@unittest.skipIf(trustme is None, "trustme is not installed")
class TLSTests(AsyncTestCase):
    async def test_real_handshakes(self) -> None:
        """With certificates that the clients of the network trust, and with bad ones."""
        net = self.network(tls="real")
        net.host("https://good.test").get("/").respond(text="hello")
        async with net.client().get("https://good.test/") as response:
            self.assertEqual(await response.text(), "hello")
        for mode in ("expired", "wrong-host", "untrusted"):
            host = net.host(f"https://{mode}.test").tls(mode)
            with self.subTest(mode), self.assertRaises(aiohttp.ClientConnectorCertificateError):
                await net.client().get(host.url)

    async def test_faults_under_tls(self) -> None:
        """A reset and a chosen exception come through it."""
        net = self.network(tls="real")
        host = net.host("https://api.test")
        host.post("/reset").respond().fault("reset")
        host.post("/error").side_effect(ConnectionAbortedError)
        for path in ("/reset", "/error"):
            with self.subTest(path), self.assertRaises(aiohttp.ClientOSError):
                await net.client().post(f"https://api.test{path}")


class LogTests(NetworkCase):
    async def test_calls_have_what_was_asked_and_answered(self) -> None:
        """In the logs of stub, host and network."""
        stub = self.api.post("/a/{b}").respond(201, json={"id": 1})

        async with self.client.post("/a/x?c=1", json={"d": 2}, headers={"X-Y": "z"}):
            pass

        call = stub.call
        self.assertEqual([*self.net.calls], [call])
        self.assertEqual([*self.api.calls], [call])
        self.assertEqual(str(call), "POST https://api.test/a/x?c=1")
        self.assertEqual(repr(call), "<Call POST https://api.test/a/x?c=1 -> 201>")
        self.assertEqual((call.path, call.query["c"], call.headers["x-y"]), ("/a/x", "1", "z"))
        self.assertEqual((call.json(), call.text, call.body), ({"d": 2}, '{"d": 2}', b'{"d": 2}'))
        self.assertEqual((call.match_info, call.stub), ({"b": "x"}, stub))
        assert call.response is not None
        self.assertEqual((call.status, call.response.json()), (201, {"id": 1}))
        self.assertEqual(call.response.headers["Content-Type"], "application/json; charset=utf-8")

    async def test_connections_are_told_apart(self) -> None:
        """Two calls in a row share a kept-alive one, two at once do not."""
        self.api.get("/").respond().repeat()

        await self.get()
        await self.get()
        await asyncio.gather(self.get(), self.get())

        numbers = [call.connection_id for call in self.api.calls]
        self.assertEqual(numbers[0], numbers[1])
        self.assertNotEqual(numbers[2], numbers[3])

    async def test_form_fields(self) -> None:
        """Of what the client itself has encoded."""
        stub = self.api.post("/").respond().repeat()
        upload = aiohttp.FormData({"name": "ada"})
        upload.add_field("file", b"\x00\xff", filename="f.bin")

        async with self.client.post("/", data={"a": "1"}):
            pass
        async with self.client.post("/", data=upload):
            pass

        self.assertEqual(dict(stub.calls[0].form()), {"a": "1"})
        self.assertEqual(dict(stub.calls[1].form()), {"name": "ada", "file": b"\x00\xff"})

    async def test_assertions(self) -> None:
        """With the names of unittest.mock."""
        first, second = self.api.get("/a").respond(), self.api.post("/b").respond()
        never = self.api.get("/c").optional()

        await self.get("/a")
        async with self.client.post("/b", json={"n": 1}):
            pass

        first.assert_called_once()
        first.assert_called()
        never.assert_not_called()
        second.assert_called_once_with(json={"n": 1})
        second.assert_called_with(path="/b")
        self.net.calls.assert_any_call("GET", "/a")
        self.net.calls.assert_call_count(2)
        self.net.calls.assert_has_calls([("GET", "/a"), "POST /b"])
        self.net.calls.assert_has_calls(["POST /b", "GET /a"], any_order=True)
        self.assertTrue(first.called)
        self.assertEqual((first.call_count, never.call_count), (1, 0))

    async def test_assertions_that_fail_say_what_there_was(self) -> None:
        """Every call, and of the nearest one the fields that differ."""
        stub = self.api.post("/b").respond()
        async with self.client.post("/b", json={"n": 1, "m": 2}):
            pass

        with self.assertRaises(AssertionError) as caught:
            stub.assert_called_once_with(json={"n": 2, "m": 2})
        self.assertEqual(
            str(caught.exception),
            "Expected the last call to be any method any path json={'n': 2, 'm': 2}; stub POST /b "
            "has had 1 call.\n\n"
            "  1. <Call POST https://api.test/b -> 200>\n\n"
            "The nearest one, POST https://api.test/b, differs in:\n\n"
            "  json['n']  expected  2\n"
            "             got       1",
        )
        for failing, message in (
            (stub.assert_not_called, "Expected no call; stub POST /b has had 1 call"),
            (lambda: stub.calls.assert_call_count(2), "Expected exactly 2 calls"),
            (lambda: self.net.calls.assert_any_call("GET"), "Expected a call like GET any path"),
            (lambda: stub.assert_has_calls(["POST /b", "POST /b"]), "Expected call 2, POST /b, "),
            (lambda: stub.calls[3], "asked for, and stub POST /b has had 1 call"),
        ):
            with self.assertRaisesRegex((AssertionError, IndexError), re.escape(message)):
                failing()  # type: ignore[no-untyped-call]

    async def test_mistakes_in_an_assertion(self) -> None:
        """They are no failure of the code under test."""
        with self.assertRaisesRegex(TypeError, "the first argument is the method"):
            self.net.calls.assert_any_call("/a")

    async def test_wait_calls(self) -> None:
        """Of a host, of a stub, of the network."""
        stub = self.api.get("/").respond().times(2)

        async def code() -> None:
            await self.get()
            await self.get()

        task = asyncio.create_task(code())
        self.assertEqual(len(await stub.wait_calls(2)), 2)
        await self.api.wait_calls(1)
        await self.net.wait_calls(2)
        await task

    async def test_wait_calls_in_vain(self) -> None:
        """The message says how many there were."""
        with self.assertRaisesRegex(
            TimeoutError, "https://api.test has had no call and not 2 within 0.001 s"
        ):
            await self.api.wait_calls(2, timeout=0.001)


class ByHandTests(VirtualClockMixin, NetworkCase):
    async def code(self) -> Any:
        """Fetch as somebody would whose service is not good."""
        for pause in (1, 2, 4):
            try:
                async with self.client.post("/job", json={"n": pause}) as response:
                    if response.status == 200:
                        return await response.json()
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(pause)
        return None

    async def test_step_by_step(self) -> None:
        """Each request is seen before it is answered, and when it came."""
        task = asyncio.create_task(self.code())

        first = await self.api.next_request()
        self.assertEqual((first.method, first.path, first.json()), ("POST", "/job", {"n": 1}))
        self.assertIn("waits for an answer", repr(first))
        first.respond(503)
        second = await self.api.next_request()
        self.assertEqual(self.clock.elapsed, 1)
        second.fail(ConnectionResetError)
        third = await self.api.next_request()
        self.assertEqual(self.clock.elapsed, 3)
        third.respond(json="done")

        self.assertEqual(await task, "done")
        await third.finished()
        self.assertIn("answered with 200", repr(third))
        await self.net.assert_silence(3600)

    async def test_an_exchange_has_the_request(self) -> None:
        """Whatever the log has of it."""
        task = asyncio.create_task(self.get("/a?b=1", data="c", headers={"X-D": "e"}))

        exchange = await self.api.next_request()

        self.assertEqual(str(exchange.url), "https://api.test/a?b=1")
        self.assertEqual((exchange.query["b"], exchange.headers["x-d"]), ("1", "e"))
        self.assertEqual((exchange.body, exchange.text), (b"c", "c"))
        self.assertEqual(len(exchange.form()), 0)
        exchange.respond_with(self.teapot)
        self.assertEqual((await task)[0], 418)

    async def teapot(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=418)

    async def test_faults_by_hand(self) -> None:
        """A response that is cut short."""
        task = asyncio.create_task(self.client.post("/"))

        (await self.api.next_request()).fault("close")

        with self.assertRaises(aiohttp.ServerDisconnectedError):
            await task

    async def test_stubs_go_first(self) -> None:
        """Only what no stub answers waits for the test."""
        self.api.get("/stubbed").respond(text="stub")
        task = asyncio.create_task(self.get("/other"))
        exchange = await self.api.next_request()

        self.assertEqual(await self.get("/stubbed"), (200, "stub"))
        exchange.respond(text="hand")
        self.assertEqual(await task, (200, "hand"))

    async def test_by_hand_from_the_first_moment(self) -> None:
        """What comes before the test asks waits for it."""
        host = self.net.host("http://hand.test", by_hand=True)
        task = asyncio.create_task(self.net.client().get("http://hand.test/"))
        await asyncio.sleep(1)

        exchange = await host.next_request()
        exchange.respond(202)

        self.assertEqual((await task).status, 202)

    async def test_nothing_comes(self) -> None:
        """The time-out counts on the loop's clock."""
        with self.assertRaisesRegex(
            TimeoutError,
            "no request to https://api.test that waits for the test has come within 3600",
        ):
            await self.api.next_request(timeout=3600)

        self.assertEqual(self.clock.elapsed, 3600)

    async def test_silence_is_broken(self) -> None:
        """The assertion fails as soon as a request comes."""
        self.api.get("/").respond()
        task = asyncio.create_task(self.late())

        with self.assertRaisesRegex(AssertionError, "Expected no further call for 3600.0 s"):
            await self.api.assert_silence(3600)

        self.assertEqual(self.clock.elapsed, 60)
        await task

    async def late(self) -> None:
        await asyncio.sleep(60)
        await self.get()

    async def test_an_answer_is_given_once(self) -> None:
        """And not to a client that has gone."""
        task = asyncio.create_task(self.get())
        exchange = await self.api.next_request()
        exchange.respond()
        with self.assertRaisesRegex(RuntimeError, "was answered before"):
            exchange.respond()
        await task

        task = asyncio.create_task(self.get())
        exchange = await self.api.next_request()
        await asyncio.sleep(61)
        with self.assertRaises(TimeoutError):
            await task
        with self.assertRaisesRegex(RuntimeError, "its client has gone"):
            exchange.respond()

    async def test_a_request_is_not_lost_to_a_time_out(self) -> None:
        """Who gave up in the moment it came leaves it to the next one."""
        task = asyncio.create_task(self.get())
        taker = asyncio.create_task(self.api.next_request())
        while not self.api._takers or not self.api._takers[0].done():
            if not self.api._takers and self.api.calls:
                break
            await asyncio.sleep(0)
        taker.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await taker

        exchange: Exchange = await self.api.next_request(timeout=1)
        exchange.respond()
        await task


class WebSocketTests(NetworkCase):
    async def test_the_test_is_the_far_end(self) -> None:
        """Messages both ways, and an orderly end."""
        socket = self.api.websocket("/ws/{room}", protocols=["v2", "v1"])

        async with self.client.ws_connect("/ws/tea", protocols=["v1"]) as ws:
            peer = await socket.accepted()
            await ws.send_json({"say": "hello"})
            self.assertEqual(await peer.receive_json(), {"say": "hello"})
            await peer.send_str("hi")
            self.assertEqual(await ws.receive_str(), "hi")
            await peer.send_bytes(b"\x00")
            self.assertEqual(await ws.receive_bytes(), b"\x00")
            await ws.send_bytes(b"\x01")
            self.assertEqual(await peer.receive_bytes(), b"\x01")
            await peer.send_json([1])
            self.assertEqual(await ws.receive_json(), [1])
            self.assertEqual(peer.protocol, "v1")
            self.assertFalse(peer.closed)

        message = await peer.receive()
        self.assertEqual(message.type, aiohttp.WSMsgType.CLOSE)
        self.assertTrue(peer.closed)
        self.assertIn("closed with 1000", repr(peer))
        self.assertEqual(socket.calls[0].match_info, {"room": "tea"})

    async def test_the_test_closes(self) -> None:
        """With a code that the client sees."""
        socket = self.api.websocket("/ws")

        async with self.client.ws_connect("/ws") as ws:
            peer = await socket.accepted()
            closing = asyncio.create_task(peer.close(4000, b"enough"))
            message = await ws.receive()
            await closing

        self.assertEqual((message.type, message.data), (aiohttp.WSMsgType.CLOSE, 4000))
        self.assertEqual(message.extra, "enough")

    async def test_the_test_aborts(self) -> None:
        """As a server does that crashes."""
        socket = self.api.websocket("/ws")

        async with self.client.ws_connect("/ws") as ws:
            (await socket.accepted()).abort()
            message = await ws.receive()

        self.assertIn(message.type, (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR))

    async def test_the_wrong_message(self) -> None:
        """The failure says what came in place of it."""
        socket = self.api.websocket("/ws")

        async with self.client.ws_connect("/ws") as ws:
            peer = await socket.accepted()
            await ws.send_str("text")
            with self.assertRaisesRegex(AssertionError, "a binary message on /ws.*TEXT 'text'"):
                await peer.receive_bytes()
        with self.assertRaisesRegex(AssertionError, "the client has closed the websocket"):
            await peer.receive_str()

    async def test_nobody_connects(self) -> None:
        """Which is said with the path."""
        socket = self.api.websocket("/ws").optional()

        with self.assertRaisesRegex(TimeoutError, "no websocket /ws has come within"):
            await socket.accepted(timeout=0.001)


class GoneTests(AsyncTestCase):
    async def test_a_network_that_was_left_goes_without_a_collection(self) -> None:
        """A test leaves no garbage of ours behind, which would bring the next collection nearer."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)

        async def answer(request: web.Request) -> web.Response:
            return web.Response()

        async def visit() -> list[weakref.ref[Any]]:
            app = web.Application()
            app.router.add_get("/", answer)
            async with HTTPNetwork() as net:
                host = net.host("http://stub.test")
                host.get("/").respond()
                server = await net.serve(app, "http://app.test")
                for url in ("http://stub.test", "http://app.test"):
                    async with net.client().get(url) as response:
                        await response.read()
                connections = net.wire.connections
                self.assertEqual(len(connections), 2)
                return [*map(weakref.ref, [net, net.wire, host, server, *connections])]

        gone = await visit()
        await asyncio.sleep(0)

        self.assertEqual([ref() for ref in gone], [None] * 6)

    async def test_whoever_keeps_a_host_keeps_its_network_while_it_is_entered(self) -> None:
        """And is told when it comes too late."""
        host = HTTPNetwork().enter().host("http://stub.test")
        gc.collect()
        host.get("/").respond(text="still here")

        async with host.client() as session, session.get("/") as response:
            self.assertEqual(await response.text(), "still here")
        await host._net.leave()
        gc.collect()

        for late in (host.client, host.get):
            with self.assertRaisesRegex(RuntimeError, "too late for http://stub.test"):
                late()
        self.assertEqual(host.calls[0].path, "/")


class WhereTests(unittest.TestCase):
    def test_outside_of_a_loop(self) -> None:
        """The message says where it belongs."""
        with self.assertRaisesRegex(RuntimeError, "not in setUp"):
            HTTPNetwork().enter()

    def test_on_plain_asyncio(self) -> None:
        """It needs no case of ours."""

        async def main() -> str:
            async with HTTPNetwork() as net, aiohttp.ClientSession() as session:
                net.host("http://plain.test").get("/").respond(text="hello")
                async with session.get("http://plain.test/") as response:
                    return await response.text()

        self.assertEqual(asyncio.run(main()), "hello")

    @unittest.skipIf(uvloop is None, "uvloop is not installed")
    def test_on_uvloop(self) -> None:
        """Nor a loop of ours."""

        async def main() -> list[str]:
            async with HTTPNetwork() as net, aiohttp.ClientSession() as session:
                host = net.host("https://uv.test")
                host.get("/").respond(text="hello")
                host.get("/broken").side_effect([ConnectionResetError] * 2)
                found = []
                async with session.get("https://uv.test/") as response:
                    found.append(await response.text())
                try:
                    await session.get("https://uv.test/broken")
                except aiohttp.ClientOSError:
                    found.append("broken")
                return found

        loop = uvloop.new_event_loop()
        try:
            self.assertEqual(loop.run_until_complete(main()), ["hello", "broken"])
        finally:
            loop.close()

    def test_aiohttp_is_imported_at_its_first_use(self) -> None:
        """``import asynctesting`` stays light."""
        done = run_python(
            """
            import sys
            import asynctesting
            assert "aiohttp" not in sys.modules
            asynctesting.HTTPNetwork
            assert "aiohttp" in sys.modules
            """
        )

        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
