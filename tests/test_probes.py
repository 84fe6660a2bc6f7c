"""The probes: aiohttp, unmodified, in memory; ``make test-aiohttp`` runs them on each series."""

from __future__ import annotations

import asyncio
import unittest
from collections.abc import Callable
from unittest import mock

import aiohttp
import uvloop

from asynctesting import VirtualEventLoop
from asynctesting._probes import (
    PROBES,
    Probe,
    ProbeResult,
    Stage,
    _base,
    run_probe,
    run_probes,
    table,
)

#: Client middlewares came with aiohttp 3.12; everything else has to work with each series.
NEWER = {"client middlewares run"}


LOOPS = (asyncio.new_event_loop, VirtualEventLoop, uvloop.new_event_loop)


class ProbeTests(unittest.TestCase):
    """A test for each probe, by its number: ``test_06_cookies_reach_the_jar`` and so on."""

    maxDiff = None

    def test_there_are_33(self) -> None:
        """Each with a number, a name and a sentence of its own."""
        self.assertEqual([probe.number for probe in PROBES], list(range(1, 34)))
        self.assertEqual(len({probe.name for probe in PROBES}), 33)
        for probe in PROBES:
            self.assertTrue(probe.play.__doc__, probe.name)
            self.assertTrue(hasattr(self, f"test_{probe.number:02}_{probe.play.__name__}"))

    def play(self, probe: Probe) -> None:
        """Play it on asyncio's loop, on ours and on uvloop's."""
        version = tuple(map(int, aiohttp.__version__.split(".")[:2]))
        expected = "n/a" if version < (3, 12) and probe.name in NEWER else "ok"
        for factory in LOOPS:
            with self.subTest(factory.__name__):
                result = run_probe(probe, factory)
                self.assertEqual(result.status, expected, result.detail)


def play_one(probe: Probe) -> Callable[[ProbeTests], None]:
    """Return the test of a probe."""

    def test(self: ProbeTests) -> None:
        self.play(probe)

    test.__doc__ = probe.play.__doc__
    return test


for each in PROBES:
    setattr(ProbeTests, f"test_{each.number:02}_{each.play.__name__}", play_one(each))


class RunningTests(unittest.TestCase):
    def run_one(self, play: object) -> ProbeResult:
        with mock.patch.object(_base, "PROBES", [Probe(1, "mine", play)]):  # type: ignore[arg-type]
            (result,) = run_probes()
        return result

    def test_a_probe_that_raises_has_failed(self) -> None:
        """The others run all the same; the detail says why."""

        async def play(stage: Stage) -> None:
            _base.same(1, 2)

        result = self.run_one(play)

        self.assertEqual(
            (result.status, result.detail), ("failed", "AssertionError: expected 2, got 1")
        )

    def test_what_the_loop_is_told_fails_a_probe(self) -> None:
        """An error behind the back of the client is one, too."""

        async def play(stage: Stage) -> None:
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": "behind your back"})

        result = self.run_one(play)

        self.assertEqual(result.status, "failed")
        self.assertIn("behind your back", result.detail)

    def test_a_probe_that_hangs_has_failed(self) -> None:
        """After a limit of its own."""

        async def play(stage: Stage) -> None:
            await asyncio.sleep(3600)

        with mock.patch.object(_base, "_LIMIT", 0.01):
            result = self.run_one(play)

        self.assertEqual((result.status, result.detail), ("failed", "TimeoutError: "))

    def test_the_table_counts(self) -> None:
        """Versions above, one line a probe, and the sum below."""
        results = [
            ProbeResult(1, "one", "ok", "", 0.5),
            ProbeResult(2, "another", "failed", "no answer", 1.0),
        ]

        lines = table(results).splitlines()

        self.assertEqual(lines[0], f"aiohttp {aiohttp.__version__}, 2 probes")
        self.assertEqual(
            lines[2:],
            [
                " 1  one      ok",
                " 2  another  failed  no answer",
                "",
                "1 ok, 1 failed in 1.5 s",
            ],
        )


if __name__ == "__main__":
    unittest.main()
