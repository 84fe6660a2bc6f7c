"""Run the probes on each supported series of aiohttp, and print one table.

    python -m tests.aiohttp_series              the current series and the four before it
    python -m tests.aiohttp_series 3.10 3.14    these only

Each series gets an environment of its own, ``.venv-aiohttp-3.x``, made with the Python that runs
this. The probes play on asyncio's loop, on ours and on uvloop's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests import tally

ROOT = Path(__file__).resolve().parent.parent
SERIES = ("3.10", "3.11", "3.12", "3.13", "3.14")
COMMAND = ["-X", "dev", "-W", "error", "-m", "unittest", "tests.test_probes"]
NEEDED = ("trustme", "uvloop")


def requirement(series: str) -> str:
    """Return what to install for a series: its newest release."""
    return f"aiohttp=={series}.*"


def environment(series: str) -> Path:
    """Return the interpreter of a series' environment, made anew after pyproject.toml changed."""
    home = ROOT / f".venv-aiohttp-{series}"
    stamp = home / f"made-{sys.version_info[0]}.{sys.version_info[1]}"
    description = ROOT / "pyproject.toml"
    python = home / "bin" / "python"
    if not stamp.exists() or stamp.stat().st_mtime < description.stat().st_mtime:
        print(f"Making {home.name} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*install, "--editable", ".", requirement(series), *NEEDED], check=True, cwd=ROOT
        )
        stamp.touch()
    return python


def main(wanted: list[str]) -> int:
    """Run the probes on each of the wanted series; return 0 if all of them passed."""
    unknown = sorted(set(wanted) - set(SERIES))
    if unknown:
        print(f"Not a supported series: {', '.join(unknown)}", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    rows = []
    for series in wanted or SERIES:
        python = environment(series)
        print(f"\n== aiohttp {series}", flush=True)
        counts, status = tally.run([str(python), *COMMAND])
        rows.append((series, str(counts), "FAILED" if status else "ok"))
    print()
    for series, counts, result in rows:
        print(f"aiohttp {series}  {counts}  {result}")
    return int(any(row[-1] != "ok" for row in rows))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"Could not set up an environment: {error}")
