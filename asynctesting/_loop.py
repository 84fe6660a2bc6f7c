"""The event loop of a test: a stock selector loop that makes its parts when something needs them.

A fresh loop for every test is what isolation asks for, and most of its stock price is a selector
and a socket pair that a test without input, threads and signals never uses. Here a stand-in takes
the selector's place. It answers a poll with "nothing", and opens the real thing when a file
descriptor is registered, when a signal handler is added, or **before any wait that can block**.

Invariant: once the loop waits, the self-pipe exists. Another thread appends its callback to
``_ready`` and then looks for the pipe; we make the pipe and then look at ``_ready``. Whatever the
order of those four steps, one of the two sees the other, so no wake-up is lost.

Private names of asyncio used here (``_make_self_pipe``, ``_close_self_pipe``, ``_selector``,
``_ready``, ``_csock``, ``_default_executor``) are the same from 3.11 to 3.14;
:func:`new_event_loop` tries them once and falls back to the stock loop with a warning.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import math
import os
import selectors
import time
import warnings
import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from . import _pauses
from ._executor import DaemonExecutor
from ._recorder import RecordingLoop, new_ring
from .errors import NotCheckedWarning

__unittest = True

_NOTHING: Mapping[Any, Any] = {}

# How many seconds beyond a test's limit its next timer must lie before that is said at once. A
# test that polls in short steps meets its limit like any other.
_CLEARLY_LATER = 0.25


class _NoSelectorYet(selectors.BaseSelector):
    """Stands where the selector will be, and opens the real one when it must."""

    __slots__ = ("_loop",)

    def __init__(self, loop: LazyEventLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout <= 0:
            return []
        # A callback that came from another thread before the pipe was there rang no bell; the
        # real selector looks once more before it waits.
        return self._loop.open_selector().select(timeout)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._loop.open_selector().register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise KeyError(f"{fileobj!r} is not registered")

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        raise KeyError(f"{fileobj!r} is not registered")

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return _NOTHING

    def close(self) -> None:
        pass


class _RealSelector(selectors.DefaultSelector):
    """The real selector, which tells its loop before it waits."""

    _loop: LazyEventLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout > 0:
            loop = self._loop
            if not loop._ready:
                timeout = loop._about_to_wait(timeout)
            if loop._ready:
                timeout = 0
        return super().select(timeout)


class Joint:
    """A base for what joins things of which none holds the other: the ends of a connection."""

    __slots__ = ()


class Guard(Protocol):
    """Who runs a loop step by step, and what the loop may ask and tell."""

    name: str
    #: Since when the steps are the guard's own, in real seconds.
    recorded_since: float

    @property
    def main_task(self) -> asyncio.Task[Any] | None:
        """The task for whose sake the loop runs."""

    @property
    def due_at(self) -> float:
        """When the running test has to be over, as real ``time.monotonic()`` has it."""

    @property
    def limit(self) -> float | None:
        """The limit behind that, in real seconds."""

    def repeat_command(self) -> str:
        """Return what to type to repeat the test; nothing where that is not known."""

    def on_stuck(self, error: Exception) -> None:
        """Take an error that says why the loop can't get anywhere; cancel whoever waits."""


class LazyEventLoop(RecordingLoop):
    """A selector event loop that costs next to nothing until it is used.

    Even its own state is made at the first touch when it comes from :meth:`unborn`, which is how
    a synchronous test finds a current loop without paying for one.

    Example:
        >>> loop = LazyEventLoop()
        >>> loop.run_until_complete(asyncio.sleep(0, "done"))
        'done'
        >>> loop.close()
    """

    _scheduled: list[Any]
    _selector: selectors.BaseSelector
    _ssock: Any
    _csock: Any
    _default_executor: Any
    _signal_handlers: dict[int, Any]
    _check_closed: Any
    _check_thread: Any
    _check_callback: Any
    _check_default_executor: Any
    _process_events: Any

    #: The first error of a patched ``time.monotonic()``.
    clock_error: BaseException | None = None

    def __init__(self) -> None:
        self._ring = new_ring()
        super().__init__(_NoSelectorYet(self))

    # Birth at first touch -----------------------------------------------------------------------

    @staticmethod
    def unborn(on_birth: Callable[[LazyEventLoop], None]) -> LazyEventLoop:
        """Return a loop that initialises itself when the first of its attributes is used.

        Args:
            on_birth: Called with the loop right after that.
        """
        loop = _UnbornLoop.__new__(_UnbornLoop)
        loop._on_birth = on_birth
        return loop

    @property
    def is_born(self) -> bool:
        """Whether anybody has used this loop."""
        return "_closed" in self.__dict__

    @property
    def has_asyncgens(self) -> bool:
        """Whether async generators have been iterated here and are not finished."""
        return bool(self.__dict__.get("_asyncgens"))

    @property
    def has_callbacks(self) -> bool:
        """Whether callbacks wait for the loop's next turn."""
        return bool(self._ready)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left here that had to be told of, or ended, before the loop closes."""
        return not (
            self._ready
            or self._scheduled
            or self._default_executor is not None
            or self.clock_error is not None
            or self.has_open
            or self.has_asyncgens
            or self._signal_handlers
        )

    @property
    def is_quiet(self) -> bool:
        """Whether nothing at all waits here: no callback, no timer, no input; debug mode is off."""
        return not (self._ready or self._scheduled or self._csock is not None or self._debug)

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        if self.is_born:
            super().__del__(_warn)  # type: ignore[call-arg]

    # Selector and self-pipe ---------------------------------------------------------------------

    def open_selector(self) -> selectors.BaseSelector:
        """Make the real selector and the self-pipe, unless they are there."""
        if self._csock is None:
            stand_in = self._selector
            self._selector = selector = _RealSelector()
            selector._loop = self
            try:
                super()._make_self_pipe()  # type: ignore[misc]
            except BaseException:
                self._selector.close()
                self._selector = stand_in
                raise
        return self._selector

    def _make_self_pipe(self) -> None:
        # Called by the stock __init__(); open_selector() makes the real one.
        self._ssock = self._csock = None

    def _close_self_pipe(self) -> None:
        if self._csock is not None:
            super()._close_self_pipe()  # type: ignore[misc]

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., Any], *args: Any
    ) -> None:
        self.open_selector()  # the interpreter writes the signal's number into the pipe
        super().add_signal_handler(sig, callback, *args)

    @property
    def watched_files(self) -> Mapping[Any, selectors.SelectorKey]:
        """What is registered for reading or writing, less the loop's own self-pipe."""
        mapping = self._selector.get_map()
        own = -1 if self._ssock is None else self._ssock.fileno()
        return {fd: key for fd, key in mapping.items() if fd != own} if mapping else _NOTHING

    #: The network in memory that is entered here, if there is one.
    memory_network: Any = None

    @property
    def has_open(self) -> bool:
        """Whether something is open here that a test may have forgotten to close."""
        network = self.memory_network
        return bool(self.watched_files) or (network is not None and network.has_open)

    # Waiting in vain ----------------------------------------------------------------------------

    #: Whoever runs the loop step by step, as a test's scope does, and hears of its errors.
    guard: Guard | None = None
    # The task that run_until_complete() waits for, and what is wrong with it.
    _awaited: asyncio.Task[Any] | None = None
    _stuck_error: Exception | None = None

    @property
    def main_task(self) -> asyncio.Task[Any] | None:
        """The task for whose sake the loop runs."""
        if self._awaited is not None or self.guard is None:
            return self._awaited
        return self.guard.main_task

    def _about_to_wait(self, timeout: float | None) -> float | None:
        """Look, before a wait in real time, whether anything can end it; return how long to wait.

        Args:
            timeout: Seconds until the next timer, or ``None`` if there is none.
        """
        from . import _stuck  # what rarely happens is loaded when it does

        due_at = math.inf if self.guard is None else self.guard.due_at
        if timeout is not None and self._real_time() + timeout <= due_at + _CLEARLY_LATER:
            return timeout
        hang = _stuck.find_hopeless_wait(self, timeout)
        # A thread may have called us and gone to rest just before we looked at it, or have been
        # let go and not have got its turn yet: then it rests no longer when we look again.
        looks = _stuck.LOOKS if _stuck.has_foreign_threads() else 0
        while hang is not None and not self._ready and looks > 0:
            looks -= 1
            if self.open_selector().select(_stuck.LOOK_AGAIN):
                return 0
            hang = _stuck.find_hopeless_wait(self, timeout)
        if self._ready:
            return 0
        if hang is not None:
            self.fail_stuck(hang())
            return 0
        # A thread that ends without having called us rings no bell.
        return _stuck.LOOK_AGAIN if timeout is None and _stuck.has_foreign_threads() else timeout

    def fail_stuck(self, error: Exception) -> None:
        """Cancel whoever waits, so that *error* is raised where the loop was started.

        Raises:
            Exception: *error* itself, where nobody is left to cancel, or where a cancellation has
                had no effect.
        """
        main = self._awaited
        if main is None and self.guard is not None:
            self.guard.on_stuck(error)
            return
        if main is None or main.done() or self._stuck_error is not None:
            raise error
        self._stuck_error = error
        main.cancel()

    def run_until_complete(self, future: Any) -> Any:
        """Run until *future* is done; return its result, or raise what went wrong.

        Raises:
            StuckError: If the loop found that it can't get anywhere.
        """
        if asyncio.iscoroutine(future):
            future = self.create_task(future)
        before = self._awaited
        self._awaited = future if isinstance(future, asyncio.Task) else None
        try:
            result = super().run_until_complete(future)
        except asyncio.CancelledError:
            if self._stuck_error is None:
                raise
            raise self._stuck_error from None
        else:
            if self._stuck_error is not None:
                raise self._stuck_error  # somebody swallowed the cancellation
            return result
        finally:
            self._awaited = before
            self._stuck_error = None

    # Time ---------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return ``time.monotonic()``, as the stock loop does, less the time spent in pdb.

        A test that replaces ``time.monotonic`` by a short list of readings has them eaten by the
        loop; stock, the ``StopIteration`` then leaves the loop and ends the whole run. Here it is
        kept for the report, and the loop goes on with real time.
        """
        try:
            return time.monotonic() - _pauses.total
        except Exception as error:
            if self.clock_error is None:
                self.clock_error = error
            return self._real_time() - _pauses.total

    # Executor -----------------------------------------------------------------------------------

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        if executor is None and self._default_executor is None:
            self._check_default_executor()
            self._default_executor = DaemonExecutor()
        return super().run_in_executor(executor, func, *args)


class _UnbornLoop(LazyEventLoop):
    """A loop that nobody has used; at the first touch it becomes a :class:`LazyEventLoop`.

    A class of its own, since a class with a ``__getattr__`` makes every attribute of its instances
    slow, and a step of a task reads a dozen of the loop's.
    """

    _on_birth: Callable[[LazyEventLoop], None]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._be_born()
        return getattr(self, name)

    def __repr__(self) -> str:
        self._be_born()
        return repr(self)

    def _be_born(self) -> None:
        plan = _birth_plan()
        # A debug mode or a task factory can be set without a look at anything that is there.
        early = self.__dict__.copy()
        on_birth = early.pop("_on_birth")
        # No second birth, whatever goes wrong in this one.
        self.__class__ = LazyEventLoop  # type: ignore[assignment]
        if plan.constants is None:
            LazyEventLoop.__init__(self)
        else:
            self.__dict__.update(plan.constants)
            for name, make_container in plan.at_once:
                self.__dict__[name] = make_container()
            self._selector = _NoSelectorYet(self)
        on_birth(self)
        self.__dict__.update(early)


class _BirthPlan(NamedTuple):
    """What ``__init__`` leaves in a loop's ``__dict__``: once found out, cheaper to repeat.

    Constants are shared, each loop gets containers of its own, and those that most loops never
    use (weak sets are the dearest part of a loop) are made at their first use, by a property that
    the class is given.
    """

    constants: dict[str, Any] | None
    at_once: list[tuple[str, Callable[[], Any]]]

    @classmethod
    def of(cls, loop: LazyEventLoop) -> _BirthPlan:
        """Read the plan off a loop that was initialised in the ordinary way."""
        plan = cls({}, [])
        for name, value in vars(loop).items():
            if value is None or isinstance(value, (bool, int, float)):
                plan.constants[name] = value  # type: ignore[index]
            elif name == "_ring":
                plan.at_once.append((name, new_ring))
            elif type(value) in (weakref.WeakSet, weakref.WeakValueDictionary) and not value:
                _make_on_demand(name, type(value))
            elif type(value) in (collections.deque, list, dict) and not value:
                plan.at_once.append((name, type(value)))
            elif name != "_selector":
                return cls(None, [])  # something we don't know how to repeat
        return plan


def _make_on_demand(name: str, make_container: Callable[[], Any]) -> None:
    container = functools.cached_property(lambda loop: make_container())
    container.__set_name__(LazyEventLoop, name)
    setattr(LazyEventLoop, name, container)


@functools.cache
def _birth_plan() -> _BirthPlan:
    loop = LazyEventLoop()
    try:
        return _BirthPlan.of(loop)
    finally:
        loop.close()


_lazy_works: bool | None = None


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a fresh loop for a test: ours, or the stock one where ours can't work.

    That is so on Windows, and on an interpreter that has renamed what :class:`LazyEventLoop`
    overrides; the latter is said once, by a :exc:`NotCheckedWarning`.
    """
    return LazyEventLoop() if lazy_loop_works() else asyncio.new_event_loop()


def lazy_loop_works() -> bool:
    """Tell whether :class:`LazyEventLoop` works here, trying it at the first call."""
    global _lazy_works
    if _lazy_works is None:
        _pauses.install()
        _lazy_works = os.name == "posix" and _try_lazy_loop()
    return _lazy_works


def _try_lazy_loop() -> bool:
    try:
        loop = LazyEventLoop()
        try:
            if loop._csock is not None or not hasattr(loop, "_ready"):
                raise AttributeError("asyncio makes or names its self-pipe in another way")
            loop.open_selector()
            loop.call_soon_threadsafe(loop.stop)
            if getattr(loop, "_csock", None) is None:
                raise AttributeError("the self-pipe is not there")
        finally:
            loop.close()
    except Exception as error:
        warnings.warn(
            f"asynctesting's fast event loop does not work on this interpreter ({error!r}); the "
            "standard one is used, which is slower",
            NotCheckedWarning,
            stacklevel=2,
        )
        return False
    return True
