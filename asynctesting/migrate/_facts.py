"""What is to be known about one file before anything is decided about it."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ._model import ClassFacts, Kind, Method, ModuleFacts
from ._names import (
    FunctionNode,
    Names,
    classes_in,
    dotted,
    functions_in,
    import_origin,
    read_names,
    walk_own,
)
from ._tools import is_loop_expression, is_runner, is_test_decorator

HOOKS = frozenset(
    {"setUp", "tearDown", "asyncSetUp", "asyncTearDown", "setUpClass", "tearDownClass"}
    | {"get_event_loop", "get_new_ioloop", "get_app", "get_application"}
    | {"setUpAsync", "tearDownAsync", "run"}
)

# What pytest-asyncio asks for the loop of every test.
_LOOP_HOOKS = frozenset({"event_loop", "event_loop_policy", "pytest_asyncio_loop_factories"})


def module_name(path: str) -> str:
    """Return the dotted name by which the file at *path* is most likely imported."""
    file = Path(os.path.abspath(path))
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").exists() and folder != folder.parent:
        parts.append(folder.name)
        folder = folder.parent
    return ".".join(reversed(parts)) or file.parent.name


def package_of(path: str, name: str) -> str:
    """Return the package in which relative imports of that file start."""
    return name if Path(path).stem == "__init__" else name.rpartition(".")[0]


def kind_of(node: FunctionNode) -> Kind:
    """Tell what a call of the function gives."""
    yields = any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in walk_own(node))
    if isinstance(node, ast.AsyncFunctionDef):
        return Kind.ASYNC_GENERATOR if yields else Kind.ASYNC
    return Kind.GENERATOR if yields else Kind.SYNC


def read_module(path: str, text: str) -> ModuleFacts:
    """Read one file for its facts.

    Raises:
        SyntaxError: If it is no Python that this interpreter can read.
        ValueError: If it has a null byte in it.
    """
    tree = ast.parse(text)
    name = module_name(path)
    names = read_names(tree, package_of(path, name))
    imports = dict(names.imports)
    nodes = list(ast.walk(tree))
    functions = {}
    runners, decorators, loopers = set(), set(), set()
    for qualname, function in functions_in(tree):
        if "." in qualname:
            continue
        functions[qualname] = _read_method(function, names, ())
        if is_runner(function, names):
            runners.add(qualname)
        elif is_test_decorator(function, names):
            decorators.add(qualname)
        elif _runs_a_loop(function, names) and not qualname.startswith("test"):
            loopers.add(qualname)
    classes = {}
    for qualname, node in classes_in(tree):
        classes[qualname] = _read_class(path, qualname, node, names)
    return ModuleFacts(
        path, name, imports, classes, functions, frozenset(runners), frozenset(decorators),
        text.count("\n") + 1, pytest_wide=_pytest_wide(tree, nodes),
        loopers=frozenset(loopers),
        torn=frozenset(full for fulls in names.torn.values() for full in fulls.split(" or ")),
        stars=frozenset(_stars(nodes, package_of(path, name))),
        tests_used=frozenset(_tests_used(nodes)),
        awaited=_waits_for_a_mock(nodes),
        context_vars=frozenset(_context_vars(tree, names)),
    )  # fmt: skip


def _stars(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    """Yield the modules from which a file imports everything."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield import_origin(node, package)


def _tests_used(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield names of methods of tests that are looked up on anything: ``self.test_it()``."""
    for node in nodes:
        if (
            isinstance(node, ast.Attribute)
            and node.attr.startswith("test")
            and isinstance(node.ctx, ast.Load)
        ):
            yield node.attr


def _waits_for_a_mock(nodes: Iterable[ast.AST]) -> bool:
    """Tell whether ``mock.awaited.wait()`` or its like is in a file that sets no such attribute."""
    uses = [
        node for node in nodes
        if isinstance(node, ast.Attribute) and node.attr == "awaited"
    ]  # fmt: skip
    return bool(uses) and all(isinstance(node.ctx, ast.Load) for node in uses)


def _context_vars(tree: ast.Module, names: Names) -> Iterator[str]:
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)):
            continue
        if isinstance(node.value, ast.Call) and (
            names.resolve(dotted(node.value.func)) == "contextvars.ContextVar"
        ):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from map(dotted, targets)


def _stray_hooks(node: ast.ClassDef) -> Iterator[str]:
    """Yield hooks that a class calls from elsewhere than their own override."""
    for item in node.body:
        for inner in ast.walk(item):
            if (
                isinstance(inner, ast.Attribute)
                and inner.attr in ("setUp", "tearDown")
                and isinstance(inner.ctx, ast.Load)
                and inner.attr != getattr(item, "name", "")
            ):
                yield inner.attr


def _pytest_wide(tree: ast.Module, nodes: Iterable[ast.AST]) -> tuple[str, str] | None:
    """Return the topic and the text of what pytest gives to tests that don't ask for it."""
    for item in tree.body:
        if isinstance(item, FunctionNode) and item.name in _LOOP_HOOKS:
            return "event-loop", f"{item.name} chooses the loop of all tests that it is near"
    for node in nodes:
        if (
            isinstance(node, ast.keyword)
            and node.arg == "autouse"
            and not (isinstance(node.value, ast.Constant) and not node.value.value)
        ):
            text = "a fixture with autouse=True reaches its tests without being asked for"
            return "autouse", text
    return None


def _read_class(path: str, qualname: str, node: ast.ClassDef, names: Names) -> ClassFacts:
    where = qualname.split(".")
    bases = []
    for base in node.bases:
        target: ast.AST = base.value if isinstance(base, ast.Subscript) else base
        written = dotted(target)
        bases.append(names.resolve(written, where[:-1]) or f"?{written or ast.unparse(base)}")
    methods = {}
    attributes = set()
    for statement in node.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            methods[statement.name] = _read_method(statement, names, where)
        elif isinstance(statement, ast.Assign):
            attributes |= {
                target.id for target in statement.targets if isinstance(target, ast.Name)
            }
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            attributes.add(statement.target.id)
    functions: list[FunctionNode] = []
    for item in node.body:
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions.append(item)
    loops = {
        loop for item in functions if item.name in ("setUp", "asyncSetUp")
        for loop in _loops_made(item, names)
    }  # fmt: skip
    return ClassFacts(
        path, qualname, node.lineno, tuple(bases), methods, frozenset(attributes),
        frozenset(loops),
        frozenset(item.name for item in functions if is_runner(item, names)),
        bool(loops) or _runs_a_loop(node, names),
        frozenset(
            inner.func.id
            for inner in ast.walk(node)
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)
        ),
        frozenset(
            item.name
            for item in functions
            if not item.name.startswith("test")
            and item.name not in HOOKS
            and _runs_a_loop(item, names)
            and not is_runner(item, names)
        ),
        frozenset(_stray_hooks(node)),
    )  # fmt: skip


def _loops_made(function: FunctionNode, names: Names) -> Iterator[str]:
    for statement in walk_own(function):
        if isinstance(statement, ast.Assign) and is_loop_expression(statement.value, names):
            for target in statement.targets:
                first, _, rest = dotted(target).partition(".")
                if first == "self" and rest and "." not in rest:
                    yield rest


def _runs_a_loop(node: ast.AST, names: Names) -> bool:
    return any(
        isinstance(inner, ast.Attribute)
        and (
            inner.attr in ("run_until_complete", "run_forever")
            or names.resolve(dotted(inner)) == "asyncio.run"
        )
        for inner in ast.walk(node)
    )


def _read_method(node: FunctionNode, names: Names, where: Iterable[str]) -> Method:
    decorators = []
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        written = dotted(target)
        decorators.append(names.resolve(written, tuple(where)) or f"?{written}")
    return Method(node.name, node.lineno, kind_of(node), tuple(decorators))
