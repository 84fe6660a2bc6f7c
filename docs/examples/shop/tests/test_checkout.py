"""Buying something: what the customer is told, what is charged, and what is left on the shelf."""

import asyncio
import unittest
from collections import Counter

from .support import ShopTestCase


class CheckoutTests(ShopTestCase):
    async def test_a_sale_is_charged_and_leaves_the_shelf(self) -> None:
        """The customer gets the receipt, the payment service the amount."""
        status, receipt = await self.checkout("tea", 2)

        self.assertEqual(status, 201)
        self.assertEqual(receipt["amount"], 500)
        self.assertEqual(self.payments.charges, {receipt["key"]: 500})
        self.assertEqual(await self.store.stock("tea"), 3)

    async def test_the_customer_does_not_notice_a_retry(self) -> None:
        """Two answers of 503 cost a moment, and the money is taken once."""
        self.payments.answers.extend([503, 503])

        with self.assertLogs("shop.payments", "WARNING"):
            status, _ = await self.checkout("tea")

        self.assertEqual(status, 201)
        self.assertEqual(len(self.payments.requests), 3)
        self.assertEqual(list(self.payments.charges.values()), [250])

    async def test_a_sale_that_cannot_be_paid_is_undone(self) -> None:
        """Declined or unavailable: the customer learns which, and the tea is back on the shelf."""
        with self.assertLogs("shop.payments", "WARNING"):
            for answers, expected in [([402], 402), ([503] * 3, 502)]:
                with self.subTest(expected=expected):
                    self.payments.answers.extend(answers)

                    status, refusal = await self.checkout("tea")

                    self.assertEqual(status, expected)
                    self.assertTrue(refusal["reason"])
                    self.assertEqual(await self.store.stock("tea"), 5)

    async def test_an_order_that_makes_no_sense_is_refused(self) -> None:
        """A bad request is told so, and nothing is charged."""
        senseless = [b"", b"tea", b"[]", b"{}", b'{"sku": 1}', b'{"sku": "tea", "quantity": 0}']
        for body in senseless:
            with self.subTest(body=body):
                async with self.client.post("/checkout", data=body) as response:
                    self.assertEqual(response.status, 400)

        self.assertEqual(self.payments.requests, [])

    async def test_what_is_not_there_is_not_sold(self) -> None:
        """An unknown product is a 404, a known one that has run out a 409."""
        unknown = await self.checkout("gin")
        short = await self.checkout("pot", 2)

        self.assertEqual(unknown, (404, {"reason": "no product is called 'gin'"}))
        self.assertEqual(short, (409, {"reason": "1 left of 'pot', and 2 were asked for"}))
        self.assertEqual(self.payments.requests, [])

    async def test_an_order_sent_again_is_placed_once(self) -> None:
        """The same key gets the same receipt, and is charged once."""
        first, receipt = await self.checkout("tea", Idempotency_Key="mine")
        again, copy = await self.checkout("tea", Idempotency_Key="mine")

        self.assertEqual((first, again), (201, 200))
        self.assertEqual(copy, receipt)
        self.assertEqual(self.payments.requests, [("mine", 250)])
        self.assertEqual(await self.store.stock("tea"), 4)

    async def test_an_order_sent_twice_at_once_is_placed_once(self) -> None:
        """While the first request is being paid, the second one is told to wait."""
        answer = self.payments.hold()
        first = asyncio.create_task(self.checkout("pot", Idempotency_Key="mine"))
        await self.payments.asked.wait()

        second = await self.checkout("pot", Idempotency_Key="mine")
        answer.set_result(200)

        self.assertEqual(second, (409, {"reason": "this order is being placed"}))
        self.assertEqual((await first)[0], 201)
        self.assertEqual(await self.store.stock("pot"), 0)


class RushTests(ShopTestCase):
    """Customers who come all at once."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        # Entered here, used in the tests, and left after them: all of that is one task's business.
        self.customers = await self.enterAsyncContext(asyncio.TaskGroup())

    async def test_the_last_pieces_are_sold_once(self) -> None:
        """Twenty customers want one of five; five get it, and nobody else pays."""
        rush = [self.customers.create_task(self.checkout("tea")) for _ in range(20)]
        outcomes = Counter(status for status, _ in await asyncio.gather(*rush))

        self.assertEqual(outcomes, {201: 5, 409: 15})
        self.assertEqual(len(self.payments.charges), 5)
        self.assertEqual(await self.store.stock("tea"), 0)

    async def test_a_declined_customer_leaves_the_piece_to_the_next(self) -> None:
        """The pot of a customer who cannot pay can be sold again."""
        self.payments.answers.append(402)
        declined = self.customers.create_task(self.checkout("pot"))
        self.assertEqual((await declined)[0], 402)

        rush = [self.customers.create_task(self.checkout("pot")) for _ in range(3)]
        outcomes = Counter(status for status, _ in await asyncio.gather(*rush))

        self.assertEqual(outcomes, {201: 1, 409: 2})


if __name__ == "__main__":
    unittest.main()
