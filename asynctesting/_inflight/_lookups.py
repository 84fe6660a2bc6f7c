"""Name look-ups that never ask the loop: those of aiodns, which aiohttp prefers where it is there.

c-ares does them in a thread that Python knows nothing of, and reports from it. What is public is
the future that each method of ``aiodns.DNSResolver`` returns, so that is what is watched. c-ares
has limits of its own, in real seconds, so each look-up is sure to end.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ._hold import Hold

if TYPE_CHECKING:
    from ._outside import Outside

__unittest = True

_METHODS = ("query", "query_dns", "getaddrinfo", "getnameinfo", "gethostbyname", "gethostbyaddr")


class Lookups:
    """Look-ups of aiodns: they hold the clock until their future is done."""

    def __init__(self, outside: Outside) -> None:
        self.pending: dict[asyncio.Future[Any], str] = {}
        self._outside = outside
        if "aiodns" in sys.modules:
            _watch_resolvers()

    def began(self, future: asyncio.Future[Any], what: str) -> None:
        """Take note of a look-up that was begun."""
        if not future.done():
            self.pending[future] = what
            self._outside.stirring += 1
            future.add_done_callback(self._ended)

    def holds(self, is_background: Callable[[object], bool]) -> Iterator[Hold]:
        """Yield those under way."""
        for future, what in self.pending.items():
            if not is_background(future):
                yield Hold(("lookup", id(future)), what, rings=True)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        if self.pending.pop(future, None) is not None:
            self._outside.stirring -= 1


@functools.cache
def _watch_resolvers() -> None:
    """Have the resolvers of aiodns tell our loops of their look-ups; other loops notice nothing."""
    resolver = sys.modules["aiodns"].DNSResolver
    for name in _METHODS:
        method = getattr(resolver, name, None)
        if callable(method):
            setattr(resolver, name, _told(method, name))


def _told(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def look_up(self: Any, *args: Any, **kwargs: Any) -> Any:
        future = method(self, *args, **kwargs)
        if asyncio.isfuture(future):
            lookups = getattr(getattr(future.get_loop(), "_outside", None), "lookups", None)
            if lookups is not None:
                subject = repr(args[0]) if args else "..."
                lookups.began(future, f"look-up {name}({subject}) of aiodns")
        return future

    return look_up
