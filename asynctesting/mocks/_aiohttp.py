"""Real responses of aiohttp for who needs one, and a mocked session for who must patch.

A response is made by one round trip through aiohttp's own client and server, over a connection in
memory. So it is what production gets, on whatever version of aiohttp is installed: ``ok`` follows
from the status, ``raise_for_status()`` raises, JSON is parsed, the content can be streamed.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json as json_module
import types
from collections.abc import AsyncIterator, Awaitable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from unittest import mock

from .._network import MemoryNetwork, network_of
from ..errors import UnsetError
from ._autospec import autospec

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

__unittest = True

_HOST = "response.asynctesting.invalid"
_VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "request")
_UNSET: Any = object()


async def http_response(
    status: int = 200,
    *,
    json: Any = _UNSET,
    text: str | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    reason: str | None = None,
    method: str = "GET",
    url: str | URL = "http://mock.test/",
) -> aiohttp.ClientResponse:
    """Make a real ``aiohttp.ClientResponse``, whole and ready to be read.

    Args:
        status: The status, 200 to 599.
        json: The body, to be sent as JSON.
        text: The body, to be sent as UTF-8 text.
        body: The body as it is.
        headers: Headers beside those of the body.
        reason: The phrase beside the status, where the usual one will not do.
        method: What the request was.
        url: Where it went; absolute, with a name for a host.

    Returns:
        The response. Nothing of its connection is left; nothing has to be closed.

    Raises:
        TypeError: If more than one body is given.
        ValueError: If *status* or *url* can't be.

    Example:
        >>> async def main():
        ...     response = await http_response(404, json={"error": "no tea"})
        ...     return response.ok, await response.json()
        >>> asyncio.run(main())
        (False, {'error': 'no tea'})
    """
    import aiohttp
    from aiohttp import web
    from yarl import URL

    target = _check_url(URL(url), url)
    payload, kind = _check_body(json, text, body)
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"a status is a number such as 200 or 404, got {status!r}")
    if not 200 <= status <= 599:
        raise ValueError(f"a response has a status of 200 to 599, got {status!r}")
    sent = {**({} if kind is None else {"Content-Type": kind}), **(headers or {})}

    async def answer(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(status=status, reason=reason, headers=sent, body=payload)

    async with _borrowed_network() as network:
        server = web.Server(answer)
        tls = target.scheme == "https"
        network.host(_HOST).tls("strip")
        listening = await network.listen(server, _HOST, 0, tls=tls)
        try:
            address = listening.sockets[0].getsockname()  # type: ignore[attr-defined]
            connector = aiohttp.TCPConnector(resolver=_resolver(*address[:2]))
            async with aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None),
                # All of it has to fit, or the sender would wait for a reader.
                read_bufsize=max(len(payload), 2**16),
            ) as session:
                response = await session.request(method, target, allow_redirects=False, ssl=not tls)
                arrived = asyncio.Event()
                response.content.on_eof(arrived.set)
                await arrived.wait()
        finally:
            listening.close()
            await server.shutdown(0)
    return response


def _check_url(url: URL, given: object) -> URL:
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"http_response() needs an absolute URL, got {str(given)!r}")
    if url.host.replace(".", "").isdigit() or ":" in url.host:
        raise ValueError(
            f"http_response() needs a name for a host, got {str(given)!r}: aiohttp looks no "
            "address up, and would go there"
        )
    return url


def _check_body(json: Any, text: str | None, body: bytes | None) -> tuple[bytes, str | None]:
    given = {"json": json is not _UNSET, "text": text is not None, "body": body is not None}
    if sum(given.values()) > 1:
        names = " and ".join(f"{name}=" for name, there in given.items() if there)
        raise TypeError(f"a response has one body, and {names} each give one. Leave one of them")
    if given["json"]:
        return json_module.dumps(json).encode(), "application/json; charset=utf-8"
    if text is not None:
        return text.encode(), "text/plain; charset=utf-8"
    return body or b"", None


def _resolver(address: str, port: int) -> Any:
    """Return a resolver of aiohttp for which every name is one address."""
    from aiohttp.abc import AbstractResolver

    class Fixed(AbstractResolver):
        async def resolve(self, host: str, port_: int = 0, family: int = 0) -> Any:
            return [
                {
                    **{"hostname": host, "host": address, "port": port},
                    **{"family": family, "proto": 0, "flags": 0},
                }
            ]

        async def close(self) -> None: ...

    return Fixed()


class _PrivateNetwork(MemoryNetwork):
    """A network for us alone: whatever else the loop connects to is reached for real."""

    users = 0

    def is_real(self, host: Any, port: int | None) -> bool:
        return True


@contextlib.asynccontextmanager
async def _borrowed_network() -> AsyncIterator[MemoryNetwork]:
    """Give the network of the running loop, or else one that lives as long as it is used."""
    network = network_of(asyncio.get_running_loop())
    if network is None:
        network = _PrivateNetwork()
        network.pass_through("localhost")
        network.__enter__()
    if not isinstance(network, _PrivateNetwork):
        yield network
        return
    network.users += 1
    try:
        yield network
    finally:
        network.users -= 1
        if not network.users:
            await network.__aexit__(None, None, None)


# A mocked session ------------------------------------------------------------------------------


@contextlib.contextmanager
def mock_client_session(module: types.ModuleType | str) -> Iterator[Any]:
    """Have a module get a mock where it makes an ``aiohttp.ClientSession``.

    It is for who must patch; a test on a network in memory (:class:`asynctesting.HTTPNetwork`)
    needs none of it, and sees more. The mock is that of ``autospec(ClientSession)``, and its verbs
    have a method more: ``session.get.respond(...)`` takes what :func:`http_response` takes, or
    ``error=``; called again it adds the answer for the next request, and the last one stays.
    Requests can be awaited or entered and give real responses. What nobody has said anything
    about is an :exc:`UnsetError`. Other modules are not touched.

    Args:
        module: The module under test, or its name.

    Yields:
        The mock of the session, whoever makes how many.

    Raises:
        ValueError: If the module has neither ``aiohttp`` nor ``ClientSession`` in its names.

    Example:
        >>> with mock_client_session("shop.payments") as session:  # doctest: +SKIP
        ...     session.post.respond(503).respond(json={"id": "c1"})
    """
    import aiohttp

    target = importlib.import_module(module) if isinstance(module, str) else module
    if not isinstance(target, types.ModuleType):
        raise TypeError(
            f"mock_client_session() needs a module, or its name such as 'shop.payments', got "
            f"{module!r}"
        )
    cls = autospec(aiohttp.ClientSession)
    session = cls.return_value
    session.closed = False
    for verb in _VERBS:
        double = getattr(session, verb)
        answers = _Answers(verb, cls)
        double.side_effect = answers
        double.respond = answers.respond
    with contextlib.ExitStack() as stack:
        names = [name for name, value in vars(target).items() if value is aiohttp.ClientSession]
        for name in names:
            stack.enter_context(mock.patch.object(target, name, cls))
        for name in [name for name, value in vars(target).items() if value is aiohttp]:
            stack.enter_context(mock.patch.object(target, name, _Aiohttp(cls)))
            names.append(name)
        if not names:
            raise ValueError(
                f"{target.__name__} has neither 'aiohttp' nor 'ClientSession' in its names, so "
                "there is nothing to patch in it. Name the module that makes the session"
            )
        yield session


class _Aiohttp(types.ModuleType):
    """aiohttp as one module sees it, with another ClientSession."""

    def __init__(self, cls: Any) -> None:
        super().__init__("aiohttp")
        self.ClientSession = cls

    def __getattr__(self, name: str) -> Any:
        import aiohttp

        return getattr(aiohttp, name)


class _Answers:
    """What one verb of a mocked session answers."""

    def __init__(self, verb: str, cls: Any) -> None:
        self._verb, self._cls = verb, cls
        self._left: list[dict[str, Any]] = []

    def respond(self, status: int = 200, *, error: Any = None, **options: Any) -> _Answers:
        """Add an answer."""
        self._left.append({"status": status, "error": error, **options})
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        method, *rest = args if self._verb == "request" else (self._verb.upper(), *args)
        url = self._url(rest[0] if rest else kwargs["url"], kwargs.get("params"))
        if not self._left:
            raise UnsetError(
                f"{method} {url} was requested, and the test has not said what it answers: "
                f"session.{self._verb}.respond(...)"
            )
        answer = dict(self._left.pop(0) if len(self._left) > 1 else self._left[0])
        return _Request(_answer(answer, method, url, kwargs.get("raise_for_status")))

    def _url(self, url: Any, params: Any) -> URL:
        from yarl import URL

        made = self._cls.call_args
        base = made and (made.args[0] if made.args else made.kwargs.get("base_url"))
        target = URL(base or "http://mock.test/").join(URL(url))
        return target.update_query(params) if params else target


async def _answer(answer: dict[str, Any], method: str, url: URL, raising: Any) -> Any:
    error = answer.pop("error")
    if error is not None:
        raise error
    response = await http_response(**answer, method=method, url=url)
    if raising is True:
        response.raise_for_status()
    return response


class _Request(Awaitable[Any]):
    """What a verb gives: it is awaited or entered, once."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __await__(self) -> Generator[Any, None, Any]:
        return self._response.__await__()  # type: ignore[no-any-return]

    async def __aenter__(self) -> Any:
        self._entered = await self._response
        return self._entered

    async def __aexit__(self, *error: object) -> None:
        self._entered.release()
