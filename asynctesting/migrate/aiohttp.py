"""aiohttp's AioHTTPTestCase: AsyncTestCase goes to its left, old names get their present ones.

AioHTTPTestCase is itself a stock async case, so its server and client stay as they are; only what
runs the test is exchanged.
"""

from __future__ import annotations

import ast
from typing import ClassVar

import libcst as cst

from ._cases import OURS, CaseRewriter, CaseVisitor
from ._edit import rewritten
from ._model import Family, Kind, Survey
from ._names import dotted as dotted_ast
from ._super import SuperCalls
from ._survey import View, never_ran
from ._tree import as_async

CASE = "aiohttp.test_utils.AioHTTPTestCase"
_DECORATOR = "aiohttp.test_utils.unittest_run_loop"
_HOOKS = {"setUpAsync": "asyncSetUp", "tearDownAsync": "asyncTearDown"}


class Aiohttp:
    """The rule for aiohttp's own test case."""

    name: ClassVar[str] = "aiohttp"
    bridges: ClassVar[bool] = False

    def concerns(self, view: View) -> bool:
        """Tell whether a class of the file derives from AioHTTPTestCase."""
        return (
            any(CASE in family.kin_roots for family in view.families.values())
            or _DECORATOR in view.names.imports.values()
        )

    def survey(self, view: View) -> Survey:
        """Say what there is to do, and what has to stay as it is."""
        visitor = _Visitor(view, self.name)
        visitor.visit(view.tree)
        return visitor.found

    def rewrite(
        self, view: View, survey: Survey, frozen: frozenset[str], tree: cst.Module
    ) -> cst.Module:
        """Rewrite what is not frozen."""
        return rewritten(tree, lambda: _Rewriter(view, survey, frozen), view.exported)


class _Visitor(CaseVisitor):
    def enter_class(self, node: ast.ClassDef) -> None:
        family = self.view.family(self.where)
        if family is None or len(self.path) > 1 or CASE not in family.kin_roots:
            return
        self.check_settings(node, family)
        trouble = never_ran(family.facts)
        if trouble:
            self.block(node, "never-ran", trouble)
        if OURS not in family.roots:
            self.found.decide(self.where, "rebase")
        self._look_at_hooks(node, family)
        self._look_at_application(node, family)

    def _look_at_hooks(self, node: ast.ClassDef, family: Family) -> None:
        for old, new in _HOOKS.items():
            having = [facts for facts in family.lineage() if old in facts.methods]
            if not having:
                continue
            both = [facts for facts in family.lineage() if new in facts.methods]
            if both or any(facts.methods[old].kind is not Kind.ASYNC for facts in having):
                where = self.left(
                    node, "hooks", f"{old} and {new} are both in use; make one of them"
                )
                self.found.findings.append(where)
            elif _called_elsewhere(node, old):
                where = self.left(node, "hooks", f"{old} is called from elsewhere")
                self.found.findings.append(where)
            else:
                self.found.decide(self.where, f"rename:{old}")

    def _look_at_application(self, node: ast.ClassDef, family: Family) -> None:
        method = family.facts.methods.get("get_app")
        if method is None or method.kind is not Kind.SYNC or method.decorators:
            return
        lineage = family.lineage()
        if any("get_application" in facts.methods for facts in lineage):
            return
        if sum("get_app" in facts.methods for facts in lineage) > 1 or any(
            isinstance(inner, ast.Attribute) and inner.attr == "get_app" for inner in ast.walk(node)
        ):
            text = "get_app is called or overridden elsewhere; aiohttp 4 has only get_application"
            self.found.findings.append(self.left(node, "get-app", text))
            return
        self.found.decide(f"{self.where}.get_app", "application")


def _called_elsewhere(node: ast.ClassDef, hook: str) -> bool:
    for function in node.body:
        for inner in ast.walk(function):
            if isinstance(inner, ast.Attribute) and inner.attr == hook:
                name = getattr(function, "name", "")
                if name != hook or dotted_ast(inner.value) == "self":
                    return True
    return False


class _Rewriter(CaseRewriter):
    framework = ("aiohttp",)

    def change_class(self, original: cst.ClassDef, updated: cst.ClassDef) -> cst.ClassDef:
        """Put AsyncTestCase to the left of AioHTTPTestCase."""
        if "rebase" not in self.decisions(self.where):
            return updated
        meanings = [self.meaning_outside(base.value) for base in original.bases]
        if CASE not in meanings or OURS in meanings:
            return updated
        place = meanings.index(CASE)
        base = cst.Arg(
            self.name_from("asynctesting", "AsyncTestCase"),
            comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")),
        )
        bases = [*updated.bases[:place], base, *updated.bases[place:]]
        return updated.with_changes(bases=bases)

    def change_function(
        self, original: cst.FunctionDef, updated: cst.FunctionDef
    ) -> cst.FunctionDef:
        """Drop the decorator that has done nothing since 3.8; use the hooks' present names."""
        updated = self.drop_decorators(
            original, updated, lambda item: self.meaning_outside(item.decorator) == _DECORATOR
        )
        name = original.name.value
        if len(self.path) == 2 and f"rename:{name}" in self.decisions(self.path[0]):
            new = _HOOKS[name]
            body = updated.body.visit(SuperCalls(name, new))
            updated = updated.with_changes(name=cst.Name(new), body=body)
        if "application" in self.decisions(self.where):
            updated = as_async(updated.with_changes(name=cst.Name("get_application")))
        return updated
