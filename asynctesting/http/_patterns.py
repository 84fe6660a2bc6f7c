"""What a request has to look like, and in which fields another one differs from that.

Plain code: a pattern looks at anything that has the attributes of a
:class:`~asynctesting.http.Call`, and has never seen a socket. The difference between a pattern
and a request is a list of fields, so that the message of a failure can show each of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, Protocol

from multidict import CIMultiDict, MultiDict
from yarl import URL

from ._checks import check_function
from ._differences import (
    Difference,
    fits,
    fits_content,
    is_any,
    json_differences,
    short,
    shown,
)
from ._paths import check_method, check_path, path_matcher

__unittest = True

#: What stands where nothing was given, so that ``json=None`` can mean the JSON value ``null``.
UNSET: Any = type("_Unset", (), {"__repr__": lambda self: "<not given>"})()


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
        self.method = check_method(method)
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
        self.path, query = check_path(path)
        self._matches_path = path_matcher(self.path)
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
            words.append(f"content={short(self.content)}")
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
            if len(found) != len(values) or not all(map(fits, values, found)):
                yield Difference(f"params[{name!r}]", shown(values), shown(found))
        if self.exact_params:
            for name in dict.fromkeys(query):
                if name not in self.params:
                    yield Difference(f"params[{name!r}]", "nothing", shown(query.getall(name)))
        for name, value in self.headers.items():
            actual = [v for k, v in request.headers.items() if k.lower() == name.lower()]
            if value is None:
                if actual:
                    yield Difference(f"headers[{name!r}]", "nothing", shown(actual))
            elif not any(fits(value, found) for found in actual):
                yield Difference(f"headers[{name!r}]", shown([value]), shown(actual))

    def _body_differences(self, request: Request) -> Iterator[Difference]:
        if self.json is not UNSET:
            try:
                actual = request.json()
            except ValueError as error:
                reason = f"{error}: {short(request.body)}" if request.body else "an empty body"
                yield Difference("json", repr(self.json), reason)
            else:
                yield from json_differences(self.json, actual)
        if self.data is not None:
            form = request.form()
            for name in dict.fromkeys([*self.data, *form]):
                wanted, found = self.data.getall(name, []), form.getall(name, [])
                if len(wanted) != len(found) or not all(map(fits, wanted, found)):
                    yield Difference(f"data[{name!r}]", shown(wanted), shown(found))
        if self.content is not None and not fits_content(self.content, request.body):
            yield Difference("content", short(self.content), short(request.body))
        if self.match is not None and not self.match(request):
            name = getattr(self.match, "__qualname__", repr(self.match))
            yield Difference("match", f"{name}(call) to be true", "something false")


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
    if isinstance(value, (str, re.Pattern)) or is_any(value):
        return [value]
    return [str(value)]


def _check_headers(headers: Mapping[str, Any] | None) -> CIMultiDict[Any]:
    checked: CIMultiDict[Any] = CIMultiDict()
    if headers is not None and not isinstance(headers, Mapping):
        raise TypeError(
            f"headers= needs a mapping such as {{'Accept': 'text/csv'}}, got {headers!r}"
        )
    for name, value in (headers or {}).items():
        if not (value is None or isinstance(value, (str, re.Pattern)) or is_any(value)):
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
            keep = isinstance(each, (str, bytes, re.Pattern)) or is_any(each)
            form.add(name, each if keep else str(each))
    return form
