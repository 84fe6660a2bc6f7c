"""Threads that may call the loop back: which are at work, and which can only be woken by us."""

from __future__ import annotations

import _thread
import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import _internals
from .._syscalls import (
    Rest,
    has_children,
    kind_of_file,
    listened_files,
    rest_of_thread,
    sleeps_of_thread,
    writers_at_work,
)
from ._hold import Hold
from ._sockets import Sockets

if TYPE_CHECKING:
    from .._clock import VirtualClock

__unittest = True

# Threads with such names never wake a loop by their own will.
_OURS = ("asynctesting-",)
# The workers of a loop's default executor are called so, ours and the stock ones alike.
_DEFAULT_POOL = "asyncio_"

_RUNNING, _STARTING = _internals.thread_tables()
# How many threads there are beside the main one; enumerating them takes a lock and a list.
thread_count = getattr(_thread, "_count", lambda: 1)


class Threads:
    """Threads that may call the loop back.

    Args:
        clock: The clock that knows which are background, if there is one.
        sockets: The sockets of the loop, if somebody keeps account of them.
        elders: Threads that belong to somebody else; see :func:`restless_threads`.
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
        self._accounted_for = _OURS if clock is None else _OURS + _internals.CHILD_WATCHERS
        #: How often a thread has called the loop.
        self.calls = 0
        self._known: list[threading.Thread] = []
        self._foreign: list[threading.Thread] = []

    def foreign(self) -> list[threading.Thread]:
        """Return the living threads that were started since, less those of the house."""
        known = [*_RUNNING.values()]
        if _STARTING or known != self._known:
            known = self._known = threading.enumerate()
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
        """Return what *thread* is doing; one that reads what we write counts as parked.

        One that listens to child processes is at work as long as one of them is.
        """
        rest, fd = rest_of_thread(thread.native_id)
        if rest is Rest.LISTENING and has_children():
            kinds = [kind_of_file(file) for file in listened_files(thread.native_id)]
            pipes = tuple(kind for kind in kinds if kind.startswith("pipe:"))
            # As the thread of a ProcessPoolExecutor does, which tells us what its workers return.
            return Rest.BUSY if pipes and writers_at_work(pipes, self._is_background) else rest
        if rest is not Rest.READING:
            return rest
        if self._sockets is not None and self._sockets.has_pair(fd):
            return Rest.PARKED
        kind = kind_of_file(fd)
        if fd != 0 and kind.startswith("pipe:") and not writers_at_work(kind, self._is_background):
            return Rest.PARKED  # as the threads of a multiprocessing.Pool without a job
        return Rest.BUSY

    def _is_background(self, pid: int) -> bool:
        return self._clock is not None and self._clock._is_background(Process(pid))

    def holds(self, grace: float, patience: float) -> Iterator[Hold]:
        """Yield the threads that are at work."""
        # The jobs of the default pool are kept account of.
        threads = [t for t in self.foreign() if not t.name.startswith(_DEFAULT_POOL)]
        # One that was seen at rest may have been woken by the next one before that went to rest.
        several = len(threads) > 1
        before = [sleeps_of_thread(t.native_id) for t in threads] if several else []
        rests = [self.rest(t) for t in threads]
        if several and all(rest is Rest.PARKED for rest in rests):
            after = [sleeps_of_thread(t.native_id) for t in threads]
            rests = [
                rest if was is not None and was == now else Rest.BUSY
                for rest, was, now in zip(rests, before, after, strict=True)
            ]
        for thread, rest in zip(threads, rests, strict=True):
            # Not by its identity, which the next thread may get, and its patience with it.
            key = ("thread", thread.native_id, rest)
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


def restless_threads() -> weakref.WeakSet[threading.Thread]:
    """Return the threads that go on by themselves now, or of which that can't be known.

    They belong to a runner, a plugin or a library. A thread that rests now, such as a worker of a
    pool without a job, is another matter: when it is at work later, the test has given it work.
    """
    own = threading.get_ident()
    return weakref.WeakSet(
        t
        for t in threading.enumerate()
        if t.ident == own
        or t.name.startswith(_OURS)
        or rest_of_thread(t.native_id)[0] is not Rest.PARKED
    )


class Process:
    """A process, for a look into the clock's list of background things."""

    def __init__(self, pid: int) -> None:
        self.pid = pid


def _is_pool_thread(thread: threading.Thread) -> bool:
    # Where the kernel tells nothing: a pool's thread without a job, whose jobs are counted anyway.
    return thread.name.startswith("ThreadPoolExecutor-")
