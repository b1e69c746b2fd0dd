"""What a search has found: recordings, each with a player that begins where it sounds most alike."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import PurePath
from typing import TYPE_CHECKING

from fxlens.index.conditions import moment_text
from fxlens.web.library import Library, played_by_browsers

if TYPE_CHECKING:
    from fxlens.index.ranking import Hit, Moment

_EXCERPT_SECONDS = 30


def hits_list(hits: Sequence[Hit], library: Library) -> str:
    """The hits in order, or that there are none."""
    if not hits:
        return (
            '<div class="fx-notice" role="status">Nothing was found: no recording meets the conditions, or none has '
            "all the instruments.</div>"
        )
    items = "".join(_item(place, hit, library) for place, hit in enumerate(hits, start=1))
    return f'<ol class="fx-hits" aria-label="Recordings found">{items}</ol>'


def _item(place: int, hit: Hit, library: Library) -> str:
    players = "".join(_player(hit, moment, library) for moment in hit.moments)
    share = 100.0 * min(max(hit.similarity, 0.0), 1.0)
    return (
        f'<li class="fx-card fx-hit"><div class="fx-hit-head"><span class="fx-place">{place}</span>'
        f"<div><strong>{escape(hit.song or PurePath(hit.path).name)}</strong>"
        f'<small class="fx-path">{escape(hit.path)}</small>{_tags(hit)}</div>'
        f'<div class="fx-cosine"><span>cosine {hit.similarity:.3f}</span>'
        f'<div class="fx-bar" aria-hidden="true"><span class="fx-yes" style="width:{share:.1f}%"></span></div></div>'
        "</div>"
        f"{players}</li>"
    )


def _player(hit: Hit, moment: Moment, library: Library) -> str:
    at = moment_text(moment.start)
    what = f"{moment.query}, from {at}" if moment.query else f"from {at}"
    address = library.address(hit.path)
    if played_by_browsers(hit.path):
        address += f"#t={moment.start:.2f}"
    else:
        address += f"?start={moment.start:.2f}&seconds={_EXCERPT_SECONDS}"
    label = escape(f"{hit.song or PurePath(hit.path).name}, {what}")
    return (
        f'<div class="fx-listen"><span>{escape(what)}</span>'
        f'<audio controls preload="none" src="{escape(address)}" aria-label="{label}"></audio></div>'
    )


def _tags(hit: Hit) -> str:
    told = " · ".join(f"{key}: {value}" for key, value in hit.tags.items() if key != "title")
    return f'<small class="fx-tags">{escape(told)}</small>' if told else ""
