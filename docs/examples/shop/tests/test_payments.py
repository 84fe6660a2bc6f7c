"""The client of the payment service: retries, limits, what the wire can do, and whom to trust."""

import unittest
from typing import Any

from asynctesting import AsyncTestCase, VirtualClockMixin
from shop.payments import PaymentClient, PaymentDeclined, PaymentUnavailable, backoff_delays

from .support import PAYMENTS

PAID = {"id": "charge-1"}
ANSWER_BYTES = 104  # of that, with its head


class PaymentTestCase(AsyncTestCase):
    async def asyncSetUp(self) -> None:
        self.net = self.network()
        self.service = self.net.host(PAYMENTS)
        self.pay = self.client()

    def client(self, **settings: Any) -> PaymentClient:
        """Return a client of the payment service that does not wait long to ask again."""
        return PaymentClient(self.service.client(), **{"attempts": 3, "backoff": 0.001, **settings})


class PaymentTests(PaymentTestCase):
    def test_each_wait_is_twice_the_one_before(self) -> None:
        """The first attempt goes out at once, and the waits after it double."""
        self.assertEqual(list(backoff_delays(1.0, 5)), [0, 1.0, 2.0, 4.0, 8.0])
        self.assertEqual(list(backoff_delays(1.0, 1)), [0])

    async def test_a_charge_carries_its_key_and_amount(self) -> None:
        """One answered attempt is all it takes."""
        charge = self.service.post("/v1/charges").respond(json=PAID)

        self.assertEqual(await self.pay.charge("k1", 250), "charge-1")

        charge.assert_called_once_with(json={"amount": 250}, headers={"Idempotency-Key": "k1"})

    async def test_a_failing_service_is_asked_again(self) -> None:
        """Any answer of the 500s is tried again, under the same key."""
        for status in (500, 502, 503):
            with self.subTest(status=status):
                charge = self.service.post("/v1/charges").respond(status).respond(json=PAID)

                with self.assertLogs("shop.payments", "WARNING") as logs:
                    self.assertEqual(await self.pay.charge("k1", 250), "charge-1")

                self.assertEqual({call.headers["Idempotency-Key"] for call in charge.calls}, {"k1"})
                self.assertIn(f"answered {status}", logs.output[0])

    async def test_it_gives_up_after_the_last_attempt(self) -> None:
        """The error names the last problem, and no fourth request goes out."""
        self.service.post("/v1/charges").side_effect([500, 502, 503])

        with (
            self.assertLogs("shop.payments", "WARNING"),
            self.assertRaisesRegex(PaymentUnavailable, "answered 503"),
        ):
            await self.pay.charge("k1", 250)

    async def test_a_refusal_is_final(self) -> None:
        """An answer of the 400s is not tried again."""
        self.service.post("/v1/charges").respond(402, json={"reason": "no funds"})

        with self.assertRaisesRegex(PaymentDeclined, "402 no funds"):
            await self.pay.charge("k1", 250)

    async def test_a_service_that_is_not_there_is_unavailable(self) -> None:
        """A refused connection, or none in DNS, is tried again like an answer of the 500s."""
        for trouble in (self.service.refuse, self.service.dns_error):
            with self.subTest(trouble=trouble.__name__):
                trouble()
                with (
                    self.assertLogs("shop.payments", "WARNING") as logs,
                    self.assertRaises(PaymentUnavailable),
                ):
                    await self.pay.charge("k1", 250)
                self.assertEqual(len(logs.output), 3)


class WireTests(PaymentTestCase):
    async def test_an_answer_cut_at_any_byte_is_asked_for_again(self) -> None:
        """The same key goes out, so the money is taken once; no cut is taken for an answer."""
        for cut in range(ANSWER_BYTES):
            charge = self.service.post("/v1/charges")
            charge.respond(json=PAID).fault("reset", after=cut).respond(json=PAID)
            with self.subTest(cut=cut), self.assertLogs("shop.payments", "WARNING"):
                self.assertEqual(await self.pay.charge(f"k{cut}", 250), "charge-1")
                self.assertEqual(len({c.headers["Idempotency-Key"] for c in charge.calls}), 1)

    async def test_what_is_no_http_is_no_answer(self) -> None:
        """A broken proxy in between is one more reason to ask again."""
        charge = self.service.post("/v1/charges")
        charge.respond(json=PAID).fault("malformed").respond(json=PAID)

        with self.assertLogs("shop.payments", "WARNING"):
            self.assertEqual(await self.pay.charge("k1", 250), "charge-1")

    async def test_an_expired_certificate_gets_no_money(self) -> None:
        """Nor do a stranger's and another host's; nothing is sent, and nothing tried again."""
        for certificate in ("expired", "untrusted", "wrong-host"):
            with self.subTest(certificate=certificate):
                self.service.tls(certificate)

                with self.assertRaisesRegex(PaymentUnavailable, "not trusted"):
                    await self.client().charge("k1", 250)

        self.service.calls.assert_not_called()


class PatienceTests(VirtualClockMixin, PaymentTestCase):
    async def test_an_answer_that_never_comes_is_waited_for_only_so_long(self) -> None:
        """The client's limit ends the attempt, and the next one is answered."""
        charge = self.service.post("/v1/charges")
        charge.respond(json=PAID).delay(3600).respond(json=PAID)

        with self.assertLogs("shop.payments", "WARNING") as logs:
            self.assertEqual(await self.client(timeout=5, backoff=1).charge("k1", 250), "charge-1")

        self.assertIn("no answer in 5 s", logs.output[0])
        self.assertEqual(self.clock.elapsed, 5 + 1)


if __name__ == "__main__":
    unittest.main()
