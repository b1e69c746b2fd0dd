"""The line is parsed and run by FFmpeg's own graph parser (in PyAV's copy of it) and compared with the chain."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxlens.effects.chain import EffectChain
from fxlens.effects.distortion import CALIBRATION_DBFS
from fxlens.effects.effect import Effect
from fxlens.effects.export.ffmpeg_filter import write_ffmpeg
from fxlens.effects.multiband import BANDS
from fxlens.effects.recorded_rooms import load_folder
from fxlens.effects.registry import PROCESSORS
from fxlens.effects.sampling import draw_chain

av = pytest.importorskip("av")
RATE = 44_100


def noise(seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    return (0.2 * np.random.default_rng(0).standard_normal((2, int(seconds * rate)))).astype(np.float32)


def ffmpeg(line: str, audio: np.ndarray, rate: int, folder: Path) -> np.ndarray:
    """Filter ``[2, T]``; what ffmpeg appends after the end is cut off."""
    soundfile.write(folder / "in.wav", audio.T, rate, subtype="FLOAT")
    graph = f"amovie={folder}/in.wav,{line},aformat=sample_fmts=fltp:channel_layouts=stereo"
    with av.open(graph, format="lavfi") as opened:
        blocks = [frame.to_ndarray() for frame in opened.decode(audio=0)]
    joined = [block if block.shape[0] == 2 else block.reshape(-1, 2).T for block in blocks]
    return np.concatenate(joined, axis=1)[:, : audio.shape[1]]


def both(
    effect: Effect, audio: np.ndarray, folder: Path, rate: int = RATE, rooms: Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    chain = EffectChain((effect,))
    line, _ = write_ffmpeg(chain, rate, rooms)
    return ffmpeg(line, audio, rate, folder), chain.apply(audio, rate)


@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
@pytest.mark.parametrize("seed", range(3))
def test_equaliser(seed: int, rate: int, tmp_path: Path) -> None:
    values = PROCESSORS["equalizer"].draw(np.random.default_rng(seed))
    theirs, ours = both(Effect("equalizer", parameters=values), noise(rate=rate), tmp_path, rate)
    assert np.abs(theirs - ours).max() < 2e-6


def test_gain(tmp_path: Path) -> None:
    theirs, ours = both(Effect("gain", parameters={"gain_db": -7.3}), noise(), tmp_path)
    np.testing.assert_allclose(theirs, ours, rtol=3e-7)


@pytest.mark.parametrize("width", [0.0, 0.4, 1.7])
def test_width(width: float, tmp_path: Path) -> None:
    theirs, ours = both(Effect("stereo_imager", parameters={"width": width}), noise(), tmp_path)
    assert np.abs(theirs - ours).max() < 1e-6


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize(("samples", "feedback"), [(5292, 0.0), (441, 0.6), (12_345, 0.37)])
def test_delay_at_whole_samples(samples: int, feedback: float, rate: int, tmp_path: Path) -> None:
    delay = Effect("delay", parameters={"time_ms": 1e3 * samples / rate, "feedback": feedback, "wet": 0.4})
    theirs, ours = both(delay, noise(rate=rate), tmp_path, rate)
    # Echoes below -80 dB of the first are left out.
    assert np.abs(theirs - ours).max() < (1e-6 if feedback == 0.0 else 2e-4)


@pytest.mark.parametrize("drive_db", [0.5, 8.0, 30.0])
@pytest.mark.parametrize("hardness", [0.0, 0.4, 1.0])
def test_distortion_of_a_calibrated_clip(drive_db: float, hardness: float, tmp_path: Path) -> None:
    audio = noise()
    audio *= 10.0 ** (CALIBRATION_DBFS / 20.0) / np.sqrt(np.mean(audio**2))
    effect = Effect("distortion", parameters={"drive_db": drive_db, "hardness": hardness})
    theirs, ours = both(effect, audio, tmp_path)
    assert 20.0 * np.log10(np.std(theirs) / np.std(ours)) == pytest.approx(0.0, abs=0.1)
    assert np.abs(theirs / np.std(theirs) - ours / np.std(ours)).max() < 1e-4


@pytest.mark.parametrize("name", ["rooms", "it's [a]; room, no: 7"])
def test_reverb_with_its_room(name: str, tmp_path: Path) -> None:
    reverb = Effect("reverb", parameters={"seed": 3.0, "decay_seconds": 0.6, "wet": 0.35, "predelay_ms": 11.0})
    theirs, ours = both(reverb, noise(), tmp_path, rooms=tmp_path / name)
    assert np.abs(theirs - ours).max() < 2e-6


def test_recorded_room(tmp_path: Path) -> None:
    response = 0.1 * np.random.default_rng(1).standard_normal(9_000) * np.exp(-np.arange(9_000) / 2e3)
    soundfile.write(tmp_path / "hall.flac", response, 48_000)
    hall = Effect("reverb", True, {"wet": 0.35, "predelay_ms": 11.0}, "hall", load_folder(tmp_path))
    theirs, ours = both(hall, noise(), tmp_path, rooms=tmp_path / "out")
    assert np.abs(theirs - ours).max() < 2e-6 and np.abs(ours - noise()).max() > 0.1


@pytest.mark.parametrize("level", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("knee_db", [0.0, 12.0])
def test_compressor_settles_at_the_same_gain(level: float, knee_db: float, tmp_path: Path) -> None:
    settings = {"threshold_db": -20.0, "ratio": 4.0, "knee_db": knee_db, "makeup_db": -3.0}
    theirs, ours = both(Effect("compressor", parameters=settings), np.full((2, RATE), level, np.float32), tmp_path)
    assert 20.0 * math.log10(theirs[0, -1] / ours[0, -1]) == pytest.approx(0.0, abs=0.01)


def test_compressor_lets_go_as_slowly(tmp_path: Path) -> None:
    step = np.concatenate([np.full((2, RATE), 0.5), np.full((2, RATE), 0.05)], axis=1).astype(np.float32)
    settings = {"threshold_db": -20.0, "ratio": 2.0, "attack_ms": 5.0, "release_ms": 150.0}
    times = []
    for y in both(Effect("compressor", parameters=settings), step, tmp_path):
        times.append(int(np.argmax(y[0, RATE:] / step[0, RATE:] > 0.8)))
    assert times[0] == pytest.approx(times[1], rel=0.34)


def test_limiter_settles_at_the_same_gain_and_is_not_late(tmp_path: Path) -> None:
    limiter = Effect("limiter", parameters={"threshold_db": -10.0, "attack_ms": 2.0})
    steady = np.full((2, RATE), 0.6, np.float32)
    theirs, ours = both(limiter, steady, tmp_path)
    assert theirs[0, -1] == pytest.approx(ours[0, -1], rel=1e-3)
    quiet = 0.1 * noise()
    theirs, _ = both(limiter, quiet, tmp_path)
    assert np.abs(theirs - quiet).max() < 1e-6


def test_bands_add_up_flat_where_nothing_is_compressed(tmp_path: Path) -> None:
    bands = Effect("multiband_compressor", parameters={"mix": 0.5})  # ratios of 1
    click = np.zeros((2, RATE), np.float32)
    click[:, 100] = 1.0
    theirs, _ = both(bands, click, tmp_path)
    assert np.abs(20.0 * np.log10(np.abs(np.fft.rfft(theirs[0])))).max() < 0.01


@pytest.mark.parametrize(("level", "hz"), [(0.3, 60.0), (0.3, 700.0), (0.3, 9_000.0), (0.003, 700.0)])
def test_bands_settle_at_the_same_gain(level: float, hz: float, tmp_path: Path) -> None:
    values = {"low_crossover_hz": 200.0, "high_crossover_hz": 4_000.0, "mix": 0.6}
    for band in BANDS:
        values |= {f"{band}_threshold_db": -25.0, f"{band}_ratio": 4.0, f"{band}_release_ms": 300.0}
        values |= {f"{band}_expander_threshold_db": -40.0, f"{band}_expander_ratio": 0.5, f"{band}_attack_ms": 1.0}
    tone = level * np.sin(2.0 * np.pi * hz * np.arange(2 * RATE) / RATE)
    audio = np.stack([tone, tone]).astype(np.float32)
    theirs, ours = (
        np.std(y[0, RATE:]) for y in both(Effect("multiband_compressor", parameters=values), audio, tmp_path)
    )
    assert 20.0 * math.log10(theirs / ours) == pytest.approx(0.0, abs=0.5)
    assert 20.0 * math.log10(ours / np.std(tone)) < -2.0  # it did compress, or expand


@pytest.mark.parametrize("seed", range(4))
def test_any_chain_is_a_line_that_parses(seed: int, tmp_path: Path) -> None:
    chain = draw_chain(np.random.default_rng(seed), (4, 8))
    chain = EffectChain((*chain.effects, *chain.effects))  # labels must not clash
    line, notes = write_ffmpeg(chain, RATE, tmp_path)
    out = ffmpeg(line, noise(), RATE, tmp_path)
    assert out.shape == noise().shape and np.isfinite(out).all()
    assert '"' not in line and "$" not in line and "`" not in line  # it is to stand in double quotes
    assert not any("left out" in note for note in notes if "bias" not in note)


def test_what_ffmpeg_lacks_is_reported() -> None:
    chain = EffectChain(
        (
            Effect("reverb", parameters={"wet": 0.5}),
            Effect("distortion", parameters={"drive_db": 6.0, "bias": 0.2}),
            Effect("compressor", parameters={"knee_db": 24.0, "ratio": 2.0, "threshold_db": -10.0}),
            Effect("delay", parameters={"time_ms": 100.01, "wet": 0.5}),
            Effect("gain", False, {"gain_db": 4.0}),
        )
    )
    line, notes = write_ffmpeg(chain, RATE)
    told = "\n".join(notes)
    for words in ("effect 1 (reverb): left out", "bias", "-12 dBFS RMS", "knee of 24.0 dB", "whole samples"):
        assert words in told
    assert "volume=4" not in line and "afir" not in line
    assert write_ffmpeg(EffectChain(), RATE) == ("anull", [])
