"""What several tabs ask for: a recording, and the instruments in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

WHOLE = "whole mix"
_CHOICES = (
    WHOLE, "vocals", "drums", "bass", "electric guitar", "acoustic guitar", "piano", "synth", "strings", "brass",
)  # fmt: skip


def recording_input(label: str) -> gr.Audio:
    """A place to drop a recording, which then can be played."""
    return gr.Audio(label=label, sources=["upload"], type="filepath", editable=False, buttons=[])


def instruments_input() -> tuple[gr.CheckboxGroup, gr.Textbox]:
    """Which instruments are meant: the usual ones, and any other by name."""
    chosen = gr.CheckboxGroup(list(_CHOICES), value=[WHOLE], label="Listen to")
    others = gr.Textbox(label="Other instruments", placeholder="saxophone, rhodes", max_lines=1)
    return chosen, others


def instrument_input(label: str = "Instrument meant") -> gr.Dropdown:
    """One instrument, or the whole."""
    return gr.Dropdown(list(_CHOICES), value=WHOLE, label=label, allow_custom_value=True, filterable=True)


def queries_of(chosen: Sequence[str] | None, others: str | None) -> list[str | None]:
    """The queries meant, each once; None is the whole.

    >>> queries_of(["whole mix", "vocals"], "Rhodes, vocals")
    [None, 'vocals', 'Rhodes']
    """
    named: list[str | None] = [None if name == WHOLE else name for name in chosen or ()]
    named += [name.strip() for name in (others or "").split(",") if name.strip()]
    return list(dict.fromkeys(named))


def query_of(chosen: str | None) -> str | None:
    """The one query meant; None is the whole."""
    name = (chosen or "").strip()
    return None if name in ("", WHOLE) else name


def quietly() -> dict[str, Any]:
    """How events are set up: not offered to programs, which have the interface; as many at once as come."""
    return {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
