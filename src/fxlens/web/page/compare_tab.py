"""The tab that compares two mixes: how alike they sound, and in which effects they differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import gradio as gr

from fxlens.errors import FxLensError, ModelUnavailableError
from fxlens.web import answers
from fxlens.web.page import controls, notices
from fxlens.web.page.comparison_drawing import comparison_card
from fxlens.web.page.findings_drawing import title_of
from fxlens.web.page.visits import Visits
from fxlens.web.recordings import Recording
from fxlens.web.service import Service

if TYPE_CHECKING:
    from fxlens.describing import Description


def build(service: Service, visits: Visits) -> None:
    """Add the tab's components to the page that is being built."""
    gr.Markdown("Drop two mixes, and read in which effects they differ, instrument by instrument.")
    with gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            first = controls.recording_input("Recording A")
        with gr.Column(min_width=280):
            second = controls.recording_input("Recording B")
    chosen, others = controls.instruments_input()
    start = gr.Button("Compare", variant="primary", elem_id="compare-start")
    result = gr.HTML(notices.missing("The comparison comes here."), elem_id="compare-result")

    def compare(
        one: str | None, other: str | None, instruments: list[str], more: str, request: gr.Request
    ) -> Iterator[str]:
        queries = controls.queries_of(instruments, more)
        if not one or not other:
            yield notices.missing("Drop two recordings first.")
            return
        if not queries:
            yield notices.missing("Choose the whole mix or an instrument first.")
            return
        uploads = [visits.upload(request.session_hash, path) for path in (one, other)]
        try:
            yield notices.busy("Listening to both recordings")
            a, b = (service.listening.submit(lambda u=u: service.recording(u)).result() for u in uploads)  # type: ignore[misc]
            yield from _cards(service, a, b, queries)
        except FxLensError as error:
            yield notices.refused(error)

    start.click(compare, [first, second, chosen, others], result, **controls.quietly())


def _cards(service: Service, one: Recording, other: Recording, queries: list[str | None]) -> Iterator[str]:
    """What is shown while it listens, and then. How alike two recordings are can be told without describing them."""
    done = notices.notes(f"A, {one.name}", one.notes) + notices.notes(f"B, {other.name}", other.notes)

    def listen() -> tuple[list[tuple[str | None, float]], list[tuple[Description, Description]], str]:
        pairs = answers.similarities(service.encoder, one, other, queries)
        try:
            found = [answers.descriptions(service.encoder, service.heads, r, queries) for r in (one, other)]
        except ModelUnavailableError as error:
            return pairs, [], notices.refused(error)
        return pairs, list(zip(*found, strict=True)), ""

    yield done + notices.busy(f"Comparing {', '.join(title_of(query).lower() for query in queries)}")
    pairs, found, why_not = service.listening.submit(listen).result()
    for k, (query, similarity) in enumerate(pairs):
        done += comparison_card(query, similarity, found[k] if found else None, why_not)
    yield done
