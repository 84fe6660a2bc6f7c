"""Run a test command as it is, and close with the one line that a person or a machine looks for.

    python tests/tally.py -X dev -W error -m unittest tests.test_case

runs this interpreter with these arguments, shows the output while it appears, and ends with

    41 passed, 0 failed, 1 skipped

The counts are the runner's own, read from its closing lines and never recounted: an error and an
unexpected success count as failed, an expected failure as passed. Where unittest's own count is
vague, so is ours: to it, every failing ``subTest`` of one test is a failure, and Python 3.12.1
leaves a test that a decorator skips out of the tests it ran.

The exit status is the command's own, but for one case: a run in which no test ran has failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

# Closing lines are short and come last; what a long run printed before them need not be kept.
TAIL_BYTES = 64 * 1024

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in [^\n]*$", re.MULTILINE)
_UNITTEST_VERDICT = re.compile(r"^(?:OK|FAILED|NO TESTS RAN)\b[^\n]*$", re.MULTILINE)
_UNITTEST_NOTE = re.compile(r"([a-z][a-z ]*)=(\d+)")
_PYTEST_CLOSING = re.compile(r"^(?:=+ )?((?:\d+ [a-z ]+(?:, )?)+) in [\d.]+s", re.MULTILINE)
_PYTEST_COUNT = re.compile(r"(\d+) ([a-z ]+)")


@dataclass(frozen=True)
class Tally:
    """How many tests a run passed, failed and skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    @property
    def ran(self) -> int:
        """How many tests there were, skipped ones included."""
        return self.passed + self.failed + self.skipped


def read_closing_lines(output: str) -> Tally | None:
    """Count from the last closing lines of unittest, or else of pytest, or else not at all."""
    output = _COLOUR.sub("", output)
    return _read_unittest(output) or _read_pytest(output)


def _read_unittest(output: str) -> Tally | None:
    # Tests that run small suites of their own print such lines too; the outermost run ends last.
    *_, closing = [None, *_UNITTEST_RAN.finditer(output)]
    if closing is None:
        return None
    verdict = _UNITTEST_VERDICT.search(output, closing.end())
    notes = {name: int(n) for name, n in _UNITTEST_NOTE.findall(verdict[0] if verdict else "")}
    failed = sum(notes.get(name, 0) for name in ("failures", "errors", "unexpected successes"))
    skipped = notes.get("skipped", 0)
    # A class that is skipped or broken as a whole adds to these without having run a test.
    passed = max(0, int(closing[1]) - failed - skipped)
    return Tally(passed, failed, skipped)


def _read_pytest(output: str) -> Tally | None:
    *_, closing = [None, *_PYTEST_CLOSING.finditer(output)]
    if closing is None:
        return None
    counts = {name.strip(): int(count) for count, name in _PYTEST_COUNT.findall(closing[1])}
    return Tally(
        passed=counts.get("passed", 0) + counts.get("xfailed", 0),
        failed=sum(counts.get(name, 0) for name in ("failed", "error", "errors", "xpassed")),
        skipped=counts.get("skipped", 0),
    )


def run(command: Sequence[str]) -> tuple[Tally, int]:
    """Run *command*, pass on what it prints as it prints it, and return its counts and status.

    A run that ends badly with nothing to show for it (a crash, a name that is no test module)
    counts as one failure, so that no summary of it reads as a success.
    """
    tail = b""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        while chunk := _read(process.stdout.fileno()):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            tail = (tail + chunk)[-TAIL_BYTES:]
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode

    tally = read_closing_lines(tail.decode("utf-8", "replace")) or Tally()
    if not tally.ran:
        print(f"No test ran (exit status {status}).", file=sys.stderr, flush=True)
        status = status or 1
    if status and not tally.failed:
        tally = Tally(tally.passed, 1, tally.skipped)
    return tally, status


def _read(descriptor: int) -> bytes:
    """Read what is there; a Ctrl-C is the runner's to answer, and it has got one as well."""
    while True:
        try:
            return os.read(descriptor, 8192)
        except KeyboardInterrupt:
            continue


def main(arguments: Sequence[str]) -> int:
    """Run this interpreter with *arguments* and print the line that counts."""
    tally, status = run([sys.executable, *arguments])
    print(tally, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
