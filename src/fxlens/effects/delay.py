"""Delay with feedback: y = (1 - wet) x + wet d, with d(t) = x(t - D) + feedback d(t - D).

The mix is that of a plug-in's mix knob: ``wet`` 0 is the input, 1 only echoes. ``D`` need not be a whole
number of samples. Unrolled, the recursion is a sum of echoes, d(t) = sum_k feedback^(k-1) x(t - k D), and
each echo is read between the samples with a sinc under a Blackman window (half width 32 samples; exact for
whole samples, transparent to about 0.9 of the Nyquist frequency). Summing echoes rather than re-reading a
delay line keeps the tenth echo as bright as the first: interpolation errors do not add up. On windowed sinc
interpolation see T. I. Laakso et al., "Splitting the unit delay", IEEE Signal Processing Magazine, 1996.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.signal import oaconvolve
from torch import Tensor

from fxlens.effects.processor import Parameter, Processor, Range, column

HALF_WIDTH = 32
"""Samples of the interpolator either side of an echo; the shortest delay (2 ms) is longer at every rate."""

QUIETEST_ECHO = 1e-8
"""Echoes below this share of the first are left out (-160 dB)."""

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
        for echo in range(_echo_count(values["feedback"], delay_samples, length)):
            centre = (echo + 1) * delay_samples
            first = max(math.ceil(centre) - HALF_WIDTH, 0)
            at = np.arange(first, min(math.floor(centre) + HALF_WIDTH + 1, length))
            offset = at - centre
            angle = math.pi * offset / HALF_WIDTH
            window = 0.42 + 0.5 * np.cos(angle) + 0.08 * np.cos(2.0 * angle)
            response[at] += values["feedback"] ** echo * np.sinc(offset) * window
        echoes = oaconvolve(audio, response[None, :], axes=-1)[..., :length]
        return (1.0 - values["wet"]) * audio + values["wet"] * echoes

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        wet = column(values["wet"], audio)
        # In float64: at half a second, float32 is a hundredth of a sample too coarse to multiply in.
        delay_samples = values["time_ms"].to(audio.device).double() * (1e-3 * sample_rate)
        echoes = _echoes(audio, delay_samples, values["feedback"].to(audio.device).double())
        return (1.0 - wet) * audio + wet * echoes


def _echoes(audio: Tensor, delay_samples: Tensor, feedback: Tensor) -> Tensor:
    """Convolve ``[B, C, T]`` with each item's train of echoes, laid out sample by sample."""
    batch, _, length = audio.shape
    delay_samples = delay_samples.reshape(-1, 1).expand(batch, 1)
    feedback = feedback.reshape(-1, 1).expand(batch, 1)
    loudest, shortest, longest = torch.stack([feedback.max(), delay_samples.min(), delay_samples.max()]).tolist()
    echo = torch.arange(_echo_count(loudest, shortest, length), device=audio.device)

    centre = (echo + 1) * delay_samples  # [B, K]
    tap = torch.arange(1 - HALF_WIDTH, HALF_WIDTH + 1, device=audio.device)
    at = torch.floor(centre.detach()).long().unsqueeze(-1) + tap  # [B, K, taps]
    offset = at - centre.unsqueeze(-1)
    angle = math.pi * offset / HALF_WIDTH
    window = 0.42 + 0.5 * torch.cos(angle) + 0.08 * torch.cos(2.0 * angle)
    weight = (feedback**echo).unsqueeze(-1) * torch.sinc(offset) * window

    size = min(length, math.ceil(len(echo) * longest) + HALF_WIDTH + 1)
    outside = (at < 0) | (at >= size)
    weight = weight.masked_fill(outside, 0.0).flatten(1)
    response = torch.zeros(batch, size, dtype=torch.float64, device=audio.device)
    response = response.scatter_add(1, at.clamp(0, size - 1).flatten(1), weight).to(audio.dtype)

    n_fft = next_fast_len(length + size - 1, real=True)
    product = torch.fft.rfft(audio, n_fft) * torch.fft.rfft(response, n_fft).unsqueeze(1)
    return torch.fft.irfft(product, n_fft)[..., :length]
