"""The probes of async mocks, by number: the trap in the standard library's, and ours beside it.

Each trap is shown as it is on every supported Python, so that a Python in which one is closed
shows itself here. What else the mocks promise stands in ``test_mocks.py``.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import unittest
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from unittest import mock

from aiohttp import ClientResponse, ClientSession

from asynctesting import AsyncTestCase, LeakError, UnsetError
from asynctesting.mocks import AsyncMock, MagicMock, async_cm, async_iter, autospec, http_response
from tests.support import OutcomeAssertions, run_case


class Model:
    """What the probes mock."""

    def plain(self, number: int) -> int:
        return number

    async def fetch(self, number: int) -> int:
        return number

    async def rows(self) -> AsyncIterator[int]:
        yield 1

    @classmethod
    async def made(cls) -> Model:
        return cls()

    @property
    async def weather(self) -> str:
        return "rain"

    def wrapped(self, number: int) -> Coroutine[Any, Any, int]:
        return self.fetch(number)


class Callee:
    async def __call__(self) -> int:
        return 1


def stock(cls: type, **attributes: Any) -> Any:
    """Return what the standard library makes of a class."""
    double = mock.create_autospec(cls, instance=True)
    double.configure_mock(**attributes)
    return double


def ours(cls: type, **attributes: Any) -> Any:
    return autospec(cls, instance=True, **attributes)


def dropping(use: Callable[[], Any]) -> None:
    """Call *use*, and let go of the coroutines that it has dropped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        use()
        gc.collect()


class RightTests(AsyncTestCase):
    """What the standard library does right, and ours keeps."""

    async def test_probe_a_sync_methods_of_a_response_are_sync(self) -> None:
        """``raise_for_status()`` is, ``json()`` is not."""
        for double in (mock.AsyncMock(spec=ClientResponse), ours(ClientResponse)):
            self.assertFalse(inspect.iscoroutinefunction(double.raise_for_status))
            self.assertTrue(inspect.iscoroutinefunction(double.json))

    async def test_probe_b_a_request_is_entered(self) -> None:
        """With ``async with session.get()``."""
        for session in (stock(ClientSession), ours(ClientSession)):
            async with session.get("http://a.test"):
                pass

    async def test_probe_c_wrong_arguments_raise(self) -> None:
        """By the signature of the model."""
        for session in (stock(ClientSession), ours(ClientSession)):
            with self.assertRaises(TypeError):
                session.get()

    async def test_probe_d_a_context_swallows_nothing(self) -> None:
        """What is raised inside comes out."""
        for session in (stock(ClientSession), ours(ClientSession)):
            with self.assertRaises(KeyError):
                async with session.get("http://a.test"):
                    raise KeyError("mine")


class TrapTests(AsyncTestCase, OutcomeAssertions):
    """What the standard library gets wrong, in the order of the study."""

    def test_probe_01_wrong_tests_pass(self) -> None:
        """A forgotten await, a 500 that sails through, a made-up response, a typo."""

        class Forgotten(AsyncTestCase):
            async def test_it(self) -> None:
                double = ours(Model)
                double.fetch(1)
                double.fetch.assert_called_once_with(1)

        class Failed(AsyncTestCase):
            async def test_it(self) -> None:
                response = ours(ClientResponse, status=500)
                response.raise_for_status()
                self.assertTrue(response.ok)

        class MadeUp(AsyncTestCase):
            async def test_it(self) -> None:
                async with ours(ClientSession).get("http://a.test") as response:
                    self.assertTrue(response.status)

        class Typo(AsyncTestCase):
            async def test_it(self) -> None:
                ours(ClientResponse).statsu = 500

        self.assertFailsWith(run_case(Forgotten), LeakError, "was never awaited")
        self.assertFailsWith(run_case(Failed), UnsetError, "ClientResponse.ok was used")
        self.assertFailsWith(run_case(MadeUp), UnsetError, "ClientResponse.status was used")
        self.assertFailsWith(run_case(Typo), AttributeError, "Did you mean 'status'?")

    async def test_probe_02_what_a_session_gives_has_no_spec(self) -> None:
        """Any attribute exists, and what is sync in the model is a coroutine."""
        async with stock(ClientSession).get("http://a.test") as response:
            dropping(lambda: self.assertTrue(inspect.iscoroutine(response.raise_for_status())))
            self.assertTrue(response.no_such_thing)

        async with ours(ClientSession).get("http://a.test") as response:
            self.assertIsNone(response.raise_for_status())
            with self.assertRaises(AttributeError):
                _ = response.no_such_thing

    async def test_probe_03_entering_gives_another_object(self) -> None:
        """On which nothing was set."""
        for double in (mock.AsyncMock(spec=ClientResponse), stock(ClientSession)):
            async with double as entered:
                self.assertIsNot(entered, double)

        for cls in (ClientResponse, ClientSession):
            async with ours(cls) as entered:
                self.assertIsInstance(entered, cls)
        session = ours(ClientSession)
        async with session as entered:
            self.assertIs(entered, session)

    async def test_probe_04_a_failed_response_is_fine(self) -> None:
        """``ok`` is a mock, and true; ``raise_for_status()`` raises nothing."""
        self.assertTrue(stock(ClientResponse, status=500).ok)

        with self.assertRaisesRegex(UnsetError, "ClientResponse.ok was used"):
            _ = ours(ClientResponse, status=500).ok
        real = await http_response(500)
        self.assertFalse(real.ok)

    async def test_probe_05_a_session_is_closed(self) -> None:
        """For whoever asks, since a mock is true."""
        self.assertTrue(stock(ClientSession).closed)

        with self.assertRaisesRegex(UnsetError, "ClientSession.closed was used"):
            _ = ours(ClientSession).closed
        self.assertFalse(ours(ClientSession, closed=False).closed)

    async def test_probe_06_properties_are_mocks(self) -> None:
        """And what only ``__init__`` assigns is not there."""
        self.assertTrue(stock(ClientResponse).headers)
        with self.assertRaises(AttributeError):
            _ = stock(ClientResponse).method

        for name in ("headers", "cookies", "method"):
            with self.subTest(name=name), self.assertRaisesRegex(UnsetError, f"{name} was used"):
                getattr(ours(ClientResponse), name)
        self.assertEqual(ours(ClientResponse, method="GET").method, "GET")

    async def test_probe_07_a_streamed_body_is_empty(self) -> None:
        """In silence."""
        response = stock(ClientResponse)
        self.assertEqual([chunk async for chunk in response.content.iter_chunked(1)], [])

        response = ours(ClientResponse)
        with self.assertRaises(UnsetError):
            [chunk async for chunk in response.content.iter_chunked(1)]
        response.content.iter_chunked.return_value = async_iter([b"tea"])
        self.assertEqual([chunk async for chunk in response.content.iter_chunked(1)], [b"tea"])

    async def test_probe_08_an_async_generator_yields_nothing(self) -> None:
        """In silence, too."""
        self.assertEqual([row async for row in stock(Model).rows()], [])

        with self.assertRaisesRegex(UnsetError, r"rows\(\) was iterated"):
            [row async for row in ours(Model).rows()]
        double = ours(Model)
        double.rows.return_value = [1, 2]
        self.assertEqual([row async for row in double.rows()], [1, 2])

    async def test_probe_09_an_async_mock_is_no_session(self) -> None:
        """``async with s.get()`` is a TypeError: the classic first failure."""
        session = mock.AsyncMock()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            with self.assertRaises(TypeError):
                async with session.get("http://a.test"):
                    pass
            gc.collect()

        own = MagicMock()
        own.get.return_value = async_cm("response")
        async with own.get("http://a.test") as response:
            self.assertEqual(response, "response")

    def test_probe_10_called_and_never_awaited(self) -> None:
        """Counts as called; its side effect has not run."""
        double = mock.AsyncMock(side_effect=KeyError)
        dropping(lambda: double(1))
        double.assert_called_once_with(1)

        for make in (mock.AsyncMock, AsyncMock):

            class Wrong(AsyncTestCase):
                async def test_it(self, make: Any = make) -> None:
                    double = make(side_effect=KeyError)
                    double(1)
                    double.assert_called_once_with(1)

            with self.subTest(make=make):
                self.assertFailsWith(run_case(Wrong), LeakError, "with (1) was never awaited")

    async def test_probe_11_the_order_of_awaits(self) -> None:
        """Only that of the calls is kept."""
        self.assertFalse(hasattr(mock.AsyncMock, "mock_awaits"))

        double = AsyncMock()
        first = double.one()
        await double.two()
        await first
        self.assertEqual(double.mock_calls, [mock.call.one(), mock.call.two()])
        self.assertEqual(double.mock_awaits, [mock.call.two(), mock.call.one()])
        double.assert_has_awaits([mock.call.two(), mock.call.one()])
        self.assertEqual(await double.wait_awaited(2), mock.call.one())

    async def test_probe_12_a_sync_method_is_no_coroutine_function(self) -> None:
        """For who asks before calling, as schedulers do."""
        self.assertTrue(inspect.iscoroutinefunction(stock(Model).plain))

        self.assertFalse(inspect.iscoroutinefunction(ours(Model).plain))
        self.assertFalse(inspect.iscoroutinefunction(autospec(Model).return_value.plain))

    async def test_probe_13_an_async_class_method_is_one(self) -> None:
        """On every Python."""
        for double in (ours(Model), autospec(Model)):
            self.assertTrue(inspect.iscoroutinefunction(double.made))
            await double.made()

    async def test_probe_14_an_async_call(self) -> None:
        """The mock of an instance that is called and awaited."""
        with self.assertRaises(TypeError):
            await stock(Callee)()

        double = ours(Callee)
        double.return_value = 3
        self.assertEqual(await double(), 3)

    async def test_probe_15_async_properties_and_wrappers(self) -> None:
        """What they give can be awaited."""
        with self.assertRaises(TypeError):
            await stock(Model).weather
        with self.assertRaises(TypeError):
            await stock(Model).wrapped(1)

        double = ours(Model, weather="sun")
        self.assertEqual(await double.weather, "sun")
        await double.wrapped(1)

    async def test_probe_16_a_spec_checks_no_arguments(self) -> None:
        """Only autospec does."""
        dropping(lambda: mock.AsyncMock(spec=Model).fetch("no", "such", "arguments"))

        with self.assertRaisesRegex(TypeError, r"fetch\(\) was called wrongly"):
            ours(Model).fetch("no", "such", "arguments")

    async def test_probe_17_an_assertion_without_its_first_word(self) -> None:
        """On an AsyncMock it is a coroutine, and never fails."""
        for name in ("called_once", "awaited_once"):
            for double in (AsyncMock(), MagicMock(), ours(Model).fetch):
                with self.subTest(name=name), self.assertRaises(AttributeError):
                    getattr(double, name)()

    async def test_probe_18_an_awaited_mock_never_yields(self) -> None:
        """So no other task runs, and races stay hidden."""
        ran: list[str] = []

        async def other() -> None:
            ran.append("other")

        task = asyncio.create_task(other())
        for _ in range(100):
            await mock.AsyncMock()()
        self.assertEqual(ran, [])

        await AsyncMock(checkpoint=True)()
        self.assertEqual(ran, ["other"])
        await task


if __name__ == "__main__":
    unittest.main()
