"""Threads of a library that close, a little later, what a test has closed already."""

from __future__ import annotations

import importlib.util
import os
import queue
import threading
import unittest

import aiohttp

from asynctesting import AsyncTestCase, LeakWarning
from tests.support import OutcomeAssertions, run_case


class CloserTests(OutcomeAssertions):
    def start(self) -> queue.SimpleQueue[int | None]:
        """Return where descriptors go that a thread like that of pycares closes."""
        descriptors: queue.SimpleQueue[int | None] = queue.SimpleQueue()

        def close() -> None:
            while (descriptor := descriptors.get()) is not None:
                released.wait()
                os.close(descriptor)

        released = threading.Event()
        close.__module__ = "pycares"
        thread = threading.Thread(target=close, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(descriptors.put, None)
        threading.Timer(0.01, released.set).start()
        return descriptors

    def test_its_thread_and_what_it_still_has_to_close(self) -> None:
        """They are nobody's leak."""

        class Closing(AsyncTestCase):
            async def test_it(case) -> None:
                descriptors = self.start()
                descriptors.put(os.open(os.devnull, os.O_RDONLY))

        self.assertTrue(run_case(Closing).wasSuccessful())

    def test_what_nobody_closes(self) -> None:
        """Is told, though such a thread runs."""
        self.start()

        class Forgetful(AsyncTestCase):
            async def test_it(self) -> None:
                self.descriptor = os.open(os.devnull, os.O_RDONLY)
                opened.append(self.descriptor)

        opened: list[int] = []
        with self.assertWarnsRegex(LeakWarning, "descriptor [0-9]+ is still open: /dev/null"):
            run_case(Forgetful)

        os.close(opened[0])

    @unittest.skipUnless(importlib.util.find_spec("aiodns"), "aiodns is not installed")
    def test_a_session_whose_resolver_is_that_of_aiodns(self) -> None:
        """Nothing of its channel is told, once the session is closed."""

        class Fetching(AsyncTestCase):
            async def test_it(self) -> None:
                net = self.network()
                net.host("https://api.test").get("/").respond()
                async with aiohttp.ClientSession() as session:
                    async with session.get("https://api.test/") as response:
                        self.assertEqual(response.status, 200)

        for _ in range(3):
            outcome = run_case(Fetching)
            self.assertTrue(outcome.wasSuccessful(), outcome.report)


if __name__ == "__main__":
    unittest.main()
