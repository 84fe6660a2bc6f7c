r"""Every example in README.md and below docs/ is run, and prints what the page says it prints.

The convention, from which a page's author needs to know nothing but what a reader sees:

- A fenced block whose first line is a comment with a file's name (``# test_tea.py``) **is that
  file**. It is written into the page's own temporary folder.
- A ``console`` block is **a session in that folder**: a line that begins with ``$ `` is given to
  the shell, and the lines below it are what it prints, both streams together. ``python`` and the
  console scripts are those of the environment that runs this test. ``cd`` lasts to the page's end.
- A ``python`` block that begins with ``>>>`` is **a doctest**.
- Any other ``python`` block is **executed**, and the test classes that it makes must pass.
- Blocks of one page share a folder and a namespace, in the order of the page. The pages of the
  tutorial share theirs with each other, since a reader follows them in one folder.
- A block that can't be run stands below a line ``<!-- not run: reason -->``, and this module lists
  page and reason in ``NOT_RUN``.

What differs between two runs is made equal on both sides before they are compared: times,
addresses, ports, folders, lines of markers below a traceback's source. A line ``...`` on the page
stands for any number of lines.

    python -m tests.test_docs --update [page ...]

runs the pages and writes what their sessions print into them. Read the difference before you
believe it.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asynctesting import _program, _settings
from tests.project import WITHOUT_PEERS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# Where a page's folder seems to lie.
PROJECT = "/home/you/project"

# Blocks that are not run: page, and the reason that stands above the block there.
NOT_RUN: list[tuple[str, str]] = [
    ("README.md", "it would install from the network"),
    ("README.md", "they make environments and install from the network"),
    ("docs/tutorial/1-first-test.md", "it would install from the network"),
    (
        "docs/howto/runners.md",
        "it starts as many processes as it likes, which takes longer than all other examples",
    ),
    ("docs/explanation/architecture.md", "a drawing"),
    ("docs/explanation/real-suites.md", "it fetches the suites from the network"),
    ("docs/howto/come-from-other-clocks.md", "how it is written with the other library"),
]

# Whose `__all__` the reference has to describe.
PROMISING = [
    "asynctesting",
    "asynctesting.aioresponses",
    "asynctesting.asgi",
    "asynctesting.http",
    "asynctesting.mocks",
    "asynctesting.network",
]

# Public names whose pages are still to come. A page that describes one takes it off this list.
TO_BE_DOCUMENTED: set[str] = set()

# Pages that need something beside the package, by the name of its module.
NEEDS = {
    "README.md": ["pytest"],
    "docs/howto/choose-a-loop.md": ["uvloop"],
    "docs/howto/pytest.md": ["pytest"],
    "docs/howto/test-a-fastapi-application.md": ["fastapi", "httpx"],
    "docs/howto/runners.md": ["absl", "nose2", "stestr", "xdist", "xmlrunner"],
}

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n)?"
    r"^(?P<fence>```+)(?P<language>\S*)[^\n]*\n(?P<body>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_FILE_NAME = re.compile(r"(?:#|;|<!--) ([\w./-]+\.\w+)(?: -->)?$")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    body: str
    reason: str | None
    span: tuple[int, int]

    @property
    def file_name(self) -> str | None:
        """The name of the file that this block is, if it is one."""
        named = _FILE_NAME.match(self.body.partition("\n")[0])
        return named[1] if named else None

    @property
    def kind(self) -> str:
        """Say what is to be done with it."""
        if self.reason is not None:
            return "not run"
        if self.language.startswith("{"):
            return "directive"
        if self.language == "console":
            return "session"
        if self.file_name:
            return "file"
        if self.language == "python":
            return "doctest" if self.body.startswith(">>>") else "code"
        return "unknown"

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """Return the page's path as NOT_RUN and messages write it."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of *page*, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("fence")) + 1,
            found["language"],
            found["body"],
            found["reason"],
            found.span("body"),
        )
        for found in _FENCE.finditer(text)
    ]


def pages() -> list[Path]:
    """Return every page whose examples are ours to run."""
    found = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
    for shelf in ("tutorial", "howto", "migrate", "reference", "explanation"):
        found += sorted((DOCS / shelf).rglob("*.md"))
    return found


def readings() -> dict[str, list[Path]]:
    """Return the pages that are read one after the other, by a name for them."""
    found: dict[str, list[Path]] = {}
    for page in pages():
        name = name_of(page)
        found.setdefault("docs/tutorial" if page.parent == DOCS / "tutorial" else name, []).append(
            page
        )
    return found


# Sessions ---------------------------------------------------------------------------------------


@dataclass
class Step:
    """A command of a session, and what the page says it prints."""

    command: str
    expected: str


def steps_of(body: str) -> list[Step]:
    r"""Split a session at its prompts.

    >>> steps_of("$ echo tea\ntea\n$ true\n")
    [Step(command='echo tea', expected='tea\n'), Step(command='true', expected='')]
    """
    steps: list[Step] = []
    for line in body.splitlines(keepends=True):
        if line.startswith("$ "):
            steps.append(Step(line[2:].rstrip("\n"), ""))
        elif steps:
            steps[-1].expected += line
        else:
            raise ValueError(f"a session begins with a line '$ command', not with {line!r}")
    return steps


class Reader:
    """Somebody who follows a page: types the files, runs the commands, looks at the output."""

    def __init__(self, folder: Path) -> None:
        self.top = folder.resolve()
        self.folder = self.top
        self.status = 0
        self.namespace: dict[str, Any] = {"__name__": "__page__"}
        self._environment = self._make_environment()

    def _make_environment(self) -> dict[str, str]:
        bin_ = self.top.parent / "bin"
        bin_.mkdir(exist_ok=True)
        python = bin_ / "python"
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "ASYNCTESTING_", "PYTEST_", "COVERAGE_"))
        }
        scripts = os.path.dirname(sys.executable)
        search = os.pathsep.join([str(bin_), scripts, kept.get("PATH", os.defpath)])
        # Output has to come in the order in which it was written, in plain text.
        return kept | {
            "PATH": search,
            "COLUMNS": "80",
            "NO_COLOR": "1",
            "PYTHON_COLORS": "0",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT),
            # Pages show pytest without the plugins that this environment may have besides.
            "PYTEST_ADDOPTS": shlex.join([*WITHOUT_PEERS, "-p", "no:cacheprovider"]),
        }

    def write(self, block: Block) -> None:
        """Write the file that *block* is."""
        assert block.file_name is not None
        file = self.folder / block.file_name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.body, encoding="utf-8")

    def run(self, command: str) -> str:
        """Run *command*; return what it prints, as the page would show it."""
        if command.startswith("cd "):
            self.folder = (self.folder / command[3:].strip()).resolve()
            return ""
        answer = subprocess.run(
            ["sh", "-c", f"(exit {self.status})\n{command}"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
        self.status = answer.returncode
        printed = answer.stdout.decode("utf-8", "replace")
        return printed.replace(str(self.top), PROJECT).replace(str(ROOT), "…")

    def check_doctest(self, block: Block) -> str:
        """Run the doctest that *block* is; return what is wrong, or nothing."""
        parsed = doctest.DocTestParser().get_doctest(
            block.body, self.namespace, str(block), str(block), block.line
        )
        report = io.StringIO()
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        runner.run(parsed, out=report.write, clear_globs=False)
        self.namespace.update(parsed.globs)
        return report.getvalue()

    def execute(self, block: Block) -> str:
        """Execute *block* and run the test classes that it makes; return what is wrong."""
        code = compile("\n" * block.line + block.body, str(block), "exec")
        before = set(map(id, self.namespace.values()))
        exec(code, self.namespace)
        suite = unittest.TestSuite(
            unittest.defaultTestLoader.loadTestsFromTestCase(made)
            for made in self.namespace.values()
            if isinstance(made, type)
            and issubclass(made, unittest.TestCase)
            and id(made) not in before
            and made.__module__ == "__page__"
        )
        report = io.StringIO()
        result = unittest.TextTestRunner(report).run(suite)
        return "" if result.wasSuccessful() else report.getvalue()


# Comparing --------------------------------------------------------------------------------------

_EQUAL = [
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"^[ |]*[~^]+[~^ ]*\n", re.MULTILINE), ""),
    (re.compile(r"\b0x[0-9a-fA-F]+"), "0x0"),
    (re.compile(r"(127\.0\.0\.1|localhost):\d+"), r"\1:0"),
    (re.compile(r'File "(?:[^"]*/lib/python3\.\d+|…)/([^"]+)", line \d+'), r'File "…/\1", line 0'),
    (re.compile(r"…/asynctesting/(\w+\.py):\d+"), r"…/asynctesting/\1:0"),
    (re.compile(r"\bid='\d+'"), "id='0'"),
    (re.compile(r"\b\d+(\.\d+)?(e-\d+)? ?(s|seconds|sec\.?|ms)(?=\W|$)"), "0 s"),
    (re.compile(r"\b\d+\.\d{3,}\b"), "0"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
]


def comparable(text: str) -> str:
    r"""Make equal what differs from run to run.

    >>> comparable("Ran 2 tests in 0.003s at 0x7f3a, 127.0.0.1:4711")
    'Ran 2 tests in 0 s at 0x0, 127.0.0.1:0\n'
    """
    for pattern, replacement in _EQUAL:
        text = pattern.sub(replacement, text)
    return text.strip("\n") + "\n"


def agree(expected: str, printed: str) -> bool:
    """Tell whether a command printed what the page says."""
    expected, printed = comparable(expected), comparable(printed)
    parts = re.split(r"^\.\.\.\n", expected, flags=re.MULTILINE)
    pattern = r"(?:.*\n)*?".join(map(re.escape, parts))
    return expected == printed or re.fullmatch(pattern, printed) is not None


def problems(page: Path, reader: Reader) -> Iterator[str]:
    """Follow *page* and yield what does not come out as it says."""
    for block in blocks_of(page):
        if block.kind == "file":
            reader.write(block)
        elif block.kind == "doctest":
            if wrong := reader.check_doctest(block):
                yield wrong
        elif block.kind == "code":
            if wrong := reader.execute(block):
                yield f"{block} does not pass:\n{wrong}"
        elif block.kind == "session":
            for step in steps_of(block.body):
                printed = reader.run(step.command)
                if not agree(step.expected, printed):
                    yield (
                        f"{block}: '$ {step.command}' does not print what the page says.\n"
                        f"--- the page\n{step.expected}--- printed\n{printed}"
                    )


@contextlib.contextmanager
def a_reader() -> Iterator[Reader]:
    """Give somebody an empty folder."""
    with tempfile.TemporaryDirectory(prefix="asynctesting-docs-") as folder:
        project = Path(folder).resolve() / "project"
        project.mkdir()
        yield Reader(project)


# The tests --------------------------------------------------------------------------------------


class PageTests(unittest.TestCase):
    """One test a page, or a sequence of pages; see the end of this module."""

    maxDiff = None

    def check(self, name: str) -> None:
        """Follow the pages of one reading."""
        for module in NEEDS.get(name, []):
            if importlib.util.find_spec(module) is None:
                self.skipTest(f"{name} shows {module}, which is not installed")
        with a_reader() as reader:
            found = [wrong for page in readings()[name] for wrong in problems(page, reader)]

        self.assertEqual([], found, "\n" + "\n\n".join(found))


def _add_page_tests() -> None:
    def make(name: str) -> Any:
        def test(self: PageTests) -> None:
            self.check(name)

        test.__doc__ = f"The examples of {name} run and print what it says."
        return test

    for name in readings():
        identifier = re.sub(r"\W+", "_", name.removesuffix(".md").lower())
        setattr(PageTests, f"test_{identifier}", make(name))


_add_page_tests()


class ConventionTests(unittest.TestCase):
    def test_every_block_is_run_or_says_why_not(self) -> None:
        """No example escapes by being written in a way that nobody reads."""
        unknown = [
            str(block) for page in pages() for block in blocks_of(page) if block.kind == "unknown"
        ]

        self.assertEqual([], unknown)

    def test_what_is_not_run_is_listed_here(self) -> None:
        """Another block that is not run needs a second thought, and a line in this module."""
        found = {
            (name_of(page), block.reason)
            for page in pages()
            for block in blocks_of(page)
            if block.reason is not None
        }

        self.assertEqual(set(NOT_RUN), found)

    def test_a_wrong_output_is_found(self) -> None:
        """The thermometer itself: a page that lies fails, block by block."""
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text(
                "```console\n$ echo tea\ncoffee\n```\n"
                "```python\n>>> 1 + 1\n3\n```\n"
                "```python\nimport unittest\nclass Wrong(unittest.TestCase):\n"
                "    def test_it(self):\n        self.fail()\n```\n"
            )
            with a_reader() as reader:
                blocks = blocks_of(page)
                kinds = [block.kind for block in blocks]
                printed = reader.run("echo tea")

            self.assertEqual(["session", "doctest", "code"], kinds)
            self.assertFalse(agree("coffee\n", printed))
            self.assertTrue(agree("...\n", printed))

    def test_this_module_s_own_examples(self) -> None:
        """The helpers of this module do what their docstrings show."""
        self.assertEqual(0, doctest.testmod(sys.modules[__name__]).failed)


class ReferenceTests(unittest.TestCase):
    """What the reference must not forget."""

    def read(self, name: str) -> str:
        """Return the text of a page of the reference."""
        return (DOCS / "reference" / name).read_text(encoding="utf-8")

    def test_every_public_name_has_an_entry(self) -> None:
        """A name that is promised is described."""
        text = "".join(self.read(page.name) for page in (DOCS / "reference").glob("*.md"))
        entries = re.findall(r"^\.\. auto(?:class|function|exception|data):: (\w+)", text, re.M)

        self.assertEqual(sorted(set(entries)), sorted(entries), "two entries for one name")
        promised = {
            name for module in PROMISING for name in importlib.import_module(module).__all__
        }
        self.assertLessEqual(set(entries), promised)
        self.assertEqual(set(), promised - set(entries) - TO_BE_DOCUMENTED)

    def test_every_option_has_an_entry(self) -> None:
        """The page of the command line knows all of our options, and no other."""
        options = {
            option
            for action in _program._make_parser()._actions
            for option in action.option_strings
            if option.startswith("--") and option != "--help"
        }
        entries = set(re.findall(r"^## `(--[\w-]+)", self.read("command-line.md"), re.M))

        self.assertEqual(options, entries)

    def test_the_table_of_settings_is_complete(self) -> None:
        """Each setting of the environment stands in the one table."""
        text = self.read("settings.md")

        for name in _settings.Settings.__dataclass_fields__:
            self.assertIn(f"`{_settings.PREFIX}{name.upper()}`", text)
        self.assertIn(f"{_settings.DEFAULT_TIMEOUT:g}", text)


class WritingTests(unittest.TestCase):
    """Habits of the docs that a machine can look after."""

    def test_links_between_pages_lead_somewhere(self) -> None:
        """A relative link names a file that is there."""
        for page in pages():
            text = _FENCE.sub("", page.read_text(encoding="utf-8"))
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if re.match(r"[a-z]+:|#", target):
                    continue
                with self.subTest(page=name_of(page), target=target):
                    self.assertTrue((page.parent / target.partition("#")[0]).exists())

    def test_one_sentence_stands_on_one_line(self) -> None:
        """A change of one sentence is a change of one line."""
        end_of_sentence = re.compile(r"(?<!e\.g)(?<!i\.e)[a-z`)»”][.!?][)»”]? +[A-Z`*\[]")
        for page in pages():
            text = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), page.read_text("utf-8"))
            for number, line in enumerate(text.splitlines(), 1):
                if re.match(r"\s*(\||-|#|<!--|\d\.)", line):
                    continue
                with self.subTest(page=name_of(page), line=number):
                    self.assertIsNone(end_of_sentence.search(line), line)


# Updating ---------------------------------------------------------------------------------------


def update(names: Sequence[str]) -> None:
    """Write what the sessions of pages print into the pages."""
    for name, sequence in readings().items():
        if names and not any(wanted in name for wanted in names):
            continue
        with a_reader() as reader:
            for page in sequence:
                _update_page(page, reader)


def _update_page(page: Path, reader: Reader) -> None:
    text = page.read_text(encoding="utf-8")
    pieces: list[str] = []
    end = 0
    for block in blocks_of(page):
        if block.kind == "file":
            reader.write(block)
        elif block.kind == "code":
            print(reader.execute(block), end="")
        elif block.kind == "session":
            pieces += [text[end : block.span[0]], _update_session(block, reader)]
            end = block.span[1]
    page.write_text("".join([*pieces, text[end:]]), encoding="utf-8")


def _update_session(block: Block, reader: Reader) -> str:
    shown = ""
    for step in steps_of(block.body):
        printed = reader.run(step.command)
        if agree(step.expected, printed):
            printed = step.expected
        else:
            print(f"{block}: $ {step.command}")
            printed = re.sub(r'File "[^"]*/lib/python3\.\d+/', 'File "…/', printed)
            printed = printed.rstrip("\n") + "\n" if printed.strip() else ""
        shown += f"$ {step.command}\n{printed}"
    return shown


if __name__ == "__main__":
    if sys.argv[1:2] == ["--update"]:
        update(sys.argv[2:])
    else:
        unittest.main()
