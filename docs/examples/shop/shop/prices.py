"""Prices at hand: a cache that a background task keeps warm, so that no customer waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from .store import Store

log = logging.getLogger(__name__)


class PriceCache:
    """The prices as of the last refresh. While the store fails, the old ones stay, marked stale."""

    def __init__(self, store: Store) -> None:
        self.prices: Mapping[str, int] = {}
        self.stale = True
        self._store = store
        self._tried = asyncio.Event()

    async def refresh(self) -> None:
        """Read the prices once; a failure is logged and leaves the prices that we have."""
        try:
            self.prices = await self._store.prices()
            self.stale = False
        except Exception:
            self.stale = True
            log.exception("prices could not be read")
        finally:
            tried, self._tried = self._tried, asyncio.Event()
            tried.set()

    async def next_refresh(self) -> None:
        """Wait until the prices have been read again, or could not be."""
        await self._tried.wait()

    async def keep_warm(self, every: float) -> None:
        """Refresh *every* so many seconds, until cancelled."""
        while True:
            await asyncio.sleep(every)
            await self.refresh()
