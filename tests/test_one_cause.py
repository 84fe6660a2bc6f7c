"""One cause is one finding, and two of a kind are two."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any
from unittest import mock

import aiohttp

from asynctesting import AsyncTestCase, LeakError, LeakWarning, allow_leaks
from asynctesting._report import definition
from tests.project import ProjectTestCase
from tests.support import OutcomeAssertions, run_case

CHILD = (sys.executable, "-c", "import sys; sys.stdin.read()", "a")
OTHER = (*CHILD[:-1], "b")


class KeepingTests(OutcomeAssertions):
    """With a list for what outlives a case, and its end."""

    def setUp(self) -> None:
        self.kept: list[Any] = []

    def keep_process(self, argv: tuple[str, ...]) -> None:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.kept.append(process)


class ProcessTests(KeepingTests):
    def test_two_processes_are_two(self) -> None:
        """Each goes with its own pipe, which is none of its own."""
        keep = self.keep_process

        class Careless(AsyncTestCase):
            async def test_it(self) -> None:
                keep(CHILD)
                keep(OTHER)

        error = self.assertFailsWith(run_case(Careless), LeakError)

        self.assertEqual(error.kinds, ("processes", "processes"))
        self.assertEqual(
            [finding.split()[1] for finding in error.findings],
            [str(process.pid) for process in self.kept],
        )

    def test_an_allowed_one_does_not_hide_another(self) -> None:
        """They are told apart by what they run."""
        keep = self.keep_process

        class HalfMeant(AsyncTestCase):
            @allow_leaks(processes="* a")
            async def test_it(self) -> None:
                keep(CHILD)
                keep(OTHER)

        error = self.assertFailsWith(run_case(HalfMeant), LeakError)

        self.assertEqual(len(error.findings), 1)
        self.assertIn(str(self.kept[1].pid), error.findings[0])

    def test_two_of_asyncio(self) -> None:
        """Their transports and pipes add nothing, nor do the threads that wait for them on 3.11."""
        kept = self.kept

        class Careless(AsyncTestCase):
            async def test_it(self) -> None:
                for argv in (CHILD, OTHER):
                    process = await asyncio.create_subprocess_exec(*argv, stdin=subprocess.PIPE)
                    kept.append(process._transport)  # type: ignore[attr-defined]

        error = self.assertFailsWith(run_case(Careless), LeakError)
        for transport in kept:
            transport.get_extra_info("subprocess").wait()  # killed as the loop was closed

        self.assertEqual(error.kinds, ("processes", "processes"))


class SessionTests(KeepingTests):
    def test_two_sessions_that_are_held(self) -> None:
        """They look alike, so the message counts them."""
        kept = self.kept

        class Careless(AsyncTestCase):
            async def test_it(self) -> None:
                kept.extend((aiohttp.ClientSession(), aiohttp.ClientSession()))

        error = self.assertFailsWith(run_case(Careless), LeakError)
        for session in kept:
            asyncio.run(session.close())

        self.assertEqual(error.kinds, ("sessions", "sessions"))
        self.assertIn("\n  2 times: client session ClientSession was not closed", str(error))

    def test_the_line_of_a_destructor_is_not_told(self) -> None:
        """It is the same one for each session of the world."""

        class Careless(AsyncTestCase):
            async def test_it(self) -> None:
                aiohttp.ClientSession()

        error = self.assertFailsWith(run_case(Careless), LeakError)

        self.assertNotIn("destroyed at", str(error))


class FoldingTests(OutcomeAssertions):
    def test_equal_findings_are_counted(self) -> None:
        """The error has each of them, its message one line."""

        class Careless(AsyncTestCase):
            async def test_it(self) -> None:
                response = mock.AsyncMock(name="response")
                for _ in range(3):
                    response.close()

        error = self.assertFailsWith(run_case(Careless), LeakError)

        self.assertEqual(len(error.findings), 3)
        self.assertEqual(str(error).count("was never awaited"), 1)
        self.assertIn("  3 times: call of <AsyncMock name='response.close'", str(error))

    def test_equal_warnings_are_one(self) -> None:
        """As the error is."""

        class Careless(AsyncTestCase):
            async def test_it(self) -> None:
                for _ in range(2):
                    asyncio.get_running_loop().call_later(3600, print)

        with self.assertWarns(LeakWarning) as caught:
            run_case(Careless)

        self.assertEqual(len(caught.warnings), 1)
        self.assertIn("2 times: timer would still call print()", str(caught.warning))


class PlaceTests(OutcomeAssertions):
    def test_a_lambda_stands_where_it_stands(self) -> None:
        """And not at the next function below it."""
        function = lambda: None  # noqa: E731

        def below() -> None: ...

        self.assertEqual(definition(function).line, definition(below).line - 2)


class RunLevelTests(ProjectTestCase):
    def test_what_belongs_to_no_test_is_counted(self) -> None:
        """Equal lines are one line, at the end of the run."""
        self.write(
            {
                "test_dropped.py": """
                import unittest

                import asynctesting

                async def close(): ...

                class Tests(unittest.TestCase):
                    @classmethod
                    def tearDownClass(cls):
                        for _ in range(3):
                            close()

                    def test_it(self): ...

                class OurTests(asynctesting.AsyncTestCase):
                    async def test_it(self): ...
                """
            }
        )

        ran = self.python("-m", "asynctesting", "-q", options=())

        self.assertEndsWith(ran, 0)
        self.assertIn("outside of any test:\n  3 times: coroutine 'close' was", ran.stderr)
