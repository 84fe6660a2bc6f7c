"""What has arrived, under the names of the session's arguments, and how that is compared.

Invariant: only what was on the wire is known here. What stays in the client, a time-out for one,
is never compared and never made up.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp import web
from yarl import URL

__unittest = True


class RequestCall(NamedTuple):
    """A request as it has arrived.

    Attributes:
        args: Always empty; aioresponses keeps positional arguments here.
        kwargs: ``headers``, ``params``, ``json`` or ``data``, and ``allow_redirects``, which is
            always true. Compared with what was given to the session, they are equal if that would
            have been sent like this.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def normal(url: URL) -> URL:
    """Return *url* without its fragment, its query in order."""
    return url.with_fragment(None).with_query(sorted(url.query.items()))


class Requests(dict[tuple[str, URL], list[RequestCall]]):
    """Requests by method and URL, whatever the order of its query and with or without fragment."""

    def __getitem__(self, key: Any) -> list[RequestCall]:
        return super().__getitem__(_key(key))

    def __contains__(self, key: Any) -> bool:
        return super().__contains__(_key(key))

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_key(key), default)


def _key(key: Any) -> tuple[str, URL]:
    method, url = key
    return method.upper(), normal(URL(url))


class _Sent(dict[str, Any]):
    """What has arrived, under the names of the session's arguments."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and not list(differences(self, other, None))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __missing__(self, name: str) -> Any:
        raise KeyError(
            f"{name!r} is not among what was sent ({', '.join(self)}); what stays in the client, "
            "such as timeout=, is not known here"
        )


def url_of(request: web.BaseRequest) -> URL:
    """Return the whole URL of a request."""
    # Not request.url: where there is a port, aiohttp 3.9 makes it as today's yarl won't have it.
    return normal(URL(f"{request.scheme}://{request.host}").join(request.rel_url))


async def read_sent(request: web.BaseRequest) -> _Sent:
    body = await request.read()
    kwargs = _Sent(headers=request.headers, allow_redirects=True)
    if request.query:
        kwargs["params"] = dict(request.query)
    if request.content_type == "application/json":
        try:
            kwargs["json"] = json.loads(body)
            return kwargs
        except ValueError:
            pass  # it says that it is JSON, and is none
    if request.content_type == "application/x-www-form-urlencoded":
        kwargs["data"] = dict(URL.build(path="/", query_string=body.decode()).query)
    elif body or request.method == "POST":
        kwargs["data"] = body or None
    return kwargs


def differences(
    sent: Mapping[str, Any], expected: Mapping[str, Any], only: Sequence[str] | None
) -> Iterator[str]:
    for name, value in expected.items():
        if name in _COMPARED and (only is None or name in only):
            found = _COMPARED[name](sent, value)
            if found is not None:
                yield f"{name}: expected {value!r}, sent {found[0]!r}"
    if only is None and not ("json" in expected or "data" in expected):
        for name in ("json", "data"):
            if sent.get(name) is not None:
                yield f"{name}: expected none, sent {sent[name]!r}"


def _compare_json(sent: Mapping[str, Any], value: Any) -> tuple[Any] | None:
    found = sent.get("json")
    return None if found == json.loads(json.dumps(value)) else (found,)


def _compare_data(sent: Mapping[str, Any], value: Any) -> tuple[Any] | None:
    found = sent.get("data")
    if found is None and "json" in sent:
        found = json.dumps(sent["json"]).encode()
        value = json.dumps(json.loads(value)).encode() if isinstance(value, str | bytes) else value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, Mapping):
        value = {str(key): str(item) for key, item in value.items()}
    if inspect.isgenerator(value) or inspect.isasyncgen(value):
        return None  # it has been read, and can't be compared any more
    return None if (found or None) == (value or None) else (found,)


def _compare_headers(sent: Mapping[str, Any], value: Any) -> tuple[Any] | None:
    found = sent["headers"]
    missing = {name: found.get(name) for name in value or () if found.get(name) != value[name]}
    return (missing,) if missing else None


def _compare_auth(sent: Mapping[str, Any], value: Any) -> tuple[Any] | None:
    found = sent["headers"].get("Authorization")
    return None if value is None or found == value.encode() else (found,)


def _compare_cookies(sent: Mapping[str, Any], value: Any) -> tuple[Any] | None:
    from http.cookies import SimpleCookie

    found = {name: each.value for name, each in SimpleCookie(sent["headers"].get("Cookie")).items()}
    wrong = {name: found.get(name) for name in value or () if found.get(name) != value[name]}
    return (wrong,) if wrong else None


_COMPARED: dict[str, Callable[[Mapping[str, Any], Any], tuple[Any] | None]] = {
    "json": _compare_json,
    "data": _compare_data,
    "headers": _compare_headers,
    "auth": _compare_auth,
    "cookies": _compare_cookies,
}
