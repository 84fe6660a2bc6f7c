"""ASGI applications on a wire: FastAPI, Starlette and their kin, on the test's own event loop.

:func:`lifespan` starts an application up and shuts it down. :class:`ASGIBridge` makes one of the
requests and websockets of an aiohttp server, so that clients meet it as they would in production:
streams flow while they are made, and who goes away is missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web
from multidict import CIMultiDict

__all__ = ["ASGIBridge", "LifespanError", "lifespan"]

__unittest = True

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
#: An application of version 3 of the ASGI specification.
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

_VERSION = {"version": "3.0", "spec_version": "2.4"}


class LifespanError(RuntimeError):
    """An ASGI application has failed to start up or to shut down, and said so."""


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[Any]:
    """Start an application up, and shut it down at the end, without serving it.

    Args:
        app: An ASGI application, or an ``aiohttp.web.Application``: its startup, cleanup contexts
            and shutdown run.

    Returns:
        For ASGI the state that the application's lifespan has filled, for aiohttp the application.

    Raises:
        LifespanError: If an ASGI application says that its startup or shutdown has failed.
        TypeError: If *app* is no application.

    Example:
        >>> async def app(scope, receive, send):
        ...     assert scope["type"] == "lifespan"
        ...     await receive()
        ...     scope["state"]["greeting"] = "hello"
        ...     await send({"type": "lifespan.startup.complete"})
        ...     await receive()
        ...     await send({"type": "lifespan.shutdown.complete"})
        >>> async def main():
        ...     async with lifespan(app) as state:
        ...         print(state["greeting"])
        >>> asyncio.run(main())
        hello
    """
    if isinstance(app, web.Application):
        runner = web.AppRunner(app, handle_signals=False)
        try:
            await runner.setup()
            yield app
        finally:
            await runner.cleanup()
        return
    living = Lifespan(app)
    await living.start()
    try:
        yield living.state
    finally:
        await living.stop()


class Lifespan:
    """The lifespan of one application: a task that runs from its startup to its shutdown.

    Attributes:
        state: What the application has put into ``scope["state"]``.
        is_supported: Whether the application knows of lifespans at all.
    """

    def __init__(self, app: ASGIApplication) -> None:
        check_app(app)
        self._app = app
        self.state: dict[str, Any] = {}
        self.is_supported = True
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self._received: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run the startup.

        Raises:
            LifespanError: If the application says that it has failed.
        """
        scope = {"type": "lifespan", "asgi": dict(_VERSION), "state": self.state}
        run = _started(self._app(scope, self._sent.get, self._received.put), self._app)
        self._task = asyncio.create_task(run, name="lifespan")
        await self._tell("startup")

    async def stop(self) -> None:
        """Run the shutdown.

        Raises:
            LifespanError: If the application says that it has failed.
        """
        if self._task is not None and not self._task.done():
            await self._tell("shutdown")
        if self._task is not None:
            # Whatever stands after the last message still runs; its errors are the caller's.
            task, self._task = self._task, None
            await task

    async def _tell(self, phase: str) -> None:
        assert self._task is not None
        self._sent.put_nowait({"type": f"lifespan.{phase}"})
        reply = asyncio.ensure_future(self._received.get())
        try:
            await asyncio.wait({self._task, reply}, return_when=asyncio.FIRST_COMPLETED)
            if reply.done():
                self._judge(phase, reply.result())
                return
            task, self._task = self._task, None
            error = task.exception()
            if error is not None and (phase == "shutdown" or _knows_lifespan(error)):
                raise error
            # It raised or returned at the very scope, or left early: no lifespan then.
            self.is_supported = False
        except BaseException:
            if self._task is not None and not self._task.done():
                self._task.cancel()
                await asyncio.wait({self._task})
            raise
        finally:
            reply.cancel()

    def _judge(self, phase: str, reply: Message) -> None:
        if reply["type"] == f"lifespan.{phase}.failed":
            text = reply.get("message", "").strip() or "it gave no reason"
            task, self._task = self._task, None
            if task is not None:
                task.cancel()
                task.add_done_callback(lambda task: task.cancelled() or task.exception())
            raise LifespanError(f"the {phase} of {self._app!r} has failed: {text}")
        if reply["type"] != f"lifespan.{phase}.complete":
            raise LifespanError(
                f"{self._app!r} sent {reply['type']!r} where 'lifespan.{phase}.complete' is due"
            )


def _knows_lifespan(error: BaseException) -> bool:
    """Tell whether an application failed in its startup, and not because it knows of none."""
    # Frameworks that know lifespans send "failed". Whoever raises knows none, or fails while
    # starting; the second is a bug that a test must not lose. An application without lifespan
    # looks at the scope's type at once and refuses it, or trips over a key that is not there.
    if isinstance(error, (AssertionError, KeyError, NotImplementedError)):
        return False
    return not ("lifespan" in str(error) or "scope" in str(error).lower())


class ASGIBridge:
    """A handler for an aiohttp server that hands each request to an ASGI application.

    Args:
        app: The application.
        state: What each request's ``scope["state"]`` begins with.
    """

    def __init__(self, app: ASGIApplication, state: Mapping[str, Any] | None = None) -> None:
        check_app(app)
        self._app = app
        self._state = state
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer *request*; what the application raises is raised here."""
        is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        conversation = _WebSocket(request) if is_socket else _Exchange(request)
        scope = self._scope(request, is_socket)
        run = _started(self._app(scope, conversation.receive, conversation.send), self._app)
        task = asyncio.create_task(run, name=f"{request.method} {request.path}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            # The client has gone. The application hears of it, and ends when it likes.
            conversation.gone.set()
            if not task.done():
                task.add_done_callback(_forget)
                raise
            if task.cancelled():
                raise
        return await conversation.finish()

    async def close(self) -> None:
        """Cancel what the application still runs for clients that have gone."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _scope(self, request: web.BaseRequest, is_socket: bool) -> Scope:
        target = request.rel_url
        scheme = request.scheme
        scope: Scope = {
            "type": "websocket" if is_socket else "http",
            "asgi": dict(_VERSION),
            "http_version": f"{request.version.major}.{request.version.minor}",
            "scheme": scheme.replace("http", "ws") if is_socket else scheme,
            "path": target.path,
            "raw_path": target.raw_path.encode("ascii"),
            "query_string": target.raw_query_string.encode("ascii"),
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.raw_headers],
            "client": _address(request, "peername"),
            "server": _address(request, "sockname"),
        }
        if self._state is not None:
            scope["state"] = dict(self._state)
        if is_socket:
            wanted = request.headers.get("Sec-WebSocket-Protocol", "")
            scope["subprotocols"] = [name.strip() for name in wanted.split(",") if name.strip()]
        else:
            scope["method"] = request.method
        return scope


def check_app(app: Any) -> None:
    """Refuse what is no ASGI application.

    Raises:
        TypeError: With a word about what it seems to be.
    """
    if isinstance(app, (web.Application, web.BaseRunner)):
        raise TypeError(f"{app!r} is an application of aiohttp: serve(app, url)")
    what = "an ASGI application is called with scope, receive and send"
    if not callable(app):
        raise TypeError(f"{what}, got {app!r}")
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None, None, None)
    except TypeError:
        raise TypeError(f"{what}; {app!r} takes {signature}") from None


def _started(run: Any, app: Any) -> Any:
    """Return the coroutine that a call of an application has given, or refuse it."""
    if asyncio.iscoroutine(run):
        return run
    if not inspect.isawaitable(run):
        raise TypeError(
            f"{app!r} returned {run!r}; an ASGI application is an 'async def app(scope, receive, "
            "send)'"
        )

    async def wait() -> None:
        await run

    return wait()


def _forget(task: asyncio.Task[None]) -> None:
    """Look at the result, so that an application that fails over a lost client is no finding."""
    if not task.cancelled():
        task.exception()


def _address(request: web.BaseRequest, name: str) -> tuple[str, int] | None:
    transport = request.transport
    address = None if transport is None else transport.get_extra_info(name)
    return tuple(address[:2]) if isinstance(address, (tuple, list)) else None


class _Exchange:
    """One request over HTTP, from the application's side."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.gone = asyncio.Event()
        self._request = request
        self._all_read = False
        self._start: Message | None = None
        self._response: web.StreamResponse | None = None
        self._is_over = False

    async def receive(self) -> Message:
        """Return the next part of the body; after the last, wait until the client goes."""
        if not self._all_read:
            content = self._request.content
            chunk = await content.readany()
            self._all_read = content.at_eof()
            return {"type": "http.request", "body": chunk, "more_body": not self._all_read}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a part of the response."""
        kind = message["type"]
        if self.gone.is_set():
            raise OSError("the client has gone")
        if kind == "http.response.start":
            if self._start is not None:
                raise RuntimeError("the application has started its response twice")
            self._start = message
        elif kind == "http.response.body":
            if self._start is None:
                raise RuntimeError("the application sent a body before 'http.response.start'")
            if self._is_over:
                raise RuntimeError("the application sent a body after the last one")
            await self._send_body(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"the application sent {kind!r}, which HTTP has no use for")

    async def _send_body(self, body: bytes, more: bool) -> None:
        assert self._start is not None
        self._is_over = not more
        if self._response is None:
            status, headers = self._start["status"], _headers(self._start.get("headers", ()))
            if not more and self._request.method != "HEAD":
                self._response = web.Response(status=status, headers=headers, body=bytes(body))
                return  # aiohttp sends it in one piece when the handler returns
            self._response = web.StreamResponse(status=status, headers=headers)
            await self._response.prepare(self._request)
        if body and self._request.method != "HEAD":
            await self._response.write(bytes(body))
        if not more:
            await self._response.write_eof()

    async def finish(self) -> web.StreamResponse:
        """Return the response, after the application has returned."""
        if self._response is None:
            raise RuntimeError("the application returned without a response")
        if not self._is_over:
            transport = self._request.transport
            if transport is not None:
                transport.abort()
            raise RuntimeError("the application returned in the middle of its response")
        return self._response


class _WebSocket:
    """One websocket, from the application's side."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.gone = asyncio.Event()
        self._request = request
        self._has_begun = False
        self._socket: web.WebSocketResponse | None = None
        self._refused: web.Response | None = None

    async def receive(self) -> Message:
        """Return what the client has sent."""
        if not self._has_begun:
            self._has_begun = True
            return {"type": "websocket.connect"}
        if self._socket is None:
            await self.gone.wait()
            return {"type": "websocket.disconnect", "code": WSCloseCode.ABNORMAL_CLOSURE}
        message = await self._socket.receive()
        if message.type is WSMsgType.TEXT:
            return {"type": "websocket.receive", "text": message.data}
        if message.type is WSMsgType.BINARY:
            return {"type": "websocket.receive", "bytes": message.data}
        code = self._socket.close_code
        return {
            "type": "websocket.disconnect",
            "code": WSCloseCode.ABNORMAL_CLOSURE if code is None else int(code),
            "reason": str(message.extra or ""),
        }

    async def send(self, message: Message) -> None:
        """Take what the application sends."""
        kind = message["type"]
        if kind == "websocket.accept":
            chosen = message.get("subprotocol")
            self._socket = web.WebSocketResponse(protocols=[chosen] if chosen else ())
            self._socket.headers.extend(_headers(message.get("headers", ())))
            await self._socket.prepare(self._request)
        elif kind == "websocket.close" and self._socket is None:
            self._refused = web.Response(status=403)
        elif kind == "websocket.close":
            assert self._socket is not None
            reason = message.get("reason") or ""
            await self._socket.close(code=message.get("code", 1000), message=reason.encode())
        elif kind == "websocket.send":
            if self._socket is None:
                raise RuntimeError("the application sent a message before 'websocket.accept'")
            if self._socket.closed or self.gone.is_set():
                raise OSError("the client has gone")
            if message.get("text") is not None:
                await self._socket.send_str(message["text"])
            else:
                await self._socket.send_bytes(message["bytes"])
        else:
            raise RuntimeError(f"the application sent {kind!r}, which websockets have no use for")

    async def finish(self) -> web.StreamResponse:
        """Return the response, after the application has returned."""
        if self._socket is not None:
            if not self._socket.closed:
                await self._socket.close()
            return self._socket
        return self._refused or web.Response(status=403)


def _headers(pairs: Any) -> CIMultiDict[str]:
    return CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)
