"""Refuse what is not audio, by name: sample rates, shapes, emptiness, NaN. And what silence is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fxlens.errors import AudioChannelsError, AudioEmptyError, AudioNotFiniteError, UsageError

LOWEST_SAMPLE_RATE, HIGHEST_SAMPLE_RATE = 1_000, 768_000
SILENCE_DBFS = -90.0
"""Peak level up to which audio counts as silent: one step of 16-bit audio is -90.3 dBFS."""


def check_rate(sample_rate: float, name: str = "sample_rate") -> None:
    """Refuse sample rates that cannot be meant.

    Raises:
        UsageError: not a number from 1 000 to 768 000 Hz.
    """
    if (
        isinstance(sample_rate, bool)
        or not isinstance(sample_rate, int | float | np.integer | np.floating)
        or not LOWEST_SAMPLE_RATE <= sample_rate <= HIGHEST_SAMPLE_RATE
    ):
        raise UsageError(f"{name} must be from {LOWEST_SAMPLE_RATE} to {HIGHEST_SAMPLE_RATE} Hz, not {sample_rate!r}")


def check_shape(audio: np.ndarray, source: str | Path = "array") -> None:
    """Refuse shapes other than ``[T]``, ``[1, T]`` and ``[2, T]``.

    Raises:
        AudioChannelsError: more than two channels, or a shape that cannot be audio.
        AudioEmptyError: no samples.
    """
    if audio.ndim not in (1, 2):
        raise AudioChannelsError(
            source,
            f"shape {audio.shape} is not [time] or [channel, time]; pass the clips of a batch one by one",
        )
    if audio.size == 0:
        raise AudioEmptyError(source, f"it has no samples (shape {audio.shape})")
    if audio.ndim == 2 and audio.shape[0] > 2:
        if audio.shape[1] <= 2:
            raise AudioChannelsError(
                source,
                f"shape {audio.shape} looks like [time, channel]; pass [channel, time], that is array.T",
            )
        raise AudioChannelsError(source, f"it has {audio.shape[0]} channels; mix it down to one or two channels first")


def check(audio: np.ndarray, source: str | Path = "array") -> None:
    """Refuse audio that nothing sensible can be said about.

    Args:
        audio: ``[T]``, ``[1, T]`` or ``[2, T]``.
        source: the file or thing to name in the message.

    Raises:
        AudioChannelsError: more than two channels, or a shape that cannot be audio.
        AudioEmptyError: no samples.
        AudioNotFiniteError: NaN or infinite samples.
    """
    check_shape(audio, source)
    if not np.isfinite(audio).all():
        raise AudioNotFiniteError(source, "it has NaN or infinite samples; repair or export it again")


def is_silent(audio: np.ndarray) -> bool:
    """Whether no sample is above ``SILENCE_DBFS`` (-90 dBFS); any shape, empty counts as silent."""
    if audio.size == 0:
        return True
    return bool(max(audio.max(), -audio.min()) <= 10.0 ** (SILENCE_DBFS / 20.0))
