"""The network in memory below :mod:`asynctesting.http`, for any client and any protocol."""

from __future__ import annotations

from ._network import (
    Connection,
    CutSweep,
    MemoryHost,
    MemoryNetwork,
    Undeclared,
    cut_sweep,
)

__all__ = [
    "Connection",
    "CutSweep",
    "MemoryHost",
    "MemoryNetwork",
    "Undeclared",
    "cut_sweep",
]
