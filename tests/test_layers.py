"""The rooms of the package: imports point one way, and ``import asynctesting`` stays light."""

from __future__ import annotations

import ast
import json
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT, run_python

PACKAGE = ROOT / "asynctesting"

#: Every module, in the order of the arrows: a module imports only from what stands before it. A
#: new module has to be placed here, at the latest with its first commit; a package counts as one.
ROOMS = {
    # exceptions, findings to text, private names of CPython: nothing of how a loop runs
    "words": ("errors", "_report", "_internals"),
    # decisions in plain code, and facts about the machine
    "plain": (
        *("_kinds", "_ledger", "_settings", "_allow", "_repeat", "_lint", "_seconds", "_timers"),
        *("_pauses", "_modes", "_clockwork", "_clock"),
        *("_contexts", "_syscalls", "_patched_time"),
    ),
    # what runs under a test
    "loop": (
        *(
            "_virtual_timer",
            "_recorder",
            "_timeline",
            "_pages",
            "_executor",
            "_waits",
            "_reach",
            "_explain",
            "_inflight",
            "_stuck",
        ),
        *("_loop_makers", "_loop", "_idle_selector", "_virtual_loop"),
        "_network",
    ),
    # unittest: lifecycle, limits, audits
    "case": (
        *("_watchdog", "_audit", "_leaks", "_tracebacks", "_phases", "_scopes", "_held"),
        *("_returned", "_nested", "_cancellers", "_wide"),
        *("_results", "_registry", "_fixtures", "_fixture_plan", "_living", "_class_hooks"),
        *("_failures", "_own_fixtures", "_case"),
    ),
    # what a user opts into
    "faces": (
        *("_parametrize", "pytest_plugin"),
        *("_region", "_monotonic", "_frozen", "_wall", "_virtual", "clocks"),
        *("_bridge", "_bridge_owners", "_async_test", "bridge"),
        *("network", "_probes", "asgi", "http", "mocks", "aioresponses"),
        *("migrate", "_strict", "_adopt", "_program", "__main__"),
    ),
    # the list of public names
    "names": ("__init__",),
}

#: What a room must not know.
IGNORANT_OF = {
    "words": {"unittest"},
    "plain": {"asyncio", "unittest"},
    "loop": {"unittest"},
}

#: A third-party package is imported by the faces that need it, and by nothing else.
THIRD_PARTY = {
    "_frozen": {"freezegun"},
    "_network": {"aiohttp", "trustme"},
    "_probes": {"aiohttp"},
    "asgi": {"aiohttp", "multidict"},
    "http": {"aiohttp", "multidict", "uvloop", "yarl"},
    "aioresponses": {"aiohttp", "multidict", "yarl"},
    "mocks": {"aiohttp", "yarl"},
    "migrate": {"libcst", "pytest", "tqdm"},
    "pytest_plugin": {"pytest"},
}

#: What ``import asynctesting`` may load beside itself, ``unittest`` and ``asyncio``.
AFFORDABLE = {"_queue", "concurrent.futures.thread", "faulthandler", "gc", "queue"}

#: Each of these costs milliseconds, or has no business in a test that does not use it.
FORBIDDEN = [
    *("aiohttp", "anyio", "freezegun", "libcst", "pytest", "uvloop"),
    *("argparse", "bdb", "ctypes", "doctest", "email", "http.client", "multiprocessing", "pdb"),
    *("random", "sqlite3", "sysconfig", "tempfile", "unittest.mock", "xml"),
]

ORDER = [module for modules in ROOMS.values() for module in modules]


def modules() -> dict[str, list[Path]]:
    """Return the files of each module; those of a package below one name."""
    found: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        found.setdefault(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), []).append(path)
    return found


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the name of each module that a file imports at run time, and whether it is ours."""
    depth = len(path.relative_to(PACKAGE).parts)
    for node in executed(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _absolute(alias.name)
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                yield from _absolute(node.module or "")
            elif node.level == depth:  # the package itself: its names are modules
                for name in [node.module] if node.module else [alias.name for alias in node.names]:
                    yield name.partition(".")[0], True


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below *node* but for what only a type checker reads."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        below = node.orelse
    else:
        below = list(ast.iter_child_nodes(node))
    for child in below:
        yield child
        yield from executed(child)


def _absolute(name: str) -> Iterator[tuple[str, bool]]:
    first, _, rest = name.partition(".")
    if first == "asynctesting":
        yield rest.partition(".")[0] or "__init__", True
    else:
        yield first, False


class ArrowTests(unittest.TestCase):
    def test_every_module_has_its_place(self) -> None:
        """A module that is not in the table fails here; one that is planned may stand there."""
        self.assertEqual(sorted(set(modules()) - set(ORDER)), [])
        self.assertEqual(len(ORDER), len(set(ORDER)), "a module stands there twice")

    def test_arrows_point_to_what_stands_before(self) -> None:
        """So there is no cycle, and no room knows of one below it."""
        place = {module: number for number, module in enumerate(ORDER)}
        for module, paths in modules().items():
            for path in paths:
                for name, ours in imports(path):
                    if ours and name != module:
                        with self.subTest(module=module, imports=name):
                            self.assertIn(name, place, "is no module of the package")
                            self.assertLess(place[name], place[module])

    def test_nothing_imports_the_list_of_names(self) -> None:
        """``__init__`` is for users; a module of ours imports from where a thing is made."""
        for module, paths in modules().items():
            found = {name for path in paths for name, ours in imports(path) if ours}
            self.assertNotIn("__init__", found, f"{module} imports it")

    def test_each_room_knows_its_subject_only(self) -> None:
        """Plain code has never heard of a loop, and the loop not of unittest."""
        for room, strange in IGNORANT_OF.items():
            for module in ROOMS[room]:
                paths = modules().get(module, [])
                found = {name for path in paths for name, ours in imports(path) if not ours}
                with self.subTest(room=room, module=module):
                    self.assertEqual(found & strange, set())

    def test_third_party_packages_stay_in_their_face(self) -> None:
        """Everything else is the standard library's."""
        for module, paths in modules().items():
            found = {name for path in paths for name, ours in imports(path) if not ours}
            strange = found - set(sys.stdlib_module_names) - THIRD_PARTY.get(module, set())
            with self.subTest(module=module):
                self.assertEqual(strange, set())

    def test_the_reader_of_imports_sees_them(self) -> None:
        """A check that finds nothing would pass, too; so look at what it found."""
        found = set(imports(PACKAGE / "_case.py"))

        self.assertLessEqual({("_scopes", True), ("_settings", True), ("unittest", False)}, found)
        self.assertIn(("_adopt", True), set(imports(PACKAGE / "_program.py")))


class BudgetTests(unittest.TestCase):
    def loaded(self, statement: str) -> set[str]:
        """Return what a statement loads into a process that has unittest and asyncio."""
        process = run_python(
            "import asyncio, json, sys, unittest\n"
            "unittest.IsolatedAsyncioTestCase\n"
            "before = set(sys.modules)\n"
            f"{statement}\n"
            "print(json.dumps(sorted(set(sys.modules) - before)))\n"
        )
        self.assertEqual(process.stderr, "")
        return set(json.loads(process.stdout))

    def test_the_import_loads_next_to_nothing(self) -> None:
        """What is not needed by every test is loaded by what needs it."""
        loaded = self.loaded("import asynctesting")

        self.assertEqual([name for name in FORBIDDEN if name in loaded], [])
        strange = {name for name in loaded if not name.startswith("asynctesting")} - AFFORDABLE
        self.assertEqual(strange, set())

    def test_the_faces_wait_to_be_asked(self) -> None:
        """Clocks, bridge, migration and the runner are loaded by who uses them."""
        loaded = self.loaded("import asynctesting")

        faces = {f"asynctesting.{name}" for name in ROOMS["faces"]}
        self.assertEqual(loaded & faces, set())

    def test_a_passing_test_loads_nothing_more(self) -> None:
        """Imports inside functions are for what rarely happens."""
        loaded = self.loaded(
            "import asynctesting\n"
            "class Tests(asynctesting.AsyncTestCase):\n"
            "    async def test_it(self):\n"
            "        await asyncio.sleep(0)\n"
            "result = unittest.TestResult()\n"
            "Tests('test_it').run(result)\n"
            "assert result.wasSuccessful()"
        )

        self.assertEqual([name for name in FORBIDDEN if name in loaded], [])


if __name__ == "__main__":
    unittest.main()
