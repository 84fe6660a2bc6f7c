"""The log: each request as it arrived, what was answered, and assertions about both.

A :class:`Call` is a record and holds nothing of the connection that it came over, so a log may
grow without keeping the wire alive. A :class:`CallLog` is a sequence of them in the order in which
their heads arrived.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from multidict import CIMultiDictProxy, MultiDict, MultiDictProxy
from yarl import URL

from .._seconds import NS, Seconds, duration_ns
from ._checks import check_count
from ._patterns import RequestPattern

if TYPE_CHECKING:
    from ._stubs import Stub

__unittest = True


class CallResponse:
    """What a call was answered with.

    Attributes:
        status: The status.
        headers: The headers that were sent.
        body: The body, or ``None`` where it was written as a stream.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes | None) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        size = "a stream" if self.body is None else f"{len(self.body)} bytes"
        return f"<CallResponse {self.status}, {size}>"

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body or b"")


class Call:
    """One request, as a host of the network has seen it.

    Attributes:
        method: ``"GET"``, ``"POST"``, ...
        headers: The headers, in any case.
        match_info: What the path template of the stub has found, such as ``{"id": "7"}``.
        stub: The stub that has answered, or ``None``.
        response: What was answered, a :class:`CallResponse`; ``None`` until then, and where the
            connection broke first.
        exception: What the handler or side effect raised, if it did.
        started: When the request's head had arrived, in seconds of the loop's clock.
        finished: When the answer was given, or ``None`` if it never was.
        connection_id: The number of the connection, from 1; two calls over one kept-alive
            connection have the same.
    """

    __slots__ = (
        *("_body", "_form", "_host", "_url", "connection_id", "exception", "finished"),
        *("headers", "match_info", "method", "response", "started", "stub"),
    )

    def __init__(
        self,
        method: str,
        url: URL,
        headers: CIMultiDictProxy[str],
        *,
        host: URL | None = None,
        body: bytes | None = None,
        started: float = 0.0,
        connection_id: int = 0,
    ) -> None:
        self.method = method
        self._url = url
        self._host = host
        self.headers = headers
        self.match_info: Mapping[str, str] = {}
        self.stub: Stub | None = None
        self.response: CallResponse | None = None
        self.exception: BaseException | None = None
        self.started = started
        self.finished: float | None = None
        self.connection_id = connection_id
        self._body = body
        self._form: MultiDict[Any] | None = None

    def __repr__(self) -> str:
        status = self.response.status if self.response is not None else "no response"
        return f"<Call {self} -> {status}>"

    def __str__(self) -> str:
        return f"{self.method} {self.url}"

    @property
    def url(self) -> URL:
        """The whole URL, with scheme and host."""
        host = self._host
        if host is not None:
            # Made when somebody asks: most requests to a server under test nobody asks about.
            target, self._host = self._url, None
            self._url = URL.build(
                scheme=host.scheme,
                authority=host.raw_authority,
                path=target.raw_path,
                query_string=target.raw_query_string,
                encoded=True,
            )
        return self._url

    @property
    def target(self) -> URL:
        """The URL as far as it is needed to compare path and query: with a host or without."""
        return self._url

    @property
    def path(self) -> str:
        """The decoded path."""
        return self._url.path

    @property
    def query(self) -> MultiDictProxy[str]:
        """The query parameters."""
        return self._url.query

    @property
    def status(self) -> int | None:
        """The status of the response, or ``None`` where there was none."""
        return None if self.response is None else self.response.status

    @property
    def body(self) -> bytes:
        """The body, whole.

        Raises:
            RuntimeError: If a handler has read it as a stream, so that nobody has it whole.
        """
        if self._body is None:
            raise RuntimeError(
                f"the body of {self} was not kept: its handler has read it as a stream, or the "
                "connection broke before its end. Keep in the handler what the test needs"
            )
        return self._body

    @property
    def text(self) -> str:
        """The body as text, in the character set of the request or UTF-8."""
        return self.body.decode(_charset(self.headers.get("Content-Type", "")), "replace")

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            ValueError: If it is none.
        """
        return json.loads(self.body)

    def form(self) -> MultiDict[Any]:
        """Return the fields of a form: strings, and ``bytes`` for uploaded files."""
        if self._form is None:
            self._form = parse_form(self.headers.get("Content-Type", ""), self.body)
        return self._form


def _charset(content_type: str) -> str:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset":
            return value.strip('"')
    return "utf-8"


def parse_form(content_type: str, body: bytes) -> MultiDict[Any]:
    """Return the fields of a urlencoded or multipart body; those of any other body are none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return MultiDict(URL.build(path="/", query_string=body.decode(errors="replace")).query)
    form: MultiDict[Any] = MultiDict()
    if kind.startswith("multipart/"):
        # The standard library's parser takes a whole body; that of aiohttp wants a stream.
        from email import message_from_bytes, policy

        head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
        for part in message_from_bytes(head + body, policy=policy.HTTP).iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True) or b""
            assert isinstance(content, bytes)
            is_file = part.get_filename() is not None
            form.add(str(name), content if is_file else content.decode(errors="replace"))
    return form


class CallLog(Sequence[Call]):
    """Calls in the order in which they arrived, and assertions with the names of ``unittest.mock``.

    An expected request is described by method and path and, by name, whatever
    :class:`RequestPattern` takes: ``assert_called_once_with("POST", "/v1/charges", json={...})``.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: list[Call] = []
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def _add(self, call: Call) -> None:
        self._calls.append(call)
        if self._waiters:
            for count, waiter in self._waiters:
                if len(self._calls) >= count and not waiter.done():
                    waiter.set_result(None)

    @overload
    def __getitem__(self, index: int) -> Call: ...
    @overload
    def __getitem__(self, index: slice) -> list[Call]: ...
    def __getitem__(self, index: int | slice) -> Call | list[Call]:
        if isinstance(index, int) and not -len(self._calls) <= index < len(self._calls):
            raise IndexError(
                f"calls[{index}] was asked for, and {self._name} has had {_times(len(self))}"
            )
        return self._calls[index]

    def __len__(self) -> int:
        return len(self._calls)

    def __repr__(self) -> str:
        return f"<CallLog of {self._name}: {_times(len(self))}>"

    async def wait(self, count: int = 1, *, timeout: Seconds | None = None) -> list[Call]:
        """Wait until there have been *count* calls in all, and return them.

        Args:
            count: How many, those that came before included.
            timeout: How long to wait at most, in seconds of the loop's clock.

        Raises:
            TimeoutError: If fewer came in that time.
            ValueError: If *count* is none.
        """
        check_count(count, "waiting for calls")
        if len(self._calls) < count:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append((count, waiter))
            try:
                async with asyncio.timeout(limit_of(timeout)):
                    await waiter
            except TimeoutError:
                raise TimeoutError(
                    f"{self._name} has had {_times(len(self))} and not {count} within "
                    f"{limit_of(timeout)} s"
                ) from None
            finally:
                self._waiters.remove((count, waiter))
        return self._calls[:count]

    async def assert_silence(self, duration: Seconds) -> None:
        """Assert that no further request comes within *duration* seconds of the loop's clock.

        On a virtual clock an hour of silence is proved at once.

        Raises:
            AssertionError: As soon as a request comes.
        """
        before = len(self._calls)
        try:
            await self.wait(before + 1, timeout=duration)
        except TimeoutError:
            return
        raise self._failure(f"Expected no further call for {limit_of(duration)} s")

    # Assertions ---------------------------------------------------------------------------------

    def assert_called(self) -> None:
        """Assert that there was a call at least."""
        if not self._calls:
            raise self._failure("Expected a call")

    def assert_called_once(self) -> None:
        """Assert that there was exactly one call."""
        if len(self._calls) != 1:
            raise self._failure("Expected exactly one call")

    def assert_not_called(self) -> None:
        """Assert that there was no call."""
        if self._calls:
            raise self._failure("Expected no call")

    def assert_call_count(self, count: int) -> None:
        """Assert that there were exactly *count* calls."""
        if len(self._calls) != count:
            raise self._failure(f"Expected exactly {_times(count)}")

    def assert_called_with(self, method: Any = None, path: Any = None, **fields: Any) -> None:
        """Assert that the last call was like this."""
        pattern = as_pattern(method, path, fields)
        self.assert_called()
        if not pattern.fits(self._calls[-1]):
            raise self._failure(f"Expected the last call to be {pattern}", pattern, [-1])

    def assert_called_once_with(self, method: Any = None, path: Any = None, **fields: Any) -> None:
        """Assert that there was exactly one call, and that it was like this."""
        pattern = as_pattern(method, path, fields)
        self.assert_called_once()
        self.assert_called_with(pattern)

    def assert_any_call(self, method: Any = None, path: Any = None, **fields: Any) -> None:
        """Assert that there was a call like this among others."""
        pattern = as_pattern(method, path, fields)
        if not any(map(pattern.fits, self._calls)):
            raise self._failure(f"Expected a call like {pattern}", pattern, range(len(self)))

    def assert_has_calls(
        self, expected: Iterable[RequestPattern | tuple[str, str] | str], *, any_order: bool = False
    ) -> None:
        """Assert that these calls happened in this order, with others between them or not.

        Args:
            expected: Patterns, pairs of method and path, or strings such as ``"GET /v1/users"``.
            any_order: Whether the order does not matter. Each call counts once.
        """
        left = list(self._calls)
        for number, each in enumerate(expected, 1):
            pattern = as_pattern(each, None, {})
            found = next((i for i, call in enumerate(left) if pattern.fits(call)), None)
            if found is None:
                where = "" if any_order or number == 1 else " after those before it"
                raise self._failure(f"Expected call {number}, {pattern},{where}", pattern, ())
            del left[found if any_order else 0 : found + 1]

    def _failure(
        self, expected: str, pattern: RequestPattern | None = None, near: Iterable[int] = ()
    ) -> AssertionError:
        expected = expected.rstrip(",")
        lines = [f"{expected}; {self._name} has had {_times(len(self))}."]
        if self._calls:
            lines.append("")
        lines += [f"  {number}. {call!r}" for number, call in enumerate(self._calls[:20], 1)]
        if len(self._calls) > 20:
            lines.append(f"  ... and {len(self._calls) - 20} more")
        calls = [self._calls[index] for index in near]
        if pattern is not None and calls:
            nearest = min(calls, key=pattern.distance)
            differences = pattern.differences(nearest)
            width = max(len(difference.field) for difference in differences)
            lines += ["", f"The nearest one, {nearest}, differs in:", ""]
            lines += [f"  {line}" for one in differences for line in one.lines(width)]
        return AssertionError("\n".join(lines))


def as_pattern(method: Any, path: Any, fields: dict[str, Any]) -> RequestPattern:
    """Return the pattern that an assertion's arguments describe."""
    if isinstance(method, RequestPattern):
        if path is not None or fields:
            raise TypeError("give a RequestPattern alone, or what it is made of")
        return method
    if isinstance(method, tuple):
        return RequestPattern(*method)
    if isinstance(method, str) and path is None and " " in method:
        return RequestPattern(*method.split(None, 1), **fields)
    if isinstance(method, str) and method.startswith("/"):
        raise TypeError(
            f"the first argument is the method, got {method!r}. Write ('GET', {method!r}) or "
            f"(path={method!r})"
        )
    return RequestPattern(method, path, **fields)


def _times(count: int) -> str:
    return "no call" if not count else f"{count} call{'s' if count > 1 else ''}"


def limit_of(seconds: Seconds | None) -> float | None:
    """Return a limit in seconds, checked."""
    return (
        None
        if seconds is None
        else duration_ns(seconds, "timeout=", "nobody waits until the past, nor for ever") / NS
    )
