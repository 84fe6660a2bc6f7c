"""What does the audit find in suites that others have published, with its default levels?

Each suite is fetched by name and version and run twice: as it is, and on AsyncTestCase with a
ledger that writes down every finding. Adopted ones are not changed by a line; the others are
rewritten by the codemod first. Whether a finding is right is for a person to say, who reads the
suite: docs/explanation/real-suites.md has the judgements.

    python bench/audit_suites.py                     # all of them, in a new environment
    python bench/audit_suites.py --suite aiosqlite   # one of them
    python bench/audit_suites.py --python bin/python # an environment that has everything
    python bench/audit_suites.py --keep DIR          # leave sources and ledgers there
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from _measure import MeasureError, OneLineParser, machine, progress, table
from migrate_suites import SUITES as MOVED
from migrate_suites import Published, environment, fetch

QUESTION = (__doc__ or "").partition("\n")[0]
LIMIT = 180
STDLIB = "cpython"


def _stdlib() -> Published:
    asyncio = ("futures2", "locks", "queues", "server", "staggered", "taskgroups", "threads",
               "timeouts", "unix_events", "waitfor")  # fmt: skip
    modules = [f"test.test_asyncio.test_{name}" for name in asyncio]
    modules += ["test.test_contextlib_async", "test.test_unittest.testmock.testasync"]
    version = ".".join(map(str, sys.version_info[:3]))
    return Published(STDLIB, version, "IsolatedAsyncioTestCase", (), ("-m", "unittest", *modules))


def _kubernetes() -> Published:
    # Not those of its dynamic client, which ask a cluster.
    modules = [f"config.{name}" for name in ("dateutil", "exec_provider", "google_auth",
               "incluster_config", "kube_config", "openid")]  # fmt: skip
    modules += ["stream.ws_client", "utils.create_from_yaml", "watch.watch"]
    return Published(
        "kubernetes_asyncio", "31.1.0", "IsolatedAsyncioTestCase", (),
        ("-m", "unittest", *(f"kubernetes_asyncio.{module}_test" for module in modules)),
        ("certifi", "python-dateutil", "pyyaml", "six", "urllib3"),
    )  # fmt: skip


def _moved(*names: str) -> tuple[Published, ...]:
    return tuple(suite for suite in MOVED if suite.folder in names)


#: Those without paths to rewrite are adopted.
SUITES = (
    _stdlib(),
    Published(
        "aiosqlite", "0.22.1", "IsolatedAsyncioTestCase", (),
        ("-m", "unittest", "aiosqlite.tests.smoke"),
    ),
    # aiohttp 3.14 is newer than it, and every call of it fails there.
    Published(
        "aioresponses", "0.7.9", "IsolatedAsyncioTestCase", (),
        ("-m", "unittest", "tests.test_aioresponses", "tests.test_compat"),
        ("aiohttp==3.13.5", "ddt"),
    ),
    _kubernetes(),
    *_moved("aioitertools-0.11.0", "aiomultiprocess-0.9.0", "tornado-6.4"),
)  # fmt: skip

HEADING = ["suite", "road", "tests", "stock: passed", "ours: passed", "findings", "by kind"]


@dataclass(frozen=True)
class Ran:
    """How one run ended."""

    tests: int
    passed: int
    output: str


@dataclass(frozen=True)
class Audited:
    """What became of one suite.

    Attributes:
        suite: Which one.
        stock: Its run as it is.
        ours: Its run on AsyncTestCase, in which no finding fails a test.
        leaks: What the ledger has got: test, kind and name of each.
    """

    suite: Published
    stock: Ran
    ours: Ran
    leaks: tuple[dict[str, str], ...]

    def row(self) -> list[str]:
        """Return the suite's line of the table."""
        kinds = Counter(leak["kind"] for leak in self.leaks)
        by_kind = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        return [
            f"{self.suite.name} {self.suite.version}", road(self.suite), f"{self.stock.tests:,}",
            f"{self.stock.passed:,}", f"{self.ours.passed:,}", str(len(self.leaks)), by_kind or "-",
        ]  # fmt: skip


def road(suite: Published) -> str:
    """Say how *suite* comes to run on AsyncTestCase."""
    return "migrated" if suite.paths else "adopted"


def audit(suite: Published, python: str, folder: Path) -> Audited:
    """Fetch *suite*, run it as it is, then on AsyncTestCase.

    Raises:
        MeasureError: If it can't be fetched, or a run does not come to its end.
    """
    progress(f"{suite.name} {suite.version}: fetching")
    place = folder if suite.name == STDLIB else fetch(suite, python, folder)
    progress(f"{suite.name} {suite.version}: running it as it is")
    stock = _run([python, *suite.run], place)
    ledger = folder / f"{suite.folder}.toml"
    ledger.unlink(missing_ok=True)
    if suite.paths:
        _run([python, "-m", "asynctesting", "migrate", *suite.paths], place, counts=False)
    progress(f"{suite.name} {suite.version}: running it on AsyncTestCase")
    adopt = [] if suite.paths else ["--adopt"]
    options = [*adopt, "--write-leaks", "--ledger", str(ledger)]
    ours = _run([python, "-m", "asynctesting", *options, *suite.run[2:]], place)
    return Audited(suite, stock, ours, read_ledger(ledger))


def read_ledger(path: Path) -> tuple[dict[str, str], ...]:
    """Return the leaks in the ledger at *path*; a run without any leaves no file."""
    if not path.exists():
        return ()
    return tuple(tomllib.loads(path.read_text(encoding="utf-8"))["leak"])


def _run(argv: Sequence[str], place: Path, *, counts: bool = True) -> Ran:
    unwanted = ("PYTHON", "PYTEST_", "ASYNCTESTING_")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
    # A file, not a pipe: a process that a test has left behind would keep a pipe open.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            argv, cwd=place, env=clean, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        # At its exit it may wait for a process that a test has left behind: what it printed counts.
        with suppress(subprocess.TimeoutExpired):
            process.wait(LIMIT)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        printed = output.read()
    return count(printed) if counts else Ran(0, 0, printed)


def count(printed: str) -> Ran:
    """Read unittest's closing lines.

    Raises:
        MeasureError: If there are none, because the run has not come to its end.

    Example:
        >>> count("Ran 5 tests in 0.1s\\n\\nFAILED (errors=1, skipped=2)").passed
        2
    """
    ran = re.search(r"^Ran (\d+) tests? in ", printed, re.MULTILINE)
    if ran is None:
        raise MeasureError(f"no tests ran: {(printed.strip().splitlines() or ['silence'])[-1]}")
    closing = re.search(r"^(?:OK|FAILED)(.*)$", printed[ran.end() :], re.MULTILINE)
    noted = re.findall(r"(failures|errors|skipped)=(\d+)", closing[1] if closing else "")
    tests = int(ran[1])
    return Ran(tests, tests - sum(int(number) for _, number in noted), printed)


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the question for the suites that the command line names."""
    parser = OneLineParser(description=QUESTION)
    names = sorted({suite.name for suite in SUITES})
    parser.add_argument("--suite", action="append", choices=names, help="only this one (repeat)")
    parser.add_argument("--python", help="an interpreter whose environment has everything")
    parser.add_argument("--keep", metavar="DIR", help="leave sources and ledgers in this folder")
    options = parser.parse_args(argv)
    suites = [suite for suite in SUITES if not options.suite or suite.name in options.suite]
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)
        kept = nullcontext(os.path.abspath(options.keep))
    place = kept if options.keep else tempfile.TemporaryDirectory(prefix="asynctesting-bench-")
    audited, failed = [], []
    with place as name:
        try:
            python = environment(options.python, suites, Path(name))
        except MeasureError as error:
            print(f"audit_suites.py: {error}", file=sys.stderr)
            return 1
        for suite in suites:
            try:
                audited.append(audit(suite, python, Path(name)))
            except MeasureError as error:
                failed.append(f"{suite.name} {suite.version}: {error}")
    progress("")
    print(QUESTION, machine(), "", sep="\n")
    print(table([HEADING, *(one.row() for one in audited)], words=2))
    for one in audited:
        for leak in one.leaks:
            print(f"  {leak['test']}: {leak['kind']} {leak['name']!r}")
    for reason in failed:
        print(f"audit_suites.py: {reason}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
