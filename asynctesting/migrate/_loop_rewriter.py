"""The second half of the rule for home-made loops: writing down what has been decided."""

from __future__ import annotations

import ast

import libcst as cst

from . import _coroutines
from ._cases import HOOKS, MIXIN, PLAIN, STOCK, CaseRewriter
from ._inline import inlined
from ._loops import Reader, is_loop_line
from ._model import Survey
from ._names import functions_in
from ._super import SuperCalls
from ._survey import View
from ._tree import as_async, awaited, dotted, tidied, with_block


class LoopRewriter(CaseRewriter):
    framework = ("unittest", "asyncio")

    def __init__(self, view: View, survey: Survey, frozen: frozenset[str]) -> None:
        super().__init__(view, survey, frozen)
        self._function_nodes = dict(functions_in(view.tree))
        self._loops_by_method: dict[str, set[str]] = {}

    # Which method of which class we are in -------------------------------------------------

    @property
    def _method(self) -> str:
        """The method around the current node, inner functions included."""
        return ".".join(self.path[:2]) if len(self.path) >= 2 else ""

    @property
    def _loops(self) -> set[str]:
        family = self.view.family(self.path[0]) if self.path else None
        if family is None or "drop-loop" not in self.decisions(self.path[0]):
            return set()
        return {f"self.{name}" for name in family.loops}

    @property
    def cases(self) -> frozenset[str]:
        """The bases that AsyncTestCase takes the place of; over the bridge there are none."""
        return frozenset() if self.view.bridge else frozenset({PLAIN, STOCK})

    def change_class(self, original: cst.ClassDef, updated: cst.ClassDef) -> cst.ClassDef:
        """Give the class its mixin in a bridged suite."""
        if self.view.bridge and "rebase" in self.decisions(self.where):
            bases = [self.meaning_outside(base.value) for base in original.bases]
            if PLAIN in bases and MIXIN not in bases:
                mixin = cst.Arg(
                    self.name_from("asynctesting", "AsyncResultMixin"),
                    comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")),
                )
                updated = updated.with_changes(bases=[mixin, *updated.bases])
        if len(updated.body.body) < len(original.body.body):
            updated = tidied(original, updated)
        return updated

    # Functions -----------------------------------------------------------------------------

    def change_function(
        self, original: cst.FunctionDef, updated: cst.FunctionDef
    ) -> cst.FunctionDef | cst.RemovalSentinel:
        """Make a test await, rename a hook that does, drop a hook that is empty now."""
        decisions = self.decisions(self.where)
        if len(self.path) == 2 and not updated.body.body:
            return cst.RemoveFromParent()
        if "await" not in decisions:
            return updated
        name = original.name.value
        updated = self.drop_decorators(original, updated, self._is_done_for)
        if updated.asynchronous is None and any(
            self.meaning_outside(item.decorator) in _coroutines.DECORATORS
            for item in original.decorators
        ):
            updated = _coroutines.to_async(updated)
        for decision in decisions:
            if decision.startswith("inline:"):
                updated = inlined(updated, decision.partition(":")[2])
        updated = as_async(updated)
        if name in HOOKS:
            updated = updated.with_changes(
                name=cst.Name(HOOKS[name]),
                body=updated.body.visit(SuperCalls(name, HOOKS[name])),
            )
        return updated

    def _is_done_for(self, decorator: cst.Decorator) -> bool:
        written = dotted(decorator.decorator)
        return written in self.view.decorators or (
            self.meaning_outside(decorator.decorator) in _coroutines.DECORATORS
        )

    # Lines that make, close or run a loop --------------------------------------------------

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.RemovalSentinel | cst.FlattenSentinel[cst.BaseStatement]:
        """Drop a line about a loop that is no more; give an assertion its ``with`` block."""
        kept = self._kept(original_node, updated_node)
        if not kept:
            return cst.RemoveFromParent()
        updated_node = updated_node.with_changes(body=kept)
        if len(kept) == 1 and "await" in self.decisions(self._method) and len(self.path) == 2:
            return self._asserted(updated_node)
        return updated_node

    def leave_SimpleStatementSuite(
        self, original_node: cst.SimpleStatementSuite, updated_node: cst.SimpleStatementSuite
    ) -> cst.BaseSuite:
        """Drop the same from a body on the line of its function."""
        return updated_node.with_changes(body=self._kept(original_node, updated_node))

    def _kept(
        self,
        original: cst.SimpleStatementLine | cst.SimpleStatementSuite,
        updated: cst.SimpleStatementLine | cst.SimpleStatementSuite,
    ) -> list[cst.BaseSmallStatement]:
        """Return the statements of a line but for those about a loop that is no more."""
        kept = list(updated.body)
        if self.frozen or len(self.path) < 2:
            return kept
        decisions = self.decisions(self._method)
        for old, small in zip(original.body, updated.body, strict=True):
            if self._is_dropped(old, decisions):
                self.gone(old)
                kept.remove(small)
        if kept and len(kept) < len(updated.body):
            kept[-1] = kept[-1].with_changes(semicolon=cst.MaybeSentinel.DEFAULT)
        return kept

    def _is_dropped(self, small: cst.BaseSmallStatement, decisions: set[str]) -> bool:
        if not isinstance(small, (cst.Expr, cst.Assign)):
            return False
        names: set[str] = set()
        if len(self.path) == 2 and self.path[1] in (*HOOKS, *HOOKS.values()):
            names |= self._loops
        if "await" in decisions:
            own = self._own_loops()
            kept = {name for name in own if f"keep:{name}" in decisions}
            names |= own - kept if isinstance(small, cst.Assign) else own
        if not names:
            return False
        (statement,) = ast.parse(cst.Module([]).code_for_node(small)).body
        if not is_loop_line(statement, names, self.view, self.path):
            return False
        # Synchronous tests may still look for the current loop.
        is_setting = "set_event_loop" in ast.unparse(statement)
        return not is_setting or "all-async" in self.decisions(self.path[0])

    def _own_loops(self) -> set[str]:
        method = self._method
        if method not in self._loops_by_method:
            reader = Reader(self.view, frozenset(), frozenset(), self.path[:1])
            node = self._function_nodes.get(method)
            self._loops_by_method[method] = reader.read(node).own_loops if node else set()
        return self._loops_by_method[method]

    def leave_Assign(
        self, original_node: cst.Assign, updated_node: cst.Assign
    ) -> cst.BaseSmallStatement:
        """Have a loop that the function goes on using be the one that runs."""
        if self.frozen or len(self.path) != 2:
            return updated_node
        target = original_node.targets[0].target
        if (
            isinstance(target, cst.Name)
            and f"keep:{target.value}" in self.decisions(self._method)
            and isinstance(original_node.value, cst.Call)
            and self.meaning_of(original_node.value.func).startswith("asyncio.")
            and "event_loop" in dotted(original_node.value.func)
        ):
            func = original_node.value.func
            name = cst.Name("get_running_loop")
            new = (
                func.with_changes(attr=name)
                if isinstance(func, cst.Attribute)
                else self.name_from("asyncio", "get_running_loop")
            )
            return updated_node.with_changes(value=original_node.value.with_changes(func=new))
        return updated_node

    def _asserted(self, line: cst.SimpleStatementLine) -> cst.BaseStatement:
        small = line.body[0]
        call = small.value if isinstance(small, cst.Expr) else None
        if (
            isinstance(call, cst.Call)
            and dotted(call.func) == "self.assertRaises"
            and len(call.args) == 3
            and isinstance(call.args[1].value, cst.Attribute)
            and call.args[1].value.attr.value == "run_until_complete"
        ):
            return with_block(call.func, [call.args[0]], call.args[2].value, line)
        return line

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        """Await what was run, or run it over the bridge."""
        if self.frozen or len(self.path) < 2:
            return updated_node
        decisions = self.decisions(self._method)
        if not decisions & {"await", "bridge"}:
            return updated_node
        if not self._is_run(original_node):
            return updated_node
        self.gone(original_node.func)
        if "bridge" in decisions:
            func = cst.Attribute(cst.Name("self"), cst.Name("get_async_result"))
            return updated_node.with_changes(func=func)
        if len(self.path) != 2:
            return updated_node
        argument = updated_node.args[0]
        has_lines = isinstance(updated_node.whitespace_before_args, cst.ParenthesizedWhitespace)
        value = argument.value
        if isinstance(value, cst.Await) and not value.lpar:
            return cst.Await(expression=value)
        result = awaited(value)
        if has_lines and isinstance(
            updated_node.whitespace_before_args, cst.BaseParenthesizableWhitespace
        ):
            # The argument began on a line of its own; the parentheses keep it (and its comments).
            result = cst.Await(
                expression=value.with_changes(
                    lpar=[cst.LeftParen(whitespace_after=updated_node.whitespace_before_args)],
                    rpar=[cst.RightParen(whitespace_before=argument.whitespace_after_arg)],
                )
            )
        return result.with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)

    def _is_run(self, call: cst.Call) -> bool:
        if len(call.args) != 1 or call.args[0].star or call.args[0].keyword is not None:
            return False
        written = dotted(call.func)
        family = self.view.family(self.path[0])
        runners = family.runners if family else frozenset()
        if isinstance(call.func, cst.Attribute) and call.func.attr.value == "run_until_complete":
            return True
        return (
            self.meaning_of(call.func) == "asyncio.run"
            or written in self.view.runners
            or (written.startswith("self.") and written[5:] in runners)
        )

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """Call the loop by the name that AsyncTestCase has for it."""
        result = super().leave_Attribute(original_node, updated_node)
        if self.frozen or self.view.bridge or not self.path:
            return result
        written = dotted(original_node)
        if written in self._loops and written != "self.loop":
            assert isinstance(result, cst.Attribute)
            return result.with_changes(attr=cst.Name("loop"))
        return result
