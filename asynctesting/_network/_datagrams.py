"""Datagrams in memory: who takes them where, and how one gets there.

They keep what UDP promises, and no more: a datagram comes whole, or not at all. It is lost where
nobody takes it, where a host hangs, and where the network is left before it has arrived. Of a link
it feels latency and rate; what is counted in bytes of a connection means nothing here.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from . import _addresses
from ._connecting import Connecting
from ._transport import MemorySocket, format_address

__unittest = True

# Where ports begin that somebody asks for with 0.
_FIRST_PORT = 50000
# What fits into one datagram of UDP.
_LARGEST = 65507

Place = tuple[str, int]


class MemoryDatagrams(asyncio.DatagramTransport):
    """An endpoint for datagrams in memory; what ``create_datagram_endpoint()`` returns.

    Args:
        network: The network in which it sends and takes.
        protocol: Who is told.
        own: Its address and port.
        peer: The only address and port that it has to do with, ``None`` for any.
    """

    def __init__(
        self, network: Datagrams, protocol: asyncio.DatagramProtocol, own: Place, peer: Place | None
    ) -> None:
        names = [None if place is None else _addresses.endpoint(*place) for place in (own, peer)]
        kind = (_addresses.family(own[0]), socket.SOCK_DGRAM)
        super().__init__(
            {"sockname": names[0], "peername": names[1], "socket": MemorySocket(*kind, *names)}
        )
        self._network = network
        self._protocol: asyncio.BaseProtocol = protocol
        self.own = own
        self._peer = peer
        self.context: Context = copy_context()
        self._closing = False
        # When what was sent last has left, over a link that has a rate.
        self.free_at = 0.0

    def __repr__(self) -> str:
        peer = "" if self._peer is None else f" -> {format_address(self._peer)}"
        state = "closed" if self._closing else "open"
        return f"<MemoryDatagrams {format_address(self.own)}{peer} {state}>"

    # What asyncio's do --------------------------------------------------------------------------

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send a datagram to *addr*, or to the peer."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if self._peer is not None:
            if addr is not None and tuple(addr[:2]) != self._peer:
                raise ValueError(f"Invalid address: must be None or {self._peer}")
            target = self._peer
        elif addr is None:
            raise ValueError("an endpoint without a remote address has to be told where to send")
        else:
            target = self._network.address_of(addr)
        if self._closing:
            return
        if len(data) > _LARGEST:
            self.fail(OSError(errno.EMSGSIZE, "Message too long"))
            return
        self._network.send(self, bytes(data), target)

    def close(self) -> None:
        """Take and send nothing any more."""
        if not self._closing:
            self._closing = True
            self._network.forget_datagrams(self)
            self._network.loop.call_soon(self._end, context=self.context)

    abort = close

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return self._closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who is told."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Set who is told."""
        self._protocol = protocol

    # What the network does ----------------------------------------------------------------------

    def begin(self) -> None:
        """Tell the protocol that it can send."""
        self._protocol.connection_made(self)

    def takes_from(self, source: Place) -> bool:
        """Tell whether it has to do with *source*."""
        return not self._closing and self._peer in (None, source)

    def take(self, data: bytes, source: Place) -> None:
        """Hand a datagram over."""
        protocol: Any = self._protocol
        self._tell(protocol.datagram_received, data, _addresses.endpoint(*source))

    def fail(self, error: OSError) -> None:
        """Tell of what became of an earlier datagram."""
        protocol: Any = self._protocol
        self._network.loop.call_soon(
            self._tell, protocol.error_received, error, context=self.context
        )

    @property
    def hears_of_errors(self) -> bool:
        """Whether the system would tell it that nobody has taken a datagram."""
        return self._peer is not None

    def _tell(self, method: Callable[..., None], *arguments: Any) -> None:
        if self._closing:
            return
        try:
            method(*arguments)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._network.loop.call_exception_handler(
                {
                    "message": f"Fatal error: protocol.{method.__name__}() call failed.",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
            self.close()

    def _end(self) -> None:
        self._protocol.connection_lost(None)


class Datagrams(Connecting):
    """The endpoints for datagrams of a network."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._endpoints: dict[Place, MemoryDatagrams] = {}
        self._datagram_ports = itertools.count(_FIRST_PORT)
        # Who has taken datagrams, now or before.
        self._once_taken: set[Place] = set()

    @property
    def endpoints(self) -> list[MemoryDatagrams]:
        """Who takes datagrams, the oldest first."""
        return list(self._endpoints.values())

    async def open_datagrams(
        self, factory: Callable[[], Any], local: Any, remote: Any, family: int
    ) -> tuple[MemoryDatagrams, Any]:
        """Have a protocol send and take datagrams in memory.

        Args:
            factory: Makes the protocol.
            local: Name and port where it takes them; ``None`` for any.
            remote: Name and port of the only peer; ``None`` if there is none.
            family: The address family; 0 for any.

        Raises:
            OSError: If a name is not known, or somebody takes datagrams there already.
        """
        peer: Place | None = None
        if remote is not None:
            infos = await self.look_up(remote[0], remote[1], family, socket.SOCK_DGRAM)
            peer = infos[0][4][:2]
            family = infos[0][0]
        own = self._own_place(local, peer, family)
        if own in self._endpoints:
            raise OSError(
                errno.EADDRINUSE,
                f"error while attempting to bind on address {own!r}: address already in use",
            )
        protocol = factory()
        made = MemoryDatagrams(self, protocol, own, peer)
        self._endpoints[own] = made
        self._once_taken.add(own)
        self.loop.call_soon(made.begin, context=made.context)
        await asyncio.sleep(0)
        return made, protocol

    def are_datagrams_real(self, local: Any, remote: Any) -> bool:
        """Tell whether an endpoint was declared to be real, by its peer or its own address."""
        address = remote if remote is not None else local
        if not self._real or not isinstance(address, tuple) or len(address) < 2:
            return False
        name = _addresses.plain(address[0])
        return name not in self._hosts and self.is_real(name, address[1])

    def _own_place(self, local: Any, peer: Place | None, family: int) -> Place:
        port = 0
        if local is not None:
            address = self.addresses_of(local[0], family)[0]
            port = _addresses.port_number(local[1])
        elif peer is None:
            address = "::" if family == socket.AF_INET6 else "0.0.0.0"
        else:
            address = self._client_address(peer[0])
        while not port:
            port = next(self._datagram_ports)
            if (address, port) in self._endpoints:
                port = 0
        return address, port

    @staticmethod
    def _client_address(peer: str) -> str:
        if _addresses.is_loopback(peer):
            return peer
        return _addresses.CLIENT[_addresses.family(peer)]

    def address_of(self, name: Any) -> Place:
        """Return address and port of a place to send to, by name or address, without waiting.

        Raises:
            socket.gaierror: If there is no such host.
        """
        address = _addresses.literal(_addresses.plain(name[0]))
        if address is not None:
            return address, name[1]
        return self.addresses_of(name[0])[0], name[1]

    def send(self, source: MemoryDatagrams, data: bytes, target: Place) -> None:
        """Take a datagram on its way."""
        origin = source.own
        if origin[0] in ("0.0.0.0", "::"):
            local = _addresses.is_loopback(target[0])
            origin = (target[0] if local else self._client_address(target[0]), origin[1])
        host = self._by_address.get(target[0])
        if host is None and self._taker(target) is None and target not in self._once_taken:
            self._refuse_unknown(source, target)
            return
        host = host or self._by_address.get(origin[0])
        link = None if host is None else host.current_link
        if link is None or not (link.latency or link.rate):
            self.loop.call_soon(self._arrive, source, data, origin, target)
            return
        source.free_at = max(source.free_at, self.loop.time())
        if link.rate:
            source.free_at += len(data) / link.rate
        self.loop.call_at(source.free_at + link.latency, self._arrive, source, data, origin, target)

    def _refuse_unknown(self, source: MemoryDatagrams, target: Place) -> None:
        if self.is_real(*target):
            where = format_address(target)
            error = OSError(
                errno.EHOSTUNREACH,
                f"{where} was declared to be real, and {source!r} is in memory: give it as the "
                "remote_addr of an endpoint of its own",
            )
            source.fail(error)
            return
        self.note_undeclared("datagram", *target)
        if source.hears_of_errors:
            source.fail(_refused())

    def _arrive(self, source: MemoryDatagrams, data: bytes, origin: Place, target: Place) -> None:
        if self._methods is None:
            return  # the network has been left
        host = self._by_address.get(target[0])
        if host is not None and host.loses(target[0]):
            return
        taker = None if host is not None and host.refuses(target[0]) else self._taker(target)
        if taker is not None and taker.takes_from(origin):
            self.loop.call_soon(taker.take, data, origin, context=taker.context)
            return
        if source.hears_of_errors:
            source.fail(_refused())

    def _taker(self, target: Place) -> MemoryDatagrams | None:
        address, port = target
        taker = self._endpoints.get(target)
        if taker is None and (
            _addresses.is_loopback(address) or address in _addresses.CLIENT.values()
        ):
            taker = self._endpoints.get((_addresses.wildcard(address), port))
        return taker

    def forget_datagrams(self, endpoint: MemoryDatagrams) -> None:
        """Hand nothing more over to an endpoint."""
        self._endpoints.pop(endpoint.own, None)


def _refused() -> OSError:
    """Return what the system tells who has sent to where nobody takes datagrams."""
    return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
