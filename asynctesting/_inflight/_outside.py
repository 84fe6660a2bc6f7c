"""All detectors together: what holds the clock, since when, and how long to wait for it."""

from __future__ import annotations

import contextlib
import signal
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .._syscalls import (
    boot_time,
    children_since,
    has_children,
    waits_for_its_input,
    writers_at_work,
)
from ..errors import GraceWarning
from ._hold import Hold, time_now
from ._lookups import Lookups
from ._sockets import File, Sockets
from ._threads import Process, Threads, restless_threads, thread_count
from ._work import Jobs, Processes

if TYPE_CHECKING:
    from .._clock import VirtualClock
    from .._loop import LazyEventLoop

__unittest = True

# How long to wait before looking again at something that rings no bell when it changes.
_FIRST_LOOK = 0.0005
_LAST_LOOK = 0.02

# The public function makes an enumeration member of each answer, which costs a quarter of a jump.
_handler_of = getattr(signal, "_signal", signal).getsignal
_ALARM = int(signal.SIGALRM)


class Outside:
    """All that goes on outside a loop with a virtual clock, and for how long it was waited for."""

    def __init__(self, loop: LazyEventLoop, clock: VirtualClock) -> None:
        self._loop = loop
        self._clock = clock
        #: How many jobs, processes and the like there are, sockets and threads left out.
        self.stirring = 0
        self.jobs = Jobs(self)
        self.lookups = Lookups(self)
        self.processes = Processes(self)
        self.sockets = Sockets(clock)
        self.threads = Threads(clock, self.sockets, restless_threads())
        self._counted: list[str] = []
        self._born = boot_time()
        # Since when each thing has held the clock, and what has lost its right to.
        self._since: dict[object, float] = {}
        self._spent: set[object] = set()
        self._look = _FIRST_LOOK

    @contextlib.contextmanager
    def counting(self, what: str) -> Iterator[None]:
        """Have the clock stand still inside."""
        self._counted.append(what)
        self.stirring += 1
        try:
            yield
        finally:
            self._counted.remove(what)
            self.stirring -= 1

    def is_quiet(self) -> bool:
        """Tell, in next to no time, that nothing outside of this thread can be at work."""
        return not (
            self.stirring
            or self.sockets.external
            or self._loop._signal_handlers
            or callable(_handler_of(_ALARM))
            or (thread_count() and self.threads.foreign())
        )

    def holds(self) -> list[Hold]:
        """Return all that is under way, whether it has lost its right to hold the clock or not."""
        clock = self._clock
        threads = list(self.threads.holds(clock.grace, clock.patience))
        found = list(self.sockets.holds())
        found += self._jobs(threads)
        found += self.lookups.holds(clock._is_background)
        found += threads
        found += [Hold(what, f"the {what}") for what in self._counted]
        for transport in self.processes.alive():
            pid = transport.get_pid()
            if not clock._is_background(transport) and not waits_for_its_input(pid):
                found.append(Hold(("pid", pid), f"subprocess {pid}"))
        found += self._signals()
        if has_children():
            found += self._shared()
        return found

    def _signals(self) -> Iterator[Hold]:
        """Yield what may send a signal to a handler of the loop, or an alarm to another one."""
        has_handlers = bool(self._loop._signal_handlers)
        left = signal.getitimer(signal.ITIMER_REAL)[0]
        # An alarm that is far away belongs to somebody who guards the test, such as a runner.
        if left > 0 and (has_handlers or left <= self._clock.patience):
            yield Hold("alarm", "a signal that setitimer() has ordered")
        if has_handlers:
            for pid in children_since(self._born):
                if not self._is_known(pid):
                    what = f"child process {pid}, which may send a signal"
                    yield Hold(("child", pid), what, self._clock.patience)

    def _shared(self) -> Iterator[Hold]:
        """Yield the child processes that may write to a pipe or a socket pair of the loop."""
        for watched in self.sockets.shared():
            if not self._clock._is_background(File(watched.file)):
                for pid in writers_at_work(watched.shared, self._is_known):
                    key = ("writer", pid, watched.file, watched.seen)
                    what = f"child process {pid}, which may write to a {watched.shared[:4]} of ours"
                    yield Hold(key, what, self._clock.patience)

    def _is_known(self, pid: int) -> bool:
        """Tell whether a process is kept account of already, or need not be."""
        known = (transport.get_pid() for transport in self.processes.running)
        return pid in known or self._clock._is_background(Process(pid))

    def _jobs(self, threads: list[Hold]) -> Iterator[Hold]:
        """Yield the jobs, unless every thread there is waits for another one."""
        clock = self._clock
        jobs = [(f, n) for f, n in self.jobs.pending.items() if not clock._is_background(f)]
        if not jobs:
            return
        stuck = not threads and self.threads.foreign() and not self.threads.can_go_on()
        for future, name in jobs:
            if stuck:
                # Seen at rest once, a thread may be about to run; for a while, it is not.
                yield Hold(("stuck", id(future)), name, clock.grace, is_guess=True)
            else:
                yield Hold(("job", id(future)), f"executor job {name}")

    def wait(self) -> float | None:
        """Return how long to wait in real seconds before asking again, or ``None`` for not at all.

        What has been waited for in vain no longer counts until it changes; where that is a loss,
        a :exc:`GraceWarning` is given.
        """
        now = time_now()
        nearest = None
        holds = self.holds()
        keys = {hold.key for hold in holds}
        self._since = {key: since for key, since in self._since.items() if key in keys}
        self._spent &= keys
        look = False
        for hold in holds:
            since = self._since.setdefault(hold.key, now)
            if hold.key in self._spent:
                continue
            left = _LAST_LOOK if hold.limit is None else since + hold.limit - now
            if left <= 0:
                self._spent.add(hold.key)
                if not hold.is_guess and hold.limit is not None:
                    self._warn(hold.what, hold.limit)
                continue
            look = look or not hold.rings
            nearest = left if nearest is None else min(nearest, left)
        if nearest is None:
            self._look = _FIRST_LOOK
            return None
        if look:
            self._look = min(self._look * 1.5, _LAST_LOOK)
            return min(nearest, self._look)
        return nearest

    def _warn(self, what: str, seconds: float) -> None:
        try:
            warnings.warn(
                f"The virtual clock stood still for {seconds:g} real seconds because of {what}, "
                "and goes on now. A timeout that fires may be a false one. What is meant to go on "
                "beside the test, give to clock.background(...); for what needs longer, raise "
                "clock.patience, or use clock.hold()",
                GraceWarning,
                stacklevel=2,
            )
        except GraceWarning as error:  # warnings are errors here
            self._loop.fail_stuck(error)

    def can_wake(self) -> list[str]:
        """Name everything outside that could still wake the loop."""
        found = [f"{len(self.sockets)} watched files"] * bool(self.sockets)
        found += self._counted
        found += self.lookups.pending.values()
        found += [f"subprocess {t.get_pid()}" for t in self.processes.alive()]
        found += ["signal handlers"] * bool(getattr(self._loop, "_signal_handlers", None))
        if self.threads.can_go_on():
            found.append("threads")
        return found
