"""Methods, paths and templates of paths, as aiohttp's router has them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from yarl import URL

__unittest = True

_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)


def check_method(method: Any) -> str | None:
    """Return a method as it is sent, ``None`` for any."""
    if method is None or method == "*":
        return None
    if not isinstance(method, str) or not re.fullmatch(r"[A-Za-z][\w.-]*", method):
        raise ValueError(f"{method!r} is no HTTP method; write 'GET', 'POST', ... or '*' for any")
    return method.upper() if method.upper() in _METHODS else method


def check_path(
    path: Any,
) -> tuple[str | re.Pattern[str] | None, list[tuple[str, str]]]:
    """Return a path or template without its query, ``None`` for any, and the query's pairs."""
    if path is None or isinstance(path, re.Pattern):
        return path, []
    if isinstance(path, URL):
        path = str(path)
    if not isinstance(path, str):
        raise TypeError(
            f"a path is a string such as '/v1/charges' or a compiled pattern, got {path!r}"
        )
    if path == "*":
        return None, []
    if re.match(r"\w+://", path):
        raise ValueError(
            f"{path!r} has a host in it, and the stub belongs to one already. Write the path "
            f"alone: {URL(path).path!r}"
        )
    if not path.startswith("/"):
        raise ValueError(f"a path begins with a slash: write {'/' + path!r} in place of {path!r}")
    path, _, fragment = path.partition("#")
    if fragment:
        raise ValueError(f"a client sends no fragment, so '#{fragment}' can never match")
    # A question mark inside of a template's braces belongs to a pattern.
    if "?" in path and "{" not in path.partition("?")[0]:
        path, _, query = path.partition("?")
        return path, list(URL.build(path="/", query_string=query).query.items())
    return path, []


def path_matcher(
    path: str | re.Pattern[str] | None,
) -> Callable[[URL], dict[str, str] | None]:
    """Return a function that tells what a template finds in a URL, ``None`` if nothing fits."""
    if path is None:
        return lambda url: {}
    if isinstance(path, re.Pattern):
        return lambda url, pattern=path: _groups(pattern.fullmatch(url.path))  # type: ignore[misc]
    info = _resource_info(path)
    if "pattern" in info:
        pattern = info["pattern"]
        return lambda url: _groups(pattern.fullmatch(url.raw_path), unquote)
    fixed = info["path"]
    return lambda url: {} if url.raw_path == fixed or url.path == path else None


@functools.lru_cache(maxsize=1024)
def _resource_info(path: str) -> Mapping[str, Any]:
    """Return what aiohttp's router makes of a path or template."""
    try:
        return web.UrlDispatcher().add_resource(path).get_info()
    except ValueError as error:
        raise ValueError(
            f"{path!r} is no template that aiohttp's router understands ({error}). Write "
            "'/orders/{id}' or r'/orders/{id:\\d+}'"
        ) from None


def _groups(
    found: re.Match[str] | None, decode: Callable[[str], str] = str
) -> dict[str, str] | None:
    if found is None:
        return None
    return {name: decode(value) for name, value in found.groupdict().items() if value is not None}
