"""The cut sweep: a conversation run once for each byte of the answer, cut after that byte.

Half an answer is what careless clients take for a whole one, or wait for until somebody kills
them. Where in the answer the line breaks is chance; in memory every place can be tried.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ._hosts import MemoryHost

__unittest = True

# Turns of the loop in which what a conversation has closed comes to its end.
_TURNS = 10


@dataclass(frozen=True, slots=True)
class CutSweep:
    """What came of a sweep.

    Attributes:
        size: How many bytes the whole answer has.
        outcomes: How often each error was raised, by the name of its class, and ``"right"``.
    """

    size: int
    outcomes: Counter[str] = field(default_factory=Counter)


async def cut_sweep(
    host: MemoryHost,
    converse: Callable[[], Awaitable[Any]],
    *,
    errors: type[Exception] | tuple[type[Exception], ...],
    limit: float = 60.0,
) -> CutSweep:
    """Run a conversation with a host once for each byte of its answer, cut after that byte.

    It is run once uncut, which shows the right result. Each later run must return the same, or
    raise one of *errors*: never another one, never a wrong result, never a hang, and no task or
    connection may be left behind.

    Args:
        host: Whose answers are cut. Its link is perfect again afterwards.
        converse: The conversation, from connecting to closing.
        errors: What it may raise: what its documentation promises.
        limit: After how many seconds of the loop's time a run hangs.

    Raises:
        AssertionError: At the first run that ends in another way; it names the byte.

    Example:
        >>> async def main():
        ...     async with MemoryNetwork() as network:
        ...         async def answer(reader, writer):
        ...             writer.write(b"four")
        ...             writer.close()
        ...         host = network.host("answer.test")
        ...         await asyncio.start_server(answer, "answer.test", 80)
        ...         async def ask():
        ...             reader, writer = await asyncio.open_connection("answer.test", 80)
        ...             try:
        ...                 return await reader.readexactly(4)
        ...             finally:
        ...                 writer.close()
        ...         print(await cut_sweep(host, ask, errors=ConnectionResetError))
        >>> asyncio.run(main())
        CutSweep(size=4, outcomes=Counter({'ConnectionResetError': 4, 'right': 1}))
    """
    begin = host.most_answered
    host.most_answered = 0
    try:
        right = await converse()
        await _settle(host)
        sweep = CutSweep(host.most_answered)
        for size in range(sweep.size + 1):
            host.link(cut_after=size)
            sweep.outcomes[await _run_once(host, converse, right, errors, limit, size)] += 1
        return sweep
    finally:
        host.most_answered = max(begin, host.most_answered)
        host.link()


async def _run_once(
    host: MemoryHost,
    converse: Callable[[], Awaitable[Any]],
    right: Any,
    errors: type[Exception] | tuple[type[Exception], ...],
    limit: float,
    size: int,
) -> str:
    tasks = asyncio.all_tasks()
    watch = asyncio.timeout(limit)
    try:
        async with watch:
            result = await converse()
    except errors as error:
        outcome = type(error).__name__
        if watch.expired():
            raise _wrong(host, size, f"it hung for {limit:g} s") from None
    except Exception as error:
        what = f"it hung for {limit:g} s" if watch.expired() else f"it raised {error!r}"
        raise _wrong(host, size, what) from error
    else:
        if result != right:
            raise _wrong(host, size, f"it returned {result!r}, and not {right!r}")
        outcome = "right"
    await _settle(host)
    left = [*map(repr, host.connections)]
    left += [task.get_name() for task in asyncio.all_tasks() - tasks]
    if left:
        raise _wrong(host, size, f"it left behind {', '.join(left)}")
    return outcome


async def _settle(host: MemoryHost) -> None:
    for turn in range(_TURNS):
        await asyncio.sleep(0)
        if turn > 1 and not host.connections:
            break


def _wrong(host: MemoryHost, size: int, what: str) -> AssertionError:
    return AssertionError(
        f"with the answers of {host.name!r} cut after {size} bytes, {what}. A conversation has to "
        "return the right result or to raise one of errors. To see this run alone: "
        f"host.link(cut_after={size})"
    )
