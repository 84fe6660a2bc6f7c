"""The network of a test: it is entered, it is left, and says what is open.

What it consists of stands in layers below: names in ``_names.py``, who listens in
``_listening.py``, who is connected in ``_connecting.py``, datagrams in ``_datagrams.py``. How it
gets between a loop and its users stands in ``_methods.py``, what happens to bytes in ``_pipe.py``.
"""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from collections.abc import Callable, Iterator
from contextvars import Context
from types import TracebackType
from typing import Any, Literal, Self

from . import _tls
from ._datagrams import Datagrams
from ._guard import guard
from ._hosts import TLSMode
from ._methods import Methods

__unittest = True

# Turns of the loop in which the ends of aborted connections tell their protocols, TLS included.
_TURNS_TO_END = 4


class MemoryNetwork(Datagrams):
    """A network in memory, under the public methods of the running event loop.

    While it is entered, the loop's ``create_connection()``, ``create_server()``,
    ``getaddrinfo()`` and their kin reach hosts of this network, whoever calls them: aiohttp,
    httpx, websockets or plain streams. Nothing leaves the process. On exit every connection is
    aborted and every server closed. Datagrams have their endpoints likewise.

    It works as ``with`` and as ``async with``, on our loops, on stock ones and on uvloop's; after
    ``async with`` the ends of all connections have heard of it.

    Args:
        tls: What becomes of TLS where both sides agree to do it: ``"strip"`` leaves it out,
            ``"real"`` does it with a throwaway authority that clients are made to trust. See
            :meth:`.MemoryHost.tls` for single hosts.
        transport: ``"memory"``, or ``"loopback"`` for real sockets on 127.0.0.1, for clients that
            read and write a socket with ``loop.sock_recv()`` and ``loop.sock_sendall()``. There
            links, faults of TLS and :attr:`connections` are not to be had, and TLS is never left
            out.

    Attributes:
        loop: The loop it is installed on.
        undeclared: What was tried and declared by nobody, in order.

    Raises:
        RuntimeError: On entering, if no loop runs, or if the loop has a network already.

    Example:
        >>> async def main():
        ...     async with MemoryNetwork() as network:
        ...         async def greet(reader, writer):
        ...             writer.write(b"hello from port 80")
        ...             writer.close()
        ...         network.host("greeter.test")
        ...         await asyncio.start_server(greet, "greeter.test", 80)
        ...         reader, writer = await asyncio.open_connection("greeter.test", 80)
        ...         print(await reader.read())
        ...         writer.close()
        >>> asyncio.run(main())
        b'hello from port 80'
    """

    def __init__(
        self, *, tls: TLSMode = "strip", transport: Literal["memory", "loopback"] = "memory"
    ) -> None:
        super().__init__(tls, transport)

    def __repr__(self) -> str:
        state = "entered" if self._methods is not None else "not entered"
        return (
            f"<MemoryNetwork hosts={len(self._hosts)} servers={len(set(self._servers.values()))} "
            f"connections={len(self._connections)} {state}>"
        )

    # Entering and leaving ------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "a MemoryNetwork is entered where its loop runs: in a coroutine, or in a function "
                "that one calls"
            ) from None
        self.loop = loop
        self._methods = Methods.install(self, loop)
        guard.watch(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shut_down()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        had_endpoints = bool(self._endpoints)
        self.shut_down()
        for _ in range(_TURNS_TO_END):
            had_any = bool(self._connections or had_endpoints or self._real_transports)
            await asyncio.sleep(0)
            if not had_any:
                break

    def shut_down(self) -> None:
        """Close every server, abort every connection, and give the loop its methods back."""
        methods, self._methods = self._methods, None
        if methods is None:
            return
        guard.forget(self)
        if self.loop.is_closed():
            methods.restore()  # what was open has gone with the loop
            return
        for host in self._hosts.values():
            host.up()
        for server in set(self._servers.values()):
            server.close()
        for connection in self.connections:
            connection.abort()
        for endpoint in self.endpoints:
            endpoint.abort()
        for transport in list(self._real_transports or ()):
            transport.abort()
        methods.restore()

    # What is open --------------------------------------------------------------------------------

    @property
    def has_open(self) -> bool:
        """Whether anybody listens, is connected, or takes datagrams."""
        return bool(self._servers or self._connections or self._endpoints)

    def open_things(self) -> Iterator[tuple[Any, Context, Callable[[], None]]]:
        """Yield who listens and who is connected, the context that began it, and what ends it."""
        for server in self.servers:
            yield server, server.run_in, server.close
        for connection in self.connections:
            own = connection.server if connection.client.is_closing() else connection.client
            yield own, own.context, connection.abort
        for endpoint in self.endpoints:
            yield endpoint, endpoint.context, endpoint.abort

    # TLS for clients that do it on their own -----------------------------------------------------

    def trust(self, context: ssl_module.SSLContext) -> ssl_module.SSLContext:
        """Have a client's context accept the certificates of this network's hosts.

        It is needed only where a client does TLS above the connection, as httpx does:
        ``httpx.AsyncClient(verify=network.trust(ssl.create_default_context()))``.
        """
        _tls.trust(context)
        return context

    @property
    def authority_pem(self) -> bytes:
        """The certificate of the authority that signs those of this network's hosts."""
        return _tls.authority_pem()
