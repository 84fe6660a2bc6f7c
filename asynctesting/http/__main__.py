"""``python -m asynctesting.http --selfcheck``: does the network get along with this aiohttp?"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any

from .._probes import run_probes, table
from .._virtual_loop import VirtualEventLoop

_LOOPS = ("asyncio", "virtual", "uvloop")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return what the process is to exit with.

    0: all is well. 1: something is not; the table says what. 2: the command was written wrongly.
    """
    parser = argparse.ArgumentParser(
        prog="python -m asynctesting.http",
        description="Check that the network in memory gets along with the aiohttp, the Python and "
        "the event loop that are installed.",
        epilog="Exit code 0 if all probes are green, 1 if one is not.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--selfcheck",
        action="store_true",
        help="run the probes: unmodified clients and servers of aiohttp, in memory",
    )
    parser.add_argument(
        "--loop",
        choices=_LOOPS,
        default="asyncio",
        help="the event loop to run them on (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if not options.selfcheck:
        parser.error("there is nothing to do; write --selfcheck")
    results = run_probes(_factory(parser, options.loop))
    print(table(results))
    failed = any(result.status == "failed" for result in results)
    if failed:
        print(
            "This pair does not get along in everything; tests that need what has failed may be "
            "wrong.",
            file=sys.stderr,
        )
    return 1 if failed else 0


def _factory(parser: argparse.ArgumentParser, name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "virtual":
        return VirtualEventLoop
    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:
        parser.error("--loop uvloop needs uvloop: pip install uvloop")
    factory: Any = uvloop.new_event_loop
    made: Callable[[], asyncio.AbstractEventLoop] = factory
    return made


if __name__ == "__main__":
    sys.exit(main())
