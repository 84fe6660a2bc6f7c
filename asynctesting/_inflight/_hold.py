"""What every detector yields: one thing under way, and for how long it may hold the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass

__unittest = True


@dataclass(frozen=True, slots=True)
class Hold:
    """Something under way that holds the clock.

    Attributes:
        key: The same for the same thing in the same state; a change renews its patience.
        what: What it is, in a few words.
        limit: After how many real seconds it no longer holds the clock; ``None`` for never.
        is_guess: Whether the limit is a grace period, about which nothing is said.
        rings: Whether its end wakes the loop, so that nobody has to look again before.
    """

    key: object
    what: str
    limit: float | None = None
    is_guess: bool = False
    rings: bool = False


def time_now() -> float:
    """Return real seconds, whatever a test has made of ``time.monotonic``."""
    return _Real.monotonic()


class _Real:
    # An attribute of a class: freezegun replaces what it finds as names of modules.
    monotonic = staticmethod(time.monotonic)
