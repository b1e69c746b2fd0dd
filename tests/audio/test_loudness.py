"""The meter against the recommendation, EBU's test signals and pyloudnorm."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import scipy.signal
import soundfile

from fxlens.audio.loudness import integrated_loudness, k_weighting, normalize_loudness
from fxlens.errors import AudioChannelsError, AudioEmptyError, AudioNotFiniteError, UsageError

DATA = Path(os.environ.get("FXLENS_DATA", Path(__file__).parents[3] / "shared" / "data"))
RECORDINGS = sorted(DATA.glob("multitracks/*/*/*.ogg"))
AGREEMENT_LU = 0.1


def sine(level_dbfs: float, seconds: float, sample_rate: int = 48000, hz: float = 1000.0) -> np.ndarray:
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return np.tile(10.0 ** (level_dbfs / 20.0) * np.sin(2.0 * np.pi * hz * t), (2, 1))


def pink_noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(shape))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.shape[-1]), 1.0))
    noise = np.fft.irfft(spectrum, shape[-1])
    return 0.2 * noise / np.abs(noise).max()


def peer(audio: np.ndarray, sample_rate: int) -> float:
    return pyloudnorm.Meter(sample_rate).integrated_loudness(audio.T.astype(np.float64))


def test_coefficients_at_48_khz_are_the_tables_of_bs1770() -> None:
    shelf, high_pass = k_weighting(48000)
    np.testing.assert_allclose(
        shelf,
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],
        atol=1e-10,
    )
    np.testing.assert_allclose(high_pass, [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621], atol=1e-10)


@pytest.mark.parametrize(
    ("sample_rate", "budget_db"), [(22050, 0.15), (44100, 0.02), (88200, 0.05), (96000, 0.05), (192000, 0.06)]
)
def test_response_is_that_of_48_khz_at_any_rate(sample_rate: int, budget_db: float) -> None:
    frequencies = np.geomspace(20.0, 5000.0, 60)

    def response_db(rate: int) -> np.ndarray:
        _, h = scipy.signal.freqz_sos(k_weighting(rate), worN=frequencies, fs=rate)
        return 20.0 * np.log10(np.abs(h))

    assert np.abs(response_db(sample_rate) - response_db(48000)).max() < budget_db


@pytest.mark.parametrize("sample_rate", [44100, 48000])
@pytest.mark.parametrize(
    ("parts", "expected_lufs"),
    [
        ([(-23.0, 20.0)], -23.0),
        ([(-33.0, 20.0)], -33.0),
        ([(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)], -23.0),
        ([(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)], -23.0),
        ([(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)], -23.0),
    ],
    ids=["case 1", "case 2", "case 3", "case 4", "case 5"],
)
def test_signals_of_ebu_tech_3341(parts: list[tuple[float, float]], expected_lufs: float, sample_rate: int) -> None:
    audio = np.concatenate([sine(level, seconds, sample_rate) for level, seconds in parts], axis=1)
    assert integrated_loudness(audio, sample_rate) == pytest.approx(expected_lufs, abs=0.1)


def test_one_channel_at_full_scale() -> None:
    mono = sine(0.0, 5.0, hz=997.0)[:1]
    assert integrated_loudness(mono, 48000) == pytest.approx(-3.01, abs=0.01)
    assert integrated_loudness(np.repeat(mono, 2, 0), 48000) == pytest.approx(0.0, abs=0.01)
    assert integrated_loudness(mono[0], 48000) == integrated_loudness(mono, 48000)


@pytest.mark.parametrize("sample_rate", [22050, 44100, 48000, 96000])
def test_noise_agrees_with_pyloudnorm(sample_rate: int) -> None:
    audio = pink_noise(1, (2, 6 * sample_rate))
    assert integrated_loudness(audio, sample_rate) == pytest.approx(peer(audio, sample_rate), abs=AGREEMENT_LU)
    white = np.random.default_rng(2).standard_normal((2, 6 * sample_rate)) * 0.05
    assert integrated_loudness(white, sample_rate) == pytest.approx(peer(white, sample_rate), abs=AGREEMENT_LU)


def test_at_48_khz_with_the_exact_filters_pyloudnorm_is_matched_closely() -> None:
    audio = pink_noise(3, (2, 48000 * 6))
    audio *= np.linspace(0.001, 1.0, audio.shape[1])  # so that both gates matter
    exact = pyloudnorm.Meter(48000, filter_class="DeMan").integrated_loudness(audio.T)
    assert integrated_loudness(audio, 48000) == pytest.approx(exact, abs=1e-6)


@pytest.mark.skipif(not RECORDINGS, reason="no recordings: FXLENS_DATA names the folder that has them")
@pytest.mark.parametrize("sample_rate", [22050, 44100, 48000, 96000])
def test_music_agrees_with_pyloudnorm(sample_rate: int) -> None:
    import soxr

    measured = 0
    for path in RECORDINGS[:: max(1, len(RECORDINGS) // 4)]:
        with soundfile.SoundFile(path) as file:
            file.seek(file.frames // 3)
            audio, rate = file.read(6 * file.samplerate, dtype="float32", always_2d=True), file.samplerate
        audio = soxr.resample(audio, rate, sample_rate).T
        # Music, then silence twice as long: what the gates are for.
        gated = np.pad(audio, ((0, 0), (0, 2 * audio.shape[1])))
        for clip in (audio, gated):
            with np.errstate(divide="ignore"):
                expected = peer(clip, sample_rate)
            if np.isfinite(expected):
                assert integrated_loudness(clip, sample_rate) == pytest.approx(expected, abs=AGREEMENT_LU), path
                measured += 1
    assert measured >= 4


def test_gates_ignore_silence_and_quiet_parts() -> None:
    music = pink_noise(4, (2, 48000 * 8))
    alone = integrated_loudness(music, 48000)
    with_silence = integrated_loudness(np.pad(music, ((0, 0), (0, 48000 * 60))), 48000)
    with_murmur = integrated_loudness(np.concatenate([music, 0.05 * music], axis=1), 48000)
    assert with_silence == pytest.approx(alone, abs=0.15)  # three blocks straddle the edge
    assert with_murmur == pytest.approx(alone, abs=0.15)
    ungated = alone + 10.0 * np.log10(8 / 68)
    assert with_silence - ungated > 9.0


@pytest.mark.parametrize("seconds", [0.1, 0.4, 3.0])
def test_silence_is_minus_infinity(seconds: float) -> None:
    assert integrated_loudness(np.zeros((2, round(48000 * seconds))), 48000) == -np.inf


def test_what_stays_under_the_absolute_gate_is_minus_infinity() -> None:
    assert integrated_loudness(sine(-71.0, 3.0), 48000) == -np.inf
    assert integrated_loudness(sine(-69.0, 3.0), 48000) == pytest.approx(-69.0, abs=0.1)


def test_shorter_than_a_block_is_measured_ungated() -> None:
    short = sine(-80.0, 0.39)
    filtered = scipy.signal.sosfilt(k_weighting(48000), short)
    expected = -0.691 + 10.0 * np.log10((filtered**2).mean(1).sum())
    assert integrated_loudness(short, 48000) == pytest.approx(expected, abs=1e-9)
    assert np.isfinite(integrated_loudness(short[:, :1] + 0.1, 48000))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_equals_loop(dtype: type) -> None:
    levels = np.array([1.0, 0.1, 0.0, 1e-5, 0.5, 0.3])
    batch = (pink_noise(5, (6, 2, 44100 * 2)) * levels[:, None, None]).astype(dtype).reshape(2, 3, 2, -1)
    together = integrated_loudness(batch, 44100)
    assert together.shape == (2, 3)
    alone = [[float(integrated_loudness(clip, 44100)) for clip in row] for row in batch]
    np.testing.assert_array_equal(together, alone)
    assert together[0, 2] == -np.inf and together[1, 0] == -np.inf


def test_views_and_read_only_arrays_are_measured() -> None:
    interleaved = pink_noise(6, (2, 44100)).T.copy().T
    interleaved.setflags(write=False)
    expected = integrated_loudness(np.ascontiguousarray(interleaved), 44100)
    assert integrated_loudness(interleaved, 44100) == expected


def test_long_silence_after_music_is_not_slow() -> None:
    audio = np.zeros((2, 44100 * 60), np.float32)
    audio[:, :100] = 0.5
    integrated_loudness(audio[:, :44100], 44100)
    start = time.process_time()
    integrated_loudness(audio, 44100)
    assert time.process_time() - start < 0.4  # 25 ms; denormals would take seconds


def test_normalizing_reaches_the_target() -> None:
    batch = pink_noise(7, (3, 2, 44100 * 3)).astype(np.float32) * np.array([1.0, 0.3, 0.05], np.float32)[:, None, None]
    targets = np.array([-14.0, -18.0, -23.0])
    result, gain_db = normalize_loudness(batch, 44100, targets)
    assert result.dtype == np.float32
    np.testing.assert_allclose(integrated_loudness(result, 44100), targets, atol=1e-4)
    np.testing.assert_allclose(result, batch * 10.0 ** (gain_db / 20.0)[:, None, None], rtol=1e-5)


def test_normalizing_leaves_silence_alone() -> None:
    music = pink_noise(8, (2, 44100 * 3))
    batch = np.stack([music, 0.0 * music, 1e-4 * music])
    result, gain_db = normalize_loudness(batch, 44100, -18.0)
    assert gain_db[0] != 0.0
    np.testing.assert_array_equal(gain_db[1:], 0.0)
    np.testing.assert_array_equal(result[1:], batch[1:])
    _, forced = normalize_loudness(1e-4 * music, 44100, -18.0, silence_lufs=-120.0)
    assert forced == 0.0  # it never passes the gate, whatever silence is said to be
    _, raised = normalize_loudness(1e-2 * music, 44100, -18.0, silence_lufs=-120.0)
    assert raised > 30.0


def test_wrong_input_is_named() -> None:
    audio = pink_noise(9, (2, 44100))
    with pytest.raises(AudioChannelsError, match=r"\(6, 44100\).*one or two channels"):
        integrated_loudness(np.zeros((6, 44100)), 44100)
    with pytest.raises(AudioEmptyError, match="no samples"):
        integrated_loudness(np.zeros((2, 0)), 44100)
    with pytest.raises(UsageError, match="1000 Hz; resample to at least 4000"):
        integrated_loudness(audio, 1000)
    with pytest.raises(UsageError, match="target_lufs"):
        normalize_loudness(audio, 44100, float("nan"))
    for index in (0, -1):  # the last sample lies in no whole block
        broken = audio[:, :-7].copy()
        broken[1, index] = np.nan
        with pytest.raises(AudioNotFiniteError, match="NaN or infinite"):
            integrated_loudness(broken, 44100)
