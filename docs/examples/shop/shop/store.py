"""The stock and the orders, in SQLite.

Invariant: what is sold and what is left always add up to what was there, whoever asks at the same
time and wherever a checkout breaks off. So every change of both happens in one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiosqlite

SCHEMA = """
CREATE TABLE IF NOT EXISTS products (
    sku TEXT PRIMARY KEY,
    price INTEGER NOT NULL CHECK (price >= 0),
    stock INTEGER NOT NULL CHECK (stock >= 0)
);
CREATE TABLE IF NOT EXISTS orders (
    key TEXT PRIMARY KEY,
    sku TEXT NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    amount INTEGER NOT NULL,
    charge TEXT
);
"""


class UnknownProduct(Exception):
    """Nothing is sold under this name."""


class OutOfStock(Exception):
    """Fewer pieces are left than were asked for."""

    def __init__(self, message: str, sku: str) -> None:
        super().__init__(message)
        self.sku = sku


@dataclass(frozen=True)
class Order:
    """What a customer asked for, in cents; *charge* is missing until it has been paid."""

    key: str
    sku: str
    quantity: int
    amount: int
    charge: str | None = None


class Store:
    """One connection to the database, which takes one transaction after the other."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, path: str) -> AsyncIterator[Store]:
        """Open the database at *path*, and make its tables if they are missing."""
        # Autocommit: the transactions below begin and end where they say so, and nowhere else.
        async with aiosqlite.connect(path, isolation_level=None) as connection:
            await connection.executescript(SCHEMA)
            yield cls(connection)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        # All tasks share the connection, and SQLite would take the statements of two of them for
        # one transaction.
        async with self._lock:
            await self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                await self._connection.rollback()
                raise
            await self._connection.commit()

    async def _row(self, query: str, *parameters: object) -> aiosqlite.Row | None:
        async with self._connection.execute(query, parameters) as cursor:
            return await cursor.fetchone()

    async def stock_up(self, sku: str, *, price: int, stock: int) -> None:
        """Sell *sku* at *price* cents from now on, and have *stock* more pieces of it."""
        async with self._transaction():
            await self._connection.execute(
                "INSERT INTO products VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET price = excluded.price, stock = stock + excluded.stock",
                (sku, price, stock),
            )

    async def prices(self) -> dict[str, int]:
        """Return what each product costs."""
        async with self._connection.execute("SELECT sku, price FROM products") as cursor:
            return {sku: price async for sku, price in cursor}

    async def stock(self, sku: str) -> int:
        """Return how many pieces of *sku* are left."""
        row = await self._row("SELECT stock FROM products WHERE sku = ?", sku)
        if row is None:
            raise UnknownProduct(f"no product is called {sku!r}")
        return int(row[0])

    async def order(self, key: str) -> Order | None:
        """Return the order of this *key*, if there is one."""
        row = await self._row("SELECT * FROM orders WHERE key = ?", key)
        return Order(*row) if row else None

    async def reserve(self, key: str, sku: str, quantity: int) -> tuple[Order, bool]:
        """Put *quantity* pieces aside under *key*; return the order, and whether it is a new one.

        Raises:
            UnknownProduct: If *sku* is not sold here.
            OutOfStock: If fewer than *quantity* are left.
        """
        async with self._transaction():
            if known := await self.order(key):
                return known, False
            row = await self._row("SELECT price, stock FROM products WHERE sku = ?", sku)
            if row is None:
                raise UnknownProduct(f"no product is called {sku!r}")
            price, stock = row
            if stock < quantity:
                raise OutOfStock(f"{stock} left of {sku!r}, and {quantity} were asked for", sku)
            order = Order(key, sku, quantity, price * quantity)
            await self._connection.execute(
                "UPDATE products SET stock = stock - ? WHERE sku = ?", (quantity, sku)
            )
            await self._connection.execute(
                "INSERT INTO orders VALUES (?, ?, ?, ?, NULL)", (key, sku, quantity, order.amount)
            )
            return order, True

    async def settle(self, order: Order, charge: str) -> Order:
        """Note that *order* has been paid, and return it as it is now."""
        async with self._transaction():
            await self._connection.execute(
                "UPDATE orders SET charge = ? WHERE key = ?", (charge, order.key)
            )
        return replace(order, charge=charge)

    async def release(self, order: Order) -> None:
        """Forget *order* and put its pieces back on the shelf."""
        async with self._transaction():
            await self._connection.execute("DELETE FROM orders WHERE key = ?", (order.key,))
            await self._connection.execute(
                "UPDATE products SET stock = stock + ? WHERE sku = ?", (order.quantity, order.sku)
            )
