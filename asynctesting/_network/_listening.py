"""Who listens in a network, where, and whom they have accepted."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
import ssl as ssl_module
from collections.abc import Iterable, Sequence
from typing import Any

from . import _addresses, _tls
from ._connection import Connection
from ._loopback import LoopbackServer
from ._names import LOCAL, Names
from ._server import Factory, MemoryServer, listening_socket
from ._transport import MemoryTransport

__unittest = True

# Where ports begin that somebody asks for with 0.
_FIRST_FREE_PORT = 40000

_UNIX = getattr(socket, "AF_UNIX", -1)


class Listening(Names):
    """The servers of a network."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # Who listens: by address and port, and by path.
        self._servers: dict[Any, MemoryServer] = {}
        self._once_served: set[Any] = set()
        self._free_ports = itertools.count(_FIRST_FREE_PORT)
        #: The connection for which a server is just making a protocol.
        self.accepting: Connection | None = None

    @property
    def servers(self) -> list[MemoryServer]:
        """Who listens, in the order in which they began to."""
        return list(dict.fromkeys(self._servers.values()))

    def accepted_by(self, server: MemoryServer) -> list[MemoryTransport]:
        """Return the open connections of a server, its ends of them."""
        ends = [c.server for c, each in self._connections.values() if each is server]
        return [end for end in ends if not end.is_gone]

    def note_handshake(self, connection: Connection, error: ssl_module.SSLError) -> None:
        """Hear of a TLS handshake that has failed with a certificate of this network."""

    # Beginning to listen -------------------------------------------------------------------------

    async def listen(
        self,
        factory: Factory,
        host: str,
        port: int,
        *,
        ssl: ssl_module.SSLContext | None = None,
        tls: bool | None = None,
        start_serving: bool = True,
    ) -> asyncio.AbstractServer:
        """Have a protocol listen at a host, which is declared on the way.

        Args:
            factory: Makes a protocol for each connection, as for ``loop.create_server()``.
            host: Name or address.
            port: The port; 0 for any.
            ssl: The server's own TLS context.
            tls: Whether clients have to do TLS. True without *ssl* uses a certificate of the
                throwaway authority, where a certificate is needed at all.
            start_serving: Whether connections are accepted at once.

        Raises:
            TypeError: If *factory*, *port* or *ssl* is none.
            ValueError: If there is no such port.
            OSError: If somebody listens there already.
        """
        if not callable(factory):
            raise TypeError(f"listen() needs a function that makes a protocol, got {factory!r}")
        if isinstance(port, bool) or not isinstance(port, int):
            raise TypeError(f"listen() needs a port, a number up to 65535, got {port!r}")
        if not 0 <= port <= 65535:
            raise ValueError(f"listen() needs a port, a number up to 65535, got {port!r}")
        if ssl is not None and not isinstance(ssl, ssl_module.SSLContext):
            raise TypeError(f"ssl= needs an ssl.SSLContext, got {ssl!r}")
        self.host(host)
        return await self.open_server(
            factory,
            self.addresses_of(host),
            port,
            context=ssl,
            speaks_tls=bool(ssl) if tls is None else tls,
            start_serving=start_serving,
        )

    def serve(
        self, factory: Factory, addresses: Sequence[str], port: int, **options: Any
    ) -> MemoryServer:
        """Listen in memory at a port of all *addresses*, from now on.

        Raises:
            OSError: If somebody listens at one of them already.
        """
        self.needs_memory("serve()")
        keys, sockets = self._places(addresses, port)
        server = MemoryServer(self, factory, sockets, **options)
        server.serve_now()
        return self._enlist(keys, server)

    async def open_server(
        self,
        factory: Factory,
        addresses: Sequence[str],
        port: int,
        *,
        start_serving: bool = True,
        **options: Any,
    ) -> MemoryServer:
        """Listen at a port of all *addresses*, in memory or over real sockets.

        Raises:
            OSError: If somebody listens at one of them already.
        """
        keys, sockets = self._places(addresses, port)
        return await self.open_server_at(keys, factory, sockets, start_serving, **options)

    async def open_server_at(
        self,
        keys: Sequence[Any],
        factory: Factory,
        sockets: list[Any],
        start_serving: bool,
        **options: Any,
    ) -> MemoryServer:
        """Listen where *keys* say, with *sockets* to show for it.

        Raises:
            OSError: If somebody listens there already.
        """
        self._check_free(keys)
        if self.transport == "loopback" and sockets[0].family != _UNIX:
            server: MemoryServer = await LoopbackServer.open(
                self, factory, sockets, self._loopback_tls(keys, options), **options
            )
        else:
            server = MemoryServer(self, factory, sockets, **options)
        self._enlist(keys, server)
        if start_serving:
            await server.start_serving()
        return server

    def _places(
        self, addresses: Sequence[str], port: int
    ) -> tuple[list[tuple[str, int]], list[Any]]:
        """Return where a server listens, and stand-ins for its sockets."""
        if not 0 <= port <= 65535:
            raise OverflowError("bind(): port must be 0-65535.")  # as the system says it
        number = port or self.free_port(addresses)
        sockets: list[Any] = [
            listening_socket(
                _addresses.family(a), socket.SOCK_STREAM, _addresses.endpoint(a, number)
            )
            for a in addresses
        ]
        return [(address, number) for address in addresses], sockets

    def _check_free(self, keys: Sequence[Any]) -> None:
        for key in keys:
            if key in self._servers:
                raise OSError(
                    errno.EADDRINUSE,
                    f"error while attempting to bind on address {key!r}: address already in use",
                )

    def _enlist(self, keys: Sequence[Any], server: MemoryServer) -> MemoryServer:
        self._check_free(keys)
        self._servers.update(dict.fromkeys(keys, server))
        self._once_served.update(keys)
        return server

    def _loopback_tls(
        self, keys: Sequence[Any], options: dict[str, Any]
    ) -> ssl_module.SSLContext | None:
        """Return the context of a real server: real sockets can't leave TLS out."""
        context: ssl_module.SSLContext | None = options.pop("context", None)
        if context is None and options.get("speaks_tls"):
            addresses = [address for address, _ in keys]
            names = tuple(dict.fromkeys([*map(self.name_of, addresses), *addresses]))
            context = _tls.server_context(names, "real")
        return context

    def unlisten(self, server: MemoryServer) -> None:
        """Take a server away that is closed."""
        for key in [key for key, each in self._servers.items() if each is server]:
            del self._servers[key]

    def free_port(self, addresses: Iterable[str]) -> int:
        """Return a port at which nobody listens."""
        return next(
            port
            for port in self._free_ports
            if not any((address, port) in self._servers for address in addresses)
        )

    # Who is there --------------------------------------------------------------------------------

    def _server_at(self, address: str, port: int) -> MemoryServer | None:
        server = self._servers.get((address, port))
        if server is None and _addresses.is_loopback(address):
            server = self._servers.get((_addresses.wildcard(address), port))
        return server if server is not None and server.is_serving() else None

    def server_at_path(self, path: str) -> MemoryServer:
        """Return who listens at the path of a Unix socket.

        Raises:
            OSError: What the operating system raises where nobody does.
        """
        server = self._servers.get(path)
        if server is not None and server.is_serving():
            return server
        if path in self._once_served:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        self.note_undeclared("connection", path, None)
        error = FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        error.add_note(
            f"Nobody listens there in the test's network. Let it be reached for real: "
            f"network.pass_through({path!r})"
        )
        raise error

    def _was_served(self, address: str, port: int) -> bool:
        """Tell whether somebody has listened there, or at another of this machine's addresses."""
        if not _addresses.is_loopback(address):
            return (address, port) in self._once_served
        own = (*LOCAL, "0.0.0.0", "::")
        return any((each, port) in self._once_served for each in own)
