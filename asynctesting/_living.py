"""One value of a fixture, from its making to its end.

What makes the value may be a generator, a coroutine, a context manager or a plain function, each
async or not; whoever holds a :class:`Living` need not know which.
Invariant: what was started is left once, and what it raises then is raised there.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from typing import Any

from ._cancellers import entered_by, is_held
from ._fixtures import AsyncFixture
from ._report import Place
from ._settings import Unset
from .errors import FixtureError

__unittest = True


class Living:
    """One value of a fixture: made by :meth:`start`, put away by :meth:`leave`."""

    _generator: AsyncGenerator[Any, Any] | Generator[Any, Any, Any] | None = None
    _manager: Any = None
    #: Whether it is awaited, both ways.
    is_async = False

    def __init__(
        self,
        fixture: AsyncFixture[Any],
        owner: object,
        values: dict[str, Any],
        draw_path: Callable[[], str],
    ) -> None:
        self.fixture = fixture
        self._draw_path = draw_path
        self._owner = owner
        self._values = values

    def __repr__(self) -> str:
        return f"<Living {self.fixture.label}>"

    def start(self) -> Any:
        """Make the value, or return something that is to be awaited for it."""
        fixture = self.fixture
        owner = (self._owner,) if fixture.takes_owner else ()
        made = fixture.function(*owner, **self._values)
        # What it was made from is another one's business now.
        self._owner, self._values = None, {}
        self.is_async = inspect.isasyncgen(made) or inspect.iscoroutine(made)
        if inspect.isasyncgen(made):
            self._generator = made
            return self._first_of(made)
        if inspect.isgenerator(made):
            self._generator = made
            return self._next_of(made)
        if inspect.iscoroutine(made):
            return self._result_of(made)
        if _is_async_manager(made):
            self._manager, self.is_async = made, True
            return type(made).__aenter__(made)
        if isinstance(made, contextlib._GeneratorContextManager):
            self._manager = made
            return made.__enter__()
        return made

    @property
    def must_be_left(self) -> bool:
        """Whether there is anything to put away."""
        return self._generator is not None or self._manager is not None

    @property
    def is_bare(self) -> bool:
        """Whether what stands behind a yield puts it away."""
        return self._generator is not None

    @property
    def entered(self) -> list[object]:
        """What is left together with it."""
        return entered_by(self._generator) if self._generator is not None else [self._manager]

    def must_hear_of(self, cancellers: Sequence[object]) -> bool:
        """Tell whether it has to get the cancellation of its scope, by one of *cancellers*."""
        return self.is_async and (self._generator is None or is_held(self.entered, cancellers))

    async def _result_of(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        value = await coroutine
        if inspect.iscoroutine(value):
            value.close()
            raise FixtureError(
                f"{self.fixture.label} returned {value!r}, which nobody would await. Write 'return "
                f"await ...'\n\n{self._draw_path()}"
            )
        return value

    async def _first_of(self, generator: AsyncGenerator[Any, Any]) -> Any:
        try:
            return await anext(generator)
        except StopAsyncIteration:
            raise self._yields_never() from None

    def _next_of(self, generator: Generator[Any, Any, Any]) -> Any:
        try:
            return next(generator)
        except StopIteration:
            raise self._yields_never() from None

    def _yields_never(self) -> FixtureError:
        return FixtureError(
            f"{self.fixture.label} ended without a yield, so there is no value. Yield it once: "
            "what stands before is the set-up, what stands after is the teardown\n\n"
            f"{self._draw_path()}"
        )

    def leave(self, kind: Any = None, error: Any = None, traceback: Any = None) -> Any:
        """Put the value away, or return something that is to be awaited for it.

        Args:
            kind: With *error* and *traceback*, what has cancelled the scope; as for ``__exit__``.
            error: See *kind*.
            traceback: See *kind*.
        """
        generator, self._generator = self._generator, None
        manager, self._manager = self._manager, None
        if inspect.isasyncgen(generator):
            return self._last_of(generator, error)
        if generator is not None:
            return self._end(generator, error)
        if isinstance(manager, contextlib._GeneratorContextManager):
            return manager.__exit__(kind, error, traceback)
        if manager is not None:
            return type(manager).__aexit__(manager, kind, error, traceback)
        return None

    async def _last_of(self, generator: Any, error: BaseException | None) -> None:
        try:
            await (anext(generator) if error is None else generator.athrow(error))
        except StopAsyncIteration:
            return
        except BaseException as raised:
            if raised is not error:
                raise
            return
        twice = self._yields_twice(generator.ag_code, generator.ag_frame.f_lineno)
        try:
            await generator.aclose()
        except BaseException as raised:
            raise twice from raised
        raise twice

    def _end(self, generator: Any, error: BaseException | None) -> None:
        try:
            if error is None:
                next(generator)
            else:
                generator.throw(error)
        except StopIteration:
            return
        except BaseException as raised:
            if raised is not error:
                raise
            return
        twice = self._yields_twice(generator.gi_code, generator.gi_frame.f_lineno)
        try:
            generator.close()
        except BaseException as raised:
            raise twice from raised
        raise twice

    def _yields_twice(self, code: Any, line: int) -> FixtureError:
        return FixtureError(
            f"{self.fixture.label} yields twice; the second time at\n\n"
            f"  {Place(code.co_filename, line, code.co_qualname)}\n\n"
            "A fixture has one value: what stands after the first yield is its teardown, and ran "
            f"only as far as this line\n\n{self._draw_path()}"
        )


def _is_async_manager(made: Any) -> bool:
    if not (hasattr(type(made), "__aenter__") and hasattr(type(made), "__aexit__")):
        return False
    mocks = sys.modules.get("unittest.mock")
    return mocks is None or not isinstance(made, mocks.NonCallableMock)


class Leaving:
    """The cleanup of a value that lives in a wide scope."""

    def __init__(self, scope: Any, living: Living, limit: float | None | Unset) -> None:
        self._scope = scope
        self._living = living
        #: Real seconds that it may take, if not those of the scope.
        self.limit = limit

    def __repr__(self) -> str:
        return f"<Leaving {self._living.fixture.label}>"

    def __call__(self) -> Any:
        """Put the value away, or return something that is to be awaited for it."""
        living = self._living
        return self._scope.leave(living.leave, living.entered, bare=living.is_bare)
