"""Context variables carried between a caller and the calls that it makes, both ways."""

from __future__ import annotations

import contextlib
import unittest
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any

from asynctesting._contexts import Exchange

variable: ContextVar[Any] = ContextVar("variable")
other: ContextVar[Any] = ContextVar("other")


class ExchangeTests(unittest.TestCase):
    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run each test in a context of its own: what it sets is gone afterwards."""
        return copy_context().run(super().run, result)

    def setUp(self) -> None:
        self.exchange = Exchange()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call *function* on the inner side."""
        self.exchange.take_in()
        try:
            return self.exchange.inner.run(function, *args)
        finally:
            self.exchange.hand_back()

    def test_the_inner_side_sees_what_the_caller_sets(self) -> None:
        """Before the first call and between two of them."""
        variable.set("first")
        self.assertEqual(self.call(variable.get), "first")

        variable.set("second")
        self.assertEqual(self.call(variable.get), "second")

    def test_the_caller_sees_what_a_call_sets(self) -> None:
        """A new variable and a changed one; also if the call fails."""
        variable.set("mine")

        def fail() -> None:
            variable.set("yours")
            other.set("new")
            raise LookupError

        with contextlib.suppress(LookupError):
            self.call(fail)

        self.assertEqual((variable.get(), other.get()), ("yours", "new"))

    def test_what_a_call_leaves_alone_is_not_carried_back(self) -> None:
        """The inner side's old value never undoes what the caller has set since."""
        self.call(variable.set, "inside")
        variable.set("outside")

        self.call(other.set, "something else")

        self.assertEqual(variable.get(), "outside")

    def test_a_token_is_good_in_the_next_call(self) -> None:
        """A context manager may be entered in one call and left in another."""
        variable.set("before")
        token = self.call(variable.set, "within")

        self.call(variable.reset, token)

        self.assertEqual(variable.get(), "before")

    def test_what_a_call_resets_is_unset_for_the_caller(self) -> None:
        """A variable that has no value inside has none outside."""
        token = self.call(variable.set, "within")
        self.call(variable.reset, token)

        self.assertNotIn(variable, copy_context())

    def test_what_the_caller_resets_is_unset_for_the_next_call(self) -> None:
        """Also if a call has changed it in between."""
        token = variable.set("caller's")
        self.call(variable.set, "changed")
        variable.reset(token)

        self.assertIsNone(self.call(variable.get, None))
        self.assertNotIn(variable, copy_context())

    def test_a_call_from_another_context_sees_that_one(self) -> None:
        """A value that the new caller never had does not come along."""
        elsewhere = copy_context()
        self.call(variable.set, "here")

        self.assertIsNone(elsewhere.run(self.call, variable.get, None))
        self.assertNotIn(variable, elsewhere)
        self.assertEqual(self.call(variable.get), "here")

    def test_the_end_gives_the_caller_back_what_it_had(self) -> None:
        """A value, or none; a later one of the caller's own stays."""
        third: ContextVar[str] = ContextVar("third")
        variable.set("before")
        third.set("before")
        self.call(variable.set, "within")
        self.call(variable.set, "within, again")
        self.call(other.set, "within")
        self.call(third.set, "within")
        third.set("later")

        self.exchange.undo()

        self.assertEqual(variable.get(), "before")
        self.assertNotIn(other, copy_context())
        self.assertEqual(third.get(), "later")

    def test_values_are_never_compared(self) -> None:
        """An array, say, has no truth; identity is what counts."""

        class Array:
            def __eq__(self, other: object) -> bool:
                raise AssertionError("compared")

            __hash__ = None  # type: ignore[assignment]

        variable.set(Array())
        self.call(variable.set, Array())
        self.call(variable.get)
        self.exchange.undo()


if __name__ == "__main__":
    unittest.main()
