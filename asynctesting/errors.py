"""Every exception and warning that asynctesting raises, and what to do about each.

This file imports nothing of ours, so that any other part may raise what stands here.
An error that judges a test (a limit, a leak) is an ``AssertionError``: unittest and pytest
count it as a failure. An error that says "this was written wrongly" is a ``TypeError`` or a
``ValueError``, as early as the mistake can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AsyncTestingError",
    "BridgeError",
    "ClockScriptError",
    "ClockStoppedError",
    "DeadlockError",
    "FixtureError",
    "GraceWarning",
    "LateTeardownWarning",
    "LeakError",
    "LeakWarning",
    "LivelockError",
    "NetworkVerdictError",
    "NotCheckedWarning",
    "ScopeCancelledError",
    "ScopeError",
    "SettingError",
    "SilentPassError",
    "StuckError",
    "TimeLimitError",
    "UnsetError",
]

__unittest = True


class AsyncTestingError(Exception):
    """The common base of the errors of this package, for an ``except`` that means them all."""


class SilentPassError(AsyncTestingError, TypeError):
    """A test or a hook is written so that it would never run, and would pass for that reason.

    Raised when the class is made, where the mistake can be seen there (``async def setUp``, a
    test with a ``yield`` in it, a misspelt ``asyncSetup``), otherwise when the test runs (a test
    that returns a generator). The usual cause is a leftover ``yield`` or a hook's name from
    another framework; the message names the method and the right spelling.
    """


class SettingError(AsyncTestingError, ValueError):
    """A setting has a value that can't be meant: a negative limit, an unknown name.

    Raised when the class is made for class attributes and decorators, and at the start of the run
    for ``ASYNCTESTING_...`` environment variables. The message quotes the value and says which
    ones are possible.
    """


class TimeLimitError(AsyncTestingError, AssertionError):
    """A test took longer than its limit of real seconds.

    The limit covers set-up, test, teardown, cleanups and the closing of the loop. The usual cause
    is an ``await`` that nobody answers; the message shows the line. Where synchronous code blocks
    the loop, it shows that line instead. Give an honest slow test longer with ``@timeout(seconds)``
    or the class attribute ``timeout``; ``None`` switches the limit off.

    Attributes:
        limit: The limit in real seconds, or ``None`` where only a grace period ran out.
        phase: What was running: ``"set-up"``, ``"test"``, ``"teardown"``, ``"cleanup"`` or
            ``"closing"``.
        waiting: One line of text per task that was waiting, the test's own first.
    """

    def __init__(
        self,
        message: str,
        *,
        limit: float | None = None,
        phase: str = "test",
        waiting: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        # What a picture of the last steps is drawn from.
        self._timeline: object = None
        self.limit = limit
        self.phase = phase
        self.waiting = tuple(waiting)


class BridgeError(AsyncTestingError, RuntimeError):
    """The bridge from synchronous code to a coroutine was used where it can't stand.

    Raised by ``get_async_result()``, its class method twin and ``@async_test``: inside of a
    running event loop (write ``await``), from another thread than the test's, outside of a
    running test, for a future of another loop, or on a class that awaits by itself
    (``AsyncTestCase``: just write ``async def``). A coroutine that was handed over is closed, so
    that no "never awaited" follows. The message says what to write instead.
    """


class LeakError(AsyncTestingError, AssertionError):
    """A test passed, but left something behind or hid a failure.

    Raised after the test's cleanups: tasks still pending, exceptions that nobody retrieved,
    coroutines never awaited, servers and connections left open. The usual cause is a missing
    ``await`` or ``close()``; each finding names its line. What is meant to live on is allowed with
    ``@allow_leaks(tasks="poll-*")``; ``leaks = {"tasks": "warn"}`` on the class changes what a kind
    of leak is, and ``leaks = "warn"`` (or ``ASYNCTESTING_LEAKS=warn``) all of them.

    Attributes:
        findings: One text per finding.
        kinds: The kind of each, such as ``"tasks"``.
    """

    def __init__(
        self, message: str, findings: Sequence[str] = (), kinds: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.findings = tuple(findings)
        self.kinds = tuple(kinds)


class LeakWarning(AsyncTestingError, UserWarning):
    """What :exc:`LeakError` says, as a warning: for ``leaks = "warn"``, and for likely bugs.

    Some kinds of leaks are warnings unless ``leaks`` says otherwise, timers and threads for two.
    """


class NotCheckedWarning(AsyncTestingError, RuntimeWarning):
    """Something could not be checked or made here, once per run, and why.

    Given where the interpreter or the event loop lacks what a check needs. The tests run all the
    same; only that check is missing.
    """


class FixtureError(AsyncTestingError, TypeError):
    """A fixture can't be made as it is written.

    Raised when the class is made for what can be seen there: fixtures that ask for each other in a
    circle, a parameter that no fixture has as its name, a wide fixture that asks for one that is
    narrower. Raised when the tests run for a generator that yields never, or twice. The message
    draws the path from the class to the mistake.
    """


class ScopeError(AsyncTestingError, RuntimeError):
    """Something was asked of a scope that is not there, or not at this moment.

    The usual cause is a class whose ``loop_scope`` is narrower than what it calls:
    ``enterModuleAsyncContext()`` needs a class with ``loop_scope = "module"`` or wider.
    """


class ScopeCancelledError(AsyncTestingError, RuntimeError):
    """Something that a class, module or session had entered has cancelled it, and did not say why.

    A ``TaskGroup`` or an ``asyncio.timeout`` says why at its exit, and then its own exception is
    reported in place of this one. The usual causes of this one are a bare ``task.cancel()`` and a
    cancel scope of anyio, which is silent at its exit; the message names who has called.
    """


class LateTeardownWarning(AsyncTestingError, RuntimeWarning):
    """A class, module or session was torn down only when the process ended.

    The runner has told nobody that the run was over, so failures of that teardown are printed but
    counted nowhere. Run the tests with a runner that calls ``stopTestRun()`` on its result, as
    unittest does, or under pytest with the plugin of this package.
    """


class StuckError(AsyncTestingError, AssertionError):
    """A test waits for something that can't happen; the common base of the errors that say so.

    Raised in the test, by cancelling what it waits for, so that its ``finally`` blocks run.

    Attributes:
        waiting: One line of text per task that was waiting.
    """

    def __init__(self, message: str, *, waiting: Sequence[str] = ()) -> None:
        super().__init__(message)
        self._timeline: object = None  # as above
        self.waiting = tuple(waiting)


class DeadlockError(StuckError):
    """Nothing is left that could ever wake the test.

    No step is ready, no timer is set, no input is awaited, and no thread or process is at work
    that could call back. The usual cause is an event that nobody sets, a reply that nobody sends,
    or two tasks that each hold the lock the other one needs. The message shows who waits for whom
    and marks such a circle with a star.

    Attributes:
        cycle: The names of the tasks that wait for each other, in order; empty if there is no
            such circle.
    """

    def __init__(
        self, message: str, *, waiting: Sequence[str] = (), cycle: Sequence[str] = ()
    ) -> None:
        super().__init__(message, waiting=waiting)
        self.cycle = tuple(cycle)


class ClockStoppedError(StuckError):
    """Everybody waits for a virtual clock that only the test moves, and the test waits, too.

    Raised when the clock is manual, timers are waiting and no ``advance()`` is under way. Either
    the test is to call ``await clock.advance(seconds)`` in place of the sleep, or time may jump
    by itself here: ``with clock.auto():``. Raised as well when the clock is held by
    ``clock.hold()``, and nothing outside is there that could end the wait.
    """


class LivelockError(StuckError):
    """Something runs on and on without getting anywhere.

    On a virtual clock: the loop has turned many thousand times at one instant, so time never
    passes. The usual cause is a loop around ``asyncio.sleep(0)`` that waits for a condition; wait
    for an event, or sleep a little. ``clock.max_turns`` raises the bound. Also raised by
    ``advance_until_idle()`` when timers are set again and again.
    """


class GraceWarning(AsyncTestingError, RuntimeWarning):
    """A virtual clock has waited in vain for something real, and goes on without it.

    A thread, a process or a server outside was at work and neither finished nor answered within
    ``clock.patience``. A timeout that now fires may be a false one. Give what is meant to go on
    beside the test to ``clock.background(...)``; wait longer with ``clock.patience``; or put the
    stretch in which it matters into ``with clock.hold():``.
    """


class ClockScriptError(AsyncTestingError, AssertionError):
    """The code under test read the monotonic clock more often than its script has readings.

    Raised by ``time.monotonic()`` itself, in the code under test, after ``clock.script([...])``.
    The usual cause is a second look at the clock that the test's author did not know of. Add a
    reading to the script, or move the clock with ``clock.advance()`` in its place.
    """


class UnsetError(AsyncTestingError, AssertionError):
    """The code under test used something of a mock that the test has not said.

    Raised where a mock of ``autospec()`` is asked for a value that only the test can know: a
    property that was never set, the result of a method that gives a number, a text or a dataclass,
    an iteration over nobody knows what, one call more than ``side_effect`` has items. The message
    says what to set. A made-up mock in its place would be true and compare unequal to everything,
    and the test would pass for that reason.
    """


class NetworkVerdictError(AsyncTestingError, AssertionError):
    """The network of a test has seen something that must not pass, whoever noticed it or not.

    Raised when an ``HTTPNetwork`` is left: requests that no stub answered, even where the code
    under test has swallowed the error; stubs that were never used; hosts that nobody declared;
    handlers that raised; requests and connections that were still open. Each finding says what to
    do. Where the test has failed already, the same text is a note on its failure.

    Attributes:
        findings: One text per finding.
    """

    def __init__(self, message: str, findings: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)
