"""What can be seen to be wrong when a class is made: methods and settings, by name."""

from __future__ import annotations

import asyncio
import functools
import types
import unittest
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

from asynctesting import AsyncTestCase, SettingError, SilentPassError
from asynctesting._lint import problems_of

GENERATOR = (
    "is a test with a 'yield' in it, so calling it makes a generator and runs nothing. "
    "Remove the yield; to await something, write 'await'"
)


def problems(**attributes: Any) -> dict[str, str]:
    """Return what is wrong with a class that has *attributes*, as texts."""
    cls = type("Tests", (unittest.IsolatedAsyncioTestCase,), attributes)
    return {name: str(error) for name, error in problems_of(cls, own_settings=False).items()}


async def coroutine(self: Any) -> None:
    pass


def generator(self: Any) -> Iterator[None]:
    yield


async def async_generator(self: Any) -> AsyncIterator[None]:
    yield


def plain(self: Any) -> None:
    pass


class MethodTests(unittest.TestCase):
    def test_a_test_with_a_yield(self) -> None:
        """Generators of both kinds would run nothing."""
        for function in (generator, async_generator):
            self.assertEqual(problems(test_it=function), {"test_it": f"Tests.test_it: {GENERATOR}"})

    def test_an_async_set_up(self) -> None:
        """The message names the spelling that is awaited."""
        self.assertEqual(
            problems(setUp=coroutine, tearDown=coroutine),
            {
                "setUp": (
                    "Tests.setUp: is a coroutine or generator function, but unittest calls setUp() "
                    "without awaiting it. Write 'async def asyncSetUp(self)', which is awaited"
                ),
                "tearDown": (
                    "Tests.tearDown: is a coroutine or generator function, but unittest calls "
                    "tearDown() without awaiting it. Write 'async def asyncTearDown(self)', which "
                    "is awaited"
                ),
            },
        )

    def test_hooks_that_have_no_async_twin(self) -> None:
        """unittest never awaits its other hooks either."""
        for name in ("run", "debug", "doCleanups", "id", "shortDescription", "countTestCases"):
            with self.subTest(name=name):
                found = problems(**{name: coroutine})

                self.assertEqual(list(found), [name])
                self.assertTrue(found[name].startswith(f"Tests.{name}: is a coroutine"))

    def test_class_fixtures(self) -> None:
        """A classmethod is looked into, and so is a staticmethod."""
        for wrap in (classmethod, staticmethod):
            for function in (coroutine, generator, async_generator):
                found = problems(setUpClass=wrap(function), tearDownClass=wrap(function))

                self.assertEqual(sorted(found), ["setUpClass", "tearDownClass"])
                self.assertTrue(
                    found["setUpClass"].endswith(
                        "Write it as a plain method; open async resources in asyncSetUp"
                    )
                )

    def test_a_yield_in_async_set_up(self) -> None:
        """A habit from fixtures: what stands after the yield would never run."""
        for name in ("asyncSetUp", "asyncTearDown"):
            self.assertEqual(
                problems(**{name: async_generator}),
                {
                    name: (
                        f"Tests.{name}: has a 'yield' in it, so calling it runs nothing. Move what "
                        "stands after the yield into asyncTearDown, or write an async context "
                        "manager and enter it with self.enterAsyncContext()"
                    )
                },
            )

    def test_a_misspelt_hook(self) -> None:
        """``asyncSetup`` is never called, and nothing would say so."""
        self.assertEqual(
            problems(asyncSetup=coroutine, asyncTeardown=coroutine),
            {
                "asyncSetup": "Tests.asyncSetup: is never called. Did you mean asyncSetUp?",
                "asyncTeardown": "Tests.asyncTeardown: is never called. Did you mean "
                "asyncTearDown?",
            },
        )

    def test_partials_are_looked_into(self) -> None:
        """A wrapper of the standard library hides nothing."""
        found = problems(
            test_partial=functools.partial(generator, None),
            test_method=functools.partialmethod(async_generator),
        )

        self.assertEqual(sorted(found), ["test_method", "test_partial"])

    def test_bases_are_looked_at(self) -> None:
        """A mixin's method is run by the class that takes it in."""

        class Mixin:
            test_mixed_in = generator

        class Fixed(Mixin, unittest.IsolatedAsyncioTestCase):
            test_mixed_in = plain  # type: ignore[assignment]

        class Broken(Mixin, unittest.IsolatedAsyncioTestCase):
            pass

        self.assertEqual(list(problems_of(Fixed, own_settings=False)), [])
        self.assertEqual(list(problems_of(Broken, own_settings=False)), ["test_mixed_in"])


class InnocentTests(unittest.TestCase):
    def test_ordinary_methods(self) -> None:
        """Tests and hooks of both colours, as unittest has them."""
        found = problems(
            setUp=plain,
            asyncSetUp=coroutine,
            test_sync=plain,
            test_async=coroutine,
            asyncTearDown=coroutine,
            tearDown=plain,
            setUpClass=classmethod(plain),
        )

        self.assertEqual(found, {})

    def test_helpers_may_be_anything(self) -> None:
        """Only what unittest calls, or what looks like that, is a matter of ours."""
        found = problems(
            make_rows=generator,
            stream=async_generator,
            helper=coroutine,
            asyncThing=coroutine,
            async_set_up=plain,
        )

        self.assertEqual(found, {})

    def test_attributes_that_are_no_functions(self) -> None:
        """A class may keep data under a name that begins with ``test``."""
        found = problems(test_data=[1, 2], tests=None, testcase=object(), asyncSetup="note")

        self.assertEqual(found, {})

    def test_generators_that_can_be_awaited(self) -> None:
        """``types.coroutine`` makes a generator function awaitable."""

        @types.coroutine
        def test_it(self: Any) -> Generator[Any, None, None]:
            yield from asyncio.sleep(0).__await__()

        self.assertEqual(problems(test_it=test_it), {})

    def test_the_stock_case_itself(self) -> None:
        """Nothing of unittest's own is complained about."""
        self.assertEqual(problems_of(unittest.IsolatedAsyncioTestCase, own_settings=False), {})
        self.assertEqual(problems_of(unittest.TestCase, own_settings=False), {})


def make_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop()


def make_loop_somehow(kind: str = "selector", *rest: Any, **options: Any) -> Any:
    return make_loop()


class SettingTests(unittest.TestCase):
    """Settings of our own case are checked as well, through the class that users write."""

    def assertRefused(self, text: str, **attributes: Any) -> None:
        with self.assertRaises(SettingError) as caught:
            type("Tests", (AsyncTestCase,), attributes)
        self.assertIn(text, str(caught.exception))

    def test_a_limit(self) -> None:
        """The message names the class."""
        self.assertRefused("Tests.timeout must be a number of real seconds", timeout=-1)

    def test_a_level_of_leaks(self) -> None:
        """The message lists the levels."""
        self.assertRefused(
            "Tests.leaks must be 'default', 'error', 'warn' or 'off', or one of these for each "
            "kind of leak, as in {'tasks': 'warn'}; got None",
            leaks=None,
        )

    def test_a_loop_factory_that_is_none(self) -> None:
        """A loop, or the name of one, is no factory."""
        self.assertRefused("Tests.loop_factory must be a class or a function", loop_factory="uv")

    def test_a_loop_factory_written_as_a_method(self) -> None:
        """It is called without arguments, so its ``self`` would be missing."""

        def loop_factory(self: Any) -> Any:
            return make_loop()

        self.assertRefused(
            "needs self; it is no method, so leave 'self' out", loop_factory=loop_factory
        )

    def test_good_ones(self) -> None:
        """A class, functions of every kind, and nothing at all."""
        for factory in (
            None,
            asyncio.SelectorEventLoop,
            make_loop,
            make_loop_somehow,
            staticmethod(make_loop),
            functools.partial(make_loop_somehow, "selector"),
        ):
            with self.subTest(factory=factory):
                type("Tests", (AsyncTestCase,), {"loop_factory": factory})

    def test_they_are_left_alone_in_other_classes(self) -> None:
        """Elsewhere ``timeout`` may mean anything."""
        self.assertEqual(problems(timeout="soon", leaks=3, loop_factory=5), {})


class WhenTests(unittest.TestCase):
    def test_a_class_of_ours_is_refused_when_it_is_made(self) -> None:
        """So it fails under every runner, before any of its tests could pass."""
        with self.assertRaisesRegex(SilentPassError, "setUp: is a coroutine"):
            type("Tests", (AsyncTestCase,), {"setUp": coroutine})


if __name__ == "__main__":
    unittest.main()
