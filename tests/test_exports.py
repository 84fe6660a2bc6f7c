"""The public names: what ``__all__`` says, what is there, and what the reference explains."""

from __future__ import annotations

import importlib.metadata
import inspect
import re
import types
import unittest

import asynctesting
from tests.support import ROOT

REFERENCE = ROOT / "docs" / "reference"


class NamesTests(unittest.TestCase):
    def test_all_is_what_is_there(self) -> None:
        """A name without an underscore is promised, and a promised name is there."""
        promised = {name for name in asynctesting.__all__ if hasattr(asynctesting, name)}
        there = {
            name
            for name, value in vars(asynctesting).items()
            if not name.startswith("_") and not isinstance(value, types.ModuleType)
        }

        self.assertEqual(promised, set(asynctesting.__all__))
        self.assertEqual(there - {"annotations", "TYPE_CHECKING"}, promised)

    def test_dir_lists_them(self) -> None:
        """Also those that are loaded at their first use, so that a prompt completes them."""
        self.assertLessEqual(set(asynctesting.__all__), set(dir(asynctesting)))

    def test_another_name_is_a_plain_error(self) -> None:
        """As on any other module."""
        with self.assertRaisesRegex(
            AttributeError, "^module 'asynctesting' has no attribute 'nonsense'$"
        ):
            asynctesting.nonsense  # type: ignore[attr-defined]

    def test_all_is_sorted_and_has_no_name_twice(self) -> None:
        """So a new name has one place."""
        self.assertEqual(asynctesting.__all__, sorted(set(asynctesting.__all__)))

    def test_a_star_import_brings_them(self) -> None:
        """Every promised name can be imported."""
        namespace: dict[str, object] = {}
        exec("from asynctesting import *", namespace)

        self.assertLessEqual(set(asynctesting.__all__), set(namespace))

    def test_each_has_a_docstring(self) -> None:
        """Its first line is a sentence, and its methods and properties are described, too."""
        for name in asynctesting.__all__:
            with self.subTest(name=name):
                thing = getattr(asynctesting, name)
                first, *_ = (inspect.getdoc(thing) or "").splitlines() or [""]
                self.assertTrue(first, "no docstring")
                for member, value in vars(thing).items() if inspect.isclass(thing) else ():
                    if not member.startswith("_") and callable(value):
                        self.assertTrue(value.__doc__, f"{member} has no docstring")

    def test_none_of_them_says_where_it_is_made(self) -> None:
        """Users meet ``asynctesting.timeout`` in tracebacks and docs, with a real home."""
        for name in asynctesting.__all__:
            home = getattr(asynctesting, name).__module__
            self.assertTrue(home.startswith("asynctesting."), f"{name} comes from {home}")

    def test_the_reference_explains_each(self) -> None:
        """Every public name stands in docs/reference."""
        pages = [path for path in sorted(REFERENCE.rglob("*")) if path.suffix in (".md", ".rst")]
        if not pages:
            self.skipTest("the reference is not here")
        text = "\n".join(page.read_text(encoding="utf-8") for page in pages)

        missing = [n for n in asynctesting.__all__ if not re.search(rf"\b{n}\b", text)]
        self.assertEqual(missing, [])


class VersionTests(unittest.TestCase):
    def test_it_is_a_release_number(self) -> None:
        """Three numbers, and perhaps the mark of a pre-release."""
        self.assertRegex(asynctesting.__version__, r"^\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?$")

    def test_the_installed_metadata_says_the_same(self) -> None:
        """The version is written once, in the package."""
        try:
            installed = importlib.metadata.version("asynctesting")
        except importlib.metadata.PackageNotFoundError:
            self.skipTest("asynctesting is not installed here, only imported")

        self.assertEqual(installed, asynctesting.__version__)

    def test_the_build_reads_it_without_an_import(self) -> None:
        """It is a plain literal, which setuptools reads from the source text."""
        source = (ROOT / "asynctesting" / "__init__.py").read_text(encoding="utf-8")
        found = re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE)

        self.assertEqual(found, [asynctesting.__version__])

    def test_the_package_says_that_it_is_typed(self) -> None:
        """Type checkers look for ``py.typed`` beside the modules."""
        self.assertTrue((ROOT / "asynctesting" / "py.typed").is_file())


if __name__ == "__main__":
    unittest.main()
