"""A project in a folder of its own, whose suite is run by a fresh process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from asynctesting import _settings
from tests.support import ROOT, OutcomeAssertions

STRICT = ("-X", "dev", "-W", "error")


class ProjectTestCase(OutcomeAssertions):
    """A base for tests that write a few files and run them; it has no tests of its own.

    Attributes:
        folder: Where the project is, removed after the test.
    """

    #: Real seconds after which a run is killed and the test fails; far above what it needs.
    deadline = 120.0

    def setUp(self) -> None:
        home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(home.cleanup)
        self.folder = Path(home.name).resolve()

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, named relative to the project; sources are dedented."""
        for name, source in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source), encoding="utf-8")

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
        # Nor does a run of pytest around us concern one inside.
        foreign = (_settings.PREFIX, "PYTEST_", "TEST_")
        rest = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        rest |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
        return subprocess.run(
            [sys.executable, *options, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=self.deadline,
            cwd=self.folder,
            # stestr starts its workers by that name, which 'make PYTHON=...' sets as well.
            env={**rest, "PYTHON": sys.executable, **(environment or {})},
        )

    def run_ours(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m asynctesting`` with *arguments*."""
        return self.python("-m", "asynctesting", *arguments, environment=environment)

    def assertEndsWith(self, process: subprocess.CompletedProcess[str], status: int) -> None:
        """Assert that the run ended with *status*, showing its output if not."""
        self.assertEqual(process.returncode, status, process.stdout + process.stderr)
