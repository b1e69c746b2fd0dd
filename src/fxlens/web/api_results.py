"""What can be fetched over HTTP: jobs, the files of their results, and the sound of what a search has found."""

from __future__ import annotations

import mimetypes
from typing import Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, Response

from fxlens.web.library import LONGEST_EXCERPT_SECONDS, excerpt
from fxlens.web.refusals import NotReadyError, UnknownError
from fxlens.web.service import Service

_TEXT = {".md": "text/markdown; charset=utf-8", ".py": "text/plain; charset=utf-8", ".txt": "text/plain; charset=utf-8"}


def routes(service: Service) -> APIRouter:
    """Addresses of jobs and sounds."""
    router = APIRouter(prefix="/v1")

    @router.get("/jobs/{id}", tags=["matching"], summary="Where a match stands")
    def job(id: str) -> dict[str, Any]:
        """State (waiting, running, done, failed, cancelled), steps, loss and seconds left; in the end the result:
        figures, settings, and the addresses of its files."""
        found = service.job(id)
        return {**found.as_dict(), "jobs_before": service.jobs.before(found)}

    @router.get("/jobs/{id}/files/{name}", tags=["matching"], summary="A file of a match", response_class=FileResponse)
    def file(id: str, name: str, download: bool = False) -> FileResponse:
        """`match.wav`, `preset.json`, `report.json`, exports of the preset, and copies at one loudness to compare."""
        found = service.job(id)
        path = found.file(name)
        if path is None:
            if found.state != "done":
                raise NotReadyError(f"the match is {found.state}; ask for its files once it is done")
            raise UnknownError(f"the match has no file {name[:40]!r}; its result lists them")
        kind = _TEXT.get(path.suffix) or mimetypes.guess_type(path.name)[0]
        return FileResponse(path, media_type=kind, filename=path.name if download else None)

    @router.delete("/jobs/{id}", tags=["matching"], summary="Cancel a match, and forget it", status_code=204)
    def cancel(id: str) -> Response:
        """Ends it at the next step, and deletes its files."""
        if not service.jobs.remove(id):
            service.job(id)
        return Response(status_code=204)

    @router.get("/recordings/{token}", tags=["listening"], summary="The sound of a hit", response_class=FileResponse)
    def sound(
        token: str,
        start: float | None = Query(None, ge=0.0, description="an excerpt from here on, in seconds, as wav"),
        seconds: float = Query(30.0, gt=0.0, le=LONGEST_EXCERPT_SECONDS, description="length of the excerpt"),
    ) -> Response:
        """The file itself, or an excerpt of it as wav. Only what a search of this server has named."""
        path = service.library.path(token)
        if start is None:
            return FileResponse(path)
        return Response(excerpt(path, start, seconds, service.storage.folder), media_type="audio/wav")

    return router
