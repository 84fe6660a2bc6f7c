"""How the shop opens and closes: in order, whole, and leaving nothing behind."""

import asyncio
import tempfile
import unittest
from pathlib import Path

from asynctesting import AsyncTestCase
from shop.app import Settings, make_app
from shop.store import Store

SHOP = "http://shop.test"
NOBODY = "http://nobody.test"


class LifecycleTests(AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.net = self.network()

    async def test_parts_stop_in_reverse_order(self) -> None:
        """Each part may rely on those that opened before it, until it has closed."""
        with self.assertLogs("shop.app", "INFO") as logs:
            shop = await self.net.serve(make_app(Settings(":memory:", NOBODY, NOBODY)), SHOP)
            opened = [record.getMessage() for record in logs.records]
            await shop.close()
        closed = [record.getMessage() for record in logs.records[len(opened) :]]

        parts = ["store", "payments", "warehouse"]
        self.assertEqual(opened, [*(f"{part} open" for part in parts), "refresher running"])
        self.assertEqual(
            closed, ["refresher stopped", *(f"{part} closed" for part in reversed(parts))]
        )

    async def test_prices_are_there_before_the_first_customer(self) -> None:
        """The cache is warm when the shop opens its door."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        database = str(folder / "shop.sqlite3")
        async with Store.open(database) as store:
            await store.stock_up("tea", price=250, stock=1)

        shop = await self.net.serve(make_app(Settings(database, NOBODY)), SHOP)
        async with shop.client().get("/prices") as response:
            self.assertEqual(await response.json(), {"tea": 250})

    async def test_the_refresher_ends_with_the_shop(self) -> None:
        """No task of the shop's is left when it has closed."""
        shop = await self.net.serve(make_app(Settings(":memory:", NOBODY)), SHOP)
        self.assertIn("refresher", {task.get_name() for task in asyncio.all_tasks()})

        await shop.close()

        self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})

    async def test_a_shop_that_cannot_open_closes_what_it_has_opened(self) -> None:
        """A bad setting stops the start, and the parts before it are closed."""
        with self.assertLogs("shop.app", "INFO") as logs, self.assertRaises(ValueError):
            await self.net.serve(make_app(Settings(":memory:", "no address of anything")), SHOP)

        self.assertEqual(
            [record.getMessage() for record in logs.records], ["store open", "store closed"]
        )


if __name__ == "__main__":
    unittest.main()
