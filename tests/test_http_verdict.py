"""The verdict: what fails a test although its code noticed nothing, and how that is told."""

from __future__ import annotations

import asyncio
import dataclasses
import unittest
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from asynctesting import AsyncTestCase, HTTPNetwork, NetworkVerdictError
from tests.support import Outcome, run_all, run_case


class Case(AsyncTestCase):
    """A small case that the tests run from outside."""

    async def asyncSetUp(self) -> None:
        self.net = self.network()
        self.api = self.net.host("https://api.test")
        self.client = self.net.client()

    async def price(self, path: str = "/v2/price") -> int:
        """Fetch a price as careless code does."""
        try:
            async with self.client.get(URL("https://api.test").join(URL(path))) as response:
                response.raise_for_status()
                found: int = await response.json()
                return found
        except aiohttp.ClientError:
            return 0


class VerdictCase(unittest.TestCase):
    def verdict(self, outcome: Outcome) -> NetworkVerdictError:
        self.assertEqual(len(outcome.failures), 1, outcome.report)
        self.assertEqual(len(outcome.errors), 0, outcome.report)
        (error,) = outcome.raised
        assert isinstance(error, NetworkVerdictError), error
        return error

    def finding(self, case: type[unittest.TestCase]) -> str:
        findings = self.verdict(run_case(case)).findings
        self.assertEqual(len(findings), 1, findings)
        return findings[0]


class FindingTests(VerdictCase):
    def test_a_swallowed_request_without_a_stub(self) -> None:
        """It fails the test, with the nearest stub and the field that differs."""

        class Swallowing(Case):
            async def test_it(self) -> None:
                self.api.get("/v1/price").respond(json=3).optional()
                self.assertEqual(await self.price(), 0)

        text = self.finding(Swallowing)

        self.assertIn("GET https://api.test/v2/price: no stub answers it.", text)
        self.assertIn("The nearest stub is GET /v1/price; the request differs in:", text)
        self.assertRegex(text, r"path  expected  /v1/price\n +got       /v2/price")
        self.assertRegex(text, r"stub made at  .*test_http_verdict\.py:\d+   self\.api\.get")

    def test_the_client_is_told_the_same(self) -> None:
        """A 501 whose text is the finding, for whoever prints the response."""
        texts: list[str] = []

        class Printing(Case):
            async def test_it(self) -> None:
                async with self.client.get("https://api.test/x") as response:
                    texts.append(f"{response.status} {response.reason} {await response.text()}")

        text = self.finding(Printing)

        self.assertEqual(texts, [f"501 No stub {text}\n"])
        self.assertIn("https://api.test has no stubs. Make one before the request is sent:", text)
        self.assertIn("host.get('/x').respond(...)", text)

    def test_a_stub_that_is_used_up(self) -> None:
        """The message says how often it has answered, and what to write."""

        class Often(Case):
            async def test_it(self) -> None:
                self.api.get("/").respond(json=1)
                await self.price("/")
                await self.price("/")

        text = self.finding(Often)

        self.assertIn("The stub GET / fits, but is used up: it answered 1 of 1.", text)
        self.assertIn(".times(n) or .repeat()", text)

    def test_a_client_that_repeats_by_itself(self) -> None:
        """aiohttp sends a GET again if its connection breaks, which surprises everybody once."""

        class Breaking(Case):
            async def test_it(self) -> None:
                self.api.get("/").respond().fault("reset")
                await self.price("/")

        self.assertIn("aiohttp repeats a GET once by itself", self.finding(Breaking))

    def test_a_series_that_is_used_up_has_broken_nothing(self) -> None:
        """No connection has come to harm, so nobody has repeated anything."""

        class Often(Case):
            async def test_it(self) -> None:
                self.api.get("/").side_effect([503, 200])
                for _ in range(3):
                    await self.price("/")

        text = self.finding(Often)

        self.assertIn("it answered 2 of 2.", text)
        self.assertNotIn("repeats a GET", text)

    def test_the_same_request_again_and_again(self) -> None:
        """It is told once, with a number."""

        class Insisting(Case):
            async def test_it(self) -> None:
                for _ in range(100):
                    await self.price()

        text = self.finding(Insisting)
        self.assertIn("... and 99 more of these", text)

    def test_a_stub_that_came_too_late(self) -> None:
        """The request was refused before it was made."""

        class Late(Case):
            async def test_it(self) -> None:
                await self.price("/")
                self.api.get("/").respond()

        unmatched, unused = self.verdict(run_case(Late)).findings
        self.assertIn("Make one before the request is sent", unmatched)
        self.assertIn("stub GET / at https://api.test was never used; made at", unused)

    def test_an_unused_stub(self) -> None:
        """And one that was used less often than it said."""

        class Unused(Case):
            async def test_it(self) -> None:
                self.api.get("/a").respond().repeat()
                self.api.get("/b").respond(json=1).times(3)
                self.api.get("/c").optional()
                self.api.get("/d").respond(json=1).repeat()
                await self.price("/b")
                await self.price("/d")

        first, second = self.verdict(run_case(Unused)).findings
        self.assertIn("stub GET /a at https://api.test was never used", first)
        self.assertIn("stub GET /b at https://api.test answered 1 of 3 calls", second)

    def test_an_undeclared_host(self) -> None:
        """Its name is not known, and who asked for it is told."""

        class Wandering(Case):
            async def test_it(self) -> None:
                await self.price("http://elsewhere.test/")

        text = self.finding(Wandering)
        self.assertIn("name looked up: elsewhere.test", text)
        self.assertIn("test_http_verdict.py", text)
        self.assertIn("net.host(...)", text)

    def test_the_wrong_port(self) -> None:
        """The host is declared, but not there; the finding says where it is."""

        class Misled(Case):
            async def test_it(self) -> None:
                await self.price("http://api.test/")

        text = self.finding(Misled)
        self.assertIn("connection to port 80 of api.test, where nothing listens", text)
        self.assertIn("Declared for that name: https://api.test", text)
        self.assertRegex(text, r"at  .*test_http_verdict\.py:\d+   async with self\.client\.get")

    def test_a_host_that_refuses(self) -> None:
        """Who finds nobody where the test says so is right to knock."""

        class Refused(Case):
            async def test_it(self) -> None:
                self.api.refuse()
                await self.price("/")

        self.assertTrue(run_case(Refused).wasSuccessful())

    def test_a_handler_that_raised(self) -> None:
        """Of a stub and of a server alike: the client got a 500, and nobody asked why."""

        class Crashing(Case):
            async def test_it(self) -> None:
                async def handler(request: web.Request) -> web.StreamResponse:
                    raise KeyError("price")

                self.api.get("/").respond_with(handler)
                app = web.Application()
                app.router.add_get("/", handler)
                await self.net.serve(app, "http://shop.test")
                with self.assertLogs("aiohttp.server"):
                    await self.price("http://shop.test/")
                await self.price("/")

        first, second = self.verdict(run_case(Crashing)).findings
        for text, url in ((first, "https://api.test/"), (second, "http://shop.test/")):
            self.assertIn(f"GET {url}: its handler raised KeyError: 'price'", text)
            self.assertRegex(text, r'at  .*test_http_verdict\.py:\d+   raise KeyError\("price"\)')

    def test_a_handler_that_was_not_cancelled(self) -> None:
        """A CancelledError that nobody has sent ends the connection, and is no client's doing."""

        class Crashing(Case):
            async def test_it(self) -> None:
                async def handler(request: web.Request) -> web.StreamResponse:
                    inner = asyncio.ensure_future(asyncio.sleep(60))
                    inner.cancel()
                    await inner
                    return web.Response()

                async def asgi(scope: Any, receive: Any, send: Any) -> None:
                    raise asyncio.CancelledError

                self.api.post("/").respond_with(handler)
                app = web.Application()
                app.router.add_post("/", handler)
                await self.net.serve(app, "http://shop.test")
                await self.net.serve_asgi(asgi, "http://asgi.test", lifespan=False)
                for url in ("https://api.test", "http://shop.test", "http://asgi.test"):
                    with self.assertRaises(aiohttp.ServerDisconnectedError):
                        await self.client.post(url)

        findings = self.verdict(run_case(Crashing)).findings

        self.assertEqual(len(findings), 3, findings)
        for text in findings:
            self.assertIn("its handler raised CancelledError", text)
            self.assertIn("Nobody had cancelled it", text)

    def test_a_handler_that_was_cancelled(self) -> None:
        """Its client has gone, or its server was shut down: that is no finding."""

        class Leaving(Case):
            async def test_it(self) -> None:
                async def handler(request: web.Request) -> web.StreamResponse:
                    await asyncio.sleep(3600)
                    return web.Response()

                self.api.get("/").respond_with(handler)
                app = web.Application()
                app.router.add_get("/", handler)
                await self.net.serve(app, "http://shop.test")
                for url in ("https://api.test", "http://shop.test"):
                    task = asyncio.ensure_future(self.client.get(url))
                    await self.net.wait_calls(1 + len(url) % 2)
                    task.cancel()
                    await asyncio.wait([task])

        self.assertTrue(run_case(Leaving).wasSuccessful())

    def test_a_handler_that_could_not_finish(self) -> None:
        """Its client did not wait, and that is what it raised: no finding, though it is kept."""
        raised: list[Any] = []

        class Leaving(Case):
            async def test_it(self) -> None:
                async def handler(request: web.Request) -> web.StreamResponse:
                    response = web.StreamResponse()
                    await response.prepare(request)
                    while True:
                        await response.write(b"x")
                        await asyncio.sleep(0)

                app = web.Application()
                app.router.add_get("/", handler)
                server = await self.net.serve(app, "http://shop.test")
                with self.assertLogs("aiohttp.server"):
                    async with self.client.get("http://shop.test") as response:
                        await response.content.read(1)
                        response.close()
                    while not server.exceptions:
                        await asyncio.sleep(0)
                raised.extend(server.exceptions)

        outcome = run_case(Leaving)

        self.assertTrue(outcome.wasSuccessful(), outcome.report)
        self.assertIsInstance(raised[0], ConnectionResetError)

    def test_an_answer_that_could_not_be_sent(self) -> None:
        """The handler had returned already: a signal, or the body that it had given, failed."""

        class Sending(Case):
            async def test_it(self) -> None:
                async def body() -> AsyncIterator[bytes]:
                    yield b"begin"
                    raise ValueError("no more")

                async def streaming(request: web.Request) -> web.StreamResponse:
                    return web.Response(body=body())

                async def sign(request: web.Request, response: web.StreamResponse) -> None:
                    if request.path == "/signal":
                        raise KeyError("secret")

                async def nothing(request: web.Request) -> Any:
                    return None

                app = web.Application()
                app.on_response_prepare.append(sign)
                app.router.add_post("/body", streaming)
                app.router.add_post("/signal", streaming)
                app.router.add_post("/nothing", nothing)
                await self.net.serve(app, "http://shop.test")
                with self.assertLogs("aiohttp.server"):
                    for path in ("/body", "/signal", "/nothing"):
                        try:
                            async with self.client.post(f"http://shop.test{path}") as response:
                                await response.read()
                        except aiohttp.ClientError:
                            pass

        body, signal, nothing = self.verdict(run_case(Sending)).findings

        self.assertIn(
            "POST http://shop.test/body: its answer could not be sent: ValueError: no more", body
        )
        self.assertRegex(body, r'at  .*test_http_verdict\.py:\d+   raise ValueError\("no more"\)')
        self.assertIn("/signal: its answer could not be sent: KeyError: 'secret'", signal)
        self.assertIn("/nothing: its handler returned None, which is no response", nothing)

    def test_what_is_no_request(self) -> None:
        """Somebody wrote to a server, and it was no HTTP; aiohttp answers with a 400."""

        class Garbling(Case):
            async def say(self, host: str, data: bytes) -> None:
                reader, writer = await asyncio.open_connection(host, 80)
                writer.write(data)
                assert b" 400 " in await reader.readline()
                writer.close()

            async def test_it(self) -> None:
                self.net.host("http://stub.test")
                await self.net.serve(web.Application(), "http://shop.test")
                with self.assertLogs("aiohttp.server"):
                    await self.say("stub.test", b"GET / HTTP/1.1\r\nBad Header : 1\r\n\r\n")
                    await self.say("shop.test", b"\x00\x01\r\n\r\n")
                    try:
                        await self.client.get("https://shop.test:80")
                    except aiohttp.ClientError:
                        pass

        header, method, tls = self.verdict(run_case(Garbling)).findings

        self.assertRegex(header, r"what came to http://stub\.test is no HTTP request: .*Bad Header")
        self.assertRegex(header, r"its connection was opened at  .*test_http_verdict\.py:\d+")
        self.assertIn("what came to http://shop.test is no HTTP request: ", method)
        self.assertRegex(tls, "HTTPS traffic|This is how TLS begins")

    def test_what_is_no_tls(self) -> None:
        """A client speaks plainly where the host's URL is https."""

        class Plain(Case):
            async def test_it(self) -> None:
                with self.assertRaises(aiohttp.ClientError):
                    await self.client.post("http://api.test:443/")

        text = self.finding(Plain)

        self.assertIn("what came to api.test:443 is no TLS, which its URL says (https)", text)
        self.assertRegex(text, r"its connection was opened at  .*test_http_verdict\.py:\d+")

    def test_an_exception_that_can_not_be_hashed(self) -> None:
        """A dataclass for one."""

        @dataclasses.dataclass
        class Declined(Exception):
            reason: str

        class Crashing(Case):
            async def test_it(self) -> None:
                async def handler(request: web.Request) -> web.StreamResponse:
                    raise Declined("poor")

                self.api.get("/").respond_with(handler).times(2)
                await self.price("/")
                await self.price("/")
                self.api.assert_raised(Declined, "poor")

        self.assertIn("raised Declined: poor", self.finding(Crashing))

    def test_behind_aiohttps_own_test_server(self) -> None:
        """Its handlers' exceptions are findings, too, unless the test asks for them."""

        class Habitual(Case):
            async def asyncSetUp(self) -> None:
                await super().asyncSetUp()

                async def handler(request: web.Request) -> web.StreamResponse:
                    raise KeyError("price")

                app = web.Application()
                app.router.add_get("/", handler)
                server = await self.net.aiohttp_server(app)
                self.own = await self.net.aiohttp_client(server)
                with self.assertLogs("aiohttp.server"):
                    self.assertEqual((await self.own.get("/")).status, 500)
                self.assertEqual(len(self.net.calls), 1)

            async def test_asked_for(self) -> None:
                self.net.assert_raised(KeyError, "price")
                with self.assertRaisesRegex(
                    AssertionError, r"the network to raise OSError; raised: KeyError\('price'\)"
                ):
                    self.net.assert_raised(OSError)

            async def test_not_asked_for(self) -> None: ...

        outcome = run_all(Habitual)

        self.assertEqual(len(outcome.failures), 1, outcome.report)
        self.assertIn("/: its handler raised KeyError: 'price'", outcome.report)

    def test_an_open_websocket(self) -> None:
        """The client has not closed it when the network is left."""

        class Open(Case):
            async def asyncSetUp(self) -> None:
                self.session = await self.enterAsyncContext(aiohttp.ClientSession())
                self.addAsyncCleanup(self.close_late)
                await super().asyncSetUp()

            async def close_late(self) -> None:
                await self.ws.close()

            async def test_it(self) -> None:
                socket = self.api.websocket("/ws")
                self.ws = await self.session.ws_connect("https://api.test/ws")
                await socket.accepted()

        self.assertEqual(
            self.finding(Open),
            "GET https://api.test/ws: the websocket was still open when the network was left",
        )

    def test_a_request_that_nobody_answered(self) -> None:
        """It waits for the test, which does not ask again."""

        class Waiting(Case):
            async def test_it(self) -> None:
                self.task = asyncio.create_task(self.price("/a"))
                (await self.api.next_request()).respond(json=1)
                await self.task
                self.task = asyncio.create_task(self.price("/b"))
                await self.api.wait_calls(2)
                self.task.cancel()

        outcome = run_case(Waiting)
        self.assertTrue(outcome.wasSuccessful(), "its client has gone, so it is not open\n")

        class Open(Case):
            async def test_it(self) -> None:
                session = await self.enterAsyncContext(aiohttp.ClientSession())
                other = await self.enterAsyncContext(asyncio.TaskGroup())
                self.net.host("http://hand.test", by_hand=True)
                task = other.create_task(session.get("http://hand.test/b"))
                await self.net.wait_calls(1)
                await self.net.leave()
                await asyncio.wait([task])

        outcome = run_case(Open)
        self.assertIn("It waited for next_request()", outcome.report)

    def test_a_request_whose_client_gave_up_before_the_test_asked(self) -> None:
        """A test that answers by hand, and then doesn't, has an unmatched request."""

        class GivingUp(Case):
            async def test_it(self) -> None:
                host = self.net.host("http://hand.test", by_hand=True)
                task = asyncio.create_task(self.price("http://hand.test/b"))
                await host.wait_calls(1)
                task.cancel()
                await asyncio.wait([task])

        text = self.finding(GivingUp)

        self.assertIn("GET http://hand.test/b: no stub answers it.", text)
        self.assertIn("next_request(), which was never called, until its client gave up", text)

    def test_a_stream_that_was_never_closed(self) -> None:
        """Beside HTTP, who opens a connection closes it."""

        class Raw(Case):
            async def test_it(self) -> None:
                await self.net.serve_protocol(asyncio.Protocol, "raw.test", 7000)
                self.ends = await asyncio.open_connection("raw.test", 7000)

            async def asyncTearDown(self) -> None:
                self.addAsyncCleanup(asyncio.sleep, 0)

        self.assertIn("connection to raw.test:7000 was never closed", run_case(Raw).report)

    def test_a_request_without_await(self) -> None:
        """Its coroutine is made inside of aiohttp; the line that is told is the test's."""

        class Forgetful(Case):
            async def test_it(self) -> None:
                self.net.client().get("http://shop.test/")

        outcome = run_case(Forgetful)

        self.assertRegex(
            outcome.report,
            r"'ClientSession\._request' was never awaited; "
            r"made at  tests/test_http_verdict\.py:\d+ "
            r'  self\.net\.client\(\)\.get\("http://shop\.test/"\)',
        )

    def test_serve_without_await(self) -> None:
        """Nothing was served; the line is told."""

        class Forgetful(Case):
            async def test_it(self) -> None:
                self.net.serve(web.Application(), "http://shop.test")
                await self.price("http://shop.test/")

        missed, text = self.verdict(run_case(Forgetful)).findings
        self.assertIn("connection to port 80 of shop.test, where nothing listens", missed)
        self.assertIn("serve(..., 'http://shop.test') was never awaited", text)
        self.assertIn("test_http_verdict.py", text)

    def test_sessions_that_are_closed_in_order(self) -> None:
        """A client that is closed after the network, or by it, left nothing open."""

        class Orderly(Case):
            async def asyncSetUp(self) -> None:
                self.outer = await self.enterAsyncContext(aiohttp.ClientSession())
                await super().asyncSetUp()
                self.inner = await self.enterAsyncContext(aiohttp.ClientSession())

            async def test_it(self) -> None:
                self.api.get("/").respond(json=1).repeat()
                for client in (self.outer, self.inner, self.client):
                    async with client.get("https://api.test/") as response:
                        await response.read()

        outcome = run_case(Orderly)
        self.assertTrue(outcome.wasSuccessful(), outcome.report)


class TellingTests(VerdictCase):
    def test_the_traceback_shows_the_test(self) -> None:
        """And no line of ours."""

        class Unused(Case):
            async def test_it(self) -> None:
                self.api.get("/a")

        report = run_case(Unused).report

        self.assertRegex(report, r'File ".*test_http_verdict\.py", line \d+, in test_it')
        self.assertNotIn("asynctesting/http", report.replace("tests/test_http", ""))

    def test_a_failing_test_gets_a_note(self) -> None:
        """Its own failure stays the only one, and has what the network saw."""

        class Failing(Case):
            async def test_it(self) -> None:
                self.api.get("/v1/price")
                self.assertEqual(await self.price(), 3)

        outcome = run_case(Failing)

        self.assertEqual([type(error) for error in outcome.raised], [AssertionError])
        (note,) = outcome.raised[0].__notes__
        self.assertIn("Beside this, the network has seen 2 things", note)
        self.assertIn("no stub answers it", note)
        self.assertIn("AssertionError: 0 != 3", outcome.report)

    def test_a_failing_test_that_entered_it_by_hand(self) -> None:
        """The same for ``enterAsyncContext`` and for ``async with``."""

        class Entering(AsyncTestCase):
            async def test_it(self) -> None:
                net = await self.enterAsyncContext(HTTPNetwork())
                net.host("http://a.test").get("/")
                self.fail("mine")

        class With(AsyncTestCase):
            async def test_it(self) -> None:
                async with HTTPNetwork() as net:
                    net.host("http://a.test").get("/")
                    self.fail("mine")

        for case in (Entering, With):
            outcome = run_case(case)
            self.assertEqual([str(error) for error in outcome.raised], ["mine"])
            self.assertIn("was never used", outcome.raised[0].__notes__[0])

    def test_a_plain_case(self) -> None:
        """In a case of the standard library it is a failure as well."""

        class Plain(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self) -> None:
                self.net = await self.enterAsyncContext(HTTPNetwork())
                self.net.host("http://a.test").get("/")

            async def test_it(self) -> None: ...

        self.assertIn("was never used", self.finding(Plain))

    def test_a_network_of_a_class(self) -> None:
        """It lives on the class's loop, and judges when the class is done."""
        served: list[int] = []

        class Wide(AsyncTestCase):
            net: HTTPNetwork

            @classmethod
            async def asyncSetUpClass(cls) -> None:
                cls.net = await cls.enterClassAsyncContext(HTTPNetwork())
                cls.net.host("http://a.test").get("/").respond(json=1).repeat()
                cls.net.host("http://b.test").get("/never")

            async def ask(self) -> None:
                async with aiohttp.ClientSession() as session:
                    async with session.get("http://a.test/") as response:
                        served.append(response.status)

            async def test_one(self) -> None:
                await self.ask()

            async def test_two(self) -> None:
                await self.ask()

        outcome = run_all(Wide)

        self.assertEqual(served, [200, 200])
        self.assertEqual(outcome.testsRun, 2)
        self.assertIn("stub GET /never at http://b.test was never used", outcome.report)

    def test_an_expected_failure(self) -> None:
        """The verdict counts as the failure that was expected."""

        class Expected(Case):
            @unittest.expectedFailure
            async def test_it(self) -> None:
                self.fail("expected")

        self.assertEqual(len(run_case(Expected).expectedFailures), 1)

    def test_a_skipped_test(self) -> None:
        """It leaves its stubs unused, and that is no finding."""

        class Skipped(Case):
            async def test_it(self) -> None:
                self.api.get("/")
                self.skipTest("not today")

        outcome = run_case(Skipped)
        self.assertEqual((len(outcome.skipped), outcome.raised), (1, []))

    def test_not_strict(self) -> None:
        """What was seen is listed, and fails nothing."""
        found: list[str] = []

        class Lenient(AsyncTestCase):
            async def test_it(self) -> None:
                net = self.network(strict=False)
                net.host("http://a.test").get("/")
                found.extend(net.findings())

        self.assertTrue(run_case(Lenient).wasSuccessful())
        self.assertIn("was never used", found[0])

    def test_a_failing_shutdown(self) -> None:
        """It is reported beside the verdict, and the network is left all the same."""

        class Failing(Case):
            async def test_it(self) -> None:
                async def fail(app: Any) -> None:
                    raise ConnectionError("no farewell")

                app = web.Application()
                app.on_shutdown.append(fail)
                await self.net.serve(app, "http://shop.test")
                self.api.get("/")

        outcome = run_case(Failing)

        (error,) = outcome.raised
        assert isinstance(error, ExceptionGroup)
        self.assertEqual(
            [type(each) for each in error.exceptions], [ConnectionError, NetworkVerdictError]
        )

    def test_set_up_where_no_loop_runs(self) -> None:
        """The message says where to call it."""

        class TooEarly(AsyncTestCase):
            def setUp(self) -> None:
                self.network()

            async def test_it(self) -> None: ...

        self.assertIn("in asyncSetUp() or in an 'async def' test", run_case(TooEarly).report)


if __name__ == "__main__":
    unittest.main()
