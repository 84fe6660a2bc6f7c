"""Tracebacks that begin and end in the user's code."""

from __future__ import annotations

from types import TracebackType

__unittest = True


def from_user_code(error: BaseException) -> BaseException:
    """Drop the owner's own frame from the front of a traceback, and ours from its end.

    unittest cuts its frames from the end only where the exception is exactly ``AssertionError``;
    a subclass keeps them (the ``is`` test in ``unittest/result.py``).
    """
    traceback = error.__traceback__
    if traceback is not None and traceback.tb_next is not None:
        error.__traceback__ = traceback.tb_next
    if isinstance(error, AssertionError):
        _cut_tail(error.__traceback__)
    return error


def without_ours(error: BaseException) -> TracebackType | None:
    _cut_tail(error.__traceback__)
    return error.__traceback__


def _cut_tail(traceback: TracebackType | None) -> None:
    """Cut the trailing frames of modules that say ``__unittest``, if any other frame is left."""
    last_user = None
    while traceback is not None:
        if "__unittest" not in traceback.tb_frame.f_globals:
            last_user = traceback
        traceback = traceback.tb_next
    if last_user is not None:
        last_user.tb_next = None
