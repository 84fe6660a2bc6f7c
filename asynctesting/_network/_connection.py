"""A connection: two transports and the two ways between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

from .._loop import Joint
from .._report import Place
from ._hosts import MemoryHost
from ._link import Link
from ._pipe import Pipe, reset_by_peer
from ._places import place_in, steps_here
from ._transport import MemorySocket, MemoryTransport, format_address

__unittest = True

#: Under this name ``get_extra_info()`` of either end returns the :class:`Connection`.
EXTRA_NAME = "asynctesting.connection"


class Connection(Joint):
    """A connection in memory.

    Attributes:
        number: Counts the network's connections, from 1.
        host: The host that was connected to; ``None`` for this machine and Unix sockets.
        target: What was connected to, as text: ``"api.test:443"``.
        client: The transport of who connected, below TLS.
        server: The transport of who was connected to, below TLS.
        opened_at: The loop's time.
    """

    __slots__ = (
        *(
            "_loop",
            "_on_gone",
            "_steps",
            "client",
            "host",
            "number",
            "opened_at",
            "server",
            "target",
        ),
        "__weakref__",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        number: int,
        host: MemoryHost | None,
        target: str,
        kind: tuple[int, int],
        names: tuple[Any, Any],
        contexts: tuple[Context, Context],
        on_gone: Callable[[Connection, MemoryTransport], None],
    ) -> None:
        self.number = number
        self.host = host
        self.target = target
        self.opened_at = loop.time()
        self._loop = loop
        self._steps = steps_here(2)
        self._on_gone = on_gone
        link = None if host is None else host.current_link
        there, back = Pipe(loop, False, link), Pipe(loop, True, link)
        own, peer = names
        self.client = self._end(kind, own, peer, contexts[0], back, there)
        self.server = self._end(kind, peer, own, contexts[1], there, back)

    def _end(
        self,
        kind: tuple[int, int],
        own: Any,
        peer: Any,
        context: Context,
        incoming: Pipe,
        outgoing: Pipe,
    ) -> MemoryTransport:
        stand_in = MemorySocket(*kind, own, peer)
        extra = {"socket": stand_in, "sockname": own, "peername": peer, EXTRA_NAME: self}
        end = MemoryTransport(self._loop, context, incoming, outgoing, extra, self._one_is_gone)
        stand_in.attach(end)
        return end

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open"
        source = format_address(self.client.get_extra_info("sockname"))
        return f"<Connection {self.number} {source} -> {self.target} {state}>"

    @property
    def place(self) -> Place | None:
        """The line of the user's code from which it was opened, if that is known."""
        return place_in(self._steps, self._loop)

    @property
    def is_closed(self) -> bool:
        """Whether both ends are closed."""
        return self.client.is_gone and self.server.is_gone

    def reset(self) -> None:
        """Reset the connection: both ends see ``ConnectionResetError`` at once."""
        self.client.lose(reset_by_peer())
        self.server.lose(reset_by_peer())

    def abort(self) -> None:
        """Close both ends, without an error and without a farewell."""
        self.client.abort()
        self.server.abort()

    def relink(self, link: Link | None) -> None:
        """Put another link between the ends."""
        self.client.outgoing.relink(link)
        self.server.outgoing.relink(link)

    def _one_is_gone(self, end: MemoryTransport) -> None:
        end.get_extra_info("socket").close()
        if self.client.is_gone and self.server.is_gone:
            if self.host is not None:
                sent = self.server.outgoing.passed
                self.host.most_answered = max(self.host.most_answered, sent)
            for each in (self.client, self.server):
                each.outgoing.stop()
                each.drop_extra(EXTRA_NAME)
        self._on_gone(self, end)
