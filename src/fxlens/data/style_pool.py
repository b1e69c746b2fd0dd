"""A pool of rendered style blocks on disk: effects are drawn seldom, mixtures are made afresh at every step.

Rendering eight effects costs far more than one pass of a small network, so wet stems are rendered once, kept as
16-bit samples and re-mixed. A rendering process fills the pool beside training. Block ``k`` is a pure function of the
pool's seed, ``k`` and the effect probabilities in force when it was rendered, whatever the number of processes; a
finished block is never rendered again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fxlens.data.style_block import BlockSettings, StemShelf, StyleBlock, draw_block, render_block
from fxlens.effects.recorded_rooms import RecordedRooms, load_folder
from fxlens.errors import DataError, FxLensError
from fxlens.whole_files import whole_file, write_text

PROBABILITIES = "probabilities.json"
_FULL_SCALE = 32767.0


@dataclass(frozen=True)
class StoredBlock:
    """A block on disk; audio is read when asked for."""

    number: int
    instrument: str
    path: Path
    scale: np.ndarray
    lufs: np.ndarray
    dry_scale: float
    samples: int
    info: dict[str, object]

    @property
    def chains(self) -> int:
        return len(self.scale)

    def wet(self, chain: int, content: int) -> np.ndarray:
        """Return one wet clip, float32 ``[2, T]``."""
        return self._clip(chain, content) * np.float32(self.scale[chain, content] / _FULL_SCALE)

    def moves_the_image(self, chain: int, content: int) -> bool:
        """Whether a clip has effects that mono would take away; of blocks that do not say so, yes."""
        said: Any = self.info.get("moves_the_image")
        return said is None or bool(said[chain][content])

    def dry(self) -> np.ndarray:
        """Return the dry query excerpt, float32 ``[2, T]``."""
        return self._clip(self.chains, 0) * np.float32(self.dry_scale / _FULL_SCALE)

    def _clip(self, row: int, content: int) -> np.ndarray:
        """One clip as it is stored, in float32. Read at once: a mapped file comes from a cold disk page by page, which
        takes longer than everything else that is done with the clip."""
        stored = np.load(self.path, mmap_mode="r")
        length = int(np.prod(stored.shape[2:]))
        place = stored.offset + (row * stored.shape[1] + content) * length * stored.itemsize
        read = np.fromfile(self.path, dtype=stored.dtype, count=length, offset=place)
        return read.reshape(stored.shape[2:]).astype(np.float32)


def block_path(folder: Path, number: int) -> Path:
    return folder / f"{number:07d}.npy"


def write_block(folder: Path, number: int, block: StyleBlock) -> None:
    """Store a block: one int16 array ``[C + 1, 2, 2, T]`` (the last row holds the dry excerpt) and one JSON.

    Raises:
        OutputError: it cannot be written.
    """
    peak = np.maximum(np.abs(block.wet).max(axis=(2, 3)), 1e-9)
    dry_peak = max(float(np.abs(block.dry).max()), 1e-9)
    chains, _, channels, samples = block.wet.shape
    stored = np.zeros((chains + 1, 2, channels, samples), dtype=np.int16)
    stored[:chains] = np.round(block.wet / peak[:, :, None, None] * _FULL_SCALE)
    stored[chains, 0] = np.round(block.dry / dry_peak * _FULL_SCALE)
    path = block_path(folder, number)
    lufs = [[v if np.isfinite(v) else None for v in row] for row in block.wet_lufs.tolist()]
    header = {
        "number": number,
        "instrument": block.instrument,
        "scale": peak.tolist(),
        "lufs": lufs,
        "dry_scale": dry_peak,
        "samples": samples,
        "info": block.info,
    }
    with whole_file(path) as scratch, open(scratch, "wb") as file:
        np.save(file, stored)
    write_text(path.with_suffix(".json"), json.dumps(header))  # comes last: a block with a header is whole


def read_block(folder: Path, number: int) -> StoredBlock:
    """Open a stored block.

    Raises:
        DataError: it is not there.
    """
    path = block_path(folder, number)
    try:
        header = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder}: no block {number}; render the pool first (fxlens train does)") from None
    lufs = np.array([[float("-inf") if v is None else v for v in row] for row in header["lufs"]])
    return StoredBlock(
        number=number,
        instrument=header["instrument"],
        path=path,
        scale=np.array(header["scale"]),
        lufs=lufs,
        dry_scale=header["dry_scale"],
        samples=header["samples"],
        info=header["info"],
    )


def draw_instrument(seed: int, number: int, weights: Mapping[str, float]) -> str:
    """Draw which instrument block ``number`` is of."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, number, 0x1257]))
    names = sorted(weights)
    p = np.array([weights[n] for n in names], dtype=np.float64)
    return names[int(rng.choice(len(names), p=p / p.sum()))]


def read_probabilities(folder: Path) -> dict[str, float] | None:
    """Effect probabilities that the trainer left for the renderer, if any."""
    path = folder / PROBABILITIES
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write_probabilities(folder: Path, probabilities: Mapping[str, float]) -> None:
    """Leave effect probabilities for the renderer; blocks not yet rendered will be drawn with them.

    Raises:
        OutputError: they cannot be written.
    """
    write_text(folder / PROBABILITIES, json.dumps(dict(probabilities), indent=1))


def render_one(
    folder: Path,
    number: int,
    shelf: StemShelf,
    settings: BlockSettings,
    seed: int,
    weights: Mapping[str, float],
    rooms: RecordedRooms | None,
) -> None:
    """Render block ``number`` unless it is there."""
    if block_path(folder, number).with_suffix(".json").exists():
        return
    instrument = draw_instrument(seed, number, weights)
    block_seed = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    plan = draw_block(shelf, instrument, block_seed, settings, read_probabilities(folder), rooms)
    write_block(folder, number, render_block(plan, settings))


def fill_pool(
    folder: Path,
    shelf: StemShelf,
    settings: BlockSettings,
    seed: int,
    weights: Mapping[str, float],
    numbers: Iterable[int],
    rooms: RecordedRooms | None = None,
    jobs: int = 1,
) -> None:
    """Render all of ``numbers`` that are missing, in order, over ``jobs`` processes."""
    arguments = (folder, shelf, settings, seed, weights, rooms)
    if jobs <= 1:
        _fill_share(*arguments, numbers)
        return
    numbers = list(numbers)
    with ProcessPoolExecutor(jobs) as pool:
        shares = [pool.submit(_fill_share, *arguments, numbers[j::jobs]) for j in range(jobs)]
        for share in shares:
            share.result()


def _fill_share(
    folder: Path,
    shelf: StemShelf,
    settings: BlockSettings,
    seed: int,
    weights: Mapping[str, float],
    rooms: RecordedRooms | None,
    numbers: Iterable[int],
) -> None:
    for number in numbers:
        render_one(folder, number, shelf, settings, seed, weights, rooms)


class StylePool:
    """Reads a pool. ``blocks(limit)`` waits until the first ``limit`` blocks exist, so that what a training step
    sees depends on its number, not on how fast the renderer was."""

    def __init__(self, folder: Path, window: int | None = None, patience_seconds: float = 900.0) -> None:
        self.folder, self.window, self.patience_seconds = folder, window, patience_seconds
        self._known: list[StoredBlock] = []

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_known": []}  # a loader process opens the blocks itself

    def upto(self, limit: int) -> list[StoredBlock]:
        """The first ``limit`` blocks, or of these the newest ``window``.

        Raises:
            DataError: the next block does not come within the patience; is the renderer still alive?
        """
        deadline = time.monotonic() + self.patience_seconds
        while len(self._known) < limit:
            number = len(self._known)
            if block_path(self.folder, number).with_suffix(".json").exists():
                self._known.append(read_block(self.folder, number))
                deadline = time.monotonic() + self.patience_seconds
            elif time.monotonic() > deadline:
                raise DataError(
                    f"{self.folder}: waited {self.patience_seconds:.0f} s for block {number}; is it being rendered?"
                )
            else:
                time.sleep(0.2)
        start = max(0, limit - self.window) if self.window else 0
        return self._known[start:limit]


def by_instrument(blocks: Sequence[StoredBlock]) -> dict[str, list[StoredBlock]]:
    """Group blocks by instrument, keeping their order."""
    groups: dict[str, list[StoredBlock]] = {}
    for block in blocks:
        groups.setdefault(block.instrument, []).append(block)
    return groups


def load_rooms(folder: Path | None, sample_rate: int) -> RecordedRooms | None:
    """Recorded rooms of a folder, each of them tried at ``sample_rate``; None without a folder.

    Raises:
        DataError: there are none, or one of them cannot be used.
    """
    if folder is None:
        return None
    try:
        rooms = load_folder(folder)
        for name in rooms.names:
            rooms.response(name, sample_rate)
    except FxLensError as error:
        raise DataError(f"cannot read impulse responses: {error}") from error
    return rooms
