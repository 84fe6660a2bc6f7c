"""Passing a request on to the real server of that name, which the network hides."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    from .._network import MemoryNetwork

__unittest = True

# What belongs to one connection, and is made anew for the next.
_OF_A_CONNECTION = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("trailer", "transfer-encoding", "upgrade", "content-length"),
    }
)


async def forward(wire: MemoryNetwork, url: URL, request: web.BaseRequest) -> web.Response:
    """Send *request* to the real host of *url*, and return what that answers."""
    body = await request.read()
    found = await wire.methods.original("getaddrinfo")(url.host, url.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(info[4][0] for info in found))
    wire.pass_through(*addresses, port=url.port)
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=_Known(addresses)),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        ) as session,
        session.request(
            request.method,
            url,
            headers=_of_the_message(request.headers),
            data=body or None,
            allow_redirects=False,
        ) as response,
    ):
        return web.Response(
            status=response.status,
            reason=response.reason,
            headers=_of_the_message(response.headers),
            body=await response.read(),
        )


class _Known(AbstractResolver):
    """Answers with addresses that were looked up before."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> Any:
        """Return the addresses as aiohttp wants them."""
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _of_the_message(headers: Any) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in _OF_A_CONNECTION
    )
