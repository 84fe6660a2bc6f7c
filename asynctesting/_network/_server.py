"""Servers in memory: what ``create_server()`` returns, and how they accept."""

from __future__ import annotations

import asyncio
import functools
import ssl
import sys
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from .._internals import tls_protocol
from ._connection import Connection
from ._transport import MemorySocket, format_address

if TYPE_CHECKING:
    from ._listening import Listening

__unittest = True

Factory = Callable[[], asyncio.BaseProtocol]


class MemoryServer(asyncio.AbstractServer):
    """A server that listens in memory; like ``asyncio.Server``.

    Args:
        network: The network in which it listens.
        factory: Makes a protocol for each connection.
        sockets: One stand-in, or one real socket, for each address.
        context: Its own TLS context, if it was given one.
        speaks_tls: Whether clients have to do TLS.
        timeouts: Those of the TLS handshake and shutdown, in seconds.
    """

    def __init__(
        self,
        network: Listening,
        factory: Factory,
        sockets: list[Any],
        *,
        context: ssl.SSLContext | None = None,
        speaks_tls: bool = False,
        timeouts: dict[str, Any] | None = None,
    ) -> None:
        self._network = network
        self._loop = network.loop
        self._factory = factory
        self._sockets: list[Any] | None = sockets
        self.context = context
        self.speaks_tls = speaks_tls
        self._timeouts = timeouts or {}
        #: The context in which it began to listen, from which those of its connections are copied.
        self.run_in: Context = copy_context()
        self._serving = False
        self._forever: asyncio.Future[None] | None = None
        self._waiters: list[asyncio.Future[None]] | None = []

    def __repr__(self) -> str:
        names = ", ".join(format_address(s.getsockname()) for s in self._sockets or ())
        return f"<MemoryServer {names or 'closed'}>"

    # Accepting ----------------------------------------------------------------------------------

    def context_for_client(self) -> Context:
        """Return a context for one more connection."""
        return self.run_in.copy()

    def accept(self, connection: Connection, secure: ssl.SSLContext | None) -> None:
        """Serve a connection, soon.

        Args:
            connection: Whose server end it is.
            secure: The context of a real TLS handshake, ``None`` for none.
        """
        transport = connection.server
        self._loop.call_soon(self._accept, connection, secure, context=transport.context)

    def _accept(self, connection: Connection, secure: ssl.SSLContext | None) -> None:
        transport = connection.server
        try:
            self._network.accepting = connection
            try:
                protocol = self._factory()
            finally:
                self._network.accepting = None
            if secure is not None:
                waiter = self._loop.create_future()
                waiter.add_done_callback(functools.partial(self._after_handshake, connection))
                protocol = tls_protocol(
                    self._loop, protocol, secure, waiter, server_side=True, **self._timeouts
                )
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._loop.call_exception_handler(
                {
                    "message": "Error on transport creation for incoming connection",
                    "exception": error,
                    "transport": transport,
                }
            )
            transport.abort()
        else:
            transport.begin(protocol)

    def _after_handshake(self, connection: Connection, waiter: asyncio.Future[None]) -> None:
        error = None if waiter.cancelled() else waiter.exception()
        # With a context of its own, a server may be meant to be refused.
        if isinstance(error, ssl.SSLError) and self.context is None:
            self._network.note_handshake(connection, error)

    # What asyncio.Server offers -----------------------------------------------------------------

    @property
    def sockets(self) -> tuple[Any, ...]:
        """What it listens on: stand-ins with ``getsockname()``."""
        return tuple(self._sockets or ())

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return its loop."""
        return self._loop

    def is_serving(self) -> bool:
        """Tell whether it accepts connections."""
        return self._serving

    def serve_now(self) -> None:
        """Accept connections from now on."""
        self._serving = self._sockets is not None

    async def start_serving(self) -> None:
        """Accept connections from now on."""
        self.serve_now()
        await asyncio.sleep(0)

    async def serve_forever(self) -> None:
        """Accept connections until cancelled, then close."""
        if self._forever is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        if self._sockets is None:
            raise RuntimeError(f"server {self!r} is closed")
        await self.start_serving()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise
        finally:
            self._forever = None

    def close(self) -> None:
        """Listen no longer; open connections stay open."""
        sockets, self._sockets = self._sockets, None
        if sockets is None:
            return
        self._serving = False
        self._network.unlisten(self)
        for each in sockets:
            each.close()
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self.wake_waiters()

    def close_clients(self) -> None:
        """Close all open connections."""
        for transport in self._network.accepted_by(self):
            transport.close()

    def abort_clients(self) -> None:
        """Close all open connections at once."""
        for transport in self._network.accepted_by(self):
            transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the server and, from Python 3.12 on, all its connections are closed."""
        if self._waiters is None or (sys.version_info < (3, 12) and self._sockets is None):
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def wake_waiters(self) -> None:
        """Let those go on who wait for the end, if this is it."""
        if self._sockets is not None or self._waiters is None:
            return
        if not self._network.accepted_by(self):
            waiters, self._waiters = self._waiters, None
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)


def listening_socket(family: int, kind: int, name: Any) -> MemorySocket:
    """Return a stand-in for a listening socket."""
    return MemorySocket(family, kind, name, None)
