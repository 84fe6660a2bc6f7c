"""What goes on outside the loop: real work that a virtual clock must not overtake.

One small detector per kind of work: executor jobs, processes, sockets, threads, signals. Each
yields a :class:`Hold` for what is under way now. :class:`Outside` asks them all when the loop has
nothing to run, and answers how long to wait in real time before asking again.

Three degrees of certainty. Work that is sure to end (a job, a process) holds the clock until it
does. Work that may never end (a server that owes an answer, a thread that computes) holds it for
``clock.patience`` real seconds, and a :exc:`GraceWarning` says when they ran out. Where nothing can
be known (a connection on which a greeting may come) the clock waits ``clock.grace``, in silence.

What only we can wake never holds the clock: a thread that waits for a lock, a socket whose other
end is in this loop, a process that reads what the test writes to it.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import os
import selectors
import signal
import socket
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._executor import _name as job_name
from ._syscalls import (
    Rest,
    boot_time,
    children_since,
    rest_of_thread,
    tcp_bytes_sent,
    waits_for_its_input,
)
from .errors import GraceWarning

if TYPE_CHECKING:
    from ._clock import VirtualClock
    from ._loop import LazyEventLoop

__unittest = True

# Threads with such names never wake a loop by their own will.
_OURS = ("asynctesting-",)
# In such threads asyncio of Python 3.11 waits for subprocesses.
_CHILD_WATCHERS = ("asyncio-waitpid-", "waitpid-")
# The workers of a loop's default executor are called so, ours and the stock ones alike.
_DEFAULT_POOL = "asyncio_"

# How many threads there are beside the main one; enumerating them takes a lock and a list.
thread_count = getattr(_thread, "_count", lambda: 1)

# How long to wait before looking again at something that rings no bell when it changes.
_FIRST_LOOK = 0.0005
_LAST_LOOK = 0.02


@dataclass(frozen=True, slots=True)
class Hold:
    """Something under way that holds the clock.

    Attributes:
        key: The same for the same thing in the same state; a change renews its patience.
        what: What it is, in a few words.
        limit: After how many real seconds it no longer holds the clock; ``None`` for never.
        is_guess: Whether the limit is a grace period, about which nothing is said.
        rings: Whether its end wakes the loop, so that nobody has to look again before.
    """

    key: object
    what: str
    limit: float | None = None
    is_guess: bool = False
    rings: bool = False


class Jobs:
    """Executor jobs: they hold the clock until their future is done."""

    def __init__(self, outside: Outside) -> None:
        self.pending: dict[asyncio.Future[Any], str] = {}
        self._outside = outside

    def began(self, future: asyncio.Future[Any], function: Any) -> None:
        """Take note of a job that was submitted."""
        self.pending[future] = job_name(function, ())
        self._outside.stirring += 1
        future.add_done_callback(self._ended)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        if self.pending.pop(future, None) is not None:
            self._outside.stirring -= 1


class Processes:
    """Subprocesses: they hold the clock until their exit status is known."""

    def __init__(self, outside: Outside) -> None:
        self.running: list[asyncio.SubprocessTransport] = []
        self._outside = outside

    def began(self, transport: asyncio.SubprocessTransport) -> None:
        """Take note of a process that was started."""
        self.running.append(transport)
        self._outside.stirring += 1

    def alive(self) -> list[asyncio.SubprocessTransport]:
        """Return the processes whose exit status is not known yet."""
        alive = [t for t in self.running if t.get_returncode() is None and not t.is_closing()]
        self._outside.stirring -= len(self.running) - len(alive)
        self.running = alive
        return alive


class _Watched:
    """A file that the loop watches."""

    __slots__ = ("file", "is_external", "kind", "name", "pair", "seen", "sent", "since", "writing")

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
        sock = _socket_of(key.fd)
        if sock is None:
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
            self.is_external = False


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
        self._watched.pop(fd, None)

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
            if not watched.is_external:
                continue
            if watched.kind == "udp" and self._reaches_us(watched):
                watched.is_external = False
                self.external -= 1
                continue
            if self._clock._is_background(_File(fd)):
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


class Threads:
    """Threads that may call the loop back.

    Args:
        clock: The clock that knows which are background, if there is one.
        sockets: The sockets of the loop, if somebody keeps account of them.
        elders: Threads that belong to somebody else: those that were there before.
    """

    def __init__(
        self,
        clock: VirtualClock | None,
        sockets: Sockets | None,
        elders: weakref.WeakSet[threading.Thread],
    ) -> None:
        self._clock = clock
        self._sockets = sockets
        self._elders = elders
        # With a virtual clock the processes themselves are kept account of.
        self._accounted_for = _OURS if clock is None else _OURS + _CHILD_WATCHERS
        #: How often a thread has called the loop.
        self.calls = 0
        self._known: list[threading.Thread] = []
        self._foreign: list[threading.Thread] = []

    def foreign(self) -> list[threading.Thread]:
        """Return the living threads that were started since, less those of the house."""
        known = threading.enumerate()
        if known != self._known:
            self._known = known
            own = threading.get_ident()
            self._foreign = [
                t
                for t in known
                if t.ident != own
                and t not in self._elders
                and not t.name.startswith(self._accounted_for)
                and not isinstance(t, threading._DummyThread)
            ]
        if self._foreign and self._clock is not None and self._clock._background:
            return [t for t in self._foreign if not self._clock._is_background(t)]
        return self._foreign

    def rest(self, thread: threading.Thread) -> Rest:
        """Return what *thread* is doing; one that reads what we write counts as parked."""
        rest, fd = rest_of_thread(thread.native_id)
        if rest is not Rest.READING:
            return rest
        if self._sockets is not None and self._sockets.has_pair(fd):
            return Rest.PARKED
        return Rest.BUSY

    def holds(self, grace: float, patience: float) -> Iterator[Hold]:
        """Yield the threads that are at work."""
        for thread in self.foreign():
            if thread.name.startswith(_DEFAULT_POOL):
                continue  # its jobs are kept account of
            rest = self.rest(thread)
            key = ("thread", thread.ident, rest)
            if rest is Rest.BUSY:
                yield Hold(key, f"thread {thread.name!r}, which is at work", patience)
            elif rest is Rest.LISTENING:
                yield Hold(key, f"thread {thread.name!r}", grace, is_guess=True)
            elif rest is Rest.UNKNOWN and not _is_pool_thread(thread):
                # It may be at work or at rest; each of its calls shows that it was not at rest.
                yield Hold((*key, self.calls), f"thread {thread.name!r}", grace, is_guess=True)

    def can_go_on(self) -> bool:
        """Tell whether any of them can go on without us."""
        return any(self.rest(t) is not Rest.PARKED for t in self.foreign())


class Outside:
    """All that goes on outside a loop with a virtual clock, and for how long it was waited for."""

    def __init__(self, loop: LazyEventLoop, clock: VirtualClock) -> None:
        self._loop = loop
        self._clock = clock
        #: How many jobs, processes and the like there are, sockets and threads left out.
        self.stirring = 0
        self.jobs = Jobs(self)
        self.processes = Processes(self)
        self.sockets = Sockets(clock)
        self.threads = Threads(clock, self.sockets, weakref.WeakSet(threading.enumerate()))
        self._counted: list[str] = []
        self._born = boot_time()
        # Since when each thing has held the clock, and what has lost its right to.
        self._since: dict[object, float] = {}
        self._spent: set[object] = set()
        self._look = _FIRST_LOOK

    @contextlib.contextmanager
    def counting(self, what: str) -> Iterator[None]:
        """Have the clock stand still inside."""
        self._counted.append(what)
        self.stirring += 1
        try:
            yield
        finally:
            self._counted.remove(what)
            self.stirring -= 1

    def is_quiet(self) -> bool:
        """Tell, in next to no time, that nothing outside of this thread can be at work."""
        return not (
            self.stirring
            or self.sockets.external
            or (thread_count() and self.threads.foreign())
            or getattr(self._loop, "_signal_handlers", None)
        )

    def holds(self) -> list[Hold]:
        """Return all that is under way, whether it has lost its right to hold the clock or not."""
        clock = self._clock
        threads = list(self.threads.holds(clock.grace, clock.patience))
        found = list(self.sockets.holds())
        found += self._jobs(threads)
        found += threads
        found += [Hold(what, f"the {what}") for what in self._counted]
        for transport in self.processes.alive():
            pid = transport.get_pid()
            if not clock._is_background(transport) and not waits_for_its_input(pid):
                found.append(Hold(("pid", pid), f"subprocess {pid}"))
        if getattr(self._loop, "_signal_handlers", None):
            found += self._signals()
        return found

    def _signals(self) -> Iterator[Hold]:
        """Yield what may send a signal to a handler of the loop."""
        if signal.getitimer(signal.ITIMER_REAL)[0] > 0:
            yield Hold("alarm", "a signal that setitimer() has ordered")
        known = {transport.get_pid() for transport in self.processes.running}
        for pid in children_since(self._born):
            if pid not in known and not self._clock._is_background(_Process(pid)):
                what = f"child process {pid}, which may send a signal"
                yield Hold(("child", pid), what, self._clock.patience)

    def _jobs(self, threads: list[Hold]) -> Iterator[Hold]:
        """Yield the jobs, unless every thread there is waits for another one."""
        clock = self._clock
        jobs = [(f, n) for f, n in self.jobs.pending.items() if not clock._is_background(f)]
        if not jobs:
            return
        stuck = not threads and self.threads.foreign() and not self.threads.can_go_on()
        for future, name in jobs:
            if stuck:
                # Seen at rest once, a thread may be about to run; for a while, it is not.
                yield Hold(("stuck", id(future)), name, clock.grace, is_guess=True)
            else:
                yield Hold(("job", id(future)), f"executor job {name}")

    def wait(self) -> float | None:
        """Return how long to wait in real seconds before asking again, or ``None`` for not at all.

        What has been waited for in vain no longer counts until it changes; where that is a loss,
        a :exc:`GraceWarning` is given.
        """
        now = time_now()
        nearest = None
        holds = self.holds()
        keys = {hold.key for hold in holds}
        self._since = {key: since for key, since in self._since.items() if key in keys}
        self._spent &= keys
        look = False
        for hold in holds:
            since = self._since.setdefault(hold.key, now)
            if hold.key in self._spent:
                continue
            left = _LAST_LOOK if hold.limit is None else since + hold.limit - now
            if left <= 0:
                self._spent.add(hold.key)
                if not hold.is_guess and hold.limit is not None:
                    self._warn(hold.what, hold.limit)
                continue
            look = look or not hold.rings
            nearest = left if nearest is None else min(nearest, left)
        if nearest is None:
            self._look = _FIRST_LOOK
            return None
        if look:
            self._look = min(self._look * 1.5, _LAST_LOOK)
            return min(nearest, self._look)
        return nearest

    def _warn(self, what: str, seconds: float) -> None:
        try:
            warnings.warn(
                f"The virtual clock stood still for {seconds:g} real seconds because of {what}, "
                "and goes on now. A timeout that fires may be a false one. What is meant to go on "
                "beside the test, give to clock.background(...); for what needs longer, raise "
                "clock.patience, or use clock.hold()",
                GraceWarning,
                stacklevel=2,
            )
        except GraceWarning as error:  # warnings are errors here
            self._loop.fail_stuck(error)

    def can_wake(self) -> list[str]:
        """Name everything outside that could still wake the loop."""
        found = [f"{len(self.sockets)} watched files"] * bool(self.sockets)
        found += self._counted
        found += [f"subprocess {t.get_pid()}" for t in self.processes.alive()]
        found += ["signal handlers"] * bool(getattr(self._loop, "_signal_handlers", None))
        if self.threads.can_go_on():
            found.append("threads")
        return found


def time_now() -> float:
    """Return real seconds, whatever a test has made of ``time.monotonic``."""
    return _Real.monotonic()


class _Real:
    # An attribute of a class: freezegun replaces what it finds as names of modules.
    monotonic = staticmethod(time.monotonic)


class _Process:
    """A process, for the same."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


class _File:
    """A file descriptor, for a look into the clock's list of background things."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd


def _is_pool_thread(thread: threading.Thread) -> bool:
    # Where the kernel tells nothing: a pool's thread without a job, whose jobs are counted anyway.
    return thread.name.startswith("ThreadPoolExecutor-")


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
