"""Two recordings side by side: how alike they sound, and in which effects they differ."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from fxlens.describing.wording import label_of
from fxlens.web.page.findings_drawing import ABSENT, THERE, bar, settings_words, title_of

if TYPE_CHECKING:
    from fxlens.describing import Description, Finding

_CLEARLY_STRONGER = 1.0 / 3.0


def comparison_card(
    query: str | None, similarity: float, found: tuple[Description, Description] | None, why_not: str = ""
) -> str:
    """One instrument, or the whole, in both recordings.

    Args:
        query: the instrument.
        similarity: cosine of the embeddings.
        found: what is on A and on B; None where nothing can be said.
        why_not: then, why; HTML.
    """
    title = escape(title_of(query))
    table = why_not if found is None else _table(*found)
    inside = f"<h3>{title}</h3>{gauge(similarity)}{table}"
    return f'<section class="fx-card" aria-label="Comparison: {title}">{inside}</section>'


def gauge(similarity: float) -> str:
    """A cosine on a scale from -1, opposite, to 1, the same."""
    share = 50.0 * (1.0 + min(max(similarity, -1.0), 1.0))
    return (
        f'<div class="fx-gauge"><span>Similarity of the embeddings <strong>{similarity:.2f}</strong></span>'
        f'<div class="fx-scale" aria-hidden="true"><i style="left:{share:.1f}%"></i></div>'
        f'<div class="fx-ends" aria-hidden="true"><span>−1</span><span>0</span><span>1: the same effects</span></div>'
        "</div>"
    )


def difference(one: Finding, other: Finding) -> str:
    """In which way two recordings differ in one effect, in words."""
    verdicts = {one.verdict, other.verdict}
    if verdicts <= THERE:
        gap = (other.strength or 0.0) - (one.strength or 0.0)
        known = one.strength is not None and other.strength is not None
        if known and abs(gap) > _CLEARLY_STRONGER:
            return "stronger in B" if gap > 0 else "stronger in A"
        return "in both"
    if verdicts <= ABSENT:
        return "in neither"
    if "not sure" in verdicts:
        return "not sure"
    return "only in A" if one.verdict in THERE else "only in B"


def _table(one: Description, other: Description) -> str:
    ranked = sorted(one.effects, key=lambda e: -abs(one.finding(e).probability - other.finding(e).probability))
    rows = "".join(_row(effect, one.finding(effect), other.finding(effect)) for effect in ranked)
    return (
        '<div class="fx-scroll"><table class="fx-compare"><thead><tr><th scope="col">A</th><th scope="col">Effect</th>'
        f'<th scope="col">B</th><th scope="col">Difference</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _row(effect: str, one: Finding, other: Finding) -> str:
    told = difference(one, other)
    mark = " fx-differs" if told.startswith(("only", "stronger")) else ""
    return (
        f'<tr><td class="fx-a">{bar(one.probability, one.verdict, "left")}{_settings(one)}</td>'
        f'<th scope="row">{escape(label_of(effect))}</th>'
        f'<td class="fx-b">{bar(other.probability, other.verdict)}{_settings(other)}</td>'
        f'<td><span class="fx-difference{mark}">{told}</span></td></tr>'
    )


def _settings(finding: Finding) -> str:
    words = settings_words(finding)
    return f'<small class="fx-settings">{escape(words)}</small>' if words else ""
