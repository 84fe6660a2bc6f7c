"""A stretch of virtual time: the region, and what a test that is decorated with it gets."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from . import _loop_makers
from ._clock import Mode, VirtualClock
from ._patched_time import TimePatch
from ._region import REGION, Region, check_by_name, check_switch, refuse_class
from ._seconds import Seconds
from ._virtual_loop import VirtualEventLoop, loop_for_test

__unittest = True

_F = TypeVar("_F", bound=Callable[..., Any])


class VirtualRegion(Region):
    def __init__(self, start: Seconds | None, mode: str | Mode, perf_counter: bool) -> None:
        super().__init__()
        check_switch(perf_counter, "perf_counter")
        self._options = {"start": start, "mode": mode}
        self._perf_counter = perf_counter
        VirtualClock(start=start, mode=mode)  # a bad value is said where it is written

    def begin(self) -> tuple[VirtualClock, Callable[[], None]]:
        loop = asyncio._get_running_loop()
        if loop is None:
            clock, end = self.begin_clock()
            # A partial is equal to no other one, so each region ends its own.
            give_back = _loop_makers.begin(functools.partial(loop_for_test, clock))

            def end_both() -> None:
                give_back()
                end()

            return clock, end_both
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
            # The loop is there before the test, and the clock with it; see SharedClock.
            try:
                return run()
            finally:
                case._asynctesting_past_clock = case._asynctesting_clock
                case._asynctesting_clock = None
        clock, end = self.begin_clock()
        case.loop_factory = functools.partial(loop_for_test, clock)
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
        refuse_class(function)
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
                "write 'with virtual_clock() as clock' around what runs it, such as asyncio.run()"
            )
        return await function(*args, **kwargs)

    return wrapper


def virtual_clock(
    *positional: Any,
    start: Seconds | None = None,
    mode: str | Mode = Mode.AUTO,
    perf_counter: bool = False,
) -> AbstractContextManager[VirtualClock] | Any:
    """Return a region in which the loop and ``time.monotonic()`` obey a virtual clock.

    As a decorator on a test of an ``AsyncTestCase`` it covers the whole test, set-up and teardown
    included; the clock is ``self.clock``. As a context manager in synchronous code, and on a test
    of any other ``TestCase``, it gives the clock, and ``asyncio.run()``, ``asyncio.Runner()`` and
    ``asyncio.new_event_loop()`` make loops that obey it, in the thread that has entered it and one
    at a time; a loop from a factory or a policy of one's own stays on real time. Inside of a test
    that has a virtual clock it changes the mode for its stretch.

    Args:
        start: The first reading, in seconds; see :class:`VirtualClock`.
        mode: ``"auto"``, ``"manual"`` or ``"real"``.
        perf_counter: Whether ``time.perf_counter()`` reads the clock, too.

    Raises:
        ValueError: For values that :class:`VirtualClock` refuses.
        RuntimeError: If it is entered while a loop runs that obeys no virtual clock.

    Example:
        >>> with virtual_clock(start=0) as clock:
        ...     asyncio.run(asyncio.sleep(3600))
        ...     clock.elapsed
        3600.0
    """
    check_by_name(positional, "virtual_clock")
    return VirtualRegion(start, mode, perf_counter)


@dataclass(frozen=True)
class SharedClock:
    """Makes the loop of tests that share one, and the clock with it; equal ones are one scope."""

    start: Seconds | None
    mode: str
    perf_counter: bool

    def __call__(self) -> VirtualEventLoop:
        return loop_for_test(VirtualClock(start=self.start, mode=self.mode))

    def patch(self, loop: VirtualEventLoop) -> TimePatch:
        """Return what has ``time.monotonic()`` read the clock, while a test or a hook runs."""
        return TimePatch(loop.clock.time_ns, perf_counter=self.perf_counter)
