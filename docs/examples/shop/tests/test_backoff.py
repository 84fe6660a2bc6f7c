"""An hour of back-off on a virtual clock: real requests over a network in memory, no waiting."""

import itertools
import logging
import time
import unittest

from asynctesting import AsyncTestCase, VirtualClockMixin
from shop.payments import PaymentClient, PaymentUnavailable, backoff_delays

from .support import PAYMENTS, ShopTestCase

HOUR = 3600


class BackoffTests(VirtualClockMixin, AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.net = self.network()
        self.service = self.net.host(PAYMENTS)

    async def test_an_hour_of_backoff_takes_no_time(self) -> None:
        """Twelve attempts, the first eleven in vain, go out at the times that were promised."""
        began = time.monotonic()
        charge = self.service.post("/v1/charges")
        charge.respond(503).times(11).respond(json={"id": "charge-1"})
        pay = PaymentClient(self.service.client(), attempts=12, backoff=2.0)

        with self.assertLogs("shop.payments", logging.WARNING) as logs:
            self.assertEqual(await pay.charge("k1", 250), "charge-1")

        waits = list(backoff_delays(2.0, 12))
        self.assertGreater(sum(waits), HOUR)
        self.assertEqual(self.clock.elapsed, sum(waits))
        self.assertEqual(time.monotonic() - began, sum(waits))
        times = [call.started for call in charge.calls]
        self.assertEqual([b - a for a, b in itertools.pairwise(times)], waits[1:])
        self.assertEqual(len(logs.records), 11)

    async def test_a_silent_service_costs_its_limit_each_time(self) -> None:
        """Three attempts of five seconds each, and the waits of one and two seconds between."""
        self.service.hang()
        pay = PaymentClient(self.service.client(), attempts=3, backoff=1.0, timeout=5.0)

        with (
            self.assertLogs("shop.payments", logging.WARNING),
            self.assertRaisesRegex(PaymentUnavailable, "no answer in 5.0 s"),
        ):
            await pay.charge("k1", 250)

        self.assertEqual(self.clock.elapsed, 5 + 1 + 5 + 2 + 5)

    async def test_after_giving_up_it_is_silent(self) -> None:
        """Nothing more goes out, not within a day."""
        self.service.post("/v1/charges").respond(503).times(2)
        pay = PaymentClient(self.service.client(), attempts=2)

        with self.assertLogs("shop.payments"), self.assertRaises(PaymentUnavailable):
            await pay.charge("k1", 250)

        await self.service.assert_silence(24 * HOUR)


class PatientShopTests(VirtualClockMixin, ShopTestCase):
    """The shop as a whole, its database included, on the virtual clock."""

    settings = {"attempts": 12, "backoff": 2.0}

    async def test_a_customer_who_waits_an_hour_is_served(self) -> None:
        """The payment service is away all that time; the tea stays put aside."""
        self.payments.answers.extend([503] * 11)

        with self.assertLogs("shop.payments", logging.WARNING):
            status, receipt = await self.checkout("tea", 2)

        self.assertEqual((status, receipt["amount"]), (201, 500))
        self.assertEqual(await self.store.stock("tea"), 3)
        self.assertEqual(self.clock.elapsed, sum(backoff_delays(2.0, 12)))


if __name__ == "__main__":
    unittest.main()
