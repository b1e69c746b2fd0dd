"""The multiband compressor in blocks: zero-phase bands with a look-ahead.

A filter run backwards must begin behind the samples that are wanted, as far behind as it rings. The forward
pass is therefore kept until so much of it has come, and the backward pass begins anew, at rest, at the end of
what is there; of its result only the part is used that no longer knows where it began (to 1e-9).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fxlens.dsp.fast.bands import lowpass_coefficients, tail_samples
from fxlens.dsp.kernels import lowpass_run
from fxlens.effects.multiband import BANDS, band_change
from fxlens.effects.streaming_stage import Stage, nothing

# Each backward pass costs its look-ahead, so it is not made for a few samples.
_FEWEST_SAMPLES = 16_384


class _Lowpass:
    """The zero-phase low-pass of :mod:`fxlens.dsp.crossover`, for one cutoff in Hz."""

    def __init__(self, cutoff_hz: float, sample_rate: int) -> None:
        self._b0, self._a1, self._a2 = lowpass_coefficients(cutoff_hz, sample_rate)
        self.look_ahead_samples = tail_samples(self._a2)
        self._state = np.zeros(4)
        self._held = nothing()  # after the forward pass, before the backward one

    def take(self, block: np.ndarray) -> None:
        """Run the forward pass over the next samples."""
        forward = np.empty(block.shape)
        lowpass_run(np.ascontiguousarray(block), self._b0, self._a1, self._a2, False, self._state, forward)
        self._held = np.concatenate([self._held, forward], axis=1)

    def give(self, count: int) -> np.ndarray:
        """Run the backward pass, and return and forget the first ``count`` of the samples held."""
        out = self._held[:, : count + self.look_ahead_samples].copy()
        self._held = self._held[:, count:].copy()
        lowpass_run(out, self._b0, self._a1, self._a2, True, np.zeros(4), out)
        return out[:, :count]


class MultibandStage(Stage):
    """:class:`fxlens.effects.multiband.MultibandCompressor` for blocks.

    Args:
        sample_rate: Hz.
        values: its parameters.

    Raises:
        PresetError: a setting for which the equations have no meaning.
    """

    def __init__(self, sample_rate: int, values: Mapping[str, float]) -> None:
        self._low = _Lowpass(values["low_crossover_hz"], sample_rate)
        self._high = _Lowpass(values["high_crossover_hz"], sample_rate)
        self._changes = [band_change(band, sample_rate, values) for band in BANDS]
        self._mix = values["mix"]
        self._look_ahead = max(self._low.look_ahead_samples, self._high.look_ahead_samples)
        self._least = max(_FEWEST_SAMPLES, 2 * self._look_ahead)
        self._dry = nothing()  # what the crossovers hold, before they had it
        self._pending: list[np.ndarray] = []  # what they have yet to get
        self._pending_samples = 0

    def process(self, block: np.ndarray) -> np.ndarray:
        self._pending.append(block)
        self._pending_samples += block.shape[1]
        if self._pending_samples < self._least:
            return nothing()
        self._take()
        return self._give(self._dry.shape[1] - self._look_ahead)

    def finish(self) -> np.ndarray:
        self._take()
        for crossover in (self._low, self._high):
            crossover.take(np.zeros((2, crossover.look_ahead_samples)))
        return self._give(self._dry.shape[1])

    def _take(self) -> None:
        new = np.concatenate([nothing(), *self._pending], axis=1)
        self._pending, self._pending_samples = [], 0
        self._dry = np.concatenate([self._dry, new], axis=1)
        self._low.take(new)
        self._high.take(new)

    def _give(self, count: int) -> np.ndarray:
        dry, self._dry = self._dry[:, :count], self._dry[:, count:].copy()
        low, below = self._low.give(count), self._high.give(count)
        bands = (np.ascontiguousarray(low), below - low, dry - below)
        low, mid, high = (change(band) for change, band in zip(self._changes, bands, strict=True))
        return dry + self._mix * (low + mid + high)
