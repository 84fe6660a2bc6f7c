"""Generator coroutines of Python 3.4: ``yield from`` in a plain ``def`` becomes ``await``.

They can't be imported any more (the decorator is gone since 3.11), so there is no older meaning to
keep but the one that their authors meant. A bare ``yield`` gives the loop one turn.
"""

from __future__ import annotations

import ast

import libcst as cst

from ._names import FunctionNode, walk_own
from ._tree import as_async, awaited

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
DECORATORS = frozenset({"asyncio.coroutine"})


def trouble(node: FunctionNode) -> str:
    """Say why a generator coroutine can't become ``async def``, or ``""``."""
    for inner in walk_own(node):
        if isinstance(inner, ast.Yield):
            return "it has a plain 'yield' in it, whose meaning can't be seen from here"
        if isinstance(inner, _COMPREHENSIONS) and any(
            isinstance(deep, ast.YieldFrom) for deep in ast.walk(inner)
        ):
            return "it has a 'yield from' in a comprehension"
    return ""


def to_async(function: cst.FunctionDef) -> cst.FunctionDef:
    """Return *function* as ``async def``, each ``yield from`` of its own as an ``await``."""
    body = function.body.visit(_YieldFromToAwait())
    assert isinstance(body, cst.BaseSuite)
    return as_async(function.with_changes(body=body))


class _YieldFromToAwait(cst.CSTTransformer):
    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        return False

    def visit_Lambda(self, node: cst.Lambda) -> bool:
        return False

    def leave_Yield(self, original_node: cst.Yield, updated_node: cst.Yield) -> cst.BaseExpression:
        if not isinstance(updated_node.value, cst.From):
            return updated_node
        item = updated_node.value.item
        return awaited(item).with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)
