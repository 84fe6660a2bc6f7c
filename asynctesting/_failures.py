"""What goes into the report page of a failing test, gathered while the test fails.

One :class:`Failure` per test, and only where a folder for pages is set. The picture is taken at
the first hang, or before the loop is wound down, since what is left on it is ended there.
"""

from __future__ import annotations

import sys
import traceback
import unittest
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._repeat import repeat_command

if TYPE_CHECKING:
    from ._scopes import Scope
    from ._timeline import Timeline

__unittest = True


class Failure:
    """The exceptions of one test, and the picture of its last steps.

    Args:
        folder: Where the page is written.
        test: The test's ``id()``.
    """

    def __init__(self, folder: str, test: str) -> None:
        self._folder = folder
        self._test = test
        # As text, since an exception keeps its frames and all that is in them alive.
        self.texts: list[str] = []
        self.verdict = ""
        self._timeline: Timeline | None = None

    def note(self, error: BaseException) -> None:
        """Take an exception of the test; a skip is none."""
        if not isinstance(error, unittest.SkipTest):
            self.verdict = self.verdict or _verdict(error)
            self.texts.append(
                "".join(traceback.format_exception(type(error), error, _from_user(error)))
            )

    def look(self, scope: Scope) -> None:
        """Take the picture, unless a hang has taken one."""
        self._timeline = scope.picture()

    def write(self, result: Any) -> None:
        """Write the page, and say where; a folder that is no longer there fails no test."""
        from . import _pages  # most runs write none

        texts = self.texts + _texts_of_subtests(result, self._test)
        if self._timeline is None or not texts:  # a skip is no success, and no failure
            return
        try:
            path = _pages.write(
                self._folder,
                self._test,
                self.verdict or "a subtest has failed",
                texts,
                self._timeline,
                repeat_command(self._test),
            )
        except OSError as error:
            print(f"asynctesting: no report page of {self._test}: {error}", file=sys.stderr)
        else:
            print(f"asynctesting: report page: {path}", file=sys.stderr)


def _verdict(error: BaseException) -> str:
    """Return the first line of what was raised; of a group of one, of that one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _from_user(error: BaseException) -> TracebackType | None:
    """Return the traceback less the frames of unittest and of ours at its front."""
    found = error.__traceback__
    while found is not None and "__unittest" in found.tb_frame.f_globals:
        found = found.tb_next
    return found


def _texts_of_subtests(result: Any, test: str) -> list[str]:
    """Return what a result was told of the subtests of a test, whose errors go past it."""
    found = []
    for name in ("errors", "failures"):
        for subtest, text in getattr(result, name, None) or ():
            case = getattr(subtest, "test_case", None)
            if case is not None and case.id() == test:
                found.append(f"{subtest}\n{text}")
    return found
