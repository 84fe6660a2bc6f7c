"""Sockets: which have somebody outside at their other end, and which of those owe us something.

Whoever is outside is told by the addresses: a connection whose two ends are watched by this loop
has nobody outside. What is owed is told by the kernel's count of bytes, on Linux.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._syscalls import kind_of_file, tcp_bytes_sent
from ._hold import Hold, time_now

if TYPE_CHECKING:
    from .._clock import VirtualClock

__unittest = True


class _Watched:
    """A file that the loop watches."""

    __slots__ = (
        "file",
        "is_external",
        "kind",
        "name",
        "pair",
        "seen",
        "sent",
        "shared",
        "since",
        "writing",
    )

    def __init__(self, key: selectors.SelectorKey, now: float) -> None:
        self.file = key.fd
        self.writing = bool(key.events & selectors.EVENT_WRITE)
        self.since = now
        self.seen = 0
        self.sent = 0
        self.kind = "file"
        self.pair: tuple[Any, Any] | None = None
        self.name: tuple[str, int] | None = None
        self.is_external = False
        self.shared = ""
        sock = _socket_of(key.fd)
        if sock is None:
            # The other end of a pipe may be with a child process; see Outside._shared().
            self.shared = kind_of_file(key.fd)
            self.is_external = self.shared.startswith("pipe:")
            return
        try:
            self._classify(sock)
        finally:
            sock.detach()

    def _classify(self, sock: socket.socket) -> None:
        try:
            listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError:
            listening = 0
        if listening:
            self.kind = "listening"
            return
        stream = sock.type == socket.SOCK_STREAM
        inet = sock.family in (socket.AF_INET, socket.AF_INET6)
        self.kind = ("tcp" if stream else "udp") if inet else "unix"
        try:
            peer = sock.getpeername()
        except OSError:
            # Not connected, or not yet: then somebody waits until it can be written to.
            self.is_external = self.writing
            if inet and not stream:
                self.name = sock.getsockname()[:2]
            return
        self.is_external = True
        if inet:
            self.pair = (sock.getsockname()[:2], peer[:2])
        elif _peer_is_this_process(sock):
            # Which may have given the other end to a child; its number can't be known.
            self.shared = "socket:"


class Sockets:
    """Sockets with something under way: an answer that is owed, a connection being made."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._watched: dict[int, _Watched] = {}
        # The pairs of addresses of every connection with an end in this loop. Kept for as long as
        # the loop lives: a transport that pauses reading is not watched for a while.
        self._pairs: dict[tuple[Any, Any], _Watched] = {}
        # The addresses at which sockets of this loop take datagrams from anybody.
        self._names: set[tuple[str, int]] = set()
        #: How many of the watched files may have somebody outside at their other end.
        self.external = 0

    def __len__(self) -> int:
        """Count the watched files, less the loop's own self-pipe."""
        return len(self._watched)

    def registered(self, key: selectors.SelectorKey) -> None:
        """Take note of a file that the loop begins to watch."""
        watched = _Watched(key, time_now())
        self._watched[key.fd] = watched
        if watched.name is not None:
            self._names.add(watched.name)
        if watched.pair is not None:
            self._pairs[watched.pair] = watched
            other = self._pairs.get(watched.pair[::-1])
            if other is not None:
                watched.is_external = False
                if other.is_external:
                    other.is_external = False
                    self.external -= self._watched.get(other.file) is other
        self.external += watched.is_external

    def disregard(self, fd: int) -> None:
        """Leave the loop's own self-pipe out of account."""
        self.external -= self._watched.pop(fd).is_external

    def modified(self, key: selectors.SelectorKey) -> None:
        """Take note that the loop watches a file for other events."""
        self.unregistered(key)
        self.registered(key)

    def unregistered(self, key: selectors.SelectorKey) -> None:
        """Take note that a file is no longer watched."""
        watched = self._watched.pop(key.fd, None)
        if watched is not None:
            self.external -= watched.is_external

    def input(self, events: list[Any]) -> None:
        """Take note that something has come."""
        if self.external:
            now = time_now()
            for key, _ in events:
                watched = self._watched.get(key.fd)
                if watched is not None and watched.is_external:
                    watched.since = now
                    watched.seen += 1
                    watched.sent = self._bytes_sent(watched) or 0

    def has_pair(self, fd: int) -> bool:
        """Tell whether the other end of a socket of another thread is watched by this loop."""
        sock = _socket_of(fd)
        if sock is None:
            return False
        try:
            return (sock.getpeername()[:2], sock.getsockname()[:2]) in self._pairs
        except (OSError, TypeError):
            return False
        finally:
            sock.detach()

    def holds(self) -> Iterator[Hold]:
        """Yield what is under way."""
        grace, patience = self._clock.grace, self._clock.patience
        for fd, watched in list(self._watched.items()):
            if not watched.is_external or watched.shared:
                continue
            if watched.kind == "udp" and self._reaches_us(watched):
                watched.is_external = False
                self.external -= 1
                continue
            if self._clock._is_background(File(fd)):
                continue
            name = f"a {watched.kind} connection to {_address(watched)}"
            key = ("socket", fd, watched.seen, watched.since)
            if watched.writing:
                yield Hold(key, f"{name}, which can't be written to", patience, rings=True)
            elif self._owes_answer(watched):
                sent = self._bytes_sent(watched)
                yield Hold((*key, sent), f"{name}, which owes an answer", patience, rings=True)
            else:
                # The rest of an answer, or a greeting, may be on its way.
                yield Hold(key, name, grace, is_guess=True, rings=True)

    def shared(self) -> list[_Watched]:
        """Return the pipes and pairs whose other end may be with a child process."""
        return [watched for watched in self._watched.values() if watched.shared]

    def _reaches_us(self, watched: _Watched) -> bool:
        if watched.pair is None:
            return False
        peer = watched.pair[1]
        return any(name in self._names for name in (peer, ("0.0.0.0", peer[1]), ("::", peer[1])))

    def _owes_answer(self, watched: _Watched) -> bool:
        if watched.kind == "udp":
            return watched.seen == 0
        return watched.kind == "tcp" and (self._bytes_sent(watched) or 0) > watched.sent

    def _bytes_sent(self, watched: _Watched) -> int | None:
        sock = _socket_of(watched.file) if watched.kind == "tcp" else None
        if sock is None:
            return None
        try:
            return tcp_bytes_sent(sock)
        finally:
            sock.detach()


class File:
    """A file descriptor, for a look into the clock's list of background things."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd


def _socket_of(fd: int) -> socket.socket | None:
    """Return a socket object for *fd*, to be detached after use, or ``None`` if it is no socket."""
    try:
        return socket.socket(fileno=fd)
    except OSError:
        return None


def _peer_is_this_process(sock: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return False
    try:
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except OSError:
        return False
    return int.from_bytes(credentials[:4], sys.byteorder) == os.getpid()


def _address(watched: _Watched) -> str:
    if watched.pair is None:
        return f"file {watched.file}"
    host, port = watched.pair[1]
    return f"{host}:{port}"
