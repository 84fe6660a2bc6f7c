"""Timers in the order in which they fall due: the earliest first, equal ones as they were set.

Virtual time makes equal deadlines the normal case: twenty tasks that sleep five seconds wake at
one instant. A heap of timers would hand them out in the order of its own layout. So the heap here
holds bare deadlines, each once, and beside it stands, for each deadline, its one timer or a list of
them in the order of their creation. That is also the faster way round: integers compare in C, a tie
costs one ``append``, and a timer without one no list, which the garbage collector would look at.

Invariant: a deadline is in the heap exactly as long as it has a timer, and no list is empty.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, Protocol, cast

__unittest = True

# Below this many cancelled timers there is nothing worth sweeping up.
_SWEEP_AT_LEAST = 64

_heappop, _heappush = heapq.heappop, heapq.heappush


class TimerLike(Protocol):
    """What the queue looks at in a timer; the names are those of ``asyncio.TimerHandle``."""

    _callback: Any
    _cancelled: bool
    _scheduled: bool


class TimerQueue:
    """Timers by deadline, in nanoseconds on a clock that the caller knows.

    A cancelled timer stays where it is until its turn comes or until a sweep: finding it would
    cost more than skipping it.
    """

    __slots__ = ("_cancelled", "_deadlines", "_sweep_at", "_timers")

    def __init__(self) -> None:
        self._deadlines: list[int] = []
        self._timers: dict[int, TimerLike | list[TimerLike]] = {}
        self._cancelled = 0
        self._sweep_at = _SWEEP_AT_LEAST

    def __len__(self) -> int:
        """Count the timers that are not cancelled; takes time in proportion to them."""
        return sum(not t._cancelled for found in self._timers.values() for t in _all(found))

    def push(self, deadline_ns: int, timer: TimerLike) -> None:
        """Add *timer*, to be taken out once its deadline is the earliest."""
        timer._scheduled = True
        found = self._timers.setdefault(deadline_ns, timer)
        if found is timer:
            _heappush(self._deadlines, deadline_ns)
        elif type(found) is list:
            found.append(timer)
        else:
            self._timers[deadline_ns] = [cast(TimerLike, found), timer]

    def peek(self) -> int | None:
        """Return the earliest deadline that somebody still waits for, or ``None``."""
        deadlines = self._deadlines
        while deadlines:
            deadline_ns = deadlines[0]
            for timer in _all(self._timers[deadline_ns]):
                if not timer._cancelled:
                    return deadline_ns
            self._drop_first()
        return None

    def pop(self) -> list[TimerLike]:
        """Take out all timers of the earliest deadline, in the order in which they were set.

        Cancelled ones may be among them; event loops pass over those anyway.

        Raises:
            IndexError: If the queue is empty.
        """
        timers = _all(self._timers.pop(_heappop(self._deadlines)))
        for timer in timers:
            timer._scheduled = False
        return timers

    def take_first(self) -> tuple[int, list[TimerLike], bool] | None:
        """Take out the earliest deadline that somebody still waits for, with all its timers.

        Returns:
            The deadline, its timers, and whether all that are not cancelled have one callback.
        """
        deadlines = self._deadlines
        while deadlines:
            deadline_ns = _heappop(deadlines)
            found = self._timers.pop(deadline_ns)
            if type(found) is not list:
                timer = cast(TimerLike, found)
                timer._scheduled = False
                if not timer._cancelled:
                    return deadline_ns, [timer], True
                self._cancelled -= 1
                continue
            # One look at each: of many timers none is in the processor's cache any more.
            callback, alike = None, True
            for timer in found:
                timer._scheduled = False
                if timer._cancelled:
                    self._cancelled -= 1
                elif callback is None:
                    callback = timer._callback
                elif timer._callback is not callback:
                    alike = False
            if callback is not None:
                return deadline_ns, found, alike
        return None

    def pop_until(self, now_ns: int) -> list[TimerLike]:
        """Take out every timer whose deadline is *now_ns* or earlier, in order."""
        due: list[TimerLike] = []
        while self._deadlines and self._deadlines[0] <= now_ns:
            due += self.pop()
        return due

    def note_cancelled(self, timer: TimerLike) -> None:
        """Take note that *timer* was cancelled; now and then sweep such timers out."""
        if timer._scheduled:
            self._cancelled += 1
            # A sweep looks at every timer. Waiting for as many cancelled ones as were alive after
            # the last sweep keeps its share in the cost of a timer constant.
            if self._cancelled >= self._sweep_at:
                self._sweep()

    def items(self) -> Iterator[tuple[int, TimerLike]]:
        """Yield deadline and timer of all that are not cancelled, in the order of firing."""
        for deadline_ns in sorted(self._deadlines):
            for timer in _all(self._timers[deadline_ns]):
                if not timer._cancelled:
                    yield deadline_ns, timer

    def _drop_first(self) -> None:
        for timer in self.pop():
            self._cancelled -= timer._cancelled

    def _sweep(self) -> None:
        alive = 0
        for deadline_ns, found in list(self._timers.items()):
            kept = [timer for timer in _all(found) if not timer._cancelled]
            if kept:
                self._timers[deadline_ns] = kept if len(kept) > 1 else kept[0]
                alive += len(kept)
            else:
                del self._timers[deadline_ns]
        self._deadlines[:] = self._timers
        heapq.heapify(self._deadlines)
        self._cancelled = 0
        self._sweep_at = max(_SWEEP_AT_LEAST, alive)


def _all(found: TimerLike | list[TimerLike]) -> list[TimerLike]:
    return found if type(found) is list else [cast(TimerLike, found)]
