"""asynctest: its case, its mocks and its decorators become unittest's own and AsyncTestCase.

asynctest can't be imported since Python 3.11, so nothing that is left on it runs. All the same a
class stays as it is where the two libraries would do different things under the same name.
"""

from __future__ import annotations

import ast
from typing import ClassVar

import libcst as cst

from . import _coroutines
from ._asynctest_names import (
    ASSERTIONS,
    CASE,
    CHECKS,
    CLOCKED,
    MOCK_API,
    MOCKS,
    NO_EQUIVALENT,
    UNITTEST,
    is_ours,
)
from ._asynctest_rewriter import AsynctestRewriter
from ._cases import HOOKS, OURS
from ._edit import rewritten
from ._model import Kind, Survey
from ._names import FunctionNode
from ._names import dotted as dotted_ast
from ._survey import Scoped, View, hook_trouble, settings_trouble


class Asynctest:
    """The rule for asynctest."""

    name: ClassVar[str] = "asynctest"
    bridges: ClassVar[bool] = False

    def concerns(self, view: View) -> bool:
        """Tell whether the file imports asynctest or derives from a case that does."""
        return (
            any(full.partition(".")[0] == "asynctest" for full in view.names.imports.values())
            or any("asynctest" in full for full in view.names.torn.values())
            or any(is_ours(family) for family in view.families.values())
            or (view.facts.awaited and view.mocks_with_awaited)
        )

    def survey(self, view: View) -> Survey:
        """Say what there is to do, and what has to stay as it is."""
        visitor = _Visitor(view, self.name)
        for local, full in sorted(view.names.torn.items()):
            if any(part.partition(".")[0] == "asynctest" for part in full.split(" or ")):
                visitor.found.findings.append(
                    visitor.left(
                        view.tree, "torn-import",
                        f"{local!r} is imported from {full} or bound to something else, so what "
                        "it means here can't be seen",
                    )
                )  # fmt: skip
        for local in sorted(view.exported):
            full = view.names.imports.get(local, "")
            if full.partition(".")[0] == "asynctest":
                text = f"other files get {local!r} from here, so it goes on meaning {full}"
                visitor.found.findings.append(visitor.left(view.tree, "re-export", text))
        visitor.visit(view.tree)
        return visitor.found

    def rewrite(
        self, view: View, survey: Survey, frozen: frozenset[str], tree: cst.Module
    ) -> cst.Module:
        """Rewrite what is not frozen."""
        more = {where for where, what in survey.decisions.items() if "frozen" in what}
        return rewritten(
            tree, lambda: AsynctestRewriter(view, survey, frozen | more), view.exported
        )


class _Visitor(Scoped):
    def __init__(self, view: View, rule: str) -> None:
        super().__init__(view, rule)
        self._bases: set[int] = set()

    def enter_class(self, node: ast.ClassDef) -> None:
        self._bases |= {id(base) for base in node.bases}
        family = self.view.family(self.where)
        if not is_ours(family) or len(self.classes) > 1:
            return
        assert family is not None
        trouble = hook_trouble(family, frozenset({CASE, CLOCKED, OURS}))
        if trouble:
            self.block(node, "hooks", trouble)
        trouble = settings_trouble(family.facts, foreign=True)
        if trouble:
            self.block(node, "settings", trouble)
        self._look_at_mocks(node)
        for statement in node.body:
            self._look_at_setting(statement)

    def _look_at_setting(self, statement: ast.stmt) -> None:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)):
            return
        name = statement.targets[0].id
        is_off = isinstance(statement.value, ast.Constant) and not statement.value.value
        if name == "use_default_loop" and not is_off:
            self.block(
                statement, "use-default-loop",
                "use_default_loop shares one loop among tests; each test has its own here",
            )  # fmt: skip
        elif name == "forbid_get_event_loop" and not is_off:
            self.look(
                statement, "forbid-get-event-loop",
                "forbid_get_event_loop is dropped: nothing checks that get_event_loop() is unused",
            )  # fmt: skip

    def enter_function(self, node: FunctionNode) -> None:
        decorators = [self.resolve_outside(decorator) for decorator in node.decorator_list]
        in_case = len(self.path) == 2 and is_ours(self.view.family(self.path[0]))
        is_generator = any(name in _coroutines.DECORATORS for name in decorators) or (
            in_case
            and (node.name.startswith("test") or node.name in HOOKS)
            and self.view.families[self.path[0]].facts.methods[node.name].kind is Kind.GENERATOR
        )
        if is_generator and isinstance(node, ast.FunctionDef):
            trouble = _coroutines.trouble(node)
            if trouble:
                self.block(node, "generators", f"{node.name} stays a generator: {trouble}")
            else:
                self.found.decide(self.where, "to-async")
        if len(self.functions) == 1:
            self._look_at_mocks(node)

    def _look_at_mocks(self, function: FunctionNode | ast.ClassDef) -> None:
        is_class = isinstance(function, ast.ClassDef)
        mocks = {
            dotted_target
            for inner in ast.walk(function)
            if isinstance(inner, ast.Assign)
            and isinstance(inner.value, ast.Call)
            and self.resolve(inner.value.func) == "asynctest.CoroutineMock"
            and (dotted_target := _dotted(inner.targets[0]))
            and dotted_target.startswith("self.") == is_class
        }
        for inner in ast.walk(function):
            if (
                isinstance(inner, ast.Attribute)
                and _dotted(inner.value) in mocks
                and isinstance(inner.ctx, ast.Load)
                and inner.attr not in MOCK_API
                and not inner.attr.startswith("_")
                and inner.attr != "awaited"
            ):
                self.block(
                    inner, "child-mocks",
                    f"{_dotted(inner)} is a plain mock here, and would become an async one",
                )  # fmt: skip

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr == "awaited" and self.view.facts.awaited and self.view.mocks_with_awaited:
            self.block(
                node, "awaited",
                "an AsyncMock has no 'awaited' to wait for: the attribute would be made up, and "
                "waiting for it would return at once",
            )  # fmt: skip
        if node.attr in HOOKS and self._is_stray_hook(node):
            self.block(
                node, "hooks",
                f"{node.attr} is called from elsewhere than its own override",
            )  # fmt: skip
        if not self._look_at_reference(node):
            self.generic_visit(node)

    def _is_stray_hook(self, node: ast.Attribute) -> bool:
        family = self.view.family(self.path[0]) if self.path else None
        if family is None or not is_ours(family):
            return False
        is_super = isinstance(node.value, ast.Call) and _dotted(node.value.func) == "super"
        return (
            (is_super or _dotted(node.value) in ("self", "cls"))
            and self.path[1:2] != [node.attr]
            and any(
                facts.methods[node.attr].kind is not Kind.SYNC
                for facts in family.lineage()
                if node.attr in facts.methods
            )
        )

    def visit_Name(self, node: ast.Name) -> None:
        self._look_at_reference(node)

    def _look_at_reference(self, node: ast.expr) -> bool:
        full = self.resolve(node)
        if full.partition(".")[0] != "asynctest":
            return False
        if _is_known(full):
            return True
        if full == CLOCKED and id(node) in self._bases:
            self.look(
                node, "clock",
                "time.monotonic() moves with the virtual clock, too, which asynctest left alone",
            )  # fmt: skip
            return True
        topic, why = NO_EQUIVALENT.get(full, ("no-equivalent", "it has no equivalent"))
        self.block(node, topic, f"{full}: {why}")
        return True

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value.value if isinstance(node.value, (ast.Await, ast.YieldFrom)) else None
        name = _assertion(call)
        if name and isinstance(call, ast.Call) and _has_plain_arguments(call, name):
            for argument in call.args:
                self.visit(argument)
            return
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = _assertion(node)
        if name:
            self.block(
                node, "assert-async",
                f"{name} stands in an expression, where no 'with' block can take its place",
            )  # fmt: skip
        full = self.resolve(node.func)
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        if full.startswith("asynctest.patch") and "scope" in keywords:
            self.block(node, "patch-scope", "stdlib patches have no scope")
        if full in ("asynctest.Mock", "asynctest.MagicMock") and "is_coroutine" in keywords:
            self.block(
                node, "is-coroutine",
                "is_coroutine= would become a plain attribute; use AsyncMock or a spec",
            )  # fmt: skip
        if full == "asynctest.CoroutineMock":
            self._look_at_coroutine_mock(node, keywords)
        if full == "asynctest.fail_on" and any(
            not (isinstance(value, ast.Constant) and not value.value) for value in keywords.values()
        ):
            self._look_at_check(node, full)
        self.generic_visit(node)

    def _look_at_check(self, node: ast.AST, full: str) -> None:
        self.look(
            node, "checks",
            f"{full} is dropped: leaks of tasks, servers and exceptions always fail a test here, "
            "but timers, readers and an unused loop are not looked at",
        )  # fmt: skip

    def _look_at_coroutine_mock(self, node: ast.Call, keywords: dict[str | None, ast.expr]) -> None:
        if None in keywords or any("." in (name or "") for name in keywords):
            self.block(
                node, "child-mocks", "the attributes that ** configures would become async mocks"
            )
        effect = keywords.get("side_effect")
        if isinstance(effect, ast.Lambda) and isinstance(effect.body, ast.Call):
            self.look(
                effect, "side-effects",
                "if this lambda returns an awaitable, AsyncMock hands it on un-awaited",
            )  # fmt: skip
        value = keywords.get("return_value")
        if isinstance(value, ast.Call) and _dotted(value.func).rpartition(".")[2] in (
            "Future", "create_future", "create_task", "ensure_future", "sleep", "gather",
        ):  # fmt: skip
            self.block(
                value, "side-effects", "AsyncMock hands an awaitable return_value on un-awaited"
            )

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._look_at_decorators(node)
        super().visit_FunctionDef(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._look_at_decorators(node)
        super().visit_AsyncFunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._look_at_decorators(node)
        super().visit_ClassDef(node)

    def _look_at_decorators(self, node: FunctionNode | ast.ClassDef) -> None:
        self.path.append(node.name)
        for decorator in node.decorator_list:
            if self.resolve_outside(decorator) == "asynctest.strict":
                self._look_at_check(decorator, "asynctest.strict")
        self.path.pop()


def _is_known(full: str) -> bool:
    name = full.partition(".")[2]
    first = name.partition(".")[0]
    return (
        full in ("asynctest", "asynctest.mock", CASE)
        or first in MOCKS
        or first in UNITTEST
        or full in CHECKS
    )


def _assertion(node: ast.AST | None) -> str:
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ASSERTIONS
        and _dotted(node.func.value) == "self"
    ):
        return node.func.attr
    return ""


def _has_plain_arguments(call: ast.Call, name: str) -> bool:
    count = 3 if name.endswith("Regex") else 2
    return (
        len(call.args) == count
        and not call.keywords
        and not any(isinstance(argument, ast.Starred) for argument in call.args)
    )


def _dotted(node: ast.AST) -> str:
    return dotted_ast(node)
