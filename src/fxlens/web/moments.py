"""Moments of a recording as people write them."""

from __future__ import annotations

import re

from fxlens.errors import UsageError


def moment_seconds(text: str) -> float:
    """Read ``72``, ``72.5``, ``1:12`` or ``1:02:12.5``.

    Raises:
        UsageError: it is none of these.

    >>> moment_seconds("1:12")
    72.0
    """
    if not re.fullmatch(r"(\d{1,6}:){0,2}\d{1,9}(\.\d*)?", text.strip()):
        raise UsageError(f"{text!r} is no moment; write seconds, or minutes:seconds as 1:12")
    total = 0.0
    for part in text.strip().split(":"):
        total = 60.0 * total + float(part)
    return total


def moment_text(seconds: float) -> str:
    """Write a moment.

    >>> moment_text(72.4), moment_text(3725.0)
    ('1:12', '1:02:05')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
