"""What can't be meant: arguments are looked at where they are written, and refused with a hint.

Each function here raises, in the words of whoever has written the argument, or returns it.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

from multidict import CIMultiDict
from yarl import URL

__unittest = True

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
# What a header's name is made of, by RFC 9110.
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)

# Where ------------------------------------------------------------------------------------------


def parse_url(url: Any, what: str) -> URL:
    """Return a URL of http or https, under whatever name, that names a host."""
    if not isinstance(url, (str, URL)):
        raise TypeError(f"{what} needs a URL such as 'https://api.example', got {url!r}")
    try:
        parsed = URL(url)
        parsed.port  # noqa: B018 - which may be out of range
    except ValueError as error:
        raise ValueError(f"{what} got {url!r}, which is no URL: {error}") from None
    _check_scheme(parsed, url, what)
    if not parsed.host:
        raise ValueError(f"{what} got {str(url)!r}, which names no host. Write 'https://name'")
    check_name(parsed.host, what)
    return parsed


def check_url(url: str | URL, what: str) -> URL:
    """Return the URL of a host."""
    parsed = parse_url(url, what)
    if parsed.port == 0:
        raise ValueError(
            f"{what} got {str(url)!r}, and no client can connect to port 0. Leave it out, or give "
            "another one"
        )
    if parsed.user is not None or parsed.password is not None:
        raise ValueError(
            f"{what} got a URL with a user in it, and that belongs to a request: give "
            "auth= to the client, or headers= to the stub"
        )
    extra = parsed.relative() if parsed.path not in ("", "/") else None
    if extra is not None or parsed.query_string or parsed.fragment:
        raise ValueError(
            f"{what} got {str(url)!r}, and a host has no path. Write {str(parsed.origin())!r}, "
            "and give the path to the stub or the client"
        )
    return parsed.origin()


def _check_scheme(url: URL, given: str | URL, what: str) -> None:
    if url.scheme not in _PORTS:
        right = str(given).partition("://")[2] if "://" in str(given) else str(given)
        if not right or right.startswith("/"):
            right = f"name{right}"
        scheme = f"whose scheme is {url.scheme!r}" if url.scheme else "which has no scheme"
        raise ValueError(
            f"{what} got {str(given)!r}, {scheme}. Write 'http://{right}' or 'https://{right}'"
        )


def name_of(url: URL) -> str:
    """Return the name or address of a host."""
    return url.host or ""


def port_of(url: URL) -> int:
    """Return the port of a host."""
    return url.port or _PORTS.get(url.scheme, 0)


def check_name(name: Any, what: str) -> None:
    """Refuse what is no name or address of a host."""
    if not isinstance(name, str):
        raise TypeError(f"{what} needs the name of a host, such as 'api.example', got {name!r}")
    if not name or re.search(r"[\s/?#@]", name):
        raise ValueError(f"{what} needs the name of a host, such as 'api.example', got {name!r}")


def check_port(port: Any, what: str) -> None:
    """Refuse what is no port."""
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"{what} needs a port, a number up to 65535, got {port!r}")
    if not 0 <= port <= 65535:
        raise ValueError(f"{what} needs a port, a number up to 65535, got {port!r}")


# Functions and counts ---------------------------------------------------------------------------


def check_function(function: Any, arguments: int, what: str, wanted: str) -> None:
    """Refuse what can't be called with so many arguments."""
    if not callable(function):
        raise TypeError(f"{what} needs {wanted}, got {function!r}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # some builtins have none
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        many = f"{arguments} argument" + "s" * (arguments != 1)
        raise TypeError(
            f"{what} needs {wanted}, which is called with {many}; {function!r} takes {signature}"
        ) from None


def check_count(count: Any, what: str) -> None:
    """Refuse what is no number of requests."""
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{what} needs a whole number above zero, got {count!r}")
    if count < 1:
        raise ValueError(f"{what} needs a whole number above zero, got {count!r}")


# What is sent -----------------------------------------------------------------------------------


def check_status(status: Any) -> None:
    """Refuse what is no status of a final response."""
    if isinstance(status, bool) or not isinstance(status, int):
        hint = "" if isinstance(status, (str, float)) else f". For a body write json={status!r}"
        raise TypeError(f"a status is a number such as 200 or 404, got {status!r}{hint}")
    if not 200 <= status <= 599:
        what = "an answer on the way to the real one" if 100 <= status < 200 else "no HTTP status"
        raise ValueError(f"{status!r} is {what}; a stub responds with 200 to 599")


def check_one_body(**bodies: Any) -> None:
    """Refuse a second body, and one that is none."""
    given = [name for name, value in bodies.items() if value is not None and value is not False]
    if len(given) > 1:
        raise TypeError(
            f"a response has one body, and {' and '.join(f'{name}=' for name in given)} each give "
            "one. Leave one of them"
        )
    body = bodies["body"]
    if body is not None and not isinstance(body, (bytes, bytearray, memoryview)):
        right = "text=" if isinstance(body, str) else "json="
        raise TypeError(f"body= needs bytes, got {body!r}. Write {right}{body!r}")


def check_headers(headers: Any) -> CIMultiDict[str]:
    """Return headers to be sent, from a mapping or pairs."""
    try:
        checked: CIMultiDict[str] = CIMultiDict(headers or {})
    except (TypeError, ValueError):
        raise TypeError(
            f"headers= needs a mapping or pairs of strings, got {headers!r}. Write "
            "{'Retry-After': '30'}"
        ) from None
    for name, value in checked.items():
        if not isinstance(value, str):
            raise TypeError(f"headers[{name!r}] is {value!r}; a header's value is a string")
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header; write one such as 'Retry-After'")
        if any(character in value for character in "\r\n\0"):
            raise ValueError(f"headers[{name!r}] is {value!r}; a header has one line")
    return checked


def check_reason(reason: Any) -> str | None:
    """Return the phrase beside a status."""
    if reason is not None and not isinstance(reason, str):
        raise TypeError(f"reason= needs a phrase such as 'Try later', got {reason!r}")
    if reason is not None and ("\r" in reason or "\n" in reason):
        raise ValueError(f"reason= has to be one line, got {reason!r}")
    return reason


def check_whole(status: int, headers: Mapping[str, str], body: Any, is_stream: bool) -> None:
    """Refuse what no client could read: a body that must not be, or of another length."""
    if status in (204, 304) and (body or is_stream):
        raise ValueError(f"a response with status {status} has no body; a client would not read it")
    length = headers.get("Content-Length")
    if body is not None and length is not None and length != str(len(body)):
        raise ValueError(
            f"headers announce a Content-Length of {length}, and the body has {len(body)} bytes. "
            "Leave the header out, it is computed; for a body that ends early write "
            ".fault('truncate')"
        )
    if "Transfer-Encoding" in headers:
        raise ValueError("Transfer-Encoding is the server's own; stream=[...] is sent in chunks")


def check_stream(stream: Any) -> Any:
    """Return chunks to be sent, or a function that makes them."""
    for chunk in stream if isinstance(stream, (list, tuple)) else ():
        if not isinstance(chunk, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"a chunk of stream= is bytes or a string, got {chunk!r}")
    if stream is None or callable(stream) or hasattr(stream, "__aiter__"):
        return stream
    if isinstance(stream, (str, bytes)) or not hasattr(stream, "__iter__"):
        raise TypeError(
            f"stream= needs chunks, such as [b'first', b'second'], an asynchronous generator, or "
            f"a function that makes one, got {stream!r}"
        )
    return stream


def dumps(value: Any) -> bytes:
    """Return JSON to be sent."""
    try:
        return json.dumps(value).encode()
    except (TypeError, ValueError) as error:
        raise TypeError(f"json={value!r} can't be sent: {error}") from None
