"""asynctesting: unittest's own async tests, isolated, fast, and never silently green.

The public names, and nothing else. What a run may never use is imported at its first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._allow import allow_leaks
from ._case import AsyncTestCase, timeout
from ._class_hooks import (
    addModuleAsyncCleanup,
    addSessionAsyncCleanup,
    enterModuleAsyncContext,
    enterSessionAsyncContext,
)
from ._fixtures import async_fixture
from .errors import (
    AsyncTestingError,
    BridgeError,
    ClockScriptError,
    ClockStoppedError,
    DeadlockError,
    FixtureError,
    GraceWarning,
    LateTeardownWarning,
    LeakError,
    LeakWarning,
    LivelockError,
    NetworkVerdictError,
    NotCheckedWarning,
    ScopeCancelledError,
    ScopeError,
    SettingError,
    SilentPassError,
    StuckError,
    TimeLimitError,
    UnsetError,
)

if TYPE_CHECKING:
    from ._parametrize import parametrize
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
    from .http import HTTPNetwork
    from .mocks import (
        async_cm,
        async_gen,
        async_iter,
        autospec,
        http_response,
        mock_client_session,
    )
    from .network import MemoryNetwork

__version__ = "0.1.0"

__all__ = [
    "AsyncResultMixin",
    "AsyncTestCase",
    "AsyncTestingError",
    "BridgeError",
    "ClockScriptError",
    "ClockStoppedError",
    "DeadlockError",
    "FixtureError",
    "FrozenTimeMixin",
    "GraceWarning",
    "HTTPNetwork",
    "LateTeardownWarning",
    "LeakError",
    "LeakWarning",
    "LivelockError",
    "MemoryNetwork",
    "MonotonicClock",
    "MonotonicClockMixin",
    "NetworkVerdictError",
    "NotCheckedWarning",
    "ScopeCancelledError",
    "ScopeError",
    "SettingError",
    "SilentPassError",
    "StuckError",
    "TimeLimitError",
    "UnsetError",
    "VirtualClock",
    "VirtualClockMixin",
    "VirtualEventLoop",
    "addModuleAsyncCleanup",
    "addSessionAsyncCleanup",
    "allow_leaks",
    "async_cm",
    "async_fixture",
    "async_gen",
    "async_iter",
    "async_test",
    "autospec",
    "enterModuleAsyncContext",
    "enterSessionAsyncContext",
    "frozen_time",
    "get_async_result",
    "http_response",
    "mock_client_session",
    "monotonic_clock",
    "parametrize",
    "timeout",
    "virtual_clock",
]

_LAZY = {
    "AsyncResultMixin": "bridge",
    "FrozenTimeMixin": "clocks",
    "MemoryNetwork": "network",
    "HTTPNetwork": "http",
    "MonotonicClock": "clocks",
    "MonotonicClockMixin": "clocks",
    "VirtualClock": "clocks",
    "VirtualClockMixin": "clocks",
    "VirtualEventLoop": "clocks",
    "async_cm": "mocks",
    "async_gen": "mocks",
    "async_iter": "mocks",
    "async_test": "bridge",
    "autospec": "mocks",
    "frozen_time": "clocks",
    "get_async_result": "bridge",
    "http_response": "mocks",
    "mock_client_session": "mocks",
    "monotonic_clock": "clocks",
    "parametrize": "_parametrize",
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
