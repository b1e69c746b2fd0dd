"""``KEY=VALUE`` and times, as they are typed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fxlens.errors import UsageError


def pairs(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """Read ``KEY=VALUE`` texts.

    Raises:
        UsageError: one has no ``=``, or no key.
    """
    found = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{option} {text!r}: write it as KEY=VALUE")
        found[key.strip()] = value.strip()
    return found


def seconds(text: str) -> float:
    """Read a moment: ``72``, ``72.5``, ``1:12`` or ``1:02:12.5``.

    Raises:
        UsageError: it is none.

    >>> seconds("1:12"), seconds("1:00:00.5")
    (72.0, 3600.5)
    """
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text.strip()):
        raise UsageError(f"{text!r} is no moment; write seconds, or minutes:seconds as 1:12")
    total = 0.0
    for part in text.strip().split(":"):
        total = total * 60.0 + float(part)
    return total


def clock(seconds: float) -> str:
    """Write a moment.

    >>> clock(72.4), clock(3725)
    ('1:12', '1:02:05')
    """
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
