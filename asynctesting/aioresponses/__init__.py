"""aioresponses' face on aiohttp's real stack, for suites that leave it.

``from asynctesting.aioresponses import aioresponses`` in place of ``from aioresponses import
aioresponses`` is the first step; the tests stay as they are. Behind it nothing of aiohttp is
patched: each request goes through the real client, over a connection in memory, to a real server
that answers as the test has said. The names and arguments are those of aioresponses (Pawel
Nuckowski and contributors, MIT); what differs in meaning stands in docs/migrate/aioresponses.md.
"""

from ._face import aioresponses
from ._replies import CallbackResult
from ._sent import RequestCall

__all__ = ["CallbackResult", "RequestCall", "aioresponses"]
