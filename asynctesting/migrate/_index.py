"""Who derives from whom: the classes of all given files, and the families that they form.

A class in one file may inherit from a case in another, so nothing about a class can be decided
within its own file. First every file is read for its facts, then the families are put together.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ._model import ClassFacts, Family, Kind, Method, ModuleFacts
from ._names import FunctionNode, Names, classes_in, dotted, functions_in, read_names, walk_own

# Bases that say nothing about how a test runs.
_HARMLESS = frozenset({"object", "abc.ABC", "typing.Generic", "typing.Protocol"})

HOOKS = frozenset(
    {"setUp", "tearDown", "asyncSetUp", "asyncTearDown", "setUpClass", "tearDownClass"}
    | {"get_event_loop", "get_new_ioloop", "get_app", "get_application"}
    | {"setUpAsync", "tearDownAsync", "run"}
)

_FRAMEWORKS = (
    "unittest.", "asynctest.", "aiounittest.", "tornado.testing.", "aiohttp.test_utils.",
    "asynctesting.",
)  # fmt: skip

LOOP_MAKERS = frozenset(
    {"asyncio.new_event_loop", "asyncio.get_event_loop", "asyncio.get_event_loop_policy"}
)


def module_name(path: str) -> str:
    """Return the dotted name by which the file at *path* is most likely imported."""
    file = Path(os.path.abspath(path))
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").exists() and folder != folder.parent:
        parts.append(folder.name)
        folder = folder.parent
    return ".".join(reversed(parts)) or file.parent.name


def package_of(path: str, name: str) -> str:
    """Return the package in which relative imports of that file start."""
    return name if Path(path).stem == "__init__" else name.rpartition(".")[0]


def kind_of(node: FunctionNode) -> Kind:
    """Tell what a call of the function gives."""
    yields = any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in walk_own(node))
    if isinstance(node, ast.AsyncFunctionDef):
        return Kind.ASYNC_GENERATOR if yields else Kind.ASYNC
    return Kind.GENERATOR if yields else Kind.SYNC


def read_module(path: str, text: str) -> ModuleFacts:
    """Read one file for its facts.

    Raises:
        SyntaxError: If it is no Python that this interpreter can read.
        ValueError: If it has a null byte in it.
    """
    tree = ast.parse(text)
    name = module_name(path)
    names = read_names(tree, package_of(path, name))
    imports = dict(names.imports)
    functions = {}
    runners, decorators, loopers = set(), set(), set()
    for qualname, function in functions_in(tree):
        if "." in qualname:
            continue
        functions[qualname] = _read_method(function, names, ())
        if is_runner(function, names):
            runners.add(qualname)
        elif is_test_decorator(function, names):
            decorators.add(qualname)
        elif _runs_a_loop(function, names) and not qualname.startswith("test"):
            loopers.add(qualname)
    classes = {}
    for qualname, node in classes_in(tree):
        classes[qualname] = _read_class(path, qualname, node, names)
    return ModuleFacts(
        path, name, imports, classes, functions, frozenset(runners), frozenset(decorators),
        text.count("\n") + 1, autouse=_has_autouse(tree),
        loopers=frozenset(loopers),
        torn=frozenset(full for fulls in names.torn.values() for full in fulls.split(" or ")),
    )  # fmt: skip


def _has_autouse(tree: ast.Module) -> bool:
    """Tell whether a fixture of pytest's is used by tests that don't ask for it."""
    return any(
        isinstance(node, ast.keyword)
        and node.arg == "autouse"
        and not (isinstance(node.value, ast.Constant) and not node.value.value)
        for node in ast.walk(tree)
    )


def _read_class(path: str, qualname: str, node: ast.ClassDef, names: Names) -> ClassFacts:
    where = qualname.split(".")
    bases = []
    for base in node.bases:
        target: ast.AST = base.value if isinstance(base, ast.Subscript) else base
        written = dotted(target)
        bases.append(names.resolve(written, where[:-1]) or f"?{written or ast.unparse(base)}")
    methods = {}
    attributes = set()
    for statement in node.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            methods[statement.name] = _read_method(statement, names, where)
        elif isinstance(statement, ast.Assign):
            attributes |= {
                target.id for target in statement.targets if isinstance(target, ast.Name)
            }
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            attributes.add(statement.target.id)
    functions: list[FunctionNode] = []
    for item in node.body:
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions.append(item)
    loops = {
        loop for item in functions if item.name in ("setUp", "asyncSetUp")
        for loop in _loops_made(item, names)
    }  # fmt: skip
    return ClassFacts(
        path, qualname, node.lineno, tuple(bases), methods, frozenset(attributes),
        frozenset(loops),
        frozenset(item.name for item in functions if is_runner(item, names)),
        bool(loops) or _runs_a_loop(node, names),
        frozenset(
            inner.func.id
            for inner in ast.walk(node)
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)
        ),
        frozenset(
            item.name
            for item in functions
            if not item.name.startswith("test")
            and item.name not in HOOKS
            and _runs_a_loop(item, names)
            and not is_runner(item, names)
        ),
    )  # fmt: skip


def _loops_made(function: FunctionNode, names: Names) -> Iterator[str]:
    for statement in walk_own(function):
        if isinstance(statement, ast.Assign) and is_loop_expression(statement.value, names):
            for target in statement.targets:
                first, _, rest = dotted(target).partition(".")
                if first == "self" and rest and "." not in rest:
                    yield rest


def _runs_a_loop(node: ast.AST, names: Names) -> bool:
    return any(
        isinstance(inner, ast.Attribute)
        and (inner.attr == "run_until_complete" or names.resolve(dotted(inner)) == "asyncio.run")
        for inner in ast.walk(node)
    )


def _read_method(node: FunctionNode, names: Names, where: Iterable[str]) -> Method:
    decorators = []
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        written = dotted(target)
        decorators.append(names.resolve(written, tuple(where)) or f"?{written}")
    return Method(node.name, node.lineno, kind_of(node), tuple(decorators))


# Home-made tools -------------------------------------------------------------------------------


def is_loop_expression(node: ast.AST, names: Names, path: tuple[str, ...] = ()) -> bool:
    """Tell whether *node* makes or gets an event loop."""
    return isinstance(node, ast.Call) and (
        names.resolve(dotted(node.func), path) in LOOP_MAKERS and not node.args
    )


def is_runner(node: FunctionNode, names: Names) -> bool:
    """Tell whether a function does nothing but run the one awaitable that it is given."""
    parameters = [argument.arg for argument in node.args.args]
    if parameters[:1] in (["self"], ["cls"]):
        parameters = parameters[1:]
    if (
        not isinstance(node, ast.FunctionDef)
        or len(parameters) != 1
        or node.args.vararg
        or node.args.kwarg
        or node.args.kwonlyargs
        or node.decorator_list
    ):
        return False
    return _runs_and_nothing_else(node.body, names, lambda call: _is_name(call, parameters[0]))


def is_test_decorator(node: FunctionNode, names: Names) -> bool:
    """Tell whether a decorator does nothing but run the coroutine function that it is given."""
    if not isinstance(node, ast.FunctionDef) or len(node.args.args) != 1:
        return False
    function = node.args.args[0].arg
    body = _without_docstring(node.body)
    if len(body) != 2 or not isinstance(body[0], ast.FunctionDef):
        return False
    wrapper, end = body[0], body[1]
    if not (isinstance(end, ast.Return) and _is_name(end.value, wrapper.name)):
        return False
    if any(
        not isinstance(decorator, ast.Call)
        or names.resolve(dotted(decorator.func)) != "functools.wraps"
        for decorator in wrapper.decorator_list
    ):
        return False
    # coro = asyncio.coroutine(f)
    body = list(wrapper.body)
    callables = {function}
    calls: set[str] = set()
    rest = []
    for statement in body:
        target = _assigned(statement)
        value = statement.value if isinstance(statement, ast.Assign) else None
        if target and isinstance(value, ast.Call):
            name = names.resolve(dotted(value.func))
            if name == "asyncio.coroutine" and len(value.args) == 1:
                if _is_name(value.args[0], function):
                    callables.add(target)
                    continue
            elif isinstance(value.func, ast.Name) and value.func.id in callables:
                calls.add(target)
                continue
        rest.append(statement)

    def is_the_call(call: ast.AST | None) -> bool:
        if isinstance(call, ast.Name):
            return call.id in calls
        return (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id in callables
        )

    return _runs_and_nothing_else(rest, names, is_the_call)


def _runs_and_nothing_else(body: list[ast.stmt], names: Names, is_the_awaitable: object) -> bool:
    """Tell whether *body* makes or gets a loop, runs one awaitable on it, and tidies up."""
    loops: set[str] = set()
    ran = False
    pending = _without_docstring(body)
    while pending:
        statement, *pending = pending
        if isinstance(statement, ast.Try) and not statement.handlers and not statement.orelse:
            pending = [*statement.body, *statement.finalbody, *pending]
            continue
        target = _assigned(statement)
        value = getattr(statement, "value", None)
        if target and is_loop_expression(value, names):  # type: ignore[arg-type]
            loops.add(target)
        elif isinstance(value, ast.Call) and _is_run(value, names, loops):
            if len(value.args) != 1 or value.keywords or ran:
                return False
            if not is_the_awaitable(value.args[0]):  # type: ignore[operator]
                return False
            ran = True
        elif isinstance(statement, ast.Return) and (
            value is None or (isinstance(value, ast.Name) and ran)
        ):
            continue
        elif not (isinstance(statement, ast.Expr) and _is_housekeeping(value, names, loops)):
            return False
    return ran


def _is_run(call: ast.Call, names: Names, loops: set[str]) -> bool:
    if names.resolve(dotted(call.func)) == "asyncio.run":
        return True
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "run_until_complete"):
        return False
    owner = call.func.value
    return (
        is_loop_expression(owner, names)
        or (isinstance(owner, ast.Name) and owner.id in loops)
        or dotted(owner) in ("self.loop", "self._loop", "cls.loop")
    )


def _is_housekeeping(value: ast.AST | None, names: Names, loops: set[str]) -> bool:
    if not isinstance(value, ast.Call):
        return False
    if names.resolve(dotted(value.func)) == "asyncio.set_event_loop":
        return True
    return (
        isinstance(value.func, ast.Attribute)
        and isinstance(value.func.value, ast.Name)
        and value.func.value.id in loops
        and value.func.attr in ("close", "set_debug")
    )


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if is_docstring else list(body)


def _assigned(statement: ast.stmt) -> str:
    """Return the variable that ``name = ...`` sets, or ``""``."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            return target.id
    return ""


def _is_name(node: ast.AST | None, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


# Families --------------------------------------------------------------------------------------


class Project:
    """All files that were given, and what can be found in them by name."""

    def __init__(self, modules: Iterable[ModuleFacts]) -> None:
        self.modules = {module.path: module for module in modules}
        self._by_tail: dict[str, list[ModuleFacts]] = {}
        for module in self.modules.values():
            self._by_tail.setdefault(module.name.rpartition(".")[2], []).append(module)
        self._known_above: dict[
            tuple[str, str], tuple[set[str], set[str], dict[tuple[str, str], ClassFacts]]
        ] = {}
        self._tools: tuple[Mapping[str, frozenset[str]], Mapping[str, frozenset[str]]] | None = None
        self._known_relatives: dict[tuple[str, str], frozenset[tuple[str, str]]] = {}
        self._bases: dict[tuple[str, str], list[ClassFacts | str]] = {}
        self._children: dict[tuple[str, str], list[ClassFacts]] = {}
        for module in self.modules.values():
            for facts in module.classes.values():
                self._bases[facts.key] = bases = [
                    self._find_base(module, base) for base in facts.bases
                ]
                for base in bases:
                    if isinstance(base, ClassFacts):
                        self._children.setdefault(base.key, []).append(facts)

    def find(self, full: str, depth: int = 6) -> tuple[ModuleFacts, str] | None:
        """Return the file and the name within it that *full* means, or ``None``."""
        parts = full.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            module = self._module(".".join(parts[:cut]))
            if module is None:
                continue
            rest = ".".join(parts[cut:])
            if rest in module.classes or rest in module.functions:
                return module, rest
            first, _, more = rest.partition(".")
            onward = module.imports.get(first)
            if onward and depth:
                return self.find(f"{onward}.{more}" if more else onward, depth - 1)
        return None

    def _module(self, name: str) -> ModuleFacts | None:
        candidates = [
            module
            for module in self._by_tail.get(name.rpartition(".")[2], ())
            if module.name == name
            or module.name.endswith(f".{name}")
            or name.endswith(f".{module.name}")
        ]
        exact = [module for module in candidates if module.name == name]
        if len(exact or candidates) != 1:
            return None
        return (exact or candidates)[0]

    def _find_base(self, module: ModuleFacts, base: str) -> ClassFacts | str:
        if base.startswith("?"):
            return module.classes.get(base[1:], base)
        if base.startswith(_FRAMEWORKS):
            return base  # even where the framework itself is among the files
        found = self.find(base)
        if found is None or found[1] not in found[0].classes:
            return base
        return found[0].classes[found[1]]

    def family(self, facts: ClassFacts) -> Family:
        """Return *facts* with its place in the tree of classes."""
        roots, unknown, ancestors = self._above(facts)
        relatives = self._relatives(facts)
        kin_roots: set[str] = set()
        kin_unknown: set[str] = set()
        kin_runs = False
        for path, qualname in relatives:
            relative = self.modules[path].classes[qualname]
            above = self._above(relative)
            kin_roots |= above[0]
            kin_unknown |= above[1]
            kin_runs |= self.runs(relative)
        return Family(
            facts, frozenset(roots), frozenset(unknown), tuple(ancestors.values()),
            tuple(dict(self._below(facts)).values()), relatives, frozenset(kin_roots), kin_runs,
            frozenset(kin_unknown),
        )  # fmt: skip

    def runs(self, facts: ClassFacts) -> bool:
        """Tell whether a class runs a loop, itself or through a home-made tool."""
        if self._tools is None:
            self._tools = self.home_made("runners"), self.home_made("decorators")
        runners, decorators = (tools[facts.path] for tools in self._tools)
        imports = self.modules[facts.path].imports
        return (
            facts.runs
            or bool(facts.calls & runners)
            or any(
                name[1:] in decorators
                if name.startswith("?")
                else name in map(imports.get, decorators)
                for method in facts.methods.values()
                for name in method.decorators
            )
        )

    def _above(
        self, facts: ClassFacts
    ) -> tuple[set[str], set[str], dict[tuple[str, str], ClassFacts]]:
        """Return what *facts* derives from: outside, unknown, and in the project."""
        known = self._known_above.get(facts.key)
        if known is not None:
            return known
        roots: set[str] = set()
        unknown: set[str] = set()
        ancestors: dict[tuple[str, str], ClassFacts] = {}
        pending = [facts]
        while pending:
            current = pending.pop(0)
            for base in self._bases[current.key]:
                if isinstance(base, ClassFacts):
                    if base.key not in ancestors and base.key != facts.key:
                        ancestors[base.key] = base
                        pending.append(base)
                elif base.startswith("?"):
                    if base[1:] not in _HARMLESS:
                        unknown.add(base[1:])
                elif base not in _HARMLESS:
                    roots.add(base)
        self._known_above[facts.key] = roots, unknown, ancestors
        return roots, unknown, ancestors

    def _below(self, facts: ClassFacts) -> Iterator[tuple[tuple[str, str], ClassFacts]]:
        seen = set()
        pending = list(self._children.get(facts.key, ()))
        while pending:
            child = pending.pop()
            if child.key not in seen:
                seen.add(child.key)
                yield child.key, child
                pending += self._children.get(child.key, ())

    def _relatives(self, facts: ClassFacts) -> frozenset[tuple[str, str]]:
        known = self._known_relatives.get(facts.key)
        if known is not None:
            return known
        found = {facts.key}
        pending = [facts.key]
        while pending:
            key = pending.pop()
            if self._is_neutral(key) and key != facts.key:
                continue
            near = [base.key for base in self._bases[key] if isinstance(base, ClassFacts)]
            near += [child.key for child in self._children.get(key, ())]
            for other in near:
                if other not in found:
                    found.add(other)
                    pending.append(other)
        relatives = frozenset(found)
        if not self._is_neutral(facts.key):
            for key in relatives:
                if not self._is_neutral(key):
                    self._known_relatives[key] = relatives
        return relatives

    def _is_neutral(self, key: tuple[str, str]) -> bool:
        """Tell whether a class is a mixin without hooks, which ties nobody to anybody."""
        facts = self.modules[key[0]].classes[key[1]]
        roots, unknown, _ = self._above(facts)
        return not roots and not unknown and not (HOOKS & facts.methods.keys())

    def autouse(self, module: ModuleFacts) -> bool:
        """Tell whether pytest uses a fixture for the tests of a file without being asked."""
        if module.autouse:
            return True
        folders = {str(folder) for folder in Path(os.path.abspath(module.path)).parents}
        return any(
            other.autouse
            and Path(other.path).name == "conftest.py"
            and os.path.dirname(os.path.abspath(other.path)) in folders
            for other in self.modules.values()
        )

    def home_made(self, what: str) -> Mapping[str, frozenset[str]]:
        """Return, by file, the local names of home-made tools that it defines or imports.

        Args:
            what: ``"runners"``, ``"decorators"`` or ``"loopers"``.
        """
        found: dict[str, frozenset[str]] = {}
        for module in self.modules.values():
            own = {name for name in getattr(module, what) if "." not in name}
            for local, full in module.imports.items():
                target = self.find(full)
                if target is not None and target[1] in getattr(target[0], what):
                    own.add(local)
            found[module.path] = frozenset(own)
        return found
