"""The wall clock of a test, as a region and as a mixin; freezegun is loaded when one is made."""

from __future__ import annotations

import functools
import unittest
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar

from . import _patched_time
from ._region import Region, check_attribute, check_order, check_switch, has_tests
from .errors import SettingError

if TYPE_CHECKING:
    import datetime as dt

    from . import _frozen

__unittest = True

_NO_TIME = "{}.frozen_time is not set; write frozen_time = '2026-01-01 09:00' in the class"


class FrozenRegion(Region):
    lent_as = ("wall_clock", "_asynctesting_wall")

    def __init__(self, when: Any, tz_offset: Any, tick: bool) -> None:
        super().__init__()
        check_switch(tick, "tick")
        self._when = _frozen_module().parse(when)
        _frozen_module().check_offset(tz_offset)
        self._tz_offset = tz_offset
        self._tick = tick

    def begin(self) -> tuple[_frozen.WallClock, Callable[[], None]]:
        freeze = _frozen_module().Freeze(self._tz_offset)
        wall = freeze.start()
        wall.alone_ns = _patched_time.real_ns if self._tick else None
        wall.begin(self._when, None)
        wall.look_who_leads()
        return wall, freeze.stop


def frozen_time(
    when: str | dt.datetime | dt.date,
    *,
    tz_offset: float | dt.timedelta = 0,
    tick: bool = False,
) -> AbstractContextManager[Any] | Any:
    """Return a region in which the wall clock is frozen at *when*, through freezegun.

    It is a context manager that gives the wall clock (with ``tick()`` and ``move_to()``), and a
    decorator for a test, which finds the wall clock as ``self.wall_clock``. Where there is a
    virtual or monotonic clock, be it around the freeze or opened inside of it, the wall clock moves
    with that one.

    In the body of a class whose attribute ``frozen_time`` is set, the decorator has to be called
    by another name: ``@asynctesting.frozen_time("2030-01-01")``.

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
    return FrozenRegion(when, tz_offset, tick)


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
        SettingError: When a class is made with tests and no ``frozen_time``, with one that is no
            date, or with the mixin to the right of the test case.

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
        check_order(cls, FrozenTimeMixin)
        check_attribute(cls, "wall_clock", FrozenTimeMixin)
        if cls.frozen_time is None:
            if issubclass(cls, unittest.TestCase) and has_tests(cls):
                raise SettingError(_NO_TIME.format(cls.__qualname__))
        else:
            try:
                check_switch(cls.frozen_tick, "frozen_tick")
                _frozen_module().parse(cls.frozen_time)
                _frozen_module().check_offset(cls.frozen_tz_offset)
            except (ValueError, TypeError) as error:
                raise SettingError(
                    f"{cls.__qualname__}.frozen_time, frozen_tz_offset or frozen_tick: {error}"
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
            raise SettingError(_NO_TIME.format(cls.__qualname__))
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
        wall = self.wall_clock
        wall.alone_ns = _patched_time.real_ns if self.frozen_tick else None
        wall.begin(self._asynctesting_start, wall.alone_ns if clock is None else clock.time_ns)
        super()._callSetUp()  # type: ignore[misc]


def _frozen_module() -> Any:
    from . import _frozen

    return _frozen
