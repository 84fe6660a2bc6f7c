"""What is left on a test's event loop: found while it is wound down, and ended there.

Our own loop says what it watches; of a loop of another make only the public part can be asked, and
the rest is "not checked".
"""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any, NamedTuple

from .. import _internals
from .._executor import DaemonExecutor
from .._kinds import Finding
from .._loop import LazyEventLoop
from .._recorder import made_at
from .._report import Place, describe_tasks
from .things import (
    PROCESS,
    address_text,
    callback_text,
    describe_process,
    describe_transport,
    fd_of,
    is_closing,
    is_of_asyncio,
)

__unittest = True

Loop = asyncio.AbstractEventLoop


class Open(NamedTuple):
    """Something that a loop still reads from or writes to.

    Attributes:
        thing: The transport, the server's socket, or the callback of a file that is watched.
        context: The context in which it was opened, if that is known.
        finding: What to say of it.
        keys: What else stands for the same cause.
        end: Ends it.
    """

    thing: object
    context: Context | None
    finding: Finding
    keys: tuple[Any, ...]
    end: Callable[[], object]


def find_open(loop: LazyEventLoop) -> list[Open]:
    """Return what our loop still reads from or writes to."""
    found: dict[int, Open] = {}
    for fd, key in loop.watched_files.items():
        for handle in key.data:
            described = None if handle is None else _describe_watched(loop, fd, handle)
            if described is not None:
                found.setdefault(fd, described)
    return [*found.values(), *_open_in_memory(loop)]


def reader_findings(loop: Loop) -> Iterator[Finding]:
    """Describe what one of asyncio's own loops watches for a callback, and for no transport."""
    for fd, key in _internals.watched_files_of(loop).items():
        for handle in key.data:
            callback = None if handle is None else _internals.callback_of(handle)
            if callback is not None and not isinstance(
                getattr(callback, "__self__", None), asyncio.BaseTransport
            ):
                described = _describe_reader(loop, fd, handle, None)
                if described is not None:
                    yield described.finding
                    break


def _open_in_memory(loop: LazyEventLoop) -> Iterator[Open]:
    network = loop.memory_network
    for thing, context, end in () if network is None else network.open_things():
        if isinstance(thing, asyncio.AbstractServer):
            name = ", ".join(address_text(s.getsockname()) for s in getattr(thing, "sockets", ()))
            finding = Finding("servers", name, f"server still listens on  {name}")
            yield Open(thing, context, finding, (("id", id(thing)),), end)
        elif isinstance(thing, asyncio.BaseTransport) and not is_closing(thing):
            name, text = describe_transport(thing)
            keys = (("id", id(thing)), *_ends_of(thing))
            yield Open(thing, context, Finding("transports", name, text), keys, end)


def _describe_watched(loop: Any, fd: int, handle: Any) -> Open | None:
    callback = _internals.callback_of(handle)
    context = _internals.context_of_handle(handle)
    if getattr(callback, "__name__", "") == "_accept_connection":
        listener = handle._args[1]
        name = address_text(listener.getsockname())
        finding = Finding("servers", name, f"server still listens on  {name}")
        stop = functools.partial(loop._stop_serving, listener)
        return Open(listener, context, finding, fd_of(listener), stop)
    transport = getattr(callback, "__self__", None)
    if not isinstance(transport, asyncio.BaseTransport):
        return _describe_reader(loop, fd, handle, context)
    if is_closing(transport):
        return None
    keys = (("id", id(transport)), ("fd", fd))
    process = getattr(getattr(transport, "_protocol", None), "proc", None)
    if isinstance(process, asyncio.SubprocessTransport):
        if process.get_returncode() is not None:
            return None
        pid = process.get_pid()
        name, text = describe_process(pid, getattr(process, "_proc", None))
        finding = Finding("processes", name, text)
        return Open(process, context, finding, (*keys, ("pid", pid), PROCESS), process.close)
    name, text = describe_transport(transport)
    keys += _ends_of(transport)
    end = getattr(transport, "abort", transport.close)
    return Open(transport, context, Finding("transports", name, text), keys, end)


def _ends_of(transport: asyncio.BaseTransport) -> tuple[Any, ...]:
    """Return the connection that a transport is an end of, as a key that both ends share."""
    here = transport.get_extra_info("sockname")
    there = transport.get_extra_info("peername")
    if not (here and there) or not isinstance(here, tuple):
        return ()
    return (("connection", frozenset((here[:2], there[:2]))),)


def _describe_reader(loop: Any, fd: int, handle: Any, context: Context | None) -> Open | None:
    callback = _internals.callback_of(handle)
    if is_of_asyncio(callback):
        return None  # a socket operation that somebody waits for, or the end of a subprocess
    name, text = callback_text(handle)
    finding = Finding("readers", name, f"descriptor {fd} is still watched for  {text}")

    def end() -> None:
        loop.remove_reader(fd)
        loop.remove_writer(fd)

    return Open(callback, context, finding, (), end)


# Tasks -----------------------------------------------------------------------------------------


def pending_findings(tasks: list[asyncio.Task[Any]]) -> Iterator[Finding]:
    """Describe tasks that are pending: where they wait and where they were made.

    Equal ones are one finding, under the name of the first.
    """
    groups: dict[tuple[str, Place | None], list[asyncio.Task[Any]]] = {}
    for task in tasks:
        [line] = describe_tasks([task])
        place = line.partition(" waits at  ")[2]
        groups.setdefault((place, made_at(task)), []).append(task)
    for (_, made), group in groups.items():
        [text] = describe_tasks(group)
        if made is not None:
            text += f"\n     was made at  {made}"
        yield Finding("tasks", group[0].get_name(), f"task {text}")


# Timers, generators, jobs ----------------------------------------------------------------------


def timers_of(loop: Loop) -> list[asyncio.TimerHandle]:
    """Return the timers of *loop* that are still set and not asyncio's own.

    Those of asyncio, of a sleep or the end of a TLS connection, belong to something else that is
    told of.
    """
    clock = getattr(loop, "clock", None)
    timers: list[asyncio.TimerHandle] = (
        _internals.timers_of(loop) if clock is None else clock._pending_timers()
    )
    return [timer for timer in timers if not is_of_asyncio(_internals.callback_of(timer))]


def timer_finding(timer: asyncio.TimerHandle, *, level: str | None = None) -> Finding:
    """Describe a timer that is still set."""
    name, text = callback_text(timer)
    return Finding("timers", name, f"timer would still call {text}", level=level)


#: Async generators that a test was told of; a loop that lives on has them still.
told_generators: weakref.WeakSet[Any] = weakref.WeakSet()


def generator_findings(loop: Loop) -> Iterator[Finding]:
    """Describe the async generators that were begun on *loop*, not ended, and not told of yet."""
    for generator in _internals.generators_of(loop):
        frame = generator.ag_frame
        if frame is not None and not generator.ag_running and generator not in told_generators:
            name = generator.__qualname__
            place = Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)
            text = f"async generator {name!r} was begun and not ended; it stands at  {place}"
            yield Finding("generators", name, text)


def job_findings(executor: DaemonExecutor) -> Iterator[Finding]:
    """Describe the jobs that are not done."""
    for name, place in executor.running_jobs():
        where = f"; it is at  {place}" if place else ""
        yield Finding("jobs", name, f"executor job {name} is not done{where}")
    waiting = executor.count_waiting()
    if waiting:
        jobs = "1 executor job has" if waiting == 1 else f"{waiting} executor jobs have"
        yield Finding("jobs", "waiting", f"{jobs} not begun yet")


def signal_findings(loop: Loop) -> Iterator[Finding]:
    """Describe the signal handlers that were added to *loop*."""
    for number, handle in _internals.signal_handlers_of(loop).items():
        yield signal_finding(number, handle)


def signal_finding(number: int, handle: asyncio.Handle) -> Finding:
    """Describe a signal handler of a loop."""
    import signal

    name = signal.Signals(number).name
    _, text = callback_text(handle)
    return Finding("signals", name, f"the loop still calls {text} for {name}")
