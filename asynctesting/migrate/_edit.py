"""Changing a syntax tree: names by their meaning, imports, awaits.

A rewriter knows where it stands (the dotted name of the class or function) and what a name means
there. It only ever replaces the nodes that a rule names; every other node, with its whitespace and
comments, is handed back as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import libcst as cst

from ._imports import change_imports
from ._names import Names, public_name
from ._tree import dotted, expression, parenthesized

_N = TypeVar("_N", bound=cst.CSTNode)
_Decorated = TypeVar("_Decorated", cst.FunctionDef, cst.ClassDef)


class Rewriter(cst.CSTTransformer):
    """A transformer that knows where it stands and keeps the account of imports.

    Args:
        names: What the imported names of the file mean.
        frozen: Dotted names of the classes and functions that stay as they are.
    """

    # Imported names with this beginning are dropped once nothing uses them any more.
    framework: tuple[str, ...] = ()
    # Whether those that nothing ever used go, too, once that leaves nothing of the framework.
    drops_idle: bool = False

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
        # Imported names that other files get from this one, so that they stay as they are.
        self.exported: frozenset[str] = frozenset()

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
            if f"{module}.{name}" == "unittest.mock":
                return self._whole("unittest.mock")
            return cst.Attribute(self._whole(module), cst.Name(name))
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
        return self._whole(name)

    def _whole(self, module: str) -> cst.BaseExpression:
        """Return a module by its full name, or by another where that name means something else."""
        local = module.partition(".")[0]
        path = self.path[:-1] if self._outside else self.path
        if (
            local in self.avoided
            or self.names.is_shadowed(local, path)
            or self._means_something_else(local, local)
        ):
            alias = f"{module.replace('.', '_')}_"
            self._wanted[f"{module} as {alias}", ""] = None
            return cst.Name(alias)
        self._wanted[module, ""] = None
        return expression(module)

    def _unused(self) -> set[str]:
        own = {
            local
            for local, full in self.names.imports.items()
            if public_name(full).startswith(self.framework)
        }
        done = {local for local, seen in self._seen.items() if seen == self._replaced.get(local)}
        done = (done & own) - self.exported
        idle = own - self._seen.keys() - self.exported
        return own if self.drops_idle and done | idle == own else done

    def collisions(self) -> set[str]:
        """Return names that are wanted for something new and still in use for something old."""
        unused = self._unused()
        wanted = {
            (name, f"{module}.{name}") if name else (module.partition(".")[0],) * 2
            for module, name in self._wanted
            if " as " not in module
        }
        return {
            local
            for local, full in wanted
            if self.names.imports.get(local, full) != full and local not in unused
        }

    def finish(self, tree: cst.Module) -> cst.Module:
        """Return *tree* with the imports that it now needs, without those it no longer does."""
        wanted = {
            f"{module}.{name}" if name else module
            for module, name in self._wanted
            if " as " not in module
        }
        unused = {local for local in self._unused() if self.names.imports[local] not in wanted}
        return change_imports(tree, unused, list(self._wanted))


def rewritten(
    tree: cst.Module, make: Callable[[], Rewriter], exported: frozenset[str] = frozenset()
) -> cst.Module:
    """Return *tree* as a rewriter leaves it, under names that mean one thing each.

    Args:
        tree: A file.
        make: Makes the rewriter, once for each attempt.
        exported: Imported names that other files get from this one.
    """
    avoided: frozenset[str] = frozenset()
    while True:
        rewriter = make()
        rewriter.avoided = avoided
        rewriter.exported = exported
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
