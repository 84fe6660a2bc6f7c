"""What a stubbed host and a server under test have in common: a URL, a log, and trouble on the way.

Every request that reaches one of them is a :class:`Call` from the moment its head has arrived, in
its own log and in that of the network.
"""

from __future__ import annotations

import asyncio
import re
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from aiohttp import ClientSession, web
from yarl import URL

from .._network._connection import EXTRA_NAME
from .._seconds import Seconds
from ._calls import Call, CallLog, CallResponse
from ._server_log import ServerLog
from ._verdict import describe_exception, describe_nonsense

if TYPE_CHECKING:
    from .._network import MemoryHost
    from ._net import HTTPNetwork

__unittest = True

_L = TypeVar("_L", bound="Listener")
_E = TypeVar("_E", bound=BaseException)


class Listener:
    """A place in the network that HTTP requests reach.

    Attributes:
        url: Its URL, a ``yarl.URL``.
        calls: The requests that have reached it, a :class:`CallLog`.
        exceptions: What its handlers have raised and what could not be answered, in order.
    """

    def __init__(self, net: HTTPNetwork, url: URL, machine: MemoryHost | None) -> None:
        # Held weakly: a network that has been left goes at once, and not with the next collection.
        self._net_of = weakref.ref(net)
        self._all_calls = net.calls
        self.url = url
        # There is none behind the servers of aiohttp's own test tools, which nobody else sees.
        self._machine: Any = machine
        self._loop = net.wire.loop
        self.calls = CallLog(str(url))
        self.exceptions: list[BaseException] = []
        # Of those, what the test has not asked for, and how the verdict tells it. Not by exception:
        # not all of them can be hashed.
        self._reported: list[tuple[BaseException, str]] = []
        self._under_way: dict[Call, Any] = {}

    @property
    def _net(self) -> HTTPNetwork:
        net = self._net_of()
        if net is None:
            raise RuntimeError(f"this came too late for {self.url}: the network has been left")
        return net

    async def wait_calls(self, count: int = 1, *, timeout: Seconds | None = None) -> list[Call]:
        """Wait until it has had *count* requests in all; see :meth:`CallLog.wait`."""
        return await self.calls.wait(count, timeout=timeout)

    async def assert_silence(self, duration: Seconds) -> None:
        """Assert that no request comes for so long; see :meth:`CallLog.assert_silence`."""
        await self.calls.assert_silence(duration)

    def client(self, **options: Any) -> ClientSession:
        """Return an ``aiohttp.ClientSession`` for this URL, which the network closes at its end."""
        return self._net.client(self.url, **options)

    def assert_raised(self, kind: type[_E], match: str | None = None) -> _E:
        """Assert that a handler has raised *kind*, and take it off what is reported at the end.

        Args:
            kind: The class of the exception. What came and was no HTTP request is an
                ``aiohttp.http_exceptions.HttpProcessingError``.
            match: A regular expression that is searched in its text.

        Returns:
            The first such exception.

        Raises:
            AssertionError: If none of the kind was raised.
        """
        return take_raised([self], str(self.url), kind, match)

    # Trouble ------------------------------------------------------------------------------------

    def up(self: _L) -> _L:
        """Undo :meth:`refuse`, :meth:`hang` and :meth:`dns_error`."""
        self._machine.up()
        return self

    def refuse(self: _L) -> _L:
        """Refuse new connections, as if nothing listened."""
        self._machine.refuse()
        return self

    def hang(self: _L) -> _L:
        """Never answer those who connect."""
        self._machine.hang()
        return self

    def dns_error(self: _L) -> _L:
        """Vanish from DNS."""
        self._machine.dns_error()
        return self

    def restart(self: _L, downtime: float = 0.0) -> _L:
        """Reset all connections, refuse new ones for *downtime* seconds, then be up again."""
        self._machine.restart(downtime)
        return self

    def link(
        self: _L,
        *,
        latency: float = 0.0,
        rate: float | None = None,
        segment: int | None = None,
        cut_after: int | None = None,
        stall_after: int | None = None,
        connect: float = 0.0,
    ) -> _L:
        """Say what the way to this host and back is like; without arguments, it is perfect again.

        Args:
            latency: Seconds that each byte travels, in either direction.
            rate: Bytes per second, in either direction.
            segment: How many bytes the reader gets at once, at most.
            cut_after: After how many bytes of its answers a connection is reset.
            stall_after: After how many bytes of its answers nothing comes any more.
            connect: Seconds that connecting takes.

        Raises:
            ValueError: If a value is out of its bounds.
        """
        self._machine.link(
            latency=latency,
            rate=rate,
            segment=segment,
            cut_after=cut_after,
            stall_after=stall_after,
            connect=connect,
        )
        return self

    def tls(self: _L, mode: Literal["strip", "real", "expired", "wrong-host", "untrusted"]) -> _L:
        """Say how TLS is done here, for new connections.

        Args:
            mode: ``"strip"``: not at all, though the scheme stays https. ``"real"``: with a
                certificate that the clients of this network trust. ``"expired"``,
                ``"wrong-host"``, ``"untrusted"``: with one that they must not accept.
        """
        self._machine.tls(mode)
        return self

    # Keeping the log ----------------------------------------------------------------------------

    def _note(self, request: web.BaseRequest) -> Call:
        transport = request.transport
        connection = None if transport is None else transport.get_extra_info(EXTRA_NAME)
        call = Call(
            request.method,
            request.rel_url,
            request.headers,
            host=self.url,
            body=None if request.body_exists else b"",
            started=self._loop.time(),
            connection_id=0 if connection is None else connection.number,
        )
        self.calls._add(call)
        self._all_calls._add(call)
        log: Any = request.protocol.logger
        if type(log) is ServerLog:
            log.call = call
        return call

    def _finish(self, call: Call, response: web.StreamResponse) -> None:
        body: Any = None
        # Asking for the type itself spares an abstract base class its search.
        if type(response) is web.Response or isinstance(response, web.Response):
            body = response.body
            if body is None:
                body = b""
            elif not isinstance(body, bytes):
                body = None
        call.response = CallResponse(response.status, response.headers, body)
        call.finished = self._loop.time()

    def _note_raised(self, call: Call, request: web.BaseRequest, error: BaseException) -> bool:
        """Record what a handler raised; return whether that is a finding."""
        if isinstance(error, (GeneratorExit, KeyboardInterrupt, SystemExit)):
            return False
        if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
            return False  # its client has gone, or the server is shut down
        call.exception = error
        if isinstance(error, ConnectionResetError) and is_gone(request.transport):
            self.exceptions.append(error)
            return False  # it could not finish what its client did not wait for
        text = describe_exception(f"{call}: its handler raised", error)
        if isinstance(error, asyncio.CancelledError):
            text += "\n  Nobody had cancelled it; something that it awaited was cancelled."
        self._report(error, text)
        return True

    def _note_nonsense(self, error: Exception, connection: Any) -> None:
        """Record that something came which is no HTTP request."""
        place = getattr(connection, "place", None)
        self._report(error, describe_nonsense(self.url, error, place))

    def _report(self, error: BaseException, text: str) -> None:
        self.exceptions.append(error)
        self._reported.append((error, text))

    def _knows(self, error: BaseException) -> bool:
        return any(error is each for each in self.exceptions)


def take_raised(listeners: Iterable[Listener], where: str, kind: type[_E], match: str | None) -> _E:
    """Return the first exception of *kind* that would be reported, and have it not be."""
    raised: list[BaseException] = []
    for listener in listeners:
        for number, (error, _) in enumerate(listener._reported):
            if isinstance(error, kind) and (match is None or re.search(match, str(error))):
                del listener._reported[number]
                return error
        raised += listener.exceptions
    wanted = kind.__name__ if match is None else f"{kind.__name__} with {match!r}"
    told = ", ".join(map(repr, raised)) or "nothing"
    raise AssertionError(f"Expected a handler of {where} to raise {wanted}; raised: {told}")


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def is_gone(transport: asyncio.BaseTransport | None) -> bool:
    """Tell whether the client at the other end of a request has gone."""
    return transport is None or transport.is_closing()


async def read_body(call: Call, request: web.BaseRequest) -> None:
    """Read the body into the log."""
    if call._body is None:
        call._body = await request.read()


async def keep_body(call: Call, request: web.BaseRequest) -> None:
    """Keep the body that a handler has read, where it was read whole."""
    if request.content.at_eof():
        # One that was read as a stream is not there any more.
        call._body = await request.read() or None


def listen(
    handler: Callable[[Any], Awaitable[web.StreamResponse]], kind: type[web.BaseRequest]
) -> web.Server:
    """Return a server of aiohttp's that hands each request to *handler* and cancels it, if the
    client goes."""
    loop = asyncio.get_running_loop()

    make: Any = kind

    def make_request(*parts: Any) -> web.BaseRequest:
        request: web.BaseRequest = make(*parts, loop, client_max_size=_ANY_SIZE)
        return request

    return web.Server(
        handler,
        request_factory=make_request,
        handler_cancellation=True,
        access_log=None,
        tcp_keepalive=False,
    )


#: Requests may be as large as a test likes; flow control sees to it that they still fit.
_ANY_SIZE = 1 << 62
