"""One end of a connection in memory: a transport that keeps to asyncio's contract.

What it promises is what a selector transport on a socket does, in the same order: callbacks of the
protocol run one at a time, each from the loop, in the context in which the connection was made;
``pause_writing()`` and ``connection_lost()`` come when they would have come.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.log import logger
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import Any

from ._pipe import End, Pipe

__unittest = True

_HIGH_WATER = 64 * 1024
# How many writes to a lost connection are ignored in silence; as in asyncio.
_SILENT_WRITES = 5

Address = Any
Protocol = asyncio.BaseProtocol


class MemoryTransport(asyncio.Transport):
    """A transport whose other end lies in the same loop.

    Args:
        loop: The loop in which both ends live.
        context: The context in which the protocol's methods are called.
        incoming: The way from the peer.
        outgoing: The way to it.
        extra: What ``get_extra_info()`` answers.
        on_gone: Called once, when the connection is lost.
    """

    # asyncio's start_tls() asks for it.
    _start_tls_compatible = True

    _extra: dict[str, Any]

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: Context,
        incoming: Pipe,
        outgoing: Pipe,
        extra: dict[str, Any],
        on_gone: Callable[[MemoryTransport], None],
    ) -> None:
        super().__init__(extra)
        self._loop = loop
        self.context = context
        self._incoming = incoming
        self.outgoing = outgoing
        self._on_gone: Callable[[MemoryTransport], None] | None = on_gone
        self._protocol: Protocol | None = None
        self._is_buffered = False
        self._started = False
        self._paused = False
        self._closing = False
        self._eof_sent = False
        self._eof_seen = False
        #: Whether the pipe may deliver. Once gone, it may learn that.
        self.wants_to_read = False
        # How many writes came after the connection was lost; not 0 means that it is.
        self._lost = 0
        #: Whether ``connection_lost()`` has been called, or will be next.
        self.is_gone = False
        self._writing_paused = False
        self._drainer: asyncio.Future[None] | None = None
        self._low, self._high = _HIGH_WATER // 4, _HIGH_WATER
        incoming.receiver = self
        outgoing.sender = self

    def __repr__(self) -> str:
        info = self.get_extra_info
        state = "closed" if self.is_gone else "closing" if self._closing else "open"
        return (
            f"<MemoryTransport {format_address(info('sockname'))} -> "
            f"{format_address(info('peername'))} {state}>"
        )

    # Birth --------------------------------------------------------------------------------------

    def begin(self, protocol: Protocol) -> None:
        """Call ``connection_made()`` and begin to read; to be called by the loop."""
        self.set_protocol(protocol)
        if not self.is_gone:
            protocol.connection_made(self)
            self._started = True
            self._see_whether_to_read()
            self._incoming.resume()

    def add_extra(self, extra: dict[str, Any]) -> None:
        """Have ``get_extra_info()`` answer these, too."""
        self._extra.update(extra)

    def drop_extra(self, name: str) -> None:
        """Have ``get_extra_info()`` answer *name* no more."""
        self._extra.pop(name, None)

    def set_protocol(self, protocol: Protocol) -> None:
        """Set who gets what arrives."""
        self._protocol = protocol
        self._is_buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> Protocol:
        """Return who gets what arrives."""
        assert self._protocol is not None
        return self._protocol

    # Reading ------------------------------------------------------------------------------------

    def _see_whether_to_read(self) -> None:
        # Asked for each message, and changed far more rarely.
        self.wants_to_read = self.is_gone or (
            self._started and not (self._paused or self._closing or self._eof_seen)
        )

    @property
    def is_readable(self) -> bool:
        """Whether a read from a socket in this state would return at once."""
        return self._closing or self._eof_seen or self._incoming.is_readable

    def is_reading(self) -> bool:
        """Tell whether the protocol gets what arrives."""
        return not (self._closing or self._paused)

    def pause_reading(self) -> None:
        """Let what arrives wait, and in the end its sender, too."""
        if not self._closing:
            self._paused = True
            self._see_whether_to_read()

    def resume_reading(self) -> None:
        """Deliver again."""
        if not self._closing and self._paused:
            self._paused = False
            self._see_whether_to_read()
            self._incoming.resume()

    def receive(self, pipe: Pipe) -> None:
        """Hand over what the pipe has next."""
        protocol: Any = self._protocol
        name = "data_received"
        try:
            if not self._is_buffered:
                protocol.data_received(pipe.take())
                return
            name = "get_buffer"
            buffer = protocol.get_buffer(-1)
            if not len(buffer):
                raise RuntimeError("get_buffer() returned an empty buffer")
            data = pipe.take(len(buffer))
            buffer[: len(data)] = data
            name = "buffer_updated"
            protocol.buffer_updated(len(data))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(error, f"Fatal error: protocol.{name}() call failed.")

    def receive_eof(self) -> None:
        """Tell the protocol that nothing more will come."""
        self._eof_seen = True
        self._see_whether_to_read()
        protocol: Any = self._protocol
        try:
            keep_open = protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(error, "Fatal error: protocol.eof_received() call failed.")
            return
        if not keep_open:
            self.close()

    # Writing ------------------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """Send *data*, bytes or something like them."""
        if type(data) is not bytes:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise TypeError(
                    f"data argument must be a bytes-like object, not {type(data).__name__!r}"
                )
            data = bytes(data)
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data:
            return
        if self._lost:
            if self._lost >= _SILENT_WRITES:
                logger.warning("socket.send() raised exception.")
            self._lost += 1
            return
        if self.outgoing.send(data) > self._high:
            self._pause_writing()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Send what stands in *list_of_data*, in one piece where copying it costs nothing."""
        pieces = list(list_of_data)
        if sum(map(len, pieces)) <= _HIGH_WATER:
            pieces = [b"".join(pieces)]
        for piece in pieces:
            self.write(piece)

    def can_write_eof(self) -> bool:
        """Tell that the connection can be half closed."""
        return True

    def write_eof(self) -> None:
        """Close the sending half, after what has been written."""
        if not (self._closing or self._eof_sent):
            self._eof_sent = True
            if not self._lost:
                self.outgoing.finish(End.EOF)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol is told to pause and to resume writing, in bytes."""
        if high is None:
            high = _HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._low, self._high = low, high
        if self.outgoing.backlog_size > high:
            self._pause_writing()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the limits, low and high."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait for room at the other end."""
        return self.outgoing.backlog_size

    def _pause_writing(self) -> None:
        if not self._writing_paused:
            self._writing_paused = True
            self._tell("pause_writing")

    def after_flush(self) -> None:
        """Go on after some of the backlog has left."""
        size = self.outgoing.backlog_size
        if size <= self._low:
            self._wake_drainer()
        if self._writing_paused and size <= self._low:
            self._loop.call_soon(self._resume_writing, context=self.context)
        if self._closing and not size and not self._lost:
            self._lost = 1
            self._loop.call_soon(self._call_connection_lost, None, context=self.context)

    def _resume_writing(self) -> None:
        if self._writing_paused and self.outgoing.backlog_size <= self._low:
            self._writing_paused = False
            self._tell("resume_writing")

    async def drained(self) -> None:
        """Wait until somebody may write again, whatever the protocol does about it."""
        while self.outgoing.backlog_size > self._high:
            if self._lost:
                raise ConnectionResetError("Connection lost")
            self._drainer = self._loop.create_future()
            await self._drainer

    def _wake_drainer(self) -> None:
        if self._drainer is not None and not self._drainer.done():
            self._drainer.set_result(None)

    def _tell(self, name: str) -> None:
        protocol = self._protocol
        if protocol is None:
            return
        try:
            getattr(protocol, name)()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._report(error, f"protocol.{name}() failed")

    # The end ------------------------------------------------------------------------------------

    def is_closing(self) -> bool:
        """Tell whether the transport is closing or closed."""
        return self._closing

    def close(self) -> None:
        """Close after what has been written; nothing is read any more."""
        if not self._closing:
            self._closing = True
            self._see_whether_to_read()
            self.after_flush()

    def abort(self) -> None:
        """Close now; what has not been sent is lost."""
        self.lose(None)

    def reset(self) -> None:
        """Close now, so that the peer sees the connection reset."""
        self.outgoing.reset()
        self.lose(None)

    def lose(self, error: BaseException | None) -> None:
        """Close now, because of *error* if there is one."""
        if self._lost:
            return
        self._lost = 1
        self._closing = True
        self._see_whether_to_read()
        self.outgoing.drop_backlog()
        self._wake_drainer()
        self._loop.call_soon(self._call_connection_lost, error, context=self.context)

    # asyncio's TLS calls it so.
    _force_close = lose

    def _call_connection_lost(self, error: BaseException | None) -> None:
        if self.is_gone:
            return
        self.is_gone = True
        self._see_whether_to_read()
        protocol = self._protocol
        try:
            if protocol is not None:
                protocol.connection_lost(error)  # type: ignore[arg-type]
        finally:
            self._incoming.shut()
            self.outgoing.finish(End.EOF)
            on_gone, self._on_gone = self._on_gone, None
            if on_gone is not None:
                on_gone(self)
            # Whoever keeps the transport does not keep the protocol.
            self._protocol = None

    def _fail(self, error: BaseException, message: str) -> None:
        if not isinstance(error, OSError):
            self._report(error, message)
        self.lose(error)

    def _report(self, error: BaseException, message: str) -> None:
        self._loop.call_exception_handler(
            {
                "message": message,
                "exception": error,
                "transport": self,
                "protocol": self._protocol,
            }
        )


class MemorySocket:
    """Stands in for the socket of a connection in memory: names, options, and a number to poll.

    Args:
        family: The address family.
        kind: The socket type.
        sockname: Its own address.
        peername: That of the other end; ``None`` for a listening socket.
    """

    __slots__ = (
        "_file",
        "_options",
        "_transport",
        "family",
        "peername",
        "proto",
        "sockname",
        "type",
    )

    def __init__(self, family: int, kind: int, sockname: Address, peername: Address) -> None:
        self.family = family
        self.type = kind
        self.proto = 0
        self.sockname = sockname
        self.peername = peername
        self._options: dict[tuple[int, int], Any] | None = None
        self._transport: MemoryTransport | None = None
        self._file: socket.socket | None = None

    def __repr__(self) -> str:
        peer = f" -> {format_address(self.peername)}" if self.peername else ""
        return f"<MemorySocket {format_address(self.sockname)}{peer}>"

    def attach(self, transport: MemoryTransport) -> None:
        """Belong to *transport*."""
        self._transport = transport

    def getsockname(self) -> Address:
        """Return its own address."""
        return self.sockname

    def getpeername(self) -> Address:
        """Return the address of the other end."""
        if self.peername is None:
            import errno

            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        return self.peername

    def setsockopt(self, level: int, name: int, value: Any, *more: Any) -> None:
        """Remember an option; none of them has an effect in memory."""
        if self._options is None:
            self._options = {}
        self._options[level, name] = value

    def getsockopt(self, level: int, name: int, *more: Any) -> Any:
        """Return an option that was set, or 0."""
        return (self._options or {}).get((level, name), 0)

    def fileno(self) -> int:
        """Return a file descriptor that is not readable while the connection has nothing to read.

        HTTP clients poll it to learn whether a pooled connection is still good. Where there is
        something to read, it is -1, which they take for the same.
        """
        if self._transport is None or self._transport.is_readable:
            return -1
        if self._file is None:
            self._file = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return self._file.fileno()

    def gettimeout(self) -> float | None:
        """Return 0: it never blocks."""
        return 0.0

    def settimeout(self, value: float | None) -> None:
        """Accept 0 only."""
        if value != 0:
            raise ValueError("settimeout(): only 0 timeout is allowed on transport sockets")

    def setblocking(self, flag: bool) -> None:
        """Accept false only."""
        if flag:
            raise ValueError("setblocking(): transport sockets cannot be blocking")

    def shutdown(self, how: int) -> None:
        """Close the sending half."""
        if self._transport is not None and how in (socket.SHUT_WR, socket.SHUT_RDWR):
            self._transport.write_eof()

    def close(self) -> None:
        """Give the file descriptor back, if there is one, and belong to nobody."""
        self._transport = None
        if self._file is not None:
            self._file.close()
            self._file = None


def format_address(address: Address) -> str:
    """Write an address as a person would."""
    if isinstance(address, tuple) and len(address) >= 2:
        host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
        return f"{host}:{address[1]}"
    if isinstance(address, bytes):
        return address.decode(errors="replace")
    return str(address) if address else "(unnamed)"
