"""aiohttp's other resolver: where aiodns is installed, it never asks the loop.

Its public ``AsyncResolver.resolve()`` is sent to the loop while a network is entered there, in
loops that have one. Other loops' lookups stay what they are.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
from typing import Any

__unittest = True

_original: Any = None


def redirect() -> None:
    """Send lookups to the loop that has a network, until :func:`restore` is called."""
    global _original
    if _is_needed():
        from aiohttp.resolver import AsyncResolver

        _original = AsyncResolver.resolve
        AsyncResolver.resolve = _resolve  # type: ignore[method-assign]


def restore() -> None:
    """Leave lookups as they were."""
    global _original
    if _original is not None:
        from aiohttp.resolver import AsyncResolver

        AsyncResolver.resolve = _original  # type: ignore[method-assign]
        _original = None


@functools.cache
def _is_needed() -> bool:
    return importlib.util.find_spec("aiodns") is not None


async def _resolve(self: Any, host: str, port: int = 0, *args: Any, **kwargs: Any) -> Any:
    from aiohttp.resolver import ThreadedResolver

    from ._methods import network_of

    loop = asyncio.get_running_loop()
    if network_of(loop) is None:
        return await _original(self, host, port, *args, **kwargs)
    # It is called so for the thread in which the loop asks the system, and asks the loop.
    return await ThreadedResolver().resolve(host, port, *args, **kwargs)
