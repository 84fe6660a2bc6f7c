"""An hour of back-off on a virtual clock: real requests to a real socket, and no waiting."""

import logging
import time
import unittest

import aiohttp
from aiohttp.test_utils import TestServer

from asynctesting import AsyncTestCase, VirtualClockMixin
from shop.payments import PaymentClient, PaymentUnavailable, backoff_delays

from .support import PaymentService

HOUR = 3600


class BackoffTests(VirtualClockMixin, AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.service = PaymentService()
        server = await self.enterAsyncContext(TestServer(self.service.app()))
        self.session = await self.enterAsyncContext(aiohttp.ClientSession(server.make_url("/")))

    async def test_an_hour_of_backoff_takes_no_time(self) -> None:
        """Twelve attempts, the first eleven in vain, go out at the times that were promised."""
        began = time.monotonic()
        self.service.answers.extend([503] * 11)
        pay = PaymentClient(self.session, attempts=12, backoff=2.0)

        with self.assertLogs("shop.payments", logging.WARNING) as logs:
            self.assertEqual(await pay.charge("k1", 250), "charge-k1")

        waited = sum(backoff_delays(2.0, 12))
        self.assertGreater(waited, HOUR)
        self.assertEqual(self.clock.elapsed, waited)
        self.assertEqual(time.monotonic() - began, waited)
        self.assertEqual(len(logs.records), 11)
        self.assertEqual(len(self.service.requests), 12)

    async def test_a_silent_service_costs_its_limit_each_time(self) -> None:
        """Three attempts of five seconds each, and the waits of one and two seconds between."""
        for _ in range(3):
            self.service.hold()
        pay = PaymentClient(self.session, attempts=3, backoff=1.0, timeout=5.0)

        with (
            self.assertLogs("shop.payments", logging.WARNING),
            self.assertRaisesRegex(PaymentUnavailable, "no answer in 5.0 s"),
        ):
            await pay.charge("k1", 250)

        self.assertEqual(self.clock.elapsed, 5 + 1 + 5 + 2 + 5)


if __name__ == "__main__":
    unittest.main()
