"""The client of the warehouse, which says when there will be more of something.

It is asked while a customer waits and hears anyhow that nothing is left. So it gets one attempt and
little time, and whatever goes wrong there is no answer, and never a failure of the shop's.
"""

from __future__ import annotations

import asyncio
import logging

import aiohttp

log = logging.getLogger(__name__)


class WarehouseClient:
    """Asks the warehouse.

    Args:
        session: Where requests go out; its base URL is the warehouse's.
        timeout: Seconds to wait for an answer.
    """

    def __init__(self, session: aiohttp.ClientSession, *, timeout: float = 2.0) -> None:
        self._session = session
        self._timeout = timeout

    async def days_until_more(self, sku: str) -> int | None:
        """Return in how many days there is more of *sku*, or ``None`` where nobody knows."""
        try:
            async with asyncio.timeout(self._timeout):
                async with self._session.get(f"/stock/{sku}") as response:
                    if response.status == 404:
                        return None
                    response.raise_for_status()
                    return int((await response.json())["days"])
        except TimeoutError:
            log.warning("no word about %s in %s s", sku, self._timeout)
        except (aiohttp.ClientError, LookupError, TypeError, ValueError) as error:
            log.warning("no word about %s: %s", sku, error or type(error).__name__)
        return None
