"""What every visitor of the page has dropped and asked for, so that it goes when they go."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from fxlens.web.forms import Upload
from fxlens.web.match_job import JobTable


@dataclass
class Visit:
    """One open page."""

    files: set[Path] = field(default_factory=set)
    jobs: list[str] = field(default_factory=list)


class Visits:
    """All open pages.

    Args:
        jobs: the server's jobs.
        folder: where dropped files lie; nothing outside it is ever deleted.
    """

    def __init__(self, jobs: JobTable, folder: Path) -> None:
        self._jobs, self._folder = jobs, folder.resolve()
        self._open: dict[str, Visit] = {}
        self._turn = threading.Lock()

    def upload(self, session: str | None, path: str) -> Upload:
        """A dropped file, kept as long as a page that uses it is open."""
        place = Path(path)
        with self._turn:
            self._open.setdefault(session or "", Visit()).files.add(place)
        return Upload(place, place.name)

    def started(self, session: str | None, job: str) -> None:
        """A visitor has asked for a match; the one before is wanted no more."""
        with self._turn:
            visit = self._open.setdefault(session or "", Visit())
            old, visit.jobs = visit.jobs, [job]
        for id in old:
            self._jobs.remove(id)

    def job(self, session: str | None) -> str | None:
        """The visitor's match."""
        with self._turn:
            jobs = self._open.get(session or "", Visit()).jobs
        return jobs[-1] if jobs else None

    def ended(self, session: str | None) -> None:
        """A page was closed: cancel its match, and delete what no other page uses."""
        with self._turn:
            visit = self._open.pop(session or "", Visit())
            used = {path for other in self._open.values() for path in other.files}
        for id in visit.jobs:
            self._jobs.remove(id)
        for path in visit.files - used:
            if self._folder in path.resolve().parents:
                path.unlink(missing_ok=True)
