"""Every reason that the codemod gives leads to a heading in the how-to."""

from __future__ import annotations

import ast
import re
import unittest
from collections.abc import Iterator
from pathlib import Path

from asynctesting.migrate import cli
from asynctesting.migrate._model import HOW_TO, Finding
from tests.support import ROOT

CODE = ROOT / "asynctesting" / "migrate"

#: The files that speak in the name of each rule.
FILES = {
    "asynctest": ("asynctest.py", "_asynctest_names.py"),
    "aiounittest": ("aiounittest.py",),
    "tornado": ("tornado.py",),
    "aiohttp": ("aiohttp.py",),
    "pytest-asyncio": ("pytest_asyncio.py", "_pytest_facts.py"),
    "loop": ("loop.py", "_loops.py"),
}


#: Words in tables of something else.
NO_TOPICS = {"skip", "contextmanager", "asynccontextmanager"}


def topics_in(path: Path) -> Iterator[str]:
    """Yield the topics of findings that a file makes, as far as they are written out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        words: list[ast.expr | None] = []
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("left", "block", "look")
            and len(node.args) == 3
        ):
            words = [node.args[1]]
        elif isinstance(node, ast.Tuple) and len(node.elts) == 3:
            words = [node.elts[1]]  # (place, topic, text)
        elif isinstance(node, ast.Dict):
            # a table of topics, or of (topic, text)
            for value in node.values:
                words.append(value.elts[0] if isinstance(value, ast.Tuple) else value)
        for word in words:
            text = word.value if isinstance(word, ast.Constant) else None
            if isinstance(text, str) and re.fullmatch(r"[a-z]+(-[a-z]+)*", text):
                yield text


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


class PageTests(unittest.TestCase):
    def test_every_topic_has_its_heading(self) -> None:
        """The link in a line of output leads somewhere."""
        self.assertEqual(set(FILES), set(cli.NAMES))
        for rule, names in FILES.items():
            topics = {topic for name in names for topic in topics_in(CODE / name)}
            topics -= {"unittest", rule, *NO_TOPICS}
            self.assertGreaterEqual(len(topics), 3, rule)
            anchors = anchors_of(ROOT / HOW_TO / f"{rule}.md")
            with self.subTest(rule=rule):
                self.assertEqual(topics - anchors, set())
                self.assertIn("relatives", anchors)

    def test_differences_come_before_commands(self) -> None:
        """A page begins with what will be different."""
        for rule in FILES:
            text = (ROOT / HOW_TO / f"{rule}.md").read_text(encoding="utf-8")
            with self.subTest(rule=rule):
                self.assertLess(text.index("What will be different"), text.index("$ python"))

    def test_the_link_of_a_finding(self) -> None:
        """It names the page and the heading."""
        finding = Finding(1, "loop", "nested", "")

        self.assertEqual(finding.link, "docs/migrate/loop.md#nested")


if __name__ == "__main__":
    unittest.main()
