"""Mocks that can't be wrong in silence: each trap of the standard library's is a test here."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import inspect
import unittest
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Generic, Self, TypeVar
from unittest import mock
from unittest.mock import call

import aiohttp

import asynctesting
from asynctesting import AsyncTestCase, LeakError, UnsetError, VirtualClockMixin
from asynctesting.mocks import AsyncMock, MagicMock, autospec
from tests.support import OutcomeAssertions, run_case, run_python, spin

_T = TypeVar("_T")


@dataclasses.dataclass
class Order:
    sku: str


class Queue(Generic[_T]):
    async def take(self) -> _T:
        raise NotImplementedError

    async def __aenter__(self) -> Queue[_T]:
        return self

    async def __aexit__(self, *error: object) -> None: ...


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as most are: a plain function around a coroutine function."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Shop:
    """A model with one member of each kind."""

    currency = "EUR"
    owner: str
    till: int = None  # type: ignore[assignment]

    def __init__(self, city: str, orders: Queue[Order]) -> None:
        self.city = city
        self.orders = orders
        self.opened: bool = False

    @property
    def is_open(self) -> bool:
        return True

    @property
    def colour(self):  # type: ignore[no-untyped-def]
        return "red"

    @property
    def queue(self) -> Queue[Order]:
        return self.orders

    @property
    async def weather(self) -> str:
        return "rain"

    def close(self, hard: bool = False) -> None: ...

    def price(self, sku: str) -> int:
        return 1

    def anything(self, sku):  # type: ignore[no-untyped-def]
        return sku

    async def order(self, sku: str, *, count: int = 1) -> Order:
        return Order(sku)

    async def something(self):  # type: ignore[no-untyped-def]
        return 1

    async def rows(self, limit: int) -> AsyncIterator[str]:
        yield "row"

    @logged
    async def restock(self, sku: str) -> int:
        return 1

    def later(self) -> Awaitable[int]:
        raise NotImplementedError

    @contextlib.asynccontextmanager
    async def sale(self, percent: int) -> AsyncIterator[Queue[Order]]:
        yield self.orders

    @classmethod
    async def found(cls, city: str) -> Self:
        raise NotImplementedError

    @staticmethod
    async def ask(city: str) -> str:
        raise NotImplementedError

    def where(self, city: str) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None: ...


class Handler:
    async def __call__(self, request: str) -> int:
        return 200


class OrderQueue(Queue[Order]):
    pass


class Batch(Queue[_T]):
    pass


class Future:
    """Something that is awaited, and entered, as a request of aiohttp."""

    def __await__(self) -> Any:
        yield


async def fetch(url: str, *, retries: int = 3) -> str:
    return url


async def give(value: Any) -> Any:
    return value


def shop(**attributes: Any) -> Any:
    return autospec(Shop, instance=True, **attributes)


class WrongTestsFailTests(OutcomeAssertions):
    """Four tests that are wrong, and pass on the standard library's mocks."""

    def test_a_forgotten_await(self) -> None:
        """The order was never placed."""

        class Wrong(AsyncTestCase):
            async def test_it(self) -> None:
                double = shop()
                double.order("tea")
                double.order.assert_called_once_with("tea")

        self.assertFailsWith(run_case(Wrong), LeakError, "with ('tea') was never awaited")

    def test_a_failed_answer_that_sails_through(self) -> None:
        """Nobody said that the answer was fine, so nobody may take it for that."""

        class Wrong(AsyncTestCase):
            async def test_it(self) -> None:
                response = autospec(aiohttp.ClientResponse, instance=True, status=500)
                self.assertTrue(response.ok)

        self.assertFailsWith(run_case(Wrong), UnsetError, "ClientResponse.ok was used")

    def test_a_response_below_an_autospecced_session(self) -> None:
        """What ``session.get()`` gives has the spec of a response."""

        class Wrong(AsyncTestCase):
            async def test_it(self) -> None:
                session = autospec(aiohttp.ClientSession, instance=True)
                async with session.get("http://shop.test") as response:
                    await response.jsn()

        self.assertFailsWith(
            run_case(Wrong), AttributeError, "no attribute 'jsn'. Did you mean 'json'?"
        )

    def test_a_typo_in_an_attribute_that_is_set(self) -> None:
        """It would never be read."""

        class Wrong(AsyncTestCase):
            async def test_it(self) -> None:
                response = autospec(aiohttp.ClientResponse, instance=True)
                response.statsu = 500

        self.assertFailsWith(
            run_case(Wrong), AttributeError, "takes no attribute 'statsu'. Did you mean 'status'?"
        )


class AiohttpTests(AsyncTestCase):
    """aiohttp's classes, for who must mock them."""

    def setUp(self) -> None:
        self.session = autospec(aiohttp.ClientSession, instance=True)

    async def test_a_request_is_entered_and_awaited(self) -> None:
        """Both give the same response, and that one is a response."""
        async with self.session.get("http://shop.test") as response:
            self.assertIsInstance(response, aiohttp.ClientResponse)
            response.raise_for_status()  # is not a coroutine
            async with response as same:
                self.assertIs(same, response)

        self.assertIs(await self.session.get("http://shop.test"), response)
        self.assertFalse(inspect.iscoroutinefunction(response.raise_for_status))
        self.assertTrue(inspect.iscoroutinefunction(response.json))

    async def test_the_session_enters_itself(self) -> None:
        """Not another mock, on which nothing was set."""
        async with self.session as session:
            self.assertIs(session, self.session)

    async def test_nothing_is_made_up(self) -> None:
        """A session would be closed, a status would be a mock, a body would be empty."""
        response = await self.session.get("http://shop.test")

        for name in ("status", "ok", "headers", "cookies", "url", "method"):
            with self.subTest(name=name), self.assertRaisesRegex(UnsetError, f"{name} was used"):
                getattr(response, name)
        with self.assertRaisesRegex(UnsetError, "Set ClientSession.closed"):
            bool(self.session.closed)
        with self.assertRaisesRegex(UnsetError, "iter_chunked|return_value of the call"):
            async for _ in response.content.iter_chunked(10):
                self.fail("made up")

    async def test_what_is_set_is_there(self) -> None:
        """Also attributes that only ``__init__`` assigns."""
        response = await self.session.get("http://shop.test")
        response.method = "GET"
        response.json.return_value = [1]
        response.content.iter_chunked.return_value = asynctesting.async_iter([b"a", b"b"])

        self.assertEqual(response.method, "GET")
        self.assertEqual(await response.json(), [1])
        chunks = [chunk async for chunk in response.content.iter_chunked(10)]
        self.assertEqual(chunks, [b"a", b"b"])

    async def test_wrong_arguments_are_refused(self) -> None:
        """By the real signature, which the message shows."""
        with self.assertRaisesRegex(TypeError, r"missing a required argument: 'url'; it is get\("):
            self.session.get()


class KindTests(AsyncTestCase):
    """What is awaited, iterated or entered is as in the model."""

    async def test_a_sync_method_is_no_coroutine_function(self) -> None:
        """Neither for inspect nor for asyncio, and a call gives a result."""
        double = shop()

        self.assertFalse(inspect.iscoroutinefunction(double.close))
        self.assertIsNone(double.close())
        for name in ("order", "found", "ask", "something"):
            with self.subTest(name=name):
                self.assertTrue(inspect.iscoroutinefunction(getattr(double, name)))

    async def test_async_class_methods_and_static_methods(self) -> None:
        """Alike on the mock of a class and of an instance, and on every interpreter."""
        for double in (autospec(Shop), shop()):
            double.ask.return_value = "yes"
            self.assertTrue(inspect.iscoroutinefunction(double.found))
            self.assertEqual(await double.ask("Jena"), "yes")
            double.ask.assert_awaited_once_with(city="Jena")
            await double.found("Jena")
            with self.assertRaises(TypeError):
                double.found()

    async def test_a_sync_wrapper_around_a_coroutine_function(self) -> None:
        """Its call gives something to be awaited, and is no coroutine function itself."""
        double = shop()
        double.restock.return_value = give(3)

        self.assertFalse(inspect.iscoroutinefunction(double.restock))
        self.assertEqual(await double.restock("tea"), 3)

    async def test_what_is_annotated_as_awaitable_can_be_awaited(self) -> None:
        """As often as one likes; its value is still for the test to say."""
        double = shop()

        pending = double.later()
        await pending
        with self.assertRaisesRegex(UnsetError, r"later\(\) was used"):
            int(await pending)

    async def test_an_async_call_method(self) -> None:
        """The mock of such an instance is called and awaited."""
        handler = autospec(Handler, instance=True)
        handler.return_value = 204

        self.assertEqual(await handler("GET"), 204)
        handler.assert_awaited_once_with(request="GET")
        with self.assertRaises(TypeError):
            handler()

    async def test_an_async_generator_method(self) -> None:
        """It yields what it is given, each time; unset, it is an error and not empty."""
        double = shop()
        self.assertTrue(inspect.isasyncgenfunction(double.rows))
        with self.assertRaisesRegex(UnsetError, r"rows\(\) was iterated"):
            [row async for row in double.rows(1)]

        double.rows.return_value = ["a", "b"]

        for _ in range(2):
            self.assertEqual([row async for row in double.rows(limit=2)], ["a", "b"])
        with self.assertRaises(TypeError):
            double.rows()

    async def test_an_async_generator_function(self) -> None:
        """The same for a function; ``side_effect`` gives other items each time."""

        async def numbers(up_to: int) -> AsyncIterator[int]:
            yield up_to

        double = autospec(numbers)
        double.side_effect = [[1], [], ConnectionError("gone")]

        self.assertEqual([n async for n in double(1)], [1])
        self.assertEqual([n async for n in double(1)], [])
        with self.assertRaisesRegex(ConnectionError, "gone"):
            double(1)

    async def test_an_async_context_manager_method(self) -> None:
        """What it gives has the spec of what is annotated as yielded."""
        double = shop()

        async with double.sale(10) as queue:
            self.assertIsInstance(queue, Queue)
        with self.assertRaises(TypeError):
            double.sale()

    async def test_an_async_property(self) -> None:
        """It is set to what awaiting it gives, any number of times."""
        double = shop()
        with self.assertRaisesRegex(UnsetError, "Shop.weather was used"):
            await double.weather

        double.weather = "sun"

        self.assertEqual([await double.weather, await double.weather], ["sun", "sun"])

    async def test_an_instance_that_is_awaited(self) -> None:
        """As bound awaitables are: futures, requests."""
        double = autospec(Future, instance=True)

        self.assertTrue(inspect.isawaitable(double))
        await double

    async def test_a_function(self) -> None:
        """Registered when it is called, on every interpreter, and checked."""
        double = autospec(fetch)
        double.return_value = "page"

        pending = double("http://shop.test")
        double.assert_called_once_with(url="http://shop.test")
        double.assert_not_awaited()
        self.assertEqual(await pending, "page")
        self.assertEqual(str(inspect.signature(double)), str(inspect.signature(fetch)))
        with self.assertRaisesRegex(TypeError, "unexpected keyword argument 'retry'"):
            double("http://shop.test", retry=1)

    async def test_wrong_arguments_of_an_async_method(self) -> None:
        """Refused by the call, so no coroutine is left over."""
        with self.assertRaisesRegex(TypeError, r"order\(\) was called wrongly"):
            shop().order()

    async def test_a_context_manager_does_not_swallow(self) -> None:
        """As on the standard library's mocks."""
        with self.assertRaises(KeyError):
            async with shop():
                raise KeyError("lost")


class GivesTests(AsyncTestCase):
    """What a call or an attribute gives, as its annotation tells."""

    async def test_none(self) -> None:
        """What is annotated to give nothing gives nothing."""
        self.assertIsNone(shop().close())

    async def test_itself(self) -> None:
        """``Self``, and the class's own name for ``__aenter__``."""
        double = shop()

        self.assertIs(double.where("Jena"), double)
        async with double as entered:
            self.assertIs(entered, double)
        async with double.orders as orders:
            self.assertIs(orders, double.orders)

    async def test_an_object_is_specced(self) -> None:
        """Also below a generic class, whose variables mean what the annotation says."""
        double = shop()

        self.assertIsInstance(double.queue, Queue)
        self.assertIsInstance(double.orders, Queue)  # by the parameter of __init__
        with self.assertRaises(AttributeError):
            double.queue.put
        with self.assertRaisesRegex(UnsetError, r"take\(\) was used, .* \(Order\)"):
            str((await double.queue.take()).sku)

    async def test_the_variables_of_a_generic_base(self) -> None:
        """Where a class says what they stand for, and where its base hands them on."""
        with self.assertRaisesRegex(UnsetError, r"take\(\) was used, .* \(Order\)"):
            str((await autospec(OrderQueue, instance=True).take()).sku)
        self.assertIsInstance(await autospec(Batch, instance=True).take(), mock.MagicMock)

    async def test_a_value_may_be_dropped_but_not_used(self) -> None:
        """Whoever looks at it is told what to set."""
        double = shop()

        dropped = await double.order("tea")
        double.price("tea")

        self.assertEqual(repr(dropped), "<unset>")
        uses: list[Callable[[Any], Any]] = [
            *(bool, str, len, list, int, lambda v: v == 1, lambda v: v + 1, lambda v: v["a"]),
            *(lambda v: v.sku, lambda v: v(), lambda v: f"{v}", lambda v: 1 in v),
        ]
        for use in uses:
            with self.assertRaisesRegex(UnsetError, r"Set order\.return_value"):
                use(dropped)

    async def test_what_is_not_annotated_is_a_plain_mock(self) -> None:
        """As on the standard library's, and its children are no coroutine functions."""
        double = shop()

        self.assertIsInstance(double.anything(1), mock.MagicMock)
        result = await double.something()
        self.assertFalse(inspect.iscoroutinefunction(result.raise_for_status))

    async def test_a_class_gives_instances(self) -> None:
        """Whose constructor is checked; ``return_value`` is the instance."""
        double = autospec(Shop)

        made = double("Jena", None)

        self.assertIs(made, double.return_value)
        self.assertIsInstance(made, Shop)
        self.assertIsNone(made.close())
        with self.assertRaisesRegex(TypeError, "missing a required argument: 'orders'"):
            double("Jena")

    def test_a_name_that_only_a_checker_imports(self) -> None:
        """Such an annotation can't be read, and the mock is open there."""

        def give() -> NotThere: ...  # type: ignore[name-defined, empty-body]  # noqa: F821

        self.assertIsInstance(autospec(give)(), mock.MagicMock)


class ValueTests(unittest.TestCase):
    """Properties and attributes."""

    def test_unset_is_an_error(self) -> None:
        """Annotated or not, property or attribute, or a class value of None for 'not yet'."""
        double = shop()
        for name in ("is_open", "colour", "owner", "till", "city", "opened"):
            with self.subTest(name=name), self.assertRaisesRegex(UnsetError, f"Set Shop.{name}"):
                getattr(double, name)

    def test_set_is_what_it_is(self) -> None:
        """By assignment and by keyword."""
        double = shop(city="Jena", is_open=False, **{"price.return_value": 3})
        double.colour = "blue"

        self.assertEqual((double.city, double.is_open, double.colour), ("Jena", False, "blue"))
        self.assertEqual(double.price("tea"), 3)

    def test_another_type_is_refused(self) -> None:
        """A status that is a text would fail in production, not here."""
        with self.assertRaisesRegex(TypeError, "Shop.till is annotated as int, got '1'"):
            shop().till = "1"

    def test_a_mock_may_stand_for_anything(self) -> None:
        """Who sets one knows why."""
        double = shop(till=mock.MagicMock())

        self.assertIsInstance(double.till, mock.MagicMock)

    def test_a_constant_is_the_real_one(self) -> None:
        """What the class says for all its instances is no secret."""
        self.assertEqual(shop().currency, "EUR")

    def test_a_typo_is_refused_both_ways(self) -> None:
        """Unless ``spec_set`` is off, for setting."""
        double = shop()

        with self.assertRaisesRegex(AttributeError, "Did you mean 'city'"):
            double.citi
        with self.assertRaisesRegex(AttributeError, "Did you mean 'city'"):
            double.citi = "Jena"
        with self.assertRaisesRegex(AttributeError, "takes no attribute 'nothing_like_it'$"):
            shop(nothing_like_it=1)
        shop(spec_set=False).citi = "Jena"

    def test_no_property_is_evaluated(self) -> None:
        """A model with a property that fails can be a model."""

        class Model:
            @property
            def broken(self) -> int:
                raise LookupError

        with self.assertRaises(UnsetError):
            autospec(Model()).broken


class ModelTests(AsyncTestCase):
    """Models other than classes."""

    async def test_an_object(self) -> None:
        """Its own plain values stay, its objects are specced."""
        double = autospec(Shop("Jena", Queue()))

        self.assertEqual(double.city, "Jena")
        self.assertIsInstance(double.orders, Queue)
        self.assertIsInstance(double, Shop)

    async def test_a_module(self) -> None:
        """Its functions are checked and its coroutine functions awaited."""
        double = autospec(asyncio)

        await double.sleep(1)
        double.sleep.assert_awaited_once_with(delay=1)
        with self.assertRaises(TypeError):
            double.sleep()
        self.assertIsInstance(double.Event(), asyncio.Event)

    async def test_a_bound_method(self) -> None:
        """It takes what it takes when it is called."""
        double = autospec(Handler().__call__)

        await double("GET")
        double.assert_awaited_once_with(request="GET")

    def test_a_mock_is_no_model(self) -> None:
        """It has every attribute."""
        with self.assertRaisesRegex(TypeError, "needs the real thing as its model"):
            autospec(mock.Mock())

    def test_an_instance_of_what_is_no_class(self) -> None:
        """That can only be a mistake."""
        with self.assertRaisesRegex(TypeError, r"autospec\(instance=True\) needs a class"):
            autospec(fetch, instance=True)


class LedgerTests(OutcomeAssertions):
    """A call that was never awaited fails the test that made it."""

    def test_the_standard_librarys_mock(self) -> None:
        """Named, with its arguments and the line that called it."""

        class Wrong(AsyncTestCase):
            async def test_it(self) -> None:
                send = mock.AsyncMock(name="send")
                send("tea", count=2)  # dropped here

        error = self.assertFailsWith(run_case(Wrong), LeakError)

        self.assertRegex(
            error.findings[0],
            r"^call of <AsyncMock name='send' id='\d+'> with \('tea', count=2\) was never awaited; "
            r"called at  \S+test_mocks\.py:\d+   send\(\"tea\", count=2\)  # dropped here$",
        )

    def test_our_mock(self) -> None:
        """The same, through however many layers."""
        for make in (lambda: AsyncMock(name="send"), lambda: shop().order):

            class Wrong(AsyncTestCase):
                async def test_it(self, make: Any = make) -> None:
                    make()("tea", count=2)  # dropped here

            with self.subTest(make=make):
                error = self.assertFailsWith(run_case(Wrong), LeakError)
                self.assertRegex(
                    error.findings[0],
                    r"with \('tea', count=2\) was never awaited; called at  \S+test_mocks\.py:\d+"
                    r"   make\(\)\(\"tea\", count=2\)  # dropped here$",
                )

    def test_a_coroutine_that_is_still_held(self) -> None:
        """It is not destroyed, so nobody else would ever tell."""
        held = []

        class Wrong(AsyncTestCase):
            async def test_it(self) -> None:
                send = AsyncMock(name="send")
                held.append(send("tea"))
                held.append(send("pot"))

        error = self.assertFailsWith(run_case(Wrong), LeakError)
        for coroutine in held:
            coroutine.close()

        [finding] = error.findings
        self.assertRegex(
            finding,
            r"with \('tea'\) was never awaited, and is still held \(and 1 more calls of it\); "
            r"called at  \S+test_mocks\.py:\d+   held\.append\(send\(\"tea\"\)\)$",
        )

    def test_awaited_in_whatever_way(self) -> None:
        """Directly, as a task, gathered, in another order, cancelled while it waits."""

        class Right(AsyncTestCase):
            async def test_it(self) -> None:
                send = AsyncMock(delay=0.001)
                await send(1)
                await asyncio.create_task(send(2))
                await asyncio.gather(send(3), send(4))
                last = send(5)
                await send(6)
                await last
                task = asyncio.create_task(send(7))
                await spin()
                task.cancel()
                send(8).close()

        self.assertPassed(run_case(Right))

    def test_outside_of_our_case(self) -> None:
        """The mock itself can be asked."""
        api = MagicMock()
        api.attach_mock(AsyncMock(), "send")
        pending = api.send(1)

        with self.assertRaisesRegex(AssertionError, r"never awaited: \[call\.send\(1\)\]"):
            api.assert_all_awaited()
        asyncio.run(give_and_take(pending))
        api.assert_all_awaited()

    def test_reset(self) -> None:
        """Forgets calls and awaits alike."""
        send = AsyncMock()
        asyncio.run(give_and_take(send(1)))

        send.reset_mock()

        self.assertEqual((send.mock_awaits, send.await_count), ([], 0))
        send.assert_all_awaited()


async def give_and_take(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await coroutine


class AwaitLogTests(AsyncTestCase):
    async def test_awaits_stand_in_their_own_order(self) -> None:
        """Calls stand in the order of the calls; what is awaited last stands last."""
        for api in (shop(), AsyncMock()):
            first = api.order("tea")
            await api.order("pot")
            await first

            self.assertEqual(api.mock_calls, [call.order("tea"), call.order("pot")])
            self.assertEqual(api.mock_awaits, [call.order("pot"), call.order("tea")])
            self.assertEqual(api.order.mock_awaits, [call("pot"), call("tea")])

    async def test_deep_children(self) -> None:
        """Under the same names as in ``mock_calls``."""
        api = AsyncMock()
        await (await api.open("a")).read(1)
        await api.session.get(2)

        self.assertEqual(api.mock_awaits, api.mock_calls)
        api.assert_has_awaits([call.open().read(1), call.session.get(2)])

    async def test_has_awaits(self) -> None:
        """In order or not, and with the signature of the model in mind."""
        api = shop()
        await api.order("tea")
        await api.something()
        await api.order("pot", count=2)

        api.assert_has_awaits([call.order("tea"), call.something()])
        api.assert_has_awaits([call.order(sku="pot", count=2), call.order("tea")], any_order=True)
        with self.assertRaisesRegex(AssertionError, "awaits not found\nexpected:"):
            api.assert_has_awaits([call.order("pot", count=2), call.order("tea")])
        with self.assertRaisesRegex(AssertionError, "awaits not found in any order"):
            api.assert_has_awaits([call.order("gin")], any_order=True)

    async def test_called_is_not_awaited(self) -> None:
        """The message shows both."""
        api = AsyncMock()
        pending = api.send(1)

        with self.assertRaisesRegex(
            AssertionError, r" awaited: \[\]\n  called: \[call\.send\(1\)\]"
        ):
            api.assert_has_awaits([call.send(1)])
        await pending

    async def test_wait_awaited(self) -> None:
        """Those before count, and the await itself is the answer."""
        api = shop()

        async def order() -> None:
            for sku in ("tea", "pot", "cup"):
                await asyncio.sleep(0)
                await api.order(sku)

        async with asyncio.TaskGroup() as group:
            group.create_task(order())
            self.assertEqual(await api.wait_awaited(), call.order("tea"))
            self.assertEqual(await api.order.wait_awaited(3), call("cup"))
        self.assertEqual(await api.wait_awaited(2), call.order("pot"))
        with self.assertRaisesRegex(ValueError, "counts from 1"):
            await api.wait_awaited(0)

    async def test_wait_awaited_from_another_thread(self) -> None:
        """An await on another loop wakes the one that waits."""
        send = AsyncMock()
        waiting = asyncio.create_task(send.wait_awaited())
        await spin(1)

        await asyncio.to_thread(lambda: asyncio.run(give_and_take(send(1))))

        self.assertEqual(await waiting, call(1))

    async def test_a_cancelled_wait_is_forgotten(self) -> None:
        """Nobody wakes it later."""
        send = AsyncMock()
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(0):
                await send.wait_awaited()

        await send(1)


class PaceTests(VirtualClockMixin, AsyncTestCase):
    async def test_a_mock_never_yields_unless_it_is_told_to(self) -> None:
        """Without a checkpoint a race stays hidden: nothing can come between."""
        for checkpoint, seen in ((False, []), (True, ["other"])):
            order: list[str] = []
            send = AsyncMock(checkpoint=checkpoint)
            task = asyncio.create_task(note(order))

            await send()

            self.assertEqual(order, seen)
            await task

    async def test_a_delay_is_on_the_clock(self) -> None:
        """For the mock, its children, and the mock of a class."""
        send = AsyncMock(delay=30)
        api = autospec(Shop, instance=True, delay=10)

        await send()
        await send.child()
        await api.order("tea")
        async with api, api.sale(1):
            pass

        self.assertEqual(self.clock.elapsed, 30 + 30 + 10 + 10 + 10 + 10)

    async def test_a_limit_runs_out(self) -> None:
        """As it would with the real thing."""
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(5):
                await AsyncMock(delay=30)()
        self.assertEqual(self.clock.elapsed, 5)

    def test_a_delay_that_is_none(self) -> None:
        """Is refused where it is said."""
        for delay in (-1, float("inf"), float("nan"), "1"):
            with self.subTest(delay=delay), self.assertRaisesRegex(ValueError, "delay needs"):
                AsyncMock(delay=delay)  # type: ignore[arg-type]


async def note(order: list[str]) -> None:
    order.append("other")


class DropInTests(AsyncTestCase):
    """What holds for the standard library's mocks holds for these."""

    async def test_side_effects_that_are_used_up(self) -> None:
        """Say which call it was; the standard library raises StopAsyncIteration."""
        send, price = AsyncMock(side_effect=[1]), shop().price
        price.side_effect = [1]
        await send()
        price("tea")

        with self.assertRaisesRegex(UnsetError, "was called for the 2nd time"):
            await send()
        with self.assertRaisesRegex(UnsetError, "side_effect has no more items"):
            price("tea")

    async def test_an_assertion_without_its_first_word(self) -> None:
        """It would pass on 3.11, and be a coroutine on an async mock everywhere."""
        for double in (AsyncMock(), MagicMock(), shop().order, shop()):
            for name in ("called_once", "awaited_once", "called_with"):
                with self.assertRaisesRegex(AttributeError, "Did you mean|no attribute"):
                    getattr(double, name)()

    async def test_children(self) -> None:
        """Of an AsyncMock are async, of a MagicMock are not, and both log awaits."""
        self.assertIsInstance(AsyncMock().child, AsyncMock)
        child = MagicMock().child
        self.assertIsInstance(child, MagicMock)
        self.assertFalse(inspect.iscoroutinefunction(child))

    async def test_with_patch(self) -> None:
        """As ``new`` and as ``new_callable``."""
        with mock.patch.object(Shop, "order", new_callable=AsyncMock) as order:
            await Shop("Jena", Queue()).order("tea")
        order.assert_awaited_once_with("tea")
        with mock.patch(f"{__name__}.fetch", autospec(fetch)) as double:
            await fetch("u")
        double.assert_awaited_once_with("u")

    async def test_wraps_side_effects_and_exceptions(self) -> None:
        """What an AsyncMock can do."""
        self.assertEqual(await AsyncMock(wraps=fetch)("u"), "u")
        self.assertEqual(await AsyncMock(side_effect=give)(5), 5)
        with self.assertRaises(KeyError):
            await AsyncMock(side_effect=KeyError)()

    def test_aiohttp_is_not_imported(self) -> None:
        """The mocks cost nothing that they do not use."""
        process = run_python(
            """
            import sys
            from asynctesting.mocks import autospec
            print([name for name in ("aiohttp", "freezegun") if name in sys.modules])
            """
        )

        self.assertEqual(process.stdout.strip(), "[]", process.stderr)


if __name__ == "__main__":
    unittest.main()
