"""Serve the shop: ``python -m shop``, with settings from the environment."""

import logging
import os

from aiohttp import web

from .app import Settings, make_app

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    settings = Settings(
        database=os.environ.get("SHOP_DATABASE", "shop.sqlite3"),
        payments=os.environ.get("SHOP_PAYMENTS", "http://127.0.0.1:8081"),
        warehouse=os.environ.get("SHOP_WAREHOUSE"),
    )
    web.run_app(make_app(settings), port=8080)
