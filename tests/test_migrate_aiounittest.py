"""The rule for aiounittest: what it rewrites, what it leaves alone, a second run."""

from __future__ import annotations

import unittest

from tests.migrate import RuleTestCase


class NativeTests(RuleTestCase):
    rule = "aiounittest"

    def test_the_case_and_the_decorator(self) -> None:
        """Both go; what never ran before is said."""
        self.assertRewrites(
            """
            import unittest
            import aiounittest

            class New(aiounittest.AsyncTestCase):
                async def setUp(self):
                    self.x = 1

                async def testCamel(self):
                    pass

            class Old(unittest.TestCase):
                @aiounittest.async_test
                async def test_it(self):
                    pass
            """,
            """
            from asynctesting import AsyncTestCase

            class New(AsyncTestCase):
                async def asyncSetUp(self):
                    self.x = 1

                async def testCamel(self):
                    pass

            class Old(AsyncTestCase):
                async def test_it(self):
                    pass
            """,
            "never-ran",
            "never-ran",
        )

    def test_futures_become_mocks(self) -> None:
        """A value is returned, an error raised."""
        self.assertRewrites(
            """
            from unittest import mock
            from unittest.mock import Mock
            from aiounittest import futurized

            good = Mock(return_value=futurized({"ok": 1}))
            bad = mock.Mock(return_value=futurized(OSError("no")))
            """,
            """
            from unittest import mock
            from unittest.mock import AsyncMock

            good = AsyncMock(return_value={"ok": 1})
            bad = mock.AsyncMock(side_effect=OSError("no"))
            """,
        )

    def test_futures_that_are_used_as_such(self) -> None:
        """A coroutine has no result to ask for, and one that nobody awaits is a leak."""
        for use in ("fetch()", "x = fetch().result()", "fetch.return_value.cancel()"):
            with self.subTest(use=use):
                self.assertLeaves(
                    "from unittest.mock import Mock\nfrom aiounittest import futurized\n\n"
                    "async def use():\n    fetch = Mock(return_value=futurized(1))\n"
                    f"    {use}\n",
                    (5, "futurized"),
                )
        after, findings = self.migrated(
            "import asyncio\nfrom unittest.mock import Mock\nfrom aiounittest import futurized\n\n"
            "async def use():\n    fetch = Mock(return_value=futurized(1))\n"
            "    await asyncio.gather(fetch(), fetch())\n    await fetch()\n"
        )
        self.assertIn("fetch = AsyncMock(return_value=1)", after)
        self.assertEqual(findings, ())

    def test_the_loop_that_tests_run_on(self) -> None:
        """A new one is what each test has anyway; the default one is shared."""
        self.assertRewrites(
            """
            import asyncio
            import aiounittest

            class Fresh(aiounittest.AsyncTestCase):
                def get_event_loop(self):
                    "A loop."
                    return asyncio.new_event_loop()

                async def test_it(self):
                    pass

            class Shared(aiounittest.AsyncTestCase):
                def get_event_loop(self):
                    return asyncio.get_event_loop()

                async def test_it(self):
                    pass
            """,
            """
            import asyncio
            from asynctesting import AsyncTestCase

            class Fresh(AsyncTestCase):
                async def test_it(self):
                    pass

            class Shared(AsyncTestCase):
                loop_scope = "session"

                async def test_it(self):
                    pass
            """,
            "get-event-loop",
        )

    def test_what_something_calls(self) -> None:
        """A test that runs itself stays so where something calls it, and a hook its name."""
        self.assertLeaves(
            """
            import unittest
            from aiounittest import AsyncTestCase, async_test

            class Tests(unittest.TestCase):
                @async_test
                async def test_it(self):
                    pass

                def test_again(self):
                    self.test_it()

            class Case(AsyncTestCase):
                async def setUp(self):
                    pass

                async def test_again(self):
                    await self.setUp()
            """,
            (6, "called"),
            (13, "hooks"),
        )

    def test_run_sync(self) -> None:
        """It becomes the bridge."""
        self.assertRewrites(
            """
            from aiounittest import run_sync
            x = run_sync(f)(1, y=2)
            """,
            """
            from asynctesting import get_async_result
            x = get_async_result(f(1, y=2))
            """,
        )

    def test_what_stays(self) -> None:
        """A loop of their own, and uses that can't be seen through."""
        for line, topic, body in (
            (
                4,
                "get-event-loop",
                "class T(aiounittest.AsyncTestCase):\n    def get_event_loop(self): return LOOP\n",
            ),
            (3, "instance", "case = aiounittest.AsyncTestCase()\n"),
            (3, "futurized", "f = aiounittest.futurized(thing)\n"),
            (3, "futurized", "f = mock.Mock(return_value=aiounittest.futurized(thing))\n"),
            (3, "run-sync", "f = aiounittest.run_sync(g)\n"),
            (3, "no-equivalent", "m = aiounittest.AsyncMockIterator([1])\n"),
            (
                4,
                "async-test-loop",
                "class T(unittest.TestCase):\n    @aiounittest.async_test(loop=LOOP)\n"
                "    async def test_it(self): pass\n",
            ),
            (3, "settings", "class T(aiounittest.AsyncTestCase):\n    timeout = 'none'\n"),
            (
                3,
                "settings",
                "class T(aiounittest.AsyncTestCase):\n    async def asyncSetUp(self): pass\n",
            ),
        ):
            with self.subTest(body=body):
                text = f"import unittest, aiounittest\nfrom unittest import mock\n{body}"
                self.assertLeaves(text, (line, topic))

    def test_a_base_that_would_not_move_along(self) -> None:
        """Without their decorator, nobody would await the tests."""
        self.assertLeaves(
            """
            import unittest
            from aiounittest import async_test

            class Base(unittest.TestCase):
                pass

            class Tests(Base):
                @async_test
                async def test_it(self):
                    pass
            """,
            (4, "relatives"),
            (7, "other-base"),
        )


class BridgeTests(RuleTestCase):
    rule = "aiounittest"
    bridge = True

    def test_the_decorator_is_exchanged(self) -> None:
        """No test changes, and the case stays."""
        self.assertRewrites(
            """
            import unittest
            from aiounittest import AsyncTestCase, async_test, run_sync

            class New(AsyncTestCase):
                async def test_it(self):
                    pass

            class Old(unittest.TestCase):
                @async_test
                async def test_it(self):
                    pass

                def test_that(self):
                    run_sync(f)()
            """,
            """
            import unittest
            from aiounittest import AsyncTestCase
            from asynctesting import async_test, get_async_result

            class New(AsyncTestCase):
                async def test_it(self):
                    pass

            class Old(unittest.TestCase):
                @async_test
                async def test_it(self):
                    pass

                def test_that(self):
                    get_async_result(f())
            """,
        )


if __name__ == "__main__":
    unittest.main()
