"""Async fixtures: what a user writes, and what stands on a class for it.

A fixture is an attribute of test classes, and asks for others by the names of its parameters. How
they hang together is the subject of :mod:`asynctesting._fixture_plan`, and how one is made and put
away that of :mod:`asynctesting._living`.
"""

from __future__ import annotations

import inspect
import unittest
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar, overload

from . import _settings
from ._settings import UNSET, Unset
from .errors import FixtureError, SettingError

__unittest = True

_T = TypeVar("_T")

#: The scopes of fixtures, from the narrowest to the widest.
SCOPES = ("test", "class", "module", "package", "session")
_OWNER = ("self", "cls")


class AsyncFixture(Generic[_T]):
    """What :func:`async_fixture` makes of a function: in a test, an attribute with its value.

    Attributes:
        function: What makes the value.
        scope: How long the value lives.
        autouse: Whether every test of a class gets it, or only what asks for it by name.
        timeout: The limit of its set-up and of its teardown, if it has one of its own.
        owner: The class in whose body it was written, if it was.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        scope: str = "test",
        autouse: bool = True,
        timeout: float | None | Unset = UNSET,
    ) -> None:
        self.function = function
        self.scope = scope
        self.autouse = autouse
        self.timeout = timeout
        self.name = getattr(function, "__name__", "fixture")
        self.owner: type | None = None
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.parameters, self.takes_owner = parameters_of(function)
        hidden = needed_by_position(function, self.takes_owner)
        if hidden is not None:
            raise FixtureError(
                f"{self.label} takes {hidden!r} by its position only, and fixtures are given by "
                "their names. Remove the '/' after it"
            )
        first = next(iter(inspect.signature(function).parameters), None)
        if self.takes_owner and first == "self" and scope != "test":
            raise FixtureError(
                f"{self.label}({first}) is made once for each {scope}, before there is a test to "
                "be 'self'. Call its first parameter 'cls', and it gets the class"
            )

    @property
    def label(self) -> str:
        """What a message calls it."""
        return str(getattr(self.function, "__qualname__", self.name)).rpartition("<locals>.")[2]

    @property
    def level(self) -> int:
        """How wide its scope is."""
        return SCOPES.index(self.scope)

    def __repr__(self) -> str:
        return f"<AsyncFixture {self.label} scope={self.scope!r}>"

    def __set_name__(self, owner: type, name: str) -> None:
        if issubclass(owner, unittest.TestCase) and not hasattr(owner, "_asynctesting_value_of"):
            raise FixtureError(
                f"{owner.__qualname__}.{name} would never be set up: fixtures are for classes that "
                f"derive from AsyncTestCase, and {owner.__qualname__} does not"
            )
        if self.owner is None and self.takes_owner:
            self.owner = owner
        self.name = name if self.owner is owner else self.name

    def __get__(self, instance: Any, owner: type | None = None) -> _T:
        find = getattr(owner, "_asynctesting_value_of", None)
        found = find(self) if find is not None else []
        if found:
            return found[0]  # type: ignore[no-any-return]
        if instance is None:
            return self  # type: ignore[return-value]
        raise _NoValueError(
            f"{self.label} has no value here: a fixture with scope={self.scope!r} is there from "
            "the set-up to the end of its scope"
            + ("" if self.autouse else ", for those that ask for it by name (autouse=False)")
        )


class _NoValueError(FixtureError, AttributeError):
    """What ``hasattr()`` understands, too."""


@overload
def async_fixture(
    function: Callable[..., AsyncIterator[_T]],
    /,
    *,
    scope: str = ...,
    autouse: bool = ...,
    timeout: float | None = ...,
) -> AsyncFixture[_T]: ...
@overload
def async_fixture(
    function: Callable[..., Awaitable[_T]],
    /,
    *,
    scope: str = ...,
    autouse: bool = ...,
    timeout: float | None = ...,
) -> AsyncFixture[_T]: ...
@overload
def async_fixture(
    function: Callable[..., AbstractAsyncContextManager[_T]],
    /,
    *,
    scope: str = ...,
    autouse: bool = ...,
    timeout: float | None = ...,
) -> AsyncFixture[_T]: ...
@overload
def async_fixture(
    function: Callable[..., Iterator[_T]],
    /,
    *,
    scope: str = ...,
    autouse: bool = ...,
    timeout: float | None = ...,
) -> AsyncFixture[_T]: ...
@overload
def async_fixture(
    function: Callable[..., _T],
    /,
    *,
    scope: str = ...,
    autouse: bool = ...,
    timeout: float | None = ...,
) -> AsyncFixture[_T]: ...
@overload
def async_fixture(
    *, scope: str = ..., autouse: bool = ..., timeout: float | None = ...
) -> _Decorator: ...
def async_fixture(
    function: Callable[..., Any] | None = None,
    /,
    *,
    scope: str = "test",
    autouse: bool = True,
    timeout: float | None | Unset = UNSET,
) -> Any:
    """Make a fixture of a function: its value is an attribute of the tests of a class.

    Write it in the body of a class, with ``self`` (scope ``"test"``) or ``cls`` (wider) as its
    first parameter; or outside of classes, and name it in each class that uses it:
    ``database = database``. Every other parameter is the name of another fixture, which is set up
    before and gives its value.

    Args:
        function: An async generator (what stands after the ``yield`` is the teardown), a coroutine
            function, something that returns an async context manager, or the synchronous twin of
            any of these.
        scope: How long the value lives: ``"test"``, ``"class"``, ``"module"``, ``"package"`` or
            ``"session"``.
        autouse: Whether every test of a class that has the fixture gets it. If not, it is set up
            for tests and fixtures that have its name as a parameter.
        timeout: The limit of its set-up, and again of its teardown, in real seconds; ``None`` for
            no limit. Left out, it is that of the class for scope ``"class"``, and 60 for wider
            ones. ``ASYNCTESTING_TIMEOUT`` goes before it. One of scope ``"test"`` has no limit of
            its own: it shares that of its test.

    Raises:
        SettingError: If *scope* is none of these, or *timeout* can't be meant.
        FixtureError: If the function can't be a fixture; when a class is made that uses it, also if
            fixtures ask for each other in a circle, for a name that no fixture has, or a wide one
            for a narrow one.

    Example:
        >>> from asynctesting import AsyncTestCase
        >>> class CounterTests(AsyncTestCase):
        ...     @async_fixture(scope="class")
        ...     async def counter(cls):
        ...         yield [0]
        ...     async def test_count(self):
        ...         self.counter[0] += 1
        >>> CounterTests.loop_scope
        'class'
    """
    if scope not in SCOPES:
        hint = ". pytest's 'function' is 'test' here" if scope == "function" else ""
        raise SettingError(
            f"async_fixture(scope=...) must be 'test', 'class', 'module', 'package' or 'session'; "
            f"got {scope!r}{hint}"
        )
    if not isinstance(timeout, Unset):
        timeout = _settings.check_timeout(timeout, "async_fixture(timeout=...)")
        if scope == "test":
            raise SettingError(
                "async_fixture(timeout=...) needs a wider scope: a fixture of scope 'test' shares "
                "the limit of its test. Use the class attribute timeout or @asynctesting.timeout"
            )
    if function is None:

        def decorate(function: Callable[..., Any]) -> AsyncFixture[Any]:
            _check_function(function)
            return AsyncFixture(function, scope, autouse, timeout)

        return decorate
    _check_function(function)
    return AsyncFixture(function, scope, autouse, timeout)


def _check_function(function: object) -> None:
    hint = ""
    if function in SCOPES:
        hint = f". Write async_fixture(scope={function!r})"
    elif isinstance(function, (classmethod, staticmethod)):
        hint = (
            f". Leave @{type(function).__name__} out: a fixture whose first parameter is 'cls' "
            "gets the class"
        )
    elif callable(function):
        return
    raise FixtureError(
        f"async_fixture() needs a function that makes the value; got {function!r}{hint}"
    )


class _Decorator:
    """The type of ``async_fixture(scope=...)``, for type checkers only."""

    @overload
    def __call__(self, function: Callable[..., AsyncIterator[_T]], /) -> AsyncFixture[_T]: ...
    @overload
    def __call__(self, function: Callable[..., Awaitable[_T]], /) -> AsyncFixture[_T]: ...
    @overload
    def __call__(
        self, function: Callable[..., AbstractAsyncContextManager[_T]], /
    ) -> AsyncFixture[_T]: ...
    @overload
    def __call__(self, function: Callable[..., Iterator[_T]], /) -> AsyncFixture[_T]: ...
    @overload
    def __call__(self, function: Callable[..., _T], /) -> AsyncFixture[_T]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        """Make the fixture."""


def needed_by_position(function: Callable[..., Any], takes_owner: bool) -> str | None:
    """Return the first parameter, after its owner, that must be given but has no name to a call."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # built in
        return None
    for parameter in parameters[takes_owner:]:
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
            return parameter.name
    return None


def parameters_of(function: Callable[..., Any]) -> tuple[tuple[tuple[str, bool], ...], bool]:
    """Return the parameters that may name fixtures, which are needed, and "takes its owner"."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # built in
        return (), False
    takes_owner = bool(parameters) and parameters[0].name in _OWNER
    found = []
    for parameter in parameters[takes_owner:]:
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            found.append((parameter.name, parameter.default is parameter.empty))
    return tuple(found), takes_owner
