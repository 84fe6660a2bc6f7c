"""asynctesting: unittest's own async tests, isolated, fast, and never silently green.

The public names, and nothing else.
"""

from __future__ import annotations

from ._case import AsyncTestCase, timeout
from ._class_hooks import (
    addModuleAsyncCleanup,
    addSessionAsyncCleanup,
    enterModuleAsyncContext,
    enterSessionAsyncContext,
)
from ._fixtures import async_fixture
from ._parametrize import parametrize
from .errors import (
    AsyncTestingError,
    FixtureError,
    LateTeardownWarning,
    LeakError,
    LeakWarning,
    NotCheckedWarning,
    ScopeCancelledError,
    ScopeError,
    SettingError,
    SilentPassError,
    TimeLimitError,
)

__version__ = "0.1.0"

__all__ = [
    "AsyncTestCase",
    "AsyncTestingError",
    "FixtureError",
    "LateTeardownWarning",
    "LeakError",
    "LeakWarning",
    "NotCheckedWarning",
    "ScopeCancelledError",
    "ScopeError",
    "SettingError",
    "SilentPassError",
    "TimeLimitError",
    "addModuleAsyncCleanup",
    "addSessionAsyncCleanup",
    "async_fixture",
    "enterModuleAsyncContext",
    "enterSessionAsyncContext",
    "parametrize",
    "timeout",
]
