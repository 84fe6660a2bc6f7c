"""HTTP in memory: stubs for the services that your code calls, a place to serve your own.

:class:`HTTPNetwork` is the way in; what its methods return is named here as well. aiohttp is
imported with this module, and so is never by ``import asynctesting``.
"""

from ._calls import Call, CallLog, CallResponse
from ._differences import partial
from ._exchanges import Exchange, WebSocketPeer, WebSocketStub
from ._hosts import Host
from ._net import HTTPNetwork
from ._patterns import RequestPattern
from ._replies import Reply, reply
from ._servers import Server
from ._stubs import Stub

__all__ = [
    "Call",
    "CallLog",
    "CallResponse",
    "Exchange",
    "HTTPNetwork",
    "Host",
    "Reply",
    "RequestPattern",
    "Server",
    "Stub",
    "WebSocketPeer",
    "WebSocketStub",
    "partial",
    "reply",
]
