"""Which line of the user's code it was: neither ours, nor a library's that they use."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any

from .._report import Place, chain, innermost_user_place, is_plumbing

__unittest = True

Line = tuple[CodeType, int]

_PACKAGES = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
# Below these frames begins what a loop runs; above them stands who runs the loop.
_LOOP_FRAMES = frozenset({"_run", "_run_once", "run_forever", "run_until_complete", "run"})
_LOOP_FILES = os.path.join(os.path.dirname(asyncio.__file__), "")


def lines_here(depth: int = 1) -> list[Line]:
    """Return the stack of the running callback or task, outermost first.

    Args:
        depth: How many frames to leave out, from the caller of this function on.
    """
    lines: list[Line] = []
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        if code.co_name in _LOOP_FRAMES and code.co_filename.startswith(_LOOP_FILES):
            break
        lines.append((code, frame.f_lineno or code.co_firstlineno))
        frame = frame.f_back
    return lines[::-1]


def users_place(lines: Iterable[Line]) -> Place | None:
    """Return the innermost of *lines* that is the user's own, or else an installed package's."""
    found = list(lines)
    return innermost_user_place(filter(_is_users, found)) or innermost_user_place(found)


def place_in(lines: list[Line], loop: Any) -> Place | None:
    """Return the same, or where the test waits: a library may have asked in a task of its own."""
    if not any(map(_is_users, lines)):
        main = getattr(loop, "main_task", None)
        waiting = [] if main is None else chain(main.get_coro())
        if any(map(_is_users, waiting)):
            return users_place(waiting)
    return users_place(lines)


def _is_users(line: Line) -> bool:
    file = line[0].co_filename
    return not (is_plumbing(file) or any(name in file for name in _PACKAGES))
