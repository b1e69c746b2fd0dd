"""How a server is set up, and what it refuses."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from pathlib import Path

from fxlens.errors import UsageError


@dataclass(frozen=True)
class ServeSettings:
    """A server.

    Args:
        model: folder, name or Hub name, see :meth:`fxlens.models.fx_encoder.FxEncoder.from_pretrained`; ``None`` takes
            the one that the index was built with, or else the shipped one.
        device: where the model runs.
        index: folder of the index that is searched; without it there is no search.
        host: address to listen at.
        port: TCP port; 0 takes a free one.
        max_upload_mb: largest file that is taken, in 10^6 bytes.
        max_minutes: longest recording that is taken.
        max_files: most files in one request.
        jobs: requests that are worked on at once, and as many matches beside them.
        waiting: requests that may wait, and as many matches; more are refused.
        keep_minutes: how long the result of a match, and what was dropped on the page, are kept.
        page: serve the page; without it the interface alone.
        folder: where uploads lie meanwhile; a folder of the system's for temporary files if not given.
        allow_hosts: names besides its own under which the server may be addressed, e.g. behind a proxy. Any name is
            allowed where it listens beyond this machine and none is given.

    Raises:
        UsageError: a limit that allows nothing, or a port that there cannot be.
    """

    model: str | None = None
    device: str = "cpu"
    index: Path | None = None
    host: str = "127.0.0.1"
    port: int = 7860
    max_upload_mb: float = 200.0
    max_minutes: float = 15.0
    max_files: int = 8
    jobs: int = 2
    waiting: int = 8
    keep_minutes: float = 30.0
    page: bool = True
    folder: Path | None = None
    allow_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("max_upload_mb", "max_minutes", "keep_minutes"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0.0:
                raise UsageError(f"{name} must be above 0, not {value!r}")
        for name in ("max_files", "jobs"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.waiting < 0:
            raise UsageError(f"waiting cannot be negative, as {self.waiting} is")
        if not 0 <= self.port <= 65_535:
            raise UsageError(f"a port is a number from 1 to 65535 (0: any free one), not {self.port}")

    @property
    def max_upload_bytes(self) -> int:
        """Largest file that is taken."""
        return round(self.max_upload_mb * 1e6)

    @property
    def max_request_bytes(self) -> int:
        """Largest body: all files at their limit, and room for the fields."""
        return self.max_files * self.max_upload_bytes + 1_000_000

    @property
    def max_stored_bytes(self) -> int:
        """All that may lie in the server's folder at once: every request at work or waiting with two full files."""
        return 2 * max(2 * (self.jobs + self.waiting), self.max_files) * self.max_upload_bytes

    @property
    def max_seconds(self) -> float:
        """Longest recording that is taken."""
        return 60.0 * self.max_minutes

    @property
    def on_this_machine_only(self) -> bool:
        """Whether nobody else can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False
