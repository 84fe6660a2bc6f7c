"""A blocked loop: a step that sleeps where it should have awaited, found while it sleeps.

The watchdog's thread looks at the thread of a test from time to time. Linux tells of each thread
whether it sleeps and how often it has gone to sleep of its own will. Asleep at two looks, and not
woken in between: then it has slept for all that time, whatever else the machine was busy with. A
thread that waits for a processor does not sleep, and one that waits for the interpreter's lock
wakes every few milliseconds, so a busy neighbour is no finding. The stack of a thread that sleeps
can't change, so its line is the line.

Invariants: a test that does not sleep pays nothing for this, and neither does a turn of a loop;
frames are held only of a thread that sleeps; no descriptor is opened while a test runs, for that
would be a leak in the eyes of another check.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import subprocess
import sys
import threading
import time

from .. import _internals, _watchdog
from .._report import Place, is_plumbing, stack_lines
from .._syscalls import is_writing
from . import hooks

__unittest = True

#: Real seconds between two looks. What sleeps for twice as long is found for certain.
EVERY = 0.01
# How much of a file of the kernel's is read: all of it.
_ENOUGH = 4096
#: How many looks without any test end the looking, until the next test begins.
_IDLE_LOOKS = 100

_now = (time.monotonic,)  # in a tuple, where no patch of a test finds it
_HANDLE_RUN = asyncio.Handle._run.__code__
_RUN_ONCE = asyncio.BaseEventLoop._run_once.__code__  # type: ignore[attr-defined]
_ASYNCIO = os.path.join(os.path.dirname(asyncio.__file__), "")
_OWN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_LOGGING = os.path.join(os.path.dirname(logging.__file__), "")
# A thread or a process that is started is waited for until it has begun, and it may be a busy
# neighbour that it begins late.
_STARTS = {threading.Thread.start.__code__, subprocess.Popen._execute_child.__code__}  # type: ignore[attr-defined]
_PACKAGES = ("site-packages", "dist-packages")
_SLEEPS = re.compile(rb"^State:\tS.*^Pid:\t(\d+)$.*^voluntary_ctxt_switches:\t(\d+)$", re.M | re.S)


class _Watched:
    """A thread that runs tests, and what is known of its present sleep."""

    __slots__ = ("_call", "_status", "asleep_since", "native_id", "place", "sleep")

    def __init__(self) -> None:
        self.native_id = threading.get_native_id()
        self._status = self._open("status")
        if b"\nvoluntary_ctxt_switches:" not in os.pread(self._status, _ENOUGH, 0):
            self.close()
            raise OSError("the number of sleeps is not told")
        try:
            self._call = self._open("syscall")
        except OSError:
            self._call = -1
        #: The number of its present sleep, -1 while it is awake.
        self.sleep = -1
        self.asleep_since = 0.0
        #: Where it sleeps; ``None`` where that is no concern of ours.
        self.place: Place | None = None

    def _open(self, name: str) -> int:
        return os.open(f"/proc/self/task/{self.native_id}/{name}", os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> int:
        """Return the number of the sleep that the thread is in, -1 if it is awake.

        Raises:
            OSError: If the thread has ended, or somebody has closed our file.
        """
        found = _SLEEPS.search(os.pread(self._status, _ENOUGH, 0))
        if found is None or int(found[1]) != self.native_id:
            return -1
        return int(found[2])

    def is_writing(self) -> bool:
        """Tell whether the thread waits until it can write, as far as the kernel says so."""
        try:
            return is_writing(os.pread(self._call, _ENOUGH, 0).decode("ascii"))
        except (OSError, UnicodeDecodeError):
            return False

    def close(self) -> None:
        """Close the files, unless their numbers belong to other ones by now."""
        for fd in (self._status, getattr(self, "_call", -1)):
            with contextlib.suppress(OSError):
                if f"/task/{self.native_id}/" in os.readlink(f"/proc/self/fd/{fd}"):
                    os.close(fd)


_watched: dict[int, _Watched] = {}
_idle = 0


def look_out() -> None:
    """Have an eye on this thread, which is about to run a test."""
    me = threading.get_ident()
    if me not in _watched and not _begin_to_watch(me):
        return
    if not _watchdog.has_errand():
        _watchdog.send(_look, EVERY)


def _begin_to_watch(me: int) -> bool:
    try:
        _watched[me] = _Watched()
    except OSError:
        hooks.tell_not_checked(
            "blocking", ": this system does not tell whether a thread sleeps, as Linux does"
        )
        return False
    return True


# By the watchdog's thread ------------------------------------------------------------------------


def _look() -> bool:
    """Look at each thread that runs a test; tell whether to come again."""
    global _idle
    listeners = hooks.current.copy()
    _idle = 0 if listeners else _idle + 1
    # A thread that waits for the interpreter's lock wakes at this interval.
    if 2 * sys.getswitchinterval() <= EVERY + 1e-9:
        for thread_id, listener in listeners.items():
            watched = _watched.get(thread_id)
            if watched is not None:
                _look_at(thread_id, watched, listener)
    return _idle < _IDLE_LOOKS


def _look_at(thread_id: int, watched: _Watched, listener: hooks.Listener) -> None:
    try:
        sleep = watched.read()
        now = _now[0]()
        if sleep < 0 or sleep != watched.sleep:
            watched.sleep, watched.asleep_since, watched.place = sleep, now, _UNKNOWN
            return
        if watched.place is _UNKNOWN:
            place = _place_of(thread_id, watched)
            if watched.read() != sleep:
                return  # it woke up meanwhile, so the line may be another one's
            watched.place = place
    except OSError:
        _watched.pop(thread_id, None)
        watched.close()
        return
    if watched.place is not None:
        listener.on_blocked(watched.place, now - watched.asleep_since)


_UNKNOWN = Place("", 0, "")


def _place_of(thread_id: int, watched: _Watched) -> Place | None:
    """Return the line that blocks the loop, if the thread sleeps in a step of one."""
    place = _blocking_line(thread_id)
    if place is None or watched.is_writing():
        return None  # what is printed waits for its reader, who may be a busy neighbour
    return None if _internals.active_debugger(thread_id) else place


def _blocking_line(thread_id: int) -> Place | None:
    """Return the user's innermost line below a step; none where asyncio or we have called in."""
    lines = stack_lines(sys._current_frames().get(thread_id))
    found: Place | None = None
    for code, line in reversed(lines):
        file = code.co_filename
        if code is _RUN_ONCE:
            return None
        # A loop of another make has no frames of its own: there a step stands on what drives it.
        if code is _HANDLE_RUN or (code.co_name == "_drive" and file.startswith(_OWN)):
            return found
        if found is None and (code in _STARTS or file.startswith((_ASYNCIO, _OWN, _LOGGING))):
            return None
        # A line of the project says more than one of a library that it calls.
        if not is_plumbing(file) and (
            found is None or (_is_installed(found.file) and not _is_installed(file))
        ):
            found = Place(file, line, code.co_qualname)
    return None


def _is_installed(file: str) -> bool:
    return any(name in file for name in _PACKAGES)


def _forget_after_fork() -> None:
    for watched in _watched.values():
        watched.close()
    _watched.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
