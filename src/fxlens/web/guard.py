"""Who may ask: the page itself and programs, but no other web site that happens to be open in the same browser.

A foreign page can send forms to ``127.0.0.1``, and by rebinding a name of its own to that address it could even read
the answers. The first is seen by ``Origin``, the second by ``Host``. The headers of every answer keep the browser from
asking anybody else for anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fxlens.errors import FxLensError
from fxlens.web.refusals import ForeignRequestError, TooLargeError, body_of, status_of

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "frame-ancestors 'self'",
        "form-action 'self'",
        "base-uri 'self'",
    )
)
"""Content-Security-Policy: the page lives on what the server sends and on nothing else."""
_LONGEST_CALL_BYTES = 1_000_000


class Guard:
    """ASGI middleware in front of everything.

    Args:
        app: what is guarded.
        names: host names under which the server may be addressed; any if empty.
        check_room: raises where no more uploads may be kept; asked for those that others receive.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = (), check_room: Callable[[], None] | None = None) -> None:
        self.app, self.names, self.check_room = app, frozenset(name.lower() for name in names), check_room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on and mark the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]
        refused = (
            self._foreign(headers)
            or _fetching(path)
            or self._too_full(path)
            or _overlong(scope["method"], headers, path)
        )

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                _mark(MutableHeaders(raw=message["headers"]), scope["path"])
            await send(message)

        if refused is None:
            await self.app(scope, receive, marked)
            return
        body = json.dumps(body_of(refused)).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await marked({"type": "http.response.start", "status": status_of(refused), "headers": head})
        await send({"type": "http.response.body", "body": body})

    def _too_full(self, path: str) -> FxLensError | None:
        """Whether an upload to the page would be one too many."""
        if self.check_room is not None and path.endswith("/gradio_api/upload"):
            try:
                self.check_room()
            except FxLensError as error:
                return error
        return None

    def _foreign(self, headers: Headers) -> FxLensError | None:
        host = headers.get("host", "")
        name = _name(f"//{host}")
        if self.names and name not in self.names:
            return ForeignRequestError(
                f"{host or 'a request without Host'}: not a name of this server; use --allow-host"
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return ForeignRequestError(f"a page of {origin} may not use this server; open the server's own page")
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return ForeignRequestError("a page of another site may not use this server; open the server's own page")
        return None


def _fetching(path: str) -> FxLensError | None:
    """Gradio would fetch for a visitor what lies on other servers: that, too, would be an outside request."""
    if "/proxy=" in path or any(f"/file={scheme}" in path.lower() for scheme in ("http:", "https:")):
        return ForeignRequestError("this server fetches nothing from elsewhere; send the file itself")
    return None


def _overlong(method: str, headers: Headers, path: str) -> FxLensError | None:
    """Gradio reads what the page asks for into memory, however long it is; a few texts are short."""
    if method != "POST" or not path.startswith("/page/") or path.endswith("/gradio_api/upload"):
        return None
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) <= _LONGEST_CALL_BYTES:
        return None
    return TooLargeError("a call of the page is of unknown or unreasonable length; drop recordings on the page instead")


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:  # a bracket that does not close
        return ""


def _mark(headers: MutableHeaders, path: str) -> None:
    headers["Content-Security-Policy"] = POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if path.startswith("/v1/"):
        headers.setdefault("Cache-Control", "no-store")
