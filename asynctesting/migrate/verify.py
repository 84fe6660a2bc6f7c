"""``python -m asynctesting verify BEFORE AFTER``: has the suite kept its meaning?

Compares two records: the tests that were executed, how each ended, and whether the body of each
test that passed really ran to its end. Exit status: 0 where all is as before, 1 where not, 2 where
a record can't be read.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import NoReturn

from ._output import print_lines
from .record import VERSION, Entry

PROGRAM = "python -m asynctesting verify"
_NO_WORD = re.compile(r"\W+")
#: What a test's body may be; of anything else it is not known whether it ran.
_BODIES = frozenset({"sync", "coroutine", "generator", "async generator"})
_GREEN = frozenset({"passed", "expected failure", "skipped"})


@dataclass(slots=True)
class Comparison:
    """What differs between two records.

    Attributes:
        problems: What must not be: lost tests, worse outcomes, tests that did not really run.
        notes: What is different and may be meant.
        compared: How many tests are in both.
        equal: How many of these ended as before.
        green_before: How many of these were green before.
        green_after: How many of those still are.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    compared: int = 0
    equal: int = 0
    green_before: int = 0
    green_after: int = 0


def compare(before: Sequence[Entry], after: Sequence[Entry]) -> Comparison:
    """Compare what two runs of a suite have recorded."""
    found = Comparison()
    old, new = _by_test(before), _by_test(after)
    moved = _moved(old, new)
    for key, entries in old.items():
        successor = new.get(moved.get(key, key))
        if successor is None:
            if any(entry.outcome != "skipped" for entry in entries):
                found.problems.append(f"{_title(entries)} ran before, and is not there any more")
            continue
        for one, other in _pairs(entries, successor):
            _compare_one(found, one, other)
        if any(entry.case for entry in successor) and len(successor) < len(entries):
            found.problems.append(
                f"{_title(entries)} had {len(entries)} cases before, and has {len(successor)} after"
            )
    if not found.compared and not found.problems:
        found.problems.append("no test is in both records, so nothing was compared")
    taken = set(moved.values()) | old.keys()
    found.notes += [f"{_title(new[key])} is new" for key in new if key not in taken]
    for word, record in (("before", before), ("after", after)):
        found.problems += [
            f"{_title([entry])} could not be loaded {word}, so its tests did not run"
            for entry in record if entry.kind == "not loaded"
        ]  # fmt: skip
    for entry in after:
        if entry.outcome == "passed" and not entry.finished and entry.kind in _BODIES:
            what = "was never awaited" if entry.kind != "sync" else "did not run to its end"
            found.problems.append(f"{_title([entry])} passed, but its {entry.kind} body {what}")
    return found


def _pairs(before: list[Entry], after: list[Entry]) -> Iterator[tuple[list[Entry], list[Entry]]]:
    """Yield what to compare: case by case where both have the same, else all of them at once."""
    old, new = ({_NO_WORD.sub("_", entry.case): entry for entry in one} for one in (before, after))
    if old.keys() == new.keys():
        for case, entry in old.items():
            yield [entry], [new[case]]
    else:
        yield before, after


def _compare_one(found: Comparison, before: list[Entry], after: list[Entry]) -> None:
    title = _title(after)
    found.compared += 1
    old, new = _outcome(before), _outcome(after)
    found.equal += old == new
    if old in _GREEN:
        found.green_before += 1
        found.green_after += new in _GREEN
    if old != new:
        line = f"{title}: {old} before, {new} after"
        is_worse = old in _GREEN and (new not in _GREEN or new == "skipped")
        (found.problems if is_worse else found.notes).append(line)
    if any(entry.outcome == "passed" and not entry.finished and entry.kind not in
           ("sync", "unknown") for entry in before):  # fmt: skip
        found.notes.append(f"{title} was never awaited before")
    counts = sum(entry.assertions for entry in before), sum(entry.assertions for entry in after)
    if old == new == "passed" and counts[1] < counts[0]:
        found.notes.append(f"{title} made {counts[0]} assertions before, {counts[1]} after")


def _by_test(entries: Iterable[Entry]) -> dict[tuple[str, str], list[Entry]]:
    """Group entries by test, with the cases of a parametrized one together."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.kind == "not loaded":
            continue
        found.setdefault((entry.file, entry.name), []).append(entry)
    return found


def _moved(
    old: dict[tuple[str, str], list[Entry]], new: dict[tuple[str, str], list[Entry]]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return where tests have gone that stand in another class of the same file now."""
    lost: dict[tuple[str, str], list[tuple[str, str]]] = {}
    come: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for mine, others, place in ((old, new, lost), (new, old, come)):
        for file, name in mine:
            if (file, name) not in others:
                place.setdefault((file, name.rpartition(".")[2]), []).append((file, name))
    return {
        keys[0]: come[short][0]
        for short, keys in lost.items()
        if len(keys) == 1 and len(come.get(short, ())) == 1
    }


def _outcome(entries: list[Entry]) -> str:
    outcomes = {entry.outcome for entry in entries}
    for word in ("error", "failed", "unexpected success", "passed"):
        if word in outcomes:
            return word
    return entries[0].outcome


def _title(entries: list[Entry]) -> str:
    entry = entries[0]
    case = f"[{entry.case}]" if entry.case and len(entries) == 1 else ""
    return f"{entry.file}::{entry.name}{case}" if entry.file else entry.name


def load(path: str) -> list[Entry]:
    """Read the record at *path*.

    Raises:
        ValueError: If it is no record, or one of another version.
        OSError: If it can't be read.
    """
    with open(path, encoding="utf-8") as file:
        try:
            record = json.load(file)
        except ValueError:
            raise ValueError(f"{path} is no record: it is not JSON") from None
    if not isinstance(record, dict) or record.get("version") != VERSION:
        raise ValueError(f"{path} is no record that this version can read")
    try:
        entries = [Entry(**test) for test in record["tests"]]
        kinds = {name: type(value) for name, value in asdict(Entry("", "")).items()}
        for entry in entries:
            if any(type(value) is not kinds[name] for name, value in asdict(entry).items()):
                raise TypeError(entry)
    except (KeyError, TypeError):
        raise ValueError(f"{path} is a damaged record; record the suite again") from None
    return entries


def main(argv: Sequence[str]) -> int:
    """Compare the two records that the command line names, and return the exit status."""
    parser = _OneLineParser(
        prog=PROGRAM, description="Compare two records of a suite, made by 'record'."
    )
    parser.add_argument("before", metavar="BEFORE", help="the record of the suite as it was")
    parser.add_argument("after", metavar="AFTER", help="the record of the suite as it is now")
    arguments = parser.parse_args(argv)
    try:
        found = compare(load(arguments.before), load(arguments.after))
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            return _refuse(f"{error.filename}: {error.strerror}")
        return _refuse(str(error))
    lines = [f"note: {line}" for line in found.notes]
    lines += [f"problem: {line}" for line in found.problems]
    lines.append(
        f"{_count(found.compared, 'test')} compared, {found.equal} with equal outcome, "
        f"{_count(len(found.problems), 'problem')}, {_count(len(found.notes), 'note')}"
    )
    print_lines(lines)
    return 1 if found.problems else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.exit(_refuse(message))


def _refuse(message: str) -> int:
    first, *_ = message.splitlines()
    print(f"{PROGRAM}: {first} (see --help)", file=sys.stderr)
    return 2
