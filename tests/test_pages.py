"""Report pages and traces: what is written, where, and that nothing of a test's can break it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
import textwrap
import unittest
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from asynctesting import AsyncTestCase, SettingError, VirtualClockMixin, _pages, _settings
from asynctesting._timeline import Timeline
from tests.project import WITHOUT_PEERS
from tests.support import ROOT, OutcomeAssertions, run_case
from tests.test_timeline import watch

NASTY = "<script>alert('1')</script> & \"two\" \x00 \ud800"


def slices_of(trace: Mapping[str, Any]) -> dict[int, list[tuple[int, int]]]:
    """Return the slices of each track: where each begins and ends, in nanoseconds."""
    found: dict[int, list[tuple[int, int]]] = {}
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            begin = round(event["ts"] * 1000)
            found.setdefault(event["tid"], []).append((begin, begin + round(event["dur"] * 1000)))
    return found


async def busy() -> None:
    """Have tasks of all kinds, with fractions of seconds that no float hits."""
    gate, box = asyncio.Event(), asyncio.Queue[int]()

    async def taker() -> None:
        for _ in range(7):
            await box.get()
            await asyncio.sleep(0.1)
        await gate.wait()

    taking = asyncio.create_task(taker(), name=NASTY)
    busy.kept = [taking, asyncio.create_task(asyncio.sleep(1 / 3))]  # type: ignore[attr-defined]
    for number in range(7):
        await asyncio.sleep(0.7 / 3)
        box.put_nowait(number)


class TraceTests(unittest.TestCase):
    def test_slices_of_a_track_lie_end_to_end(self) -> None:
        """Perfetto wants those of one track to nest; not a nanosecond overlaps."""
        trace = _pages.trace_of("a test", watch(busy))
        tracks = slices_of(json.loads(json.dumps(trace)))
        self.assertGreater(len(tracks), 2)
        for slices in tracks.values():
            for (begin, end), (following, _) in itertools.pairwise(slices):
                self.assertLessEqual(begin, end)
                self.assertLessEqual(end, following)

    def test_tracks_have_the_names_of_tasks(self) -> None:
        """And their order."""
        events: Any = _pages.trace_of("a test", watch(busy))["traceEvents"]
        names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
        self.assertEqual(names[1], "main")
        self.assertIn(NASTY, names.values())
        self.assertEqual({e["pid"] for e in events}, {1})
        self.assertLessEqual({e["ph"] for e in events}, {"M", "X", "i", "s", "f"})

    def test_flows_join_two_slices(self) -> None:
        """The one that the waker goes into and the next one of the woken; each has both ends."""
        trace = _pages.trace_of("a test", watch(busy))
        tracks = slices_of(trace)
        events: Any = trace["traceEvents"]
        begins = {e["id"]: e for e in events if e["ph"] == "s"}
        ends = {e["id"]: e for e in events if e["ph"] == "f"}
        self.assertGreater(len(begins), 2)
        self.assertEqual(begins.keys(), ends.keys())
        for number, begin in begins.items():
            end, at = ends[number], round(begin["ts"] * 1000)
            self.assertEqual(begin["ts"], end["ts"])
            self.assertNotEqual(begin["tid"], end["tid"])
            self.assertTrue([s for s in tracks[begin["tid"]] if s[0] <= at <= s[1]])
            self.assertTrue([s for s in tracks[end["tid"]] if s[0] >= at])

    def test_each_event_has_what_the_format_asks_for(self) -> None:
        """Its phase, its track, and, but for names, a time that is a number of microseconds."""
        trace = _pages.trace_of("a test", watch(busy))
        self.assertEqual(trace["displayTimeUnit"], "ms")
        events: Any = trace["traceEvents"]
        for event in json.loads(json.dumps(events)):
            self.assertLessEqual({"ph", "pid", "tid", "name"}, event.keys())
            if event["ph"] == "M":
                continue
            self.assertGreaterEqual(event["ts"], 0)
            self.assertEqual("dur" in event, event["ph"] == "X")
            self.assertEqual(event.get("s"), "t" if event["ph"] == "i" else None)


class PageTests(unittest.TestCase):
    def page(self, timeline: Timeline | None = None, **more: str) -> str:
        timeline = timeline or watch(busy)
        return _pages.page(NASTY, NASTY, [NASTY], timeline, command=NASTY, **more)

    def test_what_comes_from_a_test_is_escaped(self) -> None:
        """Its name, its tasks' names, its messages."""
        page = self.page(trace=NASTY)
        self.assertNotIn("<script", page)
        self.assertIn("&lt;script&gt;", page)
        self.assertNotIn("\x00", page)
        page.encode()

    def test_a_long_verdict_is_cut_above_the_picture(self) -> None:
        """All of it stands below."""
        long = "x" * 3000
        page = _pages.page("a test", long, [long], watch(busy))
        self.assertIn(f'role="alert">{"x" * _pages.VERDICT}…</p>', page)
        self.assertIn(f"<pre>{long}</pre>", page)

    def test_a_test_that_has_waited_for_nothing_has_no_picture(self) -> None:
        """An empty axis would say nothing."""

        async def nothing() -> None: ...

        page = self.page(watch(nothing))
        self.assertIn("No task has waited.", page)
        self.assertNotIn("<svg", page)
        self.assertNotIn("Axis:", page)

    def test_the_legend_tells_of_what_is_there(self) -> None:
        """And of nothing else."""

        async def nap() -> None:
            await asyncio.sleep(1)

        page = self.page(watch(nap))
        self.assertIn("a time</li>", page)
        self.assertNotIn("a lock or an event</li>", page)
        self.assertNotIn("had not ended", page)
        self.assertNotIn("★", page)
        self.assertIn("had not ended", self.page())

    def test_every_picture_is_well_formed(self) -> None:
        """An axis each; the labels of screen readers and hover texts are there."""
        pictures = re.findall(r"<svg viewBox.*?</svg>", self.page(), re.DOTALL)
        self.assertEqual(len(pictures), 3)
        for picture in pictures:
            root = ElementTree.fromstring(picture)
            self.assertEqual(root.get("role"), "img")
            self.assertRegex(root.get("aria-label") or "", "^Timeline: ")
            bars = [rect for rect in root.iter("rect")]
            self.assertTrue(bars)
            self.assertTrue(all(rect.find("title") is not None for rect in bars))
            for rect in bars:
                left, width = float(rect.get("x") or 0), float(rect.get("width") or 0)
                self.assertGreater(width, 0)
                self.assertLessEqual(left + width, _pages._WIDTH - _pages._RIGHT + 2)

    def test_a_page_needs_nothing_from_elsewhere(self) -> None:
        """No script, no font, no picture: it opens from an archive, without a network."""
        page = self.page()
        self.assertEqual(re.findall(r"(?:src|@import|url\()", page), [])
        self.assertEqual(re.findall(r'href="([^"]*)"', page), [])
        self.assertIn("prefers-color-scheme: dark", page)

    def test_a_thousand_tasks(self) -> None:
        """Equal ones are one row; of the others, only so many are drawn."""

        async def main() -> None:
            await asyncio.gather(
                *(asyncio.sleep(n) for n in range(500)), *map(asyncio.sleep, [9] * 500)
            )

        page = self.page(watch(main))
        self.assertLess(len(page), 500_000)
        self.assertRegex(page, r"3\d\d more tasks are not drawn")
        self.assertIn("×501", page)

    def test_without_steps(self) -> None:
        """Another loop records nothing, which the page says."""

        async def main() -> None: ...

        page = self.page(watch(main, asyncio.SelectorEventLoop))
        self.assertIn("not recorded on this loop", page)


class FileTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.timeline = watch(busy)

    def write(self, test: str) -> Path:
        return _pages.write(self.folder, test, "it failed", ["text"], self.timeline)

    def test_names_are_safe(self) -> None:
        """Whatever a test is called."""
        for test in ("../../etc/x", "a/b\\c:d", "x" * 1000, "ж", "", NASTY.replace("\ud800", "")):
            with self.subTest(test=test):
                path = self.write(test)
                self.assertEqual(str(path.parent), self.folder)
                self.assertRegex(path.name, r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,130}\.html$")

    def test_nothing_is_written_over(self) -> None:
        """Two tests, or the same one twice, have two pages and two traces."""
        paths = {self.write(test) for test in ("a b", "a-b", "a b", "a b")}
        self.assertEqual(len(paths), 4)
        self.assertEqual(len(os.listdir(self.folder)), 8)
        for path in paths:
            json.loads(path.with_suffix(".json").read_text())


class CaseTests(OutcomeAssertions):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "made", "now")

    def pages(self, case: type[AsyncTestCase], name: str = "test_it") -> list[str]:
        """Run a case with pages wanted; return them."""
        with mock.patch("sys.stderr"):
            run_case(case, name, environment={"ASYNCTESTING_REPORT": self.folder})
        return [path.read_text() for path in sorted(Path(self.folder).glob("*.html"))]

    def test_a_failure_of_any_kind(self) -> None:
        """A page each: an assertion, a leak, a subtest, a task of a group."""

        class Case(VirtualClockMixin, AsyncTestCase):
            async def test_assertion(self) -> None:
                await asyncio.sleep(3)
                self.assertEqual(1, 2)

            async def test_leak(self) -> None:
                self.kept = asyncio.create_task(asyncio.sleep(9), name="forgotten")

            async def test_subtest(self) -> None:
                with self.subTest(number=1):
                    self.fail("inside")

            async def test_group(self) -> None:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.breaks())

            async def breaks(self) -> None:
                raise LookupError("in a task")

        for name, verdict in {
            "test_assertion": "AssertionError: 1 != 2",
            "test_leak": "LeakError: 1 thing was left behind",
            "test_subtest": "a subtest has failed",
            "test_group": "LookupError: in a task",
        }.items():
            with self.subTest(name):
                page = next(p for p in self.pages(Case, name) if f".{name}</title>" in p)
                self.assertIn(f'<p class="verdict" role="alert">{verdict}', page)
                self.assertNotIn("_phases.py", page)
                if name == "test_subtest":
                    self.assertIn("AssertionError: inside", page)

    def test_what_the_picture_shows_was_there_when_it_failed(self) -> None:
        """Tasks that are ended after the failure still wait in it."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None:
                self.kept = asyncio.create_task(asyncio.Event().wait(), name="waiter")
                await asyncio.sleep(0)
                self.fail("now")

        (page,) = self.pages(Case)
        self.assertRegex(page, r'class="lock open".*\n?.*<title>Event')

    def test_none_for_a_test_that_has_not_failed(self) -> None:
        """Passed, skipped, or failed as it should."""

        class Case(AsyncTestCase):
            async def test_it(self) -> None: ...

            async def test_skip(self) -> None:
                self.skipTest("today")

            @unittest.expectedFailure
            async def test_expected(self) -> None:
                self.fail("as it should")

        for name in ("test_it", "test_skip", "test_expected"):
            self.assertEqual(self.pages(Case, name), [])

    def test_a_test_without_a_step(self) -> None:
        """A synchronous one has no loop, and no picture to draw."""

        class Case(AsyncTestCase):
            def test_it(self) -> None:
                self.fail("plain")

        self.assertEqual(self.pages(Case), [])


class SettingTests(unittest.TestCase):
    def test_a_folder_that_cannot_be_written_to(self) -> None:
        """Said at the start, and not after the run."""
        with tempfile.NamedTemporaryFile() as file:
            for folder in (file.name, f"{file.name}/below"):
                with self.assertRaisesRegex(SettingError, "ASYNCTESTING_REPORT must be a folder"):
                    _settings.read({"ASYNCTESTING_REPORT": folder})

    def run_tests(self, *command: str, **environment: str) -> tuple[str, list[str]]:
        """Run a failing test below a command; return what it printed and the files it wrote."""
        source = """
            import asyncio
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                async def test_it(self):
                    await asyncio.sleep(0)
                    self.fail("no")
        """
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "test_failing.py").write_text(textwrap.dedent(source))
            rest = {k: v for k, v in os.environ.items() if not k.startswith(_settings.PREFIX)}
            done = subprocess.run(
                [sys.executable, "-m", *command],
                cwd=folder,
                env={**rest, "PYTHONPATH": str(ROOT), **environment},
                capture_output=True,
                text=True,
                timeout=120,
            )
            return done.stdout + done.stderr, sorted(os.listdir(Path(folder, "out")))

    def test_under_every_runner(self) -> None:
        """By the option of ours, and by the environment under anybody's."""
        for command, environment in (
            (["asynctesting", "--report", "out", "test_failing"], {}),
            (["unittest", "test_failing"], {"ASYNCTESTING_REPORT": "out"}),
            (
                ["pytest", "-q", *WITHOUT_PEERS, "test_failing.py"],
                {"ASYNCTESTING_REPORT": "out"},
            ),
        ):
            with self.subTest(command=command[0]):
                printed, files = self.run_tests(*command, **environment)
                self.assertEqual([Path(f).suffix for f in files], [".html", ".json"], printed)
                self.assertTrue(files[0].startswith("test_failing.Tests.test_it-"), files)
                self.assertIn("report page: ", printed)

    def test_the_command_line_refuses_a_bad_folder(self) -> None:
        """In one line, with status 2."""
        done = subprocess.run(
            [sys.executable, "-m", "asynctesting", "--report", f"{__file__}/x", "nothing"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
        )
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^python -m asynctesting: --report must be a folder .*\n$")


class DocsPictureTests(unittest.TestCase):
    def test_the_picture_in_the_docs_is_that_of_their_example(self) -> None:
        """Where it is not, run docs/draw_timeline.py and look at what has changed."""
        path = ROOT / "docs" / "draw_timeline.py"
        names: Any = runpy.run_path(str(path))

        drawn = names["draw"]()

        self.assertEqual(drawn, (names["HOWTO"] / "timeline.svg").read_text(encoding="utf-8"))
        ElementTree.fromstring(drawn)
