"""The same network over real sockets on 127.0.0.1, for those who read and write sockets themselves.

Names, ports, refusals and DNS faults are the network's; bytes go through the kernel. So links and
the faults of TLS, which need the bytes in memory, are refused there.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any

from ._server import Factory, MemoryServer

if TYPE_CHECKING:
    from ._listening import Listening

__unittest = True

_ADDRESS = "127.0.0.1"


class LoopbackServer(MemoryServer):
    """A server that listens in the network by name, and on a free port of 127.0.0.1 for real."""

    def __init__(
        self,
        network: Listening,
        factory: Factory,
        sockets: list[Any],
        real: asyncio.Server,
        **options: Any,
    ) -> None:
        super().__init__(network, factory, sockets, **options)
        self._real = real
        #: Where it listens for real.
        self.target: tuple[str, int] = real.sockets[0].getsockname()[:2]
        network.pass_through(self.target[0], port=self.target[1])

    @classmethod
    async def open(
        cls,
        network: Listening,
        factory: Factory,
        sockets: list[Any],
        context: ssl.SSLContext | None,
        **options: Any,
    ) -> LoopbackServer:
        """Begin to listen for real, without accepting yet."""
        create_server = network.methods.original("create_server")
        ours = [each for each in sockets if isinstance(each, socket.socket)]
        where = {"sock": ours[0]} if ours else {"host": _ADDRESS, "port": 0}
        real = await create_server(
            factory, **where, ssl=context, start_serving=False, **options.get("timeouts", {})
        )
        return cls(network, factory, sockets, real, context=context, **options)

    async def start_serving(self) -> None:
        """Accept connections from now on."""
        await self._real.start_serving()
        await super().start_serving()

    def close(self) -> None:
        """Listen no longer."""
        self._real.close()
        super().close()

    def target_for(self, family: int) -> tuple[str, int]:
        """Return where a socket of that family connects to."""
        host, port = self.target
        return (f"::ffff:{host}", port) if family == socket.AF_INET6 else (host, port)

    async def wait_closed(self) -> None:
        """Wait until the real server is closed."""
        await self._real.wait_closed()
