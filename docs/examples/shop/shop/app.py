"""The service: its settings, the order in which its parts start and stop, and its addresses.

Parts start in the order of ``make_app`` and stop in reverse, so each may rely on those above it:
the refresher reads the store, and is gone before the store closes.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from .payments import PaymentClient, PaymentDeclined, PaymentUnavailable
from .prices import PriceCache
from .store import OutOfStock, Store, UnknownProduct
from .warehouse import WarehouseClient

log = logging.getLogger(__name__)


class OrderInProgress(Exception):
    """An order came in twice at once; the first of them decides."""


REFUSALS: dict[type[Exception], int] = {
    UnknownProduct: 404,
    OutOfStock: 409,
    OrderInProgress: 409,
    PaymentDeclined: 402,
    PaymentUnavailable: 502,
}


@dataclass(frozen=True)
class Settings:
    """What differs from one shop to the next; every time is in seconds."""

    database: str
    payments: str
    warehouse: str | None = None
    attempts: int = 5
    backoff: float = 1.0
    payment_timeout: float = 5.0
    warehouse_timeout: float = 2.0
    refresh_every: float = 30.0


SETTINGS = web.AppKey("settings", Settings)
STORE = web.AppKey("store", Store)
PAYMENTS = web.AppKey("payments", PaymentClient)
PRICES = web.AppKey("prices", PriceCache)
WAREHOUSE = web.AppKey("warehouse", WarehouseClient)


async def _store(app: web.Application) -> AsyncIterator[None]:
    async with Store.open(app[SETTINGS].database) as app[STORE]:
        log.info("store open")
        yield
    log.info("store closed")


async def _payments(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    async with aiohttp.ClientSession(settings.payments) as session:
        app[PAYMENTS] = PaymentClient(
            session,
            attempts=settings.attempts,
            backoff=settings.backoff,
            timeout=settings.payment_timeout,
        )
        log.info("payments open")
        yield
    log.info("payments closed")


async def _warehouse(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    if settings.warehouse is None:
        yield
        return
    async with aiohttp.ClientSession(settings.warehouse) as session:
        app[WAREHOUSE] = WarehouseClient(session, timeout=settings.warehouse_timeout)
        log.info("warehouse open")
        yield
    log.info("warehouse closed")


async def _prices(app: web.Application) -> AsyncIterator[None]:
    app[PRICES] = cache = PriceCache(app[STORE])
    await cache.refresh()
    refresher = asyncio.create_task(cache.keep_warm(app[SETTINGS].refresh_every), name="refresher")
    log.info("refresher running")
    yield
    refresher.cancel()
    with suppress(asyncio.CancelledError):
        await refresher
    log.info("refresher stopped")


async def health(request: web.Request) -> web.Response:
    """GET /health: whether prices are fresh."""
    return web.json_response({"stale": request.app[PRICES].stale})


async def prices(request: web.Request) -> web.Response:
    """GET /prices: what everything costs, from the cache."""
    return web.json_response(dict(request.app[PRICES].prices))


async def checkout(request: web.Request) -> web.Response:
    """POST /checkout: buy ``{"sku": ..., "quantity": ...}``.

    A customer who is not sure whether an order came through sends it again with the same
    ``Idempotency-Key`` header: it is placed and charged once.
    """
    key = request.headers.get("Idempotency-Key") or uuid.uuid4().hex
    sku, quantity = await _read_order(request)
    store = request.app[STORE]
    order, new = await store.reserve(key, sku, quantity)
    if not new:
        if order.charge is None:
            raise OrderInProgress("this order is being placed")
        return web.json_response(asdict(order))

    try:
        charge = await request.app[PAYMENTS].charge(key, order.amount)
    except BaseException:
        # A cancelled request, too, gives back what it has put aside.
        await store.release(order)
        raise
    return web.json_response(asdict(await store.settle(order, charge)), status=201)


async def _read_order(request: web.Request) -> tuple[str, int]:
    try:
        wish = await request.json()
        sku, quantity = wish["sku"], wish.get("quantity", 1)
    except (ValueError, LookupError, TypeError):
        raise web.HTTPBadRequest(text='say what to buy: {"sku": "tea"}') from None
    if not isinstance(sku, str) or type(quantity) is not int or quantity < 1:
        raise web.HTTPBadRequest(text="quantity is a whole number of pieces, 1 or more")
    return sku, quantity


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the customer why not; what the shop cannot explain stays a 500."""
    try:
        return await handler(request)
    except tuple(REFUSALS) as error:
        refusal: dict[str, object] = {"reason": str(error)}
        if isinstance(error, OutOfStock) and WAREHOUSE in request.app:
            days = await request.app[WAREHOUSE].days_until_more(error.sku)
            refusal |= {} if days is None else {"more_in_days": days}
        return web.json_response(refusal, status=REFUSALS[type(error)])


def make_app(settings: Settings) -> web.Application:
    """Build the shop; nothing is opened before the application starts."""
    app = web.Application(middlewares=[refusals])
    app[SETTINGS] = settings
    app.cleanup_ctx.extend([_store, _payments, _warehouse, _prices])
    app.add_routes(
        [
            web.get("/health", health),
            web.get("/prices", prices),
            web.post("/checkout", checkout),
        ]
    )
    return app
