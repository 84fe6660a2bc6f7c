"""``--adopt``: suites that never heard of us run on our case, and no line of theirs is changed."""

from __future__ import annotations

import sys
import unittest

from tests.project import ProjectTestCase

#: Prints whether the test runs on our case, from inside.
WHERE = """
    import asynctesting, sys

    def where(case):
        print(type(case).__name__, isinstance(case, asynctesting.AsyncTestCase))
"""


class AdoptTestCase(ProjectTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.write({"helper.py": WHERE})

    def adopted(self, source: str, status: int = 0) -> tuple[list[str], str]:
        """Run a module with ``--adopt``; return the lines that it prints, and the report."""
        self.write({"test_a.py": source})
        process = self.run_ours("--adopt", "test_a")
        self.assertEndsWith(process, status)
        return sorted(process.stdout.splitlines()), process.stderr


class NameTests(AdoptTestCase):
    def test_however_the_name_is_come_by(self) -> None:
        """As an attribute, by ``from``, from the private module, under another name."""
        lines, _ = self.adopted(
            """
            import unittest
            import unittest.async_case
            from unittest import IsolatedAsyncioTestCase, IsolatedAsyncioTestCase as Renamed
            from unittest.async_case import IsolatedAsyncioTestCase as Private
            from helper import where

            class Attribute(unittest.IsolatedAsyncioTestCase):
                async def test_it(self): where(self)

            class From(IsolatedAsyncioTestCase):
                async def test_it(self): where(self)

            class Other(Renamed):
                async def test_it(self): where(self)

            class Hidden(Private):
                async def test_it(self): where(self)

            class Module(unittest.async_case.IsolatedAsyncioTestCase):
                async def test_it(self): where(self)

            class Deep(Module):
                pass
            """
        )

        names = ("Attribute", "Deep", "From", "Hidden", "Module", "Other")
        self.assertEqual(lines, [f"{name} True" for name in names])

    def test_without_the_option_nothing_is_adopted(self) -> None:
        """Our runner alone leaves other classes what they are."""
        self.write(
            {
                "test_a.py": """
                    import unittest
                    from helper import where

                    class Tests(unittest.IsolatedAsyncioTestCase):
                        async def test_it(self): where(self)
                """
            }
        )

        self.assertEqual(self.run_ours("test_a").stdout, "Tests False\n")

    def test_classes_made_before(self) -> None:
        """A class of somebody's test tools may exist already; it gets its new base afterwards."""
        self.write(
            {
                "script.py": """
                    import asyncio, unittest
                    from helper import where

                    class Mixin:
                        pass

                    class Early(Mixin, unittest.IsolatedAsyncioTestCase):
                        async def asyncSetUp(self): self.ready = True

                    class Earlier(Early):
                        async def test_it(self):
                            where(self)
                            assert self.ready

                        async def test_broken(self):
                            yield

                    from asynctesting._adopt import adopt
                    adopt()
                    adopt()

                    class Late(Early):
                        async def test_it(self): where(self)

                    print([base.__name__ for base in Early.__bases__])
                    unittest.main(exit=False)
                """
            }
        )

        process = self.python("script.py")

        self.assertEqual(
            process.stdout.splitlines(),
            ["['Mixin', 'IsolatedAsyncioTestCase']", "Earlier True", "Late True"],
        )
        self.assertIn("Ran 3 tests", process.stderr)
        self.assertIn("FAILED (errors=1)", process.stderr)
        self.assertIn(
            "SilentPassError: Earlier.test_broken: is a test with a 'yield'", process.stderr
        )

    def test_our_own_classes_stay_ours(self) -> None:
        """A suite that is on its way has both, each with its own rules."""
        lines, _ = self.adopted(
            """
            import unittest
            from asynctesting import AsyncTestCase
            from helper import where

            class Ours(AsyncTestCase):
                timeout = 5
                async def test_it(self):
                    where(self)
                    assert self._asyncioRunner.watch.limit == 5

            class Theirs(unittest.IsolatedAsyncioTestCase):
                timeout = 5
                async def test_it(self):
                    where(self)
                    assert self._asyncioRunner.watch.limit == 60
            """
        )

        self.assertEqual(lines, ["Ours True", "Theirs True"])

    def test_an_instance_check_still_holds(self) -> None:
        """Code that asks for the stock class, by either name, gets the answer it expects."""
        self.adopted(
            """
            import unittest
            from unittest import IsolatedAsyncioTestCase

            class Tests(IsolatedAsyncioTestCase):
                async def test_it(self):
                    self.assertIsInstance(self, unittest.IsolatedAsyncioTestCase)
                    self.assertIsInstance(self, unittest.TestCase)
                    self.assertEqual(IsolatedAsyncioTestCase.__name__, "IsolatedAsyncioTestCase")
            """
        )


class BehaviourTests(AdoptTestCase):
    def test_it_is_really_our_case(self) -> None:
        """One task for set-up and test, and a leak fails the test."""
        _, report = self.adopted(
            """
            import asyncio
            from unittest import IsolatedAsyncioTestCase

            class Tests(IsolatedAsyncioTestCase):
                async def asyncSetUp(self):
                    self.task = asyncio.current_task()

                async def test_one_task(self):
                    self.assertIs(asyncio.current_task(), self.task)

                async def test_leak(self):
                    self.forgotten = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
                    await asyncio.sleep(0)
            """,
            status=1,
        )

        self.assertIn("FAILED (failures=1)", report)
        self.assertIn("task 'forgotten' waits at", report)

    def test_leaks_can_be_eased_for_the_run(self) -> None:
        """The command line, since the suite itself says nothing of it."""
        self.write(
            {
                "test_a.py": """
                    import asyncio
                    from unittest import IsolatedAsyncioTestCase

                    class Tests(IsolatedAsyncioTestCase):
                        leaks = ["the suite's own"]

                        async def test_leak(self):
                            self.forgotten = asyncio.create_task(asyncio.Event().wait())
                            await asyncio.sleep(0)
                """
            }
        )

        self.assertEndsWith(self.run_ours("--adopt", "test_a"), 1)
        self.assertEndsWith(self.run_ours("--adopt", "--leaks=off", "test_a"), 0)

    def test_outcomes_are_those_of_the_stock_case(self) -> None:
        """The same suite, both ways."""
        self.write(
            {
                "test_a.py": """
                    import unittest

                    class Tests(unittest.IsolatedAsyncioTestCase):
                        async def test_good(self): pass
                        def test_sync(self): pass
                        async def test_bad(self): self.fail("for a reason")
                        async def test_error(self): raise KeyError("key")
                        async def test_skip(self): self.skipTest("not here")
                        @unittest.expectedFailure
                        async def test_expected(self): self.fail("as expected")
                        @unittest.expectedFailure
                        async def test_unexpected(self): pass
                        async def test_subtests(self):
                            for n in range(3):
                                with self.subTest(n=n): self.assertNotEqual(n, 1)
                """
            }
        )
        stock = self.python("-m", "unittest", "test_a")
        ours = self.run_ours("--adopt", "test_a")

        closing = "FAILED (failures=2, errors=1, skipped=1, expected failures=1, " \
            "unexpected successes=1)"  # fmt: skip
        for process in (stock, ours):
            self.assertEqual(process.stderr.splitlines()[-1], closing)


class OwnNamesTests(AdoptTestCase):
    """A suite that never heard of us may use any name for anything of its own."""

    def test_class_attributes(self) -> None:
        """``timeout``, ``leaks`` and our other settings mean what the suite means."""
        self.adopted(
            """
            import unittest

            class Tests(unittest.IsolatedAsyncioTestCase):
                timeout = "2s"
                leaks = {"roof": 3}
                loop_debug = print
                loop = "a figure"

                async def test_it(self):
                    self.assertEqual(self.timeout, "2s")
                    self.assertEqual(self.leaks, {"roof": 3})
                    self.assertEqual(self.loop, "a figure")
                    self.assertIs(self.loop_debug, print)
            """
        )

    def test_methods(self) -> None:
        """A helper that is called ``timeout`` is called, not read as a limit."""
        self.adopted(
            """
            import unittest

            class Tests(unittest.IsolatedAsyncioTestCase):
                async def timeout(self): return "timeout"
                def leaks(self): yield "leak"
                def loop_debug(self): return "debug"
                def loop(self): return "loop"

                async def test_it(self):
                    self.assertEqual(await self.timeout(), "timeout")
                    self.assertEqual(list(self.leaks()), ["leak"])
                    self.assertEqual((self.loop(), self.loop_debug()), ("loop", "debug"))
            """
        )

    def test_attributes_of_the_instance(self) -> None:
        """``self.loop = asyncio.get_running_loop()`` is what many suites begin with."""
        self.adopted(
            """
            import asyncio, unittest

            class Tests(unittest.IsolatedAsyncioTestCase):
                async def asyncSetUp(self):
                    self.loop = asyncio.get_running_loop()
                    self.timeout = 0
                    self.leaks = None

                async def test_it(self):
                    self.assertIs(self.loop, asyncio.get_running_loop())
                    self.assertEqual((self.timeout, self.leaks), (0, None))
                    await self.loop.run_in_executor(None, int)
            """
        )

    def test_a_loop_factory(self) -> None:
        """From 3.13 on the stock case has one, and a function there is a method."""
        calls = 3 if sys.version_info >= (3, 13) else 0
        lines, _ = self.adopted(
            """
            import asyncio, unittest

            def make():
                print("made")
                return asyncio.SelectorEventLoop()

            class Method(unittest.IsolatedAsyncioTestCase):
                def loop_factory(self): return make()
                async def test_it(self): pass

            class Static(unittest.IsolatedAsyncioTestCase):
                loop_factory = staticmethod(make)
                async def test_it(self): pass

            class Property(unittest.IsolatedAsyncioTestCase):
                @property
                def loop_factory(self): return make
                async def test_it(self): pass
            """
        )

        self.assertEqual(lines, ["made"] * calls)


class BrokenMethodTests(AdoptTestCase):
    """Stock, these pass in silence; here they fail, and only they do."""

    def test_a_broken_test_fails_alone(self) -> None:
        """The class is made, and its other tests run."""
        _, report = self.adopted(
            """
            import unittest

            class Tests(unittest.IsolatedAsyncioTestCase):
                async def test_good(self): pass
                def test_generator(self): yield
                async def test_async_generator(self): yield
            """,
            status=1,
        )

        self.assertIn("Ran 3 tests", report)
        self.assertIn("FAILED (errors=2)", report)
        self.assertIn("SilentPassError: Tests.test_generator: is a test with a 'yield'", report)

    def test_a_broken_hook_fails_the_tests_of_its_class(self) -> None:
        """None of them has what it was to stand on; another class does."""
        _, report = self.adopted(
            """
            import unittest

            class Broken(unittest.IsolatedAsyncioTestCase):
                async def setUp(self): pass
                async def test_a(self): pass
                async def test_b(self): pass

            class Misspelt(unittest.IsolatedAsyncioTestCase):
                async def asyncSetup(self): pass
                async def test_c(self): pass

            class Good(unittest.IsolatedAsyncioTestCase):
                async def test_d(self): pass
            """,
            status=1,
        )

        self.assertIn("Ran 4 tests", report)
        self.assertIn("FAILED (errors=3)", report)
        self.assertIn("Write 'async def asyncSetUp(self)', which is awaited", report)
        self.assertIn("Did you mean asyncSetUp?", report)


class AioHTTPTests(AdoptTestCase):
    SUITE = """
        from aiohttp import web
        from aiohttp.test_utils import AioHTTPTestCase
        from helper import where

        class Tests(AioHTTPTestCase):
            async def get_application(self):
                async def hello(request):
                    return web.json_response({"hello": request.match_info["name"]})

                app = web.Application()
                app.router.add_get("/{name}", hello)
                return app

            async def test_get(self):
                where(self)
                async with self.client.get("/world") as response:
                    self.assertEqual(response.status, 200)
                    self.assertEqual(await response.json(), {"hello": "world"})

            async def test_missing(self):
                async with self.client.post("/world") as response:
                    self.assertEqual(response.status, 405)
    """

    def test_a_real_application_over_loopback(self) -> None:
        """aiohttp's own test case, its server and its client, on our loop."""
        self.write({"test_a.py": self.SUITE})

        process = self.python(
            "-m", "asynctesting", "--adopt", "-v", "test_a", options=["-X", "dev"]
        )

        self.assertEndsWith(process, 0)
        self.assertEqual(process.stdout, "Tests True\n")
        self.assertIn("Ran 2 tests", process.stderr)

    def test_when_aiohttp_was_imported_before(self) -> None:
        """A conftest or a plugin may be earlier than we are."""
        self.write({"test_a.py": self.SUITE})
        self.write(
            {
                "script.py": """
                    import sys
                    import aiohttp.test_utils
                    from asynctesting._program import main

                    main(["--adopt", "test_a"])
                """
            }
        )

        process = self.python("script.py", options=["-X", "dev"])

        self.assertEndsWith(process, 0)
        self.assertEqual(process.stdout, "Tests True\n")

    def test_what_such_a_test_leaves_behind_is_found(self) -> None:
        """One finding: aiohttp's own tasks, client and server are gone by then."""
        self.write(
            {
                "test_a.py": """
                    import aiohttp
                    from aiohttp import web
                    from aiohttp.test_utils import AioHTTPTestCase

                    class Tests(AioHTTPTestCase):
                        async def get_application(self):
                            app = web.Application()
                            app.router.add_get("/", self.hello)
                            return app

                        async def hello(self, request):
                            return web.Response(text="hello")

                        async def test_leak(self):
                            self.forgotten = self.loop.create_task(self.forever(), name="forgotten")
                            async with self.client.get("/") as response:
                                self.assertEqual(await response.text(), "hello")

                        async def forever(self):
                            import asyncio
                            await asyncio.Event().wait()
                """
            }
        )

        process = self.python("-m", "asynctesting", "--adopt", "test_a", options=["-X", "dev"])

        self.assertEndsWith(process, 1)
        self.assertIn("task 'forgotten' waits at", process.stderr)
        self.assertIn("1 thing was left behind", process.stderr)


if __name__ == "__main__":
    unittest.main()
