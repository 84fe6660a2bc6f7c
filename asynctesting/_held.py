"""Who holds a thing: whether an object can be reached from what a wide scope has made.

On a loop that outlives a test, a connection that the test opened is a leak, unless it lies in the
pool of a client that the whole class shares. The owner of such a thing is whoever holds it.
Invariant: the search never passes through what holds everything (loops, modules, classes, frames,
contexts, test cases, our own scopes) or joins strangers (a network), nor from a future to those who
wait for it.
"""

from __future__ import annotations

import asyncio
import gc
import unittest
import weakref
from collections import deque
from collections.abc import Iterable
from contextvars import Context, ContextVar
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    ModuleType,
    TracebackType,
)
from typing import Any

from ._loop import Joint

__unittest = True

#: How many objects are looked at before the search gives up, and finds nothing.
MOST_OBJECTS = 100_000

_OPAQUE = (
    Joint, asyncio.AbstractEventLoop, unittest.TestCase, unittest.TestResult,
    type, ModuleType, CodeType, FrameType, TracebackType, BuiltinFunctionType,
    Context, ContextVar, weakref.ref, weakref.ProxyType, str, bytes, bytearray, int, float,
)  # fmt: skip


def held_by(
    roots: Iterable[object], wanted: Iterable[object], opaque: tuple[type, ...]
) -> set[int]:
    """Return the ``id()`` of each of *wanted* that can be reached from *roots*.

    Args:
        roots: Where the search begins.
        wanted: What it looks for.
        opaque: Further types that it does not look into.
    """
    missing = {id(thing) for thing in wanted}
    found: set[int] = set()
    queue = deque(roots)
    seen = {id(queue)}
    closed = (*_OPAQUE, *opaque)
    while queue and missing and len(seen) < MOST_OBJECTS:
        thing = queue.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if id(thing) in missing:
            missing.discard(id(thing))
            found.add(id(thing))
        if not isinstance(thing, closed):
            queue.extend(_referents(thing))
    return found


def _referents(thing: Any) -> Iterable[Any]:
    if isinstance(thing, asyncio.Task):
        return (thing.get_coro(),)
    if isinstance(thing, asyncio.Future):
        # Its callbacks are the tasks that wait for it, and they belong to somebody else.
        return (thing.result(),) if _has_result(thing) else ()
    if isinstance(thing, FunctionType):
        return (*(thing.__closure__ or ()), *(thing.__defaults__ or ()))
    return gc.get_referents(thing)


def _has_result(future: asyncio.Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
