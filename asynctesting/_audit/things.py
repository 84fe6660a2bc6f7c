"""What a thing that was left behind is called, and what there is to say of it.

A name is what ``@allow_leaks`` is given a pattern for; the text is for a person. Plain functions
over sockets, transports, processes and threads: nothing here knows of tests.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from .. import _internals
from .._kinds import Finding
from .._report import Place, definition, origin_place, thread_place

__unittest = True


#: What is of one cause with a process that was left behind, and with an open client session.
PROCESS = ("process", "pipes")
SESSION = ("session", "aiohttp")


def describe_coroutine(coroutine: Any, state: str = "") -> Finding:
    """Describe a coroutine that nobody has awaited, and where it was made."""
    name = getattr(coroutine, "__qualname__", repr(coroutine))
    frame = getattr(coroutine, "cr_frame", None)
    origin = getattr(coroutine, "cr_origin", None)
    if name.endswith("._execute_mock_call") and frame is not None:
        # The mock's own line says nothing; which mock it was, and with what, does.
        names = inspect.getargvalues(frame).locals
        mock = names.get("self")
        call = describe_call(mock, names.get("args", ()), names.get("kwargs", {}))
        place = origin_place(origin or ())
        called = f"; called at  {place}" if place else ""
        name = getattr(mock, "_extract_mock_name", lambda: repr(mock))()
        return Finding("coroutines", str(name), f"{call} was never awaited{state}{called}")
    text = f"coroutine {name!r} was never awaited{state}"
    if origin:
        text += f"; made at  {origin_place(origin) or Place(*origin[0])}"
    return Finding("coroutines", name, text)


def describe_call(mock: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Write down the call of a mock: which one, and with what."""
    arguments = [repr(value) for value in args]
    arguments += [f"{name}={value!r}" for name, value in kwargs.items()]
    return f"call of {mock!r} with ({', '.join(arguments)})"


# Sockets and transports ------------------------------------------------------------------------


def fd_of(thing: Any) -> tuple[tuple[str, int], ...]:
    """Return the file descriptor of *thing*, as a key for what is the same cause."""
    if isinstance(thing, asyncio.BaseTransport):
        thing = thing.get_extra_info("socket") or thing.get_extra_info("pipe")
    try:
        fd = thing.fileno()
    except (AttributeError, OSError, ValueError):
        return ()
    return (("fd", fd),) if isinstance(fd, int) and fd >= 0 else ()


def describe_socket(sock: socket.socket) -> tuple[str, str]:
    """Return name and text of an open socket: what it is bound to, and to whom connected."""
    try:
        name = address_text(sock.getsockname())
    except OSError:
        name = ""
    text = name or f"descriptor {sock.fileno()}"
    try:
        peer = sock.getpeername()
    except OSError:
        peer = None
    if peer:
        text += f" to {address_text(peer)}"
    kind = {socket.SOCK_STREAM: "stream", socket.SOCK_DGRAM: "datagram"}.get(sock.type, "")
    family = getattr(sock.family, "name", str(sock.family)).removeprefix("AF_")
    return name or "socket", f"{text} ({family} {kind})".replace(" )", ")")


def address_text(address: Any) -> str:
    """Write an address as a person would.

    Example:
        >>> address_text(("127.0.0.1", 80))
        '127.0.0.1:80'
    """
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    return os.fsdecode(address) if isinstance(address, bytes) else str(address)


def describe_transport(transport: asyncio.BaseTransport) -> tuple[str, str]:
    """Return name and text of an open transport."""
    name = transport_name(transport)
    peer = transport.get_extra_info("peername")
    text = f"transport is still open: {name}"
    return name, text + (f" to {address_text(peer)}" if peer else "")


def transport_name(transport: asyncio.BaseTransport) -> str:
    """Name a transport by its type and that of its protocol."""
    return f"{type(transport).__name__.lstrip('_')} of {_protocol_name(transport)}"


def _protocol_name(transport: asyncio.BaseTransport) -> str:
    get_protocol = getattr(transport, "get_protocol", None)
    return type(get_protocol()).__name__ if get_protocol else "no protocol"


def is_closing(transport: asyncio.BaseTransport) -> bool:
    """Tell whether a transport is closed or on its way."""
    if transport.is_closing():
        return True
    # A TLS connection says goodbye to its peer after close(): it is on its way out.
    protocol = getattr(transport, "get_protocol", lambda: None)()
    outer = getattr(protocol, "_app_transport", transport)
    return outer is None or bool(getattr(outer, "_closed", False))


# Processes and threads -------------------------------------------------------------------------


def describe_process(pid: int | None, process: Any) -> tuple[str, str]:
    """Return name and text of a process that runs."""
    arguments = getattr(process, "args", None)
    if isinstance(arguments, (list, tuple)):
        arguments = " ".join(str(argument) for argument in arguments)
    name = str(arguments) if arguments else f"process {pid}"
    shown = name if len(name) <= 80 else f"{name[:77]}..."
    return name, f"subprocess {pid} still runs: {shown}"


def describe_thread(thread: threading.Thread) -> tuple[str, str]:
    """Return name and text of a thread that runs: what it does, and where it is."""
    place = thread_place(thread.ident) if thread.ident is not None else None
    text = f"thread {thread.name!r} still runs"
    target = getattr(thread, "_target", None)
    if place is not None:
        text += f"; it is at  {place}"
    elif hasattr(target, "__code__"):
        text += f"; it was started with  {definition(target)}"
    elif target is not None:
        text += f"; it runs {getattr(target, '__qualname__', target)}()"
    return thread.name, text


# Callbacks -------------------------------------------------------------------------------------


def callback_text(handle: Any) -> tuple[str, str]:
    """Return the name of what a handle will call, and where that is defined."""
    callback = unwrapped(_internals.callback_of(handle))
    name = getattr(callback, "__qualname__", None) or repr(callback)
    code = getattr(callback, "__code__", None)
    place = f" at  {Place(code.co_filename, code.co_firstlineno, name)}" if code else ""
    return name, f"{name}(){place}"


def unwrapped(callback: Any) -> Callable[..., Any] | Any:
    """Return the function inside of partials."""
    while hasattr(callback, "func") and hasattr(callback, "args"):
        callback = callback.func
    return callback


def is_of_aiohttp(callback: Any) -> bool:
    """Tell whether *callback* is that of an aiohttp session."""
    return str(getattr(unwrapped(callback), "__module__", "")).startswith("aiohttp.")


def is_of_asyncio(callback: Any) -> bool:
    """Tell whether *callback* is asyncio's own."""
    module = getattr(unwrapped(callback), "__module__", None) or ""
    return module.split(".")[0] in ("asyncio", "_asyncio")


def source_of(thing: object) -> str:
    """Return where *thing* was allocated, if tracemalloc has been told to remember that."""
    tracemalloc = sys.modules.get("tracemalloc")
    if tracemalloc is None or not tracemalloc.is_tracing():
        return ""
    traceback = tracemalloc.get_object_traceback(thing)
    if not traceback:
        return ""
    frame = traceback[-1]
    return f"; made at  {Place(frame.filename, frame.lineno, '')}"
