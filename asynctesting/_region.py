"""What the regions of all clocks share: a stretch of time that is a decorator, too."""

from __future__ import annotations

import functools
import inspect
import unittest
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, TypeVar

from .errors import SettingError

__unittest = True

_F = TypeVar("_F", bound=Callable[..., Any])

# Where a test method keeps the region that its decorator asks for.
REGION = "__asynctesting_region__"


def check_switch(value: object, name: str) -> None:
    """Refuse what is neither true nor false; a text such as ``"no"`` would count as true.

    Raises:
        TypeError: If *value* is anything else.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")


def check_by_name(values: tuple[object, ...], region: str) -> None:
    """Refuse arguments without a name, which are nearly always a decorated function.

    Raises:
        TypeError: If there are any.
    """
    if callable(next(iter(values), None)):
        raise TypeError(f"write @{region}() with its parentheses: it makes the decorator")
    if values:
        raise TypeError(
            f"{region}() takes its options by name, got {values[0]!r}: the first reading is "
            f"{region}(start=...)"
        )


class Region(AbstractContextManager[Any]):
    """A stretch of time with a clock of its own; as a decorator, the run of one function.

    Each entry makes a clock, so one region can be entered again, and a decorated test repeated.
    """

    def __init__(self) -> None:
        self._open: list[Any] = []

    @abstractmethod
    def begin(self) -> tuple[Any, Callable[[], None]]:
        """Return what the ``with`` statement gets, and what ends the region."""

    def __enter__(self) -> Any:
        value, end = self.begin()
        self._open.append(end)
        return value

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._open:
            raise RuntimeError("this clock region is left, but nobody has entered it: use 'with'")
        self._open.pop()()

    def __call__(self, function: _F) -> _F:
        refuse_class(function)
        wrapper: Any
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with self.lent_to(args):
                    return await function(*args, **kwargs)
        else:

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with self.lent_to(args):
                    return function(*args, **kwargs)

        decorated: _F = wrapper
        return decorated

    #: Under which name a decorated test finds the clock, and where a mixin keeps it.
    lent_as = ("clock", "_asynctesting_clock")

    @contextmanager
    def lent_to(self, arguments: tuple[Any, ...]) -> Iterator[None]:
        """Open the region for a decorated function; if it is a test, lend its case the clock."""
        case = arguments[0] if arguments else None
        with self as value:
            if not isinstance(case, unittest.TestCase):
                yield
                return
            public, kept = self.lent_as
            name = kept if hasattr(type(case), public) else public
            before = vars(case).get(name, self)
            vars(case)[name] = value
            try:
                yield
            finally:
                vars(case).pop(name)
                if before is not self:
                    vars(case)[name] = before


def refuse_class(function: Any) -> None:
    if isinstance(function, type):
        raise TypeError(
            f"a clock region decorates a test, not a class; give {function.__qualname__} the "
            "mixin instead"
        )


def check_order(cls: type, mixin: type) -> None:
    """Refuse a mixin behind the test case, whose run() never gets to it.

    Raises:
        SettingError: If that is how *cls* is written.
    """
    order = cls.__mro__
    if unittest.TestCase in order[: order.index(mixin)]:
        name = next(k.__name__ for k in order if k is not cls and issubclass(k, mixin))
        raise SettingError(
            f"{cls.__qualname__} has {name} behind its test case, where unittest never calls it. "
            f"Write it first: class {cls.__name__}({name}, ...)"
        )


def check_attribute(cls: type, name: str, mixin: type) -> None:
    """Refuse a class that has something else under the name by which its tests find their clock.

    Raises:
        SettingError: If there is such a thing; a property of the class's own is none.
    """
    found = inspect.getattr_static(cls, name)
    if not isinstance(found, property):
        raise SettingError(
            f"{cls.__qualname__}.{name} is {found!r}, which hides the clock that {mixin.__name__} "
            "gives to each test. Call it something else"
        )


def has_tests(cls: type) -> bool:
    """Tell whether unittest would find a test in *cls*."""
    return any(name == "runTest" or name.startswith("test") for name in dir(cls))
