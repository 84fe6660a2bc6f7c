"""What was tested when nobody here wrote ``async def`` in a test.

Each of these classes had a loop of its own once, made in ``setUp`` and closed in ``tearDown``.
They have got one more base, and ``self.loop.run_until_complete(...)`` is now
``self.get_async_result(...)``; nothing else was touched, but for what says so.
"""

import asyncio
import tempfile
import unittest
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from asynctesting import AsyncResultMixin, HTTPNetwork, async_test
from shop.app import Settings, make_app
from shop.payments import PaymentClient, PaymentDeclined, backoff_delays
from shop.prices import PriceCache
from shop.store import OutOfStock, Store


class StoreTests(AsyncResultMixin, unittest.TestCase):
    """One connection and one lock, over all calls of a test."""

    def setUp(self) -> None:
        stack = AsyncExitStack()
        self.addCleanup(lambda: self.get_async_result(stack.aclose()))
        self.store = self.get_async_result(stack.enter_async_context(Store.open(":memory:")))
        self.get_async_result(self.store.stock_up("tea", price=250, stock=5))

    def test_reserve(self) -> None:
        order, new = self.get_async_result(self.store.reserve("first", "tea", 3))

        self.assertTrue(new)
        self.assertEqual(order.amount, 750)
        self.assertEqual(self.get_async_result(self.store.stock("tea")), 2)

    def test_reserve_too_many(self) -> None:
        with self.assertRaises(OutOfStock):
            self.get_async_result(self.store.reserve("first", "tea", 6))

        self.assertEqual(self.get_async_result(self.store.stock("tea")), 5)

    def test_refresher(self) -> None:
        # The refresher goes on in the background from one call to the next.
        cache = PriceCache(self.store)
        refresher = self.get_async_result(start(cache.keep_warm(every=0.002)))
        self.addCleanup(refresher.cancel)

        self.get_async_result(cache.next_refresh())
        self.assertEqual(cache.prices, {"tea": 250})
        self.get_async_result(self.store.stock_up("tea", price=275, stock=0))
        self.get_async_result(cache.next_refresh())
        self.get_async_result(cache.next_refresh())
        self.assertEqual(cache.prices, {"tea": 275})

    @async_test
    async def test_two_at_once(self) -> None:
        # Newer than the others: with the decorator, a test may be a coroutine.
        wishes = [self.store.reserve(f"wish {n}", "tea", 3) for n in range(2)]
        answers = await asyncio.gather(*wishes, return_exceptions=True)

        self.assertEqual([type(answer) for answer in answers], [tuple, OutOfStock])


class PaymentTests(AsyncResultMixin, unittest.TestCase):
    def test_delays(self) -> None:
        self.assertEqual(list(backoff_delays(1, 4)), [0, 1, 2, 4])

    @mock.patch("shop.payments.PaymentClient._ask")
    def test_retry(self, ask: mock.AsyncMock) -> None:
        ask.side_effect = [(503, {}), (200, {"id": "charge-1"})]
        client = PaymentClient(mock.Mock(), backoff=0.001)

        with self.assertLogs("shop.payments", "WARNING"):
            charge = self.get_async_result(client.charge("first", 250), timeout=10)

        self.assertEqual(charge, "charge-1")
        self.assertEqual(ask.await_count, 2)

    @mock.patch("shop.payments.PaymentClient._ask", return_value=(402, {"reason": "no funds"}))
    def test_no_retry_after_a_refusal(self, ask: mock.AsyncMock) -> None:
        client = PaymentClient(mock.Mock(), backoff=0.001)

        with self.assertRaisesRegex(PaymentDeclined, "402 no funds"):
            self.get_async_result(client.charge("first", 250))
        ask.assert_awaited_once_with("first", 250)


class ServiceTests(AsyncResultMixin, unittest.TestCase):
    """One open shop for the whole class; it lives on the loop of the class.

    It listened at a port of this machine once, and is on a network in memory now.
    """

    client: Any

    @classmethod
    def setUpClass(cls) -> None:
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        settings = Settings(str(Path(folder, "shop.sqlite3")), payments="http://nobody.test")
        net, cls.client = cls.get_class_async_result(open_shop(settings))
        cls.addClassCleanup(lambda: cls.get_class_async_result(net.leave()))

    def get(self, path: str) -> tuple[int, Any]:
        return self.get_class_async_result(fetch(self.client, path))

    def test_prices(self) -> None:
        self.assertEqual(self.get("/prices"), (200, {}))

    def test_health(self) -> None:
        self.assertEqual(self.get("/health"), (200, {"stale": False}))


async def start(coroutine: Any) -> Any:
    """Have *coroutine* run in the background."""
    return asyncio.create_task(coroutine, name="refresher")


async def open_shop(settings: Settings) -> tuple[HTTPNetwork, Any]:
    net = HTTPNetwork().enter()
    await net.serve(make_app(settings), "http://shop.test")
    return net, net.client("http://shop.test")


async def fetch(client: Any, path: str) -> tuple[int, Any]:
    async with client.get(path) as response:
        return response.status, await response.json()


if __name__ == "__main__":
    unittest.main()
