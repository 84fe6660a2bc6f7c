"""The network of a test: hosts with stubs, servers under test, clients, and the verdict.

It owns what it has made. When it is left, its clients are closed first, then its servers are shut
down while the network still stands, last made first; then the wire is cut, and what was seen is
judged. Invariant: after it has been left nothing of it runs, whatever has failed on the way.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import aiohttp
from aiohttp import web
from yarl import URL

from .._network import MemoryNetwork
from .._network._connection import Connection
from .._report import Place
from .._seconds import Seconds
from ..asgi import ASGIApplication, check_app
from ._calls import CallLog
from ._checks import check_function, check_name, check_port, check_url, name_of, parse_url, port_of
from ._exchanges import WebSocketPeer
from ._hosts import Host
from ._listeners import Listener, take_raised
from ._servers import Server
from ._verdict import (
    Unmatched,
    describe_handshake,
    describe_unmatched,
    describe_unused,
    make_error,
    user_place,
)

__unittest = True

_E = TypeVar("_E", bound=BaseException)

_SECURE = ("https", "wss")
# How many turns of the loop it takes at most until the far end of a closed connection has seen that
# and its handler has ended.
_TURNS_TO_NOTICE = 20
# Clients that keep idle connections in a pool; closing that is their session's business.
_POOLING = ("aiohttp.", "anyio.", "httpcore.", "httpx.")


class HTTPNetwork:
    """A network in memory, in which hosts answer as the test says and applications are served.

    It is entered with ``async with`` in any asyncio code, or by ``self.network()`` in an
    :class:`~asynctesting.AsyncTestCase`. While it is entered, the event loop of the test reaches
    its hosts and nobody else: through aiohttp, httpx, websockets or plain streams, unmodified.

    When it is left it judges: requests that no stub answered (even where the code under test has
    swallowed the error), stubs that were not used, hosts that nobody declared, handlers that
    raised, and exchanges that were still open. One failure lists them all. If the test fails by
    itself, they are a note on its failure.

    Args:
        tls: What becomes of https: ``"strip"`` leaves TLS out and keeps the scheme, ``"real"``
            does it with certificates that the clients are made to trust.
        transport: ``"memory"``, or ``"loopback"`` for real sockets on 127.0.0.1.
        strict: Whether what was seen fails the test. If not, :meth:`findings` still lists it.

    Attributes:
        calls: All requests that reached it, in order, a :class:`~asynctesting.http.CallLog`.
        hosts: The stubbed hosts.
        servers: The servers under test.
        wire: The network below, for connections that are not HTTP.

    Raises:
        NetworkVerdictError: When it is left, if it has seen something that must not pass.
        RuntimeError: When it is entered, if no loop runs or that has a network already.

    Example:
        >>> async def main():
        ...     async with HTTPNetwork() as net:
        ...         prices = net.host("https://prices.example")
        ...         prices.get("/tea").respond(json={"price": 3})
        ...         async with aiohttp.ClientSession() as session:
        ...             async with session.get("https://prices.example/tea") as response:
        ...                 print(await response.json())
        >>> asyncio.run(main())
        {'price': 3}
    """

    def __init__(
        self,
        *,
        tls: Literal["strip", "real", "expired", "wrong-host", "untrusted"] = "strip",
        transport: Literal["memory", "loopback"] = "memory",
        strict: bool = True,
    ) -> None:
        self.wire = _Wire(tls=tls, transport=transport)
        self.strict = strict
        self.calls = CallLog("the network")
        self.hosts: list[Host] = []
        self.servers: list[Server] = []
        self._state: Literal["new", "entered", "over"] = "new"
        self._taken: dict[tuple[str, int], Place | None] = {}
        # Behind aiohttp's own test servers.
        self._tested: list[Server] = []
        self._sessions: list[aiohttp.ClientSession] = []
        # How what was begun for the habits of aiohttp's users is closed.
        self._closers: list[Callable[[], Awaitable[Any]]] = []
        # What was asked for by an `await` that may have been forgotten.
        self._promised: dict[Server, str] = {}
        # For the verdict.
        self._unmatched: list[Unmatched] = []
        self._left_open: list[str] = []
        self._peers: list[WebSocketPeer] = []
        self._told: set[str] | None = None

    def __repr__(self) -> str:
        return (
            f"<HTTPNetwork {self._state} hosts={len(self.hosts)} servers={len(self.servers)} "
            f"calls={len(self.calls)}>"
        )

    # Entering and leaving -----------------------------------------------------------------------

    def enter(self) -> Self:
        """Enter the network without ``async with``; :meth:`leave` ends it.

        Raises:
            RuntimeError: If no loop runs, or that has a network already.
        """
        if self._state != "new":
            raise RuntimeError(
                f"this network is {self._state} already; each test makes one: HTTPNetwork()"
            )
        if asyncio._get_running_loop() is None:
            raise RuntimeError(
                "a network is entered where its event loop runs, and none does here. Call it in a "
                "coroutine: in asyncSetUp() or in an 'async def' test, not in setUp()"
            )
        self.wire.__enter__()
        self.wire.owner = self  # whoever keeps but a host of it keeps all of it
        self._state = "entered"
        return self

    async def leave(self) -> None:
        """Close everything and judge; what ``async with`` does at its end.

        Raises:
            NetworkVerdictError: If it has seen something that must not pass.
        """
        await self.__aexit__(None, None, None)

    async def __aenter__(self) -> Self:
        return self.enter()

    def __enter__(self) -> Self:
        raise TypeError("an HTTPNetwork is entered with 'async with'")

    def __exit__(self, *details: object) -> None:
        raise NotImplementedError  # only __enter__() matters, and that has raised

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._asynctesting_witness(error)
        problems = await self._leave()
        if error is not None:
            for problem in problems:
                error.add_note(f"And closing the network failed: {problem!r}")
            return
        found, news = self._look()
        verdict = make_error(news) if news and self.strict else None
        if verdict is not None:
            problems.append(verdict)
        self._told = {*(self._told or ()), *found}
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise ExceptionGroup("the network could not be left in good order", problems)

    async def _leave(self) -> list[Exception]:
        """Close everything, and return what failed on the way."""
        if self._state != "entered":
            return []
        problems: list[Exception] = []
        try:
            for session in self._sessions:
                await session.close()
            await self._settle()
            self._left_open = list(self._open_things())
            for close in reversed(self._closers):
                await _collect(problems, close())
            for server in reversed(self.servers):
                await _collect(problems, server.close())
        finally:
            self._state = "over"
            self.wire.owner = None
            await self.wire.__aexit__(None, None, None)
            for host in self.hosts:
                await host._close()
        return problems

    async def _settle(self) -> None:
        """Let closed connections be noticed at their other ends."""
        for _ in range(_TURNS_TO_NOTICE):
            if not any(listener._under_way for listener in [*self.hosts, *self.servers]):
                break
            await asyncio.sleep(0)

    # Hosts --------------------------------------------------------------------------------------

    def host(self, url: str | URL, *, by_hand: bool = False) -> Host:
        """Declare a host whose answers the test writes down.

        Args:
            url: Scheme, name and, if it is not the usual one, port: ``"https://api.example"``.
            by_hand: Whether requests without a stub wait for ``next_request()``. They do from
                its first call on in any case.

        Raises:
            ValueError: If *url* can't be meant, or something is there already.
            RuntimeError: If the network is not entered.
        """
        checked = self._take(url, "host()")
        made = Host(self, checked, self.wire.host(name_of(checked)), by_hand)
        if self.wire.transport == "loopback":
            made._starting = asyncio.ensure_future(made._start())
            self.wire.starting.add(made._starting)
            made._starting.add_done_callback(self.wire.starting.discard)
        else:
            made._start_in_memory()
        self.hosts.append(made)
        return made

    def serve(
        self,
        app: web.Application | web.BaseRunner,
        url: str | URL,
        *,
        raise_app_exceptions: bool = False,
    ) -> Serving:
        """Serve an application of aiohttp: startup, cleanup contexts and shutdown run.

        To be awaited, for a server that lives as long as the network, or entered with
        ``async with``. A handler whose client gives up goes on, as it does in production, and is
        cancelled when the server ends.

        Args:
            app: The application, or a runner that is not set up yet.
            url: Under which URL.
            raise_app_exceptions: Whether what a handler raises is raised in the client, in place
                of a 500.

        Raises:
            TypeError: If *app* is no application.
            ValueError: If *url* can't be meant, or something is there already.
            Exception: What the startup raises; it is cleaned up then.
        """
        given: Any = app
        if not isinstance(given, (web.Application, web.BaseRunner)):
            hint = ": serve_asgi(app, url)" if callable(app) else ""
            raise TypeError(
                f"serve() needs an aiohttp.web.Application or a runner, got {app!r}. "
                f"ASGI applications go another way{hint}"
            )
        server = self._new_server(app, url, "serve()", raise_app_exceptions)
        return self._begin(server, partial(server._start_aiohttp, app), f"serve(..., {str(url)!r})")

    def serve_asgi(
        self,
        app: ASGIApplication,
        url: str | URL,
        *,
        lifespan: bool = True,
        raise_app_exceptions: bool = False,
    ) -> Serving:
        """Serve an ASGI application, such as one of FastAPI or Starlette.

        To be awaited, for a server that lives as long as the network, or entered with
        ``async with``.

        Args:
            app: The application.
            url: Under which URL.
            lifespan: Whether its startup and shutdown run. One that knows no lifespan is served
                without.
            raise_app_exceptions: Whether what the application raises is raised in the client, in
                place of a 500.

        Raises:
            TypeError: If *app* is no application.
            ValueError: If *url* can't be meant, or something is there already.
            Exception: What the startup raises; it is cleaned up then.
        """
        check_app(app)
        server = self._new_server(app, url, "serve_asgi()", raise_app_exceptions)
        starting = partial(server._start_asgi, app, lifespan)
        return self._begin(server, starting, f"serve_asgi(..., {str(url)!r})")

    async def serve_protocol(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> asyncio.AbstractServer:
        """Have a protocol of asyncio listen at a host and a port, without HTTP.

        Args:
            factory: Makes a protocol for each connection.
            host: The name.
            port: The port; 0 for any, which the server's ``sockets`` tell.

        Raises:
            TypeError: If *factory* is none.
            ValueError: If host or port can't be, or something is there already.
        """
        check_function(
            factory, 0, "serve_protocol()", "a class or a function that makes a protocol"
        )
        check_name(host, "serve_protocol()")
        check_port(port, "serve_protocol()")
        self._refuse_unless_entered("serve_protocol()")
        if port:
            self._reserve(host, port, f"{host}:{port}", "serve_protocol()")
        return await self.wire.listen(factory, host, port)

    def pass_through(self, *hosts: str, port: int | None = None) -> None:
        """Let hosts be reached for real, by name or address.

        Args:
            hosts: Whom. ``"localhost"`` stands for the loopback addresses, too.
            port: Only this port; ``None`` for all.

        Raises:
            TypeError: If a host is no string, or none is given.
            ValueError: If a host or the port can't be.
        """
        self.wire.pass_through(*hosts, port=port)

    # Clients ------------------------------------------------------------------------------------

    def client(self, base_url: str | URL | None = None, **options: Any) -> aiohttp.ClientSession:
        """Return an ``aiohttp.ClientSession``, which the network closes when it is left.

        Args:
            base_url: What relative URLs are relative to.
            options: Whatever ``ClientSession`` takes.

        Raises:
            RuntimeError: If the network is not entered.
        """
        self._refuse_unless_entered("client()")
        if base_url is not None:
            parse_url(base_url, "client()")
        session = aiohttp.ClientSession(base_url, **options)
        self._sessions.append(session)
        return session

    # The habits of aiohttp's users --------------------------------------------------------------

    async def aiohttp_server(self, app: Any, *, port: int | None = None, **options: Any) -> Any:
        """Start an ``aiohttp.test_utils.TestServer``, and close it when the network is left.

        With ``HTTPNetwork(transport="loopback")`` the same runs over real sockets.

        Args:
            app: The application.
            port: The port; any free one by default.
            options: Whatever ``TestServer.start_server()`` takes.
        """
        from aiohttp.test_utils import TestServer

        self._refuse_unless_entered("aiohttp_server()")
        server = TestServer(app, port=port)
        await self._start(server, **options)
        self._watch(server)
        return server

    async def _start(self, server: Any, **options: Any) -> None:
        self._closers.append(server.close)
        await server.start_server(**options)

    async def aiohttp_client(self, app: Any, **options: Any) -> Any:
        """Start an ``aiohttp.test_utils.TestClient`` for an application or a ``TestServer``.

        Args:
            app: What it talks to.
            options: Whatever ``TestClient`` takes.
        """
        from aiohttp.test_utils import BaseTestServer, TestClient, TestServer

        self._refuse_unless_entered("aiohttp_client()")
        server = app if isinstance(app, BaseTestServer) else TestServer(app)
        if not server.started:
            # Before there is a client, whose session would be left open by a startup that fails.
            await self._start(server)
        client: Any = TestClient(server, **options)
        await client.start_server()
        self._closers.append(client.close)
        self._watch(server)
        return client

    def _watch(self, server: Any) -> None:
        """Have what the handlers of a test server raise be a finding, and its requests logged."""
        if all(server is not each.app for each in self._tested):
            watching = Server(self, server.make_url("/").origin(), None, server)
            watching._watch(server.runner.server)
            self._tested.append(watching)

    def free_tcp_port(self) -> int:
        """Return a port of 127.0.0.1 at which nothing listens."""
        self._refuse_unless_entered("free_tcp_port()")
        if self.wire.transport == "memory":
            return self.wire.free_port(["127.0.0.1"])
        from aiohttp.test_utils import unused_port

        return int(unused_port())

    # The log and the verdict --------------------------------------------------------------------

    async def wait_calls(self, count: int = 1, *, timeout: Seconds | None = None) -> list[Any]:
        """Wait until there have been *count* requests in all; see :meth:`.CallLog.wait`."""
        return await self.calls.wait(count, timeout=timeout)

    async def assert_silence(self, duration: Seconds) -> None:
        """Assert that no request comes for so long; see :meth:`.CallLog.assert_silence`."""
        await self.calls.assert_silence(duration)

    def assert_raised(self, kind: type[_E], match: str | None = None) -> _E:
        """Assert that a handler of any server or stub has raised; see :meth:`Server.assert_raised`.

        It is the one for those behind :meth:`aiohttp_client` and :meth:`aiohttp_server`.
        """
        return take_raised(self._listeners, "the network", kind, match)

    def findings(self) -> list[str]:
        """Return what would fail the test now, each as a text."""
        return list(self._findings())

    def _findings(self, unused: bool = True) -> Iterator[str]:
        for attempt in self.wire.undeclared:
            why = (
                "Nobody declared it. To answer it: net.host(...)"
                if not attempt.how.startswith("real ")
                else "It went past the network, which serves the clients of its own loop"
            )
            yield f"{attempt}\n  {why}; to let it be: net.pass_through(...)"
        for port, place in self.wire.missed:
            where = f"\n  at  {place}" if place is not None else ""
            declared = ", ".join(
                str(each.url) for each in [*self.hosts, *self.servers] if each.url.host == port[0]
            )
            yield (
                f"connection to port {port[1]} of {port[0]}, where nothing listens{where}\n"
                f"  Declared for that name: {declared or 'nothing'}"
            )
        yield from self.wire.handshakes
        yield from (unmatched.text for unmatched in self._unmatched)
        for listener in self._listeners:
            yield from (text for _, text in listener._reported)
        yield from self._left_open
        for server, what in self._promised.items():
            place = self._taken[name_of(server.url), port_of(server.url)]
            where = f"; called at  {place}" if place is not None else ""
            yield f"{what} was never awaited, so nothing was served{where}"
        for host in self.hosts if unused else ():
            yield from (describe_unused(stub) for stub in host.stubs if stub._is_owed)

    def _look(self) -> tuple[list[str], list[str]]:
        """Return all findings, and those of them that the verdict is about."""
        found, told = list(self._findings()), self._told
        if told is None or not found:
            return found, found
        # After a failure of the test that has a note, what follows from it is no news.
        return found, [each for each in self._findings(unused=False) if each not in told]

    def _asynctesting_witness(self, error: BaseException) -> None:
        """Tell on the failure of a test what the network has seen so far."""
        if self._state == "over":
            return
        found, news = self._look()
        verdict = make_error(news) if news and self.strict else None
        if verdict is not None:
            error.add_note(f"Beside this, {verdict}")
        self._told = {*(self._told or ()), *found}

    @property
    def _listeners(self) -> list[Listener]:
        return [*self.hosts, *self.servers, *self._tested]

    def _open_things(self) -> Iterator[str]:
        waiting = [(host, exchange.call) for host in self.hosts for exchange in host._waiting]
        for host, call in waiting:
            text = describe_unmatched(call, host).text
            yield f"{text}\n  It waited for next_request(), which was not called again."
        for listener in [*self.hosts, *self.servers]:
            for call, request in listener._under_way.items():
                transport = request.transport
                is_open = transport is not None and not transport.is_closing()
                if is_open and call not in [call for _, call in waiting]:
                    what = "websocket" if "Upgrade" in request.headers else "request"
                    yield f"{call}: the {what} was still open when the network was left"
        for connection in self.wire.connections:
            if _is_forgotten(connection):
                place = getattr(connection, "place", "")
                where = f"\n  opened at  {place}" if place else ""
                yield f"connection to {connection.target} was never closed{where}"

    # Checks -------------------------------------------------------------------------------------

    def _refuse_unless_entered(self, what: str) -> None:
        if self._state == "new":
            raise RuntimeError(
                f"{what} needs a network that is entered: 'async with HTTPNetwork() as net:', or "
                "self.network() in asyncSetUp or in the test"
            )
        if self._state == "over":
            raise RuntimeError(f"{what} came too late: the network has been left")

    def _refuse_if_over(self, what: str) -> None:
        if self._state == "over":
            raise RuntimeError(f"{what} came too late: the network has been left")

    def _take(self, url: str | URL, what: str) -> URL:
        """Return *url* checked, and reserve its name and port."""
        self._refuse_unless_entered(what)
        checked = check_url(url, what)
        self._reserve(name_of(checked), port_of(checked), url, what)
        return checked

    def _reserve(self, name: str, port: int, given: Any, what: str) -> None:
        if (name, port) in self._taken:
            before = self._taken[name, port]
            where = f" (at {before})" if before is not None else ""
            raise ValueError(
                f"{what} got {str(given)!r}, and {name} port {port} is taken already{where}. "
                "Keep what the first call returned, or give another port"
            )
        self._taken[name, port] = user_place()

    def _new_server(self, app: Any, url: str | URL, what: str, raising: bool) -> Server:
        checked = self._take(url, what)
        return Server(self, checked, self.wire.host(name_of(checked)), app, raising)

    def _begin(self, server: Server, starting: Callable[[], Awaitable[None]], what: str) -> Serving:
        self._promised[server] = what

        async def begin() -> Server:
            if self._promised.pop(server, None) is None:
                raise RuntimeError(f"{what} has been awaited before; serve another application")
            try:
                await starting()
            except BaseException:
                self._taken.pop((name_of(server.url), port_of(server.url)), None)
                raise
            self.servers.append(server)
            return server

        return Serving(server, begin)

    async def _listen(
        self, factory: Callable[[], asyncio.BaseProtocol], url: URL
    ) -> asyncio.AbstractServer:
        if self.wire.transport == "memory":
            return self._listen_in_memory(factory, url)
        secure = url.scheme in _SECURE
        return await self.wire.listen(factory, name_of(url), port_of(url), tls=secure)

    def _listen_in_memory(
        self, factory: Callable[[], asyncio.BaseProtocol], url: URL
    ) -> asyncio.AbstractServer:
        addresses = self.wire.addresses_of(name_of(url))
        return self.wire.serve(
            factory, addresses, port_of(url), context=None, speaks_tls=url.scheme in _SECURE
        )


class _Wire(MemoryNetwork):
    """The network below, which also notes who knocks at a port of a host that was never open.

    Attributes:
        missed: Name and port, and the line of the user's code.
        handshakes: Texts about TLS that failed, and was not declared to.
        starting: Servers over real sockets that are about to listen.
        owner: The network above, while it is entered.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.missed: list[tuple[tuple[str, int], Place | None]] = []
        self.handshakes: list[str] = []
        self.starting: set[asyncio.Future[None]] = set()
        self.owner: HTTPNetwork | None = None

    async def reach(self, address: str, port: int, *, again: bool = False) -> Any:
        """Return who listens at an address; see :meth:`MemoryNetwork.reach`."""
        if self.starting:
            # A host is declared by a plain call, and a real socket listens a few turns later.
            await asyncio.wait(self.starting)
        try:
            return await super().reach(address, port, again=again)
        except ConnectionRefusedError:
            host = self._by_address.get(address)
            if host is not None and (address, port) not in self._once_served:
                self.missed.append(((host.name, port), user_place()))
            raise

    def note_handshake(self, connection: Connection, error: ssl.SSLError) -> None:
        """Hear of a TLS handshake that has failed; see :meth:`MemoryNetwork.note_handshake`."""
        mode = self.tls if connection.host is None else connection.host.tls_mode
        if mode in ("strip", "real"):
            self.handshakes.append(describe_handshake(connection, error))


class Serving:
    """A server that is about to start: await it, or enter it with ``async with``."""

    def __init__(self, server: Server, begin: Callable[[], Coroutine[Any, Any, Server]]) -> None:
        self._server = server
        self._begin = begin

    def __repr__(self) -> str:
        return f"<Serving {self._server.url}: await it>"

    def __await__(self) -> Generator[Any, Any, Server]:
        return self._begin().__await__()

    async def __aenter__(self) -> Server:
        return await self

    async def __aexit__(self, *details: object) -> None:
        await self._server.close()


async def _collect(problems: list[Exception], closing: Awaitable[Any]) -> None:
    try:
        await closing
    except Exception as error:
        problems.append(error)


def _is_forgotten(connection: Connection) -> bool:
    """Tell whether a client has left its connection open that keeps none in a pool."""
    client = connection.client
    if client.is_closing():
        return False
    try:
        protocol = client.get_protocol()
    except AssertionError:
        return False
    return not type(protocol).__module__.startswith(_POOLING)
