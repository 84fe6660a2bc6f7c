"""Async fixtures: what a class needs, who needs whom, and how one is made and put away.

A fixture is an attribute of test classes. It asks for others by the names of its parameters. All of
that is settled when the class is made: the plan of a class holds its fixtures in the order in which
they can be set up, and a mistake is an error that draws the path to it.

Invariants: a fixture is made and put away in the owner task of its scope; what was made is put away
in reverse, whatever happened in between; two classes share a value of a wide scope only if
everything that it was made from is the same, too.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
)
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

from ._report import Place
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
        owner: The class in whose body it was written, if it was.
    """

    def __init__(self, function: Callable[..., Any], scope: str, autouse: bool) -> None:
        self.function = function
        self.scope = scope
        self.autouse = autouse
        self.name = getattr(function, "__name__", "fixture")
        self.owner: type | None = None
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.parameters, self.takes_owner = _parameters_of(function)
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
    function: Callable[..., AsyncIterator[_T]], /, *, scope: str = ..., autouse: bool = ...
) -> AsyncFixture[_T]: ...
@overload
def async_fixture(
    function: Callable[..., Awaitable[_T]], /, *, scope: str = ..., autouse: bool = ...
) -> AsyncFixture[_T]: ...
@overload
def async_fixture(
    function: Callable[..., AbstractAsyncContextManager[_T]],
    /,
    *,
    scope: str = ...,
    autouse: bool = ...,
) -> AsyncFixture[_T]: ...
@overload
def async_fixture(
    function: Callable[..., Iterator[_T]], /, *, scope: str = ..., autouse: bool = ...
) -> AsyncFixture[_T]: ...
@overload
def async_fixture(
    function: Callable[..., _T], /, *, scope: str = ..., autouse: bool = ...
) -> AsyncFixture[_T]: ...
@overload
def async_fixture(*, scope: str = ..., autouse: bool = ...) -> _Decorator: ...
def async_fixture(
    function: Callable[..., Any] | None = None, /, *, scope: str = "test", autouse: bool = True
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

    Raises:
        SettingError: If *scope* is none of these.
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
        raise SettingError(
            f"async_fixture(scope=...) must be 'test', 'class', 'module', 'package' or 'session'; "
            f"got {scope!r}"
        )
    if function is None:
        return lambda function: AsyncFixture(function, scope, autouse)
    if not callable(function):
        raise FixtureError(
            f"async_fixture() needs a function that makes the value; got {function!r}"
        )
    return AsyncFixture(function, scope, autouse)


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


def _parameters_of(function: Callable[..., Any]) -> tuple[tuple[tuple[str, bool], ...], bool]:
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


# The plan --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """A fixture, and the fixtures that it gets; equal nodes of one scope share their value."""

    fixture: AsyncFixture[Any]
    # What a class calls it is the class's own business.
    name: str = field(compare=False)
    needs: tuple[tuple[str, Node], ...]

    @property
    def level(self) -> int:
        """How wide it is."""
        return self.fixture.level


@dataclass(frozen=True)
class FixturePlan:
    """What a class sets up: the wide fixtures, each test's own, and what single tests ask for."""

    wide: tuple[Node, ...]
    narrow: tuple[Node, ...]
    asked: dict[str, tuple[tuple[str, Node], ...]]
    # Which node a fixture is in this class: what it gets may differ from what it gets in another.
    nodes: dict[AsyncFixture[Any], Node]

    def widest(self) -> Node | None:
        """Return a node of the widest scope, wherever it is needed."""
        nodes = [*self.wide, *self.narrow]
        nodes += [node for asked in self.asked.values() for _, node in asked]
        queue, seen = nodes, []
        while queue:
            node = queue.pop()
            seen.append(node)
            queue += [needed for _, needed in node.needs]
        return max(seen, key=lambda node: node.level, default=None)


def plan_of(cls: type) -> FixturePlan | None:
    """Work out the fixtures of a class, or return ``None`` if it has none.

    Raises:
        FixtureError: If they can't be set up in any order.
    """
    if not any(
        isinstance(attribute, AsyncFixture)
        for base in cls.__mro__
        if not base.__module__.startswith(("unittest.", "asynctesting.")) and base is not object
        for attribute in vars(base).values()
    ):
        return None  # as most classes, which need not pay for more than this look
    names = [name for name in _names(cls) if isinstance(_static(cls, name), AsyncFixture)]
    make = _Planner(cls)
    wide: list[Node] = []
    narrow: list[Node] = []
    for name in names:
        fixture = _static(cls, name)
        node = make.node(name, fixture, ())
        if fixture.autouse:
            (narrow if node.level == 0 else wide).append(node)
    wide.sort(key=lambda node: -node.level)
    asked = {}
    for name in _names(cls):
        function = _static(cls, name)
        if name.startswith("test") and inspect.isfunction(function):
            nodes = make.asked_by(name, function)
            if nodes:
                asked[name] = nodes
    return FixturePlan(tuple(wide), tuple(narrow), asked, make.nodes)


def _names(cls: type) -> list[str]:
    """Return the attributes of *cls*, those of its bases first, each class in written order."""
    return list(dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base)))


def _static(cls: type, name: str, after: type | None = None) -> Any:
    bases = list(cls.__mro__)
    if after is not None:
        bases = bases[bases.index(after) + 1 :]
    return next((vars(base)[name] for base in bases if name in vars(base)), None)


class _Planner:
    """Follows the names of parameters, and says where a path goes wrong."""

    def __init__(self, cls: type) -> None:
        self._cls = cls
        self.nodes: dict[AsyncFixture[Any], Node] = {}

    def node(self, name: str, fixture: AsyncFixture[Any], path: tuple[Any, ...]) -> Node:
        if any(fixture is other for other, _ in path):
            self._refuse("fixtures ask for each other in a circle", (*path, (fixture, name)))
        known = self.nodes.get(fixture)
        if known is not None:
            return known
        path = (*path, (fixture, name))
        needs = []
        for parameter, needed in fixture.parameters:
            other = self._look_up(parameter, fixture)
            if other is None:
                if not needed:
                    continue
                self._refuse_unknown(parameter, path)
            if other.level < fixture.level:
                self._refuse(
                    f"a fixture of scope {fixture.scope!r} outlives the one of scope "
                    f"{other.scope!r} that it asks for",
                    (*path, (other, parameter)),
                )
            needs.append((parameter, self.node(parameter, other, path)))
        self.nodes[fixture] = node = Node(fixture, name, tuple(needs))
        return node

    def asked_by(self, test: str, function: Callable[..., Any]) -> tuple[tuple[str, Node], ...]:
        found = []
        for parameter, needed in _parameters_of(function)[0]:
            fixture = _static(self._cls, parameter)
            if isinstance(fixture, AsyncFixture):
                found.append((parameter, self.node(parameter, fixture, ())))
            elif needed and not _is_wrapped(function):
                raise FixtureError(
                    f"{self._cls.__qualname__}.{test} asks for {parameter!r}, and the class has no "
                    f"fixture of that name{self._suggest(parameter)}"
                )
        return tuple(found)

    def _look_up(self, name: str, asking: AsyncFixture[Any]) -> Any:
        found = _static(self._cls, name)
        if found is asking and asking.owner in self._cls.__mro__:
            # One that asks for its own name gets the one that it overrides.
            found = _static(self._cls, name, after=asking.owner)
        if not isinstance(found, AsyncFixture):
            # One that a helper module shares need not be named in the class along with its friends.
            found = getattr(asking.function, "__globals__", {}).get(name)
        return found if isinstance(found, AsyncFixture) else None

    def _refuse_unknown(self, name: str, path: tuple[Any, ...]) -> None:
        raise FixtureError(
            f"{self._cls.__qualname__}: no fixture is called {name!r}{self._suggest(name)}\n\n"
            f"{self._draw(path)}\n{'  ' * (len(path) + 1)}-> {name}: not there"
        )

    def _suggest(self, name: str) -> str:
        names = [n for n in _names(self._cls) if isinstance(_static(self._cls, n), AsyncFixture)]
        close = difflib.get_close_matches(name, names, 1)
        return f". Did you mean {close[0]!r}?" if close else ""

    def _refuse(self, what: str, path: tuple[Any, ...]) -> None:
        raise FixtureError(f"{self._cls.__qualname__}: {what}\n\n{self._draw(path)}")

    def _draw(self, path: tuple[Any, ...]) -> str:
        lines = []
        for depth, (fixture, name) in enumerate(path):
            arrow = "-> " if depth else ""
            lines.append(
                f"{'  ' * (depth + 1)}{arrow}{name} (scope {fixture.scope!r}, {_where(fixture)})"
            )
        return "\n".join(lines)


def _is_wrapped(function: Callable[..., Any]) -> bool:
    # mock.patch() and its kin pass arguments of their own to what they wrap.
    return hasattr(function, "__wrapped__") and "__signature__" not in vars(function)


def _where(fixture: AsyncFixture[Any]) -> str:
    code = getattr(inspect.unwrap(fixture.function), "__code__", None)
    if code is None:
        return fixture.label
    return str(Place(code.co_filename, code.co_firstlineno, fixture.label)).partition("   ")[0]


# One that lives --------------------------------------------------------------------------------


class Living:
    """One value of a fixture: made by :meth:`start`, put away by :meth:`leave`."""

    _generator: AsyncGenerator[Any, Any] | Generator[Any, Any, Any] | None = None
    _manager: Any = None
    #: Whether it is awaited, both ways.
    is_async = False

    def __init__(self, fixture: AsyncFixture[Any], owner: object, values: dict[str, Any]) -> None:
        self.fixture = fixture
        self._owner = owner
        self._values = values

    def __repr__(self) -> str:
        return f"<Living {self.fixture.label}>"

    def start(self) -> Any:
        """Make the value, or return something that is to be awaited for it."""
        fixture = self.fixture
        owner = (self._owner,) if fixture.takes_owner else ()
        made = fixture.function(*owner, **self._values)
        # What it was made from is another one's business now.
        self._owner, self._values = None, {}
        self.is_async = inspect.isasyncgen(made) or inspect.iscoroutine(made)
        if inspect.isasyncgen(made):
            self._generator = made
            return self._first_of(made)
        if inspect.isgenerator(made):
            self._generator = made
            return self._next_of(made)
        if inspect.iscoroutine(made):
            return made
        if _is_async_manager(made):
            self._manager, self.is_async = made, True
            return type(made).__aenter__(made)
        if isinstance(made, contextlib._GeneratorContextManager):
            self._manager = made
            return made.__enter__()
        return made

    @property
    def must_be_left(self) -> bool:
        """Whether there is anything to put away."""
        return self._generator is not None or self._manager is not None

    async def _first_of(self, generator: AsyncGenerator[Any, Any]) -> Any:
        try:
            return await anext(generator)
        except StopAsyncIteration:
            raise self._yields_never() from None

    def _next_of(self, generator: Generator[Any, Any, Any]) -> Any:
        try:
            return next(generator)
        except StopIteration:
            raise self._yields_never() from None

    def _yields_never(self) -> FixtureError:
        return FixtureError(
            f"{self.fixture.label} ended without a yield, so there is no value. Yield it once: "
            "what stands before is the set-up, what stands after is the teardown"
        )

    def leave(self, kind: Any = None, error: Any = None, traceback: Any = None) -> Any:
        """Put the value away, or return something that is to be awaited for it.

        Args:
            kind: With *error* and *traceback*, what has cancelled the scope; as for ``__exit__``.
            error: See *kind*.
            traceback: See *kind*.
        """
        generator, self._generator = self._generator, None
        manager, self._manager = self._manager, None
        if inspect.isasyncgen(generator):
            return self._last_of(generator, error)
        if generator is not None:
            return self._end(generator, error)
        if isinstance(manager, contextlib._GeneratorContextManager):
            return manager.__exit__(kind, error, traceback)
        if manager is not None:
            return type(manager).__aexit__(manager, kind, error, traceback)
        return None

    async def _last_of(self, generator: Any, error: BaseException | None) -> None:
        try:
            await (anext(generator) if error is None else generator.athrow(error))
        except StopAsyncIteration:
            return
        except BaseException as raised:
            if raised is not error:
                raise
            return
        second = generator.ag_frame.f_lineno
        await generator.aclose()
        raise self._yields_twice(generator.ag_code, second)

    def _end(self, generator: Any, error: BaseException | None) -> None:
        try:
            if error is None:
                next(generator)
            else:
                generator.throw(error)
        except StopIteration:
            return
        except BaseException as raised:
            if raised is not error:
                raise
            return
        second = generator.gi_frame.f_lineno
        generator.close()
        raise self._yields_twice(generator.gi_code, second)

    def _yields_twice(self, code: Any, line: int) -> FixtureError:
        return FixtureError(
            f"{self.fixture.label} yields twice; the second time at\n\n"
            f"  {Place(code.co_filename, line, code.co_qualname)}\n\n"
            "A fixture has one value: what stands after the first yield is its teardown, and ran "
            "only as far as this line"
        )


def _is_async_manager(made: Any) -> bool:
    if not (hasattr(type(made), "__aenter__") and hasattr(type(made), "__aexit__")):
        return False
    mocks = sys.modules.get("unittest.mock")
    return mocks is None or not isinstance(made, mocks.NonCallableMock)
