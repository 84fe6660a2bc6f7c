"""Limits in real time: one thread for the whole run that looks when a test takes too long.

The thread knows a :class:`Watch` per running test. When one is due, it first asks the test's loop
to report itself, which the loop does if it turns. A loop that gives no answer is blocked by
synchronous code: then the watchdog notes the line and interrupts it. Where even that has no effect,
it prints what it knows and ends the process, because a run that ends is worth more than one that
hangs.

Invariants: arming and disarming a watch take no lock and wake nobody unless its limit is shorter
than the thread's own next look; the interruption is raised only while the watch says that the
user's code is running, never in the machinery around it.
"""

from __future__ import annotations

import contextlib
import enum
import faulthandler
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from . import _internals, _pauses
from ._report import Place, indent, seconds, user_stack

__unittest = True

#: How long a loop may take to answer, and a blocked line to react, in real seconds.
ANSWER_TIME = 0.25
#: After how many real seconds of interruptions without any effect the process is ended.
PATIENCE = 10.0
#: The process's exit status then.
EXIT_STATUS = 70

# Ignored by default, and used by hardly anybody: the signal that says "urgent data on a socket".
_SIGNAL = getattr(signal, "SIGURG", None)


class Interruption(BaseException):
    """Raised in the middle of a line that blocks the loop beyond the limit of its test."""


class Subject(Protocol):
    """What a watch can ask: the scope of a test."""

    def ask_for_report(self) -> bool:
        """Have the loop call :meth:`Watch.answered`; ``False`` where it is not running."""

    def running_task(self) -> str | None:
        """Name the task whose step is being executed."""


class _Nobody:
    """What a watch asks that is off."""

    def ask_for_report(self) -> bool:
        return False

    def running_task(self) -> str | None:
        return None


_NOBODY = _Nobody()


class State(enum.Enum):
    """How far a watch has gone with its test."""

    WATCHING = "watching"
    ASKED = "asked"
    INTERRUPTED = "interrupted"
    OFF = "off"


class Watch:
    """One test and its limit.

    Args:
        test: The test's name, for messages.
        limit: Real seconds for the whole test, or ``None`` for none.
        subject: What can be asked.
    """

    # Kept from the clock patches of the tests, freezegun's scan of modules included.
    _now: Callable[[], float] = staticmethod(time.monotonic)

    state = State.WATCHING
    #: Whether the user's code is running, so that an interruption may be raised there.
    interruptible = False
    #: Whether the interruption is wanted and was not yet raised.
    wanted = False
    #: How often the limit or a grace period ran out.
    expired = 0
    #: The grace period, in real seconds, that the rest of the test got.
    granted = 0.0
    #: Where the loop was blocked: the task's name, and the user's stack.
    blocked: tuple[str | None, list[Place]] | None = None
    _interrupted_since = 0.0

    def __init__(self, test: str, limit: float | None, subject: Subject) -> None:
        self.test = test
        self.limit = limit
        self.subject: Subject = subject
        self.thread_id = threading.get_ident()
        self.due = self._deadline = math.inf

    def __repr__(self) -> str:
        left = "no limit" if math.isinf(self.due) else f"due in {self.due - self._now():.3f}s"
        return f"<Watch {self.test!r} {self.state.value} {left} expired={self.expired}>"

    # Called by the test's own thread ------------------------------------------------------------

    def arm(self) -> None:
        """Begin to count, if there is a limit."""
        self.due = self._deadline = math.inf if self.limit is None else self._now() + self.limit
        self._enlist()

    def _enlist(self) -> None:
        if self.limit is not None:
            if not _signal_tried:
                _install_signal_handler()
            _watches[self] = None
            if self.due < _patrol.next_look:
                _patrol.look_earlier()

    def pause(self) -> None:
        """Count no further until :meth:`resume`; only while nothing is run that has a limit."""
        _watches.pop(self, None)

    def resume(self, left: float | None) -> None:
        """Count again, with *left* real seconds to go; ``None`` for no end."""
        self.due = self._deadline = math.inf if left is None else self._now() + left
        self._enlist()

    def disarm(self) -> None:
        """Stop for good; an interruption that was wanted no longer is."""
        self.state = State.OFF
        self.wanted = False
        self.subject = _NOBODY  # or the scope and its watch would wait for the collector
        _watches.pop(self, None)
        if self._interrupted_since and not _uses_signal(self.thread_id):
            _internals.catch_raised(Interruption)

    @property
    def grace(self) -> float:
        """How many real seconds the rest of a test gets once its limit has run out."""
        if self.expired > 1:
            return 0.1
        return min(5.0, max(0.5, (self.limit or 0.0) / 10))

    @property
    def overdue(self) -> bool:
        """Whether the limit ran out and the test has not yet heard of it."""
        return self.state in (State.ASKED, State.INTERRUPTED)

    def answered(self) -> bool:
        """Note that the test knows of its expiry; tell whether it is news.

        From here on what is left of the test has the time of :attr:`grace`.
        """
        if not self.overdue:
            return False
        self.expired += 1
        self.wanted = False
        self.state = State.WATCHING
        if self.expired == 1:
            self.granted = self.grace
        self.due = self._deadline = self._now() + self.grace
        if self.due < _patrol.next_look:
            _patrol.look_earlier()
        return True

    def shorten(self, budget: float) -> None:
        """Make the watch due in *budget* real seconds at the latest, until :meth:`lengthen`."""
        if self.limit is not None and self.state is State.WATCHING:
            self.due = min(self._deadline, self._now() + budget)
            if self.due < _patrol.next_look:
                _patrol.look_earlier()

    def lengthen(self) -> None:
        """Take :meth:`shorten` back."""
        self.due = self._deadline

    # Called by the patrol -----------------------------------------------------------------------

    def look(self) -> None:
        """Take the next step with a test that is due."""
        debugger = _internals.active_debugger(self.thread_id)
        if debugger is not None:
            self._stand_down(debugger)
        elif self.state is State.WATCHING:
            self._ask()
        elif self.state in (State.ASKED, State.INTERRUPTED):
            self._interrupt()

    def _stand_down(self, debugger: str) -> None:
        self.due = math.inf
        print(
            f"\nasynctesting: the limit of {self.test} is off, because a debugger "
            f"({debugger}) is active",
            file=sys.stderr,
        )

    def _ask(self) -> None:
        self.state = State.ASKED
        self.due = self._now() + ANSWER_TIME
        if not self.subject.ask_for_report():
            self._interrupt()

    def _interrupt(self) -> None:
        now = self._now()
        if self.state is not State.INTERRUPTED:
            self._interrupted_since = now
            self.blocked = (self.subject.running_task(), user_stack(self.thread_id))
        elif now - self._interrupted_since > PATIENCE:
            self._end_process()
        self.state = State.INTERRUPTED
        self.due = now + ANSWER_TIME
        self.wanted = True
        if _uses_signal(self.thread_id):
            signal.pthread_kill(self.thread_id, _SIGNAL)  # type: ignore[arg-type]
        elif self.interruptible:
            _internals.raise_in_thread(self.thread_id, Interruption)

    def _end_process(self) -> None:
        # Where it stands now: when the limit ran out, it may have been on its way there.
        _, then = self.blocked or (None, [])
        stack = user_stack(self.thread_id) or then
        print(
            f"\nTimeLimitError: {self.test} is stuck and can't be interrupted; its limit was "
            f"{seconds(self.limit or 0)}.\n\n{indent(str(place) for place in stack)}\n\n"
            "The code there waits inside C and reacts to no signal. So that the run does not hang "
            "for ever,\nthe process ends here. The stacks of all threads:\n",
            file=sys.stderr,
            flush=True,
        )
        with contextlib.suppress(Exception):
            faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        os._exit(EXIT_STATUS)


# The thread ------------------------------------------------------------------------------------

_watches: dict[Watch, None] = {}


class _Patrol:
    """The watchdog thread: it looks at each watch that is due, and sleeps until the next one is."""

    _now: Callable[[], float] = staticmethod(time.monotonic)
    # With no test to watch, a minute is long enough; a shorter limit wakes the thread.
    _IDLE = 60.0

    def __init__(self) -> None:
        self.next_look = math.inf
        #: What else it does on its way, and after how many seconds again.
        self.errand: tuple[Callable[[], bool], float] | None = None
        self._bell = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None

    def look_earlier(self) -> None:
        """Wake the thread, so that it sees a limit that is due before its next look."""
        with self._bell:
            if self._thread is None:
                _pauses.watch(_lengthen_watches)
                self._thread = threading.Thread(
                    target=self._walk, name="asynctesting-watchdog", daemon=True
                )
                self._thread.start()
            self._bell.notify()

    def _walk(self) -> None:
        while True:
            for watch in list(_watches):
                if watch.due <= self._now():
                    watch.look()
            errand = self.errand
            if errand is not None and not errand[0]():
                self.errand = None
            with self._bell:
                soonest = min((watch.due for watch in list(_watches)), default=math.inf)
                idle = self._IDLE if self.errand is None else self.errand[1]
                self.next_look = min(soonest, self._now() + idle)
                # A watch armed since the minimum was taken compared itself with the old
                # next_look; it is seen here, or it has seen the new value and rings the bell.
                if any(watch.due < self.next_look for watch in list(_watches)):
                    continue
                pause = self.next_look - self._now()
                if pause > 0:
                    self._bell.wait(pause)


_patrol = _Patrol()


def has_errand() -> bool:
    """Tell whether the watchdog does something else on its way."""
    return _patrol.errand is not None


def send(errand: Callable[[], bool], every: float) -> None:
    """Have the watchdog's thread call *errand* each *every* real seconds while it returns true."""
    _patrol.errand = errand, every
    _patrol.look_earlier()


def _lengthen_watches(thread_id: int, pause: float) -> None:
    """Take the time that somebody has spent in a debugger off the limits of that thread."""
    for watch in list(_watches):
        if watch.thread_id == thread_id:
            watch.due += pause
            watch._deadline += pause


def _forget_thread_after_fork() -> None:
    global _patrol
    _patrol = _Patrol()
    _watches.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_thread_after_fork)


# The signal ------------------------------------------------------------------------------------


def _uses_signal(thread_id: int) -> bool:
    return (
        _SIGNAL is not None
        and thread_id == threading.main_thread().ident
        and signal.getsignal(_SIGNAL) is _on_signal
    )


_signal_tried = False


def _install_signal_handler() -> None:
    global _signal_tried
    # Only the main thread may; where the first test runs in another, its own first one tries.
    if threading.current_thread() is threading.main_thread():
        _signal_tried = True
        # Where somebody else uses the signal, the interruption falls back to raise_in_thread().
        if _SIGNAL is not None and signal.getsignal(_SIGNAL) in (signal.SIG_DFL, signal.SIG_IGN):
            signal.signal(_SIGNAL, _on_signal)


def _on_signal(signum: int, frame: FrameType | None) -> None:
    me = threading.get_ident()
    for watch in list(_watches):
        if watch.wanted and watch.interruptible and watch.thread_id == me:
            watch.wanted = False
            raise Interruption
