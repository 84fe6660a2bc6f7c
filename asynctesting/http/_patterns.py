"""What a request has to look like, and in which fields another one differs from that.

Plain code: a pattern looks at anything that has the attributes of a
:class:`~asynctesting.http.Call`, and has never seen a socket. The difference between a pattern
and a request is a list of fields, so that the message of a failure can show each of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote

from aiohttp import web
from multidict import CIMultiDict, MultiDict
from yarl import URL

from ._checks import check_function

__unittest = True

#: What stands where nothing was given, so that ``json=None`` can mean the JSON value ``null``.
UNSET: Any = type("_Unset", (), {"__repr__": lambda self: "<not given>"})()

_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)
_MISSING: Any = type("_Missing", (), {"__repr__": lambda self: "nothing"})()


class Request(Protocol):
    """What a pattern looks at."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> URL: ...
    @property
    def target(self) -> URL: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...
    def json(self) -> Any: ...
    def form(self) -> MultiDict[Any]: ...


class Difference(NamedTuple):
    """One field in which a request is not as it was expected."""

    field: str
    expected: str
    actual: str

    def lines(self, width: int) -> Iterator[str]:
        """Yield the lines of a report; *width* is that of the widest field."""
        yield f"{self.field:<{width}}  expected  {self.expected}"
        yield f"{'':<{width}}  got       {self.actual}"


class partial:  # noqa: N801 - read as an adjective, like functools.partial
    """Compare JSON by the parts that are named, whatever else the other side has.

    An object matches one that has at least its members, and so on for the objects inside. Lists
    have to be of one length. ``unittest.mock.ANY`` and ``re.compile(...)`` may stand for a value.

    Args:
        value: The JSON value of which some is known.

    Example:
        >>> partial({"amount": 5}) == {"amount": 5, "currency": "EUR"}
        True
        >>> partial({"items": [{"sku": "tea"}]}) == {"items": [{"sku": "tea", "n": 2}], "id": 1}
        True
        >>> partial({"amount": 5}) == {"amount": 6}
        False
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return not any(json_differences(self, other))

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"partial({self.value!r})"


class RequestPattern:
    """What a request has to look like: a stub answers such requests, an assertion looks for them.

    What is not given may be anything.

    Args:
        method: ``"GET"``, ``"POST"``, ...; ``None`` or ``"*"`` for any.
        path: A path such as ``"/v1/charges"``, a template as aiohttp's router has it
            (``"/v1/charges/{id}"``, ``r"/v1/charges/{id:\\d+}"``), or a compiled pattern that has
            to match the whole decoded path. A query (``"/search?q=tea"``) is taken as *params*.
        params: Query parameters that have to be there: a mapping or pairs. A value is a string, a
            number, a compiled pattern, or a list of values.
        exact_params: Whether the query may have no other parameters.
        headers: Headers that have to be there, in any case. A value is a string, a compiled
            pattern, or ``None`` for a header that must be absent.
        json: The body as JSON. :class:`partial` compares only what it names.
        data: The fields of a form, or the body as ``str`` or ``bytes``.
        content: The body as ``str``, ``bytes`` or compiled pattern.
        match: A function that gets the :class:`~asynctesting.http.Call` and says yes or no.

    Raises:
        TypeError: If two ways to describe the body are given, or a value can't be meant.
        ValueError: If *method* or *path* can't be meant.

    Example:
        >>> RequestPattern("GET", "/v1/charges/{id}", params={"expand": "payer"})
        <RequestPattern GET /v1/charges/{id} params={'expand': 'payer'}>
    """

    def __init__(
        self,
        method: str | None = None,
        path: str | re.Pattern[str] | None = None,
        *,
        params: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        exact_params: bool = False,
        headers: Mapping[str, str | re.Pattern[str] | None] | None = None,
        json: Any = UNSET,
        data: Any = None,
        content: str | bytes | re.Pattern[Any] | None = None,
        match: Callable[[Any], Any] | None = None,
    ) -> None:
        self.method = _check_method(method)
        bodies = [
            name
            for name, given in (
                ("json", json is not UNSET),
                ("data", data is not None),
                ("content", content is not None),
            )
            if given
        ]
        if len(bodies) > 1:
            raise TypeError(
                f"a request has one body, and {' and '.join(f'{name}=' for name in bodies)} each "
                "describe one. Give one of them"
            )
        if match is not None:
            check_function(match, 1, "match=", "a function that gets the call")
        if isinstance(json, (set, frozenset, bytes)):
            raise TypeError(f"json={json!r} can't be in JSON, so no request would ever match")
        if content is not None and not isinstance(content, (str, bytes, re.Pattern)):
            raise TypeError(f"content= needs a str, bytes or a compiled pattern, got {content!r}")
        self.path, query = _check_path(path)
        self._matches_path = _path_matcher(self.path)
        self.params: dict[str, list[Any]] = {}
        for name, value in [*query, *_pairs(params)]:
            self.params.setdefault(name, []).extend(_parameter_values(name, value))
        self.exact_params = exact_params
        self.headers = _check_headers(headers)
        self.json = json
        if isinstance(data, (str, bytes)):
            data, content = None, data
        self.data = data if data is None else _form(data)
        self.content = content.encode() if isinstance(content, str) else content
        self.match = match

    @property
    def needs_body(self) -> bool:
        """Whether the body has to be read before the pattern can say anything."""
        return (
            self.json is not UNSET
            or self.data is not None
            or self.content is not None
            or self.match is not None
        )

    def __repr__(self) -> str:
        return f"<RequestPattern {self}>"

    def __str__(self) -> str:
        path = self.path.pattern if isinstance(self.path, re.Pattern) else self.path
        words = [self.method or "any method", path if path is not None else "any path"]
        if self.params or self.exact_params:
            shown = {k: v[0] if len(v) == 1 else v for k, v in self.params.items()}
            words.append(f"{'exact_' if self.exact_params else ''}params={shown!r}")
        if self.headers:
            words.append(f"headers={dict(self.headers)!r}")
        if self.json is not UNSET:
            words.append(f"json={self.json!r}")
        if self.data is not None:
            words.append(f"data={dict(self.data)!r}")
        if self.content is not None:
            words.append(f"content={_short(self.content)}")
        if self.match is not None:
            words.append(f"match={getattr(self.match, '__name__', repr(self.match))}")
        return " ".join(words)

    def match_path(self, url: URL) -> dict[str, str] | None:
        """Return the parts of the path that a template names, or ``None`` if it does not match."""
        return self._matches_path(url)

    def fits_head(self, request: Request) -> bool:
        """Tell whether method, path, query and headers are as they should be."""
        return (
            self.method in (None, request.method)
            and self._matches_path(request.target) is not None
            and not (self.params or self.exact_params or self.headers)
        ) or not any(self._head_differences(request))

    def fits(self, request: Request) -> bool:
        """Tell whether *request* is as it should be."""
        return self.fits_head(request) and not (
            self.needs_body and any(self._body_differences(request))
        )

    def differences(self, request: Request) -> list[Difference]:
        """Return each field in which *request* is not as it should be."""
        return [*self._head_differences(request), *self._body_differences(request)]

    def distance(self, request: Request) -> float:
        """Return how far *request* is from this pattern; only the order of such numbers counts."""
        far = 0.0
        for difference in self.differences(request):
            if difference.field == "path":
                likeness = SequenceMatcher(None, difference.expected, difference.actual).ratio()
                far += 2 + 6 * (1 - likeness)
            else:
                far += 2.0 if difference.field == "method" else 1.0
        return far

    def _head_differences(self, request: Request) -> Iterator[Difference]:
        if self.method not in (None, request.method):
            yield Difference("method", str(self.method), request.method)
        if self._matches_path(request.url) is None:
            expected = self.path
            if isinstance(expected, re.Pattern):
                expected = f"a match of {expected.pattern!r}"
            yield Difference("path", str(expected), request.url.path)
        query = request.url.query
        for name, values in self.params.items():
            found = query.getall(name, [])
            if len(found) != len(values) or not all(map(_fits, values, found)):
                yield Difference(f"params[{name!r}]", _shown(values), _shown(found))
        if self.exact_params:
            for name in dict.fromkeys(query):
                if name not in self.params:
                    yield Difference(f"params[{name!r}]", "nothing", _shown(query.getall(name)))
        for name, value in self.headers.items():
            actual = [v for k, v in request.headers.items() if k.lower() == name.lower()]
            if value is None:
                if actual:
                    yield Difference(f"headers[{name!r}]", "nothing", _shown(actual))
            elif not any(_fits(value, found) for found in actual):
                yield Difference(f"headers[{name!r}]", _shown([value]), _shown(actual))

    def _body_differences(self, request: Request) -> Iterator[Difference]:
        if self.json is not UNSET:
            try:
                actual = request.json()
            except ValueError as error:
                reason = f"{error}: {_short(request.body)}" if request.body else "an empty body"
                yield Difference("json", repr(self.json), reason)
            else:
                yield from json_differences(self.json, actual)
        if self.data is not None:
            form = request.form()
            for name in dict.fromkeys([*self.data, *form]):
                wanted, found = self.data.getall(name, []), form.getall(name, [])
                if len(wanted) != len(found) or not all(map(_fits, wanted, found)):
                    yield Difference(f"data[{name!r}]", _shown(wanted), _shown(found))
        if self.content is not None and not _fits_content(self.content, request.body):
            yield Difference("content", _short(self.content), _short(request.body))
        if self.match is not None and not self.match(request):
            name = getattr(self.match, "__qualname__", repr(self.match))
            yield Difference("match", f"{name}(call) to be true", "something false")


def json_differences(expected: Any, actual: Any, where: str = "json") -> Iterator[Difference]:
    """Yield each member in which two JSON values differ, named as one would write it in Python."""
    partly = isinstance(expected, partial)
    if partly:
        expected = expected.value
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key, value in expected.items():
            inner = partial(value) if partly and not isinstance(value, partial) else value
            if key not in actual:
                yield Difference(f"{where}[{key!r}]", repr(value), "nothing")
            else:
                yield from json_differences(inner, actual[key], f"{where}[{key!r}]")
        for key in actual if not partly else ():
            if key not in expected:
                yield Difference(f"{where}[{key!r}]", "nothing", repr(actual[key]))
    elif isinstance(expected, (list, tuple)) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield Difference(f"len({where})", str(len(expected)), f"{len(actual)}: {actual!r}")
            return
        for number, (value, found) in enumerate(zip(expected, actual, strict=True)):
            inner = partial(value) if partly and not isinstance(value, partial) else value
            yield from json_differences(inner, found, f"{where}[{number}]")
    elif not _fits_value(expected, actual):
        yield Difference(where, repr(expected), repr(actual))


def _fits_value(expected: Any, actual: Any) -> bool:
    if isinstance(expected, (re.Pattern, partial)) or _is_any(expected):
        return _fits(expected, actual)
    # In JSON, true is not 1.
    return _fits(expected, actual) and isinstance(expected, bool) == isinstance(actual, bool)


def _is_any(value: Any) -> bool:
    # unittest.mock.ANY and its relatives are equal to what they have never seen.
    return bool(value == object())


def _fits(expected: Any, actual: Any) -> bool:
    if isinstance(expected, re.Pattern):
        if isinstance(expected.pattern, bytes) is not isinstance(actual, bytes):
            return False
        return isinstance(actual, (str, bytes)) and expected.fullmatch(actual) is not None
    return bool(expected == actual)


def _fits_content(expected: bytes | re.Pattern[Any], body: bytes) -> bool:
    if isinstance(expected, re.Pattern) and isinstance(expected.pattern, str):
        return expected.fullmatch(body.decode(errors="replace")) is not None
    return _fits(expected, body)


def _shown(values: Sequence[Any]) -> str:
    if not values:
        return "nothing"
    shown = [
        f"a match of {value.pattern!r}" if isinstance(value, re.Pattern) else _short(value)
        for value in values
    ]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def _short(value: Any, length: int = 200) -> str:
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}... ({len(value)} long)"


def _check_method(method: Any) -> str | None:
    if method is None or method == "*":
        return None
    if not isinstance(method, str) or not re.fullmatch(r"[A-Za-z][\w.-]*", method):
        raise ValueError(f"{method!r} is no HTTP method; write 'GET', 'POST', ... or '*' for any")
    return method.upper() if method.upper() in _METHODS else method


def _check_path(
    path: Any,
) -> tuple[str | re.Pattern[str] | None, list[tuple[str, str]]]:
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


def _path_matcher(
    path: str | re.Pattern[str] | None,
) -> Callable[[URL], dict[str, str] | None]:
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


def _pairs(params: Any) -> Iterable[tuple[str, Any]]:
    if params is None:
        return []
    if isinstance(params, str):
        return list(URL.build(path="/", query_string=params).query.items())
    try:
        pairs = params.items() if isinstance(params, Mapping) else params
        return [(name, value) for name, value in pairs]
    except (TypeError, ValueError):
        raise TypeError(
            f"query parameters and forms are a mapping such as {{'q': 'tea'}} or pairs, got "
            f"{params!r}"
        ) from None


def _parameter_values(name: str, value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [single for each in value for single in _parameter_values(name, each)]
    if isinstance(value, bool) or value is None:
        raise TypeError(
            f"params[{name!r}] is {value!r}, and a query has only strings. Write what the "
            "client sends, such as 'true' or '1'"
        )
    if isinstance(value, (str, re.Pattern)) or _is_any(value):
        return [value]
    return [str(value)]


def _check_headers(headers: Mapping[str, Any] | None) -> CIMultiDict[Any]:
    checked: CIMultiDict[Any] = CIMultiDict()
    if headers is not None and not isinstance(headers, Mapping):
        raise TypeError(
            f"headers= needs a mapping such as {{'Accept': 'text/csv'}}, got {headers!r}"
        )
    for name, value in (headers or {}).items():
        if not (value is None or isinstance(value, (str, re.Pattern)) or _is_any(value)):
            raise TypeError(
                f"headers[{name!r}] is {value!r}; give a string, a compiled pattern, or None for "
                "a header that must be absent"
            )
        checked.add(name, value)
    return checked


def _form(data: Any) -> MultiDict[Any]:
    if not isinstance(data, (Mapping, list, tuple)):
        raise TypeError(f"data= needs the fields of a form or a body, got {data!r}")
    form: MultiDict[Any] = MultiDict()
    for name, value in _pairs(data):
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if each is None:
                raise TypeError(f"data[{name!r}] is None, and a form has only strings and files")
            keep = isinstance(each, (str, bytes, re.Pattern)) or _is_any(each)
            form.add(name, each if keep else str(each))
    return form
