"""What pytest needs to know: when a module, a package or the session of our scopes is over.

pytest calls the class fixtures of unittest, but never its module cleanups, and it has no result of
the run. It has nodes, though, each of which is torn down when its last test is done; the wide
scopes end with them. Of what fails in one test, it shows the first thing, and the second in the
place of whatever has failed in the teardown of its nodes; here it is made to show all of it.
Installed with the package; ``-p no:asynctesting`` switches it off.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Sequence
from typing import Any

import pytest

from . import _registry
from ._wide import WideScope

# What the classes of AsyncTestCase and of AsyncResultMixin have.
_OURS = ("_asynctesting_plan", "_asynctesting_bridged")

_running: list[pytest.Item] = []


def pytest_configure() -> None:
    """Offer to end scopes."""
    _registry.enders.append(_end_with_node)


def pytest_unconfigure() -> None:
    """Take the offer back, so that an inner run of pytest leaves the outer one as it was."""
    if _end_with_node in _registry.enders:
        _registry.enders.remove(_end_with_node)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note which item runs: its nodes are the ones that can be asked."""
    _running.append(item)
    try:
        return (yield)
    finally:
        _running.pop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Put all that has failed in a test of ours into the report of the test."""
    failures = _take_failures(item) if call.when == "call" else []
    report = yield
    # Unless @pytest.mark.xfail has expected the first of them.
    if failures and (report.failed or call.excinfo is not failures[0]):
        report.outcome = "failed"
        report.longrepr = _all_in_one([item.repr_failure(failure) for failure in failures])
    return report


def _take_failures(item: Any) -> list[pytest.ExceptionInfo[BaseException]]:
    """Take what a test has told pytest but for the first, where there is more than that."""
    told = getattr(item, "_excinfo", None) or []
    if len(told) < 2 or not any(hasattr(item.cls, mark) for mark in _OURS):
        return []
    outcomes = (pytest.skip.Exception, pytest.xfail.Exception)
    failures = [info for info in told if not isinstance(info.value, outcomes)]
    told[:] = told[:1]
    return failures


def _all_in_one(shown: Sequence[Any]) -> Any:
    """Return what shows all of *shown*, one after the other."""
    if not all(hasattr(one, "chain") for one in shown):  # --tb=native, say
        return "\n\n".join(str(one) for one in shown)
    chain = [link for one in shown for link in one.chain]
    ends = itertools.accumulate(len(one.chain) for one in shown)
    for end in list(ends)[:-1]:
        chain[end - 1] = (*chain[end - 1][:2], "\nThis has failed as well:\n")
    every = type(shown[0])(chain)
    every.reprcrash = shown[0].reprcrash  # the line of the summary: what failed first
    return every


def _end_with_node(scope: WideScope, end: Callable[[], None]) -> bool:
    """Have *end* called when the node of *scope* is torn down; tell whether there is one."""
    if not _running:
        return False
    item = _running[-1]
    kinds: dict[str, Any] = {"module": pytest.Module, "package": pytest.Directory}
    kind = kinds.get(scope.kind)
    node: Any = None if kind is None else item.getparent(kind)
    (node or item.session).addfinalizer(end)
    return True
