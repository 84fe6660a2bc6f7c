"""Servers under test: an aiohttp or ASGI application behind a name of the network.

An aiohttp application runs in aiohttp's own runner, an ASGI application behind a bridge. Around
their handlers stands one function that keeps the log and what they raise; their own behaviour
stays as it is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web
from yarl import URL

from ..asgi import ASGIApplication, ASGIBridge, Lifespan
from ._listeners import Listener, keep_body, listen
from ._stubs import lose_client
from ._verdict import describe_exception

if TYPE_CHECKING:
    from .._network import MemoryHost
    from ._net import HTTPNetwork

__unittest = True

_E = TypeVar("_E", bound=BaseException)
_Handler = Callable[[Any], Awaitable[web.StreamResponse]]


class Server(Listener):
    """An application that the network serves; :meth:`.HTTPNetwork.serve` makes one.

    Attributes:
        url: Its URL, a ``yarl.URL``.
        app: The application.
        calls: The requests that have reached it, a :class:`CallLog`.
        exceptions: What its handlers have raised, in order.
    """

    def __init__(
        self,
        net: HTTPNetwork,
        url: URL,
        machine: MemoryHost,
        app: Any,
        raise_app_exceptions: bool = False,
    ) -> None:
        super().__init__(net, url, machine)
        self.app = app
        self.exceptions: list[Exception] = []
        self._reported: dict[Exception, str] = {}
        self._raise = raise_app_exceptions
        self._listening: asyncio.AbstractServer | None = None
        self._end: Callable[[], Awaitable[None]] | None = None

    def __repr__(self) -> str:
        state = "closed" if self._end is None else f"{len(self.calls)} calls"
        return f"<Server {self.url}: {state}>"

    def assert_raised(self, kind: type[_E], match: str | None = None) -> _E:
        """Assert that a handler has raised *kind*, and take it off what is reported at the end.

        Args:
            kind: The class of the exception.
            match: A regular expression that is searched in its text.

        Returns:
            The first such exception.

        Raises:
            AssertionError: If none of the kind was raised.
        """
        for error in self._reported:
            if isinstance(error, kind) and (match is None or re.search(match, str(error))):
                del self._reported[error]
                return error
        raised = ", ".join(map(repr, self.exceptions)) or "nothing"
        wanted = kind.__name__ if match is None else f"{kind.__name__} with {match!r}"
        raise AssertionError(
            f"Expected a handler of {self.url} to raise {wanted}; raised: {raised}"
        )

    async def close(self) -> None:
        """Shut the application down now, and not only when the network is left."""
        end, self._end = self._end, None
        if end is not None:
            await end()

    # Making -------------------------------------------------------------------------------------

    async def _start_aiohttp(self, app: web.Application | web.BaseRunner) -> None:
        if isinstance(app, web.BaseRunner):
            runner: web.BaseRunner = app
            if runner.server is not None:
                raise RuntimeError(
                    f"{runner!r} is set up already; serve() does that, and cleans it up at the end"
                )
        else:
            runner = web.AppRunner(
                app, handle_signals=False, access_log=None, shutdown_timeout=_PATIENCE
            )
        try:
            await runner.setup()
            server = runner.server
            assert server is not None
            server.request_handler = self._watched(server.request_handler)
            await self._listen(server)
        except BaseException as error:
            error.add_note(f"This was the startup of {app!r}, to be served at {self.url}.")
            await _give_up(runner.cleanup, error)
            raise

        async def end() -> None:
            await self._stop_listening()
            await runner.cleanup()

        self._end = end

    async def _start_asgi(self, app: ASGIApplication, uses_lifespan: bool) -> None:
        living = Lifespan(app)
        try:
            if uses_lifespan:
                await living.start()
            bridge = ASGIBridge(app, living.state if living.is_supported else None)
            server = listen(self._watched(bridge), web.BaseRequest)
            await self._listen(server)
        except BaseException as error:
            error.add_note(f"This was the startup of {app!r}, to be served at {self.url}.")
            await _give_up(living.stop, error)
            raise

        async def end() -> None:
            await self._stop_listening()
            server.pre_shutdown()
            await server.shutdown(_PATIENCE)
            await bridge.close()
            await living.stop()

        self._end = end

    async def _listen(self, server: web.Server) -> None:
        self._listening = await self._net._listen(server, self.url)

    async def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.close()

    def _watched(self, handler: _Handler) -> _Handler:
        async def watch(request: web.BaseRequest) -> web.StreamResponse:
            call = self._note(request)
            self._under_way[call] = request
            try:
                response = await handler(request)
            except web.HTTPException as refusal:
                self._finish(call, refusal)
                raise
            except Exception as error:
                call.exception = error
                self.exceptions.append(error)
                if not self._raise:
                    self._reported[error] = describe_exception(str(call), error)
                    raise
                lose_client(request, error)
                return web.Response(status=500)
            finally:
                await keep_body(call, request)
                del self._under_way[call]
            self._finish(call, response)
            return response

        return watch


# Seconds that a handler gets to end by itself when its server is shut down. Its client has gone, or
# is the test, which has ended.
_PATIENCE = 0.05


async def _give_up(clean_up: Callable[[], Awaitable[None]], reason: BaseException) -> None:
    try:
        await clean_up()
    except Exception as error:
        reason.add_note(f"And its cleanup failed, too: {type(error).__name__}: {error}")
