"""The corpus of leaking tests: each is flagged in its own test, and no innocent one is."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import unittest
import warnings

from asynctesting import LeakError, LeakWarning, TimeLimitError
from asynctesting._kinds import KINDS
from tests.project import WITHOUT_PEERS
from tests.support import ROOT, Outcome, run_python, settings

#: Everything counts, what is looked for on request only included.
STRICT = "error,blocking=error,environ=error,modules=error,logging=error"
#: What else a case leaves behind, by a cause of its own; on 3.11 the callback that asyncio puts on
#: the task of a connection fails where that is cancelled.
ALSO = {"test_connection_left_open": {"tasks", "callbacks"}}


def corpus() -> tuple[type[unittest.TestCase], dict[str, str]]:
    """Return the corpus, and the kind that each of its tests has to fail with."""
    from tests import leaking

    return leaking.LeakingTests, leaking.EXPECTED


@unittest.skipIf(sys.platform == "win32", "another loop is used there, and not checked")
class CorpusTests(unittest.TestCase):
    def test_each_is_flagged_in_its_own_test_and_by_its_kind(self) -> None:
        """In this process, so that the errors themselves can be looked at."""
        script = (
            "import json\n"
            "from tests.test_corpus import kinds_of_failures\n"
            "print(json.dumps(kinds_of_failures()))\n"
        )
        process = run_python(script, environment={"ASYNCTESTING_LEAKS": STRICT}, deadline=120)
        self.assertEqual(process.returncode, 0, process.stderr)
        found = json.loads(process.stdout.splitlines()[-1])
        _, expected = corpus()

        self.assertGreaterEqual(len(expected), 32)
        self.assertEqual(set(found), set(expected))
        for name, kind in expected.items():
            with self.subTest(case=name):
                self.assertIn(kind, found[name])
                # What is imported for the first time stands beside it.
                others = set(found[name]) - {kind, "modules"}
                self.assertLessEqual(others, ALSO.get(name, set()))

    def test_at_the_default_levels_no_certain_bug_passes(self) -> None:
        """Errors fail, likely bugs are warnings that name their test, the rest is silent."""
        script = (
            "import json\n"
            "from tests.test_corpus import levels_of_findings\n"
            "print(json.dumps(levels_of_findings()))\n"
        )
        process = run_python(script, deadline=120)
        self.assertEqual(process.returncode, 0, process.stderr)
        found = json.loads(process.stdout.splitlines()[-1])
        _, expected = corpus()

        levels = {
            name: "error" if kind == "limit" else KINDS[kind].level
            for name, kind in expected.items()
        }
        self.assertEqual(found, {n: level for n, level in levels.items() if level != "off"})


def kinds_of_failures() -> dict[str, list[str]]:
    """Run the corpus here; return the kinds of findings of each test that has failed."""
    case, _ = corpus()
    outcome = Outcome()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(outcome)
    failed = [test for test, _ in [*outcome.failures, *outcome.errors]]
    raised = sorted(outcome.raised, key=lambda error: not isinstance(error, AssertionError))
    found: dict[str, list[str]] = {}
    for test, error in zip(failed, raised, strict=True):
        name = str(test).split()[0]
        if isinstance(error, LeakError):
            found[name] = list(error.kinds)
        else:
            found[name] = ["limit" if isinstance(error, TimeLimitError) else repr(error)]
    return found


def levels_of_findings() -> dict[str, str]:
    """Run the corpus here at its default levels; return what became of each test."""
    case, _ = corpus()
    outcome = Outcome()
    with warnings.catch_warnings(record=True) as caught, settings({}):
        warnings.simplefilter("always")
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(outcome)
    found = {str(test).split()[0]: "error" for test, _ in [*outcome.failures, *outcome.errors]}
    for warning in caught:
        if issubclass(warning.category, LeakWarning):
            found.setdefault(str(warning.message).split()[0], "warn")
    return found


@unittest.skipIf(sys.platform == "win32", "another loop is used there, and not checked")
class RunnerTests(unittest.TestCase):
    """The same verdict, whoever runs the tests and in how many processes."""

    def failed(self, *command: str) -> set[str]:
        """Run the corpus by *command* in a fresh process; return the names of what has failed."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "ASYNCTESTING_LEAKS": STRICT}
        process = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            timeout=240,
            cwd=ROOT,
            env=environment,
        )
        printed = process.stdout + process.stderr
        found = set(re.findall(r"^FAILED \S*::(test_\w+)", printed, re.MULTILINE))
        found |= set(re.findall(r"^={70}\n(?:FAIL: |ERROR: )?(test_\w+)", printed, re.MULTILINE))
        self.assertTrue(found, printed)
        return found

    def check(self, *command: str) -> None:
        _, expected = corpus()

        self.assertEqual(self.failed(*command), set(expected))

    def test_unittest(self) -> None:
        """The plain runner."""
        self.check("-m", "unittest", "tests.leaking")

    @unittest.skipUnless(importlib.util.find_spec("pytest"), "pytest is not installed")
    def test_pytest(self) -> None:
        """One process, and pytest's own hooks beside ours."""
        self.check("-m", "pytest", "-q", "-rf", *_ALONE, "tests/leaking.py")

    @unittest.skipUnless(importlib.util.find_spec("xdist"), "pytest-xdist is not installed")
    def test_xdist(self) -> None:
        """Tests in two processes, in an order of their own."""
        self.check("-m", "pytest", "-q", "-rf", *_ALONE, "-n", "2", "tests/leaking.py")

    @unittest.skipUnless(
        importlib.util.find_spec("unittest_parallel"), "unittest-parallel is not installed"
    )
    def test_unittest_parallel(self) -> None:
        """Tests in processes that are sent the instances."""
        self.check(
            *("-m", "unittest_parallel", "-j", "2", "--level", "test"),
            *("-s", "tests", "-t", ".", "-p", "leaking.py"),
        )


_ALONE = (
    *("-c", os.devnull, "--rootdir=.", "-W", "default", "-p", "no:cacheprovider"),
    *WITHOUT_PEERS,
)

if __name__ == "__main__":
    unittest.main()
