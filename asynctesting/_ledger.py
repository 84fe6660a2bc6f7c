"""The ledger of known leaks: a committed file that only ever gets shorter.

A suite that is full of leaks can't turn the audit on at once. It writes down what it leaves behind
today; from then on a new leak fails, one that is gone has to be struck, and one that nobody has
mended until its date fails again. The file is read by people, so it is TOML.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ._kinds import KINDS, Finding
from .errors import SettingError

__unittest = True

_HEAD = """\
# What the tests of this project are known to leave behind. A leak that does not stand here fails
# its test; strike what is mended. Written by: python -m asynctesting --write-leaks
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One known leak.

    Attributes:
        test: The id of the test; ``*`` and ``?`` stand for others.
        kind: The kind of leak.
        name: What the thing is called, or a pattern for it.
        reason: Why it is still there.
        until: The last day on which it is tolerated; ``None`` for no such day.
        sometimes: Whether it may also be missing, because it depends on the order of things.
    """

    test: str
    kind: str
    name: str
    reason: str
    until: datetime.date | None = None
    sometimes: bool = False

    def covers(self, test: str, finding: Finding) -> bool:
        """Tell whether *finding* of *test* is this one."""
        return (
            finding.kind == self.kind
            and fnmatchcase(test, self.test)
            and fnmatchcase(finding.name, self.name)
        )

    def is_for(self, test: str) -> bool:
        """Tell whether this speaks of *test*."""
        return fnmatchcase(test, self.test)

    def __str__(self) -> str:
        return f"{self.test}: {self.kind} {self.name!r} ({self.reason})"


@dataclass
class Ledger:
    """The known leaks of a suite, and which of them have been seen in this run.

    Attributes:
        path: The file, be it there or not.
        entries: What stands in it.
        writing: Whether this run writes down what it finds, and so fails for none of it.
    """

    path: Path
    entries: list[Entry] = field(default_factory=list)
    writing: bool = False
    today: datetime.date = field(default_factory=datetime.date.today)

    def __post_init__(self) -> None:
        self.seen: dict[Entry, None] = {}
        self.new: dict[Entry, None] = {}
        self.clean: dict[str, None] = {}

    @classmethod
    def read(cls, path: str | Path, *, missing_ok: bool = False) -> Ledger:
        """Read the file at *path*.

        Raises:
            SettingError: If it is no TOML, or an entry can't be meant; the entry's number and its
                test are named. Also if it is not there and *missing_ok* is false.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            if missing_ok:
                return cls(path)
            raise SettingError(f"the ledger of known leaks, {str(path)!r}, is not there") from None
        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingError(f"{path}: {error}") from None
        strange = set(found) - {"leak"}
        if strange or not isinstance(found.get("leak", []), list):
            raise SettingError(f"{path}: a ledger has [[leak]] tables and nothing else")
        entries = [
            _parse(number, table, path) for number, table in enumerate(found.get("leak", []), 1)
        ]
        return cls(path, entries)

    # During the run -----------------------------------------------------------------------------

    def knows(self, test: str, finding: Finding, *, passed: bool = True) -> bool:
        """Tell whether *finding* is known and still tolerated; note that it was seen.

        Args:
            test: Whose it is, by its id.
            finding: What was found.
            passed: Whether the test has passed otherwise. What one leaves behind because it was
                cut short is nothing to write down.
        """
        for entry in self.entries:
            if entry.covers(test, finding):
                self.seen[entry] = None
                if self.writing or not self._is_over(entry):
                    return True
        if self.writing and passed:
            self.new[Entry(test, finding.kind, _as_pattern(finding.name), "to be mended")] = None
            return True
        return False

    def overdue(self, test: str, finding: Finding) -> Entry | None:
        """Return the entry that has tolerated *finding* for too long, if there is one."""
        for entry in self.entries:
            if entry.covers(test, finding) and self._is_over(entry):
                return entry
        return None

    def note_passed(self, test: str) -> None:
        """Note that *test* has run to its end, so that what it did not leave is gone."""
        if self.entries:
            self.clean[test] = None

    def _is_over(self, entry: Entry) -> bool:
        return entry.until is not None and entry.until < self.today

    # After the run ------------------------------------------------------------------------------

    def gone(self) -> list[Entry]:
        """Return the entries whose tests have passed without leaving what is written there.

        One for many tests counts only where none of those that ran has left it.
        """
        return [
            entry
            for entry in self.entries
            if not entry.sometimes
            and entry not in self.seen
            and any(entry.is_for(test) for test in self.clean)
        ]

    def complaint(self) -> str:
        """Say which entries have to be struck; nothing where none has."""
        gone = self.gone()
        if not gone:
            return ""
        listed = "\n".join(f"  {entry}" for entry in gone)
        return (
            f"{self.path} lists what is no longer left behind. Strike it, or run once with "
            f"--write-leaks:\n\n{listed}\n"
        )

    def write(self) -> int:
        """Write the file anew: what was there less what is gone, and what is new; tell how many."""
        gone = self.gone()
        entries = [entry for entry in self.entries if entry not in gone]
        entries += self.new
        if entries or self.path.exists():
            self.path.write_text(_HEAD + "".join(map(_as_toml, entries)), encoding="utf-8")
        return len(entries)


def _parse(number: int, table: Any, path: Path) -> Entry:
    where = f"{path}: leak {number}"
    if not isinstance(table, dict):
        raise SettingError(f"{where} is no table")
    where += f" ({table.get('test', 'without a test')})"
    for key in ("test", "kind", "name", "reason"):
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise SettingError(f"{where} needs a text for {key!r}")
    strange = set(table) - {"test", "kind", "name", "reason", "until", "sometimes"}
    if strange:
        raise SettingError(f"{where} has an unknown key: {', '.join(sorted(strange))}")
    if table["kind"] not in KINDS:
        raise SettingError(
            f"{where}: {table['kind']!r} is no kind of leak; there are {', '.join(sorted(KINDS))}"
        )
    until = table.get("until")
    if until is not None and type(until) is not datetime.date:
        raise SettingError(f"{where}: until must be a date, such as 2027-01-31; got {until!r}")
    sometimes = table.get("sometimes", False)
    if not isinstance(sometimes, bool):
        raise SettingError(f"{where}: sometimes must be true or false; got {sometimes!r}")
    return Entry(table["test"], table["kind"], table["name"], table["reason"], until, sometimes)


_TEMPORARY = re.compile(r"\btmp[a-z0-9_]{8}")


def _as_pattern(name: str) -> str:
    """Write the name of a thing so that it means the same thing in the next run.

    Numbers differ from run to run: ports, descriptors, the tasks that nobody has named. So does
    what ``tempfile`` makes up.
    """
    pattern = _TEMPORARY.sub("tmp*", name)
    pattern = "".join("*" if letter.isdigit() else letter for letter in pattern)
    pattern = pattern.replace("[", "?")
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    return pattern


def _as_toml(entry: Entry) -> str:
    lines = ["", "[[leak]]"]
    for key in ("test", "kind", "name", "reason"):
        lines.append(f"{key} = {_quote(getattr(entry, key))}")
    if entry.until is not None:
        lines.append(f"until = {entry.until.isoformat()}")
    if entry.sometimes:
        lines.append("sometimes = true")
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'
    )
