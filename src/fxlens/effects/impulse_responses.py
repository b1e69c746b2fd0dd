"""Impulse responses as such: their energy, convolution with them, and what makes a recording one.

The rooms that a seed names are in :mod:`fxlens.effects.room_bank`, folders of recorded ones in
:mod:`fxlens.effects.recorded_rooms`.

**Energy.** A response has unit energy for pink noise when the mean of |H(f)|^2, weighted by 1 / f from 40
Hz to 10 kHz, is 1. A source with as much power in each octave, which music roughly is, then leaves the room
at the level at which it came in, however dark the room; with a flat weight (the sum of squares) a damped
room would be up to 6 dB louder. The weight is a matter of frequency, not of samples, so it says the same at
every sample rate.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from fxlens.audio.waveform import resample
from fxlens.errors import AudioChannelsError, AudioSilentError

LONGEST_SECONDS = 6.0
"""No response is longer than this, pre-delay aside; what a recording has beyond it is faded out."""
ONSET_DB = -20.0
"""The direct sound arrives where a recording first comes this close to its peak (ISO 3382-1)."""
_ENERGY_BAND_HZ = (40.0, 10_000.0)
_FADE_SECONDS = 0.05


def pink_weights(frequency_hz: np.ndarray) -> np.ndarray:
    """Return weights proportional to 1 / f from 40 Hz to 10 kHz, zero elsewhere, sum 1."""
    inside = (frequency_hz >= _ENERGY_BAND_HZ[0]) & (frequency_hz <= _ENERGY_BAND_HZ[1])
    weights = np.where(inside, 1.0 / np.maximum(frequency_hz, 1.0), 0.0)
    return weights / weights.sum()


def pink_energy(response: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the energy ``[C]`` of a response ``[C, N]`` as pink noise meets it."""
    # At least a second, so that the lowest weighted frequencies have bins of their own.
    size = next_fast_len(max(response.shape[-1], sample_rate), real=True)
    power = np.abs(rfft(response, size)) ** 2
    return np.asarray(power @ pink_weights(np.arange(power.shape[-1]) * (sample_rate / size)))


def convolve(audio: np.ndarray, impulse_response: np.ndarray, wet: float) -> np.ndarray:
    """Put a clip into a room: ``(1 - wet) * audio + wet * (response * audio)``, cut to the clip's length.

    Args:
        audio: ``[2, T]`` or ``[1, T]``, float32 or float64; computed and returned in this type.
        impulse_response: ``[2, N]``, or ``[1, N]`` or ``[N]`` for one response shared by the channels, at the
            sample rate of the audio.
        wet: 0-1.
    """
    if wet == 0.0 or audio.shape[-1] == 0:
        return audio.copy()
    size, spectrum = response_spectrum(impulse_response.astype(audio.dtype, copy=False), audio.shape[-1])
    return mix(audio, spectrum, size, wet)


def response_spectrum(response: np.ndarray, length: int) -> tuple[int, np.ndarray]:
    """Transform a response for clips of ``length`` samples: the FFT size and the spectrum."""
    used = response[..., :length]  # what comes later cannot reach the clip
    size = next_fast_len(length + used.shape[-1] - 1, real=True)
    return size, rfft(used, size)


def mix(audio: np.ndarray, spectrum: np.ndarray, size: int, wet: float) -> np.ndarray:
    """Do :func:`convolve` with a response already transformed by :func:`response_spectrum`."""
    in_room = irfft(rfft(audio, size) * spectrum, size, overwrite_x=True)[..., : audio.shape[-1]]
    return (1.0 - wet) * audio + wet * in_room


def prepare_response(response: np.ndarray, rate: int, sample_rate: int, source: str) -> np.ndarray:
    """Make a recording ready for :func:`convolve`: its rate, its beginning, its length and its energy.

    Args:
        response: ``[1, N]`` or ``[2, N]``, float64, finite.
        rate: its sample rate, Hz.
        sample_rate: the one wanted, Hz.
        source: what to call it in errors.

    Raises:
        AudioChannelsError: not one or two channels; "true stereo" sets have four, give two of them.
        AudioSilentError: there is nothing in it.
    """
    if response.ndim != 2 or response.shape[0] not in (1, 2):
        raise AudioChannelsError(source, "an impulse response is mono or stereo; export two of its channels")
    if not np.any(response):
        raise AudioSilentError(source, "this impulse response is silent; leave it out of the folder")
    if rate != sample_rate:
        # Resampling smears a click to both sides; in front of the first sample there must be room for that.
        response = resample(np.pad(response, ((0, 0), (rate // 100, 0))), rate, sample_rate)
    loudest = np.abs(response).max(axis=0)
    response = response[:, int(np.argmax(loudest >= loudest.max() * 10.0 ** (ONSET_DB / 20.0))) :]
    longest = round(LONGEST_SECONDS * sample_rate)
    if response.shape[-1] > longest:
        fade = round(_FADE_SECONDS * sample_rate)
        response = response[:, :longest].copy()
        response[:, -fade:] *= 0.5 + 0.5 * np.cos(math.pi * np.arange(1, fade + 1) / fade)
    response = np.repeat(response, 2, axis=0) if response.shape[0] == 1 else response
    energy = float(pink_energy(response, sample_rate).mean())
    if energy <= 0.0:
        raise AudioSilentError(source, "an impulse response needs something from 40 Hz to 10 kHz; leave it out")
    return np.ascontiguousarray(response / math.sqrt(energy))
