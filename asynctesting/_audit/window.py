"""The window of a test: what it has made, and nothing of what was there before.

``gc.freeze()`` before the test puts everything there is out of the collector's sight, so a full
collection after it costs what the test has made and not what the process holds, and whatever is
found belongs to this test. What the collection leaves is the list of its survivors.

Invariants: between two tests everything is in sight, and from time to time it is collected there,
for a small part of the run's time, since the collector no longer does that by itself; where several
threads have windows open, none of them can tell what is whose, and none of them looks.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from typing import Any

__unittest = True

#: A look at everything may take this part of the run's time.
_SHARE = 0.02
#: How many windows are opened before the time is looked at.
_TURNS = 64

#: Whether the interpreter has what a window needs; PyPy has not.
works = hasattr(gc, "freeze") and hasattr(gc, "get_objects")

_open: list[Window] = []
_gate = threading.Lock()


class Window:
    """What one test makes, from :meth:`open` to :meth:`close`."""

    __slots__ = ("_known", "_thread", "is_shared", "kept")

    def __init__(self) -> None:
        self.is_shared = False
        #: What tests inside of this one have answered for.
        self.kept: list[object] = []
        self._known: set[int] | None = None
        self._thread = 0

    def open(self) -> None:
        """Put what is there out of sight."""
        self._thread = threading.get_ident()
        if not works:
            self.is_shared = True
            return
        if not _open:
            _care.before_window()
            gc.freeze()
            _open.append(self)
            return
        with _gate:
            if any(window._thread != self._thread for window in _open):
                self.is_shared = True
                for window in _open:
                    window.is_shared = True
            else:
                # A test runs another one, whose window must not blind its own.
                self._known = set(map(id, gc.get_objects()))
            _open.append(self)

    def survivors(self) -> list[Any]:
        """Collect the garbage of the test, and return what is left of what it has made.

        Nothing where the window is shared with another thread.
        """
        if self.is_shared:
            return []
        gc.collect()
        found = gc.get_objects()
        known = self._known
        if known is not None:
            found = [thing for thing in found if id(thing) not in known]
        if self.kept:
            kept = set(map(id, self.kept))
            found = [thing for thing in found if id(thing) not in kept]
        return found

    def close(self, answered_for: list[object]) -> None:
        """Let the next window open; the one around this test hears what was *answered_for*."""
        if self not in _open:
            return
        with _gate:
            _open.remove(self)
            if not _open:
                # What looks at all objects, or for who holds one, finds them as ever.
                gc.unfreeze()
            if self._known is not None and _open:
                _open[-1].kept += answered_for
        self.kept = []
        self._known = None


class _Care:
    """Collects everything from time to time: each window begins the collector's count anew."""

    # Kept from the clock patches of the tests.
    _now: Callable[[], float] = staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self._turns = 0
        self._next = 0.0

    def before_window(self) -> None:
        self._turns -= 1
        if self._turns < 0:
            self._turns = _TURNS
            if self._now() >= self._next:
                self._look_at_everything()

    def _look_at_everything(self) -> None:
        began = self._now()
        gc.collect()
        ended = self._now()
        self._next = ended + (ended - began) / _SHARE


_care = _Care()


def _forget_windows_after_fork() -> None:
    global _gate
    _gate = threading.Lock()
    for window in list(_open):
        if window._thread != threading.get_ident():
            _open.remove(window)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_windows_after_fork)
