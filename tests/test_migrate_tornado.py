"""The rule for Tornado: what it rewrites, what it leaves alone, a second run."""

from __future__ import annotations

import unittest

from tests.migrate import RuleTestCase


class TornadoTests(RuleTestCase):
    rule = "tornado"

    def test_generator_tests(self) -> None:
        """What is yielded is awaited; a list, Tornado waits for as it did."""
        after, findings = self.migrated(
            """
            from tornado import gen
            from tornado.testing import AsyncTestCase, gen_test


            class Tests(AsyncTestCase):
                # about it
                @gen_test
                def test_it(self):
                    wait = self.one()
                    self.assertFalse((yield wait))
                    a, b = yield [self.one(), self.two()]
                    yield [f(i) for i in range(3)]
                    both = yield {"a": self.one(), "b": self.two()}
                    yield gen.moment
                    futures = [self.one()]
                    yield futures
                    yield pool.submit(f)
                    raise gen.Return(None)

                @gen_test(timeout=10)
                async def test_that(self):
                    self.io_loop.call_later(1, print)
            """
        )
        self.assertEqual(findings, ())
        head, _, body = after.partition("\n\n\n")
        self.assertEqual(
            sorted(head.splitlines()),
            [
                "from asynctesting import AsyncTestCase",
                "from tornado import gen",
                "from tornado.ioloop import IOLoop",
                "import asyncio",
                "import asynctesting",
            ],
        )
        self.assertEqual(
            body,
            """\
class Tests(AsyncTestCase):
    timeout = 5

    # about it
    async def test_it(self):
        wait = self.one()
        self.assertFalse((await wait))
        a, b = await gen.multi([self.one(), self.two()])
        await gen.multi([f(i) for i in range(3)])
        both = await gen.multi({"a": self.one(), "b": self.two()})
        await asyncio.sleep(0)
        futures = [self.one()]
        await gen.convert_yielded(futures)
        await asyncio.wrap_future(pool.submit(f))
        return

    @asynctesting.timeout(10)
    async def test_that(self):
        IOLoop.current().call_later(1, print)
""",
        )

    def test_a_name_that_both_need(self) -> None:
        """Where a class stays on Tornado's AsyncTestCase, ours goes by its full name."""
        after, findings = self.migrated(
            """
            from tornado.testing import AsyncTestCase, gen_test

            class Stays(AsyncTestCase):
                def test_it(self):
                    self.stop()

            class Goes(AsyncTestCase):
                @gen_test
                def test_it(self):
                    yield f()
            """
        )
        self.assertIn("class Stays(AsyncTestCase):", after)
        self.assertIn("class Goes(asynctesting.AsyncTestCase):", after)
        self.assertIn("from tornado.testing import AsyncTestCase\n", after)
        self.assertEqual([(item.line, item.topic) for item in findings], [(6, "stop-and-wait")])

    def test_what_stays(self) -> None:
        """Whatever drives the loop by hand, and tests that never ran."""
        for topic, line, body in (
            ("stop-and-wait", 4, "    def test_it(self):\n        self.wait()\n"),
            ("new-ioloop", 3, "    def get_new_ioloop(self): pass\n"),
            ("io-loop", 4, "    def setUp(self):\n        self.io_loop.add_callback(f)\n"),
            (
                "io-loop",
                5,
                "    @gen_test\n    def test_it(self):\n"
                "        test = self; test.io_loop.close()\n",
            ),
            ("never-ran", 3, "    def test_it(self):\n        yield f()\n"),
            ("yields", 5, "    @gen_test\n    def test_it(self):\n        yield\n"),
            (
                "yields",
                5,
                "    @gen_test\n    def test_it(self):\n        with (yield lock):\n"
                "            pass\n",
            ),
            ("never-ran", 4, "    @gen_test\n    async def test_it(self):\n        yield f()\n"),
            (
                "called",
                4,
                "    @gen_test\n    def test_it(self):\n        yield f()\n"
                "    def test_again(self):\n        self.test_it()\n",
            ),
            ("settings", 2, "    leaks = 3\n"),
            ("settings", 2, "    async def asyncSetUp(self): pass\n"),
        ):
            with self.subTest(body=body):
                text = (
                    "from tornado.testing import AsyncTestCase, gen_test\n"
                    f"class Tests(AsyncTestCase):\n{body}"
                )
                after, findings = self.migrated(text)
                self.assertEqual(after, text)
                self.assertIn((line, topic), [(item.line, item.topic) for item in findings])

    def test_a_return_by_an_exception(self) -> None:
        """Where something around it would have caught it, the two are not the same."""
        head = "from tornado import gen\nfrom tornado.testing import AsyncTestCase, gen_test\n"
        head += "class Tests(AsyncTestCase):\n    @gen_test\n    def test_it(self):\n"
        head += "        yield f()\n"
        for body in (
            "        try:\n            raise gen.Return(1)\n        except Exception:\n"
            "            g()\n",
            "        with self.assertRaises(Exception):\n            raise gen.Return\n",
        ):
            with self.subTest(body=body):
                self.assertLeaves(head + body, (8, "yields"))
        after, findings = self.migrated(
            head
            + "        try:\n            raise gen.Return(1)\n        finally:\n            g()\n"
        )
        self.assertIn("        try:\n            return 1\n", after)
        self.assertEqual(findings, ())

    def test_a_test_without_a_yield(self) -> None:
        """What it returned was never awaited, and is now; a person is told."""
        self.assertRewrites(
            """
            from tornado.testing import AsyncTestCase, gen_test

            class Tests(AsyncTestCase):
                @gen_test
                def test_it(self):
                    self.check()

                @gen_test
                def test_that(self):
                    return self.check()
            """,
            """
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                timeout = 5

                async def test_it(self):
                    self.check()

                async def test_that(self):
                    return self.check()
            """,
            "never-ran",
        )

    def test_the_bridge_has_no_smaller_step(self) -> None:
        """Over the bridge Tornado's tests stay as they are, which is said."""
        self.bridge = True
        self.assertLeaves(
            """
            from tornado.testing import AsyncTestCase

            class Tests(AsyncTestCase):
                pass
            """,
            (1, "bridge"),
        )

    def test_servers_stay(self) -> None:
        """Their synchronous fetch has no equivalent."""
        self.assertLeaves(
            """
            from tornado.testing import AsyncHTTPTestCase

            class Tests(AsyncHTTPTestCase):
                def test_it(self):
                    self.fetch("/")
            """,
            (3, "http-server"),
        )


if __name__ == "__main__":
    unittest.main()
