"""What an annotation says that a call or an attribute gives, as a mock has to know it.

What can't be told, or can't be read at run time (a name that only a type checker imports), is
:attr:`Gives.UNKNOWN`, and the mock is then as open there as the standard library's.
"""

from __future__ import annotations

import asyncio
import collections.abc
import contextlib
import enum
import functools
import inspect
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

__unittest = True


class Gives(enum.Enum):
    """What kind of thing a call, an await or an attribute gives."""

    UNKNOWN = "unknown"
    NOTHING = "None"
    OWNER = "the object itself"
    VALUE = "a value"  # something that is compared by what it holds: only the test can know it
    OBJECT = "an object"  # something with behaviour, which a mock of its class stands for
    CLASS = "a class"
    AWAITABLE = "an awaitable"
    ITERATOR = "an async iterator"
    CONTEXT = "a context manager"
    ASYNC_CONTEXT = "an async context manager"


@dataclass(frozen=True)
class Shape:
    """What something gives, as far as its annotation tells.

    Attributes:
        gives: The kind of thing.
        text: How the annotation is written, for messages.
        cls: The class of an object or a value.
        variables: What the type variables of that class stand for.
        inner: What comes out of an awaitable, an iterator or a context manager.
        accepts: The types that a value may have; ``None`` where that can't be said.
    """

    gives: Gives = Gives.UNKNOWN
    text: str = ""
    cls: type | None = None
    variables: Mapping[Any, Any] = field(default_factory=dict)
    inner: Shape | None = None
    accepts: tuple[type, ...] | None = None


UNKNOWN = Shape()


class Model(Protocol):
    """The class in which an annotation stands."""

    @property
    def cls(self) -> type: ...

    @property
    def variables(self) -> Mapping[Any, Any]: ...


def namespace(home: Any) -> dict[str, Any]:
    if isinstance(home, type):
        module = sys.modules.get(home.__module__)
        return {**vars(module or types), **vars(home)}
    return dict(getattr(home, "__globals__", {}))


def read_annotation(annotation: Any, names: dict[str, Any], spec: Model) -> Shape:
    """Say what *annotation* stands for; :data:`UNKNOWN` where that can't be said."""
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, {**names, spec.cls.__name__: spec.cls})
        except Exception:
            return UNKNOWN  # a name that only a type checker imports
        return read_annotation(annotation, names, spec)
    if annotation in _OPEN:
        return UNKNOWN
    if annotation is None or annotation is type(None):
        return Shape(Gives.NOTHING, "None", accepts=(type(None),))
    if annotation is typing.Self:
        return Shape(Gives.OWNER, "Self")
    if isinstance(annotation, typing.TypeVar):
        return _read_variable(annotation, names, spec)
    if isinstance(annotation, typing.NewType):
        return read_annotation(annotation.__supertype__, names, spec)
    origin = typing.get_origin(annotation)
    if origin is None:
        return _read_class(annotation, names, spec)
    return _read_generic(annotation, origin, names, spec)


_OPEN: Any = (inspect.Signature.empty, Any, object, typing.AnyStr)


def _read_variable(variable: Any, names: dict[str, Any], spec: Model) -> Shape:
    for known in (spec.variables, _inherited(spec.cls)):
        if variable in known:
            return read_annotation(known[variable], names, spec)
    bound = variable.__bound__
    if bound is None:
        return UNKNOWN
    shape = read_annotation(bound, names, spec)
    # ``def __enter__(self: T) -> T``, as it was written before ``Self``.
    if shape.cls is not None and issubclass(spec.cls, shape.cls):
        return Shape(Gives.OWNER, "Self")
    return shape


@functools.cache
def _inherited(cls: type) -> dict[Any, Any]:
    """Return what the variables of generic bases stand for: ``class Orders(Queue[Order])``."""
    found: dict[Any, Any] = {}
    for base in cls.__mro__:
        for alias in vars(base).get("__orig_bases__", ()):
            parameters = getattr(typing.get_origin(alias), "__parameters__", ())
            for parameter, argument in zip(parameters, typing.get_args(alias), strict=False):
                if argument is not parameter:
                    found.setdefault(parameter, argument)
    return found


def _read_class(cls: Any, names: dict[str, Any], spec: Model) -> Shape:
    if not isinstance(cls, type):
        return UNKNOWN
    if cls.__module__ == "collections.abc" or cls in _AWAITABLES or cls in _CONTEXTS:
        return _read_generic(cls, cls, names, spec)
    return shape_of_class(cls)


def shape_of_class(cls: type, variables: Mapping[Any, Any] | None = None) -> Shape:
    """Say what an instance of *cls* is: a value, or an object with behaviour.

    What compares by what it holds (numbers, texts, dates, dataclasses) is a value, and only the
    test can know which. What compares by identity is an object, and so is whatever has coroutine
    methods.
    """
    if static(cls, "__eq__") is not vars(object)["__eq__"] or issubclass(cls, enum.Enum):
        is_value = not any(is_coroutine_function(value) for value in vars(cls).values())
    else:
        is_value = False
    if is_value:
        return Shape(Gives.VALUE, cls.__name__, cls, accepts=_WIDER.get(cls, (cls,)))
    if issubclass(cls, collections.abc.AsyncGenerator):
        return Shape(Gives.ITERATOR, cls.__name__)
    return Shape(Gives.OBJECT, cls.__name__, cls, variables or {})


# A type checker takes the narrower number for the wider one.
_WIDER: dict[type, tuple[type, ...]] = {float: (float, int), complex: (complex, float, int)}

_AWAITABLES = {
    collections.abc.Awaitable: 0,
    collections.abc.Coroutine: 2,
    asyncio.Future: 0,
    asyncio.Task: 0,
}
_ITERATORS = {
    collections.abc.AsyncIterable,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
}
_CONTEXTS = {
    contextlib.AbstractContextManager: Gives.CONTEXT,
    contextlib.AbstractAsyncContextManager: Gives.ASYNC_CONTEXT,
}


def _read_generic(annotation: Any, origin: Any, names: dict[str, Any], spec: Model) -> Shape:
    text = str(annotation).replace("typing.", "").replace("collections.abc.", "")
    arguments = typing.get_args(annotation)

    def inner(number: int) -> Shape:
        if number >= len(arguments):
            return UNKNOWN
        return read_annotation(arguments[number], names, spec)

    if origin in (typing.Annotated, typing.Final, typing.ClassVar):
        return inner(0)
    if origin is typing.Union or origin is types.UnionType:
        return _read_union([inner(number) for number in range(len(arguments))], text)
    if origin is typing.Literal:
        return Shape(Gives.VALUE, text)
    if origin is type:
        return Shape(Gives.CLASS, text, inner(0).cls)
    if origin is collections.abc.Callable:
        return UNKNOWN
    if origin in _AWAITABLES:
        return Shape(Gives.AWAITABLE, text, inner=inner(_AWAITABLES[origin]))
    if origin in _ITERATORS:
        return Shape(Gives.ITERATOR, text, inner=inner(0))
    if origin in _CONTEXTS:
        return Shape(_CONTEXTS[origin], text, inner=inner(0))
    if not isinstance(origin, type):
        return UNKNOWN
    if origin.__module__ == "collections.abc":  # Mapping[...], Iterable[...] and their kin
        return Shape(Gives.VALUE, text, accepts=(origin,))
    variables = dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=False))
    variables = {name: spec.variables.get(value, value) for name, value in variables.items()}
    shape = shape_of_class(origin, variables)
    return Shape(shape.gives, text, shape.cls, shape.variables, shape.inner, shape.accepts)


def _read_union(options: list[Shape], text: str) -> Shape:
    present = [option for option in options if option.gives is not Gives.NOTHING]
    if len(present) == 1 and present[0].gives is not Gives.VALUE:
        return replace(present[0], accepts=(type(None),))
    if any(option.gives is Gives.UNKNOWN for option in options):
        return UNKNOWN
    accepts: list[type] = []
    for option in options:
        if option.accepts is None:
            return Shape(Gives.VALUE, text)
        accepts += option.accepts
    return Shape(Gives.VALUE, text, accepts=tuple(accepts))


def fits(shape: Shape, value: Any) -> bool:
    """Tell whether *value* may be what *shape* says; ``True`` also where that can't be said."""
    if shape.gives is Gives.VALUE and shape.accepts is not None:
        return isinstance(value, shape.accepts)
    return not (value is None and shape.gives is Gives.OBJECT and shape.accepts is None)


def is_coroutine_function(function: Any) -> bool:
    while isinstance(function, functools.partial | functools.partialmethod):
        function = function.func
    if inspect.iscoroutinefunction(function):
        return True
    # What asyncio.iscoroutinefunction() also takes for one, without its deprecation in 3.14.
    mark = getattr(asyncio.coroutines, "_is_coroutine", None)
    return mark is not None and getattr(function, "_is_coroutine", None) is mark


MISSING = object()


def static(cls: type, name: str) -> Any:
    """Return what stands under *name* in the class or a base of it, as it stands there."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), MISSING)
