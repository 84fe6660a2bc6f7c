"""What belongs to the whole process: threads, descriptors, signal handlers and the like.

Each is compared with what was there when the test began. What is dear to list is gated by what is
cheap to ask: the lowest free descriptor, the list of threads.
Invariant: a process that a test leaves as it found it costs a few microseconds to compare.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from .. import _internals
from .._executor import DaemonExecutor
from .._kinds import Finding, Policy
from .._report import definition
from .survivors import Found
from .things import PROCESS, describe_process, describe_thread

__unittest = True

#: Real seconds that a thread gets which is about to end, once for all of them.
_GRACE = 0.1
_FOLDER = next((path for path in ("/proc/self/fd", "/dev/fd") if os.path.isdir(path)), None)
#: Milliseconds at least that a thread of the house gets to close what tests have handed to it.
_TURNS_TO_CLOSE = 1000
# Threads that belong to nobody's test, or to a process that is told of as such.
_OF_THE_HOUSE = (
    "asynctesting-",
    "pytest_timeout",
    "execnet",
    "pydevd",
    "tqdm",
    *_internals.CHILD_WATCHERS,
)
# Modules whose threads live as long as the process, and close what a test has closed already:
# aiodns gives its channels to one of pycares, which takes their descriptors away a little later.
_CLOSERS = frozenset({"pycares"})


class Snapshot:
    """The state of the process when a test began."""

    __slots__ = ("_children", "_gate", "_opt_in", "_policy", "_signals", "_threads")

    def __init__(self, policy: Policy) -> None:
        self._threads = _internals.living_threads()
        self._signals = _handlers()
        self._policy = _internals.policy_or_none()
        self._gate = _table.glance()
        self._children = _children() if "multiprocessing.process" in sys.modules else set()
        self._opt_in = _opt_ins(policy) if policy.levels else []

    def is_old(self, thread: threading.Thread) -> bool:
        """Tell whether *thread* was there when the test began."""
        return thread in self._threads

    def note_inner(self) -> None:
        """Take over what a test inside of this one has answered for."""
        self._threads = _internals.living_threads()
        self._gate = _table.glance()

    def changes(self, *, shared_loop: bool) -> Iterator[Found]:
        """Yield what is different now.

        Args:
            shared_loop: Whether the test's loop lives on, with fixtures that may open and start
                things whenever they like.
        """
        if _internals.living_threads() != self._threads:
            yield from self._new_threads(shared_loop)
        if _handlers() != self._signals:
            yield from self._changed_signals()
        policy = _internals.policy_or_none()
        if policy is not self._policy and self._policy is not None:
            text = f"the event loop policy is now {policy!r}"
            yield Found(policy, Finding("loops", "policy", text))
        if "multiprocessing.process" in sys.modules:
            yield from _new_children(self._children)
        if not shared_loop and _table.lowest_free() != self._gate:
            yield from _table.new_files()
        for look in self._opt_in:
            yield from look()

    def _new_threads(self, shared_loop: bool) -> Iterator[Found]:
        grace = _GRACE
        for thread in _internals.living_threads():
            if self.is_old(thread) or not _is_somebodys(thread, shared_loop):
                continue
            if grace:
                thread.join(grace)
                grace = 0.0
            if thread.is_alive():
                name, text = describe_thread(thread)
                yield Found(thread, Finding("threads", name, text), (("thread", id(thread)),))

    def _changed_signals(self) -> Iterator[Found]:
        now = _handlers()
        if now is None or self._signals is None:
            return
        for number, before, after in zip(
            _internals.HANDLED_SIGNALS, self._signals, now, strict=True
        ):
            if before is not after and before != after and not _is_debuggers(after):
                name = signal.Signals(number).name
                where = f" at  {definition(after)}" if hasattr(after, "__code__") else ""
                text = f"the handler of {name} is now {_handler_name(after)}{where}"
                yield Found(after, Finding("signals", name, text))


def _handlers() -> list[Any] | None:
    return _internals.signal_handlers()


def _is_debuggers(handler: Any) -> bool:
    """Tell whether a debugger has set *handler*, as pdb does where somebody steps on."""
    module = str(getattr(handler, "__module__", ""))
    return module.partition(".")[0] in _internals.DEBUGGERS


def _handler_name(handler: Any) -> str:
    if isinstance(handler, int) or handler is None:
        return {0: "the default", 1: "to ignore it"}.get(handler or 0, repr(handler))
    return str(getattr(handler, "__qualname__", repr(handler)))


# Threads ---------------------------------------------------------------------------------------


def _is_somebodys(thread: threading.Thread, shared_loop: bool) -> bool:
    """Tell whether a new thread may be a test's leak, and not its loop's or the house's."""
    if thread.name.startswith(_OF_THE_HOUSE) or isinstance(thread, threading._DummyThread):
        return False
    if _is_closer(thread) or (shared_loop and not _is_plain(thread)):
        return False
    # A pool is told of as such, if the test has made it; the threads of an older one come and go.
    pools = sys.modules.get("concurrent.futures.thread")
    if thread in getattr(pools, "_threads_queues", ()):
        return False
    # Those of a loop's own executor end with it.
    return not isinstance(
        getattr(getattr(thread, "_target", None), "__self__", None), DaemonExecutor
    )


def _is_closer(thread: threading.Thread) -> bool:
    return getattr(getattr(thread, "_target", None), "__module__", None) in _CLOSERS


def _is_plain(thread: threading.Thread) -> bool:
    return thread.daemon is False


def _children() -> set[Any]:
    module = sys.modules.get("multiprocessing.process")
    return set(getattr(module, "_children", ()))


def _new_children(before: set[Any]) -> Iterator[Found]:
    for process in sorted(_children() - before, key=lambda process: process.name):
        if process.is_alive():
            _, text = describe_process(process.pid, None)
            # A pool that is older than the test may start one whenever it likes.
            finding = Finding("processes", process.name, f"{text} ({process.name})", level="warn")
            # Its pipes go with it: they are closed when its end is heard of.
            fds = [("fd", fd) for fd in _internals.fds_of_child(process)]
            yield Found(process, finding, (("pid", process.pid), *fds))


# Descriptors -----------------------------------------------------------------------------------


class _Table:
    """The process's open descriptors.

    Whoever leaves one open moves the lowest free number, or takes a place that somebody else has
    freed meanwhile. So a look at that number stands for a look at all of them.
    """

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._gate = -2

    def lowest_free(self) -> int:
        """Return the lowest free descriptor, or -1 where there is no way to tell."""
        if _FOLDER is None:
            return -1
        try:
            fd = os.dup(2)
        except OSError:  # there is no stderr, or no number left
            return -1
        os.close(fd)
        return fd

    def glance(self) -> int:
        """Return the lowest free descriptor; know which ones are open."""
        free = self.lowest_free()
        if free != self._gate:
            self._gate = free
            # The listing itself opens a descriptor, which gets that very number.
            self._known = _listing() - {free}
        return free

    def new_files(self) -> Iterator[Found]:
        """Yield the descriptors that were not open at the last glance."""
        new = sorted(self._new() - _internals.fds_of_multiprocessing())
        self._gate = -2
        for fd in new:
            try:
                target = os.readlink(f"{_FOLDER}/{fd}")
            except OSError:  # the listing's own, or closed meanwhile
                continue
            # "pipe:[4711]", "anon_inode:[pidfd]", or a path
            kind, bracket, rest = target.partition(":[")
            name = target if not bracket else rest.strip("]") if kind == "anon_inode" else kind
            text = f"descriptor {fd} is still open: {target}"
            # By these one speaks with a process, and hears of its end.
            keys = (PROCESS,) if name in ("pipe", "socket", "pidfd") else ()
            yield Found(None, Finding("files", name, text), (("fd", fd), *keys))

    def _new(self) -> set[int]:
        """Return what is new, once those who close things in the background had time to."""
        waits = any(map(_is_closer, _internals.living_threads()))
        # Counted and not timed: the test may have replaced the clock.
        for left in reversed(range(_TURNS_TO_CLOSE if waits else 1)):
            # The listing itself opens a descriptor, which gets the lowest number.
            new = _listing() - self._known - {self.lowest_free()}
            if not new or not left:
                break
            time.sleep(0.001)
        return new

    def forget(self) -> None:
        """Look at all descriptors again at the next glance."""
        self._gate = -2


def _listing() -> set[int]:
    if _FOLDER is None:
        return set()
    try:
        return {int(name) for name in os.listdir(_FOLDER)}
    except OSError:
        return set()


_table = _Table()
forget_files = _table.forget


# On request ------------------------------------------------------------------------------------


def _opt_ins(policy: Policy) -> list[Any]:
    kinds = {"environ": _watch_environ, "modules": _watch_modules, "logging": _watch_logging}
    return [watch() for kind, watch in kinds.items() if policy.level(kind) != "off"]


def _watch_environ() -> Any:
    before = dict(os.environ)

    def look() -> Iterator[Found]:
        now = dict(os.environ)
        # Runners write there which test is running.
        for name in sorted(set(before) ^ set(now) | {n for n in now if before.get(n) != now[n]}):
            if name != "PYTEST_CURRENT_TEST":
                how = "removed" if name not in now else "set" if name not in before else "changed"
                text = f"environment variable {name} was {how}"
                yield Found(None, Finding("environ", name, text))

    return look


def _watch_modules() -> Any:
    before = dict(sys.modules)

    def look() -> Iterator[Found]:
        for name, module in list(sys.modules.items()):
            if before.get(name) is not module:
                how = "replaced" if name in before else "imported"
                yield Found(None, Finding("modules", name, f"module {name} was {how}"))
        for name in before:
            if name not in sys.modules:
                yield Found(None, Finding("modules", name, f"module {name} was removed"))

    return look


def _watch_logging() -> Any:
    import logging

    def state() -> dict[str, tuple[int, bool, tuple[Any, ...]]]:
        loggers = [logging.root, *logging.root.manager.loggerDict.values()]
        return {
            logger.name: (logger.level, logger.disabled, tuple(logger.handlers))
            for logger in loggers
            if isinstance(logger, logging.Logger)
        }

    before = state()
    fresh = (logging.NOTSET, False, ())

    def look() -> Iterator[Found]:
        for name, now in state().items():
            was = before.get(name, fresh)
            what = [
                word
                for word, a, b in zip(("level", "disabled", "handlers"), was, now, strict=True)
                if a != b
            ]
            if what:
                text = f"logger {name!r} has another {' and '.join(what)}"
                yield Found(None, Finding("logging", name, text))

    return look
