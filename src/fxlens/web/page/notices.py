"""Short messages on the page: what is wrong and what to do, what is going on, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from fxlens.errors import FxLensError
from fxlens.web.refusals import body_of


def refused(error: FxLensError) -> str:
    """An error, for people: what is wrong, then what to do."""
    return told(body_of(error)["error"])


def told(error: Mapping[str, str]) -> str:
    """An error as the interface tells it."""
    return (
        f'<div class="fx-notice fx-refused" role="alert"><strong>{_sentence(error["message"])}</strong>'
        f"<p>{_sentence(error['next_step'])}</p></div>"
    )


def missing(what: str) -> str:
    """Something that has to be given first."""
    return f'<div class="fx-notice" role="status">{escape(what)}</div>'


def busy(what: str) -> str:
    """Something is going on."""
    return f'<div class="fx-notice fx-busy" role="status"><span class="fx-spinner"></span>{escape(what)} …</div>'


def notes(name: str, texts: Sequence[str]) -> str:
    """What limits what can be said about a recording; nothing where there is nothing to say."""
    return "".join(f'<p class="fx-note">{escape(name)}: {escape(text)}.</p>' for text in texts)


def _sentence(text: str) -> str:
    """A message as a sentence; what begins with a name in small letters keeps them."""
    return escape(text.strip().rstrip(".")) + "."
