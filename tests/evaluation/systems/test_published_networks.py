"""Networks of other laboratories: sizes as published, spectrograms as in their own code, loaders that fit."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from small_systems import MAKERS, RATE, SMALL, alive, clips
from torch import nn

from fxlens.errors import ModelUnavailableError
from fxlens.evaluation.systems import afx_rep, music_fx_encoder, panns, vggish
from fxlens.evaluation.systems.mel_spectrogram import MelSpectrogram, decibels, slaney_mel
from fxlens.evaluation.systems.registry import open_system


def count(make: type[nn.Module]) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in make().parameters())


def test_sizes_are_the_published_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    # The buffers of the spectrogram come from NumPy, which knows no meta device.
    monkeypatch.setattr(MelSpectrogram, "__init__", lambda self, *_args, **_more: nn.Module.__init__(self))
    assert count(panns.PannCnn14) == 80_753_615  # Kong et al. 2020, Table V
    assert count(vggish.Vggish) == 72_141_184  # 72.1 million: Hershey et al. 2017 and the model card
    tables = 2 * 1025 * 2048 + 1025 * 128
    assert count(afx_rep.AfxRep) + tables == 81_905_344  # as reported of the public checkpoint


LOADERS = {
    "panns": (panns, "PannCnn14", partial(panns.PannCnn14, SMALL), {"model": ""}, "bn0.running_mean"),
    "vggish": (vggish, "Vggish", partial(vggish.Vggish, (4, 8, 8, 8, 12, 12), 32), {"": ""}, "features.0.weight"),
    "afx-rep": (afx_rep, "AfxRep", partial(afx_rep.AfxRep, SMALL), {"state_dict": "encoder."}, "fc_side.weight"),
    "fx-encoder": (
        music_fx_encoder,
        "MusicFxEncoder",
        partial(music_fx_encoder.MusicFxEncoder, music_fx_encoder.BLOCKS[:5]),
        {"model": "module."},
        "encoder.1.conv2.conv1d.conv1d.bias",
    ),
}


@pytest.mark.parametrize("name", LOADERS)
def test_a_checkpoint_of_the_public_form_is_loaded(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer channels than the real one, the same names; the embedding is that of the network it was saved from."""
    module, class_name, make, form, a_tensor = LOADERS[name]
    monkeypatch.setattr(module, class_name, make)
    torch.manual_seed(0)
    network = alive(make()).eval()
    state = dict(network.state_dict())
    assert a_tensor in state
    ((wrapper, prefix),) = form.items()
    saved = {prefix + key: tensor for key, tensor in state.items()}
    if name in ("panns", "afx-rep"):
        saved[f"{prefix}spectrogram_extractor.stft.conv_real.weight"] = torch.zeros(3)
        saved[f"{prefix}logmel_extractor.melW"] = torch.zeros(3)
    if name == "afx-rep":
        saved["projector.weight"] = torch.zeros(3)  # of its training
    torch.save({wrapper: saved, "epoch": 1} if wrapper else saved, tmp_path / "w.pt")
    loaded = open_system(f"{name}:{tmp_path / 'w.pt'}")
    other = alive(make()).eval()
    rebuilt = getattr(module, f"{name.replace('-', '_')}_system")
    expected = rebuilt(network, "cpu").embed(clips(), RATE)
    np.testing.assert_array_equal(loaded.embed(clips(), RATE), expected)
    assert loaded.identity == rebuilt(network, "cpu").identity != rebuilt(other, "cpu").identity

    del saved[prefix + a_tensor]
    torch.save({wrapper: saved} if wrapper else saved, tmp_path / "w.pt")
    with pytest.raises(ModelUnavailableError, match=f"{a_tensor} is missing"):
        open_system(f"{name}:{tmp_path / 'w.pt'}")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "w.pt")
    with pytest.raises(ModelUnavailableError, match=r"weight is unknown|is missing|no tensors named"):
        open_system(f"{name}:{tmp_path / 'w.pt'}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "wrap"),
    [
        (panns.PannCnn14, panns.panns_system),
        (vggish.Vggish, vggish.vggish_system),
        (afx_rep.AfxRep, afx_rep.afx_rep_system),
        (music_fx_encoder.MusicFxEncoder, music_fx_encoder.fx_encoder_system),
    ],
)
def test_the_real_size_runs(make: type[nn.Module], wrap: object) -> None:
    assert callable(wrap)
    found = wrap(make(), "cpu").embed(clips()[:2], RATE)
    assert found.shape[1] in (128, 1024, 2048) and np.isfinite(found).all()


def test_vggish_sees_bands_as_published() -> None:
    """64 bands of 125 to 7500 Hz: centres equally spaced in 1127 ln(1 + f / 700), a tone lights the nearest."""
    network = vggish.Vggish((4, 4, 4, 4, 4, 4), 8)
    edges = np.linspace(1127 * np.log1p(125 / 700), 1127 * np.log1p(7500 / 700), 66)
    centres_hz = 700 * np.expm1(edges[1:-1] / 1127)
    for band in (20, 40, 60):
        tone = torch.sin(2 * torch.pi * float(centres_hz[band]) * torch.arange(16000, dtype=torch.float64) / 16000)
        seen = network.mel(tone.float()[None])[0].mean(dim=-1)
        assert int(seen.argmax()) == band
    assert network.mel(torch.zeros(1, 16000)).shape == (1, 64, 98)  # 25 ms windows every 10 ms, none beyond the end


def test_mid_and_side_have_their_own_half_in_afx_rep() -> None:
    """A mono clip has no side, so all mono clips share the second half; level does not matter."""
    system = MAKERS["afx-rep"]()
    mono = clips()[:, :1].repeat(2, axis=1)
    halves = np.split(system.embed(mono, 48000), 2, axis=1)
    assert np.ptp(halves[1], axis=0).max() < 1e-6 < 1e-3 < np.ptp(halves[0], axis=0).max()
    np.testing.assert_allclose(system.embed(0.1 * clips(), 48000), system.embed(clips(), 48000), atol=1e-4)


def test_clap_hears_the_spectrogram_of_its_own_extractor() -> None:
    transformers = pytest.importorskip("transformers")
    from fxlens.evaluation.systems.clap import ClapAudio

    extractor = transformers.ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc", padding="repeatpad")
    for samples in (480000, 30000, 170000):
        sound = np.resize(clips()[0, 0], samples).astype(np.float32)
        theirs = extractor([sound], sampling_rate=48000, return_tensors="np")["input_features"]
        ours = ClapAudio(None).spectrogram(torch.from_numpy(sound)[None]).numpy()
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=0.02)  # dB


def test_a_mel_spectrogram_is_linear_in_power() -> None:
    mel = slaney_mel(16000, 512, 256, 40, 0.0, 8000.0)
    sound = torch.from_numpy(clips()[:, 0, :8000])
    np.testing.assert_allclose(
        decibels(mel(10.0 * sound) + 1e-3).numpy(), decibels(mel(sound) + 1e-5).numpy() + 20.0, atol=1e-3
    )
    assert mel(sound).shape == (len(sound), 40, 8000 // 256 + 1)
