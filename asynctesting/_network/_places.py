"""Which line of the user's code it was: neither ours, nor a library's that they use."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any

from .._report import Place, chain, innermost_user_place, is_users

__unittest = True

Line = tuple[CodeType, int]
#: A frame as cheap as it can be kept: its line is worked out when somebody asks.
Step = tuple[CodeType, int]

# Below these frames begins what a loop runs; above them stands who runs the loop.
_LOOP_FRAMES = frozenset({"_run", "_run_once", "run_forever", "run_until_complete", "run"})
_LOOP_FILES = os.path.join(os.path.dirname(asyncio.__file__), "")


def steps_here(depth: int = 1) -> list[Step]:
    """Return the stack of the running callback or task, innermost first, without line numbers.

    Every connection keeps one, and hardly any is asked for: :func:`place_in` reads it then.

    Args:
        depth: How many frames to leave out, from the caller of this function on.
    """
    steps: list[Step] = []
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        if code.co_name in _LOOP_FRAMES and code.co_filename.startswith(_LOOP_FILES):
            break
        steps.append((code, frame.f_lasti))
        frame = frame.f_back
    return steps


def _line(step: Step) -> Line:
    code, instruction = step
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return code, line
    return code, code.co_firstlineno


def users_place(lines: Iterable[Line]) -> Place | None:
    """Return the innermost of *lines* that is the user's own, or else an installed package's."""
    found = list(lines)
    return innermost_user_place(filter(_is_users, found)) or innermost_user_place(found)


def place_in(steps: list[Step], loop: Any) -> Place | None:
    """Return the user's line in a stack, or where the test waits.

    A library may have asked in a task of its own.
    """
    lines = [_line(step) for step in reversed(steps)]
    if not any(map(_is_users, lines)):
        main = getattr(loop, "main_task", None)
        waiting = [] if main is None else chain(main.get_coro())
        if any(map(_is_users, waiting)):
            return users_place(waiting)
    return users_place(lines)


def _is_users(line: Line) -> bool:
    return is_users(line[0].co_filename)
