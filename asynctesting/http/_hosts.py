"""A host of the network: its stubs, its log, and the server that answers from them.

The server is aiohttp's own, in its plain form without an application. A request is compared with
the stubs in the order in which they were made; one that none of them answers waits for the test
if the test answers by hand, and else is refused with a text that says why.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from aiohttp import web
from yarl import URL

from .._network._connection import EXTRA_NAME
from .._seconds import Seconds
from ._calls import Call
from ._exchanges import Exchange, WebSocketStub, check_protocols, hand_over, take_next
from ._forward import forward
from ._listeners import Listener, keep_body, listen, read_body
from ._server_log import watched
from ._stubs import Stub, give, make_stub
from ._verdict import Unmatched, describe_unmatched, user_place

if TYPE_CHECKING:
    from .._network import MemoryHost
    from ._net import HTTPNetwork

__unittest = True

Path = str | re.Pattern[str] | None


class Matching(TypedDict, total=False):
    """What a request has to look like beside method and path; see :class:`RequestPattern`."""

    params: Mapping[str, Any] | Iterable[tuple[str, Any]]
    exact_params: bool
    headers: Mapping[str, str | re.Pattern[str] | None]
    json: Any
    data: Any
    content: str | bytes | re.Pattern[Any]
    match: Callable[[Call], Any]


class StubRequest(web.Request):
    """The request that a stub's handler gets: one of aiohttp's, without an application."""

    # Attributes that are not in this list are frowned upon in debug mode.
    ATTRS = frozenset({*getattr(web.Request, "ATTRS", ()), "found_in_path"})

    @property
    def match_info(self) -> Any:
        """What the stub's path template has found."""
        return getattr(self, "found_in_path", {})


class Host(Listener):
    """A host whose answers are written down by the test; :meth:`.HTTPNetwork.host` makes one.

    Attributes:
        url: Its URL, a ``yarl.URL``.
        calls: The requests that have reached it, a :class:`CallLog`.
        stubs: Its stubs, in the order in which they are tried.
    """

    def __init__(self, net: HTTPNetwork, url: URL, machine: MemoryHost, by_hand: bool) -> None:
        super().__init__(net, url, machine)
        self.stubs: list[Stub] = []
        self._by_hand = by_hand
        self._is_asked = False
        self._waiting: deque[Exchange] = deque()
        self._takers: deque[asyncio.Future[Exchange]] = deque()
        self._server: web.Server | None = None
        self._starting: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<Host {self.url}: {len(self.stubs)} stubs, {len(self.calls)} calls>"

    # Stubs --------------------------------------------------------------------------------------

    def request(
        self,
        method: str | None = None,
        path: Path = None,
        **options: Unpack[Matching],
    ) -> Stub:
        """Make a stub for requests of any method.

        Args:
            method: ``"PURGE"`` or any other; ``None`` for all.
            path: A path, a template or a compiled pattern; see :class:`RequestPattern`.
            options: *params*, *exact_params*, *headers*, *json*, *data*, *content* and *match*, as
                :class:`RequestPattern` takes them.

        Raises:
            TypeError: If something can't be meant.
            ValueError: If *method* or *path* can't be.
            RuntimeError: If the network has been left.
        """
        self._net._refuse_if_over("a stub")
        stub = make_stub(self, user_place(), method, path, options)
        self.stubs.append(stub)
        return stub

    def get(self, path: Path = None, **options: Unpack[Matching]) -> Stub:
        """Make a stub for GET requests; see :meth:`request` for the arguments."""
        return self.request("GET", path, **options)

    def post(self, path: Path = None, **options: Unpack[Matching]) -> Stub:
        """Make a stub for POST requests; see :meth:`request` for the arguments."""
        return self.request("POST", path, **options)

    def put(self, path: Path = None, **options: Unpack[Matching]) -> Stub:
        """Make a stub for PUT requests; see :meth:`request` for the arguments."""
        return self.request("PUT", path, **options)

    def patch(self, path: Path = None, **options: Unpack[Matching]) -> Stub:
        """Make a stub for PATCH requests; see :meth:`request` for the arguments."""
        return self.request("PATCH", path, **options)

    def delete(self, path: Path = None, **options: Unpack[Matching]) -> Stub:
        """Make a stub for DELETE requests; see :meth:`request` for the arguments."""
        return self.request("DELETE", path, **options)

    def head(self, path: Path = None, **options: Unpack[Matching]) -> Stub:
        """Make a stub for HEAD requests; see :meth:`request` for the arguments."""
        return self.request("HEAD", path, **options)

    def options(self, path: Path = None, **options: Unpack[Matching]) -> Stub:
        """Make a stub for OPTIONS requests; see :meth:`request` for the arguments."""
        return self.request("OPTIONS", path, **options)

    def websocket(
        self, path: Path = None, *, protocols: Iterable[str] = (), **options: Unpack[Matching]
    ) -> WebSocketStub:
        """Accept websockets at *path*; the test is their far end.

        Args:
            path: As for other stubs.
            protocols: The subprotocols that the server knows, the best one first.
            options: What else the opening request has to look like.

        Raises:
            TypeError: If *protocols* is no list of names.
        """
        known = check_protocols(protocols)
        return WebSocketStub(self.get(path, **options), self, known)

    # By hand ------------------------------------------------------------------------------------

    async def next_request(self, *, timeout: Seconds | None = None) -> Exchange:
        """Return the next request that no stub answers, and wait for it if need be.

        From the first call on, requests without a stub wait for the test. Those that come before
        it are refused, unless the host was made with ``by_hand=True``.

        Args:
            timeout: How long to wait at most, in seconds of the loop's clock.

        Raises:
            TimeoutError: If none comes in that time.
            RuntimeError: If the network has been left.
        """
        self._net._refuse_if_over("next_request()")
        self._by_hand = self._is_asked = True
        what = f"no request to {self.url} that waits for the test"
        exchange: Exchange = await take_next(self._waiting, self._takers, timeout, what)
        return exchange

    # The server ---------------------------------------------------------------------------------

    def _start_in_memory(self) -> None:
        self._server = listen(self._handle, StubRequest)
        self._net._listen_in_memory(watched(self._server, self), self.url)

    async def _start(self) -> None:
        self._server = listen(self._handle, StubRequest)
        await self._net._listen(watched(self._server, self), self.url)

    async def _close(self) -> None:
        if self._starting is not None:
            await self._starting
        server, self._server = self._server, None
        if server is not None:
            server.pre_shutdown()
            await server.shutdown(0.05)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = self._note(request)
        exchange: Exchange | None = None
        response: web.StreamResponse
        self._under_way[call] = request
        try:
            if request.headers.get("Expect", "").lower() == "100-continue":
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            stub = await self._find(call, request)
            if stub is not None:
                answer = stub._take()
                stub.calls._add(call)
                call.stub = stub
                call.match_info = stub.pattern.match_path(call.target) or {}
                request.found_in_path = call.match_info
                if answer.handler is None and call._body is None:
                    await read_body(call, request)
            else:
                await read_body(call, request)
                if not self._by_hand:
                    return self._refuse(call, request)
                exchange = Exchange(call)
                hand_over(exchange, self._waiting, self._takers)
                answer = await exchange._answer
            whole = answer.whole
            if whole is not None:
                response = whole.response()
            else:
                response = await give(answer, call, request)
            if call._body is None:
                await keep_body(call, request)
        except web.HTTPException as refusal:
            self._finish(call, refusal)
            raise
        except BaseException as error:
            is_finding = self._note_raised(call, request, error)
            if not (is_finding and isinstance(error, Exception)):
                raise
            response = web.Response(status=500, text=f"{type(error).__name__}: {error}")
        finally:
            del self._under_way[call]
            if exchange is not None:
                exchange._over.set()
                if exchange in self._waiting and call.finished is None:
                    self._waiting.remove(exchange)  # its client has gone
                    self._note_given_up(call)
        self._finish(call, response)
        return response

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        url = self.url.join(request.rel_url)
        return await forward(self._net.wire, url, request)

    async def _find(self, call: Call, request: web.Request) -> Stub | None:
        for stub in self.stubs:
            pattern = stub.pattern
            if not stub._is_left or not pattern.fits_head(call):
                continue
            if not pattern.needs_body:
                return stub
            await read_body(call, request)
            if pattern.fits(call) and stub._is_left:  # it may have answered another meanwhile
                return stub
        return None

    def _note_given_up(self, call: Call) -> None:
        """Record a request whose client gave up, where the test has never asked for any."""
        if not self._is_asked:
            text = (
                f"{describe_unmatched(call, self).text}\n"
                "  It waited for next_request(), which was never called, until its client gave up."
            )
            self._net._unmatched.append(Unmatched(call, text))

    def _refuse(self, call: Call, request: web.Request) -> web.Response:
        transport = request.transport
        connection = None if transport is None else transport.get_extra_info(EXTRA_NAME)
        unmatched = describe_unmatched(call, self, getattr(connection, "place", ""))
        self._net._unmatched.append(unmatched)
        response = web.Response(status=501, reason="No stub", text=f"{unmatched.text}\n")
        self._finish(call, response)
        return response
