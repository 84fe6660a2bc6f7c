"""What a class sets up, and in which order: settled once, when the class is made.

Fixtures are found by the names of parameters. A name that leads nowhere, in a circle or from a wide
fixture to a narrow one is an error that draws the path to it.
Invariant: two classes share a value of a wide scope only if everything that it was made from is the
same, too; so a node is equal to another if its whole tree is.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ._fixtures import AsyncFixture, parameters_of
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
        for parameter, needed in parameters_of(function)[0]:
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
