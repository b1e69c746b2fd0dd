"""What the server refuses, and how every error becomes an answer: a status, a name, a message and a next step."""

from __future__ import annotations

from typing import Any

from fxlens import errors
from fxlens.errors import FxLensError


class TooLargeError(FxLensError):
    """A file or a request has more bytes than are taken."""


class TooLongError(FxLensError):
    """A recording lasts longer than is taken."""


class NotAFormError(FxLensError):
    """The body is no form with files."""


class IncompleteFormError(FxLensError):
    """A form breaks off before its end."""


class BusyError(FxLensError):
    """As many requests wait as may."""


class UnknownError(FxLensError):
    """There is no such address, job or file."""


class NoIndexError(FxLensError):
    """The server was started without an index."""


class NotReadyError(FxLensError):
    """A job has no result, or not yet."""


class ForeignRequestError(FxLensError):
    """A request comes from another web site, or under a name that is not the server's."""


_STATUS: tuple[tuple[type[FxLensError], int], ...] = (
    (TooLargeError, 413),
    (TooLongError, 413),
    (NotAFormError, 415),
    (IncompleteFormError, 400),
    (BusyError, 429),
    (UnknownError, 404),
    (NoIndexError, 503),
    (NotReadyError, 409),
    (ForeignRequestError, 403),
    (errors.AudioDecodeError, 415),
    (errors.AudioMissingError, 404),
    (errors.AudioError, 422),
    (errors.UsageError, 422),
    (errors.ModelUnavailableError, 503),
    (errors.MissingExtraError, 503),
    (errors.DataError, 503),
    (errors.OutputError, 507),
)
_STEPS: tuple[tuple[type[FxLensError], str], ...] = (
    (errors.AudioSilentError, "send a recording in which something sounds"),
    (errors.AudioError, "export the recording again as wav or flac, and send that"),
    (errors.MissingExtraError, "install it where the server runs, then start the server again"),
    (errors.ModelUnavailableError, "start the server with another model (-m)"),
    (errors.OutputError, "try again later, or free space where the server runs"),
    (errors.UsageError, "change the request; /docs says what it may hold"),
)
RETRY_SECONDS = 10
"""When to come again after a refusal because too much waits."""


def status_of(error: FxLensError) -> int:
    """The HTTP status of an error; 500 for one that nobody has thought of."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def body_of(error: FxLensError) -> dict[str, Any]:
    """The error for a caller: ``{"error": {"type", "message", "next_step"}}``.

    The messages of fxlens say what is wrong, then after the last semicolon what to do.
    """
    message, _, step = str(error).rpartition("; ")
    if not message:
        message = str(error)
        step = next((step for kind, step in _STEPS if isinstance(error, kind)), "see /docs")
    return problem(type(error).__name__, message, step)


def problem(name: str, message: str, next_step: str) -> dict[str, Any]:
    """The one shape of all errors."""
    return {"error": {"type": name, "message": message, "next_step": next_step}}
