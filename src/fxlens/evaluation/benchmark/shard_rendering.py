"""Rendering a benchmark's shards, and keeping them: FLAC, 16 bits, each clip at full scale, its loudness beside it.

Shards that are not kept are rendered again when they are needed, and are the same: clips become 16-bit samples before
anybody hears them.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from fxlens.audio.loudness import integrated_loudness, normalize_loudness
from fxlens.data.excerpts import load_excerpt
from fxlens.data.style_block import CHAIN_INPUT_LUFS
from fxlens.errors import AudioError, DataError, OutputError
from fxlens.evaluation.benchmark.pools import Pool
from fxlens.evaluation.benchmark.recipe import Recipe, draw_style, generator
from fxlens.evaluation.benchmark.renderer import render_clip
from fxlens.whole_files import whole_file, write_text

FULL_SCALE = 32767.0
BYTES_PER_SAMPLE = 1.4
"""Of one channel, compressed; wet stems took 1.27 of 2 at this level of compression."""

_COMPRESSION = 0.25  # of 0-1: beyond it libFLAC takes twice the time for a tenth of the size


@dataclass(frozen=True)
class Shard:
    """Clips of one instrument.

    Attributes:
        clips: ``int16 [S, 2, 2, T]``: style, side, channel, sample; each clip's peak is full scale.
        lufs: ``[S, 2]`` integrated loudness of each clip as it is there.
    """

    clips: np.ndarray
    lufs: np.ndarray

    def clip(self, style: int, side: int) -> np.ndarray:
        """``float32 [2, T]``; styles count from the shard's first."""
        return self.clips[style, side].astype(np.float32) / np.float32(FULL_SCALE)


def shard_path(folder: Path, recipe: Recipe, instrument: str, pool: Pool, number: int) -> Path:
    """Where a shard is kept; its loudness is in a JSON file of the same name."""
    place = recipe.settings.pools.index(pool)
    return folder / "audio" / instrument.replace("/", "_").replace(" ", "_") / f"{place:02d}-{number:04d}.flac"


def render_shard(recipe: Recipe, instrument: str, pool: Pool, number: int) -> Shard:
    """Render all clips of one instrument in one shard.

    Raises:
        AudioError: a stem cannot be read, or an excerpt came out silent; the message names the stem.
    """
    settings = recipe.settings
    rate, samples = settings.sample_rate, round(settings.seconds * settings.sample_rate)
    styles = recipe.shards()[number]
    clips = np.zeros((len(styles), 2, 2, samples), dtype=np.int16)
    lufs = np.zeros((len(styles), 2))
    for row, style in enumerate(styles):
        plan = draw_style(recipe, instrument, pool, style)
        for side, excerpt in enumerate(plan.excerpts):
            dry, _ = normalize_loudness(load_excerpt(excerpt, rate), rate, CHAIN_INPUT_LUFS)
            rng = generator(recipe, "renderer", instrument, pool.label, style)
            clip = np.asarray(dry, dtype=np.float32)[:, :samples]
            wet = render_clip(recipe.renderer, plan.chain, clip, rate, side, rng)
            peak = float(np.abs(wet).max())
            loudness = float(integrated_loudness(wet / max(peak, 1e-9), rate))
            if not np.isfinite(loudness):
                raise AudioError(
                    excerpt.stem.path,
                    f"it is silent from second {excerpt.start_seconds:g} on, where the manifest says it sounds; "
                    "prepare the folder again",
                )
            clips[row, side] = np.round(wet * np.float32(FULL_SCALE / peak))
            lufs[row, side] = loudness
    return Shard(clips, lufs)


def write_shard(path: Path, shard: Shard, sample_rate: int) -> None:
    """Keep a shard; the JSON comes last, so a shard that has one is whole.

    Raises:
        OutputError: it cannot be written.
    """
    samples = np.ascontiguousarray(np.moveaxis(shard.clips, 2, 3)).reshape(-1, 2)
    with whole_file(path) as beside:
        try:
            soundfile.write(
                beside, samples, sample_rate, format="FLAC", subtype="PCM_16", compression_level=_COMPRESSION
            )
        except soundfile.LibsndfileError as error:
            raise OutputError(f"{path}: cannot be written ({error}); is the disk full?") from error
    write_text(path.with_suffix(".json"), json.dumps({"lufs": shard.lufs.tolist()}))


def read_shard(path: Path) -> Shard | None:
    """Open a kept shard; None if it is not there.

    Raises:
        DataError: it is damaged.
    """
    header = path.with_suffix(".json")
    if not header.exists() or not path.exists():
        return None
    try:
        lufs = np.array(json.loads(header.read_text(encoding="utf-8"))["lufs"])
        samples, _ = soundfile.read(path, dtype="int16", always_2d=True)
        clips = np.ascontiguousarray(np.moveaxis(samples.reshape(*lufs.shape, -1, 2), 2, 3))
    except (OSError, ValueError, KeyError, soundfile.LibsndfileError) as error:
        raise DataError(f"{path}: this part of the cache is damaged ({error}); remove it and run again") from error
    return Shard(clips, lufs)


def load_or_render(folder: Path, recipe: Recipe, instrument: str, pool: Pool, number: int, keep: bool) -> Shard:
    """One shard, from the cache or rendered, and then kept if asked for."""
    path = shard_path(folder, recipe, instrument, pool, number)
    shard = read_shard(path)
    if shard is None:
        shard = render_shard(recipe, instrument, pool, number)
        if keep:
            write_shard(path, shard, recipe.settings.sample_rate)
    return shard


def bytes_needed(recipe: Recipe) -> int:
    """Estimate of what all kept shards take on disk."""
    samples = round(recipe.settings.seconds * recipe.settings.sample_rate)
    return round(recipe.clips() * samples * 2 * BYTES_PER_SAMPLE)


def fits_on_disk(recipe: Recipe, cache: Path, share: float = 0.5) -> bool:
    """Whether keeping all audio would leave more than ``1 - share`` of the free disk."""
    place = next(p for p in (cache, *cache.resolve().parents) if p.exists())
    return bytes_needed(recipe) <= share * shutil.disk_usage(place).free
