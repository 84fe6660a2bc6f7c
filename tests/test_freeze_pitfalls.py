"""What a frozen wall clock does not change, as docs/explanation/time.md tells it, row by row.

None of it is ours to mend: it is how freezegun, the interpreter and OpenSSL are. A row that is no
longer true fails here, and then the docs are to be mended.
"""

from __future__ import annotations

import datetime
import importlib.util
import logging
import ssl
import subprocess
import sys
import time
import unittest
import uuid

from asynctesting import VirtualClock, frozen_time, monotonic_clock

REAL_DATETIME = datetime.datetime


class PitfallTests(unittest.TestCase):
    def test_time_ns_goes_through_a_float(self) -> None:
        """It has whole microseconds at best; the clock's own reading is exact."""
        with monotonic_clock() as clock, frozen_time("2026-01-01"):
            before, exact_before = time.time_ns(), clock.time_ns()
            clock.advance(0.000_000_123)

            self.assertEqual(clock.time_ns() - exact_before, 123)
            self.assertNotEqual(time.time_ns() - before, 123)

    def test_an_offset_moves_local_time_alone(self) -> None:
        """Aware dates are off by it, and localtime() does not know it."""
        with frozen_time("2026-01-01 09:00", tz_offset=2):
            self.assertEqual(datetime.datetime.now().hour, 11)
            self.assertEqual(datetime.datetime.now(datetime.UTC).hour, 11)
            local = time.localtime()

        self.assertEqual(time.mktime(local), 1767258000)

    def test_dates_outlive_the_freeze(self) -> None:
        """They are of a class of freezegun's, and instances of the real one all the same."""
        with frozen_time("2026-01-01"):
            made = datetime.datetime.now()

        self.assertIsNot(type(made), REAL_DATETIME)
        self.assertIsInstance(made, REAL_DATETIME)

    def test_log_records_and_numbers_from_the_clock(self) -> None:
        """A record's age is off by years; uuid1() counts up, and stays unique."""
        with frozen_time("1999-01-01"):
            record = logging.LogRecord("name", logging.INFO, "path", 1, "message", (), None)
            numbers = {uuid.uuid1() for _ in range(10)}

        self.assertLess(record.relativeCreated, -1e9)
        self.assertEqual(len(numbers), 10)

    def test_other_processes_ask_the_system(self) -> None:
        """The freeze ends at the process."""
        with frozen_time("1999-01-01"):
            told = subprocess.run(
                [sys.executable, "-c", "import time; print(time.time())"],
                capture_output=True,
                check=True,
            ).stdout

        self.assertGreater(float(told), 1.7e9)

    @unittest.skipUnless(importlib.util.find_spec("trustme"), "trustme is not installed")
    def test_certificates_are_checked_against_real_time(self) -> None:
        """One that ends tomorrow is valid in a frozen 2050."""
        import trustme

        authority = trustme.CA()
        tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
        certificate = authority.issue_cert("tea.test", not_after=tomorrow)
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        client = ssl.create_default_context()
        certificate.configure_cert(server)
        authority.configure_trust(client)
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = [
            client.wrap_bio(down, up, server_hostname="tea.test"),
            server.wrap_bio(up, down, server_side=True),
        ]

        with frozen_time("2050-01-01"):
            for _ in range(4):
                for end in ends:
                    try:
                        end.do_handshake()
                    except ssl.SSLWantReadError:
                        continue

        certificate_seen = ends[0].getpeercert() or {}
        self.assertIn(("DNS", "tea.test"), certificate_seen["subjectAltName"])

    def test_the_freeze_leaves_a_virtual_clock_alone(self) -> None:
        """freezegun's monotonic() answers with seconds since 1970; ours stays in place."""
        clock = VirtualClock(start=5)
        with frozen_time("2026-01-01"):
            self.assertEqual(clock.time(), 5)
            self.assertLess(time.monotonic(), 1e9)


if __name__ == "__main__":
    unittest.main()
