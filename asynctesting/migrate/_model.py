"""What the parts of the codemod tell each other: facts about files, decisions, findings.

Everything here is plain data that can be pickled, because files are read by a pool of processes
while the decisions, which span files, are taken in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

# Where the pages with the reasons stand, one page a rule and one heading a topic.
HOW_TO = "docs/migrate"


class Kind(Enum):
    """How a function runs when it is called."""

    SYNC = "sync"
    ASYNC = "async"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async generator"


class Sort(Enum):
    """What a person is asked to do with a finding."""

    LEFT = "left"  # not rewritten: a person decides
    LOOK = "look"  # rewritten, with a difference that a person should know


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place in a file that a person should look at.

    Attributes:
        line: The line in the file as it is on disk after the run.
        rule: The rule that speaks, which is also the name of its page.
        topic: The heading on that page.
        text: What is there and why it was not rewritten, in one sentence.
        sort: Whether it was left alone or rewritten with a difference.
        where: The dotted name of the function or class, by which the line is found again.
    """

    line: int
    rule: str
    topic: str
    text: str
    sort: Sort = field(default=Sort.LEFT, compare=False)
    where: str = field(default="", compare=False)

    @property
    def link(self) -> str:
        """The place in the how-to that explains this finding."""
        return f"{HOW_TO}/{self.rule}.md#{self.topic}"


@dataclass(frozen=True, slots=True)
class Method:
    """A function in a class or at the top of a module."""

    name: str
    line: int
    kind: Kind
    decorators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """A class as it is written, its bases by their full names where these are known.

    Attributes:
        loops: Attributes of ``self`` that its ``setUp`` fills with an event loop.
        runners: Methods that do nothing but run the one awaitable that they are given.
        runs: Whether there is anything in it that runs an event loop.
        calls: Functions that it calls by a bare name.
        loopers: Methods that run a loop among other things, other than its tests and hooks.
        stray: Hooks that it calls from elsewhere than their own override.
    """

    path: str
    qualname: str
    line: int
    bases: tuple[str, ...]
    methods: Mapping[str, Method]
    attributes: frozenset[str]
    loops: frozenset[str] = frozenset()
    runners: frozenset[str] = frozenset()
    runs: bool = False
    calls: frozenset[str] = frozenset()
    loopers: frozenset[str] = frozenset()
    stray: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str]:
        """The file and the dotted name within it."""
        return self.path, self.qualname


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """A file: what it imports and defines.

    Attributes:
        pytest_wide: Topic and text of what pytest gives to tests that don't ask for it.
        stars: Modules from which it imports everything.
        tests_used: Names of tests that it uses as methods or functions, as a caller would.
        awaited: Whether anything in it waits for the ``awaited`` of a mock.
        context_vars: Its context variables.
    """

    path: str
    name: str
    imports: Mapping[str, str]
    classes: Mapping[str, ClassFacts]
    functions: Mapping[str, Method]
    runners: frozenset[str]
    decorators: frozenset[str]
    lines: int
    error: str = ""
    pytest_wide: tuple[str, str] | None = None
    torn: frozenset[str] = frozenset()
    loopers: frozenset[str] = frozenset()
    stars: frozenset[str] = frozenset()
    tests_used: frozenset[str] = frozenset()
    awaited: bool = False
    context_vars: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Family:
    """A class in the tree of classes that it shares bases or children with.

    Attributes:
        roots: Full names of the classes outside the project that it derives from.
        unknown: Its bases, or those of its ancestors, that nobody could find.
        ancestors: The classes of the project that it derives from, nearest first.
        relatives: All classes that are connected with it, itself among them.
        kin_roots: What any of these derives from.
        kin_runs: Whether any of these runs an event loop.
        kin_unknown: Bases of any of these that nobody could find.
    """

    facts: ClassFacts
    roots: frozenset[str]
    unknown: frozenset[str]
    ancestors: tuple[ClassFacts, ...]
    descendants: tuple[ClassFacts, ...]
    relatives: frozenset[tuple[str, str]]
    kin_roots: frozenset[str]
    kin_runs: bool
    kin_unknown: frozenset[str] = frozenset()

    def strangers(self, known: frozenset[str]) -> list[str]:
        """Return bases in the whole tree that are not among the *known* ones."""
        return sorted(self.kin_unknown | (self.kin_roots - known))

    def lineage(self) -> tuple[ClassFacts, ...]:
        """Return the class with all that it derives from and all that derive from it."""
        return (self.facts, *self.ancestors, *self.descendants)

    @property
    def loops(self) -> frozenset[str]:
        """Attributes that hold an event loop anywhere in the lineage."""
        return frozenset().union(*(facts.loops for facts in self.lineage()))

    @property
    def loopers(self) -> frozenset[str]:
        """Methods anywhere in the lineage that run a loop among other things."""
        return frozenset().union(*(facts.loopers for facts in self.lineage()))

    @property
    def stray(self) -> frozenset[str]:
        """Hooks that anything in the lineage calls from elsewhere than their own override."""
        return frozenset().union(*(facts.stray for facts in self.lineage()))

    @property
    def runners(self) -> frozenset[str]:
        """Methods of the class or its ancestors that run the awaitable that they are given."""
        return frozenset().union(*(facts.runners for facts in (self.facts, *self.ancestors)))


@dataclass(slots=True)
class Survey:
    """What one rule sees in one file.

    Attributes:
        blocks: Reasons by class, each of which keeps the class and its relatives as they are.
        findings: What is left alone or should be looked at, without keeping a class.
        decisions: What to do, by the dotted name of a function or class (``""``: the module).
    """

    blocks: dict[str, list[Finding]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    decisions: dict[str, set[str]] = field(default_factory=dict)

    def block(self, qualname: str, finding: Finding) -> None:
        """Keep the class *qualname* as it is."""
        self.blocks.setdefault(qualname, []).append(finding)

    def decide(self, where: str, what: str) -> None:
        """Have *what* done at *where*."""
        self.decisions.setdefault(where, set()).add(what)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    path: str
    before: str
    after: str
    findings: tuple[Finding, ...] = ()
    error: str = ""

    @property
    def changed(self) -> bool:
        """Whether the file was, or would be, rewritten."""
        return self.before != self.after
