"""The rule for asynctest: what it rewrites, what it leaves alone, a second run."""

from __future__ import annotations

import asyncio
import unittest
from typing import Any

from tests.migrate import RuleTestCase


class CaseTests(RuleTestCase):
    rule = "asynctest"

    def test_a_case_with_its_hooks(self) -> None:
        """Hooks that are coroutines are renamed, and so are their calls of super()."""
        self.assertRewrites(
            """
            import asynctest

            from app import connect


            class PoolTests(asynctest.TestCase):
                async def setUp(self):
                    await super().setUp()  # first of all
                    self.db = await connect(loop=self.loop)

                async def tearDown(self):
                    await super(PoolTests, self).tearDown()

                def test_ping(self):
                    return self.db.ping()


            if __name__ == "__main__":
                asynctest.main()
            """,
            """
            import unittest
            from asynctesting import AsyncTestCase

            from app import connect


            class PoolTests(AsyncTestCase):
                async def asyncSetUp(self):
                    await super().asyncSetUp()  # first of all
                    self.db = await connect(loop=self.loop)

                async def asyncTearDown(self):
                    await super(PoolTests, self).asyncTearDown()

                def test_ping(self):
                    return self.db.ping()


            if __name__ == "__main__":
                unittest.main()
            """,
        )

    def test_in_the_place_of_unittest(self) -> None:
        """``import asynctest as unittest`` becomes unittest's own names."""
        self.assertRewrites(
            """
            import asynctest as unittest


            @unittest.skip("later")
            class Tests(unittest.TestCase):
                async def test_it(self):
                    pass
            """,
            """
            import unittest
            from asynctesting import AsyncTestCase


            @unittest.skip("later")
            class Tests(AsyncTestCase):
                async def test_it(self):
                    pass
            """,
        )

    def test_a_synchronous_hook_stays(self) -> None:
        """It is called before the loop runs, as it was there."""
        self.assertRewrites(
            """
            from asynctest import TestCase

            class Tests(TestCase):
                def setUp(self):
                    super().setUp()
            """,
            """
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                def setUp(self):
                    super().setUp()
            """,
        )

    def test_generator_coroutines(self) -> None:
        """Tests and helpers with ``yield from`` await, with the parentheses that this takes."""
        self.assertRewrites(
            """
            import asyncio
            import asynctest

            class Tests(asynctest.TestCase):
                def test_it(self):
                    first = yield from self.one()  # why
                    second = (yield from self.two()) + 1
                    yield from first or second

                @asyncio.coroutine
                def one(self):
                    yield from asyncio.sleep(0)
            """,
            """
            import asyncio
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                async def test_it(self):
                    first = await self.one()  # why
                    second = (await self.two()) + 1
                    await (first or second)

                async def one(self):
                    await asyncio.sleep(0)
            """,
        )

    def test_assertions_about_awaitables(self) -> None:
        """They become a block, and keep the comment of their line."""
        self.assertRewrites(
            """
            import asynctest

            class Tests(asynctest.TestCase):
                async def test_it(self):
                    # refused
                    await self.assertAsyncRaises(OSError, self.go())  # at once
                    await self.assertAsyncRaisesRegex(OSError, "no", self.go())
            """,
            """
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                async def test_it(self):
                    # refused
                    with self.assertRaises(OSError):
                        await self.go()  # at once
                    with self.assertRaisesRegex(OSError, "no"):
                        await self.go()
            """,
        )

    def test_checks_and_settings_go(self) -> None:
        """What is no longer looked at is said."""
        self.assertRewrites(
            """
            import asynctest

            class Tests(asynctest.TestCase):
                use_default_loop = False
                forbid_get_event_loop = True

                # about the test
                @asynctest.fail_on(active_handles=True)
                # more about it
                async def test_it(self):
                    pass

                @asynctest.fail_on(active_handles=False)
                async def test_that(self):
                    pass
            """,
            """
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                # about the test
                # more about it
                async def test_it(self):
                    pass

                async def test_that(self):
                    pass
            """,
            "forbid-get-event-loop",
            "checks",
        )

    def test_checks_of_a_class(self) -> None:
        """What is looked for under another name is an error under that name."""
        for decorator, line, looks in (
            ("fail_on(active_handles=True)", '    leaks = {"timers": "error"}\n', []),
            ("fail_on(active_selector_callbacks=True)", '    leaks = {"readers": "error"}\n', []),
            (
                "fail_on(unused_loop=True, active_handles=True)",
                '    leaks = {"timers": "error"}\n',
                ["checks"],
            ),
            ("strict", '    leaks = {"timers": "error", "readers": "error"}\n', ["checks"]),
            ("lenient", "", ["checks"]),
            ("fail_on(active_handles=False)", "", []),
        ):
            with self.subTest(decorator=decorator):
                head = "import asynctest\n\n"
                body = "    async def test_it(self):\n        pass\n"
                after, findings = self.migrated(
                    f"{head}@asynctest.{decorator}\nclass Tests(asynctest.TestCase):\n"
                    f'    """What it does."""\n{body}'
                )
                self.assertEqual(
                    after,
                    "from asynctesting import AsyncTestCase\n\nclass Tests(AsyncTestCase):\n"
                    f'    """What it does."""\n{line}{body}',
                )
                self.assertEqual([item.topic for item in findings], looks)
                names: dict[str, object] = {}
                exec(compile(after, "test_it.py", "exec"), names)  # the settings are refused if bad

    def test_an_import_that_nothing_uses(self) -> None:
        """It would keep the file from being imported, unless something else does."""
        self.assertRewrites(
            "import asynctest\nfrom asynctest import mock, helpers\nimport os\n",
            "import os\n",
        )
        self.assertLeaves(
            "import asynctest\nfrom asynctest import helpers\nx = helpers.exhaust_callbacks\n",
            (3, "exhaust-callbacks"),
        )

    def test_a_value_for_one_call(self) -> None:
        """return_once() becomes an iterator of the same values."""
        before = """
            from asynctest import CoroutineMock, return_once

            load = CoroutineMock(side_effect=return_once(b"tea"))
            more = CoroutineMock(side_effect=return_once(OSError, then=load))
            last = CoroutineMock(side_effect=return_once(1, 2))
        """
        self.assertRewrites(
            before,
            """
            import itertools
            from unittest.mock import AsyncMock

            load = AsyncMock(side_effect=itertools.chain([b"tea"], itertools.repeat(None)))
            more = AsyncMock(side_effect=itertools.chain([OSError], itertools.repeat(load)))
            last = AsyncMock(side_effect=itertools.chain([1], itertools.repeat(2)))
            """,
            *["side-effects"] * 3,
        )
        after, _ = self.migrated(before)
        names: dict[str, Any] = {}
        exec(after, names)

        async def call(mock: Any, times: int) -> list[Any]:
            return [await mock() for _ in range(times)]

        self.assertEqual(asyncio.run(call(names["load"], 3)), [b"tea", None, None])
        self.assertEqual(asyncio.run(call(names["last"], 3)), [1, 2, 2])
        with self.assertRaises(OSError):
            asyncio.run(call(names["more"], 1))
        for line in ("x = return_once", "x = return_once(*values)", "x = return_once(1, **more)"):
            self.assertLeaves(f"from asynctest import return_once\n{line}\n", (2, "return-once"))

    def test_the_default_loop(self) -> None:
        """It was one for the whole process, which a loop of the session is here."""
        self.assertRewrites(
            """
            import asynctest

            class Base(asynctest.TestCase):
                use_default_loop = True

            class Child(Base):
                use_default_loop = False

                async def test_it(self):
                    pass
            """,
            """
            from asynctesting import AsyncTestCase

            class Base(AsyncTestCase):
                loop_scope = "session"

            class Child(Base):
                loop_scope = "test"

                async def test_it(self):
                    pass
            """,
            "use-default-loop",
        )

    def test_loop_arguments(self) -> None:
        """What finds the loop by itself, and takes none any more, is not given one."""
        self.assertRewrites(
            """
            import asyncio
            import asynctest

            class Tests(asynctest.TestCase):
                async def test_it(self):
                    queue = asyncio.Queue(3, loop=self.loop)
                    await asyncio.sleep(0, loop=self.loop)
                    asyncio.Lock(loop=other)
                    connect(loop=self.loop)
            """,
            """
            import asyncio
            from asynctesting import AsyncTestCase

            class Tests(AsyncTestCase):
                async def test_it(self):
                    queue = asyncio.Queue(3)
                    await asyncio.sleep(0)
                    asyncio.Lock(loop=other)
                    connect(loop=self.loop)
            """,
        )

    def test_hooks_that_were_never_awaited(self) -> None:
        """asynctest looked at what a hook is, and never at what it returned."""
        after, findings = self.migrated(
            """
            import asynctest

            class Tests(asynctest.TestCase):
                def setUp(self):
                    yield from self.connect()

                def tearDown(self):
                    return self.close()

                async def test_it(self):
                    pass
            """
        )
        self.assertIn("    async def asyncSetUp(self):\n        await self.connect()", after)
        self.assertIn("    def tearDown(self):", after)
        self.assertEqual(
            [(f.line, f.topic) for f in findings], [(4, "never-ran"), (8, "never-ran")]
        )

    def test_what_stays(self) -> None:
        """A class with anything that has no equivalent stays, with all that it uses."""
        for line, topic, text in (
            (4, "use-default-loop", "class T(TestCase):\n    use_default_loop = SHARED"),
            (3, "clock", "KINDS = [asynctest.ClockedTestCase]"),
            (3, "settings", "class T(TestCase):\n    timeout = 'none'"),
            (
                5,
                "exhaust-callbacks",
                "class T(TestCase):\n    async def test(self):\n"
                "        await asynctest.exhaust_callbacks(self.loop)",
            ),
            (
                5,
                "assert-async",
                "class T(TestCase):\n    async def test(self):\n"
                "        x = await self.assertAsyncRaises(OSError, f())",
            ),
            (4, "generators", "class T(TestCase):\n    def test(self):\n        yield"),
            (
                5,
                "patch-scope",
                "class T(TestCase):\n    async def test(self):\n"
                "        with asynctest.patch('a.b', scope=1): pass",
            ),
        ):
            with self.subTest(topic=topic):
                text = f"import asynctest\nfrom asynctest import TestCase\n{text}\n"
                self.assertLeaves(text, (line, topic))

    def test_mixed_hooks_stay(self) -> None:
        """A sync hook that an async one overrides would become a second hook."""
        self.assertLeaves(
            """
            import asynctest

            class Base(asynctest.TestCase):
                def setUp(self):
                    self.base = 1

            class Child(Base):
                async def setUp(self):
                    super().setUp()
            """,
            (3, "hooks"),
            (7, "hooks"),
        )

    def test_relatives_stay_together(self) -> None:
        """A class stays where its base stays, and says so."""
        self.assertLeaves(
            """
            import asynctest

            class Base(asynctest.TestCase):
                use_default_loop = SHARED

            class Child(Base):
                async def test_it(self):
                    pass
            """,
            (4, "use-default-loop"),
            (6, "relatives"),
        )

    def test_the_clock(self) -> None:
        """A virtual clock that only the test moves takes the place of asynctest's."""
        self.assertRewrites(
            """
            import asynctest

            class Tests(asynctest.ClockedTestCase):
                async def test_it(self):
                    await self.advance(1)

            class Empty(asynctest.ClockedTestCase): pass
            """,
            """
            from asynctesting import AsyncTestCase, VirtualClockMixin

            class Tests(VirtualClockMixin, AsyncTestCase):
                clock_mode = "manual"
                clock_start = 0
                async def test_it(self):
                    await self.clock.advance(1)

            class Empty(VirtualClockMixin, AsyncTestCase):
                clock_mode = "manual"
                clock_start = 0
                pass
            """,
            "clock",
            "clock",
        )

    def test_an_import_with_two_meanings(self) -> None:
        """What a name means is not guessed."""
        self.assertLeaves(
            """
            try:
                import asynctest as unittest
            except ImportError:
                import unittest

            class Tests(unittest.TestCase):
                pass
            """,
            (1, "torn-import"),
        )


class MockTests(RuleTestCase):
    rule = "asynctest"

    def test_mocks_are_unittests(self) -> None:
        """In the form in which they were written, and never under a name that means another."""
        self.assertRewrites(
            '''
            """About this."""
            import asynctest
            from asynctest import CoroutineMock, mock

            send = CoroutineMock(return_value=3)

            def use(mock):
                return asynctest.MagicMock(), mock.anything

            @mock.patch("app.send", new=asynctest.CoroutineMock())
            def other(mock):
                mock.assert_called()
            ''',
            '''
            """About this."""
            import unittest.mock
            from unittest import mock
            from unittest.mock import AsyncMock

            send = AsyncMock(return_value=3)

            def use(mock):
                return unittest.mock.MagicMock(), mock.anything

            @mock.patch("app.send", new=mock.AsyncMock())
            def other(mock):
                mock.assert_called()
            ''',
        )

    def test_traps_stay(self) -> None:
        """What would pass in silence with an AsyncMock is left alone."""
        for topic, lines in (
            ("awaited", ["m = asynctest.CoroutineMock()", "await m.awaited.wait()"]),
            ("child-mocks", ["m = asynctest.CoroutineMock()", "m.child.return_value = 1"]),
            ("child-mocks", ["", "m = asynctest.CoroutineMock(**{'a.return_value': 1})"]),
            ("side-effects", ["", "m = asynctest.CoroutineMock(return_value=asyncio.Future())"]),
            ("is-coroutine", ["", "m = asynctest.Mock(is_coroutine=True)"]),
        ):
            with self.subTest(lines=lines):
                body = "\n".join(f"    {line}" for line in lines)
                text = f"import asyncio, asynctest\n\nasync def use():\n{body}\n"
                self.assertLeaves(text, (5, topic))

    def test_values_that_are_awaitable(self) -> None:
        """Wherever a mock gets them from, they would be handed on un-awaited."""
        for line in (
            "m.return_value = asyncio.Future()",
            "m.return_value = future",
            "m.side_effect = lambda: go()",
            "m.side_effect = [1, go()]",
            "m.side_effect = hand_on",
            "m.configure_mock(return_value=loop.create_future())",
            "unknown.return_value = asyncio.Future()",
            "with asynctest.patch('a.b', new_callable=asynctest.CoroutineMock) as p:\n"
            "        p.return_value = future",
            "with asynctest.patch('a.b', new_callable=asynctest.CoroutineMock) as p:\n"
            "        p.child.assert_called()",
            "m.return_value.json.return_value = {}",
        ):
            text = (
                "import asyncio, asynctest\n\nasync def go():\n    pass\n\n"
                "def hand_on():\n    return go()\n\n"
                "async def use():\n    future = asyncio.Future()\n"
                f"    m = asynctest.CoroutineMock()\n    {line}\n"
            )
            with self.subTest(line=line):
                after, findings = self.migrated(text)
                self.assertEqual(after, text)
                self.assertIn(findings[0].topic, ("side-effects", "child-mocks"))
                self.assertEqual(len(findings), 1)

    def test_a_mock_of_a_decorator(self) -> None:
        """Its parameter is known, past those of other decorators."""
        text = """
            import asyncio
            import asynctest

            class Tests(asynctest.TestCase):
                @asynctest.patch("a.b")
                @asynctest.patch("a.c", new_callable=asynctest.CoroutineMock)
                async def test_it(self, c, b):
                    b.child.assert_called()
                    {mock}.child.assert_called()
            """
        self.assertLeaves(text.replace("{mock}", "c"), (9, "child-mocks"))
        after, findings = self.migrated(text.replace("{mock}", "b"))
        self.assertEqual(findings, ())
        self.assertIn("class Tests(AsyncTestCase)", after)

    def test_values_that_are_plain(self) -> None:
        """Nothing is said about what can't be awaited; what can't be seen is to be looked at."""
        for line, doubts in (
            ("m.return_value = {'a': 1}", 0),
            ("m.return_value = Response(b'')", 0),
            ("m.return_value = [1, 2]", 0),
            ("m.side_effect = [1, OSError()]", 0),
            ("m.side_effect = OSError", 0),
            ("m.side_effect = go", 0),
            ("m.side_effect = lambda: 3", 0),
            ("plain = asynctest.Mock()\n    plain.return_value = asyncio.Future()", 0),
            ("m.return_value = make()", 1),
            ("m.side_effect = unknown", 1),
        ):
            text = (
                "import asyncio, asynctest\n\nasync def go():\n    pass\n\n"
                f"async def use():\n    m = asynctest.CoroutineMock()\n    {line}\n"
            )
            with self.subTest(line=line):
                after, findings = self.migrated(text)
                self.assertIn("AsyncMock()", after)
                self.assertEqual([f.topic for f in findings], ["side-effects"] * doubts)

    def test_a_mock_of_the_module(self) -> None:
        """What stands outside of classes keeps all of them as they are."""
        self.assertLeaves(
            """
            import asyncio
            import asynctest

            send = asynctest.CoroutineMock(return_value=asyncio.Future())

            class Tests(asynctest.TestCase):
                async def test_it(self):
                    await send()
            """,
            (4, "side-effects"),
        )

    def test_a_lambda_that_may_return_an_awaitable(self) -> None:
        """It is rewritten, because most lambdas return values; a person is told."""
        self.assertRewrites(
            """
            import asynctest
            m = asynctest.CoroutineMock(side_effect=lambda: f())
            """,
            """
            from unittest import mock
            m = mock.AsyncMock(side_effect=lambda: f())
            """,
            "side-effects",
        )


if __name__ == "__main__":
    unittest.main()
