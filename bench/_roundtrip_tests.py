"""Whole tests, run by unittest: the same question asked in the case class that a user would have.

A test makes its application or stubs, reaches them, asks once and is torn down; the case class,
the loop, the report, and what ours audits at a test's end are all in it.
"""

from __future__ import annotations

import io
import time
import unittest
from collections.abc import Callable
from typing import Any

from _roundtrips import ANSWER, HOST, HTTP, get, make_app

#: How many tests run before anything is measured.
WARM_UP = 10


def ours_application() -> type[unittest.TestCase]:
    """Our case class, and its network serves the application."""
    from asynctesting import AsyncTestCase

    class PriceTests(AsyncTestCase):
        async def test_price(self) -> None:
            net = self.network()
            await net.serve(make_app(), HOST)
            await get(net.client(), f"{HOST}/price")

    return PriceTests


def ours_stub() -> type[unittest.TestCase]:
    """Our case class, and its network answers by a stub."""
    from asynctesting import AsyncTestCase

    class PriceTests(AsyncTestCase):
        async def test_price(self) -> None:
            net = self.network()
            net.host(HOST).get("/price").respond(json=ANSWER)
            await get(net.client(), f"{HOST}/price")

    return PriceTests


def ours_test_client() -> type[unittest.TestCase]:
    """Our case class, and aiohttp's test client on its network."""
    from asynctesting import AsyncTestCase

    class PriceTests(AsyncTestCase):
        async def test_price(self) -> None:
            await get(await self.network().aiohttp_client(make_app()), "/price")

    return PriceTests


def in_stock_case(contender: str) -> Callable[[], type[unittest.TestCase]]:
    """Return what makes a test of the standard library's class, which has its loop debug."""

    def make() -> type[unittest.TestCase]:
        class PriceTests(unittest.IsolatedAsyncioTestCase):
            async def test_price(self) -> None:
                async with HTTP[contender]() as (session, base):
                    await get(session, f"{base}/price")

        return PriceTests

    return make


def in_our_case(contender: str) -> Callable[[], type[unittest.TestCase]]:
    """Return what makes a test that has nothing of ours but the class."""

    def make() -> type[unittest.TestCase]:
        from asynctesting import AsyncTestCase

        class PriceTests(AsyncTestCase):
            async def test_price(self) -> None:
                async with HTTP[contender]() as (session, base):
                    await get(session, f"{base}/price")

        return PriceTests

    return make


def aiohttp_case() -> type[unittest.TestCase]:
    """aiohttp's own case class, which is the standard library's with a client in it."""
    from aiohttp import web
    from aiohttp.test_utils import AioHTTPTestCase

    class PriceTests(AioHTTPTestCase):
        async def get_application(self) -> web.Application:
            app: web.Application = make_app()
            return app

        async def test_price(self) -> None:
            await get(self.client, "/price")

    return PriceTests


CASES: dict[str, Callable[[], type[unittest.TestCase]]] = {
    "ours, application": ours_application,
    "ours, stub": ours_stub,
    "TestClient": in_stock_case("TestClient"),
    "AioHTTPTestCase": aiohttp_case,
    "TestClient in AsyncTestCase": in_our_case("TestClient"),
    "TestClient on ours": ours_test_client,
    "aioresponses": in_stock_case("aioresponses"),
}


def run_whole_tests(contender: str, count: int) -> float:
    """Run a suite of *count* tests; return CPU seconds for one.

    Raises:
        SystemExit: If one of them fails.
    """
    case: Any = CASES[contender]()
    spent = 0.0
    for number in (WARM_UP, count):
        suite = unittest.TestSuite(case("test_price") for _ in range(number))
        report = io.StringIO()
        begin = time.process_time()
        result = unittest.TextTestRunner(report).run(suite)
        spent = time.process_time() - begin
        if not result.wasSuccessful():
            raise SystemExit(report.getvalue())
    return spent / count
