"""What is answered: one ``add()`` of the test, or what its callback says."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from ._sent import normal

__unittest = True

Pattern = re.Pattern[str]
Error = BaseException | type[BaseException]


class CallbackResult:
    """What a ``callback`` returns to say the response.

    Args:
        method: Ignored, as by aioresponses.
        status: The status.
        body: The body, as text or bytes.
        content_type: The type of the body, unless *headers* say another.
        payload: The body, to be sent as JSON.
        headers: Headers of the response.
        response_class: Not supported; give it to the session.
        reason: The phrase beside the status.
    """

    def __init__(
        self,
        method: str = "GET",
        status: int = 200,
        body: str | bytes = "",
        content_type: str = "application/json",
        payload: Any = None,
        headers: Mapping[str, str] | None = None,
        response_class: None = None,
        reason: str | None = None,
    ) -> None:
        refuse_response_class(response_class)
        _check_types(status, body)
        self.method = method
        self.status = status
        self.body = body if payload is None else json.dumps(payload)
        self.content_type = content_type
        self.headers = _check_headers(headers, self.body, method)
        self.reason = reason

    def response(self) -> web.Response:
        """Return a fresh response for the server to send."""
        body = self.body if isinstance(self.body, bytes) else self.body.encode()
        headers = CIMultiDict(self.headers)
        if "Content-Type" not in headers:
            headers["Content-Type"] = self.content_type
        return web.Response(status=self.status, reason=self.reason, headers=headers, body=body)


class Match:
    """One ``add()``: which requests it answers, how often, and with what."""

    def __init__(
        self,
        url: URL | str | Pattern,
        method: str,
        reply: CallbackResult,
        error: Error | None,
        callback: Callable[..., Any] | None,
        repeat: bool | int,
    ) -> None:
        if isinstance(repeat, float | str) or repeat < 0:
            raise ValueError(f"repeat= is True, or how often: a number, got {repeat!r}")
        if callback is not None and not callable(callback):
            raise TypeError(f"callback= needs a function of the URL, got {callback!r}")
        if error is not None and not _is_exception(error):
            raise TypeError(f"exception= needs an exception or a class of them, got {error!r}")
        self.url = url if isinstance(url, re.Pattern) else normal(URL(url))
        self.method = method.upper()
        self.reply = reply
        self.error = error
        self.callback = callback
        self.left = float("inf") if repeat is True else max(int(repeat), 1)

    def __str__(self) -> str:
        url = self.url.pattern if isinstance(self.url, re.Pattern) else self.url
        return f"{self.method} {url}"

    def fits(self, method: str, url: URL) -> bool:
        if self.method != method:
            return False
        if isinstance(self.url, re.Pattern):
            return self.url.match(str(url)) is not None
        return self.url == url

    async def answer(
        self, url: URL, kwargs: Mapping[str, Any]
    ) -> web.StreamResponse | BaseException:
        """Return the response, or the exception that the client shall see."""
        result = self.callback(url, **kwargs) if self.callback is not None else None
        if inspect.isawaitable(result):
            result = await result
        if self.error is not None:
            return self.error() if isinstance(self.error, type) else self.error
        return (self.reply if result is None else result).response()


def refuse_response_class(given: Any) -> None:
    if given is not None:
        raise TypeError(
            "response_class= belongs to the session here, since it makes the responses: "
            f"aiohttp.ClientSession(response_class={given.__name__})"
        )


def _is_exception(value: Any) -> bool:
    cls = value if isinstance(value, type) else type(value)
    return issubclass(cls, BaseException)


def _check_types(status: Any, body: Any) -> None:
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"status= needs a number such as 404, got {status!r}")
    if not 200 <= status <= 599:
        raise ValueError(f"status= needs one of 200 to 599, got {status!r}")
    if not isinstance(body, str | bytes):
        raise TypeError(f"body= needs text or bytes, got {body!r}. JSON goes into payload=")


def _check_headers(headers: Any, body: str | bytes, method: str) -> Mapping[str, str]:
    length = len(body if isinstance(body, bytes) else body.encode())
    announced = CIMultiDict(headers or {}).get("Content-Length")
    if announced is not None and int(announced) != length and method.upper() != "HEAD":
        raise ValueError(
            f"headers announce a Content-Length of {announced}, and the body has {length} bytes: a "
            "real client would wait for the rest. Leave the header out, it is computed"
        )
    return headers or {}
