"""Clocks in the hand of a test: the loop's, the monotonic one, and the one on the wall.

Three mixins for test classes, and for each a region: a context manager that is a decorator, too.

* :class:`VirtualClockMixin`, :func:`virtual_clock`: the loop and ``time.monotonic`` obey a
  :class:`VirtualClock`, and an hour of sleeping takes no time.
* :class:`FrozenTimeMixin`, :func:`frozen_time`: ``datetime.now()`` and ``time.time()`` read a
  frozen wall clock, through freezegun. Beside one of the others it moves with that one.
* :class:`MonotonicClockMixin`, :func:`monotonic_clock`: the monotonic family alone, moved by hand
  or scripted; for synchronous code, for real loops and for plain ``unittest.TestCase``.

A mixin stands to the left of the test case. freezegun is imported when a frozen class is made.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import unittest
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from . import _patched_time
from ._case import AsyncTestCase
from ._clock import Mode, VirtualClock
from ._patched_time import TimePatch
from ._seconds import NS, Seconds, duration_ns
from ._virtual_loop import VirtualEventLoop
from .errors import ClockScriptError, SettingError

if TYPE_CHECKING:
    import datetime as dt

    from . import _frozen

__all__ = [
    "FrozenTimeMixin",
    "MonotonicClock",
    "MonotonicClockMixin",
    "VirtualClock",
    "VirtualClockMixin",
    "VirtualEventLoop",
    "frozen_time",
    "monotonic_clock",
    "virtual_clock",
]

__unittest = True

_F = TypeVar("_F", bound=Callable[..., Any])

# Where a test method keeps the region that its decorator asks for.
REGION = "__asynctesting_region__"


# A monotonic clock without a loop ----------------------------------------------------------------


class MonotonicClock:
    """A monotonic clock that stands still until it is moved, or that reads from a script.

    It drives no event loop: timers go on in real time. It is what ``time.monotonic()`` answers in
    a :class:`MonotonicClockMixin` class or a :func:`monotonic_clock` region.

    Args:
        start: The first reading, in seconds: 0 or more. The default is the real clock, rounded up
            to a whole second.

    Raises:
        ValueError: If *start* is negative, not finite or beyond what clocks can hold (292 years).

    Example:
        >>> clock = MonotonicClock(start=10)
        >>> clock.advance(3600)
        >>> clock.time(), clock.elapsed
        (3610.0, 3600.0)
    """

    def __init__(self, *, start: Seconds | None = None) -> None:
        if start is None:
            self._now_ns = -(-_patched_time.real_ns() // NS) * NS
        else:
            self._now_ns = duration_ns(start, "MonotonicClock(start=...)")
        self._start_ns = self._now_ns
        self._script: deque[int] | None = None
        self._script_length = 0

    def __repr__(self) -> str:
        script = "" if self._script is None else f" script={len(self._script)} readings left"
        now = self._now_ns / NS
        return f"<MonotonicClock now={now:.3f}s elapsed={self.elapsed:.3f}s{script}>"

    def time(self) -> float:
        """Return the reading, in seconds; it takes nothing from a script."""
        return self._now_ns / NS

    def time_ns(self) -> int:
        """Return the reading, in nanoseconds; it takes nothing from a script."""
        return self._now_ns

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return (self._now_ns - self._start_ns) / NS

    def advance(self, seconds: Seconds) -> None:
        """Move the clock forward.

        Args:
            seconds: How far, in seconds or as a ``timedelta``: 0 or more.

        Raises:
            ValueError: If *seconds* is negative, not finite or beyond what clocks can hold.
            TypeError: If *seconds* is no number.
            RuntimeError: While a script is read: two can't move one clock.
        """
        if self._script:
            raise RuntimeError(
                f"advance() was called while {len(self._script)} readings of a script are left, "
                "and both would move the clock. Put the hour into the script, or call advance() "
                "after its last reading"
            )
        self._script = None
        self._now_ns += duration_ns(seconds, "advance()")

    def script(self, readings: Iterable[float]) -> None:
        """Have successive calls of the code under test read *readings*, one each.

        The calls of ``time.monotonic()`` and ``time.monotonic_ns()`` count together, in all
        threads. The reads of event loops, runners and the interpreter's own threads take nothing.

        Args:
            readings: Seconds, none smaller than the one before.

        Raises:
            ValueError: If there are none, one is not finite, or they run backwards.
        """
        script = deque(_reading_ns(reading) for reading in readings)
        if not script:
            raise ValueError("script() needs at least one reading, such as script([0.0, 3600.0])")
        for before, after in itertools.pairwise(script):
            if after < before:
                raise ValueError(
                    f"script() got {before / NS!r} and then {after / NS!r}: a monotonic clock "
                    "never runs backwards"
                )
        self._script = script
        self._script_length = len(script)

    def _read_ns(self) -> int:
        if self._script is not None:
            try:
                self._now_ns = self._script.popleft()
            except IndexError:
                raise ClockScriptError(
                    f"the code under test read the monotonic clock once more than the script has "
                    f"readings: all {self._script_length} are used up, the last one was "
                    f"{self._now_ns / NS!r}. Add a reading, or go on by hand with clock.advance()"
                ) from None
        return self._now_ns


def _reading_ns(reading: float) -> int:
    if isinstance(reading, bool) or not isinstance(reading, (int, float)):
        raise TypeError(f"script() needs readings in seconds, got {reading!r}")
    return duration_ns(reading, "script()")


# Regions -----------------------------------------------------------------------------------------


class _Region(AbstractContextManager[Any]):
    """A stretch of time with a clock of its own; as a decorator, the run of one function.

    Each entry makes a clock, so one region can be entered again, and a decorated test repeated.
    """

    def __init__(self) -> None:
        self._open: list[Any] = []

    @abstractmethod
    def begin(self) -> tuple[Any, Callable[[], None]]:
        """Return what the ``with`` statement gets, and what ends the region."""

    def __enter__(self) -> Any:
        value, end = self.begin()
        self._open.append(end)
        return value

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.pop()()

    def __call__(self, function: _F) -> _F:
        _refuse_class(function)
        wrapper: Any
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with self.lent_to(args):
                    return await function(*args, **kwargs)
        else:

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with self.lent_to(args):
                    return function(*args, **kwargs)

        decorated: _F = wrapper
        return decorated

    #: Under which name a decorated test finds the clock, and where a mixin keeps it.
    lent_as = ("clock", "_asynctesting_clock")

    @contextmanager
    def lent_to(self, arguments: tuple[Any, ...]) -> Iterator[None]:
        """Open the region for a decorated function; if it is a test, lend its case the clock."""
        case = arguments[0] if arguments else None
        with self as value:
            if not isinstance(case, unittest.TestCase):
                yield
                return
            public, kept = self.lent_as
            name = kept if hasattr(type(case), public) else public
            before = vars(case).get(name, self)
            vars(case)[name] = value
            try:
                yield
            finally:
                vars(case).pop(name)
                if before is not self:
                    vars(case)[name] = before


def _refuse_class(function: Any) -> None:
    if isinstance(function, type):
        raise TypeError(
            f"a clock region decorates a test, not a class; give {function.__qualname__} the "
            "mixin instead"
        )


class _MonotonicRegion(_Region):
    def __init__(self, start: Seconds | None, perf_counter: bool) -> None:
        super().__init__()
        self._start = start
        self._perf_counter = perf_counter
        MonotonicClock(start=start)  # a bad value is said where it is written

    def begin(self) -> tuple[MonotonicClock, Callable[[], None]]:
        if isinstance(asyncio._get_running_loop(), VirtualEventLoop):
            raise RuntimeError(
                "monotonic_clock() was entered while a loop on a virtual clock runs, and "
                "time.monotonic() can't obey two clocks. Move the virtual one: await "
                "self.clock.advance(seconds)"
            )
        clock = MonotonicClock(start=self._start)
        patch = TimePatch(clock._read_ns, peek_ns=clock.time_ns, perf_counter=self._perf_counter)
        patch.start()
        return clock, patch.stop

    def run_case(self, case: Any, run: Callable[[], Any]) -> Any:
        """Run a whole test, set-up and teardown included, on a clock of its own."""
        with self as case._asynctesting_clock:
            try:
                return run()
            finally:
                case._asynctesting_past_clock = case._asynctesting_clock
                case._asynctesting_clock = None


def monotonic_clock(
    *, start: Seconds | None = None, perf_counter: bool = False
) -> AbstractContextManager[MonotonicClock] | Any:
    """Return a region in which ``time.monotonic()`` reads a clock that is moved by hand.

    It is a context manager that gives the :class:`MonotonicClock`, and a decorator for a test,
    which finds the clock as ``self.clock``.

    Args:
        start: The first reading, in seconds; see :class:`MonotonicClock`.
        perf_counter: Whether ``time.perf_counter()`` reads it, too.

    Example:
        >>> import time
        >>> with monotonic_clock(start=0) as clock:
        ...     clock.advance(3600)
        ...     time.monotonic()
        3600.0
    """
    return _MonotonicRegion(start, perf_counter)


class _FrozenRegion(_Region):
    lent_as = ("wall_clock", "_asynctesting_wall")

    def __init__(self, when: Any, tz_offset: Any, tick: bool) -> None:
        super().__init__()
        self._when = _frozen_module().parse(when)
        _frozen_module().check_offset(tz_offset)
        self._tz_offset = tz_offset
        self._tick = tick

    def begin(self) -> tuple[_frozen.WallClock, Callable[[], None]]:
        freeze = _frozen_module().Freeze(self._tz_offset)
        wall = freeze.start()
        patch = _patched_time.innermost()
        follow_ns = patch.peek_ns if patch is not None else None
        wall.begin(self._when, follow_ns or (_patched_time.real_ns if self._tick else None))
        return wall, freeze.stop


def frozen_time(
    when: str | dt.datetime | dt.date,
    *,
    tz_offset: float | dt.timedelta = 0,
    tick: bool = False,
) -> AbstractContextManager[Any] | Any:
    """Return a region in which the wall clock is frozen at *when*, through freezegun.

    It is a context manager that gives the wall clock (with ``tick()`` and ``move_to()``), and a
    decorator for a test, which finds the wall clock as ``self.wall_clock``. Inside of a region or
    class with a virtual or monotonic clock, the wall clock moves with that one; a clock that is
    opened later, inside of the freeze, does not move it.

    Args:
        when: A text such as ``"2026-01-01 09:00"``, a datetime or a date; UTC where no zone is
            given.
        tz_offset: The local time zone, as hours east of UTC or a ``timedelta``.
        tick: Whether the wall clock goes on with real time, where no other clock moves it.

    Raises:
        ValueError: If *when* is a text that is no date, or *tz_offset* is a day or more.
        TypeError: If *when* is no date at all, or *tz_offset* no number.

    Example:
        >>> import datetime
        >>> with frozen_time("2026-01-01 09:00") as wall:
        ...     _ = wall.tick(60)
        ...     print(datetime.datetime.now())
        2026-01-01 09:01:00
    """
    return _FrozenRegion(when, tz_offset, tick)


class _VirtualRegion(_Region):
    def __init__(self, start: Seconds | None, mode: str | Mode, perf_counter: bool) -> None:
        super().__init__()
        self._options = {"start": start, "mode": mode}
        self._perf_counter = perf_counter
        VirtualClock(start=start, mode=mode)  # a bad value is said where it is written

    def begin(self) -> tuple[VirtualClock, Callable[[], None]]:
        loop = asyncio._get_running_loop()
        if loop is None:
            return self.begin_clock()
        if not isinstance(loop, VirtualEventLoop):
            raise RuntimeError(
                f"virtual_clock() was entered while {loop!r} runs, and a running loop can't be "
                "given another clock. Decorate the test with @virtual_clock(), or give its class "
                "VirtualClockMixin; clock_mode = 'real' lets regions switch"
            )
        if self._options["start"] is not None:
            raise RuntimeError(
                "virtual_clock(start=...) was entered while its loop runs, and a clock keeps its "
                "reading. Set clock_start on the class"
            )
        region = getattr(loop.clock, Mode(self._options["mode"]).value)()
        region.__enter__()
        return loop.clock, functools.partial(region.__exit__, None, None, None)

    def begin_clock(self) -> tuple[VirtualClock, Callable[[], None]]:
        """Make a clock and have ``time.monotonic()`` read it."""
        clock = VirtualClock(**self._options)  # type: ignore[arg-type]
        patch = TimePatch(clock.time_ns, perf_counter=self._perf_counter)
        patch.start()
        return clock, patch.stop

    def run_case(self, case: Any, run: Callable[[], Any]) -> Any:
        """Run a whole test, set-up and teardown included, on a clock of its own."""
        plan = getattr(case, "_asynctesting_plan", None)
        if plan is not None and plan.is_wide:
            # The loop is there before the test, and the clock with it; see _SharedClock.
            try:
                return run()
            finally:
                case._asynctesting_past_clock = case._asynctesting_clock
                case._asynctesting_clock = None
        clock, end = self.begin_clock()
        case.loop_factory = functools.partial(VirtualEventLoop, clock)
        case._asynctesting_clock = clock
        if not hasattr(type(case), "clock"):
            case.clock = clock
        try:
            return run()
        finally:
            del case.loop_factory
            case._asynctesting_past_clock, case._asynctesting_clock = clock, None
            end()

    def __call__(self, function: _F) -> _F:
        # Only the case can choose the loop, before the test begins; it looks for the mark.
        _refuse_class(function)
        decorated: _F = _on_virtual_loop(function) if _is_async(function) else self._sync(function)
        setattr(decorated, REGION, self)
        return decorated

    def _sync(self, function: Any) -> Any:
        """Have a synchronous *function* get a clock where no case has looked for the mark."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if args and getattr(args[0], "_asynctesting_clock", None) is not None:
                return function(*args, **kwargs)
            with self.lent_to(args):
                return function(*args, **kwargs)

        return wrapper


_is_async = inspect.iscoroutinefunction


def _on_virtual_loop(function: Any) -> Any:
    """Have *function* refuse to run where nobody has looked for the mark."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualEventLoop):
            raise RuntimeError(
                f"{function.__qualname__}() is decorated with @virtual_clock(), but {loop!r} runs "
                "it, which is real: only an AsyncTestCase gives a test such a loop. Elsewhere, "
                "write 'with virtual_clock() as clock' around a VirtualEventLoop(clock)"
            )
        return await function(*args, **kwargs)

    return wrapper


def virtual_clock(
    *,
    start: Seconds | None = None,
    mode: str | Mode = Mode.AUTO,
    perf_counter: bool = False,
) -> AbstractContextManager[VirtualClock] | Any:
    """Return a region in which the loop and ``time.monotonic()`` obey a virtual clock.

    As a decorator on a test of an ``AsyncTestCase`` it covers the whole test, set-up and teardown
    included; the clock is ``self.clock``. As a context manager in synchronous code it gives the
    clock, for a :class:`VirtualEventLoop` of one's own; ``asyncio.run()`` makes a loop on real
    time there as everywhere. Inside of a test that has a virtual clock it changes the mode for its
    stretch.

    Args:
        start: The first reading, in seconds; see :class:`VirtualClock`.
        mode: ``"auto"``, ``"manual"`` or ``"real"``.
        perf_counter: Whether ``time.perf_counter()`` reads the clock, too.

    Raises:
        ValueError: For values that :class:`VirtualClock` refuses.
        RuntimeError: If it is entered while a loop runs that obeys no virtual clock.

    Example:
        >>> with virtual_clock(start=0) as clock:
        ...     with asyncio.Runner(loop_factory=lambda: VirtualEventLoop(clock)) as runner:
        ...         runner.run(asyncio.sleep(3600))
        ...     clock.elapsed
        3600.0
    """
    return _VirtualRegion(start, mode, perf_counter)


# Mixins ------------------------------------------------------------------------------------------


def _check_order(cls: type, mixin: type) -> None:
    """Refuse a mixin behind the test case, whose run() never gets to it.

    Raises:
        SettingError: If that is how *cls* is written.
    """
    order = cls.__mro__
    if unittest.TestCase in order[: order.index(mixin)]:
        name = next(k.__name__ for k in order if k is not cls and issubclass(k, mixin))
        raise SettingError(
            f"{cls.__qualname__} has {name} behind its test case, where unittest never calls it. "
            f"Write it first: class {cls.__name__}({name}, ...)"
        )


class _ClockMixin:
    """A test class whose tests each get a clock: the part that both kinds share.

    Attributes:
        clock_start: The first reading of each test's clock, in seconds: 0 or more. ``None`` is
            the real clock rounded up to a whole second.
        patch_perf_counter: Whether ``time.perf_counter()`` reads the clock, too. unittest and
            many tools measure with it.
    """

    clock_start: ClassVar[Any] = None
    patch_perf_counter: ClassVar[bool] = False

    _asynctesting_clock: Any = None
    _asynctesting_past_clock: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if _ClockMixin in cls.__bases__:
            return  # one of the mixins below
        _check_order(cls, _ClockMixin)
        if sum("_asynctesting_region" in vars(base) for base in cls.__mro__) > 1:
            raise SettingError(
                f"{cls.__qualname__} has VirtualClockMixin and MonotonicClockMixin, and "
                "time.monotonic() can't obey two clocks. Leave one of them out: the virtual clock "
                "moves the loop, too"
            )
        try:
            cls._asynctesting_region()
        except (ValueError, TypeError) as error:
            raise SettingError(f"{cls.__qualname__}.clock_start or clock_mode: {error}") from None

    # Makes the region in which a test of the class runs; each of the mixins below has its own.
    _asynctesting_region: ClassVar[Callable[[], Any]]

    @property
    def clock(self) -> Any:
        """The clock of the running test, or of the last one that ran.

        Raises:
            RuntimeError: Before the first run.
        """
        clock = self._asynctesting_clock or self._asynctesting_past_clock
        if clock is None:
            raise RuntimeError(f"{self} is not running, so it has no clock; each test gets its own")
        return clock


@dataclass(frozen=True)
class _SharedClock:
    """Makes the loop of tests that share one, and the clock with it; equal ones are one scope."""

    start: Seconds | None
    mode: str
    perf_counter: bool

    def __call__(self) -> VirtualEventLoop:
        return VirtualEventLoop(VirtualClock(start=self.start, mode=self.mode))

    def patch(self, loop: VirtualEventLoop) -> TimePatch:
        """Return what has ``time.monotonic()`` read the clock, while a test or a hook runs."""
        return TimePatch(loop.clock.time_ns, perf_counter=self.perf_counter)


class VirtualClockMixin(_ClockMixin):
    """Gives each test of an ``AsyncTestCase`` a :class:`VirtualClock`, as ``self.clock``.

    Where the tests of a class share a loop (``loop_scope``), they share its clock: it goes on from
    test to test, and ``clock.elapsed`` counts from the beginning of each.

    The loop, ``time.monotonic`` and ``time.monotonic_ns`` move together, for set-up, test and
    teardown. ``asyncio.sleep``, ``asyncio.timeout``, aiohttp's timeouts and whatever is built on
    the loop's clock obey. Threads, processes and sockets are real and hold the clock.

    Attributes:
        clock_start: The first reading of each test's clock, in seconds: 0 or more. ``None`` is
            the real clock rounded up to a whole second.
        clock_mode: ``"auto"``, ``"manual"`` or ``"real"``: what moves the clock outside of
            regions.
        patch_perf_counter: Whether ``time.perf_counter()`` reads the clock, too.

    Raises:
        SettingError: When a class is made with values that can't be meant, with a
            ``loop_factory`` of its own, or without an ``AsyncTestCase`` to the right of the mixin.

    Example:
        >>> from asynctesting import AsyncTestCase
        >>> class PatienceTests(VirtualClockMixin, AsyncTestCase):
        ...     async def test_an_hour(self):
        ...         await asyncio.sleep(3600)
        ...         self.assertEqual(self.clock.elapsed, 3600.0)
        >>> import unittest
        >>> unittest.TextTestRunner().run(PatienceTests("test_an_hour")).wasSuccessful()
        True
    """

    clock_mode: ClassVar[str] = "auto"

    if TYPE_CHECKING:
        # What is right of the mixin: an AsyncTestCase.
        loop_factory: Any

        @property
        def clock(self) -> VirtualClock: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        kind: Any = cls
        if issubclass(kind, unittest.TestCase) and not issubclass(kind, AsyncTestCase):
            raise SettingError(
                f"{cls.__qualname__} has VirtualClockMixin and is no AsyncTestCase, so there is no "
                "event loop that it could move. Take AsyncTestCase, or move time.monotonic() alone "
                "with MonotonicClockMixin"
            )
        if getattr(cls, "loop_factory", None) is not None:
            raise SettingError(
                f"{cls.__qualname__}.loop_factory is {cls.loop_factory!r}, but VirtualClockMixin "
                "brings its own loop: no other one can be told the time. Leave loop_factory out"
            )

    @classmethod
    def _asynctesting_region(cls) -> _VirtualRegion:
        return _VirtualRegion(cls.clock_start, cls.clock_mode, cls.patch_perf_counter)

    @classmethod
    def _asynctesting_shared_clock(cls) -> _SharedClock:
        return _SharedClock(cls.clock_start, cls.clock_mode, cls.patch_perf_counter)

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test on a clock of its own."""
        run: Any = functools.partial(super().run, result)  # type: ignore[misc]
        region = self._asynctesting_region_of_test()
        found: unittest.TestResult | None = region.run_case(self, run)
        return found

    def debug(self) -> None:
        """Run the test on a clock of its own, without collecting its outcome."""
        region = self._asynctesting_region_of_test()
        region.run_case(self, super().debug)  # type: ignore[misc]

    def _asynctesting_region_of_test(self) -> _VirtualRegion:
        """Return the region of the test's own decorator, or else that of the class."""
        method = getattr(self, getattr(self, "_testMethodName", ""), None)
        own: _VirtualRegion | None = getattr(method, REGION, None)
        return own or self._asynctesting_region()


class MonotonicClockMixin(_ClockMixin):
    """Gives each test a :class:`MonotonicClock`, as ``self.clock``; for any ``TestCase``.

    ``time.monotonic`` and ``time.monotonic_ns`` read it, for set-up, test and teardown. Event
    loops go on in real time. ``self.clock.advance(3600)`` moves it, and
    ``self.clock.script([0.0, 3600.0])`` says what successive calls read.

    Attributes:
        clock_start: The first reading of each test's clock, in seconds: 0 or more. ``None`` is
            the real clock rounded up to a whole second.
        patch_perf_counter: Whether ``time.perf_counter()`` reads the clock, too.

    Raises:
        SettingError: When a class is made with values that can't be meant.

    Example:
        >>> import time, unittest
        >>> class CacheTests(MonotonicClockMixin, unittest.TestCase):
        ...     def test_an_hour(self):
        ...         before = time.monotonic()
        ...         self.clock.advance(3600)
        ...         self.assertEqual(time.monotonic() - before, 3600.0)
        >>> unittest.TextTestRunner().run(CacheTests("test_an_hour")).wasSuccessful()
        True
    """

    if TYPE_CHECKING:

        @property
        def clock(self) -> MonotonicClock: ...

    @classmethod
    def _asynctesting_region(cls) -> _MonotonicRegion:
        return _MonotonicRegion(cls.clock_start, cls.patch_perf_counter)

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test on a clock of its own."""
        run: Any = functools.partial(super().run, result)  # type: ignore[misc]
        found: unittest.TestResult | None = self._asynctesting_region().run_case(self, run)
        return found

    def debug(self) -> None:
        """Run the test on a clock of its own, without collecting its outcome."""
        self._asynctesting_region().run_case(self, super().debug)  # type: ignore[misc]


class FrozenTimeMixin:
    """Freezes the wall clock for each test, through freezegun; for any ``TestCase``.

    Beside :class:`VirtualClockMixin` or :class:`MonotonicClockMixin` the wall clock moves with that
    clock, jump by jump, so cookies, caches and tokens expire when they should. ``self.wall_clock``
    has ``tick()`` and ``move_to()``, which set the wall clock alone.

    freezegun is opened once for a class, since that costs milliseconds, and each test begins at
    ``frozen_time`` again. The whole process is frozen: don't run such classes in threads side by
    side. OpenSSL keeps its own clock, so certificates are checked against real time.

    Attributes:
        frozen_time: Where each test begins: a text such as ``"2026-01-01 09:00"``, a datetime or
            a date; UTC where no zone is given.
        frozen_tz_offset: The local time zone, as hours east of UTC or a ``timedelta``.
        frozen_tick: Whether the wall clock goes on with real time, where no other clock moves it.

    Raises:
        SettingError: When a class is made with a ``frozen_time`` that is no date, or with the
            mixin to the right of the test case.

    Example:
        >>> import datetime, unittest
        >>> class NewYearTests(FrozenTimeMixin, unittest.TestCase):
        ...     frozen_time = "2026-01-01"
        ...     def test_year(self):
        ...         self.assertEqual(datetime.date.today().year, 2026)
        >>> unittest.TextTestRunner().run(NewYearTests("test_year")).wasSuccessful()
        True
    """

    frozen_time: ClassVar[Any] = None
    frozen_tz_offset: ClassVar[Any] = 0
    frozen_tick: ClassVar[bool] = False

    # The freeze of the class that is open, and of one test where the class has none.
    _asynctesting_wall: ClassVar[Any] = None
    _asynctesting_start: ClassVar[Any] = None
    _asynctesting_clock: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _check_order(cls, FrozenTimeMixin)
        if cls.frozen_time is not None:
            try:
                _frozen_module().parse(cls.frozen_time)
                _frozen_module().check_offset(cls.frozen_tz_offset)
            except (ValueError, TypeError) as error:
                raise SettingError(
                    f"{cls.__qualname__}.frozen_time or frozen_tz_offset: {error}"
                ) from None

    @property
    def wall_clock(self) -> _frozen.WallClock:
        """The wall clock of the running test.

        Raises:
            RuntimeError: If no test is running.
        """
        if self._asynctesting_wall is None:
            raise RuntimeError(f"{self} is not running, so its wall clock is not frozen")
        wall: _frozen.WallClock = self._asynctesting_wall
        return wall

    @classmethod
    def setUpClass(cls) -> None:
        """Open the freeze of the class."""
        end = cls._asynctesting_freeze(cls)
        cls.addClassCleanup(end)  # type: ignore[attr-defined]
        super().setUpClass()  # type: ignore[misc]

    @classmethod
    def _asynctesting_freeze(cls, owner: Any) -> Callable[[], None]:
        """Freeze, keep the wall clock on *owner*, and return what thaws."""
        if cls.frozen_time is None:
            raise SettingError(
                f"{cls.__qualname__}.frozen_time is not set; write frozen_time = "
                "'2026-01-01 09:00' in the class"
            )
        module = _frozen_module()
        freeze = module.Freeze(cls.frozen_tz_offset)
        # Reading a text costs as much as a test, so it is read once, too.
        owner._asynctesting_start = module.parse(cls.frozen_time)
        owner._asynctesting_wall = freeze.start()
        owner._asynctesting_wall.begin(owner._asynctesting_start, None)

        def end() -> None:
            del owner._asynctesting_wall, owner._asynctesting_start
            freeze.stop()

        return end

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test with the wall clock frozen."""
        run: Any = functools.partial(super().run, result)  # type: ignore[misc]
        found: unittest.TestResult | None = self._asynctesting_run_frozen(run)
        return found

    def debug(self) -> None:
        """Run the test with the wall clock frozen, without collecting its outcome."""
        self._asynctesting_run_frozen(super().debug)  # type: ignore[misc]

    def _asynctesting_run_frozen(self, run: Callable[[], Any]) -> Any:
        if "_asynctesting_wall" in vars(type(self)):
            return run()
        # A runner without class fixtures, or a setUpClass() without super(): this test pays.
        end = self._asynctesting_freeze(self)
        try:
            return run()
        finally:
            end()

    def _callSetUp(self) -> None:
        # By now each mixin has set up its clock, whatever their order in the class; a clock that
        # tests share comes with their loop.
        begin = getattr(self, "_asynctesting_begin", None)
        if begin is not None:
            begin()
        clock = self._asynctesting_clock
        follow_ns = clock.time_ns if clock is not None else None
        if follow_ns is None and self.frozen_tick:
            follow_ns = _patched_time.real_ns
        self.wall_clock.begin(self._asynctesting_start, follow_ns)
        super()._callSetUp()  # type: ignore[misc]


def _frozen_module() -> Any:
    from . import _frozen

    return _frozen
