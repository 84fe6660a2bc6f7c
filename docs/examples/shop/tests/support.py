"""What the shop's tests share: a network, a payment service on it, and a shop that is open."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from aiohttp import ClientTimeout, web

from asynctesting import AsyncTestCase
from shop.app import STORE, Settings, make_app

PAYMENTS = "https://payments.test"
WAREHOUSE = "https://warehouse.test"


class PaymentService:
    """The payment service, as an application of its own that the tests command.

    It answers with what is lined up in ``answers``, a status each, and takes money when nothing is.
    ``requests`` are key and amount of all it was asked; ``charges`` is the money taken, by key.
    """

    def __init__(self) -> None:
        self.answers: deque[int | asyncio.Future[int]] = deque()
        self.requests: list[tuple[str, int]] = []
        self.charges: dict[str, int] = {}
        self.asked = asyncio.Event()

    def hold(self) -> asyncio.Future[int]:
        """Line up an answer that does not come before the test sets it."""
        answer = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        return answer

    async def _charge(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        amount = (await request.json())["amount"]
        self.requests.append((key, amount))
        self.asked.set()
        answer = self.answers.popleft() if self.answers else 200
        status = answer if isinstance(answer, int) else await answer
        if status >= 500:
            return web.Response(status=status, text="<h1>Please come back later</h1>")
        if status >= 400:
            return web.json_response({"reason": "no funds"}, status=status)
        self.charges.setdefault(key, amount)
        return web.json_response({"id": f"charge-{key}"})

    def app(self) -> web.Application:
        """Return the service as an application."""
        app = web.Application()
        app.router.add_post("/v1/charges", self._charge)
        return app


class ShopTestCase(AsyncTestCase):
    """Opens a shop that sells tea at 250 cents and a pot at 4000, with all that it calls."""

    timeout = 20
    settings: dict[str, Any] = {}
    """Settings in which a class of tests differs."""

    async def asyncSetUp(self) -> None:
        self.net = self.network()
        self.payments = PaymentService()
        await self.net.serve(self.payments.app(), PAYMENTS)
        await self.open_shop()

    async def open_shop(self, **settings: Any) -> None:
        """Open the shop, and let a customer in."""
        self.app = make_app(self.make_settings(**settings))
        await self.net.serve(self.app, "http://shop.test")
        self.client = self.net.client("http://shop.test", timeout=ClientTimeout(total=None))
        self.store = self.app[STORE]
        await self.store.stock_up("tea", price=250, stock=5)
        await self.store.stock_up("pot", price=4000, stock=1)

    def make_settings(self, **settings: Any) -> Settings:
        """Return a shop's settings that make no test wait."""
        return Settings(
            **{
                "database": ":memory:",
                "payments": PAYMENTS,
                "attempts": 3,
                "backoff": 0.001,
                "payment_timeout": 10,
                "refresh_every": 60,
                **self.settings,
                **settings,
            }
        )

    async def checkout(self, sku: str, quantity: int = 1, **headers: str) -> tuple[int, Any]:
        """Buy something; return status and body of the answer. ``Idempotency_Key=`` sends a key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        wish = {"sku": sku, "quantity": quantity}
        async with self.client.post("/checkout", json=wish, headers=named) as response:
            return response.status, await response.json()
