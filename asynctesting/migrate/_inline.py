"""The inner-coroutine idiom: ``async def go(): ...`` that is run at once becomes plain statements.

Only where no reader could tell the difference: the inner function takes and returns nothing, is
run once, right where it ends, and has no variable whose name means something else outside.
"""

from __future__ import annotations

import ast
from itertools import pairwise

import libcst as cst

from ._loops import Reader, Runs
from ._names import FunctionNode, dotted, local_names, walk_own


def can_inline(function: FunctionNode, reader: Reader, runs: Runs) -> str:
    """Return the name of the inner function that can be put in line, or ``""``."""
    body = function.body
    if len(runs.calls) != 1 or len(body) < 2:
        return ""
    for inner, line in pairwise(body):
        if not isinstance(inner, ast.AsyncFunctionDef):
            continue
        if not (isinstance(line, ast.Expr) and line.value is runs.calls[0][0]):
            continue
        call = runs.calls[0][1]
        if not (isinstance(call, ast.Call) and dotted(call.func) == inner.name):
            continue
        if call.args or call.keywords or not _is_plain(inner):
            continue
        if _names_meet(function, inner):
            continue
        return inner.name
    return ""


def _is_plain(inner: ast.AsyncFunctionDef) -> bool:
    arguments = inner.args
    if (
        inner.decorator_list
        or arguments.args
        or arguments.posonlyargs
        or arguments.kwonlyargs
        or arguments.vararg
        or arguments.kwarg
        or (len(inner.body) == 1 and isinstance(inner.body[0], ast.Pass))
    ):
        return False
    first = inner.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return False
    return not any(
        isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom, ast.Nonlocal, ast.Global))
        for node in walk_own(inner)
    )


def _names_meet(function: FunctionNode, inner: ast.AsyncFunctionDef) -> bool:
    """Tell whether a variable of the inner function has the name of anything around it."""
    own = local_names(inner)
    inside = {id(node) for node in ast.walk(inner)}
    outside = {
        node.id for node in ast.walk(function)
        if isinstance(node, ast.Name) and id(node) not in inside
    } | {argument.arg for argument in function.args.args}  # fmt: skip
    uses = sum(isinstance(node, ast.Name) and node.id == inner.name for node in ast.walk(function))
    return bool(own & outside) or uses != 1


def inlined(function: cst.FunctionDef, name: str) -> cst.FunctionDef:
    """Return *function* with the body of its inner function *name* in place of both lines."""
    body = list(function.body.body)
    for index, statement in enumerate(body[:-1]):
        if not (isinstance(statement, cst.FunctionDef) and statement.name.value == name):
            continue
        following = body[index + 1]
        if not _can_merge(statement, following):
            return function
        first, *rest = statement.body.body
        lines = [*statement.leading_lines, *getattr(first, "leading_lines", ())]
        first = first.with_changes(leading_lines=lines)
        body[index : index + 2] = [first, *rest]
        return function.with_changes(body=function.body.with_changes(body=body))
    return function


def _can_merge(inner: cst.FunctionDef, line: cst.CSTNode) -> bool:
    """Tell whether no comment would be lost."""
    if not (
        isinstance(inner.body, cst.IndentedBlock) and isinstance(line, cst.SimpleStatementLine)
    ):
        return False
    comments = [inner.body.header.comment, line.trailing_whitespace.comment]
    comments += [empty.comment for empty in (*inner.body.footer, *line.leading_lines)]
    comments += [empty.comment for empty in inner.lines_after_decorators]
    has_header = not isinstance(
        inner.body.body[0], (cst.SimpleStatementLine, cst.BaseCompoundStatement)
    )
    return not has_header and all(comment is None for comment in comments)
