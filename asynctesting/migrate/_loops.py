"""Recognizing home-made loops: which call runs an awaitable, and on which loop."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from ._names import FunctionNode, dotted, walk_own
from ._survey import View
from ._tools import is_loop_expression

# Decorators that know what a coroutine function is, so that a test may become one under them.
SAFE_DECORATORS = (
    "unittest.skip", "unittest.skipIf", "unittest.skipUnless", "unittest.expectedFailure",
    "unittest.mock.patch", "mock.patch", "asynctesting.timeout", "pytest.mark.",
)  # fmt: skip
_NOT_IN_A_RUNNING_LOOP = {
    "run_forever": "run-forever",
    "stop": "run-forever",
    "is_running": "run-forever",
}


@dataclass(slots=True)
class Runs:
    """What a function does with event loops.

    Attributes:
        calls: The calls that run an awaitable, each with the awaitable.
        asserted: Statements ``self.assertRaises(E, loop.run_until_complete, awaitable)``.
        own_loops: Its variables that hold a loop.
        kept_loops: Those of them that it uses for more than running awaitables.
        fresh: How many of the calls make a loop of their own (``asyncio.run``).
        trouble: Why the function can't become a coroutine function: the node, topic and reason.
    """

    calls: list[tuple[ast.Call, ast.expr]] = field(default_factory=list)
    asserted: list[ast.Call] = field(default_factory=list)
    own_loops: set[str] = field(default_factory=set)
    kept_loops: set[str] = field(default_factory=set)
    fresh: int = 0
    trouble: list[tuple[ast.AST, str, str]] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether it runs a loop at all."""
        return bool(self.calls or self.asserted or self.trouble)


class Reader:
    """Reads functions of one file.

    Args:
        view: The file.
        loops: Attributes of ``self`` that hold the test's loop.
        runners: Methods of ``self`` that run the awaitable that they are given.
        path: The dotted name of the class, in parts.
    """

    def __init__(
        self, view: View, loops: frozenset[str], runners: frozenset[str], path: list[str]
    ) -> None:
        self.view = view
        self.loops = {f"self.{name}" for name in loops}
        self.runners = {f"self.{name}" for name in runners}
        self.path = path

    def awaitable_of(self, node: ast.AST, own_loops: set[str]) -> ast.expr | None:
        """Return what the call *node* runs, or ``None`` if it is no such call."""
        if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
            return None
        if isinstance(node.args[0], ast.Starred):
            return None
        if self.is_fresh(node) or self.is_run(node.func, own_loops):
            return node.args[0]
        written = dotted(node.func)
        if written in self.runners or written in self.view.runners:
            return node.args[0]
        return None

    def is_fresh(self, node: ast.Call) -> bool:
        """Tell whether the call makes a loop of its own."""
        return self.view.names.resolve(dotted(node.func), self.path) == "asyncio.run"

    def is_run(self, node: ast.AST, own_loops: set[str]) -> bool:
        """Tell whether *node* is ``run_until_complete`` of a loop that belongs to the test."""
        return (
            isinstance(node, ast.Attribute)
            and node.attr == "run_until_complete"
            and self._is_own_loop(node.value, own_loops)
        )

    def _is_own_loop(self, node: ast.AST, own_loops: set[str]) -> bool:
        written = dotted(node)
        return (
            written in self.loops
            or written in own_loops
            or is_loop_expression(node, self.view.names, tuple(self.path))
        )

    def read(self, function: FunctionNode) -> Runs:
        """Return what *function* does with event loops."""
        runs = Runs()
        nodes = list(walk_own(function))
        for node in nodes:
            if isinstance(node, ast.Assign) and is_loop_expression(
                node.value, self.view.names, tuple(self.path)
            ):
                runs.own_loops |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        run_names: set[int] = set()
        for node in nodes:
            awaitable = self.awaitable_of(node, runs.own_loops)
            if awaitable is not None:
                assert isinstance(node, ast.Call)
                runs.calls.append((node, awaitable))
                runs.fresh += self.is_fresh(node)
                run_names.add(id(node.func))
            elif _is_asserted(node):
                assert isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
                if self.is_run(node.value.args[1], runs.own_loops):
                    runs.asserted.append(node.value)
                    run_names.add(id(node.value.args[1]))
        inner = [node for node in ast.walk(function) if id(node) not in set(map(id, nodes))]
        runs.trouble += self._trouble(function, nodes, inner, runs, run_names)
        if runs.calls:
            runs.trouble += self._context_trouble(function)
        if runs.fresh:
            for task in _tasks_not_kept(function):
                text = "it starts a task and lets go of it, and asyncio.run() cancels what is left"
                runs.trouble.append((task, "tasks", text))
        return runs

    def _context_trouble(self, function: FunctionNode) -> Iterator[tuple[ast.AST, str, str]]:
        for node in ast.walk(function):
            written = dotted(node)
            is_ours = written in self.view.context_vars
            if is_ours or self.view.names.resolve(written, self.path).startswith("contextvars."):
                yield (
                    node,
                    "context-variables",
                    f"it uses {written}, and each run has a context of its own, while all that "
                    "a test awaits shares one",
                )
                break

    def _trouble(
        self,
        function: FunctionNode,
        own: list[ast.AST],
        inner: list[ast.AST],
        runs: Runs,
        known: set[int],
    ) -> Iterator[tuple[ast.AST, str, str]]:
        called = {id(node.func): node for node in own if isinstance(node, ast.Call)}
        for node in own:
            if isinstance(node, ast.GeneratorExp) and any(
                self.awaitable_of(deep, runs.own_loops) is not None for deep in ast.walk(node)
            ):
                yield node, "nested", "the loop is run in a generator expression"
            if id(node) in known:
                continue
            if isinstance(node, ast.Attribute) and node.attr == "run_until_complete":
                text = (
                    f"{dotted(node) or 'run_until_complete'} runs a loop that is not the test's "
                    "own, or is used in another way than with one awaitable"
                )
                yield node, "other-loops", text
            if (
                isinstance(node, ast.Attribute)
                and node.attr in _NOT_IN_A_RUNNING_LOOP
                and self._is_own_loop(node.value, runs.own_loops)
            ):
                yield node, "run-forever", f"{dotted(node)} needs a loop that does not run yet"
            written = dotted(node)
            if written in self.runners or written in self.view.runners:
                text = f"{written} is used in another way than with one awaitable"
                yield node, "other-loops", text
            if written in self.view.loopers:
                yield node, "helpers", f"it calls {written}, which runs a loop itself"
            if self.view.names.resolve(dotted(node), self.path) == "asyncio.run":
                yield node, "other-loops", _why_kept(called.get(id(node)))
        for node in inner:
            if (isinstance(node, ast.Attribute) and node.attr == "run_until_complete") or (
                self.awaitable_of(node, runs.own_loops) is not None
            ):
                yield node, "nested", "an inner function runs the loop"
                break
        if not (runs.calls or runs.asserted):
            return
        for node in own:
            if "fork" in dotted(node).lower():
                yield node, "processes", "it forks, and no loop may run while it does"
                break
        many = len(runs.calls) > 1 or any(
            isinstance(node, (ast.For, ast.While, ast.ListComp)) for node in own
        )
        if runs.fresh and many:
            yield (
                runs.calls[0][0],
                "several-loops",
                (
                    "each asyncio.run() has a loop of its own and cancels what is left at its end; "
                    "awaiting them would put all on one loop"
                ),
            )
        if many or len(runs.asserted) > 1:
            for node in own:
                if self.view.names.resolve(dotted(node), self.path) == "time.sleep":
                    yield (
                        node,
                        "blocking",
                        (
                            "time.sleep() between runs of the loop: background tasks stood still "
                            "there, and would not if this were awaited"
                        ),
                    )
        for node in (*own, *inner):
            if isinstance(node, ast.Attribute) and node.attr in (
                "get_running_loop", "_get_running_loop"
            ):  # fmt: skip
                if node in own:
                    yield node, "running-loop", "it asks whether a loop runs; then one would"
            elif isinstance(node, (ast.Yield, ast.YieldFrom)) and node in own:
                yield node, "nested", "it is a generator that runs a loop"
        runs.kept_loops |= {
            loop
            for loop in runs.own_loops
            if any(
                isinstance(node, ast.Name)
                and node.id == loop
                and not self._is_loop_use(node, own, known)
                for node in (*own, *inner)
            )
        }

    def _is_loop_use(self, name: ast.Name, own: list[ast.AST], known: set[int]) -> bool:
        """Tell whether a use of a loop variable will be gone after the rewrite."""
        if isinstance(name.ctx, ast.Store):
            return True
        for node in own:
            if isinstance(node, ast.Attribute) and node.value is name and id(node) in known:
                return True
            if (
                isinstance(node, ast.Expr)
                and is_loop_line(node, {name.id}, self.view, self.path)
                and any(inner is name for inner in ast.walk(node))
            ):
                return True
        return False


def _tasks_not_kept(function: FunctionNode) -> Iterator[ast.AST]:
    """Yield what starts a task and lets go of it."""
    loaded = {
        node.id for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }  # fmt: skip
    for node in ast.walk(function):
        if not (isinstance(node, (ast.Expr, ast.Assign)) and isinstance(node.value, ast.Call)):
            continue
        name = dotted(node.value.func).rpartition(".")[2]
        if name not in ("create_task", "ensure_future", "gather"):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else []
        if all(isinstance(target, ast.Name) and target.id not in loaded for target in targets):
            yield node


def _is_asserted(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and dotted(node.value.func) == "self.assertRaises"
        and len(node.value.args) == 3
        and not node.value.keywords
        and isinstance(node.value.args[1], ast.Attribute)
        and node.value.args[1].attr == "run_until_complete"
    )


def is_loop_line(node: ast.stmt, loops: set[str], view: View, path: list[str]) -> bool:
    """Tell whether a statement only makes or closes a loop, or makes it the current one.

    Args:
        node: The statement.
        loops: The loop's names: ``"loop"``, ``"self.loop"``.
        view: The file.
        path: Where the statement stands.
    """
    if isinstance(node, ast.Assign):
        return is_loop_expression(node.value, view.names, tuple(path)) and all(
            dotted(target) in loops for target in node.targets
        )
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    call = node.value
    written = dotted(call.func)
    owner, _, method = written.rpartition(".")
    arguments = [dotted(argument) for argument in call.args]
    if view.names.resolve(written, path) == "asyncio.set_event_loop":
        return arguments[0] in loops or _is_none(call.args[0])
    if written == "self.addCleanup":
        if len(arguments) == 1:
            return arguments[0].rpartition(".")[0] in loops and arguments[0].endswith(".close")
        return view.names.resolve(arguments[0], path) == "asyncio.set_event_loop" and (
            _is_none(call.args[1])
        )
    if owner in loops and method == "close":
        return True
    if owner in loops and method == "run_until_complete" and len(call.args) == 1:
        inner = call.args[0]
        return isinstance(inner, ast.Call) and dotted(inner.func) in {
            f"{owner}.shutdown_asyncgens", f"{owner}.shutdown_default_executor"
        }  # fmt: skip
    return False


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


_OPTIONS = {"debug": "loop_debug = True", "loop_factory": "loop_factory = ..."}


def _why_kept(call: ast.Call | None) -> str:
    """Say why a use of ``asyncio.run`` is left to a person."""
    names = [keyword.arg or "" for keyword in call.keywords] if call is not None else []
    if call is not None and len(call.args) == 1 and names and all(n in _OPTIONS for n in names):
        options = " and ".join(f"{name}=" for name in names)
        settings = " and ".join(f"'{_OPTIONS[name]}'" for name in names)
        return (
            f"asyncio.run() has {options} too, which an await has not; where the test needs it, "
            f"say {settings} in its class, and take it out here"
        )
    return "asyncio.run is used in another way than with one awaitable"
