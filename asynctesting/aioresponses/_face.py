"""The class that suites import: context manager, decorator, and the verbs of aioresponses."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self, TypeVar
from unittest import mock

import aiohttp
from aiohttp import web
from yarl import URL

from .._network import network_of
from ..errors import NetworkVerdictError
from ._anyhost import AnyHost, begins, connecting_methods, raise_in_client
from ._replies import CallbackResult, Error, Match, Pattern, refuse_response_class
from ._sent import RequestCall, Requests, differences, normal, read_sent, url_of

__unittest = True

_F = TypeVar("_F", bound=Callable[..., Any])

# What aiohttp sends once more by itself when the connection breaks.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


class aioresponses:  # noqa: N801 - the name that suites import
    """Answer the requests of aiohttp clients as the test says; context manager and decorator.

    Args:
        passthrough: Beginnings of URLs that are reached for real, host by host.
        passthrough_unmatched: Whether hosts that no ``add()`` names are reached for real.
        param: As a decorator: the name of the argument to pass it as.
        strict: Whether a request that nobody answered fails the test at the end, also where the
            code under test has swallowed the error. aioresponses has nothing like it.

    Attributes:
        requests: The requests by method and URL, each a list of :class:`RequestCall`.

    Example:
        >>> async def main():
        ...     with aioresponses() as m:
        ...         m.get("http://shop.test/tea", payload={"price": 3})
        ...         async with aiohttp.ClientSession() as session:
        ...             async with session.get("http://shop.test/tea") as response:
        ...                 print(await response.json())
        ...         m.assert_called_once_with("http://shop.test/tea")
        >>> asyncio.run(main())
        {'price': 3}
    """

    def __init__(
        self,
        *,
        passthrough: Sequence[str] = (),
        passthrough_unmatched: bool = False,
        param: str | None = None,
        strict: bool = False,
    ) -> None:
        if isinstance(passthrough, str):
            raise TypeError(f"passthrough= needs a list of beginnings, got {passthrough!r}")
        self.passthrough = tuple(passthrough)
        self.passthrough_unmatched = passthrough_unmatched
        self.strict = strict
        self.requests: dict[tuple[str, URL], list[RequestCall]] = Requests()
        self._param = param
        self._matches: list[Match] = []
        self._named: set[str | None] = set()
        self._unmatched: list[str] = []
        self._repeating: dict[tuple[str, URL], BaseException] = {}
        self._networks: list[AnyHost] = []
        self._hooks = ExitStack()

    # Entering and leaving -----------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.stop()
        if not self._unmatched:
            return
        told = "\n".join(f"  {text}: nothing was added that answers it" for text in self._unmatched)
        if error is not None:
            error.add_note(f"aioresponses has seen requests that nobody answered:\n{told}")
        elif self.strict:
            raise NetworkVerdictError(
                "aioresponses has seen requests that nobody answered, whether the code under test "
                f"noticed or not.\n\n{told}",
                [line.strip() for line in told.splitlines()],
            )

    def __call__(self, function: _F) -> _F:
        def pack(args: Any, kwargs: Any) -> tuple[Any, Any]:
            if self._param:
                return args, {**kwargs, self._param: self}
            return (*args, self), kwargs

        wrapped: Any
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapped(*args: Any, **kwargs: Any) -> Any:
                with self:
                    args, kwargs = pack(args, kwargs)
                    return await function(*args, **kwargs)
        else:

            @functools.wraps(function)
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                with self:
                    args, kwargs = pack(args, kwargs)
                    return function(*args, **kwargs)

        return wrapped  # type: ignore[no-any-return]

    def start(self) -> None:
        """Begin to answer, on the running loop and on each loop that connects from now on.

        A loop of uvloop's is reached only if it is the running one.

        Raises:
            RuntimeError: If the running loop has a network already.
        """
        self.clear()
        self.requests = Requests()
        self._unmatched.clear()
        self._named.clear()
        running = asyncio._get_running_loop()
        if running is not None:
            self._install()
        for cls, name in connecting_methods():
            self._hooks.enter_context(mock.patch.object(cls, name, self._hook(cls, name)))

    def stop(self) -> None:
        """Answer no more, and end every connection."""
        self._hooks.close()
        while self._networks:
            self._networks.pop().shut_down()
        self.clear()

    def clear(self) -> None:
        """Forget what was added."""
        self._matches.clear()
        self._repeating.clear()

    def _install(self) -> None:
        network = AnyHost(self._answer, self._is_real)
        network.__enter__()
        self._networks.append(network)

    def _hook(self, cls: type, name: str) -> Any:
        original = vars(cls)[name]

        async def connecting(loop: Any, *args: Any, **kwargs: Any) -> Any:
            if network_of(loop) is None:
                self._install()
                return await getattr(loop, name)(*args, **kwargs)
            return await original(loop, *args, **kwargs)

        return functools.wraps(original)(connecting)

    # What to answer -----------------------------------------------------------------------------

    def add(
        self,
        url: URL | str | Pattern,
        method: str = "GET",
        status: int = 200,
        body: str | bytes = "",
        exception: Error | None = None,
        content_type: str = "application/json",
        payload: Any = None,
        headers: Mapping[str, str] | None = None,
        response_class: None = None,
        repeat: bool | int = False,
        timeout: bool = False,
        reason: str | None = None,
        callback: Callable[..., Any] | None = None,
    ) -> None:
        """Answer requests to *url*: the next one, or as many as *repeat* says.

        Args:
            url: The URL with its query, in whatever order, or a pattern that matches from its
                beginning.
            method: Of which method.
            status: The status.
            body: The body, as text or bytes.
            exception: What the request raises in the client instead.
            content_type: The type of the body, unless *headers* say another.
            payload: The body, to be sent as JSON.
            headers: Headers of the response.
            response_class: Not supported; give it to the session.
            repeat: How often; ``True`` for ever.
            timeout: Whether the request raises ``asyncio.TimeoutError``, at once.
            reason: The phrase beside the status.
            callback: Called with the URL and what has arrived; may be ``async``, and returns a
                :class:`CallbackResult` or ``None`` for the response above.

        Raises:
            TypeError: If *response_class* is given, or something is of a wrong type.
            ValueError: If *status* or *repeat* can't be, *headers* announce another length than the
                body has, or a pattern meets ``passthrough_unmatched``.
        """
        refuse_response_class(response_class)
        if not isinstance(url, str | URL | re.Pattern):
            raise TypeError(f"a URL is a string, a yarl.URL or a compiled pattern, got {url!r}")
        if isinstance(url, re.Pattern) and self.passthrough_unmatched:
            raise ValueError(
                f"the pattern {url.pattern!r} names no host, so passthrough_unmatched=True can't "
                "tell which hosts it leaves to be reached for real. Add the URLs themselves, or "
                "list the real ones in passthrough="
            )
        if not isinstance(url, re.Pattern):
            self._named.add(URL(url).host)
        reply = CallbackResult(method, status, body, content_type, payload, headers, None, reason)
        error = TimeoutError("Connection timeout test") if timeout else exception
        self._matches.append(Match(url, method, reply, error, callback, repeat))

    def get(self, url: URL | str | Pattern, **options: Any) -> None:
        """Answer GET requests; see :meth:`add`."""
        self.add(url, method="GET", **options)

    def post(self, url: URL | str | Pattern, **options: Any) -> None:
        """Answer POST requests; see :meth:`add`."""
        self.add(url, method="POST", **options)

    def put(self, url: URL | str | Pattern, **options: Any) -> None:
        """Answer PUT requests; see :meth:`add`."""
        self.add(url, method="PUT", **options)

    def patch(self, url: URL | str | Pattern, **options: Any) -> None:
        """Answer PATCH requests; see :meth:`add`."""
        self.add(url, method="PATCH", **options)

    def delete(self, url: URL | str | Pattern, **options: Any) -> None:
        """Answer DELETE requests; see :meth:`add`."""
        self.add(url, method="DELETE", **options)

    def head(self, url: URL | str | Pattern, **options: Any) -> None:
        """Answer HEAD requests; see :meth:`add`."""
        self.add(url, method="HEAD", **options)

    def options(self, url: URL | str | Pattern, **options: Any) -> None:
        """Answer OPTIONS requests; see :meth:`add`."""
        self.add(url, method="OPTIONS", **options)

    # Answering ----------------------------------------------------------------------------------

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        url, method = url_of(request), request.method.upper()
        repeated = self._repeating.pop((method, url), None)
        try:
            # aiohttp itself may have sent the request once more.
            result = repeated or await self._find(method, url, await read_sent(request))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            result = error  # of a callback
        if not isinstance(result, BaseException):
            return result
        if method in _IDEMPOTENT and repeated is None and _is_retried(result):
            self._repeating[method, url] = result
        raise_in_client(request, result)
        return web.Response()

    async def _find(
        self, method: str, url: URL, kwargs: Mapping[str, Any]
    ) -> web.StreamResponse | BaseException:
        self.requests.setdefault((method, url), []).append(RequestCall((), kwargs))
        match = next((match for match in self._matches if match.fits(method, url)), None)
        if match is None:
            return self._refuse(method, url)
        match.left -= 1
        if not match.left:
            self._matches.remove(match)
        return await match.answer(url, kwargs)

    def _refuse(self, method: str, url: URL) -> BaseException:
        self._unmatched.append(f"{method} {url}")
        error = aiohttp.ClientConnectionError(f"Connection refused: {method} {url}")
        left = ", ".join(map(str, self._matches)) or "nothing"
        error.add_note(f"aioresponses: no answer was added for it; what is left is {left}")
        return error

    def _is_real(self, host: str, port: int | None) -> bool:
        if any(begins(prefix, host, port) for prefix in self.passthrough):
            return True
        return self.passthrough_unmatched and host not in self._named

    # Assertions ---------------------------------------------------------------------------------

    def _calls(self) -> Iterator[RequestCall]:
        for calls in self.requests.values():
            yield from calls

    def assert_not_called(self) -> None:
        """Assert that no request has arrived."""
        if self.requests:
            raise AssertionError(f"expected no request, got {self._told()}")

    def assert_called(self) -> None:
        """Assert that a request has arrived."""
        if not self.requests:
            raise AssertionError("expected a request, got none")

    def assert_called_once(self) -> None:
        """Assert that exactly one request has arrived."""
        if len(list(self._calls())) != 1:
            raise AssertionError(f"expected exactly one request, got {self._told()}")

    def assert_called_with(
        self,
        url: URL | str,
        method: str = "GET",
        args_to_match: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Assert that the last request of this method and URL was like this.

        Args:
            url: The URL; *params* are added to it.
            method: The method.
            args_to_match: Which of *kwargs* to look at; ``None`` for all.
            kwargs: ``params``, ``json``, ``data``, ``headers``, ``auth`` and ``cookies`` as they
                were given to the session. What never leaves the client (``timeout``, ``ssl``,
                ``allow_redirects`` and so on) is not compared.

        Raises:
            AssertionError: If not; the message tells each difference.
        """
        calls = self._sent(url, method, kwargs)
        found = list(differences(calls[-1].kwargs, kwargs, args_to_match))
        if found:
            raise AssertionError(
                f"the last {method.upper()} {url} was not like that:\n  " + "\n  ".join(found)
            )

    def assert_called_once_with(self, *args: Any, **kwargs: Any) -> None:
        """Assert that exactly one request has arrived, and that it was like this."""
        self.assert_called_once()
        self.assert_called_with(*args, **kwargs)

    def assert_any_call(self, url: URL | str, method: str = "GET", **kwargs: Any) -> None:
        """Assert that one of the requests was like this; see :meth:`assert_called_with`."""
        calls = self._sent(url, method, kwargs)
        if not any(not list(differences(call.kwargs, kwargs, None)) for call in calls):
            raise AssertionError(
                f"no {method.upper()} {url} was like that; the last one differs in:\n  "
                + "\n  ".join(differences(calls[-1].kwargs, kwargs, None))
            )

    def _sent(self, url: URL | str, method: str, kwargs: dict[str, Any]) -> list[RequestCall]:
        target = URL(url)
        if kwargs.get("params"):
            target = target.update_query(kwargs["params"])
        calls = self.requests.get((method.upper(), normal(target)))
        if not calls:
            raise AssertionError(f"no {method.upper()} {target} has arrived; got {self._told()}")
        return calls

    def _told(self) -> str:
        told = [f"{method} {url} ({len(c)})" for (method, url), c in self.requests.items()]
        return ", ".join(told) or "none"


def _is_retried(error: BaseException) -> bool:
    """Tell whether aiohttp repeats an idempotent request by itself after this."""
    if isinstance(error, aiohttp.ClientConnectorError) and _VERSION >= (3, 12):
        return False
    retried = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
    return _VERSION >= (3, 10) and isinstance(error, retried)


_VERSION = tuple(int(part) for part in re.findall(r"\d+", aiohttp.__version__)[:2])
