"""Effects drawn: a bar for how sure, three marks for how strong, and the settings in words."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from fxlens.describing.wording import label_of, setting_phrase, strength_word
from fxlens.web.page.timeline_drawing import timeline

if TYPE_CHECKING:
    from fxlens.describing import Description, Finding

THERE = frozenset({"yes", "likely"})
ABSENT = frozenset({"unlikely", "no"})
_NOTHING = '<span class="fx-quiet">–</span>'
_MARKS = {"light": 1, "moderate": 2, "heavy": 3}


def title_of(query: str | None) -> str:
    """What an embedding or description is of, as a heading."""
    return "Whole mix" if query is None else query[:1].upper() + query[1:]


def description_card(description: Description, seconds: float, player: str) -> str:
    """All that is known of one instrument, or of the whole.

    Args:
        description: what was heard.
        seconds: length of the recording.
        player: id of the audio element that the timeline moves.
    """
    title = escape(title_of(description.query))
    rows = "".join(_row(finding) for finding in description.findings)
    return (
        f'<section class="fx-card" aria-label="Effects: {title}"><h3>{title}</h3>{_summary(description)}'
        f'<div class="fx-scroll"><table class="fx-findings"><thead><tr><th scope="col">Effect</th>'
        f'<th scope="col">How sure</th><th scope="col">How strong</th><th scope="col">Settings</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{timeline(description, seconds, player)}</section>"
    )


def bar(probability: float, verdict: str, side: str = "") -> str:
    """A probability as a bar with its words, which do not need the colour.

    Args:
        probability: 0-1.
        verdict: in words.
        side: ``"left"`` for a bar that grows to the left.
    """
    kind = verdict.replace(" ", "-")
    percent = f"{100.0 * probability:.0f} %"
    turned = " fx-left" if side == "left" else ""
    return (
        f'<div class="fx-bar{turned}" aria-hidden="true"><span class="fx-{kind}" '
        f'style="width:{100.0 * probability:.1f}%"></span></div>'
        f'<span class="fx-verdict">{escape(verdict)} <small>{percent}</small></span>'
    )


def settings_words(finding: Finding) -> str:
    """What is known of an effect's settings, e.g. ``110–140 ms, wet about 30 %``."""
    return ", ".join(phrase for setting in finding.settings if (phrase := setting_phrase(setting)))


def _summary(description: Description) -> str:
    """What can be heard, one line each; then what cannot."""
    heard = [f for f in description.findings if f.verdict in THERE]
    open_ = [label_of(f.effect) for f in description.findings if f.verdict == "not sure"]
    absent = [label_of(f.effect) for f in description.findings if f.verdict in ABSENT]
    lines = [f"<li>{escape(finding.sentence())}</li>" for finding in heard]
    if open_:
        lines.append(f"<li>not sure: {escape(', '.join(open_))}</li>")
    if absent:
        lines.append(f'<li class="fx-quiet">not heard: {escape(", ".join(absent))}</li>')
    return f'<ul class="fx-sentences">{"".join(lines)}</ul>'


def _row(finding: Finding) -> str:
    return (
        f'<tr><th scope="row">{escape(label_of(finding.effect))}</th>'
        f"<td>{bar(finding.probability, finding.verdict)}</td><td>{_strength(finding.strength)}</td>"
        f"<td>{escape(settings_words(finding)) or _NOTHING}</td></tr>"
    )


def _strength(strength: float | None) -> str:
    if strength is None:
        return _NOTHING
    word = strength_word(strength)
    marks = "".join('<i class="fx-on"></i>' if k < _MARKS[word] else "<i></i>" for k in range(3))
    return f'<span class="fx-strength"><span aria-hidden="true">{marks}</span> {word}</span>'
