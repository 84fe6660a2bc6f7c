"""What a probe is, and what it can use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
from aiohttp import web

from .._network import MemoryNetwork

__unittest = True

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# After how many seconds a probe is taken to hang. Each needs some milliseconds.
_LIMIT = 30.0


class NotApplicable(Exception):
    """Raised by a probe of something that the installed aiohttp does not have."""


class Stage:
    """What a probe plays on: a network, servers on it, and client sessions.

    Attributes:
        network: The network, entered.
    """

    def __init__(self, network: MemoryNetwork, stack: AsyncExitStack) -> None:
        self.network = network
        self._stack = stack

    async def serve(
        self, handler: Handler, host: str = "probe.test", port: int = 80, *, tls: bool = False
    ) -> None:
        """Have *handler* answer all requests to a host."""
        runner = web.ServerRunner(web.Server(cast(Any, handler)), shutdown_timeout=0.01)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        assert runner.server is not None
        await self.network.listen(runner.server, host, port, tls=tls)

    async def serve_bytes(
        self, answer: bytes, host: str = "probe.test", port: int = 80, *, then: str = "close"
    ) -> list[bytes]:
        """Have a host answer each request by the same bytes, and then close or reset.

        Returns:
            What has been received, growing.
        """
        received: list[bytes] = []

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            if then == "reset":
                transport: Any = writer.transport
                transport.reset()
            else:
                writer.close()

        self.network.host(host)
        await asyncio.start_server(talk, host, port)
        return received

    async def session(self, **options: Any) -> aiohttp.ClientSession:
        """Return a client session that is closed with the stage."""
        session = aiohttp.ClientSession(**options)
        return await self._stack.enter_async_context(session)


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe.

    Attributes:
        number: Its place on the list, from 1.
        name: Its name, a few words.
        play: The conversation; it raises what is wrong.
    """

    number: int
    name: str
    play: Callable[[Stage], Awaitable[None]]

    async def run(self) -> None:
        """Play it on a stage of its own.

        Raises:
            NotApplicable: If the installed aiohttp does not have what it is about.
            AssertionError: If something else came of it than must.
        """
        async with asyncio.timeout(_LIMIT), MemoryNetwork() as network, AsyncExitStack() as stack:
            await self.play(Stage(network, stack))


#: All probes, once the modules that define them are imported.
PROBES: list[Probe] = []


def probe(play: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
    """Put a probe on the list; its name is that of the function."""
    PROBES.append(Probe(len(PROBES) + 1, play.__name__.replace("_", " "), play))
    return play


def check(condition: object, what: str) -> None:
    """Raise an error that says *what* is not so, whatever ``python -O`` makes of assertions.

    Raises:
        AssertionError: If *condition* is false.
    """
    if not condition:
        raise AssertionError(what)


def same(found: object, expected: object) -> None:
    """Raise an error unless both are equal.

    Raises:
        AssertionError: If they are not.
    """
    check(found == expected, f"expected {expected!r}, got {found!r}")
