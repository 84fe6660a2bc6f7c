"""Who has cancelled a scope, and which of the things that it has entered is to hear of that.

A ``TaskGroup`` with a failed child, an ``asyncio.timeout`` and a cancel scope of anyio call
``cancel()`` on the task that entered them, and expect the ``CancelledError`` at their exit. Between
two phases nobody but the owner is there to take it; so the owner notes who has called, and who
called is found again in what the scope has entered.

Invariant: a fixture that has entered none of the callers is put away as on any other day, so that
what stands behind its ``yield`` runs.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import unittest
from collections.abc import Sequence
from types import CodeType, FrameType
from typing import Any

from ._held import held_by
from ._phases import Phases

__unittest = True


class OwnerTask(asyncio.Task[Any]):
    """A task that notes who asks it to stop, but for its own scope."""

    cancellers: Sequence[object] = ()

    def cancel(self, msg: Any | None = None) -> bool:
        """Request cancellation, and note who has."""
        asked = super().cancel(msg)
        if asked:
            caller = _caller(sys._getframe(1))
            known = any(caller is other for other in self.cancellers)
            if not (known or isinstance(caller, Phases)):
                self.cancellers = [*self.cancellers, caller]
        return asked


def _caller(frame: FrameType) -> object:
    # anyio hands a cancellation down through the scopes inside of the one where it began.
    names = frame.f_locals
    return names.get("origin") or names.get("self") or frame.f_code


def entered_by(generator: object) -> list[object]:
    """Return the context managers that a suspended generator is inside of.

    Example:
        >>> def fixture(lock):
        ...     with lock:
        ...         yield
        >>> import threading
        >>> lock = threading.Lock()
        >>> suspended = fixture(lock)
        >>> next(suspended)
        >>> entered_by(suspended) == [lock]
        True
    """
    # A with statement keeps the exit method on the stack of its frame; since 3.14 as a function,
    # with what it is to be bound to beside it.
    things = gc.get_referents(generator)
    exits = [thing for thing in things if _is_exit(thing)]
    found = [exit.__self__ for exit in exits if hasattr(exit, "__self__")]
    unbound = [exit for exit in exits if not hasattr(exit, "__self__")]
    return found + [
        thing
        for thing in things
        if any(getattr(type(thing), exit.__name__, None) is exit for exit in unbound)
    ]


def _is_exit(thing: Any) -> bool:
    return getattr(thing, "__name__", None) in ("__aexit__", "__exit__") and callable(thing)


def is_held(entered: Sequence[object], cancellers: Sequence[object]) -> bool:
    """Tell whether one of *cancellers* is, or is part of, what was *entered*."""
    return bool(cancellers) and bool(held_by(entered, cancellers, (Phases, asyncio.Task)))


def describe(cancellers: Sequence[object]) -> str:
    """Name those that have called ``cancel()``, as far as they are somebody."""
    names = [
        f"{type(canceller).__module__.partition('.')[0]}'s {type(canceller).__qualname__}"
        for canceller in cancellers
        if not isinstance(canceller, (asyncio.Handle, unittest.TestCase, CodeType))
    ]
    return " and ".join(names) or "something"
