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

import functools
import unittest
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ._case import AsyncTestCase
from ._clock import VirtualClock
from ._monotonic import MonotonicClock, MonotonicRegion, monotonic_clock
from ._region import REGION, check_attribute, check_order, check_switch
from ._virtual import SharedClock, VirtualRegion, virtual_clock
from ._virtual_loop import VirtualEventLoop
from ._wall import FrozenTimeMixin, frozen_time
from .errors import SettingError

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
        check_order(cls, _ClockMixin)
        if sum("_asynctesting_region" in vars(base) for base in cls.__mro__) > 1:
            raise SettingError(
                f"{cls.__qualname__} has VirtualClockMixin and MonotonicClockMixin, and "
                "time.monotonic() can't obey two clocks. Leave one of them out: the virtual clock "
                "moves the loop, too"
            )
        check_attribute(cls, "clock", next(k for k in cls.__mro__ if _ClockMixin in k.__bases__))
        try:
            check_switch(cls.patch_perf_counter, "patch_perf_counter")
            cls._asynctesting_region()
        except (ValueError, TypeError) as error:
            raise SettingError(f"the clock of {cls.__qualname__}: {error}") from None

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
    def _asynctesting_region(cls) -> VirtualRegion:
        return VirtualRegion(cls.clock_start, cls.clock_mode, cls.patch_perf_counter)

    @classmethod
    def _asynctesting_shared_clock(cls) -> SharedClock:
        return SharedClock(cls.clock_start, cls.clock_mode, cls.patch_perf_counter)

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

    def _asynctesting_region_of_test(self) -> VirtualRegion:
        """Return the region of the test's own decorator, or else that of the class."""
        method = getattr(self, getattr(self, "_testMethodName", ""), None)
        own: VirtualRegion | None = getattr(method, REGION, None)
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
    def _asynctesting_region(cls) -> MonotonicRegion:
        return MonotonicRegion(cls.clock_start, cls.patch_perf_counter)

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test on a clock of its own."""
        run: Any = functools.partial(super().run, result)  # type: ignore[misc]
        found: unittest.TestResult | None = self._asynctesting_region().run_case(self, run)
        return found

    def debug(self) -> None:
        """Run the test on a clock of its own, without collecting its outcome."""
        self._asynctesting_region().run_case(self, super().debug)  # type: ignore[misc]
