"""What every system does with clips first: refuse what is none, and bring the rest to its own sample rate."""

from __future__ import annotations

import numpy as np

from fxlens.audio.waveform import check_rate, resample
from fxlens.errors import AudioChannelsError, AudioEmptyError, AudioNotFiniteError


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse shapes other than ``[B, 2, T]`` with something in them.

    Raises:
        AudioChannelsError, AudioEmptyError: see there.
    """
    if len(shape) != 3 or shape[1] != 2:
        raise AudioChannelsError(
            "clips", f"expected shape [clips, 2, samples], got {list(shape)}; duplicate mono to two channels first"
        )
    if 0 in shape:
        raise AudioEmptyError("clips", f"shape {list(shape)} has no samples")


def check_clips(clips: np.ndarray, sample_rate: int) -> np.ndarray:
    """``[B, 2, T]`` of finite samples as contiguous float32.

    Raises:
        AudioChannelsError, AudioEmptyError, AudioNotFiniteError: these are no clips.
        UsageError: an impossible sample rate.
    """
    check_rate(sample_rate)
    clips = np.asarray(clips)
    check_shape(clips.shape)
    if not np.isfinite(clips).all():
        broken = int(np.argmax(~np.isfinite(clips).all(axis=(1, 2))))
        raise AudioNotFiniteError(f"clip {broken}", "it has NaN or infinite samples; repair it first")
    return np.ascontiguousarray(clips, dtype=np.float32)


def clips_at(clips: np.ndarray, sample_rate: int, target_rate: int) -> np.ndarray:
    """``float32 [B, 2, T]`` -> ``float32 [B, 2, T']`` at another rate."""
    if sample_rate == target_rate:
        return clips
    return np.stack([resample(clip, sample_rate, target_rate) for clip in clips])
