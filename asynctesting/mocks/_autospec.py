"""autospec(): a mock that has what its model has, takes what it takes, and makes nothing up."""

from __future__ import annotations

import types
from typing import Any
from unittest import mock

from ._functions import make_function
from ._models import make_class, make_object
from ._spec import Spec, read_callable

__unittest = True


def autospec(
    target: Any,
    *,
    instance: bool = False,
    spec_set: bool = True,
    checkpoint: bool = False,
    delay: float = 0.0,
    **attributes: Any,
) -> Any:
    """Make a mock in the likeness of *target*, a class, an object, a function or a module.

    It is what ``unittest.mock.create_autospec()`` makes, with the same assertions, and closer to
    its model: whether something is awaited, iterated or entered is as in the model, what a call
    gives is made after its return annotation, and an attribute that the model hasn't got can't be
    set either. A value that nobody has said (a property, a method that gives a number) is an
    :exc:`UnsetError` when it is used, where the standard library makes one up that is true.

    Args:
        target: The model.
        instance: Whether a class stands for its instances: the mock is then one of those.
        spec_set: Whether setting an attribute that the model hasn't got is an error.
        checkpoint: Whether each await lets other tasks run once.
        delay: Seconds that each await takes, on the loop's clock; finite and 0 or more.
        attributes: What to set on the mock, as with ``Mock(**kwargs)``: ``closed=False``, or
            ``**{"get.return_value": 1}``. The names of the parameters above can't stand here.

    Returns:
        The mock.

    Raises:
        TypeError: If *target* is a mock, or *instance* is asked for and it is no class.
        AttributeError: If *attributes* names what the model hasn't got.
        ValueError: If *delay* is negative, infinite or NaN.

    Example:
        >>> class Store:
        ...     async def stock(self, sku: str) -> int: ...
        >>> store = autospec(Store, instance=True)
        >>> store.stock.return_value = 3
        >>> asyncio.run(store.stock("tea"))
        3
        >>> store.stocks
        Traceback (most recent call last):
          ...
        AttributeError: Store has no attribute 'stocks'. Did you mean 'stock'?
    """
    options: Any = {"checkpoint": checkpoint, "delay": delay, "strict": spec_set}
    made = _make(target, instance, options)
    made.configure_mock(**attributes)
    return made


def _make(target: Any, instance: bool, options: dict[str, Any]) -> Any:
    if isinstance(target, mock.NonCallableMock):
        raise TypeError(
            f"autospec() needs the real thing as its model, got the mock {target!r}: it has every "
            "attribute, so it describes nothing"
        )
    if isinstance(target, type):
        make = make_object if instance else make_class
        return make(Spec(target), **options)
    if instance:
        raise TypeError(
            f"autospec(instance=True) needs a class, got {target!r}. Without it, an object is the "
            "model of a mock of its own kind"
        )
    if isinstance(target, types.FunctionType | types.MethodType | types.BuiltinFunctionType):
        return make_function(read_callable(target, target.__name__, bound=True), **options)
    if isinstance(target, types.ModuleType):
        return make_object(Spec(types.ModuleType, target=target), **options)
    return make_object(Spec(type(target), target=target), **options)
