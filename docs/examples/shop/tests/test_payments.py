"""The client of the payment service: retries, back-off, limits, and when to leave it alone."""

import unittest
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer, unused_port

from asynctesting import AsyncTestCase, timeout
from shop.payments import PaymentClient, PaymentDeclined, PaymentUnavailable, backoff_delays

from .support import PaymentService


class PaymentTests(AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.service = PaymentService()
        server = await self.enterAsyncContext(TestServer(self.service.app()))
        self.url = str(server.make_url("/"))
        self.pay = await self.client_of(self.url)

    async def client_of(self, url: str, **settings: Any) -> PaymentClient:
        """Return a client of the payment service at *url* that does not wait long to ask again."""
        session = await self.enterAsyncContext(aiohttp.ClientSession(url))
        return PaymentClient(session, **{"attempts": 3, "backoff": 0.001, **settings})

    def test_each_wait_is_twice_the_one_before(self) -> None:
        """The first attempt goes out at once, and the waits after it double."""
        self.assertEqual(list(backoff_delays(1.0, 5)), [0, 1.0, 2.0, 4.0, 8.0])
        self.assertEqual(list(backoff_delays(1.0, 1)), [0])

    async def test_a_charge_carries_its_key_and_amount(self) -> None:
        """One answered attempt is all it takes."""
        self.assertEqual(await self.pay.charge("k1", 250), "charge-k1")
        self.assertEqual(self.service.requests, [("k1", 250)])

    async def test_a_failing_service_is_asked_again(self) -> None:
        """Any answer of the 500s is tried again, under the same key."""
        for status in (500, 502, 503):
            with self.subTest(status=status):
                self.service.requests.clear()
                self.service.answers.append(status)

                with self.assertLogs("shop.payments", "WARNING") as logs:
                    self.assertEqual(await self.pay.charge("k1", 250), "charge-k1")

                self.assertEqual(self.service.requests, [("k1", 250)] * 2)
                self.assertIn(f"answered {status}", logs.output[0])

    async def test_it_gives_up_after_the_last_attempt(self) -> None:
        """The error names the last problem, and no fourth request goes out."""
        self.service.answers.extend([500, 502, 503, 200])

        with (
            self.assertLogs("shop.payments", "WARNING"),
            self.assertRaisesRegex(PaymentUnavailable, "answered 503"),
        ):
            await self.pay.charge("k1", 250)

        self.assertEqual(len(self.service.requests), 3)

    async def test_a_refusal_is_final(self) -> None:
        """An answer of the 400s is not tried again."""
        self.service.answers.append(402)

        with self.assertRaisesRegex(PaymentDeclined, "402 no funds"):
            await self.pay.charge("k1", 250)

        self.assertEqual(len(self.service.requests), 1)

    @timeout(5)
    async def test_an_answer_that_never_comes_is_waited_for_only_so_long(self) -> None:
        """The client's limit ends the attempt, and the next one is answered."""
        pay = await self.client_of(self.url, timeout=0.05, attempts=20)
        self.service.hold()

        with self.assertLogs("shop.payments", "WARNING") as logs:
            self.assertEqual(await pay.charge("k1", 250), "charge-k1")

        self.assertIn("no answer in 0.05 s", logs.output[0])

    async def test_a_service_that_is_not_there_is_unavailable(self) -> None:
        """A refused connection is tried again like an answer of the 500s, and reported."""
        nobody = await self.client_of(f"http://127.0.0.1:{unused_port()}")

        with (
            self.assertLogs("shop.payments", "WARNING") as logs,
            self.assertRaises(PaymentUnavailable),
        ):
            await nobody.charge("k1", 250)

        self.assertEqual(len(logs.output), 3)


if __name__ == "__main__":
    unittest.main()
