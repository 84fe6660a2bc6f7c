"""A stub: which requests it answers, with what, and how often.

Its answers stand in a row and each has a count. A stub is used up when all of them are; then
the next stub that fits has its turn.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .._network._connection import EXTRA_NAME
from .._report import Place
from .._seconds import NS, Seconds, duration_ns
from ._calls import Call, CallLog
from ._checks import check_function
from ._patterns import UNSET, RequestPattern
from ._replies import FAULTS, Chunks, Headers, Reply, break_off, reset

if TYPE_CHECKING:
    from typing import Self

__unittest = True

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Answer:
    """One answer of a stub, and how many calls it serves."""

    __slots__ = ("after", "count", "delay", "effect", "fault", "given", "handler", "reply")

    def __init__(
        self,
        reply: Reply | None = None,
        *,
        handler: Handler | None = None,
        effect: Any = None,
    ) -> None:
        self.reply = reply
        self.handler = handler
        self.effect = effect
        self.count: int | None = 1  # None: any number
        self.given = 0
        self.delay = 0.0
        self.fault: str | None = None
        self.after: int | None = None

    @property
    def is_left(self) -> bool:
        return self.count is None or self.given < self.count

    @property
    def whole(self) -> Reply | None:
        """The reply, where it is a whole response that comes at once and unbroken."""
        reply = self.reply
        if reply is None or reply.stream is not None or self.delay or self.fault:
            return None
        return reply


class Stub:
    """Requests of a kind, and what answers them; made by a host's ``get()``, ``post()`` and so on.

    A stub answers once, unless ``times()`` or ``repeat()`` say otherwise. Answers that follow each
    other are given one after another, and so are stubs that fit the same requests. What has not
    been used up when the network is left is reported, unless the stub is ``optional()``.

    Attributes:
        pattern: Which requests it answers, a :class:`RequestPattern`.
        calls: The requests that it has answered, a :class:`CallLog`.
    """

    def __init__(self, host: Any, pattern: RequestPattern, place: Place | None) -> None:
        self._url = getattr(host, "url", None)
        # Held weakly, as the host holds its stubs.
        self._host_of = None if host is None else weakref.ref(host)
        self.pattern = pattern
        self.calls = CallLog(f"stub {pattern}")
        self._place = place
        self._answers: list[Answer] = []
        self._optional = False

    def __repr__(self) -> str:
        return f"<Stub {self.pattern} at {self._url}: {self._state()}>"

    # What to answer -----------------------------------------------------------------------------

    def respond(
        self,
        status: int = 200,
        *,
        json: Any = UNSET,
        text: str | None = None,
        body: bytes | None = None,
        headers: Headers | None = None,
        stream: Chunks | Callable[[], Chunks] | None = None,
        reason: str | None = None,
    ) -> Self:
        """Answer with a response; the arguments are those of :func:`reply`.

        Called again, it adds the answer for the time when this one is used up:
        ``.respond(503).times(2).respond(200)``.

        Raises:
            TypeError: If two bodies are given, or one can't be sent.
            ValueError: If *status* is none.
        """
        made = Reply(
            status, json=json, text=text, body=body, headers=headers, stream=stream, reason=reason
        )
        return self._add(Answer(made))

    def respond_with(self, handler: Handler) -> Self:
        """Answer with a handler of aiohttp: any response, a stream, a websocket.

        Args:
            handler: An ``async def`` function that takes an ``aiohttp.web.Request`` and returns a
                response. ``request.match_info`` has what the path template found. What it raises
                is sent as a plain 500, and reported when the network is left.

        Raises:
            TypeError: If *handler* is no function.
        """
        if isinstance(handler, (int, str, bytes, Reply, web.StreamResponse)):
            raise TypeError(
                f"respond_with() got a response, {handler!r}: write respond(...) instead"
            )
        check_function(handler, 1, "respond_with()", "a handler, 'async def handler(request)'")
        return self._add(Answer(handler=handler))

    def side_effect(self, effect: Any) -> Self:
        """Answer by what *effect* says, with the meaning that it has in ``unittest.mock``.

        Args:
            effect: An exception (or its class): the client's connection is lost with it, and the
                client makes of it what it does with errors of that kind. For a ``TimeoutError`` no
                answer comes at all, so that the client's own time-out strikes. An iterable: each
                call gets the next item, a status, a :func:`reply` or an exception; a list says by
                its length how many calls it serves. A function, plain or ``async``: it gets the
                :class:`Call` and returns such an item.

        Raises:
            TypeError: If *effect* is none of these.
        """
        if _is_exception(effect):
            return self._add(Answer(effect=lambda call: effect))
        if isinstance(effect, (int, Reply, web.StreamResponse)):
            raise TypeError(f"side_effect() got a response, {effect!r}: write respond() instead")
        if callable(effect):
            check_function(effect, 1, "side_effect()", "a function of the call")
            return self._add(Answer(effect=effect))
        if isinstance(effect, (str, bytes, Mapping)) or not isinstance(effect, Iterable):
            raise TypeError(
                "side_effect() needs an exception, a function of the call, or an iterable of "
                f"statuses, replies and exceptions, got {effect!r}"
            )
        items: Iterator[Any] = iter(effect)
        if isinstance(effect, (list, tuple)):
            if not effect:
                raise ValueError("side_effect() got no items, so the stub could never answer")
            for item in effect:
                _check_item(item)
        self._add(Answer(effect=lambda call: next(items, _NOTHING_LEFT)))
        self._answers[-1].count = len(effect) if isinstance(effect, (list, tuple)) else None
        return self

    def pass_through(self) -> Self:
        """Pass requests on to the real server of that name, and its answers back.

        The network hides the host that it declares; this opens it for what the stub fits.
        """
        host = None if self._host_of is None else self._host_of()
        if host is None:
            raise RuntimeError(f"pass_through() came too late: the network of {self!r} has gone")
        return self._add(Answer(handler=host._forward))

    def _add(self, answer: Answer) -> Self:
        if self._answers and self._answers[-1].count is None:
            raise TypeError(
                f"the answer before this one is repeated for ever, so this one of {self!r} would "
                "never be given. Write .times(n) in place of .repeat()"
            )
        self._answers.append(answer)
        return self

    # How ----------------------------------------------------------------------------------------

    def times(self, count: int) -> Self:
        """Give the last answer *count* times, and report it if there were fewer calls.

        Raises:
            ValueError: If *count* is no whole number above zero.
        """
        given: Any = count
        if isinstance(given, bool) or not isinstance(given, int) or given < 1:
            raise ValueError(
                f"times() needs a whole number above zero, got {count!r}. For a request that must "
                "not come, write no stub: it is reported then"
            )
        self._last("times").count = count
        self._refuse_one_iterator(count)
        return self

    def repeat(self) -> Self:
        """Give the last answer as often as it is asked for, but once at least."""
        self._last("repeat").count = None
        self._refuse_one_iterator(None)
        return self

    def optional(self) -> Self:
        """Let it be no failure if the stub is not used, or not used up."""
        self._optional = True
        return self

    def delay(self, seconds: Seconds) -> Self:
        """Give the last answer only after so many seconds of the loop's clock.

        Raises:
            ValueError: If *seconds* is negative or not finite.
        """
        self._last("delay").delay = (
            duration_ns(seconds, "delay()", "an answer comes after its request, and has to come")
            / NS
        )
        return self

    def fault(self, kind: str, *, after: int | None = None) -> Self:
        """Break the connection while the last answer is being sent.

        Args:
            kind: ``"reset"``: the connection is reset. ``"close"``: it is closed in good order,
                too early. ``"half-close"``: nothing more is sent, but the connection stays open
                the other way. ``"malformed"``: the status line is none. ``"truncate"``: the
                body is shorter than its ``Content-Length`` says.
            after: How many bytes are let through first: of the body for ``"truncate"`` (half of
                it if not given), of head and body otherwise (none for ``"reset"`` and
                ``"close"``, all for the others).

        Raises:
            ValueError: If *kind* is unknown, or *after* is negative.
            TypeError: If the last answer is not one of ``respond()`` with a known body.
        """
        if kind not in FAULTS:
            raise ValueError(f"fault({kind!r}) is unknown; there are {', '.join(FAULTS)}")
        if after is not None and (isinstance(after, bool) or not isinstance(after, int)):
            raise TypeError(f"after= is a number of bytes, got {after!r}")
        if after is not None and after < 0:
            raise ValueError(f"after= is a number of bytes, 0 or more, got {after!r}")
        if not self._answers:
            self.respond()
        answer = self._answers[-1]
        if answer.reply is None or answer.reply.stream is not None:
            raise TypeError(
                "fault() breaks a response of respond() whose bytes are known. A handler can "
                "break its own: request.transport.abort()"
            )
        length = len(answer.reply.body or b"")
        if kind == "truncate" and (not length or (after is not None and after >= length)):
            raise ValueError(
                f"the body has {length} bytes, so 'truncate' can't cut it after "
                f"{'any of them' if after is None else after}. Respond with a longer body"
            )
        answer.fault, answer.after = kind, after
        return self

    def _last(self, verb: str) -> Answer:
        if not self._answers:
            raise TypeError(
                f"{verb}() says something about an answer, and the stub has none yet. Write "
                f"respond(...).{verb}(...)"
            )
        return self._answers[-1]

    def _refuse_one_iterator(self, count: int | None) -> None:
        made = self._answers[-1].reply
        if count != 1 and made is not None and made.only_once:
            self._answers[-1].count = 1
            raise TypeError(
                "the stream is an iterator, which serves one call only. Give a list, or a "
                "function that makes the iterator anew"
            )

    # Asking -------------------------------------------------------------------------------------

    @property
    def called(self) -> bool:
        """Whether it has answered a request."""
        return bool(self.calls)

    @property
    def call_count(self) -> int:
        """How many requests it has answered."""
        return len(self.calls)

    @property
    def call(self) -> Call:
        """The last request that it has answered.

        Raises:
            IndexError: If there was none.
        """
        return self.calls[-1]

    def assert_called(self) -> None:
        """Assert that it has answered a request at least."""
        self.calls.assert_called()

    def assert_called_once(self) -> None:
        """Assert that it has answered exactly one request."""
        self.calls.assert_called_once()

    def assert_not_called(self) -> None:
        """Assert that it has answered none."""
        self.calls.assert_not_called()

    def assert_called_with(self, **fields: Any) -> None:
        """Assert that the last request was like this; see :class:`RequestPattern`."""
        self.calls.assert_called_with(**fields)

    def assert_called_once_with(self, **fields: Any) -> None:
        """Assert that it has answered one request, and that it was like this."""
        self.calls.assert_called_once_with(**fields)

    def assert_any_call(self, **fields: Any) -> None:
        """Assert that one of the requests was like this."""
        self.calls.assert_any_call(**fields)

    def assert_has_calls(self, expected: Iterable[Any], *, any_order: bool = False) -> None:
        """Assert that these requests came, in this order; see :meth:`CallLog.assert_has_calls`."""
        self.calls.assert_has_calls(expected, any_order=any_order)

    async def wait_calls(self, count: int = 1, *, timeout: Seconds | None = None) -> list[Call]:
        """Wait until it has answered *count* requests in all; see :meth:`CallLog.wait`."""
        return await self.calls.wait(count, timeout=timeout)

    # For the host and the verdict ---------------------------------------------------------------

    @property
    def _is_left(self) -> bool:
        answers = self._answers
        # The last one is used up last, but for one of no calls at all.
        return not answers or answers[-1].is_left or any(each.is_left for each in answers)

    @property
    def _is_owed(self) -> bool:
        """Whether more calls were announced than came."""
        if self._optional:
            return False
        if not self._answers:
            return not self.calls
        return any(answer.given < (answer.count or 1) for answer in self._answers)

    @property
    def _breaks(self) -> bool:
        """Whether it breaks connections in place of an answer, or has done so."""
        if any(answer.fault for answer in self._answers):
            return True
        return any(call.response is None for call in self.calls)

    def _announced(self) -> int | None:
        counts = [answer.count for answer in self._answers] or [1]
        return None if None in counts else sum(filter(None, counts))

    def _state(self) -> str:
        announced = self._announced()
        of = "" if announced is None else f" of {announced}"
        return f"answered {len(self.calls)}{of}"

    def _take(self) -> Answer:
        """Return the answer for one more call, which counts from now on."""
        if not self._answers:
            self.respond()
        for answer in self._answers:
            if answer.is_left:
                break
        answer.given += 1
        return answer


_NOTHING_LEFT = object()


async def give(answer: Answer, call: Call, request: web.Request) -> web.StreamResponse:
    """Answer *request* and return what was sent."""
    if answer.delay:
        await asyncio.sleep(answer.delay)
    if answer.handler is not None:
        response = await answer.handler(request)
        if not isinstance(response, web.StreamResponse):
            raise TypeError(
                f"the handler {answer.handler!r} returned {response!r}; it has to return a "
                "response, such as aiohttp.web.json_response({...})"
            )
        return response
    if answer.reply is not None:
        if answer.fault is None:
            return await send(answer.reply, request)
        await break_off(request, answer.reply, answer.fault, answer.after)
        return answer.reply.response()
    item = answer.effect(call)
    if inspect.isawaitable(item):
        item = await item
    return await send(_check_item(item), request)


async def send(item: Any, request: web.BaseRequest) -> web.StreamResponse:
    """Send what a side effect or an exchange has said."""
    if _is_exception(item):
        error = item() if isinstance(item, type) else item
        if isinstance(error, web.HTTPException):
            raise error
        if isinstance(error, TimeoutError):
            await asyncio.Event().wait()  # until the client has waited long enough, and goes
        lose_client(request, error)
        return web.Response()
    if isinstance(item, int):
        return Reply(item).response()
    if isinstance(item, web.StreamResponse):
        return item
    if item.stream is not None:
        sent: web.StreamResponse = await item.send_stream(request)
        return sent
    made: web.StreamResponse = item.response()
    return made


def lose_client(request: web.BaseRequest, error: BaseException) -> None:
    """Have the client's connection be lost with *error*."""
    transport = request.transport
    if transport is None:
        return  # it has gone already
    connection = transport.get_extra_info(EXTRA_NAME)
    if connection is None:
        reset(transport)  # a real wire carries no exceptions
    else:
        connection.client.lose(error)
        connection.server.lose(None)


def _check_item(item: Any) -> Any:
    if item is _NOTHING_LEFT:
        raise RuntimeError("the iterable of side_effect() has no more items")
    if isinstance(item, (Reply, web.StreamResponse)) or _is_exception(item):
        return item
    if isinstance(item, int) and not isinstance(item, bool):
        Reply(item)
        return item
    raise TypeError(
        f"a side effect is a status, a reply(...), a response of aiohttp or an exception, got "
        f"{item!r}. For a body write reply(200, json=...)"
    )


def _is_exception(value: Any) -> bool:
    """Tell whether *value* is an exception or a class of them."""
    return isinstance(value, BaseException) or (
        isinstance(value, type) and issubclass(value, BaseException)
    )


def make_stub(host: Any, place: Place | None, method: str | None, path: Any, options: Any) -> Stub:
    """Make a stub of a host, with the host in the message if the pattern is wrong."""
    if isinstance(path, RequestPattern):
        return Stub(host, path, place)
    if not isinstance(path, (str, re.Pattern)) and path is not None:
        raise TypeError(f"a stub's path is a string or a compiled pattern, got {path!r}")
    return Stub(host, RequestPattern(method, path, **options), place)
