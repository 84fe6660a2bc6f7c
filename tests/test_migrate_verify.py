"""Recording what really ran, under any framework, and comparing two records."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path
from typing import Any

from asynctesting.migrate import record, verify
from asynctesting.migrate.record import Entry

SUITE = """\
import asyncio
import functools
import unittest


def sync(test):
    def wrapper(self):
        return asyncio.run(test(self))
    return wrapper


def forgetful(test):
    @functools.wraps(test)
    def wrapper(self):
        test(self).close()
    return wrapper


class Tests(unittest.TestCase):
    @sync
    async def test_decorated(self):
        self.assertEqual(1, 1)
        self.assertTrue(True)

    @forgetful
    async def test_forgotten(self):
        self.fail()

    def test_sync(self):
        pass

    def test_fails(self):
        self.fail()

    def test_error(self):
        raise OSError

    @unittest.skip("later")
    def test_skipped(self):
        pass

    @unittest.expectedFailure
    def test_expected(self):
        self.fail()

    def test_parts(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertLess(n, 2)


class Stock(unittest.IsolatedAsyncioTestCase):
    async def test_awaited(self):
        await asyncio.sleep(0)


class Broken(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise OSError

    def test_never(self):
        pass
"""

PYTEST_SUITE = """\
import pytest

@pytest.mark.parametrize("n", [1, 2])
def test_it(n):
    assert n == 1

class TestThat:
    def test_one(self):
        pytest.skip("no")

    @pytest.mark.xfail
    def test_two(self):
        assert False
"""


class RecordTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def record(self, text: str, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        (self.folder / "test_it.py").write_text(textwrap.dedent(text), encoding="utf-8")
        process = subprocess.run(
            [sys.executable, "-m", "asynctesting", "record", "run.json", *arguments],
            cwd=self.folder, capture_output=True, text=True, check=False,
            # Whatever plugins are installed here are no part of the question.
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )  # fmt: skip
        content = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        tests = {test["name"] + test["case"]: test for test in content["tests"]}
        self.assertIn(f"recorded {len(content['tests'])} test", process.stderr)
        return process.returncode, tests

    def test_a_run_of_unittest(self) -> None:
        """Outcome, kind, whether the body ran to its end, and how many assertions it made."""
        status, tests = self.record(SUITE, "-m", "unittest", "-q", "test_it")

        self.assertEqual(status, 1)
        told = {
            name.removeprefix("Tests."): (
                test["outcome"], test["kind"], test["finished"], test["assertions"],
            )
            for name, test in tests.items() if name.startswith("Tests.")
        }  # fmt: skip
        skipped = told.pop("test_skipped", None)
        self.assertIn(skipped, (None, ("skipped", "sync", False, 0)))
        self.assertEqual(
            told,
            {
                "test_decorated": ("passed", "coroutine", True, 2),
                "test_forgotten": ("passed", "coroutine", False, 0),
                "test_sync": ("passed", "sync", True, 0),
                "test_fails": ("failed", "sync", False, 0),
                "test_error": ("error", "sync", False, 0),
                "test_expected": ("expected failure", "sync", False, 0),
                "test_parts": ("failed", "sync", True, 3),
            },
        )
        self.assertTrue(tests["Stock.test_awaited"]["finished"])
        self.assertEqual(tests["Stock.test_awaited"]["file"], "test_it.py")
        self.assertEqual(tests["setUpClass (test_it.Broken)"]["outcome"], "error")
        self.assertNotIn("Broken.test_never", tests)

    def test_our_own_run(self) -> None:
        """Without -m, what runs the tests is asynctesting."""
        status, tests = self.record(
            """
            from asynctesting import AsyncTestCase
            class Tests(AsyncTestCase):
                async def test_it(self): pass
            """,
            "test_it",
        )

        self.assertEqual(status, 0)
        self.assertTrue(tests["Tests.test_it"]["finished"])

    def test_a_run_of_pytest(self) -> None:
        """Cases of a parametrized test are told apart."""
        status, tests = self.record(PYTEST_SUITE, "-m", "pytest", "-q", "-p", "no:cacheprovider")

        self.assertEqual(status, 1)
        self.assertEqual(
            {name: test["outcome"] for name, test in tests.items()},
            {
                "test_it1": "passed",
                "test_it2": "failed",
                "TestThat.test_one": "skipped",
                "TestThat.test_two": "expected failure",
            },
        )
        self.assertEqual(tests["test_it1"]["file"], "test_it.py")

    def test_wrong_arguments_are_one_line(self) -> None:
        """And status 2."""
        for arguments, what in (
            ((), "the first argument is the file"),
            (("-m", "unittest"), "the first argument is the file"),
            (("x.json", "-m"), "-m needs the name of a runner"),
            (("nowhere/x.json", "test"), "there is no directory"),
        ):
            with self.subTest(arguments=arguments):
                err = io.StringIO()
                with contextlib.redirect_stderr(err):
                    self.assertEqual(record.main(arguments), 2)
                self.assertEqual(len(err.getvalue().splitlines()), 1)
                self.assertIn(what, err.getvalue())
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(record.main(["--help"]), 0)
        self.assertIn("usage:", out.getvalue())

    def test_a_runner_that_is_not_there(self) -> None:
        """It is refused in one line, and nothing is written."""
        for runner in ("nope", "nope.again", "unittest.nope", ".."):
            with self.subTest(runner=runner):
                err = io.StringIO()
                path = str(self.folder / "run.json")
                with contextlib.redirect_stderr(err):
                    self.assertEqual(record.main([path, "-m", runner]), 2)
                self.assertIn(f"there is no module {runner!r} to run the tests", err.getvalue())
                self.assertFalse((self.folder / "run.json").exists())

    def test_what_cant_be_loaded(self) -> None:
        """It is no test, and no file of the standard library's."""
        _, tests = self.record("import nosuchmodule\n", "-m", "unittest", "-q", "test_it")

        (broken,) = tests.values()
        self.assertEqual(
            (broken["file"], broken["name"], broken["outcome"], broken["kind"]),
            ("", "test_it", "error", "not loaded"),
        )
        if importlib.util.find_spec("pytest") is not None:
            _, tests = self.record("import nosuchmodule\n", "-m", "pytest", "-q")
            (broken,) = tests.values()
            self.assertEqual((broken["name"], broken["kind"]), ("test_it.py", "not loaded"))

    def test_a_test_that_runs_tests(self) -> None:
        """What it runs is its own business, and how it ends is its own outcome."""
        status, tests = self.record(
            """
            import io
            import unittest

            class Outer(unittest.TestCase):
                def test_it(self):
                    class Inner(unittest.TestCase):
                        def test_inner(self):
                            self.fail()

                    runner = unittest.TextTestRunner(stream=io.StringIO())
                    self.assertFalse(runner.run(Inner("test_inner")).wasSuccessful())
                    self.assertTrue(True)
            """,
            "-m", "unittest", "-q", "test_it",
        )  # fmt: skip

        self.assertEqual(status, 0)
        (outer,) = tests.values()
        self.assertEqual(
            (outer["name"], outer["outcome"], outer["finished"]), ("Outer.test_it", "passed", True)
        )

    def test_generated_tests(self) -> None:
        """They are cases of the test that somebody wrote."""
        _, tests = self.record(
            """
            from asynctesting import AsyncTestCase, parametrize

            class Tests(AsyncTestCase):
                @parametrize("n", [1, 2])
                async def test_it(self, n):
                    self.assertEqual(n, 1)
            """,
            "test_it",
        )

        self.assertEqual(
            {name: (test["outcome"], test["finished"]) for name, test in tests.items()},
            {"Tests.test_it1": ("passed", True), "Tests.test_it2": ("failed", False)},
        )


def entry(name: str, outcome: str = "passed", **more: Any) -> Entry:
    """Return the entry of a synchronous test that ran."""
    facts: dict[str, Any] = {"finished": True, "started": True, **more}
    return Entry("t.py", name, outcome=outcome, **facts)


class CompareTests(unittest.TestCase):
    def test_equal_runs(self) -> None:
        """There is nothing to say."""
        found = verify.compare([entry("A.test")], [entry("A.test", kind="coroutine")])

        self.assertEqual((found.problems, found.notes), ([], []))
        self.assertEqual((found.compared, found.equal), (1, 1))
        self.assertEqual((found.green_before, found.green_after), (1, 1))

    def test_problems(self) -> None:
        """Lost tests, worse outcomes, and tests that only seem to pass."""
        before = [entry("A.lost"), entry("A.worse"), entry("A.skip"), entry("A.seems")]
        after = [
            entry("A.worse", "failed"), entry("A.skip", "skipped"),
            entry("A.seems", kind="coroutine", finished=False),
        ]  # fmt: skip

        found = verify.compare(before, after)

        self.assertEqual(
            found.problems,
            [
                "t.py::A.lost ran before, and is not there any more",
                "t.py::A.worse: passed before, failed after",
                "t.py::A.skip: passed before, skipped after",
                "t.py::A.seems passed, but its coroutine body was never awaited",
            ],
        )

    def test_notes(self) -> None:
        """What is different and may be meant."""
        before = [
            entry("A.better", "failed"), entry("A.fewer", assertions=3),
            entry("A.never", kind="coroutine", finished=False),
        ]  # fmt: skip
        after = [
            entry("A.better"),
            entry("A.fewer", assertions=2),
            entry("A.never"),
            entry("A.new"),
        ]

        found = verify.compare(before, after)

        self.assertEqual(found.problems, [])
        self.assertEqual(
            found.notes,
            [
                "t.py::A.better: failed before, passed after",
                "t.py::A.fewer made 3 assertions before, 2 after",
                "t.py::A.never was never awaited before",
                "t.py::A.new is new",
            ],
        )

    def test_a_test_that_moved_into_a_class(self) -> None:
        """Its cases are compared together, and it is found by its name."""
        before = [entry("test_it", case="1"), entry("test_it", case="2", outcome="failed")]

        found = verify.compare(before, [entry("Tests.test_it", "failed")])

        self.assertEqual((found.problems, found.notes, found.equal), ([], [], 1))

    def test_cases(self) -> None:
        """They are compared one by one where both have them; one that is lost is a problem."""
        before = [entry("test_it", case="1-a"), entry("test_it", "failed", case="2")]
        swapped = [entry("T.test_it", "failed", case="1_a"), entry("T.test_it", case="2")]

        found = verify.compare(before, swapped)

        self.assertEqual((found.compared, found.equal), (2, 0))
        self.assertEqual(found.problems, ["t.py::T.test_it[1_a]: passed before, failed after"])
        found = verify.compare(before, [entry("T.test_it", "failed", case="2")])
        self.assertEqual(found.problems, ["t.py::test_it had 2 cases before, and has 1 after"])

    def test_what_was_not_loaded(self) -> None:
        """Nothing is known of its tests, in whichever record that is."""
        broken = Entry("", "test_x", outcome="error", kind="not loaded")

        found = verify.compare([broken, entry("A.test")], [broken, entry("A.test")])

        self.assertEqual(
            found.problems,
            [
                "test_x could not be loaded before, so its tests did not run",
                "test_x could not be loaded after, so its tests did not run",
            ],
        )

    def test_the_command(self) -> None:
        """It reads two records, and refuses what is none in one line."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        kept = record.Recorder()
        kept.entries = [entry("A.test")]
        kept.write(str(folder / "before"), [])
        kept.entries = [entry("A.test", "failed")]
        kept.write(str(folder / "after"), [])
        (folder / "none").write_text("{}", encoding="utf-8")
        kept.entries = []
        kept.write(str(folder / "empty"), [])
        (folder / "damaged").write_text('{"version": 1}', encoding="utf-8")
        (folder / "wrong").write_text(
            '{"version": 1, "tests": [{"file": 3, "name": []}]}', encoding="utf-8"
        )
        (folder / "bytes").write_bytes(b"\xff\xfe")
        (folder / "text").write_text("text", encoding="utf-8")
        for names, status, what in (
            (("before", "before"), 0, "1 test compared, 1 with equal outcome, 0 problems"),
            (("before", "after"), 1, "problem: t.py::A.test: passed before, failed after"),
            (("empty", "empty"), 1, "problem: no test is in both records"),
            (("before", "damaged"), 2, "damaged is a damaged record; record the suite again"),
            (("before", "wrong"), 2, "wrong is a damaged record; record the suite again"),
            (("bytes", "before"), 2, "is no record: it is not JSON"),
            (("before", "none"), 2, "is no record that this version can read"),
            (("before", "text"), 2, "is no record: it is not JSON"),
            (("before", "nowhere"), 2, "No such file"),
            (("before",), 2, "arguments are required: AFTER"),
        ):
            with self.subTest(names=names):
                out, err = io.StringIO(), io.StringIO()
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                    try:
                        got: Any = verify.main([str(folder / name) for name in names])
                    except SystemExit as end:
                        got = end.code
                self.assertEqual(got, status)
                self.assertIn(what, out.getvalue() + err.getvalue())


if __name__ == "__main__":
    unittest.main()
