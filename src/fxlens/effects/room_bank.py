"""A bank of synthetic rooms that a seed indexes: the impulse responses of the reverb.

A room is noise whose spectrum fades: short overlapping frames of random-phase noise, each weaker than the
one before by a factor that depends on frequency. Twelve bands, evenly spaced in log-frequency from 40 Hz to
16 kHz, set the decay; between their centres it is interpolated. The band at f decays by 60 dB in::

    T60(f) = decay_seconds * character(f) * 10^(-damping * position(f))

where ``position`` runs from 0 at 250 Hz and below to 1 at 16 kHz, and ``character`` (within a quarter
octave of 1, with a level within 3 dB) belongs to the seed. The channels are independent, so the tail is
decorrelated. Signs, not Gaussian numbers, make the phases: raw generator words are the same in every NumPy
release, a distribution need not be.

Rooms are made at 48 kHz and carried to any other rate by their spectrum, so one room sounds the same
everywhere.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from fxlens.effects.impulse_responses import LONGEST_SECONDS, pink_weights

BANK_RATE = 48_000
"""Sample rate at which the rooms of the bank are made, Hz."""
FRAME_SAMPLES = 512
HOP_SAMPLES = FRAME_SAMPLES // 2
BAND_CENTRES_HZ = np.geomspace(40.0, 16_000.0, 12)
DAMPED_FROM_HZ, DAMPED_MOST_HZ = 250.0, 16_000.0
# Slowest band of any character: a quarter octave, so that the length depends on nothing but the decay.
_SLOWEST = 2.0**0.25
_GUARD_SECONDS = 0.01  # room for the ringing of the band limit, before it wraps around
_BINS = FRAME_SAMPLES // 2 - 1  # without DC and the Nyquist frequency
_WORDS_PER_FRAME = 2 * 2 * FRAME_SAMPLES // 2 // 64  # two channels, real and imaginary: a bit for each bin


@lru_cache(maxsize=64)
def character(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return, per bin ``[255]``, log2 of the T60 factor and log2 of the amplitude of room ``seed``."""
    words = np.random.PCG64(np.random.SeedSequence([seed, 0])).random_raw(24)
    spread = 2.0 * (np.asarray(words, dtype=np.float64) / 2.0**64) - 1.0
    log_bins = np.log(np.arange(1, _BINS + 1) * (BANK_RATE / FRAME_SAMPLES))
    log_bands = np.log(BAND_CENTRES_HZ)
    log_factor = np.interp(log_bins, log_bands, 0.25 * spread[:12])
    log_level = np.interp(log_bins, log_bands, 0.5 * spread[12:])
    return log_factor, log_level


@lru_cache(maxsize=1)
def damping_position() -> np.ndarray:
    """Return how far damping reaches, 0-1 per bin ``[255]``; 12 bands as for the character."""
    bands = np.log(BAND_CENTRES_HZ / DAMPED_FROM_HZ) / math.log(DAMPED_MOST_HZ / DAMPED_FROM_HZ)
    log_bins = np.log(np.arange(1, _BINS + 1) * (BANK_RATE / FRAME_SAMPLES))
    return np.interp(log_bins, np.log(BAND_CENTRES_HZ), np.clip(bands, 0.0, 1.0))


@lru_cache(maxsize=1)
def window() -> np.ndarray:
    """Return the sine window ``[512]``: overlapped by half, its squares sum to 1."""
    return np.sin(math.pi * (np.arange(FRAME_SAMPLES) + 0.5) / FRAME_SAMPLES)


def noise(seed: int, frames: int) -> np.ndarray:
    """Return the noise of room ``seed``: signs, ``int8 [frames, 2 channels, 2 (real, imaginary), 255 bins]``.

    A longer noise begins with the shorter one.
    """
    return _signs(seed, 1 << max(frames - 1, 15).bit_length())[:frames]


@lru_cache(maxsize=8)
def _signs(seed: int, frames: int) -> np.ndarray:
    words = np.random.PCG64(np.random.SeedSequence([seed, 1])).random_raw(frames * _WORDS_PER_FRAME)
    bits = np.unpackbits(np.asarray(words).astype("<u8").view(np.uint8)).reshape(frames, 2, 2, _BINS + 1)
    signs = 1 - 2 * bits[..., :_BINS].astype(np.int8)
    signs.flags.writeable = False
    return signs


def segment_count(decay_seconds: float) -> int:
    """Return how many hops cover 60 dB of the slowest band any room could have with this decay."""
    seconds = min(decay_seconds * _SLOWEST, LONGEST_SECONDS)
    return max(1, math.ceil(seconds * BANK_RATE / HOP_SAMPLES))


def transform_sizes(segments: int, predelay_ms: float, sample_rate: int) -> tuple[int, int, int]:
    """Choose FFT sizes of one duration at both rates: bins coincide, and resampling is a change of size.

    Returns:
        FFT size at 48 kHz, FFT size at ``sample_rate``, and how many samples of the result to keep.
    """
    seconds = segments * HOP_SAMPLES / BANK_RATE + predelay_ms / 1000.0
    divisor = math.gcd(sample_rate, BANK_RATE)
    at_bank, at_rate = BANK_RATE // divisor, sample_rate // divisor
    multiple = next_fast_len(math.ceil((seconds + _GUARD_SECONDS) * divisor), real=True)
    return multiple * at_bank, multiple * at_rate, math.ceil(seconds * sample_rate)


def band_limit(frequency_hz: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return a raised cosine from 1 at 0.9 of the lower Nyquist frequency to 0 at it."""
    nyquist = min(sample_rate, BANK_RATE) / 2.0
    return 0.5 + 0.5 * np.cos(math.pi * np.clip((frequency_hz / nyquist - 0.9) / 0.1, 0.0, 1.0))


@lru_cache(maxsize=8)
def impulse_response(
    seed: int, decay_seconds: float, predelay_ms: float, damping: float, sample_rate: int
) -> np.ndarray:
    """Return a room of the bank. The same arguments give the same samples, bit for bit.

    Args:
        seed: which room, 0 or more.
        decay_seconds: time for 60 dB at 250 Hz and below, before the room's own character.
        predelay_ms: silence before the response, in fractions of a sample if need be.
        damping: 0-1; at 1 the top band decays ten times as fast as the bass.
        sample_rate: Hz.

    Returns:
        ``float64 [2, N]``, read-only (it is cached), unit energy for pink noise in each channel.
    """
    segments = segment_count(decay_seconds)
    log_factor, log_level = character(seed)
    t60 = decay_seconds * np.exp2(log_factor) * 10.0 ** (-damping * damping_position())
    hops_per_60_db = t60 * (BANK_RATE / HOP_SAMPLES)
    exponent = np.arange(segments + 1)[:, None] * (-3.0 * math.log(10.0) / hops_per_60_db)
    envelope = np.exp(exponent + math.log(2.0) * log_level)

    spectra = np.zeros((segments + 1, 2, _BINS + 2), dtype=np.complex128)
    signs = noise(seed, segments + 1)
    spectra.real[..., 1:-1] = envelope[:, None] * signs[:, :, 0]
    spectra.imag[..., 1:-1] = envelope[:, None] * signs[:, :, 1]
    frames = irfft(spectra, FRAME_SAMPLES) * window()
    # The first frame is centred on time zero: only what follows its centre is heard.
    samples = (frames[:-1, :, HOP_SAMPLES:] + frames[1:, :, :HOP_SAMPLES]).transpose(1, 0, 2).reshape(2, -1)

    size_bank, size, length = transform_sizes(segments, predelay_ms, sample_rate)
    spectrum = rfft(samples, size_bank)
    frequency = np.arange(spectrum.shape[-1]) * (BANK_RATE / size_bank)
    spectrum /= np.sqrt((np.abs(spectrum) ** 2) @ pink_weights(frequency))[:, None]
    shared = min(size_bank, size) // 2 + 1
    shift = np.exp(-2j * math.pi * frequency[:shared] * (predelay_ms / 1000.0))
    response = irfft(spectrum[:, :shared] * (shift * band_limit(frequency[:shared], sample_rate)), size)
    response = np.ascontiguousarray(response[:, :length])
    response.flags.writeable = False
    return response
