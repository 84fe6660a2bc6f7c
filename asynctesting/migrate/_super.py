"""``super().setUp()`` and its like, when the hook that calls it gets another name."""

from __future__ import annotations

import libcst as cst

from ._tree import dotted


class SuperCalls(cst.CSTTransformer):
    """Renames ``super().setUp()`` and its like within the hook itself, and awaits it."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__()
        self.old = old
        self.new = new

    def leave_Await(self, original_node: cst.Await, updated_node: cst.Await) -> cst.Await:
        call = self._renamed(updated_node.expression)
        return updated_node if call is None else updated_node.with_changes(expression=call)

    def leave_Expr(self, original_node: cst.Expr, updated_node: cst.Expr) -> cst.Expr:
        # Not awaited: the empty hook of the case itself, which may as well be the async one.
        call = self._renamed(updated_node.value)
        return updated_node if call is None else updated_node.with_changes(value=cst.Await(call))

    def _renamed(self, call: cst.BaseExpression) -> cst.Call | None:
        if not (isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute)):
            return None
        if call.func.attr.value != self.old:
            return None
        owner = call.func.value
        is_super = isinstance(owner, cst.Call) and dotted(owner.func) == "super"
        is_base = bool(call.args) and dotted(owner) and dotted(call.args[0].value) == "self"
        if not (is_super or is_base):
            return None
        return call.with_changes(func=call.func.with_changes(attr=cst.Name(self.new)))
