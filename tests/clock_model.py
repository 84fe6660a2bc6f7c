"""Random programs on a clock, and a pure model that says what each of them must do.

A program is a list of tasks, a task a list of steps. The model plays them with plain lists and
``min()``; it shares no line with the clock. Two drivers play the same program on a real
:class:`VirtualClock`: a toy of fifty lines that has never heard of asyncio, and our event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from asynctesting._clock import Idle, VirtualClock
from asynctesting._virtual_loop import VirtualEventLoop

NS = 1_000_000_000

Step = tuple[Any, ...]
Log = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Program:
    """What some tasks do, and in which mode the clock begins."""

    mode: str
    tasks: tuple[tuple[Step, ...], ...]


def programs() -> st.SearchStrategy[Program]:
    """Make programs in which ties, cancellations and overlapping regions are frequent."""
    ns = st.sampled_from([0, 1, 1, 100_000_000, 250_000_000, NS, NS, 3 * NS, 3600 * NS + 1])
    simple = st.one_of(
        st.tuples(st.just("sleep"), ns),
        st.tuples(st.just("sleep"), ns),
        st.tuples(st.just("advance"), ns),
        st.tuples(st.just("advance_to"), ns),
        st.tuples(st.just("timer"), ns),
        st.tuples(st.just("stall"), ns),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("settle")),
    )
    region = st.tuples(st.sampled_from(["auto", "manual"]), st.lists(simple, max_size=4).map(tuple))
    task = st.lists(st.one_of(simple, simple, simple, region), max_size=7).map(tuple)
    tasks = st.lists(task, min_size=1, max_size=5).map(tuple)
    return st.builds(Program, st.sampled_from(["auto", "auto", "manual"]), tasks)


# The model -------------------------------------------------------------------------------------


@dataclass
class _Timer:
    due: int
    run: Callable[[], None]
    alive: bool = True


@dataclass
class Model:
    """Plays a program in the slow and obvious way."""

    now: int = 0
    log: Log = field(default_factory=list)
    ready: deque[Callable[[], None]] = field(default_factory=deque)
    timers: list[_Timer] = field(default_factory=list)
    targets: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    settlers: deque[Callable[[], None]] = field(default_factory=deque)
    regions: list[list[str]] = field(default_factory=list)
    named: list[_Timer] = field(default_factory=list)

    @classmethod
    def play(cls, program: Program) -> Log:
        """Return what the tasks of *program* log."""
        model = cls(regions=[[program.mode]])
        for number, steps in enumerate(program.tasks):
            model.ready.append(model._starter(model._task(number, steps)))
        while model._turn():
            pass
        return model.log

    def _starter(self, task: Generator[Any, None, None]) -> Callable[[], None]:
        def resume() -> None:
            for arm in task:
                arm(resume)
                return

        return resume

    def _task(self, number: int, steps: tuple[Step, ...], depth: str = "") -> Any:
        for place, step in enumerate(steps):
            kind, *arguments = step
            yield from getattr(self, f"_{kind}")(number, *arguments)
            self.log.append((number, f"{depth}{place}", kind, self.now))

    def _sleep(self, number: int, ns: int) -> Any:
        if ns:
            yield lambda resume: self._set(ns, lambda: self.ready.append(resume))
        else:
            yield self.ready.append

    def _set(self, ns: int, run: Callable[[], None]) -> _Timer:
        timer = _Timer(self.now + ns, run)
        self.timers.append(timer)
        return timer

    def _timer(self, number: int, ns: int) -> Any:
        name = len(self.named)
        self.named.append(self._set(ns, lambda: self.log.append(("timer", name, self.now))))
        yield from ()

    def _cancel(self, number: int, which: int) -> Any:
        if which < len(self.named):
            self.named[which].alive = False
        yield from ()

    def _stall(self, number: int, ns: int) -> Any:
        self.now += ns
        yield from ()

    def _advance(self, number: int, ns: int) -> Any:
        target = self.now + ns
        yield lambda resume: self.targets.append((target, resume))

    _advance_to = _advance

    def _settle(self, number: int) -> Any:
        yield self.settlers.append

    def _auto(self, number: int, steps: tuple[Step, ...]) -> Any:
        yield from self._region("auto", number, steps)

    def _manual(self, number: int, steps: tuple[Step, ...]) -> Any:
        yield from self._region("manual", number, steps)

    def _region(self, mode: str, number: int, steps: tuple[Step, ...]) -> Any:
        region = [mode]
        self.regions.append(region)
        yield from self._task(number, steps, f"{mode}.")
        self.regions = [r for r in self.regions if r is not region]

    def _turn(self) -> bool:
        """Do one round of the ready steps, or else the next thing in order."""
        due = sorted((t for t in self.timers if t.due <= self.now), key=lambda t: t.due)
        if self.ready or due:
            self.timers = [t for t in self.timers if t.due > self.now]
            for run in [*self.ready, *due]:
                if isinstance(run, _Timer):
                    self.ready.append(lambda timer=run: timer.alive and timer.run())
            for _ in range(len(self.ready)):
                self.ready.popleft()()
            return True
        if self.settlers:
            self.ready.append(self.settlers.popleft())
            return True
        self.targets.sort(key=lambda target: target[0])
        self.timers = [t for t in self.timers if t.alive]
        alive = [t.due for t in self.timers]
        goal = self.targets[0][0] if self.targets else None
        if goal is not None and (goal <= self.now or not alive or goal < min(alive)):
            self.now = max(self.now, goal)
            self.ready.append(self.targets.pop(0)[1])
            return True
        if alive and (goal is not None or self.regions[-1][0] == "auto"):
            self.now = min(alive)
            return True
        return False


# The same on a clock ---------------------------------------------------------------------------


class _Player:
    """Plays the steps of a program as coroutines on a real clock."""

    def __init__(self, clock: VirtualClock, sleep: Callable[[float], Any]) -> None:
        self.clock = clock
        self.sleep = sleep
        self.log: Log = []
        self.named: list[Any] = []

    @property
    def now(self) -> int:
        return self.clock.time_ns()

    async def task(self, number: int, steps: tuple[Step, ...], depth: str = "") -> None:
        clock = self.clock
        for place, (kind, *arguments) in enumerate(steps):
            match kind:
                case "sleep":
                    await self.sleep(arguments[0] / NS)
                case "timer":
                    name = len(self.named)
                    when = clock.time() + arguments[0] / NS
                    self.named.append(clock.call_at(when, self.fired, name))
                case "cancel":
                    if arguments[0] < len(self.named):
                        self.named[arguments[0]].cancel()
                case "stall":
                    clock.stall(arguments[0] / NS)
                case "advance":
                    await clock.advance(arguments[0] / NS)
                case "advance_to":
                    await clock.advance_to(clock.time() + arguments[0] / NS)
                case "settle":
                    await clock.settle()
                case _:
                    with getattr(clock, kind)():
                        await self.task(number, arguments[0], f"{kind}.")
            self.log.append((number, f"{depth}{place}", kind, self.now))

    def fired(self, name: int) -> None:
        self.log.append(("timer", name, self.now))


class ToyLoop:
    """A driver without asyncio: a queue of steps, and futures that are a flag and a callback."""

    class Slot:
        """A promise of the toy."""

        def __init__(self, loop: ToyLoop) -> None:
            self.loop = loop
            self.is_set = False
            self.resume: Callable[[], None] | None = None

        def done(self) -> bool:
            return self.is_set

        def set_result(self, result: None) -> None:
            self.is_set = True
            if self.resume is not None:
                self.loop.ready.append(self.resume)

        def __await__(self) -> Generator[ToyLoop.Slot, None, None]:
            if not self.is_set:
                yield self

    class Handle:
        """A timer of the toy."""

        def __init__(self, loop: ToyLoop, run: Callable[[], object]) -> None:
            self.loop = loop
            self.run = self._callback = run
            self._cancelled = self._scheduled = False

        def cancel(self) -> None:
            if not self._cancelled:
                self._cancelled = True
                self.loop.clock._timers.note_cancelled(self)

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.ready: deque[Callable[[], object]] = deque()
        clock._bind(self)

    def is_running(self) -> bool:
        return True

    def create_future(self) -> ToyLoop.Slot:
        return ToyLoop.Slot(self)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> ToyLoop.Handle:
        handle = ToyLoop.Handle(self, lambda: callback(*args))
        self.clock._push(self.clock._deadline_ns(when), handle)
        return handle

    async def sleep(self, seconds: float) -> None:
        slot = self.create_future()
        if seconds > 0:
            self.call_at(self.clock.time() + seconds, slot.set_result, None)
        else:
            self.ready.append(lambda: slot.resume and slot.resume())
        await slot

    def spawn(self, task: Coroutine[Any, Any, None]) -> None:
        def step() -> None:
            try:
                slot = task.send(None)
            except StopIteration:
                return
            slot.resume = step

        self.ready.append(step)

    def run(self) -> Idle:
        """Run until the clock has nothing more to do."""
        while True:
            self._take(self.clock._take_due() if self.clock._overdue else [])
            for _ in range(len(self.ready)):
                self.ready.popleft()()
            if self.ready or self.clock._overdue:
                continue
            outcome = self.clock._on_idle(self._take)
            if outcome is not Idle.WOKEN:
                return outcome

    def _take(self, timers: Any) -> None:
        for timer in timers:
            self.ready.append(lambda timer=timer: None if timer._cancelled else timer.run())


def play_on_toy(program: Program) -> Log:
    """Return what *program* logs on a clock without asyncio."""
    clock = VirtualClock(start=0, mode=program.mode)
    loop = ToyLoop(clock)
    player = _Player(clock, loop.sleep)
    tasks = [player.task(number, steps) for number, steps in enumerate(program.tasks)]
    for task in tasks:
        loop.spawn(task)
    loop.run()
    for task in tasks:
        task.close()
    return player.log


class _LoopThatStops(VirtualEventLoop):
    """Stops where another one would wait in vain."""

    def _wait_in_vain(self, outcome: Idle) -> list[Any]:
        self.stop()
        return []


def play_on_loop(program: Program, *, debug: bool) -> Log:
    """Return what *program* logs on the event loop, which in debug mode turns as asyncio has it."""
    clock = VirtualClock(start=0, mode=program.mode)
    loop = _LoopThatStops(clock)
    loop.set_debug(debug)
    try:
        player = _Player(clock, asyncio.sleep)
        tasks = [
            loop.create_task(player.task(number, steps))
            for number, steps in enumerate(program.tasks)
        ]
        loop.run_forever()
        log = list(player.log)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        return log
    finally:
        loop.close()
