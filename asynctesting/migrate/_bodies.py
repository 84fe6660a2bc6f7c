"""Whether the body of a test really ran to its end, whatever stands around it.

A test may be wrapped by decorators, called by a framework and awaited by a third. What counts is
the code that its author wrote: that is looked for in the wrappers, and the interpreter itself is
asked whether it returned. A coroutine that was made and never awaited does not.
"""

from __future__ import annotations

import functools
import inspect
import opcode
import sys
import threading
from collections.abc import Iterator
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any

_KINDS = {
    inspect.CO_ASYNC_GENERATOR: "async generator",
    inspect.CO_COROUTINE: "coroutine",
    inspect.CO_ITERABLE_COROUTINE: "coroutine",
    inspect.CO_GENERATOR: "generator",
}
_TOOL = 4  # of the six that may look on, one that no known debugger or coverage tool takes


def body_of(function: Any, name: str) -> CodeType | None:
    """Return the code of the test *name*, which *function* may be wrapped around."""
    codes = [found.__code__ for found in _functions_in(function)]
    for code in codes:
        if code.co_name == name:
            return code
    # A decorator for data has given each case a name of its own.
    for code in reversed(codes):
        if name.startswith(code.co_name):
            return code
    return codes[-1] if codes else None


def _functions_in(function: Any) -> Iterator[FunctionType]:
    """Yield the plain functions within *function*, the outermost first."""
    pending: list[Any] = [function]
    seen: set[int] = set()
    while pending and len(seen) < 50:
        found = pending.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, (MethodType, staticmethod, classmethod)):
            pending.append(found.__func__)
        elif isinstance(found, (functools.partial, functools.partialmethod)):
            pending.append(found.func)
        elif isinstance(found, FunctionType):
            yield found
        wrapped = getattr(found, "__wrapped__", None)
        if wrapped is not None:
            pending.append(wrapped)
        for cell in getattr(found, "__closure__", None) or ():
            try:
                value = cell.cell_contents
            except ValueError:
                continue
            if isinstance(value, (FunctionType, MethodType, functools.partial)):
                pending.append(value)


def kind_of(code: CodeType | None) -> str:
    """Tell what a call of the test gives: ``"sync"``, ``"coroutine"``, ``"generator"``..."""
    if code is None:
        return "unknown"
    return next((kind for flag, kind in _KINDS.items() if code.co_flags & flag), "sync")


class Watch:
    """Counts how often chosen pieces of code have run to their end."""

    def __init__(self) -> None:
        self.ends: dict[CodeType, int] = {}
        self.starts: dict[CodeType, int] = {}

    def add(self, code: CodeType) -> None:
        """Watch *code* from now on."""
        if code in self.ends:
            return
        self.ends[code] = self.starts[code] = 0
        if sys.version_info >= (3, 12):
            events = sys.monitoring.events
            sys.monitoring.set_local_events(_TOOL, code, events.PY_START | events.PY_RETURN)

    def start(self) -> None:
        """Begin to watch."""
        if sys.version_info >= (3, 12):
            monitoring = sys.monitoring
            monitoring.use_tool_id(_TOOL, "asynctesting.migrate.record")
            events = monitoring.events
            monitoring.register_callback(_TOOL, events.PY_START, self._started)
            monitoring.register_callback(_TOOL, events.PY_RETURN, self._ended)
        else:
            threading.setprofile(self._profile)
            sys.setprofile(self._profile)

    def stop(self) -> None:
        """End it."""
        if sys.version_info >= (3, 12):
            sys.monitoring.free_tool_id(_TOOL)
        else:
            sys.setprofile(None)
            threading.setprofile(None)

    def _started(self, code: CodeType, offset: int) -> None:
        if code in self.starts:
            self.starts[code] += 1

    def _ended(self, code: CodeType, offset: int, value: object) -> None:
        if code in self.ends:
            self.ends[code] += 1

    def _profile(self, frame: FrameType, event: str, value: object) -> None:
        code = frame.f_code
        if code not in self.ends or event != "return":
            return
        # A generator "returns" at each yield, too, and once when it is only made.
        operation = opcode.opname[code.co_code[frame.f_lasti]]
        if operation != "RETURN_GENERATOR":
            self.starts[code] = max(self.starts[code], self.ends[code] + 1)
        if operation == "RETURN_VALUE":
            self.ends[code] += 1
