"""Integrated loudness after ITU-R BS.1770-4, for many clips at once, at any sample rate.

Mean square of the K-weighted signal in 400 ms blocks that overlap by 75 %, an absolute gate at -70 LUFS, a
relative gate 10 LU under what passed the first. Blocks that the end cuts short are not used, as the
recommendation says.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from fxlens.dsp.fast.k_weighting import weighted_energies
from fxlens.errors import AudioChannelsError, AudioEmptyError, AudioNotFiniteError, UsageError

ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
LOWEST_SAMPLE_RATE = 4000
"""Hz. Below it the shelf of the K-weighting lies beyond half the sample rate."""

_OFFSET_LU = -0.691  # BS.1770-4 eq. 2: a 997 Hz sine at 0 dBFS in one channel reads -3.01 LUFS
_SEGMENTS_PER_BLOCK = 4  # 400 ms blocks every 100 ms are runs of four 100 ms segments
_SEGMENTS_PER_SECOND = 10


def k_weighting(sample_rate: float) -> np.ndarray:
    """Coefficients of the K-weighting: a high shelf (the head), then a high-pass (the RLB curve).

    BS.1770-4 tabulates them for 48 kHz only. The analogue prototypes behind the tables (B. De Man,
    "Evaluation of implementations of the EBU R128 loudness measurement", AES 145, 2018) are taken to any
    other rate by the bilinear transform; the pass-band gain that the table's plain (1, -2, 1) numerator
    implies at 48 kHz is kept at every rate.

    Args:
        sample_rate: Hz, at least ``LOWEST_SAMPLE_RATE``.

    Returns:
        ``float64 [2, 6]``, second-order sections ``b0 b1 b2 1 a1 a2`` as in :func:`scipy.signal.sosfilt`.

    Raises:
        UsageError: the rate is too low or not finite.
    """
    return np.array(_k_weighting(sample_rate))


@lru_cache(maxsize=32)
def _k_weighting(sample_rate: float) -> tuple[list[float], list[float]]:
    if not math.isfinite(sample_rate) or sample_rate < LOWEST_SAMPLE_RATE:
        raise UsageError(
            f"loudness cannot be measured at {sample_rate} Hz; resample to at least {LOWEST_SAMPLE_RATE} Hz first"
        )
    k, q = math.tan(math.pi * 1681.974450955533 / sample_rate), 0.7071752369554196
    high = 10.0 ** (3.999843853973347 / 20.0)
    band = high**0.4996667741545416
    norm = 1.0 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / norm,
        2.0 * (k * k - high) / norm,
        (high - band * k / q + k * k) / norm,
        1.0,
        2.0 * (k * k - 1.0) / norm,
        (1.0 - k / q + k * k) / norm,
    ]

    frequency, q = 38.13547087602444, 0.5003270373238773

    def high_pass_norm(rate: float) -> tuple[float, float]:
        k = math.tan(math.pi * frequency / rate)
        return k, 1.0 + k / q + k * k

    k, norm = high_pass_norm(sample_rate)
    gain = high_pass_norm(48000.0)[1] / norm
    high_pass = [gain, -2.0 * gain, gain, 1.0, 2.0 * (k * k - 1.0) / norm, (1.0 - k / q + k * k) / norm]
    return shelf, high_pass


def _segment_bounds(frames: int, sample_rate: float) -> np.ndarray:
    """Bounds of the 100 ms segments; of a clip under one block: the whole clip as one segment."""
    count = int(frames * _SEGMENTS_PER_SECOND / sample_rate)
    if count < _SEGMENTS_PER_BLOCK:
        return np.array([0, frames])
    bounds = np.round(np.arange(count + 1) * (sample_rate / _SEGMENTS_PER_SECOND)).astype(np.int64)
    return np.minimum(bounds, frames)


def _lufs(mean_square: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return _OFFSET_LU + 10.0 * np.log10(mean_square)


def _gated_mean(blocks: np.ndarray, passed: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the blocks that passed; 0 where none did."""
    return np.where(passed, blocks, 0.0).sum(-1) / np.maximum(passed.sum(-1), 1)


def integrated_loudness(audio: np.ndarray, sample_rate: float) -> np.ndarray:
    """Measure integrated (gated) loudness.

    Mono is measured as the recommendation measures one channel: 3.01 LU below the same signal in both
    channels.

    Args:
        audio: ``[..., C, T]`` float32 or float64 with one or two channels, or ``[T]`` for one mono clip.
        sample_rate: Hz.

    Returns:
        ``float64 [...]``, LUFS. Silence, and anything whose blocks all fall under the gates, is ``-inf``. A
        clip shorter than 400 ms is one block of its own length that passes no gate: its ungated loudness.

    Raises:
        AudioChannelsError: not one or two channels.
        AudioEmptyError: no samples.
        AudioNotFiniteError: NaN or infinite samples.
        UsageError: the sample rate is too low.
    """
    sections = k_weighting(sample_rate)
    audio = np.asarray(audio)
    if audio.dtype not in (np.float32, np.float64):
        audio = audio.astype(np.float64)
    if audio.ndim == 1:
        audio = audio[None]
    if audio.ndim < 2 or audio.shape[-2] not in (1, 2):
        raise AudioChannelsError(
            "loudness input", f"shape {audio.shape} is not [..., channel, time] with one or two channels"
        )
    if audio.shape[-1] == 0:
        raise AudioEmptyError("loudness input", "it has no samples")
    batch, frames = audio.shape[:-2], audio.shape[-1]
    bounds = _segment_bounds(frames, sample_rate)
    clips = np.ascontiguousarray(audio.reshape(math.prod(batch), *audio.shape[-2:]))
    energies = weighted_energies(clips, sections, bounds)
    if not np.isfinite(energies).all() or not np.isfinite(clips[..., bounds[-1] :]).all():
        raise AudioNotFiniteError("loudness input", "it has NaN or infinite samples; repair it first")
    if bounds.size - 1 < _SEGMENTS_PER_BLOCK:
        return _lufs(energies[:, 0] / frames).reshape(batch)

    count = bounds.size - _SEGMENTS_PER_BLOCK
    sums = sum(energies[:, i : i + count] for i in range(_SEGMENTS_PER_BLOCK))
    blocks = sums / (bounds[_SEGMENTS_PER_BLOCK:] - bounds[:count])
    block_lufs = _lufs(blocks)
    passed = block_lufs > ABSOLUTE_GATE_LUFS
    relative = _lufs(_gated_mean(blocks, passed)) + RELATIVE_GATE_LU
    passed &= block_lufs > relative[:, None]
    return _lufs(_gated_mean(blocks, passed)).reshape(batch)


def normalize_loudness(
    audio: np.ndarray,
    sample_rate: float,
    target_lufs: float | np.ndarray,
    silence_lufs: float = -60.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Bring every clip to a loudness; what is silent stays as it is.

    Peaks are not limited: the result may pass 1.0.

    Args:
        audio: ``[..., C, T]`` or ``[T]``, float.
        sample_rate: Hz.
        target_lufs: LUFS; one number or an array ``[...]``.
        silence_lufs: a clip quieter than this is left alone instead of being amplified into noise.

    Returns:
        The audio in the shape and float type it came in, and the gains ``float64 [...]`` in dB, 0 where left
        alone.

    Raises:
        As :func:`integrated_loudness`; UsageError also for a target that is not finite.
    """
    target = np.asarray(target_lufs, dtype=np.float64)
    if not np.isfinite(target).all():
        raise UsageError(f"target_lufs must be finite, not {target_lufs!r}")
    loudness = integrated_loudness(audio, sample_rate)
    audible = loudness >= silence_lufs
    gain_db = np.where(audible, target - np.where(audible, loudness, 0.0), 0.0)
    gain = 10.0 ** (gain_db / 20.0)
    audio = np.asarray(audio)
    dtype = audio.dtype if np.issubdtype(audio.dtype, np.floating) else np.dtype(np.float64)
    if audio.ndim > 1:
        gain = gain[..., None, None]
    return audio.astype(dtype, copy=False) * gain.astype(dtype), gain_db
