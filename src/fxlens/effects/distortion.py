"""Distortion: a saturating curve at a calibrated level.

The clip is scaled to a stated RMS level, bent, and scaled back to its own RMS, so that ``drive_db`` means
the same
for a quiet recording and a loud one, and what changes is the colour, not the level. With ``u`` the calibrated
sample, ``g = 10^(drive_db / 20)`` and ``k^2 = g^2 - 1``::

    s = (1 - hardness) * tanh(k u) / k  +  hardness * clip(k u, -1, 1) / k
    y = s / (1 + a s)        a = bias * k^2 / g

Both curves have slope 1 at zero and saturate at 1 / k. The usual tanh(g u) is not the identity at 0 dB; with
``g^2 - 1`` for ``g^2`` it is, exactly, and from 8 dB on the two drives differ by less than 0.8 dB. For
tanh, ``y`` is ``tanh(k u + beta)`` moved back to the origin and to slope 1, with ``tanh(beta) = a / k``:
the addition theorem of tanh. So ``bias`` is the shift of the working point, in parts of the saturation
level, and adds even harmonics; it grows in with the drive. What it adds below 10 Hz is removed by a
one-pole high-pass on ``y - s`` alone, as a coupling capacitor would; this term is zero without bias.

There is no oversampling: partials above the Nyquist frequency fold back, as they do in many plug-ins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.signal import lfilter
from torch import Tensor

from fxlens.dsp.fast.mixing import scale_in_place
from fxlens.dsp.fast.saturation import saturate_in_place, sum_of_squares
from fxlens.dsp.gradient.saturation import saturate_batch
from fxlens.effects.processor import Parameter, Processor, column

CALIBRATION_DBFS = -12.0
"""RMS level, both channels together, at which the curve meets the clip (a full-scale square wave: 0 dBFS)."""
CALIBRATION_RMS = 10.0 ** (CALIBRATION_DBFS / 20.0)
# Below -160 dBFS the calibration gives way, so that silence is divided by something. 24 bits end at -144
# dBFS.
RMS_FLOOR = 1e-8
_COUPLING_HZ = 10.0
# Time constants of the high-pass until its answer is below 1e-6: the silence to append before a circular
# convolution.
_COUPLING_REACH = 14.0


class Distortion(Processor):
    """Saturate with ``drive_db``; ``bias`` adds even harmonics, ``hardness`` makes tanh a hard clip."""

    type = "distortion"
    parameters = (
        Parameter("drive_db", 0.0, 36.0, 0.0, paper_minimum=0.0, paper_maximum=8.0),
        Parameter("bias", 0.0, 0.5, 0.0, paper_minimum=0.0, paper_maximum=0.0),
        Parameter("hardness", 0.0, 1.0, 0.0, paper_minimum=0.0, paper_maximum=0.0),
    )
    # The curve is not linear, but the level at its input is calibrated away: a gain before it cannot be
    # heard.
    nonlinear = False

    def reference(self, audio: np.ndarray, sample_rate: int, **values: float) -> np.ndarray:
        drive, bias, hardness = values["drive_db"], values["bias"], values["hardness"]
        if drive <= 0.0:
            return audio.copy()
        gain = 10.0 ** (drive / 20.0)
        k = math.sqrt(gain**2 - 1.0)
        scale = CALIBRATION_RMS / math.sqrt(np.mean(audio**2) + RMS_FLOOR**2)
        u = scale * audio
        s = ((1.0 - hardness) * np.tanh(k * u) + hardness * np.clip(k * u, -1.0, 1.0)) / k
        y = s
        if bias != 0.0:
            a = bias * k**2 / gain
            y = s + _block_dc(-a * s**2 / (1.0 + a * s), sample_rate)
        match = math.sqrt((np.mean(u**2) + RMS_FLOOR**2) / (np.mean(y**2) + RMS_FLOOR**2))
        return y * (match / scale)

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        v = {name: value.to(audio.device).double() for name, value in values.items()}
        exponent = v["drive_db"].clamp(min=0.0) * (math.log(10.0) / 20.0)
        k_squared = torch.expm1(2.0 * exponent)
        a = v["bias"] * k_squared * torch.exp(-exponent)
        coupled = (v["bias"] != 0.0) | v["bias"].requires_grad
        if audio.device.type == "cpu":
            c = torch.stack([k_squared, v["hardness"], a, coupled.double()], dim=1)
            return saturate_batch(audio, c, coupling_pole(sample_rate), CALIBRATION_RMS, RMS_FLOOR)
        return _saturate_plain(audio, sample_rate, k_squared, v["hardness"], a if bool(coupled.any()) else None)

    def fast_clip(self, clip: np.ndarray, sample_rate: int, **values: float) -> None:
        if values["drive_db"] <= 0.0:
            return
        gain = 10.0 ** (values["drive_db"] / 20.0)
        k = math.sqrt(gain**2 - 1.0)
        power = sum_of_squares(clip) / clip.size
        scale = CALIBRATION_RMS / math.sqrt(power + RMS_FLOOR**2)
        asymmetry = values["bias"] * k**2 / gain
        bent = saturate_in_place(clip, k, values["hardness"], scale, asymmetry, coupling_pole(sample_rate)) / clip.size
        match = math.sqrt((scale**2 * power + RMS_FLOOR**2) / (bent + RMS_FLOOR**2))
        scale_in_place(clip, match / scale)


def _saturate_plain(audio: Tensor, sample_rate: int, k_squared: Tensor, hardness: Tensor, a: Tensor | None) -> Tensor:
    """:func:`fxlens.dsp.gradient.saturation.saturate_batch` in torch operations, for any device."""
    hardness = column(hardness, audio)
    scale = CALIBRATION_RMS * (audio.square().mean(dim=(1, 2), keepdim=True) + RMS_FLOOR**2).rsqrt()
    u = scale * audio
    z = column(k_squared, audio) * u.square()
    s = u * ((1.0 - hardness) * _soft_ratio(z) + hardness * z.clamp(min=1.0).rsqrt())
    y = s
    if a is not None:
        a = column(a, audio)
        y = s + _block_dc_differentiable(-a * s.square() / (1.0 + a * s), sample_rate)
    before = u.square().mean(dim=(1, 2), keepdim=True) + RMS_FLOOR**2
    after = y.square().mean(dim=(1, 2), keepdim=True) + RMS_FLOOR**2
    return y * ((before / after).sqrt() / scale)


def _soft_ratio(z: Tensor) -> Tensor:
    """tanh(r) / r as a function of z = r^2, smooth at 0, where the quotient and its gradient are 0 / 0."""
    small = z < 1e-2
    r = torch.where(small, 1e-2, z).sqrt()
    series = 1.0 - z * (1.0 / 3.0 - z * (2.0 / 15.0 - z * (17.0 / 315.0 - z * (62.0 / 2835.0))))
    return torch.where(small, series, torch.tanh(r) / r)


def coupling_pole(sample_rate: int) -> float:
    return math.exp(-2.0 * math.pi * _COUPLING_HZ / sample_rate)


def _block_dc(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """H(z) = (1 + p) / 2 * (1 - z^-1) / (1 - p z^-1): zero at DC, one at the Nyquist frequency."""
    p = coupling_pole(sample_rate)
    half = 0.5 * (1.0 + p)
    return np.asarray(lfilter([half, -half], [1.0, -p], audio, axis=-1))


def _block_dc_differentiable(audio: Tensor, sample_rate: int) -> Tensor:
    """:func:`_block_dc` through the frequency domain."""
    length = audio.shape[-1]
    reach = math.ceil(_COUPLING_REACH * sample_rate / (2.0 * math.pi * _COUPLING_HZ))
    size = next_fast_len(length + reach, real=True)
    p = coupling_pole(sample_rate)
    angle = torch.arange(size // 2 + 1, dtype=torch.float64, device=audio.device) * (2.0 * math.pi / size)
    delayed = torch.polar(torch.ones_like(angle), -angle)
    response = 0.5 * (1.0 + p) * (1.0 - delayed) / (1.0 - p * delayed)
    spectrum = torch.fft.rfft(audio, size)
    return torch.fft.irfft(spectrum * response.to(spectrum.dtype), size)[..., :length]
