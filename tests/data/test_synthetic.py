"""Synthesised songs: reproducible, tonal, at sane levels, each instrument in its own part of the spectrum."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from fxlens.data.synthesis import synthetic
from fxlens.data.synthesis.song import STEM_NAMES
from fxlens.data.synthesis.synthetic import (
    MIX_GAINS_DB,
    STEM_INSTRUMENTS,
    compose,
    compose_notes,
    synthesize_collection,
    synthesize_song,
    write_song,
)
from fxlens.errors import OutputError, UsageError
from fxlens.instruments import QUERY_TARGETS

RATE = 22050
SEEDS = (0, 1, 2)
SECONDS = 12.0


@pytest.fixture(scope="module")
def songs() -> dict[int, dict[str, np.ndarray]]:
    return {seed: synthesize_song(seed, SECONDS, RATE) for seed in SEEDS}


def power_spectrum(audio: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    mono = audio.mean(axis=0)
    return np.fft.rfftfreq(len(mono), 1 / rate), np.abs(np.fft.rfft(mono)) ** 2


def share(audio: np.ndarray, rate: int, low_hz: float, high_hz: float) -> float:
    frequencies, power = power_spectrum(audio, rate)
    return float(power[(frequencies >= low_hz) & (frequencies < high_hz)].sum() / power.sum())


def mixture(stems: dict[str, np.ndarray], leave_out: tuple[str, ...] = ()) -> np.ndarray:
    total = np.zeros_like(next(iter(stems.values())))
    for name, stem in stems.items():
        if name not in leave_out:
            total += np.float32(10 ** (MIX_GAINS_DB[name] / 20)) * stem
    return total


def test_every_stem_has_an_instrument_class() -> None:
    assert set(STEM_INSTRUMENTS) == set(STEM_NAMES) == set(MIX_GAINS_DB)
    assert set(STEM_INSTRUMENTS.values()) <= {instrument.name for instrument in QUERY_TARGETS}


def test_same_seed_gives_the_same_bytes() -> None:
    first, second = (synthesize_song(11, 3.0, 16000) for _ in range(2))
    assert all(first[name].tobytes() == second[name].tobytes() for name in STEM_NAMES)


def test_a_stem_does_not_depend_on_the_others(songs: dict[int, dict[str, np.ndarray]]) -> None:
    chosen = synthesize_song(2, SECONDS, RATE, instruments=["vocals", "drums"])
    assert list(chosen) == ["drums", "vocals"]
    for name, stem in chosen.items():
        assert stem.tobytes() == songs[2][name].tobytes()


def test_levels_shape_and_offset(songs: dict[int, dict[str, np.ndarray]]) -> None:
    for stems in songs.values():
        assert tuple(stems) == STEM_NAMES
        for name, stem in stems.items():
            assert stem.dtype == np.float32 and stem.shape == (2, round(SECONDS * RATE))
            assert np.isfinite(stem).all()
            peak_db = 20 * np.log10(np.abs(stem).max())
            crest_db = peak_db - 10 * np.log10(np.mean(stem.astype(np.float64) ** 2))
            assert peak_db == pytest.approx(-6.0, abs=0.01)
            assert np.abs(stem.mean(axis=1)).max() < 1e-4
            # A square wave has 0 dB, a lone click above 40.
            assert 5.0 < crest_db < 28.0, name
            assert np.abs(stem[:, -1]).max() < 1e-3  # ends without a click


def test_stereo_is_modest(songs: dict[int, dict[str, np.ndarray]]) -> None:
    for stems in songs.values():
        for name in ("bass", "lead", "vocals"):
            np.testing.assert_array_equal(stems[name][0], stems[name][1])
        for name in ("drums", "keys", "pad"):
            left, right = stems[name].astype(np.float64)
            side_to_mid = np.sqrt(np.mean((left - right) ** 2) / np.mean((left + right) ** 2))
            assert 0.005 < side_to_mid < 0.6, name


def test_the_mixture_is_never_silent_for_long(songs: dict[int, dict[str, np.ndarray]]) -> None:
    for stems in songs.values():
        total = mixture(stems)
        assert np.abs(total).max() < 1.5  # the faders leave a plausible sum
        blocks = total[:, : total.shape[1] // 2205 * 2205].reshape(2, -1, 2205)
        quiet = np.sqrt((blocks**2).mean(axis=(0, 2))) < 10 ** (-60 / 20)
        runs = np.diff(np.flatnonzero(np.concatenate([[True], ~quiet, [True]])))
        assert runs.max() <= 6  # half a second


@pytest.mark.parametrize("seed", range(6))
def test_bass_is_low(seed: int) -> None:
    bass = synthesize_song(seed, 6.0, RATE, ["bass"])["bass"]
    assert share(bass, RATE, 25, 300) > 0.6
    assert share(bass, RATE, 0, 25) < 0.02


def test_every_instrument_keeps_to_its_register(songs: dict[int, dict[str, np.ndarray]]) -> None:
    for stems in songs.values():
        assert share(stems["drums"], RATE, 30, 200) > 0.2
        assert share(stems["drums"], RATE, 5000, 11000) > 0.005
        for name in ("keys", "pad", "lead", "vocals", "plucked"):
            assert share(stems[name], RATE, 80, 5000) > 0.95, name
            assert share(stems[name], RATE, 0, 70) < 0.01, name


def test_songs_are_in_their_key(songs: dict[int, dict[str, np.ndarray]]) -> None:
    for seed, stems in songs.items():
        frequencies, power = power_spectrum(mixture(stems, leave_out=("drums",)), RATE)
        heard = (frequencies > 60) & (frequencies < 1000)
        pitches = np.round(69 + 12 * np.log2(frequencies[heard] / 440)).astype(int) % 12
        chroma = np.bincount(pitches, weights=power[heard], minlength=12)
        scale = list(compose(seed, SECONDS).scale)
        assert chroma[scale].sum() / chroma.sum() > 0.85  # 0.58 by chance


def test_seeds_give_different_songs_and_sounds(songs: dict[int, dict[str, np.ndarray]]) -> None:
    plans = [compose(seed) for seed in range(40)]
    assert len({(plan.tonic, plan.mode) for plan in plans}) > 20
    assert len({plan.groove.style for plan in plans}) >= 5
    for name in STEM_NAMES:
        for first, second in itertools.pairwise(SEEDS):
            a, b = songs[first][name][0], songs[second][name][0]
            assert abs(np.corrcoef(a, b)[0, 1]) < 0.3, name
        bands = [[share(songs[seed][name], RATE, low, 2 * low) for low in (60, 250, 1000, 4000)] for seed in SEEDS]
        assert np.ptp(10 * np.log10(np.array(bands) + 1e-9), axis=0).max() > 3.0, name


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_sample_rates_give_the_same_song(rate: int) -> None:
    stems = synthesize_song(5, 3.0, rate, ["keys", "lead"])
    twin = synthesize_song(5, 3.0, RATE, ["keys", "lead"])
    for name, stem in stems.items():
        assert stem.shape == (2, 3 * rate)
        resampled = soxr.resample(stem[0], rate, RATE)[: 3 * RATE]
        assert np.corrcoef(resampled, twin[name][0])[0, 1] > 0.9, name
    assert np.abs(synthesize_song(5, 2.0, rate, ["vocals", "drums", "pad"])["pad"]).max() > 0.49


def test_speed() -> None:
    start = time.process_time()
    synthesize_song(9, 8.0)
    assert time.process_time() - start < 5.0  # below one second on an idle core


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "at least 0"),
        ({"seed": 0.5}, "whole number"),
        ({"seed": 0, "seconds": 0.0}, "between 2 and 1800"),
        ({"seed": 0, "seconds": float("nan")}, "between 2 and 1800"),
        ({"seed": 0, "sample_rate": 800}, "between 16000 and 192000"),
        ({"seed": 0, "instruments": ["kazoo"]}, "kazoo"),
        ({"seed": 0, "instruments": []}, "drums, bass"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        synthesize_song(**arguments)  # type: ignore[arg-type]


def test_notes_of_drums_are_refused() -> None:
    with pytest.raises(UsageError, match="drums"):
        compose_notes(0, "drums")


def test_written_song_reads_back(tmp_path: Path) -> None:
    folder = write_song(tmp_path / "deep" / "tune", 3, 2.0, RATE, ["bass", "keys"])
    song = json.loads((folder / "song.json").read_text())
    assert song["song"] == "tune"
    assert song["stems"] == [
        {"file": "bass.flac", "instrument": "bass", "dry": True},
        {"file": "keys.flac", "instrument": "electric piano", "dry": True},
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["bass.flac", "keys.flac", "song.json"]
    audio, rate = soundfile.read(folder / "keys.flac", dtype="float32")
    expected = synthesize_song(3, 2.0, RATE, ["keys"])["keys"]
    assert rate == RATE
    np.testing.assert_allclose(audio.T, expected, atol=1.01 / 2**15)


def test_a_finished_song_is_kept_and_another_refused(tmp_path: Path) -> None:
    folder = write_song(tmp_path / "tune", 3, 2.0, RATE, ["bass"])
    before = (folder / "bass.flac").stat().st_mtime_ns
    assert write_song(folder, 3, 2.0, RATE, ["bass"]) == folder
    assert (folder / "bass.flac").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="something else"):
        write_song(folder, 4, 2.0, RATE, ["bass"])


def test_an_interrupted_song_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(synthetic, "write", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_song(tmp_path / "tune", 3, 2.0, RATE, ["bass"])
    assert list(tmp_path.iterdir()) == []


def test_collection_is_the_same_with_more_jobs(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    alone = synthesize_collection(
        tmp_path / "a", 3, 2.0, seed=8, sample_rate=RATE, instruments=["bass"],
        progress=lambda *event: seen.append(event),
    )  # fmt: skip
    together = synthesize_collection(tmp_path / "b", 3, 2.0, seed=8, jobs=2, sample_rate=RATE, instruments=["bass"])
    assert [path.name for path in alone] == [path.name for path in together]
    assert seen == [(path.name, done, 3) for done, path in enumerate(alone, start=1)]
    sounds = [(path / "bass.flac").read_bytes() for path in alone]
    assert sounds == [(path / "bass.flac").read_bytes() for path in together]
    assert len(set(sounds)) == 3


def test_collection_needs_songs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        synthesize_collection(tmp_path, 0)
