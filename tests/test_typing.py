"""User code type-checks against the package, strictly, and its mistakes are seen."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import unittest

from tests.support import ROOT


@unittest.skipUnless(importlib.util.find_spec("mypy"), "mypy is not installed here")
class TypingTests(unittest.TestCase):
    def test_user_code_type_checks(self) -> None:
        """``tests/typing/api.py`` is what users write; nothing in it is complained about."""
        # What mypy says of the package itself is the business of `make types`.
        options = ["--config-file", "setup.cfg", "--follow-imports", "silent"]
        process = subprocess.run(
            [sys.executable, "-m", "mypy", *options, "tests/typing/api.py"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=300,
        )

        self.assertEqual(process.returncode, 0, process.stdout + process.stderr)


if __name__ == "__main__":
    unittest.main()
