"""What stands in place of a loop's public methods while a network is entered.

They are attributes of the one loop instance, and go when the network goes. Each of them answers
for hosts of the network, and passes on to the loop's own what was declared to be real.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import socket
import ssl as ssl_module
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import _addresses, _tls
from ._hosts import connect_error
from ._loopback import LoopbackServer
from ._server import MemoryServer, listening_socket
from ._transport import MemoryTransport

if TYPE_CHECKING:
    from ._network import MemoryNetwork

__unittest = True

# Our loops know it, for the audit at a test's end; others learn it here.
_ATTRIBUTE = "memory_network"
_NAMES = (
    *("getaddrinfo", "getnameinfo", "sock_connect", "create_connection", "create_server"),
    *("create_unix_connection", "create_unix_server", "sendfile", "start_tls"),
    "create_datagram_endpoint",
)
_TIMEOUTS = ("ssl_handshake_timeout", "ssl_shutdown_timeout")
_CHUNK = 64 * 1024

# A socket's family and kind as plain numbers.
_FAMILY: Any = socket.SocketType.family.__get__
_KIND: Any = socket.SocketType.type.__get__
_STREAM = int(socket.SOCK_STREAM)
_INTERNET = (int(socket.AF_INET), int(socket.AF_INET6))


def network_of(loop: asyncio.AbstractEventLoop) -> MemoryNetwork | None:
    """Return the network that is entered on *loop*."""
    return getattr(loop, _ATTRIBUTE, None)


class Methods:
    """The methods of one loop, as long as a network is entered there."""

    def __init__(self, network: MemoryNetwork, loop: asyncio.AbstractEventLoop) -> None:
        self._network = network
        self._loop = loop
        own = vars(loop)
        self._before = {name: own[name] for name in _NAMES if name in own}
        # Sockets that were connected by sock_connect(), and to what: an address in memory, or, over
        # real sockets, a server of the network.
        self._parked: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    @classmethod
    def install(cls, network: MemoryNetwork, loop: asyncio.AbstractEventLoop) -> Methods:
        """Put the methods on *loop*.

        Raises:
            RuntimeError: If a network is entered there already.
        """
        if network_of(loop) is not None:
            raise RuntimeError(
                "this event loop has a MemoryNetwork already. One network can have any number of "
                "hosts; use that one, or leave it first"
            )
        methods = cls(network, loop)
        setattr(loop, _ATTRIBUTE, network)
        vars(loop).update({name: getattr(methods, name) for name in _NAMES})
        return methods

    def restore(self) -> None:
        """Give the loop its own methods back."""
        own = vars(self._loop)
        own.pop(_ATTRIBUTE, None)
        for name in _NAMES:
            own.pop(name, None)
        own.update(self._before)

    def original(self, name: str) -> Any:
        """Return a method as it was."""
        before = self._before.get(name)
        if before is not None:
            return before
        kind = type(self._loop)
        return getattr(kind, name).__get__(self._loop, kind)

    # Names --------------------------------------------------------------------------------------

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[_addresses.Info]:
        """Look a name up in the network."""
        return await self._network.look_up(host, port, family, type, proto, flags)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """Return the name of an address of the network, and that of its port."""
        address, port = sockaddr[:2]
        name = address if flags & socket.NI_NUMERICHOST else self._network.name_of(address)
        if flags & socket.NI_NUMERICSERV:
            return name, str(port)
        try:
            return name, socket.getservbyport(port)
        except OSError:
            return name, str(port)

    # Clients ------------------------------------------------------------------------------------

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a socket that somebody has made: what follows decides what becomes of it."""
        network = self._network
        # Of socket.socket's own properties each makes a member of an enumeration.
        family = _FAMILY(sock)
        if _KIND(sock) != _STREAM or family not in _INTERNET:
            await self.original("sock_connect")(sock, address)
            return
        host, port = address[:2]
        if not network.is_plain_address(host, port, family):
            infos = await network.look_up(host, port, family, socket.SOCK_STREAM)
            host, port = infos[0][4][:2]
        if network.goes_real(host, port):
            await self.original("sock_connect")(sock, address)
            return
        _, server = await network.reach(host, port)
        if isinstance(server, LoopbackServer):
            await self.original("sock_connect")(sock, server.target_for(sock.family))
            self._parked[sock] = server
        else:
            self._parked[sock] = (host, port)

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        sock: socket.socket | None = None,
        local_addr: tuple[str, int] | None = None,
        server_hostname: str | None = None,
        happy_eyeballs_delay: float | None = None,
        interleave: int | None = None,
        all_errors: bool = False,
        **timeouts: float | None,
    ) -> tuple[asyncio.Transport, Any]:
        """Connect to a host of the network, or for real to one that was declared to be."""
        if sock is not None:
            parked = self._parked.pop(sock, None)
            if not isinstance(parked, tuple):
                if parked is not None and isinstance(ssl, ssl_module.SSLContext):
                    _tls.trust(ssl)
                return await self.original("create_connection")(  # type: ignore[no-any-return]
                    protocol_factory,
                    ssl=ssl,
                    sock=sock,
                    server_hostname=server_hostname,
                    **timeouts,
                )
            if host is not None or port is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            local_addr = _bound_name(sock)
            sock.close()
            targets = [parked]
        elif host is None and port is None:
            raise ValueError("host and port was not specified and no sock specified")
        else:
            infos = await self._network.look_up(
                host, port, family, socket.SOCK_STREAM, proto, flags
            )
            if interleave or (interleave is None and happy_eyeballs_delay is not None):
                infos = _addresses.interleave(infos)
            targets = [info[4][:2] for info in infos]
            if self._network.goes_real(*targets[0]):
                return await self.original("create_connection")(  # type: ignore[no-any-return]
                    protocol_factory,
                    host,
                    port,
                    ssl=ssl,
                    family=family,
                    proto=proto,
                    flags=flags,
                    local_addr=local_addr,
                    server_hostname=server_hostname,
                    **timeouts,
                )
        context, name = _client_tls(ssl, server_hostname, host, timeouts)
        connect = functools.partial(
            self._network.connect,
            protocol_factory,
            context=context,
            server_hostname=name,
            local=local_addr,
            timeouts=timeouts,
            again=sock is not None,
        )
        return await _first_that_works(connect, targets, happy_eyeballs_delay, all_errors)

    async def create_unix_connection(
        self,
        protocol_factory: Callable[[], Any],
        path: Any = None,
        *,
        ssl: Any = None,
        sock: socket.socket | None = None,
        server_hostname: str | None = None,
        **timeouts: float | None,
    ) -> tuple[asyncio.Transport, Any]:
        """Connect to a Unix socket in memory, or for real to one that was declared to be."""
        network = self._network
        name = _path(path)
        if sock is not None or network.is_real(name, None):
            return await self.original("create_unix_connection")(  # type: ignore[no-any-return]
                protocol_factory,
                path,
                ssl=ssl,
                sock=sock,
                server_hostname=server_hostname,
                **timeouts,
            )
        server = network.server_at_path(name)
        context, hostname = _client_tls(ssl, server_hostname, None, timeouts)
        return await network.join(
            protocol_factory,
            server,
            (socket.AF_UNIX, socket.SOCK_STREAM),
            ("", name),
            host=None,
            target=name,
            context=context,
            server_hostname=hostname,
            timeouts=timeouts,
        )

    # Servers ------------------------------------------------------------------------------------

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        *,
        family: int = 0,
        flags: int = 0,
        sock: socket.socket | None = None,
        ssl: Any = None,
        start_serving: bool = True,
        **options: Any,
    ) -> asyncio.AbstractServer:
        """Listen in memory."""
        network = self._network
        timeouts = {name: options[name] for name in _TIMEOUTS if options.get(name) is not None}
        context = _server_tls(ssl)
        server_options: dict[str, Any] = {
            "context": context,
            "speaks_tls": context is not None,
            "timeouts": timeouts,
        }
        if sock is not None:
            if host is not None or port is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            return await self._serve_socket(protocol_factory, sock, start_serving, server_options)
        if host is None and port is None:
            raise ValueError("Neither host/port nor sock were specified")
        names = [host] if host is None or isinstance(host, (str, bytes)) else list(host)
        found = [network.addresses_of(name, family) for name in names]
        addresses = list(dict.fromkeys(address for each in found for address in each))
        number = _addresses.port_number(port)
        return await network.open_server(
            protocol_factory, addresses, number, start_serving=start_serving, **server_options
        )

    async def _serve_socket(
        self, factory: Any, sock: socket.socket, start_serving: bool, options: dict[str, Any]
    ) -> MemoryServer:
        """Listen in memory at the address to which somebody has bound a real socket."""
        name = sock.getsockname()
        key = name[:2] if isinstance(name, tuple) else _path(name)
        return await self._network.open_server_at([key], factory, [sock], start_serving, **options)

    async def create_unix_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        path: Any = None,
        *,
        sock: socket.socket | None = None,
        ssl: Any = None,
        start_serving: bool = True,
        **options: Any,
    ) -> asyncio.AbstractServer:
        """Listen in memory at the path of a Unix socket; no file is made."""
        context = _server_tls(ssl)
        timeouts = {name: options[name] for name in _TIMEOUTS if options.get(name) is not None}
        kwargs: dict[str, Any] = {
            "context": context,
            "speaks_tls": context is not None,
            "timeouts": timeouts,
        }
        if sock is not None:
            return await self._serve_socket(protocol_factory, sock, start_serving, kwargs)
        if path is None:
            raise ValueError("path was not specified, and no sock specified")
        name = _path(path)
        stand_in = listening_socket(socket.AF_UNIX, socket.SOCK_STREAM, name)
        return await self._network.open_server_at(
            [name], protocol_factory, [stand_in], start_serving, **kwargs
        )

    # Datagrams ----------------------------------------------------------------------------------

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        local_addr: Any = None,
        remote_addr: Any = None,
        *,
        family: int = 0,
        sock: socket.socket | None = None,
        **options: Any,
    ) -> tuple[Any, Any]:
        """Send and take datagrams in memory, or for real where that was declared."""
        if (
            sock is not None
            or self._network.transport != "memory"
            or family not in (0, socket.AF_INET, socket.AF_INET6)
            or self._network.are_datagrams_real(local_addr, remote_addr)
        ):
            return await self.original("create_datagram_endpoint")(  # type: ignore[no-any-return]
                protocol_factory, local_addr, remote_addr, family=family, sock=sock, **options
            )
        if local_addr is None and remote_addr is None and not family:
            raise ValueError("unexpected address family")
        for address in (local_addr, remote_addr):
            if address is not None and not (isinstance(address, tuple) and len(address) >= 2):
                raise TypeError("2-tuple is expected")
        return await self._network.open_datagrams(protocol_factory, local_addr, remote_addr, family)

    # What asks for a transport of the loop's own -----------------------------------------------

    async def sendfile(
        self, transport: Any, file: Any, offset: int = 0, count: int | None = None, **options: Any
    ) -> int:
        """Send a file; in memory by reading and writing."""
        if not isinstance(transport, MemoryTransport):
            sent: int = await self.original("sendfile")(transport, file, offset, count, **options)
            return sent
        if transport.is_closing():
            raise RuntimeError("Transport is closing")
        file.seek(offset)
        total = 0
        while count is None or total < count:
            chunk = file.read(_CHUNK if count is None else min(_CHUNK, count - total))
            if not chunk:
                break
            transport.write(chunk)
            total += len(chunk)
            await transport.drained()
        return total

    async def start_tls(
        self, transport: Any, protocol: Any, sslcontext: Any, **options: Any
    ) -> asyncio.Transport | None:
        """Begin TLS on a connection that is made, as asyncio does for its own transports."""
        start: Any = self.original("start_tls")
        if isinstance(transport, MemoryTransport):
            # uvloop wants transports of its own here; the stock method uses public ones only.
            stock: Any = asyncio.BaseEventLoop.start_tls
            start = functools.partial(stock, self._loop)
            if not options.get("server_side") and _tls.is_made():
                _tls.trust(sslcontext)
        secured: asyncio.Transport | None = await start(transport, protocol, sslcontext, **options)
        return secured


async def _first_that_works(
    connect: Callable[..., Any],
    targets: Sequence[tuple[str, int]],
    delay: float | None,
    all_errors: bool,
) -> tuple[asyncio.Transport, Any]:
    """Connect to one target after the other; the next one after *delay* seconds at the latest."""
    if len(targets) == 1 and not all_errors:
        return await connect(*targets[0])  # type: ignore[no-any-return]
    errors: list[OSError] = []
    for place, (address, port) in enumerate(targets):
        is_last = place == len(targets) - 1
        try:
            # One that hangs will go on to hang: what asyncio would leave running is given up here.
            async with asyncio.timeout(None if is_last else delay):
                return await connect(address, port)  # type: ignore[no-any-return]
        except ssl_module.SSLError:
            raise
        except OSError as error:
            was_us = isinstance(error, TimeoutError) and error.errno is None
            errors.append(connect_error(errno.ETIMEDOUT, address, port) if was_us else error)
    if all_errors:
        raise ExceptionGroup("create_connection failed", errors)
    if len({str(error) for error in errors}) == 1:
        raise errors[0]
    raise OSError(f"Multiple exceptions: {', '.join(map(str, errors))}")


def _client_tls(
    ssl: Any, server_hostname: str | None, host: Any, timeouts: dict[str, float | None]
) -> tuple[ssl_module.SSLContext | None, str | None]:
    """Return context and server name, with asyncio's own complaints."""
    if not ssl:
        for name, value in {"server_hostname": server_hostname, **timeouts}.items():
            if value is not None:
                raise ValueError(f"{name} is only meaningful with ssl")
        return None, None
    if server_hostname is None:
        if not host:
            raise ValueError("You must set server_hostname when using ssl without a host")
        server_hostname = host
    return ssl_module.create_default_context() if ssl is True else ssl, server_hostname


def _server_tls(ssl: Any) -> ssl_module.SSLContext | None:
    if isinstance(ssl, bool) and ssl:
        raise TypeError("ssl argument must be an SSLContext or None")
    context: ssl_module.SSLContext | None = ssl or None
    return context


def _bound_name(sock: socket.socket) -> tuple[str, int] | None:
    """Return to what address a socket was bound before it was connected, if it was."""
    try:
        host, port = sock.getsockname()[:2]
    except OSError:
        return None
    return (host, port) if port else None


def _path(path: Any) -> str:
    return os.fsdecode(path) if path is not None else ""
