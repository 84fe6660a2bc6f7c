"""Tornado's AsyncTestCase and gen_test: generator tests become coroutines.

What a test yields to Tornado's runner may be a list or a dict of futures, too, for which Tornado
keeps its ``gen.multi``: it waits for all of them, even where one has failed. Tests that
stop and wait, and those that fetch synchronously, drive the loop by hand and stay on Tornado.
"""

from __future__ import annotations

import ast
from typing import ClassVar, cast

import libcst as cst

from ._cases import OURS, PLAIN, STOCK, CaseRewriter, CaseVisitor, decorator_of
from ._edit import rewritten
from ._model import Family, Kind, Survey
from ._names import FunctionNode, walk_own
from ._names import dotted as dotted_ast
from ._survey import View, never_ran
from ._tree import as_async, awaited, dotted, is_docstring

_CASE = "tornado.testing.AsyncTestCase"
_TEST = "tornado.testing.gen_test"
_RETURN = "tornado.gen.Return"
_OWN_ROOTS = frozenset({_CASE, OURS, PLAIN, STOCK})
_DEFAULT_TIMEOUT = 5
_BY_HAND = {
    "stop": "stop-and-wait",
    "wait": "stop-and-wait",
    "get_new_ioloop": "new-ioloop",
    "should_close_asyncio_loop": "new-ioloop",
}


class Tornado:
    """The rule for Tornado's test cases."""

    name: ClassVar[str] = "tornado"
    bridges: ClassVar[bool] = False

    def concerns(self, view: View) -> bool:
        """Tell whether a class of the file derives from one of Tornado's cases."""
        return any(
            root.startswith("tornado.testing.")
            for family in view.families.values()
            for root in family.kin_roots
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
        if family is None or len(self.path) > 1:
            return
        theirs = {root for root in family.kin_roots if root.startswith("tornado.testing.")}
        if not theirs:
            return
        if theirs != {_CASE}:
            name = sorted(theirs - {_CASE})[0].rpartition(".")[2]
            self.block(
                node, "http-server",
                f"{name} starts a server and fetches from it synchronously, which has no "
                "equivalent; see how a server is started in asyncSetUp",
            )  # fmt: skip
            return
        strangers = family.strangers(_OWN_ROOTS)
        if strangers:
            text = f"what the base {strangers[0]} does can't be seen from here"
            self.block(node, "other-base", text)
        self.check_settings(node, family)
        self._look_at_use(node)
        for name, function in self.functions_of(node).items():
            self.path.append(name)
            self._look_at_test(function, family)
            self.path.pop()
        self.found.decide(self.where, "rebase")

    def _look_at_use(self, node: ast.ClassDef) -> None:
        aliases = {
            dotted_ast(inner.targets[0])
            for inner in ast.walk(node)
            if isinstance(inner, ast.Assign) and dotted_ast(inner.value) == "self"
        }
        for inner in ast.walk(node):
            if not isinstance(inner, ast.Attribute):
                continue
            if inner.attr in ("io_loop", *_BY_HAND) and dotted_ast(inner.value) in aliases:
                text = f"{dotted_ast(inner)} is used under another name than self"
                self.block(inner, "io-loop", text)
            if dotted_ast(inner.value) == "self" and inner.attr in _BY_HAND:
                self.block(
                    inner, _BY_HAND[inner.attr],
                    f"self.{inner.attr} drives the loop by hand; await what it waits for",
                )  # fmt: skip
            if inner.attr == "run_sync" and dotted_ast(inner.value) == "self.io_loop":
                self.block(inner, "io-loop", "self.io_loop.run_sync runs the loop by hand")
        for function in node.body:
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            uses = [item for item in ast.walk(function) if dotted_ast(item) == "self.io_loop"]
            text = ast.unparse(function).lower()
            if uses and ("thread" in text or "executor" in text):
                self.block(
                    uses[0], "io-loop", f"{function.name} may use self.io_loop in another thread"
                )
            if function.name in _BY_HAND:
                self.block(function, _BY_HAND[function.name], f"{function.name} is overridden")
            if self._is_gen_test(function) or isinstance(function, ast.AsyncFunctionDef):
                continue
            for inner in ast.walk(function):
                if isinstance(inner, ast.Attribute) and dotted_ast(inner) == "self.io_loop":
                    self.block(
                        inner, "io-loop",
                        f"{function.name} uses self.io_loop while no loop runs",
                    )  # fmt: skip
                    break

    def _is_gen_test(self, function: FunctionNode) -> bool:
        path = self.path
        self.path = [self.classes[0]]
        try:
            return decorator_of(function, _TEST, self) is not None
        finally:
            self.path = path

    def _look_at_test(self, function: FunctionNode, family: Family) -> None:
        method = family.facts.methods[function.name]
        if method.kind is Kind.ASYNC_GENERATOR:
            text = f"{function.name} is async and has a 'yield' in it, so nothing of it ever ran"
            self.block(function, "never-ran", text)
        if function.name in self.view.tests_used:
            text = f"something calls {function.name}, and would have to await it then"
            self.block(function, "called", text)
        if _TEST not in method.decorators:
            only = type(family.facts)(
                family.facts.path, family.facts.qualname, function.lineno, (),
                {function.name: method}, frozenset(),
            )  # fmt: skip
            trouble = never_ran(only)
            if trouble:
                self.block(function, "never-ran", trouble)
            elif method.kind is Kind.ASYNC and function.name.startswith("test"):
                self.look(function, "never-ran", f"{function.name} was never awaited; now it runs")
            return
        if len(method.decorators) > 1 and any(
            not name.startswith(("unittest.", "tornado.test.util.", "tornado.testing.gen_test"))
            for name in method.decorators
        ):
            self.block(
                function, "decorators",
                f"whether the decorators of {function.name} can wrap a coroutine function can't "
                "be seen from here",
            )  # fmt: skip
        self._look_at_timeout(function)
        if method.kind is Kind.GENERATOR:
            self._look_at_yields(function)
            self._look_at_returns(function)
        elif method.kind is Kind.SYNC:
            for node in walk_own(function):
                if isinstance(node, ast.Return) and not isinstance(
                    node.value, (ast.Constant, type(None))
                ):
                    text = f"{function.name} returns a value; if it can be awaited, now it is"
                    self.look(node, "never-ran", text)
        self.found.decide(self.where, "gen-test")

    def _look_at_returns(self, function: FunctionNode) -> None:
        """Refuse ``raise gen.Return`` where something around it would catch it."""
        for around in walk_own(function):
            if not (
                isinstance(around, (ast.With, ast.AsyncWith))
                or (isinstance(around, (ast.Try, ast.TryStar)) and around.handlers)
            ):
                continue
            for statement in around.body:
                for node in ast.walk(statement):
                    if isinstance(node, ast.Raise) and node.exc is not None:
                        error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                        if self.resolve(error) == _RETURN:
                            text = "gen.Return is an exception, which what is around may catch"
                            self.block(node, "yields", text)

    def _look_at_timeout(self, function: FunctionNode) -> None:
        for decorator in function.decorator_list:
            if not isinstance(decorator, ast.Call):
                continue
            if self.view.names.resolve(dotted_ast(decorator.func), self.path[:1]) != _TEST:
                continue
            value = decorator.keywords[0].value if len(decorator.keywords) == 1 else None
            if decorator.args or (decorator.keywords and decorator.keywords[0].arg != "timeout"):
                self.block(decorator, "timeout", "gen_test has arguments that are not known")
            elif value is not None and isinstance(value, ast.Constant) and not value.value:
                self.block(decorator, "timeout", "its timeout is no limit that can be meant")

    def _look_at_yields(self, function: FunctionNode) -> None:
        for node in walk_own(function):
            if isinstance(node, ast.YieldFrom):
                self.block(node, "yields", "it has a 'yield from' in a generator test")
            elif isinstance(node, ast.Yield):
                if node.value is None or isinstance(node.value, ast.Constant):
                    self.block(
                        node, "yields", "what this 'yield' gives to Tornado can't be awaited"
                    )
            elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
                if any(isinstance(deep, ast.Yield) for deep in ast.walk(node)):
                    self.block(node, "yields", "it has a 'yield' in a comprehension")
            elif isinstance(node, ast.With) and any(
                isinstance(item.context_expr, ast.Yield) for item in node.items
            ):
                self.block(node, "yields", "'with (yield lock)' has no meaning with 'await'")
        for name in _futures_in(function):
            self.found.decide(self.where, f"future:{name}")


def _futures_in(function: FunctionNode) -> set[str]:
    """Return the variables that hold nothing but what a call has returned."""
    calls: set[str] = set()
    others = {argument.arg for argument in function.args.args}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Call):
                calls.add(target.id)
                continue
            others |= {inner.id for inner in ast.walk(target) if isinstance(inner, ast.Name)}
        elif isinstance(node, (ast.For, ast.AugAssign, ast.NamedExpr, ast.comprehension)):
            others |= {
                inner.id for inner in ast.walk(node.target) if isinstance(inner, ast.Name)
            }  # fmt: skip
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            others |= {
                inner.id for inner in ast.walk(node.optional_vars) if isinstance(inner, ast.Name)
            }  # fmt: skip
    return calls - others


class _Rewriter(CaseRewriter):
    framework = ("tornado.testing", "tornado.gen", "unittest")
    _cases = frozenset({_CASE})

    def _is_test(self) -> bool:
        return any("gen-test" in self.decisions(".".join(self.path[:2])) for _ in self.path[1:2])

    def change_class(self, original: cst.ClassDef, updated: cst.ClassDef) -> cst.ClassDef:
        """Keep Tornado's limit for each test."""
        meanings = [self.meaning_outside(base.value) for base in original.bases]
        if "rebase" not in self.decisions(self.where) or _CASE not in meanings:
            return updated
        limit = cst.SimpleStatementLine(
            [
                cst.Assign(
                    [cst.AssignTarget(cst.Name("timeout"))], cst.Integer(str(_DEFAULT_TIMEOUT))
                )
            ]
        )
        body = cast("list[cst.BaseStatement]", list(updated.body.body))
        place = 1 if is_docstring(body[0]) else 0
        if len(body) == 1 and _is_pass(body[0]):
            body = []
        if place < len(body) and not isinstance(body[place], cst.SimpleStatementLine):
            lines = list(getattr(body[place], "leading_lines", ()))
            if not lines or lines[0].comment is not None:
                lines.insert(0, cst.EmptyLine(indent=False))
            body[place] = body[place].with_changes(leading_lines=lines)
        body.insert(place, limit)
        if not isinstance(updated.body, cst.IndentedBlock):
            return updated.with_changes(body=cst.IndentedBlock(body))
        return updated.with_changes(body=updated.body.with_changes(body=body))

    def change_function(
        self, original: cst.FunctionDef, updated: cst.FunctionDef
    ) -> cst.FunctionDef:
        """Make a generator test a coroutine, with its own limit if it had one."""
        if "gen-test" not in self.decisions(self.where):
            return updated
        decorators = []
        for old, decorator in zip(original.decorators, updated.decorators, strict=True):
            call = old.decorator
            if self.meaning_outside(call) == _TEST and isinstance(call, cst.Call) and call.args:
                # By its full name: `timeout` alone is the class's own limit in its body.
                limit = cst.Attribute(self.module("asynctesting"), cst.Name("timeout"))
                self.gone(call.func)
                new = cst.Call(limit, [cst.Arg(call.args[0].value)])
                decorators.append(decorator.with_changes(decorator=new))
            else:
                decorators.append(decorator)
        updated = updated.with_changes(decorators=decorators)
        updated = self.drop_decorators(
            original,
            updated,
            lambda item: (
                self.meaning_outside(item.decorator) == _TEST
                and not (isinstance(item.decorator, cst.Call) and bool(item.decorator.args))
            ),
        )
        return as_async(updated)

    def leave_Yield(self, original_node: cst.Yield, updated_node: cst.Yield) -> cst.BaseExpression:
        """Await what was yielded, in the way in which Tornado does."""
        if self.frozen or len(self.path) != 2 or not self._is_test():
            return updated_node
        value = updated_node.value
        if not isinstance(value, cst.BaseExpression):
            return updated_node
        assert isinstance(original_node.value, cst.BaseExpression)
        if self.meaning_of(original_node.value) == "tornado.gen.moment":
            self.gone(original_node.value)
            sleep = cst.Attribute(self.module("asyncio"), cst.Name("sleep"))
            value = cst.Call(sleep, [cst.Arg(cst.Integer("0"))])
        elif isinstance(value, (cst.List, cst.ListComp, cst.Dict, cst.DictComp)):
            # Not asyncio.gather(), which does not wait for the others where one of them fails.
            multi = cst.Attribute(self.name_from("tornado", "gen"), cst.Name("multi"))
            value = cst.Call(multi, [cst.Arg(value)])
        elif isinstance(value, cst.Call) and dotted(value.func).endswith(".submit"):
            wrap = cst.Attribute(self.module("asyncio"), cst.Name("wrap_future"))
            value = cst.Call(wrap, [cst.Arg(value)])
        elif not self._is_awaitable(value):
            # What Tornado makes of a list, a dict or a thread's future, it still makes.
            convert = cst.Attribute(self.name_from("tornado", "gen"), cst.Name("convert_yielded"))
            value = cst.Call(convert, [cst.Arg(value)])
        return awaited(value).with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)

    def _is_awaitable(self, value: cst.BaseExpression) -> bool:
        """Tell whether an expression gives an awaitable, as far as can be seen."""
        if isinstance(value, cst.Call):
            return True
        return isinstance(value, cst.Name) and f"future:{value.value}" in self.decisions(
            ".".join(self.path)
        )

    def leave_Raise(
        self, original_node: cst.Raise, updated_node: cst.Raise
    ) -> cst.BaseSmallStatement:
        """Return what ``raise gen.Return`` returned."""
        if self.frozen or len(self.path) != 2 or not self._is_test():
            return updated_node
        error = original_node.exc
        func = error.func if isinstance(error, cst.Call) else error
        if func is None or self.meaning_of(func) != _RETURN:
            return updated_node
        self.gone(func)
        arguments = updated_node.exc.args if isinstance(updated_node.exc, cst.Call) else ()
        if not arguments or dotted(arguments[0].value) == "None":
            return cst.Return(semicolon=updated_node.semicolon)
        return cst.Return(arguments[0].value, semicolon=updated_node.semicolon)

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        """Ask Tornado for its view of the running loop."""
        if (
            not self.frozen
            and dotted(original_node) == "self.io_loop"
            and len(self.path) >= 2
            and "rebase" in self.decisions(self.path[0])
        ):
            loop = self.name_from("tornado.ioloop", "IOLoop")
            return cst.Call(cst.Attribute(loop, cst.Name("current")))
        return super().leave_Attribute(original_node, updated_node)


def _is_pass(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and isinstance(
        statement.body[0], cst.Pass
    )
