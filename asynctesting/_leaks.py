"""What a test hides or leaves behind, collected while it runs and told at its end.

One :class:`Collector` per test. What the loop's exception handler is told, and coroutines that are
destroyed without having been awaited, arrive by themselves; pending tasks, lost exceptions and
open transports are looked up once, when the loop is wound down.
Invariant: hooks of the process are set once per run and ask which collector is current, so nothing
is lost between two tests, and outside of a test they change nothing.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import threading
import warnings
from asyncio.log import logger
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextvars import Context
from typing import Any, NamedTuple

from . import _internals
from ._loop import LazyEventLoop
from ._report import Place, describe_tasks, indent, innermost_user_place, origin_place
from .errors import LeakError, LeakWarning, NotCheckedWarning

__unittest = True

# Which test a thread is in. A test that runs another test keeps its own collector below.
_current: dict[int, Collector] = {}
_hook: bool | None = None

_ADVICE = (
    "They were found after the test's cleanups. Await, cancel or close each of them in the test\n"
    'or its teardown. leaks = "warn" on the class only warns of them, "off" says nothing.'
)


class Collector:
    """The findings of one test."""

    __slots__ = ("_below", "_origin_depth", "_owed", "_recorder", "causes", "left", "unawaited")

    def __init__(self) -> None:
        self.left: list[str] = []
        self.unawaited: list[str] = []
        self.causes: list[BaseException] = []
        self._owed: list[Callable[[], str | None]] = []
        self._recorder = _internals.warning_recorder()
        self._origin_depth = 0
        self._below: Collector | None = None

    # The window in which the process's hooks report here ----------------------------------------

    def begin(self) -> None:
        """Become the collector of this thread."""
        if _hook is None:
            _set_hook()
        me = threading.get_ident()
        self._below = _current.get(me)
        _current[me] = self
        self._origin_depth = sys.get_coroutine_origin_tracking_depth()
        if self._origin_depth == 0:
            sys.set_coroutine_origin_tracking_depth(_origin_depth())

    def end(self) -> None:
        """Hand over to the collector before."""
        me = threading.get_ident()
        if _current.get(me) is self:
            if self._below is None:
                del _current[me]
            else:
                _current[me] = self._below
            if self._origin_depth == 0:
                sys.set_coroutine_origin_tracking_depth(0)

    # What arrives by itself ---------------------------------------------------------------------

    def on_loop_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what the loop would only have logged; an exception handler for a loop."""
        error = context.get("exception")
        text = str(context.get("message") or "Unhandled exception in event loop")
        task = context.get("task") or context.get("future")
        if isinstance(task, asyncio.Task):
            text += f": task {task.get_name()!r}"
        if error is not None:
            text += f": {_one_line(error)}"
            self.causes.append(error)
        self.left.append(text)

    def on_unawaited(self, coroutine: Coroutine[Any, Any, Any]) -> bool:
        """Take a coroutine that is destroyed although nobody has awaited it; tell whether."""
        name = getattr(coroutine, "__qualname__", repr(coroutine))
        if _internals.warning_recorder() is not self._recorder or _internals.ignored_by_filters(
            f"coroutine '{name}' was never awaited", RuntimeWarning
        ):
            return False  # the test itself looks at the warnings, or has asked for silence
        self.unawaited.append(_describe_unawaited(coroutine, name))
        return True

    # What is looked up at the end ---------------------------------------------------------------

    def owe(self, check: Callable[[], str | None]) -> None:
        """Have *check* called after the test; a text that it returns is a finding."""
        self._owed.append(check)

    def note_pending(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Take tasks that are still pending after the test's cleanups."""
        self.left += [f"task {line}" for line in describe_tasks(tasks)]

    def note_unretrieved(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Take tasks that failed and whose exception nobody has looked at."""
        for task in tasks:
            error = _internals.mark_retrieved(task)
            if error is not None:
                self.causes.append(error)
                self.left.append(
                    f"Task exception was never retrieved: task {task.get_name()!r}: "
                    f"{_one_line(error)}"
                )

    def note_clock(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the failure of a patched ``time.monotonic()`` inside the loop."""
        error = getattr(loop, "clock_error", None)
        if error is not None:
            self.causes.append(error)
            self.left.append(
                f"time.monotonic() is patched and raised {type(error).__name__} inside the event "
                "loop, which reads it too; patch the name in the module under test instead"
            )

    @property
    def has_findings(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.left or self.unawaited or (self._owed and self.findings))

    @property
    def findings(self) -> list[str]:
        """One text per finding, so far."""
        owed = [text for check in self._owed if (text := check()) is not None]
        return self.unawaited + self.left + owed

    # The verdict --------------------------------------------------------------------------------

    def verdict(self, test: str, advice: str = _ADVICE) -> LeakError:
        """Return the error that lists all findings."""
        findings = self.findings
        count = len(findings)
        things = "1 thing was" if count == 1 else f"{count} things were"
        error = LeakError(
            f"{things} left behind or hidden by {test}.\n\n{indent(findings)}\n\n{advice}",
            findings,
        )
        if len(self.causes) == 1:
            error.__cause__ = self.causes[0]
        elif self.causes:
            error.__cause__ = BaseExceptionGroup("hidden exceptions", self.causes)
        return error

    def warn(self, test: str, place: Place | None = None) -> None:
        """Give each finding as a warning instead, at *place*, the test's own line."""
        for finding in self.findings:
            text = f"{test}: {finding}"
            if place is None:
                warnings.warn(text, LeakWarning, stacklevel=2)
            else:
                warnings.warn_explicit(text, LeakWarning, place.file, place.line, registry={})

    def log(self, test: str) -> None:
        """Tell what a test has hidden that has failed already, as asyncio would have told it."""
        for text in self.unawaited:
            logger.warning("%s: %s", test, text)
        for cause in self.causes:
            logger.error("hidden by %s, which failed", test, exc_info=cause)


def owe(check: Callable[[], str | None]) -> None:
    """Have *check* called after the test that runs in this thread; outside of one, do nothing.

    Args:
        check: Returns what is wrong, as one line, or ``None``. What was begun and has to be ended
            (a call that has to be awaited, a context to be left) is owed until then.
    """
    collector = _current.get(threading.get_ident())
    if collector is not None:
        collector.owe(check)


def _origin_depth() -> int:
    """Return how many frames of origin a coroutine has to keep for its line to be named.

    One frame, the line that made it, costs a fraction of a microsecond; debug mode's ten frames
    cost ten times that. What a mock makes is made inside of the mock, some frames further in.
    """
    if f"{__package__}.mocks" in sys.modules:
        return 5
    return 3 if "unittest.mock" in sys.modules else 1


def _set_hook() -> None:
    global _hook
    _hook = _internals.watch_unawaited(_report_unawaited)
    if not _hook:
        warnings.warn(
            "coroutines that are never awaited are not checked: this interpreter reports them in "
            "another way",
            NotCheckedWarning,
            stacklevel=2,
        )


def _report_unawaited(coroutine: Coroutine[Any, Any, Any]) -> bool:
    collector = _current.get(threading.get_ident())
    return collector is not None and collector.on_unawaited(coroutine)


def _describe_unawaited(coroutine: Coroutine[Any, Any, Any], name: str) -> str:
    frame = getattr(coroutine, "cr_frame", None)
    origin = getattr(coroutine, "cr_origin", None)
    if name.endswith("._execute_mock_call") and frame is not None:
        # The mock's own line says nothing; which mock it was, and with what, does.
        names = inspect.getargvalues(frame).locals
        call = describe_call(names.get("self"), names.get("args", ()), names.get("kwargs", {}))
        place = origin_place(origin or ())
        return f"{call} was never awaited" + (f"; called at  {place}" if place else "")
    if origin:
        file, line, function = origin[0]
        return f"coroutine {name!r} was never awaited; made at  {Place(file, line, function)}"
    return f"coroutine {name!r} was never awaited"


def describe_call(mock: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Write down the call of a mock: which one, and with what."""
    arguments = [repr(value) for value in args]
    arguments += [f"{name}={value!r}" for name, value in kwargs.items()]
    return f"call of {mock!r} with ({', '.join(arguments)})"


def _one_line(error: BaseException) -> str:
    lines = []
    traceback = error.__traceback__
    while traceback is not None:
        lines.append((traceback.tb_frame.f_code, traceback.tb_lineno))
        traceback = traceback.tb_next
    place = innermost_user_place(lines)
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"{text}  at  {place}" if place else text


# Open transports -------------------------------------------------------------------------------


class Open(NamedTuple):
    """Something that a loop still reads from or writes to.

    Attributes:
        thing: The transport, or the server's socket.
        context: The context in which it was opened, if that is known.
        text: What it is, for a report.
        end: Ends it.
    """

    thing: object
    context: Context | None
    text: str
    end: Callable[[], None]


def find_open(loop: LazyEventLoop) -> list[Open]:
    """Return what our loop still reads from or writes to."""
    found: dict[int, Open] = {}
    for fd, key in loop.watched_files.items():
        for handle in key.data:
            described = None if handle is None else _describe_callback(loop, handle)
            if described is not None:
                found.setdefault(fd, described)
    return [*found.values(), *_open_in_memory(loop)]


def _open_in_memory(loop: LazyEventLoop) -> Iterator[Open]:
    network = loop.memory_network
    for thing, context, end in () if network is None else network.open_things():
        if isinstance(thing, asyncio.AbstractServer):
            names = ", ".join(_address(s.getsockname()) for s in getattr(thing, "sockets", ()))
            yield Open(thing, context, f"server still listens on  {names}", end)
        elif isinstance(thing, asyncio.BaseTransport) and not _is_closing(thing):
            yield Open(thing, context, _describe_transport(thing), end)


def open_transports(loop: LazyEventLoop) -> list[tuple[str, Callable[[], None]]]:
    """Return what our loop still reads from or writes to: a text, and a call that ends it."""
    return [(found.text, found.end) for found in find_open(loop)]


def _describe_callback(loop: Any, handle: Any) -> Open | None:
    callback = handle._callback
    context = _internals.context_of_handle(handle)
    transport = getattr(callback, "__self__", None)
    if getattr(callback, "__name__", "") == "_accept_connection":
        listener = handle._args[1]
        text = f"server still listens on  {_address(listener.getsockname())}"
        return Open(listener, context, text, functools.partial(loop._stop_serving, listener))
    if not isinstance(transport, asyncio.BaseTransport) or _is_closing(transport):
        return None
    end = getattr(transport, "abort", transport.close)
    return Open(transport, context, _describe_transport(transport), end)


def _describe_transport(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    text = f"transport is still open: {_transport_name(transport)}"
    return f"{text} to {_address(peer)}" if peer else text


def _transport_name(transport: asyncio.BaseTransport) -> str:
    return f"{type(transport).__name__.lstrip('_')} of {_protocol_name(transport)}"


def _protocol_name(transport: asyncio.BaseTransport) -> str:
    get_protocol = getattr(transport, "get_protocol", None)
    return type(get_protocol()).__name__ if get_protocol else "no protocol"


def _is_closing(transport: asyncio.BaseTransport) -> bool:
    if transport.is_closing():
        return True
    # A TLS connection says goodbye to its peer after close(): it is on its way out.
    protocol = getattr(transport, "get_protocol", lambda: None)()
    outer = getattr(protocol, "_app_transport", transport)
    return outer is None or bool(getattr(outer, "_closed", False))


def _address(address: Any) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    return str(address)
