"""What a test hides or leaves behind, collected while it runs and told at its end.

One :class:`Collector` per test. What the interpreter and the loop report arrives by itself; what is
left on the loop is looked up when that is wound down, and what is left of the test, and of its
changes to the process, after the loop is closed.
Invariant: each cause is one finding, of the kind that says most about it: a session that is open
hides its connection, and that its socket.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import warnings
from asyncio.log import logger
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from . import _internals, _settings
from ._audit import blocking, hooks
from ._audit.loop import pending_findings, told_generators
from ._audit.process import Snapshot, forget_files
from ._audit.survivors import look_through
from ._audit.things import PROCESS, SESSION, describe_coroutine
from ._audit.window import Window
from ._kinds import DEFAULT, KINDS, Finding, Policy
from ._report import Place, indent, is_plumbing, one_line
from .errors import LeakError, LeakWarning, StuckError, TimeLimitError

__unittest = True

_ADVICE = (
    "They were found after the test's cleanups. Await, cancel or close each of them in the test\n"
    "or its teardown."
)
_LEVEL_ADVICE = 'leaks = "warn" on the class only warns of them, "off" says nothing.'

_BY = " by  "

# Keys that stand for anything of a kind: a pipe does not say whose it is.
_FAMILIES = {PROCESS: "processes", SESSION: "sessions"}

# Which of two findings of one cause says more.
_RANK = {
    kind: rank
    for rank, kind in enumerate(
        ("sessions", "loops", "processes", "servers", "transports", "sockets", "threads",
         "resources", "readers", "files")
    )
}  # fmt: skip


class Collector:
    """The findings of one test.

    Args:
        policy: What each kind means to the test.
        windowed: Whether it is all of a test, so that what is left of it can be told from what was
            there before; a fixture of a class is not.
    """

    __slots__ = (
        "_below", "_blocked", "_findings", "_keys", "_origin_depth", "_owed", "_recorder",
        "_snapshot", "_window", "is_held", "is_open", "policy", "shared_loop",
    )  # fmt: skip

    def __init__(self, policy: Policy = DEFAULT, *, windowed: bool = False) -> None:
        self.policy = policy
        self._findings: list[Finding] = []
        self._keys: dict[Any, int] = {}
        self._owed: list[Callable[[], str | None]] = []
        self._blocked: dict[Place, float] = {}
        self._recorder = _internals.warning_recorder()
        self._origin_depth = 0
        self._below: Collector | None = None
        self._window = Window() if windowed else None
        self._snapshot: Snapshot | None = None
        #: Whether the hooks report here.
        self.is_open = False
        #: Whether the loop lives on when the test is over.
        self.shared_loop = False
        #: Says which of some things somebody around the test answers for.
        self.is_held: Callable[[list[Any]], set[int]] | None = None

    # The window in which the process's hooks report here ----------------------------------------

    def begin(self) -> None:
        """Become the collector of this thread."""
        hooks.set_hooks()
        if self.policy.level("blocking") != "off":
            blocking.look_out()
        if self._window is not None:
            # First: it may collect what earlier tests have left, and that is not this one's.
            self._window.open()
        me = threading.get_ident()
        self._below = hooks.current.get(me)
        hooks.current[me] = self
        self.is_open = True
        self._origin_depth = sys.get_coroutine_origin_tracking_depth()
        if self._origin_depth == 0:
            sys.set_coroutine_origin_tracking_depth(_origin_depth())
        if self._window is not None:
            self._snapshot = Snapshot(self.policy)

    def end(self) -> None:
        """Look at what is left, and hand over to the collector before."""
        if not self.is_open:
            return
        try:
            if self._window is not None:
                self._look_at_what_is_left(self._window)
        finally:
            self.is_open = False
            self._hand_over()
            self._note_blocked()

    def note_hidden(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say once in a run what a loop of another make does not show."""
        hidden = [k for k in _internals.hidden_on(loop) if self.policy.level(k) != "off"]
        if hidden:
            kind = type(loop)
            hooks.tell_not_checked(
                ", ".join(hidden), f" on {kind.__module__}.{kind.__qualname__}, which hides them"
            )

    def forget_window(self) -> None:
        """Look at nothing but what is reported, and at the loop."""
        window, self._window, self._snapshot = self._window, None, None
        if window is not None:
            window.close([])

    def _hand_over(self) -> None:
        me = threading.get_ident()
        if hooks.current.get(me) is self:
            if self._below is None:
                del hooks.current[me]
            else:
                hooks.current[me] = self._below
            if self._origin_depth == 0:
                sys.set_coroutine_origin_tracking_depth(0)
        self._below = None
        self._keys = {}

    def _look_at_what_is_left(self, window: Window) -> None:
        answered_for: list[object] = []
        snapshot, self._snapshot = self._snapshot, None
        try:
            if window.is_shared:
                hooks.tell_not_checked(
                    "things that a test still holds, threads, files and signal handlers",
                    ": tests run side by side in threads here, and which is whose can't be told",
                )
                return
            found = look_through(window.survivors())
            answered_for += [left.thing for left in found]
            if found and self.is_held is not None:
                held = self.is_held(answered_for)
                found = [left for left in found if id(left.thing) not in held]
            for left in found:
                self.add(left.finding, *left.keys)
                if left.finding.kind == "generators":
                    told_generators.add(left.thing)
            if snapshot is not None and not window.is_shared:
                for left in snapshot.changes(shared_loop=self.shared_loop):
                    self.add(left.finding, *left.keys)
        finally:
            window.close(answered_for)
            if self._findings:
                forget_files()  # what was found is closed when the test is let go
            below = self._below
            if below is not None and below._snapshot is not None:
                below._snapshot.note_inner()

    # Findings -----------------------------------------------------------------------------------

    def add(self, finding: Finding, *keys: Any) -> bool:
        """Take a finding, unless it is none here or its cause is known; tell whether it is taken.

        Args:
            finding: What was found.
            keys: What stands for its cause; another finding with one of these is the same one.
        """
        if self.policy.judge(finding) == "off":
            for key in keys:
                self._keys.setdefault(key, -1)  # allowed, and so is what comes of it
            return False
        same = self._known_cause(finding, keys)
        if same is None:
            same = len(self._findings)
            self._findings.append(finding)
        elif same >= 0 and _says_more(finding, self._findings[same]):
            self._findings[same] = finding
        for key in keys:
            self._keys[key] = same
        return True

    def _known_cause(self, finding: Finding, keys: tuple[Any, ...]) -> int | None:
        """Return the number of the finding with the same cause, -1 if that is allowed."""
        own = [key for key in keys if key not in _FAMILIES]
        for key in (*own, *keys):
            same = self._keys.get(key)
            # The pipes of any process are told of with it; another process is another cause.
            if same is None or (
                own
                and _FAMILIES.get(key) == finding.kind
                and (same < 0 or self._findings[same].kind == finding.kind)
            ):
                continue
            return same
        return None

    # What arrives by itself ---------------------------------------------------------------------

    def on_loop_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what the loop would only have logged; an exception handler for a loop."""
        error = context.get("exception")
        text = str(context.get("message") or "Unhandled exception in event loop")
        task = context.get("task") or context.get("future")
        kind, name = "callbacks", type(error).__name__ if error is not None else text
        keys: tuple[Any, ...] = ()
        if isinstance(task, asyncio.Task):
            text += f": task {task.get_name()!r}"
            name = task.get_name()
        if "was never retrieved" in text:
            kind = "exceptions"
        session = context.get("client_session") or context.get("connector")
        if session is not None:
            # aiohttp says it here and by a warning.
            kind, name, keys = "sessions", type(session).__name__, (SESSION,)
            text = text.replace("Unclosed client session", "client session was not closed")
        if error is not None:
            text += f": {one_line(error)}"
        if not self.add(Finding(kind, name, text, cause=error), *keys):
            loop.default_exception_handler(context)

    def on_unawaited(self, coroutine: Coroutine[Any, Any, Any]) -> bool:
        """Take a coroutine that is destroyed although nobody has awaited it; tell whether."""
        name = getattr(coroutine, "__qualname__", repr(coroutine))
        if _internals.warning_recorder() is not self._recorder or _internals.ignored_by_filters(
            f"coroutine '{name}' was never awaited", RuntimeWarning
        ):
            return False  # the test itself looks at the warnings, or has asked for silence
        finding = describe_coroutine(coroutine)
        # Where warnings are errors, that of one which is allowed would be a finding of its own.
        return self.add(finding) or self.policy.allows(finding)

    def on_resource(self, message: Any) -> bool:
        """Take a warning about a resource that was destroyed open; tell whether."""
        if _internals.warning_recorder() is not self._recorder:
            return False
        text = str(message.message)
        kind, name = _kind_of_resource(text, message.source)
        keys: tuple[Any, ...] = hooks.fd_in(text) if kind != "files" else ()
        if kind == "processes":
            keys = (*_pid_in(text), PROCESS)
        elif kind == "sessions":
            keys = (SESSION,)
        # The line that let go of it last: of the user's, or it says nothing.
        where = str(message.filename)
        if is_plumbing(where) or _is_of(message.source, where):
            where = ""
        finding = Finding(kind, name, _text_of_resource(text, where, message.lineno))
        before = self._keys.get(keys[0]) if keys and kind != "processes" else None
        if before is not None and before >= 0 and self._findings[before].kind == kind:
            keys = ()  # a number that was used again: two causes
        return self.add(finding, *keys) or self.policy.allows(finding)

    def on_unraisable(self, report: Any) -> bool:
        """Take an exception that nobody can get, of a destructor for one; tell whether."""
        error = report.exc_value
        if error is None:
            return False
        what = getattr(report.object, "__qualname__", None) or type(report.object).__name__
        text = f"{report.err_msg or 'exception ignored in'} {what}: {one_line(error)}"
        return self.add(Finding("unraisable", what, text, cause=error))

    def on_thread_exception(self, report: Any) -> bool:
        """Take an exception that has ended a thread of this test; tell whether."""
        thread, error = report.thread, report.exc_value
        if error is None or (
            self._snapshot is not None and thread is not None and self._snapshot.is_old(thread)
        ):
            return False
        name = thread.name if thread is not None else "?"
        text = f"thread {name!r} ended with  {one_line(error)}"
        return self.add(Finding("thread_exceptions", name, text, cause=error))

    def on_gathered(self, error: BaseException, name: str) -> None:
        """Take an exception that ``gather()`` has dropped."""
        text = f"gather() has dropped the exception of {name!r}: {one_line(error)}"
        self.add(Finding("gather", name, text, cause=error))

    def on_blocked(self, place: Place, lasted: float) -> None:
        """Take a line that blocks the loop, from the watchdog's thread; each time it lasts on."""
        self._blocked[place] = max(lasted, self._blocked.get(place, 0.0))

    def _note_blocked(self) -> None:
        for place, lasted in self._blocked.copy().items():
            text = f"the loop was blocked for at least {lasted * 1000:.0f} ms{_BY}{place}"
            self.add(Finding("blocking", place.function, text))

    # What is looked up when the loop is wound down ----------------------------------------------

    def owe(self, check: Callable[[], str | None]) -> None:
        """Have *check* called after the test; a text that it returns is a finding."""
        self._owed.append(check)

    def note_pending(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Take tasks that are still pending after the test's cleanups."""
        allowed = self.policy.allowed.get("tasks")
        if allowed:
            tasks = [t for t in tasks if not self.policy.allows(Finding("tasks", t.get_name(), ""))]
        for finding in pending_findings(list(tasks)):
            self.add(finding)

    def note_unretrieved(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Take tasks that failed and whose exception nobody has looked at."""
        for task in tasks:
            error = _internals.mark_retrieved(task)
            if error is not None:
                name = task.get_name()
                text = f"Task exception was never retrieved: task {name!r}: {one_line(error)}"
                self.add(Finding("exceptions", name, text, cause=error))

    def note_clock(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the failure of a patched ``time.monotonic()`` inside the loop."""
        error = getattr(loop, "clock_error", None)
        if error is not None:
            text = (
                f"time.monotonic() is patched and raised {type(error).__name__} inside the event "
                "loop, which reads it too; patch the name in the module under test instead"
            )
            self.add(Finding("clock", "time.monotonic", text, cause=error))

    # The verdict --------------------------------------------------------------------------------

    @property
    def has_findings(self) -> bool:
        """Whether there is anything to tell."""
        if self._owed:
            self._collect_debts()
        return bool(self._findings)

    def _collect_debts(self) -> None:
        owed, self._owed = self._owed, []
        for check in owed:
            text = check()
            if text is not None:
                self.add(Finding("coroutines", text, text))

    @property
    def findings(self) -> list[Finding]:
        """The findings so far, in the order of the table of kinds."""
        return sorted(self._findings, key=lambda finding: _ORDER[finding.kind])

    def tell(
        self,
        test: str,
        test_id: str,
        advice: str = _ADVICE,
        level_advice: str = _LEVEL_ADVICE,
        *,
        passed: bool = True,
    ) -> Verdict:
        """Return what is to be said of all this, by level, less what the ledger knows."""
        ledger = _settings.ledger()
        errors: list[Finding] = []
        warned: list[Finding] = []
        for finding in self.findings:
            if ledger is not None and ledger.knows(test_id, finding, passed=passed):
                continue
            (errors if self.policy.judge(finding) == "error" else warned).append(finding)
        return Verdict(test, errors, warned, advice, [*_overdue(test_id, errors), level_advice])


class Verdict:
    """What is to be said of a test's findings.

    Args:
        test: Whose they are.
        errors: Findings that fail it.
        warned: Findings that it is warned of.
        advice: What to do about them.
        last: What the message ends with: of what the ledger has tolerated for too long, of levels.
    """

    def __init__(
        self,
        test: str,
        errors: list[Finding],
        warned: list[Finding],
        advice: str,
        last: list[str],
    ) -> None:
        self.test = test
        self.errors = errors
        self.warned = warned
        self._advice = advice
        self._last = last

    def error(self) -> LeakError | None:
        """Return the error that lists all findings that fail the test, or ``None``."""
        if not self.errors:
            return None
        count = len(self.errors)
        things = "1 thing was" if count == 1 else f"{count} things were"
        texts = [finding.text for finding in self.errors]
        listed = "\n".join(indent(text.splitlines()) for text in folded(texts))
        parts = [
            f"{things} left behind or hidden by {self.test}.\n\n{listed}\n\n{self._advice}",
            f"What is meant to live on can be allowed:\n    {allowance(self.errors)}",
            *self._last,
        ]
        error = LeakError("\n".join(parts), texts, [finding.kind for finding in self.errors])
        causes = [finding.cause for finding in self.errors if finding.cause is not None]
        if len(causes) == 1:
            error.__cause__ = causes[0]
        elif causes:
            error.__cause__ = BaseExceptionGroup("hidden exceptions", causes)
        return error

    def warn(self, place: Place | None = None) -> None:
        """Give each finding of that level as a warning, at *place*, the test's own line.

        Raises:
            LeakWarning: If the filters make errors of warnings.
        """
        for found in folded([finding.text for finding in self.warned]):
            text = f"{self.test}: {found}"
            if place is None:
                warnings.warn(text, LeakWarning, stacklevel=2)
            else:
                warnings.warn_explicit(text, LeakWarning, place.file, place.line, registry={})

    def problems(self, place: Place | None = None) -> list[Exception]:
        """Warn, and return what fails the test."""
        found: list[Exception] = []
        try:
            self.warn(place)
        except LeakWarning as warning:
            found.append(warning)
        error = self.error()
        return found if error is None else [error, *found]

    def note(self, failure: BaseException | None = None) -> str:
        """Return all findings as a note on *failure*, less what that has told itself."""
        told = str(failure) if isinstance(failure, (StuckError, TimeLimitError)) else ""
        findings = [*self.errors, *self.warned]
        texts = [finding.text for finding in findings if not _is_told(finding, told)]
        listed = "\n".join(indent(text.splitlines()) for text in folded(texts))
        return f"The test has also left behind or hidden:\n{listed}" if texts else ""

    def log(self) -> None:
        """Tell the errors where there is nothing that a note could stand on."""
        for finding in self.errors:
            if finding.cause is not None:
                logger.error("hidden by %s, which failed", self.test, exc_info=finding.cause)
            elif finding.kind == "coroutines":
                logger.warning("%s: %s", self.test, finding.text)


def owe(check: Callable[[], str | None]) -> None:
    """Have *check* called after the test that runs in this thread; outside of one, do nothing.

    Args:
        check: Returns what is wrong, as one line, or ``None``. What was begun and has to be ended
            (a call that has to be awaited, a context to be left) is owed until then.
    """
    collector = hooks.here()
    if collector is not None:
        collector.owe(check)


def _origin_depth() -> int:
    """Return how many frames of origin a coroutine has to keep for its line to be named.

    One frame, the line that made it, costs a fraction of a microsecond; debug mode's ten frames
    cost ten times that. What a mock makes is made inside of the mock, some frames further in; and
    the request of an aiohttp session inside of ``session.get()``.
    """
    if f"{__package__}.mocks" in sys.modules:
        return 5
    return 3 if "unittest.mock" in sys.modules or "aiohttp" in sys.modules else 1


def add_to_report(result: Any, test: object, note: str) -> bool:
    """Put *note* beneath the failure of *test* that a result has already written; tell whether."""
    for name in ("failures", "errors"):
        entries = getattr(result, name, None)
        if not isinstance(entries, list):
            continue
        for index in range(len(entries) - 1, -1, -1):
            entry = entries[index]
            if isinstance(entry, tuple) and len(entry) == 2 and entry[0] is test:
                entries[index] = (test, f"{entry[1].rstrip()}\n\n{note}\n")
                return True
    return False


def note_passed(test_id: str) -> None:
    """Note that a test has run to its end, for the ledger of known leaks."""
    ledger = _settings.ledger()
    if ledger is not None:
        ledger.note_passed(test_id)


def folded(texts: Iterable[str]) -> list[str]:
    """Return each text once, with how often it was there.

    Example:
        >>> folded(["a call", "a task", "a call"])
        ['2 times: a call', 'a task']
    """
    return [
        text if count == 1 else f"{count} times: {text}" for text, count in Counter(texts).items()
    ]


def allowance(findings: Iterable[Finding]) -> str:
    """Return the line that allows *findings*."""
    names: dict[str, list[str]] = {}
    for finding in findings:
        known = names.setdefault(finding.kind, [])
        if finding.name not in known:
            known.append(finding.name)
    given = ", ".join(
        f"{kind}={known[0]!r}" if len(known) == 1 else f"{kind}=({', '.join(map(repr, known))})"
        for kind, known in names.items()
    )
    return f"@allow_leaks({given})".replace("'", '"')


def _is_told(finding: Finding, told: str) -> bool:
    """Tell whether the text of a hang, which lists who waits and where, names what was found."""
    if finding.kind == "tasks":
        return repr(finding.name) in told
    return finding.kind == "blocking" and finding.text.partition(_BY)[2] in told


def _overdue(test_id: str, findings: list[Finding]) -> list[str]:
    ledger = _settings.ledger()
    if ledger is None:
        return []
    entries = [ledger.overdue(test_id, finding) for finding in findings]
    return [
        f"The ledger {ledger.path} has tolerated {entry.kind} {entry.name!r} until {entry.until} "
        f"({entry.reason})."
        for entry in dict.fromkeys(entries)
        if entry is not None
    ]


_ORDER = {kind: number for number, kind in enumerate(KINDS)}


def _says_more(new: Finding, old: Finding) -> bool:
    most = len(_RANK)
    return _RANK.get(new.kind, most) < _RANK.get(old.kind, most)


_RESOURCES = (
    ("Unclosed client session", "sessions"),
    ("Unclosed connector", "sessions"),
    ("unclosed event loop", "loops"),
    ("unclosed running event loop", "loops"),
    ("unclosed <socket", "sockets"),
    ("unclosed <ssl.SSLSocket", "sockets"),
    ("unclosed transport", "transports"),
    ("unclosed <StreamWriter", "transports"),
    ("unclosed file", "files"),
    ("subprocess ", "processes"),
    ("unclosed transport <_UnixSubprocessTransport", "processes"),
)


def _kind_of_resource(text: str, source: object) -> tuple[str, str]:
    name = type(source).__name__ if source is not None else text.partition(" ")[2][:60]
    if isinstance(source, asyncio.SubprocessTransport):
        return "processes", name
    for beginning, kind in _RESOURCES:
        if text.startswith(beginning):
            return kind, name
    return "resources", name


_PID = re.compile(r"\b(?:subprocess |pid=)(\d+)")


def _pid_in(text: str) -> tuple[tuple[str, int], ...]:
    found = _PID.search(text)
    return (("pid", int(found[1])),) if found else ()


def _is_of(source: object, file: str) -> bool:
    """Tell whether *file* is that of the class of *source*: a destructor's line says nothing."""
    module = sys.modules.get(type(source).__module__)
    return source is not None and getattr(module, "__file__", None) == file


def _text_of_resource(text: str, file: str, line: int) -> str:
    text = f"{text[:1].lower()}{text[1:]}"
    place = Place(file, line, "")
    return f"{text}, destroyed at  {place}" if file not in ("", "sys") else text
