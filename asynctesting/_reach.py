"""Whether anybody can still complete what a task waits for, by what refers to it.

A future is completed by code that has it in hand. So where nothing that can still run leads to a
future, over whatever chain of references, nobody will ever complete it. What can still run: other
threads, what the loop has queued, timers and watched files included, signal handlers, whatever a
module holds, and the tasks that something of this can wake, with all that their frames hold.
Waiting tasks lead nowhere by themselves, and neither does the code that runs the loop, which waits
for it to stop.

Only the collector's view is there, and only when a test has failed. Two things could hold a future
unseen, and make the answer a likely one: an extension that hides its references from the collector,
and another thread, of which only the variables can be read while it runs, not the values it has in
hand.

Invariant: nothing is claimed unless the search has come to its end.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.machinery
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, ModuleType
from typing import Any

from ._waits import Task

__unittest = True

#: After how many seconds of the processor the search is given up; then nothing is claimed.
BUDGET = 0.3
# How many objects are looked at together.
_STRIDE = 5000
# What a loop has of tasks and those who wait for it, without which it would run all the same.
_ASIDE = {"guard", "_awaited", "_stuck_error", "_ring", "_on_birth", "_asyncgens", "_selector"}


def beyond_reach(
    loop: asyncio.AbstractEventLoop, tasks: Iterable[Task], runner: object = None
) -> list[Task]:
    """Return those of *tasks* that wait for what nobody can complete any more.

    Args:
        loop: Their loop.
        tasks: Pending tasks of it, all there are.
        runner: Who runs the loop and waits for it; it ends no wait.
    """
    return _Search(loop, list(tasks), runner).run()


def doubts() -> str:
    """Say what may hide a reference from the search, or return nothing."""
    name = _extension()
    if name:
        return f"{name} may hide some from the search"
    return "of other threads only the variables are seen" if _other_threads() else ""


def _extension() -> str:
    """Name an extension module that is not the standard library's, or return nothing."""
    own = os.path.join(os.path.dirname(os.__file__), "lib-dynload")
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(_SUFFIXES) and not file.startswith(own):
            return name
    return ""


_SUFFIXES = tuple(importlib.machinery.EXTENSION_SUFFIXES)


def _other_threads() -> list[FrameType]:
    """Return the innermost frames of all threads that may do something by themselves."""
    # This thread waits for the loop, and the watchdog knows every test.
    aside = {t.ident for t in threading.enumerate() if t.name == "asynctesting-watchdog"}
    aside.add(threading.get_ident())
    return [frame for ident, frame in sys._current_frames().items() if ident not in aside]


_SPECIAL = (ModuleType, weakref.ReferenceType, *weakref.ProxyTypes)


def _special_referents(thing: Any) -> list[Any]:
    """Return where *thing* leads that the collector does not tell of."""
    # A module is never shown to the collector: that of _asyncio in 3.12 has it count the dead
    # objects that it keeps for their memory, and to touch one ends the process.
    if issubclass(type(thing), ModuleType):
        return [ModuleType.__getattribute__(thing, "__dict__"), type(thing)]
    # Who has a weak reference has the thing, as long as somebody else keeps it.
    return [weakref.ReferenceType.__call__(thing)]


class _Search:
    # Kept from the clock patches of the tests.
    _now: Callable[[], float] = staticmethod(time.thread_time)

    def __init__(self, loop: Any, tasks: list[Task], runner: object) -> None:
        self._loop = loop
        self._waiting = {id(task): task for task in tasks if not task.done()}
        self._waited_for: dict[int, list[Task]] = {}
        for task in self._waiting.values():
            future = getattr(task, "_fut_waiter", None)
            if future is not None:
                self._waited_for.setdefault(id(future), []).append(task)
        # Nothing is found by way of these: the search's own objects, and those of the runner.
        mine = (self, vars(self), self._waiting, self._waited_for, tasks, loop, vars(loop))
        self._seen = {id(thing) for thing in (*mine, *self._waited_for.values())}
        if runner is not None:
            self._seen |= {id(runner), id(vars(runner))}
        self._modules = [getattr(module, "__dict__", {}) for module in [*sys.modules.values()]]
        self._stack: list[Any] = []
        self._frames: list[FrameType] = []  # kept, or another thing could get the number of one
        # Types that were met, by number, and which of them are special.
        self._kinds: dict[int, type] = {}
        self._special_kinds: set[int] = set()
        self._seen |= {id(self._seen), id(self._frames), id(self._kinds)}
        self._until = self._now() + BUDGET

    def run(self) -> list[Task]:
        """Return the tasks that nothing has reached."""
        # First from what will run. It may also cancel a task that it has in hand, as the timer of
        # a timeout does. Not by way of modules, from which everything leads to everything.
        modules = {id(names) for names in self._modules}
        self._seen |= modules
        self._stack.extend(self._roots())
        # Those that have nothing to wait for will run.
        for task in list(self._waiting.values()):
            if getattr(task, "_fut_waiter", None) is None:
                self._wake(task)
        if not self._walk(cancels=True):
            return []
        # Then from what a module holds: for whoever runs, to complete.
        self._seen -= modules
        self._stack.extend(self._modules)
        return list(self._waiting.values()) if self._walk(cancels=False) else []

    def _walk(self, *, cancels: bool) -> bool:
        """Follow all references from the stack; tell whether all could be seen, and in time."""
        stack, seen = self._stack, self._seen
        # A large process has millions of references: what is done for each is done by C.
        while stack:
            # What the collector does not track leads to nothing that it does.
            batch = list(filter(gc.is_tracked, stack[-_STRIDE:]))
            del stack[-_STRIDE:]
            fresh = dict(zip(map(id, batch), batch, strict=True))
            new = fresh.keys() - seen
            for key in new & self._waiting.keys():
                if cancels:
                    self._wake(fresh[key])
                else:
                    new.discard(key)  # a waiting task leads nowhere until something can wake it
            seen |= new
            for key in new & self._waited_for.keys():
                for task in self._waited_for[key]:
                    self._wake(task)
            things = list(map(fresh.__getitem__, new))
            if self._has_special(things) and not self._follow_special(things):
                return False
            stack += gc.get_referents(*things)
            if self._now() > self._until:
                return False
        return True

    def _has_special(self, things: list[Any]) -> bool:
        # By number: what a class has for a class may well forbid to be hashed.
        types = list(map(type, things))
        kinds = dict(zip(map(id, types), types, strict=True))
        for key in kinds.keys() - self._kinds.keys():
            self._kinds[key] = kinds[key]
            # By type: what stands for something else may well lie about its class.
            if issubclass(kinds[key], _SPECIAL):
                self._special_kinds.add(key)
        return not self._special_kinds.isdisjoint(kinds)

    def _follow_special(self, things: list[Any]) -> bool:
        """Go on from what the collector tells nothing or too much of, and take it out."""
        for thing in [thing for thing in things if id(type(thing)) in self._special_kinds]:
            if type(thing) in weakref.ProxyTypes:
                return False  # these tell nobody what they stand for
            self._stack += _special_referents(thing)
        things[:] = [thing for thing in things if not issubclass(type(thing), ModuleType)]
        return True

    def _wake(self, task: Task) -> None:
        if self._waiting.pop(id(task), None) is not None:
            self._seen.discard(id(task))
            self._stack.append(task)
            # Whoever waits for the task itself is woken by its end.
            for other in self._waited_for.get(id(task), ()):
                self._wake(other)

    def _roots(self) -> Iterator[Any]:
        for innermost in _other_threads():
            frame: FrameType | None = innermost
            while frame is not None:
                # A frame that runs is not the collector's to read.
                self._seen.add(id(frame))
                self._frames.append(frame)
                yield from dict(frame.f_locals).values()
                frame = frame.f_back
        yield from [signal.getsignal(number) for number in signal.valid_signals()]
        own = vars(self._loop)
        yield from [value for name, value in own.items() if name not in _ASIDE]
        selector = own.get("_selector")
        if selector is not None:
            yield from [key.data for key in list(selector.get_map().values())]
