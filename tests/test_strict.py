"""Plain ``unittest.TestCase`` under our runner: what would never run fails, all else stays."""

from __future__ import annotations

import unittest

from tests.project import ProjectTestCase

PLAIN = "import unittest\n\nclass Tests(unittest.TestCase):\n"


class StrictTestCase(ProjectTestCase):
    def run_body(self, body: str) -> tuple[str, str]:
        """Run a plain test case with this *body*; return its closing line and all of its report."""
        indented = "\n".join("    " + line for line in body.strip().splitlines())
        self.write({"test_a.py": PLAIN + indented})
        process = self.run_ours("test_a")
        *_, closing = process.stderr.strip().splitlines()
        return closing, process.stderr


class TestMethodTests(StrictTestCase):
    def test_a_coroutine(self) -> None:
        """It is closed, so that no second complaint follows."""
        closing, report = self.run_body("async def test_it(self): self.fail('never')")

        self.assertEqual(closing, "FAILED (errors=1)")
        self.assertIn("SilentPassError: Tests: test_it returned a coroutine", report)
        self.assertIn("Derive the class from asynctesting.AsyncTestCase", report)
        self.assertNotIn("was never awaited", report)

    def test_generators_are_seen_before_they_run(self) -> None:
        """The test fails, and its neighbour in the class runs."""
        for kind in ("def", "async def"):
            with self.subTest(kind=kind):
                closing, report = self.run_body(
                    f"{kind} test_it(self): yield self.fail('never')\ndef test_good(self): pass"
                )

                self.assertEqual(closing, "FAILED (errors=1)")
                self.assertIn("Ran 2 tests", report)
                self.assertIn("SilentPassError: Tests.test_it: is a test with a 'yield'", report)

    def test_a_function_that_returns_a_coroutine(self) -> None:
        """A decorator or a lambda hides it from the eye, not from here."""
        closing, report = self.run_body(
            "async def work(self): self.fail('never')\ndef test_it(self): return self.work()"
        )

        self.assertEqual(closing, "FAILED (errors=1)")
        self.assertIn("test_it returned a coroutine", report)

    def test_the_report_names_the_tests_own_class(self) -> None:
        """A test that fails without having been made keeps its id."""
        _, report = self.run_body("def test_it(self): yield")

        self.assertIn("ERROR: test_it (test_a.Tests.test_it)", report)


class HookTests(StrictTestCase):
    def test_set_up_and_tear_down(self) -> None:
        """unittest calls both without awaiting them."""
        for name in ("setUp", "tearDown"):
            with self.subTest(name=name):
                closing, report = self.run_body(
                    f"async def {name}(self): self.fail('never')\ndef test_it(self): pass"
                )

                self.assertEqual(closing, "FAILED (errors=1)")
                self.assertIn(f"SilentPassError: Tests: {name} returned a coroutine", report)

    def test_cleanups(self) -> None:
        """A coroutine function as a cleanup was the most silent of all."""
        closing, report = self.run_body(
            "async def close(self): self.fail('never')\n"
            "def test_it(self): self.addCleanup(self.close)"
        )

        self.assertEqual(closing, "FAILED (errors=1)")
        self.assertIn("SilentPassError: Tests: the cleanup <bound method Tests.close", report)

    def test_class_fixtures_concern_the_whole_class(self) -> None:
        """None of its tests had what they were to stand on."""
        for name in ("setUpClass", "tearDownClass"):
            with self.subTest(name=name):
                closing, report = self.run_body(
                    f"@classmethod\nasync def {name}(cls): pass\n"
                    "def test_a(self): pass\ndef test_b(self): pass"
                )

                self.assertEqual(closing, "FAILED (errors=1)")
                self.assertIn(f"SilentPassError: Tests.{name}: is a coroutine", report)


class UntouchedTests(StrictTestCase):
    def test_ordinary_tests(self) -> None:
        """Outcomes of every kind are what unittest says."""
        closing, report = self.run_body(
            """
def setUp(self): self.addCleanup(print, "cleaned up")
def tearDown(self): pass
def test_good(self): pass
def test_bad(self): self.fail("for a reason")
def test_skip(self): self.skipTest("not here")
@unittest.expectedFailure
def test_expected(self): self.fail("as expected")
def test_subtests(self):
    for n in range(3):
        with self.subTest(n=n): self.assertNotEqual(n, 1)
"""
        )

        self.assertEqual(closing, "FAILED (failures=2, skipped=1, expected failures=1)")
        self.assertIn("Ran 5 tests", report)
        self.assertNotIn("SilentPassError", report)

    def test_a_traceback_has_no_line_of_ours(self) -> None:
        """The plumbing between unittest and the test is trimmed."""
        _, report = self.run_body("def test_it(self): self.assertEqual(1, 2)")

        self.assertNotIn("_strict.py", report)
        self.assertIn("AssertionError: 1 != 2", report)

    def test_returned_values_that_are_no_coroutines(self) -> None:
        """unittest warns of them, and that is its business."""
        self.write({"test_a.py": PLAIN + "    def test_it(self): return 5"})

        process = self.python("-m", "asynctesting", "test_a", options=["-W", "always"])

        self.assertEndsWith(process, 0)
        self.assertIn("DeprecationWarning", process.stderr)

    def test_cases_that_await(self) -> None:
        """The stock case and ours run their coroutines, and so does a case with its own runner."""
        self.write(
            {
                "test_a.py": """
                    import asyncio, unittest
                    from asynctesting import AsyncTestCase

                    class Stock(unittest.IsolatedAsyncioTestCase):
                        async def test_it(self): await asyncio.sleep(0)

                    class Ours(AsyncTestCase):
                        async def test_it(self): await asyncio.sleep(0)

                    class Own(unittest.TestCase):
                        def _callTestMethod(self, method):
                            asyncio.run(method())

                        async def test_it(self): await asyncio.sleep(0)
                """
            }
        )

        process = self.run_ours("test_a")

        self.assertEndsWith(process, 0)
        self.assertIn("Ran 3 tests", process.stderr)

    def test_only_our_runner_is_strict(self) -> None:
        """Importing asynctesting changes nothing for others' classes."""
        self.write(
            {"test_a.py": "import asynctesting\n" + PLAIN + "    async def test_it(self): pass"}
        )

        process = self.python("-m", "unittest", "test_a", options=["-W", "ignore"])

        self.assertEndsWith(process, 0)


if __name__ == "__main__":
    unittest.main()
