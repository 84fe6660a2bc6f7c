"""Home-made tools: functions and decorators that do nothing but run one awaitable."""

from __future__ import annotations

import ast

from ._names import FunctionNode, Names, dotted

LOOP_MAKERS = frozenset(
    {"asyncio.new_event_loop", "asyncio.get_event_loop", "asyncio.get_event_loop_policy"}
)


def is_loop_expression(node: ast.AST, names: Names, path: tuple[str, ...] = ()) -> bool:
    """Tell whether *node* makes or gets an event loop."""
    return isinstance(node, ast.Call) and (
        names.resolve(dotted(node.func), path) in LOOP_MAKERS and not node.args
    )


def is_runner(node: FunctionNode, names: Names) -> bool:
    """Tell whether a function does nothing but run the one awaitable that it is given."""
    parameters = [argument.arg for argument in node.args.args]
    if parameters[:1] in (["self"], ["cls"]):
        parameters = parameters[1:]
    if (
        not isinstance(node, ast.FunctionDef)
        or len(parameters) != 1
        or node.args.vararg
        or node.args.kwarg
        or node.args.kwonlyargs
        or node.decorator_list
    ):
        return False
    return _runs_and_nothing_else(node.body, names, lambda call: _is_name(call, parameters[0]))


def is_test_decorator(node: FunctionNode, names: Names) -> bool:
    """Tell whether a decorator does nothing but run the coroutine function that it is given."""
    if not isinstance(node, ast.FunctionDef) or len(node.args.args) != 1:
        return False
    function = node.args.args[0].arg
    body = _without_docstring(node.body)
    if len(body) != 2 or not isinstance(body[0], ast.FunctionDef):
        return False
    wrapper, end = body[0], body[1]
    if not (isinstance(end, ast.Return) and _is_name(end.value, wrapper.name)):
        return False
    if any(
        not isinstance(decorator, ast.Call)
        or names.resolve(dotted(decorator.func)) != "functools.wraps"
        for decorator in wrapper.decorator_list
    ):
        return False
    # coro = asyncio.coroutine(f)
    body = list(wrapper.body)
    callables = {function}
    calls: set[str] = set()
    rest = []
    for statement in body:
        target = _assigned(statement)
        value = statement.value if isinstance(statement, ast.Assign) else None
        if target and isinstance(value, ast.Call):
            name = names.resolve(dotted(value.func))
            if name == "asyncio.coroutine" and len(value.args) == 1:
                if _is_name(value.args[0], function):
                    callables.add(target)
                    continue
            elif isinstance(value.func, ast.Name) and value.func.id in callables:
                calls.add(target)
                continue
        rest.append(statement)

    def is_the_call(call: ast.AST | None) -> bool:
        if isinstance(call, ast.Name):
            return call.id in calls
        return (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id in callables
        )

    return _runs_and_nothing_else(rest, names, is_the_call)


def _runs_and_nothing_else(body: list[ast.stmt], names: Names, is_the_awaitable: object) -> bool:
    """Tell whether *body* makes or gets a loop, runs one awaitable on it, and tidies up."""
    loops: set[str] = set()
    ran = False
    pending = _without_docstring(body)
    while pending:
        statement, *pending = pending
        if isinstance(statement, ast.Try) and not statement.handlers and not statement.orelse:
            pending = [*statement.body, *statement.finalbody, *pending]
            continue
        target = _assigned(statement)
        value = getattr(statement, "value", None)
        if target and is_loop_expression(value, names):  # type: ignore[arg-type]
            loops.add(target)
        elif isinstance(value, ast.Call) and _is_run(value, names, loops):
            if len(value.args) != 1 or value.keywords or ran:
                return False
            if not is_the_awaitable(value.args[0]):  # type: ignore[operator]
                return False
            ran = True
        elif isinstance(statement, ast.Return) and (
            value is None or (isinstance(value, ast.Name) and ran)
        ):
            continue
        elif not (isinstance(statement, ast.Expr) and _is_housekeeping(value, names, loops)):
            return False
    return ran


def _is_run(call: ast.Call, names: Names, loops: set[str]) -> bool:
    if names.resolve(dotted(call.func)) == "asyncio.run":
        return True
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "run_until_complete"):
        return False
    owner = call.func.value
    return (
        is_loop_expression(owner, names)
        or (isinstance(owner, ast.Name) and owner.id in loops)
        or dotted(owner) in ("self.loop", "self._loop", "cls.loop")
    )


def _is_housekeeping(value: ast.AST | None, names: Names, loops: set[str]) -> bool:
    if not isinstance(value, ast.Call):
        return False
    if names.resolve(dotted(value.func)) == "asyncio.set_event_loop":
        return True
    return (
        isinstance(value.func, ast.Attribute)
        and isinstance(value.func.value, ast.Name)
        and value.func.value.id in loops
        and value.func.attr in ("close", "set_debug")
    )


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if is_docstring else list(body)


def _assigned(statement: ast.stmt) -> str:
    """Return the variable that ``name = ...`` sets, or ``""``."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            return target.id
    return ""


def _is_name(node: ast.AST | None, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
