"""What a name in a file means: the import that it comes from, and who stands in its way.

Names are resolved from the text alone; nothing of the code is imported. A name that is bound in
any other way than by one import means nothing here, and neither does one that a function has as
its own variable.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

# The same thing under its home in the package and under its public name.
_HOMES = (
    (re.compile(r"^asynctest\.(case|mock|helpers|_fail_on)\.(?=\w)"), "asynctest."),
    (re.compile(r"^aiounittest\.(case|helpers|mock)\.(?=\w)"), "aiounittest."),
    (re.compile(r"^unittest\.(case|async_case|suite|main|loader)\.(?=[A-Z]\w)"), "unittest."),
    (re.compile(r"^pytest_asyncio\.plugin\.(?=\w)"), "pytest_asyncio."),
    (re.compile(r"^asyncio\.(tasks|events|coroutines|locks|queues|futures|runners)\.(?=\w)"),
     "asyncio."),
)  # fmt: skip


def public_name(full: str) -> str:
    """Return the name under which documentation knows *full*."""
    for home, public in _HOMES:
        full = home.sub(public, full)
    return full


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for a name with attributes, and ``""`` for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    parts.append(node.id)
    return ".".join(reversed(parts))


@dataclass(frozen=True, slots=True)
class Names:
    """The imported names of a file.

    Attributes:
        imports: Full names by local name; names with two meanings are left out.
        shadows: For each function that has variables of an imported name: those names.
        torn: Imported names that are bound in another way, too, with all that they may mean.
    """

    imports: Mapping[str, str]
    shadows: Mapping[str, frozenset[str]]
    torn: Mapping[str, str]

    def resolve(self, name: str, path: Sequence[str] = ()) -> str:
        """Return the full name of *name*, as written in the function or class *path*.

        ``""`` if it was not imported.
        """
        first, _, rest = name.partition(".")
        full = self.imports.get(first)
        if full is None or self.is_shadowed(first, path):
            return ""
        return public_name(f"{full}.{rest}" if rest else full)

    def is_shadowed(self, name: str, path: Sequence[str]) -> bool:
        """Tell whether a function around *path* has a variable of this name."""
        return any(
            name in self.shadows.get(".".join(path[:depth]), ())
            for depth in range(1, len(path) + 1)
        )


def read_names(tree: ast.Module, package: str) -> Names:
    """Collect the imports of a file that stands in *package*."""
    found: dict[str, set[str]] = {}
    for node in _statements_in(tree):
        for local, full in _imported_by(node, package):
            found.setdefault(local, set()).add(full)
    bound: set[str] = set()
    _collect_module_names(tree, bound)
    shadows: dict[str, frozenset[str]] = {}
    for path, function in functions_in(tree):
        own = local_names(function) & found.keys()
        if own:
            shadows[path] = shadows.get(path, frozenset()) | own
    torn = {
        name: " or ".join(sorted(fulls))
        for name, fulls in found.items()
        if len(fulls) > 1 or name in bound
    }
    # One name for the same thing at two homes is no contradiction.
    imports = {name: next(iter(fulls)) for name, fulls in found.items() if name not in torn}
    return Names(imports, shadows, torn)


def _imported_by(node: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield (
                alias.asname or alias.name.partition(".")[0],
                (alias.name if alias.asname else alias.name.partition(".")[0]),
            )
    elif isinstance(node, ast.ImportFrom):
        origin = import_origin(node, package)
        for alias in node.names:
            if alias.name != "*":
                yield alias.asname or alias.name, f"{origin}.{alias.name}"


def import_origin(node: ast.ImportFrom, package: str) -> str:
    """Return the full name of the module that ``from ... import`` names."""
    origin = node.module or ""
    if not node.level:
        return origin
    parts = package.split(".") if package else []
    parts = parts[: len(parts) - (node.level - 1)] if node.level > 1 else parts
    return ".".join([*parts, origin] if origin else parts)


def _collect_module_names(node: ast.AST, found: set[str]) -> None:
    """Collect what is bound at the top of a module otherwise than by an import."""
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.ExceptHandler) and _is_stand_in(child):
            continue  # `except ImportError: name = None`: where the name is used, it is the import
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(child.name)
        elif isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load):
            found.add(child.id)
        elif not isinstance(child, (ast.Lambda, ast.ListComp, ast.GeneratorExp)):
            _collect_module_names(child, found)


def _is_stand_in(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and node.value.value in (None, False)
    )


def functions_in(tree: ast.AST, path: tuple[str, ...] = ()) -> Iterator[tuple[str, FunctionNode]]:
    """Yield every function with its dotted name within the file."""
    for name, node in _definitions_in(tree, path):
        if isinstance(node, FunctionNode):
            yield name, node


def classes_in(tree: ast.AST) -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield every class with its dotted name within the file."""
    for name, node in _definitions_in(tree, ()):
        if isinstance(node, ast.ClassDef):
            yield name, node


def _definitions_in(
    tree: ast.AST, path: tuple[str, ...]
) -> Iterator[tuple[str, FunctionNode | ast.ClassDef]]:
    pending = [(child, path) for child in reversed(_blocks_of(tree))]
    while pending:
        node, around = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            around = (*around, node.name)
            yield ".".join(around), node
        pending += [(child, around) for child in reversed(_blocks_of(node))]


def _blocks_of(node: ast.AST) -> list[ast.AST]:
    """Return the statements right within one, without a look at any expression."""
    found: list[ast.AST] = []
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        found += getattr(node, name, ())
    return found


def _statements_in(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements of a file, at any depth."""
    pending = _blocks_of(tree)
    while pending:
        node = pending.pop()
        yield node
        pending += _blocks_of(node)


def local_names(function: FunctionNode) -> set[str]:
    """Return the parameters and variables of *function*, without those of inner functions."""
    arguments = function.args
    found = {
        argument.arg
        for argument in (
            *arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs,
            *filter(None, (arguments.vararg, arguments.kwarg)),
        )
    }  # fmt: skip
    outer: set[str] = set()
    for node in walk_own(function):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(
            node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)
        ):
            found.add(node.name or "")
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            outer.update(node.names)
    return found - outer


def walk_own(function: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes in a function's body that run when it runs: not those of inner functions.

    An inner function is yielded itself, a comprehension with all that is in it.
    """
    body = function.body if isinstance(function, FunctionNode) else [function]
    pending: list[ast.AST] = list(reversed(body))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            pending.extend(reversed(list(ast.iter_child_nodes(node))))
