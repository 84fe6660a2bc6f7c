"""When there will be more: the shop, the payment service and the warehouse on one network."""

import unittest

from asynctesting import VirtualClockMixin
from warehouse import make_warehouse

from .support import WAREHOUSE, ShopTestCase

SOLD_OUT = "1 left of 'pot', and 2 were asked for"


class TogetherTests(ShopTestCase):
    """The warehouse's own application, one of FastAPI, beside the two of aiohttp."""

    settings = {"warehouse": WAREHOUSE}
    service = make_warehouse({"pot": 3})

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        # Its lifespan runs for each test: started here, shut down when the network is left.
        self.warehouse = await self.net.serve_asgi(self.service, WAREHOUSE)

    async def test_the_customer_is_told_when_there_is_more(self) -> None:
        """The shop asks the warehouse while the customer waits, and nothing is charged."""
        self.assertEqual(
            await self.checkout("pot", 2), (409, {"reason": SOLD_OUT, "more_in_days": 3})
        )
        self.assertEqual(self.payments.requests, [])

    async def test_what_the_warehouse_does_not_know(self) -> None:
        """Is no more than a refusal."""
        status, refusal = await self.checkout("tea", 9)

        self.assertEqual((status, "more_in_days" in refusal), (409, False))
        self.warehouse.calls.assert_called_once_with("GET", "/stock/tea")

    async def test_who_is_served_is_no_business_of_the_warehouse(self) -> None:
        """It is asked only when something is missing."""
        await self.checkout("pot")

        self.warehouse.calls.assert_not_called()


class TroubleTests(VirtualClockMixin, ShopTestCase):
    """Whatever happens to the warehouse, the customer gets the shop's own answer."""

    settings = {"warehouse": WAREHOUSE, "warehouse_timeout": 2.0}

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.warehouse = self.net.host(WAREHOUSE)

    async def refusal(self) -> str:
        """Ask for too much, and return what the shop has logged about the warehouse."""
        with self.assertLogs("shop.warehouse", "WARNING") as logs:
            self.assertEqual(await self.checkout("pot", 2), (409, {"reason": SOLD_OUT}))
        return logs.records[-1].getMessage()

    async def test_it_is_slow(self) -> None:
        """Two seconds are waited for, on the clock of the test."""
        self.warehouse.get("/stock/{sku}").respond(json={"days": 3}).delay(60)

        self.assertEqual(await self.refusal(), "no word about pot in 2.0 s")
        self.assertEqual(self.clock.elapsed, 2)

    async def test_its_answer_is_cut(self) -> None:
        """Half of an answer is none."""
        self.warehouse.get("/stock/pot").respond(json={"days": 3}).fault("truncate")

        self.assertIn("payload is not completed", await self.refusal())

    async def test_it_talks_nonsense(self) -> None:
        """An error page, other JSON, a word where a number should be."""
        nonsense = self.warehouse.get("/stock/pot")
        nonsense.respond(500).respond(json=[]).respond(json={}).respond(json={"days": "soon"})

        for _ in range(4):
            await self.refusal()

    async def test_its_certificate_has_expired(self) -> None:
        """Nothing is asked of it, and the reason is in the log."""
        self.warehouse.tls("expired")

        self.assertIn("certificate has expired", await self.refusal())

    async def test_it_comes_back(self) -> None:
        """A restart is over before the next customer."""
        self.warehouse.restart(downtime=1)
        await self.refusal()
        self.warehouse.get("/stock/pot").respond(json={"days": 1})
        await self.clock.advance(1)

        self.assertEqual((await self.checkout("pot", 2))[1]["more_in_days"], 1)


if __name__ == "__main__":
    unittest.main()
