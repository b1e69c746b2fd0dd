"""Compressor and limiter: feed-forward, stereo-linked, with the ballistics of :mod:`fxlens.dsp.envelope`.

Both channels get one gain, computed from the larger of the two, so the image does not move. An attack of
``t`` ms means that the smoothed gain has covered 1 - 1/e of a step down after ``t`` ms, a release the same of
a step up.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from fxlens.dsp.envelope import DETECTOR_FALL_MS, time_coefficient, time_coefficients
from fxlens.dsp.fast.dynamics import DB_PER_OCTAVE, compress_in_place, limit_in_place
from fxlens.dsp.gradient.compander import SETTINGS, compress
from fxlens.dsp.gradient.limiter import limit_peaks
from fxlens.dsp.kernels import GAIN_FLOOR_DB, compander_gain, limiter_gain, rest
from fxlens.effects.processor import Parameter, Processor, Run
from fxlens.errors import PresetError

SHORTEST_MS = 0.01
"""Time constants below this are raised to it: at any rate in use that is already instantaneous."""
NARROWEST_KNEE_DB = 1e-3
"""A knee of 0 dB is computed as this one; the gains differ by 1e-4 dB at most."""


def require(processor: str, name: str, value: float, minimum: float) -> None:
    """Refuse a value for which the equations have no meaning.

    Raises:
        PresetError: ``value`` is below ``minimum``.
    """
    if value < minimum:
        raise PresetError(f"{processor}.{name} must be at least {minimum:g}, not {value:g}")


class Compressor(Processor):
    """Take ``1 - 1/ratio`` of every dB above the threshold, with a quadratic knee; then add the make-up gain.

    The level is the peak of both channels; it rises at once and falls with a time constant of 10 ms. A steady
    tone is therefore reduced as the static curve says, whatever the attack and the release; where a loud
    passage ends, the release begins once the level has fallen below the threshold, 1.15 ms later for each dB
    above it.
    """

    type = "compressor"
    nonlinear = True
    parameters = (
        Parameter("threshold_db", -60.0, 0.0, 0.0),
        Parameter("ratio", 1.0, 20.0, 1.0),
        Parameter("knee_db", 0.0, 24.0, 0.0),
        Parameter("attack_ms", 0.1, 100.0, 10.0, log=True),
        Parameter("release_ms", 5.0, 1000.0, 100.0, log=True),
        Parameter("makeup_db", -12.0, 24.0, 0.0),
    )

    def onwards(self, sample_rate: int, **values: float) -> Run:
        """Make :meth:`reference` for a clip that comes in blocks.

        Raises:
            PresetError: a setting for which the equations have no meaning.
        """
        self._require(values)
        settings = (
            values["threshold_db"],
            1.0 - 1.0 / values["ratio"],
            max(values["knee_db"], NARROWEST_KNEE_DB),
            0.0,
            0.0,
            time_coefficient(DETECTOR_FALL_MS, sample_rate),
            time_coefficient(values["attack_ms"], sample_rate),
            time_coefficient(values["release_ms"], sample_rate),
        )
        makeup, state = 10.0 ** (values["makeup_db"] / 20.0), rest()

        def run(block: np.ndarray) -> np.ndarray:
            gain = np.empty(block.shape[1])
            compander_gain(np.ascontiguousarray(block, dtype=np.float64), *settings, state, gain)
            gain *= makeup
            return block * gain

        return run

    def reference(self, audio: np.ndarray, sample_rate: int, **values: float) -> np.ndarray:
        return self.onwards(sample_rate, **values)(audio)

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        v = {name: value.to(audio.device).double() for name, value in values.items()}
        one = torch.ones_like(v["ratio"])
        settings = {
            "threshold_db": v["threshold_db"],
            "slope": 1.0 - 1.0 / v["ratio"].clamp_min(1.0),
            "knee_db": v["knee_db"].clamp_min(NARROWEST_KNEE_DB),
            "expander_threshold_db": 2.0 * GAIN_FLOOR_DB * one,  # below any level: there is no expander
            "expander_slope": 0.0 * one,
            "attack": time_coefficients(v["attack_ms"].clamp_min(SHORTEST_MS), sample_rate),
            "release": time_coefficients(v["release_ms"].clamp_min(SHORTEST_MS), sample_rate),
            "makeup": 10.0 ** (v["makeup_db"] / 20.0),
            "weight": one,
        }
        c = torch.stack([settings[name] for name in SETTINGS], dim=-1).unsqueeze(1)
        return compress(audio, c, time_coefficient(DETECTOR_FALL_MS, sample_rate))

    def fast_clip(self, clip: np.ndarray, sample_rate: int, **values: float) -> None:
        self._require(values)
        compress_in_place(
            clip,
            10.0 ** (-values["threshold_db"] / 20.0),
            1.0 - 1.0 / values["ratio"],
            max(values["knee_db"], NARROWEST_KNEE_DB) / DB_PER_OCTAVE,
            time_coefficient(DETECTOR_FALL_MS, sample_rate),
            time_coefficient(values["attack_ms"], sample_rate),
            time_coefficient(values["release_ms"], sample_rate),
            10.0 ** (values["makeup_db"] / 20.0),
        )

    def _require(self, values: Mapping[str, float]) -> None:
        require(self.type, "ratio", values["ratio"], 1.0)
        require(self.type, "knee_db", values["knee_db"], 0.0)
        for name in ("attack_ms", "release_ms"):
            require(self.type, name, values[name], SHORTEST_MS)


class Limiter(Processor):
    """Hold the peaks at the threshold: ``min(1, threshold / peak)``, the peak and the gain both smoothed.

    Both smoothers use the attack for a growing peak and the release for a shrinking one (as torchcomp's
    limiter). There is no look-ahead: the first milliseconds of a sudden peak pass, and the shorter the attack
    the fewer. At 0 dB audio within full scale is left as it is.
    """

    type = "limiter"
    nonlinear = True
    parameters = (
        Parameter("threshold_db", -20.0, 0.0, 0.0),
        Parameter("attack_ms", 0.1, 5.0, 1.0, log=True),
        Parameter("release_ms", 20.0, 1000.0, 100.0, log=True),
    )

    def onwards(self, sample_rate: int, **values: float) -> Run:
        """Make :meth:`reference` for a clip that comes in blocks.

        Raises:
            PresetError: a setting for which the equations have no meaning.
        """
        self._require(values)
        threshold, state = 10.0 ** (values["threshold_db"] / 20.0), rest()
        attack, release = (time_coefficient(values[name], sample_rate) for name in ("attack_ms", "release_ms"))

        def run(block: np.ndarray) -> np.ndarray:
            gain = np.empty(block.shape[1])
            limiter_gain(np.ascontiguousarray(block, dtype=np.float64), threshold, attack, release, state, gain)
            return block * gain

        return run

    def reference(self, audio: np.ndarray, sample_rate: int, **values: float) -> np.ndarray:
        return self.onwards(sample_rate, **values)(audio)

    def forward(self, audio: Tensor, sample_rate: int, values: Mapping[str, Tensor]) -> Tensor:
        v = {name: value.to(audio.device).double() for name, value in values.items()}
        attack, release = (
            time_coefficients(v[name].clamp_min(SHORTEST_MS), sample_rate) for name in ("attack_ms", "release_ms")
        )
        return limit_peaks(audio, torch.stack([10.0 ** (v["threshold_db"] / 20.0), attack, release], dim=1))

    def fast_clip(self, clip: np.ndarray, sample_rate: int, **values: float) -> None:
        self._require(values)
        limit_in_place(
            clip,
            10.0 ** (values["threshold_db"] / 20.0),
            time_coefficient(values["attack_ms"], sample_rate),
            time_coefficient(values["release_ms"], sample_rate),
        )

    def _require(self, values: Mapping[str, float]) -> None:
        for name in ("attack_ms", "release_ms"):
            require(self.type, name, values[name], SHORTEST_MS)
