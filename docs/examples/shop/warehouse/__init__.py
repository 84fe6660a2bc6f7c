"""The warehouse: another team's service, written on FastAPI."""

from .app import make_warehouse

__all__ = ["make_warehouse"]
