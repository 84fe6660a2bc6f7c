"""Mocks of objects and classes, with a model: what ``_spec.py`` has read of the real one.

Their children are made when they are asked for, by the one hook that unittest.mock documents for
that (``_get_child_mock``), so that a large class costs what a test uses of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Generator
from typing import Any
from unittest import mock

from .. import _internals
from ._annotations import UNKNOWN, Gives, Shape, fits
from ._awaits import AsyncMock, AwaitLog, MagicMock
from ._doubles import pause
from ._functions import BaseFunction, keep_pace, make_function, take_pace
from ._given import make_given
from ._iterations import Iterations
from ._spec import Call, Method, Nested, Spec, Value, read_constructor, returned_by_await
from ._unset import Unset

__unittest = True


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
            made = Iterations(**kw)
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


class CallableObject(_Object, BaseFunction, MagicMock):
    """A mock of an instance that can be called."""

    def _get_child_mock(self, /, **kw: Any) -> Any:
        base = BaseFunction if kw.get("_new_name") == "()" else _Object
        return base._get_child_mock(self, **kw)


class AsyncCallableObject(_Object, BaseFunction, AsyncMock):
    """A mock of an instance whose call has to be awaited."""

    def _get_child_mock(self, /, **kw: Any) -> Any:
        base = BaseFunction if kw.get("_new_name") == "()" else _Object
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
    pace = take_pace(kw)
    strict = kw.pop("strict", True)
    made = cls(spec=spec.cls, **kw)
    keep_pace(made, pace)
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
