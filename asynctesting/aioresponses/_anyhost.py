"""A network in which every host is there and answers, installed on loops as they connect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Self

from aiohttp import web

from .._network import MemoryNetwork
from .._network._addresses import literal, plain
from .._network._connection import EXTRA_NAME
from ..http._listeners import listen

__unittest = True


class AnyHost(MemoryNetwork):
    """A network in which every host is there, and is answered by one function."""

    def __init__(
        self,
        answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        passes: Callable[[str, int | None], bool],
    ) -> None:
        super().__init__()
        self._answer = answer
        self._passes = passes
        self._answering: list[Any] = []

    def __enter__(self) -> Self:
        super().__enter__()
        # Passing through is asked for only where something does.
        self.pass_through("passthrough.asynctesting.invalid")
        self._server = listen(self._answer, web.BaseRequest)
        return self

    def is_real(self, host: Any, port: int | None) -> bool:
        host = _NAMES.get(host, host)
        return super().is_real(host, port) or self._passes(host, port)

    async def look_up(self, host: Any, port: Any, *how: Any) -> Any:
        name = plain(host)
        if name and literal(name) is None and not self.is_real(name, port):
            self.host(name, addresses=[_address(name)])
        return await super().look_up(host, port, *how)

    def _server_at(self, address: str, port: int) -> Any:
        server = super()._server_at(address, port)
        if server is None and not self.is_real(address, port):
            server = self.serve(self._server, [address], port)
            self._answering.append(server)
        return server

    def _agree_on_tls(self, host: Any, server: Any, context: Any) -> tuple[Any, bool]:
        if server in self._answering:
            return None, context is not None  # http and https alike
        return super()._agree_on_tls(host, server, context)


# A session may outlive its mock, and remembers the addresses of names for a while. So a name has
# the same address in all of them, from a block that is routed nowhere.
_ADDRESSES: dict[str, str] = {}
_NAMES: dict[str, str] = {}


def _address(name: str) -> str:
    if name in ("localhost", "localhost.localdomain"):
        return "127.0.0.1"
    if name not in _ADDRESSES:
        high, low = divmod(len(_ADDRESSES) + 1, 256)
        _ADDRESSES[name] = address = f"198.19.{high % 256}.{low}"
        _NAMES[address] = name
    return _ADDRESSES[name]


def connecting_methods() -> Iterator[tuple[type, str]]:
    """Yield where asyncio's loops define what a client calls first: look up, connect."""
    from asyncio import selector_events

    yield asyncio.BaseEventLoop, "getaddrinfo"
    yield asyncio.BaseEventLoop, "create_connection"
    yield selector_events.BaseSelectorEventLoop, "sock_connect"


def raise_in_client(request: web.BaseRequest, error: BaseException) -> None:
    transport = request.transport
    if transport is None:
        return  # the client has gone
    connection = transport.get_extra_info(EXTRA_NAME)
    protocol = connection.client.get_protocol()
    if hasattr(protocol, "set_exception"):  # aiohttp's: its reader raises it as it is
        protocol.set_exception(error)
    else:
        connection.client.lose(error)
    connection.server.lose(None)


def begins(prefix: str, host: str, port: int | None) -> bool:
    for scheme, usual in (("http", 80), ("https", 443)):
        origins = [f"{scheme}://{host}:{port}/"]
        if port in (usual, None, 0):
            origins.append(f"{scheme}://{host}/")
        if any(each.startswith(prefix) or prefix.startswith(each) for each in origins):
            return True
    return False
