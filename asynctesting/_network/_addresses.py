"""Names, addresses and ports, in plain code: nothing here has ever seen a loop."""

from __future__ import annotations

import functools
import ipaddress
import itertools
import socket
from collections.abc import Iterable, Iterator
from typing import Any

__unittest = True

Info = tuple[int, int, int, str, Any]

#: How a host's name may be given.
Name = str | bytes | None

# The ranges that RFC 5737 and RFC 2544 keep for examples and benchmarks: private, and routed
# nowhere. An address that somebody remembers for longer than the network lives reaches nobody.
_NETS = (
    *("192.0.2", "198.51.100", "203.0.113"),
    *(f"198.{second}.{third}" for second in (18, 19) for third in range(256)),
)

#: From which address clients come to hosts that are not this machine.
CLIENT = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}

_LOCAL_NAMES = frozenset(
    {"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "localhost4"}
)
_ANY = {"0.0.0.0", "::"}


def fresh_addresses() -> Iterator[str]:
    """Yield addresses for hosts, each once."""
    return (f"{net}.{last}" for net in _NETS for last in range(2, 255))


def plain(host: Name) -> str:
    """Return a host's name as it is looked up: text, in lower case, without a last dot."""
    if host is None:
        return ""
    text = host.decode("idna") if isinstance(host, bytes) else host
    address = literal(text)
    return address if address is not None else text.rstrip(".").lower()


@functools.lru_cache(maxsize=1024)
def literal(host: str) -> str | None:
    """Return *host* in its usual spelling if it is an address, else ``None``."""
    # Names are what is asked for most: look before asking a parser that raises.
    if not (host[:1].isdigit() or ":" in host):
        return None
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def family(address: str) -> socket.AddressFamily:
    """Return the address family of an address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def endpoint(address: str, port: int) -> Any:
    """Return an address and a port as sockets write them."""
    return (address, port, 0, 0) if ":" in address else (address, port)


def is_local_name(name: str) -> bool:
    """Tell whether *name* is this machine by name."""
    return name in _LOCAL_NAMES or name.endswith(".localhost")


def is_loopback(address: str) -> bool:
    """Tell whether an address is this machine's own, the wildcards included."""
    return address.startswith("127.") or address in ("::1", *_ANY)


def wildcard(address: str) -> str:
    """Return the address that stands for all of this machine's of the same family."""
    return "::" if ":" in address else "0.0.0.0"


def port_number(port: int | str | bytes | None) -> int:
    """Return a port as a number.

    Raises:
        socket.gaierror: If it is the name of no service.
    """
    if port is None or port in ("", b""):
        return 0
    if isinstance(port, int):
        return port
    text = port.decode() if isinstance(port, bytes) else port
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return socket.getservbyname(text)
    except OSError:
        raise socket.gaierror(
            socket.EAI_SERVICE, "Servname not supported for ai_socktype"
        ) from None


_KINDS = ((socket.SOCK_STREAM, socket.IPPROTO_TCP), (socket.SOCK_DGRAM, socket.IPPROTO_UDP))


def infos(
    addresses: Iterable[str], port: int, wanted_family: int, kind: int, proto: int, name: str
) -> list[Info]:
    """Return *addresses* as ``getaddrinfo()`` does, those of the wanted family."""
    found: list[Info] = []
    for address in addresses:
        if wanted_family in (socket.AF_UNSPEC, family(address)):
            for each_kind, each_proto in _KINDS:
                if kind in (0, each_kind) and proto in (0, each_proto):
                    where = endpoint(address, port)
                    found.append((family(address), each_kind, each_proto, name, where))
    return found


def interleave(found: list[Info]) -> list[Info]:
    """Return infos so that families take turns, as happy eyeballs wants them."""
    by_family: dict[int, list[Info]] = {}
    for info in found:
        by_family.setdefault(info[0], []).append(info)
    rounds = itertools.zip_longest(*by_family.values())
    return [info for turn in rounds for info in turn if info is not None]
