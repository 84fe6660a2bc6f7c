"""The handles of a virtual loop: stock ones, made at half the price."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._virtual_loop import VirtualEventLoop

__unittest = True

# What asyncio.sleep() has called in the end.
WAKE_SLEEPER: Any = getattr(asyncio.futures, "_set_result_unless_cancelled", None)

_CAN_INLINE = {*asyncio.Handle.__slots__, *asyncio.TimerHandle.__slots__} == {
    "_args",
    "_callback",
    "_cancelled",
    "_context",
    "_loop",
    "_repr",
    "_scheduled",
    "_source_traceback",
    "_when",
    "__weakref__",
}


class VirtualTimer(asyncio.TimerHandle):
    """What ``call_at()`` and ``call_later()`` return: a stock handle, made at half the price."""

    __slots__ = ()

    _loop: VirtualEventLoop
    _scheduled: bool
    _callback: Any
    _args: Any

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: VirtualEventLoop,
        context: Context | None = None,
    ) -> None:
        if loop._debug or not _CAN_INLINE:
            super().__init__(when, callback, args, loop, context)
            return
        # What the two stock initialisers do, in one step.
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None
        self._when = when
        self._scheduled = False

    def cancel(self) -> None:
        """Have the callback not called."""
        if not _CAN_INLINE or self._loop._debug:
            super().cancel()
        elif not self._cancelled:
            self._cancelled = True
            self._callback = self._args = None
            if self._scheduled:
                self._loop.clock._timers.note_cancelled(self)


class _QuickHandle(asyncio.Handle):
    """A stock handle, made in one step."""

    __slots__ = ()

    _callback: Any
    _args: Any

    def __init__(
        self,
        callback: Callable[..., object],
        args: Sequence[Any],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


#: What ``call_soon()`` returns.
QuickHandle = _QuickHandle if _CAN_INLINE else asyncio.Handle
