"""The fixtures of one test: obtained in its set-up, put away by its cleanups.

The wide ones that it needs are made before its own limit begins to count, in the scopes that they
belong to; what it makes for itself lives in its own task and on its own stack of cleanups.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _registry
from ._cancellers import OwnerTask
from ._class_hooks import ClassHooks
from ._fixture_plan import Node
from ._living import Living
from ._nested import InnerScope
from ._returned import is_awaitable
from ._scopes import Scope

__unittest = True


class OwnFixtures(ClassHooks):
    """The half of :class:`~asynctesting.AsyncTestCase` that gives each test what it asks for."""

    # The clock that a region or a mixin of clocks.py has given to the test.
    _asynctesting_clock: Any = None

    # The stock case's slots for its runner and its context.
    _asyncioRunner: Any = None
    _asyncioTestContext: Any = None

    if TYPE_CHECKING:
        _outcome: Any
        _testMethodName: str

        async def _asynctesting_leave(self, exit: Callable[..., Any], cm: Any) -> None: ...

    def _asynctesting_begin(self) -> None:
        """Put the test into the scope of its class, set up now if no runner has done that."""
        scope = self._asyncioRunner
        cls, plan = type(self), self._asynctesting_plan
        if plan is None or not isinstance(scope, InnerScope) or scope.parent is not None:
            return
        around = cls._asynctesting_open_class(plan)
        if self._outcome is not None:
            _registry.note_result(self._outcome.result, around)
        # Before the limit of the test begins to count: a wide fixture has its own.
        for _, node in plan.fixtures.asked.get(self._testMethodName, ()) if plan.fixtures else ():
            cls._asynctesting_obtain_around(around, node)
        for node in plan.fixtures.narrow if plan.fixtures else ():
            cls._asynctesting_obtain_around(around, node)
        scope.attach(around)
        self._asyncioTestContext = scope.context
        self._asynctesting_clock = scope.clock or self._asynctesting_clock

    def _asynctesting_set_up_fixtures(self, scope: Scope) -> None:
        plan = self._asynctesting_plan
        if plan is None or plan.fixtures is None:
            return
        scope.owner_type = OwnerTask
        fixtures = plan.fixtures
        values: dict[Node, Any] = {}
        self.__dict__["_asynctesting_values"] = names = []
        for node in fixtures.narrow:
            names.append(node.name)
            self.__dict__[node.name] = self._asynctesting_obtain_own(scope, node, values)
        names.append("_asynctesting_arguments")
        self.__dict__["_asynctesting_arguments"] = {
            name: self._asynctesting_obtain_own(scope, node, values)
            for name, node in fixtures.asked.get(self._testMethodName, ())
        }

    def _asynctesting_obtain_own(self, scope: Scope, node: Node, values: dict[Node, Any]) -> Any:
        """Return the value of a fixture for this test, made now unless it was before."""
        if node in values:
            return values[node]
        if node.level:
            around = self._asynctesting_open_scope()
            assert around is not None
            return self._asynctesting_obtain(around, node)
        needs = {
            name: self._asynctesting_obtain_own(scope, needed, values)
            for name, needed in node.needs
        }
        living = Living(node.fixture, self, needs, self._asynctesting_path_to(node))
        value = scope.call(living.start)
        if is_awaitable(value) and living.is_async:
            value = scope.run(value)
        if living.must_be_left:
            self.addCleanup(self._asynctesting_leave_fixture, living)
        values[node] = value
        return value

    def _asynctesting_leave_fixture(self, living: Living) -> Any:
        if living.must_hear_of(self._asyncioRunner.cancellers):
            return self._asynctesting_leave(Living.leave, living)
        return living.leave()
