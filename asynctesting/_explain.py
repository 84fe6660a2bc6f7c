"""Why a test hangs, in one shape for every way to hang.

From top to bottom as a person asks: what is the verdict, at which line of my code, who waits for
whom, what does the clock read, what happened last, and how do I see it again. All of it is found
out when the test has failed already; none of it costs a test that passes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ._internals import tasks_of
from ._recorder import STEPS, RecordingLoop, Step
from ._report import Place, indent
from ._timeline import Timeline, now_of
from ._waits import WaitGraph

if TYPE_CHECKING:
    from ._loop import Guard

__unittest = True


def graph_of(loop: asyncio.AbstractEventLoop, main: asyncio.Task[Any] | None) -> WaitGraph:
    """Return who waits for whom on *loop*: *main* first, the others as they were made."""
    tasks: Iterable[asyncio.Task[Any]] = tasks_of(loop)
    return WaitGraph(sorted(tasks, key=lambda task: (task is not main, _age(task))))


def _age(task: asyncio.Task[Any]) -> tuple[int, str]:
    name = task.get_name()
    digits = name.removeprefix("Task-")
    return (int(digits), "") if digits.isdigit() else (0, name)


def timeline_of(
    loop: Any, graph: WaitGraph, guard: Guard | None = None, main: str = ""
) -> Timeline:
    """Return what is remembered of the steps of *loop*, up to this moment.

    Args:
        loop: Any loop; only ours remember anything.
        graph: Who waits now.
        guard: Who runs the loop, and since which step.
        main: The name of the task that comes first.
    """
    clock = getattr(loop, "clock", None)
    not_recorded = ""
    steps: list[Step] = []
    forgotten = False
    if isinstance(loop, RecordingLoop):
        steps = loop.steps(0.0 if guard is None else guard.recorded_since)
        forgotten = len(steps) == STEPS
    else:
        not_recorded = f"not recorded on this loop, a {type(loop).__module__}.{type(loop).__name__}"
    number = steps[-1].number + 1 if steps else 1
    now = now_of(loop, number, RecordingLoop._real_time())
    return Timeline.of(
        steps,
        graph.pending(),
        now,
        first=main,
        clock=() if clock is None else clock.describe(),
        not_recorded=not_recorded,
        forgotten=forgotten,
    )


def explain(
    verdict: str,
    *,
    place: Place | None = None,
    waiting: Iterable[str] = (),
    timeline: Timeline | None = None,
    command: str = "",
    advice: str = "",
) -> str:
    """Write why a test hangs.

    Args:
        verdict: One sentence.
        place: One line of the user's code.
        waiting: Who waits for whom, a line each.
        timeline: What happened, and what the clock reads.
        command: What repeats the test.
        advice: What to do about it.
    """
    parts = [verdict if place is None else f"{verdict}\n\n  {place}"]
    waiting = list(waiting)
    if waiting:
        parts.append(indent(waiting))
    if timeline is not None:
        if timeline.clock:
            parts.append(f"Clock: {', '.join(timeline.clock)}")
        parts += _history(timeline)
    if command:
        parts.append(f"Repeat it: {command}")
    if advice:
        parts.append(advice)
    return "\n\n".join(parts)


def _history(timeline: Timeline) -> list[str]:
    if timeline.not_recorded:
        return [f"Last steps: {timeline.not_recorded}"]
    if len(timeline.steps) < 2:
        return []  # the test's own beginning
    parts = []
    if len(timeline.rows) > 1 or timeline.is_virtual:
        parts.append(indent(timeline.draw()))
    head = "Last steps:"
    if timeline.forgotten:
        head = f"Last steps ({STEPS:,} are remembered; times count from the first of them):"
    return [*parts, "\n".join([head, *timeline.last_steps()])]
