"""The delay against the plain recursion, exact shifts, analytic tones and pedalboard."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fxlens.effects.delay import Delay

DELAY = Delay()


def music(length: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((2, length)))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.shape[-1]), 1.0))
    audio = np.fft.irfft(spectrum, length)
    return 0.9 * audio / np.abs(audio).max()


def recursion(audio: np.ndarray, delay_samples: int, feedback: float, wet: float) -> np.ndarray:
    """d[n] = x[n - D] + feedback d[n - D], one delay at a time."""
    delayed = np.zeros_like(audio)
    for start in range(delay_samples, audio.shape[-1], delay_samples):
        now = slice(start, min(start + delay_samples, audio.shape[-1]))
        then = slice(start - delay_samples, now.stop - delay_samples)
        delayed[:, now] = audio[:, then] + feedback * delayed[:, then]
    return (1.0 - wet) * audio + wet * delayed


def tensors(dtype: torch.dtype = torch.float64, **values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([value], dtype=dtype) for name, value in values.items()}


@pytest.mark.parametrize("delay_samples", [441, 1000, 26_460])
@pytest.mark.parametrize("feedback", [0.0, 0.35, 0.6])
def test_whole_sample_times_are_the_recursion(delay_samples, feedback):
    audio = music(30_000)
    time_ms = delay_samples / 44.1
    expected = recursion(audio, delay_samples, feedback, 0.4)
    out = DELAY.reference(audio, 44_100, time_ms=time_ms, feedback=feedback, wet=0.4)
    assert np.abs(out - expected).max() < 1e-7
    values = tensors(time_ms=time_ms, feedback=feedback, wet=0.4)
    again = DELAY.forward(torch.tensor(audio, dtype=torch.float32)[None], 44_100, values)[0].numpy()
    assert np.abs(again - expected).max() < 2e-6


def test_echo_levels():
    impulse = np.zeros((2, 4000))
    impulse[:, 0] = 1.0
    out = DELAY.reference(impulse, 10_000, time_ms=100.0, feedback=0.5, wet=0.2)
    heard = {0: 0.8, 1000: 0.2, 2000: 0.1, 3000: 0.05}
    expected = np.zeros(4000)
    for at, level in heard.items():
        expected[at] = level
    assert np.abs(out - expected).max() < 1e-12


@pytest.mark.parametrize("hz", [50.0, 1000.0, 15_000.0])
@pytest.mark.parametrize("time_ms", [10.003, 17.7777, 33.3333])
def test_fractional_times_shift_a_tone_by_exactly_that_much(hz, time_ms):
    rate, length = 44_100, 60_000
    t = np.arange(length) / rate
    tone = np.sin(2 * np.pi * hz * t) * np.ones((2, 1))
    out = DELAY.reference(tone, rate, time_ms=time_ms, feedback=0.5, wet=0.7)
    # Far from the start, each echo is the tone, later and weaker; those that have not begun are below 1e-6.
    expected = 0.3 * tone[0]
    for echo in range(1, 60):
        expected += 0.7 * 0.5 ** (echo - 1) * np.sin(2 * np.pi * hz * (t - echo * time_ms / 1000.0))
    settled = slice(int(25 * time_ms * 44.1), length)
    assert np.abs(out[0] - expected)[settled].max() < 2e-4


def test_treble_survives_the_tenth_echo():
    rate = 44_100
    burst = np.zeros((2, rate))
    burst[:, :2000] = np.sin(2 * np.pi * 16_000 * np.arange(2000) / rate) * np.hanning(2000)
    out = DELAY.reference(burst, rate, time_ms=60.007, feedback=0.6, wet=0.5)
    at = int(10 * 60.007 * 44.1)
    tenth = out[0, at : at + 2000]
    level = np.linalg.norm(tenth) / np.linalg.norm(burst[0])
    assert 20 * np.log10(level / (0.5 * 0.6**9)) == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_differentiable_form_is_the_reference(seed):
    # Values that float32 holds: its rounding alone moves an echo by a thousandth of a sample.
    drawn = DELAY.draw(np.random.default_rng(seed))
    settings = {name: float(np.float32(value)) for name, value in drawn.items()}
    audio = music(60_000, seed)
    expected = DELAY.reference(audio, 44_100, **settings)
    single = torch.tensor(audio, dtype=torch.float32)[None]
    out = DELAY.forward(single, 44_100, tensors(torch.float32, **settings))[0].numpy()
    assert np.abs(out - expected).max() < 5e-6
    exact = DELAY.forward(torch.tensor(audio)[None], 44_100, tensors(**settings))[0].numpy()
    assert np.abs(exact - expected).max() < 1e-9


def test_items_of_a_batch_keep_their_own_times():
    audio = torch.tensor(music(20_000), dtype=torch.float32).expand(2, 2, -1)
    values = {
        "time_ms": torch.tensor([12.0, 400.0]),
        "feedback": torch.tensor([0.6, 0.0]),
        "wet": torch.tensor([0.3, 0.7]),
    }
    together = DELAY.forward(audio, 44_100, values)
    for i in range(2):
        alone = DELAY.forward(audio[i : i + 1], 44_100, {k: v[i : i + 1] for k, v in values.items()})
        assert (together[i] - alone[0]).abs().max() < 1e-6


def test_pedalboard_hears_the_same():
    pedalboard = pytest.importorskip("pedalboard")
    audio = music(30_000).astype(np.float32)
    board = pedalboard.Pedalboard([pedalboard.Delay(delay_seconds=0.1, feedback=0.4, mix=0.3)])
    ours = DELAY.reference(audio.astype(np.float64), 44_100, time_ms=100.0, feedback=0.4, wet=0.3)
    assert np.abs(board(audio, 44_100) - ours).max() < 1e-5


def test_dry_is_the_identity_and_phase_is_kept():
    audio = music(5000)
    assert np.array_equal(DELAY.reference(audio, 44_100, time_ms=20.0, feedback=0.5, wet=0.0), audio)
    single = torch.tensor(audio, dtype=torch.float32)[None]
    out = DELAY.forward(single, 44_100, tensors(torch.float32, time_ms=20.0, feedback=0.5, wet=0.0))
    assert torch.equal(out, single)


@pytest.mark.parametrize("feedback", [0.0, 0.45])
def test_gradients_are_those_of_finite_differences(feedback):
    rng = np.random.default_rng(2)
    audio = torch.tensor(rng.standard_normal((1, 2, 100)), requires_grad=True)
    values = tensors(time_ms=10.3, feedback=feedback, wet=0.4)
    for value in values.values():
        value.requires_grad_()
    names = list(values)

    def run(x: torch.Tensor, *p: torch.Tensor) -> torch.Tensor:
        return DELAY.forward(x, 4000, dict(zip(names, p, strict=True)))

    assert torch.autograd.gradcheck(run, (audio, *values.values()), eps=1e-6, atol=1e-6, fast_mode=True)


def test_gradients_are_finite_at_the_corners():
    for edge in ("minimum", "maximum"):
        values = {p.name: torch.tensor([getattr(p, edge)], requires_grad=True) for p in DELAY.parameters}
        audio = torch.tensor(music(40_000), dtype=torch.float32)[None].requires_grad_()
        DELAY.forward(audio, 44_100, values).square().mean().backward()
        for tensor in (audio, *values.values()):
            assert tensor.grad is not None and torch.isfinite(tensor.grad).all()


def test_one_sample_is_enough():
    audio = np.full((2, 1), 0.5)
    out = DELAY.reference(audio, 44_100, time_ms=10.0, feedback=0.3, wet=0.4)
    assert out == pytest.approx(np.full((2, 1), 0.3))
    values = tensors(torch.float32, time_ms=10.0, feedback=0.3, wet=0.4)
    again = DELAY.forward(torch.full((1, 2, 1), 0.5), 44_100, values)
    assert again[0].numpy() == pytest.approx(out, abs=1e-7)
