"""The rule for home-made loops: what it rewrites, what it leaves alone, a second run."""

from __future__ import annotations

import unittest

from tests.migrate import RuleTestCase


class StockTests(RuleTestCase):
    rule = "loop"

    def test_the_stock_case(self) -> None:
        """Only the base and its import change."""
        self.assertRewrites(
            """
            import unittest
            from unittest import IsolatedAsyncioTestCase, mock

            class One(unittest.IsolatedAsyncioTestCase):
                async def test_it(self):
                    self.assertIsInstance(self, IsolatedAsyncioTestCase)

            class Two(mock.Base, IsolatedAsyncioTestCase): pass
            """,
            """
            from asynctesting import AsyncTestCase
            from unittest import IsolatedAsyncioTestCase, mock

            class One(AsyncTestCase):
                async def test_it(self):
                    self.assertIsInstance(self, IsolatedAsyncioTestCase)

            class Two(mock.Base, AsyncTestCase): pass
            """,
        )

    def test_an_import_that_nothing_needs_goes(self) -> None:
        """Its comments stay."""
        self.assertRewrites(
            """
            # SPDX: none
            from unittest import IsolatedAsyncioTestCase  # the case


            class Tests(IsolatedAsyncioTestCase):
                pass
            """,
            """
            # SPDX: none
            from asynctesting import AsyncTestCase


            class Tests(AsyncTestCase):
                pass
            """,
        )

    def test_what_never_ran_stays(self) -> None:
        """AsyncTestCase would refuse the class, and a person knows what was meant."""
        for body in (
            "async def setUp(self): pass",
            "async def test_it(self): yield",
            "async def setUpClass(cls): pass",
        ):
            with self.subTest(body=body):
                text = f"import unittest\nclass T(unittest.IsolatedAsyncioTestCase):\n    {body}\n"
                self.assertLeaves(text, (2, "never-ran"))

    def test_what_would_mean_something_else_stays(self) -> None:
        """Settings of AsyncTestCase, and private names of the stock case."""
        for topic, line, body in (
            ("settings", 2, "timeout = object()"),
            ("settings", 2, "def leaks(self): pass"),
            ("private", 2, "def _setupAsyncioRunner(self): pass"),
            ("private", 3, "def test_it(self): self._asyncioRunner.run(f())"),
        ):
            with self.subTest(body=body):
                text = f"import unittest\nclass T(unittest.IsolatedAsyncioTestCase):\n    {body}\n"
                self.assertLeaves(text, (line, topic))

    def test_an_import_with_two_meanings(self) -> None:
        """What a name means is not guessed."""
        self.assertLeaves(
            """
            try:
                from unittest import IsolatedAsyncioTestCase
            except ImportError:
                from backport import IsolatedAsyncioTestCase

            class Tests(IsolatedAsyncioTestCase):
                pass
            """,
            (1, "torn-import"),
        )


class NativeTests(RuleTestCase):
    rule = "loop"

    def test_a_loop_made_in_set_up(self) -> None:
        """What made, ran and closed the loop goes; what remains of the hooks stays."""
        self.assertRewrites(
            """
            import asyncio
            import unittest

            class Tests(unittest.TestCase):
                def setUp(self):
                    self.loop = asyncio.new_event_loop()
                    asyncio.set_event_loop(self.loop)
                    self.app = App(loop=self.loop)

                def tearDown(self):
                    self.loop.close()

                def test_it(self):
                    self.assertEqual(self.loop.run_until_complete(f(1)), 2)  # two
                    with self.assertRaises(OSError):
                        self.loop.run_until_complete(f(2)).close()
                    self.assertRaises(OSError, self.loop.run_until_complete, f(3))
            """,
            """
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                def setUp(self):
                    self.app = App(loop=self.loop)

                async def test_it(self):
                    self.assertEqual(await f(1), 2)  # two
                    with self.assertRaises(OSError):
                        (await f(2)).close()
                    with self.assertRaises(OSError):
                        await f(3)
            """,
        )

    def test_lines_that_say_more_than_one_thing(self) -> None:
        """Each of their statements goes or stays for itself."""
        self.assertRewrites(
            """
            import asyncio, unittest

            class Tests(unittest.TestCase):
                def setUp(self):
                    self.loop = asyncio.new_event_loop(); asyncio.set_event_loop(self.loop)
                    self.x = 1; self.loop.set_debug(True); asyncio.set_event_loop(None)  # why
                def tearDown(self): self.loop.close()
                def test_it(self):
                    self.loop.run_until_complete(f())
            """,
            """
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                def setUp(self):
                    self.x = 1; self.loop.set_debug(True)  # why
                async def test_it(self):
                    await f()
            """,
        )

    def test_another_name_for_the_loop(self) -> None:
        """It is called ``self.loop`` afterwards; sync tests still find it as the current one."""
        self.assertRewrites(
            """
            import asyncio
            import unittest

            class Tests(unittest.TestCase):
                def setUp(self):
                    self._loop = asyncio.new_event_loop()
                    asyncio.set_event_loop(self._loop)
                    self.addCleanup(self._loop.close)

                def test_it(self):
                    self._loop.run_until_complete(f(self._loop))

                def test_sync(self):
                    self.assertFalse(self._loop.is_closed())
            """,
            """
            import asyncio
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                def setUp(self):
                    asyncio.set_event_loop(self.loop)

                async def test_it(self):
                    await f(self.loop)

                def test_sync(self):
                    self.assertFalse(self.loop.is_closed())
            """,
        )

    def test_loops_within_a_test(self) -> None:
        """A loop of the test's own goes, or becomes the one that runs."""
        self.assertRewrites(
            """
            import asyncio
            import unittest

            class Tests(unittest.TestCase):
                def test_it(self):
                    loop = asyncio.new_event_loop()
                    loop.run_until_complete(f())
                    loop.close()

                def test_that(self):
                    loop = asyncio.get_event_loop()
                    loop.call_soon(print)
                    loop.run_until_complete(f())

                def test_run(self):
                    asyncio.run(
                        # all of it
                        f(
                            1,
                        )
                    )
            """,
            """
            import asyncio
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                async def test_it(self):
                    await f()

                async def test_that(self):
                    loop = asyncio.get_running_loop()
                    loop.call_soon(print)
                    await f()

                async def test_run(self):
                    await (
                        # all of it
                        f(
                            1,
                        )
                    )
            """,
        )

    def test_the_inner_coroutine(self) -> None:
        """It is put in line where nobody can tell the difference, else awaited."""
        self.assertRewrites(
            """
            import asyncio
            import unittest

            class Tests(unittest.TestCase):
                def test_it(self):
                    a = 1

                    # what it does
                    async def go():
                        b = await f(a)
                        self.assertEqual(b, 1)

                    asyncio.run(go())

                def test_names(self):
                    a = 1

                    async def go():
                        a = await f()

                    asyncio.run(go())
                    self.assertEqual(a, 1)

                def test_return(self):
                    async def go():
                        return 1

                    asyncio.run(go())
            """,
            """
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                async def test_it(self):
                    a = 1

                    # what it does
                    b = await f(a)
                    self.assertEqual(b, 1)

                async def test_names(self):
                    a = 1

                    async def go():
                        a = await f()

                    await go()
                    self.assertEqual(a, 1)

                async def test_return(self):
                    async def go():
                        return 1

                    await go()
            """,
        )

    def test_own_decorators_and_runners(self) -> None:
        """They are known by what they do, not by their names, and may be left unused."""
        tools = r"""
            import asyncio
            import functools
            import unittest
            from unittest import mock


            def sync(test):
                @functools.wraps(test)
                def inner(*args, **kwargs):
                    loop = asyncio.new_event_loop()
                    try:
                        return loop.run_until_complete(test(*args, **kwargs))
                    finally:
                        loop.close()
                return inner


            def finish(awaitable):
                return asyncio.get_event_loop().run_until_complete(awaitable)

            """
        self.assertRewrites(
            f"""{tools}
            class Tests(unittest.TestCase):
                @mock.patch("a.b")
                @sync
                async def test_it(self, b):
                    await b()

                def test_that(self):
                    self.assertTrue(finish(f()))

                def go(self, awaitable):
                    return asyncio.run(awaitable)

                def test_go(self):
                    self.go(f())
            """,
            f"""{tools.replace("import unittest", "from asynctesting import AsyncTestCase", 1)}
            class Tests(AsyncTestCase):
                @mock.patch("a.b")
                async def test_it(self, b):
                    await b()

                async def test_that(self):
                    self.assertTrue(await finish(f()))

                def go(self, awaitable):
                    return asyncio.run(awaitable)

                async def test_go(self):
                    await f()
            """.replace("await finish(f())", "await f()"),
        )

    def test_set_up_that_runs_the_loop(self) -> None:
        """It becomes the hook that may await."""
        self.assertRewrites(
            """
            import asyncio
            import unittest

            class Tests(unittest.TestCase):
                def setUp(self):
                    super().setUp()
                    self.db = asyncio.run(connect())

                def test_it(self):
                    asyncio.run(self.db.ping())
            """,
            """
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                async def asyncSetUp(self):
                    await super().asyncSetUp()
                    self.db = await connect()

                async def test_it(self):
                    await self.db.ping()
            """,
        )

    def test_what_begins_to_run_is_said(self) -> None:
        """A coroutine test on a plain case has never run."""
        self.assertRewrites(
            """
            import asyncio, unittest

            class Tests(unittest.TestCase):
                def test_it(self):
                    asyncio.run(f())

                async def test_never(self):
                    self.fail()
            """,
            """
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                async def test_it(self):
                    await f()

                async def test_never(self):
                    self.fail()
            """,
            "never-ran",
        )

    def test_single_tests_that_stay(self) -> None:
        """A test that could tell the difference stays synchronous, on the same case."""
        for topic, body in (
            ("run-forever", "self.loop.run_forever()"),
            ("nested", "list(map(lambda x: self.loop.run_until_complete(x), ()))"),
            ("nested", "any(self.loop.run_until_complete(x) for x in y)"),
            ("other-loops", "app.loop.run_until_complete(f())"),
            ("other-loops", "run = self.loop.run_until_complete"),
            ("several-loops", "asyncio.run(f()); asyncio.run(f())"),
            ("several-loops", "for i in y: asyncio.run(f())"),
            ("other-loops", "asyncio.run(f(), debug=True)"),
            ("running-loop", "asyncio.run(f()); asyncio.get_running_loop()"),
            (
                "blocking",
                "self.loop.run_until_complete(f()); time.sleep(1); "
                "self.loop.run_until_complete(f())",
            ),
        ):
            with self.subTest(body=body):
                before = (
                    "import asyncio, time, unittest\n\n"
                    "class Tests(unittest.TestCase):\n"
                    "    def setUp(self):\n"
                    "        self.loop = asyncio.new_event_loop()\n\n"
                    "    def test_it(self):\n"
                    "        self.loop.run_until_complete(f())\n\n"
                    "    def test_that(self):\n"
                    f"        {body}\n"
                )
                after, findings = self.migrated(before)
                self.assertIn("async def test_it", after)
                self.assertIn(f"    def test_that(self):\n        {body}\n", after)
                self.assertEqual([item.topic for item in findings], [topic])
                self.assertEqual(after.splitlines()[findings[0].line - 1].strip(), body)

    def test_options_of_asyncio_run(self) -> None:
        """An await has none, so it is said which setting of the class stands for each."""
        for call, text in (
            ("asyncio.run(f(), debug=True)", "say 'loop_debug = True' in its class"),
            ("asyncio.run(f(), loop_factory=g)", "'loop_factory = ...' in its class"),
            ("asyncio.run(f(), **options)", "in another way than with one awaitable"),
            ("run = asyncio.run", "in another way than with one awaitable"),
        ):
            with self.subTest(call=call):
                _, (finding,) = self.migrated(
                    "import asyncio, unittest\n\n"
                    "class Tests(unittest.TestCase):\n"
                    "    def test_it(self):\n"
                    "        asyncio.run(f())\n\n"
                    "    def test_that(self):\n"
                    f"        {call}\n"
                )
                self.assertEqual(finding.topic, "other-loops")
                self.assertIn(text, finding.text)

    def test_a_decorator_that_nobody_knows(self) -> None:
        """Whether it can wrap a coroutine function can't be seen."""
        self.assertLeaves(
            """
            import asyncio, unittest
            from somewhere import retried

            class Tests(unittest.TestCase):
                @retried(3)
                def test_it(self):
                    asyncio.run(f())
            """,
            (5, "decorators"),
        )

    def test_a_decorator_that_does_more_than_run(self) -> None:
        """It goes on as it did, and is listed."""
        self.assertLeaves(
            """
            import asyncio, functools, unittest

            def limited(function):
                @functools.wraps(function)
                def wrapper(*args):
                    asyncio.run(asyncio.wait_for(function(*args), 30))
                return wrapper

            class Tests(unittest.TestCase):
                @limited
                async def test_it(self):
                    await f()
            """,
            (10, "decorators"),
        )

    def test_a_helper_that_runs_the_loop(self) -> None:
        """Who calls it stays, too."""
        self.assertLeaves(
            """
            import asyncio, unittest

            class Tests(unittest.TestCase):
                def fetch(self):
                    x = asyncio.run(f())
                    return x + 1

                def test_it(self):
                    self.fetch()
                    asyncio.run(g())
            """,
            (4, "helpers"),
            (8, "helpers"),
        )

    def test_helpers_elsewhere(self) -> None:
        """A function of the file, or a method of a base, that runs a loop among other things."""
        after, findings = self.migrated(
            """
            import asyncio, unittest

            def client():
                return Client(asyncio.run(connect()))

            class Base(unittest.TestCase):
                def fetch(self):
                    return 1 + asyncio.run(f())

            class Tests(Base):
                def test_function(self):
                    asyncio.run(f(client()))

                def test_method(self):
                    asyncio.run(f(self.fetch()))

                def test_alone(self):
                    asyncio.run(f())
            """
        )
        self.assertIn("    def test_function(self):\n        asyncio.run(f(client()))\n", after)
        self.assertIn("    def test_method(self):\n        asyncio.run(f(self.fetch()))\n", after)
        self.assertIn("    async def test_alone(self):\n        await f()\n", after)
        self.assertEqual({item.topic for item in findings}, {"helpers"})
        self.assertEqual(len(findings), 3)

    def test_a_tool_from_another_file_counts(self) -> None:
        """A decorated child moves its base along, or its tests would never be awaited."""
        after, findings = self.migrated(
            """
            import asyncio, unittest

            def sync(test):
                def inner(self):
                    asyncio.run(test(self))
                return inner

            class Base(unittest.TestCase):
                pass

            class Tests(Base):
                @sync
                async def test_it(self):
                    pass
            """
        )
        self.assertIn("class Base(AsyncTestCase):", after)
        self.assertIn("class Tests(Base):\n    async def test_it(self):", after)
        self.assertEqual(findings, ())

    def test_hooks_in_two_classes(self) -> None:
        """A set-up that would run at another time than its base's stays synchronous."""
        after, findings = self.migrated(
            """
            import asyncio, unittest

            class Base(unittest.TestCase):
                def setUp(self):
                    self.x = 1

            class Tests(Base):
                def setUp(self):
                    super().setUp()
                    self.db = asyncio.run(connect())

                def test_it(self):
                    asyncio.run(self.db.ping())
            """
        )
        self.assertIn("class Base(AsyncTestCase)", after)
        self.assertIn("    def setUp(self):\n        super().setUp()\n", after)
        self.assertEqual([(item.line, item.topic) for item in findings], [(9, "hooks")])

    def test_a_hook_that_is_taken(self) -> None:
        """A set-up that runs the loop never takes the place of one that awaits already."""
        for head, body in (
            (
                "class Tests(unittest.IsolatedAsyncioTestCase):",
                "    async def asyncSetUp(self): a()",
            ),
            (
                "class Base(unittest.IsolatedAsyncioTestCase):\n"
                "    async def asyncSetUp(self): a()\n\nclass Tests(Base):",
                "",
            ),
            ("class Tests(AioHTTPTestCase):", "    async def setUpAsync(self): a()"),
            (
                "class Base(AioHTTPTestCase):\n    async def setUpAsync(self): a()\n\n"
                "class Tests(Base):",
                "",
            ),
            ("class Tests(AioHTTPTestCase):", ""),
        ):
            with self.subTest(head=head, body=body):
                after, findings = self.migrated_by(
                    "aiohttp", "loop",
                    before="import asyncio, unittest\n"
                    "from aiohttp.test_utils import AioHTTPTestCase\n\n"
                    f"{head}\n{body}\n    def setUp(self):\n        asyncio.run(b())\n",
                )  # fmt: skip
                self.assertIn("    def setUp(self):\n        asyncio.run(b())\n", after)
                self.assertEqual([item.topic for item in findings], ["hooks"])

    def test_a_hook_that_calls_the_one_of_aiohttp(self) -> None:
        """Its own set-up comes first then, as it did."""
        after, findings = self.migrated_by(
            "aiohttp", "loop",
            before="from aiohttp.test_utils import AioHTTPTestCase\n\n"
            "class Tests(AioHTTPTestCase):\n    def setUp(self):\n        super().setUp()\n"
            "        self.x = self.loop.run_until_complete(f())\n",
        )  # fmt: skip
        self.assertEqual(findings, ())
        self.assertIn("        await super().asyncSetUp()\n        self.x = await f()\n", after)

    def test_classes_that_stay(self) -> None:
        """A loop for the class, two loops, a base from elsewhere."""
        for topic, line, body in (
            (
                "class-loop", 6,
                "class T(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n"
                "        cls.loop = asyncio.new_event_loop()\n",
            ),
            (
                "loop-attributes", 8,
                "class T(unittest.TestCase):\n    def setUp(self):\n"
                "        self.loop = asyncio.new_event_loop()\n\n    def test_close(self):\n"
                "        self.loop.close()\n",
            ),
            ("other-base", 3, "class T(elsewhere.Mixin, unittest.TestCase):\n"),
        ):  # fmt: skip
            with self.subTest(topic=topic):
                self.assertLeaves(
                    f"import asyncio, unittest\nimport elsewhere\n{body}"
                    "    def test_it(self):\n        asyncio.run(f())\n",
                    (line, topic),
                )

    def test_a_mixin_that_strangers_use(self) -> None:
        """A test that becomes a coroutine is awaited by AsyncTestCase, and by who knows whom."""
        self.assertLeaves(
            """
            import asyncio, unittest
            import elsewhere

            class Mixin:
                def test_it(self):
                    asyncio.run(f())

            class One(Mixin, unittest.TestCase):
                pass

            class Two(Mixin, elsewhere.TestCase):
                pass
            """,
            (4, "other-base"),
            (8, "relatives"),
            (11, "relatives"),
        )


class TrapTests(RuleTestCase):
    rule = "loop"

    def test_a_test_that_something_calls(self) -> None:
        """It stays a function that can be called; so does a hook."""
        self.assertLeaves(
            """
            import asyncio
            import unittest

            class Tests(unittest.TestCase):
                def setUp(self):
                    asyncio.run(f())

                def test_it(self):
                    asyncio.run(f())

                def test_again(self):
                    self.setUp()
                    self.test_it()
            """,
            (5, "hooks"),
            (8, "called"),
        )

    def test_context_variables(self) -> None:
        """Each run has a context of its own, so what it sets was not seen outside."""
        text = """
            import asyncio
            import unittest
            from contextvars import ContextVar

            user = ContextVar("user", default="")

            class Tests(unittest.TestCase):
                def test_it(self):
                    asyncio.run(f())
                    self.assertEqual(user.get(), "")
            """
        self.assertLeaves(text, (10, "context-variables"))
        self.bridge = True
        _, findings = self.migrated(text)
        self.assertEqual([item.topic for item in findings], ["context-variables"])

    def test_tasks_that_a_run_cancels(self) -> None:
        """A test that starts some and lets go of them stays, over the bridge as well."""
        text = """
            import asyncio
            import unittest

            class Tests(unittest.TestCase):
                def test_it(self):
                    async def go():
                        task = asyncio.create_task(f())
                        await g()

                    asyncio.run(go())

                def test_kept(self):
                    async def go():
                        task = asyncio.create_task(f())
                        await task

                    asyncio.run(go())
                    check()
            """
        for start in ("task = asyncio.create_task(f())", "_ = asyncio.gather(f(), f())"):
            for self.bridge in (False, True):
                with self.subTest(start=start, bridge=self.bridge):
                    after, findings = self.migrated(
                        text.replace("task = asyncio.create_task(f())", start, 1)
                    )
                    topics = [(item.topic, item.where) for item in findings]
                    self.assertEqual(len(topics), 1)
                    self.assertEqual(topics[0][1], "Tests.test_it")
                    self.assertIn("        asyncio.run(go())\n\n", after)
                    self.assertEqual(after.count("asyncio.run"), 1)


class BridgeTests(RuleTestCase):
    rule = "loop"
    bridge = True

    def test_the_smallest_step(self) -> None:
        """Tests stay synchronous; one mixin runs what a loop did."""
        self.assertRewrites(
            """
            import asyncio
            import unittest

            class Tests(unittest.TestCase):
                def setUp(self):
                    self.loop = asyncio.new_event_loop()

                def tearDown(self):
                    self.loop.close()

                def test_it(self):
                    async def go():
                        pass
                    self.loop.run_until_complete(go())
                    self.assertRaises(OSError, lambda: self.loop.run_until_complete(f()))
            """,
            """
            from asynctesting import AsyncResultMixin
            import unittest

            class Tests(AsyncResultMixin, unittest.TestCase):
                def test_it(self):
                    async def go():
                        pass
                    self.get_async_result(go())
                    self.assertRaises(OSError, lambda: self.get_async_result(f()))
            """,
        )

    def test_the_stock_case_stays(self) -> None:
        """It needs no bridge."""
        self.assertLeaves(
            """
            import unittest

            class Tests(unittest.IsolatedAsyncioTestCase):
                async def test_it(self):
                    pass
            """
        )

    def test_more_than_running_stays(self) -> None:
        """What is bound to the old loop would not work on the bridge's."""
        self.assertLeaves(
            """
            import asyncio
            import unittest

            class Tests(unittest.TestCase):
                def setUp(self):
                    self.loop = asyncio.new_event_loop()
                    self.app = App(loop=self.loop)

                def test_it(self):
                    self.loop.run_until_complete(self.app.go())
            """,
            (7, "loop-attributes"),
        )


if __name__ == "__main__":
    unittest.main()
