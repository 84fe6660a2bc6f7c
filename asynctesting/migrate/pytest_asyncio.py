"""pytest-asyncio: marked functions become methods of a case, fixtures what a test enters.

A fixture of a test becomes a function of the same body, which the test enters at its beginning,
so it is made anew for each test and closed after it, as before; one of a wider scope becomes an
``async_fixture``. All that needs pytest itself (conftest fixtures, ids, ``monkeypatch``) stays as
it is, and so does every test that asks for it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, cast

import libcst as cst

from ._edit import Rewriter, rewritten
from ._model import Kind, Survey
from ._pytest_facts import (
    ASYNCIO,
    FIXTURES,
    PARAMETRIZE,
    SCOPES,
    SET_UP,
    SKIPS,
    File,
    Fixture,
    PytestReader,
    Test,
    mark_scope,
    parameter_names,
    taken_names,
)
from ._survey import Scoped, View
from ._tree import dotted, is_docstring, tidied


class PytestAsyncio:
    """The rule for pytest-asyncio."""

    name: ClassVar[str] = "pytest-asyncio"
    bridges: ClassVar[bool] = False

    def concerns(self, view: View) -> bool:
        """Tell whether the file marks tests for asyncio or has its fixtures."""
        imported = {full.partition(".")[0] for full in view.names.imports.values()}
        return (
            "pytest_asyncio" in imported
            or ("pytest" in imported and any(_is_mark(node, view) for node in ast.walk(view.tree)))
            # In auto mode nothing else tells of them.
            or any(
                isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test")
                for node in view.tree.body
            )
        )

    def survey(self, view: View) -> Survey:
        """Say what there is to do, and what has to stay as it is."""
        return _Surveyor(view, self.name).survey()

    def rewrite(
        self, view: View, survey: Survey, frozen: frozenset[str], tree: cst.Module
    ) -> cst.Module:
        """Rewrite what is not frozen."""
        return rewritten(tree, lambda: _Rewriter(view, survey, frozen), view.exported)


def _is_mark(node: ast.AST, view: View) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr != "asyncio":
        return False
    return PytestReader(view).meaning(node) == ASYNCIO


class _Surveyor(Scoped):
    """Reads a file and decides, in the terms of :class:`File`."""

    def survey(self) -> Survey:
        """Return what there is to do."""
        reader = PytestReader(self.view)
        file = reader.read()
        if file.trouble is not None:
            node, topic, text = file.trouble
            self.found.findings.append(self.left(node, topic, text))
            return self.found
        if self.view.pytest_wide is not None:
            self.found.findings.append(self.left(self.view.tree, *self.view.pytest_wide))
            return self.found
        left = [test for test in file.tests.values() if test.trouble is not None]
        classes = self._classes(reader, file)
        asynchronous = [test for test in file.tests.values() if test.is_async]
        if file.mark is not None and (
            any(test.is_async for test in left) or any(trouble for _, trouble in classes)
        ):
            # The mark of the module is needed by what stays, and wrong for what goes.
            for test in asynchronous:
                test.trouble = test.trouble or (
                    test.node, "marks", "other tests of the file need its pytestmark"
                )  # fmt: skip
            classes = [(node, trouble or [(node, "marks", "")]) for node, trouble in classes]
            left = [test for test in file.tests.values() if test.trouble is not None]
        for test in left:
            if test.is_async and test.trouble is not None:
                node, topic, text = test.trouble
                self.path = [test.node.name]
                message = f"{test.node.name} stays: {text}"
                self.found.findings.append(self.left(node, topic, message))
                self.path = []
        self._decide_classes(classes)
        self._decide_functions(file)
        if file.mark is not None and not self.found.findings:
            self.found.decide("", "drop-mark")
        return self.found

    # Classes -------------------------------------------------------------------------------

    def _classes(
        self, reader: PytestReader, file: File
    ) -> list[tuple[ast.ClassDef, list[tuple[ast.AST, str, str]]]]:
        found = []
        for node in self.view.tree.body:
            if not (isinstance(node, ast.ClassDef) and node.name.startswith("Test")):
                continue
            family = self.view.family(node.name)
            if family is None or family.kin_roots:
                continue
            marks = [item for item in node.decorator_list if reader.meaning(item) == ASYNCIO]
            marked = bool(marks)
            tests = list(reader.methods(node, file))
            for test in tests:
                if test.trouble is not None and test.trouble[2].startswith("it has no asyncio"):
                    test.trouble = None if marked else test.trouble
            if not any(test.is_async for test in tests):
                continue
            scopes = {
                mark_scope(marks[0]) if marks and test.loop_scope == "function" else test.loop_scope
                for test in tests if test.is_async
            }  # fmt: skip
            trouble = list(self._class_trouble(reader, node, tests))
            if len(scopes) > 1:
                trouble.append((node, "loop-scope", "its tests run on loops of several scopes"))
            elif scopes and scopes != {"function"}:
                self.found.decide(node.name, f"scope:{scopes.pop()}")
            found.append((node, trouble))
        return found

    def _class_trouble(
        self, reader: PytestReader, node: ast.ClassDef, tests: list[Test]
    ) -> Iterator[tuple[ast.AST, str, str]]:
        family = self.view.families[node.name]
        if family.unknown or len(family.lineage()) > 1 or node.keywords:
            yield node, "inheritance", "it has bases or subclasses"
        names: set[str] = set()
        for item in node.body:
            if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
                names.add(item.name)
                if SET_UP.match(item.name) or item.name == "__init__":
                    yield item, "set-up", f"{item.name} is called by pytest"
                if any(reader.meaning(one) in FIXTURES for one in item.decorator_list):
                    yield item, "fixtures", f"its fixture {item.name} stands in the class"
            elif isinstance(item, ast.ClassDef):
                yield item, "inheritance", "it has a class within"
        names |= family.facts.attributes
        names |= {
            inner.attr for inner in ast.walk(node)
            if isinstance(inner, ast.Attribute) and not isinstance(inner.ctx, ast.Load)
            and isinstance(inner.value, ast.Name) and inner.value.id == "self"
        }  # fmt: skip
        taken = taken_names(names)
        if taken or "pytestmark" in names:
            name = taken[0] if taken else "pytestmark"
            yield node, "names", f"its {name!r} means something on a TestCase"
        for decorator in node.decorator_list:
            if reader.meaning(decorator) != ASYNCIO or not mark_scope(decorator):
                yield decorator, "marks", f"its mark {ast.unparse(decorator)} is not plain"
        for test in tests:
            if test.trouble is not None:
                where, topic, text = test.trouble
                yield where, topic, f"{test.node.name}: {text}"
            elif test.needs:
                yield test.node, "fixtures", f"{test.node.name} asks for fixtures"

    def _decide_classes(
        self, classes: list[tuple[ast.ClassDef, list[tuple[ast.AST, str, str]]]]
    ) -> None:
        for node, trouble in classes:
            self.path = [node.name]
            for where, topic, text in trouble:
                if text:
                    message = f"{node.name} stays: {text}"
                    self.found.findings.append(self.left(where, topic, message))
            if not trouble:
                self.found.decide(node.name, "case")
            self.path = []

    # Functions -----------------------------------------------------------------------------

    def _decide_functions(self, file: File) -> None:
        goes = [
            test for test in file.tests.values()
            if test.trouble is None and test.is_async
        ]  # fmt: skip
        if not goes:
            return
        needed: set[str] = set()
        pending = [name for test in goes for name in test.needs]
        while pending:
            name = pending.pop()
            if name not in needed:
                needed.add(name)
                pending += file.fixtures[name].needs
        for name in sorted(needed):
            self.found.decide(name, "fixture")
            fixture = file.fixtures[name]
            if fixture.scope != "function":
                self.path = [name]
                self.look(
                    fixture.node, "wide-fixtures",
                    f"the tests that stand together with one that asks for {name} all run on its "
                    "loop, and the first of them makes it",
                )  # fmt: skip
                self.path = []
        for group in _groups(self.view.tree, file):
            if any(test.is_async for test in group):
                for test in group:
                    self.found.decide(test.node.name, "method")


def _groups(tree: ast.Module, file: File) -> Iterator[list[Test]]:
    """Yield the tests that stand together and can go.

    A synchronous test that needs nothing goes along with its neighbours, so that their order stays.
    Tests on loops of different scopes stand apart.
    """
    group: list[Test] = []
    for statement in tree.body:
        test = file.tests.get(getattr(statement, "name", ""))
        if (
            test is not None
            and test.node is statement
            and test.trouble is None
            and (test.is_async or not (test.needs or test.parameters))
        ):
            scopes = {other.loop_scope for other in group if other.is_async}
            if test.is_async and scopes and test.loop_scope not in scopes:
                yield group
                group = []
            group.append(test)
            continue
        yield group
        group = []
    yield group


class _Rewriter(Rewriter):
    framework = ("pytest", "pytest_asyncio")

    def __init__(self, view: View, survey: Survey, frozen: frozenset[str]) -> None:
        super().__init__(view.names, frozen)
        self.view = view
        self.survey = survey
        self.file = PytestReader(view).read()
        self._names = {
            inner.id for inner in ast.walk(view.tree) if isinstance(inner, ast.Name)
        } | {
            inner.name for inner in ast.walk(view.tree)
            if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        }  # fmt: skip

    def _decided(self, what: str) -> bool:
        where = self.path[0] if self.path else ""
        return what in self.survey.decisions.get(where, ())

    # Decorators ----------------------------------------------------------------------------

    def _without_marks(
        self, original: cst.FunctionDef, updated: cst.FunctionDef
    ) -> cst.FunctionDef:
        skips = []
        for old, decorator in zip(original.decorators, updated.decorators, strict=True):
            name = SKIPS.get(self.meaning_outside(old.decorator))
            if name is not None and isinstance(decorator.decorator, cst.Call):
                self.gone(cast(cst.Call, old.decorator).func)
                call = decorator.decorator
                arguments = [argument.with_changes(keyword=None, equal=cst.MaybeSentinel.DEFAULT)
                             for argument in call.args]  # fmt: skip
                func = cst.Attribute(self.module("unittest"), cst.Name(name))
                decorator = decorator.with_changes(
                    decorator=call.with_changes(func=func, args=arguments)
                )
            skips.append(decorator)
        updated = updated.with_changes(decorators=skips)
        cases = [
            self._as_parametrize(old, decorator)
            for old, decorator in zip(original.decorators, updated.decorators, strict=True)
            if self.meaning_outside(old.decorator) == PARAMETRIZE
        ]
        updated = self.drop_decorators(
            original,
            updated,
            lambda item: self.meaning_outside(item.decorator) in (ASYNCIO, PARAMETRIZE, *FIXTURES),
        )
        # Above all others, because it makes several tests of what they have made.
        return updated.with_changes(decorators=[*cases, *updated.decorators])

    def _as_parametrize(self, original: cst.Decorator, updated: cst.Decorator) -> cst.Decorator:
        old = cast(cst.Call, original.decorator)
        call = cast(cst.Call, updated.decorator)
        (written,) = ast.parse(cst.Module([]).code_for_node(old)).body
        names = ", ".join(parameter_names(cast(ast.Call, cast(ast.Expr, written).value)))
        first, values = call.args[0], call.args[1]
        if not isinstance(first.value, cst.SimpleString):
            first = first.with_changes(value=cst.SimpleString(f'"{names}"'))
        if not isinstance(values.value, (cst.List, cst.Tuple, cst.Set, cst.ListComp)):
            # A mapping would be taken for values with names.
            values = values.with_changes(value=cst.Call(cst.Name("list"), [cst.Arg(values.value)]))
        func = self.name_from("asynctesting", "parametrize")
        return updated.with_changes(
            decorator=call.with_changes(func=func, args=[first, values]), leading_lines=()
        )

    def change_class(self, original: cst.ClassDef, updated: cst.ClassDef) -> cst.ClassDef:
        """Make a plain class of tests a case."""
        if len(self.path) != 1 or not self._decided("case"):
            return updated
        updated = self.drop_decorators(
            original, updated, lambda item: self.meaning_outside(item.decorator) == ASYNCIO
        )
        base = cst.Arg(self.name_from("asynctesting", "AsyncTestCase"))
        updated = updated.with_changes(bases=[base], lpar=cst.LeftParen(), rpar=cst.RightParen())
        for decision in sorted(self.survey.decisions.get(self.path[0], ())):
            if decision.startswith("scope:") and isinstance(updated.body, cst.IndentedBlock):
                line = _statement(f'loop_scope = "{decision.partition(":")[2]}"')
                body = updated.body.with_changes(body=_after_docstring(updated.body.body, [line]))
                return updated.with_changes(body=body)
        return tidied(original, updated)

    # Functions -----------------------------------------------------------------------------

    def change_function(
        self, original: cst.FunctionDef, updated: cst.FunctionDef
    ) -> cst.FunctionDef:
        """Make a fixture what a test can enter, and a test a method."""
        if len(self.path) == 2 and self._decided("case"):
            if original.name.value.startswith("test"):
                test = self._test_of(self.path[0], original.name.value)
                return self._as_method(original, updated, test, has_self=True)
            return updated
        if len(self.path) != 1:
            return updated
        if self._decided("fixture"):
            return self._as_resource(original, updated)
        if self._decided("method"):
            test = self.file.tests[original.name.value]
            return self._as_method(original, updated, test, has_self=False)
        return updated

    def _test_of(self, class_name: str, name: str) -> Test:
        for node in self.view.tree.body:
            if isinstance(node, ast.ClassDef) and node.name == class_name:
                for test in PytestReader(self.view).methods(node, self.file):
                    if test.node.name == name:
                        return test
        raise LookupError(name)  # pragma: no cover

    def _as_resource(self, original: cst.FunctionDef, updated: cst.FunctionDef) -> cst.FunctionDef:
        fixture = self.file.fixtures[original.name.value]
        updated = self._without_marks(original, updated)
        if fixture.scope != "function":
            call = cst.Call(
                self.name_from("asynctesting", "async_fixture"),
                [
                    cst.Arg(
                        cst.SimpleString(f'"{_scope_of(fixture)}"'),
                        keyword=cst.Name("scope"),
                        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
                    )
                ],
            )
            return updated.with_changes(decorators=[cst.Decorator(call)])
        updated = updated.with_changes(name=cst.Name(self._resource_name(fixture.name)))
        manager = {
            Kind.GENERATOR: "contextmanager",
            Kind.ASYNC_GENERATOR: "asynccontextmanager",
        }.get(fixture.kind)
        if manager is None:
            return updated
        decorator = cst.Decorator(self.name_from("contextlib", manager))
        return updated.with_changes(decorators=[decorator])

    def _resource_name(self, name: str) -> str:
        new = f"{name}_fixture"
        while new in self._names:
            new += "_"
        return new

    def _as_method(
        self,
        original: cst.FunctionDef,
        updated: cst.FunctionDef,
        test: Test,
        *,
        has_self: bool,
    ) -> cst.FunctionDef:
        updated = self._without_marks(original, updated)
        entered = [self._entered(self.file.fixtures[name]) for name in self._order(test.needs)]
        body = updated.body
        if entered:
            block = _as_block(body)
            body = block.with_changes(body=_after_docstring(block.body, entered))
        params = updated.params
        if not has_self:
            names = [cst.Param(cst.Name("self"))]
        else:
            names = [params.params[0].with_changes(comma=cst.MaybeSentinel.DEFAULT)]
        names += [
            param.with_changes(comma=cst.MaybeSentinel.DEFAULT)
            for param in params.params
            if param.name.value in test.parameters
        ]
        params = params.with_changes(params=names)
        return updated.with_changes(params=params, body=body)

    def _order(self, needs: Sequence[str]) -> list[str]:
        """Return the fixtures that a test enters, each after those that it asks for."""
        found: list[str] = []

        def add(name: str) -> None:
            if name not in found:
                for other in self.file.fixtures[name].needs:
                    add(other)
                found.append(name)

        for name in needs:
            add(name)
        return found

    def _entered(self, fixture: Fixture) -> cst.BaseStatement:
        if fixture.scope != "function":
            return _statement(f"{fixture.name} = self.{fixture.name}")
        call = f"{self._resource_name(fixture.name)}({', '.join(fixture.needs)})"
        value = {
            Kind.SYNC: call,
            Kind.ASYNC: f"await {call}",
            Kind.GENERATOR: f"self.enterContext({call})",
            Kind.ASYNC_GENERATOR: f"await self.enterAsyncContext({call})",
        }[fixture.kind]
        return _statement(f"{fixture.name} = {value}")

    # The module ----------------------------------------------------------------------------

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        """Gather the tests that stand together in a class."""
        body: list[cst.BaseStatement] = []
        group: list[cst.FunctionDef] = []
        number = 0
        for old, statement in zip(original_node.body, updated_node.body, strict=True):
            if isinstance(old, cst.FunctionDef) and "method" in self.survey.decisions.get(
                old.name.value, ()
            ):
                function = cast(cst.FunctionDef, statement)
                if not self._goes_along(group, function):
                    number += 1
                    body.append(self._class_of(group, number))
                    group = []
                group.append(function)
                continue
            if group:
                number += 1
                body.append(self._class_of(group, number))
                group = []
            if self._is_mark(old) and "drop-mark" in self.survey.decisions.get("", ()):
                self.gone(old)
                continue
            body.append(cast(cst.BaseStatement, statement))
        if group:
            body.append(self._class_of(group, number + 1))
        return updated_node.with_changes(body=body)

    def _goes_along(self, group: Sequence[cst.FunctionDef], function: cst.FunctionDef) -> bool:
        """Tell whether a test runs on the loop on which those before it run."""
        scopes = {self._loop_scope(other) for other in (*group, function)} - {""}
        return len(scopes) < 2

    def _loop_scope(self, function: cst.FunctionDef) -> str:
        test = self.file.tests[function.name.value]
        return test.loop_scope if test.is_async else ""

    def _is_mark(self, statement: cst.CSTNode) -> bool:
        if not isinstance(statement, cst.SimpleStatementLine):
            return False
        small = statement.body[0]
        return isinstance(small, cst.Assign) and dotted(small.targets[0].target) == "pytestmark"

    def _class_of(self, group: list[cst.FunctionDef], number: int) -> cst.ClassDef:
        stem = Path(self.view.facts.path).stem.removeprefix("test_").removesuffix("_test")
        words = [word for word in re.split(r"[^0-9a-zA-Z]+", stem) if word]
        name = "".join(word[0].upper() + word[1:] for word in words)
        name = f"{name if name[:1].isalpha() else 'It' + name}Tests{number if number > 1 else ''}"
        while name in self._names:
            name += "_"
        first = group[0]
        blank = [line for line in first.leading_lines if line.comment is None]
        comments = first.leading_lines[len(blank) :] if _is_run(first.leading_lines) else ()
        before = blank if _is_run(first.leading_lines) else first.leading_lines
        methods: list[cst.BaseStatement] = [first.with_changes(leading_lines=comments)]
        for function in group[1:]:
            # Two lines between functions, one between methods.
            lines = [
                line if line.comment is not None else line.with_changes(indent=False)
                for line in function.leading_lines
            ]
            while len(lines) > 1 and lines[0].comment is None and lines[1].comment is None:
                del lines[0]
            methods.append(function.with_changes(leading_lines=lines))
        settings = self._settings_of(group)
        if settings:
            lines = [line for line in methods[0].leading_lines if line.comment is not None]  # type: ignore[attr-defined]
            lines.insert(0, cst.EmptyLine(indent=False))
            methods[0] = methods[0].with_changes(leading_lines=lines)
        base = cst.Arg(self.name_from("asynctesting", "AsyncTestCase"))
        return cst.ClassDef(
            cst.Name(name),
            cst.IndentedBlock([*settings, *methods]),
            bases=[base],
            leading_lines=before,
        )  # fmt: skip

    def _settings_of(self, group: Sequence[cst.FunctionDef]) -> list[cst.BaseStatement]:
        """Return the lines of a class about the loop and the fixtures that its tests share."""
        tests = [self.file.tests[function.name.value] for function in group]
        wide = {
            name for test in tests for name in self._order(test.needs)
            if self.file.fixtures[name].scope != "function"
        }  # fmt: skip
        ranks = [SCOPES.index(_scope_of(self.file.fixtures[name])) for name in wide]
        scope = next((test.loop_scope for test in tests if test.is_async), "function")
        lines = [f"{name} = {name}" for name in sorted(wide)]
        if scope != "function" and SCOPES.index(scope) >= max(ranks, default=0):
            # A function outside of classes has the class's scope in common with its module.
            lines.insert(0, f'loop_scope = "{"module" if scope == "class" else scope}"')
        return [_statement(line) for line in lines]


def _statement(text: str) -> cst.BaseStatement:
    return cast(cst.BaseStatement, cst.parse_statement(text))


def _scope_of(fixture: Fixture) -> str:
    """Return the scope of a wide fixture; for functions, pytest takes the module for the class."""
    return "module" if fixture.scope == "class" else fixture.scope


def _as_block(body: cst.BaseSuite) -> cst.IndentedBlock:
    if isinstance(body, cst.IndentedBlock):
        return body
    lines = [cst.SimpleStatementLine(cast(cst.SimpleStatementSuite, body).body)]
    return cst.IndentedBlock(lines)


def _is_run(lines: Sequence[cst.EmptyLine]) -> bool:
    """Tell whether blank lines come first, and then comments only."""
    seen_comment = False
    for line in lines:
        if line.comment is not None:
            seen_comment = True
        elif seen_comment:
            return False
    return True


def _after_docstring(
    body: Sequence[cst.BaseStatement], new: Sequence[cst.BaseStatement]
) -> list[cst.BaseStatement]:
    place = 1 if body and is_docstring(body[0]) else 0
    return [*body[:place], *new, *body[place:]]
