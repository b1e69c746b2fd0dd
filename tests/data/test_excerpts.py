"""Excerpts lie where the stem sounds, do not repeat music, and load as what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxlens.data.excerpts import Excerpt, active_share, draw_excerpt, load_excerpt, overlap_seconds
from fxlens.data.manifest import Stem
from fxlens.errors import AudioError, UsageError

RATE = 8000


def stem(path: Path = Path("x.wav"), duration: float = 60.0, active: tuple = ((0.0, 60.0),), sha: str = "a") -> Stem:
    return Stem("song", "train", "x", "bass", path, duration, RATE, -20.0, active, True, sha)


def draws(of: Stem, seconds: float, count: int = 200, avoid: Excerpt | None = None) -> list[Excerpt]:
    rng = np.random.default_rng(5)
    return [draw_excerpt(of, seconds, rng, avoid) for _ in range(count)]


def test_excerpts_stay_inside_and_reach_both_ends() -> None:
    starts = np.array([e.start_seconds for e in draws(stem(), 10.0, 2000)])
    assert starts.min() >= 0.0 and starts.max() <= 50.0
    assert starts.min() < 1.0 and starts.max() > 49.0
    assert abs(starts.mean() - 25.0) < 1.5  # uniform on 0-50: standard error 0.32


def test_active_regions_are_preferred() -> None:
    sparse = stem(active=((20.0, 28.0), (50.0, 53.0)))
    for excerpt in draws(sparse, 10.0):
        inside = max(0.0, min(excerpt.end_seconds, 28.0) - max(excerpt.start_seconds, 20.0))
        assert inside >= 6.0 - 1e-6


def test_the_best_there_is_when_nothing_is_active_enough() -> None:
    short = stem(active=((30.0, 32.0),))
    assert all(active_share(short, e.start_seconds, 10.0) >= 0.15 - 1e-9 for e in draws(short, 10.0))
    nowhere = stem(active=())
    assert len({e.start_seconds for e in draws(nowhere, 10.0)}) > 50


def test_active_share_by_hand() -> None:
    some = stem(active=((1.0, 3.0), (5.0, 6.0)))
    np.testing.assert_allclose(active_share(some, np.array([0.0, 2.0, 10.0]), 4.0), [0.5, 0.5, 0.0])


def test_the_same_seed_gives_the_same_excerpt_and_one_number_is_used() -> None:
    first, second = np.random.default_rng(1), np.random.default_rng(1)
    assert draw_excerpt(stem(), 10.0, first) == draw_excerpt(stem(), 10.0, second)
    draw_excerpt(stem(duration=5.0, active=()), 10.0, first)
    second.random()
    assert first.random() == second.random()


@pytest.mark.parametrize("start", [0.0, 12.3, 25.0, 50.0])
def test_other_music_does_not_overlap(start: float) -> None:
    avoid = Excerpt(stem(), start, 10.0)
    assert all(overlap_seconds(e, avoid) < 1e-6 for e in draws(stem(), 10.0, avoid=avoid))


def test_avoiding_wins_over_activity() -> None:
    one_spot = stem(active=((20.0, 30.0),))
    avoid = Excerpt(one_spot, 20.0, 10.0)
    assert all(overlap_seconds(e, avoid) < 1e-6 for e in draws(one_spot, 10.0, avoid=avoid))


def test_exactly_two_excerpts_fit() -> None:
    tight = stem(duration=20.0, active=((0.0, 20.0),))
    assert {e.start_seconds for e in draws(tight, 10.0, avoid=Excerpt(tight, 0.0, 10.0))} == {10.0}


def test_too_short_for_two_overlaps_as_little_as_it_can() -> None:
    short = stem(duration=15.0, active=((0.0, 15.0),))
    for excerpt in draws(short, 10.0, avoid=Excerpt(short, 0.0, 10.0)):
        assert excerpt.start_seconds == pytest.approx(5.0)


def test_excerpts_of_other_stems_do_not_overlap() -> None:
    assert overlap_seconds(Excerpt(stem(), 0.0, 10.0), Excerpt(stem(sha="b"), 0.0, 10.0)) == 0.0


def test_a_length_that_is_none() -> None:
    with pytest.raises(UsageError, match="longer"):
        draw_excerpt(stem(), 0.0, np.random.default_rng(0))


def ramp(tmp_path: Path, seconds: float, channels: int = 2) -> tuple[Path, np.ndarray]:
    samples = np.arange(round(seconds * RATE)) / (seconds * RATE)
    audio = np.stack([samples, -samples])[:channels]
    path = tmp_path / "ramp.wav"
    soundfile.write(path, audio.T, RATE, subtype="FLOAT")
    return path, audio


def test_loading_reads_just_that_part(tmp_path: Path) -> None:
    path, audio = ramp(tmp_path, 6.0)
    loaded = load_excerpt(Excerpt(stem(path, 6.0), 2.5, 1.5), RATE)
    assert loaded.dtype == np.float32 and loaded.shape == (2, 12000)
    np.testing.assert_allclose(loaded, audio[:, 20000:32000], atol=1e-6)


def test_mono_becomes_stereo_without_a_warning(tmp_path: Path) -> None:
    path, audio = ramp(tmp_path, 2.0, channels=1)
    loaded = load_excerpt(Excerpt(stem(path, 2.0), 0.0, 2.0), RATE)
    np.testing.assert_allclose(loaded, np.repeat(audio, 2, axis=0), atol=1e-6)


def test_resampling_gives_the_exact_length(tmp_path: Path) -> None:
    path, _ = ramp(tmp_path, 6.0)
    assert load_excerpt(Excerpt(stem(path, 6.0), 1.234, 3.3), 44100).shape == (2, round(3.3 * 44100))


def test_a_short_stem_is_repeated(tmp_path: Path) -> None:
    path, audio = ramp(tmp_path, 2.0)
    loaded = load_excerpt(Excerpt(stem(path, 2.0), 0.0, 5.0), RATE)
    assert loaded.shape == (2, 40000)
    np.testing.assert_allclose(loaded[:, 16000:32000], audio, atol=1e-6)
    np.testing.assert_allclose(loaded[:, 32000:], audio[:, :8000], atol=1e-6)


def test_a_file_that_shrank_is_named(tmp_path: Path) -> None:
    path, _ = ramp(tmp_path, 2.0)
    with pytest.raises(AudioError, match=r"ramp\.wav"):
        load_excerpt(Excerpt(stem(path, 60.0), 1.0, 5.0), RATE)
    with pytest.raises(AudioError, match=r"gone\.wav"):
        load_excerpt(Excerpt(stem(tmp_path / "gone.wav", 60.0), 1.0, 5.0), RATE)


def test_a_sum_of_files_and_the_silence_behind_it(tmp_path: Path) -> None:
    path, audio = ramp(tmp_path, 4.0)
    mono = tmp_path / "mono.wav"
    soundfile.write(mono, np.full(3 * RATE, 0.25), RATE, subtype="FLOAT")
    both = replace(stem(path, 5.0), added_paths=(mono,), silence_seconds=2.0)
    wanted = np.concatenate([audio[:, : 3 * RATE] + 0.25, np.zeros((2, 2 * RATE))], axis=1)
    for start, seconds in ((0.0, 1.0), (2.0, 2.0), (2.5, 2.5), (3.5, 1.0)):
        begin = round(start * RATE)
        loaded = load_excerpt(Excerpt(both, start, seconds), RATE)
        np.testing.assert_allclose(loaded, wanted[:, begin : begin + round(seconds * RATE)], atol=1e-6)
    soundfile.write(mono, np.full(RATE, 0.25), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"changed since the manifest|nothing from"):
        load_excerpt(Excerpt(both, 0.5, 2.0), RATE)
