"""What every benchmark here shares: fresh processes, one-line errors, tables, verdicts.

A benchmark asks one question and answers it from processes that nobody has warmed
up. Invariant: what is measured is the child alone. The child is started by a bare
interpreter and not by the benchmark, because Linux counts the memory of whoever
called ``exec`` into the peak of the new program.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
EXTRA = "pip install asynctesting[bench]"

# Runs in a bare interpreter (-I -S). The child's stdout joins its stderr, so that
# the launcher's own stdout carries the figures and nothing else.
_LAUNCHER = """
import os, sys, time
began = time.perf_counter()
child = os.posix_spawn(
    sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - began
code = os.waitstatus_to_exitcode(status)
print([code, used.ru_utime + used.ru_stime, wall, used.ru_maxrss])
"""

# Whatever the caller's shell says to Python, to pytest or to us would change what is timed.
_UNWANTED_SETTINGS = ("PYTHON", "PYTEST_", "ASYNCTESTING_", "COVERAGE_", "COV_")


class MeasureError(Exception):
    """Raised when a figure can't be had: the child failed, or did not do what it was timed for.

    The usual cause is a contender that does not import. The message ends with the
    child's own last lines; run its command by hand to see the rest.
    """


@dataclass(frozen=True)
class Spent:
    """What one process used, from its start to its end: seconds, and KiB at the peak."""

    cpu: float
    wall: float
    peak_kib: int


@dataclass(frozen=True)
class Verdict:
    """One promise beside the figure that keeps or breaks it; ``held`` is None if unmeasured."""

    promise: str
    held: bool | None
    evidence: str

    def __str__(self) -> str:
        word = {True: "kept", False: "BROKEN", None: "not measured"}[self.held]
        return f"{word}: {self.promise} ({self.evidence})"


def run_fresh(argv: Sequence[str], *, cwd: Path) -> tuple[Spent, str]:
    """Run a command in a process of its own and say what it used and printed.

    Args:
        argv: The command; its first word is the path of an executable.
        cwd: The folder it starts in.

    Raises:
        MeasureError: If the command fails, or the platform has no ``os.wait4``.

    Example:
        >>> spent, printed = run_fresh([sys.executable, "-c", "print('tea')"], cwd=ROOT)
        >>> printed
        'tea\\n'
    """
    if not hasattr(os, "wait4"):
        raise MeasureError(f"no os.wait4 on {sys.platform}: run the benchmarks on Linux or macOS")
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *argv]
    # A file, not a pipe: reading along would compete with the child for the processor.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        figures = subprocess.run(
            launcher, cwd=cwd, env=_clean_environment(), stdout=subprocess.PIPE, stderr=output
        ).stdout
        output.seek(0)
        printed = output.read()
    if not figures:
        raise MeasureError(f"could not start {argv[0]}: {_tail(printed)}")
    code, cpu, wall, peak = json.loads(figures)
    if code != 0:
        raise MeasureError(f"{' '.join(argv[1:])} ended with exit code {code}: {_tail(printed)}")
    return Spent(cpu, wall, peak // 1024 if sys.platform == "darwin" else peak), printed


def installed(module: str) -> bool:
    """Say whether children could import *module*, without importing it here."""
    return (ROOT / module / "__init__.py").exists() or importlib.util.find_spec(module) is not None


def machine() -> str:
    """Name what the figures depend on, for the heading of a table."""
    return (
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    )


def table(rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """Align *rows* in columns: the first *words* columns to the left, figures to the right.

    Example:
        >>> print(table([["who", "µs"], ["stock", "1,431"]]))
        who       µs
        stock  1,431
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index < words else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def progress(text: str) -> None:
    """Tell a person who watches how far we are; a log file is spared."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


class OneLineParser(argparse.ArgumentParser):
    """A parser that answers a wrong argument with one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """End the program: *message* says which argument was wrong, and how to mend it."""
        self.exit(2, f"{self.prog}: {message}\n")


def whole_number(least: int) -> Callable[[str], int]:
    """Make an argparse type: a whole number, *least* or more."""

    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if number < least:
            raise argparse.ArgumentTypeError(f"needs a whole number >= {least}, got {text!r}")
        return number

    return parse


def _clean_environment() -> dict[str, str]:
    """Keep the caller's environment less its settings; put this checkout on the path."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(_UNWANTED_SETTINGS)
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def _tail(printed: str, lines: int = 8) -> str:
    """Keep the end of what a failed child printed, which is where the cause stands."""
    return "\n  " + "\n  ".join(printed.strip().splitlines()[-lines:])
