"""What pytest needs to know: when a module, a package or the session of our scopes is over.

pytest calls the class fixtures of unittest, but never its module cleanups, and it has no result of
the run. It has nodes, though, each of which is torn down when its last test is done; the wide
scopes end with them. Installed with the package; ``-p no:asynctesting`` switches it off.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from . import _registry
from ._wide import WideScope

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
