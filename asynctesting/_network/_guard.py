"""The guard: who reached for the real network while a test had one of its own.

A network sits under one loop. Another thread's loop, a blocking client, a library that opens
sockets by itself do not ask it. So while any network is entered, ``socket.socket``'s own methods
and the module's lookups of names are watched, for the whole process. The guard *records*; it never
stands in the way.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

from .._report import Place
from . import _addresses, _resolver
from ._places import place_in, steps_here
from ._transport import format_address

if TYPE_CHECKING:
    from ._network import MemoryNetwork

__unittest = True

_OURS = "_asynctesting_watches"


@dataclass(frozen=True, slots=True)
class Undeclared:
    """An attempt to reach what nobody declared.

    Attributes:
        how: ``"name looked up"`` or ``"connection"`` for one that was answered in memory by an
            error; ``"real connection"`` for one that went out, ``"real lookup"`` for a name that
            somebody asked the system for.
        host: Name, address or path.
        port: The port, where there is one.
        place: The line of the user's code, if it is known.
        thread: The name of the thread.
    """

    how: str
    host: str
    port: int | None
    place: Place | None
    thread: str

    @classmethod
    def here(cls, how: str, host: str, port: int | None, loop: Any) -> Undeclared:
        """Describe an attempt that is being made, two calls above."""
        place = place_in(steps_here(3), loop)
        return cls(how, host, port, place, threading.current_thread().name)

    def __str__(self) -> str:
        target = self.host if self.port is None else format_address((self.host, self.port))
        text = f"{self.how}: {target}"
        if self.thread != threading.main_thread().name:
            text += f" (thread {self.thread!r})"
        return f"{text}  at  {self.place}" if self.place else text


class _Guard:
    """Watches ``socket.socket`` and the lookups of ``socket`` while there are networks."""

    _METHODS = ("connect", "connect_ex", "sendto")
    # And which addresses are in what they return.
    _LOOKUPS: ClassVar[dict[str, Callable[[Any], Iterable[str]]]] = {
        "getaddrinfo": lambda found: [info[4][0] for info in found],
        "gethostbyname": lambda found: [found],
        "gethostbyname_ex": lambda found: found[2],
    }

    def __init__(self) -> None:
        # What stands in for the process's own functions, by name; made once, since every test that
        # has a network puts them there and takes them away.
        self._stand_ins: dict[str, Any] = {}
        self._networks: list[MemoryNetwork] = []
        self._lock = threading.Lock()

    def watch(self, network: MemoryNetwork) -> None:
        """Report to *network* from now on."""
        with self._lock:
            living = self._living()
            if len(living) < len(self._networks):
                self._keep(living)
            self._keep([*living, network])

    def forget(self, network: MemoryNetwork) -> None:
        """Report no more to *network*."""
        with self._lock:
            self._keep([other for other in self._living() if other is not network])

    def _keep(self, networks: list[MemoryNetwork]) -> None:
        """Report to these; what the process lends us is taken for the first, and given back."""
        before, self._networks = self._networks, networks
        if networks and not before:
            for name in self._METHODS:
                setattr(socket.socket, name, self._stand_in(socket.socket, name))
            for name in self._LOOKUPS:
                setattr(socket, name, self._stand_in(socket, name))
            _resolver.redirect()
        elif before and not networks:
            for name in self._METHODS:
                delattr(socket.socket, name)
            for name in self._LOOKUPS:
                lookup = self._stand_ins[name]
                if getattr(socket, name) is lookup:  # and no mock that somebody still needs
                    setattr(socket, name, lookup.__wrapped__)
            _resolver.restore()

    def _stand_in(self, owner: Any, name: str) -> Any:
        """Return what watches a function as it is now."""
        original = getattr(owner, name)
        # A mock that was there when the last network was left has put ours back at its own end.
        while isinstance(original, FunctionType) and original.__dict__.get(_OURS):
            original = original.__dict__["__wrapped__"]
        made = self._stand_ins.get(name)
        if made is None or made.__wrapped__ is not original:
            addresses = self._LOOKUPS.get(name)
            made = (
                self._watched(original)
                if addresses is None
                else self._watched_lookup(original, addresses)
            )
            setattr(made, _OURS, True)
            self._stand_ins[name] = made
        return made

    def _living(self) -> list[MemoryNetwork]:
        # One that was never left has come to its end with its loop.
        return [network for network in self._networks if not network.loop.is_closed()]

    def _watched(self, original: Any) -> Callable[..., Any]:
        @functools.wraps(original)
        def method(sock: socket.socket, *args: Any) -> Any:
            self._look(sock, args[-1] if args else None)
            return original(sock, *args)

        return method

    def _watched_lookup(
        self, original: Any, addresses: Callable[[Any], Iterable[str]]
    ) -> Callable[..., Any]:
        @functools.wraps(original)
        def lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
            networks = self._note_lookup(host, *args[:1])
            found = original(host, *args, **kwargs)
            for network, name, port in networks:
                network.learn_real(name, port, addresses(found))
            return found

        return lookup

    def _note_lookup(
        self, host: Any, port: Any = None
    ) -> list[tuple[MemoryNetwork, str, int | None]]:
        """Record who asks the system for a name; return the networks that have declared it real."""
        name = _addresses.plain(host) if isinstance(host, (str, bytes)) else ""
        if not name or _addresses.literal(name) or _addresses.is_local_name(name):
            return []  # whoever connects there is seen when connecting
        number = port if isinstance(port, int) and port else None
        declared = []
        for network in self._concerned():
            if network.is_real(name, number):
                declared.append((network, name, number))
            else:
                loop = network.loop if self._runs_here(network) else None
                network.undeclared.append(Undeclared.here("real lookup", name, number, loop))
        return declared

    def _look(self, sock: socket.socket, address: Any) -> None:
        if sock.family not in (socket.AF_INET, socket.AF_INET6, getattr(socket, "AF_UNIX", -1)):
            return
        host, port = address[:2] if isinstance(address, tuple) else (address, None)
        if isinstance(host, bytes):
            host = host.decode(errors="replace")
        for network in self._concerned():
            if not network.is_real(host, port):
                loop = network.loop if self._runs_here(network) else None
                found = Undeclared.here("real connection", str(host), port, loop)
                network.undeclared.append(found)

    def _concerned(self) -> list[MemoryNetwork]:
        """Return whose loop runs in this thread, or all if none does."""
        networks = self._living()
        return [network for network in networks if self._runs_here(network)] or networks

    def _runs_here(self, network: MemoryNetwork) -> bool:
        return network.loop is asyncio._get_running_loop()


guard = _Guard()
