"""The tab that describes: which effects can be heard, on the whole mix and on each instrument."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from urllib.parse import quote

import gradio as gr

from fxlens.errors import FxLensError
from fxlens.web import answers
from fxlens.web.forms import Upload
from fxlens.web.page import controls, notices
from fxlens.web.page.findings_drawing import description_card, title_of
from fxlens.web.page.visits import Visits
from fxlens.web.service import Service

_PLAYER = "fx-described"


def build(service: Service, visits: Visits, mount_path: str) -> None:
    """Add the tab's components to the page that is being built."""
    gr.Markdown("Drop a mix, choose what to listen to, and read which effects can be heard on it.")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=280):
            audio = controls.recording_input("Recording to describe")
            chosen, others = controls.instruments_input()
            start = gr.Button("Describe", variant="primary", elem_id="describe-start")
        with gr.Column(scale=2, min_width=280):
            result = gr.HTML(notices.missing("The description comes here."), elem_id="describe-result")

    def describe(path: str | None, instruments: list[str], more: str, request: gr.Request) -> Iterator[str]:
        queries = controls.queries_of(instruments, more)
        if not path:
            yield notices.missing("Drop a recording first.")
            return
        if not queries:
            yield notices.missing("Choose the whole mix or an instrument first.")
            return
        upload = visits.upload(request.session_hash, path)
        yield from _cards(service, upload, queries, f"{mount_path}/gradio_api/file={quote(path)}")

    start.click(describe, [audio, chosen, others], result, **controls.quietly())


def _cards(service: Service, upload: Upload, queries: list[str | None], address: str) -> Iterator[str]:
    """What is shown while it listens, and then."""
    done = ""
    try:
        recording = service.listening.submit(lambda: service.recording(upload)).result()
        done = (
            f'<div class="fx-listen"><span>{escape(recording.name)}</span><audio id="{_PLAYER}" controls '
            f'preload="metadata" src="{escape(address)}" aria-label="{escape(recording.name)}"></audio></div>'
            + notices.notes(recording.name, recording.notes)
        )
        yield done + notices.busy(f"Listening to {', '.join(title_of(query).lower() for query in queries)}")
        found = service.listening.submit(
            lambda: answers.descriptions(service.encoder, service.heads, recording, queries)
        ).result()
        yield done + "".join(description_card(one, recording.seconds, _PLAYER) for one in found)
    except FxLensError as error:
        yield done + notices.refused(error)
