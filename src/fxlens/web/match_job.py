"""One match as a job: it waits, runs and can be watched, ends in files, and is forgotten after a while."""

from __future__ import annotations

import json
import logging
import math
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fxlens.effects.chain import EffectChain
from fxlens.effects.export.formats import export
from fxlens.errors import FxLensError
from fxlens.matching.match import DEFAULT, match
from fxlens.matching.match_result import Level, Match
from fxlens.matching.settings import MatchSettings, Progress
from fxlens.web.listening import equally_loud
from fxlens.web.recordings import Recording, called_by_name
from fxlens.web.refusals import body_of, problem

if TYPE_CHECKING:
    from fxlens.models.fx_encoder import FxEncoder

State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")
_log = logging.getLogger(__name__)
_EXPORTS = {"sheet": "sheet.md", "pedalboard": "pedalboard.py", "ffmpeg": "ffmpeg.txt"}


@dataclass(frozen=True)
class MatchRequest:
    """What is to be matched; see :func:`fxlens.matching.match.match`."""

    dry: Recording
    references: Sequence[Recording]
    weights: Sequence[float] | None = None
    query: str | None = None
    query_audio: Recording | None = None
    chain: EffectChain | Sequence[str] | None = None
    locks: Sequence[str] = ()
    amount: float = 1.0
    level: Level = "dry"
    seconds: float = 5.0
    excerpts: int = 1
    settings: MatchSettings = DEFAULT

    @property
    def recordings(self) -> list[Recording]:
        """All files it needs."""
        return [self.dry, *self.references, *([self.query_audio] if self.query_audio else [])]


class _Cancelled(Exception):
    """Nobody wants the result any more."""


@dataclass
class MatchJob:
    """A match that was asked for.

    Args:
        request: what is to be done.
        folder: its files; ``uploads`` in it is deleted when the work ends, all of it when the job is forgotten.
        id: cannot be guessed, so it is a right to the result, too.
    """

    request: MatchRequest
    folder: Path
    id: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    state: State = "waiting"
    done: int = 0
    total: int = 0
    loss: float = math.nan
    seconds_left: float | None = None
    losses: list[float] = field(default_factory=list)
    error: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    ended_at: float | None = None
    _cancel: threading.Event = field(default_factory=threading.Event)
    _turn: threading.RLock = field(default_factory=threading.RLock)

    def cancel(self) -> None:
        """End it at the next step of the search; what waits is never begun."""
        with self._turn:
            self._cancel.set()
            if self.state == "waiting":
                self._end("cancelled")

    def run(self, encoder: FxEncoder) -> None:
        """Do the work. Never raises: what goes wrong is the job's ``error``."""
        with self._turn:
            if self.state != "waiting":
                return
            self.state = "running"
        try:
            with called_by_name(self.request.recordings):
                self.result = _written(self._match(encoder), self.request, self.folder)
            self._end("done")
        except _Cancelled:
            self._end("cancelled")
        except FxLensError as error:
            self.error = body_of(error)["error"]
            self._end("failed")
        except Exception as error:
            step = "ask for it again; if it fails again, report it with what the server printed"
            self.error = problem("InternalError", f"the match failed ({type(error).__name__})", step)["error"]
            self._end("failed")
            _log.exception("a match failed")

    def file(self, name: str) -> Path | None:
        """A file of the result."""
        known = (self.result or {}).get("files", ())
        return self.folder / "result" / name if name in known and self.state == "done" else None

    def as_dict(self) -> dict[str, Any]:
        """Where it stands, as plain values."""
        facts: dict[str, Any] = {
            "id": self.id,
            "state": self.state,
            "steps_done": self.done,
            "steps": self.total,
            "loss": None if math.isnan(self.loss) else round(self.loss, 6),
            "seconds_left": None if self.seconds_left is None else round(self.seconds_left, 1),
        }
        if self.error is not None:
            facts["error"] = self.error
        if self.result is not None and self.state == "done":
            files = {name: f"/v1/jobs/{self.id}/files/{name}" for name in self.result["files"]}
            facts["result"] = {**self.result, "files": files}
        return facts

    def _match(self, encoder: FxEncoder) -> Match:
        asked = self.request
        return match(
            asked.dry.path, [one.path for one in asked.references], encoder, asked.query,
            query_audio=None if asked.query_audio is None else asked.query_audio.path,
            weights=asked.weights, chain=asked.chain, locks=asked.locks, amount=asked.amount, level=asked.level,
            seconds=asked.seconds, excerpts=asked.excerpts, settings=asked.settings, report=self._report,
        )  # fmt: skip

    def _report(self, progress: Progress) -> None:
        self._refuse_cancelled()
        self.done, self.total, self.loss = progress.done, progress.total, progress.loss
        self.seconds_left = progress.seconds_left
        self.losses.append(progress.loss)

    def _refuse_cancelled(self) -> None:
        if self._cancel.is_set():
            raise _Cancelled

    def _end(self, state: State) -> None:
        with self._turn:
            if state == "done" and self._cancel.is_set():  # wanted no more by now
                state = "cancelled"
            shutil.rmtree(self.folder / "uploads" if state == "done" else self.folder, ignore_errors=True)
            self.ended_at, self.seconds_left = time.monotonic(), None
            self.state = state  # last: whoever sees it finds all the rest


def _written(found: Match, asked: MatchRequest, folder: Path) -> dict[str, Any]:
    """Write the result and everything beside it; say what there is."""
    result = folder / "result"
    found.save(result)
    sources = {"before": asked.dry.path, "after": result / "match.wav"}
    for number, reference in enumerate(asked.references, start=1):
        sources["reference" if number == 1 else f"reference-{number}"] = reference.path
    heard = equally_loud(sources, result)
    for format, name in _EXPORTS.items():
        with suppress(FxLensError):  # a format that cannot say this chain is left out
            exported = export(found.chain, format, round(asked.dry.sample_rate))
            (result / name).write_text(exported.text, encoding="utf-8")
    return {
        "figures": json.loads((result / "report.json").read_text(encoding="utf-8")),
        "effects": [
            {
                "effect": one.type,
                "enabled": one.enabled,
                "settings": {k: round(v, 4) for k, v in one.parameters.items()},
            }
            for one in found.matched.effects
        ],
        "listening": {
            "lufs": round(heard.lufs, 2),
            "files": [path.name for path in heard.files.values()],
            "gains_db": {name: round(gain, 2) for name, gain in heard.gains_db.items()},
        },
        "files": sorted(path.name for path in result.iterdir()),
    }


class JobTable:
    """The jobs of a server.

    Args:
        keep_seconds: how long a job is known after its end.
        clock: seconds that never go back.
    """

    def __init__(self, keep_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.keep_seconds, self._clock = keep_seconds, clock
        self._jobs: dict[str, MatchJob] = {}
        self._turn = threading.Lock()

    def add(self, job: MatchJob) -> None:
        """Know a job from now on."""
        with self._turn:
            self._jobs[job.id] = job

    def get(self, id: str) -> MatchJob | None:
        """The job of that id, unless it is forgotten."""
        self.forget_old()
        return self._jobs.get(id)

    def before(self, job: MatchJob) -> int:
        """How many jobs come before one that waits."""
        with self._turn:
            waiting = [one.id for one in self._jobs.values() if one.state == "waiting"]
        return waiting.index(job.id) if job.id in waiting else 0

    def remove(self, id: str) -> bool:
        """Cancel a job and forget it; return whether it was known."""
        with self._turn:
            job = self._jobs.pop(id, None)
        if job is None:
            return False
        job.cancel()
        if job.state in ENDED:
            shutil.rmtree(job.folder, ignore_errors=True)
        return True

    def forget_old(self) -> None:
        """Forget jobs that ended long ago, with their files."""
        now = self._clock()
        with self._turn:
            old = [
                id for id, j in self._jobs.items() if j.ended_at is not None and now - j.ended_at > self.keep_seconds
            ]
        for id in old:
            self.remove(id)

    def close(self) -> None:
        """Cancel all."""
        for id in list(self._jobs):
            self.remove(id)
