"""What rules that exchange the base class of a case have in common."""

from __future__ import annotations

import ast

import libcst as cst

from ._edit import AwaitFixer
from ._model import Family, Survey
from ._names import FunctionNode, dotted
from ._super import SuperCalls
from ._survey import Scoped, View, settings_trouble

PLAIN = "unittest.TestCase"
STOCK = "unittest.IsolatedAsyncioTestCase"
OURS = "asynctesting.AsyncTestCase"
MIXIN = "asynctesting.AsyncResultMixin"
HOOKS = {"setUp": "asyncSetUp", "tearDown": "asyncTearDown"}


class CaseVisitor(Scoped):
    """A survey of classes; a rule says which are its own."""

    def check_settings(self, node: ast.ClassDef, family: Family) -> None:
        """Refuse a class whose attributes would become settings of AsyncTestCase."""
        foreign = not any(root in (STOCK, OURS) for root in family.kin_roots) and (
            "aiohttp.test_utils.AioHTTPTestCase" not in family.kin_roots
        )
        trouble = settings_trouble(family.facts, foreign=foreign)
        if trouble:
            self.block(node, "settings", trouble)

    def functions_of(self, node: ast.ClassDef) -> dict[str, FunctionNode]:
        """Return the methods of a class by name."""
        return {
            item.name: item
            for item in node.body
            if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))
        }


class CaseRewriter(AwaitFixer):
    """A rewriter that gives classes with the decision ``rebase`` their new base.

    Attributes:
        cases: Full names of the bases that AsyncTestCase takes the place of.
    """

    _cases: frozenset[str] = frozenset()

    def __init__(self, view: View, survey: Survey, frozen: frozenset[str]) -> None:
        super().__init__(view.names, frozen)
        self.view = view
        self.survey = survey
        self._in_bases = 0

    @property
    def cases(self) -> frozenset[str]:
        """Full names of the bases that AsyncTestCase takes the place of."""
        return self._cases

    def decisions(self, where: str) -> set[str]:
        """Return what the survey has decided about a function or class."""
        return self.survey.decisions.get(where, set())

    def visit_ClassDef_bases(self, node: cst.ClassDef) -> None:
        self._in_bases += 1

    def leave_ClassDef_bases(self, node: cst.ClassDef) -> None:
        self._in_bases -= 1

    def replacement(self, full: str, node: cst.CSTNode) -> cst.BaseExpression | None:
        """Return AsyncTestCase for a base that it takes the place of."""
        if self._in_bases and full in self.cases and "rebase" in self.decisions(self.where):
            return self.name_from("asynctesting", "AsyncTestCase")
        return None

    def renamed_hook(self, function: cst.FunctionDef) -> cst.FunctionDef:
        """Return a hook under the name by which it is awaited."""
        old = function.name.value
        new = HOOKS[old]
        body = function.body.visit(SuperCalls(old, new))
        return function.with_changes(name=function.name.with_changes(value=new), body=body)


def decorator_of(function: FunctionNode, name: str, visitor: Scoped) -> ast.expr | None:
    """Return the decorator with the full name *name*; the path ends with the class."""
    for decorator in function.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if visitor.view.names.resolve(dotted(target), visitor.path) == name:
            return decorator
    return None
