"""``@allow_leaks``: what a test, or each test of a class, may leave behind.

What is allowed is written on the test, where a reader finds it beside the code that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ._kinds import check_allowed
from .errors import SettingError

__unittest = True

_F = TypeVar("_F", bound=Callable[..., Any] | type)

# Where a test method, or a class, keeps what its decorator allows.
_MARK = "__asynctesting_allow__"

Allowed = tuple[Mapping[str, tuple[str, ...]], ...]


def allow_leaks(**kinds: Any) -> Callable[[_F], _F]:
    """Allow a test, or each test of a class, to leave something behind.

    Args:
        kinds: By kind of leak, such as ``tasks`` or ``threads``, what the thing is called: a
            name, a pattern as in ``fnmatch`` (``"poll-*"``), a tuple of these, or ``True`` for
            all of that kind. The message of a :exc:`LeakError` ends with the line that allows it.

    Raises:
        SettingError: For a kind that does not exist, or where nothing is named.

    Example:
        >>> class PollTests(AsyncTestCase):
        ...     @allow_leaks(tasks="poll-*")
        ...     async def test_first_answer(self):
        ...         self.poll = asyncio.create_task(asyncio.sleep(60), name="poll-stock")
        >>> unittest.TextTestRunner().run(PollTests("test_first_answer")).wasSuccessful()
        True
    """
    allowed = check_allowed(kinds, "@allow_leaks")
    if not allowed:
        raise SettingError(
            '@allow_leaks needs to know what is allowed, as in @allow_leaks(tasks="poll-*")'
        )

    def decorate(decorated: _F) -> _F:
        before = vars(decorated).get(_MARK, ())
        setattr(decorated, _MARK, (*before, allowed))
        return decorated

    return decorate


def allowed_by(case: type | None, method: object) -> Allowed:
    """Return what the decorators of a class, of its bases and of a test allow."""
    found: Allowed = getattr(method, _MARK, ())
    if getattr(case, _MARK, None) is None:
        return found  # neither the class nor a base of it has one
    for base in getattr(case, "__mro__", ()):
        found += base.__dict__.get(_MARK, ())
    return found


def check_class_attribute(value: object, source: str) -> Mapping[str, tuple[str, ...]]:
    """Return the class attribute ``allowed_leaks`` if it can be meant.

    Raises:
        SettingError: If it is no mapping of kinds to names.
    """
    if not isinstance(value, Mapping):
        raise SettingError(
            f"{source} must say by kind what may be left behind, as in "
            f"{{'tasks': 'poll-*'}}; got {value!r}"
        )
    return check_allowed(value, source)
