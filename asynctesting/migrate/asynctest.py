"""asynctest: its case, its mocks and its decorators become unittest's own and AsyncTestCase.

asynctest can't be imported since Python 3.11, so nothing that is left on it runs. All the same a
class stays as it is where the two libraries would do different things under the same name.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import ClassVar, TypeVar, cast

import libcst as cst

from . import _coroutines
from ._edit import AwaitFixer, awaited, dotted, rewritten, tidied
from ._model import Family, Kind, Survey
from ._names import FunctionNode
from ._names import dotted as dotted_ast
from ._super import SuperCalls
from ._survey import Scoped, View, hook_trouble, settings_trouble

_Decorated = TypeVar("_Decorated", cst.FunctionDef, cst.ClassDef)

_OURS = "asynctesting.AsyncTestCase"
_CASE = "asynctest.TestCase"
_CLOCKED = "asynctest.ClockedTestCase"
_HOOKS = {"setUp": "asyncSetUp", "tearDown": "asyncTearDown"}

# A ClockedTestCase gets a virtual clock that starts at 0 and moves by hand only, and
# `self.advance(seconds)` becomes `self.clock.advance(seconds)`.
_CLOCK_SETTINGS = ('clock_mode = "manual"', "clock_start = 0")

_MOCKS = {
    name: name
    for name in (
        "ANY", "DEFAULT", "FILTER_DIR", "MagicMock", "Mock", "NonCallableMagicMock",
        "NonCallableMock", "PropertyMock", "call", "create_autospec", "mock_open", "patch",
        "sentinel",
    )
} | {"CoroutineMock": "AsyncMock"}  # fmt: skip
_UNITTEST = frozenset(
    {
        "BaseTestSuite", "SkipTest", "TestLoader", "TestResult", "TestSuite", "TextTestResult",
        "TextTestRunner", "defaultTestLoader", "expectedFailure", "installHandler", "main",
        "registerResult", "removeHandler", "removeResult", "skip", "skipIf", "skipUnless",
    }
)  # fmt: skip
_CHECKS = frozenset({"asynctest.fail_on", "asynctest.strict", "asynctest.lenient"}) | {
    "asynctest.ignore_loop"
}
_ASSERTIONS = {
    "assertAsyncRaises": "assertRaises",
    "assertAsyncRaisesRegex": "assertRaisesRegex",
    "assertAsyncWarns": "assertWarns",
    "assertAsyncWarnsRegex": "assertWarnsRegex",
}
_NO_EQUIVALENT = {
    "asynctest.ClockedTestCase": ("clock", "only as a base of a class does it have an equivalent"),
    "asynctest.FunctionTestCase": ("function-test-case", "write the function as a method"),
    "asynctest.exhaust_callbacks": (
        "exhaust-callbacks",
        "nothing says how long 'all callbacks' takes; await what the test waits for",
    ),
    "asynctest.return_once": ("return-once", "write side_effect=[value, ...] instead"),
    "asynctest.LIMITED": ("patch-scope", "no patch is undone while a coroutine is suspended"),
    "asynctest.GLOBAL": ("patch-scope", "stdlib patches have no scope; drop the argument"),
}
_MOCK_API = frozenset(
    {
        "assert_any_await", "assert_any_call", "assert_awaited", "assert_awaited_once",
        "assert_awaited_once_with", "assert_awaited_with", "assert_called", "assert_called_once",
        "assert_called_once_with", "assert_called_with", "assert_has_awaits", "assert_has_calls",
        "assert_not_awaited", "assert_not_called", "attach_mock", "await_args", "await_args_list",
        "await_count", "call_args", "call_args_list", "call_count", "called", "configure_mock",
        "method_calls", "mock_add_spec", "mock_calls", "reset_mock", "return_value", "side_effect",
    }
)  # fmt: skip


class Asynctest:
    """The rule for asynctest."""

    name: ClassVar[str] = "asynctest"

    def concerns(self, view: View) -> bool:
        """Tell whether the file imports asynctest or derives from a case that does."""
        return (
            any(full.partition(".")[0] == "asynctest" for full in view.names.imports.values())
            or any("asynctest" in full for full in view.names.torn.values())
            or any(_is_ours(family) for family in view.families.values())
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
        visitor.visit(view.tree)
        return visitor.found

    def rewrite(
        self, view: View, survey: Survey, frozen: frozenset[str], tree: cst.Module
    ) -> cst.Module:
        """Rewrite what is not frozen."""
        more = {where for where, what in survey.decisions.items() if "frozen" in what}
        return rewritten(tree, lambda: _Rewriter(view, survey, frozen | more))


def _is_ours(family: Family | None) -> bool:
    return family is not None and bool({_CASE, _CLOCKED} & family.kin_roots)


class _Visitor(Scoped):
    def __init__(self, view: View, rule: str) -> None:
        super().__init__(view, rule)
        self._bases: set[int] = set()

    def enter_class(self, node: ast.ClassDef) -> None:
        self._bases |= {id(base) for base in node.bases}
        family = self.view.family(self.where)
        if not _is_ours(family) or len(self.classes) > 1:
            return
        assert family is not None
        trouble = hook_trouble(family, frozenset({_CASE, _CLOCKED, _OURS}))
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
        in_case = len(self.path) == 2 and _is_ours(self.view.family(self.path[0]))
        is_generator = any(name in _coroutines.DECORATORS for name in decorators) or (
            in_case
            and (node.name.startswith("test") or node.name in _HOOKS)
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
                and inner.attr not in _MOCK_API
                and not inner.attr.startswith("_")
                and inner.attr != "awaited"
            ):
                self.block(
                    inner, "child-mocks",
                    f"{_dotted(inner)} is a plain mock here, and would become an async one",
                )  # fmt: skip

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr == "awaited" and self._has_mocks():
            self.block(
                node, "awaited",
                "an AsyncMock has no 'awaited' to wait for: the attribute would be made up, and "
                "waiting for it would return at once",
            )  # fmt: skip
        if node.attr in _HOOKS and self._is_stray_hook(node):
            self.block(
                node, "hooks",
                f"{node.attr} is called from elsewhere than its own override",
            )  # fmt: skip
        if not self._look_at_reference(node):
            self.generic_visit(node)

    def _is_stray_hook(self, node: ast.Attribute) -> bool:
        family = self.view.family(self.path[0]) if self.path else None
        if family is None or not _is_ours(family):
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

    def _has_mocks(self) -> bool:
        return any(
            full.partition(".")[0] == "asynctest" for full in self.view.names.imports.values()
        )

    def visit_Name(self, node: ast.Name) -> None:
        self._look_at_reference(node)

    def _look_at_reference(self, node: ast.expr) -> bool:
        full = self.resolve(node)
        if full.partition(".")[0] != "asynctest":
            return False
        if _is_known(full):
            return True
        if full == _CLOCKED and id(node) in self._bases:
            self.look(
                node, "clock",
                "time.monotonic() moves with the virtual clock, too, which asynctest left alone",
            )  # fmt: skip
            return True
        topic, why = _NO_EQUIVALENT.get(full, ("no-equivalent", "it has no equivalent"))
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
        full in ("asynctest", "asynctest.mock", _CASE)
        or first in _MOCKS
        or first in _UNITTEST
        or full in _CHECKS
    )


def _assertion(node: ast.AST | None) -> str:
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _ASSERTIONS
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


class _Rewriter(AwaitFixer):
    framework = ("asynctest",)

    def __init__(self, view: View, survey: Survey, frozen: frozenset[str]) -> None:
        super().__init__(view.names, frozen)
        self.view = view
        self.survey = survey

    def replacement(self, full: str, node: cst.CSTNode) -> cst.BaseExpression | None:
        """Return what a name of asynctest is called now."""
        module, _, name = full.partition(".")
        if module != "asynctest":
            return None
        is_bare = isinstance(node, cst.Name)
        if full == _CASE:
            return self.name_from("asynctesting", "AsyncTestCase")
        if name == "mock":
            return self.module("unittest.mock")
        if name in _MOCKS:
            if is_bare:
                return self.name_from("unittest.mock", _MOCKS[name])
            return cst.Attribute(self.module("unittest.mock"), cst.Name(_MOCKS[name]))
        if name in _UNITTEST:
            if is_bare:
                return self.name_from("unittest", name)
            return cst.Attribute(self.module("unittest"), cst.Name(name))
        return None

    def change_class(self, original: cst.ClassDef, updated: cst.ClassDef) -> cst.ClassDef:
        """Drop the settings and checks that asynctest alone knows."""
        updated = self._without_checks(updated, original)
        if len(self.path) == 1:
            updated = self._with_clock(original, updated)
        if len(self.path) != 1 or not _is_ours(self.view.family(self.where)):
            return updated
        body = [statement for statement in updated.body.body if not _is_setting(statement)]
        if len(body) == len(updated.body.body):
            return updated
        return tidied(original, updated.with_changes(body=updated.body.with_changes(body=body)))

    def _without_checks(self, updated: _Decorated, original: _Decorated) -> _Decorated:
        def goes(decorator: cst.Decorator) -> bool:
            full = self.meaning_outside(decorator.decorator)
            return full in _CHECKS or full in _coroutines.DECORATORS

        return self.drop_decorators(original, updated, goes)

    def _with_clock(self, original: cst.ClassDef, updated: cst.ClassDef) -> cst.ClassDef:
        bases: list[cst.Arg] = []
        for old, base in zip(original.bases, updated.bases, strict=True):
            if self.meaning_outside(old.value) == _CLOCKED:
                self.gone(old.value)
                comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
                mixin = self.name_from("asynctesting", "VirtualClockMixin")
                bases.append(cst.Arg(mixin, comma=comma))
                base = base.with_changes(value=self.name_from("asynctesting", "AsyncTestCase"))
            bases.append(base)
        if len(bases) == len(updated.bases):
            return updated
        lines = [cast(cst.BaseStatement, cst.parse_statement(line)) for line in _CLOCK_SETTINGS]
        if isinstance(updated.body, cst.IndentedBlock):
            body = updated.body.with_changes(body=[*lines, *updated.body.body])
        else:  # a body on the line of the class itself
            own = cast(cst.SimpleStatementSuite, updated.body)
            body = cst.IndentedBlock([*lines, cst.SimpleStatementLine(own.body)])
        return updated.with_changes(bases=bases, body=body)

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """Have the clock advance, where the case did."""
        family = self.view.family(self.path[0]) if self.path else None
        if (
            not self.frozen
            and dotted(original_node) == "self.advance"
            and family is not None
            and _CLOCKED in family.roots
        ):
            return cst.Attribute(
                cst.Attribute(cst.Name("self"), cst.Name("clock")), cst.Name("advance")
            )
        return super().leave_Attribute(original_node, updated_node)

    def change_function(
        self, original: cst.FunctionDef, updated: cst.FunctionDef
    ) -> cst.FunctionDef:
        """Make generators coroutines, and rename the hooks that are coroutines."""
        decisions = self.survey.decisions.get(self.where, ())
        if "to-async" in decisions:
            updated = _coroutines.to_async(updated)
        updated = self._without_checks(updated, original)
        in_case = len(self.path) == 2 and _is_ours(self.view.family(self.path[0]))
        if in_case and updated.asynchronous is not None:
            name = original.name.value
            if name in _HOOKS:
                updated = updated.with_changes(
                    name=updated.name.with_changes(value=_HOOKS[name]),
                    body=updated.body.visit(SuperCalls(name, _HOOKS[name])),
                )
        return updated

    def leave_SimpleStatementLine(
        self,
        original_node: cst.SimpleStatementLine,
        updated_node: cst.SimpleStatementLine,
    ) -> cst.BaseStatement:
        """Turn an awaited assertion into a ``with`` block."""
        if self.frozen or len(updated_node.body) != 1:
            return updated_node
        small = updated_node.body[0]
        value = small.value if isinstance(small, cst.Expr) else None
        call: cst.BaseExpression | None = None
        if isinstance(value, cst.Await):
            call = value.expression
        elif isinstance(value, cst.Yield) and isinstance(value.value, cst.From):
            call = value.value.item
        if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
            return updated_node
        name = call.func.attr.value
        if name not in _ASSERTIONS or dotted(call.func.value) != "self":
            return updated_node
        *arguments, last = call.args
        if len(arguments) != (2 if name.endswith("Regex") else 1):
            return updated_node
        return with_block(
            call.func.with_changes(attr=cst.Name(_ASSERTIONS[name])),
            arguments, last.value, updated_node,
        )  # fmt: skip


def with_block(
    function: cst.BaseExpression,
    arguments: Sequence[cst.Arg],
    awaitable: cst.BaseExpression,
    line: cst.SimpleStatementLine,
) -> cst.With:
    """Return ``with function(arguments): await awaitable`` in place of *line*."""
    arguments = [*arguments[:-1], arguments[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)]
    body = cst.SimpleStatementLine(
        [cst.Expr(awaited(awaitable))], trailing_whitespace=line.trailing_whitespace
    )
    return cst.With(
        items=[cst.WithItem(cst.Call(function, arguments))],
        body=cst.IndentedBlock([body]),
        leading_lines=line.leading_lines,
    )


def _is_setting(statement: cst.CSTNode) -> bool:
    if not (isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1):
        return False
    small = statement.body[0]
    return (
        isinstance(small, cst.Assign)
        and isinstance(small.targets[0].target, cst.Name)
        and small.targets[0].target.value in ("use_default_loop", "forbid_get_event_loop")
    )
