"""Who derives from whom: the classes of all given files, and the families that they form.

A class in one file may inherit from a case in another, so nothing about a class can be decided
within its own file. First every file is read for its facts, then the families are put together.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ._facts import HOOKS
from ._model import ClassFacts, Family, ModuleFacts

# Bases that say nothing about how a test runs.
_HARMLESS = frozenset({"object", "abc.ABC", "typing.Generic", "typing.Protocol"})

_FRAMEWORKS = (
    "unittest.", "asynctest.", "aiounittest.", "tornado.testing.", "aiohttp.test_utils.",
    "asynctesting.",
)  # fmt: skip


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
        self._conftests_with_more = [
            module for module in self.modules.values()
            if module.pytest_wide and Path(module.path).name == "conftest.py"
        ]  # fmt: skip
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
            if rest in module.classes or rest in module.functions or rest in module.context_vars:
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

    def exports(self) -> Mapping[str, frozenset[str]]:
        """Return, by file, the imported names of it that other files get from it."""
        found: dict[str, set[str]] = {path: set() for path in self.modules}
        for other in self.modules.values():
            for star in other.stars:
                module = self._module(star)
                if module is not None:
                    found[module.path].update(module.imports)
            bases = {base for facts in other.classes.values() for base in facts.bases}
            for full in {*other.imports.values(), *bases}:
                parts = full.split(".")
                for cut in range(1, len(parts)):
                    module = self._module(".".join(parts[:cut]))
                    if module is not None and parts[cut] in module.imports:
                        found[module.path].add(parts[cut])
        return {path: frozenset(names) for path, names in found.items()}

    @property
    def tests_used(self) -> frozenset[str]:
        """Names of tests that any file looks up, as a caller would."""
        return frozenset().union(*(module.tests_used for module in self.modules.values()))

    @property
    def mocks_with_awaited(self) -> bool:
        """Tell whether mocks of asynctest, or what has become of them, may be around."""
        return any(
            full.partition(".")[0] in ("asynctest", "asynctesting")
            for module in self.modules.values()
            for full in (*module.imports.values(), *module.torn)
        )

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
            whole, loopers = self.home_made("decorators"), self.home_made("loopers")
            wrapping = {path: names | loopers[path] for path, names in whole.items()}
            self._tools = self.home_made("runners"), wrapping
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

    def pytest_wide(self, module: ModuleFacts) -> tuple[str, str] | None:
        """Return topic and text of what pytest gives to the tests of a file without being asked."""
        if module.pytest_wide:
            return module.pytest_wide
        folders = {str(folder) for folder in Path(os.path.abspath(module.path)).parents}
        for other in self._conftests_with_more:
            if os.path.dirname(os.path.abspath(other.path)) in folders:
                return other.pytest_wide
        return None

    def home_made(self, what: str) -> Mapping[str, frozenset[str]]:
        """Return, by file, the local names of home-made tools that it defines or imports.

        Args:
            what: ``"runners"``, ``"decorators"``, ``"loopers"`` or ``"context_vars"``.
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
