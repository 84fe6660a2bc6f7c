"""The names of a network: its hosts, what DNS answers for them, and what is let through for real.

It knows nothing of how servers listen and clients connect. Whoever asks for a name that nobody
declared is noted.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from .._loop import Joint
from . import _addresses
from ._addresses import Name
from ._guard import Undeclared
from ._hosts import TLS_MODES, MemoryHost, TLSMode, gaierror

if TYPE_CHECKING:
    from ._connection import Connection
    from ._methods import Methods
    from ._server import MemoryServer

__unittest = True

#: The addresses of this machine's own name.
LOCAL = ("127.0.0.1", "::1")

_CANONICAL = int(socket.AI_CANONNAME)
_PASSIVE = int(socket.AI_PASSIVE)
_NUMERIC = int(socket.AI_NUMERICHOST)


class Names(Joint):
    """The hosts of a network by name and address."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, tls: TLSMode, transport: Literal["memory", "loopback"]) -> None:
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
        # What may be reached for real: names, addresses and paths, with their ports.
        self._real: set[tuple[str, int | None]] = set()
        # Who is connected to whom, by number: each host tells its own.
        self._connections: dict[int, tuple[Connection, MemoryServer]] = {}
        self._methods: Methods | None = None

    @property
    def methods(self) -> Methods:
        """What is installed on the loop."""
        assert self._methods is not None
        return self._methods

    def needs_memory(self, what: str) -> None:
        """Refuse what works in memory only.

        Raises:
            RuntimeError: If this network uses real sockets.
        """
        if self.transport != "memory":
            raise RuntimeError(
                f'{what} needs the bytes in memory: MemoryNetwork(transport="memory")'
            )

    # Hosts ---------------------------------------------------------------------------------------

    def host(self, name: str, *, addresses: Sequence[str] | None = None) -> MemoryHost:
        """Declare a host, or return the one of that name.

        Args:
            name: Its name in DNS, or one address.
            addresses: Its addresses, of either family, in the order in which DNS answers them. By
                default it gets one of its own that is routed nowhere.

        Raises:
            TypeError: If the name is none, or *addresses* is no list.
            ValueError: If there is no such name, an address is none, or belongs to another host;
                or if the host has other addresses already.
        """
        if not isinstance(name, str):
            raise TypeError(f"a host needs a name such as 'api.example', got {name!r}")
        key = _addresses.plain(name)
        if not key or set(key) & set(" /?#@"):
            raise ValueError(f"a host needs a name such as 'api.example', got {name!r}")
        if isinstance(addresses, str):
            raise TypeError(f"addresses= needs a list, got {addresses!r}: write [{addresses!r}]")
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
            return LOCAL
        return (next(a for a in self._fresh_addresses if a not in self._by_address),)

    @property
    def hosts(self) -> list[MemoryHost]:
        """The declared hosts, in order."""
        return list(self._hosts.values())

    @property
    def connections(self) -> list[Connection]:
        """The open connections, the oldest first."""
        return [connection for connection, _ in self._connections.values()]

    def pass_through(self, *hosts: str, port: int | None = None) -> None:
        """Let a host be reached for real, by name, address or path of a Unix socket.

        Args:
            hosts: Whom. ``"localhost"`` stands for the loopback addresses, too.
            port: Only this port; ``None`` for all.

        Raises:
            TypeError: If a host is no string, or none is given.
            ValueError: If a host is a URL, or the port is none.
        """
        if not hosts:
            raise TypeError("pass_through() needs to be told whom: a name, an address or a path")
        if port is not None and (isinstance(port, bool) or not isinstance(port, int)):
            raise TypeError(f"port= needs a number up to 65535, got {port!r}")
        if port is not None and not 0 < port <= 65535:
            raise ValueError(f"port= needs a number up to 65535, got {port!r}")
        for each in hosts:
            if not isinstance(each, (str, bytes)):
                raise TypeError(f"pass_through() needs a name, an address or a path, got {each!r}")
            key = _addresses.plain(each)
            if not key or "://" in key:
                raise ValueError(
                    f"pass_through() needs a name, an address or a path, got {each!r}. For one "
                    "port of a host write port="
                )
            self._real.add((key, port))
            if _addresses.is_local_name(key):
                self._real.update((address, port) for address in LOCAL)

    def is_real(self, host: Any, port: int | None) -> bool:
        """Tell whether a host may be reached for real."""
        return (host, None) in self._real or (host, port) in self._real

    def learn_real(self, name: str, port: int | None, addresses: Iterable[str]) -> None:
        """Let the addresses of a name be reached for real, as the name may be."""
        only = None if (name, None) in self._real else port
        self._real.update((address, only) for address in addresses)

    def note_undeclared(self, how: str, host: str, port: int | None) -> None:
        """Record an attempt to reach what nobody declared."""
        found = Undeclared.here(how, host, port, self.loop)
        # Whoever connects to localhost tries both of its addresses.
        last = self.undeclared[-1] if self.undeclared else None
        if last is None or {last.host, host} != set(LOCAL) or replace(last, host=host) != found:
            self.undeclared.append(found)

    # Names ---------------------------------------------------------------------------------------

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
        flags = int(flags)  # a set of flags takes its time to be asked for one
        known = self._hosts.get(name)
        if known is not None:
            addresses: Iterable[str] = known.look_up()
        elif not name:
            addresses = ("0.0.0.0", "::") if flags & _PASSIVE else LOCAL
        elif _addresses.literal(name) is not None:
            addresses = (name,)
        elif flags & _NUMERIC:
            raise gaierror()
        elif self.is_real(name, number) and not _addresses.is_local_name(name):
            return await self._look_up_for_real(name, number, family, kind, proto, flags)
        elif _addresses.is_local_name(name):
            addresses = LOCAL
        else:
            raise self._unknown(name, number)
        canonical = name if flags & _CANONICAL else ""
        infos = _addresses.infos(addresses, number, family, kind, proto, canonical)
        if not infos:
            raise gaierror()
        return infos

    def is_plain_address(self, host: Any, port: Any, family: int) -> bool:
        """Tell whether looking *host* and *port* up can yield nothing but what they are."""
        return (
            type(host) is str
            and type(port) is int
            and _addresses.literal(host) == host
            and _addresses.family(host) == family
            and host not in self._hosts
        )

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

    def name_of(self, address: str) -> str:
        """Return the name of an address, or itself: what ``getnameinfo()`` answers."""
        host = self._by_address.get(address)
        if host is not None:
            return host.name
        return "localhost" if address in LOCAL else address

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
            found = list(LOCAL)
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

    def _names_of(self, name: str) -> tuple[str, ...]:
        known = self._hosts.get(_addresses.plain(name))
        names = (_addresses.plain(name), *(known.addresses if known is not None else ()))
        return tuple(dict.fromkeys(names))
