"""dasp-pytorch and torchcomp in benchmarks/effects.py: the differentiable effects of other people.

Their delay and their bands are put together here from what the packages have, as published training code does: an
echo by a phase ramp, bands by dasp's frequency-sampled filters, gains by torchcomp.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from effects_contestants import CHAINS, SETTINGS, TARGET_LUFS, Case, Contestant
from torch import Tensor

from fxlens.audio.loudness import integrated_loudness
from fxlens.effects.multiband import BANDS as COMPRESSOR_BANDS
from fxlens.effects.registry import PROCESSORS

# torchcomp counts an attack as 2.2 time constants.
_TORCHCOMP_TIME = 2.2
_FALL_MS = 10.0


class Peers:
    """The packages in a folder made by ``pip install --target DIR --no-deps dasp-pytorch torchcomp torchlpc``."""

    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(folder))
        self.dasp: Any = importlib.import_module("dasp_pytorch.functional")
        self.signal: Any = importlib.import_module("dasp_pytorch.signal")
        self.torchcomp: Any = importlib.import_module("torchcomp")
        self.core: Any = importlib.import_module("torchcomp.core").compressor_core

    def apply(self, effect: str, x: Tensor, rate: int, v: dict[str, Tensor]) -> Tensor:
        """One effect on ``[B, 2, T]``, with our parameters ``[B]``."""
        return getattr(self, f"_{effect}")(x, rate, v)

    def _equalizer(self, x: Tensor, rate: int, v: dict[str, Tensor]) -> Tensor:
        # dasp treats channels as clips.
        names = {n: n.replace("cutoff_hz", "cutoff_freq").replace("_q", "_q_factor") for n in v}
        doubled = {names[n]: value.repeat_interleave(2) for n, value in v.items()}
        return self.dasp.parametric_eq(x.reshape(-1, 1, x.shape[-1]), rate, **doubled).reshape(x.shape)

    def _distortion(self, x: Tensor, rate: int, v: dict[str, Tensor]) -> Tensor:
        return self.dasp.distortion(x, rate, v["drive_db"].repeat_interleave(2))

    def _gain(self, x: Tensor, rate: int, v: dict[str, Tensor]) -> Tensor:
        return self.dasp.gain(x, rate, v["gain_db"])

    def _stereo_imager(self, x: Tensor, rate: int, v: dict[str, Tensor]) -> Tensor:
        width = v["width"] / (1.0 + v["width"])
        return self.dasp.stereo_widener(x, rate, width.unsqueeze(-1))

    def _coefficient(self, ms: Tensor, rate: int) -> Tensor:
        return self.torchcomp.ms2coef(_TORCHCOMP_TIME * ms, rate)

    def _gain_of(self, x: Tensor, rate: int, v: dict[str, Tensor], prefix: str, expander: tuple[Any, Any]) -> Tensor:
        peak = x.abs().amax(dim=1).clamp_min(1e-6)
        level = self.core(
            peak,
            torch.full_like(peak[:, 0], 1e-6),
            self._coefficient(torch.full_like(peak[:, 0], _FALL_MS), rate),
            torch.ones_like(peak[:, 0]),
        )
        times = [self._coefficient(v[f"{prefix}{name}"], rate) for name in ("attack_ms", "release_ms")]
        gain = self.torchcomp.compexp_gain(level, v[f"{prefix}threshold_db"], v[f"{prefix}ratio"], *expander, *times)
        return gain.unsqueeze(1)

    def _compressor(self, x: Tensor, rate: int, v: dict[str, Tensor]) -> Tensor:
        gain = self._gain_of(x, rate, v, "", (-200.0, 0.5))
        return x * gain * 10.0 ** (v["makeup_db"].reshape(-1, 1, 1) / 20.0)

    def _limiter(self, x: Tensor, rate: int, v: dict[str, Tensor]) -> Tensor:
        attack, release = (self._coefficient(v[name], rate) for name in ("attack_ms", "release_ms"))
        peak = x.abs().amax(dim=1).clamp_min(1e-6)
        return x * self.torchcomp.limiter_gain(peak, v["threshold_db"], attack, release).unsqueeze(1)

    def _multiband_compressor(self, x: Tensor, rate: int, v: dict[str, Tensor]) -> Tensor:
        low, high = v["low_crossover_hz"], v["high_crossover_hz"]

        def butterworth(cutoff: Tensor, highpass: bool) -> Tensor:
            k = torch.tan(math.pi * cutoff / rate)
            norm = 1.0 / (1.0 + math.sqrt(2.0) * k + k * k)
            b = torch.stack([norm, -2.0 * norm, norm] if highpass else [k * k * norm, 2.0 * k * k * norm, k * k * norm])
            one = torch.ones_like(k)
            a = torch.stack([one, 2.0 * (k * k - 1.0) * norm, (1.0 - math.sqrt(2.0) * k + k * k) * norm])
            return torch.cat([b, a]).T

        rows = {
            "low": [butterworth(low, False)] * 2,
            "mid": [butterworth(low, True)] * 2 + [butterworth(high, False)] * 2,
            "high": [butterworth(high, True)] * 2,
        }
        change = torch.zeros_like(x)
        for band in COMPRESSOR_BANDS:
            signal = self.signal.sosfilt_via_fsm(torch.stack(rows[band], dim=1), x)
            expander = (v[f"{band}_expander_threshold_db"], v[f"{band}_expander_ratio"])
            change = change + (self._gain_of(signal, rate, v, f"{band}_", expander) - 1.0) * signal
        return x + v["mix"].reshape(-1, 1, 1) * change

    def _delay(self, x: Tensor, rate: int, v: dict[str, Tensor]) -> Tensor:
        n_fft = 2 * x.shape[-1]
        turn = torch.arange(n_fft // 2 + 1, device=x.device) * (-2.0 * math.pi / n_fft)
        samples = (v["time_ms"] * 1e-3 * rate).reshape(-1, 1, 1)
        late = torch.polar(torch.ones_like(turn).expand(len(x), 1, -1), samples * turn)
        wet, feedback = v["wet"].reshape(-1, 1, 1), v["feedback"].reshape(-1, 1, 1)
        response = (1.0 - wet) + wet * late / (1.0 - feedback * late)
        return torch.fft.irfft(torch.fft.rfft(x, n_fft) * response, n_fft)[..., : x.shape[-1]]

    def _reverb(self, x: Tensor, rate: int, v: dict[str, Tensor]) -> Tensor:
        half = {f"band{i}_{name}": torch.full((len(x),), 0.5) for i in range(12) for name in ("gain", "decay")}
        return self.dasp.noise_shaped_reverberation(x, rate, **half, mix=v["wet"], num_samples=65_536)


def values_of(effect: str, batch: int, gradient: bool) -> dict[str, Tensor]:
    """Our settings as float32 ``[B]``; ratios that torchcomp refuses do not occur among them."""
    values = PROCESSORS[effect].complete(SETTINGS[effect])
    return {n: torch.full((batch,), v).requires_grad_(gradient) for n, v in values.items()}


def contestants(peers: Peers, with_reverb: bool) -> list[Contestant]:
    """The peers' rows; the reverb, a minute a run, only if asked for."""
    found: list[Contestant] = []
    same = {"equalizer", "gain", "compressor", "limiter", "delay"}
    for effect in SETTINGS:
        if effect != "reverb" or with_reverb:
            for backward in (False, True) if effect != "reverb" else (False,):
                found.append(_one(peers, effect, backward, same=effect in same and not backward))
    for chain, types in CHAINS.items():
        if "reverb" not in types or with_reverb:
            found.append(_chain(peers, chain, once="reverb" in types))
    return found


def _one(peers: Peers, effect: str, backward: bool, same: bool) -> Contestant:
    def prepare(case: Case) -> Callable[[], Any]:
        torch.set_num_threads(case.threads)
        audio = torch.from_numpy(case.audio).requires_grad_(backward)
        values = values_of(effect, len(case.audio), backward)

        def run() -> Any:
            if not backward:
                with torch.no_grad():
                    return peers.apply(effect, audio, case.sample_rate, values).numpy()
            loss = peers.apply(effect, audio, case.sample_rate, values).square().mean()
            torch.autograd.grad(loss, [audio, *values.values()], allow_unused=True)
            return None

        return run

    notes = {"reverb": "direct convolution, run once", "delay": "frequency-sampled", "distortion": "plain tanh"}
    notes |= {"multiband_compressor": "causal bands", "stereo_imager": "crossfade of mid and side"}
    name = "dasp-pytorch + torchcomp, forward" + (" + backward" if backward else "")
    return Contestant(effect, name, prepare, same, 8, effect == "reverb", notes.get(effect, ""))


def _chain(peers: Peers, chain: str, once: bool) -> Contestant:
    def prepare(case: Case) -> Callable[[], Any]:
        torch.set_num_threads(case.threads)
        values = {type: values_of(type, len(case.audio), False) for type in CHAINS[chain]}

        def run() -> Any:
            x = torch.from_numpy(case.audio)
            with torch.no_grad():
                for type in CHAINS[chain]:
                    x = peers.apply(type, x, case.sample_rate, values[type])
                lufs = torch.from_numpy(integrated_loudness(x.numpy(), case.sample_rate)).float()
                return (x * 10.0 ** ((TARGET_LUFS - lufs) / 20.0).reshape(-1, 1, 1)).numpy()

        return run

    note = "its reverb is a direct convolution, run once" if once else "loudness by fxlens"
    return Contestant(chain, "dasp-pytorch + torchcomp, forward", prepare, False, 8, once, note)
