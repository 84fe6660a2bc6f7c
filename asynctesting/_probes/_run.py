"""Running all probes, and telling what came of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from . import _base, _connections, _failures, _requests
from ._base import NotApplicable, Probe

__unittest = True

#: Where the probes are defined: importing these has put them on the list.
MODULES = (_requests, _connections, _failures)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What came of a probe.

    Attributes:
        number: The probe's number.
        name: Its name.
        status: ``"ok"``, ``"n/a"`` or ``"failed"``.
        detail: Why, unless it is ok.
        seconds: How long it took.
    """

    number: int
    name: str
    status: str
    detail: str
    seconds: float


def run_probes(
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> list[ProbeResult]:
    """Run all probes, each on a loop of its own, and return what came of them.

    Args:
        loop_factory: Makes the loops; by default asyncio's.
    """
    return [run_probe(each, loop_factory) for each in _base.PROBES]


def run_probe(
    each: Probe, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> ProbeResult:
    """Run one probe; see :func:`run_probes`."""
    told: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(str(context)))
        await each.run()

    begin = time.perf_counter()
    status, detail = "ok", ""
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main())
    except NotApplicable as reason:
        status, detail = "n/a", str(reason)
    except Exception as error:
        status, detail = "failed", f"{type(error).__name__}: {error}"
    if status == "ok" and told:
        status, detail = "failed", f"the loop's exception handler was told: {told[0]}"
    return ProbeResult(each.number, each.name, status, detail, time.perf_counter() - begin)


def table(results: list[ProbeResult]) -> str:
    """Write results as a table, with versions above and a count below."""
    width = max(len(result.name) for result in results)
    lines = [f"aiohttp {aiohttp.__version__}, {len(results)} probes", ""]
    lines += [
        f"{result.number:>2}  {result.name:<{width}}  {result.status:<6}  {result.detail}".rstrip()
        for result in results
    ]
    counts = {s: sum(r.status == s for r in results) for s in ("ok", "n/a", "failed")}
    seconds = sum(result.seconds for result in results)
    said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return "\n".join([*lines, "", f"{said} in {seconds:.1f} s"])
