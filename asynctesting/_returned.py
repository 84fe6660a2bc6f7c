"""What a phase of a test has returned: to be awaited, to be refused, or nothing."""

from __future__ import annotations

import inspect
from types import CoroutineType
from typing import Any

from .errors import SilentPassError

__unittest = True


def is_awaitable(value: Any) -> bool:
    return type(value) is CoroutineType or inspect.isawaitable(value)


def refuse_unawaited(result: Any, name: str, right: str) -> None:
    if result is None:
        return
    if is_awaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise SilentPassError(
            f"{name}() returned an awaitable, which unittest never awaits. "
            f"Write 'async def {right}(self)'"
        )
    refuse_generator(result, name)


def refuse_awaiting_inside(result: Any, cleanup: object) -> Any:
    if not is_awaitable(result):
        return result
    if inspect.iscoroutine(result):
        result.close()
    raise RuntimeError(
        f"doCleanups() was called inside the test, where the async cleanup {cleanup!r} can't be "
        "awaited. Await it in an async test instead, or leave it to the end of the test"
    )


def refuse_left_over(result: Any, name: str) -> None:
    """Refuse what a hook or a cleanup has returned when it was awaited, if it was to be awaited."""
    if is_awaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise SilentPassError(
            f"{name}() returned {result!r}, which nobody awaits. Write 'await' before it"
        )
    refuse_generator(result, name)


def refuse_generator(result: Any, name: str) -> None:
    if inspect.isasyncgen(result) or inspect.isgenerator(result):
        raise SilentPassError(
            f"{name}() returned a generator, so nothing of it has run. It has a 'yield' in it: "
            "remove that; to await something, write 'await'"
        )


def context_methods(cm: object, enter: str, exit: str, protocol: str) -> tuple[Any, Any]:
    # Looked up on the type, as the with statement does.
    cls = type(cm)
    try:
        return getattr(cls, enter), getattr(cls, exit)
    except AttributeError:
        raise TypeError(
            f"'{cls.__module__}.{cls.__qualname__}' object does not support the {protocol} protocol"
        ) from None
