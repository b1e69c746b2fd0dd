"""What the wave's shape tells: measured against arithmetic on the samples, and against what effects do to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_model import tiny_encoder

from fxlens import EffectChain, FxEncoder
from fxlens.effects.effect import Effect
from fxlens.models.frontend import FrontendConfig, LogMel
from fxlens.models.wave_shape import ROWS, WaveRows, shapes

HOP = 1024
FRAMES = 40


def clip(seed: int = 0, samples: int = HOP * FRAMES) -> np.ndarray:
    rng = np.random.default_rng(seed)
    notes = np.repeat(rng.uniform(0.05, 0.3, -(-samples // 4000)), 4000)[:samples]
    return (rng.standard_normal((2, samples)) * notes).astype(np.float32)


def measured(audio: np.ndarray) -> torch.Tensor:
    rows = WaveRows(HOP, "lrms")(torch.from_numpy(audio)[None], audio.shape[1] // HOP)
    return shapes(rows)[0].double()


def test_shapes_are_those_of_the_samples() -> None:
    audio = clip()
    found = measured(audio)
    mid, side = (audio[0] + audio[1]) / 2, (audio[0] - audio[1]) / 2
    for c, wave in enumerate(w.astype(np.float64) for w in (audio[0], audio[1], mid, side)):
        power = np.mean(wave**2)
        crest = np.log10(np.max(wave**2) / power)
        assert float(found[c]) == pytest.approx(crest - 1.5, abs=1e-3)
        fourth = np.log10(np.sqrt(np.mean(wave**4)) / power)
        assert float(found[4 + c]) == pytest.approx(2.0 * (fourth - 0.4), abs=2e-3)
        asymmetry = np.mean(wave * np.abs(wave)) / power
        assert float(found[16 + c]) == pytest.approx(2.0 * asymmetry, abs=2e-3)
        frames = wave.reshape(FRAMES, HOP)
        crests = np.log10(np.max(frames**2, axis=1) / np.mean(frames**2, axis=1))
        assert float(found[24 + c]) == pytest.approx(2.0 * (crests.mean() - 0.9), abs=2e-3)
    correlation = np.sum(audio[0] * audio[1]) / np.linalg.norm(audio[0]) / np.linalg.norm(audio[1])
    assert float(found[-2]) == pytest.approx(correlation, abs=1e-3)
    assert float(found[-1]) == pytest.approx(np.log10(np.mean(side**2) / np.mean(mid**2)) / 3.0, abs=1e-3)


@pytest.mark.parametrize("samples", [HOP, 3 * HOP, 3 * HOP + 1, 4 * HOP - 1, 5 * HOP + 300])
@pytest.mark.parametrize("channels", ["lr", "lrms"])
def test_one_pass_finds_what_tensors_find(samples: int, channels: str) -> None:
    """With a gradient it goes by tensors, without one by a compiled loop; edges of the clip lie anywhere in a frame."""
    audio = torch.from_numpy(clip(samples=samples))[None].repeat(2, 1, 1) * torch.tensor([1.0, 1e-3]).reshape(2, 1, 1)
    rows, frames = WaveRows(HOP, channels), samples // HOP + 1
    once = rows(audio, frames)
    by_tensors = rows(audio.clone().requires_grad_(), frames)
    assert by_tensors.requires_grad and not once.requires_grad
    assert once.shape == (2, len(channels), ROWS, frames)
    assert torch.allclose(once, by_tensors.detach(), atol=2e-6)


def test_shapes_do_not_follow_the_level() -> None:
    assert torch.allclose(measured(clip()), measured(clip() * np.float32(0.25)), atol=2e-3)


@pytest.mark.parametrize(
    ("effect", "column", "sign"),
    [
        (Effect("limiter", parameters={"threshold_db": -20.0}), 40, -1.0),
        (Effect("distortion", parameters={"drive_db": 30.0}), 0, -1.0),
        (Effect("distortion", parameters={"drive_db": 30.0}), 4, -1.0),
    ],
    ids=lambda v: getattr(v, "type", str(v)),
)
def test_effects_bend_the_wave_as_they_should(effect: Effect, column: int, sign: float) -> None:
    dry = clip(3)
    wet = EffectChain((effect,)).apply(dry, 44_100)
    assert sign * float(measured(wet)[column] - measured(dry)[column]) > 0.02


def test_one_half_of_the_wave_bent_is_heard() -> None:
    dry = clip(4)
    bent = np.where(dry > 0, np.tanh(3.0 * dry) / 3.0, dry).astype(np.float32)
    assert abs(float(measured(dry)[16])) < 0.05
    assert float(measured(bent)[16]) < -0.3


@pytest.mark.parametrize("samples", [1, 700, HOP, 5 * HOP + 1])
def test_any_length_and_silence(samples: int) -> None:
    front = LogMel(FrontendConfig(hop_length=HOP, n_mels=32, channels="lrms", wave=True))
    for audio in (clip(5, samples), np.zeros((2, samples), np.float32)):
        found = front(torch.from_numpy(audio)[None])
        assert found.shape[1:3] == (4, 32 + ROWS) and found.isfinite().all()
        assert shapes(found[:, :, 32:]).isfinite().all()


def network(wave: bool) -> FxEncoder:
    front = FrontendConfig(hop_length=HOP, n_mels=32, channels="lrms", floor_db=-60.0, ceiling_db=20.0, wave=wave)
    return tiny_encoder(0, frontend=front, projection_dims=(16, 16))


def test_the_reader_begins_at_nothing_and_learns() -> None:
    plain, hearing = network(False), network(True)
    audio = torch.from_numpy(np.stack([clip(6), clip(7)]))
    state = plain.state_dict()
    hearing.load_state_dict({**hearing.state_dict(), **state})
    with torch.no_grad():
        assert torch.allclose(plain.hear(audio).mixture, hearing.hear(audio).mixture, atol=1e-6)
    target = torch.nn.functional.normalize(torch.randn(2, 16), dim=-1)
    assert hearing.measured is not None
    optimizer = torch.optim.Adam(hearing.measured.parameters(), 1e-2)
    for _ in range(60):
        loss = (1.0 - (hearing.hear(audio).mixture * target).sum(dim=1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1
    with torch.no_grad():
        trained = hearing.hear(audio).mixture
    with torch.inference_mode():
        assert torch.allclose(trained, hearing.hear(audio).mixture, atol=1e-5)
    audio.requires_grad_(True)
    hearing.hear(audio).mixture.sum().backward()
    assert audio.grad is not None and audio.grad.isfinite().all() and audio.grad.abs().max() > 0
