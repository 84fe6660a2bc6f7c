"""Home-made loops: ``run_until_complete`` in tests, own decorators, IsolatedAsyncioTestCase.

Two ways to go. The native one makes a test that runs a loop a coroutine function that awaits. The
bridge leaves it synchronous and swaps only what runs the awaitable. A test that could notice the
difference (it asks for the running loop, starts and stops one by hand, sleeps between two runs)
stays as it is; on AsyncTestCase it still works, because ``self.loop`` is there, too.
"""

from __future__ import annotations

import ast
from typing import ClassVar

import libcst as cst

from . import _coroutines, aiohttp
from ._cases import MIXIN
from ._edit import rewritten
from ._inline import can_inline
from ._loop_rewriter import LoopRewriter
from ._loops import SAFE_DECORATORS, Reader, Runs, is_loop_line
from ._model import Family, Kind, Survey
from ._names import FunctionNode
from ._names import dotted as dotted_ast
from ._survey import Scoped, View, hook_trouble, never_ran, settings_trouble

_PLAIN = "unittest.TestCase"
_STOCK = "unittest.IsolatedAsyncioTestCase"
_OURS = "asynctesting.AsyncTestCase"
_OWN_ROOTS = frozenset({_PLAIN, _STOCK, _OURS, aiohttp.CASE})
_HOOKS = {"setUp": "asyncSetUp", "tearDown": "asyncTearDown"}
# What may be called so already, or will be once the rule for aiohttp is done with it.
_TAKEN = {
    "setUp": ("setUp", "asyncSetUp", "setUpAsync"),
    "tearDown": ("tearDown", "asyncTearDown", "tearDownAsync"),
}
_PRIVATE = (
    "_asyncio", "_setupAsyncio", "_tearDownAsyncio", "_callSetUp", "_callTearDown",
    "_callTestMethod", "_callCleanup", "_callAsync", "_callMaybeAsync",
)  # fmt: skip


class Loop:
    """The rule for home-made loops."""

    name: ClassVar[str] = "loop"
    bridges: ClassVar[bool] = True

    def concerns(self, view: View) -> bool:
        """Tell whether a class of the file is stock's async case or runs a loop."""
        if any(_STOCK in full for full in view.names.torn.values()):
            return True
        return any(
            _STOCK in family.kin_roots or family.kin_runs for family in view.families.values()
        )

    def survey(self, view: View) -> Survey:
        """Say what there is to do, and what has to stay as it is."""
        visitor = _Visitor(view, self.name)
        for local, full in sorted(view.names.torn.items()):
            if _STOCK in full.split(" or "):
                visitor.found.findings.append(
                    visitor.left(
                        view.tree, "torn-import",
                        f"{local!r} is imported from more than one place, so what it means here "
                        "can't be seen",
                    )
                )  # fmt: skip
        visitor.visit(view.tree)
        return visitor.found

    def rewrite(
        self, view: View, survey: Survey, frozen: frozenset[str], tree: cst.Module
    ) -> cst.Module:
        """Rewrite what is not frozen."""
        return rewritten(tree, lambda: LoopRewriter(view, survey, frozen), view.exported)


class _Visitor(Scoped):
    def enter_class(self, node: ast.ClassDef) -> None:
        family = self.view.family(self.where)
        if family is None or len(self.path) > 1:
            return
        runs = family.kin_runs
        if not family.kin_roots & _OWN_ROOTS:
            return  # no test of unittest's
        if _STOCK in family.kin_roots and not self.view.bridge:
            self._look_at_stock(node, family)
        if runs:
            self._look_at_loops(node, family)

    # IsolatedAsyncioTestCase ---------------------------------------------------------------

    def _look_at_stock(self, node: ast.ClassDef, family: Family) -> None:
        self._look_at_class(node, family)
        for method in family.facts.methods.values():
            if method.name.startswith(_PRIVATE):
                self.block(
                    node, "private", f"{method.name} overrides a private method of the stock case"
                )
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and inner.attr.startswith(_PRIVATE):
                self.block(inner, "private", f"{inner.attr} is a private name of the stock case")
        self.found.decide(self.where, "rebase")

    def _look_at_class(self, node: ast.ClassDef, family: Family) -> None:
        """Refuse a class that would mean something else on AsyncTestCase."""
        foreign = family.kin_roots <= {_PLAIN}
        trouble = settings_trouble(family.facts, foreign=foreign)
        if trouble:
            self.block(node, "settings", trouble)
        trouble = never_ran(family.facts)
        if trouble:
            self.block(node, "never-ran", trouble)

    # Loops ---------------------------------------------------------------------------------

    def _look_at_loops(self, node: ast.ClassDef, family: Family) -> None:
        known = _OWN_ROOTS | {MIXIN} if self.view.bridge else _OWN_ROOTS
        strangers = family.strangers(known)
        if strangers:
            text = f"what the base {strangers[0]} does can't be seen from here"
            self.block(node, "other-base", text)
            return
        functions = {
            item.name: item for item in node.body
            if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))
        }  # fmt: skip
        loops = family.loops | ({"loop"} if _PLAIN not in family.kin_roots else frozenset())
        reader = Reader(self.view, loops, family.runners, self.path)
        runs = {name: reader.read(item) for name, item in functions.items()}
        self._look_at_loop_attributes(node, family, functions)
        if self.view.bridge:
            self._bridge(node, family, functions, runs)
        else:
            self._go_native(node, family, functions, runs, reader)

    def _look_at_loop_attributes(
        self, node: ast.ClassDef, family: Family, functions: dict[str, FunctionNode]
    ) -> None:
        """Refuse a class that does more with its loop than to make, run and close it."""
        loops = {f"self.{name}" for name in family.loops}
        if len(loops) > 1:
            self.block(node, "loop-attributes", "it has more than one event loop")
        if loops and loops != {"self.loop"} and any(
            facts.path != self.view.facts.path for facts in family.lineage()
        ):  # fmt: skip
            self.block(
                node, "loop-attributes",
                f"{sorted(loops)[0]} is used across files; call it self.loop first",
            )  # fmt: skip
        for name, function in functions.items():
            for inner in ast.walk(function):
                if isinstance(inner, ast.Attribute) and dotted_ast(inner) in loops:
                    if isinstance(inner.ctx, ast.Load):
                        continue
                    if name not in ("setUp", "asyncSetUp", "tearDown", "asyncTearDown"):
                        self.block(inner, "loop-attributes", f"{name} exchanges its event loop")
                if (
                    isinstance(inner, ast.Attribute)
                    and inner.attr == "close"
                    and dotted_ast(inner.value) in loops
                    and name not in (*_HOOKS, "asyncSetUp")
                ):
                    self.block(inner, "loop-attributes", f"{name} closes its event loop")
            if name in ("setUpClass", "setUpModule"):
                for inner in ast.walk(function):
                    if isinstance(inner, ast.Attribute) and self.resolve(inner) in (
                        "asyncio.new_event_loop", "asyncio.set_event_loop"
                    ):  # fmt: skip
                        self.block(
                            inner, "class-loop",
                            f"{name} makes a loop for all tests; each test has its own here",
                        )  # fmt: skip

    # Native --------------------------------------------------------------------------------

    def _go_native(
        self,
        node: ast.ClassDef,
        family: Family,
        functions: dict[str, FunctionNode],
        runs: dict[str, Runs],
        reader: Reader,
    ) -> None:
        facts = family.facts
        stays: dict[str, tuple[ast.AST, str, str]] = {}
        wanted: list[str] = []
        for name, function in functions.items():
            found = runs[name]
            own_decorator = self._own_decorator(function)
            for decorator in function.decorator_list:
                if self._is_looper(decorator):
                    text = f"its decorator {ast.unparse(decorator)} runs a loop and does more"
                    stays[name] = decorator, "decorators", text
            if name in stays or not (found.any or own_decorator):
                continue
            if name in facts.runners:
                continue
            trouble = self._trouble(function, found, family, own_decorator)
            if trouble is not None:
                stays[name] = trouble
            else:
                wanted.append(name)
        # A test can't await and call what runs the loop itself.
        helpers = {name for name in stays if not name.startswith("test")} | family.loopers
        changed = True
        while changed:
            changed = False
            for name in list(wanted):
                called = _called_on_self(functions[name]) & helpers
                if called:
                    wanted.remove(name)
                    stays[name] = (
                        functions[name], "helpers",
                        f"it calls {sorted(called)[0]}, which runs the loop itself",
                    )  # fmt: skip
                    helpers |= {name} if not name.startswith("test") else set()
                    changed = True
        for name, (place, topic, text) in stays.items():
            self.path.append(name)
            self.found.findings.append(self.left(place, topic, f"{name} stays as it is: {text}"))
            self.path.pop()
        if not wanted and len(family.relatives) == 1:
            return
        self._look_at_class(node, family)
        if _PLAIN in family.kin_roots:
            self.found.decide(self.where, "rebase")
        everything = [name for name in functions if name.startswith("test")]
        if all(name in wanted or facts.methods[name].kind is Kind.ASYNC for name in everything):
            self.found.decide(self.where, "all-async")
        self.found.decide(self.where, "drop-loop")
        for name in wanted:
            where = f"{self.where}.{name}"
            self.found.decide(where, "await")
            inner = can_inline(functions[name], reader, runs[name])
            if inner:
                self.found.decide(where, f"inline:{inner}")
            for loop in runs[name].kept_loops:
                self.found.decide(where, f"keep:{loop}")
        if _PLAIN not in family.kin_roots or _OURS in family.kin_roots:
            return
        for name, function in functions.items():
            if facts.methods[name].kind is not Kind.ASYNC or function.decorator_list:
                continue
            if name.startswith("test"):
                self.path.append(name)
                text = f"{name} was never awaited before; now it runs"
                self.look(function, "never-ran", text)
                self.path.pop()

    def _is_looper(self, decorator: ast.expr) -> bool:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        return dotted_ast(target) in self.view.loopers

    def _own_decorator(self, function: FunctionNode) -> ast.expr | None:
        for decorator in function.decorator_list:
            if dotted_ast(decorator) in self.view.decorators:
                return decorator
        return None

    def _trouble(
        self, function: FunctionNode, runs: Runs, family: Family, own: ast.expr | None
    ) -> tuple[ast.AST, str, str] | None:
        """Say why a function can't become one that awaits."""
        if runs.trouble:
            return runs.trouble[0]
        if function.name in self.view.tests_used:
            return function, "called", "something calls it, and would have to await it then"
        is_coroutine = isinstance(function, ast.AsyncFunctionDef)
        decorators = [item for item in function.decorator_list if item is not own]
        names = [self._decorator_name(item) for item in decorators]
        is_generator = any(name in _coroutines.DECORATORS for name in names)
        if own is not None and not (is_coroutine or is_generator):
            return function, "decorators", "its decorator runs what it returns"
        if is_generator and isinstance(function, ast.FunctionDef):
            why = _coroutines.trouble(function)
            if why:
                return function, "generators", why
        for item, name in zip(decorators, names, strict=True):
            if not name.startswith(SAFE_DECORATORS) and name not in _coroutines.DECORATORS:
                return (
                    item,
                    "decorators",
                    (
                        f"whether its decorator {ast.unparse(item)} can wrap a coroutine function "
                        "can't be seen from here"
                    ),
                )
        if is_coroutine and own is None and not runs.calls:
            return None
        if function.name in _HOOKS:
            if function.name in family.stray:
                return function, "hooks", "it is called from elsewhere than its own override"
            for facts in family.lineage():
                taken = [
                    name for name in _TAKEN[function.name] if name in facts.methods
                    and (facts is not family.facts or name != function.name)
                ]  # fmt: skip
                if taken:
                    text = (
                        f"{facts.qualname} has {_a(taken[0], function.name)}, and the two would "
                        "run at different times, or one in place of the other"
                    )
                    return function, "hooks", text
            if aiohttp.CASE in family.roots and not _calls_super(function):
                text = f"AioHTTPTestCase has {_HOOKS[function.name]} of its own"
                return function, "hooks", f"{text}, which it would take the place of"
            trouble = hook_trouble(family, _OWN_ROOTS, {function.name: True})
            if trouble:
                return function, "hooks", trouble
            return None
        if not function.name.startswith("test"):
            return (
                function,
                "helpers",
                ("it is no test, so making it a coroutine function would change all who call it"),
            )
        return None

    def _decorator_name(self, decorator: ast.expr) -> str:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        written = dotted_ast(target)
        return self.view.names.resolve(written, self.path) or written

    # Bridge --------------------------------------------------------------------------------

    def _bridge(
        self,
        node: ast.ClassDef,
        family: Family,
        functions: dict[str, FunctionNode],
        runs: dict[str, Runs],
    ) -> None:
        if not (_PLAIN in family.kin_roots and len(family.kin_roots & _OWN_ROOTS) == 1):
            return
        if not any(found.calls or found.asserted for found in runs.values()) and not (
            family.loops or len(family.relatives) > 1
        ):
            return
        loops = {f"self.{name}" for name in family.loops}
        for name, function in functions.items():
            for use in _uses_of(function, loops):
                if not _is_bridged_use(use, function, loops, self.view, self.path):
                    self.block(
                        use, "loop-attributes",
                        f"{name} uses its loop for more than running awaitables, so it would "
                        "have two",
                    )  # fmt: skip
                    break
            found = runs[name]
            topics = {topic for _, topic, _ in found.trouble}
            contexts = [item for item in found.trouble if item[1] == "context-variables"]
            if contexts:
                self._leave_for_contexts(function, contexts[0], loops)
            elif (found.fresh and (len(found.calls) > 1 or "several-loops" in topics)) or (
                found.own_loops or topics & {"other-loops", "run-forever", "tasks"}
            ):
                if found.any:
                    self.path.append(name)
                    where = found.trouble[0][0] if found.trouble else function
                    self.found.findings.append(
                        self.left(
                            where, "several-loops",
                            f"{name} stays as it is: it has loops of its own, and the bridge "
                            "has one per test",
                        )
                    )  # fmt: skip
                    self.path.pop()
            elif (found.calls or found.asserted) and _has_self(function):
                self.found.decide(f"{self.where}.{name}", "bridge")
        self.found.decide(self.where, "rebase")
        self.found.decide(self.where, "drop-loop")
        self.found.decide(self.where, "all-async")

    def _leave_for_contexts(
        self, function: FunctionNode, trouble: tuple[ast.AST, str, str], loops: set[str]
    ) -> None:
        """Leave a method whose runs have contexts of their own, which the bridge has not."""
        place, topic, text = trouble
        text = f"{function.name} stays as it is: {text}"
        if _uses_of(function, loops):
            self.block(place, topic, text)  # it needs the loop that would be dropped
            return
        self.path.append(function.name)
        self.found.findings.append(self.left(place, topic, text))
        self.path.pop()


def _has_self(function: FunctionNode) -> bool:
    return bool(function.args.args) and function.args.args[0].arg == "self"


def _called_on_self(function: FunctionNode) -> set[str]:
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and dotted_ast(node.value) == "self"
    }


def _uses_of(function: FunctionNode, loops: set[str]) -> list[ast.Attribute]:
    return [
        node for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and dotted_ast(node) in loops
    ]  # fmt: skip


def _is_bridged_use(
    use: ast.Attribute, function: FunctionNode, loops: set[str], view: View, path: list[str]
) -> bool:
    for node in ast.walk(function):
        if (
            isinstance(node, ast.stmt)
            and is_loop_line(node, loops, view, path)
            and any(inner is use for inner in ast.walk(node))
        ):
            return True
        if (
            isinstance(node, ast.Attribute)
            and node.value is use
            and node.attr == "run_until_complete"
        ):
            return True
    return False


def _a(name: str, other: str) -> str:
    return f"another {name}" if name == other else name


def _calls_super(function: FunctionNode) -> bool:
    """Tell whether an override calls what it overrides."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == function.name
        and isinstance(node.value, ast.Call)
        and dotted_ast(node.value.func) == "super"
        for node in ast.walk(function)
    )
