"""The command that repeats one test: under the runner that has run it, with the settings it had."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from . import _settings

__unittest = True

#: What is typed before the name of a test; ``python -m asynctesting`` puts itself here.
launcher = "python -m unittest"
#: Settings that are about the report of a failure, and not about the test.
_ASIDE = {"ASYNCTESTING_REPORT"}


def repeat_command(test: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return what to type to run one test once more, or nothing where there is no way.

    Args:
        test: The test's ``id()``: the names of its module, its class and its method; or less of
            it, for what is common to a class or a module.
        environment: The process's; pytest tells in it which test it runs.

    Example:
        >>> repeat_command("tests.test_shop.ShopTests.test_price", {})
        'python -m unittest tests.test_shop.ShopTests.test_price'
        >>> repeat_command("test_shop.ShopTests.test_price", {"ASYNCTESTING_TIMEOUT": "5"})
        'ASYNCTESTING_TIMEOUT=5 python -m unittest test_shop.ShopTests.test_price'
    """
    import shlex  # a test that passes need not be repeated

    ours = {
        name: value
        for name, value in sorted(environment.items())
        if name.startswith(_settings.PREFIX) and name not in _ASIDE
    }
    settings = "".join(f"{name}={shlex.quote(value)} " for name, value in ours.items())
    node = environment.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    names = node.split("::")
    # A class fixture runs in the course of the class's first test.
    for count in range(len(names), 1, -1):
        if names[count - 1] == test.rpartition(".")[2]:
            return f"{settings}python -m pytest {shlex.quote('::'.join(names[:count]))}"
    if "<locals>" in test:
        return ""  # a class that a function has made has no name on a command line
    if test.startswith("__main__."):
        return f"{settings}python {shlex.quote(sys.argv[0])} {shlex.quote(test[9:])}"
    return f"{settings}{launcher} {shlex.quote(test)}"
