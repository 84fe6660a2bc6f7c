"""``make test-aiohttp``: which series it tries, and what it makes of their outcomes."""

from __future__ import annotations

import contextlib
import io
import re
import unittest
from pathlib import Path
from unittest import mock

import aiohttp

from tests import aiohttp_series, tally


class SeriesTests(unittest.TestCase):
    def run_main(self, wanted: list[str], statuses: dict[str, int]) -> tuple[int, str]:
        """Run it with environments that exist, and runs that end as *statuses* say."""

        def run(command: list[str]) -> tuple[tally.Tally, int]:
            return tally.Tally(1), statuses[command[0]]

        out = io.StringIO()
        with (
            mock.patch.object(aiohttp_series, "environment", Path),
            mock.patch.object(tally, "run", run),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
            contextlib.chdir(aiohttp_series.ROOT),
        ):
            return aiohttp_series.main(wanted), out.getvalue()

    def test_the_current_series_and_four_before_it_are_tried(self) -> None:
        """The one installed here is among them, and they follow each other."""
        current = ".".join(aiohttp.__version__.split(".")[:2])
        minors = [int(series.partition(".")[2]) for series in aiohttp_series.SERIES]

        self.assertIn(current, aiohttp_series.SERIES)
        self.assertEqual(len(minors), 5)
        self.assertEqual(minors, list(range(minors[0], minors[0] + 5)))
        self.assertEqual(aiohttp_series.requirement("3.10"), "aiohttp==3.10.*")

    def test_one_that_fails_fails_the_run(self) -> None:
        """All are tried, and the table says which it was."""
        status, out = self.run_main(["3.10", "3.11"], {"3.10": 1, "3.11": 0})

        self.assertEqual(status, 1)
        self.assertTrue(re.search(r"^aiohttp 3\.10 .*FAILED$", out, re.M), out)
        self.assertTrue(re.search(r"^aiohttp 3\.11 .*ok$", out, re.M), out)

    def test_all_green_is_0(self) -> None:
        """Without arguments, each series."""
        status, out = self.run_main([], dict.fromkeys(aiohttp_series.SERIES, 0))

        self.assertEqual(status, 0)
        self.assertEqual(len(re.findall(r"^aiohttp 3.*ok$", out, re.M)), 5)

    def test_an_unknown_series_is_refused(self) -> None:
        """Before anything is installed."""
        status, out = self.run_main(["2.0"], {})

        self.assertEqual((status, out), (2, "Not a supported series: 2.0\n"))


if __name__ == "__main__":
    unittest.main()
