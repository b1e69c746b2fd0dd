"""Which output of a separator an instrument query means."""

from __future__ import annotations

from collections.abc import Sequence

from fxlens.errors import UsageError
from fxlens.evaluation.systems.system import InstrumentQuery
from fxlens.instruments import resolve


def output_for(query: InstrumentQuery, outputs: Sequence[str], separator: str) -> int:
    """Index of the output that holds the instrument and nothing else.

    Args:
        query: only its name counts; these separators cannot be asked by sound.
        outputs: names of the outputs, as the separator calls them.
        separator: its name, for the message.

    Raises:
        UsageError: no output is this instrument's alone; a guitar is not the ``other`` of four stems.
    """
    wanted = query.instrument.strip().lower()
    if wanted in outputs:
        return list(outputs).index(wanted)
    known = resolve(query.instrument)
    if known is not None and known.name in outputs:
        return list(outputs).index(known.name)
    raise UsageError(f"{separator} has no output for {query.instrument!r}; it has {', '.join(outputs)}")
