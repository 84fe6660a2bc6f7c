"""What the tests of the bridge share: a base, coroutines to await, and a process to run in."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import unittest
from contextvars import ContextVar, copy_context
from typing import Any

from asynctesting import AsyncResultMixin
from tests.support import ROOT, OutcomeAssertions, settings

user: ContextVar[str] = ContextVar("user")


async def echo(value: Any) -> Any:
    """Return *value* after a turn of the loop."""
    await asyncio.sleep(0)
    return value


async def echo_later(value: Any) -> Any:
    """Return *value* after a wait, for which the loop has to turn."""
    await asyncio.sleep(0.001)
    return value


def running() -> asyncio.AbstractEventLoop:
    """Return the running loop, for those who call it in a coroutine."""
    return asyncio.get_running_loop()


async def forget(name: str = "forgotten") -> asyncio.Task[None]:
    """Leave a task behind."""
    return asyncio.create_task(asyncio.sleep(60), name=name)


class Legacy(AsyncResultMixin, unittest.TestCase):
    """A base for the small cases below; it has no tests of its own."""


class Settled(OutcomeAssertions):
    """Runs each test without settings of this run, and in a context of its own."""

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        return copy_context().run(super().run, result)

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(settings({}))


def run_in(folder: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run python in *folder* with *arguments*, strictly."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ASYNCTESTING_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
    )
