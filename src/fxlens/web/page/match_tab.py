"""The tab that matches a dry track to a reference."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import gradio as gr

from fxlens.errors import FxLensError, UsageError
from fxlens.matching.chain_parts import MIX_CHAIN, chain_of, free_settings
from fxlens.matching.match import DEFAULT
from fxlens.web.forms import Upload
from fxlens.web.match_job import ENDED, MatchJob, MatchRequest
from fxlens.web.page import controls, notices
from fxlens.web.page.match_drawing import outcome, progress
from fxlens.web.page.visits import Visits
from fxlens.web.recordings import Recording
from fxlens.web.service import Service

_EFFORTS = {
    "quick": replace(DEFAULT, steps=40, restarts=1),
    "normal": replace(DEFAULT, steps=120, restarts=2),
    "thorough": DEFAULT,
}
_LEVELS = {"as loud as the dry track": "dry", "as loud as the reference": "reference"}
_LOOK_SECONDS = 0.4


def build(service: Service, visits: Visits) -> None:
    """Add the tab's components to the page that is being built."""
    gr.Markdown("Drop a dry track and a reference: a chain of effects is set until the track sounds processed like it.")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=280):
            dry = controls.recording_input("Dry track")
            reference = controls.recording_input("Reference")
            query = controls.instrument_input("Instrument meant in the reference")
            amount = gr.Slider(0.0, 1.0, 1.0, step=0.05, label="Amount of the effects")
            effort = gr.Radio(list(_EFFORTS), value="normal", label="Search")
            with gr.Accordion("More: effects, locks, level", open=False):
                effects = gr.CheckboxGroup(
                    [(name.replace("_", " "), name) for name in MIX_CHAIN], value=list(MIX_CHAIN), label="Effects"
                )
                locks = gr.Textbox(label="Keep as they are", placeholder="reverb, delay.time_ms", max_lines=1)
                level = gr.Radio(list(_LEVELS), value=next(iter(_LEVELS)), label="Loudness of the result")
            with gr.Row():
                start = gr.Button("Match", variant="primary", elem_id="match-start")
                stop = gr.Button("Cancel", elem_id="match-cancel")
        with gr.Column(scale=2, min_width=280):
            status = gr.HTML(notices.missing("The result comes here."), elem_id="match-result")
            with gr.Accordion("Settings", open=True, visible=False) as sheet_part:
                sheet = gr.Markdown(elem_id="match-sheet")

    def match(
        dry_path: str | None, reference_path: str | None, chosen: str, share: float, how: str, names: list[str],
        held: str, loud: str, request: gr.Request,
    ) -> Iterator[tuple[object, object, object]]:  # fmt: skip
        if not dry_path or not reference_path:
            yield notices.missing("Drop a dry track and a reference first."), gr.skip(), gr.skip()
            return
        session = request.session_hash
        uploads = [visits.upload(session, path) for path in (dry_path, reference_path)]
        try:
            yield notices.busy("Looking at the recordings"), gr.update(visible=False), ""
            wanted = _request(service, uploads, controls.query_of(chosen), share, how, names, held, loud)
            job = service.start_match(wanted, None)
            visits.started(session, job.id)
            for shown in _watched(service, job):
                yield shown, gr.skip(), gr.skip()
            text = job.file("sheet.md")
            told = "" if text is None else text.read_text(encoding="utf-8")
            yield _ended(job), gr.update(visible=bool(told)), told
        except FxLensError as error:
            yield notices.refused(error), gr.update(visible=False), ""

    def cancel(request: gr.Request) -> None:
        job = visits.job(request.session_hash)
        if job is not None:
            service.jobs.remove(job)

    inputs = [dry, reference, query, amount, effort, effects, locks, level]
    start.click(match, inputs, [status, sheet_part, sheet], **controls.quietly())
    stop.click(cancel, None, None, **controls.quietly())


def _request(
    service: Service, uploads: Sequence[Upload], query: str | None, amount: float, effort: str, names: Sequence[str],
    held: str, loud: str,
) -> MatchRequest:  # fmt: skip
    """What is wanted, checked: here nobody has to wait for it."""
    if not names:
        raise UsageError("a match needs at least one effect; choose some under More")
    locks = tuple(lock.strip() for lock in (held or "").split(",") if lock.strip())
    free_settings(chain_of(names), locks, DEFAULT.ranges)

    def look() -> list[Recording]:
        return [service.recording(upload) for upload in uploads]

    dry, reference = service.listening.submit(look).result()
    return MatchRequest(
        dry, [reference], query=query, chain=[name for name in MIX_CHAIN if name in names], locks=locks,
        amount=float(amount), level="reference" if _LEVELS[loud] == "reference" else "dry", settings=_EFFORTS[effort],
    )  # fmt: skip


def _watched(service: Service, job: MatchJob) -> Iterator[str]:
    """The progress, whenever it has changed, until the end."""
    last = ""
    while job.state not in ENDED:
        shown = progress(job, service.jobs.before(job))
        if shown != last:
            last = shown
            yield shown
        time.sleep(_LOOK_SECONDS)


def _ended(job: MatchJob) -> str:
    if job.state == "done":
        return outcome(job)
    if job.error is not None:
        return notices.told(job.error)
    return notices.missing("Cancelled.")
