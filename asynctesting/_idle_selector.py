"""The selector of a virtual loop: it turns a question for a wait into one for the clock."""

from __future__ import annotations

import select
import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._virtual_loop import VirtualEventLoop

__unittest = True


class QuickSelector(selectors.DefaultSelector):
    """The platform's selector, with a way to look for input without waiting.

    Virtual time looks before each jump, so this is what a jump costs where there are sockets.
    """

    if hasattr(selectors, "EpollSelector") and issubclass(
        selectors.DefaultSelector, selectors.EpollSelector
    ):
        _fd_to_key: dict[int, selectors.SelectorKey]
        _selector: Any

        def look(self) -> list[tuple[selectors.SelectorKey, int]]:
            """Return what is ready now."""
            found = []
            keys = self._fd_to_key
            for fd, mask in self._selector.poll(0, len(keys) or 1):
                key = keys.get(fd)
                if key is not None:
                    # An error or a hang-up is something to read and to write, as it is in stock.
                    events = (mask & ~_EPOLLIN and selectors.EVENT_WRITE) | (
                        mask & ~_EPOLLOUT and selectors.EVENT_READ
                    )
                    found.append((key, events & key.events))
            return found
    else:

        def look(self) -> list[tuple[selectors.SelectorKey, int]]:
            """Return what is ready now."""
            return self.select(0)


_EPOLLIN, _EPOLLOUT = getattr(select, "EPOLLIN", 1), getattr(select, "EPOLLOUT", 4)


class IdleSelector(selectors.BaseSelector):
    """Stands between the base loop and the real selector, which it opens when somebody needs it."""

    def __init__(self, loop: VirtualEventLoop) -> None:
        self._loop = loop
        self.real: QuickSelector | None = None

    def select(self, timeout: float | None = None) -> list[Any]:
        loop = self._loop
        if timeout is None:
            return loop._idle()
        # Here because each turn of the loop comes through here: a call more would be felt.
        loop._turns += 1
        if loop._turns > loop._max_turns:
            loop._check_livelock()
        if loop.clock._overdue:
            return loop._turn_with_due_timers()
        real = self.real
        if real is None:
            return []
        events = real.look()
        if events:
            loop._turns = 0  # something has come from outside: that is getting somewhere
            if loop._sockets.external:
                loop._sockets.input(events)
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._open().register(fileobj, events, data)
        self._loop._sockets.registered(key)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._open().modify(fileobj, events, data)
        self._loop._sockets.modified(key)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._open().unregister(fileobj)
        self._loop._sockets.unregistered(key)
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._open().get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {} if self.real is None else self.real.get_map()

    def close(self) -> None:
        if self.real is not None:
            self.real.close()

    def open(self) -> None:
        """Make the real selector."""
        self.real = QuickSelector()

    def _open(self) -> selectors.BaseSelector:
        self._loop.open_selector()
        assert self.real is not None
        return self.real
