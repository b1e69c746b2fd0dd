"""Delay with feedback: y = (1 - wet) x + wet d, with d(t) = x(t - D) + feedback d(t - D).

The mix is that of a plug-in's mix knob: ``wet`` 0 is the input, 1 only echoes. ``D`` need not be a whole
number of samples. Unrolled, the recursion is a sum of echoes, d(t) = sum_k feedback^(k-1) x(t - k D), and
each echo is read between the samples, see :mod:`fxlens.effects.fractional_pulse`. Summing echoes rather than
re-reading a delay line keeps the tenth echo as bright as the first: interpolation errors do not add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
from scipy.fft import rfft
from scipy.signal import oaconvolve
from torch import Tensor

from fxlens.dsp.fast.echoes import TAPS_TOGETHER, add_echoes_in_place
from fxlens.dsp.fast.mixing import blend_in_place
from fxlens.dsp.fast.overlap_save import block_size, convolve_blocks
from fxlens.dsp.gradient.convolution import convolve
from fxlens.effects.fractional_pulse import HALF_WIDTH, pulse_taps, pulse_tensors
from fxlens.effects.processor import Parameter, Processor, Range

QUIETEST_ECHO = 1e-8
"""Echoes below this share of the first are left out (-160 dB)."""

MOST_TAPS = 320
"""Echoes of more taps in all are convolved by FFT, which is then faster than one by one."""
_SMALLEST_TAP = 1e-10

HIGHEST_WET = 0.7
_QUIETEST_DRAWN_WET = 0.05


def _echo_count(feedback: float, delay_samples: float, length: int) -> int:
    """How many echoes matter: those loud enough that begin before the end."""
    audible = 1 if feedback <= 0.0 else math.ceil(math.log(QUIETEST_ECHO) / math.log(min(feedback, 0.999)))
    reached = math.ceil((length + HALF_WIDTH) / max(delay_samples, 1.0))
    # Never fewer than two: the second echo carries the gradient of a feedback that is still zero.
    return max(2, min(audible, reached))


class Delay(Processor):
    """Mix decaying echoes to the sound, ``time_ms`` apart."""

    type = "delay"
    parameters = (
        Parameter("time_ms", 10.0, 600.0, 200.0, paper_minimum=2.0, paper_maximum=300.0),
        Parameter("feedback", 0.0, 0.6, 0.0, paper_minimum=0.0, paper_maximum=0.0),
        Parameter("wet", 0.0, HIGHEST_WET, 0.0, paper_minimum=0.1),
    )

    @classmethod
    def draw(cls, rng: np.random.Generator, ranges: Range = "default") -> dict[str, float]:
        """Draw all parameters; in the default range a wet share of at least 0.05, so that it is heard."""
        values = super().draw(rng, ranges)
        if ranges == "default":
            values["wet"] = _QUIETEST_DRAWN_WET + (1.0 - _QUIETEST_DRAWN_WET / HIGHEST_WET) * values["wet"]
        return values

    def reference(self, audio: np.ndarray, sample_rate: int, **values: float) -> np.ndarray:
        length = audio.shape[-1]
        delay_samples = values["time_ms"] * 1e-3 * sample_rate
        response = np.zeros(length)
        for at, weight in echo_taps(delay_samples, values["feedback"], length):
            response[at] += weight
        echoes = oaconvolve(audio, response[None, :], axes=-1)[..., :length]
        return (1.0 - values["wet"]) * audio + values["wet"] * echoes

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        # In float64: at half a second, float32 is a hundredth of a sample too coarse to multiply in.
        v = {name: value.to(audio.device).double() for name, value in values.items()}
        echoes = _echoes(audio.shape[-1], v["time_ms"] * (1e-3 * sample_rate), v["feedback"])
        at_once = torch.zeros_like(echoes)
        at_once[:, 0] = 1.0
        # y - x as one response: the input passes untouched, and the mix costs [B, N], not [B, 2, T].
        change = v["wet"].unsqueeze(1) * (echoes - at_once)
        return audio + convolve(audio, change.unsqueeze(1).to(audio.dtype))

    def fast_clip(self, clip: np.ndarray, sample_rate: int, **values: float) -> None:
        if values["wet"] == 0.0:
            return
        echoes = (values["time_ms"] * 1e-3 * sample_rate, values["feedback"], clip.shape[-1])
        starts, counts, weights = _sparse_response(*echoes)
        if counts.sum() <= MOST_TAPS:
            add_echoes_in_place(clip, starts, counts, weights, values["wet"])
        else:
            blend_in_place(clip, convolve_blocks(clip, *_dense_response(*echoes)), values["wet"])


def echo_taps(delay_samples: float, feedback: float, length: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Where the taps of every echo lie, whole samples before ``length``, and their weights."""
    echoes = []
    for echo in range(_echo_count(feedback, delay_samples, length)):
        at, weight = pulse_taps((echo + 1) * delay_samples, length)
        echoes.append((at, feedback**echo * weight))
    return echoes


@lru_cache(maxsize=16)
def _sparse_response(delay_samples: float, feedback: float, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay the echoes out for :func:`fxlens.dsp.fast.echoes.add_echoes_in_place`: starts, counts, weights."""
    kept = []
    for at, weight in echo_taps(delay_samples, feedback, length):
        loud = np.flatnonzero(np.abs(weight) > _SMALLEST_TAP)
        if loud.size:
            kept.append((int(at[loud[0]]), weight[loud[0] : loud[-1] + 1]))
    counts = np.array([1 if w.size == 1 else -(-w.size // TAPS_TOGETHER) * TAPS_TOGETHER for _, w in kept], np.int64)
    weights = np.zeros((len(kept), max(counts, default=1)), np.float32)
    for row, (_, weight) in zip(weights, kept, strict=True):
        row[: weight.size] = weight
    return np.array([start for start, _ in kept], np.int64), counts, weights


@lru_cache(maxsize=8)
def _dense_response(delay_samples: float, feedback: float, length: int) -> tuple[np.ndarray, int, int]:
    """Transform the echoes for :func:`fxlens.dsp.fast.overlap_save.convolve_blocks`: spectrum, taps, FFT size."""
    echoes = [(at, weight) for at, weight in echo_taps(delay_samples, feedback, length) if at.size]
    response = np.zeros((1, max(int(at[-1]) + 1 for at, _ in echoes)))
    for at, weight in echoes:
        response[0, at] += weight
    n_fft = block_size(length, response.size)
    return rfft(response.astype(np.float32), n_fft), response.size, n_fft


def _echoes(length: int, delay_samples: Tensor, feedback: Tensor) -> Tensor:
    """Each item's train of echoes, laid out sample by sample: ``float64 [B, N]``, ``N`` at most ``length``."""
    delay_samples, feedback = delay_samples.reshape(-1, 1), feedback.reshape(-1, 1)
    loudest, shortest, longest = torch.stack([feedback.max(), delay_samples.min(), delay_samples.max()]).tolist()
    echo = torch.arange(_echo_count(loudest, shortest, length), device=feedback.device)

    at, pulses = pulse_tensors((echo + 1) * delay_samples)  # [B, K, taps]
    weight = (feedback**echo).unsqueeze(-1) * pulses

    size = min(length, math.ceil(len(echo) * longest) + HALF_WIDTH + 1)
    outside = (at < 0) | (at >= size)
    weight = weight.masked_fill(outside, 0.0).flatten(1)
    response = torch.zeros(feedback.shape[0], size, dtype=torch.float64, device=feedback.device)
    return response.scatter_add(1, at.clamp(0, size - 1).flatten(1), weight)
