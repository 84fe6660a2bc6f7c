"""The import lines of a file: drop what nothing uses any more, add what is needed now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

import libcst as cst

from ._tree import dotted, is_docstring

_N = TypeVar("_N", bound=cst.CSTNode)


def change_imports(
    tree: cst.Module, unused: set[str], wanted: Sequence[tuple[str, str]]
) -> cst.Module:
    """Remove the imports of *unused* names, and add those of *wanted* ones.

    A wanted import takes the place of the first that goes, else it stands after the last import
    at the top of the file.
    """
    body = list(tree.body)
    missing = [want for want in wanted if not _is_imported(body, want)]
    place: int | None = None
    header: list[cst.EmptyLine] = []
    result: list[cst.BaseStatement] = []
    last_import = 1 if body and is_docstring(body[0]) else 0
    for statement in body:
        kept = _without(statement, unused) if unused else statement
        if kept is None:
            if place is None:
                place = len(result)
            header += cast(cst.SimpleStatementLine, statement).leading_lines
            continue
        if header and (place != len(result) or not missing):
            kept = _with_header(kept, header)
            header = []
        if kept is not statement and place is None:
            place = len(result) + 1
        result.append(kept)
        if _is_import(kept):
            last_import = len(result)
    where = last_import if place is None else place
    new: list[cst.BaseStatement] = []
    for module, names in _grouped(missing):
        index = _find_from(result, module) if names else None
        if index is not None:
            result[index] = _with_names(cast(cst.SimpleStatementLine, result[index]), names)
            continue
        text = f"from {module} import {', '.join(names)}" if names else f"import {module}"
        new.append(cast(cst.SimpleStatementLine, cst.parse_statement(text)))
    if new and header:
        new[0] = new[0].with_changes(leading_lines=header)
    elif header and where < len(result):
        result[where] = _with_header(result[where], header)
    if new and place is None and where == 0 and result:
        result[0] = _with_blank_line(result[0])
    result[where:where] = new
    return tree.with_changes(body=result)


def _with_blank_line(statement: cst.BaseStatement) -> cst.BaseStatement:
    lines = list(getattr(statement, "leading_lines", ()))
    return statement.with_changes(leading_lines=[cst.EmptyLine(indent=False), *lines])


def _with_header(statement: _N, header: Sequence[cst.EmptyLine]) -> _N:
    comments = [line for line in header if line.comment is not None]
    lines = list(getattr(statement, "leading_lines", ()))
    return statement.with_changes(leading_lines=[*comments, *lines])


def _grouped(wanted: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    groups: dict[tuple[str, bool], list[str]] = {}
    for module, name in wanted:
        groups.setdefault((module, bool(name)), [])
        if name:
            groups[module, True].append(name)
    # Plain imports first, then by module, as everybody sorts them.
    return [
        (module, sorted(names)) for (module, has_names), names in sorted(
            groups.items(), key=lambda group: (group[0][1], group[0][0].split(".")[0] not in
                                               ("unittest", "asyncio", "contextlib"), group[0][0])
        )
    ]  # fmt: skip


def _is_import(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and any(
        isinstance(small, (cst.Import, cst.ImportFrom)) for small in statement.body
    )


def _is_imported(body: Sequence[cst.CSTNode], want: tuple[str, str]) -> bool:
    module, name = want
    for statement in body:
        if not isinstance(statement, cst.SimpleStatementLine):
            continue
        for small in statement.body:
            if isinstance(small, cst.Import) and not name:
                if any(
                    dotted(alias.name) == module and alias.asname is None for alias in small.names
                ):
                    return True
                if any(
                    alias.asname is not None
                    and f"{dotted(alias.name)} as {dotted(alias.asname.name)}" == module
                    for alias in small.names
                ):
                    return True
            elif (
                isinstance(small, cst.ImportFrom)
                and name
                and not small.relative
                and dotted(small.module) == module
                and not isinstance(small.names, cst.ImportStar)
                and any(alias.name.value == name and alias.asname is None for alias in small.names)
            ):
                return True
    return False


def _find_from(body: Sequence[cst.CSTNode], module: str) -> int | None:
    for index, statement in enumerate(body):
        if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1:
            small = statement.body[0]
            if (
                isinstance(small, cst.ImportFrom)
                and not small.relative
                and dotted(small.module) == module
                and not isinstance(small.names, cst.ImportStar)
            ):
                return index
    return None


def _with_names(
    statement: cst.SimpleStatementLine, names: Sequence[str]
) -> cst.SimpleStatementLine:
    small = cast(cst.ImportFrom, statement.body[0])
    known = list(cast(Sequence[cst.ImportAlias], small.names))
    last = known[-1]
    comma: cst.Comma | cst.MaybeSentinel = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    if len(known) > 1 and isinstance(known[0].comma, cst.Comma):
        comma = known[0].comma
    added = [cst.ImportAlias(name=cst.Name(name), comma=comma) for name in names]
    added[-1] = added[-1].with_changes(comma=last.comma)
    known[-1] = last.with_changes(comma=comma)
    return statement.with_changes(body=[small.with_changes(names=[*known, *added])])


def _without(statement: _N, unused: set[str]) -> _N | None:
    """Return *statement* without the imports of *unused* names; ``None`` if nothing is left."""
    if not (isinstance(statement, cst.SimpleStatementLine) and _is_import(statement)):
        return statement
    smalls: list[cst.BaseSmallStatement] = []
    changed = False
    for small in statement.body:
        if not isinstance(small, (cst.Import, cst.ImportFrom)) or isinstance(
            small.names, cst.ImportStar
        ):
            smalls.append(small)
            continue
        aliases = [alias for alias in small.names if _local_name(alias) not in unused]
        if len(aliases) == len(small.names):
            smalls.append(small)
            continue
        changed = True
        if aliases:
            aliases[-1] = aliases[-1].with_changes(comma=small.names[-1].comma)
            smalls.append(small.with_changes(names=aliases))
    if not changed:
        return statement
    if not smalls:
        return None
    smalls[-1] = smalls[-1].with_changes(semicolon=statement.body[-1].semicolon)
    return cast(_N, statement.with_changes(body=smalls))


def _local_name(alias: cst.ImportAlias) -> str:
    if alias.asname is not None:
        return dotted(alias.asname.name)
    return dotted(alias.name).partition(".")[0]
