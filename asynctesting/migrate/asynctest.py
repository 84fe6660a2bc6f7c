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
    CHECKED_KINDS,
    CHECKS,
    CLOCKED,
    MOCKS,
    NO_EQUIVALENT,
    RETURN_ONCE,
    UNITTEST,
    is_ours,
)
from ._asynctest_rewriter import AsynctestRewriter
from ._cases import HOOKS, OURS
from ._coroutine_mocks import MockReader
from ._edit import rewritten
from ._model import Kind, Survey
from ._names import FunctionNode, walk_own
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
        visitor.look_at_module()
        return visitor.found

    def rewrite(
        self, view: View, survey: Survey, frozen: frozenset[str], tree: cst.Module
    ) -> cst.Module:
        """Rewrite what is not frozen."""
        more = {where for where, what in survey.decisions.items() if "frozen" in what}
        if "" in more:
            return tree
        return rewritten(
            tree, lambda: AsynctestRewriter(view, survey, frozen | more), view.exported
        )


class _Visitor(Scoped):
    def __init__(self, view: View, rule: str) -> None:
        super().__init__(view, rule)
        self._bases: set[int] = set()
        self._mocks = MockReader(view.tree, self.resolve)

    def look_at_module(self) -> None:
        """Look at the mocks that the file makes outside of classes and functions."""
        own = [
            node for node in self.view.tree.body
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        ]  # fmt: skip
        self._look_at_mocks(ast.Module(own, []))

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
        if name == "use_default_loop" and not isinstance(statement.value, ast.Constant):
            text = "whether use_default_loop is on can't be seen"
            self.block(statement, "use-default-loop", text)
        elif name == "use_default_loop" and not is_off:
            self.look(
                statement, "use-default-loop",
                "the default loop was shared by all tests of the process, so they share one here; "
                "what a test leaves on it is looked at when the test ends",
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
        if in_case and node.name in HOOKS:
            self._look_at_hook(node, decorators)

    def _look_at_hook(self, node: FunctionNode, decorators: list[str]) -> None:
        """Name a hook that asynctest never awaited, because it only looks at what the hook is."""
        kind = self.view.families[self.path[0]].facts.methods[node.name].kind
        if kind is Kind.GENERATOR and not any(
            name in _coroutines.DECORATORS for name in decorators
        ):
            self.look(node, "never-ran", f"{node.name} was never awaited before; now it runs")
        for inner in walk_own(node) if kind is Kind.SYNC else ():
            if isinstance(inner, ast.Return) and not isinstance(
                inner.value, (ast.Constant, type(None))
            ):
                text = (
                    f"{node.name} returns a value; an awaitable was never awaited, and is refused"
                )
                self.look(inner, "never-ran", text)

    def _look_at_mocks(self, scope: ast.AST) -> None:
        troubles, doubts = self._mocks.read(scope, of_self=isinstance(scope, ast.ClassDef))
        for place, topic, text in troubles:
            self.block(place, topic, text)
        for place, topic, text in doubts:
            self.look(place, topic, text)

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
        if full == RETURN_ONCE and _is_plain_return_once(node):
            for child in (*node.args, *keywords.values()):
                self.visit(child)
            return
        if full.startswith("asynctest.patch") and "scope" in keywords:
            self.block(node, "patch-scope", "stdlib patches have no scope")
        if full in ("asynctest.Mock", "asynctest.MagicMock") and "is_coroutine" in keywords:
            self.block(
                node, "is-coroutine",
                "is_coroutine= would become a plain attribute; use AsyncMock or a spec",
            )  # fmt: skip
        if full == "asynctest.CoroutineMock":
            self._look_at_coroutine_mock(node, keywords)
        self.generic_visit(node)

    def _look_at_check(self, decorator: ast.expr, full: str, *, whole_class: bool) -> None:
        """Say what becomes of the checks that a class or a test asks for."""
        kinds = _kinds_asked_for(decorator, full)
        text = f"{full} is dropped: "
        if kinds and whole_class and is_ours(self.view.family(self.where)):
            levels = ", ".join(f'"{kind}": "error"' for kind in kinds)
            self.found.decide(self.where, f"leaks = {{{levels}}}")
            if full != "asynctest.strict" and not _asks_for(decorator, "unused_loop"):
                return
            text += "'leaks' says the same of timers and readers, but nothing of an unused loop"
        elif kinds:
            text += (
                "timers and readers that a test leaves are warnings here unless 'leaks' of its "
                "class makes them errors, and an unused loop is not looked at"
            )
        else:
            text += "what a test leaves behind is looked at here unless 'leaks' says otherwise"
        self.look(decorator, "checks", text)

    def _look_at_coroutine_mock(self, node: ast.Call, keywords: dict[str | None, ast.expr]) -> None:
        if None in keywords or any("." in (name or "") for name in keywords):
            self.block(
                node, "child-mocks", "the attributes that ** configures would become async mocks"
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
            full = self.resolve_outside(decorator)
            if full in CHECKS and not _asks_for_nothing(decorator):
                whole_class = isinstance(node, ast.ClassDef) and len(self.path) == 1
                self._look_at_check(decorator, full, whole_class=whole_class)
        self.path.pop()


def _asks_for_nothing(decorator: ast.expr) -> bool:
    """Tell whether it is ``fail_on`` with nothing but checks that are off."""
    return (
        isinstance(decorator, ast.Call)
        and not decorator.args
        and dotted_ast(decorator.func).endswith("fail_on")
        and all(
            isinstance(keyword.value, ast.Constant) and not keyword.value.value
            for keyword in decorator.keywords
        )
    )


def _asks_for(decorator: ast.expr, check: str) -> bool:
    """Tell whether a check is named, and is not surely off."""
    return isinstance(decorator, ast.Call) and any(
        keyword.arg == check
        and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
        for keyword in decorator.keywords
    )


def _kinds_asked_for(decorator: ast.expr, full: str) -> list[str]:
    """Return what is an error by this decorator, by the names that leaks have here."""
    is_strict = full == "asynctest.strict"
    return [kind for check, kind in CHECKED_KINDS if is_strict or _asks_for(decorator, check)]


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


def _is_plain_return_once(call: ast.Call) -> bool:
    """Tell whether a call of return_once() has a value, perhaps another one, and nothing else."""
    starred = any(isinstance(argument, ast.Starred) for argument in call.args)
    names = [keyword.arg for keyword in call.keywords]
    return not starred and (len(call.args), names) in ((1, []), (2, []), (1, ["then"]))
