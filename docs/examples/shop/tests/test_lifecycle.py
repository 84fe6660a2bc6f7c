"""How the shop opens and closes: in order, whole, and leaving nothing behind."""

import asyncio
import tempfile
import unittest
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from asynctesting import AsyncTestCase
from shop.app import Settings, make_app
from shop.store import Store

NOBODY = "http://127.0.0.1:9"


class LifecycleTests(AsyncTestCase):
    async def test_parts_stop_in_reverse_order(self) -> None:
        """Each part may rely on those that opened before it, until it has closed."""
        with self.assertLogs("shop.app", "INFO") as logs:
            async with TestServer(make_app(Settings(":memory:", NOBODY))):
                opened = [record.getMessage() for record in logs.records]
        closed = [record.getMessage() for record in logs.records[len(opened) :]]

        self.assertEqual(opened, ["store open", "payments open", "refresher running"])
        self.assertEqual(closed, ["refresher stopped", "payments closed", "store closed"])

    async def test_prices_are_there_before_the_first_customer(self) -> None:
        """The cache is warm when the shop opens its door."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        database = str(folder / "shop.sqlite3")
        async with Store.open(database) as store:
            await store.stock_up("tea", price=250, stock=1)

        shop = TestServer(make_app(Settings(database, NOBODY)))
        async with TestClient(shop) as client, client.get("/prices") as response:
            self.assertEqual(await response.json(), {"tea": 250})

    async def test_the_refresher_ends_with_the_shop(self) -> None:
        """No task of the shop's is left when it has closed."""
        async with TestServer(make_app(Settings(":memory:", NOBODY))):
            self.assertIn("refresher", {task.get_name() for task in asyncio.all_tasks()})

        self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})

    async def test_a_shop_that_cannot_open_closes_what_it_has_opened(self) -> None:
        """A bad setting stops the start, and the parts before it are closed."""
        shop = TestServer(make_app(Settings(":memory:", "no address of anything")))
        self.addAsyncCleanup(shop.close)

        with self.assertLogs("shop.app", "INFO") as logs:
            with self.assertRaises(ValueError):
                await shop.start_server()
            await shop.close()

        self.assertEqual(
            [record.getMessage() for record in logs.records], ["store open", "store closed"]
        )


if __name__ == "__main__":
    unittest.main()
