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

from .errors import SettingError

__unittest = True

PREFIX = "ASYNCTESTING_"
DEFAULT_TIMEOUT = 60.0
LEAK_LEVELS = ("error", "warn", "off")


class Unset:
    """Says that nobody has chosen a value; ``None`` is a value."""

    def __repr__(self) -> str:
        return "unset"


UNSET = Unset()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment and the command line ask of every test of the run."""

    timeout: float | None | Unset = UNSET
    leaks: str | Unset = UNSET
    report: str | None = None


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


def check_leaks(value: object, source: str) -> str:
    """Return *value* if it is a level for leaks.

    Raises:
        SettingError: If it is none of ``"error"``, ``"warn"`` and ``"off"``.
    """
    if value not in LEAK_LEVELS:
        raise SettingError(f"{source} must be 'error', 'warn' or 'off'; got {value!r}")
    return str(value)


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
    leaks: str | Unset = UNSET
    report: str | None = None
    for name, text in environment.items():
        if not name.startswith(PREFIX):
            continue
        if name == "ASYNCTESTING_TIMEOUT":
            timeout = parse_timeout(text, name)
        elif name == "ASYNCTESTING_LEAKS":
            leaks = check_leaks(text, name)
        elif name == "ASYNCTESTING_REPORT":
            report = check_report(text, name)
        else:
            raise SettingError(
                f"{name}={text!r} in the environment is no setting of asynctesting; there are "
                "ASYNCTESTING_TIMEOUT, ASYNCTESTING_LEAKS and ASYNCTESTING_REPORT"
            )
    return Settings(timeout, leaks, report)


_current: Settings | None = None


def current() -> Settings:
    """Return the settings of this run, read from the environment at the first call."""
    global _current
    if _current is None:
        _current = read(os.environ)
    return _current


def forget() -> None:
    """Have the environment read again at the next call of :func:`current`."""
    global _current
    _current = None
