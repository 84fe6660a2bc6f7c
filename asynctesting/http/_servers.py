"""Servers under test: an aiohttp or ASGI application behind a name of the network.

An aiohttp application runs in aiohttp's own runner, an ASGI application behind a bridge. Around
their handlers stands one function that keeps the log and what they raise; their own behaviour
stays as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web
from yarl import URL

from ..asgi import ASGIApplication, ASGIBridge, Lifespan
from ._calls import Call
from ._listeners import Listener, is_gone, keep_body, listen
from ._server_log import watched
from ._stubs import lose_client

if TYPE_CHECKING:
    from .._network import MemoryHost
    from ._net import HTTPNetwork

__unittest = True

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
        machine: MemoryHost | None,
        app: Any,
        raise_app_exceptions: bool = False,
    ) -> None:
        super().__init__(net, url, machine)
        self.app = app
        self._raise = raise_app_exceptions
        self._listening: asyncio.AbstractServer | None = None
        self._end: Callable[[], Awaitable[None]] | None = None

    def __repr__(self) -> str:
        state = "closed" if self._end is None else f"{len(self.calls)} calls"
        return f"<Server {self.url}: {state}>"

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
            self._watch(server)
            await self._listen(server)
        except BaseException as error:
            error.add_note(f"This was the startup of {app!r}, to be served at {self.url}.")
            await _give_up(runner.cleanup, error)
            raise

        async def end() -> None:
            await self._stop_listening()
            await self._end_abandoned()
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
        self._listening = await self._net._listen(watched(server, self), self.url)

    async def _stop_listening(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()

    async def _end_abandoned(self) -> None:
        """Cancel the handlers that go on although their clients have gone.

        aiohttp lets them go on, and its shutdown ends those alone whose clients are still there.
        In production the others end with the process; here, with the server.
        """
        running = self._under_way.values()
        abandoned = [request.task for request in running if is_gone(request.transport)]
        for task in abandoned:
            task.cancel()
        for _ in range(_TURNS_TO_END):
            if all(task.done() for task in abandoned):
                break
            await asyncio.sleep(0)

    def _watch(self, server: web.Server) -> None:
        """Keep the log of a server that others have set up, and what its handlers raise."""
        server.request_handler = self._watched(server.request_handler)

    def _watched(self, handler: _Handler) -> _Handler:
        async def watch(request: web.BaseRequest) -> web.StreamResponse:
            call = self._note(request)
            self._under_way[call] = request
            try:
                response: Any = await handler(request)
            except web.HTTPException as refusal:
                self._finish(call, refusal)
                raise
            except BaseException as error:
                is_finding = self._note_raised(call, request, error)
                if not (is_finding and self._raise and isinstance(error, Exception)):
                    raise
                self._reported.pop()
                lose_client(request, error)
                return web.Response(status=500)
            finally:
                if call._body is None:
                    await keep_body(call, request)
                del self._under_way[call]
            if isinstance(response, web.StreamResponse):
                self._finish(call, response)
            else:
                self._note_no_response(call, response)
            answer: web.StreamResponse = response
            return answer

        return watch

    def _note_no_response(self, call: Call, returned: Any) -> None:
        text = (
            f"its handler returned {returned!r}, which is no response; it has to return one, such "
            "as aiohttp.web.json_response({...})"
        )
        call.exception = TypeError(text)
        self._report(call.exception, f"{call}: {text}")


# Seconds that a handler gets to end by itself when its server is shut down. Its client has gone, or
# is the test, which has ended.
_PATIENCE = 0.05
# Turns of the loop in which one may end that is cancelled for want of a client. Not seconds, which
# stand still on a clock that is moved by hand.
_TURNS_TO_END = 20


async def _give_up(clean_up: Callable[[], Awaitable[None]], reason: BaseException) -> None:
    try:
        await clean_up()
    except Exception as error:
        reason.add_note(f"And its cleanup failed, too: {type(error).__name__}: {error}")
