"""Mocks with a model: of a function, an object, a class that ``_spec.py`` has read.

Their children are made when they are asked for, by the one hook that unittest.mock documents for
that (``_get_child_mock``), so that a large class costs what a test uses of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Generator
from types import FunctionType
from typing import Any
from unittest import mock

from .. import _internals
from ._annotations import UNKNOWN, Gives, Shape, fits
from ._awaits import AsyncMock, AwaitLog, MagicMock, exhausted, is_iterator
from ._doubles import async_cm, async_gen, check_delay, pause
from ._spec import (
    Call,
    Method,
    Nested,
    Spec,
    Value,
    read_constructor,
    returned_by_await,
)
from ._unset import Unset

__unittest = True


# Mocks of functions ----------------------------------------------------------------------------


def _plain() -> None: ...


async def _coroutine() -> None: ...


async def _generator() -> Any:
    yield


_STAND_INS = {
    Call.SYNC: _plain,
    Call.ASYNC: _coroutine,
    Call.ASYNC_GENERATOR: _generator,
}


class _Function(AwaitLog):
    """A mock that is called as a real function is, or not at all."""

    asynctesting_has_model = True

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        method: Method = self.__dict__["_asynctesting_method"]
        if method.signature is not None:
            try:
                method.signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(
                    f"{method.name}() was called wrongly: {error}; it is {method.name}"
                    f"{method.signature}"
                ) from None
        effect = self.side_effect
        try:
            return super().__call__(*args, **kwargs)
        except StopIteration:
            if is_iterator(effect):
                raise exhausted(self) from None
            raise

    def _get_child_mock(self, /, **kw: Any) -> Any:
        if kw.get("_new_name") != "()":
            return super()._get_child_mock(**kw)
        method: Method = self.__dict__["_asynctesting_method"]
        setting = f"{method.name}.return_value"
        return make_given(self, method.returns, f"{method.name}()", setting, kw)


class Function(_Function, MagicMock):
    """A mock of a plain function or method."""


class AsyncFunction(_Function, AsyncMock):
    """A mock of a coroutine function."""

    async def _execute_mock_call(self, /, *args: Any, **kwargs: Any) -> Any:
        result = await super()._execute_mock_call(*args, **kwargs)
        if isinstance(result, Unset) and self.__dict__["_asynctesting_method"].name == "__anext__":
            result._asynctesting_raise()  # ``async for`` would hand it out without end
        return result


class AsyncGeneratorFunction(_Function, MagicMock):
    """A mock of an async generator function: ``return_value`` is the items of each iteration."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return _as_generator(super().__call__(*args, **kwargs), self._asynctesting_pace())

    def _get_child_mock(self, /, **kw: Any) -> Any:
        if kw.get("_new_name") != "()":
            return super()._get_child_mock(**kw)
        method: Method = self.__dict__["_asynctesting_method"]
        return Unset(
            f"{method.name}() was iterated, and the test has not said what it yields. Set its "
            "return_value to a list, or to [] for nothing"
        )


class _Iterations(MagicMock):
    """A mock of ``__aiter__`` or ``__iter__`` that is never silently empty."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        result = self._asynctesting_items(*args, **kwargs)
        if _internals.mock_own_name(self) == "__iter__":
            return iter(result)
        return result if hasattr(result, "__anext__") else _as_generator(result, {})

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


def _as_generator(items: Any, pace: dict[str, Any]) -> Any:
    if isinstance(items, Unset):
        return _UnsetItems(items)
    if hasattr(items, "__aiter__"):
        return items
    return async_gen(items, **pace)


class _UnsetItems:
    """An async iterable of nobody knows what."""

    def __init__(self, unset: Unset) -> None:
        self._unset = unset

    def __aiter__(self) -> _UnsetItems:
        return self

    async def __anext__(self) -> Any:
        self._unset._asynctesting_raise()

    async def aclose(self) -> None:
        """Close it, as a generator that has not begun."""


def make_function(method: Method, owner: Any = None, **kw: Any) -> Any:
    """Return a mock of a function that is called as *method* says.

    Args:
        method: What it takes and gives.
        owner: The mock of the object that it is a method of.
        kw: Arguments for the mock's class: parent, name, checkpoint, delay.
    """
    stand_in = _stand_in(method)
    pace = _take_pace(kw)
    strict = kw.pop("strict", True)
    made: Any
    if method.call is Call.ASYNC:
        made = AsyncFunction(spec=stand_in, **pace, **kw)
    else:
        cls = Function if method.call is Call.SYNC else AsyncGeneratorFunction
        made = cls(spec=stand_in, **kw)
        _keep_pace(made, pace)
    own = made.__dict__
    own["_asynctesting_method"] = method
    own["_asynctesting_owner"] = owner
    own["_asynctesting_strict"] = strict
    for name in ("__code__", "__name__", "__qualname__", "__doc__", "__module__"):
        own[name] = getattr(stand_in, name)
    own["__defaults__"] = own["__kwdefaults__"] = None
    own["__annotations__"] = getattr(method.function, "__annotations__", {})
    if method.signature is not None:
        own["__signature__"] = method.signature
    _internals.set_mock_signature(made, method.signature)
    return made


def _stand_in(method: Method) -> Any:
    """Return a real function of the right flavour that carries the name of the real one."""
    function = FunctionType(_STAND_INS[method.call].__code__, {})
    function.__name__ = method.name
    for name in ("__qualname__", "__doc__", "__module__"):
        value = getattr(method.function, name, None)
        if isinstance(value, str):
            setattr(function, name, value)
    return function


def _take_pace(kw: dict[str, Any]) -> dict[str, Any]:
    return {"checkpoint": kw.pop("checkpoint", False), "delay": kw.pop("delay", 0.0)}


def _keep_pace(made: Any, pace: dict[str, Any]) -> None:
    made.__dict__["_asynctesting_pause"] = (pace["checkpoint"], check_delay(pace["delay"]))


# Mocks of objects and classes --------------------------------------------------------------------


class _Object(AwaitLog):
    """A mock that has the members of a class, and no others."""

    asynctesting_has_model = True

    def __getattr__(self, name: str) -> Any:
        spec: Spec | None = self.__dict__.get("_asynctesting_spec")
        if spec is None or name.startswith("_mock_"):
            return super().__getattr__(name)
        values = self.__dict__["_asynctesting_values"]
        if name in values:
            return _resolve(values[name])
        member = None if _is_dunder(name) else spec.member(name)
        if member is None and not _is_dunder(name) and name not in spec.names:
            raise _unknown(self, name, "has")
        if isinstance(member, Value):
            return self._asynctesting_read(member)
        if member is not None and not _internals.mock_allows(self, name):
            # A function that only the object itself has, not its class.
            kw = {"parent": self, "name": name, "_new_name": name, "_new_parent": self}
            return _internals.adopt_mock(self, name, lambda: self._get_child_mock(**kw))
        return super().__getattr__(name)

    def _asynctesting_read(self, member: Value) -> Any:
        if member.has_constant:
            return member.constant
        children = self.__dict__["_asynctesting_given"]
        if member.name not in children:
            name = member.name
            kw = {"parent": self, "name": name, "_new_name": name, "_new_parent": self}
            what = f"{_title(self)}.{name}"
            shape = member.shape
            if shape.gives is Gives.UNKNOWN:
                shape = Shape(Gives.VALUE, "anything")
            given = make_given(self, shape, what, what, kw)
            if isinstance(given, Unset):
                given._asynctesting_raise()
            children[name] = given
            if isinstance(given, mock.NonCallableMock):
                _internals.adopt_mock(self, name, lambda: given)
        given = children[member.name]
        return _resolve(given) if member.is_async else given

    def __setattr__(self, name: str, value: Any) -> None:
        spec: Spec | None = self.__dict__.get("_asynctesting_spec")
        if spec is None or _is_dunder(name) or _is_mocks_own(name):
            super().__setattr__(name, value)
            return
        member = spec.member(name)
        strict = self.__dict__["_asynctesting_strict"]
        if strict and member is None and name not in spec.names:
            raise _unknown(self, name, "takes")
        if isinstance(member, Value):
            _check_type(self, member, value)
            if member.is_async:
                self.__dict__["_asynctesting_values"][name] = _Awaited(value)
                return
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        spec: Spec | None = self.__dict__.get("_asynctesting_spec")
        return sorted({*super().__dir__(), *(spec.names if spec else ())})

    def _get_child_mock(self, /, **kw: Any) -> Any:
        spec: Spec | None = self.__dict__.get("_asynctesting_spec")
        name = kw.get("_new_name")
        if spec is None or not name or name == "()":
            return super()._get_child_mock(**kw)
        kw.pop("wraps", None)
        if name in ("__aiter__", "__iter__"):
            made = _Iterations(**kw)
            made.__dict__["_asynctesting_owner"] = self
            return made
        member = spec.member(name)
        if isinstance(member, Nested):
            return make_class(Spec(member.cls), **self._asynctesting_options(), **kw)
        if not isinstance(member, Method) or (_is_dunder(name) and name not in _TYPED_MAGICS):
            return super()._get_child_mock(**kw)
        if name in ("__aenter__", "__enter__") and member.returns is UNKNOWN:
            # Hardly anybody annotates it, and hardly anything else returns another object.
            member = _replace_returns(member, Shape(Gives.OWNER, "Self"))
        return make_function(member, self, **self._asynctesting_options(), **kw)


_TYPED_MAGICS = frozenset(
    {"__aenter__", "__aexit__", "__enter__", "__exit__", "__anext__", "__call__"}
)


def _check_type(owner: Any, member: Value, value: Any) -> None:
    """Refuse a value of another type than the annotation says; a mock may stand for anything."""
    if member.shape.gives is not Gives.VALUE or isinstance(value, mock.NonCallableMock):
        return
    if not fits(member.shape, value):
        raise TypeError(
            f"{_title(owner)}.{member.name} is annotated as {member.shape.text}, got {value!r}"
        )


class _Awaited:
    """The value of an async property: what awaiting it gives."""

    def __init__(self, value: Any) -> None:
        self.value = value

    async def give(self) -> Any:
        return self.value


def _resolve(value: Any) -> Any:
    if isinstance(value, _Awaited):
        return value.give()
    return _Awaited(value).give()


class Object(_Object, mock.NonCallableMagicMock):
    """A mock of an instance."""


class AwaitableObject(Object):
    """A mock of an instance that can be awaited."""

    def __await__(self) -> Generator[Any, None, Any]:
        return self._asynctesting_await().__await__()

    async def _asynctesting_await(self) -> Any:
        checkpoint, delay = self.__dict__.get("_asynctesting_pause", (False, 0.0))
        await pause(checkpoint, delay)
        spec: Spec = self.__dict__["_asynctesting_spec"]
        if hasattr(spec.cls, "__aenter__"):
            # Such as a request of aiohttp, which gives the same either way.
            return self.__aenter__.return_value
        own = self.__dict__
        if "_asynctesting_awaited" not in own:
            kw = {"_new_parent": self, "_new_name": "()"}
            shape = returned_by_await(spec)
            own["_asynctesting_awaited"] = make_given(self, shape, f"await {self!r}", "", kw)
        return own["_asynctesting_awaited"]


class CallableObject(_Object, _Function, MagicMock):
    """A mock of an instance that can be called."""

    def _get_child_mock(self, /, **kw: Any) -> Any:
        base = _Function if kw.get("_new_name") == "()" else _Object
        return base._get_child_mock(self, **kw)


class AsyncCallableObject(_Object, _Function, AsyncMock):
    """A mock of an instance whose call has to be awaited."""

    def _get_child_mock(self, /, **kw: Any) -> Any:
        base = _Function if kw.get("_new_name") == "()" else _Object
        return base._get_child_mock(self, **kw)


class Class(CallableObject):
    """A mock of a class: calling it gives ``return_value``, a mock of an instance."""


def _replace_returns(method: Method, returns: Shape) -> Method:
    return Method(method.name, method.call, method.signature, returns, method.function)


def make_object(spec: Spec, **kw: Any) -> Any:
    """Return a mock of an instance of the class that *spec* describes."""
    call = spec.member("__call__")
    if isinstance(call, Method):
        cls = AsyncCallableObject if call.call is Call.ASYNC else CallableObject
        return _made(cls, spec, call, kw)
    return _made(AwaitableObject if hasattr(spec.cls, "__await__") else Object, spec, None, kw)


def make_class(spec: Spec, **kw: Any) -> Any:
    """Return a mock of the class itself."""
    return _made(Class, spec, read_constructor(spec), kw)


def _made(cls: Any, spec: Spec, call: Method | None, kw: dict[str, Any]) -> Any:
    pace = _take_pace(kw)
    strict = kw.pop("strict", True)
    made = cls(spec=spec.cls, **kw)
    _keep_pace(made, pace)
    own = made.__dict__
    own["_asynctesting_strict"] = strict
    own["_asynctesting_values"] = {}
    own["_asynctesting_given"] = {}
    if call is not None:
        own["_asynctesting_method"] = call
        own["_asynctesting_owner"] = made
        _internals.set_mock_signature(made, call.signature)
    own["_asynctesting_spec"] = spec
    return made


# What a call or an attribute gives ---------------------------------------------------------------


def make_given(giver: Any, shape: Shape, what: str, setting: str, kw: dict[str, Any]) -> Any:
    """Return what stands for something of *shape* that the test has not set.

    Args:
        giver: The mock that gives it.
        shape: What its annotation tells.
        what: How the user would write it, for messages: ``get()``.
        setting: The attribute that sets it.
        kw: The place of the new mock among its parents.
    """
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
        return _UnsetItems(
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


# Small questions -------------------------------------------------------------------------------


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_mocks_own(name: str) -> bool:
    return name in _MOCKS_OWN or name.startswith(("_mock_", "_asynctesting_"))


_MOCKS_OWN = frozenset(
    {
        *("called", "call_count", "call_args", "call_args_list", "mock_calls", "method_calls"),
        *("await_count", "await_args", "await_args_list", "return_value", "side_effect"),
    }
)


def _title(owner: Any) -> str:
    spec: Spec = owner.__dict__["_asynctesting_spec"]
    return spec.cls.__name__


def _unknown(owner: Any, name: str, verb: str) -> AttributeError:
    spec: Spec = owner.__dict__["_asynctesting_spec"]
    close = difflib.get_close_matches(name, [n for n in spec.names if not _is_dunder(n)], 1)
    hint = f". Did you mean {close[0]!r}?" if close else ""
    # Without a name and an object, the interpreter adds no second hint of its own.
    return AttributeError(
        f"{_title(owner)} {verb} no attribute {name!r}{hint}", name=None, obj=None
    )
