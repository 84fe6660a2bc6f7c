"""Time spent at a debugger's prompt, which no timer and no limit shall see.

Somebody who stops in ``asyncio.timeout(0.5)`` and reads for a minute wants to go on as if nothing
had happened. So pdb and whatever is derived from it (ipdb, pdb++) is wrapped at its one entry,
``Pdb.interaction()``, and the seconds spent there are summed up. Our loops take the sum off their
time, and the watchdog adds it to its limits. Debuggers of another make are not seen; for those the
limit is off while they are active.

Invariant: without a debugger the sum is zero and costs a subtraction.
"""

from __future__ import annotations

import functools
import importlib.machinery
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

__unittest = True

#: Real seconds spent at a prompt since the process began.
total = 0.0
total_ns = 0

_Listener = Callable[[int, float], None]
_listeners: list[_Listener] = []
_depth = threading.local()
# By argument, so that freezegun does not find it among the names of the module.
_real_ns: dict[str, Callable[[], int]] = {"monotonic_ns": time.monotonic_ns}


def running_ns() -> int:
    """Return the real monotonic clock less all pauses, in nanoseconds."""
    return _real_ns["monotonic_ns"]() - total_ns


def watch(listener: _Listener) -> None:
    """Have *listener* called after each pause, with the thread's number and the real seconds."""
    _listeners.append(listener)


@functools.cache
def install() -> None:
    """Begin to count; once per process. pdb itself is not imported for it."""
    if "pdb" in sys.modules:
        _wrap(sys.modules["pdb"])
    else:
        sys.meta_path.insert(0, _WhenImported())


def _wrap(pdb: ModuleType) -> None:
    original = pdb.Pdb.interaction

    @functools.wraps(original)
    def interaction(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(_depth, "inside", False):
            return original(self, *args, **kwargs)
        _depth.inside = True
        began_ns = _real_ns["monotonic_ns"]()
        try:
            return original(self, *args, **kwargs)
        finally:
            _depth.inside = False
            _count(_real_ns["monotonic_ns"]() - began_ns)

    pdb.Pdb.interaction = interaction


def _count(pause_ns: int) -> None:
    global total, total_ns
    total_ns += pause_ns
    total = total_ns / 1_000_000_000
    for listener in _listeners:
        listener(threading.get_ident(), pause_ns / 1_000_000_000)


class _WhenImported:  # its abstract base lies in a module that takes milliseconds to import
    """Wraps pdb when somebody imports it, and is gone after that."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find pdb where it is, and add our wrapping to its loading."""
        if fullname != "pdb":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _wrap(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
