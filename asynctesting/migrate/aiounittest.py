"""aiounittest: its case and its decorator go, its futures become AsyncMock where that is plain.

What it silently left out (a coroutine ``setUp``, a test called ``testIt``) begins to run; each is
named.
"""

from __future__ import annotations

import ast
import builtins
from typing import ClassVar, cast

import libcst as cst

from ._cases import HOOKS, OURS, PLAIN, STOCK, CaseRewriter, CaseVisitor, decorator_of
from ._edit import rewritten
from ._model import Family, Kind, Survey
from ._names import FunctionNode
from ._names import dotted as dotted_ast
from ._survey import View, hook_trouble, never_ran
from ._tree import dotted, is_docstring, tidied

_CASE = "aiounittest.AsyncTestCase"
_DECORATOR = "aiounittest.async_test"
_FUTURIZED = "aiounittest.futurized"
_RUN_SYNC = "aiounittest.run_sync"
_ROOTS = frozenset({_CASE, PLAIN, STOCK, OURS})
_MOCKS = frozenset({"unittest.mock.Mock", "unittest.mock.MagicMock"})


class Aiounittest:
    """The rule for aiounittest."""

    name: ClassVar[str] = "aiounittest"
    bridges: ClassVar[bool] = True

    def concerns(self, view: View) -> bool:
        """Tell whether the file imports aiounittest or derives from a case that does."""
        imported = (*view.names.imports.values(), *view.names.torn.values())
        return any("aiounittest" in full for full in imported) or any(
            _CASE in family.kin_roots for family in view.families.values()
        )

    def survey(self, view: View) -> Survey:
        """Say what there is to do, and what has to stay as it is."""
        visitor = _Visitor(view, self.name)
        for local, full in sorted(view.names.torn.items()):
            if "aiounittest" in full:
                text = f"{local!r} may be {full}, so what it means here can't be seen"
                visitor.found.findings.append(visitor.left(view.tree, "torn-import", text))
        visitor.visit(view.tree)
        return visitor.found

    def rewrite(
        self, view: View, survey: Survey, frozen: frozenset[str], tree: cst.Module
    ) -> cst.Module:
        """Rewrite what is not frozen."""
        return rewritten(tree, lambda: _Rewriter(view, survey, frozen), view.exported)


class _Visitor(CaseVisitor):
    def __init__(self, view: View, rule: str) -> None:
        super().__init__(view, rule)
        self._bases: set[int] = set()
        self._known: set[int] = set()
        self._futures = used_as_futures(view.tree)
        self._kept: set[int] = set()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            self._bases |= {id(inner) for inner in ast.walk(base)}
        super().visit_ClassDef(node)

    def enter_class(self, node: ast.ClassDef) -> None:
        family = self.view.family(self.where)
        if family is None or len(self.path) > 1:
            return
        functions = self.functions_of(node)
        decorated = {
            name: decorator
            for name, function in functions.items()
            if (decorator := decorator_of(function, _DECORATOR, self)) is not None
        }
        for decorator in decorated.values():
            self._known |= {id(inner) for inner in ast.walk(decorator)}
        if self.view.bridge:
            for name in decorated:
                self.found.decide(f"{self.where}.{name}", "bridge")
            return
        if _CASE in family.kin_roots:
            self._look_at_case(node, family, functions)
        if decorated:
            self._look_at_decorated(node, family, functions, decorated)
        if _CASE in family.kin_roots or decorated:
            self.check_settings(node, family)
            self.found.decide(self.where, "rebase")

    def _look_at_case(
        self, node: ast.ClassDef, family: Family, functions: dict[str, FunctionNode]
    ) -> None:
        facts = family.facts
        if "get_event_loop" in facts.methods:
            self._look_at_get_event_loop(node, functions["get_event_loop"])
        for hook in sorted(family.stray & HOOKS.keys()):
            if hook in facts.methods and facts.methods[hook].kind is Kind.ASYNC:
                text = f"{hook} is called from elsewhere than its own override"
                self.block(functions[hook], "hooks", text)
        trouble = hook_trouble(family, frozenset({_CASE, OURS}))
        if trouble:
            self.block(node, "hooks", trouble)
        for name, method in facts.methods.items():
            self.path.append(name)
            if name in HOOKS and method.kind is Kind.ASYNC:
                self.found.decide(self.where, "hook")
                self.look(
                    functions[name], "never-ran", f"{name} was never awaited before; now it runs"
                )
            elif method.kind is Kind.ASYNC and name.startswith("test") and name[4:5] != "_":
                self.look(
                    functions[name], "never-ran", f"{name} was never awaited before; now it runs"
                )
            self.path.pop()
        others = {
            name: method for name, method in facts.methods.items()
            if not (name in HOOKS and method.kind is Kind.ASYNC)
        }  # fmt: skip
        trouble = never_ran(
            type(facts)(facts.path, facts.qualname, facts.line, (), others, facts.attributes)
        )
        if trouble:
            self.block(node, "never-ran", trouble)

    def _look_at_get_event_loop(self, node: ast.ClassDef, function: FunctionNode) -> None:
        """Find out which loop the tests of a class run on; that of each test needs no word."""
        body = [item for item in function.body if not _is_text(item)]
        value = body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None
        made = self.resolve(value.func) if isinstance(value, ast.Call) and not value.args else ""
        uses = sum(
            isinstance(inner, ast.Attribute) and inner.attr == "get_event_loop"
            and self.resolve(inner) == ""
            for inner in ast.walk(node)
        )  # fmt: skip
        if uses or made not in ("asyncio.new_event_loop", "asyncio.get_event_loop"):
            self.block(
                function, "get-event-loop",
                "get_event_loop chooses the loop of the tests; each test has its own here",
            )  # fmt: skip
            return
        self.found.decide(f"{self.where}.get_event_loop", "drop")
        if made == "asyncio.get_event_loop":
            self.found.decide(self.where, "session")
            self.look(
                function, "get-event-loop",
                "the default loop was shared by all tests of the process, so they share one here; "
                "what a test leaves on it is looked at when the test ends",
            )  # fmt: skip

    def _look_at_decorated(
        self,
        node: ast.ClassDef,
        family: Family,
        functions: dict[str, FunctionNode],
        decorated: dict[str, ast.expr],
    ) -> None:
        strangers = family.strangers(_ROOTS)
        if strangers:
            text = f"what the base {strangers[0]} does can't be seen from here"
            self.block(node, "other-base", text)
        if not family.roots & {_CASE, OURS, STOCK} and PLAIN not in family.facts.bases:
            # Nobody would await the tests of a class whose base stays what it is.
            text = "its base is no async case; make that an AsyncTestCase first"
            self.block(node, "other-base", text)
        if _CASE not in family.kin_roots:
            trouble = never_ran(family.facts)
            if trouble:
                self.block(node, "never-ran", trouble)
        for name, decorator in decorated.items():
            function = functions[name]
            if isinstance(decorator, ast.Call):
                self.block(decorator, "async-test-loop", "async_test is given a loop to run on")
            elif not isinstance(function, ast.AsyncFunctionDef) or not name.startswith("test"):
                self.block(
                    function, "async-test", f"{name} is no coroutine test, but runs what it returns"
                )
            elif name in self.view.tests_used:
                text = f"something calls {name}, and would have to await it then"
                self.block(function, "called", text)
            else:
                self.found.decide(f"{self.where}.{name}", "plain")
        for name, function in functions.items():
            if (
                isinstance(function, ast.AsyncFunctionDef)
                and name.startswith("test")
                and name not in decorated
                and _CASE not in family.kin_roots
            ):
                self.path.append(name)
                text = f"{name} was never awaited before; now it runs"
                self.look(function, "never-ran", text)
                self.path.pop()

    # Helpers -------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(dotted_ast(target) in self._futures for target in node.targets):
            self._kept.add(id(node.value))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        future = _future_in(node, self)
        if future is not None and not self.view.bridge and id(node) not in self._kept:
            self._known |= {id(inner) for inner in ast.walk(future.func)}
        elif (
            isinstance(node.func, ast.Call)
            and self.resolve(node.func.func) == _RUN_SYNC
            and len(node.func.args) == 1
            and not node.func.keywords
        ):
            self._known |= {id(inner) for inner in ast.walk(node.func.func)}
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not self._look_at_reference(node):
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self._look_at_reference(node)

    def _look_at_reference(self, node: ast.expr) -> bool:
        full = self.resolve(node)
        if full.partition(".")[0] != "aiounittest" or full == "aiounittest":
            return False
        if id(node) in self._known or (full == _CASE and id(node) in self._bases):
            return True
        if self.view.bridge and full != _RUN_SYNC:
            return True
        topic, text = {
            _CASE: ("instance", "the case is used for something else than as a base"),
            _FUTURIZED: (
                "futurized",
                "whether this future stands for a value or an error, and who awaits it, can't be "
                "seen from here",
            ),
            _DECORATOR: ("async-test", "async_test is not used on a method of a case"),
            _RUN_SYNC: ("run-sync", "run_sync is not called on the spot, or is given a loop"),
        }.get(full, ("no-equivalent", f"{full} has no equivalent"))
        self.found.findings.append(self.left(node, topic, text))
        return True


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def used_as_futures(tree: ast.Module) -> frozenset[str]:
    """Return names of what is called for something else than to be awaited.

    A future that nobody awaits is nothing, and can be asked for its result; a coroutine can't.
    """
    awaited: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Await):
            awaited.add(id(node.value))
        elif isinstance(node, ast.Call):
            # Whoever is given a coroutine can await it just as well.
            awaited |= {id(argument) for argument in node.args}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and id(node) not in awaited:
            found.add(dotted_ast(node.func))
        elif isinstance(node, ast.Attribute) and node.attr == "return_value":
            found.add(dotted_ast(node.value))
    return frozenset(found)


def _future_in(node: ast.Call, visitor: CaseVisitor) -> ast.Call | None:
    """Return ``futurized(...)`` of ``Mock(return_value=futurized(...))`` where that is plain."""
    if visitor.resolve(node.func) not in _MOCKS or node.args or len(node.keywords) != 1:
        return None
    keyword = node.keywords[0]
    value = keyword.value
    if keyword.arg != "return_value" or not isinstance(value, ast.Call):
        return None
    if visitor.resolve(value.func) != _FUTURIZED or len(value.args) != 1 or value.keywords:
        return None
    return value if _is_value(value.args[0]) or _is_exception(value.args[0]) else None


def _is_value(node: ast.expr) -> bool:
    return isinstance(
        node, (ast.Constant, ast.Dict, ast.List, ast.Set, ast.Tuple, ast.JoinedStr, ast.ListComp)
    )


def _is_exception(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = dotted_ast(node.func).rpartition(".")[2]
    known = getattr(builtins, name, None)
    return name.endswith(("Error", "Exception")) or (
        isinstance(known, type) and issubclass(known, BaseException)
    )


class _Rewriter(CaseRewriter):
    framework = ("aiounittest", "unittest")
    _cases = frozenset({_CASE, PLAIN, STOCK})

    def __init__(self, view: View, survey: Survey, frozen: frozenset[str]) -> None:
        super().__init__(view, survey, frozen)
        self._futures = used_as_futures(view.tree)
        self._kept: set[int] = set()

    def visit_Assign(self, node: cst.Assign) -> None:
        if any(dotted(target.target) in self._futures for target in node.targets):
            self._kept.add(id(node.value))

    def change_function(
        self, original: cst.FunctionDef, updated: cst.FunctionDef
    ) -> cst.FunctionDef | cst.RemovalSentinel:
        """Drop the decorator that ran the test; rename a hook that was never awaited."""
        decisions = self.decisions(self.where)
        if "plain" in decisions:
            updated = self.drop_decorators(
                original, updated, lambda item: self.meaning_outside(item.decorator) == _DECORATOR
            )
        if "hook" in decisions:
            updated = self.renamed_hook(updated)
        if "drop" in decisions:
            self.gone(original)
            return cst.RemoveFromParent()
        return updated

    def change_class(self, original: cst.ClassDef, updated: cst.ClassDef) -> cst.ClassDef:
        """Share a loop among the tests that shared one."""
        body = list(updated.body.body)
        if "session" in self.decisions(self.where) and isinstance(updated.body, cst.IndentedBlock):
            place = 1 if body and is_docstring(body[0]) else 0
            setting = cst.parse_statement('loop_scope = "session"')
            body.insert(place, cast(cst.BaseStatement, setting))
            updated = updated.with_changes(body=updated.body.with_changes(body=body))
        if len(updated.body.body) != len(original.body.body) or not body:
            updated = tidied(original, updated)
        return updated

    def replacement(self, full: str, node: cst.CSTNode) -> cst.BaseExpression | None:
        """Return the new base, or over the bridge the decorator of the same name."""
        if self.view.bridge:
            if full == _DECORATOR and "bridge" in self.decisions(self.where):
                return self.name_from("asynctesting", "async_test")
            return None
        return super().replacement(full, node)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        """Call what ``run_sync`` was given; make a mock of a future one that is awaited."""
        if self.frozen:
            return updated_node
        func = original_node.func
        if isinstance(func, cst.Call) and self.meaning_of(func.func) == _RUN_SYNC:
            if len(func.args) == 1 and func.args[0].keyword is None:
                self.gone(func.func)
                inner = updated_node.with_changes(func=func.args[0].value)
                bridge = self.name_from("asynctesting", "get_async_result")
                return cst.Call(bridge, [cst.Arg(inner.with_changes(lpar=(), rpar=()))])
            return updated_node
        if self.view.bridge or self.meaning_of(func) not in _MOCKS:
            return updated_node
        if id(original_node) in self._kept:
            return updated_node
        return self._as_async_mock(original_node, updated_node)

    def _as_async_mock(self, original: cst.Call, updated: cst.Call) -> cst.BaseExpression:
        if len(original.args) != 1 or dotted(original.args[0].keyword) != "return_value":
            return updated
        future = original.args[0].value
        if not (isinstance(future, cst.Call) and self.meaning_of(future.func) == _FUTURIZED):
            return updated
        value = ast.parse(cst.Module([]).code_for_node(future.args[0].value), mode="eval").body
        if len(future.args) != 1 or not (_is_value(value) or _is_exception(value)):
            return updated
        self.gone(future.func)
        word = "side_effect" if _is_exception(value) else "return_value"
        assert isinstance(updated.args[0].value, cst.Call)
        argument = updated.args[0].with_changes(
            keyword=cst.Name(word), value=updated.args[0].value.args[0].value
        )
        if isinstance(original.func, cst.Attribute):
            attribute = original.func.with_changes(attr=cst.Name("AsyncMock"))
            return updated.with_changes(func=attribute, args=[argument])
        self.gone(original.func)
        func = self.name_from("unittest.mock", "AsyncMock")
        return updated.with_changes(func=func, args=[argument])
