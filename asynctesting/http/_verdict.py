"""The verdict: what the network has seen that fails a test, whether its code noticed or not.

Each finding is a text of its own. Findings that read the same are told once, with their number.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from .._report import Place, innermost_user_place, is_users
from ..errors import NetworkVerdictError

if TYPE_CHECKING:
    import ssl

    from .._network import Connection
    from ._calls import Call
    from ._hosts import Host
    from ._stubs import Stub

__unittest = True

# The first bytes of a handshake, as they stand in the message of aiohttp's parser.
_TLS_BEGINS = r"\x16\x03"
# What clients send again without asking, since it changes nothing.
_REPEATED = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


class Unmatched(NamedTuple):
    """A request that no stub has answered."""

    call: Call
    text: str


def user_place() -> Place | None:
    """Return the line of the user's code that runs now."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if is_users(code.co_filename):
            return Place(code.co_filename, frame.f_lineno, code.co_qualname)
        frame = frame.f_back
    return None


def describe_unmatched(call: Call, host: Host, opened_at: str = "") -> Unmatched:
    """Say which stub is the nearest to a request, and in which fields they differ."""
    lines = [f"{call}: no stub answers it."]
    if opened_at:
        lines.append(f"  its connection was opened at  {opened_at}")
    lines += [f"  {line}" for line in _nearest(call, host)]
    return Unmatched(call, "\n".join(lines))


def _nearest(call: Call, host: Host) -> Iterable[str]:
    stubs = [stub for stub in host.stubs]
    if not stubs:
        yield f"{host.url} has no stubs. Make one before the request is sent:"
        yield f"    host.{call.method.lower()}({call.path!r}).respond(...)"
        return
    used_up = [stub for stub in stubs if not stub._is_left and stub.pattern.fits(call)]
    if used_up:
        stub = used_up[-1]
        yield f"The stub {stub.pattern} fits, but is used up: it {stub._state()}."
        yield from _made(stub)
        yield "Answer more calls with .times(n) or .repeat()."
        if stub._breaks and call.method in _REPEATED:
            yield f"aiohttp repeats a {call.method} once by itself if its connection breaks:"
            yield ".times(2) breaks both."
        return
    stub = min(stubs, key=lambda stub: stub.pattern.distance(call))
    differences = stub.pattern.differences(call)
    if not differences:
        yield f"The stub {stub.pattern} would fit, but was made after the request had come."
        yield from _made(stub)
        return
    yield f"The nearest stub is {stub.pattern}; the request differs in:"
    width = max(len(difference.field) for difference in differences)
    for difference in differences:
        yield from (f"  {line}" for line in difference.lines(width))
    yield from _made(stub)


def _made(stub: Stub) -> Iterable[str]:
    if stub._place is not None:
        yield f"stub made at  {stub._place}"


def describe_unused(stub: Stub) -> str:
    """Say that a stub was used less often than it announced."""
    announced = stub._announced()
    if not stub.calls:
        often = "was never used"
    else:
        often = f"answered {len(stub.calls)} of {announced} calls"
    where = f"; made at  {stub._place}" if stub._place is not None else ""
    return f"stub {stub.pattern} at {stub._url} {often}{where}"


def describe_exception(what: str, error: BaseException) -> str:
    """Say what was raised, and where."""
    lines = []
    traceback = error.__traceback__
    while traceback is not None:
        lines.append((traceback.tb_frame.f_code, traceback.tb_lineno))
        traceback = traceback.tb_next
    place = innermost_user_place(lines)
    text = f"{what} {type(error).__name__}: {error}".rstrip(": ")
    return text if place is None else f"{text}\n  at  {place}"


def describe_nonsense(url: object, error: Exception, opened_at: Place | None) -> str:
    """Say that something came to a server of HTTP that is no request."""
    reason = " ".join(str(getattr(error, "message", error)).split()).rstrip(" ^")
    lines = [f"what came to {url} is no HTTP request: {reason}"]
    if _TLS_BEGINS in reason:
        lines.append("  This is how TLS begins, and no TLS is spoken there: the URL is http://")
    if opened_at is not None:
        lines.append(f"  its connection was opened at  {opened_at}")
    return "\n".join(lines)


def describe_handshake(connection: Connection, error: ssl.SSLError) -> str:
    """Say why a client and a host could not agree on TLS."""
    reason = error.reason or str(error)
    lines = [f"what came to {connection.target} is no TLS, which its URL says (https): {reason}"]
    if connection.place is not None:
        lines.append(f"  its connection was opened at  {connection.place}")
    return "\n".join(lines)


def make_error(findings: Iterable[str]) -> NetworkVerdictError | None:
    """Return the failure that lists all findings, or ``None`` if there are none."""
    counted = Counter(findings)
    if not counted:
        return None
    texts = [
        text if count == 1 else f"{text}\n  ... and {count - 1} more of these"
        for text, count in counted.items()
    ]
    what = "1 thing" if len(texts) == 1 else f"{len(texts)} things"
    body = "\n\n".join("\n".join(f"  {line}" for line in text.splitlines()) for text in texts)
    return NetworkVerdictError(
        f"the network has seen {what} that must not pass, whether the code under test noticed "
        f"or not.\n\n{body}",
        findings=texts,
    )
