"""Every private name of CPython that we touch, in one place, each with a self-test.

The interpreter owes us nothing here. So a name is used only through a function of this module,
its loss costs one check and never a run, and ``tests/test_internals.py`` says first when a new
interpreter has renamed something. Names that a subclass of the stock event loop overrides
(``_make_self_pipe`` and its kin) live with that subclass, in ``_loop.py``.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import signal
import sys
import threading
import types
import warnings
from asyncio import events
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from typing import Any

__unittest = True

Loop = asyncio.AbstractEventLoop


# The thread's current loop ---------------------------------------------------------------------


class CurrentLoop:
    """The thread's current loop as it was, to be put back as it was.

    asyncio can set the current loop, but can't be asked for it without side effects:
    ``get_event_loop()`` makes one, warns or raises. The default policy keeps it in a thread-local
    slot beside a flag that says whether anybody ever set it; both are saved and put back here.
    Where a policy of another make has no such slot, putting back means "none is set".
    """

    __slots__ = ("_policy", "_fresh_policy", "_slot")

    def __init__(self, loop: Loop, *, keep_policy: bool) -> None:
        """Make *loop* current, remembering what was.

        Args:
            loop: The loop that ``asyncio.get_event_loop()`` shall answer from now on.
            keep_policy: Whether a policy that comes into being here may stay afterwards, as it
                does with the standard library's case.
        """
        self._fresh_policy = not keep_policy and _policy_or_none() is None
        self._policy = policy = _get_policy()
        try:
            self._slot: dict[str, Any] | None = policy._local.__dict__.copy()
        except AttributeError:
            self._slot = None
        policy.set_event_loop(loop)

    def restore(self) -> None:
        """Put the slot back as it was."""
        policy = self._policy
        if self._slot is None:
            policy.set_event_loop(None)
        else:
            slot = policy._local.__dict__
            slot.clear()
            slot.update(self._slot)
        if self._fresh_policy and _policy_or_none() is policy:
            events._event_loop_policy = None  # type: ignore[attr-defined]


def _policy_or_none() -> Any:
    # No public call tells whether a policy exists without making one.
    return getattr(events, "_event_loop_policy", None)


# Policies are deprecated from 3.14 on, but the current loop still lives in one there.
_get_policy: Callable[[], Any] = (
    getattr(events, "_get_event_loop_policy", None) or events.get_event_loop_policy
)


# Tasks -----------------------------------------------------------------------------------------


def tasks_of(loop: Loop) -> list[asyncio.Task[Any]]:
    """Return the living tasks of *loop*, finished ones that somebody still holds included.

    ``asyncio.all_tasks()`` leaves finished tasks out, and with them the exceptions that nobody
    has looked at yet. Where the registry has another name, the pending ones are all we get.
    """
    found: list[asyncio.Task[Any]] = []
    if not _task_registries:
        return list(asyncio.all_tasks(loop))
    for registry in _task_registries:
        if not registry:
            continue
        # Other threads add tasks of their loops while we copy (python/cpython#80788).
        for _ in range(1000):
            try:
                tasks = list(registry)
            except RuntimeError:
                continue
            break
        found += [task for task in tasks if task.get_loop() is loop]
    return found


def _find_task_registries() -> list[Any]:
    if sys.version_info >= (3, 14):
        return []  # C tasks stand in a linked list there, which only all_tasks() reads
    names = ("_scheduled_tasks", "_eager_tasks") if sys.version_info >= (3, 12) else ("_all_tasks",)
    registries = (getattr(asyncio.tasks, name, None) for name in names)
    return [registry for registry in registries if hasattr(registry, "__iter__")]


_task_registries = _find_task_registries()


def _find_current_task() -> Callable[[Loop], asyncio.Task[Any] | None]:
    # Up to 3.13 an index by loop, which is several times quicker than the function that reads it.
    index: Any = getattr(asyncio.tasks, "_current_tasks", None)
    if sys.version_info < (3, 14) and hasattr(index, "get"):
        get: Callable[[Loop], asyncio.Task[Any] | None] = index.get
        return get
    return asyncio.current_task


#: Return the task whose step a loop executes, or ``None`` between two steps.
current_task_of = _find_current_task()


def first_step_type() -> type:
    """Return the type of the callback that runs a task's first step, and those after a bare yield.

    By it such a step is told from ``call_soon(task.cancel)``, whose ``__self__`` is a task, too.
    """
    found: list[Any] = []

    class Probe:
        def get_debug(self) -> bool:
            return False

        def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
            found.append(callback)

    async def nothing() -> None: ...

    coroutine = nothing()
    # A name, or the first task of a test would no longer be "Task-1".
    task = asyncio.Task(coroutine, loop=Probe(), name="probe")  # type: ignore[arg-type]
    silence_pending(task)
    coroutine.close()
    return type(found[0])


def is_unretrieved(task: asyncio.Task[Any]) -> bool:
    """Tell whether *task* failed and nobody has looked at its exception."""
    return task.done() and not task.cancelled() and bool(getattr(task, "_log_traceback", False))


def mark_retrieved(task: asyncio.Task[Any]) -> BaseException | None:
    """Return the exception of a finished task, so that asyncio no longer logs it as lost."""
    return None if task.cancelled() else task.exception()


def is_alive(task: asyncio.Task[Any]) -> bool:
    """Tell whether the coroutine of a pending task can still run: nobody has closed it."""
    return getattr(task.get_coro(), "cr_frame", task) is not None


def silence_pending(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from logging "destroyed but it is pending" for a task that we have reported."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def context_of_task(task: asyncio.Task[Any]) -> Context | None:
    """Return the context in which *task* runs, or ``None`` where it can't be had.

    3.11 has no ``get_context()``; there the C task hands its context to the collector first, before
    those of its callbacks, and the Python task keeps it under a name of its own.
    """
    if sys.version_info >= (3, 12):
        return task.get_context()
    own = getattr(task, "_context", None)
    if own is not None:
        return own  # type: ignore[no-any-return]
    return next((thing for thing in gc.get_referents(task) if isinstance(thing, Context)), None)


def context_of_handle(handle: asyncio.Handle) -> Context | None:
    """Return the context in which a callback will be called, or ``None``."""
    return getattr(handle, "_context", None)


def timers_of(loop: Loop) -> list[asyncio.TimerHandle]:
    """Return the timers of *loop* that are neither due nor cancelled; none where it hides them."""
    return [timer for timer in getattr(loop, "_scheduled", ()) if not timer.cancelled()]


def generators_of(loop: Loop) -> list[Any]:
    """Return the async generators that were begun on *loop* and not ended, where it knows them."""
    return list(getattr(loop, "_asyncgens", None) or ())


def watched_files_of(loop: Loop) -> dict[int, Any]:
    """Return what one of asyncio's own loops reads from or writes to, less its self-pipe."""
    selector: Any = getattr(loop, "_selector", None)
    mapping = (selector.get_map() if hasattr(selector, "get_map") else None) or {}
    own = getattr(loop, "_ssock", None)
    return {fd: key for fd, key in mapping.items() if own is None or fd != own.fileno()}


def hidden_on(loop: Loop) -> list[str]:
    """Name the parts of *loop* that the functions above can't see: uvloop's, and Windows' own."""
    parts = {
        "readers": hasattr(getattr(loop, "_selector", None), "get_map"),
        "timers": hasattr(loop, "_scheduled"),
        "generators": hasattr(loop, "_asyncgens"),
    }
    return [name for name, is_shown in parts.items() if not is_shown]


def signal_handlers_of(loop: Loop) -> dict[int, asyncio.Handle]:
    """Return the signal handlers that were added to *loop*, where it shows them."""
    return dict(getattr(loop, "_signal_handlers", None) or {})


def callback_of(handle: asyncio.Handle) -> Any:
    """Return what *handle* will call."""
    return getattr(handle, "_callback", None)


def enter_task(loop: Loop, task: asyncio.Task[Any]) -> object:
    """Make *loop* run in this thread and *task* its current one, without a turn of the loop.

    Returns:
        What :func:`leave_task` needs to make it undone.
    """
    hooks = sys.get_asyncgen_hooks()
    loop._thread_id = threading.get_ident()  # type: ignore[attr-defined]
    sys.set_asyncgen_hooks(
        firstiter=loop._asyncgen_firstiter_hook,  # type: ignore[attr-defined]
        finalizer=loop._asyncgen_finalizer_hook,  # type: ignore[attr-defined]
    )
    events._set_running_loop(loop)
    asyncio.tasks._enter_task(loop, task)
    return hooks


def leave_task(loop: Loop, task: asyncio.Task[Any], entered: Any) -> None:
    """Undo :func:`enter_task`."""
    asyncio.tasks._leave_task(loop, task)
    events._set_running_loop(None)
    loop._thread_id = None  # type: ignore[attr-defined]
    sys.set_asyncgen_hooks(*entered)


def keep_for_ever(thing: object) -> None:
    """Have *thing* never be destroyed, not even when the interpreter ends.

    A coroutine that is destroyed while it waits is resumed with ``GeneratorExit``. One that
    swallows whatever it gets would then run on, in the middle of the interpreter's shutdown, and
    hang the process.
    """
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


# Coroutines never awaited ----------------------------------------------------------------------


def watch_unawaited(report: Callable[[Coroutine[Any, Any, Any]], bool]) -> bool:
    """Call *report* with every coroutine that is destroyed without having been awaited.

    The interpreter calls a Python function of the ``warnings`` module for it, which is wrapped
    here, once for the whole run. A warning filter can't hide anything from that hook, and the
    coroutine itself is at hand. The warning is given as before, unless *report* answers that it
    has taken the matter over.

    Returns:
        Whether the hook is in place; ``False`` means "not checked".
    """
    original = getattr(warnings, "_warn_unawaited_coroutine", None)
    if original is None:
        return False

    def _warn_unawaited_coroutine(coro: Coroutine[Any, Any, Any]) -> None:
        if not report(coro):
            original(coro)

    warnings._warn_unawaited_coroutine = _warn_unawaited_coroutine  # type: ignore[attr-defined]
    return True


def ignored_by_filters(message: str, category: type[Warning]) -> bool:
    """Tell whether the warning filters in force would ignore a warning with this text."""
    return _action_of_filters(message, category, warnings.filters) == "ignore"


def warning_recorder() -> object:
    """Return what shows warnings now; another answer later means that somebody records them.

    ``assertWarns`` and ``catch_warnings(record=True)`` put their own function there.
    """
    return getattr(warnings, "_showwarnmsg_impl", None)


# Warnings --------------------------------------------------------------------------------------


def watch_warnings(take: Callable[[Any], bool]) -> bool:
    """Show *take* every warning before it is shown; what it answers ``True`` to is not.

    The interpreter looks up one function of the ``warnings`` module for each warning that no filter
    has dropped. It is below ``showwarning()``, which tests replace.

    Returns:
        Whether that works here; ``False`` means "not checked".
    """
    original = getattr(warnings, "_showwarnmsg", None)
    if original is None:
        return False

    def _showwarnmsg(msg: Any) -> None:
        if take(msg):
            return
        if issubclass(msg.category, ResourceWarning) and _is_first(_SHOW_RESOURCES):
            # It has come through for our sake. What would have become of it?
            action = _action_of_filters(str(msg.message), msg.category, warnings.filters[1:])
            if action == "ignore":
                return
            if action == "error":
                raise msg.message
        original(msg)

    warnings._showwarnmsg = _showwarnmsg  # type: ignore[attr-defined]
    return True


# Ours is known by identity: simplefilter("always", ResourceWarning), which assertWarns() uses,
# makes one that is equal to it, and that one is meant.
_SHOW_RESOURCES = ("always", None, ResourceWarning, None, 0)


def _is_first(ours: object) -> bool:
    return bool(warnings.filters) and warnings.filters[0] is ours


def show_resource_warnings() -> None:
    """Have no filter that is in force now drop a ``ResourceWarning`` on its way to us."""
    if not _is_first(_SHOW_RESOURCES):
        filters: Any = warnings.filters
        filters[:] = [_SHOW_RESOURCES, *(f for f in filters if f is not _SHOW_RESOURCES)]
        mutated = getattr(warnings, "_filters_mutated", None)
        if mutated is not None:
            mutated()


def _action_of_filters(message: str, category: type[Warning], filters: Any) -> str:
    for action, text, kind, _module, line in filters:
        if (
            (text is None or (text.match(message) if hasattr(text, "match") else text == message))
            and issubclass(category, kind)
            and line == 0
            and _module is None
        ):
            return str(action)
    return "default"


# gather() --------------------------------------------------------------------------------------


def watch_gather(tell: Callable[[BaseException, str], None]) -> bool:
    """Tell of each exception that ``gather()`` drops because it has raised another one.

    It marks the failures of its other children as seen, so nothing else can tell. Its body is
    replaced, not its name: a module may have imported the function long ago.

    Returns:
        Whether that works here; ``False`` means "not checked".
    """
    gather: Any = asyncio.tasks.gather
    code = gather.__code__
    if code.co_freevars or code.co_varnames[:2] != ("return_exceptions", "coros_or_futures"):
        return False
    # A second call tells somebody else, and watches the same function.
    original: Any = gather.__globals__.get("_asynctesting_stock_gather")
    if original is None:
        original = types.FunctionType(code, gather.__globals__, "gather", gather.__defaults__)
        original.__kwdefaults__ = gather.__kwdefaults__
        gather.__globals__["_asynctesting_stock_gather"] = original

    def watched(children: tuple[Any, ...], return_exceptions: bool) -> Any:
        outer = original(*children, return_exceptions=return_exceptions)
        if len(children) > 1 and not return_exceptions:
            outer.add_done_callback(look)
        return outer

    def look(outer: Any) -> None:
        # Not outer.exception(): to ask for it is to have seen it, and that is the caller's part.
        raised = getattr(outer, "_exception", None)
        if raised is None:
            return
        for child in dict.fromkeys(outer._children):
            if child.done():
                tell_of(child, raised)
            else:
                child.add_done_callback(functools.partial(tell_of, raised=raised))

    def tell_of(child: Any, raised: BaseException) -> None:
        error = None if child.cancelled() else child.exception()
        if error is not None and error is not raised:
            tell(error, child.get_name() if isinstance(child, asyncio.Task) else "future")

    gather.__globals__["_asynctesting_gather"] = watched
    gather.__code__ = _gather.__code__.replace(
        co_filename=code.co_filename, co_firstlineno=code.co_firstlineno
    )
    return True


def _gather(*coros_or_futures: Any, return_exceptions: bool = False) -> Any:
    return _asynctesting_gather(coros_or_futures, return_exceptions)  # type: ignore[name-defined]  # noqa: F821


# The process -----------------------------------------------------------------------------------

#: How asyncio of Python 3.11 names the threads in which it waits for subprocesses.
CHILD_WATCHERS = ("asyncio-waitpid-", "waitpid-")


def living_threads() -> list[threading.Thread]:
    """Return the threads that run, without taking the lock that ``enumerate()`` takes."""
    try:
        return list(threading._active.values())  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):  # renamed, or changed while it was copied
        return threading.enumerate()


def thread_tables() -> tuple[Mapping[Any, threading.Thread], Mapping[Any, threading.Thread]]:
    """Return the tables of the threads that run, and of those that are being started.

    They are always the same ones. Reading them is a tenth of ``enumerate()``.
    """
    try:
        tables = threading._active, threading._limbo  # type: ignore[attr-defined]
        if list(tables[0].values()) == threading.enumerate():
            return tables
    except (AttributeError, TypeError, RuntimeError):
        pass
    return _NoTable(), {}


class _NoTable(dict[Any, threading.Thread]):
    # What it has to say is asked for as it is asked for.
    def values(self) -> Any:
        return threading.enumerate()


def signal_handlers() -> list[Any]:
    """Return the handlers of the signals that programs set, as the interpreter keeps them."""
    return list(map(_getsignal, HANDLED_SIGNALS))


#: The signals that programs set handlers for.
HANDLED_SIGNALS = [
    number
    for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGTERM",
                 "SIGCHLD", "SIGWINCH", "SIGBREAK")
    if (number := getattr(signal, name, None)) is not None
]  # fmt: skip
# The public function makes an enum member of each answer, at ten times the cost.
_getsignal: Callable[[int], Any] = getattr(
    sys.modules.get("_signal"), "getsignal", signal.getsignal
)


def policy_or_none() -> Any:
    """Return the event loop policy, if there is one; asking asyncio for it would make one."""
    return _policy_or_none()


# multiprocessing -------------------------------------------------------------------------------


def fds_of_child(process: Any) -> list[int]:
    """Return the descriptors by which this process hears of the end of one of multiprocessing.

    It closes them when it has heard of it, which is where they are written down.
    """
    finalizer = getattr(getattr(process, "_popen", None), "finalizer", None)
    return [fd for fd in getattr(finalizer, "_args", None) or () if isinstance(fd, int)]


def fds_of_multiprocessing() -> set[int]:
    """Return the descriptors that multiprocessing keeps for the rest of the run.

    They lead to its resource tracker and its fork server, which it starts when it first needs them
    and never stops.
    """
    keepers = (
        ("multiprocessing.resource_tracker", "_resource_tracker", "_fd"),
        ("multiprocessing.forkserver", "_forkserver", "_forkserver_alive_fd"),
    )
    found = (
        getattr(getattr(sys.modules.get(module), name, None), field, None)
        for module, name, field in keepers
    )
    return {fd for fd in found if isinstance(fd, int)}


# Results ---------------------------------------------------------------------------------------


def error_holder(description: str) -> Any:
    """Return what stands for a test in a result where a class or module fixture has failed.

    Results and runners know unittest's own by its type. There is a result, so unittest is loaded;
    nothing here imports it.
    """
    return sys.modules["unittest.suite"]._ErrorHolder(description)


# Threads ---------------------------------------------------------------------------------------


def raise_in_thread(thread_id: int, exception: type[BaseException]) -> None:
    """Have *exception* raised in another thread at its next step of Python code.

    It is the only means where no signal reaches: in worker threads, and on Windows. Code that
    waits inside C is reached when it returns.
    """
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), ctypes.py_object(exception)
    )


def catch_raised(exception: type[BaseException]) -> None:
    """Take the calling thread's *exception* from :func:`raise_in_thread`, had it come or not.

    The C call can also take one back, but that leaves the interpreter looking for it for ever:
    on 3.11 it then hangs at the first call under a trace function, on 3.12 it is slower. So one
    is raised for certain, and caught here.
    """
    try:
        raise_in_thread(threading.get_ident(), exception)
        while True:  # a turn or two, until it arrives
            pass
    except exception:
        pass


def active_debugger(thread_id: int) -> str | None:
    """Name the debugger that is attached to the run, or return ``None``.

    Looked for at the moment when a limit runs out, so an idle debugger costs a test nothing: a
    tool in the debugger's slot of ``sys.monitoring`` (3.12 and later), a frame of a debugger on
    the thread's stack, or a frame that such a debugger traces. A coverage tool also traces, and
    is no debugger.
    """
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is not None:
        tool = monitoring.get_tool(monitoring.DEBUGGER_ID)
        if tool is not None:
            return str(tool)
    frame = sys._current_frames().get(thread_id)
    while frame is not None:
        module = frame.f_globals.get("__name__", "").partition(".")[0]
        if module in DEBUGGERS:
            return str(module)
        tracer = frame.f_trace
        owner = getattr(tracer, "__self__", tracer)
        if _has_let_go(owner) or frame is getattr(owner, "botframe", None):
            owner = None
        for base in type(owner).__mro__ if owner is not None else ():
            module = base.__module__.partition(".")[0]
            if module in DEBUGGERS:
                return module
        frame = frame.f_back
    return None


def _has_let_go(debugger: object) -> bool:
    """Tell whether a pdb was left with "continue" and has no breakpoint at which to stop again.

    It stops tracing then, but forgets itself in the frame at which it stopped last, and in the
    outermost one.
    """
    return getattr(debugger, "stoplineno", None) == -1 and not getattr(debugger, "breaks", True)


DEBUGGERS = frozenset(
    {"bdb", "pdb", "ipdb", "pudb", "pdbpp", "pydevd", "debugpy", "_pydevd_bundle", "wdb"}
)


# TLS over a transport of our own ----------------------------------------------------------------


def tls_protocol(
    loop: Loop,
    protocol: asyncio.BaseProtocol,
    context: Any,
    waiter: asyncio.Future[None] | None,
    *,
    server_side: bool,
    server_hostname: str | None = None,
    **timeouts: Any,
) -> Any:
    """Return the protocol that does TLS between a transport and *protocol*.

    It is what ``create_connection(ssl=...)`` puts over a socket. The public ``start_tls()`` does
    the same for a connection that is made already, so that a protocol could get its first bytes
    before its ``connection_made()``.

    Args:
        loop: The loop of both.
        protocol: Who gets what was decrypted.
        context: An ``ssl.SSLContext``.
        waiter: Done after the handshake, or failed with its error.
        server_side: Whether this is the server's end.
        server_hostname: Whose certificate the client wants to see.
        timeouts: ``ssl_handshake_timeout`` and ``ssl_shutdown_timeout``, in seconds.
    """
    from asyncio import sslproto

    make: Any = sslproto.SSLProtocol
    return make(loop, protocol, context, waiter, server_side, server_hostname, **timeouts)


def tls_transport(tls: Any) -> asyncio.Transport:
    """Return the transport that :func:`tls_protocol` gave to its protocol."""
    transport: asyncio.Transport = tls._app_transport
    return transport


# Mocks -----------------------------------------------------------------------------------------


def mock_path(mock: Any) -> list[tuple[Any, str]]:
    """Return a mock and each of its ancestors, with the name by which that one knows the mock.

    They are the names that ``mock_calls`` has: empty for the mock itself, then ``get``,
    ``session.get`` and so on. A mock keeps its parent and its name there under private names only.
    """
    found = [(mock, "")]
    name = mock.__dict__.get("_mock_new_name") or ""
    parent = mock.__dict__.get("_mock_new_parent")
    while parent is not None:
        found.append((parent, name))
        above = parent.__dict__.get("_mock_new_name")
        if above:
            name = above + ("" if name.startswith("()") else ".") + name
        parent = parent.__dict__.get("_mock_new_parent")
    return found


def set_mock_signature(mock: Any, signature: Any) -> None:
    """Have the assertions of a mock compare calls as *signature* binds them.

    The constructor takes the signature from what it is given as a spec, and gets bound methods,
    static methods and callable instances wrong there.
    """
    mock.__dict__["_spec_signature"] = signature


def mock_own_name(mock: Any) -> str:
    """Return the name by which the parent of a mock knows it, ``()`` for what a call gives."""
    return mock.__dict__.get("_mock_new_name") or ""


def mock_allows(mock: Any, name: str) -> bool:
    """Tell whether the spec of a mock has *name*, or the mock was told not to mind."""
    own = mock.__dict__
    return name in (own.get("_mock_methods") or ()) or bool(own.get("_mock_unsafe"))


def adopt_mock(mock: Any, name: str, make: Callable[[], Any]) -> Any:
    """Return the child that a mock has under *name*, made now unless it was before.

    ``setattr()`` would do it, too, but takes the child for one that the user has set.
    """
    children = mock.__dict__["_mock_children"]
    if name not in children:
        children[name] = make()
    return children[name]
