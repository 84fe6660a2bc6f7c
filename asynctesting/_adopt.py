"""Adoption: an existing suite runs on our case, and no line of it is changed.

The name ``unittest.IsolatedAsyncioTestCase`` is what a suite subclasses, however it came by it.
Here another class takes that name before the suite is imported; classes that were made earlier
(those of aiohttp's test tools, say) get it as their base afterwards.
"""

from __future__ import annotations

import sys
import unittest
import unittest.async_case
from typing import Any, ClassVar

from . import _settings
from ._allow import allowed_by
from ._case import AsyncTestCase
from ._kinds import Policy
from ._lint import problems_of
from ._scopes import Scope
from .errors import AsyncTestingError

__unittest = True

_stock = unittest.async_case.IsolatedAsyncioTestCase


class AdoptedTestCase(AsyncTestCase):
    """Our case under the stock name: a suite that never heard of us keeps its own names.

    Its attributes ``timeout``, ``leaks`` and ``loop_debug`` may mean anything, so only the
    environment and the command line set ours. A class with a method that would never run is made
    all the same, and the tests concerned fail instead.
    """

    _asynctesting_problems: ClassVar[dict[str, AsyncTestingError]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super(AsyncTestCase, cls).__init_subclass__(**kwargs)
        cls._asynctesting_note_problems()

    @classmethod
    def _asynctesting_note_problems(cls) -> None:
        cls._asynctesting_problems = problems_of(cls, own_settings=False)

    def _asynctesting_loop_options(self) -> tuple[Any, bool | None]:
        # The stock case has a loop_factory from 3.13 on, and there a function is a method.
        return self.loop_factory if sys.version_info >= (3, 13) else None, None

    def _asynctesting_limit(self, settings: _settings.Settings) -> float | None:
        if isinstance(settings.timeout, _settings.Unset):
            return _settings.DEFAULT_TIMEOUT
        return settings.timeout

    @classmethod
    def _asynctesting_leak_policy(cls, method: object) -> Policy:
        return _settings.leak_policy("default", allowed_by(cls, method))

    def _callSetUp(self) -> None:
        if self._asynctesting_problems:
            self._asynctesting_do("set-up", self._asynctesting_raise_problem)
        super()._callSetUp()

    def _asynctesting_raise_problem(self, scope: Scope) -> None:
        for name, problem in self._asynctesting_problems.items():
            if name == self._testMethodName or not name.startswith("test"):
                raise problem


# Tests are shown by the name of their class; it is this one's only where a suite makes instances of
# the stock class itself.
AdoptedTestCase.__name__ = AdoptedTestCase.__qualname__ = "IsolatedAsyncioTestCase"


def adopt() -> None:
    """Put :class:`AdoptedTestCase` in the place of ``unittest.IsolatedAsyncioTestCase``.

    Call it before the suite is imported. A second call does nothing.
    """
    unittest.IsolatedAsyncioTestCase = AdoptedTestCase  # type: ignore[misc]
    unittest.async_case.IsolatedAsyncioTestCase = AdoptedTestCase  # type: ignore[misc]
    for cls in _stock.__subclasses__():
        if cls is not AsyncTestCase:
            _rebase(cls)


def _rebase(cls: type) -> None:
    cls.__bases__ = tuple(AdoptedTestCase if base is _stock else base for base in cls.__bases__)
    for made in (cls, *_all_subclasses(cls)):
        made._asynctesting_note_problems()


def _all_subclasses(cls: type) -> list[Any]:
    found: list[Any] = []
    direct: Any
    for direct in type.__subclasses__(cls):
        found += [direct, *_all_subclasses(direct)]
    return found
