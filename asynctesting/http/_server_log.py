"""What aiohttp's server tells its logger alone: requests that are none, answers that fail.

A handler's exception can be seen by whoever calls the handler. What goes wrong before it is called
or after it has returned is answered by aiohttp on its own, and its logger is the one public place
where that shows. So each connection's logger is wrapped. Whatever it is told it also logs.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp.http_exceptions import HttpProcessingError

from ._verdict import describe_exception

if TYPE_CHECKING:
    from aiohttp import web

    from ._calls import Call
    from ._listeners import Listener

__unittest = True


class ServerLog:
    """The logger of one connection to a server.

    Attributes:
        call: The last request that has come over the connection.
    """

    __slots__ = ("_connection_of", "_listener", "_logger", "call")

    def __init__(self, listener: Listener, logger: Any) -> None:
        self._listener = listener
        self._logger = logger
        # Held weakly, and the protocol not at all, which would keep itself through its logger.
        connection = listener._net.wire.accepting
        self._connection_of = None if connection is None else weakref.ref(connection)
        self.call: Call | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger, name)

    def debug(self, message: str, *args: Any, exc_info: Any = None, **options: Any) -> None:
        """Look at what is logged, and log it."""
        if isinstance(exc_info, HttpProcessingError):
            self._look(exc_info)
        self._logger.debug(message, *args, exc_info=exc_info, stacklevel=2, **options)

    def exception(self, message: str, *args: Any, exc_info: Any = True, **options: Any) -> None:
        """Look at what is logged, and log it."""
        if isinstance(exc_info, Exception):
            self._look(exc_info)
        self._logger.exception(message, *args, exc_info=exc_info, stacklevel=2, **options)

    def _look(self, error: Exception) -> None:
        if isinstance(error, HttpProcessingError):
            self._listener._note_nonsense(error, self._connection_of and self._connection_of())
        elif self.call is not None and not self._listener._knows(error):
            what = f"{self.call}: its answer could not be sent:"
            self._listener._report(error, describe_exception(what, error))


def watched(server: web.Server, listener: Listener) -> Callable[[], Any]:
    """Return a factory of the server's protocols that tells *listener* what they log."""

    def make() -> Any:
        protocol: Any = server()
        protocol.logger = ServerLog(listener, protocol.logger)
        return protocol

    return make
