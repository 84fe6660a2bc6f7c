"""What is on its way: ``GET /stock/{sku}`` says in how many days it arrives."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request


def make_warehouse(deliveries: Mapping[str, int]) -> FastAPI:
    """Build the warehouse.

    Args:
        deliveries: The days until each product arrives; read when the service starts.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        yield {"shelves": dict(deliveries)}

    app = FastAPI(lifespan=lifespan)

    @app.get("/stock/{sku}")
    async def stock(sku: str, request: Request) -> dict[str, Any]:
        shelves = request.state.shelves
        if sku not in shelves:
            raise HTTPException(404, f"nothing is called {sku}")
        return {"sku": sku, "days": shelves[sku]}

    return app
