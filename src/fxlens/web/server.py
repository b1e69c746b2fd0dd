"""A server process: binds its port before it loads anything, says when it is ready, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from fxlens.errors import UsageError
from fxlens.web.extra import require_extra
from fxlens.web.settings import ServeSettings

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder

_PATIENCE_SECONDS = 3
"""How long open connections may finish once the server is told to stop."""


def serve(settings: ServeSettings, ready: Callable[[str], None], load: Callable[[], FxEncoder] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; then cancel what runs and delete all uploads.

    Args:
        settings: where, what and how much.
        ready: called with the server's address once it answers.
        load: gets the model; as the settings say if not given.

    Raises:
        MissingExtraError: the extra ``web`` is not installed.
        UsageError: the port is taken, or there is no such address here.
        ModelUnavailableError, DataError, OutputError: as :func:`fxlens.web.app.create_app`.
    """
    require_extra(settings.page)
    import uvicorn

    from fxlens.web.app import create_app, service_of

    class Told(uvicorn.Server):
        """Says when it answers."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready(address_of(bound))

    with listening_socket(settings.host, settings.port) as bound:
        _share_cores(settings.jobs)
        app = create_app(settings, None if load is None else load())
        try:
            config = uvicorn.Config(
                app, log_level="warning", access_log=False, server_header=False, proxy_headers=False,
                timeout_graceful_shutdown=_PATIENCE_SECONDS,
            )  # fmt: skip
            Told(config).run(sockets=[bound])
        except KeyboardInterrupt:  # uvicorn passes on the signal that has stopped it
            pass
        finally:
            service_of(app).close()


def listening_socket(host: str, port: int) -> socket.socket:
    """Take a port.

    Raises:
        UsageError: it is taken, or there is no such address here.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise UsageError(f"{host}: there is no such address ({error.strerror}); use 127.0.0.1") from None
    bound = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
        bound.listen(128)  # without it, a second server could still bind the same port
    except OSError as error:
        bound.close()
        raise UsageError(_refused(host, port, error)) from None
    return bound


def address_of(bound: socket.socket) -> str:
    """How a browser on this machine reaches the server."""
    host, port = bound.getsockname()[:2]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}/"


def _refused(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken; stop what uses it, or choose another one with --port"
    if error.errno == errno.EACCES:
        return f"port {port} may not be used by this user; choose one above 1023 with --port"
    return f"{host}:{port} cannot be listened at ({error.strerror or error}); use --host 127.0.0.1"


def _share_cores(jobs: int) -> None:
    """Let requests that are worked on at once have a part of the cores each."""
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
