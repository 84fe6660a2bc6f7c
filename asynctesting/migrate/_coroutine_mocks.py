"""Where a test may notice that its ``CoroutineMock`` has become an ``AsyncMock``.

A ``CoroutineMock`` awaits whatever its side effect or return value gives, an ``AsyncMock`` hands it
on; the attributes and the default result of the one are plain mocks, those of the other are async.
What a value is can only be read from the text: surely plain, surely awaitable, or unknown.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum

from ._names import FunctionNode, dotted, functions_in

Place = tuple[ast.AST, str, str]  # the node, the topic, the text
Mocks = dict[str, ast.Call | None]  # by name, with the call that makes them

_AWAITABLES = frozenset(
    {"Future", "Task", "create_future", "create_task", "ensure_future", "gather", "shield"}
    | {"sleep", "wait", "wait_for", "wrap_future", "run_in_executor", "run_coroutine_threadsafe"}
)
_PLAIN = (
    ast.Constant, ast.JoinedStr, ast.Compare, ast.BinOp, ast.UnaryOp, ast.Await, ast.ListComp,
    ast.SetComp, ast.DictComp,
)  # fmt: skip
_MOCK_API = frozenset(
    {
        "assert_any_await", "assert_any_call", "assert_awaited", "assert_awaited_once",
        "assert_awaited_once_with", "assert_awaited_with", "assert_called", "assert_called_once",
        "assert_called_once_with", "assert_called_with", "assert_has_awaits", "assert_has_calls",
        "assert_not_awaited", "assert_not_called", "attach_mock", "await_args", "await_args_list",
        "await_count", "awaited", "call_args", "call_args_list", "call_count", "called",
        "configure_mock", "method_calls", "mock_add_spec", "mock_calls", "reset_mock",
        "return_value", "side_effect",
    }
)  # fmt: skip


class Kind(IntEnum):
    """What a value is, the worse the later."""

    PLAIN = 0
    UNKNOWN = 1
    AWAITABLE = 2


class MockReader:
    """Reads what becomes of the mocks of one file.

    Args:
        tree: The file.
        resolve: Gives the full name of a node in the class or function around it.
    """

    def __init__(self, tree: ast.Module, resolve: Callable[[ast.AST], str]) -> None:
        self._resolve = resolve
        self._functions = {name.rpartition(".")[2]: node for name, node in functions_in(tree)}

    def read(self, scope: ast.AST, *, of_self: bool) -> tuple[list[Place], list[Place]]:
        """Return what an ``AsyncMock`` would do otherwise, surely and perhaps.

        Args:
            scope: A class, a function or the whole file.
            of_self: Whether the mocks are attributes of ``self``, as in a class.
        """
        nodes = list(ast.walk(scope))
        troubles: list[Place] = []
        doubts: list[Place] = []
        mocks = self._mocks(nodes, of_self)
        for node, owner in _children(nodes, mocks):
            text = f"{owner} is a plain mock here, and would become an async one"
            troubles.append((node, "child-mocks", text))
        for node, kind in self._values(nodes, mocks, of_self):
            if kind is Kind.AWAITABLE:
                text = "a CoroutineMock awaits what this gives, and an AsyncMock hands it on"
                troubles.append((node, "side-effects", text))
            elif kind is Kind.UNKNOWN:
                text = "if this gives an awaitable, AsyncMock hands it on un-awaited"
                doubts.append((node, "side-effects", text))
        return troubles, doubts

    # Which names are mocks -----------------------------------------------------------------

    def _mocks(self, nodes: Sequence[ast.AST], of_self: bool) -> Mocks:
        """Return the names of all coroutine mocks, each with the call that makes it."""
        found: Mocks = {}
        for node in nodes:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                if self._makes_one(node.value):
                    for target in node.targets:
                        found[dotted(target)] = node.value
            elif isinstance(node, (ast.With, ast.AsyncWith)):
                for item in node.items:
                    if item.optional_vars is not None and self._patches_one(item.context_expr):
                        found[dotted(item.optional_vars)] = _call(item.context_expr)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found |= self._parameters(node)
        found.pop("", None)
        return {name: call for name, call in found.items() if name.startswith("self.") == of_self}

    def _makes_one(self, call: ast.Call) -> bool:
        if self._resolve(call.func) == "asynctest.CoroutineMock":
            return True
        started = call.func  # patch(...).start(), self.enterContext(patch(...))
        if isinstance(started, ast.Attribute) and started.attr == "start":
            return self._patches_one(started.value)
        return any(self._patches_one(argument) for argument in call.args)

    def _patches_one(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and self._resolve(node.func).startswith("asynctest.patch")
            and any(
                keyword.arg == "new_callable"
                and self._resolve(keyword.value) == "asynctest.CoroutineMock"
                for keyword in node.keywords
            )
        )

    def _parameters(self, function: FunctionNode) -> Mocks:
        """Return the parameters that decorators fill with coroutine mocks."""
        names = [a.arg for a in function.args.args if a.arg not in ("self", "cls")]
        injecting = []
        for decorator in reversed(function.decorator_list):
            if not isinstance(decorator, ast.Call):
                continue
            full = self._resolve(decorator.func)
            arguments = {"asynctest.patch": 2, "asynctest.patch.object": 3}.get(full, 0)
            given = any(keyword.arg == "new" for keyword in decorator.keywords)
            if arguments and not given and len(decorator.args) < arguments:
                injecting.append(decorator)
        return {
            name: decorator
            for name, decorator in zip(names, injecting, strict=False)
            if self._patches_one(decorator)
        }

    # Values --------------------------------------------------------------------------------

    def _values(
        self, nodes: Sequence[ast.AST], mocks: Mocks, of_self: bool
    ) -> Iterator[tuple[ast.AST, Kind]]:
        known = _set_once(nodes)
        for target, value in _assignments(nodes):
            owner, _, attribute = dotted(target).rpartition(".")
            if attribute not in ("return_value", "side_effect") or not owner:
                continue
            if owner.startswith("self.") != of_self:
                continue
            kind = self.kind(value, attribute, known)
            # Whatever patch() and a spec have made of it, unless that is known to be plain.
            if owner in mocks or (kind is Kind.AWAITABLE and not self._is_plain(owner, known)):
                yield value, kind
        if of_self:
            return
        for node in nodes:
            if isinstance(node, ast.Call) and node.keywords and self._configures_one(node, mocks):
                for keyword in node.keywords:
                    if keyword.arg in ("return_value", "side_effect"):
                        yield keyword.value, self.kind(keyword.value, keyword.arg, known)

    def _configures_one(self, call: ast.Call, mocks: Mocks) -> bool:
        owner, _, name = dotted(call.func).rpartition(".")
        return (
            self._resolve(call.func) == "asynctest.CoroutineMock"
            or self._patches_one(call)
            or (name == "configure_mock" and owner in mocks)
        )

    def _is_plain(self, owner: str, known: dict[str, ast.expr]) -> bool:
        made = known.get(owner)
        return isinstance(made, ast.Call) and (
            self._resolve(made.func)
            in ("asynctest.Mock", "asynctest.MagicMock", "unittest.mock.Mock",
                "unittest.mock.MagicMock")
        )  # fmt: skip

    def kind(
        self, value: ast.AST, attribute: str, known: dict[str, ast.expr], depth: int = 4
    ) -> Kind:
        """Tell what a call of the mock gives.

        Args:
            value: What its attribute is set to.
            attribute: ``"return_value"`` or ``"side_effect"``.
            known: What the names around hold.
            depth: How many names to follow.
        """

        def worst(values: Sequence[ast.AST], word: str = attribute) -> Kind:
            return max((self.kind(v, word, known, depth - 1) for v in values), default=Kind.PLAIN)

        if depth <= 0:
            return Kind.UNKNOWN
        if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
            return worst(value.elts, "return_value") if attribute == "side_effect" else Kind.PLAIN
        if isinstance(value, (*_PLAIN, ast.Dict)):
            return Kind.PLAIN
        if isinstance(value, ast.Lambda):
            if attribute == "return_value":
                return Kind.PLAIN
            return self.kind(value.body, "return_value", known, depth - 1)
        if isinstance(value, (ast.IfExp, ast.BoolOp)):
            return worst(value.values if isinstance(value, ast.BoolOp) else
                         [value.body, value.orelse])  # fmt: skip
        if isinstance(value, ast.Call):
            return self._kind_of_call(value)
        name = dotted(value)
        if name in known:
            return self.kind(known[name], attribute, known, depth - 1)
        return self._kind_of_name(name, attribute, known, depth)

    def _kind_of_call(self, call: ast.Call) -> Kind:
        name = dotted(call.func).rpartition(".")[2]
        if name in _AWAITABLES or isinstance(self._functions.get(name), ast.AsyncFunctionDef):
            return Kind.AWAITABLE
        if name[:1].isupper() or hasattr(builtins, name):
            return Kind.PLAIN  # an instance of a class
        return Kind.UNKNOWN

    def _kind_of_name(
        self, name: str, attribute: str, known: dict[str, ast.expr], depth: int
    ) -> Kind:
        last = name.rpartition(".")[2]
        if last[:1].isupper() or hasattr(builtins, last):
            return Kind.PLAIN  # a class or a constant
        function = self._functions.get(last)
        if attribute == "return_value":
            return Kind.PLAIN if function is not None else Kind.UNKNOWN
        if isinstance(function, ast.AsyncFunctionDef):
            return Kind.PLAIN  # both await what it makes
        if function is None:
            return Kind.UNKNOWN
        returned = [
            node.value for node in ast.walk(function)
            if isinstance(node, ast.Return) and node.value is not None
        ]  # fmt: skip
        kinds = [self.kind(value, "return_value", known, depth - 1) for value in returned]
        return max(kinds, default=Kind.PLAIN)


def _call(node: ast.AST) -> ast.Call | None:
    return node if isinstance(node, ast.Call) else None


def _has_keyword(call: ast.Call | None, name: str) -> bool:
    return call is not None and any(keyword.arg == name for keyword in call.keywords)


def _children(nodes: Sequence[ast.AST], mocks: Mocks) -> Iterator[tuple[ast.AST, str]]:
    """Yield the attributes of mocks, and of what they give by default."""
    if not mocks:
        return
    given = {dotted(target) for target, _ in _assignments(nodes)}
    results = {
        f"{name}.return_value" for name, call in mocks.items()
        if f"{name}.return_value" not in given and not _has_keyword(call, "return_value")
    }  # fmt: skip
    for node in nodes:
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Load)
            and node.attr not in _MOCK_API
            and not node.attr.startswith("_")
            and dotted(node.value) in mocks.keys() | results
            and dotted(node) not in given
        ):
            yield node, dotted(node)


def _assignments(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.expr, ast.expr]]:
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield target, node.value


def _set_once(nodes: Iterable[ast.AST]) -> dict[str, ast.expr]:
    """Return what the names hold that are set once."""
    found: dict[str, list[ast.expr]] = {}
    for target, value in _assignments(nodes):
        found.setdefault(dotted(target), []).append(value)
    return {name: values[0] for name, values in found.items() if name and len(values) == 1}
