"""The tab that searches the index by sound."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from fxlens.errors import FxLensError
from fxlens.index.conditions import moment_seconds
from fxlens.web import answers
from fxlens.web.answers import SearchReference
from fxlens.web.api_forms import conditions
from fxlens.web.page import controls, notices
from fxlens.web.page.hits_drawing import hits_list
from fxlens.web.page.visits import Visits
from fxlens.web.service import Service

_NO_INDEX = (
    "This server was started without an index. Make one with <code>fxlens index add library/ music/</code>, then start "
    "<code>fxlens serve --index library/</code>."
)


def build(service: Service, visits: Visits) -> None:
    """Add the tab's components to the page that is being built."""
    if not service.has_index:
        gr.HTML(f'<div class="fx-notice" role="status">{_NO_INDEX}</div>', elem_id="search-result")
        return
    counts = service.index.info()
    gr.Markdown(f"Find what sounds processed alike among {counts['recordings']} recordings, whatever music they hold.")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=280):
            audio = controls.recording_input("Reference")
            query = controls.instrument_input()
            at = gr.Textbox(label="Only the moment at", placeholder="1:12", max_lines=1)
            count = gr.Slider(1, 50, 10, step=1, label="Recordings wanted")
            with gr.Accordion("More: a second reference, conditions", open=False):
                second = controls.recording_input("Second reference")
                weight = gr.Slider(-1.0, 1.0, 1.0, step=0.1, label="Its weight (below 0: away from it)")
                where = gr.Textbox(label="Conditions, one a line", placeholder="genre=jazz", lines=2)
            start = gr.Button("Search", variant="primary", elem_id="search-start")
        with gr.Column(scale=2, min_width=280):
            result = gr.HTML(notices.missing("What is found comes here."), elem_id="search-result")

    def search(
        path: str | None, chosen: str, moment: str, k: int, other: str | None, share: float, conditions_: str,
        request: gr.Request,
    ) -> Iterator[str]:  # fmt: skip
        if not path:
            yield notices.missing("Drop a reference first.")
            return
        uploads = [visits.upload(request.session_hash, one) for one in (path, other) if one]
        try:
            at_seconds = moment_seconds(moment) if moment and moment.strip() else None
            wanted = conditions([line for line in (conditions_ or "").splitlines() if line.strip()])
            yield notices.busy("Searching")

            def work() -> str:
                named = controls.query_of(chosen)
                references = [
                    SearchReference(service.recording(upload), named, weight, moment)
                    for upload, weight, moment in zip(uploads, (1.0, share), (at_seconds, None), strict=False)
                ]
                hits = answers.hits(service.encoder, service.index, references, int(k), wanted)
                return hits_list(hits, service.library)

            yield service.listening.submit(work).result()
        except FxLensError as error:
            yield notices.refused(error)

    inputs = [audio, query, at, count, second, weight, where]
    start.click(search, inputs, result, **controls.quietly())
