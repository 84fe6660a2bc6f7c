"""Every example in a docstring of the package runs, and prints what it says."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import doctest
import importlib.util
import io
import pkgutil
import time
import unittest
from collections.abc import Iterator
from unittest import mock

import asynctesting
from asynctesting import _repeat


def examples() -> Iterator[doctest.DocTest]:
    """Yield each docstring that has examples in it, as code of a user who has made the imports."""
    public = {name: getattr(asynctesting, name) for name in asynctesting.__all__}
    usual = {"asyncio": asyncio, "dt": datetime, "time": time, "unittest": unittest}
    for info in pkgutil.walk_packages(asynctesting.__path__, "asynctesting."):
        if info.name.endswith("__main__") or not is_available(info.name):
            continue
        module = importlib.import_module(info.name)
        user = {**vars(module), **public, **usual, "__name__": "example"}
        for test in doctest.DocTestFinder().find(module, globs=user):
            if test.examples:
                yield test


def is_available(name: str) -> bool:
    """Tell whether a module can be imported here; the codemod needs a package of its own."""
    return ".migrate" not in name or importlib.util.find_spec("libcst") is not None


class DocstringTests(unittest.TestCase):
    def setUp(self) -> None:
        # Under "python -m asynctesting" a test is repeated by that.
        self.enterContext(mock.patch.object(_repeat, "launcher", "python -m unittest"))

    def test_every_example_runs(self) -> None:
        """What a docstring shows is what happens."""
        for test in examples():
            with self.subTest(docstring=test.name):
                said = io.StringIO()
                # An example may run a case of its own, and unittest's runner writes to stderr.
                with contextlib.redirect_stderr(io.StringIO()):
                    outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(
                        test, out=said.write
                    )
                self.assertEqual(outcome.failed, 0, said.getvalue())

    def test_the_case_is_explained_by_an_example(self) -> None:
        """If nothing were found, nothing would be tested."""
        found = {test.name for test in examples()}

        self.assertLessEqual(
            {"asynctesting._case.AsyncTestCase", "asynctesting._case.timeout"}, found
        )


if __name__ == "__main__":
    unittest.main()
