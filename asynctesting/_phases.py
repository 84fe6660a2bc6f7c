"""The phases of a test, run in one task, each within the limit.

The phases of a unittest test (set-up, test, teardown, each cleanup) are separate synchronous calls
by ``TestCase.run()``. Here they are steps of **one task**, the owner: between two phases it is
parked on a future while the loop stands still, and the next phase wakes it. So whatever a phase
enters (a ``TaskGroup``, an ``asyncio.timeout``, a cancel scope) governs the next ones and is left
in the task that entered it.

Invariants: a phase's exception is handed over beside the loop, never through it, so tracebacks
hold no plumbing and ``KeyboardInterrupt`` finds the owner in order; a cancellation that reaches the
owner while it is parked is delivered to the next phase.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any

from . import _internals
from ._explain import explain, graph_of, timeline_of
from ._loop import LazyEventLoop
from ._report import Place, indent, seconds
from ._timeline import Timeline
from ._tracebacks import from_user_code, without_ours
from ._waits import WaitGraph
from ._watchdog import Interruption, State, Watch
from .errors import TimeLimitError

__unittest = True

Loop = asyncio.AbstractEventLoop

# What anyio, too, knows its own cancellations by (is_anyio_cancellation() in its asyncio backend).
_BY_ANYIO = "Cancelled via cancel scope "
# How often the owner is asked to end after something broke the loop itself.
_ESCAPES = 3


class Phases:
    """The half of a :class:`~asynctesting._scopes.Scope` that runs phases on a loop it is given."""

    # What most scopes never change stands on the class: a scope is made for every test.
    phase = "set-up"
    depth = 0
    limit_advice = (
        "It was interrupted there; what is left of teardown and cleanups still runs.\n"
        "Give it longer with @asynctesting.timeout(seconds), the class attribute timeout or\n"
        "ASYNCTESTING_TIMEOUT; None switches the limit off."
    )
    #: Since when the steps on the loop are ours, in real seconds.
    recorded_since = 0.0
    #: Tells the command that repeats the test.
    repeat: Callable[[], str] | None = None
    #: What the picture of the first hang is drawn from.
    timeline: Timeline | None = None
    _loop: Loop | None = None
    _owner: asyncio.Task[None] | None = None
    #: What makes the owner: a kind of task.
    owner_type: type[asyncio.Task[Any]] = asyncio.Task
    _parking: asyncio.Future[None] | None = None
    _job: Awaitable[Any] | None = None
    _keep: Callable[[], bool] | None = None
    _result: Any = None
    _error: BaseException | None = None
    _limit_error: TimeLimitError | None = None
    _stuck_error: Exception | None = None
    # Why tasks that await each other can't be cancelled is part of an error already.
    _circle_told = False
    # The phase is over; the scope is; a cancellation arrived between two phases; the owner or the
    # winding-down was left behind; the loop turns for us; it turns for the last time.
    _done = _ended = _missed = _given_up = _running = _winding_down = False

    if TYPE_CHECKING:
        name: str
        watch: Watch
        _context: Context

        def get_loop(self) -> Loop: ...

    # Phases -------------------------------------------------------------------------------------

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a synchronous *function* in the scope's context, outside of the loop.

        Raises:
            TimeLimitError: If the limit ran out inside.
        """
        watch = self.watch
        try:
            watch.interruptible = True
            result = self._context.run(function, *args, **kwargs)
        except Interruption as interruption:
            watch.interruptible = False
            watch.answered()
            raise self._describe_limit().with_traceback(without_ours(interruption)) from None
        finally:
            watch.interruptible = False
        if (
            watch.state is not State.WATCHING and watch.answered()
        ):  # the function swallowed the interruption
            raise self._describe_limit()
        return result

    def run(
        self,
        awaitable: Awaitable[Any],
        *,
        context: Context | None = None,
        keep: Callable[[], bool] | None = None,
    ) -> Any:
        """Await *awaitable* in the owner task and return its result.

        Args:
            awaitable: Anything that can be awaited.
            context: Another context than the scope's; then a task of its own runs it.
            keep: Asked after the phase whether there may be another; if not, the owner ends with
                this phase and need not be woken for that.

        Raises:
            RuntimeError: Inside of a running loop.
            TimeLimitError: If the limit ran out.
        """
        if asyncio._get_running_loop() is not None:
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise RuntimeError(
                f"{self.name} can't run inside of a running event loop: it has a loop of its own. "
                "Run the test from synchronous code"
            )
        loop = self.get_loop()
        if loop.is_closed():
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise RuntimeError(
                f"the event loop of {self.name} was closed before the test was over. The loop is "
                "not the test's to close: it is closed after the cleanups"
            )
        if context is not None and context is not self._context:
            awaitable = loop.create_task(_awaiting(awaitable), context=context)
        self._job = awaitable
        self._keep = keep
        self._done = self._given_up = False
        self._wake_owner(loop)
        escaped = self._drive(loop)
        return self._conclude(escaped)

    def _wake_owner(self, loop: Loop) -> None:
        if self._owner is None or self._owner.done():
            # Not loop.create_task(): the owner is ours, whatever task factory the test may set.
            self._owner = self.owner_type(
                self._live(loop), loop=loop, name=self.name, context=self._context
            )
        elif self._parking is not None and not self._parking.done():
            self._parking.set_result(None)

    async def _live(self, loop: Loop) -> None:
        """Be the owner: run one phase after the other until the scope ends."""
        while True:
            job, self._job = self._job, None
            if job is None:
                if self._ended:
                    loop.stop()
                    return
                await self._park(loop)
                continue
            if self._missed:
                self._deliver_missed_cancellation()
            try:
                self._result = await job
            except GeneratorExit:
                raise
            except BaseException as error:
                self._error = from_user_code(error)
            job = None
            self._done = True
            loop.stop()
            if self._keep is not None and not self._keep():
                return

    async def _park(self, loop: Loop) -> None:
        self._parking = loop.create_future()
        try:
            await self._parking
        except asyncio.CancelledError as error:
            self._on_parked_cancellation(error)

    def _on_parked_cancellation(self, error: asyncio.CancelledError) -> None:
        # A request that was already taken back leaves the task's count at zero. anyio asks
        # again by itself at each turn, less where it is shielded, so we must not.
        self._missed = bool(_cancelling(self._owner)) and not str(error).startswith(_BY_ANYIO)

    def _deliver_missed_cancellation(self) -> None:
        # The count of requests stays as it was; the next await raises.
        self._missed = False
        if self._owner is not None:
            self._owner.uncancel()
            self._owner.cancel()

    def _drive(self, loop: Loop) -> BaseException | None:
        """Let the loop turn until the phase is over; return what broke it, if anything did."""
        watch = self.watch
        first: BaseException | None = None
        escapes = 0
        self._running = True
        try:
            watch.interruptible = True
            while not self._is_over():
                try:
                    loop.run_forever()
                    if self._is_over():
                        break
                    escaped: BaseException = RuntimeError(
                        "the event loop was stopped before the phase was over: something called "
                        "loop.stop()"
                    )
                except BaseException as error:
                    escaped = error
                if isinstance(escaped, Interruption):
                    # Not again while we deal with this one.
                    watch.interruptible = False
                    self._expire()
                    watch.interruptible = True
                    continue
                # KeyboardInterrupt, an exit in another task, or an error of the loop itself: the
                # owner is cancelled, so that its finally blocks run, and then the error goes on.
                if first is None:
                    first = escaped
                    self._note_where(escaped)
                escapes += 1
                if escapes > _ESCAPES or self._owner is None:
                    break
                self._owner.cancel()
        finally:
            watch.interruptible = False
            self._running = False
        if first is not None and not self._done:
            self._abandon_owner()
        return first

    def _note_where(self, escaped: BaseException) -> None:
        graph, timeline = self._look()
        if graph.waits:
            self.timeline = self.timeline or timeline
            escaped.add_note(f"{self.name} was interrupted:\n{indent(graph.lines())}")

    def _is_over(self) -> bool:
        return self._done or self._given_up

    def _conclude(self, escaped: BaseException | None) -> Any:
        result, self._result = self._result, None
        error, self._error = self._error, None
        self._keep = None
        limit_error: Exception | None = self._limit_error or self._stuck_error
        self._limit_error = self._stuck_error = None
        if limit_error is None and self.watch.state is not State.WATCHING and self.watch.answered():
            limit_error = self._describe_limit()
        try:
            if limit_error is not None:
                self._forget_own_cancellations()
                if isinstance(error, (asyncio.CancelledError, Interruption)):
                    raise limit_error.with_traceback(without_ours(error)) from None
                raise limit_error from error
            if escaped is not None:
                self._forget_own_cancellations()
                raise escaped
            if error is not None:
                raise error
        finally:
            # An exception that refers to this frame and back would wait for the collector.
            del error, escaped, limit_error
        return result

    def _forget_own_cancellations(self) -> None:
        while _cancelling(self._owner):
            self._owner.uncancel()  # type: ignore[union-attr]

    @property
    def has_loop(self) -> bool:
        """Whether a loop is there, be it one that waits for its first use."""
        return self._loop is not None

    def in_owner_task(self) -> bool:
        """Tell whether the caller runs in the task of the phases."""
        running = asyncio._get_running_loop()
        return running is not None and asyncio.current_task(running) is self._owner

    @property
    def cancelled_by_holder(self) -> bool:
        """Whether something entered in an earlier phase has asked the owner to stop."""
        return bool(_cancelling(self._owner))

    @property
    def cancellers(self) -> Sequence[object]:
        """Who has asked the owner to stop, where its type takes note of that."""
        found: Sequence[object] = getattr(self._owner, "cancellers", ())
        return found

    # The limit ----------------------------------------------------------------------------------

    def ask_for_report(self) -> bool:
        """Have the loop tell where it waits; called by the watchdog's thread."""
        loop = self._loop
        if not self._running or loop is None:
            return False
        try:
            loop.call_soon_threadsafe(self._expire)
        except RuntimeError:  # closed in the meantime
            return False
        return True

    def running_task(self) -> str | None:
        """Name the task whose step is being executed; called by the watchdog's thread."""
        if not self._running or self._loop is None:
            return None
        task = asyncio.current_task(self._loop)
        return None if task is None else task.get_name()

    def _expire(self) -> None:
        """Cancel the phase whose limit ran out; the second time, give it up."""
        if self._done and not self._winding_down:
            return  # the phase ended while the question was under way; _conclude() will say it
        if not self.watch.answered():
            return
        loop, owner = self._loop, self._owner
        if loop is None:
            return
        if self._winding_down:
            self._given_up = True
            loop.stop()
        elif owner is None:
            return
        elif self._limit_error is None:
            self._limit_error = self._describe_limit()
            owner.cancel()
        else:
            self._give_up_owner(loop)

    @property
    def main_task(self) -> asyncio.Task[None] | None:
        """The task of the phases."""
        return self._owner

    @property
    def due_at(self) -> float:
        """When the limit runs out; a debugger moves that."""
        return self.watch.due

    @property
    def limit(self) -> float | None:
        """The limit, in real seconds."""
        return self.watch.limit

    def on_stuck(self, error: Exception) -> None:
        """Cancel the phase that can't get anywhere, for the loop that has found that out.

        Where that has no effect, the second call gives the phase up.
        """
        loop, owner = self._loop, self._owner
        if isinstance(error, TimeLimitError):
            error.limit, error.phase = self.limit, self.phase
        self.timeline = self.timeline or getattr(error, "_timeline", None)
        if loop is not None and self._winding_down:
            self._given_up = True
            loop.stop()
        elif loop and self._stuck_error is None and owner is not None and not self._done:
            self._stuck_error = error
            try:
                owner.cancel()
            except RecursionError:
                # Of tasks that await each other, each hands a cancellation on to the next one.
                self._circle_told = True
                self._abandon_owner()
                self._given_up = True
                loop.stop()
        else:
            if self._stuck_error is not None and owner is not None and not self._done:
                self._stuck_error.add_note(
                    f"{self.name} was cancelled for it in the {self.phase} phase and goes on "
                    "waiting: it, or what it awaits, swallows the cancellation. It was left behind."
                )
            self._abandon_owner()
            self._given_up = True
            if loop is not None:
                loop.stop()

    def _give_up_owner(self, loop: Loop) -> None:
        error = self._limit_error
        if error is not None:
            graph, timeline = self._look()
            first = next(iter(graph.waits.values()), None)
            still = "" if first is None else f", waits for {first.thing} now"
            self._limit_error = self._tell(
                f"{self.name} took longer than its limit of {seconds(error.limit or 0)} and "
                f"swallows its cancellation: it was cancelled in the {error.phase} phase, did not "
                f"end within {seconds(self.watch.granted)}{still}, and was left behind.",
                None if first is None else first.place,
                graph.lines(),
                timeline,
                error.limit,
                list(error.waiting),
            )
            self._limit_error.phase = error.phase
        self._abandon_owner()
        self._given_up = True
        loop.stop()

    def _abandon_owner(self) -> None:
        if self._owner is not None:
            abandon(self._owner)
            self._owner = self._parking = None

    def _describe_limit(self) -> TimeLimitError:
        limit = self.watch.limit
        head = f"{self.name} took longer than its limit of {seconds(limit or 0)}"
        if self.watch.expired > 1:
            head = f"{self.name} took longer than the time that was left after its limit"
        blocked, self.watch.blocked = self.watch.blocked, None
        graph, timeline = self._look()
        first = next(iter(graph.waits.values()), None)
        if blocked is not None:
            task, stack = blocked
            who = (
                f"synchronous code in task {task!r} blocked the loop"
                if task
                else ("synchronous code blocked it")
            )
            verdict = f"{head}; {who} in the {self.phase} phase."
            place = stack[-1] if stack else None
            # Who waits meanwhile is not to blame.
            lines = waiting = [str(line) for line in stack] or ["(no line of your code)"]
            lines = lines if len(stack) > 1 else []
        else:
            verdict = f"{head}; it was waiting in the {self.phase} phase."
            if first is not None:
                verdict = f"{verdict[:-1]} for {first.thing}.{self._prove(graph)}"
            place = None if first is None else first.place
            lines, waiting = graph.lines(), [str(wait) for wait in graph.waits.values()]
        return self._tell(verdict, place, lines, timeline, limit, waiting)

    def _tell(
        self,
        verdict: str,
        place: Place | None,
        lines: list[str],
        timeline: Timeline | None,
        limit: float | None,
        waiting: list[str],
    ) -> TimeLimitError:
        text = explain(
            verdict,
            place=place,
            waiting=lines,
            timeline=timeline,
            command=self.repeat_command(),
            advice=self.limit_advice,
        )
        error = TimeLimitError(text, limit=limit, phase=self.phase, waiting=waiting)
        error._timeline = timeline
        self.timeline = self.timeline or timeline
        return error

    def _prove(self, graph: WaitGraph) -> str:
        """Say so if nobody can complete any more what the owner waits for."""
        from . import _reach  # only when a limit has run out

        loop, owner = self._loop, self._owner
        if not isinstance(loop, LazyEventLoop) or owner is None or graph.left_out:
            return ""
        # The loop answers nobody meanwhile, and that is not the test's time.
        self.watch.pause()
        try:
            if owner not in _reach.beyond_reach(loop, graph.waits, self):
                return ""
            doubts = _reach.doubts()
        finally:
            self.watch.resume(self.watch.grace)
        sure = f" (likely: {doubts})" if doubts else ""
        return (
            "\nNobody can end that any more: no thread, timer, callback or running task, and "
            f"nothing that a module holds, refers to it{sure}."
        )

    def _look(self) -> tuple[WaitGraph, Timeline | None]:
        """Return who waits for whom, and what has happened, as far as the loop turns."""
        if self._loop is None or not self._running:
            return WaitGraph([]), None
        graph = graph_of(self._loop, self._owner)
        return graph, timeline_of(self._loop, graph, self, self.name)

    def picture(self) -> Timeline | None:
        """Return the last steps up to the first hang, or to this moment if there was none."""
        if (
            self.timeline is None
            and self._loop is not None
            and getattr(self._loop, "is_born", True)
        ):
            graph = graph_of(self._loop, self._owner)
            self.timeline = timeline_of(self._loop, graph, self, self.name)
        return self.timeline

    def repeat_command(self) -> str:
        """Return what to type to repeat the test; nothing where that is not known."""
        return "" if self.repeat is None else self.repeat()


# Small pieces ----------------------------------------------------------------------------------


def _cancelling(task: asyncio.Task[Any] | None) -> int:
    return 0 if task is None or task.done() else task.cancelling()


async def _awaiting(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


# A task that swallowed its cancellation may swallow the end of its coroutine as well.
abandoned: list[asyncio.Task[Any]] = []


def abandon(task: asyncio.Task[Any]) -> None:
    _internals.silence_pending(task)
    _internals.keep_for_ever(task)
    abandoned.append(task)
