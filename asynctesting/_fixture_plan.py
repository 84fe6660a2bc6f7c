"""What a class sets up, and in which order: settled once, when the class is made.

Fixtures are found by the names of parameters. A name that leads nowhere, in a circle or from a wide
fixture to a narrow one is an error that draws the path to it.
Invariant: two classes share a value of a wide scope only if everything that it was made from is the
same, too; so a node is equal to another if its whole tree is.
"""

from __future__ import annotations

import difflib
import inspect
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._fixtures import AsyncFixture, needed_by_position, parameters_of
from ._report import Place
from .errors import FixtureError

__unittest = True


#: What :func:`~asynctesting.parametrize` puts on a class that it makes: the names of the values.
VALUES = "_asynctesting_parameters"


@dataclass(frozen=True)
class Node:
    """A fixture, and the fixtures that it gets; equal nodes of one scope share their value."""

    fixture: AsyncFixture[Any]
    #: The class that it gets as ``cls``, where that is not the one that happens to be set up.
    owner: type | None
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

    def draw_path_to(self, wanted: Node) -> str:
        """Draw the way from what is set up by itself, or from a test, to a fixture."""
        roots: list[tuple[tuple[str, ...], Node]] = [((), n) for n in (*self.wide, *self.narrow)]
        roots += [((test,), node) for test, asked in self.asked.items() for _, node in asked]
        for names, node in roots:
            path = _path_between(node, wanted)
            if path:
                return _draw((*names, *((found.fixture, found.name) for found in path)))
        return _draw([(wanted.fixture, wanted.name)])

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
        isinstance(attribute, AsyncFixture) or _is_hidden(attribute)
        for base in cls.__mro__
        if not _is_library(base)
        for attribute in vars(base).values()
    ):
        return None  # as most classes, which need not pay for more than this look
    names = [name for name in _names(cls) if isinstance(_static(cls, name), AsyncFixture)]
    _check_names(cls, names)
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


def _owner_of(fixture: AsyncFixture[Any], cls: type) -> type | None:
    """Return the class that a fixture gets which is wider than a class."""
    if fixture.owner is None or fixture.level < 2:
        return None
    # One that is parametrized has its values, and so other fixtures than its twins.
    generated = (base for base in cls.__mro__ if VALUES in vars(base))
    return next((base for base in generated if issubclass(base, fixture.owner)), fixture.owner)


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
                if parameter == fixture.name:
                    self._refuse("a fixture asks for itself, and overrides none", (*path, path[-1]))
                self._refuse_unknown(parameter, path)
            if other.level < fixture.level:
                self._refuse(
                    f"a fixture of scope {fixture.scope!r} outlives the one of scope "
                    f"{other.scope!r} that it asks for",
                    (*path, (other, parameter)),
                )
            needs.append((parameter, self.node(parameter, other, path)))
        owner = _owner_of(fixture, self._cls)
        self.nodes[fixture] = node = Node(fixture, owner, name, tuple(needs))
        return node

    def asked_by(self, test: str, function: Callable[..., Any]) -> tuple[tuple[str, Node], ...]:
        found = []
        parameters, takes_owner = parameters_of(function)
        hidden = needed_by_position(function, takes_owner)
        if hidden is not None and not _is_wrapped(function):
            raise FixtureError(
                f"{self._cls.__qualname__}.{test} takes {hidden!r} by its position only, and "
                "fixtures are given by their names. Remove the '/' after it"
            )
        for parameter, needed in parameters:
            fixture = _static(self._cls, parameter)
            if isinstance(fixture, AsyncFixture):
                found.append((parameter, self.node(parameter, fixture, ())))
            elif needed and not _is_wrapped(function):
                raise missing(self._cls, test, parameter)
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
            f"{self._cls.__qualname__}: no fixture is called {name!r}"
            f"{_suggest(self._cls, name, path[-1][0])}\n\n"
            f"{_draw(path)}\n{'  ' * (len(path) + 1)}-> {name}: not there"
        )

    def _refuse(self, what: str, path: tuple[Any, ...]) -> None:
        raise FixtureError(f"{self._cls.__qualname__}: {what}\n\n{_draw(path)}")


# What can be wrong -----------------------------------------------------------------------------


def missing(cls: type, test: str, parameter: str) -> FixtureError:
    """Return the error of a test that asks for a fixture that its class has not."""
    return FixtureError(
        f"{cls.__qualname__}.{test} asks for {parameter!r}, and the class has no fixture of that "
        f"name{_suggest(cls, parameter)}"
    )


def missing_in_call(error: TypeError, cls: type, test: Any) -> FixtureError | None:
    """Return what *error* means if *test* could not be called for want of a fixture."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    if "__unittest" in frame.f_globals:  # it has not come as far as the test
        for name, needed in parameters_of(test)[0]:
            if needed:
                return missing(cls, test.__name__, name)
    return None


def _suggest(cls: type, name: str, asking: AsyncFixture[Any] | None = None) -> str:
    if inspect.isfunction(_static(cls, name)):
        return f". There is {cls.__qualname__}.{name}(): write @async_fixture above it"
    names = [n for n in _names(cls) if isinstance(_static(cls, n), AsyncFixture)]
    close = difflib.get_close_matches(name, names, 1)
    if close:
        return f". Did you mean {close[0]!r}?"
    if asking is not None and not asking.takes_owner and asking.parameters[0][0] == name:
        return ". A first parameter that is to be the test or the class is called 'self' or 'cls'"
    return ""


def _is_library(base: type) -> bool:
    return base is object or base.__module__.startswith(("unittest.", "asynctesting."))


def _is_hidden(attribute: object) -> bool:
    return isinstance(attribute, (classmethod, staticmethod)) and isinstance(
        attribute.__func__, AsyncFixture
    )


def _check_names(cls: type, names: list[str]) -> None:
    """Refuse fixtures that would never run, or in whose place something else is expected."""
    for name in _names(cls):
        attribute = _static(cls, name)
        if _is_hidden(attribute):
            raise FixtureError(
                f"{cls.__qualname__}.{name} would never run: @{type(attribute).__name__} stands "
                f"above @async_fixture. Leave it out: a fixture whose first parameter is 'cls' "
                "gets the class"
            )
    for name in names:
        if name.startswith("test"):
            raise FixtureError(
                f"{cls.__qualname__}.{name} is a fixture with the name of a test, which would "
                "never run as one. Call it something else, or remove @async_fixture"
            )
        taken = next((b for b in cls.__mro__ if _is_library(b) and name in vars(b)), None)
        if taken is not None:
            raise FixtureError(
                f"{cls.__qualname__}.{name} is a fixture in the place of {taken.__qualname__}."
                f"{name}, which unittest or this package needs. Call it something else; a hook is "
                "written without @async_fixture"
            )


def _path_between(node: Node, wanted: Node) -> tuple[Node, ...]:
    if node == wanted:
        return (node,)
    for _, needed in node.needs:
        path = _path_between(needed, wanted)
        if path:
            return (node, *path)
    return ()


def _draw(path: Sequence[Any]) -> str:
    """Draw a path of fixtures, each with its name; a bare name may be where it begins."""
    lines = []
    for depth, step in enumerate(path):
        arrow = "-> " if depth else ""
        text = step
        if not isinstance(step, str):
            fixture, name = step
            text = f"{name} (scope {fixture.scope!r}, {_where(fixture)})"
        lines.append(f"{'  ' * (depth + 1)}{arrow}{text}")
    return "\n".join(lines)


def _is_wrapped(function: Callable[..., Any]) -> bool:
    # mock.patch() and its kin pass arguments of their own to what they wrap.
    return hasattr(function, "__wrapped__") and "__signature__" not in vars(function)


def _where(fixture: AsyncFixture[Any]) -> str:
    code = getattr(inspect.unwrap(fixture.function), "__code__", None)
    if code is None:
        return fixture.label
    return str(Place(code.co_filename, code.co_firstlineno, fixture.label)).partition("   ")[0]
