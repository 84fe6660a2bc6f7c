"""The database: what is sold and what is left add up."""

import asyncio
import sqlite3
import tempfile
import unittest
from collections.abc import AsyncIterator
from pathlib import Path

from asynctesting import AsyncTestCase, async_fixture
from shop.store import Order, OutOfStock, Store, UnknownProduct


class StoreTests(AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.store = await self.enterAsyncContext(Store.open(":memory:"))
        await self.store.stock_up("tea", price=250, stock=5)

    async def test_stocking_up_adds_pieces_and_sets_the_price(self) -> None:
        """A second delivery adds to the stock, and its price replaces the old one."""
        await self.store.stock_up("tea", price=300, stock=2)

        self.assertEqual(await self.store.stock("tea"), 7)
        self.assertEqual(await self.store.prices(), {"tea": 300})

    async def test_what_is_reserved_is_off_the_shelf_until_it_is_released(self) -> None:
        """A reservation takes its pieces, and gives back as many."""
        order, new = await self.store.reserve("first", "tea", 3)
        self.assertTrue(new)
        self.assertEqual(order.amount, 750)
        self.assertEqual(await self.store.stock("tea"), 2)

        await self.store.release(order)

        self.assertEqual(await self.store.stock("tea"), 5)
        self.assertIsNone(await self.store.order("first"))

    async def test_a_refused_reservation_changes_nothing(self) -> None:
        """Too many pieces, or an unknown product: nothing is put aside."""
        for sku, quantity, refusal in [("tea", 6, OutOfStock), ("gin", 1, UnknownProduct)]:
            with self.subTest(sku=sku), self.assertRaises(refusal):
                await self.store.reserve("first", sku, quantity)

        self.assertEqual(await self.store.stock("tea"), 5)
        self.assertIsNone(await self.store.order("first"))

    async def test_a_transaction_that_breaks_off_is_undone(self) -> None:
        """The database refuses the order after the shelf was changed; the shelf is as before."""
        with self.assertRaises(sqlite3.IntegrityError):
            await self.store.reserve("first", "tea", -1)

        self.assertEqual(await self.store.stock("tea"), 5)

    async def test_reservations_at_the_same_time_take_turns(self) -> None:
        """Two tasks share one connection, and neither sees the other's half of a transaction."""
        wishes = [self.store.reserve(f"wish {n}", "tea", 2) for n in range(4)]
        answers = await asyncio.gather(*wishes, return_exceptions=True)

        refused = [answer for answer in answers if isinstance(answer, OutOfStock)]
        self.assertEqual(len(refused), 2)
        self.assertEqual(await self.store.stock("tea"), 1)


class CatalogueTests(AsyncTestCase):
    """The catalogue is filled once for the class; what a test reserves goes back on the shelf."""

    @async_fixture(scope="class")
    async def store(cls) -> AsyncIterator[Store]:
        async with Store.open(":memory:") as store:
            for number in range(100):
                await store.stock_up(f"tea {number}", price=100 + number, stock=number)
            yield store

    @async_fixture(autouse=False)
    async def order(self, store: Store) -> AsyncIterator[Order]:
        order, _ = await store.reserve(self.id(), "tea 50", 20)
        yield order
        await store.release(order)

    async def test_every_product_has_its_price(self) -> None:
        """All of the catalogue is sold, each product at its own price."""
        prices = await self.store.prices()

        self.assertEqual(len(prices), 100)
        self.assertEqual(prices["tea 50"], 150)

    async def test_an_order_is_kept_under_its_key(self, order: Order) -> None:
        """Whoever asks again with the same key gets the order that is there."""
        again, new = await self.store.reserve(order.key, "tea 50", 20)

        self.assertEqual((again, new), (order, False))
        self.assertEqual(await self.store.stock("tea 50"), 30)

    async def test_what_is_sold_out_is_refused(self) -> None:
        """Of one tea there is none; of the others all is left, whatever another test did."""
        with self.assertRaises(OutOfStock):
            await self.store.reserve("first", "tea 0", 1)

        self.assertEqual(await self.store.stock("tea 50"), 50)


class FileTests(AsyncTestCase):
    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.path = str(folder / "shop.sqlite3")

    async def test_a_sale_outlives_the_shop(self) -> None:
        """What was sold is still sold when the file is opened again."""
        async with Store.open(self.path) as store:
            await store.stock_up("tea", price=250, stock=5)
            order, _ = await store.reserve("first", "tea", 2)
            paid = await store.settle(order, "charge-1")

        async with Store.open(self.path) as store:
            self.assertEqual(await store.order("first"), paid)
            self.assertEqual(await store.stock("tea"), 3)


if __name__ == "__main__":
    unittest.main()
