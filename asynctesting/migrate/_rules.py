"""The rules, in the order in which they look at a file."""

from __future__ import annotations

from ._survey import Rule
from .aiohttp import Aiohttp
from .aiounittest import Aiounittest
from .asynctest import Asynctest
from .loop import Loop
from .pytest_asyncio import PytestAsyncio
from .tornado import Tornado

RULES: tuple[Rule, ...] = (
    Asynctest(),
    Aiounittest(),
    Tornado(),
    Aiohttp(),
    PytestAsyncio(),
    Loop(),
)
