"""Who waits for whom: from the tasks of a loop to a graph, and from the graph to text.

asyncio keeps no such record, so it is read off what there is: the future in a task's hand, the
locals of the suspended frames, and what those frames hold open. The name of a lock or a queue is
found as a reader would find it: by looking which variable, or attribute of ``self``, of the
awaiting code is that very object.

Nothing is recorded while tests run, so all this costs nothing until it is needed.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import FrameType, MethodType
from typing import Any

from ._executor import DaemonExecutor
from ._recorder import made_at
from ._report import Place, chain, is_plumbing, waiting_place
from ._report import _awaited_by as awaited_by
from ._timeline import Pending, kind_of

__unittest = True

Task = asyncio.Task[Any]

# Nobody reads on that far, and a hundred thousand tasks would take seconds to look at.
_MOST_TASKS = 2000
# How many of those that hold something are named.
_MOST_NAMES = 5

# What asyncio's own waiting methods have as their ``self``, and what is then waited for.
_PRIMITIVES: tuple[type[Any], ...] = (
    asyncio.Lock,
    asyncio.Event,
    asyncio.Condition,
    asyncio.Semaphore,
    asyncio.Queue,
    asyncio.Barrier,
)


@dataclass(slots=True)
class Wait:
    """What one task waits for.

    Attributes:
        task: The task.
        what: In words, such as ``Lock 'dst'``.
        place: The line of the user's code.
        for_tasks: The tasks that could end the wait, as far as it is known.
        held: Whether these hold the lock that is waited for.
        kind: What kind of wait it is, one of :data:`~asynctesting._timeline.KINDS`.
    """

    task: Task
    what: str
    place: Place | None
    for_tasks: list[Task] = field(default_factory=list)
    held: bool = False
    kind: str = "future"

    def __str__(self) -> str:
        return f"{self.task.get_name()!r} waits for {self.thing}"

    @property
    def thing(self) -> str:
        """What is waited for, and who holds it."""
        if not self.held:
            return self.what
        names = [
            "itself" if task is self.task else repr(task.get_name())
            for task in self.for_tasks[:_MOST_NAMES]
        ]
        more = len(self.for_tasks) - len(names)
        return f"{self.what}, held by {', '.join(names)}" + (f" and {more} more" if more else "")


class WaitGraph:
    """Who waits for whom among *tasks*, at this moment.

    Args:
        tasks: Pending tasks of one loop; the most interesting one first.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        pending = [task for task in tasks if not task.done()]
        self.left_out = len(pending[_MOST_TASKS:])
        del pending[_MOST_TASKS:]
        holders = _holders(pending)
        self.waits = {task: _wait_of(task, holders) for task in pending}
        self.cycle = self._find_cycle()

    def pending(self) -> list[Pending]:
        """Return each wait without its task, for a timeline."""
        return [
            Pending(
                id(task), task.get_name(), wait.thing, wait.kind, wait.place, task in self.cycle
            )
            for task, wait in self.waits.items()
        ]

    def lines(self, limit: int = 40) -> list[str]:
        """Draw the graph as a tree, below each task those that it waits for.

        Tasks of a circle are marked with a star. Equal leaves are folded.

        Args:
            limit: How many lines at most; the last one says that something is left out.
        """
        drawn: list[str] = []
        seen: set[Task] = set()
        roots = list(dict.fromkeys(task for task in self._roots() if task in self.waits))
        for task, more in self._folded(roots, seen):
            drawn += self._draw(task, more, "", "", seen)
        left_out = max(0, len(drawn) - limit)
        if left_out:
            drawn[limit:] = [f"... and {left_out} lines more"]
        if self.left_out:
            drawn.append(f"... and {self.left_out} tasks more")
        return drawn

    def _folded(self, tasks: list[Task], seen: set[Task]) -> Iterator[tuple[Task, int]]:
        """Yield each of *tasks* with the number of those that wait like it and are left out."""
        like: dict[object, list[Task]] = {}
        for task in tasks:
            wait = self.waits[task]
            # Those that wait for other tasks have something of their own to show.
            alone = bool(wait.for_tasks) or task in self.cycle or task is tasks[0]
            like.setdefault(task if alone else (wait.what, wait.place), []).append(task)
        for first, *others in like.values():
            if first in seen:
                continue
            others = [task for task in others if task not in seen]
            seen.update(others)
            yield first, len(others)

    def _roots(self) -> Iterator[Task]:
        waited_for = {inner for wait in self.waits.values() for inner in wait.for_tasks}
        first = next(iter(self.waits), None)
        if first is not None:
            yield first
        # A circle has no root; its first task stands for it.
        rest = [task for task in self.waits if task not in waited_for]
        yield from (task for task in [*rest, *self.cycle] if task is not first)
        yield from (task for task in self.waits if task is not first)

    def _draw(self, task: Task, more: int, first: str, rest: str, seen: set[Task]) -> Iterator[str]:
        if task in seen:
            return
        seen.add(task)
        wait = self.waits[task]
        star = "*" if task in self.cycle else ""
        yield f"{first}{star}{wait}" + (f"   (and {more} more there)" if more else "")
        if wait.place is not None:
            yield f"{rest}    {wait.place}"
        elif (made := made_at(task)) is not None:
            yield f"{rest}    made at  {made}"
        below = [inner for inner in wait.for_tasks if inner in self.waits and inner not in seen]
        below_folded = list(self._folded(below, seen))
        for number, (inner, others) in enumerate(below_folded):
            last = number == len(below_folded) - 1
            branch, stem = ("└─ ", "   ") if last else ("├─ ", "│  ")
            yield from self._draw(inner, others, rest + branch, rest + stem, seen)

    def _find_cycle(self) -> list[Task]:
        clean: set[Task] = set()
        for start in self.waits:
            path: list[Task] = []
            branches = [iter([start])]
            while branches:
                task = next(branches[-1], None)
                if task is None:
                    branches.pop()
                    if path:
                        clean.add(path.pop())
                elif task in path:
                    return path[path.index(task) :]
                elif task in self.waits and task not in clean:
                    path.append(task)
                    branches.append(iter(self.waits[task].for_tasks))
        return []


def _in_order(tasks: Iterable[Task]) -> list[Task]:
    # Groups keep sets: the report of a hang shall be the same each time.
    return sorted(tasks, key=lambda task: (len(task.get_name()), task.get_name()))


def frames_of(awaitable: Any) -> list[FrameType]:
    """Return the suspended frames below *awaitable*, outermost first.

    They keep their locals alive: a caller must not store them.
    """
    found: list[FrameType] = []
    for inner in _awaitables(awaitable):
        for prefix in ("cr", "gi", "ag"):
            frame = getattr(inner, f"{prefix}_frame", None)
            if frame is not None:
                found.append(frame)
    return found


def _awaitables(awaitable: Any) -> Iterator[Any]:
    for _ in range(1000):
        if awaitable is None:
            return
        yield awaitable
        awaitable = awaited_by(awaitable)


def _wait_of(task: Task, holders: dict[int, list[Task]]) -> Wait:
    wait = _find_wait(task, holders)
    if wait.kind == "future":
        wait.kind = "task" if wait.for_tasks and not wait.held else kind_of(chain(task.get_coro()))
    return wait


def _find_wait(task: Task, holders: dict[int, list[Task]]) -> Wait:
    frames = frames_of(task.get_coro())
    place = waiting_place(task)
    future = getattr(task, "_fut_waiter", None)
    primitive: Any = None
    for frame in reversed(frames):
        if not is_plumbing(frame.f_code.co_filename):
            break
        owner = frame.f_locals.get("self")
        if isinstance(owner, _PRIMITIVES):
            primitive = owner  # and on: a Barrier waits by means of a Condition
            if isinstance(owner, asyncio.Queue) and frame.f_code.co_name == "join":
                return Wait(task, _queue_join(owner, frames), place)
        elif isinstance(owner, _OUTSIDE):
            return Wait(task, _outside(owner, frame.f_code.co_name), place, kind="input")
        elif isinstance(owner, asyncio.TaskGroup):
            children = _in_order(t for t in getattr(owner, "_tasks", ()) if not t.done())
            return Wait(task, f"TaskGroup with {_count(children)}", place, children)
        elif frame.f_code is asyncio.sleep.__code__:
            return Wait(task, f"sleep({frame.f_locals.get('delay')!r})", place)
        elif frame.f_code.co_name == "_wait" and "fs" in frame.f_locals:
            waited = frame.f_locals["fs"]
            children = _in_order(t for t in waited if isinstance(t, asyncio.Task) and not t.done())
            return Wait(task, f"wait() on {_count(children)}", place, children)
    if primitive is None:
        return _wait_for_future(task, future, frames, place)
    held_by = holders.get(id(primitive), [])
    what = f"{type(primitive).__name__}{_named(primitive, frames)}"
    if isinstance(primitive, asyncio.Barrier):
        what += f", to which {primitive.n_waiting} of {primitive.parties} have come"
    return Wait(task, what, place, held_by, bool(held_by))


def _wait_for_future(task: Task, future: Any, frames: list[FrameType], place: Place | None) -> Wait:
    if isinstance(future, asyncio.Task):
        return Wait(task, f"task {future.get_name()!r}", place, [future])
    children = getattr(future, "_children", None)
    if children is not None:
        tasks = [child for child in children if isinstance(child, asyncio.Task)]
        pending = [child for child in tasks if not child.done()]
        return Wait(task, f"gather() of {_count(pending)}", place, pending)
    if future is None:
        return Wait(task, "its next turn", place)
    job = _job_of(future)
    if job is not None:
        return Wait(task, job, place, kind="thread")
    if _is_shield(future):
        inner = _shielded(future)
        if inner is not None:
            return Wait(task, f"shielded task {inner.get_name()!r}", place, [inner])
    return Wait(task, f"a future{_named(future, frames)}", place)


def _queue_join(queue: asyncio.Queue[Any], frames: list[FrameType]) -> str:
    due = getattr(queue, "_unfinished_tasks", 0)
    items = f"{due} item" + ("s" if due != 1 else "")
    return f"join() of Queue{_named(queue, frames)}, which lacks task_done() for {items}"


def _outside(owner: Any, method: str) -> str:
    """Describe a wait for something that is not in this process, by asyncio's own object for it."""
    if isinstance(owner, asyncio.subprocess.Process):
        import shlex  # a wait for a process is rare

        transport: Any = getattr(owner, "_transport", None)
        process = transport and transport.get_extra_info("subprocess")
        command = getattr(process, "args", "")
        text = command if isinstance(command, str) else shlex.join(map(str, command))
        return f"process {owner.pid} ({text}), which has not ended" if text else "a process"
    if isinstance(owner, asyncio.StreamReader):
        peer = _peer(getattr(owner, "_transport", None))
        return f"data{peer and ' from '}{peer}"
    where = ", ".join(_address(sock.getsockname()) for sock in owner.sockets)
    server = f"the server on {where}" if where else "the server"
    if method == "serve_forever":
        return f"{server}, which serves for ever"
    return f"{server} to be closed" if where else f"connections of {server} to end"


_OUTSIDE: tuple[type[Any], ...] = (
    asyncio.subprocess.Process,
    asyncio.StreamReader,
    asyncio.Server,
)


def _peer(transport: Any) -> str:
    return "" if transport is None else _address(transport.get_extra_info("peername") or "")


def _address(address: Any) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    return str(address)


def _job_of(future: Any) -> str | None:
    """Describe the job in another thread that completes *future*, or return ``None``."""
    for callback, _ in _callbacks(future):
        for cell in getattr(callback, "__closure__", None) or ():
            try:
                job = cell.cell_contents
            except ValueError:
                continue
            if isinstance(job, concurrent.futures.Future):
                executor = getattr(future.get_loop(), "_default_executor", None)
                known = executor.describe(job) if isinstance(executor, DaemonExecutor) else None
                return known or "a job in another thread"
    return None


def _is_shield(future: Any) -> bool:
    return any("shield" in getattr(c[0], "__qualname__", "") for c in _callbacks(future))


def _shielded(future: Any) -> Task | None:
    for callback, _ in _callbacks(future):
        for cell in getattr(callback, "__closure__", None) or ():
            if isinstance(cell.cell_contents, asyncio.Task):
                return cell.cell_contents
    return None


def _callbacks(future: Any) -> list[Any]:
    return list(getattr(future, "_callbacks", None) or ())


def _count(tasks: list[Task]) -> str:
    return f"{len(tasks)} task" + ("s" if len(tasks) != 1 else "")


def _named(thing: object, frames: list[FrameType]) -> str:
    """Return how the user's code calls *thing*, quoted, or nothing."""
    for frame in reversed(frames):
        if is_plumbing(frame.f_code.co_filename):
            continue
        for name, value in frame.f_locals.items():
            if value is thing:
                return f" {name!r}"
        for name, value in frame.f_locals.items():
            attributes = getattr(value, "__dict__", None)
            if type(attributes) is dict:
                for attribute, inner in attributes.items():
                    if inner is thing:
                        return f" '{name}.{attribute}'"
            elif type(value) in (dict, list) and len(value) < 1000:
                items = value.items() if type(value) is dict else enumerate(value)
                for key, inner in items:
                    if inner is thing:
                        return f" '{name}[{key!r}]'"
        for name in frame.f_code.co_names:
            if frame.f_globals.get(name) is thing:
                return f" {name!r}"
    return ""


def _holders(tasks: list[Task]) -> dict[int, list[Task]]:
    """Return, by ``id()`` of a lock, the tasks that are inside an ``async with`` of it.

    A frame that is suspended in such a block has the lock's ``__aexit__`` on its stack, where
    only the garbage collector sees it. It is there from the moment on when the frame begins to
    wait for the lock, and while a Condition's ``wait()`` has let go of it; who is in a method of
    the lock has one hold less than that.
    """
    found: dict[int, list[Task]] = {}
    for task in tasks:
        holds = Counter[int]()
        for awaitable in _awaitables(task.get_coro()):
            for held in gc.get_referents(awaitable):
                if isinstance(held, MethodType) and held.__name__ == "__aexit__":
                    holds[id(held.__self__)] += 1
        if holds:
            waits_for = {id(frame.f_locals.get("self")) for frame in _plumbing_below(task)}
            for key in waits_for & holds.keys():
                holds[key] -= 1
        for key in +holds:
            found.setdefault(key, []).append(task)
    return found


def _plumbing_below(task: Task) -> Iterator[FrameType]:
    """Yield the innermost frames of *task* that are not the user's, innermost first."""
    for frame in reversed(frames_of(task.get_coro())):
        if not is_plumbing(frame.f_code.co_filename):
            return
        yield frame
