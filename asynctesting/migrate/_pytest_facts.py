"""What pytest knows about the tests and fixtures of a file, read from its text.

A test can leave pytest when everything that pytest does for it can be written down: no mark but
the plain ones, no argument but fixtures of the same file with the scope of a test.
"""

from __future__ import annotations

import ast
import re
import unittest
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from ._facts import kind_of
from ._model import Kind
from ._names import FunctionNode, dotted, walk_own
from ._survey import OUR_SETTINGS, View

ASYNCIO = "pytest.mark.asyncio"
PARAMETRIZE = "pytest.mark.parametrize"
SKIPS = {"pytest.mark.skip": "skip", "pytest.mark.skipif": "skipIf"}
#: Scopes of pytest that have an equivalent, from narrow to wide.
SCOPES = ("function", "class", "module", "package", "session")
FIXTURES = frozenset({"pytest.fixture", "pytest_asyncio.fixture"})
# What works in a test of pytest's own alone, or ends a run of unittest.
_PYTEST_ONLY = frozenset(
    {"pytest.skip", "pytest.xfail", "pytest.importorskip", "pytest.exit", "pytest.param"}
)
SET_UP = re.compile(r"(setup|teardown)(_(method|class|function))?$")
MODULE_SET_UP = re.compile(r"(setup|teardown)(_(module|function))?$")
_TAKEN = frozenset(dir(unittest.IsolatedAsyncioTestCase))


@dataclass(slots=True)
class Fixture:
    """A fixture of a file: its function, what it asks for, and why it can't be rewritten."""

    node: FunctionNode
    needs: tuple[str, ...]
    kind: Kind
    trouble: str = ""
    scope: str = "function"

    @property
    def name(self) -> str:
        """The name by which tests ask for it."""
        return self.node.name


@dataclass(slots=True)
class Test:
    """A test function or method: what it asks for, and why it can't be rewritten."""

    node: FunctionNode
    needs: tuple[str, ...]
    is_async: bool
    is_marked: bool
    parameters: tuple[str, ...] = ()
    loop_scope: str = "function"
    trouble: tuple[ast.AST, str, str] | None = None


@dataclass(slots=True)
class File:
    """All of it."""

    fixtures: dict[str, Fixture] = field(default_factory=dict)
    tests: dict[str, Test] = field(default_factory=dict)
    mark: ast.Assign | None = None
    mark_scope: str = "function"
    trouble: tuple[ast.AST, str, str] | None = None


class PytestReader:
    """Reads the tests and fixtures of one file."""

    def __init__(self, view: View) -> None:
        self.view = view

    def meaning(self, node: ast.AST) -> str:
        """Return the full name of *node*, or of the function that it calls."""
        written = dotted(node.func if isinstance(node, ast.Call) else node)
        return self.view.names.resolve(written) if written else ""

    def read(self) -> File:
        """Read the file."""
        found = File()
        for statement in self.view.tree.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if self._is_fixture(statement):
                    fixture = self._fixture(statement)
                    found.fixtures[fixture.name] = fixture
                elif MODULE_SET_UP.match(statement.name):
                    text = f"pytest calls {statement.name} for functions, not for cases"
                    found.trouble = statement, "set-up", text
            elif isinstance(statement, ast.Assign) and dotted(statement.targets[0]) == "pytestmark":
                self._read_mark(statement, found)
        for statement in self.view.tree.body:
            if _is_test(statement) and not self._is_fixture(statement):
                test = self._test(statement, found, method=False)
                if statement.name in found.tests:
                    test.trouble = statement, "names", "another test has the same name"
                found.tests[statement.name] = test
        for node in ast.walk(self.view.tree):
            if isinstance(node, ast.Name) and node.id in found.tests:
                test = found.tests[node.id]
                test.trouble = test.node, "names", "it is used by its name, as a function"
        self._settle(found)
        return found

    def _is_fixture(self, node: FunctionNode) -> bool:
        return any(self.meaning(item) in FIXTURES for item in node.decorator_list)

    def _read_mark(self, statement: ast.Assign, found: File) -> None:
        scope = mark_scope(statement.value)
        if self.meaning(statement.value) == ASYNCIO and scope:
            found.mark = statement
            found.mark_scope = scope
        else:
            text = "pytestmark holds more than a plain asyncio mark, which unittest would pass over"
            found.trouble = statement, "marks", text

    # Fixtures ------------------------------------------------------------------------------

    def _fixture(self, node: FunctionNode) -> Fixture:
        kind = kind_of(node)
        needs = tuple(argument.arg for argument in node.args.args)
        fixture = Fixture(node, needs, kind, self._fixture_trouble(node, kind))
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call):
                fixture.scope = str(constants_of(decorator).get("scope", "function"))
        return fixture

    def _fixture_trouble(self, node: FunctionNode, kind: Kind) -> str:
        if len(node.decorator_list) != 1:
            return "it has other decorators"
        decorator = node.decorator_list[0]
        if isinstance(decorator, ast.Call):
            constants = constants_of(decorator)
            if "scope" in constants and taken_names({node.name}):
                return f"{node.name!r} means something on a TestCase"
            scope = constants.get("scope", "function")
            for keyword in decorator.keywords:
                value = constants.get(keyword.arg or "")
                # The defaults may be written out; on a loop of another scope it is another fixture.
                if (keyword.arg, value) == ("autouse", False) or (
                    (keyword.arg == "scope" and value in SCOPES)
                    or (keyword.arg == "loop_scope" and value == scope)
                ):
                    continue
                return f"it has {keyword.arg}="
            if decorator.args:
                return "it has arguments"
        if node.args.kwonlyargs or node.args.vararg or node.args.kwarg or node.args.defaults:
            return "its parameters are not plain"
        yields = [item for item in walk_own(node) if isinstance(item, ast.Yield)]
        if kind in (Kind.GENERATOR, Kind.ASYNC_GENERATOR) and len(yields) != 1:
            return "it yields in more than one place"
        return ""

    # Tests ---------------------------------------------------------------------------------

    def _test(self, node: FunctionNode, found: File, *, method: bool) -> Test:
        arguments = [argument.arg for argument in node.args.args]
        needs = tuple(arguments[1:] if method else arguments)
        is_async = isinstance(node, ast.AsyncFunctionDef)
        test = Test(node, needs, is_async, is_async and found.mark is not None)
        test.loop_scope = found.mark_scope
        for decorator in node.decorator_list:
            self._read_decorator(decorator, test)
        test.needs = tuple(name for name in needs if name not in test.parameters)
        if test.trouble is None:
            test.trouble = self._body_trouble(test, found, method=method)
        return test

    def _read_decorator(self, decorator: ast.expr, test: Test) -> None:
        name = self.meaning(decorator)
        call = decorator if isinstance(decorator, ast.Call) else None
        if name == ASYNCIO:
            test.is_marked = True
            test.loop_scope = mark_scope(decorator)
            if not test.loop_scope:
                test.trouble = decorator, "loop-scope", "what its mark says is not plain"
        elif name == PARAMETRIZE and call is not None:
            names = parameter_names(call)
            if not names:
                text = "its parameters have ids, marks or are passed on to fixtures"
                test.trouble = decorator, "parametrize", text
            test.parameters += names
        elif name in SKIPS:
            if not _is_plain_skip(call, name):
                test.trouble = (
                    decorator,
                    "marks",
                    f"what {ast.unparse(decorator)} says is not plain",
                )
        else:
            text = f"its decorator {ast.unparse(decorator)} has no equivalent that is known"
            test.trouble = decorator, "marks", text

    def _body_trouble(
        self, test: Test, found: File, *, method: bool
    ) -> tuple[ast.AST, str, str] | None:
        node = test.node
        arguments = node.args
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults:
            return node, "fixtures", "its parameters are not plain"
        if method and (not arguments.args or arguments.args[0].arg != "self"):
            return node, "fixtures", "it is no plain method"
        if not method and any(
            isinstance(inner, ast.Name) and inner.id == "self" for inner in ast.walk(node)
        ):
            return node, "names", "it has a variable 'self'"
        if not method and any(map(_is_mangled, ast.walk(node))):
            return node, "names", "a name in it that begins with '__' would be another in a class"
        if kind_of(node) in (Kind.GENERATOR, Kind.ASYNC_GENERATOR):
            return node, "marks", "it is a generator"
        for need in test.needs:
            why = self._need_trouble(need, found, ())
            if why:
                return node, "fixtures", f"it asks for {need}, {why}"
        for inner in ast.walk(node):
            if isinstance(inner, (ast.Name, ast.Attribute)) and (
                self.meaning(inner) in _PYTEST_ONLY
            ):
                return inner, "pytest-only", f"{self.meaning(inner)} works under pytest only"
        if test.is_async and not test.is_marked:
            return node, "marks", "it has no asyncio mark, so who runs it can't be seen"
        return None

    def _need_trouble(self, need: str, found: File, path: Sequence[str]) -> str:
        fixture = found.fixtures.get(need)
        if fixture is None:
            return "which is no fixture of this file"
        if need in path:
            return "which asks for itself"
        if fixture.trouble:
            return f"a fixture that can't be rewritten: {fixture.trouble}"
        for other in fixture.needs:
            why = self._need_trouble(other, found, (*path, need))
            if why:
                return f"whose fixture {other} {why.removeprefix('which ')}"
        return ""

    def methods(self, node: ast.ClassDef, found: File) -> Iterator[Test]:
        """Yield the tests of a class."""
        for item in node.body:
            if _is_test(item):
                yield self._test(item, found, method=True)

    # Who may go ----------------------------------------------------------------------------

    def _settle(self, found: File) -> None:
        """Have a fixture stay that somebody else needs, and all who ask for it."""
        users: dict[str, set[str]] = {name: set() for name in found.fixtures}
        for qualname, node in _functions(self.view.tree):
            for argument in (*node.args.args, *node.args.kwonlyargs):
                if argument.arg in users:
                    users[argument.arg].add(qualname)
        changed = True
        while changed:
            changed = False
            for name, fixture in found.fixtures.items():
                if fixture.trouble:
                    continue
                for user in users[name]:
                    test = found.tests.get(user)
                    other = found.fixtures.get(user)
                    stays = (test is None and other is None) or (
                        (test is not None and (test.trouble is not None or not test.is_async))
                        or (other is not None and bool(other.trouble))
                    )
                    if stays:
                        fixture.trouble = f"{user} needs it, and stays"
                        changed = True
                        break
            for test in found.tests.values():
                if test.trouble is None:
                    for need in test.needs:
                        why = self._need_trouble(need, found, ())
                        if why:
                            test.trouble = test.node, "fixtures", f"it asks for {need}, {why}"
                            changed = True
                            break


def _is_test(node: ast.AST) -> TypeGuard[FunctionNode]:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    return node.name.startswith("test")


def _is_mangled(node: ast.AST) -> bool:
    """Tell whether a class would change the name that a node has."""
    name = getattr(node, "attr", getattr(node, "id", ""))
    return isinstance(name, str) and name.startswith("__") and not name.endswith("__")


def _functions(tree: ast.Module) -> Iterator[tuple[str, FunctionNode]]:
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield statement.name, statement
        elif isinstance(statement, ast.ClassDef):
            for item in statement.body:
                if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield f"{statement.name}.{item.name}", item


def parameter_names(call: ast.Call) -> tuple[str, ...]:
    """Return the names that ``parametrize`` gives values to; empty if that is not plain."""
    if len(call.args) != 2 or call.keywords:
        return ()
    names, values = call.args
    if any(
        isinstance(node, ast.Call) and dotted(node.func).endswith("param")
        for node in ast.walk(values)
    ):
        return ()
    if isinstance(names, ast.Constant) and isinstance(names.value, str):
        return tuple(name.strip() for name in names.value.split(",") if name.strip())
    if isinstance(names, (ast.List, ast.Tuple)) and len(names.elts) > 1:
        parts = [item.value for item in names.elts if isinstance(item, ast.Constant)]
        return tuple(map(str, parts)) if len(parts) == len(names.elts) else ()
    return ()


def constants_of(call: ast.Call) -> dict[str, object]:
    """Return the keyword arguments whose values are written out."""
    return {
        keyword.arg: keyword.value.value for keyword in call.keywords
        if keyword.arg and isinstance(keyword.value, ast.Constant)
    }  # fmt: skip


def mark_scope(mark: ast.expr) -> str:
    """Return the scope of the loop that an asyncio mark names; ``""`` if it says anything else."""
    if not isinstance(mark, ast.Call):
        return "function"
    constants = constants_of(mark)
    if mark.args or len(mark.keywords) > 1 or constants.keys() - {"loop_scope", "scope"}:
        return ""
    scope = str(next(iter(constants.values()), "" if mark.keywords else "function"))
    return scope if scope in SCOPES else ""


def _is_plain_skip(call: ast.Call | None, name: str) -> bool:
    if call is None:
        return False
    reasons = [item for item in call.keywords if item.arg == "reason"]
    if len(reasons) != len(call.keywords) or len(reasons) > 1:
        return False
    if name == "pytest.mark.skip":
        return len(call.args) + len(reasons) == 1
    condition = call.args[0] if len(call.args) == 1 else None
    # A string is evaluated by pytest, in a place of its own.
    is_text = isinstance(condition, ast.Constant) and isinstance(condition.value, str)
    return condition is not None and len(reasons) == 1 and not is_text


def taken_names(names: set[str]) -> list[str]:
    """Return those of *names* that mean something on a TestCase."""
    return sorted(names & (_TAKEN | OUR_SETTINGS | {"loop", "clock"}) - set(dir(object)))
