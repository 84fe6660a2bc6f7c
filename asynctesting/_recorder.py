"""The flight recorder: the last steps of every task of a test's loop, kept for the day of a hang.

Whoever makes a task ready to go on, be it a timer, a lock's release or another task, does so by
the loop's public ``call_soon()``. At that moment the task still stands at the line where it
waited, and the one that runs is the one that wakes it. So that call is all there is to note: no
step is wrapped, nothing of asyncio is replaced, and what is read here is public.

Invariants: the ring holds no task, no future and no frame, only numbers, names and code objects,
so it keeps nothing alive that a test has let go; it forgets the oldest step for each new one.
What is noted is told only when a test fails (:mod:`asynctesting._timeline`).

Private names of asyncio used here: ``_ready``, ``_closed`` and ``_debug``, as in the loop that is
built on this (:mod:`asynctesting._loop`), which tries them.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from types import CodeType, CoroutineType
from typing import Any, NamedTuple

from . import _internals
from ._report import Place, is_plumbing

__unittest = True

#: How many steps a loop remembers.
STEPS = 4096
#: How many frames of a wait are noted at most, the innermost ones: asyncio's own have up to four.
FRAMES = 5

#: In the place of what was waited for: the task was made, or it gave way for a turn.
MADE, GAVE_WAY = -1, 0

# Who has the phases of a test run was not called by a line of the user's.
_PHASES = os.path.join(os.path.dirname(__file__), "_phases.py")
# Where a task keeps the code and the position that have made it.
_MADE_AT = "_asynctesting_made_at"

_Task = asyncio.Task
_Handle = asyncio.Handle
_next_number = itertools.count(1).__next__
_current_task = _internals.current_task_of
_FIRST_STEP = _internals.first_step_type()
_is_plumbing: dict[str, bool] = {}


class Step(NamedTuple):
    """A task was made, or could go on.

    Attributes:
        number: Steps are numbered through the process, in their order.
        task: The ``id()`` of the task.
        name: The task's name at that time.
        real: When, in real seconds, as ``time.monotonic()`` has it.
        virtual: When, in seconds of the loop's virtual clock; ``None`` where it has none.
        waker: The ``id()`` of the task that ran then, and so has woken or made this one; ``None``
            where it was a timer, input or a callback.
        waited: The ``id()`` of the future that was waited for, :data:`MADE` or :data:`GAVE_WAY`.
        frames: Code and position within it, in turn: of each frame of the wait, outermost first;
            or of the line that made the task.
    """

    number: int
    task: int
    name: str
    real: float
    virtual: float | None
    waker: int | None
    waited: int
    frames: tuple[Any, ...]

    def lines(self) -> list[tuple[CodeType, int]]:
        """Return code and line of each frame, outermost first."""
        frames = self.frames
        return [
            (code, line_of(code, position))
            for code, position in zip(frames[::2], frames[1::2], strict=True)
        ]


class RecordingLoop(asyncio.SelectorEventLoop):
    """A stock selector loop that notes each step as it is made ready."""

    #: The clock that the loop obeys, where that is a virtual one: a ``VirtualClock``.
    clock: Any = None

    _ring: deque[tuple[Any, ...]]
    _ready: Any
    _closed: bool
    _debug: bool
    # Kept from the patches of the tests. An attribute of the class, for freezegun replaces what it
    # finds as names of modules.
    _real_time = staticmethod(time.monotonic)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Have *callback* called at the loop's next turn."""
        # One function, since every step of every task comes through here. A task's first step and
        # those after a bare yield have no argument; the others have the future that is done.
        task = getattr(callback, "__self__", None)
        if isinstance(task, _Task) and (args or type(callback) is _FIRST_STEP):
            waker = _current_task(self)
            if args or waker is task:
                inner: Any = task.get_coro()
                coroutines = []
                while type(inner) is CoroutineType:
                    coroutines.append(inner)
                    inner = inner.cr_await
                if len(coroutines) > FRAMES:
                    del coroutines[:-FRAMES]
                frames: tuple[Any, ...] = ()
                for inner in coroutines:
                    frame = inner.cr_frame
                    if frame is not None:
                        frames += (frame.f_code, frame.f_lasti)
                waited = id(args[0]) if args else GAVE_WAY
            else:
                frames = _maker(sys._getframe(1))
                waited = MADE
                task._asynctesting_made_at = frames  # type: ignore[attr-defined]
            clock = self.clock
            self._ring.append(
                (
                    _next_number(),
                    id(task),
                    task.get_name(),
                    self._real_time(),
                    None if clock is None else clock._now,
                    None if waker is None else id(waker),
                    waited,
                    frames,
                )
            )
        if self._debug or self._closed:
            handle = super().call_soon(callback, *args, context=context)
            trace = getattr(handle, "_source_traceback", None)
            if trace:
                del trace[-1]  # ours
            return handle
        # What the stock method does, less two calls: that pays for a part of the above.
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def steps(self, since: int = 0) -> list[Step]:
        """Return the steps that are remembered, less those before number *since*."""
        return [step for step in map(Step._make, list(self._ring)) if step.number >= since]


def new_ring() -> deque[tuple[Any, ...]]:
    """Return an empty memory for a loop."""
    return deque(maxlen=STEPS)


def next_step_number() -> int:
    """Return a number above those of all steps so far, and below those to come."""
    return _next_number()


def _maker(frame: Any) -> tuple[Any, ...]:
    """Return code and position of the innermost frame that is the user's."""
    inner = frame
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        plumbing = _is_plumbing.get(file)
        if plumbing is None:
            plumbing = _is_plumbing[file] = file != _PHASES and is_plumbing(file)
        if not plumbing:
            return (code, frame.f_lasti)
        frame = frame.f_back
    return (inner.f_code, inner.f_lasti)


def made_at(task: asyncio.Task[Any]) -> Place | None:
    """Return the line of the user's code that has made *task*.

    That is the line that called ``create_task()``, ``gather()`` or the like. It is known of tasks
    on our loops, and in debug mode; where it is not, the answer is ``None``.
    """
    found = getattr(task, _MADE_AT, None)
    if found is not None:
        code, position = found
        if is_plumbing(code.co_filename):
            return None
        return Place(code.co_filename, line_of(code, position), code.co_qualname)
    # asyncio's own note in debug mode, where one of our loops was not there to take one.
    for summary in reversed(getattr(task, "_source_traceback", None) or ()):
        if not is_plumbing(summary.filename):
            return Place(summary.filename, summary.lineno or 1, summary.name)
    return None


def line_of(code: CodeType, position: int) -> int:
    """Return the line at *position*, which is a frame's ``f_lasti``."""
    for start, end, line in code.co_lines():
        if start <= position < end and line is not None:
            return line
    return code.co_firstlineno
