"""One direction of a connection: bytes go in at the sender, and come out at the receiver.

A byte is in one of three places. In the *backlog* it waits for room, and counts as the sender's
write buffer. In *transit* it travels over a link. What has *arrived* waits for the receiver to
read, as it would in a kernel's buffer. Without a link there is no transit, and that way is short:
it is what every test pays for.

Invariant: bytes and the end after them come out in the order in which they went in, each in a
callback of its own, never inside of the call that sent them.
"""

from __future__ import annotations

import asyncio
import enum
import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from .._loop import Joint
from ._link import CUT_SIZE, READ_SIZE, WINDOW, Link

if TYPE_CHECKING:
    from ._transport import MemoryTransport

__unittest = True

Chunk = bytes | memoryview


class _Nobody:
    """Stands at either end of a pipe when both have gone, so that nothing keeps anything alive."""

    wants_to_read = False
    is_gone = True

    def after_flush(self) -> None:
        """Do nothing."""


_NOBODY: Any = _Nobody()


class End(enum.Enum):
    """What comes after the last byte."""

    EOF = enum.auto()
    RESET = enum.auto()


class Pipe(Joint):
    """Carries bytes from *sender* to *receiver*.

    Args:
        loop: The loop in which both ends live.
        is_answer: Whether bytes go from the host to its client, which faults of a link strike.
        link: What lies between; ``None`` for nothing at all.
    """

    __slots__ = (
        "_arrived",
        "_backlog",
        "_end",
        "_ended",
        "_free_at",
        "_link",
        "_loop",
        "_scheduled",
        "_sent_end",
        "_timer",
        "_transit",
        "_under_way",
        "backlog_size",
        "is_answer",
        "passed",
        "receiver",
        "sender",
        "unread",
    )

    sender: MemoryTransport
    receiver: MemoryTransport

    def __init__(self, loop: asyncio.AbstractEventLoop, is_answer: bool, link: Link | None) -> None:
        self._loop = loop
        self.is_answer = is_answer
        self._link = link
        self._backlog: deque[Chunk] = deque()
        self.backlog_size = 0
        self._transit: deque[tuple[float, Chunk | End]] = deque()
        self._under_way = 0
        self._arrived: deque[Chunk] = deque()
        #: How many bytes have arrived and not been read.
        self.unread = 0
        # The end: as the sender wants it, as it was sent, and as it waits for the receiver.
        self._end: End | None = None
        self._sent_end: End | None = None
        self._ended: End | None = None
        #: How many bytes have left the sender.
        self.passed = 0
        self._free_at = 0.0
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    # At the sender ------------------------------------------------------------------------------

    def send(self, data: bytes) -> int:
        """Take *data* on its way, or into the backlog where there is no room.

        Returns:
            How many bytes are in the backlog now.
        """
        size = len(data)
        if self._link is None and not self.backlog_size and size + self.unread <= WINDOW:
            self.passed += size
            self._arrived.append(data)
            self.unread += size
            if not self._scheduled and self.receiver.wants_to_read:
                self._scheduled = True
                self._loop.call_soon(self._deliver, context=self.receiver.context)
            return 0
        self._backlog.append(data)
        self.backlog_size += size
        self._push()
        return self.backlog_size

    def finish(self, end: End) -> None:
        """Let *end* follow after what has been sent; the first one counts."""
        if self._end is None:
            self._end = end
            if not self.backlog_size:
                self._send_end()

    def drop_backlog(self) -> None:
        """Forget what has not left the sender."""
        self._backlog.clear()
        self.backlog_size = 0

    def reset(self) -> None:
        """Forget what has not left the sender, and reset the connection."""
        self.drop_backlog()
        if self._end is None or self._end is End.EOF:
            self._end = End.RESET
            self._send_end()

    def relink(self, link: Link | None) -> None:
        """Put another link between the ends; what is under way stays in front."""
        self._link = Link() if link is None and self._transit else link
        self._push()
        self.sender.after_flush()

    def _room(self) -> float:
        link = self._link
        if link is None:
            return WINDOW - self.unread - self._under_way
        return min(
            link.window - self.unread - self._under_way,
            link.allowance(self.passed, self.is_answer),
        )

    def _push(self) -> None:
        """Move from the backlog what there is room for."""
        while self.backlog_size:
            link = self._link
            if link is not None and link.is_cut(self.passed, self.is_answer):
                self.reset()
                self.sender.lose(reset_by_peer())
                return
            room = self._room()
            if room <= 0:
                return
            chunk = self._backlog.popleft()
            if len(chunk) > room:
                view = memoryview(chunk)
                self._backlog.appendleft(view[int(room) :])
                chunk = view[: int(room)]
            self.backlog_size -= len(chunk)
            if link is None:
                self.passed += len(chunk)
                self._arrived.append(chunk)
                self.unread += len(chunk)
                self._wake()
            else:
                self._dispatch(chunk, link)
        if self._end is not None:
            self._send_end()

    def _dispatch(self, chunk: Chunk, link: Link) -> None:
        size = link.piece or len(chunk)
        pieces = [chunk] if size >= len(chunk) else _pieces(chunk, size)
        for piece in pieces:
            self.passed += len(piece)
            self._under_way += len(piece)
            self._free_at = max(self._loop.time(), self._free_at)
            if link.rate is not None:
                self._free_at += len(piece) / link.rate
            self._transit.append((self._free_at + link.latency, piece))
        self._watch_transit()

    def _send_end(self) -> None:
        end, link = self._end, self._link
        if end is None or end is self._sent_end:
            return
        if link is not None and link.is_stalled(self.passed, self.is_answer):
            return
        self._sent_end = end
        if link is None:
            if not self.receiver.is_gone or self._arrived:
                self._ended = end
                self._wake()
        else:
            self._transit.append((max(self._loop.time(), self._free_at) + link.latency, end))
            self._watch_transit()

    # On the way ---------------------------------------------------------------------------------

    def _watch_transit(self) -> None:
        if self._timer is None and self._transit:
            when = self._transit[0][0]
            if when <= self._loop.time():
                self._arrive()
            else:
                self._timer = self._loop.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        # Its time has come, whatever a clock of little resolution says about it.
        self._take_in(self._transit.popleft()[1])
        self._arrive()

    def _arrive(self) -> None:
        now = self._loop.time()
        while self._transit and self._transit[0][0] <= now:
            self._take_in(self._transit.popleft()[1])
        self._watch_transit()
        self._wake()

    def _take_in(self, item: Chunk | End) -> None:
        if isinstance(item, End):
            self._ended = item
        else:
            self._under_way -= len(item)
            self._arrived.append(item)
            self.unread += len(item)

    # At the receiver ----------------------------------------------------------------------------

    @property
    def is_readable(self) -> bool:
        """Whether the receiver has something to read, the end included."""
        return bool(self._arrived) or self._ended is not None

    def _wake(self) -> None:
        if not self._scheduled and self.receiver.wants_to_read:
            self._scheduled = True
            self._loop.call_soon(self._deliver, context=self.receiver.context)

    def resume(self) -> None:
        """Go on delivering: the receiver wants to read again, or never will."""
        if self._arrived or self._ended is not None:
            self._wake()

    def _deliver(self) -> None:
        self._scheduled = False
        receiver = self.receiver
        if not receiver.wants_to_read:
            pass
        elif receiver.is_gone:
            self._refuse()
        elif self._arrived:
            receiver.receive(self)
            if self.backlog_size:
                self._push()
                self.sender.after_flush()
            if self._arrived or self._ended is not None:
                self._wake()
        elif self._ended is End.EOF:
            self._ended = None
            receiver.receive_eof()
        elif self._ended is End.RESET:
            self._ended = None
            receiver.lose(reset_by_peer())

    def _refuse(self) -> None:
        """Answer bytes that nobody will ever read, as a kernel does: by a reset."""
        was_data = bool(self._arrived) or self.backlog_size
        self._arrived.clear()
        self._backlog.clear()
        self.unread = self.backlog_size = 0
        self._ended = None
        if was_data and not self.sender.is_gone:
            # Whoever reads gets what was sent before, and then the reset.
            if self.sender.wants_to_read:
                self.receiver.outgoing.reset()
            else:
                self.sender.lose(reset_by_peer())

    def take(self, limit: int = READ_SIZE) -> bytes:
        """Return what the receiver gets next, *limit* bytes at most."""
        arrived = self._arrived
        data = arrived.popleft()
        if not arrived and type(data) is bytes and len(data) <= limit:
            self.unread -= len(data)
            return data
        if type(data) is memoryview and len(data) > CUT_SIZE:
            limit = min(limit, CUT_SIZE)
        elif arrived and (self._link is None or self._link.segment is None):
            parts = [data]
            size = len(data)
            while arrived and size + len(arrived[0]) <= limit:
                data = arrived.popleft()
                size += len(data)
                parts.append(data)
            data = b"".join(parts)
        if len(data) > limit:
            view = memoryview(data)
            arrived.appendleft(view[limit:])
            data = view[:limit]
        self.unread -= len(data)
        return data if isinstance(data, bytes) else bytes(data)

    def shut(self) -> None:
        """Take nothing any more: the receiver is gone."""
        self._refuse()

    def stop(self) -> None:
        """Forget the timer and both ends: nothing goes through here any more."""
        self.sender = self.receiver = _NOBODY
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transit.clear()


def _pieces(chunk: Chunk, size: int) -> list[Chunk]:
    view = memoryview(chunk)
    return [view[start : start + size] for start in range(0, len(view), size)]


def reset_by_peer() -> ConnectionResetError:
    """Return the error of an end whose peer has reset the connection."""
    return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
