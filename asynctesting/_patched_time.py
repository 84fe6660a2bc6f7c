"""``time.monotonic`` and its kin, answered by a test's clock while a patch is open.

One pair of stand-in functions is made for the life of the process. They ask the innermost open
patch, or else the real clock, so a reference that some module has kept does no harm afterwards.
What must stay real stays real: the waits of the interpreter's own threads, of event loops, of
runners, profilers and debuggers are told by the module that calls.

Invariants: the real functions are taken when this module is read, and no patch can reach them; a
name is put back only if the stand-in is still there, so nobody else's patch is undone.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

__unittest = True

#: Packages whose own reading of the clock stays real.
SPARED = frozenset(
    {
        "_pytest", "asyncio", "asynctesting", "bdb", "cProfile", "concurrent", "coverage",
        "debugpy", "execnet", "faulthandler", "freezegun", "hypothesis", "multiprocessing", "pdb",
        "pluggy", "profile", "pydevd", "pyinstrument", "pytest", "queue", "selectors",
        "socketserver", "subprocess", "threading", "trace", "unittest", "uvloop", "xdist", "yappi",
    }
)  # fmt: skip


class _Real:
    """The process's clocks as they were when this module was read."""

    # Attributes of a class: freezegun replaces what it finds as names of modules.
    monotonic = staticmethod(time.monotonic)
    monotonic_ns = staticmethod(time.monotonic_ns)
    perf_counter = staticmethod(time.perf_counter)
    perf_counter_ns = staticmethod(time.perf_counter_ns)


def real_ns() -> int:
    """Return the real monotonic clock, in nanoseconds, whoever has patched it."""
    return _Real.monotonic_ns()


_open: list[TimePatch] = []
#: Called when another patch answers from now on.
listeners: list[Callable[[], None]] = []


def _reading_ns() -> int | None:
    """Return what the caller of the caller shall read, or ``None`` for the real clock."""
    if not _open:
        return None
    module = sys._getframe(2).f_globals.get("__name__") or ""
    if module.partition(".")[0] in SPARED:
        return None
    return _open[-1].read_ns()


def _monotonic() -> float:
    ns = _reading_ns()
    return _Real.monotonic() if ns is None else ns / 1_000_000_000


def _monotonic_ns() -> int:
    ns = _reading_ns()
    return _Real.monotonic_ns() if ns is None else ns


def _perf_counter() -> float:
    ns = _reading_ns()
    return _Real.perf_counter() if ns is None else ns / 1_000_000_000


def _perf_counter_ns() -> int:
    ns = _reading_ns()
    return _Real.perf_counter_ns() if ns is None else ns


_STAND_INS: dict[str, Callable[[], Any]] = {
    "monotonic": _monotonic,
    "monotonic_ns": _monotonic_ns,
    "perf_counter": _perf_counter,
    "perf_counter_ns": _perf_counter_ns,
}
_NAME_OF_REAL = {id(getattr(_Real, name)): name for name in _STAND_INS}


class TimePatch:
    """Answers ``time.monotonic`` and ``time.monotonic_ns`` with *read_ns* while it is open.

    Modules that did ``from time import monotonic`` are found and served, too. Patches nest; the
    innermost one answers, in all threads.

    Args:
        read_ns: Returns the reading, in nanoseconds; called in whatever thread asks.
        peek_ns: The same without any effect, for a wall clock that follows; *read_ns* if that has
            none.
        perf_counter: Whether ``time.perf_counter`` and ``perf_counter_ns`` are answered as well.
            Many tools measure themselves with those.
    """

    def __init__(
        self,
        read_ns: Callable[[], int],
        *,
        peek_ns: Callable[[], int] | None = None,
        perf_counter: bool = False,
    ) -> None:
        self.read_ns = read_ns
        self.peek_ns = peek_ns or read_ns
        self._names = tuple(_STAND_INS) if perf_counter else ("monotonic", "monotonic_ns")
        self._bound: list[tuple[dict[str, Any], str, str]] = []

    def start(self) -> None:
        """Open the patch."""
        if "freezegun.api" in sys.modules:
            # A freeze of the user's own would put the real functions back when it ends.
            importlib.import_module("._frozen", __package__)
        _open.append(self)
        self.reassert()
        for listener in listeners:
            listener()

    def reassert(self) -> None:
        """Put the stand-ins in place again, where somebody has replaced them meanwhile."""
        for name in self._names:
            setattr(time, name, _STAND_INS[name])
        self._bound = [found for found in _from_imports() if found[2] in self._names]
        for namespace, attribute, name in self._bound:
            namespace[attribute] = _STAND_INS[name]

    def stop(self) -> None:
        """Close the patch; the one below answers again, or the real clock."""
        _open.remove(self)
        below = _open[-1] if _open else None
        kept = below._names if below is not None else ()
        places = [(vars(time), name, name) for name in self._names]
        for namespace, attribute, name in places + self._bound:
            if name not in kept and namespace.get(attribute) is _STAND_INS[name]:
                namespace[attribute] = getattr(_Real, name)
        self._bound = []
        for listener in listeners:
            listener()


def innermost() -> TimePatch | None:
    """Return the patch that answers now."""
    return _open[-1] if _open else None


# Modules that have imported a function by name --------------------------------------------------

_seen: dict[str, int] = {}
_found: list[tuple[dict[str, Any], str, str]] = []


def _from_imports() -> list[tuple[dict[str, Any], str, str]]:
    """Return where modules hold the real functions under names of their own.

    Each module is looked through once, so that a run pays for it once; one that replaces another
    under its name, without a change of their number, is missed.
    """
    if len(_seen) >= len(sys.modules):
        return _found
    for module_name, module in list(sys.modules.items()):
        if _seen.get(module_name) == id(module):
            continue
        _seen[module_name] = id(module)
        if module_name == "time" or module_name.partition(".")[0] in SPARED:
            continue
        namespace = getattr(module, "__dict__", None)
        if not isinstance(namespace, dict):
            continue
        for attribute, value in list(namespace.items()):
            name = _NAME_OF_REAL.get(id(value))
            if name is not None:
                _found.append((namespace, attribute, name))
    return _found
