"""Seconds at the door of a clock; most of it is seen in test_clock, through the clock."""

from __future__ import annotations

import unittest
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from asynctesting._seconds import HORIZON_NS, duration_ns, roundest


class DurationTests(unittest.TestCase):
    def test_every_kind_of_number_is_taken(self) -> None:
        """Exactly, where it is exact."""
        for seconds, ns in (
            (0, 0),
            (0.1, 100_000_000),
            (3, 3 * 10**9),
            (Fraction(1, 3), 333_333_333),
            (timedelta(microseconds=1), 1000),
            (timedelta(days=400, microseconds=1), 400 * 86400 * 10**9 + 1000),
        ):
            with self.subTest(seconds=seconds):
                self.assertEqual(duration_ns(seconds, "it"), ns)  # type: ignore[arg-type]

    def test_what_loops_refuse_is_refused(self) -> None:
        """A Decimal can't be added to a float, so loop.call_later() would not take it either."""
        with self.assertRaisesRegex(TypeError, r"got Decimal\('0.5'\), .* convert it with float"):
            duration_ns(Decimal("0.5"), "it")  # type: ignore[arg-type]

    def test_the_message_says_who_asked(self) -> None:
        """And quotes the value."""
        with self.assertRaisesRegex(ValueError, r"stall\(\) needs finite seconds >= 0, got -1"):
            duration_ns(-1, "stall()")
        with self.assertRaisesRegex(TypeError, r"stall\(\) needs a number of seconds, got '5'"):
            duration_ns("5", "stall()")  # type: ignore[arg-type]

    def test_the_horizon_is_what_clocks_can_hold(self) -> None:
        """Some 292 years."""
        self.assertLess(duration_ns(9.2e9, "it"), HORIZON_NS)
        with self.assertRaisesRegex(ValueError, "as far as 9300000000.0 seconds"):
            duration_ns(9.3e9, "it")


class RoundestTests(unittest.TestCase):
    def test_the_shortest_number_within_reach_is_taken(self) -> None:
        """So that a sum which lost its last digits still means what was written."""
        self.assertEqual(roundest(100_000_023, 60), 100_000_000)
        self.assertEqual(roundest(99_999_977, 60), 100_000_000)
        self.assertEqual(roundest(123_456_789, 0), 123_456_789)
        self.assertEqual(roundest(0, 60), 0)


if __name__ == "__main__":
    unittest.main()
