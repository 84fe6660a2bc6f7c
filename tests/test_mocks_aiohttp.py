"""Real responses without a network, and a session for who must patch."""

from __future__ import annotations

import asyncio
import sys
import types
import unittest
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from asynctesting import (
    AsyncTestCase,
    LeakError,
    UnsetError,
    VirtualClockMixin,
    http_response,
    mock_client_session,
)
from asynctesting._network import MemoryNetwork, network_of
from tests.support import OutcomeAssertions, run_case


class ResponseTests(AsyncTestCase):
    async def test_it_is_a_real_response(self) -> None:
        """What aiohttp derives from the status and the headers is derived."""
        response = await http_response(
            503,
            json={"error": "busy"},
            headers={"Retry-After": "3", "Set-Cookie": "a=1"},
            method="POST",
            url="https://api.test/v1/charges?x=1#top",
        )

        self.assertIs(type(response), aiohttp.ClientResponse)
        self.assertEqual((response.status, response.reason), (503, "Service Unavailable"))
        self.assertFalse(response.ok)
        self.assertEqual(await response.json(), {"error": "busy"})
        self.assertEqual(response.headers["Retry-After"], "3")
        self.assertEqual(response.cookies["a"].value, "1")
        self.assertEqual(response.method, "POST")
        self.assertEqual(str(response.url), "https://api.test/v1/charges?x=1")
        with self.assertRaisesRegex(aiohttp.ClientResponseError, "503"):
            response.raise_for_status()

    async def test_bodies(self) -> None:
        """As text, as bytes, as JSON (null included), or none at all."""
        self.assertEqual(await (await http_response(text="grün")).text(), "grün")
        self.assertEqual(await (await http_response(body=b"\0\1")).read(), b"\0\1")
        self.assertIsNone(await (await http_response(json=None)).json())
        self.assertEqual(await (await http_response(204)).read(), b"")
        self.assertEqual((await http_response(200, reason="Fine")).reason, "Fine")
        head = await http_response(text="not sent", method="HEAD")
        self.assertEqual((await head.read(), head.headers["Content-Length"]), (b"", "8"))

    async def test_the_content_can_be_streamed(self) -> None:
        """It has arrived, however large, and nobody has read it yet."""
        body = bytes(range(256)) * 8192  # 2 MiB
        response = await http_response(body=body)

        async with response:
            chunks = [chunk async for chunk in response.content.iter_chunked(65536)]

        self.assertEqual(b"".join(chunks), body)
        self.assertGreater(len(chunks), 1)

    async def test_a_redirect_is_not_followed(self) -> None:
        """It is the answer that was asked for."""
        response = await http_response(307, headers={"Location": "http://elsewhere.test/"})

        self.assertEqual((response.status, response.history), (307, ()))

    async def test_many_at_once(self) -> None:
        """They share the connection's way, and nothing else."""
        responses = await asyncio.gather(*[http_response(json=n) for n in range(20)])

        self.assertEqual([await response.json() for response in responses], list(range(20)))
        self.assertIsNone(network_of(asyncio.get_running_loop()))

    async def test_beside_real_connections(self) -> None:
        """What else runs at that time goes where it went before."""

        async def hello(request: web.Request) -> web.Response:
            return web.Response(text="real")

        app = web.Application()
        app.router.add_get("/", hello)
        server = await self.enterAsyncContext(TestServer(app))
        session = await self.enterAsyncContext(aiohttp.ClientSession())

        async def ask() -> str:
            async with session.get(server.make_url("/")) as response:
                return await response.text()

        answers = await asyncio.gather(*[ask(), http_response(text="made")] * 1, ask())

        self.assertEqual([answers[0], answers[2]], ["real", "real"])

    async def test_inside_of_a_network(self) -> None:
        """The network of the test is used, and its hosts are reached as before."""
        for tls in ("strip", "real"):
            async with MemoryNetwork(tls=tls) as network:
                for scheme in ("http", "https"):
                    response = await http_response(text="hello", url=f"{scheme}://shop.test/")
                    self.assertEqual(await response.text(), "hello")
                self.assertEqual((network.undeclared, network.connections), ([], []))
                self.assertEqual(network.servers, [])

    async def test_mistakes(self) -> None:
        """Are told before anything is sent."""
        with self.assertRaisesRegex(TypeError, "json= and text= each give one"):
            await http_response(json=1, text="a")
        for status in (42, 101, 600):
            with self.assertRaisesRegex(ValueError, "200 to 599"):
                await http_response(status)
        for wrong in (True, "200", None):
            with self.assertRaisesRegex(TypeError, "a status is a number"):
                await http_response(wrong)  # type: ignore[arg-type]
        for url in ("/relative", "ftp://a.test/", "http://10.0.0.1/"):
            with self.assertRaisesRegex(ValueError, "http_response\\(\\) needs"):
                await http_response(url=url)


class VirtualTests(VirtualClockMixin, AsyncTestCase):
    async def test_it_takes_no_time(self) -> None:
        """Nor does it have a timer that would."""
        await http_response(json=1)

        self.assertEqual(self.clock.elapsed, 0)


class StockLoopTests(unittest.TestCase):
    def test_outside_of_our_case(self) -> None:
        """On a stock loop, and in debug mode."""

        async def main() -> Any:
            return await (await http_response(json=[1])).json()

        self.assertEqual(asyncio.run(main(), debug=True), [1])


def module(source: str) -> types.ModuleType:
    made = types.ModuleType("payments_under_test")
    exec(source, vars(made))
    return made


BY_MODULE = """
import aiohttp
async def charge(amount):
    async with aiohttp.ClientSession("https://pay.test/v1/") as session:
        async with session.post("charges", json={"amount": amount}) as response:
            response.raise_for_status()
            return await response.json()
"""
BY_NAME = BY_MODULE.replace("import aiohttp", "from aiohttp import ClientSession").replace(
    "aiohttp.ClientSession", "ClientSession"
)


class SessionTests(AsyncTestCase):
    async def test_a_module_gets_the_mock(self) -> None:
        """However it names the class; requests are checked and give real responses."""
        for source in (BY_MODULE, BY_NAME):
            payments = module(source)
            with mock_client_session(payments) as session:
                session.post.respond(json={"id": "c1"})

                self.assertEqual(await payments.charge(250), {"id": "c1"})

                session.post.assert_called_once_with("charges", json={"amount": 250})
                session.__aexit__.assert_awaited_once()
            self.assertIs(getattr(payments, "aiohttp", aiohttp), aiohttp)

    async def test_answers_one_after_another(self) -> None:
        """The last one stays."""
        payments = module(BY_MODULE)
        with mock_client_session(payments) as session:
            session.post.respond(503).respond(error=ConnectionResetError("cut")).respond(json=3)

            with self.assertRaises(aiohttp.ClientResponseError) as raised:
                await payments.charge(1)
            with self.assertRaisesRegex(ConnectionResetError, "cut"):
                await payments.charge(1)
            self.assertEqual([await payments.charge(1), await payments.charge(1)], [3, 3])

        self.assertEqual(str(raised.exception.request_info.url), "https://pay.test/v1/charges")

    async def test_await_params_and_request(self) -> None:
        """The other ways to ask."""
        payments = module(BY_MODULE)
        with mock_client_session(payments) as session:
            session.get.respond(text="a")
            session.request.respond(404)
            made = payments.aiohttp.ClientSession()

            response = await made.get("/x", params={"q": "1"})
            self.assertEqual(str(response.url), "http://mock.test/x?q=1")
            with self.assertRaises(aiohttp.ClientResponseError):
                await made.request("PUT", "/x", raise_for_status=True)
            self.assertFalse(made.closed)
            self.assertIs(payments.aiohttp.ClientTimeout, aiohttp.ClientTimeout)

    async def test_what_nobody_has_said(self) -> None:
        """Is an error with the line to write."""
        payments = module(BY_MODULE)
        with mock_client_session(payments):
            with self.assertRaisesRegex(
                UnsetError, r"POST https://pay\.test/v1/charges .*session\.post\.respond"
            ):
                await payments.charge(1)

    def test_by_name(self) -> None:
        """The module is imported."""
        sys.modules["payments_under_test"] = payments = module(BY_MODULE)
        self.addCleanup(sys.modules.pop, "payments_under_test")
        with mock_client_session("payments_under_test") as session:
            self.assertIs(payments.aiohttp.ClientSession(), session)

    def test_what_is_no_module(self) -> None:
        """Such as a class, or nothing."""
        for wrong in (None, aiohttp.ClientSession):
            with self.subTest(wrong=wrong), self.assertRaisesRegex(TypeError, "needs a module"):
                with mock_client_session(wrong):  # type: ignore[arg-type]
                    pass

    def test_a_module_that_makes_none(self) -> None:
        """Patching it would change nothing."""
        with self.assertRaisesRegex(ValueError, "has neither 'aiohttp' nor 'ClientSession'"):
            with mock_client_session(types):
                self.fail("patched")


class DroppedRequestTests(OutcomeAssertions):
    def test_a_request_that_nobody_awaits(self) -> None:
        """Fails the test, as on a network nothing would have been sent."""

        class Wrong(AsyncTestCase):
            async def test_it(self) -> None:
                payments = module(BY_MODULE)
                with mock_client_session(payments) as session:
                    session.get.respond()
                    payments.aiohttp.ClientSession().get("/")

        self.assertFailsWith(run_case(Wrong), LeakError, "was never awaited")


if __name__ == "__main__":
    unittest.main()
