"""Run the suite on every supported Python that this machine has, and print one table.

    python -m tests.everywhere

Each Python gets an environment of its own, ``.venv-3.x``, and two runs: in shuffled order under
``python -m asynctesting``, and under pytest; both in development mode, with warnings as errors.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests import tally

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
STRICT = ["-X", "dev", "-W", "error"]
RUNNERS = {
    "unittest, shuffled": ["-m", "asynctesting", "--shuffle"],
    "pytest": ["-m", "pytest", "-p", "no:cacheprovider"],
}


def candidates(minor: str) -> Iterator[Path]:
    """Yield whatever may be Python *minor*: each one on PATH first, then pyenv's, newest first."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield Path(folder or ".") / f"python{minor}"
    versions = pyenv_root() / "versions"
    micros = versions.glob(f"{minor}.*")
    for version in sorted(micros, key=lambda path: _natural(path.name), reverse=True):
        yield version / "bin" / "python"


def pyenv_root() -> Path:
    """Return where pyenv keeps its versions, or would."""
    if pyenv := shutil.which("pyenv"):
        answer = subprocess.run([pyenv, "root"], capture_output=True, text=True)
        if answer.returncode == 0:
            return Path(answer.stdout.strip())
    return Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))


def _natural(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split(".") if part.isdigit())


def version_of(python: Path, minor: str) -> str | None:
    """Return the full version of *python* if it starts, is a *minor* and can make environments.

    A file of that name proves nothing: pyenv puts one on PATH for each Python that it has, and it
    fails unless that Python has been switched on.
    """
    ask = "import ensurepip, platform, venv; print(platform.python_version())"
    try:
        answer = subprocess.run([python, "-c", ask], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = answer.stdout.strip()
    return version if answer.returncode == 0 and version.startswith(f"{minor}.") else None


def supported_pythons() -> Iterator[tuple[str, Path, str]]:
    """Yield minor, path and full version of one Python for each supported minor that is here."""
    for minor in SUPPORTED:
        for python in candidates(minor):
            if python.is_file() and (version := version_of(python, minor)):
                yield minor, python, version
                break


def environment(minor: str, python: Path, version: str) -> Path:
    """Return the interpreter of *minor*'s environment, made anew after pyproject.toml changed."""
    home = ROOT / f".venv-{minor}"
    stamp = home / f"made-{version}"
    description = ROOT / "pyproject.toml"
    ours = home / "bin" / "python"
    if not stamp.exists() or stamp.stat().st_mtime < description.stat().st_mtime:
        print(f"Making {home.name} ...", flush=True)
        subprocess.run([python, "-m", "venv", "--clear", home], check=True)
        install = [ours, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--editable", ".[test]"], check=True, cwd=ROOT)
        stamp.touch()
    return ours


def main() -> int:
    """Run everything everywhere; return 0 if all of it passed."""
    os.chdir(ROOT)
    rows: list[tuple[str, str, str, str]] = []
    for minor, python, version in supported_pythons():
        ours = environment(minor, python, version)
        for runner, arguments in RUNNERS.items():
            print(f"\n== Python {version}, {runner}", flush=True)
            counts, status = tally.run([str(ours), *STRICT, *arguments])
            rows.append((version, runner, str(counts), "FAILED" if status else "ok"))

    if not rows:
        print(f"No Python of {', '.join(SUPPORTED)} starts here.", file=sys.stderr)
        return 1
    table = [("Python", "runner", "tests", "result"), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print()
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())
    return int(any(row[-1] != "ok" for row in rows))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"Could not set up an environment: {error}")
