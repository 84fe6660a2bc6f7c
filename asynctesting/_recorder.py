"""The flight recorder: the last steps of every task of a test's loop, kept for the day of a hang.

Whoever makes a task ready to go on, be it a timer, a lock's release or another task, does so by
the loop's public ``call_soon()``. At that moment the task still stands at the line where it
waited, and the one that runs is the one that wakes it. So that call is all there is to note: no
step is wrapped, nothing of asyncio is replaced, and what is read here is public.

The line is that of the innermost coroutine that is the user's. From the outside each coroutine
leads only to the next one, so a task keeps the user's coroutines it was last seen in, and only
those are passed that it has entered or left since: how deep it waits costs nothing.

Invariants: the ring holds no task, no future, no coroutine and no frame, only numbers, names and
code objects, so it keeps nothing alive that a test has let go; it forgets the oldest step for each
new one. What a task keeps is either in its own chain of awaits, which holds it anyway, or has
ended, and what has ended holds nothing. What is noted is told only when a test fails
(:mod:`asynctesting._timeline`).

Private names of asyncio used here: ``_ready``, ``_closed`` and ``_debug``, as in the loop that is
built on this (:mod:`asynctesting._loop`), which tries them.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from types import CodeType, CoroutineType, SimpleNamespace
from typing import Any, NamedTuple

from . import _internals
from ._report import Place, is_plumbing
from ._virtual_timer import QuickHandle

__unittest = True

#: How many steps a loop remembers.
STEPS = 4096

#: In the place of what was waited for: the task was made, or it gave way for a turn.
MADE, GAVE_WAY = -1, 0

# Who has the phases of a test run was not called by a line of the user's.
_PHASES = os.path.join(os.path.dirname(__file__), "_phases.py")
# Where a task keeps the code and the position that have made it, ``None`` where that was not seen,
# and after that the user's coroutines it is in, outermost first. The second one is the task's own,
# whosever it is.
_NOTED = "_asynctesting_noted"

_Task = asyncio.Task
_current_task = _internals.current_task_of
_FIRST_STEP = _internals.first_step_type()


class _Plumbing(dict[str, bool]):
    """Tells of files whether they are plumbing."""

    def __missing__(self, file: str) -> bool:
        self[file] = found = is_plumbing(file)
        return found


_is_plumbing = _Plumbing()


class Step(NamedTuple):
    """A task was made, or could go on.

    Attributes:
        number: Steps are numbered from the first that is remembered.
        task: The ``id()`` of the task.
        name: The task's name at that time.
        real: When, in real seconds, as ``time.monotonic()`` has it.
        virtual: When, in seconds of the loop's virtual clock; ``None`` where it has none.
        waker: The ``id()`` of the task that ran then, and so has woken or made this one; ``None``
            where it was a timer, input or a callback.
        waited: The ``id()`` of the future that was waited for, :data:`MADE` or :data:`GAVE_WAY`.
        code: The code of the user's innermost coroutine, or of the line that made the task; that
            of the task's own coroutine where none is the user's; ``None`` where that is no
            coroutine of Python's.
        position: Where in it.
        below: The code of what that awaits in turn: ``None``, code, or a pair of what stands for
            all but the innermost one, and the innermost one's code.
    """

    number: int
    task: int
    name: str
    real: float
    virtual: float | None
    waker: int | None
    waited: int
    code: CodeType | None
    position: int
    below: Any

    def lines(self) -> list[tuple[CodeType, int]]:
        """Return code and line of the frames of the wait from the user's on, outermost first.

        Of those below the user's, which are plumbing, the line is that of their beginning.
        """
        lines = []
        below = self.below
        while below is not None:
            below, code = below if type(below) is tuple else (None, below)
            lines.append((code, code.co_firstlineno))
        if self.code is not None:
            lines.append((self.code, line_of(self.code, self.position)))
        return lines[::-1]


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
            below: Any = None
            if args or waker is task:
                waited = id(args[0]) if args else GAVE_WAY
                try:
                    noted = task._asynctesting_noted  # type: ignore[attr-defined]
                except AttributeError:
                    noted = _meet(task)
                own = noted[-1]
                inner = own.cr_await
                if inner is None:
                    own, inner = _go_back(noted)
                while type(inner) is CoroutineType:
                    code = inner.cr_code
                    if _is_plumbing[code.co_filename]:
                        below = code if below is None else (below, code)
                    else:
                        noted.append(inner)
                        own = inner
                        below = None
                    inner = inner.cr_await
                code = own.cr_code
                position = own.cr_frame.f_lasti
            else:
                made = _maker(sys._getframe(1))
                code, position = made
                waited = MADE
                _meet(task, made)
            clock = self.clock
            self._ring.append(
                (
                    id(task),
                    task.get_name(),
                    self._real_time(),
                    None if clock is None else clock._now,
                    None if waker is None else id(waker),
                    waited,
                    code,
                    position,
                    below,
                )
            )
        if self._debug or self._closed:
            handle = super().call_soon(callback, *args, context=context)
            trace = getattr(handle, "_source_traceback", None)
            if trace:
                del trace[-1]  # ours
            return handle
        # What the stock method does, less four calls: that pays for a part of the above.
        handle = QuickHandle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def steps(self, since: float = 0.0) -> list[Step]:
        """Return the steps that are remembered, less those before *since*, in real seconds."""
        return [
            step
            for number, noted in enumerate(list(self._ring), 1)
            if (step := Step(number, *noted)).real >= since
        ]


def new_ring() -> deque[tuple[Any, ...]]:
    """Return an empty memory for a loop."""
    return deque(maxlen=STEPS)


class _Opaque:
    """Stands for what has no frame to read: a coroutine that is not Python's, or was closed."""

    cr_await = cr_code = None
    cr_frame = SimpleNamespace(f_lasti=-1)


def _meet(task: asyncio.Task[Any], made: tuple[CodeType, int] | None = None) -> list[Any]:
    """Return notes on a task that had none: who has made it, and its coroutine.

    An eager task has begun before anybody is told; it is not known then who has made it.
    """
    coroutine = task.get_coro()
    noted = [made, coroutine if type(coroutine) is CoroutineType else _Opaque]
    task._asynctesting_noted = noted  # type: ignore[attr-defined]
    return noted


def _go_back(noted: list[Any]) -> tuple[Any, Any]:
    """Forget coroutines that have ended; return the innermost one that has not, and its awaited."""
    while len(noted) > 2:
        del noted[-1]
        inner = noted[-1].cr_await
        if inner is not None:
            return noted[-1], inner
    return _Opaque, None


def _maker(frame: Any) -> tuple[CodeType, int]:
    """Return code and position of the innermost frame that is the user's."""
    inner = frame
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        if not _is_plumbing[file] or file == _PHASES:
            return (code, frame.f_lasti)
        frame = frame.f_back
    return (inner.f_code, inner.f_lasti)


def made_at(task: asyncio.Task[Any]) -> Place | None:
    """Return the line of the user's code that has made *task*.

    That is the line that called ``create_task()``, ``gather()`` or the like. It is known of tasks
    on our loops, and in debug mode; where it is not, the answer is ``None``.
    """
    noted = getattr(task, _NOTED, None)
    if noted is not None and noted[0] is not None:
        code, position = noted[0]
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
