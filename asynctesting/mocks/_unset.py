"""What stands in for a value that only the test can know, until the test says which."""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import UnsetError

__unittest = True


class Unset:
    """A value that may be passed on and dropped, and fails the test when it is used.

    A plain mock in its place would be true, have every attribute and equal nothing: code under
    test takes that for an answer, and the test passes.
    """

    __slots__ = ("_asynctesting_text",)

    def __init__(self, text: str) -> None:
        self._asynctesting_text = text

    def __repr__(self) -> str:
        return "<unset>"

    def _asynctesting_raise(self, *args: object) -> NoReturn:
        raise UnsetError(self._asynctesting_text)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        self._asynctesting_raise()

    __hash__ = object.__hash__


def _fail(self: Unset, *args: object) -> NoReturn:
    self._asynctesting_raise()


for _name in (
    *("bool", "str", "format", "bytes", "int", "float", "complex", "index", "len", "contains"),
    *("eq", "ne", "lt", "le", "gt", "ge", "getitem", "setitem", "delitem", "iter", "next"),
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "mod"),
    *("rmod", "pow", "and", "or", "xor", "neg", "abs", "round", "call", "await"),
    *("aiter", "anext", "enter", "exit", "aenter", "aexit"),
):
    setattr(Unset, f"__{_name}__", _fail)
