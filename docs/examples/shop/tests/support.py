"""What the shop's tests share: a payment service that they command, and a shop that is open."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from asynctesting import AsyncTestCase
from shop.app import STORE, Settings, make_app


class PaymentService:
    """The payment service, as the tests play it.

    It answers with what is lined up in ``answers``, a status each, and takes money when nothing is.
    ``requests`` are key and amount of all it was asked; ``charges`` is the money taken, by key.
    """

    def __init__(self) -> None:
        self.answers: deque[int | asyncio.Future[int]] = deque()
        self.requests: list[tuple[str, int]] = []
        self.charges: dict[str, int] = {}
        self.asked = asyncio.Event()
        self._held: list[asyncio.Future[int]] = []

    def hold(self) -> asyncio.Future[int]:
        """Line up an answer that does not come before the test sets it."""
        answer = asyncio.get_running_loop().create_future()
        self._held.append(answer)
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
        """Return the service as an application, for a ``TestServer``."""
        app = web.Application()
        app.router.add_post("/v1/charges", self._charge)
        app.on_shutdown.append(self._let_go)
        return app

    async def _let_go(self, app: web.Application) -> None:
        # A server waits for the requests that it has begun to answer; these would keep it.
        for answer in self._held:
            if not answer.done():
                answer.set_result(503)


class ShopTestCase(AsyncTestCase):
    """Opens a shop that sells tea at 250 cents and a pot at 4000, on a real socket."""

    timeout = 20
    settings: dict[str, Any] = {}
    """Settings in which a class of tests differs."""

    async def asyncSetUp(self) -> None:
        self.payments = PaymentService()
        self.payment_server = await self.enterAsyncContext(TestServer(self.payments.app()))
        self.app = make_app(self.make_settings())
        self.client = await self.enterAsyncContext(TestClient(TestServer(self.app)))
        self.store = self.app[STORE]
        await self.store.stock_up("tea", price=250, stock=5)
        await self.store.stock_up("pot", price=4000, stock=1)

    def make_settings(self) -> Settings:
        """Return a shop's settings that make no test wait."""
        return Settings(
            **{
                "database": ":memory:",
                "payments": str(self.payment_server.make_url("/")),
                "attempts": 3,
                "backoff": 0.001,
                "payment_timeout": 10,
                "refresh_every": 60,
                **self.settings,
            }
        )

    async def checkout(self, sku: str, quantity: int = 1, **headers: str) -> tuple[int, Any]:
        """Buy something; return status and body of the answer. ``Idempotency_Key=`` sends a key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        wish = {"sku": sku, "quantity": quantity}
        async with self.client.post("/checkout", json=wish, headers=named) as response:
            return response.status, await response.json()
