"""From recorded steps to a timeline: a row per task, bars that are waits, ticks that are steps.

What the recorder has noted and who waits at this moment are put together once, when a test fails.
The result is plain: text and numbers, no task and no frame. All pictures are drawn from it, that
in the terminal here and those of the report pages in :mod:`asynctesting._pages`.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from ._recorder import GAVE_WAY, MADE, Step
from ._report import Place, innermost_user_place, is_plumbing, short_path

__unittest = True

#: What a task can wait for, and the words of a legend.
KINDS = {
    "timer": "a time",
    "lock": "a lock or an event",
    "queue": "a queue",
    "task": "another task",
    "input": "input, output or a process",
    "thread": "a thread",
    "future": "a future",
    "turn": "its next turn",
}

#: How wide a timeline in a terminal is, and how much of that a name may take.
COLUMNS = 80
_NAME = 24
# How many columns the waits have that had not ended.
_ROOM = 14

# Which file of asyncio is about what.
_FILES = {
    "locks.py": "lock",
    "queues.py": "queue",
    "taskgroups.py": "task",
    "threads.py": "thread",
    **dict.fromkeys(
        (
            *("streams.py", "selector_events.py", "unix_events.py", "subprocess.py"),
            *("base_events.py", "base_subprocess.py", "sslproto.py", "proactor_events.py"),
        ),
        "input",
    ),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A point on all three axes: number of the step, real seconds, seconds of a virtual clock."""

    number: int
    real: float
    virtual: float | None


@dataclass(slots=True)
class Bar:
    """A wait.

    Attributes:
        kind: One of :data:`KINDS`.
        label: What was waited for, in a few words.
        place: The line of the user's code, as text.
        begin: When the task began to wait; more precisely, when it became ready before that.
        end: When it could go on, or when the test failed.
        waker: The number of the row that ended it, or ``None``.
        is_open: Whether it had not ended when the test failed.
    """

    kind: str
    label: str
    place: str
    begin: Moment
    end: Moment
    waker: int | None = None
    is_open: bool = False


@dataclass(slots=True)
class Row:
    """A task.

    Attributes:
        name: Its name.
        made: The line that made it, as text; empty where that is not known.
        maker: The number of the row that made it, or ``None``.
        begin: When it was made, as far as that is remembered.
        bars: Its waits.
        end: When it was last seen.
        is_pending: Whether it had not ended when the test failed.
        in_cycle: Whether it is one of a circle of tasks that wait for each other.
        alike: How many more tasks are not drawn because they look the same.
    """

    name: str
    begin: Moment
    end: Moment
    made: str = ""
    maker: int | None = None
    bars: list[Bar] = field(default_factory=list)
    is_pending: bool = False
    in_cycle: bool = False
    alike: int = 0

    @property
    def looks(self) -> tuple[object, ...]:
        """What tasks have in common that are drawn once."""
        # On a virtual clock equal tasks have equal times; real ones always differ a little.
        waits = tuple(
            (bar.kind, bar.label, bar.place, bar.is_open, bar.begin.virtual, bar.end.virtual)
            for bar in self.bars
        )
        return (self.made, waits, self.is_pending, self.in_cycle)


@dataclass(frozen=True, slots=True)
class Pending:
    """A task that waits when the test fails: its ``id()`` and what a wait graph knows of it."""

    task: int
    name: str
    what: str
    kind: str
    place: Place | None
    in_cycle: bool = False


@dataclass(slots=True)
class Timeline:
    """The last steps of a test.

    Attributes:
        rows: The tasks, the test's own first, the others as they were made.
        steps: The steps that were recorded.
        now: When the test failed.
        clock: Lines about the clock.
        not_recorded: Why there are no steps, or an empty text.
        forgotten: Whether there were more steps than are remembered.
    """

    rows: list[Row]
    steps: list[Step]
    now: Moment
    clock: list[str] = field(default_factory=list)
    not_recorded: str = ""
    forgotten: bool = False
    _row_of_step: dict[int, int] = field(default_factory=dict)

    @property
    def start(self) -> Moment:
        """The beginning of what is remembered."""
        return min((row.begin for row in self.rows), key=_number, default=self.now)

    @property
    def is_virtual(self) -> bool:
        """Whether time has passed on a virtual clock."""
        begin, end = self.start.virtual, self.now.virtual
        return begin is not None and end is not None and end > begin

    def since_start(self, moment: Moment) -> float:
        """Return seconds since the beginning, virtual ones where there are any."""
        start = self.start
        if moment.virtual is not None and start.virtual is not None:
            return moment.virtual - start.virtual
        return moment.real - start.real

    # Making -------------------------------------------------------------------------------------

    @classmethod
    def of(
        cls,
        steps: Sequence[Step],
        pending: Sequence[Pending],
        now: Moment,
        *,
        first: str = "",
        clock: Iterable[str] = (),
        not_recorded: str = "",
        forgotten: bool = False,
    ) -> Timeline:
        """Put recorded steps and pending waits together.

        Args:
            steps: In their order.
            pending: In the order of a wait graph.
            now: When the test has failed.
            first: The name of the task whose row comes first.
            clock: Lines about the clock.
            not_recorded: Why *steps* is empty, if the loop can't record.
            forgotten: Whether earlier steps are no longer remembered.
        """
        made = cls([], list(steps), now, list(clock), not_recorded, forgotten)
        rows, current = made.rows, dict[int, int]()
        waiting = {wait.task: wait for wait in pending}
        for step in steps:
            moment = _moment(step)
            if step.waited == MADE or step.task not in current:
                current[step.task] = len(rows)
                rows.append(Row(step.name, moment, moment))
            row = rows[current[step.task]]
            made._row_of_step[step.number] = current[step.task]
            waker = None if step.waker is None else current.get(step.waker)
            if step.waited == MADE:
                row.made, row.maker = _text(_place(step)), waker
            else:
                awaited = rows[current[step.waited]].name if step.waited in current else ""
                row.bars.append(_bar(step, row, moment, waker, awaited))
            row.name, row.end = step.name, moment
        for wait in waiting.values():
            if wait.task not in current:
                current[wait.task] = len(rows)
                rows.append(Row(wait.name, made.start, made.start))
            row = rows[current[wait.task]]
            row.name, row.is_pending, row.in_cycle = wait.name, True, wait.in_cycle
            bar = Bar(wait.kind, wait.what, _text(wait.place), row.end, now, is_open=True)
            row.bars.append(bar)
            row.end = now
        made._put_first(first)
        return made

    def _put_first(self, name: str) -> None:
        order = sorted(
            range(len(self.rows)),
            key=lambda n: (self.rows[n].name != name, self.rows[n].begin.number, n),
        )
        place = {old: new for new, old in enumerate(order)}
        self.rows[:] = [self.rows[old] for old in order]
        for row in self.rows:
            row.maker = None if row.maker is None else place[row.maker]
            for bar in row.bars:
                bar.waker = None if bar.waker is None else place[bar.waker]
        for number, old in self._row_of_step.items():
            self._row_of_step[number] = place[old]

    def folded(self) -> list[tuple[int, Row]]:
        """Return the rows with their numbers, less those that look like one before them."""
        like: dict[object, Row] = {}
        kept = []
        for number, row in enumerate(self.rows):
            first = like.setdefault(row.looks if number else number, row)
            if first is row:
                row.alike = 0
                kept.append((number, row))
            else:
                first.alike += 1
        return kept

    # Text ---------------------------------------------------------------------------------------

    def last_steps(self, limit: int = 6) -> list[str]:
        """Describe the last steps, a line each, the latest last; equal ones in a row are one."""
        told: list[tuple[Step, str, int]] = []
        for step in reversed(self.steps):
            text = self._describe(step)
            if told and told[-1][1] == text:
                told[-1] = (*told[-1][:2], told[-1][2] + 1)
            elif len(told) == limit:
                break
            else:
                told.append((step, text, 1))
        return [
            f"{self.since_start(_moment(step)):>9.3f} s  {text}"
            + (f"   ({times} times)" if times > 1 else "")
            for step, text, times in reversed(told)
        ]

    def _describe(self, step: Step) -> str:
        row = self.rows[self._row_of_step[step.number]]
        by = "" if step.waker is None or step.waker == step.task else self._name_of(step)
        if step.waited == MADE:
            what = "is made" + by
        elif step.waited == GAVE_WAY:
            what = "has its turn"
        else:
            bar = next(bar for bar in row.bars if bar.end.number == step.number)
            what = f"goes on after {bar.label}{by}"
        place = _place(step)
        text = f"{row.name!r} {what}"
        return text + (f"   {short_path(place.file)}:{place.line}" if place else "")

    def _name_of(self, step: Step) -> str:
        row = self.rows[self._row_of_step[step.number]]
        number = row.maker
        for bar in row.bars:
            if bar.end.number == step.number:
                number = bar.waker
        return "" if number is None else f" by {self.rows[number].name!r}"

    def draw(self, columns: int = COLUMNS - 2, most: int = 8) -> list[str]:
        """Draw a timeline for a terminal.

        Args:
            columns: How wide it may be.
            most: How many rows at most; the last line says how many are left out.
        """
        rows = [row for _, row in self.folded()]
        # Who still waits says more than who is done; the test's own row stays first.
        rows[1:] = sorted(rows[1:], key=lambda row: (not row.in_cycle, not row.is_pending))
        shown = rows[:most]
        names = [_shorten(_title(row), _NAME) for row in shown]
        axis = _Axis(self, shown, columns - max(map(width_of, [*names, "virtual time"])) - 2)
        indent = " " * (columns - axis.width)
        lines = [f"{axis.title:<{len(indent)}}{axis.ruler()}"]
        for name, row in zip(names, shown, strict=True):
            lines.append(f"{_fitted(name, len(indent), ' ')}{axis.draw(row)}".rstrip())
        if len(rows) > most:
            left_out = sum(1 + row.alike for row in rows[most:])
            lines.append(f"... and {left_out} more tasks")
        return lines


class _Axis:
    """Maps moments to columns: virtual time where it has passed, the order of steps else."""

    def __init__(self, timeline: Timeline, rows: list[Row], width: int) -> None:
        self.width = width
        self._timeline = timeline
        # The last column is for what the wait came to.
        self._last = width - 1
        if timeline.is_virtual:
            start, now = timeline.start.virtual or 0.0, timeline.now.virtual or 0.0
            self.title = "virtual time"
            # Who waits at the end has room for what it waits for, though no time has passed in it.
            self._span = now - start
            room = _ROOM if any(row.is_pending for row in rows) else 0
            self._scale = (self._last - room) / self._span
            self._zero = start
            self._ranks: dict[int, int] | None = None
        else:
            moments = {m.number for row in rows for bar in row.bars for m in (bar.begin, bar.end)}
            moments |= {row.begin.number for row in rows}
            self.title = "step"
            # The last ones, where there are more than columns; each at least four wide.
            kept = sorted(moments)[-max(2, self._last // 4) :]
            self._ranks = {number: rank for rank, number in enumerate(kept)}
            self._scale = self._last / max(1, len(kept) - 1)
            self._zero = self._span = 0.0

    def column(self, moment: Moment) -> int:
        """Return the column of *moment*."""
        if self._ranks is None:
            value = (moment.virtual or 0.0) - self._zero
        else:
            value = self._ranks.get(moment.number, 0)
        return min(self._last, max(0, int(value * self._scale)))

    def ruler(self) -> str:
        """Return the line above the rows: where time or steps stand."""
        if self._ranks is not None:
            return _on_line(
                self.width,
                ((int(rank * self._scale), str(rank)) for rank in range(len(self._ranks))),
            )
        least = self._span / max(2, self.width // 12)
        unit = 10.0 ** math.floor(math.log10(least))
        unit *= next(factor for factor in (1, 2, 5, 10, 20) if unit * factor >= least)
        marks = (unit * n for n in range(int(self._span / unit * (1 + 1e-9)) + 1))
        return _on_line(self.width, ((int(m * self._scale), f"{m:g} s") for m in marks))

    def draw(self, row: Row) -> str:
        """Return the bars of a row as text."""
        cells = [" "] * self.width
        for bar in row.bars:
            begin, end = self.column(bar.begin), self.column(bar.end)
            if bar.is_open:
                end = self._last
                begin = min(begin, max(0, end - 1))
            if begin == end:
                cells[begin] = "|"
                continue
            # What takes two columns takes two cells, of which the second one is empty.
            text = _fitted(_printable(bar.label), end - begin - 1, ".")
            cells[begin:end] = itertools.chain(
                "|", *((c, *[""] * (width_of(c) - 1)) for c in text if width_of(c))
            )
            cells[end] = "!" if bar.is_open else "|"
        if not row.bars:
            cells[self.column(row.begin)] = "|"
        return "".join(cells)


def _on_line(width: int, marks: Iterable[tuple[int, str]]) -> str:
    line = ""
    for column, text in marks:
        if len(line) < column or not line:
            text = line.ljust(column) + text
            if len(text) <= width:
                line = text
    return line


def _title(row: Row) -> str:
    star = "*" if row.in_cycle else ""
    return f"{star}{_printable(row.name)}" + (f" (and {row.alike} more)" if row.alike else "")


def _shorten(text: str, width: int) -> str:
    if width_of(text) <= width:
        return text
    head, _, more = text.rpartition(" (and ")
    tail = f" (and {more}" if head else ""
    room = max(4, width - len(tail))
    return f"{_cut(head or text, room - 1)}…{tail}"


def _printable(text: str) -> str:
    """Write out what would break a line or the columns: a newline, a control character."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def width_of(text: str) -> int:
    """Return how many columns *text* takes in a terminal."""
    if text.isascii():
        return len(text)
    import unicodedata  # few names need it

    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _cut(text: str, width: int) -> str:
    if text.isascii():
        return text[:width]
    taken = itertools.accumulate(map(width_of, text))
    text = "".join(c for c, columns in zip(text, taken, strict=True) if columns <= width)
    return text


def _fitted(text: str, width: int, fill: str) -> str:
    """Cut or fill *text* to *width* columns."""
    text = _cut(text, width)
    return text + fill * (width - width_of(text))


# From steps to words ---------------------------------------------------------------------------


def kind_of(frames: Sequence[tuple[CodeType, int]], awaits_task: bool = False) -> str:
    """Return what kind of wait the frames of a coroutine show, outermost frame first."""
    if awaits_task:
        return "task"
    for code, _ in reversed(frames):
        if not is_plumbing(code.co_filename):
            break
        name = os.path.basename(code.co_filename)
        if name == "tasks.py":
            return "timer" if "sleep" in code.co_name else "task"
        if name in _FILES:
            return _FILES[name]
    return "future"


def _bar(step: Step, row: Row, moment: Moment, waker: int | None, awaited: str) -> Bar:
    lines = step.lines()
    if lines and lines[-1][0].co_name == "_park":
        return Bar("turn", "the next phase", "", row.end, moment, waker)
    if step.waited == GAVE_WAY:
        return Bar("turn", "its turn", _text(_place(step)), row.end, moment, waker)
    kind = kind_of(lines, bool(awaited))
    label = f"task {awaited!r}" if awaited else _label(kind, lines)
    return Bar(kind, label, _text(_place(step)), row.end, moment, waker)


def _label(kind: str, lines: Sequence[tuple[CodeType, int]]) -> str:
    if kind == "future" or not lines:
        return "a future"
    inner: list[CodeType] = []
    # The method that the user's code has called: the outermost one of the innermost stretch.
    for code, _ in reversed(lines):
        if not is_plumbing(code.co_filename):
            break
        inner = [code]
    # "async with lock:" calls its method by way of a mixin.
    while len(inner) > 1 and inner[0].co_name in ("__aenter__", "__aexit__"):
        del inner[0]
    name = inner[0].co_qualname if inner else kind
    return f"{name}()"


def _place(step: Step) -> Place | None:
    return innermost_user_place(step.lines())


def _moment(step: Step) -> Moment:
    return Moment(step.number, step.real, step.virtual)


def _text(place: Place | None) -> str:
    return "" if place is None else str(place)


def _number(moment: Moment) -> int:
    return moment.number


def now_of(loop: Any, number: int, real: float) -> Moment:
    """Return this moment, by a loop's clock."""
    clock = getattr(loop, "clock", None)
    return Moment(number, real, None if clock is None else clock.time())
