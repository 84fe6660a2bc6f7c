"""asynctesting: unittest's own async tests, isolated, fast, and never silently green.

The public names, and nothing else.
"""

from __future__ import annotations

from ._case import AsyncTestCase, timeout
from .errors import (
    AsyncTestingError,
    LeakError,
    LeakWarning,
    NotCheckedWarning,
    SettingError,
    SilentPassError,
    TimeLimitError,
)

__version__ = "0.1.0"

__all__ = [
    "AsyncTestCase",
    "AsyncTestingError",
    "LeakError",
    "LeakWarning",
    "NotCheckedWarning",
    "SettingError",
    "SilentPassError",
    "TimeLimitError",
    "timeout",
]
