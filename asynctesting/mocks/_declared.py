"""Attributes that a class gives no value: annotated ones, and those that ``__init__`` assigns."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
import types
from collections.abc import Iterator
from typing import Any

__unittest = True


@functools.cache
def annotated(cls: type) -> dict[str, tuple[Any, Any]]:
    """Return the class and the annotation of each annotated attribute."""
    found: dict[str, tuple[Any, Any]] = {}
    for base in reversed(cls.__mro__):
        try:
            annotations = inspect.get_annotations(base)
        except Exception:  # evaluated late, and a name is missing (3.14)
            continue
        found |= {_mangled(base, name): (base, value) for name, value in annotations.items()}
    return found


@functools.cache
def assigned(cls: type) -> dict[str, tuple[Any, Any]]:
    """Return the ``__init__`` and the annotation of each attribute that one assigns."""
    found: dict[str, tuple[Any, Any]] = {}
    for base in reversed(cls.__mro__):
        init = base.__dict__.get("__init__")
        if isinstance(init, types.FunctionType):
            for name, annotation in _assignments(init):
                name = _mangled(base, name)
                if annotation is not inspect.Signature.empty or name not in found:
                    found[name] = (init, annotation)
    return found


def _assignments(init: types.FunctionType) -> Iterator[tuple[str, Any]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(init)))
    except (OSError, TypeError, SyntaxError, IndentationError):
        return  # no source, so no attributes are known from it
    parameters = getattr(init, "__annotations__", {})
    me = next(iter(inspect.signature(init, follow_wrapped=False).parameters), None)
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            targets: list[ast.expr] = [node.target]
            annotation: Any = ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign):
            targets, annotation = node.targets, inspect.Signature.empty
            if isinstance(node.value, ast.Name):
                annotation = parameters.get(node.value.id, annotation)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            targets, annotation = [node], inspect.Signature.empty
        else:
            continue
        for target in targets:
            if (
                isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id == me
            ):
                yield target.attr, annotation


def _mangled(cls: type, name: str) -> str:
    if name.startswith("__") and not name.endswith("__"):
        return f"_{cls.__name__.lstrip('_')}{name}"
    return name
