"""Mocks of functions and methods, which are called as the real ones are or not at all."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from .. import _internals
from ._awaits import AsyncMock, AwaitLog, MagicMock, exhausted, is_iterator
from ._doubles import check_delay
from ._given import make_given
from ._iterations import as_generator
from ._spec import Call, Method
from ._unset import Unset

__unittest = True


def _plain() -> None: ...


async def _coroutine() -> None: ...


async def _generator() -> Any:
    yield


_STAND_INS = {
    Call.SYNC: _plain,
    Call.ASYNC: _coroutine,
    Call.ASYNC_GENERATOR: _generator,
}


class BaseFunction(AwaitLog):
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


class Function(BaseFunction, MagicMock):
    """A mock of a plain function or method."""


class AsyncFunction(BaseFunction, AsyncMock):
    """A mock of a coroutine function."""

    async def _execute_mock_call(self, /, *args: Any, **kwargs: Any) -> Any:
        result = await super()._execute_mock_call(*args, **kwargs)
        if isinstance(result, Unset) and self.__dict__["_asynctesting_method"].name == "__anext__":
            result._asynctesting_raise()  # ``async for`` would hand it out without end
        return result


class AsyncGeneratorFunction(BaseFunction, MagicMock):
    """A mock of an async generator function: ``return_value`` is the items of each iteration."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return as_generator(super().__call__(*args, **kwargs), self._asynctesting_pace())

    def _get_child_mock(self, /, **kw: Any) -> Any:
        if kw.get("_new_name") != "()":
            return super()._get_child_mock(**kw)
        method: Method = self.__dict__["_asynctesting_method"]
        return Unset(
            f"{method.name}() was iterated, and the test has not said what it yields. Set its "
            "return_value to a list, or to [] for nothing"
        )


def make_function(method: Method, owner: Any = None, **kw: Any) -> Any:
    """Return a mock of a function that is called as *method* says.

    Args:
        method: What it takes and gives.
        owner: The mock of the object that it is a method of.
        kw: Arguments for the mock's class: parent, name, checkpoint, delay.
    """
    stand_in = _stand_in(method)
    pace = take_pace(kw)
    strict = kw.pop("strict", True)
    made: Any
    if method.call is Call.ASYNC:
        made = AsyncFunction(spec=stand_in, **pace, **kw)
    else:
        cls = Function if method.call is Call.SYNC else AsyncGeneratorFunction
        made = cls(spec=stand_in, **kw)
        keep_pace(made, pace)
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


def take_pace(kw: dict[str, Any]) -> dict[str, Any]:
    return {"checkpoint": kw.pop("checkpoint", False), "delay": kw.pop("delay", 0.0)}


def keep_pace(made: Any, pace: dict[str, Any]) -> None:
    made.__dict__["_asynctesting_pause"] = (pace["checkpoint"], check_delay(pace["delay"]))
