"""The network of a test: hosts, who listens, who is connected, and who tried what nobody declared.

It knows the topology and makes connections. How it gets between a loop and its users stands in
``_methods.py``, what happens to bytes in ``_pipe.py``.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
import ssl as ssl_module
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import Context, copy_context
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self

from .._internals import tls_protocol, tls_transport
from .._loop import Joint
from . import _addresses, _tls
from ._addresses import Name
from ._connection import Connection
from ._guard import Undeclared, guard
from ._hosts import TLS_MODES, MemoryHost, TLSMode, connect_error, gaierror
from ._loopback import LoopbackServer
from ._methods import Methods
from ._server import Factory, MemoryServer, listening_socket
from ._transport import MemoryTransport

__unittest = True

# Where ports begin that somebody asks for with 0, and those of clients.
_FIRST_FREE_PORT = 40000
_FIRST_CLIENT_PORT = 49152

# Turns of the loop in which the ends of aborted connections tell their protocols, TLS included.
_TURNS_TO_END = 4

_UNIX = getattr(socket, "AF_UNIX", -1)
_LOCAL = ("127.0.0.1", "::1")


class MemoryNetwork(Joint):
    """A network in memory, under the public methods of the running event loop.

    While it is entered, the loop's ``create_connection()``, ``create_server()``,
    ``getaddrinfo()`` and their kin reach hosts of this network, whoever calls them: aiohttp,
    httpx, websockets or plain streams. Nothing leaves the process. On exit every connection is
    aborted and every server closed.

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

    loop: asyncio.AbstractEventLoop

    def __init__(
        self, *, tls: TLSMode = "strip", transport: Literal["memory", "loopback"] = "memory"
    ) -> None:
        if tls not in TLS_MODES:
            raise ValueError(f"tls is one of {', '.join(TLS_MODES)}, got {tls!r}")
        if transport not in ("memory", "loopback"):
            raise ValueError(f"transport is 'memory' or 'loopback', got {transport!r}")
        self.tls: TLSMode = tls
        self.transport = transport
        self.undeclared: list[Undeclared] = []
        self._hosts: dict[str, MemoryHost] = {}
        self._by_address: dict[str, MemoryHost] = {}
        self._fresh_addresses = _addresses.fresh_addresses()
        # Who listens: by address and port, and by path.
        self._servers: dict[Any, MemoryServer] = {}
        self._once_served: set[Any] = set()
        self._connections: dict[int, tuple[Connection, MemoryServer]] = {}
        self._numbers = itertools.count(1)
        self._free_ports = itertools.count(_FIRST_FREE_PORT)
        self._client_ports = itertools.count(_FIRST_CLIENT_PORT)
        # What may be reached for real: names, addresses and paths, with their ports.
        self._real: set[tuple[str, int | None]] = set()
        self._methods: Methods | None = None
        #: Clients' connections over real sockets, with transport="loopback".
        self.real_transports: weakref.WeakSet[Any] = weakref.WeakSet()

    def __repr__(self) -> str:
        state = "entered" if self._methods is not None else "not entered"
        return (
            f"<MemoryNetwork hosts={len(self._hosts)} servers={len(set(self._servers.values()))} "
            f"connections={len(self._connections)} {state}>"
        )

    # Entering and leaving -----------------------------------------------------------------------

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
        self.shut_down()
        for _ in range(_TURNS_TO_END):
            had_any = bool(self._connections or self.real_transports)
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
        for transport in list(self.real_transports):
            transport.abort()
        methods.restore()

    # Hosts --------------------------------------------------------------------------------------

    def host(self, name: str, *, addresses: Sequence[str] | None = None) -> MemoryHost:
        """Declare a host, or return the one of that name.

        Args:
            name: Its name in DNS, or one address.
            addresses: Its addresses, of either family, in the order in which DNS answers them. By
                default it gets one of its own that is routed nowhere.

        Raises:
            ValueError: If an address is none, or belongs to another host; or if the host has
                other addresses already.
        """
        key = _addresses.plain(name)
        if not key:
            raise ValueError("a host needs a name")
        known = self._hosts.get(key)
        wanted = None if addresses is None else tuple(self._checked(a) for a in addresses)
        if known is not None:
            if wanted is not None and wanted != known.addresses:
                raise ValueError(
                    f"host {name!r} is declared already, with {', '.join(known.addresses)}"
                )
            return known
        if not wanted:
            if wanted is not None:
                raise ValueError("addresses needs at least one; for none, call dns_error()")
            wanted = self._default_addresses(key)
        for address in wanted:
            other = self._by_address.get(address)
            if other is not None:
                raise ValueError(f"{address} belongs to host {other.name!r}")
        self._hosts[key] = host = MemoryHost(self, key, wanted)
        self._by_address.update(dict.fromkeys(wanted, host))
        return host

    def _checked(self, address: str) -> str:
        found = _addresses.literal(address)
        if found is None:
            raise ValueError(f"{address!r} is no IP address")
        return found

    def _default_addresses(self, key: str) -> tuple[str, ...]:
        address = _addresses.literal(key)
        if address is not None:
            return (address,)
        if _addresses.is_local_name(key):
            return _LOCAL
        return (next(a for a in self._fresh_addresses if a not in self._by_address),)

    @property
    def hosts(self) -> list[MemoryHost]:
        """The declared hosts, in order."""
        return list(self._hosts.values())

    def pass_through(self, *hosts: str, port: int | None = None) -> None:
        """Let a host be reached for real, by name, address or path of a Unix socket.

        Args:
            hosts: Whom. ``"localhost"`` stands for the loopback addresses, too.
            port: Only this port; ``None`` for all.
        """
        for each in hosts:
            key = _addresses.plain(each)
            self._real.add((key, port))
            if _addresses.is_local_name(key):
                self._real.update((address, port) for address in _LOCAL)

    def is_real(self, host: Any, port: int | None) -> bool:
        """Tell whether a host may be reached for real."""
        return (host, None) in self._real or (host, port) in self._real

    # What happened ------------------------------------------------------------------------------

    @property
    def connections(self) -> list[Connection]:
        """The open connections, the oldest first."""
        return [connection for connection, _ in self._connections.values()]

    @property
    def has_open(self) -> bool:
        """Whether anybody listens or is connected."""
        return bool(self._servers or self._connections)

    def open_things(self) -> Iterator[tuple[Any, Context, Callable[[], None]]]:
        """Yield who listens and who is connected, the context that began it, and what ends it."""
        for server in self.servers:
            yield server, server.run_in, server.close
        for connection in self.connections:
            own = connection.server if connection.client.is_closing() else connection.client
            yield own, own.context, connection.abort

    def accepted_by(self, server: MemoryServer) -> list[MemoryTransport]:
        """Return the open connections of a server, its ends of them."""
        ends = [c.server for c, each in self._connections.values() if each is server]
        return [end for end in ends if not end.is_gone]

    @property
    def servers(self) -> list[MemoryServer]:
        """Who listens, in the order in which they began to."""
        return list(dict.fromkeys(self._servers.values()))

    def note_undeclared(self, how: str, host: str, port: int | None) -> None:
        """Record an attempt to reach what nobody declared."""
        found = Undeclared.here(how, host, port, self.loop)
        # Whoever connects to localhost tries both of its addresses.
        last = self.undeclared[-1] if self.undeclared else None
        if last is None or {last.host, host} != set(_LOCAL) or replace(last, host=host) != found:
            self.undeclared.append(found)

    def needs_memory(self, what: str) -> None:
        """Refuse what works in memory only.

        Raises:
            RuntimeError: If this network uses real sockets.
        """
        if self.transport != "memory":
            raise RuntimeError(
                f'{what} needs the bytes in memory: MemoryNetwork(transport="memory")'
            )

    # Names --------------------------------------------------------------------------------------

    async def look_up(
        self,
        host: Name,
        port: int | str | bytes | None,
        family: int = 0,
        kind: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[_addresses.Info]:
        """Answer ``getaddrinfo()``.

        Raises:
            socket.gaierror: If there is no such name, or it has no address of that family.
        """
        name = _addresses.plain(host)
        number = _addresses.port_number(port)
        known = self._hosts.get(name)
        if known is not None:
            addresses: Iterable[str] = known.look_up()
        elif not name:
            addresses = ("0.0.0.0", "::") if flags & socket.AI_PASSIVE else _LOCAL
        elif _addresses.literal(name) is not None:
            addresses = (name,)
        elif flags & socket.AI_NUMERICHOST:
            raise gaierror()
        elif self.is_real(name, number) and not _addresses.is_local_name(name):
            return await self._look_up_for_real(name, number, family, kind, proto, flags)
        elif _addresses.is_local_name(name):
            addresses = _LOCAL
        else:
            raise self._unknown(name, number)
        canonical = name if flags & socket.AI_CANONNAME else ""
        infos = _addresses.infos(addresses, number, family, kind, proto, canonical)
        if not infos:
            raise gaierror()
        return infos

    def _unknown(self, name: str, port: int) -> socket.gaierror:
        self.note_undeclared("name looked up", name, port or None)
        error = gaierror()
        error.add_note(
            f"{name!r} is no host of the test's network. Declare it: network.host({name!r}), or "
            f"let it be reached for real: network.pass_through({name!r})"
        )
        return error

    async def _look_up_for_real(self, name: str, port: int, *how: int) -> list[_addresses.Info]:
        family, kind, proto, flags = how
        infos = await self.methods.original("getaddrinfo")(
            name, port, family=family, type=kind, proto=proto, flags=flags
        )
        self.learn_real(name, port, [info[4][0] for info in infos])
        found: list[_addresses.Info] = infos
        return found

    def learn_real(self, name: str, port: int | None, addresses: Iterable[str]) -> None:
        """Let the addresses of a name be reached for real, as the name may be."""
        only = None if (name, None) in self._real else port
        self._real.update((address, only) for address in addresses)

    @property
    def methods(self) -> Methods:
        """What is installed on the loop."""
        assert self._methods is not None
        return self._methods

    def name_of(self, address: str) -> str:
        """Return the name of an address, or itself: what ``getnameinfo()`` answers."""
        host = self._by_address.get(address)
        if host is not None:
            return host.name
        return "localhost" if address in _LOCAL else address

    # Listening ----------------------------------------------------------------------------------

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
            OSError: If somebody listens there already.
        """
        self.host(host)
        return await self.open_server(
            factory,
            self.addresses_of(host),
            port,
            context=ssl,
            speaks_tls=bool(ssl) if tls is None else tls,
            start_serving=start_serving,
        )

    def addresses_of(self, host: Name, family: int = 0) -> list[str]:
        """Return at which addresses a server for *host* listens.

        Raises:
            socket.gaierror: If there is no such host.
            OSError: If it is an address that this machine does not have.
        """
        name = _addresses.plain(host)
        known = self._hosts.get(name)
        if known is not None:
            found = list(known.addresses)
        elif not name:
            found = ["0.0.0.0", "::"]
        elif _addresses.is_local_name(name):
            found = list(_LOCAL)
        else:
            address = _addresses.literal(name)
            if address is None:
                raise self._unknown(name, 0)
            if not _addresses.is_loopback(address) and address not in self._by_address:
                raise OSError(
                    errno.EADDRNOTAVAIL,
                    f"error while attempting to bind on address {address!r}: cannot assign "
                    f"requested address. Declare it first: network.host({address!r})",
                )
            found = [address]
        return [a for a in found if family in (0, _addresses.family(a))]

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

    # Connecting ---------------------------------------------------------------------------------

    def goes_real(self, address: str, port: int) -> bool:
        """Tell whether an address is reached for real: declared so, and nobody listens here."""
        return (
            bool(self._real)
            and address not in self._by_address
            and self.is_real(address, port)
            and self._server_at(address, port) is None
        )

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

    async def reach(self, address: str, port: int) -> tuple[MemoryHost | None, MemoryServer]:
        """Return who listens at an address, after the time that connecting takes.

        Raises:
            OSError: What the operating system raises where nobody does.
        """
        host = self._by_address.get(address)
        if host is not None:
            await host.reach(address, port)
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

    def _was_served(self, address: str, port: int) -> bool:
        """Tell whether somebody has listened there, or at another of this machine's addresses."""
        if not _addresses.is_loopback(address):
            return (address, port) in self._once_served
        own = (*_LOCAL, "0.0.0.0", "::")
        return any((each, port) in self._once_served for each in own)

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
    ) -> tuple[asyncio.Transport, Any]:
        """Connect a protocol to an address.

        Raises:
            OSError: What the operating system raises if that does not work.
            ssl.SSLError: If a real TLS handshake fails.
        """
        host, server = await self.reach(address, port)
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
            self.real_transports.add(transport)
            return transport, protocol
        if local is None:
            own = (
                address
                if _addresses.is_loopback(address)
                else _addresses.CLIENT[_addresses.version(address)]
            )
            local = (own, 0)
        source = _addresses.endpoint(local[0], local[1] or next(self._client_ports))
        target = f"{host.name if host is not None else address}:{port}"
        return await self.join(
            factory,
            server,
            (_addresses.family(address), socket.SOCK_STREAM),
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
        secure, stripped = self._agree_on_tls(host, server, context, names[1])
        extras: list[dict[str, Any]] = [{}, {}]
        if stripped:
            objects = (
                _tls.StrippedTLS(context, server_hostname),
                _tls.StrippedTLS(server.context, None),
            )
            extras = [
                {
                    "sslcontext": o.context or context,
                    "ssl_object": o,
                    "peercert": {},
                    "cipher": o.cipher(),
                    "compression": None,
                }
                for o in objects
            ]
            context = None
        server.accept(connection, secure, extras[1])
        connection.client.add_extra(extras[0])
        try:
            return await self._greet(
                connection.client, protocol, context, server_hostname, timeouts
            )
        except BaseException:
            connection.client.abort()
            raise

    async def _greet(
        self,
        transport: MemoryTransport,
        protocol: Any,
        context: ssl_module.SSLContext | None,
        server_hostname: str | None,
        timeouts: dict[str, float | None],
    ) -> tuple[asyncio.Transport, Any]:
        if context is None:
            self.loop.call_soon(transport.begin, protocol, context=transport.context)
            await asyncio.sleep(0)
            return transport, protocol
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
        name: Any,
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
        names = self._names_of(host.name) if host is not None else ("localhost", *_LOCAL)
        return _tls.server_context(names, mode), False

    def _names_of(self, name: str) -> tuple[str, ...]:
        known = self._hosts.get(_addresses.plain(name))
        names = (_addresses.plain(name), *(known.addresses if known is not None else ()))
        return tuple(dict.fromkeys(names))

    def _on_gone(self, connection: Connection, end: MemoryTransport) -> None:
        _, server = self._connections[connection.number]
        if end is connection.server:
            server.wake_waiters()
        if connection.is_closed:
            del self._connections[connection.number]

    # TLS for clients that do it on their own ------------------------------------------------------

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
