"""What a stub sends back: a whole response, a stream, or something that a network does to one.

A :class:`Reply` is checked where it is written down and can be sent any number of times. Faults
write the bytes themselves, so that a response can break at any one of them.
"""

from __future__ import annotations

import asyncio
import inspect
import socket as sockets
import struct
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from .._network._connection import EXTRA_NAME
from ._checks import (
    check_headers,
    check_one_body,
    check_reason,
    check_status,
    check_stream,
    check_whole,
    dumps,
)
from ._patterns import UNSET

__unittest = True

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
Chunks = Iterable[bytes | str] | AsyncIterable[bytes | str]

#: The ways in which a response can break; see :meth:`asynctesting.http.Stub.fault`.
FAULTS = ("reset", "close", "half-close", "malformed", "truncate")


class Reply:
    """A response to be sent, as :func:`reply` makes it."""

    __slots__ = ("body", "headers", "reason", "status", "stream")

    def __init__(
        self,
        status: int = 200,
        *,
        json: Any = UNSET,
        text: str | None = None,
        body: bytes | None = None,
        headers: Headers | None = None,
        stream: Chunks | Callable[[], Chunks] | None = None,
        reason: str | None = None,
    ) -> None:
        check_status(status)
        check_one_body(json=json is not UNSET, text=text, body=body, stream=stream)
        self.status = int(status)
        self.reason = check_reason(reason)
        self.headers = check_headers(headers)
        self.stream = check_stream(stream)
        self.body = body if body is None else bytes(body)
        if json is not UNSET:
            self.body = dumps(json)
            self.headers.setdefault("Content-Type", "application/json; charset=utf-8")
        elif text is not None:
            if not isinstance(text, str):
                raise TypeError(f"text= needs a str, got {text!r}; bytes go into body=")
            self.body = text.encode()
            self.headers.setdefault("Content-Type", "text/plain; charset=utf-8")
        check_whole(self.status, self.headers, self.body, self.stream is not None)

    def __repr__(self) -> str:
        if self.stream is not None:
            return f"<Reply {self.status}, a stream>"
        return f"<Reply {self.status}, {len(self.body or b'')} bytes>"

    @property
    def only_once(self) -> bool:
        """Whether the body is an iterator, which can be read once only."""
        return self.stream is not None and (
            hasattr(self.stream, "__next__") or hasattr(self.stream, "__anext__")
        )

    def response(self) -> web.Response:
        """Return a fresh response for aiohttp to send."""
        return web.Response(
            status=self.status, reason=self.reason, body=self.body or b"", headers=self.headers
        )

    async def send_stream(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send the chunks one by one, as fast as the client takes them."""
        response = web.StreamResponse(status=self.status, reason=self.reason, headers=self.headers)
        await response.prepare(request)
        source = self.stream() if callable(self.stream) else self.stream
        async for chunk in _chunks(source):
            await response.write(chunk.encode() if isinstance(chunk, str) else chunk)
        await response.write_eof()
        return response

    def to_bytes(self) -> tuple[bytes, bytes]:
        """Return head and body as they stand on the wire."""
        body = self.body or b""
        headers = self.headers.copy()
        headers.setdefault("Content-Length", str(len(body)))
        headers.setdefault("Content-Type", "application/octet-stream")
        reason = self.reason if self.reason is not None else _phrase(self.status)
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode(), body


def reply(
    status: int = 200,
    *,
    json: Any = UNSET,
    text: str | None = None,
    body: bytes | None = None,
    headers: Headers | None = None,
    stream: Chunks | Callable[[], Chunks] | None = None,
    reason: str | None = None,
) -> Reply:
    """Make a response, for a ``side_effect`` to return or to have in its list.

    Args:
        status: The status, 200 to 599.
        json: A body that is sent as JSON.
        text: A body that is sent as UTF-8 text.
        body: A body as it is.
        headers: Headers beside those of the body: a mapping, or pairs for one that is repeated.
        stream: Chunks that are sent one by one: an iterable, an asynchronous one, or a function
            that returns one. An iterator serves one call.
        reason: The phrase beside the status, where the usual one will not do.

    Raises:
        TypeError: If two bodies are given, or one can't be sent.
        ValueError: If *status* is none.

    Example:
        >>> reply(404, json={"error": "no such charge"})
        <Reply 404, 27 bytes>
    """
    return Reply(
        status, json=json, text=text, body=body, headers=headers, stream=stream, reason=reason
    )


async def _chunks(source: Any) -> AsyncIterator[bytes | str]:
    if inspect.isawaitable(source):
        source = await source
    if hasattr(source, "__aiter__"):
        async for chunk in source:
            yield chunk
    else:
        for chunk in source:
            yield chunk
            await asyncio.sleep(0)  # the reader may take it before the next one is made


async def break_off(request: web.BaseRequest, sent: Reply, fault: str, after: int | None) -> None:
    """Send as much of *sent* as the fault lets through, and break the connection."""
    transport = request.transport
    if transport is None:
        return  # the client has gone already
    head, body = sent.to_bytes()
    if fault == "malformed":
        head = b"HTTP/one.one OK then\r\n" + head
    if fault == "truncate":
        data = head + body[: len(body) // 2 if after is None else after]
    elif fault in ("malformed", "half-close"):
        data = (head + body)[:after]
    else:
        data = (head + body)[: after or 0]
    if data:
        transport.write(data)
        await _delivered(transport)
    if fault == "reset":
        reset(transport)
    elif fault == "half-close":
        transport.write_eof()
        await asyncio.Event().wait()  # until the client goes, which cancels the handler
    else:
        transport.close()


async def _delivered(transport: asyncio.Transport) -> None:
    """Give what was written the time to arrive, since a reset overtakes it."""
    for _ in range(20):
        await asyncio.sleep(0)
        if transport.is_closing() or not transport.get_write_buffer_size():
            break
    for _ in range(5):
        await asyncio.sleep(0)


def reset(transport: asyncio.Transport) -> None:
    """Break a connection as a peer does that has crashed."""
    connection = transport.get_extra_info(EXTRA_NAME)
    if connection is not None:
        connection.server.reset()
        return
    socket = transport.get_extra_info("socket")
    if socket is not None:
        # A real socket sends a reset in place of an orderly end if it may not linger.
        socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
