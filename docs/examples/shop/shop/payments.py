"""The client of the payment service, which is slow on some days and away on others.

A charge is asked for again after a broken connection, a time-out and an answer of the 500s; never
after an answer that means no, nor where somebody else answers in the service's name. Each charge
carries a key, under which the payment service takes the money once, however often it is asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import aiohttp

log = logging.getLogger(__name__)


class PaymentDeclined(Exception):
    """The payment service has said no, and would say it again."""


class PaymentUnavailable(Exception):
    """The payment service has not answered any of our attempts."""


def backoff_delays(base: float, attempts: int) -> Iterator[float]:
    """Yield the seconds to wait before each attempt: none, then *base*, then twice as many."""
    yield 0
    for doublings in range(attempts - 1):
        yield base * 2**doublings


class PaymentClient:
    """Charges customers.

    Args:
        session: Where requests go out; its base URL is the payment service's.
        attempts: How often to ask before giving up.
        backoff: Seconds before the second attempt; before each further one, twice as many.
        timeout: Seconds to wait for each answer.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        attempts: int = 5,
        backoff: float = 1.0,
        timeout: float = 5.0,
    ) -> None:
        self._session = session
        self._attempts = attempts
        self._backoff = backoff
        self._timeout = timeout

    async def charge(self, key: str, amount: int) -> str:
        """Charge *amount* cents once for *key*, and return the charge's id.

        Raises:
            PaymentDeclined: If the payment service refuses.
            PaymentUnavailable: If no attempt was answered, or the certificate is not to be trusted.
        """
        problem = "it was never asked"
        for delay in backoff_delays(self._backoff, self._attempts):
            await asyncio.sleep(delay)
            try:
                async with asyncio.timeout(self._timeout):
                    status, answer = await self._ask(key, amount)
            except TimeoutError:
                problem = f"no answer in {self._timeout} s"
            except aiohttp.ClientConnectorCertificateError as error:
                # Nothing was sent, and asking again would not make the certificate a better one.
                raise PaymentUnavailable(f"not trusted: {error.certificate_error}") from error
            except aiohttp.ClientError as error:
                problem = str(error) or type(error).__name__
            else:
                if status < 400:
                    return answer["id"]
                if status < 500:
                    raise PaymentDeclined(f"{status} {answer.get('reason', '')}".strip())
                problem = f"answered {status}"
            log.warning("charge %s: %s", key, problem)
        raise PaymentUnavailable(problem)

    async def _ask(self, key: str, amount: int) -> tuple[int, dict[str, str]]:
        headers = {"Idempotency-Key": key}
        async with self._session.post(
            "/v1/charges", json={"amount": amount}, headers=headers
        ) as response:
            # What stands before a broken service may well answer with a page of HTML.
            return response.status, await response.json() if response.status < 500 else {}
