"""asynctesting: unittest's own async tests, isolated, fast, and never silently green.

The public names, and nothing else. What a run may never use is imported at its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._case import AsyncTestCase, timeout
from .errors import (
    AsyncTestingError,
    BridgeError,
    ClockScriptError,
    ClockStoppedError,
    DeadlockError,
    GraceWarning,
    LeakError,
    LeakWarning,
    LivelockError,
    NotCheckedWarning,
    SettingError,
    SilentPassError,
    StuckError,
    TimeLimitError,
)

if TYPE_CHECKING:
    from .bridge import AsyncResultMixin, async_test, get_async_result
    from .clocks import (
        FrozenTimeMixin,
        MonotonicClock,
        MonotonicClockMixin,
        VirtualClock,
        VirtualClockMixin,
        VirtualEventLoop,
        frozen_time,
        monotonic_clock,
        virtual_clock,
    )

__version__ = "0.1.0"

__all__ = [
    "AsyncResultMixin",
    "AsyncTestCase",
    "AsyncTestingError",
    "BridgeError",
    "ClockScriptError",
    "ClockStoppedError",
    "DeadlockError",
    "FrozenTimeMixin",
    "GraceWarning",
    "LeakError",
    "LeakWarning",
    "LivelockError",
    "MonotonicClock",
    "MonotonicClockMixin",
    "NotCheckedWarning",
    "SettingError",
    "SilentPassError",
    "StuckError",
    "TimeLimitError",
    "VirtualClock",
    "VirtualClockMixin",
    "VirtualEventLoop",
    "async_test",
    "frozen_time",
    "get_async_result",
    "monotonic_clock",
    "timeout",
    "virtual_clock",
]

_LAZY = {
    "AsyncResultMixin": "bridge",
    "FrozenTimeMixin": "clocks",
    "MonotonicClock": "clocks",
    "MonotonicClockMixin": "clocks",
    "VirtualClock": "clocks",
    "VirtualClockMixin": "clocks",
    "VirtualEventLoop": "clocks",
    "async_test": "bridge",
    "frozen_time": "clocks",
    "get_async_result": "bridge",
    "monotonic_clock": "clocks",
    "virtual_clock": "clocks",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        from importlib import import_module

        value: object = getattr(import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
