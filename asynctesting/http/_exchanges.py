"""Requests that the test answers by hand, one after the other, and websockets likewise."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from aiohttp import WSMessage, WSMsgType, web
from multidict import CIMultiDictProxy, MultiDict, MultiDictProxy
from yarl import URL

from .._seconds import Seconds
from ._calls import Call, CallLog, limit_of
from ._checks import check_function
from ._patterns import UNSET
from ._replies import Chunks, Headers, Reply
from ._stubs import Answer, Handler, Stub

if TYPE_CHECKING:
    from ._hosts import Host

__unittest = True


class Exchange:
    """A request that waits for the test to answer it; ``await host.next_request()`` returns one.

    Attributes:
        call: The request as the log has it.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self._answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()

    def __repr__(self) -> str:
        if self.call.finished is not None:
            state = f"answered with {self.call.status}"
        else:
            state = "answered" if self._answer.done() else "waits for an answer"
        return f"<Exchange {self.call}: {state}>"

    @property
    def method(self) -> str:
        """``"GET"``, ``"POST"``, ..."""
        return self.call.method

    @property
    def url(self) -> URL:
        """The whole URL."""
        return self.call.url

    @property
    def path(self) -> str:
        """The decoded path."""
        return self.call.path

    @property
    def query(self) -> MultiDictProxy[str]:
        """The query parameters."""
        return self.call.query

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The headers, in any case."""
        return self.call.headers

    @property
    def body(self) -> bytes:
        """The body."""
        return self.call.body

    @property
    def text(self) -> str:
        """The body as text."""
        return self.call.text

    def json(self) -> Any:
        """Return the body as JSON."""
        return self.call.json()

    def form(self) -> MultiDict[Any]:
        """Return the fields of a form."""
        return self.call.form()

    def respond(
        self,
        status: int = 200,
        *,
        json: Any = UNSET,
        text: str | None = None,
        body: bytes | None = None,
        headers: Headers | None = None,
        stream: Chunks | None = None,
        reason: str | None = None,
    ) -> None:
        """Answer with a response; the arguments are those of :func:`asynctesting.http.reply`.

        Raises:
            RuntimeError: If the request has been answered before.
        """
        made = Reply(
            status, json=json, text=text, body=body, headers=headers, stream=stream, reason=reason
        )
        self._give(Answer(made))

    def respond_with(self, handler: Handler) -> None:
        """Have a handler of aiohttp answer.

        Raises:
            TypeError: If *handler* is none.
        """
        check_function(handler, 1, "respond_with()", "a handler, 'async def handler(request)'")
        self._give(Answer(handler=handler))

    def fault(self, kind: str, *, after: int | None = None, reply: Reply | None = None) -> None:
        """Break the connection while *reply* is being sent; see :meth:`Stub.fault`."""
        stub = Stub(None, None, None)  # type: ignore[arg-type]  # a stub without requests
        stub._add(Answer(reply or Reply())).fault(kind, after=after)
        self._give(stub._answers[-1])

    def fail(self, error: BaseException | type[BaseException]) -> None:
        """Have the client's connection be lost with *error*."""
        self._give(Answer(effect=lambda call: error))

    async def finished(self, *, timeout: Seconds | None = None) -> None:
        """Wait until the response has been handed to the connection, or that is broken."""
        async with asyncio.timeout(limit_of(timeout)):
            await self._over.wait()

    def _give(self, answer: Answer) -> None:
        if self._answer.cancelled():
            raise RuntimeError(f"{self.call} can't be answered any more: its client has gone")
        if self._answer.done():
            raise RuntimeError(
                f"{self.call} was answered before; each request gets one answer. The next one "
                "comes from 'await host.next_request()'"
            )
        self._answer.set_result(answer)


class WebSocketStub:
    """A websocket of a host, whose far end is the test; ``host.websocket(path)`` makes one.

    Attributes:
        stub: The stub that accepts the connections.
    """

    def __init__(self, stub: Stub, host: Host, protocols: tuple[str, ...]) -> None:
        self.stub = stub.respond_with(self._accept).repeat()
        self._host = host
        self._protocols = protocols
        self._accepted: deque[WebSocketPeer] = deque()
        self._takers: deque[asyncio.Future[WebSocketPeer]] = deque()

    def __repr__(self) -> str:
        return f"<WebSocketStub {self.stub.pattern} at {self._host.url}>"

    @property
    def calls(self) -> CallLog:
        """The requests with which connections were opened."""
        return self.stub.calls

    def optional(self) -> WebSocketStub:
        """Let it be no failure if nobody connects."""
        self.stub.optional()
        return self

    async def accepted(self, *, timeout: Seconds | None = None) -> WebSocketPeer:
        """Return the next connection that a client has opened, and wait for it if need be.

        Args:
            timeout: How long to wait at most, in seconds of the loop's clock.

        Raises:
            TimeoutError: If nobody connects in that time.
        """
        peer: WebSocketPeer = await take_next(
            self._accepted, self._takers, timeout, f"no websocket {self.stub.pattern.path}"
        )
        return peer

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=self._protocols)
        await socket.prepare(request)
        peer = WebSocketPeer(socket, request)
        self._host._net._peers.append(peer)
        hand_over(peer, self._accepted, self._takers)
        await peer._serve()
        return socket


class WebSocketPeer:
    """The server's end of one websocket, in the hand of the test.

    The names are those of aiohttp's own websockets. Pings and the closing handshake are answered
    by themselves.

    Attributes:
        request: The request that opened it.
    """

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.request = request
        self._socket = socket
        self._messages: asyncio.Queue[WSMessage] = asyncio.Queue()
        self._done = False

    def __repr__(self) -> str:
        state = f"closed with {self.close_code}" if self.closed else "open"
        return f"<WebSocketPeer {self.request.path}: {state}>"

    @property
    def closed(self) -> bool:
        """Whether it is closed, from either side."""
        return self._done or self._socket.closed

    @property
    def close_code(self) -> int | None:
        """The code that it was closed with."""
        return self._socket.close_code

    @property
    def protocol(self) -> str | None:
        """The subprotocol that both sides agreed on."""
        return self._socket.ws_protocol

    async def send_str(self, data: str) -> None:
        """Send a text message."""
        await self._socket.send_str(data)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        await self._socket.send_bytes(data)

    async def send_json(self, data: Any) -> None:
        """Send a text message with *data* as JSON."""
        await self._socket.send_json(data)

    async def ping(self, message: bytes = b"") -> None:
        """Send a ping."""
        await self._socket.ping(message)

    async def receive(self, *, timeout: Seconds | None = None) -> WSMessage:
        """Return the next message; one of type ``CLOSED`` after the last.

        Raises:
            TimeoutError: If there is none within *timeout* seconds of the loop's clock.
        """
        if self._done and self._messages.empty():
            return WSMessage(WSMsgType.CLOSED, None, None)
        async with asyncio.timeout(limit_of(timeout)):
            return await self._messages.get()

    async def receive_str(self, *, timeout: Seconds | None = None) -> str:
        """Return the next message, which has to be text."""
        message = await self.receive(timeout=timeout)
        if message.type is not WSMsgType.TEXT:
            self._refuse("a text message", message)
        return str(message.data)

    async def receive_bytes(self, *, timeout: Seconds | None = None) -> bytes:
        """Return the next message, which has to be binary."""
        message = await self.receive(timeout=timeout)
        if message.type is not WSMsgType.BINARY:
            self._refuse("a binary message", message)
        return bytes(message.data)

    async def receive_json(self, *, timeout: Seconds | None = None) -> Any:
        """Return what the next message, a text, has as JSON."""
        import json

        return json.loads(await self.receive_str(timeout=timeout))

    async def close(self, code: int = 1000, message: bytes = b"") -> None:
        """Close in good order, and wait for the client's answer."""
        await self._socket.close(code=code, message=message)

    def abort(self) -> None:
        """Reset the connection, as a server does that crashes."""
        transport = self.request.transport
        if transport is not None:
            transport.abort()

    async def _serve(self) -> None:
        # One task reads all the time, so that pings and closing are answered by themselves.
        try:
            while True:
                message = await self._socket.receive()
                self._messages.put_nowait(message)
                if message.type in (
                    *(WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR),
                ):
                    break
        finally:
            self._done = True
            self._messages.put_nowait(WSMessage(WSMsgType.CLOSED, None, None))

    def _refuse(self, wanted: str, message: WSMessage) -> NoReturn:
        ended = message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED)
        what = (
            f"the client has closed the websocket (code {self.close_code})"
            if ended
            else f"{message.type.name} {message.data!r}"
        )
        raise AssertionError(f"Expected {wanted} on {self.request.path}, got this: {what}")


def check_protocols(protocols: Any) -> tuple[str, ...]:
    """Return the subprotocols of a websocket."""
    if isinstance(protocols, (str, bytes)) or not isinstance(protocols, Iterable):
        raise TypeError(
            f"protocols= needs a list of subprotocols such as ['chat.v2'], got {protocols!r}"
        )
    return tuple(protocols)


def hand_over(item: Any, waiting: deque[Any], takers: deque[asyncio.Future[Any]]) -> None:
    """Give *item* to whoever has waited longest, or keep it."""
    while takers:
        taker = takers.popleft()
        if not taker.done():
            taker.set_result(item)
            return
    waiting.append(item)


async def take_next(
    waiting: deque[Any], takers: deque[asyncio.Future[Any]], timeout: Seconds | None, what: str
) -> Any:
    """Return the next item that is handed over."""
    if waiting:
        return waiting.popleft()
    taker = asyncio.get_running_loop().create_future()
    takers.append(taker)
    try:
        async with asyncio.timeout(limit_of(timeout)):
            return await taker
    except BaseException as error:
        if taker.done() and not taker.cancelled():
            waiting.appendleft(taker.result())  # it came in the very moment of giving up
        elif taker in takers:
            takers.remove(taker)
        if not isinstance(error, TimeoutError):
            raise
        raise TimeoutError(f"{what} has come within {limit_of(timeout)} s") from None
