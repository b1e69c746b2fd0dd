"""``KEY=VALUE`` and moments, as people type them: on the command line, in a form, on a page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fxlens.errors import UsageError


def pairs(texts: Sequence[str] | None, name: str, form: str = "KEY=VALUE") -> dict[str, str]:
    """Read ``KEY=VALUE`` texts.

    Args:
        texts: what was typed.
        name: of the option or field, for the message.
        form: how it is written there.

    Raises:
        UsageError: one has no ``=``, or no key.
    """
    found = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{name} {text!r}: write it as {form}")
        found[key.strip()] = value.strip()
    return found


def moment_seconds(text: str) -> float:
    """Read a moment: ``72``, ``72.5``, ``1:12`` or ``1:02:12.5``.

    Raises:
        UsageError: it is none.

    >>> moment_seconds("1:12"), moment_seconds("1:00:00.5")
    (72.0, 3600.5)
    """
    if not re.fullmatch(r"(\d{1,6}:){0,2}\d{1,9}(\.\d*)?", text.strip()):
        raise UsageError(f"{text!r} is no moment; write seconds, or minutes:seconds as 1:12")
    total = 0.0
    for part in text.strip().split(":"):
        total = total * 60.0 + float(part)
    return total


def moment_text(seconds: float) -> str:
    """Write a moment.

    >>> moment_text(72.4), moment_text(3725)
    ('1:12', '1:02:05')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
