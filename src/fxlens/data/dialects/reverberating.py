"""Reverbs of another make: rooms that algorithms build, of the decay, pre-delay and damping that the chain states.

Three algorithms: a network of delay lines with feedback; parallel combs with all-passes behind; and sparse noise that
fades in four bands. Each makes an impulse response once for a chain, of unit energy for pink noise as the bank's rooms
have (:mod:`fxlens.effects.impulse_responses`), so that ``wet`` means as much. Which lines or noise is named by the
chain's ``seed`` and the maker's own: a chain in this dialect has one room.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.fft import rfft

from fxlens.data.dialects.blending import LAWS, Law, blend
from fxlens.data.dialects.room_algorithms import comb_room, network_room, sprinkled_room
from fxlens.dsp.fast.overlap_save import block_size, convolve_blocks
from fxlens.effects.impulse_responses import LONGEST_SECONDS, pink_energy
from fxlens.effects.reverb import round_seed

Algorithm = Literal["network", "combs", "sprinkled"]
_ALGORITHMS: tuple[Algorithm, ...] = ("network", "combs", "sprinkled")
_MAKERS = {"network": network_room, "combs": comb_room, "sprinkled": sprinkled_room}


@dataclass(frozen=True)
class OtherReverb:
    """A reverb.

    Args:
        algorithm: how its rooms are built.
        seed: its own; other seeds have other lines.
        early: level of a handful of first reflections, relative to the tail.
        law: see :func:`blend`.
    """

    algorithm: Algorithm
    seed: int
    early: float
    law: Law

    def __call__(self, clip: np.ndarray, sample_rate: int, values: Mapping[str, float]) -> None:
        """Reverberate ``float32 [2, T]`` in place; values as of :class:`fxlens.effects.reverb.Reverb`."""
        if values["wet"] == 0.0:
            return
        room = round_seed(values["seed"]), values["decay_seconds"], values["predelay_ms"], values["damping"]
        spectrum, taps, n_fft = self._spectrum(*room, sample_rate, clip.shape[1])
        blend(clip, convolve_blocks(clip, spectrum, taps, n_fft), values["wet"], self.law)

    @lru_cache(maxsize=4)  # noqa: B019 - frozen, and hashed by value: equal reverbs share their rooms
    def _spectrum(
        self, seed: int, decay_seconds: float, predelay_ms: float, damping: float, sample_rate: int, length: int
    ) -> tuple[np.ndarray, int, int]:
        response = self.response(seed, decay_seconds, predelay_ms, damping, sample_rate)[:, :length]
        n_fft = block_size(length, response.shape[1])
        return rfft(np.ascontiguousarray(response, dtype=np.float32), n_fft), response.shape[1], n_fft

    def response(
        self, seed: int, decay_seconds: float, predelay_ms: float, damping: float, sample_rate: int
    ) -> np.ndarray:
        """Build a room.

        Args:
            seed: which room.
            decay_seconds: time for 60 dB at low frequencies.
            predelay_ms: silence before it.
            damping: 0-1; at 1 the top decays ten times as fast.
            sample_rate: Hz.

        Returns:
            ``float64 [2, N]``.
        """
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, seed]))
        length = math.ceil(min(1.15 * decay_seconds, LONGEST_SECONDS) * sample_rate)
        tail = _MAKERS[self.algorithm](rng, length, decay_seconds, damping, sample_rate)
        tail /= math.sqrt(max(float(pink_energy(tail, sample_rate).mean()), 1e-20))
        if self.early > 0.0:
            for k, at in enumerate(np.sort(rng.uniform(2.0, 50.0, size=6)) * 1e-3 * sample_rate):
                if at < length:
                    tail[k % 2, int(at)] += self.early * rng.choice((-1.0, 1.0)) * 10.0 ** (-k / 10.0)
            tail /= math.sqrt(float(pink_energy(tail, sample_rate).mean()))
        return np.pad(tail, ((0, 0), (round(predelay_ms * 1e-3 * sample_rate), 0)))


def draw_reverb(rng: np.random.Generator) -> OtherReverb:
    """Draw a reverb."""
    return OtherReverb(
        algorithm=_ALGORITHMS[int(rng.integers(len(_ALGORITHMS)))],
        seed=int(rng.integers(2**31)),
        early=float(rng.uniform(0.1, 0.5)) if rng.random() < 0.5 else 0.0,
        law=LAWS[int(rng.integers(len(LAWS)))],
    )
