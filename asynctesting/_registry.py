"""Which wide scopes are open, and who ends each of them.

unittest ends a class by ``doClassCleanups()`` and a module by its cleanups; the run has ended when
its result says so; pytest ends all of them through the plugin. What none of
these reaches (a package, a class under a runner that knows no class fixtures) is ended when the
next class begins that is outside of it. What is still open when the process ends is ended then,
late, and with a warning.

Invariants: a scope is known by its thread and by what it depends on, so a class in two threads has
two; nobody ends a scope in which something is running; a forked child has none.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
import threading
import traceback
import unittest
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from . import _settings
from ._kinds import DEFAULT, Policy
from ._repeat import repeat_command
from ._results import Problem, hook, result_of_callers, target_of, tell
from ._wide import WideScope
from .errors import LateTeardownWarning

__unittest = True

#: The loop scopes, from the narrowest to the widest.
LEVELS = ("test", "class", "module", "package", "session")


class _Key(NamedTuple):
    """What makes a scope another one than its neighbours."""

    thread: int
    kind: str
    where: object
    #: Whose loop it runs on: the widest scope of its chain, and what made the loop.
    loop_scope: str
    factory: object
    debug: bool | None


class Options(NamedTuple):
    """What the scope of a class is opened with."""

    factory: Any = None
    debug: bool | None = None
    limit: float | None = _settings.DEFAULT_TIMEOUT
    policy: Policy = DEFAULT


class Entry:
    """An open scope, and how it is ended."""

    def __init__(
        self, scope: WideScope, finish: Callable[[WideScope], list[BaseException]]
    ) -> None:
        self.scope = scope
        self.finish = finish
        self.thread = threading.current_thread()
        #: The result whose run it belongs to, once that is known.
        self.result: Any = None
        #: Whether somebody asks for it at its end, and what went wrong before that.
        self.is_expected = False
        self.kept: list[Problem] = []


_open: dict[_Key, Entry] = {}
# What went wrong in a teardown that nobody's result could be told yet.
_untold: list[Problem] = []
#: What pytest's plugin puts here is asked to end a scope, and says whether it will.
enders: list[Callable[[WideScope, Callable[[], None]], bool]] = []


def package_of(module: str) -> str:
    """Return the package of a module of tests; a package that holds tests is its own."""
    found = getattr(sys.modules.get(module), "__package__", None)
    return module.rpartition(".")[0] if found is None else str(found)


def _places(cls: type) -> dict[str, object]:
    return {
        "class": cls,
        "module": cls.__module__,
        "package": package_of(cls.__module__),
        "session": "",
    }


def _key(kind: str, where: object, loop_scope: str, options: Options) -> _Key:
    # Two factories that are equal are one; what can't be hashed is known by its identity.
    factory: object = options.factory
    try:
        hash(factory)
    except TypeError:
        factory = id(factory)
    return _Key(threading.get_ident(), kind, where, loop_scope, factory, options.debug)


def find(cls: type, loop_scope: str, options: Options) -> WideScope | None:
    """Return the scope of *cls* in this thread, or in one that has ended, if it is open."""
    key = _key("class", cls, loop_scope, options)
    entry = _open.get(key)
    if entry is None:
        # Some runners have a thread for each test, or for the set-up of a class.
        left = (
            entry
            for other, entry in _open.items()
            if other._replace(thread=key.thread) == key and not entry.thread.is_alive()
        )
        entry = next(left, None)
    return None if entry is None else entry.scope


def enter(
    cls: type,
    loop_scope: str,
    options: Options,
    finish: Callable[[WideScope], list[BaseException]],
) -> WideScope:
    """Return the scope of *cls*, opened now with those around it unless they are open.

    Args:
        cls: A class whose loop scope is at least ``"class"``.
        loop_scope: Which scope owns the loop.
        options: For scopes that are opened now.
        finish: Ends the scope of the class.
    """
    leave_outside_of(cls)
    places = _places(cls)
    scope: WideScope | None = None
    for kind in reversed(LEVELS[1 : LEVELS.index(loop_scope) + 1]):
        key = _key(kind, places[kind], loop_scope, options)
        entry = _open.get(key)
        if entry is None:
            entry = _open_scope(key, options, scope, finish if kind == "class" else None)
        scope = entry.scope
    assert scope is not None
    return scope


def open_alone(kind: str, where: str) -> WideScope:
    """Return the scope of a module or the session, outside of any class; it owns a loop."""
    options = Options()
    key = _key(kind, where, kind, options)
    entry = _open.get(key)
    return (entry or _open_scope(key, options, None, None)).scope


def _for_all(options: Options) -> Options:
    """Take what one class has chosen for itself out of *options* of a scope of many.

    Else the class that happens to come first would decide, and a shuffled run be judged otherwise.
    """
    settings, default = _settings.current(), Options()
    return options._replace(
        limit=default.limit if isinstance(settings.timeout, _settings.Unset) else settings.timeout,
        policy=_settings.leak_policy("default"),
    )


def _open_scope(
    key: _Key,
    options: Options,
    parent: WideScope | None,
    finish: Callable[[WideScope], list[BaseException]] | None,
) -> Entry:
    where = key.where
    if key.kind != "class":
        options = _for_all(options)
    scope = WideScope(
        key.kind,
        where.__qualname__.rpartition("<locals>.")[2] if isinstance(where, type) else str(where),
        parent=parent,
        factory=options.factory,
        debug=options.debug,
        limit=options.limit,
        policy=options.policy,
    )
    if isinstance(where, type):
        name = f"{where.__module__}.{where.__qualname__}"
        scope.repeat = functools.partial(repeat_command, name)
    elif key.kind == "module":
        scope.repeat = functools.partial(repeat_command, str(where))
    _open[key] = entry = Entry(scope, finish or WideScope.finish)
    _prepare_for_exit()
    if key.kind != "class":
        _arrange_end(entry)
    result = target_of(result_of_callers())
    if result is not None and hook(result, end_run):
        # It may be that no test ever starts: the set-up of the class may fail, or skip it.
        entry.result = result
    return entry


def _arrange_end(entry: Entry) -> None:
    scope = entry.scope

    def end() -> None:
        # unittest has one list of module cleanups for all threads.
        if entry.thread is threading.current_thread():
            problems = entry.kept + end_scopes([scope])
            entry.kept = []
            raise_all(f"teardown of {scope.name}", [error for _, error in problems])

    entry.is_expected = any(ender(scope, end) for ender in enders)
    if not entry.is_expected and scope.kind == "module":
        unittest.addModuleCleanup(end)


def forget(scope: WideScope) -> None:
    """Take a scope that has ended out of the list."""
    for key, entry in list(_open.items()):
        if entry.scope is scope:
            del _open[key]


# Ending ----------------------------------------------------------------------------------------


def leave_outside_of(cls: type) -> None:
    """End what is open in this thread and does not surround *cls*, unless it is in use."""
    if not _open:
        return
    places = _places(cls)
    me = threading.get_ident()
    outside = [
        entry for key, entry in _open.items() if key.thread == me and key.where != places[key.kind]
    ]
    for entry in reversed(outside):
        problems = end_scopes([entry.scope])
        (entry.kept if entry.is_expected else _untold).extend(problems)


def end_scopes(scopes: Iterable[WideScope]) -> list[Problem]:
    """End *scopes* and those inside of them, the youngest first; return what went wrong."""
    doomed = list(scopes)
    problems: list[Problem] = []
    for key, entry in reversed(list(_open.items())):
        scope = entry.scope
        if scope.in_use or not any(around in doomed for around in (scope, *scope.lineage())):
            continue
        if any(other.scope.in_use for other in _open.values() if scope in other.scope.lineage()):
            continue
        title = f"tearDown{key.kind.title()} ({_full_name(key)})"
        try:
            problems += [(title, error) for error in entry.finish(scope)]
        except BaseException as error:
            problems.append((title, error))
        finally:
            forget(scope)
    return problems


def _full_name(key: _Key) -> str:
    where = key.where
    if isinstance(where, type):
        return f"{where.__module__}.{where.__qualname__}"
    return str(where) or "asynctesting"


def raise_all(what: str, problems: list[BaseException]) -> None:
    """Raise one problem as it is, several as a group, so that none hides another."""
    for problem in problems:
        if not isinstance(problem, Exception):
            raise problem
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ExceptionGroup(what, [error for error in problems if isinstance(error, Exception)])


# The end of the run ----------------------------------------------------------------------------


def note_result(result: Any, scope: WideScope) -> None:
    """Have the scopes around a test end with the run that *result* belongs to.

    Also tells *result* what went wrong in teardowns that have come between.
    """
    result = target_of(result)
    if not hook(result, end_run):
        return
    around = (scope, *scope.lineage())
    for entry in _open.values():
        # A run that is over without having said so gives its scopes to the next one; a test that
        # runs other tests keeps what it is in.
        if entry.scope in around and not entry.scope.in_use:
            entry.result = result
    if _untold:
        tell(result, [_untold.pop(0) for _ in range(len(_untold))])


def end_run(result: Any) -> None:
    """End all scopes of the run of *result*, and tell it what went wrong."""
    of_this_run = [entry.scope for entry in _open.values() if entry.result is result]
    problems = end_scopes(of_this_run)
    tell(result, [*_untold, *problems])
    _untold.clear()
    for _, problem in problems:
        if isinstance(problem, (KeyboardInterrupt, SystemExit)):
            raise problem


# The last resort -------------------------------------------------------------------------------

_exit_prepared = False


def _prepare_for_exit() -> None:
    global _exit_prepared
    if not _exit_prepared:
        _exit_prepared = True
        atexit.register(_end_at_exit)


def _end_at_exit() -> None:
    late = [entry.scope for entry in _open.values()]
    names = [scope.name for scope in late]
    problems = [*_untold, *end_scopes(late)]
    _untold.clear()
    if names:
        text = (
            f"torn down only when the process ended: {', '.join(names)}. The test runner has not "
            "said that its run was over; what went wrong in these teardowns is printed, and "
            "counted nowhere"
        )
        try:
            warnings.warn(text, LateTeardownWarning, stacklevel=2)
        except LateTeardownWarning as warning:  # -W error has no test to fail any more
            print(f"{type(warning).__name__}: {warning}", file=sys.stderr)
    for title, problem in problems:
        print(f"ERROR: {title}", file=sys.stderr)
        traceback.print_exception(problem)


_inherited: list[object] = []


def _forget_all() -> None:
    # A forked child shares them with its parent, who will end them. They are kept alive, since a
    # loop that is collected takes its files out of the selector that both share.
    _inherited.append(dict(_open))
    _open.clear()
    _untold.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


# Who is running --------------------------------------------------------------------------------


def running_scope() -> WideScope | None:
    """Return the wide scope that is at work in this thread, or whose test is."""
    me = threading.get_ident()
    for key, entry in reversed(list(_open.items())):
        if key.thread == me and entry.scope.in_use:
            return entry.scope
    return None
