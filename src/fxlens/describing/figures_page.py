"""Rewrites the marked part of a documentation page with the figures of heads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fxlens.describing.head_files import DescribingHeads
from fxlens.describing.measuring import ASKED_NAMES, Figures
from fxlens.describing.report import draw_reliability, effects_table, settings_table
from fxlens.errors import UsageError
from fxlens.whole_files import write_text

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def write_figures(page: Path, heads: DescribingHeads, tried: Mapping[str, Figures]) -> None:
    """Put tables and the reliability diagram of heads into a page.

    The diagram is written beside it, into ``images/describe-reliability.svg``.

    Args:
        page: has a line with each of the two marks.
        heads: with the figures on their calibration songs.
        tried: figures of the trial.

    Raises:
        UsageError: the page is not there, or has no marks.
        OutputError: it cannot be written.
    """
    try:
        text = page.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        _, after = rest.split(END)
    except OSError as error:
        raise UsageError(f"{page}: cannot be read ({error.strerror or error})") from error
    except ValueError:
        raise UsageError(f"{page}: it must hold the lines {BEGIN!r} and {END!r} once each") from None
    picture = page.parent / "images" / "describe-reliability.svg"
    own = heads.metadata["figures"]
    draw_reliability({"calibration songs": own, "evaluation songs": tried}, picture)
    told = {
        name: {asked: interval.known for asked, interval in zip(ASKED_NAMES, r.calibration.intervals, strict=True)}
        for name, r in heads.readings.items()
    }
    deaf = [
        f"{effect} ({name})"
        for name, r in heads.readings.items()
        for effect, presence in zip(own[name]["effects"], r.calibration.presence, strict=True)
        if not presence.known
    ]
    facts = heads.metadata
    parts = [
        f"Model `{heads.model_id}`; heads from {facts['sessions']} sessions of {facts['songs']} songs, seed "
        f"{facts['seed']}; {_clips(own)} on the calibration songs, {_clips(tried)} in the trial.",
        f"![Probabilities said and seen](images/{picture.name})",
        f"Always *not sure*, because nothing is heard of them: {', '.join(deaf) or 'none'}.",
        "### On songs the heads have not learnt from",
        effects_table(own),
        settings_table(own, told),
        "### On the evaluation songs",
        effects_table(tried),
        settings_table(tried, told),
    ]
    write_text(page, before + BEGIN + "\n\n" + "\n\n".join(parts) + "\n\n" + END + after)


def _clips(figures: Mapping[str, Figures]) -> str:
    named = {"whole": "whole clips", "instrument": "questions for an instrument"}
    return " and ".join(f"{figures[name]['clips']} {named[name]}" for name in figures)
