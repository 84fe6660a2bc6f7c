"""What the interpreter reports by itself, taken over for the test that it belongs to.

A coroutine that is destroyed without having been awaited, a resource that is destroyed open, an
exception in a destructor or one that ends a thread: each has a hook of the process. They are set
once for the run and ask which collector is current; swapped around each test, they would leave
gaps between two.
Invariant: outside of a test the hooks change nothing, and what a collector does not take goes where
it would have gone.
"""

from __future__ import annotations

import re
import sys
import threading
import warnings
from asyncio.log import logger
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from .. import _internals
from .._report import Place
from ..errors import NotCheckedWarning

__unittest = True


class Listener(Protocol):
    """Who takes what is reported while a test runs."""

    def on_unawaited(self, coroutine: Coroutine[Any, Any, Any]) -> bool: ...

    def on_resource(self, message: Any) -> bool: ...

    def on_unraisable(self, report: Any) -> bool: ...

    def on_thread_exception(self, report: Any) -> bool: ...

    def on_gathered(self, error: BaseException, name: str) -> None: ...

    def on_blocked(self, place: Place, lasted: float) -> None: ...


# Which test a thread is in. A test that runs another test keeps its own listener below.
current: dict[int, Any] = {}

#: What was reported while no test ran that it could belong to.
run_level: list[str] = []
_MOST_RUN_LEVEL = 100

_set = False
_unraisable_before: Callable[[Any], Any] = sys.__unraisablehook__
_excepthook_before: Callable[[Any], Any] = threading.__excepthook__
_not_checked: set[str] = set()


def here() -> Any:
    """Return the listener of this thread."""
    return current.get(threading.get_ident())


def anywhere() -> Any:
    """Return the listener of this thread or, if this is no test's thread, the only one there is."""
    found = current.get(threading.get_ident())
    if found is None and len(current) == 1:
        (found,) = current.copy().values() or (None,)
    return found


def set_hooks() -> None:
    """Set the hooks, and set those again that somebody has replaced."""
    global _set, _unraisable_before, _excepthook_before
    if not _set:
        _set = True
        if not _internals.watch_unawaited(_on_unawaited):
            tell_not_checked(
                "coroutines", "that are never awaited: this interpreter reports them in another way"
            )
        if not _internals.watch_warnings(_on_warning):
            tell_not_checked("resources", ": this interpreter gives warnings in another way")
        if not _internals.watch_gather(_on_gathered):
            tell_not_checked("gather", ": this interpreter's gather() is another one")
    if sys.unraisablehook is not _on_unraisable:
        _unraisable_before, sys.unraisablehook = sys.unraisablehook, _on_unraisable
    if threading.excepthook is not _on_thread_exception:
        _excepthook_before, threading.excepthook = threading.excepthook, _on_thread_exception
    # Resources are reported by a warning that Python ignores unless told otherwise.
    _internals.show_resource_warnings()


def tell_not_checked(kind: str, why: str) -> None:
    """Say once in a run that a kind can't be checked here."""
    if kind not in _not_checked:
        _not_checked.add(kind)
        text = f"{kind} are not checked{why}"
        try:
            warnings.warn(text, NotCheckedWarning, stacklevel=4)
        except NotCheckedWarning:
            # Where warnings are errors, this one would strike the first test for no fault of its.
            logger.warning("%s", text)


def note_run_level(text: str) -> None:
    """Keep what belongs to no test, for the end of the run."""
    if len(run_level) < _MOST_RUN_LEVEL:
        run_level.append(text)


# The hooks -------------------------------------------------------------------------------------


def _on_unawaited(coroutine: Coroutine[Any, Any, Any]) -> bool:
    listener = here()
    if listener is not None:
        return bool(listener.on_unawaited(coroutine))
    note_run_level(f"coroutine {getattr(coroutine, '__qualname__', '?')!r} was never awaited")
    return False


def _on_warning(message: Any) -> bool:
    """Take a warning that is about to be shown."""
    if not issubclass(message.category, ResourceWarning):
        return False
    listener = here()
    return listener is not None and bool(listener.on_resource(message))


def _on_unraisable(report: Any) -> None:
    listener = anywhere()
    if listener is None or not listener.on_unraisable(report):
        if listener is None:
            note_run_level(f"exception ignored in {report.object!r}: {report.exc_value!r}")
        _unraisable_before(report)


def _on_thread_exception(report: Any) -> None:
    if report.exc_type is SystemExit:
        return
    listener = anywhere()
    if listener is None or not listener.on_thread_exception(report):
        name = report.thread.name if report.thread is not None else "?"
        note_run_level(f"thread {name!r} ended with {report.exc_value!r}")
        _excepthook_before(report)


def _on_gathered(error: BaseException, name: str) -> None:
    listener = here()
    if listener is not None:
        listener.on_gathered(error, name)


_FD = re.compile(r"\bfd=(\d+)")


def fd_in(text: str) -> tuple[tuple[str, int], ...]:
    """Return the descriptor that a warning's text names, as a key for what is the same cause."""
    found = _FD.search(text)
    return (("fd", int(found[1])),) if found else ()
