"""A network in memory, under the public methods of an event loop.

:class:`MemoryNetwork` is the way in. The other names are what it returns.
"""

from ._connection import Connection
from ._guard import Undeclared
from ._hosts import MemoryHost, TLSMode
from ._link import Link
from ._methods import network_of
from ._network import MemoryNetwork
from ._server import MemoryServer
from ._sweep import CutSweep, cut_sweep
from ._transport import MemorySocket, MemoryTransport

__all__ = [
    "Connection",
    "CutSweep",
    "Link",
    "MemoryHost",
    "MemoryNetwork",
    "MemoryServer",
    "MemorySocket",
    "MemoryTransport",
    "TLSMode",
    "Undeclared",
    "cut_sweep",
    "network_of",
]
