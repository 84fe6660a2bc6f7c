"""User code with fixtures and wide scopes: it must type-check strictly, and never runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import assert_type

from asynctesting import (
    AsyncTestCase,
    addModuleAsyncCleanup,
    async_fixture,
    enterSessionAsyncContext,
    parametrize,
)


@async_fixture(scope="session")
async def port() -> AsyncIterator[int]:
    yield 8080


@async_fixture
@asynccontextmanager
async def name() -> AsyncIterator[str]:
    yield "tea"


class Server:
    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *details: object) -> None: ...


class FixtureTests(AsyncTestCase):
    loop_scope = "session"

    server: Server

    port = port
    name = name

    @async_fixture(scope="class")
    async def number(cls) -> int:
        return 3

    @async_fixture
    def letters(self, number: int) -> Iterator[list[str]]:
        yield ["a"] * number

    @async_fixture(scope="class", autouse=False)
    def text(cls) -> str:
        return ""

    @classmethod
    async def asyncSetUpClass(cls) -> None:
        cls.server = await cls.enterClassAsyncContext(Server())
        cls.addClassAsyncCleanup(cls.clean, "all")

    @classmethod
    async def clean(cls, what: str) -> None: ...

    @parametrize("status", [200, 503])
    async def test_values(self, status: int, text: str) -> None:
        assert_type(self.number, int)
        assert_type(self.letters, list[str])
        assert_type(self.port, int)
        assert_type(self.name, str)
        assert_type(self.server, Server)
        addModuleAsyncCleanup(self.clean, "module")
        await enterSessionAsyncContext(Server())
