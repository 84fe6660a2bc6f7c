"""A project in a folder of its own, whose suite is run by a fresh process.

``ProjectTestCase`` looks at what the process prints. ``Project`` is for what happens in it: a file
``events.py`` writes one line for each event into a log, whichever runner and worker that is in.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asynctesting import _settings
from tests.support import ROOT, OutcomeAssertions

STRICT = ("-X", "dev", "-W", "error")

#: Real seconds after which a run is killed and its test fails; far above what it needs.
DEADLINE = 120.0

_EVENTS = '''\
"""Where the tests write what happens to them: a line is a process, a thread, and a word."""

import os
import threading


def note(word):
    with open(os.environ["EVENTS"], "a") as log:
        log.write(f"{os.getpid()}-{threading.get_ident()} {word}\\n")
'''

_HAS_ENTRY_POINT = any(
    point.name == "asynctesting" for point in importlib.metadata.entry_points(group="pytest11")
)
# An installation that was made before the plugin was there has no entry point for it.
PYTEST_AND_PEERS = ["pytest", "-p", "no:cacheprovider"]
if not _HAS_ENTRY_POINT:
    PYTEST_AND_PEERS += ["-p", "asynctesting.pytest_plugin"]
# Another plugin for asyncio is no part of the question, nor is one that needs that, and what the
# others import takes as long as all the rest of a run.
_PEERS = ("asyncio", "looptime_plugin", "anyio", "hypothesispytest", "time_machine")
WITHOUT_PEERS = [word for peer in _PEERS for word in ("-p", f"no:{peer}")]
PYTEST = [*PYTEST_AND_PEERS, *WITHOUT_PEERS]


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, named relative to the folder; sources are dedented."""
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")


def run_in(
    folder: Path,
    *command: str,
    environment: Mapping[str, str] | None = None,
    deadline: float = DEADLINE,
) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in a folder, without the settings of this run.

    Args:
        folder: Where; what is in it can be imported.
        command: The interpreter's arguments.
        environment: Variables beside those of this process.
        deadline: Real seconds after which it is killed.
    """
    # Nor does a run of pytest around us concern one inside.
    foreign = (_settings.PREFIX, "PYTEST_", "TEST_")
    rest = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    rest |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    rest |= {"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=deadline,
        cwd=folder,
        # stestr starts its workers by that name, which 'make PYTHON=...' sets as well.
        env={**rest, "PYTHON": sys.executable, **(environment or {})},
    )


class ProjectTestCase(OutcomeAssertions):
    """A base for tests that write a few files and run them; it has no tests of its own.

    Attributes:
        folder: Where the project is, removed after the test.
    """

    #: Real seconds after which a run is killed and the test fails.
    deadline = DEADLINE

    def setUp(self) -> None:
        home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(home.cleanup)
        self.folder = Path(home.name).resolve()

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, named relative to the project; sources are dedented."""
        write_files(self.folder, files)

    def python(
        self,
        *arguments: str,
        options: Sequence[str] = STRICT,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run this interpreter in the project's folder, without the settings of this run.

        Args:
            arguments: After the interpreter's own options.
            options: The interpreter's own; by default what shows every warning.
            environment: Variables beside those of this process.
        """
        return run_in(
            self.folder, *options, *arguments, environment=environment, deadline=self.deadline
        )

    def run_ours(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m asynctesting`` with *arguments*."""
        return self.python("-m", "asynctesting", *arguments, environment=environment)

    def assertEndsWith(self, process: subprocess.CompletedProcess[str], status: int) -> None:
        """Assert that the run ended with *status*, showing its output if not."""
        self.assertEqual(process.returncode, status, process.stdout + process.stderr)


@dataclass(frozen=True)
class Ran:
    """How a runner ended, and what the tests wrote down."""

    status: int
    printed: str
    lines: tuple[tuple[str, str], ...]

    @property
    def events(self) -> list[str]:
        """The words of all processes and threads, in order."""
        return [word for _, word in self.lines]

    @property
    def by_worker(self) -> dict[str, list[str]]:
        """The words of each thread of each process."""
        found: dict[str, list[str]] = {}
        for worker, word in self.lines:
            found.setdefault(worker, []).append(word)
        return found

    def passed(self) -> int:
        """Return how many tests the runner counted as run, by its own last lines."""
        found = re.findall(r"Ran (\d+) tests?|(\d+) passed|Passed: (\d+)", self.printed)
        return int(next(filter(None, found[-1]))) if found else 0


class Project:
    """Files in a folder, for a runner to find tests in.

    Args:
        test: The test that needs it; the folder goes when it ends.
        files: Source by path.
    """

    def __init__(self, test: unittest.TestCase, files: Mapping[str, str]) -> None:
        self.folder = Path(test.enterContext(tempfile.TemporaryDirectory()))
        write_files(self.folder, {"events.py": _EVENTS, **files})

    def run(self, *command: str, strict: bool = True) -> Ran:
        """Run a module of this interpreter as a command, in the folder."""
        log = self.folder / "events.log"
        log.unlink(missing_ok=True)
        flags = STRICT if strict else ()
        process = run_in(self.folder, *flags, "-m", *command, environment={"EVENTS": str(log)})
        written = log.read_text().splitlines() if log.exists() else []
        lines = tuple((worker, word) for worker, _, word in (w.partition(" ") for w in written))
        return Ran(process.returncode, process.stdout + process.stderr, lines)
