"""Small stand-ins for what ``async with`` and ``async for`` take: typed, reusable, and watched.

Each begins anew at every use, so that one may stand in a class's set-up. What a test has entered
and never left, or begun and never closed, fails that test: it is what would leak a connection in
production.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Generator,
    Iterable,
    Mapping,
)
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

from .._leaks import owe
from .._report import calling_place

__unittest = True

_T = TypeVar("_T")


def check_delay(delay: float) -> float:
    """Return *delay*, which is a number of seconds, finite and 0 or more."""
    number: object = delay
    if not isinstance(number, int | float) or not 0 <= number < math.inf:
        raise ValueError(f"delay needs finite seconds >= 0, got {delay!r}")
    return delay


async def pause(checkpoint: bool, delay: float) -> None:
    """Let others run: for *delay* seconds on the loop's clock, or for one turn."""
    if delay:
        await asyncio.sleep(delay)
    elif checkpoint:
        await asyncio.sleep(0)


class async_cm(AbstractAsyncContextManager[_T, bool], Generic[_T]):  # noqa: N801 - reads as a call
    """An async context manager that gives *value*, and knows how it was used.

    It can be entered any number of times, also several times at once. A test that has entered it
    and not left it fails.

    Args:
        value: What ``async with`` gives.
        enter_error: An exception, or its class, to be raised on entering instead.
        exit_error: An exception, or its class, to be raised on leaving.
        suppress: Whether an exception from the block ends here, as ``__aexit__`` returning true.
        awaitable: Whether it can be awaited as well, as what ``aiohttp.ClientSession.get()`` gives.
        checkpoint: Whether entering and leaving let other tasks run once.
        delay: Seconds that entering takes, on the loop's clock; 0 or more.

    Attributes:
        entered: How often it was entered.
        exited: How often it was left.
        exceptions: What each block was left with: an exception, or ``None``.

    Raises:
        ValueError: If *delay* is negative, infinite or NaN.

    Example:
        >>> async def first_line(opened):
        ...     async with opened as lines:
        ...         return lines[0]
        >>> file = async_cm(["hello", "world"])
        >>> asyncio.run(first_line(file))
        'hello'
        >>> file.entered, file.exited, file.exceptions
        (1, 1, [None])
    """

    def __init__(
        self,
        value: _T = None,  # type: ignore[assignment]
        *,
        enter_error: BaseException | type[BaseException] | None = None,
        exit_error: BaseException | type[BaseException] | None = None,
        suppress: bool = False,
        awaitable: bool = False,
        checkpoint: bool = False,
        delay: float = 0.0,
    ) -> None:
        self.value = value
        self.entered = 0
        self.exited = 0
        self.exceptions: list[BaseException | None] = []
        self._errors = (enter_error, exit_error)
        self._suppress = suppress
        self._awaitable = awaitable
        self._pace = (checkpoint, check_delay(delay))

    def __repr__(self) -> str:
        return f"<async_cm of {self.value!r} entered={self.entered} exited={self.exited}>"

    async def __aenter__(self) -> _T:
        place = calling_place()
        await pause(*self._pace)
        enter_error, _ = self._errors
        if enter_error is not None:
            raise enter_error
        self.entered += 1
        number = self.entered
        if number == self.exited + 1:
            owe(lambda: self._owed(place))
        return self.value

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self.exited += 1
        self.exceptions.append(error)
        await pause(self._pace[0], 0.0)
        _, exit_error = self._errors
        if exit_error is not None:
            raise exit_error
        return self._suppress

    def __await__(self) -> Generator[Any, None, _T]:
        if not self._awaitable:
            raise TypeError(
                f"{self!r} is an async context manager and is entered with 'async with'; for one "
                "that can also be awaited, as aiohttp's requests can, write "
                "async_cm(..., awaitable=True)"
            )
        return self._give().__await__()

    async def _give(self) -> _T:
        await pause(*self._pace)
        enter_error, _ = self._errors
        if enter_error is not None:
            raise enter_error
        return self.value

    def assert_left(self) -> None:
        """Assert that it was left as often as it was entered, and entered at all.

        Raises:
            AssertionError: If not.
        """
        if not self.entered:
            raise AssertionError(f"{self!r} was never entered")
        if self.entered != self.exited:
            raise AssertionError(f"{self!r} was entered and not left")

    def _owed(self, place: object) -> str | None:
        if self.entered <= self.exited:
            return None
        return f"async_cm of {self.value!r} was entered and never left; entered at  {place}"


class async_iter(Generic[_T]):  # noqa: N801 - reads as a call
    """An async iterable over *items*; each ``async for`` begins anew.

    Args:
        items: What it gives. Any iterable, which is read once and kept.
        raise_at: Exceptions by position, counted from 0: reaching that position raises in place
            of the item, and the iteration is over.
        checkpoint: Whether each step lets other tasks run once.
        delay: Seconds that each step takes, on the loop's clock; 0 or more.

    Attributes:
        items: The items, as a list.
        begun: How many iterations have begun.
        taken: How many items were taken, over all of them.

    Raises:
        ValueError: If *delay* is negative, infinite or NaN, or a position lies beyond the end.

    Example:
        >>> async def read(chunks):
        ...     return [chunk async for chunk in chunks]
        >>> asyncio.run(read(async_iter([b"a", b"b"])))
        [b'a', b'b']
        >>> asyncio.run(read(async_iter([b"a"], raise_at={1: ConnectionResetError("cut")})))
        Traceback (most recent call last):
          ...
        ConnectionResetError: cut
    """

    def __init__(
        self,
        items: Iterable[_T] = (),
        *,
        raise_at: Mapping[int, BaseException | type[BaseException]] | None = None,
        checkpoint: bool = False,
        delay: float = 0.0,
    ) -> None:
        if not isinstance(items, Iterable):
            raise TypeError(f"what is iterated over needs items, such as a list, got {items!r}")
        self.items = list(items)
        self.begun = 0
        self.taken = 0
        self._raise_at = _check_positions(raise_at, len(self.items))
        self._pace = (checkpoint, check_delay(delay))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.items)} items taken={self.taken}>"

    def __aiter__(self) -> AsyncIterator[_T]:
        self.begun += 1
        return _Steps(self)

    async def _step(self, position: int) -> _T:
        await pause(*self._pace)
        if position in self._raise_at:
            raise self._raise_at[position]
        if position >= len(self.items):
            raise StopAsyncIteration
        self.taken += 1
        return self.items[position]


class _Steps(AsyncIterator[_T]):
    """One iteration over an :class:`async_iter`."""

    def __init__(self, over: async_iter[_T]) -> None:
        self._over = over
        self._positions = itertools.count()
        self._ended = False

    async def __anext__(self) -> _T:
        if self._ended:
            raise StopAsyncIteration
        try:
            return await self._over._step(next(self._positions))
        except BaseException:
            self._ended = True
            raise


class async_gen(AsyncGenerator[_T, Any], Generic[_T]):  # noqa: N801 - reads as a call
    """An async generator over *items* that can be closed, thrown into, and begun again.

    It stands for what calling an async generator function gives. A generator that is left half-way
    keeps its ``finally`` for a later that may never come, so a test that has begun one, and
    neither read it to its end nor closed it (``contextlib.aclosing``), fails.

    Args:
        items: What it gives. Any iterable, which is read once and kept.
        raise_at: Exceptions by position, as in :class:`async_iter`.
        checkpoint: Whether each step lets other tasks run once.
        delay: Seconds that each step takes, on the loop's clock; 0 or more.

    Attributes:
        sent: What was sent into it, ``None`` for a plain step.
        thrown: The exceptions that were thrown into it.
        is_open: Whether it has begun and is not at its end.

    Raises:
        ValueError: If *delay* is negative, infinite or NaN, or a position lies beyond the end.

    Example:
        >>> from contextlib import aclosing
        >>> async def first(rows):
        ...     async with aclosing(rows):
        ...         async for row in rows:
        ...             return row
        >>> rows = async_gen(["tea", "pot"])
        >>> asyncio.run(first(rows)), asyncio.run(first(rows)), rows.is_open
        ('tea', 'tea', False)
    """

    def __init__(
        self,
        items: Iterable[_T] = (),
        *,
        raise_at: Mapping[int, BaseException | type[BaseException]] | None = None,
        checkpoint: bool = False,
        delay: float = 0.0,
    ) -> None:
        self.sent: list[Any] = []
        self.thrown: list[BaseException] = []
        self.is_open = False
        self._over = async_iter(items, raise_at=raise_at, checkpoint=checkpoint, delay=delay)
        self._steps: AsyncIterator[_T] | None = None

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<async_gen of {len(self._over.items)} items taken={self._over.taken} {state}>"

    def __aiter__(self) -> async_gen[_T]:
        return self

    async def __anext__(self) -> _T:
        return await self.asend(None)

    async def asend(self, value: Any) -> _T:
        """Take the next item, and note *value*."""
        if self._steps is None or not self.is_open:
            place = calling_place()
            owe(lambda: self._owed(place))
            self._steps = aiter(self._over)
            self.is_open = True
        self.sent.append(value)
        try:
            return await anext(self._steps)
        except BaseException:
            self.is_open = False
            raise

    async def athrow(self, typ: Any, val: Any = None, tb: Any = None) -> _T:
        """Note the exception, and end with it."""
        error = typ if isinstance(typ, BaseException) else val or typ()
        self.thrown.append(error)
        self.is_open = False
        raise error

    async def aclose(self) -> None:
        """End the iteration; the next one begins anew."""
        self.is_open = False

    def assert_closed(self) -> None:
        """Assert that it was read to its end or closed.

        Raises:
            AssertionError: If it has begun and is still open.
        """
        if self.is_open:
            raise AssertionError(f"{self!r} was begun, and neither read to its end nor closed")

    def _owed(self, place: object) -> str | None:
        if not self.is_open:
            return None
        return (
            f"{self!r} was begun, and neither read to its end nor closed "
            f"(contextlib.aclosing); begun at  {place}"
        )


def _check_positions(
    raise_at: Mapping[int, BaseException | type[BaseException]] | None, count: int
) -> dict[int, BaseException | type[BaseException]]:
    if raise_at is not None and not isinstance(raise_at, Mapping):
        raise TypeError(
            f"raise_at= needs exceptions by position, such as {{1: OSError()}}, got {raise_at!r}"
        )
    positions = dict(raise_at or {})
    for position in positions:
        if not 0 <= position <= count:
            raise ValueError(
                f"raise_at has position {position!r}, and there are {count} items: it would never "
                f"be reached. Positions count from 0; {count} is after the last item"
            )
    return positions
