"""Three-band compressor and downward expander, mixed with the untouched signal."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from fxlens.dsp.crossover import lowpass_batch, split_bands
from fxlens.dsp.envelope import DETECTOR_FALL_MS, time_coefficient, time_coefficients
from fxlens.dsp.fast.bands import compand_bands_in_place, lowpass_coefficients, tail_samples
from fxlens.dsp.fast.dynamics import DB_PER_OCTAVE
from fxlens.dsp.gradient.compander import SETTINGS, compress_bands
from fxlens.dsp.kernels import compander_gain, rest
from fxlens.effects.dynamics import NARROWEST_KNEE_DB, SHORTEST_MS, require
from fxlens.effects.processor import Parameter, Processor, Run

BANDS = ("low", "mid", "high")
SMALLEST_EXPANDER_RATIO = 0.01
"""Smaller expander ratios are raised to it: 99 dB taken per dB is a gate."""


def _band_parameters(band: str) -> tuple[Parameter, ...]:
    return (
        Parameter(f"{band}_threshold_db", -30.0, -5.0, -5.0),
        Parameter(f"{band}_ratio", 1.5, 6.0, 1.0),
        Parameter(f"{band}_expander_threshold_db", -60.0, -30.0, -60.0),
        Parameter(f"{band}_expander_ratio", 0.1, 1.0, 1.0),
        Parameter(f"{band}_attack_ms", 1.0, 20.0, 5.0, log=True),
        Parameter(f"{band}_release_ms", 20.0, 500.0, 100.0, log=True),
    )


def band_change(band: str, sample_rate: int, values: Mapping[str, float]) -> Run:
    """Make what turns the next block of a band into what is to be added to it: its gain less 1, times itself.

    Args:
        band: one of ``BANDS``.
        sample_rate: Hz.
        values: every parameter of the multiband compressor.

    Returns:
        A function that works in place, ``float64 [2, N]``, C-contiguous, and returns its argument.

    Raises:
        PresetError: a setting for which the equations have no meaning.
    """
    _require_band(band, values)
    settings = (
        values[f"{band}_threshold_db"],
        1.0 - 1.0 / values[f"{band}_ratio"],
        NARROWEST_KNEE_DB,
        values[f"{band}_expander_threshold_db"],
        1.0 / min(max(values[f"{band}_expander_ratio"], SMALLEST_EXPANDER_RATIO), 1.0) - 1.0,
        time_coefficient(DETECTOR_FALL_MS, sample_rate),
        time_coefficient(values[f"{band}_attack_ms"], sample_rate),
        time_coefficient(values[f"{band}_release_ms"], sample_rate),
    )
    state = rest()

    def run(block: np.ndarray) -> np.ndarray:
        gain = np.empty(block.shape[1])
        compander_gain(block, *settings, state, gain)
        gain -= 1.0
        block *= gain
        return block

    return run


def _require_band(band: str, values: Mapping[str, float]) -> None:
    require("multiband_compressor", f"{band}_ratio", values[f"{band}_ratio"], 1.0)
    for name in ("attack_ms", "release_ms"):
        require("multiband_compressor", f"{band}_{name}", values[f"{band}_{name}"], SHORTEST_MS)


class MultibandCompressor(Processor):
    """``y = x + mix (sum_b (g_b - 1) band_b)``: three bands, each with its own compressor and expander.

    The bands are zero-phase Linkwitz-Riley bands that add up to ``x`` (:mod:`fxlens.dsp.crossover`), so this
    is ``(1 - mix) x + mix (sum_b g_b band_b)`` without any comb filtering between the two paths, and exactly
    ``x`` where all gains are 1. Above ``threshold_db`` a band is compressed by ``ratio``; below
    ``expander_threshold_db`` it is turned down further: ``expander_ratio`` is dB in per dB out, 0.5 takes one
    more dB for every dB below, 1 takes none. Knees are hard. Levels are peaks of both channels together, see
    :func:`fxlens.dsp.envelope.peak_level`; attack and release are as in :mod:`fxlens.effects.dynamics`.
    """

    type = "multiband_compressor"
    nonlinear = True
    parameters = (
        Parameter("low_crossover_hz", 20.0, 300.0, 150.0, log=True),
        Parameter("high_crossover_hz", 2000.0, 12000.0, 4000.0, log=True),
        *(parameter for band in BANDS for parameter in _band_parameters(band)),
        Parameter("mix", 0.2, 0.7, 0.0),
    )

    def reference(self, audio: np.ndarray, sample_rate: int, **values: float) -> np.ndarray:
        bands = split_bands(audio, values["low_crossover_hz"], values["high_crossover_hz"], sample_rate)
        for name, band in zip(BANDS, bands, strict=True):
            band_change(name, sample_rate, values)(band)
        low, mid, high = bands
        low += mid
        low += high
        low *= values["mix"]
        return low + audio

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        v = {name: value.to(audio.device).double() for name, value in values.items()}

        def per_band(name: str) -> Tensor:
            return torch.stack([v[f"{band}_{name}"] for band in BANDS], dim=1)

        ratio = per_band("ratio").clamp_min(1.0)
        settings = {
            "threshold_db": per_band("threshold_db"),
            "slope": 1.0 - 1.0 / ratio,
            "knee_db": torch.full_like(ratio, NARROWEST_KNEE_DB),
            "expander_threshold_db": per_band("expander_threshold_db"),
            "expander_slope": 1.0 / per_band("expander_ratio").clamp(SMALLEST_EXPANDER_RATIO, 1.0) - 1.0,
            "attack": time_coefficients(per_band("attack_ms").clamp_min(SHORTEST_MS), sample_rate),
            "release": time_coefficients(per_band("release_ms").clamp_min(SHORTEST_MS), sample_rate),
            "makeup": torch.ones_like(ratio),
            "weight": v["mix"].unsqueeze(1).expand_as(ratio),
        }
        low, high = lowpass_batch(audio, v["low_crossover_hz"], v["high_crossover_hz"], sample_rate)
        c = torch.stack([settings[name] for name in SETTINGS], dim=-1)
        return compress_bands(audio, low, high, c, time_coefficient(DETECTOR_FALL_MS, sample_rate))

    def fast_clip(self, clip: np.ndarray, sample_rate: int, **values: float) -> None:
        for band in BANDS:
            _require_band(band, values)
        if values["mix"] == 0.0:
            return
        low, high = (lowpass_coefficients(values[f"{name}_crossover_hz"], sample_rate) for name in ("low", "high"))
        threshold_db = np.array([values[f"{band}_threshold_db"] for band in BANDS])
        expander_db = np.array([values[f"{band}_expander_threshold_db"] for band in BANDS])
        expander_ratio = np.array([values[f"{band}_expander_ratio"] for band in BANDS])
        curves = np.stack(
            [
                10.0 ** (-threshold_db / 20.0),
                1.0 - 1.0 / np.array([values[f"{band}_ratio"] for band in BANDS]),
                np.full(len(BANDS), NARROWEST_KNEE_DB / DB_PER_OCTAVE),
                (expander_db - threshold_db) / DB_PER_OCTAVE,
                1.0 / np.clip(expander_ratio, SMALLEST_EXPANDER_RATIO, 1.0) - 1.0,
            ],
            axis=1,
        )
        attack, release = (
            np.array([time_coefficient(values[f"{band}_{name}"], sample_rate) for band in BANDS])
            for name in ("attack_ms", "release_ms")
        )
        compand_bands_in_place(
            clip,
            np.array(low),
            np.array(high),
            max(tail_samples(low[2]), tail_samples(high[2])),
            curves.astype(np.float32),
            time_coefficient(DETECTOR_FALL_MS, sample_rate),
            attack,
            release,
            values["mix"],
        )
