"""The interface over HTTP: forms with recordings in, JSON out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from fxlens.web import answers
from fxlens.web.api_forms import DESCRIBE, EMBED, MATCH, SEARCH, match_request, search_references, where
from fxlens.web.forms import Form, FormSpec
from fxlens.web.receiving import received
from fxlens.web.recordings import Recording
from fxlens.web.service import Service
from fxlens.web.workers import Workers

Result = TypeVar("Result")


def routes(service: Service) -> APIRouter:
    """All addresses under ``/v1`` but those of jobs and sounds."""
    router = APIRouter(prefix="/v1")

    @router.get("/health", tags=["server"], summary="Which model and index, and how busy")
    def health() -> dict[str, Any]:
        return service.health()

    @router.post("/embed", tags=["listening"], summary="Embed recordings", openapi_extra=EMBED.body())
    async def embed(request: Request) -> dict[str, Any]:
        """One embedding of the effects for each recording, or for each window of it (`pool=none`); with queries one
        for each instrument. Vectors have unit length: their dot product is the cosine."""

        def work(form: Form, sent: dict[str, list[Recording]]) -> dict[str, Any]:
            hop = form.number("hop_seconds", float, 0.0) or None
            audio = next(iter(sent.get("query_audio", ())), None)
            pool = "none" if form.text("pool") == "none" else "mean"
            return answers.embeddings(service.encoder, sent["file"], form.every("query"), audio, pool, hop)  # type: ignore[arg-type]

        return await _worked(service, request, EMBED, work)

    @router.post("/describe", tags=["listening"], summary="Describe effects", openapi_extra=DESCRIBE.body())
    async def describe(request: Request) -> dict[str, Any]:
        """Which effects can be heard, how surely, how strong and with which settings: on the whole recording, or on
        each instrument asked for."""

        def work(form: Form, sent: dict[str, list[Recording]]) -> dict[str, Any]:
            one, audio = sent["file"][0], next(iter(sent.get("query_audio", ())), None)
            queries = [None if query == "mix" else query for query in form.every("query")]
            found = answers.descriptions(service.encoder, service.heads, one, queries, audio)
            return {
                "model": service.encoder.model_id,
                "recording": one.as_dict(),
                "descriptions": [description.as_dict() for description in found],
            }

        def ready() -> None:
            service.listening.check_room()
            _ = service.heads

        return await _worked(service, request, DESCRIBE, work, ready)

    @router.post("/search", tags=["listening"], summary="Search the index", openapi_extra=SEARCH.body())
    async def search(request: Request) -> dict[str, Any]:
        """The recordings of the index that sound most like the references, each with the moment to listen to."""

        def ready() -> None:
            service.listening.check_room()
            _ = service.index

        def work(form: Form, sent: dict[str, list[Recording]]) -> dict[str, Any]:
            references = search_references(form, sent["file"])
            k = form.number("k", int, 10)
            hits = answers.hits(service.encoder, service.index, references, k, where(form))
            return answers.found(service.encoder, service.library, hits)

        return await _worked(service, request, SEARCH, work, ready)

    @router.post("/match", tags=["matching"], summary="Match a dry track", status_code=202, openapi_extra=MATCH.body())
    async def match(request: Request) -> Response:
        """Set a chain so that the dry track sounds processed like the references. Takes minutes: the answer is a job,
        to be asked for at `/v1/jobs/ID`."""
        ready = service.matching.check_room
        async with received(request, MATCH, service.storage, service.settings, ready) as (form, folder):
            sent = await waited(service.listening, lambda: _checked(service, form), request)
            wanted = match_request(form, sent)
            job = await run_in_threadpool(service.start_match, wanted, folder)
        return JSONResponse(job.as_dict(), 202, {"Location": f"/v1/jobs/{job.id}"})

    return router


async def _worked(
    service: Service,
    request: Request,
    spec: FormSpec,
    work: Callable[[Form, dict[str, list[Recording]]], dict[str, Any]],
    ready: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Receive a form, check its recordings and do the work, in a worker's thread."""
    ready = ready or service.listening.check_room
    async with received(request, spec, service.storage, service.settings, ready) as (form, _):
        return await waited(service.listening, lambda: work(form, _checked(service, form)), request)


def _checked(service: Service, form: Form) -> dict[str, list[Recording]]:
    """All recordings of a form; a preset is none."""
    sent = {name: files for name, files in form.files.items() if name != "preset"}
    return {name: [service.recording(upload) for upload in files] for name, files in sent.items()}


async def waited(workers: Workers, task: Callable[[], Result], request: Request) -> Result:
    """Have a task done, and give it up if the one who asked goes away before it begins.

    Raises:
        BusyError: too much waits already.
        ClientDisconnect: nobody is there any more.
    """
    future: Future[Result] = workers.submit(task)
    watched = asyncio.wrap_future(future)
    while not watched.done():
        await asyncio.wait({watched}, timeout=0.5)
        if not watched.done() and await request.is_disconnected():
            if not future.cancel():
                await asyncio.wait({watched})  # it reads the files, which are deleted after this
            raise ClientDisconnect
    return watched.result()
