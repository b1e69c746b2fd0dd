"""An encoder listens to the material: labelled clips to labelled vectors, kept so that nothing is heard twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fxlens.audio.loudness import normalize_loudness
from fxlens.describing.hearing import instrument_vector, whole_vector
from fxlens.describing.material import StoredSession, read_session, session_path
from fxlens.describing.quantities import EFFECTS, QUANTITIES
from fxlens.errors import DataError
from fxlens.instruments import aliases
from fxlens.models.fx_encoder import FxEncoder
from fxlens.whole_files import whole_file

Progress = Callable[[int, int], None]
_AT_ONCE = 16


@dataclass(frozen=True)
class Examples:
    """What the heads learn from, N rows.

    Args:
        vectors: ``float32 [N, F]``, see :mod:`fxlens.describing.hearing`.
        change_db: ``[N, effects]``.
        values: ``[N, quantities]``, unit range, NaN where there is none.
        songs: ``[N]`` the songs heard in each, joined.
        fold: ``[N]``, see :class:`fxlens.describing.shelves.Shelf`.
        kind: ``[N]``, likewise.
    """

    vectors: np.ndarray
    change_db: np.ndarray
    values: np.ndarray
    songs: np.ndarray
    fold: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)

    def part(self, rows: np.ndarray) -> Examples:
        """Some of the rows, by mask or numbers."""
        return Examples(
            self.vectors[rows], self.change_db[rows], self.values[rows],
            self.songs[rows], self.fold[rows], self.kind[rows],
        )  # fmt: skip


@dataclass(frozen=True)
class Heardings:
    """Examples for both readings; none for instruments if the encoder has no extractor."""

    whole: Examples
    instrument: Examples | None


def listen(
    encoder: FxEncoder, material: Path, sessions: int, folder: Path, seed: int = 0, progress: Progress | None = None
) -> Heardings:
    """Hear sessions ``0`` to ``sessions - 1``, those not heard before.

    Args:
        encoder: in evaluation mode meanwhile.
        material: folder of :func:`fxlens.describing.material.render_material`.
        sessions: how many.
        folder: where vectors are kept; one for each model and material.
        seed: of the names that instruments are asked for by.
        progress: told how many of how many there are.

    Raises:
        DataError: a session is missing, or none can be heard.
        OutputError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    training = encoder.training
    encoder.eval()
    shards = []
    try:
        for first in range(0, sessions, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, sessions))
            path = folder / f"{first:07d}-{len(numbers)}.npz"
            if not path.exists():
                _write(path, [_hear(encoder, read_session(session_path(material, n)), n, seed) for n in numbers])
            with np.load(path) as stored:
                shards.append({name: stored[name] for name in stored.files})
            if progress is not None:
                progress(numbers[-1] + 1, sessions)
    finally:
        encoder.train(training)
    whole = _joined(shards, "whole")
    if whole is None:
        raise DataError(f"{material}: nothing in these sessions can be heard")
    return Heardings(whole, _joined(shards, "instrument"))


@torch.inference_mode()
def _hear(encoder: FxEncoder, session: StoredSession, number: int, seed: int) -> dict[str, list[np.ndarray]]:
    """Rows of one session by reading and field."""
    rows: dict[str, list[np.ndarray]] = {}
    if not len(session.clips):
        return rows
    rng = np.random.default_rng(np.random.SeedSequence([seed, number, 0xA5CED]))
    audio = session.clips
    if encoder.config.input_lufs is not None:
        audio, _ = normalize_loudness(audio, encoder.sample_rate, encoder.config.input_lufs, silence_lufs=-90.0)
    heard = encoder.hear(torch.from_numpy(np.asarray(audio, dtype=np.float32)).to(encoder.device))
    vectors = {"whole": whole_vector(heard).cpu().numpy()}
    asked = [label for label in session.labels if label.query]
    if asked and encoder.extractor is not None:
        names = [str(rng.choice(aliases(label.query))) for label in asked]
        query = encoder.query_encoder.embed_text(names).to(encoder.device)
        clips = heard.split([1] * len(heard))  # a clip's survey is made once, however many questions it is asked
        found = [instrument_vector(encoder, clips[a.clip], query[k : k + 1]) for k, a in enumerate(asked)]
        vectors["instrument"] = torch.cat(found).cpu().numpy()
    for reading, table in vectors.items():
        labels = [label for label in session.labels if bool(label.query) == (reading == "instrument")]
        order = [label.clip for label in labels] if reading == "whole" else list(range(len(labels)))
        rows[f"{reading}/vectors"] = [table[order].astype(np.float16)]
        rows[f"{reading}/change_db"] = [np.stack([label.change_db for label in labels])]
        rows[f"{reading}/values"] = [np.stack([label.values for label in labels])]
        rows[f"{reading}/songs"] = [np.array(["\n".join(session.songs)] * len(labels), dtype=np.str_)]
        rows[f"{reading}/fold"] = [np.full(len(labels), session.fold)]
        rows[f"{reading}/kind"] = [np.array([session.kind] * len(labels), dtype=np.str_)]
    return rows


def _write(path: Path, sessions: list[dict[str, list[np.ndarray]]]) -> None:
    names = sorted({name for session in sessions for name in session})
    tables = {name: np.concatenate([rows for s in sessions for rows in s.get(name, [])]) for name in names}
    with whole_file(path) as scratch, open(scratch, "wb") as file:
        np.savez(file, **tables)  # type: ignore[arg-type]


def _joined(shards: list[dict[str, np.ndarray]], reading: str) -> Examples | None:
    with_it = [shard for shard in shards if f"{reading}/vectors" in shard]
    if not with_it:
        return None
    fields = {
        name: np.concatenate([shard[f"{reading}/{name}"] for shard in with_it])
        for name in ("vectors", "change_db", "values", "songs", "fold", "kind")
    }
    assert fields["change_db"].shape[1] == len(EFFECTS) and fields["values"].shape[1] == len(QUANTITIES)
    return Examples(**{**fields, "vectors": fields["vectors"].astype(np.float32)})
