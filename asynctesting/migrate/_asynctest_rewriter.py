"""The second half of the rule for asynctest: writing down what has been decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

import libcst as cst

from . import _coroutines
from ._asynctest_names import (
    ASSERTIONS,
    CASE,
    CHECKS,
    CLOCK_SETTINGS,
    CLOCKED,
    MOCKS,
    RETURN_ONCE,
    UNITTEST,
    is_ours,
)
from ._cases import HOOKS
from ._edit import AwaitFixer
from ._model import Survey
from ._super import SuperCalls
from ._survey import View
from ._tree import dotted, is_docstring, tidied, with_block

# What has lost its loop argument in Python 3.10 and finds the running loop by itself.
_WITHOUT_LOOP = frozenset(
    f"asyncio.{name}"
    for name in (
        "BoundedSemaphore", "Condition", "Event", "LifoQueue", "Lock", "PriorityQueue", "Queue",
        "Semaphore", "create_subprocess_exec", "create_subprocess_shell", "open_connection",
        "sleep", "start_server", "wait", "wait_for",
    )
)  # fmt: skip

_Decorated = TypeVar("_Decorated", cst.FunctionDef, cst.ClassDef)


class AsynctestRewriter(AwaitFixer):
    framework = ("asynctest",)
    drops_idle = True

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
        if full == CASE:
            return self.name_from("asynctesting", "AsyncTestCase")
        if name == "mock":
            return self.module("unittest.mock")
        if name in MOCKS:
            if is_bare:
                return self.name_from("unittest.mock", MOCKS[name])
            return cst.Attribute(self.module("unittest.mock"), cst.Name(MOCKS[name]))
        if name in UNITTEST:
            if is_bare:
                return self.name_from("unittest", name)
            return cst.Attribute(self.module("unittest"), cst.Name(name))
        return None

    def change_class(self, original: cst.ClassDef, updated: cst.ClassDef) -> cst.ClassDef:
        """Drop the settings and checks that asynctest alone knows."""
        updated = self._without_checks(updated, original)
        if len(self.path) == 1:
            updated = self._with_clock(original, updated)
            for decision in self.survey.decisions.get(self.where, ()):
                if decision.startswith("leaks"):
                    updated = _with_lines(updated, [decision])
        if len(self.path) != 1 or not is_ours(self.view.family(self.where)):
            return updated
        body = []
        for statement in updated.body.body:
            setting = _setting_in(statement)
            if setting is None:
                body.append(statement)
            elif dotted(setting.targets[0].target) == "use_default_loop":
                scope = self._loop_scope(setting.value)
                if scope:
                    value = setting.with_changes(
                        targets=[setting.targets[0].with_changes(target=cst.Name("loop_scope"))],
                        value=cst.SimpleString(f'"{scope}"'),
                    )
                    body.append(statement.with_changes(body=[value]))
        if body == list(updated.body.body):
            return updated
        return tidied(original, updated.with_changes(body=updated.body.with_changes(body=body)))

    def _loop_scope(self, use_default_loop: cst.BaseExpression) -> str:
        """Return the scope of a class's loop; ``""`` for what is the default anyway."""
        if dotted(use_default_loop) != "False":
            return "session"
        family = self.view.family(self.where)
        above = family.ancestors if family else ()
        return "test" if any("use_default_loop" in facts.attributes for facts in above) else ""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        """Drop ``loop=self.loop`` from calls that have not taken it since Python 3.10."""
        if not self.frozen and self.meaning_of(original_node.func) == RETURN_ONCE:
            return self._value_once(original_node, updated_node)
        if self.frozen or self.meaning_of(original_node.func) not in _WITHOUT_LOOP:
            return updated_node
        kept = [
            argument for argument in updated_node.args
            if not (
                argument.keyword is not None
                and argument.keyword.value == "loop"
                and dotted(argument.value) == "self.loop"
            )
        ]  # fmt: skip
        if len(kept) == len(updated_node.args):
            return updated_node
        if kept:
            kept[-1] = kept[-1].with_changes(comma=updated_node.args[-1].comma)
        return updated_node.with_changes(args=kept)

    def _value_once(self, original: cst.Call, updated: cst.Call) -> cst.BaseExpression:
        """Return the same values as ``return_once()`` gives, by itertools."""
        self.gone(original.func)
        value, *then = (argument.value for argument in updated.args)
        after = then[0] if then else cst.Name("None")
        itertools = self.module("itertools")
        one = cst.List([cst.Element(value)])
        repeat = cst.Call(cst.Attribute(itertools, cst.Name("repeat")), [cst.Arg(after)])
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        chain = cst.Attribute(itertools, cst.Name("chain"))
        return cst.Call(chain, [cst.Arg(one, comma=comma), cst.Arg(repeat)])

    def _without_checks(self, updated: _Decorated, original: _Decorated) -> _Decorated:
        def goes(decorator: cst.Decorator) -> bool:
            full = self.meaning_outside(decorator.decorator)
            return full in CHECKS or full in _coroutines.DECORATORS

        return self.drop_decorators(original, updated, goes)

    def _with_clock(self, original: cst.ClassDef, updated: cst.ClassDef) -> cst.ClassDef:
        bases: list[cst.Arg] = []
        for old, base in zip(original.bases, updated.bases, strict=True):
            if self.meaning_outside(old.value) == CLOCKED:
                self.gone(old.value)
                comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
                mixin = self.name_from("asynctesting", "VirtualClockMixin")
                bases.append(cst.Arg(mixin, comma=comma))
                base = base.with_changes(value=self.name_from("asynctesting", "AsyncTestCase"))
            bases.append(base)
        if len(bases) == len(updated.bases):
            return updated
        return _with_lines(updated.with_changes(bases=bases), CLOCK_SETTINGS)

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """Have the clock advance, where the case did."""
        family = self.view.family(self.path[0]) if self.path else None
        if (
            not self.frozen
            and dotted(original_node) == "self.advance"
            and family is not None
            and CLOCKED in family.roots
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
        in_case = len(self.path) == 2 and is_ours(self.view.family(self.path[0]))
        if in_case and updated.asynchronous is not None:
            name = original.name.value
            if name in HOOKS:
                updated = updated.with_changes(
                    name=updated.name.with_changes(value=HOOKS[name]),
                    body=updated.body.visit(SuperCalls(name, HOOKS[name])),
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
        if name not in ASSERTIONS or dotted(call.func.value) != "self":
            return updated_node
        *arguments, last = call.args
        if len(arguments) != (2 if name.endswith("Regex") else 1):
            return updated_node
        return with_block(
            call.func.with_changes(attr=cst.Name(ASSERTIONS[name])),
            arguments, last.value, updated_node,
        )  # fmt: skip


def _with_lines(node: cst.ClassDef, texts: Sequence[str]) -> cst.ClassDef:
    """Return a class with settings of ours above everything but its docstring."""
    lines = [cast(cst.BaseStatement, cst.parse_statement(text)) for text in texts]
    if not isinstance(node.body, cst.IndentedBlock):  # a body on the line of the class itself
        own = cast(cst.SimpleStatementSuite, node.body)
        block = cst.IndentedBlock([*lines, cst.SimpleStatementLine(own.body)])
        return node.with_changes(body=block)
    body = list(node.body.body)
    place = 1 if body and is_docstring(body[0]) else 0
    body[place:place] = lines
    return node.with_changes(body=node.body.with_changes(body=body))


def _setting_in(statement: cst.CSTNode) -> cst.Assign | None:
    """Return a setting that asynctest alone knows."""
    if not (isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1):
        return None
    small = statement.body[0]
    if (
        isinstance(small, cst.Assign)
        and isinstance(small.targets[0].target, cst.Name)
        and small.targets[0].target.value in ("use_default_loop", "forbid_get_event_loop")
    ):
        return small
    return None
