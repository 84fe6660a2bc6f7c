"""``python -m asynctesting record FILE``: run tests as they are, and write down what really ran.

It looks on from outside, so it records a suite under its own framework as well as on
AsyncTestCase: which tests were executed, how each ended, whether the body of each really ran to
its end, and how many of unittest's assertions it made. ``verify`` compares two such records.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import platform
import runpy
import sys
import unittest
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from types import CodeType
from typing import Any

from ._bodies import Watch, body_of, kind_of

__unittest = True

PROGRAM = "python -m asynctesting record"
VERSION = 1
_USAGE = f"""\
usage: {PROGRAM} FILE [-m RUNNER] [arguments of the runner]

Run tests and write a record of what really ran to FILE.

RUNNER is 'asynctesting' unless -m says otherwise: 'unittest' or 'pytest' for a suite under its own
framework, or another module that runs unittest tests in one process.
"""

# The worst thing that happened to a test is its outcome.
_WORST_LAST = (
    "passed", "expected failure", "skipped", "unexpected success", "failed", "error"
)  # fmt: skip


@dataclass(slots=True)
class Entry:
    """What became of one test.

    Attributes:
        file: The file of its class or function, from the current directory.
        name: Its class and name.
        case: Which of its parameters, if it has any.
        outcome: ``"passed"``, ``"failed"``, ``"error"``, ``"skipped"``, ``"expected failure"`` or
            ``"unexpected success"``.
        kind: What a call of its body gives: ``"sync"``, ``"coroutine"``, ``"generator"``..., or
            ``"not loaded"`` for a file whose tests are not known for an error in it.
        finished: Whether its body ran to its end.
        started: Whether its body began to run.
        assertions: How many assertions of ``TestCase`` it made.
    """

    file: str
    name: str
    case: str = ""
    outcome: str = "passed"
    kind: str = "sync"
    finished: bool = False
    started: bool = False
    assertions: int = 0


@dataclass(slots=True)
class Recorder:
    """Collects an entry per test, from a run of any kind."""

    entries: list[Entry] = field(default_factory=list)
    _watch: Watch = field(default_factory=Watch)
    _current: Entry | None = None
    _code: CodeType | None = None
    _counts: tuple[int, int] = (0, 0)
    _depth: int = 0
    _running: list[object] = field(default_factory=list)

    def begin(self, file: str, name: str, case: str, function: Any, test: object = None) -> None:
        """Take note that a test begins; one that another test runs is that one's business."""
        if self._running:
            if test is not self._running[-1]:
                self._running.append(test)
            return
        self._running.append(test)
        name, case = _generated(name, case, function)
        self._code = body_of(function, name.rpartition(".")[2])
        if self._code is not None:
            self._watch.add(self._code)
            self._counts = self._watch.starts[self._code], self._watch.ends[self._code]
        self._current = Entry(_relative(file), name, case, kind=kind_of(self._code))
        self.entries.append(self._current)

    def outcome(self, word: str) -> None:
        """Take note of something that happened to the current test."""
        entry = self._current
        if len(self._running) > 1:
            return
        if entry is not None and _WORST_LAST.index(word) > _WORST_LAST.index(entry.outcome):
            entry.outcome = word

    def end(self) -> None:
        """Take note that the current test has ended."""
        if self._running:
            self._running.pop()
        if self._running:
            return
        if self._current is not None and self._code is not None:
            started, ended = self._counts
            self._current.started = self._watch.starts[self._code] > started
            self._current.finished = self._watch.ends[self._code] > ended
        self._current = self._code = None

    def outside(self, name: str, word: str, kind: str = "unknown") -> None:
        """Take note of an error that belongs to no test."""
        if not self._running:
            self.entries.append(Entry("", name, outcome=word, kind=kind))

    def write(self, path: str, command: Sequence[str]) -> None:
        """Write all entries to the file *path*."""
        record = {
            "version": VERSION,
            "python": platform.python_version(),
            "command": list(command),
            "tests": [asdict(entry) for entry in self.entries],
        }
        with open(path, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
            file.write("\n")

    # Looking on -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look on."""
        self._watch.start()
        for name in dir(unittest.TestCase):
            if name.startswith("assert"):
                setattr(unittest.TestCase, name, self._counted(getattr(unittest.TestCase, name)))

    def stop(self) -> None:
        """Stop looking on."""
        self._watch.stop()
        for name in dir(unittest.TestCase):
            original = getattr(getattr(unittest.TestCase, name), "__wrapped__", None)
            if name.startswith("assert") and original is not None:
                setattr(unittest.TestCase, name, original)

    def _counted(self, assertion: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(assertion)
        def counted(*args: Any, **kwargs: Any) -> Any:
            if self._current is not None and not self._depth:
                self._current.assertions += 1
            self._depth += 1
            try:
                return assertion(*args, **kwargs)
            finally:
                self._depth -= 1

        return counted


def _generated(name: str, case: str, function: Any) -> tuple[str, str]:
    """Return the test that a generated one was written as, and which of its cases this is."""
    written = getattr(getattr(function, "__wrapped__", None), "__name__", "")
    scope, _, short = name.rpartition(".")
    if not written or case or not short.startswith(f"{written}__"):
        return name, case
    return f"{scope}.{written}" if scope else written, short.removeprefix(f"{written}__")


def _relative(file: str) -> str:
    return os.path.relpath(file).replace(os.sep, "/") if file else ""


# unittest ---------------------------------------------------------------------------------------


def _listen_to_unittest(recorder: Recorder) -> Callable[[], None]:
    """Have every result of unittest tell *recorder*; return what undoes that."""
    result: Any = unittest.TestResult
    originals = {name: getattr(result, name) for name in (*_WORDS, "startTest", "stopTest")}

    def start_test(self: Any, test: Any) -> None:
        cls = type(test)
        name = getattr(test, "_testMethodName", "")
        if cls.__module__ == "unittest.loader":
            recorder.outside(name, "error", "not loaded")
        elif name:
            file = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
            function = getattr(test, name, None)
            recorder.begin(file, f"{cls.__qualname__}.{name}", "", function, test)
        else:
            recorder.begin("", str(test.id()), "", getattr(test, "_testFunc", None), test)
        originals["startTest"](self, test)

    def stop_test(self: Any, test: Any) -> None:
        if type(test).__module__ != "unittest.loader":
            recorder.end()
        originals["stopTest"](self, test)

    def adder(name: str, word: str) -> Callable[..., None]:
        def add(self: Any, test: Any, *args: Any) -> None:
            _tell(recorder, name, word, test, args)
            originals[name](self, test, *args)

        return add

    result.startTest, result.stopTest = start_test, stop_test
    for name, word in _WORDS.items():
        setattr(result, name, adder(name, word))

    def undo() -> None:
        for name, original in originals.items():
            setattr(result, name, original)

    return undo


_WORDS = {
    "addSuccess": "passed",
    "addError": "error",
    "addFailure": "failed",
    "addSkip": "skipped",
    "addExpectedFailure": "expected failure",
    "addUnexpectedSuccess": "unexpected success",
    "addSubTest": "failed",
}


def _tell(recorder: Recorder, name: str, word: str, test: Any, args: tuple[Any, ...]) -> None:
    if name == "addSubTest":
        error = args[1] if len(args) > 1 else None
        if error is not None:
            is_failure = issubclass(error[0], test.failureException)
            recorder.outcome("failed" if is_failure else "error")
    elif isinstance(test, (unittest.TestCase, unittest.FunctionTestCase)):  # subtests, too
        recorder.outcome(word)
    else:
        recorder.outside(str(test.id()), word)  # setUpClass, setUpModule


# pytest -----------------------------------------------------------------------------------------


class _Plugin:
    """Tells a recorder what pytest runs."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        pass

    def pytest_runtest_setup(self, item: Any) -> None:
        pass

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._recorder.outside(report.nodeid, "error", "not loaded")

    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> None:
        name = getattr(item, "originalname", None) or item.name
        cls = getattr(item, "cls", None)
        if cls is not None:
            name = f"{cls.__qualname__}.{name}"
        case = getattr(getattr(item, "callspec", None), "id", "")
        function = getattr(item, "function", None) or getattr(item, "obj", None)
        self._recorder.begin(str(item.path), name, case, function, item)

    def pytest_runtest_logreport(self, report: Any) -> None:
        word = None
        if hasattr(report, "wasxfail"):
            word = "expected failure" if report.skipped else "unexpected success"
        elif report.failed:
            word = "failed" if report.when == "call" else "error"
        elif report.skipped:
            word = "skipped"
        if word is not None:
            self._recorder.outcome(word)
        if report.when == "teardown":
            self._recorder.end()


# The command ------------------------------------------------------------------------------------


def main(argv: Sequence[str]) -> int:
    """Run the tests that the command line names, write the record, return the run's status."""
    arguments = list(argv)
    if "-h" in arguments[:1] or "--help" in arguments[:1]:
        print(_USAGE)
        return 0
    if not arguments or arguments[0].startswith("-"):
        return _refuse("the first argument is the file to write the record to")
    path, *rest = arguments
    runner = "asynctesting"
    if rest[:1] == ["-m"]:
        if len(rest) < 2:
            return _refuse("-m needs the name of a runner, such as unittest or pytest")
        runner, rest = rest[1], rest[2:]
    path = os.path.abspath(path)
    if not os.path.isdir(os.path.dirname(path)):
        return _refuse(f"there is no directory {os.path.dirname(path)!r} to write the record to")
    if not _is_there(runner):
        return _refuse(f"there is no module {runner!r} to run the tests with")
    recorder = Recorder()
    recorder.start()
    try:
        status = _run(runner, rest, recorder)
    finally:
        recorder.stop()
        recorder.write(path, ["-m", runner, *rest])
    count = len(recorder.entries)
    print(
        f"recorded {count} test{'' if count == 1 else 's'} in {os.path.relpath(path)}",
        file=sys.stderr,
    )
    return status


def _refuse(message: str) -> int:
    print(f"{PROGRAM}: {message} (see --help)", file=sys.stderr)
    return 2


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _run(runner: str, arguments: list[str], recorder: Recorder) -> int:
    if runner == "pytest":
        import pytest

        return int(pytest.main(arguments, plugins=[_Plugin(recorder)]))
    undo = _listen_to_unittest(recorder)
    before = sys.argv
    sys.argv = [runner, *arguments]
    try:
        runpy.run_module(runner, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    finally:
        sys.argv = before
        undo()
    return 0
