"""The face of aioresponses: its own examples hold here, and on itself where it still works."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import unittest
import warnings
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from asynctesting import AsyncResultMixin, AsyncTestCase, NetworkVerdictError, VirtualClockMixin
from asynctesting import aioresponses as ours
from asynctesting.aioresponses import CallbackResult, aioresponses
from asynctesting.aioresponses._anyhost import connecting_methods
from tests.support import OutcomeAssertions, run_case

SHOP = "http://shop.test/api"

METHODS = ("get", "post", "put", "patch", "delete", "options", "head")

# What aioresponses patches has changed with aiohttp 3.14.
PEER_WORKS = importlib.util.find_spec("aioresponses") is not None and tuple(
    int(n) for n in aiohttp.__version__.split(".")[:2] if n.isdigit()
) < (3, 14)


class Examples:
    """What the documentation of aioresponses shows, for whichever is under test."""

    module: Any

    async def asyncSetUp(self: Any) -> None:
        self.session = await self.enterAsyncContext(aiohttp.ClientSession())

    async def test_as_a_context_manager(self: Any) -> None:
        """The first example of its page."""
        with self.module.aioresponses() as m:
            m.get("http://test.example.com", status=200, body="test")
            response = await self.session.get("http://test.example.com")

            self.assertEqual((response.status, await response.text()), (200, "test"))
            m.assert_called_once()
            m.assert_called_once_with("http://test.example.com")

    async def test_as_a_decorator(self: Any) -> None:
        """The mock is the last argument, or has a name."""

        async def body(m: Any) -> Any:
            m.get(SHOP, payload={"foo": "bar"})
            async with self.session.get(SHOP) as response:
                return await response.json()

        async def named(mocked: Any) -> Any:
            return await body(mocked)

        self.assertEqual(await self.module.aioresponses()(body)(), {"foo": "bar"})
        self.assertEqual(await self.module.aioresponses(param="mocked")(named)(), {"foo": "bar"})

    async def test_every_method(self: Any) -> None:
        """Each has a short form."""
        with self.module.aioresponses() as m:
            for number, name in enumerate(
                ["get", "post", "put", "patch", "delete", "options", "head"]
            ):
                getattr(m, name)(SHOP, status=200 + number)
                response = await self.session.request(name, SHOP)
                self.assertEqual(response.status, 200 + number)

    async def test_each_answer_serves_once(self: Any) -> None:
        """One after another, or as often as ``repeat`` says."""
        with self.module.aioresponses() as m:
            m.get(SHOP, status=500)
            m.get(SHOP, status=200, repeat=2)
            m.get(SHOP, status=404, repeat=True)
            statuses = [(await self.session.get(SHOP)).status for _ in range(6)]

        self.assertEqual(statuses, [500, 200, 200, 404, 404, 404])

    async def test_headers_and_cookies(self: Any) -> None:
        """As the response has them."""
        with self.module.aioresponses() as m:
            m.post(SHOP, payload={}, headers={"connection": "keep-alive", "Set-Cookie": "a=b"})
            response = await self.session.post(SHOP)

        self.assertEqual(response.headers["Connection"], "keep-alive")
        self.assertEqual(response.cookies["a"].value, "b")
        self.assertEqual(response.content_type, "application/json")

    async def test_exceptions(self: Any) -> None:
        """Raised in the client, class or instance, at once."""
        with self.module.aioresponses() as m:
            for error in (
                ValueError("oops"),
                KeyError,
                aiohttp.ClientError("no"),
                aiohttp.ServerDisconnectedError(),
                aiohttp.ClientOSError(1, "no"),
                aiohttp.ServerTimeoutError("slow"),
                TimeoutError(),
                asyncio.CancelledError(),
            ):
                m.get(SHOP, exception=error)
                m.get(SHOP, status=204)
                kind = error if isinstance(error, type) else type(error)
                with self.subTest(error=error):
                    with self.assertRaises(kind) as raised:
                        await self.session.get(SHOP)
                    if not isinstance(error, type) and not isinstance(
                        error, asyncio.CancelledError
                    ):
                        self.assertIs(raised.exception, error)
                    self.assertEqual((await self.session.get(SHOP)).status, 204)

    async def test_timeout(self: Any) -> None:
        """Without waiting for it."""
        with self.module.aioresponses() as m:
            m.get(SHOP, timeout=True)
            with self.assertRaises(asyncio.TimeoutError):
                await self.session.get(SHOP)

    async def test_patterns_and_queries(self: Any) -> None:
        """A query is part of the URL, in any order; a pattern matches from the beginning."""
        with self.module.aioresponses() as m:
            m.get(re.compile(r"^http://shop\.test/api\?foo=.*$"), payload=1)
            m.get(f"{SHOP}?b=2&a=1", payload=2)

            response = await self.session.get(SHOP, params={"foo": "x"})
            self.assertEqual(await response.json(), 1)
            response = await self.session.get(SHOP, params={"a": "1", "b": "2"})
            self.assertEqual(await response.json(), 2)

    async def test_callbacks(self: Any) -> None:
        """Plain or async; ``None`` leaves it to the arguments."""
        seen = []

        def plain(url: URL, **kwargs: Any) -> Any:
            seen.append((str(url), kwargs["json"]))
            return self.module.CallbackResult(status=418, payload={"kettle": True})

        async def later(url: URL, **kwargs: Any) -> None:
            await asyncio.sleep(0)

        with self.module.aioresponses() as m:
            m.post(SHOP, callback=plain)
            m.post(SHOP, callback=later, status=201)
            response = await self.session.post(SHOP, json=[1])
            self.assertEqual((response.status, await response.json()), (418, {"kettle": True}))
            self.assertEqual((await self.session.post(SHOP)).status, 201)

        self.assertEqual(seen, [(SHOP, [1])])

    async def test_unmatched(self: Any) -> None:
        """Nobody answers; the request is in the log all the same."""
        with self.module.aioresponses() as m:
            m.get(SHOP)
            for ask in (self.session.post(SHOP), self.session.get("http://other.test/")):
                with self.assertRaisesRegex(aiohttp.ClientConnectionError, "^Connection refused"):
                    await ask
            self.assertEqual(len(m.requests["POST", URL(SHOP)]), 1)

    async def test_the_log(self: Any) -> None:
        """By method and URL, with what was given."""
        with self.module.aioresponses() as m:
            m.post(SHOP, repeat=True)
            await self.session.post(SHOP, json={"a": 1})
            await self.session.post(SHOP, data=b"raw")

            first, second = m.requests["POST", URL(SHOP)]
            self.assertEqual(first.kwargs["json"], {"a": 1})
            self.assertEqual(second.kwargs["data"], b"raw")
            self.assertEqual(first.args, ())

    async def test_assertions(self: Any) -> None:
        """Called, not called, with what, and ever."""
        with self.module.aioresponses() as m:
            m.assert_not_called()
            for assertion in (m.assert_called, m.assert_called_once):
                self.assertRaises(AssertionError, assertion)
            m.post(SHOP)
            m.post(f"{SHOP}?q=x")
            await self.session.post(SHOP, json={"a": 1}, headers={"X": "1"})
            await self.session.post(SHOP, params={"q": "x"}, data="raw")

            m.assert_any_call(SHOP, "POST", json={"a": 1}, headers={"X": "1"})
            m.assert_called_with(SHOP, method="post", json={"a": 1}, headers={"X": "1"})
            m.assert_called_with(SHOP, "POST", params={"q": "x"}, data="raw")
            m.assert_called_with(SHOP, "POST", ["json"], json={"a": 1}, headers={"X": "other"})
            for wrong in (
                lambda: m.assert_called_with(SHOP, "POST", json={"a": 2}, headers={"X": "1"}),
                lambda: m.assert_called_with(SHOP, "POST"),
                lambda: m.assert_called_with(SHOP, "PUT"),
                lambda: m.assert_any_call("http://other.test/"),
                lambda: m.assert_called_once_with(SHOP, "POST"),
                m.assert_called_once,
                m.assert_not_called,
            ):
                self.assertRaises(AssertionError, wrong)

    async def test_passthrough(self: Any) -> None:
        """A real server beside the mocked ones."""

        async def hello(request: web.Request) -> web.Response:
            return web.Response(text="real")

        app = web.Application()
        app.router.add_get("/", hello)
        server = await self.enterAsyncContext(TestServer(app))
        for options in ({"passthrough": ["http://127.0.0.1"]}, {"passthrough_unmatched": True}):
            with self.module.aioresponses(**options) as m:
                m.get(SHOP, body="mocked")
                answers = [
                    await (await self.session.get(url)).text()
                    for url in (server.make_url("/"), SHOP)
                ]
            self.assertEqual(answers, ["real", "mocked"])


class OurTests(Examples, AsyncTestCase):
    module = ours


@unittest.skipUnless(PEER_WORKS, "aioresponses is not here, or fails every call on this aiohttp")
class PeerTests(Examples, AsyncTestCase):
    def setUp(self) -> None:
        import aioresponses

        self.module = aioresponses


class BeforeTheLoopTests(AsyncResultMixin, unittest.TestCase):
    """Entered where no loop runs, as in old suites."""

    @aioresponses()
    def test_on_the_bridge(self, m: Any) -> None:
        """Over several turns of one loop."""
        m.get(SHOP, payload=[1])
        m.get("https://secure.test/", payload=[2])

        async def ask(session: aiohttp.ClientSession, url: str) -> Any:
            async with session.get(url) as response:
                return await response.json()

        async def make() -> aiohttp.ClientSession:
            return aiohttp.ClientSession()

        session = self.get_async_result(make())
        self.assertEqual(self.get_async_result(ask(session, SHOP)), [1])
        self.assertEqual(self.get_async_result(ask(session, "https://secure.test/")), [2])
        self.get_async_result(session.close())

    def test_on_loops_that_come_and_go(self) -> None:
        """Each gets the answers, and its own methods back."""

        async def ask() -> int:
            async with aiohttp.ClientSession() as session, session.get(SHOP) as response:
                return response.status

        before = {name: vars(cls)[name] for cls, name in connecting_methods()}
        with aioresponses() as m:
            m.get(SHOP, status=201, repeat=True)
            self.assertEqual([asyncio.run(ask()), asyncio.run(ask())], [201, 201])

        after = {name: vars(cls)[name] for cls, name in connecting_methods()}
        self.assertEqual(after, before)

    def test_addresses_too(self) -> None:
        """A URL with an address looks no name up."""

        async def ask() -> str:
            async with aiohttp.ClientSession() as session:
                async with session.get("http://10.1.2.3:8080/") as response:
                    return await response.text()

        with aioresponses() as m:
            m.get("http://10.1.2.3:8080/", body="here")
            self.assertEqual(asyncio.run(ask()), "here")


class RealStackTests(VirtualClockMixin, AsyncTestCase):
    """What is different, and better for it."""

    async def asyncSetUp(self) -> None:
        self.session = await self.enterAsyncContext(aiohttp.ClientSession())

    async def test_a_307_keeps_method_and_body(self) -> None:
        """Each hop is in the log."""
        with aioresponses() as m:
            m.post(SHOP, status=307, headers={"Location": "http://new.test/"})
            m.post("http://new.test/", status=201)
            response = await self.session.post(SHOP, json=[1])

            self.assertEqual((response.status, response.method), (201, "POST"))
            m.assert_called_with("http://new.test/", "POST", json=[1])

    async def test_cookies_reach_the_jar(self) -> None:
        """And go out with the next request."""
        with aioresponses() as m:
            m.get(SHOP, headers={"Set-Cookie": "id=7"})
            m.get(SHOP)
            await self.session.get(SHOP)
            await self.session.get(SHOP)

            m.assert_called_with(SHOP, cookies={"id": "7"})

    async def test_what_was_sent_is_compared(self) -> None:
        """Session headers and credentials included; what stays in the client is not known."""
        with aioresponses() as m:
            m.get(SHOP)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # since aiohttp 3.14
                right, wrong = aiohttp.BasicAuth("a", "b"), aiohttp.BasicAuth("x", "y")
                await self.session.get(SHOP, auth=right, timeout=None)

            m.assert_called_once_with(SHOP, auth=right, timeout=5)
            with self.assertRaisesRegex(KeyError, "'timeout' is not among what was sent"):
                m.requests["GET", URL(SHOP)][0].kwargs["timeout"]
            with self.assertRaisesRegex(
                AssertionError, r"not like that:\n  auth: expected .*\n  headers: expected"
            ):
                m.assert_called_with(SHOP, auth=wrong, headers={"A": "1"})

    async def test_a_slow_callback_meets_the_clients_limit(self) -> None:
        """On the virtual clock, at once."""

        async def slow(url: URL, **kwargs: Any) -> None:
            await asyncio.sleep(60)

        with aioresponses() as m:
            m.get(SHOP, callback=slow)
            with self.assertRaises(TimeoutError):
                await self.session.get(SHOP, timeout=aiohttp.ClientTimeout(total=5))
        self.assertLess(self.clock.elapsed, 60)

    async def test_an_error_of_a_callback(self) -> None:
        """Reaches the client, as on aioresponses."""

        def broken(url: URL, **kwargs: Any) -> None:
            raise LookupError("no such row")

        with aioresponses() as m:
            m.get(SHOP, callback=broken)
            with self.assertRaisesRegex(LookupError, "no such row"):
                await self.session.get(SHOP)

    async def test_concurrent_requests(self) -> None:
        """Each gets its own."""
        with aioresponses() as m:
            for number in range(20):
                m.get(f"{SHOP}/{number}", payload=number)

            async def ask(number: int) -> Any:
                async with self.session.get(f"{SHOP}/{number}") as response:
                    return await response.json()

            answers = await asyncio.gather(*map(ask, range(20)))

        self.assertEqual(answers, list(range(20)))

    async def test_mistakes(self) -> None:
        """Are told where they are made."""
        with aioresponses(passthrough_unmatched=True) as m:
            with self.assertRaisesRegex(TypeError, "response_class= belongs to the session"):
                m.get(SHOP, response_class=aiohttp.ClientResponse)
            with self.assertRaisesRegex(ValueError, "a Content-Length of 9, and the body has 1"):
                m.get(SHOP, body="x", headers={"Content-Length": "9"})
            for arguments, message in (
                ({"repeat": -1}, "repeat= is True, or how often"),
                ({"status": "200"}, "status= needs a number"),
                ({"status": 99}, "one of 200 to 599"),
                ({"exception": 5}, "exception= needs an exception"),
                ({"callback": 5}, "callback= needs a function"),
                ({"body": {"a": 1}}, "JSON goes into payload="),
            ):
                with (
                    self.subTest(**arguments),
                    self.assertRaisesRegex((TypeError, ValueError), message),
                ):
                    m.get(SHOP, **arguments)
            with self.assertRaisesRegex(TypeError, "a compiled pattern, got 5"):
                m.get(5)  # type: ignore[arg-type]
            with self.assertRaisesRegex(TypeError, "passthrough= needs a list"):
                aioresponses(passthrough="http://127.0.0.1")
            with self.assertRaisesRegex(ValueError, "names no host"):
                m.get(re.compile(".*"))
            with self.assertRaisesRegex(TypeError, "response_class="):
                CallbackResult(response_class=aiohttp.ClientResponse)  # type: ignore[arg-type]


class StrictTests(OutcomeAssertions):
    def test_a_swallowed_request_fails_the_test(self) -> None:
        """On request; aioresponses lets it pass."""

        class Swallowing(AsyncTestCase):
            strict = True

            async def test_it(self) -> None:
                with aioresponses(strict=self.strict):
                    async with aiohttp.ClientSession() as session:
                        with self.assertRaises(aiohttp.ClientError):
                            await session.get("http://shop.test/typo")

        self.assertFailsWith(
            run_case(Swallowing),
            NetworkVerdictError,
            "GET http://shop.test/typo: nothing was added",
        )
        Swallowing.strict = False
        self.assertPassed(run_case(Swallowing))

    def test_a_failing_test_gets_a_note(self) -> None:
        """Strict or not: what was swallowed is often why."""
        for strict in (False, True):
            with self.assertRaises(AssertionError) as caught:
                asyncio.run(self.swallow_and_fail(strict))

            self.assertEqual(
                caught.exception.__notes__,
                [
                    "aioresponses has seen requests that nobody answered:\n"
                    "  GET http://shop.test/typo: nothing was added that answers it"
                ],
            )

    async def swallow_and_fail(self, strict: bool) -> None:
        with aioresponses(strict=strict):
            async with aiohttp.ClientSession() as session:
                with self.assertRaises(aiohttp.ClientError):
                    await session.get("http://shop.test/typo")
            raise AssertionError("the price is wrong")

    def test_nothing_is_left_behind(self) -> None:
        """Not even by a session that is closed only after the mock."""

        class Tidy(AsyncTestCase):
            async def test_it(self) -> None:
                session = await self.enterAsyncContext(aiohttp.ClientSession())
                with aioresponses() as m:
                    m.get(SHOP)
                    await session.get(SHOP)

        self.assertPassed(run_case(Tidy))


del Examples  # a base, and no case of its own

if __name__ == "__main__":
    unittest.main()
