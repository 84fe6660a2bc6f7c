"""One test for several values: generated methods, and generated classes.

Not subtests: ``-k``, a test's name on the command line, a limit, a fresh scope and a line in the
report belong to a method, and discovery finds methods by looking at the class. So the methods are
made when the class is, and nothing else has to know of it.

Invariants: a generated name holds what ``-k``, a shell and a regular expression leave alone; the
same values give the same names in every process; a name is never given twice.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import re
import sys
import unittest
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, TypeVar

from ._fixture_plan import VALUES, missing_in_call
from ._fixtures import AsyncFixture
from ._lint import is_generator
from .errors import SettingError, SilentPassError

__unittest = True

_F = TypeVar("_F", bound=Callable[..., Any] | type)

_Case = tuple[str, dict[str, Any]]


def parametrize(names: str, values: Iterable[Any] | Mapping[str, Any]) -> Callable[[_F], _F]:
    """Have a test, or a class of tests, run once for each of *values*.

    A test becomes several methods: ``test_pay`` with the values 200 and 503 is ``test_pay__200``
    and ``test_pay__503``. A subclass that has a ``test_pay`` of its own overrides all of them. A
    class becomes several classes, ``StoreTests__sqlite`` and so on, with the value as an attribute.
    A fixture that is written in its body with ``cls`` as its first parameter reads it there,
    whatever its scope, and is made anew for each of the classes. Several decorators on one test
    are combined. It works for any ``unittest.TestCase``.

    Args:
        names: The name of a parameter, or several with commas between.
        values: What it is given; for several names, a tuple each. A mapping says what each is to
            be called; otherwise short values give the names, and longer ones their position.

    Raises:
        SettingError: If a value does not fit the names, or there is none; if what is decorated is
            neither a test nor a class of tests; if a name is given twice, or is a method's.

    Example:
        >>> import unittest
        >>> class StatusTests(unittest.TestCase):
        ...     @parametrize("status, retried", [(200, False), (503, True)])
        ...     def test_status(self, status, retried):
        ...         self.assertEqual(status >= 500, retried)
        >>> unittest.defaultTestLoader.getTestCaseNames(StatusTests)
        ['test_status__200_False', 'test_status__503_True']
    """
    cases = _cases(names, values)

    def decorate(decorated: Any) -> Any:
        if isinstance(decorated, type):
            _check_class(decorated, cases[0][1])
            return _ParametrizedClass(decorated, cases)
        if isinstance(decorated, _ParametrizedClass):
            return _ParametrizedClass(decorated.base, _product(cases, decorated.cases))
        if isinstance(decorated, _ParametrizedTest):
            return _ParametrizedTest(decorated.function, _product(cases, decorated.cases))
        return _ParametrizedTest(decorated, cases)

    return decorate


def _cases(names: str, values: Any) -> list[_Case]:
    parameters = [name.strip() for name in names.split(",")]
    wrong = [name for name in parameters if not name.isidentifier()]
    if wrong:
        raise SettingError(f"parametrize({names!r}, ...): {wrong[0]!r} is no name of a parameter")
    _check_once(parameters)
    labelled: list[tuple[str | None, Any]]
    if isinstance(values, Mapping):
        labelled = list(values.items())
    elif isinstance(values, Iterable) and not isinstance(values, (str, bytes)):
        labelled = [(None, value) for value in values]
    else:
        raise SettingError(
            f"parametrize({names!r}, ...) needs a list of values, or a mapping of names to values; "
            f"got {values!r}"
        )
    if not labelled:
        raise SettingError(
            f"parametrize({names!r}, ...) has no values, so the test would never run and nobody "
            "would know. Skip it instead"
        )
    cases = []
    for index, (label, value) in enumerate(labelled):
        fits = len(parameters) == 1 or (
            isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
        )
        found = (value,) if len(parameters) == 1 or not fits else tuple(value)
        if not fits or len(found) != len(parameters):
            raise SettingError(
                f"parametrize({names!r}, ...) needs {len(parameters)} values for each test, got "
                f"{value!r}"
            )
        name = _slug(label) if label is not None else _label(found, index)
        cases.append((name, dict(zip(parameters, found, strict=True))))
    return _distinct(cases)


def _label(values: tuple[Any, ...], index: int) -> str:
    if all(value is None or isinstance(value, (str, int, float, bool)) for value in values):
        name = "_".join(_slug(str(value)) for value in values)
        if 0 < len(name) <= 40:
            return name
    return str(index)


def _slug(text: object) -> str:
    text = re.sub(r"(?<![\w.])-(?=[\d.])", "minus_", str(text))
    return re.sub(r"\W+", "_", text).strip("_")


def _distinct(cases: list[_Case]) -> list[_Case]:
    """Have positions tell apart what would have the same name."""
    names = [name for name, _ in cases]
    return [
        (name if name and names.count(name) == 1 else f"{name}_{index}".lstrip("_"), values)
        for index, (name, values) in enumerate(cases)
    ]


def _check_once(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SettingError(
                f"parametrize() gives {name!r} its values twice, so some of them would reach no "
                "test. Write all of them in one list"
            )
        seen.add(name)


def _product(outer: list[_Case], inner: list[_Case]) -> list[_Case]:
    _check_once([*outer[0][1], *inner[0][1]])
    return [
        (f"{first}_{second}", {**values, **more})
        for (first, values), (second, more) in itertools.product(outer, inner)
    ]


class _ParametrizedTest:
    """Stands for a test until its class is made, which then has the generated ones instead."""

    def __init__(self, function: Any, cases: list[_Case]) -> None:
        if isinstance(function, AsyncFixture):
            first = next(iter(cases[0][1]))
            raise SettingError(
                f"@parametrize can't stand above the fixture {function.label}. Parametrize the "
                f"class: its fixtures find the value as an attribute, such as cls.{first}"
            )
        if is_generator(function):
            raise SilentPassError(
                f"{function.__qualname__} is a test with a 'yield' in it, so calling it runs "
                "nothing. Remove the yield; to await something, write 'await'"
            )
        self.function = function
        self.cases = cases
        self.__name__ = function.__name__
        known = dict(itertools.islice(inspect.signature(function).parameters.items(), 1, None))
        takes_all = any(p.kind is p.VAR_KEYWORD for p in known.values())
        for name in cases[0][1]:
            if name not in known and not takes_all:
                raise SettingError(
                    f"{function.__qualname__}() has no parameter {name!r} for parametrize() to fill"
                )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"{self.__name__} is not one test but {len(self.cases)}. Write @parametrize above its "
            "other decorators"
        )

    def __set_name__(self, owner: type, name: str) -> None:
        prefix = unittest.defaultTestLoader.testMethodPrefix
        if not name.startswith(prefix):
            raise SettingError(
                f"{owner.__qualname__}.{name} is no test, so @parametrize would make methods of it "
                f"that nobody calls. It is for tests, whose names begin with {prefix!r}, and for "
                "classes of tests"
            )
        delattr(owner, name)
        _watch_subclasses(owner)
        # What decorators above have put here is meant for each of the tests.
        marks = {k: v for k, v in vars(self).items() if k not in ("function", "cases", "__name__")}
        for label, values in self.cases:
            made = f"{name}__{label}"
            if made in vars(owner):
                raise SettingError(
                    f"{owner.__qualname__} has a {made!r} already; call the values of {name} "
                    "something else, by a mapping of names to values"
                )
            known = vars(owner).get(_GENERATED, {})
            setattr(owner, _GENERATED, {**known, made: name})
            test = _with_values(self.function, values)
            test.__name__ = made
            test.__qualname__ = f"{owner.__qualname__}.{made}"
            vars(test).update(marks)
            setattr(owner, made, test)
        _hide_overridden(owner, name)


# What stands in a class that has generated tests: their names, and those they were made of.
_GENERATED = "_asynctesting_generated"


def _hide_overridden(cls: type, overriding: str) -> None:
    """Take the tests that bases have made of *overriding* out of *cls*, but for its own."""
    for base in cls.__mro__[1:]:
        for made, name in vars(base).get(_GENERATED, {}).items():
            if name == overriding and made not in vars(cls):
                setattr(cls, made, None)  # which loaders pass over


def _watch_subclasses(owner: Any) -> None:
    """Have the generated tests of *owner* give way to what a subclass writes in their place."""
    if _GENERATED in vars(owner):
        return
    setattr(owner, _GENERATED, {})
    original = vars(owner).get("__init_subclass__")

    def look_at_subclass(cls: type, /, **kwargs: Any) -> None:
        for name in vars(owner)[_GENERATED].values():
            if name in vars(cls):
                _hide_overridden(cls, name)
        if original is None:
            super(owner, cls).__init_subclass__(**kwargs)
        else:
            original.__get__(None, cls)(**kwargs)

    owner.__init_subclass__ = classmethod(look_at_subclass)


def _with_values(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    test: Any
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def test(self: Any, **fixtures: Any) -> Any:
            try:
                coroutine = function(self, **values, **fixtures)
            except TypeError as error:
                problem = None
                if hasattr(type(self), "_asynctesting_value_of"):
                    problem = missing_in_call(error, type(self), test)
                if problem is None:
                    raise
                raise problem from None
            return await coroutine
    else:

        @functools.wraps(function)
        def test(self: Any, **fixtures: Any) -> Any:
            return function(self, **values, **fixtures)

    signature = inspect.signature(function)
    left = [p for name, p in signature.parameters.items() if name not in values]
    test.__signature__ = signature.replace(parameters=left)
    return test


class _ParametrizedClass:
    """Stands for a class of tests, of which its module has the generated ones.

    It has the attributes of the class as it was written, and ``isinstance()`` and ``issubclass()``
    take it for that. Called without arguments, as loaders call what they find under a name, it
    makes the tests of all generated classes.

    Attributes:
        base: The class as it was written.
        classes: The generated ones.
    """

    base: Any
    cases: list[_Case]
    classes: list[type]

    def __init__(self, base: type, cases: list[_Case]) -> None:
        classes = [_subclass(base, label, values) for label, values in cases]
        vars(self).update(base=base, cases=cases, classes=classes)
        module = sys.modules.get(base.__module__)
        if module is not None and "." not in base.__qualname__:
            for cls in self.classes:
                setattr(module, cls.__name__, cls)

    def __repr__(self) -> str:
        return f"<{self.base.__qualname__} for {', '.join(label for label, _ in self.cases)}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # it is no class, whatever is asked
        return getattr(self.base, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.base, name, value)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self.base)

    def __subclasscheck__(self, cls: type) -> bool:
        return issubclass(cls, self.base)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            return self.base(*args, **kwargs)
        loader = unittest.defaultTestLoader
        suites: list[Any] = [loader.loadTestsFromTestCase(cls) for cls in self.classes]
        return loader.suiteClass(suites)

    def __mro_entries__(self, bases: object) -> tuple[type, ...]:
        return (self.base,)


def _check_class(cls: type, names: Iterable[str]) -> None:
    if not issubclass(cls, unittest.TestCase):
        raise SettingError(
            f"{cls.__qualname__} is no TestCase, so @parametrize would make classes of it that "
            "nobody runs. Write it above the classes that derive from it"
        )
    for name in names:
        found = inspect.getattr_static(cls, name, None)
        if isinstance(found, (FunctionType, classmethod, property)):
            raise SettingError(
                f"{cls.__qualname__}.{name} is something to call or a property, and @parametrize "
                "would put its values there. Give the parameter another name"
            )


def _subclass(base: type, label: str, values: dict[str, Any]) -> type:
    name = f"{base.__name__}__{label}"
    qualname = f"{base.__qualname__}__{label}"
    namespace = {
        "__module__": base.__module__,
        "__qualname__": qualname,
        "__doc__": base.__doc__,
        VALUES: tuple(values),
    }
    return type(base)(name, (base,), {**namespace, **values})
