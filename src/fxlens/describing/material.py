"""The material on disk: rendered once, listened to by every model that comes.

``FOLDER/0000012.npz`` holds session 12: its clips in 16 bits, and what is true of them. A session is a pure function of
the songs, the settings, the seed and its number; a file is whole or not there, so rendering goes on where it stopped,
with any number of processes.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fxlens.config import to_dict
from fxlens.data.codecs import through_codec
from fxlens.data.style_pool import load_rooms
from fxlens.describing.audible import Spectrogram
from fxlens.describing.labelling import Label, LabelledSession, label_session
from fxlens.describing.quantities import EFFECTS, QUANTITIES
from fxlens.describing.session import SessionSettings, draw_session
from fxlens.describing.shelves import Shelf, shelf_of
from fxlens.effects.recorded_rooms import RecordedRooms
from fxlens.errors import DataError
from fxlens.whole_files import whole_file

VERSION = 1
"""Counted up when the same draws would be rendered or labelled otherwise."""
_FULL_SCALE = 32767.0
_AT_ONCE = 4
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Material:
    """A set of sessions.

    Args:
        shelves: where their songs come from, see :func:`fxlens.describing.shelves.make_shelves`.
        sessions: how many.
        seed: of the draws.
        settings: see :class:`SessionSettings`.
        rooms: folder of recorded rooms, or None.
    """

    shelves: tuple[Shelf, ...]
    sessions: int
    seed: int = 0
    settings: SessionSettings = SessionSettings()
    rooms: Path | None = None

    @property
    def key(self) -> str:
        """Names the sessions by what they are made of, however many there are."""
        rooms = sorted(p.name for p in self.rooms.iterdir()) if self.rooms is not None and self.rooms.is_dir() else []
        made_of = [VERSION, [shelf.key for shelf in self.shelves], self.seed, to_dict(self.settings), rooms, EFFECTS,
                   [q.key for q in QUANTITIES]]  # fmt: skip
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class StoredSession:
    """A session on disk.

    Args:
        clips: ``float32 [clips, 2, T]``; none if nothing could be heard.
        labels: what is true of them.
        songs: what is heard.
        fold: that of its songs.
        kind: that of its songs.
    """

    clips: np.ndarray
    labels: tuple[Label, ...]
    songs: tuple[str, ...]
    fold: int
    kind: str


def session_path(folder: Path, number: int) -> Path:
    return folder / f"{number:07d}.npz"


def render_material(material: Material, folder: Path, jobs: int = 1, progress: Progress | None = None) -> None:
    """Render the sessions that are missing.

    Args:
        material: what to render.
        folder: made where missing.
        jobs: processes; the sessions do not depend on it.
        progress: told how many of how many there are.

    Raises:
        DataError: the songs or rooms cannot be used.
        OutputError: a session cannot be written.
    """
    if not material.shelves:
        raise DataError("there are no songs to make sessions of; see the splits of the manifest")
    folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(material.sessions) if not session_path(folder, n).exists()]
    parts = [missing[k : k + _AT_ONCE] for k in range(0, len(missing), _AT_ONCE)]
    done = material.sessions - len(missing)
    if jobs <= 1:
        for part in parts:
            _render_some(material, folder, part)
            done += len(part)
            if progress is not None:
                progress(done, material.sessions)
        return
    # Spawned: a forked copy of a process whose torch has run with threads can wait for ever.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        work = {pool.submit(_render_some, material, folder, part): len(part) for part in parts}
        try:
            for finished in as_completed(work):
                finished.result()
                done += work[finished]
                if progress is not None:
                    progress(done, material.sessions)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_ROOMS: dict[tuple[Path | None, int], RecordedRooms | None] = {}


def _render_some(material: Material, folder: Path, numbers: Sequence[int]) -> None:
    torch.set_num_threads(1)
    settings = material.settings
    place = (material.rooms, settings.sample_rate)
    if place not in _ROOMS:
        _ROOMS[place] = load_rooms(*place)
    spectrogram = Spectrogram(settings.sample_rate)
    for number in numbers:
        seed = int(np.random.SeedSequence([material.seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        shelf = shelf_of(material.shelves, number, seed)
        plan = draw_session(shelf.songs, seed, settings, _ROOMS[place])
        session = label_session(plan, settings, spectrogram)
        if session is not None and plan.codec is not None:
            heard = np.stack([through_codec(clip, settings.sample_rate, plan.codec) for clip in session.clips])
            session = LabelledSession(heard, session.labels)
        write_session(session_path(folder, number), session, plan.songs, shelf)


def write_session(path: Path, session: LabelledSession | None, songs: Sequence[str], shelf: Shelf) -> None:
    """Store a session; one in which nothing can be heard leaves a file without clips.

    Raises:
        OutputError: it cannot be written.
    """
    clips = np.zeros((0, 2, 1), np.float32) if session is None else session.clips
    labels = () if session is None else session.labels
    peaks = np.maximum(np.abs(clips).max(axis=(1, 2), initial=0.0), 1e-9)
    with whole_file(path) as scratch, open(scratch, "wb") as file:
        np.savez(
            file,
            clips=np.round(clips / peaks[:, None, None] * _FULL_SCALE).astype(np.int16),
            peaks=peaks,
            clip=np.array([label.clip for label in labels], dtype=np.int64),
            query=np.array([label.query for label in labels], dtype=np.str_),
            change_db=np.array([label.change_db for label in labels]).reshape(len(labels), len(EFFECTS)),
            values=np.array([label.values for label in labels]).reshape(len(labels), len(QUANTITIES)),
            songs=np.array(list(songs), dtype=np.str_),
            fold=np.array(shelf.fold),
            kind=np.array(shelf.kind),
        )


def read_session(path: Path) -> StoredSession:
    """Read what :func:`write_session` wrote.

    Raises:
        DataError: it is not there, or not whole.
    """
    try:
        with path.open("rb") as file, np.load(file) as stored:
            clips = stored["clips"].astype(np.float32) * (stored["peaks"] / _FULL_SCALE)[:, None, None].astype(
                np.float32
            )
            rows = zip(stored["clip"], stored["query"], stored["change_db"], stored["values"], strict=True)
            labels = tuple(Label(int(c), str(q), d, v) for c, q, d, v in rows)
            songs = tuple(str(s) for s in stored["songs"])
            return StoredSession(clips, labels, songs, int(stored["fold"]), str(stored["kind"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as a session ({error}); delete it and run again") from error
