"""What lies between two ends of a connection: how long bytes travel, and how far they get."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .._seconds import check_number

__unittest = True

#: How many bytes the far end takes in before somebody there reads them, as a kernel's buffers do.
WINDOW = 256 * 1024
#: The same where bytes travel for a while: what Linux lets a connection grow to.
LONG_WINDOW = 4 * 1024 * 1024
#: How many bytes one delivery hands over at most, as asyncio's own transports do.
READ_SIZE = 256 * 1024
#: How many bytes one delivery cuts at most out of what was written in one piece: they are copied,
#: and for more, the memory comes from the system and goes back to it each time.
CUT_SIZE = 64 * 1024
#: In what pieces a link with a rate sends, if nothing else is said: a packet's worth.
_PACKET = 1460


@dataclass(frozen=True, slots=True)
class Link:
    """The way to a host and back.

    Attributes:
        latency: Seconds that each byte travels, in either direction.
        rate: Bytes per second, in either direction; ``None`` for no bound.
        segment: How many bytes the reader gets at once, at most; ``None`` for what has arrived.
        cut_after: How many bytes of the host's answers come through on each connection; in place
            of the next one the connection is reset.
        stall_after: How many bytes of the host's answers come through on each connection; after
            them nothing does, and the connection stays open.
        connect: Seconds that connecting takes.
    """

    latency: float = 0.0
    rate: float | None = None
    segment: int | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    connect: float = 0.0

    def __post_init__(self) -> None:
        for name in ("latency", "connect"):
            value = getattr(self, name)
            check_number(value, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"{name} needs finite seconds >= 0, got {value!r}")
        if self.rate is not None:
            if isinstance(self.rate, bool) or not isinstance(self.rate, (int, float)):
                raise TypeError(f"rate needs bytes per second, got {self.rate!r}")
            if not (self.rate > 0 and math.isfinite(self.rate)):
                raise ValueError(f"rate needs bytes per second > 0, got {self.rate!r}")
        for name, least in (("segment", 1), ("cut_after", 0), ("stall_after", 0)):
            count = getattr(self, name)
            if count is None:
                continue
            if isinstance(count, bool) or not isinstance(count, int):
                raise TypeError(f"{name} needs a whole number of bytes, got {count!r}")
            if count < least:
                raise ValueError(f"{name} needs a number of bytes >= {least}, got {count!r}")

    @property
    def window(self) -> int:
        """How many bytes may be under way or unread."""
        if not self.latency:
            return WINDOW
        if self.rate is None:
            return LONG_WINDOW
        return max(WINDOW, math.ceil(self.latency * self.rate))

    @property
    def piece(self) -> int | None:
        """In what pieces bytes are sent."""
        return self.segment or (_PACKET if self.rate is not None else None)

    def allowance(self, passed: int, is_answer: bool) -> float:
        """Return how many more bytes come through after *passed* ones."""
        if not is_answer:
            return math.inf
        limits = [limit for limit in (self.cut_after, self.stall_after) if limit is not None]
        return min(limits) - passed if limits else math.inf

    def is_cut(self, passed: int, is_answer: bool) -> bool:
        """Tell whether the next byte after *passed* ones resets the connection."""
        return is_answer and self.cut_after is not None and passed >= self.cut_after

    def is_stalled(self, passed: int, is_answer: bool) -> bool:
        """Tell whether nothing comes through any more after *passed* bytes."""
        return is_answer and self.stall_after is not None and passed >= self.stall_after
