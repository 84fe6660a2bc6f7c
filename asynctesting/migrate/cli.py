"""``python -m asynctesting migrate``: the command line of the codemod.

Exit status: 0 where all is done, 1 where ``--check`` finds a file that would be rewritten or where
a file could not be read or written, 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from ._model import Sort
from ._output import print_lines

if TYPE_CHECKING:
    from ._model import Outcome

PROGRAM = "python -m asynctesting migrate"
NAMES = ("asynctest", "aiounittest", "tornado", "aiohttp", "pytest-asyncio", "loop")


def main(argv: Sequence[str]) -> int:
    """Rewrite the files that the command line names, and return the exit status."""
    arguments = _make_parser().parse_args(argv)
    rules = _rules_of(arguments.sources)
    try:
        from ._engine import Options, migrate, not_written, python_files
    except ModuleNotFoundError as error:
        if error.name not in ("libcst", "tqdm"):
            raise
        return _refuse(
            f"{error.name} is not installed; get it with: pip install 'asynctesting[migrate]'"
        )
    try:
        paths = list(python_files(arguments.paths))
    except FileNotFoundError as error:
        return _refuse(f"there is no file or directory {str(error)!r}")
    if not paths:
        return _refuse(f"there is no Python file in {' '.join(arguments.paths)}")
    try:
        outcomes = migrate(paths, Options(rules, arguments.bridge), progress=True)
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted; no file was rewritten", file=sys.stderr)
        return 130
    written = not (arguments.check or arguments.diff)
    if written:
        # First of all, because whoever reads what follows may stop to listen.
        outcomes = [_written(outcome) for outcome in outcomes]
    else:
        outcomes = [not_written(outcome) for outcome in outcomes]
    print_lines(line for outcome in outcomes for line in _said(outcome, diff=arguments.diff))
    print(_summary(outcomes, written=written), file=sys.stderr)
    has_work = arguments.check and any(outcome.changed for outcome in outcomes)
    return 1 if has_work or any(outcome.error for outcome in outcomes) else 0


def _make_parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog=PROGRAM, allow_abbrev=False,
        description="Rewrite the tests of another framework for AsyncTestCase. What can't be "
        "rewritten safely is left alone and listed.",
    )  # fmt: skip
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files and directories")
    parser.add_argument(
        "--from", dest="sources", metavar="NAMES",
        help=f"only these, with commas between them: {', '.join(NAMES)}",
    )  # fmt: skip
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if there is work"
    )
    parser.add_argument("--diff", action="store_true", help="write nothing; show what would change")
    parser.add_argument(
        "--bridge", action="store_true",
        help="take the smallest step only: get_async_result() in place of a home-made loop",
    )  # fmt: skip
    return parser


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.exit(_refuse(message))


def _refuse(message: str) -> int:
    first, *_ = message.splitlines()
    print(f"{PROGRAM}: {first} (see --help)", file=sys.stderr)
    return 2


def _rules_of(sources: str | None) -> tuple[str, ...]:
    if sources is None:
        return NAMES
    names = tuple(name.strip() for name in sources.split(","))
    for name in names:
        if name not in NAMES:
            sys.exit(_refuse(f"--from knows {', '.join(NAMES)}; got {name!r}"))
    return names


def _written(outcome: Outcome) -> Outcome:
    """Write what became of a file; where that can't be done, it is not changed and has an error."""
    from ._engine import write

    if not outcome.changed:
        return outcome
    try:
        write(outcome)
    except OSError as error:
        message = f"{outcome.path}:1: not written: {error.strerror or error}"
        return replace(outcome, after=outcome.before, findings=(), error=message)
    return outcome


def _said(outcome: Outcome, *, diff: bool) -> Iterator[str]:
    """Yield the lines that a person is to read about a file."""
    path = os.path.normpath(outcome.path)
    if outcome.error:
        yield outcome.error
    if diff and outcome.changed:
        lines = difflib.unified_diff(
            outcome.before.splitlines(keepends=True),
            outcome.after.splitlines(keepends=True),
            f"{path} (before)",
            f"{path} (after)",
        )
        for line in lines:
            yield line.removesuffix("\n")
            if not line.endswith("\n"):
                yield "\\ No newline at end of file"
    for finding in outcome.findings:
        word = "left alone" if finding.sort is Sort.LEFT else "please look"
        yield f"{path}:{finding.line}: {word} [{finding.rule}] {finding.text} ({finding.link})"


def _summary(outcomes: Sequence[Outcome], *, written: bool) -> str:
    changed = sum(outcome.changed for outcome in outcomes)
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    left = sum(finding.sort is Sort.LEFT for finding in findings)
    verb = "rewritten" if written else "to rewrite"
    parts = [
        f"{_count(changed, 'file')} {verb} of {len(outcomes)}",
        f"{_count(left, 'place')} left alone",
        f"{len(findings) - left} to look at",
    ]
    for word in ("read", "written"):
        number = sum(f": not {word}: " in outcome.error for outcome in outcomes)
        if number:
            parts.append(f"{_count(number, 'file')} not {word}")
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
