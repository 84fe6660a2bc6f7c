"""TLS in memory: a throwaway authority, and certificates that are right or wrong on purpose.

The authority lives as long as the process does and its key never leaves it. It is made when the
first certificate is asked for, which takes some hundredths of a second, once.
"""

from __future__ import annotations

import datetime
import functools
import ssl
import weakref
from typing import Any

from ._hosts import TLSMode

__unittest = True

# The names of the certificate that is right for nobody.
_WRONG_NAME = "wrong-host.invalid"


def server_context(names: tuple[str, ...], mode: TLSMode) -> ssl.SSLContext:
    """Return the context of a server with a certificate for *names*, as *mode* wants it."""
    return _server_context(names, "real" if mode == "strip" else mode)


@functools.lru_cache(maxsize=256)
def _server_context(names: tuple[str, ...], mode: str) -> ssl.SSLContext:
    options: dict[str, Any] = {}
    if mode == "expired":
        # Not datetime.now(): a test may have frozen that, and OpenSSL reads the real clock.
        options["not_before"] = datetime.datetime(2000, 1, 1)
        options["not_after"] = datetime.datetime(2001, 1, 1)
    authority = _authority("untrusted" if mode == "untrusted" else "trusted")
    wanted = (_WRONG_NAME,) if mode == "wrong-host" else names
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*wanted, **options).configure_cert(context)
    return context


_trusting: weakref.WeakSet[ssl.SSLContext] = weakref.WeakSet()


def trust(context: ssl.SSLContext) -> None:
    """Have a client's context accept certificates of the throwaway authority."""
    if context not in _trusting and context.verify_mode is not ssl.CERT_NONE:
        _authority("trusted").configure_trust(context)
        _trusting.add(context)


def is_made() -> bool:
    """Tell whether there is an authority that anybody could trust."""
    return _authority.cache_info().currsize > 0


def authority_pem() -> bytes:
    """Return the certificate of the throwaway authority."""
    pem: bytes = _authority("trusted").cert_pem.bytes()
    return pem


@functools.cache
def _authority(kind: str) -> Any:
    try:
        import trustme
    except ImportError:
        raise ImportError(
            "TLS in memory needs trustme, which makes the certificates: "
            "pip install 'asynctesting[tls]'. With tls=\"strip\", the default, it is needed only "
            "where a client does TLS on its own, as httpx does"
        ) from None
    return trustme.CA(organization_name=f"asynctesting, {kind}")


class StrippedTLS:
    """What ``get_extra_info("ssl_object")`` returns where TLS was left out.

    It says what a connection with TLS says, but for the certificate: there is none.
    """

    def __init__(self, context: ssl.SSLContext | None, server_hostname: str | None) -> None:
        self.context = context
        self.server_hostname = server_hostname

    def version(self) -> str:
        """Return the protocol that was left out."""
        return "TLSv1.3"

    def cipher(self) -> tuple[str, str, int]:
        """Return the cipher that was left out."""
        return ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)

    def selected_alpn_protocol(self) -> None:
        """Return ``None``: no protocol was negotiated."""

    def compression(self) -> None:
        """Return ``None``: nothing is compressed."""

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Return an empty certificate."""
        return b"" if binary_form else {}
