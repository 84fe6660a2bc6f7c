"""A small project of tests in a folder of its own, and the runners that it is handed to.

What a scope does at its end is seen best from outside: the project writes one line for each event
into a log, and each runner is a process with a time limit.
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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from asynctesting import _settings
from tests.support import ROOT

#: Real seconds after which a runner is killed and its test fails; far above what one needs.
DEADLINE = 60.0

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
# Another plugin for asyncio is no part of the question, nor is one that needs that.
WITHOUT_PEERS = ["-p", "no:asyncio", "-p", "no:looptime_plugin"]
PYTEST = [*PYTEST_AND_PEERS, *WITHOUT_PEERS]


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
        for name, source in {"events.py": _EVENTS, **files}.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source))

    def run(self, *command: str, strict: bool = True) -> Ran:
        """Run a module of this interpreter as a command, in the folder."""
        rest = {k: v for k, v in os.environ.items() if not k.startswith(_settings.PREFIX)}
        rest["PYTHON"] = sys.executable  # by which stestr starts its workers
        log = self.folder / "events.log"
        log.unlink(missing_ok=True)
        flags = ["-X", "dev", "-W", "error"] if strict else []
        process = subprocess.run(
            [sys.executable, *flags, "-m", *command],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            cwd=self.folder,
            env={
                **rest,
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.folder)]),
                "EVENTS": str(log),
            },
        )
        written = log.read_text().splitlines() if log.exists() else []
        lines = tuple((worker, word) for worker, _, word in (w.partition(" ") for w in written))
        return Ran(process.returncode, process.stdout + process.stderr, lines)
