"""What a call or an attribute of a mock gives, as long as the test has not said so."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ._annotations import UNKNOWN, Gives, Shape
from ._awaits import MagicMock
from ._doubles import async_cm, pause
from ._iterations import UnsetItems
from ._spec import Method, Spec
from ._unset import Unset

__unittest = True


def make_given(giver: Any, shape: Shape, what: str, setting: str, kw: dict[str, Any]) -> Any:
    """Return what stands for something of *shape* that the test has not set.

    Args:
        giver: The mock that gives it.
        shape: What its annotation tells.
        what: How the user would write it, for messages: ``get()``.
        setting: The attribute that sets it.
        kw: The place of the new mock among its parents.
    """
    from ._models import make_class, make_object  # whose methods give such things in turn

    pace = giver._asynctesting_pace()
    gives = shape.gives
    if gives is Gives.NOTHING:
        return None
    if gives is Gives.OWNER:
        return giver.__dict__.get("_asynctesting_owner") or giver
    if gives is Gives.OBJECT and shape.cls is not None:
        owner = giver.__dict__.get("_asynctesting_owner")
        if owner is not None and _enters_itself(giver, owner, shape.cls):
            return owner
        spec = Spec(shape.cls, shape.variables)
        return make_object(spec, **giver._asynctesting_options(), **kw)
    if gives is Gives.CLASS and shape.cls is not None:
        return make_class(Spec(shape.cls), **giver._asynctesting_options(), **kw)
    if gives is Gives.VALUE:
        return _unset_value(shape, what, setting)
    if gives is Gives.ITERATOR:
        return UnsetItems(
            Unset(
                f"{what} was iterated, and the test has not said what it yields. Set {setting} to "
                "async_gen([...])"
            )
        )
    inner = shape.inner or UNKNOWN
    if gives is Gives.AWAITABLE:
        return _Reusable(make_given(giver, inner, what, setting, kw), pace)
    if gives is Gives.ASYNC_CONTEXT:
        return async_cm(make_given(giver, inner, what, setting, kw), **pace)
    if gives is Gives.CONTEXT:
        made = MagicMock(**kw)
        made.__enter__.return_value = make_given(giver, inner, what, setting, {})
        return made
    return MagicMock(**kw)


class _Reusable:
    """An awaitable that can be awaited any number of times."""

    def __init__(self, value: Any, pace: dict[str, Any]) -> None:
        self._value, self._pace = value, pace

    def __await__(self) -> Generator[Any, None, Any]:
        return self._give().__await__()

    async def _give(self) -> Any:
        await pause(**self._pace)
        return self._value


def _enters_itself(giver: Any, owner: Any, cls: type) -> bool:
    method: Method | None = giver.__dict__.get("_asynctesting_method")
    spec: Spec | None = owner.__dict__.get("_asynctesting_spec")
    if method is None or spec is None or method.name not in ("__aenter__", "__enter__"):
        return False
    return issubclass(spec.cls, cls)


def _unset_value(shape: Shape, what: str, setting: str) -> Unset:
    if what == "__anext__()":
        return Unset(
            "an async iteration was begun, and the test has not said over what. Set the "
            "return_value of the call that gives the iterator to async_iter([...])"
        )
    return Unset(
        f"{what} was used, and the test has not said what it is ({shape.text}). Set {setting}; a "
        "made-up value would be true, and have the code under test believe in it"
    )
