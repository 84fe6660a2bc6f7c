"""The rule for AioHTTPTestCase: what it rewrites, what it leaves alone, a second run."""

from __future__ import annotations

import unittest

from tests.migrate import RuleTestCase

BEFORE = """
    from aiohttp.test_utils import AioHTTPTestCase, unittest_run_loop

    class Tests(AioHTTPTestCase):
        def get_app(self):
            return make_app()

        async def setUpAsync(self):
            await super().setUpAsync()

        @unittest_run_loop
        async def test_it(self):
            await self.client.get("/")
"""


class AiohttpTests(RuleTestCase):
    rule = "aiohttp"

    def test_the_case(self) -> None:
        """Ours goes to its left; old names get their present ones."""
        self.assertRewrites(
            BEFORE,
            """
    from aiohttp.test_utils import AioHTTPTestCase
    from asynctesting import AsyncTestCase

    class Tests(AsyncTestCase, AioHTTPTestCase):
        async def get_application(self):
            return make_app()

        async def asyncSetUp(self):
            await super().asyncSetUp()

        async def test_it(self):
            await self.client.get("/")
            """,
        )

    def test_what_stays(self) -> None:
        """The case moves all the same, unless its own names would mean something else."""
        for topic, body in (
            (
                "hooks",
                "    async def setUpAsync(self): pass\n    async def asyncSetUp(self): pass\n",
            ),
            ("hooks", "    async def setUpAsync(self): pass\n    def x(self): self.setUpAsync()\n"),
            ("get-app", "    def get_app(self): pass\n    def x(self): self.get_app()\n"),
        ):
            with self.subTest(body=body):
                after, findings = self.migrated(
                    "from aiohttp.test_utils import AioHTTPTestCase\n"
                    f"class Tests(AioHTTPTestCase):\n{body}"
                )
                self.assertTrue(after.endswith(body))
                self.assertIn("(AsyncTestCase, AioHTTPTestCase)", after)
                self.assertEqual([item.topic for item in findings], [topic])
        self.assertLeaves(
            """
            from aiohttp.test_utils import AioHTTPTestCase

            class Tests(AioHTTPTestCase):
                timeout = "none"
            """,
            (3, "settings"),
        )


class TogetherTests(RuleTestCase):
    def test_a_synchronous_test_of_the_case(self) -> None:
        """The rule for loops goes on where this one ends."""
        after, findings = self.migrated(
            """
            from aiohttp.test_utils import AioHTTPTestCase

            class Tests(AioHTTPTestCase):
                def test_it(self):
                    async def go():
                        await self.client.get("/")

                    self.loop.run_until_complete(go())
            """
        )
        self.assertTrue(
            after.endswith(
                '    async def test_it(self):\n        await self.client.get("/")\n',
            ),
            after,
        )
        self.assertEqual(findings, ())


if __name__ == "__main__":
    unittest.main()
