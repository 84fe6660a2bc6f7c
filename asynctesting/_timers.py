"""Timers in the order in which they fall due: the earliest first, equal ones as they were set.

Virtual time makes equal deadlines the normal case: twenty tasks that sleep five seconds wake at
one instant. A heap of timers would hand them out in the order of its own layout. So the heap here
holds bare deadlines, each once, and beside it stands a list of timers per deadline, in the order
of their creation. That is also the faster way round: integers compare in C, and a tie costs one
``append``.

Invariant: a deadline is in the heap exactly as long as it has a list, and no list is empty.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Protocol

__unittest = True

# Below this many cancelled timers there is nothing worth sweeping up.
_SWEEP_AT_LEAST = 64

_heappop, _heappush = heapq.heappop, heapq.heappush


class TimerLike(Protocol):
    """What the queue looks at in a timer; the names are those of ``asyncio.TimerHandle``."""

    _cancelled: bool
    _scheduled: bool


class TimerQueue:
    """Timers by deadline, in nanoseconds on a clock that the caller knows.

    A cancelled timer stays where it is until its turn comes or until a sweep: finding it would
    cost more than skipping it.
    """

    __slots__ = ("_cancelled", "_deadlines", "_lists", "_sweep_at")

    def __init__(self) -> None:
        self._deadlines: list[int] = []
        self._lists: dict[int, list[TimerLike]] = {}
        self._cancelled = 0
        self._sweep_at = _SWEEP_AT_LEAST

    def __len__(self) -> int:
        """Count the timers that are not cancelled; takes time in proportion to them."""
        return sum(1 for timers in self._lists.values() for t in timers if not t._cancelled)

    def push(self, deadline_ns: int, timer: TimerLike) -> None:
        """Add *timer*, to be taken out once its deadline is the earliest."""
        timer._scheduled = True
        timers = self._lists.get(deadline_ns)
        if timers is None:
            self._lists[deadline_ns] = [timer]
            _heappush(self._deadlines, deadline_ns)
        else:
            timers.append(timer)

    def peek(self) -> int | None:
        """Return the earliest deadline that somebody still waits for, or ``None``."""
        deadlines = self._deadlines
        while deadlines:
            deadline_ns = deadlines[0]
            timers = self._lists[deadline_ns]
            for timer in timers:
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
        timers = self._lists.pop(_heappop(self._deadlines))
        for timer in timers:
            timer._scheduled = False
        return timers

    def take_first(self) -> tuple[int, list[TimerLike]] | None:
        """Take out the earliest deadline that somebody still waits for, with all its timers."""
        deadlines = self._deadlines
        while deadlines:
            deadline_ns = _heappop(deadlines)
            timers = self._lists.pop(deadline_ns)
            alive = False
            for timer in timers:
                timer._scheduled = False
                if timer._cancelled:
                    self._cancelled -= 1
                else:
                    alive = True
            if alive:
                return deadline_ns, timers
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
            for timer in self._lists[deadline_ns]:
                if not timer._cancelled:
                    yield deadline_ns, timer

    def _drop_first(self) -> None:
        for timer in self.pop():
            self._cancelled -= timer._cancelled

    def _sweep(self) -> None:
        alive = 0
        for deadline_ns, timers in list(self._lists.items()):
            kept = [timer for timer in timers if not timer._cancelled]
            if kept:
                self._lists[deadline_ns] = kept
                alive += len(kept)
            else:
                del self._lists[deadline_ns]
        self._deadlines[:] = self._lists
        heapq.heapify(self._deadlines)
        self._cancelled = 0
        self._sweep_at = max(_SWEEP_AT_LEAST, alive)
