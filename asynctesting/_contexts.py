"""Two contexts that agree: what one side sets in its context variables, the other side sees.

Synchronous code and the coroutines that it has awaited one after the other run in two contexts.
The inner one lives as long as their task, so a token made in one call is still good in the next.
Before each call it takes over what the caller has changed since; afterwards the caller takes over
what the call has changed.
Invariant: a value is carried only if it was changed, so what one side leaves alone never undoes
what the other one did.
"""

from __future__ import annotations

from contextvars import Context, ContextVar, Token, copy_context
from typing import Any

__unittest = True

_UNSET = object()
_Tokens = dict[ContextVar[Any], Token[Any]]


class Exchange:
    """The inner context of a row of calls, and its dealings with the caller's.

    Attributes:
        inner: The context in which the next call runs.

    Example:
        >>> language = ContextVar("language")
        >>> exchange = Exchange()
        >>> token = language.set("fr")
        >>> exchange.take_in()
        >>> exchange.inner.run(language.get)
        'fr'
        >>> token = exchange.inner.run(language.set, "de")
        >>> exchange.hand_back()
        >>> language.get()
        'de'
    """

    def __init__(self) -> None:
        self.inner = copy_context()
        self._agreed = copy_context()
        # What makes a variable unset again, on either side: a token of the set() that set it.
        self._taken: _Tokens = {}
        self._given: _Tokens = {}
        # The first token for each variable that was handed back, and the last value.
        self._first: _Tokens = {}
        self._last: dict[ContextVar[Any], Any] = {}

    def take_in(self) -> None:
        """Make the inner context see what the caller has changed since the last call."""
        caller, agreed = copy_context(), self._agreed
        for variable, value in caller.items():
            if agreed.get(variable, _UNSET) is not value:
                token = self.inner.run(variable.set, value)
                if token.old_value is Token.MISSING:
                    self._taken[variable] = token
        for variable in agreed:
            if variable in caller or variable not in self.inner:
                continue
            if not _reset(self._taken.pop(variable, None), self.inner):
                # Set inside, and this caller never saw it: only a fresh context lacks it.
                self.inner = caller
                self._taken.clear()
                return

    def hand_back(self) -> None:
        """Make the caller see what the call has changed."""
        caller, inner = copy_context(), self.inner
        for variable, value in inner.items():
            if caller.get(variable, _UNSET) is not value:
                token = variable.set(value)
                if token.old_value is Token.MISSING:
                    self._given[variable] = token
                self._first.setdefault(variable, token)
                self._last[variable] = value
        for variable in caller:
            if variable not in inner and _reset(self._given.pop(variable, None)):
                self._first.pop(variable, None)
        self._agreed = copy_context()

    def undo(self) -> None:
        """Give the caller back what it had before the first call, unless it has moved on."""
        for variable, token in self._first.items():
            if variable.get(_UNSET) is self._last[variable]:
                _reset(token)
        self._first.clear()


def _reset(token: Token[Any] | None, context: Context | None = None) -> bool:
    """Undo one ``set()``, and tell whether that was possible."""
    if token is None:
        return False
    try:
        if context is None:
            token.var.reset(token)
        else:
            context.run(token.var.reset, token)
    except (ValueError, RuntimeError):  # made in another context, or used before
        return False
    return True
