"""The code is run with pedalboard and compared with the chain, wherever both define an effect alike."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from fxlens.effects.chain import EffectChain
from fxlens.effects.distortion import CALIBRATION_DBFS
from fxlens.effects.effect import Effect
from fxlens.effects.export.pedalboard_code import write_pedalboard
from fxlens.effects.recorded_rooms import load_folder
from fxlens.effects.registry import PROCESSORS
from fxlens.effects.sampling import draw_chain

pedalboard = pytest.importorskip("pedalboard")
RATE = 44_100


def noise(seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    return (0.2 * np.random.default_rng(0).standard_normal((2, int(seconds * rate)))).astype(np.float32)


def board(chain: EffectChain, rate: int = RATE, rooms: Path | None = None) -> Any:
    found: dict[str, Any] = {}
    exec(compile(write_pedalboard(chain, rate, rooms), "board", "exec"), found)
    assert found["sample_rate"] == rate
    return found["board"]


def both(effect: Effect, audio: np.ndarray, rate: int = RATE, rooms: Path | None = None) -> tuple[Any, Any]:
    chain = EffectChain((effect,))
    return np.asarray(board(chain, rate, rooms)(audio, rate)), chain.apply(audio, rate)


@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
@pytest.mark.parametrize("seed", range(4))
def test_equaliser_within_a_tenth_of_a_decibel(seed: int, rate: int) -> None:
    values = PROCESSORS["equalizer"].draw(np.random.default_rng(seed))
    # Pedalboard's coefficients are float32, too coarse for steep shelves far below what is tested here.
    values["low_shelf_cutoff_hz"] = max(values["low_shelf_cutoff_hz"], 100.0 * rate / RATE)
    click = np.zeros((2, 1 << 17), np.float32)
    click[:, 0] = 1.0
    theirs, ours = (np.abs(np.fft.rfft(y[0])) for y in both(Effect("equalizer", parameters=values), click, rate))
    assert np.abs(20.0 * np.log10(theirs / ours)).max() < 0.1
    assert np.abs(20.0 * np.log10(ours)).max() > 3.0  # there was something to agree on


def test_gain_is_exact() -> None:
    theirs, ours = both(Effect("gain", parameters={"gain_db": -7.3}), noise())
    np.testing.assert_allclose(theirs, ours, rtol=3e-7)


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize(("samples", "feedback"), [(5292, 0.0), (441, 0.6), (12_345, 0.37)])
def test_delay_is_exact_at_whole_samples(samples: int, feedback: float, rate: int) -> None:
    delay = Effect("delay", parameters={"time_ms": 1e3 * samples / rate, "feedback": feedback, "wet": 0.4})
    theirs, ours = both(delay, noise(rate=rate), rate)
    assert np.abs(theirs - ours).max() < 1e-6


def test_delay_between_samples_is_moved_and_says_so() -> None:
    delay = Effect("delay", parameters={"time_ms": 100.3 * 1e3 / 441.0, "wet": 0.4})  # 10 030 samples, and
    assert "is moved" not in write_pedalboard(EffectChain((delay,)), RATE)
    assert "is moved" in write_pedalboard(EffectChain((delay,)), 48_000)  # 10 917.006


@pytest.mark.parametrize("drive_db", [0.5, 8.0, 30.0])
@pytest.mark.parametrize("hardness", [0.0, 0.4, 1.0])
def test_distortion_of_a_calibrated_clip(drive_db: float, hardness: float) -> None:
    audio = noise()
    audio *= 10.0 ** (CALIBRATION_DBFS / 20.0) / np.sqrt(np.mean(audio**2))
    theirs, ours = both(Effect("distortion", parameters={"drive_db": drive_db, "hardness": hardness}), audio)
    # This is noise, so the level guessed for noise must be right as well.
    assert 20.0 * np.log10(np.std(theirs) / np.std(ours)) == pytest.approx(0.0, abs=0.1)
    assert np.abs(theirs / np.std(theirs) - ours / np.std(ours)).max() < 1e-4


def test_reverb_with_its_room(tmp_path: Path) -> None:
    for wet in (0.35, 1.0):
        reverb = Effect("reverb", parameters={"seed": 3.0, "decay_seconds": 0.6, "wet": wet, "predelay_ms": 11.0})
        theirs, ours = both(reverb, noise(), rooms=tmp_path)
        assert np.abs(theirs - ours).max() < 1e-4


@pytest.mark.parametrize("channels", [1, 2])
def test_recorded_room(tmp_path: Path, channels: int) -> None:
    """As all we make of it, and, where nothing precedes the direct sound, as it is."""
    response = (
        0.1 * np.random.default_rng(1).standard_normal((9_000, channels)) * np.exp(-np.arange(9_000) / 2e3)[:, None]
    )
    response[0] = 0.5
    soundfile.write(tmp_path / "hall.wav", response, RATE, subtype="FLOAT")
    for predelay_ms, written in ((11.0, tmp_path / "out"), (0.0, tmp_path / "out"), (0.0, None)):
        hall = Effect("reverb", True, {"wet": 0.35, "predelay_ms": predelay_ms}, "hall", load_folder(tmp_path))
        theirs, ours = both(hall, noise(), rooms=written)
        assert np.abs(theirs - ours).max() < 1e-4
        assert np.abs(ours - noise()).max() > 0.1


@pytest.mark.parametrize("decay_seconds", [0.8, 2.0])
def test_reverb_without_its_room_decays_as_long(decay_seconds: float) -> None:
    reverb = Effect("reverb", parameters={"decay_seconds": decay_seconds, "wet": 1.0, "damping": 0.0})
    click = np.zeros((2, 3 * RATE), np.float32)
    click[:, 0] = 1.0
    answer, _ = both(reverb, click)
    energy = np.cumsum(answer[0, ::-1].astype(np.float64) ** 2)[::-1]
    left = 10.0 * np.log10(energy / energy[0] + 1e-12)
    first, last = np.argmax(left < -5.0), np.argmax(left < -25.0)
    assert 3.0 * (last - first) / RATE == pytest.approx(decay_seconds, rel=0.25)


@pytest.mark.parametrize("level", [0.05, 0.2, 0.6])
def test_compressor_and_limiter_settle_at_the_same_gain(level: float) -> None:
    steady = np.full((2, RATE), level, np.float32)
    compressor = Effect("compressor", parameters={"threshold_db": -20.0, "ratio": 4.0, "makeup_db": 3.0})
    limiter = Effect("limiter", parameters={"threshold_db": -10.0})
    for effect in (compressor, limiter):
        theirs, ours = both(effect, steady)
        assert 20.0 * math.log10(theirs[0, -1] / ours[0, -1]) == pytest.approx(0.0, abs=0.05)


def test_compressor_lets_go_as_slowly() -> None:
    """After a loud passage both need the release's time constant: within a third of each other."""
    step = np.concatenate([np.full((2, RATE), 0.5), np.full((2, RATE), 0.05)], axis=1).astype(np.float32)
    settings = {"threshold_db": -20.0, "ratio": 2.0, "attack_ms": 5.0, "release_ms": 150.0}
    times = []
    for y in both(Effect("compressor", parameters=settings), step):
        gain = y[0, RATE:] / step[0, RATE:]
        times.append(int(np.argmax(gain > 0.8)))
    assert times[0] == pytest.approx(times[1], rel=0.34)


@pytest.mark.parametrize("seed", range(3))
def test_any_chain_is_code_that_runs(seed: int, tmp_path: Path) -> None:
    chain = draw_chain(np.random.default_rng(seed), (3, 8))
    out = np.asarray(board(chain, RATE, tmp_path)(noise(), RATE))
    assert out.shape == noise().shape and np.isfinite(out).all()
    assert len(board(EffectChain())) == 0


def test_what_pedalboard_lacks_stands_in_comments() -> None:
    chain = EffectChain(
        (
            Effect("multiband_compressor", parameters={"mix": 0.5}),
            Effect("stereo_imager", parameters={"width": 1.5}),
            Effect("compressor", parameters={"knee_db": 6.0, "ratio": 2.0, "threshold_db": -10.0}),
            Effect("distortion", parameters={"drive_db": 6.0, "bias": 0.2}),
            Effect("gain", False, {"gain_db": 4.0}),
        )
    )
    text = write_pedalboard(chain, RATE)
    for words in ("no crossovers", "no stereo width", "knee of 6.0 dB", "bias of 0.2", "5. gain: off"):
        assert words in text
    assert "Gain(4" not in text
    assert max(map(len, text.splitlines())) <= 140
