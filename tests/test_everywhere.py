"""Which Pythons ``make test-all`` finds, and which it passes by."""

from __future__ import annotations

import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tests import everywhere

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


@unittest.skipIf(sys.platform == "win32", "the Makefile's tools are for POSIX systems")
class EverywhereTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.dict(os.environ, PATH=str(self.folder)))

    def program(self, name: str, text: str) -> Path:
        """Write a shell script, ready to run."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def test_a_python_that_starts_tells_its_version(self) -> None:
        """This very interpreter is one."""
        self.assertRegex(everywhere.version_of(Path(sys.executable), MINOR) or "", rf"^{MINOR}\.")

    def test_a_name_on_path_that_fails_is_passed_by(self) -> None:
        """pyenv's stand-in for a Python that is switched off exists, and does not run."""
        dead = self.program("python3.12", "echo 'pyenv: command not found' >&2; exit 127")

        self.assertIn(dead, list(everywhere.candidates("3.12")))
        self.assertIsNone(everywhere.version_of(dead, "3.12"))

    def test_another_version_than_its_name_says_is_passed_by(self) -> None:
        """The name of a file proves nothing."""
        self.assertIsNone(everywhere.version_of(Path(sys.executable), "3.99"))

    def test_what_is_not_there_is_passed_by(self) -> None:
        """A missing file is no error either."""
        self.assertIsNone(everywhere.version_of(self.folder / "python3.12", "3.12"))

    def test_pyenvs_newest_comes_first_and_path_before_it(self) -> None:
        """Versions are compared as numbers: 3.12.10 is newer than 3.12.9."""
        self.program("pyenv", f"echo {self.folder}/home")
        for version in ("3.12.9", "3.12.10", "3.11.4"):
            self.program(f"home/versions/{version}/bin/python", "exit 1")

        found = [str(path.relative_to(self.folder)) for path in everywhere.candidates("3.12")]

        self.assertEqual(
            found,
            [
                "python3.12",
                "home/versions/3.12.10/bin/python",
                "home/versions/3.12.9/bin/python",
            ],
        )

    def test_one_of_each_minor_is_taken(self) -> None:
        """A dead name on PATH does not hide a Python that pyenv keeps."""
        self.program("pyenv", f"echo {self.folder}/home")
        self.program(f"python{MINOR}", "exit 127")
        alive = self.program(f"home/versions/{MINOR}.0/bin/python", f'exec "{sys.executable}" "$@"')

        found = list(everywhere.supported_pythons())

        self.assertEqual([(minor, path) for minor, path, _ in found], [(MINOR, alive)])


if __name__ == "__main__":
    unittest.main()
