"""The application: the interface, its description, and the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fxlens.errors import FxLensError
from fxlens.web.extra import require_extra
from fxlens.web.settings import ServeSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from fxlens.models.fx_encoder import FxEncoder
    from fxlens.web.service import Service

_ABOUT = """\
Hear what was done to a mix. Recordings are sent as forms (`multipart/form-data`); answers are JSON.

An error has a status and the body `{"error": {"type", "message", "next_step"}}`: 404 unknown, 413 too large or too
long, 415 not audio that can be decoded, 422 audio or values that cannot be used, 429 too much waits (try again later),
503 what the server was started with cannot do that, 507 no room. Uploads are deleted once they have been listened to,
those of a match once it has ended.
"""


def create_app(settings: ServeSettings | None = None, encoder: FxEncoder | None = None) -> FastAPI:
    """Make the ASGI application, for uvicorn or any other server.

    The model is loaded here. Uploads are deleted when the application's lifespan ends.

    Args:
        settings: limits, model, index; defaults where ``None``.
        encoder: a model that is loaded already.

    Raises:
        MissingExtraError: the extra ``web`` is not installed.
        ModelUnavailableError, DataError: no such model or index, or they do not fit each other.
        OutputError: uploads cannot be kept anywhere.
    """
    settings = settings or ServeSettings()
    require_extra(settings.page)
    from fastapi import FastAPI

    from fxlens import __version__
    from fxlens.web import api, api_page, api_results
    from fxlens.web.guard import Guard
    from fxlens.web.service import Service

    service = Service(settings, encoder)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.close()

    app = FastAPI(
        title="fxlens", version=__version__, description=_ABOUT, lifespan=lifespan,
        docs_url=None, redoc_url=None, openapi_url="/openapi.json",
    )  # fmt: skip
    app.state.service = service
    app.include_router(api.routes(service))
    app.include_router(api_results.routes(service))
    app.include_router(api_page.routes(app, settings.page))
    _answer_errors(app)
    app.add_middleware(Guard, names=_names(settings), check_room=service.storage.check_room)
    if settings.page:
        try:
            from fxlens.web.page import mounting

            mounting.mount(app, service)
        except BaseException:
            service.close()
            raise
    return app


def service_of(app: FastAPI) -> Service:
    """The parts behind an application, e.g. to look at its jobs."""
    return app.state.service


def _names(settings: ServeSettings) -> set[str]:
    """Host names that requests may be addressed to; empty for any."""
    from fxlens.web.guard import LOOPBACK_NAMES

    if settings.on_this_machine_only or settings.allow_hosts:
        return {*LOOPBACK_NAMES, settings.host.strip("[]"), *settings.allow_hosts}
    return set()


def _answer_errors(app: FastAPI) -> None:
    """Give every error the one shape."""
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect

    from fxlens.web.refusals import RETRY_SECONDS, body_of, problem, status_of

    def known(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, FxLensError)
        status = status_of(error)
        headers = {"Retry-After": str(RETRY_SECONDS)} if status in (429, 507) else None
        return JSONResponse(body_of(error), status, headers)

    def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        named = {404: ("UnknownError", "there is no such address"), 405: ("MethodError", "not by this method")}
        name, message = named.get(error.status_code, ("HttpError", str(error.detail)))
        body = problem(name, f"{request.method} {request.url.path}: {message}", "/docs lists what there is")
        return JSONResponse(body, error.status_code, error.headers)

    def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first: dict[str, Any] = dict(error.errors()[0])
        where = ".".join(str(part) for part in first.get("loc", ())[1:])
        return JSONResponse(problem("UsageError", f"{where}: {first.get('msg')}", "/docs says what it may be"), 422)

    def gone(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse(problem("ClientGoneError", "nobody waits for the answer", "send it again"), 499)

    def unforeseen(request: Request, error: Exception) -> JSONResponse:
        body = problem(
            "InternalError", "something failed that should not", "see what the server printed, and report it"
        )
        return JSONResponse(body, 500)

    app.add_exception_handler(FxLensError, known)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, unforeseen)
