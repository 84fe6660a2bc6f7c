"""What a class promises: which members it has, what calling them takes, and what they give.

``unittest.mock`` asks a class for the names of its members and for little more. Here the class is
read as a type checker reads it: a property is typed by its annotation, a coroutine function by
what is awaited from it, an attribute that only ``__init__`` assigns by the parameter it comes from.
Nothing here knows of mocks, and nothing of the class is called: a property is never evaluated.

What an annotation can't tell, or can't be read for (a name that only a type checker imports), is
:attr:`Gives.UNKNOWN`, and the mock is then as open there as the standard library's.
"""

from __future__ import annotations

import ast
import asyncio
import collections.abc
import contextlib
import enum
import functools
import inspect
import sys
import textwrap
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

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
        names = {*dir(self.cls), *_annotated(self.cls), *_assigned(self.cls)}
        if self.target is not None:
            names |= {*dir(self.target)}
        return frozenset(names)

    def member(self, name: str) -> Member | None:
        """Return what *name* is, or ``None`` where there is no such member."""
        if self.target is not None and name in getattr(self.target, "__dict__", ()):
            return self._held(name, vars(self.target)[name])
        raw = _static(self.cls, name)
        if raw is _MISSING:
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
        return read_annotation(annotation, _namespace(home or self.cls), self)

    def _held(self, name: str, value: Any) -> Member:
        """What an object that is the model has under *name*."""
        if isinstance(value, type):
            return Nested(name, value)
        if inspect.isroutine(value):
            return read_callable(value, name, self, bound=True)
        if _is_plain(value):
            return Value(name, has_constant=True, constant=value)
        return Value(name, shape_of_class(type(value)))

    def _property(self, name: str, getter: Any) -> Value:
        if getter is None:
            return self._declared(name) or Value(name)
        function = inspect.unwrap(getter)
        annotation = getattr(function, "__annotations__", {}).get("return", inspect.Signature.empty)
        return Value(name, self.shape(annotation, function), _is_coroutine_function(function))

    def _declared(self, name: str) -> Value | None:
        """An attribute that no class has a value for, but that is annotated or assigned."""
        if name in (found := _annotated(self.cls)):
            home, annotation = found[name]
            return Value(name, self.shape(annotation, home))
        if name in (assigned := _assigned(self.cls)):
            home, annotation = assigned[name]
            return Value(name, self.shape(annotation, home))
        return None

    def _constant(self, name: str, raw: Any) -> Value:
        declared = self._declared(name)
        if not _is_plain(raw):
            return declared or Value(name, shape_of_class(type(raw)))
        if declared is not None and not fits(declared.shape, raw):
            return declared  # ``status: int = None`` says "not known yet"
        shape = declared.shape if declared else UNKNOWN
        return Value(name, shape, has_constant=True, constant=raw)


_MISSING = object()


def _static(cls: type, name: str) -> Any:
    """Return what stands under *name* in the class or a base of it, as it stands there."""
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), _MISSING)


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
    if _is_coroutine_function(function):
        call = Call.ASYNC
    elif inspect.isasyncgenfunction(function):
        call = Call.ASYNC_GENERATOR
    elif (gives := _context_factory(function)) is not None:
        returns = Shape(gives, returns.text, inner=returns.inner or UNKNOWN)
    elif _is_coroutine_function(inner):
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


def _is_coroutine_function(function: Any) -> bool:
    while isinstance(function, functools.partial | functools.partialmethod):
        function = function.func
    if inspect.iscoroutinefunction(function):
        return True
    # What asyncio.iscoroutinefunction() also takes for one, without its deprecation in 3.14.
    mark = getattr(asyncio.coroutines, "_is_coroutine", None)
    return mark is not None and getattr(function, "_is_coroutine", None) is mark


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


# Attributes that are only declared ---------------------------------------------------------------


@functools.cache
def _annotated(cls: type) -> dict[str, tuple[Any, Any]]:
    """Return the class and the annotation of each annotated attribute."""
    found: dict[str, tuple[Any, Any]] = {}
    for base in reversed(cls.__mro__):
        try:
            annotations = inspect.get_annotations(base)
        except Exception:  # evaluated late, and a name is missing (3.14)
            continue
        found |= {_mangled(base, name): (base, value) for name, value in annotations.items()}
    return found


@functools.cache
def _assigned(cls: type) -> dict[str, tuple[Any, Any]]:
    """Return the ``__init__`` and the annotation of each attribute that one assigns."""
    found: dict[str, tuple[Any, Any]] = {}
    for base in reversed(cls.__mro__):
        init = base.__dict__.get("__init__")
        if isinstance(init, types.FunctionType):
            for name, annotation in _assignments(init):
                name = _mangled(base, name)
                if annotation is not inspect.Signature.empty or name not in found:
                    found[name] = (init, annotation)
    return found


def _assignments(init: types.FunctionType) -> typing.Iterator[tuple[str, Any]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(init)))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return  # no source, so no attributes are known from it
    parameters = getattr(init, "__annotations__", {})
    me = next(iter(inspect.signature(init, follow_wrapped=False).parameters), None)
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            targets: list[ast.expr] = [node.target]
            annotation: Any = ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign):
            targets, annotation = node.targets, inspect.Signature.empty
            if isinstance(node.value, ast.Name):
                annotation = parameters.get(node.value.id, annotation)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            targets, annotation = [node], inspect.Signature.empty
        else:
            continue
        for target in targets:
            if (
                isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id == me
            ):
                yield target.attr, annotation


def _mangled(cls: type, name: str) -> str:
    if name.startswith("__") and not name.endswith("__"):
        return f"_{cls.__name__.lstrip('_')}{name}"
    return name


# Annotations -----------------------------------------------------------------------------------


def _namespace(home: Any) -> dict[str, Any]:
    if isinstance(home, type):
        module = sys.modules.get(home.__module__)
        return {**vars(module or types), **vars(home)}
    return dict(getattr(home, "__globals__", {}))


def read_annotation(annotation: Any, names: dict[str, Any], spec: Spec) -> Shape:
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


def _read_variable(variable: Any, names: dict[str, Any], spec: Spec) -> Shape:
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


def _read_class(cls: Any, names: dict[str, Any], spec: Spec) -> Shape:
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
    if _static(cls, "__eq__") is not vars(object)["__eq__"] or issubclass(cls, enum.Enum):
        is_value = not any(_is_coroutine_function(value) for value in vars(cls).values())
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


def _read_generic(annotation: Any, origin: Any, names: dict[str, Any], spec: Spec) -> Shape:
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


def returned_by_await(spec: Spec) -> Shape:
    """Say what awaiting an instance gives, by the annotation of ``__await__``."""
    function = _static(spec.cls, "__await__")
    annotation = getattr(function, "__annotations__", {}).get("return")
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, _namespace(function))
        except Exception:
            return UNKNOWN
    arguments = typing.get_args(annotation)
    return spec.shape(arguments[2], function) if len(arguments) == 3 else UNKNOWN


# Values ----------------------------------------------------------------------------------------


def fits(shape: Shape, value: Any) -> bool:
    """Tell whether *value* may be what *shape* says; ``True`` also where that can't be said."""
    if shape.gives is Gives.VALUE and shape.accepts is not None:
        return isinstance(value, shape.accepts)
    return not (value is None and shape.gives is Gives.OBJECT and shape.accepts is None)


def _is_plain(value: Any) -> bool:
    """Tell whether *value* can be handed out as it is: nothing of it can be changed."""
    return value is None or isinstance(value, _PLAIN)


_PLAIN: Any = (bool, int, float, complex, str, bytes, enum.Enum, frozenset, range)
