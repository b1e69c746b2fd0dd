"""The parts of a running server: a model, perhaps an index, a folder for uploads, workers and jobs."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxlens.web.forms import Upload
from fxlens.web.library import Library
from fxlens.web.match_job import JobTable, MatchJob, MatchRequest
from fxlens.web.recordings import Recording, recording
from fxlens.web.refusals import NoIndexError, UnknownError
from fxlens.web.settings import ServeSettings
from fxlens.web.storage import Storage
from fxlens.web.workers import Workers

if TYPE_CHECKING:
    from fxlens.describing.head_files import DescribingHeads
    from fxlens.index.fx_index import FxIndex
    from fxlens.models.fx_encoder import FxEncoder

_SWEEP_SECONDS = 20.0


class Service:
    """What all requests share. Close it at the end.

    Args:
        settings: the limits, and which model and index.
        encoder: the model; loaded as the settings say if not given.

    Attributes:
        listening: workers for what takes seconds.
        matching: workers for matches.

    Raises:
        ModelUnavailableError: no such model, or not the one the index was built with.
        DataError: no such index.
        OutputError: uploads cannot be kept anywhere.
    """

    def __init__(self, settings: ServeSettings, encoder: FxEncoder | None = None) -> None:
        self.settings = settings
        self._index = _opened(settings.index)
        self._place = settings.model if settings.model is not None or self._index is None else self._index.model
        self.encoder = encoder or _loaded(self._place, settings.device)
        if self._index is not None:
            self._index.check(self.encoder)
        self.storage = Storage(settings.folder, settings.max_stored_bytes)
        self.listening = Workers(settings.jobs, settings.waiting, "fxlens-listen")
        self.matching = Workers(settings.jobs, settings.waiting, "fxlens-match")
        self.jobs = JobTable(60.0 * settings.keep_minutes)
        self.library = Library()
        self._closed = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="fxlens-sweep", daemon=True)
        self._sweeper.start()

    @property
    def index(self) -> FxIndex:
        """The index.

        Raises:
            NoIndexError: the server was started without one.
        """
        if self._index is None:
            raise NoIndexError("this server has no index to search; start it with: fxlens serve --index FOLDER")
        return self._index

    @cached_property
    def heads(self) -> DescribingHeads:
        """What the model needs to describe.

        Raises:
            ModelUnavailableError: it has none.
        """
        from fxlens.describing.head_files import load_heads
        from fxlens.models.checkpoint import locate

        return load_heads(locate(self._place), self.encoder.model_id)

    @property
    def has_index(self) -> bool:
        """Whether there is something to search."""
        return self._index is not None

    def recording(self, upload: Upload) -> Recording:
        """Check an upload, see :func:`fxlens.web.recordings.recording`."""
        return recording(upload, self.settings.max_seconds)

    def start_match(self, request: MatchRequest, uploads: Path | None) -> MatchJob:
        """Have a track matched.

        Args:
            request: what is wanted.
            uploads: folder with its files, which is moved away and deleted after the work; None where they are kept
                by somebody else.

        Raises:
            BusyError: too many matches wait.
        """
        folder = self.storage.new_folder()
        try:
            if uploads is not None:
                request = _moved(request, uploads, folder / "uploads")
            job = MatchJob(request, folder)
            self.jobs.add(job)
            try:
                self.matching.submit(lambda: job.run(self.encoder))
            except BaseException:
                self.jobs.remove(job.id)
                raise
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return job

    def job(self, id: str) -> MatchJob:
        """A match that was asked for.

        Raises:
            UnknownError: there is none of that id, or no more.
        """
        job = self.jobs.get(id)
        if job is None:
            raise UnknownError(f"there is no job {id[:40]!r}; jobs are kept for {self.settings.keep_minutes:g} minutes")
        return job

    def health(self) -> dict[str, Any]:
        """What the server is and how busy."""
        from fxlens import __version__

        return {
            "status": "ok",
            "fxlens": __version__,
            "model": self.encoder.model_id,
            "window_seconds": self.encoder.config.window_seconds,
            "index": None if self._index is None else self._index.info(),
            "limits": {
                "max_upload_mb": self.settings.max_upload_mb,
                "max_minutes": self.settings.max_minutes,
                "max_files": self.settings.max_files,
            },
            "at_work_or_waiting": {"requests": self.listening.held, "matches": self.matching.held},
        }

    def close(self) -> None:
        """Cancel what runs, delete all files."""
        if self._closed.is_set():
            return
        self._closed.set()
        self.jobs.close()
        self.listening.close()
        self.matching.close()
        self._sweeper.join()
        if self._index is not None:
            self._index.close()
        self.storage.close()

    def _sweep(self) -> None:
        while not self._closed.wait(_SWEEP_SECONDS):
            self.jobs.forget_old()
            self.storage.sweep_page(60.0 * self.settings.keep_minutes)


def _opened(folder: Path | None) -> FxIndex | None:
    if folder is None:
        return None
    from fxlens.index.fx_index import FxIndex

    return FxIndex.open(folder)


def _loaded(place: str | None, device: str) -> FxEncoder:
    from fxlens.models.fx_encoder import FxEncoder

    return FxEncoder.from_pretrained(place, device=device)


def _moved(request: MatchRequest, uploads: Path, to: Path) -> MatchRequest:
    """The request with its files in another folder."""
    uploads.rename(to)

    def there(one: Recording) -> Recording:
        return replace(one, path=to / one.path.name)

    audio = request.query_audio
    return replace(
        request,
        dry=there(request.dry),
        references=[there(one) for one in request.references],
        query_audio=None if audio is None else there(audio),
    )
