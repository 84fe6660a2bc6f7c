"""Hosts: a name, its addresses, what listens there, and what is wrong with it today."""

from __future__ import annotations

import asyncio
import enum
import errno
import socket
import weakref
from typing import TYPE_CHECKING, Literal

from .._seconds import check_number
from . import _addresses
from ._link import Link

if TYPE_CHECKING:
    from ._connection import Connection
    from ._names import Names

__unittest = True

TLSMode = Literal["strip", "real", "expired", "wrong-host", "untrusted"]
TLS_MODES = ("strip", "real", "expired", "wrong-host", "untrusted")

# When Linux gives up on a host that never answers: six retries, each after twice the time.
_GIVES_UP_AFTER = 127.0


class _Reach(enum.Enum):
    """What somebody meets who connects."""

    UP = enum.auto()
    REFUSES = enum.auto()
    HANGS = enum.auto()


class MemoryHost:
    """A host in a network; :meth:`.MemoryNetwork.host` makes it.

    All its methods but the asynchronous ones return the host, so that they can be chained.

    Attributes:
        name: What the host was declared as.
        addresses: Its addresses, in the order in which DNS answers them.
    """

    def __init__(self, network: Names, name: str, addresses: tuple[str, ...]) -> None:
        # Held weakly: a network that has been left goes at once, and not with the next collection.
        self._network_of = weakref.ref(network)
        self.name = name
        self.addresses = addresses
        self._reach: dict[str, _Reach] = {}
        self._dns_error: int | None = None
        self._link: Link | None = None
        self._tls: TLSMode | None = None
        self._rise: asyncio.TimerHandle | None = None
        #: How many bytes the longest of its connections has answered so far.
        self.most_answered = 0

    def __repr__(self) -> str:
        states = sorted({reach.name.lower() for reach in self._reach.values()})
        if self._dns_error is not None:
            states.append("not in DNS")
        return f"<MemoryHost {self.name!r} {', '.join(self.addresses)} {', '.join(states) or 'up'}>"

    @property
    def _network(self) -> Names:
        network = self._network_of()
        if network is None:
            raise RuntimeError(f"the network of host {self.name!r} has been left")
        return network

    @property
    def connections(self) -> list[Connection]:
        """The open connections to this host, the oldest first."""
        network = self._network_of()
        return [] if network is None else [c for c in network.connections if c.host is self]

    # Faults -------------------------------------------------------------------------------------

    def refuse(self, *, address: str | None = None) -> MemoryHost:
        """Refuse new connections, as if nothing listened; open ones stay.

        Args:
            address: Only at this one of its addresses.
        """
        return self._set(_Reach.REFUSES, address)

    def hang(self, *, address: str | None = None) -> MemoryHost:
        """Never answer those who connect; they give up after 127 s, as they do on Linux.

        Args:
            address: Only at this one of its addresses.
        """
        return self._set(_Reach.HANGS, address)

    def dns_error(self, code: int = socket.EAI_NONAME) -> MemoryHost:
        """Vanish from DNS: looking the name up fails with ``socket.gaierror``.

        Args:
            code: The error, for example ``socket.EAI_AGAIN`` for one that passes.
        """
        self._dns_error = code
        return self

    def up(self) -> MemoryHost:
        """Undo :meth:`refuse`, :meth:`hang` and :meth:`dns_error`."""
        self._reach.clear()
        self._dns_error = None
        if self._rise is not None:
            self._rise.cancel()
            self._rise = None
        return self

    def reset_connections(self) -> MemoryHost:
        """Reset all open connections; both ends see it at once."""
        for connection in self.connections:
            connection.reset()
        return self

    def restart(self, downtime: float = 0.0) -> MemoryHost:
        """Reset all open connections, refuse new ones for a while, then be up again.

        Args:
            downtime: Seconds of the loop's time, virtual ones on a virtual clock.
        """
        check_number(downtime, "downtime")
        if not 0 <= downtime < float("inf"):
            raise ValueError(f"downtime needs finite seconds >= 0, got {downtime!r}")
        self.up().reset_connections()
        if downtime:
            self.refuse()
            self._rise = self._network.loop.call_later(downtime, self.up)
        return self

    def link(
        self,
        *,
        latency: float = 0.0,
        rate: float | None = None,
        segment: int | None = None,
        cut_after: int | None = None,
        stall_after: int | None = None,
        connect: float = 0.0,
    ) -> MemoryHost:
        """Say what the way to this host and back is like, for open connections, too.

        Without arguments, it is perfect again.

        Args:
            latency: Seconds that each byte travels, in either direction; connecting takes none.
            rate: Bytes per second, in either direction.
            segment: How many bytes the reader gets at once, at most.
            cut_after: After how many bytes of its answers a connection is reset, counted from the
                connection's beginning.
            stall_after: After how many bytes of its answers nothing comes any more.
            connect: Seconds that connecting takes.

        Raises:
            ValueError: If a value is out of its bounds.
        """
        link: Link | None = Link(latency, rate, segment, cut_after, stall_after, connect)
        self._network.needs_memory("a link")
        self._link = None if link == Link() else link
        for connection in self.connections:
            connection.relink(self._link)
        return self

    def tls(self, mode: TLSMode) -> MemoryHost:
        """Say how TLS is done with this host, for new connections.

        Args:
            mode: ``"strip"`` for none, where both sides agree that there should be some;
                ``"real"`` for a handshake with a certificate that clients trust; ``"expired"``,
                ``"wrong-host"`` or ``"untrusted"`` for one that they must not accept.
        """
        if mode not in TLS_MODES:
            raise ValueError(f"tls() takes one of {', '.join(TLS_MODES)}, got {mode!r}")
        self._network.needs_memory("tls()")
        self._tls = mode
        return self

    def _set(self, reach: _Reach, address: str | None) -> MemoryHost:
        if address is not None and address not in self.addresses:
            raise ValueError(
                f"{address!r} is no address of {self.name!r}, which has {', '.join(self.addresses)}"
            )
        for each in self.addresses if address is None else (address,):
            self._reach[each] = reach
        return self

    # What the network asks ----------------------------------------------------------------------

    @property
    def tls_mode(self) -> TLSMode:
        """How TLS is done here."""
        return self._tls or self._network.tls

    @property
    def current_link(self) -> Link | None:
        """The way to here, ``None`` for a perfect one."""
        return self._link

    def loses(self, address: str) -> bool:
        """Tell whether datagrams to one of the addresses are lost in silence."""
        return self._reach.get(address) is _Reach.HANGS

    def refuses(self, address: str) -> bool:
        """Tell whether nobody takes datagrams at one of the addresses."""
        return self._reach.get(address) is _Reach.REFUSES

    def look_up(self) -> tuple[str, ...]:
        """Return the addresses as DNS does.

        Raises:
            socket.gaierror: If the host has vanished.
        """
        if self._dns_error is not None:
            raise gaierror(self._dns_error)
        return self.addresses

    @property
    def is_troubled(self) -> bool:
        """Whether there is anything that may happen to who connects."""
        return bool(self._reach) or self._link is not None

    async def reach(self, address: str, port: int, *, again: bool = False) -> None:
        """Come through to one of the addresses.

        Args:
            address: Which of them.
            port: For the message.
            again: Whether a socket was connected already, and the time for that has passed.

        Raises:
            OSError: What the operating system raises if that does not work.
        """
        reach = self._reach.get(address, _Reach.UP)
        if reach is _Reach.HANGS:
            await asyncio.sleep(_GIVES_UP_AFTER)
            raise connect_error(errno.ETIMEDOUT, address, port)
        if self._link is not None and self._link.connect and not again:
            await asyncio.sleep(self._link.connect)
        if self._reach.get(address, _Reach.UP) is _Reach.REFUSES:
            raise connect_error(errno.ECONNREFUSED, address, port)


def gaierror(code: int = socket.EAI_NONAME) -> socket.gaierror:
    """Return the error of a name that DNS does not know, in the words of Linux."""
    texts = {
        socket.EAI_NONAME: "Name or service not known",
        socket.EAI_AGAIN: "Temporary failure in name resolution",
        socket.EAI_FAIL: "Non-recoverable failure in name resolution",
    }
    return socket.gaierror(code, texts.get(code, "Name resolution failed"))


def connect_error(code: int, address: str, port: int) -> OSError:
    """Return the error of a connection attempt, in asyncio's words."""
    return OSError(code, f"Connect call failed {_addresses.endpoint(address, port)}")
