"""Mocks for async code that can't be wrong in silence: thin, on ``unittest.mock``.

``autospec()`` closes what ``unittest.mock.create_autospec()`` leaves open for async code;
``AsyncMock`` and ``MagicMock`` are the standard library's with a log of awaits; ``async_cm``,
``async_iter`` and ``async_gen`` stand for what ``async with`` and ``async for`` take. What aiohttp
gives need not be mocked: ``http_response()`` makes a real one.
"""

from __future__ import annotations

from ._aiohttp import http_response, mock_client_session
from ._autospec import autospec
from ._awaits import AsyncMock, MagicMock
from ._doubles import async_cm, async_gen, async_iter

__all__ = [
    "AsyncMock",
    "MagicMock",
    "async_cm",
    "async_gen",
    "async_iter",
    "autospec",
    "http_response",
    "mock_client_session",
]
