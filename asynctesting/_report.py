"""From findings to text: where a task waits, which line of the user's code that is.

Plain functions over frames, coroutines and tasks. Nothing here knows how a loop runs, and nothing
keeps a frame: a frame keeps its locals alive, and the report would leak, too.
"""

from __future__ import annotations

import ast
import asyncio
import functools
import gc
import inspect
import linecache
import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, NoReturn

__unittest = True


@dataclass(frozen=True, slots=True)
class Place:
    """A line of source: where something waits, was made, or is written."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        source = linecache.getline(self.file, self.line).strip()
        place = f"{short_path(self.file)}:{self.line}"
        return f"{place}   {source}" if source else f"{place} in {self.function}"


def definition(function: Any) -> Place:
    """Return the line at which *function*, a test method for one, is defined."""
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    if code is None:
        return Place("<unknown>", 1, getattr(function, "__qualname__", repr(function)))
    if code.co_name == "<lambda>":
        return Place(code.co_filename, code.co_firstlineno, code.co_qualname)
    # With decorators the first line is the first of those; the def stands a little further down.
    for line in range(code.co_firstlineno, code.co_firstlineno + 20):
        if linecache.getline(code.co_filename, line).lstrip().startswith(("def ", "async def ")):
            return Place(code.co_filename, line, code.co_qualname)
    return Place(code.co_filename, code.co_firstlineno, code.co_qualname)


def raise_at(error: BaseException, place: Place) -> NoReturn:
    """Raise *error* with a traceback that ends at *place*.

    What is found after a test has no line of its own, and a traceback without a line of the user's
    shows plumbing, or nothing. The line here is that of the test.
    """
    tree = ast.parse("raise error")
    # No columns, so that the traceback underlines nothing.
    position = dict.fromkeys(("lineno", "end_lineno"), place.line)
    position |= dict.fromkeys(("col_offset", "end_col_offset"), -1)
    for node in ast.walk(tree):
        vars(node).update(position)
    name = place.function.rpartition(".")[2]
    code = compile(tree, place.file, "exec")
    exec(code.replace(co_name=name, co_qualname=place.function), {"error": error})
    raise error


def short_path(file: str) -> str:
    """Return *file* relative to the current folder where it lies below it."""
    try:
        relative = os.path.relpath(file)
    except ValueError:  # another drive on Windows
        return file
    return file if relative.startswith("..") else relative


# What is not the user's own code: the standard library and this package.
_LIBRARY = tuple(
    os.path.join(path, "")
    for path in {os.path.dirname(os.__file__), os.path.dirname(asyncio.__file__)}
)
_PACKAGES = ("site-packages", "dist-packages")
_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in _PACKAGES)
_OWN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")


@functools.lru_cache(maxsize=1024)
def is_plumbing(file: str) -> bool:
    """Tell whether *file* belongs to us, to the standard library or to the interpreter."""
    if file.startswith(_OWN) or file.startswith("<frozen"):
        return True
    return file.startswith(_LIBRARY) and not any(name in file for name in _PACKAGES)


@functools.lru_cache(maxsize=1024)
def is_users(file: str) -> bool:
    """Tell whether *file* is the user's own: neither plumbing nor an installed package's."""
    return not (is_plumbing(file) or any(name in file for name in _INSTALLED))


def chain(awaitable: Any) -> list[tuple[CodeType, int]]:
    """Return code and line of each suspended frame below *awaitable*, outermost first.

    ``Task.get_stack()`` yields one frame for a suspended coroutine; what it awaits stands in
    ``cr_await``, ``ag_await`` and ``gi_yieldfrom``.
    """
    found: list[tuple[CodeType, int]] = []
    while awaitable is not None and len(found) < 1000:
        for prefix in ("cr", "gi", "ag"):
            frame = getattr(awaitable, f"{prefix}_frame", None)
            if frame is not None:
                found.append((frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno))
                break
        awaitable = _awaited_by(awaitable)
    return found


def _awaited_by(awaitable: Any) -> Any:
    for name in ("cr_await", "gi_yieldfrom", "ag_await"):
        inner = getattr(awaitable, name, None)
        if inner is not None:
            return inner
    if type(awaitable).__name__ in _WRAPPERS:
        for inner in gc.get_referents(awaitable):
            if isinstance(inner, _WRAPPED) or type(inner).__name__ in _WRAPPERS:
                return inner
    return None


# What the interpreter puts around an async generator or a coroutine that is awaited by its
# protocol: without a name for what is inside, which only the collector tells.
_WRAPPERS = frozenset(
    {"async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper"}
)
_WRAPPED = (AsyncGeneratorType, CoroutineType, GeneratorType)


def waiting_place(task: asyncio.Task[Any]) -> Place | None:
    """Return the innermost line of the user's code at which *task* is suspended."""
    return innermost_user_place(chain(task.get_coro()))


def innermost_user_place(lines: Iterable[tuple[CodeType, int]]) -> Place | None:
    """Return the last of *lines* that is the user's code; of an installed package's, if none is."""
    place = None
    is_own = False
    for code, line in lines:
        file = code.co_filename
        if is_plumbing(file):
            continue
        if is_users(file) or not is_own:
            place = Place(file, line, code.co_qualname)
            is_own = is_users(file)
    return place


def stack_lines(frame: FrameType | None) -> list[tuple[CodeType, int]]:
    """Return code and line of *frame* and its callers, outermost first."""
    lines: list[tuple[CodeType, int]] = []
    while frame is not None:
        lines.append((frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno))
        frame = frame.f_back
    return lines[::-1]


def calling_place() -> Place | None:
    """Return the innermost line of the user's code that is being executed in this thread."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_plumbing(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return None
    return Place(frame.f_code.co_filename, frame.f_lineno or 1, frame.f_code.co_qualname)


def origin_place(origin: Iterable[tuple[str, int, str]]) -> Place | None:
    """Return the innermost line of the user's code in the origin of a coroutine (``cr_origin``).

    If there is none, an installed package's.
    """
    found = None
    for file, line, function in origin:
        if is_users(file):
            return Place(file, line, function)
        if found is None and not is_plumbing(file):
            found = Place(file, line, function)
    return found


def thread_place(thread_id: int) -> Place | None:
    """Return the innermost line of the user's code that a thread executes right now."""
    return innermost_user_place(stack_lines(sys._current_frames().get(thread_id)))


def user_stack(thread_id: int, limit: int = 6) -> list[Place]:
    """Return the user's lines on a thread's stack that we have called, the innermost *limit*."""
    user: list[Place] = []
    for code, line in stack_lines(sys._current_frames().get(thread_id)):
        if code.co_filename.startswith(_OWN):
            user.clear()
        elif not is_plumbing(code.co_filename):
            user.append(Place(code.co_filename, line, code.co_qualname))
    return user[-limit:]


def describe_tasks(tasks: Iterable[asyncio.Task[Any]], *, limit: int = 20) -> list[str]:
    """Describe each of *tasks* with the line at which it waits; equal ones are folded.

    Args:
        tasks: Pending tasks, the most interesting first.
        limit: How many lines at most; the last one says how many tasks are left out.
    """
    rows = Counter[tuple[str, str]]()
    names: dict[tuple[str, str], str] = {}
    for task in tasks:
        key = (_qualname(task), str(waiting_place(task) or f"{_qualname(task)}()"))
        rows[key] += 1
        names.setdefault(key, task.get_name())
    width = max((len(repr(names[key])) for key in list(rows)[:limit]), default=0)
    lines = [
        f"{names[key]!r:<{width}} waits at  {key[1]}"
        + (f"   (and {count - 1} more there)" if count > 1 else "")
        for key, count in list(rows.items())[:limit]
    ]
    left_out = sum(list(rows.values())[limit:])
    if left_out:
        lines.append(f"... and {left_out} more tasks")
    return lines


def _qualname(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return str(getattr(coroutine, "__qualname__", coroutine))


def one_line(error: BaseException) -> str:
    """Write an exception with the innermost line of the user's code in its traceback."""
    lines = []
    traceback = error.__traceback__
    while traceback is not None:
        lines.append((traceback.tb_frame.f_code, traceback.tb_lineno))
        traceback = traceback.tb_next
    place = innermost_user_place(lines)
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    return f"{text}  at  {place}" if place else text


def indent(lines: Iterable[str], by: str = "  ") -> str:
    """Join *lines* below each other, each moved to the right."""
    return "\n".join(by + line for line in lines)


def seconds(value: float) -> str:
    """Write a number of seconds as a person would: ``60 s``, ``0.25 s``."""
    return f"{value:g} s"
