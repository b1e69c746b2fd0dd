"""When an effect can be heard: a strip for each, of strong colour where it is sure. A click plays that moment."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from fxlens.describing.wording import label_of
from fxlens.index.conditions import moment_text

if TYPE_CHECKING:
    from fxlens.describing import Description

_LEAST_OPACITY = 0.06


def timeline(description: Description, seconds: float, player: str) -> str:
    """Draw the probabilities over time; nothing for a recording of one window.

    Args:
        description: what was heard, window by window.
        seconds: length of the recording.
        player: id of the audio element that a click moves.
    """
    if len(description.times) < 2:
        return ""
    order = [finding.effect for finding in description.findings]
    strips = "".join(
        f'<span class="fx-lane">{escape(label_of(effect))}</span>{_strip(description, effect, seconds, player)}'
        for effect in order
    )
    marks = "".join(f"<span>{moment_text(seconds * share)}</span>" for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    return (
        '<figure class="fx-timeline">'
        "<figcaption>Over time: the stronger the colour, the surer. Click to listen there.</figcaption>"
        f'<div class="fx-lanes">{strips}<span></span><div class="fx-axis" aria-hidden="true">{marks}</div></div>'
        "</figure>"
    )


def _strip(description: Description, effect: str, seconds: float, player: str) -> str:
    column = description.probabilities[:, description.effects.index(effect)]
    cells = []
    for start, end, probability in zip(description.times, _ends(description, seconds), column, strict=True):
        left, width = 100.0 * float(start) / seconds, 100.0 * float(end - start) / seconds
        opacity = _LEAST_OPACITY + (1.0 - _LEAST_OPACITY) * float(probability)
        told = f"{moment_text(float(start))}–{moment_text(float(end))}: {100.0 * float(probability):.0f} %"
        cells.append(
            f'<rect x="{left:.3f}" y="0" width="{max(width - 0.15, 0.1):.3f}" height="10" opacity="{opacity:.3f}" '
            f'data-seek="{float(start):.2f}" data-player="{escape(player)}"><title>{told}</title></rect>'
        )
    high, low = moment_text(float(description.times[int(column.argmax())])), f"{100.0 * float(column.max()):.0f} %"
    label = f"{label_of(effect)} over time: surest at {high}, {low}; on average {100.0 * float(column.mean()):.0f} %"
    return (
        f'<svg class="fx-strip" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{"".join(cells)}</svg>'
    )


def _ends(description: Description, seconds: float) -> np.ndarray:
    """Where windows end, as far as the next has not begun: windows that overlap would hide one another."""
    ends = (
        description.ends
        if len(description.ends) == len(description.times)
        else np.full(len(description.times), seconds)
    )
    following = np.append(description.times[1:], seconds)
    return np.minimum(ends, following)
