"""What a test can leave behind: the kinds, how serious each is, and who may say otherwise.

A finding is of one kind, and each kind has a level of its own: ``"error"`` for what is a bug for
certain, ``"warn"`` for what may be one, ``"off"`` for what is looked for on request only.
Invariant: a policy is made once for a test, from the table and from what the test, its class and
the run say, and is never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from .errors import SettingError

__unittest = True

LEVELS = ("error", "warn", "off")
#: What a single word for all kinds may be: a level, or the table's own levels.
WORDS = ("default", *LEVELS)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of findings.

    Attributes:
        name: What settings and ``@allow_leaks`` call it.
        level: Its level where nobody says anything.
        what: What it is, for a person.
    """

    name: str
    level: str
    what: str


KINDS = {
    kind.name: kind
    for kind in (
        # The loop's own: it is asked while it is wound down.
        Kind("tasks", "error", "tasks that are still pending"),
        Kind("exceptions", "error", "exceptions of tasks and futures that nobody has looked at"),
        Kind("gather", "warn", "further exceptions behind the one that gather() has raised"),
        Kind("callbacks", "error", "errors that are only told to the loop's exception handler"),
        Kind("generators", "warn", "async generators that were begun and not ended"),
        Kind("timers", "warn", "timers that are still set"),
        Kind("readers", "warn", "files that the loop still watches"),
        Kind("jobs", "warn", "executor jobs that are not done"),
        Kind("blocking", "off", "lines that have blocked the loop"),
        Kind("clock", "error", "a patch of time.monotonic() that has failed inside of the loop"),
        # Resources: seen as they are lost, or still held at the end.
        Kind("coroutines", "error", "coroutines that nobody has awaited"),
        Kind("servers", "error", "servers that still listen"),
        Kind("sessions", "error", "client sessions that are not closed"),
        Kind("transports", "error", "connections and streams that are open"),
        Kind("sockets", "error", "sockets that are open"),
        Kind("loops", "error", "event loops that are not closed, and changes of the loop policy"),
        Kind("processes", "error", "subprocesses that run"),
        Kind("resources", "warn", "anything else that gives a ResourceWarning"),
        # The process's own: compared with what was there before the test.
        Kind("threads", "warn", "threads that run, and pools of them"),
        Kind("files", "warn", "files and other descriptors that are open"),
        Kind("signals", "warn", "signal handlers that were changed"),
        Kind("unraisable", "error", "exceptions in destructors and the like, which nobody can get"),
        Kind("thread_exceptions", "error", "exceptions that have ended a thread"),
        # On request: many a sound suite changes these.
        Kind("environ", "off", "changed environment variables"),
        Kind("modules", "off", "modules that were imported, replaced or removed"),
        Kind("logging", "off", "changed levels and handlers of loggers"),
    )
}


def check_levels(value: object, source: str) -> Mapping[str, str]:
    """Return *value* as a level for each kind that it speaks of.

    Args:
        value: A word for all kinds, or a mapping of kinds to levels.
        source: Where it comes from, for the message.

    Raises:
        SettingError: For a kind that does not exist, or a level that is none.

    Example:
        >>> check_levels({"tasks": "warn"}, "leaks")
        {'tasks': 'warn'}
    """
    if isinstance(value, str) and value in WORDS:
        return _LEVELS_OF_WORD[value]
    if not isinstance(value, Mapping):
        raise SettingError(
            f"{source} must be 'default', 'error', 'warn' or 'off', or one of these for each kind "
            f"of leak, as in {{'tasks': 'warn'}}; got {value!r}"
        )
    for name, level in value.items():
        check_kind(name, source)
        if level not in WORDS:
            raise SettingError(
                f"{source}[{name!r}] must be 'default', 'error', 'warn' or 'off'; got {level!r}"
            )
    return {
        name: KINDS[name].level if level == "default" else level for name, level in value.items()
    }


def parse_levels(text: str, source: str) -> Mapping[str, str]:
    """Read levels from text: one word, or ``tasks=warn,timers=off``.

    Raises:
        SettingError: As :func:`check_levels`.

    Example:
        >>> parse_levels("warn,tasks=error", "--leaks")["tasks"]
        'error'
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, level = (word.strip() for word in part.partition("="))
        found |= check_levels({name: level} if equals else name, source)
    return found


def check_kind(name: object, source: str) -> None:
    """Refuse the name of a kind that does not exist.

    Raises:
        SettingError: With the names that there are.
    """
    if name not in KINDS:
        raise SettingError(
            f"{source}: {name!r} is no kind of leak; there are {', '.join(sorted(KINDS))}"
        )


# A word for all kinds says nothing of those that are looked for on request only: otherwise a suite
# at "error" would break with each release that learns to look for something.
_LEVELS_OF_WORD: dict[str, Mapping[str, str]] = {
    word: {
        kind.name: kind.level if word == "default" or kind.level == "off" else word
        for kind in KINDS.values()
    }
    for word in WORDS
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a test has left behind or hidden.

    Attributes:
        kind: Which kind it is, by name.
        name: What the thing is called; ``@allow_leaks`` compares its patterns with it.
        text: What it is, where it is, and where it was made.
        cause: The exception that was hidden, if that is what it is.
        level: How serious it is where nobody says anything, if not as its kind.
    """

    kind: str
    name: str
    text: str
    cause: BaseException | None = field(default=None, compare=False)
    level: str | None = None


class Policy:
    """What each kind means to a test, and what is allowed there.

    Args:
        levels: Levels that somebody has set; the table's for the others.
        allowed: Patterns of names that are allowed, by kind.
    """

    __slots__ = ("allowed", "levels")

    def __init__(
        self, levels: Mapping[str, str], allowed: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        self.levels = levels
        self.allowed = allowed or {}

    def __repr__(self) -> str:
        return f"<Policy {dict(self.levels)} allowed={dict(self.allowed)}>"

    @property
    def is_off(self) -> bool:
        """Whether nothing at all is looked for."""
        return all(self.level(kind) == "off" for kind in KINDS)

    def level(self, kind: str) -> str:
        """Return the level of a kind."""
        return self.levels.get(kind) or KINDS[kind].level

    def judge(self, finding: Finding) -> str:
        """Return what *finding* is here: ``"error"``, ``"warn"`` or ``"off"``."""
        level = self.levels.get(finding.kind) or finding.level or KINDS[finding.kind].level
        if level != "off" and self.allows(finding):
            return "off"
        return level

    def allows(self, finding: Finding) -> bool:
        """Tell whether a pattern covers *finding*."""
        return any(
            fnmatchcase(finding.name, pattern) for pattern in self.allowed.get(finding.kind, ())
        )


DEFAULT = Policy({})


def merge(
    levels: Iterable[Mapping[str, str]], allowed: Iterable[Mapping[str, tuple[str, ...]]] = ()
) -> Policy:
    """Return the policy of several speakers, the one with the last word at the end."""
    said: dict[str, str] = {}
    for more in levels:
        said |= more
    patterns: dict[str, tuple[str, ...]] = {}
    for found in allowed:
        for kind, names in found.items():
            patterns[kind] = (*patterns.get(kind, ()), *names)
    return Policy(said, patterns) if said or patterns else DEFAULT


def check_allowed(patterns: Mapping[str, Any], source: str) -> dict[str, tuple[str, ...]]:
    """Return what ``@allow_leaks`` was given, as patterns by kind.

    Raises:
        SettingError: For a kind that does not exist, or a pattern that is no text.
    """
    found: dict[str, tuple[str, ...]] = {}
    for kind, given in patterns.items():
        check_kind(kind, source)
        names = ("*",) if given is True else (given,) if isinstance(given, str) else given
        if (
            not isinstance(names, (tuple, list))
            or not names
            or not all(isinstance(name, str) and name for name in names)
        ):
            raise SettingError(
                f"{source}: {kind} takes a name, a pattern such as 'poll-*', a tuple of these, or "
                f"True for all; got {given!r}"
            )
        found[kind] = tuple(names)
    return found
