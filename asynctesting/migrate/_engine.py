"""From paths to outcomes: read every file, decide across files, rewrite each file.

Three passes. The first reads every file for its imports and classes. The second asks each rule
what it would have to leave alone; a class that stays keeps its relatives in other files, too. The
third rewrites. Passes run in a pool of processes where there is enough to do, and nothing is
written before the last one has ended.
"""

from __future__ import annotations

import ast
import errno
import io
import os
import signal
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Protocol, TypeVar

import libcst as cst
from tqdm import tqdm

from ._facts import package_of, read_module
from ._index import Project
from ._model import Family, Finding, Kind, ModuleFacts, Outcome, Sort
from ._names import functions_in, read_names
from ._rules import RULES
from ._survey import Rule, View

_T = TypeVar("_T")

_R = TypeVar("_R")


class _Map(Protocol):
    """Maps over files, wherever that is done."""

    def __call__(
        self, title: str, function: Callable[[_T], _R], items: Sequence[_T]
    ) -> Iterator[_R]: ...


tqdm.monitor_interval = 0  # no thread beside us: whoever runs us may count threads

# Below this many lines a pool of processes takes longer to start than it saves.
_LINES_FOR_A_POOL = 8_000
# How often rules may make work for each other; each round leaves fewer old names.
_ROUNDS = 6
_FRAMEWORKS = frozenset({"asynctest", "aiounittest", "pytest", "pytest_asyncio", "asynctesting"})
_STOCK = "unittest.IsolatedAsyncioTestCase"
_STARS = {
    "asynctest": "asynctest", "aiounittest": "aiounittest", "tornado.testing": "tornado",
    "aiohttp.test_utils": "aiohttp", "pytest_asyncio": "pytest-asyncio",
}  # fmt: skip
_SKIPPED = frozenset({"__pycache__", "node_modules", "venv", "env", "build", "dist"})


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    rules: tuple[str, ...]
    bridge: bool = False


@dataclass(frozen=True, slots=True)
class _Work:
    """All that one process has to know about one file."""

    facts: ModuleFacts
    families: Mapping[str, Family]
    runners: frozenset[str]
    decorators: frozenset[str]
    options: Options
    pytest_wide: tuple[str, str] | None
    loopers: frozenset[str]
    exported: frozenset[str]
    tests_used: frozenset[str]
    mocks_with_awaited: bool
    context_vars: frozenset[str]
    blocked: Mapping[str, Mapping[str, str]]
    text: str | None = None  # where it is not what stands on disk


def python_files(paths: Iterable[str]) -> Iterator[str]:
    """Yield the Python files at and below *paths*, each once, in order.

    Raises:
        FileNotFoundError: If a path does not exist.
    """
    seen = set()
    for path in paths:
        if not os.path.exists(path):
            raise FileNotFoundError(path)
        for file in [path] if os.path.isfile(path) else _below(path):
            if os.path.realpath(file) not in seen:
                seen.add(os.path.realpath(file))
                yield file


def _below(folder: str) -> Iterator[str]:
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name not in _SKIPPED and not name.startswith(".")
        )
        for name in sorted(files):
            path = os.path.join(where, name)
            # A pipe or the like would have us wait for it; a link to nowhere is worth a line.
            if name.endswith(".py") and (os.path.isfile(path) or not os.path.exists(path)):
                yield path


def migrate(paths: Sequence[str], options: Options, *, progress: bool = False) -> list[Outcome]:
    """Return what becomes of each file; nothing is written."""
    with _Pool(sum(_lines_of(path) for path in paths), progress) as pool:
        return _settled(paths, {}, options, pool.map)


def _settled(
    paths: Sequence[str], given: Mapping[str, str], options: Options, run: _Map
) -> list[Outcome]:
    """Rewrite until nothing changes any more, since one rule may make work for another.

    What is left alone is what the last round says, and so what a later run would say; what a
    person should look at is what was said when it was rewritten.
    """
    first: dict[str, Outcome] = {}
    texts = dict(given)
    looks: dict[str, set[Finding]] = {}
    modules: dict[str, ModuleFacts] = {}
    stale: Sequence[str] = paths
    for number in range(1, _ROUNDS + 1):
        title = f" ({number})" if number > 1 else ""
        items = [(path, texts.get(path)) for path in stale]
        modules.update(zip(stale, run(f"reading{title}", _read, items), strict=True))
        outcomes = _round([modules[path] for path in paths], texts, options, run, title)
        for path, outcome in outcomes.items():
            if outcome.error:
                first[path] = outcome
                looks[path] = set()
                continue
            old = first.get(path)
            before = outcome.before if old is None else old.before
            if old is not None and outcome.changed:
                mover = _Mover(outcome.before, outcome.after)
                looks[path] = {mover.moved(found) for found in looks[path]}
            said = looks.setdefault(path, set())
            said.update(found for found in outcome.findings if found.sort is Sort.LOOK)
            left = {found for found in outcome.findings if found.sort is Sort.LEFT}
            first[path] = replace(outcome, before=before, findings=tuple(sorted(left | said)))
        # Where nothing is said any more, nothing is left.
        for path in first.keys() - outcomes.keys():
            first[path] = replace(first[path], findings=tuple(sorted(looks[path])))
        stale = [path for path, outcome in outcomes.items() if outcome.changed]
        texts |= {path: outcomes[path].after for path in stale}
        if not stale:
            break
    errors = {path: module.error for path, module in modules.items() if module.error}
    return [
        Outcome(path, "", "", error=errors[path]) if path in errors
        else first.get(path) or Outcome(path, "", "")
        for path in paths
    ]  # fmt: skip


def _round(
    modules: Sequence[ModuleFacts],
    texts: Mapping[str, str],
    options: Options,
    run: _Map,
    title: str,
) -> dict[str, Outcome]:
    """Let each rule look at each file once."""
    readable = [module for module in modules if not module.error]
    project = Project(readable)
    works = [
        replace(work, text=texts.get(work.facts.path))
        for work in _works(project, readable, options)
        if _is_relevant(work)
    ]
    surveys = list(run(f"deciding{title}", _survey, works))
    # No rule has anything to do with a file that none has looked at.
    kept = [
        (work, found) for work, found in zip(works, surveys, strict=True)
        if found or any(map(_rule_of_star, work.facts.stars))
    ]  # fmt: skip
    works, surveys = [work for work, _ in kept], [found for _, found in kept]
    blocked = _blocked(project, works, surveys)
    works = [replace(work, blocked=blocked.get(work.facts.path, {})) for work in works]
    return {outcome.path: outcome for outcome in run(f"rewriting{title}", _rewrite, works)}


def _lines_of(path: str) -> int:
    try:
        return os.path.getsize(path) // 36
    except OSError:
        return 0


class _Pool:
    """Maps over files, in processes where there are many lines, and shows how far it is."""

    def __init__(self, lines: int, progress: bool) -> None:
        processes = os.cpu_count() or 1
        self._progress = progress
        self._executor: Executor | None = None
        if lines >= _LINES_FOR_A_POOL and processes > 1:
            # A fork would copy the threads of whoever imported us.
            self._executor = ProcessPoolExecutor(processes, mp_context=get_context("spawn"))

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def map(self, title: str, function: Callable[[_T], _R], items: Sequence[_T]) -> Iterator[_R]:
        """Yield ``function(item)`` for each of *items*, in their order."""
        if self._executor is None:
            results: Iterator[_R] = map(function, items)
        else:
            size = max(1, min(16, len(items) // 16))
            with _without_ctrl_c():
                results = self._executor.map(function, items, chunksize=size)
        yield from tqdm(
            results, title, total=len(items), unit=" files", leave=False,
            disable=None if self._progress else True,
        )  # fmt: skip


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Have the processes that are made meanwhile leave Ctrl-C to us, from their first moment."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# In the processes ------------------------------------------------------------------------------


def read_text(path: str) -> tuple[str, str, bool]:
    """Return the text of a file with its own line ends, its encoding, and if it has a BOM.

    Raises:
        SyntaxError: If the file declares an encoding that does not exist.
        UnicodeDecodeError: If it is not written in its encoding.
    """
    with open(path, "rb") as file:
        content = file.read()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    text = content.decode(encoding)
    return text, encoding, encoding == "utf-8-sig"


def _read(item: tuple[str, str | None]) -> ModuleFacts:
    path, text = item
    try:
        return read_module(path, read_text(path)[0] if text is None else text)
    except (SyntaxError, ValueError, OSError, RecursionError) as error:
        message = _not_read(path, error)
        return ModuleFacts(path, "", {}, {}, {}, frozenset(), frozenset(), 0, message)


def _not_read(path: str, error: Exception) -> str:
    if isinstance(error, cst.ParserSyntaxError):
        line, reason = error.raw_line, error.message
    elif isinstance(error, RecursionError):
        line, reason = 1, "its expressions are nested too deeply"
    else:
        line = getattr(error, "lineno", None) or 1
        words = getattr(error, "msg", None) or getattr(error, "strerror", None) or str(error)
        reason = words or type(error).__name__
    return f"{path}:{line}: not read: {reason.splitlines()[0]}"


def _works(project: Project, modules: Sequence[ModuleFacts], options: Options) -> list[_Work]:
    runners = project.home_made("runners")
    decorators = project.home_made("decorators")
    loopers = project.home_made("loopers")
    context_vars = project.home_made("context_vars")
    exports = project.exports()
    tests_used = project.tests_used
    mocks_with_awaited = project.mocks_with_awaited
    return [
        _Work(
            module,
            {name: project.family(facts) for name, facts in module.classes.items()},
            runners[module.path],
            decorators[module.path],
            options,
            project.pytest_wide(module),
            loopers[module.path],
            exports[module.path],
            tests_used,
            mocks_with_awaited,
            context_vars[module.path],
            {},
        )
        for module in modules
    ]


def _is_relevant(work: _Work) -> bool:
    """Tell whether any rule could have something to do with a file."""
    names = (*work.facts.imports.values(), *work.facts.torn)
    return (
        any(full.partition(".")[0] in _FRAMEWORKS or full == _STOCK for full in names)
        or bool(work.runners or work.decorators)
        or (work.facts.awaited and work.mocks_with_awaited)
        or any(map(_rule_of_star, work.facts.stars))
        or any(
            name.startswith("test") and function.kind is Kind.ASYNC
            for name, function in work.facts.functions.items()
        )
        or any(
            family.kin_runs or family.kin_roots - {"unittest.TestCase"}
            for family in work.families.values()
        )
    )


def _rule_of_star(module: str) -> str:
    """Return the rule whose names ``from module import *`` brings, or ``""``."""
    package = next((name for name in _STARS if f"{module}.".startswith(f"{name}.")), "")
    return _STARS.get(package, "")


def _star_imports(work: _Work, view: View) -> Iterator[Finding]:
    """Yield what no rule can see, because the names of it are not written down."""
    for node in ast.walk(view.tree) if work.facts.stars else ():
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and not node.level:
            rule = _rule_of_star(node.module or "")
            if rule in work.options.rules:
                text = f"what comes from {node.module} is not named, so nothing of it is rewritten"
                yield Finding(node.lineno, rule, "star-import", text, Sort.LEFT)


def _view(work: _Work, text: str) -> View:
    tree = ast.parse(text)
    return View(
        work.facts,
        tree,
        read_names(tree, package_of(work.facts.path, work.facts.name)),
        work.families,
        work.runners,
        work.decorators,
        work.options.bridge,
        work.pytest_wide,
        work.loopers,
        work.exported,
        work.tests_used,
        work.mocks_with_awaited,
        work.context_vars,
    )


def _rules(options: Options) -> list[Rule]:
    return [rule for rule in RULES if rule.name in options.rules]


def _survey(work: _Work) -> dict[str, dict[str, Finding]]:
    """Return, by rule and class, the first reason to leave the class alone."""
    try:
        return _blocks_in(work)
    except RecursionError:
        return {"": {}}  # which rewriting it finds, too, and then says


def _blocks_in(work: _Work) -> dict[str, dict[str, Finding]]:
    view = _view(work, _text_of(work))
    found: dict[str, dict[str, Finding]] = {}
    for rule in _rules(work.options):
        if not rule.concerns(view):
            continue
        found[rule.name] = {}
        if rule.bridges or not work.options.bridge:
            blocks = rule.survey(view).blocks
            found[rule.name] = {name: reasons[0] for name, reasons in blocks.items()}
    return found


def _blocked(
    project: Project,
    works: Sequence[_Work],
    surveys: Iterable[dict[str, dict[str, Finding]]],
) -> dict[str, dict[str, dict[str, str]]]:
    """Return, by file, rule and class, why the class stays as it is.

    The text is empty where the class itself has reasons, else it names the relative that has.
    """
    blocked: dict[str, dict[str, dict[str, str]]] = {}
    for work, found in zip(works, surveys, strict=True):
        path = work.facts.path
        for rule, blocks in found.items():
            for name, finding in blocks.items():
                outermost = name.partition(".")[0]
                blocked.setdefault(path, {}).setdefault(rule, {})[outermost] = ""
                family = work.families.get(name)
                relatives = family.relatives if family else frozenset()
                for other_path, other_name in sorted(relatives):
                    there = blocked.setdefault(other_path, {}).setdefault(rule, {})
                    there.setdefault(
                        other_name.partition(".")[0],
                        f"its relative {name} is left alone ({path}:{finding.line})",
                    )
    return blocked


def _text_of(work: _Work) -> str:
    return read_text(work.facts.path)[0] if work.text is None else work.text


def _rewrite(work: _Work) -> Outcome:
    try:
        return _rewritten(work)
    except (RecursionError, cst.ParserSyntaxError) as error:
        return Outcome(work.facts.path, "", "", error=_not_read(work.facts.path, error))


def _rewritten(work: _Work) -> Outcome:
    path = work.facts.path
    text = before = _text_of(work)
    findings: list[Finding] = []
    view = _view(work, text)
    findings += _star_imports(work, view)
    for rule in _rules(work.options):
        if not rule.concerns(view):
            continue
        if work.options.bridge and not rule.bridges:
            why = "--bridge has no smaller step for it than the native one; run without --bridge"
            findings.append(Finding(1, rule.name, "bridge", why))
            continue
        survey = rule.survey(view)
        stays = dict(work.blocked.get(rule.name, {}))
        found = list(survey.findings)
        for name, reasons in survey.blocks.items():
            found += reasons
            stays.setdefault(name.partition(".")[0], "")
        for name in _twice(view.tree) & {where.partition(".")[0] for where in survey.decisions}:
            stays.setdefault(name, "there are two classes of that name in the file")
        frozen = frozenset(stays)
        found = [
            finding
            for finding in found
            if finding.sort is Sort.LEFT or finding.where.partition(".")[0] not in frozen
        ]
        for name, why in stays.items():
            facts = work.facts.classes.get(name)
            if why and facts is not None and name not in survey.blocks:
                found.append(
                    Finding(_line_of(view.tree, name), rule.name, "relatives",
                            f"{name} stays: {why}", Sort.LEFT, name)
                )  # fmt: skip
        tree = cst.parse_module(text)
        after = rule.rewrite(view, survey, frozen, tree).code
        if after != text:
            mover = _Mover(text, after)
            findings = [mover.moved(finding) for finding in findings]
            found = [mover.moved(finding) for finding in found]
            text = after
            view = _view(work, text)
        findings += found
    unique = sorted(set(findings))
    return Outcome(path, before, text, tuple(unique))


def _twice(tree: ast.Module) -> set[str]:
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    return {name for name in names if names.count(name) > 1}


def _line_of(tree: ast.Module, name: str) -> int:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node.lineno
    return 1


class _Mover:
    """Finds the places of one text in another that has been made of it."""

    def __init__(self, before: str, after: str) -> None:
        self._old, self._new = before.splitlines(), after.splitlines()
        self._places = [
            {name: node.lineno for name, node in functions_in(ast.parse(text))}
            for text in (before, after)
        ]

    def moved(self, finding: Finding) -> Finding:
        """Return *finding* with the line where its code stands now."""
        text = ""
        if finding.line <= len(self._old):
            text = self._old[finding.line - 1].strip()
        guess = finding.line + self._shift(finding.where)
        same = [number for number, line in enumerate(self._new, 1) if line.strip() == text]
        if text and same:
            line = min(same, key=lambda number: abs(number - guess))
        else:
            line = max(1, min(guess, len(self._new)))
        return replace(finding, line=line)

    def _shift(self, where: str) -> int:
        """Return how many lines a function has moved down."""
        old, new = (places.get(where) for places in self._places)
        return len(self._new) - len(self._old) if old is None or new is None else new - old


def not_written(outcome: Outcome) -> Outcome:
    """Return *outcome* with its lines as they are in the file that was not rewritten."""
    if not outcome.changed:
        return outcome
    mover = _Mover(outcome.after, outcome.before)
    return replace(outcome, findings=tuple(sorted(map(mover.moved, outcome.findings))))


def write(outcome: Outcome) -> None:
    """Write what became of a file, in its own encoding, all at once."""
    _, encoding, _ = read_text(outcome.path)
    target = os.path.realpath(outcome.path)
    if not os.stat(target).st_mode & 0o222:
        # Another file could take its place all the same, which is not what its owner meant.
        raise PermissionError(errno.EACCES, "it is read-only", target)
    draft = f"{target}.migrating"
    try:
        with open(draft, "wb") as file:
            file.write(outcome.after.encode(encoding))
        os.chmod(draft, os.stat(target).st_mode & 0o7777)
        os.replace(draft, target)
    finally:
        with suppress(OSError):
            os.unlink(draft)  # where it has not become the file


def migrate_text(
    text: str, rules: Sequence[str], *, bridge: bool = False, path: str = "test_it.py"
) -> tuple[str, tuple[Finding, ...]]:
    """Rewrite one text as if it were the only file there is.

    Returns:
        The new text, and what a person should look at.
    """

    def run(title: str, function: Callable[[_T], _R], items: Sequence[_T]) -> Iterator[_R]:
        return map(function, items)

    (outcome,) = _settled([path], {path: text}, Options(tuple(rules), bridge), run)
    if outcome.error:
        raise SyntaxError(outcome.error)
    return outcome.after if outcome.before else text, outcome.findings
