"""The names of asynctest, and what they are called now."""

from __future__ import annotations

from ._model import Family

CASE = "asynctest.TestCase"
CLOCKED = "asynctest.ClockedTestCase"
RETURN_ONCE = "asynctest.return_once"

# A ClockedTestCase gets a virtual clock that starts at 0 and moves by hand only, and
# `self.advance(seconds)` becomes `self.clock.advance(seconds)`.
CLOCK_SETTINGS = ('clock_mode = "manual"', "clock_start = 0")

MOCKS = {
    name: name
    for name in (
        "ANY", "DEFAULT", "FILTER_DIR", "MagicMock", "Mock", "NonCallableMagicMock",
        "NonCallableMock", "PropertyMock", "call", "create_autospec", "mock_open", "patch",
        "sentinel",
    )
} | {"CoroutineMock": "AsyncMock"}  # fmt: skip
UNITTEST = frozenset(
    {
        "BaseTestSuite", "SkipTest", "TestLoader", "TestResult", "TestSuite", "TextTestResult",
        "TextTestRunner", "defaultTestLoader", "expectedFailure", "installHandler", "main",
        "registerResult", "removeHandler", "removeResult", "skip", "skipIf", "skipUnless",
    }
)  # fmt: skip
CHECKS = frozenset({"asynctest.fail_on", "asynctest.strict", "asynctest.lenient"}) | {
    "asynctest.ignore_loop"
}
# What fail_on looks for, by the kinds of leaks that are the same here.
CHECKED_KINDS = (("active_handles", "timers"), ("active_selector_callbacks", "readers"))
ASSERTIONS = {
    "assertAsyncRaises": "assertRaises",
    "assertAsyncRaisesRegex": "assertRaisesRegex",
    "assertAsyncWarns": "assertWarns",
    "assertAsyncWarnsRegex": "assertWarnsRegex",
}
NO_EQUIVALENT = {
    CLOCKED: ("clock", "only as a base of a class does it have an equivalent"),
    "asynctest.FunctionTestCase": ("function-test-case", "write the function as a method"),
    "asynctest.exhaust_callbacks": (
        "exhaust-callbacks",
        "nothing says how long 'all callbacks' takes; await what the test waits for, or, with "
        "VirtualClockMixin, 'await self.clock.settle()', which ends when all tasks wait",
    ),
    RETURN_ONCE: (
        "return-once",
        "only a call with a value, and perhaps another one for 'then', has an equivalent",
    ),
    "asynctest.LIMITED": ("patch-scope", "no patch is undone while a coroutine is suspended"),
    "asynctest.GLOBAL": ("patch-scope", "stdlib patches have no scope; drop the argument"),
}


def is_ours(family: Family | None) -> bool:
    """Tell whether a class or a relative of it is a case of asynctest's."""
    return family is not None and bool({CASE, CLOCKED} & family.kin_roots)
