"""Changing a syntax tree: names by their meaning, imports, awaits.

A rewriter knows where it stands (the dotted name of the class or function) and what a name means
there. It only ever replaces the nodes that a rule names; every other node, with its whitespace and
comments, is handed back as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, cast

import libcst as cst

from ._names import Names

_N = TypeVar("_N", bound=cst.CSTNode)
_Decorated = TypeVar("_Decorated", cst.FunctionDef, cst.ClassDef)


def dotted(node: cst.CSTNode | None) -> str:
    """Return ``a.b.c`` for a name with attributes, and ``""`` for anything else."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not isinstance(node, cst.Name):
        return ""
    parts.append(node.value)
    return ".".join(reversed(parts))


def expression(text: str) -> cst.BaseExpression:
    """Parse *text*."""
    return cst.parse_expression(text)


def root_name(node: cst.CSTNode) -> cst.Name | None:
    """Return the ``a`` of ``a.b.c``."""
    while isinstance(node, (cst.Attribute, cst.Call, cst.Subscript)):
        node = node.func if isinstance(node, cst.Call) else node.value
    return node if isinstance(node, cst.Name) else None


class Rewriter(cst.CSTTransformer):
    """A transformer that knows where it stands and keeps the account of imports.

    Args:
        names: What the imported names of the file mean.
        frozen: Dotted names of the classes and functions that stay as they are.
    """

    # Imported names with this beginning are dropped once nothing uses them any more.
    framework: tuple[str, ...] = ()

    def __init__(self, names: Names, frozen: Iterable[str] = ()) -> None:
        super().__init__()
        self.names = names
        self.frozen_names = frozenset(frozen)
        self.path: list[str] = []
        self._frozen_depth = 0
        self._outside = 0  # in a decorator or a default, which the function's names don't shadow
        self._not_a_reference: set[int] = set()
        self._seen: dict[str, set[int]] = {}
        self._replaced: dict[str, set[int]] = {}
        self._wanted: dict[tuple[str, str], None] = {}
        # Names that stay bound to what is left alone, so nothing else may be called so.
        self.avoided: frozenset[str] = frozenset()

    # Where we are ---------------------------------------------------------------------------

    @property
    def where(self) -> str:
        """The dotted name of the class or function around the current node."""
        return ".".join(self.path)

    @property
    def frozen(self) -> bool:
        """Whether what is around the current node stays as it is."""
        return self._frozen_depth > 0

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:
        self._enter(node.name)
        return True

    def leave_ClassDef(
        self, original_node: cst.ClassDef, updated_node: cst.ClassDef
    ) -> cst.BaseStatement | cst.RemovalSentinel | cst.FlattenSentinel[cst.BaseStatement]:
        result = updated_node if self.frozen else self.change_class(original_node, updated_node)
        self._leave()
        return result

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        self._enter(node.name)
        return True

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.BaseStatement | cst.RemovalSentinel | cst.FlattenSentinel[cst.BaseStatement]:
        if self.frozen:
            result: (
                cst.BaseStatement | cst.RemovalSentinel | cst.FlattenSentinel[cst.BaseStatement]
            ) = updated_node
        else:
            result = self.change_function(original_node, updated_node)
        self._leave()
        return result

    def _enter(self, name: cst.Name) -> None:
        self._not_a_reference.add(id(name))
        self.path.append(name.value)
        if self._frozen_depth or self.where in self.frozen_names:
            self._frozen_depth += 1

    def _leave(self) -> None:
        self.path.pop()
        if self._frozen_depth:
            self._frozen_depth -= 1

    def change_class(
        self, original: cst.ClassDef, updated: cst.ClassDef
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        """Return what takes the place of a class; ``self.path`` ends with its name."""
        return updated

    def change_function(
        self, original: cst.FunctionDef, updated: cst.FunctionDef
    ) -> cst.BaseStatement | cst.RemovalSentinel | cst.FlattenSentinel[cst.BaseStatement]:
        """Return what takes the place of a function; ``self.path`` ends with its name."""
        return updated

    def replacement(self, full: str, node: cst.CSTNode) -> cst.BaseExpression | None:
        """Return what takes the place of a reference to *full*, or ``None`` to keep it."""
        return None

    # What names mean ------------------------------------------------------------------------

    def meaning_of(self, node: cst.CSTNode) -> str:
        """Return the full name that *node* means here, or ``""``."""
        if self._outside:
            return self.meaning_outside(node)
        written = dotted(node)
        return self.names.resolve(written, self.path) if written else ""

    def meaning_outside(self, node: cst.CSTNode) -> str:
        """Return the full name of *node* in a decorator of the current function or class."""
        target = node.func if isinstance(node, cst.Call) else node
        written = dotted(target)
        return self.names.resolve(written, self.path[:-1]) if written else ""

    def visit_FunctionDef_decorators(self, node: cst.FunctionDef) -> None:
        self._outside += 1

    def leave_FunctionDef_decorators(self, node: cst.FunctionDef) -> None:
        self._outside -= 1

    def visit_FunctionDef_params(self, node: cst.FunctionDef) -> None:
        self._outside += 1

    def leave_FunctionDef_params(self, node: cst.FunctionDef) -> None:
        self._outside -= 1

    def visit_Import(self, node: cst.Import) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        self._not_a_reference.add(id(node.attr))
        return True

    def visit_Arg(self, node: cst.Arg) -> bool:
        if node.keyword is not None:
            self._not_a_reference.add(id(node.keyword))
        return True

    def visit_Param(self, node: cst.Param) -> bool:
        self._not_a_reference.add(id(node.name))
        return True

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        if id(original_node) in self._not_a_reference:
            return updated_node
        if self.meaning_of(original_node):
            self._seen.setdefault(original_node.value, set()).add(id(original_node))
            return self._refer(original_node, updated_node)
        return updated_node

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        return self._refer(original_node, updated_node)

    def _refer(self, original: _N, updated: cst.BaseExpression) -> cst.BaseExpression:
        if self.frozen:
            return updated
        full = self.meaning_of(original)
        new = self.replacement(full, original) if full else None
        if new is None:
            return updated
        self.gone(original)
        return new.with_changes(
            lpar=getattr(original, "lpar", ()), rpar=getattr(original, "rpar", ())
        )

    def gone(self, node: cst.CSTNode) -> None:
        """Take note that every name in the original *node* has been replaced or removed."""
        collector = _Names()
        node.visit(collector)
        for name in collector.found:
            if name.value in self.names.imports:
                self._seen.setdefault(name.value, set()).add(id(name))
                self._replaced.setdefault(name.value, set()).add(id(name))

    def drop_decorators(
        self, original: _Decorated, updated: _Decorated, goes: Callable[[cst.Decorator], bool]
    ) -> _Decorated:
        """Return *updated* without the decorators that go; the comments above them stay."""
        kept: list[cst.Decorator] = []
        comments: list[cst.EmptyLine] = []
        decorator: cst.Decorator
        lines: list[cst.EmptyLine]
        for old, decorator in zip(original.decorators, updated.decorators, strict=True):
            if goes(old):
                self.gone(old)
                comments += [line for line in decorator.leading_lines if line.comment is not None]
                if decorator.trailing_whitespace.comment is not None:
                    comments.append(cst.EmptyLine(comment=decorator.trailing_whitespace.comment))
            else:
                if comments:
                    lines = [*comments, *decorator.leading_lines]
                    decorator = decorator.with_changes(leading_lines=lines)
                    comments = []
                kept.append(decorator)
        if len(kept) == len(updated.decorators):
            return updated
        lines = [*comments, *updated.lines_after_decorators]
        if not kept:
            # Without decorators the parser knows but one place for these lines.
            lines, before = [], [*updated.leading_lines, *lines]
            updated = updated.with_changes(leading_lines=before)
        return updated.with_changes(decorators=kept, lines_after_decorators=lines)

    # Imports --------------------------------------------------------------------------------

    def name_from(self, module: str, name: str) -> cst.BaseExpression:
        """Return *name*, and have it imported from *module*."""
        path = self.path[:-1] if self._outside else self.path
        if (
            name in self.avoided
            or self.names.is_shadowed(name, path)
            or self._means_something_else(name, f"{module}.{name}")
        ):
            whole = f"{module}.{name}"
            self._wanted[whole if whole == "unittest.mock" else module, ""] = None
            return expression(whole)
        self._wanted[module, name] = None
        return cst.Name(name)

    def _means_something_else(self, local: str, full: str) -> bool:
        if local in self.names.torn:
            return True
        known = self.names.imports.get(local)
        return known is not None and known != full and not known.startswith(self.framework)

    def module(self, name: str) -> cst.BaseExpression:
        """Return the module *name*, and have it imported."""
        if name == "unittest.mock":
            return self.name_from("unittest", "mock")
        self._wanted[name, ""] = None
        return expression(name)

    def _unused(self) -> set[str]:
        return {
            local
            for local, seen in self._seen.items()
            if seen == self._replaced.get(local)
            and self.names.imports[local].startswith(self.framework)
        }

    def collisions(self) -> set[str]:
        """Return names that are wanted for something new and still in use for something old."""
        return {
            name
            for module, name in self._wanted
            if name in self.names.imports
            and self.names.imports[name] != f"{module}.{name}"
            and name not in self._unused()
        }

    def finish(self, tree: cst.Module) -> cst.Module:
        """Return *tree* with the imports that it now needs, without those it no longer does."""
        wanted = {f"{module}.{name}" if name else module for module, name in self._wanted}
        unused = {local for local in self._unused() if self.names.imports[local] not in wanted}
        return change_imports(tree, unused, list(self._wanted))


def rewritten(tree: cst.Module, make: Callable[[], Rewriter]) -> cst.Module:
    """Return *tree* as a rewriter leaves it, under names that mean one thing each."""
    avoided: frozenset[str] = frozenset()
    while True:
        rewriter = make()
        rewriter.avoided = avoided
        result = tree.visit(rewriter)
        collisions = rewriter.collisions() - avoided
        if not collisions:
            return rewriter.finish(result)
        avoided |= collisions


class _Names(cst.CSTVisitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[cst.Name] = []

    def visit_Name(self, node: cst.Name) -> None:
        self.found.append(node)


def change_imports(
    tree: cst.Module, unused: set[str], wanted: Sequence[tuple[str, str]]
) -> cst.Module:
    """Remove the imports of *unused* names, and add those of *wanted* ones.

    A wanted import takes the place of the first that goes, else it stands after the last import
    at the top of the file.
    """
    body = list(tree.body)
    missing = [want for want in wanted if not _is_imported(body, want)]
    place: int | None = None
    header: list[cst.EmptyLine] = []
    result: list[cst.BaseStatement] = []
    last_import = _end_of_docstring(body)
    for statement in body:
        kept = _without(statement, unused) if unused else statement
        if kept is None:
            if place is None:
                place = len(result)
            header += cast(cst.SimpleStatementLine, statement).leading_lines
            continue
        if header and (place != len(result) or not missing):
            kept = _with_header(kept, header)
            header = []
        if kept is not statement and place is None:
            place = len(result) + 1
        result.append(kept)
        if _is_import(kept):
            last_import = len(result)
    where = last_import if place is None else place
    new: list[cst.BaseStatement] = []
    for module, names in _grouped(missing):
        index = _find_from(result, module) if names else None
        if index is not None:
            result[index] = _with_names(cast(cst.SimpleStatementLine, result[index]), names)
            continue
        text = f"from {module} import {', '.join(names)}" if names else f"import {module}"
        new.append(cast(cst.SimpleStatementLine, cst.parse_statement(text)))
    if new and header:
        new[0] = new[0].with_changes(leading_lines=header)
    elif header and where < len(result):
        result[where] = _with_header(result[where], header)
    if new and place is None and where == 0 and result:
        result[0] = _with_blank_line(result[0])
    result[where:where] = new
    return tree.with_changes(body=result)


def _with_blank_line(statement: cst.BaseStatement) -> cst.BaseStatement:
    lines = list(getattr(statement, "leading_lines", ()))
    return statement.with_changes(leading_lines=[cst.EmptyLine(indent=False), *lines])


def _with_header(statement: _N, header: Sequence[cst.EmptyLine]) -> _N:
    comments = [line for line in header if line.comment is not None]
    lines = list(getattr(statement, "leading_lines", ()))
    return statement.with_changes(leading_lines=[*comments, *lines])


def _grouped(wanted: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    groups: dict[tuple[str, bool], list[str]] = {}
    for module, name in wanted:
        groups.setdefault((module, bool(name)), [])
        if name:
            groups[module, True].append(name)
    # Plain imports first, then by module, as everybody sorts them.
    return [
        (module, sorted(names)) for (module, has_names), names in sorted(
            groups.items(), key=lambda group: (group[0][1], group[0][0].split(".")[0] not in
                                               ("unittest", "asyncio", "contextlib"), group[0][0])
        )
    ]  # fmt: skip


def _is_import(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and any(
        isinstance(small, (cst.Import, cst.ImportFrom)) for small in statement.body
    )


def _end_of_docstring(body: Sequence[cst.CSTNode]) -> int:
    first = body[0] if body else None
    if isinstance(first, cst.SimpleStatementLine) and isinstance(first.body[0], cst.Expr):
        value = first.body[0].value
        if isinstance(value, (cst.SimpleString, cst.ConcatenatedString)):
            return 1
    return 0


def _is_imported(body: Sequence[cst.CSTNode], want: tuple[str, str]) -> bool:
    module, name = want
    for statement in body:
        if not isinstance(statement, cst.SimpleStatementLine):
            continue
        for small in statement.body:
            if isinstance(small, cst.Import) and not name:
                if any(
                    dotted(alias.name) == module and alias.asname is None for alias in small.names
                ):
                    return True
            elif (
                isinstance(small, cst.ImportFrom)
                and name
                and not small.relative
                and dotted(small.module) == module
                and not isinstance(small.names, cst.ImportStar)
                and any(alias.name.value == name and alias.asname is None for alias in small.names)
            ):
                return True
    return False


def _find_from(body: Sequence[cst.CSTNode], module: str) -> int | None:
    for index, statement in enumerate(body):
        if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1:
            small = statement.body[0]
            if (
                isinstance(small, cst.ImportFrom)
                and not small.relative
                and dotted(small.module) == module
                and not isinstance(small.names, cst.ImportStar)
            ):
                return index
    return None


def _with_names(
    statement: cst.SimpleStatementLine, names: Sequence[str]
) -> cst.SimpleStatementLine:
    small = cast(cst.ImportFrom, statement.body[0])
    known = list(cast(Sequence[cst.ImportAlias], small.names))
    last = known[-1]
    comma: cst.Comma | cst.MaybeSentinel = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    if len(known) > 1 and isinstance(known[0].comma, cst.Comma):
        comma = known[0].comma
    added = [cst.ImportAlias(name=cst.Name(name), comma=comma) for name in names]
    added[-1] = added[-1].with_changes(comma=last.comma)
    known[-1] = last.with_changes(comma=comma)
    return statement.with_changes(body=[small.with_changes(names=[*known, *added])])


def _without(statement: _N, unused: set[str]) -> _N | None:
    """Return *statement* without the imports of *unused* names; ``None`` if nothing is left."""
    if not (isinstance(statement, cst.SimpleStatementLine) and _is_import(statement)):
        return statement
    smalls: list[cst.BaseSmallStatement] = []
    changed = False
    for small in statement.body:
        if not isinstance(small, (cst.Import, cst.ImportFrom)) or isinstance(
            small.names, cst.ImportStar
        ):
            smalls.append(small)
            continue
        aliases = [alias for alias in small.names if _local_name(alias) not in unused]
        if len(aliases) == len(small.names):
            smalls.append(small)
            continue
        changed = True
        if aliases:
            aliases[-1] = aliases[-1].with_changes(comma=small.names[-1].comma)
            smalls.append(small.with_changes(names=aliases))
    if not changed:
        return statement
    if not smalls:
        return None
    smalls[-1] = smalls[-1].with_changes(semicolon=statement.body[-1].semicolon)
    return cast(_N, statement.with_changes(body=smalls))


def _local_name(alias: cst.ImportAlias) -> str:
    if alias.asname is not None:
        return dotted(alias.asname.name)
    return dotted(alias.name).partition(".")[0]


def tidied(original: cst.ClassDef, updated: cst.ClassDef) -> cst.ClassDef:
    """Return a class from which lines were removed, without a gap at its beginning."""
    if not isinstance(updated.body, cst.IndentedBlock) or not original.body.body:
        return updated
    statements = list(updated.body.body)
    if not statements:
        statements = [cst.SimpleStatementLine([cst.Pass()])]
    elif not _blank_lines(original.body.body[0]) and _blank_lines(statements[0]):
        lines = list(getattr(statements[0], "leading_lines", ()))
        kept = lines[_blank_lines(statements[0]) :]
        statements[0] = statements[0].with_changes(leading_lines=kept)
    return updated.with_changes(body=updated.body.with_changes(body=statements))


def _blank_lines(statement: cst.CSTNode) -> int:
    count = 0
    for line in getattr(statement, "leading_lines", ()):
        if line.comment is not None:
            break
        count += 1
    return count


# Awaiting --------------------------------------------------------------------------------------

_PRIMARY = (
    cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.List, cst.Dict, cst.Set, cst.SimpleString,
    cst.ListComp, cst.Integer,
)  # fmt: skip


def awaited(value: cst.BaseExpression) -> cst.Await:
    """Return ``await value``, with parentheses around *value* where it needs them."""
    if not value.lpar and not isinstance(value, _PRIMARY):
        value = parenthesized(value)
    return cst.Await(expression=value)


def parenthesized(value: _N) -> _N:
    """Return *value* in parentheses."""
    return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


class AwaitFixer(Rewriter):
    """Puts an ``await`` in parentheses where a call, attribute or item is taken of it."""

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        return super().leave_Attribute(
            original_node, updated_node.with_changes(value=_of_await(updated_node.value))
        )

    def leave_Subscript(
        self, original_node: cst.Subscript, updated_node: cst.Subscript
    ) -> cst.BaseExpression:
        return updated_node.with_changes(value=_of_await(updated_node.value))


def _of_await(value: cst.BaseExpression) -> cst.BaseExpression:
    if isinstance(value, cst.Await) and not value.lpar:
        return parenthesized(value)
    return value


def as_async(function: cst.FunctionDef) -> cst.FunctionDef:
    """Return *function* as ``async def``, with the comments where they were."""
    if function.asynchronous is not None:
        return function
    return function.with_changes(
        asynchronous=cst.Asynchronous(whitespace_after=cst.SimpleWhitespace(" "))
    )
