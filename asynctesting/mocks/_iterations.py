"""What mocks give to iterate over: never silently nothing."""

from __future__ import annotations

from typing import Any
from unittest import mock

from .. import _internals
from ._awaits import MagicMock
from ._doubles import async_gen
from ._unset import Unset

__unittest = True


def as_generator(items: Any, pace: dict[str, Any]) -> Any:
    if isinstance(items, Unset):
        return UnsetItems(items)
    if hasattr(items, "__aiter__"):
        return items
    return async_gen(items, **pace)


class UnsetItems:
    """An async iterable of nobody knows what."""

    def __init__(self, unset: Unset) -> None:
        self._unset = unset

    def __aiter__(self) -> UnsetItems:
        return self

    async def __anext__(self) -> Any:
        self._unset._asynctesting_raise()

    async def aclose(self) -> None:
        """Close it, as a generator that has not begun."""


class Iterations(MagicMock):
    """A mock of ``__aiter__`` or ``__iter__`` that is never silently empty."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        result = self._asynctesting_items(*args, **kwargs)
        if _internals.mock_own_name(self) == "__iter__":
            return iter(result)
        return result if hasattr(result, "__anext__") else as_generator(result, {})

    def _asynctesting_items(self, *args: Any, **kwargs: Any) -> Any:
        # The standard library's own default is a side effect that iterates over nothing.
        if getattr(self.side_effect, "__module__", None) != mock.__name__:
            return super().__call__(*args, **kwargs)
        value = self.return_value
        if isinstance(value, Unset):
            return value._asynctesting_raise()
        return value

    def _get_child_mock(self, /, **kw: Any) -> Any:
        owner, name = self.__dict__["_asynctesting_owner"], _internals.mock_own_name(self)
        if name == "__aiter__" and hasattr(owner.__dict__["_asynctesting_spec"].cls, "__anext__"):
            return owner
        return Unset(
            f"{owner!r} was iterated, and the test has not said over what. Set its "
            f"{name}.return_value to a list, or to [] for nothing"
        )
