"""Executor jobs and subprocesses: the loop has started them, and learns when they end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .._executor import _name as job_name

if TYPE_CHECKING:
    from ._outside import Outside

__unittest = True


class Jobs:
    """Executor jobs: they hold the clock until their future is done."""

    def __init__(self, outside: Outside) -> None:
        self.pending: dict[asyncio.Future[Any], str] = {}
        self._outside = outside

    def began(self, future: asyncio.Future[Any], function: Any) -> None:
        """Take note of a job that was submitted."""
        self.pending[future] = job_name(function, ())
        self._outside.stirring += 1
        future.add_done_callback(self._ended)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        if self.pending.pop(future, None) is not None:
            self._outside.stirring -= 1


class Processes:
    """Subprocesses: they hold the clock until their exit status is known."""

    def __init__(self, outside: Outside) -> None:
        self.running: list[asyncio.SubprocessTransport] = []
        self._outside = outside

    def began(self, transport: asyncio.SubprocessTransport) -> None:
        """Take note of a process that was started."""
        self.running.append(transport)
        self._outside.stirring += 1

    def alive(self) -> list[asyncio.SubprocessTransport]:
        """Return the processes whose exit status is not known yet."""
        alive = [t for t in self.running if t.get_returncode() is None and not t.is_closing()]
        self._outside.stirring -= len(self.running) - len(alive)
        self.running = alive
        return alive
