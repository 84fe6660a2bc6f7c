"""Settings: where a value comes from, and which values can be meant.

Class attribute < decorator on the test < environment < command line. The command line writes the
environment, so that worker processes of any runner inherit it; the environment is read once.
Unknown ``ASYNCTESTING_...`` names and bad values are errors, at once.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ._kinds import DEFAULT, Policy, check_levels, merge, parse_levels
from .errors import SettingError

if TYPE_CHECKING:
    from ._ledger import Ledger

__unittest = True

PREFIX = "ASYNCTESTING_"
DEFAULT_TIMEOUT = 60.0
#: The ledger of known leaks that is looked for in the current folder where no other is named.
LEDGER = "asynctesting-leaks.toml"


class Unset:
    """Says that nobody has chosen a value; ``None`` is a value."""

    def __repr__(self) -> str:
        return "unset"


UNSET = Unset()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment and the command line ask of every test of the run."""

    timeout: float | None | Unset = UNSET
    leaks: Mapping[str, str] | Unset = UNSET
    report: str | None = None
    ledger: str | None = None


def check_timeout(value: object, source: str) -> float | None:
    """Return *value* as a limit in real seconds, or ``None`` for no limit.

    Raises:
        SettingError: If it is not a finite number above zero.
    """
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value <= 0
    ):
        raise _no_limit(value, source)
    return float(value)


def _no_limit(value: object, source: str) -> SettingError:
    return SettingError(
        f"{source} must be a number of real seconds above zero, or None for no limit; got {value!r}"
    )


def leak_policy(leaks: Any, allowed: tuple[Mapping[str, tuple[str, ...]], ...] = ()) -> Policy:
    """Return what leaks are, from what a class or a test says and what the run says.

    Args:
        leaks: The levels of the class, checked before: a word or a mapping.
        allowed: What may be left behind, as class and test say it.
    """
    said = current().leaks
    if leaks == "default" and not allowed and isinstance(said, Unset):
        return DEFAULT
    levels = [check_levels(leaks, "leaks")]
    if not isinstance(said, Unset):
        levels.append(said)
    return merge(levels, allowed)


def check_loop_debug(value: object, source: str) -> bool | None:
    """Return *value* if it says how debug mode is set.

    Raises:
        SettingError: If it is none of ``True``, ``False`` and ``None``.
    """
    if value is not None and not isinstance(value, bool):
        raise SettingError(
            f"{source} must be True, False, or None to follow the interpreter; got {value!r}"
        )
    return value


def parse_timeout(text: str, source: str) -> float | None:
    """Read a limit from text: a number of seconds, or ``none``.

    Raises:
        SettingError: If it is neither.
    """
    if text.strip().lower() == "none":
        return None
    try:
        return check_timeout(float(text), source)
    except ValueError:  # no number, or one that can't be a limit
        raise _no_limit(text, source) from None


def check_report(text: str, source: str) -> str:
    """Return the folder that *text* names, made now if it is not there.

    Raises:
        SettingError: If it can't be made, or nothing can be written there.
    """
    folder = os.path.abspath(text)
    probe = os.path.join(folder, f".asynctesting-{os.getpid()}")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(probe, "w"):
            pass
        os.remove(probe)
    except OSError as error:
        raise SettingError(
            f"{source} must be a folder for the report pages; {text!r} is none that can be "
            f"written to ({error.strerror})"
        ) from None
    return folder


def read(environment: Mapping[str, str]) -> Settings:
    """Read the settings from *environment*.

    Raises:
        SettingError: For an unknown name that begins like ours, or a bad value.
    """
    timeout: float | None | Unset = UNSET
    leaks: Mapping[str, str] | Unset = UNSET
    report: str | None = None
    ledger: str | None = None
    for name, text in environment.items():
        if not name.startswith(PREFIX):
            continue
        if name == "ASYNCTESTING_TIMEOUT":
            timeout = parse_timeout(text, name)
        elif name == "ASYNCTESTING_LEAKS":
            leaks = parse_levels(text, name)
        elif name == "ASYNCTESTING_LEDGER":
            ledger = text
        elif name == "ASYNCTESTING_REPORT":
            report = check_report(text, name)
        else:
            raise SettingError(
                f"{name}={text!r} in the environment is no setting of asynctesting; there are "
                "ASYNCTESTING_TIMEOUT, ASYNCTESTING_LEAKS, ASYNCTESTING_LEDGER and "
                "ASYNCTESTING_REPORT"
            )
    return Settings(timeout, leaks, report, ledger)


_current: Settings | None = None


def current() -> Settings:
    """Return the settings of this run, read from the environment at the first call."""
    global _current
    if _current is None:
        _current = read(os.environ)
    return _current


def forget() -> None:
    """Have the environment read again at the next call of :func:`current`."""
    global _current, _ledger
    _current = None
    _ledger = None


# ``False`` says that there is none.
_ledger: Ledger | Literal[False] | None = None


def ledger() -> Ledger | None:
    """Return the ledger of known leaks, read at the first call; ``None`` where there is none.

    It is the file that ``ASYNCTESTING_LEDGER`` names, or the one of the usual name in the current
    folder.

    Raises:
        SettingError: If the file can't be read as a ledger, or one is named and not there.
    """
    global _ledger
    if _ledger is None:
        path = current().ledger
        if path is None and not os.path.exists(LEDGER):
            _ledger = False
        else:
            from ._ledger import Ledger  # what few suites have is loaded where it is

            _ledger = Ledger.read(path or LEDGER)
    return _ledger or None


def write_ledger() -> Ledger:
    """Have this run write down what it finds; return the ledger that it writes."""
    global _ledger
    from ._ledger import Ledger

    _ledger = found = Ledger.read(current().ledger or LEDGER, missing_ok=True)
    found.writing = True
    return found
