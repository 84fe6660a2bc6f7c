"""The price cache, and the task in the background that keeps it warm."""

import sqlite3
import unittest
from typing import Any
from unittest import mock

from shop.app import PRICES

from .support import ShopTestCase


class PriceTestCase(ShopTestCase):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.cache = self.app[PRICES]

    async def get(self, path: str) -> Any:
        """Return what the shop answers at *path*."""
        async with self.client.get(path) as response:
            self.assertEqual(response.status, 200)
            return await response.json()


class CacheTests(PriceTestCase):
    async def test_customers_see_the_prices_of_the_last_refresh(self) -> None:
        """The database is not asked for them, so it cannot keep a customer waiting."""
        await self.cache.refresh()
        await self.store.stock_up("tea", price=275, stock=0)

        self.assertEqual(await self.get("/prices"), {"tea": 250, "pot": 4000})


class RefresherTests(PriceTestCase):
    settings = {"refresh_every": 0.002}

    async def refresh(self) -> None:
        """Wait for a refresh that sees all that happened before this call."""
        await self.cache.next_refresh()  # this one may have begun earlier
        await self.cache.next_refresh()

    async def test_a_new_price_is_shown_before_long(self) -> None:
        """Nobody has to ask for it: the refresher picks it up."""
        await self.store.stock_up("tea", price=275, stock=0)
        await self.refresh()

        self.assertEqual(await self.get("/prices"), {"tea": 275, "pot": 4000})

    async def test_a_failing_database_leaves_the_old_prices_and_says_so(self) -> None:
        """The refresher outlives its failures, and is fresh again once they end."""
        await self.refresh()
        broken = mock.AsyncMock(side_effect=sqlite3.OperationalError("disk I/O error"))

        with self.assertLogs("shop.prices", "ERROR"):
            with mock.patch.object(self.store, "prices", broken):
                await self.refresh()
                self.assertEqual(await self.get("/health"), {"stale": True})
                self.assertEqual(await self.get("/prices"), {"tea": 250, "pot": 4000})
            await self.refresh()

        self.assertEqual(await self.get("/health"), {"stale": False})


if __name__ == "__main__":
    unittest.main()
