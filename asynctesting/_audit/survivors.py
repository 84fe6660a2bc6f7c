"""What is left of what a test has made: looked through by type.

A thing that somebody still holds gives no warning, in this test or ever. Here each type that can be
left open has a function that says of one thing whether it is, and what it is called.
Invariant: types that were looked at once and can't be left open are remembered, so a test that
leaves nothing interesting behind costs one pass in C over its survivors.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import inspect
import socket
import subprocess
from collections.abc import Callable, Iterable
from types import AsyncGeneratorType, CoroutineType
from typing import Any, NamedTuple

from .. import _internals
from .._executor import DaemonExecutor
from .._kinds import Finding
from .._loop import LazyEventLoop
from .._report import Place, one_line
from .things import (
    PROCESS,
    SESSION,
    describe_coroutine,
    describe_process,
    describe_socket,
    describe_transport,
    fd_of,
    is_closing,
)

__unittest = True

_MOST_TYPES = 2000


class Found(NamedTuple):
    """Something that is left.

    Attributes:
        thing: It.
        finding: What to say of it.
        keys: What else stands for the same cause.
    """

    thing: Any
    finding: Finding
    keys: tuple[Any, ...] = ()


_Look = Callable[[Any], Found | None]


def look_through(survivors: list[Any]) -> list[Found]:
    """Return what is open, unread or unawaited among *survivors*."""
    strange = set(map(type, survivors)) - _dull
    looks = {kind: look for kind in strange if (look := _look_for(kind)) is not None}
    if not looks:
        return []
    found = []
    for thing in survivors:
        kind = type(thing)
        if kind in looks:
            left = looks[kind](thing)
            if left is not None:
                found.append(left)
    return _without_begun(found, survivors) if found else found


def _look_for(kind: type) -> _Look | None:
    for base in kind.__mro__:
        look = _LOOKS.get(base) or _LOOKS_BY_NAME.get((base.__module__, base.__name__))
        if look is not None:
            return look
    if len(_dull) > _MOST_TYPES:
        _dull.clear()
    _dull.add(kind)
    return None


_dull: set[type] = set()


def _without_begun(found: list[Found], survivors: Iterable[Any]) -> list[Found]:
    """Leave out coroutines that wait for the first step of a task."""
    if not any(left.finding.kind == "coroutines" for left in found):
        return found
    of_tasks = {id(thing.get_coro()) for thing in survivors if isinstance(thing, asyncio.Task)}
    return [left for left in found if id(left.thing) not in of_tasks]


# One function a type ---------------------------------------------------------------------------


def _look_at_coroutine(coroutine: Any) -> Found | None:
    if inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
        return None
    if _is_call_of_our_mock(coroutine):
        return None
    finding = describe_coroutine(coroutine, " and is still held")
    return Found(coroutine, finding, (("id", id(coroutine)),))


def _is_call_of_our_mock(coroutine: Any) -> bool:
    """Tell whether *coroutine* is a call that our own mocks keep account of."""
    if not coroutine.__qualname__.endswith("._execute_mock_call"):
        return False
    owner = coroutine.cr_frame.f_locals.get("self")
    ours = f"{__package__.partition('.')[0]}.mocks"
    return any(base.__module__.startswith(ours) for base in type(owner).__mro__)


def _look_at_generator(generator: Any) -> Found | None:
    frame = generator.ag_frame
    # Not begun is not opened; whoever iterates it on a loop of ours is seen by the loop.
    if frame is None or generator.ag_running or frame.f_lasti < 0 or not _is_suspended(generator):
        return None
    place = Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)
    name = generator.__qualname__
    text = f"async generator {name!r} was begun and not ended; it stands at  {place}"
    return Found(generator, Finding("generators", name, text), (("id", id(generator)),))


def _is_suspended(generator: Any) -> bool:
    state = getattr(inspect, "getasyncgenstate", None)
    return state is None or state(generator) == "AGEN_SUSPENDED"


def _look_at_future(future: Any) -> Found | None:
    if not _internals.is_unretrieved(future):
        return None
    error = _internals.mark_retrieved(future)
    if error is None:
        return None
    is_task = isinstance(future, asyncio.Task)
    name = future.get_name() if is_task else type(future).__name__
    what = f"Task exception was never retrieved: task {name!r}"
    if not is_task:
        what = "Future exception was never retrieved"
    return Found(future, Finding("exceptions", name, f"{what}: {one_line(error)}", cause=error))


def _look_at_socket(sock: Any) -> Found | None:
    if sock.fileno() < 0:
        return None
    name, text = describe_socket(sock)
    return Found(sock, Finding("sockets", name, f"socket is still open: {text}"), fd_of(sock))


def _look_at_transport(transport: Any) -> Found | None:
    if isinstance(transport, asyncio.SubprocessTransport):
        if transport.is_closing() or transport.get_returncode() is not None:
            return None
        name, text = describe_process(transport.get_pid(), getattr(transport, "_proc", None))
        return Found(
            transport, Finding("processes", name, text), (("pid", transport.get_pid()), PROCESS)
        )
    try:
        if is_closing(transport):
            return None
    except (NotImplementedError, AttributeError):  # a stand-in for a transport
        return None
    name, text = describe_transport(transport)
    keys = (("id", id(transport)), *fd_of(transport.get_extra_info("socket")))
    return Found(transport, Finding("transports", name, text), keys)


def _look_at_server(server: Any) -> Found | None:
    sockets = [sock for sock in server.sockets if sock.fileno() >= 0]
    if not sockets:
        return None
    name = ", ".join(describe_socket(sock)[0] for sock in sockets)
    keys = tuple(key for sock in sockets for key in fd_of(sock))
    return Found(server, Finding("servers", name, f"server still listens on  {name}"), keys)


def _look_at_loop(loop: Any) -> Found | None:
    try:
        if isinstance(loop, LazyEventLoop) and not loop.is_born:
            return None  # a test's that nobody has used
        if loop.is_closed() or loop.is_running() or _is_of_a_scope(loop):
            return None
    except Exception:  # a mock's, or one that is half made
        return None
    own = [getattr(loop, name, None) for name in ("_ssock", "_csock", "_selector")]
    keys = (("id", id(loop)), *(key for thing in own for key in fd_of(thing)))
    name = type(loop).__name__
    text = f"event loop {name} was made by the test and not closed"
    return Found(loop, Finding("loops", name, text), keys)


def _is_of_a_scope(loop: Any) -> bool:
    """Tell whether *loop* is that of a class, a module or a bridge, which will close it."""
    handler = loop.get_exception_handler()
    return getattr(handler, "__name__", "") == "_on_loop_exception"


def _look_at_process(process: Any) -> Found | None:
    if process.returncode is not None or process.poll() is not None:
        return None
    name, text = describe_process(process.pid, process)
    return Found(process, Finding("processes", name, text), (("pid", process.pid), PROCESS))


def _look_at_thread_pool(pool: Any) -> Found | None:
    threads = getattr(pool, "_threads", ())
    if isinstance(pool, DaemonExecutor) or getattr(pool, "_shutdown", True) or not threads:
        return None
    name = getattr(pool, "_thread_name_prefix", "") or type(pool).__name__
    text = f"thread pool {name!r} was not shut down; {len(threads)} of its threads live"
    keys = tuple(("thread", id(thread)) for thread in threads)
    return Found(pool, Finding("threads", name, text), keys)


def _look_at_process_pool(pool: Any) -> Found | None:
    processes = getattr(pool, "_processes", None)
    if not processes:
        return None
    name = type(pool).__name__
    text = f"process pool was not shut down; {len(processes)} of its processes live"
    keys = tuple(("pid", pid) for pid in processes)
    manager = getattr(pool, "_executor_manager_thread", None)
    return Found(pool, Finding("processes", name, text), (*keys, ("thread", id(manager))))


def _look_at_session(session: Any) -> Found | None:
    if session.closed:
        return None
    name = type(session).__name__
    text = f"client session {name} was not closed, and is still held"
    return Found(session, Finding("sessions", name, text), (("id", id(session)), SESSION))


_LOOKS: dict[type, _Look] = {
    CoroutineType: _look_at_coroutine,
    AsyncGeneratorType: _look_at_generator,
    asyncio.Future: _look_at_future,
    asyncio.BaseTransport: _look_at_transport,
    asyncio.AbstractServer: _look_at_server,
    asyncio.AbstractEventLoop: _look_at_loop,
    socket.socket: _look_at_socket,
    subprocess.Popen: _look_at_process,
    concurrent.futures.ThreadPoolExecutor: _look_at_thread_pool,
}
# Of packages that we don't import.
_LOOKS_BY_NAME: dict[tuple[str, str], _Look] = {
    ("concurrent.futures.process", "ProcessPoolExecutor"): _look_at_process_pool,
    ("aiohttp.client", "ClientSession"): _look_at_session,
}
