"""The runners that people use: each runs the same small suite of ours once, with one result."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree
from collections import Counter

from tests.project import WITHOUT_PEERS, ProjectTestCase

SAMPLE = '''
    import asyncio
    import os
    import unittest
    from asynctesting import AsyncTestCase


    class Noting(AsyncTestCase):
        """Writes a line for each test that has run, in whatever process or thread."""

        async def asyncSetUp(self):
            self.task = asyncio.current_task()
            self.addAsyncCleanup(self.note)

        async def asyncTearDown(self):
            self.assertIs(asyncio.current_task(), self.task)

        async def note(self):
            line = f"{type(self).__name__}.{self._testMethodName}\\n"
            file = os.open("ran.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(file, line.encode())
            os.close(file)


    class FirstTests(Noting):
        async def test_async(self):
            await asyncio.sleep(0)
            self.assertIs(asyncio.current_task(), self.task)

        def test_sync(self):
            self.assertIsNotNone(self.task)

        async def test_skipped(self):
            self.skipTest("not here")

        @unittest.expectedFailure
        async def test_expected(self):
            self.fail("as expected")

        async def test_failing(self):
            self.fail("for a reason")


    class SecondTests(Noting):
        async def test_leak(self):
            self.forgotten = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
            await asyncio.sleep(0)

        async def test_subtests(self):
            for n in range(3):
                with self.subTest(n=n):
                    await asyncio.sleep(0)


    if __name__ == "__main__":
        from absl.testing import absltest

        absltest.main()
'''

TESTS = {
    *("FirstTests.test_async", "FirstTests.test_sync", "FirstTests.test_skipped"),
    *("FirstTests.test_expected", "FirstTests.test_failing"),
    *("SecondTests.test_leak", "SecondTests.test_subtests"),
}

#: What unittest's own result says of them, and whatever derives from it.
CLOSING = "FAILED (failures=2, skipped=1, expected failures=1)"


class RunnerTestCase(ProjectTestCase):
    """A base: the sample, how to run it, and what must have happened."""

    needs = ""

    def setUp(self) -> None:
        super().setUp()
        top, _, rest = self.needs.partition(".")
        if top and (
            importlib.util.find_spec(top) is None
            or (rest and importlib.util.find_spec(self.needs) is None)
        ):
            self.skipTest(f"{self.needs} is not installed here")
        self.write({"test_sample.py": SAMPLE})

    def run_sample(
        self, *arguments: str, status: int | None = 1, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a runner on the sample; not strictly, since its own warnings are not ours."""
        process = self.python(*arguments, options=[], environment=environment)
        if status is not None:
            self.assertEndsWith(process, status)
        return process

    def ran(self) -> Counter[str]:
        """Return how often each test has run."""
        return Counter((self.folder / "ran.log").read_text(encoding="utf-8").split())

    def assertAllRanOnce(self) -> None:
        """Assert that each test of the sample ran to its last cleanup, once."""
        self.assertEqual(self.ran(), Counter(TESTS))

    def assertClosesAsUnittest(self, process: subprocess.CompletedProcess[str]) -> None:
        """Assert that each test ran once, and that the counts are those of unittest."""
        self.assertAllRanOnce()
        self.assertRegex(process.stderr, r"(?m)^Ran 7 tests in ")
        self.assertIn(CLOSING, process.stderr)
        self.assertIn("AssertionError: for a reason", process.stderr)
        self.assertIn("LeakError: 1 thing was left behind or hidden by test_leak", process.stderr)


class UnittestTests(RunnerTestCase):
    def test_unittest(self) -> None:
        """``python -m unittest``, which all others are measured by."""
        self.assertClosesAsUnittest(self.run_sample("-m", "unittest"))

    def test_asynctesting(self) -> None:
        """``python -m asynctesting``, shuffled."""
        self.assertClosesAsUnittest(self.run_sample("-m", "asynctesting", "--shuffle"))


class PytestTests(RunnerTestCase):
    needs = "pytest"
    OPTIONS = ("-m", "pytest", "-p", "no:cacheprovider", *WITHOUT_PEERS, "-ra")

    def run_pytest(self, *options: str) -> None:
        process = self.run_sample(*self.OPTIONS, *options)

        self.assertAllRanOnce()
        *_, closing = process.stdout.strip().splitlines()
        for count in ("2 failed", "3 passed", "1 skipped", "1 xfailed"):
            self.assertIn(count, closing)
        self.assertIn("asynctesting.errors.LeakError", process.stdout)

    def test_pytest(self) -> None:
        """pytest runs unittest's cases, and ours with them; no plugin is needed."""
        self.run_pytest()


class XdistTests(PytestTests):
    needs = "xdist"

    def test_pytest(self) -> None:
        """pytest-xdist spreads them over two processes."""
        self.run_pytest("-n", "2")


class UnittestParallelTests(RunnerTestCase):
    needs = "unittest_parallel"

    def run_parallel(self, *options: str) -> None:
        process = self.run_sample("-m", "unittest_parallel", "-j", "2", *options, status=None)

        self.assertGreater(process.returncode, 0)
        self.assertClosesAsUnittest(process)

    def test_processes_by_class(self) -> None:
        """Classes are pickled to the workers, and their results back."""
        self.run_parallel("--level", "class")

    def test_processes_by_test(self) -> None:
        """Each test of a class may land in another process."""
        self.run_parallel("--level", "test")

    def test_threads(self) -> None:
        """Each thread's test has a loop of its own."""
        self.run_parallel("--thread", "--level", "test")


class XmlTests(RunnerTestCase):
    needs = "xmlrunner"

    def test_unittest_xml_reporting(self) -> None:
        """``python -m xmlrunner`` writes JUnit XML, a leak as a failure by its name."""
        self.assertClosesAsUnittest(self.run_sample("-m", "xmlrunner", "test_sample", "-o", "xml"))

        cases: dict[str, list[str]] = {}
        for file in (self.folder / "xml").glob("*.xml"):
            for case in ElementTree.parse(file).iter("testcase"):
                kinds = [
                    child.tag for child in case if child.tag in ("failure", "skipped", "error")
                ]
                cases[str(case.get("name"))] = kinds
                if case.get("name") == "test_leak":
                    failure = case.find("failure")
                    assert failure is not None
                    self.assertEqual(failure.get("type"), "LeakError")
        self.assertEqual(set(cases), {name.partition(".")[2] for name in TESTS})
        self.assertEqual(cases["test_failing"], ["failure"])
        self.assertEqual(cases["test_skipped"], ["skipped"])
        self.assertEqual(cases["test_async"], [])


class StestrTests(RunnerTestCase):
    needs = "stestr"

    def test_stestr(self) -> None:
        """Two workers, which find the tests by their ids; a failing one can be run again."""
        self.write(
            {
                ".stestr.conf": "[DEFAULT]\ntest_path=./suite\ntop_dir=./\n",
                "suite/__init__.py": "",
                "suite/test_sample.py": SAMPLE,
            }
        )

        process = self.run_sample("-m", "stestr", "run", "--concurrency", "2")

        self.assertAllRanOnce()
        counts = dict(re.findall(r"^ - (\w[\w ]+): (\d+)$", process.stdout, re.MULTILINE))
        self.assertEqual(
            counts,
            {
                "Passed": "3",
                "Skipped": "1",
                "Expected Fail": "1",
                "Unexpected Success": "0",
                "Failed": "2",
            },
        )

        again = self.run_sample("-m", "stestr", "run", "--failing", "--serial")
        self.assertIn(" - Failed: 2", again.stdout)
        self.assertEqual(self.ran()["FirstTests.test_failing"], 2)
        self.assertEqual(self.ran()["FirstTests.test_async"], 1)


class AbslTests(RunnerTestCase):
    needs = "absl.testing"

    def test_absltest(self) -> None:
        """``absltest.main()`` at the end of the module."""
        self.assertClosesAsUnittest(self.run_sample("test_sample.py"))

    def test_shards(self) -> None:
        """Bazel's variables split the suite; two halves are the whole."""
        for shard in ("0", "1"):
            process = self.run_sample(
                "test_sample.py", status=None, TEST_TOTAL_SHARDS="2", TEST_SHARD_INDEX=shard
            )
            self.assertNotIn("errors=", process.stderr)

        self.assertAllRanOnce()


class Nose2Tests(RunnerTestCase):
    needs = "nose2"

    def test_nose2(self) -> None:
        """``python -m nose2`` finds and runs them."""
        self.assertClosesAsUnittest(self.run_sample("-m", "nose2", "test_sample"))


if __name__ == "__main__":
    unittest.main()
