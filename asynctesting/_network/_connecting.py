"""Connecting in a network: who is reached at an address, and how the two sides agree on TLS."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
import ssl as ssl_module
import weakref
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from .._internals import tls_protocol, tls_transport
from . import _addresses, _tls
from ._connection import Connection
from ._hosts import MemoryHost, connect_error
from ._listening import Listening
from ._loopback import LoopbackServer
from ._names import LOCAL
from ._server import MemoryServer
from ._transport import MemoryTransport

__unittest = True

# Where the ports of clients begin.
_FIRST_CLIENT_PORT = 49152


class Connecting(Listening):
    """The connections of a network."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._numbers = itertools.count(1)
        self._client_ports = itertools.count(_FIRST_CLIENT_PORT)
        # Clients' connections over real sockets, with transport="loopback".
        self._real_transports: weakref.WeakSet[Any] | None = None

    def goes_real(self, address: str, port: int) -> bool:
        """Tell whether an address is reached for real: declared so, and nobody listens here."""
        return (
            bool(self._real)
            and address not in self._by_address
            and self.is_real(address, port)
            and self._server_at(address, port) is None
        )

    async def reach(
        self, address: str, port: int, *, again: bool = False
    ) -> tuple[MemoryHost | None, MemoryServer]:
        """Return who listens at an address, after the time that connecting takes.

        Args:
            address: The address.
            port: The port.
            again: Whether a socket was connected there already, and the time has passed.

        Raises:
            OSError: What the operating system raises where nobody does.
        """
        host = self._by_address.get(address)
        if host is not None and host.is_troubled:
            await host.reach(address, port, again=again)
        server = self._server_at(address, port)
        if server is None:
            raise self._unreachable(host, address, port)
        return host, server

    def _unreachable(self, host: MemoryHost | None, address: str, port: int) -> OSError:
        error = connect_error(errno.ECONNREFUSED, address, port)
        if host is None and not self._was_served(address, port):
            self.note_undeclared("connection", address, port)
            error.add_note(
                f"{address} port {port} is not in the test's network. Let something listen there, "
                f"declare it: network.host({address!r}), or let it be reached for real: "
                f"network.pass_through({address!r}, port={port})"
            )
        return error

    async def connect(
        self,
        factory: Callable[[], Any],
        address: str,
        port: int,
        *,
        context: ssl_module.SSLContext | None = None,
        server_hostname: str | None = None,
        local: tuple[str, int] | None = None,
        timeouts: dict[str, float | None] | None = None,
        again: bool = False,
    ) -> tuple[asyncio.Transport, Any]:
        """Connect a protocol to an address; *again*, if a socket was connected there before.

        Raises:
            OSError: What the operating system raises if that does not work.
            ssl.SSLError: If a real TLS handshake fails.
        """
        host, server = await self.reach(address, port, again=again)
        if isinstance(server, LoopbackServer):
            if context is not None:
                _tls.trust(context)
            transport, protocol = await self.methods.original("create_connection")(
                factory,
                *server.target,
                ssl=context,
                server_hostname=server_hostname,
                **(timeouts or {}),
            )
            if self._real_transports is None:
                self._real_transports = weakref.WeakSet()
            self._real_transports.add(transport)
            return transport, protocol
        family = _addresses.family(address)
        if local is None:
            is_own = _addresses.is_loopback(address)
            local = (address if is_own else _addresses.CLIENT[family], 0)
        source = _addresses.endpoint(local[0], local[1] or next(self._client_ports))
        target = f"{host.name if host is not None else address}:{port}"
        return await self.join(
            factory,
            server,
            (family, socket.SOCK_STREAM),
            (source, _addresses.endpoint(address, port)),
            host=host,
            target=target,
            context=context,
            server_hostname=server_hostname,
            timeouts=timeouts or {},
        )

    async def join(
        self,
        factory: Callable[[], Any],
        server: MemoryServer,
        kind: tuple[int, int],
        names: tuple[Any, Any],
        *,
        host: MemoryHost | None,
        target: str,
        context: ssl_module.SSLContext | None,
        server_hostname: str | None,
        timeouts: dict[str, float | None],
    ) -> tuple[asyncio.Transport, Any]:
        """Make a connection to a server, and tell both protocols."""
        protocol = factory()
        number = next(self._numbers)
        contexts = (copy_context(), server.context_for_client())
        connection = Connection(
            self.loop, number, host, target, kind, names, contexts, self._on_gone
        )
        self._connections[number] = (connection, server)
        client = connection.client
        secure: ssl_module.SSLContext | None = None
        if server.speaks_tls or context is not None:
            secure, stripped = self._agree_on_tls(host, server, context)
            if stripped:
                connection.server.add_extra(_stripped(context, server.context, None))
                client.add_extra(_stripped(context, context, server_hostname))
                context = None
        server.accept(connection, secure)
        try:
            if context is not None:
                return await self._greet(client, protocol, context, server_hostname, timeouts)
            self.loop.call_soon(client.begin, protocol, context=client.context)
            await asyncio.sleep(0)
            return client, protocol
        except BaseException:
            client.abort()
            raise

    async def _greet(
        self,
        transport: MemoryTransport,
        protocol: Any,
        context: ssl_module.SSLContext,
        server_hostname: str | None,
        timeouts: dict[str, float | None],
    ) -> tuple[asyncio.Transport, Any]:
        """Do a real handshake above *transport*."""
        waiter: asyncio.Future[None] = self.loop.create_future()
        tls = tls_protocol(
            self.loop,
            protocol,
            context,
            waiter,
            server_side=False,
            server_hostname=server_hostname,
            **timeouts,
        )
        self.loop.call_soon(transport.begin, tls, context=transport.context)
        await waiter
        return tls_transport(tls), protocol

    def _agree_on_tls(
        self,
        host: MemoryHost | None,
        server: MemoryServer,
        context: ssl_module.SSLContext | None,
    ) -> tuple[ssl_module.SSLContext | None, bool]:
        """Return with which context the server does TLS, and whether it is left out instead."""
        if not server.speaks_tls:
            return None, False
        mode = self.tls if host is None else host.tls_mode
        if mode == "strip" and context is not None:
            return None, True
        if server.context is not None and mode in ("strip", "real"):
            return server.context, False
        if context is not None and mode != "untrusted":
            _tls.trust(context)
        names = self._names_of(host.name) if host is not None else ("localhost", *LOCAL)
        return _tls.server_context(names, mode), False

    def _on_gone(self, connection: Connection, end: MemoryTransport) -> None:
        _, server = self._connections[connection.number]
        if end is connection.server:
            server.wake_waiters()
        if connection.client.is_gone and connection.server.is_gone:
            del self._connections[connection.number]


def _stripped(
    wanted: ssl_module.SSLContext | None, own: ssl_module.SSLContext | None, name: str | None
) -> dict[str, Any]:
    """Return what an end of a connection tells of TLS that was left out."""
    stand_in = _tls.StrippedTLS(own, name)
    return {
        "sslcontext": own or wanted,
        "ssl_object": stand_in,
        "peercert": {},
        "cipher": stand_in.cipher(),
        "compression": None,
    }
