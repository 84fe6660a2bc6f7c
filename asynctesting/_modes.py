"""Stretches of code in which something else moves a clock, or nothing does.

A region tells its clock when it is entered and when it is left; what follows from that is the
clock's own business (:mod:`asynctesting._clockwork`).
"""

from __future__ import annotations

import enum
from types import TracebackType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ._clock import VirtualClock

__unittest = True


class Mode(enum.Enum):
    """What moves a clock."""

    #: Time jumps to the next deadline as soon as nobody can run without it.
    AUTO = "auto"
    #: Only ``advance()`` and its kin move it.
    MANUAL = "manual"
    #: It runs as fast as real time does.
    REAL = "real"


def to_mode(mode: str | Mode) -> Mode:
    try:
        return Mode(mode)
    except ValueError:
        raise ValueError(
            f"mode must be 'auto', 'manual' or 'real', got {mode!r}: it says what moves the clock"
        )


class Region:
    """A stretch of code in which something else moves the clock; the latest one entered rules.

    Regions of several tasks may overlap in any order.
    """

    def __init__(self, clock: VirtualClock, mode: Mode) -> None:
        self._clock = clock
        self.mode = mode

    def __enter__(self) -> VirtualClock:
        self._clock._check_thread(f"{self.mode.value}()")
        if self in self._clock._regions:
            raise RuntimeError(
                f"this {self.mode.value}() region is open already: a region is entered once. "
                f"Call clock.{self.mode.value}() for each 'with'"
            )
        self._clock._regions.append(self)
        self._clock._follow_regions()
        return self._clock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        if self not in self._clock._regions:
            raise RuntimeError(
                f"this {self.mode.value}() region is left, but nobody has entered it: write "
                f"'with clock.{self.mode.value}():'"
            )
        self._clock._regions.remove(self)
        self._clock._follow_regions()
        return False


class Hold:
    """A stretch of code in which time does not jump."""

    def __init__(self, clock: VirtualClock, reason: str) -> None:
        self._clock = clock
        self.reason = reason

    def __enter__(self) -> VirtualClock:
        self._clock._check_thread("hold()")
        self._clock._holds.append(self)
        self._clock._only_timers = False
        return self._clock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        if self not in self._clock._holds:
            raise RuntimeError(
                "this hold() is left, but nobody has entered it: write 'with clock.hold():'"
            )
        self._clock._holds.remove(self)
        self._clock._see_whether_only_timers()
        return False
