"""Levels of a result, and a long track in little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fxlens.audio.io import BlockWriter, blocks, probe
from fxlens.audio.loudness import integrated_loudness
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.matching.dry_track import dry_track
from fxlens.matching.levelling import gain_effects, levelled
from fxlens.matching.match_result import audio_of, write_result

RATE = 22_050
CHAIN = EffectChain(
    (
        Effect("equalizer", parameters={"low_shelf_gain_db": 6.0}),
        Effect("distortion", parameters={"drive_db": 12.0}),
        Effect("delay", parameters={"time_ms": 120.0, "wet": 0.3}),
    )
)


def noise(seconds: float) -> np.ndarray:
    return (0.05 * np.random.default_rng(0).standard_normal((2, round(seconds * RATE)))).astype(np.float32)


@pytest.mark.parametrize("gain_db", [0.0, 5.0, -12.0, 30.5, -40.0])
def test_large_gains_are_several(gain_db: float) -> None:
    effects = gain_effects(gain_db)
    assert sum(effect.parameters["gain_db"] for effect in effects) == pytest.approx(gain_db)
    assert len(effects) == -(-abs(gain_db) // 12)


@pytest.mark.parametrize("wanted", [-24.0, 0.0])
def test_the_chain_gives_the_level_that_was_told(wanted: float) -> None:
    track = dry_track(noise(2.0), RATE)
    seconds: list[float] = []
    found = levelled(track, CHAIN, wanted, seconds.append)
    wet = audio_of(track, found.chain)
    assert float(integrated_loudness(wet, RATE)) == pytest.approx(found.lufs, abs=0.02)
    assert found.lufs + found.lowered_db == pytest.approx(wanted, abs=1e-6)
    assert sum(seconds) == pytest.approx(2.0)
    peak_db = 20 * np.log10(np.abs(wet).max())
    if wanted == 0.0:  # noise at 0 LUFS would pass full scale
        assert found.lowered_db > 1.0
        assert peak_db == pytest.approx(-1.0, abs=0.01)
    else:
        assert found.lowered_db == 0.0
        assert peak_db < -1.0


@pytest.mark.slow
def test_a_long_file_needs_little_memory(tmp_path: Path) -> None:
    """Ten minutes are 106 MB in float32; an hour would need no more than they."""
    minute = noise(60.0)
    with BlockWriter(tmp_path / "long.wav", RATE, 2, "PCM_16") as writer:
        for _ in range(10):
            writer.write(minute)
    tracemalloc.start()
    try:
        track = dry_track(tmp_path / "long.wav", None)
        found = levelled(track, CHAIN, -20.0)
        write_result(track, found.chain, tmp_path / "out.wav")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6
    assert probe(tmp_path / "out.wav").frames == 10 * 60 * RATE
    first = next(blocks(tmp_path / "out.wav", 1.0))
    assert np.abs(first).max() > 0.01
