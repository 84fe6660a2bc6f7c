"""The probes: does the network in memory get along with the aiohttp that is installed?

Each probe is a small conversation of an unmodified aiohttp client with an unmodified aiohttp
server (or with a server that breaks the rules) and says what must come of it. They are our own
tests, on each supported series of aiohttp, and ``python -m asynctesting.http --selfcheck`` runs
them for whoever wants to know about the pair that is installed.
"""

from ._base import PROBES, Probe, Stage
from ._run import ProbeResult, run_probe, run_probes, table

__all__ = ["PROBES", "Probe", "ProbeResult", "Stage", "run_probe", "run_probes", "table"]
