"""How two values are compared, and in what they differ: JSON by its members, patterns, anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

__unittest = True


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
    if isinstance(expected, (re.Pattern, partial)) or is_any(expected):
        return fits(expected, actual)
    # In JSON, true is not 1.
    return fits(expected, actual) and isinstance(expected, bool) == isinstance(actual, bool)


def is_any(value: Any) -> bool:
    """Tell whether something is equal to whatever comes."""
    # unittest.mock.ANY and its relatives are equal to what they have never seen.
    return bool(value == object())


def fits(expected: Any, actual: Any) -> bool:
    """Tell whether a value is as expected, where a compiled pattern may say how."""
    if isinstance(expected, re.Pattern):
        if isinstance(expected.pattern, bytes) is not isinstance(actual, bytes):
            return False
        return isinstance(actual, (str, bytes)) and expected.fullmatch(actual) is not None
    return bool(expected == actual)


def fits_content(expected: bytes | re.Pattern[Any], body: bytes) -> bool:
    """Tell whether a body is as expected."""
    if isinstance(expected, re.Pattern) and isinstance(expected.pattern, str):
        return expected.fullmatch(body.decode(errors="replace")) is not None
    return fits(expected, body)


def shown(values: Sequence[Any]) -> str:
    """Write values for a report."""
    if not values:
        return "nothing"
    shown = [
        f"a match of {value.pattern!r}" if isinstance(value, re.Pattern) else short(value)
        for value in values
    ]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def short(value: Any, length: int = 200) -> str:
    """Write a value for a report, and not all of it if it is long."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}... ({len(value)} long)"
