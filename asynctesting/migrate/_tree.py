"""Small things to build and read syntax trees with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import libcst as cst

_N = TypeVar("_N", bound=cst.CSTNode)

_PRIMARY = (
    cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.List, cst.Dict, cst.Set, cst.SimpleString,
    cst.ListComp, cst.Integer,
)  # fmt: skip


def dotted(node: cst.CSTNode | None) -> str:
    """Return ``a.b.c`` for a name with attributes, and ``""`` for anything else."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not isinstance(node, cst.Name):
        return ""
    parts.append(node.value)
    return ".".join(reversed(parts))


def expression(text: str) -> cst.BaseExpression:
    """Parse *text*."""
    return cst.parse_expression(text)


def awaited(value: cst.BaseExpression) -> cst.Await:
    """Return ``await value``, with parentheses around *value* where it needs them."""
    if not value.lpar and not isinstance(value, _PRIMARY):
        value = parenthesized(value)
    return cst.Await(expression=value)


def parenthesized(value: _N) -> _N:
    """Return *value* in parentheses."""
    return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def as_async(function: cst.FunctionDef) -> cst.FunctionDef:
    """Return *function* as ``async def``, with the comments where they were."""
    if function.asynchronous is not None:
        return function
    return function.with_changes(
        asynchronous=cst.Asynchronous(whitespace_after=cst.SimpleWhitespace(" "))
    )


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


def is_docstring(statement: cst.CSTNode) -> bool:
    """Tell whether the first statement of a body is its docstring."""
    return (
        isinstance(statement, cst.SimpleStatementLine)
        and isinstance(statement.body[0], cst.Expr)
        and isinstance(statement.body[0].value, (cst.SimpleString, cst.ConcatenatedString))
    )


def tidied(original: cst.ClassDef, updated: cst.ClassDef) -> cst.ClassDef:
    """Return a class from which lines were removed, without a gap at its beginning."""
    if not isinstance(updated.body, cst.IndentedBlock) or not original.body.body:
        return updated
    statements = list(updated.body.body)
    if not statements:
        statements = [cst.SimpleStatementLine([cst.Pass()])]
    elif not _blank_lines(original.body.body[0]) and _blank_lines(statements[0]):
        lines = list(getattr(statements[0], "leading_lines", ()))
        kept = lines[_blank_lines(statements[0]) :]
        statements[0] = statements[0].with_changes(leading_lines=kept)
    return updated.with_changes(body=updated.body.with_changes(body=statements))


def _blank_lines(statement: cst.CSTNode) -> int:
    count = 0
    for line in getattr(statement, "leading_lines", ()):
        if line.comment is not None:
            break
        count += 1
    return count
