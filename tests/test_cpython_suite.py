"""CPython's own tests of ``IsolatedAsyncioTestCase``, run with our class in its place.

They are the closest thing to a specification of the house that we are guests in. The list of those
that fail is part of our promises: each stands in the docs with its reason.
"""

from __future__ import annotations

import importlib.util
import json

from tests.support import OutcomeAssertions, run_python

#: Test by name, and why it can't pass.
DIFFERENCES = {
    # An async-generator test and a coroutine from a sync wrapper get a DeprecationWarning there,
    # and pass without having run. Here the first is an error, and the second is awaited.
    "test_deprecation_of_return_val_from_test",
}

_PLACES = ("test.test_unittest.test_async_case", "unittest.test.test_async_case")


def find_suite() -> str | None:
    """Return the name of the module with CPython's tests, if this interpreter ships it."""
    for name in _PLACES:
        try:
            if importlib.util.find_spec(name) is not None:
                return name
        except ModuleNotFoundError:
            continue
    return None


class CPythonSuiteTests(OutcomeAssertions):
    def test_exactly_the_documented_differences_fail(self) -> None:
        """Any other failure is a broken promise; any fewer, a stale list."""
        suite = find_suite()
        if suite is None:
            self.skipTest("this interpreter ships no test_async_case")

        process = run_python(
            f"""
            import importlib, json, unittest, unittest.async_case
            from asynctesting import AsyncTestCase
            unittest.IsolatedAsyncioTestCase = AsyncTestCase
            unittest.async_case.IsolatedAsyncioTestCase = AsyncTestCase
            module = importlib.import_module({suite!r})
            tests = unittest.defaultTestLoader.loadTestsFromModule(module)
            result = unittest.TestResult()
            tests.run(result)
            bad = [*result.failures, *result.errors]
            print(json.dumps({{
                "ran": result.testsRun,
                "skipped": len(result.skipped),
                "failed": {{test.id().rpartition(".")[2]: text for test, text in bad}},
            }}))
            """
        )

        self.assertEqual(process.returncode, 0, process.stderr)
        found = json.loads(process.stdout.splitlines()[-1])
        self.assertGreater(found["ran"], 10)
        self.assertEqual(set(found["failed"]), DIFFERENCES, "\n".join(found["failed"].values()))
