"""What a class promises: which members it has, what calling them takes, and what they give.

``unittest.mock`` asks a class for the names of its members and for little more. Here the class is
read as a type checker reads it: a property is typed by its annotation, a coroutine function by
what is awaited from it, an attribute that only ``__init__`` assigns by the parameter it comes from.
Nothing here knows of mocks, and nothing of the class is called: a property is never evaluated.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._annotations import (
    MISSING,
    UNKNOWN,
    Gives,
    Shape,
    fits,
    is_coroutine_function,
    namespace,
    read_annotation,
    shape_of_class,
    static,
)
from ._declared import annotated, assigned

__unittest = True


class Call(enum.Enum):
    """How a callable is used."""

    SYNC = "sync"
    ASYNC = "async"
    ASYNC_GENERATOR = "async generator"


@dataclass(frozen=True)
class Method:
    """Something that is called: a function, a method, a class.

    Attributes:
        name: The name of the member.
        call: How it is used.
        signature: What it takes, without ``self`` or ``cls``; ``None`` where that can't be read.
        returns: What a call gives, or what awaiting it gives.
        function: The real thing, for its name, module and docstring.
    """

    name: str
    call: Call
    signature: inspect.Signature | None
    returns: Shape
    function: Any


@dataclass(frozen=True)
class Value:
    """Something that is read: a property, an annotated attribute, a constant.

    Attributes:
        name: The name of the member.
        shape: What reading it gives.
        is_async: Whether it is a property that has to be awaited.
        has_constant: Whether the class has a plain value for it.
        constant: That value.
    """

    name: str
    shape: Shape = UNKNOWN
    is_async: bool = False
    has_constant: bool = False
    constant: Any = None


@dataclass(frozen=True)
class Nested:
    """A class as a member of a class or module."""

    name: str
    cls: type


Member = Method | Value | Nested


@dataclass(frozen=True)
class Spec:
    """A class as the model of a mock, with what its type variables stand for.

    Attributes:
        cls: The class.
        variables: What the type variables stand for, from an annotation such as ``Queue[int]``.
        target: The object or module that is the model, where it is no class.
    """

    cls: type
    variables: Mapping[Any, Any] = field(default_factory=dict)
    target: Any = None

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """The names of all members, those included that only ``__init__`` assigns."""
        names = {*dir(self.cls), *annotated(self.cls), *assigned(self.cls)}
        if self.target is not None:
            names |= {*dir(self.target)}
        return frozenset(names)

    def member(self, name: str) -> Member | None:
        """Return what *name* is, or ``None`` where there is no such member."""
        if self.target is not None and name in getattr(self.target, "__dict__", ()):
            return self._held(name, vars(self.target)[name])
        raw = static(self.cls, name)
        if raw is MISSING:
            return self._declared(name)
        if isinstance(raw, property):
            return self._property(name, raw.fget)
        if isinstance(raw, types.MemberDescriptorType | types.GetSetDescriptorType):
            return self._declared(name) or Value(name)
        if isinstance(raw, type):
            return Nested(name, raw)
        if _is_method(raw):
            return read_callable(raw, name, self)
        if hasattr(type(raw), "__get__"):  # cached_property, and what libraries have in its place
            found = (getattr(raw, where, None) for where in ("func", "wrapped", "fget"))
            return self._property(name, next(filter(inspect.isfunction, found), None))
        return self._constant(name, raw)

    def shape(self, annotation: Any, home: Any = None) -> Shape:
        """Say what *annotation*, written in the function or class *home*, stands for."""
        return read_annotation(annotation, namespace(home or self.cls), self)

    def _held(self, name: str, value: Any) -> Member:
        """What an object that is the model has under *name*."""
        if isinstance(value, type):
            return Nested(name, value)
        if inspect.isroutine(value):
            return read_callable(value, name, self, bound=True)
        if is_plain(value):
            return Value(name, has_constant=True, constant=value)
        return Value(name, shape_of_class(type(value)))

    def _property(self, name: str, getter: Any) -> Value:
        if getter is None:
            return self._declared(name) or Value(name)
        function = inspect.unwrap(getter)
        annotation = getattr(function, "__annotations__", {}).get("return", inspect.Signature.empty)
        return Value(name, self.shape(annotation, function), is_coroutine_function(function))

    def _declared(self, name: str) -> Value | None:
        """An attribute that no class has a value for, but that is annotated or assigned."""
        if name in (found := annotated(self.cls)):
            home, annotation = found[name]
            return Value(name, self.shape(annotation, home))
        if name in (found := assigned(self.cls)):
            home, annotation = found[name]
            return Value(name, self.shape(annotation, home))
        return None

    def _constant(self, name: str, raw: Any) -> Value:
        declared = self._declared(name)
        if not is_plain(raw):
            return declared or Value(name, shape_of_class(type(raw)))
        if declared is not None and not fits(declared.shape, raw):
            return declared  # ``status: int = None`` says "not known yet"
        shape = declared.shape if declared else UNKNOWN
        return Value(name, shape, has_constant=True, constant=raw)


# Callables -------------------------------------------------------------------------------------


def read_callable(raw: Any, name: str, spec: Spec | None = None, *, bound: bool = False) -> Method:
    """Read a function as it stands in a class, a ``classmethod`` or ``staticmethod`` included.

    Args:
        raw: The function or its wrapper.
        name: What it is called there.
        spec: The class it is a member of.
        bound: Whether it takes its arguments as they are: a function of a module, a bound method.
    """
    skips = spec is not None and not bound and not isinstance(raw, staticmethod)
    function = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
    inner = _unwrapped(function)
    signature = _signature(function, skips)
    annotation = getattr(inner, "__annotations__", None) or {}
    owner = spec or Spec(object)
    returns = owner.shape(annotation.get("return", inspect.Signature.empty), inner)
    call = Call.SYNC
    if is_coroutine_function(function):
        call = Call.ASYNC
    elif inspect.isasyncgenfunction(function):
        call = Call.ASYNC_GENERATOR
    elif (gives := _context_factory(function)) is not None:
        returns = Shape(gives, returns.text, inner=returns.inner or UNKNOWN)
    elif is_coroutine_function(inner):
        # A plain function around a coroutine function: its call gives what the inner one would.
        returns = Shape(Gives.AWAITABLE, returns.text, inner=returns)
    elif inspect.isasyncgenfunction(inner):
        returns = Shape(Gives.ITERATOR, returns.text)
    return Method(name, call, signature, returns, inner)


def read_constructor(spec: Spec) -> Method:
    """Read what calling the class takes; it gives an instance."""
    try:
        signature: inspect.Signature | None = inspect.signature(spec.cls)
    except (TypeError, ValueError):
        signature = None
    returns = Shape(Gives.OBJECT, spec.cls.__name__, spec.cls, spec.variables)
    return Method(spec.cls.__name__, Call.SYNC, signature, returns, spec.cls)


def _is_method(raw: Any) -> bool:
    if isinstance(raw, classmethod | staticmethod) or inspect.isroutine(raw):
        return True
    return callable(raw) and hasattr(type(raw), "__get__")


def _unwrapped(function: Any) -> Any:
    while isinstance(function, functools.partial | functools.partialmethod):
        function = function.func
    try:
        return inspect.unwrap(function)
    except ValueError:  # a cycle
        return function


def _signature(function: Any, skips: bool) -> inspect.Signature | None:
    try:
        if isinstance(function, functools.partialmethod):
            function = function.__get__(None, object)
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    parameters = list(signature.parameters.values())
    if skips and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        if parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
            return None
        del parameters[0]
    return signature.replace(parameters=parameters)


@contextlib.contextmanager
def _probe() -> typing.Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def _async_probe() -> typing.AsyncIterator[None]:
    yield


# The functions that contextlib's decorators put around a generator share one code object each.
_FACTORIES: dict[Any, Gives] = {
    getattr(_probe, "__code__", None): Gives.CONTEXT,
    getattr(_async_probe, "__code__", None): Gives.ASYNC_CONTEXT,
}


def _context_factory(function: Any) -> Gives | None:
    code = getattr(function, "__code__", None)
    return _FACTORIES.get(code) if code is not None else None


def returned_by_await(spec: Spec) -> Shape:
    """Say what awaiting an instance gives, by the annotation of ``__await__``."""
    function = static(spec.cls, "__await__")
    annotation = getattr(function, "__annotations__", {}).get("return")
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, namespace(function))
        except Exception:
            return UNKNOWN
    arguments = typing.get_args(annotation)
    return spec.shape(arguments[2], function) if len(arguments) == 3 else UNKNOWN


def is_plain(value: Any) -> bool:
    """Tell whether *value* can be handed out as it is: nothing of it can be changed."""
    return value is None or isinstance(value, _PLAIN)


_PLAIN: Any = (bool, int, float, complex, str, bytes, enum.Enum, frozenset, range)
