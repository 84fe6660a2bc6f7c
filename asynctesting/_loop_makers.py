"""Who makes the event loops of a thread, while a region of virtual time is open there.

``asyncio.run()``, ``asyncio.Runner()`` and unittest's own cases all ask ``new_event_loop()``,
unless they are given a factory. One stand-in for it is made for the life of the process, and asks
the latest region of the thread. No policy is touched.

Invariants: regions may end in any order, and in several threads at once; the stand-in is in place
while there is any, and is taken away only where it still is, so nobody else's patch is undone;
where one who patches puts it back afterwards, it makes stock loops and does no harm.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import threading
from collections.abc import Callable
from typing import Any

__unittest = True

Maker = Callable[[], asyncio.AbstractEventLoop]

_lock = threading.Lock()
_places: tuple[Any, ...] = (asyncio, asyncio.events)
#: The open ones, each with its thread, the latest last; one who looks sees a whole list.
_open: list[tuple[int, Maker]] = []
#: What was in the places before.
_before: list[Maker] = []
#: What makes loops for everybody else. Not what was there before, which may call the stand-in.
_stock = asyncio.events.new_event_loop


def maker_here() -> Maker | None:
    """Return who makes loops in this thread, where that is somebody else for the time being."""
    thread = threading.get_ident()
    return next((maker for where, maker in reversed(_open) if where == thread), None)


def begin(maker: Maker) -> Callable[[], None]:
    """Have *maker* make the loops of this thread.

    Returns:
        What ends it, in any thread.
    """
    entry = (threading.get_ident(), maker)
    with _lock:
        if not _open:
            _before[:] = [place.new_event_loop for place in _places]
            for place in _places:
                place.new_event_loop = _new_event_loop
        _open.append(entry)
    return lambda: _end(entry)


def _end(entry: tuple[int, Maker]) -> None:
    with _lock:
        _open.remove(entry)
        if not _open:
            for place, before in zip(_places, _before, strict=True):
                if place.new_event_loop is _new_event_loop:
                    place.new_event_loop = before


def _new_event_loop() -> asyncio.AbstractEventLoop:
    maker = maker_here()
    return _stock() if maker is None else maker()
