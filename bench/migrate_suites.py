"""Do published suites stay green when the codemod moves them over with no hand on them?

Each suite is fetched by name and version, run under its own framework, rewritten, and run
again; both runs are recorded, so that a test that only seems to pass is seen. Of the tests
that were green before, at least 95 in 100 must be green after, and none without having run.

    python bench/migrate_suites.py                     # all of them, in a new environment
    python bench/migrate_suites.py --suite tornado     # one of them
    python bench/migrate_suites.py --python bin/python # an environment that has everything
    python bench/migrate_suites.py --keep DIR          # leave sources and records there
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from _measure import ROOT, MeasureError, OneLineParser, Verdict, machine, progress, table

QUESTION = (__doc__ or "").partition("\n")[0]
PROMISED = 0.95
LIMIT = 600

_PYTEST = ("-m", "pytest", "-q", "-c", os.devnull, "--rootdir=.", "-p", "no:cacheprovider")
_PYTEST += ("-W", "ignore")


@dataclass(frozen=True)
class Published:
    """A suite that somebody else has published in a source distribution.

    Attributes:
        name: The name of the distribution.
        version: The version that is fetched.
        style: What its tests are written on.
        paths: What is rewritten.
        run: The runner and its arguments.
        needs: What has to be installed for it, as it was then.
    """

    name: str
    version: str
    style: str
    paths: tuple[str, ...]
    run: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """What its folders are called."""
        return f"{self.name}-{self.version}"


def _tornado(*modules: str) -> tuple[str, ...]:
    return ("-m", "unittest", *(f"tornado.test.{module}_test" for module in modules))


SUITES = (
    Published(
        "aiosqlite", "0.17.0", "aiounittest", ("aiosqlite/tests",),
        ("-m", "unittest", "aiosqlite.tests"), ("aiounittest",),
    ),
    Published(
        "aioitertools", "0.11.0", "own decorator", ("aioitertools/tests",),
        ("-m", "unittest", "aioitertools.tests"),
    ),
    Published(
        "aiomultiprocess", "0.9.0", "own decorator", ("aiomultiprocess/tests",),
        ("-m", "unittest", "aiomultiprocess.tests"),
    ),
    Published(
        "tenacity", "8.2.3", "own decorator", ("tests",), (*_PYTEST, "tests/test_asyncio.py")
    ),
    Published(
        "transitions", "0.9.3", "asyncio.run", ("tests",), (*_PYTEST, "tests/test_async.py"),
        ("dill", "six"),
    ),
    Published(
        "tornado", "6.4", "gen_test", ("tornado/test",),
        _tornado(
            "locks", "queues", "gen", "ioloop", "iostream", "netutil", "process", "tcpclient",
            "concurrent", "asyncio", "simple_httpclient", "tcpserver", "http1connection",
        ),
    ),
    Published("aiohttp", "3.14.5", "AioHTTPTestCase", ("tests/test_loop.py",),
              (*_PYTEST, "--noconftest", "tests/test_loop.py"), ("aiohttp==3.14.5",)),
    Published(
        "aiosqlite", "0.22.1", "IsolatedAsyncioTestCase", ("aiosqlite/tests",),
        ("-m", "unittest", "aiosqlite.tests"),
    ),
    Published("janus", "1.0.0", "pytest-asyncio", ("tests",), (*_PYTEST, "tests"),
              ("pytest-asyncio", "typing_extensions")),
    Published("asgiref", "3.7.2", "pytest-asyncio", ("tests",), (*_PYTEST, "tests"),
              ("pytest-asyncio", "typing_extensions")),
    Published("aiocontextvars", "0.2.2", "pytest-asyncio", ("tests",), (*_PYTEST, "tests"),
              ("pytest-asyncio",)),
    Published("async-property", "0.2.2", "pytest-asyncio", ("tests",), (*_PYTEST, "tests"),
              ("pytest-asyncio",)),
)  # fmt: skip


@dataclass(frozen=True)
class Moved:
    """What became of one suite."""

    suite: Published
    tests: int
    green_before: int
    green_after: int
    equal: int
    unawaited: int
    left: int
    looked: int
    lines: int
    problems: tuple[str, ...]

    def row(self) -> list[str]:
        """Return the suite's line of the table."""
        return [
            f"{self.suite.name} {self.suite.version}", self.suite.style, f"{self.tests:,}",
            f"{self.green_before:,}", f"{self.green_after:,}", f"{self.equal:,}",
            str(self.unawaited), str(self.left), str(self.looked), f"{self.lines:,}",
        ]  # fmt: skip


HEADING = ["suite", "written on", "tests", "green before", "green after", "equal",
           "not awaited", "left alone", "to look at", "lines changed"]  # fmt: skip


def move(suite: Published, python: str, folder: Path) -> Moved:
    """Fetch *suite*, run it, rewrite it, run it again.

    Raises:
        MeasureError: If it can't be fetched, or has no green test to begin with.
    """
    progress(f"{suite.name} {suite.version}: fetching")
    before = fetch(suite, python, folder)
    after = folder / f"{suite.folder}-after"
    shutil.copytree(before, after)
    records = [folder / f"{suite.folder}-{word}.json" for word in ("before", "after")]
    progress(f"{suite.name} {suite.version}: running it as it is")
    _command(python, ["record", str(records[0]), *suite.run], before)
    _command(python, ["migrate", *suite.paths], after)
    findings = _command(python, ["migrate", *suite.paths], before, "--check").stdout.splitlines()
    again = _command(python, ["migrate", *suite.paths], after, "--check")
    if again.returncode:
        raise MeasureError(f"{suite.name}: a second run of the codemod would change something")
    progress(f"{suite.name} {suite.version}: running it on AsyncTestCase")
    _command(python, ["record", str(records[1]), *suite.run], after)
    return _compare(suite, records, findings, _changed_lines(before, after))


def fetch(suite: Published, python: str, folder: Path) -> Path:
    """Unpack the source distribution of *suite* below *folder*, and say where.

    Raises:
        MeasureError: If it can't be had.
    """
    target = folder / f"{suite.folder}-sdist"
    fetched = subprocess.run(
        [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--no-binary", ":all:", "--dest", str(target), f"{suite.name}=={suite.version}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # What its build backend lacks here matters to nobody: the file is there before it is asked.
    archives = list(target.glob("*.tar.gz"))
    if not archives:
        reason = (fetched.stderr.strip().splitlines() or ["nothing was downloaded"])[-1]
        raise MeasureError(f"{suite.name}=={suite.version} can't be fetched: {reason}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder / f"{suite.folder}-unpacked", filter="data")
    (source,) = (folder / f"{suite.folder}-unpacked").iterdir()
    before = folder / f"{suite.folder}-before"
    source.rename(before)
    return before


def _command(
    python: str, arguments: Sequence[str], folder: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    name, *rest = arguments
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTHON", "PYTEST_", "ASYNCTESTING_"))
    }
    argv = [python, "-m", "asynctesting", name, *more, *rest]
    # A file, not a pipe: a process that a test has left behind would keep a pipe open.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise MeasureError(f"{name} took longer than {LIMIT} seconds in {folder}") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return subprocess.CompletedProcess(argv, code, output.read(), "")


def _changed_lines(before: Path, after: Path) -> int:
    diff = subprocess.run(
        ["diff", "-r", "-U0", "-x", "__pycache__", str(before), str(after)],
        capture_output=True, text=True, check=False, errors="replace",
    ).stdout  # fmt: skip
    return sum(line.startswith("+") and not line.startswith("+++") for line in diff.splitlines())


def _compare(
    suite: Published, records: Sequence[Path], findings: Sequence[str], lines: int
) -> Moved:
    sys.path.insert(0, str(ROOT))
    from asynctesting.migrate.verify import compare, load

    for record in records:
        if not record.exists():
            raise MeasureError(f"{suite.name} was not run: there is no {record.name}")
    before, after = (load(str(record)) for record in records)
    found = compare(before, after)
    if not found.green_before:
        raise MeasureError(f"{suite.name} has no green test before it is rewritten")
    unawaited = sum(
        entry.outcome == "passed" and not entry.finished and entry.kind != "unknown"
        for entry in after
    )
    lost = sum("not there any more" in problem for problem in found.problems)
    return Moved(
        suite, len(before), found.green_before + lost, found.green_after, found.equal, unawaited,
        sum(": left alone " in line for line in findings),
        sum(": please look " in line for line in findings), lines, tuple(found.problems),
    )  # fmt: skip


def verdicts(moved: Sequence[Moved]) -> list[Verdict]:
    """Hold what was promised against all suites together."""
    before = sum(one.green_before for one in moved)
    after = sum(one.green_after for one in moved)
    unawaited = sum(one.unawaited for one in moved)
    return [
        Verdict(
            f"at least {PROMISED:.0%} of the green tests stay green", after >= PROMISED * before,
            f"{after:,} of {before:,}, {after / before:.1%}",
        ),
        Verdict("none passes without having run", unawaited == 0, f"{unawaited} of {after:,}"),
        Verdict(
            "at least six suites", None if len(moved) < len(SUITES) else len(moved) >= 6,
            str(len(moved)),
        ),
    ]  # fmt: skip


def environment(given: str | None, suites: Sequence[Published], folder: Path) -> str:
    """Return the interpreter that is *given*, or one of a new environment with what they need.

    Raises:
        MeasureError: If pip can't install it.
    """
    if given:
        return os.path.abspath(given)
    progress("making an environment")
    venv.create(folder / "environment", with_pip=True)
    python = str(folder / "environment" / "bin" / "python")
    needs = sorted({need for suite in suites for need in suite.needs} | {"pytest>=8"})
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*install, "--editable", f"{ROOT}[migrate]", *needs], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise MeasureError(f"pip failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return python


def main(argv: Sequence[str] | None = None) -> int:
    """Answer the question for the suites that the command line names."""
    parser = OneLineParser(description=QUESTION)
    names = sorted({suite.name for suite in SUITES})
    parser.add_argument("--suite", action="append", choices=names, help="only this one (repeat)")
    parser.add_argument("--python", help="an interpreter whose environment has everything")
    parser.add_argument("--keep", metavar="DIR", help="leave sources and records in this folder")
    parser.add_argument("--json", action="store_true", help="print figures for a program")
    options = parser.parse_args(argv)
    suites = [suite for suite in SUITES if not options.suite or suite.name in options.suite]
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)
    place = (
        nullcontext(os.path.abspath(options.keep))
        if options.keep
        else tempfile.TemporaryDirectory(prefix="asynctesting-bench-")
    )
    moved, failed = [], []
    with place as name:
        folder = Path(name)
        try:
            python = environment(options.python, suites, folder)
        except MeasureError as error:
            print(f"migrate_suites.py: {error}", file=sys.stderr)
            return 1
        for suite in suites:
            try:
                moved.append(move(suite, python, folder))
            except MeasureError as error:
                failed.append(str(error))
    progress("")
    if options.json:
        figures = [
            {**dict(zip(HEADING, one.row(), strict=True)), "problems": one.problems}
            for one in moved
        ]
        print(json.dumps({"suites": figures, "failed": failed}, indent=1))
    elif moved:
        print(QUESTION, machine(), "", sep="\n")
        print(table([HEADING, *(one.row() for one in moved)], words=2))
        for one in moved:
            for problem in one.problems:
                print(f"  {one.suite.name}: {problem}")
        print()
        print(*verdicts(moved), sep="\n")
    for reason in failed:
        print(f"migrate_suites.py: {reason}", file=sys.stderr)
    kept = moved and all(verdict.held is not False for verdict in verdicts(moved))
    return 0 if kept and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
