"""What every rule needs to look at a file: a view of it, and a visitor that knows where it is."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import libcst as cst

from ._model import ClassFacts, Family, Finding, Kind, ModuleFacts, Sort, Survey
from ._names import Names, dotted

# Class attributes that are settings of AsyncTestCase, so a class that uses the name for anything
# else would change its meaning.
OUR_SETTINGS = frozenset(
    {"allowed_leaks", "leaks", "loop_debug", "loop_factory", "loop_scope", "timeout"}
)


# What a class that has not been a stock async case may have under a name of its own.
_ASYNC_API = frozenset(
    {"asyncSetUp", "asyncTearDown", "addAsyncCleanup", "enterAsyncContext"}
    | {"_callSetUp", "_callTestMethod", "_callTearDown", "_callCleanup"}
)


@dataclass(slots=True)
class View:
    """One file, as a rule sees it.

    Attributes:
        runners: Its names for home-made functions that run one awaitable.
        decorators: Its names for home-made decorators that run a coroutine test.
        loopers: Its names for functions that run a loop among other things.
        bridge: Whether the smallest step is asked for.
        pytest_wide: Topic and text of what pytest gives to tests that don't ask for it.
        exported: Its imported names that other files get from it.
        tests_used: Names of tests that any file looks up, as a caller would.
        mocks_with_awaited: Whether any file has mocks of asynctest, or had them before.
        context_vars: Its names for context variables of the project.
    """

    facts: ModuleFacts
    tree: ast.Module
    names: Names
    families: Mapping[str, Family]
    runners: frozenset[str]
    decorators: frozenset[str]
    bridge: bool = False
    pytest_wide: tuple[str, str] | None = None
    loopers: frozenset[str] = frozenset()
    exported: frozenset[str] = frozenset()
    tests_used: frozenset[str] = frozenset()
    mocks_with_awaited: bool = False
    context_vars: frozenset[str] = frozenset()

    def family(self, qualname: str) -> Family | None:
        """Return the family of the class *qualname*."""
        return self.families.get(qualname)


class Rule(Protocol):
    """Moves the tests of one framework; knows nothing of files or of other rules."""

    name: ClassVar[str]

    #: Whether it has a smaller step than the native one.
    bridges: ClassVar[bool]

    def concerns(self, view: View) -> bool:
        """Tell whether there is anything for this rule in the file."""
        ...

    def survey(self, view: View) -> Survey:
        """Say what there is to do, and what has to stay as it is."""
        ...

    def rewrite(
        self, view: View, survey: Survey, frozen: frozenset[str], tree: cst.Module
    ) -> cst.Module:
        """Return *tree* with everything done that *survey* has decided.

        Args:
            view: The file.
            survey: What :meth:`survey` has said of it.
            frozen: The classes that stay as they are, for a reason in this or another file.
            tree: The file to rewrite.
        """
        ...


class Scoped(ast.NodeVisitor):
    """A visitor that knows in which class and function it is."""

    def __init__(self, view: View, rule: str) -> None:
        self.view = view
        self.rule = rule
        self.found = Survey()
        self.path: list[str] = []
        self.classes: list[str] = []
        self.functions: list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]] = []

    @property
    def where(self) -> str:
        """The dotted name of the class or function around the current node."""
        return ".".join(self.path)

    @property
    def in_class(self) -> str:
        """The outermost class around the current node, or ``""``."""
        return self.classes[0] if self.classes else ""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.path.append(node.name)
        self.classes.append(self.where)
        self.enter_class(node)
        self.generic_visit(node)
        self.classes.pop()
        self.path.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._visit_function(node)

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        # Decorators and defaults are outside of the function, whose variables mean nothing there.
        for outside in (*node.decorator_list, node.args):
            self.visit(outside)
        self.path.append(node.name)
        self.functions.append((self.where, node))
        self.enter_function(node)
        for statement in node.body:
            self.visit(statement)
        self.functions.pop()
        self.path.pop()

    def enter_class(self, node: ast.ClassDef) -> None:
        """Look at a class; ``self.where`` is its dotted name."""

    def enter_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Look at a function; ``self.where`` is its dotted name."""

    def resolve(self, node: ast.AST) -> str:
        """Return the full name that *node* means here, or ``""``."""
        written = dotted(node)
        return self.view.names.resolve(written, self.path) if written else ""

    def resolve_outside(self, node: ast.AST) -> str:
        """Return the full name of *node* in a decorator of the current function or class."""
        written = dotted(node.func if isinstance(node, ast.Call) else node)
        return self.view.names.resolve(written, self.path[:-1]) if written else ""

    def left(self, node: ast.AST, topic: str, text: str) -> Finding:
        """Make a finding about something that is not rewritten."""
        return Finding(getattr(node, "lineno", 1), self.rule, topic, text, Sort.LEFT, self.where)

    def look(self, node: ast.AST, topic: str, text: str) -> None:
        """Note a difference in something that is rewritten."""
        line = getattr(node, "lineno", 1)
        self.found.findings.append(
            Finding(line, self.rule, topic, text, Sort.LOOK, self.where)
        )  # fmt: skip

    def block(self, node: ast.AST, topic: str, text: str) -> None:
        """Keep the class around *node* as it is, or the function, or else the whole file."""
        finding = self.left(node, topic, text)
        if self.in_class:
            self.found.block(self.in_class, finding)
            return
        self.found.findings.append(finding)
        self.found.decide(self.functions[0][0] if self.functions else "", "frozen")
        if not self.functions:
            # What stands outside of both may be used by all of them.
            for name in self.view.families:
                if "." not in name:
                    self.found.block(name, finding)


def hook_trouble(
    family: Family, own: frozenset[str], is_async: Mapping[str, bool] | None = None
) -> str:
    """Say why the hooks of a class and its relatives can't be renamed, or ``""``.

    Args:
        family: The class.
        own: Full names of the cases under which a renamed hook is called.
        is_async: For the class itself: which hooks would become async.
    """
    for hook in ("setUp", "tearDown"):
        kinds: dict[bool, ClassFacts] = {}
        for facts in family.lineage():
            method = facts.methods.get(hook)
            if method is not None:
                runs = method.kind is not Kind.SYNC or "asyncio.coroutine" in method.decorators
                if is_async and facts is family.facts:
                    runs = runs or is_async.get(hook, False)
                kinds[runs] = facts
        if len(kinds) == 2:
            return (
                f"{hook} is async in {kinds[True].qualname} and sync in {kinds[False].qualname}, "
                "which would become two hooks that both run"
            )
        strangers = family.strangers(own)
        if kinds.get(True) is not None and strangers:
            return (
                f"{hook} is async, and what the base {strangers[0]} makes of it can't be seen "
                "from here"
            )
    return ""


def settings_trouble(facts: ClassFacts, *, foreign: bool = False) -> str:
    """Say which attribute of a class would mean something to AsyncTestCase, or ``""``.

    Args:
        facts: The class.
        foreign: Whether its case has not had the hooks of the stock async case so far.
    """
    names = OUR_SETTINGS | _ASYNC_API if foreign else OUR_SETTINGS
    taken = sorted(names & (facts.attributes | facts.methods.keys()))
    if not taken:
        return ""
    return f"its attribute {taken[0]!r} has a meaning of its own on AsyncTestCase; rename it first"


def never_ran(facts: ClassFacts) -> str:
    """Say which method of a class never ran, so that AsyncTestCase would refuse it, or ``""``."""
    for method in facts.methods.values():
        is_hook = method.name in ("setUp", "tearDown", "setUpClass", "tearDownClass")
        if is_hook and method.kind is not Kind.SYNC:
            return f"{method.name} is a coroutine or generator function, which unittest never ran"
        is_run = method.name.startswith(("test", "asyncSetUp", "asyncTearDown"))
        if is_run and (
            method.kind is Kind.ASYNC_GENERATOR
            or (method.kind is Kind.GENERATOR and not method.decorators)
        ):
            return f"{method.name} has a 'yield' in it, so nothing of it ever ran"
    return ""
