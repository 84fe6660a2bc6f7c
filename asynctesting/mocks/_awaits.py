"""Drop-ins for unittest.mock's classes, with a log of awaits and a memory for what is owed."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import Iterable
from typing import Any
from unittest import mock

from .. import _internals
from .._audit.things import describe_call
from .._leaks import owe
from .._report import Place, calling_place
from ..errors import UnsetError
from ._doubles import check_delay, pause

__unittest = True

# The kinds of call and of list that unittest.mock itself writes down.
_Call: Any = type(mock.call)
_CallList: Any = type(mock.Mock().mock_calls)

_ASSERTIONS = frozenset(
    name.removeprefix("assert_") for name in dir(mock.AsyncMock) if name.startswith("assert_")
)


class AwaitLog(mock.NonCallableMock):
    """What every mock here has beside what it has from unittest.mock."""

    # Whether the class stands for a model, and makes nothing of children that the model hasn't got.
    asynctesting_has_model = False

    @property
    def mock_awaits(self) -> Any:
        """All awaits of this mock and its children, in the order in which they began.

        What ``mock_calls`` is for calls. A call that is made first and awaited last stands last.
        """
        return self.__dict__.setdefault("_asynctesting_awaits", _CallList())

    def assert_has_awaits(self, calls: Iterable[Any], any_order: bool = False) -> None:
        """Assert that *calls* were awaited, on this mock or its children.

        Args:
            calls: As for ``assert_has_calls``: ``call(1)``, ``call.child(2)``.
            any_order: Whether they may stand in any order, with others between them.

        Raises:
            AssertionError: If not; the message lists what was awaited, and what was only called.
        """
        expected, made = list(calls), self.mock_calls
        try:
            self.mock_calls = self.mock_awaits
            self.assert_has_calls(expected, any_order=any_order)
        except AssertionError:
            raise AssertionError(
                f"awaits not found{' in any order' if any_order else ''}\n"
                f"expected: {_CallList(expected)!r}\n"
                f" awaited: {self.mock_awaits!r}\n"
                f"  called: {made!r}"
            ) from None
        finally:
            self.mock_calls = made

    async def wait_awaited(self, n: int = 1) -> Any:
        """Wait until this mock and its children have been awaited *n* times in all.

        Give it a limit with ``asyncio.timeout``. Where nothing could ever await the mock, the loop
        says so at once, as with any wait.

        Args:
            n: How many awaits, 1 or more; those before this call count.

        Returns:
            The *n*-th await, a ``call``.

        Raises:
            ValueError: If *n* is below 1.
        """
        if n < 1:
            raise ValueError(f"wait_awaited() counts from 1, got {n!r}")
        while len(self.mock_awaits) < n:
            waiter = asyncio.get_running_loop().create_future()
            waiters = self.__dict__.setdefault("_asynctesting_waiters", [])
            waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in waiters:
                    waiters.remove(waiter)
        return self.mock_awaits[n - 1]

    def assert_all_awaited(self) -> None:
        """Assert that every call of an async mock, of this one or its children, was awaited.

        Raises:
            AssertionError: If not; the message names the calls that were dropped.
        """
        awaited = list(self.mock_awaits)
        dropped = []
        for kall in self.__dict__.get("_asynctesting_called", ()):
            if kall in awaited:
                awaited.remove(kall)
            else:
                dropped.append(kall)
        if dropped:
            raise AssertionError(
                f"called and never awaited: {_CallList(dropped)!r}\nawaited: {self.mock_awaits!r}"
            )

    def reset_mock(self, /, *args: Any, **kwargs: Any) -> None:
        """Forget calls and awaits, as unittest.mock's does."""
        super().reset_mock(*args, **kwargs)
        self.__dict__["_asynctesting_awaits"] = _CallList()
        self.__dict__["_asynctesting_called"] = []

    def __getattr__(self, name: str) -> Any:
        # 3.11 makes up an attribute for it, and calling that passes.
        if name in _ASSERTIONS and not _internals.mock_allows(self, name):
            raise AttributeError(
                f"{name!r} is not an attribute of this mock, and calling it would assert nothing. "
                f"Did you mean 'assert_{name}'?",
                name=None,
                obj=None,
            )
        return super().__getattr__(name)

    def _get_child_mock(self, /, **kw: Any) -> Any:
        made = super()._get_child_mock(**kw)
        if isinstance(made, AwaitLog) and not type(made).asynctesting_has_model:
            return made  # of a class that the user has derived from ours
        if isinstance(made, mock.AsyncMock):
            return AsyncMock(**self._asynctesting_pace(), **kw)
        return MagicMock(**kw)

    def _asynctesting_pace(self) -> dict[str, Any]:
        checkpoint, delay = self.__dict__.get("_asynctesting_pause", (False, 0.0))
        return {"checkpoint": checkpoint, "delay": delay}

    def _asynctesting_options(self) -> dict[str, Any]:
        strict = self.__dict__.get("_asynctesting_strict", True)
        return {**self._asynctesting_pace(), "strict": strict}

    def _asynctesting_note(self, log: str, args: Any, kwargs: Any) -> None:
        """Enter a call or an await into the logs of this mock and of those above it."""
        for above, name in _internals.mock_path(self):
            if isinstance(above, AwaitLog):
                kall = _Call((name, args, kwargs))
                above.__dict__.setdefault(log, _CallList()).append(kall)
                if log == "_asynctesting_awaits":
                    for waiter in above.__dict__.get("_asynctesting_waiters", ()):
                        _wake(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    loop = waiter.get_loop()
    if asyncio.get_running_loop() is loop:
        if not waiter.done():
            waiter.set_result(None)
    else:
        loop.call_soon_threadsafe(_wake, waiter)


class MagicMock(AwaitLog, mock.MagicMock):
    """``unittest.mock.MagicMock`` that also logs what is awaited below it.

    Example:
        >>> from unittest.mock import call
        >>> api = MagicMock()
        >>> api.attach_mock(AsyncMock(return_value=1), "send")
        >>> asyncio.run(api.send("tea"))
        1
        >>> api.mock_awaits
        [call.send('tea')]
    """


class AsyncMock(AwaitLog, mock.AsyncMock):
    """``unittest.mock.AsyncMock``, whose calls have to be awaited.

    A call that a test makes, or has its code make, and that is not awaited at the test's end,
    fails that test: also where the coroutine is still held somewhere.

    Args:
        checkpoint: Whether awaiting lets other tasks run once, as nearly every real await does.
            Without it, an await of a mock is a step that nothing can come between.
        delay: Seconds that awaiting takes, on the loop's clock, a virtual one included; finite
            and 0 or more. Both hold for the children as well.
        args: As for ``unittest.mock.AsyncMock``.
        kwargs: As for ``unittest.mock.AsyncMock``.

    Raises:
        ValueError: If *delay* is negative, infinite or NaN.

    Example:
        >>> send = AsyncMock(return_value="sent", checkpoint=True)
        >>> asyncio.run(send("tea"))
        'sent'
        >>> send.assert_awaited_once_with("tea")
    """

    def __init__(
        self, /, *args: Any, checkpoint: bool = False, delay: float = 0.0, **kwargs: Any
    ) -> None:
        self.__dict__["_asynctesting_pause"] = (checkpoint, check_delay(delay))
        super().__init__(*args, **kwargs)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        coroutine = super().__call__(*args, **kwargs)
        self._asynctesting_note("_asynctesting_called", args, kwargs)
        self._asynctesting_lend(coroutine, args, kwargs)
        return coroutine

    def _asynctesting_lend(self, coroutine: Any, args: Any, kwargs: Any) -> None:
        """Remember a call until it is awaited or destroyed."""
        debts: dict[int, _Debt] | None = self.__dict__.get("_asynctesting_debts")
        if debts is None:
            debts = self.__dict__["_asynctesting_debts"] = {}
        if not debts:
            owe(lambda: _tell_debts(self, debts))
        number = id(coroutine)
        reference = weakref.ref(coroutine, lambda _: debts.pop(number, None))
        debts[number] = (reference, args, kwargs, calling_place())

    async def _execute_mock_call(self, /, *args: Any, **kwargs: Any) -> Any:
        self._asynctesting_note("_asynctesting_awaits", args, kwargs)
        await pause(*self.__dict__["_asynctesting_pause"])
        effect = self.side_effect
        try:
            return await super()._execute_mock_call(*args, **kwargs)
        except StopAsyncIteration:
            if is_iterator(effect) and _internals.mock_own_name(self) != "__anext__":
                raise exhausted(self) from None
            raise


_Debt = tuple[Any, Any, Any, Place | None]


def _tell_debts(owner: Any, debts: dict[int, _Debt]) -> str | None:
    dropped = []
    for reference, args, kwargs, place in list(debts.values()):
        coroutine = reference()
        if coroutine is not None and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
            dropped.append(f"{describe_call(owner, args, kwargs)}; called at  {place}")
    if not dropped:
        return None
    rest = f" (and {len(dropped) - 1} more calls of it)" if len(dropped) > 1 else ""
    head, _, tail = dropped[0].rpartition("; called at")
    return f"{head} was never awaited, and is still held{rest}; called at{tail}"


def is_iterator(effect: Any) -> bool:
    return effect is not None and hasattr(effect, "__next__")


def exhausted(owner: Any) -> UnsetError:
    return UnsetError(
        f"{owner!r} was called for the {_ordinal(owner.call_count)} time, and its side_effect has "
        "no more items. Give it one for each call, or set return_value"
    )


def _ordinal(number: int) -> str:
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ends.get(number % 10, 'th')}"
